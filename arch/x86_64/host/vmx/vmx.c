/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The VT-x engine: runs x86_64 guests on Intel's virtualization (SDM volume 3C), always with
 * extended page tables and as unrestricted guests. A vCPU's VMCS is current on the CPU where it is
 * loaded, and nowhere else; a vCPU that comes to another CPU drops the translations there.
 */
#include <string.h>
#include "arch/x86_64/host/vmx/vmx.h"
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/descriptors.h"
#include "arch/x86_64/host/msr.h"
#include "kernel/log.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "mm/page.h"

#define MSR_MAP_HIGH   0x400 /* bit maps of reads; those of writes follow (25.6.9) */
#define MSR_MAP_WRITES 0x800
#define MSR_HIGH       0xc0000000u
#define MSR_LIMIT      0x2000u /* MSRs in each */
#define EPT_LIMIT      BIT(48)
#define FLUSH_CMD_L1D  BIT(0)
#define VPIDS          4096u
#define BITS_A_WORD    64u
#define DR7_AT_RESET   0x400u
#define NO_LINK        UINT64_MAX
#define X2APIC_TPR     0x808 /* table 11-6 */
#define X2APIC_PPR     0x80a
#define X2APIC_EOI     0x80b
#define X2APIC_ISR     0x810
#define X2APIC_IRR     0x820

struct vmx_capabilities vmx_capabilities;
struct vmx_controls vmx_controls;
hpa_t vmx_msr_maps[2];
static uint64_t enter_flags; /* VMX_ENTER_CLEAR where the CPU needs it */
static bool flush_l1d;
static uint64_t vpids[VPIDS / BITS_A_WORD]; /* atomic; 0 is the host's */

/* ---- Machine ---- */

static void msr_allow_read(uint8_t *map, uint32_t msr)
{
    uint32_t at = msr >= MSR_HIGH ? MSR_MAP_HIGH : 0, bit = msr % MSR_LIMIT;

    map[at + bit / 8] &= (uint8_t) ~(1u << bit % 8);
}

static void msr_allow(uint8_t *map, uint32_t msr)
{
    msr_allow_read(map, msr);
    msr_allow_read(map + MSR_MAP_WRITES, msr);
}

/* In x2APIC mode: what the virtual-APIC page answers, and the writes that the CPU carries out there
 * (30.5). */
static void msr_allow_apic(uint8_t *map)
{
    msr_allow(map, X2APIC_TPR);
    msr_allow_read(map, X2APIC_PPR);
    msr_allow_read(map + MSR_MAP_WRITES, X2APIC_EOI);
    for (uint32_t n = 0; n < X86_APIC_WORDS; n++) {
        msr_allow_read(map, X2APIC_ISR + n);
        msr_allow_read(map, X2APIC_IRR + n);
    }
}

/* MSRs that belong to the guest while it is loaded: in the VMCS, or since the host uses none of
 * them. */
static enum err maps_init(void)
{
    static const uint32_t direct[] = {
        MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,   MSR_PAT,
        MSR_STAR,        MSR_LSTAR,        MSR_CSTAR,          MSR_SFMASK,
        MSR_FS_BASE,     MSR_GS_BASE,      MSR_KERNEL_GS_BASE,
    };

    for (unsigned m = 0; m < ARRAY_SIZE(vmx_msr_maps); m++) {
        vmx_msr_maps[m] = page_alloc(0, 0);
        if (!vmx_msr_maps[m].v)
            return ERR_NO_MEMORY;
        memset(phys_to_virt(vmx_msr_maps[m]), 0xff, PAGE_SIZE);
        for (unsigned i = 0; i < ARRAY_SIZE(direct); i++)
            msr_allow(phys_to_virt(vmx_msr_maps[m]), direct[i]);
    }
    msr_allow_apic(phys_to_virt(vmx_msr_maps[true]));
    return ERR_OK;
}

static uint64_t capability(uint32_t msr)
{
    uint64_t value;

    return msr_read_safe(msr, &value) ? value : 0;
}

static void capabilities_read(struct vmx_capabilities *c)
{
    bool exact;

    c->basic = capability(MSR_VMX_BASIC);
    exact = c->basic & VMX_BASIC_TRUE_CONTROLS;
    c->pin = capability(exact ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN);
    c->cpu = capability(exact ? MSR_VMX_TRUE_CPU : MSR_VMX_CPU);
    c->exit = capability(exact ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT);
    c->entry = capability(exact ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY);
    c->misc = capability(MSR_VMX_MISC);
    c->cr0_fixed0 = capability(MSR_VMX_CR0_FIXED0);
    c->cr0_fixed1 = capability(MSR_VMX_CR0_FIXED1);
    c->cr4_fixed0 = capability(MSR_VMX_CR4_FIXED0);
    c->cr4_fixed1 = capability(MSR_VMX_CR4_FIXED1);
    if ((c->cpu >> 32) & VMX_CPU_SECONDARY) {
        c->cpu2 = capability(MSR_VMX_CPU2);
        if ((c->cpu2 >> 32) & (VMX_CPU2_EPT | VMX_CPU2_VPID))
            c->ept_vpid = capability(MSR_VMX_EPT_VPID);
    }
    c->rdtscp = cpu_features()->rdtscp;
    c->tsc_deadline = cpu_features()->tsc_deadline;
}

static enum err vmx_probe(struct out *reason)
{
    const struct cpu_features *f = cpu_features();
    uint64_t caps = f->arch_capabilities ? f->arch_capabilities_value : 0;
    const char *text;
    enum err e;

    if (!vmx_usable(&text)) {
        out_printf(reason, "%s", text);
        return ERR_UNSUPPORTED;
    }
    capabilities_read(&vmx_capabilities);
    e = vmx_controls_choose(&vmx_capabilities, &vmx_controls, reason);
    if (e != ERR_OK)
        return e;
    if (f->md_clear && !(caps & ARCH_CAP_MDS_NO))
        enter_flags |= VMX_ENTER_CLEAR;
    flush_l1d = f->l1d_flush && !(caps & (ARCH_CAP_RDCL_NO | ARCH_CAP_SKIP_L1DFLUSH));
    if (maps_init() != ERR_OK) {
        out_printf(reason, "no memory for VT-x's permission map");
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

/* Locked by the firmware it stays as it is; else VT-x is switched on in it, and locked (24.7). */
static bool feature_control_enable(void)
{
    uint64_t wanted = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX, value;

    if (!msr_read_safe(MSR_FEATURE_CONTROL, &value))
        return false;
    if (value & FEATURE_CONTROL_LOCK)
        return value & FEATURE_CONTROL_VMX;
    return msr_write_safe(MSR_FEATURE_CONTROL, value | wanted);
}

static bool vmxon(hpa_t region)
{
    bool failed;

    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region.v) : "memory");
    return !failed;
}

static enum err vmx_cpu_enable(void)
{
    struct cpu *cpu = this_cpu();
    struct vmx_cpu *own = heap_zalloc(sizeof(*own));
    uint32_t revision = VMX_BASIC_REVISION(vmx_capabilities.basic);

    if (!own)
        return ERR_NO_MEMORY;
    own->vmxon = page_alloc(0, PAGE_ZERO);
    if (!own->vmxon.v)
        return ERR_NO_MEMORY;
    if (!feature_control_enable()) {
        log_error("CPU %u: VT-x is switched off by the firmware on this CPU alone", cpu->id);
        return ERR_UNSUPPORTED;
    }
    memcpy(phys_to_virt(own->vmxon), &revision, sizeof(revision));
    cr0_write(cr0_read() | vmx_capabilities.cr0_fixed0);
    cr4_write(cr4_read() | vmx_capabilities.cr4_fixed0);
    if (!vmxon(own->vmxon)) {
        log_error("CPU %u: VMXON is refused", cpu->id);
        return ERR_UNSUPPORTED;
    }
    cpu->host.vmx = own;
    return ERR_OK;
}

static void report_line(struct out *out, const char *what, bool there, const char *yes,
                        const char *no)
{
    out_printf(out, "  %s: %s\n", what, there ? yes : no);
}

static void vmx_report(struct out *out)
{
    const struct vmx_controls *c = &vmx_controls;

    out_printf(out, "VT-x with extended page tables and unrestricted guests\n");
    report_line(out, "pages of the second stage", c->page_1g, "up to 1 GiB", "up to 2 MiB");
    report_line(out, "accessed and dirty bits", c->accessed_dirty, "on", "missing");
    report_line(out, "virtual processor ids", c->vpid, "used",
                "missing: each entry and exit flushes");
    report_line(out, "TSC scaling", c->tsc_scaling, "used for guests with counter_khz",
                "missing: guests have the host's rate");
    report_line(out, "preemption timer", c->preemption_timer, "used",
                "missing: the host's timer ends a guest's turn");
    report_line(out, "APIC-register virtualization and virtual interrupt delivery", c->virtual_apic,
                "used", "missing: interrupts are injected");
    report_line(out, "posted interrupts", c->posted_interrupts, "there, unused", "missing");
    report_line(out, "page-modification log", c->pml, "there, unused", "missing");
}

static const struct pt_format *vmx_stage2_format(uint64_t limit)
{
    return limit > EPT_LIMIT ? NULL : x86_ept_format(vmx_controls.page_1g);
}

/* ---- Translations ---- */

/* What INVEPT and INVVPID take. */
struct inv_descriptor {
    uint64_t context, address;
};

static void vmx_invept(uint64_t pointer)
{
    struct inv_descriptor d = {pointer, 0};

    __asm__ volatile("invept %0, %1" ::"m"(d), "r"((uint64_t)VMX_INV_SINGLE) : "memory", "cc");
}

void vmx_flush_vpid(const struct vmx_vcpu *e)
{
    struct inv_descriptor d = {e->vpid, 0};

    if (vmx_controls.vpid)
        __asm__ volatile("invvpid %0, %1" ::"m"(d), "r"((uint64_t)VMX_INV_SINGLE) : "memory", "cc");
}

static uint64_t ept_pointer(const struct vcpu *v)
{
    return second_stage_root(v->vm->stage2).v | VMX_EPTP_WRITE_BACK | VMX_EPTP_WALK_4 |
           (vmx_controls.accessed_dirty ? VMX_EPTP_ACCESSED_DIRTY : 0);
}

/* Both kinds of translations of an EPT guest go with INVEPT (29.4.3.1). */
static void vmx_flush(struct vcpu *v)
{
    vmx_invept(ept_pointer(v));
}

static uint16_t vpid_take(void)
{
    for (unsigned i = 1; i < VPIDS; i++) {
        uint64_t bit = BIT(i % BITS_A_WORD);

        if (!(__atomic_fetch_or(&vpids[i / BITS_A_WORD], bit, __ATOMIC_RELAXED) & bit))
            return (uint16_t)i;
    }
    return 0;
}

static void vpid_give_back(uint16_t vpid)
{
    __atomic_fetch_and(&vpids[vpid / BITS_A_WORD], ~BIT(vpid % BITS_A_WORD), __ATOMIC_RELAXED);
}

/* ---- VMs and vCPUs ---- */

static enum err vmx_vm_init(struct vm *vm)
{
    (void)vm;
    return ERR_OK;
}

static void vmx_vm_destroy(struct vm *vm)
{
    (void)vm;
}

static void vmcs_clear(hpa_t vmcs)
{
    __asm__ volatile("vmclear %0" ::"m"(vmcs.v) : "memory", "cc");
}

static void vmcs_make_current(hpa_t vmcs)
{
    __asm__ volatile("vmptrld %0" ::"m"(vmcs.v) : "memory", "cc");
}

static void vmx_vcpu_release(struct vmx_vcpu *e)
{
    const hpa_t pages[] = {e->vmcs, e->apic_pa, e->broken_list};

    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        if (!pages[i].v)
            continue;
        memset(phys_to_virt(pages[i]), 0, PAGE_SIZE); /* a guest's registers */
        page_free(pages[i], 0);
    }
    if (e->vpid)
        vpid_give_back(e->vpid);
    heap_free(e);
}

static enum err vmx_vcpu_init(struct vcpu *v)
{
    uint32_t revision = VMX_BASIC_REVISION(vmx_capabilities.basic);
    struct vmx_vcpu *e;

    if (cpu_features()->xsave_size > X86_FPU_AREA_SIZE)
        return ERR_UNSUPPORTED;
    e = heap_zalloc(sizeof(*e));
    if (!e)
        return ERR_NO_MEMORY;
    e->vmcs = page_alloc(0, PAGE_ZERO);
    e->apic_pa = page_alloc(0, PAGE_ZERO);
    e->broken_list = DEBUG ? page_alloc(0, PAGE_ZERO) : HPA(0);
    e->vpid = vpid_take();
    if (!e->vmcs.v || !e->apic_pa.v || (DEBUG && !e->broken_list.v) || !e->vpid) {
        vmx_vcpu_release(e);
        return ERR_NO_MEMORY;
    }
    memcpy(phys_to_virt(e->vmcs), &revision, sizeof(revision));
    e->apic = phys_to_virt(e->apic_pa);
    e->fpu.area = x86_state(v)->fpu;
    e->fpu.xcr0 = x86_state(v)->xcr0 & cpu_features()->xcr0;
    x86_fpu_area_init(e->fpu.area);
    v->engine_data = e;
    return ERR_OK;
}

static void vmx_vcpu_destroy(struct vcpu *v)
{
    vmx_vcpu_release(v->engine_data);
    v->engine_data = NULL;
}

static void controls_init(struct vcpu *v)
{
    struct vmx_vcpu *e = vmx_vcpu(v);

    e->cpu_controls = vmx_controls.cpu;
    e->entry_controls = vmx_controls.entry;
    e->cpu2 = vmx_controls.cpu2 | (v->vm->clock.direct ? 0 : (uint32_t)VMX_CPU2_TSC_SCALING);
    vmcs_write(VMCS_PIN_CONTROLS, vmx_controls.pin);
    vmcs_write(VMCS_PRIMARY_CONTROLS, vmx_controls.cpu);
    vmcs_write(VMCS_SECONDARY_CONTROLS, e->cpu2);
    vmcs_write(VMCS_EXIT_CONTROLS, vmx_controls.exit);
    vmcs_write(VMCS_ENTRY_CONTROLS, vmx_controls.entry);
    vmcs_write(VMCS_EXCEPTIONS, VMX_EXCEPTIONS);
    vmcs_write(VMCS_PF_MASK, 0);
    vmcs_write(VMCS_PF_MATCH, 0);
    vmcs_write(VMCS_CR3_TARGETS, 0);
    vmcs_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
    vmcs_write(VMCS_EXIT_MSR_LOAD_COUNT, 0);
    vmcs_write(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    vmcs_write(VMCS_ENTRY_EVENT, 0);
    vmcs_write(VMCS_MSR_BITMAP, vmx_msr_maps[false].v);
    vmcs_write(VMCS_VIRTUAL_APIC, e->apic_pa.v);
    vmcs_write(VMCS_TPR_THRESHOLD, 0);
    for (uint32_t i = 0; vmx_controls.virtual_apic && i < ARRAY_SIZE(e->eoi_exits); i++)
        vmcs_write(VMCS_EOI_EXITS + 2 * i, 0);
    vmcs_write(VMCS_EPT_POINTER, ept_pointer(v));
    if (vmx_controls.vpid)
        vmcs_write(VMCS_VPID, e->vpid);
    vmcs_write(VMCS_CR0_MASK, VMX_CR0_HOST);
    vmcs_write(VMCS_CR4_MASK, ~(uint64_t)VMX_CR4_GUEST);
}

static void guest_init(struct vmx_vcpu *e)
{
    vmcs_write(VMCS_LINK_POINTER, NO_LINK);
    vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
    vmcs_write(VMCS_GUEST_ACTIVITY, 0);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
    vmcs_write(VMCS_GUEST_DR7, DR7_AT_RESET);
    vmcs_write(VMCS_GUEST_RIP, 0);
    vmcs_write(VMCS_GUEST_RSP, 0);
    vmcs_write(VMCS_GUEST_RFLAGS, X86_RFLAGS_FIXED);
    e->rip = e->rsp = 0;
    e->rflags = X86_RFLAGS_FIXED;
}

/* What every exit loads, and does not depend on the CPU. */
static void host_constant(void)
{
    vmcs_write(VMCS_HOST_ES, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_CS, SELECTOR_CODE);
    vmcs_write(VMCS_HOST_SS, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_DS, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_FS, 0);
    vmcs_write(VMCS_HOST_GS, 0);
    vmcs_write(VMCS_HOST_TR, SELECTOR_TSS);
    vmcs_write(VMCS_HOST_FS_BASE, 0);
    vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
    vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
    vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
    vmcs_write(VMCS_HOST_PAT, msr_read(MSR_PAT));
    vmcs_write(VMCS_HOST_EFER, msr_read(MSR_EFER));
    vmcs_write(VMCS_HOST_IDTR_BASE, descriptors_idt());
    vmcs_write(VMCS_HOST_RIP, (uint64_t)(uintptr_t)vmx_exited);
}

static void host_load(const struct cpu *cpu)
{
    vmcs_write(VMCS_HOST_CR0, cr0_read());
    vmcs_write(VMCS_HOST_CR3, cr3_read());
    vmcs_write(VMCS_HOST_CR4, cr4_read());
    vmcs_write(VMCS_HOST_GS_BASE, (uint64_t)(uintptr_t)cpu);
    vmcs_write(VMCS_HOST_TR_BASE, (uint64_t)(uintptr_t)&cpu->host.gates->tss);
    vmcs_write(VMCS_HOST_GDTR_BASE, (uint64_t)(uintptr_t)cpu->host.gates->gdt);
}

/* ---- Running ---- */

static void vmx_load(struct vcpu *v)
{
    struct vmx_vcpu *e = vmx_vcpu(v);
    struct cpu *cpu = this_cpu();

    x86_guest_barrier(cpu, v->vm);
    if (vmx_controls.preemption_timer)
        apic_timer_lend(true);
    if (!e->ready)
        vmcs_clear(e->vmcs);
    vmcs_make_current(e->vmcs);
    e->launched = false;
    if (!e->ready) {
        controls_init(v);
        guest_init(e);
        host_constant();
        e->ready = true;
    }
    host_load(cpu);
    if (e->last_cpu != cpu) {
        vmx_flush(v);
        e->last_cpu = cpu;
    }
}

/* The VMCS may become current on another CPU next. An exit leaves descriptor table limits at their
 * most. */
static uint64_t vmx_put(struct vcpu *v)
{
    vmx_state_fetch(v, ~v->reg_valid);
    vmx_state_fetch(v, X86_FPU);
    vmcs_clear(vmx_vcpu(v)->vmcs);
    descriptors_reload_limits(this_cpu());
    if (vmx_controls.preemption_timer)
        apic_timer_lend(false);
    return 0;
}

static inline uint32_t interruptibility(const struct x86_state *s, const struct vmx_vcpu *e)
{
    uint32_t shadow = 0;

    if (s->interrupt_shadow) {
        shadow = e->interruptibility & (uint32_t)(VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS);
        if (!shadow)
            shadow = s->rflags & X86_RFLAGS_IF ? VMX_BLOCKING_STI : VMX_BLOCKING_MOV_SS;
    }
    /* An NMI on its way blocks others by its delivery. */
    return s->nmi_masked && !e->nmi_next ? shadow | (uint32_t)VMX_BLOCKING_NMI : shadow;
}

static NOINLINE void interruptibility_write(const struct x86_state *s, struct vmx_vcpu *e,
                                            uint32_t value)
{
    bool step = s->interrupt_shadow && (s->rflags & BIT(8)); /* TF: 27.3.1.5 */

    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, value);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, step ? VMX_PENDING_BS : 0);
    e->interruptibility = value;
}

/* What changes at most entries and exits. */
static inline void frame_write(const struct x86_state *s, struct vmx_vcpu *e)
{
    uint32_t blocking = interruptibility(s, e);

    if (likely(s->rip != e->rip))
        vmcs_write(VMCS_GUEST_RIP, s->rip);
    if (unlikely(s->gpr[X86_RSP] != e->rsp))
        vmcs_write(VMCS_GUEST_RSP, s->gpr[X86_RSP]);
    if (unlikely(s->rflags != e->rflags))
        vmcs_write(VMCS_GUEST_RFLAGS, s->rflags);
    if (unlikely(blocking != e->interruptibility))
        interruptibility_write(s, e, blocking);
    e->nmi_next = false;
}

static inline void frame_read(struct x86_state *s, struct vmx_vcpu *e)
{
    s->rip = e->rip = vmcs_read(VMCS_GUEST_RIP);
    s->gpr[X86_RSP] = e->rsp = vmcs_read(VMCS_GUEST_RSP);
    s->rflags = e->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
    e->interruptibility = (uint32_t)vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    s->interrupt_shadow = e->interruptibility & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS);
    s->nmi_masked = e->interruptibility & VMX_BLOCKING_NMI;
    s->exit_length = (uint8_t)vmcs_read(VMCS_EXIT_LENGTH);
}

/* What the guest and the CPU did to the local APIC. */
static inline void apic_read(struct vcpu *v, const struct x86_state *s, const struct vmx_vcpu *e)
{
    uint8_t tpr = e->apic[VMX_APIC_TPR];

    if (likely(vmx_controls.virtual_apic)) {
        uint32_t status = (uint32_t)vmcs_read(VMCS_GUEST_INTERRUPT_STATUS);

        if (unlikely((status | e->lent_status) || tpr != e->lent_tpr))
            vmx_apic_return(v, status);
    } else if (unlikely(tpr >> 4 != s->tpr)) {
        x86_tpr_changed(v, tpr >> 4);
    }
}

/* The guest leaves when the next timer of this CPU is due: a granule later at most, never before
 * (26.5.1). Where errata let the timer stand or run, the host's interrupt comes, or the next entry
 * writes what is left. */
static inline void timer_write(const struct vcpu *v)
{
    uint64_t deadline = this_cpu()->host.timer_deadline, now = v->stats.since, left = 0;

    if (likely(deadline > now))
        left = ((deadline - now) >> VMX_MISC_TIMER_RATE(vmx_capabilities.misc)) + 1;
    vmcs_write(VMCS_PREEMPTION_TIMER, MIN(left, (uint64_t)UINT32_MAX));
}

static void vmx_run(struct vcpu *v, struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    struct vmx_vcpu *e = vmx_vcpu(v);
    uint64_t dirty = v->reg_dirty & ~(uint64_t)(X86_GPR | X86_RIP), vectoring;

    v->reg_dirty = 0;
    if (unlikely(dirty))
        vmx_state_write(v, dirty);
    frame_write(s, e);
    if (likely(vmx_controls.preemption_timer))
        timer_write(v);
    if (unlikely(this_cpu()->host.guest_fpu != &e->fpu))
        fpu_load(&e->fpu);
    if (unlikely(flush_l1d))
        msr_write(MSR_FLUSH_CMD, FLUSH_CMD_L1D);
#if DEBUG
    vmx_break_apply(e);
#endif
    v->reg_valid = X86_ALWAYS_VALID;
    if (unlikely(vmx_enter(s->gpr, e->launched ? enter_flags | VMX_ENTER_LAUNCHED : enter_flags))) {
        vmx_exit_refused(exit);
        return;
    }
    e->launched = true;
    frame_read(s, e);
    apic_read(v, s, e);
    vectoring = vmcs_read(VMCS_VECTORING_EVENT);
    if (unlikely(vectoring & VMX_EVENT_VALID))
        vmx_take_back(v, vectoring);
    vmx_exit_decode(v, (uint32_t)vmcs_read(VMCS_EXIT_REASON), exit);
}

static bool vmx_scales_counter(void)
{
    return vmx_controls.tsc_scaling;
}

static void vmx_stats(struct vm *vm, struct out *out)
{
    uint64_t turns = 0;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        turns += vmx_vcpu(vm->vcpus[i])->turns;
    if (vmx_controls.preemption_timer)
        out_printf(out, "turns that the preemption timer ended: %llu\n", (unsigned long long)turns);
}

TABLE_ENTRY(engines, struct engine, vmx_engine) = {
    .name = "vmx",
    .isa = "x86_64",
    .preference = 100,
    .probe = vmx_probe,
    .cpu_enable = vmx_cpu_enable,
    .report = vmx_report,
    .stage2_format = vmx_stage2_format,
    .vm_init = vmx_vm_init,
    .vm_destroy = vmx_vm_destroy,
    .vcpu_init = vmx_vcpu_init,
    .vcpu_destroy = vmx_vcpu_destroy,
    .load = vmx_load,
    .put = vmx_put,
    .run = vmx_run,
    .fetch = vmx_state_fetch,
    .flush = vmx_flush,
    .scales_counter = vmx_scales_counter,
    .stats = vmx_stats,
    .debug_points = x86_debug_points,
#if DEBUG
    .break_entry = vmx_break_entry,
#endif
};
