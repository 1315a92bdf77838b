/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The interpreter: a unit is lowered once to threaded code and run many times. It is the reference
 * for every emitter, and what runs where there is none.
 *
 * Threaded code works on cells of the frame: a `get` costs nothing (its value is the slot's own
 * cell) unless the slot changes while the value lives, and a `set` nothing when it can be made in
 * place.
 */
#ifndef DBT_INTERP_H
#define DBT_INTERP_H

#include "dbt/frame.h"
#include "dbt/softfloat.h"

struct interp_op {
    uint16_t handler;
    uint16_t dst, a, b, c; /* cells of the frame, from its start */
    uint8_t attr, attr2;
    int32_t disp;
    int64_t imm;
};

struct interp_unit {
    struct interp_op *ops;
    unsigned count;
};

/* A C function of a guest's that units call by its number. */
struct dbt_helper {
    uint64_t (*call)(struct dbt_frame *f, uint64_t a, uint64_t b, uint64_t c);
    const char *name; /* for statistics */
};
#define DBT_HELPERS_MAX 16

/* What running needs of the guest. */
struct interp_guest {
    const struct dbt_helper *helpers;
    enum dbt_fp_policy fp;
};

/* Cells of values begin behind the slots of the dialect: bytes of a frame that runs its units. */
size_t interp_frame_size(const struct dbt_dialect *dialect);

/* The first of those cells, from the frame's start: emitted code moves whole vectors there. */
#define INTERP_CELLS_ALIGN 16u /* bytes */
unsigned interp_first_cell(const struct dbt_dialect *dialect);

/* What lowering needs besides: one for each translating thread. NULL: no memory. */
struct interp_scratch;
struct interp_scratch *interp_scratch_create(void);
void interp_scratch_destroy(struct interp_scratch *s);

/* Lowers a well-formed unit into `ops` (room for `capacity`). ERR_RANGE: no room; ERR_UNSUPPORTED:
 * it passes vectors between blocks, or has a constant one. */
enum err interp_lower(struct interp_scratch *s, const struct ir_unit *u, struct interp_op *ops,
                      unsigned capacity, struct interp_unit *out) MUST_CHECK;
/* One operation that is not about control, its operands and its result in cells of the frame
 * (the result's is the last of the four), and an end. A fault leaves pc and count alone but for
 * what instruction 0 at the page base adds. */
void interp_single(const struct ir_op *op, const uint16_t cells[4], struct interp_op out[2]);
/* Runs it on `f` until it leaves. */
enum dbt_exit interp_run(struct dbt_frame *f, const struct interp_unit *u,
                         const struct interp_guest *guest);

#endif
