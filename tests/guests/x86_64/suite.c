/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What only x86_64 has: CPUID, MSRs, forms of memory operands, page table entries. */
#include "tests/guests/suite.h"

#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define CPUID_KVM              0x40000000u
#define KVM_SIGNATURE          0x4b4d564bu /* "KVMK" */
#define MSR_EFER               0xc0000080u
#define EFER_NXE               (1u << 11)
#define CR4_LA57               (1UL << 12)
#define CPUID_1_ECX_X2APIC     (1u << 21)
#define MSR_APIC_BASE          0x1bu
#define APIC_X2                (1u << 10)
#define EFER_LMA               (1u << 10)

bool hypervised(void)
{
    uint32_t r[4];

    cpuid(CPUID_KVM, 0, r);
    return r[1] == KVM_SIGNATURE;
}

void isa_test_exits(void)
{
    uint32_t r[4];

    cpuid(0, 0, r);
    check(r[0] >= 0xd, "CPUID has leaf 0Dh");
    cpuid(1, 0, r);
    check_equal(r[1] >> 24, 0, "this is CPU 0");
    check(r[2] & CPUID_1_ECX_HYPERVISOR, "CPUID tells of a hypervisor");
    check_equal(!!(rdmsr(MSR_APIC_BASE) & APIC_X2), (r[2] & CPUID_1_ECX_X2APIC) && !option("xapic"),
                "the local APIC is in the mode that was asked for");
    check(rdmsr(MSR_EFER) & EFER_LMA, "EFER says long mode");
    if (hypervised()) {
        uint64_t rax = ~0ULL;

        __asm__ volatile("vmmcall" : "+a"(rax) : : "memory");
        check_equal(rax, (uint64_t)-1000, "an unknown call gives KVM_ENOSYS");
    }
}

/* ---- Memory operands that are device registers ---- */

#define REGISTER (IOAPIC_BASE) /* the selector: keeps what is written */

#define LOAD_THROUGH(name, name32)                                                              \
    do {                                                                                        \
        uint64_t value;                                                                         \
        __asm__ volatile("mov $-1, %%" name "\n\tmovl (%1), %%" name32 "\n\tmov %%" name ", %0" \
                         : "=m"(value)                                                          \
                         : "r"(REGISTER)                                                        \
                         : name, "memory");                                                     \
        bad += value != 0x12;                                                                   \
    } while (0)

static void every_register(void)
{
    unsigned bad = 0;

    mmio_write32(REGISTER, 0x12);
    LOAD_THROUGH("rax", "eax");
    LOAD_THROUGH("rcx", "ecx");
    LOAD_THROUGH("rdx", "edx");
    LOAD_THROUGH("rbx", "ebx");
    LOAD_THROUGH("rsi", "esi");
    LOAD_THROUGH("rdi", "edi");
    LOAD_THROUGH("r8", "r8d");
    LOAD_THROUGH("r9", "r9d");
    LOAD_THROUGH("r10", "r10d");
    LOAD_THROUGH("r11", "r11d");
    LOAD_THROUGH("r12", "r12d");
    LOAD_THROUGH("r13", "r13d");
    LOAD_THROUGH("r14", "r14d");
    LOAD_THROUGH("r15", "r15d");
    check_equal(bad, 0, "a register is read into each general register");
}

static void operands(void)
{
    uint64_t a = 0xffff;
    uint32_t buffer[4] = {0};
    void *to = buffer;
    const void *from = (void *)REGISTER;
    uint8_t equal;

    __asm__ volatile("movl $0x21, (%0)" : : "r"(REGISTER) : "memory");
    check_equal(mmio_read32(REGISTER), 0x21, "MOV of an immediate");
    __asm__ volatile("orl $0x04, (%0)" : : "r"(REGISTER) : "memory");
    check_equal(mmio_read32(REGISTER), 0x25, "OR to memory");
    __asm__ volatile("andl $0x0f, (%0)" : : "r"(REGISTER) : "memory");
    check_equal(mmio_read32(REGISTER), 0x05, "AND to memory");
    __asm__ volatile("xorl %k1, (%0)" : : "r"(REGISTER), "r"(0x30) : "memory");
    check_equal(mmio_read32(REGISTER), 0x35, "XOR to memory");
    __asm__ volatile("addl (%1), %k0" : "+r"(a) : "r"(REGISTER) : "memory");
    check_equal(a, 0x10034, "ADD from memory");
    a = 0x11;
    __asm__ volatile("xchgl %k0, (%1)" : "+r"(a) : "r"(REGISTER) : "memory");
    check(a == 0x35 && mmio_read32(REGISTER) == 0x11, "XCHG");
    __asm__ volatile("cmpl $0x11, (%1)\n\tsete %0" : "=r"(equal) : "r"(REGISTER) : "memory");
    check_equal(equal, 1, "CMP with memory");
    __asm__ volatile("testl $0x10, (%1)\n\tsetne %0" : "=r"(equal) : "r"(REGISTER) : "memory");
    check_equal(equal, 1, "TEST with memory");
    __asm__ volatile("movzbl (%1), %k0" : "=r"(a) : "r"(ECAM_BASE + 1) : "memory");
    check_equal(a, 0x80, "MOVZX of a byte");
    __asm__ volatile("movsbq (%1), %0" : "=r"(a) : "r"(ECAM_BASE + 1) : "memory");
    check_equal(a, 0xffffffffffffff80, "MOVSX of a byte");
    __asm__ volatile("movsl" : "+S"(from), "+D"(to) : : "memory");
    check(buffer[0] == 0x11 && to == buffer + 1, "MOVS from a device");
    to = (void *)REGISTER;
    __asm__ volatile("stosl" : "+D"(to) : "a"(0x07) : "memory");
    check_equal(mmio_read32(REGISTER), 0x07, "STOS to a device");
    check_equal(mmio_read64(ECAM_BASE), (uint64_t)mmio_read32(ECAM_BASE + 4) << 32 | HOST_BRIDGE_ID,
                "64 bits of configuration space");
}

void isa_test_mmio(void)
{
    every_register();
    operands();
    (void)mmio_read32(ECAM_BASE + 2);
    check(true, "an unaligned word of configuration space");
    /* Half of it on another page, where nothing is: only that the guest goes on. */
    (void)mmio_read64(IOAPIC_BASE + 0xffc);
    check(true, "a read across the end of a device");
}

/* The local APIC's timer is all that there is: suite.c tests it. */
void isa_test_timers(void)
{
}

/* ---- Page tables ---- */

#define ADDRESS_MASK 0x000ffffffffff000ULL
#define PTE_NX       (1ULL << 63)

static bool nx_on(void)
{
    uint32_t r[4];

    cpuid(0x80000001, 0, r);
    if (!(r[3] & 1u << 20))
        return false;
    if (!(rdmsr(MSR_EFER) & EFER_NXE))
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    return true;
}

uint64_t pte_leaf(uint64_t pa, unsigned shift, unsigned flags)
{
    return pa | 1 | (flags & PAGE_WRITE ? 2 : 0) | (flags & PAGE_OLD ? 0 : 0x60) |
           (shift == 12 ? 0 : 0x80) | (!(flags & PAGE_EXEC) && nx_on() ? PTE_NX : 0);
}

uint64_t pte_table(uint64_t pa)
{
    return pa | 7;
}

uint64_t pte_address(uint64_t pte)
{
    return pte & ADDRESS_MASK;
}

uint64_t *page_root(void)
{
    extern uint64_t pml4[];

    return pml4;
}

void tlb_flush(void)
{
    uint64_t cr3;

    __asm__ volatile("mov %%cr3, %0\n\tmov %0, %%cr3" : "=r"(cr3) : : "memory");
}

void instructions_changed(void)
{
}

bool page_exec_works(void)
{
    return nx_on();
}

bool page_gigabytes(void)
{
    uint32_t r[4];

    cpuid(0x80000001, 0, r);
    return r[3] & 1u << 26;
}

const uint8_t return_code[4] = {0xc3};

void isa_code_returns(uint8_t *at, unsigned value)
{
    const uint8_t code[] = {0xb8, (uint8_t)value, (uint8_t)(value >> 8), 0, 0, 0xc3};

    memcpy(at, code, sizeof(code)); /* mov eax, value; ret */
}

void isa_code_calls(uint8_t *at, unsigned value)
{
    const uint8_t code[] = {
        0x48,
        0x83,
        0xec,
        0x08, /* sub rsp, 8 */
        0xff,
        0xd7, /* call rdi */
        0xb8,
        (uint8_t)value,
        (uint8_t)(value >> 8),
        0,
        0, /* mov eax, value */
        0x48,
        0x83,
        0xc4,
        0x08,
        0xc3, /* add rsp, 8; ret */
    };

    memcpy(at, code, sizeof(code));
}

/* SMAP is the CPU's own in guests of x86_64, which nothing here stands between. */
void isa_test_user_pages(uint64_t va, uint64_t memory)
{
    (void)va, (void)memory;
}

/* ---- What is not allowed ---- */

static void read_msr(void *number)
{
    rdmsr((uint32_t)(uint64_t)number);
}

static void write_msr(void *number)
{
    wrmsr((uint32_t)(uint64_t)number, 0x123456789abcdefULL);
}

static void write_cr4(void *bits)
{
    uint64_t cr4;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | (uint64_t)bits));
}

static void read_byte(void *address)
{
    (void)*(volatile uint8_t *)address;
}

static void vmrun(void *unused)
{
    (void)unused;
    __asm__ volatile("vmrun" : : "a"(0));
}

static void divide(void *unused)
{
    (void)unused;
    __asm__ volatile("xor %%ecx, %%ecx\n\tdiv %%ecx" : : : "rax", "rcx", "rdx");
}

void isa_test_illegal(void)
{
    check_traps(write_cr4, (void *)CR4_LA57, TRAP_PROTECTION, "CR4.LA57 in long mode");
    check_traps(read_byte, (void *)0x8000000000000000UL, TRAP_PROTECTION,
                "an address that is not canonical");
    check_traps(vmrun, NULL, TRAP_UNDEFINED, "VMRUN");
    check_traps(divide, NULL, TRAP_OTHER, "a division by zero");
    if (hypervised()) { /* QEMU lets these pass */
        check_traps(read_msr, (void *)0xdead0UL, TRAP_PROTECTION, "reading an MSR that nobody has");
        check_traps(write_msr, (void *)0xdead0UL, TRAP_PROTECTION, "writing one");
    }
}

/* ---- Devices ---- */

void isa_hostile_targets(void (*add)(uint64_t base, uint64_t size))
{
    add(IOAPIC_BASE, 0x1000);
    add(LAPIC_BASE, 0x1000);
    add(0xfed00000, 0x400); /* HPET */
    add(ECAM_BASE, 0x100000);
}

/* It is not in memory. */
void isa_console_restore(void)
{
}
