/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Speculation attacks: what the CPU is immune to, and what the firmware has against the rest. */
#include "arch/aarch64/host/speculation.h"
#include "arch/aarch64/host/host.h"

#define ID_AA64MMFR1_EL1 S3_0_C0_C7_1

#define SMCCC_VERSION       0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define SMCCC_VERSION_1_1   0x10001

static const struct {
    uint32_t function;
    const char *text;
} workarounds[WORKAROUND_COUNT] = {
    [WORKAROUND_BRANCH_TARGET] = {0x80008000u, "branch target injection (WORKAROUND_1)"},
    [WORKAROUND_STORE_BYPASS] = {0x80007fffu, "speculative store bypass (WORKAROUND_2)"},
    [WORKAROUND_BRANCH_HISTORY] = {0x80003fffu, "branch history injection (WORKAROUND_3)"},
};

static enum arm_workaround_state states[WORKAROUND_COUNT];
uint32_t arm_workaround_at_exit;

/* Does the CPU itself say that it does not need one? ID_AA64PFR0_EL1.CSV2 (D19.2.67), PFR1.SSBS
 * (D19.2.68), MMFR1.ECBHB (D19.2.65) */
static bool immune(enum arm_workaround w)
{
    uint64_t csv2 = id_field(sysreg_read(id_aa64pfr0_el1), 56);

    switch (w) {
    case WORKAROUND_BRANCH_TARGET:
        return csv2 >= 1;
    case WORKAROUND_STORE_BYPASS:
        return id_field(sysreg_read(id_aa64pfr1_el1), 4) >= 1;
    case WORKAROUND_BRANCH_HISTORY:
        return csv2 >= 3 || id_field(sysreg_read(ID_AA64MMFR1_EL1), 60) >= 1;
    case WORKAROUND_COUNT:
        break;
    }
    return false;
}

static enum arm_workaround_state find(enum arm_workaround w)
{
    int32_t answer = -1;

    if (psci_present() && (int32_t)smccc_call(SMCCC_VERSION, 0, 0, 0).x0 >= SMCCC_VERSION_1_1)
        answer = (int32_t)smccc_call(SMCCC_ARCH_FEATURES, workarounds[w].function, 0, 0).x0;
    if (answer == 0)
        return WORKAROUND_APPLIED;
    return answer == 1 || immune(w) ? WORKAROUND_NOT_NEEDED : WORKAROUND_MISSING;
}

void speculation_init(void)
{
    for (unsigned i = 0; i < WORKAROUND_COUNT; i++)
        states[i] = find((enum arm_workaround)i);
    if (states[WORKAROUND_BRANCH_HISTORY] == WORKAROUND_APPLIED)
        arm_workaround_at_exit = workarounds[WORKAROUND_BRANCH_HISTORY].function;
    else if (states[WORKAROUND_BRANCH_TARGET] == WORKAROUND_APPLIED)
        arm_workaround_at_exit = workarounds[WORKAROUND_BRANCH_TARGET].function;
}

void speculation_cpu_init(void)
{
    if (states[WORKAROUND_STORE_BYPASS] == WORKAROUND_APPLIED)
        smccc_call(workarounds[WORKAROUND_STORE_BYPASS].function, 1, 0, 0);
}

enum arm_workaround_state arm_workaround_state(enum arm_workaround w)
{
    return states[w];
}

uint32_t arm_workaround_function(enum arm_workaround w)
{
    return workarounds[w].function;
}

void arm_workaround_call(enum arm_workaround w)
{
    smccc_call(workarounds[w].function, 0, 0, 0);
}

void speculation_report(struct out *out)
{
    static const char *const texts[] = {
        [WORKAROUND_NOT_NEEDED] = "not needed",
        [WORKAROUND_APPLIED] = "applied",
        [WORKAROUND_MISSING] =
            ("missing: this CPU does not say that it is immune, and the firmware "
             "names none (look for a firmware update)"),
    };

    out_printf(out, "speculation:\n");
    out_printf(out, "  reading across privilege levels: %s\n",
               id_field(sysreg_read(id_aa64pfr0_el1), 60) ? "not needed (CSV3)"
                                                          : "missing: the CPU may be affected");
    for (unsigned i = 0; i < WORKAROUND_COUNT; i++)
        out_printf(out, "  %s: %s\n", workarounds[i].text, texts[states[i]]);
}
