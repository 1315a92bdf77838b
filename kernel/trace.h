/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What guests do, as it happens: events of fixed size in a ring on each CPU, written without locks
 * from any context but NMI, made into text when somebody asks (`trace show`). While nothing is
 * traced, a place that could trace costs one load and one test.
 */
#ifndef KERNEL_TRACE_H
#define KERNEL_TRACE_H

#include "kernel/err.h"
#include "kernel/types.h"

struct vcpu;
struct vm;
struct vm_exit;

enum trace_kind {
    TRACE_EXIT,      /* detail: enum exit_kind; value: what it was about */
    TRACE_INTERRUPT, /* detail: how many; value: vector, INTID or cause */
    TRACE_VIRTIO,    /* detail: device type << 16 | queue; value: bytes out << 32 | bytes in */
    TRACE_BLOCK,     /* translated; detail: instructions; value: virtual address */
    TRACE_FLUSH,     /* of translated addresses; detail: enum trace_flush; value: address or ASID */
    TRACE_KINDS,
};

enum trace_flush { TRACE_FLUSH_ALL, TRACE_FLUSH_ASID, TRACE_FLUSH_PAGE };

/* Bits by kind: those that are wanted. */
extern uint32_t trace_kinds;

/* Is `kind` wanted? Then trace_event() is worth its call. A plain read: it may be late, and is one
 * instruction with its test. */
static inline bool trace_on(enum trace_kind kind)
{
    return unlikely(trace_kinds & BIT(kind));
}

#define TRACE_NO_VCPU 0xff /* a device's thread did it */
/* Of an interrupt: the hardware knows which. */
#define TRACE_BY_HARDWARE UINT64_MAX

/* Notes an event of `vm` on the running CPU. Not in NMIs. */
void trace_event(enum trace_kind kind, const struct vm *vm, unsigned vcpu, uint32_t detail,
                 uint64_t value);
/* The same for an exit. */
void trace_exit(const struct vcpu *v, const struct vm_exit *exit);

/* ---- For the monitor's thread ---- */

struct trace_event {
    uint64_t number; /* in its ring, plus one; 0: it is being written */
    uint64_t ticks;  /* of host_counter() */
    uint64_t value;
    uint32_t detail;
    uint16_t vm; /* its id */
    uint8_t vcpu, kind;
};

#define TRACE_RING_EVENTS 2048
#define TRACE_ALL_VMS     UINT32_MAX

/* Bits of enum trace_kind, and the id of a VM or TRACE_ALL_VMS. */
struct trace_filter {
    uint32_t kinds, vm;
};

/* Makes the rings, once, and traces what the filter lets through. ERR_NO_MEMORY. */
enum err trace_start(const struct trace_filter *filter) MUST_CHECK;
void trace_stop(void);
void trace_clear(void);
/* What was asked for last. */
struct trace_filter trace_filter_now(void);

struct trace_counts {
    uint64_t kept, lost; /* events since trace_clear(): in the rings, overwritten */
};
struct trace_counts trace_count(void);
/* Calls fn() with copies of the last `most` events that the filter lets through, by time. */
void trace_each(const struct trace_filter *filter, uint64_t most,
                void (*fn)(const struct trace_event *e, unsigned cpu, void *arg), void *arg);

#endif
