/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The interpreter beside emitted code (check.h). */
#include "dbt/check.h"

#include <string.h>
#include "dbt/tlb.h"
#include "mm/heap.h"

#define STORES_MAX 512
#define STATE_MAX  8192 /* bytes of a frame from pc_base to its last slot */

typedef unsigned long long ull;

/* What the interpreter would have stored. */
struct noted {
    uint64_t va, value;
    unsigned size;
    bool user; /* with the least privileged level's rights */
};

struct dbt_check {
    bool given_up; /* the block is not compared */
    unsigned count;
    struct noted store[STORES_MAX];
    _Alignas(8) uint8_t before[STATE_MAX], after[STATE_MAX];
};

struct dbt_check *dbt_check_create(void)
{
    return heap_zalloc(sizeof(struct dbt_check));
}

void dbt_check_destroy(struct dbt_check *c)
{
    heap_free(c);
}

/* ---- Noting ---- */

void dbt_check_device(struct dbt_vcpu *d)
{
    d->check->given_up = true;
}

/* The byte at `va` as the last store left it; false: none did. */
static bool stored_byte(const struct dbt_check *c, uint64_t va, uint8_t *byte)
{
    for (unsigned i = c->count; i-- > 0;) {
        const struct noted *s = &c->store[i];

        if (va - s->va < s->size) {
            *byte = (uint8_t)(s->value >> 8 * (va - s->va));
            return true;
        }
    }
    return false;
}

uint64_t dbt_check_read(struct dbt_vcpu *d, uint64_t va, unsigned size, uint64_t in_memory)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte;

        if (stored_byte(d->check, va + i, &byte))
            in_memory = (in_memory & ~(BITS(7, 0) << 8 * i)) | (uint64_t)byte << 8 * i;
    }
    return in_memory;
}

static struct noted *note(struct dbt_check *c, uint64_t va, unsigned size, uint64_t value)
{
    if (c->count == STORES_MAX) {
        c->given_up = true;
        c->count--;
    }
    c->store[c->count] = (struct noted){.va = va, .value = value, .size = size};
    return &c->store[c->count++];
}

void dbt_check_write(struct dbt_vcpu *d, uint64_t va, unsigned size, bool user, uint64_t value)
{
    note(d->check, va, size, value)->user = user;
}

void *dbt_check_atomic(struct dbt_vcpu *d, uint64_t va, unsigned size, uint64_t in_memory)
{
    return &note(d->check, va, size, dbt_check_read(d, va, size, in_memory))->value;
}

/* ---- Comparing ---- */

/* What units change of a frame. */
static uint8_t *state_of(const struct dbt_vcpu *d, size_t *size)
{
    *size = 8 * (size_t)interp_first_cell(d->guest->frontend->dialect) -
            offsetof(struct dbt_frame, pc_base);
    return (uint8_t *)d->frame + offsetof(struct dbt_frame, pc_base);
}

static bool goes_on(enum dbt_exit e)
{
    return e == DBT_EXIT_LINK || e == DBT_EXIT_INDIRECT || e == DBT_EXIT_POLL;
}

static bool same(const char *what, uint64_t interpreted, uint64_t emitted)
{
    if (interpreted != emitted)
        log_error("check: %s is 0x%llx by the interpreter, 0x%llx by emitted code", what,
                  (ull)interpreted, (ull)emitted);
    return interpreted == emitted;
}

static bool same_slots(const struct dbt_vcpu *d, const uint8_t *interpreted, const uint8_t *emitted)
{
    const struct dbt_dialect *dialect = d->guest->frontend->dialect;
    bool equal = true;

    for (unsigned i = 0; i < dialect->slot_count; i++) {
        size_t at = dialect->slots[i].offset - offsetof(struct dbt_frame, pc_base);

        if (dialect->slots[i].offset < DBT_FRAME_GUEST)
            continue; /* the page base: the engine takes it from pc */
        for (unsigned part = 0; part < MAX(8U, ir_type_size(dialect->slots[i].type)); part += 8) {
            uint64_t a, b;

            memcpy(&a, interpreted + at + part, sizeof(a));
            memcpy(&b, emitted + at + part, sizeof(b));
            equal &= same(dialect->slots[i].name, a, b);
        }
    }
    return equal;
}

/* Did emitted code store what was noted? */
static bool same_memory(struct dbt_vcpu *d)
{
    const struct dbt_check *c = d->checker;
    bool equal = true;

    for (unsigned i = 0; i < c->count; i++) {
        for (unsigned k = 0; k < c->store[i].size; k++) {
            uint64_t va = c->store[i].va + k, there;
            uint8_t noted = 0;

            if (!(c->store[i].user ? dbt_memory_user(d->frame, va, 1, false, &there)
                                   : dbt_memory_read(d->frame, va, 1, &there)))
                continue; /* it may be written only */
            (void)stored_byte(c, va, &noted);
            if (there == noted)
                continue;
            log_error("check: the byte at 0x%llx:", (ull)va);
            equal = same("it", noted, there);
        }
    }
    return equal;
}

static bool same_state(const struct dbt_vcpu *d, enum dbt_exit interpreted, enum dbt_exit emitted,
                       const struct dbt_fault *fault)
{
    static const size_t base = offsetof(struct dbt_frame, pc_base);
    const struct dbt_frame *f = d->frame;
    const struct dbt_frame *by = (const void *)(d->checker->after - base);
    bool equal = goes_on(interpreted) ? goes_on(emitted) : interpreted == emitted;

    if (!equal)
        log_error("check: the ways out are %u and %u", interpreted, emitted);
    equal &= same("pc", by->pc, f->pc);
    equal &= same("the number of instructions", by->count, f->count);
    equal &= same("the set of floating-point flags", by->fp_flags, f->fp_flags);
    if (interpreted == DBT_EXIT_LEAVE) {
        equal &= same("the reason", by->reason, f->reason);
        equal &= same("what is left to C", by->detail, f->detail);
        equal &= same("the instruction's length", by->insn_length, f->insn_length);
    }
    if (interpreted == DBT_EXIT_FAULT) {
        equal &= same("the fault's address", fault->address, f->fault.address);
        equal &= same("the fault's kind", fault->access, f->fault.access);
    }
    return equal & same_slots(d, d->checker->after, (const uint8_t *)f + base);
}

/* ---- Running ---- */

/* The block by the interpreter: its state goes to c->after, memory stays. */
static enum dbt_exit interpret(struct dbt_vcpu *d, const struct dbt_block *b)
{
    struct dbt_check *c = d->checker;
    size_t size;
    uint8_t *state = state_of(d, &size);
    enum dbt_exit e;

    c->count = 0;
    c->given_up = size > STATE_MAX;
    if (c->given_up)
        return DBT_EXIT_POLL;
    memcpy(c->before, state, size);
    d->check = c;
    dbt_tlb_publish(d);
    e = interp_run(d->frame, &b->interp, &d->interp);
    d->check = NULL;
    dbt_tlb_publish(d);
    memcpy(c->after, state, size);
    memcpy(state, c->before, size);
    return e;
}

/* One run of the block and no more: a limit stops what leads to itself. */
static enum dbt_exit run_once(struct dbt_vcpu *d, const struct dbt_block *b,
                              const struct dbt_jit_code *code)
{
    uint64_t limit = d->frame->limit;
    enum dbt_exit e;

    d->frame->limit = MIN(limit, d->frame->count + b->insns);
    e = dbt_jit_run(d, code);
    d->frame->limit = limit;
    return e;
}

enum dbt_exit dbt_check_run(struct dbt_vcpu *d, const struct dbt_block *b,
                            const struct dbt_jit_code *code)
{
    uint64_t gpa = b->gpa, pc = d->frame->pc;
    struct dbt_fault fault;
    enum dbt_exit interpreted = interpret(d, b), e;

    fault = d->frame->fault;
    e = run_once(d, b, code);
    if (d->checker->given_up || READ_ONCE(d->frame->poll)) { /* who polls may stop elsewhere */
        d->counters.unchecked++;
        return e;
    }
    d->counters.checked++;
    bool state = same_state(d, interpreted, e, &fault),
         memory = same_memory(d); /* both are told of */
    if (state && memory)
        return goes_on(e) ? interpreted : e;
    log_error("check: so it is after the block at pc 0x%llx, guest-physical 0x%llx", (ull)pc,
              (ull)gpa);
    d->broke = "the interpreter and emitted code disagree: the log says in what";
    d->frame->fault.address = pc;
    return DBT_EXIT_BROKEN;
}
