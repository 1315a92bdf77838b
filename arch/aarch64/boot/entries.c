/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* aarch64 page table entries, 4 KiB granule (Arm ARM, D8.3). Pure: also compiled into the unit
 * tests. */
#include "arch/aarch64/boot/regime.h"
#include "boot/page_tables.h"

#define ENTRY_VALID     (1ULL << 0)
#define ENTRY_TABLE     (1ULL << 1) /* or a page, on the last level */
#define ENTRY_ATTR_WB   (0ULL << 2) /* MAIR attribute 0 */
#define ENTRY_AP1       (1ULL << 6) /* RES1 in a regime without EL0 */
#define ENTRY_READ_ONLY (1ULL << 7)
#define ENTRY_INNER     (3ULL << 8) /* inner shareable */
#define ENTRY_ACCESSED  (1ULL << 10)
#define ENTRY_PXN       (1ULL << 53)
#define ENTRY_UXN       (1ULL << 54) /* XN in a regime without EL0 */
#define ENTRY_ADDRESS   0x0000fffffffff000ULL

uint64_t arch_entry_table(uint64_t phys)
{
    return phys | ENTRY_VALID | ENTRY_TABLE;
}

uint64_t arch_entry_leaf(const struct boot_layout *layout, uint64_t phys, unsigned level,
                         enum page_right right)
{
    uint64_t entry = phys | ENTRY_VALID | ENTRY_ATTR_WB | ENTRY_INNER | ENTRY_ACCESSED;
    uint64_t never = layout->mode == REGIME_EL2 ? ENTRY_UXN : ENTRY_PXN | ENTRY_UXN;
    uint64_t kernel_only = layout->mode == REGIME_EL2 ? 0 : ENTRY_UXN;

    if (!level)
        entry |= ENTRY_TABLE;
    if (layout->mode == REGIME_EL2)
        entry |= ENTRY_AP1;
    if (right != PAGE_WRITE)
        entry |= ENTRY_READ_ONLY;
    return entry | (right == PAGE_EXECUTE ? kernel_only : never);
}

uint64_t arch_entry_next(uint64_t entry)
{
    return entry & ENTRY_TABLE ? entry & ENTRY_ADDRESS : 0;
}
