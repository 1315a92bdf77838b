/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The device bus: sorted regions, binary search, accesses cut to what each device takes. */
#include "kernel/bus.h"

#include <string.h>
#include "kernel/panic.h"
#include "kernel/vm.h"
#include "mm/heap.h"

LOCK_CLASS(device_lock_class, "guest device", RANK_DEVICE);

void device_init(struct device *d, const struct device_ops *ops, struct vm *vm)
{
    ASSERT(ops->state || ops->state_each); /* a snapshot would lose it */
    d->ops = ops;
    d->vm = vm;
    spin_init(&d->lock, &device_lock_class);
    d->next = vm->devices;
    vm->devices = d;
}

/* Index of the first region that ends above `address`; `count` when there is none. */
static unsigned bus_lower_bound(const struct bus *bus, uint64_t address)
{
    unsigned low = 0, high = bus->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const struct bus_region *r = &bus->regions[middle];

        if (address - r->base < r->size || address < r->base)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static enum err bus_grow(struct bus *bus)
{
    unsigned capacity = bus->capacity ? 2 * bus->capacity : 16;
    struct bus_region *regions;

    if (bus->count < bus->capacity)
        return ERR_OK;
    regions = heap_zalloc_array(capacity, sizeof(*regions));
    if (!regions)
        return ERR_NO_MEMORY;
    if (bus->count)
        memcpy(regions, bus->regions, bus->count * sizeof(*regions));
    heap_free(bus->regions);
    bus->regions = regions;
    bus->capacity = capacity;
    return ERR_OK;
}

enum err bus_add(struct bus *bus, const struct bus_region *region)
{
    unsigned at = bus_lower_bound(bus, region->base);
    enum err e;

    if (region->size == 0 || region->base + (region->size - 1) < region->base)
        return ERR_RANGE;
    if (at < bus->count && bus->regions[at].base <= region->base + (region->size - 1))
        return ERR_EXISTS;
    e = bus_grow(bus);
    if (e != ERR_OK)
        return e;
    bus->last = NULL;
    memmove(&bus->regions[at + 1], &bus->regions[at], (bus->count - at) * sizeof(*region));
    bus->regions[at] = *region;
    bus->count++;
    return ERR_OK;
}

void bus_destroy(struct bus *bus)
{
    heap_free(bus->regions);
    *bus = (struct bus){0};
}

/* The region that holds `address`, or NULL; cuts `*size` so that the access stays in the region (or
 * in the gap before the next) and within what its device takes, naturally aligned. */
static const struct bus_region *bus_find(struct bus *bus, uint64_t address, unsigned *size)
{
    unsigned at = bus_lower_bound(bus, address);
    const struct bus_region *r = at < bus->count ? &bus->regions[at] : NULL;
    uint64_t room = UINT64_MAX;

    if (!r)
        return NULL;
    if (address < r->base) {
        room = r->base - address;
        r = NULL;
    } else {
        room = r->size - (address - r->base);
        *size = MIN(*size, (unsigned)r->max_size);
        if (READ_ONCE(bus->last) != r)
            WRITE_ONCE(bus->last, r);
    }
    while (*size > room)
        *size /= 2;
    return r;
}

/* The largest power of two of bytes that an access of `left` bytes can begin with. */
static unsigned access_step(unsigned left)
{
    return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

static uint64_t device_read(const struct bus_region *r, struct vcpu *vcpu, uint64_t offset,
                            unsigned size)
{
    struct device *d = r->device;
    uint64_t value;

    if (d->ops->lockless)
        return d->ops->read(d, vcpu, r->index, offset, size);
    spin_lock(&d->lock);
    value = d->ops->read(d, vcpu, r->index, offset, size);
    spin_unlock(&d->lock);
    return value;
}

static void device_write(const struct bus_region *r, struct vcpu *vcpu, uint64_t offset,
                         unsigned size, uint64_t value)
{
    struct device *d = r->device;

    if (d->ops->lockless) {
        d->ops->write(d, vcpu, r->index, offset, size, value);
        return;
    }
    spin_lock(&d->lock);
    d->ops->write(d, vcpu, r->index, offset, size, value);
    spin_unlock(&d->lock);
}

static uint64_t low_bytes(unsigned size)
{
    return size >= 8 ? UINT64_MAX : BIT(8 * size) - 1;
}

static void bus_unclaimed(struct bus *bus, uint64_t address)
{
    __atomic_fetch_add(&bus->unclaimed, 1, __ATOMIC_RELAXED);
    WRITE_ONCE(bus->last_unclaimed, address);
}

/* The region of the last access, when all of this access lies in it and its device takes it whole.
 */
static inline const struct bus_region *bus_last(const struct bus *bus, uint64_t address,
                                                unsigned size)
{
    const struct bus_region *r = READ_ONCE(bus->last);

    if (r && address - r->base < r->size && size <= r->size - (address - r->base) &&
        size >= r->min_size && size <= r->max_size && (size & (size - 1)) == 0)
        return r;
    return NULL;
}

static NOINLINE uint64_t bus_read_parts(struct bus *bus, struct vcpu *vcpu, uint64_t address,
                                        unsigned size)
{
    uint64_t value = 0;
    unsigned done = 0;

    while (done < size) {
        unsigned step = access_step(size - done);
        const struct bus_region *r = bus_find(bus, address + done, &step);
        uint64_t part = UINT64_MAX;

        if (r && step >= r->min_size)
            part = device_read(r, vcpu, address + done - r->base, step);
        else
            bus_unclaimed(bus, address + done);
        value |= (part & low_bytes(step)) << (8 * done);
        done += step;
    }
    return value;
}

uint64_t bus_read(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size)
{
    const struct bus_region *r = bus_last(bus, address, size);

    if (likely(r))
        return device_read(r, vcpu, address - r->base, size) & low_bytes(size);
    return bus_read_parts(bus, vcpu, address, size);
}

static NOINLINE void bus_write_parts(struct bus *bus, struct vcpu *vcpu, uint64_t address,
                                     unsigned size, uint64_t value)
{
    unsigned done = 0;

    while (done < size) {
        unsigned step = access_step(size - done);
        const struct bus_region *r = bus_find(bus, address + done, &step);
        uint64_t part = (value >> (8 * done)) & low_bytes(step);

        if (r && step >= r->min_size)
            device_write(r, vcpu, address + done - r->base, step, part);
        else
            bus_unclaimed(bus, address + done);
        done += step;
    }
}

void bus_write(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size, uint64_t value)
{
    const struct bus_region *r = bus_last(bus, address, size);

    if (likely(r))
        device_write(r, vcpu, address - r->base, size, value & low_bytes(size));
    else
        bus_write_parts(bus, vcpu, address, size, value);
}
