/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Saving and loading FP and vector state: SDM 1, chapter 13. */
#include "arch/x86_64/host/fpu.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "kernel/thread.h"

#define MXCSR_DEFAULT 0x1f80 /* all exceptions masked, round to nearest */

/* Not XSAVEOPT: it may leave out what it thinks unmodified since an XRSTOR of the same address,
 * which a guest could have run. */
static void registers_save(void *area)
{
    if (cpu_features()->xsave)
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static void registers_load(const void *area)
{
    if (cpu_features()->xsave)
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

void fpu_load(struct host_fpu *fpu)
{
    struct cpu *cpu = this_cpu();

    if (cpu->host.guest_fpu == fpu)
        return;
    fpu_save();
    registers_load(fpu->area); /* under the host's XCR0: every component that the guest could have
                                  switched on */
    if (cpu_features()->xsave && fpu->xcr0 != cpu_features()->xcr0)
        xcr0_write(fpu->xcr0);
    fpu->live = cpu;
    cpu->host.guest_fpu = fpu;
}

void fpu_save(void)
{
    struct cpu *cpu = this_cpu();
    struct host_fpu *fpu = cpu->host.guest_fpu;

    if (!fpu)
        return;
    if (cpu_features()->xsave && fpu->xcr0 != cpu_features()->xcr0)
        xcr0_write(cpu_features()->xcr0);
    registers_save(fpu->area);
    fpu->live = NULL;
    cpu->host.guest_fpu = NULL;
}

void host_fpu_begin(void)
{
    uint32_t mxcsr = MXCSR_DEFAULT;
    uint64_t flags;

    preempt_disable();
    flags = host_irq_save();
    fpu_save();
    host_irq_restore(flags);
    __asm__ volatile("fninit; ldmxcsr %0" ::"m"(mxcsr));
}

void host_fpu_end(void)
{
    preempt_enable();
}
