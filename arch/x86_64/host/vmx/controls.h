/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What a CPU's VT-x offers, and the controls that the engine runs guests with. Nothing here touches
 * the hardware: the unit tests compute with other CPUs' values. */
#ifndef X86_HOST_VMX_CONTROLS_H
#define X86_HOST_VMX_CONTROLS_H

#include "arch/x86_64/host/vmx/vmcs.h"

struct out;

/* An MSR of allowed settings: bits that must be 1 in the low half, bits that may be in the high
 * (A.2). */
struct vmx_capabilities {
    uint64_t basic, pin, cpu, cpu2, exit, entry; /* the TRUE ones where there are any */
    uint64_t misc, ept_vpid;
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    bool rdtscp;       /* CPUID offers it to guests */
    bool tsc_deadline; /* the host's timer has TSC deadlines */
};

struct vmx_controls {
    uint32_t pin, cpu, cpu2, exit, entry;
    bool vpid, accessed_dirty, page_1g, io_information;
    bool virtual_apic; /* APIC-register virtualization and virtual interrupt delivery */
    bool preemption_timer;
    bool tsc_scaling; /* there; in `cpu2` of guests only that need it */
    /* There, and nothing that is needed here. */
    bool posted_interrupts, pml;
};

/* ERR_UNSUPPORTED: `missing` says what the CPU would have to offer, by the names of the SDM. */
enum err vmx_controls_choose(const struct vmx_capabilities *caps, struct vmx_controls *controls,
                             struct out *missing);

/* Which check of an entry the current VMCS fails, by the field's name: SDM vol. 3C, 27.2 and 27.3.
 * `read` fetches fields. */
struct vmx_check {
    uint64_t (*read)(const struct vmx_check *check, uint32_t field);
    const struct vmx_capabilities *caps;
    unsigned physical_bits;
};
const char *vmx_invalid_controls(const struct vmx_check *c);
const char *vmx_invalid_host(const struct vmx_check *c);
const char *vmx_invalid_guest(const struct vmx_check *c);

#endif
