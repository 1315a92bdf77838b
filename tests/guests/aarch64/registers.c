/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Names, limits and system registers of an aarch64 vCPU, for tests/guests/registers.c. */
#include "tests/guests/registers.h"

#include <stdio.h>

#define FPCR_MASK 0x07c00000ULL /* AHP, DN, FZ, RMode */
#define FPSR_MASK 0x0800009fULL

void registers_prepare(struct register_file *f)
{
    f->in[0] = f->out[0] = 0; /* holds the file's address */
    f->in[96] &= FPCR_MASK;
    f->in[97] &= FPSR_MASK;
}

void register_name(unsigned i, char *name, size_t size)
{
    if (i < 31)
        snprintf(name, size, "x%u", i);
    else if (i == 31)
        snprintf(name, size, "sp");
    else if (i < 96)
        snprintf(name, size, "v%u.%s", (i - 32) / 2, i % 2 ? "high" : "low");
    else
        snprintf(name, size, "%s", i == 96 ? "fpcr" : "fpsr");
}

#define REGISTERS(REGISTER)                                   \
    REGISTER(sp_el0, "sp_el0", ~0ULL)                         \
    REGISTER(tpidr_el0, "tpidr_el0", ~0ULL)                   \
    REGISTER(tpidrro_el0, "tpidrro_el0", ~0ULL)               \
    REGISTER(elr_el1, "elr_el1", ~0ULL)                       \
    REGISTER(spsr_el1, "spsr_el1", 0xf00003c0ULL)             \
    REGISTER(esr_el1, "esr_el1", 0xffffffffULL)               \
    REGISTER(far_el1, "far_el1", ~0ULL)                       \
    REGISTER(afsr0_el1, "afsr0_el1", 0xffffffffULL)           \
    REGISTER(afsr1_el1, "afsr1_el1", 0xffffffffULL)           \
    REGISTER(par_el1, "par_el1", 0x0000fffffffff001ULL)       \
    REGISTER(mair_el1, "mair_el1", 0xffffffffffff0000ULL)     \
    REGISTER(amair_el1, "amair_el1", ~0ULL)                   \
    REGISTER(contextidr_el1, "contextidr_el1", 0xffffffffULL) \
    REGISTER(ttbr1_el1, "ttbr1_el1", 0xffff00000000f000ULL)   \
    REGISTER(cntkctl_el1, "cntkctl_el1", 0x3ffULL)            \
    REGISTER(csselr_el1, "csselr_el1", 1)                     \
    REGISTER(icc_pmr, "S3_0_C4_C6_0", 0x40)                   \
    REGISTER(icc_bpr1, "S3_0_C12_C12_3", 7)                   \
    REGISTER(dbgbvr0, "dbgbvr0_el1", 0x0000fffffffffffcULL)   \
    REGISTER(dbgbvr1, "dbgbvr1_el1", 0x0000fffffffffffcULL)   \
    REGISTER(dbgwvr0, "dbgwvr0_el1", 0x0000fffffffffff8ULL)   \
    REGISTER(dbgwvr1, "dbgwvr1_el1", 0x0000fffffffffff8ULL)   \
    REGISTER(apiakeylo, "S3_0_C2_C1_0", ~0ULL)                \
    REGISTER(apiakeyhi, "S3_0_C2_C1_1", ~0ULL)                \
    REGISTER(apibkeylo, "S3_0_C2_C1_2", ~0ULL)                \
    REGISTER(apibkeyhi, "S3_0_C2_C1_3", ~0ULL)                \
    REGISTER(apdakeylo, "S3_0_C2_C2_0", ~0ULL)                \
    REGISTER(apdakeyhi, "S3_0_C2_C2_1", ~0ULL)                \
    REGISTER(apdbkeylo, "S3_0_C2_C2_2", ~0ULL)                \
    REGISTER(apdbkeyhi, "S3_0_C2_C2_3", ~0ULL)                \
    REGISTER(apgakeylo, "S3_0_C2_C3_0", ~0ULL)                \
    REGISTER(apgakeyhi, "S3_0_C2_C3_1", ~0ULL)

#define FUNCTIONS(id, text, mask)          \
    static uint64_t read_##id(void)        \
    {                                      \
        return READ_SYSREG(text);          \
    }                                      \
    static void write_##id(uint64_t value) \
    {                                      \
        WRITE_SYSREG(text, value);         \
        __asm__ volatile("isb");           \
    }
REGISTERS(FUNCTIONS)

/* The pointer authentication keys come last, for CPUs that have none. */
#define ENTRY(id, text, mask) {#id, mask, read_##id, write_##id},
const struct system_register system_registers[] = {REGISTERS(ENTRY)};
const unsigned system_register_count = ARRAY_SIZE(system_registers);
