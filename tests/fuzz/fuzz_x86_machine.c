/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes the machine of x86_64 guests: the input is a program of accesses to device memory, ports
 * and MSRs, of interrupts accepted and of time that passes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/guest/msr.h"
#include "hosted.h"
#include "kernel/start.h"
#include "x86_guest.h"

#define CPUS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No files but the input. */
const struct boot_info *boot_info_get(void)
{
    static const struct boot_info none;

    return &none;
}

struct PACKED step {
    uint8_t kind, size, low;
    uint16_t at;
    uint64_t value;
};

static const uint64_t pages[] = {0xfee00000, 0xfec00000, 0xfed00000,
                                 0xb0000000, 0xb00f8000, 0xc0000000};

static void access_memory(struct vm *vm, const struct step *s, unsigned cpu, unsigned bytes)
{
    uint64_t at = pages[s->low % ARRAY_SIZE(pages)] + s->at % 4096;

    if (s->kind & 0x10)
        x86_guest_write(vm, cpu, at, bytes, s->value);
    else
        (void)x86_guest_read(vm, cpu, at, bytes);
}

/* Ports below 0x1000, where all devices are. */
static void access_port(struct vm *vm, const struct step *s, unsigned bytes)
{
    bytes = bytes == 8 ? 4 : bytes;
    if (s->kind & 0x10)
        x86_guest_out(vm, s->at & 0xfff, bytes, s->value);
    else
        (void)x86_guest_in(vm, s->at & 0xfff, bytes);
}

static void access_msr(struct vcpu *v, const struct step *s)
{
    static const uint32_t others[] = {
        MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_KVM_SYSTEM_TIME, MSR_TSC, MSR_KVM_WALL_CLOCK, MSR_EFER,
        MSR_PAT,       MSR_STAR};
    uint32_t msr = s->low & 1 ? 0x800 + (s->at & 0x3f) : others[s->at % ARRAY_SIZE(others)];
    uint64_t value;

    if (s->kind & 0x10)
        (void)x86_msr_write(v, msr, s->value);
    else
        (void)x86_msr_read(v, msr, &value);
}

static void accept_interrupt(struct vcpu *v)
{
    x86_state(v)->pending_interrupt = -1;
    v->vm->isa->before_run(v);
    if (x86_state(v)->pending_interrupt >= 0)
        x86_interrupt_accepted(v);
}

static void run(struct vm *vm, const struct step *s)
{
    unsigned cpu = (s->kind >> 5) % CPUS, bytes = 1u << (s->size % 4);
    struct vcpu *v = vm->vcpus[cpu];

    switch (s->kind & 7) {
    case 0:
    case 1:
        access_memory(vm, s, cpu, bytes);
        break;
    case 2:
    case 3:
        access_port(vm, s, bytes);
        break;
    case 4:
        access_msr(v, s);
        break;
    case 5:
        x86_guest_wait(s->value % (s->low & 1 ? NS_PER_SEC : NS_PER_MS));
        break;
    case 6:
        accept_interrupt(v);
        break;
    default:
        vm->irqchip->msi(vm, s->value >> 16, (uint32_t)s->value);
        if (cpu) /* the first one's INIT ends the machine */
            vm->isa->startup(v);
        (void)x86_cpuid_read(v, (uint32_t)s->value, s->at);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool once;
    struct step s;
    struct vm *vm;

    if (!once) {
        hosted_start_size(MIB(128));
        clock_init(hosted_counter, NS_PER_SEC);
        timer_cpu_init(cpu_boot());
    }
    once = true;
    vm = x86_guest_create(CPUS, MIB(16));
    for (; size >= sizeof(s); size -= sizeof(s), data += sizeof(s)) {
        memcpy(&s, data, sizeof(s));
        run(vm, &s);
    }
    x86_guest_destroy(vm);
    return 0;
}
