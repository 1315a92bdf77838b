/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What only aarch64 has: PSCI, system registers, forms of loads and stores, page table entries. */
#include "tests/guests/suite.h"

#define PSCI_VERSION  0x84000000u
#define PSCI_CPU_ON   0xc4000003u
#define PSCI_FEATURES 0x8400000au
#define SMC_UNKNOWN   0x86007777u
#define NOT_SUPPORTED (-1)
#define INVALID       (-2)
#define ALREADY_ON    (-4)

static int32_t hvc(uint64_t function, uint64_t a, uint64_t b)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;

    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2) : : "x3", "memory");
    return (int32_t)x0;
}

void isa_test_exits(void)
{
    check(hvc(PSCI_VERSION, 0, 0) >= 0x10000, "PSCI is version 1.0 or later");
    check_equal((uint64_t)hvc(PSCI_FEATURES, PSCI_CPU_ON, 0), 0, "PSCI has CPU_ON");
    check_equal((uint64_t)hvc(SMC_UNKNOWN, 0, 0), (uint64_t)NOT_SUPPORTED,
                "an unknown call is not supported");
    check_equal((uint64_t)hvc(PSCI_CPU_ON, 0xff00, 0), (uint64_t)INVALID,
                "a CPU that does not exist is not started");
    check_equal((uint64_t)hvc(PSCI_CPU_ON, 0, RAM_BASE), (uint64_t)ALREADY_ON,
                "a CPU that runs is not started again");
    check_equal(READ_SYSREG("mpidr_el1") & 0xff00ffffffULL, 0, "this is CPU 0");
    check(READ_SYSREG("id_aa64pfr0_el1") & 0xf, "EL0 is there");
    check_equal(READ_SYSREG("currentel"), 4, "this is EL1");
}

/* ---- Loads and stores of device registers ---- */

#define LOAD_THROUGH(n)                                                          \
    do {                                                                         \
        uint64_t value;                                                          \
        __asm__ volatile("mov x" #n ", #-1\n\tldr w" #n ", [%1]\n\tmov %0, x" #n \
                         : "=r"(value)                                           \
                         : "r"(MMIO_PROBE)                                       \
                         : "x" #n, "memory");                                    \
        bad += value != expected;                                                \
    } while (0)

static void every_register(uint32_t expected)
{
    unsigned bad = 0;

    LOAD_THROUGH(0);
    LOAD_THROUGH(1);
    LOAD_THROUGH(2);
    LOAD_THROUGH(3);
    LOAD_THROUGH(4);
    LOAD_THROUGH(5);
    LOAD_THROUGH(6);
    LOAD_THROUGH(7);
    LOAD_THROUGH(8);
    LOAD_THROUGH(9);
    LOAD_THROUGH(10);
    LOAD_THROUGH(11);
    LOAD_THROUGH(12);
    LOAD_THROUGH(13);
    LOAD_THROUGH(14);
    LOAD_THROUGH(15);
    LOAD_THROUGH(16);
    LOAD_THROUGH(17);
    LOAD_THROUGH(18);
    LOAD_THROUGH(19);
    LOAD_THROUGH(20);
    LOAD_THROUGH(21);
    LOAD_THROUGH(22);
    LOAD_THROUGH(23);
    LOAD_THROUGH(24);
    LOAD_THROUGH(25);
    LOAD_THROUGH(26);
    LOAD_THROUGH(27);
    LOAD_THROUGH(28);
    LOAD_THROUGH(30);
    check_equal(bad, 0, "a register is read into each general register");
}

#define PRIORITIES (GICD_BASE + 0x400 + 64) /* of SPIs 32 on, a byte each */

void isa_test_mmio(void)
{
    uint64_t at = PRIORITIES, a, b;

    every_register(mmio_read32(MMIO_PROBE));
    mmio_write32(PRIORITIES, 0xf0804020);
    check_equal(mmio_read32(PRIORITIES), 0xf0804020, "a word of four priorities keeps its value");
    check_equal(mmio_read8(PRIORITIES + 2), 0x80, "a byte of it is read");
    mmio_write8(PRIORITIES + 1, 0x60);
    check_equal(mmio_read32(PRIORITIES), 0xf0806020, "a byte of it is written");
    __asm__ volatile("ldrsb %0, [%1]" : "=r"(a) : "r"(PRIORITIES + 2) : "memory");
    check_equal(a, 0xffffffffffffff80, "LDRSB extends the sign to 64 bits");
    __asm__ volatile("ldrsb %w0, [%1]" : "=r"(a) : "r"(PRIORITIES + 2) : "memory");
    check_equal(a, 0xffffff80, "and to 32");
    __asm__ volatile("ldrsw %0, [%1]" : "=r"(a) : "r"(PRIORITIES) : "memory");
    check_equal(a, 0xfffffffff0806020, "LDRSW extends the sign");
    __asm__ volatile("ldr %w0, [%1], #4" : "=&r"(a), "+r"(at) : : "memory");
    check(a == 0xf0806020 && at == PRIORITIES + 4, "a load with post-index writes its base back");
    __asm__ volatile("ldr %w0, [%1, #-4]!" : "=&r"(a), "+r"(at) : : "memory");
    check(a == 0xf0806020 && at == PRIORITIES, "a load with pre-index writes its base back");
    __asm__ volatile("ldp %w0, %w1, [%2]" : "=&r"(a), "=&r"(b) : "r"(ECAM_BASE) : "memory");
    check(a == HOST_BRIDGE_ID && b == mmio_read32(ECAM_BASE + 4), "a pair is loaded");
    __asm__ volatile("str wzr, [%0]" : : "r"(PRIORITIES) : "memory");
    check_equal(mmio_read32(PRIORITIES), 0, "the zero register is stored");
    if (gic_v2()) /* it has none */
        return;
    mmio_write64(GICD_BASE + 0x6000 + 8 * 40, 1);
    check_equal(mmio_read64(GICD_BASE + 0x6000 + 8 * 40) & 0xff, 1,
                "a 64-bit register keeps its value");
}

/* ---- Page tables ---- */

#define ADDRESS_MASK 0x0000fffffffff000ULL

uint64_t pte_leaf(uint64_t pa, unsigned shift, unsigned flags)
{
    return pa | (shift == 12 ? 3 : 1) | 1 << 2 | (flags & PAGE_WRITE ? 0 : 1 << 7) | 3 << 8 |
           (flags & PAGE_OLD ? 0 : PTE_ACCESSED) | (flags & PAGE_EXEC ? 0 : 3ULL << 53);
}

uint64_t pte_table(uint64_t pa)
{
    return pa | 3;
}

uint64_t pte_address(uint64_t pte)
{
    return pte & ADDRESS_MASK;
}

uint64_t *page_root(void)
{
    extern uint64_t page_table[];

    return page_table;
}

void tlb_flush(void)
{
    __asm__ volatile("dsb ish\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" : : : "memory");
}

void instructions_changed(void)
{
    __asm__ volatile("dsb ish\n\tic iallu\n\tdsb ish\n\tisb" : : : "memory");
}

bool page_exec_works(void)
{
    return true;
}

bool page_gigabytes(void)
{
    return true;
}

const uint8_t return_code[4] = {0xc0, 0x03, 0x5f, 0xd6};

void isa_code_returns(uint8_t *at, unsigned value)
{
    const uint32_t code[] = {0x52800000 | value << 5 /* mov w0, value */, 0xd65f03c0 /* ret */};

    memcpy(at, code, sizeof(code));
}

void isa_code_calls(uint8_t *at, unsigned value)
{
    const uint32_t code[] = {
        0xa9bf7bfd,              /* stp x29, x30, [sp, -16]! */
        0xd63f0000,              /* blr x0 */
        0x52800000 | value << 5, /* mov w0, value */
        0xa8c17bfd,              /* ldp x29, x30, [sp], 16 */
        0xd65f03c0,              /* ret */
    };

    memcpy(at, code, sizeof(code));
}

/* ---- What is not allowed ---- */

#define ACCESS(name, text)         \
    static void name(void *unused) \
    {                              \
        (void)unused;              \
        __asm__ volatile(text);    \
    }
ACCESS(read_el2, "mrs x0, S3_4_C1_C1_0" ::: "x0")
ACCESS(write_el2, "msr S3_4_C1_C1_0, xzr")
ACCESS(read_el3, "mrs x0, S3_6_C1_C1_0" ::: "x0")
ACCESS(read_nobodys, "mrs x0, S3_7_C15_C15_7" ::: "x0")
ACCESS(write_midr, "msr S3_0_C0_C0_0, xzr")
ACCESS(return_from_hyp, "hlt #0")

void isa_test_illegal(void)
{
    check_traps(read_el2, NULL, TRAP_UNDEFINED, "reading HCR_EL2");
    check_traps(write_el2, NULL, TRAP_UNDEFINED, "writing HCR_EL2");
    check_traps(read_el3, NULL, TRAP_UNDEFINED, "reading SCR_EL3");
    check_traps(read_nobodys, NULL, TRAP_UNDEFINED, "reading a register that nobody has");
    check_traps(write_midr, NULL, TRAP_UNDEFINED, "writing MIDR_EL1");
    check_traps(return_from_hyp, NULL, TRAP_UNDEFINED, "HLT");
}

/* ---- Devices ---- */

void isa_hostile_targets(void (*add)(uint64_t base, uint64_t size))
{
    add(GICD_BASE, 0x10000);
    add(GICR_BASE, GICR_SIZE * 2);
    add(UART_BASE, 0x1000);
    add(0x09010000, 0x1000); /* PL031 */
    add(0x08020000, 0x1000); /* GICv2m */
    add(ECAM_BASE, 0x100000);
}

void isa_console_restore(void)
{
    mmio_write32(UART_BASE + 0x38, 0);     /* UARTIMSC */
    mmio_write32(UART_BASE + 0x2c, 0x70);  /* UARTLCR_H: eight bits, queue */
    mmio_write32(UART_BASE + 0x30, 0x301); /* UARTCR: on */
}
