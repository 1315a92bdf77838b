/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Why an entry into a guest did not come about: the conditions of illegal exception returns
 * (C5.2.19) and of the second stage's walk (D8.2), and in debug builds ways to provoke it. */
#include "arch/aarch64/host/el2/el2.h"

/* With granules of 4 KiB a walk resolves 12 bits by the page and 9 by each level; its first level
 * may consist of up to 16 tables (D8.2.9). */
#define PAGE_BITS         12u
#define LEVEL_BITS        9u
#define CONCATENATED_BITS 4u

static bool stage2_size_illegal(uint64_t vtcr)
{
    unsigned bits = 64 - (unsigned)(vtcr & VTCR_T0SZ), levels = 2 + (vtcr >> VTCR_SL0_SHIFT & 3);
    unsigned most = PAGE_BITS + LEVEL_BITS * levels;

    return levels > 4 || bits <= most - LEVEL_BITS || bits > most + CONCATENATED_BITS;
}

const char *el2_invalid_field(const struct arm_state *s)
{
    uint64_t hcr = sysreg_read(hcr_el2), mode = s->pstate & ARM_PSTATE_MODE;
    bool el0 = mode == ARM_PSTATE_EL0;
    const struct {
        bool bad;
        const char *text;
    } checks[] = {
        {mode & ARM_PSTATE_AARCH32, "SPSR_EL2.M: AArch32, which Ennead's guests do not have"},
        {!el0 && mode != ARM_PSTATE_EL1T && mode != ARM_PSTATE_EL1H,
         "SPSR_EL2.M: a processor mode that no guest can run in"},
        {hcr & HCR_TGE, "HCR_EL2.TGE: it is set, and EL1 cannot be entered then"},
        {!(hcr & HCR_RW), "HCR_EL2.RW: it is clear, and EL1 is AArch32 then"},
        {stage2_size_illegal(sysreg_read(vtcr_el2)),
         "VTCR_EL2: T0SZ and SL0 do not belong together"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(checks); i++)
        if (checks[i].bad)
            return checks[i].text;
    return NULL;
}

#if DEBUG

/* SPSR_EL2.M (C5.2.19): EL2 with its own stack, EL3, one that is reserved, AArch32's supervisor */
#define MODE_EL2H     0x09
#define MODE_EL3H     0x0d
#define MODE_RESERVED 0x01
#define MODE_SVC32    0x13

#define PFR0_EL1_SHIFT   4
#define PFR0_EL1_AARCH32 2

enum register_broken { BROKEN_MODE, BROKEN_ERET, BROKEN_HCR, BROKEN_VTCR };

static const struct {
    const char *what;
    enum register_broken where;
    uint64_t flip; /* of HCR_EL2 and VTCR_EL2; the value of SPSR_EL2.M */
} ways[] = {
    {"SPSR_EL2.M: EL2", BROKEN_MODE, MODE_EL2H},
    {"SPSR_EL2.M: EL3", BROKEN_MODE, MODE_EL3H},
    {"SPSR_EL2.M: reserved", BROKEN_MODE, MODE_RESERVED},
    {"SPSR_EL2.M: AArch32", BROKEN_MODE, MODE_SVC32},
    {"HCR_EL2.TGE", BROKEN_HCR, HCR_TGE},
    {"VTCR_EL2.SL0", BROKEN_VTCR, 3ULL << VTCR_SL0_SHIFT},
    {"HCR_EL2.RW", BROKEN_HCR, HCR_RW},
    /* That of EL2 would be legal: it is left to the look before. */
    {"SPSR_EL2.M: EL3, in the ERET", BROKEN_ERET, MODE_EL3H},
    {"SPSR_EL2.M: reserved, in the ERET", BROKEN_ERET, MODE_RESERVED},
};

static void flip(const struct el2_vcpu *e)
{
    uint64_t bits = ways[e->broken - 1].flip;

    if (ways[e->broken - 1].where == BROKEN_HCR)
        sysreg_write(hcr_el2, sysreg_read(hcr_el2) ^ bits);
    else if (ways[e->broken - 1].where == BROKEN_VTCR)
        sysreg_write(vtcr_el2, sysreg_read(vtcr_el2) ^ bits);
    isb();
}

bool el2_break_apply(const struct el2_vcpu *e, struct arm_state *s)
{
    enum register_broken where = ways[e->broken - 1].where;

    if (where == BROKEN_MODE || where == BROKEN_ERET)
        s->pstate = (s->pstate & ~(uint64_t)ARM_PSTATE_MODE) | ways[e->broken - 1].flip;
    flip(e);
    stage2_flush_local(); /* what the TLB holds would do without the tables */
    return where == BROKEN_ERET;
}

void el2_break_undo(const struct el2_vcpu *e)
{
    flip(e);
    stage2_flush_local();
}

const char *el2_break_entry(struct vcpu *v, unsigned kind)
{
    struct el2_vcpu *e = v->engine_data;

    if (kind >= ARRAY_SIZE(ways))
        return NULL;
    /* Where EL1 has no AArch32, RW cannot be cleared. */
    if (ways[kind].flip == HCR_RW &&
        id_field(sysreg_read(id_aa64pfr0_el1), PFR0_EL1_SHIFT) != PFR0_EL1_AARCH32)
        return NULL;
    WRITE_ONCE(e->broken, kind + 1);
    vcpu_request(v, VCPU_REQUEST_IRQ); /* out of the guest, and in again */
    return ways[kind].what;
}

#endif
