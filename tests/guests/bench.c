/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Costs of exits, for tests/bench/bench.py: prints "NAME instructions NUMBER", in hundredths. On a
 * host under -icount shift=0 a nanosecond is an instruction, whoever executes it; so what is
 * printed counts guest, hypervisor and, in each loop, three or four instructions of the loop
 * itself. hypercall  the cheapest call: PSCI_VERSION, SBI get_spec_version, an unknown VMMCALL mmio
 * a read of a register of the interrupt controller ipi        from before the sender's write to the
 * first instruction of the receiver's hook, the receiver idle in its wait-for-interrupt; the sender
 * then waits likewise. With one host CPU that includes switching from one vCPU to the other. `ipi`
 * is the median: QEMU runs CPUs in turn, and one that happens to wait for a lock keeps its turn for
 * up to 100 ms, so that the mean (ipi_mean) tells how often that came and not what an IPI costs.
 */
#include "tests/guests/guest.h"
#include "tests/guests/suite.h"

#define LOOPS     20000u
#define IPI_LOOPS 2000u

static void report_cost(const char *name, uint64_t elapsed, unsigned loops)
{
    uint64_t hundredths = ticks_to_ns(elapsed) * 100 / loops;

    print("%s instructions %llu.%02llu\n", name, (unsigned long long)(hundredths / 100),
          (unsigned long long)(hundredths % 100));
}

static void hypercalls(unsigned loops)
{
    for (unsigned i = 0; i < loops; i++)
        hypercall_null();
}

static void mmio_reads(unsigned loops)
{
    for (unsigned i = 0; i < loops; i++)
        mmio_read32(MMIO_PROBE);
}

static void nothing(unsigned loops)
{
    for (volatile unsigned i = 0; i < loops; i++)
        ;
}

/* A first round warms what the translator of the host and the second stage fill on demand. */
static void measure(const char *name, void (*fn)(unsigned loops))
{
    uint64_t start;

    fn(LOOPS / 10);
    start = ticks();
    fn(LOOPS);
    report_cost(name, ticks() - start, LOOPS);
}

/* ---- The first accesses to pages that the TLB has forgotten ---- */

#define PAGES       64u
#define PAGE_BYTES  4096u
#define PAGE_ROUNDS 100u

static uint8_t pages[PAGES * PAGE_BYTES] __attribute__((aligned(4096)));

static uint64_t touch_pages(void)
{
    uint64_t start = ticks();

    for (unsigned i = 0; i < PAGES; i++)
        *(volatile uint64_t *)(pages + (size_t)i * PAGE_BYTES) = i;
    return ticks() - start;
}

/* The second touch costs the loop only. */
static void shadow_faults(void)
{
    uint64_t sum = 0;

    touch_pages();
    for (unsigned i = 0; i < PAGE_ROUNDS; i++) {
        tlb_flush();
        sum += touch_pages();
        sum -= touch_pages();
    }
    report_cost("shadow", sum, PAGE_ROUNDS * PAGES);
}

/* ---- IPIs, to and fro between CPUs 0 and 1 ---- */

static volatile uint64_t ipi_sent[2];
static uint64_t ipi_costs[2 * IPI_LOOPS];
static volatile unsigned ipi_seen[2];
static volatile bool ipi_ready;

static void ipi_hook(enum irq_kind kind, unsigned number)
{
    uint64_t now = ticks(), cost;
    unsigned me = (unsigned)this_cpu()->id;

    (void)number;
    if (kind != IRQ_IPI)
        return;
    cost = now - ipi_sent[!me];
    if (ipi_seen[me] < IPI_LOOPS)
        ipi_costs[me * IPI_LOOPS + ipi_seen[me]] = cost;
    ipi_seen[me]++;
}

/* By halving the range in which it lies. */
static uint64_t median(const uint64_t *values, unsigned count)
{
    uint64_t low = 0, high = UINT64_MAX;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        unsigned below = 0;

        for (unsigned i = 0; i < count; i++)
            below += values[i] <= middle;
        if (below > count / 2)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static uint64_t sum(const uint64_t *values, unsigned count)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < count; i++)
        total += values[i];
    return total;
}

static void ping(unsigned me)
{
    ipi_sent[me] = ticks();
    ipi_send(!me);
}

static void ipi_peer(void *unused)
{
    (void)unused;
    ipi_ready = true;
    for (unsigned i = 0; i < IPI_LOOPS; i++) {
        while (ipi_seen[1] <= i)
            irq_wait();
        ping(1);
    }
}

static void ipis(void)
{
    if (cpu_count() < 2) {
        print("# ipi needs two CPUs\n");
        return;
    }
    irq_hook = ipi_hook;
    cpu_start(1, ipi_peer, NULL);
    while (!ipi_ready)
        cpu_relax();
    for (unsigned i = 0; i < IPI_LOOPS; i++) {
        ping(0);
        while (ipi_seen[0] <= i)
            irq_wait();
    }
    report_cost("ipi", median(ipi_costs, 2 * IPI_LOOPS), 1);
    report_cost("ipi_mean", sum(ipi_costs, 2 * IPI_LOOPS), 2 * IPI_LOOPS);
}

static void run_bench(void)
{
    bool all = option("all");

    if (all || option("nothing"))
        measure("nothing", nothing);
    if (all || option("hypercall"))
        measure("hypercall", hypercalls);
    if (all || option("mmio"))
        measure("mmio", mmio_reads);
    if (all || option("shadow"))
        shadow_faults();
    if (all || option("ipi"))
        ipis();
}
PROGRAM(bench);
