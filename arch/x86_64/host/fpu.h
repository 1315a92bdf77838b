/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A guest's FP and vector state. It stays live in the registers across exits (the kernel uses
 * general registers only) and is saved when its thread leaves the CPU or the kernel itself needs
 * the registers. Where nobody else needed them in between, they are not loaded again.
 */
#ifndef X86_HOST_FPU_H
#define X86_HOST_FPU_H

#include "kernel/cpu.h"

struct host_fpu {
    void *area;    /* XSAVE layout (FXSAVE without it), 64-byte aligned, cpu_features()->xsave_size
                      bytes */
    uint64_t xcr0; /* the guest's */
    struct cpu *live;         /* the CPU whose registers hold the state, or NULL: it is in `area` */
    const struct cpu *copied; /* where registers were still the same as `area` after the last save,
                                 or NULL; as long as cpu->host.fpu_copy says so too */
};

/* Makes `fpu` live on this CPU, its XCR0 included. Masked. */
void fpu_load(struct host_fpu *fpu);
/* Puts the state that is live on this CPU, if any, back to memory, and the host's XCR0 in force.
 * Masked. */
void fpu_save(void);

/* Somebody else wrote to `area`, while the state was not live. */
static inline void fpu_changed(struct host_fpu *fpu)
{
    fpu->copied = NULL;
}

#endif
