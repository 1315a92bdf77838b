/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A debugger inside a translated guest (Arm ARM D2.8 to D2.12): breakpoints, watchpoints and
 * software steps. While it wants any, the engine does one instruction at a time and asks here
 * before and after each.
 */
#include "arch/aarch64/guest/execute.h"
#include "arch/aarch64/guest/machine.h"

#define PSTATE_D       BIT(9)
#define POINT_ENABLE   BIT(0) /* DBGBCR and DBGWCR: D19.3 */
#define POINT_EL1      BIT(1)
#define POINT_EL0      BIT(2)
#define BCR_TYPE(c)    ((c) >> 20 & 0xf) /* 0: an address, unlinked */
#define WCR_LOADS      BIT(3)
#define WCR_STORES     BIT(4)
#define WCR_BYTES(c)   ((c) >> 5 & 0xff)
#define WCR_MASK(c)    ((c) >> 24 & 0x1f) /* a power of two, from 8 bytes on */
#define WCR_MASK_LEAST 3

/* Are exceptions taken at the level that runs (D2.3)? */
static bool enabled(const struct dbt_vcpu *d)
{
    return !a64_is_el1(d) ||
           ((a64_state(d)->debug.mdscr & ARM_MDSCR_KDE) && !(a64_frame(d)->daif & PSTATE_D));
}

static bool at_this_level(const struct dbt_vcpu *d, uint64_t control)
{
    return (control & POINT_ENABLE) && (control & (a64_is_el1(d) ? POINT_EL1 : POINT_EL0));
}

static struct debug_point watched(uint64_t control, uint64_t value)
{
    unsigned bytes = WCR_BYTES(control), mask = WCR_MASK(control), first = 0;
    struct debug_point p = {.kind = !(control & WCR_STORES)  ? POINT_READ
                                    : !(control & WCR_LOADS) ? POINT_WRITE
                                                             : POINT_ACCESS};

    if (mask >= WCR_MASK_LEAST) {
        p.size = 1ULL << mask;
        p.address = ALIGN_DOWN(value, p.size);
        return p;
    }
    while (bytes && !(bytes >> first & 1))
        first++;
    p.address = value + first;
    p.size = (uint64_t)__builtin_popcount(bytes);
    return p;
}

/* Pages are watched at all levels, so that TLBs do not depend on the one that runs. */
static void watchpoints(struct dbt_vcpu *d)
{
    const struct arm_debug *g = &a64_state(d)->debug;
    bool on = enabled(d);

    d->own_count = 0;
    d->own_active = 0;
    for (unsigned i = 0; i < ARM_DEBUG_MAX && (g->mdscr & ARM_MDSCR_MDE); i++) {
        if (!(g->wcr[i] & POINT_ENABLE) || !(g->wcr[i] & (WCR_LOADS | WCR_STORES)))
            continue;
        d->own_active |= on && at_this_level(d, g->wcr[i]) ? 1u << d->own_count : 0;
        d->own_points[d->own_count++] = watched(g->wcr[i], g->wvr[i]);
    }
}

bool a64_self_debug(struct dbt_vcpu *d)
{
    const struct arm_debug *g = &a64_state(d)->debug;
    bool breaks = false;

    if (likely(!(g->mdscr & (ARM_MDSCR_SS | ARM_MDSCR_MDE))) || g->os_lock) {
        d->own_count = 0;
        return false;
    }
    watchpoints(d);
    for (unsigned i = 0; i < ARM_DEBUG_MAX && (g->mdscr & ARM_MDSCR_MDE); i++)
        breaks |= g->bcr[i] & POINT_ENABLE;
    return breaks || d->own_count || (g->mdscr & ARM_MDSCR_SS);
}

static bool at_breakpoint(const struct dbt_vcpu *d)
{
    const struct arm_debug *g = &a64_state(d)->debug;

    for (unsigned i = 0; i < ARM_DEBUG_MAX && (g->mdscr & ARM_MDSCR_MDE); i++)
        if (at_this_level(d, g->bcr[i]) && !BCR_TYPE(g->bcr[i]) && g->bvr[i] == d->frame->pc)
            return true;
    return false;
}

static void take(struct dbt_vcpu *d, enum a64_class lower)
{
    a64_exception(d, (enum a64_class)(lower + a64_is_el1(d)), A64_FAULT_DEBUG);
}

bool a64_steps(const struct dbt_vcpu *d)
{
    const struct arm_debug *g = &a64_state(d)->debug;

    return (g->mdscr & ARM_MDSCR_SS) && !g->os_lock && enabled(d);
}

bool a64_self_before(struct dbt_vcpu *d, bool *steps)
{
    *steps = a64_steps(d);
    if (*steps && !(a64_state(d)->pstate & ARM_PSTATE_SS)) {
        take(d, A64_CLASS_STEP_LOWER);
        return true;
    }
    if (!enabled(d) || !at_breakpoint(d))
        return false;
    take(d, A64_CLASS_BREAKPOINT_LOWER);
    return true;
}

void a64_self_after(struct dbt_vcpu *d)
{
    a64_state(d)->pstate &= ~ARM_PSTATE_SS;
}
