/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The guest's GICv3: the software state here is the truth, list registers are a cache of what a
 * vCPU may take next. They are filled before an entry when there is news, and folded back after the
 * exit. Private interrupts have their vCPU's lock, shared ones the controller's (both RANK_IRQCHIP,
 * in this order); a vCPU without news takes none, and without shared interrupts pending only its
 * own.
 */
#include "arch/aarch64/guest/machine.h"
#include "kernel/log.h"
#include "mm/heap.h"

LOCK_CLASS(vgic_class, "guest interrupt controller", RANK_IRQCHIP);

#define SGI_COUNT 16

/* ---- Changes ---- */

void vgic_news(struct vcpu *v)
{
    __atomic_store_n(&arm_vcpu(v)->news, 1, __ATOMIC_RELEASE);
    vcpu_request(v, VCPU_REQUEST_IRQ);
}

static uint32_t bank_pending(const struct vgic_bank *b)
{
    return b->latch | (b->level & ~b->edge);
}

/* What list registers may show: enabled and pending, or active. */
static uint32_t bank_busy(const struct vgic_bank *b)
{
    return (bank_pending(b) & b->enabled) | b->active;
}

static void irq_changed(struct vm *vm, unsigned irq)
{
    unsigned target = arm_machine(vm)->vgic->target[irq];

    if (target < vm->vcpu_count && vm->vcpus[target])
        vgic_news(vm->vcpus[target]);
}

void vgic_bank_changed(struct vm *vm, unsigned bank)
{
    for (uint32_t busy = bank_busy(&arm_machine(vm)->vgic->banks[bank]); busy; busy &= busy - 1)
        irq_changed(vm, bank * 32 + (unsigned)__builtin_ctz(busy));
}

/* A line's new level: an edge-triggered interrupt latches its rise. True when that matters to
 * somebody. */
static bool bank_set_level(struct vgic_bank *b, uint32_t bit, bool level)
{
    uint32_t before = bank_busy(b);

    if (level && !(b->level & bit) && b->edge & bit)
        b->latch |= bit;
    b->level = level ? b->level | bit : b->level & ~bit;
    return (before ^ bank_busy(b)) & bit;
}

static void vgic_set_pin(struct vm *vm, unsigned pin, bool level)
{
    struct vgic *g = arm_machine(vm)->vgic;
    unsigned irq = pin + 32;
    uint64_t flags = spin_lock_irq(&g->lock);

    if (bank_set_level(&g->banks[irq / 32], 1u << irq % 32, level))
        irq_changed(vm, irq);
    spin_unlock_irq(&g->lock, flags);
}

void vgic_pulse(struct vm *vm, unsigned irq)
{
    struct vgic *g = arm_machine(vm)->vgic;
    struct vgic_bank *b = &g->banks[irq / 32];
    uint64_t flags = spin_lock_irq(&g->lock);
    bool news = bank_set_level(b, 1u << irq % 32, true);

    if (bank_set_level(b, 1u << irq % 32, false) || news)
        irq_changed(vm, irq);
    spin_unlock_irq(&g->lock, flags);
}

void vgic_set_private(struct vcpu *v, unsigned irq, bool level)
{
    struct arm_vcpu *a = arm_vcpu(v);
    uint64_t flags = spin_lock_irq(&a->lock);

    if (bank_set_level(&a->bank, 1u << irq, level))
        vgic_news(v);
    spin_unlock_irq(&a->lock, flags);
}

static void sgi_to(struct vcpu *v, unsigned sgi)
{
    uint64_t flags;

    if (!v)
        return;
    flags = spin_lock_irq(&arm_vcpu(v)->lock);
    arm_vcpu(v)->bank.latch |= 1u << sgi;
    vgic_news(v);
    spin_unlock_irq(&arm_vcpu(v)->lock, flags);
}

/* ICC_SGI1R_EL1, 12.2.21 */
void vgic_send_sgi(struct vcpu *v, uint64_t value)
{
    unsigned sgi = value >> 24 & 15;
    uint64_t cluster = (value >> 16 & 0xff) << 8 | (value >> 32 & 0xff) << 16 |
                       (value >> 48 & 0xff) << 32 | (value >> 44 & 15) << 4;

    if (value & BIT(40)) { /* IRM: all but this one */
        for (unsigned i = 0; i < v->vm->vcpu_count; i++)
            if (i != v->id)
                sgi_to(v->vm->vcpus[i], sgi);
        return;
    }
    for (uint32_t list = value & 0xffff; list; list &= list - 1)
        sgi_to(arm_vcpu_by_affinity(v->vm, cluster | (unsigned)__builtin_ctz(list)), sgi);
}

/* ---- List registers ---- */

struct candidate {
    uint16_t irq;
    uint8_t priority;
};

/* Keeps the `room` most urgent: lower numbers first (4.8). Returns false when something had to stay
 * outside. */
static bool candidate_add(struct candidate *list, unsigned *count, unsigned room,
                          struct candidate c)
{
    unsigned at = *count;
    bool fits = at < room;

    if (!fits) {
        /* All `room` entries are filled here: NOLINTNEXTLINE(clang-analyzer-core.*) */
        if (list[room - 1].priority <= c.priority)
            return false;
        at = room - 1;
    } else {
        (*count)++;
    }
    while (at && list[at - 1].priority > c.priority) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = c;
    return fits;
}

static bool collect_bank(const struct vgic *g, const struct vgic_bank *b, unsigned bank,
                         unsigned vcpu, struct candidate *list, unsigned *count, unsigned room)
{
    bool all = true;

    for (uint32_t busy = bank_busy(b); busy; busy &= busy - 1) {
        unsigned bit = (unsigned)__builtin_ctz(busy), irq = bank * 32 + bit;
        /* What is active has to be there at its end: it goes first. */
        uint8_t priority = b->active >> bit & 1 ? 0 : b->priority[bit];

        if (bank && g->target[irq] != vcpu)
            continue;
        if (!candidate_add(list, count, room, (struct candidate){(uint16_t)irq, priority}))
            all = false;
    }
    return all;
}

static struct vgic_bank *bank_of(struct vcpu *v, unsigned irq)
{
    return irq < 32 ? &arm_vcpu(v)->bank : &arm_machine(v->vm)->vgic->banks[irq / 32];
}

/* The list register for `irq`; what it holds pending leaves the latch. */
static uint64_t make_lr(struct vcpu *v, unsigned irq)
{
    struct vgic_bank *b = bank_of(v, irq);
    uint32_t bit = 1u << irq % 32;
    uint64_t lr = irq | (uint64_t)b->priority[irq % 32] << ARM_LR_PRIORITY |
                  (b->group & bit ? ARM_LR_GROUP1 : 0);
    bool pending = bank_pending(b) & b->enabled & bit;

    if (irq == PPI_VIRTUAL_TIMER) {
        /* Tied to the hardware's interrupt, which stays active until the guest's end of interrupt:
         * no state but one at a time. */
        return lr | ARM_LR_HW | (uint64_t)irq << ARM_LR_PINTID |
               (b->active & bit ? ARM_LR_ACTIVE : ARM_LR_PENDING);
    }
    if (b->active & bit)
        lr |= ARM_LR_ACTIVE;
    if (pending && b->edge & bit)
        lr |= ARM_LR_PENDING;
    else if (pending && !(b->active & bit))
        lr |= ARM_LR_PENDING;
    if (b->level & ~b->edge & bit)
        lr |= ARM_LR_EOI; /* looked at again when the guest is done with it */
    b->latch &= ~bit;
    return lr;
}

/* Without the lock: a change that this misses comes with news of its own. */
static bool shared_busy(const struct vgic *g)
{
    uint32_t busy = 0;

    for (unsigned i = 1; i < VGIC_BANKS; i++) {
        const volatile struct vgic_bank *b = &g->banks[i];

        busy |= ((b->latch | b->level) & b->enabled) | b->active;
    }
    return busy;
}

static void fill(struct vcpu *v)
{
    struct vgic *g = arm_machine(v->vm)->vgic;
    struct arm_vcpu *a = arm_vcpu(v);
    struct arm_gic *s = &arm_state(v)->gic;
    struct candidate list[ARM_LR_MAX];
    unsigned count = 0, room = s->lr_count;
    bool shared = shared_busy(g), all;

    spin_lock(&a->lock);
    if (shared)
        spin_lock_nested(&g->lock);
    all = collect_bank(g, &a->bank, 0, v->id, list, &count, room);
    for (unsigned i = 1; shared && i < VGIC_BANKS; i++)
        all &= collect_bank(g, &g->banks[i], i, v->id, list, &count, room);
    s->lr_new = 0;
    for (unsigned i = 0; i < count; i++) {
        s->lr[i] = make_lr(v, list[i].irq);
        s->lr_new |= s->lr[i] & ARM_LR_PENDING ? 1u << i : 0;
    }
    if (shared)
        spin_unlock(&g->lock);
    spin_unlock(&a->lock);
    s->lr_used = count;
    s->hcr = ARM_ICH_EN | (all ? 0 : ARM_ICH_UIE);
}

/* Masked. The virtual timer's line may have gone down by a register write that nobody saw. */
static void timer_line_check(struct vcpu *v)
{
    struct arm_timer *t = &arm_state(v)->timer;

    if (!(arm_vcpu(v)->bank.level >> PPI_VIRTUAL_TIMER & 1))
        return;
    vcpu_need(v, ARM_TIMER);
    if ((t->cntv_ctl & (ARM_TIMER_ENABLE | ARM_TIMER_IMASK | ARM_TIMER_STATUS)) ==
        (ARM_TIMER_ENABLE | ARM_TIMER_STATUS))
        return;
    vgic_set_private(v, PPI_VIRTUAL_TIMER, false);
    arm_state(v)->gic.timer_held = arm_vcpu(v)->bank.active >> PPI_VIRTUAL_TIMER & 1;
    /* When the guest is handling it, its own end of interrupt comes. */
    arm_state(v)->gic.timer_drop = !arm_state(v)->gic.timer_held;
}

void vgic_before_run(struct vcpu *v)
{
    struct arm_gic *s = &arm_state(v)->gic;

    v->irq_news = true; /* the timer's line is looked at before each entry */
    timer_line_check(v);
    s->lr_used = 0;
    s->hcr = ARM_ICH_EN;
    if (__atomic_exchange_n(&arm_vcpu(v)->news, 0, __ATOMIC_ACQ_REL))
        fill(v);
}

/* Takes one list register back into the software state. */
static void fold(struct vcpu *v, uint64_t lr)
{
    unsigned irq = lr & 0x3ff;
    struct vgic_bank *b = bank_of(v, irq);
    uint32_t bit = 1u << irq % 32;

    b->active = lr & ARM_LR_ACTIVE ? b->active | bit : b->active & ~bit;
    if (irq == PPI_VIRTUAL_TIMER) {
        arm_state(v)->gic.timer_held = lr & (ARM_LR_ACTIVE | ARM_LR_PENDING);
        /* Done: the hardware raises it again if the timer still asks. */
        if (!(lr & (ARM_LR_ACTIVE | ARM_LR_PENDING)))
            b->level &= ~bit;
        return;
    }
    if (lr & ARM_LR_PENDING && b->edge & bit)
        b->latch |= bit;
}

void vgic_after_run(struct vcpu *v)
{
    struct vgic *g = arm_machine(v->vm)->vgic;
    struct arm_gic *s = &arm_state(v)->gic;

    if (!s->lr_used)
        return;
    spin_lock(&arm_vcpu(v)->lock);
    for (unsigned i = 0; i < s->lr_used; i++) {
        bool shared = (s->lr[i] & 0x3ff) >= 32;

        if (shared)
            spin_lock_nested(&g->lock);
        fold(v, s->lr[i]);
        if (s->lr_new >> i & 1 && !(s->lr[i] & ARM_LR_PENDING))
            v->stats.injected++; /* the guest took it */
        if (shared)
            spin_unlock(&g->lock);
    }
    spin_unlock(&arm_vcpu(v)->lock);
    s->lr_used = 0;
    /* What is still active or pending, or did not fit, goes in again. */
    __atomic_store_n(&arm_vcpu(v)->news, 1, __ATOMIC_RELEASE);
}

static bool bank_wakes(const struct vgic *g, const volatile struct vgic_bank *b, unsigned bank,
                       unsigned vcpu)
{
    uint32_t ready = (b->latch | (b->level & ~b->edge)) & b->enabled & ~b->active;

    for (; ready; ready &= ready - 1)
        if (!bank || g->target[bank * 32 + (unsigned)__builtin_ctz(ready)] == vcpu)
            return true;
    return false;
}

/* Without locks: what changes after this looked wakes the vCPU. */
bool vgic_has_work(struct vcpu *v)
{
    const struct vgic *g = arm_machine(v->vm)->vgic;
    bool work = bank_wakes(g, &arm_vcpu(v)->bank, 0, v->id);

    for (unsigned i = 1; i < VGIC_BANKS && !work; i++)
        work = bank_wakes(g, &g->banks[i], i, v->id);
    return work;
}

/* ---- Life ---- */

static void timer_fired(struct vcpu *v)
{
    arm_state(v)->gic.timer_held = true;
    vgic_set_private(v, PPI_VIRTUAL_TIMER, true);
}

void vgic_vcpu_init(struct vcpu *v)
{
    struct arm_vcpu *a = arm_vcpu(v);

    spin_init(&a->lock, &vgic_class);
    arm_state(v)->gic.timer_fired = timer_fired;
    a->bank.edge = BIT(SGI_COUNT) - 1;
    a->sleeping = true;
}

enum err vgic_create(struct vm *vm)
{
    struct vgic *g = heap_zalloc(sizeof(*g));
    struct bus_region region = {
        .base = MACHINE_GICD_BASE, .size = MACHINE_GICD_SIZE, .min_size = 1, .max_size = 8};
    enum err err;

    if (!g)
        return ERR_NO_MEMORY;
    spin_init(&g->lock, &vgic_class);
    arm_machine(vm)->vgic = g;
    vm->irqchip = &vgic_ops;
    device_init(&g->distributor, &vgic_distributor_ops, vm);
    device_init(&g->redistributors, &vgic_redistributor_ops, vm);
    region.device = &g->distributor;
    err = bus_add(&vm->mmio, &region);
    if (err != ERR_OK)
        return err;
    region.base = MACHINE_GICR_BASE;
    region.size = MACHINE_GICR_SIZE * vm->config->cpus;
    region.device = &g->redistributors;
    err = bus_add(&vm->mmio, &region);
    return err == ERR_OK ? gicv2m_create(vm) : err;
}

const struct irqchip_ops vgic_ops = {
    .name = "GICv3",
    .pins = VGIC_PINS,
    .set_pin = vgic_set_pin,
    .msi = gicv2m_msi,
};
