/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A Linux kernel's symbols in memory: tables made here, in both orders that kernels have; damaged
 * ones harm nobody. The boot tests read a Debian kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "hosted.h"
#include "kallsyms_tables.h"

static struct kallsyms k = {.read = read_memory};

static void expect_symbol(uint64_t address, const char *want, uint64_t want_offset)
{
    char name[KALLSYMS_NAME_MAX];
    uint64_t offset;

    assert_true(kallsyms_name(&k, address, name, &offset));
    assert_string_equal(name, want);
    assert_int_equal(offset, want_offset);
}

static void test_both_orders_of_tables(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        make_tables(way & 1, way & 2);
        assert_true(kallsyms_find(&k, BASE + 0x1000));
        assert_int_equal(k.count, SYMBOLS);
        expect_symbol(BASE + 300 * STEP, "sys_function300", 0);
        expect_symbol(BASE + 1499 * STEP + 5, "sys_function1499", 5);
        expect_symbol(BASE + 255 * STEP + STEP - 1, "sys_function255", STEP - 1);
        expect_symbol(BASE + 256 * STEP, "sys_function256", 0);
    }
    assert_true(kallsyms_find(&k, BASE + 0xf0000)); /* behind it */
    expect_symbol(24, "sys_function3", 0);          /* per-CPU */
}

static void test_long_names_are_cut(void **state)
{
    char name[KALLSYMS_NAME_MAX];
    uint64_t offset;

    (void)state;
    make_tables(true, true);
    assert_true(kallsyms_find(&k, BASE));
    assert_true(kallsyms_name(&k, BASE + 777 * STEP, name, &offset));
    assert_int_equal(strlen(name), KALLSYMS_NAME_MAX - 1);
    assert_memory_equal(name, "sys_function0000", 16);
    expect_symbol(BASE + 778 * STEP, "sys_function778", 0);
}

static void test_damaged_tables_end(void **state)
{
    uint64_t seed = 99;
    unsigned found = 0;

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        make_tables(round & 1, round & 2);
        for (unsigned i = 0; i < 1u << round % 8; i++)
            memory[TABLES + hosted_random(&seed) % 0xa000] = (uint8_t)hosted_random(&seed);
        if (!kallsyms_find(&k, BASE + 0x40000))
            continue;
        found++;
        for (unsigned i = 0; i < 200; i++) {
            char name[KALLSYMS_NAME_MAX];
            uint64_t offset;

            if (kallsyms_name(&k, BASE + hosted_random(&seed) % (SYMBOLS * STEP), name, &offset))
                assert_true(strlen(name) < KALLSYMS_NAME_MAX);
        }
    }
    assert_true(found > 0 && found < 60);
}

static void test_memory_without_symbols(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    assert_false(kallsyms_find(&k, BASE));
    for (size_t i = 0; i + 1 < sizeof(memory); i += 2) /* digits all over */
        memcpy(memory + i, "7", 2);
    assert_false(kallsyms_find(&k, BASE + 0xff000));
    assert_false(kallsyms_find(&k, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_orders_of_tables),
        cmocka_unit_test(test_long_names_are_cut),
        cmocka_unit_test(test_damaged_tables_end),
        cmocka_unit_test(test_memory_without_symbols),
    };

    return cmocka_run_group_tests_name("kallsyms", tests, NULL, NULL);
}
