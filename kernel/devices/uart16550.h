/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A guest's 16550A serial port, behind ports or MMIO, on its VM's guest console. */
#ifndef KERNEL_DEVICES_UART16550_H
#define KERNEL_DEVICES_UART16550_H

#include "kernel/vm.h"

#define UART16550_CLOCK_HZ  1843200
#define UART16550_REGISTERS 8

/* Adds a port at `base` of `bus` (registers one byte apart) with interrupt `pin`; owned by the VM's
 * device list. */
enum err uart16550_create(struct vm *vm, struct bus *bus, uint64_t base, unsigned pin) MUST_CHECK;

#endif
