/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The Generic Interrupt Controller, version 3 and 4 (IHI 0069H): distributor, redistributors, CPU
 * interface by system registers. */
#include "arch/aarch64/host/gic.h"
#include "arch/aarch64/host/host.h"
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "kernel/irq.h"
#include "kernel/timer.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"

#define SPIN_LIMIT_NS (NS_PER_SEC / 10)

/* A range of redistributors, mapped. */
struct gicr_range {
    char *base;
    uint64_t size;
};

static struct {
    char *distributor;
    unsigned lines; /* interrupt ids from 0 that exist */
    unsigned architecture;
    struct gicr_range *ranges;
    unsigned range_count;
    unsigned maintenance;
} gic;

static struct spinlock gic_lock;
LOCK_CLASS(gic_class, "interrupt controller", RANK_IRQ);

/* ---- Finding it ---- */

static enum err range_add(hpa_t base, uint64_t size)
{
    struct gicr_range *ranges = heap_zalloc_array(gic.range_count + 1, sizeof(*ranges));
    void *va = kernel_map_device(base, size, PT_READ | PT_WRITE | PT_DEVICE);

    if (!ranges || !va)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < gic.range_count; i++)
        ranges[i] = gic.ranges[i];
    ranges[gic.range_count++] = (struct gicr_range){va, size};
    heap_free(gic.ranges);
    gic.ranges = ranges;
    return ERR_OK;
}

static enum err distributor_map(hpa_t base)
{
    gic.distributor = kernel_map_device(base, GICD_SIZE, PT_READ | PT_WRITE | PT_DEVICE);
    return gic.distributor ? ERR_OK : ERR_NO_MEMORY;
}

static enum err ranges_from_acpi(const struct acpi_madt *madt)
{
    enum err err = ERR_OK;

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_gicr *r = ACPI_SUBTABLE_AS(s, struct acpi_madt_gicr);

        if (s->type == ACPI_MADT_GICR && r && err == ERR_OK)
            err = range_add(HPA(r->address), r->length);
    }
    return err;
}

/* Where no range is listed each CPU's entry names its own redistributor. */
static enum err frames_from_acpi(const struct acpi_madt *madt)
{
    bool need_frames = gic.range_count == 0;
    enum err err = ERR_OK;

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_gicc *c = (const struct acpi_madt_gicc *)s;

        if (s->type != ACPI_MADT_GICC || s->length < ACPI_MADT_GICC_MIN)
            continue;
        if (c->maintenance_gsiv)
            gic.maintenance = c->maintenance_gsiv;
        if (need_frames && c->gicr && err == ERR_OK)
            err = range_add(HPA(c->gicr), GICR_STRIDE);
    }
    return err;
}

static enum err find_by_acpi(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");
    const struct acpi_madt_gicd *d = NULL;
    enum err err;

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    if (s->type == ACPI_MADT_GICD && !d)
        d = ACPI_SUBTABLE_AS(s, struct acpi_madt_gicd);
    if (!d)
        return ERR_NOT_FOUND;
    if (d->version == 1 || d->version == 2)
        return ERR_UNSUPPORTED;
    err = distributor_map(HPA(d->address));
    if (err == ERR_OK)
        err = ranges_from_acpi(madt);
    if (err == ERR_OK)
        err = frames_from_acpi(madt);
    return err;
}

static enum err find_by_fdt(void)
{
    static const char *const v2[] = {"arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic",
                                     NULL};
    int node = fdt_next_compatible(-1, "arm,gic-v3");
    enum irq_trigger trigger;
    unsigned ranges;
    uint64_t size;
    hpa_t base;
    enum err err;

    if (node < 0)
        return fdt_next_compatible_any(-1, v2, NULL) < 0 ? ERR_NOT_FOUND : ERR_UNSUPPORTED;
    err = fdt_reg(node, 0, &base, &size);
    if (err == ERR_OK)
        err = distributor_map(base);
    ranges = fdt_u32(node, "#redistributor-regions", 1);
    for (unsigned i = 0; i < ranges && err == ERR_OK; i++) {
        err = fdt_reg(node, 1 + i, &base, &size);
        if (err == ERR_OK)
            err = range_add(base, size);
    }
    if (fdt_irq(node, 0, &gic.maintenance, &trigger) != ERR_OK)
        gic.maintenance = GIC_MAINTENANCE_DEFAULT;
    return err;
}

/* ---- Registers ---- */

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
static void distributor_init(void)
{
    char *d = gic.distributor;

    gic.lines = MIN(32 * ((mmio_read32(d + GICD_TYPER) & 0x1f) + 1), GIC_SPI_END);
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

enum err gic_init(void)
{
    enum err err = acpi_present() ? find_by_acpi() : find_by_fdt();

    spin_init(&gic_lock, &gic_class);
    if (err == ERR_UNSUPPORTED)
        log_error("interrupts: this machine has a GICv2; Ennead needs a GICv3 or GICv4 "
                  "(under QEMU: -M virt,gic-version=3)");
    else if (err == ERR_NOT_FOUND)
        log_error("interrupts: neither ACPI (MADT) nor the device tree describes a GIC");
    else if (err != ERR_OK)
        log_error("interrupts: the GIC's registers cannot be mapped: %s", err_text(err));
    if (err != ERR_OK)
        return err;
    gic.architecture = mmio_read32(gic.distributor + GICD_PIDR2) >> 4 & 0xf;
    if (gic.architecture != 3 && gic.architecture != 4) {
        log_error(
            "interrupts: the distributor says that it is GICv%u; Ennead needs a GICv3 or GICv4",
            gic.architecture);
        return ERR_UNSUPPORTED;
    }
    distributor_init();
    return ERR_OK;
}

enum err gic_cpu_init(struct cpu *cpu)
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

unsigned gic_maintenance_irq(void)
{
    return gic.maintenance >= 16 && gic.maintenance < 32 ? gic.maintenance
                                                         : GIC_MAINTENANCE_DEFAULT;
}

static void deactivate(unsigned irq)
{
    if (arm_mode != MODE_EL1)
        sysreg_write(ICC_DIR_EL1, irq);
}

/* The virtual timer of the vCPU that is loaded here. True: it stays active until the guest ends it.
 */
static bool guest_timer_fired(void)
{
    struct host_cpu *h = &this_cpu()->host;

    if (!h->guest)
        return false;
    h->guest_timer(h->guest);
    return true;
}

static void guest_maintenance(void)
{
    struct host_cpu *h = &this_cpu()->host;

    if (h->guest)
        h->guest_maintenance(h->guest);
}

static void handle(unsigned irq)
{
    sysreg_write(ICC_EOIR1_EL1, irq);
    isb();
    if (irq < 16) {
        deactivate(irq);
        ipi_dispatch((enum host_ipi)irq);
        return;
    }
    if (irq == arm_timer_irq())
        timer_interrupt();
    else if (irq == arm_timer_virtual_irq() && guest_timer_fired())
        return;
    else if (irq == gic_maintenance_irq())
        guest_maintenance();
    else
        irq_dispatch(irq);
    /* The end of a level interrupt comes after its handler has quieted the device. */
    deactivate(irq);
    isb();
}

/* At EL1 the one-step end comes first: level interrupts are masked by PSTATE.I until the handler
 * has run. */
void gic_handle(void)
{
    for (;;) {
        unsigned irq = sysreg_read(ICC_IAR1_EL1) & 0xffffff;

        if (irq >= GIC_SPURIOUS_FIRST && irq <= GIC_SPURIOUS_LAST)
            return;
        __asm__ volatile("dsb sy" ::: "memory");
        handle(irq);
    }
}

void gic_guest_timer_hold(bool held)
{
    char *sgi = (char *)this_cpu()->host.redistributor + GICR_SGI_BASE;

    mmio_write32(sgi + (held ? GICD_ISACTIVER : GICD_ICACTIVER), 1u << arm_timer_virtual_irq());
}

void gic_guest_interrupts(void *vcpu, void (*timer)(void *vcpu), void (*maintenance)(void *vcpu))
{
    struct host_cpu *h = &this_cpu()->host;

    h->guest = vcpu;
    h->guest_timer = timer;
    h->guest_maintenance = maintenance;
}

void host_ipi_send(struct cpu *cpu, enum host_ipi kind)
{
    uint64_t id = cpu->hw_id;
    uint64_t aff0 = id & 0xff;

    __asm__ volatile("dsb ishst" ::: "memory");
    sysreg_write(ICC_SGI1R_EL1, (id >> 32 & 0xff) << SGI1R_AFF3 | (id >> 16 & 0xff) << SGI1R_AFF2 |
                                    (id >> 8 & 0xff) << SGI1R_AFF1 | (aff0 >> 4) << SGI1R_RS |
                                    (uint64_t)kind << SGI1R_INTID | BIT(aff0 & 0xf));
    isb();
}

/* Base of the register group that holds `irq`: the distributor, or this CPU's redistributor for
 * private ones. */
static char *registers_of(unsigned irq)
{
    if (irq < 32)
        return (char *)this_cpu()->host.redistributor + GICR_SGI_BASE;
    return gic.distributor;
}

static void set_trigger(unsigned irq, enum irq_trigger trigger)
{
    char *reg = registers_of(irq) + GICD_ICFGR + irq / 16 * 4;
    uint32_t edge = 2u << irq % 16 * 2;
    uint64_t flags = spin_lock_irq(&gic_lock);
    uint32_t value = mmio_read32(reg) & ~edge;

    mmio_write32(reg, trigger == IRQ_EDGE ? value | edge : value);
    spin_unlock_irq(&gic_lock, flags);
}

static bool irq_exists(unsigned irq)
{
    return irq >= 16 && irq < gic.lines;
}

enum err host_irq_route(unsigned irq, enum irq_trigger trigger, struct cpu *cpu)
{
    if (!irq_exists(irq))
        return ERR_RANGE;
    host_irq_mask(irq);
    set_trigger(irq, trigger);
    if (irq >= 32)
        mmio_write64(gic.distributor + GICD_IROUTER + 8UL * irq, cpu->hw_id);
    host_irq_unmask(irq);
    return ERR_OK;
}

void host_irq_mask(unsigned irq)
{
    if (!irq_exists(irq))
        return;
    mmio_write32(registers_of(irq) + GICD_ICENABLER + irq / 32 * 4, 1u << irq % 32);
    if (irq >= 32)
        wait_clear(gic.distributor + GICD_CTLR, GICD_CTLR_RWP, "masking an interrupt");
}

void host_irq_unmask(unsigned irq)
{
    if (irq_exists(irq))
        mmio_write32(registers_of(irq) + GICD_ISENABLER + irq / 32 * 4, 1u << irq % 32);
}

void gic_ppi_enable(unsigned irq)
{
    host_irq_unmask(irq);
}

const char *host_irq_name(void)
{
    return gic.architecture == 4 ? "GICv4" : "GICv3";
}

void gic_report(struct out *out)
{
    out_printf(out, "interrupts: %s, %u lines, %u range%s of redistributors\n", host_irq_name(),
               gic.lines, gic.range_count, gic.range_count == 1 ? "" : "s");
}
