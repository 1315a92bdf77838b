/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the core and the hosts call of drivers/, beside each driver's own header. */
#ifndef DRIVERS_DRIVERS_H
#define DRIVERS_DRIVERS_H

#include "kernel/types.h"

struct boot_info;

/* Finds the serial console (ACPI SPCR or DBG2, device tree /chosen stdout-path, legacy COM1 on
 * machines with ports, SBI debug console) and adds it, polled output only. */
void serial_init(const struct boot_info *info);
/* Turns on receive interrupts, once interrupts and threads work. Falls back to polling by timer,
 * and says so. */
void serial_input_init(void);
/* The frame buffer as a text console. Logs why when there is none. */
void screen_init(const struct boot_info *info);

#endif
