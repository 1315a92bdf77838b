/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Vector operations that move single elements and halves, between registers of both classes too. */
#include "arch/x86_64/emit/vector.h"

static unsigned bytes_of(const struct ir_op *o)
{
    return ir_type_size(o->attr);
}

static void with_imm(struct emitter *e, unsigned op, bool w, unsigned reg, unsigned rm,
                     unsigned imm)
{
    as_rr(&e->as, op, w, reg, rm);
    as_8(&e->as, imm);
}

static void shuffle(struct emitter *e, unsigned op, unsigned d, struct operand a, unsigned imm)
{
    v_unary(e, op, d, a);
    as_8(&e->as, imm);
}

/* ---- Scalars ---- */

static bool from_scalar(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned a = use_reg(e, o->arg[0]), d = result_reg_apart(e, i, 0);

    if (o->attr == IR_I64)
        as_rr(&e->as, OP_MOVD_TO_XMM, true, d, a);
    else if (o->attr == IR_F64)
        as_rr(&e->as, OP_MOVQ_LOAD, false, d, a);
    else
        with_imm(e, OP_INSERTPS, false, d, a, 0x0e);
    return true;
}

static bool extend_half(struct emitter *e, unsigned i)
{
    struct operand a = use(e, op_of(e, (ir_value)i)->arg[0]);
    unsigned d = result_reg_apart(e, i, 0);

    v_unary(e, OP_MOVQ_LOAD, d, a);
    return true;
}

static bool get_lane(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned a = use_reg(e, o->arg[0]), d = result_reg(e, i), lane = (unsigned)o->imm;
    bool is_signed = o->attr2 & IR_V_SIGNED;

    switch (bytes_of(o)) {
    case 1:
        with_imm(e, OP_PEXTRB, false, a, d, lane);
        if (is_signed)
            as_rr(&e->as, OP_MOVSX8, true, d, d);
        break;
    case 2:
        with_imm(e, OP_PEXTRW, false, d, a, lane);
        if (is_signed)
            as_rr(&e->as, OP_MOVSX16, true, d, d);
        break;
    default:
        if (lane)
            with_imm(e, OP_PEXTRD, bytes_of(o) == 8, a, d, lane);
        else
            as_rr(&e->as, OP_MOVD_FROM_XMM, bytes_of(o) == 8, a, d);
        if (is_signed && bytes_of(o) == 4)
            as_rr(&e->as, OP_MOVSXD, true, d, d);
        break;
    }
    return true;
}

static void put_lane(struct emitter *e, unsigned size, unsigned d, unsigned from, unsigned lane)
{
    unsigned op = size == 1 ? OP_PINSRB : size == 2 ? OP_PINSRW : OP_PINSRD;

    with_imm(e, op, size == 8, d, from, lane);
}

static bool set_lane(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned from = use_reg(e, o->arg[1]), d;
    struct operand a = use(e, o->arg[0]);

    d = result_reg_apart(e, i, a.kind == IN_REG ? 1u << a.reg : 0);
    v_load(e, d, a);
    put_lane(e, bytes_of(o), d, from, (unsigned)o->imm);
    return true;
}

/* A double word of either register into each half of the result. */
static void copy_double(struct emitter *e, struct v_work *w, unsigned to, unsigned from)
{
    v_load(e, w->d, w->in[to ? 0 : 1]);
    shuffle(e, OP_SHUFPD, w->d, w->in[to ? 1 : 0], to ? from << 1 : from | 2);
}

static bool copy_lane(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned to = o->imm & 255, from = (unsigned)(o->imm >> 8), size = bytes_of(o), r;
    unsigned source;
    struct v_work w;

    if (size == 8) {
        v_begin(e, i, 0, &w);
        copy_double(e, &w, to, from);
        return true;
    }
    r = reg_take(e, CLASS_INT);
    v_begin(e, i, 1, &w);
    source = w.in[1].kind == IN_REG ? w.in[1].reg : w.t[0];
    v_load(e, source, w.in[1]);
    if (size == 4)
        with_imm(e, OP_PEXTRD, false, source, r, from);
    else if (size == 2)
        with_imm(e, OP_PEXTRW, false, r, source, from);
    else
        with_imm(e, OP_PEXTRB, false, source, r, from);
    v_load(e, w.d, w.in[0]);
    put_lane(e, size, w.d, r, to);
    return true;
}

/* ---- The same everywhere ---- */

static void splat_low(struct emitter *e, unsigned size, unsigned d)
{
    switch (size) {
    case 1:
        v_mask(e, OP_PSHUFB, d, MASK_SPLAT8);
        break;
    case 2:
        v_mask(e, OP_PSHUFB, d, MASK_SPLAT16);
        break;
    case 4:
        with_imm(e, OP_PSHUFD, false, d, d, 0);
        break;
    default:
        as_rr(&e->as, OP_PUNPCKLQDQ, false, d, d);
        break;
    }
}

static uint64_t repeated(unsigned size, uint64_t v)
{
    for (unsigned bits = 8 * size; bits < 64; bits *= 2)
        v = (v & (BIT(bits) - 1)) | v << bits;
    return v;
}

static bool splat_const(struct emitter *e, unsigned i, uint64_t v)
{
    unsigned d, r;

    if (v == 0 || v == UINT64_MAX) {
        d = result_reg_apart(e, i, 0);
        as_rr(&e->as, v ? OP_PCMPEQD : OP_PXOR, false, d, d);
        return true;
    }
    r = reg_take(e, CLASS_INT);
    d = result_reg_apart(e, i, 0);
    as_const(&e->as, r, v);
    as_rr(&e->as, OP_MOVD_TO_XMM, true, d, r);
    as_rr(&e->as, OP_PUNPCKLQDQ, false, d, d);
    return true;
}

static bool splat(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned a, d;
    int64_t c;

    if (value_const(e, o->arg[0], &c))
        return splat_const(e, i, repeated(bytes_of(o), (uint64_t)c));
    a = use_reg(e, o->arg[0]);
    d = result_reg_apart(e, i, 0);
    as_rr(&e->as, OP_MOVD_TO_XMM, true, d, a);
    splat_low(e, bytes_of(o), d);
    return true;
}

static bool splat_lane(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned lane = (unsigned)o->imm;
    struct v_work w;

    v_begin(e, i, 0, &w);
    switch (bytes_of(o)) {
    case 1:
    case 2:
        v_load(e, w.d, w.in[0]);
        v_mask(e, OP_PSHUFB, w.d, (bytes_of(o) == 1 ? MASK_SPLAT8 : MASK_SPLAT16) + lane);
        break;
    case 4:
        shuffle(e, OP_PSHUFD, w.d, w.in[0], lane * 0x55);
        break;
    default:
        shuffle(e, OP_PSHUFD, w.d, w.in[0], lane ? 0xee : 0x44);
        break;
    }
    return true;
}

static bool upper_half(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 0, &w);
    shuffle(e, OP_PSHUFD, w.d, w.in[0], 0xee);
    return true;
}

static bool join(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_binary(e, OP_PUNPCKLQDQ, w.d, w.in[0], w.in[1]);
    return true;
}

/* ---- Masks of a bit for each element ---- */

static bool collect(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned a = use_reg(e, o->arg[0]), d, t;

    switch (bytes_of(o)) {
    case 1:
        d = result_reg(e, i);
        as_rr(&e->as, OP_PMOVMSKB, false, d, a);
        break;
    case 2: /* saturated to bytes they keep their sign */
        t = reg_take(e, CLASS_FP);
        d = result_reg(e, i);
        v_load(e, t, v_reg(a));
        as_rr(&e->as, OP_PACKSSWB, false, t, t);
        as_rr(&e->as, OP_PMOVMSKB, false, d, t);
        as_rr(&e->as, OP_MOVZX8, false, d, d);
        break;
    default:
        d = result_reg(e, i);
        as_rr(&e->as, OP_MOVMSKPS | (bytes_of(o) == 8 ? P66 : 0), false, d, a);
        break;
    }
    return true;
}

/* The bits everywhere, of which each element keeps its own and compares. */
static bool expand(struct emitter *e, unsigned i)
{
    static const unsigned equal[] = {OP_PCMPEQB, OP_PCMPEQW, OP_PCMPEQD, OP_PCMPEQQ};
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned size = (unsigned)__builtin_ctz(bytes_of(o)), a, r, d;
    enum emit_mask own = MASK_EXPAND8 + size;

    a = use_reg(e, o->arg[0]);
    r = a;
    if (o->imm) {
        r = reg_take(e, CLASS_INT);
        move_reg(e, CLASS_INT, r, a);
        as_shift_imm(&e->as, DIGIT_SHR, true, r, (unsigned)o->imm);
    }
    d = result_reg_apart(e, i, 0);
    as_rr(&e->as, OP_MOVD_TO_XMM, true, d, r);
    switch (size) {
    case 0:
        v_mask(e, OP_PSHUFB, d, MASK_EXPAND_BYTES);
        break;
    default: /* the lowest byte everywhere */
        v_mask(e, OP_PSHUFB, d, MASK_SPLAT8);
        break;
    }
    v_mask(e, OP_PAND, d, own);
    v_mask(e, equal[size], d, own);
    return true;
}

bool emit_vector_place(struct emitter *e, unsigned i)
{
    switch (op_of(e, (ir_value)i)->code) {
    case IR_vfrom:
        return from_scalar(e, i);
    case IR_vzext:
        return extend_half(e, i);
    case IR_vhalf: /* the lower one is the whole */
        return upper_half(e, i);
    case IR_vjoin:
        return join(e, i);
    case IR_vlane:
        return get_lane(e, i);
    case IR_vinsert:
        return set_lane(e, i);
    case IR_vcopy:
        return copy_lane(e, i);
    case IR_vsplat:
        return splat(e, i);
    case IR_vsplatl:
        return splat_lane(e, i);
    case IR_vmask:
        return collect(e, i);
    case IR_vexpand:
        return expand(e, i);
    default:
        return false;
    }
}

bool emit_vector(struct emitter *e, unsigned i)
{
    return emit_vector_place(e, i) || emit_vector_integer(e, i) || emit_vector_saturating(e, i) ||
           emit_vector_shift(e, i) || emit_vector_fp(e, i) || emit_vector_estimate(e, i) ||
           emit_vector_crypto(e, i);
}
