/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Stage 1 of translated aarch64 guests against the rules of the Arm ARM, D8.2 to D8.5. Stands
 * alone: includes what it tests, with a memory of three tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/aarch64/guest/execute.h"
#include "dbt/table.h"
#include "dbt/tlb.h"

static void *ram_of(struct dbt_vcpu *d, uint64_t gpa);
static bool holds_code(const struct dbt_table *table, uint64_t gpa);
static void note_write(struct dbt_table *table, struct dbt_vcpu *d, uint64_t gpa, uint64_t size);
static void note_select(struct dbt_vcpu *d, uint64_t space, uint32_t asid, unsigned view);

#define dbt_tlb_ram       ram_of
#define dbt_table_is_code holds_code
#define dbt_table_written note_write
#define dbt_tlb_select    note_select
#include "arch/aarch64/guest/mmu.c"

#define ROOT    0x40000000ULL
#define MIDDLE  0x40010000ULL /* 64 KiB each: tables of every granule */
#define LOWEST  0x40020000ULL
#define END     0x40030000ULL
#define PAGE    0x41230000ULL
#define VA      0x0000001234567000ULL
#define TCR_4K  (25ULL | 25ULL << 16 | 2ULL << 30) /* 39 bits in both halves */
#define TG1_16K (1ULL << 30)
#define USER    (DESC_AP_USER | DESC_PXN)
#define LEAF    (DESC_VALID | DESC_TABLE | DESC_AF)

static uint64_t memory[(END - ROOT) / 8];
static unsigned code_writes;
static bool code;
static struct {
    uint64_t space;
    uint32_t asid;
    unsigned view;
} selected;

static struct arm_state arm;
static struct arm_vcpu machine_part;
static struct vcpu vcpu;
static struct dbt_frame frame;
static struct dbt_vcpu dbt;
static struct dbt_mapping found;

static void *ram_of(struct dbt_vcpu *d, uint64_t gpa)
{
    (void)d;
    return gpa < ROOT || gpa >= END ? NULL : (char *)memory + (gpa - ROOT);
}

static bool holds_code(const struct dbt_table *table, uint64_t gpa)
{
    (void)table, (void)gpa;
    return code;
}

static void note_write(struct dbt_table *table, struct dbt_vcpu *d, uint64_t gpa, uint64_t size)
{
    (void)table, (void)d, (void)gpa;
    assert_int_equal(size, 8);
    code_writes++;
}

static void note_select(struct dbt_vcpu *d, uint64_t space, uint32_t asid, unsigned view)
{
    (void)d;
    selected.space = space;
    selected.asid = asid;
    selected.view = view;
}

static uint64_t *entry_at(uint64_t table, uint64_t index)
{
    return &memory[(table - ROOT) / 8 + index];
}

/* Three levels of 4 KiB tables, 39 bits. */
static uint64_t *leaf(void)
{
    return entry_at(LOWEST, VA >> 12 & 511);
}

static int setup(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    memset(&arm, 0, sizeof(arm));
    code = false;
    code_writes = 0;
    machine_part.tagged = false;
    arm.sys.sctlr = A64_SCTLR_M;
    arm.sys.tcr = TCR_4K;
    arm.sys.ttbr0 = arm.sys.ttbr1 = ROOT;
    arm.pstate = ARM_PSTATE_EL1H;
    vcpu.state = &arm;
    vcpu.isa_data = &machine_part;
    dbt.vcpu = &vcpu;
    dbt.frame = &frame;
    *entry_at(ROOT, VA >> 30 & 511) = MIDDLE | DESC_VALID | DESC_TABLE;
    *entry_at(MIDDLE, VA >> 21 & 511) = LOWEST | DESC_VALID | DESC_TABLE;
    *leaf() = PAGE | LEAF;
    return 0;
}

/* A fault status code, or -1. */
static int walk_at(uint64_t va, enum dbt_access access)
{
    memset(&found, 0, sizeof(found));
    if (a64_walk(&dbt, va, access, &found))
        return -1;
    assert_int_equal(frame.fault.address, va);
    assert_int_equal(frame.fault.access, DBT_KIND(access));
    return (int)frame.fault.cause;
}

static int walk(enum dbt_access access)
{
    return walk_at(VA + 0x234, access);
}

static void test_three_levels(void **state)
{
    (void)state;
    assert_int_equal(walk(DBT_WRITE), -1);
    assert_int_equal(found.gpa, PAGE + 0x234);
    assert_int_equal(found.size, 4096);
    assert_true(found.allowed[DBT_READ] && found.allowed[DBT_WRITE] && found.allowed[DBT_FETCH]);
    /* Both halves; and bits above the half's size, that are not all the same, are outside. */
    assert_int_equal(walk_at(0xffffff8000000000 | VA, DBT_READ), -1);
    assert_int_equal(walk_at(BIT(39) | VA, DBT_READ), A64_FAULT_TRANSLATION);
    arm.sys.tcr |= TCR_NO_WALK1;
    assert_int_equal(walk_at(0xffffff8000000000 | VA, DBT_READ), A64_FAULT_TRANSLATION);
    assert_int_equal(walk(DBT_READ), -1);
}

static void test_blocks(void **state)
{
    (void)state;
    *entry_at(MIDDLE, VA >> 21 & 511) = 0x45600000 | DESC_VALID | DESC_AF;
    assert_int_equal(walk(DBT_READ), -1);
    assert_int_equal(found.gpa, 0x45600000 + (VA & 0x1fffff) + 0x234);
    assert_int_equal(found.size, MIB(2));
    *entry_at(ROOT, VA >> 30 & 511) = 0x80000000 | DESC_VALID | DESC_AF;
    assert_int_equal(walk(DBT_READ), -1);
    assert_int_equal(found.size, GIB(1));
    /* No blocks on level 0, and none that is a page's entry without bit 1. */
    arm.sys.tcr = (TCR_4K & ~63ULL) | 16;
    *entry_at(ROOT, 0) = 0x80000000 | DESC_VALID | DESC_AF;
    assert_int_equal(walk(DBT_READ), A64_FAULT_TRANSLATION);
    setup(state);
    *leaf() &= ~DESC_TABLE;
    assert_int_equal(walk(DBT_READ), A64_FAULT_TRANSLATION + 3);
}

static void test_levels_of_faults(void **state)
{
    (void)state;
    *leaf() = 0;
    assert_int_equal(walk(DBT_READ), A64_FAULT_TRANSLATION + 3);
    *entry_at(MIDDLE, VA >> 21 & 511) = 0;
    assert_int_equal(walk(DBT_FETCH), A64_FAULT_TRANSLATION + 2);
    *entry_at(ROOT, VA >> 30 & 511) = 0;
    assert_int_equal(walk(DBT_WRITE), A64_FAULT_TRANSLATION + 1);
    /* A table where there is no memory: an abort on the walk of that level. */
    *entry_at(ROOT, VA >> 30 & 511) = END | DESC_VALID | DESC_TABLE;
    assert_int_equal(walk(DBT_READ), A64_FAULT_WALK + 2);
}

static void test_permissions(void **state)
{
    (void)state;
    *leaf() |= DESC_AP_READ;
    assert_int_equal(walk(DBT_WRITE), A64_FAULT_PERMISSION + 3);
    assert_int_equal(walk(DBT_READ), -1);
    assert_false(found.allowed[DBT_WRITE]);
    *leaf() |= DESC_PXN;
    assert_int_equal(walk(DBT_FETCH), A64_FAULT_PERMISSION + 3);
    /* EL0: AP[1], and its own execute-never. */
    arm.pstate = ARM_PSTATE_EL0;
    assert_int_equal(walk(DBT_READ), A64_FAULT_PERMISSION + 3);
    *leaf() = PAGE | LEAF | USER;
    assert_int_equal(walk(DBT_WRITE), -1);
    assert_int_equal(walk(DBT_FETCH), -1);
    *leaf() |= DESC_UXN;
    assert_int_equal(walk(DBT_FETCH), A64_FAULT_PERMISSION + 3);
    /* What EL0 can write, EL1 cannot execute (D8.4.1.2); with WXN nobody what he can write. */
    arm.pstate = ARM_PSTATE_EL1H;
    *leaf() = PAGE | LEAF | DESC_AP_USER;
    assert_int_equal(walk(DBT_FETCH), A64_FAULT_PERMISSION + 3);
    *leaf() |= DESC_AP_READ;
    assert_int_equal(walk(DBT_FETCH), -1);
    *leaf() = PAGE | LEAF;
    arm.sys.sctlr |= A64_SCTLR_WXN;
    assert_int_equal(walk(DBT_FETCH), A64_FAULT_PERMISSION + 3);
}

/* APTable, PXNTable, UXNTable (D8.4.1.1): tables forbid for all below them. */
static void test_tables_forbid(void **state)
{
    uint64_t *table = entry_at(ROOT, VA >> 30 & 511);

    (void)state;
    *table |= TABLE_READ;
    assert_int_equal(walk(DBT_WRITE), A64_FAULT_PERMISSION + 3);
    *table |= TABLE_PXN;
    assert_int_equal(walk(DBT_FETCH), A64_FAULT_PERMISSION + 3);
    arm.pstate = ARM_PSTATE_EL0;
    *leaf() |= USER;
    assert_int_equal(walk(DBT_READ), -1);
    *table |= TABLE_UXN;
    assert_int_equal(walk(DBT_FETCH), A64_FAULT_PERMISSION + 3);
    *table |= TABLE_NO_USER;
    assert_int_equal(walk(DBT_READ), A64_FAULT_PERMISSION + 3);
}

static void test_pan_and_e0pd(void **state)
{
    (void)state;
    *leaf() |= USER;
    arm.pstate |= ARM_PSTATE_PAN;
    assert_int_equal(walk(DBT_READ), A64_FAULT_PERMISSION + 3);
    /* LDTR, STTR; AT S1E0R asks as EL0, which PAN is not for, S1E1W as without, S1E1WP as it is. */
    assert_int_equal(walk(DBT_USER_WRITE), -1);
    assert_true(found.allowed[DBT_WRITE]);
    assert_int_equal(a64_translate_address(&dbt, VA, A64_AT_USER) & 1, 0);
    assert_int_equal(a64_translate_address(&dbt, VA, A64_AT_WRITE) & 1, 0);
    assert_int_equal(a64_translate_address(&dbt, VA, A64_AT_WRITE | A64_AT_PAN) & BITS(6, 0),
                     1 | (A64_FAULT_PERMISSION + 3) << 1);
    arm.pstate &= ~ARM_PSTATE_PAN;
    assert_int_equal(a64_translate_address(&dbt, VA, A64_AT_WRITE | A64_AT_PAN) & 1, 0);
    *leaf() = PAGE | LEAF;
    assert_int_equal(walk(DBT_READ), -1);
    assert_int_equal(walk(DBT_USER_READ), A64_FAULT_PERMISSION + 3);
    assert_int_equal(walk(DBT_USER_WRITE), A64_FAULT_PERMISSION + 3);
    *leaf() |= USER;
    arm.pstate = ARM_PSTATE_EL0;
    assert_int_equal(walk(DBT_READ), -1);
    arm.sys.tcr |= TCR_E0PD0;
    assert_int_equal(walk(DBT_READ), A64_FAULT_TRANSLATION);
}

static void test_access_flag_and_dirty_state(void **state)
{
    (void)state;
    *leaf() = (PAGE | LEAF | DESC_DBM | DESC_AP_READ) & ~DESC_AF;
    assert_int_equal(walk(DBT_READ), A64_FAULT_ACCESS_FLAG + 3);
    arm.sys.tcr |= TCR_HA;
    code = true;
    assert_int_equal(walk(DBT_READ), -1);
    assert_int_equal(*leaf(), PAGE | LEAF | DESC_DBM | DESC_AP_READ);
    assert_int_equal(code_writes, 1); /* whoever writes guest memory says so */
    assert_int_equal(walk(DBT_WRITE), A64_FAULT_PERMISSION + 3);
    arm.sys.tcr |= TCR_HD;
    assert_int_equal(walk(DBT_READ), -1);
    assert_false(found.allowed[DBT_WRITE]); /* the first write must come here */
    assert_int_equal(walk(DBT_WRITE), -1);
    assert_int_equal(*leaf(), PAGE | LEAF | DESC_DBM);
    /* "HD ... has no effect if HA is 0" (D19.2.139); a page that EL0 may not write is not dirty. */
    *leaf() |= DESC_AP_READ;
    arm.sys.tcr &= ~TCR_HA;
    assert_int_equal(walk(DBT_WRITE), A64_FAULT_PERMISSION + 3);
    arm.sys.tcr |= TCR_HA;
    arm.pstate = ARM_PSTATE_EL0;
    assert_int_equal(walk(DBT_WRITE), A64_FAULT_PERMISSION + 3);
    assert_int_equal(*leaf(), PAGE | LEAF | DESC_DBM | DESC_AP_READ);
}

static void test_other_granules(void **state)
{
    (void)state;
    /* 16 KiB: 36 bits are two levels, indices of 11 bits. */
    arm.sys.tcr = 28 | 2ULL << 14 | 28ULL << 16 | TG1_16K;
    *entry_at(ROOT, VA >> 25 & 2047) = MIDDLE | DESC_VALID | DESC_TABLE;
    *entry_at(MIDDLE, VA >> 14 & 2047) = 0x41234000 | LEAF;
    assert_int_equal(walk_at(VA & BITS(35, 0), DBT_READ), -1);
    assert_int_equal(found.gpa, 0x41234000 + (VA & 0x3fff));
    assert_int_equal(found.size, KIB(16));
    assert_int_equal(walk_at(0xfffffff000000000 | (VA & BITS(35, 0)), DBT_READ), -1);
    /* 64 KiB: 42 bits are two levels, indices of 13 bits; a block is 512 MiB. */
    arm.sys.tcr = 22 | 1ULL << 14;
    *entry_at(ROOT, VA >> 29) = 0x60000000 | DESC_VALID | DESC_AF;
    assert_int_equal(walk(DBT_READ), -1);
    assert_int_equal(found.size, MIB(512));
    assert_int_equal(found.gpa, 0x60000000 + (VA & 0x1fffffff) + 0x234);
}

static void test_tags(void **state)
{
    uint64_t tagged = VA | 0x5aULL << 56;

    (void)state;
    assert_int_equal(walk_at(tagged, DBT_READ), A64_FAULT_TRANSLATION);
    arm.sys.tcr |= TCR_TBI0;
    assert_int_equal(walk_at(tagged, DBT_READ), -1);
    assert_int_equal(found.gpa, PAGE);
    assert_true(machine_part.tagged);
    /* Bit 55 chooses the half, whatever the tag is. */
    assert_int_equal(walk_at(0x00ffff8000000000 | VA, DBT_READ), A64_FAULT_TRANSLATION);
    arm.sys.tcr |= TCR_TBI1;
    assert_int_equal(walk_at(0x00ffff8000000000 | VA, DBT_READ), -1);
}

/* PAR_EL1 (D19.2.111). */
static void test_address_translation_instructions(void **state)
{
    (void)state;
    assert_int_equal(a64_translate_address(&dbt, VA + 0x234, A64_AT_WRITE) & BITS(47, 12), PAGE);
    *leaf() |= DESC_AP_READ;
    assert_int_equal(a64_translate_address(&dbt, VA, A64_AT_WRITE) & BITS(6, 0),
                     1 | (A64_FAULT_PERMISSION + 3) << 1);
    arm.sys.sctlr = 0;
    assert_int_equal(a64_translate_address(&dbt, VA, A64_AT_WRITE) & BITS(47, 12), VA);
}

static void test_what_the_tlb_is_selected_by(void **state)
{
    uint64_t before;

    (void)state;
    arm.sys.tcr |= TCR_AS;
    arm.sys.ttbr0 = ROOT | 0x1234ULL << TTBR_ASID;
    a64_select(&dbt);
    assert_int_equal(selected.asid, 0x1234);
    assert_int_equal(selected.view, 0);
    before = selected.space;
    arm.sys.tcr &= ~TCR_AS;
    arm.pstate = ARM_PSTATE_EL0;
    a64_select(&dbt);
    assert_int_equal(selected.asid, 0x34);
    assert_int_equal(selected.view, VIEW_USER);
    arm.sys.ttbr1 = MIDDLE;
    arm.sys.tcr |= TCR_AS;
    a64_select(&dbt);
    assert_int_not_equal(selected.space, before);
    arm.pstate = ARM_PSTATE_EL1H | ARM_PSTATE_PAN;
    a64_select(&dbt);
    assert_int_equal(selected.view, VIEW_PAN);
    arm.sys.sctlr = 0;
    a64_select(&dbt);
    assert_int_equal(selected.space, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_three_levels, setup),
        cmocka_unit_test_setup(test_blocks, setup),
        cmocka_unit_test_setup(test_levels_of_faults, setup),
        cmocka_unit_test_setup(test_permissions, setup),
        cmocka_unit_test_setup(test_tables_forbid, setup),
        cmocka_unit_test_setup(test_pan_and_e0pd, setup),
        cmocka_unit_test_setup(test_access_flag_and_dirty_state, setup),
        cmocka_unit_test_setup(test_other_granules, setup),
        cmocka_unit_test_setup(test_tags, setup),
        cmocka_unit_test_setup(test_address_translation_instructions, setup),
        cmocka_unit_test_setup(test_what_the_tlb_is_selected_by, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
