/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The page allocator's start: which memory of the boot map it gets, and where its metadata lies.
 * The map comes from firmware: it may be out of order, overlap, wrap around or lie beyond what the
 * direct map reaches. Work done is by range and by gigabyte, never by page.
 */
#include "boot/boot_info.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "mm/page_internal.h"

#define MEM_COUNT_MAX 4096u /* entries of the map that are read: firmware gives about a hundred */
#define SPAN_MAX \
    TIB(16) /* RAM above this address is left out: each gigabyte below it has a record */
#define RECORDS_MAX \
    4096u /* chunk records reserved at the start: one for each superframe up to 8 GiB of memory */
#define BATCH_MAX   8u /* superframes that a CPU fetches at once, and keeps at most twice */
#define BATCH_MIN   2u
#define BATCH_SHARE 64u /* a batch is at most this fraction of all superframes */

struct range {
    uint64_t base, end;
};

/* What the start looks up again and again. */
struct boot_map {
    const struct boot_mem *mem;
    uint32_t count;
    uint64_t limit;   /* first address that is left out */
    bool tidy;        /* sorted, without overlaps */
    struct range own; /* the metadata */
};

/* Whole pages of entry `m`: inside it when it is `usable`, else covering it. Empty (base == end)
 * when there are none. */
static struct range entry_range(const struct boot_mem *m, bool usable)
{
    uint64_t last = m->size > UINT64_MAX - m->base ? UINT64_MAX : m->base + m->size;
    struct range r = {m->base, last};

    if (usable) {
        r.base = m->base > UINT64_MAX - PAGE_MASK ? UINT64_MAX & ~PAGE_MASK
                                                  : ALIGN_UP(m->base, PAGE_SIZE);
        r.end = ALIGN_DOWN(last, PAGE_SIZE);
    } else {
        r.base = ALIGN_DOWN(m->base, PAGE_SIZE);
        r.end = last > UINT64_MAX - PAGE_MASK ? UINT64_MAX & ~PAGE_MASK : ALIGN_UP(last, PAGE_SIZE);
    }
    if (r.end < r.base || m->size == 0)
        r.end = r.base;
    return r;
}

/* Entry `m` as memory for the allocator: without page 0 and what is beyond the limit. */
static struct range usable_range(const struct boot_map *map, const struct boot_mem *m)
{
    struct range r = entry_range(m, true);

    r.base = MAX(r.base, PAGE_SIZE);
    r.end = MIN(r.end, map->limit);
    if (r.end < r.base)
        r.end = r.base;
    return r;
}

static bool map_tidy(const struct boot_map *map)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < map->count; i++) {
        struct range r = entry_range(&map->mem[i], false);
        if (r.base < end)
            return false;
        end = r.end;
    }
    return true;
}

typedef void range_fn(struct range r, void *arg);

/* Where `pos` can move on to, as `cut` covers it; or the start of `cut` as a bound for `end`. */
static void clip(struct range cut, uint64_t *pos, uint64_t *end)
{
    if (cut.base == cut.end || cut.end <= *pos)
        return;
    if (cut.base <= *pos)
        *pos = cut.end;
    else
        *end = MIN(*end, cut.base);
}

/* The next piece of entry `i` from `pos` on that is not metadata and, in an untidy map, claimed
 * neither by an entry of another type nor by an earlier one of the same. Covered places move `pos`
 * and may uncover new ones: so until nothing moves. */
static struct range next_piece(const struct boot_map *map, uint32_t i, uint64_t pos, uint64_t end)
{
    uint64_t start, stop;

    do {
        start = pos;
        stop = end;
        clip(map->own, &pos, &stop);
        for (uint32_t j = 0; j < map->count && !map->tidy; j++)
            if (j < i || (j > i && map->mem[j].type != map->mem[i].type))
                clip(entry_range(&map->mem[j], false), &pos, &stop);
    } while (pos != start && pos < end);
    return (struct range){pos, pos < end ? stop : pos};
}

/* Calls `fn` for each piece of memory of `type`; no page comes twice. */
static void for_each_piece(const struct boot_map *map, enum boot_mem_type type, range_fn *fn,
                           void *arg)
{
    for (uint32_t i = 0; i < map->count; i++) {
        struct range r = usable_range(map, &map->mem[i]);

        if (map->mem[i].type != type)
            continue;
        while (r.base < r.end) {
            struct range piece = next_piece(map, i, r.base, r.end);
            if (piece.base < piece.end)
                fn(piece, arg);
            r.base = piece.end;
        }
    }
}

/* ---- Giving memory to the allocator ---- */

/* Whether no superframe of the block was given so far. */
static bool frames_fresh(struct chunk *gig, unsigned unit, unsigned order)
{
    page_gig_split(gig, FRAME_NONE);
    for (unsigned i = 0; i < 1u << (order - PAGE_ORDER_2M); i++)
        if (gig->frames[unit + i] != FRAME_NONE)
            return false;
    return true;
}

static bool give_large(uint64_t pa, unsigned order)
{
    struct chunk *gig = &page_shared.gigs[pa >> GIG_SHIFT];
    unsigned unit = (pa >> FRAME_SHIFT) % CHUNK_UNITS;

    page_shared_lock();
    bool fresh = order == PAGE_ORDER_1G ? !gig->frames : frames_fresh(gig, unit, order);
    if (fresh) {
        for (unsigned i = 0; gig->frames && i < 1u << (order - PAGE_ORDER_2M); i++)
            gig->frames[unit + i] = FRAME_FREE;
        fresh = chunk_put(gig, unit, order - PAGE_ORDER_2M) >= 0;
        chunk_set_place(&page_shared.set, gig);
    }
    page_shared_unlock();
    return fresh;
}

/* A chunk for the superframe of `pa`, no page of which was given so far; NULL when there is no
 * record. */
static bool adopt_superframe(struct page_cpu *c, uint64_t pa)
{
    uint64_t base = ALIGN_DOWN(pa, FRAME_SIZE);
    struct page_cpu *owner = base ? c : &page_low;

    spin_lock(&owner->lock);
    page_shared_lock();
    struct chunk *record = page_record_get();
    if (record)
        page_frame_adopt(owner, record, base);
    page_shared_unlock();
    spin_unlock(&owner->lock);
    return record != NULL;
}

/* Pages of a superframe that is not given whole: they are freed like any others once the superframe
 * has a chunk. */
static bool give_small(uint64_t pa, unsigned order)
{
    struct chunk *gig = &page_shared.gigs[pa >> GIG_SHIFT];

    page_shared_lock();
    page_gig_split(gig, FRAME_NONE);
    page_shared_unlock();
    struct page_cpu *c = page_cpu_this();
    bool given = (*page_frame_word(pa) & FRAME_KIND) != FRAME_NONE || adopt_superframe(c, pa);
    if (given)
        page_put_direct(pa, order);
    return given;
}

static void give_range(struct range r, void *unused)
{
    (void)unused;
    while (r.base < r.end) {
        unsigned order = MIN((unsigned)__builtin_ctzll(r.base >> PAGE_SHIFT), PAGE_ORDER_MAX);

        while (r.end - r.base < PAGE_SIZE << order)
            order--;
        uint64_t irq = host_irq_save(); /* the loader's memory comes when interrupts are on */
        bool given = order >= PAGE_ORDER_2M ? give_large(r.base, order) : give_small(r.base, order);
        host_irq_restore(irq);
        if (given)
            page_shared.total_pages += 1ULL << order;
        else
            page_shared.left_out += PAGE_SIZE << order;
        r.base += PAGE_SIZE << order;
    }
}

void page_free_range(hpa_t base, uint64_t size)
{
    struct boot_mem m = {.base = base.v, .size = size};
    struct range r = entry_range(&m, true);

    ASSERT(r.base != 0 && r.end <= page_shared.gig_count << GIG_SHIFT);
    give_range(r, NULL);
}

/* ---- Room for the metadata ---- */

struct survey {
    uint64_t end, pages, gigs, split_frames;
};

static void survey_entry(struct survey *s, struct range r)
{
    s->end = MAX(s->end, r.end);
    s->pages += (r.end - r.base) >> PAGE_SHIFT;
    s->gigs += ((r.end - 1) >> GIG_SHIFT) - (r.base >> GIG_SHIFT) + 1;
    s->split_frames += 2;
}

static bool type_is_ram(uint32_t type)
{
    return type == BOOT_MEM_USABLE || type == BOOT_MEM_LOADER || type == BOOT_MEM_FILE ||
           type == BOOT_MEM_KERNEL || type == BOOT_MEM_ACPI_RECLAIM;
}

/* All that may be given, now or later; what lies above the limit is counted as left out. */
static struct survey survey_map(const struct boot_map *map)
{
    struct survey s = {0};

    for (uint32_t i = 0; i < map->count; i++) {
        struct range all = entry_range(&map->mem[i], true), r = usable_range(map, &map->mem[i]);

        if (!type_is_ram(map->mem[i].type))
            continue;
        if (all.end > map->limit)
            page_shared.left_out += all.end - MAX(all.base, map->limit);
        if (r.base != r.end)
            survey_entry(&s, r);
    }
    return s;
}

struct room {
    uint64_t size;
    struct range best;
};

/* The smallest piece that is large enough: the large ones stay whole. */
static void room_look(struct range r, void *arg)
{
    struct room *room = arg;

    if (r.base < MIB(1))
        r.base = MIN(MIB(1), r.end);
    if (r.end - r.base < room->size)
        return;
    if (room->best.end == 0 || r.end - r.base < room->best.end - room->best.base)
        room->best = r;
}

static void reserve_metadata(struct boot_map *map, const struct survey *s)
{
    uint64_t gig_count = DIV_ROUND_UP(s->end, GIG_SIZE);
    uint64_t gigs = ALIGN_UP(gig_count * sizeof(struct chunk), PAGE_SIZE);
    uint64_t frames = MIN(s->gigs, gig_count) * PAGE_SIZE;
    uint64_t superframes = s->pages >> (FRAME_SHIFT - PAGE_SHIFT);
    uint64_t records = MIN(superframes, RECORDS_MAX) + s->split_frames + 2;
    uint64_t size = gigs + frames + ALIGN_UP(records * sizeof(struct chunk), PAGE_SIZE);
    struct room room = {.size = size};

    for_each_piece(map, BOOT_MEM_USABLE, room_look, &room);
    if (!room.best.end)
        panic("the memory map has no free run of %lu KiB for the records about memory",
              (unsigned long)(size >> 10));
    map->own = (struct range){room.best.end - size, room.best.end};
    page_shared.gigs = phys_to_virt(HPA(map->own.base));
    page_shared.gig_count = gig_count;
    page_shared.frame_words = (char *)page_shared.gigs + gigs;
    page_shared.frame_words_end = page_shared.frame_words + frames;
    page_shared.records = page_shared.frame_words_end;
    page_shared.records_end = page_shared.records + records * sizeof(struct chunk);
    page_shared.metadata = size;
    uint64_t batch = MIN(superframes / BATCH_SHARE, BATCH_MAX);
    page_shared.batch = (unsigned)MAX(batch, BATCH_MIN);
    for (uint64_t i = 0; i < gig_count; i++)
        chunk_init(&page_shared.gigs[i], i << GIG_SHIFT);
}

/* ---- The interface ---- */

/* Memory to release later is noted at the start: the map lies in it. */
#define LOADER_PIECES 64
static struct range loader_piece[LOADER_PIECES];
static unsigned loader_pieces;

static void note_loader_piece(struct range r, void *unused)
{
    (void)unused;
    if (loader_pieces < LOADER_PIECES)
        loader_piece[loader_pieces++] = r;
}

static void report(const struct boot_info *info, const struct boot_map *map)
{
    if (info->mem_count > MEM_COUNT_MAX)
        log_warn("memory map: %u entries, only the first %u are used", info->mem_count,
                 MEM_COUNT_MAX);
    if (!map->tidy)
        log_warn("memory map: out of order or overlapping; memory claimed twice is not used");
    if (page_shared.left_out)
        log_warn("%lu MiB of memory above %lu GiB are not used: this CPU's page tables do not "
                 "reach them",
                 (unsigned long)(page_shared.left_out >> 20), (unsigned long)(map->limit >> 30));
}

void page_init(const struct boot_info *info)
{
    page_direct_map_base = info->direct_map_base;
    struct boot_map map = {
        .mem = phys_to_virt(HPA(info->mem)),
        .count = MIN(info->mem_count, MEM_COUNT_MAX),
        .limit = ALIGN_DOWN(MIN(info->direct_map_size, SPAN_MAX), PAGE_SIZE),
    };
    map.tidy = map_tidy(&map);
    struct survey s = survey_map(&map);

    page_cpu_init(&page_low);
    reserve_metadata(&map, &s);
    for_each_piece(&map, BOOT_MEM_LOADER, note_loader_piece, NULL);
    for_each_piece(&map, BOOT_MEM_USABLE, give_range, NULL);
    report(info, &map);
}

void page_release_loader(void)
{
    for (unsigned i = 0; i < loader_pieces; i++)
        give_range(loader_piece[i], NULL);
    loader_pieces = 0;
}
