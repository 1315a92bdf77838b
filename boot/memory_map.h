/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The EFI memory map, folded into the boot_mem array of boot_info.h. Pure: no EFI calls, hostile
 * input.
 */
#ifndef BOOT_MEMORY_MAP_H
#define BOOT_MEMORY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"

/* EFI_MEMORY_DESCRIPTOR (UEFI 2.10, 7.2.3); the firmware says how far apart they are. */
struct efi_map_entry {
    uint32_t type;
    uint32_t pad;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t page_count;
    uint64_t attribute;
};

/* A raw map as GetMemoryMap returned it. */
struct efi_map {
    const void *data;
    size_t size;   /* bytes */
    size_t stride; /* bytes from one entry to the next, at least sizeof(struct efi_map_entry) */
};

/* A range of memory that the loader took, and what it is to be called. */
struct claim {
    uint64_t base; /* 4 KiB aligned */
    uint64_t size; /* a multiple of 4 KiB */
    uint32_t type; /* enum boot_mem_type */
};

/* Entries that memory_map_convert() may need for so many map entries and claims. */
size_t memory_map_capacity(size_t map_entries, size_t claim_count);

/*
 * Fills `out` with the map, sorted by base, without overlaps, equal neighbours merged, and with
 * each claim's type inside its range (a claim adds no memory that the map does not list). Where the
 * firmware's entries overlap, the most restrictive type wins; entries that are empty, unaligned or
 * beyond the address space are dropped. `capacity` is at least memory_map_capacity(). Returns the
 * number of entries.
 */
size_t memory_map_convert(const struct efi_map *map, const struct claim *claims, size_t claim_count,
                          struct boot_mem *out, size_t capacity);

/* Whether a type is memory that the direct map covers, write-back. */
bool boot_mem_is_ram(const struct boot_mem *mem);

#endif
