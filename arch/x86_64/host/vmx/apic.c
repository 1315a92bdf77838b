/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The local APIC of CPUs with APIC-register virtualization and virtual interrupt delivery (SDM vol.
 * 3C, chapter 30): requests go into the virtual-APIC page before an entry, the CPU delivers and
 * ends them, and what is left comes back at the exit. The guest's controller stays the truth.
 */
#include "arch/x86_64/host/vmx/vmx.h"

static uint32_t *apic_word(const struct vmx_vcpu *e, unsigned offset)
{
    return (uint32_t *)(void *)(e->apic + offset);
}

/* 0: none, as vectors below 16 are none. */
static uint32_t highest(const uint32_t *words)
{
    for (unsigned n = X86_APIC_WORDS; n-- > 0;)
        if (words[n])
            return n * 32 + 31 - (uint32_t)__builtin_clz(words[n]);
    return 0;
}

static unsigned count(const uint32_t *words)
{
    unsigned bits = 0;

    for (unsigned n = 0; n < X86_APIC_WORDS; n++)
        for (uint32_t w = words[n]; w; w &= w - 1)
            bits++;
    return bits;
}

/* The MSRs of x2APIC mode are the page's in that mode only: in the other they are the host's. */
static void mode_write(struct vmx_vcpu *e, bool x2apic)
{
    if (likely(x2apic == e->x2apic))
        return;
    vmcs_write(VMCS_SECONDARY_CONTROLS, x2apic ? e->cpu2 | (uint32_t)VMX_CPU2_X2APIC : e->cpu2);
    vmcs_write(VMCS_MSR_BITMAP, vmx_msr_maps[x2apic].v);
    e->x2apic = x2apic;
}

static void eoi_exits_write(struct vmx_vcpu *e, const uint32_t *level)
{
    for (uint32_t i = 0; i < ARRAY_SIZE(e->eoi_exits); i++) {
        uint64_t vectors = level[2 * i] | (uint64_t)level[2 * i + 1] << 32;

        if (likely(vectors == e->eoi_exits[i]))
            continue;
        vmcs_write(VMCS_EOI_EXITS + 2 * i, vectors);
        e->eoi_exits[i] = vectors;
    }
}

void vmx_apic_lend(struct vcpu *v)
{
    struct vmx_vcpu *e = vmx_vcpu(v);
    struct x86_interrupts i;

    x86_interrupts_lend(v, &i);
    for (unsigned n = 0; n < X86_APIC_WORDS; n++) {
        *apic_word(e, VMX_APIC_IRR(n)) = i.requested[n];
        *apic_word(e, VMX_APIC_ISR(n)) = i.in_service[n];
    }
    e->apic[VMX_APIC_TPR] = e->lent_tpr = i.tpr;
    e->lent = count(i.requested);
    e->lent_status = VMX_STATUS_RVI(highest(i.requested)) | VMX_STATUS_SVI(highest(i.in_service));
    vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, e->lent_status);
    mode_write(e, i.x2apic);
    eoi_exits_write(e, i.level);
}

void vmx_apic_return(struct vcpu *v, uint32_t status)
{
    struct vmx_vcpu *e = vmx_vcpu(v);
    struct x86_interrupts i = {.tpr = e->apic[VMX_APIC_TPR]};

    for (unsigned n = 0; n < X86_APIC_WORDS; n++) {
        i.requested[n] = *apic_word(e, VMX_APIC_IRR(n));
        i.in_service[n] = *apic_word(e, VMX_APIC_ISR(n));
        *apic_word(e, VMX_APIC_IRR(n)) = 0;
    }
    x86_interrupts_return(v, &i, e->lent - count(i.requested));
    e->lent_status = status;
    e->lent_tpr = i.tpr;
}
