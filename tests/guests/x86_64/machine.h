/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The x86_64 PC as micro-guests see it: addresses, and what must be inline. */
#ifndef TESTS_GUESTS_X86_64_MACHINE_H
#define TESTS_GUESTS_X86_64_MACHINE_H

#define GUEST_ISA      "x86_64"
#define REGISTER_COUNT 90 /* see registers.c */

#define IOAPIC_BASE 0xfec00000UL
#define LAPIC_BASE  0xfee00000UL
#define PORT_COM1   0x3f8
#define RAM_BASE    0UL
/* A register whose read has no side effect, handled by the hypervisor: the I/O APIC's selector. */
#define MMIO_PROBE IOAPIC_BASE
/* No device and no RAM. */
#define MMIO_HOLE 0xfe000000UL
/* PCI: configuration space and the host bridge's identity (device << 16 | vendor). */
#define ECAM_BASE      0xb0000000UL
#define HOST_BRIDGE_ID 0x29c08086u
/* Page tables: what the root's entries cover; the accessed bit. */
#define PAGE_ROOT_SHIFT 39
#define PTE_ACCESSED    (1UL << 5)

static inline struct guest_cpu *this_cpu(void)
{
    struct guest_cpu *cpu;

    __asm__ volatile("mov %%gs:40, %0" : "=r"(cpu)); /* self */
    return cpu;
}

/* What the CPU pushes at an exception. */
struct trap_frame {
    uint64_t pc, cs, flags, sp, ss;
};

extern uint64_t ticks_hz;

static inline uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* Sleeps until an interrupt is pending and takes it. Expects them masked, leaves them masked. */
static inline void irq_wait(void)
{
    __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(subleaf));
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* KVM's hypercall number -1, which nobody has: by VMMCALL, or VMCALL on Intel's (see
 * machine_setup()). */
extern bool hypercall_is_vmcall;
/* suite.c: does CPUID tell of KVM's interface, as Ennead does? */
bool hypervised(void);

static inline void hypercall_null(void)
{
    uint64_t rax = ~0ULL;

    if (hypercall_is_vmcall)
        __asm__ volatile("vmcall" : "+a"(rax) : : "memory");
    else
        __asm__ volatile("vmmcall" : "+a"(rax) : : "memory");
}

#define MMIO_ACCESSORS(bits, suffix, width)                                     \
    static inline uint##bits##_t mmio_read##bits(uint64_t address)              \
    {                                                                           \
        uint##bits##_t value;                                                   \
        __asm__ volatile("mov" suffix " (%1), %" width "0"                      \
                         : "=r"(value)                                          \
                         : "r"(address)                                         \
                         : "memory");                                           \
        return value;                                                           \
    }                                                                           \
    static inline void mmio_write##bits(uint64_t address, uint##bits##_t value) \
    {                                                                           \
        __asm__ volatile("mov" suffix " %" width "0, (%1)"                      \
                         :                                                      \
                         : "r"(value), "r"(address)                             \
                         : "memory");                                           \
    }
MMIO_ACCESSORS(8, "b", "b")
MMIO_ACCESSORS(16, "w", "w")
MMIO_ACCESSORS(32, "l", "k")
MMIO_ACCESSORS(64, "q", "q")

static inline void undefined_instruction(void)
{
    __asm__ volatile("ud2");
}

/* registers.c: the rights of protection keys, 0 where there are none. */
uint64_t read_pkru(void);

/* Who started the guest: what eax held, and what ebx pointed to. */
#define MULTIBOOT_MAGIC   0x2badb002u /* Multiboot Specification 0.6.96, 3.2 */
#define MULTIBOOT_CMDLINE 16          /* in the boot information, 3.3 */
extern uint32_t boot_magic;
extern const uint8_t *boot_information;

/* A triple fault: an exception without an interrupt table. */
static inline void machine_crash(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) none = {0, 0};

    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

#endif
