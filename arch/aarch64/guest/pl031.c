/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A PL031 real-time clock (Arm DDI 0224C): seconds since 1970, settable, with an alarm. */
#include "arch/aarch64/guest/machine.h"
#include "kernel/state.h"
#include "mm/heap.h"

/* 3.2 */
enum pl031_register {
    DR = 0x00,   /* the time */
    MR = 0x04,   /* alarm */
    LR = 0x08,   /* sets the time */
    CR = 0x0c,   /* runs: always */
    IMSC = 0x10, /* alarm interrupt enabled */
    RIS = 0x14,
    MIS = 0x18,
    ICR = 0x1c,
    PERIPH_ID = 0xfe0,
};

LOCK_CLASS(line_class, "PL031 interrupt", RANK_QUEUE);

struct pl031 {
    struct device device;
    struct guest_irq irq;
    struct spinlock line;     /* from reading `raised` and `enabled` to setting the line */
    struct guest_timer alarm; /* its fire() does not take the device's lock */
    uint64_t offset;          /* seconds from the host's calendar to the guest's */
    uint32_t match, load;
    uint32_t enabled, raised; /* 0 or 1 */
};

/* Registers have 32 bits. */
static uint32_t now(const struct pl031 *r)
{
    return (uint32_t)(clock_wall_ns() / NS_PER_SEC + r->offset);
}

static void update(struct pl031 *r)
{
    uint64_t flags = spin_lock_irq(&r->line);

    guest_irq_set(&r->irq, READ_ONCE(r->raised) & READ_ONCE(r->enabled));
    spin_unlock_irq(&r->line, flags);
}

static void alarm_fired(struct guest_timer *t)
{
    struct pl031 *r = container_of(t, struct pl031, alarm);

    WRITE_ONCE(r->raised, 1);
    update(r);
}

/* For the moment when the time becomes the match: an earlier one comes again after 2^32 seconds. */
static void alarm_set(struct pl031 *r)
{
    uint64_t seconds = r->match - now(r), part = clock_wall_ns() % NS_PER_SEC;

    if (seconds)
        guest_timer_set(&r->alarm,
                        guest_clock_ns(&r->device.vm->clock) + seconds * NS_PER_SEC - part);
    else
        WRITE_ONCE(r->raised, 1);
}

/* PrimeCell identification (3.3.9, 3.3.10), one byte a register */
static uint32_t read_id(uint64_t offset)
{
    static const uint8_t id[] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    return id[(offset - PERIPH_ID) / 4];
}

static uint32_t read_register(const struct pl031 *r, uint64_t offset)
{
    switch (offset) {
    case DR:
        return now(r);
    case MR:
        return r->match;
    case LR:
        return r->load;
    case CR:
        return 1;
    case IMSC:
        return r->enabled;
    case RIS:
        return READ_ONCE(r->raised);
    case MIS:
        return READ_ONCE(r->raised) & r->enabled;
    }
    return offset >= PERIPH_ID ? read_id(offset) : 0;
}

static uint64_t pl031_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                           unsigned size)
{
    const struct pl031 *r = container_of(d, struct pl031, device);

    (void)vcpu, (void)region, (void)size;
    return read_register(r, ALIGN_DOWN(offset, 4)) >> offset % 4 * 8;
}

static void pl031_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                        unsigned size, uint64_t value)
{
    struct pl031 *r = container_of(d, struct pl031, device);
    uint32_t v = (uint32_t)value;

    (void)vcpu, (void)region, (void)size;
    switch (offset) {
    case MR:
        r->match = v;
        alarm_set(r);
        break;
    case LR:
        r->load = v;
        r->offset += (uint64_t)(int32_t)(v - now(r));
        alarm_set(r);
        break;
    case IMSC:
        WRITE_ONCE(r->enabled, v & 1);
        break;
    case ICR:
        if (v & 1)
            WRITE_ONCE(r->raised, 0);
        break;
    }
    update(r);
}

static void pl031_reset(struct device *d)
{
    struct pl031 *r = container_of(d, struct pl031, device);

    guest_timer_set(&r->alarm, UINT64_MAX);
    r->offset = 0;
    r->match = r->load = r->enabled = r->raised = 0;
    update(r);
}

static void pl031_destroy(struct device *d)
{
    struct pl031 *r = container_of(d, struct pl031, device);

    guest_timer_destroy(&r->alarm);
    heap_free(r);
}

static enum err pl031_loaded(void *object)
{
    const struct pl031 *r = object;

    return r->enabled > 1 || r->raised > 1 ? ERR_INVALID : ERR_OK;
}

STATE_TABLE_HOOKS(pl031_state, "pl031", 1, NULL, pl031_loaded, STATE_FIELD(struct pl031, offset, 1),
                  STATE_FIELD(struct pl031, match, 1), STATE_FIELD(struct pl031, load, 1),
                  STATE_FIELD(struct pl031, enabled, 1), STATE_FIELD(struct pl031, raised, 1),
                  STATE_FIELD(struct pl031, alarm.deadline, 1),
                  STATE_FIELD(struct pl031, irq.level, 1));

static const struct device_ops pl031_ops = {
    .name = "PL031",
    .read = pl031_read,
    .write = pl031_write,
    .reset = pl031_reset,
    .destroy = pl031_destroy,
    .state = &pl031_state,
    .state_offset = offsetof(struct pl031, device),
};

enum err pl031_create(struct vm *vm, uint64_t base, unsigned pin)
{
    struct pl031 *r = heap_zalloc(sizeof(*r));
    struct bus_region region = {.base = base, .size = PAGE_SIZE, .min_size = 1, .max_size = 4};

    if (!r)
        return ERR_NO_MEMORY;
    guest_irq_init(&r->irq, vm, pin);
    spin_init(&r->line, &line_class);
    guest_timer_init(&r->alarm, &vm->clock, alarm_fired);
    device_init(&r->device, &pl031_ops, vm);
    region.device = &r->device;
    return bus_add(&vm->mmio, &region);
}
