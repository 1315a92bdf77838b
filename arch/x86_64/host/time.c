/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * How fast the TSC and the local APIC's timer count: what CPUID or a hypervisor below says, else
 * measured for a moment against the HPET, the ACPI PM timer or the PIT.
 */
#include "arch/x86_64/host/time.h"
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "drivers/acpi.h"
#include "kernel/log.h"
#include "mm/kernel_map.h"

#define MEASURE_US      2000
#define SAMPLE_TRIES    5
#define CHECK_PER_MILLE 20 /* CPUID and measurement may differ by this */

#define HPET_CAPABILITIES 0x000 /* bits 63..32: period in femtoseconds (HPET 1.0a, 2.3.4) */
#define HPET_CONFIG       0x010
#define HPET_CONFIG_RUN   BIT(0)
#define HPET_COUNTER      0x0f0
#define HPET_SIZE         0x400
#define HPET_PERIOD_MAX   0x05f5e100 /* 2.3.4: the slowest that is allowed */
#define FS_PER_SEC        1000000000000000ULL

#define PM_TIMER_HZ   3579545 /* ACPI 6.5, 4.8.2.1 */
#define PM_TIMER_MASK 0xffffff

#define PIT_HZ            1193182
#define PIT_CHANNEL2      0x42
#define PIT_COMMAND       0x43
#define PIT_MODE0_CH2     0xb0 /* channel 2, low then high byte, mode 0 */
#define PIT_LATCH_CH2     0x80
#define PORT_CONTROL_B    0x61
#define CONTROL_B_GATE2   0x01
#define CONTROL_B_SPEAKER 0x02

#define CPUID_CRYSTAL    0x15
#define CPUID_FREQUENCY  0x16
#define CPUID_HYPERVISOR 0x40000000u
#define CPUID_HV_TIMING  0x40000010u

/* A counter of known frequency. */
struct reference {
    const char *name;
    uint64_t (*read)(void);
    uint64_t hz;
    uint64_t mask;
};

struct sample {
    uint64_t tsc, reference;
    uint32_t apic;
};

static uint64_t tsc_hz;
static char clock_text[80];
static uint8_t *hpet;
static uint16_t pm_port;

static uint64_t hpet_read(void)
{
    return mmio_read32(hpet + HPET_COUNTER);
}

static uint64_t pm_read(void)
{
    return host_port_read32(pm_port) & PM_TIMER_MASK;
}

/* Channel 2 counts down from 0xffff. */
static uint64_t pit_read(void)
{
    uint8_t low;

    host_port_write8(PIT_COMMAND, PIT_LATCH_CH2);
    low = host_port_read8(PIT_CHANNEL2);
    return 0xffffu - (low | (unsigned)host_port_read8(PIT_CHANNEL2) << 8);
}

static bool hpet_find(struct reference *r)
{
    const struct acpi_hpet *t = ACPI_FIND(struct acpi_hpet, "HPET");
    uint64_t period;

    if (!t || t->address.space != ACPI_SPACE_MEMORY)
        return false;
    hpet = kernel_map_device(HPA(t->address.address), HPET_SIZE, PT_READ | PT_WRITE | PT_DEVICE);
    if (!hpet)
        return false;
    period = mmio_read64(hpet + HPET_CAPABILITIES) >> 32;
    if (!period || period > HPET_PERIOD_MAX)
        return false;
    mmio_write64(hpet + HPET_CONFIG, mmio_read64(hpet + HPET_CONFIG) | HPET_CONFIG_RUN);
    *r = (struct reference){"HPET", hpet_read, FS_PER_SEC / period, UINT32_MAX};
    return true;
}

static bool pm_find(struct reference *r)
{
    const struct acpi_fadt *fadt = (const struct acpi_fadt *)acpi_find("FACP", 0);

    if (!fadt || !ACPI_HAS(fadt, fadt->header.length, flags) ||
        (fadt->flags & ACPI_FADT_HW_REDUCED) || !fadt->pm_timer || fadt->pm_timer > UINT16_MAX)
        return false;
    pm_port = (uint16_t)fadt->pm_timer;
    *r = (struct reference){"ACPI PM timer", pm_read, PM_TIMER_HZ, PM_TIMER_MASK};
    return true;
}

static bool pit_find(struct reference *r)
{
    uint64_t first;
    uint8_t control = host_port_read8(PORT_CONTROL_B);

    host_port_write8(PORT_CONTROL_B, (uint8_t)((control & ~CONTROL_B_SPEAKER) | CONTROL_B_GATE2));
    host_port_write8(PIT_COMMAND, PIT_MODE0_CH2);
    host_port_write8(PIT_CHANNEL2, 0xff);
    host_port_write8(PIT_CHANNEL2, 0xff);
    first = pit_read();
    for (unsigned i = 0; i < 1000; i++) {
        if (pit_read() != first) {
            *r = (struct reference){"PIT", pit_read, PIT_HZ, 0xffff};
            return true;
        }
    }
    return false;
}

/* The three counters at one moment: the closest of a few tries, against interruptions from below
 * (SMM, a hypervisor). */
static struct sample sample_take(const struct reference *r)
{
    struct sample best = {0};
    uint64_t best_gap = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = host_counter();
        uint64_t reference = r->read();
        uint64_t after = host_counter();
        uint32_t apic = apic_timer_counted();

        if (after - before < best_gap) {
            best_gap = after - before;
            best = (struct sample){before + (after - before) / 2, reference, apic};
        }
    }
    return best;
}

static void measure(const struct reference *r, uint64_t *tsc, uint64_t *apic)
{
    uint64_t wanted = r->hz * MEASURE_US / 1000000, elapsed;
    struct sample start, end;

    apic_timer_count_start();
    start = sample_take(r);
    while (((r->read() - start.reference) & r->mask) < wanted)
        ;
    end = sample_take(r);
    elapsed = (end.reference - start.reference) & r->mask;
    if (!elapsed)
        return; /* the reference stands still: not measured */
    *tsc = (uint64_t)((unsigned __int128)(end.tsc - start.tsc) * r->hz / elapsed);
    *apic = (uint64_t)((unsigned __int128)(end.apic - start.apic) * r->hz / elapsed);
}

/* What the CPU or a hypervisor says; 0 when neither does. */
static uint64_t tsc_hz_told(const char **who)
{
    const struct cpu_features *f = cpu_features();
    struct cpuid c;

    if (f->hypervisor[0] && cpuid_read(CPUID_HYPERVISOR, 0).eax >= CPUID_HV_TIMING) {
        *who = "the hypervisor below";
        return cpuid_read(CPUID_HV_TIMING, 0).eax * 1000ULL;
    }
    if (!f->intel || f->leaf_max < CPUID_CRYSTAL)
        return 0;
    c = cpuid_read(CPUID_CRYSTAL, 0);
    if (!c.eax || !c.ebx)
        return 0;
    *who = "CPUID 15h";
    if (c.ecx)
        return (uint64_t)c.ecx * c.ebx / c.eax;
    if (f->leaf_max < CPUID_FREQUENCY)
        return 0;
    *who = "CPUID 16h";
    return (cpuid_read(CPUID_FREQUENCY, 0).eax & 0xffff) * 1000000ULL;
}

static bool differs(uint64_t a, uint64_t b)
{
    return MAX(a, b) - MIN(a, b) > b / 1000 * CHECK_PER_MILLE;
}

static void describe(const char *who, const char *how)
{
    struct out_buffer b;
    const struct cpu_features *f = cpu_features();

    out_buffer_init(&b, clock_text, sizeof(clock_text));
    out_printf(&b.out, "%s, TSC %llu.%02llu GHz%s %s %s",
               f->tsc_deadline ? "TSC deadline" : "local APIC timer",
               (unsigned long long)(tsc_hz / 1000000000),
               (unsigned long long)(tsc_hz / 10000000 % 100),
               f->tsc_invariant ? "" : " (not invariant)", how, who);
}

enum err time_init(void)
{
    const char *who = "";
    uint64_t told = tsc_hz_told(&who), measured = 0, apic = 0;
    struct reference r = {0};

    if (hpet_find(&r) || pm_find(&r) || pit_find(&r))
        measure(&r, &measured, &apic);
    if (told && (!measured || !differs(told, measured))) {
        tsc_hz = told;
        describe(who, "by");
    } else if (measured) {
        if (told)
            log_warn("%s says that the TSC has %llu Hz, the %s says %llu: the latter is used", who,
                     (unsigned long long)told, r.name, (unsigned long long)measured);
        tsc_hz = measured;
        describe(r.name, "measured by the");
    } else {
        log_error(
            "nothing tells how fast the TSC counts: no CPUID leaf, HPET, ACPI PM timer or PIT");
        return ERR_UNSUPPORTED;
    }
    if (!cpu_features()->tsc_deadline && !apic) {
        log_error("the local APIC's timer does not count");
        return ERR_UNSUPPORTED;
    }
    apic_timer_set_hz(cpu_features()->tsc_deadline ? 0 : apic);
    return ERR_OK;
}

uint64_t host_counter_hz(void)
{
    return tsc_hz;
}

const char *host_clock_name(void)
{
    return clock_text;
}
