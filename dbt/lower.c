/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * From IR to threaded code (interp.h). In units of one block a value may live in its slot's cell:
 * `get` makes it so, and `set` when the value is made right before it; a later `set` of the slot
 * first moves those that are still needed away. Constants go into the instruction where there is a
 * form for it.
 */
#include "dbt/handlers.h"

#include <string.h>
#include "dbt/emitter.h"
#include "dbt/eval.h"
#include "dbt/vector.h"
#include "mm/heap.h"

/* The first of an operation's handlers; 0: none of that kind. */
static const uint16_t binary_handlers[IR_CODE_COUNT] = {
#define BINARY(name) [IR_##name] = H_##name##32,
#define UNARY(name)
#define COMPARE(cc)
#define PLAIN(name)
#include "dbt/handlers.def"
};
static const uint16_t unary_handlers[IR_CODE_COUNT] = {
#define BINARY(name)
#define UNARY(name) [IR_##name] = H_##name##32,
#define COMPARE(cc)
#define PLAIN(name)
#include "dbt/handlers.def"
};
static const uint16_t compare_handlers[IR_CC_COUNT] = {
#define BINARY(name)
#define UNARY(name)
#define PLAIN(name)
#define COMPARE(cc) [IR_##cc] = H_cmp_##cc##32,
#include "dbt/handlers.def"
};
#define COMPARE_EXITS 4 /* from a handler of cmp to that of exit_if */

static const uint16_t plain_handlers[IR_CODE_COUNT] = {
    [IR_const] = H_constant,
    [IR_adc] = H_adc,
    [IR_sbc] = H_sbc,
    [IR_extract] = H_extract,
    [IR_insert] = H_insert,
    [IR_flags_add] = H_flags_add,
    [IR_flags_adc] = H_flags_adc,
    [IR_flags_sub] = H_flags_sub,
    [IR_flags_sbc] = H_flags_sbc,
    [IR_flags_logic] = H_flags_logic,
    [IR_cond] = H_cond,
    [IR_probe] = H_probe,
    [IR_fence] = H_fence,
    [IR_fadd] = H_fadd,
    [IR_fsub] = H_fsub,
    [IR_fmul] = H_fmul,
    [IR_fdiv] = H_fdiv,
    [IR_fsqrt] = H_fsqrt,
    [IR_fma] = H_fma,
    [IR_fmin] = H_fmin,
    [IR_fmax] = H_fmax,
    [IR_fcmp] = H_fcmp,
    [IR_fconv] = H_fconv,
    [IR_ftoi] = H_ftoi,
    [IR_itof] = H_itof,
    [IR_frint] = H_frint,
    [IR_fabs] = H_fabs,
    [IR_fneg] = H_fneg,
    [IR_fsgnj] = H_fsgnj,
    [IR_fclass] = H_fclass,
    [IR_unbox] = H_unbox,
    [IR_box] = H_box,
    [IR_helper] = H_helper,
    [IR_helper_fp] = H_helper,
    [IR_poll] = H_poll,
    [IR_exit_cond] = H_exit_cond,
    [IR_leave_if] = H_leave_if,
    [IR_jump] = H_jump,
    [IR_jump_reg] = H_jump_reg,
    [IR_leave] = H_leave,
    [IR_goto] = H_goto,
    [IR_branch] = H_branch,
};

#define VECTOR_CELLS 4096 /* behind those of scalars: of all vectors of a unit */
#define LOOK_AHEAD   4    /* operations between a value and the `set` that takes it, at most */

struct interp_scratch {
    const struct ir_unit *u;
    struct interp_op *ops;
    unsigned count, capacity;
    bool full, single;
    uint16_t insn_at, insn_length, insn_index;
    unsigned passes;
    uint16_t first_cell;
    unsigned vector_cells;         /* used */
    uint16_t cell[IR_OPS_MAX];     /* of each value; 0: a constant that is in no cell yet */
    uint16_t last_use[IR_OPS_MAX]; /* the operation */
    uint16_t next_alias[IR_OPS_MAX];
    uint16_t alias[256]; /* per slot: the values that live in its cell */
    unsigned block_start[IR_BLOCKS_MAX];
};

#define SLOTS_MAX ARRAY_SIZE(((struct interp_scratch *)0)->alias)

static uint16_t slot_cell(const struct interp_scratch *l, int64_t slot)
{
    return (uint16_t)(l->u->dialect->slots[slot].offset / 8);
}

static unsigned cells_begin(const struct dbt_dialect *d)
{
    unsigned end = DBT_FRAME_GUEST;

    for (unsigned s = 0; s < d->slot_count; s++) {
        unsigned size = MAX(ir_type_size(d->slots[s].type), 8u);

        end = MAX(end, d->slots[s].offset + size);
    }
    return ALIGN_UP(end, INTERP_CELLS_ALIGN) / 8;
}

unsigned interp_first_cell(const struct dbt_dialect *dialect)
{
    return cells_begin(dialect);
}

size_t interp_frame_size(const struct dbt_dialect *dialect)
{
    return 8 * (size_t)(cells_begin(dialect) + IR_OPS_MAX + IR_PARAMS_MAX + VECTOR_CELLS);
}

static struct interp_op *put(struct interp_scratch *l, unsigned handler)
{
    struct interp_op *o;

    if (l->count == l->capacity) {
        l->full = true;
        l->count = 0;
    }
    o = &l->ops[l->count++];
    *o = (struct interp_op){.handler = (uint16_t)handler};
    return o;
}

static void put_move(struct interp_scratch *l, enum ir_type t, uint16_t dst, uint16_t from)
{
    struct interp_op *o = put(l, ir_is_vector(t) ? H_move_vector : H_move);

    o->dst = dst;
    o->a = from;
    o->imm = ir_type_size(t);
}

static enum ir_type value_type(const struct interp_scratch *l, unsigned v)
{
    return ir_result_type(&l->u->ops[v]);
}

/* A cell of the value's own; of vectors as many as they need. */
static uint16_t own_cell(struct interp_scratch *l, unsigned v)
{
    unsigned cells = ir_type_size(value_type(l, v)) / 8, at = l->vector_cells;

    if (!ir_is_vector(value_type(l, v)))
        return (uint16_t)(l->first_cell + v);
    if (at + cells > VECTOR_CELLS) {
        l->full = true;
        at = 0;
    }
    l->vector_cells = at + cells;
    return (uint16_t)(l->first_cell + IR_OPS_MAX + IR_PARAMS_MAX + at);
}

static const struct ir_op *op_at(const struct interp_scratch *l, unsigned i)
{
    return &l->u->ops[i];
}

static bool is_const(const struct interp_scratch *l, ir_value v)
{
    return op_at(l, v)->code == IR_const;
}

static int64_t const_value(const struct interp_scratch *l, ir_value v)
{
    const struct ir_op *op = op_at(l, v);

    return (int64_t)ir_zero_extend(op->type, (uint64_t)op->imm);
}

/* The cell of an operand; constants are put into theirs now. */
static uint16_t operand(struct interp_scratch *l, ir_value v)
{
    if (!l->cell[v]) {
        l->cell[v] = (uint16_t)(l->first_cell + v);
        put(l, H_constant);
        l->ops[l->count - 1].dst = l->cell[v];
        l->ops[l->count - 1].imm = const_value(l, v);
    }
    return l->cell[v];
}

/* ---- Values in slots ---- */

static void alias_add(struct interp_scratch *l, ir_value v, int64_t slot)
{
    l->cell[v] = slot_cell(l, slot);
    l->next_alias[v] = l->alias[slot];
    l->alias[slot] = v;
}

static bool alias_needed_after(const struct interp_scratch *l, int64_t slot, unsigned i)
{
    for (unsigned v = l->alias[slot]; v; v = l->next_alias[v])
        if (l->last_use[v] > i)
            return true;
    return false;
}

/* Operation `i` changes the slot: what lives there and is needed afterwards moves out. */
static void alias_evict(struct interp_scratch *l, int64_t slot, unsigned i)
{
    for (unsigned v = l->alias[slot]; v; v = l->next_alias[v]) {
        if (l->last_use[v] <= i)
            continue;
        uint16_t own = own_cell(l, v);

        put_move(l, value_type(l, v), own, l->cell[v]);
        l->cell[v] = own;
    }
    l->alias[slot] = 0;
}

/* Where the value of operation `i` is made: in the slot that it is set to right afterwards, if
 * nobody needs the old value then, or in a cell of its own. */
static uint16_t destination(struct interp_scratch *l, unsigned i)
{
    unsigned end = MIN(i + LOOK_AHEAD, l->u->op_count - 1);

    for (unsigned j = i + 1; l->single && j <= end; j++) {
        const struct ir_op *op = op_at(l, j);

        if (op->code == IR_const)
            continue;
        if (op->code == IR_set && op->arg[0] == i && !alias_needed_after(l, op->imm, i)) {
            l->alias[op->imm] = 0;
            alias_add(l, (ir_value)i, op->imm);
            return l->cell[i];
        }
        break;
    }
    return l->cell[i] = own_cell(l, i);
}

static void lower_get(struct interp_scratch *l, unsigned i)
{
    const struct ir_op *op = op_at(l, i);

    if (l->single) {
        alias_add(l, (ir_value)i, op->imm);
        return;
    }
    l->cell[i] = own_cell(l, i);
    put_move(l, op->type, l->cell[i], slot_cell(l, op->imm));
}

static void lower_set(struct interp_scratch *l, unsigned i)
{
    const struct ir_op *op = op_at(l, i);
    uint16_t slot = slot_cell(l, op->imm);
    ir_value v = op->arg[0];

    if (l->cell[v] == slot) /* made there, or never moved */
        return;
    alias_evict(l, op->imm, i);
    if (is_const(l, v) && !l->cell[v]) {
        struct interp_op *o = put(l, H_constant);

        o->dst = slot;
        o->imm = const_value(l, v);
        return;
    }
    put_move(l, op->type, slot, operand(l, v));
}

/* ---- Operations ---- */

/* The faulting instruction, for the handler. */
static int64_t insn_of(const struct interp_scratch *l)
{
    return l->insn_at | (int64_t)l->insn_length << 16 | (int64_t)(l->insn_index - 1) << 32;
}

static bool is_small(enum ir_type t)
{
    return t == IR_I8 || t == IR_I16;
}

/* Variants of a handler: i32, i32 with immediate, i64, i64 with immediate. */
static unsigned variant(enum ir_type t, bool immediate)
{
    return (t == IR_I64 ? 2 : 0) + (immediate ? 1 : 0);
}

static void lower_binary(struct interp_scratch *l, unsigned i)
{
    const struct ir_op *op = op_at(l, i);
    bool immediate = is_const(l, op->arg[1]) && !is_small(op->type);
    uint16_t a = operand(l, op->arg[0]);
    uint16_t b = immediate ? 0 : operand(l, op->arg[1]);
    uint16_t dst = destination(l, i);
    struct interp_op *o =
        put(l, is_small(op->type) ? (unsigned)H_small2
                                  : binary_handlers[op->code] + variant(op->type, immediate));

    o->dst = dst;
    o->a = a;
    o->b = b;
    o->attr = op->attr;
    o->attr2 = op->code;
    o->disp = op->type;
    o->imm = immediate ? const_value(l, op->arg[1]) : 0;
}

/* cmp and exit_if. */
static void lower_compare(struct interp_scratch *l, unsigned i)
{
    const struct ir_op *op = op_at(l, i);
    bool exits = op->code == IR_exit_if, small = is_small(op->type);
    bool immediate = is_const(l, op->arg[1]) && !small;
    uint16_t a = operand(l, op->arg[0]);
    uint16_t b = immediate ? 0 : operand(l, op->arg[1]);
    uint16_t dst = exits ? 0 : destination(l, i);
    struct interp_op *o;

    if (small)
        o = put(l, exits ? H_exit_small : H_cmp_small);
    else
        o = put(l, compare_handlers[op->attr] + (exits ? COMPARE_EXITS : 0) +
                       variant(op->type, immediate));
    o->dst = dst;
    o->a = a;
    o->b = b;
    o->c = l->insn_index;
    o->attr = op->attr;
    o->attr2 = op->type;
    o->disp = (int32_t)op->imm;
    o->imm = immediate ? const_value(l, op->arg[1]) : 0;
}

static unsigned memory_handler(const struct ir_op *op)
{
    static const uint16_t load[2][4] = {{H_load8, H_load16, H_load32, H_load64},
                                        {H_load8s, H_load16s, H_load32s, H_load64}};
    static const uint16_t store[4] = {H_store8, H_store16, H_store32, H_store64};
    unsigned size = ir_type_size(ir_memory_type(op)), log = (unsigned)__builtin_ctz(size);

    if (ir_is_vector(op->type))
        return op->code == IR_load ? H_load_vector : H_store_vector;
    if (op->code == IR_load && op->attr2 & ~(IR_SIGNED | IR_PROBED))
        return H_load_special;
    if (op->code == IR_load)
        return load[op->attr2 & IR_SIGNED ? 1 : 0][log];
    if (op->code == IR_store && op->attr2 & (IR_ALIGNED | IR_USER))
        return H_store_special;
    return op->code == IR_store ? store[log] : op->code == IR_rmw ? H_rmw : H_cas;
}

static unsigned plain_handler(const struct ir_op *op)
{
    if (ir_is_vector_code(op->code))
        return H_vector;
    if (unary_handlers[op->code])
        return is_small(op->type) ? (unsigned)H_small1
                                  : unary_handlers[op->code] + (unsigned)(op->type == IR_I64);
    switch (op->code) {
    case IR_load:
    case IR_store:
    case IR_rmw:
    case IR_cas:
        return memory_handler(op);
    case IR_sext:
        return op->type != IR_I64   ? H_sext
               : op->attr == IR_I8  ? H_sext8
               : op->attr == IR_I16 ? H_sext16
                                    : H_sext32;
    case IR_trunc:
        return op->type == IR_I8 ? H_zext8 : op->type == IR_I16 ? H_zext16 : H_zext32;
    case IR_select:
        return ir_is_vector(op->type) ? H_select_vector : H_select;
    case IR_zext: /* narrower values are held zero-extended */
    case IR_fbits:
    case IR_bitsf:
    case IR_flags_pack:
    case IR_flags_unpack:
        return H_move;
    default:
        return plain_handlers[op->code];
    }
}

/* What `disp` holds for operations that do not access memory. */
static int32_t handler_type(unsigned handler, const struct ir_op *op)
{
    return handler == H_vector ? op->code | op->type << 8 : op->type;
}

static void lower_plain(struct interp_scratch *l, unsigned i)
{
    const struct ir_op *op = op_at(l, i);
    const struct ir_info *info = &ir_info[op->code];
    bool faults = info->effects & IR_FAULT;
    uint16_t arg[3] = {0};
    uint16_t dst = 0;
    struct interp_op *o;

    for (unsigned a = 0; a < info->operand_count; a++)
        arg[a] = operand(l, op->arg[a]);
    if (info->result != '-')
        dst = destination(l, i);
    o = put(l, plain_handler(op));
    o->dst = dst;
    o->a = arg[0];
    o->b = op->code == IR_load ? op->type : arg[1];
    o->c = arg[2];
    o->attr = op->attr;
    o->attr2 = o->handler == H_small1 ? op->code : op->attr2;
    o->imm = faults ? insn_of(l) : op->imm;
    o->disp = faults ? (int32_t)op->imm : handler_type(o->handler, op);
    if (o->handler == H_select_vector)
        o->imm = ir_type_size(op->type);
}

void interp_single(const struct ir_op *op, const uint16_t cells[4], struct interp_op out[2])
{
    bool binary = binary_handlers[op->code] != 0, compare = op->code == IR_cmp;
    bool small = is_small(op->type), faults = ir_info[op->code].effects & IR_FAULT;
    unsigned handler;

    if (binary)
        handler = small ? (unsigned)H_small2 : binary_handlers[op->code] + variant(op->type, false);
    else if (compare)
        handler =
            small ? (unsigned)H_cmp_small : compare_handlers[op->attr] + variant(op->type, false);
    else
        handler = plain_handler(op);
    out[0] = (struct interp_op){.handler = (uint16_t)handler,
                                .dst = cells[3],
                                .a = cells[0],
                                .b = op->code == IR_load ? op->type : cells[1],
                                .c = cells[2],
                                .attr = op->attr,
                                .attr2 = binary || handler == H_small1 ? op->code
                                         : compare                     ? op->type
                                                                       : op->attr2,
                                .imm = faults                       ? 0
                                       : handler == H_select_vector ? ir_type_size(op->type)
                                                                    : op->imm,
                                .disp = faults ? (int32_t)op->imm : handler_type(handler, op)};
    out[1] = (struct interp_op){.handler = H_leave};
}

/* Links and leaves: `disp` is the target, `c` how many instructions are done. */
static void lower_exit(struct interp_scratch *l, unsigned i)
{
    const struct ir_op *op = op_at(l, i);
    uint16_t a = ir_info[op->code].operand_count ? operand(l, op->arg[0]) : 0;
    struct interp_op *o = put(l, plain_handlers[op->code]);
    bool undone = op->code == IR_poll || op->code == IR_leave || op->code == IR_leave_if;

    o->a = a;
    o->attr = op->attr;
    o->c = (uint16_t)(l->insn_index - undone);
    o->disp = undone ? (int32_t)(l->insn_at | l->insn_length << 16) : (int32_t)op->imm;
    o->imm = op->imm;
}

/* With DBT_MODE_COUNT, before anything else: does all of the unit lie before the limit? */
static void lower_budget(struct interp_scratch *l)
{
    struct interp_op *o;
    unsigned insns = 0, first = 0;

    for (unsigned i = 1; i < l->u->op_count; i++) {
        if (op_at(l, i)->code != IR_insn)
            continue;
        if (!insns++)
            first = (unsigned)op_at(l, i)->imm;
    }
    o = put(l, H_budget);
    o->c = (uint16_t)insns;
    o->disp = (int32_t)first;
}

/* pass, goto and branch. Arguments go through cells of their own, as parameters may be among them.
 */
static void lower_flow(struct interp_scratch *l, unsigned i)
{
    const struct ir_op *op = op_at(l, i);
    uint16_t passed = (uint16_t)(l->first_cell + IR_OPS_MAX);
    struct interp_op *o;

    if (op->code == IR_pass) {
        put_move(l, IR_I64, (uint16_t)(passed + l->passes++), operand(l, op->arg[0]));
        return;
    }
    for (unsigned p = 0; p < l->passes; p++)
        put_move(l, IR_I64, (uint16_t)(l->first_cell + l->u->blocks[op->imm].first + p),
                 (uint16_t)(passed + p));
    l->passes = 0;
    o = put(l, plain_handlers[op->code]);
    o->imm = op->imm;
}

static void lower_op(struct interp_scratch *l, unsigned i)
{
    const struct ir_op *op = op_at(l, i);

    switch (op->code) {
    case IR_nop:
        return;
    case IR_const:
        if (!l->single)
            (void)operand(l, (ir_value)i);
        return;
    case IR_insn:
        l->insn_at = (uint16_t)op->imm;
        l->insn_length = op->attr;
        l->insn_index++;
        return;
    case IR_param:
        l->cell[i] = (uint16_t)(l->first_cell + i);
        return;
    case IR_get:
        lower_get(l, i);
        return;
    case IR_set:
        lower_set(l, i);
        return;
    case IR_cmp:
    case IR_exit_if:
        lower_compare(l, i);
        return;
    case IR_pass:
    case IR_goto:
        lower_flow(l, i);
        return;
    case IR_branch: {
        uint16_t a = operand(l, op->arg[0]);

        lower_flow(l, i);
        l->ops[l->count - 1].a = a;
        return;
    }
    case IR_exit_cond:
    case IR_leave_if:
    case IR_poll:
    case IR_jump:
    case IR_jump_reg:
    case IR_leave:
        lower_exit(l, i);
        return;
    default:
        if (binary_handlers[op->code])
            lower_binary(l, i);
        else
            lower_plain(l, i);
        return;
    }
}

static void find_uses(struct interp_scratch *l)
{
    memset(l->last_use, 0, l->u->op_count * sizeof(l->last_use[0]));
    for (unsigned i = 1; i < l->u->op_count; i++)
        for (unsigned a = 0; a < ir_info[op_at(l, i)->code].operand_count; a++)
            l->last_use[op_at(l, i)->arg[a]] = (uint16_t)i;
}

/* Block numbers become places in the threaded code. */
static void resolve_blocks(struct interp_scratch *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        struct interp_op *o = &l->ops[i];
        uint64_t imm = (uint64_t)o->imm;

        if (o->handler == H_goto)
            o->imm = l->block_start[imm];
        else if (o->handler == H_branch)
            o->imm = (int64_t)(l->block_start[imm & UINT32_MAX] |
                               (uint64_t)l->block_start[imm >> 32] << 32);
    }
}

struct interp_scratch *interp_scratch_create(void)
{
    return heap_zalloc(sizeof(struct interp_scratch));
}

void interp_scratch_destroy(struct interp_scratch *s)
{
    heap_free(s);
}

static enum err interp_can(const struct ir_unit *u)
{
    if (u->dialect->slot_count > SLOTS_MAX)
        return ERR_UNSUPPORTED;
    for (unsigned i = 1; i < u->op_count; i++)
        if (ir_is_vector(u->ops[i].type) &&
            (u->ops[i].code == IR_pass || u->ops[i].code == IR_param || u->ops[i].code == IR_const))
            return ERR_UNSUPPORTED;
    return ERR_OK;
}

enum err interp_lower(struct interp_scratch *l, const struct ir_unit *u, struct interp_op *ops,
                      unsigned capacity, struct interp_unit *out)
{
    enum err e = interp_can(u);

    if (e != ERR_OK)
        return e;
    l->u = u;
    l->ops = ops;
    l->capacity = capacity;
    l->count = l->passes = l->vector_cells = 0;
    l->full = false;
    l->single = u->block_count == 1;
    l->insn_at = l->insn_length = l->insn_index = 0;
    l->first_cell = (uint16_t)cells_begin(u->dialect);
    memset(l->cell, 0, u->op_count * sizeof(l->cell[0]));
    memset(l->alias, 0, u->dialect->slot_count * sizeof(l->alias[0]));
    find_uses(l);
    if (u->mode & DBT_MODE_COUNT)
        lower_budget(l);
    for (unsigned b = 0; b < u->block_count; b++) {
        l->block_start[b] = l->count;
        for (unsigned i = u->blocks[b].first; i < u->blocks[b].first + u->blocks[b].count; i++)
            lower_op(l, i);
    }
    if (l->full)
        return ERR_RANGE;
    resolve_blocks(l);
    *out = (struct interp_unit){.ops = ops, .count = l->count};
    return ERR_OK;
}
