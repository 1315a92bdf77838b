/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Where values are: pins, scratch registers, cells. */
#include "arch/x86_64/emit/emit.h"

_Static_assert(SCRATCH_COUNT == 3, "values_after() looks at so many");

#define AGAIN_REACH (WINDOW_REACH / 64) /* so far words go from one repetition to the next */
#define LOOK_AHEAD  8 /* operations between a value and the `set` that takes it, at most */

static ir_value same_as(const struct emitter *e, ir_value v)
{
    return e->value[v].same;
}

/* An i32 whose register has zeros above it, as all that writes 32 bits of a register leaves. */
static bool is_clean(const struct emitter *e, ir_value v)
{
    const struct ir_op *op = op_of(e, v);
    int64_t count;

    if (ir_result_type(op) != IR_I32)
        return false;
    switch (op->code) {
    case IR_shl:
    case IR_shr:
    case IR_sar:
        return value_const(e, op->arg[1], &count) && count & 31;
    case IR_extract:
        return op->imm >> 8 < 32;
    case IR_add:
    case IR_sub:
    case IR_and:
    case IR_or:
    case IR_xor:
    case IR_andn:
    case IR_mul:
    case IR_divu:
    case IR_divs:
    case IR_remu:
    case IR_rems:
    case IR_not:
    case IR_neg:
    case IR_clz:
    case IR_select:
    case IR_load:
        return true;
    default:
        return false;
    }
}

/* Operations whose result is their operand, in our terms. */
static ir_value find_same(const struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    const struct ir_op *from = op_of(e, op->arg[0]);

    switch (op->code) {
    case IR_trunc:
    case IR_flags_pack:
    case IR_flags_unpack:
    case IR_vscalar:
        return same_as(e, op->arg[0]);
    case IR_zext:
        return op->attr == IR_I32 && is_clean(e, same_as(e, op->arg[0])) ? same_as(e, op->arg[0])
                                                                         : (ir_value)i;
    case IR_vhalf:
        return op->attr2 & IR_V_HIGH ? (ir_value)i : same_as(e, op->arg[0]);
    case IR_unbox:
        return from->code == IR_box ? same_as(e, from->arg[0]) : (ir_value)i;
    default:
        return (ir_value)i;
    }
}

/* Operands that operation `i` does not have are 0. They count as its own result, which is made anew
 * afterwards: were they all value 0's, each operation would wait for the one before it. */
static inline void note_use(struct emitter *e, ir_value operand, unsigned i)
{
    struct value *v = &e->value[operand ? same_as(e, operand) : i];

    v->last = (uint16_t)i;
    v->uses++;
}

static inline void note_uses(struct emitter *e, const struct ir_op *op, unsigned i)
{
    note_use(e, op->arg[0], i);
    note_use(e, op->arg[1], i);
    if (unlikely(op->arg[2] | op->arg[3])) {
        note_use(e, op->arg[2], i);
        note_use(e, op->arg[3], i);
    }
}

/* Operation `i` alone uses `v`, soon: `v` is made there, of operands that are kept until then. */
static bool fuse(struct emitter *e, ir_value v, unsigned i)
{
    if (e->value[v].uses != 1 || i - v > LOOK_AHEAD)
        return false;
    e->value[v].fused = true;
    for (unsigned a = 0; a < 2; a++) {
        struct value *x = &e->value[same_as(e, op_of(e, v)->arg[a])];

        x->last = MAX(x->last, (uint16_t)i);
    }
    return true;
}

/* Is it a shift to the left, by this much at least and at most? */
static bool is_shl(const struct emitter *e, ir_value v, enum ir_type t, int64_t least, int64_t most)
{
    const struct ir_op *op = op_of(e, v);
    int64_t count;

    return op->code == IR_shl && op->type == t && value_const(e, op->arg[1], &count) &&
           count >= least && count <= most;
}

/* What operation `i` does together with one of its operands: it chooses by a comparison, adds what
 * it shifted by 3 at most, shifts back what lost its upper half, or returns to an even address. */
static void fuse_operand(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    ir_value a = same_as(e, op->arg[0]), b = same_as(e, op->arg[1]);
    int64_t count;

    switch (op->code) {
    case IR_select:
        if (class_of(op->type) == CLASS_INT && op_of(e, a)->code == IR_cmp &&
            ir_type_size(op_of(e, a)->type) >= 4)
            (void)fuse(e, a, i);
        break;
    case IR_add:
        if (ir_type_size(op->type) >= 4 &&
            !(is_shl(e, b, op->type, 1, SHIFT_OF_LEA) && fuse(e, b, i)) &&
            is_shl(e, a, op->type, 1, SHIFT_OF_LEA) && !value_const(e, b, &count))
            (void)fuse(e, a, i);
        break;
    case IR_shr:
        if (op->type == IR_I64 && is_shl(e, a, IR_I64, 32, 32) && value_const(e, b, &count) &&
            count > 0 && count <= 32)
            (void)fuse(e, a, i);
        break;
    case IR_jump_reg:
        if (op->attr == IR_HINT_RETURN && op_of(e, a)->code == IR_and &&
            value_const(e, op_of(e, a)->arg[1], &count) && count == -2)
            (void)fuse(e, a, i);
        break;
    default:
        break;
    }
}

/* Types that no code is emitted for. */
#define FOREIGN_TYPES (BIT(IR_V256) | BIT(IR_V512) | BIT(IR_FLAGS))
#define VECTOR_TYPES  (BIT(IR_V64) | BIT(IR_V128))

#define FLOAT_TYPES (BIT(IR_F32) | BIT(IR_F64) | BITS(IR_V512, IR_V64))

/* What values_begin() asks of each operation, in few cache lines. */
enum fact {
    FACT_TYPED = 1u << 0,  /* the result is of the operation's type */
    FACT_CONST = 1u << 1,  /* it is a constant */
    FACT_SAME = 1u << 2,   /* find_same() knows it */
    FACT_FUSES = 1u << 3,  /* fuse_operand() may find some */
    FACT_ACCESS = 1u << 4, /* of memory, by a look-up that others may share */
};

#define ONE_OF(code, a, b, c, d)        ((code) == (a) || (code) == (b) || (code) == (c) || (code) == (d))
#define FACT_IF(fact, code, a, b, c, d) (ONE_OF(IR_##code, a, b, c, d) ? (fact) : 0)
static const uint8_t facts[IR_CODE_COUNT] = {
#define IR_OP(name, signature, attribute, effects)                                               \
    [IR_##name] = (ONE_OF((signature)[0], '-', 'L', 'C', 0) ? 0 : FACT_TYPED) |                  \
                  FACT_IF(FACT_CONST, name, IR_const, IR_const, IR_const, IR_const) |            \
                  FACT_IF(FACT_SAME, name, IR_trunc, IR_zext, IR_unbox, IR_vscalar) |            \
                  FACT_IF(FACT_SAME, name, IR_flags_pack, IR_flags_unpack, IR_vhalf, IR_vhalf) | \
                  FACT_IF(FACT_FUSES, name, IR_select, IR_shl, IR_jump_reg, IR_shl) |            \
                  FACT_IF(FACT_ACCESS, name, IR_load, IR_store, IR_probe, IR_probe),
#include "dbt/ops.def"
#undef IR_OP
};

bool values_begin(struct emitter *e)
{
    static const struct value fresh = {.reg = REG_NONE, .slot = NO_SLOT};
    unsigned seen = 0, access = 0;

    for (unsigned i = 0; i < e->u->op_count; i++) {
        const struct ir_op *op = op_of(e, (ir_value)i);
        struct value *v = &e->value[i];
        unsigned fact = facts[op->code];

        note_uses(e, op, i);
        *v = fresh;
        v->same = (ir_value)i;
        v->class = fact & FACT_TYPED ? FLOAT_TYPES >> op->type & 1 : CLASS_INT;
        v->home = fact & FACT_CONST ? HOME_CONST : HOME_NONE;
        if (unlikely(
                (fact & FACT_CONST ? FOREIGN_TYPES | VECTOR_TYPES : FOREIGN_TYPES) >> op->type & 1))
            return false;
        if (fact & FACT_SAME)
            v->same = find_same(e, i);
        seen |= fact;
        e->value[access].next_access = (ir_value)i; /* until it is one */
        access = fact & FACT_ACCESS ? i : access;
    }
    e->value[access].next_access = 0;
    for (unsigned i = 1; seen & FACT_FUSES && i < e->u->op_count; i++)
        fuse_operand(e, i);
    memset(e->alias, 0, e->dialect->slot_count * sizeof(e->alias[0]));
    memset(e->owner, 0, sizeof(e->owner));
    memset(e->locked, 0, sizeof(e->locked));
    memset(e->word, 0, sizeof(e->word));
    for (unsigned k = 0; k < KEPT_COUNT; k++)
        e->kept[k].reg = REG_NONE;
    e->spills = 0;
    return true;
}

ir_value value_of(const struct emitter *e, ir_value v)
{
    return same_as(e, v);
}

bool value_dies(const struct emitter *e, ir_value v, unsigned i)
{
    return e->value[same_as(e, v)].last <= i;
}

bool value_fused(const struct emitter *e, ir_value v)
{
    return e->value[same_as(e, v)].fused;
}

bool value_const(const struct emitter *e, ir_value v, int64_t *c)
{
    const struct ir_op *op = op_of(e, same_as(e, v));

    *c = op->imm;
    return op->code == IR_const;
}

static enum class value_class(const struct emitter *e, ir_value v) {
    return (enum class)e->value[v].class;
}

/* ---- Scratch registers ---- */

static enum ir_type value_type(const struct emitter *e, ir_value v)
{
    return ir_result_type(op_of(e, v));
}

static void store_reg(struct emitter *e, enum ir_type t, unsigned reg, int32_t disp)
{
    if (ir_is_vector(t))
        as_rm(&e->as, OP_MOVUPS_STORE, false, reg, FRAME_BASE, disp);
    else if (class_of(t) == CLASS_FP)
        as_rm(&e->as, OP_MOVQ_STORE, false, reg, FRAME_BASE, disp);
    else
        as_rm(&e->as, OP_MOV_STORE, true, reg, FRAME_BASE, disp);
}

static void forget_reg(struct emitter *e, enum class class, unsigned reg)
{
    ir_value v = e->owner[class][reg];

    if (v)
        e->value[v].reg = REG_NONE;
    e->owner[class][reg] = 0;
}

static void give_reg(struct emitter *e, enum class class, unsigned reg, ir_value v)
{
    e->owner[class][reg] = v;
    e->value[v].reg = (uint8_t)reg;
}

/* The register's value stays to be had: in its home, or in a cell from now on. */
static void spill(struct emitter *e, enum class class, unsigned reg)
{
    ir_value v = e->owner[class][reg];

    if (class == CLASS_INT) {
        for (unsigned k = 0; k < KEPT_COUNT; k++)
            if (e->kept[k].reg == reg)
                e->kept[k].reg = REG_NONE;
        e->word[reg] = 0;
    }
    if (v && e->value[v].home == HOME_NONE) {
        unsigned cells = ir_is_vector(value_type(e, v)) ? VECTOR_SIZE / 8 : 1;

        e->spills = ALIGN_UP(e->spills, cells);
        e->spill_of[v] = (uint16_t)e->spills;
        e->spills += cells;
        e->value[v].home = HOME_SPILL;
        store_reg(e, value_type(e, v), reg, CELL_SPILL(e, e->spill_of[v]));
    }
    forget_reg(e, class, reg);
}

static bool is_free(const struct emitter *e, enum class class, unsigned reg)
{
    return !e->owner[class][reg] && !(e->locked[class] & 1u << reg);
}

/* Does it hold what accesses to memory may want again? */
static bool is_kept(const struct emitter *e, unsigned reg)
{
    return e->kept[0].reg == reg || e->kept[1].reg == reg || e->word[reg];
}

unsigned reg_spare(const struct emitter *e, enum class class)
{
    for (unsigned r = 0; r < SCRATCH_COUNT; r++)
        if (is_free(e, class, r) && (class != CLASS_INT || !is_kept(e, r)))
            return r;
    return REG_NONE;
}

unsigned reg_take(struct emitter *e, enum class class)
{
    unsigned best = SCRATCH_COUNT, best_cost = 0;

    for (unsigned r = 0; r < SCRATCH_COUNT; r++) {
        const struct value *v = &e->value[e->owner[class][r]];
        unsigned cost; /* that somebody wants it back: the nearer the last use the higher */

        if (e->locked[class] & 1u << r)
            continue;
        cost = class == CLASS_INT && is_kept(e, r) ? 2
               : is_free(e, class, r)              ? 1
               : v->home != HOME_NONE              ? 3
                                                   : 4 + (IR_OPS_MAX - v->last);
        if (best == SCRATCH_COUNT || cost < best_cost) {
            best = r;
            best_cost = cost;
        }
    }
    if (best == SCRATCH_COUNT) { /* an operation that needs more than there are */
        e->unsupported = true;
        return 0;
    }
    spill(e, class, best);
    e->locked[class] |= (uint8_t)(1u << best);
    return best;
}

void reg_take_this(struct emitter *e, enum class class, unsigned reg)
{
    ir_value v = e->owner[class][reg];

    if (e->locked[class] & 1u << reg)
        e->unsupported = true;
    if (v && e->value[v].home == HOME_NONE) {
        unsigned r = reg_spare(e, class);

        if (r != REG_NONE) {
            move_reg(e, class, r, reg);
            forget_reg(e, class, reg);
            give_reg(e, class, r, v);
        }
    }
    spill(e, class, reg);
    e->locked[class] |= (uint8_t)(1u << reg);
}

void reg_release(struct emitter *e, enum class class, unsigned reg)
{
    if (reg < SCRATCH_COUNT)
        e->locked[class] &= (uint8_t) ~(1u << reg);
}

void move_reg(struct emitter *e, enum class class, unsigned to, unsigned from)
{
    if (class == CLASS_INT)
        as_mov(&e->as, to, from);
    else if (to != from)
        as_rr(&e->as, OP_MOVAPS, false, to, from);
}

void load_operand(struct emitter *e, enum class class, unsigned reg, struct operand o)
{
    if (o.kind == IN_REG)
        move_reg(e, class, reg, o.reg);
    else if (o.kind == IS_CONST)
        as_const(&e->as, reg, (uint64_t)(int64_t)o.disp);
    else if (class == CLASS_FP)
        as_rm(&e->as, OP_MOVQ_LOAD, false, reg, FRAME_BASE, o.disp);
    else
        as_rm(&e->as, OP_MOV, true, reg, FRAME_BASE, o.disp);
}

void load_value(struct emitter *e, enum ir_type t, unsigned reg, struct operand o)
{
    if (ir_is_vector(t) && o.kind == IN_MEMORY)
        as_rm(&e->as, OP_MOVUPS_LOAD, false, reg, FRAME_BASE, o.disp);
    else
        load_operand(e, class_of(t), reg, o);
}

/* ---- Operands ---- */

static struct operand home_of(const struct emitter *e, ir_value v)
{
    const struct value *x = &e->value[v];

    if (x->home == HOME_PIN)
        return (struct operand){.kind = IN_REG, .reg = e->pin[x->slot]};
    if (x->home == HOME_SLOT)
        return (struct operand){.kind = IN_MEMORY, .disp = slot_disp(e, x->slot)};
    return (struct operand){.kind = IN_MEMORY, .disp = CELL_SPILL(e, e->spill_of[v])};
}

static void load_const(struct emitter *e, enum class class, unsigned reg, ir_value v)
{
    const struct ir_op *op = op_of(e, v);
    unsigned through;

    if (class == CLASS_INT) {
        as_const(&e->as, reg, (uint64_t)op->imm);
        return;
    }
    through = reg_take(e, CLASS_INT);
    as_const(&e->as, through, (uint64_t)op->imm);
    as_rr(&e->as, OP_MOVD_TO_XMM, true, reg, through);
    reg_release(e, CLASS_INT, through);
}

unsigned use_reg(struct emitter *e, ir_value value)
{
    ir_value v = same_as(e, value);
    enum class class = value_class(e, v);
    unsigned reg;

    if (e->value[v].home == HOME_PIN)
        return e->pin[e->value[v].slot];
    if (e->value[v].reg != REG_NONE) {
        e->locked[class] |= (uint8_t)(1u << e->value[v].reg);
        return e->value[v].reg;
    }
    reg = reg_take(e, class);
    if (e->value[v].home == HOME_CONST)
        load_const(e, class, reg, v);
    else
        load_value(e, value_type(e, v), reg, home_of(e, v));
    give_reg(e, class, reg, v);
    return reg;
}

struct operand use(struct emitter *e, ir_value value)
{
    ir_value v = same_as(e, value);
    const struct value *x = &e->value[v];

    if (x->home == HOME_CONST && value_class(e, v) == CLASS_INT &&
        op_of(e, v)->imm == (int32_t)op_of(e, v)->imm)
        return (struct operand){.kind = IS_CONST, .disp = (int32_t)op_of(e, v)->imm};
    if (x->reg == REG_NONE && (x->home == HOME_SLOT || x->home == HOME_SPILL))
        return home_of(e, v);
    return (struct operand){.kind = IN_REG, .reg = (uint8_t)use_reg(e, value)};
}

bool use_home(struct emitter *e, ir_value value, struct operand *o)
{
    ir_value v = same_as(e, value);
    struct value *x = &e->value[v];

    if (x->home == HOME_CONST) {
        *o = (struct operand){.kind = IS_CONST, .disp = (int32_t)op_of(e, v)->imm};
        return op_of(e, v)->imm == (int32_t)op_of(e, v)->imm;
    }
    if (x->home == HOME_NONE)
        spill(e, value_class(e, v), x->reg);
    *o = home_of(e, v);
    return true;
}

unsigned value_in_reg(const struct emitter *e, ir_value value)
{
    ir_value v = same_as(e, value), alias;
    const struct value *x = &e->value[v];

    if (x->home != HOME_PIN)
        return x->reg;
    for (alias = e->alias[x->slot]; alias && alias != v;)
        alias = e->value[alias].next_alias;
    return alias ? e->pin[x->slot] : REG_NONE; /* it is not wanted any more */
}

static void alias_add(struct emitter *e, ir_value v, int64_t slot)
{
    e->value[v].home = e->pin[slot] == REG_NONE ? HOME_SLOT : HOME_PIN;
    e->value[v].slot = (int16_t)slot;
    e->value[v].next_alias = e->alias[slot];
    e->alias[slot] = v;
}

bool is_first_of_slot(const struct emitter *e, unsigned i)
{
    int64_t slot = op_of(e, (ir_value)i)->imm;

    for (unsigned j = 1; j < i; j++) {
        const struct ir_op *op = op_of(e, (ir_value)j);

        if ((op->code == IR_get || op->code == IR_set) && op->imm == slot)
            return false;
    }
    return true;
}

ir_value last_of_slot(const struct emitter *e, int64_t slot)
{
    for (unsigned i = e->u->op_count; --i;) {
        const struct ir_op *op = op_of(e, (ir_value)i);

        if (op->code == IR_set && op->imm == slot)
            return same_as(e, op->arg[0]);
    }
    return 0;
}

void forwards_find(struct emitter *e)
{
    for (unsigned i = 1; i < e->u->op_count && e->forward_count < FORWARD_COUNT; i++) {
        const struct ir_op *op = op_of(e, (ir_value)i), *get = op_of(e, op->arg[0]), *bits;
        bool again = false;

        if (op->code != IR_bitsf || op->type != IR_F64 || get->code != IR_get ||
            !is_first_of_slot(e, op->arg[0]))
            continue;
        bits = op_of(e, last_of_slot(e, get->imm));
        for (unsigned k = 0; k < e->forward_count; k++)
            again |= op_of(e, e->forward[k].to)->arg[0] == op->arg[0];
        if (!again && bits->code == IR_fbits && bits->attr == IR_F64)
            e->forward[e->forward_count++] =
                (struct forward){.from = same_as(e, bits->arg[0]), .to = (ir_value)i};
    }
}

void forwards_keep(struct emitter *e)
{
    for (unsigned k = 0; k < e->forward_count; k++)
        e->value[e->forward[k].from].last = (uint16_t)e->u->op_count;
}

void values_again(struct emitter *e)
{
    ir_value word[SCRATCH_COUNT] = {0};
    bool exact[SCRATCH_COUNT] = {false};
    struct kept kept[KEPT_COUNT];
    unsigned forward[FORWARD_COUNT] = {0};
    int16_t slot[FORWARD_COUNT] = {0};

    for (unsigned k = 0; k < e->forward_count; k++) {
        forward[k] = value_in_reg(e, e->forward[k].from);
        slot[k] = e->value[e->forward[k].from].slot;
    }
    kept_again(e);
    memcpy(kept, e->kept, sizeof(kept));
    for (unsigned i = 1; i < e->u->op_count; i++) {
        const struct ir_op *op = op_of(e, (ir_value)i);
        ir_value v = op->code == IR_get ? e->alias[op->imm] : 0, origin;

        if (!v || op->type != IR_I64 || !is_first_of_slot(e, i))
            continue;
        origin = origin_of(e, v, AGAIN_REACH);
        for (unsigned r = 0; r < SCRATCH_COUNT; r++)
            if (e->word[r] && e->word[r] == origin) {
                word[r] = (ir_value)i;
                exact[r] = e->exact[r] && same_as(e, v) == origin;
            }
    }
    (void)values_begin(e); /* the unit is one that can be emitted: it was */
    memcpy(e->word, word, sizeof(word));
    memcpy(e->exact, exact, sizeof(exact));
    memcpy(e->kept, kept, sizeof(kept));
    for (unsigned k = 0; k < e->forward_count; k++) {
        if (forward[k] == REG_NONE)
            continue;
        if (forward[k] < SCRATCH_COUNT && !e->owner[CLASS_FP][forward[k]])
            give_reg(e, CLASS_FP, forward[k], e->forward[k].to);
        else if (forward[k] >= SCRATCH_COUNT)
            alias_add(e, e->forward[k].to, slot[k]);
    }
}

bool is_pinned(const struct emitter *e, ir_value v)
{
    return e->value[same_as(e, v)].home == HOME_PIN;
}

struct operand where(const struct emitter *e, ir_value value)
{
    ir_value v = same_as(e, value);
    const struct value *x = &e->value[v];

    if (x->home == HOME_CONST)
        return (struct operand){.kind = IS_CONST};
    if (x->home != HOME_PIN && x->reg != REG_NONE)
        return (struct operand){.kind = IN_REG, .reg = x->reg};
    return home_of(e, v);
}

void let_go(struct emitter *e, enum class class, unsigned reg)
{
    if (reg < SCRATCH_COUNT) {
        spill(e, class, reg);
        reg_release(e, class, reg);
    }
}

/* ---- Results ---- */

static bool alias_needed_after(const struct emitter *e, int64_t slot, unsigned i)
{
    for (ir_value v = e->alias[slot]; v; v = e->value[v].next_alias)
        if (e->value[v].last > i)
            return true;
    return false;
}

/* The slot that the value of operation `i` is set to soon, if it can be made there. */
static int64_t slot_ahead(const struct emitter *e, unsigned i)
{
    unsigned end = MIN(i + LOOK_AHEAD, e->u->op_count - 1);

    for (unsigned j = i + 1; j <= end; j++) {
        const struct ir_op *op = op_of(e, (ir_value)j);

        if (op->code == IR_set && same_as(e, op->arg[0]) == i) {
            if (alias_needed_after(e, op->imm, i))
                return NO_SLOT;
            for (unsigned k = i + 1; k < j; k++) {
                const struct ir_op *between = op_of(e, (ir_value)k);

                if ((between->code == IR_set || between->code == IR_get) && between->imm == op->imm)
                    return NO_SLOT;
            }
            return op->imm;
        }
        if (ir_info[op->code].effects & (IR_FAULT | IR_SIDE | IR_END))
            return NO_SLOT;
    }
    return NO_SLOT;
}

/* ... in a register. */
static int64_t target_slot(const struct emitter *e, unsigned i)
{
    int64_t slot = slot_ahead(e, i);

    return slot != NO_SLOT && e->pin[slot] != REG_NONE ? slot : NO_SLOT;
}

bool result_in_cell(struct emitter *e, unsigned i, ir_value operand, int32_t *disp)
{
    const struct value *x = &e->value[same_as(e, operand)];
    int64_t slot;

    if (x->home != HOME_SLOT || x->reg != REG_NONE || e->value[i].uses != 1)
        return false;
    slot = x->slot;
    if (slot_ahead(e, i) != slot)
        return false;
    e->alias[slot] = 0;
    alias_add(e, (ir_value)i, slot);
    *disp = slot_disp(e, slot);
    return true;
}

static unsigned result_in_pin(struct emitter *e, unsigned i, int64_t slot)
{
    e->alias[slot] = 0;
    alias_add(e, (ir_value)i, slot);
    return e->pin[slot];
}

unsigned result_reg_apart(struct emitter *e, unsigned i, uint32_t reads)
{
    enum class class = value_class(e, (ir_value)i);
    int64_t slot = target_slot(e, i);
    unsigned reg;

    if (slot != NO_SLOT && !(reads & 1u << e->pin[slot]))
        return result_in_pin(e, i, slot);
    reg = reg_take(e, class);
    give_reg(e, class, reg, (ir_value)i);
    return reg;
}

bool value_spare(const struct emitter *e, ir_value value, unsigned i)
{
    ir_value v = same_as(e, value);

    return v && e->value[v].reg != REG_NONE && value_dies(e, v, i);
}

unsigned result_reg(struct emitter *e, unsigned i)
{
    return result_reg_of(e, i, op_of(e, (ir_value)i)->arg[0]);
}

unsigned result_reg_of(struct emitter *e, unsigned i, ir_value operand)
{
    enum class class = value_class(e, (ir_value)i);
    int64_t slot = target_slot(e, i);
    ir_value first = same_as(e, operand);

    if (slot != NO_SLOT)
        return result_in_pin(e, i, slot);
    if (value_spare(e, first, i) && value_class(e, first) == class) {
        unsigned reg = e->value[first].reg;

        forget_reg(e, class, reg);
        give_reg(e, class, reg, (ir_value)i);
        return reg;
    }
    return result_reg_apart(e, i, 0);
}

void result_in(struct emitter *e, unsigned i, unsigned reg)
{
    enum class class = value_class(e, (ir_value)i);
    int64_t slot = target_slot(e, i);

    if (slot != NO_SLOT) {
        move_reg(e, class, result_in_pin(e, i, slot), reg);
        return;
    }
    spill(e, class, reg);
    give_reg(e, class, reg, (ir_value)i);
}

/* ---- Slots ---- */

void emit_get(struct emitter *e, unsigned i)
{
    struct value *v = &e->value[i];

    alias_add(e, (ir_value)i, op_of(e, (ir_value)i)->imm);
    v->loose = v->class == CLASS_FP && v->home == HOME_PIN && e->loose >> e->pin[v->slot] & 1;
}

static void note_loose(struct emitter *e, unsigned reg, bool loose)
{
    e->loose = (uint16_t)((e->loose & ~(1u << reg)) | (unsigned)loose << reg);
}

void tighten(struct emitter *e, ir_value value)
{
    ir_value v = same_as(e, value);
    struct value *x = &e->value[v];
    uint8_t locked = e->locked[CLASS_FP];
    unsigned reg;

    if (!x->loose)
        return;
    reg = use_reg(e, v);
    e->locked[CLASS_FP] = locked;
    cold_nan(e, IR_F64, reg);
    if (x->home == HOME_PIN)
        note_loose(e, reg, false);
    else if (x->home == HOME_SPILL)
        x->home = HOME_NONE; /* which has what it was */
    x->loose = false;
}

void tighten_slots(struct emitter *e)
{
    for (unsigned loose = e->loose; loose; loose &= loose - 1)
        cold_nan(e, IR_F64, (unsigned)__builtin_ctz(loose));
    e->loose = 0;
}

/* Operation `i` changes the slot: what lives there and is needed afterwards moves out. */
static void alias_evict(struct emitter *e, int64_t slot, unsigned i)
{
    for (ir_value v = e->alias[slot]; v; v = e->value[v].next_alias) {
        struct operand from = home_of(e, v);

        if (e->value[v].last > i && e->value[v].reg == REG_NONE) {
            enum class class = value_class(e, v);
            unsigned reg = reg_take(e, class);

            load_value(e, value_type(e, v), reg, from);
            give_reg(e, class, reg, v);
            reg_release(e, class, reg);
        }
        e->value[v].home = HOME_NONE;
    }
    e->alias[slot] = 0;
}

/* Into the cell of a slot of type `t`. */
static void store_slot(struct emitter *e, enum ir_type t, int32_t disp, struct operand o)
{
    unsigned reg;

    if (o.kind == IS_CONST && is_64(t)) {
        as_rm(&e->as, OP_MOV_IMM32, true, 0, FRAME_BASE, disp);
        as_32(&e->as, (uint32_t)o.disp);
        return;
    }
    if ((is_64(t) || ir_is_vector(t)) && o.kind == IN_REG) {
        store_reg(e, t, o.reg, disp);
        return;
    }
    if (t == IR_F32) { /* no guest has such slots */
        e->unsupported = true;
        return;
    }
    reg = reg_take(e, class_of(t));
    load_value(e, t, reg, o);
    if (t == IR_I32)
        as_rr(&e->as, OP_MOV, false, reg, reg);
    else if (t == IR_I8 || t == IR_I16)
        as_rr(&e->as, t == IR_I8 ? OP_MOVZX8 : OP_MOVZX16, false, reg, reg);
    store_reg(e, t, reg, disp);
    reg_release(e, class_of(t), reg);
}

void emit_set(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    ir_value v = same_as(e, op->arg[0]);
    enum class class = class_of(op->type);
    struct operand o;

    if ((e->value[v].home == HOME_PIN || e->value[v].home == HOME_SLOT) &&
        e->value[v].slot == op->imm)
        return; /* made there, or never moved */
    o = use(e, v);
    alias_evict(e, op->imm, i);
    if (e->pin[op->imm] != REG_NONE) {
        if (class == CLASS_FP)
            note_loose(e, e->pin[op->imm], e->value[v].loose);
        if (o.kind == IS_CONST && o.disp == 0)
            as_rr(&e->as, OP_XOR, false, e->pin[op->imm], e->pin[op->imm]);
        else
            load_value(e, op->type, e->pin[op->imm], o);
    } else {
        store_slot(e, op->type, slot_disp(e, op->imm), o);
    }
    if (e->value[v].home == HOME_NONE || e->value[v].home == HOME_SPILL) {
        alias_add(e, v, op->imm);
        if (e->value[v].home == HOME_PIN && e->value[v].reg != REG_NONE)
            forget_reg(e, class, e->value[v].reg);
    }
}

void values_after(struct emitter *e, unsigned i)
{
    const struct value *v = &e->value[i];

    if (unlikely(e->made_loose) && v->home == HOME_PIN && v->class == CLASS_FP)
        note_loose(e, e->pin[v->slot], v->loose);
    memset(e->locked, 0, sizeof(e->locked));
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        const ir_value *owner = e->owner[class];

        if (!(owner[0] | owner[1] | owner[2]))
            continue;
        for (unsigned r = 0; r < SCRATCH_COUNT; r++)
            if (owner[r] && e->value[owner[r]].last <= i)
                forget_reg(e, class, r);
    }
}
