/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * NZCV. Slots hold what made the flags and are all that an exit needs; within a unit conditions are
 * comparisons of the operands themselves, which hosts fuse. Only who meets flags of another unit
 * asks a helper for the four bits.
 */
#include "arch/aarch64/guest/lift.h"

/* ---- The four bits, in C ---- */

static uint64_t nz(uint64_t result, unsigned top)
{
    return (result >> top & 1 ? A64_N : 0) | (result << (63 - top) ? 0 : A64_Z);
}

/* a + b + carry. */
static uint64_t nzcv_sum(uint64_t a, uint64_t b, uint64_t carry, unsigned top)
{
    uint64_t r = a + b + carry, out = (a & b) | ((a | b) & ~r);

    return nz(r, top) | (out >> top & 1 ? A64_C : 0) | (((a ^ r) & (b ^ r)) >> top & 1 ? A64_V : 0);
}

/* Sign and magnitude to an order of integers; 0 for both zeros. */
static int64_t float_order(uint64_t v, unsigned top)
{
    uint64_t magnitude = v & (BIT(top) - 1);

    return v >> top & 1 ? -(int64_t)magnitude : (int64_t)magnitude;
}

static bool is_nan(uint64_t v, unsigned top)
{
    uint64_t infinity = top == 31 ? 0x7f800000 : 0x7ff0000000000000;

    return (v & (BIT(top) - 1)) > infinity;
}

/* FPCompare's results (shared/functions/float/fpcompare). Flags of subnormals that are flushed to
 * zero never come here: their comparison gives the four bits. */
static uint64_t nzcv_fcmp(uint64_t a, uint64_t b, unsigned top)
{
    int64_t x = float_order(a, top), y = float_order(b, top);

    if (is_nan(a, top) || is_nan(b, top))
        return A64_C | A64_V;
    return x < y ? A64_N : x == y ? A64_Z | A64_C : A64_C;
}

uint64_t a64_nzcv(uint64_t op, uint64_t a, uint64_t b)
{
    uint64_t extra = op >> A64_FLAG_EXTRA;
    unsigned top = op & A64_FLAG_WIDE ? 63 : 31;

    switch ((enum a64_flag_kind)(op & (A64_FLAG_WIDE - 1))) {
    case A64_FLAG_ADD:
        return nzcv_sum(a, b, extra, top);
    case A64_FLAG_SUB:
        return nzcv_sum(a, ~b, extra ^ 1, top);
    case A64_FLAG_LOGIC:
        return nz(a, top);
    case A64_FLAG_FCMP:
        return nzcv_fcmp(a, b, top);
    case A64_FLAG_NZCV:
        break;
    }
    return extra & (A64_N | A64_Z | A64_C | A64_V);
}

/* ---- Making flags ---- */

/* As an i64 with the value's bits below. */
static ir_value bits(struct a64_lift *t, enum ir_type type, ir_value v)
{
    switch (type) {
    case IR_I32:
        return a64_extend(t, v);
    case IR_F64:
        return ir_convert(t->u, IR_fbits, IR_I64, IR_F64, v);
    case IR_F32:
        return a64_extend(t, ir_convert(t->u, IR_fbits, IR_I32, IR_F32, v));
    default:
        return v;
    }
}

static uint64_t op_word(enum a64_flag_kind kind, enum ir_type type, unsigned extra)
{
    return A64_FLAG_OP(kind | (type == IR_I64 || type == IR_F64 ? A64_FLAG_WIDE : 0), extra);
}

static void store(struct a64_lift *t, ir_value op, ir_value a, ir_value b)
{
    ir_set(t->u, A64_SLOT_FLAG_A, bits(t, t->flags.type, a));
    if (b)
        ir_set(t->u, A64_SLOT_FLAG_B, bits(t, t->flags.type, b));
    ir_set(t->u, A64_SLOT_FLAG_OP, op);
}

void a64_flags_sum(struct a64_lift *t, enum a64_flag_kind kind, enum ir_type type, ir_value a,
                   ir_value b, ir_value extra, ir_value result)
{
    ir_value op = a64_imm(t, op_word(kind, type, 0));

    t->flags = (struct a64_flags){.state = A64_KNOWN,
                                  .kind = (uint8_t)kind,
                                  .type = (uint8_t)type,
                                  .a = a,
                                  .b = b,
                                  .extra = extra,
                                  .result = result};
    if (extra)
        op = a64_op2(t, IR_or, op, a64_op2(t, IR_shl, extra, a64_imm(t, A64_FLAG_EXTRA)));
    store(t, op, a, b);
}

void a64_flags_logic(struct a64_lift *t, enum ir_type type, ir_value result)
{
    t->flags = (struct a64_flags){.state = A64_KNOWN,
                                  .kind = A64_FLAG_LOGIC,
                                  .type = (uint8_t)type,
                                  .a = result,
                                  .result = result};
    store(t, a64_imm(t, op_word(A64_FLAG_LOGIC, type, 0)), result, 0);
}

void a64_flags_fcmp(struct a64_lift *t, enum ir_type type, ir_value a, ir_value b)
{
    t->flags = (struct a64_flags){
        .state = A64_KNOWN, .kind = A64_FLAG_FCMP, .type = (uint8_t)type, .a = a, .b = b};
    store(t, a64_imm(t, op_word(A64_FLAG_FCMP, type, 0)), a, b);
}

void a64_flags_packed(struct a64_lift *t, ir_value nzcv)
{
    t->flags = (struct a64_flags){.state = A64_PACKED, .packed = nzcv};
    ir_set(t->u, A64_SLOT_FLAG_OP, a64_op2(t, IR_shl, nzcv, a64_imm(t, A64_FLAG_EXTRA)));
}

void a64_flags_chosen(struct a64_lift *t, enum a64_flag_kind kind, enum ir_type type, ir_value a,
                      ir_value b, ir_value chosen, unsigned nzcv)
{
    ir_value op = ir_op3(t->u, IR_select, IR_I64, chosen, a64_imm(t, op_word(kind, type, 0)),
                         a64_imm(t, A64_FLAG_OP(A64_FLAG_NZCV, nzcv)));

    t->flags = (struct a64_flags){.state = A64_CHOSEN,
                                  .kind = (uint8_t)kind,
                                  .type = (uint8_t)type,
                                  .a = a,
                                  .b = b,
                                  .chosen = chosen,
                                  .nzcv = (uint8_t)nzcv};
    store(t, op, a, b);
}

ir_value a64_flags_get(struct a64_lift *t)
{
    ir_value op, a, b;

    if (t->flags.state == A64_PACKED)
        return t->flags.packed;
    op = ir_get(t->u, A64_SLOT_FLAG_OP);
    a = ir_get(t->u, A64_SLOT_FLAG_A);
    b = ir_get(t->u, A64_SLOT_FLAG_B);
    t->flags = (struct a64_flags){
        .state = A64_PACKED,
        .packed = ir_append(
            t->u, &(struct ir_op){.code = IR_helper, .imm = A64_HELPER_NZCV, .arg = {op, a, b}})};
    return t->flags.packed;
}

/* ---- Conditions, in pairs: the odd one is the even one's opposite (C1.2.4) ---- */

enum { EQ, CS = 2, MI = 4, VS = 6, HI = 8, GE = 10, GT = 12, AL = 14 };

static enum ir_cc opposite(enum ir_cc cc)
{
    static const uint8_t of[IR_CC_INTEGERS] = {
        [IR_EQ] = IR_NE,   [IR_NE] = IR_EQ,   [IR_LTU] = IR_GEU, [IR_GEU] = IR_LTU,
        [IR_LEU] = IR_GTU, [IR_GTU] = IR_LEU, [IR_LTS] = IR_GES, [IR_GES] = IR_LTS,
        [IR_LES] = IR_GTS, [IR_GTS] = IR_LES};

    return (enum ir_cc)of[cc];
}

static struct a64_condition compare(enum ir_type type, enum ir_cc cc, ir_value a, ir_value b)
{
    return (struct a64_condition){cc, type, a, b};
}

static ir_value zero(struct a64_lift *t, enum ir_type type)
{
    return ir_const(t->u, type, 0);
}

/* An i64 that is not zero. */
static struct a64_condition is_true(struct a64_lift *t, ir_value v)
{
    return compare(IR_I64, IR_NE, v, a64_imm(t, 0));
}

static struct a64_condition constant(struct a64_lift *t, bool value)
{
    return compare(IR_I64, value ? IR_EQ : IR_NE, a64_imm(t, 0), a64_imm(t, 0));
}

static ir_value value_of(struct a64_lift *t, struct a64_condition c)
{
    return ir_cmp(t->u, c.type, c.cc, c.a, c.b);
}

/* Of the type of the flags. */
static ir_value op(struct a64_lift *t, enum ir_code code, ir_value a, ir_value b)
{
    return ir_op2(t->u, code, (enum ir_type)t->flags.type, a, b);
}

/* The sign bit of this is V. */
static ir_value overflow(struct a64_lift *t)
{
    const struct a64_flags *f = &t->flags;
    ir_value ar = op(t, IR_xor, f->a, f->result);

    return op(t, IR_and, ar,
              f->kind == A64_FLAG_SUB ? op(t, IR_xor, f->a, f->b) : op(t, IR_xor, f->b, f->result));
}

/* The carry of a + b + extra, and of a - b - extra (no borrow). */
static struct a64_condition carry(struct a64_lift *t)
{
    const struct a64_flags *f = &t->flags;
    enum ir_type type = (enum ir_type)f->type;
    ir_value beyond, same;

    if (f->kind == A64_FLAG_SUB && !f->extra)
        return compare(type, IR_GEU, f->a, f->b);
    if (!f->extra)
        return compare(type, IR_LTU, f->result, f->a);
    if (f->kind == A64_FLAG_SUB) {
        beyond = ir_cmp(t->u, type, IR_GTU, f->a, f->b);
        same = a64_op2(t, IR_andn, ir_cmp(t->u, type, IR_EQ, f->a, f->b), f->extra);
    } else {
        beyond = ir_cmp(t->u, type, IR_LTU, f->result, f->a);
        same = a64_op2(t, IR_and, ir_cmp(t->u, type, IR_EQ, f->result, f->a), f->extra);
    }
    return is_true(t, a64_op2(t, IR_or, beyond, same));
}

/* a - b: what hosts compare themselves. */
static struct a64_condition of_difference(struct a64_lift *t, unsigned condition)
{
    const struct a64_flags *f = &t->flags;
    enum ir_type type = (enum ir_type)f->type;

    switch (condition) {
    case EQ:
        return compare(type, IR_EQ, f->a, f->b);
    case HI:
        return compare(type, IR_GTU, f->a, f->b);
    case GE:
        return compare(type, IR_GES, f->a, f->b);
    case GT:
        return compare(type, IR_GTS, f->a, f->b);
    default:
        return carry(t);
    }
}

/* a + b, and what has a carry in. */
static struct a64_condition of_sum(struct a64_lift *t, unsigned condition)
{
    const struct a64_flags *f = &t->flags;
    enum ir_type type = (enum ir_type)f->type;
    ir_value differs;

    switch (condition) {
    case EQ:
        return compare(type, IR_EQ, f->result, zero(t, type));
    case CS:
        return carry(t);
    case HI:
        return is_true(t, a64_op2(t, IR_and, value_of(t, carry(t)),
                                  ir_cmp(t->u, type, IR_NE, f->result, zero(t, type))));
    }
    differs = op(t, IR_xor, f->result, overflow(t)); /* its sign: N != V */
    if (condition == GE)
        return compare(type, IR_GES, differs, zero(t, type));
    return is_true(t, a64_op2(t, IR_and, ir_cmp(t->u, type, IR_GES, differs, zero(t, type)),
                              ir_cmp(t->u, type, IR_NE, f->result, zero(t, type))));
}

static struct a64_condition of_logic(struct a64_lift *t, unsigned condition)
{
    const struct a64_flags *f = &t->flags;
    enum ir_type type = (enum ir_type)f->type;

    switch (condition) {
    case EQ:
        return compare(type, IR_EQ, f->result, zero(t, type));
    case GE:
        return compare(type, IR_GES, f->result, zero(t, type));
    case GT:
        return compare(type, IR_GTS, f->result, zero(t, type));
    default: /* CS, VS, HI: C and V are clear */
        return constant(t, false);
    }
}

static ir_value float_compare(struct a64_lift *t, enum ir_fcc fcc, ir_value a, ir_value b)
{
    return ir_append(
        t->u, &(struct ir_op){
                  .code = IR_fcmp, .attr = (uint8_t)fcc, .attr2 = t->flags.type, .arg = {a, b}});
}

/* Less: N; equal: Z, C; greater: C; unordered: C, V. The comparison has raised its exceptions
 * already; that it raises them again changes nothing. */
static struct a64_condition of_fcmp(struct a64_lift *t, unsigned condition)
{
    const struct a64_flags *f = &t->flags;
    struct a64_condition c;

    switch (condition) {
    case EQ:
        return is_true(t, float_compare(t, IR_FCC_EQ, f->a, f->b));
    case MI:
        return is_true(t, float_compare(t, IR_FCC_LT, f->a, f->b));
    case VS:
        return is_true(t, float_compare(t, IR_FCC_UNORDERED, f->a, f->b));
    case GE:
        return is_true(t, float_compare(t, IR_FCC_LE, f->b, f->a));
    case GT:
        return is_true(t, float_compare(t, IR_FCC_LT, f->b, f->a));
    default: /* CS: not less; HI: not less and not equal */
        c = is_true(t, float_compare(t, condition == CS ? IR_FCC_LT : IR_FCC_LE, f->a, f->b));
        c.cc = IR_EQ;
        return c;
    }
}

static struct a64_condition of_packed(struct a64_lift *t, unsigned condition)
{
    ir_value v = a64_flags_get(t), nv;

    switch (condition) {
    case EQ:
        return is_true(t, a64_op2(t, IR_and, v, a64_imm(t, A64_Z)));
    case CS:
        return is_true(t, a64_op2(t, IR_and, v, a64_imm(t, A64_C)));
    case MI:
        return is_true(t, a64_op2(t, IR_and, v, a64_imm(t, A64_N)));
    case VS:
        return is_true(t, a64_op2(t, IR_and, v, a64_imm(t, A64_V)));
    case HI:
        return compare(IR_I64, IR_EQ, a64_op2(t, IR_and, v, a64_imm(t, A64_C | A64_Z)),
                       a64_imm(t, A64_C));
    }
    /* Bit 0: N != V. */
    nv = a64_op2(t, IR_xor, a64_op2(t, IR_shr, v, a64_imm(t, 3)), v);
    if (condition == GT)
        nv = a64_op2(t, IR_or, a64_op2(t, IR_and, nv, a64_imm(t, 1)),
                     a64_op2(t, IR_and, v, a64_imm(t, A64_Z)));
    else
        nv = a64_op2(t, IR_and, nv, a64_imm(t, 1));
    return compare(IR_I64, IR_EQ, nv, a64_imm(t, 0));
}

static struct a64_condition of_known(struct a64_lift *t, unsigned condition)
{
    const struct a64_flags *f = &t->flags;
    enum ir_type type = (enum ir_type)f->type;
    ir_value result = f->result;

    if (f->kind == A64_FLAG_FCMP)
        return of_fcmp(t, condition);
    if (!result && (condition == MI || condition == VS)) /* CCMP has none */
        result = t->flags.result = op(t, f->kind == A64_FLAG_SUB ? IR_sub : IR_add, f->a, f->b);
    if (condition == MI)
        return compare(type, IR_LTS, result, zero(t, type));
    if (f->kind == A64_FLAG_LOGIC)
        return of_logic(t, condition);
    if (condition == VS)
        return compare(type, IR_LTS, overflow(t), zero(t, type));
    if (f->kind == A64_FLAG_SUB && !f->extra)
        return of_difference(t, condition);
    if (!result)
        t->flags.result = op(t, IR_add, f->a, f->b);
    return of_sum(t, condition);
}

/* Does the even `condition` hold for these bits? */
static bool holds(unsigned condition, unsigned nzcv)
{
    bool n = nzcv & A64_N, z = nzcv & A64_Z, c = nzcv & A64_C, v = nzcv & A64_V;

    switch (condition) {
    case EQ:
        return z;
    case CS:
        return c;
    case MI:
        return n;
    case VS:
        return v;
    case HI:
        return c && !z;
    case GE:
        return n == v;
    default:
        return n == v && !z;
    }
}

/* As the operands say where they were compared, else as the given bits say. */
static struct a64_condition of_chosen(struct a64_lift *t, unsigned condition)
{
    ir_value chosen = t->flags.chosen, v = value_of(t, of_known(t, condition));

    if (!holds(condition, t->flags.nzcv))
        return is_true(t, a64_op2(t, IR_and, v, chosen));
    return is_true(t, a64_op2(t, IR_or, v, a64_op2(t, IR_xor, chosen, a64_imm(t, 1))));
}

struct a64_condition a64_condition(struct a64_lift *t, unsigned condition)
{
    struct a64_condition c;
    unsigned even = condition & ~1u;

    if (even == AL)
        return constant(t, true);
    if (t->flags.state == A64_KNOWN)
        c = of_known(t, even);
    else if (t->flags.state == A64_CHOSEN)
        c = of_chosen(t, even);
    else
        c = of_packed(t, even);
    if (condition & 1)
        c.cc = opposite(c.cc);
    return c;
}

ir_value a64_condition_value(struct a64_lift *t, unsigned condition)
{
    return value_of(t, a64_condition(t, condition));
}

ir_value a64_flags_carry(struct a64_lift *t)
{
    return a64_condition_value(t, CS);
}
