/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * PCI functions of the host, found through ECAM (ACPI MCFG, device tree pci-host-ecam-generic) or,
 * on machines with ports and no such table, configuration mechanism 1. A driver is one table entry:
 * TABLE_ENTRY(pci_drivers, struct pci_driver, name). Resources are those that the firmware gave.
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "kernel/irq.h"
#include "kernel/table.h"

struct pci_function {
    uint16_t segment;
    uint8_t bus, slot, function;
    uint8_t base_class, subclass, interface; /* PCI Code and ID Assignment Specification 1.11 */
    uint16_t vendor, device;
    bool incoherent;                /* the device tree does not say that its DMA is coherent */
    hpa_t config;                   /* its 4 KiB of configuration space; 0: by ports */
    volatile uint8_t *config_space; /* the same, mapped at first use by its driver */
    const char *driver;             /* the name of its driver, or NULL */
    struct pci_function *next;
};

struct pci_driver {
    const char *name;
    uint8_t base_class, subclass, interface; /* what it drives */
    /* Thread context at start-up. True: the function is this driver's from now on. */
    bool (*start)(struct pci_function *f);
};
TABLE_DECLARE(pci_drivers, struct pci_driver);

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

/* ---- For a function's driver ---- */

/* Registers of the common header (PCI Express Base Specification 6.0, 7.5.1) and their bits. */
#define PCI_REG_COMMAND     0x04
#define PCI_COMMAND_MEMORY  BIT(1)
#define PCI_COMMAND_MASTER  BIT(2)
#define PCI_COMMAND_NO_INTX BIT(10)

/* A register of configuration space, `reg` a multiple of 4 below 4096 (by ports: below 256). Reads
 * all ones when it cannot be reached. One thread at a time for each function. */
uint32_t pci_read32(struct pci_function *f, unsigned reg);
void pci_write32(struct pci_function *f, unsigned reg, uint32_t value);
/* Offset of capability `id` (7.5.3), 0: the function has none. */
unsigned pci_capability(struct pci_function *f, unsigned id);
/* Where memory BAR `index` is and its size in bytes. ERR_NOT_FOUND: no memory there, or the
 * firmware gave it no address. Decoding is off for a moment. */
enum err pci_bar(struct pci_function *f, unsigned index, hpa_t *address, uint64_t *size) MUST_CHECK;
/* Sets and clears bits of the command register. */
void pci_command(struct pci_function *f, uint32_t set, uint32_t clear);
/* Has the function's first message (MSI-X or MSI) call `handler`. ERR_UNSUPPORTED: the function or
 * the machine has none: poll it. */
enum err pci_message(struct pci_function *f, void (*handler)(void *arg), void *arg,
                     const char *name) MUST_CHECK;

#endif
