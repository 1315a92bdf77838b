/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What is plugged in, at root ports and behind hubs, and what serves it: see drivers/usb/xhci.h. */
#include <string.h>

#include "drivers/usb/list.h"
#include "drivers/usb/xhci.h"
#include "kernel/monitor.h"
#include "kernel/thread.h"

#define DEBOUNCE_NS     (100 * NS_PER_MS) /* USB 2.0, 7.1.7.3 */
#define RESET_NS        (500 * NS_PER_MS)
#define RECOVERY_NS     (10 * NS_PER_MS) /* 7.1.7.5 */
#define STEP_NS         (10 * NS_PER_MS)
#define FAILURES_MAX    3u
#define PACKET_FIRST    8u /* bytes of a descriptor that every control endpoint sends at once */
#define DESCRIPTORS_MAX 1024u

/* ---- Descriptors of a new device ---- */

static enum err get_descriptor(struct usb_device *d, unsigned type, void *data, unsigned size,
                               size_t *got)
{
    const struct usb_request get = {.type = USB_IN,
                                    .request = USB_GET_DESCRIPTOR,
                                    .value = (uint16_t)(type << 8),
                                    .length = (uint16_t)size};

    return usb_control(d, &get, data, got);
}

/* A full-speed device says in the first bytes how many the control endpoint takes (USB 2.0, 5.5.3).
 */
static enum err fit_packet(struct usb_device *d)
{
    uint8_t first[PACKET_FIRST];
    size_t got;
    enum err e = get_descriptor(d, USB_DT_DEVICE, first, sizeof(first), &got);

    if (e || got < sizeof(first))
        return e ? e : ERR_CORRUPT;
    unsigned packet = first[7];
    if (packet == 8)
        return ERR_OK;
    return packet == 16 || packet == 32 || packet == 64 ? usb_set_packet(d, packet) : ERR_CORRUPT;
}

static enum err identify(struct usb_device *d)
{
    uint8_t data[USB_DEVICE_SIZE];
    size_t got = 0;
    enum err e = d->speed == USB_FULL ? fit_packet(d) : ERR_OK;

    if (!e)
        e = get_descriptor(d, USB_DT_DEVICE, data, sizeof(data), &got);
    return e ? e : usb_parse_device(data, got, &d->identity);
}

static enum err read_configuration(struct usb_device *d)
{
    static uint8_t data[DESCRIPTORS_MAX]; /* under `reading` */
    static struct mutex reading;
    LOCK_CLASS(reading_class, "USB descriptors", RANK_CONSOLE_LIST);
    size_t got = 0;

    if (!reading.class)
        mutex_init(&reading, &reading_class);
    mutex_lock(&reading);
    enum err e = get_descriptor(d, USB_DT_CONFIGURATION, data, sizeof(data), &got);
    if (!e)
        e = usb_parse_configuration(data, got, &d->configuration);
    mutex_unlock(&reading);
    return e;
}

static enum err set_configuration(struct usb_device *d)
{
    const struct usb_request set = {
        .type = USB_STANDARD, .request = USB_SET_CONFIGURATION, .value = d->configuration.value};

    return usb_control(d, &set, NULL, NULL);
}

static enum err start_functions(struct usb_device *d)
{
    enum err e = d->configuration.count ? set_configuration(d) : ERR_OK;

    for (unsigned i = 0; i < d->configuration.count && !e; i++)
        e = d->configuration.functions[i].kind == USB_HUB ? usb_hub_start(d)
                                                          : usb_keyboard_start(d, i);
    return e;
}

/* Hubs of super speed carry no keyboards: those are behind the same hub's other half. */
static bool is_served(const struct usb_device *d)
{
    const struct usb_configuration *c = &d->configuration;

    return c->count && !(c->functions[0].kind == USB_HUB &&
                         (d->speed >= USB_SUPER || d->depth >= USB_DEPTH_MAX));
}

void usb_attach(struct xhci *x, unsigned root_port, struct usb_device *parent, unsigned parent_port,
                enum usb_speed speed)
{
    struct usb_device *d = usb_device_create(x, root_port, parent, parent_port, speed);
    struct usb_device **link = &x->devices;

    if (!d)
        return;
    while (*link)
        link = &(*link)->next;
    *link = d;
    if (!parent)
        x->ports[root_port].device = d;
    enum err e = identify(d);
    if (!e)
        e = read_configuration(d);
    if (!e && !is_served(d))
        d->configuration.count = 0;
    if (!e)
        e = start_functions(d);
    if (!e && d->hub.facts.ports)
        log_info("%s: hub %04x:%04x with %u ports at port %u", x->name, d->identity.vendor,
                 d->identity.product, d->hub.facts.ports, parent ? parent_port : root_port);
    if (e) {
        log_info("%s: port %u: a device of %s is not used: %s", x->name, root_port,
                 usb_speed_name(speed), err_text(e));
        d->configuration.count = 0;
    }
}

/* ---- Removal ---- */

static bool is_behind(const struct usb_device *d, const struct usb_device *hub)
{
    for (; d; d = d->parent)
        if (d == hub)
            return true;
    return false;
}

static void let_go(struct usb_device *d)
{
    for (unsigned i = 0; i < d->configuration.count; i++)
        if (d->configuration.functions[i].kind == USB_KEYBOARD)
            usb_keyboard_stop(d, i);
    if (!d->parent)
        d->controller->ports[d->root_port].device = NULL;
    usb_device_destroy(d);
}

/* What is behind a hub stands after it in the list, so the last one goes first. */
void usb_remove(struct usb_device *hub)
{
    struct xhci *x = hub->controller;

    for (;;) {
        struct usb_device **last = NULL, *d;
        for (struct usb_device **link = &x->devices; *link; link = &(*link)->next)
            if (is_behind(*link, hub))
                last = link;
        if (!last)
            return;
        d = *last;
        *last = d->next;
        let_go(d);
    }
}

void usb_remove_all(struct xhci *x)
{
    while (x->devices)
        usb_remove(x->devices);
}

/* ---- Root ports ---- */

static bool wait_port(struct xhci *x, unsigned port, uint32_t mask, uint32_t value, uint64_t ns)
{
    uint64_t deadline = clock_ns() + ns;

    while ((xhci_port_status(x, port) & mask) != value) {
        if (clock_ns() >= deadline)
            return false;
        xhci_wait(x, STEP_NS);
    }
    return true;
}

/* Ports of USB 2 are reset; those of USB 3 train their link by themselves (xHCI 1.2, 4.3.1). */
static bool enable_port(struct xhci *x, unsigned port)
{
    if (x->ports[port].major >= 3)
        return wait_port(x, port, (uint32_t)PORT_ENABLED, (uint32_t)PORT_ENABLED, RESET_NS);
    xhci_port_set(x, port, (uint32_t)PORT_RESET);
    if (!wait_port(x, port, (uint32_t)(PORT_RESET | PORT_PRC), (uint32_t)PORT_PRC, RESET_NS))
        return false;
    xhci_port_set(x, port, (uint32_t)PORT_PRC);
    xhci_wait(x, RECOVERY_NS);
    return xhci_port_status(x, port) & PORT_ENABLED;
}

static void attach_root(struct xhci *x, unsigned port)
{
    struct xhci_port *p = &x->ports[port];

    xhci_wait(x, DEBOUNCE_NS);
    if (!(xhci_port_status(x, port) & PORT_CONNECTED))
        return;
    if (enable_port(x, port))
        usb_attach(x, port, NULL, 0, PORT_SPEED(xhci_port_status(x, port)));
    if (p->device) {
        p->failures = 0;
        return;
    }
    /* Not every device is ready at once: it is tried again. */
    p->pending = ++p->failures < FAILURES_MAX;
    if (!p->pending)
        log_info("%s: what is plugged in at port %u does not answer", x->name, port);
}

static void service_port(struct xhci *x, unsigned port)
{
    struct xhci_port *p = &x->ports[port];
    uint32_t status = xhci_port_status(x, port);

    p->pending = false;
    xhci_port_set(x, port, status & (uint32_t)PORT_CHANGES);
    if (status & PORT_CSC)
        p->failures = 0;
    if (p->device && (status & PORT_CSC || !(status & PORT_CONNECTED)))
        usb_remove(p->device);
    if (!p->device && status & PORT_CONNECTED && p->failures < FAILURES_MAX)
        attach_root(x, port);
}

/* ---- Service ---- */

void usb_report(struct usb_device *d, unsigned index, const uint8_t *data, size_t size)
{
    if (d->endpoints[index].function.kind == USB_KEYBOARD) {
        hid_keyboard_report(&d->keyboards[index], data, size, clock_ns());
        return;
    }
    for (size_t i = 0; i < MIN(size, sizeof(d->hub.changed)); i++)
        d->hub.changed |= (uint32_t)data[i] << 8 * i;
}

/* False: the device was given up. */
static bool service_device(struct usb_device *d, uint64_t *next)
{
    for (unsigned i = 0; i < d->configuration.count; i++) {
        if (d->endpoints[i].halted && usb_endpoint_recover(d, i) != ERR_OK)
            d->gone = true;
        if (d->configuration.functions[i].kind == USB_KEYBOARD)
            *next = MIN(*next, usb_keyboard_service(d, i));
        else if (d->hub.changed)
            usb_hub_service(d);
    }
    return !d->gone;
}

uint64_t usb_service(struct xhci *x)
{
    uint64_t next = UINT64_MAX;

    for (unsigned port = 1; port <= x->port_count && !x->failed; port++)
        if (x->ports[port].pending) {
            service_port(x, port);
            next = 0;
        }
    for (struct usb_device *d = x->devices; d && !x->failed; d = d->next)
        if (!service_device(d, &next)) {
            log_info("%s: a device at port %u does not answer any more: it is let go", x->name,
                     d->root_port);
            usb_remove(d);
            return 0;
        }
    return x->failed ? 0 : next;
}

bool usb_has_keyboard(const struct xhci *x)
{
    for (const struct usb_device *d = x->devices; d; d = d->next)
        for (unsigned i = 0; i < d->configuration.count; i++)
            if (d->configuration.functions[i].kind == USB_KEYBOARD)
                return true;
    return false;
}

/* ---- usb ---- */

static const char *use_of(const struct usb_device *d)
{
    if (!d->configuration.count)
        return "not used";
    return d->configuration.functions[0].kind == USB_HUB ? "hub" : "keyboard";
}

static void print_controller(struct out *out, const struct xhci *x)
{
    out_printf(out, "%s: xHCI, %u ports, %s%s\n", x->name, x->port_count,
               x->messages ? "interrupts by messages" : "polled", x->failed ? ", it failed" : "");
    for (const struct usb_device *d = x->devices; d; d = d->next) {
        out_printf(out, "%*sport %u", 2 + 2 * d->depth, "",
                   d->parent ? d->parent_port : d->root_port);
        out_printf(out, "  %04x:%04x  %s, %s\n", d->identity.vendor, d->identity.product,
                   usb_speed_name(d->speed), use_of(d));
    }
}

static void run_usb(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (!usb_controllers())
        out_printf(out, "This machine has no USB controller that is used here (xHCI).\n");
    for (const struct xhci *x = usb_controllers(); x; x = x->next)
        print_controller(out, x);
}

static void json_device(struct json *j, const struct xhci *x, const struct usb_device *d)
{
    json_begin(j, "device");
    json_string(j, "controller", x->name);
    json_number(j, "root_port", d->root_port);
    json_number(j, "port", d->parent ? d->parent_port : d->root_port);
    json_number(j, "depth", d->depth);
    json_hex(j, "vendor", d->identity.vendor);
    json_hex(j, "product", d->identity.product);
    json_string(j, "speed", usb_speed_name(d->speed));
    json_string(j, "use", use_of(d));
    json_end(j);
}

static void json_usb(struct json *j, struct out *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    for (const struct xhci *x = usb_controllers(); x; x = x->next) {
        json_begin(j, "controller");
        json_string(j, "name", x->name);
        json_number(j, "ports", x->port_count);
        json_bool(j, "messages", x->messages);
        json_bool(j, "failed", x->failed);
        json_end(j);
        for (const struct usb_device *d = x->devices; d; d = d->next)
            json_device(j, x, d);
    }
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_usb) = {
    .name = "usb",
    .usage = "",
    .summary = "Lists what is plugged in at USB",
    .help = "One line for each device, indented below the hub it hangs on: its port, vendor and "
            "product ID, speed, and what it is used for. Keyboards and hubs may be plugged in and "
            "out at any time.",
    .run = run_usb,
    .json = json_usb,
};
