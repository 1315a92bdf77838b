/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The software TLB (tlb.h). */
#include "dbt/tlb.h"

#include <string.h>
#include "dbt/jit.h"
#include "dbt/knobs.h"
#include "dbt/table.h"
#include "dbt/window.h"
#include "mm/heap.h"
#include "mm/page.h"

#define SPACES       16 /* address spaces whose tables are kept */
#define BITS_MIN     7u /* of a table's size, in entries */
#define VICTIMS      8
#define PHYSICAL     256 /* pages of guest-physical memory whose host address is kept */
#define WIDES        8   /* larger pages of which a table knows all */
#define LARGE_WORDS  16  /* of the set of 2 MiB pieces with larger pages in them */
#define HUGE_PAGES   8   /* pieces of a gigabyte that are known exactly */
#define LARGE_SHIFT  21
#define HUGE_SHIFT   30
#define CONTEXTS     8  /* of one space: views and modes */
#define CODE_BITS    15 /* log of the size of the set of pages that contexts lead to */
#define CODE_WORDS   (1u << (CODE_BITS - 6))
#define CODE_PIECE   BIT(63) /* in that set: it is not a page's number but one of 2 MiB */
#define NO_PAGE      UINT64_MAX
#define ENTRY_SIZE   sizeof(struct dbt_tlb_entry)
#define PAGE_OF(va)  ((va) & ~(uint64_t)(IR_PAGE_SIZE - 1))
#define OFFSET_OF(a) ((a) & (IR_PAGE_SIZE - 1))

/* An entry that another one displaced, with its place in guest-physical memory. */
struct victim {
    struct dbt_tlb_entry entry;
    uint64_t gpa;
};

/* A page larger than an entry's: others of it need no walk. */
struct wide {
    uint64_t va, gpa; /* where it begins */
    uint64_t size;    /* 0: none */
    bool user;        /* what is allowed is so for the least privileged level */
    bool allowed[3];  /* by enum dbt_access */
};

struct table {
    struct dbt_tlb_entry *entries;
    uint64_t *gpa; /* page, of each entry */
    unsigned bits;
    bool stale;         /* to be emptied before it is used */
    unsigned fills;     /* since it was emptied */
    unsigned displaced; /* valid entries by others, since it grew */
    unsigned idle;      /* times in a row that it was emptied hardly used */
    unsigned next_victim;
    struct victim victim[VICTIMS];
    unsigned next_wide;
    struct wide wide[WIDES];
    /* Which single-page invalidations mean more than a page. */
    uint64_t large[LARGE_WORDS];
    uint64_t huge[HUGE_PAGES];
    unsigned huge_count;       /* beyond HUGE_PAGES: everything may be */
    struct dbt_window *window; /* what of it is mapped for emitted code */
};

/* A number for a view of a space with a mode: what emitted code compares. */
struct context {
    uint32_t mode;
    uint16_t view, number;
};

struct space {
    uint64_t key;
    uint32_t asid;
    unsigned context_count, next_context;
    struct context context[CONTEXTS];
    uint64_t code[CODE_WORDS]; /* what its contexts lead to: two hashed bits each */
    uint64_t used;             /* when, by `clock` */
    struct table *view[DBT_VIEWS];
};

struct physical {
    uint64_t gpa; /* page; NO_PAGE: none */
    char *host;
};

struct dbt_tlbs {
    struct space space[SPACES];
    struct space *current;
    struct table *table;
    uint64_t clock;
    unsigned view;
    uint32_t next_number; /* of contexts; 0: the first */
    struct physical physical[PHYSICAL];
};

/* ---- Tables ---- */

static unsigned table_size(const struct table *t)
{
    return 1u << t->bits;
}

static void entry_clear(struct dbt_tlb_entry *e)
{
    e->tag[DBT_READ] = e->tag[DBT_WRITE] = e->tag[DBT_FETCH] = DBT_TLB_NONE;
}

static bool is_page(uint64_t tag)
{
    return tag != DBT_TLB_NONE;
}

/* What the entry's page is called by in it, DBT_TLB_NONE: it is empty. */
static uint64_t entry_tag(const struct dbt_tlb_entry *e)
{
    for (unsigned access = 0; access < ARRAY_SIZE(e->tag); access++)
        if (is_page(e->tag[access]))
            return e->tag[access];
    return DBT_TLB_NONE;
}

/* The virtual page that the entry is for, DBT_TLB_NONE: it is empty. */
static uint64_t entry_page(const struct dbt_tlb_entry *e)
{
    uint64_t tag = entry_tag(e);

    return is_page(tag) ? tag & ~DBT_TLB_USER : tag;
}

static unsigned place_of(const struct table *t, uint64_t va)
{
    return (unsigned)(va >> PAGE_SHIFT) & (table_size(t) - 1);
}

static void table_empty(struct table *t)
{
    for (unsigned i = 0; i < table_size(t); i++)
        entry_clear(&t->entries[i]);
    for (unsigned i = 0; i < VICTIMS; i++)
        entry_clear(&t->victim[i].entry);
    memset(t->wide, 0, sizeof(t->wide));
    memset(t->large, 0, sizeof(t->large));
    dbt_window_empty(t->window);
    t->fills = t->displaced = t->huge_count = 0;
    t->stale = false;
}

static bool table_storage(struct dbt_vcpu *d, unsigned bits, struct dbt_tlb_entry **entries,
                          uint64_t **gpa)
{
    *entries = dbt_shared_alloc(d, ENTRY_SIZE << bits, ENTRY_SIZE << bits);
    *gpa = heap_alloc(sizeof(**gpa) << bits);
    if (*entries && *gpa)
        return true;
    dbt_shared_free(d, *entries, ENTRY_SIZE << bits);
    heap_free(*gpa);
    return false;
}

static struct table *table_create(struct dbt_vcpu *d)
{
    struct table *t = heap_zalloc(sizeof(*t));

    if (!t)
        return NULL;
    t->bits = MIN(BITS_MIN, dbt_knobs.tlb_bits);
    if (!table_storage(d, t->bits, &t->entries, &t->gpa)) {
        heap_free(t);
        return NULL;
    }
    t->window = dbt_window_create(d);
    table_empty(t);
    return t;
}

static void table_destroy(struct dbt_vcpu *d, struct table *t)
{
    if (!t)
        return;
    dbt_window_destroy(t->window);
    dbt_shared_free(d, t->entries, ENTRY_SIZE << t->bits);
    heap_free(t->gpa);
    heap_free(t);
}

/* Takes over new, larger or smaller storage; what was in it stays if it is still used. */
static void table_resize(struct dbt_vcpu *d, struct table *t, unsigned bits, bool keep)
{
    struct dbt_tlb_entry *old = t->entries, *entries;
    uint64_t *old_gpa = t->gpa, *gpa;
    unsigned old_size = table_size(t);

    if (!table_storage(d, bits, &entries, &gpa))
        return;
    t->entries = entries;
    t->gpa = gpa;
    t->bits = bits;
    for (unsigned i = 0; i < table_size(t); i++)
        entry_clear(&entries[i]);
    for (unsigned i = 0; keep && i < old_size; i++) {
        uint64_t page = entry_page(&old[i]);

        if (!is_page(page))
            continue;
        entries[place_of(t, page)] = old[i];
        gpa[place_of(t, page)] = old_gpa[i];
    }
    t->displaced = 0;
    dbt_shared_free(d, old, ENTRY_SIZE * old_size);
    heap_free(old_gpa);
}

/* Before it is used again: empties it, and shrinks one that was hardly used for a while. */
static void table_renew(struct dbt_vcpu *d, struct table *t)
{
    t->idle = t->fills < table_size(t) / 4 ? t->idle + 1 : 0;
    if (t->idle > 8 && t->bits > BITS_MIN) {
        table_resize(d, t, t->bits - 1, false);
        t->idle = 0;
    }
    table_empty(t);
}

/* Where emitted code and interpreter look first. With --check they find nothing there. */
static void publish(struct dbt_vcpu *d)
{
    static const struct dbt_tlb_entry nothing = {.tag = {DBT_TLB_NONE, DBT_TLB_NONE, DBT_TLB_NONE}};

    if (unlikely(d->check)) {
        d->frame->tlb = cage_address(&nothing);
        d->frame->tlb_mask = 0;
        return;
    }
    d->frame->tlb = cage_address(d->tlbs->table->entries);
    d->frame->tlb_mask = (uint64_t)(table_size(d->tlbs->table) - 1) * ENTRY_SIZE;
}

void dbt_tlb_publish(struct dbt_vcpu *d)
{
    publish(d);
}

/* ---- Contexts of emitted code ---- */

/* What was linked and found in the space's contexts is not used any more. */
static void contexts_drop(struct space *s)
{
    if (!s->context_count)
        return;
    s->context_count = s->next_context = 0;
    memset(s->code, 0, sizeof(s->code));
}

/* Numbers are the vCPU's own, as links are shared. */
static uint16_t context_number(struct dbt_vcpu *d)
{
    struct dbt_tlbs *t = d->tlbs;
    uint32_t share = DBT_CONTEXT_COUNT / (uint32_t)d->vcpu->vm->config->cpus;

    d->counters.contexts++;
    if (++t->next_number >= share) {
        t->next_number = 1;
        for (struct space *s = t->space; s < t->space + SPACES; s++)
            contexts_drop(s);
        dbt_jit_contexts_renew(d);
    }
    return (uint16_t)(d->vcpu->id * share + t->next_number);
}

static NOINLINE uint16_t context_add(struct dbt_vcpu *d, struct space *s, unsigned view)
{
    uint16_t number = context_number(d);
    struct context *c = &s->context[s->next_context];

    s->next_context = (s->next_context + 1) % CONTEXTS;
    s->context_count = MIN(s->context_count + 1, (unsigned)CONTEXTS);
    *c = (struct context){
        .mode = d->mode & ~DBT_MODE_SINGLE, .view = (uint16_t)view, .number = number};
    return number;
}

static void context_select(struct dbt_vcpu *d)
{
    struct space *s = d->tlbs->current;
    unsigned view = d->tlbs->view;
    uint32_t mode = d->mode & ~DBT_MODE_SINGLE;
    uint64_t value = 0;

    for (unsigned i = 0; i < s->context_count; i++)
        if (s->context[i].mode == mode && s->context[i].view == view)
            value = dbt_context(s->context[i].number);
    if (!value)
        value = dbt_context(context_add(d, s, view));
    if (d->frame->context[DBT_CONTEXT_SPACE] == value)
        return;
    d->frame->context[DBT_CONTEXT_SPACE] = value;
    if (!d->emitted_runs) {
        dbt_returns_empty(d->frame, d->return_stack);
        return;
    }
    __atomic_store_n(&d->forget, 1, __ATOMIC_SEQ_CST); /* it returns by that stack yet */
    __atomic_store_n(&d->frame->poll, 1, __ATOMIC_SEQ_CST);
}

/* A compiler's code has thousands of pages. A page that is taken for one of them by mistake costs
 * all contexts when it is flushed: with 3,000 in it the set is wrong about one other of 30. */
static void code_bits(uint64_t number, unsigned bit[2])
{
    uint64_t hash = number * 0x9e3779b97f4a7c15ULL;

    bit[0] = (unsigned)(hash >> (64 - CODE_BITS));
    bit[1] = (unsigned)(hash >> (64 - 2 * CODE_BITS)) & ((1u << CODE_BITS) - 1);
}

static void code_note(struct space *s, uint64_t number)
{
    unsigned bit[2];

    code_bits(number, bit);
    s->code[bit[0] / 64] |= BIT(bit[0] % 64);
    s->code[bit[1] / 64] |= BIT(bit[1] % 64);
}

static bool code_noted(const struct space *s, uint64_t number)
{
    unsigned bit[2];

    code_bits(number, bit);
    return s->code[bit[0] / 64] & BIT(bit[0] % 64) && s->code[bit[1] / 64] & BIT(bit[1] % 64);
}

void dbt_tlb_note_code(struct dbt_vcpu *d, uint64_t va)
{
    code_note(d->tlbs->current, va >> PAGE_SHIFT);
    code_note(d->tlbs->current, va >> LARGE_SHIFT | CODE_PIECE);
}

/* In what was invalidated with the page: `size` bytes around it. */
static bool has_code(const struct space *s, uint64_t va, uint64_t size)
{
    if (size > BIT(LARGE_SHIFT))
        return true;
    return code_noted(s, size > IR_PAGE_SIZE ? va >> LARGE_SHIFT | CODE_PIECE : va >> PAGE_SHIFT);
}

/* After contexts were dropped. */
static void context_again(struct dbt_vcpu *d)
{
    if (d->jit)
        context_select(d);
}

/* ---- Address spaces ---- */

static void space_reuse(struct space *s, uint64_t key, uint32_t asid)
{
    s->key = key;
    s->asid = asid;
    contexts_drop(s);
    for (unsigned i = 0; i < DBT_VIEWS; i++)
        if (s->view[i]) {
            s->view[i]->stale = true;
            dbt_window_renew(s->view[i]->window);
        }
}

static NOINLINE struct space *space_find(struct dbt_tlbs *t, uint64_t key, uint32_t asid)
{
    struct space *oldest = t->space;

    for (struct space *s = t->space; s < t->space + SPACES; s++) {
        if (s->used && s->key == key)
            return s;
        if (s->used < oldest->used)
            oldest = s;
    }
    space_reuse(oldest, key, asid);
    return oldest;
}

void dbt_tlb_select(struct dbt_vcpu *d, uint64_t key, uint32_t asid, unsigned view)
{
    struct dbt_tlbs *t = d->tlbs;
    struct table *table;

    if (unlikely(t->current->key != key || !t->current->used)) {
        t->current = space_find(t, key, asid);
        t->current->used = ++t->clock;
    }
    table = t->current->view[view];
    if (unlikely(!table)) {
        table = table_create(d);
        if (!table) { /* another view's will do, emptied at each change */
            for (unsigned i = 0; !table; i++)
                table = t->space[i / DBT_VIEWS].view[i % DBT_VIEWS];
            table->stale = true;
        } else {
            t->current->view[view] = table;
        }
    }
    if (unlikely(table->stale)) {
        d->counters.tlb_cleared++;
        table_renew(d, table);
    }
    t->table = table;
    t->view = view;
    d->mode &= ~DBT_MODE_WORDS;
    if (dbt_window_select(d, table->window, view & DBT_VIEW_USER))
        d->mode |= DBT_MODE_WORDS;
    publish(d);
    if (d->jit)
        context_select(d);
}

enum err dbt_tlb_create(struct dbt_vcpu *d)
{
    struct dbt_tlbs *t = heap_zalloc(sizeof(*t));

    if (!t)
        return ERR_NO_MEMORY;
    d->tlbs = t;
    t->current = t->space;
    t->space[0].view[0] = t->table = table_create(d);
    for (unsigned i = 0; i < PHYSICAL; i++)
        t->physical[i].gpa = NO_PAGE;
    if (!t->table)
        return ERR_NO_MEMORY;
    (void)dbt_window_select(d, t->table->window, false);
    publish(d);
    return ERR_OK;
}

void dbt_tlb_destroy(struct dbt_vcpu *d)
{
    struct dbt_tlbs *t = d->tlbs;

    if (!t)
        return;
    for (unsigned i = 0; i < SPACES * DBT_VIEWS; i++)
        table_destroy(d, t->space[i / DBT_VIEWS].view[i % DBT_VIEWS]);
    heap_free(t);
    d->tlbs = NULL;
}

/* ---- Flushes ---- */

/* All tables of spaces that `asid` names; the current one now, the others when they are used. */
static void flush_spaces(struct dbt_vcpu *d, uint32_t asid)
{
    struct dbt_tlbs *t = d->tlbs;

    for (struct space *s = t->space; s < t->space + SPACES; s++) {
        if (asid != DBT_ASID_ALL && s->asid != asid)
            continue;
        contexts_drop(s);
        for (unsigned i = 0; i < DBT_VIEWS; i++)
            if (s->view[i] && s->view[i]->fills)
                s->view[i]->stale = true;
    }
    context_again(d);
    if (!t->table->stale)
        return;
    d->counters.tlb_cleared++;
    table_renew(d, t->table);
    publish(d);
}

static void note(const struct dbt_vcpu *d, enum trace_flush what, uint64_t value)
{
    if (trace_on(TRACE_FLUSH))
        trace_event(TRACE_FLUSH, d->vcpu->vm, d->vcpu->id, what, value);
}

void dbt_tlb_flush_all(struct dbt_vcpu *d)
{
    note(d, TRACE_FLUSH_ALL, 0);
    d->counters.flush_all++;
    flush_spaces(d, DBT_ASID_ALL);
}

void dbt_tlb_flush_asid(struct dbt_vcpu *d, uint32_t asid)
{
    note(d, TRACE_FLUSH_ASID, asid);
    d->counters.flush_asid++;
    flush_spaces(d, asid);
}

void dbt_tlb_forget(struct dbt_vcpu *d)
{
    for (unsigned i = 0; i < PHYSICAL; i++)
        d->tlbs->physical[i].gpa = NO_PAGE;
    memset(d->recent, 0, sizeof(d->recent));
    d->forgets++;
    flush_spaces(d, DBT_ASID_ALL);
    dbt_windows_empty(d);
    if (d->cage)
        cage_host()->take_back(d->cage);
}

static void drop_page(struct table *t, uint64_t page)
{
    struct dbt_tlb_entry *e = &t->entries[place_of(t, page)];

    dbt_window_drop(t->window, page, IR_PAGE_SIZE);
    if (entry_page(e) == page)
        entry_clear(e);
    for (unsigned i = 0; i < VICTIMS; i++)
        if (entry_page(&t->victim[i].entry) == page)
            entry_clear(&t->victim[i].entry);
}

/* Everything in the 2 MiB around `page`. */
static void drop_piece(struct table *t, uint64_t page)
{
    uint64_t piece = page >> LARGE_SHIFT;
    unsigned first = place_of(t, piece << LARGE_SHIFT); /* the piece's pages lie in a row */
    unsigned end = first + MIN(table_size(t), 1u << (LARGE_SHIFT - PAGE_SHIFT));

    dbt_window_drop(t->window, piece << LARGE_SHIFT, BIT(LARGE_SHIFT));
    for (unsigned i = first; i < end; i++) {
        struct dbt_tlb_entry *e = &t->entries[i & (table_size(t) - 1)];

        if (entry_page(e) >> LARGE_SHIFT == piece)
            entry_clear(e);
    }
    for (unsigned i = 0; i < VICTIMS; i++)
        if (entry_page(&t->victim[i].entry) >> LARGE_SHIFT == piece)
            entry_clear(&t->victim[i].entry);
    for (unsigned i = 0; i < WIDES; i++) /* none is larger: is_huge() */
        if (t->wide[i].va >> LARGE_SHIFT == piece)
            t->wide[i].size = 0;
}

static unsigned large_bit(uint64_t va)
{
    uint64_t piece = va >> LARGE_SHIFT;

    return (unsigned)(piece ^ piece >> 10) % (LARGE_WORDS * 64);
}

static bool is_huge(const struct table *t, uint64_t va)
{
    if (t->huge_count > HUGE_PAGES)
        return true;
    for (unsigned i = 0; i < t->huge_count; i++)
        if (t->huge[i] == va >> HUGE_SHIFT)
            return true;
    return false;
}

static void note_large(struct table *t, uint64_t va, uint64_t size)
{
    unsigned bit = large_bit(va);

    if (size <= IR_PAGE_SIZE)
        return;
    if (size <= BIT(LARGE_SHIFT)) {
        t->large[bit / 64] |= BIT(bit % 64);
    } else if (size > BIT(HUGE_SHIFT)) {
        t->huge_count = HUGE_PAGES + 1;
    } else if (!is_huge(t, va)) {
        if (t->huge_count < HUGE_PAGES)
            t->huge[t->huge_count] = va >> HUGE_SHIFT;
        t->huge_count++;
    }
}

/* How much was dropped, in bytes around the page. */
static uint64_t table_flush_page(struct table *t, uint64_t page)
{
    unsigned bit = large_bit(page);

    if (is_huge(t, page)) {
        t->stale = true;
        return UINT64_MAX;
    }
    if (t->large[bit / 64] & BIT(bit % 64)) {
        drop_piece(t, page);
        return BIT(LARGE_SHIFT);
    }
    drop_page(t, page);
    return IR_PAGE_SIZE;
}

static void space_flush_page(struct space *s, uint64_t va)
{
    uint64_t size = IR_PAGE_SIZE;

    for (unsigned i = 0; i < DBT_VIEWS; i++)
        if (s->view[i] && !s->view[i]->stale)
            size = MAX(size, table_flush_page(s->view[i], PAGE_OF(va)));
    if (has_code(s, va, size))
        contexts_drop(s);
}

void dbt_tlb_flush_page(struct dbt_vcpu *d, uint64_t va, uint32_t asid)
{
    struct dbt_tlbs *t = d->tlbs;

    note(d, TRACE_FLUSH_PAGE, va);
    d->counters.flush_page++;
    for (struct space *s = t->space; s < t->space + SPACES; s++) {
        if (asid == DBT_ASID_ALL || s->asid == asid)
            space_flush_page(s, va);
    }
    context_again(d);
    if (t->table->stale) {
        d->counters.tlb_cleared++;
        table_renew(d, t->table);
        publish(d);
    }
}

/* ---- Pages with code ---- */

static void protect_table(struct table *t, const struct dbt_table *code, uint64_t gpa)
{
    if (gpa == NO_PAGE) {
        for (unsigned i = 0; i < table_size(t); i++)
            if (is_page(t->entries[i].tag[DBT_WRITE]) && dbt_table_is_code(code, t->gpa[i]))
                t->entries[i].tag[DBT_WRITE] = DBT_TLB_NONE;
    } else { /* nothing is known of an empty entry's page, nor does it matter */
        for (unsigned i = 0; i < table_size(t); i++)
            if (unlikely(t->gpa[i] == gpa))
                t->entries[i].tag[DBT_WRITE] = DBT_TLB_NONE;
    }
    for (unsigned i = 0; i < VICTIMS; i++)
        if (gpa == NO_PAGE ? is_page(entry_page(&t->victim[i].entry)) &&
                                 dbt_table_is_code(code, t->victim[i].gpa)
                           : t->victim[i].gpa == gpa)
            t->victim[i].entry.tag[DBT_WRITE] = DBT_TLB_NONE;
}

static void protect(struct dbt_vcpu *d, uint64_t gpa)
{
    struct dbt_tlbs *t = d->tlbs;

    for (struct space *s = t->space; s < t->space + SPACES; s++)
        for (unsigned i = 0; i < DBT_VIEWS; i++)
            if (s->view[i] && !s->view[i]->stale)
                protect_table(s->view[i], d->table, gpa);
}

void dbt_tlb_protect(struct dbt_vcpu *d, uint64_t gpa)
{
    protect(d, PAGE_OF(gpa));
    dbt_windows_drop_gpa(d, PAGE_OF(gpa));
}

void dbt_tlb_protect_code(struct dbt_vcpu *d)
{
    protect(d, NO_PAGE);
    dbt_windows_drop_code(d);
}

/* ---- Guest-physical memory ---- */

/* While it waits for the second stage's lock the vCPU is outside: the lock's holder may wait until
 * every vCPU has forgotten what it knew. Then nothing that was found before is good any more. */
static bool find_ram(struct dbt_vcpu *d, uint64_t page, struct guest_block *block)
{
    struct vm *vm = d->vcpu->vm;
    enum err e;

    do {
        __atomic_store_n(&d->outside, 1, __ATOMIC_SEQ_CST);
        e = second_stage_fault(vm->stage2, GPA(page), PT_WRITE);
        if (e == ERR_OK)
            e = guest_memory_block(vm->memory, GPA(page), block);
        __atomic_store_n(&d->outside, 0, __ATOMIC_SEQ_CST);
        if (e != ERR_OK)
            break;
        if (!(__atomic_load_n(&d->vcpu->requests, __ATOMIC_SEQ_CST) & VCPU_REQUEST_FLUSH))
            return true;
        __atomic_fetch_and(&d->vcpu->requests, ~(uint32_t)VCPU_REQUEST_FLUSH, __ATOMIC_SEQ_CST);
        dbt_tlb_forget(d);
    } while (true);
    if (e == ERR_NO_MEMORY)
        vm_fail(vm, "the host has no memory left for guest address 0x%llx",
                (unsigned long long)page);
    return false;
}

/* Emitted code gets at it: in pieces of 2 MiB where all of one is the guest's. */
static bool lend(struct dbt_vcpu *d, const struct guest_block *block, char *host)
{
    char *start = phys_to_virt(block->hpa), *piece = (char *)ALIGN_DOWN((uintptr_t)host, MIB(2));

    if (piece >= start && piece + MIB(2) <= start + block->size)
        return cage_host()->lend(d->cage, piece, MIB(2));
    return cage_host()->lend(d->cage, host, IR_PAGE_SIZE);
}

static NOINLINE char *ram_page(struct dbt_vcpu *d, uint64_t page, struct physical *p)
{
    struct guest_block block;

    if (page >= guest_memory_limit(d->vcpu->vm->memory) || !find_ram(d, page, &block))
        return NULL;
    p->gpa = page;
    p->host = (char *)phys_to_virt(block.hpa) + (page - block.gpa.v);
    if (d->cage && !lend(d, &block, p->host)) {
        vm_fail(d->vcpu->vm, "the host has no memory left for page tables");
        return NULL;
    }
    return p->host;
}

void *dbt_tlb_ram(struct dbt_vcpu *d, uint64_t gpa)
{
    uint64_t page = PAGE_OF(gpa);
    struct physical *p = &d->tlbs->physical[(page >> PAGE_SHIFT) % PHYSICAL];
    char *host = likely(p->gpa == page) ? p->host : ram_page(d, page, p);

    return host ? host + OFFSET_OF(gpa) : NULL;
}

/* ---- Filling ---- */

static void displace(struct table *t, unsigned at, uint64_t tag)
{
    struct victim *v = &t->victim[t->next_victim];
    uint64_t old = entry_tag(&t->entries[at]);

    if (!is_page(old) || old == tag)
        return;
    v->entry = t->entries[at];
    v->gpa = t->gpa[at];
    t->next_victim = (t->next_victim + 1) % VICTIMS;
    if ((old ^ tag) != DBT_TLB_USER) /* that goes on in a larger table */
        t->displaced++;
}

/* Looks among the displaced ones: swaps it in. */
static struct dbt_tlb_entry *recall(struct table *t, uint64_t page, enum dbt_access access)
{
    uint64_t tag = dbt_tlb_tag(page, access);
    unsigned at = place_of(t, page);

    for (struct victim *v = t->victim; v < t->victim + VICTIMS; v++) {
        struct victim found = *v;

        if (found.entry.tag[DBT_KIND(access)] != tag)
            continue;
        if (entry_tag(&t->entries[at]) == tag)
            entry_clear(&t->entries[at]);
        v->entry = t->entries[at];
        v->gpa = t->gpa[at];
        t->entries[at] = found.entry;
        t->gpa[at] = found.gpa;
        return &t->entries[at];
    }
    return NULL;
}

/* ---- A debugger's watchpoints: their pages are kept out of the table ---- */

static bool is_watched(const struct dbt_vcpu *d, uint64_t page)
{
    const struct debug_point *points;
    unsigned count = d->watching ? dbt_points(d, &points) : 0;

    for (unsigned i = 0; i < count; i++)
        if (points[i].kind != POINT_BREAK && PAGE_OF(points[i].address) == page)
            return true;
    return false;
}

static void insert(struct dbt_vcpu *d, uint64_t va, enum dbt_access access,
                   const struct dbt_mapping *m, char *host, bool code)
{
    struct table *t = d->tlbs->table;
    uint64_t page = PAGE_OF(va), tag = dbt_tlb_tag(page, access);
    struct dbt_tlb_entry *e;
    unsigned at;
    bool watched;

    if (unlikely(t->displaced > table_size(t) && t->bits < dbt_knobs.tlb_bits)) {
        table_resize(d, t, t->bits + 1, true);
        publish(d);
    }
    at = place_of(t, page);
    displace(t, at, tag);
    e = &t->entries[at];
    watched = is_watched(d, page);
    e->tag[DBT_READ] = m->allowed[DBT_READ] && !watched ? tag : DBT_TLB_NONE;
    e->tag[DBT_WRITE] = m->allowed[DBT_WRITE] && !code && !watched ? tag : DBT_TLB_NONE;
    e->tag[DBT_FETCH] = m->allowed[DBT_FETCH] && tag == page ? page : DBT_TLB_NONE;
    e->addend = (uint64_t)(uintptr_t)cage_address(host) - va;
    t->gpa[at] = PAGE_OF(m->gpa);
    t->fills++;
}

/* ---- Larger pages: kept whole ---- */

static bool recall_wide(const struct table *t, uint64_t va, enum dbt_access access,
                        struct dbt_mapping *m)
{
    bool user = access & DBT_USER;

    for (const struct wide *w = t->wide; w < t->wide + WIDES; w++) {
        if (va - w->va >= w->size || w->user != user || !w->allowed[DBT_KIND(access)])
            continue;
        *m = (struct dbt_mapping){.gpa = w->gpa + (va - w->va), .size = w->size};
        memcpy(m->allowed, w->allowed, sizeof(m->allowed));
        return true;
    }
    return false;
}

static void keep_wide(struct table *t, uint64_t va, enum dbt_access access,
                      const struct dbt_mapping *m)
{
    uint64_t start = ALIGN_DOWN(va, m->size);
    struct wide w = {
        .va = start, .gpa = m->gpa - (va - start), .size = m->size, .user = access & DBT_USER};

    if (m->size <= IR_PAGE_SIZE)
        return;
    memcpy(w.allowed, m->allowed, sizeof(w.allowed));
    for (unsigned i = 0; i < WIDES; i++)
        if (t->wide[i].va == w.va && t->wide[i].user == w.user)
            t->wide[i].size = 0; /* it is known better now */
    t->wide[t->next_wide] = w;
    t->next_wide = (t->next_wide + 1) % WIDES;
    t->fills++; /* for flushes, of devices too */
    note_large(t, va, m->size);
}

/* False: frame->fault is filled. */
static bool translate(struct dbt_vcpu *d, uint64_t va, enum dbt_access access,
                      struct dbt_mapping *m)
{
    if (recall_wide(d->tlbs->table, va, access, m))
        return true;
    d->counters.walks++;
    if (!d->guest->walk(d, va, access, m))
        return false;
    keep_wide(d->tlbs->table, va, access, m);
    return true;
}

/* The same. */
static NOINLINE bool fill(struct dbt_vcpu *d, uint64_t va, enum dbt_access access,
                          struct dbt_place *p)
{
    struct dbt_mapping m;

    if (!translate(d, va, access, &m))
        return false;
    p->gpa = m.gpa;
    p->host = dbt_tlb_ram(d, m.gpa);
    p->code = false;
    if (!p->host)
        return true;
    if (m.allowed[DBT_WRITE])
        dbt_table_note_writable(d->table, m.gpa);
    p->code = dbt_table_is_code(d->table, m.gpa);
    insert(d, va, access, &m, p->host, p->code);
    return true;
}

bool dbt_tlb_resolve(struct dbt_vcpu *d, uint64_t va, enum dbt_access access, struct dbt_place *p)
{
    struct table *t = d->tlbs->table;
    uint64_t page = PAGE_OF(va);
    struct dbt_tlb_entry *e = &t->entries[place_of(t, va)];

    if (e->tag[DBT_KIND(access)] != dbt_tlb_tag(page, access)) {
        d->counters.tlb_misses++;
        e = recall(t, page, access);
        if (!e)
            return fill(d, va, access, p);
    }
    p->host = cage_kernel_address(va + e->addend);
    p->gpa = t->gpa[e - t->entries] | OFFSET_OF(va);
    p->code = false;
    return true;
}

/* ---- Large pages ---- */

/* The second stage has all of the piece, for writing too: then nobody wants to know of each page
 * that is written. */
static const char *piece_host(struct dbt_vcpu *d, uint64_t gpa, bool *lost)
{
    struct pt_entry entry;
    bool found;

    __atomic_store_n(&d->outside, 1, __ATOMIC_SEQ_CST); /* as in find_ram() */
    found = second_stage_lookup(d->vcpu->vm->stage2, GPA(gpa), &entry);
    __atomic_store_n(&d->outside, 0, __ATOMIC_SEQ_CST);
    *lost = __atomic_load_n(&d->vcpu->requests, __ATOMIC_SEQ_CST) & VCPU_REQUEST_FLUSH;
    if (*lost) {
        __atomic_fetch_and(&d->vcpu->requests, ~(uint32_t)VCPU_REQUEST_FLUSH, __ATOMIC_SEQ_CST);
        dbt_tlb_forget(d);
    }
    return found && !*lost && entry.size >= BIT(LARGE_SHIFT) && entry.attrs & PT_WRITE
               ? phys_to_virt(entry.pa)
               : NULL;
}

bool dbt_tlb_piece(struct dbt_vcpu *d, uint64_t va, uint64_t gpa, enum dbt_access access,
                   struct dbt_piece *out, bool *lost)
{
    const struct table *t = d->tlbs->table;
    unsigned bit = large_bit(va);
    struct dbt_mapping m;

    *lost = false;
    if (!(t->large[bit / 64] & BIT(bit % 64)) && !is_huge(t, va))
        return false;
    if (dbt_table_is_code_piece(d->table, gpa) || !translate(d, va, access, &m) ||
        m.size < BIT(LARGE_SHIFT))
        return false;
    out->gpa = ALIGN_DOWN(m.gpa, BIT(LARGE_SHIFT));
    out->write = m.allowed[DBT_WRITE];
    if (out->write)
        dbt_table_note_writable_piece(d->table, out->gpa);
    if (out->write && dbt_table_is_code_piece(d->table, out->gpa))
        return false;
    out->host = piece_host(d, out->gpa, lost);
    return out->host;
}

bool dbt_tlb_fetch(struct dbt_vcpu *d, uint64_t va, uint64_t *gpa, bool *device)
{
    struct dbt_place p;

    *device = false;
    if (!dbt_tlb_resolve(d, va, DBT_FETCH, &p))
        return false;
    *gpa = p.gpa;
    *device = !p.host;
    return !*device;
}
