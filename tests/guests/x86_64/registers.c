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
#define MXCSR_SET 0x1f80ULL
#define FCW_MASK  0x0c00ULL /* rounding */
#define FCW_SET   0x037fULL

#define CR4_OSXSAVE       (1ULL << 18)
#define CPUID_1_ECX_XSAVE (1u << 26)
#define CPUID_1_ECX_AVX   (1u << 28)
#define XCR0_X87_SSE_AVX  7u

static bool enable_avx(void)
{
    uint32_t r[4];
    uint64_t cr4;

    cpuid(1, 0, r);
    if (!(r[2] & CPUID_1_ECX_XSAVE) || !(r[2] & CPUID_1_ECX_AVX))
        return false;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
    __asm__ volatile("xsetbv" : : "c"(0), "a"(XCR0_X87_SSE_AVX), "d"(0));
    return true;
}

void registers_prepare(struct register_file *f)
{
    f->vector = enable_avx();
    f->in[RSP] = f->out[RSP] = 0; /* takes the interrupt that ends the wait */
    f->in[RDI] = f->out[RDI] = 0; /* holds the file's address */
    for (unsigned i = 0; !f->vector && i < 16; i++)
        f->in[YMM + 4 * i + 2] = f->in[YMM + 4 * i + 3] = 0;
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

/* Debug registers 0 to 3 hold addresses that nothing enables; of 6 and 7 what may be changed
 * without enabling one. */
#define CONTROLS(CONTROL_REGISTER)              \
    CONTROL_REGISTER(dr0, "db0", ~0ULL)         \
    CONTROL_REGISTER(dr1, "db1", ~0ULL)         \
    CONTROL_REGISTER(dr2, "db2", ~0ULL)         \
    CONTROL_REGISTER(dr3, "db3", ~0ULL)         \
    CONTROL_REGISTER(dr6, "db6", 0xfULL)        \
    CONTROL_REGISTER(dr7, "db7", 0xffff0000ULL) \
    CONTROL_REGISTER(cr2, "cr2", ~0ULL)
#define CONTROL_FUNCTIONS(id, text, mask)                                  \
    static uint64_t read_##id(void)                                        \
    {                                                                      \
        uint64_t value;                                                    \
        __asm__ volatile("mov %%" text ", %0" : "=r"(value) : : "memory"); \
        return value;                                                      \
    }                                                                      \
    static void write_##id(uint64_t value)                                 \
    {                                                                      \
        __asm__ volatile("mov %0, %%" text : : "r"(value) : "memory");     \
    }
CONTROLS(CONTROL_FUNCTIONS)

#define ENTRY(id, number, mask) {#id, mask, read_##id, write_##id},
const struct system_register system_registers[] = {MSRS(ENTRY) CONTROLS(ENTRY)};
const unsigned system_register_count = ARRAY_SIZE(system_registers);
