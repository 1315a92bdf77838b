/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Layouts of the rings in guest memory (VirtIO 1.2, 2.7 and 2.8), and what split and packed rings
 * share on the device's side. */
#ifndef VIRTIO_RING_H
#define VIRTIO_RING_H

#include "virtio/device.h"

/* Both kinds of descriptors have 16 bytes, begin with address and length, and share these flags. */
#define VIRTQ_DESC_SIZE     16u
#define VIRTQ_DESC_NEXT     0x0001u
#define VIRTQ_DESC_WRITE    0x0002u
#define VIRTQ_DESC_INDIRECT 0x0004u
#define VIRTQ_DESC_AVAIL    0x0080u /* packed rings */
#define VIRTQ_DESC_USED     0x8000u

struct virtq_desc {
    uint64_t address;
    uint32_t length;
    union {
        struct {
            uint16_t flags, next;
        } split; /* 2.7.5 */
        struct {
            uint16_t id, flags;
        } packed; /* 2.8.13 */
    };
};

/* Split: available ring (2.7.6) and used ring (2.7.8): flags, index, elements, event index. */
#define VIRTQ_RING_FLAGS    0u
#define VIRTQ_RING_INDEX    2u
#define VIRTQ_RING_ELEMENTS 4u
#define VIRTQ_AVAIL_ELEMENT 2u
#define VIRTQ_USED_ELEMENT  8u
#define VIRTQ_NO_SIGNAL     1u /* in `flags` of either ring */

/* Packed: event suppression (2.8.14): offset and wrap counter, flags. */
#define VIRTQ_EVENT_OFFSET  0u
#define VIRTQ_EVENT_FLAGS   2u
#define VIRTQ_EVENT_SIZE    4u
#define VIRTQ_EVENT_ENABLE  0u
#define VIRTQ_EVENT_DISABLE 1u
#define VIRTQ_EVENT_DESC    2u
#define VIRTQ_EVENT_WRAP    0x8000u

/* A pointer to `offset` of the area, good up to the end of its page. */
static inline void *virtq_area_at(const struct virtq_area *a, uint32_t offset)
{
    uint32_t at = offset + a->offset;

    return a->pages[at >> PAGE_SHIFT] + (at & PAGE_MASK);
}

static inline uint16_t virtq_load16(const struct virtq_area *a, uint32_t offset)
{
    return __atomic_load_n((uint16_t *)virtq_area_at(a, offset), __ATOMIC_RELAXED);
}

static inline void virtq_store16(const struct virtq_area *a, uint32_t offset, uint16_t value)
{
    __atomic_store_n((uint16_t *)virtq_area_at(a, offset), value, __ATOMIC_RELAXED);
}

/* Descriptor `index` of the ring, read once. */
static inline struct virtq_desc virtq_ring_desc(const struct virtq *q, unsigned index)
{
    const uint64_t *at = virtq_area_at(&q->desc, index * VIRTQ_DESC_SIZE);
    union {
        uint64_t words[2];
        struct virtq_desc desc;
    } d = {{READ_ONCE(at[0]), READ_ONCE(at[1])}};

    return d.desc;
}

/* Was `event` passed on the way from index `before` to `now`? (2.7.7.2) */
static inline bool virtq_event_passed(uint16_t event, uint16_t now, uint16_t before)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

/* Breaks the device; returns false. */
bool virtq_broken(struct virtq *q, const char *why);

/* Begins an empty chain. */
void virtq_chain_begin(struct virtq_chain *c);
/* Says which rule a buffer breaks that virtq_chain_add() did not take. */
bool virtq_chain_refuse(struct virtq *q, const struct virtq_chain *c, bool writable);

/* Appends a buffer to it. False: the ring broke a rule. */
MUST_CHECK static inline bool virtq_chain_add(struct virtq *q, struct virtq_chain *c, uint64_t gpa,
                                              uint32_t length, bool writable)
{
    unsigned count = c->out_count + c->in_count;

    if (unlikely(count == q->size_max || (c->in_count && !writable) ||
                 length > UINT32_MAX - c->out_bytes - c->in_bytes))
        return virtq_chain_refuse(q, c, writable);
    c->buffers[count] = (struct virtq_buffer){gpa, length};
    if (writable) {
        c->in_bytes += length;
        c->in_count++;
    } else {
        c->out_bytes += length;
        c->out_count++;
    }
    return true;
}

/* A table of indirect descriptors, read in pieces, each descriptor once. */
#define VIRTQ_TABLE_PIECE 80 /* 256 KiB by pages, with the request's header and status */
struct virtq_table {
    uint64_t gpa;
    unsigned count, first, loaded; /* descriptors: in all; which of them `piece` holds */
    struct virtq_desc piece[VIRTQ_TABLE_PIECE];
};
bool virtq_table_open(struct virtq *q, struct virtq_table *t,
                      const struct virtq_desc *d) MUST_CHECK;
const struct virtq_desc *virtq_table_load(struct virtq *q, struct virtq_table *t, unsigned index);

/* NULL: the device is broken. */
static inline const struct virtq_desc *virtq_table_get(struct virtq *q, struct virtq_table *t,
                                                       unsigned index)
{
    if (likely(index - t->first < t->loaded))
        return &t->piece[index - t->first];
    return virtq_table_load(q, t, index);
}

/* The two kinds of rings. */
bool virtq_split_pop(struct virtq *q, struct virtq_chain *c) MUST_CHECK;
void virtq_split_push(struct virtq *q, const struct virtq_chain *c);
void virtq_split_publish(struct virtq *q);
bool virtq_split_wants_interrupt(struct virtq *q);
bool virtq_split_has_chains(struct virtq *q);
void virtq_split_set_notify(struct virtq *q, bool on);

bool virtq_packed_pop(struct virtq *q, struct virtq_chain *c) MUST_CHECK;
void virtq_packed_push(struct virtq *q, const struct virtq_chain *c);
void virtq_packed_publish(struct virtq *q);
bool virtq_packed_wants_interrupt(struct virtq *q);
bool virtq_packed_has_chains(struct virtq *q);
void virtq_packed_set_notify(struct virtq *q, bool on);

#endif
