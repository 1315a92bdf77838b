/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Half precision (Zfh: RISC-V Unprivileged ISA 20240411, chapter 22) and what Zfa (chapter 24) has
 * besides the operations that lift_fp.c shares. f16 values lie NaN-boxed in the registers; their
 * arithmetic is a helper's.
 */
#include "arch/riscv64/guest/lift.h"
#include "dbt/softfloat.h"

#define LIFT(name) void rv_lift_##name(struct rv_lift *t)
#define BOX16      0xffffffffffff0000ULL
#define BOX32      0xffffffff00000000ULL

static ir_value imm(struct rv_lift *t, uint64_t v)
{
    return ir_const(t->u, IR_I64, (int64_t)v);
}

/* The register's bits. */
static ir_value bits(struct rv_lift *t, unsigned n)
{
    return ir_convert(t->u, IR_fbits, IR_I64, IR_F64, ir_get(t->u, RV_SLOT_F0 + n));
}

static void set_f(struct rv_lift *t, ir_value v)
{
    ir_set(t->u, RV_SLOT_F0 + rv_rd(t->word), ir_convert(t->u, IR_bitsf, IR_F64, IR_I64, v));
}

static void set_x(struct rv_lift *t, ir_value v)
{
    rv_set_x(t, rv_rd(t->word), v);
}

static ir_value helper(struct rv_lift *t, enum rv_helper number, ir_value a, ir_value b, ir_value c)
{
    bool flags = number == RV_HELPER_HALF || number == RV_HELPER_FCVTMOD;

    return ir_append(
        t->u,
        &(struct ir_op){.code = flags ? IR_helper_fp : IR_helper, .imm = number, .arg = {a, b, c}});
}

/* ---- Memory and bits ---- */

LIFT(flh)
{
    ir_value v;

    if (!rv_fp_ready(t, true))
        return;
    v = ir_load(t->u, IR_I64, IR_I16, 0, rv_get_x(t, rv_rs1(t->word)), rv_imm_i(t->word));
    set_f(t, ir_op2(t->u, IR_or, IR_I64, v, imm(t, BOX16)));
}

LIFT(fsh)
{
    ir_value base;

    if (!rv_fp_ready(t, false))
        return;
    base = rv_get_x(t, rv_rs1(t->word));
    ir_store(t->u, IR_I64, IR_I16, 0, base, rv_imm_s(t->word), bits(t, rv_rs2(t->word)));
}

LIFT(fmv_x_h)
{
    ir_value v;

    if (!rv_fp_ready(t, false))
        return;
    v = ir_convert(t->u, IR_trunc, IR_I16, IR_I64, bits(t, rv_rs1(t->word)));
    set_x(t, ir_convert(t->u, IR_sext, IR_I64, IR_I16, v));
}

LIFT(fmv_h_x)
{
    if (rv_fp_ready(t, true))
        set_f(t, ir_op2(t->u, IR_or, IR_I64, rv_get_x(t, rv_rs1(t->word)), imm(t, BOX16)));
}

/* ---- Arithmetic ---- */

/* What rounds needs a mode, be it that all results are exact. False: the unit has ended. */
static bool prepare(struct rv_lift *t, bool rounds, uint64_t *how)
{
    uint8_t round = IR_ROUND_NEAREST;

    if (!rv_fp_ready(t, true) || (rounds && !rv_fp_rounding(t, &round)))
        return false;
    *how |= (uint64_t)round << RV_HALF_ROUNDING_SHIFT;
    return true;
}

static void binary(struct rv_lift *t, uint64_t how, bool rounds, bool to_integer)
{
    ir_value a, v;

    if (!prepare(t, rounds, &how))
        return;
    a = bits(t, rv_rs1(t->word));
    v = helper(t, RV_HELPER_HALF, a, bits(t, rv_rs2(t->word)), imm(t, how));
    if (to_integer)
        set_x(t, v);
    else
        set_f(t, v);
}

#define BINARY(name, op, rounds, to_integer)         \
    LIFT(name)                                       \
    {                                                \
        binary(t, RV_HALF_##op, rounds, to_integer); \
    }
BINARY(fadd_h, ADD, true, false)
BINARY(fsub_h, SUB, true, false)
BINARY(fmul_h, MUL, true, false)
BINARY(fdiv_h, DIV, true, false)
BINARY(fmin_h, MIN, false, false)
BINARY(fmax_h, MAX, false, false)
BINARY(fminm_h, MINM, false, false)
BINARY(fmaxm_h, MAXM, false, false)
BINARY(feq_h, EQ, false, true)
BINARY(flt_h, LT, false, true)
BINARY(fle_h, LE, false, true)
BINARY(fltq_h, LTQ, false, true)
BINARY(fleq_h, LEQ, false, true)

/* Of one operand; also the conversions. */
static void unary(struct rv_lift *t, uint64_t how, bool from_integer, bool to_integer)
{
    ir_value v;

    if (!prepare(t, true, &how))
        return;
    v = from_integer ? rv_get_x(t, rv_rs1(t->word)) : bits(t, rv_rs1(t->word));
    v = helper(t, RV_HELPER_HALF, v, imm(t, 0), imm(t, how));
    if (to_integer)
        set_x(t, v);
    else
        set_f(t, v);
}

#define UNARY(name, op)                       \
    LIFT(name)                                \
    {                                         \
        unary(t, RV_HALF_##op, false, false); \
    }
UNARY(fsqrt_h, SQRT)
UNARY(fcvt_s_h, TO_S)
UNARY(fcvt_h_s, FROM_S)
UNARY(fcvt_d_h, TO_D)
UNARY(fcvt_h_d, FROM_D)
UNARY(fround_h, ROUND)
UNARY(froundnx_h, ROUNDNX)

#define CONVERT_INT(letter, more)                                               \
    LIFT(fcvt_##letter##_h)                                                     \
    {                                                                           \
        unary(t, RV_HALF_TO_INT | (more) << RV_HALF_MORE_SHIFT, false, true);   \
    }                                                                           \
    LIFT(fcvt_h_##letter)                                                       \
    {                                                                           \
        unary(t, RV_HALF_FROM_INT | (more) << RV_HALF_MORE_SHIFT, true, false); \
    }
CONVERT_INT(w, 0u)
CONVERT_INT(wu, 1u)
CONVERT_INT(l, 2u)
CONVERT_INT(lu, 3u)

static void multiply_add(struct rv_lift *t, uint64_t negate)
{
    uint64_t how = RV_HALF_FMA | negate << RV_HALF_MORE_SHIFT;
    ir_value a, pair;

    if (!prepare(t, true, &how))
        return;
    a = bits(t, rv_rs1(t->word));
    pair = helper(t, RV_HELPER_HALF_PAIR, a, bits(t, rv_rs2(t->word)), imm(t, 0));
    set_f(t, helper(t, RV_HELPER_HALF, pair, bits(t, rv_rs3(t->word)), imm(t, how)));
}

LIFT(fmadd_h)
{
    multiply_add(t, 0);
}

LIFT(fmsub_h)
{
    multiply_add(t, IR_FMA_NEGATE_ADDEND);
}

LIFT(fnmsub_h)
{
    multiply_add(t, IR_FMA_NEGATE_PRODUCT);
}

LIFT(fnmadd_h)
{
    multiply_add(t, IR_FMA_NEGATE_PRODUCT | IR_FMA_NEGATE_ADDEND);
}

static ir_value sign(struct rv_lift *t, enum rv_half op)
{
    ir_value a = bits(t, rv_rs1(t->word));

    return helper(t, RV_HELPER_HALF_SIGN, a, bits(t, rv_rs2(t->word)), imm(t, op));
}

#define SIGN(name, op)                       \
    LIFT(name)                               \
    {                                        \
        if (rv_fp_ready(t, true))            \
            set_f(t, sign(t, RV_HALF_##op)); \
    }
SIGN(fsgnj_h, SGNJ)
SIGN(fsgnjn_h, SGNJN)
SIGN(fsgnjx_h, SGNJX)

LIFT(fclass_h)
{
    if (rv_fp_ready(t, false))
        set_x(t, sign(t, RV_HALF_CLASS));
}

/* ---- Zfa ---- */

LIFT(fcvtmod_w_d)
{
    if (rv_fp_ready(t, true))
        set_x(t, helper(t, RV_HELPER_FCVTMOD, bits(t, rv_rs1(t->word)), imm(t, 0), imm(t, 0)));
}

/* The constants of FLI as f32 (24.1, table 43); number 1 is the format's smallest normal number. */
static const uint32_t constants[32] = {
    0xbf800000, 0x00800000, 0x37800000, 0x38000000, 0x3b800000, 0x3c000000, 0x3d800000, 0x3e000000,
    0x3e800000, 0x3ea00000, 0x3ec00000, 0x3ee00000, 0x3f000000, 0x3f200000, 0x3f400000, 0x3f600000,
    0x3f800000, 0x3fa00000, 0x3fc00000, 0x3fe00000, 0x40000000, 0x40200000, 0x40400000, 0x40800000,
    0x41000000, 0x41800000, 0x43000000, 0x43800000, 0x47000000, 0x47800000, 0x7f800000, 0x7fc00000,
};
#define CONSTANT_SMALLEST 1

static void load_constant(struct rv_lift *t, enum ir_type type, uint64_t smallest, uint64_t box)
{
    struct sf_env env = {.policy = DBT_FP_RISCV, .round = IR_ROUND_NEAREST};
    unsigned number = rv_rs1(t->word);
    uint64_t v = smallest;

    if (!rv_fp_ready(t, true))
        return;
    if (number != CONSTANT_SMALLEST)
        v = type == IR_F32 ? constants[number] : sf_convert(&env, type, IR_F32, constants[number]);
    set_f(t, imm(t, v | box));
}

LIFT(fli_h)
{
    load_constant(t, IR_F16, 0x0400, BOX16);
}

LIFT(fli_s)
{
    load_constant(t, IR_F32, 0x00800000, BOX32);
}

LIFT(fli_d)
{
    load_constant(t, IR_F64, 0x0010000000000000, 0);
}
