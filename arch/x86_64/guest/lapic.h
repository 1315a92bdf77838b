/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A guest's local APICs, xAPIC and x2APIC (Intel SDM vol. 3, chapter 11). */
#ifndef ARCH_X86_64_GUEST_LAPIC_H
#define ARCH_X86_64_GUEST_LAPIC_H

#include "kernel/bus.h"
#include "kernel/guest_clock.h"

#define LAPIC_BASE        0xfee00000ULL
#define LAPIC_BUS_HZ      1000000000ULL /* what the divider divides: told by CPUID 40000010h */
#define LAPIC_MSR_FIRST   0x800
#define LAPIC_MSR_LAST    0x83f
#define LAPIC_BASE_BSP    BIT(8)
#define LAPIC_BASE_X2APIC BIT(10)
#define LAPIC_BASE_ENABLE BIT(11)

#define LAPIC_LVTS 6 /* timer, thermal, performance, LINT0, LINT1, error */

/* Delivery modes of ICR, LVT and I/O APIC entries (11.6.1). */
enum lapic_delivery {
    LAPIC_FIXED = 0,
    LAPIC_LOWEST = 1,
    LAPIC_NMI = 4,
    LAPIC_INIT = 5,
    LAPIC_STARTUP = 6,
    LAPIC_EXTINT = 7,
};

struct lapic {
    struct vcpu *vcpu;
    uint64_t base; /* IA32_APIC_BASE */
    uint32_t tpr, ldr, dfr, svr, esr, icr_high, icr_low, lvt[LAPIC_LVTS], divide;
    uint32_t initial_count;
    uint32_t esr_pending;            /* atomic: what the next write to ESR shows */
    uint32_t irr[8], isr[8], tmr[8]; /* irr and tmr: atomic, others set them too */
    uint32_t nmi_pending;            /* atomic, 0 or 1 */
    uint32_t init_pending;           /* atomic, 0 or 1 */
    int sipi_vector;                 /* atomic; -1: none */
    struct guest_timer timer;
    uint64_t timer_deadline; /* guest_clock_ns(), 0: not armed */
    uint64_t tsc_deadline;   /* guest TSC, 0: not armed */
    uint64_t memory_eoi;     /* KVM's MSR 4b564d04h */
    uint32_t
        memory_eoi_offered; /* 0 or 1: the guest may end the highest interrupt in service there */
};

extern const struct state_table lapic_state;

enum err lapic_create(struct vcpu *v);
void lapic_destroy(struct vcpu *v);
/* To its state after INIT (keeps the id) or power-on. */
void lapic_reset(struct lapic *l);
/* The page at LAPIC_BASE: one device for all vCPUs; an access reaches its own vCPU's APIC. */
enum err lapic_add_page(struct vm *vm);

/* An interrupt message to every APIC that `destination` names. Any context. */
void lapic_deliver(struct vm *vm, uint32_t destination, bool logical, enum lapic_delivery mode,
                   uint8_t vector, bool level);
/* Highest vector above the processor priority, or -1. */
int lapic_highest(struct lapic *l);
void lapic_accept(struct lapic *l, uint8_t vector);
/* Where the guest may end interrupts without an exit; false: #GP. */
bool lapic_memory_eoi_set(struct lapic *l, uint64_t msr);

/* MSRs 800h..83Fh in x2APIC mode, IA32_APIC_BASE and IA32_TSC_DEADLINE; false: #GP. */
bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *value);
bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t value);

#endif
