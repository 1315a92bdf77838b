/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The riscv64 front end: guest instructions to IR. lift.c walks the code, lift_int.c, lift_fp.c and
 * lift_half.c have a function for each instruction of insns.def.
 */
#ifndef ARCH_RISCV64_GUEST_LIFT_H
#define ARCH_RISCV64_GUEST_LIFT_H

#include "arch/riscv64/guest/insn.h"
#include "dbt/frontend.h"
#include "dbt/interp.h"

/* The guest part of the frame. */
struct rv_frame {
    uint64_t x[32]; /* x[0] is never read or written */
    uint64_t f[32];
    uint64_t reserved_address, reserved_value; /* of LR; RV_NO_RESERVATION: none */
    /* CSRs of the supervisor, while the vCPU runs; sstatus with SD. */
    uint64_t sstatus, sscratch, sepc, scause, stval;
    uint64_t pending; /* interrupts that SIE alone keeps off */
    /* V, of 32 registers of 128 bits. vxsat is among the sticky flags. */
    uint64_t vl, vtype, vstart, vxrm;
    uint64_t vconfig; /* what units look at of these: RV_VCONFIG_ */
    uint64_t unused;
    _Alignas(16) uint64_t v[64];
};

#define RV_VCONFIG_TYPE 0x3fULL /* vlmul and vsew */
#define RV_VCONFIG_FULL 0x40ULL /* vl is VLMAX, vstart 0 */
#define RV_VCONFIG_ILL  0x80ULL /* alone: vtype.vill */

#define RV_NO_RESERVATION UINT64_MAX

/* Numbers of slots. */
enum rv_slot {
    RV_SLOT_PC_BASE,
    RV_SLOT_X1,
    RV_SLOT_F0 = RV_SLOT_X1 + 31,
    RV_SLOT_RESERVED_ADDRESS = RV_SLOT_F0 + 32,
    RV_SLOT_RESERVED_VALUE,
    RV_SLOT_SSTATUS,
    RV_SLOT_SSCRATCH,
    RV_SLOT_SEPC,
    RV_SLOT_SCAUSE,
    RV_SLOT_STVAL,
    RV_SLOT_PENDING,
    RV_SLOT_VL,
    RV_SLOT_VTYPE,
    RV_SLOT_VSTART,
    RV_SLOT_VCONFIG,
    RV_SLOT_V0,
    RV_SLOT_COUNT = RV_SLOT_V0 + 32
};

/* Block mode word: bits of the guest's own, above the common ones. */
#define RV_MODE_FRM       BITS(10, 8)  /* rounding mode, as in fcsr */
#define RV_MODE_FS        BITS(12, 11) /* sstatus.FS: 0 off, 3 dirty */
#define RV_MODE_S         BIT(13)      /* supervisor */
#define RV_MODE_CBZE      BIT(14)      /* CBO.ZERO is an instruction */
#define RV_MODE_VS        BITS(16, 15) /* sstatus.VS: 0 off, 3 dirty */
#define RV_MODE_VS_SHIFT  15
#define RV_MODE_FRM_SHIFT 8
#define RV_MODE_FS_SHIFT  11
#define RV_FS_OFF         0u
#define RV_FS_DIRTY       3u

/* One unit being made. */
struct rv_lift {
    struct ir_unit *u;
    uint32_t word;   /* the instruction, expanded */
    uint32_t raw;    /* as it lies in memory */
    unsigned offset; /* in the page */
    unsigned length; /* bytes */
    bool ended;      /* the unit has its last operation */
    /* Of vectors: vtype (RV_VCONFIG_TYPE) is this, as far as is known; it is, and vl is VLMAX. */
    uint8_t vector_type;
    bool vector_known, vector_full;
};

typedef void (*rv_lift_fn)(struct rv_lift *t);
#define RV(name, format, mask, match, extension) void rv_lift_##name(struct rv_lift *t);
#include "arch/riscv64/guest/insns.def"

/* Ends the unit before the instruction: it is none, or needs the guest's C code. */
void rv_lift_illegal(struct rv_lift *t);
void rv_lift_interpret(struct rv_lift *t);

static inline ir_value rv_get_x(struct rv_lift *t, unsigned n)
{
    return n ? ir_get(t->u, RV_SLOT_X1 + n - 1) : ir_const(t->u, IR_I64, 0);
}

static inline void rv_set_x(struct rv_lift *t, unsigned n, ir_value v)
{
    if (n)
        ir_set(t->u, RV_SLOT_X1 + n - 1, v);
}

/* What is known of vectors where a unit begins that the frame will run first. */
void rv_lift_vector_begin(struct rv_lift *t, const struct dbt_frame *f);

/* Floating point. False: the unit has ended. `writes`: registers or flags of floating point. */
bool rv_fp_ready(struct rv_lift *t, bool writes);
/* The instruction's rounding mode; false: it is illegal, and the unit has ended. */
bool rv_fp_rounding(struct rv_lift *t, uint8_t *round);

/* Helpers of class U: helpers.c. */
enum rv_helper {
    RV_HELPER_HALF,      /* f16 arithmetic on registers: first, second, RV_HALF_ bits */
    RV_HELPER_HALF_SIGN, /* the same for what looks at no NaN and raises nothing */
    RV_HELPER_HALF_PAIR, /* two unboxed in one word, for RV_HALF_FMA */
    RV_HELPER_FCVTMOD,   /* FCVTMOD.W.D */
    RV_HELPER_COUNT
};
extern const struct dbt_helper rv_helpers[RV_HELPER_COUNT];
_Static_assert(RV_HELPER_COUNT <= DBT_HELPERS_MAX, "they are counted");

/* The third operand of RV_HELPER_HALF and RV_HELPER_HALF_SIGN: what it does, and how it rounds. */
enum rv_half {
    RV_HALF_ADD,
    RV_HALF_SUB,
    RV_HALF_MUL,
    RV_HALF_DIV,
    RV_HALF_SQRT,
    RV_HALF_FMA, /* first: of RV_HELPER_HALF_PAIR; bits 12 and 13: IR_FMA_ bits */
    RV_HALF_MIN,
    RV_HALF_MAX,
    RV_HALF_MINM,
    RV_HALF_MAXM,
    RV_HALF_EQ,
    RV_HALF_LT,
    RV_HALF_LE,
    RV_HALF_LTQ,
    RV_HALF_LEQ,
    RV_HALF_TO_INT,   /* bit 12: unsigned, 13: i64 */
    RV_HALF_FROM_INT, /* the same */
    RV_HALF_TO_S,
    RV_HALF_FROM_S,
    RV_HALF_TO_D,
    RV_HALF_FROM_D,
    RV_HALF_ROUND,
    RV_HALF_ROUNDNX,
    RV_HALF_SGNJ,
    RV_HALF_SGNJN,
    RV_HALF_SGNJX,
    RV_HALF_CLASS
};
#define RV_HALF_ROUNDING_SHIFT 8
#define RV_HALF_MORE_SHIFT     12

/* The AMOCAS.Q that a unit left to C; rd and rs2 are even. Its memory, or NULL: f->fault is
 * filled. Then, one at a time in a guest, the exchange. */
uint64_t *rv_amocas_q_memory(struct dbt_frame *f, uint32_t word);
void rv_amocas_q(struct dbt_frame *f, uint32_t word, uint64_t *memory);

extern const struct dbt_frontend rv_frontend;

#endif
