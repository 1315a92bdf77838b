/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Guests without an engine, for tests and fuzzers. */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/guest_console.h"
#include "hosted.h"
#include "mm/heap.h"
#include "mm/second_stage.h"
#include "virtio/device.h"

#define STATE_ALIGNMENT 64

/* The guest ISAs are entries of a linker table, which nothing names: these bring their files into
 * the program. */
extern const char x86_reset_state, arm_reset, riscv_hart_reset;
extern const char *const hosted_vm_isas[];
const char *const hosted_vm_isas[] = {&x86_reset_state, &arm_reset, &riscv_hart_reset};

LOCK_CLASS(hosted_vm_class, "VM of a test", RANK_VM);
LOCK_CLASS(hosted_pin_class, "pins of a test", RANK_GUEST_PIN);

static void must(enum err e, const char *what)
{
    if (e == ERR_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, err_text(e));
    abort();
}

static void engine_nothing(struct vcpu *v, uint64_t groups)
{
    (void)v, (void)groups;
}

static void engine_flush(struct vcpu *v)
{
    (void)v;
}

static unsigned engine_points(bool watch, bool *shared)
{
    (void)watch;
    *shared = true;
    return 4;
}

static const struct engine hosted_engine = {
    .name = "none",
    .fetch = engine_nothing,
    .flush = engine_flush,
    .debug_points = engine_points,
};

static void create_vcpu(struct vm *vm, unsigned id)
{
    struct vcpu *v = heap_zalloc(sizeof(*v));

    v->vm = vm;
    v->id = id;
    v->thread = thread_current();
    v->state = heap_zalloc(MAX(vm->isa->state_size, (size_t)STATE_ALIGNMENT));
    v->reg_valid = v->reg_dirty = UINT64_MAX;
    vm->vcpus[id] = v;
    must(vm->isa->vcpu_create(v), "building a vCPU");
}

struct vm *hosted_vm_create_on(const char *isa, const struct config_vm *config,
                               const void *(*traits)(void))
{
    struct vm *vm = heap_zalloc(sizeof(*vm));
    struct config_vm *own = heap_zalloc(sizeof(*own));
    struct engine *engine = heap_zalloc(sizeof(*engine));

    *own = *config;
    if (!own->cmdline)
        own->cmdline = "";
    snprintf(vm->name, sizeof(vm->name), "%s", isa);
    vm->config = own;
    vm->isa = hosted_vm_isas[0] ? guest_isa_find(isa) : NULL;
    *engine = hosted_engine;
    engine->traits = traits;
    vm->engine = engine;
    mutex_init(&vm->lock, &hosted_vm_class);
    spin_init(&vm->pin_lock, &hosted_pin_class);
    wait_queue_init(&vm->changed);
    must(vm->isa ? ERR_OK : ERR_NOT_FOUND, isa);
    must(guest_console_create(&vm->console), "console");
    must(guest_console_create(&vm->virtio_console), "console");
    guest_clock_init(&vm->clock, host_counter_hz());
    must(guest_memory_create(&vm->memory), "memory");
    must(vm->isa->machine_create(vm), "building the machine");
    must(second_stage_create(&vm->stage2, &hosted_format_stage2, vm->memory, vm), "second stage");
    vm->pin_sources = heap_zalloc_array(vm->irqchip->pins, sizeof(*vm->pin_sources));
    must(virtio_vm_create(vm), "building its devices");
    vm->vcpu_count = (unsigned)config->cpus;
    vm->vcpus = heap_zalloc_array(vm->vcpu_count, sizeof(struct vcpu *));
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        create_vcpu(vm, i);
    vm->state = VM_RUNNING;
    return vm;
}

struct vm *hosted_vm_create(const char *isa, const struct config_vm *config)
{
    return hosted_vm_create_on(isa, config, NULL);
}

void hosted_vm_destroy(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        vm->isa->vcpu_destroy(vm->vcpus[i]);
        heap_free(vm->vcpus[i]->state);
        heap_free(vm->vcpus[i]);
    }
    heap_free(vm->vcpus);
    guest_console_connect(vm->console, NULL);
    guest_console_connect(vm->virtio_console, NULL);
    while (vm->devices) {
        struct device *d = vm->devices;
        vm->devices = d->next;
        d->ops->destroy(d);
    }
    bus_destroy(&vm->mmio);
    bus_destroy(&vm->ports);
    heap_free(vm->pin_sources);
    if (vm->machine)
        vm->isa->machine_destroy(vm);
    second_stage_destroy(vm->stage2);
    guest_memory_destroy(vm->memory);
    heap_free(vm->debug);
    heap_free(vm->console);
    heap_free(vm->virtio_console);
    heap_free((void *)(uintptr_t)vm->config);
    heap_free((void *)(uintptr_t)vm->engine);
    heap_free(vm);
}
