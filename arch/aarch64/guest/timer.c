/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The EL1 physical timer (Arm ARM D12.2), whose registers trap: it counts the same time as the
 * virtual one. */
#include "arch/aarch64/guest/machine.h"

#define CTL_WRITABLE (ARM_TIMER_ENABLE | ARM_TIMER_IMASK)

static bool expired(struct vcpu *v)
{
    const struct arm_timer *t = &arm_state(v)->timer;

    return t->cntp_ctl & ARM_TIMER_ENABLE &&
           (int64_t)(guest_clock_counter(&v->vm->clock) - t->cntp_cval) >= 0;
}

/* Its line, and when it is due next. */
static void update(struct vcpu *v)
{
    const struct arm_timer *t = &arm_state(v)->timer;
    bool due = expired(v), wanted = (t->cntp_ctl & CTL_WRITABLE) == ARM_TIMER_ENABLE;

    guest_timer_set(&arm_vcpu(v)->physical_timer,
                    wanted && !due ? guest_clock_from_counter(&v->vm->clock, t->cntp_cval)
                                   : UINT64_MAX);
    vgic_set_private(v, PPI_PHYSICAL_TIMER, wanted && due);
}

static void fired(struct guest_timer *timer)
{
    const struct arm_vcpu *a = container_of(timer, struct arm_vcpu, physical_timer);

    vgic_set_private(a->vcpu, PPI_PHYSICAL_TIMER, true);
}

void arm_cntp_init(struct vcpu *v)
{
    arm_vcpu(v)->vcpu = v;
    guest_timer_init(&arm_vcpu(v)->physical_timer, &v->vm->clock, fired);
}

void arm_cntp_destroy(struct vcpu *v)
{
    guest_timer_destroy(&arm_vcpu(v)->physical_timer);
}

uint64_t arm_cntp_read(struct vcpu *v, enum arm_cntp reg)
{
    const struct arm_timer *t = &arm_state(v)->timer;

    switch (reg) {
    case ARM_CNTP_TVAL:
        return (uint32_t)(t->cntp_cval - guest_clock_counter(&v->vm->clock));
    case ARM_CNTP_CTL:
        return t->cntp_ctl | (expired(v) ? ARM_TIMER_STATUS : 0);
    case ARM_CNTP_CVAL:
        return t->cntp_cval;
    }
    return 0;
}

void arm_cntp_write(struct vcpu *v, enum arm_cntp reg, uint64_t value)
{
    struct arm_timer *t = &arm_state(v)->timer;

    switch (reg) {
    case ARM_CNTP_TVAL:
        t->cntp_cval = guest_clock_counter(&v->vm->clock) + (uint64_t)(int32_t)value;
        break;
    case ARM_CNTP_CTL:
        t->cntp_ctl = value & CTL_WRITABLE;
        break;
    case ARM_CNTP_CVAL:
        t->cntp_cval = value;
        break;
    }
    update(v);
}
