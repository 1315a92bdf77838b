/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the screen's text: guests write to it. */
#include <stdint.h>
#include <stdlib.h>

#include "drivers/display/terminal.c"
#include "drivers/display/terminal_rendition.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct terminal t;
    if (terminal_init(&t, 7, 5))
        abort();
    terminal_write(&t, (const char *)data, size);
    if (t.row >= t.rows || t.column >= t.columns || t.top >= t.bottom || t.bottom >= t.rows)
        abort();
    terminal_destroy(&t);
    return 0;
}
