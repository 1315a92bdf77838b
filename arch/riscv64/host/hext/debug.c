/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Debug builds only: the monitor command `entry-fault` makes the CPU refuse a guest's entry, so
 * that tests see how that is reported. */
#include "hext.h"
#include "kernel/monitor.h"

#if DEBUG

static void break_hgatp(struct out *out, struct vm *vm)
{
    struct hext_vcpu *h = NULL;

    mutex_lock(&vm->lock);
    if (vm->state == VM_RUNNING)
        h = vm->vcpus[0]->engine_data;
    if (h)
        WRITE_ONCE(h->break_hgatp, true);
    mutex_unlock(&vm->lock);
    out_printf(out,
               h ? "%s gets a reserved mode in hgatp when it is next switched to\n"
                 : "%s does not run\n",
               vm->name);
}

static void run_entry_fault(struct out *out, int argc, char **argv)
{
    struct vm *vm = argc == 1 ? vm_find(argv[0]) : NULL;

    if (vm)
        break_hgatp(out, vm);
    else
        out_printf(out, "usage: entry-fault NAME\n");
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_entry_fault) = {
    .name = "entry-fault",
    .usage = "NAME",
    .summary = "Makes the CPU refuse a guest's entry, to see the report (debug builds)",
    .run = run_entry_fault,
};

#endif
