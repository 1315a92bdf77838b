/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Finding the other CPUs in the MADT and starting them by INIT and start-up IPIs: SDM 3, 9.4.4. */
#include <string.h>
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/descriptors.h"
#include "arch/x86_64/host/msr.h"
#include "drivers/acpi.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

#define INIT_DELAY_US     10 /* P6 and later need none; older CPUs 10 ms */
#define INIT_DELAY_OLD_US 10000
#define STARTUP_WAIT_US   300 /* before the second start-up IPI */
#define FAMILY_P6         6
#define KERNEL_ROOT_FIRST 256 /* entries of the root table from here on are the kernel's half */

/* The end of the page of trampoline.S. */
struct x86_trampoline_fields {
    uint32_t tables;
    uint16_t gdt_limit;
    uint32_t gdt_base;
    uint16_t pad;
    uint32_t long_offset;
    uint16_t long_selector;
    uint8_t pad2[6];
    uint64_t records;
    uint64_t entry;
    uint32_t gdt_start;  /* offset of the GDT in the page */
    uint32_t long_start; /* offset of the 64-bit code */
} PACKED;

/* One for each CPU that was asked to start; the CPU finds its own by APIC id. Offsets are known to
 * entry.S. */
struct x86_start {
    uint64_t apic_id;
    struct x86_start *next;
    uint64_t stack_top;
    struct cpu *cpu;
    uint64_t awake; /* the CPU arrived */
};

extern const uint8_t x86_trampoline_start[], x86_trampoline_end[], x86_trampoline_fields[];
void x86_secondary_entry(void);
void x86_secondary_main(struct cpu *cpu);

static struct x86_start *starts; /* only grows, while the boot CPU starts others */
static hpa_t trampoline;         /* 0: not made yet */

static void enumerate_madt(const struct acpi_madt *madt, uint64_t boot,
                           void (*found)(uint64_t, void *), void *arg)
{
    bool x2apic = !strcmp(apic_mode_name(), "x2APIC");

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_local_apic *l = ACPI_SUBTABLE_AS(s, struct acpi_madt_local_apic);
        const struct acpi_madt_x2apic *x = ACPI_SUBTABLE_AS(s, struct acpi_madt_x2apic);
        uint64_t id;

        if (s->type == ACPI_MADT_LOCAL_APIC && l && (l->flags & ACPI_CPU_ENABLED))
            id = l->apic_id;
        else if (s->type == ACPI_MADT_X2APIC && x && (x->flags & ACPI_CPU_ENABLED))
            id = x->x2apic_id;
        else
            continue;
        if (id > XAPIC_ID_MAX && !x2apic)
            log_warn("CPU with APIC id %llu is not used: it needs x2APIC mode",
                     (unsigned long long)id);
        else if (id != boot)
            found(id, arg);
    }
}

void host_cpu_enumerate(void (*found)(uint64_t hw_id, void *arg), void *arg)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");
    uint64_t boot = apic_id_read();

    found(boot, arg);
    if (madt)
        enumerate_madt(madt, boot, found, arg);
}

/* Page tables below 4 GiB for the way to long mode: the kernel's half, and the trampoline's page at
 * its own address. */
static uint32_t start_tables(void)
{
    hpa_t root = page_alloc(0, PAGE_BELOW_4G | PAGE_ZERO);
    struct page_table low;
    uint64_t *entries;

    if (!root.v)
        return 0;
    if (page_table_init(&low, host_pt_format(), NULL) != ERR_OK ||
        page_table_map(&low, trampoline.v, trampoline, PAGE_SIZE, PT_READ | PT_EXEC) != ERR_OK) {
        page_free(root, 0);
        return 0;
    }
    entries = phys_to_virt(root);
    memcpy(entries, phys_to_virt(low.root), PAGE_SIZE / 2);
    memcpy(entries + KERNEL_ROOT_FIRST,
           (uint64_t *)phys_to_virt(kernel_map_root()) + KERNEL_ROOT_FIRST, PAGE_SIZE / 2);
    return (uint32_t)root.v;
}

static enum err trampoline_make(void)
{
    size_t size = (size_t)(x86_trampoline_end - x86_trampoline_start);
    struct x86_trampoline_fields *f;
    uint32_t tables;
    uint8_t *page;

    trampoline = page_alloc(0, PAGE_BELOW_1M | PAGE_ZERO);
    if (!trampoline.v) {
        log_warn("no free memory below 1 MiB: the other CPUs cannot be started");
        return ERR_NO_MEMORY;
    }
    tables = start_tables();
    if (!tables) {
        page_free(trampoline, 0);
        trampoline = HPA(0);
        return ERR_NO_MEMORY;
    }
    page = phys_to_virt(trampoline);
    memcpy(page, x86_trampoline_start, size);
    f = (struct x86_trampoline_fields *)(page + (x86_trampoline_fields - x86_trampoline_start));
    f->tables = tables;
    f->gdt_base = (uint32_t)trampoline.v + f->gdt_start;
    f->long_offset = (uint32_t)trampoline.v + f->long_start;
    f->records = (uint64_t)(uintptr_t)&starts;
    f->entry = (uint64_t)(uintptr_t)x86_secondary_entry;
    return ERR_OK;
}

static void delay_us(uint64_t us)
{
    uint64_t end = host_counter() + host_counter_hz() / 1000000 * us;

    while (host_counter() < end)
        host_cpu_relax();
}

static bool awake_within(struct x86_start *s, uint64_t us)
{
    uint64_t end = host_counter() + host_counter_hz() / 1000000 * us;

    while (!__atomic_load_n(&s->awake, __ATOMIC_ACQUIRE)) {
        if (host_counter() >= end)
            return false;
        host_cpu_relax();
    }
    return true;
}

static void start_ipis(struct x86_start *s)
{
    uint32_t id = (uint32_t)s->apic_id;
    unsigned page = (unsigned)(trampoline.v >> PAGE_SHIFT);
    bool old = cpu_features()->family < FAMILY_P6;

    apic_send_init(id);
    delay_us(old ? INIT_DELAY_OLD_US : INIT_DELAY_US);
    apic_send_startup(id, page);
    if (!awake_within(s, STARTUP_WAIT_US))
        apic_send_startup(id, page);
}

enum err host_cpu_start(struct cpu *cpu)
{
    struct x86_start *s;
    enum err e = ERR_OK;

    if (!trampoline.v)
        e = trampoline_make();
    if (e == ERR_OK)
        e = descriptors_prepare(cpu);
    if (e != ERR_OK)
        return e;
    s = heap_zalloc(sizeof(*s));
    if (!s)
        return ERR_NO_MEMORY;
    s->apic_id = cpu->hw_id;
    s->cpu = cpu;
    s->stack_top = cpu->idle->stack_base + THREAD_STACK_SIZE;
    s->next = starts;
    cpu->host.apic_id = (uint32_t)cpu->hw_id;
    __atomic_store_n(&starts, s, __ATOMIC_RELEASE);
    start_ipis(s);
    return ERR_OK;
}

static void mark_awake(const struct cpu *cpu)
{
    for (struct x86_start *s = starts; s; s = s->next) {
        if (s->cpu == cpu)
            __atomic_store_n(&s->awake, 1, __ATOMIC_RELEASE);
    }
}

/* First C code of another CPU, on its idle thread's stack, with the start-up tables. */
void x86_secondary_main(struct cpu *cpu)
{
    mark_awake(cpu);
    descriptors_load(cpu);
    cpu_registers_init();
    kernel_map_cpu_init();
    cpu_secondary_main(cpu);
}
