/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Choosing the controls by the capability MSRs: SDM vol. 3C, appendix A. */
#include "arch/x86_64/host/vmx/controls.h"
#include "kernel/log.h"

struct control {
    uint64_t bit;
    const char *name;
};

#define LIST(list) (list), ARRAY_SIZE(list)

static const struct control pin_needed[] = {
    {VMX_PIN_EXTERNAL_INTERRUPT, "external-interrupt exiting"},
    {VMX_PIN_NMI, "NMI exiting"},
    {VMX_PIN_VIRTUAL_NMI, "virtual NMIs"},
};
static const struct control cpu_needed[] = {
    {VMX_CPU_TSC_OFFSET, "TSC offsetting"},
    {VMX_CPU_HLT, "HLT exiting"},
    {VMX_CPU_MWAIT, "MWAIT exiting"},
    {VMX_CPU_RDPMC, "RDPMC exiting"},
    {VMX_CPU_TPR_SHADOW, "TPR shadow"},
    {VMX_CPU_UNCONDITIONAL_IO, "unconditional I/O exiting"},
    {VMX_CPU_MSR_BITMAPS, "MSR bitmaps"},
    {VMX_CPU_MONITOR, "MONITOR exiting"},
    {VMX_CPU_SECONDARY, "secondary controls"},
};
/* Switched on and off as events wait, and debuggers come. */
static const struct control cpu_switched[] = {
    {VMX_CPU_IRQ_WINDOW, "interrupt-window exiting"},
    {VMX_CPU_NMI_WINDOW, "NMI-window exiting"},
    {VMX_CPU_MOV_DR, "MOV-DR exiting"},
};
static const struct control cpu_off[] = {
    {VMX_CPU_CR3_LOAD, "CR3 loads without an exit"},
    {VMX_CPU_CR3_STORE, "CR3 stores without an exit"},
    {VMX_CPU_CR8_LOAD, "CR8 loads without an exit"},
    {VMX_CPU_CR8_STORE, "CR8 stores without an exit"},
};
static const struct control cpu2_needed[] = {
    {VMX_CPU2_EPT, "extended page tables"},
    {VMX_CPU2_WBINVD, "WBINVD exiting"},
    {VMX_CPU2_UNRESTRICTED, "unrestricted guest"},
};
static const struct control exit_needed[] = {
    {VMX_EXIT_SAVE_DEBUG, "save debug controls"}, {VMX_EXIT_HOST_64, "64-bit host"},
    {VMX_EXIT_SAVE_PAT, "save IA32_PAT"},         {VMX_EXIT_LOAD_PAT, "load host IA32_PAT"},
    {VMX_EXIT_SAVE_EFER, "save IA32_EFER"},       {VMX_EXIT_LOAD_EFER, "load host IA32_EFER"},
};
static const struct control entry_needed[] = {
    {VMX_ENTRY_LOAD_DEBUG, "load debug controls"},
    {VMX_ENTRY_LOAD_PAT, "load guest IA32_PAT"},
    {VMX_ENTRY_LOAD_EFER, "load guest IA32_EFER"},
};
static const struct control entry_switched[] = {{VMX_ENTRY_LONG_MODE, "64-bit guests"}};
static const struct control ept_needed[] = {
    {VMX_EPT_WALK_4, "EPT walks of 4 levels"},
    {VMX_EPT_WRITE_BACK, "EPT structures in write-back memory"},
    {VMX_EPT_2M, "EPT pages of 2 MiB"},
    {VMX_EPT_INVEPT, "INVEPT"},
    {VMX_EPT_INVEPT_SINGLE, "INVEPT of one context"},
};

/* What makes the local APIC the CPU's; VMX_CPU2_X2APIC is set while the guest's is in that mode. */
#define VIRTUAL_APIC (VMX_CPU2_X2APIC | VMX_CPU2_APIC_REGISTERS | VMX_CPU2_VIRTUAL_DELIVERY)

struct chooser {
    struct out *missing;
    bool any; /* something is missing */
};

static void miss(struct chooser *c, const char *name)
{
    out_printf(c->missing, "%s%s", c->any ? ", " : "VT-x lacks what is needed here: ", name);
    c->any = true;
}

static uint32_t must(uint64_t caps)
{
    return (uint32_t)caps;
}

static uint32_t may(uint64_t caps)
{
    return (uint32_t)(caps >> 32);
}

/* The bits of `list` that must be possible; what the CPU wants set besides comes along. */
static uint32_t need(struct chooser *c, uint64_t caps, const struct control *list, size_t count)
{
    uint32_t value = must(caps);

    for (size_t i = 0; i < count; i++) {
        if (may(caps) & list[i].bit)
            value |= (uint32_t)list[i].bit;
        else
            miss(c, list[i].name);
    }
    return value;
}

static void need_off(struct chooser *c, uint64_t caps, const struct control *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (must(caps) & list[i].bit)
            miss(c, list[i].name);
    }
}

static void need_switch(struct chooser *c, uint64_t caps, const struct control *list, size_t count)
{
    (void)need(c, caps, list, count);
    need_off(c, caps, list, count);
}

static void choose_secondary(struct chooser *c, const struct vmx_capabilities *caps,
                             struct vmx_controls *controls)
{
    uint32_t possible = may(caps->cpu2);

    controls->cpu2 = need(c, caps->cpu2, LIST(cpu2_needed));
    if (caps->rdtscp && (possible & VMX_CPU2_RDTSCP))
        controls->cpu2 |= (uint32_t)VMX_CPU2_RDTSCP;
    else if (caps->rdtscp)
        miss(c, "RDTSCP in guests");
    controls->vpid = (possible & VMX_CPU2_VPID) && (caps->ept_vpid & VMX_VPID_INVVPID) &&
                     (caps->ept_vpid & VMX_VPID_SINGLE);
    if (controls->vpid)
        controls->cpu2 |= (uint32_t)VMX_CPU2_VPID;
    controls->tsc_scaling = possible & VMX_CPU2_TSC_SCALING;
    controls->virtual_apic = (possible & VIRTUAL_APIC) == VIRTUAL_APIC;
    if (controls->virtual_apic)
        controls->cpu2 |= (uint32_t)(VMX_CPU2_APIC_REGISTERS | VMX_CPU2_VIRTUAL_DELIVERY);
    controls->pml = possible & VMX_CPU2_PML;
}

static void choose_paging(struct chooser *c, const struct vmx_capabilities *caps,
                          struct vmx_controls *controls)
{
    for (size_t i = 0; i < ARRAY_SIZE(ept_needed); i++) {
        if (!(caps->ept_vpid & ept_needed[i].bit))
            miss(c, ept_needed[i].name);
    }
    controls->accessed_dirty = caps->ept_vpid & VMX_EPT_ACCESSED_DIRTY;
    controls->page_1g = caps->ept_vpid & VMX_EPT_1G;
}

enum err vmx_controls_choose(const struct vmx_capabilities *caps, struct vmx_controls *controls,
                             struct out *missing)
{
    struct chooser c = {.missing = missing};

    *controls = (struct vmx_controls){0};
    controls->pin = need(&c, caps->pin, LIST(pin_needed));
    controls->cpu = need(&c, caps->cpu, LIST(cpu_needed));
    need_switch(&c, caps->cpu, LIST(cpu_switched));
    need_off(&c, caps->cpu, LIST(cpu_off));
    choose_secondary(&c, caps, controls);
    controls->exit = need(&c, caps->exit, LIST(exit_needed));
    controls->entry = need(&c, caps->entry, LIST(entry_needed));
    need_switch(&c, caps->entry, LIST(entry_switched));
    choose_paging(&c, caps, controls);
    if (VMX_BASIC_MEMORY_TYPE(caps->basic) != VMX_EPTP_WRITE_BACK)
        miss(&c, "control structures in write-back memory");
    controls->preemption_timer = caps->tsc_deadline && (may(caps->pin) & VMX_PIN_PREEMPTION_TIMER);
    if (controls->preemption_timer)
        controls->pin |= (uint32_t)VMX_PIN_PREEMPTION_TIMER;
    controls->posted_interrupts = may(caps->pin) & VMX_PIN_POSTED_INTERRUPTS;
    controls->io_information = caps->basic & VMX_BASIC_IO_INFORMATION;
    return c.any ? ERR_UNSUPPORTED : ERR_OK;
}
