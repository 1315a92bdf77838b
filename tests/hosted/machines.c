/* SPDX-License-Identifier: BSD-2-Clause-Patent */
#include "machines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/aarch64/guest/state.h"
#include "hosted.h"
#include "kernel/devices/pci.h"
#include "kernel/guest_isa.h"
#include "kernel/random.h"
#include "virtio/device.h"
#include "vm.h"

const struct machine_kind machine_kinds[MACHINE_KINDS] = {
    {.name = "x86_64", .isa = "x86_64"},
    {.name = "aarch64", .isa = "aarch64"},
    {.name = "aarch64 without PCI", .isa = "aarch64", .mmio = true},
    {.name = "aarch64 with a GICv2", .isa = "aarch64", .gicv2 = true},
    {.name = "riscv64", .isa = "riscv64"},
    {.name = "riscv64 without PCI", .isa = "riscv64", .mmio = true},
    {.name = "riscv64 with AIA", .isa = "riscv64", .aia = true},
    {.name = "riscv64 with AIA, without PCI", .isa = "riscv64", .aia = true, .mmio = true},
};

#define CPUS           3
#define MEMORY         MIB(16)
#define LIST_REGISTERS 4
#define VECTOR_BYTES   16

/* ---- Building one ---- */

static struct config_disk disk = {.mode = CONFIG_DISK_COPY_ON_WRITE, .size = MIB(1)};
static struct config_network network = {.mtu = 1500};

static const void *gicv2_traits(void)
{
    static const struct arm_traits traits = {.gicv = 0x8040000, .gicv_size = 0x2000};

    return &traits;
}

struct vm *machine_create(const struct machine_kind *kind)
{
    static uint8_t serial;
    struct config_vm config = {
        .memory = MEMORY,
        .cpus = CPUS,
        .interrupts = kind->aia ? CONFIG_INTERRUPTS_AIA : CONFIG_INTERRUPTS_PLIC,
        .virtio = kind->mmio ? CONFIG_VIRTIO_MMIO : CONFIG_VIRTIO_PCI,
        .debug_exit = true,
        .reclaim = true,
        .disk_count = 1,
        .disks = {&disk},
        .net_count = 1,
        .nets = {{.network = &network, .has_mac = true, .mac = {2, 0, 0, 0, 0, serial++}}},
    };
    struct vm *vm;

    random_add("a seed", 6, true); /* or there would be no entropy device */
    vm = hosted_vm_create_on(kind->isa, &config, kind->gicv2 ? gicv2_traits : NULL);
    for (unsigned i = 0; i < CPUS && strcmp(kind->isa, "aarch64") == 0; i++) {
        ((struct arm_state *)vm->vcpus[i]->state)->gic.lr_count = LIST_REGISTERS;
        ((struct arm_state *)vm->vcpus[i]->state)->sve.bytes = VECTOR_BYTES;
    }
    return vm;
}

/* ---- Using it ---- */

#define NEAR      KIB(64) /* of small regions all is reached */
#define RING_SIZE 16u
#define RINGS_AT  MIB(8) /* from the beginning of the guest's memory */
#define RING_ROOM KIB(8)

void machine_wait(uint64_t ns)
{
    hosted_counter += ns;
    host_irq_disable();
    host_irq_enable();
}

/* Large regions are PCI's: functions of configuration space, pages of BARs. */
static uint64_t place_in(const struct bus_region *r, const struct machine_step *s)
{
    if (r->size <= NEAR)
        return s->offset % r->size;
    return ((uint64_t)(s->offset >> 16 & 31) << (s->place & 0x80 ? 15 : 12) | s->offset % 0x200) %
           r->size;
}

static void access_bus(struct vm *vm, struct bus *bus, const struct machine_step *s)
{
    if (!bus->count)
        return;
    const struct bus_region *r = &bus->regions[(s->place & 0x7f) % bus->count];
    struct vcpu *v = vm->vcpus[s->cpu % CPUS];
    unsigned size = s->size & 4 ? 4 : 1u << s->size % 4;
    uint64_t at = ALIGN_DOWN(place_in(r, s), (uint64_t)size);

    if (at + size > r->size)
        return;
    if (s->size & 0xc0)
        bus_write(bus, v, r->base + at, size, s->size & 0x20 ? s->value & 0xff : s->value);
    else
        (void)bus_read(bus, v, r->base + at, size);
}

static struct virtio_device *nth_virtio(struct vm *vm, unsigned n)
{
    struct virtio_device *d = vm->virtio;

    for (unsigned i = n % 5; i && d; i--)
        d = d->next ? d->next : vm->virtio;
    return d;
}

static uint64_t ram_base(const struct vm *vm)
{
    return strcmp(vm->isa->name, "x86_64") == 0    ? 0
           : strcmp(vm->isa->name, "aarch64") == 0 ? GIB(1)
                                                   : GIB(2);
}

static uint64_t ring_of(const struct vm *vm, const struct virtq *q)
{
    return ram_base(vm) + RINGS_AT + (q->device->ops->id * 16ULL + q->index) * RING_ROOM;
}

static void enable_queue(struct virtio_device *d, struct virtq *q)
{
    if (q->enabled)
        return;
    q->size = RING_SIZE;
    q->desc_gpa = ring_of(d->vm, q);
    q->driver_gpa = q->desc_gpa + KIB(2);
    q->device_gpa = q->desc_gpa + KIB(4);
    virtio_enable_queue(d, q->index);
}

/* A driver starts the device, with the features that `wanted` names. */
static void start_driver(struct virtio_device *d, uint64_t wanted)
{
    mutex_lock(&d->lock);
    virtio_set_status(d, 0);
    virtio_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    wanted = (wanted & d->features) | VIRTIO_F_VERSION_1;
    virtio_accept_word(d, 0, (uint32_t)wanted);
    virtio_accept_word(d, 1, (uint32_t)(wanted >> 32));
    virtio_set_status(d,
                      VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
    for (unsigned i = 0; i < d->queue_count; i++)
        enable_queue(d, &d->queues[i]);
    virtio_set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
                             VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
    mutex_unlock(&d->lock);
    if (d->vm->pci)
        pci_config_write(d->vm, d->instance << 15 | 4, 2, 6); /* memory and bus master */
}

/* A chain of one buffer in the next entry of a split ring. */
static void make_available(struct virtio_device *d, struct virtq *q, const struct machine_step *s)
{
    struct {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
    } desc = {ring_of(d->vm, q) + KIB(6), s->offset % 1024, s->size & 7, 0};
    uint64_t avail = ring_of(d->vm, q) + KIB(2);
    uint16_t index = 0, head = s->offset >> 16 & (RING_SIZE - 1);

    if (guest_copy_from(d->vm->memory, GPA(avail + 2), &index, 2) != ERR_OK)
        abort();
    index++;
    if (guest_copy_to(d->vm->memory, GPA(ring_of(d->vm, q) + 16 * head), &desc, sizeof(desc)) ||
        guest_copy_to(d->vm->memory, GPA(desc.address), &s->value, sizeof(s->value)) ||
        guest_copy_to(d->vm->memory, GPA(avail + 4 + 2 * ((index - 1u) % RING_SIZE)), &head, 2) ||
        guest_copy_to(d->vm->memory, GPA(avail + 2), &index, 2))
        abort();
    virtio_queue_notify(d, q->index);
}

static void use_driver(struct vm *vm, const struct machine_step *s)
{
    struct virtio_device *d = nth_virtio(vm, s->place);
    struct virtq *q = &d->queues[s->cpu % d->queue_count];

    switch (s->what >> 4 & 3) {
    case 0:
        start_driver(d, s->value);
        break;
    case 1:
        make_available(d, q, s);
        break;
    case 2:
        if (guest_copy_to(vm->memory, GPA(ring_of(vm, q) + s->offset % KIB(6)), &s->value, 8))
            abort();
        break;
    default:
        virtio_queue_notify(d, q->index);
    }
}

void machine_step(struct vm *vm, const struct machine_step *s)
{
    struct vcpu *v = vm->vcpus[s->cpu % CPUS];

    switch (s->what % 16) {
    case 0 ... 7:
        access_bus(vm, &vm->mmio, s);
        break;
    case 8 ... 10:
        access_bus(vm, &vm->ports, s);
        break;
    case 11 ... 13:
        use_driver(vm, s);
        break;
    case 14:
        if (vm->irqchip->msi)
            vm->irqchip->msi(vm,
                             vm->mmio.regions[s->place % vm->mmio.count].base + s->offset % 4096,
                             (uint32_t)s->value);
        vm->isa->before_run(v);
        break;
    default:
        machine_wait(s->value % (s->size & 1 ? NS_PER_SEC : NS_PER_MS));
    }
}

/* ---- State ---- */

void machine_pause(struct vm *vm)
{
    for (struct device *d = vm->devices; d; d = d->next)
        if (d->ops->quiesce)
            d->ops->quiesce(d);
    guest_clock_pause(&vm->clock);
}

void machine_resume(struct vm *vm)
{
    guest_clock_resume(&vm->clock, GUEST_TIME_CONTINUE);
    for (struct device *d = vm->devices; d; d = d->next)
        if (d->ops->resume)
            d->ops->resume(d);
}

static uint8_t first[MACHINE_STATE_MAX], second[MACHINE_STATE_MAX];
static char text[256];

static size_t checked_size(const struct state_writer *w)
{
    if (w->used > MACHINE_STATE_MAX)
        abort();
    return w->used;
}

size_t machine_save(struct vm *vm, uint8_t data[MACHINE_STATE_MAX])
{
    struct state_writer w = {.data = data, .size = MACHINE_STATE_MAX};

    vm_state_save(vm, &w);
    return checked_size(&w);
}

/* A reset leaves what a battery keeps: the clocks' time and the PC's CMOS memory. */
static bool kept(const char *object, const char *field)
{
    static const char *const names[][2] = {{"RTC", "cmos"}, {"RTC", "offset"}};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (strncmp(object, names[i][0], (uint8_t)object[-1]) == 0 &&
            strncmp(field, names[i][1], (uint8_t)field[-1]) == 0)
            return true;
    return false;
}

/* Names the first field that differs, by the format of kernel/state.c. */
static const char *difference(const uint8_t *a, size_t size, const uint8_t *b, size_t other,
                              bool reset)
{
    const char *object = (const char *)a + 5, *field = NULL;
    uint32_t length, count;

    for (size_t at = 0, end = 0; at < size; at += length) {
        if (at == end) { /* another object: its head */
            memcpy(&length, a + at, sizeof(length));
            end = at + 4 + length;
            object = (const char *)a + at + 5;
            length = 4 + 1 + a[at + 4] + 1 + 4;
        } else {
            field = (const char *)a + at + 1;
            memcpy(&count, a + at + 1 + a[at] + 1, sizeof(count));
            length = 1 + a[at] + 1 + 4 + a[at + 1 + a[at]] * count;
        }
        if (at + length > other)
            break;
        if (memcmp(a + at, b + at, length) == 0 || (reset && field && kept(object, field)))
            continue;
        snprintf(text, sizeof(text), "%.*s differs in %.*s", object[-1], object,
                 field ? field[-1] : 0, field ? field : "");
        return text;
    }
    return size == other ? NULL : "there are not the same objects";
}

const char *machine_differs(struct vm *vm, const uint8_t *data, size_t size)
{
    return difference(data, size, second, machine_save(vm, second), false);
}

const char *machine_round_trip(struct vm *vm)
{
    size_t size = machine_save(vm, first);
    struct state_reader r = {.data = first, .size = size};

    (void)vm_state_wipe(vm);
    if (vm_state_load(vm, &r) != ERR_OK)
        return r.problem;
    return machine_differs(vm, first, size);
}

/* ---- Reset ---- */

static void save_one(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    state_save(arg, table, instance, object);
}

static size_t save_devices(struct vm *vm, uint8_t *data)
{
    struct state_writer w = {.data = data, .size = MACHINE_STATE_MAX};

    for (struct device *d = vm->devices; d; d = d->next)
        device_state_each(d, save_one, &w);
    return checked_size(&w);
}

const char *machine_reset(struct vm *vm, struct vm *fresh)
{
    for (struct device *d = vm->devices; d; d = d->next)
        if (d->ops->reset)
            d->ops->reset(d);
    for (unsigned pin = 0; pin < vm->irqchip->pins; pin++)
        if (vm->pin_sources[pin]) {
            snprintf(text, sizeof(text), "pin %u is raised", pin);
            return text;
        }
    size_t size = save_devices(fresh, first);
    return difference(first, size, second, save_devices(vm, second), true);
}
