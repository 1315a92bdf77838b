/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Names, limits and system registers of an aarch64 vCPU, for tests/guests/registers.c. */
#include "tests/guests/registers.h"

#include <stdio.h>

#define FPCR_MASK 0x07c00000ULL /* AHP, DN, FZ, RMode */
#define FPSR_MASK 0x0800009fULL

/* Words of in[] */
#define AT_V           32
#define AT_FPCR        96
#define AT_FPSR        97
#define AT_Z           98
#define AT_P           (AT_Z + 32 * 32)
#define AT_ZCR         (AT_P + 17 * 4)
#define PREDICATE_FFR  16
#define ZCR_EL1        "S3_0_C1_C2_0"
#define ZCR_LEN        0xfULL
#define ID_AA64PFR0    "S3_0_C0_C4_0"
#define PFR0_SVE_SHIFT 32

_Static_assert(AT_ZCR + 1 == REGISTER_COUNT, "in[] is full");

/* Bytes of a vector with ZCR_EL1 as it is. */
static unsigned vector_bytes(void)
{
    uint64_t bytes;

    __asm__ volatile(".arch_extension sve\n rdvl %0, #1" : "=r"(bytes));
    return (unsigned)bytes;
}

/* The first-fault register holds a run of ones from below (C6.2, WRFFR). */
static void fill_first_fault(uint8_t *ffr, unsigned bytes, uint64_t random)
{
    uint64_t ones = random % (8 * bytes + 1);

    for (unsigned i = 0; i < bytes; i++, ones -= ones < 8 ? ones : 8)
        ffr[i] = ones < 8 ? (uint8_t)((1u << ones) - 1) : 0xff;
}

static void clear(struct register_file *f, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        f->in[i] = f->out[i] = 0;
}

/* A length of its own for each pattern: registers are as long as ZCR_EL1 says, without gaps. */
static void prepare_sve(struct register_file *f)
{
    unsigned bytes;

    WRITE_SYSREG(ZCR_EL1, f->in[AT_ZCR] & ZCR_LEN);
    __asm__ volatile("isb");
    f->in[AT_ZCR] = READ_SYSREG(ZCR_EL1);
    bytes = vector_bytes();
    fill_first_fault((uint8_t *)&f->in[AT_P] + PREDICATE_FFR * bytes / 8, bytes / 8,
                     f->in[AT_ZCR - 1]);
    clear(f, AT_Z + 32 * bytes / 8, AT_P);
    for (unsigned i = 17 * bytes / 8; i < 17 * 32; i++)
        ((uint8_t *)&f->in[AT_P])[i] = ((uint8_t *)&f->out[AT_P])[i] = 0;
    for (unsigned i = 0; i < 64; i++)
        f->in[AT_V + i] = f->in[AT_Z + i / 2 * bytes / 8 + i % 2];
}

void registers_prepare(struct register_file *f)
{
    f->in[0] = f->out[0] = 0; /* holds the file's address */
    f->in[AT_FPCR] &= FPCR_MASK;
    f->in[AT_FPSR] &= FPSR_MASK;
    f->vector = READ_SYSREG(ID_AA64PFR0) >> PFR0_SVE_SHIFT & 0xf;
    if (f->vector)
        prepare_sve(f);
    else
        clear(f, AT_Z, REGISTER_COUNT);
}

void register_name(unsigned i, char *name, size_t size)
{
    if (i < 31)
        snprintf(name, size, "x%u", i);
    else if (i == 31)
        snprintf(name, size, "sp");
    else if (i < AT_FPCR)
        snprintf(name, size, "v%u.%s", (i - AT_V) / 2, i % 2 ? "high" : "low");
    else if (i < AT_Z)
        snprintf(name, size, "%s", i == AT_FPCR ? "fpcr" : "fpsr");
    else if (i < AT_P)
        snprintf(name, size, "z%u.d[%u]", (i - AT_Z) * 8 / vector_bytes(),
                 (i - AT_Z) % (vector_bytes() / 8));
    else if (i < AT_P + PREDICATE_FFR * vector_bytes() / 64)
        snprintf(name, size, "p%u", (i - AT_P) * 64 / vector_bytes());
    else if (i < AT_ZCR)
        snprintf(name, size, "ffr");
    else
        snprintf(name, size, "zcr_el1");
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
    REGISTER(dbgbvr0, "dbgbvr0_el1", 0x0000fffffffffffcULL)   \
    REGISTER(dbgbvr1, "dbgbvr1_el1", 0x0000fffffffffffcULL)   \
    REGISTER(dbgwvr0, "dbgwvr0_el1", 0x0000fffffffffff8ULL)   \
    REGISTER(dbgwvr1, "dbgwvr1_el1", 0x0000fffffffffff8ULL)

/* Where the CPU has pointer authentication */
#define PAUTH_REGISTERS(REGISTER)              \
    REGISTER(apiakeylo, "S3_0_C2_C1_0", ~0ULL) \
    REGISTER(apiakeyhi, "S3_0_C2_C1_1", ~0ULL) \
    REGISTER(apibkeylo, "S3_0_C2_C1_2", ~0ULL) \
    REGISTER(apibkeyhi, "S3_0_C2_C1_3", ~0ULL) \
    REGISTER(apdakeylo, "S3_0_C2_C2_0", ~0ULL) \
    REGISTER(apdakeyhi, "S3_0_C2_C2_1", ~0ULL) \
    REGISTER(apdbkeylo, "S3_0_C2_C2_2", ~0ULL) \
    REGISTER(apdbkeyhi, "S3_0_C2_C2_3", ~0ULL) \
    REGISTER(apgakeylo, "S3_0_C2_C3_0", ~0ULL) \
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

/* ID_AA64ISAR1_EL1.APA, API or ISAR2's APA3 */
static bool has_pauth(void)
{
    return READ_SYSREG("S3_0_C0_C6_1") & 0xff0 || READ_SYSREG("S3_0_C0_C6_2") & 0xf000;
}

#define PAUTH_FUNCTIONS(id, text, mask)             \
    static uint64_t read_##id(void)                 \
    {                                               \
        return has_pauth() ? READ_SYSREG(text) : 0; \
    }                                               \
    static void write_##id(uint64_t value)          \
    {                                               \
        if (has_pauth())                            \
            WRITE_SYSREG(text, value);              \
        __asm__ volatile("isb");                    \
    }
PAUTH_REGISTERS(PAUTH_FUNCTIONS)

/* Of the GIC's CPU interface, whichever it is */
#define GIC_FUNCTIONS(id, text, address)                            \
    static uint64_t read_##id(void)                                 \
    {                                                               \
        return gic_v2() ? mmio_read32(address) : READ_SYSREG(text); \
    }                                                               \
    static void write_##id(uint64_t value)                          \
    {                                                               \
        if (gic_v2())                                               \
            mmio_write32(address, (uint32_t)value);                 \
        else                                                        \
            WRITE_SYSREG(text, value);                              \
        __asm__ volatile("isb");                                    \
    }
GIC_FUNCTIONS(gic_pmr, "S3_0_C4_C6_0", GICC_PMR)
GIC_FUNCTIONS(gic_bpr, "S3_0_C12_C12_3", GICC_BPR)

#define ENTRY(id, text, mask) {#id, mask, read_##id, write_##id},
const struct system_register system_registers[] = {{"gic_pmr", 0x40, read_gic_pmr, write_gic_pmr},
                                                   {"gic_bpr", 7, read_gic_bpr, write_gic_bpr},
                                                   REGISTERS(ENTRY) PAUTH_REGISTERS(ENTRY)};
const unsigned system_register_count = ARRAY_SIZE(system_registers);
