/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* All objects of a VM that have saved state, in one order: clock, machine, devices. */
#include <string.h>
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

void device_state_each(struct device *d, state_visit visit, void *arg)
{
    if (d->ops->state && d->ops->state != &state_none)
        visit(d->ops->state, device_instance(d->vm, d), (char *)d - d->ops->state_offset, arg);
    if (d->ops->state_each)
        d->ops->state_each(d, visit, arg);
}

void vm_state_each(struct vm *vm, state_visit visit, void *arg)
{
    visit(&guest_clock_state, 0, &vm->clock, arg);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        visit(&vcpu_state, i, vm->vcpus[i], arg);
    vm->isa->state_each(vm, visit, arg);
    for (struct device *d = vm->devices; d; d = d->next)
        device_state_each(d, visit, arg);
}

/* ---- All of them, saved and loaded ---- */

static void save_one(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    state_save(arg, table, instance, object);
}

void vm_state_save(struct vm *vm, struct state_writer *w)
{
    vm_state_each(vm, save_one, w);
}

struct loading {
    struct state_reader *reader;
    unsigned count;
    enum err e; /* the first one */
};

static void load_one(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    struct loading *l = arg;

    if (l->e == ERR_OK)
        l->e = state_load(l->reader, table, instance, object);
    l->count++;
}

enum err vm_state_load(struct vm *vm, struct state_reader *r)
{
    struct loading l = {.reader = r, .e = state_check(r)};

    if (l.e != ERR_OK)
        return l.e;
    vm_state_each(vm, load_one, &l);
    if (l.e == ERR_OK && l.count != state_count(r)) {
        r->problem = "there are objects that this guest has not";
        l.e = ERR_INVALID;
    }
    if (vm->vcpu_count > 1)
        vm_goes_parallel(vm); /* the others may run already */
    guest_irq_recount(vm);
    return l.e;
}

/* ---- Wiping ---- */

static void wipe_one(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    unsigned *objects = arg;

    (void)instance;
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct state_field *f = &table->fields[i];

        memset((char *)object + f->offset, 0, (size_t)f->count * f->size);
    }
    ++*objects;
}

unsigned vm_state_wipe(struct vm *vm)
{
    unsigned objects = 0;

    vm_state_each(vm, wipe_one, &objects);
    return objects;
}
