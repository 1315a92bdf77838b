/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Moves the vector registers (RVV 1.0, 7.9: whole-register loads and stores, eight at a time). */
    .attribute arch, "rv64imafdcv"
    .option push
#ifndef __clang__
    .option arch, +v
#endif

    .text
    .globl vector_save
    .type vector_save, @function
/* a0 = where to, a1 = bytes of one register. */
vector_save:
    slli    a1, a1, 3
    vs8r.v  v0, (a0)
    add     a0, a0, a1
    vs8r.v  v8, (a0)
    add     a0, a0, a1
    vs8r.v  v16, (a0)
    add     a0, a0, a1
    vs8r.v  v24, (a0)
    ret

    .globl vector_restore
    .type vector_restore, @function
vector_restore:
    slli    a1, a1, 3
    vl8re64.v v0, (a0)
    add     a0, a0, a1
    vl8re64.v v8, (a0)
    add     a0, a0, a1
    vl8re64.v v16, (a0)
    add     a0, a0, a1
    vl8re64.v v24, (a0)
    ret

    .globl vector_configure
    .type vector_configure, @function
/* a0 = vl, a1 = vtype. */
vector_configure:
    vsetvl  zero, a0, a1
    ret
    .option pop
