/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the loader's EFI files share. Messages go to the firmware's console through GNU-EFI's
 * Print().
 */
#ifndef BOOT_LOADER_H
#define BOOT_LOADER_H

#include <efi.h>
#include <efilib.h>

#include "boot/boot_info.h"
#include "boot/bytes.h"
#include "boot/memory_map.h"

#define BOOT_FILES_MAX  512 /* files read from the ESP, ennead.ini included */
#define BOOT_CLAIMS_MAX (BOOT_FILES_MAX + 256)
#define CONFIG_PATH     "ennead/ennead.ini"

struct loader {
    EFI_HANDLE image;
    EFI_LOADED_IMAGE *loaded;
    uint64_t phys_limit; /* memory is taken below this address */
    struct boot_info *info;
    struct boot_file *files;
    struct claim claims[BOOT_CLAIMS_MAX];
    size_t claim_count;
};

extern struct loader loader;

/* memory.c */

/*
 * Takes zeroed memory of at least `size` bytes, a multiple of `align` (4 KiB at least), and
 * remembers it as `type` for the memory map. Returns NULL when there is none. `zero` false leaves
 * the contents as they are.
 */
void *memory_take(uint64_t size, uint64_t align, enum boot_mem_type type, bool zero);
/* Gives back what was taken last. */
void memory_give_back(void *memory);
/* The firmware's memory map in memory of the loader, with room for `slack` more bytes. */
struct raw_map {
    void *data;
    UINTN capacity, size, key, stride;
    UINT32 version;
};
bool raw_map_init(struct raw_map *map);
EFI_STATUS raw_map_read(struct raw_map *map);

/* esp.c: reads ennead.ini and the files that it names into info->files. */
void esp_read_files(void);

/* firmware.c: fills info with what the firmware's tables and protocols say. */
void firmware_describe(void);
/* Copies the memory attributes table, which lives in memory that is free after ExitBootServices. */
bool firmware_keep_tables(void);

/* framebuffer.c: fills info->framebuffer or framebuffer_note. */
void framebuffer_find(void);

#endif
