/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The part of the micro-guests' runtime that no ISA changes: text, results, options, start. */
#include "tests/guests/guest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_SIZE 256

extern const struct program __start_programs[], __stop_programs[];

struct guest_cpu guest_cpus[GUEST_MAX_CPUS];
void (*irq_hook)(enum irq_kind kind, unsigned number);
bool (*trap_hook)(const struct trap *t, struct trap_frame *f);
static unsigned tests, failures;

static void put_text(const char *text)
{
    for (; *text; text++)
        console_put(*text);
}

void print(const char *fmt, ...)
{
    char line[LINE_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    put_text(line);
}

static bool report(bool ok, const char *fmt, va_list args)
{
    char line[LINE_SIZE];

    vsnprintf(line, sizeof(line), fmt, args);
    failures += !ok;
    print("%s %u - ", ok ? "ok" : "not ok", ++tests);
    put_text(line);
    return ok;
}

bool check(bool ok, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    report(ok, fmt, args);
    va_end(args);
    print("\n");
    return ok;
}

bool check_equal(uint64_t actual, uint64_t expected, const char *fmt, ...)
{
    bool ok = actual == expected;
    va_list args;

    va_start(args, fmt);
    report(ok, fmt, args);
    va_end(args);
    if (!ok)
        print(" # got 0x%llx, expected 0x%llx", (unsigned long long)actual,
              (unsigned long long)expected);
    print("\n");
    return ok;
}

void skip(const char *name, const char *why)
{
    print("ok %u - %s # SKIP %s\n", ++tests, name, why);
}

/* The next word of the command line, and where it ends. */
static const char *next_word(const char *at, size_t *length)
{
    while (*at == ' ')
        at++;
    *length = strcspn(at, " \n");
    return *length ? at : NULL;
}

bool option(const char *word)
{
    size_t length;

    for (const char *w = next_word(machine_cmdline(), &length); w;
         w = next_word(w + length, &length))
        if (length == strlen(word) && memcmp(w, word, length) == 0)
            return true;
    return false;
}

uint64_t option_number(const char *name, uint64_t otherwise)
{
    size_t length, n = strlen(name);

    for (const char *w = next_word(machine_cmdline(), &length); w;
         w = next_word(w + length, &length))
        if (length > n && memcmp(w, name, n) == 0 && w[n] == '=')
            return strtoull(w + n + 1, NULL, 0);
    return otherwise;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

/* Polls with interrupts let in for a moment: what waits for a timer must not depend on it. */
bool wait_until(bool (*done)(void *arg), void *arg, uint64_t ns)
{
    uint64_t end = ticks() + ns_to_ticks(ns);
    bool ok = false;

    while (!(ok = done(arg)) && ticks() < end) {
        irq_enable();
        cpu_relax();
        irq_disable();
    }
    return ok;
}

void trap_unexpected(const struct trap *t)
{
    print("not ok %u - no unexpected trap # kind %d cause 0x%llx address 0x%llx pc 0x%llx\n",
          ++tests, (int)t->kind, (unsigned long long)t->cause, (unsigned long long)t->address,
          (unsigned long long)t->pc);
    print("# ended early\n");
    power_off();
}

/* The program that the command line's first word names. */
static const struct program *chosen_program(void)
{
    size_t length;
    const char *word = next_word(machine_cmdline(), &length);

    for (const struct program *p = __start_programs; word && p < __stop_programs; p++)
        if (strlen(p->name) == length && memcmp(p->name, word, length) == 0)
            return p;
    return NULL;
}

void guest_main(void)
{
    const struct program *p = chosen_program();

    if (!option("quiet"))
        print("micro-guest: %s\n", machine_cmdline());
    if (p)
        p->run();
    else
        print("# say which program to run, as the first word of the command line\n");
    if (tests)
        print("1..%u\n", tests);
    print("# done: %u tests, %u failed\n", tests, failures);
    power_off();
}

void guest_secondary(void)
{
    struct guest_cpu *cpu = this_cpu();

    cpu->start(cpu->arg);
    for (;;)
        irq_wait();
}
