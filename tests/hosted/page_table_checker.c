/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What a strict machine would hold against the page-table code. It models TLBs and table walkers in
 * the worst legal way: everything that was ever valid since the last flush may be cached, a new
 * entry is not seen before it is published, and a table is walked until the flush after its
 * unlinking. Rules, by the entry's format:
 *
 *  bbm      a valid entry is not changed to a valid one with another output address, size or memory
 * type, without being cleared and flushed in between (Arm ARM DDI 0487, D8.16.1, "Using
 * break-before-make when updating translation table entries") flush    an operation that changed or
 * cleared a valid entry flushes before it ends (Arm ARM D8.16.2; SDM 3A 4.10.4.1; APM2 5.5.2;
 *           RISC-V Privileged 4.2.1)
 *  publish  an entry that became valid is published before the operation ends (Arm ARM D8.2.6, dsb;
 * RISC-V Privileged 4.2.1: implementations may cache invalid entries); formats of x86 need none
 * (SDM 3A 4.10.2.3) free     a table is not freed while an entry that led to it may be cached (SDM
 * 3A 4.10.4.2, APM2 5.5.2)
 *  sync     where the format has `sync`, memory is mapped that was not only after it was synced
 * since it was unmapped last: a guest with its caches off sees what the hypervisor wrote (Arm ARM
 * B2.10), and fetches it (B2.4.4; RISC-V Unprivileged, Zifencei)
 */
#include <stdio.h>
#include <string.h>
#include "hosted.h"
#include "mm/page_table_trace.h"

#define PENDING_MAX 4096

char hosted_pt_rule[256];
static unsigned violations;

/* An entry whose old value may still be cached. `level_size` bytes from `va` are what it
 * translated. */
struct stale {
    const struct page_table *pt;
    const uint64_t *slot;
    uint64_t old, va, size;
};
static struct stale stale[PENDING_MAX], fresh[PENDING_MAX];
static unsigned stale_count, fresh_count;

static void violation(const char *rule, uint64_t va)
{
    if (violations++ == 0)
        snprintf(hosted_pt_rule, sizeof(hosted_pt_rule), "%s (address %#lx)", rule,
                 (unsigned long)va);
}

static uint64_t entry_size(unsigned level)
{
    return PAGE_SIZE << (9 * level);
}

static void note(struct stale *list, unsigned *count, struct stale s)
{
    if (*count == PENDING_MAX)
        violation("too many entries are pending for the checker", s.va);
    else
        list[(*count)++] = s;
}

static bool overlaps(const struct stale *s, const struct page_table *pt, uint64_t va, uint64_t size)
{
    return s->pt == pt && (s->va - va < size || va - s->va < s->size);
}

static void drop(struct stale *list, unsigned *count, const struct page_table *pt, uint64_t va,
                 uint64_t size)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < *count; i++)
        if (!overlaps(&list[i], pt, va, size))
            list[kept++] = list[i];
    *count = kept;
}

static const struct stale *find_stale(const uint64_t *slot)
{
    for (unsigned i = 0; i < stale_count; i++)
        if (stale[i].slot == slot)
            return &stale[i];
    return NULL;
}

/* Whether going from one valid entry to another needs break-before-make. */
static bool needs_break(const struct pt_format *f, uint64_t old, uint64_t value, unsigned level)
{
    if (f->is_leaf(old, level) != f->is_leaf(value, level) ||
        f->address(old, level).v != f->address(value, level).v)
        return true;
    if (!f->is_leaf(old, level))
        return false;
    unsigned changed = f->attrs(old, level) ^ f->attrs(value, level);
    return changed & (PT_DEVICE | PT_WRITE_COMBINE | PT_GLOBAL);
}

/* Host memory that was synced for a table and may be mapped by it. The oldest is forgotten. */
struct synced {
    const struct page_table *pt;
    uint64_t pa, size;
};
#define SYNCED_MAX 256
static struct synced synced[SYNCED_MAX];
static unsigned synced_next;

static void synced_forget(const struct page_table *pt, uint64_t pa, uint64_t size)
{
    for (unsigned i = 0; i < SYNCED_MAX; i++)
        if (synced[i].pt == pt && (synced[i].pa - pa < size || pa - synced[i].pa < synced[i].size))
            synced[i].pt = NULL;
}

static bool is_synced(const struct page_table *pt, uint64_t pa, uint64_t size)
{
    for (unsigned i = 0; i < SYNCED_MAX; i++)
        if (synced[i].pt == pt && pa >= synced[i].pa && pa - synced[i].pa < synced[i].size &&
            synced[i].size - (pa - synced[i].pa) >= size)
            return true;
    return false;
}

/* A leaf that is about to be split still maps the same. */
static bool maps_already(const struct page_table *pt, uint64_t va, uint64_t pa)
{
    struct pt_entry e;

    return page_table_lookup(pt, va, &e) && e.pa.v == pa;
}

static void check_synced(const struct page_table *pt, uint64_t old, uint64_t value, uint64_t va,
                         unsigned level)
{
    const struct pt_format *f = pt->format;
    uint64_t size = entry_size(level);

    if (!f->sync)
        return;
    if (f->present(value) && !f->present(old) && f->is_leaf(value, level) &&
        !(f->attrs(value, level) & PT_DEVICE)) {
        uint64_t pa = f->address(value, level).v;

        if (!is_synced(pt, pa, size) && !maps_already(pt, ALIGN_DOWN(va, size), pa))
            violation("Arm ARM B2.10, B2.4.4: memory was mapped that was not synced", va);
    } else if (f->present(old) && f->is_leaf(old, level) && !f->present(value)) {
        synced_forget(pt, f->address(old, level).v, size);
    }
}

void pt_check_sync(struct page_table *pt, hpa_t pa, uint64_t size)
{
    synced[synced_next++ % SYNCED_MAX] = (struct synced){pt, pa.v, size};
}

void pt_check_write(struct page_table *pt, const uint64_t *slot, uint64_t value, uint64_t va,
                    unsigned level)
{
    const struct pt_format *f = pt->format;
    uint64_t old = *slot, size = entry_size(level), base = ALIGN_DOWN(va, size);
    const struct stale *before = find_stale(slot);
    struct stale entry = {pt, slot, old, base, size};

    check_synced(pt, old, value, va, level);
    if (f->present(value) && before && f->break_before_make &&
        needs_break(f, before->old, value, level))
        violation("Arm ARM D8.16.1: a valid entry was replaced without break-before-make: no flush "
                  "between",
                  va);
    if (f->present(old) && old != value) {
        if (f->present(value) && f->break_before_make && needs_break(f, old, value, level))
            violation("Arm ARM D8.16.1: a valid entry was replaced without break-before-make", va);
        note(stale, &stale_count, entry);
    } else if (f->present(value) && !f->present(old)) {
        note(fresh, &fresh_count, entry);
    }
}

void pt_check_flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    drop(stale, &stale_count, pt, va, size);
}

void pt_check_publish(struct page_table *pt, uint64_t va, uint64_t size)
{
    drop(fresh, &fresh_count, pt, va, size);
}

void pt_check_table_new(struct page_table *pt, hpa_t table)
{
    (void)pt, (void)table;
}

/* Destroying a whole page table is exempt: nothing uses it then. */
void pt_check_table_free(struct page_table *pt, hpa_t table)
{
    if (table.v == pt->root.v)
        synced_forget(pt, 0, UINT64_MAX);
    for (unsigned i = 0; i < stale_count; i++)
        if (stale[i].pt == pt && !pt->format->is_leaf(stale[i].old, 1) &&
            pt->format->address(stale[i].old, 1).v == table.v)
            violation("SDM 3A 4.10.4.2: a table was freed while its entry may be cached",
                      stale[i].va);
}

unsigned hosted_pt_violations(void)
{
    unsigned count;

    for (unsigned i = 0; i < stale_count; i++)
        violation("Arm ARM D8.16.2, SDM 3A 4.10.4.1, RISC-V Privileged 4.2.1: a changed entry was "
                  "not flushed",
                  stale[i].va);
    for (unsigned i = 0; i < fresh_count; i++)
        if (strcmp(fresh[i].pt->format->name, "x86"))
            violation("Arm ARM D8.2.6, RISC-V Privileged 4.2.1: a new entry was not published",
                      fresh[i].va);
    stale_count = fresh_count = 0;
    count = violations;
    violations = 0;
    return count;
}
