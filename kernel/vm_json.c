/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* `vm list`, `vm info` and `vm stats` for programs. */
#include <string.h>

#include "kernel/vm_commands.h"

/* ---- vm list ---- */

static void list_one(struct vm *vm, void *arg)
{
    struct json *j = arg;
    bool runs = false;
    unsigned share = 0;

    if (mutex_trylock(&vm->lock)) { /* it is not being built or taken apart */
        runs = vm->state == VM_RUNNING || vm->state == VM_PAUSED;
        share = runs ? vm_cpu_share(vm) : 0;
        mutex_unlock(&vm->lock);
    }
    json_begin(j, "vm");
    json_string(j, "name", vm->name);
    json_string(j, "state", vm_state_name(vm));
    json_string(j, "engine", runs ? vm->engine->name : NULL);
    json_number(j, "vcpus", vm->config->cpus);
    json_number(j, "memory_bytes", vm->config->memory);
    json_tenths(j, "cpu_percent", share);
    json_string(j, "reason", vm->state == VM_STOPPED && vm->reason[0] ? vm->reason : NULL);
    json_end(j);
}

void vm_json_list(struct json *j, struct out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        out_printf(out, "'vm list' takes no arguments.\n");
    else
        vm_for_each(list_one, j);
}

/* ---- vm stats ---- */

static void stats_exits(struct json *j, const struct vcpu_stats *s)
{
    json_object(j, "exits");
    for (unsigned i = 0; i < EXIT_KIND_COUNT; i++) {
        if (!s->exits[i])
            continue;
        json_object(j, exit_kind_name(i));
        json_number(j, "count", s->exits[i]);
        json_number(j, "ns", vm_ticks_to_ns(s->exit_ticks[i]));
        json_close(j);
    }
    json_close(j);
}

static void stats_vcpu(struct json *j, const struct vm *vm, const struct vcpu *v)
{
    const struct vcpu_stats *s = &v->stats;

    json_begin(j, "vcpu");
    json_string(j, "vm", vm->name);
    json_number(j, "vcpu", v->id);
    json_string(j, "state", vcpu_doing(vm, v));
    json_number(j, "cpu_ns", thread_run_ns(v->thread));
    json_number(j, "guest_ns", vm_ticks_to_ns(s->guest_ticks));
    json_string(j, "last_exit", exit_kind_name(s->last_exit));
    stats_exits(j, s);
    json_number(j, "pages_mapped", s->stage2_faults);
    json_number(j, "interrupts_injected", s->injected);
    json_number(j, "kicks", s->kicks);
    json_end(j);
}

/* Devices and engines count what only they know. */
static void stats_parts(struct json *j, struct vm *vm)
{
    for (struct device *d = vm->devices; d; d = d->next)
        if (d->ops->json)
            d->ops->json(d, j);
    json_begin(j, "engine");
    json_string(j, "vm", vm->name);
    json_string(j, "name", vm->engine->name);
    if (vm->engine->json)
        vm->engine->json(vm, j);
    json_end(j);
}

static void stats_vm(struct json *j, const struct vm *vm)
{
    json_begin(j, "vm");
    json_string(j, "vm", vm->name);
    if (vm->bulk_ticks != UINT64_MAX) {
        json_number(j, "start_ns", vm_ticks_to_ns(vm->start_ticks));
        json_number(j, "start_memory_ns", vm_ticks_to_ns(vm->bulk_ticks));
    }
    json_number(j, "resident_bytes", guest_memory_resident(vm->memory));
    json_number(j, "table_bytes", second_stage_table_bytes(vm->stage2));
    json_number(j, "unclaimed_accesses", vm->mmio.unclaimed + vm->ports.unclaimed);
    json_end(j);
}

void vm_stats_json(struct vm *vm, struct json *j)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        stats_vcpu(j, vm, vm->vcpus[i]);
    stats_parts(j, vm);
    stats_vm(j, vm);
}

void vm_json_stats(struct json *j, struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    mutex_lock(&vm->lock); /* keeps the manager from taking it apart */
    if (vm->vcpus)
        vm_stats_json(vm, j);
    else if (vm->last->valid)
        out_write(j->out, vm->last->json, strlen(vm->last->json)); /* as they were at its end */
    mutex_unlock(&vm->lock);
}

/* ---- vm info ---- */

static bool is_shown(const struct debug_register *r)
{
    return r->bits <= 64;
}

void vm_registers_take(struct vm_registers *r, struct vcpu *v)
{
    const struct debug_isa *isa = v->vm->isa->debug;

    *r = (struct vm_registers){.isa = isa};
    for (unsigned i = 0; isa && i < MIN(isa->features[0].count, VM_REGISTER_VALUES); i++)
        if (is_shown(&isa->features[0].registers[i]))
            debug_register_get(v, &isa->features[0].registers[i], (uint8_t *)&r->values[i]);
}

void vm_json_registers(struct json *j, const struct vm_registers *r)
{
    json_object(j, "registers");
    for (unsigned i = 0; r->isa && i < MIN(r->isa->features[0].count, VM_REGISTER_VALUES); i++)
        if (is_shown(&r->isa->features[0].registers[i]))
            json_hex(j, r->isa->features[0].registers[i].name, r->values[i]);
    json_close(j);
}

static void info_vcpu(struct json *j, struct vm *vm, struct vcpu *v)
{
    json_begin(j, "vcpu");
    json_string(j, "vm", vm->name);
    json_number(j, "vcpu", v->id);
    json_string(j, "state", vcpu_doing(vm, v));
    json_string(j, "last_exit", exit_kind_name(v->stats.last_exit));
    if (vm->state == VM_PAUSED) {
        struct vm_registers r;

        vm_registers_take(&r, v);
        vm_json_registers(j, &r);
    }
    json_end(j);
}

static void info_regions(struct json *j, const struct vm *vm, const struct bus *bus,
                         const char *space)
{
    for (unsigned i = 0; i < bus->count; i++) {
        const struct bus_region *r = &bus->regions[i];

        json_begin(j, "region");
        json_string(j, "vm", vm->name);
        json_string(j, "space", space);
        json_hex(j, "base", r->base);
        json_number(j, "size", r->size);
        json_string(j, "device", r->device->ops->name);
        json_end(j);
    }
}

static void info_vm(struct json *j, struct vm *vm)
{
    const struct config_vm *c = vm->config;
    char text[VM_REASON_SIZE];

    json_begin(j, "vm");
    json_string(j, "name", vm->name);
    json_string(j, "state", vm_state_name(vm));
    json_number(j, "vcpus", c->cpus);
    json_number(j, "weight", c->weight);
    json_number(j, "memory_bytes", c->memory);
    json_string(j, "kernel", c->kernel && *c->kernel ? c->kernel : NULL);
    json_string(j, "initrd", c->initrd && *c->initrd ? c->initrd : NULL);
    json_string(j, "cmdline", c->cmdline);
    json_string(j, "engine", vm->vcpus ? vm->engine->name : NULL);
    if (vm->vcpus) {
        json_string(j, "engine_reason", vm_engine_reason(vm, text, sizeof(text)));
        json_number(j, "clock_ns", guest_clock_ns(&vm->clock));
    }
    json_string(j, "reason", vm->reason[0] ? vm->reason : NULL);
    json_end(j);
}

static void info_last(struct json *j, const struct vm *vm)
{
    const struct vm_last *last = vm->last;

    if (!last->valid)
        return;
    json_begin(j, "last");
    json_string(j, "vm", vm->name);
    json_number(j, "vcpu", last->vcpu);
    json_string(j, "exit", exit_kind_name(last->exit));
    json_hex(j, "pc", last->pc);
    vm_json_registers(j, &last->values);
    json_end(j);
}

void vm_json_info(struct json *j, struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    mutex_lock(&vm->lock);
    info_vm(j, vm);
    for (unsigned i = 0; vm->vcpus && i < vm->vcpu_count; i++)
        info_vcpu(j, vm, vm->vcpus[i]);
    if (vm->vcpus) {
        info_regions(j, vm, &vm->mmio, "memory");
        info_regions(j, vm, &vm->ports, "ports");
    } else {
        info_last(j, vm);
    }
    mutex_unlock(&vm->lock);
}
