/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The x86_64 host's types and inline functions of contract 1: kernel/host.h says what each one
 * does. */
#ifndef X86_HOST_ARCH_H
#define X86_HOST_ARCH_H

#include "kernel/types.h"

#define HOST_ISA                "x86_64"
#define HOST_HAS_PORTS          1
#define HOST_DMA_NEEDS_PROPERTY 0
#define HOST_CAGE_OFFSET        0xffff800000000000ULL /* cages have the lower half */

struct cpu;
struct vm;

/* The callee-saved registers lie on the thread's own stack, below this pointer. */
struct host_context {
    uint64_t rsp;
};

/* As the stubs of entry.S push it; the last five by the CPU (SDM 3, 6.14.2). */
struct host_trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;
    uint64_t error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* 64-bit task state segment: SDM 3, 8.7. */
struct x86_tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} PACKED;

#define X86_GDT_ENTRIES 7 /* null, code, data, TSS in two, data and code of cages */

/* What the CPU reads when an interrupt comes: a page of its own for each CPU, which is in every
 * cage. */
struct x86_gates {
    uint64_t gdt[X86_GDT_ENTRIES];
    struct x86_tss tss;
};

/* At the top of each stack that the CPU takes by itself whatever it was doing: how to get home.
 * Known to entry.S. */
struct x86_home {
    uint64_t tables; /* the kernel's, as CR3 has it; 0: not known yet, those in force are good */
    struct cpu *cpu;
};

/* Guest FP and vector state that may be live in this CPU's registers; see fpu.h. */
struct host_fpu;

struct host_cpu {
    struct x86_gates *gates;
    char *emergency_stacks;
    uint32_t apic_id;
    uint32_t tlb_pending;            /* atomic: a shootdown waits for this CPU */
    struct cpu *tlb_next;            /* list of CPUs that use the kernel's tables */
    struct host_fpu *guest_fpu;      /* whose state is live in the registers, or NULL */
    const struct host_fpu *fpu_copy; /* whose saved state is in them, or NULL */
    uint64_t timer_deadline;
    uint64_t timer_grace;  /* counter ticks that an interrupt may be late, apic_timer_lend() */
    bool timer_late;       /* the count-down that runs includes timer_grace */
    uint64_t timer_period; /* counter ticks after which a count-down begins again; 0: it ends */
    uint64_t timer_again;  /* during timer_interrupt(): the next interrupt if nothing is written */
    void *svm;             /* the SVM engine's per-CPU data */
    void *vmx;             /* the VT-x engine's */
    uint64_t cage;         /* whose translations PCID_CAGE has on this CPU, and as of when */
    const struct vm *last_vm; /* whose code ran here last */
    uint32_t halted;          /* this CPU answers no shootdown any more */
    uint32_t nmi_count;
};

static inline uint64_t host_irq_save(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
    return flags;
}

static inline void host_irq_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void host_irq_disable(void)
{
    __asm__ volatile("cli" ::: "memory");
}

static inline void host_irq_restore(uint64_t flags)
{
    if (flags & BIT(9)) /* RFLAGS.IF */
        host_irq_enable();
}

static inline bool host_irq_enabled(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags & BIT(9);
}

/* The first field of struct cpu points to itself. Read anew after whatever may have moved the
 * thread to another CPU: a call, a barrier, masking of interrupts. For the compiler these may write
 * to a variable that nobody has. */
extern char x86_any_memory;
static inline struct cpu *host_this_cpu(void)
{
    struct cpu *cpu;

    __asm__("movq %%gs:0, %0" : "=r"(cpu) : "m"(x86_any_memory));
    return cpu;
}

void host_set_this_cpu(struct cpu *cpu);

/* Busy waits with interrupts masked must answer TLB shootdowns, or two CPUs could wait for each
 * other. */
extern bool x86_tlb_requests; /* some shootdown is under way */
void x86_tlb_answer(void);

static inline void host_cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
    if (unlikely(READ_ONCE(x86_tlb_requests)))
        x86_tlb_answer();
}

/* STI delays interrupts by one instruction, so none can slip in before the HLT. */
static inline void host_wait(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}

static inline uint64_t host_counter(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t host_counter_fast(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline void host_barrier_full(void)
{
    __asm__ volatile("mfence" ::: "memory");
}

static inline void host_barrier_read(void)
{
    __asm__ volatile("lfence" ::: "memory");
}

static inline void host_barrier_write(void)
{
    __asm__ volatile("sfence" ::: "memory");
}

static inline void host_memory_zero(void *at, size_t size)
{
    size_t count = size / sizeof(uint64_t);

    __asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(0ULL) : "memory");
}

#define X86_MMIO(bits, suffix, constraint)                                            \
    static inline uint##bits##_t mmio_read##bits(const volatile void *address)        \
    {                                                                                 \
        uint##bits##_t value;                                                         \
                                                                                      \
        __asm__ volatile("mov" suffix " %1, %0"                                       \
                         : "=" constraint(value)                                      \
                         : "m"(*(const volatile uint##bits##_t *)address)             \
                         : "memory");                                                 \
        return value;                                                                 \
    }                                                                                 \
    static inline void mmio_write##bits(volatile void *address, uint##bits##_t value) \
    {                                                                                 \
        __asm__ volatile("mov" suffix " %0, %1" ::constraint(value),                  \
                         "m"(*(volatile uint##bits##_t *)address)                     \
                         : "memory");                                                 \
    }
X86_MMIO(8, "b", "q")
X86_MMIO(16, "w", "r")
X86_MMIO(32, "l", "r")
X86_MMIO(64, "q", "r")
#undef X86_MMIO

#define X86_PORT(bits)                                                            \
    static inline uint##bits##_t host_port_read##bits(uint16_t port)              \
    {                                                                             \
        uint##bits##_t value;                                                     \
                                                                                  \
        __asm__ volatile("in %1, %0" : "=a"(value) : "Nd"(port) : "memory");      \
        return value;                                                             \
    }                                                                             \
    static inline void host_port_write##bits(uint16_t port, uint##bits##_t value) \
    {                                                                             \
        __asm__ volatile("out %0, %1" ::"a"(value), "Nd"(port) : "memory");       \
    }
X86_PORT(8)
X86_PORT(16)
X86_PORT(32)
#undef X86_PORT

#endif
