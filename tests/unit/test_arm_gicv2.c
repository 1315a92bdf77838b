/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The aarch64 guest's GICv2 distributor against IHI 0048B: what each vCPU is given to acknowledge,
 * and from whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "arm_guest.h"
#include "hosted.h"
#include "kernel/timer.h"

#define GICD      0x08000000ULL
#define TYPER     0x004
#define ISENABLER 0x100
#define ISPENDR   0x200
#define ICFGR     0xc00
#define ITARGETSR 0x800
#define SGIR      0xf00
#define CPENDSGIR 0xf10
#define SPENDSGIR 0xf20
#define SPURIOUS  1023
#define FROM(n)   ((n) << 10) /* GICC_IAR.CPUID */
#define VCPUS     3

static struct vm *vm;

static void start(void)
{
    static bool once;

    if (!once) {
        hosted_start_size(MIB(64));
        clock_init(hosted_counter, NS_PER_SEC);
        if (!cpu_boot()->timers)
            timer_cpu_init(cpu_boot());
    }
    once = true;
    vm = arm_guest_create(VCPUS, true);
    arm_guest_write(vm, 0, GICD, 4, 1); /* group 0, where all are after a reset */
    for (unsigned i = 1; i < 8; i++)
        arm_guest_write(vm, 0, GICD + ISENABLER + 4 * i, 4, UINT32_MAX);
    for (unsigned i = 0; i < VCPUS; i++) /* the private ones of each */
        arm_guest_write(vm, i, GICD + ISENABLER, 4, UINT32_MAX);
}

/* What GICC_IAR would read as on `cpu`. */
static unsigned next(unsigned cpu)
{
    const struct arm_gic *g = &arm_state(vm->vcpus[cpu])->gic;
    unsigned irq;

    arm_guest_enter(vm, cpu);
    irq = arm_guest_acknowledge(vm, cpu);
    for (unsigned i = 0; i < g->lr_used; i++)
        if ((g->lr[i] & 0x3ff) == irq)
            return g->lr[i] & 0x1fff;
    return irq;
}

static void test_sgi_says_who_sent_it_and_comes_once_from_each(void **state)
{
    (void)state;
    start();
    arm_guest_write(vm, 0, GICD + SGIR, 4, 1 << (16 + 1) | 5);
    arm_guest_write(vm, 2, GICD + SGIR, 4, 1 << (16 + 1) | 5);
    assert_int_equal(arm_guest_read(vm, 1, GICD + SPENDSGIR + 4, 4), 5 << 8);
    assert_true(vgic_has_work(vm->vcpus[1]));
    assert_int_equal(next(1), 5 | FROM(0));
    assert_int_equal(next(1), SPURIOUS); /* one at a time */
    arm_guest_end(vm, 1, 5);
    assert_int_equal(next(1), 5 | FROM(2));
    arm_guest_end(vm, 1, 5);
    assert_int_equal(next(1), SPURIOUS);
    assert_int_equal(next(0), SPURIOUS);
    arm_guest_destroy(vm);
}

static void test_active_sgi_keeps_its_sender_while_others_send(void **state)
{
    (void)state;
    start();
    arm_guest_write(vm, 2, GICD + SGIR, 4, 1 << 16 | 3);
    assert_int_equal(next(0), 3 | FROM(2));
    arm_guest_write(vm, 1, GICD + SGIR, 4, 1 << 16 | 3);
    arm_guest_enter(vm, 0);
    assert_int_equal(arm_state(vm->vcpus[0])->gic.lr[0] & 0x1fff, 3 | FROM(2));
    arm_guest_end(vm, 0, 3);
    assert_int_equal(next(0), 3 | FROM(1));
    arm_guest_destroy(vm);
}

static void test_sgi_filters(void **state)
{
    (void)state;
    start();
    arm_guest_write(vm, 1, GICD + SGIR, 4, 1 << 24 | 7);    /* all others */
    arm_guest_write(vm, 2, GICD + SGIR, 4, 2 << 24 | 8);    /* itself */
    arm_guest_write(vm, 2, GICD + SGIR, 4, 0xf8 << 16 | 9); /* vCPUs that are not there */
    assert_int_equal(next(0), 7 | FROM(1));
    assert_int_equal(next(1), SPURIOUS);
    assert_int_equal(next(2), 7 | FROM(1));
    assert_int_equal(next(2), 8 | FROM(2));
    assert_int_equal(next(2), SPURIOUS);
    arm_guest_destroy(vm);
}

static void test_pending_sgis_are_set_and_cleared_by_sender(void **state)
{
    (void)state;
    start();
    arm_guest_write(vm, 0, GICD + SPENDSGIR + 2, 1, 7);
    arm_guest_write(vm, 0, GICD + CPENDSGIR + 2, 1, 5);
    arm_guest_write(vm, 0, GICD + ISPENDR, 4, 1 << 4); /* read-only for these */
    assert_int_equal(arm_guest_read(vm, 0, GICD + CPENDSGIR, 4), 2 << 16);
    assert_int_equal(next(0), 2 | FROM(1));
    assert_int_equal(next(0), SPURIOUS);
    arm_guest_destroy(vm);
}

static void test_targets_say_where_a_pin_goes(void **state)
{
    struct guest_irq line;

    (void)state;
    start();
    assert_int_equal(arm_guest_read(vm, 0, GICD + TYPER, 4), (VCPUS - 1) << 5 | 7);
    for (unsigned i = 0; i < VCPUS; i++) /* the private ones tell each vCPU which bit it is */
        assert_int_equal(arm_guest_read(vm, i, GICD + ITARGETSR, 4), 0x01010101 << i);
    guest_irq_init(&line, vm, 8);
    guest_irq_set(&line, true);
    for (unsigned i = 0; i < VCPUS; i++) /* nobody's yet */
        assert_int_equal(next(i), SPURIOUS);
    arm_guest_write(vm, 0, GICD + ITARGETSR + 40, 1, 0xfe); /* what is not there stays 0 */
    assert_int_equal(arm_guest_read(vm, 2, GICD + ITARGETSR + 40, 4), 6);
    assert_int_equal(next(0), SPURIOUS);
    assert_int_equal(next(1), 40);
    guest_irq_set(&line, false);
    arm_guest_end(vm, 1, 40);
    arm_guest_write(vm, 0, GICD + ITARGETSR + 40, 1, 4);
    guest_irq_set(&line, true);
    assert_int_equal(next(1), SPURIOUS);
    assert_int_equal(next(2), 40);
    arm_guest_destroy(vm);
}

static void test_private_interrupts_belong_to_the_vcpu_that_asks(void **state)
{
    (void)state;
    start();
    arm_guest_write(vm, 1, GICD + ICFGR + 4, 4, 2 << 2 * (20 - 16));
    arm_guest_write(vm, 1, GICD + ISPENDR, 4, 1 << 20);
    assert_int_equal(arm_guest_read(vm, 0, GICD + ISPENDR, 4), 0);
    assert_int_equal(next(0), SPURIOUS);
    assert_int_equal(next(1), 20);
    arm_guest_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgi_says_who_sent_it_and_comes_once_from_each),
        cmocka_unit_test(test_active_sgi_keeps_its_sender_while_others_send),
        cmocka_unit_test(test_sgi_filters),
        cmocka_unit_test(test_pending_sgis_are_set_and_cleared_by_sender),
        cmocka_unit_test(test_targets_say_where_a_pin_goes),
        cmocka_unit_test(test_private_interrupts_belong_to_the_vcpu_that_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
