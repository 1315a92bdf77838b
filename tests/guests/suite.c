/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * "suite": what a machine must do for its guests, group by group ("suite timers mmio" runs two).
 * All of it also holds on QEMU without a hypervisor. Times are not judged, but that nothing comes
 * early.
 */
#include "tests/guests/suite.h"

#include "tests/guests/registers.h"

#define SECOND NS_PER_SEC

static volatile unsigned seen[IRQ_OTHER + 1][GUEST_MAX_CPUS];
static volatile unsigned last_number;

static unsigned holding; /* CPUs with patterns where this_cpu() looks: their timer is not counted */

static void count_hook(enum irq_kind kind, unsigned number)
{
    if (kind == IRQ_DEVICE)
        serial_irq_quiet();
    if (__atomic_load_n(&holding, __ATOMIC_SEQ_CST))
        return;
    last_number = number;
    seen[kind][this_cpu()->id]++;
}

struct awaited {
    enum irq_kind kind;
    uint64_t cpu;
    unsigned count;
};

static bool has_seen(void *arg)
{
    const struct awaited *a = arg;

    return seen[a->kind][a->cpu] >= a->count;
}

static bool await(enum irq_kind kind, uint64_t cpu, unsigned count)
{
    struct awaited a = {kind, cpu, count};

    return wait_until(has_seen, &a, 2 * SECOND);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void let_in(uint64_t ns)
{
    wait_until(never, NULL, ns);
}

/* ---- Timers ---- */

static void timer_is_never_early(void)
{
    static const unsigned us[] = {1, 10, 50, 100, 333, 1000, 2500, 5000};
    unsigned early = 0, lost = 0;

    for (unsigned i = 0; i < 4 * ARRAY_SIZE(us); i++) {
        unsigned before = seen[IRQ_TIMER][0];
        uint64_t deadline = ticks() + ns_to_ticks(1000ULL * us[i % ARRAY_SIZE(us)]);

        timer_set(deadline);
        lost += !await(IRQ_TIMER, 0, before + 1);
        early += ticks() < deadline;
    }
    check_equal(lost, 0, "one-shot timers fire");
    check_equal(early, 0, "timers do not fire early");
}

static void timer_fires_once_a_setting(void)
{
    unsigned before = seen[IRQ_TIMER][0];

    for (unsigned i = 0; i < 500; i++) {
        timer_set(ticks() + ns_to_ticks(20000));
        while (seen[IRQ_TIMER][0] == before + i)
            irq_wait();
    }
    let_in(2000000);
    check_equal(seen[IRQ_TIMER][0] - before, 500, "500 timers fire 500 times, waking an idle CPU");
}

static void timer_in_the_past(void)
{
    unsigned before = seen[IRQ_TIMER][0];

    timer_set(ticks() - 1);
    check(await(IRQ_TIMER, 0, before + 1), "a timer set to the past fires at once");
}

static void timer_can_be_stopped(void)
{
    unsigned before = seen[IRQ_TIMER][0];

    timer_set(ticks() + ns_to_ticks(100000000));
    timer_stop();
    let_in(150000000);
    check_equal(seen[IRQ_TIMER][0] - before, 0, "a stopped timer does not fire");
    timer_set(ticks() + ns_to_ticks(2000000));
    timer_set(ticks() + ns_to_ticks(4000000));
    await(IRQ_TIMER, 0, before + 1);
    let_in(4000000);
    check_equal(seen[IRQ_TIMER][0] - before, 1, "a timer set again fires once");
}

static void timer_waits_for_unmasking(void)
{
    unsigned before = seen[IRQ_TIMER][0];
    uint64_t end;

    timer_set(ticks() + ns_to_ticks(100000));
    for (end = ticks() + ns_to_ticks(1000000); ticks() < end;)
        cpu_relax();
    check_equal(seen[IRQ_TIMER][0] - before, 0, "a masked timer interrupt waits");
    check(await(IRQ_TIMER, 0, before + 1), "and comes when it is unmasked");
}

static void clock_goes_forward(void)
{
    uint64_t last = ticks(), back = 0;

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t now = ticks();

        back += now < last;
        last = now;
    }
    check_equal(back, 0, "the counter never goes back");
}

static void test_timers(void)
{
    clock_goes_forward();
    timer_is_never_early();
    timer_fires_once_a_setting();
    timer_in_the_past();
    timer_can_be_stopped();
    timer_waits_for_unmasking();
    isa_test_timers();
}

/* ---- Interrupts of devices ---- */

static void serial_interrupts(unsigned cpu)
{
    unsigned before = seen[IRQ_DEVICE][cpu], lost = 0;

    serial_irq_setup(cpu);
    for (unsigned i = 0; i < 100; i++) {
        serial_irq_raise();
        lost += !await(IRQ_DEVICE, cpu, before + i + 1);
    }
    print("\n");
    check_equal(lost, 0, "100 serial interrupts reach CPU %u", cpu);
    let_in(1000000);
    check_equal(seen[IRQ_DEVICE][cpu] - before, 100, "and no others");
}

static void serial_waits_for_unmasking(void)
{
    unsigned before = seen[IRQ_DEVICE][0];
    uint64_t end;

    serial_irq_setup(0);
    serial_irq_raise();
    for (end = ticks() + ns_to_ticks(1000000); ticks() < end;)
        cpu_relax();
    check_equal(seen[IRQ_DEVICE][0] - before, 0, "a masked device's interrupt waits");
    check(await(IRQ_DEVICE, 0, before + 1), "and comes when it is unmasked");
}

static void test_interrupts(void)
{
    serial_interrupts(0);
    serial_waits_for_unmasking();
    if (cpu_count() > 1)
        serial_interrupts(1);
    serial_irq_setup(0);
}

/* ---- IPIs ---- */

static void ipi_to(unsigned cpu)
{
    unsigned lost = 0, before = seen[IRQ_IPI][cpu];

    for (unsigned i = 0; i < 300; i++) {
        ipi_send(cpu);
        lost += !await(IRQ_IPI, cpu, before + i + 1);
    }
    check_equal(lost, 0, "300 IPIs reach CPU %u", cpu);
    check_equal(seen[IRQ_IPI][cpu] - before, 300, "and no others");
}

static void ipi_waits_for_unmasking(void)
{
    unsigned before = seen[IRQ_IPI][0];
    uint64_t end;

    ipi_send(0);
    for (end = ticks() + ns_to_ticks(1000000); ticks() < end;)
        cpu_relax();
    check_equal(seen[IRQ_IPI][0] - before, 0, "a masked IPI to oneself waits");
    check(await(IRQ_IPI, 0, before + 1), "and comes when it is unmasked");
}

static void test_ipis(void)
{
    ipi_waits_for_unmasking();
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        ipi_to(cpu);
}

/* ---- Registers across exits, on all CPUs at once ---- */

static struct register_set sets[GUEST_MAX_CPUS];
static volatile unsigned sets_done;

static void hold_registers(void *arg)
{
    struct register_set *s = arg;
    uint64_t cpu = this_cpu()->id; /* before patterns stand where that is found */

    __atomic_fetch_add(&holding, 1, __ATOMIC_SEQ_CST);
    s->file.spin = 1000;
    for (unsigned i = 0; i < 300; i++) {
        if (i % 32 == 0)
            registers_fill(s, cpu * 1000 + i);
        registers_round(s, 30000);
    }
    registers_restore(s);
    __atomic_fetch_sub(&holding, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&sets_done, 1, __ATOMIC_SEQ_CST);
}

static void test_registers(void)
{
    hold_registers(&sets[0]);
    check_equal(sets[0].errors, 0, "registers stay as they are across 300 waits");
}

/* ---- Secondary CPUs ---- */

static volatile bool second_idles;

/* First the registers, while CPU 0 does the same; then it takes interrupts. */
static void second_cpu(void *arg)
{
    hold_registers(arg);
    second_idles = true;
}

static bool second_is_idle(void *arg)
{
    (void)arg;
    return second_idles;
}

static void test_cpus(void)
{
    if (cpu_count() < 2) {
        skip("secondary CPUs", "there is one CPU");
        return;
    }
    cpu_start(1, second_cpu, &sets[1]);
    hold_registers(&sets[0]);
    check(wait_until(second_is_idle, NULL, 20 * SECOND), "the second CPU runs");
    check_equal(sets[0].errors + sets[1].errors, 0,
                "registers of two CPUs stay as they are across 300 waits of each");
}

/* ---- Memory ---- */

static uint64_t memory_word(uint64_t address, uint64_t seed)
{
    uint64_t state = address ^ seed;

    return random_next(&state);
}

/* Behind the program itself; the same memory through pages of all sizes. */
static void test_memory(void)
{
    uint64_t start = RAM_BASE + (32UL << 20), size = 8UL << 20, bad = 0;

    for (uint64_t at = start; at < start + size; at += 8)
        bad += *(volatile uint64_t *)at != 0;
    check_equal(bad, 0, "memory is zero when the machine starts");
    for (uint64_t at = start; at < start + size; at += 8)
        *(volatile uint64_t *)at = memory_word(at, 1);
    bad = 0;
    for (uint64_t at = start; at < start + size; at += 8)
        bad += *(volatile uint64_t *)at != memory_word(at, 1);
    check_equal(bad, 0, "8 MiB keep what was written to them");
}

/* ---- Handlers ---- */

#define HANDLER_NS 6000000ull

static volatile unsigned handlers, nested;

/* An IPI's takes so long that a timer expires meanwhile, and leaves the guest nowhere: not even by
 * a pause. */
static void long_hook(enum irq_kind kind, unsigned number)
{
    uint64_t end = ticks() + ns_to_ticks(HANDLER_NS);

    nested += handlers++ > 0;
    while (kind == IRQ_IPI && handlers == 1 && ticks() < end) {
    }
    handlers--;
    count_hook(kind, number);
}

static void test_handlers(void)
{
    irq_hook = long_hook;
    for (unsigned i = 0; i < 10; i++) {
        unsigned timers = seen[IRQ_TIMER][0], ipis = seen[IRQ_IPI][0];

        timer_set(ticks() + ns_to_ticks(HANDLER_NS / 2));
        ipi_send(0);
        await(IRQ_IPI, 0, ipis + 1);
        await(IRQ_TIMER, 0, timers + 1);
    }
    irq_hook = count_hook;
    check_equal(nested, 0, "no handler interrupts another one");
}

/* ---- */

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
    {"memory", test_memory},       {"exits", isa_test_exits}, {"timers", test_timers},
    {"registers", test_registers}, {"cpus", test_cpus},       {"interrupts", test_interrupts},
    {"ipis", test_ipis},           {"mmio", test_mmio},       {"paging", test_paging},
    {"illegal", test_illegal},     {"debug", test_debug},     {"handlers", test_handlers},
};

static void run_suite(void)
{
    bool some = false;

    irq_hook = count_hook;
    print("# counter: %llu kHz\n", (unsigned long long)(ticks_hz / 1000));
    for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
        some |= option(groups[i].name);
    for (unsigned i = 0; i < ARRAY_SIZE(groups); i++) {
        if (some && !option(groups[i].name))
            continue;
        print("# %s\n", groups[i].name);
        groups[i].run();
    }
}
PROGRAM(suite);
