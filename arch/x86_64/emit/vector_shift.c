/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Elements shifted by the second operand's lowest byte, which is signed: left, or right when
 * negative; AVX2's shifts, which make nothing of counts that are too large. A shift to the right by
 * n is one by n - 1, which is ~count, and one by 1, so that the bit that rounds is at hand. Bytes
 * and half words are done in pieces of four, as words, where nothing overflows.
 */
#include "arch/x86_64/emit/vector.h"

#define PIECE 4u /* elements */

static void reg_reg(struct emitter *e, unsigned op, unsigned d, unsigned a)
{
    as_rr(&e->as, op, false, d, a);
}

/* reg = the counts, in elements of 4 or 8 bytes; inverted: those to the right less 1. */
static void counts(struct emitter *e, unsigned size, unsigned reg, struct operand from, bool invert)
{
    v_copy_shift(e, 2, V_SLL, reg, from, 24);
    v_shift(e, 2, V_SRA, reg, 24);
    if (invert)
        v_mask(e, OP_PXOR, reg, MASK_RIGHT8); /* all ones */
    if (size == 3)
        v_mask(e, OP_PAND, reg, MASK_COUNT64);
}

/* d = a shifted by t; `op`: of 4 bytes. */
static void by_vector(struct emitter *e, unsigned op, unsigned size, unsigned d, unsigned a,
                      unsigned t)
{
    as_vex_rr(&e->as, op, size == 3, d, a, t);
}

/*
 * d |= the value `a` shifted to the right, where counts are negative. The others' inverted counts
 * are too large: they leave 0, or the sign, which disappears by rounding.
 */
static void add_right(struct emitter *e, const struct ir_op *o, unsigned size,
                      const struct v_work *w, struct operand a, struct operand by)
{
    bool is_signed = o->attr2 & IR_V_SIGNED;
    unsigned d = w->d, t = w->t[0], u = w->t[1];

    counts(e, size, t, by, true);
    v_load(e, u, a);
    by_vector(e, is_signed ? OP_VPSRAVD : OP_VPSRLVD, size, u, u, t);
    if (o->attr2 & IR_V_ROUND) {
        v_copy_shift(e, size, is_signed ? V_SRA : V_SRL, t, v_reg(u), 1);
        v_shift(e, size, V_SLL, u, (8u << size) - 1);
        v_shift(e, size, V_SRL, u, (8u << size) - 1);
        reg_reg(e, v_sum.op[size], u, t);
    } else {
        v_shift(e, size, is_signed ? V_SRA : V_SRL, u, 1);
        if (is_signed) {
            v_shift(e, 2, V_SRA, t, 31); /* not to the right */
            reg_reg(e, OP_PANDN, t, u);
            v_load(e, u, v_reg(t));
        }
    }
    reg_reg(e, OP_POR, d, u);
}

/* ---- Elements of 4 and 8 bytes ---- */

/* u = the value where it goes to the right: of double words there is no shift with their sign, so
 * that the bits of negative ones are inverted before and after. */
static void right_signed64(struct emitter *e, const struct v_work *w)
{
    unsigned t = w->t[0], u = w->t[1];

    counts(e, 3, t, w->in[1], true);
    v_load(e, u, w->in[0]);
    v_spread_sign(e, 3, u);
    v_unary(e, OP_PXOR, u, w->in[0]);
    by_vector(e, OP_VPSRLVD, 3, u, u, t);
    v_shift(e, 3, V_SRL, u, 1);
    v_load(e, t, w->in[0]);
    v_spread_sign(e, 3, t);
    reg_reg(e, OP_PXOR, u, t);
    counts(e, 2, t, w->in[1], false);
    v_shift(e, 3, V_SLL, t, 32);
    v_spread_sign(e, 3, t);
    reg_reg(e, OP_PAND, u, t);
}

/* d, which is the value shifted to the left, becomes the limit where it does not come back. */
static void saturate(struct emitter *e, const struct ir_op *o, unsigned size,
                     const struct v_work *w, unsigned r)
{
    bool is_signed = o->attr2 & IR_V_SIGNED;
    unsigned d = w->d, t = w->t[0], u = w->t[1];

    by_vector(e, is_signed ? OP_VPSRAVD : OP_VPSRLVD, size, u, d, t);
    v_unary(e, v_equal.op[size], u, w->in[0]);
    counts(e, 2, t, w->in[1], false); /* to the right: they do not saturate */
    if (size == 3)
        v_shift(e, 3, V_SLL, t, 32);
    v_spread_sign(e, size, t);
    reg_reg(e, OP_POR, u, t);
    v_ones(e, t);
    reg_reg(e, OP_PXOR, u, t);
    v_note_mask(e, u, v_bytes_of(o), r);
    if (is_signed) {
        v_load(e, t, w->in[0]);
        v_spread_sign(e, size, t);
        v_mask(e, OP_PXOR, t, MASK_EACH_REST32);
        v_choose(e, d, u, t);
    } else {
        reg_reg(e, OP_POR, d, u);
    }
}

static void shift_large(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                        unsigned r)
{
    unsigned size = v_element(o), d = w->d, t = w->t[0];

    counts(e, size, t, w->in[1], false);
    v_load(e, d, w->in[0]);
    by_vector(e, OP_VPSLLVD, size, d, d, t);
    if (o->attr2 & IR_V_SATURATE)
        saturate(e, o, size, w, r);
    if (size == 3 && o->attr2 & IR_V_SIGNED) {
        right_signed64(e, w);
        reg_reg(e, OP_POR, d, w->t[1]);
    } else {
        add_right(e, o, size, w, w->in[0], w->in[1]);
    }
}

/* ---- Pieces ---- */

/* Where pieces lie: the cells of dbt_slow() and of its stub, which nobody calls here. */
static struct operand cell(const struct emitter *e, unsigned n)
{
    return (struct operand){.kind = IN_MEMORY,
                            .disp = CELL_CALL(e, arg) + VECTOR_SIZE * (int32_t)n};
}

static void store(struct emitter *e, unsigned reg, struct operand to)
{
    as_rm(&e->as, OP_MOVUPS_STORE, false, reg, FRAME_BASE, to.disp);
}

/* reg = piece `n` of the operand as words */
static void load_piece(struct emitter *e, const struct ir_op *o, unsigned reg, struct operand from,
                       unsigned n)
{
    unsigned bytes = PIECE << v_element(o), op;

    if (o->attr2 & IR_V_SIGNED)
        op = v_element(o) ? OP_PMOVSXWD : OP_PMOVSXBD;
    else
        op = v_element(o) ? OP_PMOVZXWD : OP_PMOVZXBD;
    if (from.kind == IN_MEMORY) {
        from.disp += (int32_t)(n * bytes);
    } else if (n) {
        v_load(e, reg, from);
        as_rr(&e->as, OP_PSHIFT_Q, false, V_SRL_BYTES, reg);
        as_8(&e->as, n * bytes);
        from = v_reg(reg);
    }
    v_unary(e, op, reg, from);
}

/* d = what is nearest to it in elements of `bits`, which is noted. */
static void clamp(struct emitter *e, const struct ir_op *o, const struct v_work *w, unsigned bytes,
                  unsigned r)
{
    bool is_signed = o->attr2 & IR_V_SIGNED;
    unsigned bits = 8u << v_element(o), d = w->d, t = w->t[0], u = w->t[1];

    v_ones(e, t);
    v_shift(e, 2, V_SRL, t, 32 - bits + is_signed);
    v_load(e, u, v_reg(d));
    reg_reg(e, is_signed ? OP_PMINSD : OP_PMINUD, d, t);
    if (is_signed) {
        v_mask(e, OP_PXOR, t, MASK_RIGHT8); /* the least number */
        reg_reg(e, OP_PMAXSD, d, t);
    }
    reg_reg(e, OP_PCMPEQD, u, d);
    v_ones(e, t);
    reg_reg(e, OP_PXOR, u, t);
    v_note_mask(e, u, bytes, r);
}

static void shift_piece(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                        unsigned n, unsigned r)
{
    unsigned bits = 8u << v_element(o), d = w->d, t = w->t[0], u = w->t[1];
    struct operand value = cell(e, 4), by = cell(e, 5);

    load_piece(e, o, d, w->in[0], n);
    load_piece(e, o, t, w->in[1], n);
    store(e, d, value);
    store(e, t, by);
    counts(e, 2, t, v_reg(t), false);
    if (o->attr2 & IR_V_SATURATE) { /* more is as much, and would overflow */
        v_ones(e, u);
        v_shift(e, 2, V_SRL, u, 31);
        v_shift(e, 2, V_SLL, u, bits == 8 ? 3 : 4);
        reg_reg(e, OP_PMINSD, t, u);
    }
    by_vector(e, OP_VPSLLVD, 2, d, d, t);
    add_right(e, o, 2, w, value, by);
    if (o->attr2 & IR_V_SATURATE)
        clamp(e, o, w, o->attr2 & IR_V_LANE0 ? 4 : VECTOR_SIZE, r);
    v_ones(e, t);
    v_shift(e, 2, V_SRL, t, 32 - bits);
    reg_reg(e, OP_PAND, d, t);
}

static void shift_small(struct emitter *e, const struct ir_op *o, const struct v_work *w,
                        unsigned r)
{
    unsigned pieces = MAX(v_bytes_of(o) / (PIECE << v_element(o)), 1u), d = w->d;

    for (unsigned n = 0; n < pieces; n++) {
        shift_piece(e, o, w, n, r);
        if (n + 1 < pieces)
            store(e, d, cell(e, n));
    }
    if (pieces == 4) { /* the last two, the first two, all */
        v_load(e, w->t[0], cell(e, 2));
        reg_reg(e, OP_PACKUSDW, w->t[0], d);
        v_load(e, d, cell(e, 0));
        v_unary(e, OP_PACKUSDW, d, cell(e, 1));
    } else if (pieces == 2) {
        v_load(e, w->t[0], cell(e, 0));
        reg_reg(e, OP_PACKUSDW, w->t[0], d);
        v_load(e, d, v_reg(w->t[0]));
    } else {
        reg_reg(e, OP_PACKUSDW, d, d);
    }
    if (v_element(o) == 0)
        reg_reg(e, OP_PACKUSWB, d, pieces == 4 ? w->t[0] : d);
}

bool emit_vector_shift(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;
    unsigned r;

    if (o->code != IR_vshift || e->level < DBT_LEVEL_V3)
        return false;
    if (v_element(o) == 3 && o->attr2 & IR_V_SIGNED && o->attr2 & (IR_V_ROUND | IR_V_SATURATE))
        return false;
    r = reg_take(e, CLASS_INT);
    v_begin(e, i, 2, &w);
    if (v_element(o) >= 2)
        shift_large(e, o, &w, r);
    else
        shift_small(e, o, &w, r);
    v_lane0(e, o, w.d);
    return true;
}
