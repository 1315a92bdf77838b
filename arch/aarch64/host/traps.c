/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Traps of the kernel itself: interrupts, and faults that end in a report in plain words. */
#include "arch/aarch64/host/host.h"
#include "arch/aarch64/host/traps.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "mm/page.h"

/* Fault status codes of data and instruction aborts, level in the low two bits (Arm ARM D19.2.37,
 * ISS encoding for an abort). */
enum fsc {
    FSC_ADDRESS_SIZE = 0x00,
    FSC_TRANSLATION = 0x04,
    FSC_ACCESS_FLAG = 0x08,
    FSC_PERMISSION = 0x0c,
    FSC_EXTERNAL = 0x10,
    FSC_ALIGNMENT = 0x21,
};
#define FSC_KIND(esr) (ESR_FSC(esr) & 0x3c)

static const char *access_text(uint64_t esr)
{
    if (ESR_EC(esr) == EC_IABT_SAME)
        return "execution";
    return esr & ESR_WNR ? "write" : "read";
}

/* Is `va` in the guard below the running thread's stack? */
static bool in_stack_guard(uint64_t va)
{
    const struct thread *t = this_cpu()->current;

    return t && va < t->stack_base && va >= t->stack_base - THREAD_STACK_SIZE;
}

static bool in_range(uint64_t va, uint64_t base, uint64_t size)
{
    return va - base < size;
}

/* Why nothing is mapped at `va`. */
static const char *unmapped_text(uint64_t va)
{
    const struct host_layout *l = host_layout();

    if (va < PAGE_SIZE)
        return "null pointer";
    if (in_stack_guard(va))
        return "guard page below the stack of this thread: stack overflow";
    if (in_range(va, l->vmap_base, l->vmap_size))
        return "nothing is mapped there: a guard page, or a mapping that was taken away";
    if (in_range(va, l->direct_map_base, l->direct_map_size))
        return "no memory at that physical address";
    return "nothing is mapped there";
}

static const char *permission_text(uint64_t esr)
{
    if (ESR_EC(esr) == EC_IABT_SAME)
        return "data is not executable";
    return esr & ESR_WNR ? "that page is read-only (code or constants)"
                         : "that page may not be read";
}

static const char *abort_text(uint64_t esr, uint64_t far)
{
    switch (FSC_KIND(esr)) {
    case FSC_TRANSLATION:
        return unmapped_text(far);
    case FSC_PERMISSION:
        return permission_text(esr);
    case FSC_ADDRESS_SIZE:
        return "the page tables hold an address that this CPU does not have";
    case FSC_ACCESS_FLAG:
        return "the page tables lack an access flag";
    case FSC_EXTERNAL:
        return "no device or memory answers there (external abort)";
    }
    if (ESR_FSC(esr) == FSC_ALIGNMENT)
        return "the address is not aligned as that memory needs it";
    return "a fault of the memory system";
}

static const char *other_text(uint64_t esr)
{
    switch (ESR_EC(esr)) {
    case EC_UNKNOWN:
        return "undefined instruction";
    case EC_FP:
    case EC_SVE:
    case EC_SME:
        return "floating point or vector instruction outside of host_fpu_begin()";
    case EC_ILLEGAL_STATE:
        return "illegal execution state";
    case EC_SYSREG:
        return "access to a system register that the firmware keeps for itself";
    case EC_PC_ALIGN:
        return "jump to an address that is not a multiple of 4";
    case EC_SP_ALIGN:
        return "stack pointer is not a multiple of 16";
    case EC_BTI:
        return "jump to a place that is no branch target";
    case EC_BRK:
        return "breakpoint instruction (the compiler's trap for code that must not be reached)";
    }
    return "unexpected trap";
}

/* An ERET into a guest that the hardware refused goes on at the guest's PC without leaving this
 * level, in a state that only traps (D1.3.5): el2_enter() returns and says so. */
static bool guest_entry_refused(struct host_trap_frame *frame)
{
    if (!(frame->pstate & PSR_IL) || !this_cpu()->host.guest)
        return false;
    frame->pc = (uint64_t)el2_refused;
    frame->pstate = (frame->pstate & ~PSR_IL) | PSR_DAIF;
    return true;
}

void trap_sync(struct host_trap_frame *frame)
{
    unsigned ec = ESR_EC(frame->esr);

    if (guest_entry_refused(frame))
        return;
    if (ec == EC_DABT_SAME || ec == EC_IABT_SAME)
        panic_trap(frame, "%s at address 0x%llx: %s", access_text(frame->esr),
                   (unsigned long long)frame->far, abort_text(frame->esr, frame->far));
    panic_trap(frame, "%s (syndrome 0x%llx)", other_text(frame->esr),
               (unsigned long long)frame->esr);
}

void trap_irq(struct host_trap_frame *frame)
{
    struct cpu *cpu = this_cpu();
    unsigned locks = lock_interrupt_enter();

    (void)frame;
    cpu_note_interrupt(cpu);
    gic_handle();
    lock_interrupt_leave(locks);
    if (cpu->need_resched && !cpu->preempt_count)
        thread_preempt();
}

void trap_fiq(struct host_trap_frame *frame)
{
    panic_trap(frame,
               "fast interrupt (FIQ): the firmware left one enabled that Ennead does not know");
}

void trap_serror(struct host_trap_frame *frame)
{
    panic_trap(frame, "system error (SError, syndrome 0x%llx): memory or a device reported a fault",
               (unsigned long long)frame->esr);
}

void trap_bad_stack(struct host_trap_frame *frame)
{
    if (in_stack_guard(frame->sp - sizeof(*frame)) || in_stack_guard(frame->far))
        panic_trap(frame, "stack overflow of thread %s", this_cpu()->current->name);
    panic_trap(
        frame,
        "trap (syndrome 0x%llx, address 0x%llx) with the stack pointer 0x%llx outside of any stack",
        (unsigned long long)frame->esr, (unsigned long long)frame->far,
        (unsigned long long)frame->sp);
}

void trap_unexpected(struct host_trap_frame *frame, uint64_t number)
{
    panic_trap(frame, "trap through exception vector %llu, which this kernel never uses",
               (unsigned long long)number);
}

void host_trap_frame_print(const struct host_trap_frame *frame, struct out *out)
{
    for (unsigned i = 0; i < 30; i += 3)
        out_printf(out, "x%-2u %016llx  x%-2u %016llx  x%-2u %016llx\n", i,
                   (unsigned long long)frame->x[i], i + 1, (unsigned long long)frame->x[i + 1],
                   i + 2, (unsigned long long)frame->x[i + 2]);
    out_printf(out, "lr  %016llx  sp  %016llx  pc  %016llx\n", (unsigned long long)frame->x[30],
               (unsigned long long)frame->sp, (unsigned long long)frame->pc);
    out_printf(out, "pstate %08llx  esr %08llx  far %016llx\n", (unsigned long long)frame->pstate,
               (unsigned long long)frame->esr, (unsigned long long)frame->far);
}

void host_trap_frame_where(const struct host_trap_frame *frame, uint64_t *pc, uint64_t *fp,
                           uint64_t *sp)
{
    *pc = frame->pc;
    *fp = frame->x[29];
    *sp = frame->sp;
}

/* A frame record is {caller's record, return address} (AAPCS64 6.4.6); records lie at rising
 * addresses. */
bool host_frame_next(uint64_t *fp, uint64_t *pc, uint64_t stack, uint64_t size)
{
    const uint64_t *record = (const uint64_t *)*fp;

    if (!IS_ALIGNED(*fp, 8) || *fp < stack || *fp - stack > size - 16)
        return false;
    *pc = record[1];
    *fp = record[0];
    return *pc != 0;
}
