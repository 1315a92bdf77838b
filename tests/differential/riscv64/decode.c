/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the decoder says of each word on the standard input (hexadecimal, one a line; four digits
 * are a compressed instruction): a line of text each. decode.py compares it with an assembler's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/riscv64/guest/disasm.h"

static void print(struct out *out, const char *text, size_t length)
{
    (void)out;
    fwrite(text, 1, length, stdout);
}

int main(void)
{
    struct out out = {.write = print};
    char line[32];

    while (fgets(line, sizeof(line), stdin)) {
        uint32_t word = (uint32_t)strtoul(line, NULL, 16);

        if (strcspn(line, "\n") == 4)
            word = rv_expand((uint16_t)word);
        rv_print(&out, word, RV_EXT_ALL);
        putchar('\n');
    }
    return 0;
}
