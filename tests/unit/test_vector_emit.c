/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Emitted vector operations of this host against the interpreter: every operation with every kind
 * of attribute, on random and edge values, in pinned registers and in cells; results and sticky
 * flags, at each level that the host has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dbt/interp.h"
#include "dbt/vector.h"
#include "code_memory.h"

#define INTS    4
#define VECTORS 20 /* more than there are registers */
#define SLOTS   (INTS + VECTORS)
#define TRIES   40 /* attributes of an operation, most of them not well-formed */
#define ROUNDS  60 /* operands */

#ifdef __x86_64__
/* Brings the emitter in: nothing else names it. */
enum dbt_level host_level(void);
enum dbt_level (*volatile emitter_wanted)(void) = host_level;
#endif

/* ---- No memory, and the C library's heap ---- */

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

bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value)
{
    (void)f, (void)va, (void)size, (void)value;
    return false;
}

bool dbt_memory_write(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t value)
{
    (void)f, (void)va, (void)size, (void)value;
    return false;
}

bool dbt_memory_user(struct dbt_frame *f, uint64_t va, unsigned size, bool write, uint64_t *value)
{
    (void)f, (void)va, (void)size, (void)write, (void)value;
    return false;
}

void *dbt_memory_atomic(struct dbt_frame *f, uint64_t va, unsigned size, bool *mmio)
{
    (void)f, (void)va, (void)size;
    *mmio = false;
    return NULL;
}

bool dbt_memory_probe(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    (void)f, (void)va, (void)size, (void)access;
    return false;
}

/* ---- Units ---- */

static struct dbt_slot slots[SLOTS];
static char names[SLOTS][8];
static struct dbt_dialect dialect = {
    .name = "test", .slots = slots, .slot_count = SLOTS, .fp = DBT_FP_ARM};
static const struct interp_guest guest = {.fp = DBT_FP_ARM};
static struct dbt_frame *frame;
static struct ir_unit unit;
static uint64_t seed = 88172645463325252ULL;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static unsigned below(unsigned n)
{
    return (unsigned)(random64() >> 20) % n;
}

static ir_value vector_slot(void)
{
    return ir_get(&unit, INTS + below(VECTORS));
}

/* A value of that type from a slot. */
static ir_value operand(enum ir_type type)
{
    switch (type) {
    case IR_I64:
        return ir_get(&unit, below(INTS));
    case IR_V64:
        return ir_vector(&unit, IR_vhalf, IR_V64, IR_I64, below(2) ? IR_V_HIGH : 0, 0,
                         vector_slot(), 0, 0);
    case IR_F32:
    case IR_F64:
        return ir_op1(&unit, IR_vscalar, type, vector_slot());
    default:
        return vector_slot();
    }
}

static void result(const struct ir_op *op, ir_value r)
{
    enum ir_type type = ir_result_type(op);

    if (type == IR_I64) {
        ir_set(&unit, below(INTS), r);
        return;
    }
    if (type == IR_V64)
        r = ir_op1(&unit, IR_vzext, IR_V128, r);
    else if (ir_is_float(type))
        r = ir_convert(&unit, IR_vfrom, IR_V128, type, r);
    ir_set(&unit, INTS + below(VECTORS), r);
}

static bool make(struct ir_op op)
{
    static const uint8_t elements[] = {IR_VOID, IR_I8,  IR_I16, IR_I32,
                                       IR_I64,  IR_F16, IR_F32, IR_F64};
    char said[100];
    struct out_buffer why;
    ir_value r;

    out_buffer_init(&why, said, sizeof(said));
    op.type = strchr("-L", ir_info[op.code].result) ? IR_VOID
              : ir_info[op.code].result == 'F'      ? IR_F32 + below(2)
                                                    : IR_V64 + below(2);
    op.attr = elements[below(ARRAY_SIZE(elements))];
    op.attr2 = (uint8_t)(below(3) ? random64() & (random64() | 0x0f) & (random64() | 0x03) : 0);
    op.imm = below(2) ? 0 : below(66);
    if (below(4) == 0)
        op.imm |= below(16) << 8;
    if (ir_info[op.code].attribute == IR_ATTR_NONE)
        op.attr = op.attr2 = 0, op.imm = 0;
    if (ir_info[op.code].attribute == IR_ATTR_FROM)
        op.attr2 = 0, op.imm = 0, op.type = IR_V128;
    ir_unit_reset(&unit, &dialect, 0);
    ir_block_begin(&unit);
    ir_insn(&unit, 0, 4);
    for (unsigned a = 0; a < ir_info[op.code].operand_count; a++)
        op.arg[a] = operand(ir_operand_type(&op, a));
    r = ir_append(&unit, &op);
    result(&op, r);
    if (below(2))
        result(&op, r);
    ir_jump(&unit, IR_HINT_NONE, 8);
    return ir_verify(&unit, &why.out) == ERR_OK;
}

static uint64_t edge(void)
{
    static const uint64_t edges[] = {0,
                                     UINT64_MAX,
                                     0x8000000000000000,
                                     0x7fffffffffffffff,
                                     0x8000000080000000,
                                     0x7fffffff80000001,
                                     0x80ff7f0102fe8100,
                                     0xff80800000ff0001,
                                     0x7f8000007f800001, /* f32: infinity, signaling NaN */
                                     0xffc00001ff800000,
                                     0x7ff0000000000000,
                                     0x7ff0000000000001,
                                     0xfff8000000000001,
                                     0x0010000000000000, /* the smallest normal numbers */
                                     0x0080000000800000,
                                     0x000fffffffffffff,
                                     0x007fffff807fffff,
                                     0x3ff0000000000000,
                                     0x3f800000bf800000,
                                     0x3ff8000000000001,
                                     0x5f0000004f000000, /* 2^63, 2^31 */
                                     0x43e0000000000000,
                                     0x1fffffff2000000a,
                                     0x2000000000000001,
                                     0x3fefffffffffffff,
                                     0x7c017e003c00fc00, /* f16 */
                                     0x0102030405060708,
                                     0x00000000000000f8};

    return below(3) ? edges[below(ARRAY_SIZE(edges))] : random64();
}

static void fill(void)
{
    for (unsigned i = 0; i < 2 * SLOTS; i++)
        frame->cells[i] = edge();
    if (below(3) == 0) /* numbers whose products are near the edges of their format */
        for (unsigned i = 2 * INTS; i < 2 * SLOTS; i++)
            frame->cells[i] = below(2) ? 0x2000000000000000ULL + (random64() >> 11)
                                       : 0x1f8000001f800000ULL + (random64() & 0x00ffffff00ffffff);
}

struct level {
    const struct dbt_emitter *emitter;
    struct emitter *e;
    struct dbt_cache cache;
    struct dbt_stubs stubs;
};

static void fail_at(const uint64_t *before, const uint64_t *expected, unsigned flags)
{
    static char said[4096];
    struct out_buffer why;

    out_buffer_init(&why, said, sizeof(said));
    ir_print(&unit, &why.out);
    for (unsigned i = 0; i < SLOTS; i++)
        if (memcmp(&expected[2 * i], &frame->cells[2 * i], 16) != 0)
            out_printf(&why.out, "%s: %016llx%016llx, not %016llx%016llx\n", slots[i].name,
                       (unsigned long long)frame->cells[2 * i + 1],
                       (unsigned long long)frame->cells[2 * i],
                       (unsigned long long)expected[2 * i + 1],
                       (unsigned long long)expected[2 * i]);
    for (unsigned i = 1; i < unit.op_count; i++)
        if (unit.ops[i].code == IR_get)
            out_printf(&why.out, "%s was %016llx%016llx\n", slots[unit.ops[i].imm].name,
                       (unsigned long long)before[2 * unit.ops[i].imm + 1],
                       (unsigned long long)before[2 * unit.ops[i].imm]);
    fail_msg("%sflags %x, not %x", said, frame->fp_flags, flags);
}

static void check(struct level *l, struct interp_scratch *scratch)
{
    static struct interp_op ops[256];
    uint64_t expected[2 * SLOTS], before[2 * SLOTS];
    struct interp_unit threaded;
    struct dbt_emitted emitted;
    unsigned flags;

    memcpy(before, frame->cells, sizeof(before));
    assert_int_equal(interp_lower(scratch, &unit, ops, 256, &threaded), ERR_OK);
    frame->fp_flags = 0;
    assert_int_equal(interp_run(frame, &threaded, &guest), DBT_EXIT_LINK);
    flags = frame->fp_flags;
    memcpy(expected, frame->cells, sizeof(expected));
    memcpy(frame->cells, before, sizeof(before));
    frame->fp_flags = 0;
    assert_int_equal(l->emitter->emit(l->e, &unit, dbt_cache_room(&l->cache), &emitted), ERR_OK);
    assert_int_equal(l->stubs.enter(frame, dbt_cache_room(&l->cache).exec), DBT_EXIT_LINK);
    if (memcmp(expected, frame->cells, sizeof(expected)) != 0 || frame->fp_flags != flags)
        fail_at(before, expected, flags);
}

static void test_operations(void **state)
{
    struct interp_scratch *scratch = interp_scratch_create();

    (void)state;
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, emitter)
    {
        for (unsigned level = 0; level <= emitter->host_level(); level++) {
            struct level l = {.emitter = emitter};

            l.e = emitter->create(&dialect, &guest, level);
            assert_true(l.e && code_memory_create(&l.cache, KIB(64), 64));
            assert_int_equal(emitter->stubs(l.e, dbt_cache_room(&l.cache), false, &l.stubs),
                             ERR_OK);
            dbt_cache_reserve(&l.cache, l.stubs.size);
            for (unsigned code = 0; code < IR_CODE_COUNT; code++)
                for (unsigned made = 0; ir_is_vector_code(code) && made < TRIES;) {
                    if (!make((struct ir_op){.code = (uint8_t)code}))
                        continue;
                    made++;
                    for (unsigned k = 0; k < ROUNDS; k++) {
                        fill();
                        check(&l, scratch);
                    }
                }
            emitter->destroy(l.e);
        }
    }
    interp_scratch_destroy(scratch);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_operations)};

    for (unsigned i = 0; i < SLOTS; i++) {
        snprintf(names[i], sizeof(names[i]), "%c%u", i < INTS ? 'r' : 'v', i);
        slots[i] =
            (struct dbt_slot){names[i], i < INTS ? IR_I64 : IR_V128, DBT_FRAME_GUEST + 16 * i};
    }
    frame = aligned_alloc(4096, ALIGN_UP(interp_frame_size(&dialect), 4096));
    memset(frame, 0, interp_frame_size(&dialect));
    frame->pc_base = 0x4000;
    frame->jumps = calloc(DBT_JUMPS, sizeof(*frame->jumps));
    dbt_returns_empty(frame, return_stack_create());
    if (ir_unit_create(&unit, 256) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
