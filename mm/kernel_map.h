/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The kernel's own address space: image by segment, direct map (no execute), page-wise mappings in
 * the vmap area. No page is ever writable and executable; page 0 and every guard page are unmapped.
 */
#ifndef MM_KERNEL_MAP_H
#define MM_KERNEL_MAP_H

#include "mm/page_table.h"

struct boot_info;

/* Builds the kernel's tables and loads them on this CPU. */
void kernel_map_init(const struct boot_info *info);
/* Loads them on a secondary CPU. */
void kernel_map_cpu_init(void);
hpa_t kernel_map_root(void);

/* Maps device registers or firmware tables: any address and size; returns the virtual address of
 * `pa` itself. NULL on failure. attrs: PT_READ|PT_WRITE|PT_DEVICE for registers; firmware tables
 * PT_READ. Undone by kernel_unmap_device() with the same size. */
void *kernel_map_device(hpa_t pa, uint64_t size, unsigned attrs) MUST_CHECK;
void kernel_unmap_device(void *va, uint64_t size);

/* Addresses for `size` bytes in blocks of 2 MiB, with the tables that these need and nothing mapped
 * yet. NULL on failure. Undone by kernel_unmap_device(), with all that was mapped there. */
void *kernel_map_reserve(uint64_t size) MUST_CHECK;
/* Maps a block of 2 MiB there, for reading and writing. Any context, no lock: whoever reserved the
 * addresses calls it once for each. */
enum err kernel_map_fill(void *va, hpa_t block) MUST_CHECK;
/* What is mapped at `va`; false: nothing. */
bool kernel_map_lookup(const void *va, struct pt_entry *entry);

/* A stack of THREAD_STACK_SIZE with its guard; returns its lowest address, NULL when there is no
 * memory. Freed stacks are cached. */
void *kernel_stack_alloc(void) MUST_CHECK;
void kernel_stack_free(void *stack);

/* True when [va, va + size) is mapped for reading: for the backtrace. Takes no lock. */
bool kernel_map_readable(uint64_t va, uint64_t size);

#endif
