/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* registers_hold(): see tests/guests/registers.h. in[] and out[]: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi,
 * r8 to r15; ymm0 to ymm15 (four quarters each), mm0 to mm7, mxcsr and fcw. */

#define FILE_SPIN   0
#define FILE_LOAD   8
#define FILE_SP     16
#define FILE_VECTOR 24
#define FILE_IN     32
#define FILE_OUT    (FILE_IN + 90 * 8)
#define YMM         (16 * 8)
#define MM          (80 * 8)
#define CONTROL     (88 * 8)

    .text
    .globl registers_hold
registers_hold:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, FILE_SP(%rdi)
    cmpq $0, FILE_LOAD(%rdi)
    je 2f
    fninit
    .irp n, 0,1,2,3,4,5,6,7
    movq (FILE_IN + MM + \n * 8)(%rdi), %mm\n
    .endr
    ldmxcsr (FILE_IN + CONTROL)(%rdi)
    fldcw (FILE_IN + CONTROL + 8)(%rdi)
    cmpq $0, FILE_VECTOR(%rdi)
    je 1f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovdqu (FILE_IN + YMM + \n * 32)(%rdi), %ymm\n
    .endr
    jmp 2f
1:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movdqu (FILE_IN + YMM + \n * 32)(%rdi), %xmm\n
    .endr
2:  mov (FILE_IN + 0)(%rdi), %rax
    mov (FILE_IN + 8)(%rdi), %rcx
    mov (FILE_IN + 16)(%rdi), %rdx
    mov (FILE_IN + 24)(%rdi), %rbx
    mov (FILE_IN + 40)(%rdi), %rbp
    mov (FILE_IN + 48)(%rdi), %rsi
    .irp n, 8,9,10,11,12,13,14,15
    mov (FILE_IN + \n * 8)(%rdi), %r\n
    .endr
    sti
    hlt
    cli
    mov %rax, (FILE_OUT + 0)(%rdi)
    mov FILE_SPIN(%rdi), %rax
3:  sub $1, %rax
    ja 3b
    mov %rcx, (FILE_OUT + 8)(%rdi)
    mov %rdx, (FILE_OUT + 16)(%rdi)
    mov %rbx, (FILE_OUT + 24)(%rdi)
    mov %rbp, (FILE_OUT + 40)(%rdi)
    mov %rsi, (FILE_OUT + 48)(%rdi)
    .irp n, 8,9,10,11,12,13,14,15
    mov %r\n, (FILE_OUT + \n * 8)(%rdi)
    .endr
    call registers_store
    mov FILE_SP(%rdi), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .globl registers_store
registers_store:
    .irp n, 0,1,2,3,4,5,6,7
    movq %mm\n, (FILE_OUT + MM + \n * 8)(%rdi)
    .endr
    stmxcsr (FILE_OUT + CONTROL)(%rdi)
    fnstcw (FILE_OUT + CONTROL + 8)(%rdi)
    cmpq $0, FILE_VECTOR(%rdi)
    je 1f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovdqu %ymm\n, (FILE_OUT + YMM + \n * 32)(%rdi)
    .endr
    ret
1:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movdqu %xmm\n, (FILE_OUT + YMM + \n * 32)(%rdi)
    .endr
    ret
