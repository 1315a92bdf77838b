/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The Generic Interrupt Controller of any version: finding it, and what all versions do alike. What
 * differs is in gicv2.c and gicv3.c. */
#include "arch/aarch64/host/gic.h"
#include "arch/aarch64/host/host.h"
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "kernel/irq.h"
#include "kernel/timer.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"

struct gic gic;

static struct spinlock gic_lock;
LOCK_CLASS(gic_class, "interrupt controller", RANK_IRQ);

/* ---- Finding it ---- */

static enum err frame_map(hpa_t base, uint64_t size, char **frame)
{
    *frame = kernel_map_device(base, size, PT_READ | PT_WRITE | PT_DEVICE);
    return *frame ? ERR_OK : ERR_NO_MEMORY;
}

static enum err range_add(hpa_t base, uint64_t size)
{
    struct gicr_range *ranges = heap_zalloc_array(gic.range_count + 1, sizeof(*ranges));
    char *va;

    if (!ranges || frame_map(base, size, &va) != ERR_OK)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < gic.range_count; i++)
        ranges[i] = gic.ranges[i];
    ranges[gic.range_count++] = (struct gicr_range){va, size};
    heap_free(gic.ranges);
    gic.ranges = ranges;
    return ERR_OK;
}

/*
 * Machines for pages of 64 KiB spread a GIC-400 so that each of its pages is repeated 16 times
 * before the next one comes. From the last copy of its first page on, the two pages of a CPU
 * interface lie side by side there too. In others the identification is not in the second page,
 * of which only GICC_DIR is used (IHI 0048B, 4.3, 4.4).
 */
#define LAST_COPY 0xf000u

static bool v2_is_spread(const char *interface)
{
    uint32_t id = mmio_read32(interface + GICC_IIDR);

    return id && mmio_read32(interface + PAGE_SIZE + GICC_IIDR) == id;
}

/* GICv2: the CPU interface, and for guests its virtual one with the controls of that. */
static enum err v2_frames_map(hpa_t gicc, hpa_t gich, hpa_t gicv)
{
    enum err err = frame_map(gicc, GICC_SIZE, &gic.cpu_interface);

    /* At EL1 the second page is not used, and may not be there. */
    if (err == ERR_OK && arm_mode != MODE_EL1 && v2_is_spread(gic.cpu_interface)) {
        kernel_unmap_device(gic.cpu_interface, GICC_SIZE);
        err = frame_map(HPA(gicc.v + LAST_COPY), GICC_SIZE, &gic.cpu_interface);
        gicv.v += gicv.v ? LAST_COPY : 0;
    }
    if (err == ERR_OK && gich.v && gicv.v) {
        err = frame_map(gich, GICH_SIZE, &gic.virtual_control);
        gic.virtual_interface = gicv;
    }
    return err;
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

static enum err v2_frames_from_acpi(const struct acpi_madt *madt)
{
    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_gicc *c = (const struct acpi_madt_gicc *)s;

        if (s->type != ACPI_MADT_GICC || s->length < ACPI_MADT_GICC_MIN)
            continue;
        gic.maintenance = c->maintenance_gsiv;
        return v2_frames_map(HPA(c->gicc), HPA(c->gich), HPA(c->gicv));
    }
    return ERR_NOT_FOUND;
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
    gic.architecture = d->version;
    err = frame_map(HPA(d->address), GICD_SIZE, &gic.distributor);
    if (err == ERR_OK && gic_is_v2())
        return v2_frames_from_acpi(madt);
    if (err == ERR_OK)
        err = ranges_from_acpi(madt);
    if (err == ERR_OK)
        err = frames_from_acpi(madt);
    return err;
}

static enum err v2_frames_from_fdt(int node)
{
    hpa_t base[4] = {HPA(0)}; /* distributor, GICC, GICH, GICV */
    uint64_t size;
    enum err err = ERR_OK;

    for (unsigned i = 0; i < ARRAY_SIZE(base) && err == ERR_OK; i++)
        err = fdt_reg(node, i, &base[i], &size);
    if (err != ERR_OK)
        base[2] = base[3] = HPA(0);
    if (!base[1].v)
        return ERR_NOT_FOUND;
    gic.architecture = 2;
    err = frame_map(base[0], GICD_SIZE_V2, &gic.distributor);
    return err == ERR_OK ? v2_frames_map(base[1], base[2], base[3]) : err;
}

static enum err v3_frames_from_fdt(int node)
{
    unsigned ranges = fdt_u32(node, "#redistributor-regions", 1);
    uint64_t size;
    hpa_t base;
    enum err err = fdt_reg(node, 0, &base, &size);

    if (err == ERR_OK)
        err = frame_map(base, GICD_SIZE, &gic.distributor);
    for (unsigned i = 0; i < ranges && err == ERR_OK; i++) {
        err = fdt_reg(node, 1 + i, &base, &size);
        if (err == ERR_OK)
            err = range_add(base, size);
    }
    return err;
}

static enum err find_by_fdt(void)
{
    static const char *const v2[] = {"arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic",
                                     NULL};
    int node = fdt_next_compatible(-1, "arm,gic-v3"),
        old = node < 0 ? fdt_next_compatible_any(-1, v2, NULL) : -1;
    enum irq_trigger trigger;

    if (node < 0 && old < 0)
        return ERR_NOT_FOUND;
    if (fdt_irq(node < 0 ? old : node, 0, &gic.maintenance, &trigger) != ERR_OK)
        gic.maintenance = GIC_MAINTENANCE_DEFAULT;
    return node < 0 ? v2_frames_from_fdt(old) : v3_frames_from_fdt(node);
}

/* ---- Starting it ---- */

static enum err init_error(enum err err)
{
    if (err == ERR_NOT_FOUND)
        log_error("interrupts: neither ACPI (MADT) nor the device tree describes a GIC");
    else
        log_error("interrupts: the GIC's registers cannot be mapped: %s", err_text(err));
    return err;
}

enum err gic_init(void)
{
    enum err err = acpi_present() ? find_by_acpi() : find_by_fdt();

    spin_init(&gic_lock, &gic_class);
    if (err != ERR_OK)
        return init_error(err);
    if (!gic_is_v2())
        gic.architecture = mmio_read32(gic.distributor + GICD_PIDR2) >> 4 & 0xf;
    if (!gic_is_v2() && gic.architecture != 3 && gic.architecture != 4) {
        log_error("interrupts: the distributor says that it is GICv%u; Ennead needs GICv2 to GICv4",
                  gic.architecture);
        return ERR_UNSUPPORTED;
    }
    gic.lines = MIN(32 * ((mmio_read32(gic.distributor + GICD_TYPER) & 0x1f) + 1), GIC_SPI_END);
    gic.driver = gic_is_v2() ? &gic_v2 : &gic_v3;
    gic.driver->distributor_init();
    gicv2m_init();
    return ERR_OK;
}

enum err gic_cpu_init(struct cpu *cpu)
{
    return gic.driver->cpu_init(cpu);
}

/* ---- Use ---- */

unsigned gic_maintenance_irq(void)
{
    return gic.maintenance >= 16 && gic.maintenance < 32 ? gic.maintenance
                                                         : GIC_MAINTENANCE_DEFAULT;
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

bool gic_dispatch(unsigned irq)
{
    if (irq == arm_timer_irq())
        timer_interrupt();
    else if (irq == arm_timer_virtual_irq() && guest_timer_fired())
        return false;
    else if (irq == gic_maintenance_irq())
        guest_maintenance();
    else
        irq_dispatch(irq);
    return true;
}

void gic_handle(void)
{
    gic.driver->handle();
}

void gic_guest_timer_hold(bool held)
{
    mmio_write32(gic.driver->private_registers() + (held ? GICD_ISACTIVER : GICD_ICACTIVER),
                 1u << arm_timer_virtual_irq());
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
    gic.driver->send_ipi(cpu, kind);
}

/* Base of the register group that holds `irq`: the distributor, or this CPU's own for private
 * ones. */
static char *registers_of(unsigned irq)
{
    if (irq < 32)
        return gic.driver->private_registers();
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
        gic.driver->route(irq, cpu);
    host_irq_unmask(irq);
    return ERR_OK;
}

enum err host_message_route(struct cpu *cpu, unsigned *irq, struct host_message *m)
{
    return gicv2m_message(cpu, irq, m);
}

void host_irq_mask(unsigned irq)
{
    if (!irq_exists(irq))
        return;
    mmio_write32(registers_of(irq) + GICD_ICENABLER + irq / 32 * 4, 1u << irq % 32);
    if (irq >= 32)
        gic.driver->masked();
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
    return gic_is_v2() ? "GICv2" : gic.architecture == 4 ? "GICv4" : "GICv3";
}

void gic_report(struct out *out)
{
    out_printf(out, "interrupts: %s, %u lines", host_irq_name(), gic.lines);
    if (gic_is_v2())
        out_printf(out, ", %s virtual CPU interface\n", gic.virtual_control ? "with a" : "no");
    else
        out_printf(out, ", %u range%s of redistributors\n", gic.range_count,
                   gic.range_count == 1 ? "" : "s");
}
