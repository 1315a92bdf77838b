/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A hosted machine as far up as threads need it. */
#include "hosted.h"
#include "kernel/thread.h"
#include "kernel/timer.h"
#include "mm/kernel_map.h"

extern char __kernel_start[];

void hosted_start_core(uint64_t bytes)
{
    struct boot_info *info = hosted_boot_info();

    (void)hosted_memory_reset();
    info->kernel_phys = MIB(4);
    info->kernel_virt = (uintptr_t)__kernel_start;
    info->kernel_size = MIB(2);
    hosted_boot_mem(info, MIB(4), MIB(2), BOOT_MEM_KERNEL);
    hosted_boot_mem(info, MIB(6), bytes, BOOT_MEM_USABLE);
    hosted_start(info);
    kernel_map_init(info);
    clock_init(hosted_counter, NS_PER_SEC);
    if (!cpu_boot()->timers)
        timer_cpu_init(cpu_boot());
    scheduler_init();
}
