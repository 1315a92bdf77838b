/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Floating-point vector operations, rounding to nearest, without flushing: the host's arithmetic
 * and sticky flags. A NaN in a result goes to dbt_slow(), which knows which it is; so does, for
 * guests that see tininess before rounding, a result that is the smallest normal number. Of a v64
 * the upper half is made harmless first.
 */
#include "arch/x86_64/emit/vector.h"

#define CMP_EQ        0u /* CMPPS's predicates */
#define CMP_LT        1u
#define CMP_LE        2u
#define CMP_UNORDERED 3u
#define ROUND_QUIET   8u /* ROUNDPS: no Inexact */

#define VEX_VFMADD231PS    (0x0f38b8u | P66) /* W: f64 */
#define VEX_NEGATE_ADDEND  2u
#define VEX_NEGATE_PRODUCT 4u

static bool wide(const struct ir_op *o)
{
    return o->attr == IR_F64;
}

/* The instruction for elements of f64, from that for f32. */
static unsigned packed(unsigned op, bool is_wide)
{
    return is_wide ? op | P66 : op;
}

static bool plain(const struct ir_op *o)
{
    return !(o->attr2 & (IR_V_LANE0 | IR_FP_MODES)) && (o->attr2 & IR_FP_ROUND) == IR_ROUND_NEAREST;
}

static struct cold *leave_when(struct emitter *e, unsigned i, struct cold *cold, enum cc cc,
                               const struct v_work *w)
{
    uint8_t *jump = as_jcc(&e->as, cc);

    if (cold)
        cold->jump[cold->jump_count++] = jump;
    else
        cold = cold_slow(e, i, jump, w->d, w->in);
    return cold;
}

/* NaNs in w->d (of `is_wide` elements) go to C. Uses w->t[0] and general register r. */
static struct cold *check_nan(struct emitter *e, unsigned i, const struct v_work *w, bool is_wide,
                              unsigned r)
{
    v_load(e, w->t[0], v_reg(w->d));
    as_rr(&e->as, packed(OP_CMPPS, is_wide), false, w->t[0], w->t[0]);
    as_8(&e->as, CMP_UNORDERED);
    as_rr(&e->as, packed(OP_MOVMSKPS, is_wide), false, r, w->t[0]);
    as_rr(&e->as, OP_TEST, false, r, r);
    return leave_when(e, i, NULL, CC_NE, w);
}

/* ... and the smallest normal numbers. */
static void check_least(struct emitter *e, unsigned i, const struct v_work *w, bool is_wide,
                        unsigned r, struct cold *cold)
{
    if (e->dialect->fp != DBT_FP_ARM)
        return;
    v_load(e, w->t[0], v_reg(w->d));
    v_mask(e, OP_PAND, w->t[0], is_wide ? MASK_EACH_REST64 : MASK_EACH_REST32);
    v_mask(e, is_wide ? OP_PCMPEQQ : OP_PCMPEQD, w->t[0],
           is_wide ? MASK_EACH_LEAST64 : MASK_EACH_LEAST32);
    as_rr(&e->as, packed(OP_MOVMSKPS, is_wide), false, r, w->t[0]);
    as_rr(&e->as, OP_TEST, false, r, r);
    (void)leave_when(e, i, cold, CC_NE, w);
}

/* reg = o, of a v64 with zeros above. */
static void load_clean(struct emitter *e, enum ir_type t, unsigned reg, struct operand o)
{
    if (t == IR_V64)
        v_unary(e, OP_MOVQ_LOAD, reg, o);
    else
        v_load(e, reg, o);
}

/* The registers, and a general one. */
static unsigned begin(struct emitter *e, unsigned i, unsigned temporaries, struct v_work *w)
{
    unsigned r = reg_take(e, CLASS_INT);

    v_begin(e, i, temporaries, w);
    return r;
}

static bool binary(struct emitter *e, unsigned i, unsigned op)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool tiny = o->code == IR_vfmul || o->code == IR_vfdiv;
    struct operand b;
    struct cold *cold;
    struct v_work w;
    unsigned r;

    if (!plain(o))
        return false;
    r = begin(e, i, 1, &w);
    b = w.in[1];
    if (o->type == IR_V64) {
        load_clean(e, o->type, w.t[0], b);
        if (o->code == IR_vfdiv)
            v_mask(e, OP_POR, w.t[0], MASK_UPPER_ONES);
        b = v_reg(w.t[0]);
    }
    load_clean(e, o->type, w.d, w.in[0]);
    v_unary(e, packed(op, wide(o)), w.d, b);
    cold = check_nan(e, i, &w, wide(o), r);
    if (tiny)
        check_least(e, i, &w, wide(o), r, cold);
    cold->back = e->as.p;
    return true;
}

static bool root(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;
    unsigned r;

    if (!plain(o))
        return false;
    r = begin(e, i, 1, &w);
    load_clean(e, o->type, w.d, w.in[0]);
    as_rr(&e->as, packed(OP_SQRTPS, wide(o)), false, w.d, w.d);
    check_nan(e, i, &w, wide(o), r)->back = e->as.p;
    return true;
}

/* d = third; d += first x second */
static bool multiply_add(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned op = VEX_VFMADD231PS, r, a;
    struct operand b;
    struct cold *cold;
    struct v_work w;

    if (!plain(o) || e->level < DBT_LEVEL_V3)
        return false;
    r = begin(e, i, 2, &w);
    op += (o->imm & IR_FMA_NEGATE_ADDEND ? VEX_NEGATE_ADDEND : 0) +
          (o->imm & IR_FMA_NEGATE_PRODUCT ? VEX_NEGATE_PRODUCT : 0);
    load_clean(e, o->type, w.d, w.in[2]);
    a = w.in[0].kind == IN_REG && o->type == IR_V128 ? w.in[0].reg : w.t[0];
    load_clean(e, o->type, a, w.in[0]);
    b = w.in[1];
    if (o->type == IR_V64) {
        load_clean(e, o->type, w.t[1], b);
        b = v_reg(w.t[1]);
    }
    if (b.kind == IN_MEMORY)
        as_vex_rm(&e->as, op, wide(o), w.d, a, FRAME_BASE, b.disp);
    else
        as_vex_rr(&e->as, op, wide(o), w.d, a, b.reg);
    cold = check_nan(e, i, &w, wide(o), r);
    check_least(e, i, &w, wide(o), r, cold);
    cold->back = e->as.p;
    return true;
}

/* Both ways round, so that of two zeros the right one is found. */
static bool min_max(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool min = o->code == IR_vfmin;
    struct operand a, b;
    struct cold *cold;
    struct v_work w;
    unsigned r;

    if (!plain(o) || o->imm == IR_FMIN_SECOND || o->type == IR_V64)
        return false;
    r = begin(e, i, 1, &w);
    a = w.in[0];
    b = w.in[1];
    v_load(e, w.t[0], a);
    v_unary(e, packed(OP_CMPPS, wide(o)), w.t[0], b);
    as_8(&e->as, CMP_UNORDERED);
    as_rr(&e->as, packed(OP_MOVMSKPS, wide(o)), false, r, w.t[0]);
    as_rr(&e->as, OP_TEST, false, r, r);
    cold = leave_when(e, i, NULL, CC_NE, &w);
    v_load(e, w.d, a);
    v_unary(e, packed(min ? OP_MINPS : OP_MAXPS, wide(o)), w.d, b);
    v_load(e, w.t[0], b);
    v_unary(e, packed(min ? OP_MINPS : OP_MAXPS, wide(o)), w.t[0], a);
    v_unary(e, min ? OP_POR : OP_PAND, w.d, v_reg(w.t[0]));
    cold->back = e->as.p;
    return true;
}

static bool compare(struct emitter *e, unsigned i)
{
    static const uint8_t predicates[IR_FCC_COUNT] = {[IR_FCC_EQ] = CMP_EQ,
                                                     [IR_FCC_LT] = CMP_LT,
                                                     [IR_FCC_LE] = CMP_LE,
                                                     [IR_FCC_UNORDERED] = CMP_UNORDERED};
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned cc = o->imm & 255;
    bool signaling = o->imm >> 8 & 1, magnitude = o->imm >> 9 & 1;
    enum emit_mask rest = wide(o) ? MASK_EACH_REST64 : MASK_EACH_REST32;
    struct operand b;
    struct v_work w;

    if (!plain(o) || signaling != (cc == IR_FCC_LT || cc == IR_FCC_LE))
        return false;
    v_begin(e, i, 1, &w);
    b = w.in[1];
    load_clean(e, o->type, w.d, w.in[0]);
    if (magnitude || o->type == IR_V64) {
        load_clean(e, o->type, w.t[0], b);
        b = v_reg(w.t[0]);
    }
    if (magnitude) {
        v_mask(e, OP_PAND, w.d, rest);
        v_mask(e, OP_PAND, w.t[0], rest);
    }
    v_unary(e, packed(OP_CMPPS, wide(o)), w.d, b);
    as_8(&e->as, predicates[cc]);
    return true;
}

static bool sign(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    if (o->attr2 & IR_V_LANE0)
        return false;
    v_begin(e, i, 0, &w);
    v_load(e, w.d, w.in[0]);
    if (o->code == IR_vfneg)
        v_mask(e, OP_PXOR, w.d, wide(o) ? MASK_EACH_SIGN64 : MASK_EACH_SIGN32);
    else
        v_mask(e, OP_PAND, w.d, wide(o) ? MASK_EACH_REST64 : MASK_EACH_REST32);
    return true;
}

/* ---- Conversions ---- */

static bool round_integral(struct emitter *e, unsigned i)
{
    static const uint8_t modes[] = {
        [IR_ROUND_NEAREST] = 0, [IR_ROUND_ZERO] = 3, [IR_ROUND_DOWN] = 1, [IR_ROUND_UP] = 2};
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned round = o->attr2 & IR_FP_ROUND, r;
    struct v_work w;

    if (o->attr2 & (IR_V_LANE0 | IR_FP_MODES) || round == IR_ROUND_AWAY || o->imm)
        return false;
    r = begin(e, i, 1, &w);
    load_clean(e, o->type, w.d, w.in[0]);
    as_rr(&e->as, wide(o) ? OP_ROUNDPD : OP_ROUNDPS, false, w.d, w.d);
    as_8(&e->as, modes[round] | (o->attr2 & IR_FP_EXACT ? 0 : ROUND_QUIET));
    check_nan(e, i, &w, wide(o), r)->back = e->as.p;
    return true;
}

/* Both elements by themselves; the value that says "does not fit" overflows when 1 is taken away.
 */
static bool to_int64(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool zero = (o->attr2 & IR_FP_ROUND) == IR_ROUND_ZERO;
    unsigned op = (zero ? OP_CVTTSS2SI & 0xffffffu : OP_CVTSS2SI & 0xffffffu) | PF2, r, s;
    struct cold *cold;
    struct v_work w;

    r = reg_take(e, CLASS_INT);
    s = reg_take(e, CLASS_INT);
    v_begin(e, i, 1, &w);
    v_load(e, w.t[0], w.in[0]);
    as_rr(&e->as, op, true, r, w.t[0]);
    as_rr(&e->as, OP_PSHUFD, false, w.t[0], w.t[0]);
    as_8(&e->as, 0xee);
    as_rr(&e->as, op, true, s, w.t[0]);
    as_alu_imm(&e->as, OP_CMP, true, r, 1);
    cold = leave_when(e, i, NULL, CC_O, &w);
    as_alu_imm(&e->as, OP_CMP, true, s, 1);
    (void)leave_when(e, i, cold, CC_O, &w);
    as_rr(&e->as, OP_MOVD_TO_XMM, true, w.d, r);
    as_rr(&e->as, OP_PINSRD, true, w.d, s);
    as_8(&e->as, 1);
    cold->back = e->as.p;
    return true;
}

static bool to_int(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned round = o->attr2 & IR_FP_ROUND, r;
    struct cold *cold;
    struct v_work w;

    if (o->attr2 & (IR_V_LANE0 | IR_FP_MODES | IR_FP_UNSIGNED) || o->imm ||
        (round != IR_ROUND_ZERO && round != IR_ROUND_NEAREST))
        return false;
    if (wide(o))
        return o->type == IR_V128 && to_int64(e, i);
    r = begin(e, i, 1, &w);
    load_clean(e, o->type, w.d, w.in[0]);
    as_rr(&e->as, round == IR_ROUND_ZERO ? OP_CVTTPS2DQ : OP_CVTPS2DQ, false, w.d, w.d);
    v_load(e, w.t[0], v_reg(w.d));
    v_mask(e, OP_PCMPEQD, w.t[0], MASK_EACH_SIGN32);
    as_rr(&e->as, OP_MOVMSKPS, false, r, w.t[0]);
    as_rr(&e->as, OP_TEST, false, r, r);
    cold = leave_when(e, i, NULL, CC_NE, &w);
    cold->back = e->as.p;
    return true;
}

static bool from_int64(struct emitter *e, unsigned i)
{
    unsigned r = reg_take(e, CLASS_INT), s = reg_take(e, CLASS_INT), from;
    unsigned op = (OP_CVTSI2SS & 0xffffffu) | PF2;
    struct v_work w;

    v_begin(e, i, 1, &w);
    from = w.in[0].kind == IN_REG ? w.in[0].reg : w.t[0];
    v_load(e, from, w.in[0]);
    as_rr(&e->as, OP_MOVD_FROM_XMM, true, from, r);
    as_rr(&e->as, OP_PEXTRD, true, from, s);
    as_8(&e->as, 1);
    as_rr(&e->as, OP_PXOR, false, w.d, w.d);
    as_rr(&e->as, op, true, w.d, r);
    as_rr(&e->as, OP_PXOR, false, w.t[0], w.t[0]);
    as_rr(&e->as, op, true, w.t[0], s);
    as_rr(&e->as, OP_PUNPCKLQDQ, false, w.d, w.t[0]);
    return true;
}

/* Halves of 16 bits are exact, and so is the upper one's product: only the sum rounds. */
static void from_unsigned(struct emitter *e, const struct v_work *w)
{
    v_shift(e, 2, V_SRL, w->d, 16);
    as_rr(&e->as, OP_CVTDQ2PS, false, w->d, w->d);
    v_mask(e, OP_MULPS, w->d, MASK_EACH_65536);
    v_mask(e, OP_PAND, w->t[0], MASK_LOW16);
    as_rr(&e->as, OP_CVTDQ2PS, false, w->t[0], w->t[0]);
    as_rr(&e->as, OP_ADDPS, false, w->d, w->t[0]);
}

static bool from_int(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    if (o->attr2 & (IR_V_LANE0 | IR_FP_MODES) || o->imm ||
        (o->attr2 & IR_FP_ROUND) != IR_ROUND_NEAREST)
        return false;
    if (wide(o))
        return o->type == IR_V128 && !(o->attr2 & IR_FP_UNSIGNED) && from_int64(e, i);
    v_begin(e, i, 1, &w);
    load_clean(e, o->type, w.d, w.in[0]);
    if (o->attr2 & IR_FP_UNSIGNED) {
        v_load(e, w.t[0], v_reg(w.d));
        from_unsigned(e, &w);
    } else {
        as_rr(&e->as, OP_CVTDQ2PS, false, w.d, w.d);
    }
    return true;
}

static bool from_half(struct emitter *e, unsigned i)
{
    struct v_work w;
    unsigned r = begin(e, i, 1, &w);

    if (w.in[0].kind == IN_MEMORY)
        as_vex_rm(&e->as, OP_VCVTPH2PS, false, w.d, 0, FRAME_BASE, w.in[0].disp);
    else
        as_vex_rr(&e->as, OP_VCVTPH2PS, false, w.d, 0, w.in[0].reg);
    check_nan(e, i, &w, false, r)->back = e->as.p;
    return true;
}

/* NaNs are looked for before: halves have no comparison. */
static bool to_half(struct emitter *e, unsigned i)
{
    struct cold *cold;
    struct v_work w;
    unsigned r = begin(e, i, 1, &w);

    v_load(e, w.d, w.in[0]);
    cold = check_nan(e, i, &w, false, r);
    as_vex_rr(&e->as, OP_VCVTPS2PH, false, w.d, 0, w.d);
    as_8(&e->as, 0); /* to nearest */
    if (e->dialect->fp == DBT_FP_ARM) {
        v_load(e, w.t[0], v_reg(w.d));
        v_mask(e, OP_PAND, w.t[0], MASK_EACH_REST16);
        v_mask(e, OP_PCMPEQW, w.t[0], MASK_EACH_LEAST16);
        as_rr(&e->as, OP_PMOVMSKB, false, r, w.t[0]);
        as_rr(&e->as, OP_TEST, false, r, r);
        (void)leave_when(e, i, cold, CC_NE, &w);
    }
    cold->back = e->as.p;
    return true;
}

/* f32 to f64 and back, f16 to f32 and back. */
static bool resize(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool widens = o->code == IR_vfwiden;
    struct cold *cold;
    struct v_work w;
    unsigned r;

    if (o->attr2 || (o->attr == IR_F16 && e->level < DBT_LEVEL_V3))
        return false;
    if (o->attr == IR_F16)
        return widens ? from_half(e, i) : to_half(e, i);
    r = begin(e, i, 1, &w);
    v_unary(e, widens ? OP_CVTPS2PD : OP_CVTPD2PS, w.d, w.in[0]);
    cold = check_nan(e, i, &w, widens, r);
    if (!widens)
        check_least(e, i, &w, false, r, cold);
    cold->back = e->as.p;
    return true;
}

bool emit_vector_fp(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);

    switch (o->code) {
    case IR_vfadd:
        return binary(e, i, OP_ADDPS);
    case IR_vfsub:
        return binary(e, i, OP_SUBPS);
    case IR_vfmul:
        return binary(e, i, OP_MULPS);
    case IR_vfdiv:
        return binary(e, i, OP_DIVPS);
    case IR_vfsqrt:
        return root(e, i);
    case IR_vfma:
        return multiply_add(e, i);
    case IR_vfmin:
    case IR_vfmax:
        return min_max(e, i);
    case IR_vfcmp:
        return compare(e, i);
    case IR_vfneg:
    case IR_vfabs:
        return sign(e, i);
    case IR_vfrint:
        return round_integral(e, i);
    case IR_vftoi:
        return to_int(e, i);
    case IR_vitof:
        return from_int(e, i);
    case IR_vfwiden:
    case IR_vfnarrow:
        return resize(e, i);
    default:
        return false;
    }
}
