/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * x86-64 encodings (Intel SDM volume 2, chapter 2): as much of an assembler as the emitter needs.
 *
 * An opcode constant is the mandatory prefix (bits 31:24), the map (0x0f, 0x0f38, 0x0f3a) above
 * the low byte, and OP_BYTE where the operands are bytes. The caller sees to it that there is room.
 */
#ifndef ARCH_X86_64_EMIT_ASM_H
#define ARCH_X86_64_EMIT_ASM_H

#include "kernel/types.h"

#include <string.h>

enum reg {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    REG_NONE = 0xff
};
#define OP_BYTE 0x800000u
#define P66     0x66000000u
#define PF3     0xf3000000u
#define PF2     0xf2000000u

enum opcode {
    OP_ADD = 0x03, /* reg, r/m; the same eight forms of each of these */
    OP_OR = 0x0b,
    OP_ADC = 0x13,
    OP_SBB = 0x1b,
    OP_AND = 0x23,
    OP_SUB = 0x2b,
    OP_XOR = 0x33,
    OP_CMP = 0x3b,
    OP_CMP_STORE = 0x39, /* r/m, reg */
    OP_PUSH = 0x50,      /* | reg */
    OP_POP = 0x58,
    OP_CMP_IMM8 = 0x80, /* /7, bytes */
    OP_ALU_IMM8 = 0x83,
    OP_ALU_IMM32 = 0x81,
    OP_IMUL_IMM8 = 0x6b,
    OP_IMUL_IMM32 = 0x69,
    OP_MOVSXD = 0x63,
    OP_TEST = 0x85,
    OP_TEST_IMM = 0xf7, /* /0 */
    OP_GROUP3 = 0xf7,
    OP_XCHG = 0x87,
    OP_MOV_STORE8 = 0x88 | OP_BYTE,
    OP_MOV_STORE = 0x89,
    OP_MOV_STORE16 = 0x89 | P66,
    OP_MOV = 0x8b,
    OP_LEA = 0x8d,
    OP_SHIFT_IMM = 0xc1,
    OP_SHIFT_CL = 0xd3,
    OP_MOV_IMM8 = 0xc6 | OP_BYTE,
    OP_MOV_IMM32 = 0xc7,
    OP_MOV_IMM16 = 0xc7 | P66,
    OP_RET = 0xc3,
    OP_GROUP5 = 0xff,
    OP_CMOV = 0x0f40,
    OP_JCC = 0x0f80,
    OP_SETCC = 0x0f90 | OP_BYTE,
    OP_IMUL = 0x0faf,
    OP_LDMXCSR = 0x0fae, /* /2, STMXCSR /3 */
    OP_CMPXCHG = 0x0fb1,
    OP_MOVZX8 = 0x0fb6 | OP_BYTE,
    OP_MOVZX16 = 0x0fb7,
    OP_BSF = 0x0fbc,
    OP_BSR = 0x0fbd,
    OP_TZCNT = 0x0fbc | PF3,
    OP_LZCNT = 0x0fbd | PF3,
    OP_POPCNT = 0x0fb8 | PF3,
    OP_MOVSX8 = 0x0fbe | OP_BYTE,
    OP_MOVSX16 = 0x0fbf,
    OP_XADD = 0x0fc1,
    OP_BSWAP = 0x0fc8,
    OP_MOVUPS_LOAD = 0x0f10,
    OP_MOVUPS_STORE = 0x0f11,
    OP_MOVAPS = 0x0f28,
    OP_MOVQ_STORE = 0x0fd6 | P66,
    OP_MOVQ_LOAD = 0x0f7e | PF3,
    OP_MOVD_TO_XMM = 0x0f6e | P66,
    OP_MOVD_FROM_XMM = 0x0f7e | P66,
    OP_MOVSS_LOAD = 0x0f10 | PF3,
    OP_MOVSS_STORE = 0x0f11 | PF3,
    OP_UCOMISS = 0x0f2e,
    OP_UCOMISD = 0x0f2e | P66,
    OP_COMISS = 0x0f2f,
    OP_COMISD = 0x0f2f | P66,
    OP_ANDPS = 0x0f54,
    OP_ANDNPS = 0x0f55,
    OP_ORPS = 0x0f56,
    OP_XORPS = 0x0f57,
    OP_SQRTSS = 0x0f51 | PF3,
    OP_ADDSS = 0x0f58 | PF3,
    OP_MULSS = 0x0f59 | PF3,
    OP_CVTSS2SD = 0x0f5a | PF3,
    OP_CVTSD2SS = 0x0f5a | PF2,
    OP_SUBSS = 0x0f5c | PF3,
    OP_MINSS = 0x0f5d | PF3,
    OP_DIVSS = 0x0f5e | PF3,
    OP_MAXSS = 0x0f5f | PF3,
    OP_CVTSI2SS = 0x0f2a | PF3,
    OP_CVTTSS2SI = 0x0f2c | PF3,
    OP_CVTSS2SI = 0x0f2d | PF3,
    OP_RORX = 0x0f3af0 | PF2, /* VEX */
};
/* /digit of OP_ALU_IMM*: the ALU opcode's own bits 5:3. */
#define ALU_DIGIT(op) ((enum reg)((op) >> 3 & 7))
enum digit3 {
    DIGIT_NOT = 2,
    DIGIT_NEG = 3,
    DIGIT_MUL = 4,
    DIGIT_IMUL = 5,
    DIGIT_DIV = 6,
    DIGIT_IDIV = 7
};
enum shift_digit { DIGIT_ROL = 0, DIGIT_ROR = 1, DIGIT_SHL = 4, DIGIT_SHR = 5, DIGIT_SAR = 7 };
enum digit5 { DIGIT_INC = 0, DIGIT_CALL = 2, DIGIT_JMP = 4, DIGIT_PUSH = 6 };
#define DIGIT_LDMXCSR 2
#define DIGIT_STMXCSR 3

/* Conditions of Jcc, SETcc, CMOVcc (appendix B.1.4.7). */
enum cc {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G
};
struct as {
    uint8_t *p;
    uint8_t *limit;
    intptr_t to_exec; /* from where a byte is written to where it runs */
};
static inline void as_8(struct as *a, unsigned v)
{
    *a->p++ = (uint8_t)v;
}

static inline void as_32(struct as *a, uint32_t v)
{
    memcpy(a->p, &v, sizeof(v));
    a->p += sizeof(v);
}

static inline void as_64(struct as *a, uint64_t v)
{
    memcpy(a->p, &v, sizeof(v));
    a->p += sizeof(v);
}

static inline const uint8_t *as_exec(const struct as *a, const uint8_t *written)
{
    return written + a->to_exec;
}

/* Prefixes and opcode. `index`: of the memory operand, or 0. */
void as_opcode(struct as *a, unsigned op, bool w, unsigned reg, unsigned index, unsigned rm);
/* Register and register; register and [base + disp]; register and [base + index + disp]. `reg` may
 * be a digit. */
void as_rr(struct as *a, unsigned op, bool w, unsigned reg, unsigned rm);
void as_rm(struct as *a, unsigned op, bool w, unsigned reg, unsigned base, int32_t disp);
void as_rmx(struct as *a, unsigned op, bool w, unsigned reg, unsigned base, unsigned index,
            int32_t disp);
/* reg = base + (index << shift); `base` may be REG_NONE. */
void as_lea_shifted(struct as *a, bool w, unsigned reg, unsigned base, unsigned index,
                    unsigned shift);
/* Register and [rip + ...]: `target` is an executed or data address; `after`: bytes of immediate.
 */
void as_rip(struct as *a, unsigned op, bool w, unsigned reg, const void *target, unsigned after);
void as_vex_rr(struct as *a, unsigned op, bool w, unsigned reg, unsigned vvvv, unsigned rm);
void as_vex_rm(struct as *a, unsigned op, bool w, unsigned reg, unsigned vvvv, unsigned base,
               int32_t disp);
void as_vex_rip(struct as *a, unsigned op, bool w, unsigned reg, unsigned vvvv, const void *target);
void as_alu_imm(struct as *a, unsigned op, bool w, unsigned rm, int32_t imm);
void as_alu_mem_imm(struct as *a, unsigned op, bool w, unsigned base, int32_t disp, int32_t imm);
void as_shift_imm(struct as *a, enum shift_digit digit, bool w, unsigned rm, unsigned count);
static inline void as_mov(struct as *a, unsigned to, unsigned from)
{
    if (to != from)
        as_rr(a, OP_MOV, true, to, from);
}

/* Leaves the flags alone. */
void as_const(struct as *a, unsigned reg, uint64_t v);
/* Jumps whose 32-bit displacement is filled in later: the place of it. */
uint8_t *as_jcc(struct as *a, enum cc cc);
uint8_t *as_jmp(struct as *a);
uint8_t *as_call(struct as *a);
static inline void as_patch(uint8_t *at, const uint8_t *to)
{
    int32_t distance = (int32_t)(to - (at + 4));
    memcpy(at, &distance, sizeof(distance));
}

void as_jmp_to(struct as *a, const uint8_t *to);
/* To executed addresses, stubs. */
void as_jmp_exec(struct as *a, const uint8_t *to);
void as_call_exec(struct as *a, const uint8_t *to);
#endif
