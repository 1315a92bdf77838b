/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A console device (VirtIO 1.2, 5.3) with one port, beside the machine's serial port: `hvc0` of
 * Linux, `vm console NAME hvc0` for people. It has a ring of its own.
 */
#include "kernel/guest_console.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "virtio/device.h"

#define F_EMERG_WRITE BIT(2)

enum { QUEUE_RECEIVE, QUEUE_TRANSMIT, QUEUE_COUNT };
#define QUEUE_SIZE 64
#define CHUNK      256
#define PCI_CLASS  0x078000 /* communication controller, other */

/* 5.3.4 */
struct console_config {
    uint16_t columns, rows;
    uint32_t max_ports;
    uint32_t emergency_write;
};

struct virtio_console {
    struct virtio_device virtio;
    struct console_config config;
    struct guest_console *console;
    uint32_t shown; /* bytes of the chain at the transmit queue's head that were put already */
};

static struct virtio_console *of(struct virtio_device *d)
{
    return container_of(d, struct virtio_console, virtio);
}

/* What the guest writes. A console without room keeps the chain; what it took is not put again. */
static bool transmit(struct virtio_console *c, struct virtq *q, struct virtq_chain *chain)
{
    char text[CHUNK];
    size_t n;

    virtq_read(q, chain, NULL, c->shown);
    while ((n = virtq_read(q, chain, text, sizeof(text))) > 0) {
        size_t put = guest_console_write(c->console, text, n);

        c->shown += (uint32_t)put;
        if (put < n)
            return false;
    }
    c->shown = 0;
    return true;
}

/* What was typed, into a buffer of the guest. */
static bool receive(struct virtio_console *c, struct virtq *q, struct virtq_chain *chain)
{
    bool any = false;

    while (virtq_writable(chain) && guest_console_has_input(c->console)) {
        int byte = guest_console_get(c->console);
        uint8_t typed = (uint8_t)byte;

        if (byte < 0 || virtq_write(q, chain, &typed, 1) != 1)
            break;
        any = true;
    }
    return any || !virtq_writable(chain);
}

static bool request(struct virtio_device *d, struct virtq *q, struct virtq_chain *chain)
{
    return q->index == QUEUE_TRANSMIT ? transmit(of(d), q, chain) : receive(of(d), q, chain);
}

static void config_write(struct virtio_device *d, unsigned offset, unsigned size, uint64_t value)
{
    char byte = (char)value;

    (void)size;
    if (offset == offsetof(struct console_config, emergency_write))
        guest_console_write(of(d)->console, &byte, 1);
}

static void input_ready(void *arg)
{
    virtio_queue_kick(arg, QUEUE_RECEIVE);
}

static void output_ready(void *arg)
{
    virtio_queue_kick(arg, QUEUE_TRANSMIT);
}

static void reset(struct virtio_device *d)
{
    of(d)->shown = 0;
}

static void destroy(struct virtio_device *d)
{
    guest_console_connect(of(d)->console, NULL);
    virtio_device_destroy(d);
    heap_free(of(d));
}

STATE_TABLE(console_state, "virtio-console", 1, STATE_FIELD(struct virtio_console, shown, 1));

static const struct virtio_device_ops console_ops = {
    .name = "virtio-console",
    .id = VIRTIO_ID_CONSOLE,
    .pci_class = PCI_CLASS,
    .request = request,
    .config_write = config_write,
    .reset = reset,
    .destroy = destroy,
    .state = &console_state,
};

enum err virtio_console_create(struct vm *vm)
{
    struct virtio_console *c = heap_zalloc(sizeof(*c));
    struct guest_console_device console = {input_ready, output_ready, c};
    enum err e = ERR_NO_MEMORY;

    if (!c)
        return ERR_NO_MEMORY;
    c->console = vm->virtio_console;
    e = virtio_device_init(&c->virtio, &console_ops, vm, QUEUE_COUNT, QUEUE_SIZE);
    if (e != ERR_OK) {
        destroy(&c->virtio);
        return e;
    }
    c->virtio.features |= F_EMERG_WRITE;
    c->virtio.config = &c->config;
    c->virtio.config_size = sizeof(c->config);
    guest_console_connect(c->console, &console);
    return virtio_attach(&c->virtio, VIRTIO_SLOT_CONSOLE);
}
VIRTIO_MAKER("console", virtio_console_create);
