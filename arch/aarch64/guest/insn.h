/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The instructions of an aarch64 guest: numbers, fields and the decoder that insns.def and
 * insns_simd.def make. Knows nothing of what they do.
 */
#ifndef ARCH_AARCH64_GUEST_INSN_H
#define ARCH_AARCH64_GUEST_INSN_H

#include "kernel/types.h"

/* Features, as bits of a set: what a guest is offered. */
enum a64_feature {
    A64_FEAT_BASE,
    A64_FEAT_FP, /* with Advanced SIMD */
    A64_FEAT_CRC32,
    A64_FEAT_LSE,
    A64_FEAT_LOR,
    A64_FEAT_LRCPC,
    A64_FEAT_FLAGM,
    A64_FEAT_SB,
    A64_FEAT_AES,
    A64_FEAT_PMULL,
    A64_FEAT_SHA1,
    A64_FEAT_SHA256,
    A64_FEAT_RDM,
    A64_FEAT_DOTPROD,
    A64_FEAT_FHM,
    A64_FEAT_FCMA,
    A64_FEAT_JSCVT,
    A64_FEAT_FRINTTS,
    A64_FEAT_COUNT
};
#define A64_FEAT_ALL (BIT(A64_FEAT_COUNT) - 1)

/* How the operands lie in the word. */
enum a64_format {
    A64_FORMAT_NONE,
    A64_FORMAT_ADR,
    A64_FORMAT_ADD_IMM,
    A64_FORMAT_LOGIC_IMM,
    A64_FORMAT_MOV_WIDE,
    A64_FORMAT_BITFIELD,
    A64_FORMAT_EXTRACT,
    A64_FORMAT_LOGIC,
    A64_FORMAT_ADD,
    A64_FORMAT_ADD_EXT,
    A64_FORMAT_RR,
    A64_FORMAT_RRR,
    A64_FORMAT_RRRR,
    A64_FORMAT_RMIF,
    A64_FORMAT_SETF,
    A64_FORMAT_CCMP,
    A64_FORMAT_CSEL,
    A64_FORMAT_BRANCH,
    A64_FORMAT_BRANCH_COND,
    A64_FORMAT_BRANCH_CMP,
    A64_FORMAT_BRANCH_BIT,
    A64_FORMAT_BRANCH_REG,
    A64_FORMAT_EXCEPTION,
    A64_FORMAT_HINT,
    A64_FORMAT_BARRIER,
    A64_FORMAT_MSR_IMM,
    A64_FORMAT_SYSTEM,
    /* memory: base in rn, but for LITERAL */
    A64_FORMAT_LITERAL,
    A64_FORMAT_EXCLUSIVE,
    A64_FORMAT_ORDERED,
    A64_FORMAT_LSE,
    A64_FORMAT_CASP,
    A64_FORMAT_PAIR_POST,
    A64_FORMAT_PAIR,
    A64_FORMAT_PAIR_PRE,
    A64_FORMAT_UIMM,
    A64_FORMAT_UNSCALED,
    A64_FORMAT_POST,
    A64_FORMAT_UNPRIVILEGED,
    A64_FORMAT_PRE,
    A64_FORMAT_REG,
    /* FP and Advanced SIMD: registers of the vector file where nothing else is said */
    A64_FORMAT_V,             /* any mixture; the mask tells what is free */
    A64_FORMAT_V_FROM_X,      /* rn is general */
    A64_FORMAT_X_FROM_V,      /* rd is general */
    A64_FORMAT_V_STRUCT,      /* LD1 to ST4: base in rn, */
    A64_FORMAT_V_STRUCT_POST, /* with rm or a size to add to it */
};

enum a64_insn_id {
#define A64(name, format, mask, match, feature, lift) A64_INSN_##name,
#include "arch/aarch64/guest/insns.def"
#include "arch/aarch64/guest/insns_simd.def"
#undef A64
    A64_INSN_COUNT,
    A64_INSN_ILLEGAL = A64_INSN_COUNT
};

struct a64_insn {
    const char *name;
    uint32_t mask, match;
    uint8_t format, feature;
};
extern const struct a64_insn a64_insns[A64_INSN_COUNT];

/* Which instruction `word` is, or A64_INSN_ILLEGAL. `features`: bits by enum a64_feature. */
enum a64_insn_id a64_decode(uint32_t word, uint64_t features);

/* The bits that N:immr:imms stand for (DecodeBitMasks, J1.1), of `bits` (32 or 64); false: they are
 * reserved. */
bool a64_bitmask(unsigned n, unsigned imms, unsigned immr, unsigned bits, uint64_t *mask);

/* Fields. */
static inline unsigned a64_rd(uint32_t w)
{
    return w & 31;
}
static inline unsigned a64_rn(uint32_t w)
{
    return w >> 5 & 31;
}
static inline unsigned a64_ra(uint32_t w)
{
    return w >> 10 & 31;
}
static inline unsigned a64_rm(uint32_t w)
{
    return w >> 16 & 31;
}
static inline bool a64_sf(uint32_t w)
{
    return w >> 31;
}
static inline unsigned a64_field(uint32_t w, unsigned position, unsigned length)
{
    return w >> position & ((1u << length) - 1);
}
static inline int64_t a64_signed_field(uint32_t w, unsigned position, unsigned length)
{
    return (int32_t)(w << (32 - position - length)) >> (32 - length);
}

#endif
