/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Linux's system calls on x86_64, for the programs of tests/guests/linux. */
#ifndef TESTS_GUESTS_LINUX_H
#define TESTS_GUESTS_LINUX_H

#define SYS_READ          0
#define SYS_WRITE         1
#define SYS_MMAP          9
#define SYS_IO_SETUP      206
#define SYS_IO_GETEVENTS  208
#define SYS_IO_SUBMIT     209
#define SYS_CLOCK_GETTIME 228
#define SYS_EXIT_GROUP    231
#define SYS_OPENAT        257
#define OPEN_DIRECT       040000

static inline long linux_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* What processors of this kind copy large pieces with. */
static inline void copy_memory(void *to, const void *from, unsigned long size)
{
    unsigned long words = size / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

/* The stack holds the count of arguments, then the arguments. */
#define PROGRAM_ENTRY \
    __asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call program_main\n ud2\n")

#endif
