/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The gate of caged code on x86_64: a software interrupt, rax what is asked for, rsi its argument;
 * rax the answer. Other registers are as they were. */
#ifndef ARCH_X86_64_EMIT_GATE_H
#define ARCH_X86_64_EMIT_GATE_H

#define X86_GATE_VECTOR 0xe0

#endif
