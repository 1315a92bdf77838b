/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The EL1 timers (Arm ARM D12.2) whose registers trap: the physical one, which counts the same time
 * as the virtual one, and that one where the engine has none. */
#include "arch/aarch64/guest/machine.h"

#define CTL_WRITABLE (ARM_TIMER_ENABLE | ARM_TIMER_IMASK)

/* One of the two. */
struct el1_timer {
    struct vcpu *v;
    uint64_t *ctl, *cval;
    struct guest_timer *due;
    unsigned irq;
};

static struct el1_timer timer_of(struct vcpu *v, enum arm_timer_name name)
{
    struct arm_timer *t = &arm_state(v)->timer;

    if (name == ARM_TIMER_VIRTUAL)
        return (struct el1_timer){v, &t->cntv_ctl, &t->cntv_cval, &arm_vcpu(v)->virtual_timer,
                                  PPI_VIRTUAL_TIMER};
    return (struct el1_timer){v, &t->cntp_ctl, &t->cntp_cval, &arm_vcpu(v)->physical_timer,
                              PPI_PHYSICAL_TIMER};
}

static uint64_t counter(const struct el1_timer *t)
{
    return guest_clock_counter(&t->v->vm->clock);
}

static bool expired(const struct el1_timer *t)
{
    return *t->ctl & ARM_TIMER_ENABLE && (int64_t)(counter(t) - *t->cval) >= 0;
}

/* Its line, and when it is due next. In this order: it may fire as soon as it is set, and nothing
 * of before may take its line down, or up, again. */
static void update(const struct el1_timer *t)
{
    bool due = expired(t), wanted = (*t->ctl & CTL_WRITABLE) == ARM_TIMER_ENABLE;

    guest_timer_set(t->due, UINT64_MAX);
    vgic_set_private(t->v, t->irq, wanted && due);
    if (wanted && !due)
        guest_timer_set(t->due, guest_clock_from_counter(&t->v->vm->clock, *t->cval));
}

static void physical_fired(struct guest_timer *timer)
{
    const struct arm_vcpu *a = container_of(timer, struct arm_vcpu, physical_timer);

    vgic_set_private(a->vcpu, PPI_PHYSICAL_TIMER, true);
}

static void virtual_fired(struct guest_timer *timer)
{
    const struct arm_vcpu *a = container_of(timer, struct arm_vcpu, virtual_timer);

    vgic_set_private(a->vcpu, PPI_VIRTUAL_TIMER, true);
}

void arm_timers_init(struct vcpu *v)
{
    struct arm_vcpu *a = arm_vcpu(v);

    a->vcpu = v;
    guest_timer_init(&a->physical_timer, &v->vm->clock, physical_fired);
    guest_timer_init(&a->virtual_timer, &v->vm->clock, virtual_fired);
}

void arm_timers_destroy(struct vcpu *v)
{
    guest_timer_destroy(&arm_vcpu(v)->physical_timer);
    guest_timer_destroy(&arm_vcpu(v)->virtual_timer);
}

uint64_t arm_timer_read(struct vcpu *v, enum arm_timer_name name, enum arm_timer_register reg)
{
    struct el1_timer t = timer_of(v, name);

    switch (reg) {
    case ARM_TIMER_TVAL:
        return (uint32_t)(*t.cval - counter(&t));
    case ARM_TIMER_CTL:
        return (*t.ctl & CTL_WRITABLE) | (expired(&t) ? ARM_TIMER_STATUS : 0);
    case ARM_TIMER_CVAL:
        return *t.cval;
    }
    return 0;
}

void arm_timer_write(struct vcpu *v, enum arm_timer_name name, enum arm_timer_register reg,
                     uint64_t value)
{
    struct el1_timer t = timer_of(v, name);

    switch (reg) {
    case ARM_TIMER_TVAL:
        *t.cval = counter(&t) + (uint64_t)(int32_t)value;
        break;
    case ARM_TIMER_CTL:
        *t.ctl = value & CTL_WRITABLE;
        break;
    case ARM_TIMER_CVAL:
        *t.cval = value;
        break;
    }
    update(&t);
}

bool arm_virtual_timer_asserts(struct vcpu *v)
{
    struct el1_timer t = timer_of(v, ARM_TIMER_VIRTUAL);

    if (arm_vcpu(v)->software_timer)
        return expired(&t) && !(*t.ctl & ARM_TIMER_IMASK);
    vcpu_need(v, ARM_TIMER);
    return (*t.ctl & (CTL_WRITABLE | ARM_TIMER_STATUS)) == (ARM_TIMER_ENABLE | ARM_TIMER_STATUS);
}
