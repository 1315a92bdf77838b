/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * CPUID policy (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E): what the host has, cut to
 * the features that this machine carries; the hypervisor leaves that stock kernels know as KVM's
 * (Linux: Documentation/virt/kvm/x86/cpuid.rst).
 */
#include "arch/x86_64/guest/lapic.h"
#include "arch/x86_64/guest/machine.h"

#define LEAF_MAX          0x0d
#define LEAF_EXTENDED     0x80000000u
#define LEAF_EXTENDED_MAX 0x80000008u
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
#define FE1_EDX_HOST                                                                          \
    (F1_EDX_HOST & 0x0183f3ffu) | BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(26) | BIT(27) | \
        BIT(29)
#define INVARIANT_TSC BIT(8)
#define XCR0_BITS     (BIT(0) | BIT(1) | BIT(2)) /* x87, SSE, AVX */
#define XSAVEOPT      BIT(0)
#define XSAVE_LEGACY  576 /* bytes: legacy region and header */
#define XSAVE_AVX     256

#define KVM_CLOCKSOURCE2       BIT(3)
#define KVM_NOP_IO_DELAY       BIT(1)
#define KVM_CLOCKSOURCE_STABLE BIT(24)
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
        return (struct x86_cpuid){LEAF_EXTENDED_MAX, 0, 0, 0};
    case LEAF_EXTENDED + 1:
        return (struct x86_cpuid){0x00000f00, 0, BIT(0), (uint32_t)(BIT(11) | BIT(20) | BIT(29))};
    case LEAF_EXTENDED_MAX:
        return (struct x86_cpuid){0x3028, 0, 0, 0}; /* 40 bits physical, 48 linear */
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

static struct x86_cpuid leaf_features(struct vcpu *v)
{
    struct x86_cpuid r = host_leaf(1, 0);
    struct x86_state *s = x86_state(v);

    r.ebx = (r.ebx & 0x0000ffff) | MIN(v->vm->vcpu_count, 255u) << 16 | v->id << 24;
    r.ecx = (r.ecx & (uint32_t)F1_ECX_HOST) |
            (uint32_t)(F1_ECX_X2APIC | F1_ECX_DEADLINE | F1_ECX_HYPERVISOR);
    r.edx =
        (r.edx & (uint32_t)F1_EDX_HOST) | BIT(9) | (v->vm->vcpu_count > 1 ? (uint32_t)BIT(28) : 0);
    vcpu_need(v, X86_CONTROL);
    if (s->cr4 & CR4_OSXSAVE)
        r.ecx |= (uint32_t)F1_ECX_OSXSAVE;
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
        return (struct x86_cpuid){host_leaf(0xd, 1).eax & XSAVEOPT, now, 0, 0};
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
        return (struct x86_cpuid){KVM_CLOCKSOURCE2 | KVM_NOP_IO_DELAY | KVM_CLOCKSOURCE_STABLE, 0,
                                  0, 0};
    case LEAF_FREQUENCIES: /* kHz of TSC and of the local APIC's timer */
        return (struct x86_cpuid){(uint32_t)(x86_machine(v->vm)->tsc_hz / 1000),
                                  (uint32_t)(LAPIC_BUS_HZ / 1000), 0, 0};
    default:
        return (struct x86_cpuid){0};
    }
}

static struct x86_cpuid leaf_extended(uint32_t leaf)
{
    struct x86_cpuid r = host_leaf(leaf, 0);

    switch (leaf - LEAF_EXTENDED) {
    case 0:
        return (struct x86_cpuid){MIN(r.eax, LEAF_EXTENDED_MAX), r.ebx, r.ecx, r.edx};
    case 1:
        r.ecx &= (uint32_t)FE1_ECX_HOST;
        r.edx &= (uint32_t)(FE1_EDX_HOST);
        return r;
    case 2: /* brand string, cache sizes */
    case 3:
    case 4:
    case 5:
    case 6:
        return r;
    case 7:
        return (struct x86_cpuid){0, 0, 0, (uint32_t)INVARIANT_TSC};
    case 8:
        return (struct x86_cpuid){r.eax & 0xffff, 0, 0, 0};
    default:
        return (struct x86_cpuid){0};
    }
}

struct x86_cpuid x86_cpuid_read(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct x86_cpuid r;

    if (leaf >= LEAF_EXTENDED)
        return leaf <= LEAF_EXTENDED_MAX ? leaf_extended(leaf) : (struct x86_cpuid){0};
    if (leaf >= LEAF_HYPERVISOR)
        return leaf_hypervisor(v, leaf);
    switch (leaf) {
    case 0:
        r = host_leaf(0, 0);
        r.eax = MIN(r.eax, (uint32_t)LEAF_MAX);
        return r;
    case 1:
        return leaf_features(v);
    case 2: /* cache descriptors */
        return host_leaf(leaf, 0);
    case 7:
        r = host_leaf(7, 0);
        if (subleaf)
            return (struct x86_cpuid){0};
        return (struct x86_cpuid){0, r.ebx & (uint32_t)F7_EBX_HOST, r.ecx & (uint32_t)F7_ECX_HOST,
                                  r.edx & (uint32_t)F7_EDX_HOST};
    case 0xb: /* one thread a core, all cores in one package */
        if (subleaf == 0)
            return (struct x86_cpuid){0, 1, 0x100, v->id};
        if (subleaf == 1)
            return (struct x86_cpuid){8, v->vm->vcpu_count, 0x201, v->id};
        return (struct x86_cpuid){0, 0, subleaf, v->id};
    case 0xd:
        return leaf_xsave(v, subleaf);
    default:
        return (struct x86_cpuid){0};
    }
}
