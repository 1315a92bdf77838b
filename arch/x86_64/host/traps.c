/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Traps: interrupts to their handlers, exceptions to a report in plain words. An exception of the
 * kernel's own code is fatal but where a fix-up says how to go on.
 */
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/ioapic.h"
#include "arch/x86_64/host/msr.h"
#include "arch/x86_64/host/tlb.h"
#include "kernel/irq.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/table.h"
#include "kernel/thread.h"

TABLE_DECLARE(trap_fixups, struct trap_fixup);

/* Page-fault error code: SDM 3, 4.7. */
#define PF_RESERVED (1u << 3)

/* Machine-check banks: SDM 3, 15.3. */
#define MSR_MCG_CAP      0x179
#define MSR_MC0_STATUS   0x401
#define MCG_CAP_COUNT(c) ((c)&0xff)
#define MC_BANK_STRIDE   4
#define MC_STATUS_VALID  BIT(63)

#define PORT_SYSTEM_CONTROL 0x61 /* says which kind of NMI it was on PC-compatible machines */

void x86_trap(struct host_trap_frame *frame);

static const char *const exception_names[] = {
    "division error",
    "debug trap",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid instruction",
    "FPU not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack segment fault",
    "general protection fault",
    "page fault",
    "reserved exception 15",
    "x87 floating-point error",
    "alignment check",
    "machine check",
    "SIMD floating-point error",
    "virtualization exception",
    "control protection exception",
};

static bool fixup(struct host_trap_frame *frame)
{
    TABLE_FOR_EACH(trap_fixups, struct trap_fixup, f)
    {
        uint64_t fault = (uint64_t)(uintptr_t)&f->fault + (uint64_t)(int64_t)f->fault;

        if (fault == frame->rip) {
            frame->rip = (uint64_t)(uintptr_t)&f->resume + (uint64_t)(int64_t)f->resume;
            return true;
        }
    }
    return false;
}

/* The guard is the unmapped half slot below the stack: kernel/thread.h. */
static bool in_stack_guard(uint64_t address)
{
    const struct thread *t = this_cpu()->current;

    return t && address < t->stack_base && address >= t->stack_base - THREAD_STACK_SIZE;
}

static const char *page_fault_reason(uint64_t address, uint64_t code)
{
    if (code & PF_RESERVED)
        return "the page table entry is malformed";
    if (address < PAGE_SIZE)
        return "null pointer";
    if (in_stack_guard(address))
        return "guard page of this thread's stack";
    if (!(code & PF_PRESENT))
        return "nothing is mapped there";
    if (code & PF_FETCH)
        return "data is not executable";
    if (code & PF_WRITE)
        return "the page is read-only (code or constants)";
    return "no access from here";
}

static NORETURN void page_fault(struct host_trap_frame *frame)
{
    uint64_t address = cr2_read();
    const char *access = frame->error_code & PF_FETCH   ? "execution at"
                         : frame->error_code & PF_WRITE ? "write to"
                                                        : "read of";

    panic_trap(frame, "page fault: %s 0x%llx: %s", access, (unsigned long long)address,
               page_fault_reason(address, frame->error_code));
}

/* Pushing the frame of a page fault on an overflown stack faults again: that is how an overflow
 * arrives here. */
static NORETURN void double_fault(struct host_trap_frame *frame)
{
    if (in_stack_guard(cr2_read()) || in_stack_guard(frame->rsp))
        panic_trap(frame, "stack overflow in thread %s", this_cpu()->current->name);
    panic_trap(frame, "double fault: an exception could not be delivered (CR2 0x%llx)",
               (unsigned long long)cr2_read());
}

static NORETURN void machine_check(struct host_trap_frame *frame)
{
    uint64_t capabilities = msr_read(MSR_MCG_CAP);

    for (uint32_t i = 0; i < MCG_CAP_COUNT(capabilities); i++) {
        uint64_t status = msr_read(MSR_MC0_STATUS + MC_BANK_STRIDE * i);

        if (status & MC_STATUS_VALID)
            panic_trap(frame, "machine check: the hardware reports an error, bank %u status 0x%llx",
                       (unsigned)i, (unsigned long long)status);
    }
    panic_trap(frame, "machine check: the hardware reports an error, no bank says which");
}

static void nmi(struct host_trap_frame *frame)
{
    struct cpu *cpu = this_cpu();
    uint32_t halt = 1u << HOST_IPI_HALT;

    cpu->host.nmi_count++;
    if (__atomic_fetch_and(&cpu->ipi_pending, ~halt, __ATOMIC_ACQ_REL) & halt) {
        ipi_dispatch(HOST_IPI_HALT);
        return;
    }
    panic_trap(frame,
               "non-maskable interrupt: the hardware reports an error (port 0x61 reads 0x%x)",
               host_port_read8(PORT_SYSTEM_CONTROL));
}

static void exception(struct host_trap_frame *frame)
{
    if (frame->vector == EXCEPTION_NMI)
        nmi(frame);
    else if (frame->vector == EXCEPTION_MC)
        machine_check(frame);
    else if (frame->vector == EXCEPTION_DF)
        double_fault(frame);
    else if (fixup(frame))
        return;
    else if (frame->vector == EXCEPTION_PF)
        page_fault(frame);
    else
        panic_trap(frame, "%s (exception %llu, error code 0x%llx)",
                   frame->vector < ARRAY_SIZE(exception_names) ? exception_names[frame->vector]
                                                               : "unknown exception",
                   (unsigned long long)frame->vector, (unsigned long long)frame->error_code);
}

static void interrupt(unsigned vector)
{
    if (vector == VECTOR_SPURIOUS || vector < VECTOR_PIC_END)
        return; /* neither wants an end of interrupt */
    if (vector == VECTOR_TIMER)
        apic_timer_interrupt();
    else if (vector == VECTOR_RESCHEDULE)
        ipi_dispatch(HOST_IPI_RESCHEDULE);
    else if (vector == VECTOR_CALL)
        ipi_dispatch(HOST_IPI_CALL);
    else if (vector == VECTOR_TLB)
        x86_tlb_answer();
    else if (vector == VECTOR_ERROR)
        apic_error_interrupt();
    else
        irq_dispatch(ioapic_vector_gsi(vector));
    apic_eoi();
}

void x86_timer_due(void)
{
    struct cpu *cpu = this_cpu();
    unsigned locks;

    cpu->preempt_count++;
    locks = lock_interrupt_enter();
    apic_timer_interrupt();
    lock_interrupt_leave(locks);
    cpu->preempt_count--;
}

/* Called by the stubs. Interrupts are masked: all gates are interrupt gates. */
void x86_trap(struct host_trap_frame *frame)
{
    struct cpu *cpu;
    unsigned locks;

    if (frame->vector < VECTOR_PIC) {
        exception(frame);
        return;
    }
    cpu = this_cpu();
    cpu->preempt_count++;
    cpu_note_interrupt(cpu);
    locks = lock_interrupt_enter();
    interrupt((unsigned)frame->vector);
    lock_interrupt_leave(locks);
    cpu->preempt_count--;
    if (!cpu->preempt_count && cpu->need_resched && (frame->rflags & RFLAGS_IF))
        thread_preempt();
}

void host_trap_frame_print(const struct host_trap_frame *f, struct out *out)
{
#define REGISTERS(a, b, c, d)                                                   \
    out_printf(out, "%-4s%016llx  %-4s%016llx  %-4s%016llx  %-4s%016llx\n", #a, \
               (unsigned long long)f->a, #b, (unsigned long long)f->b, #c,      \
               (unsigned long long)f->c, #d, (unsigned long long)f->d)
    REGISTERS(rax, rbx, rcx, rdx);
    REGISTERS(rsi, rdi, rbp, rsp);
    REGISTERS(r8, r9, r10, r11);
    REGISTERS(r12, r13, r14, r15);
#undef REGISTERS
    out_printf(out, "rip %016llx  rflags %06llx  cs %02llx  ss %02llx  cr2 %016llx  cr3 %012llx\n",
               (unsigned long long)f->rip, (unsigned long long)f->rflags, (unsigned long long)f->cs,
               (unsigned long long)f->ss, (unsigned long long)cr2_read(),
               (unsigned long long)cr3_read());
}

void host_trap_frame_where(const struct host_trap_frame *frame, uint64_t *pc, uint64_t *fp,
                           uint64_t *sp)
{
    *pc = frame->rip;
    *fp = frame->rbp;
    *sp = frame->rsp;
}

/* A frame record is the caller's frame pointer, then the return address (System V ABI). */
bool host_frame_next(uint64_t *fp, uint64_t *pc, uint64_t stack, uint64_t size)
{
    const uint64_t *record = (const uint64_t *)*fp;

    if (*fp < stack || *fp - stack > size - 2 * sizeof(*record) ||
        !IS_ALIGNED(*fp, sizeof(*record)))
        return false;
    if (!record[1] || record[0] <= *fp)
        return false;
    *pc = record[1];
    *fp = record[0];
    return true;
}

void host_halt(void)
{
    WRITE_ONCE(this_cpu()->host.halted, 1);
    for (;;)
        __asm__ volatile("cli; hlt");
}
