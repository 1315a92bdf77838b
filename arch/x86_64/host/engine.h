/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the engines for x86_64 guests, svm and vmx, have in common. */
#ifndef X86_HOST_ENGINE_H
#define X86_HOST_ENGINE_H

#include "arch/x86_64/guest/state.h"

struct pt_format;

/* Fetched at each exit, or kept in memory. */
#define X86_ALWAYS_VALID (X86_GPR | X86_RIP | X86_EVENT | X86_TSC)

#define X86_VECTOR_AC 17
/* Exceptions with an error code (SDM vol. 3, table 6-1). */
#define X86_VECTORS_WITH_ERROR                                                              \
    (1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << X86_VECTOR_AC | \
     1u << 21)

/* Formats of the second stage. `page_1g`: the CPU has leaves of 1 GiB. */
const struct pt_format *x86_npt_format(bool page_1g);
const struct pt_format *x86_ept_format(bool page_1g);

/* Before the first code of a guest on `cpu`, the running one, after that of another guest:
 * predictions that one trained must not steer the other. */
void x86_guest_barrier(struct cpu *cpu, const struct vm *next);

/* A canonical FPU area that no one has written to yet gets its initial control words. */
void x86_fpu_area_init(uint8_t *area);

/* How an engine passes events on. */
struct x86_injection {
    void (*event)(struct vcpu *v, const struct x86_event *e); /* with the next entry */
    void (*irq_window)(struct vcpu *v, bool wanted);          /* exit when it can take interrupts */
    void (*nmi_window)(struct vcpu *v, bool wanted);          /* and NMIs */
};
/* One event an entry; what has to wait gets a window. Masked, when X86_EVENT is dirty. */
void x86_inject(struct vcpu *v, const struct x86_injection *how);

/* An exit because of exception `vector`, which was not delivered: #MC is the host's own; the others
 * come back with the next entry. */
void x86_exception_exit(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error);
/* Carries out a host event that ended the guest: `vector` of the host's own table. */
void x86_host_nmi(void);

/* ---- Debuggers (kernel/debug.h) ---- */

/* Breakpoints and watchpoints together: the debug registers. */
unsigned x86_debug_points(bool watch, bool *shared);
/* What the guest's debug registers hold while a debugger has points: false, nothing is done
 * otherwise. */
bool x86_debug_values(const struct vcpu *v, uint64_t dr[4], uint64_t *dr7);
/* Bits of the exception bitmap, besides those that the engine always has. */
uint32_t x86_debug_exceptions(const struct vcpu *v);
/* A #DB with these bits of DR6, or a #BP, ended the guest: true, and the exit is filled in, when it
 * may be a debugger's. */
bool x86_debug_exit(struct vcpu *v, uint8_t vector, uint64_t dr6, struct vm_exit *exit);

static inline void x86_exit_isa(struct vm_exit *exit, enum x86_isa_exit reason)
{
    exit->kind = EXIT_ISA;
    exit->isa.reason = reason;
}

static inline void x86_exit_fatal(struct vm_exit *exit, enum exit_kind kind, const char *text,
                                  uint64_t code)
{
    exit->kind = kind;
    exit->fatal.text = text;
    exit->fatal.code = code;
}

static inline void x86_exit_msr(const struct x86_state *s, bool write, struct vm_exit *exit)
{
    exit->kind = EXIT_REGISTER;
    exit->reg.number = (uint32_t)s->gpr[X86_RCX];
    exit->reg.write = write;
    exit->reg.value = s->gpr[X86_RDX] << 32 | (uint32_t)s->gpr[X86_RAX];
}

#endif
