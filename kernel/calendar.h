/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Dates of the Gregorian calendar in UTC, and the seconds since 1970 that stand for them. */
#ifndef KERNEL_CALENDAR_H
#define KERNEL_CALENDAR_H

#include "kernel/types.h"

struct calendar {
    uint32_t year;     /* 1970 .. 9999 */
    uint32_t month;    /* 1 .. 12 */
    uint32_t day;      /* 1 .. 31 */
    uint32_t hour;     /* 0 .. 23 */
    uint32_t minute;   /* 0 .. 59 */
    uint32_t second;   /* 0 .. 59 */
    uint32_t week_day; /* 0 Sunday .. 6 Saturday; not read */
};

/* False, and `seconds` untouched, when `c` is no date between 1970 and 9999. */
bool calendar_to_seconds(const struct calendar *c, uint64_t *seconds);
/* What is beyond 9999 shows as its last second. */
void calendar_from_seconds(uint64_t seconds, struct calendar *c);

#endif
