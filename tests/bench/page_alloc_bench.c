/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The page allocator's cost: a million random operations of orders 0 to 9 on a live set.
 *
 *   page_alloc_bench --counted   runs itself twice under callgrind, with the allocator and with
 * nothing in its place: the difference of the instructions is the allocator's. Prints both figures.
 *   page_alloc_bench             prints the acquisitions of shared locks only
 *   page_alloc_bench --nothing   makes no operation
 */
#include "counted.h"
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

static void operations(bool real)
{
    hpa_t (*alloc)(unsigned, unsigned) = real ? page_alloc : nothing_alloc;
    void (*release)(hpa_t, unsigned) = real ? page_free : nothing_free;
    uint64_t seed = 88172645463325252ULL;

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
}

int main(int argc, char **argv)
{
    bool real = argc < 2 || strcmp(argv[1], "--nothing");
    struct page_stats before, after;

    if (argc > 1 && !strcmp(argv[1], "--counted"))
        printf("page_alloc_instructions %.1f\n",
               (counted(argv[0], "") - counted(argv[0], "--nothing")) / OPERATIONS);
    hosted_start_size(MEMORY);
    page_stats_get(&before);
    operations(real);
    page_stats_get(&after);
    if (real)
        printf("page_alloc_shared_locks %.3f\n",
               (double)(after.shared_lock_count - before.shared_lock_count) * 32 / OPERATIONS);
    return 0;
}
