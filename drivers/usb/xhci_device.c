/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Slots, contexts and transfers of devices: see drivers/usb/xhci.h. Sections are those of xHCI 1.2.
 */
#include <string.h>

#include "drivers/usb/xhci.h"
#include "kernel/thread.h"
#include "mm/heap.h"

#define CONTROL_DCI      1u
#define SLOT_CONTEXT     1u /* in an input context: after its control */
#define DCI_IN(endpoint) (2u * (endpoint) + 1)
#define SETTLE_NS        (10 * NS_PER_MS) /* USB 2.0, 9.2.6.3, with reserve */
#define FAILURES_MAX     5u
#define SETUP_SIZE       8u

/* 6.2.3.6: interrupt intervals are powers of two of 125 us. */
#define INTERVAL_MAX      15u
#define INTERVAL_FULL_MIN 3u
#define INTERVAL_FULL_MAX 10u

static uint32_t *context_of(struct usb_device *d, unsigned index)
{
    return (uint32_t *)d->input.at + index * (d->controller->wide_contexts ? 16 : 8);
}

/* The input context, cleared, naming what a command changes. */
static uint32_t *input_begin(struct usb_device *d, uint32_t add)
{
    uint32_t *control = d->input.at;

    memset(control, 0, PAGE_SIZE);
    control[INPUT_ADD] = add;
    return control;
}

/* ---- Slots ---- */

static unsigned default_packet(enum usb_speed speed)
{
    return speed >= USB_SUPER ? 512 : speed == USB_HIGH ? 64 : 8;
}

/* 6.2.2. A full- or low-speed device behind a high-speed hub is reached through that hub's
 * translator. */
static void fill_slot(struct usb_device *d, unsigned last_dci)
{
    uint32_t *slot = context_of(d, SLOT_CONTEXT);
    const struct usb_device *child = d;

    slot[0] = SLOT_ROUTE(d->route) | SLOT_SPEED(d->speed) | SLOT_ENTRIES(last_dci);
    slot[1] = SLOT_ROOT_PORT(d->root_port);
    if (d->speed != USB_FULL && d->speed != USB_LOW)
        return;
    while (child->parent && child->parent->speed != USB_HIGH)
        child = child->parent;
    if (child->parent)
        slot[2] = SLOT_TT(child->parent->slot, child->parent_port);
}

static void fill_control(struct usb_device *d, unsigned packet)
{
    uint32_t *ep = context_of(d, SLOT_CONTEXT + CONTROL_DCI);

    ep[1] = EP_ERRORS | EP_CONTROL | EP_PACKET(packet);
    ep[2] = (uint32_t)(d->control.page.pa.v + d->control.enqueue * sizeof(struct xhci_trb)) |
            (d->control.cycle ? EP_CYCLE : 0);
    ep[3] = (uint32_t)(d->control.page.pa.v >> 32);
    ep[4] = EP_AVERAGE(SETUP_SIZE);
}

static enum err command_with_input(struct usb_device *d, enum xhci_trb_type type)
{
    return xhci_command(d->controller, d->input.pa.v, TRB_TYPE(type) | TRB_SLOT(d->slot), NULL);
}

static bool make_memory(struct usb_device *d)
{
    struct xhci *x = d->controller;

    return xhci_page_alloc(x, &d->context) && xhci_page_alloc(x, &d->input) &&
           xhci_page_alloc(x, &d->data) && xhci_ring_create(x, &d->control);
}

static enum err take_slot(struct usb_device *d)
{
    struct xhci *x = d->controller;
    unsigned slot;
    enum err e = xhci_command(
        x, 0, TRB_TYPE(TRB_ENABLE_SLOT) | TRB_SLOT_TYPE(x->ports[d->root_port].slot_type), &slot);

    if (e)
        return e;
    if (slot < 1 || slot > x->slots || x->by_slot[slot])
        return ERR_CORRUPT;
    d->slot = (uint8_t)slot;
    x->by_slot[slot] = d;
    ((uint64_t *)x->slot_table.at)[slot] = d->context.pa.v;
    return ERR_OK;
}

static enum err set_address(struct usb_device *d)
{
    input_begin(d, BIT(0) | BIT(1));
    fill_slot(d, CONTROL_DCI);
    fill_control(d, default_packet(d->speed));
    enum err e = command_with_input(d, TRB_ADDRESS_DEVICE);
    if (!e)
        xhci_wait(d->controller, SETTLE_NS);
    return e;
}

struct usb_device *usb_device_create(struct xhci *x, unsigned root_port, struct usb_device *parent,
                                     unsigned parent_port, enum usb_speed speed)
{
    struct usb_device *d = heap_zalloc(sizeof(*d));
    enum err e = d ? ERR_OK : ERR_NO_MEMORY;

    if (d) {
        d->controller = x;
        d->parent = parent;
        d->root_port = (uint8_t)root_port;
        d->parent_port = (uint8_t)parent_port;
        d->speed = speed;
        d->depth = parent ? (uint8_t)(parent->depth + 1) : 0;
        d->route = parent ? parent->route | parent_port << 4 * (d->depth - 1) : 0;
        e = make_memory(d) ? take_slot(d) : ERR_NO_MEMORY;
    }
    if (!e)
        e = set_address(d);
    if (e) {
        log_warn("%s: port %u: a device gets no address: %s", x->name, root_port, err_text(e));
        if (d)
            usb_device_destroy(d);
        return NULL;
    }
    return d;
}

static void free_memory(struct usb_device *d)
{
    for (unsigned i = 0; i < USB_FUNCTIONS_MAX; i++) {
        xhci_page_free(&d->endpoints[i].ring.page);
        xhci_page_free(&d->endpoints[i].buffer);
    }
    xhci_page_free(&d->control.page);
    xhci_page_free(&d->data);
    xhci_page_free(&d->input);
    xhci_page_free(&d->context);
}

/* A controller that does not confirm may go on writing: then the pages are never used again. One
 * that was reset does not. */
void usb_device_destroy(struct usb_device *d)
{
    struct xhci *x = d->controller;
    enum err e = ERR_OK;

    if (d->slot && !x->failed)
        e = xhci_command(x, 0, TRB_TYPE(TRB_DISABLE_SLOT) | TRB_SLOT(d->slot), NULL);
    if (d->slot) {
        ((uint64_t *)x->slot_table.at)[d->slot] = 0;
        x->by_slot[d->slot] = NULL;
    }
    if (e == ERR_OK)
        free_memory(d);
    heap_free(d);
}

/* ---- Control transfers ---- */

/* Setup, data and status stage (4.11.2.2). */
static void queue_control(struct usb_device *d, const struct usb_request *r)
{
    uint64_t setup;
    bool in = r->type & USB_IN;
    _Static_assert(sizeof(*r) == SETUP_SIZE, "USB 2.0, 9.3");

    memcpy(&setup, r, sizeof(setup)); /* all hosts are little-endian, as the bus is */
    xhci_ring_add(&d->control, setup, SETUP_SIZE,
                  TRB_TYPE(TRB_SETUP) | (uint32_t)TRB_IMMEDIATE |
                      (!r->length ? 0
                       : in       ? TRB_SETUP_IN
                                  : TRB_SETUP_OUT));
    if (r->length)
        xhci_ring_add(&d->control, d->data.pa.v, r->length,
                      TRB_TYPE(TRB_DATA) | (uint32_t)TRB_SHORT_EVENT | (in ? (uint32_t)TRB_IN : 0));
    d->control_end = xhci_ring_add(&d->control, 0, 0,
                                   TRB_TYPE(TRB_STATUS) | (uint32_t)TRB_EVENT |
                                       (in && r->length ? 0 : (uint32_t)TRB_IN));
}

/* 4.6.8: after an error the endpoint stands; its ring goes on with what comes next. */
static enum err restart_ring(struct usb_device *d, unsigned dci, struct xhci_ring *ring)
{
    enum err e = xhci_command(
        d->controller, 0, TRB_TYPE(TRB_RESET_ENDPOINT) | TRB_SLOT(d->slot) | TRB_DCI(dci), NULL);

    if (e)
        return e;
    xhci_ring_reset(ring);
    return xhci_command(d->controller, ring->page.pa.v | EP_CYCLE,
                        TRB_TYPE(TRB_SET_DEQUEUE) | TRB_SLOT(d->slot) | TRB_DCI(dci), NULL);
}

enum err usb_control(struct usb_device *d, const struct usb_request *request, void *data,
                     size_t *got)
{
    struct xhci *x = d->controller;
    size_t length = MIN((size_t)request->length, USB_TRANSFER_MAX);

    if (x->failed || d->gone)
        return ERR_STATE;
    if (!(request->type & USB_IN) && length)
        memcpy(d->data.at, data, length);
    d->control_code = CODE_NONE;
    d->control_left = 0;
    queue_control(d, request);
    xhci_doorbell(x, d->slot, CONTROL_DCI);
    if (!xhci_wait_code(x, &d->control_code)) {
        d->gone = true; /* what it was asked may still be answered: the ring is not used again */
        return ERR_TIMEOUT;
    }
    if (d->control_code != CODE_SUCCESS && d->control_code != CODE_SHORT) {
        if (restart_ring(d, CONTROL_DCI, &d->control) != ERR_OK)
            d->gone = true;
        return ERR_IO;
    }
    length -= MIN((size_t)d->control_left, length);
    if (request->type & USB_IN && length)
        memcpy(data, d->data.at, length);
    if (got)
        *got = length;
    return ERR_OK;
}

enum err usb_set_packet(struct usb_device *d, unsigned packet)
{
    input_begin(d, BIT(1));
    fill_control(d, packet);
    return command_with_input(d, TRB_EVALUATE_CONTEXT);
}

/* ---- Interrupt endpoints ---- */

static unsigned interval_of(const struct usb_device *d, unsigned interval)
{
    unsigned exponent = 0;

    if (d->speed >= USB_HIGH)
        return MIN(interval ? interval - 1 : 0, INTERVAL_MAX);
    while (exponent < INTERVAL_FULL_MAX && 2u << exponent <= interval * 8)
        exponent++;
    return MAX(exponent, INTERVAL_FULL_MIN);
}

static void fill_endpoint(struct usb_device *d, const struct usb_endpoint *e)
{
    const struct usb_function *f = &e->function;
    uint32_t *ep = context_of(d, SLOT_CONTEXT + DCI_IN(f->endpoint));

    ep[0] = EP_INTERVAL(interval_of(d, f->interval));
    ep[1] = EP_ERRORS | EP_INTERRUPT_IN | EP_PACKET(f->packet);
    ep[2] = (uint32_t)e->ring.page.pa.v | EP_CYCLE;
    ep[3] = (uint32_t)(e->ring.page.pa.v >> 32);
    ep[4] = EP_AVERAGE(f->packet) | EP_ESIT(f->packet);
}

static void fill_hub(struct usb_device *d)
{
    uint32_t *slot = context_of(d, SLOT_CONTEXT);

    slot[0] |= (uint32_t)SLOT_HUB;
    slot[1] |= SLOT_HUB_PORTS(d->hub.facts.ports);
    if (d->speed == USB_HIGH)
        slot[2] |= SLOT_TT_THINK(d->hub.facts.think_time);
}

/* Awaits one more report, in the buffer whose turn it is. */
static void await_report(struct usb_endpoint *e, unsigned buffer)
{
    xhci_ring_add(&e->ring, e->buffer.pa.v + buffer * USB_PACKET_MAX, e->function.packet,
                  TRB_TYPE(TRB_NORMAL) | (uint32_t)TRB_EVENT | (uint32_t)TRB_SHORT_EVENT);
}

static void await_reports(struct usb_device *d, struct usb_endpoint *e)
{
    e->expected = 0;
    e->report = 0;
    for (unsigned i = 0; i < USB_REPORTS_QUEUED; i++)
        await_report(e, i);
    xhci_doorbell(d->controller, d->slot, DCI_IN(e->function.endpoint));
}

static unsigned last_dci(const struct usb_device *d)
{
    unsigned last = CONTROL_DCI;

    for (unsigned i = 0; i < d->configuration.count; i++)
        if (d->endpoints[i].ring.page.at)
            last = MAX(last, DCI_IN(d->endpoints[i].function.endpoint));
    return last;
}

enum err usb_endpoint_start(struct usb_device *d, unsigned index)
{
    struct usb_endpoint *e = &d->endpoints[index];

    e->function = d->configuration.functions[index];
    if (!xhci_ring_create(d->controller, &e->ring) || !xhci_page_alloc(d->controller, &e->buffer))
        return ERR_NO_MEMORY;
    input_begin(d, BIT(0) | BIT(DCI_IN(e->function.endpoint)));
    fill_slot(d, last_dci(d));
    if (e->function.kind == USB_HUB)
        fill_hub(d);
    fill_endpoint(d, e);
    enum err err = command_with_input(d, TRB_CONFIGURE_ENDPOINT);
    if (!err)
        await_reports(d, e);
    return err;
}

enum err usb_endpoint_recover(struct usb_device *d, unsigned index)
{
    struct usb_endpoint *e = &d->endpoints[index];
    const struct usb_request clear = {.type = USB_STANDARD | USB_ENDPOINT,
                                      .request = USB_CLEAR_FEATURE,
                                      .value = USB_FEATURE_HALT,
                                      .index = (uint16_t)(e->function.endpoint | USB_IN)};

    e->halted = false;
    if (++e->failures > FAILURES_MAX)
        return ERR_IO;
    enum err err = restart_ring(d, DCI_IN(e->function.endpoint), &e->ring);
    if (!err)
        err = usb_control(d, &clear, NULL, NULL);
    if (!err)
        await_reports(d, e);
    return err;
}

/* ---- Transfer events ---- */

static void control_event(struct usb_device *d, const struct xhci_trb *e)
{
    unsigned code = EVENT_CODE(e->status);

    if (xhci_ring_index(&d->control, e->parameter) < 0 || !d->control_end.v) {
        d->controller->stray_events++;
        return;
    }
    /* A short data stage: the status stage still comes. */
    if (code == CODE_SHORT && e->parameter != d->control_end.v) {
        d->control_left = EVENT_LENGTH(e->status);
        return;
    }
    d->control_end = HPA(0);
    d->control_code = code ? (enum xhci_code)code : CODE_TRANSACTION;
}

static void report_event(struct usb_device *d, unsigned index, const struct xhci_trb *event)
{
    struct usb_endpoint *e = &d->endpoints[index];
    unsigned code = EVENT_CODE(event->status), left = EVENT_LENGTH(event->status);
    uint8_t report[USB_PACKET_MAX];

    if (e->halted || xhci_ring_index(&e->ring, event->parameter) != (int)e->expected) {
        d->controller->stray_events++;
        return;
    }
    if (code != CODE_SUCCESS && code != CODE_SHORT) {
        e->halted = code == CODE_STALL || code == CODE_BABBLE || code == CODE_TRANSACTION;
        return;
    }
    e->failures = 0;
    e->expected = (e->expected + 1) % (XHCI_RING_SIZE - 1);
    size_t size = e->function.packet - MIN(left, (unsigned)e->function.packet);
    memcpy(report, (uint8_t *)e->buffer.at + e->report * USB_PACKET_MAX, size);
    await_report(e, e->report);
    e->report = (e->report + 1) % USB_REPORTS_QUEUED;
    xhci_doorbell(d->controller, d->slot, DCI_IN(e->function.endpoint));
    usb_report(d, index, report, size);
}

void usb_transfer_event(struct usb_device *d, const struct xhci_trb *e)
{
    unsigned dci = TRB_DCI_OF(e->control);

    if (dci == CONTROL_DCI) {
        control_event(d, e);
        return;
    }
    for (unsigned i = 0; i < d->configuration.count; i++)
        if (d->endpoints[i].buffer.at && dci == DCI_IN(d->endpoints[i].function.endpoint)) {
            report_event(d, i, e);
            return;
        }
    d->controller->stray_events++;
}
