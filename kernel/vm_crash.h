/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* How a guest crashed: taken on its vCPU's thread while its memory is there, kept until somebody
 * starts the guest again. */
#ifndef KERNEL_VM_CRASH_H
#define KERNEL_VM_CRASH_H

#include "kernel/kallsyms.h"
#include "kernel/vm.h"

#define CRASH_FRAMES  32
#define CRASH_CONSOLE 4096 /* bytes of the console's end */

struct vm_crash {
    unsigned vcpu, exit; /* enum exit_kind */
    uint64_t pc, ns;     /* ns: since the guest's start */
    char reason[VM_REASON_SIZE];
    char registers[VM_REGISTERS_SIZE];
    struct vm_registers values;
    uint32_t symbols; /* how many the guest's kernel has, 0: they were not found */
    unsigned frame_count;
    struct crash_frame {
        uint64_t pc, offset;
        bool guess;                     /* found on the stack, perhaps left by an earlier call */
        char symbol[KALLSYMS_NAME_MAX]; /* "": none */
    } frames[CRASH_FRAMES];
    size_t console_size;
    char console[CRASH_CONSOLE];
};

/* Looks at a vCPU whose state is canonical, and at its guest. */
void vm_crash_look(struct vcpu *v, struct vm_crash *c);
/* On the vCPU's own thread: keeps how it is in vm->crash. */
void vm_crash_note(struct vcpu *v);
/* The same of a vCPU that restarts its guest, when the console's end tells of a panic. */
void vm_crash_note_restart(struct vcpu *v);
/* Somebody starts the guest: forgets it. */
void vm_crash_forget(struct vm *vm);

#endif
