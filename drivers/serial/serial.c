/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Finds the serial console and joins its driver to the consoles: see drivers/serial/serial.h. */
#include "drivers/serial/serial.h"

#include <stdio.h>
#include <string.h>

#include "drivers/acpi.h"
#include "drivers/drivers.h"
#include "drivers/fdt.h"
#include "mm/kernel_map.h"

/* Tries at a full transmitter before it counts as stuck: a register read takes at least 100 ns on
 * any bus, so this is above the 17 ms that a FIFO of 16 needs at 9600 baud. */
#define WAIT_TRIES       500000u
#define POLL_NS          (10 * NS_PER_MS)
#define RECEIVE_MAX      256 /* bytes a call: a device that never runs empty must not hang us */
#define ISA_IRQS         16
#define REGISTERS_MAPPED PAGE_SIZE

static struct serial port;
static bool port_found;

/* ---- Registers ---- */

uint32_t serial_read(struct serial *s, unsigned index)
{
    if (s->is_port)
        return host_port_read8((uint16_t)(s->address + (index << s->shift)));
    volatile uint8_t *reg = s->base + (index << s->shift);
    switch (s->width) {
    case 4:
        return mmio_read32(reg);
    case 2:
        return mmio_read16(reg);
    default:
        return mmio_read8(reg);
    }
}

void serial_write(struct serial *s, unsigned index, uint32_t value)
{
    if (s->is_port) {
        host_port_write8((uint16_t)(s->address + (index << s->shift)), (uint8_t)value);
        return;
    }
    volatile uint8_t *reg = s->base + (index << s->shift);
    switch (s->width) {
    case 4:
        mmio_write32(reg, value);
        return;
    case 2:
        mmio_write16(reg, (uint16_t)value);
        return;
    default:
        mmio_write8(reg, (uint8_t)value);
    }
}

/* ---- Output ---- */

/* Room for at least one byte, or 0 when the device stays full. */
static unsigned wait_for_room(struct serial *s)
{
    unsigned room = s->driver->room(s);
    for (unsigned i = 0; !room && !s->stuck && i < WAIT_TRIES; i++) {
        host_cpu_relax();
        room = s->driver->room(s);
    }
    s->stuck = room == 0;
    return room;
}

static void serial_console_write(struct console *c, const char *text, size_t length)
{
    struct serial *s = container_of(c, struct serial, console);
    unsigned room = 0;
    for (size_t i = 0; i < length;) {
        if (!room && !(room = wait_for_room(s)))
            return;
        room--;
        bool add_cr = text[i] == '\n' && s->last != '\r';
        s->last = add_cr ? '\r' : text[i++];
        s->driver->put(s, (uint8_t)s->last);
    }
}

void serial_send(struct serial *s, const char *text, size_t length)
{
    unsigned room = 0;

    for (size_t i = 0; i < length; i++, room--) {
        if (!room && !(room = wait_for_room(s)))
            return;
        s->driver->put(s, (uint8_t)text[i]);
    }
}

/* ---- Input ---- */

static void receive(void *arg)
{
    struct serial *s = arg;
    char text[RECEIVE_MAX];
    size_t n = 0;
    int byte;
    while (n < sizeof(text) && (byte = s->driver->get(s)) >= 0)
        text[n++] = (char)byte;
    if (n && s->input)
        s->input(s, text, n);
    else if (n)
        console_input(text, n);
}

static void poll_fire(struct timer *t)
{
    receive(container_of(t, struct serial, poll));
    timer_set(t, clock_ns() + POLL_NS);
}

static void input_start(struct serial *s)
{
    if (s->has_irq && s->driver->irq_enable) {
        enum err e = irq_register(s->irq, s->trigger, receive, s, s->name);
        if (e == ERR_OK) {
            s->driver->irq_enable(s);
            receive(s); /* what came before: an edge may be lost */
            return;
        }
        log_warn("serial: interrupt %u of %s: %s: its input is polled", s->irq, s->name,
                 err_text(e));
    } else {
        log_info("serial: %s has no interrupt: its input is polled", s->name);
    }
    timer_setup(&s->poll, poll_fire);
    timer_set(&s->poll, clock_ns() + POLL_NS);
}

void serial_input_init(void)
{
    if (port_found)
        input_start(&port);
}

/* ---- Finding it ---- */

static const struct serial_driver *driver_for_type(unsigned type)
{
    TABLE_FOR_EACH(serial_drivers, struct serial_driver, d)
    for (unsigned i = 0; i < d->acpi_type_count; i++)
        if (d->acpi_types[i] == type)
            return d;
    return NULL;
}

static const struct serial_driver *driver_for_node(int node)
{
    TABLE_FOR_EACH(serial_drivers, struct serial_driver, d)
    for (unsigned i = 0; d->compatible && d->compatible[i]; i++)
        if (fdt_is_compatible(node, d->compatible[i]))
            return d;
    return NULL;
}

static void set_address(struct serial *s, const struct acpi_gas *gas)
{
    unsigned bytes = gas->access_size ? 1u << ((gas->access_size - 1) & 3) : gas->bit_width / 8;
    s->is_port = gas->space == ACPI_SPACE_PORT;
    s->address = gas->address;
    s->width = s->is_port || (bytes != 2 && bytes != 4) ? 1 : (uint8_t)bytes;
    s->shift = s->width == 4 ? 2 : s->width == 2 ? 1 : 0;
}

/* A device's own address is in memory or ports; anything else is not reached. */
static bool usable_gas(const struct acpi_gas *gas)
{
    return gas->space == ACPI_SPACE_MEMORY || (HOST_HAS_PORTS && gas->space == ACPI_SPACE_PORT);
}

static bool find_spcr(struct serial *s)
{
    const struct acpi_header *table = acpi_find("SPCR", 0);
    const struct acpi_spcr *spcr = (const void *)table;
    if (!table || !ACPI_HAS(spcr, table->length, pci_segment))
        return false;
    s->driver = driver_for_type(spcr->interface);
    if (!s->driver) {
        log_warn("serial: ACPI's SPCR names a console of type 0x%x: no driver for it",
                 spcr->interface);
        return false;
    }
    s->acpi_type = spcr->interface;
    if (!s->driver->no_registers && (!spcr->address.address || !usable_gas(&spcr->address)))
        return false;
    set_address(s, &spcr->address);
    if (spcr->interrupt & ~ACPI_SPCR_PC_IRQ & 0xff) {
        s->has_irq = true;
        s->irq = spcr->gsi;
        s->trigger = HOST_HAS_PORTS && s->irq < ISA_IRQS ? IRQ_EDGE : IRQ_LEVEL_HIGH;
    } else if (spcr->interrupt & ACPI_SPCR_PC_IRQ) {
        s->has_irq = true;
        s->irq = spcr->pc_irq;
        s->trigger = IRQ_EDGE;
    }
    return true;
}

/* The structure of `size` bytes at `offset` inside [0, length) of `base`, or NULL. */
static const void *inside(const void *base, size_t length, size_t offset, size_t size)
{
    return offset <= length && size <= length - offset ? (const uint8_t *)base + offset : NULL;
}

static bool use_dbg2_device(struct serial *s, const struct acpi_dbg2_device *d)
{
    const struct acpi_gas *gas = inside(d, d->length, d->address_offset, sizeof(*gas));
    if (d->port_type != ACPI_DBG2_SERIAL || !d->address_count || !gas || !gas->address ||
        !usable_gas(gas))
        return false;
    s->driver = driver_for_type(d->port_subtype);
    if (!s->driver)
        return false;
    s->acpi_type = (uint8_t)d->port_subtype;
    set_address(s, gas);
    return true;
}

static bool find_dbg2(struct serial *s)
{
    const struct acpi_dbg2 *dbg2 = ACPI_FIND(struct acpi_dbg2, "DBG2");
    if (!dbg2)
        return false;
    size_t at = dbg2->device_offset;
    for (uint32_t i = 0; i < dbg2->device_count; i++) {
        const struct acpi_dbg2_device *d = inside(dbg2, dbg2->header.length, at, sizeof(*d));
        if (!d || d->length < sizeof(*d) || !inside(dbg2, dbg2->header.length, at, d->length))
            return false;
        if (use_dbg2_device(s, d))
            return true;
        at += d->length;
    }
    return false;
}

static bool use_node(struct serial *s, int node)
{
    hpa_t base;
    uint64_t size;
    s->driver = node >= 0 ? driver_for_node(node) : NULL;
    if (!s->driver || fdt_reg(node, 0, &base, &size))
        return false;
    s->in_fdt = true;
    s->node = node;
    s->address = base.v;
    s->shift = (uint8_t)MIN(fdt_u32(node, "reg-shift", 0), 4u);
    s->width = (uint8_t)fdt_u32(node, "reg-io-width", 1);
    s->has_irq = fdt_irq(node, 0, &s->irq, &s->trigger) == ERR_OK;
    return true;
}

static bool find_fdt(struct serial *s)
{
    char options[16];
    if (!fdt_blob())
        return false;
    if (use_node(s, fdt_stdout(options, sizeof(options))))
        return true;
    TABLE_FOR_EACH(serial_drivers, struct serial_driver, d)
    if (d->compatible && use_node(s, fdt_next_compatible_any(-1, d->compatible, NULL)))
        return true;
    return false;
}

/* Drivers that can look for a device without any table, the surest first. */
static bool find_by_itself(struct serial *s)
{
    for (int rank = 0; rank < 3; rank++)
        TABLE_FOR_EACH(serial_drivers, struct serial_driver, d)
        {
            s->driver = d;
            if (d->detect && d->detect_rank == rank && d->detect(s))
                return true;
        }
    return false;
}

static bool start(struct serial *s)
{
    if (s->driver->no_registers) {
        snprintf(s->name, sizeof(s->name), "%s", s->driver->name);
        return s->driver->start(s);
    }
    snprintf(s->name, sizeof(s->name), "%s at %s 0x%llx", s->driver->name,
             s->is_port ? "port" : "address", (unsigned long long)s->address);
    if (!s->is_port) {
        s->base =
            kernel_map_device(HPA(s->address), REGISTERS_MAPPED, PT_READ | PT_WRITE | PT_DEVICE);
        if (!s->base)
            return false;
    }
    if (s->driver->start(s))
        return true;
    if (!s->is_port)
        kernel_unmap_device((void *)(uintptr_t)s->base, REGISTERS_MAPPED);
    return false;
}

static bool try(bool (*find)(struct serial *), struct serial *s)
{
    memset(s, 0, sizeof(*s));
    return find(s) && start(s);
}

void serial_init(const struct boot_info *info)
{
    struct serial *s = &port;
    (void)info;
    port_found =
        try(find_spcr, s) || try(find_dbg2, s) || try(find_fdt, s) || try(find_by_itself, s);
    if (!port_found) {
        log_warn("serial: no console found in ACPI's SPCR or DBG2, the device tree or at the usual "
                 "place");
        return;
    }
    s->console.name = s->name;
    s->console.write = serial_console_write;
    console_add(&s->console);
}

/* ---- A second port ---- */

static bool is_console(const struct serial *s)
{
    return port_found && s->is_port == port.is_port && s->address == port.address;
}

static bool find_second_node(struct serial *s)
{
    TABLE_FOR_EACH(serial_drivers, struct serial_driver, d)
    {
        int node = -1;

        while (d->compatible && fdt_blob() &&
               (node = fdt_next_compatible_any(node, d->compatible, NULL)) >= 0) {
            memset(s, 0, sizeof(*s));
            if (use_node(s, node) && !is_console(s))
                return true;
        }
    }
    return false;
}

static bool find_second_by_itself(struct serial *s)
{
    TABLE_FOR_EACH(serial_drivers, struct serial_driver, d)
    {
        memset(s, 0, sizeof(*s));
        s->driver = d;
        if (d->detect_second && d->detect_second(s) && !is_console(s))
            return true;
    }
    return false;
}

bool serial_open_second(struct serial *s,
                        void (*input)(struct serial *s, const char *text, size_t length))
{
    if (!try(find_second_node, s) && !try(find_second_by_itself, s))
        return false;
    s->input = input;
    input_start(s);
    return true;
}
