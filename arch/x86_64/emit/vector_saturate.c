/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Saturating vector operations. Of bytes and half words the host's own are compared with what came
 * out without limits; of larger elements a mask says which of them become the limit. What
 * saturated is noted among the sticky flags.
 */
#include "arch/x86_64/emit/vector.h"

/* The sign in each element by log2 of its bytes, and what lies below it. */
static const uint8_t sign_of[] = {MASK_LEFT8 + 7, MASK_EACH_SIGN16, MASK_EACH_SIGN32,
                                  MASK_EACH_SIGN64};
static const uint8_t rest_of[] = {MASK_RIGHT8 + 1, MASK_EACH_REST16, MASK_EACH_REST32,
                                  MASK_EACH_REST64};

static void reg_reg(struct emitter *e, unsigned op, unsigned d, unsigned a)
{
    as_rr(&e->as, op, false, d, a);
}

/* Bits of r say that something saturated. */
static void note_bits(struct emitter *e, unsigned r, unsigned bytes)
{
    uint8_t *none;

    as_rr(&e->as, OP_TEST_IMM, false, 0, r);
    as_32(&e->as, (uint32_t)BITS(bytes - 1, 0));
    none = as_jcc(&e->as, CC_E);
    as_alu_mem_imm(&e->as, OP_OR, false, FRAME_BASE, FRAME(fp_flags), SF_SATURATED);
    as_patch(none, e->as.p);
}

/* Where d and t differ in the first `bytes` bytes. */
static void note_difference(struct emitter *e, unsigned t, struct operand d, unsigned bytes,
                            unsigned r)
{
    v_unary(e, OP_PCMPEQB, t, d);
    reg_reg(e, OP_PMOVMSKB, r, t);
    as_rr(&e->as, OP_GROUP3, false, DIGIT_NOT, r);
    note_bits(e, r, bytes);
}

void v_note_mask(struct emitter *e, unsigned mask, unsigned bytes, unsigned r)
{
    reg_reg(e, OP_PMOVMSKB, r, mask);
    note_bits(e, r, bytes);
}

unsigned v_bytes_of(const struct ir_op *o)
{
    return o->attr2 & IR_V_LANE0 ? ir_type_size(o->attr) : ir_type_size(o->type);
}

void v_spread_sign(struct emitter *e, unsigned size, unsigned d)
{
    v_shift(e, MIN(size, 2u), V_SRA, d, 31);
    if (size == 3) {
        reg_reg(e, OP_PSHUFD, d, d);
        as_8(&e->as, 0xf5);
    }
}

void v_choose(struct emitter *e, unsigned d, unsigned mask, unsigned t)
{
    reg_reg(e, OP_PXOR, t, d);
    reg_reg(e, OP_PAND, t, mask);
    reg_reg(e, OP_PXOR, d, t);
}

/* ---- Sums ---- */

/* reg = the first operand, as a number of the kind that is added: with its sign turned where the
 * two are of different kinds (SUQADD, USQADD), and so is the sum's at the end. */
static void first(struct emitter *e, const struct ir_op *o, const struct v_work *w, unsigned reg)
{
    v_load(e, reg, w->in[0]);
    if (o->attr2 & IR_V_TO_UNSIGNED)
        v_mask(e, OP_PXOR, reg, sign_of[v_element(o)]);
}

static bool adds_signed(const struct ir_op *o)
{
    return !(o->attr2 & IR_V_SIGNED) != !(o->attr2 & IR_V_TO_UNSIGNED);
}

/* t = the elements whose signed sum (difference) d is beyond: its sign is neither operand's (not
 * the first's, which was not the second's). */
static void signed_overflow(struct emitter *e, const struct ir_op *o, const struct v_work *w)
{
    unsigned t = w->t[0], u = w->t[1];

    first(e, o, w, t);
    v_load(e, u, w->in[1]);
    reg_reg(e, OP_PXOR, u, o->code == IR_vqsub ? t : w->d);
    reg_reg(e, OP_PXOR, t, w->d);
    reg_reg(e, OP_PAND, t, u);
    v_spread_sign(e, v_element(o), t);
}

/* The same of unsigned ones: carry out of the highest bit, or borrow. */
static void unsigned_overflow(struct emitter *e, const struct ir_op *o, const struct v_work *w)
{
    unsigned t = w->t[0], u = w->t[1];

    first(e, o, w, t);
    v_load(e, u, v_reg(t));
    if (o->code == IR_vqsub) { /* ~first & second, or difference where both are alike */
        v_unary(e, OP_PANDN, u, w->in[1]);
        v_unary(e, OP_PXOR, t, w->in[1]);
        reg_reg(e, OP_PANDN, t, w->d);
        reg_reg(e, OP_POR, t, u);
    } else { /* first, or ~sum where both differ */
        v_unary(e, OP_PXOR, u, w->in[1]);
        reg_reg(e, OP_PXOR, t, w->d);
        reg_reg(e, OP_PANDN, t, u);
        first(e, o, w, u);
        reg_reg(e, OP_PXOR, t, u);
    }
    v_spread_sign(e, v_element(o), t);
}

static void large_sum(struct emitter *e, const struct ir_op *o, const struct v_work *w, unsigned r)
{
    bool minus = o->code == IR_vqsub;
    bool is_signed = adds_signed(o);
    unsigned op = (minus ? &v_difference : &v_sum)->op[v_element(o)], t = w->t[0], u = w->t[1];

    first(e, o, w, w->d);
    v_unary(e, op, w->d, w->in[1]);
    (is_signed ? signed_overflow : unsigned_overflow)(e, o, w);
    v_note_mask(e, t, v_bytes_of(o), r);
    if (is_signed) {
        first(e, o, w, u);
        v_spread_sign(e, v_element(o), u);
        v_mask(e, OP_PXOR, u, rest_of[v_element(o)]);
        v_choose(e, w->d, t, u);
    } else if (minus) {
        reg_reg(e, OP_PANDN, t, w->d);
        v_load(e, w->d, v_reg(t));
    } else {
        reg_reg(e, OP_POR, w->d, t);
    }
}

static void small_sum(struct emitter *e, const struct ir_op *o, const struct v_work *w, unsigned r)
{
    static const struct v_by_size sums[] = {{{OP_PADDUSB, OP_PADDUSW, 0, 0}},
                                            {{OP_PADDSB, OP_PADDSW, 0, 0}},
                                            {{OP_PSUBUSB, OP_PSUBUSW, 0, 0}},
                                            {{OP_PSUBSB, OP_PSUBSW, 0, 0}}};
    bool minus = o->code == IR_vqsub;
    bool is_signed = adds_signed(o);

    first(e, o, w, w->d);
    v_load(e, w->t[0], v_reg(w->d));
    v_unary(e, sums[2 * minus + is_signed].op[v_element(o)], w->d, w->in[1]);
    v_unary(e, (minus ? &v_difference : &v_sum)->op[v_element(o)], w->t[0], w->in[1]);
    note_difference(e, w->t[0], v_reg(w->d), v_bytes_of(o), r);
}

static bool sum(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool large = v_element(o) >= 2;
    unsigned r = reg_take(e, CLASS_INT);
    struct v_work w;

    v_begin(e, i, large ? 2 : 1, &w);
    if (large)
        large_sum(e, o, &w, r);
    else
        small_sum(e, o, &w, r);
    if (o->attr2 & IR_V_TO_UNSIGNED)
        v_mask(e, OP_PXOR, w.d, sign_of[v_element(o)]);
    v_lane0(e, o, w.d);
    return true;
}

/* ---- The one value that has no opposite, and the one product that is too large ---- */

/* Where d is the least number it becomes the greatest. */
static void least_to_greatest(struct emitter *e, unsigned size, const struct v_work *w,
                              unsigned bytes, unsigned r)
{
    v_mask(e, OP_MOVUPS_LOAD, w->t[0], sign_of[size]);
    reg_reg(e, v_equal.op[size], w->t[0], w->d);
    reg_reg(e, OP_PXOR, w->d, w->t[0]);
    v_note_mask(e, w->t[0], bytes, r);
}

static bool opposite(struct emitter *e, unsigned i)
{
    static const struct v_by_size absolute = {{OP_PABSB, OP_PABSW, OP_PABSD, 0}};
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned size = v_element(o), r = reg_take(e, CLASS_INT);
    struct v_work w;

    v_begin(e, i, 1, &w);
    if (o->code == IR_vqneg) {
        v_zeros(e, w.d);
        v_unary(e, v_difference.op[size], w.d, w.in[0]);
    } else if (size < 3) {
        v_unary(e, absolute.op[size], w.d, w.in[0]);
    } else {
        v_load(e, w.t[0], w.in[0]);
        v_spread_sign(e, size, w.t[0]);
        v_binary(e, OP_PXOR, w.d, w.in[0], v_reg(w.t[0]));
        reg_reg(e, OP_PSUBQ, w.d, w.t[0]);
    }
    least_to_greatest(e, size, &w, v_bytes_of(o), r);
    v_lane0(e, o, w.d);
    return true;
}

static void doubled_high16(struct emitter *e, const struct v_work *w, bool round)
{
    if (round) {
        v_binary(e, OP_PMULHRSW, w->d, w->in[0], w->in[1]);
        return;
    }
    v_binary(e, OP_PMULHW, w->d, w->in[0], w->in[1]);
    v_shift(e, 1, V_SLL, w->d, 1);
    v_binary(e, OP_PMULLW, w->t[0], w->in[0], w->in[1]);
    v_shift(e, 1, V_SRL, w->t[0], 15);
    reg_reg(e, OP_POR, w->d, w->t[0]);
}

/* d = the upper halves of twice the products (of `negated` those with the other sign): odd and even
 * elements by themselves. `negated`: uses the second temporary. */
static void doubled_high32(struct emitter *e, const struct v_work *w, const struct operand by[2],
                           bool round, bool negated)
{
    v_copy_shift(e, 3, V_SRL, w->d, by[0], 32);
    v_copy_shift(e, 3, V_SRL, w->t[0], by[1], 32);
    reg_reg(e, OP_PMULDQ, w->d, w->t[0]);
    v_binary(e, OP_PMULDQ, w->t[0], by[0], by[1]);
    for (unsigned odd = 0; odd < 2; odd++) {
        unsigned d = odd ? w->d : w->t[0];

        reg_reg(e, OP_PADDQ, d, d);
        if (negated) {
            v_zeros(e, w->t[1]);
            reg_reg(e, OP_PSUBQ, w->t[1], d);
            v_load(e, d, v_reg(w->t[1]));
        }
        if (round)
            v_mask(e, OP_PADDQ, d, MASK_HALF64);
        v_shift(e, 3, V_SRL, d, 32);
    }
    v_shift(e, 3, V_SLL, w->d, 32);
    reg_reg(e, OP_POR, w->d, w->t[0]);
}

static bool doubled_high(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned r = reg_take(e, CLASS_INT);
    struct v_work w;

    v_begin(e, i, 1, &w);
    if (v_element(o) == 1)
        doubled_high16(e, &w, o->attr2 & IR_V_ROUND);
    else
        doubled_high32(e, &w, w.in, o->attr2 & IR_V_ROUND, false);
    least_to_greatest(e, v_element(o), &w, v_bytes_of(o), r);
    v_lane0(e, o, w.d);
    return true;
}

/* The product that is too large is one less, and 1 is added afterwards. */
static void add_doubled16(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                          unsigned r)
{
    unsigned d = w->d, t = w->t[0], u = w->t[1];

    v_binary(e, OP_PMULHRSW, t, w->in[1], w->in[2]);
    v_mask(e, OP_MOVUPS_LOAD, u, MASK_EACH_SIGN16);
    reg_reg(e, OP_PCMPEQW, u, t);
    v_load(e, d, w->in[0]);
    reg_reg(e, OP_PXOR, t, u);
    reg_reg(e, OP_PADDSW, d, t);
    reg_reg(e, OP_PSUBSW, d, u);
    reg_reg(e, OP_PXOR, t, u);
    v_unary(e, OP_PADDW, t, w->in[0]);
    note_difference(e, t, v_reg(d), v_bytes_of(o), r);
}

/* Rounded with the other sign, a product whose rest is exactly a half is one more. */
static void take_doubled16(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                           unsigned r)
{
    unsigned d = w->d, t = w->t[0], u = w->t[1];

    v_binary(e, OP_PMULLW, u, w->in[1], w->in[2]);
    v_shift(e, 1, V_SLL, u, 1);
    v_mask(e, OP_PCMPEQW, u, MASK_EACH_SIGN16);
    v_binary(e, OP_PMULHRSW, t, w->in[1], w->in[2]);
    reg_reg(e, OP_PADDW, t, u);
    v_zeros(e, u);
    reg_reg(e, OP_PSUBW, u, t);
    v_load(e, d, w->in[0]);
    reg_reg(e, OP_PADDSW, d, u);
    v_unary(e, OP_PADDW, u, w->in[0]);
    note_difference(e, u, v_reg(d), v_bytes_of(o), r);
}

/* The product that is too large overflows as one that is one less. */
static void add_doubled32(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                          unsigned r)
{
    bool takes = o->attr2 & IR_V_SUBTRACT;
    unsigned d = w->d, t = w->t[0], u = w->t[1];

    doubled_high32(e, w, w->in + 1, true, takes);
    v_load(e, t, v_reg(d));
    v_unary(e, OP_PADDD, d, w->in[0]);
    if (!takes) {
        v_mask(e, OP_MOVUPS_LOAD, u, MASK_EACH_SIGN32);
        reg_reg(e, OP_PCMPEQD, u, t);
        reg_reg(e, OP_PXOR, t, u);
    }
    v_load(e, u, w->in[0]);
    reg_reg(e, OP_PXOR, u, d);
    reg_reg(e, OP_PXOR, t, d);
    reg_reg(e, OP_PAND, t, u);
    v_spread_sign(e, 2, t);
    v_note_mask(e, t, v_bytes_of(o), r);
    v_load(e, u, w->in[0]);
    v_spread_sign(e, 2, u);
    v_mask(e, OP_PXOR, u, MASK_EACH_REST32);
    v_choose(e, d, t, u);
}

static bool add_doubled(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned r = reg_take(e, CLASS_INT);
    struct v_work w;

    v_begin(e, i, 2, &w);
    if (v_element(o) == 2)
        add_doubled32(e, o, &w, r);
    else if (o->attr2 & IR_V_SUBTRACT)
        take_doubled16(e, o, &w, r);
    else
        add_doubled16(e, o, &w, r);
    v_lane0(e, o, w.d);
    return true;
}

/* attr: of the operands */
static bool doubled_long(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned size = v_element(o), r = reg_take(e, CLASS_INT);
    bool lowest = o->attr2 & IR_V_LANE0;
    struct v_work w;

    v_begin(e, i, 1, &w);
    if (size == 1) {
        v_unary(e, OP_PMOVSXWD, w.d, w.in[0]);
        v_unary(e, OP_PMOVSXWD, w.t[0], w.in[1]);
        reg_reg(e, OP_PMULLD, w.d, w.t[0]);
    } else {
        v_unary(e, OP_PMOVZXDQ, w.d, w.in[0]);
        v_unary(e, OP_PMOVZXDQ, w.t[0], w.in[1]);
        reg_reg(e, OP_PMULDQ, w.d, w.t[0]);
    }
    reg_reg(e, v_sum.op[size + 1], w.d, w.d);
    least_to_greatest(e, size + 1, &w, lowest ? 2u << size : VECTOR_SIZE, r);
    if (lowest)
        v_keep_bytes(e, w.d, 2u << size);
    return true;
}

/* ---- Narrower ---- */

/* The elements of the result are extended again, and compared. */
static void narrow_small(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                         unsigned bytes, unsigned r)
{
    bool words = v_element(o) == 1;
    bool to_unsigned = o->attr2 & IR_V_TO_UNSIGNED || !(o->attr2 & IR_V_SIGNED);

    v_load(e, w->d, w->in[0]);
    if (!(o->attr2 & IR_V_SIGNED)) /* packing takes it for signed */
        v_mask(e, words ? OP_PMINUD : OP_PMINUW, w->d, words ? MASK_LOW16 : MASK_LOW8);
    reg_reg(e,
            to_unsigned ? (words ? OP_PACKUSDW : OP_PACKUSWB) : (words ? OP_PACKSSDW : OP_PACKSSWB),
            w->d, w->d);
    reg_reg(e,
            to_unsigned ? (words ? OP_PMOVZXWD : OP_PMOVZXBW) : (words ? OP_PMOVSXWD : OP_PMOVSXBW),
            w->t[0], w->d);
    note_difference(e, w->t[0], w->in[0], bytes, r);
}

/* From 64 bits: the lower halves stay where the upper ones are nothing but their sign, or 0. */
static void narrow_large(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                         unsigned bytes, unsigned r)
{
    bool is_signed = o->attr2 & IR_V_SIGNED, to_unsigned = o->attr2 & IR_V_TO_UNSIGNED;
    unsigned d = w->d, high = w->t[0], mask = w->t[1];

    v_unary(e, OP_PSHUFD, high, w->in[0]);
    as_8(&e->as, 0x0d);
    v_unary(e, OP_PSHUFD, d, w->in[0]);
    as_8(&e->as, 0x08);
    if (is_signed && !to_unsigned) {
        v_copy_shift(e, 2, V_SRA, mask, v_reg(d), 31);
    } else {
        v_zeros(e, mask);
    }
    reg_reg(e, OP_PCMPEQD, mask, high); /* what stays */
    reg_reg(e, OP_PMOVMSKB, r, mask);
    as_rr(&e->as, OP_GROUP3, false, DIGIT_NOT, r);
    note_bits(e, r, bytes / 2);
    if (is_signed)
        v_shift(e, 2, V_SRA, high, 31);
    else
        v_zeros(e, high);
    v_mask(e, OP_PXOR, high, to_unsigned || !is_signed ? MASK_RIGHT8 : MASK_EACH_REST32);
    reg_reg(e, OP_PXOR, d, high); /* the limit, */
    reg_reg(e, OP_PAND, d, mask);
    reg_reg(e, OP_PXOR, d, high); /* or the value */
}

/* attr: of the result */
static bool narrow(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned size = v_element(o), r = reg_take(e, CLASS_INT);
    unsigned bytes = o->attr2 & IR_V_LANE0 ? 2u << size : VECTOR_SIZE;
    struct v_work w;

    v_begin(e, i, size == 2 ? 2 : 1, &w);
    (size == 2 ? narrow_large : narrow_small)(e, o, &w, bytes, r);
    v_lane0(e, o, w.d);
    return true;
}

/* ---- To the left by a constant ---- */

static void shift_left(struct emitter *e, unsigned size, unsigned d, struct operand a,
                       unsigned count)
{
    v_copy_shift(e, MAX(size, 1u), V_SLL, d, a, count);
    if (size == 0)
        v_mask(e, OP_PAND, d, MASK_LEFT8 + count);
}

/* d = the largest number shifted to the right */
static void limit(struct emitter *e, unsigned size, unsigned d, unsigned count)
{
    if (size == 0) {
        v_mask(e, OP_MOVUPS_LOAD, d, MASK_RIGHT8 + count + 1);
        return;
    }
    v_ones(e, d);
    v_shift(e, size, V_SRL, d, count + 1);
}

/* What is beyond the limit, without its sign, becomes the largest number with it. */
static void left_signed(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                        unsigned r)
{
    unsigned size = v_element(o), count = (unsigned)o->imm, d = w->d, t = w->t[0], u = w->t[1];

    v_zeros(e, u);
    v_unary(e, v_greater.op[size], u, w->in[0]);
    v_binary(e, OP_PXOR, d, w->in[0], v_reg(u));
    limit(e, size, t, count);
    reg_reg(e, v_greater.op[size], d, t);
    v_note_mask(e, d, v_bytes_of(o), r);
    v_mask(e, OP_PXOR, u, rest_of[size]);
    reg_reg(e, OP_PAND, u, d);
    shift_left(e, size, t, w->in[0], count);
    reg_reg(e, OP_PANDN, d, t);
    reg_reg(e, OP_POR, d, u);
}

/* What does not come back becomes all ones; of signed operands negative ones become 0. */
static void left_unsigned(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                          unsigned r)
{
    unsigned size = v_element(o), count = (unsigned)o->imm, d = w->d, t = w->t[0], u = w->t[1];

    shift_left(e, size, d, w->in[0], count);
    v_copy_shift(e, MAX(size, 1u), V_SRL, t, v_reg(d), count);
    if (size == 0)
        v_mask(e, OP_PAND, t, MASK_RIGHT8 + count);
    v_unary(e, v_equal.op[size], t, w->in[0]);
    v_ones(e, u);
    reg_reg(e, OP_PXOR, t, u); /* these do not */
    reg_reg(e, OP_POR, d, t);
    if (o->attr2 & IR_V_SIGNED) {
        v_zeros(e, u);
        v_unary(e, v_greater.op[size], u, w->in[0]);
        reg_reg(e, OP_POR, t, u);
        reg_reg(e, OP_PANDN, u, d);
        v_load(e, d, v_reg(u));
    }
    v_note_mask(e, t, v_bytes_of(o), r);
}

static bool left(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool is_signed = o->attr2 & IR_V_SIGNED && !(o->attr2 & IR_V_TO_UNSIGNED);
    unsigned r = reg_take(e, CLASS_INT);
    struct v_work w;

    v_begin(e, i, 2, &w);
    (is_signed ? left_signed : left_unsigned)(e, o, &w, r);
    v_lane0(e, o, w.d);
    return true;
}

bool emit_vector_saturating(struct emitter *e, unsigned i)
{
    switch (op_of(e, (ir_value)i)->code) {
    case IR_vqadd:
    case IR_vqsub:
        return sum(e, i);
    case IR_vqabs:
    case IR_vqneg:
        return opposite(e, i);
    case IR_vqdmulh:
        return doubled_high(e, i);
    case IR_vqrdmla:
        return add_doubled(e, i);
    case IR_vqdmull:
        return doubled_long(e, i);
    case IR_vqnarrow:
        return narrow(e, i);
    case IR_vqshl:
        return left(e, i);
    default:
        return false;
    }
}
