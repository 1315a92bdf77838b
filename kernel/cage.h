/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Contract 1b, cages: where code that was generated for a guest runs on bare metal. A cage is an
 * address space of one thread's own, in which that code runs without rights and reaches what was
 * put there, nothing else. That stands HOST_CAGE_OFFSET below its address in the kernel. Nothing is
 * believed that comes out.
 *
 * A host with cages has one constant table; the hosted build has none and runs such code as its
 * own.
 */
#ifndef KERNEL_CAGE_H
#define KERNEL_CAGE_H

#include "kernel/host.h"
#include "kernel/table.h"

#ifndef HOST_CAGE_OFFSET
#define HOST_CAGE_OFFSET 0
#endif

/* Where a cage has what the kernel has at `at`. */
static inline void *cage_address(const void *at)
{
    return (void *)((uintptr_t)at - HOST_CAGE_OFFSET);
}

/* The other way round. */
static inline void *cage_kernel_address(uint64_t at)
{
    return (void *)(uintptr_t)(at + HOST_CAGE_OFFSET);
}

struct cage;
struct vm;

enum cage_exit {
    CAGE_ASKED,   /* the code is at its gate and waits for an answer */
    CAGE_FAULTED, /* with `takes_faults`: an access at `pc` faulted; goes on at `pc` */
    CAGE_BROKE,   /* it did what it may not, or does not stop: never to be entered again */
};

struct cage_call {
    const void *entry;    /* not NULL: begins there, with `argument`; else it gets `answer` */
    uint64_t argument[2]; /* of the entry; [0]: that of the gate */
    uint64_t answer;
    uint64_t asked;     /* what for */
    const uint8_t *end; /* the byte that, not zero, makes the code come to its gate soon */
    const char *text;   /* CAGE_BROKE, CAGE_FAULTED: what happened */
    uint64_t pc, address;
    bool takes_faults, faulted; /* the next run goes on after a fault */
    bool write; /* it was to write to `address`, else to read; which is 0: unknown */
};

struct cage_host {
    enum err (*create)(struct cage **out, const struct vm *vm) MUST_CHECK;
    void (*destroy)(struct cage *c); /* its memory, too */
    const char *(*kind)(void);       /* for people */

    /* Whole pages of zeroes, aligned to the power of two that holds them, for kernel and cage. Its
     * code may only read the first `locked` bytes. NULL: no memory. free() is of the same size. */
    void *(*alloc)(struct cage *c, size_t size, size_t locked)MUST_CHECK;
    void (*free)(struct cage *c, void *at, size_t size);
    /* Code memory of several cages: executed and read. */
    enum err (*share_code)(struct cage *c, const struct host_code_memory *m) MUST_CHECK;
    /* Memory of the guest, by its address in the direct map: may be read and written. False: no
     * memory for tables. */
    bool (*lend)(struct cage *c, const void *at, size_t size) MUST_CHECK;
    /* All of it is taken back. */
    void (*take_back)(struct cage *c);

    /* Runs until the code asks or breaks. The thread's own, interrupts on. */
    enum cage_exit (*run)(struct cage *c, struct cage_call *call);
    /* The thread leaves this CPU; masked. */
    void (*put)(struct cage *c);
};
TABLE_DECLARE(cage_hosts, struct cage_host);

static inline const struct cage_host *cage_host(void)
{
    TABLE_FOR_EACH(cage_hosts, struct cage_host, h)
    return h;
    return NULL;
}

#endif
