/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Advanced SIMD on f32 and f64 (Arm ARM C4.1.96), conversions from and to integers and f16. */
#include "arch/aarch64/guest/lift_vector.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)

static bool begin(struct a64_lift *t, struct a64_shape *s)
{
    *s = a64_shape_fp(t);
    return a64_fp_access(t) && a64_shape_allowed(t, s, 1u << 2 | 1u << 3);
}

static ir_value rn(struct a64_lift *t, const struct a64_shape *s)
{
    return a64_get_v(t, s->type, a64_rn(t->word));
}

static ir_value rm(struct a64_lift *t, const struct a64_shape *s)
{
    return a64_get_v(t, s->type, a64_rm(t->word));
}

static ir_value rd(struct a64_lift *t, const struct a64_shape *s)
{
    return a64_get_v(t, s->type, a64_rd(t->word));
}

static void set_rd(struct a64_lift *t, const struct a64_shape *s, ir_value v)
{
    a64_set_v(t, s->type, a64_rd(t->word), v);
}

static bool is_u(const struct a64_lift *t)
{
    return a64_field(t->word, 29, 1);
}

/* ---- Arithmetic ---- */

static void same(struct a64_lift *t, enum ir_code code, uint8_t attr, int64_t imm)
{
    struct a64_shape s;

    if (begin(t, &s))
        set_rd(t, &s, a64_v3(t, &s, code, attr, imm, rn(t, &s), rm(t, &s), 0));
}

LIFT(simd_fadd)
{
    same(t, a64_field(t->word, 23, 1) ? IR_vfsub : IR_vfadd, a64_fp_attr(t), 0);
}

LIFT(simd_fmul)
{
    same(t, is_u(t) ? IR_vfmul : IR_vfmulx, a64_fp_attr(t), 0);
}

LIFT(simd_fdiv)
{
    same(t, IR_vfdiv, a64_fp_attr(t), 0);
}

/* FRECPS, FRSQRTS (bit 23). */
LIFT(simd_frecps)
{
    same(t, a64_field(t->word, 23, 1) ? IR_vfrsqrts : IR_vfrecips, a64_fp_attr(t), 0);
}

static enum ir_code min_max(const struct a64_lift *t)
{
    return a64_field(t->word, 23, 1) ? IR_vfmin : IR_vfmax;
}

/* FMAX, FMIN (bit 23); of numbers FMAXNM, FMINNM: bits 12 and 11 are clear then. */
static enum ir_fmin nan_rule(const struct a64_lift *t)
{
    return a64_field(t->word, 11, 2) ? IR_FMIN_NAN : IR_FMIN_NUMBER;
}

LIFT(simd_fmax)
{
    same(t, min_max(t), a64_fp_modes(t), nan_rule(t));
}

LIFT(simd_fabd)
{
    struct a64_shape s;
    ir_value v;

    if (!begin(t, &s))
        return;
    v = a64_v2(t, &s, IR_vfsub, a64_fp_attr(t), rn(t, &s), rm(t, &s));
    set_rd(t, &s, a64_v1(t, &s, IR_vfabs, 0, 0, v));
}

/* FMLA, FMLS (bit 23, and by element bit 14). */
static void multiply_add(struct a64_lift *t, const struct a64_shape *s, bool subtracts, ir_value b)
{
    set_rd(t, s,
           a64_v3(t, s, IR_vfma, a64_fp_attr(t), subtracts ? IR_FMA_NEGATE_PRODUCT : 0, rn(t, s), b,
                  rd(t, s)));
}

LIFT(simd_fmla)
{
    struct a64_shape s;

    if (begin(t, &s))
        multiply_add(t, &s, a64_field(t->word, 23, 1), rm(t, &s));
}

/* FCMEQ, FCMGE, FCMGT; FACGE, FACGT (bit 11): by U and bit 23. */
LIFT(simd_fcm)
{
    bool magnitude = a64_field(t->word, 11, 1), greater = a64_field(t->word, 23, 1);
    enum ir_fcc cc = !is_u(t) ? IR_FCC_EQ : greater ? IR_FCC_LT : IR_FCC_LE;
    struct a64_shape s;

    if (begin(t, &s))
        set_rd(t, &s,
               a64_v3(t, &s, IR_vfcmp, a64_fp_modes(t), IR_VFCMP(cc, is_u(t), magnitude), rm(t, &s),
                      rn(t, &s), 0));
}

/* ---- Pairs and across ---- */

/* The two elements of a scalar pair: each in the lowest place. */
static void scalar_pair(struct a64_lift *t, const struct a64_shape *s, ir_value *a, ir_value *b)
{
    *a = a64_get_q(t, a64_rn(t->word));
    *b = ir_vector(t->u, IR_vsplatl, IR_V128, a64_int(s->size), 0, 1, *a, 0, 0);
}

static bool begin_pair(struct a64_lift *t, struct a64_shape *s, ir_value *a, ir_value *b)
{
    ir_value x, y;

    if (!begin(t, s))
        return false;
    if (s->scalar) {
        scalar_pair(t, s, a, b);
        return true;
    }
    x = rn(t, s);
    y = rm(t, s);
    *a = ir_vector(t->u, IR_vunzip, s->type, a64_int(s->size), 0, 0, x, y, 0);
    *b = ir_vector(t->u, IR_vunzip, s->type, a64_int(s->size), IR_V_HIGH, 0, x, y, 0);
    return true;
}

LIFT(simd_faddp)
{
    struct a64_shape s;
    ir_value a, b;

    if (begin_pair(t, &s, &a, &b))
        set_rd(t, &s, a64_v2(t, &s, IR_vfadd, a64_fp_attr(t), a, b));
}

/* FMAXP, FMINP, FMAXNMP, FMINNMP; of scalars the rule is in bits 13 and 12. */
LIFT(simd_fmaxp)
{
    enum ir_fmin rule = nan_rule(t);
    struct a64_shape s;
    ir_value a, b;

    if (!begin_pair(t, &s, &a, &b))
        return;
    if (s.scalar)
        rule = a64_field(t->word, 12, 2) ? IR_FMIN_NAN : IR_FMIN_NUMBER;
    set_rd(t, &s, a64_v3(t, &s, min_max(t), a64_fp_modes(t), rule, a, b, 0));
}

/* Of four f32: pairs, and the pair of those. */
LIFT(simd_fmaxv)
{
    enum ir_fmin rule = a64_field(t->word, 12, 2) ? IR_FMIN_NAN : IR_FMIN_NUMBER;
    struct a64_shape s;
    ir_value v, even, odd;

    if (!begin(t, &s))
        return;
    if (!s.q || s.size != 2) {
        a64_undefined(t);
        return;
    }
    v = rn(t, &s);
    even = ir_vector(t->u, IR_vunzip, IR_V128, IR_I32, 0, 0, v, v, 0);
    odd = ir_vector(t->u, IR_vunzip, IR_V128, IR_I32, IR_V_HIGH, 0, v, v, 0);
    v = a64_v3(t, &s, min_max(t), a64_fp_modes(t), rule, even, odd, 0);
    odd = ir_vector(t->u, IR_vsplatl, IR_V128, IR_I32, 0, 1, v, 0, 0);
    s.lane0 = IR_V_LANE0;
    set_rd(t, &s, a64_v3(t, &s, min_max(t), a64_fp_modes(t), rule, v, odd, 0));
}

/* ---- One operand ---- */

static void unary(struct a64_lift *t, enum ir_code code, uint8_t attr, int64_t imm)
{
    struct a64_shape s;

    if (begin(t, &s))
        set_rd(t, &s, a64_v1(t, &s, code, attr, imm, rn(t, &s)));
}

/* FABS, FNEG (U). */
LIFT(simd_fabs)
{
    unary(t, is_u(t) ? IR_vfneg : IR_vfabs, 0, 0);
}

LIFT(simd_fsqrt)
{
    unary(t, IR_vfsqrt, a64_fp_attr(t), 0);
}

/* FRECPE, FRSQRTE (U). */
LIFT(simd_frecpe)
{
    unary(t, is_u(t) ? IR_vfrsqrte : IR_vfrecipe, a64_fp_attr(t), 0);
}

LIFT(simd_frecpx)
{
    unary(t, IR_vfrecipx, a64_fp_modes(t), 0);
}

/* Against zero: FCMGT, FCMEQ, FCMLT by bits 13 and 12; with U FCMGE, FCMLE. */
LIFT(simd_fcm_zero)
{
    unsigned opcode = a64_field(t->word, 12, 2);
    bool swapped = opcode == 0; /* greater: zero is less */
    enum ir_fcc cc = is_u(t) ? IR_FCC_LE : opcode == 1 ? IR_FCC_EQ : IR_FCC_LT;
    struct a64_shape s;
    ir_value a, zero;

    if (!begin(t, &s))
        return;
    a = rn(t, &s);
    zero = a64_splat(t, &s, 0);
    set_rd(t, &s,
           a64_v3(t, &s, IR_vfcmp, a64_fp_modes(t), IR_VFCMP(cc, cc != IR_FCC_EQ, 0),
                  swapped ? zero : a, swapped ? a : zero, 0));
}

/* N, M (bit 12), P, Z (bit 23); with U A, X (bit 12), I (both). */
LIFT(simd_frint)
{
    unsigned which = a64_field(t->word, 23, 1) << 1 | a64_field(t->word, 12, 1);
    const uint8_t rounds[2][4] = {{IR_ROUND_NEAREST, IR_ROUND_DOWN, IR_ROUND_UP, IR_ROUND_ZERO},
                                  {IR_ROUND_AWAY, (uint8_t)(a64_rounding(t) | IR_FP_EXACT),
                                   IR_ROUND_AWAY, (uint8_t)a64_rounding(t)}};

    unary(t, IR_vfrint, rounds[is_u(t)][which] | a64_fp_modes(t), 0);
}

/* FRINT32Z, FRINT32X (U), FRINT64Z, FRINT64X (bit 12). */
LIFT(simd_frint_fit)
{
    enum ir_round round = is_u(t) ? a64_rounding(t) : IR_ROUND_ZERO;

    unary(t, IR_vfrint, (uint8_t)round | a64_fp_modes(t), a64_field(t->word, 12, 1) ? 64 : 32);
}

/* ---- Integers ---- */

static uint8_t kind(const struct a64_lift *t)
{
    return is_u(t) ? IR_FP_UNSIGNED : 0;
}

/* N, M (bit 12), P, Z (bit 23). */
LIFT(simd_fcvt)
{
    static const uint8_t rounds[] = {IR_ROUND_NEAREST, IR_ROUND_DOWN, IR_ROUND_UP, IR_ROUND_ZERO};
    unsigned which = a64_field(t->word, 23, 1) << 1 | a64_field(t->word, 12, 1);

    unary(t, IR_vftoi, rounds[which] | a64_fp_modes(t) | kind(t), 0);
}

LIFT(simd_fcvta)
{
    unary(t, IR_vftoi, IR_ROUND_AWAY | a64_fp_modes(t) | kind(t), 0);
}

LIFT(simd_scvtf)
{
    unary(t, IR_vitof, a64_fp_attr(t) | kind(t), 0);
}

/* With a fraction: immh:immb says its bits and the element's size; halves are not offered. */
static void fixed(struct a64_lift *t, enum ir_code code, uint8_t attr)
{
    unsigned imm = a64_field(t->word, 16, 7);
    struct a64_shape s = a64_shape(t);

    s.size = imm >= 64 ? 3 : 2;
    s.element = imm >= 64 ? IR_F64 : IR_F32;
    if (!a64_fp_access(t))
        return;
    if (imm < 32) {
        a64_undefined(t);
        return;
    }
    if (a64_shape_allowed(t, &s, 1u << 2 | 1u << 3))
        set_rd(t, &s, a64_v1(t, &s, code, attr, (imm >= 64 ? 128 : 64) - imm, rn(t, &s)));
}

LIFT(simd_fcvt_fixed)
{
    fixed(t, IR_vftoi, IR_ROUND_ZERO | a64_fp_modes(t) | kind(t));
}

LIFT(simd_scvtf_fixed)
{
    fixed(t, IR_vitof, a64_fp_attr(t) | kind(t));
}

/* ---- Between formats: bit 22 clear has f16 ---- */

static uint8_t alternative(const struct a64_lift *t, enum ir_type narrow)
{
    return narrow == IR_F16 && t->u->mode & A64_MODE_AHP ? IR_FP_ALTERNATIVE : 0;
}

LIFT(simd_fcvtl)
{
    enum ir_type narrow = a64_field(t->word, 22, 1) ? IR_F32 : IR_F16;
    bool high = a64_field(t->word, 30, 1);

    if (!a64_fp_access(t))
        return;
    a64_set_q(t, a64_rd(t->word),
              ir_vector(t->u, IR_vfwiden, IR_V128, narrow, a64_fp_modes(t) | alternative(t, narrow),
                        0, a64_half(t, a64_get_q(t, a64_rn(t->word)), high), 0, 0));
}

static void narrow(struct a64_lift *t, enum ir_type to, uint8_t attr)
{
    bool scalar = a64_field(t->word, 28, 1), q = a64_field(t->word, 30, 1);
    ir_value v = ir_vector(t->u, IR_vfnarrow, IR_V64, to, attr | (scalar ? IR_V_LANE0 : 0), 0,
                           a64_get_q(t, a64_rn(t->word)), 0, 0);

    if (q && !scalar)
        a64_set_q(t, a64_rd(t->word),
                  ir_op2(t->u, IR_vjoin, IR_V128, a64_get_v(t, IR_V64, a64_rd(t->word)), v));
    else
        a64_set_v(t, IR_V64, a64_rd(t->word), v);
}

LIFT(simd_fcvtn)
{
    enum ir_type to = a64_field(t->word, 22, 1) ? IR_F32 : IR_F16;

    if (a64_fp_access(t))
        narrow(t, to, a64_fp_attr(t) | alternative(t, to));
}

LIFT(simd_fcvtxn)
{
    if (a64_fp_access(t))
        narrow(t, IR_F32, a64_fp_modes(t) | IR_FP_ODD);
}

/* ---- By an element ---- */

static bool begin_element(struct a64_lift *t, struct a64_shape *s, ir_value *b)
{
    unsigned index = a64_field(t->word, 11, 1);

    if (!begin(t, s))
        return false;
    if (s->size == 3 && a64_field(t->word, 21, 1)) {
        a64_undefined(t);
        return false;
    }
    if (s->size == 2)
        index = index << 1 | a64_field(t->word, 21, 1);
    *b = ir_vector(t->u, IR_vsplatl, s->type, a64_int(s->size), 0, index,
                   a64_get_q(t, a64_rm(t->word)), 0, 0);
    return true;
}

LIFT(simd_fmla_element)
{
    struct a64_shape s;
    ir_value b;

    if (begin_element(t, &s, &b))
        multiply_add(t, &s, a64_field(t->word, 14, 1), b);
}

/* FMUL, FMULX (U). */
LIFT(simd_fmul_element)
{
    struct a64_shape s;
    ir_value b;

    if (begin_element(t, &s, &b))
        set_rd(t, &s, a64_v2(t, &s, is_u(t) ? IR_vfmulx : IR_vfmul, a64_fp_attr(t), rn(t, &s), b));
}

/* ---- Complex numbers: pairs of real and imaginary ---- */

/* The sign of even or odd elements. */
static ir_value sign_mask(struct a64_lift *t, const struct a64_shape *s, bool odd)
{
    ir_value sign = a64_splat(t, s, BIT((8u << s->size) - 1)), zero = a64_splat(t, s, 0);

    return ir_vector(t->u, IR_vtrn, s->type, a64_int(s->size), 0, 0, odd ? zero : sign,
                     odd ? sign : zero, 0);
}

static ir_value negate(struct a64_lift *t, const struct a64_shape *s, bool odd, ir_value v)
{
    return a64_bits(t, s, IR_vxor, v, sign_mask(t, s, odd));
}

/* Of each pair one element in both places. */
static ir_value of_pair(struct a64_lift *t, const struct a64_shape *s, bool odd, ir_value v)
{
    return ir_vector(t->u, IR_vtrn, s->type, a64_int(s->size), odd ? IR_V_HIGH : 0, 0, v, v, 0);
}

static ir_value swap_pairs(struct a64_lift *t, const struct a64_shape *s, ir_value v)
{
    return ir_vector(t->u, IR_vtrn, s->type, a64_int(s->size), 0, 0, of_pair(t, s, true, v),
                     of_pair(t, s, false, v), 0);
}

/* first + second turned by 90 or 270 degrees (bit 12). */
LIFT(simd_fcadd)
{
    bool three_quarters = a64_field(t->word, 12, 1);
    struct a64_shape s;
    ir_value b;

    if (!begin(t, &s))
        return;
    if (a64_field(t->word, 23, 1) == 0) { /* bytes and f16 */
        a64_undefined(t);
        return;
    }
    b = negate(t, &s, three_quarters, swap_pairs(t, &s, rm(t, &s)));
    set_rd(t, &s, a64_v2(t, &s, IR_vfadd, a64_fp_attr(t), rn(t, &s), b));
}

/* + first's real (imaginary) part x second turned by `rotation` quarters. */
static void complex_multiply_add(struct a64_lift *t, const struct a64_shape *s, unsigned rotation,
                                 ir_value b)
{
    ir_value a = of_pair(t, s, rotation & 1, rn(t, s));

    if (rotation & 1)
        b = swap_pairs(t, s, b);
    if (rotation == 1 || rotation == 2)
        b = negate(t, s, false, b);
    if (rotation >= 2)
        b = negate(t, s, true, b);
    set_rd(t, s, a64_v3(t, s, IR_vfma, a64_fp_attr(t), 0, a, b, rd(t, s)));
}

LIFT(simd_fcmla)
{
    struct a64_shape s;

    if (!begin(t, &s))
        return;
    if (a64_field(t->word, 23, 1) == 0) {
        a64_undefined(t);
        return;
    }
    complex_multiply_add(t, &s, a64_field(t->word, 11, 2), rm(t, &s));
}

/* Pair `index` of Rm: there are two of f32. */
LIFT(simd_fcmla_element)
{
    struct a64_shape s = a64_shape(t);
    ir_value b;

    if (!a64_fp_access(t))
        return;
    if (s.size != 2 || !s.q || a64_field(t->word, 21, 1)) {
        a64_undefined(t);
        return;
    }
    s.element = IR_F32;
    b = ir_vector(t->u, IR_vsplatl, IR_V128, IR_I64, 0, a64_field(t->word, 11, 1),
                  a64_get_q(t, a64_rm(t->word)), 0, 0);
    complex_multiply_add(t, &s, a64_field(t->word, 13, 2), b);
}

/* ---- FHM: products of f16 added to f32, rounded once ---- */

/* The f16 of the lower 64 bits of `v` as f32, of which a 64-bit form takes two. */
static ir_value widened(struct a64_lift *t, bool q, bool second, ir_value v)
{
    uint8_t attr = IR_FP_RAW | (t->u->mode & A64_MODE_FZ16 ? IR_FP_FLUSH : 0);

    v = ir_vector(t->u, IR_vfwiden, IR_V128, IR_F16, attr, 0, v, 0, 0);
    return q ? v : a64_half(t, v, second);
}

/* FMLAL, FMLSL; U: those of the upper half of the operands. `b`: all lanes alike, or 0. */
static void multiply_add_long(struct a64_lift *t, bool subtracts, ir_value b)
{
    bool q = a64_field(t->word, 30, 1), second = is_u(t);
    struct a64_shape s = {.q = q, .type = q ? IR_V128 : IR_V64, .element = IR_F32, .size = 2};
    bool high = q && second;
    ir_value a = a64_half(t, a64_get_q(t, a64_rn(t->word)), high);

    if (!b)
        b = a64_half(t, a64_get_q(t, a64_rm(t->word)), high);
    a = widened(t, q, second, a);
    b = widened(t, q, second, b);
    set_rd(t, &s,
           ir_vector(t->u, IR_vfma, s.type, IR_F32, a64_fp_attr(t),
                     subtracts ? IR_FMA_NEGATE_PRODUCT : 0, a, b, rd(t, &s)));
}

LIFT(simd_fmlal)
{
    if (a64_fp_access(t))
        multiply_add_long(t, a64_field(t->word, 23, 1), 0);
}

LIFT(simd_fmlal_element)
{
    unsigned index = a64_field(t->word, 11, 1) << 2 | a64_field(t->word, 20, 2);

    if (a64_fp_access(t))
        multiply_add_long(t, a64_field(t->word, 14, 1),
                          ir_vector(t->u, IR_vsplatl, IR_V64, IR_I16, 0, index,
                                    a64_get_q(t, a64_field(t->word, 16, 4)), 0, 0));
}
