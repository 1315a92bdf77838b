/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Spinlocks between real threads, and the checks of debug builds. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/lock.h"
#include "kernel/thread.h"

#define THREADS 2
#define ROUNDS  500 /* ticket locks crawl where there are fewer real CPUs than threads */

LOCK_CLASS(low_class, "low lock", RANK_VM);
LOCK_CLASS(high_class, "high lock", RANK_LOG);
static struct spinlock low = SPINLOCK_INIT(&low_class), high = SPINLOCK_INIT(&high_class);
static struct spinlock low_too = SPINLOCK_INIT(&low_class);
static struct mutex low_mutex;
static uint64_t counter;

static void start(void)
{
    (void)hosted_memory_reset();
    hosted_start_size(MIB(64));
    mutex_init(&low_mutex, &low_class);
}

static void *increment(void *cpu)
{
    hosted_cpu_set(cpu);
    for (unsigned i = 0; i < ROUNDS; i++) {
        spin_lock(&low);
        counter++; /* torn without the lock */
        spin_unlock(&low);
    }
    return NULL;
}

static void exclude(void)
{
    pthread_t threads[THREADS];
    start();
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, increment, hosted_cpu_add()), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter, THREADS * ROUNDS);
    assert_int_equal(low.next, low.owner);
}

static void test_spinlock_excludes(void **state)
{
    (void)state;
    hosted_child_test(exclude());
}

static void ordered(void)
{
    start();
    spin_lock(&low);
    assert_false(spin_trylock(&low));
    spin_lock_nested(&low_too);
    spin_lock(&high);
    assert_int_equal(this_cpu()->preempt_count, 3);
    spin_unlock(&low); /* in any order */
    spin_unlock(&high);
    spin_unlock(&low_too);
    assert_int_equal(this_cpu()->preempt_count, 0);
    mutex_lock(&low_mutex);
    assert_ptr_equal(low_mutex.owner, thread_current());
    spin_lock(&high);
    spin_unlock(&high);
    mutex_unlock(&low_mutex);
    assert_null(low_mutex.owner);
}

static void test_locks_in_order_of_rank(void **state)
{
    (void)state;
    hosted_child_test(ordered());
}

#define assert_panic_says(code, text)                     \
    do {                                                  \
        assert_true(hosted_panics(start(); code));        \
        assert_non_null(strstr(hosted_panic_text, text)); \
    } while (0)

static void test_checks_name_the_locks(void **state)
{
    (void)state;
    assert_panic_says((spin_lock(&high), spin_lock(&low)),
                      "\"low lock\" (rank 1) taken while \"high lock\"");
    assert_panic_says((spin_lock(&low), spin_lock(&low_too)),
                      "\"low lock\" (rank 1) taken while \"low lock\"");
    assert_panic_says((spin_lock(&low), spin_lock(&low)), "lock \"low lock\" is taken twice");
    assert_panic_says(spin_unlock(&low),
                      "lock \"low lock\" is released by a CPU that does not hold it");
    assert_panic_says((mutex_lock(&low_mutex), mutex_lock(&low_mutex)),
                      "mutex \"low lock\" is taken twice");
    assert_panic_says((mutex_lock(&low_mutex), spin_lock(&low)), "taken while \"low lock\"");
    assert_panic_says((spin_lock(&low), mutex_lock(&low_mutex)),
                      "takes a mutex while it holds spinlock low lock");
    assert_panic_says((spin_lock(&low), thread_sleep_ns(1)),
                      "sleeps while it holds spinlock low lock");
}

static void in_interrupts_and_without_masking(void)
{
    unsigned outer = lock_interrupt_enter();
    spin_lock(&low);
    spin_unlock(&low);
    lock_interrupt_leave(outer);
    host_irq_enable();
    spin_lock(&low);
}

static void test_unmasked_use_of_an_interrupt_lock_is_found(void **state)
{
    (void)state;
    assert_panic_says(in_interrupts_and_without_masking(),
                      "\"low lock\" is taken in interrupts, and elsewhere with interrupts on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spinlock_excludes),
        cmocka_unit_test(test_locks_in_order_of_rank),
        cmocka_unit_test(test_checks_name_the_locks),
        cmocka_unit_test(test_unmasked_use_of_an_interrupt_lock_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
