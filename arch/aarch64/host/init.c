/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Start-up of the host on the boot CPU, threads' first frames, FP for the kernel, power. */
#include "arch/aarch64/host/host.h"
#include "arch/aarch64/host/speculation.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"

void context_begin(void);

void host_early_init(const struct boot_info *info, struct cpu *boot)
{
    host_set_this_cpu(boot);
    boot->hw_id = sysreg_read(mpidr_el1) & MPIDR_AFFINITY;
    boot->host.emergency_top = (uint64_t)boot_emergency_top;
    paging_init(info);
    cpu_controls_init();
}

enum err host_init(void)
{
    void *emergency = kernel_stack_alloc();
    enum err err;

    if (!emergency)
        return ERR_NO_MEMORY;
    this_cpu()->host.emergency_top = (uint64_t)emergency + THREAD_STACK_SIZE;
    efi_init();
    psci_init();
    speculation_init();
    speculation_cpu_init();
    err = gic_init();
    if (err == ERR_OK)
        err = gic_cpu_init(this_cpu());
    if (err == ERR_OK)
        err = arm_timer_init();
    if (err == ERR_OK)
        arm_timer_cpu_init();
    return err;
}

void host_context_init(struct host_context *ctx, void *stack_top, void (*entry)(void *), void *arg)
{
    *ctx = (struct host_context){
        .x19_x28 = {(uint64_t)entry, (uint64_t)arg},
        .lr = (uint64_t)context_begin,
        .sp = (uint64_t)stack_top,
    };
}

/* A guest's registers that are live on this CPU go to their owner, who loads them again before the
 * next entry. */
void host_fpu_begin(void)
{
    struct host_cpu *h;

    preempt_disable();
    h = &this_cpu()->host;
    if (h->fpu_save) {
        h->fpu_save(h->fpu_owner);
        h->fpu_save = NULL;
    }
    h->fpu_owner = NULL;
}

void host_fpu_end(void)
{
    preempt_enable();
}

void host_halt(void)
{
    for (;;)
        __asm__ volatile("msr daifset, #0xf\n wfi" ::: "memory");
}

void host_poweroff(void)
{
    efi_reset_system(EFI_RESET_SHUTDOWN);
    psci_poweroff();
}

void host_reset(void)
{
    efi_reset_system(EFI_RESET_COLD);
    psci_reset();
}
