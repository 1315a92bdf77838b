/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The heap against a list of live objects, and what debug builds must find. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "hosted.h"
#include "mm/heap.h"
#include "mm/page.h"

#define LIVE_MAX 2000

static struct object {
    unsigned char *p;
    size_t size;
    unsigned char fill;
} live[LIVE_MAX];

static void check_and_free(struct object *o)
{
    for (size_t i = 0; i < o->size; i++)
        assert_int_equal(o->p[i], o->fill);
    heap_free(o->p);
    o->p = NULL;
}

static size_t random_size(uint64_t r)
{
    static const size_t most[] = {16, 64, 300, 1000, 4032, 5000, 70000};

    return 1 + (r >> 8) % most[r % 7];
}

static void random_operations(unsigned cpus)
{
    struct cpu *cpu[4] = {cpu_boot()};
    struct heap_stats s;
    uint64_t seed = 42;

    hosted_start_size(MIB(256));
    for (unsigned i = 1; i < cpus; i++)
        cpu[i] = hosted_cpu_add();
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t r = hosted_random(&seed);
        struct object *o = &live[r % LIVE_MAX];

        hosted_cpu_set(cpu[(r >> 50) % cpus]);
        if (o->p) {
            check_and_free(o);
            continue;
        }
        o->size = random_size(r >> 12);
        o->fill = (unsigned char)r;
        o->p = heap_alloc(o->size);
        assert_non_null(o->p);
        assert_true(IS_ALIGNED((uintptr_t)o->p, o->size >= 64 ? 64 : 16));
        memset(o->p, o->fill, o->size);
    }
    for (unsigned i = 0; i < LIVE_MAX; i++)
        if (live[i].p)
            check_and_free(&live[i]);
    if (cpus == 1) {
        heap_stats_get(&s);
        assert_int_equal(s.objects, 0);
        assert_int_equal(s.allocated, 0);
    }
}

static void test_random_one_cpu(void **state)
{
    (void)state;
    hosted_child_test(random_operations(1));
}

static void test_random_four_cpus(void **state)
{
    (void)state;
    hosted_child_test(random_operations(4));
}

static void zeroed_and_overflow(void)
{
    hosted_start_size(MIB(64));
    char *p = heap_alloc(500);
    memset(p, 0xff, 500);
    heap_free(p);
    p = heap_zalloc(500);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(p[i], 0);
    assert_null(heap_zalloc_array(SIZE_MAX / 2, 3));
    assert_null(heap_alloc(GIB(1) + 1));
    assert_null(heap_alloc(MIB(200)));
    heap_free(NULL);
}

static void test_zeroed_and_overflow(void **state)
{
    (void)state;
    hosted_child_test(zeroed_and_overflow());
}

static void freed_twice(size_t size)
{
    hosted_start_size(MIB(64));
    void *p = heap_alloc(size);
    heap_free(p);
    heap_free(p);
}

static void written_beyond(size_t size)
{
    hosted_start_size(MIB(64));
    volatile char *p = heap_alloc(size);
    p[size] = 1;
    heap_free((void *)p);
}

static void written_after_free(size_t size)
{
    hosted_start_size(MIB(64));
    volatile char *p = heap_alloc(size);
    heap_free((void *)p);
    p[size / 2] ^= 1;
    (void)!heap_alloc(size);
}

static void not_an_object(void)
{
    hosted_start_size(MIB(64));
    heap_free((char *)heap_alloc(100) + 16);
}

static void test_debug_build_finds_misuse(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 16, 100, 1000, 3000};

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_true(hosted_panics(freed_twice(sizes[i])));
        assert_non_null(strstr(hosted_panic_text, "freed twice"));
        assert_true(hosted_panics(written_beyond(sizes[i])));
        assert_non_null(strstr(hosted_panic_text, "beyond its end"));
        assert_true(hosted_panics(written_after_free(sizes[i])));
        assert_non_null(strstr(hosted_panic_text, "after it was freed"));
    }
    assert_true(hosted_panics(freed_twice(10000)));
    assert_true(hosted_panics(not_an_object()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_one_cpu),
        cmocka_unit_test(test_random_four_cpus),
        cmocka_unit_test(test_zeroed_and_overflow),
        cmocka_unit_test(test_debug_build_finds_misuse),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
