/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Windows on guest memory (window.h). */
#include "dbt/window.h"

#include <string.h>
#include "dbt/jit.h"
#include "dbt/knobs.h"
#include "dbt/slow.h"
#include "dbt/table.h"
#include "dbt/tlb.h"
#include "kernel/config.h"
#include "kernel/panic.h"
#include "kernel/window.h"
#include "mm/heap.h"
#include "mm/page.h"

#define RANGES_OF_WINDOW 32 /* that one window can have */
#define BUCKETS          4096
#define STRAYS           64 /* places of operations that are watched */
#define STRAY_DEVICE     2  /* so often, and the instruction looks its accesses up */
#define STRAY_ELSE       16
#define PAGE_OF(va)      ((va) & ~(uint64_t)(IR_PAGE_SIZE - 1))
#define LARGE_OF(va)     ((va) & ~(uint64_t)(LARGE_SIZE - 1))
#define LARGE_SIZE       MIB(2)
#define BEGIN_OF(va)     ((va) & ~(uint64_t)(WINDOW_SIZE - 1))
/* With `mmu = auto`: what part of the time that a table's code runs may go into pages that are
 * mapped and code that is made for them; how much of that makes it begin, and is kept at most; how
 * long a run counts at most. In nanoseconds. */
#define SHARE    16
#define BEGIN_NS 2000000
#define KEPT_NS  20000000
#define RUN_NS   20000000
/* No address has this word's sum: it is not canonical, whatever the displacement. */
#define NOWHERE(va) (BIT(47) + BIT(46) - BEGIN_OF(va))

_Static_assert(WINDOW_SIZE == BIT(DBT_WORD_SHIFT), "a word is for a range");

struct page {
    uint64_t va, gpa;
    struct dbt_window *window;
    struct page *next[3], **link[3]; /* in the lists by: */
    bool write, large;               /* of 2 MiB, where its addresses begin */
};
enum { BY_VA, BY_GPA, BY_WINDOW };

/* One range of the vCPU's. */
struct range {
    struct dbt_window *window; /* NULL: free */
    uint64_t va, at;           /* where it begins: guest, host */
    uint64_t low, high;        /* what was mapped in it lies between, relative */
    uintptr_t room;
};

struct dbt_window {
    struct dbt_vcpu *d;
    struct page *pages;
    struct dbt_window *next;
    uint64_t used; /* when, by `clock` */
    bool user;     /* its table is of the guest's programs */
    bool on;       /* its table's code goes by words */
    int64_t saved; /* ticks that may be spent */
    unsigned large_count, range_count;
    struct range *range[RANGES_OF_WINDOW];
};

/* Pages come as they are needed. */
#define PAGES_OF_CHUNK 256u
struct chunk {
    struct chunk *next;
    struct page page[PAGES_OF_CHUNK];
};

struct stray {
    const struct dbt_slow_op *op;
    unsigned count;
};

struct dbt_windows {
    const struct window_host *host;
    struct dbt_window *current, *all;
    uint64_t clock;
    uint64_t *words;   /* of the frame */
    bool adapts;       /* `mmu = auto` */
    uint64_t since;    /* when code began to run, of host_counter() */
    int64_t a_second;  /* ticks */
    int64_t a_page;    /* ticks that it costs */
    unsigned selected; /* times, for dbt_knobs.turn_every */
    bool full;         /* the current one has to be emptied at a safe point */
    unsigned range_count, page_count, pages_made;
    struct range *ranges;
    struct chunk *chunks;
    struct page *free;
    struct page *by_va[BUCKETS], *by_gpa[BUCKETS];
    struct stray stray[STRAYS];
};

/* ---- Lists ---- */

static unsigned bucket_of(uint64_t page)
{
    return (unsigned)((page >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ULL >> 52);
}

static void put_in(struct page **head, struct page *p, unsigned list)
{
    p->next[list] = *head;
    p->link[list] = head;
    if (*head)
        (*head)->link[list] = &p->next[list];
    *head = p;
}

static void take_out(struct page *p, unsigned list)
{
    *p->link[list] = p->next[list];
    if (p->next[list])
        p->next[list]->link[list] = p->link[list];
}

static struct page *page_find(const struct dbt_window *w, uint64_t va, bool large)
{
    struct page *p = w->d->windows->by_va[bucket_of(va)];

    while (p && (p->va != va || p->window != w || p->large != large))
        p = p->next[BY_VA];
    return p;
}

/* What is mapped at the address. */
static struct page *page_at(const struct dbt_window *w, uint64_t va)
{
    struct page *p = w->large_count ? page_find(w, LARGE_OF(va), true) : NULL;

    return p ? p : page_find(w, PAGE_OF(va), false);
}

static uint64_t page_size(const struct page *p)
{
    return p->large ? LARGE_SIZE : IR_PAGE_SIZE;
}

static void page_forget(struct dbt_windows *ws, struct page *p)
{
    for (unsigned list = BY_VA; list <= BY_WINDOW; list++)
        take_out(p, list);
    p->window->large_count -= p->large;
    p->next[BY_VA] = ws->free;
    ws->free = p;
}

/* ---- Ranges ---- */

static struct range *range_of(const struct dbt_window *w, uint64_t va)
{
    for (unsigned i = 0; i < w->range_count; i++)
        if (w->range[i]->va == BEGIN_OF(va))
            return w->range[i];
    return NULL;
}

static void range_empty(struct dbt_vcpu *d, struct range *r)
{
    if (r->high > r->low)
        d->windows->host->unmap(d->cage, r->at + r->low, r->high - r->low);
    r->low = WINDOW_SIZE;
    r->high = 0;
}

static void set_words(struct dbt_windows *ws, const struct dbt_window *w, bool on)
{
    for (unsigned i = 0; w && i < w->range_count; i++) {
        const struct range *r = w->range[i];

        ws->words[DBT_WORD_OF(r->va)] = on ? r->at - r->va : NOWHERE(r->va);
    }
}

static void page_unmap(struct page *p)
{
    struct dbt_vcpu *d = p->window->d;
    const struct range *r = range_of(p->window, p->va);

    d->counters.window_drops++;
    d->windows->host->unmap(d->cage, r->at + (p->va - r->va), page_size(p));
    page_forget(d->windows, p);
}

void dbt_window_empty(struct dbt_window *w)
{
    if (!w || !w->pages)
        return;
    while (w->pages) {
        page_forget(w->d->windows, w->pages);
        w->d->counters.window_drops++;
    }
    for (unsigned i = 0; i < w->range_count; i++)
        range_empty(w->d, w->range[i]);
}

/* Its ranges are for others. It is not the current one, or no code of the vCPU runs. */
static void window_release(struct dbt_window *w)
{
    dbt_window_empty(w);
    for (unsigned i = 0; i < w->range_count; i++)
        w->range[i]->window = NULL;
    w->range_count = 0;
}

/* The one that was not used for longest, which has something that can be taken. */
static struct dbt_window *oldest(const struct dbt_windows *ws)
{
    struct dbt_window *found = NULL;

    for (struct dbt_window *w = ws->all; w; w = w->next)
        if (w != ws->current && w->range_count && (!found || w->used < found->used))
            found = w;
    return found;
}

static struct range *range_free(struct dbt_windows *ws)
{
    for (unsigned i = 0; i < ws->range_count; i++)
        if (!ws->ranges[i].window)
            return &ws->ranges[i];
    return NULL;
}

/* What emitted code has in a register of the current window stays good: its ranges stay. */
static struct range *range_take(struct dbt_vcpu *d, uint64_t va)
{
    struct dbt_windows *ws = d->windows;
    struct dbt_window *w = ws->current, *from;
    struct range *r = range_free(ws);

    if (!r && (from = oldest(ws)) != NULL && w->range_count < RANGES_OF_WINDOW) {
        d->counters.window_moves++;
        window_release(from);
        r = range_free(ws);
    }
    if (!r || w->range_count == RANGES_OF_WINDOW)
        return NULL;
    if (!r->at)
        r->at = ws->host->range(d->cage, (unsigned)(r - ws->ranges), &r->room);
    if (!r->at)
        return NULL;
    r->window = w;
    r->va = BEGIN_OF(va);
    r->low = WINDOW_SIZE;
    r->high = 0;
    w->range[w->range_count++] = r;
    ws->words[DBT_WORD_OF(va)] = r->at - r->va;
    return r;
}

/* ---- Mapping ---- */

static bool pages_make(struct dbt_windows *ws)
{
    struct chunk *c = ws->pages_made < ws->page_count ? heap_zalloc(sizeof(*c)) : NULL;

    if (!c)
        return false;
    c->next = ws->chunks;
    ws->chunks = c;
    for (unsigned i = 0; i < PAGES_OF_CHUNK; i++) {
        c->page[i].next[BY_VA] = ws->free;
        ws->free = &c->page[i];
    }
    ws->pages_made += PAGES_OF_CHUNK;
    return true;
}

static struct page *page_take(struct dbt_windows *ws)
{
    struct dbt_window *from;
    struct page *p;

    while (!ws->free && !pages_make(ws) && (from = oldest(ws)) != NULL)
        window_release(from);
    if (!ws->free)
        dbt_window_empty(ws->current);
    p = ws->free;
    ASSERT(p); /* something was used up */
    ws->free = p->next[BY_VA];
    return p;
}

/* At the next safe point all begins anew. */
static bool is_full(struct dbt_vcpu *d)
{
    d->windows->full = true;
    __atomic_store_n(&d->frame->poll, 1, __ATOMIC_SEQ_CST);
    return true;
}

/* ---- With `mmu = auto`: whether it is worth it ---- */

static int64_t ticks_of(const struct dbt_windows *ws, int64_t ns)
{
    return ns * (ws->a_second / 1000000) / 1000;
}

/* Where pages come and go all the time, or code that runs once, looking up is cheaper. */
static void spend(struct dbt_vcpu *d, int64_t ticks)
{
    struct dbt_window *w = d->windows->current;

    if (!d->windows->adapts || !w)
        return;
    w->saved -= ticks;
    if (w->saved >= 0 || !w->on || dbt_knobs.turn_every)
        return;
    w->on = false;
    __atomic_store_n(&d->frame->poll, 1, __ATOMIC_SEQ_CST);
}

void dbt_windows_made(struct dbt_vcpu *d, uint64_t ticks)
{
    spend(d, (int64_t)ticks);
}

/* All of the time counts for whoever runs at its end: that is right on average, as what ends a run
 * of programs is a timer mostly. */
void dbt_windows_ran(struct dbt_vcpu *d)
{
    struct dbt_windows *ws = d->windows;
    struct dbt_window *w = ws ? ws->current : NULL;
    int64_t ran;

    if (!w || !ws->adapts || !w->user)
        return;
    ran = MIN((int64_t)(host_counter_fast() - ws->since), ticks_of(ws, RUN_NS));
    w->saved = MIN(w->saved + ran / SHARE, ticks_of(ws, KEPT_NS));
    if (w->saved > ticks_of(ws, BEGIN_NS))
        w->on = true;
}

void dbt_window_renew(struct dbt_window *w)
{
    if (!w || !w->d->windows->adapts)
        return;
    w->on = false;
    w->saved = 0;
}

/* ---- Mapping pages ---- */

static bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 15) >> 15) == va;
}

static void note_page(struct dbt_windows *ws, uint64_t va, uint64_t gpa, bool write, bool large)
{
    struct page *p = page_find(ws->current, va, large);

    if (p)
        p->write = write;
    if (p && p->gpa == gpa)
        return;
    if (p)
        page_forget(ws, p);
    p = page_take(ws);
    p->va = va;
    p->gpa = gpa;
    p->write = write;
    p->large = large;
    p->window = ws->current;
    p->window->large_count += large;
    put_in(&ws->by_va[bucket_of(va)], p, BY_VA);
    put_in(&ws->by_gpa[bucket_of(gpa)], p, BY_GPA);
    put_in(&ws->current->pages, p, BY_WINDOW);
}

static bool map_at(struct dbt_vcpu *d, struct range *r, uint64_t va, const void *host,
                   uint64_t size, bool write)
{
    if (!d->windows->host->map(d->cage, r->at + (va - r->va), host, size, write))
        return is_full(d);
    r->low = MIN(r->low, va - r->va);
    r->high = MAX(r->high, va - r->va + size);
    d->counters.window_pages++;
    spend(d, d->windows->a_page);
    return true;
}

/* Maps the page in the range, as the TLB has it, or the 2 MiB around it. False: it cannot be done,
 * or the page is not known any more. */
static bool map_in(struct dbt_vcpu *d, struct range *r, uint64_t va, enum dbt_access access,
                   const struct dbt_place *place)
{
    bool write = dbt_tlb_lookup(d->frame, va, 1, DBT_WRITE) != NULL, lost;
    struct dbt_piece piece;

    if (dbt_tlb_piece(d, va, place->gpa, access, &piece, &lost)) {
        if (!page_find(d->windows->current, LARGE_OF(va), true))
            dbt_window_drop(d->windows->current, LARGE_OF(va), LARGE_SIZE);
        note_page(d->windows, LARGE_OF(va), piece.gpa, piece.write, true);
        d->counters.window_large++;
        return map_at(d, r, LARGE_OF(va), piece.host, LARGE_SIZE, piece.write);
    }
    if (lost)
        return false;
    if (d->windows->current->large_count)
        dbt_window_drop(d->windows->current, va, IR_PAGE_SIZE);
    note_page(d->windows, va, PAGE_OF(place->gpa), write, false);
    return map_at(d, r, va, place->host, IR_PAGE_SIZE, write);
}

/* Maps what the TLB knows of the page; false: an access of that kind has to take the slow way. */
static bool map_page(struct dbt_vcpu *d, uint64_t va, enum dbt_access access, bool *device)
{
    struct dbt_windows *ws = d->windows;
    struct dbt_place place;
    struct range *r;

    if (!is_canonical(va) || !ws->current || !dbt_tlb_resolve(d, va, access, &place))
        return false;
    *device = !place.host;
    if (!dbt_tlb_lookup(d->frame, va, 1, access))
        return false;
    r = range_of(ws->current, va);
    if (!r)
        r = range_take(d, va);
    return r ? map_in(d, r, va, access, &place) : is_full(d);
}

/* The address and the access that the CPU tells suffice: code that is run again finds the page. */
bool dbt_window_fault(struct dbt_vcpu *d, uint64_t at, bool write)
{
    struct dbt_window *w = d->windows->current;
    enum dbt_access access = write ? DBT_WRITE : DBT_READ;
    struct dbt_place place;

    for (unsigned i = 0; w && i < w->range_count && !d->watching; i++) {
        struct range *r = w->range[i];
        uint64_t va = PAGE_OF(r->va + (at - r->at));

        if (at - r->at < WINDOW_SIZE)
            return dbt_tlb_resolve(d, va, access, &place) &&
                   dbt_tlb_lookup(d->frame, va, 1, access) && map_in(d, r, va, access, &place) &&
                   !d->windows->full;
    }
    return false;
}

/* ---- What cannot be mapped ---- */

static void note_stray(struct dbt_vcpu *d, const struct dbt_slow_op *copy, bool device)
{
    const struct dbt_slow_op *o = d->slow_place ? d->slow_place : copy;
    struct stray *s = &d->windows->stray[(uintptr_t)o / sizeof(struct dbt_link) % STRAYS];

    if (s->op != o)
        *s = (struct stray){.op = o};
    if (++s->count < (device ? STRAY_DEVICE : STRAY_ELSE))
        return;
    s->op = NULL;
    dbt_jit_look_up(d, o, copy->insn);
}

/* Nothing is amiss with the page: emitted code came by another range's word (WINDOW_REACH). */
static bool is_mapped(const struct dbt_windows *ws, uint64_t page, enum dbt_access access)
{
    const struct page *p = ws->current ? page_at(ws->current, page) : NULL;

    return p && (p->write || access == DBT_READ);
}

/* After an access that was done in C, at a place of emitted code. */
static void accessed(struct dbt_vcpu *d, const struct dbt_slow_op *o, uint64_t va)
{
    enum dbt_access access = o->op.code == IR_store ? DBT_WRITE : DBT_READ;
    uint64_t first = PAGE_OF(va), last = PAGE_OF(va + ir_type_size(o->op.attr) - 1);
    bool device = false;

    if (!(d->mode & DBT_MODE_WORDS) || o->op.attr2 & (IR_ALIGNED | IR_USER) || d->check ||
        d->watching)
        return;
    if ((is_mapped(d->windows, first, access) && is_mapped(d->windows, last, access)) ||
        !map_page(d, first, access, &device) ||
        (last != first && !map_page(d, last, access, &device)))
        note_stray(d, o, device);
}

/* ---- Selecting, dropping ---- */

bool dbt_window_select(struct dbt_vcpu *d, struct dbt_window *w, bool user)
{
    struct dbt_windows *ws = d->windows;

    if (!ws)
        return false;
    if (ws->current != w) {
        set_words(ws, ws->current, false);
        set_words(ws, w, true);
        ws->current = w;
        if (w)
            w->used = ++ws->clock;
    }
    if (!w)
        return false;
    w->user = user;
    if (unlikely(ws->adapts && dbt_knobs.turn_every) && ++ws->selected % dbt_knobs.turn_every == 0)
        w->on = !w->on;
    return w->on;
}

void dbt_window_drop(struct dbt_window *w, uint64_t va, uint64_t size)
{
    if (!w || !w->pages)
        return;
    for (uint64_t at = va; at != va + size; at += IR_PAGE_SIZE) {
        struct page *p = page_at(w, at);

        if (!p)
            continue;
        if (p->large && size == LARGE_SIZE)
            at = va + size - IR_PAGE_SIZE; /* that was all of it */
        page_unmap(p);
    }
}

void dbt_windows_empty(struct dbt_vcpu *d)
{
    for (struct dbt_window *w = d->windows ? d->windows->all : NULL; w; w = w->next)
        dbt_window_empty(w);
}

void dbt_windows_drop_gpa(struct dbt_vcpu *d, uint64_t gpa)
{
    struct page *p, *next;

    if (!d->windows)
        return;
    for (p = d->windows->by_gpa[bucket_of(gpa)]; p; p = next) {
        next = p->next[BY_GPA];
        if (p->gpa == gpa && !p->large)
            page_unmap(p);
    }
    for (p = d->windows->by_gpa[bucket_of(LARGE_OF(gpa))]; p; p = next) {
        next = p->next[BY_GPA];
        if (p->gpa == LARGE_OF(gpa) && p->large)
            page_unmap(p);
    }
}

void dbt_windows_drop_code(struct dbt_vcpu *d)
{
    struct page *p, *next;

    for (unsigned i = 0; d->windows && i < BUCKETS; i++)
        for (p = d->windows->by_gpa[i]; p; p = next) {
            next = p->next[BY_GPA];
            if (p->large ? p->write && dbt_table_is_code_piece(d->table, p->gpa)
                         : dbt_table_is_code(d->table, p->gpa))
                page_unmap(p);
        }
}

void dbt_windows_safe_point(struct dbt_vcpu *d)
{
    struct dbt_windows *ws = d->windows;

    if (unlikely(ws && ws->adapts))
        ws->since = host_counter_fast();
    if (likely(!ws || !ws->full))
        return;
    ws->full = false;
    set_words(ws, ws->current, false);
    for (struct dbt_window *w = ws->all; w; w = w->next)
        window_release(w);
}

/* ---- Life ---- */

struct dbt_window *dbt_window_create(struct dbt_vcpu *d)
{
    struct dbt_window *w = d->windows ? heap_zalloc(sizeof(*w)) : NULL;

    if (!w)
        return NULL;
    w->d = d;
    w->on = !d->windows->adapts;
    w->next = d->windows->all;
    d->windows->all = w;
    return w;
}

void dbt_window_destroy(struct dbt_window *w)
{
    struct dbt_window **link;

    if (!w)
        return;
    for (link = &w->d->windows->all; *link != w; link = &(*link)->next)
        continue;
    *link = w->next;
    if (w->d->windows->current == w)
        (void)dbt_window_select(w->d, NULL, false);
    window_release(w);
    heap_free(w);
}

bool dbt_windows_wanted(const struct vm *vm, bool *possible)
{
    const struct window_host *host = window_host();
    const char *reason = "this host has no page tables for the guest's addresses";
    unsigned ranges, pages;

    *possible = true;
    if (vm->config->mmu == CONFIG_MMU_SOFT ||
        (vm->config->mmu == CONFIG_MMU_AUTO && vm->config->sv57)) /* words are for 49 bits */
        return false;
    if (host && host->limits((unsigned)vm->config->cpus, &ranges, &pages, &reason))
        return true;
    if (vm->config->mmu == CONFIG_MMU_AUTO)
        return false;
    log_error("guest %s: %s: set mmu = soft", vm->config->name, reason);
    *possible = false;
    return false;
}

enum err dbt_windows_create(struct dbt_vcpu *d)
{
    struct dbt_windows *ws = heap_zalloc(sizeof(*ws));
    const char *reason;

    if (!ws)
        return ERR_NO_MEMORY;
    d->windows = ws;
    d->accessed = accessed;
    ws->host = window_host();
    ws->adapts = d->vcpu->vm->config->mmu == CONFIG_MMU_AUTO;
    ws->a_second = (int64_t)host_counter_hz();
    ws->a_page = ticks_of(ws, ws->host->page_ns);
    ws->words = (uint64_t *)((char *)d->frame + DBT_FRAME_WORDS);
    for (uint64_t i = 0; i < DBT_WORDS; i++)
        ws->words[i] = NOWHERE((uint64_t)((int64_t)(i << 54) >> 15));
    if (!ws->host->limits((unsigned)d->vcpu->vm->config->cpus, &ws->range_count, &ws->page_count,
                          &reason))
        return ERR_UNSUPPORTED;
    ws->ranges = heap_zalloc_array(ws->range_count, sizeof(*ws->ranges));
    return ws->ranges && pages_make(ws) ? ERR_OK : ERR_NO_MEMORY;
}

/* The tables that had windows are gone. */
void dbt_windows_destroy(struct dbt_vcpu *d)
{
    struct dbt_windows *ws = d->windows;

    if (!ws)
        return;
    for (unsigned i = 0; ws->ranges && i < ws->range_count; i++)
        if (ws->ranges[i].room)
            ws->host->release(d->cage, ws->ranges[i].room);
    heap_free(ws->ranges);
    for (struct chunk *next; ws->chunks; ws->chunks = next) {
        next = ws->chunks->next;
        heap_free(ws->chunks);
    }
    heap_free(ws);
    d->windows = NULL;
}
