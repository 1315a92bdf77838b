/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Thread switches. */
#include "arch/aarch64/host/offsets.h"

    .text

/* void host_context_switch(struct host_context *from, struct host_context *to) */
    .globl host_context_switch
    .type host_context_switch, %function
host_context_switch:
    stp x19, x20, [x0, #16 * 0]
    stp x21, x22, [x0, #16 * 1]
    stp x23, x24, [x0, #16 * 2]
    stp x25, x26, [x0, #16 * 3]
    stp x27, x28, [x0, #16 * 4]
    mov x9, sp
    stp x29, x30, [x0, #CONTEXT_FP]
    str x9, [x0, #CONTEXT_SP]
    ldp x19, x20, [x1, #16 * 0]
    ldp x21, x22, [x1, #16 * 1]
    ldp x23, x24, [x1, #16 * 2]
    ldp x25, x26, [x1, #16 * 3]
    ldp x27, x28, [x1, #16 * 4]
    ldp x29, x30, [x1, #CONTEXT_FP]
    ldr x9, [x1, #CONTEXT_SP]
    mov sp, x9
    ret
    .size host_context_switch, . - host_context_switch

/* Where host_context_init() lets a thread begin: x19 = entry, x20 = its argument. */
    .globl context_begin
    .type context_begin, %function
context_begin:
    mov x29, xzr
    mov x30, xzr
    mov x0, x20
    blr x19
    b host_halt
    .size context_begin, . - context_begin

    .section .note.GNU-stack, "", %progbits
