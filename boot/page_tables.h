/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Builds the first page tables. All three architectures have the same geometry (4 KiB tables of 512
 * entries; leaves of 4 KiB, 2 MiB and 1 GiB); only the entries' bits differ: arch/<isa>/boot/
 * provides those. Pure: no EFI calls.
 */
#ifndef BOOT_PAGE_TABLES_H
#define BOOT_PAGE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"
#include "boot/kernel_elf.h"

/* What the CPU can do and where the kernel is to be: chosen by arch_choose_layout(). */
struct boot_layout {
    uint64_t kernel_virt;
    uint64_t direct_map_base;
    uint64_t direct_map_size; /* bytes */
    uint64_t phys_limit; /* the loader takes memory below this only: the direct map reaches it */
    uint64_t identity_limit; /* the same for the trampoline's page, which is mapped at its physical
                                address */
    unsigned levels;         /* of page tables: 4, or 3 */
    bool gigabyte_leaves;
    bool split; /* low addresses have tables of their own (aarch64 with two translation table bases)
                 */
    uint64_t mode;  /* the architecture's own */
    uint64_t spare; /* the architecture's own: memory that arch_choose_layout() took */
};

struct page_tables {
    const struct boot_layout *layout;
    void *(*take_page)(
        void *context); /* 4 KiB, zeroed, at its physical address; NULL when there is none */
    void *context;
    uint64_t *root;     /* for everything, or for high addresses when layout->split */
    uint64_t *low_root; /* the same as root, or for low addresses when layout->split */
};

/* Takes the root pages. False when there is no memory. */
bool page_tables_init(struct page_tables *tables, const struct boot_layout *layout,
                      void *(*take_page)(void *context), void *context);

/*
 * Maps `size` bytes at `virt` to `phys`, all multiples of 4 KiB, with the largest leaves that fit.
 * The range has nothing mapped. False when there is no memory or something is mapped there.
 */
bool page_tables_map(struct page_tables *tables, uint64_t virt, uint64_t phys, uint64_t size,
                     enum page_right right);

/* Maps all RAM of a sorted memory map below layout->direct_map_size at layout->direct_map_base. */
bool page_tables_map_ram(struct page_tables *tables, const struct boot_mem *mem, size_t count);

/* Maps the kernel's segments, whose image starts at `phys`, at layout->kernel_virt. */
bool page_tables_map_kernel(struct page_tables *tables, const struct kernel_elf *elf,
                            uint64_t phys);

/* Entry bits, from arch/<isa>/boot/: a table at `phys`; a leaf at `phys` on `level` (0 = 4 KiB, 2 =
 * 1 GiB). */
uint64_t arch_entry_table(uint64_t phys);
uint64_t arch_entry_leaf(const struct boot_layout *layout, uint64_t phys, unsigned level,
                         enum page_right right);
/* The physical address of the table that an entry points to, or 0 when the entry is a leaf. */
uint64_t arch_entry_next(uint64_t entry);

#endif
