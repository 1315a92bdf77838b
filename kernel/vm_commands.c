/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor's commands about guests. */
#include <string.h>

#include "kernel/guest_console.h"
#include "kernel/vm_commands.h"
#include "kernel/vm_crash.h"
#include "virtio/balloon.h"

#define STOP_SECONDS     30
#define STOP_SECONDS_MAX 3600u

typedef unsigned long long ull;

const char *vm_state_name(const struct vm *vm)
{
    switch (vm->state) {
    case VM_STOPPED:
        return vm->failed ? "failed" : "stopped";
    case VM_STARTING:
        return "starting";
    case VM_RUNNING:
        return "running";
    case VM_PAUSED:
        return "paused";
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

void vm_complete(int index, void (*found)(const char *word, void *arg), void *arg)
{
    struct {
        void (*found)(const char *word, void *arg);
        void *arg;
    } to = {found, arg};

    if (index == 0)
        vm_for_each(complete_vm, &to);
}

struct vm *vm_argument(struct out *out, int argc, char **argv)
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

unsigned vm_cpu_share(struct vm *vm)
{
    uint64_t now = clock_ns(), ns = 0, gap = now - vm->cpu_since_ns;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        ns += thread_run_ns(vm->vcpus[i]->thread);
    unsigned share = gap >= 1000 ? (unsigned)((ns - MIN(ns, vm->cpu_ns)) / (gap / 1000)) : 0;
    vm->cpu_ns = ns;
    vm->cpu_since_ns = now;
    return share;
}

static void list_one(struct vm *vm, void *arg)
{
    struct out *out = arg;
    char share[16] = "-";
    struct out_buffer text;
    bool runs = false;

    if (mutex_trylock(&vm->lock)) { /* it is not being built or taken apart */
        runs = vm->state == VM_RUNNING || vm->state == VM_PAUSED;
        out_buffer_init(&text, share, sizeof(share));
        unsigned tenths = runs ? vm_cpu_share(vm) : 0;
        out_printf(&text.out, runs ? "%u.%u" : "-", tenths / 10, tenths % 10);
        mutex_unlock(&vm->lock);
    }
    out_printf(out, "%-20s %-9s %-8s %5llu %8llu M %6s  %s\n", vm->name, vm_state_name(vm),
               runs ? vm->engine->name : "-", (ull)vm->config->cpus,
               (ull)(vm->config->memory >> 20), share, vm->state == VM_STOPPED ? vm->reason : "");
}

static void command_list(struct out *out, int argc, char **argv)
{
    (void)argv;
    if (argc) {
        out_printf(out, "'vm list' takes no arguments.\n");
        return;
    }
    out_printf(out, "%-20s %-9s %-8s %5s %10s %6s\n", "NAME", "STATE", "ENGINE", "VCPUS", "MEMORY",
               "CPU %");
    vm_for_each(list_one, out);
}

static void command_start(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);
    char text[VM_REASON_SIZE];
    struct out_buffer reason;

    if (!vm)
        return;
    if (vm->state == VM_STOPPED)
        vm_crash_forget(vm);
    out_buffer_init(&reason, text, sizeof(text));
    if (vm_start(vm, &reason.out) == ERR_OK)
        out_printf(out, "%s runs on %s, %s; 'vm console %s' shows its console.\n", vm->name,
                   vm->engine->name, vm_engine_reason(vm, text, sizeof(text)), vm->name);
    else
        out_printf(out, "%s was not started: %s\n", vm->name, text);
}

static void cut_power(struct vm *vm, struct out *out)
{
    if (vm_stop(vm) == ERR_OK)
        out_printf(out, "%s is stopped.\n", vm->name);
    else
        out_printf(out, "%s is not running.\n", vm->name);
}

/* The last argument of "NAME [SECONDS]"; false after saying what is wrong. */
static bool seconds_argument(struct out *out, const char *text, uint64_t *seconds)
{
    uint64_t value = 0;

    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || value > STOP_SECONDS_MAX) {
            out_printf(out, "'%s' is no number of seconds between 0 and %u.\n", text,
                       STOP_SECONDS_MAX);
            return false;
        }
        value = value * 10 + (uint64_t)(*p - '0');
    }
    *seconds = MIN(value, (uint64_t)STOP_SECONDS_MAX);
    return true;
}

static void command_stop(struct out *out, int argc, char **argv)
{
    uint64_t seconds = STOP_SECONDS;
    struct vm *vm = vm_argument(out, argc == 2 ? 1 : argc, argv);

    if (!vm || (argc == 2 && !seconds_argument(out, argv[1], &seconds)))
        return;
    switch (vm_shutdown(vm, clock_ns() + seconds * NS_PER_SEC)) {
    case ERR_OK:
        out_printf(out, "%s shut down and is stopped.\n", vm->name);
        return;
    case ERR_TIMEOUT:
        out_printf(out,
                   "%s did not shut down within %llu s of its power button: cutting its "
                   "power.\n",
                   vm->name, (ull)seconds);
        break;
    case ERR_UNSUPPORTED:
        out_printf(out, "%s does not listen to a power button: cutting its power.\n", vm->name);
        break;
    default:
        break;
    }
    cut_power(vm, out);
}

static void command_destroy(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (vm)
        cut_power(vm, out);
}

static void command_reset(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    switch (vm_restart(vm)) {
    case ERR_OK:
        out_printf(out, "%s was reset and runs.\n", vm->name);
        return;
    case ERR_STATE:
        out_printf(out, "%s is not running.\n", vm->name);
        return;
    default:
        out_printf(out, "%s was reset and did not start again: %s\n", vm->name, vm->reason);
    }
}

static void command_pause(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    if (vm_pause(vm) == ERR_OK)
        out_printf(out, "%s is paused; 'vm resume %s' lets it go on.\n", vm->name, vm->name);
    else
        out_printf(out, "%s is not running.\n", vm->name);
}

static void command_resume(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    if (vm_resume(vm, (enum guest_time)vm->config->time) == ERR_OK)
        out_printf(out, "%s goes on.\n", vm->name);
    else
        out_printf(out, "%s is not paused.\n", vm->name);
}

static void command_console(struct out *out, int argc, char **argv)
{
    bool virtio = argc == 2 && strcmp(argv[1], "hvc0") == 0;
    struct vm *vm = vm_argument(out, virtio ? 1 : argc, argv);

    if (vm)
        guest_console_session(virtio ? vm->virtio_console : vm->console, vm->name);
}

static void not_running(struct out *out, const struct vm *vm)
{
    out_printf(out, "%s is not running%s%s\n", vm->name, vm->reason[0] ? ": " : ".", vm->reason);
}

/* ---- vm balloon ---- */

static void set_balloon(struct out *out, struct vm *vm, const char *text)
{
    uint64_t bytes;

    if (!config_read_size(text, &bytes)) {
        out_printf(out, "'%s' is no size: say for example 128M.\n", text);
        return;
    }
    switch (virtio_balloon_set(vm, bytes)) {
    case ERR_OK:
        out_printf(out,
                   "%s is asked to go on with %llu MiB; 'vm balloon %s' shows how far it is.\n",
                   vm->name, (ull)(bytes >> 20), vm->name);
        return;
    case ERR_RANGE:
        out_printf(out, "%s has %llu MiB: choose at most that.\n", vm->name,
                   (ull)(vm->config->memory >> 20));
        return;
    default:
        out_printf(out, "%s has no driver for its memory balloon: load virtio_balloon in it.\n",
                   vm->name);
    }
}

static void command_balloon(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc == 2 ? 1 : argc, argv);

    if (!vm)
        return;
    mutex_lock(&vm->lock);
    if (vm->state != VM_RUNNING)
        not_running(out, vm);
    else if (argc == 2)
        set_balloon(out, vm, argv[1]);
    else
        virtio_balloon_print(vm, out);
    mutex_unlock(&vm->lock);
}

/* ---- vm stats ---- */

static void command_stats(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    mutex_lock(&vm->lock); /* keeps the manager from taking it apart */
    if (vm->vcpus) {
        vm_print_stats(vm, out);
    } else {
        not_running(out, vm);
        if (vm->last->valid)
            out_write(out, vm->last->stats, strlen(vm->last->stats));
    }
    mutex_unlock(&vm->lock);
}

/* ---- vm info ---- */

static void info_regions(struct out *out, const struct bus *bus, const char *kind, int digits)
{
    for (unsigned i = 0; i < bus->count; i++) {
        const struct bus_region *r = &bus->regions[i];

        out_printf(out, "  %s %0*llx to %0*llx: %s\n", kind, digits, (ull)r->base, digits,
                   (ull)(r->base + r->size - 1), r->device->ops->name);
    }
}

const char *vcpu_doing(const struct vm *vm, const struct vcpu *v)
{
    if (!v->running)
        return "waits for start-up";
    if (vm->state == VM_PAUSED)
        return "paused";
    return v->thread->state == THREAD_SLEEPING ? "idle" : "running";
}

static void info_running(struct out *out, struct vm *vm)
{
    uint64_t ms = guest_clock_ns(&vm->clock) / NS_PER_MS;
    char text[VM_REASON_SIZE];

    out_printf(out, "engine %s, %s\n", vm->engine->name, vm_engine_reason(vm, text, sizeof(text)));
    out_printf(out, "its clock: %llu.%03llu s since it was switched on\n", (ull)(ms / 1000),
               (ull)(ms % 1000));
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        out_printf(out, "vCPU %u: %s, last exit %s\n", i, vcpu_doing(vm, v),
                   exit_kind_name(v->stats.last_exit));
        if (vm->state == VM_PAUSED)
            vm->isa->print(v, out);
    }
    virtio_balloon_print(vm, out);
    out_printf(out, "devices:\n");
    info_regions(out, &vm->mmio, "memory", 8);
    info_regions(out, &vm->ports, "ports", 4);
    if (vm->state == VM_RUNNING)
        out_printf(out, "'vm pause %s' shows its registers here.\n", vm->name);
}

static void info_last(struct out *out, const struct vm *vm)
{
    const struct vm_last *last = vm->last;

    if (vm->reason[0])
        out_printf(out, "%s: %s\n", vm->failed ? "it failed" : "reason", vm->reason);
    if (!last->valid)
        return;
    out_printf(out, "when it stopped: vCPU %u, last exit %s, PC 0x%llx\n", last->vcpu,
               exit_kind_name(last->exit), (ull)last->pc);
    out_write(out, last->registers, strlen(last->registers));
}

static void command_info(struct out *out, int argc, char **argv)
{
    struct vm *vm = vm_argument(out, argc, argv);

    if (!vm)
        return;
    const struct config_vm *c = vm->config;
    mutex_lock(&vm->lock);
    out_printf(out, "%s: %s; %llu vCPU%s of weight %llu, %llu MiB of memory\n", vm->name,
               vm_state_name(vm), (ull)c->cpus, c->cpus == 1 ? "" : "s", (ull)c->weight,
               (ull)(c->memory >> 20));
    out_printf(out, "kernel %s; initrd %s\n", c->kernel && *c->kernel ? c->kernel : "none",
               c->initrd && *c->initrd ? c->initrd : "none");
    out_printf(out, "cmdline ");
    out_write(out, c->cmdline, strlen(c->cmdline));
    out_printf(out, "\n");
    if (vm->vcpus)
        info_running(out, vm);
    else
        info_last(out, vm);
    mutex_unlock(&vm->lock);
}

/* ---- The table ---- */

TABLE_ENTRY(monitor_commands, struct monitor_command, vm_list) = {
    .name = "vm list",
    .usage = "",
    .summary = "Lists the guests",
    .run = command_list,
    .json = vm_json_list,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_start_command) = {
    .name = "vm start",
    .usage = "NAME",
    .summary = "Starts a guest",
    .run = command_start,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_stop_command) = {
    .name = "vm stop",
    .usage = "NAME [SECONDS]",
    .summary = "Shuts a guest down",
    .help = "Presses the guest's power button and waits for it to shut down, 30 seconds unless "
            "you say otherwise; then its power is cut. A guest that has no power button, or does "
            "not listen to it, loses its power at once.",
    .run = command_stop,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_console_command) = {
    .name = "vm console",
    .usage = "NAME",
    .summary = "Shows a guest's console; Ctrl-] returns",
    .help = "Shows what the guest has printed and is printing, and sends it what you type, until "
            "Ctrl-] is pressed. "
            "Works for a stopped guest too: its last output is kept.",
    .run = command_console,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_stats_command) = {
    .name = "vm stats",
    .usage = "NAME",
    .summary = "Counts of a guest's exits, interrupts and memory",
    .run = command_stats,
    .json = vm_json_stats,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_destroy_command) = {
    .name = "vm destroy",
    .usage = "NAME",
    .summary = "Cuts a guest's power at once",
    .run = command_destroy,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_reset_command) = {
    .name = "vm reset",
    .usage = "NAME",
    .summary = "Starts a guest anew, as by its reset button",
    .run = command_reset,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_pause_command) = {
    .name = "vm pause",
    .usage = "NAME",
    .summary = "Holds a guest still",
    .help = "Stops all virtual CPUs of the guest; its memory and its clock stay as they are. 'vm "
            "info' shows its registers then, 'vm resume' lets it go on.",
    .run = command_pause,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_resume_command) = {
    .name = "vm resume",
    .usage = "NAME",
    .summary = "Lets a paused guest go on",
    .help = "The guest's clock continues where it stood, or jumps over the pause when its section "
            "in ennead.ini says time = catch-up.",
    .run = command_resume,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_balloon_command) = {
    .name = "vm balloon",
    .usage = "NAME [SIZE]",
    .summary = "Takes memory from a running guest, or gives it back",
    .help = "Asks the guest to go on with SIZE of its memory (such as 128M) and to give the rest "
            "to the host; a larger size, up to what its section says, gives memory back to it. "
            "Without a size it shows how far the guest is, and how it uses its memory.",
    .run = command_balloon,
    .complete = vm_complete,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, vm_info_command) = {
    .name = "vm info",
    .usage = "NAME",
    .summary = "Shows what a guest is: devices, state, and why it stopped",
    .help = "For a paused guest it shows the registers of its virtual CPUs; for a stopped one, why "
            "it stopped and the registers then.",
    .run = command_info,
    .json = vm_json_info,
    .complete = vm_complete,
};
