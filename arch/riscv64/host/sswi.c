/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The supervisor software interrupt device of the ACLINT (RISC-V ACLINT 1.0, chapter 4): a register
 * for each hart, whose write of 1 makes that hart's SSIP pending without a call to the firmware.
 * Only a device tree says where it is.
 */
#include "drivers/fdt.h"
#include "host_internal.h"
#include "kernel/irq.h"
#include "mm/kernel_map.h"

#define SETSSIP_SIZE 4 /* of a hart's register */

static volatile uint32_t *registers;

/* Register i is that of the hart whose interrupt controller is entry i of the list. */
static void assign(int node, uint64_t size)
{
    uint32_t cause;

    for (unsigned i = 0; fdt_cell(node, "interrupts-extended", 2 * i + 1, &cause); i++) {
        struct hart *hart = cpus_hart_by_intc(fdt_phandle(node, "interrupts-extended", 2 * i));

        if (hart && cause == IRQ_S_SOFT && (i + 1UL) * SETSSIP_SIZE <= size)
            hart->sswi = &registers[i];
    }
}

static bool all_have_one(void)
{
    for (unsigned i = 0; i < cpus_hart_count(); i++)
        if (!cpus_hart(i)->sswi)
            return false;
    return true;
}

bool sswi_probe(void)
{
    int node = fdt_blob() ? fdt_next_compatible(-1, "riscv,aclint-sswi") : -1;
    hpa_t base;
    uint64_t size;

    if (node < 0 || fdt_reg(node, 0, &base, &size) != ERR_OK)
        return false;
    registers = kernel_map_device(base, size, PT_READ | PT_WRITE | PT_DEVICE);
    if (!registers)
        return false;
    assign(node, size);
    return all_have_one();
}

void sswi_cpu_init(struct cpu *cpu)
{
    cpu->host.sswi = cpus_hart_by_id(cpu->hw_id)->sswi;
}

void sswi_send(const struct cpu *cpu)
{
    mmio_write32(cpu->host.sswi, 1);
}
