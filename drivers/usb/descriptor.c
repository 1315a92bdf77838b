/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Reads descriptors: see drivers/usb/usb.h. Each field is taken from inside its descriptor, each
 * descriptor from inside what was received. Sections are those of USB 2.0. */
#include <string.h>

#include "drivers/usb/usb.h"

#define CLASS_HID         3
#define SUBCLASS_BOOT     1 /* HID 1.11, 4.2 */
#define PROTOCOL_KEYBOARD 1 /* 4.3 */
#define CLASS_HUB         9

/* 9.6.5 and 9.6.6 */
#define INTERFACE_SIZE  9
#define ENDPOINT_SIZE   7
#define ENDPOINT_IN     0x80
#define ENDPOINT_NUMBER 0x0f
#define TRANSFER_TYPE   0x03
#define INTERRUPT       0x03
#define PACKET_SIZE     0x07ff

#define THINK_TIME(v) ((v) >> 5 & 3) /* 11.23.2.1, wHubCharacteristics */
#define POWER_UNIT_MS 2

static uint16_t word(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

const char *usb_speed_name(enum usb_speed speed)
{
    static const char *const names[] = {"unknown speed", "full speed",  "low speed",
                                        "high speed",    "super speed", "super speed plus"};

    return names[(unsigned)speed < ARRAY_SIZE(names) ? speed : USB_SPEED_NONE];
}

enum err usb_parse_device(const uint8_t *data, size_t size, struct usb_identity *out)
{
    if (size < USB_DEVICE_SIZE || data[0] < USB_DEVICE_SIZE || data[1] != USB_DT_DEVICE)
        return ERR_CORRUPT;
    *out = (struct usb_identity){
        .class = data[4],
        .protocol = data[6],
        .packet = data[7],
        .vendor = word(data + 8),
        .product = word(data + 10),
        .configurations = data[17],
    };
    return ERR_OK;
}

/* What an interface is for here; false: nothing. Alternate settings are not used. */
static bool kind_of(const uint8_t *interface, enum usb_kind *kind)
{
    if (interface[3] != 0)
        return false;
    *kind = interface[5] == CLASS_HUB ? USB_HUB : USB_KEYBOARD;
    return interface[5] == CLASS_HUB ||
           (interface[5] == CLASS_HID && interface[6] == SUBCLASS_BOOT &&
            interface[7] == PROTOCOL_KEYBOARD);
}

static bool usable_endpoint(const uint8_t *endpoint)
{
    unsigned packet = word(endpoint + 4) & PACKET_SIZE;

    return endpoint[2] & ENDPOINT_IN && endpoint[2] & ENDPOINT_NUMBER &&
           (endpoint[3] & TRANSFER_TYPE) == INTERRUPT && packet >= 1 && packet <= USB_PACKET_MAX;
}

/* An endpoint may serve one function only: a second one would have two rings. */
static bool endpoint_is_free(const struct usb_configuration *c, uint8_t number)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->functions[i].endpoint == number)
            return false;
    return true;
}

static void add(struct usb_configuration *c, const struct usb_function *open,
                const uint8_t *endpoint)
{
    uint8_t number = endpoint[2] & ENDPOINT_NUMBER;

    if (c->count == USB_FUNCTIONS_MAX || !endpoint_is_free(c, number))
        return;
    struct usb_function *f = &c->functions[c->count++];
    *f = *open;
    f->endpoint = number;
    f->packet = word(endpoint + 4) & PACKET_SIZE;
    f->interval = endpoint[6];
}

enum err usb_parse_configuration(const uint8_t *data, size_t size, struct usb_configuration *out)
{
    struct usb_function open; /* the interface whose endpoint is looked for */
    bool is_open = false;

    memset(out, 0, sizeof(*out));
    if (size < USB_CONFIGURATION_SIZE || data[0] < USB_CONFIGURATION_SIZE ||
        data[1] != USB_DT_CONFIGURATION)
        return ERR_CORRUPT;
    out->value = data[5];
    size = MIN(size, (size_t)word(data + 2));
    for (size_t at = 0; size - at >= 2 && data[at] >= 2 && data[at] <= size - at; at += data[at]) {
        const uint8_t *d = data + at;
        if (d[1] == USB_DT_INTERFACE) {
            open = (struct usb_function){0};
            is_open = d[0] >= INTERFACE_SIZE && kind_of(d, &open.kind);
            if (is_open)
                open.interface = d[2];
        } else if (d[1] == USB_DT_ENDPOINT && is_open && d[0] >= ENDPOINT_SIZE &&
                   usable_endpoint(d)) {
            add(out, &open, d);
            is_open = false;
        }
    }
    return ERR_OK;
}

enum err usb_parse_hub(const uint8_t *data, size_t size, struct usb_hub_facts *out)
{
    if (size < USB_HUB_SIZE || data[0] < USB_HUB_SIZE || data[1] != USB_DT_HUB || !data[2])
        return ERR_CORRUPT;
    *out = (struct usb_hub_facts){
        .ports = (uint8_t)MIN(data[2], (uint8_t)USB_HUB_PORTS_MAX),
        .think_time = THINK_TIME(word(data + 3)),
        .power_ms = (uint16_t)(data[5] * POWER_UNIT_MS),
    };
    return ERR_OK;
}
