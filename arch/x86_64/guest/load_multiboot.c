/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Multiboot 1 (Multiboot Specification version 0.6.96): kernels with a header in their first 8 KiB,
 * as ELF files or flat with addresses in the header. */
#include "arch/x86_64/guest/load.h"

#include "kernel/vcpu.h"

#define HEADER_MAGIC   0x1badb002
#define HEADER_SEARCH  8192
#define HEADER_STEP    4
#define HEADER_SIZE    12
#define ADDRESSES_SIZE 32 /* header and address fields */
#define BOOT_MAGIC     0x2badb002

/* Header flags (3.1.2): what the loader must understand is in bits 15..0. */
#define HEADER_MEMORY_INFO   BIT(1)
#define HEADER_PAGE_ALIGN    BIT(0)
#define HEADER_VIDEO         BIT(2) /* a wish only */
#define HEADER_MUST          0xffffu
#define HEADER_KNOWN         (HEADER_MEMORY_INFO | HEADER_PAGE_ALIGN | HEADER_VIDEO)
#define HEADER_HAS_ADDRESSES BIT(16)

/* Boot information (3.3). */
#define INFO_MEMORY     BIT(0)
#define INFO_CMDLINE    BIT(2)
#define INFO_MODULES    BIT(3)
#define INFO_MEMORY_MAP BIT(6)
#define INFO_NAME       BIT(9)

struct information {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, loader_name;
    uint32_t apm_table;
};

struct module {
    uint32_t start, end, cmdline, reserved;
};

struct PACKED range {
    uint32_t size; /* of what follows */
    uint64_t base, length;
    uint32_t type;
};

struct block {
    struct information information;
    struct module module;
    struct range ranges[LOAD_RANGES_MAX];
    char name[8];
};

#define AT(member) ((uint32_t)(LOAD_STRUCTURES + offsetof(struct block, member)))

/* Offset of the header, or -1. */
static long find_header(const struct load_kernel *k)
{
    for (size_t at = 0; at < HEADER_SEARCH && at + HEADER_SIZE <= k->size; at += HEADER_STEP) {
        const uint8_t *h = k->bytes + at;

        if (load_get(h, 0, 4) == HEADER_MAGIC &&
            !(uint32_t)(load_get(h, 0, 4) + load_get(h, 4, 4) + load_get(h, 8, 4)))
            return (long)at;
    }
    return -1;
}

bool load_is_multiboot(const struct load_kernel *kernel)
{
    return find_header(kernel) >= 0;
}

/* The address fields as a table of one segment. NULL, or what is wrong. */
static const char *read_addresses(const struct load_kernel *k, size_t at, struct elf_image *image)
{
    const uint8_t *h = k->bytes + at;
    uint64_t header, load, load_end, bss_end, offset, size;

    if (k->size - at < ADDRESSES_SIZE)
        return "its Multiboot header is cut off";
    header = load_get(h, 12, 4);
    load = load_get(h, 16, 4);
    load_end = load_get(h, 20, 4);
    bss_end = load_get(h, 24, 4);
    if (load > header || header - load > at)
        return "its Multiboot header gives a load address before the file";
    offset = at - (header - load);
    if (load_end && load_end < load)
        return "its Multiboot header gives an end before the start";
    size = load_end ? load_end - load : k->size - offset;
    if (size > k->size - offset)
        return "its Multiboot header gives more than the file has";
    *image = (struct elf_image){.segment_count = 1,
                                .low = load,
                                .high = MAX(load + size, bss_end),
                                .entry = load_get(h, 28, 4)};
    image->segments[0] = (struct elf_segment){offset, size, load, image->high - load};
    return NULL;
}

static void fill(struct vm *vm, struct block *b, const struct load_module *initrd)
{
    struct load_range ranges[LOAD_RANGES_MAX];
    unsigned count = load_memory_map(vm, ranges);

    b->information = (struct information){
        .flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_NAME,
        .mem_lower = (uint32_t)(ranges[0].size >> 10),
        .mem_upper = (uint32_t)((x86_machine(vm)->low_ram - MIB(1)) >> 10),
        .cmdline = LOAD_CMDLINE,
        .mods_count = initrd->size ? 1 : 0,
        .mods_addr = AT(module),
        .mmap_length = count * (uint32_t)sizeof(struct range),
        .mmap_addr = AT(ranges),
        .loader_name = AT(name),
    };
    b->module = (struct module){.start = (uint32_t)initrd->at,
                                .end = (uint32_t)(initrd->at + initrd->size),
                                .cmdline = LOAD_CMDLINE};
    for (unsigned i = 0; i < count; i++)
        b->ranges[i] = (struct range){sizeof(struct range) - sizeof(uint32_t), ranges[i].base,
                                      ranges[i].size, ranges[i].type};
    __builtin_memcpy(b->name, "Ennead", sizeof("Ennead"));
}

enum err load_multiboot(struct vm *vm, const struct load_kernel *kernel)
{
    size_t at = (size_t)find_header(kernel);
    uint64_t flags = load_get(kernel->bytes, at + 4, 4);
    struct x86_state *s = x86_state(vm->vcpus[0]);
    struct block block = {0};
    struct load_module initrd;
    struct elf_image image;
    const char *wrong;
    gpa_t rsdp;
    enum err e;

    if (flags & HEADER_MUST & ~HEADER_KNOWN)
        return load_bad_kernel(vm, "its Multiboot header asks for what is not known here");
    wrong = flags & HEADER_HAS_ADDRESSES ? read_addresses(kernel, at, &image)
                                         : elf_parse(kernel->bytes, kernel->size, &image);
    if (!wrong && image.entry > UINT32_MAX)
        wrong = "its entry lies above 4 GiB";
    if (wrong)
        return load_bad_kernel(vm, wrong);
    e = load_segments(vm, kernel, &image);
    if (e == ERR_OK)
        e = load_initrd(vm, image.high, UINT32_MAX, &initrd);
    if (e == ERR_OK)
        e = load_cmdline(vm, LOAD_CMDLINE_MAX);
    if (e == ERR_OK)
        e = x86_acpi_write(vm, &rsdp); /* found by searching the ROM area */
    if (e != ERR_OK)
        return e;
    fill(vm, &block, &initrd);
    e = guest_copy_to(vm->memory, GPA(LOAD_STRUCTURES), &block, sizeof(block));
    if (e == ERR_OK)
        e = load_protected_mode(vm, (uint32_t)image.entry);
    s->gpr[X86_RAX] = BOOT_MAGIC;
    s->gpr[X86_RBX] = LOAD_STRUCTURES;
    return e;
}
