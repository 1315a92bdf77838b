/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The real-time clock and its memory (Motorola MC146818A data sheet; Intel ICH9 data sheet, 13.6).
 * Its time is the host's wall clock plus what the guest set it off by. Flags are worked out when
 * somebody looks; a timer runs only for interrupts that are enabled.
 */
#include "arch/x86_64/guest/machine.h"
#include "kernel/calendar.h"
#include "mm/heap.h"

#define CMOS_SIZE 128

enum {
    RTC_SECOND = 0,
    RTC_SECOND_ALARM = 1,
    RTC_MINUTE = 2,
    RTC_MINUTE_ALARM = 3,
    RTC_HOUR = 4,
    RTC_HOUR_ALARM = 5,
    RTC_WEEK_DAY = 6,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_A = 10,
    RTC_B = 11,
    RTC_C = 12,
    RTC_D = 13,
    RTC_CENTURY = X86_RTC_CENTURY,
};

#define A_UPDATING  0x80
#define A_DIVIDER   0x70
#define A_RUNS      0x20 /* the divider counts */
#define A_RATE      0x0f
#define B_SET       0x80
#define B_24_HOURS  0x02
#define B_BINARY    0x04
#define B_WRITABLE  0xfe /* no daylight saving */
#define FLAG_ALL    0x80
#define FLAG_TIMER  0x40 /* the same bits enable in register B */
#define FLAG_ALARM  0x20
#define FLAG_UPDATE 0x10
#define FLAGS       (FLAG_TIMER | FLAG_ALARM | FLAG_UPDATE)
#define D_VALID     0x80
#define HOUR_PM     0x80
#define ALARM_ANY   0xc0 /* both high bits: matches all */
#define INDEX_BITS  0x7f /* bit 7 of the index masks NMI, which nothing here sends by it */

#define UPDATE_NS   (244 * NS_PER_US) /* how long before an update register A says so */
#define ALARM_TRIES 256               /* more steps than any time of day is away */
#define NEVER       UINT64_MAX

struct rtc {
    struct device device;
    struct spinlock lock;
    uint8_t cmos[CMOS_SIZE];
    uint8_t index;
    uint64_t offset;  /* ns to add to the host's wall clock; wraps */
    uint64_t checked; /* RTC time up to which the flags are right */
    struct guest_timer timer;
    struct guest_irq irq;
};

LOCK_CLASS(rtc_lock_class, "guest RTC", RANK_DEVICE);

static uint64_t rtc_now(const struct rtc *r)
{
    return clock_wall_ns() + r->offset;
}

static bool rtc_stands(const struct rtc *r)
{
    return (r->cmos[RTC_B] & B_SET) || (r->cmos[RTC_A] & A_DIVIDER) != A_RUNS;
}

/* ---- Numbers as register B says ---- */

static uint8_t encode(const struct rtc *r, uint32_t value)
{
    return (uint8_t)(r->cmos[RTC_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static uint32_t decode(const struct rtc *r, uint8_t value)
{
    return r->cmos[RTC_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 0xf);
}

static uint8_t encode_hour(const struct rtc *r, uint32_t hour)
{
    if (r->cmos[RTC_B] & B_24_HOURS)
        return encode(r, hour);
    return (uint8_t)(encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0));
}

static uint32_t decode_hour(const struct rtc *r, uint8_t value)
{
    if (r->cmos[RTC_B] & B_24_HOURS)
        return decode(r, value);
    return decode(r, value & (uint8_t)~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* The time into the registers; while it stands they hold it themselves. */
static void show_time(struct rtc *r)
{
    struct calendar c;

    if (rtc_stands(r))
        return;
    calendar_from_seconds(rtc_now(r) / NS_PER_SEC, &c);
    r->cmos[RTC_SECOND] = encode(r, c.second);
    r->cmos[RTC_MINUTE] = encode(r, c.minute);
    r->cmos[RTC_HOUR] = encode_hour(r, c.hour);
    r->cmos[RTC_WEEK_DAY] = encode(r, c.week_day + 1);
    r->cmos[RTC_DAY] = encode(r, c.day);
    r->cmos[RTC_MONTH] = encode(r, c.month);
    r->cmos[RTC_YEAR] = encode(r, c.year % 100);
    r->cmos[RTC_CENTURY] = encode(r, c.year / 100);
}

/* The registers are the time from now on. What is no date is left as it is. */
static void take_time(struct rtc *r)
{
    struct calendar c = {.year =
                             decode(r, r->cmos[RTC_CENTURY]) * 100 + decode(r, r->cmos[RTC_YEAR]),
                         .month = decode(r, r->cmos[RTC_MONTH]),
                         .day = decode(r, r->cmos[RTC_DAY]),
                         .hour = decode_hour(r, r->cmos[RTC_HOUR]),
                         .minute = decode(r, r->cmos[RTC_MINUTE]),
                         .second = decode(r, r->cmos[RTC_SECOND])};
    uint64_t seconds;

    if (!calendar_to_seconds(&c, &seconds))
        return;
    r->offset = seconds * NS_PER_SEC - clock_wall_ns();
    r->checked = seconds * NS_PER_SEC;
}

/* ---- Events ---- */

static uint64_t period_ns(const struct rtc *r)
{
    unsigned rate = r->cmos[RTC_A] & A_RATE;

    if (!rate)
        return 0;
    return (NS_PER_SEC << ((rate < 3 ? rate + 7 : rate) - 1)) / 32768;
}

static bool matches(uint8_t alarm, uint32_t alarm_value, uint64_t value)
{
    return alarm >= ALARM_ANY || alarm_value == value;
}

/* The first alarm after RTC time `from` (ns), NEVER when there is none. */
static uint64_t next_alarm(const struct rtc *r, uint64_t from)
{
    uint8_t h = r->cmos[RTC_HOUR_ALARM], m = r->cmos[RTC_MINUTE_ALARM],
            s = r->cmos[RTC_SECOND_ALARM];
    uint32_t hour = decode_hour(r, h), minute = decode(r, m), second = decode(r, s);
    uint64_t t = from / NS_PER_SEC + 1;

    for (unsigned i = 0; i < ALARM_TRIES; i++) {
        if (!matches(h, hour, t / 3600 % 24))
            t = (t / 3600 + 1) * 3600;
        else if (!matches(m, minute, t / 60 % 60))
            t = (t / 60 + 1) * 60;
        else if (!matches(s, second, t % 60))
            t++;
        else
            return t * NS_PER_SEC;
    }
    return NEVER;
}

/* When event `flag` happens next after RTC time `from`. */
static uint64_t next_event(const struct rtc *r, unsigned flag, uint64_t from)
{
    uint64_t period = flag == FLAG_TIMER ? period_ns(r) : NS_PER_SEC;

    if (!period || (flag != FLAG_TIMER && rtc_stands(r)))
        return NEVER;
    return flag == FLAG_ALARM ? next_alarm(r, from) : (from / period + 1) * period;
}

/* Sets the flags of all that happened since the last look, and the interrupt. */
static void catch_up(struct rtc *r)
{
    uint64_t now = rtc_now(r);

    for (unsigned flag = FLAG_UPDATE; flag <= FLAG_TIMER; flag <<= 1)
        if (next_event(r, flag, r->checked) <= now)
            r->cmos[RTC_C] |= (uint8_t)flag;
    r->checked = now;
    if (r->cmos[RTC_C] & r->cmos[RTC_B] & FLAGS)
        r->cmos[RTC_C] |= FLAG_ALL;
    guest_irq_set(&r->irq, (r->cmos[RTC_C] & FLAG_ALL) && !x86_machine(r->device.vm)->hpet_legacy);
}

static void arm(struct rtc *r)
{
    uint64_t next = NEVER;

    for (unsigned flag = FLAG_UPDATE; flag <= FLAG_TIMER; flag <<= 1)
        if (r->cmos[RTC_B] & flag)
            next = MIN(next, next_event(r, flag, r->checked));
    if (next != NEVER)
        guest_timer_set(&r->timer, guest_clock_ns(&r->device.vm->clock) + (next - r->checked));
}

static void rtc_fired(struct guest_timer *timer)
{
    struct rtc *r = container_of(timer, struct rtc, timer);
    uint64_t flags = spin_lock_irq(&r->lock);

    catch_up(r);
    arm(r);
    spin_unlock_irq(&r->lock, flags);
}

/* ---- Registers ---- */

static uint8_t cmos_read(struct rtc *r)
{
    uint8_t value;

    switch (r->index) {
    case RTC_A:
        value = r->cmos[RTC_A];
        if (!rtc_stands(r) && rtc_now(r) % NS_PER_SEC >= NS_PER_SEC - UPDATE_NS)
            value |= A_UPDATING;
        return value;
    case RTC_C:
        catch_up(r);
        value = r->cmos[RTC_C];
        r->cmos[RTC_C] = 0;
        guest_irq_set(&r->irq, false);
        return value;
    case RTC_D:
        return D_VALID;
    default:
        show_time(r);
        return r->cmos[r->index];
    }
}

/* Registers A and B: what was set by the old value ends with it. */
static void write_control(struct rtc *r, uint8_t value)
{
    bool stood = rtc_stands(r);

    catch_up(r);
    show_time(r);
    r->cmos[r->index] = r->index == RTC_A ? value & (uint8_t)~A_UPDATING : value & B_WRITABLE;
    if (stood && !rtc_stands(r))
        take_time(r);
    if (r->cmos[RTC_B] & B_SET)
        r->cmos[RTC_B] &= (uint8_t)~FLAG_UPDATE;
    catch_up(r);
    arm(r);
}

static bool is_time(unsigned index)
{
    return index == RTC_SECOND || index == RTC_MINUTE || index == RTC_HOUR ||
           (index >= RTC_WEEK_DAY && index <= RTC_YEAR) || index == RTC_CENTURY;
}

static void cmos_write(struct rtc *r, uint8_t value)
{
    switch (r->index) {
    case RTC_A:
    case RTC_B:
        write_control(r, value);
        return;
    case RTC_C:
    case RTC_D:
        return;
    default:
        break;
    }
    catch_up(r);
    show_time(r);
    r->cmos[r->index] = value;
    if (is_time(r->index) && !rtc_stands(r))
        take_time(r);
    arm(r);
}

static uint64_t rtc_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                         unsigned size)
{
    struct rtc *r = container_of(d, struct rtc, device);
    uint64_t flags, value;

    (void)vcpu, (void)region, (void)size;
    if (offset == 0)
        return UINT64_MAX; /* the index is write-only */
    flags = spin_lock_irq(&r->lock);
    value = cmos_read(r);
    spin_unlock_irq(&r->lock, flags);
    return value;
}

static void rtc_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                      unsigned size, uint64_t value)
{
    struct rtc *r = container_of(d, struct rtc, device);
    uint64_t flags = spin_lock_irq(&r->lock);

    (void)vcpu, (void)region, (void)size;
    if (offset == 0)
        r->index = value & INDEX_BITS;
    else
        cmos_write(r, (uint8_t)value);
    spin_unlock_irq(&r->lock, flags);
}

/* ---- Life ---- */

/* Memory sizes where firmware for this machine looks for them: KiB above 1 MiB, then 64 KiB above
 * 16 MiB, then 64 KiB above 4 GiB. The least memory of a guest is 16 MiB. */
static void describe_memory(struct rtc *r)
{
    const struct x86_machine *m = x86_machine(r->device.vm);
    uint64_t above_1m = MIN((m->low_ram - MIB(1)) >> 10, 0xffffu);
    uint64_t above_16m = MIN((m->low_ram - MIB(16)) >> 16, 0xffffu);

    for (unsigned i = 0; i < 2; i++) {
        r->cmos[0x17 + i] = r->cmos[0x30 + i] = (uint8_t)(above_1m >> (8 * i));
        r->cmos[0x34 + i] = (uint8_t)(above_16m >> (8 * i));
    }
    for (unsigned i = 0; i < 3; i++)
        r->cmos[0x5b + i] = (uint8_t)(m->high_ram >> 16 >> (8 * i));
}

/* A battery keeps the time; a reset switches interrupts off. */
static void rtc_reset(struct device *d)
{
    struct rtc *r = container_of(d, struct rtc, device);
    uint64_t flags = spin_lock_irq(&r->lock);

    r->cmos[RTC_B] &= (uint8_t)~FLAGS;
    r->cmos[RTC_C] = 0;
    r->index = 0;
    guest_irq_set(&r->irq, false);
    spin_unlock_irq(&r->lock, flags);
}

static void rtc_destroy(struct device *d)
{
    struct rtc *r = container_of(d, struct rtc, device);

    guest_timer_destroy(&r->timer);
    heap_free(r);
}

static enum err rtc_loaded(void *object)
{
    struct rtc *r = object;

    r->index &= INDEX_BITS;
    r->checked = rtc_now(r);
    guest_irq_set(&r->irq, r->cmos[RTC_C] & FLAG_ALL);
    return ERR_OK;
}

STATE_TABLE_HOOKS(rtc_state, "RTC", 1, NULL, rtc_loaded, STATE_ARRAY(struct rtc, cmos, 1),
                  STATE_FIELD(struct rtc, index, 1), STATE_FIELD(struct rtc, offset, 1),
                  STATE_FIELD(struct rtc, timer.deadline, 1));

static const struct device_ops rtc_ops = {
    .name = "RTC",
    .read = rtc_read,
    .write = rtc_write,
    .reset = rtc_reset,
    .destroy = rtc_destroy,
    .lockless = true, /* its own lock is taken with interrupts masked */
    .state = &rtc_state,
    .state_offset = offsetof(struct rtc, device),
};

enum err x86_rtc_create(struct vm *vm)
{
    struct rtc *r = heap_zalloc(sizeof(*r));

    if (!r)
        return ERR_NO_MEMORY;
    spin_init(&r->lock, &rtc_lock_class);
    device_init(&r->device, &rtc_ops, vm);
    guest_timer_init(&r->timer, &vm->clock, rtc_fired);
    guest_irq_init(&r->irq, vm, PIN_RTC);
    r->cmos[RTC_A] = A_RUNS | 6; /* 1024 Hz, as firmware leaves it */
    r->cmos[RTC_B] = B_24_HOURS;
    r->checked = rtc_now(r);
    describe_memory(r);
    return bus_add(
        &vm->ports,
        &(struct bus_region){
            .base = PORT_RTC, .size = 2, .device = &r->device, .min_size = 1, .max_size = 1});
}
