/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "tests/guests/virtio_pci.h"

#define CONFIG(slot)   (ECAM_BASE + ((uint64_t)(slot) << 15))
#define VENDOR_VIRTIO  0x1af4u
#define CONFIG_COMMAND 0x04
#define COMMAND_ALL    0x0006 /* memory, bus master */
#define CONFIG_BAR0    0x10
#define CONFIG_CAPS    0x34
#define CAP_VENDOR     0x09
#define TYPE_COMMON    1
#define TYPE_NOTIFY    2
#define TYPE_ISR       3
#define F_VERSION_1    1u /* bit 32: of the upper word */
#define MULTIPLIER_AT  16

bool virtio_pci_find(unsigned slot, struct virtio_pci *d)
{
    uint32_t id = mmio_read32(CONFIG(slot));
    unsigned at;

    *d = (struct virtio_pci){.slot = slot, .id = id >> 16};
    if ((id & 0xffff) != VENDOR_VIRTIO)
        return false;
    mmio_write16(CONFIG(slot) + CONFIG_COMMAND, COMMAND_ALL);
    for (at = mmio_read8(CONFIG(slot) + CONFIG_CAPS); at; at = mmio_read8(CONFIG(slot) + at + 1)) {
        uint64_t cap = CONFIG(slot) + at, base;

        if (mmio_read8(cap) != CAP_VENDOR)
            continue;
        base = mmio_read32(CONFIG(slot) + CONFIG_BAR0 + 4u * (mmio_read8(cap + 4) & 7)) & ~15u;
        base += mmio_read32(cap + 8);
        if (mmio_read8(cap + 3) == TYPE_COMMON)
            d->common = base;
        if (mmio_read8(cap + 3) == TYPE_ISR)
            d->isr = base;
        if (mmio_read8(cap + 3) == TYPE_NOTIFY) {
            d->notify = base;
            d->multiplier = mmio_read32(cap + MULTIPLIER_AT);
        }
    }
    return d->common && d->notify;
}

bool virtio_pci_begin(uint32_t id, struct virtio_pci *d)
{
    unsigned slot = 1;

    while (slot < 32 && !(virtio_pci_find(slot, d) && d->id == id))
        slot++;
    if (slot == 32)
        return false;
    mmio_write8(d->common + COMMON_STATUS, 0);
    mmio_write8(d->common + COMMON_STATUS, STATUS_START);
    mmio_write32(d->common + COMMON_DRIVER_SELECT, 0);
    mmio_write32(d->common + COMMON_DRIVER_FEATURES, 0);
    mmio_write32(d->common + COMMON_DRIVER_SELECT, 1);
    mmio_write32(d->common + COMMON_DRIVER_FEATURES, F_VERSION_1);
    mmio_write8(d->common + COMMON_STATUS, STATUS_START | STATUS_FEATURES);
    return true;
}

void virtio_pci_queue(const struct virtio_pci *d, unsigned queue, struct virtq *q)
{
    mmio_write16(d->common + COMMON_QUEUE_SELECT, (uint16_t)queue);
    mmio_write16(d->common + COMMON_QUEUE_SIZE, VIRTQ_SIZE);
    virtio_pci_write_address(d->common + COMMON_DESC, (uint64_t)q);
    virtio_pci_write_address(d->common + COMMON_DRIVER, (uint64_t)&q->avail_flags);
    virtio_pci_write_address(d->common + COMMON_DEVICE, (uint64_t)&q->used_flags);
    mmio_write16(d->common + COMMON_QUEUE_ENABLE, 1);
}

void virtio_pci_work(const struct virtio_pci *d)
{
    mmio_write8(d->common + COMMON_STATUS, STATUS_START | STATUS_FEATURES | STATUS_OK);
}

void virtq_offer(struct virtq *q, uint16_t head)
{
    q->avail[q->avail_index % VIRTQ_SIZE] = head;
    __atomic_store_n(&q->avail_index, (uint16_t)(q->avail_index + 1), __ATOMIC_RELEASE);
}

void virtio_pci_write_address(uint64_t at, uint64_t value)
{
    mmio_write32(at, (uint32_t)value);
    mmio_write32(at + 4, (uint32_t)(value >> 32));
}

void virtio_pci_notify(const struct virtio_pci *d, unsigned queue)
{
    uint16_t offset;

    mmio_write16(d->common + COMMON_QUEUE_SELECT, (uint16_t)queue);
    offset = mmio_read16(d->common + COMMON_NOTIFY_OFF);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    mmio_write16(d->notify + (uint64_t)offset * d->multiplier, (uint16_t)queue);
}
