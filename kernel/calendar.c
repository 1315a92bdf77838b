/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Calendar arithmetic. Years are counted from March, so that the leap day is the last one: then the
 * months have 31 30 31 30 31, 31 30 31 30 31, 31 28 or 29 days, and day numbers are closed
 * formulas.
 */
#include "kernel/calendar.h"

#define SECONDS_PER_DAY 86400
#define YEAR_FIRST      1970
#define YEAR_LAST       9999
#define DAYS_TO_1970    719468 /* from 0000-03-01 */
#define DAYS_PER_400    146097
#define MONTHS          12
#define WEEK_DAY_1970   4               /* a Thursday */
#define SECONDS_LAST    253402300799ULL /* 9999-12-31 23:59:59 */

static bool leap_year(uint32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint32_t month_days(uint32_t year, uint32_t month)
{
    static const uint8_t days[MONTHS] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && leap_year(year) ? 1 : 0);
}

/* Days of the year that began in March before month `m` (0 March .. 11 February). */
static uint64_t days_before_month(uint64_t m)
{
    return (153 * m + 2) / 5;
}

/* Days of `years` whole years, leap days included. */
static uint64_t days_of_years(uint64_t years)
{
    return years * 365 + years / 4 - years / 100 + years / 400;
}

bool calendar_to_seconds(const struct calendar *c, uint64_t *seconds)
{
    uint64_t year, month, days;

    if (c->year < YEAR_FIRST || c->year > YEAR_LAST || c->month < 1 || c->month > MONTHS ||
        c->day < 1 || c->day > month_days(c->year, c->month) || c->hour > 23 || c->minute > 59 ||
        c->second > 59)
        return false;
    year = c->month > 2 ? c->year : c->year - 1;
    month = c->month > 2 ? c->month - 3 : c->month + 9;
    days = days_of_years(year) + days_before_month(month) + c->day - 1 - DAYS_TO_1970;
    *seconds = ((days * 24 + c->hour) * 60 + c->minute) * 60 + c->second;
    return true;
}

void calendar_from_seconds(uint64_t seconds, struct calendar *c)
{
    uint64_t days, year, rest, month;

    seconds = MIN(seconds, SECONDS_LAST);
    days = seconds / SECONDS_PER_DAY + DAYS_TO_1970;
    year = days * 400 / DAYS_PER_400; /* this one or the one before */
    while (days_of_years(year + 1) <= days)
        year++;
    while (days_of_years(year) > days)
        year--;
    rest = days - days_of_years(year);
    month = (5 * rest + 2) / 153;
    *c = (struct calendar){
        .year = (uint32_t)(month < 10 ? year : year + 1),
        .month = (uint32_t)(month < 10 ? month + 3 : month - 9),
        .day = (uint32_t)(rest - days_before_month(month) + 1),
        .hour = (uint32_t)(seconds / 3600 % 24),
        .minute = (uint32_t)(seconds / 60 % 60),
        .second = (uint32_t)(seconds % 60),
        .week_day = (uint32_t)((seconds / SECONDS_PER_DAY + WEEK_DAY_1970) % 7),
    };
}
