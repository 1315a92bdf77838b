/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Packed rings (VirtIO 1.2, 2.8). Used descriptors overwrite available ones, so what is pushed
 * waits beside the ring until it is published: only then can it not be taken back.
 */
#include "virtio/ring.h"

#define PACKED_FLAGS_OFFSET 14u

static uint16_t *flags_at(const struct virtq *q, unsigned index)
{
    return virtq_area_at(&q->desc, index * VIRTQ_DESC_SIZE + PACKED_FLAGS_OFFSET);
}

bool virtq_packed_has_chains(struct virtq *q)
{
    uint16_t flags = __atomic_load_n(flags_at(q, q->at.avail), __ATOMIC_ACQUIRE);
    bool avail = flags & VIRTQ_DESC_AVAIL, used = flags & VIRTQ_DESC_USED;

    return avail == q->at.avail_wrap && used != q->at.avail_wrap;
}

/* An index moved forward by `slots`, which are at most the queue's size. */
static void advance(const struct virtq *q, uint16_t *index, bool *wrap, unsigned slots)
{
    unsigned next = *index + slots;

    if (next >= q->size) {
        next -= q->size;
        *wrap = !*wrap;
    }
    *index = (uint16_t)next;
}

/* All entries of the table belong to the chain, in order (2.8.7). */
static bool load_indirect(struct virtq *q, struct virtq_chain *c, const struct virtq_desc *head)
{
    struct virtq_table table;

    if (!virtq_table_open(q, &table, head))
        return false;
    for (unsigned i = 0; i < table.count; i++) {
        const struct virtq_desc *d = virtq_table_get(q, &table, i);

        if (!d || !virtq_chain_add(q, c, d->address, d->length, d->packed.flags & VIRTQ_DESC_WRITE))
            return false;
    }
    return true;
}

static bool load_chain(struct virtq *q, struct virtq_chain *c)
{
    struct virtq_desc d;
    unsigned index = q->at.avail;

    do {
        if (c->slots == q->size)
            return virtq_broken(q, "a chain longer than the queue");
        d = virtq_ring_desc(q, index);
        c->slots++;
        if (++index == q->size)
            index = 0;
        if (d.packed.flags & VIRTQ_DESC_INDIRECT) {
            if (c->slots > 1 || d.packed.flags & VIRTQ_DESC_NEXT)
                return virtq_broken(q, "an indirect descriptor inside a chain");
            if (!load_indirect(q, c, &d))
                return false;
        } else if (!virtq_chain_add(q, c, d.address, d.length, d.packed.flags & VIRTQ_DESC_WRITE)) {
            return false;
        }
    } while (d.packed.flags & VIRTQ_DESC_NEXT);
    c->id = d.packed.id;
    return true;
}

bool virtq_packed_pop(struct virtq *q, struct virtq_chain *c)
{
    if (!virtq_packed_has_chains(q))
        return false;
    virtq_chain_begin(c);
    c->slots = 0;
    if (!load_chain(q, c))
        return false;
    advance(q, &q->at.avail, &q->at.avail_wrap, c->slots);
    return true;
}

/* A driver that makes more chains available than its ring has entries reuses what it waits for. */
void virtq_packed_push(struct virtq *q, const struct virtq_chain *c)
{
    if (q->at.pushed < q->size)
        q->pushed[q->at.pushed++] = (struct virtq_pushed){c->in.done, c->id, c->slots};
}

/* Everything but the flags of a used descriptor; returns those (2.8.7). */
static uint16_t write_used(struct virtq *q, const struct virtq_pushed *p)
{
    uint32_t at = q->at.used * VIRTQ_DESC_SIZE;
    uint16_t flags = p->length ? VIRTQ_DESC_WRITE : 0;

    __atomic_store_n((uint32_t *)virtq_area_at(&q->desc, at + 8), p->length, __ATOMIC_RELAXED);
    __atomic_store_n((uint16_t *)virtq_area_at(&q->desc, at + 12), p->id, __ATOMIC_RELAXED);
    return flags | (q->at.used_wrap ? VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED : 0);
}

/* The first one's flags go last: then the driver sees all of them. */
void virtq_packed_publish(struct virtq *q)
{
    uint16_t *first = flags_at(q, q->at.used), first_flags = 0;

    if (!q->at.pushed)
        return;
    for (unsigned i = 0; i < q->at.pushed; i++) {
        uint16_t flags = write_used(q, &q->pushed[i]);

        if (i == 0)
            first_flags = flags;
        else
            __atomic_store_n(flags_at(q, q->at.used), flags, __ATOMIC_RELEASE);
        advance(q, &q->at.used, &q->at.used_wrap, q->pushed[i].slots);
    }
    __atomic_store_n(first, first_flags, __ATOMIC_RELEASE);
    q->at.pushed = 0;
}

/* Positions are compared as if the ring went on: what lies before the last turn is `size` less. */
bool virtq_packed_wants_interrupt(struct virtq *q)
{
    uint16_t flags = virtq_load16(&q->driver, VIRTQ_EVENT_FLAGS);
    uint16_t event = virtq_load16(&q->driver, VIRTQ_EVENT_OFFSET);
    uint16_t before = q->signalled, at = event & (uint16_t)~VIRTQ_EVENT_WRAP;

    if (q->signalled_wrap != q->at.used_wrap)
        before -= q->size;
    q->signalled = q->at.used;
    q->signalled_wrap = q->at.used_wrap;
    if (!q->event_index || flags != VIRTQ_EVENT_DESC)
        return flags != VIRTQ_EVENT_DISABLE;
    if (!!(event & VIRTQ_EVENT_WRAP) != q->at.used_wrap)
        at -= q->size;
    return virtq_event_passed(at, q->at.used, before);
}

void virtq_packed_set_notify(struct virtq *q, bool on)
{
    uint16_t flags =
        on ? q->event_index ? VIRTQ_EVENT_DESC : VIRTQ_EVENT_ENABLE : VIRTQ_EVENT_DISABLE;

    if (on && q->event_index)
        virtq_store16(&q->used, VIRTQ_EVENT_OFFSET,
                      q->at.avail | (q->at.avail_wrap ? VIRTQ_EVENT_WRAP : 0));
    __atomic_store_n((uint16_t *)virtq_area_at(&q->used, VIRTQ_EVENT_FLAGS), flags,
                     __ATOMIC_RELEASE);
}
