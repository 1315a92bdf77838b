/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Contract 5, emitters: from a unit of IR to machine code of this host. One constant table per
 * host; hosts without one interpret.
 *
 * Emitted code runs from dbt_stubs.enter() until it leaves. Then all of the guest's state is in the
 * frame, as with the interpreter; while it runs part of it lives in registers. Between units it
 * goes by links (chain.h), the frame's jump hash and the return stack, without C code.
 *
 * Code lies in memory that is written at one address and executed at another, and the data that
 * changes (links) in pages of its own, whose address is near the executed one.
 */
#ifndef DBT_EMITTER_H
#define DBT_EMITTER_H

#include "dbt/chain.h"
#include "dbt/frame.h"
#include "dbt/interp.h"
#include "kernel/table.h"

/* Common bits of the block mode word; a front end's own begin at bit 8. */
#define DBT_MODE_WORDS (1u << 3) /* plain loads and stores go by the frame's words (window.h) */
#define DBT_MODE_ONE_VCPU                                                   \
    (1u << 4) /* no other vCPU has started: read-modify-writes need no lock \
               */
#define DBT_MODE_COUNT                                                                        \
    (1u << 5)                     /* frame->count is kept at every exit, and units begin only \
                                  when they end at frame->limit at the latest */
#define DBT_MODE_SINGLE (1u << 6) /* units of one instruction */
#define DBT_MODE_GLOBAL (1u << 7) /* the page is global: DBT_CONTEXT_GLOBAL names its targets */

/* The highest level that the host has; tests use lower ones too. */
enum dbt_level { DBT_LEVEL_BASE, DBT_LEVEL_V3, DBT_LEVEL_COUNT };

/* Where to put code. */
struct dbt_room {
    uint8_t *write;      /* written here */
    const uint8_t *exec; /* executed here */
    size_t size;
    struct dbt_link *links; /* within 2 GiB of `exec`, read by emitted code; of operations too */
    unsigned link_count;
    const uint8_t *base; /* where sites are counted from */
    struct dbt_site *sites;
    unsigned site_count;
};

struct dbt_emitted {
    size_t size;         /* bytes used of the room, */
    size_t hot;          /* and of these before what is seldom executed */
    unsigned link_count; /* links used: target and unlinked are filled, code is unlinked */
    unsigned insn_count;
    unsigned site_count; /* with page tables: sites filled, in order */
    uint64_t calls;      /* a bit for each instruction that is left to C every time */
};

struct dbt_stubs {
    size_t size;
    /* Runs emitted code on `f` until it leaves. frame->pc_base is that of its unit. Caged code
     * begins here likewise and leaves by the gate (kernel/cage.h). */
    enum dbt_exit (*enter)(struct dbt_frame *f, const void *code);
};

/* What caged code asks for at the gate: an exit (enum dbt_exit), or that the struct dbt_slow_op at
 * its argument is done; then it goes on with whether it was. */
#define DBT_GATE_SLOW 256

struct emitter; /* what one translating thread needs */

struct dbt_emitter {
    const char *name;
    enum dbt_level (*host_level)(void);
    /* For units of one dialect. NULL: no memory. */
    struct emitter *(*create)(const struct dbt_dialect *dialect, const struct interp_guest *guest,
                              enum dbt_level level);
    void (*destroy)(struct emitter *e);
    /* Makes the stubs, once per code cache; units emitted afterwards use them. `caged`: code runs
     * without rights and knows no address of C code. ERR_RANGE: no room. */
    enum err (*stubs)(struct emitter *e, struct dbt_room room, bool caged, struct dbt_stubs *out);
    /* Another thread's emitter on the same code cache uses the stubs of the first. */
    void (*share)(struct emitter *e, const struct emitter *with);
    /* A well-formed unit of one block. With DBT_MODE_WORDS instructions in unit.looks_up look up
     * all the same. ERR_RANGE: the room is too small; ERR_UNSUPPORTED: leave it to the interpreter.
     */
    enum err (*emit)(struct emitter *e, const struct ir_unit *u, struct dbt_room room,
                     struct dbt_emitted *out);
};
TABLE_DECLARE(dbt_emitters, struct dbt_emitter);

/* Return stack of a vCPU: memory of this size, aligned to it, that only emitted code uses. */
#define DBT_RETURN_STACK KIB(64)
#define DBT_RETURN_SPARE 64   /* bytes at its end for calls of stubs */
#define DBT_RETURN_NONE  1ULL /* the address of its lasting pair: no instruction lies there */
/* Gives the frame its return stack, or empties it: after a change of context, an invalidation, an
 * eviction; only while no code of the vCPU runs. */
void dbt_returns_empty(struct dbt_frame *f, void *stack);

/* Exits of emitted code add to frame.h: with DBT_EXIT_LINK `detail` is the struct dbt_link that was
 * not linked, as cages have it, or 0; with DBT_EXIT_INDIRECT pc was not in the jump hash. */
static inline void dbt_jump_set(struct dbt_frame *f, uint64_t va, uint64_t context,
                                const void *code)
{
    struct dbt_jump *jumps = cage_kernel_address((uintptr_t)f->jumps);

    jumps[(va >> 1) % DBT_JUMPS] = (struct dbt_jump){va ^ context, code};
}

#endif
