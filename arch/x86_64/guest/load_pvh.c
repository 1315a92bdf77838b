/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * PVH: an ELF file with a note that gives a 32-bit entry point, where EBX points at the start
 * information (Xen: docs/misc/pvh.pandoc and xen/include/public/arch-x86/hvm/start_info.h).
 */
#include "arch/x86_64/guest/load.h"

#include "kernel/vcpu.h"

#define START_MAGIC   0x336ec578
#define START_VERSION 1

/* All at LOAD_STRUCTURES, one after another. */
struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};

struct start_module {
    uint64_t address, size, cmdline, reserved;
};

struct start_range {
    uint64_t base, size;
    uint32_t type, reserved;
};

struct start_block {
    struct start_info info;
    struct start_module module;
    struct start_range ranges[LOAD_RANGES_MAX];
};

static void fill(struct vm *vm, struct start_block *b, const struct load_module *initrd, gpa_t rsdp)
{
    struct load_range ranges[LOAD_RANGES_MAX];
    unsigned count = load_memory_map(vm, ranges);

    b->info = (struct start_info){
        .magic = START_MAGIC,
        .version = START_VERSION,
        .module_count = initrd->size ? 1 : 0,
        .modules = initrd->size ? LOAD_STRUCTURES + offsetof(struct start_block, module) : 0,
        .cmdline = LOAD_CMDLINE,
        .rsdp = rsdp.v,
        .memory_map = LOAD_STRUCTURES + offsetof(struct start_block, ranges),
        .memory_map_entries = count,
    };
    b->module = (struct start_module){.address = initrd->at, .size = initrd->size};
    for (unsigned i = 0; i < count; i++)
        b->ranges[i] = (struct start_range){ranges[i].base, ranges[i].size, ranges[i].type, 0};
}

enum err load_pvh(struct vm *vm, const struct load_kernel *kernel)
{
    struct start_block block = {0};
    struct load_module initrd;
    struct elf_image elf;
    const char *wrong = elf_parse(kernel->bytes, kernel->size, &elf);
    gpa_t rsdp;
    enum err e;

    if (wrong)
        return load_bad_kernel(vm, wrong);
    if (!elf.has_pvh)
        return load_bad_kernel(vm, "it is an ELF file with neither a PVH entry note nor a "
                                   "Multiboot header");
    if (elf.pvh_entry > UINT32_MAX)
        return load_bad_kernel(vm, "its PVH entry lies above 4 GiB");
    e = load_segments(vm, kernel, &elf);
    if (e == ERR_OK)
        e = load_initrd(vm, elf.high, UINT32_MAX, &initrd);
    if (e == ERR_OK)
        e = load_cmdline(vm, LOAD_CMDLINE_MAX);
    if (e == ERR_OK)
        e = x86_acpi_write(vm, &rsdp);
    if (e != ERR_OK)
        return e;
    fill(vm, &block, &initrd, rsdp);
    e = guest_copy_to(vm->memory, GPA(LOAD_STRUCTURES), &block, sizeof(block));
    if (e == ERR_OK)
        e = load_protected_mode(vm, (uint32_t)elf.pvh_entry);
    x86_state(vm->vcpus[0])->gpr[X86_RBX] = LOAD_STRUCTURES;
    return e;
}
