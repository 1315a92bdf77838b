/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A guest's platform-level interrupt controller (RISC-V PLIC 1.0.0) in software. Context n is the
 * S-mode of hart n. Sources are level triggered: pending while their pin is up and they are not
 * claimed.
 */
#include "arch/riscv64/guest/machine.h"
#include "kernel/lock.h"
#include "mm/heap.h"

#define PLIC_WORDS         (RISCV_PINS / 32)
#define PLIC_PRIORITY_MASK 7u

/* Offsets of the memory map. */
#define PLIC_PENDING        0x1000UL
#define PLIC_ENABLE         0x2000UL
#define PLIC_ENABLE_STRIDE  0x80UL
#define PLIC_CONTEXT        0x200000UL
#define PLIC_CONTEXT_STRIDE 0x1000UL
#define PLIC_CLAIM          4UL

struct plic_context {
    uint32_t enable[PLIC_WORDS];
    uint32_t threshold;
    uint32_t external; /* the context's interrupt line; read without the lock */
};

struct riscv_plic {
    struct device device;
    struct spinlock lock;
    unsigned contexts;
    uint32_t level[PLIC_WORDS], claimed[PLIC_WORDS];
    uint32_t priority[RISCV_PINS];
    struct plic_context context[];
};

LOCK_CLASS(plic_class, "guest PLIC", RANK_IRQCHIP);

/* The source that context `c` would claim, 0: none. The lowest number wins among equals. */
static unsigned best(const struct riscv_plic *p, const struct plic_context *c)
{
    uint32_t highest = c->threshold;
    unsigned found = 0;

    for (unsigned w = 0; w < PLIC_WORDS; w++) {
        uint32_t ready = p->level[w] & ~p->claimed[w] & c->enable[w];

        for (; ready; ready &= ready - 1) {
            unsigned source = w * 32 + (unsigned)__builtin_ctz(ready);

            if (p->priority[source] > highest) {
                highest = p->priority[source];
                found = source;
            }
        }
    }
    return found;
}

/* Recomputes every context's line after a change by `by` (NULL: by a device). Under the lock. */
static void update(struct riscv_plic *p, const struct vcpu *by)
{
    struct vm *vm = p->device.vm;

    for (unsigned i = 0; i < p->contexts; i++) {
        struct plic_context *c = &p->context[i];
        uint32_t line = best(p, c) != 0;

        if (line == c->external)
            continue;
        WRITE_ONCE(c->external, line);
        if (vm->vcpus && vm->vcpus[i])
            riscv_hart_notify(vm->vcpus[i], by);
    }
}

static uint32_t claim(struct riscv_plic *p, struct plic_context *c)
{
    unsigned source = best(p, c);

    p->claimed[source / 32] |= source ? 1u << source % 32 : 0;
    return source;
}

static void complete(struct riscv_plic *p, const struct plic_context *c, uint64_t source)
{
    if (source < RISCV_PINS && c->enable[source / 32] & 1u << source % 32)
        p->claimed[source / 32] &= ~(1u << source % 32);
}

/* Claiming is the one read that changes something. */
static uint64_t read_claim(struct riscv_plic *p, struct plic_context *c, const struct vcpu *v)
{
    uint64_t flags = spin_lock_irq(&p->lock);
    uint32_t source = claim(p, c);

    update(p, v);
    spin_unlock_irq(&p->lock, flags);
    return source;
}

static uint64_t read_context(struct riscv_plic *p, uint64_t offset, const struct vcpu *v)
{
    uint64_t index = offset / PLIC_CONTEXT_STRIDE, reg = offset % PLIC_CONTEXT_STRIDE;

    if (index >= p->contexts)
        return 0;
    if (reg == 0)
        return READ_ONCE(p->context[index].threshold);
    return reg == PLIC_CLAIM ? read_claim(p, &p->context[index], v) : 0;
}

static uint64_t plic_read(struct device *d, struct vcpu *v, unsigned region, uint64_t offset,
                          unsigned size)
{
    struct riscv_plic *p = container_of(d, struct riscv_plic, device);

    (void)region;
    (void)size;
    if (offset >= PLIC_CONTEXT)
        return read_context(p, offset - PLIC_CONTEXT, v);
    if (offset < PLIC_PENDING)
        return offset / 4 < RISCV_PINS ? READ_ONCE(p->priority[offset / 4]) : 0;
    if (offset < PLIC_ENABLE) {
        uint64_t w = (offset - PLIC_PENDING) / 4;

        return w < PLIC_WORDS ? READ_ONCE(p->level[w]) & ~READ_ONCE(p->claimed[w]) : 0;
    }
    uint64_t index = (offset - PLIC_ENABLE) / PLIC_ENABLE_STRIDE;
    uint64_t w = (offset - PLIC_ENABLE) % PLIC_ENABLE_STRIDE / 4;

    return index < p->contexts && w < PLIC_WORDS ? READ_ONCE(p->context[index].enable[w]) : 0;
}

static void write_locked(struct riscv_plic *p, uint64_t offset, uint32_t value)
{
    if (offset < PLIC_PENDING) {
        if (offset / 4 < RISCV_PINS && offset != 0)
            p->priority[offset / 4] = value & PLIC_PRIORITY_MASK;
    } else if (offset >= PLIC_ENABLE && offset < PLIC_CONTEXT) {
        uint64_t index = (offset - PLIC_ENABLE) / PLIC_ENABLE_STRIDE;
        uint64_t w = (offset - PLIC_ENABLE) % PLIC_ENABLE_STRIDE / 4;

        if (index < p->contexts && w < PLIC_WORDS)
            p->context[index].enable[w] = w == 0 ? value & ~1u : value;
    } else if (offset >= PLIC_CONTEXT) {
        uint64_t index = (offset - PLIC_CONTEXT) / PLIC_CONTEXT_STRIDE;
        uint64_t reg = (offset - PLIC_CONTEXT) % PLIC_CONTEXT_STRIDE;

        if (index < p->contexts && reg == 0)
            p->context[index].threshold = value & PLIC_PRIORITY_MASK;
        else if (index < p->contexts && reg == PLIC_CLAIM)
            complete(p, &p->context[index], value);
    }
}

static void plic_write(struct device *d, struct vcpu *v, unsigned region, uint64_t offset,
                       unsigned size, uint64_t value)
{
    struct riscv_plic *p = container_of(d, struct riscv_plic, device);
    uint64_t flags = spin_lock_irq(&p->lock);

    (void)region;
    (void)size;
    write_locked(p, offset, (uint32_t)value);
    update(p, v);
    spin_unlock_irq(&p->lock, flags);
}

static void plic_set_pin(struct vm *vm, unsigned pin, bool level)
{
    struct riscv_plic *p = riscv_machine(vm)->plic;
    uint64_t flags = spin_lock_irq(&p->lock);

    if (level)
        p->level[pin / 32] |= 1u << pin % 32;
    else
        p->level[pin / 32] &= ~(1u << pin % 32);
    update(p, NULL);
    spin_unlock_irq(&p->lock, flags);
}

static void plic_destroy(struct device *d)
{
    heap_free(container_of(d, struct riscv_plic, device));
}

static void plic_reset(struct device *d)
{
    struct riscv_plic *p = container_of(d, struct riscv_plic, device);
    uint64_t flags = spin_lock_irq(&p->lock);

    for (unsigned w = 0; w < PLIC_WORDS; w++)
        p->claimed[w] = 0;
    for (unsigned i = 0; i < RISCV_PINS; i++)
        p->priority[i] = 0;
    for (unsigned i = 0; i < p->contexts; i++) {
        p->context[i].threshold = 0;
        for (unsigned w = 0; w < PLIC_WORDS; w++)
            p->context[i].enable[w] = 0;
    }
    update(p, NULL);
    spin_unlock_irq(&p->lock, flags);
}

static enum err plic_loaded(void *object)
{
    struct riscv_plic *p = object;

    for (unsigned i = 0; i < RISCV_PINS; i++)
        if (p->priority[i] > PLIC_PRIORITY_MASK || (i == 0 && p->priority[i]))
            return ERR_INVALID;
    return ERR_OK;
}

STATE_TABLE_HOOKS(plic_state, "plic", 1, NULL, plic_loaded,
                  STATE_ARRAY(struct riscv_plic, level, 1),
                  STATE_ARRAY(struct riscv_plic, claimed, 1),
                  STATE_ARRAY(struct riscv_plic, priority, 1));

static enum err context_loaded(void *object)
{
    const struct plic_context *c = object;

    return c->threshold > PLIC_PRIORITY_MASK || c->enable[0] & 1 || c->external > 1 ? ERR_INVALID
                                                                                    : ERR_OK;
}

STATE_TABLE_HOOKS(context_state, "plic-context", 1, NULL, context_loaded,
                  STATE_ARRAY(struct plic_context, enable, 1),
                  STATE_FIELD(struct plic_context, threshold, 1),
                  STATE_FIELD(struct plic_context, external, 1));

static void plic_state_each(struct device *d, state_visit visit, void *arg)
{
    struct riscv_plic *p = container_of(d, struct riscv_plic, device);

    for (unsigned i = 0; i < p->contexts; i++)
        visit(&context_state, i, &p->context[i], arg);
}

static const struct device_ops plic_ops = {
    .name = "PLIC",
    .read = plic_read,
    .write = plic_write,
    .reset = plic_reset,
    .destroy = plic_destroy,
    .lockless = true,
    .state = &plic_state,
    .state_offset = offsetof(struct riscv_plic, device),
    .state_each = plic_state_each,
};

const struct irqchip_ops riscv_plic_irqchip = {
    .name = "PLIC", .pins = RISCV_PINS, .set_pin = plic_set_pin};

enum err riscv_plic_create(struct vm *vm)
{
    unsigned contexts = (unsigned)vm->config->cpus;
    struct riscv_plic *p = heap_zalloc(sizeof(*p) + contexts * sizeof(p->context[0]));
    struct bus_region region = {
        .base = RISCV_PLIC_BASE, .size = RISCV_PLIC_SIZE, .min_size = 4, .max_size = 4};

    if (!p)
        return ERR_NO_MEMORY;
    p->contexts = contexts;
    spin_init(&p->lock, &plic_class);
    device_init(&p->device, &plic_ops, vm);
    riscv_machine(vm)->plic = p;
    vm->irqchip = &riscv_plic_irqchip;
    region.device = &p->device;
    return bus_add(&vm->mmio, &region);
}

bool riscv_plic_pending(const struct vm *vm, unsigned hart)
{
    return READ_ONCE(riscv_machine(vm)->plic->context[hart].external);
}
