/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* A litmus test of tests/guests/litmus.c: either run, or send and receive. */
#ifndef TESTS_GUESTS_LITMUS_TEST_H
#define TESTS_GUESTS_LITMUS_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct litmus {
    const char *name; /* with the outcome that is looked for */
    bool allowed;
    bool (*offered)(void); /* by the CPU; NULL: by all */
    /* Stores 1 to *mine, then loads *other: 0 on both CPUs is looked for. */
    uint64_t (*run)(volatile uint64_t *mine, volatile uint64_t *other);
    /* Stores 1 to *data, then to *flag. */
    void (*send)(volatile uint64_t *data, volatile uint64_t *flag);
    /* Loads *flag, which it returns, then *data: 1 and then 0 is looked for. */
    uint64_t (*receive)(volatile uint64_t *flag, volatile uint64_t *data, uint64_t *loaded);
};

#define STORE_LOAD(id, text)                                                   \
    static uint64_t id(volatile uint64_t *mine, volatile uint64_t *other)      \
    {                                                                          \
        uint64_t loaded, scratch = 0, one = 1;                                 \
        __asm__ volatile(text                                                  \
                         : "=&r"(loaded), "+&r"(scratch)                       \
                         : "r"(one), "r"(mine), "r"(other), "r"(&litmus_third) \
                         : "memory");                                          \
        return loaded;                                                         \
    }
#define SEND(id, text)                                                                \
    static void id(volatile uint64_t *data, volatile uint64_t *flag)                  \
    {                                                                                 \
        __asm__ volatile(text : : "r"((uint64_t)1), "r"(data), "r"(flag) : "memory"); \
    }
#define RECEIVE(id, text)                                                                     \
    static uint64_t id(volatile uint64_t *flag, volatile uint64_t *data, uint64_t *loaded)    \
    {                                                                                         \
        uint64_t seen, value;                                                                 \
        __asm__ volatile(text : "=&r"(seen), "=&r"(value) : "r"(flag), "r"(data) : "memory"); \
        *loaded = value;                                                                      \
        return seen;                                                                          \
    }

/* A place that no other CPU asks for. */
static uint64_t litmus_third;

#endif
