/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Text of riscv64 instructions, for traces and for the check of the decoder. */
#ifndef ARCH_RISCV64_GUEST_DISASM_H
#define ARCH_RISCV64_GUEST_DISASM_H

#include "arch/riscv64/guest/insn.h"
#include "kernel/log.h"

/* Prints a 32-bit instruction as the assembler's manual writes it, without aliases and with offsets
 * instead of targets; ".word" and its bits when it is none with these extensions. */
void rv_print(struct out *out, uint32_t word, uint64_t extensions);

#endif
