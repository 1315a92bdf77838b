/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Start of all CPUs (PVH or Multiboot 1 on the first, INIT and SIPI on the others), vectors, trap_try(). */

#define STACK_SIZE  16384
#define CPU_SIZE    48 /* struct guest_cpu */
#define CPU_RECOVER 0
#define CPU_ID      8
#define CPU_SELF    40

#define CR0_LONG 0x80010033 /* PG, WP, NE, ET, MP, PE */
#define CR4_LONG 0x00000620 /* PAE, OSFXSR, OSXMMEXCPT */
#define MSR_EFER    0xc0000080
#define EFER_LME    0x100
#define MSR_GS_BASE 0xc0000101

#define TRAMPOLINE 0x8000 /* where real mode begins */

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long guest_start

/* ebx: the start information; eax: Multiboot's magic number or anything. 32-bit flat segments, paging off. */
    .section .text.entry, "ax"
    .code32
    .globl guest_start
guest_start:
    mov %eax, boot_registers
    mov %ecx, boot_registers + 8
    mov %edx, boot_registers + 16
    mov %ebx, boot_registers + 24
    mov %esp, boot_registers + 32
    mov %ebp, boot_registers + 40
    mov %esi, boot_registers + 48
    mov %edi, boot_registers + 56
    mov $boot_control, %edi
    .irp register, cr0, cr2, cr3, cr4, db0, db1, db2, db3, db6, db7
    mov %\register, %ecx
    mov %ecx, (%edi)
    add $8, %edi
    .endr
    .irp register, ds, es, fs, gs, ss, cs
    mov %\register, (%edi)
    add $8, %edi
    .endr
    sldt (%edi)
    str 8(%edi)
    sidt 16(%edi)
    mov $boot_scratch, %esp
    pushf
    pop 24(%edi)
    cld
    mov %eax, boot_magic
    mov %ebx, %ebp
    xor %eax, %eax
    mov $__bss_start, %edi
    mov $__end, %ecx
    sub %edi, %ecx
    rep stosb
    xor %esi, %esi
go_long: /* esi: CPU */
    mov $CR4_LONG, %eax
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov $CR0_LONG, %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $start64

    .code64
start64:
    test %esi, %esi
    jnz 2f
    .irp n, 8,9,10,11,12,13,14,15
    mov %r\n, boot_registers + \n * 8
    .endr
2:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    lidt idt_pointer
    mov %esi, %esi
    lea 1(%rsi), %rax
    imul $STACK_SIZE, %rax, %rax
    lea stacks(%rax), %rsp
    imul $CPU_SIZE, %rsi, %rax
    lea guest_cpus(%rax), %rdi
    mov %rsi, CPU_ID(%rdi)
    mov %edi, %eax
    xor %edx, %edx
    mov $MSR_GS_BASE, %ecx
    wrmsr
    mov %rdi, CPU_SELF(%rdi)
    test %esi, %esi
    jnz 1f
    mov %ebp, %edi
    call boot_save
    call machine_setup
    jmp guest_main
1:  call machine_setup_secondary
    jmp guest_secondary

/* Copied to TRAMPOLINE, where a start-up IPI enters it; the CPU's number is filled in. */
    .code16
    .globl trampoline_start, trampoline_cpu, trampoline_end
trampoline_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov (TRAMPOLINE + trampoline_cpu - trampoline_start), %esi
    lgdtl (TRAMPOLINE + trampoline_gdt - trampoline_start)
    mov $0x11, %eax
    mov %eax, %cr0
    ljmpl $24, $trampoline32
    .balign 4
trampoline_cpu:
    .long 0
trampoline_gdt:
    .word gdt_end - gdt - 1
    .long gdt
trampoline_end:
    .code32
trampoline32:
    mov $32, %eax
    mov %eax, %ds
    jmp go_long
    .code64

/* bool trap_enter(fn, arg): true when fn returned, false when it trapped. */
    .globl trap_enter
trap_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    mov %rsp, %gs:CPU_RECOVER
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    mov $1, %eax
trap_leave:
    movq $0, %gs:CPU_RECOVER
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* One stub for each vector: error code (or 0) and vector, then all registers that C may change. */
    .balign 16
    .globl vectors
vectors:
    .set n, 0
    .rept 256
    .balign 16
    .if (n == 8) || (n >= 10 && n <= 14) || (n == 17) || (n == 21)
    nop
    .else
    push $0
    .endif
    push $n
    jmp common
    .set n, n + 1
    .endr

common:
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    cld
    mov 72(%rsp), %rdi /* vector */
    mov 80(%rsp), %rsi /* error code */
    lea 88(%rsp), %rdx /* what the CPU pushed */
    cmp $32, %edi
    jb 1f
    call machine_irq
2:  pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq
1:  call machine_trap /* returns only when somebody expects traps */
    test %al, %al
    jnz 2b
    mov %gs:CPU_RECOVER, %rsp
    xor %eax, %eax
    jmp trap_leave

    .data
    .balign 16
    .globl boot_magic
boot_magic:
    .long 0
/* As the first CPU has them at its first instruction: rax to r15 (those beyond rdi a little later; nothing has touched
 * them), then what fresh.c names. */
    .balign 8
    .globl boot_registers, boot_control
boot_registers:
    .skip 16 * 8
boot_control:
    .skip 20 * 8
    .skip 8
boot_scratch:
    .balign 16
    .globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 08h: 64-bit code */
    .quad 0x00cf93000000ffff /* 10h: data */
    .quad 0x00cf9b000000ffff /* 18h: 32-bit code */
    .quad 0x00cf93000000ffff /* 20h: data */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt
    .balign 8
idt_pointer:
    .word 4095
    .quad idt

/* Identity map: 4 GiB in pages of 2 MiB, from there to 512 GiB in pages of 1 GiB where the CPU has them. */
    .balign 4096
    .globl pml4
pml4:
    .quad pdpt + 7
    .skip 4088
pdpt:
    .quad pd + 0x7, pd + 0x1007, pd + 0x2007, pd + 0x3007
    .set gib, 4
    .rept 508
    .quad gib << 30 | 0x87
    .set gib, gib + 1
    .endr
pd:
    .set mib, 0
    .rept 2048
    .quad mib << 21 | 0x87
    .set mib, mib + 1
    .endr

    .bss
    .balign 4096
    .globl idt
idt:
    .skip 4096
stacks:
    .skip STACK_SIZE * 8
