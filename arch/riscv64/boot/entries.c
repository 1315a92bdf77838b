/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* riscv64 page table entries (RISC-V privileged architecture, 12.3 and 12.4). Pure: also compiled
 * into the unit tests. */
#include "boot/page_tables.h"

#define ENTRY_VALID    (1ULL << 0)
#define ENTRY_READ     (1ULL << 1)
#define ENTRY_WRITE    (1ULL << 2)
#define ENTRY_EXECUTE  (1ULL << 3)
#define ENTRY_ACCESSED (1ULL << 6)
#define ENTRY_DIRTY    (1ULL << 7)
#define ENTRY_LEAF     (ENTRY_READ | ENTRY_WRITE | ENTRY_EXECUTE)
#define ENTRY_PPN_BIT  10
#define PAGE_BITS      12

uint64_t arch_entry_table(uint64_t phys)
{
    return phys >> PAGE_BITS << ENTRY_PPN_BIT | ENTRY_VALID;
}

uint64_t arch_entry_leaf(const struct boot_layout *layout, uint64_t phys, unsigned level,
                         enum page_right right)
{
    uint64_t entry = arch_entry_table(phys) | ENTRY_READ | ENTRY_ACCESSED;

    (void)layout;
    (void)level;
    if (right == PAGE_WRITE)
        entry |= ENTRY_WRITE | ENTRY_DIRTY;
    return right == PAGE_EXECUTE ? entry | ENTRY_EXECUTE : entry;
}

uint64_t arch_entry_next(uint64_t entry)
{
    return entry & ENTRY_LEAF ? 0 : entry >> ENTRY_PPN_BIT << PAGE_BITS;
}
