/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* System registers: plain accessors and the bits that the host uses. Sections are those of the Arm
 * ARM (DDI 0487J.a). */
#ifndef ARCH_AARCH64_HOST_SYSREG_H
#define ARCH_AARCH64_HOST_SYSREG_H

#ifdef __ASSEMBLER__
#define SYSREG_BIT(n) (1 << (n))
#else
#include <stdint.h>
#define SYSREG_BIT(n) (1ULL << (n))

#define SYSREG_TEXT_(name) #name
#define SYSREG_TEXT(name)  SYSREG_TEXT_(name)
#define sysreg_read(name)                                                        \
    ({                                                                           \
        uint64_t value_;                                                         \
        __asm__ volatile("mrs %0, " SYSREG_TEXT(name) : "=r"(value_)::"memory"); \
        value_;                                                                  \
    })
#define sysreg_write(name, value) \
    __asm__ volatile("msr " SYSREG_TEXT(name) ", %0" ::"r"((uint64_t)(value)) : "memory")

/* Writes only what changes: on many CPUs a write to a translation control register costs more than
 * a read (emulators drop their whole TLB). */
#define sysreg_update(name, value)     \
    do {                               \
        uint64_t new_ = (value);       \
        if (sysreg_read(name) != new_) \
            sysreg_write(name, new_);  \
    } while (0)

static inline void isb(void)
{
    __asm__ volatile("isb" ::: "memory");
}

/* Bits [lo + 3, lo] of an ID register: unsigned feature fields (D19.1.3). */
static inline unsigned id_field(uint64_t reg, unsigned lo)
{
    return reg >> lo & 0xf;
}
#endif

/* CurrentEL, C5.2.1 */
#define CURRENTEL_SHIFT 2

/* HCR_EL2, D19.2.48 */
#define HCR_VM     (1ULL << 0)
#define HCR_SWIO   (1ULL << 1)
#define HCR_FMO    (1ULL << 3)
#define HCR_IMO    (1ULL << 4)
#define HCR_AMO    (1ULL << 5)
#define HCR_VSE    (1ULL << 8)
#define HCR_FB     (1ULL << 9)
#define HCR_BSU_IS (1ULL << 10)
#define HCR_TWI    (1ULL << 13)
#define HCR_TID3   (1ULL << 18)
#define HCR_TSC    (1ULL << 19)
#define HCR_TIDCP  (1ULL << 20)
#define HCR_TACR   (1ULL << 21)
#define HCR_TGE    (1ULL << 27)
#define HCR_RW     (1ULL << 31)
#define HCR_E2H    (1ULL << 34)
#define HCR_TLOR   (1ULL << 35)
#define HCR_TERR   (1ULL << 36)
#define HCR_TEA    (1ULL << 37)
#define HCR_APK    (1ULL << 40)
#define HCR_API    (1ULL << 41)
#define HCR_FWB    (1ULL << 46)
#define HCR_FIEN   (1ULL << 47)
#define HCR_ENSCXT (1ULL << 53)
/* The host's: everything to EL2, EL0 of the kernel's own regime with VHE. */
#define HCR_HOST_NVHE (HCR_RW | HCR_IMO | HCR_FMO | HCR_AMO | HCR_APK | HCR_API)
#define HCR_HOST_VHE  (HCR_HOST_NVHE | HCR_E2H | HCR_TGE)

/* SCTLR_EL1 and SCTLR_EL2, D19.2.130: RES1 of the oldest CPUs, MMU, caches, stack alignment. */
#define SCTLR_M        (1ULL << 0)
#define SCTLR_C        (1ULL << 2)
#define SCTLR_SA       (1ULL << 3)
#define SCTLR_I        (1ULL << 12)
#define SCTLR_WXN      (1ULL << 19)
#define SCTLR_RES1_EL1 0x30d00980ULL /* bits 29, 28, 23, 22, 20, 11, 8, 7 */
#define SCTLR_RES1_EL2 0x30c50830ULL /* bits 29, 28, 23, 22, 18, 16, 11, 5, 4 */

/* CPTR_EL2 with E2H = 0 (D19.2.36), and with E2H = 1, which is CPACR_EL1's layout (D19.2.31) */
#define CPTR_NVHE_HOST 0x32ffULL /* RES1, no trap of FP, SVE (TZ) or SME (TSM) */
#define CPACR_FPEN     (3ULL << 20)
#define CPACR_ZEN      (3ULL << 16)

/* SPSR / PSTATE, C5.2.19 */
#define PSR_EL1H 0x5
#define PSR_F    SYSREG_BIT(6)
#define PSR_I    SYSREG_BIT(7)
#define PSR_A    SYSREG_BIT(8)
#define PSR_D    SYSREG_BIT(9)
#define PSR_IL   SYSREG_BIT(20)
#define PSR_DAIF (PSR_D | PSR_A | PSR_I | PSR_F)

/* ESR_ELx, D19.2.37 */
#define ESR_EC(esr)  ((esr) >> 26 & 0x3f)
#define ESR_ISS(esr) ((esr)&0x1ffffff)
#define ESR_IL       (1ULL << 25)
#define ESR_WNR      (1ULL << 6)
#define ESR_FSC(esr) ((esr)&0x3f)
#define ESR_FNV      (1ULL << 10)

#ifndef __ASSEMBLER__
enum esr_ec {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP = 0x07,
    EC_PAUTH = 0x09,
    EC_BTI = 0x0d,
    EC_ILLEGAL_STATE = 0x0e,
    EC_HVC32 = 0x12,
    EC_SMC32 = 0x13,
    EC_SVC64 = 0x15,
    EC_HVC64 = 0x16,
    EC_SMC64 = 0x17,
    EC_SYSREG = 0x18,
    EC_SVE = 0x19,
    EC_SME = 0x1d,
    EC_IABT_LOWER = 0x20,
    EC_IABT_SAME = 0x21,
    EC_PC_ALIGN = 0x22,
    EC_DABT_LOWER = 0x24,
    EC_DABT_SAME = 0x25,
    EC_SP_ALIGN = 0x26,
    EC_SERROR = 0x2f,
    EC_BREAKPOINT_LOWER = 0x30,
    EC_STEP_LOWER = 0x32,
    EC_WATCHPOINT_LOWER = 0x34,
    EC_BRK = 0x3c,
};
#endif

/* MAIR attributes in the order that boot_info.h fixes: 0 write-back, 1 device nGnRE, 2
 * non-cacheable (D19.2.100) */
#define MAIR_VALUE        0x4404ffULL
#define MAIR_INDEX_WB     0ULL
#define MAIR_INDEX_DEVICE 1ULL
#define MAIR_INDEX_NC     2ULL

/* TCR_EL1 and TCR_EL2 with E2H (D19.2.139): 48-bit, 4 KiB granule, write-back walks, inner
 * shareable, both halves */
#define TCR_T0SZ_48   (16ULL << 0)
#define TCR_EPD0      (1ULL << 7)
#define TCR_IRGN0_WB  (1ULL << 8)
#define TCR_ORGN0_WB  (1ULL << 10)
#define TCR_SH0_INNER (3ULL << 12)
#define TCR_T1SZ_48   (16ULL << 16)
#define TCR_IRGN1_WB  (1ULL << 24)
#define TCR_ORGN1_WB  (1ULL << 26)
#define TCR_SH1_INNER (3ULL << 28)
#define TCR_TG1_4K    (2ULL << 30)
#define TCR_IPS_SHIFT 32
/* TCR_EL2 with E2H = 0 */
#define TCR_EL2_RES1     ((1ULL << 31) | (1ULL << 23))
#define TCR_EL2_PS_SHIFT 16

/* CNTHCTL_EL2, D19.12.2: EL1 may read counters and the physical timer. The layout depends on E2H.
 */
#define CNTHCTL_EL1PCTEN_NVHE (1ULL << 0)
#define CNTHCTL_EL1PCEN_NVHE  (1ULL << 1)
#define CNTHCTL_EL1PCTEN_VHE  (1ULL << 10)
#define CNTHCTL_EL1PTEN_VHE   (1ULL << 11)

#define CNT_CTL_ENABLE  (1ULL << 0)
#define CNT_CTL_IMASK   (1ULL << 1)
#define CNT_CTL_ISTATUS (1ULL << 2)

/* MPIDR_EL1, D19.2.101: Aff3 in bits 39..32, Aff2..Aff0 in 23..0 */
#define MPIDR_AFFINITY 0xff00ffffffULL

#endif
