/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The calendar against the C library's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/calendar.h"

#define DAY 86400
#define END 253402300799LL /* 9999-12-31 23:59:59 */

static void check(int64_t seconds)
{
    struct calendar c;
    time_t t = seconds;
    struct tm want;
    uint64_t back;

    assert_non_null(gmtime_r(&t, &want));
    calendar_from_seconds((uint64_t)seconds, &c);
    assert_int_equal(c.year, want.tm_year + 1900);
    assert_int_equal(c.month, want.tm_mon + 1);
    assert_int_equal(c.day, want.tm_mday);
    assert_int_equal(c.hour, want.tm_hour);
    assert_int_equal(c.minute, want.tm_min);
    assert_int_equal(c.second, want.tm_sec);
    assert_int_equal(c.week_day, want.tm_wday);
    assert_true(calendar_to_seconds(&c, &back));
    assert_int_equal(back, seconds);
}

static void test_every_day_is_that_of_the_library(void **state)
{
    (void)state;
    for (int64_t day = 0; day <= END / DAY; day++) {
        check(day * DAY);
        check(day * DAY + DAY - 1);
    }
}

static void test_what_is_no_date_is_refused(void **state)
{
    static const struct calendar bad[] = {
        {1969, 12, 31, 23, 59, 59, 0}, {10000, 1, 1, 0, 0, 0, 0}, {2026, 0, 1, 0, 0, 0, 0},
        {2026, 13, 1, 0, 0, 0, 0},     {2026, 1, 0, 0, 0, 0, 0},  {2026, 4, 31, 0, 0, 0, 0},
        {2026, 2, 29, 0, 0, 0, 0},     {2100, 2, 29, 0, 0, 0, 0}, {2026, 1, 1, 24, 0, 0, 0},
        {2026, 1, 1, 0, 60, 0, 0},     {2026, 1, 1, 0, 0, 60, 0},
    };
    static const struct calendar leap = {2000, 2, 29, 0, 0, 0, 0};
    uint64_t seconds = 1;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(calendar_to_seconds(&bad[i], &seconds));
    assert_int_equal(seconds, 1);
    assert_true(calendar_to_seconds(&leap, &seconds));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day_is_that_of_the_library),
        cmocka_unit_test(test_what_is_no_date_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
