/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The page allocator's cost: a million random operations of orders 0 to 9 on a live set. Prints the acquisitions of shared locks in
 * thousandths per 32 operations. Without an argument the operations are only drawn, not made: the difference of the instructions
 * that a profiler counts for both runs is the allocator's (tools: perf stat, or valgrind --tool=callgrind).
 */
#include <stdio.h>
#include <stdlib.h>
#include "hosted.h"
#include "mm/page.h"

#define OPERATIONS 1000000u
#define LIVE_MAX   400u
#define ORDERS     10u
#define MEMORY     GIB(4)

static struct {
    hpa_t pa;
    unsigned order;
} live[LIVE_MAX];

/* Kept out of line so that both kinds of runs do the same around it. */
__attribute__((noinline)) static hpa_t nothing_alloc(unsigned order, unsigned flags)
{
    return HPA((order + 1UL) << 30 | flags);
}

__attribute__((noinline)) static void nothing_free(hpa_t page, unsigned order)
{
    __asm__ volatile("" ::"r"(page.v), "r"(order));
}

int main(int argc, char **argv)
{
    bool real = argc > 1;
    hpa_t (*alloc)(unsigned, unsigned) = real ? page_alloc : nothing_alloc;
    void (*release)(hpa_t, unsigned) = real ? page_free : nothing_free;
    uint64_t seed = 88172645463325252ULL;
    struct page_stats before, after;

    (void)argv;
    hosted_start_size(MEMORY);
    page_stats_get(&before);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        uint64_t r = hosted_random(&seed);
        unsigned slot = (unsigned)(r >> 32) % LIVE_MAX;

        if (live[slot].pa.v) {
            release(live[slot].pa, live[slot].order);
            live[slot].pa = HPA(0);
        } else {
            live[slot].order = (unsigned)(r >> 16) % ORDERS;
            live[slot].pa = alloc(live[slot].order, 0);
        }
    }
    page_stats_get(&after);
    printf("page_alloc_operations %u\n", OPERATIONS);
    if (real)
        printf("page_alloc_shared_locks %.3f per 32 operations\n",
               (double)(after.shared_lock_count - before.shared_lock_count) * 32 / OPERATIONS);
    return 0;
}
