/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The clock and the timers: against a sorted model, and the rounding of both conversions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/timer.h"

#define TIMERS 64
#define STEPS  20000

static struct timer timers[TIMERS];
static uint64_t expected[TIMERS]; /* the model: deadline of each timer, 0 when it is not set */
static uint64_t last_fired;

static void fired(struct timer *t)
{
    uint64_t deadline = expected[t - timers];
    assert_int_not_equal(deadline, 0);
    assert_true(clock_ns() >= deadline);
    assert_true(deadline >= last_fired); /* in order */
    last_fired = deadline;
    expected[t - timers] = 0;
}

static void start(void)
{
    (void)hosted_memory_reset();
    hosted_start_size(MIB(64));
    clock_init(hosted_counter, NS_PER_SEC);
    if (!cpu_boot()->timers)
        timer_cpu_init(cpu_boot());
}

static void check_model(void)
{
    uint64_t now = clock_ns();
    for (unsigned i = 0; i < TIMERS; i++)
        assert_true(expected[i] == 0 || expected[i] > now);
}

static void run_model(void)
{
    uint64_t seed = 42;
    start();
    for (unsigned i = 0; i < TIMERS; i++)
        timer_setup(&timers[i], fired);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = hosted_random(&seed) % TIMERS;
        switch (hosted_random(&seed) % 5) {
        case 0:
        case 1:
            expected[i] = clock_ns() + 1 + hosted_random(&seed) % 1000;
            timer_set(&timers[i], expected[i]);
            break;
        case 2:
            timer_cancel(&timers[i]);
            expected[i] = 0;
            break;
        case 3:
            timer_slice_set(hosted_random(&seed) % 2 ? UINT64_MAX
                                                     : clock_ns() + hosted_random(&seed) % 1000);
            break;
        case 4:
            last_fired = 0;
            hosted_counter += hosted_random(&seed) % 200;
            host_irq_enable(); /* delivers what is due */
            host_irq_disable();
            check_model();
        }
    }
}

static void test_timers_fire_in_order_and_in_time(void **state)
{
    (void)state;
    hosted_child_test(run_model());
}

static void count_and_repeat(struct timer *t)
{
    if (++expected[0] < 10)
        timer_set(t, clock_ns() + 5);
}

static void repeat(void)
{
    start();
    timer_setup(&timers[0], count_and_repeat);
    timer_set(&timers[0], clock_ns() + 5);
    for (unsigned i = 0; i < 100; i++) {
        hosted_counter++;
        host_irq_enable();
        host_irq_disable();
    }
    assert_int_equal(expected[0], 10);
}

static void test_timer_may_set_itself_again(void **state)
{
    (void)state;
    hosted_child_test(repeat());
}

/* A time slice that ended early leaves no interrupt behind, and takes none away. */
static void cut_slices(void)
{
    const struct cpu *cpu = cpu_boot();

    start();
    timer_setup(&timers[0], fired);
    timer_slice_set(clock_ns() + 100);
    assert_int_equal(cpu->host.timer_deadline, clock_to_counter(clock_ns() + 100));
    timer_slice_set(UINT64_MAX);
    assert_int_equal(cpu->host.timer_deadline, 0);
    expected[0] = clock_ns() + 300;
    timer_set(&timers[0], expected[0]);
    timer_slice_set(clock_ns() + 100);
    timer_slice_set(UINT64_MAX);
    assert_int_equal(cpu->host.timer_deadline, clock_to_counter(expected[0]));
    timer_slice_set(clock_ns() + 500);
    assert_int_equal(cpu->host.timer_deadline, clock_to_counter(expected[0]));
    timer_slice_set(UINT64_MAX);
    assert_int_equal(cpu->host.timer_deadline, clock_to_counter(expected[0]));
}

static void test_a_slice_cut_short_leaves_no_interrupt(void **state)
{
    (void)state;
    hosted_child_test(cut_slices());
}

static void conversions(void)
{
    static const uint64_t rates[] = {1000000,    10000000,   24000000,  62500000,
                                     1000000000, 2399999871, 4999000000};
    uint64_t seed = 7;
    for (unsigned r = 0; r < ARRAY_SIZE(rates); r++) {
        clock_init(12345, rates[r]);
        for (unsigned i = 0; i < 1000; i++) {
            uint64_t ns = hosted_random(&seed) >> (hosted_random(&seed) % 40 + 8);
            uint64_t counter = clock_to_counter(ns);
            unsigned __int128 exact = (unsigned __int128)ns * rates[r] / NS_PER_SEC + 12345;
            if (counter == UINT64_MAX)
                continue;
            /* Never early; late by a nanosecond or a few ticks, and by a part in a billion at most.
             */
            assert_true(clock_from_counter(counter) >= ns);
            assert_true(counter >= exact && counter - exact <= 16 + exact / 1000000000);
        }
        assert_int_equal(clock_from_counter(12345), 0);
        uint64_t hour = clock_from_counter(12345 + rates[r] * 3600);
        assert_in_range(hour, 3600 * NS_PER_SEC - 1000, 3600 * NS_PER_SEC);
        assert_int_equal(clock_from_counter(1), 0); /* before the start */
    }
}

static void test_clock_conversions(void **state)
{
    (void)state;
    hosted_child_test(conversions());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_fire_in_order_and_in_time),
        cmocka_unit_test(test_timer_may_set_itself_again),
        cmocka_unit_test(test_a_slice_cut_short_leaves_no_interrupt),
        cmocka_unit_test(test_clock_conversions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
