/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The guest's GICv3, or GICv2 where the host has only that: pins, messages and software interrupts
 * into the software state, which is the truth; vgic_lr.c moves it to list registers and back.
 * Private interrupts have their vCPU's lock, shared ones the controller's (both RANK_IRQCHIP, in
 * this order, masked).
 */
#include "arch/aarch64/guest/vgic.h"
#include "kernel/log.h"
#include "mm/heap.h"
#include "mm/second_stage.h"

LOCK_CLASS(vgic_class, "guest interrupt controller", RANK_IRQCHIP);

/* ---- Changes ---- */

void vgic_news(struct vcpu *v)
{
    if (vcpu_current() == v)
        v->irq_news = true;
    else
        vcpu_request(v, VCPU_REQUEST_IRQ);
}

static void irq_changed(struct vm *vm, unsigned irq)
{
    unsigned target = arm_machine(vm)->vgic->target[irq];

    if (target < vm->vcpu_count && vm->vcpus[target])
        vgic_news(vm->vcpus[target]);
}

void vgic_bank_settle(struct vgic *g, unsigned bank)
{
    uint32_t bit = 1u << bank;

    WRITE_ONCE(g->busy, vgic_bank_busy(g, &g->banks[bank]) ? g->busy | bit : g->busy & ~bit);
}

void vgic_bank_changed(struct vm *vm, unsigned bank)
{
    struct vgic *g = arm_machine(vm)->vgic;

    vgic_bank_settle(g, bank);
    for (uint32_t busy = vgic_bank_busy(g, &g->banks[bank]); busy; busy &= busy - 1)
        irq_changed(vm, bank * 32 + (unsigned)__builtin_ctz(busy));
}

void vgic_all_changed(struct vm *vm)
{
    for (unsigned i = 1; i < VGIC_BANKS; i++)
        vgic_bank_changed(vm, i);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (vm->vcpus[i])
            vgic_news(vm->vcpus[i]);
}

/* A line's new level: an edge-triggered interrupt latches its rise. True when that matters to
 * somebody. `active` is not asked: the guest may have ended in its list register what is still
 * noted here. */
static bool bank_set_level(const struct vgic *g, struct vgic_bank *b, uint32_t bit, bool level)
{
    uint32_t before = vgic_bank_pending(b) & vgic_bank_enabled(g, b);

    if (level && !(b->level & bit) && b->edge & bit)
        b->latch |= bit;
    b->level = level ? b->level | bit : b->level & ~bit;
    return (before ^ (vgic_bank_pending(b) & vgic_bank_enabled(g, b))) & bit;
}

static bool shared_set_level(struct vgic *g, unsigned irq, bool level)
{
    bool news = bank_set_level(g, &g->banks[irq / 32], 1u << irq % 32, level);

    vgic_bank_settle(g, irq / 32);
    return news;
}

static void vgic_set_pin(struct vm *vm, unsigned pin, bool level)
{
    struct vgic *g = arm_machine(vm)->vgic;
    uint64_t flags = spin_lock_irq(&g->lock);

    if (shared_set_level(g, pin + 32, level))
        irq_changed(vm, pin + 32);
    spin_unlock_irq(&g->lock, flags);
}

void vgic_pulse(struct vm *vm, unsigned irq)
{
    struct vgic *g = arm_machine(vm)->vgic;
    uint64_t flags = spin_lock_irq(&g->lock);
    bool news = shared_set_level(g, irq, true);

    if (shared_set_level(g, irq, false) || news)
        irq_changed(vm, irq);
    spin_unlock_irq(&g->lock, flags);
}

void vgic_set_private(struct vcpu *v, unsigned irq, bool level)
{
    struct arm_vcpu *a = arm_vcpu(v);
    uint64_t flags = spin_lock_irq(&a->lock);

    if (bank_set_level(arm_machine(v->vm)->vgic, &a->bank, 1u << irq, level))
        vgic_news(v);
    spin_unlock_irq(&a->lock, flags);
}

void vgic_sgi(struct vcpu *v, unsigned sgi, unsigned source)
{
    uint64_t flags = spin_lock_irq(&arm_vcpu(v)->lock);

    arm_vcpu(v)->bank.latch |= 1u << sgi;
    arm_vcpu(v)->sgi_pending[sgi] |= (uint8_t)(1u << source % VGIC_V2_CPUS);
    spin_unlock_irq(&arm_vcpu(v)->lock, flags);
    vgic_news(v);
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
                vgic_sgi(v->vm->vcpus[i], sgi, v->id);
        return;
    }
    for (uint32_t list = value & 0xffff; list; list &= list - 1) {
        struct vcpu *to = arm_vcpu_by_affinity(v->vm, cluster | (unsigned)__builtin_ctz(list));

        if (to)
            vgic_sgi(to, sgi, v->id);
    }
}

/* ---- Life ---- */

void vgic_vcpu_init(struct vcpu *v)
{
    struct arm_vcpu *a = arm_vcpu(v);

    spin_init(&a->lock, &vgic_class);
    arm_state(v)->gic.timer_fired = vgic_timer_fired;
    arm_state(v)->gic.maintenance = vgic_maintenance;
    a->bank.edge = VGIC_SGIS;
    a->sleeping = true;
}

static enum err v2_check(struct vm *vm)
{
    if (vm->config->cpus <= VGIC_V2_CPUS)
        return ERR_OK;
    vm_fail(vm,
            "this machine has a GICv2, and its guests can have %u CPUs at most: make \"cpus\" "
            "smaller",
            VGIC_V2_CPUS);
    return ERR_UNSUPPORTED;
}

static enum err v3_redistributors_create(struct vm *vm, struct vgic *g)
{
    struct bus_region region = {.base = MACHINE_GICR_BASE,
                                .size = MACHINE_GICR_SIZE * vm->config->cpus,
                                .min_size = 1,
                                .max_size = 8,
                                .device = &g->redistributors};

    device_init(&g->redistributors, &vgic_redistributor_ops, vm);
    return bus_add(&vm->mmio, &region);
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
    g->v2 = arm_traits(vm)->gicv != 0;
    vm->irqchip = g->v2 ? &vgic_v2_ops : &vgic_ops;
    device_init(&g->distributor, g->v2 ? &vgic_v2_distributor_ops : &vgic_distributor_ops, vm);
    for (unsigned irq = 32; irq < VGIC_LINES && g->v2; irq++)
        vgic_route_changed(g, irq); /* to nobody */
    region.device = &g->distributor;
    err = bus_add(&vm->mmio, &region);
    if (err == ERR_OK)
        err = g->v2 ? v2_check(vm) : v3_redistributors_create(vm, g);
    return err == ERR_OK ? gicv2m_create(vm) : err;
}

/* A GICv2's CPU interface is the hardware's virtual one. */
enum err vgic_map(struct vm *vm)
{
    const struct arm_traits *t = arm_traits(vm);

    if (!t->gicv)
        return ERR_OK;
    return second_stage_map_device(vm->stage2, GPA(MACHINE_GICC_BASE), HPA(t->gicv),
                                   MIN(t->gicv_size, MACHINE_GICC_SIZE));
}

const struct irqchip_ops vgic_v2_ops = {
    .name = "GICv2",
    .pins = VGIC_PINS,
    .set_pin = vgic_set_pin,
    .msi = gicv2m_msi,
};

const struct irqchip_ops vgic_ops = {
    .name = "GICv3",
    .pins = VGIC_PINS,
    .set_pin = vgic_set_pin,
    .msi = gicv2m_msi,
};
