/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A "kernel" for aarch64 with a mebibyte of random code a mebibyte behind its beginning: an
 * exception goes on four bytes further, at the latest at the code's beginning again. The header is
 * Linux's Image's (Documentation/arch/arm64/booting.rst). */
        .globl _start
_start: b       begin
        .word   0
        .quad   0, 0x200000, 0  /* load offset, size, flags */
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .word   0
trap:   mrs     x29, elr_el1
        add     x29, x29, 4
        and     x29, x29, 0xffffc
        adr     x30, _start
        add     x30, x30, 0x100000
        orr     x29, x29, x30
        msr     elr_el1, x29
        eret
begin:  adr     x0, vectors
        msr     vbar_el1, x0
        mov     x0, 3 << 20     /* floating point */
        msr     cpacr_el1, x0
        isb
        adr     x1, _start
        add     x1, x1, 0x100000
        add     x0, x1, 0x4000
        mov     sp, x0
        mov     x8, x0
        mov     x9, x0
        mov     x16, x0
        br      x1
        .balign 2048
vectors:
        .rept   16
        b       trap
        .balign 128
        .endr
