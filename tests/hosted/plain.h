/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The host contract on Linux: what is the same in tests and in the program. Included by their
 * <host/arch.h>. */
#ifndef HOSTED_PLAIN_H
#define HOSTED_PLAIN_H

#include <stddef.h>
#include <stdint.h>

static inline void host_memory_zero(void *at, size_t size)
{
    __builtin_memset(at, 0, size);
}

static inline void host_barrier_full(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void host_barrier_read(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void host_barrier_write(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

#define HOSTED_MMIO(bits)                                                       \
    static inline uint##bits##_t mmio_read##bits(const volatile void *p)        \
    {                                                                           \
        return *(const volatile uint##bits##_t *)p;                             \
    }                                                                           \
    static inline void mmio_write##bits(volatile void *p, uint##bits##_t value) \
    {                                                                           \
        *(volatile uint##bits##_t *)p = value;                                  \
    }
HOSTED_MMIO(8)
HOSTED_MMIO(16)
HOSTED_MMIO(32)
HOSTED_MMIO(64)

#define HOSTED_PORT(bits)                                                         \
    static inline uint##bits##_t host_port_read##bits(uint16_t port)              \
    {                                                                             \
        (void)port;                                                               \
        return (uint##bits##_t) ~0ULL;                                            \
    }                                                                             \
    static inline void host_port_write##bits(uint16_t port, uint##bits##_t value) \
    {                                                                             \
        (void)port;                                                               \
        (void)value;                                                              \
    }
HOSTED_PORT(8)
HOSTED_PORT(16)
HOSTED_PORT(32)

#endif
