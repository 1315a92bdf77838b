/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Serial consoles. A driver is one table entry: TABLE_ENTRY(serial_drivers, struct serial_driver,
 * name), found by the interface type of ACPI's SPCR and DBG2 tables or by the `compatible` strings
 * of the device tree; a driver that only one host has (SBI) stands in that host's folder.
 */
#ifndef DRIVERS_SERIAL_SERIAL_H
#define DRIVERS_SERIAL_SERIAL_H

#include "kernel/console.h"
#include "kernel/irq.h"
#include "kernel/table.h"
#include "kernel/timer.h"

#define SERIAL_NAME_SIZE 64
#define SERIAL_TYPES_MAX 6 /* ACPI types of one driver */

struct serial;

struct serial_driver {
    const char *name; /* "16550" */
    /* enum acpi_uart, `acpi_type_count` of them. */
    uint8_t acpi_types[SERIAL_TYPES_MAX];
    unsigned acpi_type_count;
    const char *const *compatible; /* NULL-terminated, or NULL */
    /* Without any table: finds a device by itself and fills in where it is; rank: lower ones first.
     * NULL: cannot. */
    bool (*detect)(struct serial *s);
    int detect_rank;
    /* The same for the place where a second one would be. */
    bool (*detect_second)(struct serial *s);
    bool no_registers; /* reached by firmware calls: no address */
    /* Makes the device ready for polled output. False: it is not there. */
    bool (*start)(struct serial *s);
    /* Room for bytes now, 0: none. */
    unsigned (*room)(struct serial *s);
    void (*put)(struct serial *s, uint8_t byte);
    int (*get)(struct serial *s); /* -1: nothing received */
    /* Turns the receive interrupt on; NULL: it has none. */
    void (*irq_enable)(struct serial *s);
};
TABLE_DECLARE(serial_drivers, struct serial_driver);

struct serial {
    struct console console;
    const struct serial_driver *driver;
    char name[SERIAL_NAME_SIZE];
    bool is_port;        /* registers are I/O ports */
    bool is_ours_to_set; /* no firmware has set the line's speed */
    uint64_t address;    /* port or physical address */
    uint8_t acpi_type;   /* enum acpi_uart, as the table said */
    bool in_fdt;         /* found by `node` of the device tree */
    int node;
    uint8_t shift;          /* registers are 1 << shift bytes apart */
    uint8_t width;          /* of an access, bytes */
    volatile uint8_t *base; /* mapped registers */
    bool has_irq;
    unsigned irq;
    enum irq_trigger trigger;
    char last;  /* byte written: LF gets a CR before it unless it has one */
    bool stuck; /* it accepts nothing: it is not waited for until it does again */
    struct timer poll;
    /* What was received; NULL: it is a console's. */
    void (*input)(struct serial *s, const char *text, size_t length);
};

/* Finds a serial port that is not the console's, on a machine that has one, and gives what it
 * receives to `input` (interrupt context). For good. */
bool serial_open_second(struct serial *s,
                        void (*input)(struct serial *s, const char *text, size_t length));
/* Bytes as they are. One thread at a time. */
void serial_send(struct serial *s, const char *text, size_t length);

/* The register `index` of a device with spaced registers. */
uint32_t serial_read(struct serial *s, unsigned index);
void serial_write(struct serial *s, unsigned index, uint32_t value);

#endif
