/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The second stage: one page table, filled from guest memory. */
#include "mm/heap.h"
#include "mm/page_table_trace.h"
#include "mm/second_stage.h"

#define GUEST_RAM (PT_READ | PT_WRITE | PT_EXEC)

LOCK_CLASS(second_stage_class, "second stage", RANK_SECOND_STAGE);

struct second_stage {
    struct spinlock
        lock; /* taken with interrupts as they are: a holder may wait for other CPUs to flush */
    struct page_table pt;
    struct guest_memory *memory;
    uint64_t gigabytes; /* mapped as a whole so far */
};

enum err second_stage_create(struct second_stage **out, const struct pt_format *format,
                             struct guest_memory *memory, void *owner)
{
    struct second_stage *s = heap_zalloc(sizeof(*s));

    if (!s)
        return ERR_NO_MEMORY;
    spin_init(&s->lock, &second_stage_class);
    s->memory = memory;
    enum err e = page_table_init(&s->pt, format, owner);
    if (e) {
        heap_free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void second_stage_destroy(struct second_stage *s)
{
    if (!s)
        return;
    page_table_destroy(&s->pt);
    heap_free(s);
}

hpa_t second_stage_root(const struct second_stage *s)
{
    return s->pt.root;
}

uint64_t second_stage_table_bytes(const struct second_stage *s)
{
    return s->pt.table_pages << PAGE_SHIFT;
}

uint64_t second_stage_gigabytes(const struct second_stage *s)
{
    return s->gigabytes;
}

static bool unused(const struct second_stage *s, const struct guest_block *b)
{
    return page_table_unused(&s->pt, b->gpa.v, b->size);
}

/* Under the lock. The most that can be mapped at once for the sake of `page` in `b`: its GiB, `b`,
 * or the page. False: it is mapped already. */
static bool find_unmapped(const struct second_stage *s, const struct guest_block *b, gpa_t page,
                          struct guest_block *found)
{
    struct pt_entry entry;

    if (page_table_lookup(&s->pt, page.v, &entry))
        return false;
    if (s->pt.format->max_leaf_1g && guest_memory_gigabyte(s->memory, page, found) &&
        unused(s, found))
        return true;
    *found = *b;
    if (!unused(s, b))
        *found = (struct guest_block){page, HPA(b->hpa.v + page.v - b->gpa.v), PAGE_SIZE};
    return true;
}

static bool holds(const struct guest_block *outer, const struct guest_block *b)
{
    return outer->hpa.v <= b->hpa.v && b->hpa.v + b->size <= outer->hpa.v + outer->size;
}

/* Under the lock, which it gives up for as long as caches are cleaned: other vCPUs go on. False:
 * one of them has mapped the page meanwhile. */
static bool bring(struct second_stage *s, const struct guest_block *b, gpa_t page,
                  struct guest_block *found)
{
    struct guest_block synced = {0};

    while (find_unmapped(s, b, page, found)) {
        if (!s->pt.format->sync || holds(&synced, found))
            return true;
        spin_unlock(&s->lock);
        pt_sync(&s->pt, found->hpa, found->size);
        synced = *found;
        spin_lock(&s->lock);
    }
    return false;
}

/* Under the lock. */
static enum err map_page(struct second_stage *s, const struct guest_block *b, gpa_t page,
                         unsigned access)
{
    struct guest_block found;
    struct pt_entry entry;
    enum err e;

    if (bring(s, b, page, &found)) {
        e = page_table_map(&s->pt, found.gpa.v, found.hpa, found.size, GUEST_RAM);
        s->gigabytes += !e && found.size == GIB(1);
        return e;
    }
    if (!page_table_lookup(&s->pt, page.v, &entry) || entry.attrs & access) {
        s->pt.format->publish(&s->pt, page.v, PAGE_SIZE);
        return ERR_OK;
    }
    return page_table_protect(&s->pt, ALIGN_DOWN(page.v, entry.size), entry.size, GUEST_RAM);
}

enum err second_stage_fault(struct second_stage *s, gpa_t gpa, unsigned access)
{
    gpa_t page = GPA(ALIGN_DOWN(gpa.v, PAGE_SIZE));
    struct guest_block block;
    void *span;
    enum err e = guest_pin(s->memory, page, PAGE_SIZE, &span);

    if (e)
        return e;
    e = guest_memory_block(s->memory, page, &block);
    if (!e) {
        spin_lock(&s->lock);
        e = map_page(s, &block, page, access);
        spin_unlock(&s->lock);
    }
    guest_unpin_unwritten(s->memory, page, PAGE_SIZE);
    return e;
}

bool second_stage_lookup(struct second_stage *s, gpa_t gpa, struct pt_entry *entry)
{
    spin_lock(&s->lock);
    bool found = page_table_lookup(&s->pt, gpa.v, entry);
    spin_unlock(&s->lock);
    return found;
}

enum err second_stage_map_device(struct second_stage *s, gpa_t gpa, hpa_t hpa, uint64_t size)
{
    spin_lock(&s->lock);
    enum err e = page_table_map(&s->pt, gpa.v, hpa, size, PT_READ | PT_WRITE | PT_DEVICE);
    spin_unlock(&s->lock);
    return e;
}

enum err second_stage_write_protect(struct second_stage *s, gpa_t gpa, uint64_t size)
{
    spin_lock(&s->lock);
    enum err e = page_table_protect(&s->pt, gpa.v, size, PT_READ | PT_EXEC | PT_DIRTY_LOG);
    spin_unlock(&s->lock);
    return e;
}

enum err second_stage_unmap(struct second_stage *s, gpa_t gpa, uint64_t size)
{
    spin_lock(&s->lock);
    enum err e = page_table_unmap(&s->pt, gpa.v, size);
    spin_unlock(&s->lock);
    return e;
}

/* ---- Giving memory back ---- */

#define BLOCK_SIZE MIB(2)

/* One aligned block, or some pages in one. The lock keeps it unmapped between the two steps. */
static uint64_t release_piece(struct second_stage *s, struct guest_memory *m, uint64_t gpa,
                              uint64_t size)
{
    uint64_t freed = 0;

    spin_lock(&s->lock);
    if (page_table_unmap(&s->pt, gpa, size) == ERR_OK)
        freed = guest_memory_drop(m, GPA(gpa), size);
    spin_unlock(&s->lock);
    if (freed)
        guest_memory_dropped(m, GPA(gpa), size);
    return freed;
}

uint64_t guest_memory_release(struct guest_memory *m, struct second_stage *s, gpa_t gpa,
                              uint64_t size)
{
    uint64_t limit = guest_memory_limit(m), freed = 0;

    if (gpa.v >= limit)
        return 0;
    uint64_t at = ALIGN_UP(gpa.v, PAGE_SIZE);
    uint64_t end = ALIGN_DOWN(gpa.v + MIN(size, limit - gpa.v), PAGE_SIZE);
    while (at < end) {
        uint64_t piece = MIN(end - at, BLOCK_SIZE - at % BLOCK_SIZE);

        if (piece < BLOCK_SIZE)
            piece = MIN(piece, GUEST_DROP_PAGES * PAGE_SIZE);
        freed += release_piece(s, m, at, piece);
        at += piece;
    }
    return freed;
}
