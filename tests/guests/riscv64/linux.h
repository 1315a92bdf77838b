/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Linux's system calls on riscv64, for the programs of tests/guests/linux. */
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
#define OPEN_DIRECT       040000

static inline long linux_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long a7 __asm__("a7") = number, a0 __asm__("a0") = a, a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c, a3 __asm__("a3") = d, a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
                     : "memory");
    return a0;
}

/* Eight words a round; `size` is a multiple of 64. */
static inline void copy_memory(void *to, const void *from, unsigned long size)
{
    const char *end = (const char *)from + size;

    __asm__ volatile("1: ld t0, 0(%1)\n ld t1, 8(%1)\n ld t2, 16(%1)\n ld t3, 24(%1)\n"
                     "ld t4, 32(%1)\n ld t5, 40(%1)\n ld t6, 48(%1)\n ld a7, 56(%1)\n"
                     "addi %1, %1, 64\n"
                     "sd t0, 0(%0)\n sd t1, 8(%0)\n sd t2, 16(%0)\n sd t3, 24(%0)\n"
                     "sd t4, 32(%0)\n sd t5, 40(%0)\n sd t6, 48(%0)\n sd a7, 56(%0)\n"
                     "addi %0, %0, 64\n bltu %1, %2, 1b"
                     : "+r"(to), "+r"(from)
                     : "r"(end)
                     : "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a7", "memory");
}

/* The stack holds the count of arguments, then the arguments. */
#define PROGRAM_ENTRY \
    __asm__(".globl _start\n_start: mv a0, sp\n andi sp, sp, -16\n call program_main\n ebreak\n")

#endif
