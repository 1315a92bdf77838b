/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Groups of the suite that stand in files of their own, and what each ISA brings to them. */
#ifndef TESTS_GUESTS_SUITE_H
#define TESTS_GUESTS_SUITE_H

#include "tests/guests/guest.h"

void test_mmio(void);
void test_paging(void);
void test_illegal(void);
void test_debug(void);

/* The ISA's own, in tests/guests/<isa>/suite.c. */
void isa_test_exits(void);
void isa_test_timers(void);
void isa_test_mmio(void);
void isa_test_illegal(void);
/* Of pages that show the memory from `memory` on: the first at `va` is the user's, too, the second
 * the kernel's alone, the third the user's to read. */
void isa_test_user_pages(uint64_t va, uint64_t memory);

/* Breakpoints and steps: the traps come to isa_debug_trap() (as trap_hook), which notes them. */
struct debug_hit {
    uint64_t pc, cause; /* the cause as the ISA's debug.c puts it */
};
bool isa_debug_trap(const struct trap *t, struct trap_frame *f);
void isa_test_debug(void);
void debug_record(uint64_t pc, uint64_t cause);
void debug_forget(void);
/* Expects the hits since the last time to be these; or at the places of a list, of one cause. */
void check_hits(const struct debug_hit *expected, unsigned count, const char *what);
void check_places(const uint64_t *from, const uint64_t *to, uint64_t cause, const char *what);

/* For tests/guests/hostile.c: the devices' places; the console made usable again. */
void isa_hostile_targets(void (*add)(uint64_t base, uint64_t size));
void isa_console_restore(void);

/* Expects fn(arg) to trap as `kind`. */
void check_traps(void (*fn)(void *arg), void *arg, enum trap_kind kind, const char *what);
/* Expects it not to. */
void check_runs(void (*fn)(void *arg), void *arg, const char *what);

/* Page tables of the ISA: entries (all three have 512 of 8 bytes a table, leaves at 4 KiB, 2 MiB
 * and 1 GiB). Flags: */
enum { PAGE_WRITE = 1, PAGE_EXEC = 2, PAGE_OLD = 4 /* not accessed yet */, PAGE_USER = 8 };
uint64_t pte_leaf(uint64_t pa, unsigned shift, unsigned flags);
uint64_t pte_table(uint64_t pa);
uint64_t pte_address(uint64_t pte);
uint64_t *page_root(void);
void tlb_flush(void);
/* After code was written to memory. */
void instructions_changed(void);
/* Can pages be barred from execution? Are there pages of 1 GiB? */
bool page_exec_works(void);
bool page_gigabytes(void);
/* A function that returns at once. */
extern const uint8_t return_code[4];
/* Writes one that returns `value` (below 1,024), in at most 32 bytes; and one that first calls the
 * function that it is given. */
void isa_code_returns(uint8_t *at, unsigned value);
void isa_code_calls(uint8_t *at, unsigned value);

#endif
