/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The software TLB: what it knows after how many page-table walks, and what invalidations drop. The
 * page table is the test's own. Stands alone: includes what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dbt/jit.h"
#include "dbt/knobs.h"
#include "dbt/table.h"
#include "dbt/tlb.h"
#include "kernel/debug.h"
#include "mm/heap.h"
#include "mm/page.h"

#define PAGES 4097u /* aliases have places of their own */
#define VA    0x4000000000ULL
#define AT(n) (VA + (uint64_t)(n)*IR_PAGE_SIZE)

static char memory[PAGES * IR_PAGE_SIZE];
static uint64_t code_page;

static enum err ram_block(gpa_t gpa, struct guest_block *block)
{
    (void)gpa;
    *block = (struct guest_block){.hpa = {0}, .size = sizeof(memory)};
    return ERR_OK;
}

#define second_stage_fault(stage, gpa, access)    ((void)(stage), (void)(gpa), ERR_OK)
#define guest_memory_block(memory_, gpa, block)   ((void)(memory_), ram_block(gpa, block))
#define guest_memory_limit(memory_)               sizeof(memory)
#define phys_to_virt(hpa)                         ((void *)(memory + (hpa).v))
#define dbt_table_is_code(table, gpa)             ((void)(table), ((gpa) & -4096ULL) == code_page)
#define dbt_table_note_writable(table, gpa)       ((void)(table), (void)(gpa))
#define dbt_table_is_code_piece(table, gpa)       ((void)(table), (code_page ^ (gpa)) >> 21 == 0)
#define dbt_table_note_writable_piece(table, gpa) ((void)(table), (void)(gpa))
#define second_stage_lookup(stage, gpa, entry)    ((void)(stage), (void)(gpa), (void)(entry), false)
#define dbt_shared_alloc(d, size, locked)         ((void)(d), calloc(1, size))
#define dbt_shared_free(d, at, size)              ((void)(d), (void)(size), free(at))
#define dbt_jit_contexts_renew(d)                 ((void)(d))
#define dbt_returns_empty(frame, stack)           ((void)(frame), (void)(stack))
#define heap_zalloc(size)                         calloc(1, size)
#define heap_alloc(size)                          malloc(size)
#define heap_free(at)                             free(at)
#define vm_fail(vm, ...)                          ((void)(vm), abort())
#define debug_points(vm, points)                  ((void)(vm), (void)(points), 0u)

#include "dbt/tlb.c"

static struct config_vm config = {.cpus = 1};
static struct vm vm = {.config = &config};
static struct vcpu vcpu = {.vm = &vm};
static struct dbt_frame frame;
static struct dbt_vcpu d;
static uint64_t piece; /* what the page table maps alike */
static uint64_t first; /* below it nothing is mapped */
static bool writable;
static bool of_device; /* what is mapped is no memory */
static bool of_user;   /* the least privileged level reaches it */

/* Virtual pages from VA on are the memory, over and over. */
static bool walk(struct dbt_vcpu *v, uint64_t va, enum dbt_access access, struct dbt_mapping *out)
{
    bool user = access & DBT_USER;

    if (va < first || (user && !of_user)) {
        v->frame->fault = (struct dbt_fault){.address = va, .access = (uint8_t)DBT_KIND(access)};
        return false;
    }
    *out = (struct dbt_mapping){.gpa = (va - VA) % sizeof(memory) + (of_device ? GIB(4) : 0),
                                .size = piece,
                                .allowed = {true, writable, true}};
    return true;
}

static const struct dbt_guest guest = {.walk = walk};

static int setup(void **state)
{
    (void)state;
    memset(&d, 0, sizeof(d));
    d.vcpu = &vcpu;
    d.frame = &frame;
    d.guest = &guest;
    piece = IR_PAGE_SIZE;
    first = VA;
    of_user = writable = true;
    of_device = false;
    code_page = NO_PAGE;
    assert_int_equal(dbt_tlb_create(&d), ERR_OK);
    dbt_tlb_select(&d, 1, 1, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dbt_tlb_destroy(&d);
    return 0;
}

/* How many walks an access makes. */
static uint64_t walks_for(uint64_t va, enum dbt_access access)
{
    uint64_t before = d.counters.walks;
    struct dbt_place p;

    assert_true(dbt_tlb_resolve(&d, va, access, &p));
    assert_ptr_equal(p.host, memory + (va - VA) % sizeof(memory));
    assert_int_equal(p.gpa, (va - VA) % sizeof(memory));
    return d.counters.walks - before;
}

static uint64_t walks(uint64_t va)
{
    return walks_for(va, DBT_READ);
}

static void test_what_was_accessed_is_known(void **state)
{
    struct dbt_place p;

    (void)state;
    assert_int_equal(walks(AT(5) + 17), 1);
    assert_int_equal(walks(AT(5) + 4095), 0);
    assert_ptr_equal(dbt_tlb_lookup(&frame, AT(5) + 8, 8, DBT_WRITE), memory + 5 * 4096 + 8);
    assert_null(dbt_tlb_lookup(&frame, AT(5) + 4089, 8, DBT_READ)); /* lies across */
    assert_null(dbt_tlb_lookup(&frame, AT(6), 1, DBT_READ));
    assert_false(dbt_tlb_resolve(&d, 0x1000, DBT_WRITE, &p));
    assert_int_equal(frame.fault.address, 0x1000);
}

/* Svvptc: a page that gets mapped is found without a flush, however often it was missed before. */
static void test_what_is_mapped_later_needs_no_flush(void **state)
{
    struct dbt_place p;

    (void)state;
    first = AT(2);
    for (unsigned i = 0; i < 4; i++)
        assert_false(dbt_tlb_resolve(&d, AT(1), i % 2 ? DBT_READ : DBT_WRITE, &p));
    assert_int_equal(walks(AT(2)), 1);
    first = VA;
    assert_int_equal(walks(AT(1)), 1);
    assert_non_null(dbt_tlb_lookup(&frame, AT(1), 8, DBT_WRITE));
}

/* More pages than places: the table doubles until they fit, and forgets little over it. */
static void test_it_grows_under_pressure(void **state)
{
    unsigned count = 1u << (dbt_knobs.tlb_bits - 1);
    uint64_t before, made;

    (void)state;
    before = frame.tlb_mask;
    for (unsigned round = 0; round < 8; round++)
        for (unsigned i = 0; i < count; i++)
            (void)walks(AT(i));
    assert_true(frame.tlb_mask > before);
    assert_true((frame.tlb_mask + ENTRY_SIZE) / ENTRY_SIZE >= count);
    assert_true((frame.tlb_mask + ENTRY_SIZE) / ENTRY_SIZE <= 1u << dbt_knobs.tlb_bits);
    made = d.counters.walks;
    for (unsigned i = 0; i < count; i++)
        (void)walks(AT(i));
    assert_int_equal(d.counters.walks, made);
}

/* Pages that have one place: the one that had to go is found among the victims. */
static void test_victims_are_recalled(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(walks(AT(i * 1024)), 1);
    for (unsigned round = 0; round < 8; round++)
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(walks(AT(i * 1024)), 0);
}

static void test_one_page_is_invalidated(void **state)
{
    (void)state;
    for (unsigned view = 0; view < 2; view++) {
        dbt_tlb_select(&d, 1, 1, view);
        for (unsigned i = 0; i < 16; i++)
            (void)walks(AT(i));
    }
    dbt_tlb_select(&d, 2, 2, 0);
    (void)walks(AT(3));
    dbt_tlb_flush_page(&d, AT(3) + 5, 1);
    assert_int_equal(walks(AT(3)), 0); /* another address space */
    for (unsigned view = 0; view < 2; view++) {
        dbt_tlb_select(&d, 1, 1, view);
        for (unsigned i = 0; i < 16; i++)
            assert_int_equal(walks(AT(i)), i == 3);
    }
    dbt_tlb_flush_page(&d, AT(4), DBT_ASID_ALL);
    assert_int_equal(walks(AT(4)), 1);
    dbt_tlb_select(&d, 2, 2, 0);
    assert_int_equal(walks(AT(3)), 0);
}

/* An address of a large page stands for all of it, and for nothing beside it. */
static void test_a_large_page_is_invalidated_as_one(void **state)
{
    (void)state;
    piece = MIB(2);
    for (unsigned i = 0; i < 32; i++)
        (void)walks(AT(i));
    piece = IR_PAGE_SIZE;
    for (unsigned i = 0; i < 8; i++)
        (void)walks(AT(512 + 32 + i));
    dbt_tlb_flush_page(&d, AT(300), 1); /* of the same piece: nobody had touched it */
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(walks(AT(512 + 32 + i)), 0);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(walks(AT(i)), 1);
}

static void test_a_gigabyte_is_invalidated_as_one(void **state)
{
    (void)state;
    piece = GIB(1);
    (void)walks(AT(0));
    (void)walks(AT(513));
    dbt_tlb_flush_page(&d, VA + GIB(1) - 4096, 1);
    assert_int_equal(walks(AT(0)), 1);
    assert_int_equal(walks(AT(513)), 0);
}

/* All of it is known after one walk, with the rights that this said; and with a level's own. */
static void test_a_large_page_is_walked_once(void **state)
{
    (void)state;
    piece = MIB(2);
    for (unsigned i = 0; i < 1024; i++)
        assert_int_equal(walks(AT(i)), i % 512 == 0);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(walks_for(AT(i), DBT_USER_READ), i == 0);
    assert_int_equal(walks(AT(2 * 512)), 1);
    writable = false;
    assert_int_equal(walks(AT(3 * 512)), 1);
    writable = true;
    assert_int_equal(walks_for(AT(3 * 512 + 1), DBT_WRITE), 1);
    assert_int_equal(walks_for(AT(3 * 512 + 2), DBT_WRITE), 0);
    dbt_tlb_flush_page(&d, AT(3 * 512 + 5), 1);
    assert_int_equal(walks(AT(3 * 512 + 3)), 1);
    assert_int_equal(walks(AT(2 * 512 + 1)), 0);
    dbt_tlb_flush_asid(&d, 1);
    assert_int_equal(walks(AT(2 * 512 + 1)), 1);
}

/* Of a device nothing is entered but the large page itself. */
static void test_a_large_page_of_a_device_is_invalidated(void **state)
{
    struct dbt_place p;

    (void)state;
    piece = MIB(2);
    of_device = true;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t before = d.counters.walks;

        assert_true(dbt_tlb_resolve(&d, AT(1), DBT_READ, &p));
        assert_true(dbt_tlb_resolve(&d, AT(2), DBT_READ, &p));
        assert_null(p.host);
        assert_int_equal(p.gpa, GIB(4) + 2 * IR_PAGE_SIZE);
        assert_int_equal(d.counters.walks - before, 1);
        if (i == 0)
            dbt_tlb_flush_page(&d, AT(3), 1);
        else
            dbt_tlb_flush_all(&d);
    }
}

static void test_an_asid_is_invalidated(void **state)
{
    (void)state;
    (void)walks(AT(1));
    dbt_tlb_select(&d, 2, 2, 0);
    (void)walks(AT(1));
    dbt_tlb_flush_asid(&d, 1);
    assert_int_equal(walks(AT(1)), 0);
    dbt_tlb_select(&d, 1, 1, 0);
    assert_int_equal(walks(AT(1)), 1);
    dbt_tlb_flush_all(&d);
    assert_int_equal(walks(AT(1)), 1);
    dbt_tlb_select(&d, 2, 2, 0);
    assert_int_equal(walks(AT(1)), 1);
}

/* What becomes code is still read at once, and written the slow way, at every address of it. */
static void test_pages_with_code_are_protected(void **state)
{
    struct dbt_place p;

    (void)state;
    (void)walks(AT(7));
    (void)walks(AT(PAGES + 7)); /* the same memory */
    (void)walks(AT(9));
    code_page = 7 * IR_PAGE_SIZE;
    dbt_tlb_protect(&d, code_page + 100);
    for (unsigned i = 0; i < 2; i++) {
        assert_non_null(dbt_tlb_lookup(&frame, AT(i * PAGES + 7), 4, DBT_READ));
        assert_null(dbt_tlb_lookup(&frame, AT(i * PAGES + 7), 4, DBT_WRITE));
        assert_true(dbt_tlb_resolve(&d, AT(i * PAGES + 7), DBT_WRITE, &p));
        assert_true(p.code);
    }
    assert_non_null(dbt_tlb_lookup(&frame, AT(9), 4, DBT_WRITE));
}

/* Code on `count` pages, every other one, is known by the context that there is. */
static void note_code(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        dbt_tlb_note_code(&d, AT(2 * i));
}

static uint64_t contexts_after_flush(uint64_t va)
{
    uint64_t before = d.counters.contexts;

    dbt_tlb_flush_page(&d, va, 1);
    return d.counters.contexts - before;
}

/* The code of a compiler has thousands of pages; what is flushed beside it costs no contexts, but
 * for few. */
static void test_contexts_outlive_flushes_of_other_pages(void **state)
{
    uint64_t renewed = 0, one = 1;

    (void)state;
    d.jit = (void *)&d;
    dbt_tlb_select(&d, 1, 1, 0);
    for (unsigned i = 0; i < 1000; i++) {
        if (one)
            note_code(1500);
        one = contexts_after_flush(AT(2 * i + 1));
        renewed += one;
    }
    assert_true(renewed < 30);
    note_code(1500);
    assert_int_equal(contexts_after_flush(AT(1234)), 1);
    note_code(1500);
    dbt_tlb_flush_page(&d, AT(1234), 2); /* another address space's */
    assert_int_equal(contexts_after_flush(AT(0)), 1);
}

/* Where the guest's page table has a large page each address in it stands for all of its code. */
static void test_contexts_go_with_a_large_page(void **state)
{
    (void)state;
    d.jit = (void *)&d;
    dbt_tlb_select(&d, 1, 1, 0);
    piece = MIB(2);
    (void)walks(AT(3));
    dbt_tlb_note_code(&d, AT(3));
    assert_int_equal(contexts_after_flush(AT(512)), 0);
    assert_int_equal(contexts_after_flush(AT(300)), 1);
    piece = GIB(1);
    (void)walks(AT(3));
    dbt_tlb_note_code(&d, AT(3));
    assert_int_equal(contexts_after_flush(AT(5000)), 1);
}

/* What is known for one level says nothing of the other, though both are known at once. */
static void test_rights_of_the_least_privileged_level(void **state)
{
    const struct dbt_tlb_entry *e;
    struct dbt_place p;

    (void)state;
    assert_int_equal(walks_for(AT(5), DBT_USER_READ), 1);
    assert_int_equal(walks_for(AT(5) + 99, DBT_USER_WRITE), 0);
    assert_null(dbt_tlb_lookup(&frame, AT(5), 1, DBT_READ));
    assert_null(dbt_tlb_lookup(&frame, AT(5), 1, DBT_WRITE));
    assert_null(dbt_tlb_lookup(&frame, AT(5), 1, DBT_FETCH));
    e = &frame.tlb[(AT(5) >> PAGE_SHIFT) & (frame.tlb_mask / ENTRY_SIZE)];
    assert_int_equal(e->tag[DBT_READ], AT(5) | DBT_TLB_USER); /* what emitted code compares with */
    assert_int_equal(e->tag[DBT_WRITE], AT(5) | DBT_TLB_USER);
    assert_int_equal(walks(AT(5)), 1);
    assert_non_null(dbt_tlb_lookup(&frame, AT(5), 1, DBT_READ));
    for (unsigned round = 0; round < 20; round++) { /* one place for both */
        assert_int_equal(walks_for(AT(5), DBT_USER_READ), 0);
        assert_int_equal(walks(AT(5)), 0);
    }
    of_user = false;
    assert_int_equal(walks(AT(6)), 1);
    assert_false(dbt_tlb_resolve(&d, AT(6), DBT_USER_WRITE, &p));
    assert_int_equal(frame.fault.access, DBT_WRITE);
    assert_int_equal(walks(AT(6)), 0);
}

/* Both are dropped with the page, in the table and among the victims, and kept when it grows. */
static void test_both_levels_are_invalidated(void **state)
{
    struct dbt_place p;

    (void)state;
    for (unsigned current = 0; current < 2; current++) {
        assert_int_equal(walks_for(AT(3), DBT_USER_READ), 1);
        assert_int_equal(walks(AT(3)), 1);
        if (current)
            assert_int_equal(walks_for(AT(3), DBT_USER_READ), 0);
        dbt_tlb_flush_page(&d, AT(3), 1);
        assert_int_equal(walks_for(AT(3), DBT_USER_READ), 1);
        dbt_tlb_flush_page(&d, AT(3), 1);
    }
    piece = MIB(2);
    assert_int_equal(walks_for(AT(7), DBT_USER_READ), 1);
    dbt_tlb_flush_page(&d, AT(8), 1);
    assert_int_equal(walks_for(AT(7), DBT_USER_READ), 1);
    assert_int_equal(walks(AT(7)), 1);
    code_page = 7 * IR_PAGE_SIZE;
    dbt_tlb_protect(&d, code_page);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(dbt_tlb_resolve(&d, AT(7), i ? DBT_WRITE : DBT_USER_WRITE, &p));
        assert_true(p.code);
    }
    for (unsigned i = 0; i < 64; i++)
        (void)walks_for(AT(i), DBT_USER_READ);
    table_resize(&d, d.tlbs->table, BITS_MIN + 3, true);
    dbt_tlb_publish(&d);
    assert_int_equal(walks_for(AT(60), DBT_USER_WRITE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_accessed_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_mapped_later_needs_no_flush, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_grows_under_pressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_victims_are_recalled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_page_is_invalidated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_large_page_is_invalidated_as_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_large_page_is_walked_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_large_page_of_a_device_is_invalidated, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_gigabyte_is_invalidated_as_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_asid_is_invalidated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_with_code_are_protected, setup, teardown),
        cmocka_unit_test_setup_teardown(test_contexts_outlive_flushes_of_other_pages, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_contexts_go_with_a_large_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rights_of_the_least_privileged_level, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_levels_are_invalidated, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
