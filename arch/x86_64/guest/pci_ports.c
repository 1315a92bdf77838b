/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * PCI as a q35 has it: the host bridge, configuration by ports CF8h and CFCh (PCI Local Bus 3.0,
 * 3.2.2.3.2), the reset control register in their midst at CF9h, and the LPC bridge at 00:1f.0,
 * whose registers say where the power management block is (Intel ICH9 data sheet, 13.1).
 */
#include "arch/x86_64/guest/machine.h"
#include "kernel/devices/pci.h"
#include "mm/heap.h"

#define PORTS           8
#define ADDRESS_OFFSET  0
#define RESET_OFFSET    1 /* of port CF9h */
#define DATA_OFFSET     4
#define ADDRESS_ENABLE  BIT(31)
#define ADDRESS_BITS    (ADDRESS_ENABLE | BITS(23, 2))
#define ADDRESS_BUS(a)  (((a) >> 16) & 0xff)
#define ADDRESS_SLOT(a) (((a) >> 8) & 0xff) /* device and function */
#define ADDRESS_REG(a)  ((a)&0xfc)
#define RESET_BITS      0x0e

#define VENDOR_INTEL       0x8086
#define DEVICE_HOST_BRIDGE 0x29c0
#define DEVICE_LPC         0x2918
#define CLASS_ISA_BRIDGE   0x060100
#define REVISION_LPC       2
#define SLOT_LPC           31
#define LPC_PMBASE         0x40
#define LPC_PMBASE_IO      1
#define LPC_ACPI_CONTROL   0x44
#define LPC_ACPI_ENABLE    0x80
#define LPC_PIRQ_A         0x60 /* to D, E to H at 0x68: ISA interrupts, which nothing here uses */
#define LPC_PIRQ_E         0x68
#define LPC_PIRQ_OFF       0x80
#define LPC_PIRQ_WRITABLE  0x8f

/* 64-bit BARs go above all RAM, aligned so that few page-table entries map them. */
#define WINDOW64_LEAST GIB(32)
#define WINDOW64_SIZE  GIB(32)

struct pci_ports {
    struct device device;
    uint32_t address; /* lockless: each vCPU's pair of accesses is its kernel's to serialize */
    uint8_t reset;
    struct guest_pci_function lpc;
};

static uint32_t config_address(const struct pci_ports *p, uint64_t offset)
{
    uint32_t a = READ_ONCE(p->address);

    return ADDRESS_BUS(a) << 20 | ADDRESS_SLOT(a) << 12 | ADDRESS_REG(a) |
           (uint32_t)(offset - DATA_OFFSET);
}

static uint64_t ports_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                           unsigned size)
{
    struct pci_ports *p = container_of(d, struct pci_ports, device);

    (void)vcpu, (void)region;
    if (offset == ADDRESS_OFFSET && size == 4)
        return READ_ONCE(p->address);
    if (offset == RESET_OFFSET && size == 1)
        return READ_ONCE(p->reset);
    if (offset < DATA_OFFSET || !(READ_ONCE(p->address) & ADDRESS_ENABLE))
        return UINT64_MAX;
    return pci_config_read(d->vm, config_address(p, offset), size);
}

static void ports_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                        unsigned size, uint64_t value)
{
    struct pci_ports *p = container_of(d, struct pci_ports, device);

    (void)vcpu, (void)region;
    if (offset == ADDRESS_OFFSET && size == 4) {
        WRITE_ONCE(p->address, (uint32_t)(value & ADDRESS_BITS));
    } else if (offset == RESET_OFFSET && size == 1) {
        WRITE_ONCE(p->reset, (uint8_t)(value & RESET_BITS));
        if ((value & RESET_VALUE) == RESET_VALUE)
            vm_reset(d->vm);
    } else if (offset >= DATA_OFFSET && (READ_ONCE(p->address) & ADDRESS_ENABLE)) {
        pci_config_write(d->vm, config_address(p, offset), size, value);
    }
}

static void ports_reset(struct device *d)
{
    struct pci_ports *p = container_of(d, struct pci_ports, device);

    p->address = 0;
    p->reset = 0;
    guest_pci_function_reset(&p->lpc);
}

static void ports_destroy(struct device *d)
{
    heap_free(container_of(d, struct pci_ports, device));
}

static enum err ports_loaded(void *object)
{
    struct pci_ports *p = object;

    if (p->address & ~ADDRESS_BITS)
        return ERR_INVALID;
    guest_pci_function_loaded(&p->lpc);
    return ERR_OK;
}

STATE_TABLE_HOOKS(ports_state, "PCI ports", 1, NULL, ports_loaded,
                  STATE_FIELD(struct pci_ports, address, 1),
                  STATE_FIELD(struct pci_ports, reset, 1),
                  PCI_FUNCTION_STATE(struct pci_ports, lpc));

static const struct device_ops ports_ops = {
    .name = "PCI ports",
    .read = ports_read,
    .write = ports_write,
    .reset = ports_reset,
    .destroy = ports_destroy,
    .lockless = true,
    .state = &ports_state,
    .state_offset = offsetof(struct pci_ports, device),
};

/* The block is where ACPI says, whatever is written here. */
static enum err lpc_add(struct vm *vm, struct guest_pci_function *lpc)
{
    guest_pci_function_init(lpc, NULL, VENDOR_INTEL, DEVICE_LPC, CLASS_ISA_BRIDGE, REVISION_LPC);
    lpc->config[LPC_PMBASE] = (PORT_PM_BASE & 0xff) | LPC_PMBASE_IO;
    lpc->config[LPC_PMBASE + 1] = PORT_PM_BASE >> 8;
    lpc->config[LPC_ACPI_CONTROL] = LPC_ACPI_ENABLE;
    for (unsigned i = 0; i < 4; i++) {
        lpc->config[LPC_PIRQ_A + i] = lpc->config[LPC_PIRQ_E + i] = LPC_PIRQ_OFF;
        lpc->config_writable[LPC_PIRQ_A + i] = LPC_PIRQ_WRITABLE;
        lpc->config_writable[LPC_PIRQ_E + i] = LPC_PIRQ_WRITABLE;
    }
    return guest_pci_function_add(vm, lpc, SLOT_LPC);
}

enum err x86_pci_create(struct vm *vm)
{
    struct x86_machine *m = x86_machine(vm);
    struct pci_host_layout layout = {.ecam = X86_ECAM,
                                     .buses = X86_ECAM_BUSES,
                                     .mmio32 = {X86_PCI_WINDOW, X86_PCI_WINDOW_SIZE},
                                     .bridge_vendor = VENDOR_INTEL,
                                     .bridge_device = DEVICE_HOST_BRIDGE,
                                     .pins = {16, 17, 18, 19}};
    struct pci_ports *p;
    enum err e;

    m->window64 = MAX(ALIGN_UP(X86_HIGH_RAM + m->high_ram, WINDOW64_SIZE), WINDOW64_LEAST);
    m->window64_size = WINDOW64_SIZE;
    layout.mmio64 = (struct pci_window){m->window64, m->window64_size};
    e = pci_host_create(vm, &layout);
    if (e != ERR_OK)
        return e;
    p = heap_zalloc(sizeof(*p));
    if (!p)
        return ERR_NO_MEMORY;
    device_init(&p->device, &ports_ops, vm);
    e = lpc_add(vm, &p->lpc);
    if (e != ERR_OK)
        return e;
    return bus_add(&vm->ports, &(struct bus_region){.base = PORT_PCI_CONFIG,
                                                    .size = PORTS,
                                                    .device = &p->device,
                                                    .min_size = 1,
                                                    .max_size = 4});
}
