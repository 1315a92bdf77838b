/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The guest's stage 1 translation (Arm ARM D8.2, D8.3), for instructions that the hypervisor reads
 * itself. */
#include "arch/aarch64/guest/machine.h"

#define GUEST_SCTLR_M  BIT(0)
#define DESC_VALID     BIT(0)
#define DESC_TABLE     BIT(1) /* a table, or a page on the last level */
#define TTBR_BASE      BITS(47, 1)
#define UPPER_HALF(va) ((va) >> 55 & 1)

/* Granule sizes, log2, by TCR_EL1.TG0 and TG1 (D19.2.139) */
static unsigned granule_shift(uint64_t tcr, bool upper)
{
    static const uint8_t tg0[4] = {12, 16, 14, 0}, tg1[4] = {0, 14, 12, 16};

    return upper ? tg1[tcr >> 30 & 3] : tg0[tcr >> 14 & 3];
}

/* One table entry; false when it is not valid or not in RAM. */
static bool read_entry(struct vcpu *v, uint64_t table, uint64_t index, uint64_t *entry)
{
    return guest_copy_from(v->vm->memory, GPA(table + index * 8), entry, sizeof(*entry)) ==
               ERR_OK &&
           *entry & DESC_VALID;
}

/* Down from `level` tables above the page: a leaf ends the walk early. */
static bool walk(struct vcpu *v, uint64_t va, uint64_t table, unsigned bits, unsigned granule,
                 uint64_t *gpa)
{
    unsigned stride = granule - 3;
    uint64_t entry = 0;

    for (unsigned level = (bits - granule + stride - 1) / stride; level; level--) {
        unsigned shift = granule + stride * (level - 1);
        unsigned width = MIN(stride, bits - shift);

        if (!read_entry(v, table, va >> shift & BITS(width - 1, 0), &entry))
            return false;
        if (level > 1 && entry & DESC_TABLE) {
            table = entry & BITS(47, granule);
            continue;
        }
        if (level == 1 && !(entry & DESC_TABLE))
            return false;
        *gpa = (entry & BITS(47, shift)) | (va & BITS(shift - 1, 0));
        return true;
    }
    return false;
}

bool arm_translate(struct vcpu *v, uint64_t va, uint64_t *gpa)
{
    const struct arm_system *s = &arm_state(v)->sys;
    bool upper = UPPER_HALF(va);
    unsigned granule, bits;

    vcpu_need(v, ARM_SYSTEM);
    if (!(s->sctlr & GUEST_SCTLR_M)) {
        *gpa = va;
        return true;
    }
    granule = granule_shift(s->tcr, upper);
    bits = 64 - (s->tcr >> (upper ? 16 : 0) & 63);
    if (!granule || bits <= granule || bits > 48)
        return false;
    return walk(v, va, (upper ? s->ttbr1 : s->ttbr0) & TTBR_BASE, bits, granule, gpa);
}
