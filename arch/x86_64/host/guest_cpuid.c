/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Tells the guests' CPUID policy what this host's CPUs answer. */
#include "arch/x86_64/guest/machine.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"

static struct x86_cpuid answer(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid c = cpuid_read(leaf, subleaf);

    return (struct x86_cpuid){c.eax, c.ebx, c.ecx, c.edx};
}

void cpu_answer_guests(void)
{
    x86_host_cpuid = answer;
}
