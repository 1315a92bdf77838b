/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Filling every register that belongs to a vCPU, and looking whether it is still the same. General
 * and floating-point registers are held by assembly across one wait; the system registers, which no
 * compiler touches, are written and compared by C.
 */
#ifndef TESTS_GUESTS_REGISTERS_H
#define TESTS_GUESTS_REGISTERS_H

#include "tests/guests/guest.h"

/* Offsets are known to registers.S of each ISA; REGISTER_COUNT comes from machine.h. */
struct register_file {
    uint64_t spin; /* loops after the wait, for a chance to be preempted there */
    uint64_t load; /* floating-point registers: 0: those of the last round are still there */
    uint64_t sp;
    uint64_t vector; /* wide vector registers may be used */
    uint64_t in[REGISTER_COUNT], out[REGISTER_COUNT];
};

/* Stores the floating-point part of out[]; registers_prepare() came before. */
void registers_store(struct register_file *f);
/* Loads all registers from in[], waits once for an interrupt (which the caller has arranged),
 * spins, stores them to out[]. Interrupts are masked before and after. */
void registers_hold(struct register_file *f);

/* The ISA's part. registers_prepare(): makes in[] what the registers can hold (control words), and
 * 0 what is not tested. */
void registers_prepare(struct register_file *f);
void register_name(unsigned i, char *name, size_t size);

/* The deadline that timer_set() wrote, as the timer has it; 0 where that cannot be read. */
uint64_t registers_deadline(void);

struct system_register {
    const char *name;
    uint64_t mask; /* bits that may be changed freely */
    uint64_t (*read)(void);
    void (*write)(uint64_t value);
    bool seldom; /* reading it costs an exit: compared in some rounds only */
};
extern const struct system_register system_registers[];
extern const unsigned system_register_count;
#define SYSTEM_REGISTERS_MAX 160

/* read_ID() and write_ID() of a register that may be absent, where it reads as 0: for
 * system_registers[]. That is asked once, while traps can be taken. */
#define OPTIONAL_REGISTER(id, where, READ, WRITE)                    \
    static void try_##id(void *unused)                               \
    {                                                                \
        (void)unused;                                                \
        (void)READ(where);                                           \
    }                                                                \
    static bool has_##id(void)                                       \
    {                                                                \
        static enum { UNKNOWN, ABSENT, PRESENT } state;              \
        struct trap t;                                               \
                                                                     \
        if (state == UNKNOWN)                                        \
            state = trap_try(try_##id, NULL, &t) ? PRESENT : ABSENT; \
        return state == PRESENT;                                     \
    }                                                                \
    static uint64_t read_##id(void)                                  \
    {                                                                \
        return has_##id() ? READ(where) : 0;                         \
    }                                                                \
    static void write_##id(uint64_t value)                           \
    {                                                                \
        if (has_##id())                                              \
            WRITE(where, value);                                     \
    }

/* A set of patterns, all from one seed, and what became of them. */
struct register_set {
    struct register_file file;
    uint64_t system[SYSTEM_REGISTERS_MAX]; /* as read back after writing */
    uint64_t seed, rounds;
    unsigned errors;
    bool filled; /* `cpu` is known: what tells it may hold a pattern by now */
    uint64_t cpu;
};
void registers_fill(struct register_set *s, uint64_t seed);
/* One wait of `ns`, then all are compared: each difference is printed ("# ..."), the first ten. */
void registers_round(struct register_set *s, uint64_t ns);
/* Back to what C and the rest of the program expect. */
void registers_restore(const struct register_set *s);

#endif
