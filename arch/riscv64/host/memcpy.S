/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * memcpy with general registers only. Stores are aligned. Where the source is not, each word is put
 * together from two aligned ones, as unaligned reads may trap on this architecture; or it is read as it
 * lies where memcpy_unaligned says that this is faster (unaligned.c). No word is read that has none of
 * the bytes asked for.
 */
    .data
    .global memcpy_unaligned
    .hidden memcpy_unaligned
    .type   memcpy_unaligned, @object
    .size   memcpy_unaligned, 1
memcpy_unaligned:
    .byte 0

    .text
    .global memcpy
    .hidden memcpy
    .type   memcpy, @function
/* 64 bytes */
.macro block at
    ld t0, \at(a1)
    ld t1, \at+8(a1)
    ld t2, \at+16(a1)
    ld t3, \at+24(a1)
    ld t4, \at+32(a1)
    ld a3, \at+40(a1)
    ld a4, \at+48(a1)
    ld a5, \at+56(a1)
    sd t0, \at(t6)
    sd t1, \at+8(t6)
    sd t2, \at+16(t6)
    sd t3, \at+24(t6)
    sd t4, \at+32(t6)
    sd a3, \at+40(t6)
    sd a4, \at+48(t6)
    sd a5, \at+56(t6)
.endm

/* a0 = to (returned), a1 = from, a2 = bytes; t6 = where to store */
memcpy:
    mv t6, a0
    li t5, 16
    bltu a2, t5, .Lbytes
    or t0, t6, a1
    andi t0, t0, 7
    beqz t0, .Lplain
.Lalign:
    andi t0, t6, 7
    beqz t0, .Laligned
    lbu t1, 0(a1)
    sb t1, 0(t6)
    addi a1, a1, 1
    addi t6, t6, 1
    addi a2, a2, -1
    j .Lalign
.Laligned:
    andi t0, a1, 7
    beqz t0, .Lplain
    lbu t1, memcpy_unaligned
    beqz t1, .Lshifted
.Lplain:
    slli t5, t5, 7 /* 2048: what offsets reach */
    bltu a2, t5, .Lblocks
.Lmany:
    .irp at, 0, 256, 512, 768, 1024, 1280, 1536, 1792
    block \at
    block \at+64
    block \at+128
    block \at+192
    .endr
    add a1, a1, t5
    add t6, t6, t5
    sub a2, a2, t5
    bgeu a2, t5, .Lmany
    beqz a2, .Ldone
.Lblocks:
    li t5, 64
    bltu a2, t5, .Lwords
.Lblock:
    block 0
    addi a1, a1, 64
    addi t6, t6, 64
    addi a2, a2, -64
    bgeu a2, t5, .Lblock
.Lwords:
    li t5, 8
    bltu a2, t5, .Lbytes
1:  ld t0, 0(a1)
    sd t0, 0(t6)
    addi a1, a1, 8
    addi t6, t6, 8
    addi a2, a2, -8
    bgeu a2, t5, 1b
.Lbytes:
    beqz a2, .Ldone
    add a2, a2, a1
1:  lbu t1, 0(a1)
    sb t1, 0(t6)
    addi a1, a1, 1
    addi t6, t6, 1
    bltu a1, a2, 1b
.Ldone:
    ret

/* t0 = bytes by which the source is off; a1 is rounded down, t4 = the word there */
.Lshifted:
    sub a1, a1, t0
    slli t1, t0, 3
    li t2, 64
    sub t2, t2, t1
    ld t4, 0(a1)
    li t5, 32
    bltu a2, t5, .Lshift_words
.Lshift_block:
    ld a3, 8(a1)
    ld a4, 16(a1)
    ld a5, 24(a1)
    ld a6, 32(a1)
    srl t4, t4, t1
    sll t3, a3, t2
    or t4, t4, t3
    srl a3, a3, t1
    sll t3, a4, t2
    or a3, a3, t3
    srl a4, a4, t1
    sll t3, a5, t2
    or a4, a4, t3
    srl a5, a5, t1
    sll t3, a6, t2
    or a5, a5, t3
    sd t4, 0(t6)
    sd a3, 8(t6)
    sd a4, 16(t6)
    sd a5, 24(t6)
    mv t4, a6
    addi a1, a1, 32
    addi t6, t6, 32
    addi a2, a2, -32
    bgeu a2, t5, .Lshift_block
.Lshift_words:
    li t5, 8
    bltu a2, t5, .Lshift_done
1:  ld a3, 8(a1)
    srl t4, t4, t1
    sll t3, a3, t2
    or t4, t4, t3
    sd t4, 0(t6)
    mv t4, a3
    addi a1, a1, 8
    addi t6, t6, 8
    addi a2, a2, -8
    bgeu a2, t5, 1b
.Lshift_done:
    add a1, a1, t0
    j .Lbytes
    .size   memcpy, . - memcpy
    .section .note.GNU-stack, "", @progbits
