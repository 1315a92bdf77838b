/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes virtio-blk behind its queue: any header and any shape of buffers is answered or breaks the
 * device, the answer's length is right, and no byte that the guest did not write itself shows up.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio/block.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DISK_BYTES (4 * DISK_PIECE_SIZE)
#define IN_MAX     (3 * DISK_PIECE_SIZE)

static struct virtio_block block;
static uint8_t answer[IN_MAX];
static const uint8_t *request_bytes;
static bool broken;

/* The disk, as a flat array. */
static char disk_bytes[DISK_BYTES];

void disk_read_begin(struct disk *d, uint64_t offset, uint64_t size, struct disk_span *s)
{
    (void)d;
    if (offset > DISK_BYTES || size > DISK_BYTES - offset || !size)
        abort();
    *s = (struct disk_span){.data = disk_bytes + offset, .length = MIN(size, 1000ul)};
}

enum err disk_write_begin(struct disk *d, uint64_t offset, uint64_t size, struct disk_span *s)
{
    disk_read_begin(d, offset, size, s);
    return offset / DISK_PIECE_SIZE == 3 ? ERR_NO_MEMORY : ERR_OK;
}

void disk_span_end(struct disk_span *s)
{
    (void)s;
}

enum err disk_zero(struct disk *d, uint64_t offset, uint64_t size)
{
    (void)d;
    if (offset > DISK_BYTES || size > DISK_BYTES - offset)
        abort();
    memset(disk_bytes + offset, 0, size);
    return ERR_OK;
}

bool disk_is_read_only(const struct disk *d)
{
    (void)d;
    return false;
}

uint64_t disk_size(const struct disk *d)
{
    (void)d;
    return DISK_BYTES;
}

enum err disk_open(struct disk **out, const struct config_disk *config, struct vm *vm)
{
    (void)config;
    (void)vm;
    *out = NULL;
    return ERR_OK;
}

void disk_close(struct disk *d, bool keep)
{
    (void)d;
    (void)keep;
}

size_t virtq_read(struct virtq *q, struct virtq_chain *c, void *to, size_t size)
{
    size_t n = MIN(size, (size_t)virtq_readable(c));
    (void)q;
    memcpy(to, request_bytes + c->out.done, n);
    c->out.done += (uint32_t)n;
    return n;
}

size_t virtq_write(struct virtq *q, struct virtq_chain *c, const void *from, size_t size)
{
    size_t n = MIN(size, (size_t)virtq_writable(c));
    (void)q;
    if (from)
        memcpy(answer + c->in.done, from, n);
    else
        memset(answer + c->in.done, 0, n);
    c->in.done += (uint32_t)n;
    return n;
}

void virtio_device_break(struct virtio_device *d, const char *why)
{
    (void)d;
    (void)why;
    broken = true;
}

enum err virtio_device_init(struct virtio_device *d, const struct virtio_device_ops *ops,
                            struct vm *vm, unsigned queues, uint16_t size_max)
{
    (void)d, (void)ops, (void)vm, (void)queues, (void)size_max;
    return ERR_OK;
}

void virtio_device_destroy(struct virtio_device *d)
{
    (void)d;
}

enum err virtio_attach(struct virtio_device *d, int slot)
{
    (void)d;
    (void)slot;
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct virtq_chain c = {0};
    uint32_t in;

    if (size < sizeof(in))
        return 0;
    memcpy(&in, data, sizeof(in));
    request_bytes = data + sizeof(in);
    c.out_bytes = (uint32_t)(size - sizeof(in));
    c.in_bytes = in % IN_MAX;
    broken = false;
    configure(&block);
    if (!request(&block.virtio, NULL, &c))
        abort();
    if (!broken && (c.in.done != c.in_bytes || answer[c.in_bytes - 1] > S_UNSUPP))
        abort();
    return 0;
}
