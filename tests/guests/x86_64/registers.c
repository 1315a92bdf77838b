/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Names, limits and system registers of an x86_64 vCPU, for tests/guests/registers.c. */
#include "tests/guests/registers.h"

#include <stdio.h>

#define RSP     4
#define RDI     7
#define YMM     16
#define MM      80
#define CONTROL 88

#define MXCSR_MASK \
    0xe03fULL /* flags, DAZ is left off, rounding, flush to zero; all exceptions masked */
#define MXCSR_SET  0x1f80ULL
#define RANDOM_AVX (1ULL << 20) /* of MXCSR's pattern: with AVX */
#define FCW_MASK   0x0c00ULL    /* rounding */
#define FCW_SET    0x037fULL

#define CR4_OSXSAVE       (1ULL << 18)
#define CPUID_1_ECX_XSAVE (1u << 26)
#define CPUID_1_ECX_AVX   (1u << 28)
#define XCR0_X87_SSE      3u
#define XCR0_X87_SSE_AVX  7u

static uint32_t cpuid_register(uint32_t leaf, unsigned which)
{
    uint32_t r[4];

    cpuid(leaf, 0, r);
    return r[which];
}

static bool has_avx(void)
{
    uint32_t ecx = cpuid_register(1, 2);

    return ecx & CPUID_1_ECX_XSAVE && ecx & CPUID_1_ECX_AVX;
}

/* AVX where `wanted` and possible. */
static bool enable_avx(bool wanted)
{
    uint64_t cr4;

    if (!has_avx())
        return false;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
    __asm__ volatile("xsetbv" : : "c"(0), "a"(wanted ? XCR0_X87_SSE_AVX : XCR0_X87_SSE), "d"(0));
    return wanted;
}

void registers_prepare(struct register_file *f)
{
    f->vector = enable_avx(f->in[CONTROL] & RANDOM_AVX);
    f->in[RSP] = f->out[RSP] = 0; /* takes the interrupt that ends the wait */
    f->in[RDI] = f->out[RDI] = 0; /* holds the file's address */
    for (unsigned i = YMM; !f->vector && i < MM; i += 4)
        f->in[i + 2] = f->in[i + 3] = f->out[i + 2] = f->out[i + 3] = 0;
    f->in[CONTROL] = (f->in[CONTROL] & MXCSR_MASK & ~0x3fULL) | MXCSR_SET;
    f->in[CONTROL + 1] = (f->in[CONTROL + 1] & FCW_MASK) | FCW_SET;
}

void register_name(unsigned i, char *name, size_t size)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

    if (i < YMM)
        snprintf(name, size, "%s", names[i]);
    else if (i < MM)
        snprintf(name, size, "ymm%u[%u]", (i - YMM) / 4, (i - YMM) % 4);
    else if (i < CONTROL)
        snprintf(name, size, "mm%u", i - MM);
    else
        snprintf(name, size, "%s", i == CONTROL ? "mxcsr" : "fcw");
}

#define CANONICAL 0x00007fffffffffffULL

/* MSRs (SDM vol. 4; AMD APM vol. 2, appendix A). */
#define MSRS(MSR)                              \
    MSR(sysenter_cs, 0x174, 0xffffULL)         \
    MSR(sysenter_esp, 0x175, CANONICAL)        \
    MSR(sysenter_eip, 0x176, CANONICAL)        \
    MSR(star, 0xc0000081, ~0ULL)               \
    MSR(lstar, 0xc0000082, CANONICAL)          \
    MSR(cstar, 0xc0000083, CANONICAL)          \
    MSR(sfmask, 0xc0000084, 0xffffffffULL)     \
    MSR(fs_base, 0xc0000100, CANONICAL)        \
    MSR(gs_base, 0xc0000101, CANONICAL)        \
    MSR(kernel_gs_base, 0xc0000102, CANONICAL) \
    MSR(pat, 0x277, 0x0001010101010000ULL)
#define MSR_FUNCTIONS(id, number, mask)    \
    static uint64_t read_##id(void)        \
    {                                      \
        return rdmsr(number);              \
    }                                      \
    static void write_##id(uint64_t value) \
    {                                      \
        wrmsr(number, value);              \
    }
MSRS(MSR_FUNCTIONS)

/* Reads and writes that cost an exit. TSC_AUX comes with RDTSCP; no execution of pages is barred
 * here, so that EFER.NXE may be anything. */
#define CPUID_X1_EDX_NX     (1u << 20)
#define CPUID_X1_EDX_RDTSCP (1u << 27)
#define MSR_TSC_AUX         0xc0000103u
#define MSR_EFER            0xc0000080u
#define EFER_SCE            1ULL
#define EFER_NXE            (1ULL << 11)

static bool has_extended(uint32_t bit)
{
    return cpuid_register(0x80000001, 3) & bit;
}

static uint64_t read_tsc_aux(void)
{
    return has_extended(CPUID_X1_EDX_RDTSCP) ? rdmsr(MSR_TSC_AUX) : 0;
}

static void write_tsc_aux(uint64_t value)
{
    if (has_extended(CPUID_X1_EDX_RDTSCP))
        wrmsr(MSR_TSC_AUX, value);
}

static uint64_t read_efer(void)
{
    return rdmsr(MSR_EFER);
}

static void write_efer(uint64_t value)
{
    wrmsr(MSR_EFER, has_extended(CPUID_X1_EDX_NX) ? value : value & ~EFER_NXE);
}

/* Debug registers 0 to 3 hold addresses that are never reached; of 6 what may be changed. CR2; of
 * CR3 how its tables are cached; CR8 below the timer's class. */
#define CONTROLS(CONTROL_REGISTER)          \
    CONTROL_REGISTER(dr0, "db0", ~0ULL)     \
    CONTROL_REGISTER(dr1, "db1", ~0ULL)     \
    CONTROL_REGISTER(dr2, "db2", ~0ULL)     \
    CONTROL_REGISTER(dr3, "db3", ~0ULL)     \
    CONTROL_REGISTER(dr6, "db6", 0xfULL)    \
    CONTROL_REGISTER(cr2, "cr2", ~0ULL)     \
    CONTROL_REGISTER(cr3, "cr3", 3ULL << 3) \
    CONTROL_REGISTER(cr8, "cr8", 7ULL)      \
    CONTROL_REGISTER(cr0, "cr0", CR0_MASK)
/* MP, NE, WP, AM */
#define CR0_MASK (1ULL << 1 | 1ULL << 5 | 1ULL << 16 | 1ULL << 18)
#define CONTROL_READ(id, text)                                             \
    static uint64_t read_##id(void)                                        \
    {                                                                      \
        uint64_t value;                                                    \
        __asm__ volatile("mov %%" text ", %0" : "=r"(value) : : "memory"); \
        return value;                                                      \
    }
#define CONTROL_FUNCTIONS(id, text, mask)                              \
    CONTROL_READ(id, text)                                             \
    static void write_##id(uint64_t value)                             \
    {                                                                  \
        __asm__ volatile("mov %0, %%" text : : "r"(value) : "memory"); \
    }
CONTROLS(CONTROL_FUNCTIONS)
CONTROL_READ(cr4, "cr4")
CONTROL_READ(dr7, "db7")

/* TSD, DE, PGE, PCE, OSXMMEXCPT; UMIP and FSGSBASE where they are offered. OSXSAVE is
 * enable_avx()'s. */
#define CR4_UMIP         (1ULL << 11)
#define CR4_FSGSBASE     (1ULL << 16)
#define CR4_MASK         (1ULL << 2 | 1ULL << 3 | 7ULL << 7 | 1ULL << 10 | CR4_UMIP | CR4_FSGSBASE)
#define CR4_OSFXSR       (1ULL << 9)
#define CPUID_7_EBX_FSGS 1u
#define CPUID_7_ECX_UMIP (1u << 2)

static void write_cr4(uint64_t value)
{
    value = (value & ~CR4_OSXSAVE) | (read_cr4() & CR4_OSXSAVE) | CR4_OSFXSR;
    if (!(cpuid_register(7, 1) & CPUID_7_EBX_FSGS))
        value &= ~CR4_FSGSBASE;
    if (!(cpuid_register(7, 2) & CPUID_7_ECX_UMIP))
        value &= ~CR4_UMIP;
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

/* Any of the four enabled. Execution has length 0, and accesses to ports are left out. */
#define DR7_MASK      0xffff00ffULL
#define DR7_KIND(i)   (16 + 4 * (i))
#define DR7_LENGTH(i) (18 + 4 * (i))
#define DR7_KIND_PORT 2

static void write_dr7(uint64_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t kind = value >> DR7_KIND(i) & 3;

        if (kind == 0)
            value &= ~(3ULL << DR7_LENGTH(i));
        else if (kind == DR7_KIND_PORT)
            value ^= 3ULL << DR7_KIND(i);
    }
    __asm__ volatile("mov %0, %%db7" : : "r"(value) : "memory");
}

/* XCR0 follows enable_avx(). */
static uint64_t read_xcr0(void)
{
    uint32_t low, high;

    if (!(read_cr4() & CR4_OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void write_nothing(uint64_t value)
{
    (void)value;
}

/* TSC_DEADLINE is 0 again when it has passed. */
uint64_t registers_deadline(void)
{
    return 0;
}

/* ---- Protection keys: not offered. If CR4 takes the bit all the same, the register is the guest's
 * own like any other ---- */

#define CR4_PKE (1ULL << 22)

static void enable_keys(void *cr4)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"((uint64_t)cr4 | CR4_PKE) : "memory");
}

/* An emulator may ignore the bit. Asked once, while traps can be taken. */
static bool has_keys(void)
{
    static enum { UNKNOWN, ABSENT, PRESENT } keys;
    struct trap t;

    if (keys == UNKNOWN) {
        uint64_t cr4 = read_cr4();

        keys = trap_try(enable_keys, (void *)cr4, &t) && read_cr4() & CR4_PKE ? PRESENT : ABSENT;
        __asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
    }
    return keys == PRESENT;
}

uint64_t read_pkru(void)
{
    uint64_t cr4 = read_cr4();
    uint32_t value;

    if (!has_keys())
        return 0;
    enable_keys((void *)cr4);
    __asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(value) : "c"(0) : "rdx", "memory");
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
    return value;
}

static void write_pkru(uint64_t value)
{
    uint64_t cr4 = read_cr4();

    if (!has_keys())
        return;
    enable_keys((void *)cr4);
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"((uint32_t)value), "c"(0), "d"(0) : "memory");
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

/* ---- Segments and descriptor tables. Bases and limits of DS and ES cannot be seen in 64-bit mode;
 * the task register's base only by what it points to ---- */

#define GDT_ENTRIES   16 /* of a copy: entry.S's five; from TSS_AT and LDT_AT on 16 bytes each */
#define GDT_COPIES    64
#define GDT_USED      5
#define TSS_AT        5
#define LDT_AT        7
#define SELECTOR(i)   ((i)*8)
#define LDT_SELECTOR  (8 | 4) /* its second entry */
#define TSS_FREE      (0x89ULL << 40)
#define LDT_PRESENT   (0x82ULL << 40)
#define DATA_PRESENT  (0x92ULL << 40)
#define TSS_LIMIT     0x67
#define LDT_LIMIT     15
#define SELECTOR_DATA 0x10

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern uint64_t gdt[];
extern const uint8_t idt[];
/* Each CPU's own. */
static struct tables {
    uint64_t gdt[GDT_COPIES][GDT_ENTRIES];
    uint64_t ldt[GDT_COPIES][2];
    uint8_t idt[4096 + 16 * 256];
    uint64_t task[14];
} __attribute__((aligned(16))) tables[GUEST_MAX_CPUS];

/* GS may hold a pattern. */
static struct tables *own_tables(void)
{
    return &tables[cpuid_register(1, 1) >> 24];
}

static uint64_t table_value(const struct table_pointer *p)
{
    return p->base | (uint64_t)p->limit << 48;
}

static void put_system_descriptor(uint64_t *at, const void *base, uint64_t limit, uint64_t kind)
{
    uint64_t address = (uint64_t)base;

    at[0] = limit | (address & 0xffffff) << 16 | kind | (address >> 24 & 0xff) << 56;
    at[1] = address >> 32;
}

static uint64_t read_gdtr(void)
{
    struct table_pointer p;

    __asm__ volatile("sgdt %0" : "=m"(p));
    return table_value(&p);
}

/* A copy of the table at one of GDT_COPIES places, each with an LDT of its own. */
static void write_gdtr(uint64_t value)
{
    unsigned n = value % GDT_COPIES;
    struct tables *t = own_tables();
    struct table_pointer p = {(uint16_t)(sizeof(t->gdt[n]) - 1 + (value >> 8 & 0xff) * 16),
                              (uint64_t)t->gdt[n]};

    memcpy(t->gdt[n], gdt, GDT_USED * sizeof(gdt[0]));
    put_system_descriptor(&t->gdt[n][TSS_AT], t->task, TSS_LIMIT, TSS_FREE);
    put_system_descriptor(&t->gdt[n][LDT_AT], t->ldt[n], LDT_LIMIT, LDT_PRESENT);
    t->ldt[n][1] = DATA_PRESENT | (0x100 + n); /* which table this is: by a limit */
    __asm__ volatile("lgdt %0\n\tlldt %w1\n\tltr %w2"
                     :
                     : "m"(p), "r"(SELECTOR(LDT_AT)), "r"(SELECTOR(TSS_AT))
                     : "memory");
}

static uint64_t read_idtr(void)
{
    struct table_pointer p;

    __asm__ volatile("sidt %0" : "=m"(p));
    return table_value(&p);
}

static void write_idtr(uint64_t value)
{
    uint8_t *at = own_tables()->idt + 16 * (value & 0xff);
    struct table_pointer p = {(uint16_t)(4095 + (value >> 8 & 0xff)), (uint64_t)at};

    memcpy(at, idt, 4096);
    __asm__ volatile("lidt %0" : : "m"(p) : "memory");
}

static uint64_t read_tr(void)
{
    uint64_t value = 0;

    __asm__ volatile("str %w0" : "+r"(value));
    return value;
}

/* Its selector, and which table it names. */
static uint64_t read_ldtr(void)
{
    uint64_t selector = 0, limit = 0;

    __asm__ volatile("sldt %w0" : "+r"(selector));
    __asm__ volatile("lsl %k1, %k0" : "+r"(limit) : "r"(LDT_SELECTOR) : "cc");
    return selector | limit << 16;
}

/* A null selector of any privilege or one of the two flat segments; FS and GS lose their base: the
 * MSRs come later. */
static uint64_t data_selector(uint64_t value)
{
    static const uint16_t selectors[] = {0, 1, 2, 3, SELECTOR_DATA, 0x20};

    return value == SELECTOR_DATA ? value : selectors[value % ARRAY_SIZE(selectors)];
}

#define DATA_SEGMENTS(SEGMENT) SEGMENT(ds) SEGMENT(es) SEGMENT(fs) SEGMENT(gs)
#define SEGMENT_FUNCTIONS(id)                                                         \
    static uint64_t read_##id(void)                                                   \
    {                                                                                 \
        uint64_t value = 0;                                                           \
        __asm__ volatile("mov %%" #id ", %w0" : "+r"(value));                         \
        return value;                                                                 \
    }                                                                                 \
    static void write_##id(uint64_t value)                                            \
    {                                                                                 \
        __asm__ volatile("mov %w0, %%" #id : : "r"(data_selector(value)) : "memory"); \
    }
DATA_SEGMENTS(SEGMENT_FUNCTIONS)

#define ENTRY(id, number, mask) {#id, mask, read_##id, write_##id, false},
#define SELDOM(id, mask)        {#id, mask, read_##id, write_##id, true},
#define OWN(id, mask)           {#id, mask, read_##id, write_##id, false},
#define READ_ONLY(id)           {#id, 0, read_##id, write_nothing, false},
#define SEGMENT_ENTRY(id)       OWN(id, ~0ULL)
const struct system_register system_registers[] = {
    OWN(gdtr, ~0ULL) OWN(idtr, ~0ULL) READ_ONLY(tr) READ_ONLY(ldtr) DATA_SEGMENTS(SEGMENT_ENTRY)
        MSRS(ENTRY) CONTROLS(ENTRY) OWN(cr4, CR4_MASK) OWN(dr7, DR7_MASK) READ_ONLY(xcr0)
            SELDOM(tsc_aux, 0xffffffffULL) SELDOM(efer, EFER_SCE | EFER_NXE)
                SELDOM(pkru, 0xffffffffULL)};
const unsigned system_register_count = ARRAY_SIZE(system_registers);
