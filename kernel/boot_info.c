/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the loader handed over, kept. */
#include "kernel/panic.h"
#include "kernel/start.h"

#define MEM_COUNT_MAX  65536
#define FILE_COUNT_MAX 4096

static struct boot_info boot;

const struct boot_info *boot_info_get(void)
{
    return &boot;
}

/* The loader is ours, but a mismatched pair must stop here and not later. */
struct boot_info *boot_info_take(const struct boot_info *info)
{
    if (info->magic != BOOT_INFO_MAGIC || info->version != BOOT_INFO_VERSION ||
        info->size != sizeof(*info))
        panic(
            "the loader and the kernel are of different versions: build and install both together");
    if (info->mem_count == 0 || info->mem_count > MEM_COUNT_MAX ||
        info->file_count > FILE_COUNT_MAX)
        panic("the loader handed over %u memory ranges and %u files", info->mem_count,
              info->file_count);
    boot = *info;
    return &boot;
}
