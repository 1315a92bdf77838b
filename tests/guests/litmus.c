/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * "litmus": what two CPUs may see of each other's stores, round after round ("rounds=N"). The
 * outcomes that the architecture forbids fail; how often an allowed one came is told, as a machine
 * of one CPU at a time shows none.
 */
#include "tests/guests/suite.h"

#include <litmus.h> /* tests/guests/<isa>/: stores, loads and what stands between them */

#define ROUNDS     20000
#define TOGETHER   4000 /* increments by one CPU before the other comes */
#define LINE       __attribute__((aligned(128)))
#define START_WAIT (20 * NS_PER_SEC)

static struct {
    LINE volatile uint64_t word;
} places[2];
static LINE uint64_t arrived;
static volatile uint64_t results[2];
static uint64_t rounds;

/* Until both CPUs have come here `n` times. */
static void meet(uint64_t n)
{
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 2 * n)
        cpu_relax();
}

/* ---- Store buffering: each stores to its own place and loads the other's. Neither sees 1? ---- */

static uint64_t store_buffering(const struct litmus *l, unsigned me, uint64_t *met)
{
    uint64_t seen = 0;

    for (uint64_t i = 0; i < rounds; i++) {
        places[me].word = 0;
        meet(++*met);
        (void)places[!me].word; /* it is near when it is wanted */
        meet(++*met);
        results[me] = l->run(&places[me].word, &places[!me].word);
        meet(++*met);
        seen += !results[0] && !results[1];
    }
    return seen;
}

/* ---- Message passing: one stores data, then a flag; does the other see the flag alone? ---- */

static uint64_t message_passing(const struct litmus *l, unsigned me, uint64_t *met)
{
    uint64_t seen = 0, flag;

    for (uint64_t i = 0; i < rounds; i++) {
        places[me].word = 0;
        meet(++*met);
        if (me == 0) {
            l->send(&places[0].word, &places[1].word);
        } else {
            flag = l->receive(&places[1].word, &places[0].word, (uint64_t *)&results[0]);
            seen += flag && !results[0];
        }
        meet(++*met);
    }
    return seen;
}

static uint64_t one_test(const struct litmus *l, unsigned me, uint64_t *met)
{
    return l->run ? store_buffering(l, me, met) : message_passing(l, me, met);
}

static bool offered(const struct litmus *l)
{
    return !l->offered || l->offered();
}

static void tell(const struct litmus *l, uint64_t seen)
{
    if (!offered(l))
        skip(l->name, "this CPU does not have the instructions");
    else if (l->allowed)
        print("# %s: %llu of %llu\n", l->name, (unsigned long long)seen,
              (unsigned long long)rounds);
    else
        check_equal(seen, 0, "%s is never seen", l->name);
}

/* ---- Both at once ---- */

static uint64_t seen_by_second[ARRAY_SIZE(litmus)];

static void run_all(unsigned me, uint64_t *seen)
{
    uint64_t met = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(litmus); i++)
        if (offered(&litmus[i]))
            seen[i] = one_test(&litmus[i], me, &met);
}

/* ---- A CPU that comes while the other one's code was made for one ---- */

static LINE uint64_t sum;
static uint64_t additions;
static volatile bool second_ended;

static void add(uint64_t n)
{
    for (; n; n--)
        __atomic_fetch_add(&sum, 1, __ATOMIC_SEQ_CST);
}

static void second_cpu(void *unused)
{
    (void)unused;
    add(additions);
    run_all(1, seen_by_second);
    __atomic_store_n(&second_ended, true, __ATOMIC_SEQ_CST);
}

static bool has_ended(void *unused)
{
    (void)unused;
    return __atomic_load_n(&second_ended, __ATOMIC_SEQ_CST);
}

static void run_litmus(void)
{
    static uint64_t seen[ARRAY_SIZE(litmus)];

    rounds = option_number("rounds", ROUNDS);
    additions = 50 * rounds;
    if (cpu_count() < 2) {
        skip("litmus tests", "there is one CPU");
        return;
    }
    add(TOGETHER);
    cpu_start(1, second_cpu, NULL);
    add(additions);
    run_all(0, seen);
    check(wait_until(has_ended, NULL, START_WAIT), "the second CPU ends");
    check_equal(sum, TOGETHER + 2 * additions, "no increment is lost while a CPU comes");
    for (unsigned i = 0; i < ARRAY_SIZE(litmus); i++)
        tell(&litmus[i], seen[i] > seen_by_second[i] ? seen[i] : seen_by_second[i]);
}
PROGRAM(litmus);
