/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Linux's system calls on aarch64, for the programs of tests/guests/linux. */
#ifndef TESTS_GUESTS_LINUX_H
#define TESTS_GUESTS_LINUX_H

#define SYS_IO_SETUP      0
#define SYS_IO_SUBMIT     2
#define SYS_IO_GETEVENTS  4
#define SYS_OPENAT        56
#define SYS_READ          63
#define SYS_WRITE         64
#define SYS_EXIT_GROUP    94
#define SYS_CLOCK_GETTIME 113
#define SYS_MMAP          222
#define OPEN_DIRECT       0200000

static inline long linux_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

/* Pairs of 16 bytes, 64 bytes a round; `size` is a multiple of that. */
static inline void copy_memory(void *to, const void *from, unsigned long size)
{
    const char *end = (const char *)from + size;

    __asm__ volatile("1: ldp x3, x4, [%1]\n ldp x5, x6, [%1, #16]\n"
                     "ldp x7, x8, [%1, #32]\n ldp x9, x10, [%1, #48]\n add %1, %1, #64\n"
                     "stp x3, x4, [%0]\n stp x5, x6, [%0, #16]\n"
                     "stp x7, x8, [%0, #32]\n stp x9, x10, [%0, #48]\n add %0, %0, #64\n"
                     "cmp %1, %2\n b.lo 1b"
                     : "+r"(to), "+r"(from)
                     : "r"(end)
                     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "cc", "memory");
}

/* The stack holds the count of arguments, then the arguments. */
#define PROGRAM_ENTRY __asm__(".globl _start\n_start: mov x0, sp\n bl program_main\n brk #0\n")

#endif
