/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Stage 1 translation of translated aarch64 guests (Arm ARM D8.2 to D8.5): all granules, 48 bits,
 * tagged addresses, the access flag and dirty state by hardware. */
#include "arch/aarch64/guest/execute.h"
#include "dbt/table.h"
#include "dbt/tlb.h"

/* TCR_EL1 (D19.2.139); of the upper half: the same, elsewhere */
#define TCR_T0SZ(tcr) ((tcr)&63)
#define TCR_T1SZ(tcr) ((tcr) >> 16 & 63)
#define TCR_NO_WALK0  BIT(7)
#define TCR_NO_WALK1  BIT(23)
#define TCR_A1        BIT(22)
#define TCR_AS        BIT(36)
#define TCR_TBI0      BIT(37)
#define TCR_TBI1      BIT(38)
#define TCR_HA        BIT(39)
#define TCR_HD        BIT(40)
#define TCR_E0PD0     BIT(55)
#define TCR_E0PD1     BIT(56)

/* Descriptors (D8.3) */
#define DESC_VALID    BIT(0)
#define DESC_TABLE    BIT(1) /* a table, or a page on the last level */
#define DESC_AP_USER  BIT(6)
#define DESC_AP_READ  BIT(7) /* only */
#define DESC_AF       BIT(10)
#define DESC_DBM      BIT(51)
#define DESC_PXN      BIT(53)
#define DESC_UXN      BIT(54)
#define TABLE_PXN     BIT(59)
#define TABLE_UXN     BIT(60)
#define TABLE_NO_USER BIT(61)
#define TABLE_READ    BIT(62) /* only */

#define TTBR_BASE BITS(47, 1)
#define TTBR_ASID 48
#define VIEW_USER DBT_VIEW_USER
#define VIEW_PAN  2u
#define LEVELS    4
#define BITS_MIN  16
#define BITS_MAX  48

/* One walk: its regime, then what it found. */
struct walk {
    struct dbt_vcpu *d;
    bool user, pan;
    uint64_t tcr, va;
    unsigned granule, bits; /* log2 of a page; of the addresses */
    uint64_t tables;        /* what tables on the way forbid */
    uint64_t entry;
    uint64_t at; /* guest-physical address of the entry */
    unsigned level;
    unsigned shift; /* log2 of what the entry maps */
};

/* ---- Context ---- */

static unsigned view_of(const struct arm_state *s)
{
    if ((s->pstate & ARM_PSTATE_MODE) == ARM_PSTATE_EL0)
        return VIEW_USER;
    return s->pstate & ARM_PSTATE_PAN ? VIEW_PAN : 0;
}

static uint32_t asid_of(const struct arm_system *s)
{
    uint64_t ttbr = s->tcr & TCR_A1 ? s->ttbr1 : s->ttbr0;

    return (uint32_t)(ttbr >> TTBR_ASID) & (s->tcr & TCR_AS ? 0xffff : 0xff);
}

/* A space is named by both tables and the ASID; the tables' addresses have 48 bits at most, so that
 * the upper one's bits fit where they differ. */
void a64_select(struct dbt_vcpu *d)
{
    const struct arm_system *s = &a64_state(d)->sys;
    uint32_t asid = asid_of(s);
    uint64_t key = (s->ttbr0 & TTBR_BASE) ^ ((s->ttbr1 & TTBR_BASE) << 24 | s->ttbr1 >> 40) ^
                   (uint64_t)asid << 47;

    if (!(s->sctlr & A64_SCTLR_M))
        dbt_tlb_select(d, 0, 0, 0);
    else
        dbt_tlb_select(d, key | 1, asid, view_of(a64_state(d)));
}

/* ---- Tables ---- */

static unsigned granule_shift(uint64_t tcr, bool upper)
{
    static const uint8_t tg0[4] = {12, 16, 14, 12}, tg1[4] = {12, 14, 12, 16};

    return upper ? tg1[tcr >> 30 & 3] : tg0[tcr >> 14 & 3];
}

static uint64_t *entry_of(struct walk *w, bool write)
{
    uint64_t *entry = dbt_tlb_ram(w->d, w->at);

    if (entry && write && dbt_table_is_code(w->d->table, w->at))
        dbt_table_written(w->d->table, w->d, w->at, sizeof(*entry));
    return entry;
}

static bool is_block_level(const struct walk *w)
{
    return w->level == 2 || (w->level == 1 && w->granule == 12);
}

/* From the tables to a leaf. Returns a fault status code, or -1. */
static int descend(struct walk *w, uint64_t table)
{
    unsigned stride = w->granule - 3;
    unsigned left = (w->bits - w->granule + stride - 1) / stride; /* levels */

    for (w->level = LEVELS - left; w->level < LEVELS; w->level++) {
        unsigned width;
        const uint64_t *entry;

        w->shift = w->granule + stride * (LEVELS - 1 - w->level);
        width = MIN(stride, w->bits - w->shift);
        w->at = table + 8 * (w->va >> w->shift & BITS(width - 1, 0));
        entry = entry_of(w, false);
        if (!entry)
            return (int)(A64_FAULT_WALK + w->level);
        w->entry = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
        if (!(w->entry & DESC_VALID))
            break;
        if (w->level == LEVELS - 1)
            return w->entry & DESC_TABLE ? -1 : (int)(A64_FAULT_TRANSLATION + w->level);
        if (!(w->entry & DESC_TABLE)) {
            if (is_block_level(w))
                return -1;
            break;
        }
        w->tables |= w->entry;
        table = w->entry & BITS(47, w->granule);
    }
    return (int)(A64_FAULT_TRANSLATION + w->level);
}

/* ---- Permissions ---- */

static bool user_reaches(const struct walk *w)
{
    return w->entry & DESC_AP_USER && !(w->tables & TABLE_NO_USER);
}

static bool is_writable(const struct walk *w, uint64_t entry)
{
    return !(entry & DESC_AP_READ) && !(w->tables & TABLE_READ);
}

static bool can_execute(const struct walk *w)
{
    uint64_t sctlr = a64_state(w->d)->sys.sctlr;
    bool writable = is_writable(w, w->entry);

    if (writable && sctlr & A64_SCTLR_WXN)
        return false;
    if (w->user)
        return user_reaches(w) && !(w->entry & DESC_UXN) && !(w->tables & TABLE_UXN);
    /* What EL0 can write EL1 does not execute. */
    return !(w->entry & DESC_PXN) && !(w->tables & TABLE_PXN) && !(user_reaches(w) && writable);
}

static bool can_access(const struct walk *w)
{
    return w->user ? user_reaches(w) : !(w->pan && user_reaches(w));
}

static bool is_permitted(const struct walk *w, uint64_t entry, enum dbt_access access)
{
    if (access == DBT_FETCH)
        return can_execute(w);
    return can_access(w) && (access == DBT_READ || is_writable(w, entry));
}

/* The entry as hardware leaves it after this access. */
static uint64_t used(const struct walk *w, enum dbt_access access)
{
    uint64_t entry = w->entry;

    if (w->tcr & TCR_HA)
        entry |= DESC_AF;
    if (w->tcr & TCR_HA && w->tcr & TCR_HD && entry & DESC_DBM && access == DBT_WRITE)
        entry &= ~DESC_AP_READ;
    return entry;
}

/* ---- The walk ---- */

/* Sets up the half of the addresses; a fault status code, or -1 and its table. */
static int begin(struct walk *w, const struct arm_system *s, uint64_t *table)
{
    bool upper = w->va >> 55 & 1, tbi = w->tcr & (upper ? TCR_TBI1 : TCR_TBI0);
    uint64_t top = (uint64_t)((int64_t)(w->va << (tbi ? 8 : 0)) >> (tbi ? 8 : 0));

    w->bits = 64 - (unsigned)(upper ? TCR_T1SZ(w->tcr) : TCR_T0SZ(w->tcr));
    w->bits = MIN(w->bits, (unsigned)BITS_MAX);
    w->bits = MAX(w->bits, (unsigned)BITS_MIN);
    w->granule = granule_shift(w->tcr, upper);
    if ((uint64_t)((int64_t)top >> w->bits) != (upper ? UINT64_MAX : 0) ||
        w->tcr & (upper ? TCR_NO_WALK1 : TCR_NO_WALK0) ||
        (w->user && w->tcr & (upper ? TCR_E0PD1 : TCR_E0PD0)) || w->bits <= w->granule)
        return A64_FAULT_TRANSLATION;
    *table = (upper ? s->ttbr1 : s->ttbr0) & TTBR_BASE;
    return -1;
}

static int walk_tables(struct walk *w, enum dbt_access access)
{
    const struct arm_system *s = &a64_state(w->d)->sys;
    uint64_t table = 0, wanted, *entry;
    int fault = begin(w, s, &table);

    for (;;) {
        if (fault < 0)
            fault = descend(w, table);
        if (fault >= 0)
            return fault;
        wanted = used(w, access);
        if (!(wanted & DESC_AF))
            return (int)(A64_FAULT_ACCESS_FLAG + w->level);
        if (!is_permitted(w, wanted, access))
            return (int)(A64_FAULT_PERMISSION + w->level);
        if (wanted == w->entry)
            return -1;
        entry = entry_of(w, true);
        if (!entry)
            return (int)(A64_FAULT_WALK + w->level);
        if (__atomic_compare_exchange_n(entry, &w->entry, wanted, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            w->entry = wanted;
            return -1;
        }
        w->tables = 0; /* it changed meanwhile */
    }
}

static void flat(uint64_t va, struct dbt_mapping *out)
{
    *out = (struct dbt_mapping){
        .gpa = va & BITS(BITS_MAX - 1, 0), .size = GIB(1), .allowed = {true, true, true}};
}

static int translate(struct walk *w, enum dbt_access access, struct dbt_mapping *out)
{
    const struct arm_system *s = &a64_state(w->d)->sys;
    uint64_t size;
    int fault;

    if (!(s->sctlr & A64_SCTLR_M)) {
        flat(w->va, out);
        return -1;
    }
    w->tcr = s->tcr;
    fault = walk_tables(w, access);
    if (fault >= 0)
        return fault;
    size = BIT(w->shift);
    *out = (struct dbt_mapping){.gpa = (w->entry & BITS(47, w->shift)) | (w->va & (size - 1)),
                                .size = size,
                                .allowed = {[DBT_READ] = is_permitted(w, w->entry, DBT_READ),
                                            [DBT_WRITE] = is_permitted(w, w->entry, DBT_WRITE),
                                            [DBT_FETCH] = is_permitted(w, w->entry, DBT_FETCH)}};
    return -1;
}

bool a64_walk(struct dbt_vcpu *d, uint64_t va, enum dbt_access access, struct dbt_mapping *out)
{
    struct walk w = {.d = d,
                     .va = va,
                     .user = !a64_is_el1(d) || access & DBT_USER,
                     .pan = a64_state(d)->pstate & ARM_PSTATE_PAN};
    int fault = translate(&w, (enum dbt_access)DBT_KIND(access), out);

    if (fault >= 0) {
        d->frame->fault =
            (struct dbt_fault){.address = va, .access = DBT_KIND(access), .cause = (uint32_t)fault};
        return false;
    }
    if ((va >> 56) != (va >> 55 & 1 ? 0xff : 0))
        arm_vcpu(d->vcpu)->tagged = true;
    return true;
}

#define PAR_FST_SHIFT 1
#define PAR_RES1      BIT(11)
#define PAR_NORMAL    (0xffULL << 56)

uint64_t a64_translate_address(struct dbt_vcpu *d, uint64_t va, unsigned how)
{
    struct walk w = {.d = d,
                     .va = va,
                     .user = how & A64_AT_USER,
                     .pan = how & A64_AT_PAN && a64_state(d)->pstate & ARM_PSTATE_PAN};
    struct dbt_mapping m;
    int fault = translate(&w, how & A64_AT_WRITE ? DBT_WRITE : DBT_READ, &m);

    if (fault >= 0)
        return A64_PAR_F | PAR_RES1 | (uint64_t)fault << PAR_FST_SHIFT;
    return (m.gpa & BITS(47, 12)) | PAR_RES1 | PAR_NORMAL;
}
