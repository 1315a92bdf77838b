/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What units of translated aarch64 guests leave to C: system instructions, exceptions and
 * interrupts, the way to and from canonical state (Arm ARM D1).
 */
#include "arch/aarch64/guest/execute.h"

#include <string.h>
#include "dbt/table.h"
#include "dbt/tlb.h"

/* What guests are offered: all but ordered loads and stores in limited regions. */
#define FEATURES (A64_FEAT_ALL & ~BIT(A64_FEAT_LOR))

#define LIST_REGISTERS 16
#define PHYSICAL_BITS  48
#define FPSR_QC        BIT(27)

/* FPCR (C5.2.8), as far as it is in the mode word */
#define FPCR_FZ16  BIT(19)
#define FPCR_RMODE 22
#define FPCR_FZ    BIT(24)
#define FPCR_DN    BIT(25)
#define FPCR_AHP   BIT(26)

/* CPACR_EL1.FPEN: 1: EL0 traps, 3: nobody does, else both do */
#define FPEN_SHIFT 20

#define SYNDROME_IL    BIT(25)
#define SYNDROME_EC    26
#define SYNDROME_WRITE BIT(6)
#define SYNDROME_CM    BIT(8)
#define SYNDROME_ANY   (BIT(24) | 0xeULL << 20) /* condition "always" */
#define WFE            1ULL

/* Vectors: from EL0, from EL1 with SP_EL1 and with SP_EL0; interrupts lie behind exceptions. */
#define VECTOR_LOWER     0x400
#define VECTOR_EL1H      0x200
#define VECTOR_INTERRUPT 0x80

/* ---- Context ---- */

static bool fp_enabled(const struct dbt_vcpu *d)
{
    unsigned fpen = a64_state(d)->sys.cpacr >> FPEN_SHIFT & 3;

    return fpen == 3 || (fpen == 1 && a64_is_el1(d));
}

static uint32_t mode_of(const struct dbt_vcpu *d)
{
    const struct arm_state *s = a64_state(d);
    uint64_t fpcr = a64_frame(d)->fpcr, mode = 0;

    if (a64_is_el1(d))
        mode = A64_MODE_EL1 | (s->pstate & A64_PSTATE_SP ? A64_MODE_SP : 0) |
               (s->pstate & A64_PSTATE_UAO ? A64_MODE_UAO : 0);
    else if (s->sys.sctlr & A64_SCTLR_DZE)
        mode = A64_MODE_DZE;
    if (!fp_enabled(d))
        return (uint32_t)mode;
    return (uint32_t)(mode | A64_MODE_FP | (fpcr & FPCR_FZ ? A64_MODE_FZ : 0) |
                      (fpcr & FPCR_DN ? A64_MODE_DN : 0) | (fpcr & FPCR_AHP ? A64_MODE_AHP : 0) |
                      (fpcr & FPCR_FZ16 ? A64_MODE_FZ16 : 0) |
                      (fpcr >> FPCR_RMODE & 3) << A64_MODE_RMODE_SHIFT);
}

void a64_context(struct dbt_vcpu *d)
{
    d->mode = d->mode_common | mode_of(d);
    a64_select(d);
}

/* ---- PSTATE ---- */

static bool has_sp_el1(uint64_t pstate)
{
    return (pstate & ARM_PSTATE_MODE) == ARM_PSTATE_EL1H;
}

uint64_t a64_pstate(const struct dbt_vcpu *d)
{
    const struct a64_frame *r = a64_frame(d);
    uint64_t nzcv = a64_nzcv(r->flag_op, r->flag_a, r->flag_b);

    return (a64_state(d)->pstate & ~(ARM_PSTATE_DAIF | ARM_PSTATE_NZCV | ARM_PSTATE_DIT)) |
           r->daif | r->dit | nzcv << 28;
}

void a64_set_pstate(struct dbt_vcpu *d, uint64_t v)
{
    struct arm_state *s = a64_state(d);
    struct a64_frame *r = a64_frame(d);

    if (has_sp_el1(s->pstate) != has_sp_el1(v)) {
        uint64_t sp = r->sp;

        r->sp = r->sp_other;
        r->sp_other = sp;
    }
    s->pstate = v & (ARM_PSTATE_MODE | ARM_PSTATE_PAN | A64_PSTATE_UAO);
    r->daif = v & ARM_PSTATE_DAIF;
    r->dit = v & ARM_PSTATE_DIT;
    r->flag_op = A64_FLAG_OP(A64_FLAG_NZCV, v >> 28 & 15);
    r->reserved_address = A64_NO_RESERVATION;
    a64_context(d);
    d->attend = true;
}

/* ---- Canonical state ---- */

static void enter(struct dbt_vcpu *d)
{
    struct arm_state *s = a64_state(d);
    struct a64_frame *r = a64_frame(d);
    bool el1h = has_sp_el1(s->pstate);

    a64_invalidations_take(d);
    memcpy(r->x, s->x, sizeof(r->x));
    memcpy(r->v, s->fp.v, sizeof(r->v));
    r->sp = el1h ? s->sys.sp_el1 : s->sys.sp_el0;
    r->sp_other = el1h ? s->sys.sp_el0 : s->sys.sp_el1;
    r->fpcr = s->fp.fpcr;
    r->fpsr = s->fp.fpsr & FPSR_QC;
    d->frame->fp_flags = a64_fp_flags(s->fp.fpsr);
    r->tpidr_el0 = s->sys.tpidr_el0;
    r->tpidrro_el0 = s->sys.tpidrro_el0;
    r->tpidr_el1 = s->sys.tpidr_el1;
    r->elr = s->sys.elr;
    r->spsr = s->sys.spsr;
    r->esr = s->sys.esr;
    r->far = s->sys.far;
    r->daif = s->pstate & ARM_PSTATE_DAIF;
    r->dit = s->pstate & ARM_PSTATE_DIT;
    r->flag_op = A64_FLAG_OP(A64_FLAG_NZCV, s->pstate >> 28 & 15);
    d->frame->pc = s->pc;
    a64_context(d);
}

static void leave(struct dbt_vcpu *d)
{
    struct arm_state *s = a64_state(d);
    const struct a64_frame *r = a64_frame(d);
    bool el1h = has_sp_el1(s->pstate);

    memcpy(s->x, r->x, sizeof(r->x));
    memcpy(s->fp.v, r->v, sizeof(r->v));
    s->sys.sp_el1 = el1h ? r->sp : r->sp_other;
    s->sys.sp_el0 = el1h ? r->sp_other : r->sp;
    s->fp.fpcr = r->fpcr;
    s->fp.fpsr = (r->fpsr & FPSR_QC) | a64_fpsr_flags(d->frame->fp_flags);
    s->sys.tpidr_el0 = r->tpidr_el0;
    s->sys.tpidrro_el0 = r->tpidrro_el0;
    s->sys.tpidr_el1 = r->tpidr_el1;
    s->sys.elr = r->elr;
    s->sys.spsr = r->spsr;
    s->sys.esr = r->esr;
    s->sys.far = r->far;
    s->pstate = a64_pstate(d);
    s->pc = d->frame->pc;
}

static enum err vm_init(struct vm *vm)
{
    (void)vm;
    return ERR_OK;
}

static void vcpu_init(struct dbt_vcpu *d)
{
    struct arm_state *s = a64_state(d);

    a64_frame(d)->reserved_address = A64_NO_RESERVATION;
    arm_vcpu(d->vcpu)->software_timer = true;
    s->gic.lr_count = LIST_REGISTERS;
    s->physical_bits = PHYSICAL_BITS;
    for (unsigned i = 0; i < ARRAY_SIZE(s->firmware.workaround); i++)
        s->firmware.workaround[i] = -1; /* this CPU needs none */
    a64_identify(d->vcpu, FEATURES);
}

/* ---- Exceptions ---- */

static void take(struct dbt_vcpu *d, unsigned offset)
{
    const struct arm_state *s = a64_state(d);
    struct a64_frame *r = a64_frame(d);
    uint64_t pstate = a64_pstate(d), mode = pstate & ARM_PSTATE_MODE;

    r->elr = d->frame->pc;
    r->spsr = pstate;
    d->frame->pc = s->sys.vbar + offset +
                   (mode == ARM_PSTATE_EL0    ? VECTOR_LOWER
                    : mode == ARM_PSTATE_EL1H ? VECTOR_EL1H
                                              : 0);
    a64_set_pstate(d, ARM_PSTATE_EL1H | ARM_PSTATE_DAIF |
                          (pstate & (ARM_PSTATE_NZCV | ARM_PSTATE_PAN | ARM_PSTATE_DIT)) |
                          (s->sys.sctlr & A64_SCTLR_SPAN ? 0 : ARM_PSTATE_PAN));
}

void a64_exception(struct dbt_vcpu *d, enum a64_class class, uint64_t syndrome)
{
    a64_frame(d)->esr = (uint64_t) class << SYNDROME_EC | SYNDROME_IL | syndrome;
    take(d, 0);
}

static void abort_at(struct dbt_vcpu *d, uint64_t address, bool fetch, uint64_t syndrome)
{
    unsigned class = fetch ? A64_CLASS_FETCH_LOWER : A64_CLASS_DATA_LOWER;

    a64_frame(d)->far = address;
    a64_exception(d, (enum a64_class)(class + a64_is_el1(d)), syndrome);
}

static void fault(struct dbt_vcpu *d)
{
    const struct dbt_fault *f = &d->frame->fault;
    uint64_t status = f->misaligned ? A64_FAULT_ALIGNMENT
                      : f->absent   ? A64_FAULT_EXTERNAL
                                    : f->cause;

    if (unlikely(f->watched)) {
        a64_frame(d)->far = f->address;
        a64_exception(d, (enum a64_class)(A64_CLASS_WATCHPOINT_LOWER + a64_is_el1(d)),
                      A64_FAULT_DEBUG | (f->access == DBT_WRITE ? SYNDROME_WRITE : 0));
        return;
    }
    abort_at(d, f->address, f->access == DBT_FETCH,
             status | (f->access == DBT_WRITE ? SYNDROME_WRITE : 0));
}

static void interrupt(struct dbt_vcpu *d)
{
    struct a64_frame *r = a64_frame(d);
    bool signals = a64_icc_signals(d);

    r->pending = signals ? A64_PSTATE_I : 0;
    if (!signals || r->daif & A64_PSTATE_I)
        return;
    d->counters.interrupts++;
    take(d, VECTOR_INTERRUPT);
    d->attend = false;
}

/* ---- Instructions ---- */

static enum a64_outcome do_eret(struct dbt_vcpu *d)
{
    const struct a64_frame *r = a64_frame(d);
    uint64_t spsr = r->spsr, mode = spsr & (ARM_PSTATE_MODE | ARM_PSTATE_AARCH32);
    bool stepped = a64_steps(d);

    if (!a64_is_el1(d))
        return A64_UNDEFINED;
    d->frame->pc = r->elr;
    if (mode == ARM_PSTATE_EL0 || mode == ARM_PSTATE_EL1T || mode == ARM_PSTATE_EL1H) {
        a64_set_pstate(d, spsr);
        if (unlikely(!stepped && a64_steps(d))) /* D2.12.4 */
            a64_state(d)->pstate |= spsr & ARM_PSTATE_SS;
        return A64_DONE;
    }
    /* An illegal return: the next instruction, here, is in the illegal execution state (D1.4.4). */
    a64_set_pstate(d, (spsr & ~ARM_PSTATE_MODE) | (a64_pstate(d) & ARM_PSTATE_MODE));
    a64_exception(d, A64_CLASS_ILLEGAL, 0);
    a64_frame(d)->spsr |= A64_PSTATE_IL;
    return A64_DONE;
}

static enum a64_outcome do_hvc(struct dbt_vcpu *d, uint32_t word, struct vm_exit *exit)
{
    if (!a64_is_el1(d))
        return A64_UNDEFINED;
    exit->kind = EXIT_HYPERCALL;
    exit->hypercall.number = a64_field(word, 5, 16);
    d->frame->pc += sizeof(word);
    d->frame->count++;
    return A64_STOP;
}

/* The machine steps over it. */
static enum a64_outcome do_wfi(struct dbt_vcpu *d, struct vm_exit *exit)
{
    if (!a64_is_el1(d) && !(a64_state(d)->sys.sctlr & A64_SCTLR_NTWI)) {
        a64_exception(d, A64_CLASS_WFX, SYNDROME_ANY);
        return A64_DONE;
    }
    exit->kind = EXIT_IDLE;
    d->frame->count++;
    return A64_STOP;
}

/* Events may come at any time (D1.6.1): it need not wait. */
static enum a64_outcome do_wfe(struct dbt_vcpu *d)
{
    if (a64_is_el1(d) || a64_state(d)->sys.sctlr & A64_SCTLR_NTWE)
        return A64_NEXT;
    a64_exception(d, A64_CLASS_WFX, SYNDROME_ANY | WFE);
    return A64_DONE;
}

static enum a64_outcome system_trap(struct dbt_vcpu *d, uint32_t word)
{
    unsigned reg = A64_SYS_OF(word);

    a64_exception(d, A64_CLASS_SYSTEM,
                  (uint64_t)A64_SYS_OP0(reg) << 20 | A64_SYS_OP2(reg) << 17 |
                      A64_SYS_OP1(reg) << 14 | A64_SYS_CRN(reg) << 10 | a64_rd(word) << 5 |
                      A64_SYS_CRM(reg) << 1 | a64_field(word, 21, 1));
    return A64_DONE;
}

void a64_set_pstate_bit(struct dbt_vcpu *d, uint64_t bit, bool on)
{
    struct arm_state *s = a64_state(d);

    s->pstate = (s->pstate & ~bit) | (on ? bit : 0);
    a64_context(d);
}

/* PSTATE fields by op1 and op2 (C5.2); the rest lifts do themselves where they may. */
static enum a64_outcome do_msr_imm(struct dbt_vcpu *d, uint32_t word)
{
    unsigned op1 = a64_field(word, 16, 3), op2 = a64_field(word, 5, 3), v = a64_field(word, 8, 4);
    uint64_t pstate = a64_pstate(d), bits = (uint64_t)v << 6;

    if (op1 == 0 && (op2 == 3 || op2 == 4) && a64_is_el1(d)) {
        a64_set_pstate_bit(d, op2 == 3 ? A64_PSTATE_UAO : ARM_PSTATE_PAN, v & 1);
        return A64_NEXT;
    }
    if (op1 == 3 && (op2 == 6 || op2 == 7)) {
        if (!a64_is_el1(d) && !(a64_state(d)->sys.sctlr & A64_SCTLR_UMA))
            return system_trap(d, word);
        pstate = op2 == 6 ? pstate | bits : pstate & ~bits;
    } else if (op1 == 0 && op2 == 5 && a64_is_el1(d)) {
        pstate = (pstate & ~A64_PSTATE_SP) | (v & 1);
    } else {
        return A64_UNDEFINED;
    }
    a64_set_pstate(d, pstate);
    return A64_NEXT;
}

/* ---- SYS: caches, address translation, TLB maintenance ---- */

/* By address: IC IVAU; DC CVAC, CVAU, CVAP and CIVAC. */
static bool is_by_address(unsigned crm, unsigned op2)
{
    return op2 == 1 && (crm == 5 || crm == 10 || crm == 11 || crm == 12 || crm == 14);
}

/* Neither is PAN for these (D8.4.1.2), nor do they write. A fault status code, or -1. */
static int cache_fault(struct dbt_vcpu *d, uint64_t va)
{
    uint64_t par;

    if (dbt_memory_probe(d->frame, va, 1, DBT_READ))
        return -1;
    par = a64_translate_address(d, va, A64_AT_READ | (a64_is_el1(d) ? 0 : A64_AT_USER));
    return par & A64_PAR_F ? (int)A64_PAR_STATUS(par) : -1;
}

/* IC and DC by CRm; of EL0 only what works on addresses. */
static enum a64_outcome do_cache(struct dbt_vcpu *d, uint32_t word)
{
    unsigned reg = A64_SYS_OF(word), crm = A64_SYS_CRM(reg);
    bool by_address = A64_SYS_OP1(reg) == 3;
    uint64_t va = a64_reg(d, a64_rd(word));
    int status;

    if (reg == A64_SYS_DC_ZVA) /* EL0 without DZE: units do the others */
        return system_trap(d, word);
    if (by_address ? !is_by_address(crm, A64_SYS_OP2(reg)) : !a64_is_el1(d))
        return A64_UNDEFINED;
    if (!a64_is_el1(d) && !(a64_state(d)->sys.sctlr & A64_SCTLR_UCI))
        return system_trap(d, word);
    status = by_address ? cache_fault(d, va) : -1;
    if (status >= 0) {
        abort_at(d, va, false, (uint64_t)status | SYNDROME_CM | SYNDROME_WRITE);
        return A64_DONE;
    }
    if (crm == 1 || crm == 5)
        dbt_table_synchronize(d);
    return A64_NEXT;
}

static enum a64_outcome do_sys(struct dbt_vcpu *d, uint32_t word)
{
    unsigned reg = A64_SYS_OF(word), crm = A64_SYS_CRM(reg), op2 = A64_SYS_OP2(reg);
    uint64_t xt = a64_reg(d, a64_rd(word));

    if (a64_field(word, 21, 1))
        return A64_UNDEFINED;
    if (A64_SYS_CRN(reg) == 7 && A64_SYS_OP1(reg) == 0 && crm == 8 && op2 < 4 && a64_is_el1(d)) {
        a64_state(d)->sys.par = a64_translate_address(d, xt, op2); /* S1E1R, S1E1W, S1E0R, S1E0W */
        return A64_NEXT;
    }
    if (A64_SYS_CRN(reg) == 7 && A64_SYS_OP1(reg) == 0 && crm == 9 && op2 < 2 && a64_is_el1(d)) {
        a64_state(d)->sys.par = a64_translate_address(d, xt, op2 | A64_AT_PAN); /* S1E1RP, S1E1WP */
        return A64_NEXT;
    }
    if (A64_SYS_CRN(reg) == 7 && (A64_SYS_OP1(reg) == 0 || A64_SYS_OP1(reg) == 3))
        return do_cache(d, word);
    if (A64_SYS_CRN(reg) == 8 && A64_SYS_OP1(reg) == 0 && a64_is_el1(d))
        return a64_tlbi(d, crm, op2, xt) ? A64_NEXT : A64_UNDEFINED;
    return A64_UNDEFINED;
}

/* ---- Memory ---- */

/* Without a reservation of its address it fails; an address that LDXR could not have had faults. */
static enum a64_outcome do_failed_stxr(struct dbt_vcpu *d, uint32_t word, unsigned size)
{
    struct a64_frame *r = a64_frame(d);
    uint64_t address = a64_rn(word) == 31 ? r->sp : r->x[a64_rn(word)];

    r->reserved_address = A64_NO_RESERVATION;
    if (!IS_ALIGNED(address, size)) {
        abort_at(d, address, false, A64_FAULT_ALIGNMENT | SYNDROME_WRITE);
        return A64_DONE;
    }
    if (!dbt_memory_probe(d->frame, address, size, DBT_WRITE)) {
        fault(d);
        return A64_DONE;
    }
    a64_set_reg(d, a64_rm(word), 1);
    return A64_NEXT;
}

/* Two registers of memory, 4 or 8 bytes each: where they are read and written at once, or NULL:
 * it faulted. Devices have no such accesses. */
static uint64_t *pair_memory(struct dbt_vcpu *d, uint32_t word, unsigned size, bool write)
{
    const struct a64_frame *r = a64_frame(d);
    uint64_t address = a64_rn(word) == 31 ? r->sp : r->x[a64_rn(word)];
    bool mmio = false;
    uint64_t *p;

    if (!IS_ALIGNED(address, 2 * size)) {
        abort_at(d, address, false, A64_FAULT_ALIGNMENT | (write ? SYNDROME_WRITE : 0));
        return NULL;
    }
    p = dbt_memory_atomic(d->frame, address, 2 * size, &mmio);
    if (!p && mmio)
        d->frame->fault =
            (struct dbt_fault){.address = address, .access = DBT_WRITE, .absent = true};
    if (!p)
        fault(d);
    return p;
}

struct pair {
    uint64_t low, high;
};

/* Under the VM's lock for them pairs are atomic towards each other. */
static struct pair pair_read(const uint64_t *p, unsigned size)
{
    uint64_t low = __atomic_load_n(p, __ATOMIC_SEQ_CST);

    if (size == 4)
        return (struct pair){(uint32_t)low, low >> 32};
    return (struct pair){low, __atomic_load_n(p + 1, __ATOMIC_SEQ_CST)};
}

static void pair_write(uint64_t *p, unsigned size, struct pair v)
{
    if (size == 4) {
        __atomic_store_n(p, (uint32_t)v.low | v.high << 32, __ATOMIC_SEQ_CST);
        return;
    }
    __atomic_store_n(p, v.low, __ATOMIC_SEQ_CST);
    __atomic_store_n(p + 1, v.high, __ATOMIC_SEQ_CST);
}

/* Replaces `expected`; what was there. */
static struct pair pair_swap(struct dbt_vcpu *d, uint64_t *p, unsigned size, struct pair expected,
                             struct pair v)
{
    struct spinlock *lock = &arm_machine(d->vcpu->vm)->pair_lock;
    uint64_t flags = spin_lock_irq(lock);
    struct pair old = pair_read(p, size);

    if (old.low == expected.low && old.high == expected.high)
        pair_write(p, size, v);
    spin_unlock_irq(lock, flags);
    return old;
}

static struct pair pair_of(const struct dbt_vcpu *d, unsigned low, unsigned high, unsigned size)
{
    uint64_t mask = size == 4 ? UINT32_MAX : UINT64_MAX;

    return (struct pair){a64_reg(d, low) & mask, a64_reg(d, high) & mask};
}

static enum a64_outcome do_ldxp(struct dbt_vcpu *d, uint32_t word)
{
    struct a64_frame *r = a64_frame(d);
    unsigned size = a64_field(word, 30, 1) ? 8 : 4;
    uint64_t address = a64_rn(word) == 31 ? r->sp : r->x[a64_rn(word)];
    const uint64_t *p = pair_memory(d, word, size, false);
    struct pair v;

    if (!p)
        return A64_DONE;
    v = pair_read(p, size);
    r->reserved_address = address;
    r->reserved_value = v.low;
    r->reserved_high = v.high;
    a64_set_reg(d, a64_rd(word), v.low);
    a64_set_reg(d, a64_ra(word), v.high);
    return A64_NEXT;
}

static enum a64_outcome do_stxp(struct dbt_vcpu *d, uint32_t word)
{
    struct a64_frame *r = a64_frame(d);
    unsigned size = a64_field(word, 30, 1) ? 8 : 4;
    uint64_t address = a64_rn(word) == 31 ? r->sp : r->x[a64_rn(word)];
    struct pair expected = {r->reserved_value, r->reserved_high}, old;
    uint64_t *p;

    if (address != r->reserved_address)
        return do_failed_stxr(d, word, 2 * size);
    p = pair_memory(d, word, size, true);
    if (!p)
        return A64_DONE;
    old = pair_swap(d, p, size, expected, pair_of(d, a64_rd(word), a64_ra(word), size));
    r->reserved_address = A64_NO_RESERVATION;
    a64_set_reg(d, a64_rm(word), old.low != expected.low || old.high != expected.high);
    return A64_NEXT;
}

static enum a64_outcome do_casp(struct dbt_vcpu *d, uint32_t word)
{
    unsigned size = a64_field(word, 30, 1) ? 8 : 4, s = a64_rm(word), t = a64_rd(word);
    uint64_t *p = pair_memory(d, word, size, true);
    struct pair old;

    if (!p)
        return A64_DONE;
    old = pair_swap(d, p, size, pair_of(d, s, s + 1, size), pair_of(d, t, t + 1, size));
    a64_set_reg(d, s, old.low);
    a64_set_reg(d, s + 1, old.high);
    return A64_NEXT;
}

/* ---- Dispatch ---- */

static enum a64_outcome do_exclusive(struct dbt_vcpu *d, uint32_t word, enum a64_insn_id id)
{
    switch (id) {
    case A64_INSN_ldxp:
    case A64_INSN_ldaxp:
        return do_ldxp(d, word);
    case A64_INSN_stxp:
    case A64_INSN_stlxp:
        return do_stxp(d, word);
    case A64_INSN_casp:
        return do_casp(d, word);
    default:
        return do_failed_stxr(d, word, 1u << a64_field(word, 30, 2));
    }
}

static enum a64_outcome do_call(struct dbt_vcpu *d, uint32_t word, enum a64_insn_id id,
                                struct vm_exit *exit)
{
    switch (id) {
    case A64_INSN_svc:
        d->frame->pc += sizeof(word);
        d->frame->count++;
        a64_state(d)->pstate &= ~ARM_PSTATE_SS; /* it is done: D2.12.5 */
        a64_exception(d, A64_CLASS_SVC, a64_field(word, 5, 16));
        return A64_DONE;
    case A64_INSN_hvc:
        return do_hvc(d, word, exit);
    case A64_INSN_brk:
        if (debug_has_patches(d->vcpu->vm)) {
            exit->kind = EXIT_DEBUG;
            exit->debug.what = EXIT_DEBUG_BREAKPOINT;
            exit->debug.syndrome =
                (uint64_t)A64_CLASS_BRK << SYNDROME_EC | SYNDROME_IL | a64_field(word, 5, 16);
            return A64_STOP;
        }
        a64_exception(d, A64_CLASS_BRK, a64_field(word, 5, 16));
        return A64_DONE;
    default: /* SMC: there is no EL3 */
        return A64_UNDEFINED;
    }
}

static enum a64_outcome do_instruction(struct dbt_vcpu *d, uint32_t word, struct vm_exit *exit)
{
    enum a64_insn_id id = a64_decode(word, d->guest->features);

    switch (id) {
    case A64_INSN_eret:
        return do_eret(d);
    case A64_INSN_wfi:
        return do_wfi(d, exit);
    case A64_INSN_wfe:
        return do_wfe(d);
    case A64_INSN_dsb:
        a64_invalidations_wait(d);
        return A64_NEXT;
    case A64_INSN_msr_imm:
        return do_msr_imm(d, word);
    case A64_INSN_mrs:
    case A64_INSN_msr:
        return a64_system_register(d, word);
    case A64_INSN_sys:
        return do_sys(d, word);
    default:
        break;
    }
    if (id == A64_INSN_ILLEGAL)
        return A64_UNDEFINED;
    switch ((enum a64_format)a64_insns[id].format) {
    case A64_FORMAT_EXCEPTION:
        return do_call(d, word, id, exit);
    case A64_FORMAT_EXCLUSIVE:
    case A64_FORMAT_CASP:
        return do_exclusive(d, word, id);
    default: /* FP and Advanced SIMD while they trap */
        a64_exception(d, A64_CLASS_FP, SYNDROME_ANY);
        return A64_DONE;
    }
}

static enum dbt_next execute(struct dbt_vcpu *d, struct vm_exit *exit)
{
    struct dbt_frame *f = d->frame;
    uint32_t word = (uint32_t)f->detail;
    enum a64_outcome outcome = A64_UNDEFINED;

    if (f->pc & 3) {
        a64_frame(d)->far = f->pc;
        a64_exception(d, A64_CLASS_PC, 0);
        return DBT_GO_ON;
    }
    if (f->reason == IR_LEAVE_INTERPRET)
        outcome = do_instruction(d, word, exit);
    switch (outcome) {
    case A64_NEXT:
        f->pc += sizeof(word);
        f->count++;
        return DBT_GO_ON;
    case A64_DONE:
        return DBT_GO_ON;
    case A64_STOP:
        return DBT_STOP;
    case A64_UNDEFINED:
        break;
    }
    a64_exception(d, A64_CLASS_UNKNOWN, 0);
    return DBT_GO_ON;
}

const struct dbt_guest a64_guest = {
    .frontend = &a64_frontend,
    .helpers = a64_helpers,
    .features = FEATURES,
    .vm_init = vm_init,
    .vcpu_init = vcpu_init,
    .enter = enter,
    .leave = leave,
    .walk = a64_walk,
    .execute = execute,
    .fault = fault,
    .self_debug = a64_self_debug,
    .self_before = a64_self_before,
    .self_after = a64_self_after,
    .interrupt = interrupt,
};
