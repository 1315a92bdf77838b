/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The aarch64 guest's GICv3 and GICv2m against IHI 0069: what each vCPU is given to acknowledge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "arm_guest.h"
#include "hosted.h"
#include "kernel/timer.h"

#define GICD        0x08000000ULL
#define GICR_SGI(n) (0x080b0000ULL + 0x20000ULL * (n))
#define V2M         0x08020000ULL
#define GROUPR      0x080
#define ISENABLER   0x100
#define ICENABLER   0x180
#define ISPENDR     0x200
#define IPRIORITYR  0x400
#define ICFGR       0xc00
#define IROUTER     0x6000
#define SPURIOUS    1023
#define SGI1R       0x3a3016 /* ICC_SGI1R_EL1 as a trap names it: 3, 0, 12, 11, 5 */

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
    vm = arm_guest_create(2, false);
    arm_guest_write(vm, 0, GICD, 4, 0x12); /* group 1, affinity routing */
    for (unsigned i = 1; i < 8; i++) {
        arm_guest_write(vm, 0, GICD + GROUPR + 4 * i, 4, UINT32_MAX);
        arm_guest_write(vm, 0, GICD + ISENABLER + 4 * i, 4, UINT32_MAX);
    }
    for (unsigned i = 0; i < 2; i++) {
        arm_guest_write(vm, i, GICR_SGI(i) + GROUPR, 4, UINT32_MAX);
        arm_guest_write(vm, i, GICR_SGI(i) + ISENABLER, 4, UINT32_MAX);
    }
}

static unsigned next(unsigned cpu)
{
    arm_guest_enter(vm, cpu);
    return arm_guest_acknowledge(vm, cpu);
}

static void sgi(unsigned from, uint64_t value)
{
    arm_guest_register(vm, from, SGI1R, true, value);
}

static void test_sgi_reaches_its_target_once(void **state)
{
    (void)state;
    start();
    sgi(0, 5ULL << 24 | 1 << 1);
    assert_int_equal(next(0), SPURIOUS);
    assert_true(vgic_has_work(vm->vcpus[1]));
    assert_int_equal(next(1), 5);
    assert_int_equal(next(1), SPURIOUS);
    sgi(0, 5ULL << 24 | 1 << 1); /* pending while active */
    arm_guest_end(vm, 1, 5);
    assert_int_equal(next(1), 5);
    arm_guest_end(vm, 1, 5);
    sgi(1, 3ULL << 24 | 1ULL << 40); /* all but itself */
    assert_int_equal(next(1), SPURIOUS);
    assert_int_equal(next(0), 3);
    arm_guest_destroy(vm);
}

static void test_level_comes_again_until_it_falls(void **state)
{
    struct guest_irq line;

    (void)state;
    start();
    guest_irq_init(&line, vm, 1);
    guest_irq_set(&line, true);
    assert_int_equal(next(0), 33);
    assert_int_equal(next(0), SPURIOUS);
    arm_guest_end(vm, 0, 33);
    assert_int_equal(next(0), 33);
    guest_irq_set(&line, false);
    arm_guest_end(vm, 0, 33);
    assert_int_equal(next(0), SPURIOUS);
    arm_guest_destroy(vm);
}

static void test_priorities_routes_and_masks(void **state)
{
    struct guest_irq lines[8];

    (void)state;
    start();
    for (unsigned i = 0; i < 8; i++) { /* more than there are list registers */
        guest_irq_init(&lines[i], vm, 8 + i);
        arm_guest_write(vm, 0, GICD + IPRIORITYR + 40 + i, 1, 0xf0 - 0x10 * i);
        guest_irq_set(&lines[i], true);
    }
    arm_guest_write(vm, 0, GICD + ICENABLER + 4, 4, 1 << (46 - 32));
    arm_guest_write(vm, 0, GICD + IROUTER + 8 * 45, 8, 1);
    assert_int_equal(next(1), 45);
    assert_int_equal(next(0), 47); /* the most urgent first */
    assert_int_equal(next(0), 44);
    arm_guest_write(vm, 0, GICD + ISENABLER + 4, 4, 1 << (46 - 32));
    assert_int_equal(next(0), 46);
    arm_guest_write(vm, 0, GICD, 4, 0x10); /* groups off */
    assert_int_equal(next(0), SPURIOUS);
    arm_guest_write(vm, 0, GICD, 4, 0x12);
    assert_int_equal(next(0), 43);
    assert_true(arm_guest_read(vm, 0, GICD + 0x300 + 4, 4) & 1 << (47 - 32)); /* active */
    arm_guest_destroy(vm);
}

static void test_messages_are_edges(void **state)
{
    (void)state;
    start();
    assert_int_equal(arm_guest_read(vm, 0, V2M + 8, 4), 80 << 16 | 128);
    arm_guest_write(vm, 0, GICD + ICFGR + 80 / 16 * 4, 4, 2);
    vm->irqchip->msi(vm, V2M + 0x40, 80);
    vm->irqchip->msi(vm, V2M + 0x40, 79);  /* not one of its interrupts */
    vm->irqchip->msi(vm, V2M + 0x44, 81);  /* not the doorbell */
    vm->irqchip->msi(vm, V2M + 0x40, 208); /* behind the last */
    assert_int_equal(next(0), 80);
    assert_int_equal(next(0), SPURIOUS);
    arm_guest_write(vm, 1, V2M + 0x40, 4, 80);
    arm_guest_end(vm, 0, 80);
    assert_int_equal(next(0), 80);
    arm_guest_end(vm, 0, 80);
    assert_int_equal(next(0), SPURIOUS);
    arm_guest_destroy(vm);
}

static void test_pending_state_moves_with_list_registers(void **state)
{
    (void)state;
    start();
    arm_guest_write(vm, 0, GICR_SGI(0) + ISPENDR, 4, 1 << 7);
    arm_guest_enter(vm, 0);
    assert_int_equal(arm_state(vm->vcpus[0])->gic.lr_used, 1);
    assert_int_equal(arm_guest_read(vm, 0, GICR_SGI(0) + ISPENDR, 4), 1 << 7);
    assert_int_equal(next(0), 7);
    assert_int_equal(arm_guest_read(vm, 0, GICR_SGI(0) + ISPENDR, 4), 0);
    arm_guest_destroy(vm);
}

static void test_physical_timer_raises_its_interrupt(void **state)
{
    (void)state;
    start();
    arm_timer_write(vm->vcpus[0], ARM_TIMER_PHYSICAL, ARM_TIMER_TVAL, 1000);
    arm_timer_write(vm->vcpus[0], ARM_TIMER_PHYSICAL, ARM_TIMER_CTL, 1);
    assert_int_equal(arm_timer_read(vm->vcpus[0], ARM_TIMER_PHYSICAL, ARM_TIMER_CTL), 1);
    assert_int_equal(next(0), SPURIOUS);
    hosted_counter += 2000;
    host_irq_enable();
    host_irq_disable();
    assert_int_equal(arm_timer_read(vm->vcpus[0], ARM_TIMER_PHYSICAL, ARM_TIMER_CTL), 5);
    assert_int_equal(next(0), 30);
    arm_timer_write(vm->vcpus[0], ARM_TIMER_PHYSICAL, ARM_TIMER_CTL,
                    3); /* masked: its line falls */
    arm_guest_end(vm, 0, 30);
    assert_int_equal(next(0), SPURIOUS);
    arm_guest_destroy(vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgi_reaches_its_target_once),
        cmocka_unit_test(test_level_comes_again_until_it_falls),
        cmocka_unit_test(test_priorities_routes_and_masks),
        cmocka_unit_test(test_messages_are_edges),
        cmocka_unit_test(test_pending_state_moves_with_list_registers),
        cmocka_unit_test(test_physical_timer_raises_its_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
