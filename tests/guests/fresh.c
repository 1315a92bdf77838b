/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* "fresh": the first program of a guest that has written nothing; and a sweep through all numbers
 * of system registers: what is not offered faults, what answers shows the guest's own. */
#include "tests/guests/fresh.h"

#include <stdarg.h>
#include <stdio.h>

#define ERRORS_SHOWN 10

static unsigned errors;
static uint64_t shown; /* option "show" */

void fresh_expect(uint64_t value, uint64_t expected, const char *fmt, ...)
{
    char name[32];
    va_list args;

    if (value == expected || errors++ >= shown)
        return;
    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    print("# %s is 0x%llx, should be 0x%llx\n", name, (unsigned long long)value,
          (unsigned long long)expected);
}

static const struct readable *find(uint32_t number)
{
    for (unsigned i = 0; i < fresh_readable_count; i++)
        if (number >= fresh_readable[i].first && number <= fresh_readable[i].last)
            return &fresh_readable[i];
    return NULL;
}

struct reading {
    uint32_t number;
    uint64_t value;
};

static void read_one(void *reading)
{
    struct reading *r = reading;

    r->value = fresh_read(r->number);
}

static void sweep_one(uint32_t number, unsigned *answered)
{
    const struct readable *known = find(number);
    struct reading r = {.number = number};
    struct trap t;
    char name[32];

    if (fresh_skipped(number))
        return;
    fresh_name(number, name, sizeof(name));
    if (!trap_try(read_one, &r, &t)) {
        fresh_expect(t.kind == TRAP_UNDEFINED || t.kind == TRAP_PROTECTION, true, "fault of %s",
                     name);
        return;
    }
    ++*answered;
    if (known)
        fresh_expect(r.value & ~known->ignored, known->value & ~known->ignored, "%s", name);
    else if (errors++ < shown)
        print("# %s is 0x%llx, should not be there\n", name, (unsigned long long)r.value);
}

static void run_fresh(void)
{
    unsigned answered = 0;

    shown = option_number("show", ERRORS_SHOWN);
    fresh_registers();
    check_equal(errors, 0, "every register is as the boot protocol or the manual says");
    errors = 0;
    for (unsigned i = 0; i < fresh_range_count; i++)
        for (uint32_t n = fresh_ranges[i].first;; n++) {
            sweep_one(n, &answered);
            if (n == fresh_ranges[i].last)
                break;
        }
    check_equal(errors, 0, "of all numbers those answer that belong to this machine");
    check(answered > 10, "%u registers answer", answered);
}
PROGRAM(fresh);
