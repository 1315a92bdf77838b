/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The instructions of a riscv64 guest: numbers, fields and the decoder that insns.def and rvc.def
 * make. Knows nothing of what they do.
 */
#ifndef ARCH_RISCV64_GUEST_INSN_H
#define ARCH_RISCV64_GUEST_INSN_H

#include "kernel/types.h"

/* Extensions, as bits of a set: what a guest is offered. */
enum rv_extension {
    RV_EXT_I,
    RV_EXT_M,
    RV_EXT_A,
    RV_EXT_F,
    RV_EXT_D,
    RV_EXT_C,
    RV_EXT_ZICSR,
    RV_EXT_ZIFENCEI,
    RV_EXT_ZBA,
    RV_EXT_ZBB,
    RV_EXT_ZBS,
    RV_EXT_ZBC,
    RV_EXT_ZICOND,
    RV_EXT_S,
    RV_EXT_SVINVAL,
    RV_EXT_ZAWRS,
    RV_EXT_ZICBOM,
    RV_EXT_ZICBOZ,
    RV_EXT_ZIMOP,
    RV_EXT_ZACAS,
    RV_EXT_ZFH,
    RV_EXT_ZFA,
    RV_EXT_V,
    RV_EXT_ZVBB,
    RV_EXT_COUNT
};
#define RV_EXT_ALL (BIT(RV_EXT_COUNT) - 1)

#define RV_CBO_BYTES 64 /* the cache block that Zicbom and Zicboz work on */

/* How the operands lie in the word. */
enum rv_format {
    RV_FORMAT_R,
    RV_FORMAT_R1,
    RV_FORMAT_I,
    RV_FORMAT_L,
    RV_FORMAT_SH,
    RV_FORMAT_SHW,
    RV_FORMAT_S,
    RV_FORMAT_B,
    RV_FORMAT_U,
    RV_FORMAT_J,
    RV_FORMAT_CSR,
    RV_FORMAT_CSRI,
    RV_FORMAT_AMO,
    RV_FORMAT_LR,
    RV_FORMAT_FL,
    RV_FORMAT_FS,
    RV_FORMAT_F4,
    RV_FORMAT_F,
    RV_FORMAT_F1,
    RV_FORMAT_FN,
    RV_FORMAT_FX,
    RV_FORMAT_FXI,
    RV_FORMAT_FIX,
    RV_FORMAT_FMX,
    RV_FORMAT_FMF,
    RV_FORMAT_FENCE,
    RV_FORMAT_NONE,
    RV_FORMAT_V,
    RV_FORMAT_CBO,
    RV_FORMAT_FLI,
    /* vectors: loads and stores, */
    RV_FORMAT_VLD,
    RV_FORMAT_VLDS,
    RV_FORMAT_VLDX,
    /* vd, vs2, then vs1, x[rs1], immediates (of six bits: VVS), f[rs1]; M: then v0 */
    RV_FORMAT_VVV,
    RV_FORMAT_VVX,
    RV_FORMAT_VVI,
    RV_FORMAT_VVU,
    RV_FORMAT_VVS,
    RV_FORMAT_VVF,
    RV_FORMAT_VVVM,
    RV_FORMAT_VVXM,
    RV_FORMAT_VVIM,
    RV_FORMAT_VVFM,
    /* vd, then vs1 and the like, then vs2 */
    RV_FORMAT_MVV,
    RV_FORMAT_MVX,
    RV_FORMAT_MVF,
    /* of one operand, vs2 or in place of vs1 */
    RV_FORMAT_VV2,
    RV_FORMAT_XV2,
    RV_FORMAT_FV2,
    RV_FORMAT_VMVV,
    RV_FORMAT_VMVX,
    RV_FORMAT_VMVI,
    RV_FORMAT_VMVF,
    RV_FORMAT_VID,
    RV_FORMAT_VSETI,
    RV_FORMAT_VSETII,
};

enum rv_insn_id {
#define RV(name, format, mask, match, extension) RV_INSN_##name,
#include "arch/riscv64/guest/insns.def"
    RV_INSN_COUNT,
    RV_INSN_ILLEGAL = RV_INSN_COUNT
};

struct rv_insn {
    const char *name;
    uint32_t mask, match;
    uint8_t format, extension;
};
extern const struct rv_insn rv_insns[RV_INSN_COUNT];

/* Which instruction `word` is, or RV_INSN_ILLEGAL. `extensions`: bits by enum rv_extension. */
enum rv_insn_id rv_decode(uint32_t word, uint64_t extensions);
/* The 32-bit instruction that the compressed one stands for; 0 (which is none): reserved. */
uint32_t rv_expand(uint16_t compressed);
/* Bytes of the instruction that begins with these 16 bits (Unprivileged ISA, 1.5; longer ones than
 * 4 count as 4 and are illegal). */
static inline unsigned rv_length(uint16_t first)
{
    return (first & 3) == 3 ? 4 : 2;
}

/* Fields (Unprivileged ISA, 2.2 and 2.3). */
static inline unsigned rv_rd(uint32_t w)
{
    return w >> 7 & 31;
}
static inline unsigned rv_rs1(uint32_t w)
{
    return w >> 15 & 31;
}
static inline unsigned rv_rs2(uint32_t w)
{
    return w >> 20 & 31;
}
static inline unsigned rv_rs3(uint32_t w)
{
    return w >> 27;
}
static inline unsigned rv_rm(uint32_t w)
{
    return w >> 12 & 7;
}
/* Of RV_FORMAT_VVS. */
static inline unsigned rv_imm_v6(uint32_t w)
{
    return (w >> 21 & 32) | (w >> 15 & 31);
}
static inline int64_t rv_imm_i(uint32_t w)
{
    return (int32_t)w >> 20;
}
static inline int64_t rv_imm_s(uint32_t w)
{
    return (int64_t)((int32_t)(w & 0xfe000000) >> 20) | (w >> 7 & 31);
}
static inline int64_t rv_imm_b(uint32_t w)
{
    return (int64_t)((int32_t)(w & 0x80000000) >> 19) | (w << 4 & 0x800) | (w >> 20 & 0x7e0) |
           (w >> 7 & 0x1e);
}
static inline int64_t rv_imm_u(uint32_t w)
{
    return (int32_t)(w & 0xfffff000);
}
static inline int64_t rv_imm_j(uint32_t w)
{
    return (int64_t)((int32_t)(w & 0x80000000) >> 11) | (w & 0xff000) | (w >> 9 & 0x800) |
           (w >> 20 & 0x7fe);
}

#endif
