/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The radix walker for all page tables. Order of steps, whatever the format asks for in its hooks:
 *  - a new table is complete before the entry that leads to it is written, and `publish` follows
 * new entries;
 *  - `flush` follows changed and cleared entries, and comes before a table that they led to is
 * freed;
 *  - what is mapped anew was brought in by `sync` before (mm/second_stage.c);
 *  - where the format wants break-before-make (Arm ARM DDI 0487, D8.16.1), a live entry whose
 * output address, size or memory type changes is cleared and flushed first.
 */
#include <string.h>
#include "mm/page.h"
#include "mm/page_table.h"
#include "mm/page_table_trace.h"

#define LEVEL_BITS    9
#define ENTRIES       (1u << LEVEL_BITS)
#define FREE_LIST_MAX 32

/* Changes of these need break-before-make: the memory type, and from not global to global. */
#define ATTRS_BREAK (PT_DEVICE | PT_WRITE_COMBINE | PT_GLOBAL)

static unsigned level_shift(unsigned level)
{
    return PAGE_SHIFT + LEVEL_BITS * level;
}

static uint64_t level_size(unsigned level)
{
    return 1ULL << level_shift(level);
}

static unsigned top_level(const struct page_table *pt)
{
    return pt->format->levels - 1u;
}

static unsigned max_leaf_level(const struct page_table *pt)
{
    return pt->format->max_leaf_1g ? 2 : 1;
}

/* Entries of a table of `level`: the root may be several tables side by side. */
static unsigned entry_count(const struct page_table *pt, unsigned level)
{
    return level == top_level(pt) ? ENTRIES << pt->format->root_order : ENTRIES;
}

static unsigned entry_index(const struct page_table *pt, uint64_t va, unsigned level)
{
    return (unsigned)(va >> level_shift(level)) & (entry_count(pt, level) - 1);
}

static uint64_t *table_of(const struct page_table *pt, uint64_t pte, unsigned level)
{
    return phys_to_virt(pt->format->address(pte, level));
}

/* [va, va + size) in whole pages, not empty, without wrapping around (the very end of the address
 * space is reached). */
static bool range_valid(uint64_t va, uint64_t size)
{
    return size && IS_ALIGNED(va | size, PAGE_SIZE) && va + (size - 1) >= va;
}

/* For ranges that the format can translate: below 2^bits, or in the upper half of a signed format.
 */
static bool range_reachable(const struct page_table *pt, uint64_t va, uint64_t size)
{
    unsigned bits = pt->format->address_bits;
    uint64_t last = va + (size - 1), low_end = bits < 64 ? (1ULL << bits) - 1 : UINT64_MAX;

    return range_valid(va, size) && (last <= low_end || va >= 0 - (1ULL << (bits - 1)));
}

/* ---- Tables ---- */

static enum err table_new(struct page_table *pt, unsigned order, hpa_t *table)
{
    *table = page_alloc(order, PAGE_ZERO);
    if (!table->v)
        return ERR_NO_MEMORY;
    pt->table_pages += 1u << order;
    pt_check_table_new(pt, *table);
    return ERR_OK;
}

static void table_free(struct page_table *pt, hpa_t table, unsigned order)
{
    pt_check_table_free(pt, table);
    pt->table_pages -= 1u << order;
    page_free(table, order);
}

enum err page_table_init(struct page_table *pt, const struct pt_format *format, void *owner)
{
    *pt = (struct page_table){.format = format, .owner = owner};
    return table_new(pt, format->root_order, &pt->root);
}

static void destroy_level(struct page_table *pt, hpa_t table, unsigned level)
{
    const uint64_t *entries = phys_to_virt(table);

    for (unsigned i = 0; level && i < entry_count(pt, level); i++)
        if (pt->format->present(entries[i]) && !pt->format->is_leaf(entries[i], level))
            destroy_level(pt, pt->format->address(entries[i], level), level - 1);
    table_free(pt, table, level == top_level(pt) ? pt->format->root_order : 0);
}

void page_table_destroy(struct page_table *pt)
{
    if (pt->root.v)
        destroy_level(pt, pt->root, top_level(pt));
    pt->root = HPA(0);
}

/* ---- Walking a range ---- */

/* One operation on [va, last]. */
struct walk {
    struct page_table *pt;
    unsigned attrs;
    uint64_t first,
        last; /* what to flush at the end: the range, or more where a larger leaf was split */
    bool flush;
    hpa_t free_list[FREE_LIST_MAX]; /* tables to free after the flush */
    unsigned free_count;
};

/* Last address of the entry of `level` that translates `va`. */
static uint64_t entry_last(uint64_t va, unsigned level)
{
    return va | (level_size(level) - 1);
}

static bool covers(uint64_t va, uint64_t last, unsigned level)
{
    return IS_ALIGNED(va, level_size(level)) && last >= entry_last(va, level);
}

static void walk_changed(struct walk *w, uint64_t va, unsigned level)
{
    uint64_t base = ALIGN_DOWN(va, level_size(level));

    w->first = w->flush ? MIN(w->first, base) : base;
    w->last = w->flush ? MAX(w->last, entry_last(va, level)) : entry_last(va, level);
    w->flush = true;
}

static void walk_flush(struct walk *w)
{
    if (w->flush)
        pt_flush(w->pt, w->first, w->last - w->first + 1);
    w->flush = false;
    for (unsigned i = 0; i < w->free_count; i++)
        table_free(w->pt, w->free_list[i], 0);
    w->free_count = 0;
}

/* Replaces the leaf at `slot` by a table that maps the same. */
static enum err leaf_split(struct walk *w, uint64_t *slot, uint64_t va, unsigned level)
{
    const struct pt_format *f = w->pt->format;
    uint64_t old = *slot;
    hpa_t pa = f->address(old, level), table;
    unsigned attrs = f->attrs(old, level);
    enum err e = table_new(w->pt, 0, &table);

    if (e)
        return e;
    uint64_t *entries = phys_to_virt(table), base = ALIGN_DOWN(va, level_size(level));
    for (unsigned i = 0; i < ENTRIES; i++)
        pt_write(w->pt, &entries[i],
                 f->leaf(HPA(pa.v + i * level_size(level - 1)), level - 1, attrs),
                 base + i * level_size(level - 1), level - 1);
    if (f->break_before_make) {
        pt_write(w->pt, slot, 0, va, level);
        pt_flush(w->pt, base, level_size(level));
    }
    pt_write(w->pt, slot, f->table(table), va, level);
    pt_publish(w->pt, base, level_size(level));
    walk_changed(w, va, level);
    return ERR_OK;
}

static bool table_empty(const struct page_table *pt, const uint64_t *entries)
{
    for (unsigned i = 0; i < ENTRIES; i++)
        if (pt->format->present(entries[i]))
            return false;
    return true;
}

/* ---- Mapping ---- */

static bool level_clear(const struct page_table *pt, const uint64_t *entries, unsigned level,
                        uint64_t va, uint64_t last)
{
    for (;;) {
        uint64_t pte = entries[entry_index(pt, va, level)], end = entry_last(va, level);

        if (pt->format->present(pte)) {
            if (pt->format->is_leaf(pte, level))
                return false;
            if (!level_clear(pt, table_of(pt, pte, level), level - 1, va, MIN(last, end)))
                return false;
        }
        if (end >= last)
            return true;
        va = end + 1;
    }
}

static enum err map_level(struct page_table *pt, uint64_t *entries, unsigned level, uint64_t va,
                          uint64_t last, hpa_t pa, unsigned attrs)
{
    for (;;) {
        uint64_t *slot = &entries[entry_index(pt, va, level)], end = entry_last(va, level);
        bool present = pt->format->present(*slot);
        enum err e = ERR_OK;

        if (!present && level <= max_leaf_level(pt) && covers(va, last, level) &&
            IS_ALIGNED(pa.v, level_size(level))) {
            pt_write(pt, slot, pt->format->leaf(pa, level, attrs), va, level);
        } else {
            hpa_t table = present ? pt->format->address(*slot, level) : HPA(0);
            if (!present)
                e = table_new(pt, 0, &table);
            if (!e)
                e = map_level(pt, phys_to_virt(table), level - 1, va, MIN(last, end), pa, attrs);
            if (!present && table.v)
                pt_write(pt, slot, pt->format->table(table), va, level);
        }
        if (e || end >= last)
            return e;
        pa.v += end + 1 - va;
        va = end + 1;
    }
}

enum err page_table_map(struct page_table *pt, uint64_t va, hpa_t pa, uint64_t size, unsigned attrs)
{
    uint64_t last = va + (size - 1);

    if (!range_reachable(pt, va, size) || !IS_ALIGNED(pa.v, PAGE_SIZE))
        return ERR_INVALID;
    if (!page_table_unused(pt, va, size))
        return ERR_EXISTS;
    enum err e = map_level(pt, phys_to_virt(pt->root), top_level(pt), va, last, pa, attrs);
    pt_publish(pt, va, size);
    if (e && page_table_unmap(pt, va, size)) /* nothing to split there: it cannot fail */
        return ERR_STATE;
    return e;
}

/* Down to the table whose leaves are of 2 MiB. */
static enum err tables_make(struct page_table *pt, uint64_t va)
{
    uint64_t *entries = phys_to_virt(pt->root);

    for (unsigned level = top_level(pt); level > 1; level--) {
        uint64_t *slot = &entries[entry_index(pt, va, level)];
        hpa_t table;

        if (!pt->format->present(*slot)) {
            enum err e = table_new(pt, 0, &table);

            if (e)
                return e;
            pt_write(pt, slot, pt->format->table(table), va, level);
            pt_publish(pt, ALIGN_DOWN(va, level_size(level)), level_size(level));
        }
        if (pt->format->is_leaf(*slot, level))
            return ERR_EXISTS;
        entries = table_of(pt, *slot, level);
    }
    return ERR_OK;
}

enum err page_table_prepare(struct page_table *pt, uint64_t va, uint64_t size)
{
    uint64_t last = va + (size - 1);
    enum err e;

    if (!range_reachable(pt, va, size))
        return ERR_INVALID;
    for (;;) {
        uint64_t end = entry_last(va, 2);

        e = tables_make(pt, va);
        if (e || end >= last)
            return e;
        va = end + 1;
    }
}

/* ---- Unmapping and changing ---- */

static enum err
change_level(struct walk *w, uint64_t *entries, unsigned level, uint64_t va, uint64_t last,
             void (*leaf)(struct walk *w, uint64_t *slot, uint64_t va, unsigned level));

/* What is below a table entry; the table itself goes when nothing is left in it. */
static enum err change_table(struct walk *w, uint64_t *slot, unsigned level, uint64_t va,
                             uint64_t last,
                             void (*leaf)(struct walk *, uint64_t *, uint64_t, unsigned))
{
    struct page_table *pt = w->pt;
    hpa_t table = pt->format->address(*slot, level);
    uint64_t *entries = phys_to_virt(table);
    enum err e = change_level(w, entries, level - 1, va, last, leaf);

    if (pt->keep_tables || !table_empty(pt, entries))
        return e;
    pt_write(pt, slot, 0, va, level);
    walk_changed(w, va, level);
    w->free_list[w->free_count++] = table;
    if (w->free_count == FREE_LIST_MAX)
        walk_flush(w);
    return e;
}

/* Calls `leaf` for every leaf in [va, last], split where the range covers a part of it only. */
static enum err change_level(struct walk *w, uint64_t *entries, unsigned level, uint64_t va,
                             uint64_t last,
                             void (*leaf)(struct walk *, uint64_t *, uint64_t, unsigned))
{
    const struct pt_format *f = w->pt->format;

    for (;;) {
        uint64_t *slot = &entries[entry_index(w->pt, va, level)], end = entry_last(va, level);
        enum err e = ERR_OK;

        if (f->present(*slot) && f->is_leaf(*slot, level)) {
            if (covers(va, last, level))
                leaf(w, slot, va, level);
            else
                e = leaf_split(w, slot, va, level);
        }
        if (!e && f->present(*slot) && !f->is_leaf(*slot, level))
            e = change_table(w, slot, level, va, MIN(last, end), leaf);
        if (e || end >= last)
            return e;
        va = end + 1;
    }
}

static void leaf_clear(struct walk *w, uint64_t *slot, uint64_t va, unsigned level)
{
    pt_write(w->pt, slot, 0, va, level);
    walk_changed(w, va, level);
}

static void leaf_protect(struct walk *w, uint64_t *slot, uint64_t va, unsigned level)
{
    const struct pt_format *f = w->pt->format;
    unsigned old_attrs = f->attrs(*slot, level);
    uint64_t value = f->leaf(f->address(*slot, level), level, w->attrs);

    if (value == *slot)
        return;
    uint64_t base = ALIGN_DOWN(va, level_size(level));
    bool broken = f->break_before_make && ((old_attrs ^ w->attrs) & ATTRS_BREAK);
    if (broken) {
        pt_write(w->pt, slot, 0, va, level);
        pt_flush(w->pt, base, level_size(level));
    }
    pt_write(w->pt, slot, value, va, level);
    if (broken)
        pt_publish(w->pt, base, level_size(level));
    else
        walk_changed(w, va, level);
}

enum err page_table_unmap(struct page_table *pt, uint64_t va, uint64_t size)
{
    struct walk w = {.pt = pt};

    if (!range_reachable(pt, va, size))
        return ERR_INVALID;
    enum err e =
        change_level(&w, phys_to_virt(pt->root), top_level(pt), va, va + (size - 1), leaf_clear);
    walk_flush(&w);
    return e;
}

enum err page_table_protect(struct page_table *pt, uint64_t va, uint64_t size, unsigned attrs)
{
    struct walk w = {.pt = pt, .attrs = attrs};

    if (!range_reachable(pt, va, size))
        return ERR_INVALID;
    enum err e =
        change_level(&w, phys_to_virt(pt->root), top_level(pt), va, va + (size - 1), leaf_protect);
    walk_flush(&w);
    return e;
}

/* ---- Looking up ---- */

bool page_table_unused(const struct page_table *pt, uint64_t va, uint64_t size)
{
    return range_reachable(pt, va, size) &&
           level_clear(pt, phys_to_virt(pt->root), top_level(pt), va, va + (size - 1));
}

bool page_table_lookup(const struct page_table *pt, uint64_t va, struct pt_entry *entry)
{
    const struct pt_format *f = pt->format;
    const uint64_t *entries = phys_to_virt(pt->root);

    if (!range_reachable(pt, ALIGN_DOWN(va, PAGE_SIZE), PAGE_SIZE))
        return false;
    for (unsigned level = top_level(pt);; level--) {
        uint64_t pte = __atomic_load_n(&entries[entry_index(pt, va, level)], __ATOMIC_ACQUIRE);

        if (!f->present(pte))
            return false;
        if (f->is_leaf(pte, level)) {
            uint64_t offset = va & (level_size(level) - 1);
            *entry = (struct pt_entry){HPA(f->address(pte, level).v + offset), level_size(level),
                                       f->attrs(pte, level)};
            return true;
        }
        entries = table_of(pt, pte, level);
    }
}
