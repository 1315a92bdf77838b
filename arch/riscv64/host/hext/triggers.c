/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Hardware breakpoints and watchpoints of guests, for debuggers: the CPU's triggers (RISC-V Debug
 * 1.0, chapter 5) are the machine mode's; firmware that has the debug triggers extension lends them
 * (SBI 3.0, chapter 19). They fire in VS- and VU-mode only, and are a CPU's while a vCPU of a guest
 * with points is loaded there. A trigger ends as the exception of a breakpoint, before the
 * instruction is carried out.
 */
#include "arch/riscv64/host/host_internal.h"
#include "arch/riscv64/host/sbi.h"
#include "hext.h"
#include "mm/heap.h"
#include "mm/page.h"

/* tdata1 of a mcontrol6 trigger (5.7.12): exception before the instruction, equal addresses. */
#define TRIGGER_TYPE       (6UL << 60)
#define TRIGGER_VS         BIT(24)
#define TRIGGER_VU         BIT(23)
#define TRIGGER_SIZE_SHIFT 16 /* of accesses: 1, 2, 3, 5 for 1, 2, 4, 8 bytes */
#define TRIGGER_SIZE_8     5UL
#define TRIGGER_EXECUTE    BIT(2)
#define TRIGGER_STORE      BIT(1)
#define TRIGGER_LOAD       BIT(0)
#define TRIGGER_GUEST      (TRIGGER_TYPE | TRIGGER_VS | TRIGGER_VU)

#define ENTRIES_MAX 32 /* room that the firmware may use */
#define EBREAK      0x00100073u
#define C_EBREAK    0x9002u

/* Four words, shared with the firmware (19.4). */
struct trigger_entry {
    uint64_t index, tdata1, tdata2, tdata3;
};

struct cpu_triggers {
    struct trigger_entry *shared;
    uint64_t installed; /* bits: the firmware's indices */
};

PER_CPU(static struct cpu_triggers, cpu_triggers);
static struct trigger_entry *all_entries; /* ENTRIES_MAX of each CPU */
static uint32_t trigger_count;            /* atomic: of every CPU */

void triggers_probe(void)
{
    if (sbi_has(SBI_EXT_DBTR))
        all_entries = heap_zalloc_array(cpu_count(), ENTRIES_MAX * sizeof(*all_entries));
    trigger_count = all_entries ? DEBUG_POINTS : 0;
}

/* How many this CPU has; its entries are known to the firmware then. */
static unsigned claim(struct trigger_entry *entries)
{
    unsigned long most = sbi_call(SBI_EXT_DBTR, SBI_DBTR_COUNT, 0, 0, 0, 0).value;
    struct sbi_result fit = sbi_call(SBI_EXT_DBTR, SBI_DBTR_COUNT, TRIGGER_GUEST, 0, 0, 0);

    if (most > ENTRIES_MAX || fit.error ||
        sbi_call(SBI_EXT_DBTR, SBI_DBTR_SHARE, virt_to_phys(entries).v, 0, 0, 0).error)
        return 0;
    return (unsigned)fit.value;
}

void triggers_cpu_enable(void)
{
    struct trigger_entry *entries = all_entries + (size_t)this_cpu()->id * ENTRIES_MAX;
    uint32_t least = READ_ONCE(trigger_count), own = least ? claim(entries) : 0;

    while (own < least && !__atomic_compare_exchange_n(&trigger_count, &least, own, false,
                                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    this_cpu_ptr(cpu_triggers)->shared = entries;
}

unsigned triggers_count(void)
{
    return READ_ONCE(trigger_count);
}

static uint64_t tdata1_of(const struct debug_point *p)
{
    uint64_t size = p->size == 8 ? TRIGGER_SIZE_8 : 1 + (uint64_t)__builtin_ctzl(p->size | 8);

    switch (p->kind) {
    case POINT_BREAK:
        return TRIGGER_GUEST | TRIGGER_EXECUTE;
    case POINT_WRITE:
        return TRIGGER_GUEST | TRIGGER_STORE | size << TRIGGER_SIZE_SHIFT;
    case POINT_READ:
        return TRIGGER_GUEST | TRIGGER_LOAD | size << TRIGGER_SIZE_SHIFT;
    default:
        return TRIGGER_GUEST | TRIGGER_LOAD | TRIGGER_STORE | size << TRIGGER_SIZE_SHIFT;
    }
}

void triggers_load(const struct vcpu *v)
{
    struct cpu_triggers *t = this_cpu_ptr(cpu_triggers);
    const struct debug_point *points;
    unsigned count = debug_points(v->vm, &points);

    for (unsigned i = 0; i < count; i++) {
        *t->shared =
            (struct trigger_entry){.tdata1 = tdata1_of(&points[i]), .tdata2 = points[i].address};
        if (sbi_call(SBI_EXT_DBTR, SBI_DBTR_INSTALL, 1, 0, 0, 0).error == 0)
            t->installed |= BIT(READ_ONCE(t->shared->index) % 64);
    }
}

void triggers_put(void)
{
    struct cpu_triggers *t = this_cpu_ptr(cpu_triggers);

    if (likely(!t->installed))
        return;
    sbi_call(SBI_EXT_DBTR, SBI_DBTR_UNINSTALL, 0, t->installed, 0, 0);
    t->installed = 0;
}

/* The point that a trigger at `pc` stands for, which accessed *address. There are some. */
static unsigned point_of(const struct debug_point *points, unsigned count, uint64_t pc,
                         uint64_t *address)
{
    for (unsigned i = 0; i < count; i++)
        if (points[i].kind == POINT_BREAK && points[i].address == pc)
            return i;
    for (unsigned i = 0; i < count; i++)
        if (points[i].kind != POINT_BREAK && *address - points[i].address < points[i].size)
            return i;
    for (unsigned i = 0; i < count; i++) /* the CPU may tell of the access' first byte */
        if (points[i].kind != POINT_BREAK && points[i].address - *address < sizeof(uint64_t)) {
            *address = points[i].address;
            return i;
        }
    *address = points[0].address; /* a debugger that is told of another one finds out */
    return 0;
}

void triggers_decode(const struct vcpu *v, struct vm_exit *exit, uint32_t instruction)
{
    const struct debug_point *points;
    unsigned count = debug_points(v->vm, &points);
    uint64_t address = csr_read(stval);

    if (!count || instruction == EBREAK || (instruction & UINT16_MAX) == C_EBREAK)
        return;
    exit->debug.what = EXIT_DEBUG_POINT;
    exit->debug.point = point_of(points, count, riscv_state(v)->pc, &address);
    exit->debug.address = address;
}
