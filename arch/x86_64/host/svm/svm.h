/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Inside the SVM engine. */
#ifndef X86_HOST_SVM_SVM_H
#define X86_HOST_SVM_SVM_H

#include "arch/x86_64/host/engine.h"
#include "arch/x86_64/host/fpu.h"
#include "arch/x86_64/host/svm/vmcb.h"

#define SVM_EXCEPTIONS \
    (1u << EXCEPTION_MC | 1u << EXCEPTION_DB | 1u << EXCEPTION_UD | 1u << X86_VECTOR_AC)

struct svm_features {
    bool qemu; /* emulated by it: exits.c knows what that does differently */
    bool nrips, flush_by_asid, decode_assists;
    bool vgif, pause_filter, tsc_scaling;
    uint32_t asids; /* address space ids 1 to asids - 1 are for guests */
    uint64_t clean; /* VMCB_CLEAN_*: what the CPU keeps between entries; 0 without clean bits */
};
extern struct svm_features svm_features; /* constant after the probe */

/* Per CPU: cpu->host.svm. */
struct svm_cpu {
    hpa_t host_vmcb;     /* VMSAVE of the host */
    uint64_t generation; /* of ASIDs: grows when they run out */
    uint32_t next_asid;
    const struct svm_vcpu *last; /* whose DR0 to DR3 are in the registers */
    uint64_t tsc_aux;            /* what MSR_TSC_AUX holds */
};

/* Per vCPU: vcpu->engine_data. The VMCB holds the groups of the canonical state that are not valid
 * there, on whatever CPU the vCPU is or none: only DR0 to DR3 and the FPU are a CPU's. */
struct svm_vcpu {
    struct vmcb *vmcb;
    hpa_t vmcb_pa;
    struct host_fpu fpu;
    const struct cpu *cpu;    /* where it was loaded last */
    struct cpu *asid_cpu;     /* where `asid` counts */
    uint64_t asid_generation; /* of that CPU when it was assigned */
    /* `virtual_interrupt` after an exit when the guest has taken what was in it, and changed
     * nothing */
    uint64_t virtual_left;
    unsigned broken; /* debug builds: 1 + the way in which entries are illegal, or 0 */
};

static inline struct svm_vcpu *svm_vcpu(struct vcpu *v)
{
    return v->engine_data;
}

/* The VMCB's part of `groups`, to and from the canonical state. */
void svm_state_write(struct vcpu *v, uint64_t groups);
void svm_state_fetch(struct vcpu *v, uint64_t groups);
/* TSC_AUX is not part of the VMCB; the host does not use it, and the guest's writes exit. Masked.
 */
void svm_tsc_aux_load(const struct x86_state *s);

/* Says that the VMCB's part `clean` (VMCB_CLEAN_*) was written. */
static inline void svm_touch(struct vmcb *c, uint64_t clean)
{
    c->clean &= ~clean;
}

/* Interrupts and exceptions: what is pending goes into the VMCB when X86_EVENT is dirty; an event
 * whose delivery an exit interrupted comes back. */
void svm_inject(struct vcpu *v);
void svm_take_back(struct vcpu *v);
/* After an exit with another `virtual_interrupt` than `virtual_left`. */
void svm_virtual_interrupt_left(struct vcpu *v);
/* Turns the VMCB's exit into a neutral one. */
void svm_exit_decode(struct vcpu *v, struct vm_exit *exit);

/* Which of VMRUN's checks `c` fails, by the field's name. */
const char *svm_invalid_field(const struct vmcb *c);
/* Debug builds. */
void svm_break_apply(struct svm_vcpu *e);
const char *svm_break_entry(struct vcpu *v, unsigned kind);

void svm_enter(uint64_t vmcb, uint64_t *gpr, uint64_t host_vmcb);

#endif
