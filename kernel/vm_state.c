/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* All objects of a VM that have saved state, in one order: clock, machine, devices. */
#include "kernel/vcpu.h"

STATE_TABLE(vcpu_state, "vcpu", 1, STATE_FIELD(struct vcpu, running, 1));

/* Devices of one kind are told apart by their place among them. */
static unsigned device_instance(const struct vm *vm, const struct device *device)
{
    unsigned instance = 0;

    for (const struct device *d = vm->devices; d && d != device; d = d->next)
        instance += d->ops->state == device->ops->state;
    return instance;
}

static void device_each(struct vm *vm, struct device *d, state_visit visit, void *arg)
{
    if (d->ops->state)
        visit(d->ops->state, device_instance(vm, d), (char *)d - d->ops->state_offset, arg);
    if (d->ops->state_each)
        d->ops->state_each(d, visit, arg);
}

void vm_state_each(struct vm *vm, state_visit visit, void *arg)
{
    visit(&guest_clock_state, 0, &vm->clock, arg);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        visit(&vcpu_state, i, vm->vcpus[i], arg);
    if (vm->isa->state_each)
        vm->isa->state_each(vm, visit, arg);
    for (struct device *d = vm->devices; d; d = d->next)
        device_each(vm, d, visit, arg);
}
