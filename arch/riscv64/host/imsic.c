/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The incoming MSI controller (RISC-V AIA 1.0, chapter 3): one file of interrupt identities for
 * each hart's S-mode. Identity 1 carries IPIs; identity n + LINE_BASE carries wired line n, which
 * the APLIC forwards as a message; the last ones carry messages of devices.
 */
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "host_internal.h"
#include "isa.h"
#include "kernel/irq.h"
#include "kernel/log.h"
#include "mm/kernel_map.h"

#include <libfdt.h>

/* Indirect registers (3.8). */
#define EIDELIVERY            0x70
#define EITHRESHOLD           0x72
#define EIE0                  0xc0 /* 64 identities in each even register */
#define STOPEI_IDENTITY_SHIFT 16

#define IMSIC_FILE_SIZE 4096
#define IPI_IDENTITY    1
#define LINE_BASE       1 /* identity = line + LINE_BASE */
#define IDENTITIES_MAX  2047u

static unsigned identity_count; /* identities run from 1 to this */
static unsigned guest_identity_count;
static bool wired; /* an APLIC forwards wired lines */

static void indirect_write(uint64_t reg, uint64_t value)
{
    uint64_t flags = host_irq_save();

    csr_write(CSR_SISELECT, reg);
    csr_write(CSR_SIREG, value);
    host_irq_restore(flags);
}

static void identity_enable(void *arg)
{
    uint64_t identity = (uint64_t)arg;
    uint64_t flags = host_irq_save();

    csr_write(CSR_SISELECT, EIE0 + identity / 64 * 2);
    csr_set(CSR_SIREG, BIT(identity % 64));
    host_irq_restore(flags);
}

static enum err imsic_route(unsigned irq, enum irq_trigger trigger, struct cpu *cpu)
{
    const struct hart *hart = cpus_hart_by_id(cpu->hw_id);
    uint64_t identity = irq + LINE_BASE;
    enum err e;

    if (!wired || !hart || !cpu->host.imsic)
        return ERR_UNSUPPORTED;
    if (irq == 0 || irq >= aplic_source_count() || identity > identity_count)
        return ERR_RANGE;
    e = aplic_route(irq, trigger, (unsigned)identity, hart);
    if (e == ERR_OK)
        cpu_call(cpu, identity_enable, (void *)identity, true);
    return e;
}

/* Identities of messages are taken from the top: wired lines have the lower ones. The register of
 * a file is that of SETEIPNUM_LE (3.5). */
static enum err imsic_message(struct cpu *cpu, unsigned *irq, struct host_message *m)
{
    static uint32_t taken;
    const struct hart *hart = cpus_hart_by_id(cpu->hw_id);
    unsigned wired_last = LINE_BASE + (wired ? aplic_source_count() : 1);
    uint32_t back = __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);

    if (!hart || !cpu->host.imsic)
        return ERR_UNSUPPORTED;
    if (back >= identity_count || identity_count - back <= wired_last)
        return ERR_NO_MEMORY;
    *irq = identity_count - back - LINE_BASE;
    *m = (struct host_message){hart->imsic, identity_count - back};
    cpu_call(cpu, identity_enable, (void *)(uint64_t)m->data, true);
    return ERR_OK;
}

static void imsic_mask(unsigned irq)
{
    if (wired && irq != 0 && irq < aplic_source_count())
        aplic_mask(irq, true);
}

static void imsic_unmask(unsigned irq)
{
    if (wired && irq != 0 && irq < aplic_source_count())
        aplic_mask(irq, false);
}

static void imsic_cpu_init(struct cpu *cpu)
{
    const struct hart *hart = cpus_hart_by_id(cpu->hw_id);

    if (!hart || !hart->imsic)
        return;
    if (!cpu->host.imsic)
        cpu->host.imsic =
            kernel_map_device(HPA(hart->imsic), MAX(hart->imsic_size, (uint32_t)IMSIC_FILE_SIZE),
                              PT_READ | PT_WRITE | PT_DEVICE);
    cpu->host.external_base = hart->imsic;
    for (unsigned first = 0; first <= identity_count; first += 64)
        indirect_write(EIE0 + first / 32, first == 0 ? BIT(IPI_IDENTITY) : 0);
    indirect_write(EITHRESHOLD, 0);
    indirect_write(EIDELIVERY, 1);
}

static bool imsic_ipi(struct cpu *cpu)
{
    if (!cpu->host.imsic)
        return false;
    mmio_write32(cpu->host.imsic, IPI_IDENTITY);
    return true;
}

/* A level line that is still up after its handlers ran sends no new message by itself (AIA 4.9.2).
 */
static void line_interrupt(unsigned irq)
{
    irq_dispatch(irq);
    aplic_resample(irq);
}

static void imsic_interrupt(void)
{
    uint64_t top;

    while ((top = csr_swap(CSR_STOPEI, 0) >> STOPEI_IDENTITY_SHIFT) != 0) {
        if (top == IPI_IDENTITY)
            irq_take_ipis();
        else
            line_interrupt((unsigned)top - LINE_BASE);
    }
}

static const struct irq_controller imsic = {.name = "IMSIC",
                                            .route = imsic_route,
                                            .mask = imsic_mask,
                                            .unmask = imsic_unmask,
                                            .message = imsic_message,
                                            .cpu_init = imsic_cpu_init,
                                            .interrupt = imsic_interrupt,
                                            .ipi = imsic_ipi};

static bool imsic_probe_acpi(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_imsic *i = ACPI_SUBTABLE_AS(s, struct acpi_madt_imsic);

        if (s->type == ACPI_MADT_IMSIC && i) {
            identity_count = i->id_count;
            guest_identity_count = i->guest_id_count;
        }
    }
    return identity_count != 0;
}

/* Where the file of the hart with `index` in a group of the range at `base` is: guest files follow
 * each S-mode file (3.6). */
static void fdt_files(int node, hpa_t base, uint64_t size)
{
    uint64_t stride = (uint64_t)IMSIC_FILE_SIZE << fdt_u32(node, "riscv,guest-index-bits", 0);
    uint32_t cause;

    for (unsigned i = 0; fdt_cell(node, "interrupts-extended", 2 * i + 1, &cause); i++) {
        struct hart *hart = cpus_hart_by_intc(fdt_phandle(node, "interrupts-extended", 2 * i));

        if (hart && (i + 1) * stride <= size) {
            hart->imsic = base.v + i * stride;
            hart->imsic_size = (uint32_t)stride;
        }
    }
}

/* The tree lists the machine's and the supervisor's files: the latter's interrupts are cause 9. One
 * group of harts. */
static bool imsic_probe_fdt(void)
{
    uint32_t cause;
    hpa_t base;
    uint64_t size;

    for (int node = -1; (node = fdt_next_compatible(node, "riscv,imsics")) >= 0;) {
        if (!fdt_cell(node, "interrupts-extended", 1, &cause) || cause != IRQ_S_EXT)
            continue;
        if (fdt_reg(node, 0, &base, &size) != ERR_OK ||
            fdt_u32(node, "riscv,group-index-bits", 0) != 0)
            continue;
        identity_count = fdt_u32(node, "riscv,num-ids", 0);
        guest_identity_count = fdt_u32(node, "riscv,num-guest-ids", identity_count);
        fdt_files(node, base, size);
        return identity_count != 0;
    }
    return false;
}

unsigned imsic_guest_files(void)
{
    unsigned least = UINT32_MAX;

    for (unsigned i = 0; i < cpus_hart_count(); i++) {
        const struct hart *hart = cpus_hart(i);

        least = MIN(least, hart->imsic && hart->imsic_size >= IMSIC_FILE_SIZE
                               ? hart->imsic_size / IMSIC_FILE_SIZE - 1
                               : 0u);
    }
    return cpu_boot()->host.imsic ? least : 0;
}

unsigned imsic_guest_identities(void)
{
    return MIN(guest_identity_count, IDENTITIES_MAX);
}

const struct irq_controller *imsic_probe(void)
{
    const struct hart *boot = cpus_hart_by_id(cpu_boot()->hw_id);

    if (!(cpu_boot()->host.features & BIT(ISA_SSAIA)) &&
        !(cpu_boot()->host.features & BIT(ISA_SMAIA)))
        return NULL;
    if (!imsic_probe_acpi() && !(fdt_blob() && imsic_probe_fdt()))
        return NULL;
    if (!boot->imsic)
        return NULL;
    identity_count = MIN(identity_count, IDENTITIES_MAX);
    wired = aplic_init();
    if (!wired)
        log_warn("the IMSIC has no APLIC that forwards wired lines: devices on wires are polled");
    return &imsic;
}
