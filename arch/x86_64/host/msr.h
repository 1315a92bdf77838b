/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* CPUID, control registers and model-specific registers as C functions. */
#ifndef X86_HOST_MSR_H
#define X86_HOST_MSR_H

#include "kernel/types.h"
#include "arch/x86_64/host/registers.h"

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid c;

    __asm__ volatile("cpuid"
                     : "=a"(c.eax), "=b"(c.ebx), "=c"(c.ecx), "=d"(c.edx)
                     : "a"(leaf), "c"(subleaf));
    return c;
}

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

/*
 * What a faulting instruction is continued with: pairs of offsets from their own addresses. traps.c
 * looks them up, so an MSR that this CPU turns out not to have is an answer instead of a crash.
 */
struct trap_fixup {
    int32_t fault, resume;
};

#define TRAP_FIXUP(fault, resume)             \
    ".pushsection table_trap_fixups, \"a\"\n" \
    ".balign 8\n"                             \
    ".long " fault " - ., " resume " - .\n"   \
    ".popsection\n"

/* False when the CPU refuses: #GP. */
static inline bool msr_read_safe(uint32_t msr, uint64_t *value)
{
    uint32_t low = 0, high = 0, done = 0;

    __asm__ volatile("1: rdmsr\n"
                     "   movl $1, %2\n"
                     "2:\n" TRAP_FIXUP("1b", "2b")
                     : "+a"(low), "+d"(high), "+r"(done)
                     : "c"(msr)
                     : "memory");
    *value = (uint64_t)high << 32 | low;
    return done;
}

static inline bool msr_write_safe(uint32_t msr, uint64_t value)
{
    uint32_t done = 0;

    __asm__ volatile("1: wrmsr\n"
                     "   movl $1, %0\n"
                     "2:\n" TRAP_FIXUP("1b", "2b")
                     : "+r"(done)
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
    return done;
}

#define X86_CONTROL_REGISTER(name)                                       \
    static inline uint64_t name##_read(void)                             \
    {                                                                    \
        uint64_t value;                                                  \
                                                                         \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value)::"memory"); \
        return value;                                                    \
    }                                                                    \
    static inline void name##_write(uint64_t value)                      \
    {                                                                    \
        __asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory");    \
    }
X86_CONTROL_REGISTER(cr0)
X86_CONTROL_REGISTER(cr2)
X86_CONTROL_REGISTER(cr3)
X86_CONTROL_REGISTER(cr4)
#undef X86_CONTROL_REGISTER

static inline uint64_t xcr0_read(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static inline void xcr0_write(uint64_t value)
{
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

#endif
