/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Patterns in all registers, and the program that holds them while another guest holds others. */
#include "tests/guests/registers.h"

#include <stdio.h>

#define ERRORS_SHOWN 10

#define SELDOM 16 /* rounds */

static uint64_t originals[GUEST_MAX_CPUS][SYSTEM_REGISTERS_MAX];

static void save_originals(struct register_set *s)
{
    if (s->filled)
        return;
    s->filled = true;
    s->cpu = this_cpu()->id;
    for (unsigned i = 0; i < system_register_count; i++)
        originals[s->cpu][i] = system_registers[i].read();
}

void registers_fill(struct register_set *s, uint64_t seed)
{
    uint64_t state = seed;

    save_originals(s);
    for (unsigned i = 0; i < REGISTER_COUNT; i++)
        s->file.in[i] = random_next(&state);
    registers_prepare(&s->file);
    s->file.load = 1;
    for (unsigned i = 0; i < system_register_count; i++) {
        const struct system_register *r = &system_registers[i];
        uint64_t original = originals[s->cpu][i];

        r->write((original & ~r->mask) | (random_next(&state) & r->mask));
        s->system[i] = r->read();
    }
}

static void difference(struct register_set *s, const char *name, uint64_t found, uint64_t expected)
{
    if (s->errors++ < ERRORS_SHOWN)
        print("# %s is 0x%llx, was 0x%llx\n", name, (unsigned long long)found,
              (unsigned long long)expected);
}

void registers_round(struct register_set *s, uint64_t ns)
{
    uint64_t deadline = ticks() + ns_to_ticks(ns), held;
    char name[16];

    timer_set(deadline);
    registers_hold(&s->file);
    held = registers_deadline();
    if (held && held != deadline)
        difference(s, "the timer's deadline", held, deadline);
    timer_stop();
    s->file.load = 0;
    for (unsigned i = 0; i < REGISTER_COUNT; i++) {
        if (s->file.in[i] == s->file.out[i])
            continue;
        register_name(i, name, sizeof(name));
        difference(s, name, s->file.out[i], s->file.in[i]);
        s->file.load = 1;
    }
    for (unsigned i = 0; i < system_register_count; i++) {
        uint64_t now;

        if (system_registers[i].seldom && s->rounds % SELDOM != SELDOM - 1)
            continue;
        now = system_registers[i].read();
        if (now != s->system[i])
            difference(s, system_registers[i].name, now, s->system[i]);
        s->system[i] = now;
    }
    s->rounds++;
}

void registers_restore(const struct register_set *s)
{
    for (unsigned i = 0; i < system_register_count; i++)
        system_registers[i].write(originals[s->cpu][i]);
}

/* "leak": rounds=N of holding, a new pattern every 64 rounds; seed=N differs from guest to guest.
 */
static void run_leak(void)
{
    static struct register_set set;
    uint64_t rounds = option_number("rounds", 4000), seed = option_number("seed", 1);
    uint64_t ns = option_number("ns", 20000);

    set.file.spin = option_number("spin", 2000);
    for (uint64_t i = 0; i < rounds; i++) {
        if (i % 64 == 0)
            registers_fill(&set, seed * 1000003 + i);
        registers_round(&set, ns);
        if (i == 0)
            print("# holding %u registers\n", REGISTER_COUNT + system_register_count);
    }
    registers_restore(&set);
    check_equal(set.errors, 0, "%u registers stay as they were for %llu rounds",
                REGISTER_COUNT + system_register_count, (unsigned long long)rounds);
}
PROGRAM(leak);
