/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* USB keyboards: the boot protocol (HID 1.11, appendix B and F), repeats by software, lights. */
#include "drivers/input/input.h"
#include "drivers/usb/xhci.h"
#include "kernel/thread.h"

#define PROTOCOL_BOOT 0 /* 7.2.6 */
#define IDLE_FOREVER  0 /* 7.2.4: a report only when something changes */

static enum err hid_request(struct usb_device *d, unsigned index, unsigned request, unsigned value,
                            uint8_t *data, unsigned length)
{
    const struct usb_request r = {.type = USB_CLASS | USB_INTERFACE,
                                  .request = (uint8_t)request,
                                  .value = (uint16_t)value,
                                  .index = d->configuration.functions[index].interface,
                                  .length = (uint16_t)length};

    return usb_control(d, &r, data, NULL);
}

static void pressed(struct hid_keyboard *k, uint8_t usage)
{
    input_key(usage, k->modifiers, k->leds);
}

/* Not every keyboard has lights, or an idle rate: what they answer to those does not matter. */
static void show_lights(struct usb_device *d, unsigned index)
{
    struct hid_keyboard *k = &d->keyboards[index];
    uint8_t leds = k->leds_shown = k->leds;
    enum err e = hid_request(d, index, HID_SET_REPORT, HID_REPORT_OUTPUT, &leds, sizeof(leds));

    if (e)
        log_debug("%s: a keyboard does not take its lights: %s", d->controller->name, err_text(e));
}

enum err usb_keyboard_start(struct usb_device *d, unsigned index)
{
    enum err e = hid_request(d, index, HID_SET_PROTOCOL, PROTOCOL_BOOT, NULL, 0);

    if (e)
        return e;
    e = hid_request(d, index, HID_SET_IDLE, IDLE_FOREVER, NULL, 0);
    if (e)
        log_debug("%s: a keyboard has no idle rate: %s", d->controller->name, err_text(e));
    hid_keyboard_init(&d->keyboards[index], pressed);
    show_lights(d, index);
    e = usb_endpoint_start(d, index);
    if (!e)
        log_info("%s: keyboard %04x:%04x at port %u, layout %s", d->controller->name,
                 d->identity.vendor, d->identity.product, d->parent ? d->parent_port : d->root_port,
                 input_layout_name());
    return e;
}

uint64_t usb_keyboard_service(struct usb_device *d, unsigned index)
{
    struct hid_keyboard *k = &d->keyboards[index];

    if (k->leds != k->leds_shown)
        show_lights(d, index);
    return hid_keyboard_repeat(k, clock_ns());
}

void usb_keyboard_stop(struct usb_device *d, unsigned index)
{
    hid_keyboard_release(&d->keyboards[index]);
    log_info("%s: keyboard %04x:%04x was unplugged", d->controller->name, d->identity.vendor,
             d->identity.product);
}
