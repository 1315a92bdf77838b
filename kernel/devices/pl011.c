/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A PL011 as its manual describes it (Arm DDI 0183G): receive FIFO fed from the guest console,
 * transmitter that is empty at once unless the console has no room. No modem lines, no DMA.
 */
#include "kernel/devices/pl011.h"

#include <string.h>
#include "kernel/guest_console.h"
#include "mm/heap.h"

/* 3.2 */
enum pl011_register {
    DR = 0x000,
    RSR = 0x004,
    FR = 0x018,
    ILPR = 0x020,
    IBRD = 0x024,
    FBRD = 0x028,
    LCR_H = 0x02c,
    CR = 0x030,
    IFLS = 0x034,
    IMSC = 0x038,
    RIS = 0x03c,
    MIS = 0x040,
    ICR = 0x044,
    PERIPH_ID = 0xfe0,
};

#define FR_CTS  (1u << 0)
#define FR_DSR  (1u << 1)
#define FR_DCD  (1u << 2)
#define FR_RXFE (1u << 4)
#define FR_TXFF (1u << 5)
#define FR_RXFF (1u << 6)
#define FR_TXFE (1u << 7)

#define INT_RX 0x10u
#define INT_TX 0x20u
#define INT_RT 0x40u /* receive time-out */

#define LCR_H_FEN 0x10u

#define CR_RESET   0x300u /* transmitter and receiver enabled */
#define IFLS_RESET 0x12u

#define FIFO_SIZE 16

struct pl011 {
    struct device device;
    struct guest_irq irq;
    uint16_t cr, imsc, ris, ilpr, ibrd, fbrd, lcr_h, ifls;
    bool tx_blocked; /* `tx_byte` waits for room in the console */
    uint8_t tx_byte;
    uint8_t fifo[FIFO_SIZE];
    unsigned rx_head, rx_tail;
};

static unsigned rx_count(const struct pl011 *u)
{
    return u->rx_head - u->rx_tail;
}

static unsigned rx_capacity(const struct pl011 *u)
{
    return u->lcr_h & LCR_H_FEN ? FIFO_SIZE : 1;
}

static void rx_fill(struct pl011 *u)
{
    while (rx_count(u) < rx_capacity(u)) {
        int byte = guest_console_get(u->device.vm->console);

        if (byte < 0)
            return;
        u->fifo[u->rx_head++ % FIFO_SIZE] = (uint8_t)byte;
    }
}

/* Waiting data counts as timed out at once: no character follows within 32 bit periods, as far as
 * the guest can tell. */
static void update(struct pl011 *u)
{
    if (rx_count(u))
        u->ris |= INT_RX | INT_RT;
    else
        u->ris &= ~(INT_RX | INT_RT);
    guest_irq_set(&u->irq, u->ris & u->imsc);
}

static void transmit(struct pl011 *u, uint8_t byte)
{
    if (guest_console_put(u->device.vm->console, byte)) {
        u->ris |= INT_TX;
        return;
    }
    u->tx_byte = byte;
    u->tx_blocked = true;
    u->ris &= ~INT_TX;
}

static uint32_t read_data(struct pl011 *u)
{
    uint8_t byte = 0;

    if (rx_count(u))
        byte = u->fifo[u->rx_tail++ % FIFO_SIZE];
    rx_fill(u);
    return byte;
}

static uint32_t read_flags(struct pl011 *u)
{
    rx_fill(u);
    return FR_CTS | FR_DSR | FR_DCD | (rx_count(u) ? 0 : FR_RXFE) |
           (rx_count(u) == rx_capacity(u) ? FR_RXFF : 0) | (u->tx_blocked ? FR_TXFF : FR_TXFE);
}

/* PrimeCell identification of a PL011 r1p5, one byte a register (3.3.14 to 3.3.21) */
static uint32_t read_id(uint64_t offset)
{
    static const uint8_t id[] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    return id[(offset - PERIPH_ID) / 4];
}

static uint32_t read_register(struct pl011 *u, uint64_t offset)
{
    switch (offset) {
    case DR:
        return read_data(u);
    case FR:
        return read_flags(u);
    case ILPR:
        return u->ilpr;
    case IBRD:
        return u->ibrd;
    case FBRD:
        return u->fbrd;
    case LCR_H:
        return u->lcr_h;
    case CR:
        return u->cr;
    case IFLS:
        return u->ifls;
    case IMSC:
        return u->imsc;
    case RIS:
        return u->ris;
    case MIS:
        return u->ris & u->imsc;
    }
    return offset >= PERIPH_ID ? read_id(offset) : 0;
}

static uint64_t pl011_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                           unsigned size)
{
    struct pl011 *u = container_of(d, struct pl011, device);
    uint32_t value = read_register(u, ALIGN_DOWN(offset, 4));

    (void)vcpu, (void)region, (void)size;
    update(u);
    return value >> offset % 4 * 8;
}

static void write_lcr(struct pl011 *u, uint16_t value)
{
    if ((value ^ u->lcr_h) & LCR_H_FEN)
        u->rx_tail = u->rx_head;
    u->lcr_h = value & 0xff;
}

static void pl011_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                        unsigned size, uint64_t value)
{
    struct pl011 *u = container_of(d, struct pl011, device);
    uint16_t v = (uint16_t)value;

    (void)vcpu, (void)region, (void)size;
    switch (offset) {
    case DR:
        if (!u->tx_blocked)
            transmit(u, (uint8_t)value);
        break;
    case ILPR:
        u->ilpr = v & 0xff;
        break;
    case IBRD:
        u->ibrd = v;
        break;
    case FBRD:
        u->fbrd = v & 0x3f;
        break;
    case LCR_H:
        write_lcr(u, v);
        break;
    case CR:
        u->cr = v;
        break;
    case IFLS:
        u->ifls = v & 0x3f;
        break;
    case IMSC:
        u->imsc = v & 0x7ff;
        break;
    case ICR:
        u->ris &= ~v;
        break;
    }
    update(u);
}

static void pl011_reset(struct device *d)
{
    struct pl011 *u = container_of(d, struct pl011, device);

    guest_irq_set(&u->irq, false);
    u->cr = CR_RESET;
    u->ifls = IFLS_RESET;
    u->imsc = u->ris = u->ilpr = u->ibrd = u->fbrd = u->lcr_h = 0;
    u->tx_blocked = false;
    u->rx_head = u->rx_tail = u->tx_byte = 0;
    memset(u->fifo, 0, sizeof(u->fifo));
}

static void pl011_destroy(struct device *d)
{
    heap_free(container_of(d, struct pl011, device));
}

static enum err pl011_loaded(void *object)
{
    struct pl011 *u = object;

    if (rx_count(u) > FIFO_SIZE)
        return ERR_INVALID;
    guest_irq_set(&u->irq, u->ris & u->imsc);
    return ERR_OK;
}

STATE_TABLE_HOOKS(pl011_state, "pl011", 1, NULL, pl011_loaded, STATE_ARRAY(struct pl011, fifo, 1),
                  STATE_FIELD(struct pl011, cr, 1), STATE_FIELD(struct pl011, imsc, 1),
                  STATE_FIELD(struct pl011, ris, 1), STATE_FIELD(struct pl011, ilpr, 1),
                  STATE_FIELD(struct pl011, ibrd, 1), STATE_FIELD(struct pl011, fbrd, 1),
                  STATE_FIELD(struct pl011, lcr_h, 1), STATE_FIELD(struct pl011, ifls, 1),
                  STATE_FIELD(struct pl011, tx_blocked, 1), STATE_FIELD(struct pl011, tx_byte, 1),
                  STATE_FIELD(struct pl011, rx_head, 1), STATE_FIELD(struct pl011, rx_tail, 1));

static void pl011_output_ready(void *arg);

/* A byte that waited for room may have it here. */
static void pl011_resume(struct device *d)
{
    struct pl011 *u = container_of(d, struct pl011, device);

    if (guest_console_has_room(d->vm->console))
        pl011_output_ready(u);
}

static const struct device_ops pl011_ops = {
    .name = "PL011",
    .resume = pl011_resume,
    .state = &pl011_state,
    .state_offset = offsetof(struct pl011, device),
    .read = pl011_read,
    .write = pl011_write,
    .reset = pl011_reset,
    .destroy = pl011_destroy,
};

/* The console has input: called from the session's side. */
static void pl011_input_ready(void *arg)
{
    struct pl011 *u = arg;

    spin_lock(&u->device.lock);
    rx_fill(u);
    update(u);
    spin_unlock(&u->device.lock);
}

/* The console has room again: sends what waited. */
static void pl011_output_ready(void *arg)
{
    struct pl011 *u = arg;

    spin_lock(&u->device.lock);
    if (u->tx_blocked) {
        u->tx_blocked = false;
        transmit(u, u->tx_byte);
        update(u);
    }
    spin_unlock(&u->device.lock);
}

enum err pl011_create(struct vm *vm, struct bus *bus, uint64_t base, unsigned pin)
{
    struct pl011 *u = heap_zalloc(sizeof(*u));
    struct guest_console_device console;

    if (!u)
        return ERR_NO_MEMORY;
    guest_irq_init(&u->irq, vm, pin);
    device_init(&u->device, &pl011_ops, vm);
    u->cr = CR_RESET;
    u->ifls = IFLS_RESET;
    console = (struct guest_console_device){pl011_input_ready, pl011_output_ready, u};
    guest_console_connect(vm->console, &console);
    return bus_add(
        bus,
        &(struct bus_region){
            .base = base, .size = PL011_SIZE, .device = &u->device, .min_size = 1, .max_size = 4});
}
