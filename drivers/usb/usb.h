/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What USB devices say and are told: requests and descriptors (USB 2.0, chapter 9; hubs, chapter
 * 11; HID 1.11). Nothing here knows the host controller. Descriptors are hostile input.
 */
#ifndef DRIVERS_USB_USB_H
#define DRIVERS_USB_USB_H

#include "kernel/types.h"

/* As xHCI numbers them by default (xHCI 1.2, 7.2.2.1.1). */
enum usb_speed { USB_SPEED_NONE, USB_FULL, USB_LOW, USB_HIGH, USB_SUPER, USB_SUPER_PLUS };
/* "high speed"; never NULL. */
const char *usb_speed_name(enum usb_speed speed);

/* ---- Requests (9.3) ---- */

struct usb_request {
    uint8_t type, request;
    uint16_t value, index, length;
};

/* bmRequestType: direction, type, recipient. */
#define USB_IN        0x80
#define USB_STANDARD  0x00
#define USB_CLASS     0x20
#define USB_DEVICE    0x00
#define USB_INTERFACE 0x01
#define USB_ENDPOINT  0x02
#define USB_OTHER     0x03 /* a hub's port */

enum {
    USB_GET_STATUS = 0,
    USB_CLEAR_FEATURE = 1,
    USB_SET_FEATURE = 3,
    USB_GET_DESCRIPTOR = 6,
    USB_SET_CONFIGURATION = 9,
};
#define USB_FEATURE_HALT 0 /* 9.4.1 */

/* Of HID devices (HID 1.11, 7.2). */
enum { HID_SET_REPORT = 0x09, HID_SET_IDLE = 0x0a, HID_SET_PROTOCOL = 0x0b };
#define HID_REPORT_OUTPUT 0x0200

/* ---- Descriptors (9.6) ---- */

enum {
    USB_DT_DEVICE = 1,
    USB_DT_CONFIGURATION = 2,
    USB_DT_INTERFACE = 4,
    USB_DT_ENDPOINT = 5,
    USB_DT_HUB = 0x29,
};

#define USB_DEVICE_SIZE        18
#define USB_CONFIGURATION_SIZE 9
#define USB_HUB_SIZE           7 /* without its maps of ports */

#define USB_FUNCTIONS_MAX 4  /* of one device that are used */
#define USB_PACKET_MAX    64 /* of their interrupt endpoints: larger ones are not used */

/* What a driver here is there for. */
enum usb_kind { USB_KEYBOARD, USB_HUB };

struct usb_function {
    enum usb_kind kind;
    uint8_t interface;
    uint8_t endpoint; /* number of its interrupt IN endpoint, 1 to 15 */
    uint8_t interval; /* bInterval */
    uint16_t packet;  /* bytes, 1 to USB_PACKET_MAX */
};

struct usb_configuration {
    uint8_t value; /* for SET_CONFIGURATION */
    unsigned count;
    struct usb_function functions[USB_FUNCTIONS_MAX];
};

/* Reads the configuration descriptor with all that follows it. ERR_CORRUPT: it cannot be one. Parts
 * that do not fit are left out. */
enum err usb_parse_configuration(const uint8_t *data, size_t size,
                                 struct usb_configuration *out) MUST_CHECK;

struct usb_identity {
    uint16_t vendor, product;
    uint8_t class, protocol;
    uint8_t packet; /* bMaxPacketSize0, as written */
    uint8_t configurations;
};
enum err usb_parse_device(const uint8_t *data, size_t size, struct usb_identity *out) MUST_CHECK;

/* Hubs of USB 2.0 (11.23.2.1). */
struct usb_hub_facts {
    uint8_t ports;      /* 1 to USB_HUB_PORTS_MAX */
    uint8_t think_time; /* as the slot context wants it */
    uint16_t power_ms;  /* from power on to power good */
};
#define USB_HUB_PORTS_MAX 15 /* a route string numbers no more (xHCI 1.2, 4.3.3) */
enum err usb_parse_hub(const uint8_t *data, size_t size, struct usb_hub_facts *out) MUST_CHECK;

#endif
