/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Guest interrupt pins: the OR of their sources, told to the machine's controller when it changes.
 */
#include "kernel/guest_irq.h"

#include "kernel/vm.h"

void guest_irq_init(struct guest_irq *irq, struct vm *vm, unsigned pin)
{
    struct guest_irq *known = vm->irqs, *next = vm->irqs;

    while (known && known != irq)
        known = known->next;
    if (known)
        next = irq->next;
    else
        vm->irqs = irq;
    *irq = (struct guest_irq){.vm = vm, .pin = pin, .next = next};
}

void guest_irq_recount(struct vm *vm)
{
    uint64_t flags = spin_lock_irq(&vm->pin_lock);

    for (unsigned pin = 0; pin < vm->irqchip->pins; pin++)
        vm->pin_sources[pin] = 0;
    for (const struct guest_irq *irq = vm->irqs; irq; irq = irq->next)
        if (irq->level && irq->pin < vm->irqchip->pins)
            vm->pin_sources[irq->pin]++;
    spin_unlock_irq(&vm->pin_lock, flags);
}

void guest_irq_set(struct guest_irq *irq, bool level)
{
    struct vm *vm = irq->vm;
    uint64_t flags;

    if (READ_ONCE(irq->level) == level)
        return;
    flags = spin_lock_irq(&vm->pin_lock);
    if (irq->level != level && irq->pin < vm->irqchip->pins) {
        uint16_t before = vm->pin_sources[irq->pin];
        uint16_t after = level ? before + 1 : before - 1;

        irq->level = level;
        vm->pin_sources[irq->pin] = after;
        if (!before != !after)
            vm->irqchip->set_pin(vm, irq->pin, level);
    }
    spin_unlock_irq(&vm->pin_lock, flags);
}

void guest_irq_pulse(struct guest_irq *irq)
{
    guest_irq_set(irq, true);
    guest_irq_set(irq, false);
}
