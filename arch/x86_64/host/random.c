/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The CPU's random number generator: RDRAND (Intel SDM volume 1, 7.3.17). */
#include <host/arch.h>

#include "arch/x86_64/host/msr.h"
#include "kernel/host.h"

#define LEAF_FEATURES 1
#define ECX_RDRAND    BIT(30)
#define TRIES         10 /* 7.3.17.1 */

bool host_random(uint64_t *value)
{
    if (!(cpuid_read(LEAF_FEATURES, 0).ecx & ECX_RDRAND))
        return false;
    for (unsigned i = 0; i < TRIES; i++) {
        bool good;
        __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good));
        if (good)
            return true;
    }
    return false;
}
