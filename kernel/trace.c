/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The rings of traced events. A writer takes a number by one atomic addition on its CPU's ring, so
 * that an interrupt in between takes the next one, and publishes the event by its number. Readers
 * copy an event and look at its number before and after; what was overwritten is lost and counted.
 */
#include "kernel/trace.h"

#include "kernel/cpu.h"
#include "kernel/vcpu.h"
#include "mm/heap.h"

struct trace_ring {
    struct trace_event *events; /* NULL: nothing was ever traced here */
    uint64_t next;              /* atomic: number of the next event */
    uint64_t cleared;           /* events before this one are not shown: the monitor's */
    uint64_t at, end;           /* of a reader: the monitor's */
    struct trace_event head;    /* event `at`, when `have` */
    bool have;
};

static PER_CPU(struct trace_ring, trace_ring);

uint32_t trace_kinds;
static uint32_t traced_vm;          /* its id, or TRACE_ALL_VMS */
static struct trace_filter current; /* kept when tracing stops */

/* ---- Writing ---- */

void trace_event(enum trace_kind kind, const struct vm *vm, unsigned vcpu, uint32_t detail,
                 uint64_t value)
{
    struct trace_ring *r = this_cpu_ptr(trace_ring);
    uint32_t wanted = READ_ONCE(traced_vm);

    if (unlikely(!r->events) || (wanted != TRACE_ALL_VMS && wanted != vm->id))
        return;
    uint64_t number = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED);
    struct trace_event *e = &r->events[number % TRACE_RING_EVENTS];

    __atomic_store_n(&e->number, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    e->ticks = host_counter_fast();
    e->value = value;
    e->detail = detail;
    e->vm = (uint16_t)vm->id;
    e->vcpu = (uint8_t)vcpu;
    e->kind = (uint8_t)kind;
    __atomic_store_n(&e->number, number + 1, __ATOMIC_RELEASE);
}

static uint64_t exit_value(const struct vm_exit *exit)
{
    switch (exit->kind) {
    case EXIT_MEMORY:
        return exit->memory.gpa.v;
    case EXIT_PORT:
        return exit->port.port;
    case EXIT_HYPERCALL:
        return exit->hypercall.number;
    case EXIT_REGISTER:
        return exit->reg.number;
    case EXIT_ISA:
        return exit->isa.reason;
    case EXIT_FATAL:
    case EXIT_ENTRY_FAILED:
        return exit->fatal.code;
    default:
        return 0;
    }
}

void trace_exit(const struct vcpu *v, const struct vm_exit *exit)
{
    trace_event(TRACE_EXIT, v->vm, v->id, exit->kind, exit_value(exit));
}

/* ---- Switching ---- */

static struct trace_ring *ring_of(unsigned cpu)
{
    struct cpu *c = cpu_get(cpu);

    return c ? cpu_ptr(c, trace_ring) : NULL;
}

enum err trace_start(const struct trace_filter *filter)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct trace_ring *r = ring_of(cpu);
        struct trace_event *events;

        if (!r || r->events)
            continue;
        events = heap_zalloc_array(TRACE_RING_EVENTS, sizeof(*events));
        if (!events)
            return ERR_NO_MEMORY;
        __atomic_store_n(&r->events, events, __ATOMIC_RELEASE);
    }
    current = *filter;
    WRITE_ONCE(traced_vm, filter->vm);
    WRITE_ONCE(trace_kinds, filter->kinds);
    return ERR_OK;
}

void trace_stop(void)
{
    WRITE_ONCE(trace_kinds, 0);
}

struct trace_filter trace_filter_now(void)
{
    return current;
}

void trace_clear(void)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct trace_ring *r = ring_of(cpu);

        if (r)
            r->cleared = __atomic_load_n(&r->next, __ATOMIC_ACQUIRE);
    }
}

/* ---- Reading ---- */

static uint64_t oldest(const struct trace_ring *r, uint64_t next)
{
    return MAX(r->cleared, next > TRACE_RING_EVENTS ? next - TRACE_RING_EVENTS : 0);
}

struct trace_counts trace_count(void)
{
    struct trace_counts counts = {0, 0};

    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct trace_ring *r = ring_of(cpu);
        uint64_t next = r ? __atomic_load_n(&r->next, __ATOMIC_ACQUIRE) : 0;

        if (!r)
            continue;
        counts.kept += next - oldest(r, next);
        counts.lost += oldest(r, next) - r->cleared;
    }
    return counts;
}

/* Copies event `number`; false: it is not complete yet, or was overwritten. */
static bool copy_event(const struct trace_ring *r, uint64_t number, struct trace_event *copy)
{
    const struct trace_event *e = &r->events[number % TRACE_RING_EVENTS];

    if (__atomic_load_n(&e->number, __ATOMIC_ACQUIRE) != number + 1)
        return false;
    *copy = *e;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&e->number, __ATOMIC_RELAXED) == number + 1;
}

/* Goes on to the ring's next event that the filter lets through. */
static void advance(struct trace_ring *r, const struct trace_filter *filter)
{
    r->have = false;
    while (r->events && r->at < r->end && !r->have) {
        const struct trace_event *e = &r->head;

        r->have = copy_event(r, r->at++, &r->head) && e->kind < TRACE_KINDS &&
                  (filter->kinds & BIT(e->kind)) &&
                  (filter->vm == TRACE_ALL_VMS || filter->vm == e->vm);
    }
}

/* The ring whose next event is the earliest; NULL: none has any. */
static struct trace_ring *earliest(unsigned *at)
{
    struct trace_ring *best = NULL;

    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct trace_ring *r = ring_of(cpu);

        if (!r || !r->have || (best && (int64_t)(r->head.ticks - best->head.ticks) >= 0))
            continue;
        best = r;
        *at = cpu;
    }
    return best;
}

static void rewind_rings(const struct trace_filter *filter, bool anew)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct trace_ring *r = ring_of(cpu);

        if (!r)
            continue;
        if (anew)
            r->end = __atomic_load_n(&r->next, __ATOMIC_ACQUIRE);
        r->at = oldest(r, r->end);
        advance(r, filter);
    }
}

static uint64_t count_matches(const struct trace_filter *filter)
{
    uint64_t count = 0;

    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        for (struct trace_ring *r = ring_of(cpu); r && r->have; advance(r, filter))
            count++;
    return count;
}

void trace_each(const struct trace_filter *filter, uint64_t most,
                void (*fn)(const struct trace_event *e, unsigned cpu, void *arg), void *arg)
{
    struct trace_ring *r;
    uint64_t count;
    unsigned cpu = 0;

    rewind_rings(filter, true);
    count = count_matches(filter);
    rewind_rings(filter, false);
    for (uint64_t i = 0; (r = earliest(&cpu)) != NULL; i++) {
        if (i + most >= count)
            fn(&r->head, cpu, arg);
        advance(r, filter);
    }
}
