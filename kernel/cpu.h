/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * CPUs and per-CPU data. One `struct cpu` a CPU, allocated when the CPU is found; no arrays sized
 * by a maximum.
 *
 * Other modules put their per-CPU variables in the `.percpu` template: PER_CPU(type, name) defines
 * one, this_cpu_ptr(name) reaches this CPU's copy (preemption or interrupts must be off for the
 * time of use), cpu_ptr(cpu, name) any CPU's.
 */
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include "kernel/host.h"

#define CPU_MAX 1024 /* a bound on what enumeration may report, not the size of anything */

struct run_queue;
struct timer_queue;

struct cpu {
    /* Offsets of these first fields are known to assembly: see <host/arch.h>. */
    struct cpu *self;
    struct thread *current; /* the running thread */
    uint64_t preempt_count; /* > 0: no preemption; see kernel/thread.h */
    uint64_t need_resched;  /* set by interrupts, tested at their end */
    uint64_t
        percpu_offset;    /* to this CPU's copy of the template, from the template's own address */
    struct host_cpu host; /* the host's own part */

    unsigned id;    /* 0 is the boot CPU, then in order of enumeration */
    uint64_t hw_id; /* APIC id, MPIDR affinity, hart id */
    bool online;
    uint32_t ipi_pending; /* atomic bits by enum host_ipi, where the machine has one IPI only */
    struct thread *idle;
    struct run_queue *run_queue;
    struct timer_queue *timers;
    uint64_t idle_ns;     /* time spent idle, up to the last switch */
    uint64_t *call_inbox; /* a bit for each CPU that wants cpu_call() served here */
    uint64_t irq_count;
    /* Set to 1 by each interrupt: the poll word of the translated vCPU that is loaded here
     * (its engine's load and put), or NULL. */
    uint8_t *poll_word;
};

static inline struct cpu *this_cpu(void)
{
    return host_this_cpu();
}

/* Zero at start on every CPU: an initial value would be the boot CPU's only. */
#define PER_CPU(type, name) __attribute__((section(".percpu"))) type name
#define cpu_ptr(cpu, name)  ((__typeof__(name) *)((uintptr_t) & (name) + (cpu)->percpu_offset))
#define this_cpu_ptr(name)  cpu_ptr(this_cpu(), name)

/* Number of CPU ids: they run from 0 to cpu_count() - 1. */
unsigned cpu_count(void);
/* CPU `id`, or NULL when there is none or it did not start. */
struct cpu *cpu_get(unsigned id);
unsigned cpu_online_count(void);

/* The boot CPU's area before any allocator runs; uses the template itself as its copy
 * (percpu_offset 0). */
struct cpu *cpu_boot(void);
/* Finds, allocates and starts all the other CPUs; logs those that do not come up. */
void cpu_start_all(void);
/* Called by the host on each secondary CPU. Does not return: becomes the idle thread. */
NORETURN void cpu_secondary_main(struct cpu *cpu);

/* Runs `fn(arg)` on `cpu` in interrupt context (masked there), at once when that is this CPU; waits
 * for its end when `wait`. A caller that waits serves others' calls meanwhile, so it may be masked,
 * but it must hold no spinlock that a masked CPU could be waiting for. */
void cpu_call(struct cpu *cpu, void (*fn)(void *), void *arg, bool wait);
/* The same on all other online CPUs, at the same time. */
void cpu_call_others(void (*fn)(void *), void *arg, bool wait);
/* Called by the host's interrupt code. */
void ipi_dispatch(enum host_ipi kind);
/* The same, first at each interrupt, masked. */
static inline void cpu_note_interrupt(struct cpu *cpu)
{
    cpu->irq_count++;
    if (cpu->poll_word)
        __atomic_store_n(cpu->poll_word, 1, __ATOMIC_RELAXED);
}

#endif
