/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Single operations for emitted code (slow.h): plain accesses at once, the rest by the
 * interpreter's handlers. */
#include "dbt/slow.h"

#include "dbt/eval.h"
#include "dbt/guest.h"

static bool faulted(struct dbt_frame *f, const struct dbt_slow_op *o)
{
    f->pc = f->pc_base + o->insn_at;
    f->insn_length = o->insn_length;
    f->count += o->counted ? o->counted - 1U : 0;
    return false;
}

static bool is_plain(const struct ir_op *op)
{
    return (op->code == IR_load || op->code == IR_store) && !ir_is_vector(op->type) &&
           !(op->attr2 & ~(IR_SIGNED | IR_PROBED | IR_USER));
}

/* With page tables: the access is done otherwise next time. */
static bool done(struct dbt_frame *f, const struct dbt_slow_op *o, const struct dbt_slow_call *call)
{
    struct dbt_vcpu *d = f->vcpu;

    if (unlikely(d && d->accessed) && (o->op.code == IR_load || o->op.code == IR_store))
        d->accessed(d, o, call->arg[0][0] + (uint64_t)o->op.imm);
    return true;
}

static bool plain_access(struct dbt_frame *f, const struct ir_op *op, struct dbt_slow_call *call)
{
    uint64_t va = call->arg[0][0] + (uint64_t)op->imm;
    unsigned size = ir_type_size(op->attr);
    uint64_t v = op->code == IR_store ? ir_zero_extend(op->attr, call->arg[1][0]) : 0;

    if (unlikely(op->attr2 & IR_USER)) {
        if (!dbt_memory_user(f, va, size, op->code == IR_store, &v))
            return false;
    } else if (op->code == IR_store) {
        return dbt_memory_write(f, va, size, v);
    } else if (!dbt_memory_read(f, va, size, &v)) {
        return false;
    }
    if (op->code == IR_store)
        return true;
    call->result[0] = v;
    if (op->attr2 & IR_SIGNED)
        call->result[0] =
            ir_zero_extend(op->type, (uint64_t)ir_sign_extend(op->attr, call->result[0]));
    return true;
}

static void count(struct dbt_vcpu *d, const struct ir_op *op)
{
    d->slow[op->code]++;
    if ((op->code == IR_helper || op->code == IR_helper_fp) && op->imm < DBT_HELPERS_MAX)
        d->helped[op->imm]++;
}

bool dbt_slow(struct dbt_frame *f, const struct dbt_slow_op *o, struct dbt_slow_call *call,
              const struct interp_guest *guest)
{
    uint16_t cells[4];
    struct interp_op ops[2];
    struct interp_unit unit = {.ops = ops, .count = ARRAY_SIZE(ops)};

    if (likely(f->vcpu))
        count(f->vcpu, &o->op);
    if (is_plain(&o->op))
        return plain_access(f, &o->op, call) ? done(f, o, call) : faulted(f, o);
    for (unsigned i = 0; i < 3; i++) {
        cells[i] = (uint16_t)(call->arg[i] - (uint64_t *)f);
        if (i < ir_info[o->op.code].operand_count)
            call->arg[i][0] = ir_zero_extend(ir_operand_type(&o->op, i), call->arg[i][0]);
    }
    cells[3] = (uint16_t)(call->result - (uint64_t *)f);
    interp_single(&o->op, cells, ops);
    if (interp_run(f, &unit, guest) == DBT_EXIT_FAULT)
        return faulted(f, o);
    return done(f, o, call);
}
