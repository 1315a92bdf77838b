/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The debug-exit port of test guests (QEMU: isa-debug-exit at f4h), present where the configuration
 * says debug_exit = yes: a write ends the guest, 0 as a power off, anything else as a failure of
 * that number.
 */
#include "arch/x86_64/guest/machine.h"
#include "mm/heap.h"

#define PORT_DEBUG_EXIT 0xf4
#define PORTS           4

static uint64_t debug_exit_read(struct device *d, struct vcpu *vcpu, unsigned region,
                                uint64_t offset, unsigned size)
{
    (void)d, (void)vcpu, (void)region, (void)offset, (void)size;
    return 0;
}

static void debug_exit_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                             unsigned size, uint64_t value)
{
    (void)vcpu, (void)region, (void)offset, (void)size;
    if (value)
        vm_fail(d->vm, "it ended itself with code %llu", (unsigned long long)value);
    vm_poweroff(d->vm);
}

static void debug_exit_destroy(struct device *d)
{
    heap_free(d);
}

static const struct device_ops debug_exit_ops = {
    .name = "debug exit",
    .state = &state_none,
    .read = debug_exit_read,
    .write = debug_exit_write,
    .destroy = debug_exit_destroy,
    .lockless = true,
};

enum err x86_debug_exit_create(struct vm *vm)
{
    struct device *d;

    if (!vm->config->debug_exit)
        return ERR_OK;
    d = heap_zalloc(sizeof(*d));
    if (!d)
        return ERR_NO_MEMORY;
    device_init(d, &debug_exit_ops, vm);
    return bus_add(
        &vm->ports,
        &(struct bus_region){
            .base = PORT_DEBUG_EXIT, .size = PORTS, .device = d, .min_size = 1, .max_size = 4});
}
