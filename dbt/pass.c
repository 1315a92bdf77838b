/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The passes of tier 1 (pass.h). */
#include "dbt/pass.h"

#include <string.h>
#include "dbt/eval.h"
#include "mm/heap.h"

struct pass_scratch {
    ir_value same[IR_OPS_MAX]; /* the value that stands for this one */
    bool used[IR_OPS_MAX];
    ir_value slot[PASS_SLOTS_MAX]; /* what the slot holds now; 0: unknown */
    uint8_t held[IR_OPS_MAX];      /* how many slots hold the value now */
    /* The slot is set again before anybody can see it, when this is the pass's `era`. */
    uint64_t overwritten[PASS_SLOTS_MAX], era;
};

struct pass_scratch *pass_scratch_create(void)
{
    return heap_zalloc(sizeof(struct pass_scratch));
}

void pass_scratch_destroy(struct pass_scratch *s)
{
    heap_free(s);
}

static void make_nop(struct ir_op *op)
{
    *op = (struct ir_op){.code = IR_nop};
}

static void make_const(struct ir_op *op, uint64_t value)
{
    enum ir_type t = ir_result_type(op);

    *op = (struct ir_op){.code = IR_const, .type = (uint8_t)t, .imm = ir_sign_extend(t, value)};
}

/* ---- Simplification ---- */

static bool is_constant(const struct ir_unit *u, ir_value v)
{
    return u->ops[v].code == IR_const && ir_is_int(u->ops[v].type);
}

static uint64_t constant_of(const struct ir_unit *u, ir_value v)
{
    return ir_zero_extend(u->ops[v].type, (uint64_t)u->ops[v].imm);
}

static bool is_commutative(unsigned code)
{
    switch (code) {
    case IR_add:
    case IR_mul:
    case IR_mulhu:
    case IR_mulhs:
    case IR_and:
    case IR_or:
    case IR_xor:
    case IR_minu:
    case IR_mins:
    case IR_maxu:
    case IR_maxs:
    case IR_clmul:
    case IR_clmulh:
        return true;
    default:
        return false;
    }
}

static bool is_binary(unsigned code)
{
    return (code >= IR_add && code <= IR_andn) || (code >= IR_shl && code <= IR_maxs) ||
           code == IR_clmul || code == IR_clmulh || code == IR_cmp;
}

static bool is_unary(unsigned code)
{
    return code == IR_not || code == IR_neg || (code >= IR_clz && code <= IR_bitrev);
}

/* Folds an operation whose operands are all constant. */
static bool fold(struct ir_unit *u, struct ir_op *op)
{
    uint64_t a;

    for (unsigned i = 0; i < ir_info[op->code].operand_count; i++)
        if (!is_constant(u, op->arg[i]))
            return false;
    a = op->arg[0] ? constant_of(u, op->arg[0]) : 0;
    if (is_binary(op->code))
        make_const(op, ir_eval2(op->code, op->type, op->attr, a, constant_of(u, op->arg[1])));
    else if (is_unary(op->code))
        make_const(op, ir_eval1(op->code, op->type, a));
    else if (op->code == IR_sext)
        make_const(op, (uint64_t)ir_sign_extend(op->attr, a));
    else if (op->code == IR_zext || op->code == IR_trunc)
        make_const(op, a);
    else if (op->code == IR_extract)
        make_const(op, ir_eval_field(op->type, op->imm, op->attr2, a));
    else if (op->code == IR_insert)
        make_const(op, ir_eval_insert(op->imm, a, constant_of(u, op->arg[1])));
    else
        return false;
    return true;
}

static bool shift_by_none(const struct ir_op *op, uint64_t count)
{
    return op->code >= IR_shl && op->code <= IR_rotr && (count & (ir_bits(op->type) - 1)) == 0;
}

/* With a constant second operand: the value that the operation is, or 0. May become a constant. */
static ir_value identity(struct ir_unit *u, struct ir_op *op)
{
    uint64_t c = constant_of(u, op->arg[1]), ones = ir_zero_extend(op->type, UINT64_MAX);
    unsigned code = op->code;

    if (c == 0 &&
        (code == IR_add || code == IR_sub || code == IR_or || code == IR_xor || code == IR_andn))
        return op->arg[0];
    if (shift_by_none(op, c) || (code == IR_and && c == ones) || (code == IR_mul && c == 1))
        return op->arg[0];
    if ((c == 0 && (code == IR_and || code == IR_mul)) || (c == ones && code == IR_andn))
        make_const(op, 0);
    else if (c == ones && code == IR_or)
        make_const(op, ones);
    return 0;
}

static bool is_small_constant(const struct ir_unit *u, ir_value v)
{
    return is_constant(u, v) && constant_of(u, v) <= INT32_MAX;
}

/* Has a shift to the right left the highest bit 0? */
static bool is_halved(const struct ir_unit *u, ir_value v)
{
    const struct ir_op *op = &u->ops[v];

    return op->code == IR_shr && is_constant(u, op->arg[1]) && constant_of(u, op->arg[1]) % 32;
}

/* Is the i64 the sign extension of its low half? `depth` operations are looked at, no more. */
static bool is_extended(const struct ir_unit *u, ir_value v, unsigned depth)
{
    const struct ir_op *op = &u->ops[v];

    switch (op->code) {
    case IR_cmp:
        return true;
    case IR_sext:
        return ir_bits(op->attr) <= 32;
    case IR_zext:
        return ir_bits(op->attr) < 32 || (op->attr == IR_I32 && is_halved(u, op->arg[0]));
    case IR_load:
        return ir_bits(op->attr) < 32 || (op->attr == IR_I32 && op->attr2 & IR_SIGNED);
    case IR_and:
    case IR_or:
    case IR_xor:
        if (op->code == IR_and && is_small_constant(u, op->arg[1]))
            return true;
        return depth && is_extended(u, op->arg[0], depth - 1) &&
               is_extended(u, op->arg[1], depth - 1);
    default:
        return is_small_constant(u, v);
    }
}

/* trunc of what was extended from the same type; sext of what is extended. */
static ir_value undo_extension(struct ir_unit *u, struct ir_op *op)
{
    const struct ir_op *from = &u->ops[op->arg[0]];

    if (op->code == IR_trunc && (from->code == IR_sext || from->code == IR_zext) &&
        from->attr == op->type)
        return from->arg[0];
    if (op->code != IR_sext || op->type != IR_I64 || op->attr != IR_I32)
        return 0;
    if (from->code == IR_trunc && from->attr == IR_I64 && is_extended(u, from->arg[0], 2))
        return from->arg[0];
    if (is_halved(u, op->arg[0]))
        op->code = IR_zext; /* which costs nothing */
    return 0;
}

/* address = base + constant: the constant goes into the displacement, unless a slot has the sum
 * and none the base any more, which would have to be kept for it. */
static void fold_address(const struct pass_scratch *s, struct ir_unit *u, struct ir_op *op)
{
    const struct ir_op *base = &u->ops[op->arg[0]];

    while (base->code == IR_add && is_constant(u, base->arg[1])) {
        int64_t disp;

        if (s->held[op->arg[0]] && !s->held[base->arg[0]])
            return;
        if (__builtin_add_overflow(op->imm, u->ops[base->arg[1]].imm, &disp) ||
            disp != (int32_t)disp)
            return;
        op->imm = disp;
        op->arg[0] = base->arg[0];
        base = &u->ops[op->arg[0]];
    }
}

/* The value that stands for operation `i`, or 0 when it stays. */
static ir_value simplify(const struct pass_scratch *s, struct ir_unit *u, struct ir_op *op)
{
    if (ir_info[op->code].effects & IR_FAULT) {
        fold_address(s, u, op);
        return 0;
    }
    if (op->code == IR_select && is_constant(u, op->arg[0]))
        return constant_of(u, op->arg[0]) ? op->arg[1] : op->arg[2];
    if (op->code == IR_select && op->arg[1] == op->arg[2])
        return op->arg[1];
    if (!is_binary(op->code))
        return fold(u, op) ? 0 : undo_extension(u, op);
    if (fold(u, op))
        return 0;
    if (is_commutative(op->code) && is_constant(u, op->arg[0])) {
        ir_value c = op->arg[0];

        op->arg[0] = op->arg[1];
        op->arg[1] = c;
    }
    return op->code != IR_cmp && is_constant(u, op->arg[1]) ? identity(u, op) : 0;
}

/* get and set against what is known of their slot; true: the operation is gone. */
static bool simplify_slot(struct pass_scratch *s, struct ir_op *op, ir_value i)
{
    ir_value *held = &s->slot[op->imm];

    if (op->code == IR_get && *held) {
        s->same[i] = *held;
        return true;
    }
    if (op->code == IR_set && *held == op->arg[0])
        return true;
    s->held[*held] -= *held != 0;
    *held = op->code == IR_get ? i : op->arg[0];
    s->held[*held]++;
    return false;
}

static void simplify_block(struct pass_scratch *s, struct ir_unit *u, const struct ir_block *b)
{
    memset(s->slot, 0, u->dialect->slot_count * sizeof(s->slot[0]));
    for (unsigned i = b->first; i < b->first + b->count; i++) {
        struct ir_op *op = &u->ops[i];

        s->same[i] = (ir_value)i;
        op->arg[0] = s->same[op->arg[0]]; /* what it does not have is 0 */
        op->arg[1] = s->same[op->arg[1]];
        if (unlikely(op->arg[2] | op->arg[3])) {
            op->arg[2] = s->same[op->arg[2]];
            op->arg[3] = s->same[op->arg[3]];
        }
        if (op->code == IR_get || op->code == IR_set) {
            if (simplify_slot(s, op, (ir_value)i))
                make_nop(op);
        } else if (ir_info[op->code].operand_count) {
            ir_value other = simplify(s, u, op);

            if (other) {
                s->same[i] = other;
                make_nop(op);
            }
        }
    }
}

void pass_simplify(struct pass_scratch *s, struct ir_unit *u)
{
    if (u->dialect->slot_count > PASS_SLOTS_MAX)
        return;
    s->same[0] = 0;
    memset(s->held, 0, u->op_count * sizeof(s->held[0]));
    for (unsigned b = 0; b < u->block_count; b++)
        simplify_block(s, u, &u->blocks[b]);
}

/* ---- Dead code ---- */

/* Only its value matters. */
static bool is_removable(const struct ir_op *op)
{
    return ir_info[op->code].result != '-' && op->code != IR_param &&
           (ir_info[op->code].effects == IR_PURE || op->code == IR_get);
}

/* Can somebody see the guest's state here? */
static bool is_observer(const struct ir_op *op)
{
    return ir_may_fault(op) || (ir_info[op->code].effects & (IR_SIDE | IR_END));
}

static void use_operands(struct pass_scratch *s, const struct ir_op *op)
{
    s->used[op->arg[0]] = true; /* what it does not have is 0 */
    s->used[op->arg[1]] = true;
    if (unlikely(op->arg[2] | op->arg[3])) {
        s->used[op->arg[2]] = true;
        s->used[op->arg[3]] = true;
    }
}

/* Backwards: all uses of a value are behind it. */
static void dead_in_block(struct pass_scratch *s, struct ir_unit *u, const struct ir_block *b)
{
    s->era++;
    for (unsigned i = b->first + b->count; i-- > b->first;) {
        struct ir_op *op = &u->ops[i];

        if (op->code == IR_nop)
            continue;
        if ((!s->used[i] && is_removable(op)) ||
            (op->code == IR_set && s->overwritten[op->imm] == s->era)) {
            make_nop(op);
            continue;
        }
        use_operands(s, op);
        if (op->code == IR_set)
            s->overwritten[op->imm] = s->era;
        else if (op->code == IR_get)
            s->overwritten[op->imm] = 0;
        else if (is_observer(op))
            s->era++;
    }
}

void pass_dead(struct pass_scratch *s, struct ir_unit *u)
{
    if (u->dialect->slot_count > PASS_SLOTS_MAX)
        return;
    memset(s->used, 0, u->op_count * sizeof(s->used[0]));
    for (unsigned b = u->block_count; b-- > 0;)
        dead_in_block(s, u, &u->blocks[b]);
}
