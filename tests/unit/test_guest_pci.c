/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* PCI of guests: configuration space, sizing and moving of BARs, MSI-X with its masks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "test_vm.h"

#define SLOT     7
#define BAR_SIZE 0x4000u
#define BIG_SIZE 0x10000u

static struct test_vm vm;
static struct guest_pci_function function;
static struct {
    unsigned bar, size, count;
    uint64_t offset, value;
} last;

static uint64_t bar_read(struct guest_pci_function *f, struct vcpu *vcpu, unsigned bar,
                         uint64_t offset, unsigned size)
{
    (void)f, (void)vcpu;
    last.bar = bar;
    last.offset = offset;
    last.size = size;
    last.count++;
    return 0x1122334455667788 + bar;
}

static void bar_write(struct guest_pci_function *f, struct vcpu *vcpu, unsigned bar,
                      uint64_t offset, unsigned size, uint64_t value)
{
    bar_read(f, vcpu, bar, offset, size);
    last.value = value;
}

static const struct guest_pci_function_ops ops = {.bar_read = bar_read, .bar_write = bar_write};

static void start(bool pins_only)
{
    test_vm_machine();
    test_vm_start(&vm, "guest", pins_only, false);
    guest_pci_function_init(&function, &ops, 0x1234, 0x5678, 0x010203, 4);
    pci_set_subsystem(&function, 0xabcd, 0xef01);
    pci_set_bar(&function, 0, BAR_SIZE, false, false);
    pci_set_bar(&function, 2, BIG_SIZE, true, true);
    (void)pci_add_capability(&function, 9, 16);
    assert_int_equal(pci_add_msix(&function, &vm.vm, 5, 3), pins_only ? 0 : 3);
    assert_int_equal(guest_pci_function_add(&vm.vm, &function, SLOT), ERR_OK);
}

static uint32_t get(unsigned at, unsigned size)
{
    return test_config_read(&vm, SLOT, at, size);
}

static void set(unsigned at, unsigned size, uint32_t value)
{
    test_config_write(&vm, SLOT, at, size, value);
}

static void header(void)
{
    start(false);
    assert_int_equal(get(0, 4), 0x56781234);
    assert_int_equal(get(8, 4), 0x01020304);
    assert_int_equal(get(0x2c, 4), 0xef01abcd);
    assert_int_equal(get(0x3d, 1), 1);
    assert_int_equal(get(0x3c, 1), TEST_PIN_FIRST + SLOT % 4);
    set(0, 4, 0); /* read-only */
    assert_int_equal(get(0, 4), 0x56781234);
    assert_int_equal(get(0x100, 4), 0);          /* no extended capabilities */
    assert_int_equal(get(0x102, 4), UINT32_MAX); /* crosses */
    assert_int_equal(test_config_read(&vm, 0, 0, 4), 0x00081b36);
    assert_int_equal(test_config_read(&vm, SLOT + 1, 0, 4), UINT32_MAX);
    assert_int_equal(test_read(&vm, TEST_ECAM + SLOT * 0x8000 + 0x1000, 4), UINT32_MAX);
    assert_int_equal(guest_pci_function_add(&vm.vm, &function, SLOT), ERR_EXISTS);
    test_vm_stop(&vm);
}

static void sizing(void)
{
    uint32_t before;

    start(false);
    before = get(0x10, 4);
    set(0x10, 4, UINT32_MAX);
    assert_int_equal(get(0x10, 4), ~(BAR_SIZE - 1));
    set(0x10, 4, before);
    set(0x18, 4, UINT32_MAX);
    set(0x1c, 4, UINT32_MAX);
    assert_int_equal(get(0x18, 4), ~(BIG_SIZE - 1) | 0xc); /* 64-bit, prefetchable */
    assert_int_equal(get(0x1c, 4), UINT32_MAX);
    set(0x14, 4, UINT32_MAX); /* there is none */
    assert_int_equal(get(0x14, 4), 0);
    test_vm_stop(&vm);
}

/* A BAR answers where it is, as soon as memory space is on, and nowhere else. */
static void moving(void)
{
    uint64_t at, to = TEST_MMIO32 + MIB(8);

    start(false);
    at = get(0x10, 4);
    assert_in_range(at, TEST_MMIO32, TEST_MMIO32 + MIB(16) - BAR_SIZE);
    assert_int_equal(test_read(&vm, at, 4), UINT32_MAX); /* not decoded yet */
    set(4, 2, 2);
    assert_int_equal(test_read(&vm, at + 0x10, 4), 0x55667788);
    assert_int_equal(last.offset, 0x10);
    test_write(&vm, at + BAR_SIZE - 8, 8, 0x0102030405060708);
    assert_int_equal(last.offset, BAR_SIZE - 8);
    assert_int_equal(last.value, 0x0102030405060708);
    set(0x10, 4, (uint32_t)to);
    assert_int_equal(test_read(&vm, at, 4), UINT32_MAX);
    assert_int_equal(test_read(&vm, to + 2, 2), 0x7788);
    last.count = 0;
    assert_int_equal(test_read(&vm, to + 1, 2), 0xffff); /* not aligned */
    assert_int_equal(last.count, 0);
    set(0x10, 4, 0xfffff000); /* out of the windows */
    assert_int_equal(test_read(&vm, to, 4), UINT32_MAX);
    set(4, 2, 0);
    set(0x10, 4, (uint32_t)at);
    assert_int_equal(test_read(&vm, at, 4), UINT32_MAX);
    guest_pci_function_reset(&function);
    set(4, 2, 2);
    assert_int_equal(test_read(&vm, at, 1), 0x88);
    test_vm_stop(&vm);
}

/* Moves of all kinds against a model: which BAR begins at or below the address, and holds it. */
static void random_moves(void)
{
    uint64_t seed = 3;

    start(false);
    set(4, 2, 2);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t small = TEST_MMIO32 + hosted_random(&seed) % 512 * BAR_SIZE;
        uint64_t big = TEST_MMIO32 + hosted_random(&seed) % 128 * BIG_SIZE;
        uint64_t probe = (hosted_random(&seed) % 2 ? small : big) + hosted_random(&seed) % BIG_SIZE;
        bool in_small = probe - small < BAR_SIZE, in_big = probe - big < BIG_SIZE;
        uint8_t got;

        probe = MIN(probe, TEST_MMIO32 + MIB(16) - 1);
        set(0x10, 4, (uint32_t)small);
        set(0x18, 4, (uint32_t)big);
        set(0x24, 4, (uint32_t)(TEST_MMIO32 + MIB(15))); /* the MSI-X table: out of the way */
        if (in_small && in_big)
            continue;
        last.count = 0;
        got = (uint8_t)test_read(&vm, probe, 1);
        /* A small one inside the big one hides what of the big one lies above it. */
        if (in_big && small >= big && small <= probe)
            continue;
        assert_int_equal(got, in_small ? 0x88 : in_big ? 0x8a : 0xff);
        assert_int_equal(last.count, in_small || in_big);
    }
    test_vm_stop(&vm);
}

static void test_configuration(void **state)
{
    (void)state;
    hosted_child_test(header());
    hosted_child_test(sizing());
    hosted_child_test(moving());
    hosted_child_test(random_moves());
}

/* ---- Interrupts ---- */

static unsigned capability(unsigned id)
{
    unsigned at = get(0x34, 1);

    while (at && get(at, 1) != id)
        at = get(at + 1, 1);
    return at;
}

static void messages(void)
{
    unsigned at;
    uint64_t table;

    start(false);
    at = capability(0x11);
    assert_int_not_equal(at, 0);
    assert_int_equal(get(at + 2, 2), 2); /* three vectors */
    set(4, 2, 2);
    table = (get(0x24, 4) & ~15u) + (get(at + 4, 4) & ~7u);
    for (unsigned i = 0; i < 3; i++) {
        test_write(&vm, table + 16 * i, 4, TEST_MSI);
        test_write(&vm, table + 16 * i + 4, 4, 0);
        test_write(&vm, table + 16 * i + 8, 4, 10 + i);
        assert_int_equal(test_read(&vm, table + 16 * i + 12, 4), 1); /* masked at first */
        assert_int_equal(test_read(&vm, table + 16 * i, 8), TEST_MSI);
    }
    pci_msix_raise(&function, 0); /* not enabled: lost */
    set(at + 2, 2, 0x8000);
    assert_int_equal(vm.message_count, 0);
    pci_msix_raise(&function, 1);
    pci_msix_raise(&function, 1);
    pci_msix_raise(&function, 3); /* there is none */
    assert_int_equal(vm.message_count, 0);
    assert_int_equal(test_read(&vm, table + 0x800, 8), 2);
    test_write(&vm, table + 16 + 12, 4, 0);
    assert_int_equal(vm.message_count, 1);
    assert_int_equal(vm.last_message, 11);
    assert_int_equal(test_read(&vm, table + 0x800, 8), 0);
    set(at + 2, 2, 0xc000); /* all masked */
    pci_msix_raise(&function, 1);
    assert_int_equal(vm.message_count, 1);
    set(at + 2, 2, 0x8000);
    assert_int_equal(vm.message_count, 2);
    pci_msix_raise(&function, 1);
    assert_int_equal(vm.message_count, 3);
    pci_set_intx(&function, true); /* the pin is off with MSI-X on */
    assert_false(vm.pin[TEST_PIN_FIRST + SLOT % 4]);
    set(at + 2, 2, 0);
    assert_true(vm.pin[TEST_PIN_FIRST + SLOT % 4]);
    guest_pci_function_reset(&function);
    assert_false(vm.pin[TEST_PIN_FIRST + SLOT % 4]);
    test_vm_stop(&vm);
}

static void pins(void)
{
    start(true);
    assert_int_equal(capability(0x11), 0);
    pci_set_intx(&function, true);
    assert_true(vm.pin[TEST_PIN_FIRST + SLOT % 4]);
    assert_int_equal(get(6, 2) & 8, 8);
    set(4, 2, 0x400);
    assert_false(vm.pin[TEST_PIN_FIRST + SLOT % 4]);
    assert_int_equal(get(6, 2) & 8, 8);
    set(4, 2, 0);
    assert_true(vm.pin[TEST_PIN_FIRST + SLOT % 4]);
    pci_set_intx(&function, false);
    assert_false(vm.pin[TEST_PIN_FIRST + SLOT % 4]);
    assert_int_equal(get(6, 2) & 8, 0);
    test_vm_stop(&vm);
}

static void test_interrupts(void **state)
{
    (void)state;
    hosted_child_test(messages());
    hosted_child_test(pins());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_interrupts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
