/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A vCPU is a kernel thread that runs a guest: request bits, a mode and the cache of its registers.
 *
 * Requests and mode pair like this (both sides with a full barrier between the two accesses): a
 * sender sets its bit in `requests`, then reads `mode`, and sends an IPI only when it is
 * VCPU_IN_GUEST; the vCPU, interrupts masked, sets `mode` to VCPU_IN_GUEST, then reads `requests`,
 * and goes back when there are any. So a request is either seen before the entry or the entry is
 * left by the IPI.
 */
#ifndef KERNEL_VCPU_H
#define KERNEL_VCPU_H

#include "kernel/engine.h"
#include "kernel/guest_isa.h"
#include "kernel/thread.h"
#include "kernel/timer.h"
#include "kernel/trace.h"

enum vcpu_mode { VCPU_OUTSIDE, VCPU_IN_GUEST };

enum vcpu_request {
    VCPU_REQUEST_STOP = 1u << 0,    /* leave the loop: the VM is being stopped */
    VCPU_REQUEST_IRQ = 1u << 1,     /* the interrupt controller has news: before_run() will look */
    VCPU_REQUEST_FLUSH = 1u << 2,   /* second-stage entries were removed */
    VCPU_REQUEST_START = 1u << 3,   /* a stopped vCPU was started (PSCI CPU_ON, SBI HSM) */
    VCPU_REQUEST_STARTUP = 1u << 4, /* guest_isa->startup() has something to do */
    VCPU_REQUEST_PAUSE = 1u << 5,   /* the VM is being paused: vm_vcpu_park() */
    VCPU_REQUEST_LATER = 1u << 6,   /* what vcpu_do_later() put off is due */
    VCPU_REQUEST_STEP = 1u << 7,    /* one instruction, for a debugger; stays until that is done */
};

struct vcpu_stats {
    uint64_t exits[EXIT_KIND_COUNT];
    uint64_t stage2_faults; /* RAM pages mapped on demand */
    uint64_t injected;      /* interrupts */
    uint64_t kicks;
    uint64_t last_exit; /* enum exit_kind */
    uint64_t last_pc;
    /* Time, in ticks of host_counter(): in the guest, and from an exit to the next entry by the
     * exit's reason, without what other threads ran in between. */
    uint64_t guest_ticks;
    uint64_t exit_ticks[EXIT_KIND_COUNT];
    uint64_t since;        /* the last entry or exit */
    uint64_t switched_out; /* when the thread last left its CPU */
};

struct vcpu {
    struct vm *vm;
    void *state; /* canonical: struct x86_state and so on */
    void *engine_data;
    void *isa_data;
    uint64_t reg_valid; /* groups of `state` that are as the guest has them */
    uint64_t reg_dirty; /* groups that must be written before the next entry */
    uint32_t requests;  /* atomic: enum vcpu_request */
    uint32_t mode;      /* enum vcpu_mode */
    struct cpu *cpu;    /* where it is loaded, or NULL */
    struct thread *thread;
    unsigned id;
    /* before_run() is to be called: the vCPU's own thread sets it where it changes what
     * before_run() looks at; others send VCPU_REQUEST_IRQ. */
    bool irq_news;
    bool running; /* false: waits for start-up (secondary CPUs) */
    struct {
        void (*run)(void *arg); /* NULL: nothing */
        void *arg;
        struct timer timer;
    } later; /* vcpu_do_later() */
    struct vcpu_debug debug;
    struct vcpu_stats stats;
};

/* Makes `groups` of the canonical state valid. On the vCPU's own thread. */
static inline void vcpu_need(struct vcpu *v, uint64_t groups);
/* As vcpu_need(), and says that the caller will change them. */
static inline void vcpu_dirty(struct vcpu *v, uint64_t groups);

/* Sets `requests` bits and makes the vCPU see them soon: wakes its thread, or kicks it out of the
 * guest. Any context. */
void vcpu_request(struct vcpu *v, uint32_t requests);
/* Puts work off: run(arg) is called on the vCPU's own thread before it sleeps next, at the latest
 * after `delay_ns` nanoseconds. False: something else waits there already. On the vCPU's own
 * thread; what `arg` points to lives as long as the vCPU runs. */
bool vcpu_do_later(struct vcpu *v, void (*run)(void *arg), void *arg, uint64_t delay_ns) MUST_CHECK;
/* For secondary vCPUs: state is set up, run. Any context. */
void vcpu_start(struct vcpu *v);

/* Creates vCPU `id` of `vm` with its thread, which waits until `running` is set and
 * vcpu_request(START) comes. */
enum err vcpu_create(struct vm *vm, unsigned id) MUST_CHECK;
/* After its thread has left the loop. */
void vcpu_destroy(struct vcpu *v);

/* The scheduler calls these, masked, when a thread with a vCPU comes to this CPU or leaves it: the
 * engine's load and put. In between the state is the vCPU's own thread's only, which sleeps. */
void vcpu_switch_in(struct vcpu *v);
void vcpu_switch_out(struct vcpu *v);
/* Makes `v` the running thread's vCPU (loading it), or takes it away (NULL): all of its state is
 * canonical then, for anybody to change. */
void thread_bind_vcpu(struct vcpu *v);

/* The vCPU of the running thread, or NULL. */
static inline struct vcpu *vcpu_current(void)
{
    return thread_current()->vcpu;
}

#include "kernel/vm.h"

/* Is the vCPU in a debugger's step? */
static inline bool debug_stepping(const struct vcpu *v)
{
    return READ_ONCE(v->requests) & VCPU_REQUEST_STEP;
}

/* Counts interrupts that the guest takes; `number`: vector, INTID or cause, as its ISA has them. */
static inline void vcpu_injected(struct vcpu *v, unsigned count, uint64_t number)
{
    v->stats.injected += count;
    if (trace_on(TRACE_INTERRUPT) && count)
        trace_event(TRACE_INTERRUPT, v->vm, v->id, count, number);
}

/* The rare half of vcpu_need(). */
void vcpu_fetch(struct vcpu *v, uint64_t groups);

static inline void vcpu_need(struct vcpu *v, uint64_t groups)
{
    if (unlikely(groups & ~v->reg_valid))
        vcpu_fetch(v, groups);
}

/* Atomic against a switch of this CPU to another thread, which sets bits. */
static inline void vcpu_dirty(struct vcpu *v, uint64_t groups)
{
    vcpu_need(v, groups);
    __atomic_fetch_or(&v->reg_dirty, groups, __ATOMIC_RELAXED);
}

#endif
