/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* registers_hold(): see tests/guests/registers.h. in[] and out[]: x0 to x31, f0 to f31, fcsr. */

#define FILE_SPIN 0
#define FILE_LOAD 8
#define FILE_SP   16
#define FILE_IN   32
#define FILE_OUT  (FILE_IN + 65 * 8)

    .option arch, +f, +d
    .text
    .globl registers_hold
registers_hold:
    addi sp, sp, -128
    .set at, 0
    .irp r, ra, gp, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    sd \r, at(sp)
    .set at, at + 8
    .endr
    sd sp, FILE_SP(a0)
    ld t0, FILE_LOAD(a0)
    beqz t0, 1f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld f\n, (FILE_IN + 256 + \n * 8)(a0)
    .endr
    ld t0, (FILE_IN + 512)(a0)
    fscsr t0
1:  .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld x\n, (FILE_IN + \n * 8)(a0)
    .endr
    wfi
    sd t0, (FILE_OUT + 5 * 8)(a0)
    ld t0, FILE_SPIN(a0)
2:  beqz t0, 3f
    addi t0, t0, -1
    j 2b
3:  .irp n, 1,2,3,4,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\n, (FILE_OUT + \n * 8)(a0)
    .endr
    call registers_store
    ld sp, FILE_SP(a0)
    .set at, 0
    .irp r, ra, gp, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    ld \r, at(sp)
    .set at, at + 8
    .endr
    addi sp, sp, 128
    ret

    .globl registers_store
registers_store:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd f\n, (FILE_OUT + 256 + \n * 8)(a0)
    .endr
    frcsr t0
    sd t0, (FILE_OUT + 512)(a0)
    ret
