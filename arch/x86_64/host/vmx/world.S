/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * vmx_enter(gpr, flags): the switch to the guest of the current VMCS and back. RDI: the guest's
 * general registers in their encoding's order; RSI: VMX_ENTER_*. Returns 0 after an exit, which
 * arrives at vmx_exited with the host's state from the VMCS; 1 when the CPU refused to begin.
 * Interrupts stay masked.
 */
#include "arch/x86_64/host/registers.h"

#define HOST_RSP 0x6c14 /* VMCS_HOST_RSP */

    .text
    .globl vmx_enter
    .hidden vmx_enter
    .type vmx_enter, @function
vmx_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq $SELECTOR_DATA    /* what VERW wants: a writable segment */
    pushq %rdi
    movl $HOST_RSP, %eax
    vmwrite %rsp, %rax
    movq 0x00(%rdi), %rax
    movq 0x08(%rdi), %rcx
    movq 0x10(%rdi), %rdx
    movq 0x18(%rdi), %rbx
    movq 0x28(%rdi), %rbp
    movq 0x40(%rdi), %r8
    movq 0x48(%rdi), %r9
    movq 0x50(%rdi), %r10
    movq 0x58(%rdi), %r11
    movq 0x60(%rdi), %r12
    movq 0x68(%rdi), %r13
    movq 0x70(%rdi), %r14
    movq 0x78(%rdi), %r15
    testb $2, %sil
    jz 1f
    verw 8(%rsp)            /* overwrites the CPU's buffers */
1:  testb $1, %sil
    movq 0x30(%rdi), %rsi
    movq 0x38(%rdi), %rdi
    jz 2f
    vmresume
    jmp 3f
2:  vmlaunch
3:  movl $1, %eax           /* refused: the registers are still what was loaded above */
    jmp 4f

    .globl vmx_exited
    .hidden vmx_exited
vmx_exited:
    pushq %rdi
    movq 8(%rsp), %rdi
    movq %rax, 0x00(%rdi)
    movq %rcx, 0x08(%rdi)
    movq %rdx, 0x10(%rdi)
    movq %rbx, 0x18(%rdi)
    movq %rbp, 0x28(%rdi)
    movq %rsi, 0x30(%rdi)
    movq %r8, 0x40(%rdi)
    movq %r9, 0x48(%rdi)
    movq %r10, 0x50(%rdi)
    movq %r11, 0x58(%rdi)
    movq %r12, 0x60(%rdi)
    movq %r13, 0x68(%rdi)
    movq %r14, 0x70(%rdi)
    movq %r15, 0x78(%rdi)
    popq 0x38(%rdi)
    xorl %eax, %eax
    /* No guest value stays behind for speculation to use. */
4:  xorl %ecx, %ecx
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
    .size vmx_enter, . - vmx_enter

    .section .note.GNU-stack, "", @progbits
