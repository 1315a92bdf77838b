/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * IEEE 754-2019 arithmetic in integers, with what guests decide differently: which NaN wins, when a
 * result counts as tiny, what conversions give for values that do not fit, flushing of denormals.
 * The interpreter and the cold paths of translated code use it on every host, so that they never
 * share the host's arithmetic with what they check.
 *
 * Values are bit patterns in the low bits of 64, the rest zero. `format` is IR_F32 or IR_F64.
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
    SF_DENORMAL = 1u << 5, /* an operand was denormal: x86's DE, Arm's IDC when flushed */
};

struct sf_env {
    uint8_t policy; /* enum dbt_fp_policy */
    uint8_t round;  /* enum ir_round */
    bool flush_inputs, flush_results;
    bool default_nan; /* Arm FPCR.DN */
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
/* To and from i32 and i64; the integer is zero-extended. */
uint64_t sf_to_int(struct sf_env *env, enum ir_type to, bool is_unsigned, enum ir_type from,
                   uint64_t a);
uint64_t sf_from_int(struct sf_env *env, enum ir_type to, enum ir_type from, bool is_unsigned,
                     uint64_t a);
/* To an integral value; Inexact is raised only when `exact`. */
uint64_t sf_round(struct sf_env *env, enum ir_type format, bool exact, uint64_t a);
/* The ten classes of RISC-V's FCLASS (RISC-V Unprivileged, 20.9). */
unsigned sf_classify(enum ir_type format, uint64_t a);
/* The quiet NaN that an invalid operation gives. */
uint64_t sf_default_nan(const struct sf_env *env, enum ir_type format);

#endif
