/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The guest's firmware: PSCI 1.1 (DEN0022F) and SMCCC 1.1 (DEN0028), by HVC and SMC alike. */
#include "arch/aarch64/guest/machine.h"

#define FN64(number) (0xc4000000u | (number))
#define FN32(number) (0x84000000u | (number))

enum psci_function {
    PSCI_VERSION = 0,
    PSCI_CPU_SUSPEND = 1,
    PSCI_CPU_OFF = 2,
    PSCI_CPU_ON = 3,
    PSCI_AFFINITY_INFO = 4,
    PSCI_MIGRATE_INFO_TYPE = 6,
    PSCI_SYSTEM_OFF = 8,
    PSCI_SYSTEM_RESET = 9,
    PSCI_FEATURES = 10,
};
#define PSCI_FUNCTION_MASK  0x1fu
#define SMCCC_VERSION       0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u

#define PSCI_VERSION_1_1  0x10001
#define SMCCC_VERSION_1_1 0x10001

enum psci_status {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID = -2,
    PSCI_ALREADY_ON = -4,
    PSCI_ON_PENDING = -5,
};
#define PSCI_AFFINITY_ON         0
#define PSCI_AFFINITY_OFF        1
#define PSCI_AFFINITY_ON_PENDING 2
#define PSCI_NO_TRUSTED_OS       2

static void answer(struct vcpu *v, int64_t value)
{
    arm_state(v)->x[0] = (uint64_t)value;
}

static int64_t cpu_on(struct vcpu *v, uint64_t affinity, uint64_t entry, uint64_t context)
{
    struct vcpu *target = arm_vcpu_by_affinity(v->vm, affinity);
    uint32_t idle = 0;

    if (!target)
        return PSCI_INVALID;
    if (__atomic_load_n(&target->running, __ATOMIC_ACQUIRE))
        return PSCI_ALREADY_ON;
    if (!__atomic_compare_exchange_n(&arm_vcpu(target)->starting, &idle, 2, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        return PSCI_ON_PENDING;
    arm_vcpu(target)->start_pc = entry;
    arm_vcpu(target)->start_context = context;
    __atomic_store_n(&arm_vcpu(target)->starting, 1, __ATOMIC_RELEASE);
    vcpu_request(target, VCPU_REQUEST_STARTUP);
    return PSCI_SUCCESS;
}

static int64_t affinity_info(struct vcpu *v, uint64_t affinity)
{
    struct vcpu *target = arm_vcpu_by_affinity(v->vm, affinity);

    if (!target)
        return PSCI_INVALID;
    if (__atomic_load_n(&arm_vcpu(target)->starting, __ATOMIC_ACQUIRE))
        return PSCI_AFFINITY_ON_PENDING;
    return __atomic_load_n(&target->running, __ATOMIC_ACQUIRE) ? PSCI_AFFINITY_ON
                                                               : PSCI_AFFINITY_OFF;
}

static int64_t features(uint32_t function)
{
    if (function == SMCCC_VERSION)
        return PSCI_SUCCESS;
    if ((function | 0x40000000) != FN64(function & PSCI_FUNCTION_MASK))
        return PSCI_NOT_SUPPORTED;
    switch (function & PSCI_FUNCTION_MASK) {
    case PSCI_VERSION:
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_OFF:
    case PSCI_CPU_ON:
    case PSCI_AFFINITY_INFO:
    case PSCI_MIGRATE_INFO_TYPE:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
    case PSCI_FEATURES:
        return PSCI_SUCCESS;
    }
    return PSCI_NOT_SUPPORTED;
}

static enum exit_action psci(struct vcpu *v, uint32_t function)
{
    struct arm_state *s = v->state;
    /* The 32-bit forms have 32-bit arguments. */
    uint64_t mask = function & 0x40000000 ? ~0ULL : 0xffffffff;
    uint64_t a = s->x[1] & mask, b = s->x[2] & mask, c = s->x[3] & mask;

    switch (function & PSCI_FUNCTION_MASK) {
    case PSCI_VERSION:
        answer(v, PSCI_VERSION_1_1);
        return ACTION_RESUME;
    case PSCI_CPU_SUSPEND: /* as a standby state: continues after an interrupt */
        answer(v, PSCI_SUCCESS);
        vgic_sync(v);
        return ACTION_IDLE;
    case PSCI_CPU_OFF:
        __atomic_store_n(&v->running, false, __ATOMIC_RELEASE);
        return ACTION_RESUME;
    case PSCI_CPU_ON:
        answer(v, cpu_on(v, a, b, c));
        return ACTION_RESUME;
    case PSCI_AFFINITY_INFO:
        answer(v, affinity_info(v, a));
        return ACTION_RESUME;
    case PSCI_MIGRATE_INFO_TYPE:
        answer(v, PSCI_NO_TRUSTED_OS);
        return ACTION_RESUME;
    case PSCI_SYSTEM_OFF:
        return ACTION_POWEROFF;
    case PSCI_SYSTEM_RESET:
        return ACTION_RESET;
    case PSCI_FEATURES:
        answer(v, features((uint32_t)a));
        return ACTION_RESUME;
    }
    answer(v, PSCI_NOT_SUPPORTED);
    return ACTION_RESUME;
}

enum exit_action arm_hypercall(struct vcpu *v, const struct vm_exit *exit)
{
    uint32_t function = (uint32_t)arm_state(v)->x[0];

    /* SMCCC uses immediate 0 only (2.9); anything else is answered like an unknown function. */
    if (exit->hypercall.number == 0 &&
        (function | 0x40000000) == FN64(function & PSCI_FUNCTION_MASK))
        return psci(v, function);
    if (exit->hypercall.number == 0 && function == SMCCC_VERSION)
        answer(v, SMCCC_VERSION_1_1);
    else if (exit->hypercall.number == 0 && function == SMCCC_ARCH_FEATURES)
        answer(v,
               (uint32_t)arm_state(v)->x[1] == SMCCC_VERSION ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED);
    else
        answer(v, PSCI_NOT_SUPPORTED);
    return ACTION_RESUME;
}
