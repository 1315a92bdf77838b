/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * PCI functions of the host, found through ECAM (ACPI MCFG, device tree pci-host-ecam-generic) or,
 * on machines with ports and no such table, configuration mechanism 1. For now they are listed
 * only: no driver uses one yet.
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "kernel/types.h"

struct pci_function {
    uint16_t segment;
    uint8_t bus, slot, function;
    uint8_t base_class, subclass, interface; /* PCI Code and ID Assignment Specification 1.11 */
    uint16_t vendor, device;
    struct pci_function *next;
};

enum pci_class {
    PCI_CLASS_STORAGE = 0x01,
    PCI_CLASS_NETWORK = 0x02,
    PCI_CLASS_DISPLAY = 0x03,
    PCI_CLASS_BRIDGE = 0x06,
    PCI_CLASS_SERIAL_BUS = 0x0c,
};

/* Calls `fn` for each function found, in order of address. */
void pci_for_each(void (*fn)(const struct pci_function *f, void *arg), void *arg);
/* "NVMe disk controller", "Ethernet controller"; never NULL. */
const char *pci_class_name(const struct pci_function *f);
/* How configuration space is reached: "ECAM by ACPI's MCFG". Never NULL. */
const char *pci_access_name(void);

#endif
