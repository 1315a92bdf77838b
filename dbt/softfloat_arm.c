/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Operations that only Arm has: estimates and Newton steps, FMULX, the conversion for JavaScript
 * (Arm Architecture Reference Manual, shared/functions/float). On bit patterns, by softfloat.h's
 * arithmetic.
 */
#include "dbt/softfloat.h"

struct layout {
    unsigned stored; /* bits of the fraction */
    int bias;
    unsigned width;
};

static const struct layout *layout_of(enum ir_type t)
{
    static const struct layout f32 = {23, 127, 32}, f64 = {52, 1023, 64};

    return t == IR_F32 ? &f32 : &f64;
}

static uint64_t sign_of(const struct layout *l, uint64_t v)
{
    return v & BIT(l->width - 1);
}

static unsigned exponent_of(const struct layout *l, uint64_t v)
{
    return (unsigned)(v >> l->stored) & (2 * (unsigned)l->bias + 1);
}

static uint64_t fraction_of(const struct layout *l, uint64_t v)
{
    return v & (BIT(l->stored) - 1);
}

static uint64_t infinity_of(const struct layout *l)
{
    return (uint64_t)(2 * l->bias + 1) << l->stored;
}

static uint64_t magnitude_of(const struct layout *l, uint64_t v)
{
    return v & (BIT(l->width - 1) - 1);
}

static bool is_nan(const struct layout *l, uint64_t v)
{
    return magnitude_of(l, v) > infinity_of(l);
}

static uint64_t one_and_a_half(const struct layout *l)
{
    return (uint64_t)l->bias << l->stored | BIT(l->stored - 1);
}

static uint64_t two(const struct layout *l)
{
    return (uint64_t)(l->bias + 1) << l->stored;
}

/* Is one zero and the other infinite? */
static bool zero_and_infinity(const struct layout *l, uint64_t a, uint64_t b)
{
    uint64_t x = magnitude_of(l, a), y = magnitude_of(l, b), infinite = infinity_of(l);

    return (x == 0 && y == infinite) || (x == infinite && y == 0);
}

uint64_t sf_mulx(struct sf_env *env, enum ir_type t, uint64_t a, uint64_t b)
{
    const struct layout *l = layout_of(t);
    struct sf_env flushed = *env;
    uint64_t x = sf_flush_input(&flushed, t, a), y = sf_flush_input(&flushed, t, b);

    if (!zero_and_infinity(l, x, y))
        return sf_mul(env, t, a, b);
    env->flags |= flushed.flags;
    return two(l) | (sign_of(l, x) ^ sign_of(l, y));
}

/* a half: exact, or `v` is as good as zero. */
static uint64_t half_of(const struct layout *l, uint64_t v)
{
    return exponent_of(l, v) > 1 && exponent_of(l, v) <= 2 * (unsigned)l->bias ? v - BIT(l->stored)
                                                                               : v;
}

/* 2 - a b, and (3 - a b) / 2: rounded once. */
uint64_t sf_recip_step(struct sf_env *env, enum ir_type t, uint64_t a, uint64_t b)
{
    const struct layout *l = layout_of(t);
    uint64_t x = sf_flush_input(env, t, a), y = sf_flush_input(env, t, b);

    if (zero_and_infinity(l, x, y))
        return two(l);
    return sf_fma(env, t, x, y, two(l), IR_FMA_NEGATE_PRODUCT);
}

uint64_t sf_rsqrt_step(struct sf_env *env, enum ir_type t, uint64_t a, uint64_t b)
{
    const struct layout *l = layout_of(t);
    uint64_t x = sf_flush_input(env, t, a), y = sf_flush_input(env, t, b);

    if (zero_and_infinity(l, x, y))
        return one_and_a_half(l);
    if (half_of(l, x) != x)
        x = half_of(l, x);
    else
        y = half_of(l, y);
    return sf_fma(env, t, x, y, one_and_a_half(l), IR_FMA_NEGATE_PRODUCT);
}

/* ---- Estimates (RecipEstimate(), RecipSqrtEstimate()) ---- */

/* Of a in 256 .. 511, as 256 .. 511. */
static unsigned reciprocal(unsigned a)
{
    unsigned b;

    a = a * 2 + 1;
    b = (1u << 19) / a;
    return (b + 1) / 2;
}

/* Of a in 128 .. 511. */
static unsigned reciprocal_root(unsigned a)
{
    unsigned b = 512;

    a = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
    while (a * (b + 1) * (b + 1) < 1u << 28)
        b++;
    return (b + 1) / 2;
}

uint32_t sf_recip_estimate_u32(uint32_t a)
{
    return a >> 31 ? reciprocal(a >> 23) << 23 : UINT32_MAX;
}

uint32_t sf_rsqrt_estimate_u32(uint32_t a)
{
    return a >> 30 ? reciprocal_root(a >> 23) << 23 : UINT32_MAX;
}

/* The estimate of a number so small that its reciprocal has no place. */
static uint64_t recip_overflow(struct sf_env *env, const struct layout *l, uint64_t sign)
{
    bool to_infinity =
        env->round == IR_ROUND_NEAREST || env->round == (sign ? IR_ROUND_DOWN : IR_ROUND_UP);

    env->flags |= SF_OVERFLOW | SF_INEXACT;
    return sign | (infinity_of(l) - !to_infinity);
}

uint64_t sf_recip_estimate(struct sf_env *env, enum ir_type t, uint64_t a)
{
    const struct layout *l = layout_of(t);
    uint64_t sign = sign_of(l, a), fraction, v;
    int exp, result;

    if (is_nan(l, a))
        return sf_quiet(env, t, a);
    v = sf_flush_input(env, t, a);
    exp = (int)exponent_of(l, v);
    fraction = fraction_of(l, v) << (52 - l->stored);
    if (magnitude_of(l, v) == infinity_of(l))
        return sign;
    if (magnitude_of(l, v) == 0) {
        env->flags |= SF_DIVIDE;
        return sign | infinity_of(l);
    }
    if (magnitude_of(l, v) < BIT(l->stored - 2))
        return recip_overflow(env, l, sign);
    if (env->flush_results && exp >= 2 * l->bias - 1) {
        env->flags |= SF_UNDERFLOW;
        return sign;
    }
    if (exp == 0) {
        exp = fraction >> 51 ? 0 : -1;
        fraction = fraction << (exp ? 2 : 1) & BITS(51, 0);
    }
    result = 2 * l->bias - 1 - exp;
    fraction = (uint64_t)(reciprocal(256 | (unsigned)(fraction >> 44)) & 255) << 44;
    if (result <= 0) {
        fraction = (fraction | BIT(52)) >> (result ? 2 : 1);
        result = 0;
    }
    return sign | (uint64_t)result << l->stored | fraction >> (52 - l->stored);
}

uint64_t sf_rsqrt_estimate(struct sf_env *env, enum ir_type t, uint64_t a)
{
    const struct layout *l = layout_of(t);
    uint64_t sign = sign_of(l, a), fraction, v;
    unsigned estimate;
    int exp;

    if (is_nan(l, a))
        return sf_quiet(env, t, a);
    v = sf_flush_input(env, t, a);
    if (magnitude_of(l, v) == 0) {
        env->flags |= SF_DIVIDE;
        return sign | infinity_of(l);
    }
    if (sign) {
        env->flags |= SF_INVALID;
        return sf_default_nan(env, t);
    }
    if (v == infinity_of(l))
        return 0;
    exp = (int)exponent_of(l, v);
    fraction = fraction_of(l, v) << (52 - l->stored);
    if (exp == 0) {
        unsigned shift = (unsigned)__builtin_clzll(fraction) - 11;

        exp = 1 - (int)shift;
        fraction = fraction << shift & BITS(51, 0);
    }
    estimate = reciprocal_root(exp & 1 ? 128 | (unsigned)(fraction >> 45)
                                       : 256 | (unsigned)(fraction >> 44));
    exp = (3 * l->bias - 1 - exp) / 2;
    return (uint64_t)exp << l->stored | (uint64_t)(estimate & 255) << (l->stored - 8);
}

uint64_t sf_recip_exponent(struct sf_env *env, enum ir_type t, uint64_t a)
{
    const struct layout *l = layout_of(t);
    uint64_t exp = exponent_of(l, a), all = 2 * (unsigned)l->bias + 1;

    if (is_nan(l, a))
        return sf_quiet(env, t, a);
    (void)sf_flush_input(env, t, a);
    return sign_of(l, a) | (exp ? ~exp & all : all - 1) << l->stored;
}

/* ---- FJCVTZS ---- */

uint32_t sf_to_int_javascript(struct sf_env *env, uint64_t a, bool *exact)
{
    const struct layout *l = layout_of(IR_F64);
    uint64_t v = sf_flush_input(env, IR_F64, a), frac, value, lost = 0;
    int shift;

    *exact = false;
    if (magnitude_of(l, v) >= infinity_of(l)) {
        env->flags |= SF_INVALID;
        return 0;
    }
    if (magnitude_of(l, v) == 0) {
        *exact = v == a && v == 0;
        return 0;
    }
    frac = fraction_of(l, v) | (exponent_of(l, v) ? BIT(l->stored) : 0);
    shift = (int)exponent_of(l, v) - l->bias - (int)l->stored;
    if (shift >= 0) {
        value = shift > 63 ? 0 : frac << shift;
        frac = shift >= 11 ? UINT64_MAX : value; /* as large as need be */
    } else {
        value = shift < -63 ? 0 : frac >> -shift;
        lost = shift < -63 ? 1 : frac & (BIT((unsigned)-shift) - 1);
        frac = value;
    }
    if (frac > (sign_of(l, v) ? BIT(31) : BIT(31) - 1))
        env->flags |= SF_INVALID;
    else if (lost)
        env->flags |= SF_INEXACT;
    else
        *exact = true;
    return (uint32_t)(sign_of(l, v) ? 0 - value : value);
}
