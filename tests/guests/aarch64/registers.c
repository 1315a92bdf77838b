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
    REGISTER(vbar_el1, "vbar_el1", 0x0000fffffffff800ULL)     \
    REGISTER(ttbr0_el1, "ttbr0_el1", 0xffff000000000000ULL)   \
    REGISTER(tcr_el1, "tcr_el1", TCR_MASK)                    \
    REGISTER(sctlr_el1, "sctlr_el1", SCTLR_MASK)              \
    REGISTER(cpacr_el1, "cpacr_el1", 1ULL << 28)              \
    REGISTER(tpidr_el1, "tpidr_el1", ~0ULL)

/* No exception is taken meanwhile. TCR: T1SZ, how TTBR1's tables are cached (it is off), top bytes
 * ignored. SCTLR: what concerns EL0 and pointer authentication. TTBR0: the address space's number.
 */
#define TCR_MASK (0x3fULL << 16 | 0x3fULL << 24 | 3ULL << 37)
#define SCTLR_MASK                                                                            \
    (1ULL << 4 | 1ULL << 9 | 3ULL << 13 | 1ULL << 15 | 1ULL << 16 | 1ULL << 18 | 1ULL << 23 | \
     1ULL << 24 | 3ULL << 26 | 3ULL << 30)

/* Kept by the hypervisor: an access costs an exit. Nothing reaches the physical timer's mask while
 * it is off; MDSCR_EL1's bits but single step. */
#define EMULATED_REGISTERS(REGISTER)            \
    REGISTER(cntp_cval, "cntp_cval_el0", ~0ULL) \
    REGISTER(cntp_ctl, "cntp_ctl_el0", 2)       \
    REGISTER(mdscr_el1, "mdscr_el1", 0xb000ULL) \
    REGISTER(mdccint_el1, "mdccint_el1", 3ULL << 29)

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

EMULATED_REGISTERS(FUNCTIONS)

static uint64_t read_os_lock(void)
{
    return READ_SYSREG("oslsr_el1") & 2;
}

static void write_os_lock(uint64_t value)
{
    WRITE_SYSREG("oslar_el1", value >> 1);
}

/* ---- Breakpoints and watchpoints, as many as there are: enabled, at addresses that nothing
 * reaches, at any exception level ---- */

/* clang-format off */
#define DEBUG_REGISTERS(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
/* clang-format on */
#define DFR0_BREAKPOINTS 12 /* ID_AA64DFR0_EL1: their number but one */
#define DFR0_WATCHPOINTS 20
#define DBGBVR_MASK      0x0000fffffffffffcULL
#define DBGWVR_MASK      0x0000fffffffffff8ULL
#define DBGBCR_MASK      7ULL                              /* PMC, E */
#define DBGWCR_MASK      (7ULL | 3ULL << 3 | 0xffULL << 5) /* BAS, LSC, PAC, E */

static bool has_point(unsigned n, unsigned shift)
{
    static uint64_t dfr0;

    if (!dfr0)
        dfr0 = READ_SYSREG("id_aa64dfr0_el1");
    return n <= (dfr0 >> shift & 0xf);
}

#define POINT_FUNCTIONS(id, text, n, shift)                 \
    static uint64_t read_##id##n(void)                      \
    {                                                       \
        return has_point(n, shift) ? READ_SYSREG(text) : 0; \
    }                                                       \
    static void write_##id##n(uint64_t value)               \
    {                                                       \
        if (has_point(n, shift))                            \
            WRITE_SYSREG(text, value);                      \
    }
#define POINTS(n)                                                    \
    POINT_FUNCTIONS(dbgbvr, "dbgbvr" #n "_el1", n, DFR0_BREAKPOINTS) \
    POINT_FUNCTIONS(dbgbcr, "dbgbcr" #n "_el1", n, DFR0_BREAKPOINTS) \
    POINT_FUNCTIONS(dbgwvr, "dbgwvr" #n "_el1", n, DFR0_WATCHPOINTS) \
    POINT_FUNCTIONS(dbgwcr, "dbgwcr" #n "_el1", n, DFR0_WATCHPOINTS)
DEBUG_REGISTERS(POINTS)

/* ---- Where the CPU has them and they answer: offered or not, they are the guest's own ---- */

#define OPTIONAL_REGISTERS(REGISTER)                         \
    REGISTER(disr_el1, "S3_0_C12_C1_1", 0x80ffffffULL)       \
    REGISTER(scxtnum_el0, "S3_3_C13_C0_7", ~0ULL)            \
    REGISTER(scxtnum_el1, "S3_0_C13_C0_7", ~0ULL)            \
    REGISTER(pan, "S3_0_C4_C2_3", 1ULL << 22)                \
    REGISTER(uao, "S3_0_C4_C2_4", 1ULL << 23)                \
    REGISTER(dit, "S3_3_C4_C2_5", 1ULL << 24)                \
    REGISTER(ssbs, "S3_3_C4_C2_6", 1ULL << 12)               \
    REGISTER(tpidr2_el0, "S3_3_C13_C0_5", ~0ULL)             \
    REGISTER(tcr2_el1, "S3_0_C2_C0_3", 0)                    \
    REGISTER(gcr_el1, "S3_0_C1_C0_6", 0x1ffffULL)            \
    REGISTER(rgsr_el1, "S3_0_C1_C0_5", 0xffff0fULL)          \
    REGISTER(tfsr_el1, "S3_0_C5_C6_0", 3)                    \
    REGISTER(pmuserenr_el0, "S3_3_C9_C14_0", 0xf)            \
    REGISTER(pmselr_el0, "S3_3_C9_C12_5", 0x1f)              \
    REGISTER(pmccfiltr_el0, "S3_3_C14_C15_7", 0xf8000000ULL) \
    REGISTER(lorc_el1, "S3_0_C10_C4_3", 0)                   \
    REGISTER(errselr_el1, "S3_0_C5_C3_1", 0xffff)

#define OPTIONAL_FUNCTIONS(id, text, mask) OPTIONAL_REGISTER(id, text, READ_SYSREG, WRITE_SYSREG)
OPTIONAL_REGISTERS(OPTIONAL_FUNCTIONS)

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

/* Of a GICv3 alone: group 0, common binary point and the mode of ends; the latter first, it changes
 * what the other binary point shows. */
#define GICV3_FUNCTIONS(id, text)                \
    static uint64_t read_##id(void)              \
    {                                            \
        return gic_v2() ? 0 : READ_SYSREG(text); \
    }                                            \
    static void write_##id(uint64_t value)       \
    {                                            \
        if (!gic_v2())                           \
            WRITE_SYSREG(text, value);           \
        __asm__ volatile("isb");                 \
    }
GICV3_FUNCTIONS(icc_ctlr, "S3_0_C12_C12_4")
GICV3_FUNCTIONS(icc_bpr0, "S3_0_C12_C8_3")
GICV3_FUNCTIONS(icc_igrpen0, "S3_0_C12_C12_6")

uint64_t registers_deadline(void)
{
    return READ_SYSREG("cntv_cval_el0");
}

#define OWN(id, mask)            {#id, mask, read_##id, write_##id, false},
#define ENTRY(id, text, mask)    OWN(id, mask)
#define SELDOM(id, mask)         {#id, mask, read_##id, write_##id, true},
#define EMULATED(id, text, mask) SELDOM(id, mask)
#define POINT_ENTRIES(n)           \
    SELDOM(dbgbvr##n, DBGBVR_MASK) \
    SELDOM(dbgbcr##n, DBGBCR_MASK) SELDOM(dbgwvr##n, DBGWVR_MASK) SELDOM(dbgwcr##n, DBGWCR_MASK)
const struct system_register system_registers[] = {
    OWN(gic_pmr, 0x40) OWN(icc_ctlr, 3) OWN(icc_bpr0, 7) OWN(gic_bpr, 7) OWN(icc_igrpen0, 1)
        OPTIONAL_REGISTERS(ENTRY) EMULATED_REGISTERS(EMULATED) SELDOM(os_lock, 2)
            DEBUG_REGISTERS(POINT_ENTRIES) PAUTH_REGISTERS(ENTRY) REGISTERS(ENTRY)};
const unsigned system_register_count = ARRAY_SIZE(system_registers);
