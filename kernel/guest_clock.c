/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The time of a guest and its timers. */
#include "kernel/guest_clock.h"

#include "kernel/host.h"
#include "kernel/state.h"

#define NEVER       UINT64_MAX
#define HZ_LEAST    1000ULL
#define HZ_MOST     (1ULL << 34)
#define FAR_SECONDS (1ULL << 29) /* a counter value that far ahead is never reached */

/* Split so that no product overflows: frequencies are at most 2^34. */
static uint64_t ns_to_ticks(uint64_t ns, uint64_t hz)
{
    return ns / NS_PER_SEC * hz + ns % NS_PER_SEC * hz / NS_PER_SEC;
}

static uint64_t ticks_to_ns(uint64_t ticks, uint64_t hz)
{
    return ticks / hz * NS_PER_SEC + ticks % hz * NS_PER_SEC / hz;
}

#define SCALE_SHIFT 48
#define SCALE_HALF  (SCALE_SHIFT / 2)
#define SCALE_MOST  (1ULL << 16)

/* Long division in two steps that each fit 64 bits. */
static uint64_t scale_for(uint64_t hz)
{
    uint64_t host = host_counter_hz(), whole = hz / host;
    uint64_t high = (hz % host << SCALE_HALF) / host, rest = (hz % host << SCALE_HALF) % host;

    return whole << SCALE_SHIFT | high << SCALE_HALF | (rest << SCALE_HALF) / host;
}

static uint64_t scaled(const struct guest_clock *c, uint64_t host)
{
    return likely(c->direct) ? host : (uint64_t)((unsigned __int128)host * c->scale >> SCALE_SHIFT);
}

void guest_clock_init(struct guest_clock *c, uint64_t hz)
{
    uint64_t now = host_counter();

    *c = (struct guest_clock){
        .hz = hz,
        .zero_ns = clock_from_counter(now),
        .scale = scale_for(hz),
        .direct = hz == host_counter_hz(),
    };
    c->offset = 0 - scaled(c, now);
}

static bool is_paused(const struct guest_clock *c)
{
    return __atomic_load_n(&c->paused, __ATOMIC_SEQ_CST);
}

uint64_t guest_clock_now(const struct guest_clock *c, uint64_t *counter)
{
    if (unlikely(is_paused(c))) {
        *counter = c->stood_counter;
        return c->stood_ns;
    }
    uint64_t host = host_counter(), ns = clock_from_counter(host) - c->zero_ns;
    *counter = c->offset + scaled(c, host);
    return ns;
}

uint64_t guest_clock_ns(const struct guest_clock *c)
{
    return unlikely(is_paused(c)) ? c->stood_ns : clock_ns() - c->zero_ns;
}

uint64_t guest_clock_counter(const struct guest_clock *c)
{
    uint64_t counter;

    if (likely(c->direct && !is_paused(c)))
        return host_counter() + c->offset;
    (void)guest_clock_now(c, &counter);
    return counter;
}

uint64_t guest_clock_deadline(const struct guest_clock *c, uint64_t ns)
{
    return ns == NEVER ? NEVER : c->zero_ns + ns;
}

uint64_t guest_clock_from_counter(const struct guest_clock *c, uint64_t ticks)
{
    uint64_t counter, ns = guest_clock_now(c, &counter);

    if (ticks <= counter) /* all machines compare without sign */
        return ns;
    if (ticks - counter > FAR_SECONDS * c->hz)
        return NEVER;
    return ns + ticks_to_ns(ticks - counter, c->hz) + 1;
}

uint64_t guest_clock_counter_deadline(const struct guest_clock *c, uint64_t ticks)
{
    return guest_clock_deadline(c, guest_clock_from_counter(c, ticks));
}

/* ---- Timers ---- */

/* Also called for a deadline of before a pause or a change: then there is nothing to do, or not
 * yet. */
static void timer_fired(struct timer *timer)
{
    struct guest_timer *t = container_of(timer, struct guest_timer, timer);
    uint64_t deadline = READ_ONCE(t->deadline);

    if (is_paused(t->clock) || deadline == NEVER)
        return;
    if (guest_clock_ns(t->clock) < deadline) {
        timer_set(timer, guest_clock_deadline(t->clock, deadline));
        return;
    }
    WRITE_ONCE(t->deadline, NEVER);
    t->fire(t);
}

void guest_timer_init(struct guest_timer *t, struct guest_clock *c,
                      void (*fire)(struct guest_timer *t))
{
    *t = (struct guest_timer){.deadline = NEVER, .fire = fire, .clock = c, .next = c->timers};
    timer_setup(&t->timer, timer_fired);
    c->timers = t;
}

void guest_timer_destroy(struct guest_timer *t)
{
    struct guest_timer **link;

    if (!t->clock)
        return;
    timer_cancel(&t->timer);
    for (link = &t->clock->timers; *link && *link != t;)
        link = &(*link)->next;
    if (*link)
        *link = t->next;
    t->clock = NULL;
}

/* A pause between the test and timer_set() is harmless: timer_fired() looks again, the resume sets
 * it again. */
void guest_timer_set(struct guest_timer *t, uint64_t deadline)
{
    WRITE_ONCE(t->deadline, deadline);
    if (deadline == NEVER)
        timer_cancel(&t->timer);
    else if (!is_paused(t->clock))
        timer_set(&t->timer, guest_clock_deadline(t->clock, deadline));
}

/* ---- Pause ---- */

void guest_clock_pause(struct guest_clock *c)
{
    if (is_paused(c))
        return;
    c->stood_ns = guest_clock_now(c, &c->stood_counter);
    c->stood_wall_ns = clock_wall_ns();
    __atomic_store_n(&c->paused, 1, __ATOMIC_SEQ_CST);
    for (struct guest_timer *t = c->timers; t; t = t->next)
        timer_cancel(&t->timer);
}

void guest_clock_resume(struct guest_clock *c, enum guest_time mode)
{
    uint64_t now = host_counter(), wall = clock_wall_ns(), lost = 0;

    if (!is_paused(c))
        return;
    if (mode == GUEST_TIME_CATCH_UP && (int64_t)(wall - c->stood_wall_ns) > 0)
        lost = wall - c->stood_wall_ns;
    c->stood_ns += lost;
    c->stood_counter += ns_to_ticks(lost, c->hz);
    c->zero_ns = clock_from_counter(now) - c->stood_ns;
    c->offset = c->stood_counter - scaled(c, now);
    __atomic_store_n(&c->paused, 0, __ATOMIC_SEQ_CST);
    for (struct guest_timer *t = c->timers; t; t = t->next)
        if (t->deadline != NEVER)
            timer_set(&t->timer, guest_clock_deadline(c, t->deadline));
}

/* ---- Saved state: loaded into a paused clock ---- */

static enum err after_load(void *object)
{
    struct guest_clock *c = object;

    if (c->hz < HZ_LEAST || c->hz > HZ_MOST || c->hz / host_counter_hz() >= SCALE_MOST)
        return ERR_INVALID;
    c->scale = scale_for(c->hz);
    c->direct = c->hz == host_counter_hz();
    return ERR_OK;
}

STATE_FIELDS(clock_fields, STATE_FIELD(struct guest_clock, hz, 1),
             STATE_FIELD(struct guest_clock, stood_ns, 1),
             STATE_FIELD(struct guest_clock, stood_counter, 1),
             STATE_FIELD(struct guest_clock, stood_wall_ns, 1));
const struct state_table guest_clock_state = {
    .name = "clock",
    .version = 1,
    .fields = clock_fields,
    .field_count = ARRAY_SIZE(clock_fields),
    .after_load = after_load,
};
