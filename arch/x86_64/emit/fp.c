/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Floating point in the host's registers. */
#include "arch/x86_64/emit/emit.h"

/* Between the classes. */
static bool move_bits(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool to_int = op->code == IR_fbits;
    unsigned a = use_reg(e, op->arg[0]), d = result_reg(e, i);

    if (to_int)
        as_rr(&e->as, OP_MOVD_FROM_XMM, true, a, d);
    else
        as_rr(&e->as, OP_MOVD_TO_XMM, true, d, a);
    return true;
}

bool emit_fp(struct emitter *e, unsigned i)
{
    switch (op_of(e, (ir_value)i)->code) {
    case IR_fbits:
    case IR_bitsf:
        return move_bits(e, i);
    default:
        return false;
    }
}
