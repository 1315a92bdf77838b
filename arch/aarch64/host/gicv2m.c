/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Messages by GICv2m frames (Server Base System Architecture, DEN0029, appendix E): a write of a
 * shared interrupt's number raises it. Found by ACPI's MADT or the device tree. */
#include "arch/aarch64/host/gic.h"
#include "arch/aarch64/host/host.h"
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "mm/kernel_map.h"

#define FRAME_SIZE       0x1000
#define MSI_TYPER        0x008
#define MSI_SETSPI_NS    0x040
#define TYPER_BASE(v)    ((v) >> 16 & 0x3ff)
#define TYPER_COUNT(v)   ((v)&0x3ff)
#define FLAG_COUNTS_HERE 1u
#define SPI_FIRST        32u

static struct {
    hpa_t frame;
    uint32_t next, end; /* shared interrupts that are not in use */
} v2m;

/* `base` and `count` of 0: the frame's register says them. */
static void use_frame(hpa_t frame, uint32_t base, uint32_t count)
{
    char *registers = kernel_map_device(frame, FRAME_SIZE, PT_READ | PT_WRITE | PT_DEVICE);

    if (!registers)
        return;
    if (!base || !count) {
        uint32_t type = mmio_read32(registers + MSI_TYPER);
        base = TYPER_BASE(type);
        count = TYPER_COUNT(type);
    }
    kernel_unmap_device(registers, FRAME_SIZE);
    if (base < SPI_FIRST || base >= gic.lines)
        return;
    v2m.frame = frame;
    v2m.next = base;
    v2m.end = MIN(base + count, gic.lines);
}

static void find_by_acpi(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_gic_msi_frame *f =
            ACPI_SUBTABLE_AS(s, struct acpi_madt_gic_msi_frame);

        if (s->type != ACPI_MADT_GIC_MSI_FRAME || !f || v2m.end)
            continue;
        if (f->flags & FLAG_COUNTS_HERE)
            use_frame(HPA(f->address), f->spi_base, f->spi_count);
        else
            use_frame(HPA(f->address), 0, 0);
    }
}

static void find_by_fdt(void)
{
    int node = fdt_next_compatible(-1, "arm,gic-v2m-frame");
    hpa_t frame;
    uint64_t size;

    if (node >= 0 && fdt_reg(node, 0, &frame, &size) == ERR_OK && size >= FRAME_SIZE)
        use_frame(frame, fdt_u32(node, "arm,msi-base-spi", 0),
                  fdt_u32(node, "arm,msi-num-spis", 0));
}

void gicv2m_init(void)
{
    if (acpi_present())
        find_by_acpi();
    else
        find_by_fdt();
}

enum err gicv2m_message(struct cpu *cpu, unsigned *irq, struct host_message *m)
{
    if (!v2m.end)
        return ERR_UNSUPPORTED;
    uint32_t spi = __atomic_fetch_add(&v2m.next, 1, __ATOMIC_RELAXED);
    if (spi >= v2m.end) {
        __atomic_fetch_sub(&v2m.next, 1, __ATOMIC_RELAXED);
        return ERR_NO_MEMORY;
    }
    *irq = spi;
    *m = (struct host_message){v2m.frame.v + MSI_SETSPI_NS, spi};
    return host_irq_route(spi, IRQ_EDGE, cpu);
}
