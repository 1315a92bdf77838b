/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The riscv64 guest machine: the addresses and interrupt numbers of QEMU's `virt` board, a PLIC, a
 * 16550, and the hypervisor as the guest's SBI 2.0 firmware.
 */
#ifndef ARCH_RISCV64_GUEST_MACHINE_H
#define ARCH_RISCV64_GUEST_MACHINE_H

#include "arch/riscv64/guest/state.h"
#include "kernel/log.h"
#include "kernel/guest_clock.h"

#define RISCV_PLIC_BASE 0x0c000000UL
#define RISCV_PLIC_SIZE 0x00600000UL
#define RISCV_UART_BASE 0x10000000UL
#define RISCV_UART_SIZE 0x100UL
#define RISCV_UART_PIN  10
#define RISCV_RAM_BASE  0x80000000UL
#define RISCV_PLIC_PINS 96 /* source 0 does not exist */

struct riscv_plic;

struct riscv_machine {
    struct riscv_plic *plic;
    /* What runs the guest says in its vm_init() what the device tree offers: */
    const char *isa;                 /* ISA string: only what is passed through or emulated */
    const char *mmu;                 /* "riscv,sv48" */
    uint32_t cbom_block, cboz_block; /* bytes; 0: no such extension */
    uint64_t timebase_hz;
    bool hardware_timer; /* stimecmp raises STIP without help */
};

enum riscv_hart_state {
    RISCV_HART_STARTED = 0,
    RISCV_HART_STOPPED = 1,
    RISCV_HART_START_PENDING = 2
};

/* vcpu->isa_data */
struct riscv_hart {
    struct guest_timer timer; /* raises STIP where the engine has no timer of its own */
    struct vcpu *vcpu;
    uint64_t timer_set;  /* the stimecmp that `timer` is set for */
    uint32_t ipi;        /* atomic: SSIP was asked for */
    uint32_t hart_state; /* atomic: enum riscv_hart_state */
};

static inline struct riscv_machine *riscv_machine(const struct vm *vm)
{
    return vm->machine;
}

static inline struct riscv_hart *riscv_hart(const struct vcpu *v)
{
    return v->isa_data;
}

static inline struct riscv_state *riscv_state(const struct vcpu *v)
{
    return v->state;
}

/* The guest's time CSR now. */
static inline uint64_t riscv_time(const struct vm *vm)
{
    return guest_clock_counter(&vm->clock);
}

/* plic.c */
extern const struct irqchip_ops riscv_plic_irqchip;
enum err riscv_plic_create(struct vm *vm) MUST_CHECK;
bool riscv_plic_pending(const struct vm *vm, unsigned hart);

/* sbi.c */
enum exit_action riscv_sbi_call(struct vcpu *v);

/* fdt.c: writes the device tree into `buffer`; its size goes to *used. */
struct riscv_boot {
    uint64_t initrd_start, initrd_end; /* guest-physical, both 0: none */
};
enum err riscv_fdt_build(const struct vm *vm, const struct riscv_boot *boot, void *buffer,
                         size_t size, size_t *used) MUST_CHECK;

/* load.c */
enum err riscv_load(struct vm *vm) MUST_CHECK;

/* decode.c: a load or store of general registers. */
struct riscv_access {
    bool store, sign_extend;
    uint8_t size, reg, length; /* bytes, register number, bytes of the instruction */
};
bool riscv_decode_access(uint32_t instruction, struct riscv_access *a) MUST_CHECK;
/* The same for htinst's transformed form (21.6.3). */
bool riscv_decode_transformed(uint32_t htinst, struct riscv_access *a) MUST_CHECK;

#endif
