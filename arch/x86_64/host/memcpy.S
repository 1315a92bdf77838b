/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * memcpy with general registers only, at any alignment. Long copies are the processor's business
 * (rep movsq); short ones go by 16 bytes. The last bytes are copied from the end, over some that were
 * copied already.
 */
    .text
    .globl  memcpy
    .hidden memcpy
    .type   memcpy, @function
/* rdi = to (returned), rsi = from, rdx = bytes */
memcpy:
    mov %rdi, %rax
    cmp $16, %rdx
    jb .Lsmall
    cmp $256, %rdx
    jae .Llarge
    lea -16(%rsi, %rdx), %r8
    lea -16(%rdi, %rdx), %r9
.Lpair:
    mov (%rsi), %rcx
    mov 8(%rsi), %r10
    mov %rcx, (%rdi)
    mov %r10, 8(%rdi)
    add $16, %rsi
    add $16, %rdi
    cmp %r8, %rsi
    jb .Lpair
    mov (%r8), %rcx
    mov 8(%r8), %r10
    mov %rcx, (%r9)
    mov %r10, 8(%r9)
    ret

.Llarge:
    mov -8(%rsi, %rdx), %r8
    lea -8(%rdi, %rdx), %r9
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    mov %r8, (%r9)
    ret

.Lsmall:
    test $8, %dl
    jz 1f
    mov (%rsi), %rcx
    mov -8(%rsi, %rdx), %r8
    mov %rcx, (%rdi)
    mov %r8, -8(%rdi, %rdx)
    ret
1:  test $4, %dl
    jz 2f
    mov (%rsi), %ecx
    mov -4(%rsi, %rdx), %r8d
    mov %ecx, (%rdi)
    mov %r8d, -4(%rdi, %rdx)
    ret
2:  test $2, %dl
    jz 3f
    movzwl (%rsi), %ecx
    movzwl -2(%rsi, %rdx), %r8d
    mov %cx, (%rdi)
    mov %r8w, -2(%rdi, %rdx)
    ret
3:  test %rdx, %rdx
    jz 4f
    movzbl (%rsi), %ecx
    mov %cl, (%rdi)
4:   ret
    .size   memcpy, . - memcpy
    .section .note.GNU-stack, "", @progbits
