/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* An entropy device (VirtIO 1.2, 5.4): fills what the guest brings from the host's generator. A
 * host without a secret to start from offers none: the guest would trust it. */
#include "kernel/log.h"
#include "kernel/random.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "virtio/device.h"

#define QUEUE_SIZE  16
#define REQUEST_MAX 4096u /* the rest of a larger buffer stays as it is */
#define CHUNK       256u
#define PCI_CLASS   0x100000 /* encryption controller, other */

static bool request(struct virtio_device *d, struct virtq *q, struct virtq_chain *c)
{
    uint8_t bytes[CHUNK];

    (void)d;
    for (size_t left = MIN(virtq_writable(c), REQUEST_MAX), n; left; left -= n) {
        n = MIN(left, sizeof(bytes));
        random_bytes(bytes, n);
        if (virtq_write(q, c, bytes, n) != n)
            break;
    }
    return true;
}

static void destroy(struct virtio_device *d)
{
    virtio_device_destroy(d);
    heap_free(d);
}

static const struct virtio_device_ops rng_ops = {
    .name = "virtio-rng",
    .id = VIRTIO_ID_RNG,
    .pci_class = PCI_CLASS,
    .request = request,
    .destroy = destroy,
    .state = &state_none,
};

static enum err virtio_rng_create(struct vm *vm)
{
    struct virtio_device *d;
    enum err e;

    if (!random_is_secret()) {
        log_info("%s: gets no random number device: neither firmware nor CPU gave this host a seed",
                 vm->name);
        return ERR_OK;
    }
    d = heap_zalloc(sizeof(*d));
    if (!d)
        return ERR_NO_MEMORY;
    e = virtio_device_init(d, &rng_ops, vm, 1, QUEUE_SIZE);
    if (e != ERR_OK) {
        destroy(d);
        return e;
    }
    return virtio_attach(d, VIRTIO_SLOT_RNG);
}
VIRTIO_MAKER("rng", virtio_rng_create);
