/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The scheduler. Every CPU has a run queue with a lock of its own: ready threads in a pairing heap
 * by virtual run time (time run, divided by weight). A thread's place belongs to the lock of
 * `t->cpu`'s queue; `t->cpu` changes under the lock of the queue that it leaves, and a queue's lock
 * is held across the switch away from a thread, so whoever wakes or takes a thread finds its
 * context saved.
 *
 * No two queue locks are ever held together.
 */
#include "kernel/scheduler.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "mm/heap.h"

#define SLICE_NS       (4 * NS_PER_MS)  /* how long a thread runs when others wait */
#define SLEEPER_NS     (2 * NS_PER_MS)  /* how far ahead of the others a sleeper may return */
#define GRANULARITY_NS (1 * NS_PER_MS)  /* lead that a woken thread needs to preempt at once */
#define ROTATE_NS      (64 * NS_PER_MS) /* threads of CPUs that cannot be loaded alike take turns */
#define STEAL_LOOKS    16               /* threads looked at for one that may come here */
#define VRUNTIME_START (1ULL << 40)

struct run_queue {
    struct spinlock lock;
    struct pairing_heap
        ready;               /* by vruntime; the running thread and the idle thread are not in it */
    struct thread *movable;  /* those of `ready` that another CPU may take */
    unsigned count;          /* of `ready`; read without the lock as a hint */
    uint64_t load;           /* weights of `ready`; likewise */
    uint64_t running_weight; /* of the running thread, 0 for the idle one; likewise */
    uint64_t rotated;        /* clock_ns() when a thread left or came for its turn elsewhere */
    uint64_t least_vruntime; /* never goes back: new and woken threads start here */
    struct thread *switched_from; /* during a switch */
    struct cpu *moves_to;         /* during a switch: where switched_from goes on; NULL: nowhere */
};

LOCK_CLASS(queue_class, "run queue", RANK_RUN_QUEUE);
static struct run_queue boot_queue = {.lock = SPINLOCK_INIT(&queue_class),
                                      .least_vruntime = VRUNTIME_START};

/* A bit for each CPU that waits for work. One word serves until cpu_start_all() knows how many
 * there are. */
static uint64_t idle_word;
static uint64_t *idle_mask = &idle_word;
static unsigned idle_words = 1;

/* ---- The queue. All with its lock held. ---- */

static struct thread *first_ready(const struct run_queue *rq)
{
    return rq->ready.root ? container_of(rq->ready.root, struct thread, run_node) : NULL;
}

static void queue_insert(struct run_queue *rq, struct thread *t)
{
    t->run_node.key = t->vruntime;
    pairing_insert(&rq->ready, &t->run_node);
    WRITE_ONCE(rq->count, rq->count + 1);
    WRITE_ONCE(rq->load, rq->load + t->weight);
    t->movable_prev = t->movable_next = NULL;
    if (t->preempted || t->affinity >= 0)
        return;
    t->movable_next = rq->movable;
    if (rq->movable)
        rq->movable->movable_prev = t;
    rq->movable = t;
}

static void queue_remove(struct run_queue *rq, struct thread *t)
{
    pairing_remove(&rq->ready, &t->run_node);
    WRITE_ONCE(rq->count, rq->count - 1);
    WRITE_ONCE(rq->load, rq->load - t->weight);
    if (t->movable_next)
        t->movable_next->movable_prev = t->movable_prev;
    if (t->movable_prev)
        t->movable_prev->movable_next = t->movable_next;
    else if (rq->movable == t)
        rq->movable = t->movable_next;
    t->movable_prev = t->movable_next = NULL;
}

static uint64_t weighted(uint64_t ns, uint32_t weight)
{
    return weight == THREAD_WEIGHT ? ns : ns * THREAD_WEIGHT / weight;
}

/* Books the time since the last call on the running thread. */
static void account(struct cpu *cpu, struct thread *t, uint64_t now)
{
    struct run_queue *rq = cpu->run_queue;
    uint64_t ns = now > t->switched_in ? now - t->switched_in : 0;
    t->switched_in = now;
    t->run_ns += ns;
    if (t == cpu->idle) {
        cpu->idle_ns += ns;
        return;
    }
    t->vruntime += weighted(ns, t->weight);
    uint64_t least = t->vruntime;
    const struct thread *first = first_ready(rq);
    if (first && (int64_t)(first->vruntime - least) < 0)
        least = first->vruntime;
    if ((int64_t)(least - rq->least_vruntime) > 0)
        rq->least_vruntime = least;
}

/* ---- Where threads may run ---- */

bool scheduler_allows(const struct thread *t, unsigned id)
{
    uint64_t any = 0;

    if (t->affinity >= 0)
        return t->affinity == (int)id;
    for (unsigned i = 0; i < ARRAY_SIZE(t->cpus.bits); i++)
        any |= t->cpus.bits[i];
    return !any || (id < THREAD_CPUS_MAX && (t->cpus.bits[id / 64] & BIT(id % 64)));
}

static uint64_t load_of(const struct cpu *cpu)
{
    return READ_ONCE(cpu->run_queue->load) + READ_ONCE(cpu->run_queue->running_weight);
}

/* The least loaded CPU that `t` may run on; its own when none has less. */
static struct cpu *least_loaded(const struct thread *t)
{
    struct cpu *best = scheduler_allows(t, t->cpu->id) ? t->cpu : NULL;

    for (unsigned i = 1; i <= cpu_count(); i++) {
        unsigned id = (t->cpu->id + i) % cpu_count();
        struct cpu *cpu = cpu_get(id);
        if (cpu && scheduler_allows(t, id) && (!best || load_of(cpu) < load_of(best)))
            best = cpu;
    }
    return best ? best : t->cpu;
}

/* `t` changes CPUs: its lag behind the others stays. Each half under the lock of its queue. */
static void lag_take(struct thread *t, const struct cpu *from)
{
    t->vruntime -= from->run_queue->least_vruntime;
}

static void lag_give(struct thread *t, const struct cpu *to, uint64_t now)
{
    t->vruntime += to->run_queue->least_vruntime;
    t->arrived = now;
}

/* ---- Idle CPUs ---- */

static void idle_set(const struct cpu *cpu)
{
    __atomic_fetch_or(&idle_mask[cpu->id / 64], BIT(cpu->id % 64), __ATOMIC_SEQ_CST);
}

/* True when the bit was set: the caller has claimed the CPU. */
static bool idle_claim(unsigned id)
{
    uint64_t bit = BIT(id % 64);
    if (!(__atomic_load_n(&idle_mask[id / 64], __ATOMIC_RELAXED) & bit))
        return false;
    return __atomic_fetch_and(&idle_mask[id / 64], ~bit, __ATOMIC_SEQ_CST) & bit;
}

/* Any idle CPU that `t` may run on. */
static struct cpu *idle_claim_for(const struct thread *t)
{
    for (unsigned i = 0; i < idle_words; i++) {
        uint64_t word = __atomic_load_n(&idle_mask[i], __ATOMIC_RELAXED);

        for (; word; word &= word - 1) {
            unsigned id = i * 64 + (unsigned)__builtin_ctzll(word);
            if (scheduler_allows(t, id) && idle_claim(id))
                return cpu_get(id);
        }
    }
    return NULL;
}

/* ---- Waking ---- */

static void resched(struct cpu *cpu)
{
    uint64_t before = __atomic_exchange_n(&cpu->need_resched, 1, __ATOMIC_SEQ_CST);
    if (!before && cpu != this_cpu())
        host_ipi_send(cpu, HOST_IPI_RESCHEDULE);
}

/* Where a thread that wakes shall run: its last CPU when that is idle (warm caches), any idle one,
 * else stay. */
static struct cpu *choose_cpu(const struct thread *t)
{
    if (t->affinity >= 0)
        return cpu_get((unsigned)t->affinity);
    if (idle_claim(t->cpu->id))
        return t->cpu;
    struct cpu *idle = idle_claim_for(t);
    return idle ? idle : t->cpu;
}

void scheduler_place_new(struct thread *t)
{
    struct cpu *cpu = t->affinity >= 0 ? cpu_get((unsigned)t->affinity) : least_loaded(t);
    t->cpu = cpu;
    t->arrived = clock_ns();
    /* A slice behind: a crowd of new threads must not delay those that wake. */
    t->vruntime = cpu->run_queue->least_vruntime + weighted(SLICE_NS, t->weight);
}

/* Puts `t` into the queue of `cpu`, whose lock is held, and asks for a switch when `t` should run
 * before the running one. `moved`: it comes from another CPU, after lag_take(). */
static void make_ready(struct cpu *cpu, struct thread *t, bool moved)
{
    struct run_queue *rq = cpu->run_queue;
    struct thread *running = cpu->current;
    uint64_t now = clock_ns();

    /* The running one may not have been looked at for long: nobody waited. */
    if (running != cpu->idle)
        account(cpu, running, now);
    if (moved)
        lag_give(t, cpu, now);
    uint64_t floor = rq->least_vruntime - SLEEPER_NS;
    if ((int64_t)(t->vruntime - floor) < 0)
        t->vruntime = floor;
    t->preempted = false;
    queue_insert(rq, t);
    if (running == cpu->idle ||
        (int64_t)(running->vruntime - t->vruntime) > (int64_t)GRANULARITY_NS)
        resched(cpu);
    else if (cpu != this_cpu())
        host_ipi_send(cpu, HOST_IPI_RESCHEDULE); /* it starts its time slice */
    else if (!timer_slice_is_set())
        timer_slice_set(now + SLICE_NS);
}

/* Locks the queue that `t` belongs to. Masked. */
static struct cpu *lock_queue_of(struct thread *t)
{
    for (;;) {
        struct cpu *cpu = READ_ONCE(t->cpu);
        spin_lock(&cpu->run_queue->lock);
        if (likely(t->cpu == cpu))
            return cpu;
        spin_unlock(&cpu->run_queue->lock);
    }
}

void thread_wake(struct thread *t)
{
    uint64_t flags = host_irq_save();
    preempt_disable();
    struct cpu *from = lock_queue_of(t), *to = from;
    if (t->state != THREAD_SLEEPING) {
        t->wake_pending = true;
    } else {
        t->state = THREAD_READY;
        to = choose_cpu(t);
        if (to != from) {
            lag_take(t, from);
            WRITE_ONCE(t->cpu, to);
            spin_unlock(&from->run_queue->lock);
            spin_lock(&to->run_queue->lock);
        }
        make_ready(to, t, to != from);
    }
    spin_unlock(&to->run_queue->lock);
    host_irq_restore(flags);
    preempt_enable();
}

void scheduler_ipi(void)
{
    struct run_queue *rq = this_cpu()->run_queue;
    if (READ_ONCE(rq->count) && !timer_slice_is_set())
        timer_slice_set(clock_ns() + SLICE_NS);
}

unsigned scheduler_queue_length(const struct cpu *cpu)
{
    return cpu->run_queue ? READ_ONCE(cpu->run_queue->count) : 0;
}

/* ---- Switching ---- */

static struct thread *take_first(struct run_queue *rq)
{
    struct thread *t = first_ready(rq);
    if (t)
        queue_remove(rq, t);
    return t;
}

/* Threads of CPUs that cannot be loaded alike take turns at having one for themselves: on each of
 * the two CPUs one moves in ROTATE_NS, the one that came first. */
static bool may_rotate(struct cpu *cpu, const struct thread *t, struct cpu *to, uint64_t now)
{
    struct run_queue *rq = cpu->run_queue;

    if (now - rq->rotated < ROTATE_NS || now - READ_ONCE(to->run_queue->rotated) < ROTATE_NS ||
        (int64_t)(t->arrived - first_ready(rq)->arrived) > 0)
        return false;
    rq->rotated = now;
    WRITE_ONCE(to->run_queue->rotated, now);
    return true;
}

/* Where the running thread should rather go on, now that others wait for its CPU: where less is to
 * be done even with it; where that comes to the same, when it is its turn. */
static struct cpu *better_cpu(struct cpu *cpu, const struct thread *t, uint64_t now)
{
    if (!cpu->run_queue->count || t->affinity >= 0)
        return NULL;
    struct cpu *best = least_loaded(t);
    uint64_t there = load_of(best) + t->weight, here = load_of(cpu);
    if (best == cpu || there > here)
        return NULL;
    return there < here || may_rotate(cpu, t, best, now) ? best : NULL;
}

/* The thread that runs next, with the running one put where it belongs. */
static struct thread *pick_next(struct cpu *cpu, enum switch_reason reason)
{
    struct run_queue *rq = cpu->run_queue;
    struct thread *prev = cpu->current, *next = NULL;

    if (prev == cpu->idle)
        next = take_first(rq);
    else if (reason == SWITCH_SLEEP && prev->state == THREAD_RUNNING && prev->wake_pending)
        next = prev; /* the wake came first; others that are due run at the next chance */
    else if (reason == SWITCH_SLEEP) {
        if (prev->state == THREAD_RUNNING)
            prev->state = THREAD_SLEEPING;
        next = take_first(rq);
    } else if (reason == SWITCH_YIELD && rq->count) {
        next = take_first(rq);
        prev->preempted = false;
        prev->state = THREAD_READY;
        queue_insert(rq, prev);
    } else {
        prev->preempted = reason == SWITCH_PREEMPT;
        prev->state = THREAD_READY;
        if (!rq->moves_to)
            queue_insert(rq, prev);
        next = take_first(rq);
    }
    return next ? next : cpu->idle;
}

/* A thread that may move waits here: an idle CPU shall come and take it. */
static void offer_work(const struct run_queue *rq)
{
    if (!rq->movable)
        return;
    struct cpu *idle = idle_claim_for(rq->movable);
    if (idle)
        host_ipi_send(idle, HOST_IPI_RESCHEDULE);
}

void scheduler_switch(enum switch_reason reason)
{
    struct cpu *cpu = this_cpu();
    struct run_queue *rq = cpu->run_queue;
    struct thread *prev = cpu->current;

    spin_lock(&rq->lock);
    uint64_t now = clock_ns();
    account(cpu, prev, now);
    __atomic_store_n(&cpu->need_resched, 0, __ATOMIC_SEQ_CST);
    rq->moves_to = reason == SWITCH_POINT && prev != cpu->idle ? better_cpu(cpu, prev, now) : NULL;
    struct thread *next = pick_next(cpu, reason);
    WRITE_ONCE(rq->running_weight, next == cpu->idle ? 0 : next->weight);
    if (reason == SWITCH_SLEEP && next == prev)
        prev->wake_pending = false;
    if (rq->count)
        offer_work(rq);
    timer_slice_set(rq->count ? now + SLICE_NS : UINT64_MAX);
    next->state = THREAD_RUNNING;
    if (next == prev) {
        spin_unlock(&rq->lock);
        return;
    }
    if (prev->switch_out)
        prev->switch_out(prev);
    next->switched_in = now;
    next->switches++;
    next->cpu = cpu;
    rq->switched_from = prev;
    cpu->current = next;
    host_context_switch(&prev->context, &next->context);
    scheduler_switched();
}

/* Its context is saved: `t` may run there. Until it is in that queue it is nowhere, and whoever
 * wakes it leaves a note. */
static void arrive(struct cpu *to, struct thread *t)
{
    spin_lock(&to->run_queue->lock);
    make_ready(to, t, true);
    spin_unlock(&to->run_queue->lock);
}

void scheduler_switched(void)
{
    struct cpu *cpu = this_cpu();
    struct run_queue *rq = cpu->run_queue;
    struct thread *prev = rq->switched_from, *current = cpu->current;
    struct cpu *to = rq->moves_to;
    bool dead = prev->state == THREAD_EXITED;
    if (to) {
        lag_take(prev, cpu);
        WRITE_ONCE(prev->cpu, to);
    }
    spin_unlock(&rq->lock);
    if (to)
        arrive(to, prev);
    if (unlikely(dead))
        thread_release(prev);
    if (current->switch_in)
        current->switch_in(current);
}

/* ---- The idle thread ---- */

/* Takes a thread that may move from `victim`. */
static struct thread *take_from(struct cpu *victim, struct cpu *to)
{
    struct run_queue *rq = victim->run_queue;
    if (!READ_ONCE(rq->movable))
        return NULL;
    spin_lock(&rq->lock);
    struct thread *t = rq->movable;
    for (unsigned looks = 1; t && !scheduler_allows(t, to->id); looks++)
        t = looks < STEAL_LOOKS ? t->movable_next : NULL;
    if (t) {
        queue_remove(rq, t);
        lag_take(t, victim);
        WRITE_ONCE(t->cpu, to);
    }
    spin_unlock(&rq->lock);
    return t;
}

/* Takes a thread that waits for a busy CPU. Masked. */
static bool steal(struct cpu *cpu)
{
    unsigned count = cpu_count();
    for (unsigned i = 1; i < count; i++) {
        struct cpu *victim = cpu_get((cpu->id + i) % count);
        struct thread *t = victim ? take_from(victim, cpu) : NULL;
        if (!t)
            continue;
        spin_lock(&cpu->run_queue->lock);
        lag_give(t, cpu, clock_ns());
        queue_insert(cpu->run_queue, t);
        spin_unlock(&cpu->run_queue->lock);
        return true;
    }
    return false;
}

void scheduler_idle(void)
{
    for (;;) {
        host_irq_disable();
        struct cpu *cpu = this_cpu();
        if (READ_ONCE(cpu->run_queue->count) || READ_ONCE(cpu->need_resched) || steal(cpu)) {
            scheduler_switch(SWITCH_POINT);
        } else {
            idle_set(cpu);
            /* Whoever queues work here claims our bit or takes our lock first, then sends an IPI
             * that ends the wait. */
            if (!READ_ONCE(cpu->run_queue->count))
                host_wait();
            idle_claim(cpu->id);
        }
        host_irq_enable();
    }
}

static void idle_main(void *unused)
{
    (void)unused;
    host_irq_disable();
    scheduler_idle();
}

/* ---- Start ---- */

static struct thread *idle_thread(struct cpu *cpu)
{
    char name[THREAD_NAME_SIZE];
    struct out_buffer text;
    out_buffer_init(&text, name, sizeof(name));
    out_printf(&text.out, "idle/%u", cpu->id);
    struct thread *t = thread_build(name, idle_main, NULL);
    if (t) {
        t->cpu = cpu;
        t->affinity = (int)cpu->id;
        t->state = THREAD_READY;
    }
    return t;
}

enum err scheduler_cpu_init(struct cpu *cpu)
{
    struct run_queue *rq = heap_zalloc(sizeof(*rq));
    if (!rq)
        return ERR_NO_MEMORY;
    spin_init(&rq->lock, &queue_class);
    rq->least_vruntime = VRUNTIME_START;
    cpu->run_queue = rq;
    cpu->idle = idle_thread(cpu);
    if (!cpu->idle)
        return ERR_NO_MEMORY;
    cpu->idle->state = THREAD_RUNNING;
    cpu->current = cpu->idle;
    return ERR_OK;
}

enum err scheduler_set_cpu_count(unsigned count)
{
    unsigned words = DIV_ROUND_UP(count, 64);
    if (words <= idle_words)
        return ERR_OK;
    uint64_t *mask = heap_zalloc_array(words, sizeof(*mask));
    if (!mask)
        return ERR_NO_MEMORY;
    /* Only the boot CPU runs, this very code: no bit is set. */
    idle_mask = mask;
    idle_words = words;
    return ERR_OK;
}

void scheduler_init(void)
{
    struct cpu *cpu = this_cpu();
    timer_cpu_init(cpu);
    cpu->run_queue = &boot_queue;
    struct thread *idle = idle_thread(cpu);
    if (!idle)
        panic("no memory for the idle thread of the boot CPU");
    cpu->idle = idle;
}

void scheduler_start(void (*entry)(void *))
{
    struct cpu *cpu = this_cpu();
    struct thread *boot = cpu->current;
    if (thread_create(NULL, "main", entry, NULL, THREAD_WEIGHT, -1) != ERR_OK)
        panic("no memory for the main thread");
    thread_reaper_start();
    /* The boot code's thread never runs again; its stack is loader memory. */
    boot->state = THREAD_SLEEPING;
    scheduler_switch(SWITCH_SLEEP);
    panic("the boot stack ran again");
}
