/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Arithmetic on unpacked numbers. A finite number other than zero is frac * 2^(exp - 62) with frac
 * in [2^62, 2^63); bit 0 of frac is sticky: it is set when something below it was lost.
 */
#include "dbt/softfloat.h"

enum class { ZERO, FINITE, INFINITE, NAN_QUIET, NAN_SIGNALING };

struct number {
    enum class class;
    bool negative;
    int exp;
    uint64_t frac;
    uint64_t bits; /* as it came, for NaNs */
};

struct format {
    unsigned precision; /* bits of the significand, the hidden one included */
    int emin, emax;     /* exponents of normal numbers */
};

#define POINT 62 /* bit of frac that stands for 1 */

static const struct format *format_of(enum ir_type t)
{
    static const struct format f16 = {11, -14, 15}, f32 = {24, -126, 127}, f64 = {53, -1022, 1023};

    return t == IR_F32 ? &f32 : t == IR_F64 ? &f64 : &f16;
}

static unsigned width_of(enum ir_type t)
{
    return t == IR_F32 ? 32 : t == IR_F64 ? 64 : 16;
}

static uint64_t sign_bit(enum ir_type t)
{
    return BIT(width_of(t) - 1);
}

static uint64_t quiet_bit(const struct format *f)
{
    return BIT(f->precision - 2);
}

static uint64_t infinity(enum ir_type t, bool negative)
{
    const struct format *f = format_of(t);

    return ((uint64_t)(2 * f->emax + 1) << (f->precision - 1)) | (negative ? sign_bit(t) : 0);
}

static uint64_t zero(enum ir_type t, bool negative)
{
    return negative ? sign_bit(t) : 0;
}

static uint64_t largest(enum ir_type t, bool negative)
{
    return infinity(t, negative) - 1;
}

uint64_t sf_default_nan(const struct sf_env *env, enum ir_type t)
{
    return infinity(t, env->policy == DBT_FP_X86) | quiet_bit(format_of(t));
}

static struct number unpack(struct sf_env *env, enum ir_type t, uint64_t bits)
{
    const struct format *f = format_of(t);
    unsigned stored = f->precision - 1;
    uint64_t frac = bits & (BIT(stored) - 1);
    unsigned biased = (unsigned)(bits >> stored) & (unsigned)(2 * f->emax + 1);
    struct number n = {.negative = (bits & sign_bit(t)) != 0, .bits = bits};

    if (biased == (unsigned)(2 * f->emax + 1) && !(t == IR_F16 && env->alternative)) {
        n.class = !frac ? INFINITE : frac & quiet_bit(f) ? NAN_QUIET : NAN_SIGNALING;
    } else if (biased) {
        n.class = FINITE;
        n.exp = (int)biased - f->emax;
        n.frac = (frac | BIT(stored)) << (POINT - stored);
    } else if (frac && env->flush_inputs && t != IR_F16) {
        env->flags |= SF_DENORMAL;
        n.class = ZERO;
    } else if (frac) {
        unsigned shift = (unsigned)__builtin_clzll(frac) - 1;

        if (env->policy == DBT_FP_X86)
            env->flags |= SF_DENORMAL;
        n.class = FINITE;
        n.frac = frac << shift;
        n.exp = f->emin + (int)(POINT - stored) - (int)shift;
    } else {
        n.class = ZERO;
    }
    return n;
}

static bool is_nan(const struct number *n)
{
    return n->class >= NAN_QUIET;
}

/* frac shifted right; what falls out stays as the sticky bit. */
static uint64_t shift_sticky(uint64_t frac, unsigned count)
{
    if (count == 0)
        return frac;
    if (count > 63)
        return frac != 0;
    return frac >> count | ((frac & (BIT(count) - 1)) != 0);
}

/* Does a value with these dropped bits round away from zero? `odd`: the last kept bit. */
static bool rounds_up(unsigned round, bool negative, bool odd, uint64_t dropped, uint64_t half)
{
    switch (round) {
    case IR_ROUND_NEAREST:
        return dropped > half || (dropped == half && odd);
    case IR_ROUND_AWAY:
        return dropped >= half;
    case IR_ROUND_DOWN:
        return negative && dropped;
    case IR_ROUND_UP:
        return !negative && dropped;
    case SF_ROUND_ODD:
        return !odd && dropped;
    default:
        return false;
    }
}

/* Rounds frac to `drop` bits less, in units of 2^drop. */
static uint64_t round_frac(unsigned round, bool negative, uint64_t frac, unsigned drop)
{
    uint64_t dropped = frac & (BIT(drop) - 1), kept = frac >> drop;

    return kept + rounds_up(round, negative, kept & 1, dropped, BIT(drop - 1));
}

static uint64_t overflow(struct sf_env *env, enum ir_type t, bool negative)
{
    bool to_infinity = env->round == IR_ROUND_NEAREST || env->round == IR_ROUND_AWAY ||
                       env->round == (negative ? IR_ROUND_DOWN : IR_ROUND_UP);

    env->flags |= SF_OVERFLOW | SF_INEXACT;
    return to_infinity ? infinity(t, negative) : largest(t, negative);
}

/* A result below the normal numbers (IEEE 754, 7.5). */
static uint64_t pack_tiny(struct sf_env *env, enum ir_type t, const struct number *n)
{
    const struct format *f = format_of(t);
    unsigned drop = POINT + 1 - f->precision;
    uint64_t frac = shift_sticky(n->frac, (unsigned)(f->emin - n->exp)), kept;
    bool tiny = true;

    /* After rounding as if exponents had no end it may be normal: Arm looks before rounding. */
    if (env->policy != DBT_FP_ARM && n->exp == f->emin - 1)
        tiny = round_frac(env->round, n->negative, n->frac, drop) >> f->precision == 0;
    if (env->flush_results && tiny && t != IR_F16) {
        env->flags |= SF_UNDERFLOW | (env->policy == DBT_FP_ARM ? 0 : SF_INEXACT);
        return zero(t, n->negative);
    }
    kept = round_frac(env->round, n->negative, frac, drop);
    if (frac & (BIT(drop) - 1))
        env->flags |= SF_INEXACT | (tiny ? SF_UNDERFLOW : 0);
    return kept | zero(t, n->negative); /* a carry makes the smallest normal number */
}

/* Of Arm's alternative f16: there is no infinity. */
static uint64_t alternative_overflow(struct sf_env *env, bool negative)
{
    env->flags |= SF_INVALID;
    return (sign_bit(IR_F16) - 1) | zero(IR_F16, negative);
}

static uint64_t pack(struct sf_env *env, enum ir_type t, const struct number *n)
{
    const struct format *f = format_of(t);
    unsigned drop = POINT + 1 - f->precision;
    int exp = n->exp;
    uint64_t kept;

    if (n->class == ZERO)
        return zero(t, n->negative);
    if (n->class == INFINITE && t == IR_F16 && env->alternative)
        return alternative_overflow(env, n->negative);
    if (n->class == INFINITE)
        return infinity(t, n->negative);
    if (exp < f->emin)
        return pack_tiny(env, t, n);
    kept = round_frac(env->round, n->negative, n->frac, drop);
    if (kept >> f->precision) {
        kept >>= 1;
        exp++;
    }
    if (t == IR_F16 && env->alternative && exp > f->emax + 1)
        return alternative_overflow(env, n->negative);
    if (exp > f->emax + (t == IR_F16 && env->alternative))
        return overflow(env, t, n->negative);
    if (n->frac & (BIT(drop) - 1))
        env->flags |= SF_INEXACT;
    return zero(t, n->negative) | (uint64_t)(exp + f->emax) << (f->precision - 1) |
           (kept & (BIT(f->precision - 1) - 1));
}

/* ---- NaNs ---- */

static uint64_t invalid(struct sf_env *env, enum ir_type t)
{
    env->flags |= SF_INVALID;
    return sf_default_nan(env, t);
}

/* The result when at least one of `count` operands, in the guest's order of preference, is a NaN.
 */
static uint64_t propagate(struct sf_env *env, enum ir_type t, const struct number *const *n,
                          unsigned count)
{
    const struct number *chosen = NULL;

    for (unsigned i = 0; i < count; i++)
        if (n[i]->class == NAN_SIGNALING)
            env->flags |= SF_INVALID;
    if (env->policy == DBT_FP_RISCV || env->default_nan)
        return sf_default_nan(env, t);
    for (unsigned i = 0; i < count && !chosen; i++)
        if (env->policy == DBT_FP_ARM ? n[i]->class == NAN_SIGNALING : is_nan(n[i]))
            chosen = n[i];
    for (unsigned i = 0; i < count && !chosen; i++)
        if (is_nan(n[i]))
            chosen = n[i];
    return (chosen ? chosen->bits : sf_default_nan(env, t)) | quiet_bit(format_of(t));
}

static uint64_t propagate2(struct sf_env *env, enum ir_type t, const struct number *a,
                           const struct number *b)
{
    return propagate(env, t, (const struct number *const[]){a, b}, 2);
}

/* ---- Addition ---- */

/* |a| >= |b|, both finite and not zero: compares what pack() would. */
static bool not_smaller(const struct number *a, const struct number *b)
{
    return a->exp != b->exp ? a->exp > b->exp : a->frac >= b->frac;
}

static struct number exact_zero(const struct sf_env *env)
{
    return (struct number){.class = ZERO, .negative = env->round == IR_ROUND_DOWN};
}

/* a + b of finite numbers, neither zero. The larger is kept whole, and the smaller one loses only
 * bits below the sticky bit. */
static struct number add_finite(const struct sf_env *env, const struct number *a,
                                const struct number *b)
{
    const struct number *big = not_smaller(a, b) ? a : b, *small = big == a ? b : a;
    struct number n = *big;
    uint64_t other = shift_sticky(small->frac, (unsigned)(big->exp - small->exp));
    unsigned shift;

    if (a->negative == b->negative) {
        n.frac = big->frac + other;
        if (n.frac >> (POINT + 1)) {
            n.frac = shift_sticky(n.frac, 1);
            n.exp++;
        }
        return n;
    }
    n.frac = big->frac - other;
    if (n.frac == 0)
        return exact_zero(env);
    shift = (unsigned)__builtin_clzll(n.frac) - 1;
    n.frac <<= shift;
    n.exp -= (int)shift;
    return n;
}

static uint64_t add(struct sf_env *env, enum ir_type t, uint64_t a_bits, uint64_t b_bits,
                    bool subtract)
{
    struct number a = unpack(env, t, a_bits), b = unpack(env, t, b_bits), n;

    if (is_nan(&a) || is_nan(&b))
        return propagate2(env, t, &a, &b);
    b.negative ^= subtract;
    if (a.class == INFINITE || b.class == INFINITE) {
        if (a.class == b.class && a.negative != b.negative)
            return invalid(env, t);
        return infinity(t, a.class == INFINITE ? a.negative : b.negative);
    }
    if (a.class == ZERO && b.class == ZERO) {
        n = exact_zero(env);
        if (a.negative == b.negative)
            n.negative = a.negative;
    } else if (a.class == ZERO || b.class == ZERO) {
        n = a.class == ZERO ? b : a;
    } else {
        n = add_finite(env, &a, &b);
    }
    return pack(env, t, &n);
}

uint64_t sf_add(struct sf_env *env, enum ir_type t, uint64_t a, uint64_t b)
{
    return add(env, t, a, b, false);
}

uint64_t sf_sub(struct sf_env *env, enum ir_type t, uint64_t a, uint64_t b)
{
    return add(env, t, a, b, true);
}

/* ---- Products ---- */

typedef unsigned __int128 uint128_t;

uint64_t sf_mul(struct sf_env *env, enum ir_type t, uint64_t a_bits, uint64_t b_bits)
{
    struct number a = unpack(env, t, a_bits), b = unpack(env, t, b_bits);
    struct number n = {.negative = a.negative != b.negative, .class = FINITE};
    uint128_t product;

    if (is_nan(&a) || is_nan(&b))
        return propagate2(env, t, &a, &b);
    if ((a.class == INFINITE && b.class == ZERO) || (a.class == ZERO && b.class == INFINITE))
        return invalid(env, t);
    if (a.class != FINITE || b.class != FINITE) {
        n.class = a.class == FINITE ? b.class : a.class;
        return pack(env, t, &n);
    }
    product = (uint128_t)a.frac * b.frac; /* its 1 is at bit 124 or 125 */
    n.exp = a.exp + b.exp + (product >> 125 ? 1 : 0);
    n.frac = (uint64_t)(product >> (product >> 125 ? 63 : 62));
    n.frac |= (product << (product >> 125 ? 65 : 66)) != 0;
    return pack(env, t, &n);
}

/* An exact product, and a sum with it: frac with its 1 at bit 126. */
struct wide {
    bool negative;
    int exp;
    uint128_t frac;
};

#define WIDE_POINT 126

static uint128_t shift_sticky_wide(uint128_t frac, unsigned count)
{
    if (count == 0)
        return frac;
    if (count > 127)
        return frac != 0;
    return frac >> count | ((frac << (128 - count)) != 0);
}

static unsigned clz_wide(uint128_t v)
{
    uint64_t high = (uint64_t)(v >> 64);

    return high ? (unsigned)__builtin_clzll(high) : 64 + (unsigned)__builtin_clzll((uint64_t)v);
}

static void wide_normalize(struct wide *w)
{
    int shift = (int)clz_wide(w->frac) - 1;

    w->frac = shift < 0 ? shift_sticky_wide(w->frac, 1) : w->frac << shift;
    w->exp -= shift;
}

static struct wide wide_product(const struct number *a, const struct number *b)
{
    struct wide w = {.negative = a->negative != b->negative,
                     .exp = a->exp + b->exp + 2,
                     .frac = (uint128_t)a->frac * b->frac}; /* 1 at bit 124 counts as 2^-2 */

    wide_normalize(&w);
    return w;
}

/* False: the sum is exactly zero. */
static bool wide_add(struct wide *w, const struct wide *addend)
{
    const struct wide *big = w, *small = addend;
    uint128_t other;

    if (w->exp != addend->exp ? w->exp < addend->exp : w->frac < addend->frac) {
        big = addend;
        small = w;
    }
    other = shift_sticky_wide(small->frac, (unsigned)(big->exp - small->exp));
    *w = (struct wide){.negative = big->negative,
                       .exp = big->exp,
                       .frac = big->negative == small->negative ? big->frac + other
                                                                : big->frac - other};
    if (w->frac == 0)
        return false;
    wide_normalize(w);
    return true;
}

static uint64_t pack_wide(struct sf_env *env, enum ir_type t, const struct wide *w)
{
    struct number n = {.class = FINITE, .negative = w->negative, .exp = w->exp};

    n.frac = (uint64_t)(w->frac >> (WIDE_POINT - POINT)) |
             ((w->frac & (((uint128_t)1 << (WIDE_POINT - POINT)) - 1)) != 0);
    return pack(env, t, &n);
}

/* A NaN among the operands, or infinity times zero. */
static uint64_t fma_nan(struct sf_env *env, enum ir_type t, const struct number *a,
                        const struct number *b, const struct number *c, bool zero_times_infinity)
{
    bool addend_quiet = c->class == NAN_QUIET;

    if (zero_times_infinity && !is_nan(c))
        return invalid(env, t);
    if (zero_times_infinity && env->policy != DBT_FP_X86) {
        env->flags |= SF_INVALID;
        if (env->policy == DBT_FP_ARM && addend_quiet)
            return sf_default_nan(env, t);
    }
    if (env->policy == DBT_FP_ARM) /* the addend first: Arm ARM, FPProcessNaNs3() */
        return propagate(env, t, (const struct number *const[]){c, a, b}, 3);
    return propagate(env, t, (const struct number *const[]){a, b, c}, 3);
}

static uint64_t fma_finite(struct sf_env *env, enum ir_type t, const struct number *a,
                           const struct number *b, const struct number *c)
{
    struct number n = *c;
    struct wide sum, addend;

    if (a->class == ZERO || b->class == ZERO) {
        bool negative = a->negative != b->negative;

        if (c->class == ZERO) {
            n = exact_zero(env);
            if (negative == c->negative)
                n.negative = negative;
        }
        return pack(env, t, &n);
    }
    sum = wide_product(a, b);
    if (c->class == FINITE) {
        addend = (struct wide){.negative = c->negative,
                               .exp = c->exp,
                               .frac = (uint128_t)c->frac << (WIDE_POINT - POINT)};
        if (!wide_add(&sum, &addend)) {
            n = exact_zero(env);
            return pack(env, t, &n);
        }
    }
    return pack_wide(env, t, &sum);
}

uint64_t sf_fma(struct sf_env *env, enum ir_type t, uint64_t a_bits, uint64_t b_bits,
                uint64_t c_bits, unsigned negate)
{
    /* Arm negates operands, NaNs too. */
    uint64_t a_flip = env->policy == DBT_FP_ARM && negate & IR_FMA_NEGATE_PRODUCT ? sign_bit(t) : 0;
    uint64_t c_flip = env->policy == DBT_FP_ARM && negate & IR_FMA_NEGATE_ADDEND ? sign_bit(t) : 0;
    struct number a = unpack(env, t, a_bits ^ a_flip), b = unpack(env, t, b_bits),
                  c = unpack(env, t, c_bits ^ c_flip);
    bool zero_times_infinity =
        (a.class == ZERO && b.class == INFINITE) || (a.class == INFINITE && b.class == ZERO);
    bool negative;

    if (is_nan(&a) || is_nan(&b) || is_nan(&c) || zero_times_infinity)
        return fma_nan(env, t, &a, &b, &c, zero_times_infinity);
    a.negative ^= (negate & IR_FMA_NEGATE_PRODUCT) != 0 && !a_flip;
    c.negative ^= (negate & IR_FMA_NEGATE_ADDEND) != 0 && !c_flip;
    negative = a.negative != b.negative;
    if (a.class == INFINITE || b.class == INFINITE) {
        if (c.class == INFINITE && c.negative != negative)
            return invalid(env, t);
        return infinity(t, negative);
    }
    if (c.class == INFINITE)
        return infinity(t, c.negative);
    return fma_finite(env, t, &a, &b, &c);
}

/* ---- Quotients and roots ---- */

/* dividend * 2^shift / divisor, rounded down; the quotient is below 2^64. */
static uint64_t divide(uint64_t dividend, unsigned shift, uint64_t divisor, bool *exact)
{
    uint64_t rest = 0, quotient = 0;

    for (unsigned i = 64 + shift; i > 0; i--) {
        uint64_t bit = i > shift ? dividend >> (i - shift - 1) & 1 : 0;

        rest = rest << 1 | bit; /* the divisor is below 2^63: nothing is lost */
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1;
        }
    }
    *exact = rest == 0;
    return quotient;
}

uint64_t sf_div(struct sf_env *env, enum ir_type t, uint64_t a_bits, uint64_t b_bits)
{
    struct number a = unpack(env, t, a_bits), b = unpack(env, t, b_bits);
    struct number n = {.negative = a.negative != b.negative, .class = FINITE};
    bool exact;

    if (is_nan(&a) || is_nan(&b))
        return propagate2(env, t, &a, &b);
    if (a.class == b.class && a.class != FINITE)
        return invalid(env, t);
    if (a.class == INFINITE || b.class == ZERO) {
        env->flags |= a.class == FINITE ? SF_DIVIDE : 0;
        return infinity(t, n.negative);
    }
    if (a.class == ZERO || b.class == INFINITE)
        return zero(t, n.negative);
    n.exp = a.exp - b.exp - (a.frac < b.frac);
    n.frac = divide(a.frac, a.frac < b.frac ? POINT + 1 : POINT, b.frac, &exact);
    n.frac |= !exact;
    return pack(env, t, &n);
}

/* The integer square root of `v`, rounded down; the remainder is told by `exact`. */
static uint64_t root(uint128_t v, bool *exact)
{
    uint128_t rest = 0, result = 0;

    for (int i = 63; i >= 0; i--) {
        uint128_t trial = (result << 2) + 1;

        rest = rest << 2 | (v >> (2 * i) & 3);
        result <<= 1;
        if (rest >= trial) {
            rest -= trial;
            result++;
        }
    }
    *exact = rest == 0;
    return (uint64_t)result;
}

uint64_t sf_sqrt(struct sf_env *env, enum ir_type t, uint64_t bits)
{
    struct number a = unpack(env, t, bits);
    bool exact;

    if (is_nan(&a))
        return propagate(env, t, (const struct number *const[]){&a}, 1);
    if (a.class == ZERO)
        return zero(t, a.negative);
    if (a.negative)
        return invalid(env, t);
    if (a.class == INFINITE)
        return infinity(t, false);
    /* sqrt(frac * 2^62 * 2^odd) has its 1 at bit 62. */
    a.frac = root((uint128_t)a.frac << (POINT + (a.exp & 1)), &exact);
    a.frac |= !exact;
    a.exp = (a.exp - (a.exp & 1)) / 2;
    return pack(env, t, &a);
}

/* ---- Comparisons ---- */

/* -1, 0 or 1; neither is a NaN. */
static int order(const struct number *a, const struct number *b)
{
    bool smaller;

    if (a->class == ZERO && b->class == ZERO)
        return 0;
    if (a->class == ZERO)
        return b->negative ? 1 : -1;
    if (b->class == ZERO || a->negative != b->negative)
        return a->negative ? -1 : 1;
    if (a->class == b->class && (a->class == INFINITE || (a->exp == b->exp && a->frac == b->frac)))
        return 0;
    smaller = a->class == INFINITE ? false : b->class == INFINITE ? true : !not_smaller(a, b);
    return smaller != a->negative ? -1 : 1;
}

bool sf_compare(struct sf_env *env, enum ir_type t, enum ir_fcc cc, bool signaling, uint64_t a_bits,
                uint64_t b_bits)
{
    struct number a = unpack(env, t, a_bits), b = unpack(env, t, b_bits);
    int relation;

    if (is_nan(&a) || is_nan(&b)) {
        if (signaling || a.class == NAN_SIGNALING || b.class == NAN_SIGNALING)
            env->flags |= SF_INVALID;
        return cc == IR_FCC_UNORDERED;
    }
    relation = order(&a, &b);
    return cc == IR_FCC_EQ   ? relation == 0
           : cc == IR_FCC_LT ? relation < 0
                             : cc == IR_FCC_LE && relation <= 0;
}

static uint64_t choose(struct sf_env *env, enum ir_type t, enum ir_fmin kind, uint64_t a_bits,
                       uint64_t b_bits, bool maximum)
{
    struct number a = unpack(env, t, a_bits), b = unpack(env, t, b_bits);
    int relation;

    if (a.class == ZERO) /* it may be a denormal that was flushed */
        a_bits = zero(t, a.negative);
    if (b.class == ZERO)
        b_bits = zero(t, b.negative);
    if (is_nan(&a) || is_nan(&b)) {
        if (kind == IR_FMIN_SECOND) {
            env->flags |= SF_INVALID;
            return b_bits;
        }
        if (a.class == NAN_SIGNALING || b.class == NAN_SIGNALING)
            env->flags |= SF_INVALID;
        /* Arm's FMINNM takes only a quiet NaN for missing; RISC-V's FMIN a signaling one too. */
        if (kind == IR_FMIN_NUMBER && is_nan(&a) != is_nan(&b) &&
            (env->policy == DBT_FP_RISCV || a.class == NAN_QUIET || b.class == NAN_QUIET))
            return is_nan(&a) ? b_bits : a_bits;
        return propagate2(env, t, &a, &b);
    }
    relation = order(&a, &b);
    if (kind == IR_FMIN_SECOND)
        return (maximum ? relation > 0 : relation < 0) ? a_bits : b_bits;
    if (relation == 0) /* equal, or zeros of two signs */
        return a.negative != maximum ? a_bits : b_bits;
    return (relation < 0) != maximum ? a_bits : b_bits;
}

uint64_t sf_min(struct sf_env *env, enum ir_type t, enum ir_fmin kind, uint64_t a, uint64_t b)
{
    return choose(env, t, kind, a, b, false);
}

uint64_t sf_max(struct sf_env *env, enum ir_type t, enum ir_fmin kind, uint64_t a, uint64_t b)
{
    return choose(env, t, kind, a, b, true);
}

/* ---- Conversions ---- */

uint64_t sf_convert(struct sf_env *env, enum ir_type to, enum ir_type from, uint64_t bits)
{
    struct number a = unpack(env, from, bits);
    const struct format *f = format_of(from), *g = format_of(to);
    uint64_t payload;

    if (!is_nan(&a))
        return pack(env, to, &a);
    if (a.class == NAN_SIGNALING)
        env->flags |= SF_INVALID;
    if (to == IR_F16 && env->alternative) {
        env->flags |= SF_INVALID;
        return zero(to, a.negative);
    }
    if (env->policy == DBT_FP_RISCV || env->default_nan)
        return sf_default_nan(env, to);
    payload = (bits & (BIT(f->precision - 1) - 1)) << (64 - (f->precision - 1));
    payload >>= 64 - (g->precision - 1);
    return infinity(to, a.negative) | payload | quiet_bit(g);
}

uint64_t sf_widen_half(uint64_t bits, bool flush)
{
    const struct format *f = format_of(IR_F16), *g = format_of(IR_F32);
    struct sf_env env = {.policy = DBT_FP_RISCV};
    struct number a = unpack(&env, IR_F16, bits);
    uint64_t frac = bits & (BIT(f->precision - 1) - 1);

    if (is_nan(&a))
        return infinity(IR_F32, a.negative) | frac << (g->precision - f->precision);
    if (flush && a.class == FINITE && a.exp < f->emin)
        return zero(IR_F32, a.negative);
    return pack(&env, IR_F32, &a);
}

/* |a| as an integer, rounded. False: it needs more than 64 bits. `inexact` is set when bits fell.
 */
static bool round_to_integer(unsigned round, const struct number *a, uint64_t *value, bool *inexact)
{
    uint64_t frac;

    *inexact = false;
    *value = 0;
    if (a->class == ZERO)
        return true;
    if (a->class != FINITE || a->exp > 63)
        return false;
    if (a->exp == 63) {
        *value = a->frac << 1;
        return true;
    }
    if (a->exp == POINT) {
        *value = a->frac;
        return true;
    }
    frac = a->exp < -1 ? 1 : a->frac; /* below one half: only sticky */
    if (a->exp < -1) {
        *inexact = true;
        *value = rounds_up(round, a->negative, false, 1, 2);
        return true;
    }
    *inexact = (frac & (BIT(POINT - a->exp) - 1)) != 0;
    *value = POINT - a->exp == 63
                 ? rounds_up(round, a->negative, false, frac, BIT(POINT))
                 : round_frac(round, a->negative, frac, (unsigned)(POINT - a->exp));
    return true;
}

/* What a conversion gives for a value that does not fit. */
static uint64_t integer_invalid(struct sf_env *env, unsigned bits, bool is_unsigned, bool nan,
                                bool negative)
{
    uint64_t all = UINT64_MAX >> (64 - bits), top = BIT(bits - 1);

    env->flags |= SF_INVALID;
    if (env->policy == DBT_FP_X86)
        return is_unsigned ? all : top;
    if (nan)
        return env->policy == DBT_FP_ARM ? 0 : is_unsigned ? all : top - 1;
    if (is_unsigned)
        return negative ? 0 : all;
    return negative ? top : top - 1;
}

uint64_t sf_to_fixed(struct sf_env *env, enum ir_type to, bool is_unsigned, enum ir_type from,
                     uint64_t bits, unsigned fraction)
{
    struct number a = unpack(env, from, bits);
    unsigned width = to == IR_I32 ? 32 : 64;
    uint64_t value, limit;
    bool inexact;

    if (is_nan(&a))
        return integer_invalid(env, width, is_unsigned, true, false);
    a.exp += (int)fraction;
    limit =
        is_unsigned ? (a.negative ? 0 : UINT64_MAX >> (64 - width)) : BIT(width - 1) - !a.negative;
    if (!round_to_integer(env->round, &a, &value, &inexact) || value > limit)
        return integer_invalid(env, width, is_unsigned, false, a.negative);
    if (inexact)
        env->flags |= SF_INEXACT;
    value = a.negative ? 0 - value : value;
    return value & (UINT64_MAX >> (64 - width));
}

uint64_t sf_from_fixed(struct sf_env *env, enum ir_type to, enum ir_type from, bool is_unsigned,
                       uint64_t v, unsigned fraction)
{
    unsigned width = from == IR_I32 ? 32 : 64, shift;
    struct number n = {.class = FINITE};

    if (!is_unsigned && v >> (width - 1)) {
        n.negative = true;
        v = (0 - v) & (UINT64_MAX >> (64 - width));
    }
    if (v == 0)
        return 0;
    shift = (unsigned)__builtin_clzll(v);
    n.exp = 63 - (int)shift - (int)fraction;
    n.frac = shift ? v << (shift - 1) : shift_sticky(v, 1);
    return pack(env, to, &n);
}

uint64_t sf_round(struct sf_env *env, enum ir_type t, bool exact, uint64_t bits)
{
    struct number a = unpack(env, t, bits);
    struct sf_env quiet = *env;
    uint64_t value;
    bool inexact;

    if (is_nan(&a))
        return propagate(env, t, (const struct number *const[]){&a}, 1);
    if (a.class == ZERO)
        return zero(t, a.negative);
    if (a.class == INFINITE || a.exp >= (int)format_of(t)->precision - 1)
        return bits;
    (void)round_to_integer(env->round, &a, &value, &inexact);
    if (inexact && exact)
        env->flags |= SF_INEXACT;
    if (value == 0)
        return zero(t, a.negative);
    return sf_from_int(&quiet, t, IR_I64, true, value) | zero(t, a.negative);
}

uint64_t sf_round_fit(struct sf_env *env, enum ir_type t, unsigned bits, uint64_t v)
{
    struct number a = unpack(env, t, v);
    struct sf_env quiet = *env;
    uint64_t value = 0, limit = BIT(bits - 1);
    bool inexact = false;

    if (a.class == INFINITE || is_nan(&a) || !round_to_integer(env->round, &a, &value, &inexact) ||
        value > limit - !a.negative) {
        env->flags |= SF_INVALID;
        return sf_from_int(&quiet, t, IR_I64, true, limit) | sign_bit(t);
    }
    if (inexact)
        env->flags |= SF_INEXACT;
    return (value ? sf_from_int(&quiet, t, IR_I64, true, value) : 0) | zero(t, a.negative);
}

uint64_t sf_flush_input(struct sf_env *env, enum ir_type t, uint64_t bits)
{
    struct number a = unpack(env, t, bits);

    return a.class == ZERO ? zero(t, a.negative) : bits;
}

uint64_t sf_quiet(struct sf_env *env, enum ir_type t, uint64_t bits)
{
    struct number a = unpack(env, t, bits);

    return propagate(env, t, (const struct number *const[]){&a}, 1);
}

unsigned sf_classify(enum ir_type t, uint64_t bits)
{
    struct sf_env env = {.policy = DBT_FP_RISCV};
    struct number a = unpack(&env, t, bits);
    bool subnormal = a.class == FINITE && a.exp < format_of(t)->emin;

    switch (a.class) {
    case NAN_SIGNALING:
        return 1u << 8;
    case NAN_QUIET:
        return 1u << 9;
    case INFINITE:
        return a.negative ? 1u << 0 : 1u << 7;
    case ZERO:
        return a.negative ? 1u << 3 : 1u << 4;
    default:
        return a.negative ? (subnormal ? 1u << 2 : 1u << 1) : (subnormal ? 1u << 5 : 1u << 6);
    }
}
