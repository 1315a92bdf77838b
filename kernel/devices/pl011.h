/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A guest's PL011 serial port on its VM's guest console. */
#ifndef KERNEL_DEVICES_PL011_H
#define KERNEL_DEVICES_PL011_H

#include "kernel/vm.h"

#define PL011_SIZE 0x1000

/* Adds a port at `base` of `bus` with interrupt `pin`; owned by the VM's device list. */
enum err pl011_create(struct vm *vm, struct bus *bus, uint64_t base, unsigned pin) MUST_CHECK;

#endif
