/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor's commands about guests. */
#include <string.h>

#include "kernel/guest_console.h"
#include "kernel/monitor.h"
#include "kernel/vcpu.h"

static const char *const exit_names[EXIT_KIND_COUNT] = {
    [EXIT_INTERRUPT] = "interrupt",
    [EXIT_MEMORY] = "memory",
    [EXIT_PORT] = "port",
    [EXIT_HYPERCALL] = "hypercall",
    [EXIT_IDLE] = "idle",
    [EXIT_REGISTER] = "register",
    [EXIT_ISA] = "instruction",
    [EXIT_IRQ_WINDOW] = "irq window",
    [EXIT_DEBUG] = "debug",
    [EXIT_FATAL] = "fatal",
    [EXIT_ENTRY_FAILED] = "entry failed",
};

static const char *state_name(const struct vm *vm)
{
    switch (vm->state) {
    case VM_STOPPED:
        return vm->failed ? "failed" : "stopped";
    case VM_STARTING:
        return "starting";
    case VM_RUNNING:
        return "running";
    case VM_STOPPING:
        return "stopping";
    }
    return "?";
}

static void complete_vm(struct vm *vm, void *arg)
{
    struct {
        void (*found)(const char *word, void *arg);
        void *arg;
    } *to = arg;

    to->found(vm->name, to->arg);
}

static void complete_name(int index, void (*found)(const char *word, void *arg), void *arg)
{
    struct {
        void (*found)(const char *word, void *arg);
        void *arg;
    } to = {found, arg};

    if (index == 0)
        vm_for_each(complete_vm, &to);
}

/* The guest that the command names, or NULL after saying what is wrong. */
static struct vm *vm_argument(struct out *out, int argc, char **argv)
{
    struct vm *vm;

    if (argc != 1) {
        out_printf(out, "Give the name of one guest; 'vm list' shows them.\n");
        return NULL;
    }
    vm = vm_find(argv[0]);
    if (!vm)
        out_printf(out, "There is no guest '%s'; 'vm list' shows them.\n", argv[0]);
    return vm;
}

static void list_one(struct vm *vm, void *arg)
{
    struct out *out = arg;

    out_printf(out, "%-20s %-9s %-8s %5llu %8llu M  %s\n", vm->name, state_name(vm),
               vm->state == VM_RUNNING ? vm->engine->name : "-",
               (unsigned long long)vm->config->cpus, (unsigned long long)(vm->config->memory >> 20),
               vm->state == VM_STOPPED ? vm->reason : "");
}

static void command_list(struct out *out, int argc, char **argv)
{
    (void)argv;
    if (argc) {
        out_printf(out, "'vm list' takes no arguments.\n");
        return;
    }
    out_printf(out, "%-20s %-9s %-8s %5s %10s\n", "NAME", "STATE", "ENGINE", "VCPUS", "MEMORY");
    vm_for_each(list_one, out);
}

static void command_start(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);
    char text[VM_REASON_SIZE];
    struct out_buffer reason;

    if (!vm)
        return;
    out_buffer_init(&reason, text, sizeof(text));
    if (vm_start(vm, &reason.out) == ERR_OK)
        out_printf(out, "%s runs on %s; 'vm console %s' shows its console.\n", vm->name,
                   vm->engine->name, vm->name);
    else
        out_printf(out, "%s was not started: %s\n", vm->name, text);
}

static void command_stop(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    if (vm_stop(vm) == ERR_OK)
        out_printf(out, "%s is stopped.\n", vm->name);
    else
        out_printf(out, "%s is not running.\n", vm->name);
}

static void command_console(struct out *out, int argc, char **argv)
{
    bool virtio = argc == 2 && strcmp(argv[1], "hvc0") == 0;
    struct vm *vm = vm_argument(out, virtio ? 1 : argc, argv);

    if (vm)
        guest_console_session(virtio ? vm->virtio_console : vm->console, vm->name);
}

static void print_vcpu(struct out *out, const struct vcpu *v)
{
    const struct vcpu_stats *s = &v->stats;

    out_printf(out, "vCPU %u: %s, last exit %s\n  exits:", v->id,
               v->running ? "running" : "waits for start-up", exit_names[s->last_exit]);
    for (unsigned i = 0; i < EXIT_KIND_COUNT; i++)
        if (s->exits[i])
            out_printf(out, " %s %llu", exit_names[i], (unsigned long long)s->exits[i]);
    out_printf(out, "\n  pages mapped on demand: %llu, interrupts injected: %llu, kicks: %llu\n",
               (unsigned long long)s->stage2_faults, (unsigned long long)s->injected,
               (unsigned long long)s->kicks);
}

static void command_stats(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    mutex_lock(&vm->lock); /* keeps the manager from taking it apart */
    if (vm->vcpus) {
        for (unsigned i = 0; i < vm->vcpu_count; i++)
            print_vcpu(out, vm->vcpus[i]);
        out_printf(out, "memory in use: %llu MiB; accesses that no device took: %llu\n",
                   (unsigned long long)(guest_memory_resident(vm->memory) >> 20),
                   (unsigned long long)(vm->mmio.unclaimed + vm->ports.unclaimed));
    } else {
        out_printf(out, "%s is not running%s%s\n", vm->name, vm->reason[0] ? ": " : ".",
                   vm->reason);
    }
    mutex_unlock(&vm->lock);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, vm_list) = {
    .name = "vm list",
    .usage = "",
    .summary = "Lists the guests",
    .run = command_list,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_start_command) = {
    .name = "vm start",
    .usage = "NAME",
    .summary = "Starts a guest",
    .run = command_start,
    .complete = complete_name,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_stop_command) = {
    .name = "vm stop",
    .usage = "NAME",
    .summary = "Stops a guest at once",
    .help = "Stops a guest as if its power were cut. To let it shut down by itself, use its own "
            "console.",
    .run = command_stop,
    .complete = complete_name,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_console_command) = {
    .name = "vm console",
    .usage = "NAME",
    .summary = "Shows a guest's console; Ctrl-] returns",
    .help = "Shows what the guest has printed and is printing, and sends it what you type, until "
            "Ctrl-] is pressed. "
            "Works for a stopped guest too: its last output is kept.",
    .run = command_console,
    .complete = complete_name,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_stats_command) = {
    .name = "vm stats",
    .usage = "NAME",
    .summary = "Counts of a guest's exits, interrupts and memory",
    .run = command_stats,
    .complete = complete_name,
};
