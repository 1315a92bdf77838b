/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* registers_hold(): see tests/guests/registers.h. in[] and out[]: x0 to x30, sp, v0 to v31, fpcr, fpsr. */

#define FILE_SPIN 0
#define FILE_LOAD 8
#define FILE_SP   16
#define FILE_IN   32
#define FILE_OUT  (FILE_IN + 98 * 8)
#define FP        (32 * 8)

    .arch armv8-a+fp+simd
    .text
    .globl registers_hold
registers_hold:
    stp x29, x30, [sp, #-96]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    mov x1, sp
    str x1, [x0, #FILE_SP]
    ldr x1, [x0, #FILE_LOAD]
    cbz x1, 1f
    add x1, x0, #(FILE_IN + FP)
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ldr q\n, [x1], #16
    .endr
    ldp x2, x3, [x1]
    msr fpcr, x2
    msr fpsr, x3
1:  ldr x1, [x0, #(FILE_IN + 31 * 8)]
    mov sp, x1
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    ldr x\n, [x0, #(FILE_IN + \n * 8)]
    .endr
    wfi
    str x1, [x0, #(FILE_OUT + 8)]
    ldr x1, [x0, #FILE_SPIN]
2:  cbz x1, 3f
    sub x1, x1, #1
    b 2b
3:  .irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    str x\n, [x0, #(FILE_OUT + \n * 8)]
    .endr
    mov x1, sp
    str x1, [x0, #(FILE_OUT + 31 * 8)]
    ldr x1, [x0, #FILE_SP]
    mov sp, x1
    add x1, x0, #(FILE_OUT)
    add x1, x1, #FP
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    str q\n, [x1], #16
    .endr
    mrs x2, fpcr
    mrs x3, fpsr
    stp x2, x3, [x1]
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #96
    ret
