/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The host's 4-level page tables: SDM 3, 4.5, and where things lie in the kernel's address space.
 */
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/descriptors.h"
#include "arch/x86_64/host/msr.h"
#include "arch/x86_64/host/tlb.h"
#include "boot/boot_info.h"
#include "mm/page_table.h"

#define PTE_PRESENT  BIT(0)
#define PTE_WRITE    BIT(1)
#define PTE_USER     BIT(2)
#define PTE_PWT      BIT(3) /* with our PAT: write-combining (cpu.c) */
#define PTE_PCD      BIT(4) /* with PTE_PWT: uncached */
#define PTE_ACCESSED BIT(5)
#define PTE_DIRTY    BIT(6)
#define PTE_LARGE    BIT(7) /* of levels 1 and 2 */
#define PTE_GLOBAL   BIT(8)
#define PTE_LOGGED   BIT(9) /* ignored by the CPU: PT_DIRTY_LOG */
#define PTE_NX       BIT(63)
#define PTE_ADDRESS  BITS(51, 12)

/* The range of the vmap area: 2^39 bytes, one entry of the root table. */
#define VMAP_BASE 0xffffc00000000000ULL
#define VMAP_SIZE GIB(512)

static struct host_layout layout = {.vmap_base = VMAP_BASE, .vmap_size = VMAP_SIZE};

/* Accessed and dirty are set from the start: nothing looks at them, and the CPU need not write
 * them. */
static uint64_t host_leaf(hpa_t pa, unsigned level, unsigned attrs)
{
    uint64_t pte = (pa.v & PTE_ADDRESS) | PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY;

    if (level)
        pte |= PTE_LARGE;
    if (attrs & PT_WRITE)
        pte |= PTE_WRITE;
    if (attrs & PT_USER)
        pte |= PTE_USER;
    if (attrs & PT_GLOBAL)
        pte |= PTE_GLOBAL;
    if (attrs & PT_DEVICE)
        pte |= PTE_PCD | PTE_PWT;
    else if (attrs & PT_WRITE_COMBINE)
        pte |= PTE_PWT;
    if (attrs & PT_DIRTY_LOG)
        pte |= PTE_LOGGED;
    if (!(attrs & PT_EXEC))
        pte |= PTE_NX;
    return pte;
}

static uint64_t host_table(hpa_t table)
{
    return table.v | PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED;
}

static bool host_present(uint64_t pte)
{
    return pte & PTE_PRESENT;
}

static bool host_is_leaf(uint64_t pte, unsigned level)
{
    return !level || (level <= 2 && (pte & PTE_LARGE));
}

static hpa_t host_address(uint64_t pte, unsigned level)
{
    uint64_t offset = (PAGE_SIZE << (9 * level)) - 1;

    return HPA(host_is_leaf(pte, level) ? pte & PTE_ADDRESS & ~offset : pte & PTE_ADDRESS);
}

static unsigned host_attrs(uint64_t pte, unsigned level)
{
    unsigned attrs = PT_READ;

    (void)level;
    if (pte & PTE_WRITE)
        attrs |= PT_WRITE;
    if (!(pte & PTE_NX))
        attrs |= PT_EXEC;
    if (pte & PTE_USER)
        attrs |= PT_USER;
    if (pte & PTE_GLOBAL)
        attrs |= PT_GLOBAL;
    if (pte & PTE_PCD)
        attrs |= PT_DEVICE;
    else if (pte & PTE_PWT)
        attrs |= PT_WRITE_COMBINE;
    if (pte & PTE_LOGGED)
        attrs |= PT_DIRTY_LOG;
    return attrs;
}

static void host_flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    (void)pt;
    host_tlb_flush_kernel(va, size);
}

/* An entry that was invalid is not cached by x86 (SDM 3, 4.10.2.3). */
static void host_publish(struct page_table *pt, uint64_t va, uint64_t size)
{
    (void)pt;
    (void)va;
    (void)size;
}

#define HOST_FORMAT(large)                                                                         \
    {                                                                                              \
        .name = "4-level", .levels = 4, .address_bits = 48, .max_leaf_1g = (large),                \
        .leaf = host_leaf, .table = host_table, .present = host_present, .is_leaf = host_is_leaf,  \
        .address = host_address, .attrs = host_attrs, .flush = host_flush, .publish = host_publish \
    }
static const struct pt_format format_2m = HOST_FORMAT(false);
static const struct pt_format format_1g = HOST_FORMAT(true);

const struct pt_format *host_pt_format(void)
{
    return cpu_features()->page_1g ? &format_1g : &format_2m;
}

void paging_early_init(const struct boot_info *info)
{
    layout.direct_map_base = info->direct_map_base;
    layout.direct_map_size = info->direct_map_size;
}

const struct host_layout *host_layout(void)
{
    return &layout;
}

void host_kernel_tables_load(hpa_t root)
{
    cr3_write(root.v);
    descriptors_set_tables(this_cpu(), root.v);
    tlb_join(this_cpu());
}

/* Instruction fetch is coherent with stores on x86 (SDM 3, 8.1.3: a serializing instruction comes
 * before the code is run). */
void host_code_sync(const void *va, size_t size)
{
    (void)va;
    (void)size;
}
