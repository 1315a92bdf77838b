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

struct virtio_pci {
    unsigned slot, id;
    uint64_t common, notify;
    uint32_t multiplier;
};

/* Is there a VirtIO device in the slot, its registers placed? Lets it reach memory. */
bool virtio_pci_find(unsigned slot, struct virtio_pci *d);
void virtio_pci_write_address(uint64_t at, uint64_t value);
void virtio_pci_notify(const struct virtio_pci *d, unsigned queue);

#endif
