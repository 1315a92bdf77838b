/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The interpreter: flags against the host CPU's, integer operations against the compiler's own
 * arithmetic, random units against a plain walk over their operations, memory and its faults.
 * Stands alone: includes what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dbt/interp.c"
#include "dbt/ir.c"
#include "dbt/lower.c"
#include "dbt/pass.c"
#include "dbt/slow.h"
#include "dbt/softfloat.c"
#include "dbt/text.c"
#include "dbt/verify.c"
#include "kernel/out.c"

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

/* ---- Memory of the tests: 64 KiB from RAM on, one page of it read-only ---- */

#define RAM       0x10000u
#define RAM_SIZE  0x10000u
#define READ_ONLY 0x14000u

static uint8_t ram[RAM_SIZE];
static unsigned slow_accesses;

static bool reach(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    slow_accesses++;
    if (va >= RAM && va < RAM + RAM_SIZE && va + size <= RAM + RAM_SIZE &&
        (access == DBT_READ || va + size <= READ_ONLY || va >= READ_ONLY + IR_PAGE_SIZE))
        return true;
    f->fault = (struct dbt_fault){.address = va, .access = access};
    return false;
}

bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value)
{
    if (!reach(f, va, size, DBT_READ))
        return false;
    *value = 0;
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

/* The least privileged level reaches the page that all can only read, and no other. */
bool dbt_memory_user(struct dbt_frame *f, uint64_t va, unsigned size, bool write, uint64_t *value)
{
    if (va >= READ_ONLY)
        return write ? dbt_memory_write(f, va, size, *value) : dbt_memory_read(f, va, size, value);
    f->fault = (struct dbt_fault){.address = va, .access = write ? DBT_WRITE : DBT_READ};
    return false;
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

/* ---- Running a unit ---- */

#define SLOTS   6
#define SLOT(n) (DBT_FRAME_GUEST + 8 * (n))
static const struct dbt_slot slots[SLOTS] = {{"r0", IR_I64, SLOT(0)}, {"r1", IR_I64, SLOT(1)},
                                             {"r2", IR_I64, SLOT(2)}, {"r3", IR_I64, SLOT(3)},
                                             {"w", IR_I32, SLOT(4)},  {"f", IR_F64, SLOT(5)}};

static uint64_t helper_sum(struct dbt_frame *f, uint64_t a, uint64_t b, uint64_t c)
{
    (void)f;
    return a + 2 * b + 3 * c;
}

static const struct dbt_dialect dialect = {
    .name = "test", .slots = slots, .slot_count = SLOTS, .helper_count = 1};
static const struct dbt_helper helpers[] = {{helper_sum, "sum"}};
static const struct interp_guest guest = {.helpers = helpers, .fp = DBT_FP_RISCV};

static struct dbt_frame *frame;
static struct interp_scratch *scratch;
static struct dbt_tlb_entry tlb[16];

static int setup(void **state)
{
    (void)state;
    frame = calloc(1, interp_frame_size(&dialect));
    scratch = interp_scratch_create();
    frame->tlb = tlb;
    frame->tlb_mask = sizeof(tlb) - sizeof(tlb[0]);
    for (unsigned i = 0; i < ARRAY_SIZE(tlb); i++)
        tlb[i] = (struct dbt_tlb_entry){.tag = {DBT_TLB_NONE, DBT_TLB_NONE, DBT_TLB_NONE}};
    frame->pc_base = 0x4000;
    frame->limit = UINT64_MAX;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(frame);
    interp_scratch_destroy(scratch);
    return 0;
}

static enum dbt_exit run_unit(const struct ir_unit *u)
{
    static struct interp_op ops[3 * IR_OPS_MAX];
    struct interp_unit unit;

    assert_int_equal(interp_lower(scratch, u, ops, ARRAY_SIZE(ops), &unit), ERR_OK);
    return interp_run(frame, &unit, &guest);
}

static enum dbt_exit run_text(const char *text)
{
    char said[200] = "";
    struct out_buffer why;
    struct ir_unit u;
    enum dbt_exit exit;

    out_buffer_init(&why, said, sizeof(said));
    assert_int_equal(ir_unit_create(&u, 200), ERR_OK);
    if (ir_parse(&u, &dialect, text, strlen(text), &why.out) != ERR_OK ||
        ir_verify(&u, &why.out) != ERR_OK)
        fail_msg("%s", said);
    exit = run_unit(&u);
    ir_unit_destroy(&u);
    return exit;
}

/* ---- Flags against the host ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> (random_state & 1 ? 0 : random_state >> 1 & 63);
}

#ifdef __x86_64__
#define IR_FLAG_ALL (IR_FLAG_C | IR_FLAG_P | IR_FLAG_A | IR_FLAG_Z | IR_FLAG_N | IR_FLAG_V)

static uint64_t host_flags(enum ir_type t, bool subtract, uint64_t a, uint64_t b, bool c)
{
    uint64_t f;

#define CASE(T, type)                                                          \
    case T: {                                                                  \
        type r = (type)a, s = (type)b;                                         \
        uint8_t carry = c;                                                     \
        if (subtract)                                                          \
            __asm__ volatile("addb $-1, %3\n\tsbb %2, %0\n\tpushfq\n\tpop %1"  \
                             : "+r"(r), "=&r"(f), "+r"(s), "+r"(carry)::"cc"); \
        else                                                                   \
            __asm__ volatile("addb $-1, %3\n\tadc %2, %0\n\tpushfq\n\tpop %1"  \
                             : "+r"(r), "=&r"(f), "+r"(s), "+r"(carry)::"cc"); \
        return f & IR_FLAG_ALL;                                                \
    }
    switch (t) {
        CASE(IR_I8, uint8_t)
        CASE(IR_I16, uint16_t)
        CASE(IR_I32, uint32_t)
    default:
        CASE(IR_I64, uint64_t)
    }
}

static void test_flags_as_the_host(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 400000; i++) {
        enum ir_type t = IR_I8 + i % 4;
        uint64_t a = ir_zero_extend(t, random64()), b = ir_zero_extend(t, random64());
        bool c = random64() & 1;
        uint64_t arm, x86;

        if (i & 64)
            b = ir_zero_extend(t, a + (random64() & 1));
        assert_int_equal(ir_flags_sum(t, a, b, c), host_flags(t, false, a, b, c));
        x86 = ir_flags_difference(t, IR_BORROW, a, b, c);
        assert_int_equal(x86, host_flags(t, true, a, b, c));
        arm = ir_flags_difference(t, IR_NOT_BORROW, a, b, c);
        assert_int_equal(arm ^ x86, IR_FLAG_C);
        if (!c) { /* conditions of flags are those of integers */
            for (unsigned cc = 0; cc < IR_CC_INTEGERS; cc++)
                assert_int_equal(ir_condition(cc, x86), ir_compare(t, cc, a, b));
        }
    }
}
#endif

/* ---- Integer operations against plain C ---- */

static void test_integers_as_the_compiler(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t a = random64(), b = random64();
        int64_t sa = (int64_t)a, sb = (int64_t)b;
        uint32_t a32 = (uint32_t)a, b32 = (uint32_t)b;

#define OP2(name, type, x, y) ir_eval2(IR_##name, type, IR_DIV_ONES, x, y)
        assert_int_equal(OP2(mulhu, IR_I64, a, b), (uint64_t)(((unsigned __int128)a * b) >> 64));
        assert_int_equal(OP2(mulhs, IR_I64, a, b), (uint64_t)(((__int128)sa * sb) >> 64));
        assert_int_equal(OP2(mulhsu, IR_I64, a, b), OP2(mulhu, IR_I64, a, b) - (sa < 0 ? b : 0));
        assert_int_equal(OP2(mulhu, IR_I32, a32, b32), ((uint64_t)a32 * b32) >> 32);
        assert_int_equal(OP2(sar, IR_I32, a32, b32), (uint32_t)((int32_t)a32 >> (b32 & 31)));
        assert_int_equal(OP2(shl, IR_I8, a & 0xff, b & 0xff), (uint8_t)((a & 0xff) << (b & 7)));
        assert_int_equal(OP2(add, IR_I16, a & 0xffff, b & 0xffff), (uint16_t)(a + b));
        if (b && !(sb == -1 && sa == INT64_MIN)) {
            assert_int_equal(OP2(divs, IR_I64, a, b), (uint64_t)(sa / sb));
            assert_int_equal(OP2(rems, IR_I64, a, b), (uint64_t)(sa % sb));
        }
        if (b32 && !((int32_t)b32 == -1 && a32 == 0x80000000)) {
            assert_int_equal(OP2(divs, IR_I32, a32, b32), (uint32_t)((int32_t)a32 / (int32_t)b32));
            assert_int_equal(OP2(remu, IR_I32, a32, b32), a32 % b32);
        }
        assert_int_equal(ir_eval1(IR_popcount, IR_I64, a), (unsigned)__builtin_popcountll(a));
        assert_int_equal(ir_eval1(IR_bswap, IR_I32, a32), __builtin_bswap32(a32));
        for (unsigned bit = 0; bit < 32; bit += 7)
            assert_int_equal(ir_eval1(IR_bitrev, IR_I32, a32) >> (31 - bit) & 1, a32 >> bit & 1);
    }
    /* RISC-V Unprivileged 7.2, table: division by zero and overflow. */
    assert_int_equal(ir_eval2(IR_divs, IR_I64, IR_DIV_ONES, 7, 0), UINT64_MAX);
    assert_int_equal(ir_eval2(IR_rems, IR_I64, IR_DIV_ONES, 7, 0), 7);
    assert_int_equal(ir_eval2(IR_divu, IR_I32, IR_DIV_ONES, 7, 0), UINT32_MAX);
    assert_int_equal(ir_eval2(IR_divs, IR_I64, IR_DIV_ONES, BIT(63), UINT64_MAX), BIT(63));
    assert_int_equal(ir_eval2(IR_rems, IR_I32, IR_DIV_ONES, BIT(31), UINT32_MAX), 0);
    /* Arm ARM, SDIV: by zero gives zero. */
    assert_int_equal(ir_eval2(IR_divs, IR_I64, IR_DIV_ZERO, 7, 0), 0);
    assert_int_equal(ir_eval1(IR_clz, IR_I32, 0), 32);
    assert_int_equal(ir_eval1(IR_ctz, IR_I8, 0), 8);
    /* Carry-less: x * (x + 1) = x^2 + x. */
    assert_int_equal(ir_eval2(IR_clmul, IR_I64, 0, 2, 3), 6);
    assert_int_equal(ir_eval2(IR_clmulh, IR_I64, 0, BIT(63), 2), 1);
    assert_int_equal(ir_eval2(IR_clmulh, IR_I64, 0, UINT64_MAX, UINT64_MAX), 0x5555555555555555);
}

/* ---- Random units against a plain walk ---- */

/* What the unit makes of the slots: values in an array of their own, no cells shared. */
static void walk(const struct ir_unit *u, uint64_t *state)
{
    static uint64_t v[IR_OPS_MAX];

    for (unsigned i = 1; i < u->op_count; i++) {
        const struct ir_op *op = &u->ops[i];

        switch (op->code) {
        case IR_const:
            v[i] = ir_zero_extend(op->type, (uint64_t)op->imm);
            break;
        case IR_get:
            v[i] = state[op->imm];
            break;
        case IR_set:
            state[op->imm] = v[op->arg[0]];
            break;
        case IR_trunc:
            v[i] = ir_zero_extend(op->type, v[op->arg[0]]);
            break;
        case IR_sext:
            v[i] = ir_zero_extend(op->type, (uint64_t)ir_sign_extend(op->attr, v[op->arg[0]]));
            break;
        case IR_select:
            v[i] = v[op->arg[0]] ? v[op->arg[1]] : v[op->arg[2]];
            break;
        case IR_not:
            v[i] = ir_eval1(op->code, op->type, v[op->arg[0]]);
            break;
        case IR_insn:
        case IR_jump:
            break;
        default:
            v[i] = ir_eval2(op->code, op->type, op->attr, v[op->arg[0]], v[op->arg[1]]);
        }
    }
}

static ir_value pick(struct ir_unit *u, enum ir_type t, unsigned from)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        unsigned i = from + (unsigned)(random64() % (u->op_count - from));

        if (ir_result_type(&u->ops[i]) == t)
            return (ir_value)i;
    }
    return ir_const(u, t, (int64_t)random64());
}

static void grow(struct ir_unit *u)
{
    static const uint8_t codes[] = {IR_add, IR_sub,  IR_xor,  IR_shl,
                                    IR_mul, IR_divs, IR_maxs, IR_cmp};
    enum ir_type t = random64() & 3 ? IR_I64 : IR_I32;
    unsigned slot = (unsigned)(random64() % 5);

    switch (random64() % 8) {
    case 0:
    case 1:
        ir_get(u, slot);
        break;
    case 2:
    case 3:
        ir_set(u, slot, pick(u, slots[slot].type, 1));
        break;
    case 4:
        ir_convert(u, IR_sext, IR_I64, IR_I32, pick(u, IR_I32, 1));
        break;
    case 5:
        ir_convert(u, IR_trunc, IR_I32, IR_I64, pick(u, IR_I64, 1));
        break;
    case 6: {
        ir_value c = pick(u, IR_I64, 1), a = pick(u, t, 1), b = pick(u, t, 1);

        ir_op3(u, IR_select, t, c, a, b);
        break;
    }
    default: {
        uint8_t code = codes[random64() % sizeof(codes)];
        ir_value a = pick(u, t, 1), b = pick(u, t, 1);

        ir_append(u, &(struct ir_op){.code = code, .type = (uint8_t)t, .arg = {a, b}});
        if (random64() & 1 && code != IR_cmp) /* right into a slot, as front ends do */
            ir_set(u, t == IR_I64 ? slot & 3 : 4, (ir_value)(u->op_count - 1));
    }
    }
}

/* Half of them as the passes leave them. */
static void test_random_units(void **state)
{
    struct pass_scratch *passes = pass_scratch_create();
    struct ir_unit u;
    char said[200] = "";
    struct out_buffer why;

    (void)state;
    out_buffer_init(&why, said, sizeof(said));
    assert_int_equal(ir_unit_create(&u, 200), ERR_OK);
    for (unsigned n = 0; n < 20000; n++) {
        uint64_t expected[SLOTS];

        ir_unit_reset(&u, &dialect, 0);
        ir_block_begin(&u);
        ir_insn(&u, 0, 4);
        for (unsigned i = 5 + n % 60; i; i--)
            grow(&u);
        ir_jump(&u, IR_HINT_NONE, 4);
        for (unsigned s = 0; s < SLOTS; s++)
            frame->cells[s] = expected[s] = ir_zero_extend(slots[s].type, random64());
        walk(&u, expected);
        if (n & 1)
            pass_simplify(passes, &u);
        if (n & 2)
            pass_dead(passes, &u);
        if (ir_verify(&u, &why.out) != ERR_OK)
            fail_msg("%s", said);
        assert_int_equal(run_unit(&u), DBT_EXIT_LINK);
        assert_memory_equal(frame->cells, expected, sizeof(expected));
        assert_int_equal(frame->pc, 0x4004);
    }
    ir_unit_destroy(&u);
    pass_scratch_destroy(passes);
}

/* ---- Memory, exits, loops ---- */

#define R(n)  frame->cells[n]
#define BEGIN "block\ninsn at=0x10 len=4\n%1 = get.i64 slot=r0\n%2 = get.i64 slot=r1\n"
#define END   "jump to=0x14\n"

static void test_memory(void **state)
{
    (void)state;
    R(0) = RAM + 8;
    R(1) = 0xfedcba9876543210;
    assert_int_equal(run_text(BEGIN "store.i64 %1 %2 mem=i64 disp=1\n" END), DBT_EXIT_LINK);
    assert_int_equal(run_text(BEGIN "%3 = load.i64 %1 mem=i16 flags=1 disp=7\nset.i64 %3 slot=r2\n"
                                    "insn at=0x14 len=2\n%4 = load.i64 %1 mem=i32 disp=-0x8\n"
                                    "set.i64 %4 slot=r3\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(R(2), 0xfffffffffffffedc);
    assert_int_equal(R(3), 0);
    /* The same by the TLB. */
    tlb[0] = (struct dbt_tlb_entry){{RAM, RAM, DBT_TLB_NONE}, (uintptr_t)ram - RAM};
    slow_accesses = 0;
    assert_int_equal(run_text(BEGIN "%3 = load.i64 %1 mem=i64 disp=1\nset.i64 %3 slot=r2\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(R(2), R(1));
    assert_int_equal(slow_accesses, 0);
    /* Over the page's end it goes the slow way. */
    R(0) = RAM + 0xffc;
    assert_int_equal(run_text(BEGIN "store.i64 %1 %2 mem=i64\n" END), DBT_EXIT_LINK);
    assert_int_equal(slow_accesses, 1);
    assert_memory_equal(ram + 0xffc, &R(1), 8);
    tlb[0].tag[0] = tlb[0].tag[1] = DBT_TLB_NONE;
}

/* attr2 8: with the least privileged level's rights, whatever the TLB has for others. */
static void test_accesses_with_others_rights(void **state)
{
    (void)state;
    R(0) = RAM;
    R(1) = 5;
    tlb[0] = (struct dbt_tlb_entry){{RAM, RAM, DBT_TLB_NONE}, (uintptr_t)ram - RAM};
    assert_int_equal(run_text(BEGIN "store.i64 %1 %2 mem=i64 flags=8\n" END), DBT_EXIT_FAULT);
    assert_int_equal(frame->fault.address, RAM);
    assert_int_equal(frame->fault.access, DBT_WRITE);
    assert_int_equal(run_text(BEGIN "%3 = load.i64 %1 mem=i64 flags=8\nset.i64 %3 slot=r2\n" END),
                     DBT_EXIT_FAULT);
    tlb[0].tag[0] = tlb[0].tag[1] = DBT_TLB_NONE;
    R(0) = READ_ONLY;
    ram[READ_ONLY - RAM] = 0x85;
    assert_int_equal(run_text(BEGIN "%3 = load.i64 %1 mem=i8 flags=9\nset.i64 %3 slot=r2\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(R(2), 0xffffffffffffff85);
    ram[READ_ONLY - RAM] = 0;
    /* The same by the TLB, under tags of their own. */
    R(0) = RAM + 1;
    tlb[0] = (struct dbt_tlb_entry){{RAM | DBT_TLB_USER, RAM | DBT_TLB_USER, DBT_TLB_NONE},
                                    (uintptr_t)ram - RAM};
    slow_accesses = 0;
    assert_int_equal(run_text(BEGIN "store.i64 %1 %2 mem=i16 flags=8\ninsn at=0x14 len=4\n"
                                    "%3 = load.i64 %1 mem=i16 flags=8\nset.i64 %3 slot=r2\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(R(2), 5);
    assert_int_equal(slow_accesses, 0);
    assert_int_equal(run_text(BEGIN "%3 = load.i64 %1 mem=i16\nset.i64 %3 slot=r2\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(slow_accesses, 1);
    tlb[0].tag[0] = tlb[0].tag[1] = DBT_TLB_NONE;
}

/* Emitted code moves vectors in and out of the cells, and asks C for what it put there: with each
 * number of slots both mean the same bytes. */
static void test_cells_begin_where_vectors_may_lie(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= SLOTS; n++) {
        const struct dbt_dialect some = {.name = "some", .slots = slots, .slot_count = n};

        assert_int_equal(dbt_slow_call_at(&some) % 16, 0);
        assert_in_range(dbt_slow_call_at(&some), SLOT(n), SLOT(n) + 8);
    }
}

static void test_faults_are_precise(void **state)
{
    (void)state;
    R(0) = READ_ONLY;
    R(1) = 5;
    R(2) = 7;
    frame->count = 0;
    assert_int_equal(run_text("block\ninsn at=0x10 len=4\n%1 = get.i64 slot=r0\n"
                              "%2 = load.i64 %1 mem=i64\nset.i64 %2 slot=r1\n"
                              "insn at=0x14 len=2\nstore.i64 %1 %1 mem=i64 disp=8\n"
                              "set.i64 %1 slot=r2\n" END),
                     DBT_EXIT_FAULT);
    assert_int_equal(frame->pc, 0x4014);
    assert_int_equal(frame->insn_length, 2);
    assert_int_equal(frame->count, 1);
    assert_int_equal(frame->fault.address, READ_ONLY + 8);
    assert_int_equal(frame->fault.access, DBT_WRITE);
    assert_int_equal(R(1), 0); /* what came before is done, */
    assert_int_equal(R(2), 7); /* what comes after is not */
}

static void test_atomics(void **state)
{
    uint32_t word = 0x80000001;

    (void)state;
    memcpy(ram + 64, &word, sizeof(word));
    R(0) = RAM + 64;
    R(1) = 5;
    assert_int_equal(run_text(BEGIN "%3 = rmw.i64 %1 %2 op=maxs mem=i32 flags=1 order=acquire\n"
                                    "set.i64 %3 slot=r2\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(R(2), 0xffffffff80000001);
    memcpy(&word, ram + 64, sizeof(word));
    assert_int_equal(word, 5);
    assert_int_equal(run_text(BEGIN "%3 = const.i64 imm=9\n"
                                    "%4 = cas.i64 %1 %2 %3 mem=i32\nset.i64 %4 slot=r2\n"
                                    "insn at=0x14 len=4\n"
                                    "%5 = cas.i64 %1 %2 %3 mem=i32\nset.i64 %5 slot=r3\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(R(2), 5);
    assert_int_equal(R(3), 9);
}

static void test_exits(void **state)
{
    (void)state;
    R(0) = 1;
    R(1) = 2;
    assert_int_equal(run_text(BEGIN "exit_if.i64 %1 %2 cc=gtu to=0x80\nexit_if.i64 %1 %2 cc=ltu "
                                    "to=-0x10\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(frame->pc, 0x3ff0);
    assert_int_equal(run_text(BEGIN "jump_reg %2 hint=return\n"), DBT_EXIT_INDIRECT);
    assert_int_equal(frame->pc, 2);
    assert_int_equal(frame->detail, IR_HINT_RETURN);
    assert_int_equal(run_text(BEGIN "leave why=interpret imm=3\n"), DBT_EXIT_LEAVE);
    assert_int_equal(frame->pc, 0x4010);
    assert_int_equal(frame->detail, 3);
    frame->poll = 1;
    assert_int_equal(run_text(BEGIN "poll\nset.i64 %1 slot=r1\n" END), DBT_EXIT_POLL);
    assert_int_equal(R(1), 2);
    frame->poll = 0;
    assert_int_equal(run_text(BEGIN "poll\n%3 = helper %1 %2 %2 fn=0\nset.i64 %3 slot=r1\n" END),
                     DBT_EXIT_LINK);
    assert_int_equal(R(1), 1 + 4 + 6);
}

/* Tier 2's form: 10! by a loop with two parameters that trade places. */
static void test_loop(void **state)
{
    (void)state;
    assert_int_equal(
        run_text("block\ninsn at=0 len=4\n%1 = const.i64 imm=10\n%2 = const.i64 imm=1\n"
                 "pass.i64 %1\npass.i64 %2\ngoto block=1\n"
                 "block\n%3 = param.i64 imm=0\n%4 = param.i64 imm=1\n"
                 "%5 = mul.i64 %4 %3\n%6 = const.i64 imm=1\n%7 = sub.i64 %3 %6\n"
                 "branch %7 then=0x300000002\n"
                 "block\npass.i64 %7\npass.i64 %5\ngoto block=1\n"
                 "block\nset.i64 %5 slot=r0\njump to=4\n"),
        DBT_EXIT_LINK);
    assert_int_equal(R(0), 3628800);
}

static void test_floating_point(void **state)
{
    double d = 1.5;

    (void)state;
    frame->fp_flags = 0;
    memcpy(&R(5), &d, sizeof(d));
    assert_int_equal(run_text("block\ninsn at=0 len=4\n%1 = get.f64 slot=f\n"
                              "%2 = fma.f64 %1 %1 %1 round=nearest negate=1\n"
                              "%3 = fconv.f32 %2 from=f64\n%4 = box.f64 %3 from=f32\n"
                              "set.f64 %4 slot=f\n"
                              "%5 = const.i64 imm=3\n%6 = itof.f64 %5 from=i64\n"
                              "%7 = fdiv.f64 %1 %6\n%8 = ftoi.i64 %7 from=f64 round=up\n"
                              "set.i64 %8 slot=r0\njump to=4\n"),
                     DBT_EXIT_LINK);
    assert_int_equal(R(5), 0xffffffffbf400000); /* -(1.5 * 1.5) + 1.5 */
    assert_int_equal(R(0), 1);
    assert_int_equal(frame->fp_flags, SF_INEXACT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __x86_64__
        cmocka_unit_test(test_flags_as_the_host),
#endif
        cmocka_unit_test(test_integers_as_the_compiler),
        cmocka_unit_test(test_random_units),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_accesses_with_others_rights),
        cmocka_unit_test(test_cells_begin_where_vectors_may_lie),
        cmocka_unit_test(test_faults_are_precise),
        cmocka_unit_test(test_atomics),
        cmocka_unit_test(test_exits),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_floating_point),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
