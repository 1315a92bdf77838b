/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What drivers do with a PCI function: configuration registers, BARs, messages. Sections are those
 * of the PCI Express Base Specification 6.0. What hardware says is checked. */
#include "drivers/pci_internal.h"
#include "mm/kernel_map.h"

#define CONFIG_SIZE      4096u
#define CONFIG_SIZE_PORT 256u
#define STATUS_CAPS      BIT(20) /* 7.5.1.1.4, in the register of the command */
#define REG_BAR          0x10
#define REG_CAPABILITIES 0x34
#define BARS             6u
#define CAPABILITIES_MAX 48u /* that fit; a loop ends here */

/* 7.5.1.2.1 */
#define BAR_PORTS   BIT(0)
#define BAR_TYPE(v) ((v) >> 1 & 3)
#define BAR_TYPE_64 2u
#define BAR_MEMORY  0xfffffff0u

/* 7.7.1, MSI */
#define CAP_MSI      0x05
#define MSI_ENABLE   BIT(16)
#define MSI_MULTIPLE BITS(22, 20)
#define MSI_64       BIT(23)
#define MSI_ADDRESS  4
#define MSI_DATA_32  8
#define MSI_DATA_64  12

/* 7.7.2, MSI-X */
#define CAP_MSIX        0x11
#define MSIX_ENABLE     BIT(31)
#define MSIX_MASK_ALL   BIT(30)
#define MSIX_TABLE      4
#define MSIX_BIR(v)     ((v)&7)
#define MSIX_OFFSET(v)  ((v) & ~7u)
#define MSIX_ENTRY_SIZE 16
#define MSIX_ENTRY_DATA 8
#define MSIX_ENTRY_MASK 12

static volatile uint8_t *config_space(struct pci_function *f)
{
    if (!f->config_space)
        f->config_space = kernel_map_device(f->config, CONFIG_SIZE, PT_READ | PT_WRITE | PT_DEVICE);
    return f->config_space;
}

uint32_t pci_read32(struct pci_function *f, unsigned reg)
{
    if (!f->config.v)
        return reg < CONFIG_SIZE_PORT
                   ? pci_port_read(PCI_PORT_ADDRESS(f->bus, f->slot, f->function, reg))
                   : UINT32_MAX;
    return reg < CONFIG_SIZE && config_space(f) ? mmio_read32(f->config_space + reg) : UINT32_MAX;
}

void pci_write32(struct pci_function *f, unsigned reg, uint32_t value)
{
    if (!f->config.v && reg < CONFIG_SIZE_PORT)
        pci_port_write(PCI_PORT_ADDRESS(f->bus, f->slot, f->function, reg), value);
    else if (f->config.v && reg < CONFIG_SIZE && config_space(f))
        mmio_write32(f->config_space + reg, value);
}

void pci_command(struct pci_function *f, uint32_t set, uint32_t clear)
{
    /* Status bits are cleared by ones: the upper half is written as zeroes. */
    uint32_t command = pci_read32(f, PCI_REG_COMMAND) & 0xffff;

    pci_write32(f, PCI_REG_COMMAND, (command & ~clear) | set);
}

unsigned pci_capability(struct pci_function *f, unsigned id)
{
    unsigned at =
        pci_read32(f, PCI_REG_COMMAND) & STATUS_CAPS ? pci_read32(f, REG_CAPABILITIES) & 0xfc : 0;

    for (unsigned i = 0; at >= 0x40 && i < CAPABILITIES_MAX; i++) {
        uint32_t head = pci_read32(f, at);

        if ((head & 0xff) == id)
            return at;
        at = head >> 8 & 0xfc;
    }
    return 0;
}

/* What of a BAR's bits the function takes, with all ones written to it. */
static uint32_t bar_probe(struct pci_function *f, unsigned reg)
{
    uint32_t old = pci_read32(f, reg);

    pci_write32(f, reg, UINT32_MAX);
    uint32_t mask = pci_read32(f, reg);
    pci_write32(f, reg, old);
    return mask;
}

enum err pci_bar(struct pci_function *f, unsigned index, hpa_t *address, uint64_t *size)
{
    unsigned reg = REG_BAR + 4 * index;
    uint32_t low = index < BARS ? pci_read32(f, reg) : BAR_PORTS;
    bool wide = BAR_TYPE(low) == BAR_TYPE_64;

    if (low & BAR_PORTS || (wide && index + 1 == BARS))
        return ERR_NOT_FOUND;
    uint32_t command = pci_read32(f, PCI_REG_COMMAND) & 0xffff;
    pci_command(f, 0, PCI_COMMAND_MEMORY);
    uint64_t mask = bar_probe(f, reg) & BAR_MEMORY;
    mask |= (uint64_t)(wide ? bar_probe(f, reg + 4) : UINT32_MAX) << 32;
    pci_write32(f, PCI_REG_COMMAND, command);
    *address = HPA((low & BAR_MEMORY) | (uint64_t)(wide ? pci_read32(f, reg + 4) : 0) << 32);
    *size = ~mask + 1;
    return address->v && *size && !(*size & (*size - 1)) && address->v + *size > address->v
               ? ERR_OK
               : ERR_NOT_FOUND;
}

/* ---- Messages ---- */

static enum err msix_set(struct pci_function *f, unsigned cap, const struct host_message *m)
{
    uint32_t where = pci_read32(f, cap + MSIX_TABLE), control = pci_read32(f, cap);
    hpa_t bar;
    uint64_t size;
    enum err e = pci_bar(f, MSIX_BIR(where), &bar, &size);

    if (e)
        return e;
    if (MSIX_OFFSET(where) > size || size - MSIX_OFFSET(where) < MSIX_ENTRY_SIZE)
        return ERR_RANGE;
    uint8_t *entry = kernel_map_device(HPA(bar.v + MSIX_OFFSET(where)), MSIX_ENTRY_SIZE,
                                       PT_READ | PT_WRITE | PT_DEVICE);
    if (!entry)
        return ERR_NO_MEMORY;
    pci_command(f, PCI_COMMAND_MEMORY, 0);
    pci_write32(f, cap, control | (uint32_t)(MSIX_ENABLE | MSIX_MASK_ALL));
    mmio_write32(entry, (uint32_t)m->address);
    mmio_write32(entry + 4, (uint32_t)(m->address >> 32));
    mmio_write32(entry + MSIX_ENTRY_DATA, m->data);
    mmio_write32(entry + MSIX_ENTRY_MASK, 0);
    pci_write32(f, cap, (control | (uint32_t)MSIX_ENABLE) & ~(uint32_t)MSIX_MASK_ALL);
    kernel_unmap_device(entry, MSIX_ENTRY_SIZE);
    return ERR_OK;
}

static enum err msi_set(struct pci_function *f, unsigned cap, const struct host_message *m)
{
    uint32_t control = pci_read32(f, cap);

    if (m->address >> 32 && !(control & MSI_64))
        return ERR_UNSUPPORTED;
    pci_write32(f, cap + MSI_ADDRESS, (uint32_t)m->address);
    if (control & MSI_64)
        pci_write32(f, cap + MSI_ADDRESS + 4, (uint32_t)(m->address >> 32));
    pci_write32(f, cap + (control & MSI_64 ? MSI_DATA_64 : MSI_DATA_32), m->data);
    pci_write32(f, cap, (control & ~(uint32_t)MSI_MULTIPLE) | (uint32_t)MSI_ENABLE);
    return ERR_OK;
}

enum err pci_message(struct pci_function *f, void (*handler)(void *arg), void *arg,
                     const char *name)
{
    unsigned msix = pci_capability(f, CAP_MSIX), msi = pci_capability(f, CAP_MSI);
    struct host_message m;

    if (!msix && !msi)
        return ERR_UNSUPPORTED;
    enum err e = irq_register_message(handler, arg, name, &m);
    if (e)
        return e;
    pci_command(f, PCI_COMMAND_NO_INTX, 0);
    return msix ? msix_set(f, msix, &m) : msi_set(f, msi, &m);
}
