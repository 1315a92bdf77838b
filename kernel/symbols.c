/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Binary search in the symbol table of the image (tools/symbols.py): u32 count, {u32 offset, u32
 * name}[count], names. */
#include "kernel/symbols.h"

struct symbol {
    uint32_t offset; /* from __kernel_start */
    uint32_t name;   /* from the first name */
};

extern const char kernel_symbols_start[], kernel_symbols_end[];
extern const char __kernel_start[], __text_start[], __text_end[];

const char *symbol_find(uint64_t pc, uint64_t *offset)
{
    const uint32_t *table = (const uint32_t *)kernel_symbols_start;
    if (kernel_symbols_end - kernel_symbols_start < (ptrdiff_t)sizeof(uint32_t) ||
        pc < (uint64_t)__text_start || pc >= (uint64_t)__text_end)
        return NULL;
    const struct symbol *symbols = (const struct symbol *)(table + 1);
    uint64_t at = pc - (uint64_t)__kernel_start;
    size_t low = 0, high = *table; /* symbols below `low` begin at or before `at`, those from `high`
                                      on behind it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols[middle].offset <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    *offset = at - symbols[low - 1].offset;
    return (const char *)(symbols + *table) + symbols[low - 1].name;
}
