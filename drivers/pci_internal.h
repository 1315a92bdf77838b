/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Between drivers/pci.c, which finds functions, and drivers/pci_function.c, which serves their
 * drivers. */
#ifndef DRIVERS_PCI_INTERNAL_H
#define DRIVERS_PCI_INTERNAL_H

#include "drivers/pci.h"

/* Configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2). */
#define PCI_PORT_ADDRESS(bus, slot, function, reg) \
    ((uint32_t)(bus) << 16 | (uint32_t)(slot) << 11 | (uint32_t)(function) << 8 | (reg))
uint32_t pci_port_read(uint32_t address);
void pci_port_write(uint32_t address, uint32_t value);

#endif
