/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The rarely used half of chunks: see mm/chunk.h. */
#include "mm/chunk.h"

void chunk_init(struct chunk *c, uint64_t base)
{
    *c = (struct chunk){.base = base, .bucket = -1};
    for (unsigned word = 0; word < CHUNK_WORDS; word++)
        c->used[word] = ~0ULL;
}

void chunk_set_move(struct chunk_set *set, struct chunk *c, int bucket)
{
    if (bucket == c->bucket)
        return;
    chunk_set_remove(set, c);
    chunk_set_insert(set, c, bucket);
}

static bool units_free(const struct chunk *c, unsigned unit, unsigned count)
{
    for (unsigned i = unit; i < unit + count; i++)
        if (c->used[i / 64] & BIT(i % 64))
            return false;
    return true;
}

static void candidates_rebuild(struct chunk *c)
{
    c->candidates = 0;
    for (unsigned word = 0; word < CHUNK_WORDS; word++) {
        if (!c->used[word])
            c->candidates |= BIT(CHUNK_FREE_WORDS + word);
        for (unsigned order = 0; order < CHUNK_WORD_ORDER; order++)
            if (word_blocks(~c->used[word], order))
                c->candidates |= BIT(8 * order + word);
    }
}

int chunk_take_below(struct chunk *c, unsigned order, unsigned limit)
{
    unsigned count = 1u << order;

    for (unsigned unit = 0; unit + count <= MIN(limit, CHUNK_UNITS); unit += count) {
        if (!units_free(c, unit, count))
            continue;
        for (unsigned i = unit; i < unit + count; i++)
            c->used[i / 64] |= BIT(i % 64);
        candidates_rebuild(c);
        c->free -= (uint16_t)count;
        return (int)unit;
    }
    return -1;
}

void chunk_count(const struct chunk *c, uint64_t counts[CHUNK_ORDER + 1])
{
    unsigned words = 0;

    for (unsigned word = 0; word < CHUNK_WORDS; word++) {
        if (!c->used[word])
            words |= 1u << word;
        for (unsigned order = 0; order < CHUNK_WORD_ORDER; order++)
            counts[order] += (unsigned)__builtin_popcountll(word_blocks(~c->used[word], order));
    }
    while (words) {
        unsigned order = (unsigned)free_words_order(words);
        int word = order == CHUNK_ORDER ? 0 : free_words_pick(words, order);

        counts[order]++;
        words &= ~(((1u << (1u << (order - CHUNK_WORD_ORDER))) - 1) << word);
    }
}
