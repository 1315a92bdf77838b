/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The Generic Interrupt Controller, version 2 (IHI 0048B): distributor and CPU interface by memory,
 * up to eight CPUs. */
#include "arch/aarch64/host/gic.h"
#include "arch/aarch64/host/host.h"
#include "kernel/irq.h"

/* Shared interrupts: masked, one priority, to the boot CPU. Without the security extensions they
 * are made group 0, which raises interrupts like the non-secure group 1 of a GIC that has them. */
static void v2_distributor_init(void)
{
    char *d = gic.distributor;

    mmio_write32(d + GICD_CTLR, 0);
    for (unsigned i = 32; i < gic.lines; i += 32) {
        mmio_write32(d + GICD_ICENABLER + i / 8, ~0u);
        mmio_write32(d + GICD_ICPENDR + i / 8, ~0u);
        mmio_write32(d + GICD_ICACTIVER + i / 8, ~0u);
        mmio_write32(d + GICD_IGROUPR + i / 8, 0);
    }
    for (unsigned i = 32; i < gic.lines; i += 4)
        mmio_write32(d + GICD_IPRIORITYR + i, GIC_PRIORITY_ALL);
    mmio_write32(d + GICD_CTLR, GICD_CTLR_ENABLE);
}

/* The bit that this CPU has in target masks: its private interrupts name it (4.3.12). A GIC for one
 * CPU has none. */
static uint8_t own_target(void)
{
    uint32_t targets = 0;

    for (unsigned i = 0; i < 32 && !targets; i += 4)
        targets = mmio_read32(gic.distributor + GICD_ITARGETSR + i);
    return (uint8_t)(targets | targets >> 8 | targets >> 16 | targets >> 24);
}

static enum err v2_cpu_init(struct cpu *cpu)
{
    char *d = gic.distributor, *c = gic.cpu_interface;

    cpu->host.gic_target = own_target();
    mmio_write32(d + GICD_ICENABLER, ~0u);
    mmio_write32(d + GICD_ICPENDR, ~0u);
    mmio_write32(d + GICD_ICACTIVER, ~0u);
    mmio_write32(d + GICD_IGROUPR, 0);
    for (unsigned i = 0; i < 32; i += 4)
        mmio_write32(d + GICD_IPRIORITYR + i, GIC_PRIORITY_ALL);
    mmio_write32(d + GICD_ISENABLER, BIT(HOST_IPI_COUNT) - 1);
    mmio_write32(c + GICC_PMR, GICC_PMR_ALL);
    mmio_write32(c + GICC_BPR, 0);
    /* At EL2 in two steps, so that the guest's timer can stay active until the guest is done. */
    mmio_write32(c + GICC_CTLR, GICC_CTLR_ENABLE | (arm_mode == MODE_EL1 ? 0 : GICC_CTLR_EOIMODE));
    return ERR_OK;
}

/* `ack`: the interrupt with the CPU that sent it (4.4.4). */
static void deactivate(uint32_t ack)
{
    if (arm_mode != MODE_EL1)
        mmio_write32(gic.cpu_interface + GICC_DIR, ack);
}

static void v2_handle(void)
{
    for (;;) {
        uint32_t ack = mmio_read32(gic.cpu_interface + GICC_IAR);
        unsigned irq = ack & GICC_IAR_ID;

        if (irq >= GIC_SPURIOUS_FIRST)
            return;
        __asm__ volatile("dsb sy" ::: "memory");
        mmio_write32(gic.cpu_interface + GICC_EOIR, ack);
        if (irq < 16) {
            deactivate(ack);
            ipi_dispatch((enum host_ipi)irq);
        } else if (gic_dispatch(irq)) {
            deactivate(ack);
        }
    }
}

static void v2_send_ipi(const struct cpu *cpu, enum host_ipi kind)
{
    __asm__ volatile("dsb ishst" ::: "memory");
    mmio_write32(gic.distributor + GICD_SGIR,
                 (uint32_t)cpu->host.gic_target << GICD_SGIR_TARGETS | (uint32_t)kind);
}

static void v2_route(unsigned irq, const struct cpu *cpu)
{
    mmio_write8(gic.distributor + GICD_ITARGETSR + irq, cpu->host.gic_target);
}

/* The write is all. */
static void v2_masked(void)
{
}

/* Those of the CPU that asks. */
static char *v2_private_registers(void)
{
    return gic.distributor;
}

const struct gic_driver gic_v2 = {
    .distributor_init = v2_distributor_init,
    .cpu_init = v2_cpu_init,
    .handle = v2_handle,
    .send_ipi = v2_send_ipi,
    .route = v2_route,
    .masked = v2_masked,
    .private_registers = v2_private_registers,
};
