/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* "Did you mean": the word of a list that a mistyped one is nearest to. */
#ifndef KERNEL_NEAREST_H
#define KERNEL_NEAREST_H

#include <stddef.h>

#define NEAREST_WORD_MAX 32 /* longer words match nothing */

struct nearest {
    const char *typed;
    const char *best; /* NULL: none is near enough */
    unsigned distance;
};
void nearest_begin(struct nearest *n, const char *typed);
/* Considers `word`, which must outlive `n`. */
void nearest_offer(struct nearest *n, const char *word);

#endif
