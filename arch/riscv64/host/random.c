/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The seed CSR (Zkr) is machine mode's unless the firmware opens it, and it says nowhere whether it
 * did: the firmware's own generator is the source here. */
#include "kernel/host.h"

bool host_random(uint64_t *value)
{
    (void)value;
    return false;
}
