/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What all VirtIO devices share behind their transports: negotiation, status, reset, configuration
 * space (VirtIO 1.2, chapter 2 and 3.1). */
#include "virtio/device.h"

#include <string.h>
#include "kernel/json.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/vm.h"
#include "mm/heap.h"

#define MODEL_FEATURES                                                                         \
    (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | \
     VIRTIO_F_RING_RESET)

LOCK_CLASS(virtio_class, "VirtIO device", RANK_DEVICE);

enum err virtio_device_init(struct virtio_device *d, const struct virtio_device_ops *ops,
                            struct vm *vm, unsigned queues, uint16_t size_max)
{
    enum err e = ERR_OK;

    ASSERT(ops->state);
    d->ops = ops;
    d->vm = vm;
    d->features = MODEL_FEATURES;
    mutex_init(&d->lock, &virtio_class);
    d->queues = heap_zalloc_array(queues, sizeof(*d->queues));
    if (!d->queues)
        return ERR_NO_MEMORY;
    for (; e == ERR_OK && d->queue_count < queues; d->queue_count++)
        e = virtq_init(&d->queues[d->queue_count], d, d->queue_count, size_max);
    return e;
}

/* The list goes with the VM's devices. */
static void unlink_device(struct virtio_device *d)
{
    struct virtio_device **link = &d->vm->virtio;

    while (*link && *link != d)
        link = &(*link)->next;
    if (*link)
        *link = d->next;
}

void virtio_device_destroy(struct virtio_device *d)
{
    unlink_device(d);
    __atomic_store_n(&d->live, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < d->queue_count; i++) {
        virtio_queue_stop_worker(&d->queues[i]);
        virtq_destroy(&d->queues[i]);
    }
    heap_free(d->queues);
    d->queues = NULL;
    d->queue_count = 0;
}

/* ---- Status and negotiation ---- */

static uint32_t status_of(const struct virtio_device *d)
{
    return __atomic_load_n(&d->status, __ATOMIC_SEQ_CST);
}

/* Queues are served between DRIVER_OK and the next reset, unless something is wrong. */
static void live_update(struct virtio_device *d)
{
    uint32_t status = status_of(d);
    bool live =
        (status & VIRTIO_STATUS_DRIVER_OK) && !(status & VIRTIO_STATUS_NEEDS_RESET) && !d->paused;

    __atomic_store_n(&d->live, live, __ATOMIC_SEQ_CST);
    /* It may have broken meanwhile. */
    if (status_of(d) & VIRTIO_STATUS_NEEDS_RESET)
        __atomic_store_n(&d->live, 0, __ATOMIC_SEQ_CST);
}

void virtio_device_break(struct virtio_device *d, const char *why)
{
    uint32_t before = __atomic_fetch_or(&d->status, VIRTIO_STATUS_NEEDS_RESET, __ATOMIC_SEQ_CST);

    __atomic_store_n(&d->live, 0, __ATOMIC_SEQ_CST);
    if (before & VIRTIO_STATUS_NEEDS_RESET)
        return;
    log_guest(d->vm, LOG_WARN, "%s stopped until its driver resets it: the driver gave it %s",
              d->ops->name, why);
    if (before & VIRTIO_STATUS_DRIVER_OK)
        virtio_config_changed(d);
}

void virtio_config_changed(struct virtio_device *d)
{
    __atomic_fetch_add(&d->config_generation, 1, __ATOMIC_SEQ_CST);
    if (d->transport)
        d->transport->config_interrupt(d);
}

static bool features_acceptable(struct virtio_device *d)
{
    if (d->accepted & ~d->features || !virtio_has(d, VIRTIO_F_VERSION_1))
        return false;
    return !d->ops->features_ok || d->ops->features_ok(d);
}

static void device_start(struct virtio_device *d)
{
    live_update(d);
    if (d->ops->start)
        d->ops->start(d);
    for (unsigned i = 0; i < d->queue_count; i++)
        virtio_queue_kick(d, i);
}

void virtio_device_reset(struct virtio_device *d)
{
    __atomic_store_n(&d->live, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < d->queue_count; i++)
        virtio_reset_queue(d, i);
    if (d->ops->reset)
        d->ops->reset(d);
    d->accepted = 0;
    d->device_select = d->driver_select = d->queue_select = 0;
    __atomic_store_n(&d->status, 0, __ATOMIC_SEQ_CST);
}

void virtio_set_status(struct virtio_device *d, uint8_t status)
{
    uint32_t before = status_of(d);
    uint32_t added = status & ~before;

    if (status == 0) {
        virtio_device_reset(d);
        return;
    }
    if ((added & VIRTIO_STATUS_FEATURES_OK) && !features_acceptable(d))
        added &= ~(uint32_t)VIRTIO_STATUS_FEATURES_OK;
    if (!((before | added) & VIRTIO_STATUS_FEATURES_OK))
        added &= ~(uint32_t)VIRTIO_STATUS_DRIVER_OK;
    __atomic_fetch_or(&d->status, added & ~(uint32_t)VIRTIO_STATUS_NEEDS_RESET, __ATOMIC_SEQ_CST);
    if (added & VIRTIO_STATUS_DRIVER_OK)
        device_start(d);
}

uint32_t virtio_features_word(const struct virtio_device *d, uint64_t features, uint32_t select)
{
    (void)d;
    return select > 1 ? 0 : (uint32_t)(features >> (32 * select));
}

void virtio_accept_word(struct virtio_device *d, uint32_t select, uint32_t value)
{
    uint64_t mask = select == 0 ? BITS(31, 0) : BITS(63, 32);

    if (select > 1 || status_of(d) & VIRTIO_STATUS_FEATURES_OK)
        return;
    d->accepted = (d->accepted & ~mask) | ((uint64_t)value << (32 * select));
}

/* ---- Queues ---- */

void virtio_enable_queue(struct virtio_device *d, unsigned index)
{
    struct virtq *q = &d->queues[index];
    enum err e = ERR_OK;

    if (!(status_of(d) & VIRTIO_STATUS_FEATURES_OK))
        return;
    mutex_lock(&q->lock);
    if (!q->enabled)
        e = virtq_enable(q);
    mutex_unlock(&q->lock);
    if (e != ERR_OK)
        virtio_device_break(d, "a queue that does not lie in its memory");
}

void virtio_reset_queue(struct virtio_device *d, unsigned index)
{
    struct virtq *q = &d->queues[index];

    mutex_lock(&q->lock);
    virtq_reset(q);
    mutex_unlock(&q->lock);
}

/* ---- Configuration space ---- */

uint64_t virtio_config_load(struct virtio_device *d, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    if (offset > d->config_size || size > d->config_size - offset)
        return 0;
    if (d->ops->config_read)
        d->ops->config_read(d);
    memcpy(&value, (char *)d->config + offset, size);
    return value;
}

void virtio_config_store(struct virtio_device *d, uint64_t offset, unsigned size, uint64_t value)
{
    if (offset > d->config_size || size > d->config_size - offset || !d->ops->config_write)
        return;
    d->ops->config_write(d, (unsigned)offset, size, value);
}

/* ---- Saved state ---- */

static enum err device_loaded(void *object)
{
    struct virtio_device *d = object;

    if (d->accepted & ~d->features)
        return ERR_INVALID;
    live_update(d);
    return ERR_OK;
}

STATE_TABLE_HOOKS(virtio_state, "virtio", 1, NULL, device_loaded,
                  STATE_FIELD(struct virtio_device, accepted, 1),
                  STATE_FIELD(struct virtio_device, status, 1),
                  STATE_FIELD(struct virtio_device, config_generation, 1),
                  STATE_FIELD(struct virtio_device, device_select, 1),
                  STATE_FIELD(struct virtio_device, driver_select, 1),
                  STATE_FIELD(struct virtio_device, queue_select, 1));

void virtio_state_each(struct virtio_device *d, state_visit visit, void *arg)
{
    visit(&virtio_state, d->instance, d, arg);
    for (unsigned i = 0; i < d->queue_count; i++)
        visit(&virtq_state, d->instance * VIRTIO_QUEUES_MAX + i, &d->queues[i], arg);
    if (d->ops->state != &state_none)
        visit(d->ops->state, d->instance, d, arg);
}

/* ---- The devices of a VM ---- */

static void link_device(struct virtio_device *d)
{
    struct virtio_device **link = &d->vm->virtio;

    while (*link)
        link = &(*link)->next;
    *link = d;
}

enum err virtio_attach(struct virtio_device *d, int slot)
{
    struct vm *vm = d->vm;
    enum err e = ERR_UNSUPPORTED;

    if (vm->pci) {
        e = virtio_pci_create(d, slot);
    } else if (vm->virtio_mmio.used < vm->virtio_mmio.count) {
        unsigned i = vm->virtio_mmio.used++;

        e = virtio_mmio_create(d, vm->virtio_mmio.base + i * vm->virtio_mmio.stride,
                               vm->virtio_mmio.pin + i);
    }
    if (e == ERR_OK)
        link_device(d);
    return e;
}

enum err virtio_vm_create(struct vm *vm)
{
    enum err e = ERR_OK;

    vm->virtio = NULL;
    vm->virtio_mmio.used = 0;
    if (!vm->pci && !vm->virtio_mmio.count)
        return ERR_OK;
    TABLE_FOR_EACH(virtio_makers, struct virtio_maker, maker)
    {
        e = maker->create(vm);
        if (e != ERR_OK) {
            log_guest(vm, LOG_WARN, "its %s cannot be made: %s", maker->name, err_text(e));
            return e;
        }
    }
    return e;
}

void virtio_device_pause(struct virtio_device *d)
{
    mutex_lock(&d->lock);
    d->paused = true;
    live_update(d);
    for (unsigned i = 0; i < d->queue_count; i++) {
        mutex_lock(&d->queues[i].lock);
        mutex_unlock(&d->queues[i].lock);
    }
    mutex_unlock(&d->lock);
}

void virtio_device_resume(struct virtio_device *d)
{
    mutex_lock(&d->lock);
    d->paused = false;
    live_update(d);
    mutex_unlock(&d->lock);
    for (unsigned i = 0; i < d->queue_count; i++)
        virtio_queue_kick(d, i);
}

void virtio_vm_pause(struct vm *vm)
{
    for (struct virtio_device *d = vm->virtio; d; d = d->next)
        virtio_device_pause(d);
}

static void print_queue(const struct virtq *q, struct out *out)
{
    if (q->requests || q->notifications)
        out_printf(out, "  queue %u: %llu requests, %llu notifications, %llu interrupts\n",
                   q->index, (unsigned long long)q->requests, (unsigned long long)q->notifications,
                   (unsigned long long)q->interrupts);
}

static const char *doing(const struct virtio_device *d)
{
    uint32_t status = status_of(d);

    return status & VIRTIO_STATUS_NEEDS_RESET ? "broken by its driver"
           : status & VIRTIO_STATUS_DRIVER_OK ? "in use"
                                              : "no driver yet";
}

void virtio_device_print(const struct virtio_device *d, struct out *out)
{
    out_printf(out, "%s: %s\n", d->ops->name, doing(d));
    if (d->ops->print)
        d->ops->print(d, out);
    for (unsigned i = 0; i < d->queue_count; i++)
        print_queue(&d->queues[i], out);
}

void virtio_device_json(const struct virtio_device *d, struct json *j)
{
    json_begin(j, "device");
    json_string(j, "vm", d->vm->name);
    json_string(j, "name", d->ops->name);
    json_number(j, "instance", d->instance);
    json_string(j, "state", doing(d));
    if (d->ops->json)
        d->ops->json(d, j);
    json_array(j, "queues");
    for (unsigned i = 0; i < d->queue_count; i++) {
        const struct virtq *q = &d->queues[i];

        json_object(j, NULL);
        json_number(j, "requests", q->requests);
        json_number(j, "notifications", q->notifications);
        json_number(j, "interrupts", q->interrupts);
        json_close(j);
    }
    json_end(j);
}
