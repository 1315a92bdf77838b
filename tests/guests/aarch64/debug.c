/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A debugger of aarch64: BRK, breakpoints, watchpoints and software steps of EL1 by itself (Arm ARM
 * D2.8 to D2.12). */
#include "tests/guests/suite.h"

#define CLASS_BREAKPOINT 0x31ULL /* of the same level */
#define CLASS_STEP       0x33ULL
#define CLASS_WATCHPOINT 0x35ULL
#define CLASS_BRK        0x3cULL
#define CLASS(esr)       ((esr) >> 26)
#define BRK_COMMENT      0x77ULL

#define MDSCR_SS  (1ULL << 0)
#define MDSCR_KDE (1ULL << 13)
#define MDSCR_MDE (1ULL << 15)
#define SPSR_SS   (1ULL << 21)
#define SPSR_D    (1ULL << 9)
/* DBGBCR and DBGWCR: enabled, at EL1; all bytes; stores, or stores and loads */
#define POINT_ON   0x3ULL
#define BCR_BYTES  (0xfULL << 5)
#define WCR_BYTES  (0xffULL << 5)
#define WCR_STORES (2ULL << 3)
#define WCR_ACCESS (3ULL << 3)

#define ISB()       __asm__ volatile("isb" : : : "memory")
#define DEBUG_ON()  __asm__ volatile("msr daifclr, #8" : : : "memory")
#define DEBUG_OFF() __asm__ volatile("msr daifset, #8" : : : "memory")

/* steps.S */
void step_exits(uint64_t reg);
void step_smc(void);
void brk_here(void);
void break_here(void);
void watch_here(uint64_t *watched);
extern const char break_first[], break_second[], watch_store[], watch_load[], step_exits_stop[],
    step_smc_stop[];
extern const uint64_t step_exits_places[], step_exits_end[], step_smc_places[], step_smc_end[];
static uint64_t watched[2];

/* A breakpoint or watchpoint is seen once: it is switched off, so that its instruction can go on.
 */
bool isa_debug_trap(const struct trap *t, struct trap_frame *f)
{
    switch (CLASS(t->cause)) {
    case CLASS_BRK:
        debug_record(f->pc, CLASS_BRK << 16 | (t->cause & 0xffff));
        f->pc += 4;
        return true;
    case CLASS_BREAKPOINT:
        debug_record(f->pc, CLASS_BREAKPOINT);
        if (f->pc == (uint64_t)break_first)
            WRITE_SYSREG("dbgbcr0_el1", 0);
        else
            WRITE_SYSREG("dbgbcr1_el1", 0);
        ISB();
        return true;
    case CLASS_WATCHPOINT:
        debug_record(f->pc, CLASS_WATCHPOINT | (t->address - (uint64_t)watched) << 8);
        WRITE_SYSREG("dbgwcr0_el1", 0);
        ISB();
        return true;
    case CLASS_STEP:
        debug_record(f->pc, CLASS_STEP);
        if (f->pc == (uint64_t)step_exits_stop || f->pc == (uint64_t)step_smc_stop)
            f->flags |= SPSR_D;
        else
            f->flags |= SPSR_SS;
        return true;
    default:
        return false;
    }
}

static void breakpoints(void)
{
    struct debug_hit brk = {(uint64_t)brk_here, CLASS_BRK << 16 | BRK_COMMENT};
    struct debug_hit both[] = {{(uint64_t)break_first, CLASS_BREAKPOINT},
                               {(uint64_t)break_second, CLASS_BREAKPOINT}};

    brk_here();
    check_hits(&brk, 1, "BRK traps at itself and tells its number");
    WRITE_SYSREG("dbgbvr0_el1", (uint64_t)break_first);
    WRITE_SYSREG("dbgbvr1_el1", (uint64_t)break_second);
    WRITE_SYSREG("dbgbcr0_el1", POINT_ON | BCR_BYTES);
    WRITE_SYSREG("dbgbcr1_el1", POINT_ON | BCR_BYTES);
    ISB();
    break_here();
    check_hits(NULL, 0, "no breakpoint is seen while PSTATE.D masks them");
    DEBUG_ON();
    break_here();
    check_hits(both, 2, "breakpoints at a read of an ID register and at the instruction after it");
    break_here();
    check_hits(NULL, 0, "those that were disabled are not seen");
    check_equal(READ_SYSREG("dbgbvr1_el1"), (uint64_t)break_second, "their addresses are kept");
}

static void watch(uint64_t kind)
{
    WRITE_SYSREG("dbgwcr0_el1", POINT_ON | WCR_BYTES | kind);
    ISB();
}

static void watchpoints(void)
{
    struct debug_hit store = {(uint64_t)watch_store, CLASS_WATCHPOINT};

    WRITE_SYSREG("dbgwvr0_el1", (uint64_t)watched);
    watch(WCR_STORES);
    watch_here(watched);
    check_hits(&store, 1, "a watchpoint of stores traps at the store and tells its address");
    check_equal(watched[0], (uint64_t)watched, "the store is carried out after it");
    watch(WCR_ACCESS);
    watch_here(watched + 1);
    check_hits(NULL, 0, "its neighbour is not watched");
    watch(WCR_ACCESS & ~WCR_STORES);
    watch_here(watched);
    store.pc = (uint64_t)watch_load;
    check_hits(&store, 1, "one of loads traps at the load");
}

static bool smc_works(void)
{
    struct trap t;

    return trap_try((void (*)(void *))step_smc, NULL, &t);
}

static void pending_taken(enum irq_kind kind, unsigned number)
{
    (void)kind, (void)number;
}

static void steps(void)
{
    void (*hook)(enum irq_kind kind, unsigned number) = irq_hook;
    bool smc;

    irq_hook = pending_taken;
    DEBUG_OFF();
    smc = smc_works(); /* not where there is no EL3 and nobody to trap it */
    DEBUG_OFF();
    if (smc) {
        WRITE_SYSREG("mdscr_el1", MDSCR_KDE | MDSCR_SS);
        ISB();
        debug_forget();
        step_smc();
        check_places(step_smc_places, step_smc_end, CLASS_STEP, "SMC is stepped over");
        DEBUG_OFF();
    }
    ipi_send(0); /* ends WFI */
    WRITE_SYSREG("mdscr_el1", MDSCR_KDE | MDSCR_SS);
    ISB();
    step_exits(MMIO_PROBE);
    WRITE_SYSREG("mdscr_el1", 0);
    ISB();
    check_places(step_exits_places, step_exits_end, CLASS_STEP,
                 "each of ten instructions is stepped over, whoever carries it out");
    irq_enable();
    irq_disable();
    irq_hook = hook;
}

void isa_test_debug(void)
{
    WRITE_SYSREG("oslar_el1", 0);
    WRITE_SYSREG("mdscr_el1", MDSCR_KDE | MDSCR_MDE);
    ISB();
    breakpoints();
    watchpoints();
    steps();
}
