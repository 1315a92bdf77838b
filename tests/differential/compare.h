/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What compare.c needs of a guest ISA: its random cases, and their state in the frame. */
#ifndef TESTS_DIFFERENTIAL_COMPARE_H
#define TESTS_DIFFERENTIAL_COMPARE_H

#include "dbt/frontend.h"
#include "dbt/interp.h"
#include "tests/differential/case.h"

/* What QEMU does otherwise than the specification says, or leaves unsaid: all that is not compared
 * because of it. One line each in departures.def. */
enum departure {
#define DEPARTURE(id, guest, where, what) QEMU_##id,
#include "tests/differential/departures.def"
    DEPARTURE_COUNT
};
/* True; counts how often a case was changed, or a difference let pass, for this one. */
bool departs(enum departure d);

/* What C code made of an instruction. */
enum case_next { CASE_GOES_ON, CASE_TRAPS, CASE_FAULTS, CASE_ILLEGAL };

/* A case with a name: one instruction, what it works on, and what the specification says of it. */
struct named_case {
    const char *name;
    uint32_t word;
    uint64_t control;       /* as `control` of the case, the entry that enables and rounds */
    uint64_t operands[3];   /* of registers 1 to 3 of floating point */
    uint64_t result, flags; /* register 0 of floating point; sticky flags */
};

struct guest_cases {
    const struct dbt_frontend *frontend;
    uint64_t features;
    uint64_t address_bits; /* that count */
    /* Of the address of a fault by instruction `word`: what qemu-user is held to. */
    uint64_t (*fault_bits)(uint32_t word);
    /* May a store by `word` that faults have stored what lies before the fault? NULL: none may. */
    bool (*stores_in_parts)(uint32_t word);
    /* Makes equal in `a` and `b` what a load by `word` that faulted may leave; NULL: nothing. */
    void (*forget_loaded)(uint32_t word, struct case_state *a, const struct case_state *b);
    uint32_t breakpoint; /* the instruction that ends a case */
    unsigned (*length)(const unsigned char *insn);
    /* Lines of the guest's table: which one a word is (line_count: none), its name, and whether
     * cases like those that were made have it. */
    unsigned line_count;
    unsigned (*line)(uint32_t word);
    const char *(*line_name)(unsigned line);
    bool (*line_wanted)(unsigned line);
    struct interp_guest interp;
    const char *disassemble; /* the command for people */
    /* Fills `in`, which is zeroed, with random case `number`. `set`: the name of a part of the
     * instructions, or NULL. */
    void (*make)(struct case_in *in, unsigned number, const char *set);
    /* Named cases; how one becomes a case, and its result and flags in what came out. */
    const struct named_case *named;
    unsigned named_count;
    void (*make_named)(struct case_in *in, const struct named_case *n);
    void (*result)(const struct case_out *out, uint64_t *result, uint64_t *flags);
    uint32_t (*mode)(const struct case_in *in);
    /* To the frame and back; pc is done. */
    void (*enter)(const struct case_in *in, struct dbt_frame *frame);
    void (*leave)(const struct case_in *in, const struct dbt_frame *frame, struct case_out *out);
    /* A unit faulted at this instruction; NULL: CASE_FAULTS. */
    enum case_next (*faulted)(struct dbt_frame *frame, uint32_t word);
    /* The instruction at frame->pc, which the unit left to C code. */
    enum case_next (*interpret)(struct dbt_frame *frame, uint32_t word);
};
extern const struct guest_cases guest_cases;

uint64_t random64(void);
unsigned below(unsigned n);
/* Integers and pairs of floats or doubles that meet edges. */
uint64_t random_value(void);
uint64_t random_float(void);
/* An address for a base register of `in`: often near the end of a page whose rights end there. */
uint64_t random_base(const struct case_in *in, unsigned align);
/* Are there pages in `in` that may not be written? */
bool has_bad_pages(const struct case_in *in);

#endif
