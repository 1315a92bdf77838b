/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The advanced platform-level interrupt controller in MSI mode (RISC-V AIA 1.0, chapter 4): wired
 * lines become messages to an IMSIC. */
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "host_internal.h"
#include "kernel/irq.h"
#include "kernel/log.h"
#include "mm/kernel_map.h"

/* 4.5, memory map of a domain. */
#define APLIC_DOMAINCFG      0x0000
#define APLIC_SOURCECFG(irq) (4UL * (irq))
#define APLIC_SETIPNUM       0x1cdc
#define APLIC_SETIENUM       0x1edc
#define APLIC_CLRIENUM       0x1fdc
#define APLIC_TARGET(irq)    (0x3000UL + 4UL * (irq))
#define APLIC_SIZE_MIN       0x4000
#define DOMAINCFG_IE         0x100u
#define DOMAINCFG_DM_MSI     0x4u
#define SOURCECFG_EDGE_RISE  4u
#define SOURCECFG_LEVEL_HIGH 6u
#define SOURCECFG_LEVEL_LOW  7u
#define TARGET_HART_SHIFT    18
#define APLIC_SOURCES_MAX    1024

static char *registers;
static unsigned source_count;
static uint8_t triggers[APLIC_SOURCES_MAX];

static bool map(hpa_t base, uint64_t size, unsigned sources)
{
    if (size < APLIC_SIZE_MIN || sources == 0 || sources >= APLIC_SOURCES_MAX)
        return false;
    registers = kernel_map_device(base, size, PT_READ | PT_WRITE | PT_DEVICE);
    source_count = sources + 1;
    return registers != NULL;
}

static bool probe_acpi(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_aplic *a = ACPI_SUBTABLE_AS(s, struct acpi_madt_aplic);

        if (s->type == ACPI_MADT_APLIC && a && a->idc_count == 0 &&
            map(HPA(a->address), a->size, a->source_count))
            return true;
    }
    return false;
}

/* The supervisor's domain is the one whose messages go to the supervisor's IMSICs: the one without
 * child domains. */
static bool probe_fdt(void)
{
    hpa_t base;
    uint64_t size;
    uint32_t cell;

    for (int node = -1; (node = fdt_next_compatible(node, "riscv,aplic")) >= 0;)
        if (fdt_cell(node, "msi-parent", 0, &cell) && !fdt_cell(node, "riscv,children", 0, &cell) &&
            fdt_reg(node, 0, &base, &size) == ERR_OK &&
            map(base, size, fdt_u32(node, "riscv,num-sources", 0)))
            return true;
    return false;
}

bool aplic_init(void)
{
    if (!probe_acpi() && !(fdt_blob() && probe_fdt()))
        return false;
    mmio_write32(registers + APLIC_DOMAINCFG, DOMAINCFG_IE | DOMAINCFG_DM_MSI);
    for (unsigned irq = 1; irq < source_count; irq++)
        mmio_write32(registers + APLIC_CLRIENUM, irq);
    return true;
}

unsigned aplic_source_count(void)
{
    return source_count;
}

/* Hart indices of the target registers count the IMSIC files from the lowest on (4.9.1, set up by
 * the firmware). */
static unsigned hart_index(const struct hart *hart)
{
    unsigned index = 0;

    for (unsigned i = 0; i < cpus_hart_count(); i++)
        if (cpus_hart(i)->imsic && cpus_hart(i)->imsic < hart->imsic)
            index++;
    return index;
}

enum err aplic_route(unsigned irq, enum irq_trigger trigger, unsigned identity,
                     const struct hart *hart)
{
    uint32_t mode = trigger == IRQ_EDGE         ? SOURCECFG_EDGE_RISE
                    : trigger == IRQ_LEVEL_HIGH ? SOURCECFG_LEVEL_HIGH
                                                : SOURCECFG_LEVEL_LOW;

    triggers[irq] = (uint8_t)trigger;
    mmio_write32(registers + APLIC_SOURCECFG(irq), mode);
    mmio_write32(registers + APLIC_TARGET(irq), hart_index(hart) << TARGET_HART_SHIFT | identity);
    if (mmio_read32(registers + APLIC_SOURCECFG(irq)) != mode)
        return ERR_UNSUPPORTED; /* the line is not delegated to this domain */
    mmio_write32(registers + APLIC_SETIENUM, irq);
    return ERR_OK;
}

void aplic_mask(unsigned irq, bool masked)
{
    mmio_write32(registers + (masked ? APLIC_CLRIENUM : APLIC_SETIENUM), irq);
}

/* Writing setipnum for a level line sets its pending bit only when the line is up (4.7): then it is
 * sent again. */
void aplic_resample(unsigned irq)
{
    if (irq < source_count && triggers[irq] != IRQ_EDGE)
        mmio_write32(registers + APLIC_SETIPNUM, irq);
}
