/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What an x86_64 guest finds that was started by PVH, and its MSRs. All but what PVH says (Xen,
 * public/arch-x86/hvm/start_info.h) is as after a reset (SDM vol. 3, table 10-1). */
#include "tests/guests/fresh.h"

#include <stdio.h>

extern uint64_t boot_registers[16], boot_control[20];

#define RDX         2
#define RBX         3
#define RAM_LOW     0x100000UL
#define GDT_DATA    16
#define GDT_CODE    8
#define CR0_PE_ET   0x11UL
#define CR0_NE      0x20UL
#define DR6_RESET   0xffff0ff0UL
#define DR7_RESET   0x400UL
#define IDT_RESET   0xffffUL /* limit; base 0 */
#define FLAGS       2UL
#define MXCSR       88 /* words of struct register_file's out[] */
#define FCW         89
#define MXCSR_INIT  0x1f80UL
#define FCW_INIT    0x37fUL
#define CR4_OSXSAVE (1UL << 18)

static const struct {
    const char *name;
    uint64_t value;
} controls[] = {
    {"cr0", CR0_PE_ET | CR0_NE},
    {"cr2", 0},
    {"cr3", 0},
    {"cr4", 0},
    {"dr0", 0},
    {"dr1", 0},
    {"dr2", 0},
    {"dr3", 0},
    {"dr6", DR6_RESET},
    {"dr7", DR7_RESET},
    {"ds", GDT_DATA},
    {"es", GDT_DATA},
    {"fs", GDT_DATA},
    {"gs", GDT_DATA},
    {"ss", GDT_DATA},
    {"cs", GDT_CODE},
    {"ldtr", 0},
    {"tr", 0},
    {"idtr", IDT_RESET},
    {"rflags", FLAGS},
};

/* Floating point is as FNINIT leaves it: PVH does not say. */
static void vectors(void)
{
    static struct register_file file;
    char name[16];

    registers_store(&file);
    fresh_expect(file.out[MXCSR], MXCSR_INIT, "mxcsr");
    fresh_expect(file.out[FCW], FCW_INIT, "fcw");
    file.in[MXCSR] = ANY_VALUE; /* with AVX */
    registers_prepare(&file);
    registers_store(&file);
    for (unsigned i = 16; i < MXCSR; i++) {
        register_name(i, name, sizeof(name));
        fresh_expect(file.out[i], 0, "%s", name);
    }
}

void fresh_registers(void)
{
    char name[16];
    uint32_t r[4];

    vectors();
    cpuid(1, 0, r);
    for (unsigned i = 0; i < 16; i++) {
        register_name(i, name, sizeof(name));
        if (i == RBX)
            fresh_expect(boot_registers[i] < RAM_LOW && boot_registers[i], true, "%s in RAM", name);
        else /* RDX tells the processor after a reset */
            fresh_expect(boot_registers[i], i == RDX ? r[0] : 0, "%s", name);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(controls); i++)
        fresh_expect(boot_control[i], controls[i].value, "%s", controls[i].name);
    fresh_expect(read_pkru(), 0, "pkru");
}

/* ---- MSRs (SDM vol. 4; AMD APM vol. 2, appendix A): Intel's, AMD's, KVM's ---- */

const struct fresh_range fresh_ranges[] = {
    {0, 0x1fff},
    {0x40000000, 0x400000ff},
    {0x4b564d00, 0x4b564dff},
    {0xc0000000, 0xc0001fff},
    {0xc0010000, 0xc0011fff},
};
const unsigned fresh_range_count = ARRAY_SIZE(fresh_ranges);

const struct readable fresh_readable[] = {
    {0x10, 0x10, 0, ANY_VALUE},                  /* TSC */
    {0x17, 0x17, 0, 0},                          /* platform */
    {0x1b, 0x1b, 0xfee00d00, 0},                 /* local APIC: x2APIC, the first CPU's */
    {0x3a, 0x3a, 1, 0},                          /* feature control: locked */
    {0x3b, 0x3b, 0, 0},                          /* TSC_ADJUST */
    {0x8b, 0x8b, 0x01000065, 0},                 /* microcode */
    {0xfe, 0xfe, 0, 0},                          /* MTRRs: none */
    {0x174, 0x176, 0, 0},                        /* SYSENTER */
    {0x179, 0x17a, 0, 0},                        /* machine checks: no bank */
    {0x1a0, 0x1a0, 1, 0},                        /* fast strings */
    {0x277, 0x277, 0x0007040600070406ULL, 0},    /* PAT */
    {0x2ff, 0x2ff, 0, 0},                        /* MTRRs: off */
    {0x6e0, 0x6e0, 0, 0},                        /* deadline */
    {0x802, 0x802, 0, 0},                        /* APIC id */
    {0x803, 0x803, 0x50014, 0xffffff00},         /* version */
    {0x808, 0x808, 0, 0},                        /* task priority */
    {0x80a, 0x80a, 0, 0},                        /* processor priority */
    {0x80d, 0x80d, 1, 0},                        /* logical id */
    {0x80f, 0x80f, 0x1ff, 0},                    /* spurious vector */
    {0x810, 0x827, 0, 0},                        /* in service, triggers, requested */
    {0x828, 0x828, 0, 0},                        /* errors */
    {0x830, 0x830, 0, 0},                        /* command */
    {0x832, 0x832, 0x400e0, 0},                  /* timer: by deadline, vector of machine.c */
    {0x833, 0x837, 0x10000, 0},                  /* local vectors, masked */
    {0x838, 0x839, 0, 0},                        /* timer's counts */
    {0x83e, 0x83e, 0xb, 0},                      /* its divider */
    {0xc0000080, 0xc0000080, 0x500, 1ULL << 11}, /* EFER: long mode; read_msr() of tests sets NXE */
    {0xc0000081, 0xc0000084, 0, 0},              /* STAR to SFMASK */
    {0xc0000100, 0xc0000100, 0, 0},              /* FS */
    {0xc0000101, 0xc0000101, (uint64_t)-1, ANY_VALUE}, /* GS: guest_cpus */
    {0xc0000102, 0xc0000103, 0, 0},                    /* KERNEL_GS_BASE, TSC_AUX */
    {0xc0010010, 0xc0010010, 0, 0},                    /* SYSCFG */
    {0xc0010015, 0xc0010015, 1ULL << 24, 0},           /* HWCR: invariant TSC */
    {0xc001001f, 0xc001001f, 0, 0},                    /* NB_CFG */
    {0xc0011029, 0xc0011029, 2, 0},                    /* DE_CFG: LFENCE */
    {0x4b564d01, 0x4b564d01, 0, 0},                    /* kvmclock */
    {0x4b564d04, 0x4b564d04, 0, 0},                    /* end of interrupt in memory */
};
const unsigned fresh_readable_count = ARRAY_SIZE(fresh_readable);

uint64_t fresh_read(uint32_t number)
{
    return rdmsr(number);
}

bool fresh_skipped(uint32_t number)
{
    (void)number;
    return false;
}

void fresh_name(uint32_t number, char *name, size_t size)
{
    snprintf(name, size, "MSR 0x%x", number);
}
