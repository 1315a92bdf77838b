/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Floating-point vector instructions as operations on vectors (30.13). What raises flags must not
 * do so for elements that are not active: masked forms, and those of a part of a register, work on
 * zeros there, or are done in C.
 */
#include "arch/riscv64/guest/lift_vector.h"

static enum ir_type format_of(unsigned size)
{
    return size == 3 ? IR_F64 : size == 2 ? IR_F32 : IR_F16;
}

static uint8_t rounding(const struct rvl *v)
{
    static const uint8_t modes[] = {IR_ROUND_NEAREST, IR_ROUND_ZERO, IR_ROUND_DOWN, IR_ROUND_UP,
                                    IR_ROUND_AWAY};

    return modes[(v->u->mode & RV_MODE_FRM) >> RV_MODE_FRM_SHIFT]; /* a legal one */
}

static ir_value fp(struct rvl *v, enum ir_code code, unsigned size, uint8_t how, int64_t imm,
                   ir_value a, ir_value b, ir_value c)
{
    return ir_vector(v->u, code, IR_V128, format_of(size), how, imm, a, b, c);
}

/* All elements of its registers take part. */
static bool is_whole(const struct rvl *v)
{
    return v->vm && v->lmul >= 0;
}

static bool is_sign(unsigned op)
{
    return op >= RVO_FSGNJ && op <= RVO_FSGNJX;
}

static ir_value sign(struct rvl *v, ir_value a, ir_value b)
{
    uint64_t bit = BIT((8u << v->sew) - 1);
    ir_value signs =
        ir_vector(v->u, IR_vsplat, IR_V128, rvl_int(v->sew), 0, 0, rvl_imm(v, bit), 0, 0);

    if (v->op == RVO_FSGNJX)
        return rvl_bits(v, IR_vxor, a, rvl_bits(v, IR_vand, b, signs));
    if (v->op == RVO_FSGNJN)
        b = ir_op1(v->u, IR_vnot, IR_V128, b);
    return ir_op3(v->u, IR_vselect, IR_V128, signs, b, a);
}

static ir_value multiply_add(struct rvl *v, unsigned size, ir_value a, ir_value b, ir_value d)
{
    unsigned negate = rv_v_negations(v->op);

    if (v->op < RVO_FMACC)
        return fp(v, IR_vfma, size, rounding(v), negate, b, d, a);
    return fp(v, IR_vfma, size, rounding(v), negate, b, a, d);
}

static ir_value element(struct rvl *v, unsigned size, ir_value a, ir_value b, ir_value d)
{
    uint8_t how = rounding(v);

    switch (v->op) {
    case RVO_FADD:
        return fp(v, IR_vfadd, size, how, 0, a, b, 0);
    case RVO_FSUB:
        return fp(v, IR_vfsub, size, how, 0, a, b, 0);
    case RVO_FRSUB:
        return fp(v, IR_vfsub, size, how, 0, b, a, 0);
    case RVO_FMUL:
        return fp(v, IR_vfmul, size, how, 0, a, b, 0);
    case RVO_FDIV:
        return fp(v, IR_vfdiv, size, how, 0, a, b, 0);
    case RVO_FRDIV:
        return fp(v, IR_vfdiv, size, how, 0, b, a, 0);
    case RVO_FMIN:
        return fp(v, IR_vfmin, size, 0, IR_FMIN_NUMBER, a, b, 0);
    case RVO_FMAX:
        return fp(v, IR_vfmax, size, 0, IR_FMIN_NUMBER, a, b, 0);
    default:
        return multiply_add(v, size, a, b, d);
    }
}

static bool is_arithmetic(unsigned op)
{
    return op >= RVO_FADD && op <= RVO_FNMSAC;
}

/* What gives no flags for zeros. */
static bool likes_zeros(const struct rvl *v)
{
    return v->op != RVO_FDIV && v->op != RVO_FRDIV;
}

/* Zeros where elements of register k are not active. */
static ir_value kept(struct rvl *v, unsigned k, ir_value a)
{
    unsigned bytes = v->vlmax << v->sew;

    if (is_sign(v->op) || !a)
        return a;
    if (!v->vm)
        a = rvl_bits(v, IR_vand, a, rvl_active(v, k, v->sew));
    if (bytes < RV_VLENB) { /* 4 or 8 */
        ir_value low = rvl_lane(v, a, bytes == 8 ? 3 : 2, 0);

        a = ir_convert(v->u, IR_vfrom, IR_V128, IR_I64, low);
    }
    return a;
}

static bool each_binary(struct rvl *v)
{
    unsigned format = rv_insns[v->id].format, count = rvl_registers(v->lmul);
    bool has_vs1 = format == RV_FORMAT_VVV || format == RV_FORMAT_MVV;
    bool adds = v->op >= RVO_FMADD;
    ir_value values[RVL_REGISTERS], scalar;

    if (!is_arithmetic(v->op) || format == RV_FORMAT_VV2 || (!is_whole(v) && !likes_zeros(v)))
        return false;
    scalar = has_vs1 ? 0 : rvl_scalar(v, v->sew);
    for (unsigned k = 0; k < count; k++) {
        ir_value a = kept(v, k, rvl_get(v, v->vs2 + k));
        ir_value b = kept(v, k, has_vs1 ? rvl_get(v, v->vs1 + k) : scalar);
        ir_value d = adds ? kept(v, k, rvl_get(v, v->vd + k)) : 0;

        values[k] = is_sign(v->op) ? sign(v, a, b) : element(v, v->sew, a, b, d);
    }
    for (unsigned k = 0; k < count; k++)
        rvl_put(v, k, v->sew, v->lmul, values[k]);
    return true;
}

static ir_value widen(struct rvl *v, ir_value a, bool high)
{
    return ir_vector(v->u, IR_vfwiden, IR_V128, format_of(v->sew), 0, 0, rvl_half(v, a, high), 0,
                     0);
}

/* Register k of the wide result comes from half a register. */
static bool each_wide(struct rvl *v, bool first)
{
    unsigned format = rv_insns[v->id].format, count = rvl_registers(v->lmul + 1);
    bool has_vs1 = format == RV_FORMAT_VVV || format == RV_FORMAT_MVV;
    ir_value values[RVL_REGISTERS], scalar;

    if (!v->vm || v->lmul < -1)
        return false;
    scalar = has_vs1 ? 0 : widen(v, rvl_scalar(v, v->sew), false);
    for (unsigned k = 0; k < count; k++) {
        ir_value a = first ? rvl_get(v, v->vs2 + k) : widen(v, rvl_get(v, v->vs2 + k / 2), k & 1);
        ir_value b = has_vs1 ? widen(v, rvl_get(v, v->vs1 + k / 2), k & 1) : scalar;
        ir_value d = v->op >= RVO_FMADD ? rvl_get(v, v->vd + k) : 0;

        values[k] = element(v, v->sew + 1, a, b, d);
    }
    for (unsigned k = 0; k < count; k++)
        rvl_put(v, k, v->sew + 1, v->lmul + 1, values[k]);
    return true;
}

/* Of one operand, of the same width. */
static bool each_unary(struct rvl *v)
{
    unsigned count = rvl_registers(v->lmul);
    uint8_t how = rv_vector_insns[v->id].op & RVO_ZERO ? IR_ROUND_ZERO : rounding(v);
    enum ir_code code;
    ir_value values[RVL_REGISTERS];

    if (rv_insns[v->id].format != RV_FORMAT_VV2 || !is_whole(v))
        return false;
    switch (v->op) {
    case RVO_FSQRT:
        code = IR_vfsqrt;
        break;
    case RVO_FTOI:
    case RVO_FTOU:
        code = IR_vftoi;
        break;
    case RVO_ITOF:
    case RVO_UTOF:
        code = IR_vitof;
        break;
    default:
        return false;
    }
    if (v->op == RVO_FTOU || v->op == RVO_UTOF)
        how |= IR_FP_UNSIGNED;
    for (unsigned k = 0; k < count; k++)
        values[k] = fp(v, code, v->sew, how, 0, rvl_get(v, v->vs2 + k), 0, 0);
    for (unsigned k = 0; k < count; k++)
        rvl_put(v, k, v->sew, v->lmul, values[k]);
    return true;
}

/* Between f32 and f64, or f16 and f32. */
static bool convert_wide(struct rvl *v)
{
    unsigned count = rvl_registers(v->lmul + 1);
    ir_value values[RVL_REGISTERS];

    if (!v->vm || v->lmul < -1 || v->op != RVO_FTOF)
        return false;
    for (unsigned k = 0; k < count; k++)
        values[k] = widen(v, rvl_get(v, v->vs2 + k / 2), k & 1);
    for (unsigned k = 0; k < count; k++)
        rvl_put(v, k, v->sew + 1, v->lmul + 1, values[k]);
    return true;
}

static bool convert_narrow(struct rvl *v)
{
    unsigned count = rvl_registers(v->lmul);
    uint8_t how = rounding(v);
    ir_value values[RVL_REGISTERS], half[2];

    if (!v->vm || v->lmul < -1 || v->op != RVO_FTOF || rv_vector_insns[v->id].op & RVO_ODD)
        return false;
    for (unsigned k = 0; k < count; k++) {
        for (unsigned i = 0; i < (v->lmul < 0 ? 1u : 2u); i++)
            half[i] = ir_vector(v->u, IR_vfnarrow, IR_V64, format_of(v->sew), how, 0,
                                rvl_get(v, v->vs2 + 2 * k + i), 0, 0);
        values[k] = v->lmul < 0 ? ir_op1(v->u, IR_vzext, IR_V128, half[0])
                                : ir_op2(v->u, IR_vjoin, IR_V128, half[0], half[1]);
    }
    for (unsigned k = 0; k < count; k++)
        rvl_put(v, k, v->sew, v->lmul, values[k]);
    return true;
}

static ir_value compare(struct rvl *v, ir_value a, ir_value b)
{
    bool quiet = v->op == RVO_EQ || v->op == RVO_NE, swap = v->op == RVO_GT || v->op == RVO_GE;
    enum ir_fcc cc = quiet ? IR_FCC_EQ : v->op == RVO_LT || v->op == RVO_GT ? IR_FCC_LT : IR_FCC_LE;
    ir_value found =
        fp(v, IR_vfcmp, v->sew, 0, IR_VFCMP(cc, !quiet, 0), swap ? b : a, swap ? a : b, 0);

    return v->op == RVO_NE ? ir_op1(v->u, IR_vnot, IR_V128, found) : found;
}

static bool each_comparison(struct rvl *v)
{
    bool has_vs1 = rv_insns[v->id].format == RV_FORMAT_VVV;
    ir_value bits[2] = {0}, scalar = has_vs1 ? 0 : rvl_scalar(v, v->sew);

    for (unsigned k = 0; k < rvl_registers(v->lmul); k++) {
        ir_value a = kept(v, k, rvl_get(v, v->vs2 + k));
        ir_value b = kept(v, k, has_vs1 ? rvl_get(v, v->vs1 + k) : scalar);

        rvl_collect(v, bits, k * (RV_VLENB >> v->sew), v->sew, compare(v, a, b));
    }
    rvl_put_mask(v, bits);
    return true;
}

static bool to_f(struct rvl *v)
{
    ir_value e = rvl_get(v, v->vs2);

    if (v->sew == 2)
        e = ir_convert(v->u, IR_box, IR_F64, IR_F32, ir_op1(v->u, IR_vscalar, IR_F32, e));
    else
        e = ir_op1(v->u, IR_vscalar, IR_F64, e);
    ir_set(v->u, RV_SLOT_F0 + v->vd, e);
    return true;
}

bool rvl_float(struct rvl *v)
{
    if ((v->u->mode & RV_MODE_FS) >> RV_MODE_FS_SHIFT != RV_FS_DIRTY)
        return false;
    switch (v->shape) {
    case RV_SHAPE_FLOAT:
        return each_binary(v) || each_unary(v);
    case RV_SHAPE_FWIDE:
        return each_wide(v, false);
    case RV_SHAPE_FWIDE_FIRST:
        return each_wide(v, true);
    case RV_SHAPE_FCONVERT_WIDE:
        return convert_wide(v);
    case RV_SHAPE_FCONVERT_NARROW:
        return convert_narrow(v);
    case RV_SHAPE_FCOMPARE:
        return each_comparison(v);
    case RV_SHAPE_TO_F:
        return to_f(v);
    default:
        return false;
    }
}
