/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The generic timer (Arm ARM D12): the EL2 physical timer, or the EL1 one where the kernel runs at
 * EL1. */
#include "arch/aarch64/host/host.h"
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "kernel/timer.h"

/* PPIs of the Base System Architecture (DEN0094), also where nothing is said. */
#define PPI_EL2_TIMER     26
#define PPI_VIRTUAL_TIMER 27
#define PPI_EL1_TIMER     30

/* Order of the interrupts in the arm,armv8-timer binding. */
enum fdt_timer { FDT_TIMER_SECURE, FDT_TIMER_EL1, FDT_TIMER_VIRTUAL, FDT_TIMER_EL2 };

static unsigned irq_el1 = PPI_EL1_TIMER, irq_el2 = PPI_EL2_TIMER, irq_virtual = PPI_VIRTUAL_TIMER;
static char name[48];

static void irqs_from_acpi(void)
{
    const struct acpi_gtdt *gtdt = (const struct acpi_gtdt *)acpi_find_sized("GTDT", ACPI_GTDT_MIN);

    if (!gtdt)
        return;
    irq_el1 = gtdt->el1_gsiv;
    irq_el2 = gtdt->el2_gsiv;
    irq_virtual = gtdt->virtual_gsiv;
}

static void irq_from_fdt(int node, enum fdt_timer index, unsigned *irq)
{
    enum irq_trigger trigger;
    unsigned found;

    if (fdt_irq(node, index, &found, &trigger) == ERR_OK)
        *irq = found;
}

static void irqs_from_fdt(void)
{
    int node = fdt_next_compatible(-1, "arm,armv8-timer");

    if (node < 0)
        return;
    irq_from_fdt(node, FDT_TIMER_EL1, &irq_el1);
    irq_from_fdt(node, FDT_TIMER_VIRTUAL, &irq_virtual);
    irq_from_fdt(node, FDT_TIMER_EL2, &irq_el2);
}

uint64_t host_counter_hz(void)
{
    return sysreg_read(cntfrq_el0) & 0xffffffff;
}

static bool is_ppi(unsigned irq)
{
    return irq >= 16 && irq < 32;
}

enum err arm_timer_init(void)
{
    struct out_buffer b;

    if (acpi_present())
        irqs_from_acpi();
    else
        irqs_from_fdt();
    out_buffer_init(&b, name, sizeof(name));
    out_printf(&b.out, "generic timer (%s), %llu.%02llu MHz", arm_mode == MODE_EL1 ? "EL1" : "EL2",
               (unsigned long long)(host_counter_hz() / 1000000),
               (unsigned long long)(host_counter_hz() / 10000 % 100));
    if (!is_ppi(arm_timer_irq())) {
        log_error("timer: the firmware names interrupt %u for the timer, which is not a private "
                  "one (16 to 31)",
                  arm_timer_irq());
        return ERR_UNSUPPORTED;
    }
    if (!is_ppi(irq_virtual))
        irq_virtual = PPI_VIRTUAL_TIMER;
    return ERR_OK;
}

void arm_timer_cpu_init(void)
{
    kernel_timer_write(ctl, CNT_CTL_IMASK);
    gic_ppi_enable(arm_timer_irq());
}

unsigned arm_timer_irq(void)
{
    return arm_mode == MODE_EL1 ? irq_el1 : irq_el2;
}

unsigned arm_timer_virtual_irq(void)
{
    return irq_virtual;
}

const char *host_clock_name(void)
{
    return name;
}

void host_timer_arm(uint64_t deadline)
{
    if (deadline == UINT64_MAX) {
        kernel_timer_write(ctl, CNT_CTL_IMASK);
    } else {
        kernel_timer_write(cval, deadline);
        kernel_timer_write(ctl, CNT_CTL_ENABLE);
    }
    isb();
}
