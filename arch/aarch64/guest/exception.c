/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Exceptions that the machine takes to the guest's EL1 (Arm ARM D1.3.1, D1.3.3). */
#include "arch/aarch64/guest/machine.h"

/* ESR_EL1, D19.2.37 */
#define SYNDROME_IL       BIT(25)
#define SYNDROME_EC(ec)   ((uint64_t)(ec) << 26)
#define CLASS_UNKNOWN     0x00
#define CLASS_FETCH_LOWER 0x20
#define CLASS_DATA_LOWER  0x24
#define STATUS_EXTERNAL   0x10
#define GUEST_SCTLR_SPAN  BIT(23)

/* Vectors: from the current level with SP_EL0, with SP_EL1, from EL0 */
static uint64_t vector_offset(uint64_t pstate)
{
    switch (pstate & ARM_PSTATE_MODE) {
    case ARM_PSTATE_EL1H:
        return 0x200;
    case ARM_PSTATE_EL1T:
        return 0x000;
    }
    return 0x400;
}

static void take(struct vcpu *v, uint64_t esr)
{
    struct arm_state *s = v->state;
    uint64_t pstate = s->pstate;

    vcpu_dirty(v, ARM_SYSTEM);
    s->sys.elr = s->pc;
    s->sys.spsr = pstate;
    s->sys.esr = esr;
    s->pc = s->sys.vbar + vector_offset(pstate);
    s->pstate = ARM_PSTATE_EL1H | ARM_PSTATE_DAIF |
                (pstate & (ARM_PSTATE_NZCV | ARM_PSTATE_PAN | ARM_PSTATE_DIT)) |
                (s->sys.sctlr & GUEST_SCTLR_SPAN ? 0 : ARM_PSTATE_PAN);
}

void arm_inject_undefined(struct vcpu *v)
{
    take(v, SYNDROME_EC(CLASS_UNKNOWN) | SYNDROME_IL);
}

bool arm_vector_is(struct vcpu *v, uint64_t pc)
{
    const struct arm_state *s = v->state;

    vcpu_need(v, ARM_SYSTEM);
    return (s->pstate & ARM_PSTATE_MODE) == ARM_PSTATE_EL1H &&
           pc == s->sys.vbar + vector_offset(s->pstate);
}

void arm_inject_abort(struct vcpu *v, uint64_t far, bool fetch)
{
    struct arm_state *s = v->state;
    bool same = (s->pstate & ARM_PSTATE_MODE) != ARM_PSTATE_EL0;
    unsigned ec = fetch ? CLASS_FETCH_LOWER : CLASS_DATA_LOWER;

    vcpu_dirty(v, ARM_SYSTEM);
    s->sys.far = far;
    take(v, SYNDROME_EC(ec + same) | SYNDROME_IL | STATUS_EXTERNAL);
}

void arm_inject_syndrome(struct vcpu *v, uint64_t esr)
{
    take(v, esr);
}
