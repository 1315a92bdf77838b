/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * "extensions": instructions of each extension that the ID registers show run, and those of each
 * that they do not show are undefined. With "complete" no field may show what is not tried here or
 * elsewhere. Not for guests on the hardware: a host cannot take all instructions away from them.
 * Fields: Arm ARM D23.2.
 */
#include "tests/guests/extension_test.h"

enum id { PFR0, PFR1, DFR0, ISAR0, ISAR1, ISAR2, MMFR0, MMFR1, MMFR2, MMFR3, ID_COUNT };

#define MOV_X1_0 0xd2800001u
#define MOV_X5_0 0xd2800005u

/* clang-format off */
static const struct {
    const char *name;
    uint8_t id, shift, least; /* where it is shown, and from which value on */
    struct extension_code code;
} extensions[] = {
    {"AES", ISAR0, 4, 1, {.words = {0x4e284820, 0x4e287820}}},     /* aese, aesimc v0.16b, v1.16b */
    {"PMULL", ISAR0, 4, 2, {.words = {0x0ee2e020}}},               /* pmull v0.1q, v1.1d, v2.1d */
    {"SHA1", ISAR0, 8, 1, {.words = {0x5e020020, 0x5e281820}}},    /* sha1c q0, s1, v2.4s; sha1su1 v0.4s, v1.4s */
    {"SHA256", ISAR0, 12, 1, {.words = {0x5e024020}}},             /* sha256h q0, q1, v2.4s */
    {"SHA512", ISAR0, 12, 2, {.words = {0xce628020}}},             /* sha512h q0, q1, v2.2d */
    {"CRC32", ISAR0, 16, 1, {.words = {0x1ac34041, 0x9ac35c41}}},  /* crc32b w1, w2, w3; crc32cx w1, w2, x3 */
    {"LSE", ISAR0, 20, 2, {.words = {0xf8210002, 0x48247c06}}},    /* ldadd x1, x2, [x0]; casp x4, x5, x6, x7, [x0] */
    {"RDM", ISAR0, 28, 1, {.words = {0x6e828420}}},                /* sqrdmlah v0.4s, v1.4s, v2.4s */
    {"SHA3", ISAR0, 32, 1, {.words = {0xce020c20}}},               /* eor3 v0.16b, v1.16b, v2.16b, v3.16b */
    {"SM3", ISAR0, 36, 1, {.words = {0xce420c20}}},                /* sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s */
    {"SM4", ISAR0, 40, 1, {.words = {0xcec08420}}},                /* sm4e v0.4s, v1.4s */
    {"DotProd", ISAR0, 44, 1, {.words = {0x4e829420}}},            /* sdot v0.4s, v1.16b, v2.16b */
    {"FHM", ISAR0, 48, 1, {.words = {0x4e22ec20}}},                /* fmlal v0.4s, v1.4h, v2.4h */
    {"FlagM", ISAR0, 52, 1, {.words = {0xd500401f, 0xba018425}}},  /* cfinv; rmif x1, #3, #5 */
    {"FlagM2", ISAR0, 52, 2, {.words = {0xd500405f, 0xd500403f}}}, /* axflag; xaflag */
    {"TLBIOS", ISAR0, 56, 1, {.words = {0xd508811f}}},             /* tlbi vmalle1os */
    {"RNG", ISAR0, 60, 1, {.words = {0xd53b2401}}},                /* mrs x1, rndr */
    {"DPB", ISAR1, 0, 1, {.words = {0xd50b7c20}}},                 /* dc cvap, x0 */
    {"DPB2", ISAR1, 0, 2, {.words = {0xd50b7d20}}},                /* dc cvadp, x0 */
    {"PAuth", ISAR1, 8, 1, {.words = {0xdac123e1, 0xdac133e1}}},   /* paciza x1; autiza x1 */
    {"JSCVT", ISAR1, 12, 1, {.words = {0x1e7e0001}}},              /* fjcvtzs w1, d0 */
    {"FCMA", ISAR1, 16, 1, {.words = {0x6e82e420}}},               /* fcadd v0.4s, v1.4s, v2.4s, #90 */
    {"LRCPC", ISAR1, 20, 1, {.words = {0xf8bfc001}}},              /* ldapr x1, [x0] */
    {"LRCPC2", ISAR1, 20, 2, {.words = {0xd9400001}}},             /* ldapur x1, [x0] */
    {"FRINTTS", ISAR1, 32, 1, {.words = {0x1e684020}}},            /* frint32z d0, d1 */
    {"SB", ISAR1, 36, 1, {.words = {0xd50330ff}}},                 /* sb */
    {"SPECRES", ISAR1, 40, 1, {.words = {0xd50b7381}}},            /* cfp rctx, x1 */
    {"BF16", ISAR1, 44, 1, {.words = {0x6e42fc20}}},               /* bfdot v0.4s, v1.8h, v2.8h */
    {"I8MM", ISAR1, 52, 1, {.words = {0x4e82a420}}},               /* smmla v0.4s, v1.16b, v2.16b */
    {"FP16", PFR0, 16, 1, {.words = {0x1ee22820}}},                /* fadd h0, h1, h2 */
    {"FP16 of vectors", PFR0, 20, 1, {.words = {0x4e421420}}},     /* fadd v0.8h, v1.8h, v2.8h */
    {"DIT", PFR0, 48, 1, {.words = {0xd53b42a1}}},                 /* mrs x1, dit */
    {"SVE", PFR0, 32, 1, {.words = {0x0420e3e1}}},                 /* cntb x1 */
    {"RAS", PFR0, 28, 1, {.words = {0xd5385301}}},                 /* mrs x1, erridr_el1 */
    {"SSBS2", PFR1, 4, 2, {.words = {0xd53b42c1}}},                /* mrs x1, ssbs */
    {"MTE", PFR1, 8, 1, {.words = {0x9adf1001}}},                  /* irg x1, x0 */
    {"PAN", MMFR1, 20, 1, {.words = {0xd5384261}}},                /* mrs x1, pan */
    {"PAN2", MMFR1, 20, 2, {.words = {0xd5087900}}},               /* at s1e1rp, x0 */
    {"LOR", MMFR1, 16, 1, {.words = {0xc8df7c01, 0xd538a4e1}}},    /* ldlar x1, [x0]; mrs x1, lorid_el1 */
    {"UAO", MMFR2, 4, 1, {.words = {0xd5384281}}},                 /* mrs x1, uao */
    {"PMUv3", DFR0, 8, 1, {.words = {0xd53b9c01}}},                /* mrs x1, pmcr_el0 */
    {"ECV", MMFR0, 60, 1, {.words = {0xd53be0a1}}},                /* mrs x1, cntpctss_el0 */
    {"WFxT", ISAR2, 0, 2, {MOV_X1_0, {0xd5031001}}},               /* wfet x1 */
    {"MOPS", ISAR2, 16, 1, {MOV_X5_0, {0x19c604a4}}},              /* setp [x4]!, x5!, x6 */
    {"CSSC", ISAR2, 52, 1, {.words = {0xdac02041}}},               /* abs x1, x2 */
};

/* What no instruction tells, shown as `value`; the last column says who tries it. */
static const struct {
    uint8_t id, shift, value;
    const char *who;
} elsewhere[] = {
    {PFR0, 0, 1, "EL0 in AArch64: every guest"},
    {PFR0, 4, 1, "EL1 in AArch64: every guest"},
    {PFR0, 24, 1, "the GIC's system registers: the suite's interrupts"},
    {PFR0, 56, 1, "CSV2: nothing is run ahead that is not"},
    {PFR0, 60, 1, "CSV3"},
    {DFR0, 0, 6, "the debug architecture: Linux"},
    {DFR0, 12, 1, "two breakpoints: the suite"},
    {DFR0, 20, 1, "two watchpoints"},
    {MMFR0, 0, 15, "how large addresses are: any"},
    {MMFR0, 4, 2, "ASIDs of 16 bits: tests/unit/test_tlb.c"},
    {MMFR0, 20, 1, "granules of 16 KiB: tests/unit/test_a64_walk.c"},
    {MMFR1, 0, 2, "access flag and dirty state by hardware: tests/unit/test_a64_walk.c"},
    {MMFR2, 60, 1, "E0PD"},
};
/* clang-format on */

static uint64_t ids[ID_COUNT];

static void read_ids(void)
{
    ids[PFR0] = READ_SYSREG("s3_0_c0_c4_0");
    ids[PFR1] = READ_SYSREG("s3_0_c0_c4_1");
    ids[DFR0] = READ_SYSREG("s3_0_c0_c5_0");
    ids[ISAR0] = READ_SYSREG("s3_0_c0_c6_0");
    ids[ISAR1] = READ_SYSREG("s3_0_c0_c6_1");
    ids[ISAR2] = READ_SYSREG("s3_0_c0_c6_2");
    ids[MMFR0] = READ_SYSREG("s3_0_c0_c7_0");
    ids[MMFR1] = READ_SYSREG("s3_0_c0_c7_1");
    ids[MMFR2] = READ_SYSREG("s3_0_c0_c7_2");
    ids[MMFR3] = READ_SYSREG("s3_0_c0_c7_3");
}

static unsigned field(unsigned id, unsigned shift)
{
    return ids[id] >> shift & 0xf;
}

/* The value that this field must not be above. */
static unsigned most(unsigned id, unsigned shift)
{
    unsigned found = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(extensions); i++)
        if (extensions[i].id == id && extensions[i].shift == shift && extensions[i].least > found)
            found = extensions[i].least;
    for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++)
        if (elsewhere[i].id == id && elsewhere[i].shift == shift)
            found = elsewhere[i].value;
    return found;
}

static void check_complete(void)
{
    for (unsigned id = 0; id < ID_COUNT; id++)
        for (unsigned shift = 0; shift < 64; shift += 4)
            if (field(id, shift))
                check(field(id, shift) <= most(id, shift),
                      "what ID register %u shows at bit %u is tried # %u", id, shift,
                      field(id, shift));
}

static void run_extensions(void)
{
    read_ids();
    for (unsigned id = 0; id < ID_COUNT; id++)
        print("# ID register %u: %016llx\n", id, (unsigned long long)ids[id]);
    if (option("complete"))
        check_complete();
    check_extension("FP", field(PFR0, 16) != 0xf && field(PFR0, 20) != 0xf,
                    &(struct extension_code){.words = {0x1e622820, 0x4e228420}});
    for (unsigned i = 0; i < ARRAY_SIZE(extensions); i++) {
        unsigned value = field(extensions[i].id, extensions[i].shift);
        bool none = extensions[i].id == PFR0 && value == 0xf; /* of FP */

        check_extension(extensions[i].name, value >= extensions[i].least && !none,
                        &extensions[i].code);
    }
}
PROGRAM(extensions);
