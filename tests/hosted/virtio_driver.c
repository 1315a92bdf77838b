/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The driver's side of VirtIO 1.2 for tests: plain and slow, from the specification alone. */
#include <stdlib.h>
#include <string.h>
#include "test_vm.h"

/* ---- Guest memory, in the driver's hands ---- */

static uint64_t load(struct test_vm *t, uint64_t gpa, unsigned size)
{
    uint64_t value = 0;

    if (guest_copy_from(t->vm.memory, GPA(gpa), &value, size) != ERR_OK)
        abort();
    return value;
}

static void store(struct test_vm *t, uint64_t gpa, unsigned size, uint64_t value)
{
    if (guest_copy_to(t->vm.memory, GPA(gpa), &value, size) != ERR_OK)
        abort();
}

/* ---- Registers: 4.1.4 and 4.2.2 ---- */

static uint64_t bar_address(struct test_vm *t, unsigned slot, unsigned bar)
{
    return test_config_read(t, slot, 0x10 + 4 * bar, 4) & ~15u;
}

void driver_find(struct driver *d, struct test_vm *t, unsigned slot, bool mmio)
{
    *d = (struct driver){.t = t, .mmio = mmio};
    if (mmio) {
        d->common = TEST_MMIO_SLOTS + slot * 0x200;
        d->device = d->common + 0x100;
        driver_set_status(d, 0);
        return;
    }
    if (test_config_read(t, slot, 0, 2) == 0xffff)
        abort();
    test_config_write(t, slot, 4, 2, 6); /* memory, bus master */
    for (unsigned at = test_config_read(t, slot, 0x34, 1); at;
         at = test_config_read(t, slot, at + 1, 1)) {
        uint64_t place;

        if (test_config_read(t, slot, at, 1) != 9)
            continue;
        place = bar_address(t, slot, test_config_read(t, slot, at + 4, 1)) +
                test_config_read(t, slot, at + 8, 4);
        switch (test_config_read(t, slot, at + 3, 1)) {
        case 1:
            d->common = place;
            break;
        case 2:
            d->notify = place;
            d->multiplier = test_config_read(t, slot, at + 16, 4);
            break;
        case 3:
            d->isr = place;
            break;
        case 4:
            d->device = place;
            break;
        }
    }
    driver_set_status(d, 0);
}

uint8_t driver_status(struct driver *d)
{
    return (uint8_t)test_read(d->t, d->common + (d->mmio ? 0x70 : 0x14), d->mmio ? 4 : 1);
}

void driver_set_status(struct driver *d, uint8_t status)
{
    test_write(d->t, d->common + (d->mmio ? 0x70 : 0x14), d->mmio ? 4 : 1, status);
}

static void set(struct driver *d, unsigned pci, unsigned mmio, unsigned size, uint64_t value)
{
    test_write(d->t, d->common + (d->mmio ? mmio : pci), d->mmio ? 4 : size, value);
}

static uint32_t offered_word(struct driver *d, unsigned word)
{
    set(d, 0, 0x14, 4, word);
    return (uint32_t)test_read(d->t, d->common + (d->mmio ? 0x10 : 4), 4);
}

bool driver_negotiate(struct driver *d, uint64_t wanted)
{
    uint64_t offered = offered_word(d, 0);

    offered |= (uint64_t)offered_word(d, 1) << 32;
    d->features = wanted & offered;
    driver_set_status(d, 1);
    driver_set_status(d, 3);
    for (unsigned word = 0; word < 2; word++) {
        set(d, 8, 0x24, 4, word);
        set(d, 12, 0x20, 4, (uint32_t)(d->features >> (32 * word)));
    }
    driver_set_status(d, 11);
    return driver_status(d) & 8;
}

void driver_ok(struct driver *d)
{
    driver_set_status(d, 15);
}

static void set_address(struct driver *d, unsigned pci, unsigned mmio, uint64_t value)
{
    set(d, pci, mmio, 4, (uint32_t)value);
    set(d, pci + 4, mmio + 4, 4, value >> 32);
}

void driver_queue_set_up(struct driver *d, struct driver_queue *q, unsigned index, unsigned size,
                         uint64_t base)
{
    *q = (struct driver_queue){.t = d->t,
                               .index = index,
                               .size = size,
                               .packed = d->features >> 34 & 1,
                               .event_index = d->features >> 29 & 1,
                               .avail_wrap = true,
                               .used_wrap = true,
                               .free = size,
                               .desc = base,
                               .avail = base + 16 * size};
    q->used = (q->avail + 6 + 2 * size + 3) & ~3ULL;
    q->tables = (q->used + 6 + 8 * size + 15) & ~15ULL;
    for (uint64_t at = base; at < q->tables; at += 2)
        store(d->t, at, 2, 0);
    set(d, 0x16, 0x30, 2, index);
    set(d, 0x18, 0x38, 2, size);
    set_address(d, 0x20, 0x80, q->desc);
    set_address(d, 0x28, 0x90, q->packed ? q->avail + 4 * (q->avail % 4 != 0) : q->avail);
    set_address(d, 0x30, 0xa0, q->used);
    q->notify = d->mmio ? d->common + 0x50
                        : d->notify + d->multiplier * test_read(d->t, d->common + 0x1e, 2);
    set(d, 0x1c, 0x44, 2, 1);
}

void driver_set_vector(struct driver *d, unsigned queue, uint16_t vector)
{
    test_write(d->t, d->common + 0x16, 2, queue);
    test_write(d->t, d->common + 0x1a, 2, vector);
}

void driver_use_msix(struct driver *d, unsigned slot, unsigned vectors)
{
    unsigned at = test_config_read(d->t, slot, 0x34, 1);

    while (at && test_config_read(d->t, slot, at, 1) != 0x11)
        at = test_config_read(d->t, slot, at + 1, 1);
    for (unsigned i = 0; at && i < vectors; i++) {
        uint64_t entry = bar_address(d->t, slot, test_config_read(d->t, slot, at + 4, 4) & 7) +
                         (test_config_read(d->t, slot, at + 4, 4) & ~7u) + 16 * i;

        test_write(d->t, entry, 8, TEST_MSI);
        test_write(d->t, entry + 8, 4, i);
        test_write(d->t, entry + 12, 4, 0);
    }
    test_config_write(d->t, slot, at + 2, 2, 0x8000);
}

/* ---- Rings: 2.7.13 and 2.8.21 ---- */

/* Writes the buffers as a table of indirect descriptors for chain `id`. */
static uint64_t write_table(struct driver_queue *q, const struct driver_buffer *b, unsigned count,
                            unsigned id)
{
    uint64_t table = q->tables + id * 16ULL * 32;

    for (unsigned i = 0; i < count; i++) {
        unsigned flags = (b[i].write ? 2 : 0) | (i + 1 < count && !q->packed ? 1 : 0);

        store(q->t, table + 16 * i, 8, b[i].gpa);
        store(q->t, table + 16 * i + 8, 4, b[i].length);
        store(q->t, table + 16 * i + 12, 2, q->packed ? 0 : flags);
        store(q->t, table + 16 * i + 14, 2, q->packed ? flags : i + 1);
    }
    return table;
}

static void split_descriptor(struct driver_queue *q, unsigned at, const struct driver_buffer *b,
                             unsigned flags, unsigned next)
{
    store(q->t, q->desc + 16 * at, 8, b->gpa);
    store(q->t, q->desc + 16 * at + 8, 4, b->length);
    store(q->t, q->desc + 16 * at + 12, 2, flags | (b->write ? 2 : 0));
    store(q->t, q->desc + 16 * at + 14, 2, next);
}

/* Descriptors are used in a circle: a chain's are always together. */
static int split_add(struct driver_queue *q, const struct driver_buffer *b, unsigned count)
{
    unsigned head = q->next_free;

    for (unsigned i = 0; i < count; i++) {
        unsigned at = q->next_free;

        q->next_free = (uint16_t)((at + 1) % q->size);
        split_descriptor(q, at, &b[i], i + 1 < count ? 1 : 0, q->next_free);
    }
    return (int)head;
}

static int split_add_indirect(struct driver_queue *q, const struct driver_buffer *b, unsigned count)
{
    unsigned head = q->next_free;
    struct driver_buffer table = {write_table(q, b, count, head), 16 * count, false};

    q->next_free = (uint16_t)((head + 1) % q->size);
    split_descriptor(q, head, &table, 4, 0);
    return (int)head;
}

static void split_publish(struct driver_queue *q, int head)
{
    store(q->t, q->avail + 4 + 2 * (q->avail_index % q->size), 2, (unsigned)head);
    q->avail_index++;
    store(q->t, q->avail + 2, 2, q->avail_index);
}

static int packed_add(struct driver_queue *q, const struct driver_buffer *b, unsigned count,
                      bool indirect)
{
    unsigned id = q->avail_index;
    struct driver_buffer table = {0};
    unsigned first_flags = 0, first = q->avail_index;

    if (indirect) {
        table = (struct driver_buffer){write_table(q, b, count, id), 16 * count, false};
        b = &table;
        count = 1;
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = q->desc + 16 * q->avail_index;
        unsigned flags = (b[i].write ? 2 : 0) | (i + 1 < count ? 1 : 0) | (indirect ? 4 : 0) |
                         (q->avail_wrap ? 0x80 : 0x8000);

        store(q->t, at, 8, b[i].gpa);
        store(q->t, at + 8, 4, b[i].length);
        store(q->t, at + 12, 2, id);
        if (i == 0)
            first_flags = flags;
        else
            store(q->t, at + 14, 2, flags);
        if (++q->avail_index == q->size) {
            q->avail_index = 0;
            q->avail_wrap = !q->avail_wrap;
        }
    }
    store(q->t, q->desc + 16 * first + 14, 2, first_flags);
    return (int)id;
}

int driver_add(struct driver_queue *q, const struct driver_buffer *buffers, unsigned count,
               bool indirect)
{
    unsigned needed = indirect ? 1 : count;
    int id;

    if (needed > q->free)
        return -1;
    q->free -= needed;
    if (q->packed) {
        id = packed_add(q, buffers, count, indirect);
    } else {
        id = indirect ? split_add_indirect(q, buffers, count) : split_add(q, buffers, count);
        split_publish(q, id);
    }
    q->slots[id] = (uint16_t)needed;
    return id;
}

void driver_kick(struct driver_queue *q)
{
    test_write(q->t, q->notify, 2, q->index);
}

static int packed_take(struct driver_queue *q, uint32_t *written)
{
    uint64_t at = q->desc + 16 * q->used_index;
    unsigned flags = (unsigned)load(q->t, at + 14, 2);
    bool avail = flags & 0x80, used = flags & 0x8000;
    unsigned id;

    if (avail != q->used_wrap || used != q->used_wrap)
        return -1;
    id = (unsigned)load(q->t, at + 12, 2);
    *written = (uint32_t)load(q->t, at + 8, 4);
    if (id >= q->size || !q->slots[id])
        abort();
    q->used_index += q->slots[id];
    if (q->used_index >= q->size) {
        q->used_index -= q->size;
        q->used_wrap = !q->used_wrap;
    }
    return (int)id;
}

static int split_take(struct driver_queue *q, uint32_t *written)
{
    uint64_t element = q->used + 4 + 8 * (q->used_index % q->size);
    unsigned id;

    if ((uint16_t)load(q->t, q->used + 2, 2) == q->used_index)
        return -1;
    id = (unsigned)load(q->t, element, 4);
    *written = (uint32_t)load(q->t, element + 4, 4);
    if (id >= q->size || !q->slots[id])
        abort();
    q->used_index++;
    return (int)id;
}

int driver_take(struct driver_queue *q, uint32_t *written)
{
    int id = q->packed ? packed_take(q, written) : split_take(q, written);

    if (id >= 0) {
        q->free += q->slots[id];
        q->slots[id] = 0;
    }
    return id;
}

void driver_interrupts(struct driver_queue *q, bool on)
{
    if (q->packed) {
        store(q->t, q->avail, 2, q->used_index | (q->used_wrap ? 0x8000 : 0));
        store(q->t, q->avail + 2, 2, !on ? 1 : q->event_index ? 2 : 0);
    } else if (q->event_index) {
        store(q->t, q->avail + 4 + 2 * q->size, 2,
              (uint16_t)(on ? q->used_index : q->used_index - 1));
    } else {
        store(q->t, q->avail, 2, on ? 0 : 1);
    }
}
