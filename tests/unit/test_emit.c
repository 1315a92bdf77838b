/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Emitted code of this host against the interpreter: each operation of two operands and of one, and
 * pairs that are done as one, on edge values in pinned registers, cells and constants, at each
 * level that the host has. Loops, and accesses by the frame's words, against what C computes. */
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

#define SLOTS         16
#define FLOATS        4 /* slots behind these and pc_base */
#define F0            (SLOTS + 1)
#define FLOAT_CELL(n) (DBT_FRAME_GUEST + 8 * (SLOTS + (n)))

#ifdef __x86_64__
/* Brings the emitter in: nothing else names it. */
enum dbt_level host_level(void);
enum dbt_level (*volatile emitter_wanted)(void) = host_level;
#endif

/* ---- No memory to speak of, and the C library's heap ---- */

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

/* But for guest pages from PAGES_AT on, which lie apart from each other. */
#define PAGES    8
#define PAGES_AT 0x100000ULL
static uint8_t *guest_pages[PAGES];

static uint8_t *guest_byte(uint64_t va)
{
    uint64_t page = (va - PAGES_AT) / IR_PAGE_SIZE;

    return page < PAGES && guest_pages[page] ? &guest_pages[page][va % IR_PAGE_SIZE] : NULL;
}

bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value)
{
    (void)f;
    *value = 0;
    for (unsigned i = 0; i < size; i++) {
        if (!guest_byte(va + i))
            return false;
        *value |= (uint64_t)*guest_byte(va + i) << 8 * i;
    }
    return true;
}

bool dbt_memory_write(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t value)
{
    (void)f;
    for (unsigned i = 0; i < size; i++) {
        if (!guest_byte(va + i))
            return false;
        *guest_byte(va + i) = (uint8_t)(value >> 8 * i);
    }
    return true;
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

static struct dbt_slot slots[SLOTS + 1 + FLOATS];
static char names[SLOTS + FLOATS][8];
static struct dbt_dialect dialect = {
    .name = "test", .slots = slots, .slot_count = SLOTS + 1 + FLOATS};
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

/* (a << left), shifted back or added to b; what comes out goes to the slot of `to`. */
static void make_pair(enum ir_code code, unsigned left, unsigned right, unsigned places,
                      unsigned to)
{
    ir_value a, b;

    ir_unit_reset(&unit, &dialect, 0);
    ir_block_begin(&unit);
    ir_insn(&unit, 0, 4);
    a = operand(IR_I64, places % 2, 0, 0);
    b = operand(IR_I64, places / 2 % 2, 1, 0);
    a = ir_op2(&unit, IR_shl, IR_I64, a, ir_const(&unit, IR_I64, left));
    if (code == IR_shr)
        b = ir_const(&unit, IR_I64, right);
    a = places / 4 && code == IR_add ? ir_op2(&unit, code, IR_I64, b, a)
                                     : ir_op2(&unit, code, IR_I64, a, b);
    ir_set(&unit, to, a);
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

static void run_pairs(struct level *l, struct interp_scratch *scratch)
{
    static const unsigned to[] = {0, 1, 5, SLOTS - 2, SLOTS - 1};

    for (unsigned i = 0; i < ARRAY_SIZE(edges) * ARRAY_SIZE(edges); i++)
        for (unsigned j = 0; j < 8 * ARRAY_SIZE(to); j++) {
            uint64_t v[2] = {edges[i % ARRAY_SIZE(edges)], edges[i / ARRAY_SIZE(edges)]};

            for (unsigned left = 1; left <= 4; left++) {
                make_pair(IR_add, left, 0, j % 8, to[j / 8]);
                fill(v);
                check(l, scratch);
            }
            for (unsigned right = 28; right <= 33; right++) {
                make_pair(IR_shr, 32, right, j % 8, to[j / 8]);
                fill(v);
                check(l, scratch);
            }
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
            run_pairs(&l, scratch);
            emitter->destroy(l.e);
        }
    }
    interp_scratch_destroy(scratch);
}

/* ---- Loops, and memory by words ---- */

#define NODES  40
#define RANGES 3 /* of addresses that lead to the same memory */

/* The address of `at` for emitted code, by the word of one of the ranges. */
static uint64_t guest_address(const void *at, unsigned range)
{
    return (uint64_t)(uintptr_t)at + ((uint64_t)range << DBT_WORD_SHIFT);
}

static void set_words(const void *at)
{
    uint64_t *words = (uint64_t *)((char *)frame + DBT_FRAME_WORDS);

    for (unsigned i = 0; i < DBT_WORDS; i++)
        words[i] = BIT(46) | BIT(47); /* not canonical with any address of ours */
    for (uint64_t range = 0; range < RANGES; range++)
        words[DBT_WORD_OF(guest_address(at, (unsigned)range))] = -(range << DBT_WORD_SHIFT);
}

/* The loop's end: once more, until slot 1 is 0. */
static void end_loop(unsigned insn)
{
    ir_insn(&unit, 4 * insn, 4);
    ir_set(&unit, 1, ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, 1), ir_const(&unit, IR_I64, -1)));
    ir_insn(&unit, 4 * insn + 4, 4);
    ir_op0(&unit, IR_poll, IR_VOID, 0, 0);
    ir_exit_if(&unit, IR_I64, IR_NE, ir_get(&unit, 1), ir_const(&unit, IR_I64, 0), 0);
    ir_jump(&unit, IR_HINT_NONE, 4 * insn + 8);
}

static void run_loop(struct level *l, unsigned insns, uint64_t rounds)
{
    struct dbt_emitted emitted;

    frame->cells[1] = rounds;
    assert_int_equal(l->emitter->emit(l->e, &unit, dbt_cache_room(&l->cache), &emitted), ERR_OK);
    assert_int_equal(emitted.insn_count, insns);
    assert_int_equal(l->stubs.enter(frame, dbt_cache_room(&l->cache).exec), DBT_EXIT_LINK);
    assert_int_equal(frame->pc, frame->pc_base + 4 * insns);
    assert_int_equal(frame->cells[1], 0);
}

/* A list is followed, whose pointers lead from range to range now and then; `slot` holds where. */
static void run_chase(struct level *l, unsigned slot, unsigned every, uint64_t rounds)
{
    static uint64_t nodes[NODES];

    for (unsigned i = 0; i < NODES; i++)
        nodes[i] = guest_address(&nodes[(i + 7) % NODES], every ? i / every % RANGES : 1);
    set_words(nodes);
    ir_unit_reset(&unit, &dialect, DBT_MODE_WORDS);
    ir_block_begin(&unit);
    ir_insn(&unit, 0, 4);
    ir_set(&unit, slot, ir_load(&unit, IR_I64, IR_I64, 0, ir_get(&unit, slot), 0));
    end_loop(1);
    frame->cells[slot] = guest_address(&nodes[0], 2);
    run_loop(l, 3, rounds);
    assert_int_equal((frame->cells[slot] & BITS(DBT_WORD_SHIFT - 1, 0)),
                     guest_address(&nodes[7 * rounds % NODES], 0) & BITS(DBT_WORD_SHIFT - 1, 0));
}

/* slot 3 = sum of what lies at slot 0, which moves on, and at slot 2, indexed by 32 bits of slot 4;
 * that goes to memory behind slot 6, which moves on, too. */
static void run_streams(struct level *l, uint64_t rounds)
{
    static uint64_t from[NODES], index[NODES], to[NODES];
    ir_value v, at;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < NODES; i++) {
        from[i] = i * 0x0101010101010101;
        index[i] = i << 40 | i * i;
        to[i] = 0;
    }
    set_words(from);
    ir_unit_reset(&unit, &dialect, DBT_MODE_WORDS);
    ir_block_begin(&unit);
    ir_insn(&unit, 0, 4);
    v = ir_load(&unit, IR_I64, IR_I64, 0, ir_get(&unit, 0), 0);
    ir_set(&unit, 0, ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, 0), ir_const(&unit, IR_I64, 8)));
    ir_insn(&unit, 4, 4);
    at = ir_convert(&unit, IR_trunc, IR_I32, IR_I64, ir_get(&unit, 4));
    at = ir_convert(&unit, IR_zext, IR_I64, IR_I32, at);
    at = ir_op2(&unit, IR_shl, IR_I64, at, ir_const(&unit, IR_I64, 3));
    at = ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, 2), at);
    v = ir_op2(&unit, IR_add, IR_I64, v, ir_load(&unit, IR_I64, IR_I64, 0, at, 0));
    ir_set(&unit, 3, ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, 3), v));
    ir_set(&unit, 4, ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, 4), ir_const(&unit, IR_I64, 1)));
    ir_insn(&unit, 8, 4);
    ir_set(&unit, 6, ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, 6), ir_const(&unit, IR_I64, 8)));
    ir_store(&unit, IR_I64, IR_I64, 0, ir_get(&unit, 6), -8, ir_get(&unit, 3));
    end_loop(3);
    memset(frame->cells, 0, SLOTS * 8);
    frame->cells[0] = guest_address(from, 1);
    frame->cells[2] = guest_address(index, 2);
    frame->cells[4] = 0xabcd00000000;
    frame->cells[6] = guest_address(to, 0);
    run_loop(l, 5, rounds);
    for (uint64_t i = 0; i < NODES; i++) {
        sum += from[i] + index[i];
        assert_int_equal(to[i], i < rounds ? sum : 0);
    }
}

/* ---- Loops, and memory by look-ups ---- */

#define TLB_ENTRIES 16

/* Pages whose bits are in `known` are found in the TLB; C reaches all. */
static void set_tlb(struct dbt_tlb_entry *tlb, unsigned known)
{
    frame->tlb = tlb;
    frame->tlb_mask = (TLB_ENTRIES - 1) * sizeof(*tlb);
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        tlb[i].tag[DBT_READ] = tlb[i].tag[DBT_WRITE] = DBT_TLB_NONE;
    for (unsigned i = 0; i < PAGES; i++) {
        uint64_t va = PAGES_AT + i * (uint64_t)IR_PAGE_SIZE;
        struct dbt_tlb_entry *entry = &tlb[va / IR_PAGE_SIZE % TLB_ENTRIES];

        if (known >> i & 1)
            entry->tag[DBT_READ] = entry->tag[DBT_WRITE] = va;
        entry->addend = (uint64_t)(uintptr_t)guest_pages[i] - va;
    }
}

static uint64_t guest_word(uint64_t va)
{
    uint64_t v = 0;

    (void)dbt_memory_read(frame, va, 8, &v);
    return v;
}

/* What lies at slot 0, which moves by `stride`, and 8 bytes beyond it goes, added, to where slot
 * SLOTS - 1 leads, which moves by `other`. */
static void run_copy(struct level *l, int32_t stride, int32_t other, uint64_t from, uint64_t to,
                     uint64_t rounds)
{
    ir_value v, w;

    ir_unit_reset(&unit, &dialect, 0);
    ir_block_begin(&unit);
    ir_insn(&unit, 0, 4);
    v = ir_load(&unit, IR_I64, IR_I64, 0, ir_get(&unit, 0), 0);
    w = ir_load(&unit, IR_I64, IR_I64, 0, ir_get(&unit, 0), 8);
    ir_set(&unit, 0,
           ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, 0), ir_const(&unit, IR_I64, stride)));
    ir_set(&unit, 3, ir_op2(&unit, IR_add, IR_I64, v, w));
    ir_insn(&unit, 4, 4);
    ir_store(&unit, IR_I64, IR_I64, 0, ir_get(&unit, SLOTS - 1), 0, ir_get(&unit, 3));
    ir_set(&unit, SLOTS - 1,
           ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, SLOTS - 1), ir_const(&unit, IR_I64, other)));
    end_loop(2);
    frame->cells[0] = from;
    frame->cells[SLOTS - 1] = to;
    run_loop(l, 4, rounds);
    assert_int_equal(frame->cells[0], from + rounds * (uint64_t)stride);
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t at = from + i * (uint64_t)stride;

        assert_int_equal(guest_word(to + i * (uint64_t)other), guest_word(at) + guest_word(at + 8));
    }
}

/* Streams in both directions and at one place, across pages that lie apart; reads are from the
 * first half of them, stores to the other one. */
static void run_copies(struct level *l, unsigned known)
{
    static const int32_t strides[] = {0, 8, -8, 24, -16, 80, 1000};
    static struct dbt_tlb_entry tlb[TLB_ENTRIES];
    const uint64_t half = PAGES / 2 * (uint64_t)IR_PAGE_SIZE;

    set_tlb(tlb, known);
    for (uint64_t at = 0; at < half; at += 8)
        (void)dbt_memory_write(frame, PAGES_AT + at, 8, at * 0x0101010101010101);
    for (unsigned i = 0; i < ARRAY_SIZE(strides) * 3; i++)
        for (uint64_t rounds = 1; rounds <= 7; rounds++)
            for (uint64_t near = 0; near <= 72; near += 12) {
                int32_t other =
                    i / ARRAY_SIZE(strides) ? 8 * (int32_t)(i / ARRAY_SIZE(strides)) : -8;
                uint64_t edge = PAGES_AT + 2 * IR_PAGE_SIZE - near;

                run_copy(l, strides[i % ARRAY_SIZE(strides)], other, edge, edge + half, rounds);
            }
}

/* ---- Loops of floats ---- */

#define CANONICAL 0x7ff8000000000000ULL
#define OTHER_NAN 0xfff8000000001234ULL

static uint64_t *float_cell(unsigned n)
{
    return (uint64_t *)((char *)frame + FLOAT_CELL(n));
}

static ir_value arithmetic(enum ir_code code, ir_value a, ir_value b)
{
    return ir_append(
        &unit, &(struct ir_op){
                   .code = (uint8_t)code, .type = IR_F64, .attr = IR_ROUND_NEAREST, .arg = {a, b}});
}

/* f0 = (f0 + f1) * f1; the bits of f0 + f1, with the sign of f2, go to slot 3, f0's to slot 2, from
 * which they come as f0 again. What is loaded in between goes to f3, by the address in slot 0. */
static void run_floats(struct level *l, uint64_t a, uint64_t b, uint64_t rounds)
{
    uint64_t f0 = a, sum = 0;
    ir_value v, w;
    double x, y, z;

    ir_unit_reset(&unit, &dialect, 0);
    ir_block_begin(&unit);
    ir_insn(&unit, 0, 4);
    v = ir_convert(&unit, IR_bitsf, IR_F64, IR_I64, ir_get(&unit, 2));
    v = arithmetic(IR_fadd, v, ir_get(&unit, F0 + 1));
    ir_set(&unit, F0 + 2, v);
    w = arithmetic(IR_fmul, v, ir_get(&unit, F0 + 1));
    ir_set(&unit, F0, w);
    ir_insn(&unit, 4, 4);
    ir_set(&unit, F0 + 3, ir_load(&unit, IR_F64, IR_F64, 0, ir_get(&unit, 0), 0));
    ir_insn(&unit, 8, 4);
    ir_set(&unit, 3, ir_convert(&unit, IR_fbits, IR_I64, IR_F64, v));
    ir_set(&unit, 2, ir_convert(&unit, IR_fbits, IR_I64, IR_F64, ir_get(&unit, F0)));
    end_loop(3);
    frame->cells[0] = PAGES_AT;
    frame->cells[2] = a;
    memcpy(float_cell(1), &b, 8);
    memcpy(&y, &b, 8);
    for (uint64_t i = 0; i < rounds; i++) {
        memcpy(&x, &f0, 8);
        z = x + y;
        x = z * y;
        memcpy(&sum, &z, 8);
        memcpy(&f0, &x, 8);
        sum = z != z ? CANONICAL : sum;
        f0 = x != x ? CANONICAL : f0;
    }
    run_loop(l, 5, rounds);
    assert_int_equal(frame->cells[3], sum);
    assert_int_equal(*float_cell(2), sum);
    assert_int_equal(frame->cells[2], f0);
    assert_int_equal(*float_cell(0), f0);
    assert_int_equal(*float_cell(3), guest_word(PAGES_AT));
    /* The load faults: what was done before it can be seen. */
    frame->cells[0] = 0;
    frame->cells[2] = a;
    *float_cell(3) = OTHER_NAN;
    memcpy(&x, &a, 8);
    z = (x + y) * y;
    memcpy(&f0, &z, 8);
    frame->cells[1] = rounds;
    assert_int_equal(l->stubs.enter(frame, dbt_cache_room(&l->cache).exec), DBT_EXIT_FAULT);
    assert_int_equal(*float_cell(0), z != z ? CANONICAL : f0);
    assert_int_equal(*float_cell(3), OTHER_NAN);
    assert_int_equal(frame->cells[1], rounds);
}

static void run_float_loops(struct level *l)
{
    static const uint64_t values[] = {
        0,         0x3ff0000000000000, 0xbff8000000000000, 0x7ff0000000000000, 0xfff0000000000000,
        CANONICAL, OTHER_NAN,          0x7ff0000000000001};

    for (unsigned i = 0; i < ARRAY_SIZE(values) * ARRAY_SIZE(values); i++)
        for (uint64_t rounds = 1; rounds < 12; rounds++)
            run_floats(l, values[i % ARRAY_SIZE(values)], values[i / ARRAY_SIZE(values)], rounds);
}

static void test_loops(void **state)
{
    static uint8_t pages[PAGES * IR_PAGE_SIZE];

    (void)state;
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, emitter)
    {
        for (unsigned level = 0; level <= emitter->host_level(); level++) {
            struct level l = {.emitter = emitter};

            l.e = emitter->create(&dialect, &guest, level);
            assert_true(l.e && code_memory_create(&l.cache, KIB(64), 512));
            l.cache.sites = calloc(512, sizeof(*l.cache.sites));
            assert_int_equal(emitter->stubs(l.e, dbt_cache_room(&l.cache), false, &l.stubs),
                             ERR_OK);
            dbt_cache_reserve(&l.cache, l.stubs.size);
            for (uint64_t rounds = 1; rounds < NODES; rounds++) {
                for (unsigned every = 0; every < 6; every++) {
                    run_chase(&l, 0, every, rounds);
                    run_chase(&l, SLOTS - 1, every, rounds);
                }
                run_streams(&l, rounds);
            }
            for (unsigned i = 0; i < PAGES; i++) /* in another order */
                guest_pages[i] = pages + (i * 5 % PAGES) * IR_PAGE_SIZE;
            run_copies(&l, BITS(PAGES - 1, 0));
            run_copies(&l, BIT(1) | BIT(PAGES / 2 + 2));
            run_copies(&l, 0);
            run_float_loops(&l);
            free(l.cache.sites);
            emitter->destroy(l.e);
        }
    }
}

/* ---- Calls ---- */

/* For this host, with room for little. */
static void level_create(struct level *l)
{
    l->e = l->emitter->create(&dialect, &guest, l->emitter->host_level());
    assert_true(l->e && code_memory_create(&l->cache, KIB(64), 512));
    assert_int_equal(l->emitter->stubs(l->e, dbt_cache_room(&l->cache), false, &l->stubs), ERR_OK);
    dbt_cache_reserve(&l->cache, l->stubs.size);
}

static const void *emit_unit(struct level *l)
{
    struct dbt_emitted emitted;
    struct dbt_room room = dbt_cache_room(&l->cache);

    assert_int_equal(l->emitter->emit(l->e, &unit, room, &emitted), ERR_OK);
    return room.exec;
}

static void begin_unit(void)
{
    ir_unit_reset(&unit, &dialect, 0);
    ir_block_begin(&unit);
    ir_insn(&unit, 0x10, 4);
    ir_op0(&unit, IR_poll, IR_VOID, 0, 0);
}

static void set_link(unsigned link)
{
    ir_set(&unit, link,
           ir_op2(&unit, IR_add, IR_I64, ir_get(&unit, SLOTS), ir_const(&unit, IR_I64, 0x14)));
}

/* `leaves`: it does at once, for the poll word, and that is done. */
static void run_polled(struct level *l, const void *code, bool polled, enum dbt_exit leaves)
{
    frame->poll = polled;
    assert_int_equal(l->stubs.enter(frame, code), leaves);
    frame->poll = 0;
}

/* Given an instruction that calls itself for ever, when the poll word is set, then it is left with
 * the return address where the call has put it. `link`: its slot. */
static void call_for_ever(struct level *l, unsigned link)
{
    begin_unit();
    set_link(link);
    ir_jump(&unit, IR_HINT_CALL, 0x10);
    run_polled(l, emit_unit(l), true, DBT_EXIT_POLL);
    assert_int_equal(frame->pc, frame->pc_base + 0x10);
    assert_int_equal(frame->cells[link], frame->pc_base + 0x14);
}

/* Given calls of an address ahead, on another page, and in a slot, when the poll word is set, then
 * they leave for that address, which is where they lead to when it is not. */
static void call_polls(struct level *l, int64_t target, unsigned slot, unsigned link)
{
    const void *code;

    begin_unit();
    if (slot < SLOTS) {
        ir_value to = ir_get(&unit, slot);

        set_link(link);
        ir_append(&unit, &(struct ir_op){.code = IR_jump_reg, .attr = IR_HINT_CALL, .arg = {to}});
    } else {
        set_link(link);
        ir_jump(&unit, IR_HINT_CALL, target);
    }
    code = emit_unit(l);
    for (unsigned polled = 0; polled < 2; polled++) {
        if (slot < SLOTS)
            frame->cells[slot] = frame->pc_base + (uint64_t)target;
        run_polled(l, code, polled,
                   polled         ? DBT_EXIT_POLL
                   : slot < SLOTS ? DBT_EXIT_INDIRECT
                                  : DBT_EXIT_LINK);
        assert_int_equal(frame->pc, frame->pc_base + (uint64_t)target);
        assert_int_equal(frame->cells[link], frame->pc_base + 0x14);
    }
}

/* Given a return that no call goes with, when the poll word is set, then it leaves for its address
 * without the lowest bit; that of the empty return stack's pair is looked up first. */
static void return_polls(struct level *l, unsigned slot, uint64_t address)
{
    const void *code;
    ir_value to;

    begin_unit();
    to = ir_op2(&unit, IR_and, IR_I64, ir_get(&unit, slot), ir_const(&unit, IR_I64, (uint64_t)-2));
    ir_append(&unit, &(struct ir_op){.code = IR_jump_reg, .attr = IR_HINT_RETURN, .arg = {to}});
    code = emit_unit(l);
    for (unsigned polled = 0; polled < 2; polled++) {
        frame->cells[slot] = address;
        run_polled(l, code, polled,
                   polled && address != DBT_RETURN_NONE ? DBT_EXIT_POLL : DBT_EXIT_INDIRECT);
        assert_int_equal(frame->pc, address & ~1ULL);
        assert_int_equal(frame->cells[slot], address);
    }
}

static void test_calls_and_returns_poll(void **state)
{
    (void)state;
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, emitter)
    {
        struct level l = {.emitter = emitter};

        level_create(&l);
        call_for_ever(&l, 0);         /* a slot with a register, */
        call_for_ever(&l, SLOTS - 1); /* and one without */
        for (unsigned link = 0; link < SLOTS; link += SLOTS - 1) {
            call_polls(&l, 0x40, SLOTS, link);
            call_polls(&l, 0x12340, SLOTS, link);
            call_polls(&l, -0x2000, SLOTS, link);
            call_polls(&l, 0x5678, 1, link);
            call_polls(&l, 0x5678, SLOTS - 2, link);
            return_polls(&l, link, 0x123457);
            return_polls(&l, link, DBT_RETURN_NONE);
        }
        emitter->destroy(l.e);
    }
}

/* ---- Read-modify-writes ---- */

/* LOCK CMPXCHG in the code of an unconditional AND of 64 bits in memory (SDM vol. 2). */
static unsigned locked_exchanges(struct level *l, uint32_t mode)
{
    struct dbt_emitted emitted;
    struct dbt_room room = dbt_cache_room(&l->cache);
    const uint8_t *code = room.exec;
    unsigned found = 0;

    ir_unit_reset(&unit, &dialect, mode);
    ir_block_begin(&unit);
    ir_insn(&unit, 0, 4);
    ir_set(&unit, 2,
           ir_append(&unit, &(struct ir_op){.code = IR_rmw,
                                            .type = IR_I64,
                                            .attr = IR_RMW_AND | IR_RMW_TYPE(IR_I64),
                                            .attr2 = IR_SEQ_CST << 4,
                                            .arg = {ir_get(&unit, 0), ir_get(&unit, 1)}}));
    ir_jump(&unit, IR_HINT_NONE, 4);
    assert_int_equal(l->emitter->emit(l->e, &unit, room, &emitted), ERR_OK);
    for (size_t i = 0; i + 4 <= emitted.size; i++)
        found +=
            code[i] == 0xf0 && code[i + 1] >> 4 == 4 && code[i + 2] == 0x0f && code[i + 3] == 0xb1;
    return found;
}

static void test_only_others_make_a_lock_needed(void **state)
{
    (void)state;
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, emitter)
    {
        struct level l = {.emitter = emitter};

        level_create(&l);
        assert_int_equal(locked_exchanges(&l, 0), 1);
        assert_int_equal(locked_exchanges(&l, DBT_MODE_ONE_VCPU), 0);
        emitter->destroy(l.e);
    }
}

/* With words before it. */
static struct dbt_frame *frame_create(void)
{
    char *at = calloc(1, (size_t)-DBT_FRAME_WORDS + interp_frame_size(&dialect));

    return (struct dbt_frame *)(at - DBT_FRAME_WORDS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations), cmocka_unit_test(test_loops),
        cmocka_unit_test(test_calls_and_returns_poll),
        cmocka_unit_test(test_only_others_make_a_lock_needed)};

    for (unsigned i = 0; i < SLOTS; i++) {
        snprintf(names[i], sizeof(names[i]), "r%u", i);
        slots[i] = (struct dbt_slot){names[i], IR_I64, DBT_FRAME_GUEST + 8 * i};
    }
    for (unsigned i = 0; i < FLOATS; i++) {
        snprintf(names[SLOTS + i], sizeof(names[0]), "f%u", i);
        slots[F0 + i] = (struct dbt_slot){names[SLOTS + i], IR_F64, FLOAT_CELL(i)};
    }
    slots[SLOTS] = (struct dbt_slot){"pc_base", IR_I64, offsetof(struct dbt_frame, pc_base)};
    frame = frame_create();
    frame->pc_base = 0x4000;
    frame->jumps = calloc(DBT_JUMPS, sizeof(*frame->jumps));
    dbt_returns_empty(frame, return_stack_create());
    if (ir_unit_create(&unit, 256) != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
