/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Emitted code of this host against the interpreter: each operation of two operands and of one, on
 * edge values in pinned registers, cells and constants, at each level that the host has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dbt/interp.h"
#include "code_memory.h"

#define SLOTS 16

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
static struct dbt_dialect dialect = {.name = "test", .slots = slots, .slot_count = SLOTS};
static const struct interp_guest guest = {.fp = DBT_FP_RISCV};
static struct dbt_frame *frame;
static struct ir_unit unit;

static const uint64_t edges[] = {
    0,          1,          2,          31,         63,         UINT64_MAX,        INT64_MAX,
    1ULL << 63, 0x80000000, 0x7fffffff, 0xffffffff, 0x12345678, 0x0123456789abcdef};

/* Operand `which` (0 or 1) as a value: by its place. */
static ir_value operand(enum ir_type type, unsigned place, unsigned which, uint64_t v)
{
    ir_value x;

    if (place == 2)
        return ir_const(&unit, type, type == IR_I32 ? (int32_t)v : (int64_t)v);
    x = ir_get(&unit, (place ? SLOTS - 2 : 0) + which);
    return type == IR_I64 ? x : ir_convert(&unit, IR_trunc, type, IR_I64, x);
}

static void make(enum ir_code code, enum ir_type type, unsigned attr, unsigned places,
                 const uint64_t *v)
{
    ir_value a, b = 0, r;

    ir_unit_reset(&unit, &dialect, 0);
    ir_block_begin(&unit);
    ir_insn(&unit, 0, 4);
    a = operand(type, places % 3, 0, v[0]);
    if (ir_info[code].operand_count == 2)
        b = operand(type, places / 3, 1, v[1]);
    r = ir_append(&unit, &(struct ir_op){.code = (uint8_t)code,
                                         .type = (uint8_t)type,
                                         .attr = (uint8_t)attr,
                                         .arg = {a, b}});
    if (type == IR_I32 && code != IR_cmp)
        r = ir_convert(&unit, IR_sext, IR_I64, IR_I32, r);
    ir_set(&unit, 1, r); /* an operand's own register */
    ir_set(&unit, 5, r);
    ir_jump(&unit, IR_HINT_NONE, 8);
}

static void fill(const uint64_t *v)
{
    memset(frame->cells, 0, SLOTS * 8);
    for (unsigned i = 0; i < 2; i++)
        frame->cells[i] = frame->cells[SLOTS - 2 + i] = v[i];
}

struct level {
    const struct dbt_emitter *emitter;
    struct emitter *e;
    struct dbt_cache cache;
    struct dbt_stubs stubs;
};

static void check(struct level *l, struct interp_scratch *scratch)
{
    static struct interp_op ops[256];
    uint64_t expected[SLOTS], before[SLOTS];
    struct interp_unit threaded;
    struct dbt_emitted emitted;
    char said[100] = "";
    struct out_buffer why;

    out_buffer_init(&why, said, sizeof(said));
    if (ir_verify(&unit, &why.out) != ERR_OK)
        fail_msg("%s", said);
    memcpy(before, frame->cells, sizeof(before));
    assert_int_equal(interp_lower(scratch, &unit, ops, 256, &threaded), ERR_OK);
    assert_int_equal(interp_run(frame, &threaded, &guest), DBT_EXIT_LINK);
    memcpy(expected, frame->cells, sizeof(expected));
    memcpy(frame->cells, before, sizeof(before));
    assert_int_equal(l->emitter->emit(l->e, &unit, dbt_cache_room(&l->cache), &emitted), ERR_OK);
    frame->pc = 0;
    assert_int_equal(l->stubs.enter(frame, dbt_cache_room(&l->cache).exec), DBT_EXIT_LINK);
    assert_int_equal(frame->pc, frame->pc_base + 8);
    if (memcmp(expected, frame->cells, sizeof(expected)) != 0) {
        ir_print(&unit, &why.out);
        fail_msg("%s: %llx, not %llx", said, (unsigned long long)frame->cells[1],
                 (unsigned long long)expected[1]);
    }
}

static void run_operation(struct level *l, struct interp_scratch *scratch, enum ir_code code,
                          enum ir_type type, unsigned attr)
{
    for (unsigned places = 0; places < 9; places++)
        for (unsigned i = 0; i < ARRAY_SIZE(edges) * ARRAY_SIZE(edges); i++) {
            uint64_t v[2] = {edges[i % ARRAY_SIZE(edges)], edges[i / ARRAY_SIZE(edges)]};

            make(code, type, attr, places, v);
            fill(v);
            check(l, scratch);
        }
}

static void test_operations(void **state)
{
    static const uint8_t codes[] = {IR_add,  IR_sub,  IR_mul,      IR_mulhu, IR_mulhs, IR_mulhsu,
                                    IR_divu, IR_divs, IR_remu,     IR_rems,  IR_and,   IR_or,
                                    IR_xor,  IR_andn, IR_not,      IR_neg,   IR_shl,   IR_shr,
                                    IR_sar,  IR_rotr, IR_minu,     IR_mins,  IR_maxu,  IR_maxs,
                                    IR_clz,  IR_ctz,  IR_popcount, IR_bswap};
    struct interp_scratch *scratch = interp_scratch_create();

    (void)state;
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, emitter)
    {
        for (unsigned level = 0; level <= emitter->host_level(); level++) {
            struct level l = {.emitter = emitter};

            l.e = emitter->create(&dialect, &guest, level);
            assert_true(l.e && code_memory_create(&l.cache, KIB(64), 512));
            assert_int_equal(emitter->stubs(l.e, dbt_cache_room(&l.cache), false, &l.stubs),
                             ERR_OK);
            dbt_cache_reserve(&l.cache, l.stubs.size);
            for (enum ir_type type = IR_I32; type <= IR_I64; type++) {
                for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
                    run_operation(&l, scratch, codes[i], type,
                                  codes[i] >= IR_divu && codes[i] <= IR_rems ? IR_DIV_ONES : 0);
                for (unsigned code = IR_divu; code <= IR_rems; code++)
                    run_operation(&l, scratch, (uint8_t)code, type, IR_DIV_ZERO);
                for (unsigned cc = 0; cc < IR_CC_INTEGERS; cc++)
                    run_operation(&l, scratch, IR_cmp, type, cc);
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
        snprintf(names[i], sizeof(names[i]), "r%u", i);
        slots[i] = (struct dbt_slot){names[i], IR_I64, DBT_FRAME_GUEST + 8 * i};
    }
    frame = calloc(1, interp_frame_size(&dialect));
    frame->pc_base = 0x4000;
    frame->jumps = calloc(DBT_JUMPS, sizeof(*frame->jumps));
    dbt_returns_empty(frame, return_stack_create());
    if (ir_unit_create(&unit, 256) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
