/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The goldfish real-time clock (Android goldfish virtual hardware, "RTC"): nanoseconds since 1970
 * in two words, settable, with an alarm. Reading the low word holds the high one.
 */
#include "arch/riscv64/guest/machine.h"
#include "mm/heap.h"

enum rtc_register {
    TIME_LOW = 0x00,
    TIME_HIGH = 0x04,
    ALARM_LOW = 0x08, /* writing it sets the alarm */
    ALARM_HIGH = 0x0c,
    IRQ_ENABLED = 0x10,
    CLEAR_ALARM = 0x14,
    ALARM_STATUS = 0x18,
    CLEAR_INTERRUPT = 0x1c,
};

LOCK_CLASS(line_class, "guest RTC interrupt", RANK_QUEUE);

struct rtc {
    struct device device;
    struct guest_irq irq;
    struct spinlock line;     /* from reading `raised` and `enabled` to setting the line */
    struct guest_timer alarm; /* its fire() does not take the device's lock */
    uint64_t offset;          /* ns from the host's calendar to the guest's */
    uint64_t alarm_at;        /* guest's calendar, ns */
    uint32_t high;            /* as held by the last read of TIME_LOW */
    uint32_t running;         /* the alarm is set and did not fire: 0 or 1 */
    uint32_t enabled, raised; /* 0 or 1 */
};

static uint64_t now(const struct rtc *r)
{
    return clock_wall_ns() + r->offset;
}

static uint64_t with_low(uint64_t value, uint32_t word)
{
    return (value & ~0xffffffffUL) | word;
}

static uint64_t with_high(uint64_t value, uint32_t word)
{
    return (uint64_t)word << 32 | (uint32_t)value;
}

static void update(struct rtc *r)
{
    uint64_t flags = spin_lock_irq(&r->line);

    guest_irq_set(&r->irq, READ_ONCE(r->raised) & READ_ONCE(r->enabled));
    spin_unlock_irq(&r->line, flags);
}

static void alarm_fired(struct guest_timer *t)
{
    struct rtc *r = container_of(t, struct rtc, alarm);

    WRITE_ONCE(r->running, 0);
    WRITE_ONCE(r->raised, 1);
    update(r);
}

static void alarm_set(struct rtc *r)
{
    uint64_t left = r->alarm_at - now(r);

    if ((int64_t)left > 0) {
        WRITE_ONCE(r->running, 1);
        guest_timer_set(&r->alarm, guest_clock_ns(&r->device.vm->clock) + left);
    } else {
        WRITE_ONCE(r->raised, 1);
    }
}

static void alarm_clear(struct rtc *r)
{
    guest_timer_set(&r->alarm, UINT64_MAX);
    WRITE_ONCE(r->running, 0);
}

static uint64_t rtc_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                         unsigned size)
{
    struct rtc *r = container_of(d, struct rtc, device);
    uint64_t time;

    (void)vcpu, (void)region, (void)size;
    switch (offset) {
    case TIME_LOW:
        time = now(r);
        r->high = (uint32_t)(time >> 32);
        return (uint32_t)time;
    case TIME_HIGH:
        return r->high;
    case ALARM_LOW:
        return (uint32_t)r->alarm_at;
    case ALARM_HIGH:
        return r->alarm_at >> 32;
    case IRQ_ENABLED:
        return r->enabled;
    case ALARM_STATUS:
        return READ_ONCE(r->running);
    default:
        return 0;
    }
}

static void rtc_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                      unsigned size, uint64_t value)
{
    struct rtc *r = container_of(d, struct rtc, device);
    uint32_t word = (uint32_t)value;
    uint64_t time = now(r);

    (void)vcpu, (void)region, (void)size;
    switch (offset) {
    case TIME_LOW:
        r->offset += with_low(time, word) - time;
        break;
    case TIME_HIGH:
        r->offset += with_high(time, word) - time;
        break;
    case ALARM_LOW:
        r->alarm_at = with_low(r->alarm_at, word);
        alarm_set(r);
        break;
    case ALARM_HIGH:
        r->alarm_at = with_high(r->alarm_at, word);
        break;
    case IRQ_ENABLED:
        WRITE_ONCE(r->enabled, word & 1);
        break;
    case CLEAR_ALARM:
        alarm_clear(r);
        break;
    case CLEAR_INTERRUPT:
        WRITE_ONCE(r->raised, 0);
        break;
    }
    update(r);
}

static void rtc_reset(struct device *d)
{
    struct rtc *r = container_of(d, struct rtc, device);

    alarm_clear(r);
    r->offset = r->alarm_at = 0;
    r->high = r->enabled = r->raised = 0;
    update(r);
}

static void rtc_destroy(struct device *d)
{
    struct rtc *r = container_of(d, struct rtc, device);

    guest_timer_destroy(&r->alarm);
    heap_free(r);
}

static enum err rtc_loaded(void *object)
{
    const struct rtc *r = object;

    return r->enabled > 1 || r->raised > 1 || r->running > 1 ? ERR_INVALID : ERR_OK;
}

STATE_TABLE_HOOKS(rtc_state, "goldfish-rtc", 1, NULL, rtc_loaded,
                  STATE_FIELD(struct rtc, offset, 1), STATE_FIELD(struct rtc, alarm_at, 1),
                  STATE_FIELD(struct rtc, high, 1), STATE_FIELD(struct rtc, running, 1),
                  STATE_FIELD(struct rtc, enabled, 1), STATE_FIELD(struct rtc, raised, 1),
                  STATE_FIELD(struct rtc, alarm.deadline, 1),
                  STATE_FIELD(struct rtc, irq.level, 1));

static const struct device_ops rtc_ops = {
    .name = "goldfish RTC",
    .read = rtc_read,
    .write = rtc_write,
    .reset = rtc_reset,
    .destroy = rtc_destroy,
    .state = &rtc_state,
    .state_offset = offsetof(struct rtc, device),
};

enum err riscv_rtc_create(struct vm *vm)
{
    struct rtc *r = heap_zalloc(sizeof(*r));
    struct bus_region region = {
        .base = RISCV_RTC_BASE, .size = RISCV_RTC_SIZE, .min_size = 4, .max_size = 4};

    if (!r)
        return ERR_NO_MEMORY;
    guest_irq_init(&r->irq, vm, RISCV_RTC_PIN);
    spin_init(&r->line, &line_class);
    guest_timer_init(&r->alarm, &vm->clock, alarm_fired);
    device_init(&r->device, &rtc_ops, vm);
    region.device = &r->device;
    return bus_add(&vm->mmio, &region);
}
