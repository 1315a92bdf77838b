/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the C code of translated aarch64 guests has in common: execute.c (instructions, exceptions),
 * system.c (system registers), mmu.c (translation), invalidate.c (TLBI), icc.c (the interrupt
 * controller's CPU interface).
 *
 * While run() runs, what struct a64_frame has is there and not in canonical state; PSTATE's mode,
 * PAN and UAO are in canonical state, its flags and masks in the frame.
 */
#ifndef ARCH_AARCH64_GUEST_EXECUTE_H
#define ARCH_AARCH64_GUEST_EXECUTE_H

#include "arch/aarch64/guest/lift.h"
#include "arch/aarch64/guest/machine.h"
#include "arch/aarch64/guest/sysregs.h"
#include "dbt/guest.h"

/* SCTLR_EL1 (D19.2.130) */
#define A64_SCTLR_M    BIT(0)
#define A64_SCTLR_DZE  BIT(14)
#define A64_SCTLR_UCT  BIT(15)
#define A64_SCTLR_NTWI BIT(16)
#define A64_SCTLR_NTWE BIT(18)
#define A64_SCTLR_WXN  BIT(19)
#define A64_SCTLR_SPAN BIT(23)
#define A64_SCTLR_UCI  BIT(26)
#define A64_SCTLR_UMA  BIT(9)

/* PSTATE, beyond those of state.h (C5.2.19) */
#define A64_PSTATE_IL  BIT(20)
#define A64_PSTATE_UAO BIT(23)
#define A64_PSTATE_SP  BIT(0)
#define A64_PSTATE_I   BIT(7)

/* ESR_EL1: exception classes (D19.2.37) */
enum a64_class {
    A64_CLASS_UNKNOWN = 0x00,
    A64_CLASS_WFX = 0x01,
    A64_CLASS_FP = 0x07,
    A64_CLASS_ILLEGAL = 0x0e,
    A64_CLASS_SVC = 0x15,
    A64_CLASS_SYSTEM = 0x18,
    A64_CLASS_FETCH_LOWER = 0x20, /* + 1: from the same level */
    A64_CLASS_PC = 0x22,
    A64_CLASS_DATA_LOWER = 0x24,
    A64_CLASS_BREAKPOINT_LOWER = 0x30,
    A64_CLASS_STEP_LOWER = 0x32,
    A64_CLASS_WATCHPOINT_LOWER = 0x34,
    A64_CLASS_BRK = 0x3c,
};

/* Fault status codes; translation, access flag and permission have the level added. */
#define A64_FAULT_ADDRESS_SIZE 0x00u
#define A64_FAULT_TRANSLATION  0x04u
#define A64_FAULT_ACCESS_FLAG  0x08u
#define A64_FAULT_PERMISSION   0x0cu
#define A64_FAULT_EXTERNAL     0x10u
#define A64_FAULT_WALK         0x14u
#define A64_FAULT_ALIGNMENT    0x21u
#define A64_FAULT_DEBUG        0x22u /* of breakpoints, watchpoints and steps */

/* What an instruction does to the run: A64_NEXT goes on behind it. */
enum a64_outcome { A64_NEXT, A64_DONE, A64_UNDEFINED, A64_STOP };

static inline struct arm_state *a64_state(const struct dbt_vcpu *d)
{
    return d->vcpu->state;
}

static inline struct a64_frame *a64_frame(const struct dbt_vcpu *d)
{
    return dbt_guest_part(d);
}

static inline bool a64_is_el1(const struct dbt_vcpu *d)
{
    return (a64_state(d)->pstate & ARM_PSTATE_MODE) != ARM_PSTATE_EL0;
}

/* Register 31 is the zero register. */
static inline uint64_t a64_reg(const struct dbt_vcpu *d, unsigned n)
{
    return n == 31 ? 0 : a64_frame(d)->x[n];
}

static inline void a64_set_reg(const struct dbt_vcpu *d, unsigned n, uint64_t v)
{
    if (n != 31)
        a64_frame(d)->x[n] = v;
}

/* ---- execute.c ---- */

/* Sets the block mode word and the TLB's view by what the state says now. */
void a64_context(struct dbt_vcpu *d);
/* PSTATE becomes `v`, as SPSR_EL1 has it: mode and with it the stack pointer, masks, flags. */
void a64_set_pstate(struct dbt_vcpu *d, uint64_t v);
uint64_t a64_pstate(const struct dbt_vcpu *d);
/* PAN or UAO, which are in canonical state. */
void a64_set_pstate_bit(struct dbt_vcpu *d, uint64_t bit, bool on);
/* Takes a synchronous exception to EL1; the preferred return address is frame->pc. */
void a64_exception(struct dbt_vcpu *d, enum a64_class class, uint64_t syndrome);

/* ---- system.c: MRS and MSR (register) ---- */
enum a64_outcome a64_system_register(struct dbt_vcpu *d, uint32_t word);
/* What ID registers show of these features, into canonical state. */
void a64_identify(struct vcpu *v, uint64_t features);

/* ---- self_debug.c: the guest's own debugger (dbt/guest.h) ---- */

bool a64_self_debug(struct dbt_vcpu *d);
bool a64_self_before(struct dbt_vcpu *d, bool *steps);
void a64_self_after(struct dbt_vcpu *d);
/* Are software steps taken at the level that runs? */
bool a64_steps(const struct dbt_vcpu *d);

/* ---- mmu.c ---- */

bool a64_walk(struct dbt_vcpu *d, uint64_t va, enum dbt_access access, struct dbt_mapping *out);
/* AT: PAR_EL1 (D19.2.111) for an access by EL1 or EL0; EL1's as if PSTATE.PAN were clear, or not.
 */
enum { A64_AT_READ, A64_AT_WRITE = 1, A64_AT_USER = 2, A64_AT_PAN = 4 };
#define A64_PAR_F           BIT(0)
#define A64_PAR_STATUS(par) ((par) >> 1 & 0x3f)
uint64_t a64_translate_address(struct dbt_vcpu *d, uint64_t va, unsigned how);
/* What the TLB is selected by. */
void a64_select(struct dbt_vcpu *d);

/* ---- invalidate.c ---- */

/* TLBI with CRm, op2 and Xt; false: there is none. */
bool a64_tlbi(struct dbt_vcpu *d, unsigned crm, unsigned op2, uint64_t xt);
/* What other vCPUs asked of this one. */
void a64_invalidations_take(struct dbt_vcpu *d);
/* DSB: returns when the others have done what this one asked of them. */
void a64_invalidations_wait(struct dbt_vcpu *d);

/* ---- icc.c ---- */

/* Is there an interrupt for the vCPU to take, masks of PSTATE aside? */
bool a64_icc_signals(struct dbt_vcpu *d);
/* ICC_ registers. False: `reg` is none of them. */
bool a64_icc_read(struct dbt_vcpu *d, unsigned reg, uint64_t *value);
bool a64_icc_write(struct dbt_vcpu *d, unsigned reg, uint64_t value);

#endif
