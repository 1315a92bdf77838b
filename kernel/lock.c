/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Ticket spinlocks and mutexes. Debug builds keep, for each CPU, the spinlocks that it holds, and
 * for each thread its mutexes, and panic when the order of ranks is violated: the message names
 * both locks.
 */
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/thread.h"

#if DEBUG

#define HELD_MAX 16

/* The spinlocks that a CPU holds, innermost last; those below `base` belong to code that an
 * interrupt interrupted. */
struct held_locks {
    struct spinlock *lock[HELD_MAX];
    unsigned count, base, interrupts;
};
static PER_CPU(struct held_locks, held_locks);

static void check_against(const struct lock_class *class, const struct lock_class *held,
                          bool nested)
{
    if (held->rank > class->rank || (held->rank == class->rank && !nested))
        panic("lock order: \"%s\" (rank %d) taken while \"%s\" (rank %d) is held", class->name,
              (int)class->rank, held->name, (int)held->rank);
}

static void check_mutexes(const struct lock_class *class)
{
    struct thread *t = thread_current();
    for (struct mutex *m = t ? t->held_mutexes : NULL; m; m = m->held_next)
        check_against(class, m->class, false);
}

/* Before waiting for `l`, so that a deadlock is reported instead of suffered. */
static void debug_before(struct spinlock *l, bool nested, bool interrupts_on)
{
    struct held_locks *h = this_cpu_ptr(held_locks);
    if (!l->class)
        panic("a lock was used before it was initialised");
    if (l->holder == this_cpu() && __atomic_load_n(&l->owner, __ATOMIC_RELAXED) != l->next)
        panic("lock \"%s\" is taken twice by the same CPU", l->class->name);
    if (h->interrupts)
        l->in_interrupt = true;
    else if (interrupts_on)
        l->interruptible = true;
    if (l->in_interrupt && l->interruptible)
        panic("lock \"%s\" is taken in interrupts, and elsewhere with interrupts on",
              l->class->name);
    if (h->count > h->base)
        check_against(l->class, h->lock[h->count - 1]->class, nested);
    else if (!h->interrupts)
        check_mutexes(l->class);
}

static void debug_after(struct spinlock *l, const void *pc)
{
    struct held_locks *h = this_cpu_ptr(held_locks);
    if (h->count == HELD_MAX)
        panic("lock \"%s\": a CPU holds more than %d spinlocks", l->class->name, HELD_MAX);
    h->lock[h->count++] = l;
    l->holder = this_cpu();
    l->holder_pc = pc;
}

static void debug_release(struct spinlock *l)
{
    struct held_locks *h = this_cpu_ptr(held_locks);
    if (l->holder != this_cpu())
        panic("lock \"%s\" is released by a CPU that does not hold it",
              l->class ? l->class->name : "?");
    l->holder = NULL;
    unsigned i = h->count;
    while (i > 0 && h->lock[i - 1] != l)
        i--;
    if (i == 0)
        panic("lock \"%s\" is not among those that this CPU holds", l->class->name);
    for (; i < h->count; i++)
        h->lock[i - 1] = h->lock[i];
    h->count--;
}

unsigned lock_interrupt_enter(void)
{
    struct held_locks *h = this_cpu_ptr(held_locks);
    unsigned base = h->base;
    h->base = h->count;
    h->interrupts++;
    return base;
}

void lock_interrupt_leave(unsigned state)
{
    struct held_locks *h = this_cpu_ptr(held_locks);
    if (h->count != h->base)
        panic("an interrupt handler left lock \"%s\" taken", h->lock[h->count - 1]->class->name);
    h->base = state;
    h->interrupts--;
}

void lock_check_sleep(const char *what)
{
    struct held_locks *h = this_cpu_ptr(held_locks);
    if (h->interrupts)
        panic("thread %s %s in an interrupt", thread_current()->name, what);
    if (h->count)
        panic("thread %s %s while it holds spinlock %s", thread_current()->name, what,
              h->lock[h->count - 1]->class->name);
}

static void debug_mutex_before(struct mutex *m)
{
    struct thread *t = thread_current();
    lock_check_sleep("takes a mutex");
    if (m->owner == t)
        panic("mutex \"%s\" is taken twice by thread %s", m->class->name, t->name);
    check_mutexes(m->class);
}

static void debug_mutex_after(struct mutex *m)
{
    struct thread *t = thread_current();
    m->held_next = t->held_mutexes;
    t->held_mutexes = m;
}

static void debug_mutex_release(struct mutex *m)
{
    struct thread *t = thread_current();
    if (m->owner != t)
        panic("mutex \"%s\" is released by a thread that does not hold it", m->class->name);
    struct mutex **link = &t->held_mutexes;
    while (*link != m)
        link = &(*link)->held_next;
    *link = m->held_next;
}

#else

#define debug_before(l, nested, interrupts_on) ((void)(interrupts_on))
#define debug_after(l, pc)                     ((void)(pc))
#define debug_release(l)                       ((void)0)
#define debug_mutex_before(m)                  ((void)0)
#define debug_mutex_after(m)                   ((void)0)
#define debug_mutex_release(m)                 ((void)0)

#endif

void spin_init(struct spinlock *l, const struct lock_class *class)
{
    *l = (struct spinlock)SPINLOCK_INIT(class);
}

static inline void take(struct spinlock *l, const void *pc)
{
    uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket)
        host_cpu_relax();
    debug_after(l, pc);
}

static inline void release(struct spinlock *l)
{
    debug_release(l);
    __atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE);
}

void spin_lock(struct spinlock *l)
{
    preempt_disable();
    debug_before(l, false, host_irq_enabled());
    take(l, __builtin_return_address(0));
}

void spin_lock_nested(struct spinlock *l)
{
    preempt_disable();
    debug_before(l, true, host_irq_enabled());
    take(l, __builtin_return_address(0));
}

bool spin_trylock(struct spinlock *l)
{
    preempt_disable();
    uint32_t owner = __atomic_load_n(&l->owner, __ATOMIC_RELAXED);
    uint32_t ticket = owner;
    if (__atomic_compare_exchange_n(&l->next, &ticket, owner + 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED)) {
        debug_after(l, __builtin_return_address(0));
        return true;
    }
    preempt_enable();
    return false;
}

void spin_unlock(struct spinlock *l)
{
    release(l);
    preempt_enable();
}

uint64_t spin_lock_irq(struct spinlock *l)
{
    uint64_t flags = host_irq_save();
    preempt_disable();
    debug_before(l, false, false);
    take(l, __builtin_return_address(0));
    return flags;
}

void spin_unlock_irq(struct spinlock *l, uint64_t flags)
{
    release(l);
    host_irq_restore(flags);
    /* After unmasking, so that a thread woken under the lock runs now and not at the next
     * interrupt. */
    preempt_enable();
}

void mutex_init(struct mutex *m, const struct lock_class *class)
{
    *m = (struct mutex){.class = class};
    wait_queue_init(&m->waiters);
}

static bool mutex_take(struct mutex *m)
{
    struct thread *none = NULL;
    return __atomic_compare_exchange_n(&m->owner, &none, thread_current(), false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

bool mutex_trylock(struct mutex *m)
{
    if (!mutex_take(m))
        return false;
    debug_mutex_after(m);
    return true;
}

void mutex_lock(struct mutex *m)
{
    debug_mutex_before(m);
    if (!mutex_take(m)) {
        wait_prepare(&m->waiters);
        while (!mutex_take(m))
            thread_sleep_until(UINT64_MAX);
        wait_finish(&m->waiters);
    }
    debug_mutex_after(m);
}

void mutex_unlock(struct mutex *m)
{
    debug_mutex_release(m);
    __atomic_store_n(&m->owner, NULL, __ATOMIC_RELEASE);
    /* The waiter queues itself, then looks at the owner; so the owner goes first here. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (READ_ONCE(m->waiters.first))
        wake_one(&m->waiters);
}
