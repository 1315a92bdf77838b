/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A guest's I/O APIC: 24 pins (Intel 82093AA data sheet; register 40h EOI as in later parts). */
#include "arch/x86_64/guest/lapic.h"
#include "arch/x86_64/guest/machine.h"
#include "mm/heap.h"

#define REG_SELECT 0x00
#define REG_WINDOW 0x10
#define REG_EOI    0x40

#define INDEX_ID          0
#define INDEX_VERSION     1
#define INDEX_ARBITRATION 2
#define INDEX_TABLE       0x10

#define VERSION_VALUE (0x20u | (IOAPIC_PINS - 1) << 16)

/* Redirection entries (3.2.4). */
#define ENTRY_VECTOR(e)      ((uint8_t)(e))
#define ENTRY_DELIVERY(e)    ((enum lapic_delivery)(((e) >> 8) & 7))
#define ENTRY_LOGICAL        BIT(11)
#define ENTRY_REMOTE_IRR     BIT(14)
#define ENTRY_LEVEL          BIT(15)
#define ENTRY_MASKED         BIT(16)
#define ENTRY_DESTINATION(e) ((uint32_t)((e) >> 56))
#define ENTRY_BITS           (BITS(63, 56) | BITS(16, 0))
#define ENTRY_READ_ONLY      (BIT(12) | ENTRY_REMOTE_IRR)

/* Message address and data (SDM vol. 3, 11.11.1 and 11.11.2). */
#define MSI_ADDRESS        0xfee00000ULL
#define MSI_ADDRESS_BITS   0xfffffULL
#define MSI_DESTINATION(a) ((uint32_t)((a) >> 12) & 0xff)
#define MSI_REDIRECT       BIT(3)
#define MSI_LOGICAL        BIT(2)
#define MSI_DELIVERY(d)    ((enum lapic_delivery)(((d) >> 8) & 7))
#define MSI_ASSERT         BIT(14)
#define MSI_LEVEL          BIT(15)

struct ioapic {
    struct device device;
    struct spinlock lock; /* pins come from any context */
    uint32_t select, id;
    uint32_t levels; /* of the pins */
    uint64_t entries[IOAPIC_PINS];
};

LOCK_CLASS(ioapic_lock_class, "guest I/O APIC", RANK_IRQCHIP);

/* Sends pin `n`'s message when it may go. Under the lock. */
static void ioapic_service(struct ioapic *io, unsigned n)
{
    uint64_t *e = &io->entries[n];

    if (*e & ENTRY_MASKED)
        return;
    if (*e & ENTRY_LEVEL) {
        if (!(io->levels & BIT(n)) || (*e & ENTRY_REMOTE_IRR))
            return;
        *e |= ENTRY_REMOTE_IRR;
    }
    lapic_deliver(io->device.vm, ENTRY_DESTINATION(*e), *e & ENTRY_LOGICAL, ENTRY_DELIVERY(*e),
                  ENTRY_VECTOR(*e), *e & ENTRY_LEVEL);
}

static void ioapic_set_pin(struct vm *vm, unsigned pin, bool level)
{
    struct ioapic *io = x86_machine(vm)->ioapic;

    spin_lock(&io->lock);
    if (level)
        io->levels |= (uint32_t)BIT(pin);
    else
        io->levels &= ~(uint32_t)BIT(pin);
    if (level)
        ioapic_service(io, pin);
    spin_unlock(&io->lock);
}

/* Messages go straight to the local APICs (SDM vol. 3, 11.11). A redirection hint on a fixed
 * message means one of the destinations, as lowest priority does. */
static void ioapic_msi(struct vm *vm, uint64_t address, uint32_t data)
{
    enum lapic_delivery mode = MSI_DELIVERY(data);

    if ((address & ~MSI_ADDRESS_BITS) != MSI_ADDRESS)
        return;
    if ((data & MSI_LEVEL) && !(data & MSI_ASSERT))
        return;
    if (mode == LAPIC_FIXED && (address & MSI_REDIRECT) && (address & MSI_LOGICAL))
        mode = LAPIC_LOWEST;
    lapic_deliver(vm, MSI_DESTINATION(address), address & MSI_LOGICAL, mode, (uint8_t)data, false);
}

const struct irqchip_ops ioapic_irqchip = {
    .name = "I/O APIC",
    .pins = IOAPIC_PINS,
    .set_pin = ioapic_set_pin,
    .msi = ioapic_msi,
};

void ioapic_eoi(struct vm *vm, uint8_t vector)
{
    struct ioapic *io = x86_machine(vm)->ioapic;
    uint64_t flags = spin_lock_irq(&io->lock);

    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        uint64_t *e = &io->entries[n];

        if (ENTRY_VECTOR(*e) != vector || !(*e & ENTRY_LEVEL))
            continue;
        *e &= ~ENTRY_REMOTE_IRR;
        ioapic_service(io, n);
    }
    spin_unlock_irq(&io->lock, flags);
}

static uint32_t window_read(struct ioapic *io)
{
    unsigned n = (io->select - INDEX_TABLE) / 2;

    if (io->select == INDEX_ID || io->select == INDEX_ARBITRATION)
        return io->id;
    if (io->select == INDEX_VERSION)
        return VERSION_VALUE;
    if (io->select < INDEX_TABLE || n >= IOAPIC_PINS)
        return 0;
    return (uint32_t)(io->select & 1 ? io->entries[n] >> 32 : io->entries[n]);
}

static void window_write(struct ioapic *io, uint32_t value)
{
    unsigned n = (io->select - INDEX_TABLE) / 2;
    uint64_t *e;

    if (io->select == INDEX_ID)
        io->id = value & 0x0f000000;
    if (io->select < INDEX_TABLE || n >= IOAPIC_PINS)
        return;
    e = &io->entries[n];
    if (io->select & 1)
        *e = (*e & 0xffffffff) | (uint64_t)value << 32;
    else
        *e = (*e & (~0xffffffffULL | ENTRY_READ_ONLY)) | (value & ~ENTRY_READ_ONLY);
    *e &= ENTRY_BITS;
    if (!(*e & ENTRY_LEVEL))
        *e &= ~ENTRY_REMOTE_IRR;
    if (*e & ENTRY_LEVEL)
        ioapic_service(io, n);
}

static uint64_t ioapic_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                            unsigned size)
{
    struct ioapic *io = container_of(d, struct ioapic, device);
    uint64_t flags = spin_lock_irq(&io->lock);
    uint32_t value = 0;

    (void)vcpu, (void)region, (void)size;
    if (offset == REG_SELECT)
        value = io->select;
    else if (offset == REG_WINDOW)
        value = window_read(io);
    spin_unlock_irq(&io->lock, flags);
    return value;
}

static void ioapic_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                         unsigned size, uint64_t value)
{
    struct ioapic *io = container_of(d, struct ioapic, device);
    uint64_t flags;

    (void)vcpu, (void)region, (void)size;
    if (offset == REG_EOI) {
        ioapic_eoi(d->vm, (uint8_t)value);
        return;
    }
    flags = spin_lock_irq(&io->lock);
    if (offset == REG_SELECT)
        io->select = value & 0xff;
    else if (offset == REG_WINDOW)
        window_write(io, (uint32_t)value);
    spin_unlock_irq(&io->lock, flags);
}

static void ioapic_reset(struct device *d)
{
    struct ioapic *io = container_of(d, struct ioapic, device);

    io->select = io->id = 0;
    for (unsigned n = 0; n < IOAPIC_PINS; n++)
        io->entries[n] = ENTRY_MASKED;
}

static void ioapic_destroy(struct device *d)
{
    heap_free(container_of(d, struct ioapic, device));
}

static enum err ioapic_loaded(void *object)
{
    struct ioapic *io = object;

    for (unsigned n = 0; n < IOAPIC_PINS; n++)
        io->entries[n] &= ENTRY_BITS;
    io->select &= 0xff;
    return io->levels >> IOAPIC_PINS ? ERR_INVALID : ERR_OK;
}

STATE_TABLE_HOOKS(ioapic_state, "I/O APIC", 1, NULL, ioapic_loaded,
                  STATE_FIELD(struct ioapic, select, 1), STATE_FIELD(struct ioapic, id, 1),
                  STATE_FIELD(struct ioapic, levels, 1), STATE_ARRAY(struct ioapic, entries, 1));

static const struct device_ops ioapic_ops = {
    .name = "I/O APIC",
    .read = ioapic_read,
    .write = ioapic_write,
    .reset = ioapic_reset,
    .destroy = ioapic_destroy,
    .lockless = true, /* its own lock is taken with interrupts masked */
    .state = &ioapic_state,
    .state_offset = offsetof(struct ioapic, device),
};

enum err ioapic_create(struct vm *vm)
{
    struct ioapic *io = heap_zalloc(sizeof(*io));

    if (!io)
        return ERR_NO_MEMORY;
    spin_init(&io->lock, &ioapic_lock_class);
    device_init(&io->device, &ioapic_ops, vm);
    ioapic_reset(&io->device);
    x86_machine(vm)->ioapic = io;
    vm->irqchip = &ioapic_irqchip;
    return bus_add(&vm->mmio, &(struct bus_region){.base = IOAPIC_BASE,
                                                   .size = PAGE_SIZE,
                                                   .device = &io->device,
                                                   .min_size = 4,
                                                   .max_size = 4});
}
