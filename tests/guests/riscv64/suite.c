/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What only riscv64 has: SBI, CSRs, forms of loads and stores, page table entries. */
#include "tests/guests/suite.h"

#define SBI_BASE          0x10UL
#define SBI_TIME          0x54494d45UL
#define SBI_HSM           0x48534dUL
#define NOT_SUPPORTED     (-2)
#define INVALID           (-3)
#define ALREADY_AVAILABLE (-6)

static uint64_t sbi_value(uint64_t extension, uint64_t function, uint64_t a)
{
    register uint64_t a0 __asm__("a0") = a;
    register uint64_t a1 __asm__("a1") = 0;
    register uint64_t a6 __asm__("a6") = function;
    register uint64_t a7 __asm__("a7") = extension;

    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
    return a1;
}

void isa_test_exits(void)
{
    check_equal(sbi_value(SBI_BASE, 0, 0), 0x2000000, "SBI is version 2.0");
    check(sbi_value(SBI_BASE, 3, SBI_TIME) != 0, "SBI has the timer extension");
    check_equal(sbi_value(SBI_BASE, 3, 0x777777), 0, "and not one that nobody knows");
    check_equal((uint64_t)sbi_call(0x777777, 0, 0, 0, 0), (uint64_t)NOT_SUPPORTED,
                "an unknown call is not supported");
    check_equal((uint64_t)sbi_call(SBI_HSM, 0, 1000, RAM_BASE, 0), (uint64_t)INVALID,
                "a hart that does not exist is not started");
    check_equal((uint64_t)sbi_call(SBI_HSM, 0, boot_hart, RAM_BASE + 0x200000, 0),
                (uint64_t)ALREADY_AVAILABLE, "a hart that runs is not started again");
}

/* ---- Loads and stores of device registers ---- */

#define LOAD_THROUGH(n)                                                        \
    do {                                                                       \
        uint64_t value;                                                        \
        __asm__ volatile("li x" #n ", -1\n\tlwu x" #n ", 0(%1)\n\tmv %0, x" #n \
                         : "=r"(value)                                         \
                         : "r"(PRIORITY)                                       \
                         : "x" #n, "memory");                                  \
        bad += value != expected;                                              \
    } while (0)

/* The priority of source 11, which nobody uses: three bits. */
#define PRIORITY (PLIC_BASE + 4 * 11)

static void every_register(uint64_t expected)
{
    unsigned bad = 0;

    LOAD_THROUGH(5);
    LOAD_THROUGH(6);
    LOAD_THROUGH(7);
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
    LOAD_THROUGH(29);
    LOAD_THROUGH(30);
    LOAD_THROUGH(31);
    check_equal(bad, 0, "a register is read into each general register");
}

void isa_test_mmio(void)
{
    uint64_t a;

    mmio_write32(PRIORITY, 5);
    every_register(5);
    __asm__ volatile("lw %0, 0(%1)" : "=r"(a) : "r"(PRIORITY) : "memory");
    check_equal(a, 5, "LW reads it");
    __asm__ volatile(
        "mv a4, %1\n\t.option push\n\t.option arch, +c\n\tc.lw a5, 0(a4)\n\t.option pop\n\t"
        "mv %0, a5"
        : "=r"(a)
        : "r"(PRIORITY)
        : "a4", "a5", "memory");
    check_equal(a, 5, "C.LW reads it");
    __asm__ volatile(
        "mv a4, %0\n\tli a5, 3\n\t.option push\n\t.option arch, +c\n\tc.sw a5, 0(a4)\n\t.option pop"
        :
        : "r"(PRIORITY)
        : "a4", "a5", "memory");
    check_equal(mmio_read32(PRIORITY), 3, "C.SW writes it");
    __asm__ volatile("sw zero, 0(%0)" : : "r"(PRIORITY) : "memory");
    check_equal(mmio_read32(PRIORITY), 0, "the zero register is stored");
    mmio_write8(UART_BASE + 7, 0xa5);
    check_equal(mmio_read8(UART_BASE + 7), 0xa5, "a byte register keeps its value");
    __asm__ volatile("lb %0, 7(%1)" : "=r"(a) : "r"(UART_BASE) : "memory");
    check_equal(a, 0xffffffffffffffa5, "LB extends the sign");
}

/* ---- Page tables ---- */

uint64_t pte_leaf(uint64_t pa, unsigned shift, unsigned flags)
{
    (void)shift;
    return pa >> 2 | 3 | (flags & PAGE_WRITE ? 4 : 0) | (flags & PAGE_EXEC ? 8 : 0) |
           (flags & PAGE_OLD ? 0 : 0xc0) | (flags & PAGE_USER ? 0x10 : 0);
}

uint64_t pte_table(uint64_t pa)
{
    return pa >> 2 | 1;
}

uint64_t pte_address(uint64_t pte)
{
    return pte >> 10 << 12 & 0x00fffffffffff000ULL;
}

uint64_t *page_root(void)
{
    extern uint64_t page_table[];

    return page_table;
}

void tlb_flush(void)
{
    __asm__ volatile("sfence.vma" : : : "memory");
}

void instructions_changed(void)
{
    __asm__ volatile("fence.i" : : : "memory");
}

bool page_exec_works(void)
{
    return true;
}

bool page_gigabytes(void)
{
    return true;
}

const uint8_t return_code[4] = {0x67, 0x80, 0x00, 0x00};

void isa_code_returns(uint8_t *at, unsigned value)
{
    const uint32_t code[] = {0x00000513 | value << 20 /* li a0, value */, 0x00008067 /* ret */};

    memcpy(at, code, sizeof(code));
}

void isa_code_calls(uint8_t *at, unsigned value)
{
    const uint32_t code[] = {
        0xff010113,               /* addi sp, sp, -16 */
        0x00113423,               /* sd ra, 8(sp) */
        0x000500e7,               /* jalr a0 */
        0x00000513 | value << 20, /* li a0, value */
        0x00813083,               /* ld ra, 8(sp) */
        0x01010113,               /* addi sp, sp, 16 */
        0x00008067,               /* ret */
    };

    memcpy(at, code, sizeof(code));
}

/* sstatus.SUM (privileged architecture, 12.1.1.2): may the supervisor load and store there? */
#define SSTATUS_SUM     (1UL << 18)
#define LOAD_FAULT      13
#define STORE_FAULT     15
#define ROUNDS          64 /* so that what was looked up once is found */
#define CSR_SUM(change) __asm__ volatile(change " sstatus, %0" : : "r"(SSTATUS_SUM) : "memory")

static void load_often(void *arg)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        (void)*(volatile uint64_t *)arg;
}

static void store_often(void *arg)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        *(volatile uint64_t *)arg = i;
}

static void add_atomically(void *arg)
{
    __asm__ volatile("amoadd.d zero, zero, (%0)" : : "r"(arg) : "memory");
}

static void check_fault(void (*fn)(void *arg), uint64_t va, uint64_t cause, const char *what)
{
    struct trap t;

    check(!trap_try(fn, (void *)va, &t) && t.cause == cause && t.address == va,
          "%s is a page fault # cause %llu at 0x%llx", what, (unsigned long long)t.cause,
          (unsigned long long)t.address);
}

void isa_test_user_pages(uint64_t va, uint64_t memory)
{
    CSR_SUM("csrc");
    for (unsigned round = 0; round < 2; round++) {
        check_fault(load_often, va, LOAD_FAULT, "without SUM a load from a user's page");
        check_fault(store_often, va + 8, STORE_FAULT, "a store to it");
        check_fault(add_atomically, va + 16, STORE_FAULT, "an atomic operation on it");
        check_runs(store_often, (void *)(va + 0x1000), "a store to the supervisor's page");
        CSR_SUM("csrs");
        check_runs(load_often, (void *)va, "with SUM a load from a user's page");
        check_runs(store_often, (void *)va, "with SUM a store to it");
        check_equal(*(volatile uint64_t *)memory, ROUNDS - 1, "what was stored is there");
        check_fault(store_often, va + 0x2000, STORE_FAULT, "with SUM a store to a read-only one");
        CSR_SUM("csrc");
    }
}

/* SBI's timer, or stimecmp, is all that there is: suite.c tests it. */
void isa_test_timers(void)
{
}

/* ---- What is not allowed ---- */

#define ACCESS(name, text)         \
    static void name(void *unused) \
    {                              \
        (void)unused;              \
        __asm__ volatile(text);    \
    }
ACCESS(read_mstatus, "csrr t0, 0x300" ::: "t0")
ACCESS(read_hstatus, "csrr t0, 0x600" ::: "t0")
ACCESS(read_vsstatus, "csrr t0, 0x200" ::: "t0")
ACCESS(read_nobodys, "csrr t0, 0x5c0" ::: "t0")
ACCESS(write_cycle, "csrw 0xc00, zero")
ACCESS(machine_return, ".word 0x30200073")
ACCESS(hypervisor_load, ".word 0x6c0542f3" ::: "t0")
ACCESS(hypervisor_fence, ".word 0x62000073")

void isa_test_illegal(void)
{
    check_traps(read_mstatus, NULL, TRAP_UNDEFINED, "reading mstatus");
    check_traps(read_hstatus, NULL, TRAP_UNDEFINED, "reading hstatus");
    check_traps(read_vsstatus, NULL, TRAP_UNDEFINED, "reading vsstatus");
    check_traps(read_nobodys, NULL, TRAP_UNDEFINED, "reading a CSR that nobody has");
    check_traps(write_cycle, NULL, TRAP_UNDEFINED, "writing a read-only CSR");
    check_traps(machine_return, NULL, TRAP_UNDEFINED, "MRET");
    check_traps(hypervisor_load, NULL, TRAP_UNDEFINED, "HLV.D");
    check_traps(hypervisor_fence, NULL, TRAP_UNDEFINED, "HFENCE.GVMA");
}

/* ---- Devices ---- */

void isa_hostile_targets(void (*add)(uint64_t base, uint64_t size))
{
    add(PLIC_BASE, 0x4000);
    add(PLIC_BASE + 0x200000, 0x4000);
    add(UART_BASE, 0x100);
    add(0x00101000, 0x1000); /* goldfish RTC */
    add(ECAM_BASE, 0x100000);
}

void isa_console_restore(void)
{
    mmio_write8(UART_BASE + 3, 3); /* LCR: eight bits, no divisor latch */
    mmio_write8(UART_BASE + 1, 0); /* IER */
    mmio_write8(UART_BASE + 4, 0); /* MCR: no loop */
}
