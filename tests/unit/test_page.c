/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The page allocator against a map of who owns which page. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "hosted.h"
#include "mm/page.h"

#define LIVE_MAX 4096

struct block {
    uint64_t pa;
    unsigned order;
};

/* The model: one byte a page, 1 = handed out by the allocator. */
struct model {
    uint8_t *used;
    uint64_t pages; /* of the simulated memory */
    uint64_t used_pages;
    struct block live[LIVE_MAX];
    unsigned live_count;
};
static struct model model;

static void model_init(uint64_t memory)
{
    model.pages = memory >> PAGE_SHIFT;
    model.used = calloc(1, model.pages);
    assert_non_null(model.used);
}

static void model_take(uint64_t pa, unsigned order)
{
    assert_true(IS_ALIGNED(pa, PAGE_SIZE << order));
    for (uint64_t i = pa >> PAGE_SHIFT; i < (pa >> PAGE_SHIFT) + (1ULL << order); i++) {
        assert_true(i < model.pages);
        assert_int_equal(model.used[i], 0);
        model.used[i] = 1;
    }
    model.used_pages += 1ULL << order;
    model.live[model.live_count++] = (struct block){pa, order};
}

static struct block model_pick(uint64_t random)
{
    unsigned i = (unsigned)(random % model.live_count);
    struct block b = model.live[i];

    model.live[i] = model.live[--model.live_count];
    memset(model.used + (b.pa >> PAGE_SHIFT), 0, 1UL << b.order);
    model.used_pages -= 1ULL << b.order;
    return b;
}

static void check_totals(const struct page_stats *before)
{
    struct page_stats s;
    uint64_t by_blocks = 0;

    page_stats_get(&s);
    assert_int_equal(s.total, before->total);
    assert_int_equal(s.free + (s.metadata - before->metadata) + model.used_pages * PAGE_SIZE,
                     before->free);
    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
        by_blocks += s.free_blocks[order] * (PAGE_SIZE << order);
    assert_int_equal(by_blocks, s.free);
}

/* Random blocks of orders 0..`max` on `cpus` CPUs, with at most `live` blocks alive. */
static void random_operations(uint64_t memory, unsigned max, unsigned cpus, unsigned live,
                              unsigned count)
{
    struct cpu *cpu[8] = {cpu_boot()};
    uint64_t seed = 0x123456789abcdefULL + max;
    struct page_stats before;

    hosted_start_size(memory);
    model_init(memory + GIB(1));
    for (unsigned i = 1; i < cpus; i++)
        cpu[i] = hosted_cpu_add();
    page_stats_get(&before);
    for (unsigned i = 0; i < count; i++) {
        uint64_t r = hosted_random(&seed);

        hosted_cpu_set(cpu[r % cpus]);
        if (model.live_count < live && (!model.live_count || (r >> 8) % 2)) {
            unsigned order = (unsigned)((r >> 16) % (max + 1));
            hpa_t pa = page_alloc(order, 0);
            if (pa.v)
                model_take(pa.v, order);
        } else {
            struct block b = model_pick(r >> 16);
            page_free(HPA(b.pa), b.order);
        }
        if (i % 1000 == 0)
            check_totals(&before);
    }
    while (model.live_count) {
        struct block b = model_pick(0);
        page_free(HPA(b.pa), b.order);
    }
    check_totals(&before);
}

static void test_random_small_host(void **state)
{
    (void)state;
    hosted_child_test(random_operations(MIB(512), 9, 1, 300, 100000));
}

static void test_random_four_cpus(void **state)
{
    (void)state;
    hosted_child_test(random_operations(GIB(2), 9, 4, 1000, 100000));
}

static void test_random_large_blocks(void **state)
{
    (void)state;
    hosted_child_test(random_operations(GIB(8), 18, 3, 200, 50000));
}

/* More live blocks than memory: allocation fails now and then, and everything comes back. */
static void test_random_exhausted(void **state)
{
    (void)state;
    hosted_child_test(random_operations(MIB(64), 9, 4, 2000, 100000));
}

static void every_page(uint64_t memory)
{
    struct page_stats before, s;
    uint64_t count = 0, pa;

    hosted_start_size(memory);
    page_stats_get(&before);
    while ((pa = page_alloc(0, 0).v) != 0) {
        *(uint64_t *)phys_to_virt(HPA(pa)) = pa;
        count++;
    }
    page_stats_get(&s);
    assert_int_equal(s.free, 0);
    assert_int_equal(count * PAGE_SIZE + s.metadata - before.metadata, before.free);
    assert_int_equal(page_alloc(3, 0).v, 0);
}

static void test_every_page_can_be_had(void **state)
{
    (void)state;
    hosted_child_test(every_page(MIB(512)));
}

static void terabyte(void)
{
    struct page_stats s;

    hosted_start_size(TIB(1));
    page_stats_get(&s);
    assert_true(s.metadata < MIB(8));
    assert_int_equal(s.largest_order, PAGE_ORDER_1G);
    assert_true(s.free_blocks[PAGE_ORDER_1G] > 1000);
    assert_true(s.total + s.metadata >= TIB(1) - MIB(1));
    hpa_t a = page_alloc(PAGE_ORDER_1G, 0), b = page_alloc(PAGE_ORDER_1G, 0);
    assert_true(a.v && b.v && a.v != b.v);
    page_free(a, PAGE_ORDER_1G);
    page_free(b, PAGE_ORDER_1G);
}

static void test_terabyte_costs_little(void **state)
{
    (void)state;
    hosted_child_test(terabyte());
}

static void small_host_metadata(void)
{
    struct page_stats s;

    hosted_start_size(MIB(512));
    page_stats_get(&s);
    assert_true(s.metadata < KIB(512));
}

static void test_small_host_costs_little(void **state)
{
    (void)state;
    hosted_child_test(small_host_metadata());
}

static void below_limits(void)
{
    uint64_t low = 0;

    hosted_start_size(GIB(8));
    for (unsigned i = 0; i < 2000; i++) {
        hpa_t page = page_alloc(i % 10, PAGE_BELOW_4G);
        assert_true(page.v && page.v + (PAGE_SIZE << i % 10) <= GIB(4));
    }
    for (; page_alloc(0, PAGE_BELOW_1M).v; low++)
        ;
    assert_int_equal(low, KIB(640) / PAGE_SIZE - 1); /* page 0 is never handed out */
}

static void test_address_limits(void **state)
{
    (void)state;
    hosted_child_test(below_limits());
}

static void zeroed(void)
{
    hosted_start_size(MIB(64));
    hpa_t page = page_alloc(3, 0);
    memset(phys_to_virt(page), 0xff, PAGE_SIZE << 3);
    page_free(page, 3);
    for (unsigned i = 0; i < 4000; i++) {
        page = page_alloc(0, PAGE_ZERO);
        for (unsigned j = 0; j < PAGE_SIZE / 8; j++)
            assert_int_equal(((uint64_t *)phys_to_virt(page))[j], 0);
    }
}

static void test_zeroed_pages(void **state)
{
    (void)state;
    hosted_child_test(zeroed());
}

static void free_twice(unsigned order)
{
    hosted_start_size(MIB(512));
    hpa_t keep = page_alloc(order, 0), page = page_alloc(order, 0);
    page_free(page, order);
    page_free(page, order);
    (void)keep;
}

static void free_with_order(unsigned order, unsigned wrong)
{
    hosted_start_size(MIB(512));
    page_free(page_alloc(order, 0), wrong);
}

static void test_misuse_panics(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 12; order++)
        assert_true(hosted_panics(free_twice(order)));
    assert_non_null(strstr(hosted_panic_text, "page_free"));
    assert_true(hosted_panics(free_with_order(3, 2)));
    assert_true(hosted_panics(free_with_order(2, 3)));
    assert_true(hosted_panics(free_with_order(9, 8)));
    assert_true(hosted_panics(free_with_order(10, 9)));
    assert_true(hosted_panics(free_with_order(0, 10)));
}

/* ---- Maps as firmware gives them, and as it should not ---- */

static uint64_t usable_total(const struct boot_info *info)
{
    struct page_stats s;

    hosted_start(info);
    page_stats_get(&s);
    return s.total + s.metadata;
}

static void odd_map(void)
{
    struct boot_info *info = hosted_boot_info();

    hosted_boot_mem(info, MIB(64), MIB(64), BOOT_MEM_USABLE);
    hosted_boot_mem(info, MIB(1), MIB(31), BOOT_MEM_USABLE);             /* out of order */
    hosted_boot_mem(info, MIB(96), MIB(64), BOOT_MEM_USABLE);            /* overlaps the first */
    hosted_boot_mem(info, MIB(70), MIB(2), BOOT_MEM_RESERVED);           /* inside the first */
    hosted_boot_mem(info, MIB(300) + 100, PAGE_SIZE, BOOT_MEM_USABLE);   /* no whole page */
    hosted_boot_mem(info, UINT64_MAX - MIB(1), MIB(8), BOOT_MEM_USABLE); /* wraps around */
    hosted_boot_mem(info, MIB(200), 0, BOOT_MEM_USABLE);                 /* empty */
    hosted_boot_mem(info, MIB(201), MIB(1) + 0x123, (enum boot_mem_type)99); /* unknown */
    hosted_boot_mem(info, HOSTED_MEMORY_MAX - MIB(1), MIB(2),
                    BOOT_MEM_USABLE); /* half of it in reach */
    assert_int_equal(usable_total(info), MIB(31) + MIB(96) - MIB(2) + MIB(1));
}

static void test_odd_map(void **state)
{
    (void)state;
    hosted_child_test(odd_map());
}

static void fragmented_map(void)
{
    struct boot_info *info = hosted_boot_info();

    hosted_boot_mem(info, MIB(16), MIB(16), BOOT_MEM_USABLE);
    for (unsigned i = 0; i < 2000; i++)
        hosted_boot_mem(info, MIB(64) + i * 3 * PAGE_SIZE, 2 * PAGE_SIZE, BOOT_MEM_USABLE);
    assert_int_equal(usable_total(info), MIB(16) + 4000 * PAGE_SIZE);
}

static void test_fragmented_map(void **state)
{
    (void)state;
    hosted_child_test(fragmented_map());
}

static void out_of_reach(void)
{
    struct boot_info *info = hosted_boot_info();
    struct page_stats s;

    info->direct_map_size = GIB(128); /* Sv39 */
    hosted_boot_mem(info, GIB(2), GIB(254), BOOT_MEM_USABLE);
    assert_int_equal(usable_total(info), GIB(126));
    page_stats_get(&s);
    assert_int_equal(s.left_out, GIB(128));
}

static void test_memory_out_of_reach(void **state)
{
    (void)state;
    hosted_child_test(out_of_reach());
}

static void release_loader(void)
{
    struct boot_info *info = hosted_boot_info();
    struct page_stats before, after;

    hosted_boot_mem(info, MIB(1), MIB(1), BOOT_MEM_LOADER);
    hosted_boot_mem(info, MIB(2), MIB(30), BOOT_MEM_USABLE);
    hosted_boot_mem(info, MIB(32) + PAGE_SIZE, MIB(3), BOOT_MEM_LOADER);
    hosted_boot_mem(info, MIB(40), MIB(5), BOOT_MEM_FILE);
    hosted_start(info);
    page_stats_get(&before);
    page_release_loader();
    page_stats_get(&after);
    assert_int_equal(after.free - before.free, MIB(4));
    assert_int_equal(after.total - before.total, MIB(4));
    page_free_range(HPA(MIB(40)), MIB(5));
    page_stats_get(&after);
    assert_int_equal(after.free - before.free, MIB(9));
}

static void test_loader_memory_is_released(void **state)
{
    (void)state;
    hosted_child_test(release_loader());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_small_host),
        cmocka_unit_test(test_random_four_cpus),
        cmocka_unit_test(test_random_large_blocks),
        cmocka_unit_test(test_random_exhausted),
        cmocka_unit_test(test_every_page_can_be_had),
        cmocka_unit_test(test_terabyte_costs_little),
        cmocka_unit_test(test_small_host_costs_little),
        cmocka_unit_test(test_address_limits),
        cmocka_unit_test(test_zeroed_pages),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_odd_map),
        cmocka_unit_test(test_fragmented_map),
        cmocka_unit_test(test_memory_out_of_reach),
        cmocka_unit_test(test_loader_memory_is_released),
    };
    return cmocka_run_group_tests_name("page allocator", tests, NULL, NULL);
}
