/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Folds the EFI memory map into boot_mem entries. Pure: also compiled into the unit tests. */
#include "boot/memory_map.h"

#include "boot/bytes.h"

#define PHYS_LIMIT (1ULL << 52) /* no architecture has wider physical addresses in its tables */

/* EFI_MEMORY_TYPE (UEFI 2.10, table 7.5) */
static const uint8_t type_of_efi[] = {
    [0] = BOOT_MEM_RESERVED,     /* EfiReservedMemoryType */
    [1] = BOOT_MEM_USABLE,       /* EfiLoaderCode */
    [2] = BOOT_MEM_USABLE,       /* EfiLoaderData */
    [3] = BOOT_MEM_USABLE,       /* EfiBootServicesCode */
    [4] = BOOT_MEM_USABLE,       /* EfiBootServicesData */
    [5] = BOOT_MEM_RUNTIME_CODE, /* EfiRuntimeServicesCode */
    [6] = BOOT_MEM_RUNTIME_DATA, /* EfiRuntimeServicesData */
    [7] = BOOT_MEM_USABLE,       /* EfiConventionalMemory */
    [8] = BOOT_MEM_RESERVED,     /* EfiUnusableMemory */
    [9] = BOOT_MEM_ACPI_RECLAIM, /* EfiACPIReclaimMemory */
    [10] = BOOT_MEM_ACPI_NVS,    /* EfiACPIMemoryNVS */
    [11] = BOOT_MEM_MMIO,        /* EfiMemoryMappedIO */
    [12] = BOOT_MEM_MMIO,        /* EfiMemoryMappedIOPortSpace */
    [13] = BOOT_MEM_RESERVED,    /* EfiPalCode */
    [14] = BOOT_MEM_PERSISTENT,  /* EfiPersistentMemory */
    [15] = BOOT_MEM_RESERVED,    /* EfiUnacceptedMemoryType */
};

/* EFI_MEMORY_* cacheability attributes (UEFI 2.10, 7.2.3) */
#define EFI_ATTRIBUTE_WB      (1ULL << 3)
#define EFI_ATTRIBUTE_CACHING 0x1fULL

/* Which entry wins where two overlap: the higher. */
#define RANKS 4
static const uint8_t rank_of_type[] = {
    [BOOT_MEM_USABLE] = 0,   [BOOT_MEM_PERSISTENT] = 1,   [BOOT_MEM_ACPI_RECLAIM] = 1,
    [BOOT_MEM_ACPI_NVS] = 2, [BOOT_MEM_RUNTIME_CODE] = 2, [BOOT_MEM_RUNTIME_DATA] = 2,
    [BOOT_MEM_RESERVED] = 3, [BOOT_MEM_MMIO] = 3,
};

struct list {
    struct boot_mem *at;
    size_t count;
    size_t capacity;
};

static uint64_t end_of(const struct boot_mem *mem)
{
    return mem->base + mem->size;
}

static uint32_t fold_type(const struct efi_map_entry *entry)
{
    if (entry->type >= sizeof(type_of_efi))
        return BOOT_MEM_RESERVED; /* OEM, OS and future types: somebody owns it */
    uint32_t type = type_of_efi[entry->type];
    bool cached =
        !(entry->attribute & EFI_ATTRIBUTE_CACHING) || (entry->attribute & EFI_ATTRIBUTE_WB);
    return type == BOOT_MEM_USABLE && !cached ? BOOT_MEM_RESERVED : type;
}

/* Reads entry `index` of a raw map; false when it describes nothing that can be used or kept. */
static bool read_entry(const struct efi_map *map, size_t index, struct boot_mem *mem)
{
    struct efi_map_entry entry;

    bytes_copy(&entry, (const char *)map->data + index * map->stride, sizeof(entry));
    if (!entry.page_count || entry.physical_start % BOOT_PAGE_SIZE ||
        entry.physical_start >= PHYS_LIMIT ||
        entry.page_count > (PHYS_LIMIT - entry.physical_start) / BOOT_PAGE_SIZE)
        return false;
    *mem = (struct boot_mem){
        .base = entry.physical_start,
        .size = entry.page_count * BOOT_PAGE_SIZE,
        .type = fold_type(&entry),
        .attribute = entry.attribute,
    };
    return true;
}

/* The first entry that ends above `address`. */
static size_t find_index(const struct list *list, uint64_t address)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (end_of(&list->at[middle]) > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void insert_at(struct list *list, size_t index, const struct boot_mem *mem)
{
    if (list->count == list->capacity)
        return; /* cannot happen with memory_map_capacity() entries */
    for (size_t i = list->count++; i > index; i--)
        list->at[i] = list->at[i - 1];
    list->at[index] = *mem;
}

static void remove_at(struct list *list, size_t index, size_t count)
{
    for (size_t i = index; i + count < list->count; i++)
        list->at[i] = list->at[i + count];
    list->count -= count;
}

/* Makes `address` a border between entries. Returns the index of the first entry at or above it. */
static size_t split_at(struct list *list, uint64_t address)
{
    size_t index = find_index(list, address);

    if (index == list->count || list->at[index].base >= address)
        return index;
    struct boot_mem upper = list->at[index];
    upper.size = end_of(&upper) - address;
    upper.base = address;
    list->at[index].size = address - list->at[index].base;
    insert_at(list, index + 1, &upper);
    return index + 1;
}

/* Puts `mem` into the list in place of whatever was there. */
static void replace_range(struct list *list, const struct boot_mem *mem)
{
    size_t first = split_at(list, mem->base);
    size_t last = split_at(list, end_of(mem));

    remove_at(list, first, last - first);
    insert_at(list, first, mem);
}

static void apply_claim(struct list *list, const struct claim *claim)
{
    size_t first = split_at(list, claim->base);
    size_t last = split_at(list, claim->base + claim->size);

    for (size_t i = first; i < last; i++)
        list->at[i].type = claim->type;
}

static void merge_neighbours(struct list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        const struct boot_mem *mem = &list->at[i];
        struct boot_mem *last = kept ? &list->at[kept - 1] : NULL;
        if (last && end_of(last) == mem->base && last->type == mem->type &&
            last->attribute == mem->attribute)
            last->size += mem->size;
        else
            list->at[kept++] = *mem;
    }
    list->count = kept;
}

size_t memory_map_capacity(size_t map_entries, size_t claim_count)
{
    return 2 * (map_entries + claim_count) + 1; /* each may split one entry into three */
}

size_t memory_map_convert(const struct efi_map *map, const struct claim *claims, size_t claim_count,
                          struct boot_mem *out, size_t capacity)
{
    struct list list = {out, 0, capacity};
    struct boot_mem mem;
    size_t entries = map->stride < sizeof(struct efi_map_entry) ? 0 : map->size / map->stride;

    for (unsigned rank = 0; rank < RANKS; rank++) {
        for (size_t i = 0; i < entries; i++) {
            if (read_entry(map, i, &mem) && rank_of_type[mem.type] == rank)
                replace_range(&list, &mem);
        }
    }
    for (size_t i = 0; i < claim_count; i++)
        apply_claim(&list, &claims[i]);
    merge_neighbours(&list);
    return list.count;
}

bool boot_mem_is_ram(const struct boot_mem *mem)
{
    if ((mem->attribute & EFI_ATTRIBUTE_CACHING) && !(mem->attribute & EFI_ATTRIBUTE_WB))
        return false;
    return mem->type != BOOT_MEM_RESERVED && mem->type != BOOT_MEM_MMIO;
}
