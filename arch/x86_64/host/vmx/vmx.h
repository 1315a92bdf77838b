/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Inside the VT-x engine. */
#ifndef X86_HOST_VMX_VMX_H
#define X86_HOST_VMX_VMX_H

#include "arch/x86_64/host/engine.h"
#include "arch/x86_64/host/fpu.h"
#include "arch/x86_64/host/vmx/controls.h"

extern struct vmx_capabilities vmx_capabilities; /* constant after the probe, both */
extern struct vmx_controls vmx_controls;

/* Per CPU: cpu->host.vmx. */
struct vmx_cpu {
    hpa_t vmxon;
};

/* Per vCPU: vcpu->engine_data. The VMCS holds the groups of the canonical state that are not valid
 * there; system-call MSRs, TSC_AUX, CR2, DR0 to DR3 and DR6 are in the registers themselves while
 * the vCPU is loaded: the host uses none of them. */
struct vmx_vcpu {
    hpa_t vmcs;
    uint8_t *apic; /* virtual-APIC page: only its TPR is used, but for controls.virtual_apic */
    hpa_t apic_pa;
    /* What the last entry had, with controls.virtual_apic. */
    uint32_t lent_status;
    unsigned lent; /* requests */
    uint8_t lent_tpr;
    bool x2apic;
    uint64_t eoi_exits[4];
    struct host_fpu fpu;
    const struct cpu *last_cpu; /* whose TLB may hold translations */
    uint16_t vpid;
    bool ready;    /* the VMCS is filled */
    bool launched; /* since it was last loaded */
    bool nmi_next; /* the next entry delivers an NMI */
    /* As the VMCS has them: what is the same is not written again. */
    uint32_t cpu_controls, entry_controls, interruptibility, tpr_threshold;
    uint64_t rip, rsp, rflags;
    uint32_t cpu2;     /* its secondary controls, but for VMX_CPU2_X2APIC */
    uint64_t turns;    /* ended by the preemption timer */
    unsigned broken;   /* debug builds: 1 + the way in which entries are illegal, or 0 */
    hpa_t broken_list; /* debug builds: an MSR list */
};

static inline struct vmx_vcpu *vmx_vcpu(struct vcpu *v)
{
    return v->engine_data;
}

/* The current VMCS. All fields that are used exist on every CPU that passed the probe. */
static inline uint64_t vmcs_read(uint32_t field)
{
    uint64_t value;

    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

static inline void vmcs_write(uint32_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" ::"r"((uint64_t)field), "r"(value) : "cc");
}

/* Drops the vCPU's own translations on this CPU; and those of its VM. */
void vmx_flush_vpid(const struct vmx_vcpu *e);

/* The VMCS's part of `groups`, to and from the canonical state. */
void vmx_state_write(struct vcpu *v, uint64_t groups);
void vmx_state_fetch(struct vcpu *v, uint64_t groups);

/* Bits of CR0 and CR4 that guests do not change without an exit, and those of CR4 that they may. */
#define VMX_CR0_HOST  (CR0_NE | (uint64_t)X86_CR0_NW | X86_CR0_CD | BITS(63, 32))
#define VMX_CR4_GUEST (BITS(5, 0) | BITS(11, 7) | BIT(16) | BIT(18) | BITS(21, 20))
#define VMX_CR4_MCE   BIT(6)
#define VMX_CR4_VMXE  BIT(13)

#define VMX_EXCEPTIONS \
    (1u << EXCEPTION_MC | 1u << EXCEPTION_DB | 1u << EXCEPTION_UD | 1u << X86_VECTOR_AC)
/* Switches a bit of the primary controls, when it is not so yet. */
void vmx_control_set(struct vmx_vcpu *e, uint32_t bit, bool wanted);

extern hpa_t vmx_msr_maps[2]; /* by `x2apic` */

/* Virtual interrupt delivery: what the local APIC has to the CPU before an entry, and back. */
void vmx_apic_lend(struct vcpu *v);
void vmx_apic_return(struct vcpu *v, uint32_t status);

/* Interrupts and exceptions: what is pending goes into the VMCS when X86_EVENT is dirty; an event
 * whose delivery an exit interrupted comes back. */
void vmx_inject(struct vcpu *v);
void vmx_take_back(struct vcpu *v, uint64_t vectoring);
/* Turns the VMCS's exit into a neutral one. */
void vmx_exit_decode(struct vcpu *v, uint32_t reason, struct vm_exit *exit);
/* VMLAUNCH or VMRESUME failed before anything of the guest was loaded. */
void vmx_exit_refused(struct vm_exit *exit);

/* Debug builds. */
void vmx_break_apply(const struct vmx_vcpu *e);
const char *vmx_break_entry(struct vcpu *v, unsigned kind);

/* 0: the guest ran, or its state was refused; else VMLAUNCH or VMRESUME failed. */
#define VMX_ENTER_LAUNCHED BIT(0)
#define VMX_ENTER_CLEAR    BIT(1) /* VERW */
uint64_t vmx_enter(uint64_t *gpr, uint64_t flags);
extern const char vmx_exited[];

#endif
