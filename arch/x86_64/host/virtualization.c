/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Whether the CPU's virtualization may be used, and what is done about speculation. */
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "kernel/log.h"

bool svm_usable(const char **reason)
{
    uint64_t vm_cr;

    *reason = "the CPU has no SVM";
    if (!cpu_features()->svm)
        return false;
    /* Some emulations have no VM_CR: then nothing switches SVM off. */
    *reason = "SVM is switched off by the firmware: enable virtualization in its set-up";
    return !msr_read_safe(MSR_VM_CR, &vm_cr) || !(vm_cr & VM_CR_SVMDIS);
}

bool vmx_usable(const char **reason)
{
    uint64_t control;

    *reason = "the CPU has no VT-x";
    if (!cpu_features()->vmx)
        return false;
    *reason = "VT-x is switched off by the firmware: enable virtualization in its set-up";
    return msr_read_safe(MSR_FEATURE_CONTROL, &control) &&
           (!(control & FEATURE_CONTROL_LOCK) || (control & FEATURE_CONTROL_VMX));
}

void virtualization_report(struct out *out)
{
    const char *svm_reason, *vmx_reason;

    if (svm_usable(&svm_reason))
        out_printf(out, "virtualization: SVM is there\n");
    else if (vmx_usable(&vmx_reason))
        out_printf(out, "virtualization: VT-x is there\n");
    else if (cpu_features()->svm)
        out_printf(out, "virtualization: %s\n", svm_reason);
    else if (cpu_features()->vmx)
        out_printf(out, "virtualization: %s\n", vmx_reason);
    else
        out_printf(
            out,
            "virtualization: the CPU has neither SVM nor VT-x: x86_64 guests cannot run on it\n");
}

/* How each attack is met when a CPU changes from one guest to another: applied, not needed or
 * missing. */
void speculation_report(struct out *out)
{
    const struct cpu_features *f = cpu_features();
    uint64_t caps = f->arch_capabilities ? f->arch_capabilities_value : 0;

    out_printf(out, "speculation: branch predictor barrier (IBPB) between guests %s\n",
               f->ibpb ? "applied" : "missing: the CPU or its microcode does not offer it");
    out_printf(out, "speculation: return stack filling between guests applied\n");
    out_printf(out, "speculation: SPEC_CTRL per guest not needed: guests are not offered it\n");
    if (f->amd || (caps & ARCH_CAP_MDS_NO))
        out_printf(out, "speculation: buffer clearing (VERW) not needed\n");
    else
        out_printf(out, "speculation: buffer clearing (VERW) %s\n",
                   f->md_clear ? "at every entry applied"
                               : "missing: the CPU or its microcode does not offer it");
    if (f->amd || (caps & (ARCH_CAP_RDCL_NO | ARCH_CAP_SKIP_L1DFLUSH)))
        out_printf(out, "speculation: L1 data cache flush not needed\n");
    else
        out_printf(out, "speculation: L1 data cache flush %s\n",
                   f->l1d_flush ? "at every entry applied"
                                : "missing: the CPU or its microcode does not offer it");
}
