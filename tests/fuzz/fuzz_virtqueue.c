/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes a virtqueue: the input is the ring's memory, with a first byte that chooses its kind, and
 * notifications in between. Whatever is in it, the device answers or is broken, and a reset brings
 * it back.
 */
#include <stdlib.h>
#include <string.h>
#include "hosted.h"
#include "mm/heap.h"
#include "test_vm.h"
#include "virtio/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SLOT  5
#define RING  KIB(64)
#define ENTRY 16

static struct test_vm vm;
static struct virtio_device *echo;

/* Reads all, and writes as much as was read and once more. */
static bool request(struct virtio_device *d, struct virtq *q, struct virtq_chain *c)
{
    char bytes[512];
    size_t n, total = 0;

    (void)d;
    while (total < MIB(1) && (n = virtq_read(q, c, bytes, sizeof(bytes))) > 0)
        total += virtq_write(q, c, bytes, n);
    virtq_write(q, c, NULL, KIB(64));
    if (c->in.done > c->in_bytes || c->out.done > c->out_bytes)
        abort();
    return true;
}

static void destroy(struct virtio_device *d)
{
    virtio_device_destroy(d);
    heap_free(d);
}

static const struct virtio_device_ops ops = {
    .name = "echo", .id = 42, .request = request, .destroy = destroy, .state = &state_none};

static void start(void)
{
    test_vm_machine();
    test_vm_start(&vm, "guest", false, false);
    echo = heap_zalloc(sizeof(*echo));
    if (virtio_device_init(echo, &ops, &vm.vm, 1, 64) != ERR_OK ||
        virtio_attach(echo, SLOT) != ERR_OK)
        abort();
}

static void write_ring(const uint8_t *data, size_t size, size_t from)
{
    size_t most = MIN(size, (size_t)KIB(8));

    if (from < most && guest_copy_to(vm.vm.memory, GPA(RING + from), data + from, most - from))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct driver_queue q;
    struct driver d;

    if (!echo)
        start();
    if (size < 2)
        return 0;
    driver_find(&d, &vm, SLOT, false);
    if (!driver_negotiate(&d, BIT(32) | (data[0] & 1 ? BIT(34) : 0) | (data[0] & 2 ? BIT(29) : 0) |
                                  (data[0] & 4 ? BIT(28) : 0)))
        abort();
    driver_queue_set_up(&d, &q, 0, data[0] & 8 ? 64 : 4, RING);
    driver_ok(&d);
    write_ring(data + 2, size - 2, 0);
    driver_kick(&q);
    write_ring(data + 2, size - 2, data[1] * 16UL); /* the guest writes meanwhile */
    driver_kick(&q);
    driver_set_status(&d, 0);
    if (driver_status(&d) != 0)
        abort();
    return 0;
}
