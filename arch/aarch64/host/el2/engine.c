/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The EL2 engine: aarch64 guests at EL1 under stage 2, with and without VHE. While a vCPU is loaded
 * HCR_EL2 is the guest's and its EL1 registers are live; the kernel at EL2 needs neither, so an
 * exit saves the general registers only.
 */
#include "arch/aarch64/guest/machine.h"
#include "arch/aarch64/guest/syndrome.h"
#include "arch/aarch64/host/el2/el2.h"
#include "arch/aarch64/host/gic.h"
#include "arch/aarch64/host/speculation.h"
#include "kernel/panic.h"
#include "kernel/timer.h"
#include "mm/heap.h"
#include "mm/second_stage.h"

/* MDCR_EL2, D19.3.18: debug registers, OS lock, performance counters, profiling and trace trap;
 * debug exceptions are the guest's own. How many counters EL1 may see is the hardware's. */
#define MDCR_TPMCR (1ULL << 5)
#define MDCR_TPM   (1ULL << 6)
#define MDCR_TDA   (1ULL << 9)
#define MDCR_TDOSA (1ULL << 10)
#define MDCR_TDRA  (1ULL << 11)
#define MDCR_TPMS  (1ULL << 14)
#define MDCR_TTRF  (1ULL << 19)
#define MDCR_HPMN  0x1fULL

#define HCR_GUEST                                                                                 \
    (HCR_VM | HCR_SWIO | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_IS | HCR_TWI | HCR_TID3 | \
     HCR_TSC | HCR_TIDCP | HCR_TACR | HCR_RW | HCR_APK | HCR_API)

/* CPTR_EL2, D19.2.36: SME (TSM; no SMEN), activity monitors (TAM) and trace (TTA)
 * trap. */
#define CPTR_TAM        (1ULL << 30)
#define CPTR_NVHE_GUEST (CPTR_NVHE_HOST | CPTR_TAM | 1ULL << 20 | 1ULL << 12)
#define CPTR_VHE_GUEST  (CPACR_FPEN | CPACR_ZEN | CPTR_TAM | 1ULL << 28)

/* MPAM2_EL2 (DDI 0598): accesses to MPAM1_EL1 and MPAM0_EL1 trap; MPAMHCR_EL2: to MPAMIDR_EL1 */
#define MPAM2_TRAPS     (3ULL << 48)
#define MPAMHCR_TRAP_ID (1ULL << 31)
#define MPAMIDR_HAS_HCR (1ULL << 17)

/* Data abort syndromes (D19.2.37) */
#define FSC             0x3f
#define FSC_KIND        0x3c
#define FSC_PERMISSION  0x0c
#define FSC_TRANSLATION 0x04
#define FSC_ACCESS      0x08

#define HPFAR_IPA   BITS(43, 4) /* bits 51..12 of the address, at 8 less */
#define PAR_FAILED  BIT(0)
#define PAR_ADDRESS BITS(51, 12)

static uint64_t hcr_value;

/* Traps of what not every CPU has: error records, limited ordering. */
static void hcr_choose(void)
{
    hcr_value = HCR_GUEST | stage2_hcr() | (arm_mode == MODE_VHE ? HCR_E2H : 0);
    if (id_field(sysreg_read(id_aa64pfr0_el1), 28))
        hcr_value |= HCR_TERR;
    if (id_field(sysreg_read(id_aa64mmfr1_el1), 16))
        hcr_value |= HCR_TLOR;
    if (id_field(sysreg_read(id_aa64pfr0_el1), 56) >= 2)
        hcr_value |= HCR_ENSCXT;
}

static enum err el2_probe(struct out *reason)
{
    if (arm_mode == MODE_EL1) {
        out_printf(
            reason,
            "the firmware started Ennead at EL1, and guests need EL2: switch virtualization on "
            "(under QEMU: -M virt,virtualization=on)");
        return ERR_UNSUPPORTED;
    }
    if (gic_is_v2() && !gic.virtual_control) {
        out_printf(reason, "this machine's GICv2 has no virtual CPU interface that the firmware "
                           "describes (GICH, GICV), and guests need one");
        return ERR_UNSUPPORTED;
    }
    stage2_probe();
    features_init();
    hcr_choose();
    return ERR_OK;
}

/* HCRX_EL2.MSCEn: EL1 and EL0 may use FEAT_MOPS (Arm ARM, HCRX_EL2) */
#define HCRX_MSCEN (1UL << 11)

/* What no vCPU changes: traps of features that the ID registers hide. */
static enum err el2_cpu_enable(void)
{
    uint64_t mmfr0 = sysreg_read(id_aa64mmfr0_el1), mmfr1 = sysreg_read(id_aa64mmfr1_el1);

    if (id_field(mmfr1, 40))
        sysreg_write(S3_4_C1_C2_2 /* HCRX_EL2 */,
                     id_field(sysreg_read(S3_0_C0_C6_2 /* ID_AA64ISAR2_EL1 */), 16) ? HCRX_MSCEN
                                                                                    : 0UL);
    if (id_field(mmfr0, 56)) {
        sysreg_write(S3_4_C1_C1_4, 0); /* HFGRTR_EL2 */
        sysreg_write(S3_4_C1_C1_5, 0); /* HFGWTR_EL2 */
        sysreg_write(S3_4_C1_C1_6, 0); /* HFGITR_EL2 */
        sysreg_write(S3_4_C3_C1_4, 0); /* HDFGRTR_EL2 */
        sysreg_write(S3_4_C3_C1_5, 0); /* HDFGWTR_EL2 */
    }
    features_cpu_init();
    gic_ppi_enable(arm_timer_virtual_irq());
    gic_ppi_enable(gic_maintenance_irq());
    sysreg_write(hstr_el2, 0);
    if (id_field(sysreg_read(id_aa64pfr0_el1), 40)) {
        sysreg_write(S3_4_C10_C5_0, MPAM2_TRAPS);
        if (sysreg_read(S3_0_C10_C4_4) & MPAMIDR_HAS_HCR)
            sysreg_write(S3_4_C10_C4_0, MPAMHCR_TRAP_ID);
    }
    sysreg_write(oslar_el1, 0); /* guests have an OS lock of their own */
    isb();
    return ERR_OK;
}

static void el2_report(struct out *out)
{
    out_printf(
        out,
        "el2: %s, guest addresses up to %u bits, %u-bit VMIDs, %s, %u list registers, vectors "
        "of %u bits; guests do not get SME, MTE, performance counters or nested virtualization\n",
        mode_text(), stage2_address_bits(), stage2_vmid_bits(),
        stage2_hcr() ? "memory always write-back (FWB)" : "caches cleaned for new memory",
        list_register_count(), MAX(8 * sve_bytes(), 128u));
}

static const void *el2_traits(void)
{
    static struct arm_traits traits;

    if (gic_is_v2())
        traits = (struct arm_traits){gic.virtual_interface.v, GICC_SIZE};
    return &traits;
}

/* ---- Life ---- */

#define VTTBR_VMID_SHIFT 48

static enum err el2_vm_init(struct vm *vm)
{
    struct el2_vm *e = heap_zalloc(sizeof(*e) + cpu_count() * sizeof(e->last_vcpu[0]));
    uint64_t vmid = 0;
    enum err err;

    if (!e)
        return ERR_NO_MEMORY;
    err = stage2_vmid_get(&vmid);
    if (err != ERR_OK) {
        heap_free(e);
        vm_fail(vm, "this CPU cannot tell more guests apart than are started already: stop one "
                    "of them first");
        return err;
    }
    e->vttbr = second_stage_root(vm->stage2).v | vmid << VTTBR_VMID_SHIFT;
    e->vtcr = stage2_vtcr(stage2_format(guest_memory_limit(vm->memory)));
    e->cpu_count = cpu_count();
    vm->engine_data = e;
    return ERR_OK;
}

/* On each CPU: no walk through these tables begins here any more. */
static void stage2_leave(void *vm)
{
    const struct el2_vm *e = vm;

    if (sysreg_read(vttbr_el2) != e->vttbr)
        return;
    cpu_guest_controls_off();
    sysreg_write(vttbr_el2, 0);
    isb();
}

static void el2_vm_destroy(struct vm *vm)
{
    struct el2_vm *e = vm->engine_data;
    uint64_t flags = host_irq_save();

    stage2_leave(e);
    host_irq_restore(flags);
    cpu_call_others(stage2_leave, e, true);
    stage2_flush_all(e);
    stage2_vmid_put(e->vttbr >> VTTBR_VMID_SHIFT);
    heap_free(e);
    vm->engine_data = NULL;
}

static enum err el2_vcpu_init(struct vcpu *v)
{
    struct arm_state *s = v->state;

    v->engine_data = heap_zalloc(sizeof(struct el2_vcpu));
    if (!v->engine_data)
        return ERR_NO_MEMORY;
    s->gic.lr_count = MIN(list_register_count(), (unsigned)ARM_LR_MAX);
    s->physical_bits = stage2_address_bits();
    id_registers_read(s);
    s->sve.bytes = sve_bytes();
    s->firmware = speculation_guest();
    return ERR_OK;
}

static void el2_vcpu_destroy(struct vcpu *v)
{
    heap_free(v->engine_data);
    v->engine_data = NULL;
}

/* ---- Loading ---- */

/* host_fpu_begin() on this CPU: the registers go to their owner and come back at the next entry. */
static void fpu_give_back(void *owner)
{
    struct vcpu *v = owner;

    vcpu_dirty(v, ARM_FP);
}

static void fpu_is_live(struct vcpu *v)
{
    struct host_cpu *h = &this_cpu()->host;

    h->fpu_owner = v;
    h->fpu_save = fpu_give_back;
}

/* In the host's interrupt: the machine's controller takes it from here. */
static void timer_fired(void *vcpu)
{
    struct vcpu *v = vcpu;
    struct arm_state *s = v->state;

    s->gic.timer_fired(v);
}

/* In the host's interrupt: silent until the list registers are written anew. */
static void maintenance(void *vcpu)
{
    struct vcpu *v = vcpu;
    struct arm_state *s = v->state;

    vcpu_dirty(v, ARM_LIST);
    list_registers_off(v->engine_data);
    s->gic.maintenance(v);
}

/* What stays the same for all guests, on each CPU that is about to run one. */
static void guest_controls_on(void)
{
    sysreg_write(vpidr_el2, sysreg_read(midr_el1));
    sysreg_write(mdcr_el2, (sysreg_read(mdcr_el2) & MDCR_HPMN) | MDCR_TPMCR | MDCR_TPM | MDCR_TDA |
                               MDCR_TDOSA | MDCR_TDRA | MDCR_TPMS | MDCR_TTRF);
    if (arm_mode == MODE_NVHE)
        sysreg_write(cptr_el2, CPTR_NVHE_GUEST);
    else
        sysreg_write(cpacr_el1, CPTR_VHE_GUEST);
    /* The physical counter and timer trap: the guest's time begins at its own start. */
    sysreg_write(cnthctl_el2, 0);
    sysreg_write(hcr_el2, hcr_value);
}

/* vCPUs of one VM share its VMID, but an address space number may mean something else to each of
 * them: what another one left in this CPU's TLB goes. */
static void vcpu_came(const struct vcpu *v)
{
    struct el2_vm *e = v->vm->engine_data;
    unsigned cpu = this_cpu()->id;

    if (cpu >= e->cpu_count || e->last_vcpu[cpu] == v->id + 1)
        return;
    if (e->last_vcpu[cpu])
        __asm__ volatile("isb\n tlbi vmalle1\n dsb nsh\n isb" ::: "memory");
    e->last_vcpu[cpu] = (uint16_t)(v->id + 1);
}

/* Which groups stay in the registers of the vCPU's last CPU, and are saved at each switch. */
#define GROUPS_THAT_STAY ((uint64_t)(ARM_SYSTEM | ARM_GIC | ARM_DEBUG | ARM_FP))

/*
 * A CPU keeps the controls, the second stage and the EL1 registers of the guest that ran last: the
 * kernel at EL2 uses none of them, and most often the same vCPU comes back after an idle moment.
 * What has not changed is not written.
 */
static void el2_load(struct vcpu *v)
{
    const struct arm_state *s = v->state;
    const struct el2_vm *vm = v->vm->engine_data;
    struct el2_vcpu *e = v->engine_data;
    struct cpu *cpu = this_cpu();
    struct host_cpu *h = &cpu->host;

    if (sysreg_read(vttbr_el2) != vm->vttbr) {
        sysreg_update(vtcr_el2, vm->vtcr);
        sysreg_write(vttbr_el2, vm->vttbr);
        speculation_other_guest();
    }
    if (sysreg_read(hcr_el2) != hcr_value) {
        guest_controls_on();
        v->reg_dirty |= ARM_DEBUG; /* which is partly in MDCR_EL2 */
    }
    if (e->cpu != cpu || h->guest_last != v)
        v->reg_dirty |= GROUPS_THAT_STAY; /* another one's are there */
    if (h->fpu_owner != v)
        v->reg_dirty |= ARM_FP; /* or firmware's */
    e->cpu = cpu;
    h->guest_last = v;
    fpu_is_live(v);
    sysreg_update(vmpidr_el2, s->mpidr);
    vcpu_came(v);
    sysreg_update(cntvoff_el2, 0 - guest_clock_offset(&v->vm->clock));
    isb();
    gic_guest_interrupts(v, timer_fired, maintenance);
    if (s->gic.timer_held)
        gic_guest_timer_hold(true);
}

static void el2_fetch(struct vcpu *v, uint64_t groups)
{
    struct arm_state *s = v->state;

    if (groups & ARM_LIST)
        list_registers_save(v->engine_data, &s->gic);
    if (groups & ~(uint64_t)ARM_LIST)
        registers_save(s, groups);
}

static uint64_t el2_put(struct vcpu *v)
{
    struct arm_state *s = v->state;
    struct host_cpu *h = &this_cpu()->host;

    vcpu_need(v, UINT64_MAX);
    timer_stop();
    list_registers_off(v->engine_data);
    isb();
    gic_guest_interrupts(NULL, NULL, NULL);
    if (s->gic.timer_held)
        gic_guest_timer_hold(false);
    h->fpu_save = NULL;
    return GROUPS_THAT_STAY;
}

static void el2_flush(struct vcpu *v)
{
    (void)v;
    stage2_flush_local();
}

/* ---- Exits ---- */

/* The guest-physical address of an abort. HPFAR_EL2 does not hold it for permission faults outside
 * of a table walk (D19.2.58): then the guest's own translation is asked again. */
static bool fault_address(uint64_t esr, uint64_t far, uint64_t *gpa)
{
    uint64_t par, saved;

    if ((esr & FSC_KIND) != FSC_PERMISSION || esr & ISS_S1PTW) {
        *gpa = (sysreg_read(hpfar_el2) & HPFAR_IPA) << 8 | (far & PAGE_MASK);
        return true;
    }
    saved = sysreg_read(par_el1);
    __asm__ volatile("at s1e1r, %0\n isb" ::"r"(far) : "memory");
    par = sysreg_read(par_el1);
    sysreg_write(par_el1, saved);
    *gpa = (par & PAR_ADDRESS) | (far & PAGE_MASK);
    return !(par & PAR_FAILED);
}

static void memory_exit(struct vm_exit *exit, uint64_t esr, bool fetch)
{
    uint64_t far = kernel_reg_read(far), gpa;

    exit->kind = EXIT_MEMORY;
    exit->memory.gva = far;
    arm_abort_decode(exit, esr, fetch);
    if (!fault_address(esr, far, &gpa))
        exit->kind =
            EXIT_INTERRUPT; /* the guest changed its tables meanwhile: the instruction runs again */
    exit->memory.gpa = GPA(gpa);
}

/* `code`: what was refused: a look found it, or, with PSTATE.IL, the CPU. */
static NOINLINE void entry_failed(const struct arm_state *s, struct vm_exit *exit, uint64_t code)
{
    const char *field = el2_invalid_field(s);

    exit->kind = EXIT_ENTRY_FAILED;
    exit->fatal.text = field ? field
                             : "the CPU refused the entry though every field that is checked here "
                               "is right";
    exit->fatal.code = code;
}

/* No walk goes through a first level that the tables do not have: the controls are wrong. */
static bool walk_refused(const struct arm_state *s, struct vm_exit *exit, uint64_t esr)
{
    if ((esr & FSC) != FSC_TRANSLATION || !el2_invalid_field(s))
        return false;
    entry_failed(s, exit, esr);
    return true;
}

static void abort_exit(const struct arm_state *s, struct vm_exit *exit, uint64_t esr)
{
    unsigned kind = esr & FSC_KIND;

    if (unlikely(walk_refused(s, exit, esr)))
        return;
    if (kind == FSC_TRANSLATION || kind == FSC_PERMISSION || kind == FSC_ACCESS) {
        memory_exit(exit, esr, ESR_EC(esr) == EC_IABT_LOWER);
        return;
    }
    exit->kind = EXIT_FATAL;
    exit->fatal.text = "memory or a device reported a fault during a guest's access";
    exit->fatal.code = esr;
}

/* Which of a debugger's watchpoints was met by an access that tells *far: the address of a wide
 * one may lie before what is watched. */
static unsigned watchpoint_at(const struct vcpu *v, uint64_t *far)
{
    const struct debug_point *points;
    unsigned count = debug_points(v->vm, &points), near = count;

    for (unsigned i = 0; i < count; i++) {
        if (points[i].kind == POINT_BREAK)
            continue;
        if (*far - points[i].address < points[i].size)
            return i;
        if (near == count || points[i].address - *far < points[near].address - *far)
            near = i;
    }
    if (near < count)
        *far = points[near].address;
    return near;
}

static unsigned breakpoint_at(const struct vcpu *v, uint64_t pc)
{
    const struct debug_point *points;
    unsigned count = debug_points(v->vm, &points), i = 0;

    while (i < count && (points[i].kind != POINT_BREAK || points[i].address != pc))
        i++;
    return i;
}

static NOINLINE void debug_exit_decode(struct vcpu *v, struct vm_exit *exit, uint64_t esr)
{
    exit->kind = EXIT_DEBUG;
    exit->debug.syndrome = esr;
    exit->debug.address = kernel_reg_read(far);
    exit->debug.what = EXIT_DEBUG_BREAKPOINT;
    if (ESR_EC(esr) == EC_STEP_LOWER && debug_stepping(v))
        exit->debug.what = EXIT_DEBUG_STEP;
    if (ESR_EC(esr) != EC_BREAKPOINT_LOWER && ESR_EC(esr) != EC_WATCHPOINT_LOWER)
        return;
    exit->debug.what = EXIT_DEBUG_POINT;
    exit->debug.point = ESR_EC(esr) == EC_BREAKPOINT_LOWER
                            ? breakpoint_at(v, ((const struct arm_state *)v->state)->pc)
                            : watchpoint_at(v, &exit->debug.address);
}

static void sync_exit(struct vcpu *v, struct vm_exit *exit)
{
    struct arm_state *s = v->state;
    uint64_t esr = kernel_reg_read(esr);

    switch (ESR_EC(esr)) {
    case EC_BRK:
    case EC_BREAKPOINT_LOWER:
    case EC_STEP_LOWER:
    case EC_WATCHPOINT_LOWER:
        debug_exit_decode(v, exit, esr);
        return;
    case EC_IABT_LOWER:
    case EC_DABT_LOWER:
        abort_exit(s, exit, esr);
        return;
    case EC_WFX:
        exit->kind = EXIT_IDLE;
        return;
    case EC_SMC64:
        arm_advance(v); /* a trapped SMC is left at the instruction, an HVC behind it */
        __attribute__((fallthrough));
    case EC_HVC64:
        exit->kind = EXIT_HYPERCALL;
        exit->hypercall.number = esr & 0xffff;
        exit->hypercall.smc = ESR_EC(esr) == EC_SMC64;
        return;
    case EC_SYSREG:
        exit->kind = EXIT_REGISTER;
        exit->reg.number = ESR_ISS(esr);
        exit->reg.reg = ESR_ISS(esr) >> 5 & 31;
        exit->reg.write = !(esr & 1);
        return;
    }
    exit->kind = EXIT_ISA;
    exit->isa.reason = ESR_EC(esr);
    exit->isa.info[0] = esr;
}

static NOINLINE void write_dirty(struct vcpu *v)
{
    struct arm_state *s = v->state;

    registers_load(v, v->reg_dirty);
    if (v->reg_dirty & ARM_LIST)
        list_registers_load(v->engine_data, &s->gic);
    if (v->reg_dirty & ARM_FP)
        fpu_is_live(v);
    if (s->gic.timer_drop) {
        gic_guest_timer_hold(false);
        s->gic.timer_drop = false;
    }
    v->reg_dirty = 0;
}

/* PSTATE that an ERET to this guest can take: EL1 or EL0, AArch64 (C5.2.19). EL2 is not for a
 * guest. */
static bool entry_allowed(const struct arm_state *s, struct vm_exit *exit)
{
    switch (s->pstate & ARM_PSTATE_MODE) {
    case ARM_PSTATE_EL0:
    case ARM_PSTATE_EL1T:
    case ARM_PSTATE_EL1H:
        return true;
    }
    entry_failed(s, exit, s->pstate);
    return false;
}

/* For a debugger's step: what list registers hold is not signalled. */
static NOINLINE enum el2_vector enter_without_interrupts(struct arm_state *s)
{
    uint64_t hcr = list_registers_enable(0);
    enum el2_vector vector;

    isb();
    vector = el2_enter(s);
    list_registers_enable(hcr);
    return vector;
}

static void enter(struct vcpu *v, struct vm_exit *exit)
{
    struct arm_state *s = v->state;
    enum el2_vector vector;

    vector = unlikely(debug_stepping(v)) ? enter_without_interrupts(s) : el2_enter(s);
    if (unlikely(arm_workaround_at_exit))
        smccc_call(arm_workaround_at_exit, 0, 0, 0);
    v->reg_valid = ARM_GENERAL | ARM_DEBUG;
    if (unlikely(s->pstate & ARM_PSTATE_AARCH32) && vector != EL2_IRQ) {
        exit->kind = EXIT_FATAL;
        exit->fatal.text = "it went on in 32-bit code (AArch32), which Ennead's guests do not have";
        exit->fatal.code = s->pstate;
        return;
    }
    switch (vector) {
    case EL2_SYNC:
        sync_exit(v, exit);
        return;
    case EL2_IRQ:
        exit->kind = EXIT_INTERRUPT;
        return;
    case EL2_REFUSED:
        entry_failed(s, exit, s->pstate | PSR_IL);
        return;
    default:
        exit->kind = EXIT_FATAL;
        exit->fatal.text =
            vector == EL2_FIQ ? "a fast interrupt (FIQ) came, which the firmware should have kept"
                              : "the hardware reported a system error (SError) while the guest ran";
        exit->fatal.code = kernel_reg_read(esr);
    }
}

static void run(struct vcpu *v, struct vm_exit *exit)
{
    if (entry_allowed(v->state, exit))
        enter(v, exit);
}

static void el2_run(struct vcpu *v, struct vm_exit *exit)
{
    if (unlikely(v->reg_dirty & ~(uint64_t)ARM_GENERAL))
        write_dirty(v);
#if DEBUG
    const struct el2_vcpu *e = v->engine_data;
    unsigned broken = READ_ONCE(e->broken);

    if (broken) {
        if (el2_break_apply(e, v->state))
            enter(v, exit);
        else
            run(v, exit);
        el2_break_undo(e);
        return;
    }
#endif
    run(v, exit);
}

static unsigned el2_debug_points(bool watch, bool *shared)
{
    *shared = false;
    return debug_register_count(watch);
}

TABLE_ENTRY(engines, struct engine, engine_el2) = {
    .name = "el2",
    .isa = "aarch64",
    .preference = 100,
    .probe = el2_probe,
    .cpu_enable = el2_cpu_enable,
    .report = el2_report,
    .traits = el2_traits,
    .stage2_format = stage2_format,
    .vm_init = el2_vm_init,
    .vm_destroy = el2_vm_destroy,
    .vcpu_init = el2_vcpu_init,
    .vcpu_destroy = el2_vcpu_destroy,
    .load = el2_load,
    .put = el2_put,
    .run = el2_run,
    .fetch = el2_fetch,
    .flush = el2_flush,
    .debug_points = el2_debug_points,
#if DEBUG
    .break_entry = el2_break_entry,
#endif
};
