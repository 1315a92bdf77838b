/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* CPU features and the control registers that follow from them. */
#include <string.h>
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "kernel/log.h"

/* CPUID: SDM 2, "CPUID", and APM 3, appendix E. */
#define CPUID1_ECX_VMX          BIT(5)
#define CPUID1_ECX_PCID         BIT(17)
#define CPUID1_ECX_X2APIC       BIT(21)
#define CPUID1_ECX_TSC_DEADLINE BIT(24)
#define CPUID1_ECX_XSAVE        BIT(26)
#define CPUID1_ECX_AVX          BIT(28)
#define CPUID1_ECX_HYPERVISOR   BIT(31)
#define CPUID1_EDX_MTRR         BIT(12)
#define CPUID1_EDX_PGE          BIT(13)
#define CPUID6_EAX_ARAT         BIT(2)
#define CPUID7_EBX_SMEP         BIT(7)
#define CPUID7_EBX_AVX512F      BIT(16)
#define CPUID7_EBX_SMAP         BIT(20)
#define CPUID7_ECX_UMIP         BIT(2)
#define CPUID7_EDX_MD_CLEAR     BIT(10)
#define CPUID7_EDX_SPEC_CTRL    BIT(26) /* IBRS and IBPB */
#define CPUID7_EDX_L1D_FLUSH    BIT(28)
#define CPUID7_EDX_ARCH_CAP     BIT(29)
#define CPUID_X1_ECX_SVM        BIT(2)
#define CPUID_X1_EDX_PAGE_1G    BIT(26)
#define CPUID_X1_EDX_RDTSCP     BIT(27)
#define CPUID_X7_EDX_INVARIANT  BIT(8)
#define CPUID_X8_EBX_IBPB       BIT(12)
#define CPUID_X8_EBX_FPTRS                                        \
    BIT(2) /* XRSTOR always loads FIP and FDP (APM vol. 3, E.4.7) \
            */
#define CPUID_X21_EAX_AUTO_IBRS BIT(8)

#define CPUID_EXTENDED   0x80000000u
#define CPUID_HYPERVISOR 0x40000000u

/* PAT: 0 write-back, 1 (PWT) write-combining, 2 (PCD) uncached-minus, 3 uncached; the same again
 * with the PAT bit. */
#define PAT_WB       6ULL
#define PAT_WC       1ULL
#define PAT_UC_MINUS 7ULL
#define PAT_UC       0ULL
#define PAT_HALF     (PAT_WB | PAT_WC << 8 | PAT_UC_MINUS << 16 | PAT_UC << 24)
#define PAT_VALUE    (PAT_HALF | PAT_HALF << 32)

/* State components that guests may use: x87, SSE, AVX, and AVX-512's three. */
#define XCR0_AVX512 0xe0
/* Guests are not offered protection keys, but where CR4 is theirs nothing keeps them from PKRU. */
#define XCR0_PKRU   0x200
#define XCR0_WANTED (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU)
#define FXSAVE_SIZE 512

static struct cpu_features features;

const struct cpu_features *cpu_features(void)
{
    return &features;
}

static void find_identity(void)
{
    struct cpuid c = cpuid_read(0, 0);
    uint32_t *brand = (uint32_t *)(void *)features.brand;

    features.leaf_max = c.eax;
    memcpy(features.vendor, &c.ebx, 4);
    memcpy(features.vendor + 4, &c.edx, 4);
    memcpy(features.vendor + 8, &c.ecx, 4);
    features.intel = !strcmp(features.vendor, "GenuineIntel");
    features.amd =
        !strcmp(features.vendor, "AuthenticAMD") || !strcmp(features.vendor, "HygonGenuine");

    c = cpuid_read(1, 0);
    features.family = c.eax >> 8 & 0xf;
    features.model = (uint8_t)((c.eax >> 4 & 0xf) | (c.eax >> 16 & 0xf) << 4);
    features.stepping = c.eax & 0xf;
    if (features.family == 0xf)
        features.family = (uint8_t)(features.family + (c.eax >> 20 & 0xff));

    features.extended_max = cpuid_read(CPUID_EXTENDED, 0).eax;
    for (uint32_t i = 0; i < 3 && features.extended_max >= CPUID_EXTENDED + 4; i++) {
        c = cpuid_read(CPUID_EXTENDED + 2 + i, 0);
        memcpy(brand + 4 * i, &c, sizeof(c));
    }
}

static void find_basic(void)
{
    struct cpuid c = cpuid_read(1, 0);

    features.vmx = c.ecx & CPUID1_ECX_VMX;
    features.pcid = c.ecx & CPUID1_ECX_PCID;
    features.x2apic = c.ecx & CPUID1_ECX_X2APIC;
    features.tsc_deadline = c.ecx & CPUID1_ECX_TSC_DEADLINE;
    features.xsave = c.ecx & CPUID1_ECX_XSAVE;
    features.avx = c.ecx & CPUID1_ECX_AVX;
    features.mtrr = c.edx & CPUID1_EDX_MTRR;
    features.pge = c.edx & CPUID1_EDX_PGE;
    if (c.ecx & CPUID1_ECX_HYPERVISOR) {
        struct cpuid h = cpuid_read(CPUID_HYPERVISOR, 0);

        memcpy(features.hypervisor, &h.ebx, 12);
    }
    if (features.leaf_max >= 6)
        features.arat = cpuid_read(6, 0).eax & CPUID6_EAX_ARAT;
}

static void find_structured(void)
{
    struct cpuid c;

    if (features.leaf_max < 7)
        return;
    c = cpuid_read(7, 0);
    features.smep = c.ebx & CPUID7_EBX_SMEP;
    features.smap = c.ebx & CPUID7_EBX_SMAP;
    features.avx512 = c.ebx & CPUID7_EBX_AVX512F;
    features.umip = c.ecx & CPUID7_ECX_UMIP;
    features.md_clear = c.edx & CPUID7_EDX_MD_CLEAR;
    features.spec_ctrl = c.edx & CPUID7_EDX_SPEC_CTRL;
    features.ibpb = features.spec_ctrl;
    features.l1d_flush = c.edx & CPUID7_EDX_L1D_FLUSH;
    if (c.edx & CPUID7_EDX_ARCH_CAP)
        features.arch_capabilities =
            msr_read_safe(MSR_ARCH_CAPABILITIES, &features.arch_capabilities_value);
}

static void find_extended(void)
{
    struct cpuid c;

    features.physical_bits = 36;
    if (features.extended_max >= CPUID_EXTENDED + 1) {
        c = cpuid_read(CPUID_EXTENDED + 1, 0);
        features.svm = c.ecx & CPUID_X1_ECX_SVM;
        features.page_1g = c.edx & CPUID_X1_EDX_PAGE_1G;
        features.rdtscp = c.edx & CPUID_X1_EDX_RDTSCP;
    }
    if (features.extended_max >= CPUID_EXTENDED + 7)
        features.tsc_invariant = cpuid_read(CPUID_EXTENDED + 7, 0).edx & CPUID_X7_EDX_INVARIANT;
    if (features.extended_max >= CPUID_EXTENDED + 8) {
        c = cpuid_read(CPUID_EXTENDED + 8, 0);
        features.physical_bits = c.eax & 0xff;
        features.ibpb |= (c.ebx & CPUID_X8_EBX_IBPB) != 0;
        features.fpu_pointers_stay = features.amd && !(c.ebx & CPUID_X8_EBX_FPTRS);
    }
    if (features.extended_max >= CPUID_EXTENDED + 0x21)
        features.auto_ibrs = cpuid_read(CPUID_EXTENDED + 0x21, 0).eax & CPUID_X21_EAX_AUTO_IBRS;
}

/* The size that leaf 0xd gives for what XCR0 holds is right only after XCR0 is written:
 * cpu_registers_init() did that. */
static void find_xsave(void)
{
    struct cpuid c;

    features.xcr0 = XCR0_X87 | XCR0_SSE;
    features.xsave_size = FXSAVE_SIZE;
    if (!features.xsave)
        return;
    c = cpuid_read(0xd, 0);
    features.xcr0 = ((uint64_t)c.edx << 32 | c.eax) & XCR0_WANTED;
    if (!features.avx)
        features.xcr0 &= XCR0_X87 | XCR0_SSE | XCR0_PKRU;
    if (!features.avx512 || (features.xcr0 & XCR0_AVX512) != XCR0_AVX512)
        features.xcr0 &= ~(uint64_t)XCR0_AVX512;
}

void cpu_features_init(void)
{
    find_identity();
    find_basic();
    find_structured();
    find_extended();
    find_xsave();
    cpu_registers_init();
    if (features.xsave)
        features.xsave_size = cpuid_read(0xd, 0).ebx;
}

void cpu_registers_init(void)
{
    /* PSE means nothing here, but guests have it, and a switch that changes it may cost more. */
    uint64_t cr4 = CR4_PAE | CR4_PSE | CR4_DE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    uint64_t cr0 = cr0_read();

    cr0 &= ~(uint64_t)(CR0_EM | CR0_TS | CR0_CD | CR0_NW | CR0_AM);
    cr0_write(cr0 | CR0_WP | CR0_MP | CR0_NE);
    cr4 |= features.pge ? CR4_PGE : 0;
    cr4 |= features.smep ? CR4_SMEP : 0;
    cr4 |= features.smap ? CR4_SMAP : 0;
    cr4 |= features.umip ? CR4_UMIP : 0;
    cr4 |= features.pcid ? CR4_PCIDE : 0;
    cr4 |= features.xsave ? CR4_OSXSAVE : 0;
    cr3_write(cr3_read() & ~PAGE_MASK); /* PCIDE wants PCID 0 (SDM 3, 4.10.1) */
    cr4_write(cr4);
    msr_write(MSR_PAT, PAT_VALUE);
    msr_write(MSR_EFER, (msr_read(MSR_EFER) & EFER_SVME) | EFER_LME | EFER_LMA | EFER_NXE);
    if (features.xsave)
        xcr0_write(features.xcr0);
    if (features.amd) {
        uint64_t config;

        /* LFENCE is an execution barrier, which host_counter() relies on (APM 2, 3.2.2; not all
         * models have it). */
        if (msr_read_safe(MSR_AMD_DE_CFG, &config) && !(config & AMD_DE_CFG_LFENCE_SERIALIZES))
            msr_write_safe(MSR_AMD_DE_CFG, config | AMD_DE_CFG_LFENCE_SERIALIZES);
    }
}

static const char *brand_text(void)
{
    const char *brand = features.brand;

    while (*brand == ' ')
        brand++;
    return *brand ? brand : features.vendor;
}

void host_cpu_report(struct out *out)
{
    const struct {
        bool present;
        const char *name;
    } list[] = {
        {features.svm, "svm"},
        {features.vmx, "vt-x"},
        {features.page_1g, "1g-pages"},
        {features.pcid, "pcid"},
        {features.smep, "smep"},
        {features.smap, "smap"},
        {features.umip, "umip"},
        {features.xsave, "xsave"},
        {features.avx, "avx"},
        {features.avx512, "avx512"},
        {features.x2apic, "x2apic"},
        {features.tsc_deadline, "tsc-deadline"},
        {features.tsc_invariant, "invariant-tsc"},
    };

    out_printf(out,
               "%s (family %u, model %u, stepping %u), APIC id %u, %u address bits:", brand_text(),
               features.family, features.model, features.stepping, this_cpu()->host.apic_id,
               features.physical_bits);
    for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
        if (list[i].present)
            out_printf(out, " %s", list[i].name);
    }
    out_printf(out, "\n");
}
