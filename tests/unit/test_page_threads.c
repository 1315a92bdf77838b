/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The page allocator and the heap on several CPUs at the same time: each CPU is a thread; blocks
 * change hands between them. */
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/panic.h"
#include "mm/heap.h"
#include "mm/page.h"

#define CPUS       4
#define OPERATIONS 60000
#define MAILBOXES  512

/* Blocks on their way: address | order | 1 << 8. Each is filled with its own address, so that one
 * handed out twice shows. */
static uint64_t mailbox[MAILBOXES];
static void *objects[MAILBOXES];

static void put_away(uint64_t entry)
{
    if (!entry)
        return;
    hpa_t pa = HPA(entry & ~PAGE_MASK);
    const uint64_t *words = phys_to_virt(pa);
    unsigned order = entry & 0xff;

    ASSERT(words[1] == pa.v && words[(PAGE_SIZE << order) / 8 - 1] == pa.v);
    page_free(pa, order);
}

static void exchange_block(uint64_t r)
{
    unsigned order = (unsigned)((r >> 20) % 10);
    hpa_t pa = page_alloc(order, 0);

    if (pa.v) {
        uint64_t *words = phys_to_virt(pa);
        words[1] = words[(PAGE_SIZE << order) / 8 - 1] = pa.v;
    }
    put_away(__atomic_exchange_n(&mailbox[r % MAILBOXES], pa.v ? pa.v | order | 1 << 8 : 0,
                                 __ATOMIC_ACQ_REL));
}

static void *run_cpu(void *cpu)
{
    uint64_t seed = (uintptr_t)cpu;

    hosted_cpu_set(cpu);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        uint64_t r = hosted_random(&seed);
        exchange_block(r);
        heap_free(__atomic_exchange_n(&objects[r % MAILBOXES], heap_zalloc((r >> 30) % 600),
                                      __ATOMIC_ACQ_REL));
    }
    return NULL;
}

static void threads(uint64_t memory)
{
    struct page_stats before, after;
    pthread_t thread[CPUS];

    hosted_start_size(memory);
    page_stats_get(&before);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run_cpu, hosted_cpu_add()), 0);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(thread[i], NULL);
    for (unsigned i = 0; i < MAILBOXES; i++) {
        put_away(mailbox[i]);
        heap_free(objects[i]);
    }
    page_stats_get(&after);
    /* What is missing is the heap's: slabs that it keeps. */
    assert_true(before.free - after.free < MIB(2));
}

static void test_threads(void **state)
{
    (void)state;
    hosted_child_test(threads(GIB(2)));
}

static void test_threads_short_of_memory(void **state)
{
    (void)state;
    hosted_child_test(threads(MIB(96)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_threads_short_of_memory),
    };
    return cmocka_run_group_tests_name("page allocator, CPUs in parallel", tests, NULL, NULL);
}
