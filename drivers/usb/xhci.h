/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * An xHCI host controller and what is plugged into it. One thread a controller does everything:
 * takes events, finds devices, serves hubs and keyboards; so nothing here has a lock. The interrupt
 * only wakes it; without one it looks at the event ring from time to time.
 *
 *   xhci.c         start, reset, the event ring, commands
 *   xhci_device.c  slots, contexts, transfers
 *   enumerate.c    what a new device is, root ports
 *   hub.c          ports of hubs
 *   keyboard.c     keyboards, from reports to keys
 *
 * Everything in memory that the controller writes, and every register, may say anything: what is
 * read is checked before it is used, and a device that breaks the rules is let go.
 */
#ifndef DRIVERS_USB_XHCI_H
#define DRIVERS_USB_XHCI_H

#include "drivers/usb/hid.h"
#include "drivers/usb/usb.h"
#include "drivers/usb/xhci_registers.h"
#include "kernel/lock.h"
#include "kernel/log.h"

#define XHCI_SLOTS_MAX     64 /* of those that a controller has, how many are used */
#define XHCI_PORTS_MAX     255
#define XHCI_RING_SIZE     (PAGE_SIZE / sizeof(struct xhci_trb)) /* the last one is a link */
#define XHCI_EVENTS        XHCI_RING_SIZE
#define USB_REPORTS_QUEUED 8
#define USB_DEPTH_MAX      5 /* hubs below each other */
#define USB_TRANSFER_MAX   PAGE_SIZE

struct pci_function;
struct thread;
struct xhci;

/* A page that the controller reads or writes. */
struct xhci_page {
    void *at;
    hpa_t pa;
};

struct xhci_ring {
    struct xhci_page page;
    unsigned enqueue;
    bool cycle;
};

/* An interrupt endpoint in use: reports come in order, USB_REPORTS_QUEUED of them are awaited. */
struct usb_endpoint {
    struct usb_function function;
    struct xhci_ring ring;
    struct xhci_page buffer; /* USB_REPORTS_QUEUED reports of USB_PACKET_MAX bytes */
    unsigned expected;       /* index in the ring of the transfer that ends next */
    unsigned report;         /* its buffer */
    bool halted;             /* an error stopped it: usb_device_service() starts it again */
    unsigned failures;       /* without a good report in between */
};

struct usb_hub {
    struct usb_hub_facts facts;
    uint32_t changed; /* a bit for each port, and bit 0 for the hub */
};

struct usb_device {
    struct xhci *controller;
    struct usb_device *parent; /* the hub, NULL: a root port */
    struct usb_device *next;   /* of the controller's list; hubs before what they carry */
    uint8_t root_port, parent_port, slot, depth;
    uint32_t route;
    enum usb_speed speed;
    struct usb_identity identity;
    struct usb_configuration configuration;
    struct xhci_page context, input; /* device and input context */
    struct xhci_ring control;
    struct xhci_page data; /* of control transfers */
    enum xhci_code control_code;
    uint32_t control_left; /* bytes that a short data stage did not fill */
    hpa_t control_end;     /* the last transfer of the one under way */
    struct usb_endpoint endpoints[USB_FUNCTIONS_MAX];
    struct usb_hub hub;
    struct hid_keyboard keyboards[USB_FUNCTIONS_MAX]; /* by function */
    bool gone;                                        /* unplugged, or given up */
};

struct xhci_port {
    uint8_t major;     /* of its USB protocol: 2 or 3; 0: none */
    uint8_t slot_type; /* for Enable Slot */
    bool pending;      /* something changed */
    unsigned failures; /* to make a device of what is plugged in */
    struct usb_device *device;
};

struct xhci {
    struct pci_function *pci;
    struct thread *thread;
    char name[32];
    struct xhci *next;
    bool wide_addresses, wide_contexts, messages, failed;
    unsigned restarts, silent;
    uint64_t size; /* of the registers */
    volatile uint8_t *registers;
    uint32_t operational, runtime, doorbells, extended; /* offsets */
    unsigned slots, port_count;
    struct xhci_page slot_table, scratchpad_table, segment_table;
    struct xhci_page *scratchpads;
    unsigned scratchpad_count;
    struct xhci_ring commands;
    struct xhci_page events;
    unsigned event;
    bool event_cycle;
    hpa_t command;               /* the one under way */
    enum xhci_code command_code; /* CODE_NONE: not done */
    uint8_t command_slot;
    uint64_t event_count, stray_events;
    struct usb_device *devices; /* list */
    struct usb_device *by_slot[XHCI_SLOTS_MAX + 1];
    struct xhci_port ports[XHCI_PORTS_MAX + 1];
};

/* ---- xhci.c ---- */

uint32_t xhci_read(const struct xhci *x, uint32_t offset);
void xhci_write(struct xhci *x, uint32_t offset, uint32_t value);
uint32_t xhci_port_status(struct xhci *x, unsigned port);
/* Sets bits of PORTSC; what a write would change by itself stays. */
void xhci_port_set(struct xhci *x, unsigned port, uint32_t bits);

bool xhci_page_alloc(struct xhci *x, struct xhci_page *page) MUST_CHECK;
void xhci_page_free(struct xhci_page *page);
bool xhci_ring_create(struct xhci *x, struct xhci_ring *ring) MUST_CHECK;
void xhci_ring_reset(struct xhci_ring *ring);
/* Adds one; returns where it stands. The cycle bit is set here, last. */
hpa_t xhci_ring_add(struct xhci_ring *ring, uint64_t parameter, uint32_t status, uint32_t control);
/* Index of the transfer at `pa`, or -1 when it is none of this ring. */
int xhci_ring_index(const struct xhci_ring *ring, uint64_t pa);
void xhci_doorbell(struct xhci *x, unsigned slot, unsigned target);

/* Sleeps for `ns` and takes events meanwhile. */
void xhci_wait(struct xhci *x, uint64_t ns);
/* Waits until *code is set: false when it was not within the time that every command and transfer
 * has. */
bool xhci_wait_code(struct xhci *x, const enum xhci_code *code) MUST_CHECK;
/* Runs a command; the slot that the answer names goes to *slot (NULL: not wanted). ERR_TIMEOUT: the
 * controller does not answer and will be started again. */
enum err xhci_command(struct xhci *x, uint64_t parameter, uint32_t control,
                      unsigned *slot) MUST_CHECK;
/* Takes all events that have come. */
void xhci_take_events(struct xhci *x);
/* One event, whatever it says. */
void xhci_event(struct xhci *x, const struct xhci_trb *e);

/* ---- xhci_device.c ---- */

/* The slot of a device: a new object with an address, that answers control requests. NULL: `why`
 * was logged. */
struct usb_device *usb_device_create(struct xhci *x, unsigned root_port, struct usb_device *parent,
                                     unsigned parent_port, enum usb_speed speed) MUST_CHECK;
/* Gives slot and memory back. The device and what is behind it are not used any more. */
void usb_device_destroy(struct usb_device *d);
/* A control transfer. `data`: at least request->length bytes; *got (NULL: not wanted): how many
 * came. ERR_IO: the device refused or did not answer. */
enum err usb_control(struct usb_device *d, const struct usb_request *request, void *data,
                     size_t *got) MUST_CHECK;
/* The first packet's size of the control endpoint is now `packet`. */
enum err usb_set_packet(struct usb_device *d, unsigned packet) MUST_CHECK;
/* Makes the endpoint of function `index` ready and awaits its reports. A hub's slot becomes one. */
enum err usb_endpoint_start(struct usb_device *d, unsigned index) MUST_CHECK;
/* Starts a halted endpoint again. */
enum err usb_endpoint_recover(struct usb_device *d, unsigned index) MUST_CHECK;
/* A transfer event of `d`'s slot. */
void usb_transfer_event(struct usb_device *d, const struct xhci_trb *e);

/* ---- enumerate.c ---- */

/* A report of function `index` came. */
void usb_report(struct usb_device *d, unsigned index, const uint8_t *data, size_t size);
/* Does what events asked for: ports, hubs, halted endpoints, lights. Until when nothing more is to
 * do, by clock_ns(). */
uint64_t usb_service(struct xhci *x);
/* Whether a keyboard is plugged in. */
bool usb_has_keyboard(const struct xhci *x);
/* Something is plugged in at a port: makes a device of it, and all that is behind it. */
void usb_attach(struct xhci *x, unsigned root_port, struct usb_device *parent, unsigned parent_port,
                enum usb_speed speed);
/* Lets go of `d` and of all that is behind it. */
void usb_remove(struct usb_device *d);
void usb_remove_all(struct xhci *x);

/* ---- hub.c ---- */

enum err usb_hub_start(struct usb_device *d) MUST_CHECK;
void usb_hub_service(struct usb_device *d);

/* ---- keyboard.c ---- */

enum err usb_keyboard_start(struct usb_device *d, unsigned index) MUST_CHECK;
/* Repeats keys and sets lights; returns when it wants to be called again. */
uint64_t usb_keyboard_service(struct usb_device *d, unsigned index);
void usb_keyboard_stop(struct usb_device *d, unsigned index);

#endif
