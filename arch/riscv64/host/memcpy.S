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
/* a0 = to (returned), a1 = from, a2 = bytes; t6 = where to store */
memcpy:
    mv t6, a0
    li t5, 16
    bltu a2, t5, .Lbytes
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
    li t5, 256
    bltu a2, t5, .Lblocks
.Lmany:
    ld t0, 0(a1)
    ld t1, 8(a1)
    ld t2, 16(a1)
    ld t3, 24(a1)
    ld t4, 32(a1)
    ld a3, 40(a1)
    ld a4, 48(a1)
    ld a5, 56(a1)
    sd t0, 0(t6)
    sd t1, 8(t6)
    sd t2, 16(t6)
    sd t3, 24(t6)
    sd t4, 32(t6)
    sd a3, 40(t6)
    sd a4, 48(t6)
    sd a5, 56(t6)
    ld t0, 64(a1)
    ld t1, 72(a1)
    ld t2, 80(a1)
    ld t3, 88(a1)
    ld t4, 96(a1)
    ld a3, 104(a1)
    ld a4, 112(a1)
    ld a5, 120(a1)
    sd t0, 64(t6)
    sd t1, 72(t6)
    sd t2, 80(t6)
    sd t3, 88(t6)
    sd t4, 96(t6)
    sd a3, 104(t6)
    sd a4, 112(t6)
    sd a5, 120(t6)
    ld t0, 128(a1)
    ld t1, 136(a1)
    ld t2, 144(a1)
    ld t3, 152(a1)
    ld t4, 160(a1)
    ld a3, 168(a1)
    ld a4, 176(a1)
    ld a5, 184(a1)
    sd t0, 128(t6)
    sd t1, 136(t6)
    sd t2, 144(t6)
    sd t3, 152(t6)
    sd t4, 160(t6)
    sd a3, 168(t6)
    sd a4, 176(t6)
    sd a5, 184(t6)
    ld t0, 192(a1)
    ld t1, 200(a1)
    ld t2, 208(a1)
    ld t3, 216(a1)
    ld t4, 224(a1)
    ld a3, 232(a1)
    ld a4, 240(a1)
    ld a5, 248(a1)
    sd t0, 192(t6)
    sd t1, 200(t6)
    sd t2, 208(t6)
    sd t3, 216(t6)
    sd t4, 224(t6)
    sd a3, 232(t6)
    sd a4, 240(t6)
    sd a5, 248(t6)
    addi a1, a1, 256
    addi t6, t6, 256
    addi a2, a2, -256
    bgeu a2, t5, .Lmany
.Lblocks:
    li t5, 64
    bltu a2, t5, .Lwords
.Lblock:
    ld t0, 0(a1)
    ld t1, 8(a1)
    ld t2, 16(a1)
    ld t3, 24(a1)
    ld t4, 32(a1)
    ld a3, 40(a1)
    ld a4, 48(a1)
    ld a5, 56(a1)
    sd t0, 0(t6)
    sd t1, 8(t6)
    sd t2, 16(t6)
    sd t3, 24(t6)
    sd t4, 32(t6)
    sd a3, 40(t6)
    sd a4, 48(t6)
    sd a5, 56(t6)
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
