/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The CPU interface of a translated guest's GICv3: what hardware guests get from the host's virtual
 * CPU interface, on the same list registers (IHI 0069H, 4.6 to 4.8, 12.2). Five bits of priority.
 */
#include "arch/aarch64/guest/execute.h"

#define ICC(crm, op2) A64_SYS(3u, 0u, 12u, crm, op2)
#define ICC_PMR       A64_SYS(3u, 0u, 4u, 6u, 0u)
#define ICC_IAR0      ICC(8u, 0u)
#define ICC_EOIR0     ICC(8u, 1u)
#define ICC_HPPIR0    ICC(8u, 2u)
#define ICC_BPR0      ICC(8u, 3u)
#define ICC_AP0R0     ICC(8u, 4u)
#define ICC_AP1R0     ICC(9u, 0u)
#define ICC_DIR       ICC(11u, 1u)
#define ICC_RPR       ICC(11u, 3u)
#define ICC_SGI1R     ICC(11u, 5u)
#define ICC_ASGI1R    ICC(11u, 6u)
#define ICC_SGI0R     ICC(11u, 7u)
#define ICC_IAR1      ICC(12u, 0u)
#define ICC_EOIR1     ICC(12u, 1u)
#define ICC_HPPIR1    ICC(12u, 2u)
#define ICC_BPR1      ICC(12u, 3u)
#define ICC_CTLR      ICC(12u, 4u)
#define ICC_SRE       ICC(12u, 5u)
#define ICC_IGRPEN0   ICC(12u, 6u)
#define ICC_IGRPEN1   ICC(12u, 7u)

#define SPURIOUS      1023u
#define PRIORITY_IDLE 0xffu
#define PRIORITY_BITS 5
#define BPR0_MIN      (7 - PRIORITY_BITS)
#define BPR1_MIN      (8 - PRIORITY_BITS)
#define SRE_FIXED     7u /* system registers only, no bypass */
#define CTLR_FIXED    ((uint64_t)(PRIORITY_BITS - 1) << 8 | BIT(15))
#define CTLR_CBPR     BIT(0)
#define CTLR_EOIMODE  BIT(1)

/* ICH_VMCR_EL2, 12.4.10 */
#define VMCR_VENG0      BIT(0)
#define VMCR_VENG1      BIT(1)
#define VMCR_VCBPR      BIT(4)
#define VMCR_VEOIM      BIT(9)
#define VMCR_BPR1_SHIFT 18
#define VMCR_BPR0_SHIFT 21
#define VMCR_PMR_SHIFT  24

#define LR_IRQ   0x3ffu
#define LR_STATE (ARM_LR_PENDING | ARM_LR_ACTIVE)

static struct arm_gic *gic_of(struct dbt_vcpu *d)
{
    return &a64_state(d)->gic;
}

static unsigned field(uint64_t v, unsigned shift, unsigned mask)
{
    return (unsigned)(v >> shift) & mask;
}

static void set_field(uint64_t *v, unsigned shift, uint64_t mask, uint64_t value)
{
    *v = (*v & ~(mask << shift)) | (value & mask) << shift;
}

/* ---- Priorities ---- */

static unsigned lr_priority(uint64_t lr)
{
    return field(lr, ARM_LR_PRIORITY, 0xff);
}

static unsigned bpr0(const struct arm_gic *g)
{
    return MAX(field(g->vmcr, VMCR_BPR0_SHIFT, 7), (unsigned)BPR0_MIN);
}

static unsigned bpr1(const struct arm_gic *g)
{
    if (g->vmcr & VMCR_VCBPR)
        return MIN(bpr0(g) + 1, 7u);
    return MAX(field(g->vmcr, VMCR_BPR1_SHIFT, 7), (unsigned)BPR1_MIN);
}

/* The part of a priority that preempts. */
static unsigned group_priority(const struct arm_gic *g, unsigned priority, bool group1)
{
    unsigned low = group1 ? bpr1(g) : bpr0(g) + 1;

    return priority & ~((1u << low) - 1) & 0xff;
}

/* Of the most urgent interrupt that the guest is at; PRIORITY_IDLE: none. */
static unsigned running_priority(const struct arm_gic *g)
{
    uint32_t active = (uint32_t)(g->ap0r[0] | g->ap1r[0]);

    return active ? (unsigned)__builtin_ctz(active) << (8 - PRIORITY_BITS) : PRIORITY_IDLE;
}

/* The list register of the most urgent pending interrupt of an enabled group, or -1. */
static int highest_pending(const struct arm_gic *g)
{
    unsigned best = 0x100;
    int at = -1;

    for (unsigned i = 0; i < g->lr_used; i++) {
        uint64_t lr = g->lr[i];

        if ((lr & LR_STATE) != ARM_LR_PENDING ||
            !(g->vmcr & (lr & ARM_LR_GROUP1 ? VMCR_VENG1 : VMCR_VENG0)) || lr_priority(lr) >= best)
            continue;
        best = lr_priority(lr);
        at = (int)i;
    }
    return at;
}

static bool can_signal(const struct arm_gic *g, uint64_t lr)
{
    unsigned running = running_priority(g);

    return lr_priority(lr) < field(g->vmcr, VMCR_PMR_SHIFT, 0xff) &&
           (running == PRIORITY_IDLE ||
            group_priority(g, lr_priority(lr), lr & ARM_LR_GROUP1) < running);
}

/* Group 0 is the FIQ's, which Linux does not use: nothing is signalled for it. */
bool a64_icc_signals(struct dbt_vcpu *d)
{
    const struct arm_gic *g = gic_of(d);
    int at = g->lr_used ? highest_pending(g) : -1;

    return at >= 0 && g->lr[at] & ARM_LR_GROUP1 && can_signal(g, g->lr[at]);
}

/* ---- Acknowledge, end ---- */

static uint64_t acknowledge(struct dbt_vcpu *d, bool group1)
{
    struct arm_gic *g = gic_of(d);
    int at = highest_pending(g);
    unsigned priority;

    if (at < 0 || !!(g->lr[at] & ARM_LR_GROUP1) != group1 || !can_signal(g, g->lr[at]))
        return SPURIOUS;
    priority = group_priority(g, lr_priority(g->lr[at]), group1) >> (8 - PRIORITY_BITS);
    (group1 ? g->ap1r : g->ap0r)[0] |= BIT(priority);
    g->lr[at] = (g->lr[at] & ~ARM_LR_PENDING) | ARM_LR_ACTIVE;
    return g->lr[at] & LR_IRQ;
}

/* The distributor looks again where it wanted to know of this, or runs out of work listed. */
static void deactivate(struct dbt_vcpu *d, unsigned irq)
{
    struct arm_gic *g = gic_of(d);
    unsigned valid = 0;
    bool found = false;

    for (unsigned i = 0; i < g->lr_used; i++) {
        if ((g->lr[i] & LR_IRQ) == irq && g->lr[i] & ARM_LR_ACTIVE && !found) {
            g->lr[i] &= ~ARM_LR_ACTIVE;
            found = true;
            if (!(g->lr[i] & LR_STATE) && g->lr[i] & ARM_LR_EOI)
                d->vcpu->irq_news = true;
        }
        valid += (g->lr[i] & LR_STATE) != 0;
    }
    if (!found) {
        g->hcr += BIT(ARM_ICH_EOI_COUNT);
        d->vcpu->irq_news = true;
    }
    if (g->hcr & ARM_ICH_UIE && valid <= 1)
        d->vcpu->irq_news = true;
}

static void end(struct dbt_vcpu *d, unsigned irq)
{
    struct arm_gic *g = gic_of(d);
    uint64_t *ap =
        g->ap0r[0] && (!g->ap1r[0] || __builtin_ctzll(g->ap0r[0]) < __builtin_ctzll(g->ap1r[0]))
            ? g->ap0r
            : g->ap1r;

    ap[0] &= ap[0] - 1; /* priority drop */
    if (!(g->vmcr & VMCR_VEOIM) && irq < SPURIOUS - 3)
        deactivate(d, irq);
}

static uint64_t pending(const struct arm_gic *g, bool group1)
{
    int at = highest_pending(g);

    return at >= 0 && !!(g->lr[at] & ARM_LR_GROUP1) == group1 ? g->lr[at] & LR_IRQ : SPURIOUS;
}

/* ---- Registers ---- */

static uint64_t control(const struct arm_gic *g)
{
    return CTLR_FIXED | (g->vmcr & VMCR_VCBPR ? CTLR_CBPR : 0) |
           (g->vmcr & VMCR_VEOIM ? CTLR_EOIMODE : 0);
}

bool a64_icc_read(struct dbt_vcpu *d, unsigned reg, uint64_t *value)
{
    const struct arm_gic *g = gic_of(d);

    *value = 0;
    switch (reg) {
    case ICC_IAR0:
    case ICC_IAR1:
        *value = acknowledge(d, reg == ICC_IAR1);
        d->attend = true;
        return true;
    case ICC_HPPIR0:
    case ICC_HPPIR1:
        *value = pending(g, reg == ICC_HPPIR1);
        return true;
    case ICC_PMR:
        *value = field(g->vmcr, VMCR_PMR_SHIFT, 0xff);
        return true;
    case ICC_BPR0:
        *value = bpr0(g);
        return true;
    case ICC_BPR1:
        *value = bpr1(g);
        return true;
    case ICC_RPR:
        *value = running_priority(g);
        return true;
    case ICC_CTLR:
        *value = control(g);
        return true;
    case ICC_SRE:
        *value = SRE_FIXED;
        return true;
    case ICC_IGRPEN0:
        *value = g->vmcr & VMCR_VENG0 ? 1 : 0;
        return true;
    case ICC_IGRPEN1:
        *value = g->vmcr & VMCR_VENG1 ? 1 : 0;
        return true;
    case ICC_AP0R0:
        *value = g->ap0r[0];
        return true;
    case ICC_AP1R0:
        *value = g->ap1r[0];
        return true;
    default:
        return false;
    }
}

static void write_control(struct arm_gic *g, uint64_t value)
{
    g->vmcr &= ~(VMCR_VCBPR | VMCR_VEOIM);
    g->vmcr |= (value & CTLR_CBPR ? VMCR_VCBPR : 0) | (value & CTLR_EOIMODE ? VMCR_VEOIM : 0);
}

static bool write_register(struct dbt_vcpu *d, unsigned reg, uint64_t value)
{
    struct arm_gic *g = gic_of(d);

    switch (reg) {
    case ICC_EOIR0:
    case ICC_EOIR1:
        end(d, value & LR_IRQ);
        return true;
    case ICC_DIR:
        deactivate(d, value & LR_IRQ);
        return true;
    case ICC_PMR:
        set_field(&g->vmcr, VMCR_PMR_SHIFT, 0xff, value & ~(BIT(8 - PRIORITY_BITS) - 1));
        return true;
    case ICC_BPR0:
        set_field(&g->vmcr, VMCR_BPR0_SHIFT, 7, value);
        return true;
    case ICC_BPR1:
        if (!(g->vmcr & VMCR_VCBPR))
            set_field(&g->vmcr, VMCR_BPR1_SHIFT, 7, value);
        return true;
    case ICC_CTLR:
        write_control(g, value);
        return true;
    case ICC_SRE:
        return true;
    case ICC_IGRPEN0:
        set_field(&g->vmcr, 0, 1, value);
        return true;
    case ICC_IGRPEN1:
        set_field(&g->vmcr, 1, 1, value);
        return true;
    case ICC_AP0R0:
        g->ap0r[0] = (uint32_t)value;
        return true;
    case ICC_AP1R0:
        g->ap1r[0] = (uint32_t)value;
        return true;
    case ICC_SGI0R:
    case ICC_SGI1R:
    case ICC_ASGI1R:
        vgic_send_sgi(d->vcpu, value);
        return true;
    default:
        return false;
    }
}

bool a64_icc_write(struct dbt_vcpu *d, unsigned reg, uint64_t value)
{
    if (!write_register(d, reg, value))
        return false;
    d->attend = true;
    return true;
}
