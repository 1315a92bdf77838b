/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The aarch64 `virt` machine as micro-guests see it: addresses, and what must be inline. */
#ifndef TESTS_GUESTS_AARCH64_MACHINE_H
#define TESTS_GUESTS_AARCH64_MACHINE_H

#define GUEST_ISA "aarch64"
/* x0 to x30, sp, v0 to v31 (halves), fpcr, fpsr, then with SVE (vectors of up to 256 bytes,
 * packed): z0 to z31, p0 to p15 with FFR, ZCR_EL1 */
#define REGISTER_COUNT 1191

#define GICD_BASE 0x08000000UL
#define GICC_BASE 0x08010000UL /* GICv2 */
#define GICC_PMR  (GICC_BASE + 0x04)
#define GICC_BPR  (GICC_BASE + 0x08)
#define GICR_BASE 0x080a0000UL
#define GICR_SIZE 0x20000UL
#define UART_BASE 0x09000000UL
#define UART_SPI  1u
/* The other timer's interrupt: irq_hook() gets it as one of none of its kinds, and must quiet it.
 */
#define PPI_PHYSICAL_TIMER 30u
#define RAM_BASE           0x40000000UL
/* A register whose read has no side effect, handled by the hypervisor: GICD_TYPER. */
#define MMIO_PROBE (GICD_BASE + 4)
/* No device and no RAM. */
#define MMIO_HOLE 0x0f000000UL
/* PCI: configuration space and the host bridge's identity (device << 16 | vendor). */
#define ECAM_BASE      0x4010000000UL
#define HOST_BRIDGE_ID 0x00081b36u
/* Page tables: what the root's entries cover; the accessed bit. */
#define PAGE_ROOT_SHIFT 30
#define PTE_ACCESSED    (1UL << 10)

#define READ_SYSREG(reg)                                              \
    ({                                                                \
        uint64_t value_;                                              \
        __asm__ volatile("mrs %0, " reg : "=r"(value_) : : "memory"); \
        value_;                                                       \
    })
#define WRITE_SYSREG(reg, value) \
    __asm__ volatile("msr " reg ", %0" : : "r"((uint64_t)(value)) : "memory")

/* At the end of what entry.S saves: ELR and SPSR. */
struct trap_frame {
    uint64_t pc, flags;
};

/* Without the GIC's system registers (ID_AA64PFR0_EL1.GIC) this machine has a GICv2. Asked once:
 * the hypervisor answers, and what an interrupt costs is measured. */
extern bool machine_gic_v2;

static inline bool gic_v2(void)
{
    return machine_gic_v2;
}

static inline struct guest_cpu *this_cpu(void)
{
    return (struct guest_cpu *)READ_SYSREG("tpidr_el1");
}

extern uint64_t ticks_hz;

static inline uint64_t ticks(void)
{
    __asm__ volatile("isb" : : : "memory");
    return READ_SYSREG("cntvct_el0");
}

static inline void irq_enable(void)
{
    __asm__ volatile("msr daifclr, #2" : : : "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("msr daifset, #2" : : : "memory");
}

/* Sleeps until an interrupt is pending and takes it. Expects them masked, leaves them masked. */
static inline void irq_wait(void)
{
    __asm__ volatile("wfi\n\tmsr daifclr, #2\n\tisb\n\tmsr daifset, #2" : : : "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile("yield" : : : "memory");
}

/* PSCI_VERSION */
static inline void hypercall_null(void)
{
    register uint64_t x0 __asm__("x0") = 0x84000000;

    __asm__ volatile("hvc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
}

#define MMIO_ACCESSORS(bits, load, store, width)                                              \
    static inline uint##bits##_t mmio_read##bits(uint64_t address)                            \
    {                                                                                         \
        uint##bits##_t value;                                                                 \
        __asm__ volatile(load " %" width "0, [%1]" : "=r"(value) : "r"(address) : "memory");  \
        return value;                                                                         \
    }                                                                                         \
    static inline void mmio_write##bits(uint64_t address, uint##bits##_t value)               \
    {                                                                                         \
        __asm__ volatile(store " %" width "0, [%1]" : : "r"(value), "r"(address) : "memory"); \
    }
MMIO_ACCESSORS(8, "ldrb", "strb", "w")
MMIO_ACCESSORS(16, "ldrh", "strh", "w")
MMIO_ACCESSORS(32, "ldr", "str", "w")
MMIO_ACCESSORS(64, "ldr", "str", "x")

static inline void undefined_instruction(void)
{
    __asm__ volatile("udf #0");
}

#define CRASH_VECTORS 0x30000000UL /* no memory, and no device */
#define CRASH_MARK    0x0123456789abcdefUL

/* Exceptions whose vector is no memory repeat for ever; with a mark in x19. Or (option "aarch32")
 * 32-bit code, on a page that was not touched before. */
void machine_crash(void);

#endif
