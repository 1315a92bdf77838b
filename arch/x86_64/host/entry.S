/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Where control comes into the kernel on x86_64: from the loader, from start-up of other CPUs,
 * from traps; and the thread switch.
 */
#include "arch/x86_64/host/registers.h"

    .section .text.entry, "ax", @progbits
/* kernel_entry(struct boot_info *info in RDI): state as boot/boot_info.h says. */
    .globl kernel_entry
    .hidden kernel_entry
    .type kernel_entry, @function
kernel_entry:
    cld
    xorl %ebp, %ebp
    andq $-16, %rsp
    pushq $0                /* ends the chain of frames: return address and frame pointer */
    pushq $0
    call kernel_main
1:  cli
    hlt
    jmp 1b
    .size kernel_entry, . - kernel_entry

    .text
/*
 * A CPU that the trampoline of start-up brought to long mode: RDI is the first struct x86_start
 * record, RSI its physical APIC id. Finds its record (smp.c) and goes on in C on the stack that is
 * written there.
 */
    .globl x86_secondary_entry
    .hidden x86_secondary_entry
    .type x86_secondary_entry, @function
x86_secondary_entry:
    testq %rdi, %rdi
    jz 2f
    cmpl %esi, 0(%rdi)
    je 1f
    movq 8(%rdi), %rdi
    jmp x86_secondary_entry
1:  movq 16(%rdi), %rsp
    movq 24(%rdi), %rdi
    xorl %ebp, %ebp
    pushq $0
    pushq $0
    call x86_secondary_main
2:  cli                     /* nobody asked for this CPU */
    hlt
    jmp 2b
    .size x86_secondary_entry, . - x86_secondary_entry

/*
 * host_context_switch(from, to): callee-saved registers on the old stack, then on with the new
 * one.
 */
    .globl host_context_switch
    .hidden host_context_switch
    .type host_context_switch, @function
host_context_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size host_context_switch, . - host_context_switch

/* First code of a new thread: host_context_init() left entry in RBX and its argument in R12. */
    .globl x86_thread_start
    .hidden x86_thread_start
    .type x86_thread_start, @function
x86_thread_start:
    movq %r12, %rdi
    xorl %ebp, %ebp
    call *%rbx
    ud2
    .size x86_thread_start, . - x86_thread_start

/*
 * Trap stubs: 256 of 16 bytes, so that stub N is x86_trap_stubs + 16 * N. Vectors without an error
 * code push a zero for it (SDM 3, 6.3.1: 8, 10 to 14, 17, 21, 29 and 30 have one).
 */
    .balign 16
    .globl x86_trap_stubs
    .hidden x86_trap_stubs
x86_trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .set with_code, vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
    .if !(with_code || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

    .type trap_common, @function
trap_common:
    cld
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    call x86_trap
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq
    .size trap_common, . - trap_common

/*
 * x86_load_segments(gdt pointer, code selector): the new GDT's selectors in all segment registers;
 * GS base is set afterwards.
 */
    .globl x86_load_segments
    .hidden x86_load_segments
    .type x86_load_segments, @function
x86_load_segments:
    lgdt (%rdi)
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    popq %rax
    pushq $SELECTOR_CODE
    pushq %rax
    lretq
    .size x86_load_segments, . - x86_load_segments

/*
 * uint64_t x86_efi_call(function, tables, stack, a, b, c, d): calls firmware code (Microsoft ABI,
 * UEFI 2.10, 2.3.4) with its own page tables on its own stack. Interrupts are masked.
 */
    .globl x86_efi_call
    .hidden x86_efi_call
    .type x86_efi_call, @function
x86_efi_call:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rbx
    pushq %r12
    movq %cr3, %rbx
    movq %rsp, %r12
    movq 16(%rbp), %r10     /* d */
    movq %rdi, %rax
    movq %rsi, %cr3
    movq %rdx, %rsp
    movq %r8, %rdx          /* b */
    movq %r9, %r8           /* c */
    movq %r10, %r9          /* d; a is in RCX already */
    subq $32, %rsp          /* the callee's home area */
    call *%rax
    movq %r12, %rsp
    movq %rbx, %cr3
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size x86_efi_call, . - x86_efi_call

    .section .note.GNU-stack, "", @progbits
