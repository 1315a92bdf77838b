/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A block device (VirtIO 1.2, 5.2) on a disk in memory. Memory never blocks: requests are served
 * where they arrive, with one copy. Queues may be served at once, kernel/disk.h sorts them out.
 *
 * Everything in a request is hostile: a request without a header or a status byte breaks the
 * device, any other mistake fails that request alone.
 */
#include <string.h>

#include "kernel/disk.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "virtio/device.h"

/* Features (5.2.3). */
#define F_SEG_MAX      BIT(2)
#define F_RO           BIT(5)
#define F_BLK_SIZE     BIT(6)
#define F_FLUSH        BIT(9)
#define F_TOPOLOGY     BIT(10)
#define F_MQ           BIT(12)
#define F_DISCARD      BIT(13)
#define F_WRITE_ZEROES BIT(14)

/* Requests and their status (5.2.6). */
enum {
    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_WRITE_ZEROES = 13,
};
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

#define QUEUE_SIZE        256u
#define QUEUES_MAX        16u
#define SEGMENTS_MAX      (QUEUE_SIZE - 2) /* of a request: header and status take one each */
#define ID_SIZE           20
#define PIECE_SECTORS     (DISK_PIECE_SIZE / DISK_SECTOR)
#define PAGE_SECTORS_LOG2 3          /* 4 KiB in sectors */
#define RANGES_MAX        64u        /* of one discard or write zeroes */
#define RANGE_SECTORS_MAX (1u << 21) /* 1 GiB */
#define RANGE_UNMAP       1u         /* flag of a range: give the memory back (5.2.6) */
#define PCI_CLASS         0x018000   /* mass storage, other */

/* 5.2.4 */
struct block_config {
    uint64_t capacity; /* sectors */
    uint32_t size_max, seg_max;
    struct {
        uint16_t cylinders;
        uint8_t heads, sectors;
    } geometry;
    uint32_t blk_size;
    struct {
        uint8_t physical_block_exp, alignment_offset;
        uint16_t min_io_size;
        uint32_t opt_io_size;
    } topology;
    uint8_t writeback, unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
};
_Static_assert(sizeof(struct block_config) == 64, "as long as the specification's, and padding");

struct request_header {
    uint32_t type, reserved;
    uint64_t sector;
};

struct request_range {
    uint64_t sector;
    uint32_t sectors, flags;
};

struct virtio_block {
    struct virtio_device virtio;
    struct block_config config;
    struct disk *disk;
    char id[ID_SIZE]; /* the name, cut or filled with NUL */
};

static struct virtio_block *of(struct virtio_device *d)
{
    return container_of(d, struct virtio_block, virtio);
}

/* ---- Requests; each returns a status ---- */

static bool inside(const struct virtio_block *b, uint64_t sector, uint64_t sectors)
{
    return sector <= b->config.capacity && sectors <= b->config.capacity - sector;
}

/* Is [sector, + bytes) a transfer that the disk can do? */
static bool transfer_valid(const struct virtio_block *b, uint64_t sector, uint32_t bytes)
{
    return bytes % DISK_SECTOR == 0 && inside(b, sector, bytes / DISK_SECTOR);
}

static uint8_t read_sectors(struct virtio_block *b, struct virtq *q, struct virtq_chain *c,
                            uint64_t sector)
{
    uint32_t left = virtq_writable(c) - 1; /* the status */
    uint64_t offset = sector * DISK_SECTOR;

    if (!transfer_valid(b, sector, left))
        return S_IOERR;
    while (left) {
        struct disk_span s;
        size_t done;

        disk_read_begin(b->disk, offset, left, &s);
        done = virtq_write(q, c, s.data, s.length);
        disk_span_end(&s);
        if (done != s.length)
            return S_IOERR;
        offset += done;
        left -= (uint32_t)done;
    }
    return S_OK;
}

static uint8_t write_sectors(struct virtio_block *b, struct virtq *q, struct virtq_chain *c,
                             uint64_t sector)
{
    uint32_t left = virtq_readable(c);
    uint64_t offset = sector * DISK_SECTOR;

    if (!transfer_valid(b, sector, left))
        return S_IOERR;
    while (left) {
        struct disk_span s;
        size_t done;

        if (disk_write_begin(b->disk, offset, left, &s) != ERR_OK)
            return S_IOERR;
        done = virtq_read(q, c, s.data, s.length);
        disk_span_end(&s);
        if (done != s.length)
            return S_IOERR;
        offset += done;
        left -= (uint32_t)done;
    }
    return S_OK;
}

static uint8_t zero_range(struct virtio_block *b, const struct request_range *r, bool discard)
{
    if (r->flags & (discard ? ~0u : ~RANGE_UNMAP))
        return S_UNSUPP;
    if (r->sectors > RANGE_SECTORS_MAX || !inside(b, r->sector, r->sectors))
        return S_IOERR;
    if (disk_zero(b->disk, r->sector * DISK_SECTOR, (uint64_t)r->sectors * DISK_SECTOR) != ERR_OK)
        return S_IOERR;
    return S_OK;
}

static uint8_t zero_ranges(struct virtio_block *b, struct virtq *q, struct virtq_chain *c,
                           bool discard)
{
    uint32_t bytes = virtq_readable(c);
    struct request_range range;
    uint8_t status = S_OK;

    if (bytes % sizeof(range) || bytes > RANGES_MAX * sizeof(range))
        return S_IOERR;
    while (status == S_OK && virtq_read(q, c, &range, sizeof(range)) == sizeof(range))
        status = zero_range(b, &range, discard);
    return status;
}

static uint8_t get_id(struct virtio_block *b, struct virtq *q, struct virtq_chain *c)
{
    if (virtq_writable(c) < ID_SIZE + 1)
        return S_IOERR;
    return virtq_write(q, c, b->id, ID_SIZE) == ID_SIZE ? S_OK : S_IOERR;
}

static uint8_t serve(struct virtio_block *b, struct virtq *q, struct virtq_chain *c,
                     const struct request_header *h)
{
    bool writes = h->type == T_OUT || h->type == T_DISCARD || h->type == T_WRITE_ZEROES;

    if (writes && disk_is_read_only(b->disk))
        return S_IOERR;
    switch (h->type) {
    case T_IN:
        return read_sectors(b, q, c, h->sector);
    case T_OUT:
        return write_sectors(b, q, c, h->sector);
    case T_FLUSH:
        return S_OK; /* there is no cache behind */
    case T_GET_ID:
        return get_id(b, q, c);
    case T_DISCARD:
    case T_WRITE_ZEROES:
        return zero_ranges(b, q, c, h->type == T_DISCARD);
    default:
        return S_UNSUPP;
    }
}

static bool request(struct virtio_device *d, struct virtq *q, struct virtq_chain *c)
{
    struct request_header header;
    uint8_t status;

    if (!virtq_writable(c)) {
        virtio_device_break(d, "a request without room for its status");
        return true;
    }
    if (virtq_read(q, c, &header, sizeof(header)) != sizeof(header)) {
        virtio_device_break(d, "a request without a whole header");
        return true;
    }
    status = serve(of(d), q, c, &header);
    /* The status is the last byte; what a failed request left before it becomes zero. */
    virtq_write(q, c, NULL, virtq_writable(c) - 1);
    virtq_write(q, c, &status, 1);
    return true;
}

/* ---- The device ---- */

static void destroy(struct virtio_device *d)
{
    struct virtio_block *b = of(d);
    bool keep = d->vm->restart; /* a reset of the guest is none of its disk */

    virtio_device_destroy(d);
    disk_close(b->disk, keep);
    heap_free(b);
}

static const struct virtio_device_ops block_ops = {
    .name = "virtio-blk",
    .id = VIRTIO_ID_BLOCK,
    .pci_class = PCI_CLASS,
    .batches = true,
    .request = request,
    .destroy = destroy,
    .state = &state_none,
};

static void configure(struct virtio_block *b)
{
    b->virtio.features |= F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_MQ;
    b->virtio.features |= disk_is_read_only(b->disk) ? F_RO : F_DISCARD | F_WRITE_ZEROES;
    b->config = (struct block_config){
        .capacity = disk_size(b->disk) / DISK_SECTOR,
        .seg_max = SEGMENTS_MAX,
        .blk_size = DISK_SECTOR,
        .topology = {.physical_block_exp = PAGE_SECTORS_LOG2,
                     .min_io_size = 1 << PAGE_SECTORS_LOG2,
                     .opt_io_size = PIECE_SECTORS},
        .num_queues = (uint16_t)b->virtio.queue_count,
        .max_discard_sectors = RANGE_SECTORS_MAX,
        .max_discard_seg = RANGES_MAX,
        .discard_sector_alignment = PIECE_SECTORS,
        .max_write_zeroes_sectors = RANGE_SECTORS_MAX,
        .max_write_zeroes_seg = RANGES_MAX,
        .write_zeroes_may_unmap = 1,
    };
    b->virtio.config = &b->config;
    b->virtio.config_size = sizeof(b->config);
}

static enum err block_create(struct vm *vm, const struct config_disk *config, int slot)
{
    struct virtio_block *b = heap_zalloc(sizeof(*b));
    unsigned queues = MIN((unsigned)vm->config->cpus, QUEUES_MAX);
    enum err e;

    if (!b)
        return ERR_NO_MEMORY;
    _Static_assert(sizeof(config->name) >= ID_SIZE, "a whole id is copied");
    memcpy(b->id, config->name, ID_SIZE);
    e = virtio_device_init(&b->virtio, &block_ops, vm, queues, QUEUE_SIZE);
    if (e == ERR_OK)
        e = disk_open(&b->disk, config, vm);
    if (e != ERR_OK) {
        destroy(&b->virtio);
        return e;
    }
    configure(b);
    return virtio_attach(&b->virtio, slot);
}

static enum err virtio_block_create(struct vm *vm)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; e == ERR_OK && i < vm->config->disk_count; i++)
        e = block_create(vm, vm->config->disks[i], VIRTIO_SLOT_DISK + (int)i);
    return e;
}
VIRTIO_MAKER("block", virtio_block_create);
