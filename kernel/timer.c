/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The clock and the timers. Each CPU has a queue of its own; the lock is only contended when
 * somebody cancels a timer of another CPU. The hardware is not disarmed when a timer is cancelled:
 * an interrupt that finds nothing due just arms the next deadline, so cancelling is cheap. The end
 * of a time slice is: whoever runs for a moment would else cost a guest an exit later.
 */
#include "kernel/timer.h"
#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "mm/heap.h"

struct timer_queue {
    struct spinlock lock;
    struct pairing_heap heap;
    struct timer *running; /* its fire() is being called */
    uint64_t armed;        /* clock_ns() for which the hardware is armed */
    uint64_t next;         /* deadline of the first timer; read without the lock */
    uint64_t slice;        /* end of the running thread's time slice; this CPU only, masked */
};

LOCK_CLASS(timer_class, "timer queue", RANK_TIMER);
static struct timer_queue boot_queue = {.lock = SPINLOCK_INIT(&timer_class),
                                        .armed = UINT64_MAX,
                                        .next = UINT64_MAX,
                                        .slice = UINT64_MAX};

/* ns = (counter - start) * to_ns >> NS_SHIFT, counter = start + (ns * to_counter >> COUNTER_SHIFT)
 */
#define NS_SHIFT      50
#define COUNTER_SHIFT 60
#define HZ_LEAST      100000ULL
#define HZ_MOST       (15 * NS_PER_SEC)

static struct {
    uint64_t start, to_ns, to_counter;
    uint64_t wall; /* ns since 1970 at `start` */
} clock;

void clock_init(uint64_t exit_counter, uint64_t hz)
{
    ASSERT(hz >= HZ_LEAST && hz <= HZ_MOST);
    /* Long division in two steps that each fit 64 bits: 34 + 16 and 30 + 30 bits of fraction. */
    uint64_t high = (NS_PER_SEC << 34) / hz, rest = (NS_PER_SEC << 34) % hz;
    uint64_t inverse = (hz << 30) / NS_PER_SEC, left = (hz << 30) % NS_PER_SEC;
    clock.to_ns = (high << 16) + (rest << 16) / hz;
    clock.to_counter = (inverse << 30) + (left << 30) / NS_PER_SEC;
    clock.start = exit_counter;
}

uint64_t clock_from_counter(uint64_t counter)
{
    if ((int64_t)(counter - clock.start) < 0)
        return 0;
    return (unsigned __int128)(counter - clock.start) * clock.to_ns >> NS_SHIFT;
}

uint64_t clock_to_counter(uint64_t ns)
{
    unsigned __int128 delta = (unsigned __int128)ns * clock.to_counter >> COUNTER_SHIFT;
    if (delta >= UINT64_MAX - clock.start)
        return UINT64_MAX;
    uint64_t counter = clock.start + (uint64_t)delta, back = clock_from_counter(counter);
    /* Rounded up: a timer armed for the result must not find the clock below `ns`. */
    if (back < ns)
        counter +=
            (uint64_t)((unsigned __int128)(ns - back) * clock.to_counter >> COUNTER_SHIFT) + 1;
    return counter;
}

uint64_t clock_ns(void)
{
    return clock_from_counter(host_counter());
}

void clock_wall_init(uint64_t wall_ns, uint64_t counter)
{
    uint64_t ago = (unsigned __int128)(clock.start - counter) * clock.to_ns >> NS_SHIFT;

    clock.wall = wall_ns + ago;
}

uint64_t clock_wall_ns(void)
{
    return clock.wall + clock_ns();
}

void timer_cpu_init(struct cpu *cpu)
{
    if (cpu == cpu_boot()) {
        cpu->timers = &boot_queue;
        return;
    }
    struct timer_queue *q = heap_zalloc(sizeof(*q));
    if (!q)
        return;
    spin_init(&q->lock, &timer_class);
    q->armed = UINT64_MAX;
    q->next = UINT64_MAX;
    q->slice = UINT64_MAX;
    cpu->timers = q;
}

void timer_setup(struct timer *t, void (*fire)(struct timer *))
{
    *t = (struct timer){.fire = fire};
}

/* Arms this CPU's hardware for `deadline`. Masked. */
static void arm(struct timer_queue *q, uint64_t deadline)
{
    q->armed = deadline;
    host_timer_arm(deadline == UINT64_MAX ? UINT64_MAX : clock_to_counter(deadline));
}

/* The same when that is earlier than what it waits for. */
static void arm_earlier(struct timer_queue *q, uint64_t deadline)
{
    if (deadline < q->armed)
        arm(q, deadline);
}

static struct timer *first_timer(struct timer_queue *q)
{
    return q->heap.root ? container_of(q->heap.root, struct timer, node) : NULL;
}

/* After a change of the heap, under the lock. */
static void note_next(struct timer_queue *q)
{
    const struct timer *first = first_timer(q);
    WRITE_ONCE(q->next, first ? first->node.key : UINT64_MAX);
}

/* Takes `t` out of whichever queue it is in. False when its fire() runs right now. Masked. */
static bool timer_remove(struct timer *t)
{
    for (;;) {
        struct cpu *home = READ_ONCE(t->home);
        if (!home)
            return true;
        struct timer_queue *q = home->timers;
        spin_lock(&q->lock);
        bool same = t->home == home, running = q->running == t;
        if (same && t->cpu) {
            pairing_remove(&q->heap, &t->node);
            note_next(q);
            WRITE_ONCE(t->cpu, NULL);
        }
        spin_unlock(&q->lock);
        if (same)
            return !running;
    }
}

void timer_set(struct timer *t, uint64_t deadline)
{
    uint64_t flags = host_irq_save();
    struct cpu *cpu = this_cpu();
    struct timer_queue *q = cpu->timers;

    timer_remove(t);
    spin_lock(&q->lock);
    t->deadline = deadline;
    t->node.key = MIN(deadline, (uint64_t)INT64_MAX);
    t->home = cpu;
    WRITE_ONCE(t->cpu, cpu);
    pairing_insert(&q->heap, &t->node);
    note_next(q);
    if (q->heap.root == &t->node)
        arm_earlier(q, t->node.key);
    spin_unlock(&q->lock);
    host_irq_restore(flags);
}

void timer_cancel(struct timer *t)
{
    for (;;) {
        uint64_t flags = host_irq_save();
        bool done = timer_remove(t);
        host_irq_restore(flags);
        if (done)
            return;
        host_cpu_relax();
    }
}

void timer_slice_set(uint64_t deadline)
{
    struct timer_queue *q = this_cpu()->timers;
    uint64_t old = q->slice;

    q->slice = deadline;
    if (deadline != UINT64_MAX)
        arm_earlier(q, deadline);
    else if (old != UINT64_MAX && old == q->armed)
        arm(q, READ_ONCE(q->next)); /* another CPU can only make that later */
}

bool timer_slice_is_set(void)
{
    return this_cpu()->timers->slice != UINT64_MAX;
}

static void run_due(struct timer_queue *q)
{
    spin_lock(&q->lock);
    for (struct timer *t; (t = first_timer(q)) != NULL && t->node.key <= clock_ns();) {
        pairing_remove(&q->heap, &t->node);
        note_next(q);
        WRITE_ONCE(t->cpu, NULL);
        q->running = t;
        spin_unlock(&q->lock);
        t->fire(t);
        spin_lock(&q->lock);
        q->running = NULL;
    }
    spin_unlock(&q->lock);
}

void timer_interrupt(void)
{
    struct cpu *cpu = this_cpu();
    struct timer_queue *q = cpu->timers;

    q->armed = 0; /* what fire() sets is armed below */
    run_due(q);
    if (q->slice <= clock_ns()) {
        q->slice = UINT64_MAX;
        cpu->need_resched = 1;
    }
    arm(q, MIN(READ_ONCE(q->next), q->slice));
}
