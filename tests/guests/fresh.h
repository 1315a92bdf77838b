/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What a guest finds before it has written anything, and everything that it can read: neither shows
 * the host, nor a guest that ran here before. The ISA tells what its boot protocol and its manual
 * say; all else has to be zero or to fault.
 */
#ifndef TESTS_GUESTS_FRESH_H
#define TESTS_GUESTS_FRESH_H

#include "tests/guests/registers.h"

/* A register that may be read: numbers from `first` to `last`; its value but for the bits of
 * `ignored`. */
struct readable {
    uint32_t first, last;
    uint64_t value, ignored;
};
#define ANY_VALUE (~0ULL)

/* The first ten differences are printed. */
void fresh_expect(uint64_t value, uint64_t expected, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The ISA's: general, floating-point, vector and debug registers as they were at the first
 * instruction; before anything that writes them. */
void fresh_registers(void);

/* The ISA's: system registers by number. fresh_read() is called where traps are expected. */
struct fresh_range {
    uint32_t first, last;
};
extern const struct fresh_range fresh_ranges[];
extern const unsigned fresh_range_count;
extern const struct readable fresh_readable[];
extern const unsigned fresh_readable_count;
uint64_t fresh_read(uint32_t number);
/* Not to be read: it has an effect, or its value is checked elsewhere. */
bool fresh_skipped(uint32_t number);
/* As the manual writes it. */
void fresh_name(uint32_t number, char *name, size_t size);

#endif
