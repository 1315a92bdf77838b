/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Calls of the supervisor binary interface (RISC-V SBI 2.0) to the firmware in M-mode. */
#ifndef ARCH_RISCV64_HOST_SBI_H
#define ARCH_RISCV64_HOST_SBI_H

#include "kernel/log.h"

/* Extension ids (SBI 2.0, chapters 4 to 12) and their functions. */
#define SBI_EXT_BASE   0x10
#define SBI_EXT_TIME   0x54494d45
#define SBI_EXT_IPI    0x735049
#define SBI_EXT_RFENCE 0x52464e43
#define SBI_EXT_HSM    0x48534d
#define SBI_EXT_SRST   0x53525354
#define SBI_EXT_DBCN   0x4442434e
#define SBI_EXT_DBTR   0x44425452 /* SBI 3.0, chapter 19 */

#define SBI_BASE_SPEC_VERSION 0
#define SBI_BASE_IMPL_ID      1
#define SBI_BASE_IMPL_VERSION 2
#define SBI_BASE_PROBE        3
#define SBI_TIME_SET          0
#define SBI_IPI_SEND          0
#define SBI_RFENCE_I          0
#define SBI_RFENCE_VMA        1
#define SBI_HSM_START         0
#define SBI_SRST_RESET        0
#define SBI_DBCN_WRITE        0
#define SBI_DBCN_READ         1
#define SBI_DBTR_COUNT        0
#define SBI_DBTR_SHARE        1
#define SBI_DBTR_INSTALL      3
#define SBI_DBTR_UNINSTALL    5

#define SBI_SRST_SHUTDOWN    0
#define SBI_SRST_COLD_REBOOT 1
#define SBI_ALL_HARTS        (~0UL) /* as hart_mask_base (3.1) */

struct sbi_result {
    long error; /* 0, or a negative SBI_ERR number */
    unsigned long value;
};

static inline struct sbi_result sbi_call(unsigned long extension, unsigned long function,
                                         unsigned long arg0, unsigned long arg1, unsigned long arg2,
                                         unsigned long arg3)
{
    register unsigned long a0 __asm__("a0") = arg0;
    register unsigned long a1 __asm__("a1") = arg1;
    register unsigned long a2 __asm__("a2") = arg2;
    register unsigned long a3 __asm__("a3") = arg3;
    register unsigned long a6 __asm__("a6") = function;
    register unsigned long a7 __asm__("a7") = extension;

    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
    return (struct sbi_result){.error = (long)a0, .value = a1};
}

/* Is extension `id` there? */
bool sbi_has(unsigned long id);
/* "OpenSBI 1.5, SBI 2.0". */
void sbi_describe(struct out *out);

#endif
