/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Floating point in the host's registers. The host's sticky flags collect the guest's. A result
 * that is a NaN goes to dbt_slow(), which knows which NaN it is and what it raises; so do rounding
 * modes other than to nearest, flushing, and conversions that do not fit; and for guests that see
 * tininess before rounding (DBT_FP_ARM) results that are the smallest normal number.
 */
#include "arch/x86_64/emit/emit.h"

#define OP_ROUNDSS         (0x0f3a0au | P66) /* ROUNDSD: one more */
#define ROUND_QUIET        8u                /* no Inexact */
#define VEX_FMADD231       (0x0f38b9u | P66) /* W: f64 */
#define VEX_NEGATE_ADDEND  2u                /* VFMSUB, VFNMADD, VFNMSUB are that far from it */
#define VEX_NEGATE_PRODUCT 4u

struct layout {
    unsigned stored, bias; /* bits of the fraction, of the exponent */
};

static const struct layout *layout_of(enum ir_type t)
{
    static const struct layout f32 = {23, 127}, f64 = {52, 1023};

    return t == IR_F64 ? &f64 : &f32;
}

/* The scalar instruction for f64, from that for f32. */
static unsigned scalar(unsigned op, enum ir_type t)
{
    return t == IR_F64 ? (op & 0xffffffu) | PF2 : op;
}

static unsigned compare_op(unsigned op, enum ir_type t)
{
    return t == IR_F64 ? op | P66 : op;
}

static struct operand in_reg(unsigned reg)
{
    return (struct operand){.kind = IN_REG, .reg = (uint8_t)reg};
}

static uint32_t bit_of(struct operand o)
{
    return o.kind == IN_REG ? 1u << o.reg : 0;
}

/* d = d op o */
static void scalar_op(struct emitter *e, unsigned op, unsigned d, struct operand o)
{
    if (o.kind == IN_MEMORY)
        as_rm(&e->as, op, false, d, FRAME_BASE, o.disp);
    else
        as_rr(&e->as, op, false, d, o.reg);
}

/* d = a op b; `d` is neither, unless `a` is in a register and there are three operands. */
static void apart_op(struct emitter *e, unsigned op, unsigned d, struct operand a, struct operand b)
{
    if (e->level < DBT_LEVEL_V3 || a.kind != IN_REG) {
        load_operand(e, CLASS_FP, d, a);
        scalar_op(e, op, d, b);
    } else if (b.kind == IN_MEMORY) {
        as_vex_rm(&e->as, op, false, d, a.reg, FRAME_BASE, b.disp);
    } else {
        as_vex_rr(&e->as, op, false, d, a.reg, b.reg);
    }
}

static const uint8_t *mask_at(const struct emitter *e, enum emit_mask mask)
{
    return e->stub.masks + MASK_BYTES * (unsigned)mask;
}

static void with_mask(struct emitter *e, unsigned op, unsigned d, enum emit_mask mask)
{
    as_rip(&e->as, op, false, d, mask_at(e, mask), 0);
}

/* Whichever NaN comes out, it is the guest's only one, with the flags that the host raised.
 * Products added raise fewer: of 0 and infinity to a quiet NaN (SDM volume 1, 14.5.1). */
static bool any_nan(const struct emitter *e, const struct ir_op *op)
{
    return e->dialect->fp == DBT_FP_RISCV &&
           (op->code == IR_fadd || op->code == IR_fsub || op->code == IR_fmul ||
            op->code == IR_fdiv || op->code == IR_fsqrt || op->code == IR_fconv);
}

bool is_blind(const struct emitter *e, const struct ir_op *op)
{
    switch (op->code) {
    case IR_fadd:
    case IR_fsub:
    case IR_fmul:
    case IR_fdiv:
    case IR_fsqrt:
    case IR_fconv:
    case IR_fma:
    case IR_fmin:
    case IR_fmax:
    case IR_fcmp:
    case IR_ftoi:
    case IR_frint:
        return true;
    case IR_set:
        return e->pin[op->imm] != REG_NONE;
    default:
        return false;
    }
}

/* A NaN in `d` goes to C, or becomes the only one, if not now then later. */
static void check_nan(struct emitter *e, unsigned i, unsigned d, const struct operand operand[3])
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct cold *cold;

    if (any_nan(e, op)) {
        e->value[i].loose = op->type == IR_F64;
        e->made_loose |= e->value[i].loose;
        if (!e->value[i].loose)
            cold_nan(e, op->type, d);
        return;
    }
    as_rr(&e->as, compare_op(OP_UCOMISS, op->type), false, d, d);
    cold = cold_slow(e, i, as_jcc(&e->as, CC_P), d, operand);
    cold->back = e->as.p;
}

/* ... and, of operations whose result may be tiny and inexact, the smallest normal number, of both
 * signs: "equal" is "unordered" too. */
static void check_result(struct emitter *e, unsigned i, unsigned d, const struct operand operand[3])
{
    enum ir_type t = op_of(e, (ir_value)i)->type;
    unsigned op = compare_op(OP_UCOMISS, t), positive = reg_spare(e, CLASS_FP);
    struct cold *cold;

    if (e->dialect->fp != DBT_FP_ARM) {
        check_nan(e, i, d, operand);
        return;
    }
    if (e->level >= DBT_LEVEL_V3 && positive != REG_NONE) {
        as_vex_rip(&e->as, OP_ANDPS, false, positive, d,
                   mask_at(e, t == IR_F64 ? MASK_REST64 : MASK_REST32));
        with_mask(e, op, positive, t == IR_F64 ? MASK_EACH_LEAST64 : MASK_EACH_LEAST32);
        cold = cold_slow(e, i, as_jcc(&e->as, CC_E), d, operand);
        cold->back = e->as.p;
        return;
    }
    with_mask(e, op, d, t == IR_F64 ? MASK_EACH_LEAST64 : MASK_EACH_LEAST32);
    cold = cold_slow(e, i, as_jcc(&e->as, CC_E), d, operand);
    with_mask(e, op, d, t == IR_F64 ? MASK_MINUS_LEAST64 : MASK_MINUS_LEAST32);
    cold->jump[cold->jump_count++] = as_jcc(&e->as, CC_E);
    cold->back = e->as.p;
}

static bool binary(struct emitter *e, unsigned i, unsigned op)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct operand operand[3] = {{0}};
    uint32_t reads;
    unsigned d;

    if (o->attr != IR_ROUND_NEAREST)
        return false;
    operand[0] = use(e, o->arg[0]);
    operand[1] = use(e, o->arg[1]);
    reads = bit_of(operand[1]);
    if (!any_nan(e, o))
        reads |= bit_of(operand[0]); /* C wants both */
    else if (e->level >= DBT_LEVEL_V3 && operand[0].kind == IN_REG)
        reads = 0;
    d = result_reg_apart(e, i, reads);
    apart_op(e, scalar(op, o->type), d, operand[0], operand[1]);
    if (o->code == IR_fmul || o->code == IR_fdiv)
        check_result(e, i, d, operand);
    else
        check_nan(e, i, d, operand);
    return true;
}

/* Of one operand, of type `from`. */
static bool unary(struct emitter *e, unsigned i, unsigned op)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct operand operand[3] = {{0}};
    unsigned d;

    if (o->attr != IR_ROUND_NEAREST)
        return false;
    operand[0] = use(e, o->arg[0]);
    d = result_reg_apart(e, i, any_nan(e, o) ? 0 : bit_of(operand[0]));
    if (e->level >= DBT_LEVEL_V3 && operand[0].kind == IN_REG) {
        as_vex_rr(&e->as, op, false, d, operand[0].reg, operand[0].reg);
    } else {
        load_operand(e, CLASS_FP, d, operand[0]);
        as_rr(&e->as, op, false, d, d);
    }
    if (op == OP_CVTSD2SS)
        check_result(e, i, d, operand);
    else
        check_nan(e, i, d, operand);
    return true;
}

/* d = a, rounded to an integral value. */
static void round_to(struct emitter *e, enum ir_type t, unsigned d, unsigned a, enum ir_round round,
                     bool quiet)
{
    static const uint8_t modes[] = {
        [IR_ROUND_NEAREST] = 0, [IR_ROUND_ZERO] = 3, [IR_ROUND_DOWN] = 1, [IR_ROUND_UP] = 2};

    as_rr(&e->as, OP_ROUNDSS + (t == IR_F64), false, d, a);
    as_8(&e->as, modes[round] | (quiet ? ROUND_QUIET : 0));
}

/*
 * d = a, rounded to nearest with ties away from zero: what is left without the fraction, and the
 * fraction's double without its own; all of it is exact. A jump away for what may have no fraction,
 * NaNs among it. Uses fp register t and general register r.
 */
static uint8_t *round_away(struct emitter *e, enum ir_type type, unsigned d, unsigned a, unsigned t,
                           unsigned r, bool quiet)
{
    const struct layout *l = layout_of(type);
    uint8_t *large;

    as_rr(&e->as, OP_MOVD_FROM_XMM, type == IR_F64, a, r);
    as_rr(&e->as, OP_ADD, type == IR_F64, r, r); /* without the sign */
    as_shift_imm(&e->as, DIGIT_SHR, type == IR_F64, r, l->stored + 1);
    as_alu_imm(&e->as, OP_CMP, false, r, (int32_t)(l->bias + l->stored));
    large = as_jcc(&e->as, CC_AE);
    round_to(e, type, d, a, IR_ROUND_ZERO, quiet);
    move_reg(e, CLASS_FP, t, a);
    as_rr(&e->as, scalar(OP_SUBSS, type), false, t, d);
    as_rr(&e->as, scalar(OP_ADDSS, type), false, t, t);
    round_to(e, type, t, t, IR_ROUND_ZERO, true);
    as_rr(&e->as, scalar(OP_ADDSS, type), false, d, t);
    move_reg(e, CLASS_FP, t, a);
    with_mask(e, OP_ANDPS, t, type == IR_F64 ? MASK_SIGN64 : MASK_SIGN32);
    as_rr(&e->as, OP_ORPS, false, d, t); /* of zeros, too */
    return large;
}

static bool integral_away(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned a = use_reg(e, o->arg[0]), t = reg_take(e, CLASS_FP), r = reg_take(e, CLASS_INT), d;
    struct operand operand[3] = {in_reg(a)};

    d = result_reg_apart(e, i, 1u << a);
    cold_slow(e, i, round_away(e, o->type, d, a, t, r, true), d, operand)->back = e->as.p;
    return true;
}

/* To an integral value. */
static bool round_integral(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct operand operand[3] = {{0}};
    unsigned d;

    if (o->attr == IR_ROUND_AWAY && !o->attr2)
        return integral_away(e, i);
    if (o->attr >= IR_ROUND_AWAY)
        return false;
    operand[0] = use(e, o->arg[0]);
    d = result_reg_apart(e, i, bit_of(operand[0]));
    load_operand(e, CLASS_FP, d, operand[0]);
    round_to(e, o->type, d, d, o->attr, !o->attr2);
    check_nan(e, i, d, operand);
    return true;
}

static bool multiply_add(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned op = VEX_FMADD231, d, a;
    struct operand operand[3];
    int64_t c;

    if (o->attr != IR_ROUND_NEAREST || e->level < DBT_LEVEL_V3)
        return false;
    if (value_const(e, o->arg[1], &c) || value_const(e, o->arg[2], &c))
        return false;
    if (!is_pinned(e, o->arg[0]) && !is_pinned(e, o->arg[2]))
        (void)use_home(e, o->arg[1], &operand[1]); /* there are three registers */
    else
        operand[1] = use(e, o->arg[1]);
    a = use_reg(e, o->arg[0]);
    operand[0] = in_reg(a);
    operand[2] = where(e, o->arg[2]);
    op += (o->attr2 & IR_FMA_NEGATE_ADDEND ? VEX_NEGATE_ADDEND : 0) +
          (o->attr2 & IR_FMA_NEGATE_PRODUCT ? VEX_NEGATE_PRODUCT : 0);
    if (operand[2].kind == IN_REG && operand[2].reg < SCRATCH_COUNT)
        operand[2] = use(e, o->arg[2]);
    d = result_reg_apart(e, i, bit_of(operand[0]) | bit_of(operand[1]) | bit_of(operand[2]));
    load_operand(e, CLASS_FP, d, operand[2]);
    if (operand[1].kind == IN_MEMORY)
        as_vex_rm(&e->as, op, o->type == IR_F64, d, a, FRAME_BASE, operand[1].disp);
    else
        as_vex_rr(&e->as, op, o->type == IR_F64, d, a, operand[1].reg);
    check_result(e, i, d, operand);
    return true;
}

/* The lesser or greater number. Of two that are equal, which may be zeros, both signs count. */
static bool minmax(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool min = o->code == IR_fmin;
    struct operand operand[3] = {{0}};
    unsigned a, b, d;
    struct cold *cold;
    uint8_t *differ, *done;

    if (o->attr >= IR_FMIN_SECOND)
        return false;
    a = use_reg(e, o->arg[0]);
    b = use_reg(e, o->arg[1]);
    operand[0] = in_reg(a);
    operand[1] = in_reg(b);
    d = result_reg_apart(e, i, 1u << a | 1u << b);
    as_rr(&e->as, OP_MOVAPS, false, d, a);
    as_rr(&e->as, compare_op(OP_UCOMISS, o->type), false, a, b);
    cold = cold_slow(e, i, as_jcc(&e->as, CC_P), d, operand);
    differ = as_jcc(&e->as, CC_NE);
    as_rr(&e->as, min ? OP_ORPS : OP_ANDPS, false, d, b);
    done = as_jmp(&e->as);
    as_patch(differ, e->as.p);
    as_rr(&e->as, scalar(min ? OP_MINSS : OP_MAXSS, o->type), false, d, b);
    as_patch(done, e->as.p);
    cold->back = e->as.p;
    return true;
}

static bool compare(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool swapped = o->attr == IR_FCC_LT || o->attr == IR_FCC_LE;
    unsigned op = compare_op(o->imm ? OP_COMISS : OP_UCOMISS, o->attr2), a, d, t;
    struct operand b;
    static const uint8_t cc[IR_FCC_COUNT] = {
        [IR_FCC_EQ] = CC_E, [IR_FCC_LT] = CC_A, [IR_FCC_LE] = CC_AE, [IR_FCC_UNORDERED] = CC_P};

    if (o->attr & IR_FP_MODES)
        return false;
    a = use_reg(e, o->arg[swapped ? 1 : 0]);
    b = use(e, o->arg[swapped ? 0 : 1]);
    scalar_op(e, op, a, b);
    d = result_reg(e, i);
    as_rr(&e->as, OP_SETCC | cc[o->attr], false, 0, d);
    if (o->attr == IR_FCC_EQ) {
        t = reg_take(e, CLASS_INT);
        as_rr(&e->as, OP_SETCC | CC_NP, false, 0, t);
        as_rr(&e->as, OP_AND, false, d, t);
    }
    as_rr(&e->as, OP_MOVZX8, false, d, d);
    return true;
}

/* ---- Conversions ---- */

/* Leaves for C unless the value is positive and less than 2^bits: by its sign and exponent. */
static uint8_t *check_range(struct emitter *e, enum ir_type t, unsigned a, unsigned bits)
{
    const struct layout *l = layout_of(t);
    unsigned r = reg_take(e, CLASS_INT);

    as_rr(&e->as, OP_MOVD_FROM_XMM, t == IR_F64, a, r);
    as_shift_imm(&e->as, DIGIT_SHR, t == IR_F64, r, l->stored);
    as_alu_imm(&e->as, OP_CMP, false, r, (int32_t)(l->bias + bits));
    reg_release(e, CLASS_INT, r);
    return as_jcc(&e->as, CC_AE);
}

/* What a conversion works with. */
struct to_int {
    enum ir_type from;
    enum ir_round round;
    bool w;              /* to i64 */
    unsigned a, d;       /* registers: of the operand, of the result; */
    unsigned rounded, t; /* of the rounded operand, of anything; */
    unsigned r;          /* and general */
    struct operand operand[3];
    struct cold *cold;
};

static void to_int_leave(struct emitter *e, unsigned i, struct to_int *c, uint8_t *jump)
{
    if (c->cold)
        c->cold->jump[c->cold->jump_count++] = jump;
    else
        c->cold = cold_slow(e, i, jump, c->d, c->operand);
}

static void to_int_begin(struct emitter *e, unsigned i, struct to_int *c)
{
    const struct ir_op *o = op_of(e, (ir_value)i);

    *c = (struct to_int){
        .from = o->attr2, .round = o->attr, .w = o->type == IR_I64, .a = use_reg(e, o->arg[0])};
    c->operand[0] = in_reg(c->a);
    c->rounded = c->a;
    if (c->round != IR_ROUND_ZERO && c->round != IR_ROUND_NEAREST) {
        c->rounded = reg_take(e, CLASS_FP);
        c->r = reg_take(e, CLASS_INT);
    }
    if (c->round == IR_ROUND_AWAY)
        c->t = reg_take(e, CLASS_FP);
    c->d = result_reg(e, i);
}

/* Rounds to an integral value where the conversion itself does not. */
static void to_int_round(struct emitter *e, unsigned i, struct to_int *c, bool quiet)
{
    if (c->round == IR_ROUND_AWAY)
        to_int_leave(e, i, c, round_away(e, c->from, c->rounded, c->a, c->t, c->r, quiet));
    else if (c->rounded != c->a)
        round_to(e, c->from, c->rounded, c->a, c->round, quiet);
}

static bool to_unsigned(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct to_int c;

    if (o->attr != IR_ROUND_ZERO && o->type != IR_I64)
        return false;
    to_int_begin(e, i, &c);
    to_int_leave(e, i, &c, check_range(e, c.from, c.a, c.w ? 63 : 32));
    to_int_round(e, i, &c, false);
    as_rr(&e->as, scalar(c.round == IR_ROUND_NEAREST ? OP_CVTSS2SI : OP_CVTTSS2SI, c.from), true,
          c.d, c.rounded);
    c.cold->back = e->as.p;
    return true;
}

/* Rounding first would raise Inexact for what does not fit, unless nothing so large has a fraction:
 * for 32 bits it is raised at the end. */
static bool to_int(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct to_int c;

    if (o->type < IR_I32 || o->attr > IR_ROUND_AWAY)
        return false;
    if (o->imm)
        return to_unsigned(e, i);
    to_int_begin(e, i, &c);
    to_int_round(e, i, &c, !c.w);
    as_rr(&e->as, scalar(c.round == IR_ROUND_NEAREST ? OP_CVTSS2SI : OP_CVTTSS2SI, c.from), c.w,
          c.d, c.rounded);
    as_alu_imm(&e->as, OP_CMP, c.w, c.d, 1); /* overflows for the one that says "does not fit" */
    to_int_leave(e, i, &c, as_jcc(&e->as, CC_O));
    if (c.rounded != c.a && !c.w)
        as_rr(&e->as, scalar(OP_CVTTSS2SI, c.from), false, c.r, c.a);
    c.cold->back = e->as.p;
    return true;
}

static bool from_int(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool w = o->attr2 == IR_I64;
    unsigned a, d, t;
    struct operand operand[3] = {{0}};
    struct cold *cold = NULL;

    if (o->attr != IR_ROUND_NEAREST || o->attr2 < IR_I32)
        return false;
    a = use_reg(e, o->arg[0]);
    operand[0] = in_reg(a);
    d = result_reg(e, i);
    if (o->imm && !w) {
        t = reg_take(e, CLASS_INT);
        as_rr(&e->as, OP_MOV, false, t, a);
        a = t;
        w = true;
    } else if (o->imm) {
        as_rr(&e->as, OP_TEST, true, a, a);
        cold = cold_slow(e, i, as_jcc(&e->as, CC_S), d, operand);
    }
    as_rr(&e->as, OP_XORPS, false, d, d); /* it would wait for the old value */
    as_rr(&e->as, scalar(OP_CVTSI2SS, o->type), w, d, a);
    if (cold)
        cold->back = e->as.p;
    return true;
}

/* ---- Bits ---- */

/* Between the classes. */
static bool move_bits(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool to_general = op->code == IR_fbits;
    unsigned a = use_reg(e, op->arg[0]), d = result_reg(e, i);

    if (to_general)
        as_rr(&e->as, OP_MOVD_FROM_XMM, true, a, d);
    else
        as_rr(&e->as, OP_MOVD_TO_XMM, true, d, a);
    return true;
}

static bool masked(struct emitter *e, unsigned i, unsigned op, enum emit_mask mask)
{
    struct operand a = use(e, op_of(e, (ir_value)i)->arg[0]);
    unsigned d = result_reg(e, i);

    load_operand(e, CLASS_FP, d, a);
    with_mask(e, op, d, mask);
    return true;
}

static bool copy_sign(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    bool w = o->type == IR_F64;
    struct operand a;
    unsigned t, d;
    int64_t c;

    if (value_const(e, o->arg[1], &c))
        return false;
    t = reg_take(e, CLASS_FP);
    load_operand(e, CLASS_FP, t, where(e, o->arg[1]));
    with_mask(e, OP_ANDPS, t, w ? MASK_SIGN64 : MASK_SIGN32);
    a = use(e, o->arg[0]);
    d = result_reg(e, i);
    load_operand(e, CLASS_FP, d, a);
    with_mask(e, OP_ANDPS, d, w ? MASK_REST64 : MASK_REST32);
    as_rr(&e->as, OP_ORPS, false, d, t);
    return true;
}

/* An f32 in a register of 64 bits: only good when the upper half is all ones. */
static bool unbox(struct emitter *e, unsigned i)
{
    struct operand operand[3] = {use(e, op_of(e, (ir_value)i)->arg[0])};
    struct cold *cold;
    unsigned d, t;

    d = result_reg(e, i);
    if (operand[0].kind == IN_MEMORY) {
        as_alu_mem_imm(&e->as, OP_CMP, false, FRAME_BASE, operand[0].disp + 4, -1);
    } else {
        t = reg_take(e, CLASS_INT);
        as_rr(&e->as, OP_MOVD_FROM_XMM, true, operand[0].reg, t);
        as_shift_imm(&e->as, DIGIT_SHR, true, t, 32);
        as_alu_imm(&e->as, OP_CMP, false, t, -1);
    }
    cold = cold_slow(e, i, as_jcc(&e->as, CC_NE), d, operand);
    load_operand(e, CLASS_FP, d, operand[0]);
    cold->back = e->as.p;
    return true;
}

/* Of floating-point and vector values. */
static bool select_value(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    unsigned chosen, d;
    struct operand a, b;
    uint8_t *first;
    int64_t c;

    if (class_of(o->type) != CLASS_FP || value_const(e, o->arg[1], &c) ||
        value_const(e, o->arg[2], &c))
        return false;
    chosen = use_reg(e, o->arg[0]);
    a = use(e, o->arg[1]);
    b = use(e, o->arg[2]);
    d = result_reg_apart(e, i, bit_of(a) | bit_of(b));
    load_value(e, o->type, d, a);
    as_rr(&e->as, OP_TEST, true, chosen, chosen);
    first = as_jcc(&e->as, CC_NE);
    load_value(e, o->type, d, b);
    as_patch(first, e->as.p);
    return true;
}

bool emit_fp(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);

    if (e->dialect->fp == DBT_FP_X86)
        return (o->code == IR_fbits || o->code == IR_bitsf) && move_bits(e, i);
    switch (o->code) {
    case IR_fadd:
        return binary(e, i, OP_ADDSS);
    case IR_fsub:
        return binary(e, i, OP_SUBSS);
    case IR_fmul:
        return binary(e, i, OP_MULSS);
    case IR_fdiv:
        return binary(e, i, OP_DIVSS);
    case IR_fsqrt:
        return unary(e, i, scalar(OP_SQRTSS, o->type));
    case IR_fconv:
        return unary(e, i, o->type == IR_F64 ? OP_CVTSS2SD : OP_CVTSD2SS);
    case IR_fma:
        return multiply_add(e, i);
    case IR_fmin:
    case IR_fmax:
        return minmax(e, i);
    case IR_fcmp:
        return compare(e, i);
    case IR_frint:
        return round_integral(e, i);
    case IR_select:
        return select_value(e, i);
    case IR_ftoi:
        return to_int(e, i);
    case IR_itof:
        return from_int(e, i);
    case IR_fneg:
        return masked(e, i, OP_XORPS, o->type == IR_F64 ? MASK_SIGN64 : MASK_SIGN32);
    case IR_fabs:
        return masked(e, i, OP_ANDPS, o->type == IR_F64 ? MASK_REST64 : MASK_REST32);
    case IR_fsgnj:
        return copy_sign(e, i);
    case IR_box:
        return masked(e, i, OP_ORPS, MASK_BOX);
    case IR_unbox:
        return unbox(e, i);
    case IR_fbits:
    case IR_bitsf:
        return move_bits(e, i);
    default:
        return false;
    }
}
