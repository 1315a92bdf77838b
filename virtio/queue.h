/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Virtqueues, the device's side: split rings with event index and indirect descriptors, and packed
 * rings (VirtIO 1.2, 2.7 and 2.8).
 *
 * The rings lie in guest memory and everything in them is hostile: indices, links, addresses and
 * lengths are checked at every use, each descriptor is read once. A ring that breaks the rules
 * breaks its device (virtio_device_break()): DEVICE_NEEDS_RESET, and no queue of it is served until
 * the driver resets it.
 *
 * A queue belongs to whoever holds its lock. Functions below that take a queue want it held.
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include "kernel/lock.h"
#include "kernel/state.h"
#include "mm/guest_memory.h"

#define VIRTQ_SIZE_MAX   1024                                  /* entries */
#define VIRTQ_AREA_PAGES (VIRTQ_SIZE_MAX * 16 / PAGE_SIZE + 1) /* of the largest part of a ring */

struct guest_memory;
struct thread;
struct virtio_device;

/* A piece of guest memory; whether it is RAM shows when a stream comes to it, and breaks the device
 * if not. */
struct virtq_buffer {
    uint64_t gpa;
    uint32_t length; /* bytes */
};

/* How far one half of a request was read or written. */
struct virtq_stream {
    uint32_t done;   /* bytes so far */
    unsigned at;     /* the buffer where it stands, of its half */
    uint32_t offset; /* bytes inside that */
};

/*
 * A request: first what the device may read, then what it may write. Read and written as two
 * streams by virtq_read() and virtq_write(), which never pass the end.
 */
struct virtq_chain {
    struct virtq_buffer *buffers; /* out_count readable ones, then in_count writable ones */
    unsigned out_count, in_count; /* together at most the queue's size */
    uint32_t out_bytes, in_bytes; /* sums of the lengths */
    struct virtq_stream out, in;  /* in.done goes to the driver */
    uint16_t id;                  /* head descriptor, or the packed ring's buffer id */
    uint16_t slots;               /* descriptors that it takes in the ring */
};

/* One of the three parts of a ring, pinned while the queue is enabled: page by page, as host memory
 * need not be contiguous. */
struct virtq_area {
    uint64_t gpa;
    uint32_t size;   /* bytes; 0: not mapped */
    uint32_t offset; /* of gpa in its page */
    char *pages[VIRTQ_AREA_PAGES];
};

/* A chain that was pushed and not yet published; packed rings only. */
struct virtq_pushed {
    uint32_t length;
    uint16_t id, slots;
};

/* Where device and driver stand, for virtq_rewind(). */
struct virtq_position {
    uint16_t avail, used;
    bool avail_wrap, used_wrap; /* packed rings only */
    uint16_t pushed;            /* chains not yet published; packed rings only */
};

struct virtq {
    struct mutex lock;
    struct virtio_device *device;
    unsigned index;
    /* Set by the driver through the transport, and fixed while `enabled`. */
    uint16_t size, size_max;
    uint16_t vector;                           /* MSI-X, used by the PCI transport */
    uint64_t desc_gpa, driver_gpa, device_gpa; /* descriptors, available ring, used ring; packed:
                                                  ring, driver events, device events */
    bool enabled;
    /* From here on the ring's own, taken at virtq_enable(). */
    bool packed, event_index, indirect;
    bool notifies; /* the driver was asked to notify */
    bool passive;  /* set by the device: it takes chains when it has data; notifications are off */
    struct virtq_position at;
    uint16_t avail_seen; /* split rings: the driver's index when it was read last */
    bool signalled_wrap;
    uint16_t signalled; /* used index at the last interrupt decision */
    struct virtq_area desc, driver, used;
    struct virtq_pushed *pushed;
    struct virtq_chain chain; /* the one that virtio_queue_serve() works on */
    uint32_t kicked;          /* atomic: the driver notified while somebody held the lock */
    struct thread *worker;    /* serves it, when the device blocks or floods; NULL: none */
    uint32_t worker_state;    /* atomic, virtio/serve.c's own */
    /* Notifications that are served at once because putting them off brought nothing the last
     * `alone` times; and how long others are put off, which doubles `longer` times. Changed by
     * anybody who notifies: a lost count does no harm. */
    uint32_t at_once, alone, longer;
    uint64_t requests, interrupts, notifications; /* statistics */
};

/* ---- Taking and returning chains ---- */

/* Takes the next chain into `c` (whose `buffers` has room for size_max entries). False when there
 * is none, or the ring is broken. */
bool virtq_pop(struct virtq *q, struct virtq_chain *c) MUST_CHECK;
/* Returns `c` with c->in.done bytes written. The driver sees it at the next virtq_publish(). */
void virtq_push(struct virtq *q, const struct virtq_chain *c);
/* Gives all pushed chains to the driver. */
void virtq_publish(struct virtq *q);
/* Publishes, and interrupts the driver if it wants that: once for each batch. */
void virtq_flush(struct virtq *q);
/* virtq_rewind() takes everything back that was popped and pushed (and not yet published) since
 * `*p` = q->at. */
void virtq_rewind(struct virtq *q, const struct virtq_position *p);
/* Are there chains that were not popped? */
bool virtq_has_chains(struct virtq *q);
/* Notifications on or off; after switching on look once more with virtq_has_chains(). */
void virtq_set_notify(struct virtq *q, bool on);

/* ---- The two streams of a chain ---- */

/* Bytes moved: fewer than asked for at the end of the stream, or when memory runs out. `to` NULL:
 * skips; `from` NULL: writes zeroes. */
size_t virtq_read(struct virtq *q, struct virtq_chain *c, void *to, size_t size);
size_t virtq_write(struct virtq *q, struct virtq_chain *c, const void *from, size_t size);
/* From the readable stream of one chain to the writable one of another, of any two guests; one
 * copy. */
size_t virtq_copy(struct virtq *to_queue, struct virtq_chain *to, struct virtq *from_queue,
                  struct virtq_chain *from, size_t size);
/* The stream goes on `offset` bytes after its beginning. */
void virtq_seek_out(struct virtq_chain *c, uint32_t offset);
void virtq_seek_in(struct virtq_chain *c, uint32_t offset);
static inline uint32_t virtq_readable(const struct virtq_chain *c)
{
    return c->out_bytes - c->out.done;
}
static inline uint32_t virtq_writable(const struct virtq_chain *c)
{
    return c->in_bytes - c->in.done;
}
/* A chain object for `q` besides q->chain. */
enum err virtq_chain_init(struct virtq_chain *c, const struct virtq *q) MUST_CHECK;
void virtq_chain_destroy(struct virtq_chain *c);

/* ---- For transports and the device model ---- */

extern const struct state_table virtq_state;
enum err virtq_init(struct virtq *q, struct virtio_device *d, unsigned index,
                    uint16_t size_max) MUST_CHECK;
void virtq_destroy(struct virtq *q);
/* Maps the ring that the fields describe. ERR_INVALID, ERR_RANGE: it is none, or not in RAM. */
enum err virtq_enable(struct virtq *q) MUST_CHECK;
/* The same for a queue whose positions were loaded from a saved state. */
enum err virtq_map(struct virtq *q) MUST_CHECK;
/* Forgets the ring and its addresses: power-on state. */
void virtq_reset(struct virtq *q);

#endif
