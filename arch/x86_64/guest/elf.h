/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Reads executables of x86 guests: ELF files of 32 and 64 bits, linked at fixed physical addresses
 * (System V ABI, chapters 4 and 5). Pure: bytes in, a table out; nothing in the file is trusted.
 */
#ifndef ARCH_X86_64_GUEST_ELF_H
#define ARCH_X86_64_GUEST_ELF_H

#include "kernel/types.h"

#define ELF_SEGMENTS_MAX 16

struct elf_segment {
    uint64_t offset, file_size; /* inside the file */
    uint64_t address, size;     /* physical; size >= file_size, does not wrap */
};

struct elf_image {
    unsigned segment_count;
    struct elf_segment segments[ELF_SEGMENTS_MAX];
    uint64_t low, high; /* of all segments */
    uint64_t entry;     /* physical */
    bool has_pvh;       /* it has the note XEN_ELFNOTE_PHYS32_ENTRY */
    uint64_t pvh_entry; /* physical */
};

bool elf_is(const uint8_t *bytes, size_t size);
/* Returns NULL and fills `elf`, or what is wrong in plain words. */
const char *elf_parse(const uint8_t *bytes, size_t size, struct elf_image *elf);

#endif
