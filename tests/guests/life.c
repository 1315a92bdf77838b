/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Guests for the tests of the life of VMs (tests/boot/test_vm.py):
 *   clock    says its time every period= milliseconds, for ever; with the word touch it touches
 *            every page from= to= before
 *   spin     computes for ever; with the word quiet it has said nothing before, either
 *   scrub    looks for anything but zeroes in memory from= to= (bytes from the start of RAM), then
 *            fills it
 *   latency  how late count= timers, 10 ms apart, are: the worst of all and of 99 in 100
 *   crash    does what no guest survives, where its ISA has such a thing
 */
#include "tests/guests/guest.h"

#define NS_PER_MS 1000000ULL
#define TIMER_GAP (10 * NS_PER_MS)
#define LATE_MAX  1000
#define PATTERN   0xa5a5a5a55a5a5a5aULL

static volatile bool timer_seen;

static void timer_hook(enum irq_kind kind, unsigned number)
{
    (void)number;
    if (kind == IRQ_TIMER)
        timer_seen = true;
}

void sleep_until(uint64_t deadline)
{
    irq_hook = timer_hook;
    timer_seen = false;
    timer_set(deadline);
    while (!timer_seen)
        irq_wait();
}

static void touch(void)
{
    uint64_t from = RAM_BASE + option_number("from", 64 << 20);
    uint64_t to = RAM_BASE + option_number("to", 192 << 20);

    for (uint64_t at = from; at < to; at += 4096)
        *(volatile uint64_t *)at = at;
}

static void run_clock(void)
{
    uint64_t period = ns_to_ticks(option_number("period", 100) * NS_PER_MS), next = ticks();

    if (option("touch"))
        touch();
    for (;;) {
        print("clock %llu ms\n", (unsigned long long)(ticks_to_ns(ticks()) / NS_PER_MS));
        next += period;
        sleep_until(next);
    }
}
PROGRAM(clock);

static void run_spin(void)
{
    for (volatile uint64_t i = 0;; i++)
        ;
}
PROGRAM(spin);

static void run_scrub(void)
{
    uint64_t *from = (uint64_t *)(RAM_BASE + option_number("from", 64 << 20));
    uint64_t *to = (uint64_t *)(RAM_BASE + option_number("to", 192 << 20));
    uint64_t found = 0;

    for (const uint64_t *at = from; at < to; at++)
        found += *at != 0;
    for (uint64_t *at = from; at < to; at++)
        *at = PATTERN;
    print("scrub: %llu of %llu words were not zero\n", (unsigned long long)found,
          (unsigned long long)(to - from));
}
PROGRAM(scrub);

void sorted_insert(uint64_t *sorted, unsigned count, uint64_t value)
{
    unsigned at = count;

    for (; at && sorted[at - 1] > value; at--)
        sorted[at] = sorted[at - 1];
    sorted[at] = value;
}

static void run_latency(void)
{
    static uint64_t late[LATE_MAX];
    unsigned count = (unsigned)option_number("count", 200);
    uint64_t gap = ns_to_ticks(TIMER_GAP);

    for (unsigned i = 0; i < count && i < LATE_MAX; i++) {
        uint64_t deadline = ticks() + gap;

        sleep_until(deadline);
        sorted_insert(late, i, ticks_to_ns(ticks() - deadline) / 1000);
    }
    print("latency: %llu us for 99 in 100, %llu us at most\n",
          (unsigned long long)late[count * 99 / 100], (unsigned long long)late[count - 1]);
}
PROGRAM(latency);

static void run_crash(void)
{
    machine_crash();
    print("crash: still here\n");
}
PROGRAM(crash);
