/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Saving and loading FP and vector state: SDM 1, chapter 13. */
#include "arch/x86_64/host/fpu.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "kernel/thread.h"

#define MXCSR_DEFAULT 0x1f80 /* all exceptions masked, round to nearest */

/* Not XSAVEOPT: it may leave out what it thinks unmodified since an XRSTOR of the same address,
 * which a guest could have run. */
static inline void registers_save(const struct cpu_features *f, void *area)
{
    if (f->xsave)
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static inline void registers_load(const struct cpu_features *f, const void *area)
{
    if (unlikely(f->fpu_pointers_stay)) /* else those of another guest would stay */
        __asm__ volatile("fninit");
    if (f->xsave)
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

void fpu_load(struct host_fpu *fpu)
{
    const struct cpu_features *f = cpu_features();
    struct cpu *cpu = this_cpu();

    if (cpu->host.guest_fpu == fpu)
        return;
    if (unlikely(cpu->host.guest_fpu))
        fpu_save();
    /* Under the host's XCR0: every component that the guest could have switched on. */
    if (cpu->host.fpu_copy != fpu || fpu->copied != cpu)
        registers_load(f, fpu->area);
    if (f->xsave && fpu->xcr0 != f->xcr0)
        xcr0_write(fpu->xcr0);
    fpu->copied = NULL;
    fpu->live = cpu;
    cpu->host.guest_fpu = fpu;
}

void fpu_save(void)
{
    const struct cpu_features *f = cpu_features();
    struct cpu *cpu = this_cpu();
    struct host_fpu *fpu = cpu->host.guest_fpu;

    if (!fpu)
        return;
    if (f->xsave && fpu->xcr0 != f->xcr0)
        xcr0_write(f->xcr0);
    registers_save(f, fpu->area);
    fpu->live = NULL;
    fpu->copied = cpu;
    cpu->host.guest_fpu = NULL;
    cpu->host.fpu_copy = fpu;
}

void host_fpu_begin(void)
{
    uint32_t mxcsr = MXCSR_DEFAULT;
    uint64_t flags;

    preempt_disable();
    flags = host_irq_save();
    fpu_save();
    this_cpu()->host.fpu_copy = NULL;
    host_irq_restore(flags);
    __asm__ volatile("fninit; ldmxcsr %0" ::"m"(mxcsr));
}

void host_fpu_end(void)
{
    preempt_enable();
}
