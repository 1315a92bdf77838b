/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The x86_64 host's part of start-up, thread contexts and the report on the machine. */
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/descriptors.h"
#include "arch/x86_64/host/efi_runtime.h"
#include "arch/x86_64/host/ioapic.h"
#include "arch/x86_64/host/time.h"
#include "boot/boot_info.h"
#include "drivers/acpi.h"
#include "kernel/log.h"

void x86_thread_start(void);

static struct boot_info boot; /* the fields that host_init() needs later; tables that it points to
                                 are kept by the loader's map */

void host_early_init(const struct boot_info *info, struct cpu *cpu)
{
    boot = *info;
    descriptors_boot_init(cpu);
    descriptors_load(cpu);
    cpu_features_init();
    mtrr_save();
    paging_early_init(info);
}

enum err host_init(void)
{
    enum err e = apic_init();

    if (e != ERR_OK)
        return e;
    apic_cpu_init(host_this_cpu());
    ioapic_init();
    e = time_init();
    if (e != ERR_OK)
        return e;
    efi_runtime_init(&boot);
    cpu_answer_guests();
    return ERR_OK;
}

void host_cpu_init(struct cpu *cpu)
{
    mtrr_sync();
    apic_cpu_init(cpu);
}

void host_report(struct out *out)
{
    const struct cpu_features *f = cpu_features();

    if (f->hypervisor[0])
        out_printf(out, "machine: emulated or virtual (%s)\n", f->hypervisor);
    if (!acpi_present())
        out_printf(out, "ACPI: none: one CPU, interrupts and clocks at their usual places\n");
    out_printf(out, "local APIC: %s\n", apic_mode_name());
    ioapic_report(out);
    out_printf(out, "clock: %s\n", host_clock_name());
    virtualization_report(out);
    out_printf(out, "power: EFI runtime services %s\n", efi_runtime_state());
    speculation_report(out);
}

void host_context_init(struct host_context *ctx, void *stack_top, void (*entry)(void *), void *arg)
{
    uint64_t *sp = (uint64_t *)stack_top;

    *--sp = 0; /* ends the chain of frames; two words, so that the stack is aligned at the call */
    *--sp = 0;
    *--sp = (uint64_t)(uintptr_t)x86_thread_start;
    *--sp = 0;                          /* RBP */
    *--sp = (uint64_t)(uintptr_t)entry; /* RBX */
    *--sp = (uint64_t)(uintptr_t)arg;   /* R12 */
    *--sp = 0;                          /* R13 */
    *--sp = 0;                          /* R14 */
    *--sp = 0;                          /* R15 */
    ctx->rsp = (uint64_t)(uintptr_t)sp;
}
