/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* System registers and instructions by number: op0, op1, CRn, CRm, op2, as in bits 20 to 5 of MRS,
 * MSR and SYS (Arm ARM C5.1). */
#ifndef ARCH_AARCH64_GUEST_SYSREGS_H
#define ARCH_AARCH64_GUEST_SYSREGS_H

#define A64_SYS(op0, op1, crn, crm, op2) \
    ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define A64_SYS_OF(word) ((word) >> 5 & 0xffffu)
#define A64_SYS_OP0(reg) ((reg) >> 14)
#define A64_SYS_OP1(reg) ((reg) >> 11 & 7)
#define A64_SYS_CRN(reg) ((reg) >> 7 & 15)
#define A64_SYS_CRM(reg) ((reg) >> 3 & 15)
#define A64_SYS_OP2(reg) ((reg)&7)

#define A64_SYS_SPSR_EL1    A64_SYS(3u, 0u, 4u, 0u, 0u)
#define A64_SYS_ELR_EL1     A64_SYS(3u, 0u, 4u, 0u, 1u)
#define A64_SYS_SP_EL0      A64_SYS(3u, 0u, 4u, 1u, 0u)
#define A64_SYS_SPSEL       A64_SYS(3u, 0u, 4u, 2u, 0u)
#define A64_SYS_CURRENT_EL  A64_SYS(3u, 0u, 4u, 2u, 2u)
#define A64_SYS_PAN         A64_SYS(3u, 0u, 4u, 2u, 3u)
#define A64_SYS_UAO         A64_SYS(3u, 0u, 4u, 2u, 4u)
#define A64_SYS_ESR_EL1     A64_SYS(3u, 0u, 5u, 2u, 0u)
#define A64_SYS_FAR_EL1     A64_SYS(3u, 0u, 6u, 0u, 0u)
#define A64_SYS_TPIDR_EL1   A64_SYS(3u, 0u, 13u, 0u, 4u)
#define A64_SYS_NZCV        A64_SYS(3u, 3u, 4u, 2u, 0u)
#define A64_SYS_DAIF        A64_SYS(3u, 3u, 4u, 2u, 1u)
#define A64_SYS_DIT         A64_SYS(3u, 3u, 4u, 2u, 5u)
#define A64_SYS_FPCR        A64_SYS(3u, 3u, 4u, 4u, 0u)
#define A64_SYS_FPSR        A64_SYS(3u, 3u, 4u, 4u, 1u)
#define A64_SYS_CTR         A64_SYS(3u, 3u, 0u, 0u, 1u)
#define A64_SYS_DCZID       A64_SYS(3u, 3u, 0u, 0u, 7u)
#define A64_SYS_TPIDR_EL0   A64_SYS(3u, 3u, 13u, 0u, 2u)
#define A64_SYS_TPIDRRO_EL0 A64_SYS(3u, 3u, 13u, 0u, 3u)

#define A64_SYS_DC_ZVA A64_SYS(1u, 3u, 7u, 4u, 1u)

/* CTR_EL0 (D19.2.34): lines of 64 bytes, data coherent to the point of unification, physical tags;
 * DCZID_EL0 (D19.2.37): blocks of 64 bytes */
#define A64_CTR              (BIT(31) | BIT(28) | 4ULL << 24 | 4ULL << 20 | 4ULL << 16 | 3ULL << 14 | 4ULL)
#define A64_DCZID            4ULL
#define A64_DCZID_PROHIBITED BIT(4)

#endif
