/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The riscv64 `virt` machine as micro-guests see it: addresses, and what must be inline. */
#ifndef TESTS_GUESTS_RISCV64_MACHINE_H
#define TESTS_GUESTS_RISCV64_MACHINE_H

#define GUEST_ISA      "riscv64"
#define REGISTER_COUNT 65 /* x0 to x31, f0 to f31, fcsr */

#define PLIC_BASE   0x0c000000UL
#define UART_BASE   0x10000000UL
#define UART_SOURCE 10u
#define RAM_BASE    0x80000000UL
/* A register whose read has no side effect, handled by the hypervisor: a PLIC source's priority. */
#define MMIO_PROBE (PLIC_BASE + 4)
/* No device and no RAM. */
#define MMIO_HOLE 0x0f000000UL
/* PCI: configuration space and the host bridge's identity (device << 16 | vendor). */
#define ECAM_BASE      0x30000000UL
#define HOST_BRIDGE_ID 0x00081b36u
/* Page tables: what the root's entries cover; the accessed bit. */
#define PAGE_ROOT_SHIFT 30
#define PTE_ACCESSED    (1UL << 6)

#define SIE_SOFTWARE 1u
#define SIE_TIMER    5u
#define SIE_EXTERNAL 9u
#define SSTATUS_SIE  2u

#define READ_CSR(csr)                                                  \
    ({                                                                 \
        uint64_t value_;                                               \
        __asm__ volatile("csrr %0, " csr : "=r"(value_) : : "memory"); \
        value_;                                                        \
    })
#define WRITE_CSR(csr, value) \
    __asm__ volatile("csrw " csr ", %0" : : "r"((uint64_t)(value)) : "memory")
#define SET_CSR(csr, bits) __asm__ volatile("csrs " csr ", %0" : : "r"((uint64_t)(bits)) : "memory")
#define CLEAR_CSR(csr, bits) \
    __asm__ volatile("csrc " csr ", %0" : : "r"((uint64_t)(bits)) : "memory")

static inline struct guest_cpu *this_cpu(void)
{
    struct guest_cpu *cpu;

    __asm__("mv %0, tp" : "=r"(cpu));
    return cpu;
}

/* At the end of what entry.S saves: sepc and sstatus. */
struct trap_frame {
    uint64_t pc, flags;
};

extern uint64_t ticks_hz;
extern uint64_t boot_hart; /* need not be 0 */
/* The boot hart's ISA string, "rv64imac_zba..." */
const char *isa_string(void);
/* registers.c: all vector registers are 0, or there are none. */
bool vectors_are_zero(void);
/* Has the boot hart's ISA string a letter, or an extension of a longer name? */
bool isa_has(const char *name);

static inline uint64_t ticks(void)
{
    return READ_CSR("time");
}

static inline void irq_enable(void)
{
    SET_CSR("sstatus", SSTATUS_SIE);
}

static inline void irq_disable(void)
{
    CLEAR_CSR("sstatus", SSTATUS_SIE);
}

/* Sleeps until an interrupt is pending and takes it. Expects them masked, leaves them masked. */
static inline void irq_wait(void)
{
    __asm__ volatile("wfi\n\tcsrsi sstatus, 2\n\tcsrci sstatus, 2" : : : "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile(".word 0x0100000f" : : : "memory"); /* pause */
}

/* SBI 2.0, 3: error in a0 (returned), value in a1. */
static inline int64_t sbi_call(uint64_t extension, uint64_t function, uint64_t a, uint64_t b,
                               uint64_t c)
{
    register uint64_t a0 __asm__("a0") = a;
    register uint64_t a1 __asm__("a1") = b;
    register uint64_t a2 __asm__("a2") = c;
    register uint64_t a6 __asm__("a6") = function;
    register uint64_t a7 __asm__("a7") = extension;

    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
    return (int64_t)a0;
}

/* The base extension's get_spec_version */
static inline void hypercall_null(void)
{
    sbi_call(0x10, 0, 0, 0, 0);
}

#define MMIO_ACCESSORS(bits, load, store)                                                       \
    static inline uint##bits##_t mmio_read##bits(uint64_t address)                              \
    {                                                                                           \
        uint64_t value;                                                                         \
        __asm__ volatile(load " %0, 0(%1)" : "=r"(value) : "r"(address) : "memory");            \
        return (uint##bits##_t)value;                                                           \
    }                                                                                           \
    static inline void mmio_write##bits(uint64_t address, uint##bits##_t value)                 \
    {                                                                                           \
        __asm__ volatile(store " %0, 0(%1)" : : "r"((uint64_t)value), "r"(address) : "memory"); \
    }
MMIO_ACCESSORS(8, "lbu", "sb")
MMIO_ACCESSORS(16, "lhu", "sh")
MMIO_ACCESSORS(32, "lwu", "sw")
MMIO_ACCESSORS(64, "ld", "sd")

static inline void undefined_instruction(void)
{
    __asm__ volatile("unimp");
}

#define CRASH_HANDLER 0x70000000UL /* no memory, and no device */
#define CRASH_MARK    0x0123456789abcdefUL

/* Traps whose handler is no memory repeat for ever; with a mark in s2. */
static inline void machine_crash(void)
{
    __asm__ volatile("mv s2, %0\n csrw satp, zero\n sfence.vma\n csrw stvec, %1\n unimp"
                     :
                     : "r"(CRASH_MARK), "r"(CRASH_HANDLER)
                     : "s2", "memory");
}

#endif
