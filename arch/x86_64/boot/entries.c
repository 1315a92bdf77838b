/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* x86_64 page table entries (Intel SDM volume 3A, 4.5). Pure: also compiled into the unit tests. */
#include "boot/page_tables.h"

#define ENTRY_PRESENT  (1ULL << 0)
#define ENTRY_WRITE    (1ULL << 1)
#define ENTRY_ACCESSED (1ULL << 5)
#define ENTRY_DIRTY    (1ULL << 6)
#define ENTRY_LARGE    (1ULL << 7)
#define ENTRY_NX       (1ULL << 63)
#define ENTRY_ADDRESS  0x000ffffffffff000ULL

uint64_t arch_entry_table(uint64_t phys)
{
    return phys | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_ACCESSED;
}

uint64_t arch_entry_leaf(const struct boot_layout *layout, uint64_t phys, unsigned level,
                         enum page_right right)
{
    uint64_t entry = phys | ENTRY_PRESENT | ENTRY_ACCESSED;

    (void)layout;
    if (level)
        entry |= ENTRY_LARGE;
    if (right == PAGE_WRITE)
        entry |= ENTRY_WRITE | ENTRY_DIRTY;
    return right == PAGE_EXECUTE ? entry : entry | ENTRY_NX;
}

uint64_t arch_entry_next(uint64_t entry)
{
    /* Leaves are made with the accessed bit and either large or the last level, where nobody asks.
     */
    return entry & ENTRY_LARGE ? 0 : entry & ENTRY_ADDRESS;
}
