/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The riscv64 host's types and inline functions, as kernel/host.h lists them. The thread pointer
 * (tp) holds the running CPU's struct cpu all the time that the hypervisor runs.
 */
#ifndef ARCH_RISCV64_HOST_ARCH_H
#define ARCH_RISCV64_HOST_ARCH_H

/* Offsets that assembly knows: struct cpu (kernel/cpu.h), struct host_cpu, struct host_start,
 * struct host_trap_frame. */
#define CPU_HOST             40
#define CPU_EMERGENCY_TOP    (CPU_HOST + 0)
#define CPU_OVERFLOW_SP      (CPU_HOST + 8)
#define START_SATP           0
#define START_ENTRY          8
#define START_CPU            16
#define START_STACK_TOP      24
#define TRAP_FRAME_SIZE      304
#define TRAP_FRAME_SEPC      256
#define TRAP_FRAME_RECORD_FP 288 /* a frame record, so that backtraces pass through traps */
#define TRAP_FRAME_RECORD_RA 296

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "csr.h"

#define HOST_ISA                "riscv64"
#define HOST_HAS_PORTS          0
#define HOST_DMA_NEEDS_PROPERTY 0

struct cpu;
struct riscv_fp_state;

/* What a thread switch saves: the callee-saved registers of the psABI. */
struct host_context {
    uint64_t ra, sp;
    uint64_t s[12];
};

struct host_trap_frame {
    uint64_t x[32]; /* x[0] is not used */
    uint64_t sepc, sstatus, scause, stval;
    uint64_t record_fp, record_ra;
};

/* What a secondary CPU loads with the MMU off: physical address in a1 (SBI hart_start's opaque). */
struct host_start {
    uint64_t satp, entry, cpu, stack_top;
};

struct host_cpu {
    uint64_t emergency_top; /* of the emergency stack */
    uint64_t overflow_sp;   /* the stack pointer that overflowed */
    struct host_start start;
    void *emergency_stack; /* lowest address */
    struct host_context
        *firmware_abort;      /* set while a firmware service runs: where a fault in it continues */
    uint64_t external_base;   /* IMSIC: physical address of this hart's supervisor file */
    volatile uint32_t *imsic; /* the same, mapped: a write of n raises interrupt n on this CPU */
    volatile uint32_t *sswi;  /* ACLINT: a write of 1 raises this CPU's software interrupt */
    uint32_t plic_context;
    uint32_t acpi_uid;
    uint64_t features; /* isa.h, of this hart */
    uint64_t fpu_depth;
    struct riscv_fp_state *guest_fp; /* guest state live in the FP and vector registers, or NULL */
    void *guest; /* the vCPU whose VS registers are loaded here (hext/), or NULL */
};

static inline uint64_t host_irq_save(void)
{
    uint64_t old;
    __asm__ volatile("csrrci %0, sstatus, 2" : "=r"(old)::"memory");
    return old & SSTATUS_SIE;
}

static inline void host_irq_restore(uint64_t flags)
{
    __asm__ volatile("csrs sstatus, %0" ::"r"(flags) : "memory");
}

static inline void host_irq_enable(void)
{
    __asm__ volatile("csrsi sstatus, 2" ::: "memory");
}

static inline void host_irq_disable(void)
{
    __asm__ volatile("csrci sstatus, 2" ::: "memory");
}

static inline bool host_irq_enabled(void)
{
    return csr_read(sstatus) & SSTATUS_SIE;
}

/* Zihintpause's pause: a fence that does nothing where the extension is missing. */
static inline void host_cpu_relax(void)
{
    __asm__ volatile(".word 0x0100000f" ::: "memory");
}

/* wfi returns for an interrupt that is pending and enabled in sie, whatever sstatus.SIE says
 * (3.3.3). */
static inline void host_wait(void)
{
    __asm__ volatile("wfi\n csrsi sstatus, 2\n nop\n csrci sstatus, 2" ::: "memory");
}

static inline struct cpu *host_this_cpu(void)
{
    struct cpu *cpu;
    __asm__ volatile("mv %0, tp" : "=r"(cpu));
    return cpu;
}

static inline void host_set_this_cpu(struct cpu *cpu)
{
    __asm__ volatile("mv tp, %0" ::"r"(cpu) : "memory");
}

/* Reading `time` counts as a device input for fences (unprivileged specification, 2.7). */
static inline uint64_t host_counter(void)
{
    uint64_t value;
    __asm__ volatile("fence r, i\n csrr %0, time" : "=r"(value)::"memory");
    return value;
}

static inline uint64_t host_counter_fast(void)
{
    uint64_t value;
    __asm__ volatile("csrr %0, time" : "=r"(value));
    return value;
}

static inline void host_memory_zero(void *at, size_t size)
{
    volatile uint64_t *p = at, *end = (uint64_t *)((char *)at + size);

    for (; p < end; p += 8) {
        p[0] = p[1] = p[2] = p[3] = 0;
        p[4] = p[5] = p[6] = p[7] = 0;
    }
}

static inline void host_barrier_full(void)
{
    __asm__ volatile("fence iorw, iorw" ::: "memory");
}

static inline void host_barrier_read(void)
{
    __asm__ volatile("fence ir, ir" ::: "memory");
}

static inline void host_barrier_write(void)
{
    __asm__ volatile("fence ow, ow" ::: "memory");
}

/* Register accesses are ordered against memory on both sides: a read before what follows, a write
 * after what came before. */
#define HOST_MMIO(bits, load, store)                                                      \
    static inline uint##bits##_t mmio_read##bits(const volatile void *p)                  \
    {                                                                                     \
        uint##bits##_t v;                                                                 \
        __asm__ volatile("fence w, i\n" load " %0, 0(%1)\n fence i, ir"                   \
                         : "=r"(v)                                                        \
                         : "r"(p)                                                         \
                         : "memory");                                                     \
        return v;                                                                         \
    }                                                                                     \
    static inline void mmio_write##bits(volatile void *p, uint##bits##_t v)               \
    {                                                                                     \
        __asm__ volatile("fence rw, o\n" store " %0, 0(%1)" ::"r"(v), "r"(p) : "memory"); \
    }
HOST_MMIO(8, "lbu", "sb")
HOST_MMIO(16, "lhu", "sh")
HOST_MMIO(32, "lwu", "sw")
HOST_MMIO(64, "ld", "sd")
#undef HOST_MMIO

#define HOST_NO_PORT(bits)                                                        \
    static inline uint##bits##_t host_port_read##bits(uint16_t port)              \
    {                                                                             \
        (void)port;                                                               \
        return (uint##bits##_t) ~0u;                                              \
    }                                                                             \
    static inline void host_port_write##bits(uint16_t port, uint##bits##_t value) \
    {                                                                             \
        (void)port;                                                               \
        (void)value;                                                              \
    }
HOST_NO_PORT(8)
HOST_NO_PORT(16)
HOST_NO_PORT(32)
#undef HOST_NO_PORT

#endif
#endif
