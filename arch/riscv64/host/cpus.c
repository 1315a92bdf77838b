/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Harts: which there are and what they can do, by ACPI (MADT RINTC and RHCT) or the device tree
 * (/cpus), and how they are started (SBI HSM).
 */
#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "host_internal.h"
#include "isa.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"
#include "mm/page.h"
#include "sbi.h"

#include <libfdt.h>
#include <string.h>

#define ISA_STRING_SIZE 512

static struct hart *harts;
static unsigned hart_count, hart_room;
static uint64_t timebase_hz;
static char isa_string[ISA_STRING_SIZE]; /* of the boot CPU */

unsigned cpus_hart_count(void)
{
    return hart_count;
}

struct hart *cpus_hart(unsigned index)
{
    return &harts[index];
}

struct hart *cpus_hart_by_id(uint64_t id)
{
    for (unsigned i = 0; i < hart_count; i++)
        if (harts[i].id == id)
            return &harts[i];
    return NULL;
}

struct hart *cpus_hart_by_intc(int node)
{
    for (unsigned i = 0; i < hart_count; i++)
        if (node >= 0 && harts[i].fdt_intc == node)
            return &harts[i];
    return NULL;
}

const char *cpus_isa_string(void)
{
    return isa_string;
}

uint64_t cpus_timebase_hz(void)
{
    return timebase_hz;
}

/* A new hart, unless the tables name it twice or there are too many. */
static struct hart *hart_add(uint64_t id)
{
    if (hart_count == hart_room || cpus_hart_by_id(id))
        return NULL;
    harts[hart_count] = (struct hart){.id = id, .fdt_intc = -1, .plic_context = UINT32_MAX};
    return &harts[hart_count++];
}

static void keep_isa_string(const struct hart *hart, const char *string)
{
    if (hart->id == cpu_boot()->hw_id && string)
        strlcpy(isa_string, string, sizeof(isa_string));
}

/* ---- ACPI ---- */

/* The node of `type` that the RHCT's hart node of `uid` refers to, or NULL. */
static const struct acpi_node *rhct_node(const struct acpi_rhct *rhct, uint32_t uid,
                                         enum acpi_rhct_type type)
{
    ACPI_FOR_EACH_NODE(n, rhct, rhct->node_offset)
    {
        const struct acpi_rhct_hart *hart = ACPI_NODE_AS(n, struct acpi_rhct_hart);

        if (n->type != ACPI_RHCT_HART || !hart || hart->uid != uid)
            continue;
        for (unsigned i = 0; i < hart->offset_count && sizeof(*hart) + 4 * (i + 1u) <= n->length;
             i++) {
            const struct acpi_node *node = acpi_node_at(&rhct->header, hart->offsets[i]);

            if (node && node->type == type)
                return node;
        }
    }
    return NULL;
}

/* Its ISA string, NUL-terminated inside its node, or NULL. */
static const char *rhct_isa(const struct acpi_rhct *rhct, uint32_t uid)
{
    const struct acpi_node *node = rhct_node(rhct, uid, ACPI_RHCT_ISA);
    const struct acpi_rhct_isa *isa = node ? ACPI_NODE_AS(node, struct acpi_rhct_isa) : NULL;

    return isa && memchr(isa->isa, 0, node->length - sizeof(*isa)) ? isa->isa : NULL;
}

/* A block is a power of two inside a page. */
static uint32_t block_size(uint64_t size)
{
    return size && size <= PAGE_SIZE && !(size & (size - 1)) ? (uint32_t)size : 0;
}

static struct cbo_blocks rhct_blocks(const struct acpi_rhct *rhct, uint32_t uid)
{
    const struct acpi_node *node = rhct_node(rhct, uid, ACPI_RHCT_CMO);
    const struct acpi_rhct_cmo *cmo = node ? ACPI_NODE_AS(node, struct acpi_rhct_cmo) : NULL;

    if (!cmo)
        return (struct cbo_blocks){0};
    return (struct cbo_blocks){.manage = block_size(1ULL << (cmo->cbom_shift & 63)),
                               .zero = block_size(1ULL << (cmo->cboz_shift & 63))};
}

static void acpi_hart(const struct acpi_madt_rintc *r, const struct acpi_rhct *rhct)
{
    struct hart *hart;
    const char *isa = rhct ? rhct_isa(rhct, r->uid) : NULL;

    if (!(r->flags & ACPI_CPU_ENABLED))
        return;
    hart = hart_add(r->hart_id);
    if (!hart)
        return;
    hart->acpi_uid = r->uid;
    hart->features = isa ? isa_parse(isa) : 0;
    if (rhct)
        hart->cbo = rhct_blocks(rhct, r->uid);
    if (ACPI_HAS(r, r->subtable.length, controller_id))
        hart->controller = r->controller_id;
    if (ACPI_HAS(r, r->subtable.length, imsic_size)) {
        hart->imsic = r->imsic_address;
        hart->imsic_size = r->imsic_size;
    }
    keep_isa_string(hart, isa);
}

static void acpi_harts(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");
    const struct acpi_rhct *rhct = ACPI_FIND(struct acpi_rhct, "RHCT");

    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        if (s->type == ACPI_MADT_RINTC && s->length >= ACPI_MADT_RINTC_MIN)
            acpi_hart((const struct acpi_madt_rintc *)s, rhct);
    }
    if (rhct)
        timebase_hz = rhct->timebase_hz;
}

/* ---- Device tree ---- */

/* riscv,isa-extensions, a list of names, is the newer form and wins; the string is put together
 * from it. */
static void fdt_isa(int node, struct hart *hart)
{
    const char *text = fdt_text(node, "riscv,isa");
    int length;
    const char *list = fdt_getprop(fdt_blob(), node, "riscv,isa-extensions", &length);

    if (text)
        hart->features = isa_parse(text);
    keep_isa_string(hart, text);
    for (int at = 0; list && at < length; at += (int)strnlen(list + at, (size_t)(length - at)) + 1)
        hart->features |= isa_extension(list + at, strnlen(list + at, (size_t)(length - at)));
}

static int fdt_intc(int cpu)
{
    int child;

    fdt_for_each_subnode(child, fdt_blob(), cpu)
    {
        if (fdt_is_compatible(child, "riscv,cpu-intc"))
            return child;
    }
    return -1;
}

static void fdt_harts(void)
{
    const void *fdt = fdt_blob();
    int cpus = fdt_path_offset(fdt, "/cpus"), node;

    if (cpus < 0)
        return;
    timebase_hz = fdt_u64(cpus, "timebase-frequency", 0);
    fdt_for_each_subnode(node, fdt, cpus)
    {
        const char *type = fdt_text(node, "device_type");
        uint64_t id, size;
        struct hart *hart;

        if (!type || strcmp(type, "cpu") != 0 || !fdt_enabled(node))
            continue;
        if (!fdt_text(node, "mmu-type") || fdt_reg_raw(node, 0, &id, &size) != ERR_OK)
            continue; /* a monitor core without S-mode */
        hart = hart_add(id);
        if (!hart)
            continue;
        fdt_isa(node, hart);
        hart->cbo.manage = block_size(fdt_u32(node, "riscv,cbom-block-size", 0));
        hart->cbo.zero = block_size(fdt_u32(node, "riscv,cboz-block-size", 0));
        hart->fdt_intc = fdt_intc(node);
        if (!timebase_hz)
            timebase_hz = fdt_u64(node, "timebase-frequency", 0);
    }
}

uint64_t cpus_common_features(void)
{
    uint64_t common = UINT64_MAX;

    for (unsigned i = 0; i < hart_count; i++)
        common &= harts[i].features;
    return common;
}

struct cbo_blocks cpus_common_blocks(void)
{
    struct cbo_blocks common = hart_count ? harts[0].cbo : (struct cbo_blocks){0};

    for (unsigned i = 1; i < hart_count; i++) {
        common.manage = harts[i].cbo.manage == common.manage ? common.manage : 0;
        common.zero = harts[i].cbo.zero == common.zero ? common.zero : 0;
    }
    return common;
}

enum err cpus_init(void)
{
    struct hart *boot;

    harts = heap_zalloc_array(CPU_MAX, sizeof(*harts));
    if (!harts)
        return ERR_NO_MEMORY;
    hart_room = CPU_MAX;
    if (acpi_present())
        acpi_harts();
    if (hart_count == 0 && fdt_blob())
        fdt_harts();
    boot = cpus_hart_by_id(cpu_boot()->hw_id);
    if (!boot) {
        log_warn("the firmware's tables do not list the running CPU (hart %lu): it runs alone",
                 cpu_boot()->hw_id);
        hart_count = 0;
        boot = hart_add(cpu_boot()->hw_id);
    }
    boot->cpu = cpu_boot();
    cpu_boot()->host.features = boot->features;
    paging_set_features(cpus_common_features());
    return ERR_OK;
}

void host_cpu_enumerate(void (*found)(uint64_t hw_id, void *arg), void *arg)
{
    found(cpu_boot()->hw_id, arg);
    if (!sbi_has(SBI_EXT_HSM)) {
        log_warn("the firmware cannot start other CPUs (no SBI HSM extension)");
        return;
    }
    for (unsigned i = 0; i < hart_count; i++)
        if (harts[i].id != cpu_boot()->hw_id)
            found(harts[i].id, arg);
}

/* Physical address of a heap object or of something in the image. */
static hpa_t any_phys(const void *p)
{
    const struct host_layout *l = host_layout();

    if ((uint64_t)p - l->direct_map_base < l->direct_map_size)
        return virt_to_phys(p);
    return paging_image_phys(p);
}

enum err host_cpu_start(struct cpu *cpu)
{
    struct hart *hart = cpus_hart_by_id(cpu->hw_id);
    struct sbi_result r;

    if (!hart)
        return ERR_NOT_FOUND;
    if (!cpu->host.emergency_stack)
        cpu->host.emergency_stack = kernel_stack_alloc();
    if (!cpu->host.emergency_stack)
        return ERR_NO_MEMORY;
    cpu->host.emergency_top = (uint64_t)cpu->host.emergency_stack + THREAD_STACK_SIZE;
    cpu->host.features = hart->features;
    cpu->host.start = (struct host_start){.satp = paging_satp(),
                                          .entry = (uint64_t)host_secondary_virtual,
                                          .cpu = (uint64_t)cpu,
                                          .stack_top = cpu->idle->stack_base + THREAD_STACK_SIZE};
    hart->cpu = cpu;
    host_barrier_full();
    r = sbi_call(SBI_EXT_HSM, SBI_HSM_START, cpu->hw_id, paging_image_phys(host_secondary_entry).v,
                 any_phys(&cpu->host.start).v, 0);
    if (r.error) {
        log_warn("CPU %u (hart %lu) cannot be started: SBI error %ld", cpu->id, cpu->hw_id,
                 r.error);
        return ERR_IO;
    }
    return ERR_OK;
}

void host_secondary_main(struct cpu *cpu)
{
    cpu_secondary_main(cpu);
}
