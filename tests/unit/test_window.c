/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Windows on guest memory: what is mapped for emitted code against what the TLB knows, and with
 * `mmu = auto` who goes by them. The host and the TLB are the test's own. Stands alone: includes
 * what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dbt/jit.h"
#include "dbt/knobs.h"
#include "dbt/slow.h"
#include "dbt/table.h"
#include "dbt/tlb.h"
#include "dbt/window.h"
#include "kernel/config.h"
#include "kernel/panic.h"
#include "kernel/window.h"
#include "mm/heap.h"

#define PAGES     1024u /* of guest memory, from VA on: two pieces of 2 MiB */
#define PIECE     512u
#define VA        0x4000000000ULL
#define AT(n)     (VA + (uint64_t)(n)*IR_PAGE_SIZE)
#define RANGE     0x10000000000ULL
#define HOST(n)   (memory + (uint64_t)(n)*IR_PAGE_SIZE)
#define SECOND    1000000000ULL /* ticks */
#define MILLI     (SECOND / 1000)
#define RUN_MILLI 10

enum rights { NONE, READ, WRITE };

static char *memory;                            /* is not accessed */
static enum rights knows[PAGES], mapped[PAGES]; /* what the TLB, what the host has */
static unsigned maps;                           /* how often the host mapped something */
static bool alike;                              /* the guest maps the pieces alike */
static bool lost_memory;
static int code_page = -1;
static uint64_t now;

static unsigned page_of(uint64_t va)
{
    return (unsigned)((va - VA) / IR_PAGE_SIZE);
}

static bool limits(unsigned vcpus, unsigned *ranges, unsigned *pages, const char **reason)
{
    (void)vcpus, (void)reason;
    *ranges = 2;
    *pages = 300;
    return true;
}

static uint64_t range(struct cage *c, unsigned n, uintptr_t *room)
{
    (void)c, (void)room;
    return RANGE * (n + 1);
}

static void release(struct cage *c, uintptr_t room)
{
    (void)c, (void)room;
}

static unsigned place(uint64_t at)
{
    return (unsigned)((at % RANGE - VA % WINDOW_SIZE) / IR_PAGE_SIZE);
}

static bool map(struct cage *c, uint64_t at, const void *host, uint64_t size, bool write)
{
    (void)c;
    maps++;
    assert_ptr_equal(host, HOST(place(at)));
    assert_int_equal(at % size, 0);
    for (unsigned i = 0; i < size / IR_PAGE_SIZE; i++)
        mapped[place(at) + i] = write ? WRITE : READ;
    return true;
}

static void unmap(struct cage *c, uint64_t at, uint64_t size)
{
    (void)c;
    for (unsigned i = 0; i < size / IR_PAGE_SIZE; i++)
        mapped[place(at) + i] = NONE;
}

static const struct window_host fake_host = {.page_ns = 1000,
                                             .limits = limits,
                                             .range = range,
                                             .release = release,
                                             .map = map,
                                             .unmap = unmap};

static bool resolve(uint64_t va, enum dbt_access access, struct dbt_place *p)
{
    *p = (struct dbt_place){.gpa = va - VA, .host = HOST(page_of(va))};
    return knows[page_of(va)] >= (access == DBT_WRITE ? WRITE : READ);
}

static bool piece_of(uint64_t va, struct dbt_piece *p, bool *lost)
{
    unsigned first = ALIGN_DOWN(page_of(va), PIECE);

    *lost = lost_memory;
    *p = (struct dbt_piece){.gpa = (uint64_t)first * IR_PAGE_SIZE,
                            .host = HOST(first),
                            .write = knows[page_of(va)] == WRITE};
    return alike && !lost_memory &&
           (code_page < 0 || ALIGN_DOWN((unsigned)code_page, PIECE) != first);
}

#define window_host()                     (&fake_host)
#define dbt_tlb_resolve(d, va, access, p) ((void)(d), resolve(va, access, p))
#define dbt_tlb_lookup(f, va, size, access) \
    ((void)(f),                             \
     knows[page_of(va)] >= ((access) == DBT_WRITE ? WRITE : READ) ? (void *)memory : NULL)
#define dbt_tlb_piece(d, va, gpa_, access, p, lost) \
    ((void)(d), (void)(gpa_), (void)(access), piece_of(va, p, lost))
#define dbt_table_is_code(table, gpa) ((void)(table), (int)((gpa) / IR_PAGE_SIZE) == code_page)
#define dbt_table_is_code_piece(table, gpa_) \
    ((void)(table), code_page >= 0 && (unsigned)code_page / PIECE == (gpa_) / MIB(2))
#define dbt_jit_look_up(d, place, insn) ((void)(d), (void)(place), (void)(insn))
#define host_counter_fast()             (now)
#define host_counter_hz()               SECOND
#define heap_zalloc(size)               calloc(1, size)
#define heap_zalloc_array(count, size)  calloc(count, size)
#define heap_free(at)                   free(at)

#include "dbt/window.c"

static struct config_vm config = {.cpus = 1};
static struct vm vm = {.config = &config};
static struct vcpu vcpu = {.vm = &vm};
static struct dbt_vcpu d;
static struct dbt_window *window;

static void begin(enum config_mmu mmu)
{
    char *at = calloc(1, (size_t)-DBT_FRAME_WORDS + sizeof(struct dbt_frame));

    memset(&d, 0, sizeof(d));
    memset(knows, 0, sizeof(knows));
    memset(mapped, 0, sizeof(mapped));
    memory = (char *)VA;
    maps = 0;
    alike = lost_memory = false;
    code_page = -1;
    config.mmu = mmu;
    d.vcpu = &vcpu;
    d.frame = (struct dbt_frame *)(at - DBT_FRAME_WORDS);
    assert_int_equal(dbt_windows_create(&d), ERR_OK);
    window = dbt_window_create(&d);
    assert_non_null(window);
}

static void end(void)
{
    dbt_window_destroy(window);
    dbt_windows_destroy(&d);
    free((char *)d.frame + DBT_FRAME_WORDS);
}

static uint64_t word_of(uint64_t va)
{
    return ((uint64_t *)((char *)d.frame + DBT_FRAME_WORDS))[DBT_WORD_OF(va)];
}

/* Emitted code comes by the word of an address that is known to have one. */
static bool fault(unsigned page, bool write)
{
    return dbt_window_fault(&d, AT(page) + word_of(VA), write);
}

/* The first access of all is done in C, as there is no range yet. */
static void access_in_c(unsigned page, bool write)
{
    const struct dbt_slow_op op = {.op = {.code = write ? IR_store : IR_load, .attr = IR_I64},
                                   .insn = 1};

    d.mode = DBT_MODE_WORDS;
    d.accessed(&d, &op, AT(page));
}

static void test_a_page_has_the_rights_that_the_tlb_knows(void **state)
{
    (void)state;
    begin(CONFIG_MMU_PAGE_TABLE);
    assert_true(dbt_window_select(&d, window, false));
    knows[3] = READ;
    access_in_c(3, false);
    assert_int_equal(mapped[3], READ);
    assert_false(fault(3, true));
    assert_int_equal(mapped[3], READ);
    knows[3] = WRITE;
    assert_true(fault(3, true));
    assert_int_equal(mapped[3], WRITE);
    assert_false(fault(4, false));
    knows[4] = WRITE;
    assert_true(fault(4, false));
    dbt_window_drop(window, AT(3), IR_PAGE_SIZE);
    assert_int_equal(mapped[3], NONE);
    assert_int_equal(mapped[4], WRITE);
    dbt_windows_drop_gpa(&d, 4 * IR_PAGE_SIZE);
    assert_int_equal(mapped[4], NONE);
    end();
}

static unsigned count(unsigned first, enum rights rights)
{
    unsigned n = 0;

    for (unsigned i = first; i < first + PIECE; i++)
        n += mapped[i] == rights;
    return n;
}

static void test_two_mib_are_mapped_at_once_and_taken_back_as_a_whole(void **state)
{
    (void)state;
    begin(CONFIG_MMU_PAGE_TABLE);
    assert_true(dbt_window_select(&d, window, false));
    for (unsigned i = 0; i < PAGES; i++)
        knows[i] = WRITE;
    access_in_c(7, true); /* by itself */
    assert_int_equal(count(0, WRITE), 1);
    alike = true;
    assert_true(fault(9, true));
    assert_int_equal(count(0, WRITE), PIECE);
    assert_int_equal(maps, 2);
    assert_int_equal(d.counters.window_large, 1);
    assert_true(fault(PIECE + 1, true));
    dbt_window_drop(window, AT(100), IR_PAGE_SIZE);
    assert_int_equal(count(0, NONE), PIECE);
    assert_int_equal(count(PIECE, WRITE), PIECE);
    assert_true(fault(100, true));
    dbt_window_drop(window, AT(0), MIB(2));
    assert_int_equal(count(0, NONE), PIECE);
    assert_int_equal(count(PIECE, WRITE), PIECE);
    code_page = PIECE + 5; /* of this vCPU, then of another one that tells later */
    dbt_windows_drop_gpa(&d, (uint64_t)code_page * IR_PAGE_SIZE);
    assert_int_equal(count(PIECE, NONE), PIECE);
    knows[code_page] = READ;
    assert_true(fault(PIECE + 6, true));
    assert_int_equal(count(PIECE, WRITE), 1);
    code_page = -1;
    assert_true(fault(PIECE + 7, true));
    assert_int_equal(count(PIECE, WRITE), PIECE);
    code_page = PIECE + 9;
    dbt_windows_drop_code(&d);
    assert_int_equal(count(PIECE, NONE), PIECE);
    end();
}

static void test_nothing_is_mapped_when_memory_went_meanwhile(void **state)
{
    (void)state;
    begin(CONFIG_MMU_PAGE_TABLE);
    assert_true(dbt_window_select(&d, window, false));
    knows[1] = knows[2] = WRITE;
    access_in_c(1, true);
    lost_memory = true;
    assert_false(fault(2, true));
    assert_int_equal(mapped[2], NONE);
    end();
}

/* More pages than the host has for all: others make room. */
static void test_pages_that_are_used_up_begin_anew(void **state)
{
    (void)state;
    begin(CONFIG_MMU_PAGE_TABLE);
    assert_true(dbt_window_select(&d, window, false));
    for (unsigned i = 0; i < PAGES; i++)
        knows[i] = WRITE;
    access_in_c(0, true);
    for (unsigned i = 1; i < PAGES; i++)
        assert_true(fault(i, true));
    assert_int_equal(mapped[PAGES - 1], WRITE);
    assert_true(count(0, WRITE) + count(PIECE, WRITE) <= 2 * PAGES_OF_CHUNK);
    end();
}

static void run_for(unsigned milliseconds)
{
    for (; milliseconds; milliseconds -= RUN_MILLI) {
        dbt_windows_safe_point(&d);
        now += RUN_MILLI * MILLI;
        dbt_windows_ran(&d);
    }
}

static void test_programs_that_run_for_long_go_by_page_tables(void **state)
{
    (void)state;
    begin(CONFIG_MMU_AUTO);
    assert_false(dbt_window_select(&d, window, true));
    run_for(30); /* a sixteenth of it is less than 2 ms */
    assert_false(dbt_window_select(&d, window, true));
    run_for(10);
    assert_true(dbt_window_select(&d, window, true));
    dbt_window_renew(window); /* another program */
    assert_false(dbt_window_select(&d, window, true));
    run_for(30);
    assert_false(dbt_window_select(&d, window, true));
    end();
}

static void test_the_system_looks_up(void **state)
{
    (void)state;
    begin(CONFIG_MMU_AUTO);
    assert_false(dbt_window_select(&d, window, false));
    run_for(1000);
    assert_false(dbt_window_select(&d, window, false));
    end();
}

/* 20 ms are saved at most: that is 20,000 pages of a microsecond, or code that took as long. */
static void test_who_spends_what_was_saved_looks_up_again(void **state)
{
    unsigned spent = 0;

    (void)state;
    begin(CONFIG_MMU_AUTO);
    (void)dbt_window_select(&d, window, true);
    run_for(1000);
    assert_true(dbt_window_select(&d, window, true));
    knows[1] = WRITE;
    access_in_c(1, true);
    for (spent = 1; !d.frame->poll && spent < 100000; spent++) {
        dbt_window_drop(window, AT(1), IR_PAGE_SIZE);
        assert_true(fault(1, true));
    }
    assert_in_range(spent, 20000, 20002);
    assert_false(dbt_window_select(&d, window, true));
    d.mode = 0;
    d.frame->poll = 0;
    run_for(1000);
    assert_true(dbt_window_select(&d, window, true));
    dbt_windows_made(&d, 20 * MILLI + 1);
    assert_int_equal(d.frame->poll, 1);
    assert_false(dbt_window_select(&d, window, true));
    end();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_page_has_the_rights_that_the_tlb_knows),
        cmocka_unit_test(test_two_mib_are_mapped_at_once_and_taken_back_as_a_whole),
        cmocka_unit_test(test_nothing_is_mapped_when_memory_went_meanwhile),
        cmocka_unit_test(test_pages_that_are_used_up_begin_anew),
        cmocka_unit_test(test_programs_that_run_for_long_go_by_page_tables),
        cmocka_unit_test(test_the_system_looks_up),
        cmocka_unit_test(test_who_spends_what_was_saved_looks_up_again)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
