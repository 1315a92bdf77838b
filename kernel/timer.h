/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The nanosecond clock and per-CPU one-shot timers (pairing heap: O(1) insert, O(log n) removal).
 */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include "kernel/pairing.h"
#include "kernel/types.h"

struct cpu;

/* Nanoseconds since the exit of boot services, the same on all CPUs, never backwards. Any context.
 */
uint64_t clock_ns(void);
/* Counter value for a clock value and back. */
uint64_t clock_to_counter(uint64_t ns);
uint64_t clock_from_counter(uint64_t counter);
void clock_init(uint64_t exit_counter, uint64_t hz);
/* Nanoseconds since 1970 began (UTC), by the firmware's clock at the start; 0 at the exit of boot
 * services when the firmware had none. */
uint64_t clock_wall_ns(void);
/* `wall_ns` was the time when the counter stood at `counter`. After clock_init(). */
void clock_wall_init(uint64_t wall_ns, uint64_t counter);

struct timer {
    uint64_t deadline;             /* clock_ns() */
    void (*fire)(struct timer *t); /* in interrupt context on the CPU where it was set */
    struct cpu *cpu;               /* where it is queued, NULL when not */
    struct cpu *home;              /* where it was queued last: fire() may still run there */
    struct pairing_node node;
};

void timer_setup(struct timer *t, void (*fire)(struct timer *));
/* Queues `t` on this CPU (moves it when it is queued already). */
void timer_set(struct timer *t, uint64_t deadline);
/* Takes `t` out wherever it is queued. When it returns the timer does not run any more and will
 * not. Not from its own fire(). */
void timer_cancel(struct timer *t);
/* Called by the host's timer interrupt, masked. */
void timer_interrupt(void);
/* The queue of `cpu`, before the CPU runs. Until then nothing may set a timer there. */
void timer_cpu_init(struct cpu *cpu);
/* For the scheduler, masked: asks for a reschedule of this CPU at `deadline` (UINT64_MAX: not at
 * all). No lock, no heap; the hardware is armed only when nothing earlier is due. */
void timer_slice_set(uint64_t deadline);
bool timer_slice_is_set(void);

#endif
