/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The GICv2m frame (Arm Server Base System Architecture, DEN0029, appendix E): a write of a number
 * to its doorbell raises that shared interrupt, which the guest has made edge-triggered. */
#include "arch/aarch64/guest/machine.h"

enum frame_register {
    MSI_TYPER = 0x008,
    MSI_SETSPI_NS = 0x040,
    MSI_IIDR = 0xfcc,
};

#define TYPER_BASE_SHIFT 16
#define FIRST_LINE       (32 + V2M_FIRST_PIN)
#define IIDR_ARM         0x43bu

static uint64_t frame_read(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                           unsigned size)
{
    (void)d;
    (void)vcpu;
    (void)region;
    (void)size;
    switch (offset) {
    case MSI_TYPER:
        return FIRST_LINE << TYPER_BASE_SHIFT | V2M_PINS;
    case MSI_IIDR:
        return IIDR_ARM;
    }
    return 0;
}

static void frame_write(struct device *d, struct vcpu *vcpu, unsigned region, uint64_t offset,
                        unsigned size, uint64_t value)
{
    (void)vcpu;
    (void)region;
    (void)size;
    gicv2m_msi(d->vm, MACHINE_V2M_BASE + offset, (uint32_t)value);
}

/* Part of struct vgic, which machine_destroy() frees. */
static void nothing_to_free(struct device *d)
{
    (void)d;
}

static const struct device_ops frame_ops = {
    .name = "GICv2m",
    .state = &state_none,
    .read = frame_read,
    .write = frame_write,
    .destroy = nothing_to_free,
    .lockless = true,
};

void gicv2m_msi(struct vm *vm, uint64_t address, uint32_t data)
{
    if (address == MACHINE_V2M_BASE + MSI_SETSPI_NS && data >= FIRST_LINE &&
        data - FIRST_LINE < V2M_PINS)
        vgic_pulse(vm, data);
}

enum err gicv2m_create(struct vm *vm)
{
    struct vgic *g = arm_machine(vm)->vgic;
    struct bus_region region = {
        .base = MACHINE_V2M_BASE, .size = MACHINE_V2M_SIZE, .min_size = 4, .max_size = 4};

    device_init(&g->v2m, &frame_ops, vm);
    region.device = &g->v2m;
    return bus_add(&vm->mmio, &region);
}
