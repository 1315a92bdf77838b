/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* VirtIO devices on the guest's PCI bus (VirtIO 1.2, 4.1), for micro-guests that drive them. */
#ifndef TESTS_GUESTS_VIRTIO_PCI_H
#define TESTS_GUESTS_VIRTIO_PCI_H

#include "tests/guests/guest.h"

/* The common configuration: 4.1.4.3 */
enum {
    COMMON_FEATURE_SELECT = 0x00,
    COMMON_FEATURES = 0x04,
    COMMON_DRIVER_SELECT = 0x08,
    COMMON_DRIVER_FEATURES = 0x0c,
    COMMON_QUEUES = 0x12,
    COMMON_STATUS = 0x14,
    COMMON_QUEUE_SELECT = 0x16,
    COMMON_QUEUE_SIZE = 0x18,
    COMMON_QUEUE_VECTOR = 0x1a,
    COMMON_QUEUE_ENABLE = 0x1c,
    COMMON_NOTIFY_OFF = 0x1e,
    COMMON_DESC = 0x20,
    COMMON_DRIVER = 0x28,
    COMMON_DEVICE = 0x30,
    COMMON_QUEUE_RESET = 0x3a,
};

#define STATUS_START    3 /* ACKNOWLEDGE, DRIVER */
#define STATUS_FEATURES 8
#define STATUS_OK       4

#define VIRTIO_NET   0x1041u /* 4.1.2.1: 0x1040 and the device's number */
#define VIRTIO_BLOCK 0x1042u

struct virtio_pci {
    unsigned slot, id;
    uint64_t common, notify, isr;
    uint32_t multiplier;
};

/* A split virtqueue (2.7). */
#define VIRTQ_SIZE 8u
enum { DESC_NEXT = 1, DESC_WRITE = 2 };
enum { AVAIL_NO_INTERRUPT = 1 };
struct virtq {
    struct {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
    } desc[VIRTQ_SIZE];
    uint16_t avail_flags, avail_index, avail[VIRTQ_SIZE];
    uint16_t used_flags __attribute__((aligned(4))), used_index;
    struct {
        uint32_t head, length;
    } used[VIRTQ_SIZE];
} __attribute__((aligned(4096)));

/* Is there a VirtIO device in the slot, its registers placed? Lets it reach memory. */
bool virtio_pci_find(unsigned slot, struct virtio_pci *d);
/* The first device with this number, reset, with no features but VERSION_1; then its queues, then
 * it works. It tells news by its pin (machine.h: pci_irq_setup()), which a read of `isr` lowers. */
bool virtio_pci_begin(uint32_t id, struct virtio_pci *d);
void virtio_pci_queue(const struct virtio_pci *d, unsigned queue, struct virtq *q);
void virtio_pci_work(const struct virtio_pci *d);
/* The chain that begins at `head` is the device's; tell it with virtio_pci_notify(). */
void virtq_offer(struct virtq *q, uint16_t head);
static inline uint16_t virtq_used(const struct virtq *q)
{
    return __atomic_load_n(&q->used_index, __ATOMIC_ACQUIRE);
}
void virtio_pci_write_address(uint64_t at, uint64_t value);
void virtio_pci_notify(const struct virtio_pci *d, unsigned queue);

#endif
