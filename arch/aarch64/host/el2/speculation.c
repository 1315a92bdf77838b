/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Where the CPU needs the firmware's help against speculation attacks (SMCCC, DEN0028F, 7.4 on), it
 * is asked for: between guests, and after each exit. */
#include "arch/aarch64/host/el2/el2.h"
#include "arch/aarch64/host/speculation.h"

/* With a guest's address space gone, its predictions go too. */
void speculation_other_guest(void)
{
    if (arm_workaround_state(WORKAROUND_BRANCH_TARGET) == WORKAROUND_APPLIED)
        arm_workaround_call(WORKAROUND_BRANCH_TARGET);
}

static void guest_call(uint32_t function)
{
    for (unsigned i = 0; i < WORKAROUND_COUNT; i++)
        if (arm_workaround_function((enum arm_workaround)i) == function)
            arm_workaround_call((enum arm_workaround)i);
}

/* 0: there is one, 1: not needed, -1: none (7.4.4). Stores are kept from bypassing for good, so
 * that no guest needs to ask for it. */
struct arm_firmware speculation_guest(void)
{
    static const int32_t answers[] = {
        [WORKAROUND_NOT_NEEDED] = 1, [WORKAROUND_APPLIED] = 0, [WORKAROUND_MISSING] = -1};
    struct arm_firmware f = {.call = guest_call};

    for (unsigned i = 0; i < WORKAROUND_COUNT; i++)
        f.workaround[i] = answers[arm_workaround_state((enum arm_workaround)i)];
    if (f.workaround[WORKAROUND_STORE_BYPASS] == 0)
        f.workaround[WORKAROUND_STORE_BYPASS] = 1;
    return f;
}
