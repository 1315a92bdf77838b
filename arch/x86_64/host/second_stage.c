/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The second stage's two formats: AMD's nested page tables, long-mode tables (APM 2, 15.25.3) in
 * which every access counts as a user access (15.25.5); and Intel's extended page tables (SDM 3C,
 * 29.3.2).
 */
#include "arch/x86_64/host/engine.h"
#include "kernel/vm.h"

/* ---- NPT ---- */

#define NPT_PRESENT  BIT(0)
#define NPT_WRITE    BIT(1)
#define NPT_USER     BIT(2)
#define NPT_PWT      BIT(3)
#define NPT_PCD      BIT(4)
#define NPT_ACCESSED BIT(5)
#define NPT_DIRTY    BIT(6)
#define NPT_LARGE    BIT(7)
#define NPT_LOGGED   BIT(9) /* available to software: PT_DIRTY_LOG */
#define NPT_NX       BIT(63)
#define NPT_ADDRESS  BITS(51, 12)

static uint64_t npt_leaf(hpa_t pa, unsigned level, unsigned attrs)
{
    uint64_t pte = (pa.v & NPT_ADDRESS) | NPT_PRESENT | NPT_USER | NPT_ACCESSED | NPT_DIRTY;

    if (level)
        pte |= NPT_LARGE;
    if (attrs & PT_WRITE)
        pte |= NPT_WRITE;
    if (attrs & PT_DEVICE)
        pte |= NPT_PCD | NPT_PWT;
    if (attrs & PT_DIRTY_LOG)
        pte |= NPT_LOGGED;
    if (!(attrs & PT_EXEC))
        pte |= NPT_NX;
    return pte;
}

static uint64_t npt_table(hpa_t table)
{
    return table.v | NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED;
}

static bool npt_present(uint64_t pte)
{
    return pte & NPT_PRESENT;
}

static unsigned npt_attrs(uint64_t pte, unsigned level)
{
    unsigned attrs = PT_READ;

    (void)level;
    if (pte & NPT_WRITE)
        attrs |= PT_WRITE;
    if (!(pte & NPT_NX))
        attrs |= PT_EXEC;
    if (pte & NPT_PCD)
        attrs |= PT_DEVICE;
    if (pte & NPT_LOGGED)
        attrs |= PT_DIRTY_LOG;
    return attrs;
}

/* ---- EPT ---- */

#define EPT_READ       BIT(0)
#define EPT_WRITE      BIT(1)
#define EPT_EXEC       BIT(2)
#define EPT_PERMITTED  (EPT_READ | EPT_WRITE | EPT_EXEC)
#define EPT_TYPE_SHIFT 3
#define EPT_TYPE       (7ULL << EPT_TYPE_SHIFT)
#define EPT_UNCACHED   (0ULL << EPT_TYPE_SHIFT)
#define EPT_WRITE_BACK (6ULL << EPT_TYPE_SHIFT)
#define EPT_LARGE      BIT(7)
#define EPT_ACCESSED   BIT(8)
#define EPT_DIRTY      BIT(9)
#define EPT_LOGGED     BIT(11) /* ignored by the CPU: PT_DIRTY_LOG */
#define EPT_ADDRESS    BITS(51, 12)

/* Accessed and dirty are set from the start: nothing reads them, and the CPU need not write. */
static uint64_t ept_leaf(hpa_t pa, unsigned level, unsigned attrs)
{
    uint64_t pte = (pa.v & EPT_ADDRESS) | EPT_READ | EPT_ACCESSED | EPT_DIRTY;

    pte |= attrs & PT_DEVICE ? EPT_UNCACHED : EPT_WRITE_BACK;
    if (level)
        pte |= EPT_LARGE;
    if (attrs & PT_WRITE)
        pte |= EPT_WRITE;
    if (attrs & PT_EXEC)
        pte |= EPT_EXEC;
    if (attrs & PT_DIRTY_LOG)
        pte |= EPT_LOGGED;
    return pte;
}

static uint64_t ept_table(hpa_t table)
{
    return table.v | EPT_PERMITTED | EPT_ACCESSED;
}

static bool ept_present(uint64_t pte)
{
    return pte & EPT_PERMITTED;
}

static unsigned ept_attrs(uint64_t pte, unsigned level)
{
    unsigned attrs = PT_READ;

    (void)level;
    if (pte & EPT_WRITE)
        attrs |= PT_WRITE;
    if (pte & EPT_EXEC)
        attrs |= PT_EXEC;
    if ((pte & EPT_TYPE) == EPT_UNCACHED)
        attrs |= PT_DEVICE;
    if (pte & EPT_LOGGED)
        attrs |= PT_DIRTY_LOG;
    return attrs;
}

/* ---- Both: bit 7 of an entry says that it is a leaf, and the address is in the same bits ---- */

static bool stage2_is_leaf(uint64_t pte, unsigned level)
{
    return !level || (level <= 2 && (pte & NPT_LARGE));
}

static hpa_t stage2_address(uint64_t pte, unsigned level)
{
    uint64_t offset = (PAGE_SIZE << (9 * level)) - 1;

    return HPA(stage2_is_leaf(pte, level) ? pte & NPT_ADDRESS & ~offset : pte & NPT_ADDRESS);
}

/* Each vCPU drops its translations before its next entry; this waits until none is in the guest on
 * old terms. */
static void stage2_flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    struct vm *vm = pt->owner;

    (void)va;
    (void)size;
    for (unsigned i = 0; vm && vm->vcpus && i < vm->vcpu_count; i++) {
        if (vm->vcpus[i])
            vcpu_request(vm->vcpus[i], VCPU_REQUEST_FLUSH);
    }
    for (unsigned i = 0; vm && vm->vcpus && i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        while (v && __atomic_load_n(&v->mode, __ATOMIC_SEQ_CST) == VCPU_IN_GUEST &&
               (__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) & VCPU_REQUEST_FLUSH))
            host_cpu_relax();
    }
}

/* Entries that were not present are not cached (APM 2, 5.5.2; SDM 3C, 29.4.2). */
static void stage2_publish(struct page_table *pt, uint64_t va, uint64_t size)
{
    (void)pt;
    (void)va;
    (void)size;
}

#define FORMAT(prefix, text, large)                                                    \
    {                                                                                  \
        .name = (text), .levels = 4, .address_bits = 48, .max_leaf_1g = (large),       \
        .leaf = prefix##_leaf, .table = prefix##_table, .present = prefix##_present,   \
        .is_leaf = stage2_is_leaf, .address = stage2_address, .attrs = prefix##_attrs, \
        .flush = stage2_flush, .publish = stage2_publish                               \
    }
static const struct pt_format npt_formats[] = {FORMAT(npt, "NPT", false), FORMAT(npt, "NPT", true)};
static const struct pt_format ept_formats[] = {FORMAT(ept, "EPT", false), FORMAT(ept, "EPT", true)};

const struct pt_format *x86_npt_format(bool page_1g)
{
    return &npt_formats[page_1g];
}

const struct pt_format *x86_ept_format(bool page_1g)
{
    return &ept_formats[page_1g];
}
