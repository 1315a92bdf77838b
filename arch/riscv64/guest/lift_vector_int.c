/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Integer vector instructions as operations on vectors (30.11, 30.12, 30.14.1), and those on masks
 * and moves that have such. */
#include "arch/riscv64/guest/lift_vector.h"

static ir_value splat(struct rvl *v, unsigned size, uint64_t c)
{
    return ir_vector(v->u, IR_vsplat, IR_V128, rvl_int(size), 0, 0, rvl_imm(v, c), 0, 0);
}

/* ---- Shifts ---- */

static bool is_shift(unsigned op)
{
    return op == RVO_SLL || op == RVO_SRL || op == RVO_SRA;
}

static ir_value shift_by_constant(struct rvl *v, unsigned size, ir_value a, unsigned count)
{
    uint8_t how = v->op == RVO_SRA ? IR_V_SIGNED : 0;

    if (count == 0)
        return a;
    return ir_vector(v->u, v->op == RVO_SLL ? IR_vshl : IR_vshr, IR_V128, rvl_int(size), how, count,
                     a, 0, 0);
}

/* Counts modulo the width; IR_vshift shifts right by what is negative. */
static ir_value shift(struct rvl *v, unsigned size, ir_value a, ir_value b)
{
    uint8_t how = v->op == RVO_SRA ? IR_V_SIGNED : 0;

    b = rvl_bits(v, IR_vand, b, splat(v, size, (8u << size) - 1));
    if (v->op != RVO_SLL)
        b = ir_vector(v->u, IR_vneg, IR_V128, rvl_int(size), 0, 0, b, 0, 0);
    return rvl_v2(v, IR_vshift, size, how, a, b);
}

/* ---- Bits ---- */

/* What is shifted out comes in again; IR_vshift makes nothing of counts beyond the width. */
static ir_value rotate(struct rvl *v, unsigned size, ir_value a, ir_value b)
{
    unsigned width = 8u << size;
    ir_value left, rest;

    if (v->op == RVO_ROR)
        b = ir_vector(v->u, IR_vneg, IR_V128, rvl_int(size), 0, 0, b, 0, 0);
    left = rvl_bits(v, IR_vand, b, splat(v, size, width - 1));
    rest = rvl_v2(v, IR_vsub, size, 0, left, splat(v, size, width));
    return rvl_bits(v, IR_vor, rvl_v2(v, IR_vshift, size, 0, a, left),
                    rvl_v2(v, IR_vshift, size, 0, a, rest));
}

static ir_value rotate_by_constant(struct rvl *v, unsigned size, ir_value a, unsigned right)
{
    unsigned width = 8u << size;

    if (right == 0)
        return a;
    return rvl_bits(v, IR_vor, ir_vector(v->u, IR_vshr, IR_V128, rvl_int(size), 0, right, a, 0, 0),
                    ir_vector(v->u, IR_vshl, IR_V128, rvl_int(size), 0, width - right, a, 0, 0));
}

static ir_value reverse_bytes(struct rvl *v, unsigned size, ir_value a)
{
    if (size == 0)
        return a;
    return ir_vector(v->u, IR_vreverse, IR_V128, IR_I8, 0, 1u << size, a, 0, 0);
}

static ir_value reverse_bits(struct rvl *v, unsigned size, ir_value a)
{
    return reverse_bytes(v, size, ir_vector(v->u, IR_vbitrev, IR_V128, IR_I8, 0, 0, a, 0, 0));
}

/* Those of bytes, added up. */
static ir_value popcount(struct rvl *v, unsigned size, ir_value a)
{
    a = ir_vector(v->u, IR_vpopcount, IR_V128, IR_I8, 0, 0, a, 0, 0);
    for (unsigned part = 8; part < 8u << size; part *= 2)
        a = rvl_v2(v, IR_vadd, size, 0, a,
                   ir_vector(v->u, IR_vshr, IR_V128, rvl_int(size), 0, part, a, 0, 0));
    return size ? rvl_bits(v, IR_vand, a, splat(v, size, 0x7f)) : a;
}

static bool is_unary(unsigned op)
{
    return op >= RVO_BREV && op <= RVO_POPCOUNT;
}

static ir_value of_bits(struct rvl *v, unsigned size, ir_value a)
{
    switch (v->op) {
    case RVO_BREV:
        return reverse_bits(v, size, a);
    case RVO_BREV8:
        return reverse_bits(v, 0, a);
    case RVO_REV8:
        return reverse_bytes(v, size, a);
    case RVO_CTZ:
        a = reverse_bits(v, size, a);
        return ir_vector(v->u, IR_vclz, IR_V128, rvl_int(size), 0, 0, a, 0, 0);
    case RVO_CLZ:
        return ir_vector(v->u, IR_vclz, IR_V128, rvl_int(size), 0, 0, a, 0, 0);
    default:
        return popcount(v, size, a);
    }
}

/* ---- Elements ---- */

static bool is_simple(const struct rvl *v)
{
    switch (v->op) {
    case RVO_CLZ:
    case RVO_CTZ:
        return v->sew < 3; /* no operation counts in elements of 64 bits */
    case RVO_ANDN:
    case RVO_ROL:
    case RVO_ROR:
    case RVO_BREV:
    case RVO_BREV8:
    case RVO_REV8:
    case RVO_POPCOUNT:
    case RVO_ADD:
    case RVO_SUB:
    case RVO_RSUB:
    case RVO_AND:
    case RVO_OR:
    case RVO_XOR:
    case RVO_SLL:
    case RVO_SRL:
    case RVO_SRA:
    case RVO_MINU:
    case RVO_MIN:
    case RVO_MAXU:
    case RVO_MAX:
    case RVO_MUL:
    case RVO_MACC:
    case RVO_NMSAC:
    case RVO_MADD:
    case RVO_NMSUB:
        return true;
    default:
        return false;
    }
}

/* These raise vxsat: for all elements or not inline. */
static bool is_saturating(const struct rvl *v)
{
    bool any = v->op >= RVO_SADDU && v->op <= RVO_SSUB;

    return any && v->vm && v->lmul >= 0;
}

static ir_value saturating(struct rvl *v, unsigned size, ir_value a, ir_value b)
{
    uint8_t how = v->op == RVO_SADD || v->op == RVO_SSUB ? IR_V_SIGNED : 0;

    return rvl_v2(v, v->op == RVO_SADD || v->op == RVO_SADDU ? IR_vqadd : IR_vqsub, size, how, a,
                  b);
}

/* a: vs2, b: the source, d: what vd held (of multiply-add). */
static ir_value element(struct rvl *v, unsigned size, ir_value a, ir_value b, ir_value d)
{
    switch (v->op) {
    case RVO_ADD:
        return rvl_v2(v, IR_vadd, size, 0, a, b);
    case RVO_SUB:
        return rvl_v2(v, IR_vsub, size, 0, a, b);
    case RVO_RSUB:
        return rvl_v2(v, IR_vsub, size, 0, b, a);
    case RVO_AND:
        return rvl_bits(v, IR_vand, a, b);
    case RVO_OR:
        return rvl_bits(v, IR_vor, a, b);
    case RVO_XOR:
        return rvl_bits(v, IR_vxor, a, b);
    case RVO_MINU:
    case RVO_MIN:
        return rvl_v2(v, IR_vmin, size, v->op == RVO_MIN ? IR_V_SIGNED : 0, a, b);
    case RVO_MAXU:
    case RVO_MAX:
        return rvl_v2(v, IR_vmax, size, v->op == RVO_MAX ? IR_V_SIGNED : 0, a, b);
    case RVO_MUL:
        return rvl_v2(v, IR_vmul, size, 0, a, b);
    case RVO_MACC:
        return rvl_v2(v, IR_vadd, size, 0, d, rvl_v2(v, IR_vmul, size, 0, a, b));
    case RVO_NMSAC:
        return rvl_v2(v, IR_vsub, size, 0, d, rvl_v2(v, IR_vmul, size, 0, a, b));
    case RVO_MADD:
        return rvl_v2(v, IR_vadd, size, 0, a, rvl_v2(v, IR_vmul, size, 0, d, b));
    case RVO_NMSUB:
        return rvl_v2(v, IR_vsub, size, 0, a, rvl_v2(v, IR_vmul, size, 0, d, b));
    case RVO_SLL:
    case RVO_SRL:
    case RVO_SRA:
        return shift(v, size, a, b);
    case RVO_ANDN:
        return rvl_bits(v, IR_vandn, a, b);
    case RVO_ROL:
    case RVO_ROR:
        return rotate(v, size, a, b);
    default:
        return is_unary(v->op) ? of_bits(v, size, a) : saturating(v, size, a, b);
    }
}

static void put_all(struct rvl *v, unsigned count, unsigned size, int lmul, const ir_value *values)
{
    for (unsigned k = 0; k < count; k++)
        rvl_put(v, k, size, lmul, values[k]);
}

static bool each_element(struct rvl *v)
{
    bool has_vs1 =
        rv_insns[v->id].format == RV_FORMAT_VVV || rv_insns[v->id].format == RV_FORMAT_MVV;
    bool by_constant = rv_insns[v->id].format == RV_FORMAT_VVS ||
                       (is_shift(v->op) && rv_insns[v->id].format == RV_FORMAT_VVU);
    unsigned constant = v->vs1 & ((8u << v->sew) - 1);
    bool adds = v->op >= RVO_MADD && v->op <= RVO_NMSAC;
    unsigned count = rvl_registers(v->lmul);
    ir_value values[RVL_REGISTERS], scalar;

    if (!is_simple(v) && !is_saturating(v))
        return false;
    scalar = has_vs1 || by_constant || is_unary(v->op) ? 0 : rvl_scalar(v, v->sew);
    for (unsigned k = 0; k < count; k++) {
        ir_value a = rvl_get(v, v->vs2 + k), b = has_vs1 ? rvl_get(v, v->vs1 + k) : scalar;

        values[k] = by_constant && v->op == RVO_ROR ? rotate_by_constant(v, v->sew, a, constant)
                    : by_constant                   ? shift_by_constant(v, v->sew, a, constant)
                                  : element(v, v->sew, a, b, adds ? rvl_get(v, v->vd + k) : 0);
    }
    put_all(v, count, v->sew, v->lmul, values);
    return true;
}

/* ---- Results twice as wide ---- */

/* What register k of the wide result is made from, of the group at n: 64 bits. */
static ir_value part(struct rvl *v, unsigned n, unsigned k)
{
    return rvl_half(v, rvl_get(v, n + k / 2), k & 1);
}

static ir_value widen(struct rvl *v, bool is_signed, ir_value half)
{
    return ir_vector(v->u, IR_vwiden, IR_V128, rvl_int(v->sew), is_signed ? IR_V_SIGNED : 0, 0,
                     half, 0, 0);
}

/* first: vs2 is wide already. */
static bool each_wide(struct rvl *v, bool first)
{
    bool has_vs1 =
        rv_insns[v->id].format == RV_FORMAT_VVV || rv_insns[v->id].format == RV_FORMAT_MVV;
    bool multiplies = (v->op == RVO_MUL || v->op == RVO_MACC) && v->is_signed_a == v->is_signed_b;
    unsigned count = rvl_registers(v->lmul + 1);
    ir_value values[RVL_REGISTERS], scalar = has_vs1 ? 0 : rvl_scalar(v, v->sew);

    for (unsigned k = 0; k < count; k++) {
        ir_value b = has_vs1 ? part(v, v->vs1, k) : rvl_half(v, scalar, false);
        ir_value d = v->op == RVO_MACC ? rvl_get(v, v->vd + k) : 0;

        if (multiplies) {
            values[k] = ir_vector(v->u, IR_vmull, IR_V128, rvl_int(v->sew),
                                  v->is_signed_a ? IR_V_SIGNED : 0, 0, part(v, v->vs2, k), b, 0);
            if (d)
                values[k] = rvl_v2(v, IR_vadd, v->sew + 1, 0, d, values[k]);
        } else {
            ir_value a =
                first ? rvl_get(v, v->vs2 + k) : widen(v, v->is_signed_a, part(v, v->vs2, k));

            values[k] = element(v, v->sew + 1, a, widen(v, v->is_signed_b, b), d);
        }
    }
    put_all(v, count, v->sew + 1, v->lmul + 1, values);
    return true;
}

/* vzext and vsext: from 16 / 2^steps bytes of the source for each register. */
static bool each_extended(struct rvl *v)
{
    unsigned steps = 4 - (v->vs1 >> 1), count = rvl_registers(v->lmul);
    uint8_t how = v->is_signed_a ? IR_V_SIGNED : 0;
    ir_value values[RVL_REGISTERS];

    for (unsigned k = 0; k < count; k++) {
        unsigned at = k * (RV_VLENB >> steps);
        ir_value a = rvl_get(v, v->vs2 + at / RV_VLENB);

        if (at % RV_VLENB)
            a = ir_vector(v->u, IR_vext, IR_V128, IR_I8, 0, at % RV_VLENB, a, a, 0);
        for (unsigned s = 0; s < steps; s++)
            a = ir_vector(v->u, IR_vwiden, IR_V128, rvl_int(v->sew - steps + s), how, 0,
                          rvl_half(v, a, false), 0, 0);
        values[k] = a;
    }
    put_all(v, count, v->sew, v->lmul, values);
    return true;
}

/* ---- Results half as wide ---- */

static ir_value narrowed(struct rvl *v, unsigned n, ir_value counts, bool by_constant)
{
    ir_value a = rvl_get(v, n);

    if (by_constant)
        a = shift_by_constant(v, v->sew + 1, a, v->vs1 & ((16u << v->sew) - 1));
    else
        a = shift(v, v->sew + 1, a, counts);
    return ir_vector(v->u, IR_vnarrow, IR_V64, rvl_int(v->sew), 0, 0, a, 0, 0);
}

/* vnsrl and vnsra. */
static bool each_narrow(struct rvl *v)
{
    bool by_constant = rv_insns[v->id].format == RV_FORMAT_VVU;
    unsigned count = rvl_registers(v->lmul), wide = rvl_registers(v->lmul + 1);
    ir_value values[RVL_REGISTERS], low, high, scalar = 0;

    if (!is_shift(v->op) || rv_insns[v->id].format == RV_FORMAT_VVV)
        return false;
    if (!by_constant)
        scalar = rvl_scalar(v, v->sew + 1);
    for (unsigned k = 0; k < count; k++) {
        low = narrowed(v, v->vs2 + 2 * k, scalar, by_constant);
        if (wide == 1) {
            values[k] = ir_op1(v->u, IR_vzext, IR_V128, low);
            continue;
        }
        high = narrowed(v, v->vs2 + 2 * k + 1, scalar, by_constant);
        values[k] = ir_op2(v->u, IR_vjoin, IR_V128, low, high);
    }
    put_all(v, count, v->sew, v->lmul, values);
    return true;
}

/* ---- Comparisons ---- */

static bool each_comparison(struct rvl *v)
{
    static const uint8_t conditions[] = {
        [0] = IR_EQ,
        [RVO_NE - RVO_EQ] = IR_NE,
        [RVO_LTU - RVO_EQ] = IR_LTU,
        [RVO_LT - RVO_EQ] = IR_LTS,
        [RVO_LEU - RVO_EQ] = IR_LEU,
        [RVO_LE - RVO_EQ] = IR_LES,
        [RVO_GTU - RVO_EQ] = IR_GTU,
        [RVO_GT - RVO_EQ] = IR_GTS,
    };
    bool has_vs1 = rv_insns[v->id].format == RV_FORMAT_VVV;
    unsigned each = RV_VLENB >> v->sew;
    ir_value bits[2] = {0}, scalar = has_vs1 ? 0 : rvl_scalar(v, v->sew), found;

    for (unsigned k = 0; k < rvl_registers(v->lmul); k++) {
        found = ir_vector(v->u, IR_vcmp, IR_V128, rvl_int(v->sew), 0, conditions[v->op - RVO_EQ],
                          rvl_get(v, v->vs2 + k), has_vs1 ? rvl_get(v, v->vs1 + k) : scalar, 0);
        rvl_collect(v, bits, k * each, v->sew, found);
    }
    rvl_put_mask(v, bits);
    return true;
}

/* ---- Reductions ---- */

/* Register by register, then half by half. */
static bool reduce(struct rvl *v)
{
    unsigned bytes = v->vlmax << v->sew;
    ir_value sum;

    if (!v->vm || !is_simple(v))
        return false;
    sum = rvl_get(v, v->vs2);
    for (unsigned k = 1; k < rvl_registers(v->lmul); k++)
        sum = element(v, v->sew, sum, rvl_get(v, v->vs2 + k), 0);
    for (bytes = MIN(bytes, RV_VLENB) / 2; bytes >= 1u << v->sew; bytes /= 2)
        sum = element(v, v->sew, sum,
                      ir_vector(v->u, IR_vext, IR_V128, IR_I8, 0, bytes, sum, sum, 0), 0);
    sum = element(v, v->sew, sum, rvl_get(v, v->vs1), 0);
    ir_set(v->u, RV_SLOT_V0 + v->vd,
           ir_vector(v->u, IR_vcopy, IR_V128, rvl_int(v->sew), 0, 0, rvl_get(v, v->vd), sum, 0));
    return true;
}

bool rvl_integer(struct rvl *v)
{
    switch (v->shape) {
    case RV_SHAPE_INT:
        return each_element(v);
    case RV_SHAPE_WIDE:
        return each_wide(v, false);
    case RV_SHAPE_WIDE_FIRST:
        return each_wide(v, true);
    case RV_SHAPE_NARROW:
        return each_narrow(v);
    case RV_SHAPE_EXTEND:
        return each_extended(v);
    case RV_SHAPE_COMPARE:
        return each_comparison(v);
    case RV_SHAPE_REDUCE:
        return reduce(v);
    default:
        return false;
    }
}

/* ---- Masks and moves ---- */

static ir_value masks(struct rvl *v, ir_value a, ir_value b)
{
    switch (v->op) {
    case RVO_MAND:
        return rvl_int2(v, IR_and, a, b);
    case RVO_MANDN:
        return rvl_int2(v, IR_andn, a, b);
    case RVO_MOR:
        return rvl_int2(v, IR_or, a, b);
    case RVO_MXOR:
        return rvl_int2(v, IR_xor, a, b);
    case RVO_MORN:
        return ir_op1(v->u, IR_not, IR_I64, rvl_int2(v, IR_andn, b, a));
    case RVO_MNAND:
        return ir_op1(v->u, IR_not, IR_I64, rvl_int2(v, IR_and, a, b));
    case RVO_MNOR:
        return ir_op1(v->u, IR_not, IR_I64, rvl_int2(v, IR_or, a, b));
    default:
        return ir_op1(v->u, IR_not, IR_I64, rvl_int2(v, IR_xor, a, b));
    }
}

static bool combine_masks(struct rvl *v)
{
    ir_value a = rvl_get(v, v->vs2), b = rvl_get(v, v->vs1), bits[2] = {0};

    for (unsigned i = 0; i < 2 && 64 * i < v->vlmax; i++)
        bits[i] = masks(v, rvl_lane(v, a, 3, i), rvl_lane(v, b, 3, i));
    rvl_put_mask(v, bits);
    return true;
}

/* 64 bits of vs2, without what is behind VLMAX or not active. */
static ir_value mask_bits(struct rvl *v, unsigned i)
{
    ir_value bits = rvl_lane(v, rvl_get(v, v->vs2), 3, i);

    if (v->vlmax < 64)
        bits = rvl_int2(v, IR_and, bits, rvl_imm(v, BIT(v->vlmax) - 1));
    return v->vm ? bits : rvl_int2(v, IR_and, bits, v->mask[i]);
}

static ir_value first_of(struct rvl *v, ir_value bits, ir_value none)
{
    ir_value there = ir_cmp(v->u, IR_I64, IR_NE, bits, rvl_imm(v, 0));

    return ir_op3(v->u, IR_select, IR_I64, there, ir_op1(v->u, IR_ctz, IR_I64, bits), none);
}

static bool mask_to_x(struct rvl *v)
{
    ir_value low = mask_bits(v, 0), high = v->vlmax > 64 ? mask_bits(v, 1) : 0, e;

    if (v->op == RVO_CPOP) {
        e = ir_op1(v->u, IR_popcount, IR_I64, low);
        if (high)
            e = rvl_int2(v, IR_add, e, ir_op1(v->u, IR_popcount, IR_I64, high));
    } else {
        e = rvl_imm(v, UINT64_MAX);
        if (high) {
            ir_value second =
                rvl_int2(v, IR_add, ir_op1(v->u, IR_ctz, IR_I64, high), rvl_imm(v, 64));

            e = ir_op3(v->u, IR_select, IR_I64, ir_cmp(v->u, IR_I64, IR_NE, high, rvl_imm(v, 0)),
                       second, e);
        }
        e = first_of(v, low, e);
    }
    rv_set_x(v->t, v->vd, e);
    return true;
}

/* Around the lowest bit that is set. */
static bool mask_set(struct rvl *v)
{
    ir_value bits, less, result[2] = {0};

    if (v->vlmax > 64 || !v->vm)
        return false;
    bits = mask_bits(v, 0);
    less = rvl_int2(v, IR_sub, bits, rvl_imm(v, 1));
    result[0] = v->op == RVO_BEFORE ? rvl_int2(v, IR_andn, less, bits)
                : v->op == RVO_ONLY ? rvl_int2(v, IR_andn, bits, less)
                                    : rvl_int2(v, IR_xor, bits, less);
    rvl_put_mask(v, result);
    return true;
}

/* 0, 1, 2, ... */
static bool identity(struct rvl *v)
{
    unsigned each = 8u >> v->sew, bits = 8u << v->sew;
    ir_value values[RVL_REGISTERS];

    for (unsigned k = 0; k < rvl_registers(v->lmul); k++) {
        uint64_t lane[2] = {0, 0};

        for (unsigned i = 0; i < 2 * each; i++)
            lane[i / each] |= (uint64_t)(2 * each * k + i) << (i % each * bits % 64);
        values[k] = ir_convert(v->u, IR_vfrom, IR_V128, IR_I64, rvl_imm(v, lane[0]));
        values[k] =
            ir_vector(v->u, IR_vinsert, IR_V128, IR_I64, 0, 1, values[k], rvl_imm(v, lane[1]), 0);
    }
    put_all(v, rvl_registers(v->lmul), v->sew, v->lmul, values);
    return true;
}

/* vmv.v and vmerge, whose mask chooses. */
static bool merge(struct rvl *v)
{
    unsigned format = rv_insns[v->id].format, count = rvl_registers(v->lmul);
    bool has_vs1 = format == RV_FORMAT_VMVV || format == RV_FORMAT_VVVM;
    ir_value values[RVL_REGISTERS], scalar = has_vs1 ? 0 : rvl_scalar(v, v->sew);

    for (unsigned k = 0; k < count; k++) {
        values[k] = has_vs1 ? rvl_get(v, v->vs1 + k) : scalar;
        if (v->shape == RV_SHAPE_MERGE)
            values[k] = ir_op3(v->u, IR_vselect, IR_V128, rvl_active(v, k, v->sew), values[k],
                               rvl_get(v, v->vs2 + k));
    }
    v->vm = true;
    put_all(v, count, v->sew, v->lmul, values);
    return true;
}

static bool from_scalar(struct rvl *v)
{
    ir_value e = rvl_lane(v, rvl_scalar(v, v->sew), v->sew, 0);

    ir_set(v->u, RV_SLOT_V0 + v->vd,
           ir_vector(v->u, IR_vinsert, IR_V128, rvl_int(v->sew), 0, 0, rvl_get(v, v->vd), e, 0));
    return true;
}

static bool to_x(struct rvl *v)
{
    rv_set_x(v->t, v->vd,
             ir_vector(v->u, IR_vlane, IR_VOID, rvl_int(v->sew), v->sew < 3 ? IR_V_SIGNED : 0, 0,
                       rvl_get(v, v->vs2), 0, 0));
    return true;
}

/* Of one register: the elements move by bytes; what comes in from above is 0. */
static bool slide_down(struct rvl *v)
{
    unsigned bytes = v->vs1 << v->sew;
    ir_value zero;

    if (rv_insns[v->id].format != RV_FORMAT_VVU || v->lmul != 0)
        return false;
    zero = splat(v, 3, 0);
    rvl_put(v, 0, v->sew, 0,
            bytes >= RV_VLENB
                ? zero
                : ir_vector(v->u, IR_vext, IR_V128, IR_I8, 0, bytes, rvl_get(v, v->vs2), zero, 0));
    return true;
}

bool rvl_move(struct rvl *v)
{
    switch (v->shape) {
    case RV_SHAPE_MASKS:
        return combine_masks(v);
    case RV_SHAPE_MASK_TO_X:
        return mask_to_x(v);
    case RV_SHAPE_MASK_SET:
        return mask_set(v);
    case RV_SHAPE_IDENTITY:
        return identity(v);
    case RV_SHAPE_MERGE:
    case RV_SHAPE_MOVE:
        return merge(v);
    case RV_SHAPE_FROM_SCALAR:
        return from_scalar(v);
    case RV_SHAPE_TO_X:
        return to_x(v);
    case RV_SHAPE_SLIDE_DOWN:
        return slide_down(v);
    default:
        return false;
    }
}
