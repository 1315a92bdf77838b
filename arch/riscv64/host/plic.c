/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The platform-level interrupt controller (RISC-V PLIC 1.0.0). One context for each hart's S-mode
 * external interrupt: found by the device tree's interrupts-extended, or by the MADT's RINTC
 * entries.
 */
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "host_internal.h"
#include "kernel/irq.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "mm/kernel_map.h"

#include <libfdt.h>

/* Chapter "Memory map". */
#define PLIC_PRIORITY(source)        (4UL * (source))
#define PLIC_ENABLE(context, source) (0x2000UL + 0x80UL * (context) + (source) / 32 * 4)
#define PLIC_THRESHOLD(context)      (0x200000UL + 0x1000UL * (context))
#define PLIC_CLAIM(context)          (0x200004UL + 0x1000UL * (context))
#define PLIC_SOURCES_MAX             1024
#define PLIC_PRIORITY_ON             1

static char *registers;
static uint64_t registers_size;
static unsigned source_count;

LOCK_CLASS(plic_class, "PLIC", RANK_IRQ);
static struct spinlock plic_lock = SPINLOCK_INIT(&plic_class);

static bool valid(unsigned irq)
{
    return irq != 0 && irq < source_count;
}

/* Enables `irq` in `cpu`'s context (NULL: in none) and disables it in all the others. */
static void plic_enable_only(unsigned irq, const struct cpu *cpu)
{
    uint64_t flags = spin_lock_irq(&plic_lock);

    for (unsigned i = 0; i < cpus_hart_count(); i++) {
        const struct hart *hart = cpus_hart(i);
        char *word = registers + PLIC_ENABLE(hart->plic_context, irq);
        uint32_t old;

        if (hart->plic_context == UINT32_MAX)
            continue;
        old = mmio_read32(word);
        mmio_write32(word, cpu && hart->id == cpu->hw_id ? old | 1u << irq % 32
                                                         : old & ~(1u << irq % 32));
    }
    spin_unlock_irq(&plic_lock, flags);
}

static enum err plic_route(unsigned irq, enum irq_trigger trigger, struct cpu *cpu)
{
    (void)trigger; /* the gateways are wired for their sources */
    if (!valid(irq))
        return ERR_RANGE;
    if (cpu->host.plic_context == UINT32_MAX)
        return ERR_UNSUPPORTED;
    plic_enable_only(irq, cpu);
    mmio_write32(registers + PLIC_PRIORITY(irq), PLIC_PRIORITY_ON);
    return ERR_OK;
}

static void plic_mask(unsigned irq)
{
    if (valid(irq))
        mmio_write32(registers + PLIC_PRIORITY(irq), 0);
}

static void plic_unmask(unsigned irq)
{
    if (valid(irq))
        mmio_write32(registers + PLIC_PRIORITY(irq), PLIC_PRIORITY_ON);
}

static void plic_cpu_init(struct cpu *cpu)
{
    const struct hart *hart = cpus_hart_by_id(cpu->hw_id);

    cpu->host.plic_context = hart ? hart->plic_context : UINT32_MAX;
    if (cpu->host.plic_context == UINT32_MAX)
        return;
    for (unsigned source = 0; source < source_count; source += 32)
        mmio_write32(registers + PLIC_ENABLE(hart->plic_context, source), 0);
    mmio_write32(registers + PLIC_THRESHOLD(hart->plic_context), 0);
}

static void plic_interrupt(void)
{
    char *claim = registers + PLIC_CLAIM(this_cpu()->host.plic_context);
    uint32_t irq;

    while ((irq = mmio_read32(claim)) != 0) {
        irq_dispatch(irq);
        mmio_write32(claim, irq);
    }
}

static const struct irq_controller plic = {.name = "PLIC",
                                           .route = plic_route,
                                           .mask = plic_mask,
                                           .unmask = plic_unmask,
                                           .cpu_init = plic_cpu_init,
                                           .interrupt = plic_interrupt};

/* A context that the register range does not hold is no context. */
static void set_context(struct hart *hart, uint32_t context)
{
    if (hart && PLIC_CLAIM((uint64_t)context) + 4 <= registers_size)
        hart->plic_context = context;
}

static const struct irq_controller *plic_map(hpa_t base, uint64_t size, unsigned sources)
{
    if (size < PLIC_CLAIM(0) + 4 || sources == 0 || sources >= PLIC_SOURCES_MAX) {
        log_warn("the PLIC's description is not usable: %lu bytes, %u sources", size, sources);
        return NULL;
    }
    registers = kernel_map_device(base, size, PT_READ | PT_WRITE | PT_DEVICE);
    registers_size = size;
    source_count = sources + 1;
    return registers ? &plic : NULL;
}

static const struct irq_controller *plic_probe_acpi(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_plic *p = ACPI_SUBTABLE_AS(s, struct acpi_madt_plic);

        if (s->type != ACPI_MADT_PLIC || !p || !plic_map(HPA(p->address), p->size, p->source_count))
            continue;
        for (unsigned i = 0; i < cpus_hart_count(); i++) {
            struct hart *hart = cpus_hart(i);

            if (ACPI_RINTC_CONTROLLER(hart->controller) == p->id)
                set_context(hart, ACPI_RINTC_CONTEXT(hart->controller));
        }
        return &plic;
    }
    return NULL;
}

static struct hart *hart_by_intc(int node)
{
    for (unsigned i = 0; i < cpus_hart_count(); i++)
        if (cpus_hart(i)->fdt_intc == node)
            return cpus_hart(i);
    return NULL;
}

static const struct irq_controller *plic_probe_fdt(void)
{
    static const char *const compatible[] = {"riscv,plic0", "sifive,plic-1.0.0", "thead,c900-plic",
                                             NULL};
    int node = fdt_next_compatible_any(-1, compatible, NULL);
    uint32_t cause;
    hpa_t base;
    uint64_t size;

    if (node < 0 || fdt_reg(node, 0, &base, &size) != ERR_OK ||
        !plic_map(base, size, fdt_u32(node, "riscv,ndev", 0)))
        return NULL;
    /* Pairs of a hart's controller and an interrupt of it; the pair's place is the context's
     * number. */
    for (unsigned context = 0; fdt_cell(node, "interrupts-extended", 2 * context + 1, &cause);
         context++)
        if (cause == IRQ_S_EXT)
            set_context(hart_by_intc(fdt_phandle(node, "interrupts-extended", 2 * context)),
                        context);
    return &plic;
}

const struct irq_controller *plic_probe(void)
{
    const struct irq_controller *found = acpi_present() ? plic_probe_acpi() : NULL;

    if (!found && fdt_blob())
        found = plic_probe_fdt();
    return found;
}
