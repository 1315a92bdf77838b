/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The CPU's random number generator: RNDR (Arm ARM DDI 0487, D23.2.145). */
#include <host/arch.h>

#include "arch/aarch64/host/sysreg.h"
#include "kernel/host.h"

#define ISAR0_RNDR_SHIFT 60
#define ISAR0_FIELD      15u
#define TRIES            10

bool host_random(uint64_t *value)
{
    if (!(sysreg_read(id_aa64isar0_el1) >> ISAR0_RNDR_SHIFT & ISAR0_FIELD))
        return false;
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t failed; /* the Z flag */

        __asm__ volatile("mrs %0, s3_3_c2_c4_0\n\tcset %1, eq" : "=r"(*value), "=r"(failed)::"cc");
        if (!failed)
            return true;
    }
    return false;
}
