/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Start-up hooks of modules: INIT(level, fn) has kernel_main() call fn() when that level is
 * reached, in thread context, interrupts on, all CPUs up. */
#ifndef KERNEL_INIT_H
#define KERNEL_INIT_H

#include "kernel/table.h"

enum init_level {
    INIT_LEVEL_DEVICES, /* host devices: PCI, disks, NICs */
    INIT_LEVEL_REPORT,  /* what was found, in the log */
    INIT_LEVEL_VM,      /* engines and guests */
    INIT_LEVEL_LATE,
    INIT_LEVEL_COUNT
};

struct init_hook {
    enum init_level level;
    void (*fn)(void);
};
TABLE_DECLARE(init_hooks, struct init_hook);

#define INIT(level_, fn_) TABLE_ENTRY(init_hooks, struct init_hook, init_##fn_) = {(level_), (fn_)}

#endif
