/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The one layer through which the kernel reaches system registers whose name depends on where it
 * runs:
 *
 * - MODE_VHE: EL2 with HCR_EL2.E2H = 1. The _EL1 names reach the EL2 registers, the guest's are
 *   _EL12 (Arm ARM D8.9).
 * - MODE_NVHE: EL2 with E2H = 0. The kernel's registers are _EL2, the guest's _EL1.
 * - MODE_EL1: EL1; the firmware keeps EL2 or the CPU has none. The kernel's registers are _EL1, and
 *   there are no guests.
 *
 * Each use is one instruction. It is assembled for VHE, and the section table_mode_patches lists
 * what replaces it in the two other modes; mode_init() rewrites the kernel once, before anything
 * else runs. So there is neither a test nor a call at a use.
 */
#ifndef ARCH_AARCH64_HOST_MODE_H
#define ARCH_AARCH64_HOST_MODE_H

#ifdef __ASSEMBLER__

/* It would take assembly for C. */
/* clang-format off */
/* Puts down instruction `vhe`; `nvhe` and `el1` take its place in those modes. */
.macro mode_insn vhe:req, nvhe:req, el1:req
.Lmode\@:
    \vhe
    .pushsection table_mode_patches, "a"
    .balign 4
    .long .Lmode\@ - .
    \nvhe
    \el1
    .popsection
.endm

/* reg = this CPU's struct cpu */
.macro this_cpu reg:req
    mode_insn "mrs \reg, tpidr_el2", "mrs \reg, tpidr_el2", "mrs \reg, tpidr_el1"
.endm
/* clang-format on */

#else

#include <stdint.h>

enum arm_mode { MODE_VHE, MODE_NVHE, MODE_EL1 };

/* Constant after mode_init(). */
extern enum arm_mode arm_mode;

#define MODE_INSN(vhe, nvhe, el1)              \
    "7771: " vhe "\n"                          \
    ".pushsection table_mode_patches, \"a\"\n" \
    ".balign 4\n"                              \
    ".long 7771b - .\n" nvhe "\n" el1 "\n"     \
    ".popsection\n"

#define MODE_READ(vhe, nvhe, el1)                                                   \
    ({                                                                              \
        uint64_t value_;                                                            \
        __asm__ volatile(MODE_INSN("mrs %0, " vhe, "mrs %0, " nvhe, "mrs %0, " el1) \
                         : "=r"(value_));                                           \
        value_;                                                                     \
    })
#define MODE_WRITE(vhe, nvhe, el1, value)                                                \
    __asm__ volatile(MODE_INSN("msr " vhe ", %0", "msr " nvhe ", %0", "msr " el1 ", %0") \
                     :                                                                   \
                     : "r"((uint64_t)(value))                                            \
                     : "memory")

/* The kernel's own copy of a register that exists for EL1 and EL2: kernel_reg_read(sctlr). */
#define kernel_reg_read(name)         MODE_READ(#name "_el1", #name "_el2", #name "_el1")
#define kernel_reg_write(name, value) MODE_WRITE(#name "_el1", #name "_el2", #name "_el1", value)

/* The kernel's timer: CNTHP at EL2, CNTP at EL1. */
#define kernel_timer_read(name) \
    MODE_READ("cntp_" #name "_el0", "cnthp_" #name "_el2", "cntp_" #name "_el0")
#define kernel_timer_write(name, value) \
    MODE_WRITE("cntp_" #name "_el0", "cnthp_" #name "_el2", "cntp_" #name "_el0", value)

/* TLB operations on the kernel's own translation regime (Arm ARM D8.14): with E2H the _EL2 ones
 * mean EL2&0. */
#define kernel_tlbi_all_local() \
    __asm__ volatile(MODE_INSN("tlbi alle2", "tlbi alle2", "tlbi vmalle1")::: "memory")
#define kernel_tlbi_all() \
    __asm__ volatile(MODE_INSN("tlbi alle2is", "tlbi alle2is", "tlbi vmalle1is")::: "memory")
#define kernel_tlbi_page(operand)                                                        \
    __asm__ volatile(MODE_INSN("tlbi vae2is, %0", "tlbi vae2is, %0", "tlbi vaae1is, %0") \
                     :                                                                   \
                     : "r"((uint64_t)(operand))                                          \
                     : "memory")

struct boot_info;
/* Finds the mode and rewrites the kernel for it, through the direct map. First of all; uses no
 * accessor. */
void mode_init(const struct boot_info *info);
/* "EL2 with VHE" */
const char *mode_text(void);

#endif
#endif
