/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A page-table format for software: the attributes in an entry's low bits, and a flush that waits
 * for every vCPU. */
#include "dbt/stage.h"

#include "dbt/tlb.h"

#define ENTRY_ATTRS   0xffUL /* enum pt_attrs */
#define ENTRY_PRESENT BIT(8)
#define ENTRY_LEAF    BIT(9)
#define ENTRY_ADDRESS BITS(51, 12)

static uint64_t leaf(hpa_t pa, unsigned level, unsigned attrs)
{
    (void)level;
    return pa.v | ENTRY_PRESENT | ENTRY_LEAF | attrs;
}

static uint64_t table(hpa_t at)
{
    return at.v | ENTRY_PRESENT;
}

static bool present(uint64_t pte)
{
    return pte & ENTRY_PRESENT;
}

static bool is_leaf(uint64_t pte, unsigned level)
{
    return level == 0 || pte & ENTRY_LEAF;
}

static hpa_t address(uint64_t pte, unsigned level)
{
    (void)level;
    return HPA(pte & ENTRY_ADDRESS);
}

static unsigned attrs_of(uint64_t pte, unsigned level)
{
    (void)level;
    return (unsigned)(pte & ENTRY_ATTRS);
}

/* It forgets before it enters again, or is where it holds no address of guest memory. */
static bool has_forgotten(struct vcpu *v)
{
    const struct dbt_vcpu *d = dbt_vcpu(v);

    return !(__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) & VCPU_REQUEST_FLUSH) ||
           __atomic_load_n(&v->mode, __ATOMIC_SEQ_CST) != VCPU_IN_GUEST ||
           __atomic_load_n(&d->outside, __ATOMIC_SEQ_CST);
}

static void flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    struct vm *vm = pt->owner;

    (void)va, (void)size;
    for (unsigned i = 0; vm->vcpus && i < vm->vcpu_count; i++)
        if (vm->vcpus[i] && vm->vcpus[i] != vcpu_current() && dbt_vcpu(vm->vcpus[i]))
            vcpu_request(vm->vcpus[i], VCPU_REQUEST_FLUSH);
    for (unsigned i = 0; vm->vcpus && i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        if (!v || !dbt_vcpu(v))
            continue;
        if (v == vcpu_current())
            dbt_tlb_forget(dbt_vcpu(v));
        else
            while (!has_forgotten(v))
                host_cpu_relax();
    }
}

static void nothing(struct page_table *pt, uint64_t va, uint64_t size)
{
    (void)pt, (void)va, (void)size;
}

const struct pt_format dbt_stage_format = {
    .name = "software",
    .levels = 4,
    .address_bits = 48,
    .max_leaf_1g = true,
    .leaf = leaf,
    .table = table,
    .present = present,
    .is_leaf = is_leaf,
    .address = address,
    .attrs = attrs_of,
    .flush = flush,
    .publish = nothing,
};
