/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Syndromes of aborts that left the guest (Arm ARM D19.2.37): ESR_EL2.ISS of classes 0x20 and 0x24.
 * Beside the guest's half, so that it can be tested everywhere. */
#ifndef ARCH_AARCH64_GUEST_SYNDROME_H
#define ARCH_AARCH64_GUEST_SYNDROME_H

#include "kernel/engine.h"
#include "mm/page_table.h"

#define ISS_ISV      BIT(24)
#define ISS_SAS(iss) ((iss) >> 22 & 3)
#define ISS_SSE      BIT(21)
#define ISS_SRT(iss) ((iss) >> 16 & 31)
#define ISS_SF       BIT(15)
#define ISS_S1PTW    BIT(7)
#define ISS_WNR      BIT(6)

/* Fills exit->memory from the syndrome, but for the addresses. What walks the guest's own tables
 * reads, whatever the access was that needed the walk. */
static inline void arm_abort_decode(struct vm_exit *exit, uint64_t esr, bool fetch)
{
    bool walk = esr & ISS_S1PTW;

    exit->memory.gva_valid = !walk;
    exit->memory.access = fetch ? PT_EXEC : esr & ISS_WNR && !walk ? PT_WRITE : PT_READ;
    exit->memory.operand_valid = !fetch && esr & ISS_ISV && !walk;
    exit->memory.size = (uint8_t)(1u << ISS_SAS(esr));
    exit->memory.reg = ISS_SRT(esr);
    exit->memory.sign_extend = esr & ISS_SSE;
    exit->memory.reg_64bit = esr & ISS_SF;
    exit->memory.instruction_length = 4;
    exit->memory.instruction = 0;
}

#endif
