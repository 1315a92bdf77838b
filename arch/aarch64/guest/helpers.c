/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The helpers of class U of aarch64 units: pure functions of their operands. */
#include "arch/aarch64/guest/lift.h"

static uint64_t help_nzcv(struct dbt_frame *f, uint64_t op, uint64_t a, uint64_t b)
{
    (void)f;
    return a64_nzcv(op, a, b);
}

/* The reflected polynomials of CRC32 (C6.2.69) and CRC32C (C6.2.70). */
#define POLYNOMIAL_CRC32  0xedb88320u
#define POLYNOMIAL_CRC32C 0x82f63b78u

static uint64_t crc(uint32_t polynomial, uint64_t crc, uint64_t value, uint64_t bytes)
{
    uint32_t r = (uint32_t)crc;

    for (; bytes; bytes--, value >>= 8) {
        r ^= (uint8_t)value;
        for (unsigned i = 0; i < 8; i++)
            r = r >> 1 ^ (polynomial & (0 - (r & 1)));
    }
    return r;
}

static uint64_t help_crc32(struct dbt_frame *f, uint64_t a, uint64_t value, uint64_t bytes)
{
    (void)f;
    return crc(POLYNOMIAL_CRC32, a, value, bytes);
}

static uint64_t help_crc32c(struct dbt_frame *f, uint64_t a, uint64_t value, uint64_t bytes)
{
    (void)f;
    return crc(POLYNOMIAL_CRC32C, a, value, bytes);
}

/* ---- Floating point that no operation has ---- */

static struct sf_env fp_env(uint64_t how)
{
    return (struct sf_env){.policy = DBT_FP_ARM,
                           .round = how & IR_FP_ROUND,
                           .flush_inputs = how & IR_FP_FLUSH,
                           .flush_results = how & IR_FP_FLUSH,
                           .default_nan = how & IR_FP_DEFAULT_NAN};
}

static uint64_t help_f64_to_f16(struct dbt_frame *f, uint64_t v, uint64_t how, uint64_t ahp)
{
    struct sf_env env = fp_env(how);
    uint64_t r;

    env.alternative = ahp;
    r = sf_convert(&env, IR_F16, IR_F64, v);
    f->fp_flags |= env.flags;
    return r;
}

static uint64_t help_to_fixed(struct dbt_frame *f, uint64_t v, uint64_t how, uint64_t fraction)
{
    struct sf_env env = fp_env(how);
    uint64_t r;

    env.round = IR_ROUND_ZERO;
    r = sf_to_fixed(&env, how & A64_FIXED_I64 ? IR_I64 : IR_I32, how & A64_FIXED_UNSIGNED,
                    how & A64_FIXED_F64 ? IR_F64 : IR_F32, v, (unsigned)fraction);
    f->fp_flags |= env.flags;
    return r;
}

static uint64_t help_from_fixed(struct dbt_frame *f, uint64_t v, uint64_t how, uint64_t fraction)
{
    struct sf_env env = fp_env(how);
    bool wide = how & A64_FIXED_I64;
    uint64_t r =
        sf_from_fixed(&env, how & A64_FIXED_F64 ? IR_F64 : IR_F32, wide ? IR_I64 : IR_I32,
                      how & A64_FIXED_UNSIGNED, wide ? v : (uint32_t)v, (unsigned)fraction);

    f->fp_flags |= env.flags;
    return r;
}

static uint64_t help_to_javascript(struct dbt_frame *f, uint64_t v, uint64_t how, uint64_t unused)
{
    struct sf_env env = fp_env(how);
    bool exact;
    uint64_t r = sf_to_int_javascript(&env, v, &exact);

    (void)unused;
    f->fp_flags |= env.flags;
    return r | (exact ? BIT(32) : 0);
}

const struct dbt_helper a64_helpers[A64_HELPER_COUNT] = {
    [A64_HELPER_NZCV] = {help_nzcv, "nzcv"},
    [A64_HELPER_CRC32] = {help_crc32, "crc32"},
    [A64_HELPER_CRC32C] = {help_crc32c, "crc32c"},
    [A64_HELPER_F64_TO_F16] = {help_f64_to_f16, "f64 to f16"},
    [A64_HELPER_TO_FIXED] = {help_to_fixed, "to fixed"},
    [A64_HELPER_FROM_FIXED] = {help_from_fixed, "from fixed"},
    [A64_HELPER_TO_JAVASCRIPT] = {help_to_javascript, "to javascript"},
};
