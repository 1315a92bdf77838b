/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Model-specific registers that exits bring here; what engines let the guest reach by itself never
 * comes. */
#include "arch/x86_64/guest/msr.h"

#include "arch/x86_64/guest/lapic.h"
#include "arch/x86_64/guest/machine.h"

#define EFER_SCE                 BIT(0)
#define EFER_FFXSR               BIT(14)
#define CPUID_FEATURES_AMD       0x80000001u
#define CPUID_FFXSR              BIT(25)
#define MISC_ENABLE_FAST_STRINGS BIT(0)
#define DE_CFG_LFENCE_SERIALIZES BIT(1)
#define HWCR_TSC_INVARIANT       BIT(24)
#define MICROCODE_REVISION       0x01000065ULL

/* KVM's paravirtual clock (Linux: Documentation/virt/kvm/x86/msr.rst). */
#define KVMCLOCK_ENABLE BIT(0)
#define KVMCLOCK_STABLE 1 /* flags: the TSC is the same on all vCPUs */

struct kvmclock_page {
    uint32_t version; /* odd while it is written */
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time; /* ns at tsc_timestamp */
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
};

struct kvm_wall_clock {
    uint32_t version, sec, nsec;
};

/* ns = (ticks shifted by `shift`) * mul / 2^32 */
static void tsc_scale(uint64_t hz, uint32_t *mul, int8_t *shift)
{
    uint64_t scaled = NS_PER_SEC;

    *shift = 0;
    while (hz > scaled * 2) {
        hz >>= 1;
        --*shift;
    }
    while (hz <= scaled) {
        hz <<= 1;
        ++*shift;
    }
    /* now scaled < hz <= 2 * scaled: the quotient fits 32 bits; both are below 2^32 */
    *mul = (uint32_t)((scaled << 32) / hz);
}

static void kvmclock_write(struct vcpu *v, uint64_t msr)
{
    struct x86_machine *m = x86_machine(v->vm);
    struct kvmclock_page page = {.flags = KVMCLOCK_STABLE};
    uint64_t counter;

    m->kvmclock[v->id].system_time_msr = msr;
    if (!(msr & KVMCLOCK_ENABLE))
        return;
    m->kvmclock[v->id].version += 2;
    page.version = m->kvmclock[v->id].version;
    page.system_time = guest_clock_now(&v->vm->clock, &counter);
    page.tsc_timestamp = counter + x86_state(v)->tsc_offset;
    tsc_scale(m->tsc_hz, &page.tsc_to_system_mul, &page.tsc_shift);
    if (guest_copy_to(v->vm->memory, GPA(msr & ~KVMCLOCK_ENABLE), &page, sizeof(page)) != ERR_OK)
        log_guest(v->vm, LOG_DEBUG, "its clock page 0x%llx is not in its memory",
                  (unsigned long long)msr);
}

/* Wall time at which kvmclock was 0. */
static void wall_clock_write(struct vcpu *v, uint64_t gpa)
{
    uint64_t wall = clock_wall_ns() - guest_clock_ns(&v->vm->clock);
    struct kvm_wall_clock clock = {
        .version = 2, .sec = (uint32_t)(wall / NS_PER_SEC), .nsec = (uint32_t)(wall % NS_PER_SEC)};

    if (guest_copy_to(v->vm->memory, GPA(gpa), &clock, sizeof(clock)) != ERR_OK)
        log_guest(v->vm, LOG_DEBUG, "its wall clock 0x%llx is not in its memory",
                  (unsigned long long)gpa);
}

/* The canonical place of a register that is nothing but 64 bits of state, or NULL. */
static uint64_t *msr_state(struct x86_state *s, uint32_t msr)
{
    switch (msr) {
    case MSR_SYSENTER_CS:
        return &s->sysenter_cs;
    case MSR_SYSENTER_ESP:
        return &s->sysenter_esp;
    case MSR_SYSENTER_EIP:
        return &s->sysenter_eip;
    case MSR_STAR:
        return &s->star;
    case MSR_LSTAR:
        return &s->lstar;
    case MSR_CSTAR:
        return &s->cstar;
    case MSR_SFMASK:
        return &s->sfmask;
    case MSR_KERNEL_GS_BASE:
        return &s->kernel_gs_base;
    case MSR_TSC_AUX:
        return &s->tsc_aux;
    default:
        return NULL;
    }
}

static uint64_t *msr_base(struct x86_state *s, uint32_t msr)
{
    return msr == MSR_FS_BASE   ? &s->segments[X86_FS].base
           : msr == MSR_GS_BASE ? &s->segments[X86_GS].base
                                : NULL;
}

static bool is_lapic(uint32_t msr)
{
    return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE ||
           (msr >= LAPIC_MSR_FIRST && msr <= LAPIC_MSR_LAST);
}

/* Registers of fixed content. */
static bool msr_constant(uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_PLATFORM_ID:
    case MSR_MTRR_CAP:
    case MSR_MTRR_DEF_TYPE:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
    case MSR_AMD_SYSCFG:
    case MSR_AMD_NB_CFG:
    case MSR_TSC_ADJUST:
        *value = 0;
        return true;
    case MSR_FEATURE_CONTROL:
        *value = 1; /* locked, nothing enabled */
        return true;
    case MSR_MICROCODE:
        *value = MICROCODE_REVISION;
        return true;
    case MSR_MISC_ENABLE:
        *value = MISC_ENABLE_FAST_STRINGS;
        return true;
    case MSR_AMD_DE_CFG:
        *value = DE_CFG_LFENCE_SERIALIZES;
        return true;
    case MSR_AMD_HWCR:
        *value = HWCR_TSC_INVARIANT;
        return true;
    default:
        return false;
    }
}

bool x86_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    struct x86_state *s = x86_state(v);
    const uint64_t *state = msr_state(s, msr);

    if (is_lapic(msr))
        return lapic_msr_read(v->isa_data, msr, value);
    if (state) {
        vcpu_need(v, X86_MSRS);
        *value = *state;
        return true;
    }
    state = msr_base(s, msr);
    if (state) {
        vcpu_need(v, X86_SEGMENTS);
        *value = *state;
        return true;
    }
    switch (msr) {
    case MSR_TSC:
        *value = guest_clock_counter(&v->vm->clock) + s->tsc_offset;
        return true;
    case MSR_PAT:
        vcpu_need(v, X86_MSRS);
        *value = s->pat;
        return true;
    case MSR_EFER:
        vcpu_need(v, X86_CONTROL);
        *value = s->efer;
        return true;
    case MSR_KVM_SYSTEM_TIME:
        *value = x86_machine(v->vm)->kvmclock[v->id].system_time_msr;
        return true;
    case MSR_KVM_EOI:
        *value = ((struct lapic *)v->isa_data)->memory_eoi;
        return true;
    default:
        return msr_constant(msr, value);
    }
}

/* FFXSR is AMD's: where CPUID does not tell of it, it is reserved. */
static uint64_t efer_writable(struct vcpu *v)
{
    uint64_t bits = EFER_SCE | X86_EFER_LME | X86_EFER_NXE;

    return x86_cpuid_read(v, CPUID_FEATURES_AMD, 0).edx & CPUID_FFXSR ? bits | EFER_FFXSR : bits;
}

static bool write_efer(struct vcpu *v, uint64_t value)
{
    struct x86_state *s = x86_state(v);
    uint64_t writable = efer_writable(v);

    vcpu_dirty(v, X86_CONTROL);
    if (value & ~(writable | X86_EFER_LMA))
        return false;
    if (((value ^ s->efer) & X86_EFER_LME) && (s->cr0 & X86_CR0_PG))
        return false; /* APM vol. 2, 14.6: not while paging is on */
    s->efer = (value & writable) | (s->efer & X86_EFER_LMA);
    return true;
}

/* Each byte one of the types 0, 1, 4, 5, 6, 7 (SDM vol. 3, 12.12.2). */
static bool write_pat(struct vcpu *v, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = (value >> (8 * i)) & 0xff;

        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    vcpu_dirty(v, X86_MSRS);
    x86_state(v)->pat = value;
    return true;
}

static bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

bool x86_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct x86_state *s = x86_state(v);
    uint64_t *state = msr_state(s, msr);
    uint64_t ignored;

    if (is_lapic(msr))
        return lapic_msr_write(v->isa_data, msr, value);
    if (state) {
        bool address =
            msr != MSR_STAR && msr != MSR_SFMASK && msr != MSR_TSC_AUX && msr != MSR_SYSENTER_CS;

        if (address && !is_canonical(value))
            return false;
        vcpu_dirty(v, X86_MSRS);
        *state = value;
        return true;
    }
    state = msr_base(s, msr);
    if (state) {
        if (!is_canonical(value))
            return false;
        vcpu_dirty(v, X86_SEGMENTS);
        *state = value;
        return true;
    }
    switch (msr) {
    case MSR_TSC:
        vcpu_dirty(v, X86_TSC);
        s->tsc_offset = value - guest_clock_counter(&v->vm->clock);
        return true;
    case MSR_PAT:
        return write_pat(v, value);
    case MSR_EFER:
        return write_efer(v, value);
    case MSR_KVM_SYSTEM_TIME:
        kvmclock_write(v, value);
        return true;
    case MSR_KVM_WALL_CLOCK:
        wall_clock_write(v, value);
        return true;
    case MSR_KVM_EOI:
        return lapic_memory_eoi_set(v->isa_data, value);
    default:
        return msr_constant(msr, &ignored); /* writes of the fixed ones change nothing */
    }
}
