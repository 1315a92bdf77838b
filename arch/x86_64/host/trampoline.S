/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Start-up code of the other CPUs: copied to a page below 1 MiB, entered in real mode at its first
 * byte (SDM 3, 9.4.4), goes to long mode in one step. Position-independent: everything is
 * addressed from the page's own segment, and smp.c fills in the fields at the end.
 */
#include "arch/x86_64/host/registers.h"

    .section .rodata.trampoline, "a", @progbits
    .balign 16
    .globl x86_trampoline_start, x86_trampoline_end, x86_trampoline_fields
    .hidden x86_trampoline_start, x86_trampoline_end, x86_trampoline_fields
    .code16
x86_trampoline_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx           /* EBX: linear address of the page */

    lidtl no_idt - x86_trampoline_start
    lgdtl gdt_pointer - x86_trampoline_start
    movl $(CR4_PAE), %eax
    movl %eax, %cr4
    movl tables - x86_trampoline_start, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $(EFER_LME | EFER_NXE), %eax
    wrmsr
    movl %cr0, %eax
    andl $~(CR0_CD | CR0_NW), %eax
    orl $(CR0_PG | CR0_WP | CR0_PE), %eax
    movl %eax, %cr0
    ljmpl *(long_pointer - x86_trampoline_start)

    .code64
in_long_mode:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    /* This CPU's APIC id: leaf 0xb where it says something, else leaf 1 (SDM 2, CPUID). */

    xorl %eax, %eax
    movl %ebx, %r8d
    cpuid
    cmpl $0xb, %eax
    jb 1f
    movl $0xb, %eax
    xorl %ecx, %ecx
    cpuid
    movl %edx, %esi
    testl %ebx, %ebx
    jnz 2f
1:  movl $1, %eax
    cpuid
    shrl $24, %ebx
    movl %ebx, %esi
2:  movq records - x86_trampoline_start(%r8), %rax
    movq (%rax), %rdi
    jmpq *(entry - x86_trampoline_start)(%r8)

    .balign 8
no_idt:
    .word 0
    .long 0
    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 64-bit code; accessed already, since the page is read-only */
    .quad 0x00cf93000000ffff /* data */
gdt_end:
    .balign 8
x86_trampoline_fields:      /* struct x86_trampoline_fields of smp.c */
tables:
    .long 0                 /* physical address of page tables that map this page */
gdt_pointer:
    .word gdt_end - gdt - 1
    .long 0                 /* linear address of `gdt` */
    .word 0
long_pointer:
    .long 0                 /* linear address of in_long_mode */
    .word SELECTOR_CODE
    .balign 8
records:
    .quad 0                 /* address of the pointer to the first struct x86_start */
entry:
    .quad 0                 /* x86_secondary_entry */
    .long gdt - x86_trampoline_start
    .long in_long_mode - x86_trampoline_start
x86_trampoline_end:

    .section .note.GNU-stack, "", @progbits
