/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the loader needs from an architecture, implemented in arch/<isa>/boot/.
 */
#ifndef BOOT_ARCH_H
#define BOOT_ARCH_H

#include <stddef.h>
#include <stdint.h>

#include "boot/kernel_elf.h"
#include "boot/page_tables.h"

/* Everything that the step from the firmware's world to the kernel's needs. */
struct handover {
    const struct boot_layout *layout;
    uint64_t root;      /* physical address of the page tables' root */
    uint64_t low_root;  /* the same, or the root for low addresses */
    uint64_t stack_top; /* virtual addresses of the kernel's world */
    uint64_t entry;
    uint64_t info;
};

extern const struct elf_target arch_elf_target;
extern const char arch_name[];

/* The page in the loader's .text that is mapped in both worlds: TRAMPOLINE_SIZE bytes, page
 * aligned. */
extern const char arch_trampoline[];

/* TSC, CNTPCT_EL0 or time. */
uint64_t arch_counter(void);

/*
 * Finds out what the CPU can do and chooses the address spaces. Boot services are up. Returns NULL,
 * or in plain words why this machine cannot run the kernel.
 */
const char *arch_choose_layout(struct boot_layout *layout);

/* boot_info.boot_cpu. Boot services are up. */
uint64_t arch_boot_cpu(void);

/*
 * The architecture's own identity mappings: more than the trampoline's page. Returns false when
 * there is no memory.
 */
bool arch_map_own(struct page_tables *tables);

/* Makes what was written to memory visible to instruction fetch, and to accesses with the MMU off.
 */
void arch_publish(const void *start, size_t size);

/* Leaves for the kernel; boot services are gone, interrupts masked. */
_Noreturn void arch_enter_kernel(const struct handover *handover);

#endif
