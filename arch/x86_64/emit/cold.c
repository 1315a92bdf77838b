/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What lies behind a unit: calls of dbt_slow(), ways out, the stubs of its links. */
#include "arch/x86_64/emit/emit.h"

#define OP_TEST_EAX   0xa9 /* imm32: carries a distance behind a call */
#define OP_POP_MEMORY 0x8f
#define PROBED_FROM   (IR_PAGE_SIZE - 16) /* what is there may lie across, and is not linked */

struct cold *cold_new(struct emitter *e, enum cold_kind kind, uint8_t *jump)
{
    struct cold *c;

    if (e->cold_count == COLD_MAX) {
        e->unsupported = true;
        e->cold_count--;
    }
    c = &e->cold[e->cold_count++];
    c->kind = (uint8_t)kind; /* what else there is its kind sets, or nobody asks for */
    c->dst = c->clear = REG_NONE;
    c->jump_count = jump != NULL;
    c->site = NO_SITE;
    c->loose = e->loose;
    c->insn_at = (uint16_t)e->insn_at;
    c->insn_length = (uint8_t)e->insn_length;
    c->insn_index = (uint16_t)e->insn_index;
    c->jump[0] = jump;
    c->back = NULL;
    c->again = NULL;
    return c;
}

struct cold *cold_slow(struct emitter *e, unsigned i, uint8_t *jump, unsigned dst,
                       const struct operand operand[3])
{
    struct cold *c = cold_new(e, COLD_SLOW, jump);

    c->op = (uint16_t)i;
    c->dst = (uint8_t)dst;
    memcpy(c->operand, operand, sizeof(c->operand));
    return c;
}

static const uint8_t *nan_at(const struct emitter *e, enum ir_type t)
{
    return e->stub.masks + MASK_BYTES * (unsigned)(t == IR_F64 ? MASK_NAN64 : MASK_NAN32);
}

void cold_nan(struct emitter *e, enum ir_type t, unsigned reg)
{
    struct cold *c;

    as_rr(&e->as, t == IR_F64 ? OP_UCOMISS | P66 : OP_UCOMISS, false, reg, reg);
    c = cold_new(e, COLD_NAN, as_jcc(&e->as, CC_P));
    c->type = (uint8_t)t;
    c->dst = (uint8_t)reg;
    c->back = e->as.p;
}

/* The slots' values are as the guest may see them. */
static void emit_tighten(struct emitter *e, unsigned loose)
{
    for (; loose; loose &= loose - 1) {
        unsigned reg = (unsigned)__builtin_ctz(loose);
        uint8_t *number;

        as_rr(&e->as, OP_UCOMISS | P66, false, reg, reg);
        number = as_jcc(&e->as, CC_NP);
        as_rip(&e->as, OP_MOVQ_LOAD, false, reg, nan_at(e, IR_F64), 0);
        as_patch(number, e->as.p);
    }
}

/* Into a cell, without touching a register. */
static void put_argument(struct emitter *e, const struct ir_op *op, unsigned a, struct operand o)
{
    enum ir_type t = ir_operand_type(op, a);
    int32_t cell = CELL_CALL(e, arg) + VECTOR_SIZE * (int32_t)a;
    unsigned size = t == IR_V128 ? VECTOR_SIZE : 8;
    int64_t c;

    if (value_const(e, op->arg[a], &c)) {
        as_rm(&e->as, OP_MOV_IMM32, false, 0, FRAME_BASE, cell);
        as_32(&e->as, (uint32_t)c);
        as_rm(&e->as, OP_MOV_IMM32, false, 0, FRAME_BASE, cell + 4);
        as_32(&e->as, (uint32_t)((uint64_t)c >> 32));
    } else if (o.kind == IN_MEMORY) {
        for (unsigned at = 0; at < size; at += 8) {
            as_rm(&e->as, OP_GROUP5, false, DIGIT_PUSH, FRAME_BASE, o.disp + (int32_t)at);
            as_rm(&e->as, OP_POP_MEMORY, false, 0, FRAME_BASE, cell + (int32_t)at);
        }
    } else if (t == IR_V128) {
        as_rm(&e->as, OP_MOVUPS_STORE, false, o.reg, FRAME_BASE, cell);
    } else if (class_of(t) == CLASS_FP) {
        as_rm(&e->as, OP_MOVQ_STORE, false, o.reg, FRAME_BASE, cell);
    } else {
        as_rm(&e->as, OP_MOV_STORE, true, o.reg, FRAME_BASE, cell);
    }
}

static void emit_slow(struct emitter *e, const struct cold *c)
{
    const struct ir_op *op = op_of(e, c->op);
    struct dbt_slow_op *slow;
    struct dbt_link *l;
    int32_t distance;

    if (e->link_count == e->room.link_count) {
        e->full = true;
        return;
    }
    if (c->site != NO_SITE)
        e->room.sites[c->site].otherwise = (uint32_t)(as_exec(&e->as, e->as.p) - e->room.base);
    l = &e->room.links[e->link_count++];
    l->target = 0;
    l->far = 0;
    l->linked = DBT_LINK_SLOW;
    l->owner = 0;
    slow = (void *)l;
    slow->op = *op;
    slow->insn_at = c->insn_at;
    slow->insn_length = c->insn_length;
    slow->counted = e->u->mode & DBT_MODE_COUNT ? c->insn_index : 0;
    slow->insn = c->insn_index;
    if (c->again)
        emit_look_up_again(e, c);
    emit_tighten(e, c->loose);
    for (unsigned a = 0; a < ir_info[op->code].operand_count; a++)
        put_argument(e, op, a, c->operand[a]);
    as_call_exec(&e->as, e->stub.slow);
    distance = (int32_t)((const uint8_t *)cage_address(l) - as_exec(&e->as, e->as.p));
    as_8(&e->as, OP_TEST_EAX);
    as_32(&e->as, (uint32_t)distance);
    if (c->dst != REG_NONE)
        load_value(e, ir_result_type(op), c->dst,
                   (struct operand){.kind = IN_MEMORY, .disp = CELL_CALL(e, result)});
    if (c->clear != REG_NONE)
        as_rr(&e->as, OP_XOR, false, c->clear, c->clear);
    as_jmp_to(&e->as, c->back);
}

/* ---- Links ---- */

unsigned link_new(struct emitter *e, int64_t target)
{
    struct dbt_link *l;

    if (e->link_count == e->room.link_count) {
        e->full = true;
        return 0;
    }
    l = &e->room.links[e->link_count];
    *l = (struct dbt_link){.target = (int32_t)target,
                           .key = DBT_LINK_NO_KEY,
                           .far = target < 0 || target >= IR_PAGE_SIZE};
    cold_new(e, COLD_STUB, NULL)->link = (uint16_t)e->link_count;
    return e->link_count++;
}

void emit_count(struct emitter *e, unsigned insns)
{
    if (e->u->mode & DBT_MODE_COUNT && insns)
        as_alu_mem_imm(&e->as, OP_ADD, true, FRAME_BASE, FRAME(count), (int32_t)insns);
}

static int32_t page_delta(const struct dbt_link *l)
{
    return l->target & -IR_PAGE_SIZE;
}

/* Room for a jump to the link's stub, which is emitted after all its users. */
static void jump_to_stub(struct emitter *e, unsigned link, uint8_t *jump)
{
    for (unsigned i = 0; i < e->cold_count; i++) {
        struct cold *c = &e->cold[i];

        if (c->kind == COLD_STUB && c->link == link)
            c->jump[c->jump_count++] = jump;
    }
}

/* For a far link: whether it holds here; what its stub is jumped to by otherwise. */
static uint8_t *check_far(struct emitter *e, const struct dbt_link *l)
{
    bool global = e->u->mode & DBT_MODE_GLOBAL;
    int32_t context = FRAME(context) + 8 * (global ? DBT_CONTEXT_GLOBAL : DBT_CONTEXT_SPACE);
    uint8_t *miss;

    as_rm(&e->as, OP_MOV, true, RAX, FRAME_BASE, context);
    as_rm(&e->as, OP_XOR, true, RAX, FRAME_BASE, FRAME(pc_base));
    as_rip(&e->as, OP_CMP, true, RAX, cage_address(&l->key), 0);
    miss = as_jcc(&e->as, CC_NE);
    as_alu_mem_imm(&e->as, OP_ADD, true, FRAME_BASE, FRAME(pc_base), page_delta(l));
    return miss;
}

void emit_link(struct emitter *e, unsigned link, unsigned insn_index)
{
    struct dbt_link *l = &e->room.links[link];

    if (e->full)
        return;
    emit_count(e, insn_index);
    if (l->far)
        jump_to_stub(e, link, check_far(e, l));
    as_rip(&e->as, OP_GROUP5, false, DIGIT_JMP, cage_address(&l->code), 0);
}

void emit_link_call(struct emitter *e, unsigned link)
{
    struct dbt_link *l = &e->room.links[link];
    struct cold *cold = NULL;

    if (e->full)
        return;
    if (l->far) {
        cold = cold_new(e, COLD_FAR_CALL, check_far(e, l));
        cold->link = (uint16_t)link;
    }
    as_rip(&e->as, OP_GROUP5, false, DIGIT_CALL, cage_address(&l->code), 0);
    if (cold)
        cold->back = e->as.p;
}

/* Reached by the link's word, for far ones after pc_base has moved; and by jumps, before. */
static void emit_link_stub(struct emitter *e, const struct cold *c)
{
    uint8_t *unlinked;
    struct dbt_link *l = &e->room.links[c->link];

    l->unlinked = l->code = as_exec(&e->as, e->as.p);
    if (l->far)
        as_alu_mem_imm(&e->as, OP_ADD, true, FRAME_BASE, FRAME(pc_base), -page_delta(l));
    for (unsigned i = 0; i < c->jump_count; i++)
        as_patch(c->jump[i], e->as.p);
    as_rip(&e->as, OP_LEA, true, RAX, cage_address(l), 0);
    if (l->far) { /* one that holds elsewhere */
        as_alu_mem_imm(&e->as, OP_CMP, true, RAX, offsetof(struct dbt_link, key), DBT_LINK_NO_KEY);
        unlinked = as_jcc(&e->as, CC_E);
        as_jmp_exec(&e->as, e->stub.probe);
        as_patch(unlinked, e->as.p);
    }
    as_jmp_exec(&e->as, l->target >= PROBED_FROM && !l->far ? e->stub.probe : e->stub.link);
}

/* ---- Ways out ---- */

static void emit_leave(struct emitter *e, const struct cold *c)
{
    const struct ir_op *op = op_of(e, c->op);

    emit_count(e, c->insn_index - 1U);
    as_rm(&e->as, OP_MOV_IMM32, false, 0, FRAME_BASE, FRAME(reason));
    as_32(&e->as, op->attr);
    as_rm(&e->as, OP_MOV_IMM32, false, 0, FRAME_BASE, FRAME(insn_length));
    as_32(&e->as, c->insn_length);
    as_const(&e->as, RAX, (uint64_t)op->imm);
    as_const(&e->as, RCX, c->insn_at);
    as_jmp_exec(&e->as, e->stub.leave);
}

/* Quotient and remainder as the guest has them; the host's instruction would trap. */
static void emit_divide(struct emitter *e, const struct cold *c)
{
    const struct ir_op *op = op_of(e, c->op);
    bool w = is_64(op->type), zero = c->kind == COLD_DIVIDE_0;

    if (c->dst == RAX && !zero)
        as_rr(&e->as, OP_GROUP3, w, DIGIT_NEG, RAX);
    else if (c->dst == RAX)
        as_const(&e->as, RAX, op->attr != IR_DIV_ONES ? 0 : w ? UINT64_MAX : UINT32_MAX);
    else if (zero)
        as_rr(&e->as, OP_MOV, w, RDX, RAX);
    else
        as_rr(&e->as, OP_XOR, false, RDX, RDX);
    as_jmp_to(&e->as, c->back);
}

/* Leaves before the instruction. */
static void emit_poll(struct emitter *e, const struct cold *c)
{
    emit_count(e, c->insn_index - 1U);
    as_const(&e->as, RCX, c->insn_at);
    as_jmp_exec(&e->as, e->stub.poll);
}

/* Calls and returns are done when they poll: where the poll word is set they leave for `target`, an
 * address or (a constant) a place relative to the page base. */
static void emit_poll_at(struct emitter *e, struct operand target)
{
    uint8_t *goes_on;

    if (e->u->mode & DBT_MODE_COUNT)
        return;
    emit_poll_test(e);
    goes_on = as_jcc(&e->as, CC_E);
    if (target.kind == IS_CONST) {
        as_const(&e->as, RCX, (uint64_t)(int64_t)target.disp);
        as_jmp_exec(&e->as, e->stub.poll);
    } else {
        as_mov(&e->as, RAX, target.reg);
        as_jmp_exec(&e->as, e->stub.poll_at);
    }
    as_patch(goes_on, e->as.p);
}

static void emit_one(struct emitter *e, struct cold *c)
{
    if (c->kind == COLD_STUB) {
        emit_link_stub(e, c);
        return;
    }
    for (unsigned i = 0; i < c->jump_count; i++)
        as_patch(c->jump[i], e->as.p);
    if (c->kind != COLD_SLOW && c->kind != COLD_NAN)
        emit_tighten(e, c->loose);
    switch ((enum cold_kind)c->kind) {
    case COLD_SLOW:
        emit_slow(e, c);
        break;
    case COLD_LINK:
        emit_link(e, c->link, c->insn_index);
        break;
    case COLD_POLL:
        emit_poll(e, c);
        break;
    case COLD_LEAVE:
        emit_leave(e, c);
        break;
    case COLD_MISS:
        as_mov(&e->as, RAX, c->operand[0].reg);
        if (!c->back) {
            as_jmp_exec(&e->as, e->stub.miss);
            break;
        }
        as_call_exec(&e->as, e->stub.miss);
        as_jmp_to(&e->as, c->back);
        break;
    case COLD_FAR_CALL:
        jump_to_stub(e, c->link, as_call(&e->as));
        as_jmp_to(&e->as, c->back);
        break;
    case COLD_PAGE:
        as_rm(&e->as, OP_MOV_STORE, true, c->operand[0].reg, FRAME_BASE, FRAME(pc_base));
        as_jmp_to(&e->as, c->back);
        break;
    case COLD_WORD:
        emit_word(e, c->addend, c->operand[0].reg);
        as_jmp_to(&e->as, c->back);
        break;
    case COLD_WRAP:
        emit_poll_at(e, c->operand[0]);
        emit_wrap(e);
        as_jmp_to(&e->as, c->back);
        break;
    case COLD_ASTRAY:
        emit_wrap(e);
        as_mov(&e->as, RAX, c->operand[0].reg);
        as_alu_imm(&e->as, OP_AND, true, RAX, -2);
        emit_poll_at(e, (struct operand){.kind = IN_REG, .reg = RAX});
        (void)emit_probe(e, RAX, false);
        break;
    case COLD_DIVIDE_0:
    case COLD_DIVIDE_MINUS_1:
        emit_divide(e, c);
        break;
    case COLD_NAN:
        as_rip(&e->as, c->type == IR_F64 ? OP_MOVQ_LOAD : OP_MOVSS_LOAD, false, c->dst,
               nan_at(e, c->type), 0);
        as_jmp_to(&e->as, c->back);
        break;
    case COLD_SELF:
        emit_count(e, c->insn_index);
        as_jmp_to(&e->as, e->body);
        break;
    default:
        break;
    }
}

/* Stubs of links last: others jump to them. */
void cold_emit(struct emitter *e)
{
    for (unsigned stubs = 0; stubs < 2; stubs++)
        for (unsigned i = 0; i < e->cold_count && !e->full; i++) {
            if ((e->cold[i].kind == COLD_STUB) != stubs)
                continue;
            if (e->as.p > e->as.limit)
                e->full = true;
            else
                emit_one(e, &e->cold[i]);
        }
}
