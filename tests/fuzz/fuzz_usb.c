/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A hostile USB device and a hostile controller: descriptors, reports of a keyboard, and events of
 * the event ring while a hub and a keyboard are plugged in. The first byte chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/input/keymap.c"
#include "drivers/input/layouts.c"
#undef DELETE
#undef ESC
#include "drivers/usb/descriptor.c"
#include "drivers/usb/hid.c"
#include "drivers/usb/xhci.h"

#define CHECK(cond)  \
    do {             \
        if (!(cond)) \
            abort(); \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(struct hid_keyboard *k, uint8_t usage)
{
    CHECK(usage >= USAGE_FIRST && usage <= USAGE_LAST);
    const struct keymap_key key = {usage, k->modifiers, k->leds, usage & 1};
    static uint16_t dead;
    char text[KEYMAP_TEXT_MAX];
    CHECK(keymap_text(usage % KEYMAP_LAYOUTS, &key, &dead, text) <= sizeof(text));
}

static void descriptors(const uint8_t *data, size_t size)
{
    struct usb_configuration c;
    struct usb_identity id;
    struct usb_hub_facts hub;

    if (usb_parse_configuration(data, size, &c) == ERR_OK) {
        CHECK(c.count <= USB_FUNCTIONS_MAX);
        for (unsigned i = 0; i < c.count; i++)
            CHECK(c.functions[i].endpoint >= 1 && c.functions[i].endpoint <= 15 &&
                  c.functions[i].packet >= 1 && c.functions[i].packet <= USB_PACKET_MAX);
    }
    if (usb_parse_hub(data, size, &hub) == ERR_OK)
        CHECK(hub.ports >= 1 && hub.ports <= USB_HUB_PORTS_MAX);
    if (usb_parse_device(data, size, &id) == ERR_OK)
        CHECK(id.packet == data[7]);
}

static void reports(const uint8_t *data, size_t size)
{
    struct hid_keyboard k;
    uint64_t now = 0;

    hid_keyboard_init(&k, nothing);
    while (size) {
        size_t n = MIN((size_t)data[0] % 10, size - 1);
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, data + 1, n);
        hid_keyboard_report(&k, exact, n, now);
        free(exact);
        now += data[0] * NS_PER_MS;
        CHECK(hid_keyboard_repeat(&k, now) > now);
        data += 1 + n;
        size -= 1 + n;
    }
}

/* ---- The event ring ---- */

#include "drivers/usb/xhci.c"
#undef STEP_NS
#undef RESET_NS
#include "drivers/usb/xhci_device.c"
#include "drivers/usb/xhci_ring.c"

#define FAKE_REGISTERS 0x4000
static _Alignas(4096) uint8_t registers[FAKE_REGISTERS];
static struct xhci controller;
static struct usb_device *hub, *keyboard;

/* Pages are host memory at their own addresses. */
uint64_t page_direct_map_base;

hpa_t page_alloc(unsigned order, unsigned flags)
{
    void *p = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
    (void)flags;
    CHECK(p);
    memset(p, 0, PAGE_SIZE << order);
    return HPA((uint64_t)(uintptr_t)p);
}

void page_free(hpa_t page, unsigned order)
{
    (void)order;
    free(phys_to_virt(page));
}

static uint64_t now_ns;

uint64_t clock_ns(void)
{
    return now_ns;
}

bool thread_sleep_until(uint64_t deadline)
{
    now_ns = MAX(deadline, now_ns);
    return false;
}

void thread_sleep_ns(uint64_t ns)
{
    now_ns += ns;
}

/* The rest of the core is not there: nothing that is fuzzed here gets to it. */
void thread_wake(struct thread *t)
{
    (void)t;
}

enum err thread_create(struct thread **out, const char *name, void (*entry)(void *), void *arg,
                       uint32_t weight, int affinity)
{
    (void)out, (void)name, (void)entry, (void)arg, (void)weight, (void)affinity;
    abort();
}

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)level, (void)fmt;
}

void *heap_zalloc(size_t size)
{
    return calloc(1, size);
}

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

void *kernel_map_device(hpa_t pa, uint64_t size, unsigned attrs)
{
    (void)pa, (void)size, (void)attrs;
    abort();
}

enum err pci_bar(struct pci_function *f, unsigned index, hpa_t *address, uint64_t *size)
{
    (void)f, (void)index, (void)address, (void)size;
    abort();
}

void pci_command(struct pci_function *f, uint32_t set, uint32_t clear)
{
    (void)f, (void)set, (void)clear;
    abort();
}

enum err pci_message(struct pci_function *f, void (*handler)(void *arg), void *arg,
                     const char *name)
{
    (void)f, (void)handler, (void)arg, (void)name;
    abort();
}

void usb_report(struct usb_device *d, unsigned index, const uint8_t *data, size_t size)
{
    CHECK(size <= d->endpoints[index].function.packet);
    if (d == keyboard)
        hid_keyboard_report(&d->keyboards[index], data, size, now_ns);
}

uint64_t usb_service(struct xhci *x)
{
    (void)x;
    return UINT64_MAX;
}

void usb_remove_all(struct xhci *x)
{
    (void)x;
}

static struct usb_device *plug_in(unsigned slot, enum usb_kind kind, unsigned endpoint)
{
    struct usb_device *d = calloc(1, sizeof(*d));

    CHECK(d);
    d->controller = &controller;
    d->slot = (uint8_t)slot;
    controller.by_slot[slot] = d;
    CHECK(make_memory(d));
    d->configuration.count = 1;
    d->configuration.functions[0] = (struct usb_function){kind, 0, (uint8_t)endpoint, 8, 8};
    hid_keyboard_init(&d->keyboards[0], nothing);
    struct usb_endpoint *e = &d->endpoints[0];
    e->function = d->configuration.functions[0];
    CHECK(xhci_ring_create(&controller, &e->ring) && xhci_page_alloc(&controller, &e->buffer));
    await_reports(d, e);
    d->control_end = HPA(d->control.page.pa.v + 2 * sizeof(struct xhci_trb));
    return d;
}

static void start_controller(void)
{
    memset(&controller, 0, sizeof(controller));
    controller.wide_addresses = true;
    controller.registers = registers;
    controller.size = sizeof(registers);
    controller.operational = 0x40;
    controller.runtime = 0x1000;
    controller.doorbells = 0x2000;
    controller.slots = XHCI_SLOTS_MAX;
    controller.port_count = 8;
    controller.event_cycle = true;
    CHECK(xhci_page_alloc(&controller, &controller.events) &&
          xhci_ring_create(&controller, &controller.commands));
    controller.command = controller.commands.page.pa;
    hub = plug_in(1, USB_HUB, 1);
    keyboard = plug_in(2, USB_KEYBOARD, 3);
}

static void stop_controller(void)
{
    struct usb_device *all[] = {hub, keyboard};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        free_memory(all[i]);
        free(all[i]);
    }
    xhci_page_free(&controller.events);
    xhci_page_free(&controller.commands.page);
}

/* 16 bytes an event; addresses are relative to a ring that the low bits of the control word choose,
 * so that some are right. */
static struct xhci_trb event_of(const uint8_t *data)
{
    struct xhci_trb e;
    const struct xhci_page *rings[] = {
        &controller.commands.page,         &hub->control.page,
        &keyboard->control.page,           &hub->endpoints[0].ring.page,
        &keyboard->endpoints[0].ring.page, NULL};

    memcpy(&e, data, sizeof(e));
    const struct xhci_page *ring = rings[(e.control >> 1 & 0xff) % ARRAY_SIZE(rings)];
    if (ring)
        e.parameter = ring->pa.v + (e.parameter & 0x1fff) - 0x800;
    return e;
}

static void events(const uint8_t *data, size_t size)
{
    struct xhci_trb *ring;

    start_controller();
    ring = controller.events.at;
    for (unsigned i = 0; size >= sizeof(*ring); i++, data += sizeof(*ring), size -= sizeof(*ring)) {
        struct xhci_trb e = event_of(data);
        bool cycle = i / XHCI_EVENTS % 2 == 0;
        e.control = (e.control & ~(uint32_t)TRB_CYCLE) | (cycle ? (uint32_t)TRB_CYCLE : 0);
        ring[i % XHCI_EVENTS] = e;
        uint64_t before = controller.event_count;
        xhci_take_events(&controller);
        CHECK(controller.event_count == before + 1);
        memset(keyboard->endpoints[0].buffer.at, data[0], PAGE_SIZE);
    }
    stop_controller();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    switch (data[0] % 3) {
    case 0:
        descriptors(data + 1, size - 1);
        break;
    case 1:
        reports(data + 1, size - 1);
        break;
    default:
        events(data + 1, size - 1);
    }
    return 0;
}
