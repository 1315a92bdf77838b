/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The page allocator: taking and freeing blocks. How the data hangs together: mm/page_internal.h.
 */
#include <string.h>
#include "kernel/panic.h"
#include "mm/page_internal.h"
#include "mm/scrub.h"

LOCK_CLASS(page_cpu_class, "pages of a CPU", RANK_PAGE_CACHE);
LOCK_CLASS(page_shared_class, "pages", RANK_PAGES);

uint64_t page_direct_map_base;
struct page_shared page_shared = {.lock = SPINLOCK_INIT(&page_shared_class)};
struct page_cpu page_low;
static PER_CPU(struct page_cpu, page_cpu);

/* ---- A CPU's part ---- */

void page_cpu_init(struct page_cpu *c)
{
    memset(c, 0, sizeof(*c));
    spin_init(&c->lock, &page_cpu_class);
    c->self = c;
    c->next = __atomic_load_n(&page_shared.cpus, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&page_shared.cpus, &c->next, c, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        host_cpu_relax();
}

/* Interrupts masked. */
struct page_cpu *page_cpu_this(void)
{
    struct page_cpu *c = this_cpu_ptr(page_cpu);

    if (unlikely(c->self != c))
        page_cpu_init(c);
    return c;
}

static void count_shared_lock(void)
{
    __atomic_fetch_add(&page_shared.lock_count, 1, __ATOMIC_RELAXED);
}

void page_shared_lock(void)
{
    spin_lock(&page_shared.lock);
    count_shared_lock();
}

void page_shared_unlock(void)
{
    spin_unlock(&page_shared.lock);
}

static void spare_push(struct page_cpu *c, struct chunk *record)
{
    record->next = c->spare;
    c->spare = record;
    c->spare_count++;
}

static struct chunk *spare_pop(struct page_cpu *c)
{
    struct chunk *record = c->spare;

    if (record) {
        c->spare = record->next;
        c->spare_count--;
    }
    return record;
}

struct chunk *page_record_get(void)
{
    struct chunk *record = page_shared.spare;

    if (record) {
        page_shared.spare = record->next;
    } else if (page_shared.records < page_shared.records_end) {
        record = (struct chunk *)page_shared.records;
        page_shared.records += sizeof(*record);
        chunk_init(record, 0);
    }
    return record;
}

/* ---- Gigabytes and superframes; under the shared lock ---- */

uint64_t *page_frame_word(uint64_t pa)
{
    if (unlikely(pa >> GIG_SHIFT >= page_shared.gig_count))
        return NULL;
    uint64_t *frames = page_shared.gigs[pa >> GIG_SHIFT].frames;
    return frames ? &frames[(pa >> FRAME_SHIFT) % CHUNK_UNITS] : NULL;
}

void page_gig_split(struct chunk *gig, enum frame_kind kind)
{
    if (gig->frames)
        return;
    ASSERT(page_shared.frame_words + PAGE_SIZE <= page_shared.frame_words_end);
    gig->frames = (uint64_t *)page_shared.frame_words;
    page_shared.frame_words += PAGE_SIZE;
    for (unsigned i = 0; i < CHUNK_UNITS; i++)
        gig->frames[i] = kind;
}

void page_frame_adopt(struct page_cpu *owner, struct chunk *record, uint64_t base)
{
    chunk_init(record, base);
    record->owner = owner;
    *page_frame_word(base) = (uintptr_t)record | FRAME_CHUNK;
}

/* A superframe out of its gigabyte; 0 when there is none. */
static uint64_t frame_take(void)
{
    struct chunk *gig;
    int unit = chunk_set_take(&page_shared.set, 0, &gig);

    if (unit < 0)
        return 0;
    page_gig_split(gig, FRAME_FREE);
    return gig->base + ((uint64_t)unit << FRAME_SHIFT);
}

static void frame_return(uint64_t base)
{
    struct chunk *gig = &page_shared.gigs[base >> GIG_SHIFT];

    *page_frame_word(base) = FRAME_FREE;
    if (chunk_put(gig, (base >> FRAME_SHIFT) % CHUNK_UNITS, 0) < 0)
        panic("page allocator: superframe %#lx is free twice", (unsigned long)base);
    chunk_set_place(&page_shared.set, gig);
}

/* Adds the whole superframe at `base` to the set of `c`, described by `record`. */
static void frame_give(struct page_cpu *c, struct chunk *record, uint64_t base)
{
    page_frame_adopt(c, record, base);
    (void)chunk_put(record, 0, CHUNK_ORDER);
    chunk_set_insert(&c->set, record, CHUNK_ORDER);
    c->whole_count++;
}

/* Puts the whole superframe `record` out of the set of `c` (for use as one block, or to give it
 * back). */
static uint64_t frame_detach(struct page_cpu *c, struct chunk *record)
{
    chunk_set_remove(&c->set, record);
    c->whole_count--;
    spare_push(c, record);
    return record->base;
}

/* Out of chunk records: superframe `base` gives its first pages for more of them and is itself
 * described by the first. */
#define RECORD_POOL_ORDER 4
static void record_pool_grow(struct page_cpu *c, uint64_t base)
{
    struct chunk *record = phys_to_virt(HPA(base));

    frame_give(c, record, base);
    c->whole_count--;
    (void)chunk_take(record, RECORD_POOL_ORDER);
    chunk_set_place(&c->set, record);
    page_shared.records = (char *)(record + 1);
    page_shared.records_end = (char *)record + (PAGE_SIZE << RECORD_POOL_ORDER);
    page_shared.metadata += PAGE_SIZE << RECORD_POOL_ORDER;
    c->taken += 1u << RECORD_POOL_ORDER;
}

/* Fetches a batch of superframes for `c`, whose lock is held; false when there are none left. */
static NOINLINE bool cpu_refill(struct page_cpu *c)
{
    unsigned got = 0;

    page_shared_lock();
    for (; got < page_shared.batch; got++) {
        uint64_t base = frame_take();
        if (!base)
            break;
        struct chunk *record = spare_pop(c);
        if (!record)
            record = page_record_get();
        if (record)
            frame_give(c, record, base);
        else
            record_pool_grow(c, base);
    }
    page_shared_unlock();
    return got != 0;
}

/* Returns entirely free superframes of `c`, whose lock is held, until `keep` are left, and records
 * that it does not need. */
static NOINLINE void cpu_flush(struct page_cpu *c, unsigned keep)
{
    page_shared_lock();
    while (c->whole_count > keep)
        frame_return(frame_detach(c, c->set.list[CHUNK_ORDER]));
    while (c->spare_count > 2 * page_shared.batch) {
        struct chunk *record = spare_pop(c);
        record->next = page_shared.spare;
        page_shared.spare = record;
    }
    page_shared_unlock();
}

/* Fetches records for the superframes that `c`, whose lock is held, will free. */
static NOINLINE void spare_refill(struct page_cpu *c)
{
    struct chunk *record;

    page_shared_lock();
    while (c->spare_count < page_shared.batch && (record = page_record_get()) != NULL)
        spare_push(c, record);
    page_shared_unlock();
}

/* ---- Blocks below 2 MiB: a CPU's superframes ---- */

static struct chunk *chunk_of(uint64_t pa, unsigned order)
{
    const uint64_t *frame = page_frame_word(pa);

    if (unlikely(!frame || (*frame & FRAME_KIND) != FRAME_CHUNK))
        panic("page_free(%#lx, order %u): not in use", (unsigned long)pa, order);
    return (struct chunk *)(uintptr_t)(*frame & ~FRAME_KIND);
}

#if DEBUG
static void debug_hand_out(uint64_t pa, unsigned order)
{
    chunk_of(pa, order)->orders[(pa >> PAGE_SHIFT) % CHUNK_UNITS] = (uint8_t)(order + 1);
}

static void debug_take_back(uint64_t pa, unsigned order)
{
    uint8_t *is = &chunk_of(pa, order)->orders[(pa >> PAGE_SHIFT) % CHUNK_UNITS];

    if (*is != order + 1)
        panic("page_free(%#lx, order %u): %s", (unsigned long)pa, order,
              *is ? "allocated with another order" : "not the start of a block in use");
    *is = 0;
}
#else
static void debug_hand_out(uint64_t pa, unsigned order)
{
    (void)pa, (void)order;
}

static void debug_take_back(uint64_t pa, unsigned order)
{
    (void)pa, (void)order;
}
#endif

static void chunk_take_back(struct page_cpu *c, struct chunk *chunk, uint64_t pa, unsigned order)
{
    int made = chunk_put(chunk, (pa >> PAGE_SHIFT) % CHUNK_UNITS, order);

    if (unlikely(made < 0))
        panic("page_free(%#lx, order %u): free already", (unsigned long)pa, order);
    if (unlikely(made > chunk->bucket)) {
        chunk_set_move(&c->set, chunk, made);
        c->whole_count += made == (int)CHUNK_ORDER;
    }
}

/* Takes in what other CPUs freed of this one's superframes. */
static NOINLINE void cpu_drain(struct page_cpu *c)
{
    uint64_t entry = __atomic_exchange_n(&c->remote, 0, __ATOMIC_ACQUIRE);

    while (entry) {
        uint64_t pa = entry & ~PAGE_MASK;
        unsigned order = entry & PAGE_MASK;

        entry = *(const uint64_t *)phys_to_virt(HPA(pa));
        chunk_take_back(c, chunk_of(pa, order), pa, order);
    }
}

/* Hands a block to the CPU that owns its superframe. The block may be taken in as soon as it is on
 * the list. */
static NOINLINE void remote_put(struct page_cpu *owner, uint64_t pa, unsigned order)
{
    uint64_t *link = phys_to_virt(HPA(pa));

    *link = __atomic_load_n(&owner->remote, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&owner->remote, link, pa | order, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        host_cpu_relax();
}

void page_put_direct(uint64_t pa, unsigned order)
{
    struct chunk *chunk = chunk_of(pa, order);

    spin_lock(&chunk->owner->lock);
    chunk_take_back(chunk->owner, chunk, pa, order);
    spin_unlock(&chunk->owner->lock);
}

/* From the CPU's own superframes; 0 when they have none. */
static uint64_t set_take(struct page_cpu *c, unsigned order)
{
    struct chunk *chunk;
    int unit = chunk_set_take(&c->set, order, &chunk);

    if (unit < 0)
        return 0;
    if (chunk->free == CHUNK_UNITS - (1u << order)) /* it was whole */
        c->whole_count--;
    return chunk->base + ((uint64_t)unit << PAGE_SHIFT);
}

/* ---- Blocks below 2 MiB: magazines, under the CPU's lock ---- */

static unsigned magazine_size(unsigned order)
{
    return order < CHUNK_WORD_ORDER ? MAGAZINE_SIZE : MAGAZINE_LARGE;
}

/* Puts the `count` blocks back that lie longest in the magazine. */
static NOINLINE void magazine_flush(struct page_cpu *c, unsigned order, unsigned count)
{
    struct magazine *m = &c->magazine[order];

    for (unsigned i = 0; i < count; i++) {
        struct chunk *chunk = chunk_of(m->block[i], order);

        if (likely(chunk->owner == c))
            chunk_take_back(c, chunk, m->block[i], order);
        else
            remote_put(chunk->owner, m->block[i], order);
    }
    m->count -= count;
    memmove(m->block, m->block + count, m->count * sizeof(m->block[0]));
}

static void magazines_flush(struct page_cpu *c)
{
    for (unsigned order = 0; order < MAGAZINE_ORDERS; order++)
        magazine_flush(c, order, c->magazine[order].count);
}

/* Half fills an empty magazine from the CPU's superframes; false when there is nothing to put in.
 */
static NOINLINE bool magazine_fill(struct page_cpu *c, unsigned order)
{
    struct magazine *m = &c->magazine[order];
    uint64_t pa;

    if (READ_ONCE(c->remote))
        cpu_drain(c);
    while (m->count < magazine_size(order) / 2 && (pa = set_take(c, order)) != 0)
        m->block[m->count++] = pa;
    return m->count != 0;
}

/* A superframe as one block; its record becomes spare. */
static uint64_t frame_alloc(struct page_cpu *c)
{
    if (unlikely(READ_ONCE(c->remote)))
        cpu_drain(c);
    if (!c->whole_count)
        return 0;
    uint64_t base = frame_detach(c, c->set.list[CHUNK_ORDER]);
    *page_frame_word(base) = CHUNK_ORDER << FRAME_ORDER_SHIFT | FRAME_BLOCK;
    return base;
}

/* What the CPU has of its own; 0 when that is nothing. */
static inline uint64_t cpu_take(struct page_cpu *c, unsigned order)
{
    if (order == CHUNK_ORDER)
        return frame_alloc(c);
    struct magazine *m = &c->magazine[order];
    if (unlikely(!m->count) && !magazine_fill(c, order))
        return 0;
    uint64_t pa = m->block[--m->count];
    debug_hand_out(pa, order);
    return pa;
}

/* ---- Blocks above 2 MiB: straight from the gigabytes ---- */

static void mark_block(struct chunk *gig, unsigned unit, unsigned order)
{
    if (order == PAGE_ORDER_1G) {
        gig->taken_whole = true;
        return;
    }
    page_gig_split(gig, FRAME_FREE);
    gig->frames[unit] = order << FRAME_ORDER_SHIFT | FRAME_BLOCK;
    for (unsigned i = 1; i < 1u << (order - PAGE_ORDER_2M); i++)
        gig->frames[unit + i] = FRAME_TAIL;
}

static uint64_t gig_take(struct chunk *gig, int unit, unsigned order)
{
    if (unit < 0)
        return 0;
    mark_block(gig, (unsigned)unit, order);
    return gig->base + ((uint64_t)unit << FRAME_SHIFT);
}

static uint64_t large_take(unsigned order)
{
    struct chunk *gig = NULL;

    page_shared_lock();
    int unit = chunk_set_take(&page_shared.set, order - PAGE_ORDER_2M, &gig);
    uint64_t pa = gig_take(gig, unit, order);
    page_shared_unlock();
    return pa;
}

/* Blocks of 2 MiB and more go back whole. False when `pa` is not such a block. */
static NOINLINE bool large_put(uint64_t pa, unsigned order)
{
    struct chunk *gig = &page_shared.gigs[pa >> GIG_SHIFT];
    unsigned unit = (pa >> FRAME_SHIFT) % CHUNK_UNITS;
    bool valid = pa >> GIG_SHIFT < page_shared.gig_count;

    page_shared_lock();
    if (order == PAGE_ORDER_1G) {
        valid = valid && gig->taken_whole;
    } else {
        valid =
            valid && gig->frames && gig->frames[unit] == (order << FRAME_ORDER_SHIFT | FRAME_BLOCK);
        for (unsigned i = 0; valid && i < 1u << (order - PAGE_ORDER_2M); i++)
            gig->frames[unit + i] = FRAME_FREE;
    }
    if (valid) {
        gig->taken_whole = false;
        valid = chunk_put(gig, unit, order - PAGE_ORDER_2M) >= 0;
        chunk_set_place(&page_shared.set, gig);
    }
    page_shared_unlock();
    return valid;
}

/* ---- Memory is short, or must lie low ---- */

static struct page_cpu *cpus_first(void)
{
    return __atomic_load_n(&page_shared.cpus, __ATOMIC_ACQUIRE);
}

static void flush_all_magazines(void)
{
    for (struct page_cpu *p = cpus_first(); p; p = p->next) {
        count_shared_lock();
        spin_lock(&p->lock);
        magazines_flush(p);
        spin_unlock(&p->lock);
    }
}

/* Returns the free superframes of all CPUs to the shared part. No page_cpu lock held, interrupts
 * masked. */
static void reclaim_all(void)
{
    flush_all_magazines();
    for (struct page_cpu *p = cpus_first(); p; p = p->next) {
        count_shared_lock();
        spin_lock(&p->lock);
        cpu_drain(p);
        if (p->whole_count)
            cpu_flush(p, 0);
        spin_unlock(&p->lock);
    }
}

/* The last resort for a block of up to 2 MiB: what other CPUs keep. */
static NOINLINE uint64_t scavenge(struct page_cpu *c, unsigned order)
{
    uint64_t pa = 0;

    reclaim_all();
    spin_lock(&c->lock);
    if (cpu_refill(c))
        pa = cpu_take(c, order);
    spin_unlock(&c->lock);
    for (struct page_cpu *p = cpus_first(); p && !pa; p = p->next) {
        count_shared_lock();
        spin_lock(&p->lock);
        pa = cpu_take(p, order);
        spin_unlock(&p->lock);
    }
    return pa;
}

static uint64_t small_alloc(struct page_cpu *c, unsigned order)
{
    spin_lock(&c->lock);
    uint64_t pa = cpu_take(c, order);
    if (unlikely(!pa) && cpu_refill(c))
        pa = cpu_take(c, order);
    spin_unlock(&c->lock);
    return likely(pa) ? pa : scavenge(c, order);
}

static NOINLINE uint64_t large_alloc(unsigned order)
{
    uint64_t pa = large_take(order);

    if (!pa) {
        reclaim_all();
        pa = large_take(order);
    }
    return pa;
}

/* A block of up to 1 MiB from a chunk of `c` below `limit`. */
static uint64_t set_take_below(struct page_cpu *c, unsigned order, uint64_t limit)
{
    for (unsigned bucket = order; bucket <= CHUNK_ORDER; bucket++) {
        for (struct chunk *chunk = c->set.list[bucket]; chunk; chunk = chunk->next) {
            if (chunk->base >= limit)
                continue;
            bool whole = chunk->bucket == CHUNK_ORDER;
            int unit = chunk_take_below(chunk, order,
                                        MIN((limit - chunk->base) >> PAGE_SHIFT, CHUNK_UNITS));
            if (unit < 0)
                continue;
            chunk_set_place(&c->set, chunk);
            c->whole_count -= whole;
            debug_hand_out(chunk->base + ((uint64_t)unit << PAGE_SHIFT), order);
            return chunk->base + ((uint64_t)unit << PAGE_SHIFT);
        }
    }
    return 0;
}

static uint64_t locked_take_below(struct page_cpu *c, unsigned order, uint64_t limit)
{
    spin_lock(&c->lock);
    cpu_drain(c);
    uint64_t pa = order < CHUNK_ORDER ? set_take_below(c, order, limit) : 0;
    spin_unlock(&c->lock);
    return pa;
}

/* A block of 2 MiB or more from the gigabytes below `limit`. */
static uint64_t gigs_take_below(unsigned order, uint64_t limit)
{
    uint64_t pa = 0;

    page_shared_lock();
    for (uint64_t i = 0; i < MIN(page_shared.gig_count, limit >> GIG_SHIFT) && !pa; i++) {
        struct chunk *gig = &page_shared.gigs[i];
        int unit = chunk_take(gig, order - PAGE_ORDER_2M);

        chunk_set_place(&page_shared.set, gig);
        pa = gig_take(gig, unit, order);
    }
    page_shared_unlock();
    return pa;
}

/* Adds a superframe below `limit` to the set of `c`. */
static void refill_below(struct page_cpu *c, uint64_t limit)
{
    uint64_t base = gigs_take_below(PAGE_ORDER_2M, limit);

    if (!base)
        return;
    spin_lock(&c->lock);
    page_shared_lock();
    struct chunk *record = spare_pop(c);
    if (!record)
        record = page_record_get();
    if (record)
        frame_give(c, record, base);
    else
        record_pool_grow(c, base);
    page_shared_unlock();
    spin_unlock(&c->lock);
}

static NOINLINE uint64_t below_alloc(struct page_cpu *c, unsigned order, uint64_t limit)
{
    uint64_t pa = 0;

    if (order >= PAGE_ORDER_2M) {
        pa = gigs_take_below(order, limit);
        if (!pa) {
            reclaim_all();
            pa = gigs_take_below(order, limit);
        }
        return pa;
    }
    if (limit > FRAME_SIZE) {
        pa = locked_take_below(c, order, limit);
        if (!pa) {
            refill_below(c, limit);
            pa = locked_take_below(c, order, limit);
        }
        if (!pa)
            reclaim_all();
    }
    for (struct page_cpu *p = cpus_first(); p && !pa; p = p->next)
        pa = locked_take_below(p, order, limit);
    return pa;
}

/* ---- The interface ---- */

static uint64_t limit_of(unsigned flags)
{
    return flags & PAGE_BELOW_1M ? MIB(1) : GIB(4);
}

/* Masked. */
static inline uint64_t any_alloc(struct page_cpu *c, unsigned order, unsigned flags)
{
    uint64_t pa;

    if (unlikely(flags & (PAGE_BELOW_4G | PAGE_BELOW_1M)))
        pa = below_alloc(c, order, limit_of(flags));
    else if (order <= PAGE_ORDER_2M)
        pa = small_alloc(c, order);
    else
        pa = large_alloc(order);
    c->taken += likely(pa) ? 1ULL << order : 0;
    return pa;
}

hpa_t page_alloc(unsigned order, unsigned flags)
{
    if (unlikely(order > PAGE_ORDER_MAX))
        return HPA(0);
    uint64_t irq = host_irq_save();
    uint64_t pa = any_alloc(page_cpu_this(), order, flags);
    while (unlikely(!pa) && scrub_reclaim(order))
        pa = any_alloc(page_cpu_this(), order, flags);
    host_irq_restore(irq);
    if (flags & PAGE_ZERO && pa)
        host_memory_zero(phys_to_virt(HPA(pa)), PAGE_SIZE << order);
    return HPA(pa);
}

/* A whole superframe goes to the set of `c`, described by a spare record; false when it has none.
 */
static bool frame_free(struct page_cpu *c, uint64_t pa)
{
    const uint64_t *frame = page_frame_word(pa);

    if (unlikely(!frame || *frame != (CHUNK_ORDER << FRAME_ORDER_SHIFT | FRAME_BLOCK)))
        panic("page_free(%#lx, order %u): not such a block in use", (unsigned long)pa, CHUNK_ORDER);
    struct chunk *record = spare_pop(c);
    if (!record)
        return false;
    frame_give(c, record, pa);
    return true;
}

static NOINLINE void superframe_free(struct page_cpu *c, uint64_t pa)
{
    spin_lock(&c->lock);
    bool done = frame_free(c, pa);
    if (!done)
        spare_refill(c);
    if (unlikely(c->whole_count > 2 * page_shared.batch))
        cpu_flush(c, page_shared.batch);
    spin_unlock(&c->lock);
    if (!done)
        (void)large_put(pa, CHUNK_ORDER);
}

static inline void small_free(struct page_cpu *c, uint64_t pa, unsigned order)
{
    struct magazine *m = &c->magazine[order];

    debug_take_back(pa, order);
    spin_lock(&c->lock);
    if (unlikely(m->count == magazine_size(order))) {
        magazine_flush(c, order, magazine_size(order) / 2);
        if (unlikely(c->whole_count > 2 * page_shared.batch))
            cpu_flush(c, page_shared.batch);
    }
    m->block[m->count++] = pa;
    spin_unlock(&c->lock);
}

/* Pages of superframe 0 stay out of the magazines: they are for requests below 1 MiB. */
static NOINLINE void low_free(uint64_t pa, unsigned order)
{
    debug_take_back(pa, order);
    page_put_direct(pa, order);
}

void page_free(hpa_t page, unsigned order)
{
    if (unlikely(order > PAGE_ORDER_MAX || !page.v || !IS_ALIGNED(page.v, PAGE_SIZE << order)))
        panic("page_free(%#lx, order %u): no such block", (unsigned long)page.v, order);
    uint64_t irq = host_irq_save();
    struct page_cpu *c = page_cpu_this();
    if (unlikely(page.v < FRAME_SIZE))
        low_free(page.v, order);
    else if (likely(order < PAGE_ORDER_2M))
        small_free(c, page.v, order);
    else if (order == PAGE_ORDER_2M)
        superframe_free(c, page.v);
    else if (!large_put(page.v, order))
        panic("page_free(%#lx, order %u): not such a block in use", (unsigned long)page.v, order);
    c->given += 1ULL << order;
    host_irq_restore(irq);
}

/* ---- Splitting blocks in use ---- */

/* The pages belong to `c` from now on. */
static bool frame_split(struct page_cpu *c, uint64_t pa)
{
    const uint64_t *frame = page_frame_word(pa);

    if (unlikely(!frame || *frame != (CHUNK_ORDER << FRAME_ORDER_SHIFT | FRAME_BLOCK)))
        panic("page_split(%#lx): not a block of 2 MiB in use", (unsigned long)pa);
    if (!c->spare)
        spare_refill(c);
    struct chunk *record = spare_pop(c);
    if (!record)
        return false;
    page_frame_adopt(c, record, pa);
    for (unsigned i = 0; i < CHUNK_UNITS; i++)
        debug_hand_out(pa + ((uint64_t)i << PAGE_SHIFT), 0);
    return true;
}

static void gig_split_in_use(uint64_t pa)
{
    struct chunk *gig = &page_shared.gigs[pa >> GIG_SHIFT];

    page_shared_lock();
    if (unlikely(pa >> GIG_SHIFT >= page_shared.gig_count || !gig->taken_whole))
        panic("page_split(%#lx): not a block of 1 GiB in use", (unsigned long)pa);
    gig->taken_whole = false;
    page_gig_split(gig, FRAME_FREE);
    for (unsigned i = 0; i < CHUNK_UNITS; i++)
        gig->frames[i] = CHUNK_ORDER << FRAME_ORDER_SHIFT | FRAME_BLOCK;
    page_shared_unlock();
}

enum err page_split(hpa_t block, unsigned order)
{
    bool done = true;

    ASSERT(order == PAGE_ORDER_2M || order == PAGE_ORDER_1G);
    uint64_t irq = host_irq_save();
    if (order == PAGE_ORDER_1G) {
        gig_split_in_use(block.v);
    } else {
        struct page_cpu *c = page_cpu_this();
        spin_lock(&c->lock);
        done = frame_split(c, block.v);
        spin_unlock(&c->lock);
    }
    host_irq_restore(irq);
    return done ? ERR_OK : ERR_NO_MEMORY;
}

/* ---- Statistics ---- */

static void count_set(const struct chunk_set *set, uint64_t *counts)
{
    for (unsigned bucket = 0; bucket <= CHUNK_ORDER; bucket++)
        for (const struct chunk *c = set->list[bucket]; c; c = c->next)
            chunk_count(c, counts);
}

void page_stats_get(struct page_stats *s)
{
    uint64_t pages;

    memset(s, 0, sizeof(*s));
    s->left_out = page_shared.left_out;
    s->shared_lock_count = page_shared.lock_count;
    pages = page_shared.total_pages;
    uint64_t masked = host_irq_save();
    flush_all_magazines();
    host_irq_restore(masked);
    for (struct page_cpu *p = cpus_first(); p; p = p->next) {
        uint64_t irq = spin_lock_irq(&p->lock);
        cpu_drain(p);
        count_set(&p->set, s->free_blocks);
        pages += p->given - p->taken;
        spin_unlock_irq(&p->lock, irq);
    }
    uint64_t irq = spin_lock_irq(&page_shared.lock);
    count_set(&page_shared.set, s->free_blocks + PAGE_ORDER_2M);
    s->metadata = page_shared.metadata;
    spin_unlock_irq(&page_shared.lock, irq);
    uint64_t scrubs = scrub_blocks();
    s->free_blocks[PAGE_ORDER_2M] += scrubs;
    s->total = page_shared.total_pages << PAGE_SHIFT;
    s->free = (pages << PAGE_SHIFT) + scrubs * FRAME_SIZE;
    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++)
        if (s->free_blocks[order])
            s->largest_order = order;
}
