/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* VirtIO over MMIO, version 2 (VirtIO 1.2, 4.2). */
#include "kernel/vm.h"
#include "mm/heap.h"
#include "virtio/device.h"

#define MAGIC   0x74726976 /* "virt" */
#define VERSION 2
#define VENDOR  0x4e4e45 /* "ENN" */

#define INTERRUPT_QUEUE  1u
#define INTERRUPT_CONFIG 2u

/* Registers (4.2.2). */
enum mmio_register {
    MMIO_MAGIC = 0x00,
    MMIO_VERSION = 0x04,
    MMIO_DEVICE_ID = 0x08,
    MMIO_VENDOR_ID = 0x0c,
    MMIO_DEVICE_FEATURES = 0x10,
    MMIO_DEVICE_FEATURES_SEL = 0x14,
    MMIO_DRIVER_FEATURES = 0x20,
    MMIO_DRIVER_FEATURES_SEL = 0x24,
    MMIO_QUEUE_SEL = 0x30,
    MMIO_QUEUE_SIZE_MAX = 0x34,
    MMIO_QUEUE_SIZE = 0x38,
    MMIO_QUEUE_READY = 0x44,
    MMIO_QUEUE_NOTIFY = 0x50,
    MMIO_INTERRUPT_STATUS = 0x60,
    MMIO_INTERRUPT_ACK = 0x64,
    MMIO_STATUS = 0x70,
    MMIO_QUEUE_DESC_LOW = 0x80,
    MMIO_QUEUE_DESC_HIGH = 0x84,
    MMIO_QUEUE_DRIVER_LOW = 0x90,
    MMIO_QUEUE_DRIVER_HIGH = 0x94,
    MMIO_QUEUE_DEVICE_LOW = 0xa0,
    MMIO_QUEUE_DEVICE_HIGH = 0xa4,
    MMIO_SHM_LENGTH_LOW = 0xb0,
    MMIO_SHM_BASE_HIGH = 0xbc,
    MMIO_QUEUE_RESET = 0xc0,
    MMIO_CONFIG_GENERATION = 0xfc,
    MMIO_CONFIG = 0x100,
};

struct virtio_mmio {
    struct device device;
    struct guest_irq irq;
    struct virtio_device *virtio;
    uint32_t interrupts; /* atomic */
};

/* ---- Interrupts ---- */

/* The pin follows the status register: who sets a bit raises it, who clears lowers it and looks
 * again. */
static void raise(struct virtio_device *d, uint32_t bit)
{
    struct virtio_mmio *m = d->transport_data;

    __atomic_fetch_or(&m->interrupts, bit, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    guest_irq_set(&m->irq, true);
}

static void acknowledge(struct virtio_mmio *m, uint32_t bits)
{
    if (__atomic_and_fetch(&m->interrupts, ~bits, __ATOMIC_SEQ_CST))
        return;
    guest_irq_set(&m->irq, false);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&m->interrupts, __ATOMIC_SEQ_CST))
        guest_irq_set(&m->irq, true);
}

static void queue_interrupt(struct virtio_device *d, struct virtq *q)
{
    (void)q;
    raise(d, INTERRUPT_QUEUE);
}

static void config_interrupt(struct virtio_device *d)
{
    raise(d, INTERRUPT_CONFIG);
}

static const struct virtio_transport_ops mmio_transport = {queue_interrupt, config_interrupt};

/* ---- Registers; the device's lock is held ---- */

static uint64_t read_device(struct virtio_mmio *m, uint64_t offset)
{
    struct virtio_device *d = m->virtio;

    switch (offset) {
    case MMIO_MAGIC:
        return MAGIC;
    case MMIO_VERSION:
        return VERSION;
    case MMIO_DEVICE_ID:
        return d->ops->id;
    case MMIO_VENDOR_ID:
        return VENDOR;
    case MMIO_DEVICE_FEATURES:
        return virtio_features_word(d, d->features, d->device_select);
    case MMIO_STATUS:
        return __atomic_load_n(&d->status, __ATOMIC_SEQ_CST);
    case MMIO_CONFIG_GENERATION:
        return __atomic_load_n(&d->config_generation, __ATOMIC_SEQ_CST);
    case MMIO_QUEUE_SIZE_MAX:
        return d->queue_select < d->queue_count ? d->queues[d->queue_select].size_max : 0;
    case MMIO_QUEUE_READY:
        return d->queue_select < d->queue_count && d->queues[d->queue_select].enabled;
    }
    /* No shared memory: a length of all ones (4.2.2). */
    return offset >= MMIO_SHM_LENGTH_LOW && offset <= MMIO_SHM_BASE_HIGH ? UINT32_MAX : 0;
}

static void set_low(uint64_t *address, uint64_t value)
{
    *address = (*address & BITS(63, 32)) | value;
}

static void set_high(uint64_t *address, uint64_t value)
{
    *address = (*address & BITS(31, 0)) | value << 32;
}

/* A queue's place can be changed while it is disabled only. */
static void write_disabled_queue(struct virtio_device *d, struct virtq *q, uint64_t offset,
                                 uint32_t value)
{
    switch (offset) {
    case MMIO_QUEUE_SIZE:
        q->size = (uint16_t)MIN(value, (uint32_t)UINT16_MAX);
        break;
    case MMIO_QUEUE_READY:
        if (value & 1)
            virtio_enable_queue(d, q->index);
        break;
    case MMIO_QUEUE_DESC_LOW:
        set_low(&q->desc_gpa, value);
        break;
    case MMIO_QUEUE_DESC_HIGH:
        set_high(&q->desc_gpa, value);
        break;
    case MMIO_QUEUE_DRIVER_LOW:
        set_low(&q->driver_gpa, value);
        break;
    case MMIO_QUEUE_DRIVER_HIGH:
        set_high(&q->driver_gpa, value);
        break;
    case MMIO_QUEUE_DEVICE_LOW:
        set_low(&q->device_gpa, value);
        break;
    case MMIO_QUEUE_DEVICE_HIGH:
        set_high(&q->device_gpa, value);
        break;
    }
}

static void write_queue(struct virtio_device *d, struct virtq *q, uint64_t offset, uint32_t value)
{
    bool off = (offset == MMIO_QUEUE_RESET && value == 1) ||
               (offset == MMIO_QUEUE_READY && !(value & 1) && q->enabled);

    if (off)
        virtio_reset_queue(d, q->index);
    else if (!q->enabled)
        write_disabled_queue(d, q, offset, value);
}

static void write_device(struct virtio_mmio *m, uint64_t offset, uint32_t value)
{
    struct virtio_device *d = m->virtio;

    switch (offset) {
    case MMIO_DEVICE_FEATURES_SEL:
        d->device_select = value;
        break;
    case MMIO_DRIVER_FEATURES_SEL:
        d->driver_select = value;
        break;
    case MMIO_DRIVER_FEATURES:
        virtio_accept_word(d, d->driver_select, value);
        break;
    case MMIO_QUEUE_SEL:
        d->queue_select = value;
        break;
    case MMIO_STATUS:
        virtio_set_status(d, (uint8_t)value);
        if ((uint8_t)value == 0)
            acknowledge(m, UINT32_MAX);
        break;
    default:
        if (d->queue_select < d->queue_count)
            write_queue(d, &d->queues[d->queue_select], offset, value);
    }
}

/* ---- The bus ---- */

/* Only the configuration space takes accesses of other widths than 32 bits (4.2.2.2). */
static uint64_t mmio_read(struct device *device, struct vcpu *vcpu, unsigned region,
                          uint64_t offset, unsigned size)
{
    struct virtio_mmio *m = container_of(device, struct virtio_mmio, device);
    uint64_t value = 0;

    (void)vcpu, (void)region;
    if (offset == MMIO_INTERRUPT_STATUS)
        return __atomic_load_n(&m->interrupts, __ATOMIC_SEQ_CST);
    mutex_lock(&m->virtio->lock);
    if (offset >= MMIO_CONFIG)
        value = virtio_config_load(m->virtio, offset - MMIO_CONFIG, size);
    else if (size == 4)
        value = read_device(m, offset);
    mutex_unlock(&m->virtio->lock);
    return value;
}

static void mmio_write(struct device *device, struct vcpu *vcpu, unsigned region, uint64_t offset,
                       unsigned size, uint64_t value)
{
    struct virtio_mmio *m = container_of(device, struct virtio_mmio, device);

    (void)vcpu, (void)region;
    if (offset == MMIO_QUEUE_NOTIFY) {
        virtio_queue_notify(m->virtio, (uint16_t)value);
        return;
    }
    if (offset == MMIO_INTERRUPT_ACK) {
        acknowledge(m, (uint32_t)value);
        return;
    }
    mutex_lock(&m->virtio->lock);
    if (offset >= MMIO_CONFIG)
        virtio_config_store(m->virtio, offset - MMIO_CONFIG, size, value);
    else if (size == 4)
        write_device(m, offset, (uint32_t)value);
    mutex_unlock(&m->virtio->lock);
}

static void mmio_reset(struct device *device)
{
    struct virtio_mmio *m = container_of(device, struct virtio_mmio, device);

    mutex_lock(&m->virtio->lock);
    virtio_device_reset(m->virtio);
    m->virtio->config_generation = 0;
    mutex_unlock(&m->virtio->lock);
    acknowledge(m, UINT32_MAX);
}

static void mmio_quiesce(struct device *device)
{
    virtio_device_pause(container_of(device, struct virtio_mmio, device)->virtio);
}

static void mmio_resume(struct device *device)
{
    virtio_device_resume(container_of(device, struct virtio_mmio, device)->virtio);
}

static void mmio_stats(struct device *device, struct out *out)
{
    virtio_device_print(container_of(device, struct virtio_mmio, device)->virtio, out);
}

static void mmio_json(struct device *device, struct json *j)
{
    virtio_device_json(container_of(device, struct virtio_mmio, device)->virtio, j);
}

static void mmio_destroy(struct device *device)
{
    struct virtio_mmio *m = container_of(device, struct virtio_mmio, device);

    m->virtio->ops->destroy(m->virtio);
    heap_free(m);
}

static enum err mmio_loaded(void *object)
{
    struct virtio_mmio *m = object;

    guest_irq_set(&m->irq, m->interrupts != 0);
    return ERR_OK;
}

STATE_TABLE_HOOKS(mmio_state, "virtio-mmio", 1, NULL, mmio_loaded,
                  STATE_FIELD(struct virtio_mmio, interrupts, 1));

static void mmio_state_each(struct device *device, state_visit visit, void *arg)
{
    struct virtio_mmio *m = container_of(device, struct virtio_mmio, device);

    visit(&mmio_state, m->virtio->instance, m, arg);
    virtio_state_each(m->virtio, visit, arg);
}

static const struct device_ops mmio_ops = {
    .name = "VirtIO over MMIO",
    .read = mmio_read,
    .write = mmio_write,
    .reset = mmio_reset,
    .quiesce = mmio_quiesce,
    .resume = mmio_resume,
    .stats = mmio_stats,
    .json = mmio_json,
    .destroy = mmio_destroy,
    .lockless = true,
    .state_each = mmio_state_each,
};

enum err virtio_mmio_create(struct virtio_device *d, uint64_t base, unsigned pin)
{
    struct virtio_mmio *m = heap_zalloc(sizeof(*m));

    if (!m) {
        d->ops->destroy(d);
        return ERR_NO_MEMORY;
    }
    m->virtio = d;
    d->transport = &mmio_transport;
    d->transport_data = m;
    d->instance = pin;
    guest_irq_init(&m->irq, d->vm, pin);
    device_init(&m->device, &mmio_ops, d->vm);
    return bus_add(&d->vm->mmio, &(struct bus_region){.base = base,
                                                      .size = VIRTIO_MMIO_SIZE,
                                                      .device = &m->device,
                                                      .min_size = 1,
                                                      .max_size = 8});
}
