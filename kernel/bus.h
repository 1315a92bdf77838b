/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Contract 4, devices: what a guest reaches by memory-mapped I/O or ports.
 *
 * A bus is a sorted, immutable array of regions while its VM runs: found by binary search, no lock.
 * The bus checks bounds, once for all devices: an operation gets an offset and a size of 1, 2, 4 or
 * 8 bytes that lie inside its region and within its access limits; accesses that no region takes
 * read all ones and write nothing, and are counted. The bus holds the device's lock (a spinlock,
 * RANK_DEVICE) during read and write unless `lockless`. Devices may raise interrupts
 * (kernel/guest_irq.h) and kick vCPUs; they must not sleep.
 */
#ifndef KERNEL_BUS_H
#define KERNEL_BUS_H

#include "kernel/lock.h"
#include "kernel/state.h"

struct device;
struct json;
struct out;
struct vcpu;
struct vm;

struct device_ops {
    const char *name; /* "16550" */
    /* `vcpu` is the one that made the access; NULL when the access came from elsewhere. */
    uint64_t (*read)(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                     unsigned size);
    void (*write)(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                  unsigned size, uint64_t value);
    void (*reset)(struct device *d);   /* to power-on state; NULL: nothing to do */
    void (*destroy)(struct device *d); /* frees what embeds `d` */
    bool lockless;                     /* the device does its own locking */
    /* Adds what the device counted to `vm stats`: whole lines. NULL: nothing. */
    void (*stats)(struct device *d, struct out *out);
    /* The same for programs: one record or more, each with "vm" and "name". */
    void (*json)(struct device *d, struct json *j);
    /* For a pause, in thread context: what the device does by itself comes to rest (at a
     * descriptor's boundary) and begins nothing new; it may go on. NULL: it does nothing by itself.
     */
    void (*quiesce)(struct device *d);
    void (*resume)(struct device *d);
    /* Saved state of the structure that embeds the device `state_offset` bytes from its start. */
    const struct state_table *state; /* &state_none: no fields; NULL only beside state_each, or
                                      * device_init() refuses the device */
    size_t state_offset;
    /* Its further objects: queues, vectors. NULL: none. */
    void (*state_each)(struct device *d, state_visit visit, void *arg);
};

/* Embedded in each device's own structure. */
struct device {
    const struct device_ops *ops;
    struct vm *vm;
    struct spinlock lock;
    struct device *next; /* in the VM's list */
};

struct bus_region {
    uint64_t base, size; /* bytes, or port numbers */
    struct device *device;
    uint8_t index;    /* passed to read and write as `region` */
    uint8_t min_size; /* smaller accesses are refused (read all ones) */
    uint8_t max_size; /* larger ones are split into accesses of this size, lowest address first */
};

struct bus {
    struct bus_region *regions; /* sorted by base */
    unsigned count, capacity;
    const struct bus_region *last; /* a hint, relaxed: where the last access went */
    uint64_t unclaimed;            /* accesses that no region took */
    uint64_t last_unclaimed;       /* address of one of them */
};

/* Adds `d` to `vm`: sets its lock up and links it for reset and destroy. */
void device_init(struct device *d, const struct device_ops *ops, struct vm *vm);
/* Its objects with saved state. */
void device_state_each(struct device *d, state_visit visit, void *arg);
/* Before the VM runs. ERR_EXISTS when it overlaps another region; ERR_NO_MEMORY. */
enum err bus_add(struct bus *bus, const struct bus_region *region) MUST_CHECK;
void bus_destroy(struct bus *bus);

/* Accesses of a guest: any address, any size from 1 to 8. Reads return zero-extended. The access
 * may cross regions. */
uint64_t bus_read(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size);
void bus_write(struct bus *bus, struct vcpu *vcpu, uint64_t address, unsigned size, uint64_t value);

#endif
