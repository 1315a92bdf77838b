/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The log ring: order, levels, long lines, control characters, wrapping, writers in parallel. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/timer.h"

static char text[256 * 1024];

static const char *dump(unsigned lines, enum log_level level)
{
    struct out_buffer b;
    out_buffer_init(&b, text, sizeof(text));
    log_dump(&b.out, lines, level);
    return text;
}

static void start(void)
{
    (void)hosted_memory_reset();
    hosted_start_size(MIB(64));
    clock_init(hosted_counter, NS_PER_SEC);
    console_hold_log(true); /* nobody reads the console of the child */
}

static unsigned count_lines(const char *s)
{
    unsigned n = 0;
    for (; *s; s++)
        n += *s == '\n';
    return n;
}

static void lines(void)
{
    start();
    hosted_counter += 12345678901;
    log_info("one");
    log_warn("two\n");
    log_debug("three");
    assert_string_equal(
        dump(3, LOG_DEBUG),
        "[   12.345678] one\n[   12.345678] warning: two\n[   12.345678] debug: three\n");
    assert_string_equal(dump(2, LOG_INFO), "[   12.345678] one\n[   12.345678] warning: two\n");
    log_error("tab\there, \033[31mred\033[m, bell\a, line\nbreak");
    assert_string_equal(dump(1, LOG_DEBUG),
                        "[   12.345678] error: tab here, ?[31mred?[m, bell?, line break\n");
    log_info("%s", "");
    assert_string_equal(dump(1, LOG_DEBUG), "[   12.345678] \n");
}

static void test_lines_levels_and_characters(void **state)
{
    (void)state;
    hosted_child_test(lines());
}

static void long_lines(void)
{
    char line[1000];
    start();
    for (unsigned length = 100; length < 440; length++) {
        memset(line, 'a' + length % 26, length);
        line[length] = 0;
        log_info("%s", line);
        const char *shown = dump(1, LOG_INFO);
        assert_int_equal(strlen(shown), 15 + MIN(length, 432U) + 1);
        assert_memory_equal(shown + 15, line, MIN(length, 432U));
    }
}

static void test_long_lines_are_whole(void **state)
{
    (void)state;
    hosted_child_test(long_lines());
}

static void wrap(void)
{
    start();
    for (unsigned i = 0; i < 5000; i++)
        log_info("line %u %.*s", i, (int)(i % 300),
                 "........................................................................"
                 "........................................................................"
                 "........................................................................"
                 "........................................................................");
    const char *shown = dump(0, LOG_DEBUG);
    unsigned n = count_lines(shown), first;
    assert_in_range(n, 512 / 4, 512);
    assert_int_equal(sscanf(shown, "[%*u.%*u] line %u", &first), 1);
    assert_int_equal(first, 5000 - n);
    for (unsigned i = first; i < 5000; i++) {
        unsigned number;
        assert_int_equal(sscanf(shown, "[%*u.%*u] line %u", &number), 1);
        assert_int_equal(number, i);
        shown = strchr(shown, '\n') + 1;
    }
}

static void test_old_lines_make_room(void **state)
{
    (void)state;
    hosted_child_test(wrap());
}

#define WRITERS 4
static void *writer(void *cpu)
{
    hosted_cpu_set(cpu);
    for (unsigned i = 0; i < 20000; i++)
        log_info("writer %u says %u %u %u", this_cpu()->id, i, i, i);
    return NULL;
}

/* What a reader gets while others write is always whole lines, in order for each writer. */
static void parallel(void)
{
    pthread_t threads[WRITERS];
    start();
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writer, hosted_cpu_add()), 0);
    for (unsigned round = 0; round < 50; round++) {
        unsigned last[WRITERS + 1] = {0};
        for (const char *s = dump(0, LOG_DEBUG); *s; s = strchr(s, '\n') + 1) {
            unsigned id, a, b, c;
            if (sscanf(s, "[%*u.%*u] writer %u says %u %u %u\n", &id, &a, &b, &c) != 4)
                continue;
            assert_in_range(id, 1, WRITERS);
            assert_true(a == b && b == c && a >= last[id]);
            last[id] = a;
        }
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_lines(dump(0, LOG_DEBUG)), 512);
}

static void test_writers_in_parallel(void **state)
{
    (void)state;
    hosted_child_test(parallel());
}

static void sink_lines(void)
{
    struct out_log log;
    start();
    out_log_init(&log);
    out_printf(&log.out, "half ");
    out_printf(&log.out, "whole\nnext\n");
    assert_non_null(strstr(dump(2, LOG_INFO), "] half whole\n"));
    assert_non_null(strstr(dump(1, LOG_INFO), "] next\n"));
}

static void test_a_sink_makes_lines(void **state)
{
    (void)state;
    hosted_child_test(sink_lines());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_levels_and_characters),
        cmocka_unit_test(test_long_lines_are_whole),
        cmocka_unit_test(test_old_lines_make_room),
        cmocka_unit_test(test_writers_in_parallel),
        cmocka_unit_test(test_a_sink_makes_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
