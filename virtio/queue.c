/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Virtqueues: their life, the streams of chains, and what split and packed rings share. */
#include "virtio/queue.h"

#include <string.h>
#include "kernel/trace.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "virtio/ring.h"

/* A pin reaches to the end of such a block at most (mm/guest_memory.h). */
#define PIN_BLOCK GUEST_BLOCK_SIZE

LOCK_CLASS(queue_class, "virtqueue", RANK_QUEUE);

static struct guest_memory *memory_of(const struct virtq *q)
{
    return q->device->vm->memory;
}

bool virtq_broken(struct virtq *q, const char *why)
{
    virtio_device_break(q->device, why);
    return false;
}

/* ---- Chains ---- */

enum err virtq_chain_init(struct virtq_chain *c, const struct virtq *q)
{
    *c = (struct virtq_chain){.buffers = heap_zalloc_array(q->size_max, sizeof(*c->buffers))};
    return c->buffers ? ERR_OK : ERR_NO_MEMORY;
}

void virtq_chain_destroy(struct virtq_chain *c)
{
    heap_free(c->buffers);
    c->buffers = NULL;
}

void virtq_chain_begin(struct virtq_chain *c)
{
    *c = (struct virtq_chain){.buffers = c->buffers};
}

bool virtq_chain_refuse(struct virtq *q, const struct virtq_chain *c, bool writable)
{
    if (c->out_count + c->in_count == q->size_max)
        return virtq_broken(q, "a chain that is too long or a loop");
    if (c->in_count && !writable)
        return virtq_broken(q, "a readable descriptor after a writable one");
    return virtq_broken(q, "a chain of 4 GiB or more");
}

bool virtq_table_open(struct virtq *q, struct virtq_table *t, const struct virtq_desc *d)
{
    if (!q->indirect)
        return virtq_broken(q, "an indirect descriptor that was not negotiated");
    if (!d->length || d->length % VIRTQ_DESC_SIZE)
        return virtq_broken(q, "an indirect table of a wrong size");
    t->gpa = d->address;
    t->count = d->length / VIRTQ_DESC_SIZE;
    t->first = t->loaded = 0;
    return true;
}

const struct virtq_desc *virtq_table_load(struct virtq *q, struct virtq_table *t, unsigned index)
{
    if (index >= t->count) {
        virtq_broken(q, "a descriptor beyond its indirect table");
        return NULL;
    }
    t->first = index;
    t->loaded = MIN(t->count - index, (unsigned)VIRTQ_TABLE_PIECE);
    if (t->gpa > UINT64_MAX - t->count * (uint64_t)VIRTQ_DESC_SIZE ||
        guest_copy_from(memory_of(q), GPA(t->gpa + index * (uint64_t)VIRTQ_DESC_SIZE), t->piece,
                        t->loaded * sizeof(t->piece[0])) != ERR_OK) {
        virtq_broken(q, "an indirect table outside memory");
        return NULL;
    }
    return t->piece;
}

/* ---- Streams ---- */

static inline const struct virtq_buffer *in_buffers(const struct virtq_chain *c)
{
    return c->buffers + c->out_count;
}

/* The piece at which the stream stands: at most `size` bytes. There are that many left. */
static inline struct virtq_buffer stream_piece(struct virtq_stream *s,
                                               const struct virtq_buffer *buffers, size_t size)
{
    const struct virtq_buffer *b = &buffers[s->at];

    while (s->offset == b->length) {
        b = &buffers[++s->at];
        s->offset = 0;
    }
    return (struct virtq_buffer){b->gpa + s->offset,
                                 (uint32_t)MIN(size, (size_t)(b->length - s->offset))};
}

static inline void stream_advance(struct virtq_stream *s, uint32_t length)
{
    s->offset += length;
    s->done += length;
}

size_t virtq_read(struct virtq *q, struct virtq_chain *c, void *to, size_t size)
{
    struct virtq_stream s = c->out; /* a copy may stay in registers */
    size_t left = MIN(size, (size_t)virtq_readable(c)), wanted = left;
    char *at = to;

    while (left) {
        struct virtq_buffer piece = stream_piece(&s, c->buffers, left);

        if (at && guest_copy_from(memory_of(q), GPA(piece.gpa), at, piece.length) != ERR_OK) {
            virtq_broken(q, "a buffer outside memory");
            break;
        }
        if (at)
            at += piece.length;
        left -= piece.length;
        stream_advance(&s, piece.length);
    }
    c->out = s;
    return wanted - left;
}

/* Why a write to guest memory failed. */
static void write_failed(struct virtq *q, enum err e)
{
    virtq_broken(q, e == ERR_NO_MEMORY ? "a buffer for which the host has no memory"
                                       : "a buffer outside memory");
}

/* A block of guest memory that is pinned while the pieces of a copy lie in it. */
struct window {
    uint64_t gpa;
    char *at; /* NULL: none */
};

static void window_close(struct virtq *q, struct window *w)
{
    if (w->at)
        guest_unpin_unwritten(memory_of(q), GPA(w->gpa), GUEST_BLOCK_SIZE);
    w->at = NULL;
}

/* Where the window has `piece`, moved if need be; NULL: it cannot be there. */
static inline char *window_find(struct virtq *q, struct window *w, const struct virtq_buffer *piece)
{
    uint64_t offset = piece->gpa - w->gpa;

    if (unlikely(!w->at || offset >= GUEST_BLOCK_SIZE)) {
        window_close(q, w);
        offset = piece->gpa % GUEST_BLOCK_SIZE;
        w->gpa = piece->gpa - offset;
        w->at = guest_pin_block(memory_of(q), GPA(w->gpa));
    }
    return w->at && piece->length <= GUEST_BLOCK_SIZE - offset ? w->at + offset : NULL;
}

size_t virtq_write(struct virtq *q, struct virtq_chain *c, const void *from, size_t size)
{
    const struct virtq_buffer *buffers = in_buffers(c);
    struct virtq_stream s = c->in;
    size_t left = MIN(size, (size_t)virtq_writable(c)), wanted = left;
    const char *at = from;
    struct window window = {0};

    while (left) {
        struct virtq_buffer piece = stream_piece(&s, buffers, left);
        /* Worth it where more pieces follow. */
        char *to =
            at && (piece.length < left || window.at) ? window_find(q, &window, &piece) : NULL;

        if (likely(to)) {
            memcpy(to, at, piece.length);
        } else {
            enum err e = at ? guest_copy_to(memory_of(q), GPA(piece.gpa), at, piece.length)
                            : guest_zero(memory_of(q), GPA(piece.gpa), piece.length);

            if (e != ERR_OK) {
                write_failed(q, e);
                break;
            }
        }
        if (at)
            at += piece.length;
        left -= piece.length;
        stream_advance(&s, piece.length);
    }
    window_close(q, &window);
    c->in = s;
    return wanted - left;
}

/* The stream that stands `offset` of `total` bytes behind its beginning. */
static struct virtq_stream stream_at(const struct virtq_buffer *buffers, uint32_t total,
                                     uint32_t offset)
{
    struct virtq_stream s = {0};
    uint32_t left = MIN(offset, total);

    while (left) {
        struct virtq_buffer piece = stream_piece(&s, buffers, left);

        left -= piece.length;
        stream_advance(&s, piece.length);
    }
    return s;
}

void virtq_seek_out(struct virtq_chain *c, uint32_t offset)
{
    c->out = stream_at(c->buffers, c->out_bytes, offset);
}

void virtq_seek_in(struct virtq_chain *c, uint32_t offset)
{
    c->in = stream_at(in_buffers(c), c->in_bytes, offset);
}

/* Pins the beginning of `piece` and cuts it to what lies in one block of host memory. */
static enum err pin_piece(struct guest_memory *m, struct virtq_buffer *piece, void **span)
{
    uint64_t room = PIN_BLOCK - (piece->gpa & (PIN_BLOCK - 1));
    enum err e;

    piece->length = (uint32_t)MIN((uint64_t)piece->length, room);
    e = guest_pin(m, GPA(piece->gpa), piece->length, span);
    if (e != ERR_RANGE)
        return e;
    room = PAGE_SIZE - (piece->gpa & PAGE_MASK);
    piece->length = (uint32_t)MIN((uint64_t)piece->length, room);
    return guest_pin(m, GPA(piece->gpa), piece->length, span);
}

/* Copies what one piece of each side has in common, at most `size` bytes; returns how many, 0 when
 * a device is broken. */
static uint32_t copy_piece(struct virtq *to_queue, struct virtq_chain *to, struct virtq *from_queue,
                           struct virtq_chain *from, size_t size)
{
    struct virtq_buffer source = stream_piece(&from->out, from->buffers, size);
    struct virtq_buffer target = stream_piece(&to->in, in_buffers(to), source.length);
    void *span;
    enum err e = pin_piece(memory_of(to_queue), &target, &span);

    if (e != ERR_OK) {
        write_failed(to_queue, e);
        return 0;
    }
    e = guest_copy_from(memory_of(from_queue), GPA(source.gpa), span, target.length);
    guest_unpin(memory_of(to_queue), GPA(target.gpa), target.length);
    if (e != ERR_OK) {
        virtq_broken(from_queue, "a buffer outside memory");
        return 0;
    }
    return target.length;
}

size_t virtq_copy(struct virtq *to_queue, struct virtq_chain *to, struct virtq *from_queue,
                  struct virtq_chain *from, size_t size)
{
    size_t room = MIN(virtq_writable(to), virtq_readable(from));
    size_t wanted = MIN(size, room), left = wanted;

    while (left) {
        uint32_t length = copy_piece(to_queue, to, from_queue, from, left);

        if (!length)
            break;
        stream_advance(&to->in, length);
        stream_advance(&from->out, length);
        left -= length;
    }
    return wanted - left;
}

/* ---- Rings ---- */

bool virtq_pop(struct virtq *q, struct virtq_chain *c)
{
    return q->packed ? virtq_packed_pop(q, c) : virtq_split_pop(q, c);
}

void virtq_push(struct virtq *q, const struct virtq_chain *c)
{
    if (q->packed)
        virtq_packed_push(q, c);
    else
        virtq_split_push(q, c);
    q->requests++;
    if (trace_on(TRACE_VIRTIO))
        trace_event(TRACE_VIRTIO, q->device->vm, TRACE_NO_VCPU,
                    (uint32_t)q->device->ops->id << 16 | q->index,
                    (uint64_t)c->out_bytes << 32 | c->in.done);
}

void virtq_publish(struct virtq *q)
{
    if (q->packed)
        virtq_packed_publish(q);
    else
        virtq_split_publish(q);
}

void virtq_flush(struct virtq *q)
{
    bool wants;

    if (q->at.used == q->signalled && q->at.used_wrap == q->signalled_wrap && !q->at.pushed)
        return;
    virtq_publish(q);
    /* The driver publishes its event index, then looks at the ring; so the ring goes first here. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    wants = q->packed ? virtq_packed_wants_interrupt(q) : virtq_split_wants_interrupt(q);
    if (wants) {
        q->interrupts++;
        q->device->transport->queue_interrupt(q->device, q);
    }
}

void virtq_rewind(struct virtq *q, const struct virtq_position *p)
{
    q->at = *p;
}

bool virtq_has_chains(struct virtq *q)
{
    return q->packed ? virtq_packed_has_chains(q) : virtq_split_has_chains(q);
}

void virtq_set_notify(struct virtq *q, bool on)
{
    if (q->packed)
        virtq_packed_set_notify(q, on);
    else
        virtq_split_set_notify(q, on);
    if (on)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    q->notifies = on;
}

/* ---- Life ---- */

static void area_unmap(struct guest_memory *m, struct virtq_area *a)
{
    uint32_t done = 0;

    for (unsigned i = 0; done < a->size; i++) {
        uint32_t at = a->offset + done, length;

        length = MIN(a->size - done, (uint32_t)(PAGE_SIZE - (at & PAGE_MASK)));
        guest_unpin(m, GPA(a->gpa + done), length);
        done += length;
    }
    *a = (struct virtq_area){0};
}

static enum err area_map(struct guest_memory *m, struct virtq_area *a, uint64_t gpa, uint32_t size,
                         unsigned alignment)
{
    if (!IS_ALIGNED(gpa, alignment) || gpa > UINT64_MAX - size)
        return ERR_INVALID;
    *a = (struct virtq_area){.gpa = gpa, .offset = gpa & PAGE_MASK};
    for (unsigned i = 0; a->size < size; i++) {
        uint32_t skip = i ? 0 : a->offset;
        uint32_t length = MIN(size - a->size, (uint32_t)(PAGE_SIZE - skip));
        void *span;
        enum err e = guest_pin(m, GPA(gpa + a->size), length, &span);

        if (e != ERR_OK) {
            area_unmap(m, a);
            return e;
        }
        a->pages[i] = (char *)span - skip;
        a->size += length;
    }
    return ERR_OK;
}

static void unmap_all(struct virtq *q)
{
    area_unmap(memory_of(q), &q->desc);
    area_unmap(memory_of(q), &q->driver);
    area_unmap(memory_of(q), &q->used);
}

/* Sizes and alignments: 2.7 and 2.8.10. */
static enum err map_all(struct virtq *q)
{
    struct guest_memory *m = memory_of(q);
    uint32_t driver = VIRTQ_EVENT_SIZE, device = VIRTQ_EVENT_SIZE;
    enum err e = area_map(m, &q->desc, q->desc_gpa, q->size * VIRTQ_DESC_SIZE, VIRTQ_DESC_SIZE);

    if (!q->packed) {
        driver = VIRTQ_RING_ELEMENTS + q->size * VIRTQ_AVAIL_ELEMENT + 2;
        device = VIRTQ_RING_ELEMENTS + q->size * VIRTQ_USED_ELEMENT + 2;
    }
    if (e == ERR_OK)
        e = area_map(m, &q->driver, q->driver_gpa, driver, q->packed ? 4 : 2);
    if (e == ERR_OK)
        e = area_map(m, &q->used, q->device_gpa, device, 4);
    if (e != ERR_OK)
        unmap_all(q);
    return e;
}

enum err virtq_init(struct virtq *q, struct virtio_device *d, unsigned index, uint16_t size_max)
{
    q->device = d;
    q->index = index;
    q->size = q->size_max = size_max;
    q->vector = VIRTIO_NO_VECTOR;
    mutex_init(&q->lock, &queue_class);
    q->pushed = heap_zalloc_array(size_max, sizeof(*q->pushed));
    return q->pushed ? virtq_chain_init(&q->chain, q) : ERR_NO_MEMORY;
}

void virtq_destroy(struct virtq *q)
{
    virtq_reset(q);
    virtq_chain_destroy(&q->chain);
    heap_free(q->pushed);
    q->pushed = NULL;
}

enum err virtq_map(struct virtq *q)
{
    if (!q->size || q->size > q->size_max)
        return ERR_INVALID;
    q->packed = virtio_has(q->device, VIRTIO_F_RING_PACKED);
    q->event_index = virtio_has(q->device, VIRTIO_F_EVENT_IDX);
    q->indirect = virtio_has(q->device, VIRTIO_F_INDIRECT_DESC);
    if (!q->packed && (q->size & (q->size - 1)))
        return ERR_INVALID;
    return map_all(q);
}

/* Positions of a saved state are checked, then the ring is mapped anew. */
static enum err queue_loaded(void *object)
{
    struct virtq *q = object;

    unmap_all(q);
    q->at.pushed = 0;
    q->avail_seen = q->at.avail;
    if (!q->enabled)
        return ERR_OK;
    if (virtq_map(q) != ERR_OK ||
        (q->packed && (q->at.avail >= q->size || q->at.used >= q->size))) {
        unmap_all(q);
        q->enabled = false;
        return ERR_INVALID;
    }
    return ERR_OK;
}

STATE_FIELDS(queue_fields, STATE_FIELD(struct virtq, size, 1), STATE_FIELD(struct virtq, vector, 1),
             STATE_FIELD(struct virtq, enabled, 1), STATE_FIELD(struct virtq, desc_gpa, 1),
             STATE_FIELD(struct virtq, driver_gpa, 1), STATE_FIELD(struct virtq, device_gpa, 1),
             STATE_FIELD(struct virtq, at.avail, 1), STATE_FIELD(struct virtq, at.used, 1),
             STATE_FIELD(struct virtq, at.avail_wrap, 1),
             STATE_FIELD(struct virtq, at.used_wrap, 1), STATE_FIELD(struct virtq, signalled, 1),
             STATE_FIELD(struct virtq, signalled_wrap, 1), STATE_FIELD(struct virtq, notifies, 1));

const struct state_table virtq_state = {.name = "virtqueue",
                                        .version = 1,
                                        .fields = queue_fields,
                                        .field_count = ARRAY_SIZE(queue_fields),
                                        .after_load = queue_loaded};

enum err virtq_enable(struct virtq *q)
{
    enum err e = virtq_map(q);

    if (e != ERR_OK)
        return e;
    q->at = (struct virtq_position){.avail_wrap = true, .used_wrap = true};
    q->avail_seen = q->signalled = 0;
    q->signalled_wrap = true;
    q->notifies = false;
    q->enabled = true;
    virtq_set_notify(q, !q->passive);
    return ERR_OK;
}

void virtq_reset(struct virtq *q)
{
    unmap_all(q);
    q->enabled = false;
    q->size = q->size_max;
    q->vector = VIRTIO_NO_VECTOR;
    q->desc_gpa = q->driver_gpa = q->device_gpa = 0;
    q->packed = q->event_index = q->indirect = q->notifies = false;
    q->at = (struct virtq_position){0};
    q->avail_seen = q->signalled = 0;
    q->signalled_wrap = false;
}
