/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the IR's text parser and verifier: what parses and is well-formed prints to text that
 * parses to the same unit, and the passes leave it well-formed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dbt/ir.h"
#include "dbt/pass.h"
#include "mm/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static const struct dbt_slot slots[] = {{"x10", IR_I64, 0},  {"x11", IR_I64, 8},
                                        {"f10", IR_F64, 16}, {"nzcv", IR_FLAGS, 24},
                                        {"v0", IR_V128, 32}, {"v1", IR_V128, 48}};
static const struct dbt_dialect dialect = {
    .name = "fuzz", .slots = slots, .slot_count = ARRAY_SIZE(slots), .helper_count = 2};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[1 << 16], again[1 << 16];
    struct out_buffer out, why;
    struct ir_unit u;
    char said[256];

    if (ir_unit_create(&u, 256) != ERR_OK)
        return 0;
    out_buffer_init(&why, said, sizeof(said));
    if (ir_parse(&u, &dialect, (const char *)data, size, &why.out) == ERR_OK &&
        ir_verify(&u, &why.out) == ERR_OK) {
        out_buffer_init(&out, text, sizeof(text));
        ir_print(&u, &out.out);
        if (ir_parse(&u, &dialect, text, strlen(text), &why.out) != ERR_OK ||
            ir_verify(&u, &why.out) != ERR_OK)
            abort();
        out_buffer_init(&out, again, sizeof(again));
        ir_print(&u, &out.out);
        if (strcmp(text, again) != 0)
            abort();
        struct pass_scratch *passes = pass_scratch_create();
        pass_simplify(passes, &u);
        if (ir_verify(&u, &why.out) != ERR_OK)
            abort();
        pass_dead(passes, &u);
        if (ir_verify(&u, &why.out) != ERR_OK)
            abort();
        pass_scratch_destroy(passes);
    }
    ir_unit_destroy(&u);
    return 0;
}
