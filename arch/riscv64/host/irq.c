/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Which interrupt controller the machine has, and IPIs: through the IMSIC where that is it, else
 * through the ACLINT's supervisor device where the device tree has one, else by the firmware (SBI).
 */
#include "host_internal.h"
#include "kernel/irq.h"
#include "kernel/log.h"
#include "sbi.h"

/* A machine without any: the timer and IPIs work, devices are polled. */
static enum err none_route(unsigned irq, enum irq_trigger trigger, struct cpu *cpu)
{
    (void)irq;
    (void)trigger;
    (void)cpu;
    return ERR_UNSUPPORTED;
}

static void none_mask(unsigned irq)
{
    (void)irq;
}

static const struct irq_controller none = {
    .name = "none", .route = none_route, .mask = none_mask, .unmask = none_mask};

static const struct irq_controller *controller = &none;
static bool sswi;

enum err irq_controller_init(void)
{
    const struct irq_controller *found = imsic_probe();

    if (!found)
        found = plic_probe();
    if (found)
        controller = found;
    else
        log_warn(
            "no interrupt controller that is supported here (PLIC, or IMSIC): devices are polled");
    sswi = !controller->ipi && sswi_probe();
    if (!controller->ipi && !sswi && !sbi_has(SBI_EXT_IPI)) {
        log_error("no way to interrupt other CPUs: the firmware lacks the SBI IPI extension");
        return ERR_UNSUPPORTED;
    }
    return ERR_OK;
}

void irq_controller_cpu_init(struct cpu *cpu)
{
    if (controller->cpu_init)
        controller->cpu_init(cpu);
    if (sswi)
        sswi_cpu_init(cpu);
}

const char *host_irq_name(void)
{
    return controller->name;
}

const char *irq_ipi_name(void)
{
    return controller->ipi ? controller->name : sswi ? "ACLINT SSWI" : "the firmware (SBI)";
}

enum err host_irq_route(unsigned irq, enum irq_trigger trigger, struct cpu *cpu)
{
    return controller->route(irq, trigger, cpu);
}

enum err host_message_route(struct cpu *cpu, unsigned *irq, struct host_message *m)
{
    return controller->message ? controller->message(cpu, irq, m) : ERR_UNSUPPORTED;
}

void host_irq_mask(unsigned irq)
{
    controller->mask(irq);
}

void host_irq_unmask(unsigned irq)
{
    controller->unmask(irq);
}

void irq_external(void)
{
    if (controller->interrupt)
        controller->interrupt();
}

void host_ipi_send(struct cpu *cpu, enum host_ipi kind)
{
    __atomic_fetch_or(&cpu->ipi_pending, 1u << kind, __ATOMIC_SEQ_CST);
    host_barrier_full();
    if (controller->ipi && controller->ipi(cpu))
        return;
    if (cpu->host.sswi)
        sswi_send(cpu);
    else
        sbi_call(SBI_EXT_IPI, SBI_IPI_SEND, 1, cpu->hw_id, 0, 0);
}

void irq_take_ipis(void)
{
    uint32_t pending = __atomic_exchange_n(&this_cpu()->ipi_pending, 0, __ATOMIC_SEQ_CST);

    for (unsigned kind = 0; kind < HOST_IPI_COUNT; kind++)
        if (pending & 1u << kind)
            ipi_dispatch((enum host_ipi)kind);
}

void irq_software(void)
{
    csr_clear(sip, BIT(IRQ_S_SOFT));
    host_barrier_full();
    irq_take_ipis();
}
