/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The host contract on Linux, the inline part: a machine that a test drives
 * (tests/hosted/hosted.h). A POSIX thread stands on one virtual CPU at a time, so a test may step N
 * CPUs from one thread, deterministically, or run N threads as N CPUs. Masking interrupts is a
 * flag; interrupts are delivered when the test steps a CPU and when they are unmasked. Time is a
 * counter that the test advances.
 */
#ifndef HOST_ARCH_H
#define HOST_ARCH_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#define HOST_ISA                "hosted"
#define HOST_HAS_PORTS          0
#define HOST_DMA_NEEDS_PROPERTY 0
#define HOST_PT_CHECKER         1 /* mm/page_table_trace.h reports to tests/hosted/page_table_checker.c */

struct cpu;

struct host_cpu {
    uint64_t timer_deadline; /* 0: none */
    uint32_t ipi_pending;    /* atomic, a bit for each enum host_ipi */
    uint64_t ipi_received;
    ucontext_t resume; /* where the CPU goes on when it is stepped */
    bool waiting;      /* it is in host_wait() */
    bool irq_enabled;  /* while another CPU runs */
};

struct host_trap_frame {
    uint64_t pc, fp, sp;
};

struct host_context {
    ucontext_t context;
    void (*entry)(void *);
    void *arg;
};

extern __thread struct cpu *hosted_cpu;
extern __thread bool hosted_irq_enabled;
extern uint64_t hosted_counter;

/* Takes pending interrupts of the running CPU. */
void hosted_irq_deliver(void);

static inline struct cpu *host_this_cpu(void)
{
    return hosted_cpu;
}

static inline void host_set_this_cpu(struct cpu *cpu)
{
    hosted_cpu = cpu;
}

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

static inline void host_irq_enable(void)
{
    hosted_irq_enabled = true;
    hosted_irq_deliver();
}

static inline void host_irq_disable(void)
{
    hosted_irq_enabled = false;
}

static inline void host_irq_restore(uint64_t flags)
{
    if (flags)
        host_irq_enable();
}

/* Lets the other stepped CPUs, if there are any, run until they do the same. */
void hosted_cpu_next(void);

static inline void host_cpu_relax(void)
{
    sched_yield(); /* the CPU that is waited for may have no core now */
    hosted_cpu_next();
}

void host_wait(void);

static inline uint64_t host_counter(void)
{
    return __atomic_load_n(&hosted_counter, __ATOMIC_RELAXED);
}

static inline uint64_t host_counter_fast(void)
{
    return host_counter();
}

#include "plain.h"

#endif
