/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes what a riscv64 guest reaches without an engine: registers of PLIC, APLIC, IMSIC and RTC,
 * messages, CSR instructions, SBI calls and the decoder of loads and stores. Input: one byte that
 * chooses the interrupt controller, then steps.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/riscv64/guest/machine.h"
#include "hosted.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"
#include "vm.h"

#define HARTS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct step {
    uint8_t kind, hart, size, base;
    uint32_t offset;
    uint64_t value;
};

static const uint64_t bases[] = {
    RISCV_PLIC_BASE,
    RISCV_PLIC_BASE + 0x2000,   /* enable bits */
    RISCV_PLIC_BASE + 0x200000, /* contexts */
    RISCV_APLIC_BASE,
    RISCV_APLIC_BASE + 0x1c00, /* arrays */
    RISCV_APLIC_BASE + 0x3000, /* targets */
    RISCV_IMSIC_BASE,
    RISCV_RTC_BASE,
};

static void sbi(struct vcpu *v, const struct step *s)
{
    static const uint64_t ids[] = {0x10,     0x54494d45, 0x735049,  0x52464e43,
                                   0x48534d, 0x53525354, 0x4442434e};
    struct riscv_state *r = riscv_state(v);

    r->x[RISCV_A7] = ids[s->base % ARRAY_SIZE(ids)];
    r->x[RISCV_A6] = s->size;
    r->x[RISCV_A0] = s->value % 2 ? s->value >> 1 : s->offset;
    r->x[RISCV_A1] = s->offset % 2 ? RISCV_RAM_BASE + s->offset : s->offset;
    r->x[RISCV_A2] = s->offset;
    r->x[RISCV_A3] = s->value;
    (void)riscv_sbi_call(v);
}

static void take(struct vm *vm, const struct step *s)
{
    struct vcpu *v = vm->vcpus[s->hart % HARTS];
    uint64_t address = bases[s->base % ARRAY_SIZE(bases)] + s->offset % KIB(16);
    unsigned size = s->size % 8 + 1;
    struct riscv_fence_range ranges[RISCV_FENCE_RANGES];
    struct riscv_access access;
    unsigned count;

    switch (s->kind % 9) {
    case 0:
        (void)bus_read(&vm->mmio, v, address, size);
        break;
    case 1:
    case 2:
        bus_write(&vm->mmio, v, address, size, s->value);
        break;
    case 3:
        vm->irqchip->set_pin(vm, s->base % RISCV_PINS, s->value % 2);
        break;
    case 4:
        if (vm->irqchip->msi)
            vm->irqchip->msi(vm, address, (uint32_t)s->value);
        break;
    case 5:
        riscv_state(v)->x[11] = s->value;
        (void)riscv_aia_instruction(v, s->offset);
        break;
    case 6:
        sbi(v, s);
        break;
    case 7:
        if (riscv_decode_access((uint32_t)s->value, &access) &&
            (access.reg >= 32 || access.size > 8 || (access.length != 2 && access.length != 4)))
            abort();
        (void)riscv_decode_transformed((uint32_t)s->value, &access);
        break;
    default:
        vm->isa->before_run(v);
        (void)riscv_fences_take(riscv_hart(v), ranges, &count);
        if (count > RISCV_FENCE_RANGES)
            abort();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool once;
    struct config_vm config = {.memory = MIB(16), .cpus = HARTS};
    struct vm *vm;
    struct step step;

    if (size == 0)
        return 0;
    if (!once)
        hosted_start_core(MIB(200));
    once = true;
    config.interrupts = data[0] % 2;
    vm = hosted_vm_create("riscv64", &config);
    for (data++, size--; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
        memcpy(&step, data, sizeof(step));
        take(vm, &step);
    }
    hosted_vm_destroy(vm);
    return 0;
}
