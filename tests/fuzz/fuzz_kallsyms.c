/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the search for a guest kernel's symbols: good tables with bytes changed (offset of two
 * bytes, value), then addresses looked up. */
#include <stdint.h>
#include <stdlib.h>

#include "tests/hosted/kallsyms_tables.h"

#define CHANGE 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kallsyms k;

    if (!size)
        return 0;
    k = (struct kallsyms){.read = read_memory};
    make_tables(data[0] & 1, data[0] & 2);
    for (size_t i = 1; i + CHANGE <= size; i += CHANGE)
        memory[TABLES + (data[i] | (unsigned)data[i + 1] << 8)] = data[i + 2];
    if (!kallsyms_find(&k, BASE + TABLES))
        return 0;
    for (unsigned i = 0; i < SYMBOLS; i += 7) {
        char name[KALLSYMS_NAME_MAX];
        uint64_t offset;

        if (kallsyms_name(&k, BASE + i * STEP, name, &offset) && strlen(name) >= sizeof(name))
            abort();
    }
    return 0;
}
