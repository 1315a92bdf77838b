/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The loader's folding of EFI memory maps: well-formed, overlapping and hostile ones. Stands alone:
 * includes what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/memory_map.c"

#define WB         0xfULL
#define STRIDE     48 /* as EDK2: larger than the structure */
#define ENTRIES    64
#define PAGE       0x1000ULL
#define CONVENTION 7 /* EfiConventionalMemory */
#define RESERVED   0
#define RUNTIME    6 /* EfiRuntimeServicesData */

static unsigned char raw[ENTRIES * STRIDE];
static size_t raw_count;
static struct boot_mem out[4 * ENTRIES + 64];
static struct claim claims[16];
static size_t claim_count;

static int start(void **state)
{
    (void)state;
    raw_count = claim_count = 0;
    memset(raw, 0xee, sizeof(raw));
    return 0;
}

static void entry(uint32_t type, uint64_t base, uint64_t pages, uint64_t attribute)
{
    struct efi_map_entry made = {
        .type = type, .physical_start = base, .page_count = pages, .attribute = attribute};

    memcpy(raw + raw_count++ * STRIDE, &made, sizeof(made));
}

static size_t convert(void)
{
    struct efi_map map = {raw, raw_count * STRIDE, STRIDE};

    return memory_map_convert(&map, claims, claim_count, out,
                              memory_map_capacity(raw_count, claim_count));
}

static void expect(size_t index, uint64_t base, uint64_t end, uint32_t type)
{
    assert_int_equal(out[index].base, base);
    assert_int_equal(out[index].base + out[index].size, end);
    assert_int_equal(out[index].type, type);
}

static void sorts_and_merges_equal_neighbours(void **state)
{
    (void)state;
    entry(CONVENTION, 0x3000, 1, WB);
    entry(4, 0x1000, 2, WB); /* EfiBootServicesData: usable afterwards */
    entry(RUNTIME, 0x8000, 1, WB | 1ULL << 63);
    assert_int_equal(convert(), 2);
    expect(0, 0x1000, 0x4000, BOOT_MEM_USABLE);
    expect(1, 0x8000, 0x9000, BOOT_MEM_RUNTIME_DATA);
    assert_int_equal(out[1].attribute, WB | 1ULL << 63);
}

static void the_more_restrictive_type_wins_an_overlap(void **state)
{
    (void)state;
    entry(RESERVED, 0x4000, 2, WB);
    entry(CONVENTION, 0x1000, 8, WB);
    assert_int_equal(convert(), 3);
    expect(0, 0x1000, 0x4000, BOOT_MEM_USABLE);
    expect(1, 0x4000, 0x6000, BOOT_MEM_RESERVED);
    expect(2, 0x6000, 0x9000, BOOT_MEM_USABLE);
}

static void drops_impossible_entries(void **state)
{
    (void)state;
    entry(CONVENTION, 0x1000, 0, WB);
    entry(CONVENTION, 0x1001, 1, WB);
    entry(CONVENTION, 0x1000, UINT64_MAX / PAGE, WB);
    entry(CONVENTION, UINT64_MAX - PAGE + 1, 1, WB);
    entry(CONVENTION, 1ULL << 52, 1, WB);
    assert_int_equal(convert(), 0);
}

static void unknown_types_are_reserved(void **state)
{
    (void)state;
    entry(16, 0x1000, 1, WB);
    entry(0x80000001, 0x2000, 1, WB);
    entry(15, 0x3000, 1, WB);
    assert_int_equal(convert(), 1);
    expect(0, 0x1000, 0x4000, BOOT_MEM_RESERVED);
}

static void uncached_memory_is_not_usable(void **state)
{
    (void)state;
    entry(CONVENTION, 0x1000, 1, 1 /* UC only */);
    entry(CONVENTION, 0x2000, 1, 0 /* the firmware says nothing */);
    assert_int_equal(convert(), 2);
    expect(0, 0x1000, 0x2000, BOOT_MEM_RESERVED);
    expect(1, 0x2000, 0x3000, BOOT_MEM_USABLE);
    assert_false(boot_mem_is_ram(&out[0]));
    assert_true(boot_mem_is_ram(&out[1]));
}

static void claims_retype_but_add_no_memory(void **state)
{
    (void)state;
    entry(CONVENTION, 0x10000, 16, WB);
    claims[claim_count++] = (struct claim){0x12000, 0x2000, BOOT_MEM_KERNEL};
    claims[claim_count++] =
        (struct claim){0x1f000, 0x4000, BOOT_MEM_FILE}; /* half of it is not in the map */
    assert_int_equal(convert(), 4);
    expect(0, 0x10000, 0x12000, BOOT_MEM_USABLE);
    expect(1, 0x12000, 0x14000, BOOT_MEM_KERNEL);
    expect(2, 0x14000, 0x1f000, BOOT_MEM_USABLE);
    expect(3, 0x1f000, 0x20000, BOOT_MEM_FILE);
}

static void a_short_stride_gives_an_empty_map(void **state)
{
    struct efi_map map = {raw, sizeof(raw), sizeof(struct efi_map_entry) - 1};

    (void)state;
    assert_int_equal(memory_map_convert(&map, NULL, 0, out, sizeof(out) / sizeof(out[0])), 0);
}

/* Against a byte-per-page model: every page has the highest rank of the entries that cover it. */
static void random_maps_match_a_page_by_page_model(void **state)
{
    static const uint32_t types[] = {CONVENTION, RESERVED, RUNTIME, 9, 10, 11, 14};
    uint32_t model[128];

    for (unsigned round = 0; round < 2000; round++) {
        start(state);
        srand(round);
        memset(model, 0, sizeof(model));
        for (unsigned i = 0; i < ENTRIES / 2; i++) {
            uint32_t type = types[(unsigned)rand() % 7];
            unsigned base = (unsigned)rand() % 100, pages = 1 + (unsigned)rand() % 28;
            entry(type, base * PAGE, pages, WB);
        }
        for (unsigned rank = 0; rank < RANKS; rank++) {
            for (unsigned i = 0; i < raw_count; i++) {
                struct boot_mem mem;
                struct efi_map map = {raw, sizeof(raw), STRIDE};
                assert_true(read_entry(&map, i, &mem));
                if (rank_of_type[mem.type] != rank)
                    continue;
                for (uint64_t at = mem.base; at < mem.base + mem.size; at += PAGE)
                    model[at / PAGE] = mem.type;
            }
        }
        size_t count = convert();
        for (size_t i = 0; i < count; i++) {
            assert_true(out[i].size > 0);
            assert_true(!i || out[i - 1].base + out[i - 1].size <= out[i].base);
            for (uint64_t at = out[i].base; at < out[i].base + out[i].size; at += PAGE) {
                assert_int_equal(model[at / PAGE], out[i].type);
                model[at / PAGE] = 0;
            }
        }
        for (unsigned i = 0; i < 128; i++)
            assert_int_equal(model[i], 0); /* nothing was lost */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sorts_and_merges_equal_neighbours, start),
        cmocka_unit_test_setup(the_more_restrictive_type_wins_an_overlap, start),
        cmocka_unit_test_setup(drops_impossible_entries, start),
        cmocka_unit_test_setup(unknown_types_are_reserved, start),
        cmocka_unit_test_setup(uncached_memory_is_not_usable, start),
        cmocka_unit_test_setup(claims_retype_but_add_no_memory, start),
        cmocka_unit_test_setup(a_short_stride_gives_an_empty_map, start),
        cmocka_unit_test_setup(random_maps_match_a_page_by_page_model, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
