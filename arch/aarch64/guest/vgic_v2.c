/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The guest GICv2's distributor (IHI 0048B, 4.3): registers of private interrupts are those of the
 * vCPU that asks. The CPU interface is the hardware's. */
#include "arch/aarch64/guest/vgic.h"

#define GICD_CTLR          0x000
#define GICD_TYPER         0x004
#define GICD_IIDR          0x008
#define GICD_ISPENDR0      0x200
#define GICD_ICPENDR0      0x280
#define GICD_ITARGETSR     0x800
#define GICD_ITARGETSR_END 0xc00
#define GICD_SGIR          0xf00
#define GICD_CPENDSGIR     0xf10
#define GICD_SPENDSGIR     0xf20
#define GICD_SPENDSGIR_END 0xf30
#define GIC_ICPIDR2        0xfe8
#define GIC_ICPIDR2_V2     0x2b

#define CTLR_GROUPS    (VGIC_CTLR_GROUP0 | VGIC_CTLR_GROUP1)
#define TYPER_CPUS     5
#define IIDR_VALUE     0x43bu /* implementer Arm */
#define TARGET_NOBODY  0xffffu
#define SGIR_FILTER(x) ((x) >> 24 & 3)
#define SGIR_LIST(x)   ((x) >> 16 & 0xff)
#define SGIR_ID(x)     ((x)&15)

enum sgir_filter { SGIR_LISTED, SGIR_OTHERS, SGIR_SELF };

unsigned vgic_v2_target(uint64_t mask)
{
    return mask ? (unsigned)__builtin_ctzll(mask) : TARGET_NOBODY;
}

static uint8_t all_targets(const struct vm *vm)
{
    return (uint8_t)((1u << vm->vcpu_count) - 1);
}

static bool is_targets(uint64_t offset, unsigned size, unsigned *irq)
{
    *irq = (unsigned)(offset - GICD_ITARGETSR);
    return offset >= GICD_ITARGETSR && offset < GICD_ITARGETSR_END && *irq + size <= VGIC_LINES;
}

static bool is_sgi_pending(uint64_t offset, unsigned size, unsigned *sgi)
{
    *sgi = (unsigned)offset % VGIC_SGI_COUNT;
    return offset >= GICD_CPENDSGIR && offset < GICD_SPENDSGIR_END && *sgi + size <= VGIC_SGI_COUNT;
}

/* ---- Software interrupts ---- */

/* GICD_SGIR, 4.3.15 */
static void sgi_write(struct vcpu *v, uint32_t value)
{
    uint32_t targets = SGIR_LIST(value), self = 1u << v->id;

    if (SGIR_FILTER(value) == SGIR_OTHERS)
        targets = all_targets(v->vm) & ~self;
    else if (SGIR_FILTER(value) == SGIR_SELF)
        targets = self;
    for (targets &= all_targets(v->vm); targets; targets &= targets - 1)
        vgic_sgi(v->vm->vcpus[__builtin_ctz(targets)], SGIR_ID(value), v->id);
}

/* GICD_SPENDSGIR and CPENDSGIR: a byte for each, a bit for each vCPU that sent it. */
static uint64_t sgi_pending_read(const struct arm_vcpu *a, unsigned sgi, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)a->sgi_pending[sgi + i] << 8 * i;
    return value;
}

static void sgi_pending_write(struct vcpu *v, unsigned sgi, unsigned size, uint64_t value, bool set)
{
    struct arm_vcpu *a = arm_vcpu(v);

    for (unsigned i = sgi; i < sgi + size; i++, value >>= 8) {
        uint8_t mask = (uint8_t)value & all_targets(v->vm);

        a->sgi_pending[i] = set ? a->sgi_pending[i] | mask : a->sgi_pending[i] & (uint8_t)~mask;
        a->bank.latch = a->sgi_pending[i] ? a->bank.latch | 1u << i : a->bank.latch & ~(1u << i);
    }
}

/* ---- What is private to `v`, with its lock ---- */

static uint64_t private_get(struct vcpu *v, uint64_t offset, unsigned size)
{
    struct vgic_place p;
    unsigned at;

    if (is_targets(offset, size, &at)) /* each is for the vCPU that asks */
        return (1ULL << v->id) * 0x0101010101010101ULL;
    if (is_sgi_pending(offset, size, &at))
        return sgi_pending_read(arm_vcpu(v), at, size);
    return vgic_place_find(offset, &p) ? vgic_place_read(&arm_vcpu(v)->bank, &p, size) : 0;
}

static void private_set(struct vcpu *v, uint64_t offset, unsigned size, uint64_t value)
{
    struct vgic_place p;
    unsigned sgi;

    if (is_sgi_pending(offset, size, &sgi))
        sgi_pending_write(v, sgi, size, value, offset >= GICD_SPENDSGIR);
    else if (vgic_place_find(offset, &p) && !vgic_place_configures_sgis(&p)) {
        if (p.reg == GICD_ISPENDR0 || p.reg == GICD_ICPENDR0)
            value &= ~(uint64_t)VGIC_SGIS; /* theirs are read-only here */
        vgic_place_write(&arm_vcpu(v)->bank, &p, size, value);
    }
    vgic_news(v);
}

static bool is_private(uint64_t offset)
{
    struct vgic_place p;
    unsigned at;

    return is_sgi_pending(offset, 1, &at) || (is_targets(offset, 1, &at) && at < 32) ||
           (vgic_place_find(offset, &p) && !p.bank);
}

/* ---- What is shared, with the controller's lock ---- */

static uint64_t shared_get(const struct vgic *g, uint64_t offset, unsigned size)
{
    struct vgic_place p;
    uint64_t value = 0;
    unsigned irq;

    switch (offset) {
    case GICD_CTLR:
        return g->ctlr;
    case GICD_TYPER:
        return (g->distributor.vm->vcpu_count - 1) << TYPER_CPUS | (VGIC_BANKS - 1);
    case GICD_IIDR:
        return IIDR_VALUE;
    case GIC_ICPIDR2:
        return GIC_ICPIDR2_V2;
    }
    if (is_targets(offset, size, &irq)) {
        for (unsigned i = 0; i < size; i++)
            value |= g->route[irq + i] << 8 * i;
        return value;
    }
    return vgic_place_find(offset, &p) ? vgic_place_read(&g->banks[p.bank], &p, size) : 0;
}

static void targets_write(struct vgic *g, unsigned irq, unsigned size, uint64_t value)
{
    struct vm *vm = g->distributor.vm;

    for (unsigned i = irq; i < irq + size; i++, value >>= 8) {
        g->route[i] = (uint8_t)value & all_targets(vm);
        vgic_route_changed(g, i);
    }
    vgic_bank_changed(vm, irq / 32);
}

static void shared_set(struct vgic *g, uint64_t offset, unsigned size, uint64_t value)
{
    struct vm *vm = g->distributor.vm;
    struct vgic_place p;
    unsigned irq;

    if (offset == GICD_CTLR) {
        g->ctlr = value & CTLR_GROUPS;
        vgic_all_changed(vm);
    } else if (is_targets(offset, size, &irq)) {
        targets_write(g, irq, size, value);
    } else if (vgic_place_find(offset, &p)) {
        vgic_place_write(&g->banks[p.bank], &p, size, value);
        vgic_bank_changed(vm, p.bank);
    }
}

/* ---- The device ---- */

static uint64_t distributor_read(struct device *d, struct vcpu *vcpu, unsigned region,
                                 uint64_t offset, unsigned size)
{
    struct vgic *g = container_of(d, struct vgic, distributor);
    struct vcpu *v = vcpu ? vcpu : d->vm->vcpus[0];
    bool private = is_private(offset);
    struct spinlock *lock = private ? &arm_vcpu(v)->lock : &g->lock;
    uint64_t flags, value;

    (void)region;
    if (vcpu)
        vgic_sync(vcpu);
    flags = spin_lock_irq(lock);
    value = private ? private_get(v, offset, size) : shared_get(g, offset, size);
    spin_unlock_irq(lock, flags);
    return value;
}

static void distributor_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                              unsigned size, uint64_t value)
{
    struct vgic *g = container_of(d, struct vgic, distributor);
    struct vcpu *v = vcpu ? vcpu : d->vm->vcpus[0];
    bool private = is_private(offset);
    struct spinlock *lock = private ? &arm_vcpu(v)->lock : &g->lock;
    uint64_t flags;

    (void)region;
    if (offset == GICD_SGIR) {
        sgi_write(v, (uint32_t)value);
        return;
    }
    if (vcpu)
        vgic_sync(vcpu);
    flags = spin_lock_irq(lock);
    if (private)
        private_set(v, offset, size, value);
    else
        shared_set(g, offset, size, value);
    spin_unlock_irq(lock, flags);
}

/* Part of struct vgic, which machine_destroy() frees. */
static void nothing_to_free(struct device *d)
{
    (void)d;
}

const struct device_ops vgic_v2_distributor_ops = {
    .name = "GICv2 distributor",
    .state = &state_none,
    .read = distributor_read,
    .write = distributor_write,
    .destroy = nothing_to_free,
    .lockless = true,
};
