/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A debugger of x86_64: INT3, debug registers, RFLAGS.TF (SDM vol. 3, chapter 18). */
#include "tests/guests/suite.h"

#define VECTOR_DB 1
#define VECTOR_BP 3
#define RFLAGS_TF 0x100ULL
#define RFLAGS_RF 0x10000ULL
#define DR6_CLEAR 0xffff0ff0ULL
#define DR6_HITS  0xfULL
#define DR6_CAUSE 0xe00fULL
#define DR6_STEP  0x4000ULL
#define DR7_CLEAR 0x400ULL
/* Of DR7, for register n: enabled; executed, stored, loaded or stored; 8 bytes. */
#define DR7_ON(n)     (2ULL << 2 * (n))
#define DR7_STORE(n)  (1ULL << (16 + 4 * (n)))
#define DR7_ACCESS(n) (3ULL << (16 + 4 * (n)))
#define DR7_8(n)      (2ULL << (18 + 4 * (n)))

#define WRITE_DR(n, value) __asm__ volatile("mov %0, %%dr" #n : : "r"((uint64_t)(value)) : "memory")
#define READ_DR(n)                                             \
    ({                                                         \
        uint64_t value_;                                       \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(value_)); \
        value_;                                                \
    })

/* steps.S */
void step_exits(uint64_t registers);
void step_string(const void *registers, uint32_t *to);
void step_call(bool vmcall);
void step_halt(void);
void break_here(void);
void int3_here(void);
void watch_here(uint64_t *watched);
extern const char break_first[], break_second[], int3_after[], watch_stored[], watch_loaded[];
extern const uint64_t step_exits_places[], step_exits_end[], step_string_places[],
    step_string_end[], vmmcall_places[], vmcall_places[], vmcall_end[], step_halt_places[],
    step_halt_end[], step_stops[], step_stops_end[];

/* What a #DB is noted as: DR6's part of the cause above the vector. */
static uint64_t cause(uint64_t dr6)
{
    return (dr6 & DR6_CAUSE) << 8 | VECTOR_DB;
}

bool isa_debug_trap(const struct trap *t, struct trap_frame *f)
{
    uint64_t dr6;

    if (t->cause == VECTOR_BP) {
        debug_record(f->pc, VECTOR_BP);
        return true;
    }
    if (t->cause != VECTOR_DB)
        return false;
    dr6 = READ_DR(6);
    WRITE_DR(6, DR6_CLEAR);
    debug_record(f->pc, cause(dr6));
    if (dr6 & DR6_HITS)
        f->flags |= RFLAGS_RF;
    for (const uint64_t *stop = step_stops; stop < step_stops_end; stop++)
        if (f->pc == *stop)
            f->flags &= ~RFLAGS_TF;
    return true;
}

static void steps(void)
{
    uint32_t copied[2] = {0};

    step_exits(IOAPIC_BASE);
    check_places(step_exits_places, step_exits_end, cause(DR6_STEP),
                 "each of 14 instructions is stepped over, whoever carries it out");
    /* QEMU's CPU traps once more at the end of REP (SDM vol. 3, 18.3.1.4: after each turn), and
     * sleeps on at HLT (SDM vol. 2: a debug exception ends it). */
    if (!hypervised())
        return;
    step_string((const void *)ECAM_BASE, copied);
    check_places(step_string_places, step_string_end, cause(DR6_STEP),
                 "REP MOVS from a device is stepped through turn by turn");
    check(copied[0] == HOST_BRIDGE_ID && copied[1] == mmio_read32(ECAM_BASE + 4),
          "and copies what is there");
    step_call(hypercall_is_vmcall);
    check_places(hypercall_is_vmcall ? vmcall_places : vmmcall_places,
                 hypercall_is_vmcall ? vmcall_end : vmcall_places, cause(DR6_STEP),
                 "a hypercall is stepped over");
    step_halt();
    check_places(step_halt_places, step_halt_end, cause(DR6_STEP),
                 "the single-step trap ends HLT with interrupts masked");
}

static void breakpoints(void)
{
    struct debug_hit expected[] = {{(uint64_t)break_first, cause(1)},
                                   {(uint64_t)break_second, cause(2)}};
    struct debug_hit after = {(uint64_t)int3_after, VECTOR_BP};

    int3_here();
    check_hits(&after, 1, "INT3 traps behind itself");
    WRITE_DR(0, break_first);
    WRITE_DR(1, break_second);
    WRITE_DR(7, DR7_CLEAR | DR7_ON(0) | DR7_ON(1));
    break_here();
    check_hits(expected, 2, "breakpoints at CPUID and at the instruction after it");
    for (unsigned i = 0; i < 3; i++)
        break_here();
    WRITE_DR(7, DR7_CLEAR | DR7_ON(1));
    debug_forget();
    break_here();
    check_hits(expected + 1, 1, "one that was disabled is not seen");
    WRITE_DR(7, DR7_CLEAR);
    break_here();
    check_hits(NULL, 0, "nor is any when all are");
    check(READ_DR(0) == (uint64_t)break_first && READ_DR(1) == (uint64_t)break_second,
          "their addresses are kept");
}

static void watchpoints(void)
{
    static uint64_t watched[2];
    struct debug_hit stored = {(uint64_t)watch_stored, cause(4)};
    struct debug_hit both[] = {stored, {(uint64_t)watch_loaded, cause(4)}};

    WRITE_DR(2, watched);
    WRITE_DR(7, DR7_CLEAR | DR7_ON(2) | DR7_STORE(2) | DR7_8(2));
    watch_here(watched);
    check_hits(&stored, 1, "a watchpoint of stores traps behind the store");
    WRITE_DR(7, DR7_CLEAR | DR7_ON(2) | DR7_ACCESS(2) | DR7_8(2));
    watch_here(watched);
    check_hits(both, 2, "one of accesses behind the load, too");
    watch_here(watched + 1);
    check_hits(NULL, 0, "its neighbour is not watched");
    WRITE_DR(7, DR7_CLEAR);
}

void isa_test_debug(void)
{
    WRITE_DR(6, DR6_CLEAR);
    breakpoints();
    watchpoints();
    steps();
}
