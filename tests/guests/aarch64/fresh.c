/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What an aarch64 guest finds that was started as Linux is (Documentation/arch/arm64/booting.rst:
 * x0 is the device tree's address, x1 to x3 are 0, interrupts are masked, MMU off); all else is 0.
 * Then every encoding of MRS. */
#include "tests/guests/fresh.h"

#include <stdio.h>

#include "tests/guests/suite.h"

extern uint64_t boot_registers[46];

#define SP          31
#define NAMED       32
#define WITHOUT_SVE 98 /* words of struct register_file's out[] */
#define EL1         4UL
#define DAIF_ALL    0x3c0UL
#define SPSEL_SP1   1UL
#define SCTLR_RES1  0x30d00980UL                        /* D19.2.130: at reset, without AArch32 */
#define CPACR_ALL   (3UL << 24 | 3UL << 20 | 3UL << 16) /* SME, FP, SVE: nothing traps to EL1 */

static const struct {
    const char *name;
    uint64_t value;
} named[] = {
    {"currentel", EL1}, {"daif", DAIF_ALL}, {"spsel", SPSEL_SP1}, {"sctlr_el1", SCTLR_RES1},
    {"cpacr_el1", 0},   {"ttbr0_el1", 0},   {"tcr_el1", 0},       {"mair_el1", 0},
    {"vbar_el1", 0},    {"tpidr_el1", 0},   {"esr_el1", 0},       {"far_el1", 0},
    {"elr_el1", 0},     {"spsr_el1", 0},
};

static void vectors(void)
{
    static struct register_file file;
    char name[16];

    for (unsigned i = 0; i < REGISTER_COUNT; i++)
        file.in[i] = 0;
    file.in[REGISTER_COUNT - 1] = ANY_VALUE; /* the longest vectors */
    registers_prepare(&file);
    registers_store(&file);
    for (unsigned i = 32; i < (file.vector ? REGISTER_COUNT - 1 : WITHOUT_SVE); i++) {
        register_name(i, name, sizeof(name));
        fresh_expect(file.out[i], 0, "%s", name);
    }
}

void fresh_registers(void)
{
    vectors();
    fresh_expect(boot_registers[0] >= RAM_BASE, true, "x0 in RAM");
    for (unsigned i = 1; i <= SP; i++)
        fresh_expect(boot_registers[i], 0, i == SP ? "sp" : "x%u", i);
    for (unsigned i = 0; i < ARRAY_SIZE(named); i++)
        fresh_expect(boot_registers[NAMED + i], named[i].value, "%s", named[i].name);
    WRITE_SYSREG("cpacr_el1", CPACR_ALL);
    __asm__ volatile("isb");
}

/* ---- Registers by op0, op1, CRn, CRm, op2 (C5.1.2): one function for each ---- */

#define MRS_X0    0xd5200000u
#define RET       0xd65f03c0u
#define OP0_FIRST 2u
#define NUMBER(op0, op1, crn, crm, op2) \
    ((uint32_t)(op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define ENCODINGS 0x10000u

const struct fresh_range fresh_ranges[] = {{NUMBER(2, 0, 0, 0, 0), ENCODINGS - 1}};
const unsigned fresh_range_count = ARRAY_SIZE(fresh_ranges);

#define ONE(op0, op1, crn, crm, op2, value, ignored)                                     \
    {                                                                                    \
        NUMBER(op0, op1, crn, crm, op2), NUMBER(op0, op1, crn, crm, op2), value, ignored \
    }
#define ROW(op0, op1, crn, crm, first, last)                                      \
    {                                                                             \
        NUMBER(op0, op1, crn, crm, first), NUMBER(op0, op1, crn, crm, last), 0, 0 \
    }
#define FIELDS(high, low) ((~0ULL >> (63 - (high))) & (~0ULL << (low)))
#define POINT(n)          ROW(2, 0, 0, n, 4, 7)
/* As entry.S and machine.c have written it, or an exception of this sweep; else checked above. */
#define OWN ANY_VALUE
/* The host's, for all to know: caches, clock rate, processor. */
#define HOST ANY_VALUE
#define TIME ANY_VALUE

/* clang-format off */
const struct readable fresh_readable[] = {
    /* Debug: breakpoints and watchpoints; the OS lock is there and locked */
    POINT(0), POINT(1), POINT(2), POINT(3), POINT(4), POINT(5), POINT(6), POINT(7), POINT(8),
    POINT(9), POINT(10), POINT(11), POINT(12), POINT(13), POINT(14), POINT(15),
    ROW(2, 0, 0, 0, 2, 2), ROW(2, 0, 0, 2, 0, 0), ROW(2, 0, 0, 2, 2, 2), ROW(2, 0, 0, 3, 2, 2),
    ROW(2, 0, 0, 6, 2, 2), ROW(2, 0, 1, 0, 0, 0), ONE(2, 0, 1, 1, 4, 0xa, 0),
    ROW(2, 0, 1, 3, 4, 4), ROW(2, 0, 1, 4, 4, 4), ROW(2, 0, 7, 8, 6, 6), ROW(2, 0, 7, 9, 6, 6),
    ROW(2, 0, 7, 14, 6, 6), ROW(2, 3, 0, 1, 0, 0), ROW(2, 3, 0, 4, 0, 0), ROW(2, 3, 0, 5, 0, 0),
    /* Identification: MIDR, MPIDR, REVIDR; none of AArch32; features but those that are kept from
     * guests (RAS, MPAM, AMU, RME, performance counters, tracing, MTE, SME, ...) */
    ONE(3, 0, 0, 0, 0, 0, HOST), ONE(3, 0, 0, 0, 5, 0x80000000, 0), ONE(3, 0, 0, 0, 6, 0, HOST),
    ROW(3, 0, 0, 1, 0, 7), ROW(3, 0, 0, 2, 0, 7), ROW(3, 0, 0, 3, 0, 7),
    ONE(3, 0, 0, 4, 0, 0x11,
        FIELDS(27, 16) | FIELDS(35, 32) | FIELDS(51, 48) | FIELDS(63, 56)),
    ONE(3, 0, 0, 4, 1, 0, FIELDS(7, 0)), ROW(3, 0, 0, 4, 2, 3), ONE(3, 0, 0, 4, 4, 0, HOST),
    ROW(3, 0, 0, 4, 5, 7), ONE(3, 0, 0, 5, 0, 6, FIELDS(15, 12) | FIELDS(23, 20) | FIELDS(31, 28)),
    ROW(3, 0, 0, 5, 1, 7), ONE(3, 0, 0, 6, 0, 0, FIELDS(63, 28) | FIELDS(23, 4)),
    ONE(3, 0, 0, 6, 1, 0, FIELDS(55, 44) | FIELDS(39, 0)),
    ONE(3, 0, 0, 6, 2, 0, FIELDS(31, 28) | FIELDS(27, 8) | FIELDS(7, 4) | FIELDS(55, 52)),
    ROW(3, 0, 0, 6, 3, 7),
    ONE(3, 0, 0, 7, 0, 0, FIELDS(11, 0) | FIELDS(27, 20) | FIELDS(31, 28) | FIELDS(63, 60)),
    ONE(3, 0, 0, 7, 1, 0,
        FIELDS(3, 0) | FIELDS(15, 12) | FIELDS(23, 20) | FIELDS(39, 36) | FIELDS(63, 60)),
    ONE(3, 0, 0, 7, 2, 0,
        FIELDS(11, 0) | FIELDS(23, 20) | FIELDS(39, 32) | FIELDS(55, 48) | FIELDS(63, 60)),
    ROW(3, 0, 0, 7, 3, 7),
    /* SCTLR, ACTLR, CPACR, ZCR; TTBR0, TTBR1, TCR; keys of pointer authentication */
    ONE(3, 0, 1, 0, 0, 0, OWN), ROW(3, 0, 1, 0, 1, 1), ONE(3, 0, 1, 0, 2, 0, OWN),
    ONE(3, 0, 1, 2, 0, 0, OWN), ONE(3, 0, 2, 0, 0, 0, OWN), ROW(3, 0, 2, 0, 1, 1),
    ONE(3, 0, 2, 0, 2, 0, OWN), ROW(3, 0, 2, 1, 0, 3), ROW(3, 0, 2, 2, 0, 3), ROW(3, 0, 2, 3, 0, 1),
    /* SPSR, ELR; SP_EL0; SPSEL, CURRENTEL, PAN, UAO; ALLINT; PMR */
    ONE(3, 0, 4, 0, 0, 0, OWN), ONE(3, 0, 4, 0, 1, 0, OWN), ROW(3, 0, 4, 1, 0, 0),
    ONE(3, 0, 4, 2, 0, 1, 0), ONE(3, 0, 4, 2, 2, EL1, 0), ROW(3, 0, 4, 2, 3, 4),
    ONE(3, 0, 4, 3, 0, 0, OWN), ONE(3, 0, 4, 6, 0, 0, OWN),
    /* AFSR0, AFSR1, ESR, FAR, PAR, MAIR, AMAIR, VBAR; ISR, DISR */
    ROW(3, 0, 5, 1, 0, 1), ONE(3, 0, 5, 2, 0, 0, OWN), ONE(3, 0, 6, 0, 0, 0, OWN),
    ROW(3, 0, 7, 4, 0, 0), ONE(3, 0, 10, 2, 0, 0, OWN), ROW(3, 0, 10, 3, 0, 0),
    ONE(3, 0, 12, 0, 0, 0, OWN), ROW(3, 0, 12, 1, 0, 1),
    /* The GIC's CPU interface: nothing pending, nothing active */
    ONE(3, 0, 12, 8, 2, 0x3ff, 0), ONE(3, 0, 12, 8, 3, 2, 0), ROW(3, 0, 12, 8, 4, 7),
    ROW(3, 0, 12, 9, 0, 3), ONE(3, 0, 12, 9, 5, 0x3ff, 0), ONE(3, 0, 12, 11, 3, 0xff, 0),
    ONE(3, 0, 12, 12, 2, 0x3ff, 0), ONE(3, 0, 12, 12, 3, 3, 0),
    ONE(3, 0, 12, 12, 4, 0, FIELDS(19, 8)), ONE(3, 0, 12, 12, 5, 7, 0), ROW(3, 0, 12, 12, 6, 6),
    ONE(3, 0, 12, 12, 7, 0, OWN),
    /* CONTEXTIDR, TPIDR_EL1, SCXTNUM_EL1, CNTKCTL */
    ROW(3, 0, 13, 0, 1, 1), ONE(3, 0, 13, 0, 4, 0, OWN), ROW(3, 0, 13, 0, 7, 7),
    ROW(3, 0, 14, 1, 0, 0),
    /* CCSIDR, CLIDR, CCSIDR2, SMIDR, AIDR; CSSELR; CTR, DCZID; RNDR, RNDRRS */
    ONE(3, 1, 0, 0, 0, 0, HOST), ONE(3, 1, 0, 0, 1, 0, HOST), ONE(3, 1, 0, 0, 2, 0, HOST),
    ROW(3, 1, 0, 0, 6, 6), ONE(3, 1, 0, 0, 7, 0, HOST), ROW(3, 2, 0, 0, 0, 0),
    ONE(3, 3, 0, 0, 1, 0, HOST), ONE(3, 3, 0, 0, 7, 0, HOST), ONE(3, 3, 2, 4, 0, 0, ANY_VALUE),
    ONE(3, 3, 2, 4, 1, 0, ANY_VALUE),
    /* NZCV, DAIF, DIT, SSBS, TCO; FPCR, FPSR; TPIDR_EL0, TPIDRRO_EL0, SCXTNUM_EL0 */
    ONE(3, 3, 4, 2, 0, 0, OWN), ONE(3, 3, 4, 2, 1, DAIF_ALL, 0), ROW(3, 3, 4, 2, 5, 7),
    ROW(3, 3, 4, 4, 0, 1), ROW(3, 3, 13, 0, 2, 3), ROW(3, 3, 13, 0, 7, 7),
    /* CNTFRQ, counters; timers: off */
    ONE(3, 3, 14, 0, 0, 0, HOST), ONE(3, 3, 14, 0, 1, 0, TIME), ONE(3, 3, 14, 0, 2, 0, TIME),
    ONE(3, 3, 14, 0, 5, 0, TIME), ONE(3, 3, 14, 0, 6, 0, TIME), ONE(3, 3, 14, 2, 0, 0, TIME),
    ROW(3, 3, 14, 2, 1, 2), ONE(3, 3, 14, 3, 0, 0, TIME), ROW(3, 3, 14, 3, 1, 2),
};
/* clang-format on */
const unsigned fresh_readable_count = ARRAY_SIZE(fresh_readable);

static uint32_t readers[ENCODINGS / 2][2];

uint64_t fresh_read(uint32_t number)
{
    const void *reader = readers[number - NUMBER(2, 0, 0, 0, 0)];

    if (!readers[0][0]) {
        for (unsigned i = 0; i < ENCODINGS / 2; i++) {
            readers[i][0] = MRS_X0 | (i + NUMBER(2, 0, 0, 0, 0)) << 5;
            readers[i][1] = RET;
        }
        instructions_changed();
    }
    return ((uint64_t(*)(void))reader)();
}

/* Reading an interrupt's number acknowledges it. */
bool fresh_skipped(uint32_t number)
{
    return number == NUMBER(3, 0, 12, 8, 0) || number == NUMBER(3, 0, 12, 12, 0);
}

void fresh_name(uint32_t number, char *name, size_t size)
{
    snprintf(name, size, "S%u_%u_C%u_C%u_%u", number >> 14, number >> 11 & 7, number >> 7 & 15,
             number >> 3 & 15, number & 7);
}
