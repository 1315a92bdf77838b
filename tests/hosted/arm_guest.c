/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* An aarch64 guest without an engine. */
#include "arm_guest.h"

#include <stdlib.h>

#include "hosted.h"
#include "kernel/thread.h"
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

static void vcpu_add(struct vm *vm, unsigned id)
{
    struct vcpu *v = vm->vcpus[id] = zeroed(sizeof(*v));

    v->vm = vm;
    v->id = id;
    v->mode = VCPU_IN_GUEST; /* on this CPU: nobody has to be woken or kicked */
    v->cpu = this_cpu();
    v->state = zeroed(sizeof(struct arm_state));
    v->isa_data = zeroed(sizeof(struct arm_vcpu));
    v->reg_valid = UINT64_MAX;
    arm_state(v)->gic.lr_count = ARM_GUEST_LIST_REGISTERS;
    vgic_vcpu_init(v);
    arm_timers_init(v);
}

static const void *v2_traits(void)
{
    static const struct arm_traits traits = {.gicv = 0x8040000, .gicv_size = 0x2000};

    return &traits;
}

struct vm *arm_guest_create(unsigned cpus, bool v2)
{
    static const struct engine engine = {.name = "none"},
                               v2_engine = {.name = "none", .traits = v2_traits};
    static struct thread nobody;
    struct vm *vm = zeroed(sizeof(*vm));
    struct config_vm *config = zeroed(sizeof(*config));

    cpu_boot()->current = &nobody;
    config->cpus = cpus;
    vm->config = config;
    vm->isa = guest_isa_find("aarch64");
    vm->engine = v2 ? &v2_engine : &engine;
    spin_init(&vm->pin_lock, &pin_class);
    must(guest_memory_create(&vm->memory));
    guest_clock_init(&vm->clock, host_counter_hz());
    vm->machine = zeroed(sizeof(struct arm_machine));
    must(vgic_create(vm));
    vm->pin_sources = zeroed(vm->irqchip->pins * sizeof(*vm->pin_sources));
    vm->vcpus = zeroed(cpus * sizeof(struct vcpu *));
    vm->vcpu_count = cpus;
    for (unsigned i = 0; i < cpus; i++)
        vcpu_add(vm, i);
    return vm;
}

void arm_guest_destroy(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        arm_timers_destroy(vm->vcpus[i]);
        heap_free(vm->vcpus[i]->isa_data);
        heap_free(vm->vcpus[i]->state);
        heap_free(vm->vcpus[i]);
    }
    heap_free(vm->vcpus);
    bus_destroy(&vm->mmio);
    heap_free(vm->pin_sources);
    heap_free(arm_machine(vm)->vgic);
    heap_free(vm->machine);
    guest_memory_destroy(vm->memory);
    heap_free((void *)vm->config);
    heap_free(vm);
}

uint64_t arm_guest_read(struct vm *vm, unsigned cpu, uint64_t gpa, unsigned size)
{
    return bus_read(&vm->mmio, vm->vcpus[cpu], gpa, size);
}

void arm_guest_write(struct vm *vm, unsigned cpu, uint64_t gpa, unsigned size, uint64_t value)
{
    bus_write(&vm->mmio, vm->vcpus[cpu], gpa, size, value);
}

void arm_guest_register(struct vm *vm, unsigned cpu, uint64_t number, bool write, uint64_t value)
{
    struct vm_exit exit = {.kind = EXIT_REGISTER};

    exit.reg.number = number;
    exit.reg.write = write;
    arm_state(vm->vcpus[cpu])->x[0] = value;
    (void)arm_sysreg(vm->vcpus[cpu], &exit);
}

void arm_guest_enter(struct vm *vm, unsigned cpu)
{
    struct vcpu *v = vm->vcpus[cpu];

    if (__atomic_exchange_n(&v->requests, 0, __ATOMIC_SEQ_CST) & VCPU_REQUEST_IRQ)
        v->irq_news = true;
    if (!v->irq_news)
        return;
    v->irq_news = false;
    vgic_before_run(v);
}

static unsigned priority_of(uint64_t lr)
{
    return lr >> ARM_LR_PRIORITY & 0xff;
}

unsigned arm_guest_acknowledge(struct vm *vm, unsigned cpu)
{
    struct arm_gic *g = &arm_state(vm->vcpus[cpu])->gic;
    uint64_t *best = NULL;

    for (unsigned i = 0; i < g->lr_used; i++)
        if ((g->lr[i] & (ARM_LR_PENDING | ARM_LR_ACTIVE)) == ARM_LR_PENDING &&
            (!best || priority_of(g->lr[i]) < priority_of(*best)))
            best = &g->lr[i];
    if (!best)
        return 1023;
    *best ^= ARM_LR_PENDING | ARM_LR_ACTIVE;
    return *best & 0x3ff;
}

void arm_guest_end(struct vm *vm, unsigned cpu, unsigned irq)
{
    struct vcpu *v = vm->vcpus[cpu];
    struct arm_gic *g = &arm_state(v)->gic;

    for (unsigned i = 0; i < g->lr_used; i++) {
        if ((g->lr[i] & 0x3ff) != irq || !(g->lr[i] & ARM_LR_ACTIVE))
            continue;
        g->lr[i] &= ~ARM_LR_ACTIVE;
        if (g->lr[i] & ARM_LR_EOI)
            vgic_maintenance(v);
    }
}
