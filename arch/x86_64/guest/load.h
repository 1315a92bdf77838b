/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the ways of starting a kernel share: Linux's boot protocol (load_linux.c), PVH (load_pvh.c)
 * and Multiboot 1 (load_multiboot.c). Files are hostile; boot structures lie below LOAD_KERNEL_LOW,
 * kernels above.
 */
#ifndef ARCH_X86_64_GUEST_LOAD_H
#define ARCH_X86_64_GUEST_LOAD_H

#include "arch/x86_64/guest/elf.h"
#include "arch/x86_64/guest/machine.h"

#define LOAD_GDT         0x1000ULL
#define LOAD_STRUCTURES  0x7000ULL /* boot parameters, start information: a page */
#define LOAD_STACK       0x8ff0ULL
#define LOAD_TABLES      0x9000ULL /* PML4, PDPT, four page directories: identity map of 4 GiB */
#define LOAD_CMDLINE     0x20000ULL
#define LOAD_CMDLINE_MAX 4096
#define LOAD_KERNEL_LOW  (LOAD_CMDLINE + LOAD_CMDLINE_MAX)

struct load_kernel {
    const uint8_t *bytes;
    size_t size;
};

struct load_module {
    uint64_t at, size; /* size 0: the guest has no initrd */
};

/* Kinds of memory as e820 numbers them; PVH and Multiboot use the same numbers. */
enum load_memory_type { LOAD_RAM = 1, LOAD_RESERVED = 2 };
#define LOAD_RANGES_MAX 12
struct load_range {
    uint64_t base, size; /* bytes */
    enum load_memory_type type;
};

/* Says why the kernel's file cannot be started and returns ERR_CORRUPT. */
enum err load_bad_kernel(struct vm *vm, const char *why) MUST_CHECK;
/* The guest's memory, lowest first; returns how many ranges there are. */
unsigned load_memory_map(struct vm *vm, struct load_range ranges[LOAD_RANGES_MAX]);
/* Copies the initrd, if there is one, to the highest page below `limit` that fits; it must end up
 * above `floor`. */
enum err load_initrd(struct vm *vm, uint64_t floor, uint64_t limit,
                     struct load_module *module) MUST_CHECK;
/* Copies the command line, which may have `limit` bytes, to LOAD_CMDLINE. */
enum err load_cmdline(struct vm *vm, uint64_t limit) MUST_CHECK;
/* Copies the segments of `elf`, all of which must lie in low RAM above LOAD_KERNEL_LOW and off
 * the ACPI tables. */
enum err load_segments(struct vm *vm, const struct load_kernel *kernel,
                       const struct elf_image *elf) MUST_CHECK;
/* vCPU 0 in protected mode without paging, flat segments, at `entry`: as PVH and Multiboot want
 * it. */
enum err load_protected_mode(struct vm *vm, uint32_t entry) MUST_CHECK;

/* Each: is the file of this kind, and if so load it. */
bool load_is_linux(const struct load_kernel *kernel);
enum err load_linux(struct vm *vm, const struct load_kernel *kernel) MUST_CHECK;
bool load_is_multiboot(const struct load_kernel *kernel);
enum err load_multiboot(struct vm *vm, const struct load_kernel *kernel) MUST_CHECK;
enum err load_pvh(struct vm *vm, const struct load_kernel *kernel) MUST_CHECK;

static inline uint64_t load_get(const uint8_t *bytes, size_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)bytes[offset + i] << (8 * i);
    return value;
}

static inline void load_put(uint8_t *bytes, size_t offset, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[offset + i] = (uint8_t)(value >> (8 * i));
}

#endif
