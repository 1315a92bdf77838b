/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The riscv64 front end: guest instructions to IR. lift.c walks the code, lift_int.c and lift_fp.c
 * have a function for each instruction of insns.def.
 */
#ifndef ARCH_RISCV64_GUEST_LIFT_H
#define ARCH_RISCV64_GUEST_LIFT_H

#include "arch/riscv64/guest/insn.h"
#include "dbt/frontend.h"

/* The guest part of the frame. */
struct rv_frame {
    uint64_t x[32]; /* x[0] is never read or written */
    uint64_t f[32];
    uint64_t reserved_address, reserved_value; /* of LR; RV_NO_RESERVATION: none */
    /* CSRs of the supervisor, while the vCPU runs; sstatus with SD. */
    uint64_t sstatus, sscratch, sepc, scause, stval;
    uint64_t pending; /* interrupts that SIE alone keeps off */
};

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
    RV_SLOT_COUNT
};

/* Block mode word: bits of the guest's own, above the common ones. */
#define RV_MODE_FRM       BITS(10, 8)  /* rounding mode, as in fcsr */
#define RV_MODE_FS        BITS(12, 11) /* sstatus.FS: 0 off, 3 dirty */
#define RV_MODE_S         BIT(13)      /* supervisor */
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

extern const struct dbt_frontend rv_frontend;

#endif
