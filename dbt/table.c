/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Translations of a VM: look-up, translation, invalidation, eviction. */
#include "dbt/table.h"

#include <string.h>
#include "dbt/jit.h"
#include "dbt/knobs.h"
#include "dbt/pass.h"
#include "dbt/ring.h"
#include "dbt/tlb.h"
#include "dbt/window.h"
#include "kernel/panic.h"
#include "mm/heap.h"

#define REGIONS_MAX    4096UL
#define BLOCKS_SHARE   8 /* of the guest's memory: an eighth may be blocks, */
#define BLOCKS_MIN     MIB(26)
#define BLOCK_BYTES    384UL /* as a rule, with what the interpreter needs */
#define PAGE_HASH_BITS 12
#define PIECE_PAGES    512UL /* of 2 MiB */
#define OPS_MAX        (4 * IR_OPS_MAX)
#define WRITES_COARSE  16 /* writes to a page that drop all of its code; later ones look closely */
#define SETTLING       64 /* pages that became code while other vCPUs could still write to them */

LOCK_CLASS(code_class, "translations", RANK_CODE);

/* Blocks that the interpreter can run are in the first ring, those that only have code in the
 * second. */
enum ring_of { RING_LOWERED, RING_EMITTED, RING_COUNT };

#define EMITTED_SIZE offsetof(struct dbt_block, interp) /* bytes of a block in the second */

/* A page that code was translated from. Kept until the VM ends: pages are few. */
struct code_page {
    uint64_t gpa;
    struct code_page *hash_next;
    struct dbt_block *blocks;
    uint64_t version; /* atomic: counts invalidations */
    unsigned writes;
};

struct dbt_table {
    struct vm *vm;
    struct guest_watch watch;
    struct spinlock lock;
    struct dbt_block **hash;
    unsigned hash_bits;
    struct code_page *pages[1u << PAGE_HASH_BITS];
    uint64_t *is_code, *is_writable; /* atomic, a bit for each page of guest-physical memory */
    uint64_t page_count;
    struct dbt_ring ring[RING_COUNT];
    uint64_t epoch;      /* atomic */
    uint64_t generation; /* atomic: counts evictions */
    uint64_t live;       /* blocks */
    struct {
        uint64_t gpa, epoch;
    } settling[SETTLING];
    unsigned settling_count;
    bool code_died; /* emitted code of blocks that were killed: vCPUs are to be told */
};

/* ---- Bits of pages ---- */

static bool bit_of(const uint64_t *map, uint64_t page)
{
    return __atomic_load_n(&map[page / 64], __ATOMIC_RELAXED) & BIT(page % 64);
}

static void bit_set(uint64_t *map, uint64_t page)
{
    __atomic_fetch_or(&map[page / 64], BIT(page % 64), __ATOMIC_SEQ_CST);
}

static void bit_clear(uint64_t *map, uint64_t page)
{
    __atomic_fetch_and(&map[page / 64], ~BIT(page % 64), __ATOMIC_SEQ_CST);
}

bool dbt_table_is_code(const struct dbt_table *c, uint64_t gpa)
{
    uint64_t page = gpa >> PAGE_SHIFT;

    return page < c->page_count && bit_of(c->is_code, page);
}

/* Either this vCPU sees that the page holds code, or who makes it so sees that it may be written
 * to. */
void dbt_table_note_writable(struct dbt_table *c, uint64_t gpa)
{
    uint64_t page = gpa >> PAGE_SHIFT;

    if (page < c->page_count && !bit_of(c->is_writable, page))
        bit_set(c->is_writable, page);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The words for the 2 MiB around `gpa`: from *first on, how many. */
static uint64_t piece_words(const struct dbt_table *c, uint64_t gpa, uint64_t *first)
{
    uint64_t all = DIV_ROUND_UP(c->page_count, 64);

    *first = MIN(ALIGN_DOWN(gpa >> PAGE_SHIFT, PIECE_PAGES) / 64, all);
    return MIN(PIECE_PAGES / 64, all - *first);
}

bool dbt_table_is_code_piece(const struct dbt_table *c, uint64_t gpa)
{
    uint64_t first, count = piece_words(c, gpa, &first), bits = 0;

    for (uint64_t i = first; i < first + count; i++)
        bits |= __atomic_load_n(&c->is_code[i], __ATOMIC_RELAXED);
    return bits;
}

void dbt_table_note_writable_piece(struct dbt_table *c, uint64_t gpa)
{
    uint64_t first, count = piece_words(c, gpa, &first);

    for (uint64_t i = first; i < first + count; i++)
        if (~__atomic_load_n(&c->is_writable[i], __ATOMIC_RELAXED))
            __atomic_store_n(&c->is_writable[i], UINT64_MAX, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- Other vCPUs ---- */

static void nudge(const struct dbt_vcpu *d)
{
    __atomic_store_n(&d->frame->poll, 1, __ATOMIC_SEQ_CST);
}

static struct dbt_vcpu *vcpu_number(const struct dbt_table *c, unsigned i)
{
    return c->vm->vcpus && c->vm->vcpus[i] ? dbt_vcpu(c->vm->vcpus[i]) : NULL;
}

/* All vCPUs but `self` have been at a safe point since `epoch`. */
static bool has_settled(const struct dbt_table *c, const struct dbt_vcpu *self, uint64_t epoch)
{
    for (unsigned i = 0; i < c->vm->vcpu_count; i++) {
        const struct dbt_vcpu *d = vcpu_number(c, i);

        if (!d || d == self || __atomic_load_n(&d->vcpu->mode, __ATOMIC_SEQ_CST) != VCPU_IN_GUEST)
            continue;
        if (__atomic_load_n(&d->epoch, __ATOMIC_SEQ_CST) < epoch)
            return false;
    }
    return true;
}

static void protect_others(const struct dbt_table *c, const struct dbt_vcpu *self)
{
    for (unsigned i = 0; i < c->vm->vcpu_count; i++) {
        struct dbt_vcpu *d = vcpu_number(c, i);

        if (d && d != self)
            __atomic_store_n(&d->protect, 1, __ATOMIC_SEQ_CST);
    }
}

/* A new epoch begins: the others are to come to a safe point. What they are to take notice of there
 * has been told before. */
static uint64_t epoch_begin(struct dbt_table *c, const struct dbt_vcpu *self)
{
    uint64_t epoch = __atomic_add_fetch(&c->epoch, 1, __ATOMIC_SEQ_CST);

    for (unsigned i = 0; i < c->vm->vcpu_count; i++) {
        struct dbt_vcpu *d = vcpu_number(c, i);

        if (d && d != self)
            nudge(d);
    }
    return epoch;
}

/* The epoch is read first: what was told before it began is taken notice of. */
void dbt_table_safe_point(struct dbt_vcpu *d)
{
    struct dbt_table *c = d->table;
    uint64_t epoch = __atomic_load_n(&c->epoch, __ATOMIC_SEQ_CST);
    uint64_t generation = __atomic_load_n(&c->generation, __ATOMIC_SEQ_CST);

    if (unlikely(d->late_write != DBT_NO_PAGE)) {
        uint64_t gpa = d->late_write;

        d->late_write = DBT_NO_PAGE;
        dbt_table_written(c, d, gpa, 1);
    }
    if (unlikely(__atomic_load_n(&d->protect, __ATOMIC_RELAXED)) &&
        __atomic_exchange_n(&d->protect, 0, __ATOMIC_SEQ_CST))
        dbt_tlb_protect_code(d);
    if (unlikely(generation != d->generation)) {
        memset(d->recent, 0, sizeof(d->recent));
        d->generation = generation;
    }
    if (unlikely(__atomic_load_n(&d->forget, __ATOMIC_RELAXED)) &&
        __atomic_exchange_n(&d->forget, 0, __ATOMIC_SEQ_CST) && d->jit)
        dbt_jit_forget(d);
    __atomic_store_n(&d->epoch, epoch, __ATOMIC_SEQ_CST);
}

uint64_t dbt_table_generation(const struct dbt_table *c)
{
    return __atomic_load_n(&c->generation, __ATOMIC_RELAXED);
}

/* Under the lock. */
static void tell_of_deaths(struct dbt_table *c)
{
    if (!c->code_died)
        return;
    c->code_died = false;
    for (unsigned i = 0; i < c->vm->vcpu_count; i++) {
        struct dbt_vcpu *d = vcpu_number(c, i);

        if (!d)
            continue;
        __atomic_store_n(&d->forget, 1, __ATOMIC_SEQ_CST);
        nudge(d);
    }
}

bool dbt_table_try_lock(struct dbt_table *c, uint64_t *flags)
{
    *flags = host_irq_save();
    if (spin_trylock(&c->lock))
        return true;
    host_irq_restore(*flags);
    return false;
}

/* Who comes first takes it, not who waited longest: where vCPUs share a CPU a queue would hand it
 * to one that does not run, at every turn. */
uint64_t dbt_table_lock(struct dbt_table *c)
{
    uint64_t flags;

    while (!dbt_table_try_lock(c, &flags))
        host_cpu_relax();
    return flags;
}

void dbt_table_unlock(struct dbt_table *c, uint64_t flags)
{
    tell_of_deaths(c);
    spin_unlock_irq(&c->lock, flags);
}

uint64_t dbt_table_code_died(struct dbt_vcpu *d)
{
    struct dbt_table *c = d->table;

    c->code_died = true;
    tell_of_deaths(c);
    __atomic_fetch_add(&c->generation, 1, __ATOMIC_SEQ_CST);
    return epoch_begin(c, d);
}

bool dbt_table_has_settled(const struct dbt_vcpu *d, uint64_t epoch)
{
    return has_settled(d->table, d, epoch);
}

/* ---- Lists; changed under the lock ---- */

static struct dbt_block **hash_bucket(const struct dbt_table *c, uint64_t gpa, uint32_t mode)
{
    return &c->hash[(gpa >> 1 ^ mode) * 0x9e3779b97f4a7c15ULL >> (64 - c->hash_bits)];
}

static struct code_page **page_bucket(struct dbt_table *c, uint64_t gpa)
{
    return &c->pages[(gpa >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ULL >> (64 - PAGE_HASH_BITS)];
}

/* Needs no lock: pages stay. */
static struct code_page *page_find(struct dbt_table *c, uint64_t gpa)
{
    struct code_page *p = __atomic_load_n(page_bucket(c, gpa), __ATOMIC_ACQUIRE);

    while (p && p->gpa != ALIGN_DOWN(gpa, PAGE_SIZE))
        p = p->hash_next;
    return p;
}

static struct code_page *page_get(struct dbt_table *c, uint64_t gpa)
{
    struct code_page **bucket = page_bucket(c, gpa), *p = page_find(c, gpa);

    if (p)
        return p;
    p = heap_zalloc(sizeof(*p));
    if (!p)
        return NULL;
    p->gpa = ALIGN_DOWN(gpa, PAGE_SIZE);
    p->hash_next = *bucket;
    __atomic_store_n(bucket, p, __ATOMIC_RELEASE);
    return p;
}

static struct dbt_block **next_on_page(struct dbt_block *b, const struct code_page *p)
{
    return &b->page_next[b->gpa_next == p->gpa];
}

static void page_unlist(struct code_page *p, struct dbt_block *b)
{
    struct dbt_block **at = &p->blocks;

    while (*at != b)
        at = next_on_page(*at, p);
    *at = *next_on_page(b, p);
}

static void hash_unlist(struct dbt_table *c, struct dbt_block *b)
{
    struct dbt_block **at = hash_bucket(c, b->gpa, b->mode);

    while (*at != b)
        at = &(*at)->hash_next;
    __atomic_store_n(at, b->hash_next, __ATOMIC_RELEASE);
}

/* Nobody finds it any more; who is in it goes on to its end. */
static void block_kill(struct dbt_table *c, struct dbt_block *b)
{
    __atomic_store_n(&b->dead, true, __ATOMIC_SEQ_CST);
    c->code_died |= b->jit != NULL;
    dbt_jit_kill(b);
    hash_unlist(c, b);
    page_unlist(page_find(c, b->gpa), b);
    if (b->gpa_next != DBT_NO_PAGE)
        page_unlist(page_find(c, b->gpa_next), b);
    c->live--;
}

/* ---- Invalidation ---- */

/* Does the block have bytes in [from, to) of page `p`? */
static bool covers(const struct dbt_block *b, const struct code_page *p, uint64_t from, uint64_t to)
{
    uint64_t start = b->gpa, end = b->gpa + b->bytes;

    if (b->gpa_next == p->gpa) {
        start = p->gpa;
        end = p->gpa + (b->gpa + b->bytes) % IR_PAGE_SIZE;
    }
    return start < to && from < end;
}

static unsigned page_invalidate(struct dbt_table *c, struct code_page *p, uint64_t from,
                                uint64_t to)
{
    struct dbt_block *b = p->blocks, *next;
    unsigned killed = 0;

    __atomic_fetch_add(&p->version, 1, __ATOMIC_SEQ_CST);
    for (; b; b = next) {
        next = *next_on_page(b, p);
        if (!covers(b, p, from, to))
            continue;
        block_kill(c, b);
        killed++;
    }
    if (!p->blocks)
        bit_clear(c->is_code, p->gpa >> PAGE_SHIFT);
    return killed;
}

/* A page that is written to again and again keeps the code that is not hit. */
static unsigned page_written(struct dbt_table *c, uint64_t page, uint64_t from, uint64_t to)
{
    uint64_t flags = dbt_table_lock(c);
    struct code_page *p = page_find(c, page);
    unsigned killed = 0;

    if (p && p->writes++ < WRITES_COARSE)
        killed = page_invalidate(c, p, page, page + IR_PAGE_SIZE);
    else if (p)
        killed = page_invalidate(c, p, from, to);
    dbt_table_unlock(c, flags);
    return killed;
}

void dbt_table_written(struct dbt_table *c, struct dbt_vcpu *d, uint64_t gpa, uint64_t size)
{
    uint64_t end = gpa + size;
    unsigned killed = 0;

    for (uint64_t page = ALIGN_DOWN(gpa, PAGE_SIZE); page < end; page += PAGE_SIZE)
        if (dbt_table_is_code(c, page))
            killed += page_written(c, page, gpa, end);
    if (!d)
        return;
    d->counters.code_writes++;
    d->counters.invalidated += killed;
}

static void watch_written(struct guest_watch *w, uint64_t gpa, uint64_t size)
{
    dbt_table_written(container_of(w, struct dbt_table, watch), NULL, gpa, size);
}

/* Stores of other vCPUs to a page that became code a moment ago may have gone unseen until they
 * were at a safe point: what was translated from such pages is made anew. */
void dbt_table_synchronize(struct dbt_vcpu *d)
{
    struct dbt_table *c = d->table;
    uint64_t flags;
    unsigned kept = 0;

    dbt_table_safe_point(d);
    if (!READ_ONCE(c->settling_count))
        return;
    flags = dbt_table_lock(c);
    for (unsigned i = 0; i < c->settling_count; i++) {
        struct code_page *p = page_find(c, c->settling[i].gpa);

        d->counters.invalidated += page_invalidate(c, p, p->gpa, p->gpa + IR_PAGE_SIZE);
        if (!has_settled(c, d, c->settling[i].epoch))
            c->settling[kept++] = c->settling[i];
    }
    c->settling_count = kept;
    dbt_table_unlock(c, flags);
}

/* Under the lock. */
static void settle_later(struct dbt_table *c, struct dbt_vcpu *d, uint64_t gpa)
{
    unsigned kept = 0;

    if (c->vm->vcpu_count == 1)
        return;
    for (unsigned i = 0; i < c->settling_count; i++)
        if (!has_settled(c, d, c->settling[i].epoch))
            c->settling[kept++] = c->settling[i];
    c->settling_count = kept;
    if (kept == SETTLING) /* the oldest one's code goes */
        (void)page_invalidate(c, page_find(c, c->settling[0].gpa), c->settling[0].gpa,
                              c->settling[0].gpa + IR_PAGE_SIZE);
    unsigned at = kept == SETTLING ? 0 : c->settling_count++;
    c->settling[at].gpa = ALIGN_DOWN(gpa, PAGE_SIZE);
    protect_others(c, d);
    c->settling[at].epoch = epoch_begin(c, d);
}

/* The page's first code, or it has none any more. */
static uint64_t page_begin_fresh(struct dbt_table *c, struct dbt_vcpu *d, uint64_t gpa)
{
    uint64_t flags = dbt_table_lock(c), page = gpa >> PAGE_SHIFT, version = 0;
    struct code_page *p = page_get(c, gpa);
    bool writable = false;

    if (p)
        version = p->version + 1;
    if (p && !bit_of(c->is_code, page)) {
        bit_set(c->is_code, page);
        writable = bit_of(c->is_writable, page);
    }
    if (writable) {
        bit_clear(c->is_writable, page);
        settle_later(c, d, gpa);
    }
    dbt_table_unlock(c, flags);
    if (writable)
        dbt_tlb_protect(d, gpa);
    return version;
}

/* Before bytes of the page are read for translation. Its version; 0: no memory. */
static uint64_t page_begin(struct dbt_table *c, struct dbt_vcpu *d, uint64_t gpa)
{
    const struct code_page *p = page_find(c, gpa);
    uint64_t version = p ? __atomic_load_n(&p->version, __ATOMIC_SEQ_CST) + 1 : 0;

    /* Who wrote to it before that is seen, who writes later makes the version another one. */
    if (p && dbt_table_is_code(c, gpa)) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        return version;
    }
    return page_begin_fresh(c, d, gpa);
}

/* ---- Memory; under the lock ---- */

static void region_evict(struct dbt_table *c, struct dbt_vcpu *d, struct dbt_ring_region *r)
{
    struct dbt_block *next;

    for (struct dbt_block *b = r->blocks; b; b = next) {
        next = b->region_next;
        if (b->dead)
            continue;
        block_kill(c, b);
        d->counters.evicted++;
    }
    r->blocks = NULL;
    __atomic_fetch_add(&c->generation, 1, __ATOMIC_SEQ_CST);
    r->epoch = epoch_begin(c, d);
}

/* The next region becomes the current one; the one after it is evicted ahead of its time. False:
 * some vCPU may still be in it, or there is no memory. */
static bool ring_advance(struct dbt_table *c, struct dbt_vcpu *d, struct dbt_ring *ring)
{
    struct dbt_ring_region *after = dbt_ring_after(ring), *r = dbt_ring_next(ring);

    d->counters.blocks_starved += r != after || !r->memory;
    if (!r->memory)
        return false;
    if (r->blocks)
        region_evict(c, d, r);
    if (!has_settled(c, d, r->epoch))
        return false;
    dbt_ring_begin(ring, r);
    after = dbt_ring_after(ring);
    if (after->blocks)
        region_evict(c, d, after);
    return true;
}

static void *block_alloc(struct dbt_table *c, struct dbt_vcpu *d, enum ring_of which, uint64_t size)
{
    struct dbt_ring *ring = &c->ring[which];
    void *at = dbt_ring_take(ring, size);

    if (at || !ring_advance(c, d, ring))
        return at;
    return dbt_ring_take(ring, size);
}

/* ---- Translation ---- */

struct request {
    uint64_t va, gpa;
    uint64_t gpa_next; /* its page, when the instruction lies across */
    uint64_t version, version_next;
    unsigned insns;
    bool no_code; /* the emitter has none for it */
};

/* Fills d->unit; the number of instructions. */
static unsigned lift(struct dbt_vcpu *d, const struct request *r, const uint8_t *page,
                     const uint8_t *next)
{
    const struct dbt_frontend *frontend = d->guest->frontend;
    struct dbt_source source = {.page = page,
                                .offset = (unsigned)(r->gpa % IR_PAGE_SIZE),
                                .next = next,
                                .features = d->guest->features,
                                .max_insns = d->mode & DBT_MODE_SINGLE ? 1 : DBT_UNIT_INSNS,
                                .frame = d->frame};
    unsigned count;

    for (;; source.max_insns /= 2) {
        ir_unit_reset(&d->unit, frontend->dialect, d->mode);
        count = frontend->translate(&d->unit, &source);
        if (!d->unit.full)
            return count;
    }
}

static bool leaves_to_fetch(const struct ir_unit *u)
{
    const struct ir_op *last = &u->ops[u->op_count - 1];

    return last->code == IR_leave && last->attr == IR_LEAVE_FETCH;
}

/* Bytes of guest code of the unit. */
static unsigned unit_bytes(const struct ir_unit *u, unsigned offset)
{
    unsigned i = u->op_count - 1;

    while (i && u->ops[i].code != IR_insn)
        i--;
    return i ? (unsigned)u->ops[i].imm + u->ops[i].attr - offset : 0;
}

static bool absent(struct dbt_vcpu *d, uint64_t va)
{
    d->frame->fault = (struct dbt_fault){.address = va, .access = DBT_FETCH, .absent = true};
    return false;
}

/* A fault of the instruction's second half is told at that half's address. */
static bool begin_next(struct dbt_vcpu *d, struct request *r, const uint8_t **page,
                       const uint8_t **next)
{
    uint64_t va = ALIGN_DOWN(r->va, PAGE_SIZE) + PAGE_SIZE, forgets;
    bool device;

    if (!dbt_tlb_fetch(d, va, &r->gpa_next, &device))
        return device ? absent(d, va) : false;
    r->version_next = page_begin(d->table, d, r->gpa_next);
    do {
        forgets = d->forgets;
        *page = dbt_tlb_ram(d, ALIGN_DOWN(r->gpa, PAGE_SIZE));
        *next = dbt_tlb_ram(d, r->gpa_next);
    } while (forgets != d->forgets);
    return *page && *next ? true : absent(d, va);
}

/* False: frame->fault is filled. */
static bool make_unit(struct dbt_vcpu *d, struct request *r)
{
    const uint8_t *page = dbt_tlb_ram(d, ALIGN_DOWN(r->gpa, PAGE_SIZE)), *next;

    r->gpa_next = DBT_NO_PAGE;
    r->version = page_begin(d->table, d, r->gpa);
    if (!page)
        return absent(d, r->va);
    r->insns = lift(d, r, page, NULL);
    if (leaves_to_fetch(&d->unit)) {
        if (!begin_next(d, r, &page, &next))
            return false;
        r->insns = lift(d, r, page, next);
    }
    pass_simplify(d->passes, &d->unit);
    pass_dead(d->passes, &d->unit);
    return true;
}

static bool is_current(struct dbt_table *c, uint64_t gpa, uint64_t version)
{
    const struct code_page *p = page_find(c, gpa);

    return p && p->version + 1 == version && dbt_table_is_code(c, gpa);
}

/* Under the lock: into the lists. */
static void block_list(struct dbt_table *c, struct dbt_block *b)
{
    struct dbt_block **bucket = hash_bucket(c, b->gpa, b->mode);
    struct dbt_ring_region *region =
        dbt_ring_current(&c->ring[b->lowered ? RING_LOWERED : RING_EMITTED]);
    struct code_page *p = page_find(c, b->gpa);

    b->hash_next = *bucket;
    __atomic_store_n(bucket, b, __ATOMIC_RELEASE);
    *next_on_page(b, p) = p->blocks;
    p->blocks = b;
    if (b->gpa_next != DBT_NO_PAGE) {
        p = page_find(c, b->gpa_next);
        *next_on_page(b, p) = p->blocks;
        p->blocks = b;
    }
    b->region_next = region->blocks;
    region->blocks = b;
    c->live++;
}

static bool is_stale(struct dbt_table *c, const struct request *r)
{
    return !is_current(c, r->gpa, r->version) ||
           (r->gpa_next != DBT_NO_PAGE && !is_current(c, r->gpa_next, r->version_next));
}

static void block_fill(const struct dbt_vcpu *d, struct dbt_block *b, const struct request *r,
                       const struct interp_unit *lowered)
{
    struct dbt_block filled = {
        .gpa = r->gpa,
        .gpa_next = r->gpa_next,
        .mode = d->mode,
        .bytes = (uint16_t)unit_bytes(&d->unit, (unsigned)(r->gpa % IR_PAGE_SIZE)),
        .insns = (uint16_t)r->insns,
        .no_code = r->no_code,
        .lowered = lowered};

    memcpy(b, &filled, lowered ? sizeof(filled) : EMITTED_SIZE);
    if (!lowered)
        return;
    b->interp = (struct interp_unit){.ops = (struct interp_op *)(b + 1), .count = lowered->count};
    memcpy(b->interp.ops, lowered->ops, lowered->count * sizeof(lowered->ops[0]));
}

/* NULL: no room, or (with *stale) its pages were written to meanwhile. `lowered` NULL: code is
 * emitted at once, and when there is none for it the result is NULL, too. */
static struct dbt_block *publish(struct dbt_vcpu *d, struct request *r,
                                 const struct interp_unit *lowered, bool *stale)
{
    struct dbt_table *c = d->table;
    uint64_t flags = dbt_table_lock(c);
    enum ring_of ring = lowered ? RING_LOWERED : RING_EMITTED;
    uint64_t size = lowered ? sizeof(struct dbt_block) + lowered->count * sizeof(lowered->ops[0])
                            : EMITTED_SIZE;
    struct dbt_block *b = NULL;

    *stale = is_stale(c, r);
    if (!*stale)
        b = block_alloc(c, d, ring, size);
    if (b)
        block_fill(d, b, r, lowered);
    if (b && !lowered && !dbt_jit_emit(d, b)) {
        r->no_code = b->no_code;
        dbt_ring_give_back(&c->ring[ring], b);
        b = NULL;
    }
    if (b)
        block_list(c, b);
    dbt_table_unlock(c, flags);
    return b;
}

static void lower(struct dbt_vcpu *d, struct interp_unit *lowered)
{
    if (interp_lower(d->lowering, &d->unit, d->ops, OPS_MAX, lowered) != ERR_OK)
        panic("a unit of %s cannot be lowered", d->guest->frontend->dialect->name);
}

static void note_spent(struct dbt_vcpu *d, uint64_t ticks)
{
    d->counters.translate_ticks += ticks;
    if (d->mode & DBT_MODE_WORDS)
        dbt_windows_made(d, ticks);
}

static NOINLINE struct dbt_block *translate(struct dbt_vcpu *d, uint64_t va, uint64_t gpa,
                                            bool *again)
{
    struct request r = {.va = va, .gpa = gpa};
    uint64_t began = host_counter_fast();
    struct interp_unit lowered;
    struct dbt_block *b;
    bool stale;

    do {
        if (!make_unit(d, &r))
            return NULL;
        b = d->jit && !d->threshold && !d->checker && !(d->mode & DBT_MODE_SINGLE)
                ? publish(d, &r, NULL, &stale)
                : NULL;
        if (!b) {
            lower(d, &lowered);
            b = publish(d, &r, &lowered, &stale);
        }
    } while (stale);
    *again = !b;             /* another vCPU has to come to its safe point first */
    dbt_table_safe_point(d); /* older blocks may be gone */
    d->counters.units++;
    d->counters.unit_insns += r.insns;
    if (trace_on(TRACE_BLOCK))
        trace_event(TRACE_BLOCK, d->vcpu->vm, d->vcpu->id, r.insns, va);
    note_spent(d, host_counter_fast() - began);
    return b;
}

void dbt_table_evict(struct dbt_vcpu *d)
{
    struct dbt_table *c = d->table;
    uint64_t flags = dbt_table_lock(c);

    for (unsigned i = 0; i < RING_COUNT; i++)
        (void)ring_advance(c, d, &c->ring[i]);
    if (d->jit)
        dbt_jit_evict(d);
    dbt_table_unlock(c, flags);
    dbt_table_safe_point(d);
}

/* Emits the code of a block that the interpreter ran, and in its place lists one that has the code
 * only. Under the lock. False: it stays as it is. */
static bool replace(struct dbt_vcpu *d, struct dbt_block *b)
{
    struct dbt_table *c = d->table;
    struct dbt_block *emitted = block_alloc(c, d, RING_EMITTED, EMITTED_SIZE);

    if (!emitted)
        return false;
    memcpy(emitted, b, EMITTED_SIZE);
    emitted->lowered = false;
    if (!dbt_jit_emit(d, emitted)) {
        b->no_code = emitted->no_code;
        dbt_ring_give_back(&c->ring[RING_EMITTED], emitted);
        return false;
    }
    block_list(c, emitted);
    block_kill(c, b);
    return true;
}

/* Under the lock. */
static bool emit(struct dbt_vcpu *d, struct dbt_block *b)
{
    if (b->lowered && !d->checker)
        return replace(d, b);
    if (dbt_jit_emit(d, b))
        return true;
    if (b->lowered)
        return false;
    block_kill(d->table, b); /* nothing can run it: it is made anew for the interpreter */
    return true;
}

bool dbt_table_emit(struct dbt_vcpu *d, struct dbt_block *b, uint64_t va)
{
    struct request r = {.va = va, .gpa = b->gpa};
    struct dbt_table *c = d->table;
    uint64_t began = host_counter_fast(), flags;
    bool again;

    if ((b->lowered && !dbt_jit_has_room(d)) || !make_unit(d, &r))
        return false;
    flags = dbt_table_lock(c);
    again = b->dead || b->jit;
    if (!again && r.gpa_next == b->gpa_next && !is_stale(c, &r))
        again = emit(d, b);
    dbt_table_unlock(c, flags);
    dbt_table_safe_point(d);
    note_spent(d, host_counter_fast() - began);
    return again;
}

static bool is_wanted(const struct dbt_block *b, uint64_t gpa, uint64_t gpa_next, uint32_t mode)
{
    return b->gpa == gpa && b->mode == mode &&
           (b->gpa_next == DBT_NO_PAGE || b->gpa_next == gpa_next) &&
           !__atomic_load_n(&b->dead, __ATOMIC_RELAXED);
}

/* Without the lock: what is taken out of a list stays readable, and leads on, until this vCPU has
 * been at a safe point. */
static struct dbt_block *look_up(struct dbt_vcpu *d, uint64_t gpa, uint64_t gpa_next)
{
    struct dbt_block **at = hash_bucket(d->table, gpa, d->mode), *b;

    while ((b = __atomic_load_n(at, __ATOMIC_ACQUIRE)) && !is_wanted(b, gpa, gpa_next, d->mode))
        at = &b->hash_next;
    return b;
}

/* For an instruction that may lie across pages: where the next page is, DBT_NO_PAGE: it cannot be
 * fetched. */
static uint64_t next_page(struct dbt_vcpu *d, uint64_t va, uint64_t gpa)
{
    struct dbt_fault fault = d->frame->fault;
    uint64_t next;
    bool device;

    if (gpa % IR_PAGE_SIZE < IR_PAGE_SIZE - d->guest->frontend->insn_max)
        return DBT_NO_PAGE;
    if (dbt_tlb_fetch(d, ALIGN_DOWN(va, PAGE_SIZE) + PAGE_SIZE, &next, &device))
        return next;
    d->frame->fault = fault;
    return DBT_NO_PAGE;
}

struct dbt_block *dbt_table_find(struct dbt_vcpu *d, uint64_t va, uint64_t gpa, bool *again)
{
    struct dbt_block *b = look_up(d, gpa, next_page(d, va, gpa));

    *again = false;
    return b ? b : translate(d, va, gpa, again);
}

/* ---- Life ---- */

/* How much memory blocks may have, by ring, and a hash for so many. A quarter of it is for blocks
 * that have code only: there are as many of them in it. */
static enum err rings_create(struct dbt_table *c)
{
    uint64_t bytes = dbt_knobs.blocks;
    unsigned regions;
    enum err e;

    if (!bytes)
        bytes = MAX(c->vm->config->memory / BLOCKS_SHARE, BLOCKS_MIN);
    bytes = MAX(bytes, 4 * DBT_RING_MIN * DBT_REGION_SIZE);
    regions = (unsigned)(MIN(bytes, REGIONS_MAX * DBT_REGION_SIZE) / DBT_REGION_SIZE);
    e = dbt_ring_create(&c->ring[RING_LOWERED], regions - regions / 4);
    if (e == ERR_OK && !dbt_ring_next(&c->ring[RING_LOWERED])->memory)
        e = ERR_NO_MEMORY; /* without any the guest cannot run */
    if (e == ERR_OK)
        e = dbt_ring_create(&c->ring[RING_EMITTED], regions / 4);
    if (e != ERR_OK)
        return e;
    while (BLOCK_BYTES << c->hash_bits < regions * DBT_REGION_SIZE)
        c->hash_bits++;
    c->hash = heap_zalloc_array(1UL << c->hash_bits, sizeof(struct dbt_block *));
    return c->hash ? ERR_OK : ERR_NO_MEMORY;
}

enum err dbt_table_create(struct dbt_table **out, struct vm *vm)
{
    struct dbt_table *c = heap_zalloc(sizeof(*c));
    enum err e;

    if (!c)
        return ERR_NO_MEMORY;
    c->vm = vm;
    c->watch.written = watch_written;
    c->epoch = c->generation = 1;
    e = rings_create(c);
    c->page_count = DIV_ROUND_UP(guest_memory_limit(vm->memory), PAGE_SIZE);
    c->is_code = heap_zalloc_array(DIV_ROUND_UP(c->page_count, 64), sizeof(uint64_t));
    c->is_writable = heap_zalloc_array(DIV_ROUND_UP(c->page_count, 64), sizeof(uint64_t));
    spin_init(&c->lock, &code_class);
    *out = c;
    if (e != ERR_OK || !c->is_code || !c->is_writable)
        return ERR_NO_MEMORY;
    guest_memory_watch(vm->memory, &c->watch);
    return ERR_OK;
}

void dbt_table_destroy(struct dbt_table *c)
{
    if (!c)
        return;
    guest_memory_watch(c->vm->memory, NULL);
    for (unsigned i = 0; i < RING_COUNT; i++)
        dbt_ring_destroy(&c->ring[i]);
    heap_free(c->hash);
    for (unsigned i = 0; i < ARRAY_SIZE(c->pages); i++) {
        struct code_page *p = c->pages[i], *next;

        for (; p; p = next) {
            next = p->hash_next;
            heap_free(p);
        }
    }
    heap_free(c->is_code);
    heap_free(c->is_writable);
    heap_free(c);
}

void dbt_table_usage(struct dbt_table *c, uint64_t *bytes, uint64_t *blocks)
{
    *bytes = sizeof(*c) + (sizeof(struct dbt_block *) << c->hash_bits);
    *blocks = READ_ONCE(c->live);
    for (unsigned i = 0; i < RING_COUNT; i++)
        *bytes += dbt_ring_bytes(&c->ring[i]);
}
