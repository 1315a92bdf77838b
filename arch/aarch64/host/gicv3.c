/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The Generic Interrupt Controller, version 3 and 4 (IHI 0069H): distributor, redistributors, CPU
 * interface by system registers. */
#include "arch/aarch64/host/gic.h"
#include "arch/aarch64/host/host.h"
#include "kernel/irq.h"
#include "kernel/timer.h"

#define SPIN_LIMIT_NS (NS_PER_SEC / 10)

static void wait_clear(const volatile void *reg, uint32_t bit, const char *what)
{
    uint64_t end = clock_ns() + SPIN_LIMIT_NS;

    while (mmio_read32(reg) & bit) {
        if (clock_ns() > end) {
            log_warn("GICv3: %s does not finish", what);
            return;
        }
        host_cpu_relax();
    }
}

/* Shared interrupts: masked, group 1, one priority, to the boot CPU (12.9). */
static void v3_distributor_init(void)
{
    char *d = gic.distributor;

    mmio_write32(d + GICD_CTLR, 0);
    wait_clear(d + GICD_CTLR, GICD_CTLR_RWP, "the distributor");
    for (unsigned i = 32; i < gic.lines; i += 32) {
        mmio_write32(d + GICD_ICENABLER + i / 8, ~0u);
        mmio_write32(d + GICD_ICPENDR + i / 8, ~0u);
        mmio_write32(d + GICD_ICACTIVER + i / 8, ~0u);
        mmio_write32(d + GICD_IGROUPR + i / 8, ~0u);
        mmio_write32(d + GICD_IGRPMODR + i / 8, 0);
    }
    for (unsigned i = 32; i < gic.lines; i += 4)
        mmio_write32(d + GICD_IPRIORITYR + i, GIC_PRIORITY_ALL);
    mmio_write32(d + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GROUP1);
    wait_clear(d + GICD_CTLR, GICD_CTLR_RWP, "the distributor");
}

/* MPIDR's affinity fields as GICR_TYPER has them: Aff3..Aff0 in one word (12.11.35). */
static uint32_t packed_affinity(uint64_t mpidr)
{
    return (uint32_t)((mpidr >> 8 & 0xff000000) | (mpidr & 0xffffff));
}

static char *redistributor_find(uint64_t mpidr)
{
    for (unsigned i = 0; i < gic.range_count; i++) {
        const struct gicr_range *r = &gic.ranges[i];
        uint64_t stride, typer;

        for (uint64_t at = 0; at + GICR_STRIDE <= r->size; at += stride) {
            typer = mmio_read64(r->base + at + GICR_TYPER);
            if (typer >> 32 == packed_affinity(mpidr))
                return r->base + at;
            stride = typer & GICR_TYPER_VLPIS ? 2 * GICR_STRIDE : GICR_STRIDE;
            if (typer & GICR_TYPER_LAST)
                break;
        }
    }
    return NULL;
}

static void redistributor_init(char *rd)
{
    char *sgi = rd + GICR_SGI_BASE;

    mmio_write32(rd + GICR_WAKER, mmio_read32(rd + GICR_WAKER) & ~GICR_WAKER_SLEEP);
    wait_clear(rd + GICR_WAKER, GICR_WAKER_CHILDREN, "waking a redistributor");
    mmio_write32(sgi + GICD_ICENABLER, ~0u);
    mmio_write32(sgi + GICD_ICPENDR, ~0u);
    mmio_write32(sgi + GICD_ICACTIVER, ~0u);
    mmio_write32(sgi + GICD_IGROUPR, ~0u);
    mmio_write32(sgi + GICD_IGRPMODR, 0);
    for (unsigned i = 0; i < 32; i += 4)
        mmio_write32(sgi + GICD_IPRIORITYR + i, GIC_PRIORITY_ALL);
    mmio_write32(sgi + GICD_ISENABLER, BIT(HOST_IPI_COUNT) - 1);
    wait_clear(rd + GICR_CTLR, GICR_CTLR_RWP, "a redistributor");
}

static void cpu_interface_init(void)
{
    if (arm_mode != MODE_EL1) {
        sysreg_write(ICC_SRE_EL2, ICC_SRE_SRE | ICC_SRE_DFB | ICC_SRE_DIB | ICC_SRE_ENABLE);
        isb();
    }
    sysreg_write(ICC_SRE_EL1, ICC_SRE_SRE | ICC_SRE_DFB | ICC_SRE_DIB);
    isb();
    /* At EL2 the end of an interrupt is two steps, so that the guest's timer can stay active until
     * the guest is done with it. */
    sysreg_write(ICC_CTLR_EL1, arm_mode == MODE_EL1 ? 0 : ICC_CTLR_EOIMODE);
    sysreg_write(ICC_PMR_EL1, 0xff);
    sysreg_write(ICC_BPR1_EL1, 0);
    sysreg_write(ICC_IGRPEN1_EL1, 1);
    isb();
}

static enum err v3_cpu_init(struct cpu *cpu)
{
    cpu->host.redistributor = redistributor_find(cpu->hw_id);
    if (!cpu->host.redistributor) {
        log_error("CPU %u: no redistributor of the GIC belongs to it", cpu->id);
        return ERR_NOT_FOUND;
    }
    redistributor_init(cpu->host.redistributor);
    cpu_interface_init();
    return ERR_OK;
}

/* ---- Use ---- */

static void deactivate(unsigned irq)
{
    if (arm_mode != MODE_EL1)
        sysreg_write(ICC_DIR_EL1, irq);
}

static void handle(unsigned irq)
{
    sysreg_write(ICC_EOIR1_EL1, irq);
    isb();
    if (irq < 16) {
        deactivate(irq);
        ipi_dispatch((enum host_ipi)irq);
    } else if (gic_dispatch(irq)) {
        /* The end of a level interrupt comes after its handler has quieted the device. */
        deactivate(irq);
        isb();
    }
}

/* At EL1 the one-step end comes first: level interrupts are masked by PSTATE.I until the handler
 * has run. */
static void v3_handle(void)
{
    for (;;) {
        unsigned irq = sysreg_read(ICC_IAR1_EL1) & 0xffffff;

        if (irq >= GIC_SPURIOUS_FIRST && irq <= GIC_SPURIOUS_LAST)
            return;
        __asm__ volatile("dsb sy" ::: "memory");
        handle(irq);
    }
}

static void v3_send_ipi(const struct cpu *cpu, enum host_ipi kind)
{
    uint64_t id = cpu->hw_id;
    uint64_t aff0 = id & 0xff;

    __asm__ volatile("dsb ishst" ::: "memory");
    sysreg_write(ICC_SGI1R_EL1, (id >> 32 & 0xff) << SGI1R_AFF3 | (id >> 16 & 0xff) << SGI1R_AFF2 |
                                    (id >> 8 & 0xff) << SGI1R_AFF1 | (aff0 >> 4) << SGI1R_RS |
                                    (uint64_t)kind << SGI1R_INTID | BIT(aff0 & 0xf));
    isb();
}

static void v3_route(unsigned irq, const struct cpu *cpu)
{
    mmio_write64(gic.distributor + GICD_IROUTER + 8UL * irq, cpu->hw_id);
}

static void v3_masked(void)
{
    wait_clear(gic.distributor + GICD_CTLR, GICD_CTLR_RWP, "masking an interrupt");
}

static char *v3_private_registers(void)
{
    return (char *)this_cpu()->host.redistributor + GICR_SGI_BASE;
}

const struct gic_driver gic_v3 = {
    .distributor_init = v3_distributor_init,
    .cpu_init = v3_cpu_init,
    .handle = v3_handle,
    .send_ipi = v3_send_ipi,
    .route = v3_route,
    .masked = v3_masked,
    .private_registers = v3_private_registers,
};
