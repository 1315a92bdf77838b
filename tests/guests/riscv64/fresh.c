/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What a riscv64 guest finds that was started as the SBI starts a hart (SBI 2.0, 9.1: satp is 0,
 * interrupts are off, a0 is the hart's number, a1 what its starter gave); all else is 0. Then every
 * number of a CSR. */
#include "tests/guests/fresh.h"

#include <stdio.h>

#include "tests/guests/suite.h"

extern uint64_t boot_registers[40];

#define A0          10
#define A1          11
#define NAMED       32
#define UXL_64      (2UL << 32)
#define FCSR        64                   /* word of struct register_file's out[] */
#define SSTATUS_OWN 0x8000000000006720UL /* SD, FS, VS, SPP, SPIE */
#define SIE_OWN     0x222UL
#define NEVER       (~0UL)

static const struct {
    const char *name;
    uint64_t value;
} named[] = {
    {"sstatus", UXL_64}, {"sie", 0},   {"stvec", 0}, {"sepc", 0},
    {"scause", 0},       {"stval", 0}, {"satp", 0},  {"sip", 0},
};

/* cycle and instret go on with the guest's own time: they do not count what others do. */
static void counters(void)
{
    uint64_t before = READ_CSR("time"), cycle = READ_CSR("cycle"), instret = READ_CSR("instret"),
             after = READ_CSR("time");

    fresh_expect(before <= cycle && cycle <= instret && instret <= after, true,
                 "cycle and instret being time");
}

void fresh_registers(void)
{
    static struct register_file file;
    char name[16];

    counters();

    registers_store(&file);
    for (unsigned i = NAMED; i <= FCSR; i++) {
        register_name(i, name, sizeof(name));
        fresh_expect(file.out[i], 0, "%s", name);
    }
    fresh_expect(vectors_are_zero(), true, "vectors being 0");
    fresh_expect(boot_registers[0], 0, "place of an sscratch not 0");
    fresh_expect(boot_hart, 0, "a0");
    fresh_expect(boot_registers[A1] >= RAM_BASE, true, "a1 in RAM");
    for (unsigned i = 1; i < NAMED; i++)
        if (i != A0 && i != A1)
            fresh_expect(boot_registers[i], 0, "x%u", i);
    for (unsigned i = 0; i < ARRAY_SIZE(named); i++)
        fresh_expect(boot_registers[NAMED + i], named[i].value, "%s", named[i].name);
}

/* ---- CSRs (Privileged 1.13, 2.2): one function for each number ---- */

#define CSRS    0x1000u
#define CSRR_A0 0x00002573u
#define RET     0x00008067u

const struct fresh_range fresh_ranges[] = {{0, CSRS - 1}};
const unsigned fresh_range_count = ARRAY_SIZE(fresh_ranges);

const struct readable fresh_readable[] = {
    {0x001, 0x003, 0, 0},                /* fflags, frm, fcsr */
    {0x008, 0x00a, 0, 0},                /* vstart, vxsat, vxrm */
    {0x00f, 0x00f, 0, 0},                /* vcsr */
    {0x100, 0x100, UXL_64, SSTATUS_OWN}, /* sstatus */
    {0x104, 0x104, SIE_OWN, 0},          /* sie: machine.c */
    {0x105, 0x105, 0, ANY_VALUE},        /* stvec: entry.S */
    {0x106, 0x106, 7, 0},                /* scounteren: as firmware leaves it */
    {0x10a, 0x10a, 0, 0},                /* senvcfg */
    {0x140, 0x140, 0, 0},                /* sscratch */
    {0x141, 0x143, 0, ANY_VALUE},        /* sepc, scause, stval: of the last trap */
    {0x144, 0x144, 0, 0},                /* sip */
    {0x14d, 0x14d, NEVER, 0},            /* stimecmp */
    {0x150, 0x150, 0, 0},                /* siselect */
    {0x15c, 0x15c, 0, 0},                /* stopei */
    {0x180, 0x180, 0, ANY_VALUE},        /* satp: entry.S */
    {0xc00, 0xc02, 0, ANY_VALUE},        /* cycle, time, instret: counters() */
    {0xc20, 0xc21, 0, 0},                /* vl, vtype */
    {0xc22, 0xc22, 0, ANY_VALUE},        /* vlenb */
    {0xdb0, 0xdb0, 0, 0},                /* stopi */
};
const unsigned fresh_readable_count = ARRAY_SIZE(fresh_readable);

static uint32_t readers[CSRS][2];

uint64_t fresh_read(uint32_t number)
{
    const void *reader = readers[number];

    if (!readers[0][0]) {
        for (unsigned i = 0; i < CSRS; i++) {
            readers[i][0] = CSRR_A0 | i << 20;
            readers[i][1] = RET;
        }
        instructions_changed();
    }
    return ((uint64_t(*)(void))reader)();
}

bool fresh_skipped(uint32_t number)
{
    (void)number;
    return false;
}

void fresh_name(uint32_t number, char *name, size_t size)
{
    snprintf(name, size, "CSR 0x%x", number);
}
