/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Into a guest and back: general registers, PC and PSTATE. Everything else is live already. */
#include "arch/aarch64/host/mode.h"
#include "arch/aarch64/host/offsets.h"

    .text

/* enum el2_vector el2_enter(struct arm_state *state) */
    .globl el2_enter
    .type el2_enter, %function
el2_enter:
    stp x29, x30, [sp, #-112]!
    mov x29, sp
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    str x0, [sp, #96]
    ldp x30, x1, [x0, #STATE_X30]       /* x30, pc */
    ldr x2, [x0, #STATE_PSTATE]
    mode_insn "msr elr_el1, x1", "msr elr_el2, x1", "nop"
    mode_insn "msr spsr_el1, x2", "msr spsr_el2, x2", "nop"
    ldp x2, x3, [x0, #16 * 1]
    ldp x4, x5, [x0, #16 * 2]
    ldp x6, x7, [x0, #16 * 3]
    ldp x8, x9, [x0, #16 * 4]
    ldp x10, x11, [x0, #16 * 5]
    ldp x12, x13, [x0, #16 * 6]
    ldp x14, x15, [x0, #16 * 7]
    ldp x16, x17, [x0, #16 * 8]
    ldp x18, x19, [x0, #16 * 9]
    ldp x20, x21, [x0, #16 * 10]
    ldp x22, x23, [x0, #16 * 11]
    ldp x24, x25, [x0, #16 * 12]
    ldp x26, x27, [x0, #16 * 13]
    ldp x28, x29, [x0, #16 * 14]
    ldp x0, x1, [x0]
    eret
    dsb nsh
    isb

/* From the lower-EL vectors: sp is as el2_enter() left it; x0 and x1 of the guest are pushed, x1 = enum el2_vector. */
    .globl el2_leave
el2_leave:
    ldr x0, [sp, #16 + 96]
    stp x2, x3, [x0, #16 * 1]
    ldp x2, x3, [sp], #16
    stp x2, x3, [x0]
    stp x4, x5, [x0, #16 * 2]
    stp x6, x7, [x0, #16 * 3]
    stp x8, x9, [x0, #16 * 4]
    stp x10, x11, [x0, #16 * 5]
    stp x12, x13, [x0, #16 * 6]
    stp x14, x15, [x0, #16 * 7]
    stp x16, x17, [x0, #16 * 8]
    stp x18, x19, [x0, #16 * 9]
    stp x20, x21, [x0, #16 * 10]
    stp x22, x23, [x0, #16 * 11]
    stp x24, x25, [x0, #16 * 12]
    stp x26, x27, [x0, #16 * 13]
    stp x28, x29, [x0, #16 * 14]
    mode_insn "mrs x2, elr_el1", "mrs x2, elr_el2", "nop"
    mode_insn "mrs x3, spsr_el1", "mrs x3, spsr_el2", "nop"
    stp x30, x2, [x0, #STATE_X30]
    str x3, [x0, #STATE_PSTATE]
    mov x0, x1
.Lback:
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #112
    ret

/* From trap_sync(): the ERET did not leave EL2. sp is as el2_enter() left it, the guest's state as it was. */
    .globl el2_refused
el2_refused:
    mov x0, #4 /* EL2_REFUSED */
    b .Lback
    .size el2_enter, . - el2_enter

/* void fpu_save(struct arm_fp *), void fpu_load(const struct arm_fp *) */
    .arch_extension fp
    .arch_extension simd
.macro fpu_each op
    .irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    fpu_pair \op, \n
    .endr
.endm
.altmacro
.macro fpu_pair op, n
    fpu_pair_ \op, \n, %(\n + 1)
.endm
.macro fpu_pair_ op, n, m
    \op q\n, q\m, [x0, #16 * \n]
.endm

    .globl fpu_save
    .type fpu_save, %function
fpu_save:
    fpu_each stp
    mrs x1, fpcr
    mrs x2, fpsr
    add x0, x0, #512
    stp x1, x2, [x0]
    ret
    .size fpu_save, . - fpu_save

    .globl fpu_load
    .type fpu_load, %function
fpu_load:
    fpu_each ldp
    add x0, x0, #512
    ldp x1, x2, [x0]
    msr fpcr, x1
    msr fpsr, x2
    ret
    .size fpu_load, . - fpu_load

/* void sve_save(void *z, void *p), void sve_load(const void *z, const void *p): registers of this level's vector length; p holds FFR last */
    .arch_extension sve
.macro sve_z op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op z\n, [x0, #\n, mul vl]
    .endr
.endm
.macro sve_p op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \op p\n, [x1, #\n, mul vl]
    .endr
.endm

    .globl sve_save
    .type sve_save, %function
sve_save:
    sve_z str
    sve_p str
    rdffr p0.b
    str p0, [x1, #16, mul vl]
    ldr p0, [x1, #0, mul vl]
    ret
    .size sve_save, . - sve_save

    .globl sve_load
    .type sve_load, %function
sve_load:
    sve_z ldr
    ldr p0, [x1, #16, mul vl]
    wrffr p0.b
    sve_p ldr
    ret
    .size sve_load, . - sve_load

/* unsigned sve_vector_bytes(void): this level's vector length */
    .globl sve_vector_bytes
    .type sve_vector_bytes, %function
sve_vector_bytes:
    rdvl x0, #1
    ret
    .size sve_vector_bytes, . - sve_vector_bytes

    .section .note.GNU-stack, "", %progbits
