/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Traced events: what is noted, filtered, ordered over CPUs, overwritten and counted as lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/trace.h"
#include "kernel/vcpu.h"

static struct vm web = {.id = 3}, mail = {.id = 4};
#define EVERYTHING ((struct trace_filter){.kinds = BIT(TRACE_KINDS) - 1, .vm = TRACE_ALL_VMS})

static uint64_t seen[3 * TRACE_RING_EVENTS];
static unsigned seen_cpu[3 * TRACE_RING_EVENTS];
static unsigned seen_count;

static void see(const struct trace_event *e, unsigned cpu, void *arg)
{
    struct trace_event *copy = arg;

    seen_cpu[seen_count] = cpu;
    seen[seen_count++] = e->value;
    *copy = *e;
}

static struct trace_event look(struct trace_filter filter, uint64_t most)
{
    struct trace_event last = {0};

    seen_count = 0;
    trace_each(&filter, most, see, &last);
    return last;
}

static void start(struct trace_filter filter)
{
    trace_clear();
    assert_int_equal(trace_start(&filter), ERR_OK);
}

static void an_event_is_kept_as_it_was(void)
{
    struct vm_exit exit = {.kind = EXIT_PORT, .port = {.port = 0x3f8}};
    struct vcpu v = {.vm = &web, .id = 2};
    struct trace_event e;

    start(EVERYTHING);
    assert_true(trace_on(TRACE_EXIT));
    trace_exit(&v, &exit);
    trace_stop();
    assert_false(trace_on(TRACE_EXIT));
    e = look(EVERYTHING, 10);
    assert_int_equal(seen_count, 1);
    assert_int_equal(e.kind, TRACE_EXIT);
    assert_int_equal(e.vm, 3);
    assert_int_equal(e.vcpu, 2);
    assert_int_equal(e.detail, EXIT_PORT);
    assert_int_equal(e.value, 0x3f8);
}

static void filters_of_noting_and_of_showing(void)
{
    start((struct trace_filter){.kinds = (uint32_t)(BIT(TRACE_EXIT) | BIT(TRACE_VIRTIO)), .vm = 3});
    assert_false(trace_on(TRACE_FLUSH));
    trace_event(TRACE_EXIT, &web, 0, 0, 1);
    trace_event(TRACE_EXIT, &mail, 0, 0, 2);
    trace_event(TRACE_VIRTIO, &web, TRACE_NO_VCPU, 0, 3);
    look(EVERYTHING, 10);
    assert_int_equal(seen_count, 2);
    look((struct trace_filter){.kinds = BIT(TRACE_VIRTIO), .vm = TRACE_ALL_VMS}, 10);
    assert_int_equal(seen_count, 1);
    assert_int_equal(seen[0], 3);
    look((struct trace_filter){.kinds = BIT(TRACE_KINDS) - 1, .vm = 4}, 10);
    assert_int_equal(seen_count, 0);
    assert_int_equal(trace_filter_now().vm, 3);
}

static void cpus_are_merged_by_time(void)
{
    start(EVERYTHING);
    for (unsigned i = 0; i < 20; i++) {
        hosted_cpu_set(cpu_get(i % 3 ? 1 : 0));
        hosted_counter++;
        trace_event(TRACE_BLOCK, &web, 0, 0, i);
    }
    hosted_cpu_set(cpu_get(0));
    look(EVERYTHING, 100);
    assert_int_equal(seen_count, 20);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(seen[i], i);
        assert_int_equal(seen_cpu[i], i % 3 ? 1 : 0);
    }
    look(EVERYTHING, 5); /* the last ones */
    assert_int_equal(seen_count, 5);
    assert_int_equal(seen[0], 15);
}

static void the_oldest_are_lost_and_counted(void)
{
    struct trace_counts counts;

    start(EVERYTHING);
    for (unsigned i = 0; i < TRACE_RING_EVENTS + 100; i++)
        trace_event(TRACE_FLUSH, &web, 0, 0, i);
    counts = trace_count();
    assert_int_equal(counts.kept, TRACE_RING_EVENTS);
    assert_int_equal(counts.lost, 100);
    look(EVERYTHING, UINT32_MAX);
    assert_int_equal(seen_count, TRACE_RING_EVENTS);
    assert_int_equal(seen[0], 100);
    assert_int_equal(seen[seen_count - 1], TRACE_RING_EVENTS + 99);
    trace_clear();
    counts = trace_count();
    assert_int_equal(counts.kept + counts.lost, 0);
    look(EVERYTHING, 10);
    assert_int_equal(seen_count, 0);
}

static void machine(void (*body)(void))
{
    hosted_start_core(GIB(1));
    hosted_cpu_total = 2;
    cpu_start_all();
    body();
}

static void test_an_event_is_kept_as_it_was(void **state)
{
    (void)state;
    hosted_child_test(machine(an_event_is_kept_as_it_was));
}

static void test_filters_of_noting_and_of_showing(void **state)
{
    (void)state;
    hosted_child_test(machine(filters_of_noting_and_of_showing));
}

static void test_cpus_are_merged_by_time(void **state)
{
    (void)state;
    hosted_child_test(machine(cpus_are_merged_by_time));
}

static void test_the_oldest_are_lost_and_counted(void **state)
{
    (void)state;
    hosted_child_test(machine(the_oldest_are_lost_and_counted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_is_kept_as_it_was),
        cmocka_unit_test(test_filters_of_noting_and_of_showing),
        cmocka_unit_test(test_cpus_are_merged_by_time),
        cmocka_unit_test(test_the_oldest_are_lost_and_counted),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
