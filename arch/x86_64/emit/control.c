/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Ways out of a unit. */
#include "arch/x86_64/emit/emit.h"

static bool is_self(const struct emitter *e, int64_t target)
{
    return target == (int64_t)e->first_insn;
}

static bool poll(struct emitter *e)
{
    as_alu_mem_imm(&e->as, OP_CMP, false, FRAME_BASE, FRAME(poll), 0);
    cold_new(e, COLD_POLL, as_jcc(&e->as, CC_NE));
    return true;
}

static bool exit_if(struct emitter *e, const struct ir_op *op)
{
    enum cc cc = emit_compare(e, op);
    uint8_t *jump = as_jcc(&e->as, cc);

    if (is_self(e, op->imm) && !(e->u->mode & DBT_MODE_COUNT))
        as_patch(jump, e->body);
    else if (is_self(e, op->imm))
        cold_new(e, COLD_SELF, jump);
    else
        cold_new(e, COLD_LINK, jump)->link = (uint16_t)link_new(e, op->imm);
    return true;
}

static bool leave_if(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    unsigned reg = use_reg(e, op->arg[0]);

    as_rr(&e->as, OP_TEST, true, reg, reg);
    cold_new(e, COLD_LEAVE, as_jcc(&e->as, CC_NE))->op = (uint16_t)i;
    return true;
}

static bool jump(struct emitter *e, const struct ir_op *op)
{
    if (is_self(e, op->imm)) {
        emit_count(e, e->insn_index);
        as_jmp_to(&e->as, e->body);
    } else {
        emit_link(e, link_new(e, op->imm), e->insn_index);
    }
    return true;
}

/* One probe of the jump hash: key and code at (va << 3) modulo its size. */
static void probe(struct emitter *e, unsigned target)
{
    unsigned entry = reg_take(e, CLASS_INT), key = reg_take(e, CLASS_INT);
    bool global = e->u->mode & DBT_MODE_GLOBAL;
    const int32_t mask = (DBT_JUMPS - 1) * (int32_t)sizeof(struct dbt_jump);
    struct cold *miss;

    _Static_assert(sizeof(struct dbt_jump) == 16, "(va >> 1) * 16");
    as_mov(&e->as, key, target);
    as_rr(&e->as, OP_MOV, false, entry, target);
    as_shift_imm(&e->as, DIGIT_SHL, false, entry, 3);
    as_rm(&e->as, OP_XOR, true, key, FRAME_BASE,
          FRAME(context) + 8 * (global ? DBT_CONTEXT_GLOBAL : DBT_CONTEXT_SPACE));
    as_alu_imm(&e->as, OP_AND, false, entry, mask);
    as_rm(&e->as, OP_ADD, true, entry, FRAME_BASE, FRAME(jumps));
    as_rm(&e->as, OP_CMP, true, key, entry, offsetof(struct dbt_jump, key));
    miss = cold_new(e, COLD_MISS, as_jcc(&e->as, CC_NE));
    miss->operand[0] = (struct operand){.kind = IN_REG, .reg = (uint8_t)target};
    as_mov(&e->as, key, target);
    as_alu_imm(&e->as, OP_AND, true, key, -IR_PAGE_SIZE);
    as_rm(&e->as, OP_MOV_STORE, true, key, FRAME_BASE, FRAME(pc_base));
    as_rm(&e->as, OP_GROUP5, false, DIGIT_JMP, entry, offsetof(struct dbt_jump, code));
}

static bool jump_reg(struct emitter *e, const struct ir_op *op)
{
    unsigned target = use_reg(e, op->arg[0]);

    emit_count(e, e->insn_index);
    probe(e, target);
    return true;
}

static bool leave(struct emitter *e, unsigned i)
{
    cold_new(e, COLD_LEAVE, as_jmp(&e->as))->op = (uint16_t)i;
    return true;
}

bool emit_control(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);

    switch (op->code) {
    case IR_poll:
        return poll(e);
    case IR_exit_if:
        return exit_if(e, op);
    case IR_leave_if:
        return leave_if(e, i);
    case IR_jump:
        return jump(e, op);
    case IR_jump_reg:
        return jump_reg(e, op);
    case IR_leave:
        return leave(e, i);
    default: /* exit_cond waits for the first guest with flags */
        e->unsupported = true;
        return true;
    }
}
