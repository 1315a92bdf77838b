/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* registers_hold(): see tests/guests/registers.h. in[] and out[]: as REGISTER_COUNT says. */

#define FILE_SPIN 0
#define FILE_LOAD 8
#define FILE_SP   16
#define FILE_SVE  24
#define FILE_IN   32
#define FILE_OUT  (FILE_IN + 1191 * 8)
#define FP        (32 * 8)
#define SVE_Z     (98 * 8)
#define SVE_P     (SVE_Z + 32 * 256)
#define SVE_ZCR   (SVE_P + 17 * 32)
#define ZCR_EL1   S3_0_C1_C2_0

    .arch armv8-a+fp+simd
    .arch_extension sve

/* x1, x2: where z0 and p0 belong */
.macro sve_each op
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \op z\n, [x1, #\n, mul vl]
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    \op p\n, [x2, #\n, mul vl]
    .endr
.endm

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
    ldr x1, [x0, #FILE_SVE]
    cbz x1, 1f
    add x1, x0, #FILE_IN
    add x2, x1, #(SVE_P & ~0xfff)
    add x2, x2, #(SVE_P & 0xfff)
    add x1, x1, #SVE_Z
    ldr p0, [x2, #16, mul vl]
    wrffr p0.b
    sve_each ldr
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
    bl registers_store
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #96
    ret

    .globl registers_store
registers_store:
    mov x1, #(FILE_OUT + FP)
    add x1, x0, x1
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    str q\n, [x1], #16
    .endr
    mrs x2, fpcr
    mrs x3, fpsr
    stp x2, x3, [x1]
    ldr x1, [x0, #FILE_SVE]
    cbz x1, 4f
    mov x1, #FILE_OUT
    add x1, x0, x1
    add x3, x1, #(SVE_ZCR & ~0xfff)
    add x2, x1, #(SVE_P & ~0xfff)
    add x2, x2, #(SVE_P & 0xfff)
    add x1, x1, #SVE_Z
    sve_each str
    rdffr p0.b
    str p0, [x2, #16, mul vl]
    ldr p0, [x2]
    mrs x2, ZCR_EL1
    str x2, [x3, #(SVE_ZCR & 0xfff)]
4:  ret
