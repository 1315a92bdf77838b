/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Hubs of USB 2.0 (chapter 11): power their ports, and tell of what is plugged in and out. */
#include "drivers/usb/xhci.h"
#include "kernel/thread.h"

/* 11.24.2, features of ports */
#define PORT_FEATURE_RESET   4
#define PORT_FEATURE_POWER   8
#define PORT_FEATURE_C_FIRST 16 /* of the changes, in the order of their bits */
#define CHANGES              5

/* 11.24.2.7 */
#define HUB_CONNECTED        BIT(0)
#define HUB_ENABLED          BIT(1)
#define HUB_LOW_SPEED        BIT(9)
#define HUB_HIGH_SPEED       BIT(10)
#define HUB_CHANGE_CONNECTED BIT(16)
#define HUB_CHANGE_RESET     BIT(20)

#define DEBOUNCE_NS        (100 * NS_PER_MS)
#define RESET_NS           (500 * NS_PER_MS)
#define RECOVERY_NS        (10 * NS_PER_MS)
#define STEP_NS            (10 * NS_PER_MS)
#define STATUS_SIZE        4
#define HUB_DESCRIPTOR_MAX 16

static enum err port_request(struct usb_device *d, unsigned request, unsigned feature,
                             unsigned port)
{
    const struct usb_request r = {.type = USB_CLASS | USB_OTHER,
                                  .request = (uint8_t)request,
                                  .value = (uint16_t)feature,
                                  .index = (uint16_t)port};

    return usb_control(d, &r, NULL, NULL);
}

/* Status in the lower, changes in the upper half; 0 when it does not say. */
static uint32_t port_status(struct usb_device *d, unsigned port)
{
    const struct usb_request r = {.type = USB_IN | USB_CLASS | USB_OTHER,
                                  .request = USB_GET_STATUS,
                                  .index = (uint16_t)port,
                                  .length = STATUS_SIZE};
    uint8_t s[STATUS_SIZE] = {0};
    size_t got = 0;

    if (usb_control(d, &r, s, &got) != ERR_OK || got < sizeof(s))
        return 0;
    return s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
}

static void clear_changes(struct usb_device *d, unsigned port, uint32_t status)
{
    for (unsigned i = 0; i < CHANGES; i++)
        if (status & BIT(16 + i) &&
            port_request(d, USB_CLEAR_FEATURE, PORT_FEATURE_C_FIRST + i, port) != ERR_OK)
            return;
}

enum err usb_hub_start(struct usb_device *d)
{
    const struct usb_request get = {.type = USB_IN | USB_CLASS | USB_DEVICE,
                                    .request = USB_GET_DESCRIPTOR,
                                    .value = USB_DT_HUB << 8,
                                    .length = HUB_DESCRIPTOR_MAX};
    uint8_t data[HUB_DESCRIPTOR_MAX];
    size_t got = 0;
    enum err e = usb_control(d, &get, data, &got);

    if (!e)
        e = usb_parse_hub(data, got, &d->hub.facts);
    if (!e)
        e = usb_endpoint_start(d, 0);
    for (unsigned port = 1; port <= d->hub.facts.ports && !e; port++)
        e = port_request(d, USB_SET_FEATURE, PORT_FEATURE_POWER, port);
    if (e)
        return e;
    xhci_wait(d->controller, MAX(d->hub.facts.power_ms, 1) * NS_PER_MS);
    d->hub.changed = (uint32_t)BITS(d->hub.facts.ports, 1); /* look at every port */
    return ERR_OK;
}

static bool reset_port(struct usb_device *d, unsigned port, uint32_t *status)
{
    uint64_t deadline = clock_ns() + RESET_NS;

    if (port_request(d, USB_SET_FEATURE, PORT_FEATURE_RESET, port) != ERR_OK)
        return false;
    do {
        xhci_wait(d->controller, STEP_NS);
        *status = port_status(d, port);
    } while (!(*status & HUB_CHANGE_RESET) && clock_ns() < deadline && !d->gone);
    clear_changes(d, port, *status);
    xhci_wait(d->controller, RECOVERY_NS);
    return *status & HUB_ENABLED && *status & HUB_CONNECTED;
}

static struct usb_device *child_at(const struct usb_device *hub, unsigned port)
{
    for (struct usb_device *d = hub->controller->devices; d; d = d->next)
        if (d->parent == hub && d->parent_port == port)
            return d;
    return NULL;
}

static void service_port(struct usb_device *d, unsigned port)
{
    uint32_t status = port_status(d, port);
    struct usb_device *child = child_at(d, port);

    clear_changes(d, port, status);
    if (child && (status & HUB_CHANGE_CONNECTED || !(status & HUB_CONNECTED))) {
        usb_remove(child);
        child = NULL;
    }
    if (child || !(status & HUB_CONNECTED))
        return;
    xhci_wait(d->controller, DEBOUNCE_NS);
    if (reset_port(d, port, &status))
        usb_attach(d->controller, d->root_port, d, port,
                   status & HUB_LOW_SPEED    ? USB_LOW
                   : status & HUB_HIGH_SPEED ? USB_HIGH
                                             : USB_FULL);
}

void usb_hub_service(struct usb_device *d)
{
    uint32_t changed = d->hub.changed;

    d->hub.changed = 0;
    for (unsigned port = 1; port <= d->hub.facts.ports && !d->gone; port++)
        if (changed & BIT(port))
            service_port(d, port);
}
