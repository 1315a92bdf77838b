/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes what a guest can reach of its PCI and VirtIO devices: a console and a network card behind
 * PCI in one guest, behind MMIO in another one. The input is accesses of any kind to configuration
 * space, BARs, register blocks and memory.
 */
#include <stdlib.h>
#include <string.h>
#include "hosted.h"
#include "test_vm.h"
#include "virtio/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct access {
    uint8_t kind, size;
    uint16_t offset;
    uint32_t value;
};

static struct test_vm with_pci, with_mmio;

static void create(struct test_vm *t)
{
    if (virtio_console_create(&t->vm) != ERR_OK || virtio_net_create(&t->vm) != ERR_OK)
        abort();
}

static void start(void)
{
    test_vm_machine();
    test_vm_start(&with_pci, "pci", false, false);
    test_vm_start(&with_mmio, "mmio", false, true);
    create(&with_pci);
    create(&with_mmio);
}

static uint64_t address_of(const struct access *a)
{
    unsigned slot = a->kind & 8 ? VIRTIO_SLOT_NET : VIRTIO_SLOT_CONSOLE;

    switch (a->kind >> 4 & 3) {
    case 0:
        return TEST_ECAM + slot * 0x8000UL + a->offset % 0x120;
    case 1:
        return TEST_MMIO32 + a->offset; /* where the BARs begin */
    case 2:
        return TEST_MMIO_SLOTS + a->offset % 0x400;
    default:
        return TEST_ECAM + a->offset * 16UL;
    }
}

static void reset(struct test_vm *t)
{
    for (struct device *d = t->vm.devices; d; d = d->next)
        if (d->ops->reset)
            d->ops->reset(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct access a;

    if (!with_pci.vm.memory)
        start();
    for (; size >= sizeof(a); data += sizeof(a), size -= sizeof(a)) {
        memcpy(&a, data, sizeof(a));
        struct test_vm *t = (a.kind >> 4 & 3) == 2 ? &with_mmio : &with_pci;
        unsigned bytes = 1u << a.size % 4;

        if (a.kind & 0x80)
            guest_copy_to(t->vm.memory, GPA(a.offset), &a.value, 4) ? abort() : (void)0;
        else if (a.kind & 1)
            test_write(t, address_of(&a), bytes, a.value);
        else
            (void)test_read(t, address_of(&a), bytes);
    }
    reset(&with_pci);
    reset(&with_mmio);
    return 0;
}
