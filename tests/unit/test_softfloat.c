/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The integer-only floating point against the host's own unit: results and exceptions of every
 * operation, in the four rounding modes that it has, on edge values and random bits. On other hosts
 * than x86_64 NaNs and tininess follow other rules: there only the specification's cases run.
 * Stands alone: includes what it tests. */
#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dbt/softfloat.c"

#define RANDOM_PAIRS 200000

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Exponents near the edges and significands near powers of two come often. */
static uint64_t random_value(enum ir_type t)
{
    const struct format *f = format_of(t);
    unsigned stored = f->precision - 1;
    uint64_t r = random_bits(), frac = random_bits() & (BIT(stored) - 1);
    uint64_t exponent = random_bits() % (2 * (unsigned)f->emax + 2);

    if (r & 1)
        frac &= BITS(stored - 1, stored - 3);
    else if (r & 2)
        frac |= BITS(stored - 1, 4);
    if ((r & 0x70) == 0x10)
        exponent = r >> 8 & 3;
    else if ((r & 0x70) == 0x20)
        exponent = 2 * (unsigned)f->emax - 1 + (r >> 8 & 1);
    else if ((r & 0x70) == 0x30)
        exponent = 2 * (unsigned)f->emax + 1;
    else if (r & 0x40)
        exponent = (unsigned)f->emax - 40 + (r >> 8) % 80;
    return zero(t, r >> 20 & 1) | exponent << stored | frac;
}

#ifdef __x86_64__
static double to_double(uint64_t v)
{
    double d;

    memcpy(&d, &v, sizeof(d));
    return d;
}

static float to_float(uint64_t v)
{
    uint32_t w = (uint32_t)v;
    float f;

    memcpy(&f, &w, sizeof(f));
    return f;
}

static uint64_t of_double(double d)
{
    uint64_t v;

    memcpy(&v, &d, sizeof(v));
    return v;
}

static uint64_t of_float(float f)
{
    uint32_t v;

    memcpy(&v, &f, sizeof(v));
    return v;
}

static unsigned host_flags(void)
{
    int raised = fetestexcept(FE_ALL_EXCEPT);

    return (raised & FE_INEXACT ? SF_INEXACT : 0u) | (raised & FE_UNDERFLOW ? SF_UNDERFLOW : 0u) |
           (raised & FE_OVERFLOW ? SF_OVERFLOW : 0u) | (raised & FE_DIVBYZERO ? SF_DIVIDE : 0u) |
           (raised & FE_INVALID ? SF_INVALID : 0u);
}

static const struct {
    int host;
    uint8_t round;
} modes[] = {{FE_TONEAREST, IR_ROUND_NEAREST},
             {FE_TOWARDZERO, IR_ROUND_ZERO},
             {FE_DOWNWARD, IR_ROUND_DOWN},
             {FE_UPWARD, IR_ROUND_UP}};

/* In functions of their own, so that the compiler neither folds nor moves them. */
#define HOST(name, type, expression)                                   \
    static NOINLINE type host_##name(volatile type a, volatile type b) \
    {                                                                  \
        return expression;                                             \
    }
HOST(add64, double, a + b)
HOST(sub64, double, a - b)
HOST(mul64, double, a *b)
HOST(div64, double, a / b)
HOST(add32, float, a + b)
HOST(sub32, float, a - b)
HOST(mul32, float, a *b)
HOST(div32, float, a / b)

typedef uint64_t (*soft_fn)(struct sf_env *, enum ir_type, uint64_t, uint64_t);

static const struct {
    const char *name;
    soft_fn soft;
    double (*host64)(volatile double, volatile double);
    float (*host32)(volatile float, volatile float);
} binary[] = {{"add", sf_add, host_add64, host_add32},
              {"sub", sf_sub, host_sub64, host_sub32},
              {"mul", sf_mul, host_mul64, host_mul32},
              {"div", sf_div, host_div64, host_div32}};

static void expect(const char *what, uint64_t a, uint64_t b, uint64_t c, uint64_t soft,
                   const struct sf_env *env, uint64_t host, unsigned flags)
{
    unsigned soft_flags = env->flags & ~(unsigned)SF_DENORMAL;

    if (soft != host || soft_flags != flags)
        fail_msg("%s %llx %llx %llx: %llx flags %x, the host says %llx flags %x", what,
                 (unsigned long long)a, (unsigned long long)b, (unsigned long long)c,
                 (unsigned long long)soft, soft_flags, (unsigned long long)host, flags);
}

static void test_binary(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RANDOM_PAIRS; i++) {
        uint64_t a64 = random_value(IR_F64), b64 = random_value(IR_F64);
        uint64_t a32 = random_value(IR_F32), b32 = random_value(IR_F32), host;
        unsigned op = i & 3, mode = i >> 2 & 3;
        struct sf_env env = {.policy = DBT_FP_X86, .round = modes[mode].round}, env32 = env;

        fesetround(modes[mode].host);
        feclearexcept(FE_ALL_EXCEPT);
        host = of_double(binary[op].host64(to_double(a64), to_double(b64)));
        expect(binary[op].name, a64, b64, 0, binary[op].soft(&env, IR_F64, a64, b64), &env, host,
               host_flags());
        feclearexcept(FE_ALL_EXCEPT);
        host = of_float(binary[op].host32(to_float(a32), to_float(b32)));
        expect(binary[op].name, a32, b32, 0, binary[op].soft(&env32, IR_F32, a32, b32), &env32,
               host, host_flags());
    }
    fesetround(FE_TONEAREST);
}

__attribute__((target("fma"))) static NOINLINE double
host_fma64(volatile double a, volatile double b, volatile double c)
{
    return __builtin_fma(a, b, c);
}

__attribute__((target("fma"))) static NOINLINE float host_fma32(volatile float a, volatile float b,
                                                                volatile float c)
{
    return __builtin_fmaf(a, b, c);
}

/* The addend close to the product, where everything happens. */
static uint64_t addend_for(enum ir_type t, uint64_t a, uint64_t b)
{
    struct sf_env env = {.policy = DBT_FP_X86};
    uint64_t near = sf_mul(&env, t, a, b);

    return random_bits() & 1 ? random_value(t)
                             : near ^ (random_bits() & 3) ^ zero(t, random_bits() & 1);
}

static void test_fma(void **state)
{
    (void)state;
    if (!__builtin_cpu_supports("fma"))
        skip();
    for (unsigned i = 0; i < RANDOM_PAIRS; i++) {
        enum ir_type t = i & 1 ? IR_F32 : IR_F64;
        uint64_t a = random_value(t), b = random_value(t), c = addend_for(t, a, b), host;
        unsigned mode = i >> 1 & 3;
        struct sf_env env = {.policy = DBT_FP_X86, .round = modes[mode].round};
        struct number n[3] = {unpack(&env, t, a), unpack(&env, t, b), unpack(&env, t, c)};

        env.flags = 0;
        if (is_nan(&n[0]) + is_nan(&n[1]) + is_nan(&n[2]) > 1)
            continue; /* which wins depends on the form that the compiler chose */
        fesetround(modes[mode].host);
        feclearexcept(FE_ALL_EXCEPT);
        host = t == IR_F64 ? of_double(host_fma64(to_double(a), to_double(b), to_double(c)))
                           : of_float(host_fma32(to_float(a), to_float(b), to_float(c)));
        expect("fma", a, b, c, sf_fma(&env, t, a, b, c, 0), &env, host, host_flags());
    }
    fesetround(FE_TONEAREST);
}

static NOINLINE double host_sqrt64(volatile double a)
{
    double r, v = a;

    __asm__ volatile("sqrtsd %1, %0" : "=x"(r) : "x"(v));
    return r;
}

static NOINLINE float host_sqrt32(volatile float a)
{
    float r, v = a;

    __asm__ volatile("sqrtss %1, %0" : "=x"(r) : "x"(v));
    return r;
}

static void test_sqrt(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RANDOM_PAIRS; i++) {
        enum ir_type t = i & 1 ? IR_F32 : IR_F64;
        uint64_t a = random_value(t) & ~(random_bits() & 7 ? sign_bit(t) : 0), host;
        unsigned mode = i >> 1 & 3;
        struct sf_env env = {.policy = DBT_FP_X86, .round = modes[mode].round};

        fesetround(modes[mode].host);
        feclearexcept(FE_ALL_EXCEPT);
        host =
            t == IR_F64 ? of_double(host_sqrt64(to_double(a))) : of_float(host_sqrt32(to_float(a)));
        expect("sqrt", a, 0, 0, sf_sqrt(&env, t, a), &env, host, host_flags());
    }
    fesetround(FE_TONEAREST);
}

static void test_conversions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RANDOM_PAIRS; i++) {
        uint64_t d = random_value(IR_F64), f = random_value(IR_F32), n = random_bits(), r;
        unsigned mode = i & 3;
        struct sf_env env = {.policy = DBT_FP_X86, .round = modes[mode].round};
        double vd = to_double(d), rd;
        float vf = to_float(f), rf;
        uint32_t r32;

        n >>= random_bits() & 63;
        fesetround(modes[mode].host);
#define COMMA ,
#define CHECK(what, instruction, result, source, host, soft) \
    feclearexcept(FE_ALL_EXCEPT);                            \
    env.flags = 0;                                           \
    __asm__ volatile(instruction:result : source);           \
    expect(what, d, f, n, soft, &env, host, host_flags())
        CHECK("d to l", "cvtsd2si %1, %0", "=r"(r), "x"(vd), r,
              sf_to_int(&env, IR_I64, false, IR_F64, d));
        CHECK("d to w", "cvtsd2si %1, %0", "=r"(r32), "x"(vd), r32,
              sf_to_int(&env, IR_I32, false, IR_F64, d));
        CHECK("s to l", "cvtss2si %1, %0", "=r"(r), "x"(vf), r,
              sf_to_int(&env, IR_I64, false, IR_F32, f));
        CHECK("s to w", "cvtss2si %1, %0", "=r"(r32), "x"(vf), r32,
              sf_to_int(&env, IR_I32, false, IR_F32, f));
        CHECK("l to d", "cvtsi2sd %1, %0", "=x"(rd), "r"(n), of_double(rd),
              sf_from_int(&env, IR_F64, IR_I64, false, n));
        CHECK("l to s", "cvtsi2ss %1, %0", "=x"(rf), "r"(n), of_float(rf),
              sf_from_int(&env, IR_F32, IR_I64, false, n));
        CHECK("w to s", "cvtsi2ss %1, %0", "=x"(rf), "r"((uint32_t)n), of_float(rf),
              sf_from_int(&env, IR_F32, IR_I32, false, (uint32_t)n));
        CHECK("d to s", "cvtsd2ss %1, %0", "=x"(rf), "x"(vd), of_float(rf),
              sf_convert(&env, IR_F32, IR_F64, d));
        CHECK("s to d", "cvtss2sd %1, %0", "=x"(rd), "x"(vf), of_double(rd),
              sf_convert(&env, IR_F64, IR_F32, f));
        if (__builtin_cpu_supports("sse4.1")) {
            CHECK("rint", "roundsd $4, %1, %0", "=x"(rd), "x"(vd), of_double(rd),
                  sf_round(&env, IR_F64, true, d));
            CHECK("nearbyint", "roundss $12, %1, %0", "=x"(rf), "x"(vf), of_float(rf),
                  sf_round(&env, IR_F32, false, f));
        }
        CHECK("min", "minsd %1, %0", "=x"(rd), "x"(vd)COMMA "0"(vf * 1.0), of_double(rd),
              sf_min(&env, IR_F64, IR_FMIN_SECOND, of_double(vf * 1.0), d));
        CHECK("max", "maxsd %1, %0", "=x"(rd), "x"(vd)COMMA "0"(vf * 1.0), of_double(rd),
              sf_max(&env, IR_F64, IR_FMIN_SECOND, of_double(vf * 1.0), d));
    }
    fesetround(FE_TONEAREST);
}

static NOINLINE bool host_eq(volatile double a, volatile double b)
{
    return a == b;
}

static NOINLINE bool host_lt(volatile double a, volatile double b)
{
    return a < b;
}

static NOINLINE bool host_le(volatile double a, volatile double b)
{
    return a <= b;
}

static void test_comparisons(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RANDOM_PAIRS; i++) {
        uint64_t a = random_value(IR_F64),
                 b = i & 1 ? random_value(IR_F64) : a ^ (random_bits() & 1);
        double x = to_double(a), y = to_double(b);
        struct sf_env env = {.policy = DBT_FP_X86};
        uint64_t host;

        feclearexcept(FE_ALL_EXCEPT);
        host = host_eq(x, y);
        expect("eq", a, b, 0, sf_compare(&env, IR_F64, IR_FCC_EQ, false, a, b), &env, host,
               host_flags());
        feclearexcept(FE_ALL_EXCEPT);
        env.flags = 0;
        host = host_lt(x, y);
        expect("lt", a, b, 0, sf_compare(&env, IR_F64, IR_FCC_LT, true, a, b), &env, host,
               host_flags());
        feclearexcept(FE_ALL_EXCEPT);
        env.flags = 0;
        host = host_le(x, y);
        expect("le", a, b, 0, sf_compare(&env, IR_F64, IR_FCC_LE, true, a, b), &env, host,
               host_flags());
    }
}
#endif

#define NAN64  0x7ff8000000000000u /* canonical */
#define SNAN64 0x7ff4000000000000u
#define INF64  0x7ff0000000000000u
#define ONE64  0x3ff0000000000000u

/* What the specifications of the guests say where they differ. */
static void test_policies(void **state)
{
    struct sf_env riscv = {.policy = DBT_FP_RISCV}, arm = {.policy = DBT_FP_ARM};

    (void)state;
    /* RISC-V Unprivileged 20.2: arithmetic gives the canonical NaN. */
    assert_int_equal(sf_add(&riscv, IR_F64, 0xfff8000000000123, ONE64), NAN64);
    assert_int_equal(riscv.flags, 0);
    /* 20.6: fma of infinity, zero and a quiet NaN raises Invalid. */
    assert_int_equal(sf_fma(&riscv, IR_F64, INF64, 0, NAN64, 0), NAN64);
    assert_int_equal(riscv.flags, SF_INVALID);
    /* 20.7, table: what does not fit. */
    assert_int_equal(sf_to_int(&riscv, IR_I32, false, IR_F64, NAN64), 0x7fffffff);
    assert_int_equal(sf_to_int(&riscv, IR_I32, true, IR_F64, NAN64), 0xffffffff);
    assert_int_equal(sf_to_int(&riscv, IR_I64, false, IR_F64, INF64 | BIT(63)), BIT(63));
    assert_int_equal(sf_to_int(&riscv, IR_I64, true, IR_F64, ONE64 | BIT(63)), 0);
    /* 20.6: minimumNumber; -0.0 is less than +0.0. */
    riscv.flags = 0;
    assert_int_equal(sf_min(&riscv, IR_F64, IR_FMIN_NUMBER, NAN64, ONE64), ONE64);
    assert_int_equal(riscv.flags, 0);
    assert_int_equal(sf_max(&riscv, IR_F64, IR_FMIN_NUMBER, ONE64, SNAN64), ONE64);
    assert_int_equal(riscv.flags, SF_INVALID);
    assert_int_equal(sf_min(&riscv, IR_F64, IR_FMIN_NUMBER, 0, BIT(63)), BIT(63));
    assert_int_equal(sf_max(&riscv, IR_F64, IR_FMIN_NUMBER, BIT(63), 0), 0);
    /* 20.9: the ten classes. */
    static const uint64_t classes[] = {INF64 | BIT(63), ONE64 | BIT(63), BIT(63) | 1, BIT(63), 0, 1,
                                       ONE64,           INF64,           SNAN64,      NAN64};
    for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
        assert_int_equal(sf_classify(IR_F64, classes[i]), BIT(i));

    /* Arm ARM, FPProcessNaNs(): a signaling NaN goes before a quiet one. */
    assert_int_equal(sf_add(&arm, IR_F64, 0xfff8000000000001, SNAN64 | 2),
                     SNAN64 | 2 | 0x0008000000000000);
    assert_int_equal(arm.flags, SF_INVALID);
    arm.flags = 0;
    assert_int_equal(sf_add(&arm, IR_F64, 0xfff8000000000001, NAN64), 0xfff8000000000001);
    assert_int_equal(arm.flags, 0);
    /* FPMulAdd(): infinity times zero with a quiet addend is the default NaN, Invalid. */
    assert_int_equal(sf_fma(&arm, IR_F64, INF64, 0, NAN64 | 5, 0), NAN64);
    assert_int_equal(arm.flags, SF_INVALID);
    /* FPToFixed(): a NaN gives 0. */
    assert_int_equal(sf_to_int(&arm, IR_I64, false, IR_F64, NAN64), 0);
    /* Tininess before rounding: the result rounds up to the smallest normal number, and Arm says
     * Underflow where RISC-V does not. */
    arm.flags = riscv.flags = 0;
    assert_int_equal(sf_mul(&arm, IR_F64, 0x0010000000000001, 0x3feffffffffffffe),
                     0x10000000000000);
    assert_int_equal(sf_mul(&riscv, IR_F64, 0x0010000000000001, 0x3feffffffffffffe),
                     0x10000000000000);
    assert_int_equal(arm.flags, SF_INEXACT | SF_UNDERFLOW);
    assert_int_equal(riscv.flags, SF_INEXACT);
    /* Ties away from zero. */
    riscv.round = IR_ROUND_AWAY;
    assert_int_equal(sf_to_int(&riscv, IR_I64, false, IR_F64, 0x4004000000000000), 3); /* 2.5 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __x86_64__
        cmocka_unit_test(test_binary),      cmocka_unit_test(test_fma),
        cmocka_unit_test(test_sqrt),        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_comparisons),
#endif
        cmocka_unit_test(test_policies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
