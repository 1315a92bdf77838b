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
    PSCI_SYSTEM_RESET2 = 18,
};
#define PSCI_FUNCTION_MASK  0x1fu
#define FN_64BIT            0x40000000u
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
    PSCI_INVALID_ADDRESS = -9,
};
/* SYSTEM_RESET2's architectural warm reset, 5.11; vendors' types have bit 31 */
#define PSCI_RESET_WARM 0

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
    if (entry < MACHINE_RAM_BASE || entry - MACHINE_RAM_BASE >= v->vm->config->memory || entry & 3)
        return PSCI_INVALID_ADDRESS;
    if (__atomic_load_n(&target->running, __ATOMIC_ACQUIRE))
        return PSCI_ALREADY_ON;
    if (!__atomic_compare_exchange_n(&arm_vcpu(target)->starting, &idle, 2, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        return PSCI_ON_PENDING;
    arm_vcpu(target)->start_pc = entry;
    arm_vcpu(target)->start_context = context;
    __atomic_store_n(&arm_vcpu(target)->starting, 1, __ATOMIC_RELEASE);
    vm_goes_parallel(v->vm);
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

/* Functions that there are, by number, in 32-bit and in 64-bit form (5.1). */
#define FORMS_32                                                                        \
    (BIT(PSCI_VERSION) | BIT(PSCI_CPU_SUSPEND) | BIT(PSCI_CPU_OFF) | BIT(PSCI_CPU_ON) | \
     BIT(PSCI_AFFINITY_INFO) | BIT(PSCI_MIGRATE_INFO_TYPE) | BIT(PSCI_SYSTEM_OFF) |     \
     BIT(PSCI_SYSTEM_RESET) | BIT(PSCI_FEATURES) | BIT(PSCI_SYSTEM_RESET2))
#define FORMS_64 \
    (BIT(PSCI_CPU_SUSPEND) | BIT(PSCI_CPU_ON) | BIT(PSCI_AFFINITY_INFO) | BIT(PSCI_SYSTEM_RESET2))

static bool is_psci(uint32_t function)
{
    uint64_t forms = function & FN_64BIT ? FORMS_64 : FORMS_32;

    return (function | FN_64BIT) == FN64(function & PSCI_FUNCTION_MASK) &&
           forms >> (function & PSCI_FUNCTION_MASK) & 1;
}

static int64_t features(uint32_t function)
{
    return function == SMCCC_VERSION || is_psci(function) ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

/* Each vCPU's own business: nobody runs on it afterwards, and its interrupts go nowhere. */
static enum exit_action cpu_off(struct vcpu *v)
{
    vgic_sync(v);
    __atomic_store_n(&v->running, false, __ATOMIC_RELEASE);
    return ACTION_RESUME;
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
        return cpu_off(v);
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
    case PSCI_SYSTEM_RESET2:
        if (a == PSCI_RESET_WARM)
            return ACTION_RESET;
        answer(v, a & BIT(31) ? PSCI_NOT_SUPPORTED : PSCI_INVALID);
        return ACTION_RESUME;
    case PSCI_FEATURES:
        answer(v, features((uint32_t)a));
        return ACTION_RESUME;
    }
    answer(v, PSCI_NOT_SUPPORTED);
    return ACTION_RESUME;
}

/* ---- SMCCC ---- */

/* Index of a workaround against speculation, as the firmware below knows it; -1: not one. */
static int workaround(uint32_t function)
{
    static const uint32_t functions[] = {0x80008000u, 0x80007fffu, 0x80003fffu};

    for (unsigned i = 0; i < ARRAY_SIZE(functions); i++)
        if (functions[i] == function)
            return (int)i;
    return -1;
}

static int64_t arch_features(struct vcpu *v, uint32_t function)
{
    int w = workaround(function);

    if (w >= 0)
        return arm_state(v)->firmware.workaround[w];
    return function == SMCCC_VERSION || function == SMCCC_ARCH_FEATURES ? PSCI_SUCCESS
                                                                        : PSCI_NOT_SUPPORTED;
}

static void workaround_call(struct vcpu *v, int w, uint32_t function)
{
    const struct arm_firmware *f = &arm_state(v)->firmware;

    if (f->workaround[w] < 0)
        answer(v, PSCI_NOT_SUPPORTED);
    else if (f->workaround[w] == 0)
        f->call(function);
}

/* SMCCC uses immediate 0 only (2.9); anything else is answered like an unknown function. */
enum exit_action arm_hypercall(struct vcpu *v, const struct vm_exit *exit)
{
    uint32_t function = (uint32_t)arm_state(v)->x[0];
    int w;

    if (exit->hypercall.number) {
        answer(v, PSCI_NOT_SUPPORTED);
        return ACTION_RESUME;
    }
    if (likely(is_psci(function)))
        return psci(v, function);
    w = workaround(function);
    if (w >= 0)
        workaround_call(v, w, function);
    else if (function == SMCCC_VERSION)
        answer(v, SMCCC_VERSION_1_1);
    else if (function == SMCCC_ARCH_FEATURES)
        answer(v, arch_features(v, (uint32_t)arm_state(v)->x[1]));
    else
        answer(v, PSCI_NOT_SUPPORTED);
    return ACTION_RESUME;
}
