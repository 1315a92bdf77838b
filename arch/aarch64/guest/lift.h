/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The aarch64 front end: guest instructions to IR. lift.c walks the code, lift_flags.c knows NZCV
 * and conditions, lift_memory.c addresses; the lifting functions of insns.def are in lift_int.c,
 * lift_branch.c, lift_memory.c and lift_system.c, those of insns_simd.def in lift_simd*.c and
 * lift_fp*.c.
 */
#ifndef ARCH_AARCH64_GUEST_LIFT_H
#define ARCH_AARCH64_GUEST_LIFT_H

#include "arch/aarch64/guest/insn.h"
#include "dbt/frontend.h"
#include "dbt/interp.h"

/*
 * The guest part of the frame.
 *
 * NZCV lies there as what made it, so that a comparison costs no more than stores: flag_op is a
 * kind and its extra (A64_FLAG_OP), flag_a and flag_b operands. Of 32-bit kinds the upper halves of
 * the operands mean nothing.
 */
struct a64_frame {
    uint64_t x[31];
    uint64_t sp;                                 /* as PSTATE.SP says */
    uint64_t v[64] __attribute__((aligned(16))); /* 32 registers of 128 bits */
    uint64_t fpcr, fpsr; /* without the sticky flags, which are frame->fp_flags, but for QC */
    uint64_t flag_a, flag_b, flag_op;
    uint64_t reserved_address, reserved_value; /* of LDXR; A64_NO_RESERVATION: none */
    uint64_t reserved_high;                    /* of LDXP, which only C code does */
    uint64_t sp_other;                         /* SP_EL0 or SP_EL1, that `sp` is not */
    /* System registers that are nothing but storage. */
    uint64_t tpidr_el0, tpidrro_el0, tpidr_el1;
    uint64_t daif; /* PSTATE.DAIF, at its place */
    uint64_t elr, spsr, esr, far;
    uint64_t pending; /* bits of DAIF: an interrupt that this mask alone keeps off */
    uint64_t dit;     /* PSTATE.DIT, at its place */
};

#define A64_NO_RESERVATION UINT64_MAX

/* Numbers of slots. */
enum a64_slot {
    A64_SLOT_PC_BASE,
    A64_SLOT_X0,
    A64_SLOT_SP = A64_SLOT_X0 + 31,
    A64_SLOT_FLAG_A,
    A64_SLOT_FLAG_B,
    A64_SLOT_FLAG_OP,
    A64_SLOT_RESERVED_ADDRESS,
    A64_SLOT_RESERVED_VALUE,
    A64_SLOT_SP_OTHER,
    A64_SLOT_TPIDR_EL0,
    A64_SLOT_TPIDRRO_EL0,
    A64_SLOT_TPIDR_EL1,
    A64_SLOT_DAIF,
    A64_SLOT_ELR,
    A64_SLOT_SPSR,
    A64_SLOT_ESR,
    A64_SLOT_FAR,
    A64_SLOT_PENDING,
    A64_SLOT_FPCR,
    A64_SLOT_FPSR,
    A64_SLOT_V0,
    A64_SLOT_DIT = A64_SLOT_V0 + 32,
    A64_SLOT_COUNT
};

/* Block mode word: bits of the guest's own, above the common ones. */
#define A64_MODE_EL1         BIT(8)
#define A64_MODE_SP          BIT(9)  /* PSTATE.SP: SP_EL1 */
#define A64_MODE_FP          BIT(10) /* FP and Advanced SIMD do not trap */
#define A64_MODE_RMODE       BITS(12, 11)
#define A64_MODE_FZ          BIT(13)
#define A64_MODE_DN          BIT(14)
#define A64_MODE_AHP         BIT(15)
#define A64_MODE_FZ16        BIT(16)
#define A64_MODE_UAO         BIT(17) /* PSTATE.UAO: unprivileged accesses are ordinary */
#define A64_MODE_DZE         BIT(18) /* EL0 may use DC ZVA */
#define A64_MODE_RMODE_SHIFT 11

#define A64_DIT  BIT(24) /* of PSTATE */
#define A64_DAIF 0x3c0u  /* of PSTATE, and of a64_frame.daif and .pending */

/* The sticky flags of FPSR (C5.2.9) and enum sf_flag. */
static inline uint64_t a64_fpsr_flags(uint32_t f)
{
    return (f & SF_INVALID ? 1 : 0) | (f & SF_DIVIDE ? 2 : 0) | (f & SF_OVERFLOW ? 4 : 0) |
           (f & SF_UNDERFLOW ? 8 : 0) | (f & SF_INEXACT ? 16 : 0) | (f & SF_DENORMAL ? 128 : 0) |
           (f & SF_SATURATED ? BIT(27) : 0);
}

static inline uint32_t a64_fp_flags(uint64_t fpsr)
{
    return (fpsr & 1 ? SF_INVALID : 0) | (fpsr & 2 ? SF_DIVIDE : 0) | (fpsr & 4 ? SF_OVERFLOW : 0) |
           (fpsr & 8 ? SF_UNDERFLOW : 0) | (fpsr & 16 ? SF_INEXACT : 0) |
           (fpsr & 128 ? SF_DENORMAL : 0) | (fpsr & BIT(27) ? SF_SATURATED : 0);
}

/* ---- NZCV ---- */

#define A64_N 8u
#define A64_Z 4u
#define A64_C 2u
#define A64_V 1u

/* Kinds in flag_op; the extra is above it. */
enum a64_flag_kind {
    A64_FLAG_NZCV,  /* extra: the four bits */
    A64_FLAG_ADD,   /* a + b + extra */
    A64_FLAG_SUB,   /* a - b - extra */
    A64_FLAG_LOGIC, /* N and Z of a; C and V are clear */
    A64_FLAG_FCMP,  /* a and b are the bits of what was compared */
};
#define A64_FLAG_WIDE            0x10u /* 64 bits, else 32 */
#define A64_FLAG_EXTRA           8u
#define A64_FLAG_OP(kind, extra) ((uint64_t)(kind) | (uint64_t)(extra) << A64_FLAG_EXTRA)

/* The four bits that flag_op, flag_a and flag_b say. */
uint64_t a64_nzcv(uint64_t op, uint64_t a, uint64_t b);

/* Helpers of class U, by number. */
enum a64_helper {
    A64_HELPER_NZCV,
    A64_HELPER_CRC32,
    A64_HELPER_CRC32C,
    A64_HELPER_F64_TO_F16,    /* bits, how, AHP */
    A64_HELPER_TO_FIXED,      /* bits, how, bits of the fraction */
    A64_HELPER_FROM_FIXED,    /* the same */
    A64_HELPER_TO_JAVASCRIPT, /* bits, how; bit 32: exact */
    A64_HELPER_COUNT
};
/* How: rounding and modes as IR_FP_ bits, and */
#define A64_FIXED_F64      0x100u
#define A64_FIXED_I64      0x200u
#define A64_FIXED_UNSIGNED 0x400u

extern const struct dbt_helper a64_helpers[A64_HELPER_COUNT];
_Static_assert(A64_HELPER_COUNT <= DBT_HELPERS_MAX, "they are counted");

/* What the lifter knows of NZCV within a unit. */
struct a64_flags {
    enum { A64_UNKNOWN, A64_KNOWN, A64_CHOSEN, A64_PACKED } state;
    uint8_t kind, type;
    ir_value a, b, result;
    ir_value extra;  /* i64, 0 or 1: of ADD and SUB; 0: none */
    ir_value chosen; /* A64_CHOSEN: not zero: as kind, a, b, else `nzcv` */
    uint8_t nzcv;
    ir_value packed; /* A64_PACKED: i64, the four bits */
};

/* A condition, to test by exit_if or cmp. */
struct a64_condition {
    enum ir_cc cc;
    enum ir_type type;
    ir_value a, b;
};

/* One unit being made. */
struct a64_lift {
    struct ir_unit *u;
    uint64_t features;
    uint32_t word;   /* the instruction */
    unsigned offset; /* in the page */
    enum a64_insn_id id;
    struct a64_flags flags;
    bool ended; /* the unit has its last operation */
};

typedef void (*a64_lift_fn)(struct a64_lift *t);
#define A64(name, format, mask, match, feature, lift) void a64_lift_##lift(struct a64_lift *t);
#include "arch/aarch64/guest/insns.def"
#include "arch/aarch64/guest/insns_simd.def"
#undef A64

/* Ends the unit before the instruction: it is none, or needs the guest's C code. */
void a64_undefined(struct a64_lift *t);
/* False: FP and Advanced SIMD trap, and the unit has ended. Each of their instructions asks first.
 */
bool a64_fp_access(struct a64_lift *t);

/* ---- Registers ---- */

static inline ir_value a64_imm(struct a64_lift *t, uint64_t value)
{
    return ir_const(t->u, IR_I64, (int64_t)value);
}

/* 31 is the zero register, */
static inline ir_value a64_get_x(struct a64_lift *t, unsigned n)
{
    return n == 31 ? a64_imm(t, 0) : ir_get(t->u, A64_SLOT_X0 + n);
}

static inline void a64_set_x(struct a64_lift *t, unsigned n, ir_value v)
{
    if (n != 31)
        ir_set(t->u, A64_SLOT_X0 + n, v);
}

/* ... or the stack pointer, whose slot follows x30's. */
static inline ir_value a64_get_xsp(struct a64_lift *t, unsigned n)
{
    return ir_get(t->u, A64_SLOT_X0 + n);
}

static inline void a64_set_xsp(struct a64_lift *t, unsigned n, ir_value v)
{
    ir_set(t->u, A64_SLOT_X0 + n, v);
}

static inline ir_value a64_low(struct a64_lift *t, ir_value v)
{
    return ir_convert(t->u, IR_trunc, IR_I32, IR_I64, v);
}

static inline ir_value a64_extend(struct a64_lift *t, ir_value v)
{
    return ir_convert(t->u, IR_zext, IR_I64, IR_I32, v);
}

/* As `type`, i32 or i64. */
static inline ir_value a64_get(struct a64_lift *t, enum ir_type type, unsigned n)
{
    if (type == IR_I64)
        return a64_get_x(t, n);
    return n == 31 ? ir_const(t->u, IR_I32, 0) : a64_low(t, a64_get_x(t, n));
}

static inline void a64_set(struct a64_lift *t, enum ir_type type, unsigned n, ir_value v)
{
    if (n != 31)
        a64_set_x(t, n, type == IR_I64 ? v : a64_extend(t, v));
}

static inline enum ir_type a64_width(const struct a64_lift *t)
{
    return a64_sf(t->word) ? IR_I64 : IR_I32;
}

static inline ir_value a64_op2(struct a64_lift *t, enum ir_code code, ir_value a, ir_value b)
{
    return ir_op2(t->u, code, IR_I64, a, b);
}

/* ---- lift_flags.c ---- */

/* NZCV becomes that of a + b + extra or a - b - extra (extra: i64, 0 or 1; 0: none), whose result
 * is `result`; of a result of logic; of a comparison of f32 or f64 values; or four given bits. */
void a64_flags_sum(struct a64_lift *t, enum a64_flag_kind kind, enum ir_type type, ir_value a,
                   ir_value b, ir_value extra, ir_value result);
void a64_flags_logic(struct a64_lift *t, enum ir_type type, ir_value result);
void a64_flags_fcmp(struct a64_lift *t, enum ir_type type, ir_value a, ir_value b);
void a64_flags_packed(struct a64_lift *t, ir_value nzcv);
/* ... of a - b (or a + b, or a floating-point comparison) if `chosen` is not zero, else the four
 * bits: CCMP, FCCMP. */
void a64_flags_chosen(struct a64_lift *t, enum a64_flag_kind kind, enum ir_type type, ir_value a,
                      ir_value b, ir_value chosen, unsigned nzcv);
/* The four bits as an i64. */
ir_value a64_flags_get(struct a64_lift *t);
/* C as an i64, 0 or 1. */
ir_value a64_flags_carry(struct a64_lift *t);
/* Condition 0 to 15 (C1.2.4). */
struct a64_condition a64_condition(struct a64_lift *t, unsigned condition);
/* The same as an i64, 0 or 1. */
ir_value a64_condition_value(struct a64_lift *t, unsigned condition);

/* ---- lift_memory.c ---- */

/*
 * Where an instruction of a memory format accesses, for general and vector registers alike:
 * base + disp, and what the base register becomes afterwards. `log2_size` scales offsets: of one
 * register's access.
 */
struct a64_address {
    ir_value base;
    int64_t disp;
    bool writes_back;
    int64_t step; /* written back: base + step */
};
struct a64_address a64_address(struct a64_lift *t, unsigned log2_size);
/* After the accesses: writes back. */
void a64_address_done(struct a64_lift *t, const struct a64_address *address);
/* DC ZVA. */
void a64_zero_block(struct a64_lift *t);

extern const struct dbt_frontend a64_frontend;

#endif
