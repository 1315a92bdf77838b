/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The loader's page tables, read back by a walker written from the architecture's manual. Stands
 * alone: includes what it tests; x86_64 entries, since the geometry is the same on all
 * architectures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/page_tables.c"
#include "boot/memory_map.c"
#include "arch/x86_64/boot/entries.c"

#define GIB       (1ULL << 30)
#define MIB       (1ULL << 20)
#define PAGES_MAX 4096

static void *pages[PAGES_MAX];
static unsigned page_count, page_limit;
static struct boot_layout layout;
static struct page_tables tables;

static void *take_page(void *context)
{
    (void)context;
    if (page_count == page_limit)
        return NULL;
    void *page = aligned_alloc(4096, 4096);
    memset(page, 0, 4096);
    return pages[page_count++] = page;
}

static int start(void **state)
{
    (void)state;
    page_count = 0;
    page_limit = PAGES_MAX;
    layout = (struct boot_layout){.kernel_virt = 0xffffffff80000000,
                                  .direct_map_base = 0xffff800000000000,
                                  .direct_map_size = 64ULL << 40,
                                  .levels = 4,
                                  .gigabyte_leaves = true};
    assert_true(page_tables_init(&tables, &layout, take_page, NULL));
    return 0;
}

static int finish(void **state)
{
    (void)state;
    while (page_count)
        free(pages[--page_count]);
    return 0;
}

/* The leaf that translates `virt` and its level, or 0 (Intel SDM volume 3A, figure 4-8). */
static uint64_t walk(uint64_t virt, unsigned *level)
{
    const uint64_t *table = tables.root;

    for (int shift = 39; shift >= 12; shift -= 9) {
        uint64_t entry = table[(virt >> shift) & 511];
        *level = (unsigned)(shift - 12) / 9;
        if (!(entry & 1))
            return 0;
        if (shift == 12 || (entry & 0x80))
            return entry;
        table = (const uint64_t *)(entry & 0x000ffffffffff000);
    }
    return 0;
}

static void expect_leaf(uint64_t virt, uint64_t phys, unsigned wanted_level, uint64_t bits)
{
    unsigned level;
    uint64_t entry = walk(virt, &level), size = 4096ULL << (9 * level);

    assert_int_equal(level, wanted_level);
    assert_int_equal((entry & 0x000ffffffffff000 & ~(size - 1)) + (virt & (size - 1)), phys);
    assert_int_equal(entry & (1ULL << 63 | 2), bits);
}

#define READ_WRITE   (1ULL << 63 | 2)
#define READ_ONLY    (1ULL << 63)
#define READ_EXECUTE 0

static void uses_the_largest_leaves_and_small_ones_at_the_edges(void **state)
{
    const struct boot_mem mem[] = {
        {.base = 0x1000, .size = 0x9f000, .type = BOOT_MEM_USABLE, .attribute = 8},
        {.base = MIB, .size = 3 * GIB, .type = BOOT_MEM_USABLE, .attribute = 8},
        {.base = 3 * GIB + MIB,
         .size = 0x1000,
         .type = BOOT_MEM_ACPI_NVS,
         .attribute = 8}, /* a neighbour: one range */
        {.base = 0xfec00000, .size = 0x1000, .type = BOOT_MEM_MMIO, .attribute = 1},
        {.base = 4 * GIB, .size = 1024 * GIB, .type = BOOT_MEM_USABLE, .attribute = 8},
    };
    uint64_t base = layout.direct_map_base;
    unsigned level;

    (void)state;
    assert_true(page_tables_map_ram(&tables, mem, 5));
    assert_int_equal(walk(base, &level), 0);
    expect_leaf(base + 0x1234, 0x1234, 0, READ_WRITE);
    assert_int_equal(walk(base + 0xa0000, &level), 0);
    expect_leaf(base + MIB, MIB, 0, READ_WRITE);
    expect_leaf(base + 2 * MIB, 2 * MIB, 1, READ_WRITE);
    expect_leaf(base + GIB, GIB, 2, READ_WRITE);
    expect_leaf(base + 3 * GIB + MIB, 3 * GIB + MIB, 0, READ_WRITE);
    assert_int_equal(walk(base + 3 * GIB + MIB + 0x1000, &level), 0);
    assert_int_equal(walk(base + 0xfec00000, &level), 0);
    expect_leaf(base + 700 * GIB, 700 * GIB, 2, READ_WRITE);
    expect_leaf(base + 1028 * GIB - 1, 1028 * GIB - 1, 2, READ_WRITE);
    assert_int_equal(walk(base + 1028 * GIB, &level), 0);
    assert_true(page_count < 16);
}

static void without_gigabyte_leaves_uses_2_mib(void **state)
{
    const struct boot_mem mem[] = {{.base = 0, .size = 2 * GIB, .type = BOOT_MEM_USABLE}};

    (void)state;
    layout.gigabyte_leaves = false;
    assert_true(page_tables_map_ram(&tables, mem, 1));
    for (uint64_t at = 0; at < 2 * GIB; at += 2 * MIB)
        expect_leaf(layout.direct_map_base + at, at, 1, READ_WRITE);
}

static void memory_beyond_the_direct_map_is_left_out(void **state)
{
    const struct boot_mem mem[] = {{.base = GIB, .size = 4 * GIB, .type = BOOT_MEM_USABLE},
                                   {.base = 8 * GIB, .size = GIB, .type = BOOT_MEM_USABLE}};
    unsigned level;

    (void)state;
    layout.direct_map_size = 3 * GIB;
    assert_true(page_tables_map_ram(&tables, mem, 2));
    expect_leaf(layout.direct_map_base + 3 * GIB - 1, 3 * GIB - 1, 2, READ_WRITE);
    assert_int_equal(walk(layout.direct_map_base + 3 * GIB, &level), 0);
    assert_int_equal(walk(layout.direct_map_base + 8 * GIB, &level), 0);
}

static void maps_the_kernel_by_segment(void **state)
{
    struct kernel_elf elf = {.size = 0x3000,
                             .segment_count = 3,
                             .segments = {{.address = 0, .size = 0x10, .right = PAGE_EXECUTE},
                                          {.address = 0x1000, .size = 0x1000, .right = PAGE_READ},
                                          {.address = 0x2000, .size = 0x1, .right = PAGE_WRITE}}};
    unsigned level;

    (void)state;
    assert_true(page_tables_map_kernel(&tables, &elf, 0x40000000));
    expect_leaf(layout.kernel_virt, 0x40000000, 0, READ_EXECUTE);
    expect_leaf(layout.kernel_virt + 0x1000, 0x40001000, 0, READ_ONLY);
    expect_leaf(layout.kernel_virt + 0x2000, 0x40002000, 0, READ_WRITE);
    assert_int_equal(walk(layout.kernel_virt + 0x3000, &level), 0);
}

static void never_maps_twice(void **state)
{
    (void)state;
    assert_true(page_tables_map(&tables, 0x200000, 0x200000, 0x1000, PAGE_EXECUTE));
    assert_false(page_tables_map(&tables, 0x200000, 0x400000, 0x1000, PAGE_WRITE));
    assert_false(page_tables_map(&tables, 0x200000, 0x400000, 2 * MIB, PAGE_WRITE));
    assert_true(page_tables_map(&tables, GIB, GIB, GIB, PAGE_WRITE));
    assert_false(page_tables_map(&tables, GIB, GIB, 0x1000, PAGE_WRITE));
}

static void lack_of_memory_is_reported(void **state)
{
    (void)state;
    for (page_limit = 1; page_limit < 4; page_limit++) {
        memset(tables.root, 0, 4096);
        assert_false(page_tables_map(&tables, 0x1000, 0x1000, 0x1000, PAGE_WRITE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(uses_the_largest_leaves_and_small_ones_at_the_edges, start,
                                        finish),
        cmocka_unit_test_setup_teardown(without_gigabyte_leaves_uses_2_mib, start, finish),
        cmocka_unit_test_setup_teardown(memory_beyond_the_direct_map_is_left_out, start, finish),
        cmocka_unit_test_setup_teardown(maps_the_kernel_by_segment, start, finish),
        cmocka_unit_test_setup_teardown(never_maps_twice, start, finish),
        cmocka_unit_test_setup_teardown(lack_of_memory_is_reported, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
