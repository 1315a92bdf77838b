/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Arm's estimates of reciprocals and of their square roots (Arm ARM, FPRecipEstimate() and
 * FPRSqrtEstimate()) of normal numbers whose estimate is normal: eight bits of fraction from a
 * table, and another exponent. Nothing is raised. All else goes to dbt_slow().
 */
#include "arch/x86_64/emit/vector.h"

/* Fractions of 8 bits by 8 bits of fraction, and of roots by these and the exponent's lowest. */
#define RECIP_COUNT 256u
#define RSQRT_COUNT 512u
#define TABLE_AT    (MASK_BYTES * MASK_COUNT) /* behind the masks */
_Static_assert(TABLE_BYTES == RECIP_COUNT + RSQRT_COUNT, "there is room");

#define F32_FRACTION 15u /* where the eight bits lie */
#define F32_ONE      0x3f800000u
#define F32_TWO      0x40000000u

struct format {
    unsigned stored;                     /* bits of the fraction */
    unsigned recip_sum, rsqrt_sum;       /* of both exponents, of both and the estimate's again */
    enum emit_mask recip_max, rsqrt_max; /* the largest that is done here */
    enum emit_mask denormal_max;
};

static const struct format *format_of(const struct ir_op *o)
{
    static const struct format
        f32 = {23, 253, 380, MASK_RECIP_MAX32, MASK_EACH_MAX32, MASK_EACH_DENORMAL32},
        f64 = {52, 2045, 3068, MASK_RECIP_MAX64, MASK_EACH_MAX64, MASK_EACH_DENORMAL64};

    return o->attr == IR_F64 ? &f64 : &f32;
}

void emit_estimates(struct emitter *e)
{
    struct sf_env env = {.policy = DBT_FP_ARM};

    for (unsigned i = 0; i < RECIP_COUNT; i++)
        as_8(&e->as,
             sf_recip_estimate(&env, IR_F32, F32_ONE | i << F32_FRACTION) >> F32_FRACTION & 0xff);
    for (unsigned i = 0; i < RSQRT_COUNT; i++) /* exponents with this lowest bit */
        as_8(&e->as, sf_rsqrt_estimate(&env, IR_F32,
                                       (i & 256 ? F32_ONE : F32_TWO) | (i & 255) << F32_FRACTION) >>
                             F32_FRACTION &
                         0xff);
}

static bool is_root(const struct ir_op *o)
{
    return o->code == IR_vfrsqrte;
}

static unsigned elements(const struct ir_op *o)
{
    return o->attr2 & IR_V_LANE0 ? 1 : ir_type_size(o->type) / ir_type_size(o->attr);
}

/* Jumps away unless all elements are between the denormal and the too large numbers; of roots
 * negative ones are neither. */
static uint8_t *check(struct emitter *e, const struct ir_op *o, const struct v_work *w, unsigned r)
{
    bool wide = o->attr == IR_F64;
    unsigned greater = wide ? OP_PCMPGTQ : OP_PCMPGTD, t = w->t[0], d = w->d;
    const struct format *f = format_of(o);

    v_load(e, d, w->in[0]);
    if (!is_root(o))
        v_mask(e, OP_PAND, d, wide ? MASK_EACH_REST64 : MASK_EACH_REST32);
    v_load(e, t, v_reg(d));
    v_mask(e, greater, t, is_root(o) ? f->rsqrt_max : f->recip_max);
    v_mask(e, greater, d, f->denormal_max);
    as_rr(&e->as, OP_PANDN, false, t, d);
    as_rr(&e->as, OP_MOVMSKPS | (wide ? P66 : 0), false, r, t);
    as_rr(&e->as, OP_GROUP3, false, DIGIT_NOT, r);
    as_rr(&e->as, OP_TEST_IMM, false, 0, r);
    as_32(&e->as, (uint32_t)BITS(elements(o) - 1, 0));
    return as_jcc(&e->as, CC_NE);
}

/* The estimate of the bits in r, in s. */
static void estimate(struct emitter *e, const struct ir_op *o, unsigned r, unsigned s, unsigned t)
{
    const struct format *f = format_of(o);
    bool wide = o->attr == IR_F64, root = is_root(o);
    const uint8_t *table = e->stub.masks + TABLE_AT + (root ? RECIP_COUNT : 0);

    as_mov(&e->as, s, r);
    as_shift_imm(&e->as, DIGIT_SHR, wide, s, f->stored - 8);
    as_alu_imm(&e->as, OP_AND, false, s, root ? RSQRT_COUNT - 1 : RECIP_COUNT - 1);
    as_rip(&e->as, OP_LEA, true, t, table, 0);
    as_rmx(&e->as, OP_MOVZX8, false, s, t, s, 0);
    as_shift_imm(&e->as, DIGIT_SHL, wide, s, f->stored - 8);
    as_mov(&e->as, t, r);
    as_shift_imm(&e->as, DIGIT_SHR, wide, t, f->stored);
    if (!root)
        as_alu_imm(&e->as, OP_AND, false, t, wide ? 0x7ff : 0xff);
    as_rr(&e->as, OP_GROUP3, false, DIGIT_NEG, t);
    as_alu_imm(&e->as, OP_ADD, false, t, (int32_t)(root ? f->rsqrt_sum : f->recip_sum));
    if (root)
        as_shift_imm(&e->as, DIGIT_SHR, false, t, 1);
    as_shift_imm(&e->as, DIGIT_SHL, wide, t, f->stored);
    as_rr(&e->as, OP_OR, true, s, t);
    if (root)
        return;
    as_shift_imm(&e->as, DIGIT_SHR, wide, r, wide ? 63 : 31);
    as_shift_imm(&e->as, DIGIT_SHL, wide, r, wide ? 63 : 31);
    as_rr(&e->as, OP_OR, true, s, r);
}

bool emit_vector_estimate(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool wide = o->attr == IR_F64;
    unsigned r, s, t, from;
    struct cold *cold;
    struct v_work w;

    if ((o->code != IR_vfrecipe && o->code != IR_vfrsqrte) || o->attr == IR_F16 ||
        o->attr2 & IR_FP_MODES)
        return false;
    r = reg_take(e, CLASS_INT);
    s = reg_take(e, CLASS_INT);
    t = reg_take(e, CLASS_INT);
    v_begin(e, i, 1, &w);
    cold = cold_slow(e, i, check(e, o, &w, r), w.d, w.in);
    from = w.in[0].kind == IN_REG ? w.in[0].reg : w.t[0];
    v_load(e, from, w.in[0]);
    v_zeros(e, w.d);
    for (unsigned lane = 0; lane < elements(o); lane++) {
        as_rr(&e->as, OP_PEXTRD, wide, from, r);
        as_8(&e->as, lane);
        estimate(e, o, r, s, t);
        as_rr(&e->as, OP_PINSRD, wide, w.d, s);
        as_8(&e->as, lane);
    }
    cold->back = e->as.p;
    return true;
}
