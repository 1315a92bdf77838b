/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The page-table walk of riscv64 guests, step by step as 12.3.2 numbers it. */
#include "arch/riscv64/guest/walk.h"

/* Page-table entries (12.3.1, 12.4.1). */
#define PTE_V        BIT(0)
#define PTE_R        BIT(1)
#define PTE_W        BIT(2)
#define PTE_X        BIT(3)
#define PTE_U        BIT(4)
#define PTE_G        BIT(5)
#define PTE_A        BIT(6)
#define PTE_D        BIT(7)
#define PTE_PPN      BITS(53, 10)
#define PTE_RESERVED BITS(60, 54)
#define PTE_PBMT     BITS(62, 61)
#define PTE_N        BIT(63)
#define PBMT_NONE    3 /* 0: as the memory is, 1: non-cacheable, 2: I/O; 3 is reserved */

#define VPN_BITS     9
#define NAPOT_64K    8 /* the low four bits of the page number of a 64 KiB piece */
#define PHYSICAL_MAX BITS(55, 0)

static int page_fault(enum dbt_access access)
{
    return access == DBT_FETCH   ? RISCV_CAUSE_FETCH_PAGE
           : access == DBT_WRITE ? RISCV_CAUSE_STORE_PAGE
                                 : RISCV_CAUSE_LOAD_PAGE;
}

static int access_fault(enum dbt_access access)
{
    return access == DBT_FETCH   ? RISCV_CAUSE_FETCH_ACCESS
           : access == DBT_WRITE ? RISCV_CAUSE_STORE_ACCESS
                                 : RISCV_CAUSE_LOAD_ACCESS;
}

/* Bits above the translated ones must equal the highest translated one. */
static bool is_canonical(uint64_t va, unsigned bits)
{
    return (uint64_t)((int64_t)(va << (64 - bits)) >> (64 - bits)) == va;
}

static int bare(uint64_t va, enum dbt_access access, struct rv_translation *out)
{
    if (va > PHYSICAL_MAX)
        return access_fault(access);
    *out = (struct rv_translation){.gpa = va,
                                   .size = GIB(1),
                                   .readable = true,
                                   .writable = true,
                                   .executable = true,
                                   .global = true};
    return RV_NO_FAULT;
}

static bool is_leaf(uint64_t pte)
{
    return pte & (PTE_R | PTE_X);
}

/* Step 3, and what Svpbmt and Svnapot reserve. */
static bool is_reserved(uint64_t pte, unsigned level)
{
    if (!(pte & PTE_V) || (!(pte & PTE_R) && pte & PTE_W) || pte & PTE_RESERVED)
        return true;
    if (!is_leaf(pte))
        return pte & (PTE_A | PTE_D | PTE_U | PTE_PBMT | PTE_N);
    if ((pte & PTE_PBMT) >> 61 == PBMT_NONE)
        return true;
    return pte & PTE_N && (level != 0 || (pte >> 10 & 15) != NAPOT_64K);
}

static bool can_read(const struct rv_view *view, uint64_t pte)
{
    return pte & PTE_R || (view->mxr && pte & PTE_X);
}

/* Steps 5 and 6: may this privilege touch the page at all, and for this? */
static bool is_permitted(const struct rv_view *view, uint64_t pte, enum dbt_access access)
{
    if (view->user ? !(pte & PTE_U) : pte & PTE_U && (access == DBT_FETCH || !view->sum))
        return false;
    return access == DBT_FETCH   ? (pte & PTE_X) != 0
           : access == DBT_WRITE ? (pte & PTE_W) != 0
                                 : can_read(view, pte);
}

/* Step 7: A, and D for a write, by compare and swap. ERR_BUSY: the entry changed meanwhile;
 * ERR_RANGE: it cannot be written. */
static enum err mark_used(const struct rv_table_access *tables, uint64_t at, uint64_t *pte,
                          enum dbt_access access)
{
    uint64_t wanted = *pte | PTE_A | (access == DBT_WRITE ? PTE_D : 0), *entry;

    if (wanted == *pte)
        return ERR_OK;
    entry = tables->entry(tables->arg, at, true);
    if (!entry)
        return ERR_RANGE;
    if (!__atomic_compare_exchange_n(entry, pte, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return ERR_BUSY;
    *pte = wanted;
    return ERR_OK;
}

static int leaf(const struct rv_view *view, uint64_t va, enum dbt_access access, uint64_t pte,
                unsigned level, struct rv_translation *out)
{
    uint64_t size = (uint64_t)IR_PAGE_SIZE << (level * VPN_BITS);
    uint64_t base = (pte & PTE_PPN) >> 10 << PAGE_SHIFT;
    bool reach = view->user ? (pte & PTE_U) != 0 : !(pte & PTE_U) || view->sum;

    if (base & (size - 1))
        return page_fault(access); /* step 8: a misaligned superpage */
    if (pte & PTE_N) {
        size = KIB(64);
        base &= ~(size - 1);
    }
    *out = (struct rv_translation){.gpa = base | (va & (size - 1)),
                                   .size = size,
                                   .readable = reach && can_read(view, pte),
                                   .writable = reach && pte & PTE_W && pte & PTE_D,
                                   .executable = pte & PTE_X &&
                                                 (view->user ? (pte & PTE_U) != 0 : !(pte & PTE_U)),
                                   .global = pte & PTE_G};
    return RV_NO_FAULT;
}

int rv_walk(const struct rv_view *view, const struct rv_table_access *tables, uint64_t va,
            enum dbt_access access, struct rv_translation *out)
{
    unsigned mode = (unsigned)RV_SATP_MODE(view->satp);
    unsigned levels = mode == RV_SATP_SV57 ? 5 : mode == RV_SATP_SV48 ? 4 : 3;
    uint64_t table = RV_SATP_PPN(view->satp) << PAGE_SHIFT;
    bool global = false;

    if (mode == RV_SATP_BARE)
        return bare(va, access, out);
    if (!is_canonical(va, PAGE_SHIFT + levels * VPN_BITS))
        return page_fault(access);
    for (unsigned level = levels; level-- > 0;) {
        uint64_t at = table + 8 * (va >> (PAGE_SHIFT + level * VPN_BITS) & BITS(VPN_BITS - 1, 0));
        uint64_t *entry = tables->entry(tables->arg, at, false), pte;
        int cause;

        if (!entry)
            return access_fault(access);
        pte = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
        if (is_reserved(pte, level))
            return page_fault(access);
        global |= pte & PTE_G;
        if (!is_leaf(pte)) {
            table = (pte & PTE_PPN) >> 10 << PAGE_SHIFT;
            continue;
        }
        if (!is_permitted(view, pte, access))
            return page_fault(access);
        cause = leaf(view, va, access, pte, level, out);
        if (cause != RV_NO_FAULT)
            return cause;
        switch (mark_used(tables, at, &pte, access)) {
        case ERR_OK:
            break;
        case ERR_RANGE:
            return access_fault(access);
        default:
            level++; /* look again at the entry that changed */
            continue;
        }
        cause = leaf(view, va, access, pte, level, out);
        out->global |= global;
        return cause;
    }
    return page_fault(access); /* step 4: no leaf at the lowest level */
}
