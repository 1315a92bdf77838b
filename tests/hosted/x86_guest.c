/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* An x86_64 guest without an engine. */
#include "x86_guest.h"

#include <stdlib.h>

#include "hosted.h"
#include "kernel/guest_console.h"
#include "mm/heap.h"

LOCK_CLASS(pin_class, "guest interrupt pins", RANK_GUEST_PIN);

static void must(enum err e)
{
    if (e != ERR_OK)
        abort();
}

static void *zeroed(size_t size)
{
    void *p = heap_zalloc(size);

    if (!p)
        abort();
    return p;
}

/* Consoles outlive their guests: one serves all. */
static struct guest_console *console;

struct vm *x86_guest_create(unsigned cpus, uint64_t memory)
{
    static const struct engine engine = {.name = "none"};
    struct vm *vm = zeroed(sizeof(*vm));
    struct config_vm *config = zeroed(sizeof(*config));

    *config = (struct config_vm){.name = "guest",
                                 .memory = memory,
                                 .cpus = cpus,
                                 .kernel = "kernel",
                                 .cmdline = "",
                                 .debug_exit = true};
    vm->config = config;
    vm->isa = guest_isa_find("x86_64");
    vm->engine = &engine;
    if (!vm->isa)
        abort();
    spin_init(&vm->pin_lock, &pin_class);
    wait_queue_init(&vm->changed);
    if (!console)
        must(guest_console_create(&console));
    vm->console = console;
    must(guest_memory_create(&vm->memory));
    guest_clock_init(&vm->clock, host_counter_hz());
    must(vm->isa->machine_create(vm));
    vm->pin_sources = zeroed(vm->irqchip->pins * sizeof(*vm->pin_sources));
    vm->vcpus = zeroed(cpus * sizeof(struct vcpu *));
    vm->vcpu_count = cpus;
    for (unsigned i = 0; i < cpus; i++) {
        struct vcpu *v = vm->vcpus[i] = zeroed(sizeof(*v));

        v->vm = vm;
        v->id = i;
        v->mode = VCPU_IN_GUEST; /* on this CPU: nobody has to be woken or kicked */
        v->cpu = this_cpu();
        v->state = zeroed(vm->isa->state_size);
        v->reg_valid = UINT64_MAX;
        must(vm->isa->vcpu_create(v));
        x86_reset_state(v); /* by name, so that the archive's member with the ISA is linked */
    }
    return vm;
}

void x86_guest_destroy(struct vm *vm)
{
    guest_console_connect(vm->console, NULL);
    while (vm->devices) {
        struct device *d = vm->devices;

        vm->devices = d->next;
        d->ops->destroy(d);
    }
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        vm->isa->vcpu_destroy(vm->vcpus[i]);
        heap_free(vm->vcpus[i]->state);
        heap_free(vm->vcpus[i]);
    }
    heap_free(vm->vcpus);
    bus_destroy(&vm->mmio);
    bus_destroy(&vm->ports);
    heap_free(vm->pin_sources);
    vm->isa->machine_destroy(vm);
    guest_memory_destroy(vm->memory);
    heap_free((void *)vm->config);
    heap_free(vm);
}

struct lapic *x86_guest_lapic(struct vm *vm, unsigned cpu)
{
    return vm->vcpus[cpu]->isa_data;
}

void x86_guest_wait(uint64_t ns)
{
    hosted_counter += ns;
    host_irq_enable();
    host_irq_disable();
}

uint64_t x86_guest_read(struct vm *vm, unsigned cpu, uint64_t gpa, unsigned size)
{
    return bus_read(&vm->mmio, vm->vcpus[cpu], gpa, size);
}

void x86_guest_write(struct vm *vm, unsigned cpu, uint64_t gpa, unsigned size, uint64_t value)
{
    bus_write(&vm->mmio, vm->vcpus[cpu], gpa, size, value);
}

uint64_t x86_guest_in(struct vm *vm, uint16_t port, unsigned size)
{
    return bus_read(&vm->ports, vm->vcpus[0], port, size);
}

void x86_guest_out(struct vm *vm, uint16_t port, unsigned size, uint64_t value)
{
    bus_write(&vm->ports, vm->vcpus[0], port, size, value);
}
