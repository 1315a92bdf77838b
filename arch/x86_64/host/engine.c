/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the engines for x86_64 guests, svm and vmx, have in common: events, and what is done when
 * another VM gets the CPU. */
#include "arch/x86_64/host/engine.h"

#include <string.h>
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"

#define VECTOR_NMI         2
#define PRED_CMD_IBPB      BIT(0)
#define RETURN_STACK_CALLS 32 /* entries of the deepest return stacks */
#define MXCSR_RESET        0x1f80u
#define FCW_INIT           0x037fu
#define FXSAVE_MXCSR       24

/* ---- Another VM on this CPU ---- */

/* Return addresses that another guest left must not be predicted here: calls that are never
 * returned from fill the return stack with this place. */
static void return_stack_fill(void)
{
    uint64_t calls = RETURN_STACK_CALLS, stack;

    __asm__ volatile("movq %%rsp, %1\n"
                     "1: call 3f\n"
                     "2: pause; lfence; jmp 2b\n"
                     "3: decq %0\n"
                     "jnz 1b\n"
                     "movq %1, %%rsp\n"
                     "lfence"
                     : "+r"(calls), "=&r"(stack)::"memory", "cc");
}

void x86_guest_barrier(struct cpu *cpu, const struct vm *next)
{
    if (cpu->host.last_vm != next) {
        if (cpu_features()->ibpb)
            msr_write(MSR_PRED_CMD, PRED_CMD_IBPB);
        return_stack_fill();
    }
    cpu->host.last_vm = next;
}

/* Zeroes mean the initial state but for the two control words (SDM 1, 13.8.1: MXCSR is loaded from
 * memory even then). */
void x86_fpu_area_init(uint8_t *area)
{
    uint32_t mxcsr;

    memcpy(&mxcsr, area + FXSAVE_MXCSR, sizeof(mxcsr));
    if (mxcsr)
        return;
    mxcsr = MXCSR_RESET;
    memcpy(area + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    area[0] = (uint8_t)FCW_INIT;
    area[1] = FCW_INIT >> 8;
}

/* ---- Events ---- */

static bool inject_nmi(struct vcpu *v, const struct x86_injection *how)
{
    struct x86_state *s = x86_state(v);
    struct x86_event e = {.vector = VECTOR_NMI, .type = X86_EVENT_NMI};

    if (!s->pending_nmi || s->nmi_masked || s->interrupt_shadow)
        return false;
    how->event(v, &e);
    s->pending_nmi = false;
    s->nmi_masked = true;
    return true;
}

static void inject_interrupt(struct vcpu *v, const struct x86_injection *how)
{
    struct x86_event e = {.vector = (uint8_t)x86_state(v)->pending_interrupt,
                          .type = X86_EVENT_INTERRUPT};

    x86_interrupt_accepted(v);
    how->event(v, &e);
}

void x86_inject(struct vcpu *v, const struct x86_injection *how)
{
    struct x86_state *s = x86_state(v);
    bool taken = true;

    if (s->event.valid) {
        how->event(v, &s->event);
        s->event.valid = false;
    } else if (!inject_nmi(v, how)) {
        taken = false;
    }
    if (!taken && s->pending_interrupt >= 0 && (s->rflags & X86_RFLAGS_IF) && !s->interrupt_shadow)
        inject_interrupt(v, how);
    how->irq_window(v, s->pending_interrupt >= 0);
    how->nmi_window(v, s->pending_nmi);
}

void x86_host_nmi(void)
{
    __asm__ volatile("int %0" ::"i"(EXCEPTION_NMI));
}

/* #DB and #AC are intercepted because a guest could otherwise make the CPU deliver them for ever
 * (CVE-2015-5307, CVE-2015-8104). */
void x86_exception_exit(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
    if (vector == EXCEPTION_MC) {
        __asm__ volatile("int %0" ::"i"(EXCEPTION_MC)); /* the host's own */
        return;
    }
    x86_state(v)->event = (struct x86_event){.valid = true,
                                             .vector = vector,
                                             .type = X86_EVENT_EXCEPTION,
                                             .has_error = has_error,
                                             .error = error};
    v->reg_dirty |= X86_EVENT;
}

/* ---- Debuggers (SDM vol. 3, 18.2; APM vol. 2, 13.1) ---- */

#define VECTOR_BP           3
#define DEBUG_REGISTERS     4
#define DR6_BS              BIT(14)
#define DR7_FIXED           BIT(10)
#define DR7_ENABLE(n)       BIT(2 * (n) + 1)
#define DR7_TYPE_SHIFT(n)   (16 + 4 * (n))
#define DR7_LENGTH_SHIFT(n) (18 + 4 * (n))

unsigned x86_debug_points(bool watch, bool *shared)
{
    (void)watch;
    *shared = true;
    return DEBUG_REGISTERS;
}

/* R/W and LEN fields: reads alone cannot be watched; 8 bytes are 2. */
static uint64_t dr7_of(const struct debug_point *p, unsigned n)
{
    uint64_t type = p->kind == POINT_BREAK ? 0 : p->kind == POINT_WRITE ? 1 : 3;
    uint64_t length = p->kind == POINT_BREAK ? 0 : p->size == 8 ? 2 : p->size - 1;

    return DR7_ENABLE(n) | type << DR7_TYPE_SHIFT(n) | length << DR7_LENGTH_SHIFT(n);
}

bool x86_debug_values(const struct vcpu *v, uint64_t dr[4], uint64_t *dr7)
{
    const struct debug_point *points;
    unsigned count = MIN(debug_points(v->vm, &points), (unsigned)DEBUG_REGISTERS);

    *dr7 = DR7_FIXED;
    for (unsigned i = 0; i < DEBUG_REGISTERS; i++) {
        dr[i] = i < count ? points[i].address : 0;
        *dr7 |= i < count ? dr7_of(&points[i], i) : 0;
    }
    return count != 0;
}

uint32_t x86_debug_exceptions(const struct vcpu *v)
{
    if (likely(!v->vm->debug))
        return 0;
    if (debug_stepping(v))
        return UINT32_MAX;
    return debug_has_patches(v->vm) ? 1u << VECTOR_BP : 0;
}

static bool point_exit(const struct vcpu *v, uint64_t dr6, struct vm_exit *exit)
{
    const struct debug_point *points;
    unsigned count = debug_points(v->vm, &points);

    for (unsigned i = 0; i < MIN(count, (unsigned)DEBUG_REGISTERS); i++) {
        if (!(dr6 & BIT(i)))
            continue;
        exit->debug.what = EXIT_DEBUG_POINT;
        exit->debug.point = i;
        exit->debug.address = points[i].address;
        return true;
    }
    return false;
}

bool x86_debug_exit(struct vcpu *v, uint8_t vector, uint64_t dr6, struct vm_exit *exit)
{
    bool ours = false;

    if (likely(!v->vm->debug))
        return false;
    if (vector == VECTOR_BP) {
        exit->debug.what = EXIT_DEBUG_BREAKPOINT;
        ours = true;
    } else if (vector == EXCEPTION_DB && debug_stepping(v) && (dr6 & DR6_BS)) {
        exit->debug.what = EXIT_DEBUG_STEP;
        ours = true;
    } else if (vector == EXCEPTION_DB) {
        ours = point_exit(v, dr6, exit);
    }
    if (!ours)
        return false;
    exit->kind = EXIT_DEBUG;
    vcpu_dirty(v, X86_DEBUG);
    x86_state(v)->dr6 &= ~(DR6_BS | BITS(DEBUG_REGISTERS - 1, 0)); /* not the guest's affair */
    return true;
}
