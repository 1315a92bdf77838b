/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Which slots of a guest live in which registers: one table per guest, by the slots' names. */
#include "arch/x86_64/emit/emit.h"

struct pin {
    const char *slot;
    uint8_t reg;
};

#define FIRST_FP 3 /* xmm0 to xmm2 are scratch */
#define FP_COUNT 16

static const uint8_t general[] = {RDI, RSI, RBX, R8, R9, R10, R11, R12, R13, R14, R15};

/* The registers that compilers for RISC-V use most: a0 to a6, ra, sp, s0, s1; fa0 to fa7, ft0 to
 * ft2, fs0, fs1. */
static const char *const riscv64[] = {"x10", "x11", "x12", "x13", "x14", "x15",
                                      "x16", "x1",  "x2",  "x8",  "x9"};
static const char *const riscv64_fp[] = {"f10", "f11", "f12", "f13", "f14", "f15", "f16",
                                         "f17", "f0",  "f1",  "f2",  "f8",  "f9"};

/* x0 to x5, x8, x19, x20, x30 and the stack pointer. */
static const char *const aarch64[] = {"x0", "x1",  "x2",  "x3",  "x4", "x5",
                                      "x8", "x19", "x20", "x30", "sp"};

/* v0 to v7, where calls pass what they pass, three that calls change and two that they keep. */
static const char *const aarch64_fp[] = {"v0", "v1",  "v2",  "v3",  "v4", "v5", "v6",
                                         "v7", "v16", "v17", "v18", "v8", "v9"};

static void pin_named(struct emitter *e, const char *name, unsigned reg)
{
    for (unsigned s = 0; s < e->dialect->slot_count; s++)
        if (strcmp(e->dialect->slots[s].name, name) == 0)
            e->pin[s] = (uint8_t)reg;
}

/* Of a guest without a table: the first slots. */
static void pin_first(struct emitter *e)
{
    unsigned ints = 0, floats = FIRST_FP;

    for (unsigned s = 0; s < e->dialect->slot_count; s++) {
        if (e->dialect->slots[s].type == IR_I64 && ints < ARRAY_SIZE(general))
            e->pin[s] = general[ints++];
        else if (class_of(e->dialect->slots[s].type) == CLASS_FP && floats < FP_COUNT)
            e->pin[s] = (uint8_t)floats++;
    }
}

void pins_choose(struct emitter *e)
{
    memset(e->pin, REG_NONE, sizeof(e->pin));
    if (strcmp(e->dialect->name, "aarch64") == 0) {
        for (unsigned i = 0; i < ARRAY_SIZE(aarch64); i++)
            pin_named(e, aarch64[i], general[i]);
        for (unsigned i = 0; i < ARRAY_SIZE(aarch64_fp); i++)
            pin_named(e, aarch64_fp[i], FIRST_FP + i);
        return;
    }
    if (strcmp(e->dialect->name, "riscv64") != 0) {
        pin_first(e);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(riscv64); i++)
        pin_named(e, riscv64[i], general[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(riscv64_fp); i++)
        pin_named(e, riscv64_fp[i], FIRST_FP + i);
}
