/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * memcpy with general registers only, at any alignment: guests' buffers seldom agree in theirs, and
 * normal memory takes unaligned accesses. 192 bytes at a time, then 64; the last 16 are copied from the
 * end, over some that were copied already.
 */
    .text
    .global memcpy
    .hidden memcpy
    .type   memcpy, %function
/* x0 = to (returned), x1 = from, x2 = bytes */
memcpy:
    mov x3, x0
    add x4, x1, x2
    add x5, x0, x2
    cmp x2, #16
    b.lo    .Lsmall
    subs x2, x2, #192
    b.lo    .Lrest
.Llarge:
    ldp x6, x7, [x1], #192
    ldp x8, x9, [x1, #-176]
    ldp x10, x11, [x1, #-160]
    ldp x12, x13, [x1, #-144]
    ldp x14, x15, [x1, #-128]
    ldp x16, x17, [x1, #-112]
    stp x6, x7, [x3], #192
    stp x8, x9, [x3, #-176]
    stp x10, x11, [x3, #-160]
    stp x12, x13, [x3, #-144]
    stp x14, x15, [x3, #-128]
    stp x16, x17, [x3, #-112]
    ldp x6, x7, [x1, #-96]
    ldp x8, x9, [x1, #-80]
    ldp x10, x11, [x1, #-64]
    ldp x12, x13, [x1, #-48]
    ldp x14, x15, [x1, #-32]
    ldp x16, x17, [x1, #-16]
    stp x6, x7, [x3, #-96]
    stp x8, x9, [x3, #-80]
    stp x10, x11, [x3, #-64]
    stp x12, x13, [x3, #-48]
    stp x14, x15, [x3, #-32]
    stp x16, x17, [x3, #-16]
    subs x2, x2, #192
    b.hs    .Llarge
.Lrest:
    adds x2, x2, #128            /* what is left, less 64 */
    b.mi    .Lmedium
.Lblock:
    ldp x6, x7, [x1]
    ldp x8, x9, [x1, #16]
    ldp x10, x11, [x1, #32]
    ldp x12, x13, [x1, #48]
    stp x6, x7, [x3]
    stp x8, x9, [x3, #16]
    stp x10, x11, [x3, #32]
    stp x12, x13, [x3, #48]
    add x1, x1, #64
    add x3, x3, #64
    subs x2, x2, #64
    b.hs    .Lblock
.Lmedium:
    adds x2, x2, #48             /* what is left, less 16 */
    b.mi    .Llast
.Lpair:
    ldp x6, x7, [x1], #16
    stp x6, x7, [x3], #16
    subs x2, x2, #16
    b.pl    .Lpair
.Llast:
    ldp x6, x7, [x4, #-16]
    stp x6, x7, [x5, #-16]
    ret

.Lsmall:
    tbz x2, #3, 1f
    ldr x6, [x1]
    ldr x7, [x4, #-8]
    str x6, [x0]
    str x7, [x5, #-8]
    ret
1:  tbz x2, #2, 2f
    ldr w6, [x1]
    ldr w7, [x4, #-4]
    str w6, [x0]
    str w7, [x5, #-4]
    ret
2:  tbz x2, #1, 3f
    ldrh w6, [x1]
    ldrh w7, [x4, #-2]
    strh w6, [x0]
    strh w7, [x5, #-2]
    ret
3:  cbz x2, 4f
    ldrb w6, [x1]
    strb w6, [x0]
4:   ret
    .size   memcpy, . - memcpy
    .section .note.GNU-stack, "", %progbits
