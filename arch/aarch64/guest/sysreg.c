/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Trapped system registers: the ID registers show what this machine offers (a field is shown as the
 * CPU has it, capped, or not at all), SGIs go to the interrupt controller, the physical timer and
 * the debug registers are kept here, the rest is undefined.
 */
#include "arch/aarch64/guest/machine.h"

/* Syndrome of a trapped MSR or MRS (D19.2.37): encoding without Rt and direction. */
#define SYSREG(op0, op1, crn, crm, op2) \
    ((uint64_t)(op0) << 20 | (op2) << 17 | (op1) << 14 | (crn) << 10 | (crm) << 1)
#define SYSREG_MASK SYSREG(3, 7, 15, 15, 7)
#define OP0(iss)    ((iss) >> 20 & 3)
#define OP2(iss)    ((iss) >> 17 & 7)
#define OP1(iss)    ((iss) >> 14 & 7)
#define CRN(iss)    ((iss) >> 10 & 15)
#define CRM(iss)    ((iss) >> 1 & 15)

#define ICC_SGI0R_EL1  SYSREG(3, 0, 12, 11, 7)
#define ICC_SGI1R_EL1  SYSREG(3, 0, 12, 11, 5)
#define ICC_ASGI1R_EL1 SYSREG(3, 0, 12, 11, 6)
#define CNTPCT_EL0     SYSREG(3, 3, 14, 0, 1)
#define CNTP_TVAL_EL0  SYSREG(3, 3, 14, 2, 0)
#define CNTP_CTL_EL0   SYSREG(3, 3, 14, 2, 1)
#define CNTP_CVAL_EL0  SYSREG(3, 3, 14, 2, 2)
#define ACTLR_EL1      SYSREG(3, 0, 1, 0, 1)
#define CNTPCTSS_EL0   SYSREG(3, 3, 14, 0, 5)
#define OSLAR_EL1      SYSREG(2, 0, 1, 0, 4)
#define OSLSR_EL1      SYSREG(2, 0, 1, 1, 4)
#define MDCCINT_EL1    SYSREG(2, 0, 0, 2, 0)
#define MDSCR_EL1      SYSREG(2, 0, 0, 2, 2)
#define DEBUG_BREAKS   12 /* ID_AA64DFR0_EL1: how many there are, but one */
#define DEBUG_WATCHES  20

/* OSLSR_EL1, D19.3.23: there is a lock; it is locked */
#define OSLSR_MODEL  BIT(3)
#define OSLSR_LOCKED BIT(1)
#define MDSCR_GUEST  (ARM_MDSCR_SS | ARM_MDSCR_TDCC | ARM_MDSCR_KDE | ARM_MDSCR_MDE)

/* How much of an ID register the guest sees: for each four-bit field the most that is shown; 0xf:
 * all. Fields not listed are 0. */
struct id_view {
    uint8_t crm, op2;
    uint64_t keep; /* fields shown as they are */
    struct {
        uint8_t shift, most;
    } cap[5];
    uint64_t fixed;
};

#define PFR0_GIC_SHIFT 24

static const struct id_view views[] = {
    /* PFR0: EL0 and EL1 AArch64 only, FP, AdvSIMD, the GIC's registers, SVE, DIT, CSV2, CSV3 */
    {4,
     0,
     BITS(23, 16) | BITS(35, 32) | BITS(51, 48) | BITS(59, 56) | BITS(63, 60),
     {{PFR0_GIC_SHIFT, 1}},
     0x11},
    /* PFR1: BTI, SSBS */
    {4, 1, BITS(7, 0), {{0, 0}}, 0},
    /* ZFR0: all of SVE */
    {4, 4, ~0ULL, {{0, 0}}, 0},
    /* DFR0: v8 debug, all breakpoints and watchpoints, no PMU */
    {5, 0, BITS(15, 12) | BITS(23, 20) | BITS(31, 28), {{0, 0}}, 6},
    /* ISAR0: all but transactions */
    {6, 0, ~BITS(27, 24) & ~BITS(3, 0), {{0, 0}}, 0},
    /* ISAR1: all but XS, LS64, SPECRES */
    {6, 1, BITS(55, 44) | BITS(39, 0), {{0, 0}}, 0},
    /* ISAR2: GPA3, APA3, MOPS, PAC_frac, BC, CLRBHB, RPRES, CSSC */
    {6, 2, BITS(7, 4) | BITS(27, 8) | BITS(31, 28) | BITS(55, 52), {{0, 0}}, 0},
    /* MMFR0: ASID bits, mixed endian, 64 KiB granule, 16 and 4 KiB ones without 52-bit addresses,
       ECV without an offset of the physical counter; PARange below */
    {7, 0, BITS(11, 4) | BITS(27, 24), {{20, 1}, {60, 1}}, 0},
    /* MMFR1: access flag and dirty state, hierarchical permissions, PAN, ETS, ECBHB */
    {7, 1, BITS(15, 12) | BITS(23, 20) | BITS(39, 36) | BITS(63, 60), {{0, 2}}, 0},
    /* MMFR2: CnP, UAO, LSMAOC, CCIDX, AT, IDS, TTL, BBM, E0PD */
    {7, 2, BITS(11, 0) | BITS(23, 20) | BITS(39, 32) | BITS(55, 48) | BITS(63, 60), {{0, 0}}, 0},
};

#define MMFR0_TGRAN4_SHIFT 28
#define MMFR0_ECV_SHIFT    60
#define FIELD_NONE         0xfULL

static uint64_t pa_range(uint64_t bits)
{
    static const uint8_t sizes[] = {32, 36, 40, 42, 44, 48};
    uint64_t range = 0;

    while (range + 1 < ARRAY_SIZE(sizes) && sizes[range + 1] <= bits)
        range++;
    return range;
}

static uint64_t id_read(struct vcpu *v, unsigned crm, unsigned op2)
{
    const struct arm_state *s = v->state;
    uint64_t raw = s->id[crm][op2], value;

    for (unsigned i = 0; i < ARRAY_SIZE(views); i++) {
        const struct id_view *view = &views[i];

        if (view->crm != crm || view->op2 != op2)
            continue;
        value = (raw & view->keep) | view->fixed;
        for (unsigned c = 0; c < ARRAY_SIZE(view->cap) && view->cap[c].most; c++)
            value |= MIN(raw >> view->cap[c].shift & 0xf, (uint64_t)view->cap[c].most)
                     << view->cap[c].shift;
        if (crm == 7 && op2 == 0) {
            value |= pa_range(s->physical_bits);
            /* 0xf: not there; 1: with 52-bit addresses */
            if ((raw >> MMFR0_TGRAN4_SHIFT & 0xf) == FIELD_NONE)
                value |= FIELD_NONE << MMFR0_TGRAN4_SHIFT;
        }
        return value;
    }
    return 0;
}

/* ---- Debug registers ---- */

/* The value or control register of a breakpoint or watchpoint that `reg` names, or NULL. */
static uint64_t *debug_register(struct arm_state *s, uint64_t reg)
{
    struct arm_debug *d = &s->debug;
    uint64_t *const arrays[4] = {d->bvr, d->bcr, d->wvr, d->wcr};
    unsigned shift = OP2(reg) < 6 ? DEBUG_BREAKS : DEBUG_WATCHES;

    if (OP1(reg) || CRN(reg) || OP2(reg) < 4 || CRM(reg) > (s->id[5][0] >> shift & 0xf))
        return NULL;
    return &arrays[OP2(reg) - 4][CRM(reg)];
}

/* The rest of the debug architecture (D19.3): without an external debugger it does nothing. */
static bool debug_silent(uint64_t reg)
{
    switch (reg) {
    case SYSREG(2, 0, 0, 0, 2):  /* OSDTRRX_EL1 */
    case SYSREG(2, 0, 0, 3, 2):  /* OSDTRTX_EL1 */
    case SYSREG(2, 0, 0, 6, 2):  /* OSECCR_EL1 */
    case SYSREG(2, 0, 1, 0, 0):  /* MDRAR_EL1 */
    case SYSREG(2, 0, 1, 3, 4):  /* OSDLR_EL1 */
    case SYSREG(2, 0, 1, 4, 4):  /* DBGPRCR_EL1 */
    case SYSREG(2, 0, 7, 8, 6):  /* DBGCLAIMSET_EL1 */
    case SYSREG(2, 0, 7, 9, 6):  /* DBGCLAIMCLR_EL1 */
    case SYSREG(2, 0, 7, 14, 6): /* DBGAUTHSTATUS_EL1 */
    case SYSREG(2, 3, 0, 1, 0):  /* MDCCSR_EL0 */
    case SYSREG(2, 3, 0, 4, 0):  /* DBGDTR_EL0 */
    case SYSREG(2, 3, 0, 5, 0):  /* DBGDTRRX_EL0, DBGDTRTX_EL0 */
        return true;
    }
    return false;
}

/* False: there is no such register. */
static bool debug_read(struct vcpu *v, uint64_t reg, uint64_t *value)
{
    const struct arm_debug *d = &arm_state(v)->debug;
    const uint64_t *r = debug_register(arm_state(v), reg);

    switch (reg) {
    case OSLSR_EL1:
        *value = OSLSR_MODEL | (d->os_lock ? OSLSR_LOCKED : 0);
        return true;
    case MDSCR_EL1:
        *value = d->mdscr;
        return true;
    case MDCCINT_EL1:
        *value = d->mdccint;
        return true;
    }
    *value = r ? *r : 0;
    return r || debug_silent(reg);
}

static bool debug_write(struct vcpu *v, uint64_t reg, uint64_t value)
{
    struct arm_debug *d = &arm_state(v)->debug;
    uint64_t *r = debug_register(arm_state(v), reg);

    vcpu_dirty(v, ARM_DEBUG);
    if (reg == OSLAR_EL1)
        d->os_lock = value & 1;
    else if (reg == MDSCR_EL1)
        d->mdscr = value & MDSCR_GUEST;
    else if (reg == MDCCINT_EL1)
        d->mdccint = value;
    else if (r)
        *r = value;
    else
        return debug_silent(reg);
    return true;
}

/* ---- Dispatch: false: there is no such register ---- */

static enum arm_timer_register timer_register(uint64_t reg)
{
    return reg == CNTP_CTL_EL0    ? ARM_TIMER_CTL
           : reg == CNTP_CVAL_EL0 ? ARM_TIMER_CVAL
                                  : ARM_TIMER_TVAL;
}

bool arm_sysreg_read(struct vcpu *v, uint64_t reg, uint64_t *value)
{
    *value = 0;
    if (OP0(reg) == 3 && OP1(reg) == 0 && CRN(reg) == 0 && CRM(reg) >= 1 && CRM(reg) <= 7) {
        *value = id_read(v, CRM(reg), OP2(reg));
        return true;
    }
    switch (reg) {
    case CNTPCTSS_EL0:
        if (!(id_read(v, 7, 0) >> MMFR0_ECV_SHIFT & 0xf))
            return false;
        __attribute__((fallthrough));
    case CNTPCT_EL0:
        *value = guest_clock_counter(&v->vm->clock);
        return true;
    case CNTP_CTL_EL0:
    case CNTP_CVAL_EL0:
    case CNTP_TVAL_EL0:
        *value = arm_timer_read(v, ARM_TIMER_PHYSICAL, timer_register(reg));
        return true;
    case ACTLR_EL1:
        return true;
    }
    return OP0(reg) == 2 && debug_read(v, reg, value);
}

bool arm_sysreg_write(struct vcpu *v, uint64_t reg, uint64_t value)
{
    switch (reg) {
    case ICC_SGI1R_EL1:
    case ICC_SGI0R_EL1:
    case ICC_ASGI1R_EL1:
        vgic_send_sgi(v, value);
        return true;
    case CNTP_CTL_EL0:
    case CNTP_CVAL_EL0:
    case CNTP_TVAL_EL0:
        arm_timer_write(v, ARM_TIMER_PHYSICAL, timer_register(reg), value);
        return true;
    case ACTLR_EL1:
        return true;
    }
    return OP0(reg) == 2 && debug_write(v, reg, value);
}

enum exit_action arm_sysreg(struct vcpu *v, const struct vm_exit *exit)
{
    uint64_t reg = exit->reg.number & SYSREG_MASK, value;

    if (exit->reg.write) {
        if (!arm_sysreg_write(v, reg, arm_get_x(v, exit->reg.reg)))
            goto undefined;
    } else {
        if (!arm_sysreg_read(v, reg, &value))
            goto undefined;
        arm_set_x(v, exit->reg.reg, value);
    }
    arm_advance(v);
    return ACTION_RESUME;

undefined:
    arm_inject_undefined(v);
    return ACTION_RESUME;
}
