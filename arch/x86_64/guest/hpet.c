/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The high precision event timer (IA-PC HPET Specification 1.0a): a 64-bit counter of 100 MHz and
 * three timers, each one-shot or periodic, on I/O APIC pins 20 to 23 or in place of the old timers.
 *
 * Ticks are those of the guest's clock: the counter is `base` more than they while it runs. What a
 * timer waits for is a tick too. Its interrupt handler works out anew, under the lock, what is due;
 * so timers are never cancelled, and one that fires for nothing does no harm.
 */
#include "arch/x86_64/guest/machine.h"
#include "mm/heap.h"

#define TIMERS  3
#define TICK_NS 10

#define REG_CAPABILITIES 0x000
#define REG_CONFIG       0x010
#define REG_STATUS       0x020
#define REG_COUNTER      0x0f0
#define REG_TIMERS       0x100
#define TIMER_STRIDE     0x20
#define TIMER_CONFIG     0x00
#define TIMER_COMPARATOR 0x08

/* 2.3.4: period in fs, vendor, legacy replacement, 64 bits, number of timers, revision. */
#define CAPABILITIES ((uint64_t)TICK_NS * 1000000 << 32 | X86_HPET_ID)
_Static_assert(X86_HPET_ID == (0x8086u << 16 | BIT(15) | BIT(13) | (TIMERS - 1) << 8 | 1), "2.3.4");

#define CONFIG_ENABLE BIT(0)
#define CONFIG_LEGACY BIT(1)

/* 2.3.8 */
#define TIMER_LEVEL        BIT(1)
#define TIMER_ENABLE       BIT(2)
#define TIMER_PERIODIC     BIT(3)
#define TIMER_CAN_PERIODIC BIT(4)
#define TIMER_64BIT        BIT(5)
#define TIMER_SET_VALUE    BIT(6)
#define TIMER_32BIT        BIT(8)
#define TIMER_ROUTE(c)     (((c) >> 9) & 31)
#define TIMER_WRITABLE     (BITS(13, 8) | TIMER_LEVEL | TIMER_ENABLE | TIMER_PERIODIC | TIMER_SET_VALUE)
#define TIMER_ROUTES       0x00f00000ULL
#define TIMER_FIXED        (TIMER_ROUTES << 32 | TIMER_CAN_PERIODIC | TIMER_64BIT)

#define PIN_LEGACY_0 2 /* IRQ 0 as the I/O APIC has it */
#define PIN_LEGACY_1 8

#define NEVER        UINT64_MAX
#define FAR_TICKS    (UINT64_MAX / TICK_NS / 2)
#define PERIOD_LEAST 5000 /* ticks: what a guest programs may not keep the host busy */

struct hpet;

struct hpet_timer {
    struct hpet *hpet;
    uint64_t config, comparator, period;
    uint64_t due; /* tick, NEVER */
    struct guest_timer timer;
    struct guest_irq irq;
};

struct hpet {
    struct device device;
    struct spinlock lock; /* everything below */
    uint64_t config, status;
    uint64_t base; /* the counter while it stands; what to add to ticks while it runs */
    struct hpet_timer timers[TIMERS];
};

LOCK_CLASS(hpet_lock_class, "guest HPET", RANK_DEVICE);

static uint64_t ticks(const struct hpet *h)
{
    return guest_clock_ns(&h->device.vm->clock) / TICK_NS;
}

static uint64_t counter(const struct hpet *h)
{
    return h->config & CONFIG_ENABLE ? h->base + ticks(h) : h->base;
}

static unsigned timer_index(const struct hpet_timer *t)
{
    return (unsigned)(t - t->hpet->timers);
}

/* ---- Interrupts ---- */

/* Pin of timer `t`, IOAPIC_PINS when it has none. */
static unsigned timer_pin(const struct hpet_timer *t)
{
    unsigned route = (unsigned)TIMER_ROUTE(t->config), n = timer_index(t);

    if ((t->hpet->config & CONFIG_LEGACY) && n < 2)
        return n == 0 ? PIN_LEGACY_0 : PIN_LEGACY_1;
    return TIMER_ROUTES & BIT(route) ? route : IOAPIC_PINS;
}

/* Brings the pin in line with configuration and status. */
static void timer_wire(struct hpet_timer *t)
{
    unsigned pin = timer_pin(t);

    if (pin != t->irq.pin) {
        guest_irq_set(&t->irq, false);
        guest_irq_init(&t->irq, t->hpet->device.vm, pin);
    }
    guest_irq_set(&t->irq, (t->config & TIMER_LEVEL) && (t->config & TIMER_ENABLE) &&
                               (t->hpet->status & BIT(timer_index(t))));
}

static void timer_match(struct hpet_timer *t)
{
    if (t->config & TIMER_LEVEL) {
        t->hpet->status |= BIT(timer_index(t));
        timer_wire(t);
    } else {
        guest_irq_pulse(&t->irq);
    }
}

/* ---- Time ---- */

static uint64_t timer_mask(const struct hpet_timer *t)
{
    return t->config & TIMER_32BIT ? UINT32_MAX : UINT64_MAX;
}

static void timer_arm(struct hpet_timer *t)
{
    if (t->due != NEVER)
        guest_timer_set(&t->timer, t->due * TICK_NS);
}

/* Works out the next match from the comparator. `now`: a tick. */
static void timer_start(struct hpet_timer *t, uint64_t now)
{
    uint64_t mask = timer_mask(t), value = t->hpet->base + now, left;

    t->due = NEVER;
    if (!(t->hpet->config & CONFIG_ENABLE) || !(t->config & TIMER_ENABLE))
        return;
    left = (t->comparator - value) & mask;
    if ((t->config & TIMER_PERIODIC) && t->period && left > t->period) {
        /* The comparator has been passed: on to its next multiple. */
        left = t->period - ((value - t->comparator) & mask) % t->period;
        t->comparator = (value + left) & mask;
    }
    if (left < FAR_TICKS)
        t->due = now + left;
    timer_arm(t);
}

/* After a match: the next one. */
static void timer_next(struct hpet_timer *t, uint64_t now)
{
    uint64_t period = t->period;

    if (!(t->config & TIMER_PERIODIC) || !period) {
        t->due = t->config & TIMER_32BIT ? t->due + BIT(32) : NEVER;
        return;
    }
    /* One interrupt stands for all that were missed, and no more than the host can bear. */
    period *= DIV_ROUND_UP(MAX(now - t->due + 1, (uint64_t)PERIOD_LEAST), period);
    t->comparator = (t->comparator + period) & timer_mask(t);
    t->due += period;
}

static void timer_fired(struct guest_timer *timer)
{
    struct hpet_timer *t = container_of(timer, struct hpet_timer, timer);
    uint64_t flags = spin_lock_irq(&t->hpet->lock);
    uint64_t now = ticks(t->hpet);

    if (t->due <= now) {
        timer_match(t);
        timer_next(t, now);
    }
    timer_arm(t);
    spin_unlock_irq(&t->hpet->lock, flags);
}

/* ---- Registers ---- */

static uint64_t register_read(struct hpet *h, uint64_t at)
{
    unsigned n = (unsigned)((at - REG_TIMERS) / TIMER_STRIDE);

    switch (at) {
    case REG_CAPABILITIES:
        return CAPABILITIES;
    case REG_CONFIG:
        return h->config;
    case REG_STATUS:
        return h->status;
    case REG_COUNTER:
        return counter(h);
    default:
        break;
    }
    if (at < REG_TIMERS || n >= TIMERS)
        return 0;
    if (at % TIMER_STRIDE == TIMER_CONFIG)
        return h->timers[n].config | TIMER_FIXED;
    return at % TIMER_STRIDE == TIMER_COMPARATOR ? h->timers[n].comparator : 0;
}

static void write_config(struct hpet *h, uint64_t value)
{
    uint64_t now = ticks(h), changed = h->config ^ value;

    h->config = value & (CONFIG_ENABLE | CONFIG_LEGACY);
    if (changed & CONFIG_ENABLE)
        h->base = value & CONFIG_ENABLE ? h->base - now : h->base + now;
    x86_machine(h->device.vm)->hpet_legacy = value & CONFIG_LEGACY;
    for (unsigned n = 0; n < TIMERS; n++) {
        timer_wire(&h->timers[n]);
        timer_start(&h->timers[n], now);
    }
}

static void write_counter(struct hpet *h, uint64_t value)
{
    uint64_t now = ticks(h);

    h->base = h->config & CONFIG_ENABLE ? value - now : value;
    for (unsigned n = 0; n < TIMERS; n++)
        timer_start(&h->timers[n], now);
}

/* 2.3.9.2.2: a periodic timer's comparator is written with the value-set bit, and its period
 * follows. */
static void write_comparator(struct hpet_timer *t, uint64_t value)
{
    value &= timer_mask(t);
    if (!(t->config & TIMER_PERIODIC) || (t->config & TIMER_SET_VALUE))
        t->comparator = value;
    if (t->config & TIMER_PERIODIC)
        t->period = value;
    t->config &= ~TIMER_SET_VALUE;
    timer_start(t, ticks(t->hpet));
}

static void write_timer_config(struct hpet_timer *t, uint64_t value)
{
    t->config = value & TIMER_WRITABLE;
    t->comparator &= timer_mask(t);
    t->period &= timer_mask(t);
    timer_wire(t);
    timer_start(t, ticks(t->hpet));
}

static void register_write(struct hpet *h, uint64_t at, uint64_t value)
{
    unsigned n = (unsigned)((at - REG_TIMERS) / TIMER_STRIDE);

    switch (at) {
    case REG_CONFIG:
        write_config(h, value);
        return;
    case REG_STATUS:
        h->status &= ~value;
        for (n = 0; n < TIMERS; n++)
            timer_wire(&h->timers[n]);
        return;
    case REG_COUNTER:
        write_counter(h, value);
        return;
    default:
        break;
    }
    if (at < REG_TIMERS || n >= TIMERS)
        return;
    if (at % TIMER_STRIDE == TIMER_CONFIG)
        write_timer_config(&h->timers[n], value);
    else if (at % TIMER_STRIDE == TIMER_COMPARATOR)
        write_comparator(&h->timers[n], value);
}

static uint64_t hpet_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                          unsigned size)
{
    struct hpet *h = container_of(d, struct hpet, device);
    uint64_t flags, value;

    (void)vcpu, (void)region;
    if (!IS_ALIGNED(offset, size))
        return UINT64_MAX;
    flags = spin_lock_irq(&h->lock);
    value = register_read(h, ALIGN_DOWN(offset, 8));
    spin_unlock_irq(&h->lock, flags);
    return value >> (8 * (offset % 8));
}

static void hpet_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                       unsigned size, uint64_t value)
{
    struct hpet *h = container_of(d, struct hpet, device);
    uint64_t at = ALIGN_DOWN(offset, 8), mask = size == 8 ? UINT64_MAX : UINT32_MAX, old, flags;
    unsigned shift = 8 * (offset % 8);

    (void)vcpu, (void)region;
    if (!IS_ALIGNED(offset, size))
        return;
    flags = spin_lock_irq(&h->lock);
    old = at == REG_STATUS ? 0 : register_read(h, at); /* status: ones clear */
    register_write(h, at, (old & ~(mask << shift)) | (value & mask) << shift);
    spin_unlock_irq(&h->lock, flags);
}

/* ---- Life ---- */

static void hpet_reset(struct device *d)
{
    struct hpet *h = container_of(d, struct hpet, device);
    uint64_t flags = spin_lock_irq(&h->lock);

    h->config = h->status = h->base = 0;
    x86_machine(d->vm)->hpet_legacy = false;
    for (unsigned n = 0; n < TIMERS; n++) {
        struct hpet_timer *t = &h->timers[n];

        t->config = t->period = 0;
        t->comparator = UINT64_MAX;
        t->due = NEVER;
        timer_wire(t);
    }
    spin_unlock_irq(&h->lock, flags);
}

static void hpet_destroy(struct device *d)
{
    struct hpet *h = container_of(d, struct hpet, device);

    for (unsigned n = 0; n < TIMERS; n++)
        guest_timer_destroy(&h->timers[n].timer);
    heap_free(h);
}

static enum err hpet_loaded(void *object)
{
    struct hpet *h = object;

    if (h->config & ~(CONFIG_ENABLE | CONFIG_LEGACY))
        return ERR_INVALID;
    x86_machine(h->device.vm)->hpet_legacy = h->config & CONFIG_LEGACY;
    for (unsigned n = 0; n < TIMERS; n++) {
        struct hpet_timer *t = &h->timers[n];

        if ((t->config & ~TIMER_WRITABLE) || (t->due != NEVER && t->due > NEVER / TICK_NS))
            return ERR_INVALID;
        t->timer.deadline = t->due == NEVER ? NEVER : t->due * TICK_NS;
        timer_wire(t);
    }
    return ERR_OK;
}

#define TIMER_STATE(n)                                     \
    STATE_FIELD(struct hpet, timers[n].config, 1),         \
        STATE_FIELD(struct hpet, timers[n].comparator, 1), \
        STATE_FIELD(struct hpet, timers[n].period, 1), STATE_FIELD(struct hpet, timers[n].due, 1)

STATE_TABLE_HOOKS(hpet_state, "HPET", 1, NULL, hpet_loaded, STATE_FIELD(struct hpet, config, 1),
                  STATE_FIELD(struct hpet, status, 1), STATE_FIELD(struct hpet, base, 1),
                  TIMER_STATE(0), TIMER_STATE(1), TIMER_STATE(2));

static const struct device_ops hpet_ops = {
    .name = "HPET",
    .read = hpet_read,
    .write = hpet_write,
    .reset = hpet_reset,
    .destroy = hpet_destroy,
    .lockless = true, /* its own lock is taken with interrupts masked */
    .state = &hpet_state,
    .state_offset = offsetof(struct hpet, device),
};

enum err x86_hpet_create(struct vm *vm)
{
    struct hpet *h = heap_zalloc(sizeof(*h));

    if (!h)
        return ERR_NO_MEMORY;
    spin_init(&h->lock, &hpet_lock_class);
    device_init(&h->device, &hpet_ops, vm);
    for (unsigned n = 0; n < TIMERS; n++) {
        h->timers[n].hpet = h;
        guest_timer_init(&h->timers[n].timer, &vm->clock, timer_fired);
        guest_irq_init(&h->timers[n].irq, vm, IOAPIC_PINS);
    }
    hpet_reset(&h->device);
    return bus_add(&vm->mmio, &(struct bus_region){.base = HPET_BASE,
                                                   .size = HPET_SIZE,
                                                   .device = &h->device,
                                                   .min_size = 4,
                                                   .max_size = 8});
}
