/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the records of saved state: what loads must save again to the same object. */
#include <stdlib.h>
#include <string.h>

#include "kernel/state.c"
#include "kernel/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct object {
    uint8_t byte;
    bool truth[2];
    uint16_t half;
    uint32_t words[3];
    uint64_t grid[2][2];
};

STATE_TABLE(object_state, "o", 2, STATE_FIELD(struct object, byte, 1),
            STATE_ARRAY(struct object, truth, 1), STATE_FIELD(struct object, half, 1),
            STATE_ARRAY(struct object, words, 2), STATE_ARRAY2(struct object, grid, 2));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state_reader r = {.data = data, .size = size}, again;
    struct object first = {0}, second = {0};
    uint8_t copy[512];
    struct state_writer w = {.data = copy, .size = sizeof(copy)};

    if (state_check(&r) != ERR_OK || state_load(&r, &object_state, 0, &first) != ERR_OK)
        return 0;
    state_save(&w, &object_state, 0, &first);
    again = (struct state_reader){.data = copy, .size = w.used};
    if (w.used > sizeof(copy) || state_check(&again) != ERR_OK ||
        state_load(&again, &object_state, 0, &second) != ERR_OK ||
        memcmp(&first, &second, sizeof(first)) != 0)
        abort();
    return 0;
}
