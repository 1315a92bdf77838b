/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes the vector instructions of riscv64 guests: any word of theirs, in any state that there can
 * be. What a unit does inline gives what the C code gives, registers, flags, memory and faults;
 * neither touches what lies beside its registers, and the state stays well-formed. Input: the
 * state, then instructions by number and remaining bits.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/riscv64/guest/vector.h"
#include "dbt/pass.h"
#include "mm/heap.h"

#define RAM       0x10000ULL
#define RAM_SIZE  (2 * IR_PAGE_SIZE) /* the second page can only be read */
#define READ_ONLY (RAM + IR_PAGE_SIZE)
#define VECTORS   (RV_INSN_COUNT - RV_INSN_vsetvli)
#define GUARD     32 /* cells behind the slots */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void *heap_zalloc(size_t size)
{
    return calloc(1, size);
}

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

/* ---- Memory ---- */

static uint8_t ram[RAM_SIZE];

static bool reach(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    for (unsigned i = 0; i < size; i++)
        if (va + i < RAM || va + i >= (access == DBT_WRITE ? READ_ONLY : RAM + RAM_SIZE)) {
            f->fault = (struct dbt_fault){.address = va + i, .access = access};
            return false;
        }
    return true;
}

bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value)
{
    *value = 0;
    if (!reach(f, va, size, DBT_READ))
        return false;
    memcpy(value, ram + (va - RAM), size);
    return true;
}

bool dbt_memory_write(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t value)
{
    if (!reach(f, va, size, DBT_WRITE))
        return false;
    memcpy(ram + (va - RAM), &value, size);
    return true;
}

bool dbt_memory_user(struct dbt_frame *f, uint64_t va, unsigned size, bool write, uint64_t *value)
{
    return write ? dbt_memory_write(f, va, size, *value) : dbt_memory_read(f, va, size, value);
}

void *dbt_memory_atomic(struct dbt_frame *f, uint64_t va, unsigned size, bool *mmio)
{
    *mmio = false;
    return reach(f, va, size, DBT_WRITE) ? ram + (va - RAM) : NULL;
}

bool dbt_memory_probe(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    return reach(f, va, size, access);
}

/* ---- State ---- */

struct head {
    uint64_t vtype, vl, vstart, vxrm, seed;
    uint32_t mode;
    uint32_t flags;
};

struct step {
    uint16_t id, unused;
    uint32_t bits;
};

static const struct interp_guest guest = {.helpers = rv_helpers, .fp = DBT_FP_RISCV};
static struct dbt_tlb_entry tlb[1] = {{{DBT_TLB_NONE, DBT_TLB_NONE, DBT_TLB_NONE}, 0}};
static struct dbt_frame *frame, *before, *by_c;
static uint8_t ram_before[RAM_SIZE], ram_by_c[RAM_SIZE];
static struct ir_unit unit;
static struct pass_scratch *passes;
static struct interp_scratch *lowering;
static size_t bytes; /* of a frame, up to the guard */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t *guard(struct dbt_frame *f)
{
    return (uint64_t *)f + interp_first_cell(rv_frontend.dialect);
}

static void set_up(void)
{
    size_t whole = interp_frame_size(rv_frontend.dialect);

    frame = calloc(1, whole);
    before = calloc(1, whole);
    by_c = calloc(1, whole);
    passes = pass_scratch_create();
    lowering = interp_scratch_create();
    if (!frame || !before || !by_c || !passes || !lowering ||
        ir_unit_create(&unit, IR_OPS_MAX) != ERR_OK)
        abort();
    bytes = 8 * (size_t)interp_first_cell(rv_frontend.dialect);
}

static void enter(const struct head *h)
{
    const struct rv_vector_state v = {
        .vtype = h->vtype, .vl = h->vl, .vstart = h->vstart, .vxrm = h->vxrm};
    struct rv_frame *r = (struct rv_frame *)frame->cells;
    uint64_t random = h->seed | 1;

    memset(frame, 0, bytes);
    for (unsigned i = 1; i < 32; i++)
        r->x[i] = i & 1 ? next_random(&random) : RAM + next_random(&random) % RAM_SIZE;
    for (unsigned i = 0; i < 32; i++)
        r->f[i] = next_random(&random) | (i & 1 ? 0xffffffff00000000 : 0);
    for (unsigned i = 0; i < ARRAY_SIZE(r->v); i++) /* the upper ones are good as indices */
        r->v[i] = i < 48 ? next_random(&random) : next_random(&random) & 0x00ff00ff00ff00ff;
    for (unsigned i = 0; i < RAM_SIZE; i++)
        ram[i] = (uint8_t)next_random(&random);
    rv_vector_enter(r, &v);
    frame->fp_flags = h->flags & SF_SATURATED;
    frame->tlb = tlb;
    frame->limit = UINT64_MAX;
}

static void check_state(struct dbt_frame *f)
{
    const struct rv_frame *r = (const struct rv_frame *)f->cells;
    unsigned vlmax = rv_vlmax(r->vtype);

    if (vlmax ? r->vl > vlmax : r->vl != 0 || r->vtype != RV_VTYPE_ILL)
        abort();
    if (r->vstart > RV_VSTART_MASK || r->vconfig != rv_vconfig(r->vtype, r->vl, r->vstart))
        abort();
}

/* ---- The two ways ---- */

static enum rv_vector_result in_c(struct dbt_frame *f, uint32_t word, uint32_t mode)
{
    enum rv_vector_result result;

    for (unsigned i = 0; i < GUARD; i++)
        guard(f)[i] = 0x5a5a5a5a5a5a5a5a + i;
    result = rv_vector_execute(f, word, mode);
    for (unsigned i = 0; i < GUARD; i++)
        if (guard(f)[i] != 0x5a5a5a5a5a5a5a5a + i)
            abort();
    check_state(f);
    return result;
}

static void verify(void)
{
    char said[256];
    struct out_buffer why;

    out_buffer_init(&why, said, sizeof(said));
    if (ir_verify(&unit, &why.out) != ERR_OK)
        abort();
}

/* As a unit of one instruction, which leaves to C what it does not do. */
static enum rv_vector_result lifted(uint32_t word, uint32_t mode, bool optimise)
{
    static uint32_t page[IR_PAGE_SIZE / 4];
    static struct interp_op ops[4 * IR_OPS_MAX];
    struct dbt_source source = {
        .page = (const uint8_t *)page, .features = RV_EXT_ALL, .max_insns = 1, .frame = frame};
    struct interp_unit threaded;

    page[0] = word;
    ir_unit_reset(&unit, rv_frontend.dialect, mode);
    rv_frontend.translate(&unit, &source);
    verify();
    if (optimise) {
        pass_simplify(passes, &unit);
        pass_dead(passes, &unit);
        verify();
    }
    if (interp_lower(lowering, &unit, ops, ARRAY_SIZE(ops), &threaded) != ERR_OK)
        abort();
    switch (interp_run(frame, &threaded, &guest)) {
    case DBT_EXIT_LINK:
        return RV_VECTOR_DONE;
    case DBT_EXIT_FAULT:
        return in_c(frame, word, mode);
    default:
        return frame->reason == IR_LEAVE_INTERPRET ? in_c(frame, word, mode) : RV_VECTOR_ILLEGAL;
    }
}

/* What both may change but in the same way: not where a unit left. */
static void compare(enum rv_vector_result here, enum rv_vector_result there)
{
    if (here != there)
        abort();
    if (memcmp(frame->cells, by_c->cells, sizeof(struct rv_frame)) != 0)
        abort();
    if (frame->fp_flags != by_c->fp_flags || memcmp(ram, ram_by_c, RAM_SIZE) != 0)
        abort();
    if (here == RV_VECTOR_FAULTED &&
        (frame->fault.address != by_c->fault.address || frame->fault.access != by_c->fault.access))
        abort();
    check_state(frame);
}

static void take(const struct step *s, uint32_t mode)
{
    const struct rv_insn *insn = &rv_insns[RV_INSN_vsetvli + s->id % VECTORS];
    uint32_t word = insn->match | (s->bits & ~insn->mask);
    enum rv_vector_result there;

    memcpy(before, frame, bytes);
    memcpy(by_c, frame, bytes);
    memcpy(ram_before, ram, RAM_SIZE);
    there = in_c(by_c, word, mode);
    memcpy(ram_by_c, ram, RAM_SIZE);
    for (unsigned optimise = 0; optimise < 2; optimise++) {
        memcpy(frame, before, bytes);
        memcpy(ram, ram_before, RAM_SIZE);
        compare(lifted(word, mode, optimise), there);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t modes = RV_MODE_FRM | RV_MODE_FS | RV_MODE_VS;
    struct head head;
    struct step step;
    uint32_t mode;

    if (size < sizeof(head))
        return 0;
    if (!frame)
        set_up();
    memcpy(&head, data, sizeof(head));
    head.vtype &= 0x80000000000001ff; /* few other bits mean anything */
    mode = head.mode & modes;
    if (head.flags & 1) /* most of the time there are vectors and floating point */
        mode |= RV_MODE_FS | RV_MODE_VS;
    enter(&head);
    for (data += sizeof(head), size -= sizeof(head); size >= sizeof(step);
         data += sizeof(step), size -= sizeof(step)) {
        memcpy(&step, data, sizeof(step));
        take(&step, mode);
    }
    return 0;
}
