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

/* ---- The physical timer (Arm ARM D11.2.4), beside the virtual one that machine.c drives ---- */

#define TIMER_ENABLE 1ULL
#define TIMER_MASK   2ULL
#define TIMER_STATUS 4ULL

static volatile unsigned physical_seen, others_seen;
static volatile uint64_t physical_at, physical_control;

static void physical_hook(enum irq_kind kind, unsigned number)
{
    (void)kind;
    if (number != PPI_PHYSICAL_TIMER) {
        others_seen++;
        return;
    }
    __asm__ volatile("isb" : : : "memory");
    physical_at = READ_SYSREG("cntpct_el0");
    physical_control = READ_SYSREG("cntp_ctl_el0");
    WRITE_SYSREG("cntp_ctl_el0", TIMER_ENABLE | TIMER_MASK);
    physical_seen++;
}

static bool physical_has_come(void *count)
{
    return physical_seen >= (uint64_t)count;
}

static uint64_t physical_now(void)
{
    __asm__ volatile("isb" : : : "memory");
    return READ_SYSREG("cntpct_el0");
}

static void physical_read_back(void)
{
    uint64_t deadline = physical_now() + 100 * ticks_hz;

    WRITE_SYSREG("cntp_ctl_el0", 0);
    WRITE_SYSREG("cntp_cval_el0", deadline);
    check_equal(READ_SYSREG("cntp_cval_el0"), deadline, "CNTP_CVAL keeps its value");
    check_equal(READ_SYSREG("cntp_tval_el0") >> 32, 0, "CNTP_TVAL has 32 bits");
    WRITE_SYSREG("cntp_ctl_el0", TIMER_ENABLE);
    check_equal(READ_SYSREG("cntp_ctl_el0"), TIMER_ENABLE, "CNTP_CTL: on, nothing due");
    WRITE_SYSREG("cntp_tval_el0", (uint64_t)-1000 & 0xffffffff);
    check(READ_SYSREG("cntp_cval_el0") + 1000 <= physical_now(),
          "a CNTP_TVAL below zero puts CNTP_CVAL into the past");
    check((int32_t)READ_SYSREG("cntp_tval_el0") <= -1000, "CNTP_TVAL goes on falling below zero");
    check_equal(READ_SYSREG("cntp_ctl_el0"), TIMER_ENABLE | TIMER_STATUS,
                "CNTP_CTL says it is due");
    WRITE_SYSREG("cntp_ctl_el0", TIMER_ENABLE | TIMER_MASK);
    check_equal(READ_SYSREG("cntp_ctl_el0"), TIMER_ENABLE | TIMER_MASK | TIMER_STATUS,
                "also while its interrupt is masked");
    check(!wait_until(physical_has_come, (void *)1, 2000000), "then there is no interrupt");
}

static void physical_interrupts(void)
{
    unsigned lost = 0, early = 0, wrong = 0;

    for (uint64_t i = 1; i <= 20; i++) {
        uint64_t deadline = physical_now() + ns_to_ticks(50000 * i);

        WRITE_SYSREG("cntp_cval_el0", deadline);
        WRITE_SYSREG("cntp_ctl_el0", TIMER_ENABLE);
        __asm__ volatile("isb" : : : "memory");
        lost += !wait_until(physical_has_come, (void *)i, 2 * NS_PER_SEC);
        early += physical_at < deadline;
        wrong += physical_control != (TIMER_ENABLE | TIMER_STATUS);
    }
    check_equal(lost, 0, "the physical timer fires");
    check_equal(early, 0, "it does not fire early");
    check_equal(wrong, 0, "CNTP_CTL says in the handler that it is due");
    wait_until(physical_has_come, (void *)21, 2000000);
    check_equal(physical_seen, 20, "20 settings fire 20 times");
    check_equal(others_seen, 0, "as its own interrupt");
}

void isa_test_timers(void)
{
    void (*hook)(enum irq_kind kind, unsigned number) = irq_hook;

    irq_hook = physical_hook;
    physical_read_back();
    physical_interrupts();
    WRITE_SYSREG("cntp_ctl_el0", 0);
    irq_hook = hook;
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
           (flags & PAGE_OLD ? 0 : PTE_ACCESSED) | (flags & PAGE_USER ? 1 << 6 : 0) |
           (flags & PAGE_EXEC ? 0 : 3ULL << 53);
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

/* ---- PAN, UAO, unprivileged accesses (Arm ARM D8.4.1.2) ---- */

#define SCTLR_SPAN  (1ULL << 23)
#define PAN         (1ULL << 22) /* PSTATE's bits, as SPSR and MRS have them */
#define UAO         (1ULL << 23)
#define DIT         (1ULL << 24)
#define READ_FAULT  0x9600000fULL /* ESR: data abort of EL1, permission, level 3 */
#define WRITE_FAULT 0x9600004fULL
#define ROUNDS      64 /* so that what was looked up once is found */

#define MSR_PAN(v) __asm__ volatile(".inst 0xd500409f | %0 << 8" : : "i"(v) : "memory")
#define MSR_UAO(v) __asm__ volatile(".inst 0xd500407f | %0 << 8" : : "i"(v) : "memory")
#define MSR_DIT(v) __asm__ volatile(".inst 0xd503405f | %0 << 8" : : "i"(v) : "memory")
#define READ_PAN() READ_SYSREG("S3_0_C4_C2_3")
#define READ_UAO() READ_SYSREG("S3_0_C4_C2_4")
#define READ_DIT() READ_SYSREG("S3_3_C4_C2_5")

static uint64_t id_field(uint64_t id, unsigned shift)
{
    return id >> shift & 0xf;
}

static uint64_t loaded;

/* `value` is stored, or becomes what is loaded; `arg`: where. */
#define OFTEN(name, text)                                                            \
    static void name(void *arg)                                                      \
    {                                                                                \
        uint64_t value = 0x8877665544332211;                                         \
                                                                                     \
        for (unsigned i = 0; i < ROUNDS; i++)                                        \
            __asm__ volatile(text : "+r"(value) : "r"(arg) : "x9", "x10", "memory"); \
        loaded = value;                                                              \
    }
OFTEN(ldr_often, "ldr %0, [%1]")
OFTEN(str_often, "str %0, [%1]")
OFTEN(ldtr_often, "ldtr %0, [%1]")
OFTEN(sttr_often, "sttr %0, [%1]")
OFTEN(ldtrsb_often, "ldtrsb %w0, [%1, #7]")
OFTEN(ldtrsw_often, "ldtrsw %0, [%1, #4]")
OFTEN(sttrb_often, "sttrb %w0, [%1, #3]")
OFTEN(
    pair_often,
    "ldtr x9, [%1]\n\tldtr x10, [%1, #8]\n\teor %0, x9, x10\n\tsttr x9, [%1, #8]\n\tsttr x10, [%1]")
OFTEN(
    both_often,
    "ldr x9, [%1]\n\tldtr x10, [%1, #8]\n\tstr x10, [%1]\n\tsttr x9, [%1, #8]\n\tldr %0, [%1, #8]")
OFTEN(ldxr_often, "ldxr %0, [%1]\n\tclrex")
OFTEN(zva, "dc zva, %1")
OFTEN(clean, "dc cvac, %1\n\tdc civac, %1\n\tdc cvau, %1\n\tic ivau, %1")
OFTEN(clean_persistent, "sys #3, c7, c12, #1, %1")

static void check_fault(void (*fn)(void *arg), uint64_t va, uint64_t esr, const char *what)
{
    struct trap t;
    bool ran = trap_try(fn, (void *)va, &t);

    check(!ran && t.cause == esr && t.address == va, "%s faults # %s, ESR 0x%llx, FAR 0x%llx", what,
          ran ? "it ran" : "it trapped", (unsigned long long)t.cause,
          (unsigned long long)t.address);
}

static void with_pan(uint64_t user, uint64_t kernel, volatile uint64_t *memory)
{
    MSR_PAN(1);
    check_equal(READ_PAN(), PAN, "PSTATE.PAN is set");
    check_fault(ldr_often, user, READ_FAULT, "with PAN LDR of a user's page");
    check_fault(str_often, user + 8, WRITE_FAULT, "with PAN STR to it");
    check_runs(sttr_often, (void *)user, "with PAN STTR to it");
    check_equal(*memory, 0x8877665544332211, "what STTR stored is there");
    check_runs(ldtr_often, (void *)user, "with PAN LDTR of it");
    check_equal(loaded, 0x8877665544332211, "LDTR loads it");
    check_runs(ldtrsb_often, (void *)user, "LDTRSB of it");
    check_equal(loaded, 0xffffff88, "LDTRSB extends the sign");
    check_runs(ldtrsw_often, (void *)user, "LDTRSW of it");
    check_equal(loaded, 0xffffffff88776655, "LDTRSW extends the sign");
    check_runs(sttrb_often, (void *)user, "STTRB to it");
    check_equal(*memory, 0x8877665511332211, "STTRB stores a byte");
    memory[1] = 0x1111;
    check_runs(pair_often, (void *)user, "pairs of them");
    check_equal(memory[1], 0x1111, "an even number of exchanges changes nothing");
    check_equal(loaded, 0x8877665511333300, "both are loaded");
    check_fault(ldr_often, user, READ_FAULT, "afterwards LDR of the user's page");
    check_fault(str_often, user + 16, WRITE_FAULT, "and STR to it");
    check_fault(ldxr_often, user, READ_FAULT, "LDXR of it");
    check_runs(str_often, (void *)kernel, "with PAN STR to the kernel's page");
    check_fault(ldtr_often, kernel, READ_FAULT, "with PAN LDTR of the kernel's page");
    check_fault(sttr_often, kernel, WRITE_FAULT, "with PAN STTR to it");
    check_runs(ldr_often, (void *)kernel, "LDR of it after that");
    check_runs(ldtr_often, (void *)(kernel + 0x1000), "LDTR of a read-only user's page");
    check_fault(sttr_often, kernel + 0x1000, WRITE_FAULT, "STTR to it");
    check_runs(clean, (void *)user, "cache maintenance of the user's page");
    check_fault(zva, user, WRITE_FAULT, "DC ZVA of it");
}

static void without_pan(uint64_t user, uint64_t kernel, volatile uint64_t *memory)
{
    WRITE_SYSREG("S3_0_C4_C2_3", 0);
    check_equal(READ_PAN(), 0, "PSTATE.PAN is clear");
    check_runs(ldr_often, (void *)user, "without PAN LDR of a user's page");
    check_runs(str_often, (void *)user, "STR to it");
    check_runs(ldtr_often, (void *)user, "LDTR of it");
    memory[0] = 1;
    memory[1] = 2;
    check_runs(both_often, (void *)user, "both kinds by turns");
    check(memory[0] == 1 && memory[1] == 2 && loaded == 2, "an even number of exchanges");
    check_runs(str_often, (void *)kernel, "STR to the kernel's page");
    check_fault(ldtr_often, kernel, READ_FAULT, "without PAN LDTR of the kernel's page");
    check_fault(sttr_often, kernel, WRITE_FAULT, "without PAN STTR to it");
    check_runs(zva, (void *)user, "DC ZVA of the user's page");
    check_equal(memory[0], 0, "it is zero");
}

static void access_override(uint64_t user, uint64_t kernel)
{
    if (!id_field(READ_SYSREG("S3_0_C0_C7_2"), 4)) {
        skip("UAO", "this CPU has none");
        return;
    }
    MSR_UAO(1);
    check_equal(READ_UAO(), UAO, "PSTATE.UAO is set");
    check_runs(ldtr_often, (void *)kernel, "with UAO LDTR of the kernel's page");
    MSR_UAO(1); /* the trap's handler has none */
    check_runs(sttr_often, (void *)kernel, "with UAO STTR to it");
    MSR_PAN(1);
    check_fault(ldtr_often, user, READ_FAULT, "with UAO and PAN LDTR of the user's page");
    check_equal(READ_UAO(), 0, "an exception clears UAO");
    check_equal(READ_SYSREG("spsr_el1") & (PAN | UAO), PAN | UAO, "SPSR has what both were");
    check_runs(ldtr_often, (void *)user, "LDTR of it after that");
    WRITE_SYSREG("S3_0_C4_C2_4", UAO);
    check_equal(READ_UAO(), UAO, "UAO is set by MSR");
    WRITE_SYSREG("S3_0_C4_C2_4", 0);
    check_fault(ldtr_often, kernel, READ_FAULT, "without UAO LDTR of the kernel's page");
}

static void trap_now(void *unused)
{
    (void)unused;
    undefined_instruction();
}

static void eret_with(uint64_t bits)
{
    uint64_t spsr = 0x3c5 | bits, at;

    __asm__ volatile("adr %0, 1f\n\tmsr elr_el1, %0\n\tmsr spsr_el1, %1\n\teret\n1:"
                     : "=&r"(at)
                     : "r"(spsr)
                     : "memory", "cc");
}

/* SCTLR_EL1.SPAN: is PAN left alone on the way into EL1? */
static void exception_entry(uint64_t user)
{
    uint64_t sctlr = READ_SYSREG("sctlr_el1");
    struct trap t;

    WRITE_SYSREG("sctlr_el1", sctlr & ~SCTLR_SPAN);
    __asm__ volatile("isb");
    MSR_PAN(0);
    (void)trap_try(trap_now, NULL, &t);
    check_equal(READ_PAN(), PAN, "an exception sets PAN where SPAN is clear");
    check_equal(READ_SYSREG("spsr_el1") & PAN, 0, "SPSR has that it was clear");
    check_fault(ldr_often, user, READ_FAULT, "LDR of the user's page in the handler");
    WRITE_SYSREG("sctlr_el1", sctlr | SCTLR_SPAN);
    __asm__ volatile("isb");
    MSR_PAN(0);
    (void)trap_try(trap_now, NULL, &t);
    check_equal(READ_PAN(), 0, "an exception leaves PAN clear where SPAN is set");
    MSR_PAN(1);
    (void)trap_try(trap_now, NULL, &t);
    check_equal(READ_PAN(), PAN, "and set");
    check_equal(READ_SYSREG("spsr_el1") & PAN, PAN, "SPSR has that it was set");
    eret_with(0);
    check_equal(READ_PAN(), 0, "ERET clears PAN");
    check_runs(ldr_often, (void *)user, "LDR of the user's page after it");
    eret_with(PAN);
    check_equal(READ_PAN(), PAN, "ERET sets PAN");
    check_fault(ldr_often, user, READ_FAULT, "LDR of the user's page after that");
    WRITE_SYSREG("sctlr_el1", sctlr);
    __asm__ volatile("isb");
}

static uint64_t par(void)
{
    __asm__ volatile("isb" : : : "memory");
    return READ_SYSREG("par_el1") & 0x7f; /* F and the fault status */
}

/* AT S1E1RP and S1E1WP honour PAN, S1E1R and S1E0R do not. */
static void address_translation(uint64_t user)
{
    if (id_field(READ_SYSREG("S3_0_C0_C7_1"), 20) < 2) {
        skip("AT with PAN", "this CPU has none");
        return;
    }
    MSR_PAN(1);
    __asm__ volatile("at s1e1r, %0" : : "r"(user) : "memory");
    check_equal(par(), 0, "AT S1E1R does not heed PAN");
    __asm__ volatile("sys #0, c7, c9, #0, %0" : : "r"(user) : "memory");
    check_equal(par(), 1 | 0xf << 1, "AT S1E1RP finds that PAN forbids it");
    __asm__ volatile("sys #0, c7, c9, #1, %0" : : "r"(user) : "memory");
    check_equal(par(), 1 | 0xf << 1, "AT S1E1WP does, too");
    __asm__ volatile("at s1e0w, %0" : : "r"(user) : "memory");
    check_equal(par(), 0, "AT S1E0W asks for EL0");
    MSR_PAN(0);
    __asm__ volatile("sys #0, c7, c9, #1, %0" : : "r"(user) : "memory");
    check_equal(par(), 0, "without PAN AT S1E1WP finds it allowed");
}

static void timing_and_persistence(uint64_t user)
{
    if (id_field(READ_SYSREG("S3_0_C0_C4_0"), 48)) {
        MSR_DIT(1);
        check_equal(READ_DIT(), DIT, "PSTATE.DIT is set");
        WRITE_SYSREG("S3_3_C4_C2_5", 0);
        check_equal(READ_DIT(), 0, "PSTATE.DIT is clear");
    }
    if (!id_field(READ_SYSREG("S3_0_C0_C6_1"), 0))
        return;
    check_runs(clean_persistent, (void *)user, "DC CVAP of the user's page");
    check_traps(clean_persistent, (void *)(user + 0x3000), TRAP_PAGE, "DC CVAP of no page");
}

void isa_test_user_pages(uint64_t va, uint64_t memory)
{
    if (!id_field(READ_SYSREG("S3_0_C0_C7_1"), 20)) {
        skip("PAN", "this CPU has none");
        return;
    }
    for (unsigned round = 0; round < 2; round++) {
        with_pan(va, va + 0x1000, (volatile uint64_t *)memory);
        without_pan(va, va + 0x1000, (volatile uint64_t *)memory);
    }
    access_override(va, va + 0x1000);
    exception_entry(va);
    address_translation(va);
    MSR_PAN(0);
    timing_and_persistence(va);
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
