/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The life of threads: creation, sleep, wake-up, death, waiting. Which thread a CPU runs next is
 * kernel/scheduler.c's.
 */
#include <string.h>
#include "kernel/thread.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/scheduler.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"

LOCK_CLASS(wait_class, "wait queue", RANK_WAIT);
LOCK_CLASS(list_class, "list of threads", RANK_THREAD_LIST);

static struct mutex list_lock = {.waiters = {.lock = SPINLOCK_INIT(&wait_class)},
                                 .class = &list_class};
static struct thread *all_threads;
static unsigned next_id;

/* Threads that have ended and that nobody holds, linked by wait_next; freed by the reaper. */
static struct thread *dead_threads;
static struct thread *reaper;

static void list_add(struct thread *t)
{
    mutex_lock(&list_lock);
    t->id = next_id++;
    t->all_next = all_threads;
    if (all_threads)
        all_threads->all_prev = t;
    all_threads = t;
    mutex_unlock(&list_lock);
}

static void list_remove(struct thread *t)
{
    mutex_lock(&list_lock);
    if (t->all_prev)
        t->all_prev->all_next = t->all_next;
    else
        all_threads = t->all_next;
    if (t->all_next)
        t->all_next->all_prev = t->all_prev;
    mutex_unlock(&list_lock);
}

void thread_for_each(void (*fn)(struct thread *t, void *arg), void *arg)
{
    mutex_lock(&list_lock);
    for (struct thread *t = all_threads; t; t = t->all_next)
        fn(t, arg);
    mutex_unlock(&list_lock);
}

/* First code of every thread, on its own stack, masked. */
static void thread_start(void *arg)
{
    struct thread *t = arg;
    scheduler_switched();
    host_irq_enable();
    t->entry(t->arg);
    thread_exit();
}

static void sleep_timer_fire(struct timer *timer)
{
    struct thread *t = container_of(timer, struct thread, sleep_timer);
    WRITE_ONCE(t->timed_out, true);
    thread_wake(t);
}

struct thread *thread_build(const char *name, void (*entry)(void *), void *arg)
{
    struct thread *t = heap_zalloc(sizeof(*t));
    void *stack = t ? kernel_stack_alloc() : NULL;
    if (!stack) {
        heap_free(t);
        return NULL;
    }
    t->stack_base = (uint64_t)stack;
    strlcpy(t->name, name, sizeof(t->name));
    t->weight = THREAD_WEIGHT;
    t->holds = 1;
    t->affinity = -1;
    t->entry = entry;
    t->arg = arg;
    t->cpu = this_cpu();
    timer_setup(&t->sleep_timer, sleep_timer_fire);
    host_context_init(&t->context, (char *)stack + THREAD_STACK_SIZE, thread_start, t);
    list_add(t);
    return t;
}

static enum err thread_launch(struct thread **out, struct thread *t, uint32_t weight)
{
    if (!t)
        return ERR_NO_MEMORY;
    t->weight = weight;
    t->state = THREAD_SLEEPING;
    if (out)
        *out = t;
    scheduler_place_new(t);
    thread_wake(t);
    return ERR_OK;
}

enum err thread_create(struct thread **out, const char *name, void (*entry)(void *), void *arg,
                       uint32_t weight, int affinity)
{
    if (weight == 0 || (affinity >= 0 && !cpu_get((unsigned)affinity)))
        return ERR_INVALID;
    struct thread *t = thread_build(name, entry, arg);
    if (t)
        t->affinity = affinity;
    return thread_launch(out, t, weight);
}

static bool some_allowed(const struct thread_cpus *cpus)
{
    const struct thread probe = {.affinity = -1, .cpus = *cpus};

    for (unsigned id = 0; id < cpu_count(); id++)
        if (cpu_get(id) && scheduler_allows(&probe, id))
            return true;
    return false;
}

enum err thread_create_on(struct thread **out, const char *name, void (*entry)(void *), void *arg,
                          uint32_t weight, const struct thread_cpus *cpus)
{
    if (weight == 0 || !some_allowed(cpus))
        return ERR_INVALID;
    struct thread *t = thread_build(name, entry, arg);
    if (t) {
        t->cpus = *cpus;
        t->holds++;
    }
    return thread_launch(out, t, weight);
}

void thread_exit(void)
{
    host_irq_disable();
    thread_current()->state = THREAD_EXITED;
    scheduler_switch(SWITCH_SLEEP);
    panic("a thread that had ended ran again");
}

void thread_release(struct thread *t)
{
    if (__atomic_sub_fetch(&t->holds, 1, __ATOMIC_ACQ_REL))
        return;

    struct thread *head = __atomic_load_n(&dead_threads, __ATOMIC_RELAXED);
    do
        t->wait_next = head;
    while (!__atomic_compare_exchange_n(&dead_threads, &head, t, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
    if (reaper)
        thread_wake(reaper);
}

static void reaper_main(void *unused)
{
    (void)unused;
    for (;;) {
        struct thread *t = __atomic_exchange_n(&dead_threads, NULL, __ATOMIC_ACQUIRE);
        while (t) {
            struct thread *next = t->wait_next;
            timer_cancel(&t->sleep_timer);
            list_remove(t);
            kernel_stack_free((void *)t->stack_base);
            heap_free(t);
            t = next;
        }
        thread_sleep_until(UINT64_MAX);
    }
}

void thread_reaper_start(void)
{
    if (thread_create(&reaper, "reaper", reaper_main, NULL, THREAD_WEIGHT, -1) != ERR_OK)
        log_warn("no memory for the thread that frees ended threads: their memory stays in use");
}

bool thread_sleep_until(uint64_t deadline)
{
    struct thread *t = thread_current();
    lock_check_sleep("sleeps");
    if (this_cpu()->preempt_count)
        panic("thread %s sleeps with preemption off", t->name);
    WRITE_ONCE(t->timed_out, false);
    bool timed = deadline != UINT64_MAX;
    if (timed && !READ_ONCE(t->wake_pending))
        timer_set(&t->sleep_timer, deadline);

    uint64_t flags = host_irq_save();
    scheduler_switch(SWITCH_SLEEP);
    host_irq_restore(flags);

    if (timed)
        timer_cancel(&t->sleep_timer);
    return !READ_ONCE(t->timed_out);
}

void thread_sleep_ns(uint64_t ns)
{
    uint64_t deadline = clock_ns() + ns;
    while (clock_ns() < deadline)
        thread_sleep_until(deadline);
}

uint64_t thread_run_ns(const struct thread *t)
{
    uint64_t ns = READ_ONCE(t->run_ns), since = READ_ONCE(t->switched_in), now = clock_ns();

    if (READ_ONCE(t->state) == THREAD_RUNNING && now > since)
        ns += now - since;
    return ns;
}

void thread_yield(void)
{
    uint64_t flags = host_irq_save();
    scheduler_switch(SWITCH_YIELD);
    host_irq_restore(flags);
}

void thread_resched(void)
{
    if (likely(!READ_ONCE(this_cpu()->need_resched)))
        return;
    uint64_t flags = host_irq_save();
    scheduler_switch(SWITCH_POINT);
    host_irq_restore(flags);
}

void preempt_enable(void)
{
    struct cpu *cpu = this_cpu();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uint64_t count = --cpu->preempt_count;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (likely(count || !READ_ONCE(cpu->need_resched)) || !host_irq_enabled())
        return;
    uint64_t flags = host_irq_save();
    thread_preempt();
    host_irq_restore(flags);
}

void thread_preempt(void)
{
    struct cpu *cpu = this_cpu();
    if (!cpu->need_resched || cpu->preempt_count || !cpu->idle)
        return;
    if (cpu->poll_word) /* it comes to thread_resched() by itself, where it may change its CPU */
        __atomic_store_n(cpu->poll_word, 1, __ATOMIC_RELAXED);
    else
        scheduler_switch(SWITCH_PREEMPT);
}

/* ---- Wait queues: a list of threads, first come first. Sleeping is the caller's. ---- */

void wait_queue_init(struct wait_queue *q)
{
    *q = (struct wait_queue){.lock = SPINLOCK_INIT(&wait_class)};
}

void wait_prepare(struct wait_queue *q)
{
    struct thread *t = thread_current();
    uint64_t flags = spin_lock_irq(&q->lock);
    t->wait_on = q;
    t->wait_next = NULL;
    t->wait_prev = q->last;
    if (q->last)
        q->last->wait_next = t;
    else
        q->first = t;
    q->last = t;
    spin_unlock_irq(&q->lock, flags);
    /* Whoever changes the condition looks at the queue after that; we look at the condition after
     * this. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void wait_finish(struct wait_queue *q)
{
    struct thread *t = thread_current();
    uint64_t flags = spin_lock_irq(&q->lock);
    if (t->wait_prev)
        t->wait_prev->wait_next = t->wait_next;
    else
        q->first = t->wait_next;
    if (t->wait_next)
        t->wait_next->wait_prev = t->wait_prev;
    else
        q->last = t->wait_prev;
    t->wait_next = t->wait_prev = NULL;
    t->wait_on = NULL;
    spin_unlock_irq(&q->lock, flags);
}

void wake_all(struct wait_queue *q)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!READ_ONCE(q->first))
        return;
    uint64_t flags = spin_lock_irq(&q->lock);
    for (struct thread *t = q->first; t; t = t->wait_next)
        thread_wake(t);
    spin_unlock_irq(&q->lock, flags);
}

void wake_one(struct wait_queue *q)
{
    uint64_t flags = spin_lock_irq(&q->lock);
    if (q->first)
        thread_wake(q->first);
    spin_unlock_irq(&q->lock, flags);
}
