/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What compare.c needs of a guest ISA: its random cases, and their state in the frame. */
#ifndef TESTS_DIFFERENTIAL_COMPARE_H
#define TESTS_DIFFERENTIAL_COMPARE_H

#include "dbt/frontend.h"
#include "dbt/interp.h"
#include "tests/differential/case.h"

/* What C code made of an instruction. */
enum case_next { CASE_GOES_ON, CASE_TRAPS, CASE_FAULTS, CASE_ILLEGAL };

struct guest_cases {
    const struct dbt_frontend *frontend;
    uint64_t features;
    uint64_t address_bits; /* that count */
    uint64_t fault_bits;   /* of a faulting address: that qemu-user is held to */
    uint32_t breakpoint;   /* the instruction that ends a case */
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

#endif
