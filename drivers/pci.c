/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Finds the host's PCI functions: see drivers/pci.h. Sections are those of the PCI Express Base
 * Specification 6.0. */
#include "drivers/pci.h"

#include "drivers/acpi.h"
#include "drivers/fdt.h"
#include "drivers/pci_internal.h"
#include "kernel/init.h"
#include "kernel/lock.h"
#include "kernel/monitor.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"

#define BUSES          256u
#define SLOTS          32u
#define FUNCTIONS      8u
#define FUNCTIONS_MAX  1024u  /* a bound on what hostile hardware may make us keep */
#define ECAM_BUS_SIZE  MIB(1) /* 7.2.2: 4 KiB a function */
#define ECAM_BUS_SHIFT 20

/* 7.5.1, the common header. */
#define REG_ID          0x00
#define REG_CLASS       0x08
#define REG_HEADER      0x0c
#define REG_BUSES       0x18 /* bridges: primary, secondary, subordinate bus */
#define ID_NONE         0xffffffffu
#define HEADER_BRIDGE   1u
#define HEADER_TYPE(v)  ((v) >> 16 & 0x7f)
#define HEADER_MULTI(v) ((v) >> 23 & 1)

/* PCI Local Bus Specification 3.0, 3.2.2.3.2. */
#define PORT_ADDRESS 0xcf8
#define PORT_DATA    0xcfc
#define PORT_ENABLE  (1u << 31)

struct root {
    bool ports, incoherent;
    hpa_t ecam; /* of bus first_bus */
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

struct walk {
    const struct root *root;
    uint8_t pending[BUSES]; /* buses still to look at */
    unsigned pending_count;
    uint64_t seen[BUSES / 64];
};

static struct {
    struct pci_function *first, **last;
    unsigned count;
    const char *access;
} pci = {.last = &pci.first, .access = "none found"};

/* ---- Configuration space ---- */

struct bus {
    const struct root *root;
    uint8_t number;
    const volatile uint8_t *ecam; /* of this bus; NULL: ports */
};

LOCK_CLASS(port_class, "PCI configuration ports", RANK_IRQ_CHIP);
static struct spinlock port_lock = SPINLOCK_INIT(&port_class);

uint32_t pci_port_read(uint32_t address)
{
    uint64_t flags = spin_lock_irq(&port_lock);

    host_port_write32(PORT_ADDRESS, PORT_ENABLE | address);
    uint32_t value = host_port_read32(PORT_DATA);
    spin_unlock_irq(&port_lock, flags);
    return value;
}

void pci_port_write(uint32_t address, uint32_t value)
{
    uint64_t flags = spin_lock_irq(&port_lock);

    host_port_write32(PORT_ADDRESS, PORT_ENABLE | address);
    host_port_write32(PORT_DATA, value);
    spin_unlock_irq(&port_lock, flags);
}

static uint32_t read32(const struct bus *b, unsigned slot, unsigned function, unsigned reg)
{
    if (b->ecam)
        return mmio_read32(b->ecam + (slot << 15 | function << 12 | reg));
    return pci_port_read(PCI_PORT_ADDRESS(b->number, slot, function, reg));
}

/* ---- The walk ---- */

static void add_bus(struct walk *w, unsigned number)
{
    if (number < w->root->first_bus || number > w->root->last_bus ||
        w->seen[number / 64] & BIT(number % 64))
        return;
    w->seen[number / 64] |= BIT(number % 64);
    w->pending[w->pending_count++] = (uint8_t)number;
}

static void keep(const struct bus *b, unsigned slot, unsigned function, uint32_t id, uint32_t class)
{
    struct pci_function *f = pci.count < FUNCTIONS_MAX ? heap_zalloc(sizeof(*f)) : NULL;
    if (!f)
        return;
    *f = (struct pci_function){
        .segment = b->root->segment,
        .bus = b->number,
        .slot = (uint8_t)slot,
        .function = (uint8_t)function,
        .base_class = (uint8_t)(class >> 24),
        .subclass = (uint8_t)(class >> 16),
        .interface = (uint8_t)(class >> 8),
        .vendor = (uint16_t)id,
        .device = (uint16_t)(id >> 16),
        .incoherent = b->root->incoherent,
    };
    if (!b->root->ports)
        f->config =
            HPA(b->root->ecam.v + ((uint64_t)(b->number - b->root->first_bus) << ECAM_BUS_SHIFT) +
                (slot << 15 | function << 12));
    *pci.last = f;
    pci.last = &f->next;
    pci.count++;
}

/* Looks at one function; true when its device has more of them. */
static bool look_at(struct walk *w, const struct bus *b, unsigned slot, unsigned function)
{
    uint32_t id = read32(b, slot, function, REG_ID);
    if (id == ID_NONE || (id & 0xffff) == 0)
        return false;
    uint32_t header = read32(b, slot, function, REG_HEADER);
    keep(b, slot, function, id, read32(b, slot, function, REG_CLASS));
    if (HEADER_TYPE(header) == HEADER_BRIDGE)
        add_bus(w, read32(b, slot, function, REG_BUSES) >> 8 & 0xff);
    return HEADER_MULTI(header);
}

static void walk_bus(struct walk *w, uint8_t number)
{
    struct bus b = {.root = w->root, .number = number};
    void *mapped = NULL;
    if (!w->root->ports) {
        hpa_t at =
            HPA(w->root->ecam.v + ((uint64_t)(number - w->root->first_bus) << ECAM_BUS_SHIFT));
        mapped = kernel_map_device(at, ECAM_BUS_SIZE, PT_READ | PT_WRITE | PT_DEVICE);
        if (!mapped)
            return;
        b.ecam = mapped;
    }
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (look_at(w, &b, slot, 0))
            for (unsigned function = 1; function < FUNCTIONS; function++)
                look_at(w, &b, slot, function);
    if (mapped)
        kernel_unmap_device(mapped, ECAM_BUS_SIZE);
}

static void walk_root(const struct root *root)
{
    struct walk w = {.root = root};
    add_bus(&w, root->first_bus);
    while (w.pending_count)
        walk_bus(&w, w.pending[--w.pending_count]);
}

/* ---- Finding the roots ---- */

static bool walk_mcfg(void)
{
    const struct acpi_mcfg *mcfg = ACPI_FIND(struct acpi_mcfg, "MCFG");
    if (!mcfg)
        return false;
    size_t count = (mcfg->header.length - sizeof(*mcfg)) / sizeof(mcfg->entries[0]);
    pci.access = "memory-mapped by ACPI's MCFG";
    for (size_t i = 0; i < count; i++) {
        const struct acpi_mcfg_entry *e = &mcfg->entries[i];
        struct root root = {
            .segment = e->segment, .first_bus = e->first_bus, .last_bus = e->last_bus};
        root.ecam = HPA(e->address + ((uint64_t)e->first_bus << ECAM_BUS_SHIFT));
        if (e->first_bus <= e->last_bus && e->address)
            walk_root(&root);
    }
    return true;
}

static bool walk_fdt(void)
{
    bool found = false;
    for (int node = fdt_next_compatible(-1, "pci-host-ecam-generic"); node >= 0;
         node = fdt_next_compatible(node, "pci-host-ecam-generic")) {
        struct root root = {.segment = (uint16_t)fdt_u32(node, "linux,pci-domain", 0)};
        uint32_t first = 0, last = BUSES - 1;
        uint64_t size;
        if (fdt_cell(node, "bus-range", 0, &first))
            (void)fdt_cell(node, "bus-range", 1, &last);
        if (fdt_reg(node, 0, &root.ecam, &size) || size < ECAM_BUS_SIZE || first > last ||
            last >= BUSES)
            continue;
        root.incoherent = HOST_DMA_NEEDS_PROPERTY && !fdt_has(node, "dma-coherent");
        root.first_bus = (uint8_t)first;
        root.last_bus = (uint8_t)MIN((uint64_t)last, first + size / ECAM_BUS_SIZE - 1);
        pci.access = "memory-mapped by the device tree";
        walk_root(&root);
        found = true;
    }
    return found;
}

static void walk_ports(void)
{
    static const struct root root = {.ports = true, .last_bus = BUSES - 1};
    if (!HOST_HAS_PORTS)
        return;
    host_port_write32(PORT_ADDRESS, PORT_ENABLE);
    if (host_port_read32(PORT_ADDRESS) != PORT_ENABLE)
        return;
    pci.access = "ports 0xcf8 and 0xcfc";
    walk_root(&root);
}

static void start_driver(struct pci_function *f)
{
    TABLE_FOR_EACH(pci_drivers, struct pci_driver, d)
    {
        if (d->base_class != f->base_class || d->subclass != f->subclass ||
            d->interface != f->interface || f->driver)
            continue;
        if (d->start(f))
            f->driver = d->name;
    }
}

static void pci_find(void)
{
    if (!walk_mcfg() && !walk_fdt())
        walk_ports();
    for (struct pci_function *f = pci.first; f; f = f->next)
        start_driver(f);
}
INIT(INIT_LEVEL_DEVICES, pci_find);

void pci_for_each(void (*fn)(const struct pci_function *f, void *arg), void *arg)
{
    for (const struct pci_function *f = pci.first; f; f = f->next)
        fn(f, arg);
}

const char *pci_access_name(void)
{
    return pci.access;
}

/* ---- Names ---- */

#define VENDOR_VIRTIO 0x1af4
#define ANY           0xff
static const struct {
    uint8_t base_class, subclass, interface;
    const char *name;
} names[] = {
    {0x01, 0x00, ANY, "SCSI disk controller"},
    {0x01, 0x01, ANY, "IDE disk controller"},
    {0x01, 0x04, ANY, "RAID controller"},
    {0x01, 0x06, 0x01, "SATA disk controller (AHCI)"},
    {0x01, 0x06, ANY, "SATA disk controller"},
    {0x01, 0x07, ANY, "SAS disk controller"},
    {0x01, 0x08, 0x02, "NVMe disk controller"},
    {0x01, ANY, ANY, "disk controller"},
    {0x02, 0x00, ANY, "Ethernet controller"},
    {0x02, 0x80, ANY, "network controller"},
    {0x02, ANY, ANY, "network controller"},
    {0x03, 0x00, ANY, "VGA display controller"},
    {0x03, ANY, ANY, "display controller"},
    {0x04, ANY, ANY, "multimedia device"},
    {0x05, ANY, ANY, "memory controller"},
    {0x06, 0x00, ANY, "host bridge"},
    {0x06, 0x01, ANY, "ISA bridge"},
    {0x06, 0x04, ANY, "PCI bridge"},
    {0x06, ANY, ANY, "bridge"},
    {0x07, 0x00, ANY, "serial port"},
    {0x07, ANY, ANY, "communication controller"},
    {0x08, 0x06, ANY, "IOMMU"},
    {0x08, ANY, ANY, "system peripheral"},
    {0x09, ANY, ANY, "input device"},
    {0x0b, ANY, ANY, "processor"},
    {0x0c, 0x03, 0x00, "USB controller (UHCI)"},
    {0x0c, 0x03, 0x10, "USB controller (OHCI)"},
    {0x0c, 0x03, 0x20, "USB controller (EHCI)"},
    {0x0c, 0x03, 0x30, "USB controller (xHCI)"},
    {0x0c, 0x05, ANY, "SMBus controller"},
    {0x0c, ANY, ANY, "serial bus controller"},
    {0x0d, ANY, ANY, "wireless controller"},
    {0x10, ANY, ANY, "encryption controller"},
    {0x12, ANY, ANY, "accelerator"},
};

/* Virtio 1.2, 4.1.2: transitional devices from 0x1000, others from 0x1040 plus the device's number.
 */
static const char *virtio_name(const struct pci_function *f)
{
    static const char *const virtio[] = {NULL, "virtio network card", "virtio disk",
                                         "virtio console", "virtio entropy source"};
    static const uint8_t transitional[] = {1, 2, 0, 3, 0, 4}; /* 0x1000 to 0x1005 */
    unsigned number = f->device >= 0x1040 ? f->device - 0x1040u
                      : f->device >= 0x1000 && f->device - 0x1000u < ARRAY_SIZE(transitional)
                          ? transitional[f->device - 0x1000]
                          : 0;
    return number < ARRAY_SIZE(virtio) ? virtio[number] : NULL;
}

const char *pci_class_name(const struct pci_function *f)
{
    const char *virtio = f->vendor == VENDOR_VIRTIO ? virtio_name(f) : NULL;
    if (virtio)
        return virtio;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].base_class == f->base_class &&
            (names[i].subclass == ANY || names[i].subclass == f->subclass) &&
            (names[i].interface == ANY || names[i].interface == f->interface))
            return names[i].name;
    return "device of another class";
}

/* ---- pci ---- */

static void print_function(const struct pci_function *f, void *arg)
{
    struct out *out = arg;
    out_printf(out, "%04x:%02x:%02x.%x  %04x:%04x  %s%s%s\n", f->segment, f->bus, f->slot,
               f->function, f->vendor, f->device, pci_class_name(f),
               f->driver ? ", driven by " : "", f->driver ? f->driver : "");
}

static void run_pci(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    out_printf(out, "Configuration space: %s\n", pci.access);
    pci_for_each(print_function, out);
}

static void json_function(const struct pci_function *f, void *arg)
{
    struct json *j = arg;
    json_begin(j, "function");
    json_printf(j, "address", "%04x:%02x:%02x.%x", f->segment, f->bus, f->slot, f->function);
    json_hex(j, "vendor", f->vendor);
    json_hex(j, "device", f->device);
    json_string(j, "class", pci_class_name(f));
    json_string(j, "driver", f->driver);
    json_end(j);
}

static void json_pci(struct json *j, struct out *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    pci_for_each(json_function, j);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_pci) = {
    .name = "pci",
    .usage = "",
    .summary = "Lists the PCI devices of this machine",
    .help = "One line for each PCI function: its address, vendor and device ID, what it is, and "
            "the driver that uses it.",
    .run = run_pci,
    .json = json_pci,
};
