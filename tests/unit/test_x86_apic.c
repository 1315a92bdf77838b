/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Interrupts of x86_64 guests against Intel SDM vol. 3, chapter 11, and the I/O APIC's data sheet:
 * what each vCPU has requested and in service after what its guest does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "arch/x86_64/guest/msr.h"
#include "hosted.h"
#include "kernel/timer.h"
#include "x86_guest.h"

#define CPUS 4

#define APIC(reg) (0xfee00000ULL + (reg))
#define ID        0x20
#define VERSION   0x30
#define TPR       0x80
#define PPR       0xa0
#define EOI       0xb0
#define LDR       0xd0
#define DFR       0xe0
#define SVR       0xf0
#define ESR       0x280
#define ICR_LOW   0x300
#define ICR_HIGH  0x310
#define LVT_TIMER 0x320
#define LVT_ERROR 0x370
#define COUNT     0x380
#define CURRENT   0x390
#define DIVIDE    0x3e0

#define IOAPIC_SELECT 0xfec00000ULL
#define IOAPIC_WINDOW 0xfec00010ULL

#define MSR_BASE     0x1b
#define MSR_DEADLINE 0x6e0
#define X2APIC(reg)  (0x800 + (reg) / 16)

static struct vm *vm;

static uint32_t reg(unsigned cpu, unsigned r)
{
    return (uint32_t)x86_guest_read(vm, cpu, APIC(r), 4);
}

static void set(unsigned cpu, unsigned r, uint32_t value)
{
    x86_guest_write(vm, cpu, APIC(r), 4, value);
}

static void start(void)
{
    static bool once;

    if (!once) {
        hosted_start_size(MIB(128));
        clock_init(hosted_counter, NS_PER_SEC);
        if (!cpu_boot()->timers)
            timer_cpu_init(cpu_boot());
    }
    once = true;
    vm = x86_guest_create(CPUS, MIB(16));
    for (unsigned i = 0; i < CPUS; i++)
        set(i, SVR, 0x1ff);
}

static void stop(void)
{
    x86_guest_destroy(vm);
}

static void x2apic_all(void)
{
    for (unsigned i = 0; i < CPUS; i++)
        assert_true(
            lapic_msr_write(x86_guest_lapic(vm, i), MSR_BASE, 0xfee00c00 | (i == 0 ? 0x100 : 0)));
}

static bool x2set(unsigned cpu, unsigned r, uint64_t value)
{
    return lapic_msr_write(x86_guest_lapic(vm, cpu), X2APIC(r), value);
}

static bool requested(unsigned cpu, unsigned vector)
{
    return x86_guest_lapic(vm, cpu)->irr[vector / 32] >> (vector % 32) & 1;
}

/* Which vCPUs have `vector` requested, one bit each; forgets it. */
static unsigned who(unsigned vector)
{
    unsigned set_of = 0;

    for (unsigned i = 0; i < CPUS; i++) {
        set_of |= (unsigned)requested(i, vector) << i;
        x86_guest_lapic(vm, i)->irr[vector / 32] &= ~(1u << (vector % 32));
    }
    return set_of;
}

static void send(unsigned cpu, uint32_t destination, uint32_t low)
{
    set(cpu, ICR_HIGH, destination << 24);
    set(cpu, ICR_LOW, low);
}

/* ---- Interprocessor interrupts ---- */

static void test_ipis_reach_whom_the_icr_names(void **state)
{
    (void)state;
    start();
    send(0, 2, 0x4041);
    assert_int_equal(who(0x41), 1 << 2);
    send(0, 0xff, 0x4042); /* physical broadcast */
    assert_int_equal(who(0x42), 0xf);
    send(1, 0, 0x44043); /* self */
    assert_int_equal(who(0x43), 1 << 1);
    send(1, 0, 0x84044); /* all */
    assert_int_equal(who(0x44), 0xf);
    send(1, 0, 0xc4045); /* all but self */
    assert_int_equal(who(0x45), 0xd);
    send(0, 9, 0x4046); /* nobody */
    assert_int_equal(who(0x46), 0);
    stop();
}

static void test_logical_destinations(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < CPUS; i++)
        set(i, LDR, 1u << (24 + i));
    send(0, 0x6, 0x4841); /* flat */
    assert_int_equal(who(0x41), 0x6);
    for (unsigned i = 0; i < CPUS; i++) {
        set(i, DFR, 0x0fffffff); /* cluster: two vCPUs in each of two */
        set(i, LDR, (i / 2) << 28 | 1u << (24 + i % 2));
    }
    send(0, 0x13, 0x4842);
    assert_int_equal(who(0x42), 0xc);
    send(0, 0x02, 0x4843);
    assert_int_equal(who(0x43), 0x2);
    stop();
}

static void test_x2apic_addresses_clusters_of_sixteen(void **state)
{
    uint64_t value;

    (void)state;
    start();
    x2apic_all();
    for (unsigned i = 0; i < CPUS; i++) {
        assert_true(lapic_msr_read(x86_guest_lapic(vm, i), X2APIC(ID), &value));
        assert_int_equal(value, i);
        assert_true(lapic_msr_read(x86_guest_lapic(vm, i), X2APIC(LDR), &value));
        assert_int_equal(value, 1u << i);
    }
    assert_true(x2set(0, ICR_LOW, 0x9ULL << 32 | 0x4841)); /* logical, cluster 0, bits 0 and 3 */
    assert_int_equal(who(0x41), 0x9);
    assert_true(x2set(0, ICR_LOW, 0x10001ULL << 32 | 0x4842)); /* cluster 1 */
    assert_int_equal(who(0x42), 0);
    assert_true(x2set(0, ICR_LOW, 3ULL << 32 | 0x4043));
    assert_int_equal(who(0x43), 1 << 3);
    assert_true(x2set(0, ICR_LOW, 0xffffffffULL << 32 | 0x4044));
    assert_int_equal(who(0x44), 0xf);
    assert_true(x2set(2, 0x3f0, 0x45)); /* SELF IPI */
    assert_int_equal(who(0x45), 1 << 2);
    stop();
}

/* Table 11-6 and 11.12.1.3: what x2APIC mode does not have faults. */
static void test_x2apic_faults_where_it_has_nothing(void **state)
{
    static const unsigned unreadable[] = {0x0,   0x10,  0x40,  0xb0,  0xc0, 0xe0,
                                          0x290, 0x2f0, 0x310, 0x3a0, 0x3f0};
    static const unsigned unwritable[] = {0x0,   ID,    VERSION, PPR,      LDR,    DFR,
                                          0x100, 0x180, 0x200,   ICR_HIGH, CURRENT};
    uint64_t value;

    (void)state;
    start();
    assert_false(lapic_msr_read(x86_guest_lapic(vm, 0), X2APIC(ID), &value)); /* xAPIC mode */
    x2apic_all();
    for (unsigned i = 0; i < ARRAY_SIZE(unreadable); i++)
        assert_false(lapic_msr_read(x86_guest_lapic(vm, 0), X2APIC(unreadable[i]), &value));
    for (unsigned i = 0; i < ARRAY_SIZE(unwritable); i++)
        assert_false(x2set(0, unwritable[i], 0));
    assert_false(x2set(0, TPR, 0x100));
    assert_false(x2set(0, EOI, 1));
    assert_false(x2set(0, ICR_LOW, 1u << 13));
    assert_false(x2set(0, LVT_TIMER, 1u << 19));
    assert_true(x2set(0, TPR, 0xff));
    assert_int_equal(reg(0, TPR), 0xffffffff); /* the page is gone */
    /* 11.12.5: xAPIC mode is reached through disabled only, x2APIC mode through xAPIC only. */
    assert_false(lapic_msr_write(x86_guest_lapic(vm, 0), MSR_BASE, 0xfee00900));
    assert_true(lapic_msr_write(x86_guest_lapic(vm, 0), MSR_BASE, 0xfee00100));
    assert_false(lapic_msr_write(x86_guest_lapic(vm, 0), MSR_BASE, 0xfee00d00));
    assert_true(lapic_msr_write(x86_guest_lapic(vm, 0), MSR_BASE, 0xfee00900));
    assert_int_equal(reg(0, SVR), 0xff);
    stop();
}

static void test_lowest_priority_takes_the_least_busy(void **state)
{
    (void)state;
    start();
    set(0, TPR, 0x30);
    set(1, TPR, 0x20);
    set(2, TPR, 0x10);
    set(3, TPR, 0x20);
    send(0, 0xff, 0x4151);
    assert_int_equal(who(0x51), 1 << 2);
    set(2, TPR, 0x40);
    for (unsigned i = 0; i < 4; i++) { /* in turn where two are equal */
        send(0, 0xff, 0x4152);
        assert_int_equal(who(0x52), i % 2 ? 1 << 1 : 1 << 3);
    }
    stop();
}

static void test_nmi_init_and_startup(void **state)
{
    struct x86_state *s;

    (void)state;
    start();
    send(0, 2, 0x4400);
    assert_int_equal(x86_guest_lapic(vm, 2)->nmi_pending, 1);
    assert_int_equal(x86_guest_lapic(vm, 1)->nmi_pending, 0);
    s = x86_state(vm->vcpus[1]);
    s->cr0 = 0x80000011;
    s->star = 0x1234;
    vm->vcpus[1]->running = true;
    set(1, TPR, 0x55);
    send(0, 1, 0xc500); /* INIT, level, assert */
    send(0, 1, 0x8500); /* and its de-assert, which means nothing */
    vm->isa->startup(vm->vcpus[1]);
    assert_false(vm->vcpus[1]->running);
    assert_int_equal(s->rip, 0xfff0);
    assert_int_equal(s->cr0, 0x10);
    assert_int_equal(s->star, 0x1234);
    assert_int_equal(reg(1, TPR), 0);
    assert_int_equal(reg(1, SVR), 0xff);
    send(0, 1, 0x469a);
    vm->isa->startup(vm->vcpus[1]);
    assert_true(vm->vcpus[1]->running);
    assert_int_equal(s->segments[X86_CS].selector, 0x9a00);
    assert_int_equal(s->segments[X86_CS].base, 0x9a000);
    assert_int_equal(s->rip, 0);
    send(0, 1, 0x4611); /* a second one finds it running */
    vm->isa->startup(vm->vcpus[1]);
    assert_int_equal(s->segments[X86_CS].selector, 0x9a00);
    stop();
}

/* ---- Priorities ---- */

static void test_processor_priority(void **state)
{
    /* TPR, vector in service, PPR (11.8.3.1) */
    static const uint8_t cases[][3] = {
        {0x00, 0x00, 0x00}, {0x35, 0x00, 0x35}, {0x35, 0x61, 0x60},
        {0x7a, 0x61, 0x7a}, {0x0f, 0x31, 0x30}, {0xff, 0xf1, 0xff},
    };

    (void)state;
    start();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct lapic *l = x86_guest_lapic(vm, 0);

        l->isr[cases[i][1] / 32] = cases[i][1] ? 1u << (cases[i][1] % 32) : 0;
        set(0, TPR, cases[i][0]);
        assert_int_equal(reg(0, PPR), cases[i][2]);
        l->isr[cases[i][1] / 32] = 0;
    }
    stop();
}

static void test_the_highest_is_delivered_and_ended(void **state)
{
    struct lapic *l;

    (void)state;
    start();
    l = x86_guest_lapic(vm, 0);
    send(0, 0, 0x4051);
    send(0, 0, 0x4062);
    assert_int_equal(lapic_highest(l), 0x62);
    lapic_accept(l, 0x62);
    assert_int_equal(lapic_highest(l), -1); /* 51h is of a lower class */
    send(0, 0, 0x406f);
    assert_int_equal(lapic_highest(l), -1); /* of the same class */
    send(0, 0, 0x4071);
    assert_int_equal(lapic_highest(l), 0x71);
    lapic_accept(l, 0x71);
    set(0, EOI, 0);
    assert_int_equal(lapic_highest(l), -1);
    set(0, EOI, 0);
    assert_int_equal(lapic_highest(l), 0x6f);
    set(0, TPR, 0x60);
    assert_int_equal(lapic_highest(l), -1);
    set(0, TPR, 0x5f);
    assert_int_equal(lapic_highest(l), 0x6f);
    set(0, SVR, 0xff); /* switched off by software: requests stay */
    assert_int_equal(lapic_highest(l), -1);
    set(0, SVR, 0x1ff);
    assert_int_equal(lapic_highest(l), 0x6f);
    stop();
}

static void test_illegal_vectors_are_errors(void **state)
{
    (void)state;
    start();
    set(0, LVT_ERROR, 0xfe);
    send(0, 1, 0x4005);
    assert_int_equal(who(5), 0);
    assert_int_equal(who(0xfe), 1);
    assert_int_equal(reg(0, ESR), 0); /* shown after a write */
    set(0, ESR, 0);
    assert_int_equal(reg(0, ESR), 0x20);
    set(0, ESR, 0);
    assert_int_equal(reg(0, ESR), 0);
    vm->irqchip->msi(vm, 0xfee00000, 0x0f);
    set(0, ESR, 0);
    assert_int_equal(reg(0, ESR), 0x40);
    stop();
}

/* ---- Timer ---- */

static void test_timer_one_shot_and_periodic(void **state)
{
    (void)state;
    start();
    set(0, DIVIDE, 3); /* by 16: a tick is 16 ns */
    set(0, LVT_TIMER, 0x40);
    set(0, COUNT, 62500); /* 1 ms */
    x86_guest_wait(500000);
    assert_in_range(reg(0, CURRENT), 31249 - 100, 31250);
    assert_int_equal(who(0x40), 0);
    x86_guest_wait(500000);
    assert_int_equal(who(0x40), 1);
    assert_int_equal(reg(0, CURRENT), 0);
    x86_guest_wait(NS_PER_SEC);
    assert_int_equal(who(0x40), 0);
    set(0, LVT_TIMER, 0x20041);
    set(0, COUNT, 62500);
    for (unsigned i = 0; i < 5; i++) {
        x86_guest_wait(NS_PER_MS);
        assert_int_equal(who(0x41), 1);
    }
    set(0, LVT_TIMER, 0x30041); /* masked: it counts on */
    x86_guest_wait(NS_PER_MS);
    assert_int_equal(who(0x41), 0);
    assert_int_not_equal(reg(0, CURRENT), 0);
    set(0, LVT_TIMER, 0x20041);
    set(0, DIVIDE, 0xb); /* by 1: a period of 62.5 us from now on */
    x86_guest_wait(NS_PER_MS);
    assert_int_equal(who(0x41), 1);
    set(0, COUNT, 0);
    x86_guest_wait(NS_PER_MS);
    assert_int_equal(who(0x41), 0);
    stop();
}

static void test_timer_tsc_deadline(void **state)
{
    struct lapic *l;
    uint64_t value;

    (void)state;
    start();
    l = x86_guest_lapic(vm, 0);
    assert_true(lapic_msr_write(l, MSR_DEADLINE, 1)); /* in another mode: ignored */
    assert_true(lapic_msr_read(l, MSR_DEADLINE, &value));
    assert_int_equal(value, 0);
    set(0, LVT_TIMER, 0x40042);
    set(0, COUNT, 1000); /* ignored in this mode */
    assert_int_equal(reg(0, COUNT), 0);
    value = guest_clock_counter(&vm->clock) + NS_PER_MS;
    assert_true(lapic_msr_write(l, MSR_DEADLINE, value));
    x86_guest_wait(NS_PER_MS / 2);
    assert_int_equal(who(0x42), 0);
    x86_guest_wait(NS_PER_MS);
    assert_int_equal(who(0x42), 1);
    assert_true(lapic_msr_read(l, MSR_DEADLINE, &value));
    assert_int_equal(value, 0);
    assert_true(lapic_msr_write(l, MSR_DEADLINE, guest_clock_counter(&vm->clock) + NS_PER_MS));
    set(0, LVT_TIMER, 0x43); /* leaving the mode disarms */
    x86_guest_wait(2 * NS_PER_MS);
    assert_int_equal(who(0x42) | who(0x43), 0);
    stop();
}

/* A period of one tick must not keep the host busy with interrupts. */
static void test_timer_of_no_length_is_bearable(void **state)
{
    struct lapic *l;

    (void)state;
    start();
    l = x86_guest_lapic(vm, 0);
    set(0, DIVIDE, 0xb);
    set(0, LVT_TIMER, 0x20044);
    set(0, COUNT, 1);
    x86_guest_wait(10);
    assert_true(l->timer.deadline - guest_clock_ns(&vm->clock) >= 40 * NS_PER_US);
    stop();
}

/* ---- I/O APIC and messages ---- */

static void ioapic_set(unsigned index, uint32_t value)
{
    x86_guest_write(vm, 0, IOAPIC_SELECT, 4, index);
    x86_guest_write(vm, 0, IOAPIC_WINDOW, 4, value);
}

static uint32_t ioapic_get(unsigned index)
{
    x86_guest_write(vm, 0, IOAPIC_SELECT, 4, index);
    return (uint32_t)x86_guest_read(vm, 0, IOAPIC_WINDOW, 4);
}

static void test_ioapic_edge(void **state)
{
    struct guest_irq irq;

    (void)state;
    start();
    guest_irq_init(&irq, vm, 5);
    assert_int_equal(ioapic_get(1), 0x170020);
    assert_int_equal(ioapic_get(0x10 + 2 * 5), 0x10000); /* masked at reset */
    guest_irq_pulse(&irq);
    ioapic_set(0x11 + 2 * 5, 3u << 24);
    ioapic_set(0x10 + 2 * 5, 0x35);
    assert_int_equal(who(0x35), 0); /* an edge while masked is lost */
    guest_irq_set(&irq, true);
    assert_int_equal(who(0x35), 1 << 3);
    guest_irq_set(&irq, true);
    guest_irq_set(&irq, false);
    assert_int_equal(who(0x35), 0);
    stop();
}

static void test_ioapic_level_is_sampled_again_at_eoi(void **state)
{
    struct guest_irq first, second;
    struct lapic *l;

    (void)state;
    start();
    l = x86_guest_lapic(vm, 0);
    guest_irq_init(&first, vm, 18);
    guest_irq_init(&second, vm, 18);
    ioapic_set(0x10 + 2 * 18, 0xa036); /* level, active low */
    guest_irq_set(&first, true);
    assert_int_equal(lapic_highest(l), 0x36);
    lapic_accept(l, 0x36);
    assert_int_equal(ioapic_get(0x10 + 2 * 18), 0xe036);       /* remote IRR */
    assert_int_equal(reg(0, 0x180 + 0x10), 1u << (0x36 - 32)); /* TMR */
    guest_irq_set(&second, true);
    guest_irq_set(&first, false);
    assert_int_equal(requested(0, 0x36), 0); /* not before the end of the first */
    set(0, EOI, 0);
    assert_int_equal(lapic_highest(l), 0x36); /* the second source is still there */
    lapic_accept(l, 0x36);
    guest_irq_set(&second, false);
    set(0, EOI, 0);
    assert_int_equal(lapic_highest(l), -1);
    assert_int_equal(ioapic_get(0x10 + 2 * 18), 0xa036);
    ioapic_set(0x10 + 2 * 18, 0x1a036); /* masked */
    guest_irq_set(&first, true);
    assert_int_equal(lapic_highest(l), -1);
    ioapic_set(0x10 + 2 * 18, 0xa036); /* a level waits for the unmasking */
    assert_int_equal(lapic_highest(l), 0x36);
    guest_irq_set(&first, false);
    stop();
}

static void test_messages(void **state)
{
    (void)state;
    start();
    vm->irqchip->msi(vm, 0xfee02000, 0x61);
    assert_int_equal(who(0x61), 1 << 2);
    vm->irqchip->msi(vm, 0xfeeff000, 0x62);
    assert_int_equal(who(0x62), 0xf);
    for (unsigned i = 0; i < CPUS; i++)
        set(i, LDR, 1u << (24 + i));
    vm->irqchip->msi(vm, 0xfee05004, 0x63); /* logical */
    assert_int_equal(who(0x63), 0x5);
    set(0, TPR, 0x20);
    vm->irqchip->msi(vm, 0xfee0500c, 0x64); /* logical with a hint: one of them */
    assert_int_equal(who(0x64), 0x4);
    vm->irqchip->msi(vm, 0xfee01000, 0x8065); /* level, de-assert */
    assert_int_equal(who(0x65), 0);
    vm->irqchip->msi(vm, 0xfed01000, 0x66); /* not an interrupt message */
    assert_int_equal(who(0x66), 0);
    vm->irqchip->msi(vm, 0xfee01000, 0x400); /* NMI */
    assert_int_equal(x86_guest_lapic(vm, 1)->nmi_pending, 1);
    stop();
}

/* HLT with interrupts off ends by NMI only. */
static void test_a_halted_vcpu_wakes_for_what_it_can_take(void **state)
{
    struct vcpu *v;

    (void)state;
    start();
    v = vm->vcpus[0];
    x86_state(v)->rflags = 0x2;
    send(1, 0, 0x4041);
    assert_false(vm->isa->has_work(v));
    x86_state(v)->rflags = 0x202;
    assert_true(vm->isa->has_work(v));
    x86_state(v)->rflags = 0x2;
    send(1, 0, 0x4400);
    assert_true(vm->isa->has_work(v));
    stop();
}

/* ---- End of interrupt through memory (Linux: Documentation/virt/kvm/x86/msr.rst) ---- */

#define MSR_EOI 0x4b564d04
#define PLACE   0x5000

static uint32_t bits(void)
{
    uint32_t value;

    assert_int_equal(guest_copy_from(vm->memory, GPA(PLACE), &value, sizeof(value)), ERR_OK);
    return value;
}

static void set_bits(uint32_t value)
{
    assert_int_equal(guest_copy_to(vm->memory, GPA(PLACE), &value, sizeof(value)), ERR_OK);
}

static bool in_service(unsigned vector)
{
    return reg(0, 0x100 + vector / 32 * 16) >> (vector % 32) & 1;
}

static void take(unsigned vector)
{
    struct lapic *l = x86_guest_lapic(vm, 0);

    send(1, 0, 0x4000 | vector);
    assert_int_equal(lapic_highest(l), vector);
    lapic_accept(l, (uint8_t)vector);
}

static void test_interrupts_end_through_memory(void **state)
{
    (void)state;
    start();
    take(0x40);
    assert_int_equal(bits(), 0); /* not asked for */
    set(0, EOI, 0);
    assert_true(x86_msr_write(vm->vcpus[0], MSR_EOI, PLACE | 1));
    assert_false(x86_msr_write(vm->vcpus[0], MSR_EOI, PLACE | 2));
    set_bits(0);

    take(0x40);
    assert_int_equal(bits(), 1);
    set_bits(0); /* the guest's end */
    assert_false(in_service(0x40));

    /* Another one of no higher priority: its place is asked for, and the end comes by the APIC. */
    take(0x40);
    send(1, 0, 0x4041);
    assert_int_equal(lapic_highest(x86_guest_lapic(vm, 0)), -1);
    assert_int_equal(bits(), 0);
    assert_true(in_service(0x40));
    set(0, EOI, 0);
    assert_false(in_service(0x40));
    assert_int_equal(lapic_highest(x86_guest_lapic(vm, 0)), 0x41);

    /* Ended in memory before the next one wants in. */
    lapic_accept(x86_guest_lapic(vm, 0), 0x41);
    assert_int_equal(bits(), 1);
    set_bits(0);
    take(0x42);
    assert_false(in_service(0x41));
    assert_true(in_service(0x42));
    set(0, EOI, 0);

    /* While others wait the end must be told. */
    send(1, 0, 0x4050);
    take(0x60);
    assert_int_equal(bits(), 0);
    stop();
}

static void test_a_place_outside_of_memory_is_no_place(void **state)
{
    (void)state;
    start();
    assert_true(x86_msr_write(vm->vcpus[0], MSR_EOI, 0xffff000000001ULL));
    take(0x40);
    assert_true(in_service(0x40));
    set(0, EOI, 0);
    assert_false(in_service(0x40));
    stop();
}

/* What a CPU with virtual interrupt delivery is lent is nowhere else meanwhile. */
static void test_interrupts_lent_to_the_cpu(void **state)
{
    struct x86_interrupts i;
    struct vcpu *v;

    (void)state;
    start();
    v = vm->vcpus[0];
    x2apic_all();
    send(1, 0, 0); /* nothing: the page is not there in x2APIC mode */
    assert_true(x2set(1, ICR_LOW, 0x4041));
    assert_true(x2set(1, ICR_LOW, 0x40b2));
    assert_true(x2set(0, TPR, 0x35));
    x86_interrupts_lend(v, &i);
    assert_true(i.x2apic);
    assert_int_equal(i.tpr, 0x35);
    assert_int_equal(i.requested[2], 1u << 1);
    assert_int_equal(i.requested[5], 1u << 18);
    assert_int_equal(i.level[2], 0);
    assert_false(requested(0, 0x41));

    /* B2h was delivered, and another 41h came from elsewhere. */
    assert_true(x2set(1, ICR_LOW, 0x4051));
    i.requested[5] = 0;
    i.in_service[5] = 1u << 18;
    i.tpr = 0x40;
    v->irq_news = false;
    x86_interrupts_return(v, &i, 1);
    assert_true(requested(0, 0x41));
    assert_true(requested(0, 0x51));
    assert_false(requested(0, 0xb2));
    assert_true(in_service(0xb2));
    assert_int_equal(x86_state(v)->tpr, 4);
    assert_true(v->irq_news);

    /* A local APIC that is switched off delivers nothing, and keeps what it has. */
    x86_guest_lapic(vm, 0)->svr = 0xff;
    x86_interrupts_lend(v, &i);
    assert_int_equal(i.requested[2], 0);
    assert_true(requested(0, 0x41));
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipis_reach_whom_the_icr_names),
        cmocka_unit_test(test_logical_destinations),
        cmocka_unit_test(test_x2apic_addresses_clusters_of_sixteen),
        cmocka_unit_test(test_x2apic_faults_where_it_has_nothing),
        cmocka_unit_test(test_lowest_priority_takes_the_least_busy),
        cmocka_unit_test(test_nmi_init_and_startup),
        cmocka_unit_test(test_processor_priority),
        cmocka_unit_test(test_the_highest_is_delivered_and_ended),
        cmocka_unit_test(test_illegal_vectors_are_errors),
        cmocka_unit_test(test_timer_one_shot_and_periodic),
        cmocka_unit_test(test_timer_tsc_deadline),
        cmocka_unit_test(test_timer_of_no_length_is_bearable),
        cmocka_unit_test(test_ioapic_edge),
        cmocka_unit_test(test_ioapic_level_is_sampled_again_at_eoi),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_a_halted_vcpu_wakes_for_what_it_can_take),
        cmocka_unit_test(test_interrupts_end_through_memory),
        cmocka_unit_test(test_a_place_outside_of_memory_is_no_place),
        cmocka_unit_test(test_interrupts_lent_to_the_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
