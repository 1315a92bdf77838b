/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* How memcpy reads from unaligned places: measured, as no extension says what such reads cost.
 * Zicclsm (RISC-V profiles) says only that main memory takes them: without it they may trap. */
#include <string.h>

#include "host_internal.h"
#include "isa.h"
#include "kernel/timer.h"
#include "mm/heap.h"

#define TRIAL_SIZE PAGE_SIZE
#define TRIALS     8

extern uint8_t memcpy_unaligned; /* memcpy.S */

/* The least of a few runs, in ticks of the clock; the first one is not counted. */
static uint64_t trial(char *room, uint8_t unaligned)
{
    uint64_t least = UINT64_MAX;

    memcpy_unaligned = unaligned;
    for (unsigned i = 0; i <= TRIALS; i++) {
        uint64_t began = host_counter_fast();

        memcpy(room, room + TRIAL_SIZE + 1, TRIAL_SIZE);
        if (i)
            least = MIN(least, host_counter_fast() - began);
    }
    return least;
}

void unaligned_init(void)
{
    char *room;
    uint64_t shifted;

    if (!(cpu_boot()->host.features & BIT(ISA_ZICCLSM)))
        return;
    room = heap_zalloc(2 * TRIAL_SIZE + sizeof(uint64_t));
    if (!room)
        return;
    shifted = trial(room, 0);
    memcpy_unaligned = trial(room, 1) < shifted;
    heap_free(room);
}

bool unaligned_reads(void)
{
    return memcpy_unaligned;
}
