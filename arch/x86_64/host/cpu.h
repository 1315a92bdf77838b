/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the CPUs of this machine can do, found once on the boot CPU. */
#ifndef X86_HOST_CPU_H
#define X86_HOST_CPU_H

#include "kernel/cpu.h"

struct boot_info;

struct cpu_features {
    char vendor[13];                 /* CPUID 0 */
    char brand[49];                  /* CPUID 80000002h to 80000004h */
    char hypervisor[13];             /* CPUID 40000000h, empty on bare hardware */
    bool intel, amd;                 /* amd: also Hygon */
    uint8_t family, model, stepping; /* model without its extension may not tell */
    uint32_t leaf_max, extended_max;
    uint8_t physical_bits;
    bool page_1g, pcid, smep, smap, umip, pge, mtrr, x2apic, tsc_deadline, tsc_invariant, xsave,
        avx, avx512, vmx, svm, rdtscp, arat, arch_capabilities, md_clear, spec_ctrl, ibpb,
        l1d_flush, auto_ibrs,
        fpu_pointers_stay; /* XRSTOR leaves the x87 pointers while no exception is pending */
    uint64_t xcr0;         /* the state components that the host has switched on */
    uint32_t xsave_size;   /* bytes for all of them */
    uint64_t arch_capabilities_value;
};

/* Constant after host_early_init(). */
const struct cpu_features *cpu_features(void);
void cpu_features_init(void);
/* Lets the guests' CPUID follow this CPU's. */
void cpu_answer_guests(void);
/* Control registers, PAT and memory types of the running CPU. */
void cpu_registers_init(void);
/* Takes over the boot CPU's MTRRs where this CPU's are different. */
void mtrr_save(void);
void mtrr_sync(void);
/* Lines on speculation for `host`. */
void speculation_report(struct out *out);
/* Where virtualization stands: for `host`. */
void virtualization_report(struct out *out);
/* True when SVM or VT-x may be used; otherwise `reason` gets a text for people. */
bool svm_usable(const char **reason);
bool vmx_usable(const char **reason);

void paging_early_init(const struct boot_info *info);

#endif
