/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Interrupt lines of a guest: devices drive pins, the machine's controller (one per VM) takes them.
 * The level of a pin is the OR of its sources. Pins are numbered as the machine's controller does:
 * GSI, SPI number (INTID - 32), PLIC source.
 */
#ifndef KERNEL_GUEST_IRQ_H
#define KERNEL_GUEST_IRQ_H

#include "kernel/types.h"

struct vm;

/* The machine's controller; one constant structure per controller type. */
struct irqchip_ops {
    const char *name;
    unsigned pins;
    /* The level of `pin` changed. Any context; takes its own lock (RANK_IRQCHIP). */
    void (*set_pin)(struct vm *vm, unsigned pin, bool level);
    /* A message-signalled interrupt: a device's write of `data` to guest-physical `address`. Any
     * context; addresses and data that mean nothing here are dropped. NULL: the machine has no MSI.
     */
    void (*msi)(struct vm *vm, uint64_t address, uint32_t data);
};

/* One source of a pin: embedded in a device. */
struct guest_irq {
    struct vm *vm;
    unsigned pin;
    bool level;
    struct guest_irq *next; /* of the VM's sources */
};

/* May be done again, to drive another pin; it is low then. */
void guest_irq_init(struct guest_irq *irq, struct vm *vm, unsigned pin);
/* Sets this source's level. Cheap when it does not change. */
void guest_irq_set(struct guest_irq *irq, bool level);
/* A rising edge and back, for edge-triggered pins. */
void guest_irq_pulse(struct guest_irq *irq);
/* After the saved state of all devices was loaded: counts the sources of each pin anew. The
 * controller's own state has the pins' levels. */
void guest_irq_recount(struct vm *vm);

#endif
