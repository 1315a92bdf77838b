/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Guest memory. A region has one word for each 2 MiB of guest-physical space that it touches:
 * nothing yet, a block of 2 MiB, or a table of 4 KiB pages. Words change from nothing to something
 * by compare and exchange: who loses frees what it brought. They change back only while the slot's
 * pin count says that nobody uses it (PINS_CLOSED); users wait for these few steps.
 */
#include <string.h>
#include "kernel/panic.h"
#include "mm/guest_memory.h"
#include "mm/heap.h"
#include "mm/page.h"
#include "mm/scrub.h"

#define SLOT_SHIFT 21
#define SLOT_SIZE  (1UL << SLOT_SHIFT)
#define SLOT_PAGES (SLOT_SIZE / PAGE_SIZE)
#define GPA_MAX    BIT(52) /* no architecture has wider physical addresses */

/* The low bits of a slot's word; above them a physical address. */
#define SLOT_BLOCK 1UL /* of a block of 2 MiB */
#define SLOT_TABLE 2UL /* of a page with SLOT_PAGES words, each 0 or the address of a page */

struct slot {
    uint64_t word; /* atomic */
    uint32_t pins; /* atomic: users of its memory, or PINS_CLOSED */
};
#define PINS_CLOSED UINT32_MAX

struct region {
    uint64_t base, end; /* guest-physical */
    struct slot *slots; /* from base >> SLOT_SHIFT on */
};

struct guest_memory {
    unsigned count;
    struct region region[GUEST_REGIONS_MAX];
    uint64_t limit;
    uint64_t resident;   /* atomic, bytes */
    uint64_t bulk_ticks; /* atomic: see guest_memory_bulk_ticks() */
    struct guest_watch *watch;
};

/* A piece of RAM within one slot. */
struct piece {
    struct slot *slot;
    uint64_t size;   /* bytes from the address asked for to the end of the slot, the region or the
                        request */
    uint64_t offset; /* in the slot */
    bool whole_slot; /* all of the slot is RAM of this region */
};

/* ---- Regions ---- */

enum err guest_memory_create(struct guest_memory **out)
{
    *out = heap_zalloc(sizeof(**out));
    return *out ? ERR_OK : ERR_NO_MEMORY;
}

static uint64_t slot_count(const struct region *r)
{
    return ((r->end - 1) >> SLOT_SHIFT) - (r->base >> SLOT_SHIFT) + 1;
}

enum err guest_memory_add_ram(struct guest_memory *m, gpa_t gpa, uint64_t size)
{
    if (!size || !IS_ALIGNED(gpa.v | size, PAGE_SIZE) || gpa.v >= GPA_MAX || size > GPA_MAX - gpa.v)
        return ERR_INVALID;
    if (m->count == GUEST_REGIONS_MAX)
        return ERR_NO_MEMORY;
    struct region r = {.base = gpa.v, .end = gpa.v + size};
    for (unsigned i = 0; i < m->count; i++)
        if (r.base < m->region[i].end && m->region[i].base < r.end)
            return ERR_EXISTS;
    r.slots = heap_zalloc_array(slot_count(&r), sizeof(*r.slots));
    if (!r.slots)
        return ERR_NO_MEMORY;
    m->region[m->count++] = r;
    m->limit = MAX(m->limit, r.end);
    return ERR_OK;
}

void guest_memory_watch(struct guest_memory *m, struct guest_watch *w)
{
    m->watch = w;
}

static inline void tell_watch(const struct guest_memory *m, uint64_t gpa, uint64_t size)
{
    if (unlikely(m->watch != NULL))
        m->watch->written(m->watch, gpa, size);
}

uint64_t guest_memory_limit(const struct guest_memory *m)
{
    return m->limit;
}

uint64_t guest_memory_resident(const struct guest_memory *m)
{
    return __atomic_load_n(&m->resident, __ATOMIC_RELAXED);
}

uint64_t guest_memory_bulk_ticks(const struct guest_memory *m)
{
    return __atomic_load_n(&m->bulk_ticks, __ATOMIC_RELAXED);
}

static void bulk_done(struct guest_memory *m, uint64_t began)
{
    __atomic_fetch_add(&m->bulk_ticks, host_counter_fast() - began, __ATOMIC_RELAXED);
}

/* At most GUEST_REGIONS_MAX comparisons. False when `gpa` is not RAM. */
static inline bool piece_find(struct guest_memory *m, uint64_t gpa, uint64_t size, struct piece *p)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct region *r = &m->region[i];
        uint64_t start = ALIGN_DOWN(gpa, SLOT_SIZE);

        if (gpa < r->base || gpa >= r->end)
            continue;
        uint64_t end = MIN(start + SLOT_SIZE, r->end);
        *p = (struct piece){
            .slot = &r->slots[(gpa >> SLOT_SHIFT) - (r->base >> SLOT_SHIFT)],
            .size = MIN(size, end - gpa),
            .offset = gpa - start,
            .whole_slot = start >= r->base && start + SLOT_SIZE <= r->end,
        };
        return true;
    }
    return false;
}

static bool all_ram(struct guest_memory *m, uint64_t gpa, uint64_t size)
{
    struct piece p;

    if (gpa >= GPA_MAX || size > GPA_MAX)
        return false;
    for (; size; gpa += p.size, size -= p.size)
        if (!piece_find(m, gpa, size, &p))
            return false;
    return true;
}

/* ---- Users ---- */

/* A closed slot opens soon: whoever closed it runs masked. */
static NOINLINE void slot_wait_open(const struct slot *s)
{
    while (__atomic_load_n(&s->pins, __ATOMIC_RELAXED) == PINS_CLOSED)
        host_cpu_relax();
}

/* From here until slot_unpin() the slot's memory stays. */
static inline void slot_pin(struct slot *s)
{
    uint32_t pins = __atomic_load_n(&s->pins, __ATOMIC_RELAXED);

    for (;;) {
        if (unlikely(pins == PINS_CLOSED)) {
            slot_wait_open(s);
            pins = __atomic_load_n(&s->pins, __ATOMIC_RELAXED);
        } else if (likely(__atomic_compare_exchange_n(&s->pins, &pins, pins + 1, true,
                                                      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))) {
            return;
        }
    }
}

static inline void slot_unpin(struct slot *s)
{
    uint32_t before = __atomic_fetch_sub(&s->pins, 1, __ATOMIC_RELEASE);

    ASSERT(before != 0 && before != PINS_CLOSED);
}

/* ---- Host memory behind them ---- */

static hpa_t word_address(uint64_t word)
{
    return HPA(word & ~PAGE_MASK);
}

static hpa_t block_alloc(unsigned order)
{
    hpa_t block = order == PAGE_ORDER_2M ? scrub_alloc() : HPA(0);

    return block.v ? block : page_alloc(order, PAGE_ZERO);
}

/* What a guest may have written to is never seen again: it is zeroed here, or by mm/scrub.c. */
static uint64_t block_free(hpa_t block, unsigned order)
{
    if (order == PAGE_ORDER_2M) {
        scrub_free(block);
    } else {
        host_memory_zero(phys_to_virt(block), PAGE_SIZE << order);
        page_free(block, order);
    }
    return PAGE_SIZE << order;
}

/* Fills `word`, which was 0, with a new zeroed block | kind, unless somebody else is faster.
 * Returns what it holds; 0: no memory. */
static uint64_t word_fill(struct guest_memory *m, uint64_t *word, unsigned order, uint64_t kind)
{
    uint64_t began = host_counter_fast(), old = 0;
    hpa_t block = block_alloc(order);

    if (!block.v)
        return 0;
    bulk_done(m, began);
    if (__atomic_compare_exchange_n(word, &old, block.v | kind, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        if (kind != SLOT_TABLE)
            __atomic_fetch_add(&m->resident, PAGE_SIZE << order, __ATOMIC_RELAXED);
        return block.v | kind;
    }
    block_free(block, order);
    return old;
}

static uint64_t slot_touch(struct guest_memory *m, const struct piece *p)
{
    uint64_t word = __atomic_load_n(&p->slot->word, __ATOMIC_ACQUIRE);

    if (!word && p->whole_slot)
        word = word_fill(m, &p->slot->word, PAGE_ORDER_2M, SLOT_BLOCK);
    if (!word)
        word = word_fill(m, &p->slot->word, 0, SLOT_TABLE);
    return word;
}

static uint64_t *table_word(uint64_t word, const struct piece *p)
{
    return (uint64_t *)phys_to_virt(word_address(word)) + (p->offset >> PAGE_SHIFT);
}

/* The block at the piece's start, allocated if need be; false when there is no memory. */
static bool piece_touch(struct guest_memory *m, const struct piece *p, hpa_t *block,
                        uint64_t *block_size)
{
    uint64_t word = slot_touch(m, p);

    *block_size = SLOT_SIZE;
    if (word & SLOT_TABLE) {
        uint64_t *page = table_word(word, p);
        word = __atomic_load_n(page, __ATOMIC_ACQUIRE);
        if (!word)
            word = word_fill(m, page, 0, 0);
        *block_size = PAGE_SIZE;
    }
    *block = word_address(word);
    return word != 0;
}

/* ---- All at once ---- */

#define GIGABYTE       GIB(1)
#define GIGABYTE_SLOTS (GIGABYTE / SLOT_SIZE)

/* The slots of the aligned GiB around `gpa`; NULL: not all of it is RAM of this region. */
static struct slot *gigabyte_slots(const struct region *r, uint64_t gpa)
{
    uint64_t start = ALIGN_DOWN(gpa, GIGABYTE);

    if (start < r->base || start >= r->end || r->end - start < GIGABYTE)
        return NULL;
    return &r->slots[(start >> SLOT_SHIFT) - (r->base >> SLOT_SHIFT)];
}

/* False: there is no such block. Its parts are freed one by one, as all blocks. */
static bool gigabyte_take(struct guest_memory *m, struct slot *slots)
{
    hpa_t block = page_alloc(PAGE_ORDER_1G, 0);

    if (!block.v)
        return false;
    if (page_split(block, PAGE_ORDER_1G) != ERR_OK) {
        page_free(block, PAGE_ORDER_1G);
        return false;
    }
    for (uint64_t i = 0; i < GIGABYTE_SLOTS; i++) {
        hpa_t part = HPA(block.v + i * SLOT_SIZE);

        host_memory_zero(phys_to_virt(part), SLOT_SIZE);
        __atomic_store_n(&slots[i].word, part.v | SLOT_BLOCK, __ATOMIC_RELEASE);
    }
    __atomic_fetch_add(&m->resident, GIGABYTE, __ATOMIC_RELAXED);
    return true;
}

static enum err region_take(struct guest_memory *m, const struct region *r)
{
    uint64_t size;

    for (uint64_t gpa = r->base; gpa < r->end; gpa += size) {
        struct slot *slots = IS_ALIGNED(gpa, GIGABYTE) ? gigabyte_slots(r, gpa) : NULL;
        struct piece p;
        hpa_t block;

        size = GIGABYTE;
        if (slots && gigabyte_take(m, slots))
            continue;
        if (!piece_find(m, gpa, SLOT_SIZE, &p) || !piece_touch(m, &p, &block, &size))
            return ERR_NO_MEMORY;
        size -= p.offset & (size - 1);
    }
    return ERR_OK;
}

enum err guest_memory_take_all(struct guest_memory *m)
{
    uint64_t began = host_counter_fast(), wanted = 0;
    struct page_stats there;
    enum err e = ERR_OK;

    for (unsigned i = 0; i < m->count; i++)
        wanted += m->region[i].end - m->region[i].base;
    page_stats_get(&there);
    if (wanted > there.free)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; e == ERR_OK && i < m->count; i++)
        e = region_take(m, &m->region[i]);
    bulk_done(m, began);
    return e;
}

bool guest_memory_gigabyte(struct guest_memory *m, gpa_t gpa, struct guest_block *block)
{
    const struct slot *slots = NULL;
    uint64_t first;

    for (unsigned i = 0; i < m->count && !slots; i++)
        slots = gigabyte_slots(&m->region[i], gpa.v);
    first = slots ? __atomic_load_n(&slots[0].word, __ATOMIC_ACQUIRE) : 0;
    if (!(first & SLOT_BLOCK) || !IS_ALIGNED(word_address(first).v, GIGABYTE))
        return false;
    for (uint64_t i = 1; i < GIGABYTE_SLOTS; i++)
        if (__atomic_load_n(&slots[i].word, __ATOMIC_ACQUIRE) != first + i * SLOT_SIZE)
            return false;
    *block = (struct guest_block){GPA(ALIGN_DOWN(gpa.v, GIGABYTE)), word_address(first), GIGABYTE};
    return true;
}

/* A pointer to the piece and how much of it lies in one block; NULL where nothing was touched yet.
 */
static inline const char *piece_peek(const struct piece *p, uint64_t *size)
{
    uint64_t word = __atomic_load_n(&p->slot->word, __ATOMIC_ACQUIRE), offset = p->offset;

    *size = p->size;
    if (word & SLOT_TABLE) {
        word = __atomic_load_n(table_word(word, p), __ATOMIC_ACQUIRE);
        offset &= PAGE_MASK;
        *size = MIN(p->size, PAGE_SIZE - offset);
    }
    return word ? (const char *)phys_to_virt(word_address(word)) + offset : NULL;
}

/* The one way by which the hypervisor writes to a guest: a pointer to `gpa` and how many of `size`
 * bytes lie behind it, in a slot that is pinned for the caller. */
static enum err writable_span(struct guest_memory *m, uint64_t gpa, uint64_t size, char **span,
                              uint64_t *length, struct slot **slot)
{
    uint64_t block_size;
    struct piece p;
    hpa_t block;

    if (!piece_find(m, gpa, size, &p))
        return ERR_RANGE;
    slot_pin(p.slot);
    if (!piece_touch(m, &p, &block, &block_size)) {
        slot_unpin(p.slot);
        return ERR_NO_MEMORY;
    }
    *slot = p.slot;
    uint64_t offset = p.offset & (block_size - 1);
    *span = (char *)phys_to_virt(block) + offset;
    *length = MIN(p.size, block_size - offset);
    return ERR_OK;
}

/* ---- Copies ---- */

/* The common case: all of it lies in one block that is there. A pointer to it, pinned in
 * *slot; NULL: it is not so, nothing is pinned. */
static inline char *block_pin(struct guest_memory *m, uint64_t gpa, uint64_t size,
                              struct slot **slot)
{
    uint64_t length;
    const char *span;
    struct piece p;

    if (!piece_find(m, gpa, size, &p) || p.size != size)
        return NULL;
    slot_pin(p.slot);
    span = piece_peek(&p, &length);
    if (likely(span && length == size)) {
        *slot = p.slot;
        return (char *)span;
    }
    slot_unpin(p.slot);
    return NULL;
}

enum err guest_copy_from(struct guest_memory *m, gpa_t gpa, void *to, size_t size)
{
    struct slot *slot;
    struct piece p;
    const char *block = block_pin(m, gpa.v, size, &slot);

    if (likely(block)) {
        memcpy(to, block, size);
        slot_unpin(slot);
        return ERR_OK;
    }
    if (!all_ram(m, gpa.v, size))
        return ERR_RANGE;
    for (char *at = to; size && piece_find(m, gpa.v, size, &p);) {
        uint64_t length;

        slot_pin(p.slot);
        const char *from = piece_peek(&p, &length);

        if (from)
            memcpy(at, from, length);
        else
            memset(at, 0, length);
        slot_unpin(p.slot);
        at += length;
        gpa.v += length;
        size -= length;
    }
    return ERR_OK;
}

/*
 * Without the general way's pieces: eight bytes in one page lie in one region and one block. False
 * for everything that is not plain: guest_copy_from() does it then.
 */
static inline bool read64_plain(struct slot *s, uint64_t offset, uint64_t *value)
{
    uint32_t pins = __atomic_load_n(&s->pins, __ATOMIC_RELAXED);
    uint64_t word;

    if (unlikely(pins == PINS_CLOSED ||
                 !__atomic_compare_exchange_n(&s->pins, &pins, pins + 1, false, __ATOMIC_ACQUIRE,
                                              __ATOMIC_RELAXED)))
        return false;
    word = __atomic_load_n(&s->word, __ATOMIC_ACQUIRE);
    if (word & SLOT_TABLE) {
        const uint64_t *pages = phys_to_virt(word_address(word));

        word = __atomic_load_n(&pages[offset >> PAGE_SHIFT], __ATOMIC_ACQUIRE);
        offset &= PAGE_MASK;
    }
    if (likely(word))
        __builtin_memcpy(value, (const char *)phys_to_virt(word_address(word)) + offset,
                         sizeof(*value));
    __atomic_fetch_sub(&s->pins, 1, __ATOMIC_RELEASE);
    return word != 0;
}

enum err guest_read64(struct guest_memory *m, gpa_t gpa, uint64_t *value)
{
    const struct region *r = m->region, *end = r + m->count;

    if (unlikely((gpa.v & PAGE_MASK) > PAGE_SIZE - sizeof(*value)))
        return guest_copy_from(m, gpa, value, sizeof(*value));
    for (; r < end; r++) {
        if (gpa.v - r->base >= r->end - r->base)
            continue;
        if (likely(read64_plain(&r->slots[(gpa.v >> SLOT_SHIFT) - (r->base >> SLOT_SHIFT)],
                                gpa.v % SLOT_SIZE, value)))
            return ERR_OK;
        break;
    }
    return guest_copy_from(m, gpa, value, sizeof(*value));
}

/* What is copied by more than a page is time that a guest's start spends on its memory. */
static void fill_span(struct guest_memory *m, uint64_t gpa, char *span, const char *from,
                      uint64_t length)
{
    uint64_t began = length > PAGE_SIZE ? host_counter_fast() : 0;

    if (from)
        memcpy(span, from, length);
    else
        memset(span, 0, length);
    if (began)
        bulk_done(m, began);
    tell_watch(m, gpa, length);
}

/* Writes `size` bytes of `from`, or zeroes when that is NULL. */
static enum err fill(struct guest_memory *m, gpa_t gpa, const char *from, uint64_t size)
{
    struct slot *whole;
    char *block = block_pin(m, gpa.v, size, &whole);

    if (likely(block)) {
        fill_span(m, gpa.v, block, from, size);
        slot_unpin(whole);
        return ERR_OK;
    }
    if (!all_ram(m, gpa.v, size))
        return ERR_RANGE;
    while (size) {
        struct slot *slot;
        uint64_t length;
        char *span;
        enum err e = writable_span(m, gpa.v, size, &span, &length, &slot);

        if (e)
            return e;
        fill_span(m, gpa.v, span, from, length);
        slot_unpin(slot);
        if (from)
            from += length;
        gpa.v += length;
        size -= length;
    }
    return ERR_OK;
}

enum err guest_copy_to(struct guest_memory *m, gpa_t gpa, const void *from, size_t size)
{
    return fill(m, gpa, from, size);
}

enum err guest_zero(struct guest_memory *m, gpa_t gpa, uint64_t size)
{
    return fill(m, gpa, NULL, size);
}

/* ---- Blocks and pins ---- */

enum err guest_memory_block(struct guest_memory *m, gpa_t gpa, struct guest_block *block)
{
    struct piece p;

    if (!piece_find(m, gpa.v, 1, &p))
        return ERR_RANGE;
    if (!piece_touch(m, &p, &block->hpa, &block->size))
        return ERR_NO_MEMORY;
    block->gpa = GPA(ALIGN_DOWN(gpa.v, block->size));
    return ERR_OK;
}

enum err guest_pin(struct guest_memory *m, gpa_t gpa, uint64_t size, void **span)
{
    uint64_t length;
    struct slot *slot;
    char *start;

    if (!size)
        return ERR_RANGE;
    *span = block_pin(m, gpa.v, size, &slot);
    if (likely(*span))
        return ERR_OK;
    enum err e = writable_span(m, gpa.v, size, &start, &length, &slot);
    if (e)
        return e;
    if (length != size) {
        slot_unpin(slot);
        return ERR_RANGE;
    }
    *span = start;
    return ERR_OK;
}

void *guest_pin_block(struct guest_memory *m, gpa_t gpa)
{
    struct slot *slot;

    return m->watch ? NULL : block_pin(m, ALIGN_DOWN(gpa.v, SLOT_SIZE), SLOT_SIZE, &slot);
}

void guest_unpin_unwritten(struct guest_memory *m, gpa_t gpa, uint64_t size)
{
    struct piece p;

    ASSERT(piece_find(m, gpa.v, size, &p));
    slot_unpin(p.slot);
}

void guest_unpin(struct guest_memory *m, gpa_t gpa, uint64_t size)
{
    tell_watch(m, gpa.v, size);
    guest_unpin_unwritten(m, gpa, size);
}

/* ---- Giving memory back ---- */

/* False when somebody uses the slot. Masked: users wait until slot_open(). */
static bool slot_close(struct slot *s)
{
    uint32_t none = 0;

    return __atomic_compare_exchange_n(&s->pins, &none, PINS_CLOSED, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static void slot_open(struct slot *s)
{
    __atomic_store_n(&s->pins, 0, __ATOMIC_RELEASE);
}

/* A closed slot's block becomes a table of its pages. */
static bool slot_divide(struct slot *s, hpa_t table)
{
    hpa_t block = word_address(s->word);
    uint64_t *pages = phys_to_virt(table);

    if (page_split(block, PAGE_ORDER_2M) != ERR_OK)
        return false;
    for (unsigned i = 0; i < SLOT_PAGES; i++)
        pages[i] = block.v + i * PAGE_SIZE;
    __atomic_store_n(&s->word, table.v | SLOT_TABLE, __ATOMIC_RELEASE);
    return true;
}

static bool table_empty(hpa_t table)
{
    const uint64_t *pages = phys_to_virt(table);

    for (unsigned i = 0; i < SLOT_PAGES; i++)
        if (pages[i])
            return false;
    return true;
}

/* What was taken out of a slot, to be freed once it is open again. */
struct taken {
    hpa_t page[GUEST_DROP_PAGES];
    unsigned count;
    hpa_t table; /* before: a spare page, 0 once it is used; after: one that is left over */
};

/* Takes the pages of a piece out of a closed slot. A table that is left empty goes too: the slot
 * may get a whole block again. */
static void pages_take(const struct piece *p, struct taken *t)
{
    struct slot *s = p->slot;

    if (s->word & SLOT_BLOCK) {
        if (!t->table.v || !slot_divide(s, t->table))
            return;
        t->table = HPA(0);
    }
    if (!(s->word & SLOT_TABLE))
        return;
    for (uint64_t i = 0; i < p->size / PAGE_SIZE; i++) {
        uint64_t page = __atomic_exchange_n(table_word(s->word, p) + i, 0, __ATOMIC_ACQ_REL);

        if (page)
            t->page[t->count++] = HPA(page);
    }
    if (t->table.v || !table_empty(word_address(s->word)))
        return;
    t->table = word_address(s->word);
    __atomic_store_n(&s->word, 0, __ATOMIC_RELEASE);
}

/* Takes everything out of a closed slot: its word. */
static uint64_t slot_take(struct slot *s)
{
    return __atomic_exchange_n(&s->word, 0, __ATOMIC_ACQ_REL);
}

/* Frees what a slot's word leads to; returns the bytes of guest memory. */
static uint64_t word_free(uint64_t word)
{
    hpa_t block = word_address(word);
    uint64_t bytes = 0;

    if (word & SLOT_TABLE) {
        const uint64_t *pages = phys_to_virt(block);
        for (unsigned i = 0; i < SLOT_PAGES; i++)
            if (pages[i])
                bytes += block_free(HPA(pages[i]), 0);
        page_free(block, 0);
    } else if (word) {
        bytes = block_free(block, PAGE_ORDER_2M);
    }
    return bytes;
}

static uint64_t drop_slot(const struct piece *p)
{
    uint64_t irq = host_irq_save(), word = 0;

    if (slot_close(p->slot)) {
        word = slot_take(p->slot);
        slot_open(p->slot);
    }
    host_irq_restore(irq);
    return word_free(word);
}

static uint64_t drop_pages(const struct piece *p)
{
    bool whole = __atomic_load_n(&p->slot->word, __ATOMIC_RELAXED) & SLOT_BLOCK;
    struct taken t = {.table = whole ? page_alloc(0, PAGE_ZERO) : HPA(0)};
    uint64_t irq = host_irq_save();

    if (slot_close(p->slot)) {
        pages_take(p, &t);
        slot_open(p->slot);
    }
    host_irq_restore(irq);
    if (t.table.v)
        page_free(t.table, 0);
    for (unsigned i = 0; i < t.count; i++)
        block_free(t.page[i], 0);
    return t.count * PAGE_SIZE;
}

uint64_t guest_memory_drop(struct guest_memory *m, gpa_t gpa, uint64_t size)
{
    uint64_t bytes = 0;
    struct piece p;

    ASSERT(size == SLOT_SIZE || size <= GUEST_DROP_PAGES * PAGE_SIZE);
    if (!piece_find(m, gpa.v, size, &p) || !__atomic_load_n(&p.slot->word, __ATOMIC_RELAXED))
        return 0;
    if (size == SLOT_SIZE && p.whole_slot)
        bytes = drop_slot(&p);
    else if (size != SLOT_SIZE && p.size == size)
        bytes = drop_pages(&p);
    __atomic_fetch_sub(&m->resident, bytes, __ATOMIC_RELAXED);
    return bytes;
}

void guest_memory_dropped(struct guest_memory *m, gpa_t gpa, uint64_t size)
{
    tell_watch(m, gpa.v, size);
}

/* ---- The end ---- */

void guest_memory_destroy(struct guest_memory *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->count; i++) {
        for (uint64_t slot = 0; slot < slot_count(&m->region[i]); slot++) {
            ASSERT(m->region[i].slots[slot].pins == 0);
            (void)word_free(m->region[i].slots[slot].word);
        }
        heap_free(m->region[i].slots);
    }
    heap_free(m);
}
