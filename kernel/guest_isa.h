/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Contract 2, guest ISAs: one constant table per ISA, chosen per VM at run time; compiled for every
 * host. Nothing here depends on how the vCPU runs: it acts on canonical state (vcpu->state) and on
 * the bus.
 */
#ifndef KERNEL_GUEST_ISA_H
#define KERNEL_GUEST_ISA_H

#include "kernel/debug.h"
#include "kernel/engine.h"
#include "kernel/state.h"

/* What the vCPU does after an exit was handled. */
enum exit_action {
    ACTION_RESUME,   /* run on */
    ACTION_IDLE,     /* sleep until has_work() */
    ACTION_POWEROFF, /* the guest switched itself off */
    ACTION_RESET,    /* the guest asked to be started anew */
    ACTION_FAIL,     /* the guest cannot go on: vm_fail() said why */
};

struct dbt_guest;

struct guest_isa {
    const char *name;                   /* "x86_64", as in configuration */
    const struct dbt_guest *translator; /* dbt/guest.h; NULL: only hardware runs it */
    size_t state_size; /* of the canonical vCPU state, 64-byte aligned, zeroed at creation */

    /* Builds the machine: RAM regions (vm->config->memory), devices on vm->mmio and vm->ports,
     * vm->irqchip, vm->machine. */
    enum err (*machine_create)(struct vm *vm);
    void (*machine_destroy)(
        struct vm *vm); /* what machine_create made, devices excepted (the core destroys those) */
    /* Per vCPU: isa_data (local APIC, redistributor); state to its reset value. */
    enum err (*vcpu_create)(struct vcpu *vcpu);
    void (*vcpu_destroy)(struct vcpu *vcpu);
    /* Loads kernel, initrd, command line, tables; makes vCPU 0 ready to run, the others wait for
     * start-up. Logs what is wrong with the files by log_guest(). */
    enum err (*load)(struct vm *vm);

    /* VCPU_REQUEST_STARTUP, on the vCPU's own thread: does what another vCPU asked of this one
     * (INIT and SIPI), sets `running`. NULL: the ISA starts its vCPUs by vcpu_start() alone. */
    void (*startup)(struct vcpu *vcpu);

    /* Masked, before an entry when vcpu->irq_news is set (cleared by then; it may set it again, to
     * be called before the next one too): moves what the software controllers have pending into the
     * canonical state. */
    void (*before_run)(struct vcpu *vcpu);
    /* Masked, right after each exit: takes back what the hardware changed in it. NULL: nothing. */
    void (*after_run)(struct vcpu *vcpu);
    /* Would an idle vCPU have something to do now? Any context. */
    bool (*has_work)(struct vcpu *vcpu);
    /* clock_ns() at which an idle vCPU's own timer (one that the hardware virtualizes) will fire;
     * UINT64_MAX: none. NULL: never. */
    uint64_t (*idle_deadline)(struct vcpu *vcpu);

    /* EXIT_MEMORY that is not RAM: decodes the operand if need be, does the bus access, advances
     * the PC. */
    enum exit_action (*mmio)(struct vcpu *vcpu, const struct vm_exit *exit);
    /* EXIT_PORT, EXIT_HYPERCALL, EXIT_REGISTER, EXIT_ISA, EXIT_IDLE. */
    enum exit_action (*handle_exit)(struct vcpu *vcpu, const struct vm_exit *exit);

    /* Saved state of what is no device: machine, interrupt controller, canonical state and isa_data
     * of each vCPU. Called while the VM is paused: everything is canonical. */
    void (*state_each)(struct vm *vm, state_visit visit, void *arg);

    /* Presses the machine's power button. False: the guest does not listen to it. NULL: the machine
     * has none. Any thread. */
    bool (*power_button)(struct vm *vm);

    uint64_t (*pc)(struct vcpu *vcpu);
    /* For debuggers; NULL: they cannot look into it. */
    const struct debug_isa *debug;
    /* Registers for people. */
    void (*print)(struct vcpu *vcpu, struct out *out);
};
TABLE_DECLARE(guest_isas, struct guest_isa);

const struct guest_isa *guest_isa_find(const char *name);

#endif
