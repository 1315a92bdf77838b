/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Rings of regions for blocks (dbt/ring.h): by how much memory the host has for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "dbt/knobs.h"
#include "dbt/ring.h"
#include "hosted.h"

#define REGIONS 8

static struct dbt_ring ring;

/* Goes to the next region, and gives its number. */
static unsigned advance(void)
{
    struct dbt_ring_region *r = dbt_ring_next(&ring);

    assert_non_null(r->memory);
    dbt_ring_begin(&ring, r);
    assert_ptr_equal(dbt_ring_take(&ring, 100), r->memory);
    return (unsigned)(r - ring.region);
}

static void start(uint64_t megabytes)
{
    dbt_knobs.block_memory = MIB(megabytes);
    assert_int_equal(dbt_ring_create(&ring, REGIONS), ERR_OK);
}

static void stop(void)
{
    dbt_ring_destroy(&ring);
    dbt_knobs.block_memory = 0;
}

static void test_with_memory_each_region_has_its_turn(void **state)
{
    (void)state;
    start(0);
    for (unsigned i = 0; i < 3 * REGIONS; i++)
        assert_int_equal(advance(), i % REGIONS);
    assert_int_equal(dbt_ring_bytes(&ring), REGIONS * DBT_REGION_SIZE);
    stop();
}

static void test_a_ring_without_more_memory_ends_earlier_for_good(void **state)
{
    (void)state;
    start(5);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(advance(), i % 5);
    dbt_knobs.block_memory = 0;
    for (unsigned i = 12; i < 20; i++)
        assert_int_equal(advance(), i % 5);
    stop();
}

/* Few make eviction dear: each time round it is tried again. */
static void test_a_ring_of_one_region_goes_on_and_grows_when_it_can(void **state)
{
    (void)state;
    start(1);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(advance(), 0);
    dbt_knobs.block_memory = 0;
    for (unsigned i = 1; i < 2 * REGIONS; i++)
        assert_int_equal(advance(), i % REGIONS);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_memory_each_region_has_its_turn),
        cmocka_unit_test(test_a_ring_without_more_memory_ends_earlier_for_good),
        cmocka_unit_test(test_a_ring_of_one_region_goes_on_and_grows_when_it_can),
    };

    hosted_start_size(MIB(256));
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
