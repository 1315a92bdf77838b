/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Ways out of a unit. */
#include "arch/x86_64/emit/emit.h"
#include "dbt/knobs.h"

static bool is_self(const struct emitter *e, int64_t target)
{
    return target == (int64_t)e->first_insn;
}

/* Backward within the page: loops do that more often than not. */
static bool is_back(const struct emitter *e, int64_t target)
{
    return target >= 0 && target <= (int64_t)e->insn_at;
}

static bool exit_if(struct emitter *e, const struct ir_op *op)
{
    enum cc cc = emit_compare(e, op);
    uint8_t *jump;

    if (e->again) { /* out of the loop, or on with its repetition */
        const struct ir_op *out = op_of(e, (ir_value)(e->u->op_count - 1));

        cold_new(e, COLD_LINK, as_jcc(&e->as, cc ^ 1))->link = (uint16_t)link_new(e, out->imm);
        return true;
    }
    if (is_back(e, op->imm) && !is_self(e, op->imm)) {
        jump = as_jcc(&e->as, cc ^ 1);
        emit_link(e, link_new(e, op->imm), e->insn_index);
        as_patch(jump, e->as.p);
        return true;
    }
    jump = as_jcc(&e->as, cc);
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

/* ---- The return stack: pairs of guest and host address, the newest at rsp (host, then guest) ----
 */

static unsigned return_place(const struct emitter *e)
{
    return e->insn_at + e->insn_length;
}

/* Is the value an address relative to the page base, as auipc and jalr make them? */
static bool page_relative(const struct emitter *e, ir_value v, int64_t *offset)
{
    const struct ir_op *op = op_of(e, v);
    int64_t c = 0;

    for (*offset = 0; op->code == IR_add || op->code == IR_and; op = op_of(e, op->arg[0])) {
        if (!value_const(e, op->arg[1], &c) || (op->code == IR_and && (c != -2 || *offset)))
            return false;
        *offset += op->code == IR_add ? c : 0;
    }
    return op->code == IR_get && *offset == (int32_t)*offset && !(*offset & 1) &&
           e->dialect->slots[op->imm].offset == offsetof(struct dbt_frame, pc_base);
}

/* The register that the call `i` has just set to its return address, or REG_NONE. */
static unsigned link_register(const struct emitter *e, unsigned i)
{
    int64_t offset;

    while (--i && op_of(e, (ir_value)i)->code != IR_insn) {
        const struct ir_op *op = op_of(e, (ir_value)i);

        if (op->code == IR_set)
            return page_relative(e, op->arg[0], &offset) && offset == return_place(e)
                       ? e->pin[op->imm]
                       : REG_NONE;
    }
    return REG_NONE;
}

/* Pushes the guest's return address for the call `i` to `target`; `scratch` is free. */
static void push_return(struct emitter *e, unsigned i, struct operand target, unsigned scratch)
{
    unsigned link = link_register(e, i);
    struct cold *cold;

    as_rm(&e->as, OP_CMP, true, RSP, FRAME_BASE, FRAME(return_limit));
    cold = cold_new(e, COLD_WRAP, as_jcc(&e->as, CC_B));
    cold->operand[0] = target;
    cold->back = e->as.p;
    if (link == REG_NONE) {
        as_rm(&e->as, OP_MOV, true, scratch, FRAME_BASE, FRAME(pc_base));
        as_alu_imm(&e->as, OP_ADD, true, scratch, (int32_t)return_place(e));
        link = scratch;
    }
    as_rr(&e->as, OP_GROUP5, false, DIGIT_PUSH, link);
}

void emit_wrap(struct emitter *e)
{
    /* To the lasting pair. */
    as_alu_imm(&e->as, OP_OR, true, RSP, (int32_t)dbt_knobs.return_stack - 16);
}

/* pc_base becomes what is in `reg`. It is compared first: a store would chain all calls and returns
 * of a recursion through memory. */
static void change_page(struct emitter *e, unsigned reg)
{
    struct cold *cold;

    as_rm(&e->as, OP_CMP, true, reg, FRAME_BASE, FRAME(pc_base));
    cold = cold_new(e, COLD_PAGE, as_jcc(&e->as, CC_NE));
    cold->operand[0] = (struct operand){.kind = IN_REG, .reg = (uint8_t)reg};
    cold->back = e->as.p;
}

/* Where the host's `ret` comes to: the pair's other half tells the unit's page. */
static void return_point(struct emitter *e)
{
    as_8(&e->as, OP_POP | RAX);
    as_alu_imm(&e->as, OP_SUB, true, RAX, (int32_t)return_place(e));
    change_page(e, RAX);
    emit_link(e, link_new(e, return_place(e)), 0);
}

/* Is the poll of the instruction left to the call or return that it is? Those look at the poll word
 * when they are done: calls where they look whether the return stack is used up, returns where it
 * does not know them. Between two polls so there are no more returns than it has places. */
static bool polls_at_end(const struct emitter *e, unsigned i)
{
    unsigned last = e->u->op_count - 1;
    const struct ir_op *end = op_of(e, (ir_value)last);

    if ((end->code != IR_jump && end->code != IR_jump_reg) || end->attr == IR_HINT_NONE ||
        e->u->mode & DBT_MODE_COUNT)
        return false;
    while (++i < last)
        if (op_of(e, (ir_value)i)->code == IR_insn)
            return false;
    return true;
}

void emit_poll_test(struct emitter *e)
{
    as_rm(&e->as, OP_CMP_IMM8, false, ALU_DIGIT(OP_CMP), FRAME_BASE, FRAME(poll));
    as_8(&e->as, 0);
}

static bool poll(struct emitter *e, unsigned i)
{
    /* In a loop the last repetition does. */
    if (e->again || polls_at_end(e, i))
        return true;
    emit_poll_test(e);
    cold_new(e, COLD_POLL, as_jcc(&e->as, CC_NE));
    return true;
}

/* `op`: operation `i`, or what it comes to. */
static bool jump(struct emitter *e, unsigned i, const struct ir_op *op)
{
    bool call = op->attr == IR_HINT_CALL;

    emit_count(e, e->insn_index);
    if (call)
        push_return(e, i, (struct operand){.kind = IS_CONST, .disp = (int32_t)op->imm}, RAX);
    if (is_self(e, op->imm) && call)
        as_patch(as_call(&e->as), e->body);
    else if (is_self(e, op->imm))
        as_jmp_to(&e->as, e->body);
    else if (call)
        emit_link_call(e, link_new(e, op->imm));
    else
        emit_link(e, link_new(e, op->imm), 0);
    if (call)
        return_point(e);
    return true;
}

/* One probe of the jump hash: key and code at (va << 3) modulo its size. `back`: where code that is
 * called returns to, NULL: it is jumped to; so with COLD_MISS. */
struct cold *emit_probe(struct emitter *e, unsigned target, bool call)
{
    unsigned entry = target == RAX ? RCX : RAX, key = target == RDX || entry == RDX ? RCX : RDX;
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
    change_page(e, key);
    as_rm(&e->as, OP_GROUP5, false, call ? DIGIT_CALL : DIGIT_JMP, entry,
          offsetof(struct dbt_jump, code));
    return miss;
}

/* Returns where the newest call came from, or looks that up. Addresses on the return stack are
 * even: what clears the lowest bit of the target (`fused`) is left to those that it does not know.
 */
static void jump_back(struct emitter *e, ir_value address)
{
    unsigned target =
        use_reg(e, value_fused(e, address) ? op_of(e, value_of(e, address))->arg[0] : address);
    struct cold *cold;

    as_rm(&e->as, OP_CMP_STORE, true, target, RSP, 8);
    cold = cold_new(e, COLD_ASTRAY, as_jcc(&e->as, CC_NE));
    cold->operand[0] = (struct operand){.kind = IN_REG, .reg = (uint8_t)target};
    as_8(&e->as, OP_RET);
}

static bool jump_reg(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct cold *miss;
    int64_t offset;
    unsigned target;

    if (op->attr != IR_HINT_RETURN && page_relative(e, op->arg[0], &offset))
        return jump(e, i, &(struct ir_op){.attr = op->attr, .imm = offset});
    emit_count(e, e->insn_index);
    if (op->attr == IR_HINT_RETURN) {
        jump_back(e, op->arg[0]);
        return true;
    }
    target = use_reg(e, op->arg[0]);
    if (op->attr == IR_HINT_CALL) {
        push_return(e, i, (struct operand){.kind = IN_REG, .reg = (uint8_t)target},
                    target == RAX ? RCX : RAX);
        miss = emit_probe(e, target, true);
        miss->back = e->as.p;
        return_point(e);
    } else {
        (void)emit_probe(e, target, false);
    }
    return true;
}

static bool leave(struct emitter *e, unsigned i)
{
    calls_c(e);
    cold_new(e, COLD_LEAVE, as_jmp(&e->as))->op = (uint16_t)i;
    return true;
}

/* Does it leave the unit by a cold fragment alone? */
static bool leaves_cold(const struct emitter *e, const struct ir_op *op)
{
    if (op->code == IR_exit_if)
        return e->again || !(is_back(e, op->imm) || is_self(e, op->imm));
    return op->code == IR_poll || op->code == IR_leave_if || op->code == IR_leave;
}

bool emit_control(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);

    if (!leaves_cold(e, op))
        tighten_slots(e);
    switch (op->code) {
    case IR_poll:
        return poll(e, i);
    case IR_exit_if:
        return exit_if(e, op);
    case IR_leave_if:
        return leave_if(e, i);
    case IR_jump:
        return jump(e, i, op);
    case IR_jump_reg:
        return jump_reg(e, i);
    case IR_leave:
        return leave(e, i);
    default: /* exit_cond waits for the first guest with flags */
        e->unsupported = true;
        return true;
    }
}
