/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * One instruction of a guest, reduced by Zydis to what carrying out its memory or port operand
 * needs; and a small cache of them for each vCPU, whose hits are verified by the instruction's
 * bytes.
 */
#ifndef ARCH_X86_64_GUEST_DECODE_H
#define ARCH_X86_64_GUEST_DECODE_H

#include "arch/x86_64/guest/machine.h"

#define X86_INSN_MAX 15 /* bytes: SDM vol. 2, 2.3.11 */

enum x86_code_mode { X86_CODE_16_REAL, X86_CODE_16, X86_CODE_32, X86_CODE_64 };

enum x86_op {
    X86_OP_OTHER, /* none of those below: devices do not take it */
    X86_OP_MOV,   /* with zero extension: MOV, MOVZX, MOVNTI */
    X86_OP_MOVSX, /* and MOVSXD */
    X86_OP_XCHG,
    X86_OP_AND,
    X86_OP_TEST,
    X86_OP_OR,
    X86_OP_XOR,
    X86_OP_ADD,
    X86_OP_SUB,
    X86_OP_CMP,
    X86_OP_MOVS,
    X86_OP_STOS,
    X86_OP_INS,
    X86_OP_OUTS,
};

/* The first bytes at some place, the lowest first; those not read are zero. */
union x86_code {
    uint8_t bytes[16];
    uint64_t words[2];
};

struct x86_insn {
    union x86_code code; /* zero behind the instruction */
    uint8_t length;      /* 0: empty */
    uint8_t mode;        /* enum x86_code_mode */
    uint8_t op;          /* enum x86_op */
    bool has_memory;     /* a visible operand is in memory */
    bool to_memory;      /* it is the destination */
    bool has_reg;        /* the other operand is a general register; else `immediate` */
    bool high_byte;      /* AH, CH, DH, BH */
    uint8_t reg;         /* number of the whole register */
    uint8_t reg_size;    /* bytes */
    uint8_t memory_size;
    uint8_t address_size;   /* bytes */
    uint8_t source_segment; /* of MOVS and OUTS: enum x86_segment_index */
    bool repeat;
    uint64_t immediate; /* sign-extended */
};

/* Decodes what `bytes` begin with; at most X86_INSN_MAX of `count` bytes are looked at. False: no
 * instruction, or not all of it is there. */
bool x86_decode_bytes(const uint8_t *bytes, size_t count, enum x86_code_mode mode,
                      struct x86_insn *insn);

enum x86_code_mode x86_code_mode(struct vcpu *v);
/* Reads and decodes the instruction at RIP; valid until the vCPU's next one. NULL: it cannot be
 * read or is none. */
const struct x86_insn *x86_decode(struct vcpu *v);

/* Per vCPU, in struct x86_machine. */
#define X86_CODE_CACHE_SIZE 16
struct x86_code_cache {
    struct x86_insn insns[X86_CODE_CACHE_SIZE]; /* by a hash of RIP */
} __attribute__((aligned(64)));

#endif
