/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A chunk is 512 equal units and a bit map of those in use; blocks of 2^order units are taken from
 * it and put back by the buddy rule (a block is aligned to its size; the smallest free block that
 * fits is broken). The page allocator has two kinds: superframes of 512 pages and gigabytes of 512
 * superframes. A set keeps chunks in lists by the largest block that they may have. Internal to
 * mm/page.c.
 *
 * Invariants, for a word w of 64 units and an order j below 6:
 *  - if w holds a maximal free block of order j, then bit w of byte j of `candidates` is set (it
 * may also be set without one);
 *  - bit w of byte 6 is set exactly when all units of w are free;
 *  - `free` counts the zero bits of `used`.
 * So one count of trailing zeros finds the smallest block and its word, and buddies need neither
 * lists nor the free memory itself.
 */
#ifndef MM_CHUNK_H
#define MM_CHUNK_H

#include "kernel/types.h"

#define CHUNK_ORDER      9u /* of the whole chunk */
#define CHUNK_UNITS      512u
#define CHUNK_WORDS      8
#define CHUNK_WORD_ORDER 6
#define CHUNK_FREE_WORDS (8 * CHUNK_WORD_ORDER) /* bit of `candidates` where byte 6 starts */
#define CHUNK_EVERY_BYTE 0x0101010101010101ULL

struct page_cpu;

struct chunk {
    uint64_t used[CHUNK_WORDS];
    uint64_t candidates;
    struct chunk *next, *prev; /* in the list of its bucket; `next` also links spare records */
    uint64_t base;             /* physical address of unit 0 */
    struct page_cpu *owner;    /* superframes: the CPU whose set holds it; constant while one of its
                                  pages is in use */
    uint64_t *frames; /* gigabytes: a word for each superframe, or NULL while nothing needs one */
    uint16_t free;
    int8_t bucket;    /* list of the set it is on, -1 when on none */
    bool taken_whole; /* gigabytes: allocated as one block */
#if DEBUG
    uint8_t orders[CHUNK_UNITS]; /* superframes: order + 1 at the first page of each block that a
                                    caller has */
#endif
} CACHE_ALIGNED;

/* `count` low bits, count 1..64. */
static inline uint64_t low_bits(unsigned count)
{
    /* The analyzer misjudges how many words a block has: NOLINTNEXTLINE(clang-analyzer-core.*) */
    return ~0ULL >> (64 - count);
}

/* The bits of a block of `order` (at most 6) at unit 0. */
static inline uint64_t block_bits(unsigned order)
{
    static const uint64_t bits[CHUNK_WORD_ORDER + 1] = {0x1,    0x3,        0xf,  0xff,
                                                        0xffff, 0xffffffff, ~0ULL};

    return bits[order];
}

/* First units of the maximal free blocks of exactly `order` (below 6) in a word whose free units
 * are the ones of `free`. */
static inline uint64_t word_blocks(uint64_t free, unsigned order)
{
    static const uint64_t aligned[CHUNK_WORD_ORDER + 1] = {
        ~0ULL,
        0x5555555555555555,
        0x1111111111111111,
        0x0101010101010101,
        0x0001000100010001,
        0x0000000100000001,
        1,
    };
    unsigned size = 1;

    for (; size < 1u << order; size <<= 1)
        free &= free >> size;
    free &= aligned[order];
    uint64_t pairs = free & (free >> size) & aligned[order + 1];
    return free & ~(pairs | pairs << size);
}

/* The largest order among runs of free words, given byte 6 of `candidates` (not 0). */
static inline int free_words_order(unsigned words)
{
    unsigned pairs = words & (words >> 1) & 0x55;
    if (!pairs)
        return 6;
    unsigned quads = pairs & (pairs >> 2) & 0x11;
    if (!quads)
        return 7;
    return quads == 0x11 ? 9 : 8;
}

/* The first word of the smallest run of free words that holds a block of `order` (at most 8); -1
 * when there is none. */
static inline int free_words_pick(unsigned words, unsigned order)
{
    unsigned pairs = words & (words >> 1) & 0x55;
    unsigned quads = pairs & (pairs >> 2) & 0x11;
    unsigned single = words & ~(pairs * 3), pair = pairs & ~(quads * 5);

    if (order <= 6 && single)
        return __builtin_ctz(single);
    if (order <= 7 && pair)
        return __builtin_ctz(pair);
    return quads ? __builtin_ctz(quads) : -1;
}

/* The largest order that may be free: exact from 6 on, below that possibly too high; -1 when
 * nothing is free. */
static inline int chunk_ceiling(const struct chunk *c)
{
    unsigned words = c->candidates >> CHUNK_FREE_WORDS;

    if (words)
        return free_words_order(words);
    return c->candidates ? (63 - __builtin_clzll(c->candidates)) >> 3 : -1;
}

/* Takes `order` out of a free block of order `have` at `unit`; what is left becomes one block of
 * each order between. */
static inline unsigned word_take(struct chunk *c, unsigned unit, unsigned order, unsigned have)
{
    unsigned word = unit / 64;

    c->used[word] |= block_bits(order) << (unit % 64);
    c->candidates |= (((1ULL << 8 * have) - (1ULL << 8 * order)) & CHUNK_EVERY_BYTE) << word;
    c->free -= (uint16_t)(1u << order);
    return unit;
}

/* A block of `order` below 6; -1 when there is none. */
static inline int chunk_take_small(struct chunk *c, unsigned order)
{
    uint64_t wanted = (BIT(CHUNK_FREE_WORDS) - 1) & (~0ULL << 8 * order), found;

    while ((found = c->candidates & wanted) != 0) {
        unsigned bit = (unsigned)__builtin_ctzll(found), word = bit % 8;
        uint64_t blocks = word_blocks(~c->used[word], bit / 8);

        if ((blocks & (blocks - 1)) == 0)
            c->candidates &= ~BIT(bit);
        if (blocks)
            return (int)word_take(c, word * 64 + (unsigned)__builtin_ctzll(blocks), order, bit / 8);
    }
    int word = free_words_pick(c->candidates >> CHUNK_FREE_WORDS, CHUNK_WORD_ORDER);
    if (word < 0)
        return -1;
    c->candidates &= ~BIT(CHUNK_FREE_WORDS + word);
    return (int)word_take(c, (unsigned)word * 64, order, CHUNK_WORD_ORDER);
}

/* A block of order 6 to 9; -1 when there is none. */
static inline int chunk_take_words(struct chunk *c, unsigned order)
{
    unsigned count = 1u << (order - CHUNK_WORD_ORDER);
    unsigned words = c->candidates >> CHUNK_FREE_WORDS;
    int word = order == CHUNK_ORDER ? (words == 0xff ? 0 : -1) : free_words_pick(words, order);

    if (word < 0)
        return -1;
    for (unsigned i = 0; i < count; i++)
        c->used[(unsigned)word + i] = ~0ULL;
    c->candidates &= ~(low_bits(count) << (CHUNK_FREE_WORDS + word));
    c->free -= (uint16_t)(1u << order);
    return word * 64;
}

/* Takes a block of 2^order units: its first unit, -1 when there is none (chunk_ceiling() is below
 * `order` then). */
static inline int chunk_take(struct chunk *c, unsigned order)
{
    return order < CHUNK_WORD_ORDER ? chunk_take_small(c, order) : chunk_take_words(c, order);
}

/* Puts back a block of an order below 6; as chunk_put(). */
static inline int chunk_put_small(struct chunk *c, unsigned unit, unsigned order)
{
    unsigned word = unit / 64, at = unit % 64;
    uint64_t block = block_bits(order) << at;

    if (unlikely((c->used[word] & block) != block))
        return -1;
    uint64_t used = c->used[word] &= ~block;
    if (!used) {
        c->candidates &= ~(CHUNK_EVERY_BYTE << word);
        c->candidates |= BIT(CHUNK_FREE_WORDS + word);
        return free_words_order(c->candidates >> CHUNK_FREE_WORDS);
    }
    /* Ends below order 6, as some unit of the word is in use. */
    while (!(used & (block_bits(order) << (at ^ (1u << order))))) {
        at &= ~(1u << order);
        order++;
    }
    c->candidates |= BIT(8 * order + word);
    return (int)order;
}

static inline int chunk_put_words(struct chunk *c, unsigned unit, unsigned order)
{
    unsigned word = unit / 64, count = 1u << (order - CHUNK_WORD_ORDER);

    for (unsigned i = 0; i < count; i++)
        if (c->used[word + i] != ~0ULL)
            return -1;
    for (unsigned i = 0; i < count; i++)
        c->used[word + i] = 0;
    c->candidates |= low_bits(count) << (CHUNK_FREE_WORDS + word);
    return free_words_order(c->candidates >> CHUNK_FREE_WORDS);
}

/* Puts back (or gives for the first time) 2^order units from `unit`. Returns the order of the free
 * block that they are part of now (or of a larger one); -1 when some were free already. */
static inline int chunk_put(struct chunk *c, unsigned unit, unsigned order)
{
    int made = order < CHUNK_WORD_ORDER ? chunk_put_small(c, unit, order)
                                        : chunk_put_words(c, unit, order);

    if (likely(made >= 0))
        c->free += (uint16_t)(1u << order);
    return made;
}

/* Takes a block below unit `limit`, by searching; for the rare requests with an address limit. */
int chunk_take_below(struct chunk *c, unsigned order, unsigned limit);
/* All units in use, on no list. */
void chunk_init(struct chunk *c, uint64_t base);
/* Counts the maximal free blocks of each order. */
void chunk_count(const struct chunk *c, uint64_t counts[CHUNK_ORDER + 1]);

struct chunk_set {
    struct chunk *list[CHUNK_ORDER +
                       1]; /* by the largest order that they may have: chunk_ceiling() or more */
    uint32_t filled;       /* bit for each list that is not empty */
};

static inline void chunk_set_remove(struct chunk_set *set, struct chunk *c)
{
    if (c->bucket < 0)
        return;
    if (c->prev)
        c->prev->next = c->next;
    else
        set->list[c->bucket] = c->next;
    if (c->next)
        c->next->prev = c->prev;
    if (!set->list[c->bucket])
        set->filled &= ~(1u << c->bucket);
    c->bucket = -1;
}

static inline void chunk_set_insert(struct chunk_set *set, struct chunk *c, int bucket)
{
    c->bucket = (int8_t)bucket;
    if (bucket < 0)
        return;
    c->prev = NULL;
    c->next = set->list[bucket];
    if (c->next)
        c->next->prev = c;
    set->list[bucket] = c;
    set->filled |= 1u << bucket;
}

/* Moves `c` to the list of `bucket`. */
void chunk_set_move(struct chunk_set *set, struct chunk *c, int bucket);

/* Moves `c` to the list where it belongs. */
static inline void chunk_set_place(struct chunk_set *set, struct chunk *c)
{
    chunk_set_move(set, c, chunk_ceiling(c));
}

/* Takes a block from the chunk of the set that it breaks least; the first unit, and the chunk in
 * `from`. -1 when there is none. */
static inline int chunk_set_take(struct chunk_set *set, unsigned order, struct chunk **from)
{
    uint32_t lists;

    while ((lists = set->filled >> order) != 0) {
        struct chunk *c = set->list[order + (unsigned)__builtin_ctz(lists)];
        int unit = chunk_take(c, order);

        /* It may stay in a list that is too high, until it disappoints; whole chunks are told
         * apart. */
        if (unlikely(unit < 0 || c->free == 0 || c->bucket == (int)CHUNK_ORDER))
            chunk_set_place(set, c);
        if (likely(unit >= 0)) {
            *from = c;
            return unit;
        }
    }
    return -1;
}

#endif
