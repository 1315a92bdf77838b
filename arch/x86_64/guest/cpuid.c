/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * CPUID policy (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E): what the host has, cut to
 * the features that this machine carries; the hypervisor leaves that stock kernels know as KVM's
 * (Linux: Documentation/virt/kvm/x86/cpuid.rst).
 */
#include "arch/x86_64/guest/lapic.h"
#include "arch/x86_64/guest/machine.h"

#define LEAF_MAX          0x1fu
#define LEAF_EXTENDED     0x80000000u
#define LEAF_EXTENDED_MAX 0x8000001eu
#define LEAF_PLAIN_MAX    0x80000008u
#define LEAF_HYPERVISOR   0x40000000u
#define LEAF_KVM_FEATURES 0x40000001u
#define LEAF_FREQUENCIES  0x40000010u

/* Leaf 1, ECX: SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND. */
#define F1_ECX_HOST                                                                         \
    (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) | \
     BIT(25) | BIT(26) | BIT(28) | BIT(29) | BIT(30))
#define F1_ECX_X2APIC     BIT(21)
#define F1_ECX_DEADLINE   BIT(24)
#define F1_ECX_OSXSAVE    BIT(27)
#define F1_ECX_HYPERVISOR BIT(31)
/* Leaf 1, EDX: FPU DE PSE TSC MSR PAE CX8 APIC SEP PGE CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2. No
 * MTRR, no machine check. */
#define F1_EDX_HOST                                                                              \
    (BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(11) | BIT(13) | \
     BIT(15) | BIT(16) | BIT(17) | BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26))
/* Leaf 7, EBX: FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS RDSEED ADX SMAP CLFLUSHOPT CLWB SHA. */
#define F7_EBX_HOST                                                                                \
    (BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(18) | BIT(19) | BIT(20) | BIT(23) | \
     BIT(24) | BIT(29))
/* Leaf 7, ECX: UMIP VAES VPCLMULQDQ RDPID; EDX: FSRM. */
#define F7_ECX_HOST (BIT(2) | BIT(9) | BIT(10) | BIT(22))
#define F7_EDX_HOST BIT(4)
/* Leaf 80000001h, ECX: LAHF ABM SSE4A 3DNOWPREFETCH; EDX: SYSCALL NX MMXEXT FFXSR PDPE1GB RDTSCP
 * LM. */
#define FE1_ECX_HOST (BIT(0) | BIT(5) | BIT(6) | BIT(8))
#define FE1_EDX_HOST                                                                           \
    ((F1_EDX_HOST & 0x0183f3ffu) | BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(26) | BIT(27) | \
     BIT(29))
#define FE1_ECX_CMP_LEGACY BIT(1) /* several cores, one thread each */
#define FE1_ECX_TOPOEXT    BIT(22)

/* cpu = portable: x86-64-v3 and what every processor of that level has besides. Nothing is ever
 * added: guests keep it when they move. */
#define F1_ECX_PORTABLE                                                                     \
    (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) | \
     BIT(25) | BIT(26) | BIT(28) | BIT(29))
#define F7_EBX_PORTABLE    (BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9))
#define FE1_ECX_PORTABLE   (BIT(0) | BIT(5))
#define FE1_EDX_PORTABLE   (BIT(11) | BIT(20) | BIT(27) | BIT(29))
#define SIGNATURE_AMD      0x00800f12u /* family 17h, model 1 */
#define SIGNATURE_INTEL    0x000306c3u /* family 6, model 60 */
#define ADDRESSES_PORTABLE 0x3028u     /* 40 bits physical, 48 linear */
#define LINEAR_48          0x3000u     /* without LA57 */
#define ADDRESS_BITS(a)    ((a)&0xff)

#define INVARIANT_TSC BIT(8)
#define XCR0_BITS     (BIT(0) | BIT(1) | BIT(2)) /* x87, SSE, AVX */
#define PKRU          BIT(9)
#define XSAVEOPT      BIT(0)
#define XSAVE_LEGACY  576 /* bytes: legacy region and header */
#define XSAVE_AVX     256

#define KVM_CLOCKSOURCE2       BIT(3)
#define KVM_NOP_IO_DELAY       BIT(1)
#define KVM_PV_EOI             BIT(6)
#define KVM_CLOCKSOURCE_STABLE BIT(24)
#define VENDOR_AMD_ECX         0x444d4163u /* "cAMD" */
#define CLFLUSH_64             0x0800u
#define F1_EDX_APIC            BIT(9)
#define F1_EDX_HTT             BIT(28)
#define LEVEL_THREAD           1u
#define LEVEL_CORE             2u
#define CACHE_TYPE(eax)        ((eax)&0x1f)
#define CACHE_LEVEL(eax)       (((eax) >> 5) & 7)
#define CACHE_OWN_BITS         0x3fffu
#define CACHE_SHARING_SHIFT    14
#define CACHE_CORES_SHIFT      26
#define CR4_OSXSAVE            BIT(18)

struct x86_cpuid (*x86_host_cpuid)(uint32_t leaf, uint32_t subleaf);

/* The least processor that 64-bit kernels run on (x86-64-v1): used where no x86 host answers. */
static struct x86_cpuid plain_cpuid(uint32_t leaf)
{
    switch (leaf) {
    case 0:
        return (struct x86_cpuid){7, 0x68747541, 0x444d4163, 0x69746e65}; /* AuthenticAMD */
    case 1:
        return (struct x86_cpuid){0x00000f00, 0x00000800, BIT(0) | BIT(13), (uint32_t)F1_EDX_HOST};
    case LEAF_EXTENDED:
        return (struct x86_cpuid){LEAF_PLAIN_MAX, 0, 0, 0};
    case LEAF_EXTENDED + 1:
        return (struct x86_cpuid){0x00000f00, 0, BIT(0), (uint32_t)(BIT(11) | BIT(20) | BIT(29))};
    case LEAF_PLAIN_MAX:
        return (struct x86_cpuid){ADDRESSES_PORTABLE, 0, 0, 0};
    default:
        return (struct x86_cpuid){0};
    }
}

static struct x86_cpuid host_leaf(uint32_t leaf, uint32_t subleaf)
{
    uint32_t max;

    if (!x86_host_cpuid)
        return plain_cpuid(leaf);
    max = x86_host_cpuid(leaf & LEAF_EXTENDED, 0).eax;
    return leaf <= max ? x86_host_cpuid(leaf, subleaf) : (struct x86_cpuid){0};
}

uint64_t x86_xcr0_allowed(void)
{
    struct x86_cpuid one = host_leaf(1, 0);

    if (!(one.ecx & BIT(26)))
        return 0;
    return host_leaf(0xd, 0).eax & XCR0_BITS;
}

uint64_t x86_fpu_components(void)
{
    return x86_xcr0_allowed() | (host_leaf(1, 0).ecx & BIT(26) ? host_leaf(0xd, 0).eax & PKRU : 0);
}

/* ---- Policy ---- */

struct features {
    uint32_t f1_ecx, f1_edx, f7_ebx, f7_ecx, f7_edx, fe1_ecx, fe1_edx;
};

static const struct features portable = {
    .f1_ecx = (uint32_t)F1_ECX_PORTABLE,
    .f1_edx = (uint32_t)F1_EDX_HOST,
    .f7_ebx = (uint32_t)F7_EBX_PORTABLE,
    .fe1_ecx = (uint32_t)FE1_ECX_PORTABLE,
    .fe1_edx = (uint32_t)FE1_EDX_PORTABLE,
};

/* What the host has of what this machine carries. */
static struct features host_features(void)
{
    struct x86_cpuid one = host_leaf(1, 0), seven = host_leaf(7, 0),
                     extended = host_leaf(LEAF_EXTENDED + 1, 0);

    return (struct features){.f1_ecx = one.ecx & (uint32_t)F1_ECX_HOST,
                             .f1_edx = one.edx & (uint32_t)F1_EDX_HOST,
                             .f7_ebx = seven.ebx & (uint32_t)F7_EBX_HOST,
                             .f7_ecx = seven.ecx & (uint32_t)F7_ECX_HOST,
                             .f7_edx = seven.edx & (uint32_t)F7_EDX_HOST,
                             .fe1_ecx = extended.ecx & (uint32_t)FE1_ECX_HOST,
                             .fe1_edx = extended.edx & (uint32_t)FE1_EDX_HOST};
}

static bool is_portable(const struct vm *vm)
{
    return vm->config->cpu == X86_CPU_PORTABLE;
}

static struct features vm_features(const struct vm *vm)
{
    return is_portable(vm) ? portable : host_features();
}

bool x86_cpuid_can_be_portable(void)
{
    struct features h = host_features();

    return !(portable.f1_ecx & ~h.f1_ecx) && !(portable.f1_edx & ~h.f1_edx) &&
           !(portable.f7_ebx & ~h.f7_ebx) && !(portable.fe1_ecx & ~h.fe1_ecx) &&
           !(portable.fe1_edx & ~h.fe1_edx) &&
           ADDRESS_BITS(host_leaf(LEAF_EXTENDED + 8, 0).eax) >= ADDRESS_BITS(ADDRESSES_PORTABLE);
}

static bool vendor_is_amd(void)
{
    return host_leaf(0, 0).ecx == VENDOR_AMD_ECX;
}

/* ---- Leaves ---- */

static struct x86_cpuid leaf_features(struct vcpu *v)
{
    struct features f = vm_features(v->vm);
    struct x86_cpuid r = host_leaf(1, 0);
    struct x86_state *s = x86_state(v);
    unsigned cpus = (unsigned)v->vm->config->cpus;

    if (is_portable(v->vm))
        r = (struct x86_cpuid){vendor_is_amd() ? SIGNATURE_AMD : SIGNATURE_INTEL, CLFLUSH_64, 0, 0};
    r.ebx = (r.ebx & 0x0000ff00) | cpus << 16 | v->id << 24;
    r.ecx = f.f1_ecx | (uint32_t)(F1_ECX_X2APIC | F1_ECX_DEADLINE | F1_ECX_HYPERVISOR);
    r.edx = f.f1_edx | (uint32_t)F1_EDX_APIC | (cpus > 1 ? (uint32_t)F1_EDX_HTT : 0);
    vcpu_need(v, X86_CONTROL);
    if (s->cr4 & CR4_OSXSAVE)
        r.ecx |= (uint32_t)F1_ECX_OSXSAVE;
    return r;
}

/* Bits of an APIC id that number the cores of the one package. */
static unsigned core_bits(unsigned cpus)
{
    unsigned bits = 0;

    while ((1u << bits) < cpus)
        bits++;
    return bits;
}

/* Leaves 0Bh and 1Fh: one thread a core, all cores in one package. */
static struct x86_cpuid leaf_topology(struct vcpu *v, uint32_t subleaf)
{
    unsigned cpus = (unsigned)v->vm->config->cpus;

    if (subleaf == 0)
        return (struct x86_cpuid){0, 1, LEVEL_THREAD << 8, v->id};
    if (subleaf == 1)
        return (struct x86_cpuid){core_bits(cpus), cpus, LEVEL_CORE << 8 | 1, v->id};
    return (struct x86_cpuid){0, 0, subleaf, v->id};
}

/* Leaf 4 and 8000001Dh, of one form: the host's caches, the third level shared by all vCPUs. */
static struct x86_cpuid leaf_cache(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct x86_cpuid r = host_leaf(leaf, subleaf);
    unsigned cpus = (unsigned)v->vm->config->cpus;

    if (is_portable(v->vm) || !CACHE_TYPE(r.eax))
        return (struct x86_cpuid){0};
    r.eax &= CACHE_OWN_BITS;
    if (CACHE_LEVEL(r.eax) >= 3)
        r.eax |= (cpus - 1) << CACHE_SHARING_SHIFT;
    if (leaf == 4)
        r.eax |= (cpus - 1) << CACHE_CORES_SHIFT;
    return r;
}

/* Sizes follow from the components that this machine carries, not from what the host has switched
 * on. */
static struct x86_cpuid leaf_xsave(struct vcpu *v, uint32_t subleaf)
{
    uint64_t allowed = x86_xcr0_allowed();
    uint32_t full = XSAVE_LEGACY + (allowed & BIT(2) ? XSAVE_AVX : 0);
    uint32_t now = XSAVE_LEGACY + (x86_state(v)->xcr0 & BIT(2) ? XSAVE_AVX : 0);

    if (!allowed)
        return (struct x86_cpuid){0};
    if (subleaf == 0)
        return (struct x86_cpuid){(uint32_t)allowed, now, full, 0};
    if (subleaf == 1)
        return (struct x86_cpuid){
            is_portable(v->vm) ? 0 : host_leaf(0xd, 1).eax & (uint32_t)XSAVEOPT, now, 0, 0};
    if (subleaf == 2 && (allowed & BIT(2)))
        return (struct x86_cpuid){XSAVE_AVX, XSAVE_LEGACY, 0, 0};
    return (struct x86_cpuid){0};
}

static struct x86_cpuid leaf_hypervisor(struct vcpu *v, uint32_t leaf)
{
    switch (leaf) {
    case LEAF_HYPERVISOR:
        return (struct x86_cpuid){LEAF_FREQUENCIES, 0x4b4d564b, 0x564b4d56, 0x4d}; /* KVMKVMKVM */
    case LEAF_KVM_FEATURES:
        return (struct x86_cpuid){
            KVM_CLOCKSOURCE2 | KVM_NOP_IO_DELAY | KVM_PV_EOI | KVM_CLOCKSOURCE_STABLE, 0, 0, 0};
    case LEAF_FREQUENCIES: /* kHz of TSC and of the local APIC's timer */
        return (struct x86_cpuid){(uint32_t)(x86_machine(v->vm)->tsc_hz / 1000),
                                  (uint32_t)(LAPIC_BUS_HZ / 1000), 0, 0};
    default:
        return (struct x86_cpuid){0};
    }
}

/* The brand string of portable processors, padded with NULs. */
static struct x86_cpuid leaf_brand(uint32_t part)
{
    static const char brand[48] = "Ennead portable x86-64-v3 processor";
    struct x86_cpuid r;

    __builtin_memcpy(&r, brand + 16 * part, sizeof(r));
    return r;
}

/* Leaf 8000001Eh: extended APIC id, core, node. */
static struct x86_cpuid leaf_amd_ids(struct vcpu *v)
{
    return vendor_is_amd() ? (struct x86_cpuid){v->id, v->id, 0, 0} : (struct x86_cpuid){0};
}

static struct x86_cpuid leaf_extended_features(struct vcpu *v)
{
    struct features f = vm_features(v->vm);
    struct x86_cpuid r = {.ecx = f.fe1_ecx, .edx = f.fe1_edx};

    if (!vendor_is_amd())
        return r;
    r.eax = leaf_features(v).eax;
    r.ecx |= (uint32_t)FE1_ECX_TOPOEXT;
    if (v->vm->config->cpus > 1)
        r.ecx |= (uint32_t)FE1_ECX_CMP_LEGACY;
    return r;
}

static struct x86_cpuid leaf_extended(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct x86_cpuid r = host_leaf(leaf, 0);
    unsigned cpus = (unsigned)v->vm->config->cpus;

    switch (leaf - LEAF_EXTENDED) {
    case 0:
        r.eax = vendor_is_amd() ? LEAF_EXTENDED_MAX : LEAF_PLAIN_MAX;
        return r;
    case 1:
        return leaf_extended_features(v);
    case 2: /* brand string */
    case 3:
    case 4:
        return is_portable(v->vm) ? leaf_brand(leaf - LEAF_EXTENDED - 2) : r;
    case 5: /* cache sizes */
    case 6:
        return is_portable(v->vm) ? (struct x86_cpuid){0} : r;
    case 7:
        return (struct x86_cpuid){0, 0, 0, (uint32_t)INVARIANT_TSC};
    case 8:
        return (struct x86_cpuid){is_portable(v->vm) ? ADDRESSES_PORTABLE
                                                     : LINEAR_48 | ADDRESS_BITS(r.eax),
                                  0, vendor_is_amd() ? core_bits(cpus) << 12 | (cpus - 1) : 0, 0};
    case 0x1d:
        return vendor_is_amd() ? leaf_cache(v, leaf, subleaf) : (struct x86_cpuid){0};
    case 0x1e:
        return leaf_amd_ids(v);
    default:
        return (struct x86_cpuid){0};
    }
}

struct x86_cpuid x86_cpuid_read(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct features f;
    struct x86_cpuid r;

    if (leaf >= LEAF_EXTENDED)
        return leaf_extended(v, leaf, subleaf);
    if (leaf >= LEAF_HYPERVISOR)
        return leaf_hypervisor(v, leaf);
    switch (leaf) {
    case 0:
        r = host_leaf(0, 0);
        r.eax = LEAF_MAX;
        return r;
    case 1:
        return leaf_features(v);
    case 2: /* cache descriptors */
        return is_portable(v->vm) ? (struct x86_cpuid){0} : host_leaf(leaf, 0);
    case 4:
        return vendor_is_amd() ? (struct x86_cpuid){0} : leaf_cache(v, leaf, subleaf);
    case 7:
        f = vm_features(v->vm);
        return subleaf ? (struct x86_cpuid){0}
                       : (struct x86_cpuid){0, f.f7_ebx, f.f7_ecx, f.f7_edx};
    case 0xb:
    case 0x1f:
        return leaf_topology(v, subleaf);
    case 0xd:
        return leaf_xsave(v, subleaf);
    default:
        return (struct x86_cpuid){0};
    }
}
