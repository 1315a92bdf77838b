/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Moves the floating-point registers to and from struct riscv_fp_state. */
    .attribute arch, "rv64imafdc"
    .option push
#ifndef __clang__
    .option arch, +d
#endif

    .text
    .globl fp_save
    .type fp_save, @function
fp_save:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd     f\n, 8*\n(a0)
    .endr
    csrr    t0, fcsr
    sd      t0, 256(a0)
    ret

    .globl fp_restore
    .type fp_restore, @function
fp_restore:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld     f\n, 8*\n(a0)
    .endr
    ld      t0, 256(a0)
    csrw    fcsr, t0
    ret
    .option pop
