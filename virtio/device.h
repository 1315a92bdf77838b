/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A VirtIO device (VirtIO 1.2, chapter 2) as its transports and its own code see it.
 *
 * A device brings a table of operations, its features, the bytes of its configuration space and
 * its queues; it reaches guest memory through chains only (virtio/queue.h). The transports
 * (virtio/pci.c, virtio/mmio.c) bring registers and interrupts; virtio/device.c has what they
 * share: status, negotiation, reset; virtio/serve.c runs the queues.
 *
 * Who runs what: a queue is served under its own lock (a mutex: interrupts on, may sleep), by the
 * vCPU that notified, inside its exit, or by a worker thread when the device blocks, or when the
 * guest keeps an exit busy for too long. Registers are served under `lock` of the device. Order:
 * lock of the device, then of queues; a queue's owner may not take the device's lock.
 */
#ifndef VIRTIO_DEVICE_H
#define VIRTIO_DEVICE_H

#include "kernel/bus.h"
#include "kernel/state.h"
#include "kernel/table.h"
#include "virtio/queue.h"

/* Device ids (chapter 5). */
#define VIRTIO_ID_NET     1
#define VIRTIO_ID_BLOCK   2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_RNG     4
#define VIRTIO_ID_BALLOON 5

/* Device status (2.1). */
#define VIRTIO_STATUS_ACKNOWLEDGE 0x01
#define VIRTIO_STATUS_DRIVER      0x02
#define VIRTIO_STATUS_DRIVER_OK   0x04
#define VIRTIO_STATUS_FEATURES_OK 0x08
#define VIRTIO_STATUS_NEEDS_RESET 0x40
#define VIRTIO_STATUS_FAILED      0x80

/* Features that the device model brings itself (chapter 6): devices name only their own. */
#define VIRTIO_F_INDIRECT_DESC BIT(28)
#define VIRTIO_F_EVENT_IDX     BIT(29)
#define VIRTIO_F_VERSION_1     BIT(32)
#define VIRTIO_F_RING_PACKED   BIT(34)
#define VIRTIO_F_RING_RESET    BIT(40)

#define VIRTIO_NO_VECTOR  0xffff
#define VIRTIO_QUEUES_MAX 256 /* of one device */

struct out;

struct virtio_device_ops {
    const char *name;   /* "virtio-blk" */
    uint16_t id;        /* VIRTIO_ID_ */
    uint32_t pci_class; /* class code of the PCI function: base << 16 | sub << 8 | interface */
    bool blocks;        /* request() may sleep for long: a worker thread for each queue */
    bool batches; /* several requests at once are cheaper: serving them may be put off a bit */

    /*
     * Serves one chain of queue `q`, whose lock is held: reads and writes its streams and returns
     * true, and the chain goes back with c->in.done bytes. False: not now, the chain stays in the
     * ring untouched, and the device calls virtio_queue_kick() when it can go on.
     * NULL when all queues are passive.
     */
    bool (*request)(struct virtio_device *d, struct virtq *q, struct virtq_chain *c);
    /* After each batch of request(), before the driver is told. NULL: nothing to do. */
    void (*batch_end)(struct virtio_device *d, struct virtq *q);

    /* Configuration space: before a read the device may refresh d->config; a write is the device's
     * business alone (offset + size lie inside d->config_size). NULL: plain, read-only. */
    void (*config_read)(struct virtio_device *d);
    void (*config_write)(struct virtio_device *d, unsigned offset, unsigned size, uint64_t value);

    /* FEATURES_OK is being set: d->accepted is final; false refuses it. NULL: all is well. */
    bool (*features_ok)(struct virtio_device *d);
    /* DRIVER_OK was set: the queues run from now on. NULL: nothing to do. */
    void (*start)(struct virtio_device *d);
    /* To power-on state; no queue is being served. NULL: nothing to do. */
    void (*reset)(struct virtio_device *d);
    /* Frees what embeds `d`, which was taken out of service. Never NULL. */
    void (*destroy)(struct virtio_device *d);
    /* A line about it for people; NULL: nothing beyond its queues. */
    void (*print)(const struct virtio_device *d, struct out *out);
    /* The same as members of its record; NULL: none. */
    void (*json)(const struct virtio_device *d, struct json *j);
    /* Of the structure that embeds `d` as its first member; &state_none: nothing beyond `d` itself.
     * virtio_device_init() refuses a device without. */
    const struct state_table *state;
};

struct virtio_transport_ops {
    /* Any context. */
    void (*queue_interrupt)(struct virtio_device *d, struct virtq *q);
    void (*config_interrupt)(struct virtio_device *d);
};

/* Embedded, as the first member, in the structure of each device. */
struct virtio_device {
    const struct virtio_device_ops *ops;
    struct vm *vm;
    struct mutex lock; /* registers */
    uint64_t features; /* offered: the device's own, plus what the device model brings */
    uint64_t accepted; /* by the driver */
    void *config;      /* the device's configuration space, little endian, in its own structure */
    unsigned config_size;
    unsigned queue_count;
    struct virtq *queues;
    /* The device model's own. */
    const struct virtio_transport_ops *transport;
    void *transport_data;
    uint32_t status;            /* atomic: NEEDS_RESET may come from any queue */
    uint32_t live;              /* atomic: queues may be served; DRIVER_OK, whole and not paused */
    uint32_t config_generation; /* 8 bits count */
    uint32_t device_select, driver_select, queue_select; /* of the feature and queue registers */
    bool paused;
    unsigned instance;          /* among the objects of the VM's saved state */
    struct virtio_device *next; /* in vm->virtio */
};

/* ---- For devices ---- */

/* `ops`, features, config and config_size are set by the caller afterwards; `queues` queues of at
 * most `size_max` entries (a power of two up to VIRTQ_SIZE_MAX). */
enum err virtio_device_init(struct virtio_device *d, const struct virtio_device_ops *ops,
                            struct vm *vm, unsigned queues, uint16_t size_max) MUST_CHECK;
/* Takes the device out of service and frees what virtio_device_init() made: first thing in
 * ops->destroy. */
void virtio_device_destroy(struct virtio_device *d);
/* Gives the finished device to the guest: as PCI function in `slot` (or PCI_SLOT_ANY) where the
 * machine has PCI, otherwise in the next VirtIO MMIO slot. From now on the VM owns it: it is
 * destroyed with it, also when this fails (ERR_NO_MEMORY, ERR_EXISTS, ERR_UNSUPPORTED: no room on
 * the machine).
 */
enum err virtio_attach(struct virtio_device *d, int slot) MUST_CHECK;

static inline bool virtio_has(const struct virtio_device *d, uint64_t feature)
{
    return (d->accepted & feature) == feature;
}
/* The device has news for queue `index`: serve it now, or by its worker. Thread context, no
 * spinlock held, no queue's lock held. */
void virtio_queue_kick(struct virtio_device *d, unsigned index);
/* For passive queues: takes the lock; false, and not taken, when the queue is not in service. */
bool virtio_queue_begin(struct virtq *q) MUST_CHECK;
void virtio_queue_end(struct virtq *q);
/* d->config changed: tells the driver. Any context. */
void virtio_config_changed(struct virtio_device *d);
/* The driver broke the rules (said in plain words): DEVICE_NEEDS_RESET. Any context. */
void virtio_device_break(struct virtio_device *d, const char *why);

/* ---- Devices of a VM ---- */

/* One entry for each kind of device: creates and attaches those that the configuration wants. */
struct virtio_maker {
    const char *name;
    enum err (*create)(struct vm *vm);
};
TABLE_DECLARE(virtio_makers, struct virtio_maker);
#define VIRTIO_MAKER(name_, create_) \
    TABLE_ENTRY(virtio_makers, struct virtio_maker, virtio_maker_##create_) = {(name_), (create_)}

/* PCI slots, fixed so that a further disk does not rename a network card. */
#define VIRTIO_SLOT_CONSOLE 1
#define VIRTIO_SLOT_RNG     2
#define VIRTIO_SLOT_BALLOON 3
#define VIRTIO_SLOT_DISK    4  /* to 15 */
#define VIRTIO_SLOT_NET     16 /* to 27 */

enum err virtio_console_create(struct vm *vm) MUST_CHECK;
enum err virtio_net_create(struct vm *vm) MUST_CHECK;

/* Creates all devices of `vm`; after machine_create(). */
enum err virtio_vm_create(struct vm *vm) MUST_CHECK;
/* Before the VM is taken apart: as virtio_device_pause() for all of its devices. */
void virtio_vm_pause(struct vm *vm);

/* ---- For transports ---- */

enum err virtio_pci_create(struct virtio_device *d, int slot) MUST_CHECK;
/* A register block of 512 bytes at `base` on vm->mmio that drives `pin`. */
#define VIRTIO_MMIO_SIZE 0x200
enum err virtio_mmio_create(struct virtio_device *d, uint64_t base, unsigned pin) MUST_CHECK;

/* Register operations that both have; d->lock held. */
uint32_t virtio_features_word(const struct virtio_device *d, uint64_t features, uint32_t select);
void virtio_accept_word(struct virtio_device *d, uint32_t select, uint32_t value);
void virtio_set_status(struct virtio_device *d, uint8_t status); /* 0: reset */
void virtio_enable_queue(struct virtio_device *d, unsigned index);
void virtio_reset_queue(struct virtio_device *d, unsigned index);
uint64_t virtio_config_load(struct virtio_device *d, uint64_t offset, unsigned size);
void virtio_config_store(struct virtio_device *d, uint64_t offset, unsigned size, uint64_t value);
/* The driver's notification; no lock held. */
void virtio_queue_notify(struct virtio_device *d, unsigned index);
/* device_ops.reset and destroy of the transport. */
void virtio_device_reset(struct virtio_device *d);
/* device_ops.quiesce and resume: waits until no queue is being served, and keeps it so. */
void virtio_device_pause(struct virtio_device *d);
void virtio_device_resume(struct virtio_device *d);
/* device_ops.stats. */
void virtio_device_print(const struct virtio_device *d, struct out *out);
void virtio_device_json(const struct virtio_device *d, struct json *j);
/* device_ops.state_each: the device, its queues and what is its own. */
void virtio_state_each(struct virtio_device *d, state_visit visit, void *arg);
/* Ends the worker: before the queue goes. */
void virtio_queue_stop_worker(struct virtq *q);

#endif
