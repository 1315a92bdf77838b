/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Group of the suite: what a guest's own debugger does, breakpoints and single steps, also over
 * instructions that the hypervisor carries out. Each ISA's part is in its debug.c. */
#include "tests/guests/suite.h"

static struct debug_hit hits[32];
static unsigned hit_count;

void debug_record(uint64_t pc, uint64_t cause)
{
    if (hit_count < ARRAY_SIZE(hits))
        hits[hit_count] = (struct debug_hit){pc, cause};
    hit_count++;
}

void debug_forget(void)
{
    hit_count = 0;
}

void check_hits(const struct debug_hit *expected, unsigned count, const char *what)
{
    unsigned i = 0;

    while (i < count && i < hit_count && hits[i].pc == expected[i].pc &&
           hits[i].cause == expected[i].cause)
        i++;
    if (!check(i == count && hit_count == count, "%s", what)) {
        print("# %u hits, not %u; the first that differs:\n", hit_count, count);
        if (i < hit_count)
            print("# at 0x%llx, cause 0x%llx\n", (unsigned long long)hits[i].pc,
                  (unsigned long long)hits[i].cause);
        if (i < count)
            print("# not at 0x%llx, cause 0x%llx\n", (unsigned long long)expected[i].pc,
                  (unsigned long long)expected[i].cause);
    }
    debug_forget();
}

void check_places(const uint64_t *from, const uint64_t *to, uint64_t cause, const char *what)
{
    struct debug_hit expected[ARRAY_SIZE(hits)];
    unsigned count = 0;

    for (; from + count < to && count < ARRAY_SIZE(hits); count++)
        expected[count] = (struct debug_hit){from[count], cause};
    check_hits(expected, count, what);
}

void test_debug(void)
{
    trap_hook = isa_debug_trap;
    isa_test_debug();
    trap_hook = NULL;
}
