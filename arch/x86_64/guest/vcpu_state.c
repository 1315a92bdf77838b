/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The saved state of a vCPU: its canonical state, while it is paused. */
#include <string.h>
#include "arch/x86_64/guest/machine.h"

#define UPPER_HALF          BITS(63, 32)
#define XCR0_X87            BIT(0)
#define MXCSR_OFFSET        24
#define MXCSR_RESERVED      BITS(31, 16)
#define COMPONENT_PKRU      BIT(9)
#define XSAVE_BV_OFFSET     512 /* XSTATE_BV, then 56 bytes that are 0 in the standard form */
#define XSAVE_HEADER_ZEROES 56
#define VECTOR_MAX          255

/* The host loads the area with XRSTOR, which faults on what no XSAVE has written (SDM vol. 1,
 * 13.8). */
static bool fpu_possible(const struct x86_state *s)
{
    uint8_t zeroes[XSAVE_HEADER_ZEROES] = {0};
    uint64_t components;
    uint32_t mxcsr;

    memcpy(&mxcsr, s->fpu + MXCSR_OFFSET, sizeof(mxcsr));
    memcpy(&components, s->fpu + XSAVE_BV_OFFSET, sizeof(components));
    return !(mxcsr & MXCSR_RESERVED) && !(components & ~x86_fpu_components()) &&
           memcmp(s->fpu + XSAVE_BV_OFFSET + sizeof(components), zeroes, sizeof(zeroes)) == 0;
}

/* Guests are not offered PKRU: on a host without it they go on without. */
static void drop_keys(struct x86_state *s)
{
    uint64_t components;

    memcpy(&components, s->fpu + XSAVE_BV_OFFSET, sizeof(components));
    components &= x86_fpu_components() | ~COMPONENT_PKRU;
    memcpy(s->fpu + XSAVE_BV_OFFSET, &components, sizeof(components));
}

static bool event_possible(const struct x86_state *s)
{
    return (!s->event.valid || s->event.type <= X86_EVENT_SOFTWARE) && s->pending_interrupt >= -1 &&
           s->pending_interrupt <= VECTOR_MAX && s->tpr <= 0xf;
}

/* What the engine checks at each entry (VMRUN's conditions) may be wrong here: the guest is stopped
 * with the reason then. What would harm the host may not. */
static enum err vcpu_loaded(void *object)
{
    struct x86_state *s = object;

    if ((s->dr6 | s->dr7) & UPPER_HALF)
        return ERR_INVALID;
    if (!(s->xcr0 & XCR0_X87) || (s->xcr0 & ~(x86_xcr0_allowed() | XCR0_X87)))
        return ERR_INVALID;
    drop_keys(s);
    if (!fpu_possible(s) || !event_possible(s))
        return ERR_INVALID;
    s->rflags |= X86_RFLAGS_FIXED;
    memset(s->code_pages, 0, sizeof(s->code_pages));
    return ERR_OK;
}

#define SEGMENT(n)                                              \
    STATE_FIELD(struct x86_state, segments[n].base, 1),         \
        STATE_FIELD(struct x86_state, segments[n].limit, 1),    \
        STATE_FIELD(struct x86_state, segments[n].selector, 1), \
        STATE_FIELD(struct x86_state, segments[n].attributes, 1)
#define FIELD(member) STATE_FIELD(struct x86_state, member, 1)

/* clang-format off */
STATE_TABLE_HOOKS(vcpu_table, "x86_64-vcpu", 1, NULL, vcpu_loaded,
    STATE_ARRAY(struct x86_state, gpr, 1), FIELD(rip), FIELD(rflags), FIELD(interrupt_shadow),
    FIELD(nmi_masked), SEGMENT(0), SEGMENT(1), SEGMENT(2), SEGMENT(3), SEGMENT(4), SEGMENT(5),
    SEGMENT(6), SEGMENT(7), FIELD(gdtr.base), FIELD(gdtr.limit), FIELD(idtr.base),
    FIELD(idtr.limit), FIELD(cr0), FIELD(cr2), FIELD(cr3), FIELD(cr4), FIELD(efer), FIELD(star),
    FIELD(lstar), FIELD(cstar), FIELD(sfmask), FIELD(kernel_gs_base), FIELD(sysenter_cs),
    FIELD(sysenter_esp), FIELD(sysenter_eip), FIELD(pat), FIELD(tsc_aux), FIELD(spec_ctrl),
    STATE_ARRAY(struct x86_state, dr, 1), FIELD(dr6), FIELD(dr7), FIELD(event.valid),
    FIELD(event.vector), FIELD(event.type), FIELD(event.has_error), FIELD(event.error),
    FIELD(pending_interrupt), FIELD(pending_nmi), FIELD(tpr), FIELD(tsc_offset), FIELD(xcr0),
    STATE_ARRAY(struct x86_state, fpu, 1));
/* clang-format on */

void x86_vcpu_state_visit(struct vcpu *v, state_visit visit, void *arg)
{
    visit(&vcpu_table, v->id, v->state, arg);
}
