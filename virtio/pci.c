/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * VirtIO over PCI, modern only (VirtIO 1.2, 4.1). One BAR has the four register structures, a page
 * each; another one MSI-X, a vector for each queue and one for the configuration.
 */
#include "kernel/devices/pci.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "virtio/device.h"

#define VENDOR_VIRTIO    0x1af4
#define DEVICE_BASE      0x1040 /* + device id (4.1.2.1) */
#define REVISION_MODERN  1
#define SUBSYSTEM_MODERN 0x1100 /* any from 0x40 on */

enum { BAR_MSIX = 0, BAR_REGISTERS = 4 };

/* The register BAR: a page for each structure. */
enum { PAGE_COMMON, PAGE_ISR, PAGE_DEVICE, PAGE_NOTIFY, PAGE_COUNT };
#define NOTIFY_MULTIPLIER 4u

/* Capabilities (4.1.4): header, then offsets of the fields. */
#define CAPABILITY_VENDOR      0x09
#define CAPABILITY_SIZE        16u
#define CAPABILITY_NOTIFY_SIZE 20u
#define CAPABILITY_CFG_SIZE    20u
#define CAP_LENGTH             2u
#define CAP_TYPE               3u
#define CAP_BAR                4u
#define CAP_OFFSET             8u
#define CAP_BYTES              12u
#define CAP_EXTRA              16u /* notify multiplier, or data of the configuration access */
enum { TYPE_COMMON = 1, TYPE_NOTIFY, TYPE_ISR, TYPE_DEVICE, TYPE_PCI_CFG };

#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

/* The common structure (4.1.4.3). */
enum common_register {
    COMMON_DEVICE_FEATURE_SELECT = 0x00,
    COMMON_DEVICE_FEATURE = 0x04,
    COMMON_DRIVER_FEATURE_SELECT = 0x08,
    COMMON_DRIVER_FEATURE = 0x0c,
    COMMON_CONFIG_VECTOR = 0x10,
    COMMON_NUM_QUEUES = 0x12,
    COMMON_STATUS = 0x14,
    COMMON_GENERATION = 0x15,
    COMMON_QUEUE_SELECT = 0x16,
    COMMON_QUEUE_SIZE = 0x18,
    COMMON_QUEUE_VECTOR = 0x1a,
    COMMON_QUEUE_ENABLE = 0x1c,
    COMMON_QUEUE_NOTIFY_OFF = 0x1e,
    COMMON_QUEUE_DESC = 0x20,
    COMMON_QUEUE_DRIVER = 0x28,
    COMMON_QUEUE_DEVICE = 0x30,
    COMMON_QUEUE_NOTIFY_DATA = 0x38,
    COMMON_QUEUE_RESET = 0x3a,
    COMMON_SIZE = 0x3c,
};

struct virtio_pci {
    struct device device;
    struct guest_pci_function function;
    struct virtio_device *virtio;
    unsigned cfg_at; /* the configuration access capability */
    uint32_t isr;    /* atomic */
    uint16_t config_vector;
};

static struct virtio_pci *of_function(struct guest_pci_function *f)
{
    return container_of(f, struct virtio_pci, function);
}

/* ---- Interrupts ---- */

static struct virtio_pci *of_virtio(struct virtio_device *d)
{
    return d->transport_data;
}

/* The pin follows the ISR register: who sets a bit raises it, who reads lowers it and looks again.
 */
static void raise_pin(struct virtio_pci *p, uint32_t bit)
{
    if (!(__atomic_fetch_or(&p->isr, bit, __ATOMIC_SEQ_CST) & bit))
        pci_set_intx(&p->function, true);
}

static uint32_t isr_take(struct virtio_pci *p)
{
    uint32_t isr = __atomic_exchange_n(&p->isr, 0, __ATOMIC_SEQ_CST);

    pci_set_intx(&p->function, false);
    if (__atomic_load_n(&p->isr, __ATOMIC_SEQ_CST))
        pci_set_intx(&p->function, true);
    return isr;
}

static void queue_interrupt(struct virtio_device *d, struct virtq *q)
{
    struct virtio_pci *p = of_virtio(d);

    if (pci_msix_enabled(&p->function))
        pci_msix_raise(&p->function, READ_ONCE(q->vector));
    else
        raise_pin(p, ISR_QUEUE);
}

static void config_interrupt(struct virtio_device *d)
{
    struct virtio_pci *p = of_virtio(d);

    if (pci_msix_enabled(&p->function))
        pci_msix_raise(&p->function, READ_ONCE(p->config_vector));
    else
        raise_pin(p, ISR_CONFIG);
}

static const struct virtio_transport_ops pci_transport = {queue_interrupt, config_interrupt};

/* ---- The common structure; the device's lock is held ---- */

static uint64_t half(uint64_t value, unsigned upper)
{
    return upper ? value >> 32 : (uint32_t)value;
}

static uint64_t common_read_queue(const struct virtq *q, unsigned offset)
{
    switch (offset) {
    case COMMON_QUEUE_SIZE:
        return q->size;
    case COMMON_QUEUE_VECTOR:
        return q->vector;
    case COMMON_QUEUE_ENABLE:
        return q->enabled;
    case COMMON_QUEUE_NOTIFY_OFF:
    case COMMON_QUEUE_NOTIFY_DATA:
        return q->index;
    case COMMON_QUEUE_DESC:
    case COMMON_QUEUE_DESC + 4:
        return half(q->desc_gpa, offset & 4);
    case COMMON_QUEUE_DRIVER:
    case COMMON_QUEUE_DRIVER + 4:
        return half(q->driver_gpa, offset & 4);
    case COMMON_QUEUE_DEVICE:
    case COMMON_QUEUE_DEVICE + 4:
        return half(q->device_gpa, offset & 4);
    }
    return 0;
}

static uint64_t common_read(struct virtio_pci *p, unsigned offset)
{
    struct virtio_device *d = p->virtio;

    switch (offset) {
    case COMMON_DEVICE_FEATURE_SELECT:
        return d->device_select;
    case COMMON_DEVICE_FEATURE:
        return virtio_features_word(d, d->features, d->device_select);
    case COMMON_DRIVER_FEATURE_SELECT:
        return d->driver_select;
    case COMMON_DRIVER_FEATURE:
        return virtio_features_word(d, d->accepted, d->driver_select);
    case COMMON_CONFIG_VECTOR:
        return p->config_vector;
    case COMMON_NUM_QUEUES:
        return d->queue_count;
    case COMMON_STATUS:
        return __atomic_load_n(&d->status, __ATOMIC_SEQ_CST);
    case COMMON_GENERATION:
        return __atomic_load_n(&d->config_generation, __ATOMIC_SEQ_CST) & 0xff;
    case COMMON_QUEUE_SELECT:
        return d->queue_select;
    }
    if (d->queue_select >= d->queue_count)
        return 0;
    return common_read_queue(&d->queues[d->queue_select], offset);
}

static uint16_t vector_checked(const struct virtio_pci *p, uint64_t vector)
{
    return vector < p->function.msix_count ? (uint16_t)vector : VIRTIO_NO_VECTOR;
}

static void set_half(uint64_t *address, unsigned upper, uint64_t value)
{
    uint64_t mask = upper ? BITS(63, 32) : BITS(31, 0);

    *address = (*address & ~mask) | (value << (upper ? 32 : 0) & mask);
}

/* A queue's place can be changed while it is disabled only. */
static void common_write_queue(struct virtio_pci *p, struct virtq *q, unsigned offset,
                               uint64_t value)
{
    struct virtio_device *d = p->virtio;

    if (offset == COMMON_QUEUE_VECTOR)
        WRITE_ONCE(q->vector, vector_checked(p, value));
    else if (offset == COMMON_QUEUE_ENABLE && value == 1)
        virtio_enable_queue(d, q->index);
    else if (offset == COMMON_QUEUE_RESET && value == 1)
        virtio_reset_queue(d, q->index);
    if (q->enabled)
        return;
    if (offset == COMMON_QUEUE_SIZE)
        q->size = (uint16_t)value;
    else if ((offset & ~4u) == COMMON_QUEUE_DESC)
        set_half(&q->desc_gpa, offset & 4, value);
    else if ((offset & ~4u) == COMMON_QUEUE_DRIVER)
        set_half(&q->driver_gpa, offset & 4, value);
    else if ((offset & ~4u) == COMMON_QUEUE_DEVICE)
        set_half(&q->device_gpa, offset & 4, value);
}

static void common_write(struct virtio_pci *p, unsigned offset, uint64_t value)
{
    struct virtio_device *d = p->virtio;

    switch (offset) {
    case COMMON_DEVICE_FEATURE_SELECT:
        d->device_select = (uint32_t)value;
        break;
    case COMMON_DRIVER_FEATURE_SELECT:
        d->driver_select = (uint32_t)value;
        break;
    case COMMON_DRIVER_FEATURE:
        virtio_accept_word(d, d->driver_select, (uint32_t)value);
        break;
    case COMMON_CONFIG_VECTOR:
        WRITE_ONCE(p->config_vector, vector_checked(p, value));
        break;
    case COMMON_STATUS:
        virtio_set_status(d, (uint8_t)value);
        break;
    case COMMON_QUEUE_SELECT:
        d->queue_select = (uint16_t)value;
        break;
    default:
        if (d->queue_select < d->queue_count)
            common_write_queue(p, &d->queues[d->queue_select], offset, value);
    }
}

/* Width of the register that begins at `offset`; 0: none does. 64-bit ones are two of 32 bits. */
static unsigned common_width(unsigned offset)
{
    if (offset < COMMON_CONFIG_VECTOR ||
        (offset >= COMMON_QUEUE_DESC && offset < COMMON_QUEUE_NOTIFY_DATA))
        return offset % 4 ? 0 : 4;
    if (offset == COMMON_STATUS || offset == COMMON_GENERATION)
        return 1;
    return offset % 2 || offset >= COMMON_SIZE ? 0 : 2;
}

/* ---- The register BAR ---- */

static uint64_t structure_read(struct virtio_pci *p, unsigned page, unsigned offset, unsigned size)
{
    if (page == PAGE_COMMON)
        return common_width(offset) == size ? common_read(p, offset) : 0;
    if (page == PAGE_DEVICE)
        return virtio_config_load(p->virtio, offset, size);
    return 0;
}

static uint64_t register_read(struct virtio_pci *p, uint64_t at, unsigned size)
{
    unsigned page = (unsigned)(at >> PAGE_SHIFT), offset = at & PAGE_MASK;
    uint64_t value;

    if (page == PAGE_ISR)
        return offset == 0 ? isr_take(p) : 0;
    if (size == 8)
        return register_read(p, at, 4) | register_read(p, at + 4, 4) << 32;
    mutex_lock(&p->virtio->lock);
    value = structure_read(p, page, offset, size);
    mutex_unlock(&p->virtio->lock);
    return value;
}

static void register_write(struct virtio_pci *p, uint64_t at, unsigned size, uint64_t value)
{
    unsigned page = (unsigned)(at >> PAGE_SHIFT), offset = at & PAGE_MASK;

    if (likely(page == PAGE_NOTIFY)) {
        virtio_queue_notify(p->virtio, offset / NOTIFY_MULTIPLIER);
        return;
    }
    if (size == 8) {
        register_write(p, at, 4, (uint32_t)value);
        register_write(p, at + 4, 4, value >> 32);
        return;
    }
    mutex_lock(&p->virtio->lock);
    if (page == PAGE_COMMON && common_width(offset) == size)
        common_write(p, offset, value);
    else if (page == PAGE_DEVICE)
        virtio_config_store(p->virtio, offset, size, value);
    mutex_unlock(&p->virtio->lock);
}

static uint64_t bar_read(struct guest_pci_function *f, struct vcpu *vcpu, unsigned bar,
                         uint64_t offset, unsigned size)
{
    (void)vcpu, (void)bar;
    return register_read(of_function(f), offset, size);
}

static void bar_write(struct guest_pci_function *f, struct vcpu *vcpu, unsigned bar,
                      uint64_t offset, unsigned size, uint64_t value)
{
    (void)vcpu, (void)bar;
    register_write(of_function(f), offset, size, value);
}

/* ---- Access through configuration space (4.1.4.9) ---- */

static uint32_t config_word(const struct guest_pci_function *f, unsigned at)
{
    return (uint32_t)f->config[at] | (uint32_t)f->config[at + 1] << 8 |
           (uint32_t)f->config[at + 2] << 16 | (uint32_t)f->config[at + 3] << 24;
}

static void set_config_word(struct guest_pci_function *f, unsigned at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        f->config[at + i] = (uint8_t)(value >> (8 * i));
}

/* Does an access at `at` touch the data, and do bar, offset and length name a register? */
static bool window_open(struct virtio_pci *p, unsigned at, unsigned size, uint32_t *offset,
                        unsigned *length)
{
    unsigned data = p->cfg_at + CAP_EXTRA;

    *offset = config_word(&p->function, p->cfg_at + CAP_OFFSET);
    *length = config_word(&p->function, p->cfg_at + CAP_BYTES);
    return at < data + 4 && at + size > data &&
           p->function.config[p->cfg_at + CAP_BAR] == BAR_REGISTERS &&
           (*length == 1 || *length == 2 || *length == 4) && IS_ALIGNED(*offset, *length) &&
           *offset < PAGE_COUNT * PAGE_SIZE;
}

static void config_read(struct guest_pci_function *f, unsigned at, unsigned size)
{
    struct virtio_pci *p = of_function(f);
    unsigned length;
    uint32_t offset;

    if (window_open(p, at, size, &offset, &length))
        set_config_word(f, p->cfg_at + CAP_EXTRA, (uint32_t)register_read(p, offset, length));
}

static void config_write(struct guest_pci_function *f, unsigned at, unsigned size)
{
    struct virtio_pci *p = of_function(f);
    unsigned length;
    uint32_t offset;

    if (window_open(p, at, size, &offset, &length))
        register_write(p, offset, length,
                       config_word(f, p->cfg_at + CAP_EXTRA) & BITS(8 * length - 1, 0));
}

static const struct guest_pci_function_ops function_ops = {bar_read, bar_write, config_write,
                                                           config_read};

/* ---- Creation ---- */

static unsigned add_structure(struct guest_pci_function *f, uint8_t type, unsigned page,
                              unsigned bytes, unsigned size)
{
    unsigned at = pci_add_capability(f, CAPABILITY_VENDOR, size);

    f->config[at + CAP_LENGTH] = (uint8_t)size;
    f->config[at + CAP_TYPE] = type;
    f->config[at + CAP_BAR] = BAR_REGISTERS;
    set_config_word(f, at + CAP_OFFSET, page * (uint32_t)PAGE_SIZE);
    set_config_word(f, at + CAP_BYTES, bytes);
    return at;
}

static void add_structures(struct virtio_pci *p)
{
    struct guest_pci_function *f = &p->function;
    unsigned notify;

    pci_set_bar(f, BAR_REGISTERS, PAGE_COUNT * PAGE_SIZE, false, false);
    add_structure(f, TYPE_COMMON, PAGE_COMMON, COMMON_SIZE, CAPABILITY_SIZE);
    add_structure(f, TYPE_ISR, PAGE_ISR, 1, CAPABILITY_SIZE);
    if (p->virtio->config_size)
        add_structure(f, TYPE_DEVICE, PAGE_DEVICE, p->virtio->config_size, CAPABILITY_SIZE);
    notify = add_structure(f, TYPE_NOTIFY, PAGE_NOTIFY, p->virtio->queue_count * NOTIFY_MULTIPLIER,
                           CAPABILITY_NOTIFY_SIZE);
    set_config_word(f, notify + CAP_EXTRA, NOTIFY_MULTIPLIER);
    p->cfg_at = add_structure(f, TYPE_PCI_CFG, 0, 0, CAPABILITY_CFG_SIZE);
    f->config[p->cfg_at + CAP_BAR] = 0;
    f->config_writable[p->cfg_at + CAP_BAR] = 0xff;
    for (unsigned i = CAP_OFFSET; i < CAPABILITY_CFG_SIZE; i++)
        f->config_writable[p->cfg_at + i] = 0xff;
}

static void pci_reset(struct device *device)
{
    struct virtio_pci *p = container_of(device, struct virtio_pci, device);

    mutex_lock(&p->virtio->lock);
    virtio_device_reset(p->virtio);
    p->virtio->config_generation = 0;
    p->config_vector = VIRTIO_NO_VECTOR;
    mutex_unlock(&p->virtio->lock);
    isr_take(p);
    guest_pci_function_reset(&p->function);
}

static void pci_quiesce(struct device *device)
{
    virtio_device_pause(container_of(device, struct virtio_pci, device)->virtio);
}

static void pci_resume(struct device *device)
{
    virtio_device_resume(container_of(device, struct virtio_pci, device)->virtio);
}

static void pci_stats(struct device *device, struct out *out)
{
    virtio_device_print(container_of(device, struct virtio_pci, device)->virtio, out);
}

static void pci_json(struct device *device, struct json *j)
{
    virtio_device_json(container_of(device, struct virtio_pci, device)->virtio, j);
}

static void pci_destroy(struct device *device)
{
    struct virtio_pci *p = container_of(device, struct virtio_pci, device);

    p->virtio->ops->destroy(p->virtio);
    heap_free(p);
}

static enum err pci_loaded(void *object)
{
    struct virtio_pci *p = object;

    guest_pci_function_loaded(&p->function);
    return ERR_OK;
}

STATE_TABLE_HOOKS(pci_state, "virtio-pci", 1, NULL, pci_loaded,
                  PCI_FUNCTION_STATE(struct virtio_pci, function),
                  STATE_FIELD(struct virtio_pci, isr, 1),
                  STATE_FIELD(struct virtio_pci, config_vector, 1));

static void pci_state_each(struct device *device, state_visit visit, void *arg)
{
    struct virtio_pci *p = container_of(device, struct virtio_pci, device);

    visit(&pci_state, p->virtio->instance, p, arg);
    virtio_state_each(p->virtio, visit, arg);
}

static const struct device_ops pci_device_ops = {
    .name = "VirtIO over PCI",
    .reset = pci_reset,
    .quiesce = pci_quiesce,
    .resume = pci_resume,
    .stats = pci_stats,
    .json = pci_json,
    .destroy = pci_destroy,
    .lockless = true,
    .state_each = pci_state_each,
};

enum err virtio_pci_create(struct virtio_device *d, int slot)
{
    struct virtio_pci *p = heap_zalloc(sizeof(*p));
    enum err e;

    if (!p) {
        d->ops->destroy(d);
        return ERR_NO_MEMORY;
    }
    p->virtio = d;
    p->config_vector = VIRTIO_NO_VECTOR;
    d->transport = &pci_transport;
    d->transport_data = p;
    device_init(&p->device, &pci_device_ops, d->vm);
    guest_pci_function_init(&p->function, &function_ops, VENDOR_VIRTIO, DEVICE_BASE + d->ops->id,
                            d->ops->pci_class, REVISION_MODERN);
    pci_set_subsystem(&p->function, VENDOR_VIRTIO, SUBSYSTEM_MODERN);
    add_structures(p);
    pci_add_msix(&p->function, d->vm, BAR_MSIX, MIN(d->queue_count + 1, (unsigned)PCI_MSIX_MAX));
    e = guest_pci_function_add(d->vm, &p->function, slot);
    d->instance = p->function.slot;
    return e;
}
