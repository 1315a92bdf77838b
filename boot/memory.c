/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Memory that the loader takes from the firmware, and the firmware's map of it. */
#include "boot/loader.h"

#define MAP_SLACK_ENTRIES 64 /* entries that may appear between two looks at the map */

static EFI_STATUS allocate_below(uint64_t limit, UINTN pages, EFI_PHYSICAL_ADDRESS *base)
{
    *base = limit - 1;
    return BS->AllocatePages(AllocateMaxAddress, EfiLoaderData, pages, base);
}

/* Takes more than asked for and gives back what is outside the aligned part. */
static bool allocate_aligned(uint64_t size, uint64_t align, EFI_PHYSICAL_ADDRESS *base)
{
    uint64_t extra = align - BOOT_PAGE_SIZE;
    EFI_PHYSICAL_ADDRESS start;

    if (EFI_ERROR(allocate_below(loader.phys_limit, (size + extra) / BOOT_PAGE_SIZE, &start)))
        return false;
    *base = align_up(start, align);
    uint64_t head = *base - start, tail = extra - head;
    if (head)
        BS->FreePages(start, head / BOOT_PAGE_SIZE);
    if (tail)
        BS->FreePages(*base + size, tail / BOOT_PAGE_SIZE);
    return true;
}

void *memory_take(uint64_t size, uint64_t align, enum boot_mem_type type, bool zero)
{
    EFI_PHYSICAL_ADDRESS base;

    if (size > loader.phys_limit || loader.claim_count == BOOT_CLAIMS_MAX)
        return NULL;
    size = align_up(size, BOOT_PAGE_SIZE);
    if (!size || !allocate_aligned(size, align, &base))
        return NULL;
    loader.claims[loader.claim_count++] = (struct claim){.base = base, .size = size, .type = type};
    if (zero)
        bytes_zero((void *)base, size);
    return (void *)base;
}

void memory_give_back(void *memory)
{
    const struct claim *last = &loader.claims[loader.claim_count - 1];

    if (loader.claim_count && last->base == (uintptr_t)memory) {
        BS->FreePages(last->base, last->size / BOOT_PAGE_SIZE);
        loader.claim_count--;
    }
}

bool raw_map_init(struct raw_map *map)
{
    *map = (struct raw_map){0};
    EFI_STATUS status = BS->GetMemoryMap(&map->size, NULL, &map->key, &map->stride, &map->version);
    if (status != EFI_BUFFER_TOO_SMALL || map->stride < sizeof(struct efi_map_entry))
        return false;
    map->capacity = align_up(map->size + MAP_SLACK_ENTRIES * map->stride, BOOT_PAGE_SIZE);
    map->data = memory_take(map->capacity, BOOT_PAGE_SIZE, BOOT_MEM_LOADER, true);
    return map->data;
}

EFI_STATUS raw_map_read(struct raw_map *map)
{
    map->size = map->capacity;
    return BS->GetMemoryMap(&map->size, map->data, &map->key, &map->stride, &map->version);
}
