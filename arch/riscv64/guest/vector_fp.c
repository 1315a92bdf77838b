/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Floating-point vector instructions in C (30.13, 30.14.3), by softfloat. */
#include "arch/riscv64/guest/vector.h"

static enum ir_type format_of(unsigned size)
{
    return size == 1 ? IR_F16 : size == 2 ? IR_F32 : IR_F64;
}

/* ---- Estimates (30.13.9, 30.13.10): seven bits by the specification's tables ---- */

#define ESTIMATE_BITS 7

static const uint8_t reciprocals[BIT(ESTIMATE_BITS)] = {
    127, 125, 123, 121, 119, 117, 116, 114, 112, 110, 109, 107, 105, 104, 102, 100, 99, 97, 96,
    94,  93,  91,  90,  88,  87,  85,  84,  83,  81,  80,  79,  77,  76,  75,  74,  72, 71, 70,
    69,  68,  66,  65,  64,  63,  62,  61,  60,  59,  58,  57,  56,  55,  54,  53,  52, 51, 50,
    49,  48,  47,  46,  45,  44,  43,  42,  41,  40,  40,  39,  38,  37,  36,  35,  35, 34, 33,
    32,  31,  31,  30,  29,  28,  28,  27,  26,  25,  25,  24,  23,  23,  22,  21,  21, 20, 19,
    19,  18,  17,  17,  16,  15,  15,  14,  14,  13,  12,  12,  11,  11,  10,  9,   9,  8,  8,
    7,   7,   6,   5,   5,   4,   4,   3,   3,   2,   2,   1,   1,   0,
};
/* By the exponent's lowest bit and six of the fraction. */
static const uint8_t roots[BIT(ESTIMATE_BITS)] = {
    52,  51,  50,  48,  47,  46, 44, 43,  42,  41,  40,  39,  38,  36,  35,  34,  33,  32,  31,
    30,  30,  29,  28,  27,  26, 25, 24,  23,  23,  22,  21,  20,  19,  19,  18,  17,  16,  16,
    15,  14,  14,  13,  12,  12, 11, 10,  10,  9,   9,   8,   7,   7,   6,   6,   5,   4,   4,
    3,   3,   2,   2,   1,   1,  0,  127, 125, 123, 121, 119, 118, 116, 114, 113, 111, 109, 108,
    106, 105, 103, 102, 100, 99, 97, 96,  95,  93,  92,  91,  90,  88,  87,  86,  85,  84,  83,
    82,  80,  79,  78,  77,  76, 75, 74,  73,  72,  71,  70,  70,  69,  68,  67,  66,  65,  64,
    63,  63,  62,  61,  60,  59, 59, 58,  57,  56,  56,  55,  54,  53,
};

/* A number taken apart: its fraction normalized, so that the exponent may be below 0. */
struct parts {
    unsigned fraction_bits;
    int bias;
    uint64_t sign; /* in its place */
    int exponent;
    uint64_t fraction;
};

static struct parts take_apart(enum ir_type format, uint64_t a)
{
    struct parts p = {.fraction_bits = format == IR_F16 ? 10 : format == IR_F32 ? 23 : 52};
    unsigned exponent_bits = format == IR_F16 ? 5 : format == IR_F32 ? 8 : 11;

    p.bias = (int)BIT(exponent_bits - 1) - 1;
    p.sign = a & BIT(p.fraction_bits + exponent_bits);
    p.exponent = (int)(a >> p.fraction_bits & (BIT(exponent_bits) - 1));
    p.fraction = a & (BIT(p.fraction_bits) - 1);
    if (p.exponent == 0 && p.fraction) {
        for (; !(p.fraction >> (p.fraction_bits - 1)); p.exponent--)
            p.fraction <<= 1;
        p.fraction = p.fraction << 1 & (BIT(p.fraction_bits) - 1);
    }
    return p;
}

static uint64_t infinity(const struct parts *p)
{
    return (uint64_t)(2 * p->bias + 1) << p->fraction_bits;
}

#define CLASS_NEGATIVE_INFINITY BIT(0)
#define CLASS_NEGATIVE_ZERO     BIT(3)
#define CLASS_NEGATIVE          BITS(2, 1)
#define CLASS_ZERO              BIT(4)
#define CLASS_INFINITY          BIT(7)
#define CLASS_SIGNALING         BIT(8)
#define CLASS_NAN               BITS(9, 8)

static uint64_t not_a_number(struct sf_env *env, enum ir_type format, bool invalid)
{
    if (invalid)
        env->flags |= SF_INVALID;
    return sf_default_nan(env, format);
}

/* The reciprocal of a denormal that has none. */
static uint64_t too_large(struct sf_env *env, const struct parts *p)
{
    bool to_zero = env->round == IR_ROUND_ZERO || (env->round == IR_ROUND_DOWN && !p->sign) ||
                   (env->round == IR_ROUND_UP && p->sign);

    env->flags |= SF_OVERFLOW | SF_INEXACT;
    return p->sign | (infinity(p) - to_zero);
}

static uint64_t reciprocal(struct sf_env *env, enum ir_type format, uint64_t a)
{
    unsigned class = sf_classify(format, a);
    struct parts p = take_apart(format, a);
    uint64_t fraction;
    int exponent;

    if (class & CLASS_NAN)
        return not_a_number(env, format, class & CLASS_SIGNALING);
    if (class & (CLASS_INFINITY | CLASS_NEGATIVE_INFINITY))
        return p.sign;
    if (class & (CLASS_ZERO | CLASS_NEGATIVE_ZERO)) {
        env->flags |= SF_DIVIDE;
        return p.sign | infinity(&p);
    }
    if (p.exponent < -1)
        return too_large(env, &p);
    fraction = (uint64_t)reciprocals[p.fraction >> (p.fraction_bits - ESTIMATE_BITS)]
               << (p.fraction_bits - ESTIMATE_BITS);
    exponent = 2 * p.bias - 1 - p.exponent;
    if (exponent < 1) { /* a denormal: 0 or -1 */
        fraction = (fraction | BIT(p.fraction_bits)) >> (1 - exponent);
        exponent = 0;
    }
    return p.sign | (uint64_t)exponent << p.fraction_bits | fraction;
}

static uint64_t reciprocal_root(struct sf_env *env, enum ir_type format, uint64_t a)
{
    unsigned class = sf_classify(format, a);
    struct parts p = take_apart(format, a);
    uint64_t index;

    if (class & CLASS_NAN)
        return not_a_number(env, format, class & CLASS_SIGNALING);
    if (class & (CLASS_NEGATIVE | CLASS_NEGATIVE_INFINITY))
        return not_a_number(env, format, true);
    if (class & CLASS_INFINITY)
        return 0;
    if (class & (CLASS_ZERO | CLASS_NEGATIVE_ZERO)) {
        env->flags |= SF_DIVIDE;
        return p.sign | infinity(&p);
    }
    index = (uint64_t)(p.exponent & 1) << (ESTIMATE_BITS - 1) |
            p.fraction >> (p.fraction_bits - ESTIMATE_BITS + 1);
    return (uint64_t)((3 * p.bias - 1 - p.exponent) / 2) << p.fraction_bits |
           (uint64_t)roots[index] << (p.fraction_bits - ESTIMATE_BITS);
}

/* ---- Conversions ---- */

static uint64_t clamp(struct sf_env *env, uint64_t e)
{
    env->flags |= SF_INVALID;
    return e;
}

/* Integers of 16 bits: the flags are those of one conversion. */
static uint64_t to_half_word(struct sf_env *env, enum ir_type from, bool is_unsigned, uint64_t a)
{
    struct sf_env wide = {.policy = env->policy, .round = env->round};
    int32_t n = (int32_t)sf_to_int(&wide, IR_I32, false, from, a);
    int32_t least = is_unsigned ? 0 : INT16_MIN, most = is_unsigned ? UINT16_MAX : INT16_MAX;

    if (wide.flags & SF_INVALID)
        return clamp(env, (uint64_t)(n < 0 ? least : most));
    if (n < least || n > most)
        return clamp(env, (uint64_t)(n < least ? least : most));
    env->flags |= wide.flags;
    return (uint64_t)n;
}

static uint64_t to_integer(struct sf_env *env, unsigned to, unsigned from, bool is_unsigned,
                           uint64_t a)
{
    if (to <= 1)
        return to_half_word(env, format_of(from), is_unsigned, a);
    return sf_to_int(env, to == 3 ? IR_I64 : IR_I32, is_unsigned, format_of(from), a);
}

static uint64_t from_integer(struct sf_env *env, unsigned to, unsigned from, bool is_unsigned,
                             uint64_t a)
{
    if (from < 2 && !is_unsigned)
        a = (uint32_t)rv_v_signed(from, a);
    return sf_from_int(env, format_of(to), from == 3 ? IR_I64 : IR_I32, is_unsigned, a);
}

/* ---- Elements ---- */

static uint64_t sign_of(unsigned size)
{
    return BIT((8u << size) - 1);
}

static uint64_t unary(struct sf_env *env, unsigned op, unsigned to, unsigned from, uint64_t a)
{
    switch (op) {
    case RVO_FSQRT:
        return sf_sqrt(env, format_of(to), a);
    case RVO_FRSQRT7:
        return reciprocal_root(env, format_of(to), a);
    case RVO_FREC7:
        return reciprocal(env, format_of(to), a);
    case RVO_FCLASS:
        return sf_classify(format_of(to), a);
    case RVO_FTOU:
    case RVO_FTOI:
        return to_integer(env, to, from, op == RVO_FTOU, a);
    case RVO_UTOF:
    case RVO_ITOF:
        return from_integer(env, to, from, op == RVO_UTOF, a);
    default:
        return sf_convert(env, format_of(to), format_of(from), a);
    }
}

unsigned rv_v_negations(unsigned op)
{
    static const uint8_t negations[] = {
        [RVO_FNMADD - RVO_FMADD] = IR_FMA_NEGATE_PRODUCT | IR_FMA_NEGATE_ADDEND,
        [RVO_FMSUB - RVO_FMADD] = IR_FMA_NEGATE_ADDEND,
        [RVO_FNMSUB - RVO_FMADD] = IR_FMA_NEGATE_PRODUCT,
        [RVO_FMACC - RVO_FMADD] = 0,
        [RVO_FNMACC - RVO_FMADD] = IR_FMA_NEGATE_PRODUCT | IR_FMA_NEGATE_ADDEND,
        [RVO_FMSAC - RVO_FMADD] = IR_FMA_NEGATE_ADDEND,
        [RVO_FNMSAC - RVO_FMADD] = IR_FMA_NEGATE_PRODUCT,
    };

    return negations[op - RVO_FMADD];
}

/* a: vs2, b: the source, d: what vd held. */
static uint64_t multiply_add(struct sf_env *env, unsigned op, enum ir_type f, uint64_t a,
                             uint64_t b, uint64_t d)
{
    unsigned negate = rv_v_negations(op);

    return op < RVO_FMACC ? sf_fma(env, f, b, d, a, negate) : sf_fma(env, f, b, a, d, negate);
}

static uint64_t element(struct sf_env *env, unsigned op, unsigned size, uint64_t a, uint64_t b,
                        uint64_t d)
{
    enum ir_type f = format_of(size);
    uint64_t sign = sign_of(size);

    switch (op) {
    case RVO_FADD:
        return sf_add(env, f, a, b);
    case RVO_FSUB:
        return sf_sub(env, f, a, b);
    case RVO_FRSUB:
        return sf_sub(env, f, b, a);
    case RVO_FMUL:
        return sf_mul(env, f, a, b);
    case RVO_FDIV:
        return sf_div(env, f, a, b);
    case RVO_FRDIV:
        return sf_div(env, f, b, a);
    case RVO_FMIN:
        return sf_min(env, f, IR_FMIN_NUMBER, a, b);
    case RVO_FMAX:
        return sf_max(env, f, IR_FMIN_NUMBER, a, b);
    case RVO_FSGNJ:
        return (a & ~sign) | (b & sign);
    case RVO_FSGNJN:
        return (a & ~sign) | (~b & sign);
    case RVO_FSGNJX:
        return a ^ (b & sign);
    default:
        return multiply_add(env, op, f, a, b, d);
    }
}

static bool compare(struct sf_env *env, unsigned op, unsigned size, uint64_t a, uint64_t b)
{
    enum ir_type f = format_of(size);

    switch (op) {
    case RVO_EQ:
    case RVO_NE:
        return sf_compare(env, f, IR_FCC_EQ, false, a, b) == (op == RVO_EQ);
    case RVO_LT:
        return sf_compare(env, f, IR_FCC_LT, true, a, b);
    case RVO_LE:
        return sf_compare(env, f, IR_FCC_LE, true, a, b);
    case RVO_GT:
        return sf_compare(env, f, IR_FCC_LT, true, b, a);
    default:
        return sf_compare(env, f, IR_FCC_LE, true, b, a);
    }
}

/* ---- Loops ---- */

static void each_unary(struct rv_vector *v)
{
    unsigned to = v->sew + (v->shape == RV_SHAPE_FCONVERT_WIDE);
    unsigned from = v->sew + (v->shape == RV_SHAPE_FCONVERT_NARROW);

    for (uint64_t i = v->start; i < v->vl; i++)
        if (rv_v_active(v, i))
            rv_v_put(v, v->vd, to, i,
                     unary(&v->env, v->op & RVO_CODE, to, from, rv_v_get(v, v->vs2, from, i)));
}

/* Element i of the group at n, converted from SEW to `to`. */
static uint64_t widened(struct rv_vector *v, unsigned to, uint64_t e)
{
    return to == v->sew ? e : sf_convert(&v->env, format_of(to), format_of(v->sew), e);
}

static void each_binary(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v), first = v->shape == RV_SHAPE_FWIDE_FIRST;
    unsigned sew = v->sew, to = sew + (first || v->shape == RV_SHAPE_FWIDE);
    uint64_t scalar = has_vs1 ? 0 : rv_v_scalar(v, sew);

    for (uint64_t i = v->start; i < v->vl; i++) {
        uint64_t a, b;

        if (!rv_v_active(v, i))
            continue;
        a = first ? rv_v_get(v, v->vs2, to, i) : widened(v, to, rv_v_get(v, v->vs2, sew, i));
        b = widened(v, to, has_vs1 ? rv_v_get(v, v->vs1, sew, i) : scalar);
        rv_v_put(v, v->vd, to, i,
                 element(&v->env, v->op & RVO_CODE, to, a, b, rv_v_get(v, v->vd, to, i)));
    }
}

static void each_comparison(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v);
    uint64_t scalar = has_vs1 ? 0 : rv_v_scalar(v, v->sew);

    for (uint64_t i = v->start; i < v->vl; i++)
        if (rv_v_active(v, i))
            rv_v_put_bit(v, v->vd, i,
                         compare(&v->env, v->op & RVO_CODE, v->sew, rv_v_get(v, v->vs2, v->sew, i),
                                 has_vs1 ? rv_v_get(v, v->vs1, v->sew, i) : scalar));
}

/* Unordered sums are done in order too. */
static void reduce(struct rv_vector *v)
{
    unsigned size = v->sew + (v->shape == RV_SHAPE_FREDUCE_WIDE);
    uint64_t sum = rv_v_get(v, v->vs1, size, 0);

    if (!v->vl)
        return;
    for (uint64_t i = 0; i < v->vl; i++)
        if (rv_v_active(v, i))
            sum = element(&v->env, v->op & RVO_CODE, size, sum,
                          widened(v, size, rv_v_get(v, v->vs2, v->sew, i)), 0);
    rv_v_put(v, v->vd, size, 0, sum);
}

void rv_vector_float(struct rv_vector *v)
{
    switch (v->shape) {
    case RV_SHAPE_FCOMPARE:
        each_comparison(v);
        break;
    case RV_SHAPE_FREDUCE:
    case RV_SHAPE_FREDUCE_WIDE:
        reduce(v);
        break;
    case RV_SHAPE_FCONVERT_WIDE:
    case RV_SHAPE_FCONVERT_NARROW:
        each_unary(v);
        break;
    default:
        if (rv_insns[v->id].format == RV_FORMAT_VV2)
            each_unary(v);
        else
            each_binary(v);
    }
}
