/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The page that is mapped at the same address in the firmware's world and the kernel's: it switches page tables, stack
 * and descriptor tables and jumps to the kernel. Position independent. Section numbers: Intel SDM volume 3A.
 */
#include "arch/x86_64/boot/low_page.h"

#define MSR_EFER     0xc0000080
#define EFER_NXE     (1 << 11)
#define CR0_PG_BIT   31
#define CR0_WP_BIT   16
#define CR4_PGE_BIT  7
#define CR4_LA57_BIT 12

    .section .text.trampoline, "ax", @progbits
    .balign 4096
    .globl arch_trampoline
    .hidden arch_trampoline
arch_trampoline:

/* trampoline_enter(rdi root, rsi stack, rdx entry, rcx boot_info): does not return */
    .globl trampoline_enter
    .hidden trampoline_enter
    .type trampoline_enter, @function
trampoline_enter:
    cli
    cld
    mov %rcx, %r8               /* rdmsr and wrmsr need rcx, rax and rdx */
    mov %rdx, %r9
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_NXE, %eax
    wrmsr
    mov %cr0, %rax
    bts $CR0_WP_BIT, %rax
    mov %rax, %cr0
    mov %cr4, %rax
    btr $CR4_PGE_BIT, %rax      /* drops global entries of the firmware's tables (4.10.4.1) */
    mov %rax, %cr4
    mov %rdi, %cr3
    bts $CR4_PGE_BIT, %rax
    mov %rax, %cr4
    mov %rsi, %rsp
    sub $16, %rsp
    lea .Lgdt(%rip), %rax
    movw $(.Lgdt_end - .Lgdt - 1), (%rsp)
    mov %rax, 2(%rsp)
    lgdt (%rsp)
    movw $0, (%rsp)             /* no handlers: an exception before the kernel's own table resets the machine */
    lidt (%rsp)
    mov $SELECTOR_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    lea .Lfar(%rip), %rax
    pushq $SELECTOR_CODE64
    push %rax
    lretq
.Lfar:
    mov %rsi, %rsp
    mov %r8, %rdi
    xor %ebp, %ebp
    push $0                     /* no return address: as after a call */
    jmp *%r9
    .size trampoline_enter, . - trampoline_enter

/*
 * trampoline_enter_la57(rdi low page, rsi five-level root): the firmware runs with five-level paging, which only 32-bit
 * code with paging off can leave (4.1.2). That code and what it needs lie in the low page.
 */
    .globl trampoline_enter_la57
    .hidden trampoline_enter_la57
    .type trampoline_enter_la57, @function
trampoline_enter_la57:
    cli
    cld
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_NXE, %eax
    wrmsr
    mov %cr4, %rax
    btr $CR4_PGE_BIT, %rax
    mov %rax, %cr4
    mov %rsi, %cr3              /* our mappings in five levels: the low page is executable in them */
    lgdt LOW_GDTR(%rdi)
    mov LOW_STACK(%rdi), %rsp
    mov %edi, %ebx
    pushq $SELECTOR_CODE32
    push %rdi
    lretq                       /* to the copy of trampoline_low_start */
    .size trampoline_enter_la57, . - trampoline_enter_la57

    .balign 8
.Lgdt:
    .quad 0, GDT_CODE64, GDT_DATA, GDT_CODE32
.Lgdt_end:
    .org arch_trampoline + 4096

/* Copied to the start of the low page, whose address is in ebx. No stack; the upper halves of registers are lost. */
    .section .text.trampoline_low, "ax", @progbits
    .globl trampoline_low_start, trampoline_low_end
    .hidden trampoline_low_start, trampoline_low_end
    .code32
trampoline_low_start:
    mov %cr0, %eax
    btr $CR0_PG_BIT, %eax
    mov %eax, %cr0
    mov %cr4, %eax
    btr $CR4_LA57_BIT, %eax
    mov %eax, %cr4
    lea LOW_ROOT(%ebx), %eax
    mov %eax, %cr3
    mov %cr0, %eax
    bts $CR0_PG_BIT, %eax
    bts $CR0_WP_BIT, %eax
    mov %eax, %cr0
    ljmp *LOW_FAR(%ebx)
    .balign 16
    .code64
trampoline_low_64:              /* LOW_FAR points here; trampoline_enter takes it from here */
    mov %ebx, %ebx
    mov LOW_STACK(%rbx), %rsi
    mov LOW_ENTRY(%rbx), %rdx
    mov LOW_INFO(%rbx), %rcx
    mov LOW_TRUE_ROOT(%rbx), %rdi
    jmp *LOW_BACK(%rbx)
trampoline_low_end:
    .globl trampoline_low_64
    .hidden trampoline_low_64

    .section .note.GNU-stack, "", @progbits
