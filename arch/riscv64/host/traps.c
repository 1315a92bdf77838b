/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Traps taken while the hypervisor runs: interrupts, and faults, which are its own mistakes and are
 * told in plain words. */
#include "boot/boot_info.h"
#include "host_internal.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"

_Static_assert(offsetof(struct cpu, host) == CPU_HOST, "assembly knows this offset");
_Static_assert(offsetof(struct cpu, host.emergency_top) == CPU_EMERGENCY_TOP,
               "assembly knows this offset");
_Static_assert(offsetof(struct cpu, host.overflow_sp) == CPU_OVERFLOW_SP,
               "assembly knows this offset");
_Static_assert(offsetof(struct host_start, stack_top) == START_STACK_TOP,
               "assembly knows this offset");
_Static_assert(offsetof(struct host_trap_frame, sepc) == TRAP_FRAME_SEPC,
               "assembly knows this offset");
_Static_assert(sizeof(struct host_trap_frame) == TRAP_FRAME_SIZE, "assembly knows this size");

#define REG_SP     2
#define REG_S0     8
#define NULL_LIMIT 4096 /* below: taken for a null pointer */

extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[];

void traps_cpu_init(struct cpu *cpu)
{
    if (!cpu->host.emergency_top)
        cpu->host.emergency_top = (uint64_t)boot_emergency_top;
    csr_write(stvec, trap_vector);
    csr_write(sscratch, 0);
}

static void trap_interrupt(uint64_t cause)
{
    struct cpu *cpu = this_cpu();
    unsigned lock_state;

    cpu_note_interrupt(cpu);
    lock_state = lock_interrupt_enter();
    cpu->preempt_count++; /* handlers do not switch threads; the end of the trap does */
    switch (cause) {
    case IRQ_S_SOFT:
        irq_software();
        break;
    case IRQ_S_TIMER:
        clocksource_interrupt();
        break;
    case IRQ_S_EXT:
        irq_external();
        break;
    case IRQ_S_GEXT:
        irq_guest_external();
        break;
    default:
        csr_clear(sie, BIT(cause));
        log_warn("interrupt of unknown cause %lu: switched off on this CPU", cause);
    }
    cpu->preempt_count--;
    lock_interrupt_leave(lock_state);
    if (cpu->preempt_count == 0 && cpu->need_resched)
        thread_preempt();
}

/* What stands at `va`, for the sentence "write of 0x...: ...". */
static const char *describe_target(uint64_t va, unsigned access)
{
    struct page_table kernel = {.format = host_pt_format(), .root = kernel_map_root()};
    const struct thread *t = this_cpu()->current;
    struct pt_entry entry;

    if (va < NULL_LIMIT)
        return "a null pointer";
    if (t && va < t->stack_base && va >= t->stack_base - THREAD_STACK_SIZE)
        return "the guard page of this thread's stack: the stack overflowed";
    if (!kernel.root.v || !page_table_lookup(&kernel, va, &entry))
        return "nothing is mapped there (a stray pointer, or a guard page)";
    if (access == PT_EXEC)
        return "that page holds data, which is never executed";
    if (access == PT_WRITE && va >= (uint64_t)__text_start && va < (uint64_t)__text_end)
        return "that page holds the hypervisor's code, which is never written";
    if (access == PT_WRITE && !(entry.attrs & PT_WRITE))
        return "that page is read-only";
    return "that page is mapped: the fault should not have come";
}

static void trap_page_fault(const struct host_trap_frame *f)
{
    unsigned access = f->scause == CAUSE_FETCH_PAGE  ? PT_EXEC
                      : f->scause == CAUSE_LOAD_PAGE ? PT_READ
                                                     : PT_WRITE;
    const char *verb = access == PT_EXEC ? "execution" : access == PT_READ ? "read" : "write";

    panic_trap(f, "page fault: %s of 0x%lx: %s", verb, f->stval, describe_target(f->stval, access));
}

static const char *const exception_names[] = {
    [CAUSE_FETCH_MISALIGNED] = "jump to a misaligned address",
    [CAUSE_FETCH_ACCESS] = "instruction fetch from memory that is not there",
    [CAUSE_ILLEGAL] = "illegal instruction",
    [CAUSE_BREAKPOINT] = "breakpoint instruction (code that should never be reached)",
    [CAUSE_LOAD_MISALIGNED] = "misaligned read",
    [CAUSE_LOAD_ACCESS] = "read refused by the memory system: no device or memory answers",
    [CAUSE_STORE_MISALIGNED] = "misaligned write",
    [CAUSE_STORE_ACCESS] = "write refused by the memory system: no device or memory answers",
    [CAUSE_ECALL_U] = "environment call",
    [CAUSE_ECALL_S] = "environment call that the firmware did not take",
};

static void trap_exception(struct host_trap_frame *f)
{
    firmware_fault(f);
    if (f->scause == CAUSE_FETCH_PAGE || f->scause == CAUSE_LOAD_PAGE ||
        f->scause == CAUSE_STORE_PAGE)
        trap_page_fault(f);
    if (f->scause < ARRAY_SIZE(exception_names) && exception_names[f->scause])
        panic_trap(f, "%s, value 0x%lx", exception_names[f->scause], f->stval);
    panic_trap(f, "exception %lu, value 0x%lx", f->scause, f->stval);
}

void trap_handle(struct host_trap_frame *frame)
{
    if (frame->scause & SCAUSE_INTERRUPT)
        trap_interrupt(frame->scause & ~SCAUSE_INTERRUPT);
    else
        trap_exception(frame);
}

void trap_stack_overflow(struct host_trap_frame *f)
{
    firmware_fault(f);
    panic_trap(f, "kernel stack overflow: the stack pointer is 0x%lx (cause %lu, value 0x%lx)",
               f->x[REG_SP], f->scause & ~SCAUSE_INTERRUPT, f->stval);
}

void host_trap_frame_print(const struct host_trap_frame *f, struct out *out)
{
    static const char names[32][4] = {"pc", "ra", "sp",  "gp",  "tp", "t0", "t1", "t2",
                                      "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
                                      "a6", "a7", "s2",  "s3",  "s4", "s5", "s6", "s7",
                                      "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};

    for (unsigned i = 0; i < 32; i++)
        out_printf(out, "%-4s%016lx%s", names[i], i ? f->x[i] : f->sepc, i % 4 == 3 ? "\n" : "  ");
    out_printf(out, "sstatus %016lx  scause %016lx  stval %016lx\n", f->sstatus, f->scause,
               f->stval);
}

void host_trap_frame_where(const struct host_trap_frame *frame, uint64_t *pc, uint64_t *fp,
                           uint64_t *sp)
{
    *pc = frame->sepc;
    *fp = frame->x[REG_S0];
    *sp = frame->x[REG_SP];
}

/* The two words below a frame pointer, or NULL where no frame can be. */
static const uint64_t *frame_record(uint64_t fp, uint64_t stack, uint64_t size)
{
    if (fp & 7 || fp < stack + 16 || fp > stack + size)
        return NULL;
    return (const uint64_t *)fp - 2;
}

/* The record holds the caller's frame pointer, then the return address (psABI). A function that
 * calls nothing saves only the frame pointer, in the place of the address: such a frame is passed
 * over. */
bool host_frame_next(uint64_t *fp, uint64_t *pc, uint64_t stack, uint64_t size)
{
    const uint64_t *record = frame_record(*fp, stack, size);

    if (record && record[1] > *fp && record[1] <= stack + size) {
        *fp = record[1];
        record = frame_record(*fp, stack, size);
    }
    if (!record || (record[0] <= *fp && record[0] != 0))
        return false;
    *fp = record[0];
    *pc = record[1];
    return *pc != 0;
}

void host_halt(void)
{
    host_irq_disable();
    csr_write(sie, 0);
    for (;;)
        __asm__ volatile("wfi" ::: "memory");
}
