/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Why VMRUN refused a VMCB: the conditions of APM 2, 15.5.1, and in debug builds ways to provoke
 * it. */
#include "arch/x86_64/host/msr.h"
#include "arch/x86_64/host/svm/svm.h"

#define UPPER_HALF            BITS(63, 32)
#define EFER_KNOWN            (BITS(15, 10) | BIT(8) | BIT(0) | BITS(21, 17))
#define CR3_RESERVED          BITS(63, 52)
#define ATTR_LONG_AND_DEFAULT (X86_ATTR_LONG | X86_ATTR_DEFAULT32)
#define CR0_CD_NW             (X86_CR0_CD | X86_CR0_NW)
#define VECTOR_LAST_EXCEPTION 31

/* Types 1, 5, 6 and 7 are reserved; exceptions have vectors up to 31, and 2 is the NMI's. */
static bool event_illegal(uint64_t event)
{
    uint8_t type = VMCB_EVENT_TYPE(event), vector = VMCB_EVENT_VECTOR(event);

    if (!(event & VMCB_EVENT_VALID))
        return false;
    return type == 1 || type > X86_EVENT_SOFTWARE ||
           (type == X86_EVENT_EXCEPTION && (vector > VECTOR_LAST_EXCEPTION || vector == 2));
}

const char *svm_invalid_field(const struct vmcb *c)
{
    bool paging = c->cr0 & X86_CR0_PG, long_mode = (c->efer & X86_EFER_LME) && paging;
    const struct {
        bool bad;
        const char *text;
    } checks[] = {
        {!(c->efer & EFER_SVME), "EFER: SVME is clear"},
        {c->efer & ~(uint64_t)EFER_KNOWN, "EFER: reserved bits are set"},
        {(c->cr0 & CR0_CD_NW) == X86_CR0_NW, "CR0: NW is set without CD"},
        {c->cr0 & UPPER_HALF, "CR0: bits above 31 are set"},
        {c->cr4 & UPPER_HALF, "CR4: bits above 31 are set"},
        {c->dr6 & UPPER_HALF, "DR6: bits above 31 are set"},
        {c->dr7 & UPPER_HALF, "DR7: bits above 31 are set"},
        {long_mode && !(c->cr4 & X86_CR4_PAE), "CR4: PAE is clear in long mode"},
        {long_mode && !(c->cr0 & X86_CR0_PE), "CR0: PE is clear in long mode"},
        {long_mode && (c->cr4 & X86_CR4_PAE) &&
             (c->cs.attributes & ATTR_LONG_AND_DEFAULT) == ATTR_LONG_AND_DEFAULT,
         "CS: both L and D are set in long mode"},
        {long_mode && (c->cr3 & CR3_RESERVED), "CR3: bits above 51 are set"},
        {!(c->intercept2 & VMCB_I2_VMRUN), "intercepts: VMRUN is not intercepted"},
        {!c->asid, "ASID: it is 0"},
        {c->asid >= svm_features.asids, "ASID: the CPU has no such id"},
        {event_illegal(c->event), "EVENTINJ: its type or vector is reserved"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(checks); i++) {
        if (checks[i].bad)
            return checks[i].text;
    }
    return "VMCB: refused though every field that is checked here is right; perhaps CR4 has a bit "
           "that "
           "this CPU does not know";
}

#if DEBUG

static void break_svme(struct vmcb *c)
{
    c->efer &= ~(uint64_t)EFER_SVME;
}

static void break_cr0(struct vmcb *c)
{
    c->cr0 |= BIT(40);
}

static void break_cache(struct vmcb *c)
{
    c->cr0 = (c->cr0 & ~(uint64_t)X86_CR0_CD) | X86_CR0_NW;
}

static void break_cr4(struct vmcb *c)
{
    c->cr4 |= BIT(40);
}

static void break_dr6(struct vmcb *c)
{
    c->dr6 |= BIT(40);
}

static void break_dr7(struct vmcb *c)
{
    c->dr7 |= BIT(40);
}

static void break_pae(struct vmcb *c)
{
    c->cr4 &= ~(uint64_t)X86_CR4_PAE;
}

static void break_code(struct vmcb *c)
{
    c->cs.attributes |= ATTR_LONG_AND_DEFAULT;
}

static void break_intercept(struct vmcb *c)
{
    c->intercept2 &= ~(uint32_t)VMCB_I2_VMRUN;
}

static void break_asid(struct vmcb *c)
{
    c->asid = 0;
}

static const struct {
    const char *what;
    void (*apply)(struct vmcb *c);
} ways[] = {
    {"EFER.SVME", break_svme}, {"CR0", break_cr0}, {"CR0.NW", break_cache},
    {"CR4", break_cr4},        {"DR6", break_dr6}, {"DR7", break_dr7},
    {"CR4.PAE", break_pae},    {"CS", break_code}, {"intercepts", break_intercept},
    {"ASID", break_asid},
};

void svm_break_apply(struct svm_vcpu *e)
{
    if (e->broken)
        ways[e->broken - 1].apply(e->vmcb);
    e->vmcb->clean &= e->broken ? 0 : UINT64_MAX;
}

const char *svm_break_entry(struct vcpu *v, unsigned kind)
{
    if (kind >= ARRAY_SIZE(ways))
        return NULL;
    WRITE_ONCE(svm_vcpu(v)->broken, kind + 1);
    vcpu_request(v, VCPU_REQUEST_IRQ); /* out of the guest, and in again */
    return ways[kind].what;
}

#endif
