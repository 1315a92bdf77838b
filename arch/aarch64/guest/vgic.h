/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The guest's GICv3 or GICv2: what its files tell each other. */
#ifndef ARCH_AARCH64_GUEST_VGIC_H
#define ARCH_AARCH64_GUEST_VGIC_H

#include "arch/aarch64/guest/machine.h"

/* Bits of a bank: the software-generated interrupts of bank 0. */
#define VGIC_SGIS 0xffffu

/* GICD_CTLR, 12.9.4 */
#define VGIC_CTLR_GROUP0 (1u << 0)
#define VGIC_CTLR_GROUP1 (1u << 1)

static inline uint32_t vgic_bank_pending(const struct vgic_bank *b)
{
    return b->latch | (b->level & ~b->edge);
}

/* What the distributor forwards: enabled, in a group that is. */
static inline uint32_t vgic_bank_enabled(const struct vgic *g, const struct vgic_bank *b)
{
    uint32_t ctlr = g->ctlr;

    return b->enabled &
           ((ctlr & VGIC_CTLR_GROUP1 ? b->group : 0) | (ctlr & VGIC_CTLR_GROUP0 ? ~b->group : 0));
}

/* What list registers may show: enabled and pending, or active. */
static inline uint32_t vgic_bank_busy(const struct vgic *g, const struct vgic_bank *b)
{
    return (vgic_bank_pending(b) & vgic_bank_enabled(g, b)) | b->active;
}

/* v's list registers are out of date; it will look. */
void vgic_news(struct vcpu *v);
/* With g->lock: something of the shared `bank` changed: notes whether it is busy, */
void vgic_bank_settle(struct vgic *g, unsigned bank);
/* and tells whom it concerns. */
void vgic_bank_changed(struct vm *vm, unsigned bank);
/* With g->lock: the distributor was switched on or off. */
void vgic_all_changed(struct vm *vm);

/* vgic_lr.c: the virtual timer's interrupt came; list registers want to be looked at. In an
 * interrupt of the CPU where the vCPU is loaded. */
void vgic_timer_fired(struct vcpu *v);
void vgic_maintenance(struct vcpu *v);

/* vgic_mmio.c: arrays of registers that the versions have alike. */
struct vgic_place {
    unsigned bank, reg, at;
    bool priority, config;
};
/* Which bank `offset` of the distributor is about, and where in it. False: something else. */
bool vgic_place_find(uint64_t offset, struct vgic_place *p);
uint64_t vgic_place_read(const struct vgic_bank *b, const struct vgic_place *p, unsigned size);
void vgic_place_write(struct vgic_bank *b, const struct vgic_place *p, unsigned size,
                      uint64_t value);
/* Software interrupts are edges for good. */
static inline bool vgic_place_configures_sgis(const struct vgic_place *p)
{
    return p->config && p->bank == 0 && p->at == 0;
}
/* route[irq] was set: which vCPU it means. */
void vgic_route_changed(struct vgic *g, unsigned irq);
extern const struct device_ops vgic_distributor_ops, vgic_redistributor_ops;
/* vgic_v2.c */
extern const struct device_ops vgic_v2_distributor_ops;
/* The vCPU of a target mask: the first one in it. */
unsigned vgic_v2_target(uint64_t mask);

#endif
