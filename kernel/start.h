/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* From the loader's hand-over to the monitor. */
#ifndef KERNEL_START_H
#define KERNEL_START_H

#include "boot/boot_info.h"
#include "kernel/types.h"

/* Each host's kernel_entry calls this on the boot stack, interrupts masked; `info` is what the
 * loader handed over. */
NORETURN void kernel_main(struct boot_info *info);

/* What the loader handed over. Once page_release_loader() has run its `mem` and `files` point to
 * the kernel's own copies. */
const struct boot_info *boot_info_get(void);
/* Keeps a copy and returns it; panics when it is not what this kernel expects. Once, first thing.
 */
struct boot_info *boot_info_take(const struct boot_info *info);

#endif
