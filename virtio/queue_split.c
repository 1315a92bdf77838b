/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Split rings (VirtIO 1.2, 2.7). */
#include "virtio/ring.h"

static uint32_t avail_element(const struct virtq *q, uint16_t index)
{
    return VIRTQ_RING_ELEMENTS + (index & (q->size - 1u)) * VIRTQ_AVAIL_ELEMENT;
}

static uint32_t used_element(const struct virtq *q, uint16_t index)
{
    return VIRTQ_RING_ELEMENTS + (index & (q->size - 1u)) * VIRTQ_USED_ELEMENT;
}

/* The driver's event index lies after the available ring, the device's after the used ring. */
static uint32_t used_event(const struct virtq *q)
{
    return VIRTQ_RING_ELEMENTS + q->size * VIRTQ_AVAIL_ELEMENT;
}

static uint32_t avail_event(const struct virtq *q)
{
    return VIRTQ_RING_ELEMENTS + q->size * VIRTQ_USED_ELEMENT;
}

bool virtq_split_has_chains(struct virtq *q)
{
    if (q->at.avail == q->avail_seen)
        q->avail_seen = __atomic_load_n((uint16_t *)virtq_area_at(&q->driver, VIRTQ_RING_INDEX),
                                        __ATOMIC_ACQUIRE);
    return q->at.avail != q->avail_seen;
}

/* The descriptors of an indirect table from its first one on. */
static bool load_indirect(struct virtq *q, struct virtq_chain *c, const struct virtq_desc *head)
{
    struct virtq_table table;
    unsigned index = 0;

    if (!virtq_table_open(q, &table, head))
        return false;
    for (;;) {
        const struct virtq_desc *d = virtq_table_get(q, &table, index);

        if (!d)
            return false;
        if (d->split.flags & VIRTQ_DESC_INDIRECT)
            return virtq_broken(q, "an indirect table that names another one");
        if (!virtq_chain_add(q, c, d->address, d->length, d->split.flags & VIRTQ_DESC_WRITE))
            return false;
        if (!(d->split.flags & VIRTQ_DESC_NEXT))
            return true;
        index = d->split.next;
    }
}

/* Loops end where the chain is longer than any may be. */
static bool load_chain(struct virtq *q, struct virtq_chain *c, unsigned index)
{
    for (;;) {
        struct virtq_desc d;

        if (index >= q->size)
            return virtq_broken(q, "a descriptor beyond the queue's size");
        d = virtq_ring_desc(q, index);
        if (d.split.flags & VIRTQ_DESC_INDIRECT) {
            if (d.split.flags & VIRTQ_DESC_NEXT)
                return virtq_broken(q, "a descriptor that is indirect and goes on");
            return load_indirect(q, c, &d);
        }
        if (!virtq_chain_add(q, c, d.address, d.length, d.split.flags & VIRTQ_DESC_WRITE))
            return false;
        if (!(d.split.flags & VIRTQ_DESC_NEXT))
            return true;
        index = d.split.next;
    }
}

bool virtq_split_pop(struct virtq *q, struct virtq_chain *c)
{
    if (!virtq_split_has_chains(q))
        return false;
    if (unlikely((uint16_t)(q->avail_seen - q->at.avail) > q->size))
        return virtq_broken(q, "an available index that jumped");
    virtq_chain_begin(c);
    c->id = virtq_load16(&q->driver, avail_element(q, q->at.avail));
    if (!load_chain(q, c, c->id))
        return false;
    q->at.avail++;
    return true;
}

void virtq_split_push(struct virtq *q, const struct virtq_chain *c)
{
    uint32_t at = used_element(q, q->at.used);

    /* Two words: an element may cross a page. */
    __atomic_store_n((uint32_t *)virtq_area_at(&q->used, at), c->id, __ATOMIC_RELAXED);
    __atomic_store_n((uint32_t *)virtq_area_at(&q->used, at + 4), c->in.done, __ATOMIC_RELAXED);
    q->at.used++;
}

void virtq_split_publish(struct virtq *q)
{
    __atomic_store_n((uint16_t *)virtq_area_at(&q->used, VIRTQ_RING_INDEX), q->at.used,
                     __ATOMIC_RELEASE);
}

bool virtq_split_wants_interrupt(struct virtq *q)
{
    uint16_t before = q->signalled;

    q->signalled = q->at.used;
    if (!q->event_index)
        return !(virtq_load16(&q->driver, VIRTQ_RING_FLAGS) & VIRTQ_NO_SIGNAL);
    return virtq_event_passed(virtq_load16(&q->driver, used_event(q)), q->at.used, before);
}

/* With event indexes "off" is where the driver is not any more: just behind it. */
void virtq_split_set_notify(struct virtq *q, bool on)
{
    if (!q->event_index)
        virtq_store16(&q->used, VIRTQ_RING_FLAGS, on ? 0 : VIRTQ_NO_SIGNAL);
    else if (on || !q->notifies)
        virtq_store16(&q->used, avail_event(q), on ? q->at.avail : q->at.avail - 1);
}
