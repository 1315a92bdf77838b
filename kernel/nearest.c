/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Edit distance (insert, delete, replace, each 1) over two rows. */
#include "kernel/nearest.h"

#include <string.h>

#include "kernel/types.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned distance(const char *a, size_t la, const char *b, size_t lb)
{
    unsigned row[NEAREST_WORD_MAX + 1];
    for (unsigned j = 0; j <= lb; j++)
        row[j] = j;
    for (unsigned i = 0; i < la; i++) {
        unsigned diagonal = row[0];
        row[0] = i + 1;
        for (unsigned j = 0; j < lb; j++) {
            unsigned replace = diagonal + (lower(a[i]) != lower(b[j]));
            diagonal = row[j + 1];
            unsigned insert = row[j] + 1;
            row[j + 1]++;
            row[j + 1] = MIN(row[j + 1], insert);
            row[j + 1] = MIN(row[j + 1], replace);
        }
    }
    return row[lb];
}

void nearest_begin(struct nearest *n, const char *typed)
{
    *n = (struct nearest){.typed = typed, .distance = 3};
}

void nearest_offer(struct nearest *n, const char *word)
{
    size_t la = strlen(n->typed), lb = strlen(word);
    if (la > NEAREST_WORD_MAX || lb > NEAREST_WORD_MAX || !la)
        return;
    unsigned d = distance(n->typed, la, word, lb);
    /* Two mistakes in a short word make any other word of it. */
    if (d < n->distance && d * 2 <= la) {
        n->distance = d;
        n->best = word;
    }
}
