/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Emitted code of a VM: the code cache, its connection with blocks, and what a vCPU needs to run
 * it. All but running is done under the table's lock.
 */
#ifndef DBT_JIT_H
#define DBT_JIT_H

#include "dbt/emitter.h"
#include "dbt/table.h"
#include "kernel/cage.h"

struct dbt_jit;
struct dbt_profile;

#define DBT_THRESHOLD 12 /* runs of a block before code is emitted for it, with `hybrid` */

/* Emitted code of one block. */
struct dbt_jit_code {
    struct dbt_code code;
    struct dbt_block *block; /* NULL: it is dead */
    union {
        struct dbt_profile *profile;
        struct dbt_jit_code *next_free;
    };
};

/* Can this host run emitted code? Otherwise the reason. */
enum err dbt_jit_probe(struct out *reason) MUST_CHECK;

/* `by_words`: accesses go by the frame's words (window.h). */
enum err dbt_jit_create(struct dbt_jit **out, struct vm *vm, bool by_words) MUST_CHECK;
void dbt_jit_destroy(struct dbt_jit *jit);
/* Before anything of the vCPU is allocated: its cage, where the host has cages. */
enum err dbt_jit_cage_init(struct dbt_vcpu *d, struct dbt_jit *jit) MUST_CHECK;
/* Sets d->jit. */
enum err dbt_jit_vcpu_init(struct dbt_vcpu *d, struct dbt_jit *jit) MUST_CHECK;
void dbt_jit_vcpu_fini(struct dbt_vcpu *d);

/* Emits d->unit, which is the block's, under the lock. False: it has no code now. When older code
 * went for it, d->generation is not the table's any more. */
bool dbt_jit_emit(struct dbt_vcpu *d, struct dbt_block *b);
/* False: there is none before the other vCPUs have been at a safe point. Needs no lock. */
bool dbt_jit_has_room(const struct dbt_vcpu *d);
/* The oldest code dies, under the lock, and goes unless other vCPUs may be in it. */
void dbt_jit_evict(struct dbt_vcpu *d);
/* The block dies, under the lock. */
void dbt_jit_kill(struct dbt_block *b);
/* What the vCPU knows of places in code is forgotten. None of its code runs. */
void dbt_jit_forget(struct dbt_vcpu *d);
/* Instruction `insn` (from 1) of the unit whose operation is at `place` looks its accesses up in
 * the TLB, once its code is made anew. */
void dbt_jit_look_up(struct dbt_vcpu *d, const void *place, unsigned insn);
/* Where code goes on whose access at `pc` faulted; NULL: there is no such access. Any context. */
const void *dbt_jit_otherwise(uint64_t pc);
/* All links that hold in one context only are cut, and forgotten what was found with them. */
void dbt_jit_contexts_renew(struct dbt_vcpu *d);

/* Whole pages of zeroes that emitted code reaches; it may only read the first `locked` bytes. */
void *dbt_shared_alloc(struct dbt_vcpu *d, size_t size, size_t locked) MUST_CHECK;
void dbt_shared_free(struct dbt_vcpu *d, void *at, size_t size);

enum dbt_exit dbt_jit_run(struct dbt_vcpu *d, const struct dbt_jit_code *code);
/* The code that was left by `link` (NULL: by an indirect jump) on the page at `base` goes on at
 * `to`, which has code, next time by itself. */
void dbt_jit_connect(struct dbt_vcpu *d, struct dbt_link *link, uint64_t base,
                     const struct dbt_block *to, uint64_t pc);
/* What was counted for dbt_knobs.profile, when no vCPU runs any more. */
void dbt_jit_profile(struct dbt_jit *jit, struct out *out);
/* Bytes of the code cache. */
uint64_t dbt_jit_bytes(const struct dbt_jit *jit);

#endif
