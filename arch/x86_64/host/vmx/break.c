/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Debug builds: ways to make an entry illegal, at least one of each class of checks, for the tests
 * of what is said then. */
#include "arch/x86_64/host/vmx/vmx.h"

#if DEBUG

#include "arch/x86_64/host/msr.h"
#include "mm/page.h"

#define NOT_CANONICAL (1ULL << 62)

/* An entry of an MSR list: 25.7.2. */
struct msr_entry {
    uint32_t msr, reserved;
    uint64_t value;
};

static const struct {
    const char *what;
    uint32_t field;
    uint64_t clear, set;
} ways[] = {
    /* Controls. */
    {"pin-based controls", VMCS_PIN_CONTROLS, 0, BIT(31)},
    {"primary controls", VMCS_PRIMARY_CONTROLS, BIT(1), 0},
    {"secondary controls", VMCS_SECONDARY_CONTROLS, VMX_CPU2_EPT, 0},
    {"exit controls", VMCS_EXIT_CONTROLS, BIT(0), 0},
    {"entry controls", VMCS_ENTRY_CONTROLS, BIT(0), 0},
    {"MSR bitmap", VMCS_MSR_BITMAP, 0, 1},
    {"virtual APIC", VMCS_VIRTUAL_APIC, 0, 1},
    {"EPT pointer", VMCS_EPT_POINTER, 7, 0x5},
    {"VPID", VMCS_VPID, UINT64_MAX, 0},
    {"event", VMCS_ENTRY_EVENT, UINT64_MAX, VMX_EVENT_VALID | 1ULL << VMX_EVENT_TYPE_SHIFT},
    /* Host state. */
    {"host CR0", VMCS_HOST_CR0, X86_CR0_PE, 0},
    {"host CR4", VMCS_HOST_CR4, VMX_CR4_VMXE, 0},
    {"host CS", VMCS_HOST_CS, UINT64_MAX, 0},
    {"host TR", VMCS_HOST_TR, UINT64_MAX, 0},
    {"host GS base", VMCS_HOST_GS_BASE, UINT64_MAX, NOT_CANONICAL},
    {"host EFER", VMCS_HOST_EFER, EFER_LMA, 0},
    {"host PAT", VMCS_HOST_PAT, 0xff, 2},
    {"host RIP", VMCS_HOST_RIP, UINT64_MAX, NOT_CANONICAL},
    /* Guest state. */
    {"CR0", VMCS_GUEST_CR0, X86_CR0_PE, X86_CR0_PG},
    {"CR4", VMCS_GUEST_CR4, VMX_CR4_VMXE, 0},
    {"CR3", VMCS_GUEST_CR3, 0, NOT_CANONICAL},
    {"EFER", VMCS_GUEST_EFER, X86_EFER_LMA, 0},
    {"DR7", VMCS_GUEST_DR7, 0, BIT(40)},
    {"RFLAGS", VMCS_GUEST_RFLAGS, X86_RFLAGS_FIXED, 0},
    {"TR base", VMCS_SEGMENT(VMCS_GUEST_BASE, X86_TR), UINT64_MAX, NOT_CANONICAL},
    {"CS", VMCS_SEGMENT(VMCS_GUEST_ACCESS, X86_CS), BIT(7), 0},
    {"TR", VMCS_SEGMENT(VMCS_GUEST_ACCESS, X86_TR), 0, VMX_ACCESS_UNUSABLE},
    {"GDTR", VMCS_GUEST_GDTR_LIMIT, 0, BIT(20)},
    {"activity", VMCS_GUEST_ACTIVITY, 0, 7},
    {"interruptibility", VMCS_GUEST_INTERRUPTIBILITY, 0, VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS},
    {"link pointer", VMCS_LINK_POINTER, 0xfff, 1},
    /* MSR lists: their place, and what is in one. */
    {"exit MSR list", VMCS_EXIT_MSR_LOAD_COUNT, UINT64_MAX, 1},
    {"entry MSR list", VMCS_ENTRY_MSR_LOAD_COUNT, UINT64_MAX, 1},
};

/* FS base is not to be loaded by a list (27.4). */
void vmx_break_apply(const struct vmx_vcpu *e)
{
    unsigned way = e->broken - 1;
    struct msr_entry *list;

    if (!e->broken)
        return;
    list = phys_to_virt(e->broken_list);
    *list = (struct msr_entry){.msr = MSR_FS_BASE};
    vmcs_write(VMCS_ENTRY_MSR_LOAD, e->broken_list.v);
    vmcs_write(VMCS_EXIT_MSR_LOAD, e->broken_list.v | 8); /* not aligned */
    vmcs_write(ways[way].field, (vmcs_read(ways[way].field) & ~ways[way].clear) | ways[way].set);
}

const char *vmx_break_entry(struct vcpu *v, unsigned kind)
{
    if (kind >= ARRAY_SIZE(ways))
        return NULL;
    WRITE_ONCE(vmx_vcpu(v)->broken, kind + 1);
    vcpu_request(v, VCPU_REQUEST_IRQ); /* out of the guest, and in again */
    return ways[kind].what;
}

#endif
