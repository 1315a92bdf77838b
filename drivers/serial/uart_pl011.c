/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Arm PL011 (DDI 0183G, chapter 3) and the SBSA generic UART, a part of it (Arm BSA 1.0, appendix
 * B). The firmware has set the line's speed; the generic one has no registers for that.
 */
#include "drivers/serial/serial.h"

#include "drivers/acpi_tables.h"
#include "drivers/fdt.h"

/* Offsets in words: all accesses are 32 bits wide. */
enum {
    REG_DR = 0x00 / 4,
    REG_FR = 0x18 / 4,
    REG_LCR_H = 0x2c / 4,
    REG_CR = 0x30 / 4,
    REG_IMSC = 0x38 / 4,
    REG_ICR = 0x44 / 4,
};
#define DR_DATA          0xffu
#define FR_RECEIVE_EMPTY (1u << 4)
#define FR_TRANSMIT_FULL (1u << 5)
#define LCR_FIFOS        (1u << 4)
#define LCR_8N1          (3u << 5)
#define CR_ENABLE        (1u << 0)
#define CR_TRANSMIT      (1u << 8)
#define CR_RECEIVE       (1u << 9)
#define INT_RECEIVE      (1u << 4)
#define INT_TIMEOUT      (1u << 6)
#define INT_ALL          0x7ffu

static bool is_generic(const struct serial *s)
{
    if (s->in_fdt)
        return !fdt_is_compatible(s->node, "arm,pl011");
    return s->acpi_type == ACPI_UART_SBSA || s->acpi_type == ACPI_UART_SBSA_32;
}

/* FIFOs go on while the device is off (3.3.7); a port that the firmware did not use has none. */
static void switch_on(struct serial *s)
{
    uint32_t control = serial_read(s, REG_CR);

    if (!(serial_read(s, REG_LCR_H) & LCR_FIFOS)) {
        serial_write(s, REG_CR, control & ~CR_ENABLE);
        serial_write(s, REG_LCR_H, LCR_8N1 | LCR_FIFOS);
    }
    serial_write(s, REG_CR, control | CR_ENABLE | CR_TRANSMIT | CR_RECEIVE);
}

static bool start(struct serial *s)
{
    s->width = 4;
    s->shift = 2;
    serial_write(s, REG_IMSC, 0);
    serial_write(s, REG_ICR, INT_ALL);
    if (!is_generic(s))
        switch_on(s);
    return true;
}

static unsigned room(struct serial *s)
{
    return !(serial_read(s, REG_FR) & FR_TRANSMIT_FULL);
}

static void put(struct serial *s, uint8_t byte)
{
    serial_write(s, REG_DR, byte);
}

static int get(struct serial *s)
{
    if (serial_read(s, REG_FR) & FR_RECEIVE_EMPTY) {
        serial_write(s, REG_ICR, INT_RECEIVE | INT_TIMEOUT);
        if (serial_read(s, REG_FR) & FR_RECEIVE_EMPTY) /* nothing came just before it was cleared */
            return -1;
    }
    return (int)(serial_read(s, REG_DR) & DR_DATA);
}

static void irq_enable(struct serial *s)
{
    serial_write(s, REG_IMSC, INT_RECEIVE | INT_TIMEOUT);
}

static const char *const compatible[] = {"arm,pl011", "arm,sbsa-uart", NULL};

TABLE_ENTRY(serial_drivers, struct serial_driver, uart_pl011) = {
    .name = "PL011",
    .acpi_types = {ACPI_UART_PL011, ACPI_UART_SBSA_32, ACPI_UART_SBSA},
    .acpi_type_count = 3,
    .compatible = compatible,
    .start = start,
    .room = room,
    .put = put,
    .get = get,
    .irq_enable = irq_enable,
};
