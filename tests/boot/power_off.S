/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A "kernel" that switches the machine off (SBI 2.0, chapter 10: system reset). */
        .option norvc
        .globl _start
_start: j       begin
        .word   0
        .dword  0x200000        /* load offset */
        .dword  0x10000         /* size */
        .dword  0, 0, 0
        .ascii  "RISCV\0\0\0"
        .ascii  "RSC\x05"
        .word   0
begin:  sfence.vma
        li      a7, 0x53525354
        li      a6, 0
        li      a0, 0
        li      a1, 0
        ecall
