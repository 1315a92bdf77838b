/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The guest GICv3's registers: distributor (IHI 0069H, 12.9) and redistributors (12.11), affinity
 * routing always on, one security state. */
#include "arch/aarch64/guest/vgic.h"

#define GICD_CTLR    0x0000
#define GICD_TYPER   0x0004
#define GICD_IIDR    0x0008
#define GICD_IROUTER 0x6000
#define GIC_PIDR2    0xffe8
#define GIC_PIDR2_V3 0x3b

#define CTLR_GROUPS  (VGIC_CTLR_GROUP0 | VGIC_CTLR_GROUP1)
#define CTLR_ARE     (1u << 4)
#define CTLR_DS      (1u << 6)
#define TYPER_IDBITS (9u << 19) /* interrupt ids of 10 bits */
#define IIDR_VALUE   0x43bu     /* implementer Arm */

/* GICD_IROUTER<n>, 12.9.22 */
#define ROUTE_AFFINITY 0xff00ffffffULL
#define ROUTE_ANY      BIT(31)

#define GICR_IIDR      0x0004
#define GICR_TYPER     0x0008
#define GICR_WAKER     0x0014
#define GICR_SGI       0x10000
#define WAKER_SLEEP    (1u << 1)
#define WAKER_CHILDREN (1u << 2)
#define TYPER_LAST     (1u << 4)

/* Registers of banks, at the same offsets in the distributor and a redistributor's SGI frame. */
enum bank_register {
    IGROUPR = 0x080,
    ISENABLER = 0x100,
    ICENABLER = 0x180,
    ISPENDR = 0x200,
    ICPENDR = 0x280,
    ISACTIVER = 0x300,
    ICACTIVER = 0x380,
    IPRIORITYR = 0x400,
    IPRIORITYR_END = 0x800,
    ICFGR = 0xc00,
    ICFGR_END = 0xd00,
};
#define BITMAP_SPAN 0x80u /* bytes of each one-bit array */

static uint32_t bitmap_read(const struct vgic_bank *b, unsigned reg)
{
    switch (reg) {
    case IGROUPR:
        return b->group;
    case ISENABLER:
    case ICENABLER:
        return b->enabled;
    case ISPENDR:
    case ICPENDR:
        return b->latch | (b->level & ~b->edge);
    case ISACTIVER:
    case ICACTIVER:
        return b->active;
    }
    return 0;
}

static void bitmap_write(struct vgic_bank *b, unsigned reg, uint32_t value)
{
    switch (reg) {
    case IGROUPR:
        b->group = value;
        break;
    case ISENABLER:
        b->enabled |= value;
        break;
    case ICENABLER:
        b->enabled &= ~value;
        break;
    case ISPENDR:
        b->latch |= value;
        break;
    case ICPENDR:
        b->latch &= ~value;
        break;
    case ISACTIVER:
        b->active |= value;
        break;
    case ICACTIVER:
        b->active &= ~value;
        break;
    }
}

/* ICFGR: two bits an interrupt, the upper one says edge; SGIs are always edges. */
static uint32_t config_read(const struct vgic_bank *b, unsigned half)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 16; i++)
        value |= (b->edge >> (half * 16 + i) & 1) << (2 * i + 1);
    return value;
}

static void config_write(struct vgic_bank *b, unsigned half, uint32_t value)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t bit = 1u << (half * 16 + i);

        b->edge = value >> (2 * i + 1) & 1 ? b->edge | bit : b->edge & ~bit;
    }
}

static uint64_t priority_read(const struct vgic_bank *b, unsigned first, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size && first + i < 32; i++)
        value |= (uint64_t)b->priority[first + i] << 8 * i;
    return value;
}

static void priority_write(struct vgic_bank *b, unsigned first, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size && first + i < 32; i++)
        b->priority[first + i] =
            (uint8_t)(value >> 8 * i) & 0xf8; /* five bits, as ICH_VTR says at least */
}

bool vgic_place_find(uint64_t offset, struct vgic_place *p)
{
    *p = (struct vgic_place){0};
    if (offset >= IGROUPR && offset < IPRIORITYR) {
        p->reg = offset & ~(BITMAP_SPAN - 1);
        p->bank = (offset & (BITMAP_SPAN - 1)) / 4;
    } else if (offset >= IPRIORITYR && offset < IPRIORITYR_END) {
        p->priority = true;
        p->bank = (offset - IPRIORITYR) / 32;
        p->at = (offset - IPRIORITYR) % 32;
    } else if (offset >= ICFGR && offset < ICFGR_END) {
        p->config = true;
        p->bank = (offset - ICFGR) / 8;
        p->at = (offset - ICFGR) / 4 % 2;
    } else {
        return false;
    }
    return p->bank < VGIC_BANKS;
}

uint64_t vgic_place_read(const struct vgic_bank *b, const struct vgic_place *p, unsigned size)
{
    if (p->priority)
        return priority_read(b, p->at, size);
    if (p->config)
        return config_read(b, p->at);
    return bitmap_read(b, p->reg);
}

void vgic_place_write(struct vgic_bank *b, const struct vgic_place *p, unsigned size,
                      uint64_t value)
{
    if (p->priority)
        priority_write(b, p->at, size, value);
    else if (p->config)
        config_write(b, p->at, (uint32_t)value);
    else
        bitmap_write(b, p->reg, (uint32_t)value);
}

/* ---- Distributor ---- */

static bool is_route(uint64_t offset, unsigned *irq)
{
    *irq = (unsigned)(offset - GICD_IROUTER) / 8;
    return offset >= GICD_IROUTER + 32 * 8 && offset < GICD_IROUTER + VGIC_LINES * 8;
}

static uint64_t distributor_get(struct vgic *g, uint64_t offset, unsigned size)
{
    struct vgic_place p;
    unsigned irq;

    if (offset == GICD_CTLR)
        return g->ctlr | CTLR_ARE | CTLR_DS;
    if (offset == GICD_TYPER)
        return TYPER_IDBITS | (VGIC_BANKS - 1);
    if (offset == GICD_IIDR)
        return IIDR_VALUE;
    if (offset == GIC_PIDR2)
        return GIC_PIDR2_V3;
    if (is_route(offset, &irq))
        return g->route[irq] >> (offset % 8 * 8);
    if (vgic_place_find(offset, &p) && p.bank)
        return vgic_place_read(&g->banks[p.bank], &p, size);
    return 0;
}

/* One that may go to any vCPU (Interrupt_Routing_Mode) goes to the first. */
void vgic_route_changed(struct vgic *g, unsigned irq)
{
    const struct vcpu *target;

    if (g->v2) {
        g->target[irq] = (uint16_t)vgic_v2_target(g->route[irq]);
        return;
    }
    target = arm_vcpu_by_affinity(g->distributor.vm, g->route[irq] & ROUTE_AFFINITY);
    g->target[irq] = target && !(g->route[irq] & ROUTE_ANY) ? (uint16_t)target->id : 0;
}

static void route_write(struct vgic *g, unsigned irq, uint64_t offset, unsigned size,
                        uint64_t value)
{
    unsigned shift = offset % 8 * 8;
    uint64_t mask = size == 8 ? ~0ULL : BITS(size * 8 - 1, 0) << shift;

    g->route[irq] =
        ((g->route[irq] & ~mask) | (value << shift & mask)) & (ROUTE_AFFINITY | ROUTE_ANY);
    vgic_route_changed(g, irq);
    vgic_bank_changed(g->distributor.vm, irq / 32);
}

static void distributor_set(struct vm *vm, uint64_t offset, unsigned size, uint64_t value)
{
    struct vgic *g = arm_machine(vm)->vgic;
    struct vgic_place p;
    unsigned irq;

    if (offset == GICD_CTLR) {
        g->ctlr = value & CTLR_GROUPS;
        vgic_all_changed(vm);
    } else if (is_route(offset, &irq))
        route_write(g, irq, offset, size, value);
    else if (vgic_place_find(offset, &p) && p.bank) {
        vgic_place_write(&g->banks[p.bank], &p, size, value);
        vgic_bank_changed(vm, p.bank);
    }
}

static uint64_t distributor_read(struct device *d, struct vcpu *vcpu, unsigned region,
                                 uint64_t offset, unsigned size)
{
    struct vgic *g = container_of(d, struct vgic, distributor);
    uint64_t flags, value;

    (void)region;
    if (vcpu)
        vgic_sync(vcpu);
    flags = spin_lock_irq(&g->lock);
    value = distributor_get(g, offset, size);
    spin_unlock_irq(&g->lock, flags);
    return value;
}

static void distributor_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                              unsigned size, uint64_t value)
{
    struct vgic *g = container_of(d, struct vgic, distributor);
    uint64_t flags;

    (void)region;
    if (vcpu)
        vgic_sync(vcpu);
    flags = spin_lock_irq(&g->lock);
    distributor_set(d->vm, offset, size, value);
    spin_unlock_irq(&g->lock, flags);
}

/* Both devices are parts of struct vgic, which machine_destroy() frees after them. */
static void nothing_to_free(struct device *d)
{
    (void)d;
}

const struct device_ops vgic_distributor_ops = {
    .name = "GICv3 distributor",
    .state = &state_none,
    .read = distributor_read,
    .write = distributor_write,
    .destroy = nothing_to_free,
    .lockless = true,
};

/* ---- Redistributors ---- */

static uint64_t redistributor_get(struct vcpu *v, uint64_t offset, unsigned size)
{
    struct arm_vcpu *a = arm_vcpu(v);
    uint64_t typer = arm_affinity(v->id) << 32 | (uint64_t)v->id << 8 |
                     (v->id + 1 == v->vm->vcpu_count ? TYPER_LAST : 0);
    struct vgic_place p;

    if (offset >= GICR_SGI)
        return vgic_place_find(offset - GICR_SGI, &p) && !p.bank
                   ? vgic_place_read(&a->bank, &p, size)
                   : 0;
    switch (offset) {
    case GICR_IIDR:
        return IIDR_VALUE;
    case GICR_TYPER:
        return size == 8 ? typer : (uint32_t)typer;
    case GICR_TYPER + 4:
        return typer >> 32;
    case GICR_WAKER:
        return a->sleeping ? WAKER_SLEEP | WAKER_CHILDREN : 0;
    case GIC_PIDR2:
        return GIC_PIDR2_V3;
    }
    return 0;
}

static void redistributor_set(struct vcpu *v, uint64_t offset, unsigned size, uint64_t value)
{
    struct arm_vcpu *a = arm_vcpu(v);
    struct vgic_place p;

    if (offset == GICR_WAKER)
        a->sleeping = value & WAKER_SLEEP;
    if (offset < GICR_SGI || !vgic_place_find(offset - GICR_SGI, &p) || p.bank)
        return;
    if (vgic_place_configures_sgis(&p))
        return;
    vgic_place_write(&a->bank, &p, size, value);
    vgic_news(v);
}

/* The vCPU whose frames `offset` is in; the bus keeps it inside the region. */
static struct vcpu *frame_owner(struct device *d, uint64_t offset)
{
    return d->vm->vcpus[offset / MACHINE_GICR_SIZE];
}

static uint64_t redistributor_read(struct device *d, struct vcpu *vcpu, unsigned region,
                                   uint64_t offset, unsigned size)
{
    struct vcpu *v = frame_owner(d, offset);
    uint64_t flags, value;

    (void)region;
    if (vcpu)
        vgic_sync(vcpu);
    flags = spin_lock_irq(&arm_vcpu(v)->lock);
    value = redistributor_get(v, offset % MACHINE_GICR_SIZE, size);
    spin_unlock_irq(&arm_vcpu(v)->lock, flags);
    return value;
}

static void redistributor_write(struct device *d, struct vcpu *vcpu, unsigned region,
                                uint64_t offset, unsigned size, uint64_t value)
{
    struct vcpu *v = frame_owner(d, offset);
    uint64_t flags;

    (void)region;
    if (vcpu)
        vgic_sync(vcpu);
    flags = spin_lock_irq(&arm_vcpu(v)->lock);
    redistributor_set(v, offset % MACHINE_GICR_SIZE, size, value);
    spin_unlock_irq(&arm_vcpu(v)->lock, flags);
}

const struct device_ops vgic_redistributor_ops = {
    .name = "GICv3 redistributors",
    .state = &state_none,
    .read = redistributor_read,
    .write = redistributor_write,
    .destroy = nothing_to_free,
    .lockless = true,
};
