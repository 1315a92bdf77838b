/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Between kernel/thread.c and kernel/scheduler.c: nobody else needs it. */
#ifndef KERNEL_SCHEDULER_H
#define KERNEL_SCHEDULER_H

#include "kernel/thread.h"

/* Why the running thread gives its CPU away. */
enum switch_reason {
    SWITCH_SLEEP,   /* until it is woken; at once back when a wake came already */
    SWITCH_YIELD,   /* ready, behind at least one other */
    SWITCH_POINT,   /* ready, by its place in the queue */
    SWITCH_PREEMPT, /* the same, and it stays on this CPU */
};

/* Picks the next thread and switches to it; returns when the caller's thread runs again. Masked,
 * preemption on. */
void scheduler_switch(enum switch_reason reason);
/* What is left to do on the new thread's side of a switch. Masked. */
void scheduler_switched(void);
/* May `t` run on CPU `id`? */
bool scheduler_allows(const struct thread *t, unsigned id);
/* Chooses the first CPU of a thread that sleeps and never ran. */
void scheduler_place_new(struct thread *t);

/* A thread without weight or place: its memory, stack and name. NULL when there is no memory. */
struct thread *thread_build(const char *name, void (*entry)(void *), void *arg);
void thread_reaper_start(void);

#endif
