/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The few byte and text helpers that the loader needs: it has no C library, and its pure files are
 * also compiled into the hosted unit tests. The built-ins become inline code or the memcpy and
 * memset that GNU-EFI brings.
 */
#ifndef BOOT_BYTES_H
#define BOOT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_PAGE_SIZE 4096ULL

static inline void bytes_copy(void *to, const void *from, size_t size)
{
    __builtin_memcpy(to, from, size);
}

static inline void bytes_zero(void *at, size_t size)
{
    __builtin_memset(at, 0, size);
}

static inline uint64_t align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

static inline uint64_t align_down(uint64_t value, uint64_t to)
{
    return value & ~(to - 1);
}

static inline bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

#endif
