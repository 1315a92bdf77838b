/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The scheduler on one simulated CPU: shares by weight, wake-ups, sleeps, mutexes, ends of threads.
 * Time passes where a test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/thread.h"
#include "kernel/vcpu.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"

static void (*body)(void);

/* The test's own code is thread "main"; it ends the child process. */
static void main_thread(void *unused)
{
    (void)unused;
    body();
    hosted_child_exit();
}

static void machine(void (*test)(void))
{
    hosted_start_core(MIB(250));
    body = test;
    scheduler_start(main_thread);
}

/* `ns` of computing: interrupts come meanwhile, and preempt. */
static void compute(uint64_t ns)
{
    const uint64_t step = 50 * NS_PER_US;
    for (uint64_t done = 0; done < ns; done += step) {
        hosted_counter += step;
        host_irq_disable();
        host_irq_enable();
        preempt_disable();
        preempt_enable();
    }
}

static bool stop;
static void busy(void *unused)
{
    (void)unused;
    while (!stop)
        compute(NS_PER_MS);
}

static struct thread *spawn(const char *name, void (*entry)(void *), void *arg, uint32_t weight)
{
    struct thread *t = NULL;
    assert_int_equal(thread_create(&t, name, entry, arg, weight, -1), ERR_OK);
    return t;
}

static void shares(void)
{
    static const uint32_t weights[] = {512, 1024, 2048, 4096};
    struct thread *threads[ARRAY_SIZE(weights)];
    for (unsigned i = 0; i < ARRAY_SIZE(weights); i++)
        threads[i] = spawn("busy", busy, NULL, weights[i]);
    thread_sleep_ns(10 * NS_PER_SEC);
    uint64_t total = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(weights); i++)
        total += threads[i]->run_ns;
    assert_true(total > 9900 * NS_PER_MS && total <= 10100 * NS_PER_MS);
    for (unsigned i = 0; i < ARRAY_SIZE(weights); i++) {
        uint64_t fair = total * weights[i] / (512 + 1024 + 2048 + 4096);
        assert_in_range(threads[i]->run_ns, fair - fair / 20, fair + fair / 20); /* to 5 % */
    }
    stop = true;
}

static void test_time_is_shared_by_weight(void **state)
{
    (void)state;
    hosted_child_test(machine(shares));
}

/* A sleeper among threads that compute all the time runs soon after its deadline. */
static void latency(void)
{
    for (unsigned i = 0; i < 8; i++)
        spawn("busy", busy, NULL, THREAD_WEIGHT);
    uint64_t worst = 0;
    thread_sleep_ns(
        NS_PER_SEC); /* new threads, the test's own included, have had their first turn */
    for (unsigned i = 0; i < 200; i++) {
        uint64_t deadline = clock_ns() + 20 * NS_PER_MS;
        assert_false(thread_sleep_until(deadline));
        assert_true(clock_ns() >= deadline);
        worst = MAX(worst, clock_ns() - deadline);
    }
    assert_in_range(worst, 0, 5 * NS_PER_MS);
    stop = true;
}

static void test_a_sleeper_wakes_in_time(void **state)
{
    (void)state;
    hosted_child_test(machine(latency));
}

static void wakes(void)
{
    struct thread *me = thread_current();
    uint64_t before = clock_ns();
    thread_wake(me); /* before the sleep: the sleep returns at once */
    assert_true(thread_sleep_until(before + NS_PER_SEC));
    assert_true(clock_ns() - before < NS_PER_MS);
    assert_false(thread_sleep_until(clock_ns() + NS_PER_MS)); /* and only once */
}

static void test_an_early_wake_is_not_lost(void **state)
{
    (void)state;
    hosted_child_test(machine(wakes));
}

/* Two threads hand a token back and forth through wait queues. */
static struct wait_queue token_moved;
static unsigned token, rounds;

static void player(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < 1000; i++) {
        wait_event(&token_moved, token == me);
        compute(10 * NS_PER_US);
        rounds++;
        token = !me;
        wake_all(&token_moved);
    }
}

static void hand_over(void)
{
    wait_queue_init(&token_moved);
    spawn("one", player, (void *)1, THREAD_WEIGHT);
    spawn("zero", player, (void *)0, THREAD_WEIGHT);
    wait_event(&token_moved, rounds == 2000);
    assert_null(token_moved.first);
}

static void test_wait_queues_lose_no_wake_up(void **state)
{
    (void)state;
    hosted_child_test(machine(hand_over));
}

LOCK_CLASS(test_class, "test mutex", RANK_VM);
static struct mutex mutex;
static unsigned inside, entered;

static void enter_often(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 100; i++) {
        mutex_lock(&mutex);
        assert_int_equal(inside++, 0);
        thread_sleep_ns(100 * NS_PER_US);
        compute(100 * NS_PER_US);
        inside--;
        entered++;
        mutex_unlock(&mutex);
    }
}

static void mutual_exclusion(void)
{
    mutex_init(&mutex, &test_class);
    for (unsigned i = 0; i < 8; i++)
        spawn("enters", enter_often, NULL, THREAD_WEIGHT);
    while (entered < 800)
        thread_sleep_ns(NS_PER_MS);
    assert_null(mutex.owner);
}

static void test_a_mutex_admits_one_and_all_in_turn(void **state)
{
    (void)state;
    hosted_child_test(machine(mutual_exclusion));
}

static void nothing(void *unused)
{
    (void)unused;
}

static uint64_t heap_objects(void)
{
    struct heap_stats s;
    heap_stats_get(&s);
    return s.objects;
}

static void endings(void)
{
    spawn("first", nothing, NULL, THREAD_WEIGHT); /* fills the caches */
    thread_sleep_ns(NS_PER_MS);
    uint64_t before = heap_objects();
    for (unsigned i = 0; i < 500; i++) {
        spawn("short", nothing, NULL, THREAD_WEIGHT);
        if (i % 10 == 0)
            thread_sleep_ns(NS_PER_MS);
    }
    thread_sleep_ns(10 * NS_PER_MS);
    assert_int_equal(heap_objects(), before);
}

static void test_ended_threads_are_freed(void **state)
{
    (void)state;
    hosted_child_test(machine(endings));
}

static unsigned ins, outs;
static void note_in(struct thread *t)
{
    assert_ptr_equal(t, thread_current());
    ins++;
}
static void note_out(struct thread *t)
{
    assert_ptr_equal(t, thread_current());
    outs++;
}

static void hooks(void)
{
    struct thread *me = thread_current();
    thread_sleep_ns(NS_PER_MS); /* the threads of the start have run */
    me->switch_in = note_in;
    me->switch_out = note_out;
    thread_yield(); /* nobody else: no switch */
    assert_int_equal(ins + outs, 0);
    for (unsigned i = 1; i <= 10; i++) {
        thread_sleep_ns(NS_PER_MS);
        assert_int_equal(outs, i);
        assert_int_equal(ins, i);
    }
    me->switch_in = me->switch_out = NULL;
}

static void test_switch_hooks_come_in_pairs(void **state)
{
    (void)state;
    hosted_child_test(machine(hooks));
}

#define KEPT UINT64_C(0x0f)

static uint64_t fetched;
static void engine_load(struct vcpu *v)
{
    (void)v;
}
static uint64_t engine_put(struct vcpu *v)
{
    (void)v;
    return KEPT;
}
static void engine_fetch(struct vcpu *v, uint64_t groups)
{
    (void)v;
    fetched |= groups;
}

/* Groups that the engine keeps stay as they are; who is given a vCPU's state gets all of it. */
static void vcpu_switches(void)
{
    const struct engine engine = {.load = engine_load, .put = engine_put, .fetch = engine_fetch};
    struct vm vm = {.engine = &engine};
    struct vcpu v = {.vm = &vm};

    thread_sleep_ns(NS_PER_MS);
    thread_bind_vcpu(&v);
    v.reg_valid = 1;
    v.reg_dirty = 2;
    thread_sleep_ns(NS_PER_MS);
    assert_int_equal(v.reg_valid, ~KEPT | 1);
    assert_int_equal(v.reg_dirty, ~KEPT | 2);
    assert_int_equal(fetched, 0);
    thread_bind_vcpu(NULL);
    assert_int_equal(fetched, KEPT & ~UINT64_C(1));
    assert_int_equal(v.reg_valid, UINT64_MAX);
    assert_int_equal(v.reg_dirty, UINT64_MAX);
}

static void test_an_engine_keeps_groups_over_switches(void **state)
{
    (void)state;
    hosted_child_test(machine(vcpu_switches));
}

static void bad_arguments(void)
{
    struct thread *t;
    assert_int_equal(thread_create(&t, "weightless", nothing, NULL, 0, -1), ERR_INVALID);
    assert_int_equal(thread_create(&t, "nowhere", nothing, NULL, THREAD_WEIGHT, 7), ERR_INVALID);
    assert_int_equal(thread_create(&t, "here", nothing, NULL, THREAD_WEIGHT, 0), ERR_OK);
    assert_int_equal(t->affinity, 0);
}

static void test_bad_arguments_are_refused(void **state)
{
    (void)state;
    hosted_child_test(machine(bad_arguments));
}

/* ---- Several CPUs ---- */

static unsigned machine_cpus;
static void (*cpus_body)(void);
static void with_cpus(void)
{
    hosted_cpu_total = machine_cpus;
    cpu_start_all();
    assert_int_equal(cpu_online_count(), machine_cpus);
    cpus_body();
}

static void machine_of(unsigned count, void (*test)(void))
{
    machine_cpus = count;
    cpus_body = test;
    machine(with_cpus);
}

/* As a vCPU does: computes, lets interrupts in, can be moved in between. `arg`: a mask of the CPUs
 * that it has seen. */
static void spinner(void *arg)
{
    uint64_t *seen = arg;

    while (!stop) {
        hosted_cpu_next();
        host_irq_disable();
        host_irq_enable();
        thread_resched();
        if (seen)
            *seen |= BIT(this_cpu()->id);
    }
}

/* What spinners got since the last call. */
static uint64_t time_since(struct thread **threads, unsigned count, uint64_t *last)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t now = thread_run_ns(threads[i]), was = last[i];
        last[i] = now;
        total += now - was;
    }
    return total;
}

static void three_on_two(void)
{
    struct thread *threads[3];
    uint64_t before[3] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        threads[i] = spawn("spins", spinner, NULL, THREAD_WEIGHT);
    thread_sleep_ns(NS_PER_SEC);
    (void)time_since(threads, 3, before);
    thread_sleep_ns(6 * NS_PER_SEC);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++) {
        uint64_t got = thread_run_ns(threads[i]) - before[i];
        assert_in_range(got, 3600 * NS_PER_MS, 4400 * NS_PER_MS); /* 4 s is fair; to 10 % */
    }
    stop = true;
}

static void test_three_threads_share_two_cpus_alike(void **state)
{
    (void)state;
    hosted_child_test(machine_of(2, three_on_two));
}

static void one_each(void)
{
    struct thread *threads[4];
    uint64_t before[4] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        threads[i] = spawn("spins", spinner, NULL, THREAD_WEIGHT);
    thread_sleep_ns(NS_PER_SEC);
    (void)time_since(threads, 4, before);
    thread_sleep_ns(2 * NS_PER_SEC);
    assert_true(time_since(threads, 4, before) > 7900 * NS_PER_MS); /* no CPU idles */
    stop = true;
}

static void test_no_cpu_idles_while_threads_wait(void **state)
{
    (void)state;
    hosted_child_test(machine_of(4, one_each));
}

/* Two spinners a CPU, and one that is mostly idle: late by more than 5 ms at most once in 100. */
static void latency_beside_spinners(void)
{
    unsigned late = 0;

    for (unsigned i = 0; i < 4; i++)
        spawn("spins", spinner, NULL, THREAD_WEIGHT);
    thread_sleep_ns(NS_PER_SEC);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t deadline = clock_ns() + 10 * NS_PER_MS;
        thread_sleep_until(deadline);
        late += clock_ns() > deadline + 5 * NS_PER_MS;
    }
    assert_in_range(late, 0, 3);
    stop = true;
}

static void test_a_sleeper_wakes_in_time_beside_two_spinners_a_cpu(void **state)
{
    (void)state;
    hosted_child_test(machine_of(2, latency_beside_spinners));
}

static void affinities(void)
{
    static const struct thread_cpus odd = {.bits = {BIT(1) | BIT(3)}}, nowhere = {.bits = {BIT(9)}};
    uint64_t seen = 0, seen_any = 0;
    struct thread *bound, *t;

    for (unsigned i = 0; i < 4; i++)
        spawn("spins", spinner, NULL, THREAD_WEIGHT);
    assert_int_equal(thread_create_on(&bound, "odd", spinner, &seen, THREAD_WEIGHT, &odd), ERR_OK);
    spawn("any", spinner, &seen_any, THREAD_WEIGHT);
    assert_int_equal(thread_create_on(&t, "none", spinner, NULL, THREAD_WEIGHT, &nowhere),
                     ERR_INVALID);
    thread_sleep_ns(3 * NS_PER_SEC);
    assert_int_equal(seen & ~odd.bits[0], 0);
    assert_true(seen != 0);
    assert_true((seen_any & (seen_any - 1)) != 0); /* on more than one */
    assert_true(thread_run_ns(bound) > NS_PER_SEC);
    stop = true;
}

static void wakes_after_the_end(void)
{
    static const struct thread_cpus any;
    struct thread *t[8];

    for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
        assert_int_equal(thread_create_on(&t[i], "ends", nothing, NULL, THREAD_WEIGHT, &any),
                         ERR_OK);
    thread_sleep_ns(NS_PER_SEC);
    for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
        assert_int_equal(t[i]->state, THREAD_EXITED);
        thread_wake(t[i]);
        assert_int_equal(t[i]->state, THREAD_EXITED);
        thread_release(t[i]);
    }
    thread_sleep_ns(NS_PER_SEC);
    stop = true;
}

static void test_ended_threads_stay_while_they_are_held(void **state)
{
    (void)state;
    hosted_child_test(machine_of(2, wakes_after_the_end));
}

static void test_threads_stay_on_their_cpus(void **state)
{
    (void)state;
    hosted_child_test(machine_of(4, affinities));
}

/* Twice the weight, twice the time, also where threads move. */
static void weights_on_two(void)
{
    static const uint32_t weights[] = {2048, 1024, 1024, 2048};
    struct thread *threads[ARRAY_SIZE(weights)];
    uint64_t before[ARRAY_SIZE(weights)] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(weights); i++)
        threads[i] = spawn("spins", spinner, NULL, weights[i]);
    thread_sleep_ns(NS_PER_SEC);
    (void)time_since(threads, ARRAY_SIZE(weights), before);
    thread_sleep_ns(6 * NS_PER_SEC);
    for (unsigned i = 0; i < ARRAY_SIZE(weights); i++) {
        uint64_t got = thread_run_ns(threads[i]) - before[i],
                 fair = 2 * NS_PER_SEC * weights[i] / 1024;
        assert_in_range(got, fair - fair / 8, fair + fair / 8);
    }
    stop = true;
}

static void test_weights_hold_across_cpus(void **state)
{
    (void)state;
    hosted_child_test(machine_of(2, weights_on_two));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_is_shared_by_weight),
        cmocka_unit_test(test_a_sleeper_wakes_in_time),
        cmocka_unit_test(test_an_early_wake_is_not_lost),
        cmocka_unit_test(test_wait_queues_lose_no_wake_up),
        cmocka_unit_test(test_a_mutex_admits_one_and_all_in_turn),
        cmocka_unit_test(test_ended_threads_are_freed),
        cmocka_unit_test(test_switch_hooks_come_in_pairs),
        cmocka_unit_test(test_an_engine_keeps_groups_over_switches),
        cmocka_unit_test(test_bad_arguments_are_refused),
        cmocka_unit_test(test_three_threads_share_two_cpus_alike),
        cmocka_unit_test(test_no_cpu_idles_while_threads_wait),
        cmocka_unit_test(test_a_sleeper_wakes_in_time_beside_two_spinners_a_cpu),
        cmocka_unit_test(test_ended_threads_stay_while_they_are_held),
        cmocka_unit_test(test_threads_stay_on_their_cpus),
        cmocka_unit_test(test_weights_hold_across_cpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
