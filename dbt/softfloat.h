/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * IEEE 754-2019 arithmetic in integers, with what guests decide differently: which NaN wins, when a
 * result counts as tiny, what conversions give for values that do not fit, flushing of denormals.
 * The interpreter and the cold paths of translated code use it on every host, so that they never
 * share the host's arithmetic with what they check.
 *
 * Values are bit patterns in the low bits of 64, the rest zero. `format` is IR_F32 or IR_F64;
 * sf_convert() knows IR_F16 too.
 */
#ifndef DBT_SOFTFLOAT_H
#define DBT_SOFTFLOAT_H

#include "dbt/ir.h"

/* Exceptions, numbered as RISC-V's fflags. */
enum sf_flag {
    SF_INEXACT = 1u << 0,
    SF_UNDERFLOW = 1u << 1,
    SF_OVERFLOW = 1u << 2,
    SF_DIVIDE = 1u << 3,
    SF_INVALID = 1u << 4,
    SF_DENORMAL = 1u << 5,  /* an operand was denormal: x86's DE, Arm's IDC when flushed */
    SF_SATURATED = 1u << 6, /* no exception: an integer operation saturated (Arm's QC) */
};

#define SF_ROUND_ODD IR_ROUND_COUNT /* towards zero, and the last bit set when inexact */

struct sf_env {
    uint8_t policy; /* enum dbt_fp_policy */
    uint8_t round;  /* enum ir_round, or SF_ROUND_ODD */
    bool flush_inputs, flush_results;
    bool default_nan; /* Arm FPCR.DN */
    bool alternative; /* Arm FPCR.AHP: f16 has numbers where others have infinities and NaNs */
    uint8_t flags;    /* enum sf_flag, collected */
};

uint64_t sf_add(struct sf_env *env, enum ir_type format, uint64_t a, uint64_t b);
uint64_t sf_sub(struct sf_env *env, enum ir_type format, uint64_t a, uint64_t b);
uint64_t sf_mul(struct sf_env *env, enum ir_type format, uint64_t a, uint64_t b);
uint64_t sf_div(struct sf_env *env, enum ir_type format, uint64_t a, uint64_t b);
uint64_t sf_sqrt(struct sf_env *env, enum ir_type format, uint64_t a);
/* +-(a * b) +- c, rounded once; `negate`: IR_FMA_ bits. A negated NaN keeps its sign. */
uint64_t sf_fma(struct sf_env *env, enum ir_type format, uint64_t a, uint64_t b, uint64_t c,
                unsigned negate);
uint64_t sf_min(struct sf_env *env, enum ir_type format, enum ir_fmin kind, uint64_t a, uint64_t b);
uint64_t sf_max(struct sf_env *env, enum ir_type format, enum ir_fmin kind, uint64_t a, uint64_t b);
/* 0 or 1. `signaling`: quiet NaNs raise Invalid too. */
bool sf_compare(struct sf_env *env, enum ir_type format, enum ir_fcc cc, bool signaling, uint64_t a,
                uint64_t b);
uint64_t sf_convert(struct sf_env *env, enum ir_type to, enum ir_type from, uint64_t a);
/* f16 to f32, NaNs unchanged but for their place; nothing is raised. */
uint64_t sf_widen_half(uint64_t a, bool flush);
/* To and from i32 and i64 with `fraction` bits behind the point; the integer is zero-extended. */
uint64_t sf_to_fixed(struct sf_env *env, enum ir_type to, bool is_unsigned, enum ir_type from,
                     uint64_t a, unsigned fraction);
uint64_t sf_from_fixed(struct sf_env *env, enum ir_type to, enum ir_type from, bool is_unsigned,
                       uint64_t a, unsigned fraction);
static inline uint64_t sf_to_int(struct sf_env *env, enum ir_type to, bool is_unsigned,
                                 enum ir_type from, uint64_t a)
{
    return sf_to_fixed(env, to, is_unsigned, from, a, 0);
}

static inline uint64_t sf_from_int(struct sf_env *env, enum ir_type to, enum ir_type from,
                                   bool is_unsigned, uint64_t a)
{
    return sf_from_fixed(env, to, from, is_unsigned, a, 0);
}

/* To an integral value; Inexact is raised only when `exact`. */
uint64_t sf_round(struct sf_env *env, enum ir_type format, bool exact, uint64_t a);
/* The ten classes of RISC-V's FCLASS (RISC-V Unprivileged, 20.9). */
unsigned sf_classify(enum ir_type format, uint64_t a);
/* ... that fits a signed integer of `bits`, else its most negative value and Invalid (Arm ARM,
 * FPRoundIntN()). */
uint64_t sf_round_fit(struct sf_env *env, enum ir_type format, unsigned bits, uint64_t a);

/* Arm's own (Arm ARM, shared/functions/float): softfloat_arm.c. */
uint64_t sf_mulx(struct sf_env *env, enum ir_type format, uint64_t a, uint64_t b);
uint64_t sf_recip_estimate(struct sf_env *env, enum ir_type format, uint64_t a);
uint64_t sf_rsqrt_estimate(struct sf_env *env, enum ir_type format, uint64_t a);
uint64_t sf_recip_step(struct sf_env *env, enum ir_type format, uint64_t a, uint64_t b);
uint64_t sf_rsqrt_step(struct sf_env *env, enum ir_type format, uint64_t a, uint64_t b);
uint64_t sf_recip_exponent(struct sf_env *env, enum ir_type format, uint64_t a);
uint32_t sf_recip_estimate_u32(uint32_t a);
uint32_t sf_rsqrt_estimate_u32(uint32_t a);
/* To i32 modulo 2^32, towards zero (FPToFixedJS()); *exact: nothing was lost. */
uint32_t sf_to_int_javascript(struct sf_env *env, uint64_t a, bool *exact);
/* Denormals become zeros when operands are flushed. */
uint64_t sf_flush_input(struct sf_env *env, enum ir_type format, uint64_t a);
/* The operand's NaN as the result of an operation on it alone. */
uint64_t sf_quiet(struct sf_env *env, enum ir_type format, uint64_t a);

/* The quiet NaN that an invalid operation gives. */
uint64_t sf_default_nan(const struct sf_env *env, enum ir_type format);

#endif
