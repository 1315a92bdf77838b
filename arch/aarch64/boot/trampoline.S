/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The page that is mapped at the same address in the firmware's world and the kernel's. It turns the MMU off, programs
 * the kernel's translation regime, turns the MMU on and jumps. Position independent; touches registers only while the
 * MMU is off. Register names: Arm ARM, D24.
 */
#include "arch/aarch64/boot/regime.h"

/* Attribute 0 = normal write-back, 1 = device nGnRE, 2 = normal non-cacheable (boot_info.h) */
#define MAIR_VALUE 0x4404ff

/* SCTLR_ELx: M, C, SA, I, and the bits that are 1 where their feature is absent */
#define SCTLR_M          (1 << 0)
#define SCTLR_C          (1 << 2)
#define SCTLR_ON         0x100d          /* M, C, SA, I */
#define SCTLR_EL1_RES1   0x30d00800      /* LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS; the same layout under VHE */
#define SCTLR_EL2_RES1   0x30c50830

/* HCR_EL2: RW, TGE: nothing below runs yet, interrupts come to EL2 */
#define HCR_RW           (1 << 31)
#define HCR_TGE          (1 << 27)
#define HCR_E2H_BIT      34
#define CPTR_VHE_FPEN    (3 << 20)       /* FP and vector instructions do not trap */

.macro load_immediate register, value
    movz \register, #((\value) & 0xffff)
    movk \register, #(((\value) >> 16) & 0xffff), lsl #16
.endm

/* Clears M and C of SCTLR_ELx. */
.macro mmu_off sctlr, scratch
    mrs \scratch, \sctlr
    bic \scratch, \scratch, #SCTLR_M
    bic \scratch, \scratch, #SCTLR_C
    dsb sy
    msr \sctlr, \scratch
    isb
.endm

    .section .text.trampoline, "ax", %progbits
    .balign 4096
    .globl arch_trampoline
    .hidden arch_trampoline
arch_trampoline:

/*
 * trampoline_enter(x0 low root, x1 root, x2 stack, x3 entry, x4 boot_info, x5 TCR, x6 regime): does not return
 */
    .globl trampoline_enter
    .hidden trampoline_enter
    .type trampoline_enter, %function
trampoline_enter:
    msr daifset, #0xf
    load_immediate x7, MAIR_VALUE
    cmp x6, #REGIME_EL1
    b.eq .Lel1

    mmu_off sctlr_el2, x8
    load_immediate x9, (HCR_RW | HCR_TGE)
    load_immediate x10, (SCTLR_EL2_RES1 | SCTLR_ON)
    cmp x6, #REGIME_VHE
    b.ne 1f
    load_immediate x10, (SCTLR_EL1_RES1 | SCTLR_ON)
    mov x11, #1
    orr x9, x9, x11, lsl #HCR_E2H_BIT
1:  msr hcr_el2, x9
    isb
    b.ne 2f
    mov x11, #CPTR_VHE_FPEN
    msr cptr_el2, x11
    msr s3_4_c2_c0_1, x1        /* TTBR1_EL2, which exists with VHE only */
2:  msr mair_el2, x7
    msr tcr_el2, x5
    msr ttbr0_el2, x0
    isb
    tlbi alle2
    dsb sy
    ic iallu
    dsb sy
    isb
    msr sctlr_el2, x10
    b .Lgo

.Lel1:
    mmu_off sctlr_el1, x8
    load_immediate x10, (SCTLR_EL1_RES1 | SCTLR_ON)
    msr mair_el1, x7
    msr tcr_el1, x5
    msr ttbr0_el1, x0
    msr ttbr1_el1, x1
    isb
    tlbi vmalle1
    dsb sy
    ic iallu
    dsb sy
    isb
    msr sctlr_el1, x10

.Lgo:
    isb
    msr spsel, #1
    mov sp, x2
    mov x0, x4
    mov x29, xzr
    mov x30, xzr
    br x3
    .size trampoline_enter, . - trampoline_enter
    .org arch_trampoline + 4096

    .section .note.GNU-stack, "", %progbits
