/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The symbol table that a Linux kernel (5.x, 6.x; CONFIG_KALLSYMS) carries in its read-only data,
 * found in the memory of a guest without its help. All of it is hostile: what it says is only ever
 * shown, every walk through it is bounded.
 *
 * The tables, each aligned to 8 bytes: the number of symbols; their names, compressed, in order of
 * their addresses (a length, then that many indices of tokens; the first character is the type);
 * markers, the offset of each 256th name; 256 tokens, NUL-terminated; the offset of each token, 16
 * bits. 32-bit offsets of the addresses and the base that they count from stand behind all that
 * (since 6.4), or before.
 */
#ifndef KERNEL_KALLSYMS_H
#define KERNEL_KALLSYMS_H

#include "kernel/types.h"

#define KALLSYMS_NAME_MAX 64 /* what is longer is cut */

struct kallsyms {
    /* Reads `size` bytes at virtual address `va`; false: some of them are not mapped. */
    bool (*read)(void *arg, uint64_t va, void *to, size_t size);
    void *arg;
    uint64_t names, markers, tokens, offsets, base;
    uint32_t count;
    bool signed_offsets; /* negative ones count from the base, others are absolute (per-CPU) */
    uint16_t token[256]; /* offsets of the tokens */
    struct kallsyms_page {
        uint64_t va; /* 0: none */
        uint8_t bytes[PAGE_SIZE];
    } pages[2]; /* for bytes of names, of tokens */
    uint64_t scanned[PAGE_SIZE / sizeof(uint64_t)];
};

/* Looks for the tables around `near`, an address in the kernel's image. `read` and `arg` are set.
 * False: there are none that hold together. */
bool kallsyms_find(struct kallsyms *k, uint64_t near);
/* The symbol that `address` belongs to, and how far into it it is. False: before the first, or
 * nothing that can be read. */
bool kallsyms_name(struct kallsyms *k, uint64_t address, char name[KALLSYMS_NAME_MAX],
                   uint64_t *offset);

#endif
