/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Saved state: every object of a guest (vCPU, interrupt controller, device, queue) has a constant
 * table of fields, written as little-endian type-length-value records, so that a snapshot reads the
 * same on every host. Caches and pointers are not state: hooks write them back before a save and
 * rebuild them after a load.
 *
 * Records are hostile when loaded: names, sizes and counts must match the table; `after_load`
 * checks values.
 */
#ifndef KERNEL_STATE_H
#define KERNEL_STATE_H

#include "kernel/err.h"
#include "kernel/types.h"

struct state_field {
    const char *name; /* of the record; never renamed once released */
    uint32_t offset;  /* in the object */
    uint32_t count;   /* elements */
    uint8_t size;     /* of one element: 1, 2, 4 or 8 bytes */
    bool truth;       /* elements are bool: a record may hold 0 and 1 only */
    uint8_t since;    /* table version that brought it; absent in older records: stays as reset */
};

struct state_table {
    const char *name; /* "16550" */
    uint8_t version;
    const struct state_field *fields;
    unsigned field_count;
    void (*before_save)(void *object);    /* NULL: nothing to do */
    enum err (*after_load)(void *object); /* ERR_INVALID: values that cannot be; NULL */
};

/* A scalar member of `type`: integer, bool or enum. `member` may be a path: "pic[0].mask". */
#define STATE_FIELD(type, member, since_) STATE_RECORD(type, member, ((type *)0)->member, 1, since_)
/* An array of scalars; with STATE_ARRAY2 one of two dimensions. */
#define STATE_ARRAY(type, member, since_) \
    STATE_RECORD(type, member, ((type *)0)->member[0], ARRAY_SIZE(((type *)0)->member), since_)
#define STATE_ARRAY2(type, member, since_)                \
    STATE_RECORD(type, member, ((type *)0)->member[0][0], \
                 sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0][0]), since_)
#define STATE_RECORD(type, member, element, count_, since_)                   \
    {                                                                         \
        .name = #member, .offset = offsetof(type, member), .count = (count_), \
        .size = sizeof(element), .since = (since_),                           \
        .truth = _Generic((element), bool                                     \
                          : true, default                                     \
                          : false)                                            \
    }
#define STATE_FIELDS(id, ...) static const struct state_field id[] = {__VA_ARGS__}
#define STATE_TABLE(id, text, version_, ...) \
    STATE_TABLE_HOOKS(id, text, version_, NULL, NULL, __VA_ARGS__)
#define STATE_TABLE_HOOKS(id, text, version_, before, after, ...)                 \
    STATE_FIELDS(id##_fields, __VA_ARGS__);                                       \
    static const struct state_table id = {.name = (text),                         \
                                          .version = (version_),                  \
                                          .fields = id##_fields,                  \
                                          .field_count = ARRAY_SIZE(id##_fields), \
                                          .before_save = (before),                \
                                          .after_load = (after)}

/* For device_ops.state: the device has none of its own: it is constant, or its ISA names it. */
extern const struct state_table state_none;

/*
 * What has state says so by calling `visit` for each of its objects, always in the same order:
 * device_ops.state and state_each (kernel/bus.h) for devices, guest_isa.state_each for the rest of
 * a machine. `instance` tells apart the objects of one table: vCPU, queue, vector. Tables have
 * different names unless they describe the same type.
 */
typedef void (*state_visit)(const struct state_table *table, unsigned instance, void *object,
                            void *arg);

/* Appends records to `data`. `used` goes on past `size`, where nothing is written: so a pass
 * with size 0 measures. */
struct state_writer {
    uint8_t *data;
    size_t size, used;
};
/* The record of one object. It may not change meanwhile. */
void state_save(struct state_writer *w, const struct state_table *table, unsigned instance,
                void *object);

/* `size` bytes of records, hostile. Zeroed `next`. */
struct state_reader {
    const uint8_t *data;
    size_t size;
    size_t next;         /* where the search for the next object begins */
    const char *problem; /* what was wrong first, in plain words; NULL: nothing */
};
/* ERR_INVALID unless the data is whole records. */
enum err state_check(struct state_reader *r) MUST_CHECK;
/* After state_check(). Loads the object from its record. ERR_NOT_FOUND: there is none; ERR_INVALID;
 * ERR_UNSUPPORTED: it is of a newer version. The object may be half loaded then: it can only be
 * reset or destroyed. */
enum err state_load(struct state_reader *r, const struct state_table *table, unsigned instance,
                    void *object) MUST_CHECK;
/* Records of objects in the data. After state_check(). */
unsigned state_count(const struct state_reader *r);

#endif
