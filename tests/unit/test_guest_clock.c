/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A guest's time through pauses: continued or caught up, with its timers, at the host's frequency
 * and at another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/guest_clock.h"
#include "kernel/state.h"

static struct guest_clock guest;
static struct guest_timer timer;
static uint64_t fired_at; /* guest_clock_ns() */

static void fired(struct guest_timer *t)
{
    assert_ptr_equal(t, &timer);
    assert_int_equal(t->deadline, UINT64_MAX);
    fired_at = guest_clock_ns(&guest);
}

static void start(uint64_t hz)
{
    (void)hosted_memory_reset();
    hosted_start_size(MIB(64));
    clock_init(hosted_counter, NS_PER_SEC);
    clock_wall_init(1000 * NS_PER_SEC, hosted_counter);
    if (!cpu_boot()->timers)
        timer_cpu_init(cpu_boot());
    hosted_counter += 77 * NS_PER_SEC;
    guest_clock_init(&guest, hz);
    guest_timer_init(&timer, &guest, fired);
    fired_at = 0;
}

static void pass(uint64_t ns)
{
    while (ns) {
        uint64_t step = MIN(ns, 100 * NS_PER_MS);
        hosted_counter += step;
        ns -= step;
        host_irq_disable();
        host_irq_enable();
    }
}

/* Counter and time agree to a tick, and so do the conversions between them. */
static void check_now(uint64_t ns, uint64_t tolerance)
{
    uint64_t counter, is = guest_clock_now(&guest, &counter);
    uint64_t ticks = (uint64_t)((double)ns * (double)guest.hz / 1e9);

    assert_in_range(is, ns, ns + tolerance);
    assert_int_equal(is, guest_clock_ns(&guest));
    assert_int_equal(counter, guest_clock_counter(&guest));
    assert_in_range(counter + 1, ticks, ticks + 2 + tolerance * guest.hz / NS_PER_SEC);
    assert_in_range(guest_clock_from_counter(&guest, counter + guest.hz), is + NS_PER_SEC,
                    is + NS_PER_SEC + 1);
    if (counter) /* all values are without sign: before 0 there is none */
        assert_true(guest_clock_from_counter(&guest, counter - 1) <= is);
    assert_true(guest_clock_from_counter(&guest, 0) <= is);
    assert_true(guest_clock_from_counter(&guest, counter + (1ULL << 63) - 1) == UINT64_MAX);
    assert_true(guest_clock_from_counter(&guest, UINT64_MAX) == UINT64_MAX);
}

static void pauses(uint64_t hz)
{
    start(hz);
    check_now(0, 0);
    pass(600 * NS_PER_SEC);
    check_now(600 * NS_PER_SEC, 2);

    guest_clock_pause(&guest);
    pass(5 * NS_PER_SEC);
    assert_in_range(guest_clock_ns(&guest), 600 * NS_PER_SEC, 600 * NS_PER_SEC + 2);
    guest_clock_resume(&guest, GUEST_TIME_CONTINUE);
    check_now(600 * NS_PER_SEC, 2);
    pass(NS_PER_SEC);
    check_now(601 * NS_PER_SEC, 2);

    guest_clock_pause(&guest);
    pass(9 * NS_PER_SEC);
    guest_clock_resume(&guest, GUEST_TIME_CATCH_UP);
    check_now(610 * NS_PER_SEC, 2);
}

static void test_time_stands_while_paused(void **state)
{
    static const uint64_t rates[] = {NS_PER_SEC, 10000000, 3579545, 62500000, 2400000000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++)
        hosted_child_test(pauses(rates[i]));
}

static void timers(void)
{
    start(NS_PER_SEC);
    guest_timer_set(&timer, 10 * NS_PER_SEC);
    pass(9 * NS_PER_SEC);
    guest_clock_pause(&guest);
    pass(100 * NS_PER_SEC);
    assert_int_equal(fired_at, 0);
    guest_clock_resume(&guest, GUEST_TIME_CONTINUE);
    pass(NS_PER_SEC / 2);
    assert_int_equal(fired_at, 0);
    pass(NS_PER_SEC / 2);
    assert_in_range(fired_at, 10 * NS_PER_SEC, 10 * NS_PER_SEC + 2);

    fired_at = 0;
    guest_timer_set(&timer, 20 * NS_PER_SEC);
    guest_clock_pause(&guest);
    pass(50 * NS_PER_SEC);
    guest_clock_resume(&guest, GUEST_TIME_CATCH_UP);
    pass(1);
    assert_in_range(fired_at, 60 * NS_PER_SEC, 60 * NS_PER_SEC + 2); /* it was due meanwhile */

    fired_at = 0;
    guest_clock_pause(&guest);
    guest_timer_set(&timer, 61 * NS_PER_SEC); /* as a load does */
    pass(50 * NS_PER_SEC);
    guest_clock_resume(&guest, GUEST_TIME_CONTINUE);
    pass(NS_PER_SEC);
    assert_in_range(fired_at, 61 * NS_PER_SEC, 61 * NS_PER_SEC + 2);

    fired_at = 0;
    guest_timer_set(&timer, 70 * NS_PER_SEC);
    guest_timer_set(&timer, UINT64_MAX);
    pass(50 * NS_PER_SEC);
    assert_int_equal(fired_at, 0);
    guest_timer_destroy(&timer);
    assert_null(guest.timers);
}

static void test_timers(void **state)
{
    (void)state;
    hosted_child_test(timers());
}

/* Saved on one machine, loaded on another whose counter stands elsewhere. */
static void moves(void)
{
    uint8_t data[512];
    struct state_writer w = {.data = data, .size = sizeof(data)};

    start(NS_PER_SEC);
    pass(30 * NS_PER_SEC);
    guest_clock_pause(&guest);
    state_save(&w, &guest_clock_state, 0, &guest);
    assert_true(w.used <= sizeof(data));

    pass(1000 * NS_PER_SEC);
    guest_clock_init(&guest, 10000000);
    guest_clock_pause(&guest);
    struct state_reader r = {.data = data, .size = w.used};
    assert_int_equal(state_check(&r), ERR_OK);
    assert_int_equal(state_load(&r, &guest_clock_state, 0, &guest), ERR_OK);
    guest_clock_resume(&guest, GUEST_TIME_CONTINUE);
    check_now(30 * NS_PER_SEC, 2);
    guest_clock_pause(&guest);
    r = (struct state_reader){.data = data, .size = w.used};
    assert_int_equal(state_load(&r, &guest_clock_state, 0, &guest), ERR_OK);
    guest_clock_resume(&guest, GUEST_TIME_CATCH_UP);
    check_now(1030 * NS_PER_SEC, 2);
}

static void test_state(void **state)
{
    (void)state;
    hosted_child_test(moves());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_stands_while_paused),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_state),
    };
    return cmocka_run_group_tests_name("guest clock", tests, NULL, NULL);
}
