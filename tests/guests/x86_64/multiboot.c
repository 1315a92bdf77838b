/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What a Multiboot 1 loader hands over (Multiboot Specification 0.6.96, 3.3), of a guest of 64 MiB
 * with a module. Options: module= its bytes, sum= of them. */
#include "tests/guests/guest.h"

#define INFO_USED 0x4du /* memory, command line, modules, memory map */

struct information {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr;
};

struct range {
    uint32_t size; /* of what follows */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

#define RANGE_RAM 1

/* The bytes of RAM from 1 MiB on that the memory map tells of, and whether anything overlaps. */
static uint64_t upper_memory(const struct information *info, bool *sound)
{
    uint64_t upper = 0, end = 0;

    *sound = true;
    for (uint32_t at = 0; at < info->mmap_length;) {
        const struct range *r = (const struct range *)(uint64_t)(info->mmap_addr + at);

        if (r->type == RANGE_RAM && r->base == 1 << 20)
            upper = r->length;
        *sound &= r->base >= end && r->size >= sizeof(*r) - sizeof(r->size);
        end = r->base + r->length;
        at += r->size + (uint32_t)sizeof(r->size);
    }
    return upper;
}

static void check_module(const struct information *info)
{
    const uint32_t *module = (const uint32_t *)(uint64_t)info->mods_addr;
    uint64_t sum = 0;

    if (!check_equal(info->mods_count, 1, "there is one module"))
        return;
    check_equal(module[1] - module[0], option_number("module", 0), "it has its length");
    check(module[0] % 4096 == 0, "it begins with a page");
    for (uint32_t at = module[0]; at < module[1]; at++)
        sum += *(const uint8_t *)(uint64_t)at;
    check_equal(sum, option_number("sum", 0), "it has its bytes");
}

static void run_multiboot(void)
{
    const struct information *info = (const struct information *)boot_information;
    bool sound;

    if (!check_equal(boot_magic, MULTIBOOT_MAGIC, "a Multiboot loader started this"))
        return;
    check_equal(info->flags & INFO_USED, INFO_USED,
                "memory, command line, modules and map are there");
    check(info->mem_lower > 0 && info->mem_lower <= 640, "lower memory ends below 640 KiB");
    check_equal(info->mem_upper, 63 << 10, "upper memory is the rest of 64 MiB");
    check_equal(upper_memory(info, &sound), 63 << 20, "so it is by the memory map");
    check(sound, "which is in order and overlaps nowhere");
    check_module(info);
}
PROGRAM(multiboot);
