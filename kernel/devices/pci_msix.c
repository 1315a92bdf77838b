/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * MSI-X of guests' PCI functions (PCI Local Bus 3.0, 6.8.2): table and pending bits share a BAR of
 * 4 KiB. No lock: a raised vector that finds a mask leaves its pending bit and looks once more;
 * whoever takes a mask away takes pending bits after it. So a message is sent once, by one of them.
 */
#include "kernel/devices/pci_internal.h"
#include "kernel/panic.h"
#include "kernel/vm.h"

#define ENTRY_SIZE     16u
#define PENDING_OFFSET 0x800u
#define VECTOR_MASKED  1u

/* Words of an entry (6.8.2.6 to 9). */
enum { ENTRY_ADDRESS_LOW, ENTRY_ADDRESS_HIGH, ENTRY_DATA, ENTRY_CONTROL };

static void config_word(struct guest_pci_function *f, unsigned at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        f->config[at + i] = (uint8_t)(value >> (8 * i));
}

unsigned pci_add_msix(struct guest_pci_function *f, struct vm *vm, unsigned bar, unsigned vectors)
{
    if (!vm->irqchip->msi)
        return 0;
    ASSERT(vectors && vectors <= PCI_MSIX_MAX);
    pci_set_bar(f, bar, PCI_MSIX_BAR_SIZE, false, false);
    f->msix_at = pci_add_capability(f, PCI_CAPABILITY_MSIX, PCI_MSIX_CAPABILITY_SIZE);
    f->config[f->msix_at + PCI_MSIX_CONTROL] = (uint8_t)(vectors - 1);
    f->config_writable[f->msix_at + PCI_MSIX_CONTROL + 1] =
        (PCI_MSIX_ENABLE | PCI_MSIX_FUNCTION_MASK) >> 8;
    config_word(f, f->msix_at + PCI_MSIX_TABLE, bar);
    config_word(f, f->msix_at + PCI_MSIX_PENDING, PENDING_OFFSET | bar);
    f->msix_bar = bar;
    f->msix_count = vectors;
    return vectors;
}

void pci_msix_power_on(struct guest_pci_function *f)
{
    f->config[f->msix_at + PCI_MSIX_CONTROL + 1] = 0;
    f->msix_control = (uint16_t)(f->msix_count - 1);
    f->msix = (struct pci_msix){0};
    for (unsigned i = 0; i < f->msix_count; i++)
        f->msix.control[i] = VECTOR_MASKED;
}

bool pci_msix_enabled(const struct guest_pci_function *f)
{
    return READ_ONCE(f->msix_control) & PCI_MSIX_ENABLE;
}

static bool vector_open(const struct guest_pci_function *f, unsigned vector)
{
    return (READ_ONCE(f->msix_control) & (PCI_MSIX_ENABLE | PCI_MSIX_FUNCTION_MASK)) ==
               PCI_MSIX_ENABLE &&
           !(READ_ONCE(f->msix.control[vector]) & VECTOR_MASKED);
}

static void vector_send(struct guest_pci_function *f, unsigned vector)
{
    struct vm *vm = f->intx.vm;

    vm->irqchip->msi(vm, READ_ONCE(f->msix.address[vector]), READ_ONCE(f->msix.data[vector]));
}

/* Sends the vector if it is pending and open. */
static void vector_flush(struct guest_pci_function *f, unsigned vector)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (vector_open(f, vector) &&
        __atomic_fetch_and(&f->msix.pending, ~BIT(vector), __ATOMIC_SEQ_CST) & BIT(vector))
        vector_send(f, vector);
}

void pci_msix_raise(struct guest_pci_function *f, unsigned vector)
{
    if (unlikely(vector >= f->msix_count || !pci_msix_enabled(f)))
        return;
    if (likely(vector_open(f, vector))) {
        vector_send(f, vector);
        return;
    }
    __atomic_fetch_or(&f->msix.pending, BIT(vector), __ATOMIC_SEQ_CST);
    vector_flush(f, vector);
}

void pci_msix_update(struct guest_pci_function *f)
{
    uint64_t pending = __atomic_load_n(&f->msix.pending, __ATOMIC_SEQ_CST);

    for (; pending; pending &= pending - 1)
        vector_flush(f, (unsigned)__builtin_ctzll(pending) % PCI_MSIX_MAX);
}

/* ---- The BAR ---- */

static uint32_t entry_read(const struct guest_pci_function *f, unsigned vector, unsigned word)
{
    switch (word) {
    case ENTRY_ADDRESS_LOW:
        return (uint32_t)READ_ONCE(f->msix.address[vector]);
    case ENTRY_ADDRESS_HIGH:
        return (uint32_t)(READ_ONCE(f->msix.address[vector]) >> 32);
    case ENTRY_DATA:
        return READ_ONCE(f->msix.data[vector]);
    default:
        return READ_ONCE(f->msix.control[vector]);
    }
}

static void entry_write(struct guest_pci_function *f, unsigned vector, unsigned word,
                        uint32_t value)
{
    uint64_t address = READ_ONCE(f->msix.address[vector]);

    switch (word) {
    case ENTRY_ADDRESS_LOW:
        WRITE_ONCE(f->msix.address[vector], (address & BITS(63, 32)) | (value & ~3u));
        break;
    case ENTRY_ADDRESS_HIGH:
        WRITE_ONCE(f->msix.address[vector], (address & BITS(31, 0)) | (uint64_t)value << 32);
        break;
    case ENTRY_DATA:
        WRITE_ONCE(f->msix.data[vector], value);
        break;
    default:
        WRITE_ONCE(f->msix.control[vector], value & VECTOR_MASKED);
        vector_flush(f, vector);
    }
}

static uint32_t table_read(const struct guest_pci_function *f, unsigned offset)
{
    if (offset / ENTRY_SIZE < f->msix_count)
        return entry_read(f, offset / ENTRY_SIZE, offset % ENTRY_SIZE / 4);
    if (offset == PENDING_OFFSET || offset == PENDING_OFFSET + 4)
        return (uint32_t)(READ_ONCE(f->msix.pending) >> (8 * (offset - PENDING_OFFSET)));
    return 0;
}

uint64_t pci_msix_read(struct guest_pci_function *f, uint64_t offset, unsigned size)
{
    uint64_t value;

    if (size < 4)
        return UINT64_MAX;
    value = table_read(f, (unsigned)offset);
    if (size == 8)
        value |= (uint64_t)table_read(f, (unsigned)offset + 4) << 32;
    return value;
}

void pci_msix_write(struct guest_pci_function *f, uint64_t offset, unsigned size, uint64_t value)
{
    if (size < 4 || offset / ENTRY_SIZE >= f->msix_count)
        return;
    entry_write(f, (unsigned)offset / ENTRY_SIZE, offset % ENTRY_SIZE / 4, (uint32_t)value);
    if (size == 8)
        entry_write(f, (unsigned)offset / ENTRY_SIZE, offset % ENTRY_SIZE / 4 + 1,
                    (uint32_t)(value >> 32));
}
