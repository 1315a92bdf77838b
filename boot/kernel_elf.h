/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Reads and loads the kernel's ELF file: a static position-independent executable linked at 0 whose
 * only relocations are relative. Pure: no EFI calls. The file is embedded in the loader, but
 * nothing in it is trusted.
 */
#ifndef BOOT_KERNEL_ELF_H
#define BOOT_KERNEL_ELF_H

#include <stddef.h>
#include <stdint.h>

#define KERNEL_SEGMENTS 8
#define KERNEL_SIZE_MAX (64ULL << 20)

/* What an architecture's kernel must be. */
struct elf_target {
    uint16_t machine;  /* e_machine */
    uint32_t relative; /* its R_*_RELATIVE */
};

enum page_right {
    PAGE_READ,
    PAGE_WRITE,   /* and read */
    PAGE_EXECUTE, /* and read */
};

struct kernel_segment {
    uint64_t offset;    /* in the file, bytes */
    uint64_t file_size; /* bytes */
    uint64_t address;   /* from the image's start, 4 KiB aligned */
    uint64_t size;      /* in memory, bytes, from file_size on zero */
    enum page_right right;
};

struct kernel_elf {
    uint64_t size;  /* of the image in memory, a multiple of 4 KiB */
    uint64_t entry; /* from the image's start */
    unsigned segment_count;
    struct kernel_segment segments[KERNEL_SEGMENTS];
    uint64_t dynamic, dynamic_size; /* from the image's start; size 0 when there is none */
};

/* Reads and checks `size` bytes of ELF file. Returns NULL and fills `elf`, or what is wrong in
 * plain words. */
const char *kernel_elf_parse(const void *file, size_t size, const struct elf_target *target,
                             struct kernel_elf *elf);

/*
 * Copies the segments to `image`, which has elf->size bytes, zeroes the rest, and relocates it to
 * run at `virt`. Returns NULL, or what is wrong in plain words.
 */
const char *kernel_elf_load(const struct kernel_elf *elf, const void *file,
                            const struct elf_target *target, void *image, uint64_t virt);

#endif
