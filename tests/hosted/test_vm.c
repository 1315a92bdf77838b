/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A guest for tests of devices. */
#include "test_vm.h"

#include <stdlib.h>
#include <string.h>
#include "hosted.h"
#include "kernel/guest_console.h"
#include "kernel/thread.h"
#include "mm/heap.h"
#include "virtio/device.h"
#include "virtio/switch.h"

LOCK_CLASS(pin_class, "pins of a test", RANK_GUEST_PIN);

static struct thread test_thread = {.name = "test"};
static struct config_network test_network = {.mtu = 1500};

void test_vm_machine(void)
{
    (void)hosted_memory_reset();
    hosted_start_size(MIB(256));
    this_cpu()->current = &test_thread;
    vswitch_forget_all();
}

static struct test_vm *of(struct vm *vm)
{
    return container_of(vm, struct test_vm, vm);
}

static void set_pin(struct vm *vm, unsigned pin, bool level)
{
    of(vm)->pin[pin] = level;
}

static void msi(struct vm *vm, uint64_t address, uint32_t data)
{
    struct test_vm *t = of(vm);

    if (address != TEST_MSI)
        return;
    t->message_count++;
    t->last_message = data;
    if (data < ARRAY_SIZE(t->messages))
        t->messages[data]++;
}

static const struct irqchip_ops with_messages = {"test", TEST_PINS, set_pin, msi};
static const struct irqchip_ops pins_alone = {"test", TEST_PINS, set_pin, NULL};

static void must(enum err e)
{
    if (e != ERR_OK)
        abort();
}

void test_vm_start(struct test_vm *t, const char *name, bool pins_only, bool mmio)
{
    static const struct pci_host_layout layout = {
        .ecam = TEST_ECAM,
        .buses = 1,
        .mmio32 = {TEST_MMIO32, MIB(16)},
        .bridge_vendor = 0x1b36,
        .bridge_device = 8,
        .pins = {TEST_PIN_FIRST, TEST_PIN_FIRST + 1, TEST_PIN_FIRST + 2, TEST_PIN_FIRST + 3},
    };

    memset(t, 0, sizeof(*t));
    strncpy(t->vm.name, name, sizeof(t->vm.name) - 1);
    t->config.cpus = 2;
    t->config.net_count = 1;
    t->config.nets[0].network = &test_network;
    t->vm.config = &t->config;
    t->vm.irqchip = pins_only ? &pins_alone : &with_messages;
    spin_init(&t->vm.pin_lock, &pin_class);
    wait_queue_init(&t->vm.changed);
    t->vm.pin_sources = heap_zalloc_array(TEST_PINS, sizeof(*t->vm.pin_sources));
    must(guest_console_create(&t->vm.virtio_console));
    must(guest_memory_create(&t->vm.memory));
    must(guest_memory_add_ram(t->vm.memory, GPA(0), TEST_RAM_SIZE));
    if (!mmio) {
        must(pci_host_create(&t->vm, &layout));
        return;
    }
    t->vm.virtio_mmio.base = TEST_MMIO_SLOTS;
    t->vm.virtio_mmio.stride = VIRTIO_MMIO_SIZE;
    t->vm.virtio_mmio.pin = TEST_PIN_MMIO;
    t->vm.virtio_mmio.count = 8;
}

void test_vm_stop(struct test_vm *t)
{
    struct vm *vm = &t->vm;

    while (vm->devices) {
        struct device *d = vm->devices;

        vm->devices = d->next;
        d->ops->destroy(d);
    }
    bus_destroy(&vm->mmio);
    guest_memory_destroy(vm->memory);
    heap_free(vm->pin_sources);
    heap_free(vm->virtio_console);
}

uint64_t test_read(struct test_vm *t, uint64_t address, unsigned size)
{
    return bus_read(&t->vm.mmio, NULL, address, size);
}

void test_write(struct test_vm *t, uint64_t address, unsigned size, uint64_t value)
{
    bus_write(&t->vm.mmio, NULL, address, size, value);
}

uint32_t test_config_read(struct test_vm *t, unsigned slot, unsigned at, unsigned size)
{
    return (uint32_t)test_read(t, TEST_ECAM + slot * 0x8000 + at, size);
}

void test_config_write(struct test_vm *t, unsigned slot, unsigned at, unsigned size, uint32_t value)
{
    test_write(t, TEST_ECAM + slot * 0x8000 + at, size, value);
}
