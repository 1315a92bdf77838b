/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the decoder says of each word on the standard input (hexadecimal, one a line; four digits
 * are a compressed instruction): a line of text each. decode.py compares it with an assembler's.
 *
 *   decode --lines     a line of text for each line of the table: mask, match
 *   decode --sweep N   each Nth word of 32 bits against the table
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/riscv64/guest/disasm.h"
#include "tests/differential/sweep.h"

static void print(struct out *out, const char *text, size_t length)
{
    (void)out;
    fwrite(text, 1, length, stdout);
}

static unsigned decode(uint32_t word)
{
    return rv_decode(word, RV_EXT_ALL);
}

/* Opcode, funct3 and funct7. */
static unsigned key(uint32_t word)
{
    return word >> 25 << 10 | (word >> 12 & 7) << 7 | (word & 0x7f);
}

static int sweep(uint64_t step)
{
    static struct sweep_line lines[RV_INSN_COUNT];
    const struct sweep s = {.lines = lines,
                            .line_count = RV_INSN_COUNT,
                            .decode = decode,
                            .key = key,
                            .key_mask = 0xfe00707f};

    for (unsigned i = 0; i < RV_INSN_COUNT; i++)
        lines[i] = (struct sweep_line){rv_insns[i].name, rv_insns[i].mask, rv_insns[i].match};
    return sweep_run(&s, step);
}

int main(int argc, char **argv)
{
    struct out out = {.write = print};
    char line[32];

    if (argc == 3 && strcmp(argv[1], "--sweep") == 0)
        return sweep(strtoull(argv[2], NULL, 0));
    if (argc == 2 && strcmp(argv[1], "--lines") == 0) {
        for (unsigned i = 0; i < RV_INSN_COUNT; i++)
            printf("%08x %08x\n", rv_insns[i].mask, rv_insns[i].match);
        return 0;
    }
    while (fgets(line, sizeof(line), stdin)) {
        uint32_t word = (uint32_t)strtoul(line, NULL, 16);

        if (strcspn(line, "\n") == 4)
            word = rv_expand((uint16_t)word);
        rv_print(&out, word, RV_EXT_ALL);
        putchar('\n');
    }
    return 0;
}
