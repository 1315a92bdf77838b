/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A running guest whose whole state is saved, wiped and loaded again: monitor command of debug
 * builds. What no state table names, or what an engine does not give back, is lost to the guest. */
#if DEBUG
#include <string.h>
#include "kernel/monitor.h"
#include "kernel/vcpu.h"
#include "mm/heap.h"

struct copies {
    uint8_t *first, *second;
    size_t size;
};

static bool save(struct vm *vm, uint8_t *data, size_t size)
{
    struct state_writer w = {.data = data, .size = size};

    vm_state_save(vm, &w);
    return w.used == size;
}

/* Under vm->lock, paused. */
static void reload(struct vm *vm, const struct copies *c, struct out *out)
{
    struct state_reader r = {.data = c->first, .size = c->size};
    unsigned objects;

    if (!save(vm, c->first, c->size)) {
        out_printf(out, "The state changes while the guest is paused.\n");
        return;
    }
    objects = vm_state_wipe(vm);
    if (vm_state_load(vm, &r) != ERR_OK)
        out_printf(out, "The state cannot be loaded: %s.\n", r.problem ? r.problem : "refused");
    else if (!save(vm, c->second, c->size) || memcmp(c->first, c->second, c->size) != 0)
        out_printf(out, "The state is another one after loading.\n");
    else
        out_printf(out, "saved, wiped and loaded: %llu bytes of %u objects, the same again\n",
                   (unsigned long long)c->size, objects);
}

/* Under vm->lock, paused. */
static void reload_with_memory(struct vm *vm, struct out *out)
{
    struct state_writer measure = {.size = 0};
    struct copies c;

    vm_state_save(vm, &measure);
    c.size = measure.used;
    c.first = heap_alloc(c.size);
    c.second = heap_alloc(c.size);
    if (c.first && c.second)
        reload(vm, &c, out);
    else
        out_printf(out, "There is no memory for two copies of the state.\n");
    heap_free(c.first);
    heap_free(c.second);
}

static void command_reload(struct out *out, int argc, char **argv)
{
    struct vm *vm = argc == 1 ? vm_find(argv[0]) : NULL;

    if (!vm || vm_pause(vm) != ERR_OK) {
        out_printf(out, "Give a running guest.\n");
        return;
    }
    mutex_lock(&vm->lock);
    if (vm->state == VM_PAUSED)
        reload_with_memory(vm, out);
    mutex_unlock(&vm->lock);
    if (vm_resume(vm, GUEST_TIME_CONTINUE) != ERR_OK)
        out_printf(out, "The guest does not go on.\n");
}

TABLE_ENTRY(monitor_commands, struct monitor_command, vm_reload_command) = {
    .name = "vm reload",
    .usage = "NAME",
    .summary = "Saves, wipes and loads a running guest's state (debug builds)",
    .run = command_reload,
};

#endif
