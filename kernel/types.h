/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Types and small macros that every file may use: opaque addresses, sizes, containers. */
#ifndef KERNEL_TYPES_H
#define KERNEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/err.h"

/* Addresses that the compiler keeps apart: guest-virtual, guest-physical, host-physical.
 * Host-virtual ones are pointers. */
typedef struct {
    uint64_t v;
} gva_t;
typedef struct {
    uint64_t v;
} gpa_t;
typedef struct {
    uint64_t v;
} hpa_t;

#define GVA(x) ((gva_t){(x)})
#define GPA(x) ((gpa_t){(x)})
#define HPA(x) ((hpa_t){(x)})

#define KIB(x) ((uint64_t)(x) << 10)
#define MIB(x) ((uint64_t)(x) << 20)
#define GIB(x) ((uint64_t)(x) << 30)
#define TIB(x) ((uint64_t)(x) << 40)

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1UL << PAGE_SHIFT)
#define PAGE_MASK  (PAGE_SIZE - 1)

#define NS_PER_SEC 1000000000ULL
#define NS_PER_MS  1000000ULL
#define NS_PER_US  1000ULL

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1ULL << (n))
/* Bits hi..lo, inclusive, as in the manuals. */
#define BITS(hi, lo)     ((~0ULL >> (63 - (hi))) & (~0ULL << (lo)))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)   ALIGN_DOWN((x) + (__typeof__(x))(a)-1, a)
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)
#define MIN(a, b)               \
    ({                          \
        __typeof__(a) a_ = (a); \
        __typeof__(b) b_ = (b); \
        a_ < b_ ? a_ : b_;      \
    })
#define MAX(a, b)               \
    ({                          \
        __typeof__(a) a_ = (a); \
        __typeof__(b) b_ = (b); \
        a_ > b_ ? a_ : b_;      \
    })
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN               __attribute__((noreturn))
#define NOINLINE               __attribute__((noinline)) /* keeps a rare path from burdening the common one */
#define CACHE_ALIGNED          __attribute__((aligned(64)))
#define PACKED                 __attribute__((packed))

/* One volatile access: for memory that others write meanwhile. */
#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, y) (*(volatile __typeof__(x) *)&(x) = (y))

#endif
