/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The time of a guest, one for each VM (`vm->clock`): nanoseconds since its machine was switched
 * on, and a counter of `hz` ticks a second (TSC, CNTVCT_EL0, time) that all its vCPUs share. Every
 * clock and timer of a machine derives from it, so that all stand while the VM is paused and go on
 * together.
 *
 * counter = (host_counter() * guest_clock_scale() >> 48) + guest_clock_offset(), which is what
 * engines write into the TSC multiplier and TSC_OFFSET. Where the guest's frequency is the host's
 * the scale is 1: minus CNTVOFF_EL2 and htimedelta are the offset.
 */
#ifndef KERNEL_GUEST_CLOCK_H
#define KERNEL_GUEST_CLOCK_H

#include "kernel/timer.h"

struct guest_timer;
struct state_table;

struct guest_clock {
    uint64_t hz;      /* of the counter */
    uint64_t zero_ns; /* clock_ns() at which the guest's time was 0 (wraps) */
    uint64_t offset;  /* ticks: see guest_clock_offset() */
    uint64_t scale;   /* 16 bits and 48 of fraction: see guest_clock_scale() */
    bool direct;      /* `hz` is the host's */
    uint32_t paused;  /* atomic, 0 or 1: time stands at the next three, which are its saved state */
    uint64_t stood_ns, stood_counter;
    uint64_t stood_wall_ns; /* clock_wall_ns() then */
    struct guest_timer *timers;
};

/* What happens to the time that passed during a pause. */
enum guest_time {
    GUEST_TIME_CONTINUE, /* it did not pass for the guest */
    GUEST_TIME_CATCH_UP, /* it passed at once: timers that were due meanwhile fire now */
};

/* Starts to count from 0 with `hz` ticks a second (at most 2^34, and 2^16 times the host's). */
void guest_clock_init(struct guest_clock *c, uint64_t hz);
/* Under the VM's lock, its vCPUs outside of the guest. Timers do not fire from here on. */
void guest_clock_pause(struct guest_clock *c);
void guest_clock_resume(struct guest_clock *c, enum guest_time mode);

/* Any context. */
uint64_t guest_clock_ns(const struct guest_clock *c);
uint64_t guest_clock_counter(const struct guest_clock *c);
/* Both at the same moment: returns the time, writes the counter. */
uint64_t guest_clock_now(const struct guest_clock *c, uint64_t *counter);
/* clock_ns() at which guest_clock_ns() will be `ns`, and at which the counter will be `ticks`, if
 * the guest is not paused meanwhile. What is past gives a time that is past; UINT64_MAX: never. */
uint64_t guest_clock_deadline(const struct guest_clock *c, uint64_t ns);
uint64_t guest_clock_counter_deadline(const struct guest_clock *c, uint64_t ticks);
/* guest_clock_ns() when the counter will be `ticks`; UINT64_MAX: never. */
uint64_t guest_clock_from_counter(const struct guest_clock *c, uint64_t ticks);

/* The guest's counter of the host's: multiplied (when not `direct`), then added to. */
static inline uint64_t guest_clock_scale(const struct guest_clock *c)
{
    return c->scale;
}

static inline uint64_t guest_clock_offset(const struct guest_clock *c)
{
    return c->offset;
}

/* A one-shot timer in the guest's time. Its deadline is part of the saved state of what embeds it:
 * a load that sets `deadline` needs no more, as the resume that follows arms all timers. */
struct guest_timer {
    uint64_t deadline; /* guest_clock_ns(), UINT64_MAX: not set */
    void (*fire)(struct guest_timer *t);
    struct guest_clock *clock;
    struct timer timer;
    struct guest_timer *next;
};

/* While the VM is built. `fire` is called in interrupt context, with `deadline` UINT64_MAX. */
void guest_timer_init(struct guest_timer *t, struct guest_clock *c,
                      void (*fire)(struct guest_timer *t));
/* As timer_cancel(), and the clock forgets it: before what embeds it is freed. Under the VM's lock
 * or while nothing else knows the VM. */
void guest_timer_destroy(struct guest_timer *t);
/* Sets it for `deadline`, UINT64_MAX: not at all. Two CPUs may not do this for one timer at a time;
 * any context, but not from its own fire() for UINT64_MAX. */
void guest_timer_set(struct guest_timer *t, uint64_t deadline);

extern const struct state_table guest_clock_state;

#endif
