/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The order in which the riscv64 host comes up, on the boot CPU and on the others; threads' first
 * registers. */
#include "boot/boot_info.h"
#include "host_internal.h"
#include "isa.h"
#include "kernel/log.h"
#include "sbi.h"

void host_early_init(const struct boot_info *info, struct cpu *boot)
{
    host_set_this_cpu(boot);
    boot->self = boot;
    boot->hw_id = info->boot_cpu;
    traps_cpu_init(boot);
    csr_write(sie, 0);
    csr_clear(sstatus, SSTATUS_SIE | SSTATUS_FS_MASK | SSTATUS_VS_MASK | SSTATUS_SUM | SSTATUS_MXR);
    paging_early_init(info);
    firmware_services_init(info);
}

enum err host_init(void)
{
    enum err e = cpus_init();

    if (e == ERR_OK)
        e = clocksource_init();
    if (e == ERR_OK)
        e = irq_controller_init();
    if (e != ERR_OK)
        return e;
    if (!sbi_has(SBI_EXT_RFENCE))
        log_warn("the firmware has no SBI RFENCE extension: only one CPU can be used safely");
    unaligned_init();
    firmware_tables_init();
    host_cpu_init(cpu_boot());
    return ERR_OK;
}

void host_cpu_init(struct cpu *cpu)
{
    traps_cpu_init(cpu);
    csr_clear(sstatus, SSTATUS_SIE | SSTATUS_FS_MASK | SSTATUS_VS_MASK | SSTATUS_SUM | SSTATUS_MXR);
    csr_write(scounteren, 0);
    clocksource_cpu_init();
    irq_controller_cpu_init(cpu);
    csr_write(sie, BIT(IRQ_S_SOFT) | BIT(IRQ_S_TIMER) | BIT(IRQ_S_EXT));
}

void host_context_init(struct host_context *ctx, void *stack_top, void (*entry)(void *), void *arg)
{
    *ctx = (struct host_context){.ra = (uint64_t)host_thread_start, .sp = (uint64_t)stack_top};
    ctx->s[1] = (uint64_t)entry;
    ctx->s[2] = (uint64_t)arg;
}
