/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A program without a library that tries memcpy at every alignment, for test_memcpy.py: its exit
 * status is 0 when all copies were right, 2 for a wrong result, 3 for wrong bytes. */
#include <stddef.h>
#include <stdint.h>

#define SIZES      700
#define ALIGNMENTS 9
#define BEFORE     16
#define LARGE      4090 /* up to LARGE_END: loops of many bytes a round, more than once */
#define LARGE_END  4100
#define WINDOW     4160
#define UNTOUCHED  0xee

void *memcpy(void *to, const void *from, size_t size);
#ifdef __riscv
extern uint8_t memcpy_unaligned;
#endif

static uint8_t from[WINDOW], to[WINDOW];

static void leave(long status)
{
#if defined(__aarch64__)
    register long number __asm__("x8") = 93, argument __asm__("x0") = status;
    __asm__ volatile("svc 0" ::"r"(number), "r"(argument));
#elif defined(__riscv)
    register long number __asm__("a7") = 93, argument __asm__("a0") = status;
    __asm__ volatile("ecall" ::"r"(number), "r"(argument));
#else
    __asm__ volatile("syscall" ::"a"(60L), "D"(status));
#endif
}

static void check(size_t size, size_t at, size_t source)
{
    for (size_t i = 0; i < WINDOW; i++)
        *(volatile uint8_t *)&to[i] = UNTOUCHED;
    if (memcpy(to + at, from + source, size) != to + at)
        leave(2);
    for (size_t i = 0; i < WINDOW; i++)
        if (to[i] != (i >= at && i < at + size ? from[source + i - at] : UNTOUCHED))
            leave(3);
}

static void check_all(void)
{
    for (size_t size = 0; size < LARGE_END; size++) {
        if (size == SIZES)
            size = LARGE;
        for (size_t at = 0; at < ALIGNMENTS; at++)
            for (size_t source = 0; source < ALIGNMENTS; source++)
                check(size, BEFORE + at, source);
    }
}

void _start(void)
{
    for (size_t i = 0; i < WINDOW; i++)
        from[i] = (uint8_t)(i * 31 + (i >> 5));
    check_all();
#ifdef __riscv
    memcpy_unaligned = 1;
    check_all();
#endif
    leave(0);
}
