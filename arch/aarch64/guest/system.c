/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The system registers of translated aarch64 guests (Arm ARM D19): which exist, who may touch them,
 * what a write leaves. What hardware guests trap for is sysreg.c's for these, too. */
#include "arch/aarch64/guest/execute.h"

#include "dbt/tlb.h"

/* ---- Registers that are storage in canonical state ---- */

struct storage {
    uint16_t reg, offset;
    bool context; /* a change says anew what runs */
    uint64_t mask;
};
#define AT(member) ((uint16_t)offsetof(struct arm_state, member))
#define ALL        UINT64_MAX
#define ESR_BITS   BITS(36, 0)

static const struct storage storages[] = {
    {A64_SYS(3u, 0u, 1u, 0u, 0u), AT(sys.sctlr), true, ALL},
    {A64_SYS(3u, 0u, 1u, 0u, 2u), AT(sys.cpacr), true, BITS(21, 20)},
    {A64_SYS(3u, 0u, 2u, 0u, 0u), AT(sys.ttbr0), true, ALL},
    {A64_SYS(3u, 0u, 2u, 0u, 1u), AT(sys.ttbr1), true, ALL},
    {A64_SYS(3u, 0u, 2u, 0u, 2u), AT(sys.tcr), true, ALL},
    {A64_SYS(3u, 0u, 5u, 1u, 0u), AT(sys.afsr0), false, 0},
    {A64_SYS(3u, 0u, 5u, 1u, 1u), AT(sys.afsr1), false, 0},
    {A64_SYS(3u, 0u, 7u, 4u, 0u), AT(sys.par), false, ALL},
    {A64_SYS(3u, 0u, 10u, 2u, 0u), AT(sys.mair), false, ALL},
    {A64_SYS(3u, 0u, 10u, 3u, 0u), AT(sys.amair), false, 0},
    {A64_SYS(3u, 0u, 12u, 0u, 0u), AT(sys.vbar), false, ~BITS(10, 0)},
    {A64_SYS(3u, 0u, 13u, 0u, 1u), AT(sys.contextidr), false, UINT32_MAX},
    {A64_SYS(3u, 0u, 14u, 1u, 0u), AT(sys.cntkctl), false, UINT32_MAX},
    {A64_SYS(3u, 2u, 0u, 0u, 0u), AT(sys.csselr), false, 0xf},
};

#define SYS_SCTLR storages[0].reg
#define SYS_TCR   storages[4].reg

static const struct storage *storage_of(unsigned reg)
{
    for (unsigned i = 0; i < ARRAY_SIZE(storages); i++)
        if (storages[i].reg == reg)
            return &storages[i];
    return NULL;
}

static uint64_t *storage_at(const struct dbt_vcpu *d, const struct storage *s)
{
    return (uint64_t *)((char *)a64_state(d) + s->offset);
}

/* What is cached of the tables holds for one TCR and for one choice of what may be executed. */
static void write_storage(struct dbt_vcpu *d, const struct storage *s, uint64_t value)
{
    uint64_t *at = storage_at(d, s), changed = *at ^ (value & s->mask);

    *at = value & s->mask;
    if (!s->context || !changed)
        return;
    if (s->reg == SYS_TCR || (s->reg == SYS_SCTLR && changed & A64_SCTLR_WXN))
        dbt_tlb_flush_all(d);
    a64_context(d);
}

/* ---- Constants ---- */

/* MIDR_EL1: implementer 0, for software; registers say what there is (D19.2.99). */
#define MIDR 0x000f0510ULL

static bool constant(const struct dbt_vcpu *d, unsigned reg, uint64_t *value)
{
    switch (reg) {
    case A64_SYS(3u, 0u, 0u, 0u, 0u):
        *value = MIDR;
        return true;
    case A64_SYS(3u, 0u, 0u, 0u, 5u):
        *value = a64_state(d)->mpidr;
        return true;
    case A64_SYS(3u, 0u, 0u, 0u, 6u): /* REVIDR */
    case A64_SYS(3u, 1u, 0u, 0u, 7u): /* AIDR */
    case A64_SYS(3u, 1u, 0u, 0u, 0u): /* CCSIDR */
    case A64_SYS(3u, 1u, 0u, 0u, 1u): /* CLIDR: nothing that software would have to maintain */
        *value = 0;
        return true;
    default:
        return false;
    }
}

/* ---- What EL0 reaches, by leave of EL1 ---- */

#define SYS_CNTFRQ A64_SYS(3u, 3u, 14u, 0u, 0u)
#define SYS_CNTPCT A64_SYS(3u, 3u, 14u, 0u, 1u)
#define SYS_CNTVCT A64_SYS(3u, 3u, 14u, 0u, 2u)
#define IS_CNTP(r) (((r) & ~7u) == A64_SYS(3u, 3u, 14u, 2u, 0u) && A64_SYS_OP2(r) < 3)
#define IS_CNTV(r) (((r) & ~7u) == A64_SYS(3u, 3u, 14u, 3u, 0u) && A64_SYS_OP2(r) < 3)

/* CNTKCTL_EL1 (D19.12.10) */
#define KCTL_PCT BIT(0)
#define KCTL_VCT BIT(1)
#define KCTL_VT  BIT(8)
#define KCTL_PT  BIT(9)

/* Is `reg` one that traps to EL1 for EL0 by a control that says so now? */
static bool traps(const struct dbt_vcpu *d, unsigned reg)
{
    const struct arm_system *s = &a64_state(d)->sys;

    if (a64_is_el1(d))
        return false;
    if (reg == A64_SYS_CTR)
        return !(s->sctlr & A64_SCTLR_UCT);
    if (reg == A64_SYS_DAIF)
        return !(s->sctlr & A64_SCTLR_UMA);
    if (reg == SYS_CNTFRQ)
        return !(s->cntkctl & (KCTL_PCT | KCTL_VCT));
    if (reg == SYS_CNTPCT || reg == SYS_CNTVCT)
        return !(s->cntkctl & (reg == SYS_CNTPCT ? KCTL_PCT : KCTL_VCT));
    if (IS_CNTP(reg) || IS_CNTV(reg))
        return !(s->cntkctl & (IS_CNTP(reg) ? KCTL_PT : KCTL_VT));
    return false;
}

static enum arm_timer_register timer_register(unsigned reg)
{
    return (enum arm_timer_register)A64_SYS_OP2(reg);
}
_Static_assert(ARM_TIMER_TVAL == 0 && ARM_TIMER_CTL == 1 && ARM_TIMER_CVAL == 2, "op2's order");

static bool read_user(struct dbt_vcpu *d, unsigned reg, uint64_t *value)
{
    const struct a64_frame *r = a64_frame(d);

    switch (reg) {
    case A64_SYS_CTR:
        *value = A64_CTR;
        return true;
    case A64_SYS_DCZID:
        *value =
            A64_DCZID |
            (a64_is_el1(d) || a64_state(d)->sys.sctlr & A64_SCTLR_DZE ? 0 : A64_DCZID_PROHIBITED);
        return true;
    case SYS_CNTFRQ:
        *value = d->vcpu->vm->clock.hz;
        return true;
    case SYS_CNTPCT:
    case SYS_CNTVCT:
        *value = guest_clock_counter(&d->vcpu->vm->clock);
        return true;
    case A64_SYS_DAIF:
        *value = r->daif;
        return true;
    case A64_SYS_FPCR:
        *value = r->fpcr;
        return true;
    case A64_SYS_FPSR:
        *value = r->fpsr | a64_fpsr_flags(d->frame->fp_flags);
        return true;
    }
    if (!IS_CNTP(reg) && !IS_CNTV(reg))
        return false;
    *value = arm_timer_read(d->vcpu, IS_CNTP(reg) ? ARM_TIMER_PHYSICAL : ARM_TIMER_VIRTUAL,
                            timer_register(reg));
    return true;
}

#define FPCR_BITS BITS(26, 22) /* AHP, DN, FZ, RMode */
#define FPSR_QC   BIT(27)

static bool write_user(struct dbt_vcpu *d, unsigned reg, uint64_t value)
{
    struct a64_frame *r = a64_frame(d);

    switch (reg) {
    case A64_SYS_DAIF:
        a64_set_pstate(d, (a64_pstate(d) & ~ARM_PSTATE_DAIF) | (value & ARM_PSTATE_DAIF));
        return true;
    case A64_SYS_FPCR:
        r->fpcr = value & FPCR_BITS;
        a64_context(d);
        return true;
    case A64_SYS_FPSR:
        r->fpsr = value & FPSR_QC;
        d->frame->fp_flags = a64_fp_flags(value);
        return true;
    }
    if (!IS_CNTP(reg) && !IS_CNTV(reg))
        return false;
    arm_timer_write(d->vcpu, IS_CNTP(reg) ? ARM_TIMER_PHYSICAL : ARM_TIMER_VIRTUAL,
                    timer_register(reg), value);
    d->attend = true;
    return true;
}

/* ---- EL1's ---- */

#define SYS_ISR A64_SYS(3u, 0u, 12u, 1u, 0u)

static uint64_t to_syndrome(unsigned reg)
{
    return (uint64_t)A64_SYS_OP0(reg) << 20 | A64_SYS_OP2(reg) << 17 | A64_SYS_OP1(reg) << 14 |
           A64_SYS_CRN(reg) << 10 | A64_SYS_CRM(reg) << 1;
}

/* The current stack pointer is no register. */
static bool has_sp_el0(const struct dbt_vcpu *d, unsigned reg)
{
    return reg == A64_SYS_SP_EL0 && a64_state(d)->pstate & A64_PSTATE_SP;
}

static bool read_system(struct dbt_vcpu *d, unsigned reg, uint64_t *value)
{
    const struct storage *s = storage_of(reg);

    if (s) {
        *value = *storage_at(d, s);
        return true;
    }
    if (constant(d, reg, value) || a64_icc_read(d, reg, value))
        return true;
    if (has_sp_el0(d, reg)) {
        *value = a64_frame(d)->sp_other;
        return true;
    }
    switch (reg) {
    case A64_SYS_SPSEL:
        *value = a64_state(d)->pstate & A64_PSTATE_SP;
        return true;
    case A64_SYS_PAN:
    case A64_SYS_UAO:
        *value = a64_state(d)->pstate & (reg == A64_SYS_PAN ? ARM_PSTATE_PAN : A64_PSTATE_UAO);
        return true;
    case SYS_ISR:
        *value = a64_icc_signals(d) ? A64_PSTATE_I : 0;
        return true;
    default:
        return arm_sysreg_read(d->vcpu, to_syndrome(reg), value);
    }
}

static bool write_system(struct dbt_vcpu *d, unsigned reg, uint64_t value)
{
    const struct storage *s = storage_of(reg);

    if (s) {
        write_storage(d, s, value);
        return true;
    }
    if (a64_icc_write(d, reg, value))
        return true;
    if (has_sp_el0(d, reg)) {
        a64_frame(d)->sp_other = value;
        return true;
    }
    if (reg == A64_SYS_SPSEL) {
        a64_set_pstate(d, (a64_pstate(d) & ~A64_PSTATE_SP) | (value & A64_PSTATE_SP));
        return true;
    }
    if (reg == A64_SYS_PAN || reg == A64_SYS_UAO) {
        uint64_t bit = reg == A64_SYS_PAN ? ARM_PSTATE_PAN : A64_PSTATE_UAO;

        a64_set_pstate_bit(d, bit, value & bit);
        return true;
    }
    if (unlikely(A64_SYS_OP0(reg) == 2)) { /* debug registers: the engine looks at them again */
        d->points_known = ~0u;
        __atomic_store_n(&d->frame->poll, 1, __ATOMIC_RELAXED);
    }
    return arm_sysreg_write(d->vcpu, to_syndrome(reg), value);
}

/* ---- MRS, MSR ---- */

static bool is_fp(unsigned reg)
{
    return reg == A64_SYS_FPCR || reg == A64_SYS_FPSR;
}

enum a64_outcome a64_system_register(struct dbt_vcpu *d, uint32_t word)
{
    unsigned reg = A64_SYS_OF(word), rt = a64_rd(word);
    bool reads = a64_field(word, 21, 1), done;
    uint64_t value = 0;

    if (is_fp(reg) && !(d->mode & A64_MODE_FP)) {
        a64_exception(d, A64_CLASS_FP, BIT(24) | 0xeULL << 20);
        return A64_DONE;
    }
    if (traps(d, reg)) {
        a64_exception(d, A64_CLASS_SYSTEM, to_syndrome(reg) | (uint64_t)rt << 5 | reads);
        return A64_DONE;
    }
    if (reads)
        done = read_user(d, reg, &value) || (a64_is_el1(d) && read_system(d, reg, &value));
    else
        done = write_user(d, reg, a64_reg(d, rt)) ||
               (a64_is_el1(d) && write_system(d, reg, a64_reg(d, rt)));
    if (!done)
        return A64_UNDEFINED;
    if (reads)
        a64_set_reg(d, rt, value);
    return A64_NEXT;
}

/* ---- Identification: fields of four bits; sysreg.c shows them ---- */

static void show(struct arm_state *s, unsigned crm, unsigned op2, unsigned shift, uint64_t value)
{
    s->id[crm][op2] = (s->id[crm][op2] & ~(0xfULL << shift)) | value << shift;
}

static void show_if(struct arm_state *s, bool there, unsigned op2, unsigned shift, uint64_t value)
{
    if (there)
        show(s, 6, op2, shift, value);
}

void a64_identify(struct vcpu *v, uint64_t features)
{
    struct arm_state *s = v->state;
    bool fp = features >> A64_FEAT_FP & 1;

    show(s, 4, 0, 16, fp ? 0 : 0xf);
    show(s, 4, 0, 20, fp ? 0 : 0xf);
    show(s, 4, 0, 24, 1); /* the GIC's system registers */
    show(s, 4, 0, 48, 1); /* DIT: the host's instructions take as long as they take, for all data */
    show(s, 4, 0, 56, 1); /* CSV2 and CSV3: nothing is run that is not */
    show(s, 4, 0, 60, 1);
    show(s, 5, 0, 12, 1); /* two breakpoints, */
    show(s, 5, 0, 20, 1); /* two watchpoints */
    show_if(s, features >> A64_FEAT_AES & 1, 0, 4, features >> A64_FEAT_PMULL & 1 ? 2 : 1);
    show_if(s, features >> A64_FEAT_SHA1 & 1, 0, 8, 1);
    show_if(s, features >> A64_FEAT_SHA256 & 1, 0, 12, 1);
    show_if(s, features >> A64_FEAT_CRC32 & 1, 0, 16, 1);
    show_if(s, features >> A64_FEAT_LSE & 1, 0, 20, 2);
    show_if(s, features >> A64_FEAT_RDM & 1, 0, 28, 1);
    show_if(s, features >> A64_FEAT_DOTPROD & 1, 0, 44, 1);
    show_if(s, features >> A64_FEAT_FHM & 1, 0, 48, 1);
    show_if(s, features >> A64_FEAT_FLAGM & 1, 0, 52, 1);
    show(s, 6, 1, 0, 1); /* DC CVAP */
    show_if(s, features >> A64_FEAT_JSCVT & 1, 1, 12, 1);
    show_if(s, features >> A64_FEAT_FCMA & 1, 1, 16, 1);
    show_if(s, features >> A64_FEAT_LRCPC & 1, 1, 20, 1);
    show_if(s, features >> A64_FEAT_FRINTTS & 1, 1, 32, 1);
    show_if(s, features >> A64_FEAT_SB & 1, 1, 36, 1);
    show(s, 7, 0, 4, 2);  /* ASIDs of 16 bits */
    show(s, 7, 0, 20, 1); /* granules of 16 KiB, too */
    show(s, 7, 1, 0, 2);  /* access flag and dirty state by hardware */
    show(s, 7, 1, 20, 2); /* PAN, and AT that honours it */
    show(s, 7, 2, 4, 1);  /* UAO */
    show(s, 7, 2, 60, 1); /* E0PD */
}
