/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * svm_enter(vmcb, gpr, host): the switch to a guest and back. RDI and RDX: physical addresses of
 * the guest's VMCB and of the page where VMSAVE put the host's own segments; RSI: the guest's
 * general registers in their encoding's order.
 *
 * From CLGI to STGI nothing can interrupt: neither the guest's FS, GS and TR on the way in and out
 * nor its registers are ever seen by a handler. Interrupts are unmasked inside so that they end
 * the guest (V_INTR_MASKING: APM 2, 15.21.1).
 */
    .text
    .globl svm_enter
    .hidden svm_enter
    .type svm_enter, @function
svm_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdx
    pushq %rsi
    movq %rdi, %rax
    clgi
    sti
    vmload %rax
    movq 0x08(%rsi), %rcx
    movq 0x10(%rsi), %rdx
    movq 0x18(%rsi), %rbx
    movq 0x28(%rsi), %rbp
    movq 0x38(%rsi), %rdi
    movq 0x40(%rsi), %r8
    movq 0x48(%rsi), %r9
    movq 0x50(%rsi), %r10
    movq 0x58(%rsi), %r11
    movq 0x60(%rsi), %r12
    movq 0x68(%rsi), %r13
    movq 0x70(%rsi), %r14
    movq 0x78(%rsi), %r15
    movq 0x30(%rsi), %rsi
    vmrun %rax
    vmsave %rax             /* RAX is the host's again: the VMCB */
    movq (%rsp), %rax
    movq %rcx, 0x08(%rax)
    movq %rdx, 0x10(%rax)
    movq %rbx, 0x18(%rax)
    movq %rbp, 0x28(%rax)
    movq %rsi, 0x30(%rax)
    movq %rdi, 0x38(%rax)
    movq %r8, 0x40(%rax)
    movq %r9, 0x48(%rax)
    movq %r10, 0x50(%rax)
    movq %r11, 0x58(%rax)
    movq %r12, 0x60(%rax)
    movq %r13, 0x68(%rax)
    movq %r14, 0x70(%rax)
    movq %r15, 0x78(%rax)
    movq 8(%rsp), %rax
    vmload %rax
    cli
    stgi
    /* No guest value stays behind for speculation to use. */
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    addq $16, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size svm_enter, . - svm_enter

    .section .note.GNU-stack, "", @progbits
