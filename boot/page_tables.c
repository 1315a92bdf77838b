/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Builds the first page tables. Pure: also compiled into the unit tests. */
#include "boot/page_tables.h"

#include "boot/bytes.h"
#include "boot/memory_map.h"

#define ENTRY_BITS 9
#define ENTRIES    (1u << ENTRY_BITS)
#define PAGE_BITS  12

static uint64_t level_size(unsigned level)
{
    return 1ULL << (PAGE_BITS + ENTRY_BITS * level);
}

bool page_tables_init(struct page_tables *tables, const struct boot_layout *layout,
                      void *(*take_page)(void *context), void *context)
{
    *tables = (struct page_tables){.layout = layout, .take_page = take_page, .context = context};
    tables->root = take_page(context);
    tables->low_root = layout->split ? take_page(context) : tables->root;
    return tables->root && tables->low_root;
}

/* The entry for `virt` on `level`, with the tables above it made as needed; NULL when that fails.
 */
static uint64_t *find_entry(struct page_tables *tables, uint64_t virt, unsigned level)
{
    uint64_t *table = virt >> 63 ? tables->root : tables->low_root;

    for (unsigned at = tables->layout->levels - 1;; at--) {
        uint64_t *entry = &table[(virt / level_size(at)) % ENTRIES];
        if (at == level)
            return entry;
        if (!*entry) {
            void *page = tables->take_page(tables->context);
            if (!page)
                return NULL;
            *entry = arch_entry_table((uintptr_t)page);
        }
        table = (uint64_t *)(uintptr_t)arch_entry_next(*entry);
        if (!table)
            return NULL;
    }
}

/* The highest level whose leaf fits at `virt` and `phys`, no larger than `size`. */
static unsigned leaf_level(const struct boot_layout *layout, uint64_t virt, uint64_t phys,
                           uint64_t size)
{
    unsigned level = layout->gigabyte_leaves ? 2 : 1;

    while (level && ((virt | phys) % level_size(level) || size < level_size(level)))
        level--;
    return level;
}

bool page_tables_map(struct page_tables *tables, uint64_t virt, uint64_t phys, uint64_t size,
                     enum page_right right)
{
    while (size) {
        unsigned level = leaf_level(tables->layout, virt, phys, size);
        uint64_t *entry = find_entry(tables, virt, level);
        uint64_t step = level_size(level);
        if (!entry || *entry)
            return false;
        /* Neighbours of the same table follow without another walk. */
        do {
            *entry++ = arch_entry_leaf(tables->layout, phys, level, right);
            virt += step;
            phys += step;
            size -= step;
        } while (size >= step && (virt / step) % ENTRIES && !*entry &&
                 leaf_level(tables->layout, virt, phys, size) == level);
    }
    return true;
}

bool page_tables_map_ram(struct page_tables *tables, const struct boot_mem *mem, size_t count)
{
    const struct boot_layout *layout = tables->layout;

    for (size_t i = 0; i < count;) {
        uint64_t start = mem[i].base, end = start;
        while (i < count && mem[i].base == end && boot_mem_is_ram(&mem[i])) {
            end += mem[i].size;
            i++;
        }
        if (end == start)
            i++; /* not RAM */
        if (end > layout->direct_map_size)
            end = layout->direct_map_size;
        if (start < end && !page_tables_map(tables, layout->direct_map_base + start, start,
                                            end - start, PAGE_WRITE))
            return false;
    }
    return true;
}

bool page_tables_map_kernel(struct page_tables *tables, const struct kernel_elf *elf, uint64_t phys)
{
    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct kernel_segment *segment = &elf->segments[i];
        if (!page_tables_map(tables, tables->layout->kernel_virt + segment->address,
                             phys + segment->address, align_up(segment->size, BOOT_PAGE_SIZE),
                             segment->right))
            return false;
    }
    return true;
}
