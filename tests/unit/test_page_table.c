/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The page-table walker against a flat map of pages, with the checker of barrier rules watching
 * every step. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "hosted.h"
#include "mm/page.h"
#include "mm/page_table_trace.h"

/* The model: what each page of a window maps to; 0: nothing. */
#define WINDOW_PAGES (4 * 512)
#define WINDOW_BASE  (GIB(1) - WINDOW_PAGES / 2 * PAGE_SIZE)

struct model_page {
    uint64_t pa;
    unsigned attrs;
};
static struct model_page window[WINDOW_PAGES];
static int owner; /* not NULL: these are not the kernel's tables */

static bool model_free(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        if (window[i].pa)
            return false;
    return true;
}

static void check_window(const struct page_table *pt)
{
    for (unsigned i = 0; i < WINDOW_PAGES; i++) {
        struct pt_entry e;
        bool mapped = page_table_lookup(pt, WINDOW_BASE + i * PAGE_SIZE + 0x123, &e);

        assert_int_equal(mapped, window[i].pa != 0);
        if (mapped) {
            assert_int_equal(e.pa.v, window[i].pa + 0x123);
            assert_int_equal(e.attrs, window[i].attrs);
        }
    }
}

static void no_violations(void)
{
    if (hosted_pt_violations())
        fail_msg("%s", hosted_pt_rule);
}

/* A range of the window, often aligned to 2 MiB. */
static void pick_range(uint64_t r, unsigned *first, unsigned *count)
{
    *first = (unsigned)(r % WINDOW_PAGES);
    *count = 1 + (unsigned)((r >> 16) % 700);
    if ((r >> 32) % 2) {
        *first = ALIGN_DOWN(*first, 512u);
        *count = 512 * (1 + (*count % 2));
    }
    *count = MIN(*count, WINDOW_PAGES - *first);
}

static void random_operation(struct page_table *pt, uint64_t r)
{
    static const unsigned attr_choice[] = {PT_READ, PT_READ | PT_WRITE, PT_READ | PT_EXEC,
                                           PT_READ | PT_WRITE | PT_DEVICE};
    unsigned first, count, attrs = attr_choice[(r >> 40) % 4];
    enum err e;

    pick_range(r, &first, &count);
    uint64_t va = WINDOW_BASE + first * PAGE_SIZE, size = count * PAGE_SIZE;
    uint64_t pa = GIB(8) + va + ((r >> 44) % 2 ? 0 : PAGE_SIZE);

    switch ((r >> 48) % 3) {
    case 0:
        e = page_table_map(pt, va, HPA(pa), size, attrs);
        assert_int_equal(e, model_free(first, count) ? ERR_OK : ERR_EXISTS);
        for (unsigned i = 0; i < count && !e; i++)
            window[first + i] = (struct model_page){pa + i * PAGE_SIZE, attrs};
        break;
    case 1:
        assert_int_equal(page_table_unmap(pt, va, size), ERR_OK);
        memset(&window[first], 0, count * sizeof(window[0]));
        break;
    default:
        assert_int_equal(page_table_protect(pt, va, size, attrs), ERR_OK);
        for (unsigned i = first; i < first + count; i++)
            window[i].attrs = window[i].pa ? attrs : 0;
    }
}

static void random_operations(const struct pt_format *format, bool keep)
{
    uint64_t seed = 0x9e3779b97f4a7c15ULL;
    struct page_stats before, after;
    struct page_table pt;

    hosted_start_size(MIB(64));
    page_stats_get(&before);
    assert_int_equal(page_table_init(&pt, format, &owner), ERR_OK);
    pt.keep_tables = keep;
    for (unsigned i = 0; i < 3000; i++) {
        random_operation(&pt, hosted_random(&seed));
        no_violations();
        if (i % 50 == 0)
            check_window(&pt);
    }
    assert_int_equal(page_table_unmap(&pt, WINDOW_BASE, WINDOW_PAGES * PAGE_SIZE), ERR_OK);
    no_violations();
    if (!keep)
        assert_int_equal(pt.table_pages, 1u << format->root_order);
    page_table_destroy(&pt);
    page_stats_get(&after);
    assert_int_equal(before.free, after.free);
}

static void test_random_x86(void **state)
{
    (void)state;
    hosted_child_test(random_operations(&hosted_format_x86, false));
}

static void test_random_arm(void **state)
{
    (void)state;
    hosted_child_test(random_operations(&hosted_format_arm, false));
}

static void test_random_riscv_kept_tables(void **state)
{
    (void)state;
    hosted_child_test(random_operations(&hosted_format_riscv, true));
}

static void test_random_gstage(void **state)
{
    (void)state;
    hosted_child_test(random_operations(&hosted_format_gstage, false));
}

static void large_leaves(void)
{
    struct page_table pt;
    struct pt_entry e;

    hosted_start_size(MIB(64));
    assert_int_equal(page_table_init(&pt, &hosted_format_x86, &owner), ERR_OK);
    uint64_t va = 0xffff800000000000ULL;
    assert_int_equal(page_table_map(&pt, va, HPA(0), TIB(1), PT_READ), ERR_OK);
    assert_int_equal(pt.table_pages, 1 + 2); /* the root and two tables of 1 GiB leaves */
    assert_true(page_table_lookup(&pt, va + GIB(700) + 5, &e));
    assert_int_equal(e.size, GIB(1));
    assert_int_equal(e.pa.v, GIB(700) + 5);
    /* One page out of a gigabyte: it is split down to that page only. */
    assert_int_equal(page_table_unmap(&pt, va + GIB(5) + MIB(6), PAGE_SIZE), ERR_OK);
    assert_int_equal(pt.table_pages, 1 + 2 + 2);
    assert_false(page_table_lookup(&pt, va + GIB(5) + MIB(6), &e));
    assert_true(page_table_lookup(&pt, va + GIB(5) + MIB(6) + PAGE_SIZE, &e));
    assert_int_equal(e.size, PAGE_SIZE);
    assert_true(page_table_lookup(&pt, va + GIB(5) + MIB(8), &e));
    assert_int_equal(e.size, MIB(2));
    no_violations();
}

static void test_large_leaves(void **state)
{
    (void)state;
    hosted_child_test(large_leaves());
}

static void bounds(void)
{
    struct page_table pt;
    struct pt_entry e;
    uint64_t top = 0 - PAGE_SIZE;

    hosted_start_size(MIB(64));
    assert_int_equal(page_table_init(&pt, &hosted_format_riscv, &owner), ERR_OK);
    assert_int_equal(page_table_map(&pt, 1, HPA(0), PAGE_SIZE, PT_READ), ERR_INVALID);
    assert_int_equal(page_table_map(&pt, 0, HPA(0), 0, PT_READ), ERR_INVALID);
    assert_int_equal(page_table_map(&pt, top, HPA(0), 2 * PAGE_SIZE, PT_READ), ERR_INVALID);
    assert_int_equal(page_table_map(&pt, 1ULL << 40, HPA(0), PAGE_SIZE, PT_READ), ERR_INVALID);
    assert_int_equal(page_table_map(&pt, top, HPA(MIB(1)), PAGE_SIZE, PT_READ), ERR_OK);
    assert_true(page_table_lookup(&pt, UINT64_MAX, &e));
    assert_int_equal(e.pa.v, MIB(1) + PAGE_MASK);
    assert_int_equal(page_table_unmap(&pt, top, PAGE_SIZE), ERR_OK);
    assert_false(page_table_lookup(&pt, UINT64_MAX, &e));
}

static void test_bounds(void **state)
{
    (void)state;
    hosted_child_test(bounds());
}

static void out_of_memory(void)
{
    struct page_stats before, after;
    struct page_table pt;
    struct pt_entry e;

    hosted_start_size(MIB(16));
    assert_int_equal(page_table_init(&pt, &hosted_format_arm, &owner), ERR_OK);
    while (page_alloc(0, 0).v)
        ;
    page_stats_get(&before);
    assert_int_equal(page_table_map(&pt, GIB(1), HPA(GIB(1)), PAGE_SIZE, PT_READ), ERR_NO_MEMORY);
    assert_false(page_table_lookup(&pt, GIB(1), &e));
    page_stats_get(&after);
    assert_int_equal(before.free, after.free);
    no_violations();
}

static void test_out_of_memory_changes_nothing(void **state)
{
    (void)state;
    hosted_child_test(out_of_memory());
}

/* ---- The checker itself: it must reject what the walker does not do ---- */

static void leaf_over_leaf(void)
{
    struct page_table pt;
    uint64_t *slot;

    hosted_start_size(MIB(64));
    assert_int_equal(page_table_init(&pt, &hosted_format_arm, &owner), ERR_OK);
    slot = phys_to_virt(page_alloc(0, PAGE_ZERO));
    pt_write(&pt, slot, pt.format->leaf(HPA(MIB(1)), 0, PT_READ), 0, 0);
    pt_publish(&pt, 0, PAGE_SIZE);
    assert_int_equal(hosted_pt_violations(), 0);
    pt_write(&pt, slot, pt.format->leaf(HPA(MIB(2)), 0, PT_READ), 0, 0);
    pt_flush(&pt, 0, PAGE_SIZE);
    assert_true(hosted_pt_violations() > 0);
    assert_non_null(strstr(hosted_pt_rule, "D8.16.1"));
}

static void missing_flush_and_publish(void)
{
    struct page_table pt;
    uint64_t *slot;

    hosted_start_size(MIB(64));
    assert_int_equal(page_table_init(&pt, &hosted_format_riscv, &owner), ERR_OK);
    slot = phys_to_virt(page_alloc(0, PAGE_ZERO));
    pt_write(&pt, slot, pt.format->leaf(HPA(MIB(1)), 0, PT_READ), 0, 0);
    assert_true(hosted_pt_violations() > 0);
    assert_non_null(strstr(hosted_pt_rule, "not published"));
    pt_write(&pt, slot, 0, 0, 0);
    assert_true(hosted_pt_violations() > 0);
    assert_non_null(strstr(hosted_pt_rule, "not flushed"));
}

static void early_free(void)
{
    struct page_table pt;
    uint64_t *slot;

    hosted_start_size(MIB(64));
    assert_int_equal(page_table_init(&pt, &hosted_format_x86, &owner), ERR_OK);
    slot = phys_to_virt(page_alloc(0, PAGE_ZERO));
    pt_write(&pt, slot, pt.format->table(HPA(MIB(1))), 0, 1);
    pt_write(&pt, slot, 0, 0, 1);
    pt_check_table_free(&pt, HPA(MIB(1)));
    assert_true(hosted_pt_violations() > 0);
    assert_non_null(strstr(hosted_pt_rule, "4.10.4.2"));
}

static void not_synced(void)
{
    struct page_table pt;

    hosted_start_size(MIB(64));
    assert_int_equal(page_table_init(&pt, &hosted_format_stage2, &owner), ERR_OK);
    pt_sync(&pt, HPA(MIB(2)), MIB(2));
    assert_int_equal(page_table_map(&pt, 0, HPA(MIB(2)), MIB(2), PT_READ), ERR_OK);
    assert_int_equal(page_table_protect(&pt, 0, PAGE_SIZE, PT_READ | PT_WRITE), ERR_OK);
    assert_int_equal(page_table_map(&pt, GIB(1), HPA(MIB(6)), MIB(2), PT_READ | PT_DEVICE), ERR_OK);
    no_violations();
    assert_int_equal(page_table_map(&pt, MIB(2), HPA(MIB(4)), MIB(2), PT_READ), ERR_OK);
    assert_true(hosted_pt_violations() > 0);
    assert_non_null(strstr(hosted_pt_rule, "synced"));
    assert_int_equal(page_table_unmap(&pt, 0, MIB(2)), ERR_OK);
    assert_int_equal(page_table_map(&pt, 0, HPA(MIB(2)), MIB(2), PT_READ), ERR_OK);
    assert_true(hosted_pt_violations() > 0);
}

static void test_checker_rejects(void **state)
{
    (void)state;
    hosted_child_test(leaf_over_leaf());
    hosted_child_test(missing_flush_and_publish());
    hosted_child_test(early_free());
    hosted_child_test(not_synced());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_x86),
        cmocka_unit_test(test_random_arm),
        cmocka_unit_test(test_random_riscv_kept_tables),
        cmocka_unit_test(test_random_gstage),
        cmocka_unit_test(test_large_leaves),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_out_of_memory_changes_nothing),
        cmocka_unit_test(test_checker_rejects),
    };
    return cmocka_run_group_tests_name("page tables", tests, NULL, NULL);
}
