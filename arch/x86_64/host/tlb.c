/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * TLB shootdown by IPI: one at a time. CPUs that are masked answer from their busy waits
 * (host_cpu_relax), so a shootdown may begin in any context but NMI.
 */
#include "arch/x86_64/host/tlb.h"
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/msr.h"

/* Beyond this many pages everything is dropped at once. */
#define RANGE_PAGES_MAX 64

bool x86_tlb_requests;

static uint32_t busy;                    /* atomic: a shootdown is under way */
static struct cpu *members;              /* by host.tlb_next; only grows */
static uint64_t range_start, range_size; /* of the one under way */

static void flush_all(void)
{
    uint64_t cr4 = cr4_read();

    /* Changing CR4.PGE drops everything, global entries too (SDM 3, 4.10.4.1). */
    if (cr4 & CR4_PGE) {
        cr4_write(cr4 & ~(uint64_t)CR4_PGE);
        cr4_write(cr4);
    } else {
        cr3_write(cr3_read());
    }
}

static void flush_range(uint64_t va, uint64_t size)
{
    if (size > RANGE_PAGES_MAX * PAGE_SIZE) {
        flush_all();
        return;
    }
    for (uint64_t a = ALIGN_DOWN(va, PAGE_SIZE); a < va + size; a += PAGE_SIZE)
        __asm__ volatile("invlpg (%0)" ::"r"(a) : "memory");
}

void tlb_join(struct cpu *cpu)
{
    for (const struct cpu *c = __atomic_load_n(&members, __ATOMIC_ACQUIRE); c;
         c = c->host.tlb_next) {
        if (c == cpu)
            return;
    }
    cpu->host.tlb_next = __atomic_load_n(&members, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&members, &cpu->host.tlb_next, cpu, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
        ;
    flush_all(); /* whatever was walked before others knew of this CPU */
}

void x86_tlb_answer(void)
{
    struct cpu *cpu = this_cpu();

    if (!__atomic_load_n(&cpu->host.tlb_pending, __ATOMIC_ACQUIRE))
        return;
    flush_range(range_start, range_size);
    __atomic_store_n(&cpu->host.tlb_pending, 0, __ATOMIC_RELEASE);
}

static void request_others(const struct cpu *self)
{
    for (struct cpu *c = __atomic_load_n(&members, __ATOMIC_SEQ_CST); c; c = c->host.tlb_next) {
        if (c == self || READ_ONCE(c->host.halted))
            continue;
        __atomic_store_n(&c->host.tlb_pending, 1, __ATOMIC_SEQ_CST);
        apic_send(c, VECTOR_TLB);
    }
}

static void wait_for_others(const struct cpu *self)
{
    for (struct cpu *c = __atomic_load_n(&members, __ATOMIC_ACQUIRE); c; c = c->host.tlb_next) {
        while (c != self && __atomic_load_n(&c->host.tlb_pending, __ATOMIC_ACQUIRE) &&
               !READ_ONCE(c->host.halted))
            __asm__ volatile("pause");
    }
}

void host_tlb_flush_kernel(uint64_t va, uint64_t size)
{
    uint64_t flags = host_irq_save();
    const struct cpu *self = this_cpu();
    const struct cpu *all = __atomic_load_n(&members, __ATOMIC_SEQ_CST);

    flush_range(va, size);
    if (all && (all != self || all->host.tlb_next)) {
        while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQ_REL))
            host_cpu_relax();
        range_start = va;
        range_size = size;
        WRITE_ONCE(x86_tlb_requests, true);
        request_others(self);
        wait_for_others(self);
        WRITE_ONCE(x86_tlb_requests, false);
        __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
    }
    host_irq_restore(flags);
}
