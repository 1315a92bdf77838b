/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What a machine's linker script and page-table code are to the core: the image's segments, which
 * are only addresses here, and formats of page tables, which nobody walks.
 */
#include "hosted.h"

/* An image of one page each of code, constants and data. */
__asm__(".section .bss.hosted_image,\"aw\",@nobits\n"
        ".balign 4096\n"
        ".globl __kernel_start, __text_start, __text_end, __rodata_start, __rodata_end\n"
        ".globl __bss_end\n"
        "__kernel_start: __text_start: .skip 4096\n"
        "__text_end: __rodata_start: .skip 4096\n"
        "__rodata_end: .skip 4096\n"
        "__bss_end:\n"
        ".section .rodata.hosted_symbols,\"a\"\n"
        ".globl kernel_symbols_start, kernel_symbols_end\n"
        "kernel_symbols_start: kernel_symbols_end: .quad 0\n"
        ".text\n");

/* ---- Formats of page tables ---- */

/* One layout for all: bits as PT_* in 0..7, valid in 8, leaf in 9, address from 12 on. */
#define PTE_VALID BIT(8)
#define PTE_LEAF  BIT(9)

static uint64_t leaf(hpa_t pa, unsigned level, unsigned attrs)
{
    (void)level;
    return pa.v | attrs | PTE_VALID | PTE_LEAF;
}

static uint64_t table(hpa_t t)
{
    return t.v | PTE_VALID;
}

static bool present(uint64_t pte)
{
    return pte & PTE_VALID;
}

static bool is_leaf(uint64_t pte, unsigned level)
{
    return level == 0 || pte & PTE_LEAF;
}

static hpa_t address(uint64_t pte, unsigned level)
{
    (void)level;
    return HPA(pte & ~PAGE_MASK);
}

static unsigned attrs_of(uint64_t pte, unsigned level)
{
    (void)level;
    return pte & 0xff;
}

static void flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    if (!pt->owner)
        hosted_mirror(pt, va, size);
}

/* One machine's caches: hosted_synced counts what was brought in. */
uint64_t hosted_synced;

static void sync(hpa_t pa, uint64_t size)
{
    (void)pa;
    hosted_synced += size;
}

#define FORMAT(name_, levels_, root_order_, bits_, bbm_, ...)                               \
    {                                                                                       \
        .name = name_, .levels = levels_, .root_order = root_order_, .address_bits = bits_, \
        .max_leaf_1g = true, .break_before_make = bbm_, .leaf = leaf, .table = table,       \
        .present = present, .is_leaf = is_leaf, .address = address, .attrs = attrs_of,      \
        .flush = flush, .publish = flush, __VA_ARGS__                                       \
    }
const struct pt_format hosted_format_x86 = FORMAT("x86", 4, 0, 48, false);
const struct pt_format hosted_format_arm = FORMAT("Arm", 4, 0, 48, true);
const struct pt_format hosted_format_riscv = FORMAT("Sv39", 3, 0, 39, false);
const struct pt_format hosted_format_gstage = FORMAT("Sv39x4", 3, 2, 41, false);
const struct pt_format hosted_format_stage2 = FORMAT("stage 2", 4, 0, 48, true, .sync = sync);
