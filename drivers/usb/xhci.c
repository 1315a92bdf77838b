/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* xHCI host controllers: taking them over, their event ring, commands. See drivers/usb/xhci.h.
 * Sections are those of xHCI 1.2. */
#include "drivers/usb/xhci.h"

#include <stdio.h>
#include <string.h>

#include "drivers/pci.h"
#include "drivers/usb/list.h"
#include "kernel/init.h"
#include "kernel/thread.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"

#define PCI_USB        0x03
#define PCI_USB_XHCI   0x30
#define REGISTERS_MAX  MIB(1) /* of the BAR, how much is mapped at most */
#define EXTENDED_MAX   64u    /* capabilities: a loop ends here */
#define RESET_NS       NS_PER_SEC
#define LEGACY_NS      NS_PER_SEC
#define ANSWER_NS      (5 * NS_PER_SEC) /* USB 2.0, 9.2.6.1: no request takes longer */
#define STEP_NS        NS_PER_MS
#define POLL_NS        (8 * NS_PER_MS) /* without an interrupt: a keyboard's own interval */
#define LOOK_NS        NS_PER_SEC
#define PLUG_NS        (100 * NS_PER_MS) /* without an interrupt: what is plugged in */
#define SILENT_MAX     5u                /* events without a message */
#define POWER_NS       (20 * NS_PER_MS)  /* 4.19.4: from port power to a status that counts */
#define MODERATION     4000u             /* of interrupts: 1 ms in units of 250 ns (5.5.2.2) */
#define RESTARTS_MAX   3u
#define SUPPORTED_PAGE BIT(0) /* 5.4.3: pages of 4 KiB */

static struct xhci *controllers;

struct xhci *usb_controllers(void)
{
    return controllers;
}

/* ---- Registers: offsets were checked against the size when the controller was found ---- */

uint32_t xhci_read(const struct xhci *x, uint32_t offset)
{
    return mmio_read32(x->registers + offset);
}

void xhci_write(struct xhci *x, uint32_t offset, uint32_t value)
{
    mmio_write32(x->registers + offset, value);
}

static uint32_t op_read(const struct xhci *x, uint32_t reg)
{
    return xhci_read(x, x->operational + reg);
}

static void op_write(struct xhci *x, uint32_t reg, uint32_t value)
{
    xhci_write(x, x->operational + reg, value);
}

static void write64(struct xhci *x, uint32_t offset, uint64_t value)
{
    xhci_write(x, offset, (uint32_t)value);
    xhci_write(x, offset + 4, (uint32_t)(value >> 32));
}

uint32_t xhci_port_status(struct xhci *x, unsigned port)
{
    return op_read(x, XHCI_PORTSC(port));
}

void xhci_port_set(struct xhci *x, unsigned port, uint32_t bits)
{
    uint32_t keep = xhci_port_status(x, port) & (uint32_t)PORT_KEEP;

    op_write(x, XHCI_PORTSC(port), keep | bits);
}

void xhci_doorbell(struct xhci *x, unsigned slot, unsigned target)
{
    host_barrier_write();
    xhci_write(x, x->doorbells + 4 * slot, target);
}

/* ---- Events ---- */

static void command_event(struct xhci *x, const struct xhci_trb *e)
{
    if (!x->command.v || e->parameter != x->command.v) {
        x->stray_events++;
        return;
    }
    x->command = HPA(0);
    x->command_slot = (uint8_t)TRB_SLOT_OF(e->control);
    x->command_code = EVENT_CODE(e->status);
}

void xhci_event(struct xhci *x, const struct xhci_trb *e)
{
    unsigned slot = TRB_SLOT_OF(e->control), port = EVENT_PORT(e->parameter);

    x->event_count++;
    switch (TRB_TYPE_OF(e->control)) {
    case TRB_COMMAND_EVENT:
        command_event(x, e);
        break;
    case TRB_TRANSFER_EVENT:
        if (slot <= x->slots && x->by_slot[slot])
            usb_transfer_event(x->by_slot[slot], e);
        else
            x->stray_events++;
        break;
    case TRB_PORT_EVENT:
        if (port >= 1 && port <= x->port_count)
            x->ports[port].pending = true;
        else
            x->stray_events++;
        break;
    default:
        break;
    }
}

/* The next event, copied: the controller may write it again at any time. */
static bool next_event(struct xhci *x, struct xhci_trb *e)
{
    const struct xhci_trb *from = (const struct xhci_trb *)x->events.at + x->event;

    e->control = READ_ONCE(from->control);
    if ((e->control & (uint32_t)TRB_CYCLE) != x->event_cycle)
        return false;
    host_barrier_read();
    e->parameter = READ_ONCE(from->parameter);
    e->status = READ_ONCE(from->status);
    if (++x->event == XHCI_EVENTS) {
        x->event = 0;
        x->event_cycle = !x->event_cycle;
    }
    return true;
}

void xhci_take_events(struct xhci *x)
{
    struct xhci_trb e;
    bool any = false;

    for (unsigned i = 0; i < XHCI_EVENTS && next_event(x, &e); i++) {
        xhci_event(x, &e);
        any = true;
    }
    if (any)
        write64(x, x->runtime + XHCI_ERDP,
                (x->events.pa.v + x->event * sizeof(e)) | XHCI_ERDP_BUSY);
}

static void interrupt(void *arg)
{
    struct xhci *x = arg;

    op_write(x, XHCI_USBSTS, XHCI_EINT);
    thread_wake(x->thread);
}

/* ---- Waiting ---- */

void xhci_wait(struct xhci *x, uint64_t ns)
{
    uint64_t deadline = clock_ns() + ns;

    do {
        xhci_take_events(x);
        thread_sleep_until(MIN(deadline, clock_ns() + POLL_NS));
    } while (clock_ns() < deadline);
    xhci_take_events(x);
}

bool xhci_wait_code(struct xhci *x, const enum xhci_code *code)
{
    uint64_t deadline = clock_ns() + ANSWER_NS;

    for (;;) {
        xhci_take_events(x);
        if (*code != CODE_NONE)
            return true;
        if (clock_ns() >= deadline)
            return false;
        thread_sleep_until(clock_ns() + STEP_NS);
    }
}

enum err xhci_command(struct xhci *x, uint64_t parameter, uint32_t control, unsigned *slot)
{
    if (x->failed)
        return ERR_STATE;
    x->command_code = CODE_NONE;
    x->command = xhci_ring_add(&x->commands, parameter, 0, control);
    xhci_doorbell(x, 0, 0);
    if (!xhci_wait_code(x, &x->command_code)) {
        log_warn("%s: it does not answer a command", x->name);
        x->command = HPA(0);
        x->failed = true;
        return ERR_TIMEOUT;
    }
    if (slot)
        *slot = x->command_slot;
    return x->command_code == CODE_SUCCESS ? ERR_OK : ERR_IO;
}

/* ---- Start ---- */

/* Waits until (register & mask) == value. */
static bool wait_register(const struct xhci *x, uint32_t offset, uint32_t mask, uint32_t value,
                          uint64_t ns)
{
    uint64_t deadline = clock_ns() + ns;

    while ((xhci_read(x, offset) & mask) != value) {
        if (clock_ns() >= deadline)
            return false;
        thread_sleep_ns(STEP_NS);
    }
    return true;
}

/* Calls `fn` for each extended capability that lies inside the registers. */
static void for_each_extended(struct xhci *x,
                              void (*fn)(struct xhci *x, uint32_t at, uint32_t head))
{
    uint32_t at = x->extended;

    for (unsigned i = 0; at && at + 16 <= x->size && i < EXTENDED_MAX; i++) {
        uint32_t head = xhci_read(x, at), next = (head >> 8 & 0xff) << 2;
        fn(x, at, head);
        at = next ? at + next : 0;
    }
}

/* 4.22.1: the firmware hands over, and its system management interrupts are turned off. One that
 * does not answer loses the controller all the same. */
static void take_from_firmware(struct xhci *x, uint32_t at, uint32_t head)
{
    if ((head & 0xff) != XHCI_CAP_LEGACY)
        return;
    xhci_write(x, at, head | (uint32_t)LEGACY_OS);
    if (!wait_register(x, at, (uint32_t)LEGACY_BIOS, 0, LEGACY_NS)) {
        log_warn("%s: the firmware does not let go of it: it is taken", x->name);
        xhci_write(x, at, (xhci_read(x, at) | (uint32_t)LEGACY_OS) & ~(uint32_t)LEGACY_BIOS);
    }
    uint32_t control = xhci_read(x, at + LEGACY_CONTROL) & ~(uint32_t)LEGACY_SMI_ENABLES;
    xhci_write(x, at + LEGACY_CONTROL, control | (uint32_t)LEGACY_SMI_STATUS);
}

static void note_protocol(struct xhci *x, uint32_t at, uint32_t head)
{
    if ((head & 0xff) != XHCI_CAP_PROTOCOL)
        return;
    uint32_t ports = xhci_read(x, at + PROTOCOL_PORTS), slot = xhci_read(x, at + PROTOCOL_SLOT);
    for (unsigned i = 0; i < PROTOCOL_COUNT(ports); i++) {
        unsigned port = PROTOCOL_FIRST(ports) + i;
        if (port < 1 || port > x->port_count)
            continue;
        x->ports[port].major = (uint8_t)PROTOCOL_MAJOR(head);
        x->ports[port].slot_type = PROTOCOL_SLOT_TYPE(slot);
    }
}

/* Where everything is, checked against the size of the registers. NULL, or what is wrong. */
static const char *read_capabilities(struct xhci *x)
{
    uint32_t params = xhci_read(x, XHCI_HCSPARAMS1), caps = xhci_read(x, XHCI_HCCPARAMS1);

    x->operational = xhci_read(x, XHCI_CAPLENGTH) & 0xff;
    x->doorbells = xhci_read(x, XHCI_DBOFF) & ~3u;
    x->runtime = xhci_read(x, XHCI_RTSOFF) & ~31u;
    x->extended = XHCI_EXTENDED(caps);
    x->wide_addresses = caps & XHCI_ADDRESS_64;
    x->wide_contexts = caps & XHCI_CONTEXT_64;
    x->port_count = XHCI_PORTS(params);
    x->slots = MIN(XHCI_SLOTS(params), (uint32_t)XHCI_SLOTS_MAX);
    x->scratchpad_count = XHCI_SCRATCHPADS(xhci_read(x, XHCI_HCSPARAMS2));
    if (x->operational < XHCI_CAPABILITY_SIZE || !x->port_count || !x->slots)
        return "its capability registers make no sense";
    if (x->operational + XHCI_OPERATIONAL_SIZE + 16ULL * x->port_count > x->size ||
        (uint64_t)x->runtime + XHCI_RUNTIME_SIZE > x->size ||
        (uint64_t)x->doorbells + 4 * (x->slots + 1) > x->size || x->operational % 4)
        return "its registers lie outside of its memory";
    return NULL;
}

static bool reset(struct xhci *x)
{
    uint32_t status = x->operational + XHCI_USBSTS, command = x->operational + XHCI_USBCMD;

    if (!wait_register(x, status, (uint32_t)XHCI_NOT_READY, 0, RESET_NS))
        return false;
    xhci_write(x, command, 0);
    if (!wait_register(x, status, (uint32_t)XHCI_HALTED, (uint32_t)XHCI_HALTED, RESET_NS))
        return false;
    xhci_write(x, command, (uint32_t)XHCI_RESET);
    thread_sleep_ns(STEP_NS);
    return wait_register(x, command, (uint32_t)XHCI_RESET, 0, RESET_NS) &&
           wait_register(x, status, (uint32_t)XHCI_NOT_READY, 0, RESET_NS);
}

/* Pages for the controller's own use (4.20); entry 0 of the table of slots names their table. */
static bool make_scratchpads(struct xhci *x)
{
    if (!x->scratchpad_count)
        return true;
    x->scratchpads = heap_zalloc_array(x->scratchpad_count, sizeof(*x->scratchpads));
    if (!x->scratchpads || x->scratchpad_count > PAGE_SIZE / sizeof(uint64_t) ||
        !xhci_page_alloc(x, &x->scratchpad_table))
        return false;
    for (unsigned i = 0; i < x->scratchpad_count; i++) {
        if (!xhci_page_alloc(x, &x->scratchpads[i]))
            return false;
        ((uint64_t *)x->scratchpad_table.at)[i] = x->scratchpads[i].pa.v;
    }
    ((uint64_t *)x->slot_table.at)[0] = x->scratchpad_table.pa.v;
    return true;
}

static bool make_rings(struct xhci *x)
{
    return xhci_page_alloc(x, &x->slot_table) && xhci_page_alloc(x, &x->segment_table) &&
           xhci_page_alloc(x, &x->events) && xhci_ring_create(x, &x->commands) &&
           make_scratchpads(x);
}

/* 6.5: one segment. */
static void set_event_ring(struct xhci *x)
{
    uint64_t *segment = x->segment_table.at;

    memset(x->events.at, 0, PAGE_SIZE);
    x->event = 0;
    x->event_cycle = true;
    segment[0] = x->events.pa.v;
    segment[1] = XHCI_EVENTS;
    host_barrier_write();
    xhci_write(x, x->runtime + XHCI_ERSTSZ, 1);
    write64(x, x->runtime + XHCI_ERDP, x->events.pa.v);
    write64(x, x->runtime + XHCI_ERSTBA, x->segment_table.pa.v);
    xhci_write(x, x->runtime + XHCI_IMOD, MODERATION);
    xhci_write(x, x->runtime + XHCI_IMAN,
               (uint32_t)XHCI_IMAN_IP | (x->messages ? (uint32_t)XHCI_IMAN_IE : 0));
}

static void power_ports(struct xhci *x)
{
    for (unsigned port = 1; port <= x->port_count; port++) {
        xhci_port_set(x, port, (uint32_t)PORT_POWER);
        x->ports[port].pending = true;
        x->ports[port].failures = 0;
    }
    xhci_wait(x, POWER_NS);
}

/* From reset to running (4.2). */
static bool run(struct xhci *x)
{
    if (!reset(x)) {
        log_warn("%s: it cannot be reset: it is not used", x->name);
        return false;
    }
    xhci_ring_reset(&x->commands);
    memset((uint64_t *)x->slot_table.at + 1, 0, XHCI_SLOTS_MAX * sizeof(uint64_t));
    op_write(x, XHCI_CONFIG, x->slots);
    write64(x, x->operational + XHCI_DCBAAP, x->slot_table.pa.v);
    write64(x, x->operational + XHCI_CRCR, x->commands.page.pa.v | TRB_CYCLE);
    set_event_ring(x);
    op_write(x, XHCI_USBCMD, (uint32_t)XHCI_RUN | (x->messages ? (uint32_t)XHCI_INTE : 0));
    if (!wait_register(x, x->operational + XHCI_USBSTS, (uint32_t)XHCI_HALTED, 0, RESET_NS)) {
        log_warn("%s: it does not run: it is not used", x->name);
        return false;
    }
    x->failed = false;
    x->command = HPA(0);
    power_ports(x);
    return true;
}

/* ---- The thread ---- */

static bool restart(struct xhci *x)
{
    if (++x->restarts > RESTARTS_MAX) {
        log_warn("%s: it failed %u times: it is not used any more", x->name, x->restarts);
        return false;
    }
    log_warn("%s: it failed and is started again", x->name);
    x->failed = true; /* its devices are let go without a word to it */
    if (!reset(x))
        return false;
    usb_remove_all(x);
    return run(x);
}

/* With messages the event ring is still looked at now and then: events without a message mean that
 * messages do not come through here. */
static void sleep_until(struct xhci *x, uint64_t next)
{
    uint64_t rest = x->messages ? LOOK_NS : usb_has_keyboard(x) ? POLL_NS : PLUG_NS;
    uint64_t deadline = MIN(next, clock_ns() + rest), before = x->event_count;

    if (thread_sleep_until(deadline) || !x->messages || clock_ns() < deadline)
        return;
    xhci_take_events(x);
    if (x->event_count != before && ++x->silent == SILENT_MAX) {
        log_info("%s: its interrupts do not arrive: it is polled", x->name);
        x->messages = false;
    }
}

static void serve(struct xhci *x)
{
    for (;;) {
        xhci_take_events(x);
        if (op_read(x, XHCI_USBSTS) & XHCI_FATAL)
            x->failed = true;
        if (x->failed && !restart(x))
            return;
        uint64_t next = usb_service(x);
        sleep_until(x, next);
    }
}

static void main_of(void *arg)
{
    struct xhci *x = arg;

    x->thread = thread_current();
    x->messages = pci_message(x->pci, interrupt, x, x->name) == ERR_OK;
    for_each_extended(x, take_from_firmware);
    for_each_extended(x, note_protocol);
    if (!(op_read(x, XHCI_PAGESIZE) & SUPPORTED_PAGE)) {
        log_warn("%s: it has no pages of 4 KiB: it is not used", x->name);
        return;
    }
    if (!run(x))
        return;
    log_debug("%s: %u ports, %s", x->name, x->port_count,
              x->messages ? "interrupts by messages" : "polled: this machine has no messages");
    serve(x);
}

/* ---- Finding them ---- */

static const char *map_registers(struct xhci *x)
{
    hpa_t at;

    if (pci_bar(x->pci, 0, &at, &x->size) != ERR_OK || x->size < XHCI_CAPABILITY_SIZE)
        return "the firmware gave its registers no address";
    x->size = MIN(x->size, REGISTERS_MAX);
    x->registers = kernel_map_device(at, x->size, PT_READ | PT_WRITE | PT_DEVICE);
    if (!x->registers)
        return "out of memory";
    pci_command(x->pci, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
    return read_capabilities(x);
}

static bool found(struct pci_function *f)
{
    struct xhci *x = heap_zalloc(sizeof(*x));
    const char *why = x ? NULL : "out of memory";

    if (x) {
        x->pci = f;
        snprintf(x->name, sizeof(x->name), "USB %04x:%02x:%02x.%x", f->segment, f->bus, f->slot,
                 f->function);
        why = f->incoherent ? "its memory accesses do not see the caches" : map_registers(x);
    }
    if (!why && !make_rings(x))
        why = "out of memory";
    if (why) {
        log_warn("USB controller %02x:%02x.%x: not used: %s", f->bus, f->slot, f->function, why);
        return false; /* what it took stays: it is little, and this happens once */
    }
    x->next = controllers;
    controllers = x;
    return true;
}

TABLE_ENTRY(pci_drivers, struct pci_driver, driver_xhci) = {
    .name = "xhci",
    .base_class = PCI_CLASS_SERIAL_BUS,
    .subclass = PCI_USB,
    .interface = PCI_USB_XHCI,
    .start = found,
};

static void usb_start(void)
{
    struct thread *t;

    for (struct xhci *x = controllers; x; x = x->next)
        if (thread_create(&t, "usb", main_of, x, THREAD_WEIGHT, -1))
            log_warn("%s: out of memory: its keyboards are not used", x->name);
}
INIT(INIT_LEVEL_LATE, usb_start);
