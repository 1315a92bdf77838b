/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Integer vector operations in SSE4 and AVX2, on registers of 128 bits. A v64 is a register whose
 * upper half means nothing. Each operation takes its registers first; operands for which there is
 * none stay in memory. False: dbt_slow() does it.
 */
#include "arch/x86_64/emit/vector.h"

void v_op(struct emitter *e, unsigned op, unsigned d, unsigned a, struct operand b)
{
    if (e->level >= DBT_LEVEL_V3 && a != d) {
        if (b.kind == IN_MEMORY)
            as_vex_rm(&e->as, op, false, d, a, FRAME_BASE, b.disp);
        else
            as_vex_rr(&e->as, op, false, d, a, b.reg);
        return;
    }
    move_reg(e, CLASS_FP, d, a);
    v_unary(e, op, d, b);
}

void v_unary(struct emitter *e, unsigned op, unsigned d, struct operand a)
{
    if (a.kind == IN_MEMORY)
        as_rm(&e->as, op, false, d, FRAME_BASE, a.disp);
    else
        as_rr(&e->as, op, false, d, a.reg);
}

void v_mask(struct emitter *e, unsigned op, unsigned d, enum emit_mask mask)
{
    as_rip(&e->as, op, false, d, e->stub.masks + MASK_BYTES * (unsigned)mask, 0);
}

void v_shift(struct emitter *e, unsigned size, enum v_shift_digit digit, unsigned d, unsigned count)
{
    static const unsigned group[] = {0, OP_PSHIFT_W, OP_PSHIFT_D, OP_PSHIFT_Q};

    if (count == 0)
        return;
    as_rr(&e->as, group[size], false, digit, d);
    as_8(&e->as, count);
}

struct operand v_reg(unsigned reg)
{
    return (struct operand){.kind = IN_REG, .reg = (uint8_t)reg};
}

static uint32_t bit_of(struct operand o)
{
    return o.kind == IN_REG ? 1u << o.reg : 0;
}

/* An operand that may take one of `*room` scratch registers. */
static struct operand input(struct emitter *e, ir_value value, unsigned *room)
{
    struct operand o = where(e, value);

    if (o.kind == IN_MEMORY || (o.kind == IN_REG && o.reg >= SCRATCH_COUNT))
        return o;
    if (*room) {
        (*room)--;
        return use(e, value);
    }
    (void)use_home(e, value, &o);
    return o;
}

/* The operands, so that the result and `temporaries` more find a register. */
static void inputs(struct emitter *e, unsigned i, unsigned temporaries, struct v_work *w)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned room = SCRATCH_COUNT - 1 - temporaries;

    for (unsigned a = 0; a < ir_info[o->code].operand_count; a++) {
        bool again = a && o->arg[a] == o->arg[0];

        w->in[a] = again ? w->in[0] : input(e, o->arg[a], &room);
    }
}

static void take_result(struct emitter *e, unsigned i, struct v_work *w)
{
    uint32_t reads = 0;

    for (unsigned a = 0; a < ARRAY_SIZE(w->in); a++)
        reads |= bit_of(w->in[a]);
    w->d = result_reg_apart(e, i, reads);
}

void v_begin(struct emitter *e, unsigned i, unsigned temporaries, struct v_work *w)
{
    memset(w->in, 0, sizeof(w->in));
    inputs(e, i, temporaries, w);
    for (unsigned t = 0; t < temporaries; t++)
        w->t[t] = reg_take(e, CLASS_FP);
    take_result(e, i, w);
}

void v_begin_xmm0(struct emitter *e, unsigned i, struct v_work *w)
{
    memset(w->in, 0, sizeof(w->in));
    inputs(e, i, 2, w);
    reg_take_this(e, CLASS_FP, 0);
    w->t[0] = 0;
    w->t[1] = reg_take(e, CLASS_FP);
    take_result(e, i, w);
}

void v_load(struct emitter *e, unsigned reg, struct operand o)
{
    load_value(e, IR_V128, reg, o);
}

void v_binary(struct emitter *e, unsigned op, unsigned d, struct operand a, struct operand b)
{
    if (a.kind == IN_MEMORY) {
        v_load(e, d, a);
        v_unary(e, op, d, b);
    } else {
        v_op(e, op, d, a.reg, b);
    }
}

void v_copy_shift(struct emitter *e, unsigned size, enum v_shift_digit digit, unsigned d,
                  struct operand a, unsigned count)
{
    v_load(e, d, a);
    v_shift(e, size, digit, d, count);
}

void v_zeros(struct emitter *e, unsigned reg)
{
    as_rr(&e->as, OP_PXOR, false, reg, reg);
}

void v_ones(struct emitter *e, unsigned reg)
{
    as_rr(&e->as, OP_PCMPEQD, false, reg, reg);
}

static void shuffle(struct emitter *e, unsigned op, unsigned d, struct operand a, unsigned imm)
{
    v_unary(e, op, d, a);
    as_8(&e->as, imm);
}

/* ---- Logic and simple arithmetic ---- */

const struct v_by_size v_sum = {{OP_PADDB, OP_PADDW, OP_PADDD, OP_PADDQ}},
                       v_difference = {{OP_PSUBB, OP_PSUBW, OP_PSUBD, OP_PSUBQ}},
                       v_equal = {{OP_PCMPEQB, OP_PCMPEQW, OP_PCMPEQD, OP_PCMPEQQ}},
                       v_greater = {{OP_PCMPGTB, OP_PCMPGTW, OP_PCMPGTD, OP_PCMPGTQ}};
static const struct v_by_size signed_min = {{OP_PMINSB, OP_PMINSW, OP_PMINSD, 0}},
                              unsigned_min = {{OP_PMINUB, OP_PMINUW, OP_PMINUD, 0}},
                              signed_max = {{OP_PMAXSB, OP_PMAXSW, OP_PMAXSD, 0}},
                              unsigned_max = {{OP_PMAXUB, OP_PMAXUW, OP_PMAXUD, 0}},
                              product = {{0, OP_PMULLW, OP_PMULLD, 0}},
                              absolute = {{OP_PABSB, OP_PABSW, OP_PABSD, 0}},
                              low_zip = {{OP_PUNPCKLBW, OP_PUNPCKLWD, OP_PUNPCKLDQ, OP_PUNPCKLQDQ}},
                              high_zip = {{OP_PUNPCKHBW, OP_PUNPCKHWD, OP_PUNPCKHDQ,
                                           OP_PUNPCKHQDQ}},
                              average = {{OP_PAVGB, OP_PAVGW, 0, 0}};

static bool binary(struct emitter *e, unsigned i, unsigned op)
{
    struct v_work w;

    if (!op)
        return false;
    v_begin(e, i, 0, &w);
    v_binary(e, op, w.d, w.in[0], w.in[1]);
    return true;
}

/* first op second, the other way round */
static bool reversed(struct emitter *e, unsigned i, unsigned op)
{
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_binary(e, op, w.d, w.in[1], w.in[0]);
    return true;
}

static bool invert(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_ones(e, w.d);
    v_unary(e, OP_PXOR, w.d, w.in[0]);
    return true;
}

/* ((second ^ third) & first) ^ third */
static bool select_bits(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_binary(e, OP_PXOR, w.d, w.in[1], w.in[2]);
    v_unary(e, OP_PAND, w.d, w.in[0]);
    v_unary(e, OP_PXOR, w.d, w.in[2]);
    return true;
}

void v_keep_bytes(struct emitter *e, unsigned d, unsigned bytes)
{
    if (bytes == 8) {
        as_rr(&e->as, OP_MOVQ_LOAD, false, d, d);
        return;
    }
    as_rr(&e->as, OP_PSHIFT_Q, false, V_SLL_BYTES, d);
    as_8(&e->as, VECTOR_SIZE - bytes);
    as_rr(&e->as, OP_PSHIFT_Q, false, V_SRL_BYTES, d);
    as_8(&e->as, VECTOR_SIZE - bytes);
}

void v_lane0(struct emitter *e, const struct ir_op *o, unsigned d)
{
    if (o->attr2 & IR_V_LANE0)
        v_keep_bytes(e, d, ir_type_size(o->attr));
}

static bool arithmetic(struct emitter *e, unsigned i, unsigned op)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    if (!op)
        return false;
    v_begin(e, i, 0, &w);
    v_binary(e, op, w.d, w.in[0], w.in[1]);
    v_lane0(e, o, w.d);
    return true;
}

/* Even and odd bytes by themselves. */
static bool multiply_bytes(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 1, &w);
    v_copy_shift(e, 1, V_SRL, w.t[0], w.in[0], 8);
    v_copy_shift(e, 1, V_SRL, w.d, w.in[1], 8);
    v_unary(e, OP_PMULLW, w.d, v_reg(w.t[0]));
    v_shift(e, 1, V_SLL, w.d, 8);
    v_binary(e, OP_PMULLW, w.t[0], w.in[0], w.in[1]);
    v_shift(e, 1, V_SLL, w.t[0], 8);
    v_shift(e, 1, V_SRL, w.t[0], 8);
    v_unary(e, OP_POR, w.d, v_reg(w.t[0]));
    return true;
}

static bool negate(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_zeros(e, w.d);
    v_unary(e, v_difference.op[v_element(o)], w.d, w.in[0]);
    v_lane0(e, o, w.d);
    return true;
}

static bool magnitude(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    if (v_element(o) < 3) {
        v_begin(e, i, 0, &w);
        v_unary(e, absolute.op[v_element(o)], w.d, w.in[0]);
        v_lane0(e, o, w.d);
        return true;
    }
    v_begin(e, i, 1, &w);
    v_zeros(e, w.t[0]);
    v_unary(e, OP_PCMPGTQ, w.t[0], w.in[0]);
    v_load(e, w.d, w.in[0]);
    v_unary(e, OP_PXOR, w.d, v_reg(w.t[0]));
    v_unary(e, OP_PSUBQ, w.d, v_reg(w.t[0]));
    v_lane0(e, o, w.d);
    return true;
}

static unsigned min_max_op(const struct ir_op *o, bool max)
{
    bool is_signed = o->attr2 & IR_V_SIGNED;
    const struct v_by_size *t =
        max ? (is_signed ? &signed_max : &unsigned_max) : (is_signed ? &signed_min : &unsigned_min);

    return t->op[v_element(o)];
}

/* ---- Comparisons ---- */

/* Is a at least (at most) b, unsigned: it is the greater (lesser) of both then. */
static void compare_unsigned(struct emitter *e, const struct ir_op *o, struct v_work *w, bool most)
{
    v_binary(e, (most ? &unsigned_min : &unsigned_max)->op[v_element(o)], w->d, w->in[0], w->in[1]);
    v_unary(e, v_equal.op[v_element(o)], w->d, w->in[0]);
}

/* d = a > b, of 64 bits without signs */
static void greater_unsigned64(struct emitter *e, struct v_work *w, struct operand a,
                               struct operand b)
{
    v_load(e, w->d, a);
    v_mask(e, OP_PXOR, w->d, MASK_EACH_SIGN64);
    v_load(e, w->t[0], b);
    v_mask(e, OP_PXOR, w->t[0], MASK_EACH_SIGN64);
    v_unary(e, OP_PCMPGTQ, w->d, v_reg(w->t[0]));
}

static bool compare(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    enum ir_cc cc = (enum ir_cc)o->imm;
    bool swap = cc == IR_LTS || cc == IR_GES || cc == IR_LTU || cc == IR_GEU;
    bool flip = cc == IR_NE || cc == IR_GES || cc == IR_LES;
    bool is_unsigned = cc >= IR_LTU && cc <= IR_GTU, wide = v_element(o) == 3;
    struct v_work w;

    v_begin(e, i, 1, &w);
    if (is_unsigned && wide) {
        greater_unsigned64(e, &w, w.in[swap], w.in[!swap]);
        flip = cc == IR_LEU || cc == IR_GEU;
    } else if (is_unsigned) {
        compare_unsigned(e, o, &w, cc == IR_LEU || cc == IR_GTU);
        flip = cc == IR_LTU || cc == IR_GTU;
    } else {
        const struct v_by_size *t = cc == IR_EQ || cc == IR_NE ? &v_equal : &v_greater;

        v_binary(e, t->op[v_element(o)], w.d, w.in[swap], w.in[!swap]);
    }
    if (flip) {
        v_ones(e, w.t[0]);
        v_unary(e, OP_PXOR, w.d, v_reg(w.t[0]));
    }
    v_lane0(e, o, w.d);
    return true;
}

/* ---- Shifts ---- */

static bool shift_left(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned count = (unsigned)o->imm;
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_copy_shift(e, MAX(v_element(o), 1u), V_SLL, w.d, w.in[0], count);
    if (v_element(o) == 0)
        v_mask(e, OP_PAND, w.d, MASK_LEFT8 + count);
    v_lane0(e, o, w.d);
    return true;
}

/* Bytes with signs: the odd ones as they lie, the even ones moved up. */
static void shift_signed_bytes(struct emitter *e, struct v_work *w, unsigned count)
{
    v_copy_shift(e, 1, V_SLL, w->t[0], w->in[0], 8);
    v_shift(e, 1, V_SRA, w->t[0], count);
    v_shift(e, 1, V_SRL, w->t[0], 8);
    v_copy_shift(e, 1, V_SRA, w->d, w->in[0], count + 8);
    v_shift(e, 1, V_SLL, w->d, 8);
    v_unary(e, OP_POR, w->d, v_reg(w->t[0]));
}

/* ~(~a >> count) where a is negative. */
static void shift_signed64(struct emitter *e, struct v_work *w, unsigned count)
{
    v_zeros(e, w->t[0]);
    v_unary(e, OP_PCMPGTQ, w->t[0], w->in[0]);
    v_binary(e, OP_PXOR, w->d, w->in[0], v_reg(w->t[0]));
    v_shift(e, 3, V_SRL, w->d, count);
    v_unary(e, OP_PXOR, w->d, v_reg(w->t[0]));
}

static void shift_right_by(struct emitter *e, const struct ir_op *o, struct v_work *w)
{
    unsigned size = v_element(o), bits = 8u << size, count = (unsigned)o->imm;
    bool is_signed = o->attr2 & IR_V_SIGNED;

    if (is_signed && count == bits)
        count--;
    if (is_signed && size == 0)
        shift_signed_bytes(e, w, count);
    else if (is_signed && size == 3)
        shift_signed64(e, w, count);
    else
        v_copy_shift(e, MAX(size, 1u), is_signed ? V_SRA : V_SRL, w->d, w->in[0], count);
    if (!is_signed && size == 0)
        v_mask(e, OP_PAND, w->d, MASK_RIGHT8 + count);
}

static bool shift_right(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned size = v_element(o), bits = 8u << size;
    struct v_work w;

    v_begin(e, i, 1, &w);
    shift_right_by(e, o, &w);
    if (o->attr2 & IR_V_ROUND) { /* the highest bit that went */
        if (size == 0) {
            v_copy_shift(e, 1, V_SRL, w.t[0], w.in[0], (unsigned)o->imm - 1);
            v_mask(e, OP_PAND, w.t[0], MASK_RIGHT8 + 7);
        } else {
            v_copy_shift(e, size, V_SLL, w.t[0], w.in[0], bits - (unsigned)o->imm);
            v_shift(e, size, V_SRL, w.t[0], bits - 1);
        }
        v_unary(e, v_sum.op[size], w.d, v_reg(w.t[0]));
    }
    v_lane0(e, o, w.d);
    return true;
}

/* `mask` has the bits that come from the second. */
static void insert_bytes(struct emitter *e, struct v_work *w, bool left, enum emit_mask mask)
{
    unsigned count = mask - (left ? MASK_LEFT8 : MASK_RIGHT8);

    v_copy_shift(e, 1, left ? V_SLL : V_SRL, w->d, w->in[1], count);
    v_mask(e, OP_PAND, w->d, mask);
    v_mask(e, OP_MOVUPS_LOAD, w->t[0], mask);
    v_unary(e, OP_PANDN, w->t[0], w->in[0]);
    v_unary(e, OP_POR, w->d, v_reg(w->t[0]));
}

/* Second shifted, beside what the first keeps. */
static bool shift_insert(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned size = v_element(o), bits = 8u << size, count = (unsigned)o->imm;
    bool left = o->code == IR_vsli;
    struct v_work w;

    v_begin(e, i, 1, &w);
    if (size == 0) {
        insert_bytes(e, &w, left, left ? MASK_LEFT8 + count : MASK_RIGHT8 + count);
        v_lane0(e, o, w.d);
        return true;
    }
    v_copy_shift(e, size, left ? V_SLL : V_SRL, w.t[0], w.in[0], bits - count);
    v_shift(e, size, left ? V_SRL : V_SLL, w.t[0], bits - count);
    if (count == 0 && left) /* nothing is kept */
        v_zeros(e, w.t[0]);
    v_copy_shift(e, size, left ? V_SLL : V_SRL, w.d, w.in[1], count);
    v_unary(e, OP_POR, w.d, v_reg(w.t[0]));
    v_lane0(e, o, w.d);
    return true;
}

/* ---- Wider and narrower ---- */

static bool narrow(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    v_begin(e, i, 0, &w);
    if (v_element(o) == 2) {
        shuffle(e, OP_PSHUFD, w.d, w.in[0], 0x08);
        return true;
    }
    v_load(e, w.d, w.in[0]);
    v_mask(e, OP_PSHUFB, w.d, v_element(o) ? MASK_NARROW16 : MASK_NARROW8);
    return true;
}

static unsigned widen_op(const struct ir_op *o)
{
    static const struct v_by_size sign = {{OP_PMOVSXBW, OP_PMOVSXWD, OP_PMOVSXDQ, 0}},
                                  zero = {{OP_PMOVZXBW, OP_PMOVZXWD, OP_PMOVZXDQ, 0}};

    return (o->attr2 & IR_V_SIGNED ? &sign : &zero)->op[v_element(o)];
}

static bool widen(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_unary(e, widen_op(o), w.d, w.in[0]);
    return true;
}

static bool multiply_long(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool is_signed = o->attr2 & IR_V_SIGNED;
    struct v_work w;

    v_begin(e, i, 1, &w);
    if (v_element(o) == 2) {
        shuffle(e, OP_PSHUFD, w.d, w.in[0], 0x50);
        shuffle(e, OP_PSHUFD, w.t[0], w.in[1], 0x50);
        v_unary(e, is_signed ? OP_PMULDQ : OP_PMULUDQ, w.d, v_reg(w.t[0]));
        return true;
    }
    v_unary(e, widen_op(o), w.d, w.in[0]);
    v_unary(e, widen_op(o), w.t[0], w.in[1]);
    v_unary(e, v_element(o) ? OP_PMULLD : OP_PMULLW, w.d, v_reg(w.t[0]));
    return true;
}

/* Even bytes and odd bytes as words: their products are added in pairs. */
static bool dot(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    enum v_shift_digit down = o->attr2 & IR_V_SIGNED ? V_SRA : V_SRL;
    struct v_work w;

    v_begin(e, i, 2, &w);
    v_load(e, w.d, w.in[0]);
    for (unsigned odd = 0; odd < 2; odd++) {
        for (unsigned t = 0; t < 2; t++) {
            v_copy_shift(e, 1, V_SLL, w.t[t], w.in[1 + t], odd ? 0 : 8);
            v_shift(e, 1, down, w.t[t], 8);
        }
        v_unary(e, OP_PMADDWD, w.t[0], v_reg(w.t[1]));
        v_unary(e, OP_PADDD, w.d, v_reg(w.t[0]));
    }
    return true;
}

/* ---- Bits of bytes, by halves of a byte ---- */

/* d = of both halves of each byte what the tables say, put together by `op`. */
static void nibbles(struct emitter *e, const struct v_work *w, enum emit_mask low,
                    enum emit_mask high, unsigned op)
{
    unsigned t = w->t[0], u = w->t[1];

    v_load(e, t, w->in[0]);
    v_mask(e, OP_PAND, t, MASK_NIBBLE);
    v_mask(e, OP_MOVUPS_LOAD, w->d, low);
    v_unary(e, OP_PSHUFB, w->d, v_reg(t));
    v_copy_shift(e, 1, V_SRL, t, w->in[0], 4);
    v_mask(e, OP_PAND, t, MASK_NIBBLE);
    v_mask(e, OP_MOVUPS_LOAD, u, high);
    v_unary(e, OP_PSHUFB, u, v_reg(t));
    v_unary(e, op, w->d, v_reg(u));
}

static bool by_nibbles(struct emitter *e, unsigned i, enum emit_mask low, enum emit_mask high)
{
    struct v_work w;

    v_begin(e, i, 2, &w);
    nibbles(e, &w, low, high, OP_PADDB);
    return true;
}

/* Zeros of pairs from those of their halves of `bits`: the lower one counts where the upper one is
 * nothing else. */
static void join_zeros(struct emitter *e, const struct v_work *w, unsigned size, enum emit_mask all)
{
    unsigned bits = 8u << size;

    v_load(e, w->t[0], v_reg(w->d));
    v_mask(e, v_equal.op[size], w->t[0], all);
    v_shift(e, size + 1, V_SRL, w->t[0], bits);
    as_rr(&e->as, OP_PAND, false, w->t[0], w->d);
    v_shift(e, size + 1, V_SRL, w->d, bits);
    as_rr(&e->as, (unsigned)v_sum.op[size + 1], false, w->d, w->t[0]);
}

static bool leading_zeros(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    if (v_element(o) == 3)
        return false;
    v_begin(e, i, 2, &w);
    nibbles(e, &w, MASK_ZEROS_LOW, MASK_ZEROS_HIGH, OP_PMINUB);
    if (v_element(o) >= 1)
        join_zeros(e, &w, 0, MASK_EACH_8);
    if (v_element(o) == 2)
        join_zeros(e, &w, 1, MASK_EACH_16);
    return true;
}

/* ---- Places ---- */

static bool reverse(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned size = v_element(o), within = v_log2((unsigned)o->imm);
    struct v_work w;

    v_begin(e, i, 0, &w);
    if (size == 2) {
        shuffle(e, OP_PSHUFD, w.d, w.in[0], 0xb1);
        return true;
    }
    v_load(e, w.d, w.in[0]);
    v_mask(e, OP_PSHUFB, w.d, (size ? MASK_REVERSE16 : MASK_REVERSE8) + within - size - 1);
    return true;
}

static bool extract_bytes(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    v_begin(e, i, 0, &w);
    if (o->type == IR_V64) {
        v_binary(e, OP_PUNPCKLQDQ, w.d, w.in[0], w.in[1]);
        as_rr(&e->as, OP_PSHIFT_Q, false, V_SRL_BYTES, w.d);
    } else {
        v_load(e, w.d, w.in[1]);
        v_unary(e, OP_PALIGNR, w.d, w.in[0]);
    }
    as_8(&e->as, (unsigned)o->imm);
    return true;
}

static void upper_half_down(struct emitter *e, unsigned d)
{
    shuffle(e, OP_PSHUFD, d, v_reg(d), 0xee);
}

static bool zip(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool high = o->attr2 & IR_V_HIGH;
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_binary(e, (high && o->type == IR_V128 ? &high_zip : &low_zip)->op[v_element(o)], w.d, w.in[0],
             w.in[1]);
    if (high && o->type == IR_V64)
        upper_half_down(e, w.d);
    return true;
}

/* Within a v64: both in one register, even elements below odd ones. */
static bool unzip_short(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_binary(e, OP_PUNPCKLQDQ, w.d, w.in[0], w.in[1]);
    if (v_element(o) == 2)
        shuffle(e, OP_PSHUFD, w.d, v_reg(w.d), 0xd8);
    else
        v_mask(e, OP_PSHUFB, w.d, v_element(o) ? MASK_UNZIP16 : MASK_UNZIP8);
    if (o->attr2 & IR_V_HIGH)
        upper_half_down(e, w.d);
    return true;
}

static bool unzip(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool high = o->attr2 & IR_V_HIGH;
    enum emit_mask mask = v_element(o) ? MASK_UNZIP16 : MASK_UNZIP8;
    struct v_work w;

    if (o->type == IR_V64)
        return unzip_short(e, i);
    v_begin(e, i, 1, &w);
    v_load(e, w.d, w.in[0]);
    if (v_element(o) == 2) {
        shuffle(e, OP_SHUFPS, w.d, w.in[1], high ? 0xdd : 0x88);
        return true;
    }
    if (v_element(o) < 2) {
        v_load(e, w.t[0], w.in[1]);
        v_mask(e, OP_PSHUFB, w.d, mask);
        v_mask(e, OP_PSHUFB, w.t[0], mask);
        w.in[1] = v_reg(w.t[0]);
    }
    v_unary(e, high ? OP_PUNPCKHQDQ : OP_PUNPCKLQDQ, w.d, w.in[1]);
    return true;
}

static bool transpose(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned size = v_element(o), bits = 8u << size;
    bool high = o->attr2 & IR_V_HIGH;
    struct v_work w;

    if (size == 3)
        return binary(e, i, high ? OP_PUNPCKHQDQ : OP_PUNPCKLQDQ);
    v_begin(e, i, 1, &w);
    v_load(e, w.d, w.in[0]);
    if (!high)
        v_shift(e, size + 1, V_SLL, w.d, bits);
    v_shift(e, size + 1, V_SRL, w.d, bits);
    v_load(e, w.t[0], w.in[1]);
    if (high)
        v_shift(e, size + 1, V_SRL, w.t[0], bits);
    v_shift(e, size + 1, V_SLL, w.t[0], bits);
    v_unary(e, OP_POR, w.d, v_reg(w.t[0]));
    return true;
}

/* Indices from 16 on get their top bit, which gives 0. */
static bool table(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 1, &w);
    v_load(e, w.t[0], w.in[1]);
    v_mask(e, OP_PADDUSB, w.t[0], MASK_TABLE);
    v_load(e, w.d, w.in[0]);
    v_unary(e, OP_PSHUFB, w.d, v_reg(w.t[0]));
    return true;
}

bool emit_vector_integer(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);

    switch (o->code) {
    case IR_vand:
        return binary(e, i, OP_PAND);
    case IR_vor:
        return binary(e, i, OP_POR);
    case IR_vxor:
        return binary(e, i, OP_PXOR);
    case IR_vandn:
        return reversed(e, i, OP_PANDN);
    case IR_vnot:
        return invert(e, i);
    case IR_vselect:
        return select_bits(e, i);
    case IR_vadd:
        return arithmetic(e, i, v_sum.op[v_element(o)]);
    case IR_vsub:
        return arithmetic(e, i, v_difference.op[v_element(o)]);
    case IR_vmul:
        return v_element(o) ? arithmetic(e, i, product.op[v_element(o)]) : multiply_bytes(e, i);
    case IR_vneg:
        return negate(e, i);
    case IR_vabs:
        return magnitude(e, i);
    case IR_vmin:
    case IR_vmax:
        return binary(e, i, min_max_op(o, o->code == IR_vmax));
    case IR_vcmp:
        return compare(e, i);
    case IR_vavg:
        return o->attr2 == IR_V_ROUND && binary(e, i, average.op[v_element(o)]);
    case IR_vshl:
        return shift_left(e, i);
    case IR_vshr:
        return shift_right(e, i);
    case IR_vsli:
    case IR_vsri:
        return shift_insert(e, i);
    case IR_vnarrow:
        return narrow(e, i);
    case IR_vwiden:
        return widen(e, i);
    case IR_vmull:
        return multiply_long(e, i);
    case IR_vdot:
        return dot(e, i);
    case IR_vclz:
        return leading_zeros(e, i);
    case IR_vpopcount:
        return by_nibbles(e, i, MASK_POPCOUNT, MASK_POPCOUNT);
    case IR_vbitrev:
        return by_nibbles(e, i, MASK_BITREV_LOW, MASK_BITREV_HIGH);
    case IR_vreverse:
        return reverse(e, i);
    case IR_vext:
        return extract_bytes(e, i);
    case IR_vzip:
        return zip(e, i);
    case IR_vunzip:
        return unzip(e, i);
    case IR_vtrn:
        return transpose(e, i);
    case IR_vtable:
        return table(e, i);
    default:
        return false;
    }
}
