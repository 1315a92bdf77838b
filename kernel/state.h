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

/* A scalar member of `type`: integer, bool or enum. */
#define STATE_FIELD(type, member, since_) \
    STATE_RECORD(type, member, sizeof(((type *)0)->member), since_)
/* An array of scalars; with STATE_ARRAY2 one of two dimensions. */
#define STATE_ARRAY(type, member, since_) \
    STATE_RECORD(type, member, sizeof(((type *)0)->member[0]), since_)
#define STATE_ARRAY2(type, member, since_) \
    STATE_RECORD(type, member, sizeof(((type *)0)->member[0][0]), since_)
#define STATE_RECORD(type, member, element, since_)                                            \
    {                                                                                          \
        .name = #member, .offset = offsetof(type, member),                                     \
        .count = sizeof(((type *)0)->member) / (element), .size = (element), .since = (since_) \
    }
#define STATE_TABLE(id, text, version_, ...)                       \
    static const struct state_field id##_fields[] = {__VA_ARGS__}; \
    static const struct state_table id = {.name = (text),          \
                                          .version = (version_),   \
                                          .fields = id##_fields,   \
                                          .field_count = ARRAY_SIZE(id##_fields)}

#endif
