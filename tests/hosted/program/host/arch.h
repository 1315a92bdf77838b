/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The host contract on Linux for the program `ennead`, the inline part: each CPU is a POSIX thread,
 * time is the machine's. Interrupts are pending until they are unmasked; what runs unmasked for
 * long (translated code) watches its poll word, which the signal behind each interrupt sets.
 */
#ifndef HOST_ARCH_H
#define HOST_ARCH_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#define HOST_ISA       "hosted"
#define HOST_HAS_PORTS 0

struct cpu;

struct host_cpu {
    int thread;              /* as Linux numbers it */
    void *timer;             /* timer_t */
    uint64_t timer_deadline; /* atomic, 0: none */
    uint32_t ipi_pending;    /* atomic, a bit for each enum host_ipi */
    uint32_t news;           /* atomic: an interrupt is pending; a futex */
    uint32_t waiting;        /* atomic: it is in host_wait() */
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
extern __thread volatile bool hosted_irq_enabled;

/* Takes the running CPU's pending interrupts, if there are any. */
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

static inline void host_cpu_relax(void)
{
    sched_yield(); /* the CPU that is waited for may have no core now */
}

void host_wait(void);

/* Nanoseconds. */
uint64_t host_counter(void);

static inline uint64_t host_counter_fast(void)
{
    return host_counter();
}

#include "plain.h"

#endif
