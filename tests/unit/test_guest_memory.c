/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Guest memory against a flat copy of it, and the second stage that is derived from it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "hosted.h"
#include "mm/guest_memory.h"
#include "mm/page.h"
#include "mm/second_stage.h"

/* Two adjacent regions whose border is inside a 2 MiB block, a hole, a third one. */
#define LOW_SIZE    (MIB(5) + 3 * PAGE_SIZE)
#define MIDDLE_SIZE (MIB(6) - 3 * PAGE_SIZE)
#define HIGH_BASE   GIB(4)
#define HIGH_SIZE   MIB(4)
#define LOW_END     MIB(11)

static unsigned char low[LOW_END], high[HIGH_SIZE], buffer[MIB(1)];

static struct guest_memory *start(void)
{
    struct guest_memory *m;

    hosted_start_size(MIB(128));
    assert_int_equal(guest_memory_create(&m), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(0), LOW_SIZE), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(LOW_SIZE), MIDDLE_SIZE), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(HIGH_BASE), HIGH_SIZE), ERR_OK);
    return m;
}

/* The model's bytes at `gpa`, NULL where it has none for all of `size`. */
static unsigned char *model(uint64_t gpa, uint64_t size)
{
    if (gpa <= LOW_END && size <= LOW_END - gpa)
        return low + gpa;
    if (gpa >= HIGH_BASE && gpa - HIGH_BASE <= HIGH_SIZE && size <= HIGH_SIZE - (gpa - HIGH_BASE))
        return high + (gpa - HIGH_BASE);
    return NULL;
}

static void random_operation(struct guest_memory *m, uint64_t *seed)
{
    uint64_t r = hosted_random(seed), size = hosted_random(seed) % (r % 3 ? 64 : sizeof(buffer));
    uint64_t gpa = (r >> 8) % 2 ? (r >> 16) % (LOW_END + MIB(1))
                                : HIGH_BASE + (r >> 16) % (HIGH_SIZE + PAGE_SIZE);
    unsigned char *is = model(gpa, size);
    enum err want = is ? ERR_OK : ERR_RANGE;

    switch ((r >> 4) % 4) {
    case 0:
        assert_int_equal(guest_zero(m, GPA(gpa), size), want);
        if (is)
            memset(is, 0, size);
        break;
    case 1:
        for (uint64_t i = 0; i < size; i += 8)
            buffer[i] = (unsigned char)hosted_random(seed);
        assert_int_equal(guest_copy_to(m, GPA(gpa), buffer, size), want);
        if (is)
            memcpy(is, buffer, size);
        break;
    default:
        assert_int_equal(guest_copy_from(m, GPA(gpa), buffer, size), want);
        if (is)
            assert_memory_equal(buffer, is, size);
    }
}

static void random_operations(void)
{
    struct page_stats before, after;
    uint64_t seed = 7;

    hosted_start_size(MIB(128));
    page_stats_get(&before);
    struct guest_memory *m;
    assert_int_equal(guest_memory_create(&m), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(0), LOW_SIZE), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(LOW_SIZE), MIDDLE_SIZE), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(HIGH_BASE), HIGH_SIZE), ERR_OK);
    assert_int_equal(guest_memory_limit(m), HIGH_BASE + HIGH_SIZE);
    for (unsigned i = 0; i < 3000; i++)
        random_operation(m, &seed);
    assert_true(guest_memory_resident(m) >= LOW_END);
    guest_memory_destroy(m);
    page_stats_get(&after);
    assert_true(before.free - after.free < KIB(128)); /* slabs that the heap keeps */
}

static void test_random(void **state)
{
    (void)state;
    hosted_child_test(random_operations());
}

static void hostile_ranges(void)
{
    struct guest_memory *m = start();
    struct guest_block block;
    void *span;

    assert_int_equal(guest_copy_from(m, GPA(UINT64_MAX), buffer, 2), ERR_RANGE);
    assert_int_equal(guest_copy_to(m, GPA(UINT64_MAX - 1), buffer, 1), ERR_RANGE);
    assert_int_equal(guest_copy_to(m, GPA(LOW_END - 1), buffer, 2), ERR_RANGE);
    assert_int_equal(guest_copy_from(m, GPA(0), buffer, 0), ERR_OK);
    assert_int_equal(guest_zero(m, GPA(0), UINT64_MAX), ERR_RANGE);
    assert_int_equal(guest_pin(m, GPA(GIB(1)), 1, &span), ERR_RANGE);
    assert_int_equal(guest_pin(m, GPA(0), 0, &span), ERR_RANGE);
    assert_int_equal(guest_pin(m, GPA(MIB(2) - 8), 16, &span), ERR_RANGE); /* two blocks */
    assert_int_equal(guest_memory_block(m, GPA(GIB(2)), &block), ERR_RANGE);
    assert_int_equal(guest_memory_add_ram(m, GPA(PAGE_SIZE), PAGE_SIZE), ERR_EXISTS);
    assert_int_equal(guest_memory_add_ram(m, GPA(GIB(8) + 1), PAGE_SIZE), ERR_INVALID);
    assert_int_equal(guest_memory_add_ram(m, GPA(0 - PAGE_SIZE), 2 * PAGE_SIZE), ERR_INVALID);
}

static void test_hostile_ranges(void **state)
{
    (void)state;
    hosted_child_test(hostile_ranges());
}

static void pins(void)
{
    struct guest_memory *m = start();
    char *span;

    assert_int_equal(guest_pin(m, GPA(MIB(1)), MIB(1), (void **)&span), ERR_OK);
    strcpy(span + 100, "pinned");
    assert_int_equal(guest_copy_from(m, GPA(MIB(1) + 100), buffer, 7), ERR_OK);
    assert_string_equal(buffer, "pinned");
    guest_unpin(m, GPA(MIB(1)), MIB(1));
    guest_memory_destroy(m);
}

static void destroyed_while_pinned(void)
{
    struct guest_memory *m = start();
    void *span;

    if (guest_pin(m, GPA(0), 1, &span) == ERR_OK)
        guest_memory_destroy(m);
}

static void test_pins(void **state)
{
    (void)state;
    hosted_child_test(pins());
    assert_true(hosted_panics(destroyed_while_pinned()));
}

/* A second guest must not see what the first one left. */
static void scrubbed(void)
{
    struct guest_memory *m;

    hosted_start_size(MIB(32));
    for (unsigned guest = 0; guest < 3; guest++) {
        assert_int_equal(guest_memory_create(&m), ERR_OK);
        assert_int_equal(guest_memory_add_ram(m, GPA(0), MIB(16)), ERR_OK);
        for (uint64_t gpa = 0; gpa < MIB(16); gpa += sizeof(buffer)) {
            void *span;
            assert_int_equal(guest_pin(m, GPA(gpa), sizeof(buffer), &span), ERR_OK);
            memset(buffer, 0, sizeof(buffer));
            assert_memory_equal(span, buffer, sizeof(buffer));
            memset(span, 0xa5, sizeof(buffer));
            guest_unpin(m, GPA(gpa), sizeof(buffer));
        }
        guest_memory_destroy(m);
    }
}

static void test_scrubbed(void **state)
{
    (void)state;
    hosted_child_test(scrubbed());
}

static void falls_back_to_pages(void)
{
    struct guest_memory *m;

    hosted_start_size(MIB(16));
    while (page_alloc(PAGE_ORDER_2M, 0).v)
        ;
    assert_int_equal(guest_memory_create(&m), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(0), MIB(64)), ERR_OK);
    assert_int_equal(guest_zero(m, GPA(MIB(3)), PAGE_SIZE), ERR_OK);
    assert_int_equal(guest_memory_resident(m), PAGE_SIZE);
    assert_int_equal(guest_zero(m, GPA(0), MIB(64)), ERR_NO_MEMORY);
    guest_memory_destroy(m);
}

static void test_falls_back_to_pages(void **state)
{
    (void)state;
    hosted_child_test(falls_back_to_pages());
}

/* ---- The second stage ---- */

static void check_leaf(struct second_stage *s, struct guest_memory *m, uint64_t gpa, uint64_t size)
{
    struct page_table view = {.format = &hosted_format_gstage, .root = second_stage_root(s)};
    struct guest_block block;
    struct pt_entry e;

    assert_int_equal(second_stage_fault(s, GPA(gpa), PT_WRITE), ERR_OK);
    assert_int_equal(guest_memory_block(m, GPA(gpa), &block), ERR_OK);
    assert_true(page_table_lookup(&view, gpa, &e));
    assert_int_equal(e.size, size);
    assert_int_equal(e.pa.v, block.hpa.v + (gpa - block.gpa.v));
    assert_true(e.attrs & PT_WRITE);
}

static void faults(void)
{
    struct guest_memory *m = start();
    struct second_stage *s;
    int vm;

    assert_int_equal(second_stage_create(&s, &hosted_format_gstage, m, &vm), ERR_OK);
    check_leaf(s, m, 0x1234, MIB(2));
    check_leaf(s, m, MIB(3), MIB(2));
    check_leaf(s, m, LOW_SIZE - 1, PAGE_SIZE); /* the border block */
    check_leaf(s, m, LOW_SIZE, PAGE_SIZE);
    check_leaf(s, m, HIGH_BASE + MIB(2), MIB(2));
    check_leaf(s, m, HIGH_BASE + MIB(2), MIB(2)); /* a second vCPU came too late */
    assert_int_equal(second_stage_fault(s, GPA(LOW_END), PT_READ), ERR_RANGE);
    assert_int_equal(second_stage_fault(s, GPA(UINT64_MAX), PT_READ), ERR_RANGE);
    assert_int_equal(second_stage_write_protect(s, GPA(0), MIB(2)), ERR_OK);
    check_leaf(s, m, 0, MIB(2)); /* the write fault gives it back */
    assert_int_equal(second_stage_unmap(s, GPA(0), MIB(4)), ERR_OK);
    check_leaf(s, m, MIB(1), MIB(2));
    if (hosted_pt_violations())
        fail_msg("%s", hosted_pt_rule);
    second_stage_destroy(s);
    guest_memory_destroy(m);
}

static void test_second_stage(void **state)
{
    (void)state;
    hosted_child_test(faults());
}

/* All at once, and 1 GiB of it in one leaf until a part is given back. */
static void taken_at_once(const struct pt_format *format)
{
    const uint64_t size = GIB(1) + MIB(4) + PAGE_SIZE;
    struct page_table view = {.format = format};
    struct page_stats before, after;
    struct guest_memory *m;
    struct second_stage *s;
    struct pt_entry e;
    int vm;

    hosted_start_size(GIB(3));
    page_stats_get(&before);
    assert_int_equal(guest_memory_create(&m), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(GIB(1)), size), ERR_OK);
    assert_int_equal(guest_memory_take_all(m), ERR_OK);
    assert_int_equal(guest_memory_resident(m), size);
    assert_int_equal(second_stage_create(&s, format, m, &vm), ERR_OK);
    view.root = second_stage_root(s);
    assert_int_equal(second_stage_fault(s, GPA(GIB(1) + MIB(7)), PT_WRITE), ERR_OK);
    assert_int_equal(second_stage_fault(s, GPA(GIB(2) + MIB(3)), PT_WRITE), ERR_OK);
    assert_int_equal(second_stage_fault(s, GPA(GIB(2) + MIB(4)), PT_WRITE), ERR_OK);
    assert_int_equal(second_stage_gigabytes(s), 1);
    assert_true(page_table_lookup(&view, GIB(2) - 1, &e) && e.size == GIB(1));
    assert_true(page_table_lookup(&view, GIB(2) + MIB(2), &e) && e.size == MIB(2));
    assert_true(page_table_lookup(&view, GIB(2) + MIB(4), &e) && e.size == PAGE_SIZE);

    assert_int_equal(guest_memory_release(m, s, GPA(GIB(1) + MIB(6)), MIB(2)), MIB(2));
    assert_false(page_table_lookup(&view, GIB(1) + MIB(6), &e));
    assert_true(page_table_lookup(&view, GIB(1) + MIB(8), &e) && e.size == MIB(2));
    assert_int_equal(second_stage_fault(s, GPA(GIB(1) + MIB(6)), PT_WRITE), ERR_OK);
    assert_true(page_table_lookup(&view, GIB(1) + MIB(6), &e) && e.size == MIB(2));
    assert_int_equal(second_stage_unmap(s, GPA(GIB(1)), GIB(1)), ERR_OK);
    assert_int_equal(second_stage_fault(s, GPA(GIB(1)), PT_WRITE), ERR_OK);
    if (hosted_pt_violations())
        fail_msg("%s", hosted_pt_rule);
    second_stage_destroy(s);
    guest_memory_destroy(m);
    page_stats_get(&after);
    assert_true(before.free - after.free < KIB(128));
}

static void too_much_at_once(void)
{
    struct guest_memory *m;

    hosted_start_size(MIB(32));
    assert_int_equal(guest_memory_create(&m), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(0), MIB(64)), ERR_OK);
    assert_int_equal(guest_memory_take_all(m), ERR_NO_MEMORY);
    guest_memory_destroy(m);
}

static void test_taken_at_once(void **state)
{
    (void)state;
    hosted_child_test(taken_at_once(&hosted_format_gstage));
    hosted_child_test(taken_at_once(&hosted_format_stage2));
    hosted_child_test(too_much_at_once());
}

/* ---- Caches ---- */

static void fault_page(struct second_stage *s, uint64_t gpa, uint64_t synced)
{
    hosted_synced = 0;
    assert_int_equal(second_stage_fault(s, GPA(gpa), PT_WRITE), ERR_OK);
    assert_int_equal(hosted_synced, synced);
    if (hosted_pt_violations())
        fail_msg("%s", hosted_pt_rule);
}

/* What is mapped was synced since the hypervisor wrote it, and not again while it stays mapped. */
static void synced_once(void)
{
    struct guest_memory *m;
    struct second_stage *s;
    void *span;
    int vm;

    hosted_start_size(MIB(128));
    assert_int_equal(guest_memory_create(&m), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(0), MIB(8) + PAGE_SIZE), ERR_OK);
    assert_int_equal(second_stage_create(&s, &hosted_format_stage2, m, &vm), ERR_OK);
    fault_page(s, MIB(2), MIB(2));
    fault_page(s, MIB(3), 0);
    fault_page(s, MIB(8), PAGE_SIZE);
    assert_int_equal(second_stage_write_protect(s, GPA(MIB(2)), PAGE_SIZE), ERR_OK);
    fault_page(s, MIB(2), 0);
    assert_int_equal(guest_memory_release(m, s, GPA(MIB(2)), 4 * PAGE_SIZE), 4 * PAGE_SIZE);
    fault_page(s, MIB(2) + PAGE_SIZE, PAGE_SIZE);
    assert_int_equal(guest_memory_release(m, s, GPA(0), MIB(8)), MIB(2) - 3 * PAGE_SIZE);
    fault_page(s, MIB(2) + PAGE_SIZE, MIB(2));

    /* Pages that could not be given back, as the hypervisor used some beside them. */
    assert_int_equal(guest_pin(m, GPA(MIB(3)), 64, &span), ERR_OK);
    assert_int_equal(guest_memory_release(m, s, GPA(MIB(2)), 2 * PAGE_SIZE), 0);
    fault_page(s, MIB(2), PAGE_SIZE);
    fault_page(s, MIB(2) + PAGE_SIZE, PAGE_SIZE);
    guest_unpin(m, GPA(MIB(3)), 64);
    second_stage_destroy(s);
    guest_memory_destroy(m);
}

static void test_synced_before_mapped(void **state)
{
    (void)state;
    hosted_child_test(synced_once());
}

/* ---- Giving memory back ---- */

static void fill(struct guest_memory *m, uint64_t gpa, uint64_t size, unsigned char with)
{
    memset(buffer, with, PAGE_SIZE);
    for (uint64_t at = 0; at < size; at += PAGE_SIZE)
        assert_int_equal(guest_copy_to(m, GPA(gpa + at), buffer, PAGE_SIZE), ERR_OK);
}

static void check_filled(struct guest_memory *m, uint64_t gpa, uint64_t size, unsigned char with)
{
    static unsigned char page[PAGE_SIZE];

    memset(page, with, PAGE_SIZE);
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        assert_int_equal(guest_copy_from(m, GPA(gpa + at), buffer, PAGE_SIZE), ERR_OK);
        assert_memory_equal(buffer, page, PAGE_SIZE);
    }
}

static bool mapped(struct second_stage *s, uint64_t gpa)
{
    struct page_table view = {.format = &hosted_format_stage2, .root = second_stage_root(s)};
    struct pt_entry e;

    return page_table_lookup(&view, gpa, &e);
}

static void releases(void)
{
    struct page_stats before, after;
    struct second_stage *s;
    void *span;
    int vm;

    hosted_start_size(MIB(128));
    page_stats_get(&before);
    struct guest_memory *m;
    assert_int_equal(guest_memory_create(&m), ERR_OK);
    assert_int_equal(guest_memory_add_ram(m, GPA(0), MIB(16)), ERR_OK);
    assert_int_equal(second_stage_create(&s, &hosted_format_stage2, m, &vm), ERR_OK);
    fill(m, 0, MIB(16), 0x5a);
    for (uint64_t gpa = 0; gpa < MIB(16); gpa += MIB(2))
        assert_int_equal(second_stage_fault(s, GPA(gpa), PT_WRITE), ERR_OK);

    /* Whole blocks, with pages at both ends. */
    assert_int_equal(
        guest_memory_release(m, s, GPA(MIB(2) - 2 * PAGE_SIZE), MIB(4) + 3 * PAGE_SIZE),
        MIB(4) + 3 * PAGE_SIZE);
    assert_int_equal(guest_memory_resident(m), MIB(12) - 3 * PAGE_SIZE);
    check_filled(m, 0, MIB(2) - 2 * PAGE_SIZE, 0x5a);
    check_filled(m, MIB(2) - 2 * PAGE_SIZE, MIB(4) + 3 * PAGE_SIZE, 0);
    check_filled(m, MIB(6) + PAGE_SIZE, MIB(10) - PAGE_SIZE, 0x5a);
    assert_true(mapped(s, 0));
    assert_false(mapped(s, MIB(2) - PAGE_SIZE));
    assert_false(mapped(s, MIB(4)));
    assert_false(mapped(s, MIB(6)));
    assert_true(mapped(s, MIB(6) + PAGE_SIZE));

    /* Twice is once; parts of pages, and what is no RAM, are nothing. */
    assert_int_equal(guest_memory_release(m, s, GPA(MIB(2)), MIB(4)), 0);
    assert_int_equal(guest_memory_release(m, s, GPA(MIB(8) + 1), PAGE_SIZE), 0);
    assert_int_equal(guest_memory_release(m, s, GPA(MIB(14)), MIB(64)), MIB(2));
    assert_int_equal(guest_memory_release(m, s, GPA(GIB(1)), GIB(64)), 0);

    /* What somebody uses stays. */
    assert_int_equal(guest_pin(m, GPA(MIB(8)), 64, &span), ERR_OK);
    assert_int_equal(guest_memory_release(m, s, GPA(MIB(8)), MIB(2)), 0);
    memset(span, 1, 64);
    guest_unpin(m, GPA(MIB(8)), 64);
    assert_int_equal(guest_memory_release(m, s, GPA(MIB(8)), MIB(2)), MIB(2));

    /* And comes back on the next touch. */
    assert_int_equal(second_stage_fault(s, GPA(MIB(8)), PT_WRITE), ERR_OK);
    assert_true(mapped(s, MIB(8)));
    if (hosted_pt_violations())
        fail_msg("%s", hosted_pt_rule);
    second_stage_destroy(s);
    guest_memory_destroy(m);
    page_stats_get(&after);
    assert_true(before.free - after.free < KIB(128));
}

static void test_release(void **state)
{
    (void)state;
    hosted_child_test(releases());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_hostile_ranges),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_scrubbed),
        cmocka_unit_test(test_falls_back_to_pages),
        cmocka_unit_test(test_second_stage),
        cmocka_unit_test(test_taken_at_once),
        cmocka_unit_test(test_synced_before_mapped),
        cmocka_unit_test(test_release),
    };
    return cmocka_run_group_tests_name("guest memory", tests, NULL, NULL);
}
