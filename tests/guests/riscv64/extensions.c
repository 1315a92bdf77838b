/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * "extensions": instructions of each extension that the device tree's ISA string names run, and
 * those of each extension that it does not name are illegal. With "complete" every name of the
 * string has to be one of these. Not for guests on the hardware: a host cannot take instructions
 * away from them.
 */
#include "tests/guests/extension_test.h"

#define VSET_E16 0xcc817057u /* vsetivli zero, 2, e16, m1, ta, ma */
#define VSET_E32 0xcd027057u /* vsetivli zero, 4, e32, m1, ta, ma */
#define VSET_E64 0xcd817057u /* vsetivli zero, 2, e64, m1, ta, ma */

/* clang-format off */
static const struct {
    const char *name;
    struct extension_code code;
} extensions[] = {
    {"m", {.words = {0x027302b3, 0x027352b3}}},       /* mul t0, t1, t2; divu t0, t1, t2 */
    {"f", {.words = {0x0020f053, 0x00052007}}},       /* fadd.s ft0, ft1, ft2; flw ft0, 0(a0) */
    {"d", {.words = {0x0220f053, 0x00053027}}},       /* fadd.d ft0, ft1, ft2; fsd ft0, 0(a0) */
    {"a", {.words = {0x006532af, 0x100522af}}},       /* amoadd.d t0, t1, (a0); lr.w t0, (a0) */
    {"c", {.words = {0x00010285}}},                   /* c.addi t0, 1; c.nop */
    {"zaamo", {.words = {0x006522af, 0xe06532af}}},   /* amoadd.w and amomaxu.d t0, t1, (a0) */
    {"zalrsc", {.words = {0x100532af, 0x186532af}}},  /* lr.d t0, (a0); sc.d t0, t1, (a0) */
    {"zca", {.words = {0x00010285}}},
    {"zcd", {.words = {0x00012100}}},                 /* c.fld fs0, 0(a0); c.nop */
    {"zcb", {.words = {0x9df5810c}}},                 /* c.lbu a1, 0(a0); c.not a1 */
    {"zcmop", {.words = {0x67816081}}},               /* c.mop.1; c.mop.15 */
    {"zicsr", {.words = {0x003022f3}}},               /* csrr t0, fcsr */
    {"zifencei", {.words = {0x0000100f}}},            /* fence.i */
    {"zicntr", {.words = {0xc00022f3, 0xc01022f3, 0xc02022f3}}}, /* rdcycle, rdtime, rdinstret */
    {"zihpm", {.words = {0xc03022f3}}}, /* csrr t0, hpmcounter3 */
    {"zicond", {.words = {0x0e7352b3, 0x0e7372b3}}},  /* czero.eqz, czero.nez t0, t1, t2 */
    {"zimop", {.words = {0x81c342f3, 0xce7342f3}}},   /* mop.r.0 t0, t1; mop.rr.7 t0, t1, t2 */
    {"zacas", {.words = {0x286522af, 0x29e54e2f}}},   /* amocas.w t0, t1, (a0); amocas.q t3, t5, (a0) */
    {"zabha", {.words = {0x006502af, 0x086512af}}},   /* amoadd.b, amoswap.h t0, t1, (a0) */
    {"zawrs", {.words = {0x01d00073}}},               /* wrs.sto */
    {"zfa", {.words = {0xf0180053, 0x4240f053}}},     /* fli.s ft0, 1.0; fround.d ft0, ft1 */
    {"zfhmin", {.words = {0x00051007, 0x40208053}}},  /* flh ft0, 0(a0); fcvt.s.h ft0, ft1 */
    {"zfh", {.words = {0x0420f053, 0x5c00f053}}},     /* fadd.h ft0, ft1, ft2; fsqrt.h ft0, ft1 */
    {"zfbfmin", {.words = {0x4060f053}}},             /* fcvt.s.bf16 ft0, ft1 */
    {"zba", {.words = {0x207322b3, 0x087302bb}}},     /* sh1add, add.uw t0, t1, t2 */
    {"zbb", {.words = {0x60231293, 0x0a7342b3}}},     /* cpop t0, t1; min t0, t1, t2 */
    {"zbc", {.words = {0x0a7322b3}}},                 /* clmulr t0, t1, t2 */
    {"zbs", {.words = {0x287312b3, 0x4bf35293}}},     /* bset t0, t1, t2; bexti t0, t1, 63 */
    {"zbkb", {.words = {0x087342b3, 0x68735293}}},    /* pack t0, t1, t2; brev8 t0, t1 */
    {"zbkx", {.words = {0x287322b3, 0x287342b3}}},    /* xperm4, xperm8 t0, t1, t2 */
    {"zknd", {.words = {0x3a7302b3}}},                /* aes64ds t0, t1, t2 */
    {"zkne", {.words = {0x327302b3}}},                /* aes64es t0, t1, t2 */
    {"zknh", {.words = {0x10031293, 0x10731293}}},    /* sha256sum0, sha512sig1 t0, t1 */
    {"zksed", {.words = {0x707302b3}}},               /* sm4ed t0, t1, t2, 1 */
    {"zksh", {.words = {0x10831293}}},                /* sm3p0 t0, t1 */
    {"zicbom", {.words = {0x0015200f, 0x0025200f}}},  /* cbo.clean, cbo.flush (a0) */
    {"zicboz", {.words = {0x0045200f}}},              /* cbo.zero (a0) */
    {"v", {VSET_E64, {0x02950457, 0x02951457, 0x02057427}}}, /* vadd.vv, vfadd.vv, vse64.v */
    {"zvbb", {VSET_E32, {0x4a962457, 0xd6a58457}}},   /* vclz.v v8, v9; vwsll.vv v8, v10, v11 */
    {"zvkb", {VSET_E32, {0x06950457, 0x56950457}}},   /* vandn.vv, vrol.vv v8, v9, v10 */
    {"zvfhmin", {VSET_E16, {0x4aa61457, 0x4aaa1457}}}, /* vfwcvt.f.f.v, vfncvt.f.f.w v8, v10 */
    {"zvfh", {VSET_E16, {0x02951457}}},               /* vfadd.vv v8, v9, v10 */
    {"zvbc", {VSET_E64, {0x32952457}}},               /* vclmul.vv v8, v9, v10 */
    {"zvkg", {VSET_E32, {0xa298a477}}},               /* vgmul.vv v8, v9 */
    {"zvkned", {VSET_E32, {0xa2912477}}},             /* vaesem.vv v8, v9 */
    {"zvksed", {VSET_E32, {0xa2982477}}},             /* vsm4r.vv v8, v9 */
    {"zvfbfmin", {VSET_E16, {0x4aae9457}}},           /* vfncvtbf16.f.f.w v8, v10 */
    {"sstc", {.words = {0x14d022f3}}},                /* csrr t0, stimecmp */
    {"svinval", {.words = {0x16000073, 0x18000073, 0x18100073}}}, /* sinval.vma, sfence.w.inval, .inval.ir */
    {"ssaia", {.words = {0x150022f3}}},               /* csrr t0, siselect */
    {"sscofpmf", {.words = {0xda0022f3}}},            /* csrr t0, scountovf */
};
/* clang-format on */

/* What no instruction tells: hints that run everywhere, parts of V, and Svvptc, by which a fence is
 * not needed after a page was mapped (tests/unit/test_tlb.c). */
static const char *const silent[] = {"zicbop", "zihintpause", "zihintntl", "zve32f",
                                     "zve32x", "zve64d",      "zve64f",    "zve64x",
                                     "zvl32b", "zvl64b",      "zvl128b",   "svvptc"};

/* ---- Page tables (Privileged Architecture, chapters 14 to 17) ---- */

#define TEST_VA      0x3900000000UL
#define TEST_PA      (RAM_BASE + (32UL << 20))
#define PTE_NAPOT    (1UL << 63 | 8UL << 10) /* 64 KiB */
#define PTE_PBMT     (1UL << 61)             /* NC */
#define PTE_PBMT_3   (3UL << 61)             /* reserved */
#define PTE_RESERVED (1UL << 60)             /* for future use */

static uint64_t tables[2][512] __attribute__((aligned(4096)));

static void load(void *va)
{
    (void)*(volatile uint64_t *)va;
}

/* Is a page whose entry has `bits` besides the usual ones good for a load at `offset` in it? */
static bool page_works(uint64_t bits, unsigned flags, uint64_t offset)
{
    struct trap t;
    bool ran;

    tables[1][offset >> 12] = pte_leaf(TEST_PA, 12, flags) | bits;
    tables[0][0] = pte_table((uint64_t)tables[1]);
    page_root()[TEST_VA >> 30 & 511] = pte_table((uint64_t)tables[0]);
    tlb_flush();
    ran = trap_try(load, (void *)(TEST_VA + offset), &t);
    if (!ran)
        check(t.kind == TRAP_PAGE, "what is wrong with a page is a page fault");
    tables[1][offset >> 12] = 0;
    tlb_flush();
    return ran;
}

static const struct {
    const char *name;
    uint64_t bits;
    unsigned flags;
    uint64_t offset;
} of_pages[] = {
    {"svpbmt", PTE_PBMT, 0, 0},
    {"svnapot", PTE_NAPOT, 0, 5 << 12},
    {"svadu", 0, PAGE_OLD, 0},
};

static void test_pages(void)
{
    check(page_works(0, 0, 0), "a usual page works");
    check(!page_works(PTE_RESERVED, 0, 0), "a page with a reserved bit faults");
    check(!page_works(PTE_PBMT_3, 0, 0), "a page of a reserved memory type faults");
    for (unsigned i = 0; i < ARRAY_SIZE(of_pages); i++) {
        bool offered = isa_has(of_pages[i].name);

        check(page_works(of_pages[i].bits, of_pages[i].flags, of_pages[i].offset) == offered,
              "%s is %s", of_pages[i].name,
              offered ? "offered, and such a page works" : "not offered, and such a page faults");
    }
}

/* ---- */

static bool is_name(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && strncmp(name, text, length) == 0;
}

static bool is_known(const char *text, size_t length)
{
    for (unsigned i = 0; i < ARRAY_SIZE(extensions); i++)
        if (is_name(extensions[i].name, text, length))
            return true;
    for (unsigned i = 0; i < ARRAY_SIZE(of_pages); i++)
        if (is_name(of_pages[i].name, text, length))
            return true;
    for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
        if (is_name(silent[i], text, length))
            return true;
    return false;
}

static void check_complete(void)
{
    const char *at = isa_string() + strlen("rv64i");
    char name[32];

    for (; *at && *at != '_'; at++)
        check(is_known(at, 1), "the letter %c is one that is tried here", *at);
    while (*at == '_') {
        size_t length = strcspn(++at, "_");

        memcpy(name, at, length < sizeof(name) ? length : sizeof(name) - 1);
        name[length < sizeof(name) ? length : sizeof(name) - 1] = 0;
        check(is_known(at, length), "the name %s is one that is tried here", name);
        at += length;
    }
}

static void run_extensions(void)
{
    if (option("complete"))
        check_complete();
    for (unsigned i = 0; i < ARRAY_SIZE(extensions); i++)
        check_extension(extensions[i].name, isa_has(extensions[i].name), &extensions[i].code);
    test_pages();
}
PROGRAM(extensions);
