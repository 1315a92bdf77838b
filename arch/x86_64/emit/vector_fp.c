/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Floating-point vector operations, rounding to nearest, without flushing: the host's arithmetic
 * and sticky flags. A NaN in a result goes to dbt_slow(), which knows which it is; so does, for
 * guests that see tininess before rounding, a result that is the smallest normal number. Of a v64
 * the upper half is made harmless first; of an operation on the lowest element all others are
 * zeros, as they are in its result.
 */
#include "arch/x86_64/emit/vector.h"

#define CMP_EQ        0u /* CMPPS's predicates */
#define CMP_LT        1u
#define CMP_LE        2u
#define CMP_UNORDERED 3u
#define ROUND_QUIET   8u    /* ROUNDPS: no Inexact */
#define INSERT_LOWEST 0x0eu /* INSERTPS: the lowest element, zeros above */

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
    return !(o->attr2 & IR_FP_MODES) && (o->attr2 & IR_FP_ROUND) == IR_ROUND_NEAREST;
}

/* Does a part of the register mean nothing? */
static bool partial(const struct ir_op *o)
{
    return o->type == IR_V64 || o->attr2 & IR_V_LANE0;
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

/* reg = a, with zeros above what means something. */
static void load_clean(struct emitter *e, const struct ir_op *o, unsigned reg, struct operand a)
{
    if (o->attr2 & IR_V_LANE0 && ir_type_size(o->attr) == 4) {
        v_unary(e, OP_INSERTPS, reg, a);
        as_8(&e->as, INSERT_LOWEST);
    } else if (partial(o)) {
        v_unary(e, OP_MOVQ_LOAD, reg, a);
    } else {
        v_load(e, reg, a);
    }
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

    if (!plain(o) || (o->code == IR_vfdiv && o->attr2 & IR_V_LANE0))
        return false;
    r = begin(e, i, 1, &w);
    b = w.in[1];
    if (partial(o)) {
        load_clean(e, o, w.t[0], b);
        if (o->code == IR_vfdiv)
            v_mask(e, OP_POR, w.t[0], MASK_UPPER_ONES);
        b = v_reg(w.t[0]);
    }
    load_clean(e, o, w.d, w.in[0]);
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
    load_clean(e, o, w.d, w.in[0]);
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
    load_clean(e, o, w.d, w.in[2]);
    a = w.in[0].kind == IN_REG && !partial(o) ? w.in[0].reg : w.t[0];
    load_clean(e, o, a, w.in[0]);
    b = w.in[1];
    if (partial(o)) {
        load_clean(e, o, w.t[1], b);
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
    unsigned op = packed(min ? OP_MINPS : OP_MAXPS, wide(o)), other, r;
    struct operand a, b;
    struct cold *cold;
    struct v_work w;

    if (!plain(o) || o->imm == IR_FMIN_SECOND)
        return false;
    r = begin(e, i, partial(o) ? 2 : 1, &w);
    a = w.in[0];
    b = w.in[1];
    other = w.t[0];
    if (partial(o)) {
        other = w.t[1];
        load_clean(e, o, w.t[0], a);
        load_clean(e, o, other, b);
        a = v_reg(w.t[0]);
        b = v_reg(other);
    }
    v_load(e, w.d, a);
    v_unary(e, packed(OP_CMPPS, wide(o)), w.d, b);
    as_8(&e->as, CMP_UNORDERED);
    as_rr(&e->as, packed(OP_MOVMSKPS, wide(o)), false, r, w.d);
    as_rr(&e->as, OP_TEST, false, r, r);
    cold = leave_when(e, i, NULL, CC_NE, &w);
    v_load(e, w.d, a);
    v_unary(e, op, w.d, b);
    v_load(e, other, b);
    v_unary(e, op, other, a);
    v_unary(e, min ? OP_POR : OP_PAND, w.d, v_reg(other));
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
    load_clean(e, o, w.d, w.in[0]);
    if (magnitude || partial(o)) {
        load_clean(e, o, w.t[0], b);
        b = v_reg(w.t[0]);
    }
    if (magnitude) {
        v_mask(e, OP_PAND, w.d, rest);
        v_mask(e, OP_PAND, w.t[0], rest);
    }
    v_unary(e, packed(OP_CMPPS, wide(o)), w.d, b);
    as_8(&e->as, predicates[cc]);
    if (o->attr2 & IR_V_LANE0)
        load_clean(e, o, w.d, v_reg(w.d));
    return true;
}

static bool sign(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_load(e, w.d, w.in[0]);
    if (o->code == IR_vfneg)
        v_mask(e, OP_PXOR, w.d, wide(o) ? MASK_EACH_SIGN64 : MASK_EACH_SIGN32);
    else
        v_mask(e, OP_PAND, w.d, wide(o) ? MASK_EACH_REST64 : MASK_EACH_REST32);
    if (o->attr2 & IR_V_LANE0)
        load_clean(e, o, w.d, v_reg(w.d));
    return true;
}

/* ---- Conversions ---- */

/* d = round(a), to an integral value; the mode is one of ROUNDPS's. */
static void round_by(struct emitter *e, const struct ir_op *o, unsigned d, struct operand a,
                     enum ir_round round, bool quiet)
{
    static const uint8_t modes[] = {
        [IR_ROUND_NEAREST] = 0, [IR_ROUND_ZERO] = 3, [IR_ROUND_DOWN] = 1, [IR_ROUND_UP] = 2};

    load_clean(e, o, d, a);
    as_rr(&e->as, wide(o) ? OP_ROUNDPD : OP_ROUNDPS, false, d, d);
    as_8(&e->as, modes[round] | (quiet ? ROUND_QUIET : 0));
}

/* d = the first operand rounded to nearest with ties away from zero: what is left without the
 * fraction, and the fraction's double without its own; all of it is exact. What may have no
 * fraction, NaNs among it, goes to C. */
static struct cold *round_away(struct emitter *e, unsigned i, const struct v_work *w, unsigned r,
                               bool quiet)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned t = w->t[0];
    struct cold *cold;

    load_clean(e, o, t, w->in[0]);
    v_mask(e, OP_PAND, t, wide(o) ? MASK_EACH_REST64 : MASK_EACH_REST32);
    v_mask(e, wide(o) ? OP_PCMPGTQ : OP_PCMPGTD, t,
           wide(o) ? MASK_EACH_FRACTION64 : MASK_EACH_FRACTION32);
    as_rr(&e->as, packed(OP_MOVMSKPS, wide(o)), false, r, t);
    as_rr(&e->as, OP_TEST, false, r, r);
    cold = leave_when(e, i, NULL, CC_NE, w);
    round_by(e, o, w->d, w->in[0], IR_ROUND_ZERO, quiet);
    load_clean(e, o, t, w->in[0]);
    as_rr(&e->as, packed(OP_SUBPS, wide(o)), false, t, w->d);
    as_rr(&e->as, packed(OP_ADDPS, wide(o)), false, t, t);
    round_by(e, o, t, v_reg(t), IR_ROUND_ZERO, true);
    as_rr(&e->as, packed(OP_ADDPS, wide(o)), false, w->d, t);
    load_clean(e, o, t, w->in[0]);
    v_mask(e, OP_PAND, t, wide(o) ? MASK_EACH_SIGN64 : MASK_EACH_SIGN32);
    as_rr(&e->as, OP_POR, false, w->d, t); /* of zeros, too */
    return cold;
}

static bool round_integral(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned round = o->attr2 & IR_FP_ROUND, r;
    struct v_work w;

    if (o->attr2 & IR_FP_MODES || o->imm || (round == IR_ROUND_AWAY && o->attr2 & IR_FP_EXACT))
        return false;
    r = begin(e, i, 1, &w);
    if (round == IR_ROUND_AWAY) {
        round_away(e, i, &w, r, true)->back = e->as.p;
        return true;
    }
    round_by(e, o, w.d, w.in[0], round, !(o->attr2 & IR_FP_EXACT));
    check_nan(e, i, &w, wide(o), r)->back = e->as.p;
    return true;
}

/* d = the first operand, rounded so that cutting off gives the integer: nothing that is too large
 * for the integer has a fraction, so none of these is told to be inexact. NULL: nothing went to C.
 */
static struct cold *round_first(struct emitter *e, unsigned i, const struct v_work *w, unsigned r)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned round = o->attr2 & IR_FP_ROUND;

    if (round == IR_ROUND_AWAY)
        return round_away(e, i, w, r, false);
    if (round == IR_ROUND_ZERO)
        load_clean(e, o, w->d, w->in[0]);
    else
        round_by(e, o, w->d, w->in[0], round, false);
    return NULL;
}

/* Negative numbers, f32 from 2^32 and f64 from 2^63 on, and NaNs go to C. */
static struct cold *check_unsigned(struct emitter *e, unsigned i, struct v_work *w, unsigned r)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned t = w->t[0], u = w->t[1];

    load_clean(e, o, t, w->in[0]);
    v_mask(e, OP_MOVUPS_LOAD, u, wide(o) ? MASK_EACH_2_63 : MASK_EACH_2_32);
    as_rr(&e->as, wide(o) ? OP_PCMPGTQ : OP_PCMPGTD, false, u, t);
    v_spread_sign(e, wide(o) ? 3 : 2, t);
    as_rr(&e->as, OP_PANDN, false, t, u);
    as_rr(&e->as, packed(OP_MOVMSKPS, wide(o)), false, r, t);
    as_alu_imm(&e->as, OP_CMP, false, r, wide(o) ? 3 : 15);
    return leave_when(e, i, NULL, CC_NE, w);
}

/* Elements by themselves; the value that says "does not fit" overflows when 1 is taken away.
 */
static void to_int64(struct emitter *e, unsigned i, const struct v_work *w, unsigned r,
                     struct cold *cold)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned op = (OP_CVTTSS2SI & 0xffffffu) | PF2, d = w->d;

    as_rr(&e->as, op, true, r, d);
    as_alu_imm(&e->as, OP_CMP, true, r, 1);
    cold = leave_when(e, i, cold, CC_O, w);
    if (partial(o)) {
        as_rr(&e->as, OP_MOVD_TO_XMM, true, d, r);
    } else {
        as_rr(&e->as, OP_MOVD_TO_XMM, true, w->t[0], r);
        as_rr(&e->as, OP_PSHUFD, false, d, d);
        as_8(&e->as, 0xee);
        as_rr(&e->as, op, true, r, d);
        as_alu_imm(&e->as, OP_CMP, true, r, 1);
        (void)leave_when(e, i, cold, CC_O, w);
        as_rr(&e->as, OP_MOVD_TO_XMM, true, d, r);
        as_rr(&e->as, OP_PUNPCKLQDQ, false, w->t[0], d);
        v_load(e, d, v_reg(w->t[0]));
    }
    cold->back = e->as.p;
}

/* What is 2^31 at least without that, which comes in again as the highest bit. */
static void to_unsigned32(struct emitter *e, const struct v_work *w)
{
    unsigned d = w->d, t = w->t[0], u = w->t[1];

    v_mask(e, OP_MOVUPS_LOAD, t, MASK_EACH_2_31);
    as_rr(&e->as, OP_CMPPS, false, t, d);
    as_8(&e->as, CMP_LE);
    v_mask(e, OP_MOVUPS_LOAD, u, MASK_EACH_2_31);
    as_rr(&e->as, OP_PAND, false, u, t);
    as_rr(&e->as, OP_SUBPS, false, d, u);
    as_rr(&e->as, OP_CVTTPS2DQ, false, d, d);
    v_shift(e, 2, V_SLL, t, 31);
    as_rr(&e->as, OP_PXOR, false, d, t);
}

static bool to_int(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool is_unsigned = o->attr2 & IR_FP_UNSIGNED;
    struct cold *cold = NULL, *more;
    struct v_work w;
    unsigned r;

    if (o->attr2 & IR_FP_MODES || o->imm ||
        (is_unsigned && (o->attr2 & IR_FP_ROUND) == IR_ROUND_AWAY))
        return false;
    r = begin(e, i, 2, &w);
    if (is_unsigned)
        cold = check_unsigned(e, i, &w, r);
    more = round_first(e, i, &w, r);
    cold = more ? more : cold;
    if (wide(o)) {
        to_int64(e, i, &w, r, cold);
        return true;
    }
    if (is_unsigned) {
        to_unsigned32(e, &w);
    } else {
        as_rr(&e->as, OP_CVTTPS2DQ, false, w.d, w.d);
        v_load(e, w.t[1], v_reg(w.d));
        v_mask(e, OP_PCMPEQD, w.t[1], MASK_EACH_SIGN32);
        as_rr(&e->as, OP_MOVMSKPS, false, r, w.t[1]);
        as_rr(&e->as, OP_TEST, false, r, r);
        cold = leave_when(e, i, cold, CC_NE, &w);
    }
    cold->back = e->as.p;
    return true;
}

/* Unsigned ones with the highest bit go to C. */
static struct cold *check_sign(struct emitter *e, unsigned i, const struct v_work *w, unsigned r,
                               struct cold *cold)
{
    if (!(op_of(e, (ir_value)i)->attr2 & IR_FP_UNSIGNED))
        return cold;
    as_rr(&e->as, OP_TEST, true, r, r);
    return leave_when(e, i, cold, CC_S, w);
}

static bool from_int64(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned r = reg_take(e, CLASS_INT), s = reg_take(e, CLASS_INT), from;
    unsigned op = (OP_CVTSI2SS & 0xffffffu) | PF2;
    struct cold *cold;
    struct v_work w;

    v_begin(e, i, 1, &w);
    from = w.in[0].kind == IN_REG ? w.in[0].reg : w.t[0];
    v_load(e, from, w.in[0]);
    as_rr(&e->as, OP_MOVD_FROM_XMM, true, from, r);
    cold = check_sign(e, i, &w, r, NULL);
    if (!partial(o)) {
        as_rr(&e->as, OP_PEXTRD, true, from, s);
        as_8(&e->as, 1);
        cold = check_sign(e, i, &w, s, cold);
        as_rr(&e->as, OP_PXOR, false, w.t[0], w.t[0]);
        as_rr(&e->as, op, true, w.t[0], s);
    }
    as_rr(&e->as, OP_PXOR, false, w.d, w.d);
    as_rr(&e->as, op, true, w.d, r);
    if (!partial(o))
        as_rr(&e->as, OP_PUNPCKLQDQ, false, w.d, w.t[0]);
    if (cold)
        cold->back = e->as.p;
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

    if (!plain(o) || o->imm)
        return false;
    if (wide(o))
        return from_int64(e, i);
    v_begin(e, i, 1, &w);
    load_clean(e, o, w.d, w.in[0]);
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
    bool lowest = op_of(e, (ir_value)i)->attr2 & IR_V_LANE0;
    struct operand a;
    struct v_work w;
    unsigned r = begin(e, i, 1, &w);

    a = w.in[0];
    if (lowest) {
        v_load(e, w.d, a);
        v_shift(e, 3, V_SLL, w.d, 48);
        v_shift(e, 3, V_SRL, w.d, 48);
        a = v_reg(w.d);
    }
    if (a.kind == IN_MEMORY)
        as_vex_rm(&e->as, OP_VCVTPH2PS, false, w.d, 0, FRAME_BASE, a.disp);
    else
        as_vex_rr(&e->as, OP_VCVTPH2PS, false, w.d, 0, a.reg);
    check_nan(e, i, &w, false, r)->back = e->as.p;
    return true;
}

/* Of elements that become wider or narrower: `o` has the type of the narrow ones. */
static void load_lowest_or_all(struct emitter *e, unsigned i, unsigned d, struct operand a)
{
    const struct ir_op *o = op_of(e, (ir_value)i);

    if (!(o->attr2 & IR_V_LANE0)) {
        v_load(e, d, a);
    } else if (o->code == IR_vfnarrow && o->attr == IR_F32) {
        v_unary(e, OP_MOVQ_LOAD, d, a);
    } else {
        v_unary(e, OP_INSERTPS, d, a);
        as_8(&e->as, INSERT_LOWEST);
    }
}

/* NaNs are looked for before: halves have no comparison. */
static bool to_half(struct emitter *e, unsigned i)
{
    struct cold *cold;
    struct v_work w;
    unsigned r = begin(e, i, 1, &w);

    load_lowest_or_all(e, i, w.d, w.in[0]);
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

    if (o->attr2 & ~IR_V_LANE0 || (o->attr == IR_F16 && e->level < DBT_LEVEL_V3))
        return false;
    if (o->attr == IR_F16)
        return widens ? from_half(e, i) : to_half(e, i);
    r = begin(e, i, 1, &w);
    load_lowest_or_all(e, i, w.d, w.in[0]);
    as_rr(&e->as, widens ? OP_CVTPS2PD : OP_CVTPD2PS, false, w.d, w.d);
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
