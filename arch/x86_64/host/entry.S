/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Where control comes into the kernel on x86_64: from the loader, from start-up of other CPUs,
 * from traps; and the thread switch.
 */
#include "arch/x86_64/host/cage_world.h"
#include "arch/x86_64/host/registers.h"

#define HOME_TABLES 176
#define HOME_CPU    184

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
 * code push a zero for it (SDM 3, 6.3.1: 8, 10 to 14, 17, 21, 29 and 30 have one). What is here, up to
 * x86_trap_stubs_end, is whole pages that are in every cage too.
 */
    .section .text.gates, "ax", @progbits
    .balign 4096
    .globl x86_trap_stubs, x86_trap_stubs_end
    .hidden x86_trap_stubs, x86_trap_stubs_end
x86_trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .set with_code, vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
    .if !(with_code || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    .if vector == EXCEPTION_NMI || vector == EXCEPTION_DF || vector == EXCEPTION_MC
    jmp trap_anywhere
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
    .endr

    .macro push_registers
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
    .endm

    .macro pop_registers
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
    addq $16, %rsp          /* vector and error code */
    .endm

    .type trap_common, @function
trap_common:
    cld
    testb $3, 24(%rsp)      /* CS */
    jnz trap_from_cage
    push_registers
    movq %rsp, %rdi
    call x86_trap
    pop_registers
    iretq
    .size trap_common, . - trap_common

/*
 * From a cage: the stack is struct x86_cage_world, whose registers are full now. Everything about
 * what was interrupted is in it, so what x86_cage_enter() left goes on.
 */
    .type trap_from_cage, @function
trap_from_cage:
    push_registers
    swapgs
    movq WORLD_TABLES(%rsp), %rax
    testq %rax, %rax
    jz 1f
    movq %rax, %cr3
1:  testb $CAGE_CLEAR_AC, WORLD_FLAGS(%rsp)
    jz 1f
    clac                    /* caged code may have set it */
1:  movl $SELECTOR_DATA, %eax
    movl %eax, %ss
    movq WORLD_RSP(%rsp), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size trap_from_cage, . - trap_from_cage

/* x86_cage_enter(struct x86_cage_world *, CR3 of the cage, 0: as it is): masked; returns when an interrupt or
 * exception has come. */
    .globl x86_cage_enter
    .hidden x86_cage_enter
    .type x86_cage_enter, @function
x86_cage_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, WORLD_RSP(%rdi)
    movq %rdi, %rsp
    swapgs
    testb $CAGE_CLEAR_BUFFERS, WORLD_FLAGS(%rsp)
    jz 1f
    verw WORLD_SELECTOR(%rsp) /* overwrites the CPU's buffers */
1:  testq %rsi, %rsi
    jz 1f
    movq %rsi, %cr3
1:  pop_registers
    iretq
    .size x86_cage_enter, . - x86_cage_enter

/*
 * What comes on an emergency stack may find any tables and any GS base: kernel, cage, or on the way
 * between them. Above the frame lies struct x86_home.
 */
    .type trap_anywhere, @function
trap_anywhere:
    cld
    push_registers
    pushfq
    andl $~RFLAGS_AC, (%rsp)
    popfq
    movl $MSR_GS_BASE, %ecx
    rdmsr
    movl %eax, %r12d
    movl %edx, %r13d
    movq %cr3, %r14
    movq HOME_TABLES(%rsp), %rax
    testq %rax, %rax
    jz 1f
    cmpq %rax, %r14
    je 1f
    movq %rax, %cr3
1:  movq HOME_CPU(%rsp), %rax
    movq %rax, %rdx
    shrq $32, %rdx
    wrmsr
    movq %rsp, %rdi
    call x86_trap
    movl $MSR_GS_BASE, %ecx
    movl %r12d, %eax
    movl %r13d, %edx
    wrmsr
    movq %cr3, %rax
    cmpq %rax, %r14
    je 1f
    movq %r14, %cr3
1:  pop_registers
    iretq
    .size trap_anywhere, . - trap_anywhere
    .balign 4096, 0
x86_trap_stubs_end:
    .text

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
