/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Threads of the kernel (a vCPU is one) and the scheduler: per-CPU run queues ordered by weighted
 * virtual run time, preemption by timer, affinity, work taken from busier CPUs by idle ones.
 *
 * A stack is THREAD_STACK_SIZE bytes in a slot of twice that, aligned to the slot; the lower half
 * is an unmapped guard, so that bit THREAD_STACK_SHIFT of the stack pointer is 1 exactly while it
 * is inside the stack (trap entry tests it).
 *
 * A thread that an interrupt preempts stays on its CPU; only a thread that waits, wakes, yields or
 * calls thread_resched() may continue on another. So this_cpu() stays true in preemptible code
 * until it sleeps, and preempt_disable() needs no atomic operation.
 */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/pairing.h"
#include "kernel/timer.h"

#define THREAD_STACK_SHIFT 14
#define THREAD_STACK_SIZE  (1UL << THREAD_STACK_SHIFT)
#define THREAD_NAME_SIZE   32
#define THREAD_WEIGHT      1024 /* the default; a thread of twice the weight gets twice the time */

#define THREAD_CPUS_MAX 256

/* A set of CPUs by their ids; empty: any. */
struct thread_cpus {
    uint64_t bits[THREAD_CPUS_MAX / 64];
};

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_SLEEPING, THREAD_EXITED };

struct vcpu;

struct thread {
    struct host_context context;
    uint64_t stack_base; /* lowest address of the stack */
    uint32_t holds;      /* atomic: itself until it has ended, and thread_create_on()'s caller */
    enum thread_state state;
    char name[THREAD_NAME_SIZE];
    unsigned id;
    uint32_t weight;
    uint64_t vruntime;    /* weighted ns */
    uint64_t run_ns;      /* time run in all */
    uint64_t switched_in; /* clock_ns() of the last switch to it */
    uint64_t switches;
    int affinity; /* CPU id, or -1: those of `cpus` */
    struct thread_cpus cpus;
    uint64_t arrived;             /* clock_ns() when it came to its CPU */
    struct cpu *cpu;              /* whose run queue it is on, or last ran on */
    bool wake_pending;            /* a wake that came before the sleep */
    bool preempted;               /* by an interrupt: it continues on its CPU */
    bool timed_out;               /* the sleep ended by its deadline */
    struct pairing_node run_node; /* in its run queue, by vruntime */
    struct thread *movable_next,
        *movable_prev; /* in its run queue: those that an idle CPU may take */
    struct wait_queue *wait_on;
    struct thread *wait_next, *wait_prev;
    struct timer sleep_timer;
    struct thread *all_next, *all_prev;
    struct vcpu *vcpu; /* the vCPU that runs on it, or NULL */
    /* Called when this CPU stops running the thread and when it runs it again, masked, only if
     * another thread ran in between. switch_out runs under the run queue's lock: it may not wake or
     * wait. Either may be NULL. */
    void (*switch_out)(struct thread *t);
    void (*switch_in)(struct thread *t);
    void (*entry)(void *);
    void *arg;
#if DEBUG
    struct mutex *held_mutexes;
#endif
};

/* Creates a thread and makes it ready. It ends when `entry` returns; its memory is freed then.
 * `affinity`: a CPU's id, -1: any. */
enum err thread_create(struct thread **out, const char *name, void (*entry)(void *), void *arg,
                       uint32_t weight, int affinity) MUST_CHECK;
/* The same, for the CPUs of `cpus`, one of which must be online (ERR_INVALID). What `out` gives may
 * be woken after the thread's end too: it is freed after thread_release(). */
enum err thread_create_on(struct thread **out, const char *name, void (*entry)(void *), void *arg,
                          uint32_t weight, const struct thread_cpus *cpus) MUST_CHECK;
void thread_release(struct thread *t);
static inline struct thread *thread_current(void)
{
    return this_cpu()->current;
}
/* Time that `t` has run, up to now. `t` does not end meanwhile. */
uint64_t thread_run_ns(const struct thread *t);
/* Lets others run that are ready. */
void thread_yield(void);
/* A good place to be preempted, and cheap: switches if somebody wants this CPU; the thread may
 * continue on another CPU. For long-running loops (a vCPU's), which an idle CPU could otherwise
 * never take over. */
void thread_resched(void);
NORETURN void thread_exit(void);
/* Sleeps until thread_wake() or until clock_ns() >= deadline (UINT64_MAX: no limit). A wake sent
 * since the last return makes it return at once, so: test the condition, sleep, test again. Returns
 * false when the deadline passed. */
bool thread_sleep_until(uint64_t deadline);
void thread_sleep_ns(uint64_t ns);
/* Any context. */
void thread_wake(struct thread *t);

/* Wait queues: wait_event(q, condition) sleeps until `condition` is true; wake_all(q) after
 * changing it. */
void wait_prepare(struct wait_queue *q);
void wait_finish(struct wait_queue *q);
void wake_all(struct wait_queue *q);
/* Wakes the one that waits longest. */
void wake_one(struct wait_queue *q);
#define wait_event(q, cond)                     \
    do {                                        \
        while (!(cond)) {                       \
            wait_prepare(q);                    \
            if (!(cond))                        \
                thread_sleep_until(UINT64_MAX); \
            wait_finish(q);                     \
        }                                       \
    } while (0)

/* Preemption off and on; nests. Interrupt handlers still run. */
static inline void preempt_disable(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    this_cpu()->preempt_count++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
void preempt_enable(void);
/* Called by the host at the end of an interrupt that came from a preemptible place, masked:
 * switches when asked for. */
void thread_preempt(void);

/* Allocates the run queue, timers and idle thread of the boot CPU, whose first code runs as a
 * thread that cannot sleep yet. */
void scheduler_init(void);
/* Leaves the boot stack for good: runs `entry` as thread "main" with interrupts on. Masked. */
NORETURN void scheduler_start(void (*entry)(void *));
/* The run queue and idle thread of another CPU, before it starts. */
enum err scheduler_cpu_init(struct cpu *cpu) MUST_CHECK;
/* Makes room for `count` CPUs; before the second one starts. */
enum err scheduler_set_cpu_count(unsigned count) MUST_CHECK;
/* The idle thread of the running CPU: what the CPU does from now on. Masked. */
NORETURN void scheduler_idle(void);
/* Called for HOST_IPI_RESCHEDULE. */
void scheduler_ipi(void);
/* Threads ready on `cpu`, not counting the running one. */
unsigned scheduler_queue_length(const struct cpu *cpu);
/* Calls `fn` for each thread under the list's lock. */
void thread_for_each(void (*fn)(struct thread *t, void *arg), void *arg);

#endif
