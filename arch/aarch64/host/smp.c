/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* CPUs: found in ACPI's MADT or the device tree, started by PSCI. */
#include "arch/aarch64/host/smp.h"
#include "arch/aarch64/host/host.h"
#include "arch/aarch64/host/speculation.h"
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

#include <libfdt.h>

extern char secondary_entry[], secondary_end[], secondary_high[];
/* The kernel's tables for those that start: read by secondary_high(). */
uint64_t secondary_root __attribute__((visibility("hidden")));
void secondary_start(struct cpu *cpu);

/* Tables that secondary CPUs start on: the page of secondary_entry one to one. */
static struct page_table start_tables;
static struct cpu_start *start_records;
static unsigned enumerated;

typedef void (*found_fn)(uint64_t hw_id, void *arg);

static void report_cpu(uint64_t mpidr, found_fn found, void *arg)
{
    mpidr &= MPIDR_AFFINITY;
    if (mpidr == this_cpu()->hw_id)
        return;
    enumerated++;
    found(mpidr, arg);
}

static void enumerate_acpi(found_fn found, void *arg)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_gicc *c = (const struct acpi_madt_gicc *)s;

        if (s->type == ACPI_MADT_GICC && s->length >= ACPI_MADT_GICC_MIN &&
            c->flags & ACPI_CPU_ENABLED)
            report_cpu(c->mpidr, found, arg);
    }
}

static bool is_cpu_node(int node)
{
    const char *type = fdt_text(node, "device_type");

    return type && type[0] == 'c' && type[1] == 'p' && type[2] == 'u' && !type[3] &&
           fdt_enabled(node);
}

static void enumerate_fdt(found_fn found, void *arg)
{
    const void *blob = fdt_blob();
    int cpus = blob ? fdt_path_offset(blob, "/cpus") : -1;
    uint64_t mpidr, size;
    int node;

    if (cpus < 0)
        return;
    fdt_for_each_subnode(node, blob, cpus) if (is_cpu_node(node) &&
                                               fdt_reg_raw(node, 0, &mpidr, &size) == ERR_OK)
        report_cpu(mpidr, found, arg);
}

void host_cpu_enumerate(found_fn found, void *arg)
{
    enumerated = 1;
    found(this_cpu()->hw_id, arg);
    if (acpi_present())
        enumerate_acpi(found, arg);
    else
        enumerate_fdt(found, arg);
}

static enum err prepare_start(void)
{
    hpa_t entry = image_to_phys(secondary_entry), records;
    unsigned order = 0;
    enum err err;

    if (start_records)
        return ERR_OK;
    err = page_table_init(&start_tables, host_pt_format(), NULL);
    if (err != ERR_OK)
        return err;
    err = page_table_map(&start_tables, entry.v, entry, PAGE_SIZE, PT_READ | PT_EXEC);
    if (err != ERR_OK)
        return err;
    paging_share_kernel(&start_tables);
    while ((PAGE_SIZE << order) < enumerated * sizeof(struct cpu_start))
        order++;
    records = page_alloc(order, PAGE_ZERO);
    if (!records.v)
        return ERR_NO_MEMORY;
    secondary_root = kernel_map_root().v;
    /* Fetched with the MMU off, hence from memory. */
    cache_clean(secondary_entry, (size_t)(secondary_end - secondary_entry));
    start_records = phys_to_virt(records);
    return ERR_OK;
}

enum err host_cpu_start(struct cpu *cpu)
{
    enum err err = prepare_start();
    struct cpu_start *s;
    void *emergency;

    if (err != ERR_OK)
        return err;
    if (cpu->id >= enumerated)
        return ERR_RANGE;
    emergency = kernel_stack_alloc();
    if (!emergency)
        return ERR_NO_MEMORY;
    cpu->host.emergency_top = (uint64_t)emergency + THREAD_STACK_SIZE;
    s = &start_records[cpu->id];
    *s = (struct cpu_start){
        .hcr = cpu_hcr(),
        .mair = MAIR_VALUE,
        .tcr = paging_tcr(),
        .ttbr0 = start_tables.root.v,
        .ttbr1 = kernel_map_root().v,
        .sctlr = paging_sctlr(),
        .cpu = (uint64_t)cpu,
        .stack_top = cpu->idle->stack_base + THREAD_STACK_SIZE,
        .entry = (uint64_t)secondary_high,
        .vectors = (uint64_t)host_vectors,
    };
    cache_clean(s, sizeof(*s));
    return psci_cpu_on(cpu->hw_id, image_to_phys(secondary_entry), virt_to_phys(s).v);
}

/* On the idle thread's stack and the kernel's own tables. */
void secondary_start(struct cpu *cpu)
{
    kernel_map_cpu_init();
    cpu_controls_init();
    cpu_secondary_main(cpu);
}

void host_cpu_init(struct cpu *cpu)
{
    if (gic_cpu_init(cpu) != ERR_OK)
        host_halt();
    arm_timer_cpu_init();
    speculation_cpu_init();
}
