/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Disks in memory: see kernel/disk.h. Pieces are found through tables of one page each, made at the
 * first write. The word of a piece holds the address of its memory, how many use it now, and
 * whether it reads as zero although the base has bytes there.
 */
#include "kernel/disk.h"

#include <string.h>

#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "mm/page.h"

#define TABLE_WORDS (PAGE_SIZE / sizeof(uint64_t))
#define TABLE_SPAN  (TABLE_WORDS * DISK_PIECE_SIZE) /* bytes of disk behind one table */

#define WORD_ZERO    1ull /* no memory, and the base does not show */
#define WORD_USER    2ull /* one user; there are fewer users than queues of guests */
#define WORD_ADDRESS (~(uint64_t)(DISK_PIECE_SIZE - 1))
#define WORD_USERS   (~WORD_ADDRESS & ~WORD_ZERO)

struct disk {
    const struct config_disk *config;
    const struct vm *vm; /* whose changes these are; NULL: a read-only disk's */
    bool open;
    uint64_t size;
    char *base;         /* NULL: none */
    uint64_t base_size; /* bytes that may be read; written too when `in_place` */
    bool in_place;
    uint64_t **tables; /* TABLE_SPAN bytes each; entries atomic, once set */
    uint64_t table_count;
    uint64_t pieces; /* atomic: how many have memory */
    struct disk *next;
};

LOCK_CLASS(disk_list_class, "disks", RANK_DISK_LIST);
static struct spinlock list_lock = SPINLOCK_INIT(&disk_list_class);
static struct disk *disks; /* open, and closed but kept */

/* ---- Pieces ---- */

static void piece_free(struct disk *d, uint64_t address)
{
    memset(phys_to_virt(HPA(address)), 0, DISK_PIECE_SIZE);
    page_free(HPA(address), DISK_PIECE_ORDER);
    __atomic_fetch_sub(&d->pieces, 1, __ATOMIC_RELAXED);
}

/* The word of the piece at `offset`; NULL where nothing was written yet. */
static uint64_t *word_peek(struct disk *d, uint64_t offset)
{
    uint64_t *table = __atomic_load_n(&d->tables[offset / TABLE_SPAN], __ATOMIC_ACQUIRE);

    return table ? &table[offset / DISK_PIECE_SIZE % TABLE_WORDS] : NULL;
}

/* The same, with a table made if need be; NULL: no memory. */
static uint64_t *word_touch(struct disk *d, uint64_t offset)
{
    uint64_t **slot = &d->tables[offset / TABLE_SPAN], *none = NULL;

    if (!word_peek(d, offset)) {
        hpa_t page = page_alloc(0, PAGE_ZERO);
        if (!page.v)
            return NULL;
        if (!__atomic_compare_exchange_n(slot, &none, (uint64_t *)phys_to_virt(page), false,
                                         __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            page_free(page, 0);
    }
    return word_peek(d, offset);
}

/* Counts a user in, when there is memory: returns its address, else 0 with the word in `*seen`. */
static uint64_t word_use(uint64_t *word, uint64_t *seen)
{
    uint64_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);

    do {
        *seen = old;
        if (!(old & WORD_ADDRESS))
            return 0;
    } while (!__atomic_compare_exchange_n(word, &old, old + WORD_USER, false, __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE));
    return old & WORD_ADDRESS;
}

/* New memory with what the disk holds there: zeroes, or bytes of the base. */
static uint64_t piece_make(struct disk *d, uint64_t offset, uint64_t word)
{
    hpa_t piece = page_alloc(DISK_PIECE_ORDER, PAGE_ZERO);
    uint64_t start = offset & WORD_ADDRESS;

    if (!piece.v)
        return 0;
    if (!(word & WORD_ZERO) && start < d->base_size)
        memcpy(phys_to_virt(piece), d->base + start,
               MIN(d->base_size - start, (uint64_t)DISK_PIECE_SIZE));
    __atomic_fetch_add(&d->pieces, 1, __ATOMIC_RELAXED);
    return piece.v;
}

/* Counts a user in, with memory made if need be; 0: there is none. */
static uint64_t word_use_writable(struct disk *d, uint64_t *word, uint64_t offset)
{
    for (;;) {
        uint64_t seen, address = word_use(word, &seen);

        if (address)
            return address;
        address = piece_make(d, offset, seen);
        if (!address)
            return 0;
        if (__atomic_compare_exchange_n(word, &seen, address + WORD_USER, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return address;
        piece_free(d, address);
    }
}

/* Gives a piece's memory back, unless somebody uses it: false. What it reads as then is zero. */
static bool word_clear(struct disk *d, uint64_t *word, bool over_base)
{
    uint64_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);

    if (old & WORD_USERS)
        return false;
    if (!__atomic_compare_exchange_n(word, &old, over_base ? WORD_ZERO : 0, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    if (old & WORD_ADDRESS)
        piece_free(d, old & WORD_ADDRESS);
    return true;
}

/* ---- Spans ---- */

static bool in_base(const struct disk *d, uint64_t offset)
{
    return offset < d->base_size;
}

static void span_in_base(struct disk *d, uint64_t offset, uint64_t size, struct disk_span *s)
{
    *s = (struct disk_span){.data = d->base + offset, .length = MIN(size, d->base_size - offset)};
}

static uint64_t to_piece_end(uint64_t offset, uint64_t size)
{
    return MIN(size, DISK_PIECE_SIZE - offset % DISK_PIECE_SIZE);
}

static void span_in_piece(uint64_t address, uint64_t offset, uint64_t size, uint64_t *word,
                          struct disk_span *s)
{
    char *piece = phys_to_virt(HPA(address));

    *s = (struct disk_span){.data = piece + offset % DISK_PIECE_SIZE,
                            .length = to_piece_end(offset, size),
                            .word = word};
}

void disk_read_begin(struct disk *d, uint64_t offset, uint64_t size, struct disk_span *s)
{
    uint64_t *word = d->in_place && in_base(d, offset) ? NULL : word_peek(d, offset);
    uint64_t seen = 0, address = word ? word_use(word, &seen) : 0;

    if (address)
        span_in_piece(address, offset, size, word, s);
    else if (in_base(d, offset) && !(seen & WORD_ZERO))
        span_in_base(d, offset, d->in_place ? size : to_piece_end(offset, size), s);
    else
        *s = (struct disk_span){.length = to_piece_end(offset, size)};
}

enum err disk_write_begin(struct disk *d, uint64_t offset, uint64_t size, struct disk_span *s)
{
    if (d->in_place && in_base(d, offset)) {
        span_in_base(d, offset, size, s);
        return ERR_OK;
    }
    uint64_t *word = word_touch(d, offset);
    uint64_t address = word ? word_use_writable(d, word, offset) : 0;
    if (!address)
        return ERR_NO_MEMORY;
    span_in_piece(address, offset, size, word, s);
    return ERR_OK;
}

void disk_span_end(struct disk_span *s)
{
    if (s->word)
        __atomic_fetch_sub(s->word, WORD_USER, __ATOMIC_RELEASE);
}

/* Zeroes a range within one piece, or within what is written in place; returns how much of it. */
static enum err zero_some(struct disk *d, uint64_t offset, uint64_t size, uint64_t *done)
{
    bool whole = offset % DISK_PIECE_SIZE == 0 && size >= DISK_PIECE_SIZE;
    bool over_base = in_base(d, offset);
    struct disk_span s;
    enum err e;

    disk_read_begin(d, offset, size, &s);
    disk_span_end(&s);
    *done = s.length;
    if (!s.data)
        return ERR_OK;
    if (whole && !(d->in_place && over_base)) {
        uint64_t *word = word_touch(d, offset);
        if (!word)
            return ERR_NO_MEMORY;
        if (word_clear(d, word, over_base))
            return ERR_OK;
    }
    e = disk_write_begin(d, offset, s.length, &s);
    if (e != ERR_OK)
        return e;
    memset(s.data, 0, s.length);
    *done = s.length;
    disk_span_end(&s);
    return ERR_OK;
}

enum err disk_zero(struct disk *d, uint64_t offset, uint64_t size)
{
    enum err e = ERR_OK;

    for (uint64_t done; size && e == ERR_OK; offset += done, size -= done)
        e = zero_some(d, offset, size, &done);
    return e;
}

/* ---- Opening and closing ---- */

uint64_t disk_size(const struct disk *d)
{
    return d->size;
}

bool disk_is_read_only(const struct disk *d)
{
    return d->config->mode == CONFIG_DISK_READ_ONLY;
}

uint64_t disk_written(const struct disk *d)
{
    return __atomic_load_n(&d->pieces, __ATOMIC_RELAXED) * DISK_PIECE_SIZE;
}

static void disk_free(struct disk *d)
{
    for (uint64_t i = 0; d->tables && i < d->table_count; i++) {
        for (unsigned w = 0; d->tables[i] && w < TABLE_WORDS; w++)
            if (d->tables[i][w] & WORD_ADDRESS)
                piece_free(d, d->tables[i][w] & WORD_ADDRESS);
        if (d->tables[i])
            page_free(virt_to_phys(d->tables[i]), 0);
    }
    heap_free(d->tables);
    heap_free(d);
}

/* Takes over the disk's file; the loader has filled its last page with zeroes. */
static enum err disk_take_file(struct disk *d, struct vm *vm)
{
    const void *data;
    size_t size;

    if (!d->config->file)
        return ERR_OK;
    if (!vm_file(vm, "disk image", d->config->file, &data, &size))
        return ERR_NOT_FOUND;
    if (d->size && d->size < size) {
        vm_fail(vm,
                "its disk %s is smaller than the file %s, which has %llu bytes: change size in "
                "[disk %s]",
                d->config->name, d->config->file, (unsigned long long)size, d->config->name);
        return ERR_INVALID;
    }
    d->base = (char *)(uintptr_t)data; /* this disk's alone when it is written to */
    d->base_size = ALIGN_UP((uint64_t)size, PAGE_SIZE);
    d->in_place = d->config->mode == CONFIG_DISK_READ_WRITE;
    if (!d->size)
        d->size = ALIGN_UP((uint64_t)size, DISK_SECTOR);
    return ERR_OK;
}

static enum err disk_make(struct disk **out, const struct config_disk *config, struct vm *vm)
{
    struct disk *d = heap_zalloc(sizeof(*d));

    if (!d)
        return ERR_NO_MEMORY;
    d->config = config;
    d->vm = vm;
    d->size = config->size;
    enum err e = disk_take_file(d, vm);
    if (e == ERR_OK) {
        d->table_count = (d->size + TABLE_SPAN - 1) / TABLE_SPAN;
        d->tables = heap_zalloc_array(d->table_count, sizeof(*d->tables));
        e = d->tables ? ERR_OK : ERR_NO_MEMORY;
    }
    if (e != ERR_OK) {
        disk_free(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

/* The one that was kept, marked as open; NULL: there is none. */
static struct disk *open_kept(const struct config_disk *config, const struct vm *vm)
{
    struct disk *d;

    spin_lock(&list_lock);
    for (d = disks; d; d = d->next)
        if (d->config == config && d->vm == vm && !d->open)
            break;
    if (d)
        d->open = true;
    spin_unlock(&list_lock);
    return d;
}

enum err disk_open(struct disk **out, const struct config_disk *config, struct vm *vm)
{
    *out = open_kept(config, vm);
    if (*out)
        return ERR_OK;
    enum err e = disk_make(out, config, vm);
    if (e != ERR_OK)
        return e;
    (*out)->open = true;
    spin_lock(&list_lock);
    (*out)->next = disks;
    disks = *out;
    spin_unlock(&list_lock);
    return ERR_OK;
}

static void unlink_disk(const struct disk *d)
{
    struct disk **link = &disks;

    while (*link != d)
        link = &(*link)->next;
    *link = d->next;
}

void disk_close(struct disk *d, bool keep)
{
    if (!d)
        return;
    keep |= d->config->mode == CONFIG_DISK_READ_WRITE;
    spin_lock(&list_lock);
    d->open = false;
    if (!keep)
        unlink_disk(d);
    spin_unlock(&list_lock);
    if (!keep)
        disk_free(d);
}
