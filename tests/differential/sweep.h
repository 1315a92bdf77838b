/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A decoder against its table, for all words of 32 bits or every Nth of them: what the decoder says
 * is the first line that the word matches, found here without its look-up tables; and of two lines
 * that share a word the first one is the more special.
 */
#ifndef TESTS_DIFFERENTIAL_SWEEP_H
#define TESTS_DIFFERENTIAL_SWEEP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/types.h"

struct sweep_line {
    const char *name;
    uint32_t mask, match;
};

struct sweep {
    const struct sweep_line *lines;
    unsigned line_count;
    unsigned (*decode)(uint32_t word); /* a line; line_count: none */
    unsigned (*key)(uint32_t word);    /* SWEEP_KEY_BITS of its bits, */
    uint32_t key_mask;                 /* these */
    const char *before; /* the line that stands before others for a reason of its own; or NULL */
    /* May its operands make a word illegal, too? NULL: none's. */
    bool (*checks_more)(unsigned line);
};

#define SWEEP_KEY_BITS 17
#define SWEEP_KEYS     (1u << SWEEP_KEY_BITS)
#define SWEEP_AT_ONCE  2 /* processes */

/* Lines by key, one list after the other. */
static uint32_t sweep_start[SWEEP_KEYS + 1];
static uint16_t *sweep_lists;

/* The lines that words with these bits may be; `list` NULL: only how many. */
static unsigned sweep_list(const struct sweep *s, uint32_t bits, uint16_t *list)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->line_count; i++) {
        if ((bits ^ s->lines[i].match) & s->lines[i].mask & s->key_mask)
            continue;
        if (list)
            list[n] = (uint16_t)i;
        n++;
    }
    return n;
}

static void sweep_prepare(const struct sweep *s)
{
    static uint32_t bits[SWEEP_KEYS]; /* of each key */
    uint32_t w = 0;

    for (unsigned i = 0; i < SWEEP_KEYS; i++) {
        bits[s->key(w)] = w;
        w = ((w | ~s->key_mask) + 1) & s->key_mask;
    }
    for (unsigned k = 0; k < SWEEP_KEYS; k++)
        sweep_start[k + 1] = sweep_start[k] + sweep_list(s, bits[k], NULL);
    sweep_lists = calloc(sweep_start[SWEEP_KEYS], sizeof(*sweep_lists));
    if (!sweep_lists)
        abort();
    for (unsigned k = 0; k < SWEEP_KEYS; k++)
        sweep_list(s, bits[k], sweep_lists + sweep_start[k]);
}

static unsigned sweep_find(const struct sweep *s, uint32_t word)
{
    unsigned k = s->key(word);

    for (unsigned i = sweep_start[k]; i < sweep_start[k + 1]; i++)
        if ((word & s->lines[sweep_lists[i]].mask) == s->lines[sweep_lists[i]].match)
            return sweep_lists[i];
    return s->line_count;
}

/* Words that were decoded otherwise. */
static unsigned sweep_words(const struct sweep *s, uint64_t from, uint64_t step)
{
    unsigned wrong = 0;

    for (uint64_t w = from; w < BIT(32); w += step) {
        unsigned wanted = sweep_find(s, (uint32_t)w), got = s->decode((uint32_t)w);

        if (got == wanted || (got == s->line_count && s->checks_more && s->checks_more(wanted)))
            continue;
        if (wrong++ < 10)
            printf("%08x: decoded as %s, and the table says %s\n", (uint32_t)w,
                   got < s->line_count ? s->lines[got].name : "nothing",
                   wanted < s->line_count ? s->lines[wanted].name : "nothing");
    }
    return wrong;
}

static unsigned sweep_overlaps(const struct sweep *s)
{
    unsigned wrong = 0;

    for (unsigned j = 0; j < s->line_count; j++) {
        for (unsigned i = 0; i < j; i++) {
            const struct sweep_line *a = &s->lines[i], *b = &s->lines[j];

            if ((a->match ^ b->match) & a->mask & b->mask || (a->mask | b->mask) == a->mask ||
                (s->before && strcmp(a->name, s->before) == 0))
                continue;
            printf("%s and %s share words, and the first one is not the more special\n", a->name,
                   b->name);
            wrong++;
        }
    }
    return wrong;
}

/* Each `step`th word; the process's exit code. */
static int sweep_run(const struct sweep *s, uint64_t step)
{
    unsigned wrong = sweep_overlaps(s);
    int status;

    for (unsigned i = 0; i < s->line_count; i++)
        wrong += (s->lines[i].match & ~s->lines[i].mask) != 0;
    sweep_prepare(s);
    fflush(stdout);
    for (unsigned i = 0; i < SWEEP_AT_ONCE; i++)
        if (fork() == 0) {
            unsigned bad = sweep_words(s, i * step, SWEEP_AT_ONCE * step);

            fflush(stdout);
            _exit(bad != 0);
        }
    for (unsigned i = 0; i < SWEEP_AT_ONCE; i++)
        wrong += wait(&status) < 0 || status != 0;
    printf("decoder: %llu words against %u lines of the table: %s\n",
           (unsigned long long)(BIT(32) / step), s->line_count, wrong ? "differ" : "equal");
    return wrong != 0;
}

#endif
