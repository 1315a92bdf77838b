/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the floating-point instructions of RV64 do (RISC-V Unprivileged ISA 20240411, chapters 20
 * and 21). Registers are 64 bits wide; f32 values lie in them NaN-boxed. With FS off they are
 * illegal; the first that writes while FS is not dirty goes through the guest's C code, which makes
 * it so.
 */
#include "arch/riscv64/guest/lift.h"

#define LIFT(name) void rv_lift_##name(struct rv_lift *t)

bool rv_fp_ready(struct rv_lift *t, bool writes)
{
    unsigned fs = (t->u->mode & RV_MODE_FS) >> RV_MODE_FS_SHIFT;

    if (fs == RV_FS_OFF) {
        rv_lift_illegal(t);
        return false;
    }
    if (writes && fs != RV_FS_DIRTY) {
        rv_lift_interpret(t);
        return false;
    }
    return true;
}

/* 20.2, table 26. */
bool rv_fp_rounding(struct rv_lift *t, uint8_t *round)
{
    static const uint8_t modes[] = {IR_ROUND_NEAREST, IR_ROUND_ZERO, IR_ROUND_DOWN, IR_ROUND_UP,
                                    IR_ROUND_AWAY};
    const unsigned dynamic = 7;
    unsigned rm = rv_rm(t->word);

    if (rm == dynamic)
        rm = (t->u->mode & RV_MODE_FRM) >> RV_MODE_FRM_SHIFT;
    if (rm >= ARRAY_SIZE(modes)) {
        rv_lift_illegal(t);
        return false;
    }
    *round = modes[rm];
    return true;
}

static ir_value get(struct rv_lift *t, enum ir_type type, unsigned n)
{
    ir_value v = ir_get(t->u, RV_SLOT_F0 + n);

    return type == IR_F64 ? v : ir_convert(t->u, IR_unbox, IR_F32, IR_F64, v);
}

static void set(struct rv_lift *t, enum ir_type type, ir_value v)
{
    if (type == IR_F32)
        v = ir_convert(t->u, IR_box, IR_F64, IR_F32, v);
    ir_set(t->u, RV_SLOT_F0 + rv_rd(t->word), v);
}

static ir_value fs1(struct rv_lift *t, enum ir_type type)
{
    return get(t, type, rv_rs1(t->word));
}

static ir_value fs2(struct rv_lift *t, enum ir_type type)
{
    return get(t, type, rv_rs2(t->word));
}

static void rd(struct rv_lift *t, ir_value v)
{
    rv_set_x(t, rv_rd(t->word), v);
}

/* ---- Memory ---- */

static void load(struct rv_lift *t, enum ir_type type)
{
    if (rv_fp_ready(t, true))
        set(t, type, ir_load(t->u, type, type, 0, rv_get_x(t, rv_rs1(t->word)), rv_imm_i(t->word)));
}

static void store(struct rv_lift *t, enum ir_type type)
{
    ir_value base, v;

    if (!rv_fp_ready(t, false))
        return;
    base = rv_get_x(t, rv_rs1(t->word));
    v = ir_get(t->u, RV_SLOT_F0 + rv_rs2(t->word)); /* the bits, boxed or not */
    if (type == IR_F32) {
        v = ir_convert(t->u, IR_fbits, IR_I64, IR_F64, v);
        ir_store(t->u, IR_I64, IR_I32, 0, base, rv_imm_s(t->word), v);
    } else {
        ir_store(t->u, IR_F64, IR_F64, 0, base, rv_imm_s(t->word), v);
    }
}

LIFT(flw)
{
    load(t, IR_F32);
}

LIFT(fld)
{
    load(t, IR_F64);
}

LIFT(fsw)
{
    store(t, IR_F32);
}

LIFT(fsd)
{
    store(t, IR_F64);
}

/* ---- Arithmetic ---- */

static void binary(struct rv_lift *t, enum ir_code code, enum ir_type type)
{
    uint8_t round;
    ir_value a;

    if (!rv_fp_ready(t, true) || !rv_fp_rounding(t, &round))
        return;
    a = fs1(t, type);
    set(t, type,
        ir_append(t->u, &(struct ir_op){.code = (uint8_t)code,
                                        .type = (uint8_t)type,
                                        .attr = round,
                                        .arg = {a, fs2(t, type)}}));
}

#define BINARY(name)                  \
    LIFT(name##_s)                    \
    {                                 \
        binary(t, IR_##name, IR_F32); \
    }                                 \
    LIFT(name##_d)                    \
    {                                 \
        binary(t, IR_##name, IR_F64); \
    }
BINARY(fadd)
BINARY(fsub)
BINARY(fmul)
BINARY(fdiv)

static void root(struct rv_lift *t, enum ir_type type)
{
    uint8_t round;

    if (!rv_fp_ready(t, true) || !rv_fp_rounding(t, &round))
        return;
    set(t, type,
        ir_append(t->u, &(struct ir_op){.code = IR_fsqrt,
                                        .type = (uint8_t)type,
                                        .attr = round,
                                        .arg = {fs1(t, type)}}));
}

LIFT(fsqrt_s)
{
    root(t, IR_F32);
}

LIFT(fsqrt_d)
{
    root(t, IR_F64);
}

static void multiply_add(struct rv_lift *t, enum ir_type type, uint8_t negate)
{
    uint8_t round;
    ir_value a, b;

    if (!rv_fp_ready(t, true) || !rv_fp_rounding(t, &round))
        return;
    a = fs1(t, type);
    b = fs2(t, type);
    set(t, type,
        ir_append(t->u, &(struct ir_op){.code = IR_fma,
                                        .type = (uint8_t)type,
                                        .attr = round,
                                        .attr2 = negate,
                                        .arg = {a, b, get(t, type, rv_rs3(t->word))}}));
}

#define MULTIPLY_ADD(name, negate)       \
    LIFT(name##_s)                       \
    {                                    \
        multiply_add(t, IR_F32, negate); \
    }                                    \
    LIFT(name##_d)                       \
    {                                    \
        multiply_add(t, IR_F64, negate); \
    }
MULTIPLY_ADD(fmadd, 0)
MULTIPLY_ADD(fmsub, IR_FMA_NEGATE_ADDEND)
MULTIPLY_ADD(fnmsub, IR_FMA_NEGATE_PRODUCT)
MULTIPLY_ADD(fnmadd, IR_FMA_NEGATE_PRODUCT | IR_FMA_NEGATE_ADDEND)

static void minmax(struct rv_lift *t, enum ir_code code, enum ir_type type, enum ir_fmin kind)
{
    ir_value a;

    if (!rv_fp_ready(t, true))
        return;
    a = fs1(t, type);
    set(t, type,
        ir_append(t->u, &(struct ir_op){.code = (uint8_t)code,
                                        .type = (uint8_t)type,
                                        .attr = (uint8_t)kind,
                                        .arg = {a, fs2(t, type)}}));
}

#define MINMAX(name, code, kind)            \
    LIFT(name##_s)                          \
    {                                       \
        minmax(t, IR_##code, IR_F32, kind); \
    }                                       \
    LIFT(name##_d)                          \
    {                                       \
        minmax(t, IR_##code, IR_F64, kind); \
    }
MINMAX(fmin, fmin, IR_FMIN_NUMBER)
MINMAX(fmax, fmax, IR_FMIN_NUMBER)
MINMAX(fminm, fmin, IR_FMIN_NAN) /* Zfa */
MINMAX(fmaxm, fmax, IR_FMIN_NAN)

/* ---- Signs ---- */

/* `how`: 0 takes the second's sign, 1 its opposite, 2 the exclusive or of both. */
static void sign(struct rv_lift *t, enum ir_type type, unsigned how)
{
    enum ir_type bits = type == IR_F64 ? IR_I64 : IR_I32;
    ir_value a, b;

    if (!rv_fp_ready(t, true))
        return;
    a = fs1(t, type);
    if (rv_rs1(t->word) == rv_rs2(t->word)) { /* fmv, fneg and fabs */
        static const uint8_t codes[] = {IR_nop, IR_fneg, IR_fabs};

        set(t, type, how ? ir_op1(t->u, codes[how], type, a) : a);
        return;
    }
    b = fs2(t, type);
    if (how == 1)
        b = ir_op1(t->u, IR_fneg, type, b);
    if (how == 2)
        b = ir_convert(t->u, IR_bitsf, type, bits,
                       ir_op2(t->u, IR_xor, bits, ir_convert(t->u, IR_fbits, bits, type, a),
                              ir_convert(t->u, IR_fbits, bits, type, b)));
    set(t, type, ir_op2(t->u, IR_fsgnj, type, a, b));
}

#define SIGN(name, how)       \
    LIFT(name##_s)            \
    {                         \
        sign(t, IR_F32, how); \
    }                         \
    LIFT(name##_d)            \
    {                         \
        sign(t, IR_F64, how); \
    }
SIGN(fsgnj, 0)
SIGN(fsgnjn, 1)
SIGN(fsgnjx, 2)

/* ---- Comparisons and classes ---- */

static void compare(struct rv_lift *t, enum ir_type type, enum ir_fcc cc, bool quiet)
{
    ir_value a;

    if (!rv_fp_ready(t, true)) /* the flags */
        return;
    a = fs1(t, type);
    rd(t, ir_append(t->u, &(struct ir_op){.code = IR_fcmp,
                                          .attr = (uint8_t)cc,
                                          .attr2 = (uint8_t)type,
                                          .imm = !quiet,
                                          .arg = {a, fs2(t, type)}}));
}

#define COMPARE(name, cc, quiet)                \
    LIFT(name##_s)                              \
    {                                           \
        compare(t, IR_F32, IR_FCC_##cc, quiet); \
    }                                           \
    LIFT(name##_d)                              \
    {                                           \
        compare(t, IR_F64, IR_FCC_##cc, quiet); \
    }
COMPARE(feq, EQ, true)
COMPARE(flt, LT, false)
COMPARE(fle, LE, false)
COMPARE(fltq, LT, true) /* Zfa */
COMPARE(fleq, LE, true)

static void classify(struct rv_lift *t, enum ir_type type)
{
    if (rv_fp_ready(t, false))
        rd(t, ir_convert(t->u, IR_fclass, IR_VOID, type, fs1(t, type)));
}

LIFT(fclass_s)
{
    classify(t, IR_F32);
}

LIFT(fclass_d)
{
    classify(t, IR_F64);
}

/* ---- Conversions ---- */

static void to_int(struct rv_lift *t, enum ir_type to, bool is_unsigned, enum ir_type from)
{
    uint8_t round;
    ir_value v;

    if (!rv_fp_ready(t, true) || !rv_fp_rounding(t, &round))
        return;
    v = ir_append(t->u, &(struct ir_op){.code = IR_ftoi,
                                        .type = (uint8_t)to,
                                        .attr = round,
                                        .attr2 = (uint8_t)from,
                                        .imm = is_unsigned,
                                        .arg = {fs1(t, from)}});
    rd(t, to == IR_I64 ? v : ir_convert(t->u, IR_sext, IR_I64, IR_I32, v));
}

static void from_int(struct rv_lift *t, enum ir_type to, enum ir_type from, bool is_unsigned)
{
    uint8_t round;
    ir_value v;

    if (!rv_fp_ready(t, true) || !rv_fp_rounding(t, &round))
        return;
    v = rv_get_x(t, rv_rs1(t->word));
    if (from == IR_I32)
        v = ir_convert(t->u, IR_trunc, IR_I32, IR_I64, v);
    set(t, to,
        ir_append(t->u, &(struct ir_op){.code = IR_itof,
                                        .type = (uint8_t)to,
                                        .attr = round,
                                        .attr2 = (uint8_t)from,
                                        .imm = is_unsigned,
                                        .arg = {v}}));
}

#define CONVERT_INT(letter, type, is_unsigned)  \
    LIFT(fcvt_##letter##_s)                     \
    {                                           \
        to_int(t, type, is_unsigned, IR_F32);   \
    }                                           \
    LIFT(fcvt_##letter##_d)                     \
    {                                           \
        to_int(t, type, is_unsigned, IR_F64);   \
    }                                           \
    LIFT(fcvt_s_##letter)                       \
    {                                           \
        from_int(t, IR_F32, type, is_unsigned); \
    }                                           \
    LIFT(fcvt_d_##letter)                       \
    {                                           \
        from_int(t, IR_F64, type, is_unsigned); \
    }
CONVERT_INT(w, IR_I32, false)
CONVERT_INT(wu, IR_I32, true)
CONVERT_INT(l, IR_I64, false)
CONVERT_INT(lu, IR_I64, true)

static void convert(struct rv_lift *t, enum ir_type to, enum ir_type from)
{
    uint8_t round;

    if (!rv_fp_ready(t, true) || !rv_fp_rounding(t, &round))
        return;
    set(t, to,
        ir_append(t->u, &(struct ir_op){.code = IR_fconv,
                                        .type = (uint8_t)to,
                                        .attr = round,
                                        .attr2 = (uint8_t)from,
                                        .arg = {fs1(t, from)}}));
}

LIFT(fcvt_s_d)
{
    convert(t, IR_F32, IR_F64);
}

LIFT(fcvt_d_s)
{
    convert(t, IR_F64, IR_F32);
}

/* Zfa: to integral values. */
static void round_integral(struct rv_lift *t, enum ir_type type, bool exact)
{
    uint8_t round;

    if (!rv_fp_ready(t, true) || !rv_fp_rounding(t, &round))
        return;
    set(t, type,
        ir_append(t->u, &(struct ir_op){.code = IR_frint,
                                        .type = (uint8_t)type,
                                        .attr = round,
                                        .attr2 = exact,
                                        .arg = {fs1(t, type)}}));
}

#define ROUND(name, exact)                \
    LIFT(name##_s)                        \
    {                                     \
        round_integral(t, IR_F32, exact); \
    }                                     \
    LIFT(name##_d)                        \
    {                                     \
        round_integral(t, IR_F64, exact); \
    }
ROUND(fround, false)
ROUND(froundnx, true)

/* ---- Bits ---- */

LIFT(fmv_x_d)
{
    if (rv_fp_ready(t, false))
        rd(t, ir_convert(t->u, IR_fbits, IR_I64, IR_F64, fs1(t, IR_F64)));
}

LIFT(fmv_d_x)
{
    if (rv_fp_ready(t, true))
        set(t, IR_F64, ir_convert(t->u, IR_bitsf, IR_F64, IR_I64, rv_get_x(t, rv_rs1(t->word))));
}

/* The low bits, boxed or not. */
LIFT(fmv_x_w)
{
    ir_value v;

    if (!rv_fp_ready(t, false))
        return;
    v = ir_convert(t->u, IR_fbits, IR_I64, IR_F64, fs1(t, IR_F64));
    v = ir_convert(t->u, IR_trunc, IR_I32, IR_I64, v);
    rd(t, ir_convert(t->u, IR_sext, IR_I64, IR_I32, v));
}

LIFT(fmv_w_x)
{
    ir_value v;

    if (!rv_fp_ready(t, true))
        return;
    v = ir_convert(t->u, IR_trunc, IR_I32, IR_I64, rv_get_x(t, rv_rs1(t->word)));
    set(t, IR_F32, ir_convert(t->u, IR_bitsf, IR_F32, IR_I32, v));
}
