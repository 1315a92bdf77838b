/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Debug builds only: values that the CPU cannot take, on purpose (monitor command `vm break`). */
#include "hext.h"

#if DEBUG

static const struct {
    const char *what;
    uint64_t bits; /* added to what the register gets */
} ways[] = {
    [HEXT_HGATP] = {"hgatp", ATP_MODE_RESERVED},
    [HEXT_HEDELEG] = {"hedeleg", BIT(CAUSE_ECALL_VS)}, /* read-only zero (21.2.2) */
    [HEXT_VSATP] = {"vsatp", ATP_MODE_RESERVED},
};

uint64_t hext_broken(const struct hext_vcpu *h, enum hext_register reg, uint64_t value)
{
    return value | (READ_ONCE(h->broken) == reg + 1u ? ways[reg].bits : 0);
}

/* From its next switch to a CPU on. */
const char *hext_break_entry(struct vcpu *v, unsigned kind)
{
    struct hext_vcpu *h = v->engine_data;

    if (kind >= ARRAY_SIZE(ways))
        return NULL;
    WRITE_ONCE(h->broken, kind + 1);
    return ways[kind].what;
}

#endif
