/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What a guest ISA gives the engines that translate it, besides its front end: how its canonical
 * state lies in the frame, its page tables, and the C code of what units leave to it. One constant
 * table per ISA, in arch/<isa>/guest, named by guest_isa.translator.
 *
 * All of it runs on the vCPU's own thread, interrupts on, while no unit runs.
 */
#ifndef DBT_GUEST_H
#define DBT_GUEST_H

#include "dbt/frontend.h"
#include "dbt/interp.h"
#include "kernel/vcpu.h"

struct dbt_jit;
struct dbt_table;
struct emitter;
struct dbt_tlbs;
struct dbt_vcpu;
struct dbt_windows;
struct dbt_slow_op;

/* What a page table says about one address. */
struct dbt_mapping {
    uint64_t gpa;    /* of the address */
    uint64_t size;   /* bytes of the naturally aligned piece around it that translates alike */
    bool allowed[3]; /* by enum dbt_access: without another walk */
};

/* What the engine does after the guest's C code. */
enum dbt_next {
    DBT_GO_ON, /* at frame->pc */
    DBT_STOP,  /* run() returns with the exit that was filled in */
};

struct dbt_guest {
    const struct dbt_frontend *frontend;
    const struct dbt_helper *helpers; /* DBT_HELPERS_MAX at most */
    uint64_t features;                /* dbt_source.features */

    /* As engine.vm_init: what the machine offers. */
    enum err (*vm_init)(struct vm *vm);
    /* As engine.vcpu_init; then from canonical state to the frame and back. enter() also does what
     * others asked for (fences), and sets mode and address space. */
    void (*vcpu_init)(struct dbt_vcpu *d);
    void (*enter)(struct dbt_vcpu *d);
    void (*leave)(struct dbt_vcpu *d);

    /* The page-table walk, for the level that runs or (by IR_USER) the least privileged one, which
     * out->allowed then is of. False: frame->fault is filled. */
    bool (*walk)(struct dbt_vcpu *d, uint64_t va, enum dbt_access access, struct dbt_mapping *out);
    /* A unit left for the reason in frame->reason. */
    enum dbt_next (*execute)(struct dbt_vcpu *d, struct vm_exit *exit);
    /* The instruction at frame->pc faulted: enters the guest's handler. */
    void (*fault)(struct dbt_vcpu *d);
    /* Takes an interrupt if one is pending and allowed. */
    void (*interrupt)(struct dbt_vcpu *d);

    /* NULL, or the guest can have a debugger of its own. Does it want to see anything? Then one
     * instruction is done at a time, own_points[] are set, and the next two are asked: takes the
     * exception that comes before the instruction at frame->pc (true); does it step? If so, after
     * the instruction, if that was done. */
    bool (*self_debug)(struct dbt_vcpu *d);
    bool (*self_before)(struct dbt_vcpu *d, bool *steps);
    void (*self_after)(struct dbt_vcpu *d);
};

/* For people and benchmarks. */
struct dbt_counters {
    uint64_t units, unit_insns; /* translated, and instructions in them */
    uint64_t translate_ticks;   /* of host_counter() */
    uint64_t dispatches;        /* blocks entered from the dispatcher's slow look-up */
    uint64_t leaves, faults, interrupts;
    uint64_t tlb_misses, walks, device_accesses;
    uint64_t flush_all, flush_asid, flush_page, flush_remote; /* by cause */
    uint64_t tlb_cleared;                                     /* tables emptied */
    uint64_t invalidated, evicted;                            /* blocks: by writes, for room */
    uint64_t code_writes;            /* writes that went to pages with code */
    uint64_t emitted, emitted_bytes; /* blocks, of host code */
    uint64_t cage_entries; /* ways into the cage: from blocks, and back from C functions */
    uint64_t links, jumps, contexts;       /* made: links, entries of the jump hash, contexts */
    uint64_t window_pages, window_drops;   /* mapped for emitted code; taken back */
    uint64_t window_large;                 /* of those mapped, of 2 MiB */
    uint64_t window_moves, looked_up;      /* ranges taken from others; instructions that look up */
    uint64_t code_starved, blocks_starved; /* regions left as the host had no memory for more */
    uint64_t checked, unchecked;           /* runs of blocks in lockstep: compared, left out */
};

#define DBT_OWN_POINTS 16

#define DBT_RECENTS 4096 /* entries of a vCPU's look-up cache */

struct dbt_recent {
    uint64_t host; /* address of the guest's code; 0: none */
    struct dbt_block *block;
};

/* Its place in the cache. */
#define DBT_RECENT_OF(host, mode) (((host) >> 1 ^ (host) >> 13 ^ (mode) >> 8) % DBT_RECENTS)

/* What a translated vCPU has besides its frame; vcpu->engine_data. */
struct dbt_vcpu {
    struct dbt_frame *frame;
    struct vcpu *vcpu;
    struct dbt_table *table;
    const struct dbt_guest *guest;
    struct interp_guest interp;
    struct dbt_tlbs *tlbs;
    uint32_t mode;        /* block mode word of what runs next */
    uint32_t mode_common; /* bits of it that the engine sets */
    bool attend;          /* the guest's C code: look at interrupts before the next block */
    uint32_t entered;     /* blocks, by the dispatcher, when that is counted */
    uint64_t kicked_pc, kicked_count; /* where the frame was when that last set the poll word */
    uint32_t outside;                 /* atomic, 0 or 1: it uses neither blocks nor TLB now */
    uint32_t protect;    /* atomic, 0 or 1: pages became code: writes to them must be seen */
    uint64_t late_write; /* an atomic operation went to this page with code; DBT_NO_PAGE: none */
    uint64_t epoch;      /* atomic: code->epoch at its last safe point */
    uint64_t generation; /* of links and `recent` */
    uint64_t forgets;    /* host addresses of guest memory found before it changed are not good */
    struct dbt_counters counters;
    uint64_t slow[IR_CODE_COUNT];     /* operations that emitted code left to C, by code; */
    uint64_t helped[DBT_HELPERS_MAX]; /* helpers among them, by number */

    /* A debugger's points: the next one that the running instruction met, 0: none, then its
     * address; what vm->debug->generation was when the TLB was last emptied for them. */
    bool watching;
    unsigned point_hit;
    uint64_t point_address;
    uint32_t points_known;
    /* While that debugger has none, watchpoints of the guest's own one: an access that is told by
     * `own_active`, bit by bit, faults. */
    bool self_debugs;
    unsigned own_count;
    uint32_t own_active;
    struct debug_point own_points[DBT_OWN_POINTS];

    bool emitted_runs; /* emitted code waits for a C function that it called */
    bool crowded;      /* another vCPU has to run before this one can go on */
    uint32_t forget;   /* atomic, 0 or 1: pieces of emitted code died */

    /* Lockstep: NULL: none; `check` is the same while the interpreter's stores are noted only. */
    struct dbt_check *checker, *check;

    /* With page tables (window.h), else NULL; then what a load or store at a site tells. */
    struct dbt_windows *windows;
    void (*accessed)(struct dbt_vcpu *d, const struct dbt_slow_op *o, uint64_t va);
    const void *slow_place; /* of caged code's operation, which is done from a copy; else NULL */

    /* Emitted code; NULL: the engine interprets. */
    struct cage *cage; /* in which it runs; NULL: none */
    const char *broke; /* what it did that it may not */
    struct dbt_jit *jit;
    struct emitter *emitter;
    struct dbt_jump *jumps;
    void *return_stack;
    uint8_t *draft;       /* where code is written first */
    uint32_t threshold;   /* runs of a block before code is emitted for it */
    bool adapts;          /* it follows from what an entry of the cage costs: */
    uint64_t entry_ticks; /* the least so far, of host_counter(); 0: none yet */

    /* Translating. */
    struct ir_unit unit;
    struct pass_scratch *passes;
    struct interp_scratch *lowering;
    struct interp_op *ops;

    struct dbt_recent recent[DBT_RECENTS];
};

/* The points that are watched: a debugger's, or the guest's own. */
unsigned dbt_points(const struct dbt_vcpu *d, const struct debug_point **points);

static inline struct dbt_vcpu *dbt_vcpu(const struct vcpu *v)
{
    return v->engine_data;
}

/* The guest's slots. */
static inline void *dbt_guest_part(const struct dbt_vcpu *d)
{
    return d->frame->cells;
}

#endif
