/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Ways out of a unit. */
#include "arch/x86_64/emit/emit.h"
#include "dbt/knobs.h"

static bool is_self(const struct emitter *e, int64_t target)
{
    return target == (int64_t)e->first_insn;
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

#define STACK_SPARE 64 /* bytes at its end for calls of stubs */

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

/* Pushes the guest's return address for the call `i`; `scratch` is free. */
static void push_return(struct emitter *e, unsigned i, unsigned scratch)
{
    unsigned link = link_register(e, i);
    struct cold *cold;

    as_rr(&e->as, OP_TEST_IMM, false, 0, RSP);
    as_32(&e->as, (uint32_t)(dbt_knobs.return_stack - STACK_SPARE));
    cold = cold_new(e, e->call_polls ? COLD_WRAP_POLL : COLD_WRAP, as_jcc(&e->as, CC_E));
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

/* Where the host's `ret` comes to: the pair's other half goes, and on with the next instruction.
 * The return has set pc_base to that one's page; links are told from the unit's. */
static void return_point(struct emitter *e)
{
    int32_t pages = (int32_t)return_place(e) & -IR_PAGE_SIZE;

    as_alu_imm(&e->as, OP_ADD, true, RSP, 8);
    if (pages)
        as_alu_mem_imm(&e->as, OP_ADD, true, FRAME_BASE, FRAME(pc_base), -pages);
    emit_link(e, link_new(e, return_place(e)), 0);
}

/* Is the poll word looked at by the call that the instruction of poll `i` is? Who calls and never
 * returns comes to the end of the return stack; returns poll. The instruction may be begun again,
 * as it sets nothing but its return address. */
static bool polled_by_call(const struct emitter *e, unsigned i)
{
    unsigned last = e->u->op_count - 1;
    const struct ir_op *jump = op_of(e, (ir_value)last);
    int64_t offset;

    if (jump->code != IR_jump || jump->attr != IR_HINT_CALL || e->u->mode & DBT_MODE_COUNT)
        return false;
    while (++i < last) {
        const struct ir_op *op = op_of(e, (ir_value)i);

        if (op->code == IR_insn || ir_info[op->code].effects & (IR_FAULT | IR_SIDE) ||
            (op->code == IR_set && !page_relative(e, op->arg[0], &offset)))
            return false;
    }
    return true;
}

static bool poll(struct emitter *e, unsigned i)
{
    if (e->again) /* the loop's last repetition does */
        return true;
    e->call_polls = polled_by_call(e, i);
    if (e->call_polls)
        return true;
    as_alu_mem_imm(&e->as, OP_CMP, false, FRAME_BASE, FRAME(poll), 0);
    cold_new(e, COLD_POLL, as_jcc(&e->as, CC_NE));
    return true;
}

/* `op`: operation `i`, or what it comes to. */
static bool jump(struct emitter *e, unsigned i, const struct ir_op *op)
{
    bool call = op->attr == IR_HINT_CALL;

    emit_count(e, e->insn_index);
    if (call)
        push_return(e, i, RAX);
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

/* pc_base follows `target`. It is compared first: a store would chain all calls and returns of a
 * recursion through memory. */
static void set_page(struct emitter *e, unsigned target, unsigned scratch)
{
    struct cold *cold;

    as_mov(&e->as, scratch, target);
    as_alu_imm(&e->as, OP_AND, true, scratch, -IR_PAGE_SIZE);
    as_rm(&e->as, OP_CMP, true, scratch, FRAME_BASE, FRAME(pc_base));
    cold = cold_new(e, COLD_PAGE, as_jcc(&e->as, CC_NE));
    cold->operand[0] = (struct operand){.kind = IN_REG, .reg = (uint8_t)scratch};
    cold->back = e->as.p;
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
    set_page(e, target, key);
    as_rm(&e->as, OP_GROUP5, false, call ? DIGIT_CALL : DIGIT_JMP, entry,
          offsetof(struct dbt_jump, code));
    return miss;
}

/* Returns where the newest call came from, or looks that up. */
static void jump_back(struct emitter *e, unsigned target)
{
    unsigned page = target == RAX ? RCX : RAX;
    struct cold *cold;

    as_rm(&e->as, OP_CMP_STORE, true, target, RSP, 8);
    cold = cold_new(e, COLD_ASTRAY, as_jcc(&e->as, CC_NE));
    cold->operand[0] = (struct operand){.kind = IN_REG, .reg = (uint8_t)target};
    set_page(e, target, page);
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
    target = use_reg(e, op->arg[0]);
    emit_count(e, e->insn_index);
    if (op->attr == IR_HINT_RETURN) {
        jump_back(e, target);
    } else if (op->attr == IR_HINT_CALL) {
        push_return(e, i, target == RAX ? RCX : RAX);
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

bool emit_control(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);

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
