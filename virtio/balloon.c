/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A memory balloon (VirtIO 1.2, 5.5): pages that the guest puts into it go back to the host,
 * scrubbed, and read as zero when the guest takes them out and touches them again. The guest also
 * says how much memory it uses, and, where its section says reclaim = yes, reports pages that it
 * does not need at the moment.
 *
 * A page number from the guest is hostile: guest_memory_release() takes what is its RAM and nothing
 * else; a queue's rings, and pages that a device is working on, stay.
 */
#include "virtio/balloon.h"

#include "kernel/json.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "virtio/device.h"

/* Features (5.5.3). */
#define F_STATS_VQ       BIT(1)
#define F_DEFLATE_ON_OOM BIT(2)
#define F_REPORTING      BIT(5)

/* Queues (5.5.2). Drivers count those that were negotiated, the specification all that there are:
 * what comes after the statistics is for reports. */
enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_STATS, QUEUE_COUNT = 5 };

#define QUEUE_SIZE   128
#define PFN_SHIFT    12    /* page numbers count 4 KiB, whatever the guest's pages are (5.5.6) */
#define PFNS_MAX     4096u /* in one request: bounds the time of an exit */
#define PFNS_AT_ONCE 64u
#define PCI_CLASS    0x050000 /* memory controller, RAM */

/* Statistics (5.5.6.4): tags, in the order in which they are counted. */
#define STATS_MAX 16u
#define STAT_SIZE 10u
static const struct {
    const char *name;
    bool bytes; /* otherwise a count */
} stat_names[] = {
    {"swapped in", true}, {"swapped out", true}, {"major faults", false}, {"minor faults", false},
    {"free", true},       {"in all", true},      {"available", true},     {"file caches", true},
};

/* 5.5.4 */
struct balloon_config {
    uint32_t num_pages, actual;
};

struct virtio_balloon {
    struct virtio_device virtio;
    struct balloon_config config;
    uint64_t given, reported; /* atomic, statistics: bytes that came back so far */
    uint64_t stats[ARRAY_SIZE(stat_names)];
    uint32_t stats_known;  /* bit by tag */
    uint32_t stats_wanted; /* atomic, 0 or 1: the driver's buffer goes back for news */
};

static struct virtio_balloon *of(struct virtio_device *d)
{
    return container_of(d, struct virtio_balloon, virtio);
}

static uint64_t release(struct virtio_device *d, uint64_t gpa, uint64_t size)
{
    return guest_memory_release(d->vm->memory, d->vm->stage2, GPA(gpa), size);
}

/* ---- Inflating ---- */

/* A run of pages that lie together, in either direction, goes in one step. */
struct run {
    uint64_t first, count;
};

static bool run_extend(struct run *r, uint64_t pfn)
{
    if (!r->count)
        *r = (struct run){pfn, 0};
    else if (pfn + 1 == r->first)
        r->first = pfn;
    else if (pfn != r->first + r->count)
        return false;
    r->count++;
    return true;
}

static uint64_t run_release(struct virtio_device *d, struct run *r)
{
    uint64_t bytes = r->count ? release(d, r->first << PFN_SHIFT, r->count << PFN_SHIFT) : 0;

    r->count = 0;
    return bytes;
}

static bool inflate(struct virtio_device *d, struct virtq *q, struct virtq_chain *c)
{
    uint32_t pfns[PFNS_AT_ONCE], total = virtq_readable(c) / sizeof(pfns[0]);
    struct run run = {0};
    uint64_t bytes = 0;
    size_t got;

    if (total > PFNS_MAX) {
        virtio_device_break(d, "more pages at once than its balloon takes");
        return true;
    }
    while ((got = virtq_read(q, c, pfns, sizeof(pfns)) / sizeof(pfns[0]))) {
        for (size_t i = 0; i < got; i++) {
            if (run_extend(&run, pfns[i]))
                continue;
            bytes += run_release(d, &run);
            run_extend(&run, pfns[i]);
        }
    }
    bytes += run_release(d, &run);
    __atomic_fetch_add(&of(d)->given, bytes, __ATOMIC_RELAXED);
    return true;
}

/* ---- Statistics ---- */

static void stat_take(struct virtio_balloon *b, const uint8_t *entry)
{
    unsigned tag = entry[0] | (unsigned)entry[1] << 8;
    uint64_t value = 0;

    if (tag >= ARRAY_SIZE(stat_names))
        return;
    for (unsigned i = 0; i < sizeof(value); i++)
        value |= (uint64_t)entry[2 + i] << (8 * i);
    __atomic_store_n(&b->stats[tag], value, __ATOMIC_RELAXED);
    __atomic_fetch_or(&b->stats_known, BIT(tag), __ATOMIC_RELAXED);
}

/* The driver's buffer stays in the ring, and goes back to it when news are wanted. */
static bool take_stats(struct virtio_device *d, struct virtq *q, struct virtq_chain *c)
{
    struct virtio_balloon *b = of(d);
    uint8_t entry[STAT_SIZE];

    for (unsigned i = 0; i < STATS_MAX && virtq_read(q, c, entry, sizeof(entry)) == sizeof(entry);
         i++)
        stat_take(b, entry);
    return __atomic_exchange_n(&b->stats_wanted, 0, __ATOMIC_RELAXED);
}

/* ---- Reports of free pages ---- */

/* The pages are what the device may write to: the driver leaves them alone until they come back. */
static bool take_report(struct virtio_device *d, const struct virtq_chain *c)
{
    const struct virtq_buffer *pages = c->buffers + c->out_count;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < c->in_count; i++)
        bytes += release(d, pages[i].gpa, pages[i].length);
    __atomic_fetch_add(&of(d)->reported, bytes, __ATOMIC_RELAXED);
    return true;
}

static bool request(struct virtio_device *d, struct virtq *q, struct virtq_chain *c)
{
    switch (q->index) {
    case QUEUE_INFLATE:
        return inflate(d, q, c);
    case QUEUE_DEFLATE:
        return true; /* the guest's next touch brings a page of zeroes */
    default:
        if (q->index == QUEUE_STATS && virtio_has(d, F_STATS_VQ))
            return take_stats(d, q, c);
        return !virtio_has(d, F_REPORTING) || take_report(d, c);
    }
}

/* ---- The device ---- */

/* The driver says how many pages are in it: byte by byte if it likes. */
static void config_write(struct virtio_device *d, unsigned offset, unsigned size, uint64_t value)
{
    unsigned first = offsetof(struct balloon_config, actual);
    uint8_t *actual = (uint8_t *)&of(d)->config.actual;

    for (unsigned i = 0; i < size; i++)
        if (offset + i >= first)
            actual[offset + i - first] = (uint8_t)(value >> (8 * i));
}

/* What was asked for stays: the next driver reads it. */
static void reset(struct virtio_device *d)
{
    struct virtio_balloon *b = of(d);

    b->config.actual = 0;
    __atomic_store_n(&b->stats_known, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&b->stats_wanted, 0, __ATOMIC_RELAXED);
}

static void destroy(struct virtio_device *d)
{
    virtio_device_destroy(d);
    heap_free(of(d));
}

STATE_TABLE_HOOKS(balloon_state, "virtio-balloon", 1, NULL, NULL,
                  STATE_FIELD(struct virtio_balloon, config.num_pages, 1),
                  STATE_FIELD(struct virtio_balloon, config.actual, 1));

static void print(const struct virtio_device *d, struct out *out)
{
    const struct virtio_balloon *b = container_of(d, struct virtio_balloon, virtio);

    out_printf(out, "  %llu KiB were put into it and given back so far, %llu KiB reported free\n",
               (unsigned long long)(b->given >> 10), (unsigned long long)(b->reported >> 10));
}

static void json(const struct virtio_device *d, struct json *j)
{
    const struct virtio_balloon *b = container_of(d, struct virtio_balloon, virtio);

    json_number(j, "given_bytes", b->given);
    json_number(j, "reported_bytes", b->reported);
}

static const struct virtio_device_ops balloon_ops = {
    .name = "virtio-balloon",
    .id = VIRTIO_ID_BALLOON,
    .pci_class = PCI_CLASS,
    .request = request,
    .config_write = config_write,
    .reset = reset,
    .destroy = destroy,
    .print = print,
    .json = json,
    .state = &balloon_state,
};

static enum err virtio_balloon_create(struct vm *vm)
{
    struct virtio_balloon *b = heap_zalloc(sizeof(*b));
    enum err e;

    if (!b)
        return ERR_NO_MEMORY;
    e = virtio_device_init(&b->virtio, &balloon_ops, vm, QUEUE_COUNT, QUEUE_SIZE);
    if (e != ERR_OK) {
        destroy(&b->virtio);
        return e;
    }
    b->virtio.features |= F_STATS_VQ | F_DEFLATE_ON_OOM;
    if (vm->config->reclaim)
        b->virtio.features |= F_REPORTING;
    b->virtio.config = &b->config;
    b->virtio.config_size = sizeof(b->config);
    return virtio_attach(&b->virtio, VIRTIO_SLOT_BALLOON);
}
VIRTIO_MAKER("memory balloon", virtio_balloon_create);

/* ---- For the monitor ---- */

/* The guest's balloon, when a driver uses it. */
static struct virtio_balloon *find(struct vm *vm)
{
    for (struct virtio_device *d = vm->virtio; d; d = d->next)
        if (d->ops == &balloon_ops)
            return __atomic_load_n(&d->live, __ATOMIC_SEQ_CST) ? of(d) : NULL;
    return NULL;
}

enum err virtio_balloon_set(struct vm *vm, uint64_t bytes)
{
    struct virtio_balloon *b = find(vm);
    uint64_t all = vm->config->memory;

    if (!b)
        return ERR_NOT_FOUND;
    if (bytes > all || (all - bytes) >> PFN_SHIFT > UINT32_MAX)
        return ERR_RANGE;
    mutex_lock(&b->virtio.lock);
    b->config.num_pages = (uint32_t)((all - bytes) >> PFN_SHIFT);
    mutex_unlock(&b->virtio.lock);
    virtio_config_changed(&b->virtio);
    return ERR_OK;
}

static void print_stat(const struct virtio_balloon *b, unsigned tag, struct out *out)
{
    uint64_t value = __atomic_load_n(&b->stats[tag], __ATOMIC_RELAXED);

    if (!(__atomic_load_n(&b->stats_known, __ATOMIC_RELAXED) & BIT(tag)))
        return;
    if (stat_names[tag].bytes)
        out_printf(out, "  %-12s %12llu KiB\n", stat_names[tag].name,
                   (unsigned long long)(value >> 10));
    else
        out_printf(out, "  %-12s %12llu\n", stat_names[tag].name, (unsigned long long)value);
}

void virtio_balloon_print(struct vm *vm, struct out *out)
{
    struct virtio_balloon *b = find(vm);

    if (!b)
        return;
    out_printf(out,
               "memory balloon: %llu KiB in it, %llu KiB asked for; the host's behind the guest: "
               "%llu KiB\n",
               (unsigned long long)b->config.actual << PFN_SHIFT >> 10,
               (unsigned long long)b->config.num_pages << PFN_SHIFT >> 10,
               (unsigned long long)(guest_memory_resident(vm->memory) >> 10));
    if (b->stats_known)
        out_printf(out, "what the guest said of its memory when it was asked last:\n");
    for (unsigned tag = 0; tag < ARRAY_SIZE(stat_names); tag++)
        print_stat(b, tag, out);
    __atomic_store_n(&b->stats_wanted, 1, __ATOMIC_RELAXED);
    virtio_queue_kick(&b->virtio, QUEUE_STATS);
}
