/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the front end calls each word on the standard input (hexadecimal, one a line), or "none";
 * decode.py compares that with an assembler's. Some lines of the table are families, whose reserved
 * members their lifting function knows.
 *
 *   decode --lines     a line of text for each line of the table: mask, match, name
 *   decode --sweep N   each Nth word of 32 bits against the table
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/aarch64/guest/lift.h"
#include "mm/heap.h"
#include "tests/differential/sweep.h"

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

static unsigned decode(uint32_t word)
{
    return a64_decode(word, A64_FEAT_ALL);
}

/* Bits 31 to 21 and 15 to 10, which most lines fix. */
static unsigned key(uint32_t word)
{
    return word >> 21 << 6 | (word >> 10 & 63);
}

/* As is_legal() of insn.c: there are immediates and shifts that do not exist. */
static bool checks_more(unsigned line)
{
    switch (line < A64_INSN_COUNT ? a64_insns[line].format : A64_FORMAT_NONE) {
    case A64_FORMAT_LOGIC_IMM:
    case A64_FORMAT_MOV_WIDE:
    case A64_FORMAT_BITFIELD:
    case A64_FORMAT_EXTRACT:
    case A64_FORMAT_ADD:
    case A64_FORMAT_LOGIC:
    case A64_FORMAT_ADD_EXT:
    case A64_FORMAT_CASP:
    case A64_FORMAT_REG:
        return true;
    default:
        return false;
    }
}

static int sweep(uint64_t step)
{
    static struct sweep_line lines[A64_INSN_COUNT];
    const struct sweep s = {.lines = lines,
                            .line_count = A64_INSN_COUNT,
                            .decode = decode,
                            .key = key,
                            .key_mask = 0xffe0fc00,
                            /* immh = 0, which no shift has (Arm ARM C4.1.96) */
                            .before = "imm_v",
                            .checks_more = checks_more};

    for (unsigned i = 0; i < A64_INSN_COUNT; i++)
        lines[i] = (struct sweep_line){a64_insns[i].name, a64_insns[i].mask, a64_insns[i].match};
    return sweep_run(&s, step);
}

int main(int argc, char **argv)
{
    struct ir_unit unit;
    char line[32];

    if (argc == 3 && strcmp(argv[1], "--sweep") == 0)
        return sweep(strtoull(argv[2], NULL, 0));
    if (argc == 2 && strcmp(argv[1], "--lines") == 0) {
        for (unsigned i = 0; i < A64_INSN_COUNT; i++)
            printf("%08x %08x %s\n", a64_insns[i].mask, a64_insns[i].match, a64_insns[i].name);
        return 0;
    }
    if (ir_unit_create(&unit, IR_OPS_MAX) != ERR_OK)
        return 1;
    while (fgets(line, sizeof(line), stdin)) {
        uint32_t word = (uint32_t)strtoul(line, NULL, 16);

        puts(is_none(&unit, word) ? "none" : a64_insns[a64_decode(word, A64_FEAT_ALL)].name);
    }
    return 0;
}
