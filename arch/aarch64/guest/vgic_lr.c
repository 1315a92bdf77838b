/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * List registers of the guest's GIC: a cache of what a vCPU may take next (ARM_LIST). They are
 * left alone from exit to exit, and when there is news folded back into the software state and
 * filled anew.
 */
#include "arch/aarch64/guest/vgic.h"

#define LR_STATE (ARM_LR_PENDING | ARM_LR_ACTIVE)
#define LR_IRQ   0x3ffu
#define LR_CPU   10 /* GICv2: who sent a software interrupt, three bits */

static struct vgic_bank *bank_of(struct vcpu *v, unsigned irq)
{
    return irq < 32 ? &arm_vcpu(v)->bank : &arm_machine(v->vm)->vgic->banks[irq / 32];
}

/* ---- Back ---- */

/* Takes one list register back into the software state. */
static void fold(struct vcpu *v, uint64_t lr)
{
    unsigned irq = lr & LR_IRQ;
    struct vgic_bank *b = bank_of(v, irq);
    uint32_t bit = 1u << irq % 32;

    b->active = lr & ARM_LR_ACTIVE ? b->active | bit : b->active & ~bit;
    if (lr & ARM_LR_HW) {
        /* Done: the hardware raises it again if the timer still asks. */
        if (!(lr & LR_STATE))
            b->level &= ~bit;
    } else if (lr & ARM_LR_PENDING && b->edge & bit) {
        b->latch |= bit;
        if (irq < VGIC_SGI_COUNT)
            arm_vcpu(v)->sgi_pending[irq] |= (uint8_t)(1u << (lr >> LR_CPU & 7));
    }
    if (irq < VGIC_SGI_COUNT)
        arm_vcpu(v)->sgi_active[irq] = lr >> LR_CPU & 7;
    if (irq >= 32)
        vgic_bank_settle(arm_machine(v->vm)->vgic, irq / 32);
}

/* The most urgent active interrupt of `b`, if it is more urgent than `*priority`. */
static bool most_urgent(const struct vgic *g, const struct vgic_bank *b, unsigned bank,
                        unsigned vcpu, unsigned *priority, unsigned *irq)
{
    bool found = false;

    for (uint32_t active = b->active; active; active &= active - 1) {
        unsigned bit = (unsigned)__builtin_ctz(active);

        if (b->priority[bit] >= *priority || (bank && g->target[bank * 32 + bit] != vcpu))
            continue;
        *priority = b->priority[bit];
        *irq = bank * 32 + bit;
        found = true;
    }
    return found;
}

/* Ends of interrupts that had no list register: the guest ends the most urgent one first. */
static void fold_unlisted(struct vcpu *v, unsigned count)
{
    struct vgic *g = arm_machine(v->vm)->vgic;

    while (count--) {
        unsigned priority = 0x100, irq = 0;
        bool found = false;

        for (unsigned i = 0; i < VGIC_BANKS; i++)
            found |=
                most_urgent(g, i ? &g->banks[i] : &arm_vcpu(v)->bank, i, v->id, &priority, &irq);
        if (!found)
            return;
        bank_of(v, irq)->active &= ~(1u << irq % 32);
    }
}

/* Both locks held, ARM_LIST valid. */
static void fold_all(struct vcpu *v)
{
    struct arm_gic *s = &arm_state(v)->gic;

    for (unsigned i = 0; i < s->lr_used; i++) {
        fold(v, s->lr[i]);
        /* Went in as pending and is not any more: the guest took it. */
        if (arm_vcpu(v)->lr_new >> i & 1 && !(s->lr[i] & ARM_LR_PENDING))
            vcpu_injected(v, 1, (uint32_t)s->lr[i]);
    }
    s->lr_used = 0;
    fold_unlisted(v, s->hcr >> ARM_ICH_EOI_COUNT & 0x1f);
    s->hcr = ARM_ICH_EN;
}

/* Are the shared interrupts concerned? Without their lock: a change that this misses comes with
 * news of its own. */
static bool needs_shared(const struct vgic *g, const struct arm_gic *s)
{
    bool needed = READ_ONCE(g->busy);

    for (unsigned i = 0; i < s->lr_used; i++)
        needed |= (s->lr[i] & LR_IRQ) >= 32;
    return needed;
}

/* Masked. Returns whether the shared lock was taken. */
static bool lock_both(struct vcpu *v)
{
    struct vgic *g = arm_machine(v->vm)->vgic;
    bool shared;

    spin_lock(&arm_vcpu(v)->lock);
    shared = needs_shared(g, &arm_state(v)->gic);
    if (shared)
        spin_lock_nested(&g->lock);
    return shared;
}

static void unlock_both(struct vcpu *v, bool shared)
{
    if (shared)
        spin_unlock(&arm_machine(v->vm)->vgic->lock);
    spin_unlock(&arm_vcpu(v)->lock);
}

void vgic_sync(struct vcpu *v)
{
    uint64_t flags = host_irq_save();

    if (arm_state(v)->gic.lr_used) {
        bool shared;

        vcpu_dirty(v, ARM_LIST);
        shared = lock_both(v);
        fold_all(v);
        unlock_both(v, shared);
        v->irq_news = true;
    }
    host_irq_restore(flags);
}

void vgic_timer_fired(struct vcpu *v)
{
    struct arm_vcpu *a = arm_vcpu(v);

    vgic_sync(v);
    spin_lock(&a->lock);
    a->bank.level |= 1u << PPI_VIRTUAL_TIMER;
    arm_state(v)->gic.timer_held = true;
    spin_unlock(&a->lock);
    v->irq_news = true;
}

void vgic_maintenance(struct vcpu *v)
{
    v->irq_news = true;
}

/* ---- And forth ---- */

struct candidate {
    uint16_t irq;
    uint8_t priority;
};

struct choice {
    struct candidate list[ARM_LR_MAX];
    unsigned count, room;
    bool all;        /* nothing had to stay outside */
    bool all_active; /* nothing active had to */
};

/* Keeps the `room` most urgent: lower numbers first (4.8). */
static void choose(struct choice *c, struct candidate new, bool active)
{
    unsigned at = c->count;

    if (at < c->room) {
        c->count++;
    } else {
        c->all = false;
        if (!c->room || c->list[c->room - 1].priority <= new.priority) {
            c->all_active &= !active;
            return;
        }
        at = c->room - 1;
    }
    for (; at && c->list[at - 1].priority > new.priority; at--)
        c->list[at] = c->list[at - 1];
    c->list[at] = new;
}

static void choose_from(const struct vgic *g, const struct vgic_bank *b, unsigned bank,
                        unsigned vcpu, struct choice *c)
{
    for (uint32_t busy = vgic_bank_busy(g, b); busy; busy &= busy - 1) {
        unsigned bit = (unsigned)__builtin_ctz(busy), irq = bank * 32 + bit;
        bool active = b->active >> bit & 1;

        if (bank && g->target[irq] != vcpu)
            continue;
        /* What is active has to be there at its end: it goes first. */
        choose(c, (struct candidate){(uint16_t)irq, active ? 0 : b->priority[bit]}, active);
    }
}

/* GICv2: the next of the vCPUs that sent `irq` to `v`. It stays latched for the others, and they
 * get their turn when the guest is done with this one. */
static uint64_t make_sgi(struct vcpu *v, unsigned irq)
{
    struct arm_vcpu *a = arm_vcpu(v);
    uint32_t bit = 1u << irq;
    uint64_t lr = irq | (uint64_t)a->bank.priority[irq] << ARM_LR_PRIORITY |
                  (a->bank.group & bit ? ARM_LR_GROUP1 : 0);

    if (a->bank.active & bit) {
        lr |= ARM_LR_ACTIVE | (uint64_t)a->sgi_active[irq] << LR_CPU;
    } else if (a->sgi_pending[irq]) {
        lr |= ARM_LR_PENDING | (uint64_t)__builtin_ctz(a->sgi_pending[irq]) << LR_CPU;
        a->sgi_pending[irq] &= (uint8_t)(a->sgi_pending[irq] - 1);
    }
    if (!a->sgi_pending[irq])
        a->bank.latch &= ~bit;
    return lr | (a->bank.latch & bit ? ARM_LR_EOI : 0);
}

/* The list register for `irq`; what it holds pending leaves the latch. */
static uint64_t make_lr(struct vcpu *v, unsigned irq)
{
    const struct vgic *g = arm_machine(v->vm)->vgic;
    struct vgic_bank *b = bank_of(v, irq);
    uint32_t bit = 1u << irq % 32;
    uint64_t lr = irq | (uint64_t)b->priority[irq % 32] << ARM_LR_PRIORITY |
                  (b->group & bit ? ARM_LR_GROUP1 : 0);
    bool pending = vgic_bank_pending(b) & vgic_bank_enabled(g, b) & bit;

    if (g->v2 && irq < VGIC_SGI_COUNT)
        return make_sgi(v, irq);
    /* Tied to the hardware's interrupt, which stays active until the guest's end of interrupt: no
     * state but one at a time. */
    if (irq == PPI_VIRTUAL_TIMER && arm_state(v)->gic.timer_held)
        return lr | ARM_LR_HW | irq * BIT(ARM_LR_PINTID) |
               (b->active & bit ? ARM_LR_ACTIVE : ARM_LR_PENDING);
    if (b->active & bit)
        lr |= ARM_LR_ACTIVE;
    if (pending && (b->edge & bit || !(b->active & bit)))
        lr |= ARM_LR_PENDING;
    if (b->level & ~b->edge & bit)
        lr |= ARM_LR_EOI; /* looked at again when the guest is done with it */
    b->latch &= ~bit;
    return lr;
}

/* Both locks held (the shared one if `shared`), nothing in the list registers. */
static void fill(struct vcpu *v, bool shared)
{
    struct vgic *g = arm_machine(v->vm)->vgic;
    struct arm_vcpu *a = arm_vcpu(v);
    struct arm_gic *s = &arm_state(v)->gic;
    struct choice c;

    c.count = 0;
    c.room = s->lr_count;
    c.all = c.all_active = true;
    choose_from(g, &a->bank, 0, v->id, &c);
    for (uint32_t busy = shared ? g->busy : 0; busy; busy &= busy - 1) {
        unsigned bank = (unsigned)__builtin_ctz(busy);

        choose_from(g, &g->banks[bank], bank, v->id, &c);
    }
    a->lr_new = 0;
    for (unsigned i = 0; i < c.count; i++) {
        s->lr[i] = make_lr(v, c.list[i].irq);
        a->lr_new |= s->lr[i] & ARM_LR_PENDING ? 1u << i : 0;
        if (c.list[i].irq >= 32)
            vgic_bank_settle(g, c.list[i].irq / 32);
    }
    s->lr_used = c.count;
    s->hcr = ARM_ICH_EN | (c.all ? 0 : ARM_ICH_UIE) | (c.all_active ? 0 : ARM_ICH_LRENPIE);
}

/* The virtual timer's line may have gone down by a register write that nobody saw. */
static void timer_line_check(struct vcpu *v)
{
    struct vgic_bank *b = &arm_vcpu(v)->bank;

    if (arm_virtual_timer_asserts(v))
        return;
    b->level &= ~(1u << PPI_VIRTUAL_TIMER);
    /* When the guest is handling it, its own end of interrupt comes. */
    if (b->active >> PPI_VIRTUAL_TIMER & 1)
        return;
    arm_state(v)->gic.timer_drop = arm_state(v)->gic.timer_held;
    arm_state(v)->gic.timer_held = false;
}

void vgic_before_run(struct vcpu *v)
{
    struct arm_vcpu *a = arm_vcpu(v);
    bool shared;

    vcpu_dirty(v, ARM_LIST);
    shared = lock_both(v);
    fold_all(v);
    if (a->bank.level >> PPI_VIRTUAL_TIMER & 1)
        timer_line_check(v);
    fill(v, shared);
    unlock_both(v, shared);
    /* The timer's line is looked at before each entry while it is up. */
    if (a->bank.level >> PPI_VIRTUAL_TIMER & 1)
        v->irq_news = true;
}

/* ---- Idle ---- */

static bool bank_wakes(const struct vgic *g, const volatile struct vgic_bank *b, unsigned bank,
                       unsigned vcpu)
{
    uint32_t ready = vgic_bank_pending((const struct vgic_bank *)b) &
                     vgic_bank_enabled(g, (const struct vgic_bank *)b) & ~b->active;

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

    for (uint32_t busy = READ_ONCE(g->busy); busy && !work; busy &= busy - 1) {
        unsigned bank = (unsigned)__builtin_ctz(busy);

        work = bank_wakes(g, &g->banks[bank], bank, v->id);
    }
    return work;
}
