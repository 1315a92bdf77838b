/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The host contract on Linux, the inline part: a machine that a test drives. Each POSIX thread stands on one virtual CPU at a time
 * (hosted_cpu_set()), so a test may either step N CPUs from one thread, deterministically, or run N threads as N CPUs. Interrupts are a flag per
 * CPU, time is a counter that the test advances.
 */
#ifndef HOST_ARCH_H
#define HOST_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_ISA "hosted"
#define HOST_HAS_PORTS 0

struct cpu;

struct host_cpu {
    bool irq_enabled;
    uint64_t timer_deadline;
    uint64_t ipi_sent[4]; /* by enum host_ipi */
    bool waiting;         /* in host_wait() */
};

struct host_trap_frame {
    uint64_t pc, fp, sp;
};

struct host_context {
    void *fiber; /* tests/hosted/host.c */
};

extern __thread struct cpu *hosted_cpu;

static inline struct cpu *host_this_cpu(void)
{
    return hosted_cpu;
}

static inline void host_set_this_cpu(struct cpu *cpu)
{
    hosted_cpu = cpu;
}

/* The flag is thread-local like the CPU: struct cpu is not complete here. */
extern __thread bool hosted_irq_enabled;

static inline bool host_irq_enabled(void)
{
    return hosted_irq_enabled;
}

static inline uint64_t host_irq_save(void)
{
    uint64_t flags = hosted_irq_enabled;

    hosted_irq_enabled = false;
    return flags;
}

void hosted_irq_deliver(void);

static inline void host_irq_enable(void)
{
    hosted_irq_enabled = true;
}

static inline void host_irq_disable(void)
{
    hosted_irq_enabled = false;
}

static inline void host_irq_restore(uint64_t flags)
{
    hosted_irq_enabled = flags;
}

static inline void host_cpu_relax(void)
{
    __builtin_ia32_pause();
}

void host_wait(void);

extern uint64_t hosted_counter;

static inline uint64_t host_counter(void)
{
    return __atomic_load_n(&hosted_counter, __ATOMIC_RELAXED);
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

#define HOSTED_MMIO(bits)                                                                          \
    static inline uint##bits##_t mmio_read##bits(const volatile void *p)                           \
    {                                                                                              \
        return *(const volatile uint##bits##_t *)p;                                                \
    }                                                                                              \
    static inline void mmio_write##bits(volatile void *p, uint##bits##_t value)                    \
    {                                                                                              \
        *(volatile uint##bits##_t *)p = value;                                                     \
    }
HOSTED_MMIO(8)
HOSTED_MMIO(16)
HOSTED_MMIO(32)
HOSTED_MMIO(64)

#define HOSTED_PORT(bits)                                                                          \
    static inline uint##bits##_t host_port_read##bits(uint16_t port)                               \
    {                                                                                              \
        (void)port;                                                                                \
        return (uint##bits##_t)~0ULL;                                                              \
    }                                                                                              \
    static inline void host_port_write##bits(uint16_t port, uint##bits##_t value)                  \
    {                                                                                              \
        (void)port;                                                                                \
        (void)value;                                                                               \
    }
HOSTED_PORT(8)
HOSTED_PORT(16)
HOSTED_PORT(32)

#endif
