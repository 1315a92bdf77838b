/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The canonical state of a vCPU to and from its VMCS and the registers that belong to the guest
 * while it is loaded, by groups. */
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "arch/x86_64/host/vmx/vmx.h"
#include "mm/guest_memory.h"

/* Access rights are descriptor bits in their place: the limit's four lie between. */
#define ACCESS_LOW      0x00ffu
#define ATTR_HIGH       0x0f00u
#define ATTR_HIGH_SHIFT 4
#define ATTR_PRESENT    0x0080u
#define PDPTES          4
#define PDPT_ADDRESS    BITS(31, 5)
#define CR0_SWITCHABLE  (X86_CR0_PE | X86_CR0_PG) /* unrestricted guest: 24.8 */

/* A segment that is not present is unusable; CPL stays in its attributes. */
static void segment_write(const struct x86_state *s, unsigned i)
{
    const struct x86_segment *from = &s->segments[i];
    uint32_t access = (from->attributes & ACCESS_LOW) | (from->attributes & ATTR_HIGH)
                                                            << ATTR_HIGH_SHIFT;

    vmcs_write(VMCS_SEGMENT(VMCS_GUEST_SELECTOR, i), from->selector);
    vmcs_write(VMCS_SEGMENT(VMCS_GUEST_BASE, i), from->base);
    vmcs_write(VMCS_SEGMENT(VMCS_GUEST_LIMIT, i), from->limit);
    vmcs_write(VMCS_SEGMENT(VMCS_GUEST_ACCESS, i),
               from->attributes & ATTR_PRESENT ? access : access | VMX_ACCESS_UNUSABLE);
}

static void segment_fetch(struct x86_state *s, unsigned i)
{
    struct x86_segment *to = &s->segments[i];
    uint32_t access = (uint32_t)vmcs_read(VMCS_SEGMENT(VMCS_GUEST_ACCESS, i));

    to->selector = (uint16_t)vmcs_read(VMCS_SEGMENT(VMCS_GUEST_SELECTOR, i));
    to->base = vmcs_read(VMCS_SEGMENT(VMCS_GUEST_BASE, i));
    to->limit = (uint32_t)vmcs_read(VMCS_SEGMENT(VMCS_GUEST_LIMIT, i));
    to->attributes = (uint16_t)((access & ACCESS_LOW) | (access >> ATTR_HIGH_SHIFT & ATTR_HIGH));
    if (access & VMX_ACCESS_UNUSABLE)
        to->attributes &= (uint16_t)~ATTR_PRESENT;
}

static void segments_write(const struct x86_state *s)
{
    for (unsigned i = X86_ES; i < X86_SEGMENT_COUNT; i++) {
        if (i != X86_CS && i != X86_SS)
            segment_write(s, i);
    }
    vmcs_write(VMCS_GUEST_GDTR_BASE, s->gdtr.base);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, s->gdtr.limit);
    vmcs_write(VMCS_GUEST_IDTR_BASE, s->idtr.base);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, s->idtr.limit);
}

static void segments_fetch(struct x86_state *s)
{
    for (unsigned i = X86_ES; i < X86_SEGMENT_COUNT; i++) {
        if (i != X86_CS && i != X86_SS)
            segment_fetch(s, i);
    }
    s->gdtr.base = vmcs_read(VMCS_GUEST_GDTR_BASE);
    s->gdtr.limit = (uint16_t)vmcs_read(VMCS_GUEST_GDTR_LIMIT);
    s->idtr.base = vmcs_read(VMCS_GUEST_IDTR_BASE);
    s->idtr.limit = (uint16_t)vmcs_read(VMCS_GUEST_IDTR_LIMIT);
}

/* What a saved state brings may not suit this CPU: then the register stays as it is. */
static void msrs_write(const struct x86_state *s)
{
    vmcs_write(VMCS_GUEST_SYSENTER_CS, s->sysenter_cs);
    vmcs_write(VMCS_GUEST_SYSENTER_ESP, s->sysenter_esp);
    vmcs_write(VMCS_GUEST_SYSENTER_EIP, s->sysenter_eip);
    vmcs_write(VMCS_GUEST_PAT, s->pat);
    msr_write_safe(MSR_STAR, s->star);
    msr_write_safe(MSR_LSTAR, s->lstar);
    msr_write_safe(MSR_CSTAR, s->cstar);
    msr_write_safe(MSR_SFMASK, s->sfmask);
    msr_write_safe(MSR_KERNEL_GS_BASE, s->kernel_gs_base);
    msr_write_safe(MSR_TSC_AUX, s->tsc_aux);
}

static void msrs_fetch(struct x86_state *s)
{
    s->sysenter_cs = vmcs_read(VMCS_GUEST_SYSENTER_CS);
    s->sysenter_esp = vmcs_read(VMCS_GUEST_SYSENTER_ESP);
    s->sysenter_eip = vmcs_read(VMCS_GUEST_SYSENTER_EIP);
    s->pat = vmcs_read(VMCS_GUEST_PAT);
    s->star = msr_read(MSR_STAR);
    s->lstar = msr_read(MSR_LSTAR);
    s->cstar = msr_read(MSR_CSTAR);
    s->sfmask = msr_read(MSR_SFMASK);
    s->kernel_gs_base = msr_read(MSR_KERNEL_GS_BASE);
}

/* An exit loads a DR7 that enables nothing (28.5.1). */
static void debug_write(struct vcpu *v, const struct x86_state *s)
{
    uint64_t values[4], dr7;
    bool points = v->vm->debug && x86_debug_values(v, values, &dr7);
    const uint64_t *dr = points ? values : s->dr;

    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3" ::"r"(dr[0]),
                     "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
    __asm__ volatile("mov %0, %%dr6" ::"r"(s->dr6));
    vmcs_write(VMCS_GUEST_DR7, points ? dr7 : s->dr7);
    vmcs_write(VMCS_EXCEPTIONS, VMX_EXCEPTIONS | x86_debug_exceptions(v));
    vmx_control_set(vmx_vcpu(v), (uint32_t)VMX_CPU_MOV_DR, points);
}

/* A debugger's are not the guest's. */
static void debug_fetch(struct vcpu *v, struct x86_state *s)
{
    if (vmx_vcpu(v)->cpu_controls & VMX_CPU_MOV_DR)
        return;
    __asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                     : "=r"(s->dr[0]), "=r"(s->dr[1]), "=r"(s->dr[2]), "=r"(s->dr[3]));
    __asm__ volatile("mov %%dr6, %0" : "=r"(s->dr6));
    s->dr7 = vmcs_read(VMCS_GUEST_DR7);
}

/* With PAE paging an entry takes the four top entries from the VMCS, not from memory (27.3.2.4). */
static void pdptes_load(struct vcpu *v)
{
    const struct x86_state *s = x86_state(v);

    if (!(s->cr0 & X86_CR0_PG) || !(s->cr4 & X86_CR4_PAE) || (s->efer & X86_EFER_LMA))
        return;
    for (unsigned i = 0; i < PDPTES; i++) {
        uint64_t entry = 0;

        if (guest_read64(v->vm->memory, GPA((s->cr3 & PDPT_ADDRESS) + 8 * i), &entry) != ERR_OK)
            entry = 0;
        vmcs_write(VMCS_GUEST_PDPTE0 + 2 * i, entry);
    }
}

static bool paging_changed(const struct x86_state *s, uint64_t cr0, uint64_t cr4)
{
    return vmcs_read(VMCS_GUEST_CR0) != cr0 || vmcs_read(VMCS_GUEST_CR4) != cr4 ||
           vmcs_read(VMCS_GUEST_CR3) != s->cr3 || vmcs_read(VMCS_GUEST_EFER) != s->efer;
}

/* The bits that VT-x wants as they are (A.7, A.8) and those of caching and machine checks are the
 * host's: the guest reads its own in the shadows. */
static void control_write(struct vcpu *v)
{
    const struct vmx_capabilities *caps = &vmx_capabilities;
    const struct x86_state *s = x86_state(v);
    struct vmx_vcpu *e = vmx_vcpu(v);
    uint64_t cr0 = ((s->cr0 & ~(uint64_t)(X86_CR0_NW | X86_CR0_CD)) | CR0_ET |
                    (caps->cr0_fixed0 & ~(uint64_t)CR0_SWITCHABLE)) &
                   caps->cr0_fixed1;
    uint64_t cr4 = s->cr4 | VMX_CR4_MCE | caps->cr4_fixed0;
    uint32_t controls = e->entry_controls & ~(uint32_t)VMX_ENTRY_LONG_MODE;

    if (paging_changed(s, cr0, cr4)) {
        vmcs_write(VMCS_GUEST_CR0, cr0);
        vmcs_write(VMCS_GUEST_CR3, s->cr3);
        vmcs_write(VMCS_GUEST_CR4, cr4);
        vmcs_write(VMCS_GUEST_EFER, s->efer);
        pdptes_load(v);
        vmx_flush_vpid(e);
    }
    vmcs_write(VMCS_CR0_SHADOW, s->cr0);
    vmcs_write(VMCS_CR4_SHADOW, s->cr4);
    if (s->efer & X86_EFER_LMA)
        controls |= (uint32_t)VMX_ENTRY_LONG_MODE;
    vmcs_write(VMCS_ENTRY_CONTROLS, controls);
    cr2_write(s->cr2);
}

static void control_fetch(struct x86_state *s)
{
    uint64_t cr4_host = ~(uint64_t)VMX_CR4_GUEST;

    s->cr0 =
        (vmcs_read(VMCS_GUEST_CR0) & ~VMX_CR0_HOST) | (vmcs_read(VMCS_CR0_SHADOW) & VMX_CR0_HOST);
    s->cr2 = cr2_read();
    s->cr3 = vmcs_read(VMCS_GUEST_CR3);
    s->cr4 = (vmcs_read(VMCS_GUEST_CR4) & ~cr4_host) | (vmcs_read(VMCS_CR4_SHADOW) & cr4_host);
    s->efer = vmcs_read(VMCS_GUEST_EFER);
}

/* The guest's is the host's x multiplier >> 48, + offset (26.6.5). */
static void tsc_write(const struct guest_clock *clock, const struct x86_state *s)
{
    vmcs_write(VMCS_TSC_OFFSET, guest_clock_offset(clock) + s->tsc_offset);
    if (unlikely(!clock->direct))
        vmcs_write(VMCS_TSC_MULTIPLIER, guest_clock_scale(clock));
}

void vmx_state_write(struct vcpu *v, uint64_t groups)
{
    struct x86_state *s = x86_state(v);
    struct vmx_vcpu *e = vmx_vcpu(v);

    if (groups & X86_CONTROL) /* before events: they look at CR0 */
        control_write(v);
    if (groups & X86_EVENT)
        vmx_inject(v);
    if (likely(!(groups & ~(uint64_t)(X86_EVENT | X86_CONTROL))))
        return;
    if (groups & X86_CODE) {
        segment_write(s, X86_CS);
        segment_write(s, X86_SS);
    }
    if (groups & X86_SEGMENTS)
        segments_write(s);
    if (groups & X86_MSRS)
        msrs_write(s);
    if (groups & X86_DEBUG)
        debug_write(v, s);
    if (groups & X86_TSC)
        tsc_write(&v->vm->clock, s);
    if (groups & X86_FPU) {
        e->fpu.xcr0 = s->xcr0 & cpu_features()->xcr0;
        fpu_changed(&e->fpu);
    }
}

void vmx_state_fetch(struct vcpu *v, uint64_t groups)
{
    struct x86_state *s = x86_state(v);

    if (groups & X86_CODE) {
        segment_fetch(s, X86_CS);
        segment_fetch(s, X86_SS);
    }
    if (groups & X86_SEGMENTS)
        segments_fetch(s);
    if (groups & X86_CONTROL)
        control_fetch(s);
    if (groups & X86_MSRS)
        msrs_fetch(s);
    if (groups & X86_DEBUG)
        debug_fetch(v, s);
    if (groups & X86_FPU) {
        uint64_t flags = host_irq_save();

        if (this_cpu()->host.guest_fpu == &vmx_vcpu(v)->fpu)
            fpu_save();
        host_irq_restore(flags);
    }
}
