/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * TLB maintenance of translated aarch64 guests (Arm ARM D8.13): at once on this vCPU; what is for
 * the others they do at their next safe point, and DSB waits for them.
 */
#include "arch/aarch64/guest/execute.h"
#include "dbt/tlb.h"
#include "kernel/cpu.h"

/* CRn 8, op1 0: CRm says for whom, op2 what. */
#define CRM_OUTER 1
#define CRM_INNER 3
#define CRM_OWN   7
enum { OP_ALL, OP_VA, OP_ASID, OP_VA_ALL_ASIDS, OP_VA_LAST = 5, OP_VA_LAST_ALL_ASIDS = 7 };

#define XT_ASID    48
#define XT_VA      BITS(43, 0)
#define VA_SIGN(v) ((uint64_t)((int64_t)((v) << 20) >> 8)) /* bits 55 to 12 of an address */

/* Pages of the upper half are global, or their ASID is that of the process: all ASIDs are right. */
static struct arm_invalidation decode(unsigned op2, uint64_t xt)
{
    struct arm_invalidation i = {
        .kind = ARM_INVALIDATE_PAGE, .va = VA_SIGN(xt & XT_VA), .asid = (uint32_t)(xt >> XT_ASID)};

    switch (op2) {
    case OP_VA:
    case OP_VA_LAST:
        if (i.va >> 63)
            i.asid = DBT_ASID_ALL;
        break;
    case OP_VA_ALL_ASIDS:
    case OP_VA_LAST_ALL_ASIDS:
        i.asid = DBT_ASID_ALL;
        break;
    case OP_ASID:
        i.kind = ARM_INVALIDATE_ASID;
        break;
    default:
        i.kind = ARM_INVALIDATE_ALL;
    }
    return i;
}

/* Aliases of a page by tags have entries of their own. */
static void carry_out(struct dbt_vcpu *d, const struct arm_invalidation *i)
{
    struct arm_vcpu *a = arm_vcpu(d->vcpu);

    if (i->kind == ARM_INVALIDATE_ALL || (i->kind == ARM_INVALIDATE_PAGE && a->tagged)) {
        a->tagged = false;
        dbt_tlb_flush_all(d);
    } else if (i->kind == ARM_INVALIDATE_ASID) {
        dbt_tlb_flush_asid(d, i->asid);
    } else {
        dbt_tlb_flush_page(d, i->va, i->asid);
    }
}

/* ---- Others ---- */

static void ask(struct vcpu *v, const struct arm_invalidation *i)
{
    struct arm_vcpu *a = arm_vcpu(v);
    uint64_t flags = spin_lock_irq(&a->lock);

    if (a->invalidation_count < ARM_INVALIDATIONS)
        a->invalidations[a->invalidation_count++] = *i;
    else
        a->invalidations[0].kind = ARM_INVALIDATE_ALL;
    __atomic_store_n(&a->invalidate, 1, __ATOMIC_SEQ_CST);
    spin_unlock_irq(&a->lock, flags);
    vcpu_request(v, VCPU_REQUEST_IRQ);
}

void a64_invalidations_take(struct dbt_vcpu *d)
{
    struct arm_invalidation list[ARM_INVALIDATIONS];
    struct arm_vcpu *a = arm_vcpu(d->vcpu);
    unsigned count;
    uint64_t flags;

    if (likely(!__atomic_load_n(&a->invalidate, __ATOMIC_RELAXED)))
        return;
    d->counters.flush_remote++;
    flags = spin_lock_irq(&a->lock);
    count = a->invalidation_count;
    for (unsigned i = 0; i < count; i++)
        list[i] = a->invalidations[i];
    a->invalidation_count = 0;
    spin_unlock_irq(&a->lock, flags);
    for (unsigned i = 0; i < count; i++)
        carry_out(d, &list[i]);
    flags = spin_lock_irq(&a->lock);
    __atomic_store_n(&a->invalidate, a->invalidation_count != 0, __ATOMIC_SEQ_CST);
    spin_unlock_irq(&a->lock, flags);
}

/* Who waits does what the others ask of it, which wait too. A vCPU outside the guest takes its
 * list before it comes back. */
void a64_invalidations_wait(struct dbt_vcpu *d)
{
    struct vm *vm = d->vcpu->vm;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        while (v != d->vcpu && __atomic_load_n(&arm_vcpu(v)->invalidate, __ATOMIC_SEQ_CST) &&
               __atomic_load_n(&v->mode, __ATOMIC_SEQ_CST) == VCPU_IN_GUEST) {
            a64_invalidations_take(d);
            host_cpu_relax();
        }
    }
}

bool a64_tlbi(struct dbt_vcpu *d, unsigned crm, unsigned op2, uint64_t xt)
{
    struct arm_invalidation i = decode(op2, xt);
    struct vm *vm = d->vcpu->vm;

    if ((crm != CRM_INNER && crm != CRM_OWN) || op2 == 4 || op2 == 6)
        return false;
    carry_out(d, &i);
    for (unsigned n = 0; crm != CRM_OWN && n < vm->vcpu_count; n++)
        if (vm->vcpus[n] != d->vcpu)
            ask(vm->vcpus[n], &i);
    return true;
}
