/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * memcpy with general registers only. Unaligned accesses may trap on this architecture, so stores are
 * aligned, and where the source is not, each word is put together from two aligned ones. No word
 * is read that has none of the bytes asked for.
 */
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
    bnez t0, .Lshifted
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
