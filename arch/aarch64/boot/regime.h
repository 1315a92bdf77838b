/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Which translation regime the kernel starts in: shared by C and assembly of the aarch64 loader. */
#ifndef ARCH_AARCH64_BOOT_REGIME_H
#define ARCH_AARCH64_BOOT_REGIME_H

#define REGIME_EL1 0 /* entered at EL1: TTBR0_EL1 and TTBR1_EL1 */
#define REGIME_EL2 1 /* EL2 without VHE: TTBR0_EL2 only */
#define REGIME_VHE 2 /* EL2 with HCR_EL2.E2H: TTBR0_EL2 and TTBR1_EL2 */

#endif
