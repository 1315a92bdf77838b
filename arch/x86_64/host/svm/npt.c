/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Nested page tables: long-mode tables (APM 2, 15.25.3) in which every access counts as a user
 * access (15.25.5). */
#include "arch/x86_64/host/svm/svm.h"
#include "kernel/vm.h"

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

static bool npt_is_leaf(uint64_t pte, unsigned level)
{
    return !level || (level <= 2 && (pte & NPT_LARGE));
}

static hpa_t npt_address(uint64_t pte, unsigned level)
{
    uint64_t offset = (PAGE_SIZE << (9 * level)) - 1;

    return HPA(npt_is_leaf(pte, level) ? pte & NPT_ADDRESS & ~offset : pte & NPT_ADDRESS);
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

/* Each vCPU takes a new ASID (or flushes its own) before its next entry; this waits until none is
 * in the guest on old terms. */
static void npt_flush(struct page_table *pt, uint64_t va, uint64_t size)
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

/* Entries that were not present are not cached (APM 2, 5.5.2). */
static void npt_publish(struct page_table *pt, uint64_t va, uint64_t size)
{
    (void)pt;
    (void)va;
    (void)size;
}

#define NPT_FORMAT(large)                                                                         \
    {                                                                                             \
        .name = "NPT", .levels = 4, .address_bits = 48, .max_leaf_1g = (large), .leaf = npt_leaf, \
        .table = npt_table, .present = npt_present, .is_leaf = npt_is_leaf,                       \
        .address = npt_address, .attrs = npt_attrs, .flush = npt_flush, .publish = npt_publish    \
    }
static const struct pt_format format_2m = NPT_FORMAT(false);
static const struct pt_format format_1g = NPT_FORMAT(true);
const struct pt_format *const svm_npt_format_2m = &format_2m, *const svm_npt_format_1g = &format_1g;
