/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The page-table walk of riscv64 guests against the rules of the Privileged Architecture 1.13,
 * 12.3.1 and 12.3.2, each with the section's own words. Stands alone: includes what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/riscv64/guest/walk.c"

#define ROOT   0x80000000ULL
#define MIDDLE 0x80001000ULL
#define LOWEST 0x80002000ULL
#define PAGE   0x80123000ULL
#define VA     0x0000001234567000ULL /* indices 0x48, 0x1a2, 0x167 */
#define RWXAD  (PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)

static uint64_t memory[3][512];
static unsigned writes;

static uint64_t *entry(void *arg, uint64_t gpa, bool write)
{
    (void)arg;
    writes += write;
    if (gpa < ROOT || gpa >= ROOT + sizeof(memory))
        return NULL;
    return (uint64_t *)((char *)memory + (gpa - ROOT));
}

static const struct rv_table_access tables = {.entry = entry};
static struct rv_view view;
static struct rv_translation found;

static uint64_t pointer(uint64_t gpa)
{
    return gpa >> PAGE_SHIFT << 10;
}

static uint64_t *leaf_entry(void)
{
    return &memory[2][VA >> 12 & 511];
}

static int setup(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    writes = 0;
    view = (struct rv_view){.satp = (uint64_t)RV_SATP_SV39 << 60 | ROOT >> PAGE_SHIFT};
    memory[0][VA >> 30 & 511] = pointer(MIDDLE) | PTE_V;
    memory[1][VA >> 21 & 511] = pointer(LOWEST) | PTE_V;
    *leaf_entry() = pointer(PAGE) | PTE_V | RWXAD;
    return 0;
}

static int walk(enum dbt_access access)
{
    return rv_walk(&view, &tables, VA + 0x234, access, &found);
}

static void test_three_levels(void **state)
{
    (void)state;
    assert_int_equal(walk(DBT_WRITE), RV_NO_FAULT);
    assert_int_equal(found.gpa, PAGE + 0x234);
    assert_int_equal(found.size, 4096);
    assert_true(found.readable && found.writable && found.executable && !found.global);
    assert_int_equal(writes, 0);
}

static void test_superpages(void **state)
{
    (void)state;
    memory[1][VA >> 21 & 511] = pointer(0x80200000) | PTE_V | RWXAD | PTE_G;
    assert_int_equal(walk(DBT_READ), RV_NO_FAULT);
    assert_int_equal(found.gpa, 0x80200000 + (VA & 0x1fffff) + 0x234);
    assert_int_equal(found.size, MIB(2));
    assert_true(found.global);
    /* "If i>0 and pte.ppn[i-1:0] != 0, this is a misaligned superpage": */
    memory[1][VA >> 21 & 511] = pointer(0x80201000) | PTE_V | RWXAD;
    assert_int_equal(walk(DBT_READ), RISCV_CAUSE_LOAD_PAGE);
    memory[0][VA >> 30 & 511] = pointer(0xc0000000) | PTE_V | RWXAD;
    assert_int_equal(walk(DBT_FETCH), RV_NO_FAULT);
    assert_int_equal(found.size, GIB(1));
}

static void test_reserved_encodings(void **state)
{
    static const uint64_t bad[] = {
        0,                               /* "If pte.v=0" */
        PTE_V | PTE_W | PTE_A | PTE_D,   /* "or if pte.r=0 and pte.w=1" */
        PTE_V | RWXAD | BIT(54),         /* reserved bits */
        PTE_V | RWXAD | 3ULL << 61,      /* Svpbmt: the value 3 is reserved */
        PTE_V | RWXAD | PTE_N | 4 << 10, /* Svnapot: only 64 KiB */
        PTE_V,                           /* a pointer at the lowest level */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        *leaf_entry() = bad[i] | (bad[i] & PTE_N ? 0 : pointer(PAGE));
        assert_int_equal(walk(DBT_READ), RISCV_CAUSE_LOAD_PAGE);
        assert_int_equal(walk(DBT_WRITE), RISCV_CAUSE_STORE_PAGE);
        assert_int_equal(walk(DBT_FETCH), RISCV_CAUSE_FETCH_PAGE);
    }
    setup(state);
    /* "D, A, and U bits are reserved for non-leaf PTEs": */
    memory[1][VA >> 21 & 511] |= PTE_A;
    assert_int_equal(walk(DBT_READ), RISCV_CAUSE_LOAD_PAGE);
}

static void test_permissions(void **state)
{
    (void)state;
    *leaf_entry() = pointer(PAGE) | PTE_V | PTE_X | PTE_A;
    assert_int_equal(walk(DBT_FETCH), RV_NO_FAULT);
    assert_int_equal(walk(DBT_READ), RISCV_CAUSE_LOAD_PAGE);
    view.mxr = true; /* "loads from pages marked either readable or executable" */
    assert_int_equal(walk(DBT_READ), RV_NO_FAULT);
    assert_int_equal(walk(DBT_WRITE), RISCV_CAUSE_STORE_PAGE);
    /* U pages and supervisor mode. */
    *leaf_entry() = pointer(PAGE) | PTE_V | RWXAD | PTE_U;
    assert_int_equal(walk(DBT_READ), RISCV_CAUSE_LOAD_PAGE);
    view.sum = true;
    assert_int_equal(walk(DBT_READ), RV_NO_FAULT);
    assert_false(found.executable); /* "the supervisor may not execute code on pages with U=1" */
    assert_int_equal(walk(DBT_FETCH), RISCV_CAUSE_FETCH_PAGE);
    view.user = true;
    assert_int_equal(walk(DBT_FETCH), RV_NO_FAULT);
    *leaf_entry() &= ~PTE_U;
    assert_int_equal(walk(DBT_READ), RISCV_CAUSE_LOAD_PAGE);
}

static void test_accessed_and_dirty(void **state)
{
    (void)state;
    *leaf_entry() &= ~(PTE_A | PTE_D);
    assert_int_equal(walk(DBT_READ), RV_NO_FAULT);
    assert_int_equal(*leaf_entry() & (PTE_A | PTE_D), PTE_A);
    assert_false(found.writable); /* the first write must come here to set D */
    assert_int_equal(walk(DBT_WRITE), RV_NO_FAULT);
    assert_int_equal(*leaf_entry() & (PTE_A | PTE_D), PTE_A | PTE_D);
    assert_true(found.writable);
    /* A page that may not be written is not made dirty. */
    *leaf_entry() = pointer(PAGE) | PTE_V | PTE_R;
    assert_int_equal(walk(DBT_WRITE), RISCV_CAUSE_STORE_PAGE);
    assert_int_equal(*leaf_entry(), pointer(PAGE) | PTE_V | PTE_R);
}

static void test_addresses(void **state)
{
    (void)state;
    /* "bits 63-39 must all equal bit 38" */
    assert_int_equal(rv_walk(&view, &tables, VA | BIT(39), DBT_READ, &found),
                     RISCV_CAUSE_LOAD_PAGE);
    assert_int_equal(rv_walk(&view, &tables, VA | BIT(38), DBT_FETCH, &found),
                     RISCV_CAUSE_FETCH_PAGE);
    /* A table outside of memory: an access fault of the original access. */
    memory[0][VA >> 30 & 511] = pointer(0x10000000) | PTE_V;
    assert_int_equal(walk(DBT_WRITE), RISCV_CAUSE_STORE_ACCESS);
    view.satp = 0;
    assert_int_equal(walk(DBT_WRITE), RV_NO_FAULT);
    assert_int_equal(found.gpa, VA + 0x234);
    assert_int_equal(rv_walk(&view, &tables, BIT(56), DBT_READ, &found), RISCV_CAUSE_LOAD_ACCESS);
}

static void test_napot(void **state)
{
    (void)state;
    *leaf_entry() = pointer(0x80120000) | 8 << 10 | PTE_V | RWXAD | PTE_N;
    assert_int_equal(walk(DBT_READ), RV_NO_FAULT);
    assert_int_equal(found.size, KIB(64));
    assert_int_equal(found.gpa, 0x80120000 + (VA & 0xffff) + 0x234);
}

static void test_four_levels(void **state)
{
    (void)state;
    view.satp = (uint64_t)RV_SATP_SV48 << 60 | ROOT >> PAGE_SHIFT;
    memory[0][0] = pointer(MIDDLE) | PTE_V; /* bits 47-39 are 0 */
    memory[1][VA >> 30 & 511] = pointer(0x80000000) | PTE_V | RWXAD;
    assert_int_equal(walk(DBT_READ), RV_NO_FAULT);
    assert_int_equal(found.gpa, 0x80000000 + (VA & 0x3fffffff) + 0x234);
}

static void test_five_levels(void **state)
{
    const uint64_t va = 0xff60000000000000; /* the lowest of Linux's linear map under Sv57 */

    (void)state;
    view.satp = (uint64_t)RV_SATP_SV57 << 60 | ROOT >> PAGE_SHIFT;
    memory[0][va >> 48 & 511] = pointer(MIDDLE) | PTE_V;
    memory[1][0] = pointer(LOWEST) | PTE_V; /* bits 47-39 are 0, and so are those below */
    memory[2][0] = pointer(0x80000000) | PTE_V | RWXAD;
    assert_int_equal(rv_walk(&view, &tables, va + 0x12345678, DBT_READ, &found), RV_NO_FAULT);
    assert_int_equal(found.gpa, 0x92345678);
    assert_int_equal(found.size, GIB(1));
    /* "bits 63-57 all equal to bit 56": */
    assert_int_equal(rv_walk(&view, &tables, va ^ BIT(63), DBT_READ, &found),
                     RISCV_CAUSE_LOAD_PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_three_levels, setup),
        cmocka_unit_test_setup(test_superpages, setup),
        cmocka_unit_test_setup(test_reserved_encodings, setup),
        cmocka_unit_test_setup(test_permissions, setup),
        cmocka_unit_test_setup(test_accessed_and_dirty, setup),
        cmocka_unit_test_setup(test_addresses, setup),
        cmocka_unit_test_setup(test_napot, setup),
        cmocka_unit_test_setup(test_four_levels, setup),
        cmocka_unit_test_setup(test_five_levels, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
