/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* <host/arch.h> of aarch64: the types and inline functions of contract 1 (kernel/host.h). */
#ifndef ARCH_AARCH64_HOST_ARCH_H
#define ARCH_AARCH64_HOST_ARCH_H

#include "arch/aarch64/host/mode.h"
#include "arch/aarch64/host/sysreg.h"
#include "kernel/types.h"

#define HOST_ISA "aarch64"

/* What host_context_switch() keeps: x19 to x28, x29, x30, sp. Offsets are known to context.S. */
struct host_context {
    uint64_t x19_x28[10];
    uint64_t fp, lr, sp;
};

/* Registers at a trap. Offsets are known to vectors.S. */
struct host_trap_frame {
    uint64_t x[31];
    uint64_t sp, pc, pstate, esr, far;
    uint64_t record_fp, record_pc; /* a frame record: the backtrace walks through the trap */
};

/* The host's part of struct cpu. Offsets of the first fields are known to assembly. */
struct host_cpu {
    uint64_t emergency_top; /* end of the stack for traps that found the current one unusable */
    void *redistributor;    /* GICv3: this CPU's RD_base, mapped */
    void (*fpu_save)(void *owner); /* a guest's FP and SIMD registers are live here: saves them */
    void *fpu_owner;               /* whose registers they are, saved or not; NULL: nobody's */
    void *guest;                   /* the vCPU that is loaded here, or NULL */
    void *guest_last;              /* the last one that was: its EL1 registers are still there */
    void (*guest_timer)(void *vcpu);
    void (*guest_maintenance)(void *vcpu);
    uint8_t gic_target; /* GICv2: this CPU's bit in target masks */
};

struct cpu;

static inline void host_irq_enable(void)
{
    __asm__ volatile("msr daifclr, #2" ::: "memory");
}

static inline void host_irq_disable(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory");
}

static inline uint64_t host_irq_save(void)
{
    uint64_t flags = sysreg_read(daif);

    host_irq_disable();
    return flags;
}

static inline void host_irq_restore(uint64_t flags)
{
    sysreg_write(daif, flags);
}

static inline bool host_irq_enabled(void)
{
    return !(sysreg_read(daif) & PSR_I);
}

static inline void host_cpu_relax(void)
{
    __asm__ volatile("yield" ::: "memory");
}

static inline void host_wait(void)
{
    __asm__ volatile("dsb sy\n wfi\n msr daifclr, #2\n isb\n msr daifset, #2" ::: "memory");
}

static inline struct cpu *host_this_cpu(void)
{
    return (struct cpu *)MODE_READ("tpidr_el2", "tpidr_el2", "tpidr_el1");
}

static inline void host_set_this_cpu(struct cpu *cpu)
{
    MODE_WRITE("tpidr_el2", "tpidr_el2", "tpidr_el1", (uint64_t)cpu);
}

static inline uint64_t host_counter(void)
{
    isb();
    return sysreg_read(cntpct_el0);
}

static inline uint64_t host_counter_fast(void)
{
    return sysreg_read(cntpct_el0);
}

/* DC ZVA by blocks of DCZID_EL0.BS words, where it is allowed (D19.2.33). */
static inline void host_memory_zero(void *at, size_t size)
{
    char *end = (char *)at + size;
    uint64_t dczid, block;

    __asm__("mrs %0, dczid_el0" : "=r"(dczid));
    block = 4UL << (dczid & 0xf);
    if ((dczid & 0x10) || size % block || (uintptr_t)at % block) {
        for (uint64_t *p = at; (char *)p < end; p++)
            *p = 0;
        return;
    }
    for (char *p = at; p < end; p += block)
        __asm__ volatile("dc zva, %0" ::"r"(p) : "memory");
}

static inline void host_barrier_full(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

static inline void host_barrier_read(void)
{
    __asm__ volatile("dsb ld" ::: "memory");
}

static inline void host_barrier_write(void)
{
    __asm__ volatile("dsb st" ::: "memory");
}

/* One plain load or store each: forms that a hypervisor below us can emulate from the syndrome. */
#define HOST_MMIO(bits, suffix, modifier)                                                         \
    static inline uint##bits##_t mmio_read##bits(const volatile void *p)                          \
    {                                                                                             \
        uint##bits##_t value;                                                                     \
        __asm__ volatile("ldr" suffix " %" modifier "0, [%1]" : "=r"(value) : "r"(p) : "memory"); \
        return value;                                                                             \
    }                                                                                             \
    static inline void mmio_write##bits(volatile void *p, uint##bits##_t value)                   \
    {                                                                                             \
        __asm__ volatile("str" suffix " %" modifier "0, [%1]" ::"r"(value), "r"(p) : "memory");   \
    }
HOST_MMIO(8, "b", "w")
HOST_MMIO(16, "h", "w")
HOST_MMIO(32, "", "w")
HOST_MMIO(64, "", "x")
#undef HOST_MMIO

#define HOST_HAS_PORTS          0
#define HOST_DMA_NEEDS_PROPERTY 1

static inline uint8_t host_port_read8(uint16_t port)
{
    (void)port;
    return 0xff;
}

static inline uint16_t host_port_read16(uint16_t port)
{
    (void)port;
    return 0xffff;
}

static inline uint32_t host_port_read32(uint16_t port)
{
    (void)port;
    return 0xffffffff;
}

static inline void host_port_write8(uint16_t port, uint8_t value)
{
    (void)port;
    (void)value;
}

static inline void host_port_write16(uint16_t port, uint16_t value)
{
    (void)port;
    (void)value;
}

static inline void host_port_write32(uint16_t port, uint32_t value)
{
    (void)port;
    (void)value;
}

#endif
