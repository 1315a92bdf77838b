/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Configuration space of guests' PCI functions, between pci.c and pci_msix.c. */
#ifndef KERNEL_DEVICES_PCI_INTERNAL_H
#define KERNEL_DEVICES_PCI_INTERNAL_H

#include "kernel/devices/pci.h"

/* The header (PCI Local Bus 3.0, 6.1 and 6.2). */
#define PCI_CONFIG_VENDOR           0x00
#define PCI_CONFIG_DEVICE           0x02
#define PCI_CONFIG_COMMAND          0x04
#define PCI_CONFIG_STATUS           0x06
#define PCI_CONFIG_REVISION         0x08 /* and class code above it */
#define PCI_CONFIG_CACHE_LINE       0x0c
#define PCI_CONFIG_BAR(n)           (0x10 + 4 * (n))
#define PCI_CONFIG_SUBSYSTEM_VENDOR 0x2c
#define PCI_CONFIG_SUBSYSTEM        0x2e
#define PCI_CONFIG_CAPABILITIES     0x34
#define PCI_CONFIG_LINE             0x3c
#define PCI_CONFIG_PIN              0x3d
#define PCI_CONFIG_HEADER_SIZE      0x40

#define PCI_COMMAND_MEMORY       0x0002u
#define PCI_COMMAND_MASTER       0x0004u
#define PCI_COMMAND_INTX_DISABLE 0x0400u

#define PCI_STATUS_INTERRUPT    0x08u /* low byte */
#define PCI_STATUS_CAPABILITIES 0x10u

#define PCI_BAR_FLAGS        0xfu
#define PCI_BAR_64BIT        0x4u
#define PCI_BAR_PREFETCHABLE 0x8u

#define PCI_PIN_A             1
#define PCI_CLASS_HOST_BRIDGE 0x060000u

/* MSI-X (PCI Local Bus 3.0, 6.8.2). */
#define PCI_CAPABILITY_MSIX      0x11
#define PCI_MSIX_CAPABILITY_SIZE 12
#define PCI_MSIX_CONTROL         2 /* offsets in the capability */
#define PCI_MSIX_TABLE           4
#define PCI_MSIX_PENDING         8
#define PCI_MSIX_ENABLE          0x8000u
#define PCI_MSIX_FUNCTION_MASK   0x4000u

uint64_t pci_msix_read(struct guest_pci_function *f, uint64_t offset, unsigned size);
void pci_msix_write(struct guest_pci_function *f, uint64_t offset, unsigned size, uint64_t value);
/* After a change of f->msix_control: sends what is pending and may go now. No lock held. */
void pci_msix_update(struct guest_pci_function *f);
void pci_msix_power_on(struct guest_pci_function *f);

#endif
