/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A 16550A as its data sheet describes it (National Semiconductor PC16550D): receive FIFO of 16
 * bytes fed from the guest console, transmitter that is empty at once unless the console has no
 * room, loopback, interrupts by priority.
 */
#include "kernel/devices/uart16550.h"

#include <string.h>
#include "kernel/guest_console.h"
#include "mm/heap.h"

enum uart_register { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

#define IER_RX   0x01
#define IER_TX   0x02
#define IER_LINE 0x04
#define IER_MSR  0x08

#define IIR_NONE    0x01
#define IIR_MSR     0x00
#define IIR_TX      0x02
#define IIR_RX      0x04
#define IIR_TIMEOUT 0x0c
#define IIR_LINE    0x06
#define IIR_FIFO    0xc0

#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define FCR_TRIGGER  0xc0

#define LCR_DLAB 0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10

#define LSR_DR      0x01
#define LSR_OVERRUN 0x02
#define LSR_THRE    0x20
#define LSR_TEMT    0x40

#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RI  0x40
#define MSR_DCD 0x80

#define FIFO_SIZE 16

struct uart16550 {
    struct device device;
    struct guest_irq irq;
    uint8_t ier, lcr, mcr, scr, fcr, msr_delta;
    uint16_t divisor;
    bool tx_empty_pending; /* THRE interrupt not yet acknowledged */
    bool tx_blocked;       /* `tx_byte` waits for room in the console */
    bool overrun;
    uint8_t tx_byte;
    uint8_t fifo[FIFO_SIZE];
    unsigned rx_head, rx_tail;
};

static unsigned rx_count(const struct uart16550 *u)
{
    return u->rx_head - u->rx_tail;
}

static unsigned rx_capacity(const struct uart16550 *u)
{
    return u->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static void rx_push(struct uart16550 *u, uint8_t byte)
{
    if (rx_count(u) >= rx_capacity(u))
        u->overrun = true;
    else
        u->fifo[u->rx_head++ % FIFO_SIZE] = byte;
}

/* Takes what was typed, as far as the FIFO has room. In loopback the line is cut off. */
static void rx_fill(struct uart16550 *u)
{
    while (!(u->mcr & MCR_LOOP) && rx_count(u) < rx_capacity(u)) {
        int byte = guest_console_get(u->device.vm->console);

        if (byte < 0)
            return;
        rx_push(u, (uint8_t)byte);
    }
}

static unsigned rx_trigger(const struct uart16550 *u)
{
    static const uint8_t levels[4] = {1, 4, 8, 14};

    return u->fcr & FCR_ENABLE ? levels[u->fcr >> 6] : 1;
}

/* The interrupt of highest priority that is enabled and pending (data sheet, table III). Below the
 * trigger level waiting data counts as a character time-out at once: no character follows within
 * four character times, as far as the guest can tell. */
static uint8_t interrupt_id(const struct uart16550 *u)
{
    if ((u->ier & IER_LINE) && u->overrun)
        return IIR_LINE;
    if ((u->ier & IER_RX) && rx_count(u))
        return rx_count(u) >= rx_trigger(u) ? IIR_RX : IIR_TIMEOUT;
    if ((u->ier & IER_TX) && u->tx_empty_pending)
        return IIR_TX;
    if ((u->ier & IER_MSR) && u->msr_delta)
        return IIR_MSR;
    return IIR_NONE;
}

static void update_irq(struct uart16550 *u)
{
    guest_irq_set(&u->irq, interrupt_id(u) != IIR_NONE);
}

static uint8_t modem_status(const struct uart16550 *u)
{
    uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD;

    if (u->mcr & MCR_LOOP)
        lines = (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                          (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
    return lines;
}

static void transmit(struct uart16550 *u, uint8_t byte)
{
    if (u->mcr & MCR_LOOP) {
        rx_push(u, byte);
    } else if (!guest_console_put(u->device.vm->console, byte)) {
        u->tx_byte = byte;
        u->tx_blocked = true;
        u->tx_empty_pending = false;
        return;
    }
    u->tx_empty_pending = true;
}

static uint8_t read_line_status(struct uart16550 *u)
{
    uint8_t status = u->tx_blocked ? 0 : LSR_THRE | LSR_TEMT;

    rx_fill(u);
    if (rx_count(u))
        status |= LSR_DR;
    if (u->overrun)
        status |= LSR_OVERRUN;
    u->overrun = false;
    return status;
}

static uint8_t read_data(struct uart16550 *u)
{
    uint8_t byte = 0;

    if (u->lcr & LCR_DLAB)
        return (uint8_t)u->divisor;
    if (rx_count(u))
        byte = u->fifo[u->rx_tail++ % FIFO_SIZE];
    rx_fill(u);
    return byte;
}

static uint8_t read_interrupt_id(struct uart16550 *u)
{
    uint8_t id = interrupt_id(u);

    if (id == IIR_TX)
        u->tx_empty_pending = false;
    return id | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t read_modem_status(struct uart16550 *u)
{
    uint8_t status = modem_status(u) | u->msr_delta;

    u->msr_delta = 0;
    return status;
}

static uint64_t uart_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                          unsigned size)
{
    struct uart16550 *u = container_of(d, struct uart16550, device);
    uint8_t value = 0;

    (void)vcpu, (void)region, (void)size;
    switch (offset) {
    case RBR_THR:
        value = read_data(u);
        break;
    case IER:
        value = u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier;
        break;
    case IIR_FCR:
        value = read_interrupt_id(u);
        break;
    case LCR:
        value = u->lcr;
        break;
    case MCR:
        value = u->mcr;
        break;
    case LSR:
        value = read_line_status(u);
        break;
    case MSR:
        value = read_modem_status(u);
        break;
    case SCR:
        value = u->scr;
        break;
    }
    update_irq(u);
    return value;
}

static void write_ier(struct uart16550 *u, uint8_t value)
{
    uint8_t enabled = value & 0x0f;

    /* Enabling the transmitter interrupt while the transmitter is empty raises it. */
    if ((enabled & ~u->ier & IER_TX) && !u->tx_blocked)
        u->tx_empty_pending = true;
    u->ier = enabled;
}

static void write_fcr(struct uart16550 *u, uint8_t value)
{
    if ((value & FCR_CLEAR_RX) || ((value ^ u->fcr) & FCR_ENABLE))
        u->rx_tail = u->rx_head;
    u->fcr = value & (FCR_ENABLE | FCR_TRIGGER);
    rx_fill(u);
}

static void write_mcr(struct uart16550 *u, uint8_t value)
{
    uint8_t before = modem_status(u);
    uint8_t changed;

    u->mcr = value & 0x1f;
    changed = before ^ modem_status(u);
    /* Delta bits of CTS, DSR and DCD; RI counts its trailing edge only. */
    u->msr_delta |= (changed & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4;
    if (before & changed & MSR_RI)
        u->msr_delta |= MSR_RI >> 4;
    rx_fill(u);
}

static void uart_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                       unsigned size, uint64_t value)
{
    struct uart16550 *u = container_of(d, struct uart16550, device);
    uint8_t byte = (uint8_t)value;

    (void)vcpu, (void)region, (void)size;
    switch (offset) {
    case RBR_THR:
        if (u->lcr & LCR_DLAB)
            u->divisor = (uint16_t)((u->divisor & 0xff00) | byte);
        else if (!u->tx_blocked)
            transmit(u, byte);
        break;
    case IER:
        if (u->lcr & LCR_DLAB)
            u->divisor = (uint16_t)((u->divisor & 0x00ff) | byte << 8);
        else
            write_ier(u, byte);
        break;
    case IIR_FCR:
        write_fcr(u, byte);
        break;
    case LCR:
        u->lcr = byte;
        break;
    case MCR:
        write_mcr(u, byte);
        break;
    case SCR:
        u->scr = byte;
        break;
    }
    update_irq(u);
}

static void uart_reset(struct device *d)
{
    struct uart16550 *u = container_of(d, struct uart16550, device);

    guest_irq_set(&u->irq, false);
    u->ier = u->lcr = u->mcr = u->scr = u->fcr = u->msr_delta = 0;
    u->divisor = 1;
    u->tx_empty_pending = u->tx_blocked = u->overrun = false;
    u->rx_head = u->rx_tail = u->tx_byte = 0;
    memset(u->fifo, 0, sizeof(u->fifo));
}

static void uart_destroy(struct device *d)
{
    heap_free(container_of(d, struct uart16550, device));
}

static enum err uart_loaded(void *object)
{
    struct uart16550 *u = object;

    if (rx_count(u) > FIFO_SIZE)
        return ERR_INVALID;
    update_irq(u);
    return ERR_OK;
}

STATE_TABLE_HOOKS(uart_state, "16550", 1, NULL, uart_loaded, STATE_FIELD(struct uart16550, ier, 1),
                  STATE_FIELD(struct uart16550, lcr, 1), STATE_FIELD(struct uart16550, mcr, 1),
                  STATE_FIELD(struct uart16550, scr, 1), STATE_FIELD(struct uart16550, fcr, 1),
                  STATE_FIELD(struct uart16550, msr_delta, 1),
                  STATE_FIELD(struct uart16550, divisor, 1),
                  STATE_FIELD(struct uart16550, tx_empty_pending, 1),
                  STATE_FIELD(struct uart16550, tx_blocked, 1),
                  STATE_FIELD(struct uart16550, overrun, 1),
                  STATE_FIELD(struct uart16550, tx_byte, 1), STATE_ARRAY(struct uart16550, fifo, 1),
                  STATE_FIELD(struct uart16550, rx_head, 1),
                  STATE_FIELD(struct uart16550, rx_tail, 1));

static void uart_output_ready(void *arg);

/* A byte that waited for room may have it here. */
static void uart_resume(struct device *d)
{
    struct uart16550 *u = container_of(d, struct uart16550, device);

    if (guest_console_has_room(d->vm->console))
        uart_output_ready(u);
}

static const struct device_ops uart_ops = {
    .name = "16550A",
    .resume = uart_resume,
    .state = &uart_state,
    .state_offset = offsetof(struct uart16550, device),
    .read = uart_read,
    .write = uart_write,
    .reset = uart_reset,
    .destroy = uart_destroy,
};

/* The console has input: called from the session's side. */
static void uart_input_ready(void *arg)
{
    struct uart16550 *u = arg;

    spin_lock(&u->device.lock);
    rx_fill(u);
    update_irq(u);
    spin_unlock(&u->device.lock);
}

/* The console has room again: sends what waited. */
static void uart_output_ready(void *arg)
{
    struct uart16550 *u = arg;

    spin_lock(&u->device.lock);
    if (u->tx_blocked) {
        u->tx_blocked = false;
        transmit(u, u->tx_byte);
        update_irq(u);
    }
    spin_unlock(&u->device.lock);
}

enum err uart16550_create(struct vm *vm, struct bus *bus, uint64_t base, unsigned pin)
{
    struct uart16550 *u = heap_zalloc(sizeof(*u));
    struct guest_console_device console;

    if (!u)
        return ERR_NO_MEMORY;
    guest_irq_init(&u->irq, vm, pin);
    device_init(&u->device, &uart_ops, vm);
    u->divisor = 1;
    console = (struct guest_console_device){uart_input_ready, uart_output_ready, u};
    guest_console_connect(vm->console, &console);
    return bus_add(bus, &(struct bus_region){.base = base,
                                             .size = UART16550_REGISTERS,
                                             .device = &u->device,
                                             .min_size = 1,
                                             .max_size = 1});
}
