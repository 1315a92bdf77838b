/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Entries into a guest that the hardware must refuse, on purpose: monitor command of debug builds.
 */
#if DEBUG
#include <stdlib.h>
#include "kernel/monitor.h"
#include "kernel/vcpu.h"

static const char *break_entry(struct vm *vm, unsigned kind)
{
    const char *what = NULL;

    mutex_lock(&vm->lock);
    if (vm->state == VM_RUNNING && vm->engine->break_entry)
        what = vm->engine->break_entry(vm->vcpus[0], kind);
    mutex_unlock(&vm->lock);
    return what;
}

static void command_break(struct out *out, int argc, char **argv)
{
    struct vm *vm = argc == 2 ? vm_find(argv[0]) : NULL;
    const char *what = vm ? break_entry(vm, (unsigned)strtoul(argv[1], NULL, 10)) : NULL;

    if (what)
        out_printf(out, "illegal from now on: %s\n", what);
    else
        out_printf(out,
                   "Give a running guest and a number; past the last one this is all it says.\n");
}

TABLE_ENTRY(monitor_commands, struct monitor_command, vm_break_command) = {
    .name = "vm break",
    .usage = "NAME NUMBER",
    .summary = "Makes a guest's entries illegal on purpose (debug builds)",
    .run = command_break,
};

#endif
