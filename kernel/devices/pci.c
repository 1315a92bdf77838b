/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The host bridge of a guest and configuration space: PCI Local Bus 3.0 (chapter 6), PCI Express
 * Base 5.0 (7.2.2 and 7.5). MSI-X is in pci_msix.c.
 *
 * What BARs decode is one sorted table. Readers take no lock: they read a sequence number before
 * and after (odd while the table changes), as BARs move at most a few times in a guest's life.
 */
#include <string.h>
#include "kernel/devices/pci_internal.h"
#include "kernel/panic.h"
#include "kernel/vm.h"
#include "mm/heap.h"

/* Regions of the bridge on the bus. */
enum { REGION_ECAM, REGION_MMIO32, REGION_MMIO64 };

#define ECAM_BUS_SHIFT  20
#define ECAM_SLOT_SHIFT 15
#define DECODES_MAX     (PCI_SLOTS * PCI_BARS)
#define BAR_PAGE        0x1000UL /* the smallest BAR: two never share a page of the guest */

struct decode {
    uint64_t base, last;
    struct guest_pci_function *function;
    unsigned bar;
};

struct pci_host {
    struct device device;
    struct pci_host_layout layout;
    struct guest_pci_function bridge;
    struct guest_pci_function *slots[PCI_SLOTS]; /* fixed before the guest runs */
    uint64_t next32, next64;                     /* where the next BAR is assigned */
    struct spinlock map_lock;                    /* writers of what follows */
    uint32_t sequence;
    unsigned decode_count;
    struct decode decodes[DECODES_MAX]; /* sorted by base */
};

LOCK_CLASS(function_class, "guest PCI function", RANK_PCI);
LOCK_CLASS(map_class, "guest PCI decoding", RANK_PCI_MAP);

/* ---- Little-endian fields of configuration space ---- */

static uint32_t field_get(const struct guest_pci_function *f, unsigned at, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)READ_ONCE(f->config[at + i]) << (8 * i);
    return value;
}

static void field_set(struct guest_pci_function *f, unsigned at, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size; i++)
        f->config[at + i] = (uint8_t)(value >> (8 * i));
}

static void field_allow(struct guest_pci_function *f, unsigned at, unsigned size, uint32_t bits)
{
    for (unsigned i = 0; i < size; i++)
        f->config_writable[at + i] = (uint8_t)(bits >> (8 * i));
}

/* ---- What is decoded ---- */

static uint64_t bar_base(const struct guest_pci_function *f, unsigned bar)
{
    uint64_t base = field_get(f, PCI_CONFIG_BAR(bar), 4) & ~(uint64_t)PCI_BAR_FLAGS;

    if (f->bars[bar].is_64bit)
        base |= (uint64_t)field_get(f, PCI_CONFIG_BAR(bar + 1), 4) << 32;
    return base;
}

/* Adds a BAR in its place. A base at which it would wrap around decodes nothing. */
static void decode_insert(struct pci_host *h, struct guest_pci_function *f, unsigned bar)
{
    uint64_t base = bar_base(f, bar), last = base + (f->bars[bar].size - 1);
    unsigned at = h->decode_count;

    if (last < base)
        return;
    for (; at > 0 && h->decodes[at - 1].base > base; at--)
        h->decodes[at] = h->decodes[at - 1];
    h->decodes[at] = (struct decode){base, last, f, bar};
    h->decode_count++;
}

static void decode_rebuild(struct pci_host *h)
{
    uint64_t flags = spin_lock_irq(&h->map_lock);

    __atomic_store_n(&h->sequence, h->sequence + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    h->decode_count = 0;
    for (unsigned s = 0; s < PCI_SLOTS; s++) {
        struct guest_pci_function *f = h->slots[s];

        if (!f || !(field_get(f, PCI_CONFIG_COMMAND, 2) & PCI_COMMAND_MEMORY))
            continue;
        for (unsigned bar = 0; bar < PCI_BARS; bar++)
            if (f->bars[bar].size)
                decode_insert(h, f, bar);
    }
    __atomic_store_n(&h->sequence, h->sequence + 1, __ATOMIC_RELEASE);
    spin_unlock_irq(&h->map_lock, flags);
}

/* The last entry that begins at or below `address`; NULL when it ends before. Where a guest lets
 * BARs overlap, some of them answer. */
static const struct decode *decode_search(const struct pci_host *h, uint64_t address)
{
    unsigned low = 0, high = READ_ONCE(h->decode_count);

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (READ_ONCE(h->decodes[middle].base) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low && address <= READ_ONCE(h->decodes[low - 1].last) ? &h->decodes[low - 1] : NULL;
}

static bool decode_find(const struct pci_host *h, uint64_t address, struct decode *found)
{
    const struct decode *d;
    uint32_t sequence;

    do {
        while ((sequence = __atomic_load_n(&h->sequence, __ATOMIC_ACQUIRE)) & 1)
            host_cpu_relax();
        d = decode_search(h, address);
        if (d)
            *found = *d;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&h->sequence, __ATOMIC_RELAXED) != sequence);
    return d != NULL;
}

/* ---- Accesses to BARs ---- */

static uint64_t bar_access_read(struct pci_host *h, struct vcpu *vcpu, uint64_t address,
                                unsigned size)
{
    struct decode d;

    if (!IS_ALIGNED(address, size) || !decode_find(h, address, &d))
        return UINT64_MAX;
    if (d.function->msix_count && d.bar == d.function->msix_bar)
        return pci_msix_read(d.function, address - d.base, size);
    return d.function->ops->bar_read(d.function, vcpu, d.bar, address - d.base, size);
}

static void bar_access_write(struct pci_host *h, struct vcpu *vcpu, uint64_t address, unsigned size,
                             uint64_t value)
{
    struct decode d;

    if (!IS_ALIGNED(address, size) || !decode_find(h, address, &d))
        return;
    if (d.function->msix_count && d.bar == d.function->msix_bar)
        pci_msix_write(d.function, address - d.base, size, value);
    else
        d.function->ops->bar_write(d.function, vcpu, d.bar, address - d.base, size, value);
}

/* ---- Interrupts by pin ---- */

/* Status bit and pin follow the device's level, the command register and MSI-X. Under the lock. */
static void intx_update(struct guest_pci_function *f)
{
    uint32_t command = field_get(f, PCI_CONFIG_COMMAND, 2);

    f->config[PCI_CONFIG_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    if (f->level)
        f->config[PCI_CONFIG_STATUS] |= PCI_STATUS_INTERRUPT;
    guest_irq_set(&f->intx,
                  f->level && !(command & PCI_COMMAND_INTX_DISABLE) && !pci_msix_enabled(f));
}

void pci_set_intx(struct guest_pci_function *f, bool level)
{
    uint64_t flags = spin_lock_irq(&f->lock);

    f->level = level;
    intx_update(f);
    spin_unlock_irq(&f->lock, flags);
}

/* ---- Configuration space ---- */

static struct guest_pci_function *config_function(struct pci_host *h, uint32_t address)
{
    unsigned slot = (address >> ECAM_SLOT_SHIFT) % PCI_SLOTS;
    bool other = address >> ECAM_BUS_SHIFT || address >> 12 & 7;

    return other ? NULL : h->slots[slot];
}

static bool overlaps(unsigned at, unsigned size, unsigned from, unsigned to)
{
    return at < to && at + size > from;
}

/* The part that the device serves by itself: neither the header nor MSI-X. */
static bool config_is_own(const struct guest_pci_function *f, unsigned at)
{
    return at >= PCI_CONFIG_HEADER_SIZE &&
           !(f->msix_count && at >= f->msix_at && at < f->msix_at + PCI_MSIX_CAPABILITY_SIZE);
}

uint64_t pci_config_read(struct vm *vm, uint32_t address, unsigned size)
{
    struct guest_pci_function *f = config_function(vm->pci, address);
    unsigned at = address % PAGE_SIZE;

    if (!f || !IS_ALIGNED(at, size))
        return UINT64_MAX;
    if (at >= PCI_CONFIG_SIZE)
        return 0;
    if (f->ops && f->ops->config_read && config_is_own(f, at))
        f->ops->config_read(f, at, size);
    return field_get(f, at, size);
}

/* What has to follow a write to the header or to MSI-X. */
static void config_written(struct guest_pci_function *f, unsigned at, unsigned size)
{
    bool msix = f->msix_count && overlaps(at, size, f->msix_at + PCI_MSIX_CONTROL,
                                          f->msix_at + PCI_MSIX_CONTROL + 2);

    if (overlaps(at, size, PCI_CONFIG_COMMAND, PCI_CONFIG_COMMAND + 2) ||
        overlaps(at, size, PCI_CONFIG_BAR(0), PCI_CONFIG_BAR(PCI_BARS)))
        decode_rebuild(f->host);
    if (msix)
        pci_msix_update(f);
    if (config_is_own(f, at) && f->ops && f->ops->config_write)
        f->ops->config_write(f, at, size);
}

void pci_config_write(struct vm *vm, uint32_t address, unsigned size, uint64_t value)
{
    struct guest_pci_function *f = config_function(vm->pci, address);
    unsigned at = address % PAGE_SIZE;
    uint64_t flags;

    if (!f || !IS_ALIGNED(at, size) || at >= PCI_CONFIG_SIZE)
        return;
    flags = spin_lock_irq(&f->lock);
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = f->config_writable[at + i], byte = (uint8_t)(value >> (8 * i));

        WRITE_ONCE(f->config[at + i], (uint8_t)((f->config[at + i] & ~mask) | (byte & mask)));
    }
    if (f->msix_count)
        f->msix_control = (uint16_t)field_get(f, f->msix_at + PCI_MSIX_CONTROL, 2);
    intx_update(f);
    spin_unlock_irq(&f->lock, flags);
    config_written(f, at, size);
}

/* ---- Building functions ---- */

void guest_pci_function_init(struct guest_pci_function *f, const struct guest_pci_function_ops *ops,
                             uint16_t vendor, uint16_t device, uint32_t class_code,
                             uint8_t revision)
{
    *f = (struct guest_pci_function){.ops = ops, .capability_end = PCI_CONFIG_HEADER_SIZE};
    spin_init(&f->lock, &function_class);
    field_set(f, PCI_CONFIG_VENDOR, 2, vendor);
    field_set(f, PCI_CONFIG_DEVICE, 2, device);
    field_set(f, PCI_CONFIG_REVISION, 4, class_code << 8 | revision);
    field_allow(f, PCI_CONFIG_COMMAND, 2,
                PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    field_allow(f, PCI_CONFIG_CACHE_LINE, 1, 0xff);
    field_allow(f, PCI_CONFIG_LINE, 1, 0xff);
}

void pci_set_subsystem(struct guest_pci_function *f, uint16_t vendor, uint16_t device)
{
    field_set(f, PCI_CONFIG_SUBSYSTEM_VENDOR, 2, vendor);
    field_set(f, PCI_CONFIG_SUBSYSTEM, 2, device);
}

void pci_set_bar(struct guest_pci_function *f, unsigned bar, uint64_t size, bool is_64bit,
                 bool prefetchable)
{
    uint64_t writable = ~(size - 1);

    ASSERT(size >= BAR_PAGE && (size & (size - 1)) == 0 && bar + is_64bit < PCI_BARS);
    f->bars[bar].size = size;
    f->bars[bar].is_64bit = is_64bit;
    f->bars[bar].prefetchable = prefetchable;
    field_set(f, PCI_CONFIG_BAR(bar), 4,
              (is_64bit ? PCI_BAR_64BIT : 0) | (prefetchable ? PCI_BAR_PREFETCHABLE : 0));
    field_allow(f, PCI_CONFIG_BAR(bar), 4, (uint32_t)writable);
    if (is_64bit)
        field_allow(f, PCI_CONFIG_BAR(bar + 1), 4, (uint32_t)(writable >> 32));
}

unsigned pci_add_capability(struct guest_pci_function *f, uint8_t id, unsigned size)
{
    unsigned at = f->capability_end;

    ASSERT(at + size <= PCI_CONFIG_SIZE);
    f->config[at] = id;
    f->config[at + 1] = f->config[PCI_CONFIG_CAPABILITIES];
    f->config[PCI_CONFIG_CAPABILITIES] = (uint8_t)at;
    f->config[PCI_CONFIG_STATUS] |= PCI_STATUS_CAPABILITIES;
    f->capability_end = ALIGN_UP(at + size, 4u);
    return at;
}

/* Takes `size` bytes, naturally aligned, from a window; 0: no room. */
static uint64_t window_take(const struct pci_window *w, uint64_t *next, uint64_t size)
{
    uint64_t base = ALIGN_UP(*next, size);

    if (base < *next || base - w->base >= w->size || size > w->size - (base - w->base))
        return 0;
    *next = base + size;
    return base;
}

static enum err bars_assign(struct pci_host *h, struct guest_pci_function *f)
{
    for (unsigned bar = 0; bar < PCI_BARS; bar++) {
        uint64_t base = 0, size = f->bars[bar].size;

        if (!size)
            continue;
        if (f->bars[bar].is_64bit)
            base = window_take(&h->layout.mmio64, &h->next64, size);
        if (!base)
            base = window_take(&h->layout.mmio32, &h->next32, size);
        if (!base)
            return ERR_NO_MEMORY;
        f->bars[bar].base = base;
    }
    return ERR_OK;
}

/* The part of power-on state that a reset brings back. Under the lock, or before the guest runs. */
static void function_power_on(struct guest_pci_function *f)
{
    field_set(f, PCI_CONFIG_COMMAND, 2, 0);
    for (unsigned bar = 0; bar < PCI_BARS; bar++) {
        uint32_t flags = f->config[PCI_CONFIG_BAR(bar)] & PCI_BAR_FLAGS;

        if (!f->bars[bar].size)
            continue;
        field_set(f, PCI_CONFIG_BAR(bar), 4, (uint32_t)f->bars[bar].base | flags);
        if (f->bars[bar].is_64bit)
            field_set(f, PCI_CONFIG_BAR(bar + 1), 4, (uint32_t)(f->bars[bar].base >> 32));
    }
    f->level = false;
    if (f->msix_count)
        pci_msix_power_on(f);
}

static int slot_free(const struct pci_host *h)
{
    for (int s = 1; s < PCI_SLOTS; s++)
        if (!h->slots[s])
            return s;
    return PCI_SLOTS;
}

enum err guest_pci_function_add(struct vm *vm, struct guest_pci_function *f, int slot)
{
    struct pci_host *h = vm->pci;
    enum err e;

    if (slot == PCI_SLOT_ANY)
        slot = slot_free(h);
    if (slot < 0 || slot >= PCI_SLOTS)
        return ERR_RANGE;
    if (h->slots[slot])
        return ERR_EXISTS;
    e = bars_assign(h, f);
    if (e != ERR_OK)
        return e;
    f->host = h;
    f->slot = (uint8_t)slot;
    guest_irq_init(&f->intx, vm, h->layout.pins[slot % 4]);
    if (slot != PCI_FUNCTION_ROOT) {
        field_set(f, PCI_CONFIG_PIN, 1, PCI_PIN_A);
        field_set(f, PCI_CONFIG_LINE, 1, h->layout.pins[slot % 4]);
    }
    function_power_on(f);
    memcpy(f->config_reset, f->config, sizeof(f->config));
    h->slots[slot] = f;
    return ERR_OK;
}

void guest_pci_function_reset(struct guest_pci_function *f)
{
    uint64_t flags = spin_lock_irq(&f->lock);

    memcpy(f->config, f->config_reset, sizeof(f->config));
    function_power_on(f);
    intx_update(f);
    spin_unlock_irq(&f->lock, flags);
    decode_rebuild(f->host);
}

void guest_pci_function_loaded(struct guest_pci_function *f)
{
    uint64_t flags = spin_lock_irq(&f->lock);

    if (f->msix_count)
        f->msix_control = (uint16_t)field_get(f, f->msix_at + PCI_MSIX_CONTROL, 2);
    intx_update(f);
    spin_unlock_irq(&f->lock, flags);
    decode_rebuild(f->host);
}

/* ---- The bridge on the bus ---- */

static uint64_t window_base(const struct pci_host *h, unsigned region)
{
    return region == REGION_MMIO32 ? h->layout.mmio32.base : h->layout.mmio64.base;
}

static uint64_t bridge_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                            unsigned size)
{
    struct pci_host *h = container_of(d, struct pci_host, device);

    if (region == REGION_ECAM)
        return pci_config_read(d->vm, (uint32_t)offset, size);
    return bar_access_read(h, vcpu, window_base(h, region) + offset, size);
}

static void bridge_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                         unsigned size, uint64_t value)
{
    struct pci_host *h = container_of(d, struct pci_host, device);

    if (region == REGION_ECAM)
        pci_config_write(d->vm, (uint32_t)offset, size, value);
    else
        bar_access_write(h, vcpu, window_base(h, region) + offset, size, value);
}

static void bridge_reset(struct device *d)
{
    guest_pci_function_reset(&container_of(d, struct pci_host, device)->bridge);
}

static void bridge_destroy(struct device *d)
{
    d->vm->pci = NULL;
    heap_free(container_of(d, struct pci_host, device));
}

static enum err bridge_loaded(void *object)
{
    guest_pci_function_loaded(&((struct pci_host *)object)->bridge);
    return ERR_OK;
}

STATE_TABLE_HOOKS(bridge_state, "pci-host", 1, NULL, bridge_loaded,
                  PCI_FUNCTION_STATE(struct pci_host, bridge));

static const struct device_ops bridge_ops = {
    .name = "PCI host bridge",
    .read = bridge_read,
    .write = bridge_write,
    .reset = bridge_reset,
    .destroy = bridge_destroy,
    .lockless = true,
    .state = &bridge_state,
    .state_offset = offsetof(struct pci_host, device),
};

static enum err bridge_region(struct pci_host *h, uint8_t index, uint64_t base, uint64_t size)
{
    if (!size)
        return ERR_OK;
    return bus_add(&h->device.vm->mmio,
                   &(struct bus_region){.base = base,
                                        .size = size,
                                        .device = &h->device,
                                        .index = index,
                                        .min_size = 1,
                                        .max_size = index == REGION_ECAM ? 4 : 8});
}

enum err pci_host_create(struct vm *vm, const struct pci_host_layout *layout)
{
    struct pci_host *h = heap_zalloc(sizeof(*h));
    enum err e;

    if (!h)
        return ERR_NO_MEMORY;
    h->layout = *layout;
    h->next32 = layout->mmio32.base;
    h->next64 = layout->mmio64.base;
    spin_init(&h->map_lock, &map_class);
    device_init(&h->device, &bridge_ops, vm);
    vm->pci = h;
    guest_pci_function_init(&h->bridge, NULL, layout->bridge_vendor, layout->bridge_device,
                            PCI_CLASS_HOST_BRIDGE, 0);
    e = guest_pci_function_add(vm, &h->bridge, PCI_FUNCTION_ROOT);
    if (e == ERR_OK)
        e = bridge_region(h, REGION_ECAM, layout->ecam, (uint64_t)layout->buses << ECAM_BUS_SHIFT);
    if (e == ERR_OK)
        e = bridge_region(h, REGION_MMIO32, layout->mmio32.base, layout->mmio32.size);
    if (e == ERR_OK)
        e = bridge_region(h, REGION_MMIO64, layout->mmio64.base, layout->mmio64.size);
    return e;
}
