/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the front end calls each word on the standard input (hexadecimal, one a line), or "none";
 * decode.py compares that with an assembler's. Some lines of the table are families, whose reserved
 * members their lifting function knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/aarch64/guest/lift.h"
#include "mm/heap.h"

/* The heap is the C library's. */
void *heap_zalloc(size_t size)
{
    return calloc(1, size);
}

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static bool is_none(struct ir_unit *u, uint32_t word)
{
    static uint8_t page[IR_PAGE_SIZE];
    struct dbt_source source = {.page = page, .features = A64_FEAT_ALL, .max_insns = 1};
    const struct ir_op *last;

    memcpy(page, &word, sizeof(word));
    ir_unit_reset(u, a64_frontend.dialect, (uint32_t)(A64_MODE_FP | A64_MODE_EL1 | A64_MODE_SP));
    a64_frontend.translate(u, &source);
    last = &u->ops[u->op_count - 1];
    return last->code == IR_leave && last->attr == IR_LEAVE_ILLEGAL;
}

int main(void)
{
    struct ir_unit unit;
    char line[32];

    if (ir_unit_create(&unit, IR_OPS_MAX) != ERR_OK)
        return 1;
    while (fgets(line, sizeof(line), stdin)) {
        uint32_t word = (uint32_t)strtoul(line, NULL, 16);

        puts(is_none(&unit, word) ? "none" : a64_insns[a64_decode(word, A64_FEAT_ALL)].name);
    }
    return 0;
}
