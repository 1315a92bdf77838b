/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes virtio-balloon behind its queues: whatever page numbers, statistics and reports a guest
 * sends, only what it named is released, at most so much in one request, and what it says of its
 * memory stays inside the table of statistics.
 */
#include <stdlib.h>
#include <string.h>

/* What the balloon asks of others is answered here. */
#define guest_memory_release  fuzz_memory_release
#define guest_memory_resident fuzz_memory_resident
#define virtq_read            fuzz_virtq_read
#define virtio_device_break   fuzz_device_break
#include "virtio/balloon.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUFFERS_MAX 8

static struct virtio_balloon balloon;
static struct vm vm;
static const uint8_t *request_bytes;
static uint64_t released_pages;
static bool broken;

uint64_t guest_memory_release(struct guest_memory *m, struct second_stage *s, gpa_t gpa,
                              uint64_t size)
{
    (void)m, (void)s;
    if (gpa.v + size < gpa.v && gpa.v + size)
        abort();
    released_pages += size >> PFN_SHIFT;
    return size & ~PAGE_MASK;
}

uint64_t guest_memory_resident(const struct guest_memory *m)
{
    (void)m;
    return 0;
}

size_t virtq_read(struct virtq *q, struct virtq_chain *c, void *to, size_t size)
{
    size_t n = MIN(size, (size_t)virtq_readable(c));

    (void)q;
    memcpy(to, request_bytes + c->out.done, n);
    c->out.done += (uint32_t)n;
    return n;
}

void virtio_device_break(struct virtio_device *d, const char *why)
{
    (void)d, (void)why;
    broken = true;
}

/* Index and what was accepted, then what the driver sends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct virtq_buffer buffers[BUFFERS_MAX];
    struct virtq_chain c = {.buffers = buffers};
    struct virtq q = {.device = &balloon.virtio};

    if (size < 4)
        return 0;
    balloon.virtio.ops = &balloon_ops;
    balloon.virtio.vm = &vm;
    balloon.virtio.accepted = data[1];
    q.index = data[0] % QUEUE_COUNT;
    broken = false;
    released_pages = 0;
    for (unsigned i = 0; i < data[2] % BUFFERS_MAX; i++) {
        const uint8_t *at = data + 4 + i * 9ul;

        if (at + 9 > data + size)
            break;
        memcpy(&buffers[i].gpa, at, 8);
        buffers[i].gpa &= BITS(51, 0);
        buffers[i].length = (uint32_t)at[8] << 12;
        c.in_bytes += buffers[i].length;
        c.in_count++;
    }
    request_bytes = data + 4;
    c.out_bytes = (uint32_t)(size - 4);
    balloon.stats_wanted = data[3] & 1;
    bool returned = request(&balloon.virtio, &q, &c);
    if (!returned && (q.index != QUEUE_STATS || data[3] & 1))
        abort();
    if (q.index == QUEUE_INFLATE && released_pages > c.out_bytes / 4)
        abort();
    if (broken && released_pages)
        abort();
    if (balloon.stats_known >> ARRAY_SIZE(stat_names))
        abort();
    config_write(&balloon.virtio, data[2] % 8, 8 - data[2] % 8, UINT64_MAX);
    if (balloon.config.num_pages)
        abort();
    return 0;
}
