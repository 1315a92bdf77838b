/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* When the hypervisor itself is broken: report on every console, stop the other CPUs, then halt or
 * reboot as configured. */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include "kernel/host.h"

NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A trap that the kernel cannot continue from: `what` in plain words ("page fault: write to 0x10,
 * page not present"). Registers, symbolised backtrace, last log lines. */
NORETURN void panic_trap(const struct host_trap_frame *frame, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* For HOST_IPI_HALT: another CPU reports. */
NORETURN void panic_stop_this_cpu(void);

#define ASSERT(cond)                                                         \
    do {                                                                     \
        if (unlikely(!(cond)))                                               \
            panic("assertion failed: %s, %s:%d", #cond, __FILE__, __LINE__); \
    } while (0)

#endif
