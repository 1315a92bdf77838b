/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* 16450, 16550 and what is compatible with them: registers by the PC16550D data sheet, section 8.
 */
#include "drivers/serial/serial.h"

#include "drivers/acpi_tables.h"

enum {
    REG_DATA = 0, /* receive and transmit; divisor low with LCR_DLAB */
    REG_IER = 1,  /* divisor high with LCR_DLAB */
    REG_FCR = 2,
    REG_IIR = 2,
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_SCRATCH = 7,
};
#define IER_RECEIVE   (1u << 0)
#define FCR_ENABLE    (1u << 0)
#define IIR_FIFO      (3u << 6) /* both set: a 16550A with FIFOs on */
#define LCR_8N1       3u
#define LCR_DLAB      (1u << 7)
#define MCR_DTR       (1u << 0)
#define MCR_RTS       (1u << 1)
#define MCR_OUT2      (1u << 3) /* lets the interrupt through on PCs */
#define LSR_DATA      (1u << 0)
#define LSR_THR_EMPTY (1u << 5)
#define LSR_ABSENT    0xffu /* what a bus without a device answers */

#define FIFO_DEPTH     16
#define COM1_PORT      0x3f8
#define COM1_IRQ       4
#define COM2_PORT      0x2f8
#define COM2_IRQ       3
#define DIVISOR_115200 1 /* of the PC's 1.8432 MHz clock */

static bool detect_at(struct serial *s, uint64_t port, unsigned irq)
{
    if (!HOST_HAS_PORTS)
        return false;
    s->is_port = true;
    s->is_ours_to_set = true;
    s->address = port;
    s->width = 1;
    s->has_irq = true;
    s->irq = irq;
    s->trigger = IRQ_EDGE;
    /* The scratch register keeps what is written, the bus alone does not. */
    for (unsigned value = 0x55; value <= 0xaa; value += 0x55) {
        serial_write(s, REG_SCRATCH, value);
        if (serial_read(s, REG_SCRATCH) != value)
            return false;
    }
    return true;
}

static bool detect(struct serial *s)
{
    return detect_at(s, COM1_PORT, COM1_IRQ);
}

static bool detect_second(struct serial *s)
{
    return detect_at(s, COM2_PORT, COM2_IRQ);
}

static void set_speed(struct serial *s)
{
    serial_write(s, REG_LCR, LCR_8N1 | LCR_DLAB);
    serial_write(s, REG_DATA, DIVISOR_115200);
    serial_write(s, REG_IER, 0);
    serial_write(s, REG_LCR, LCR_8N1);
}

static bool start(struct serial *s)
{
    if ((serial_read(s, REG_LSR) & LSR_ABSENT) == LSR_ABSENT)
        return false;
    if (s->is_ours_to_set)
        set_speed(s);
    serial_write(s, REG_IER, 0);
    serial_write(s, REG_FCR, FCR_ENABLE);
    serial_write(s, REG_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    return true;
}

static unsigned room(struct serial *s)
{
    if (!(serial_read(s, REG_LSR) & LSR_THR_EMPTY))
        return 0;
    return (serial_read(s, REG_IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_DEPTH : 1;
}

static void put(struct serial *s, uint8_t byte)
{
    serial_write(s, REG_DATA, byte);
}

static int get(struct serial *s)
{
    uint32_t lsr = serial_read(s, REG_LSR);
    if (!(lsr & LSR_DATA) || (lsr & LSR_ABSENT) == LSR_ABSENT)
        return -1;
    return (int)(serial_read(s, REG_DATA) & 0xff);
}

static void irq_enable(struct serial *s)
{
    serial_write(s, REG_IER, IER_RECEIVE);
}

static const char *const compatible[] = {
    "ns16550a", "ns16550", "ns16450", "snps,dw-apb-uart", "nvidia,tegra20-uart", NULL};

TABLE_ENTRY(serial_drivers, struct serial_driver, uart_16550) = {
    .name = "16550",
    .acpi_types = {ACPI_UART_16550, ACPI_UART_16450, ACPI_UART_16550_MMIO32, ACPI_UART_16550_GAS},
    .acpi_type_count = 4,
    .compatible = compatible,
    .detect = detect,
    .detect_rank = 1,
    .detect_second = detect_second,
    .start = start,
    .room = room,
    .put = put,
    .get = get,
    .irq_enable = irq_enable,
};
