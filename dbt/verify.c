/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What a well-formed unit is (docs/translator.md, "Units"): run on everything that a front end or a
 * pass makes in tests and debug builds, and on parsed text.
 */
#include "dbt/ir.h"

#include <string.h>

struct verifier {
    const struct ir_unit *u;
    struct out *why;
    uint64_t dominators[IR_BLOCKS_MAX]; /* blocks on every way from block 0, itself included */
    uint8_t block_of[IR_OPS_MAX];
    unsigned passes;         /* arguments passed so far for the next goto */
    bool insn_seen, changed; /* in this guest instruction: something was set or stored */
};

static bool bad(struct verifier *v, unsigned at, const char *rule)
{
    out_printf(v->why, "operation %u (%s): %s", at,
               at < v->u->op_count && v->u->ops[at].code < IR_CODE_COUNT
                   ? ir_info[v->u->ops[at].code].name
                   : "?",
               rule);
    return false;
}

/* ---- One operation by itself ---- */

/* May an operation with this signature be of type `t`? */
static bool type_fits(const struct ir_info *info, enum ir_type t)
{
    char kinds[6];
    bool has_t, has_f, has_v, has_w;

    kinds[0] = info->result;
    memcpy(kinds + 1, info->operands, sizeof(info->operands));
    has_t = memchr(kinds, 'T', sizeof(kinds)) != NULL;
    has_f = memchr(kinds, 'F', sizeof(kinds)) != NULL;
    has_v = memchr(kinds, 'V', sizeof(kinds)) != NULL;
    has_w = memchr(kinds, 'W', sizeof(kinds)) != NULL;
    if (memchr(kinds, 'H', sizeof(kinds)))
        return ir_half_vector(t) != IR_VOID;
    if (memchr(kinds, 'D', sizeof(kinds)))
        return ir_double_vector(t) != IR_VOID;
    if (has_w)
        return ir_is_vector(t);
    if (has_t)
        return ir_is_int(t);
    if (has_f)
        return ir_is_float(t);
    if (has_v)
        return t > IR_VOID && t <= IR_V512;
    return t == IR_VOID;
}

static bool narrower(enum ir_type a, enum ir_type b)
{
    return ir_is_int(a) && ir_is_int(b) && a < b;
}

static bool from_fits(const struct ir_op *op)
{
    switch (op->code) {
    case IR_sext:
    case IR_zext:
        return narrower(op->attr, op->type);
    case IR_trunc:
        return narrower(op->type, op->attr);
    case IR_vfrom:
        return op->attr == IR_I64 || ir_is_float(op->attr);
    case IR_fclass:
        return ir_is_float(op->attr);
    case IR_unbox:
        return op->type == IR_F32 && op->attr == IR_F64;
    case IR_box:
        return op->type == IR_F64 && op->attr == IR_F32;
    default: /* fbits, bitsf */
        return ir_is_float(op->code == IR_fbits ? op->attr : op->type) &&
               ir_is_int(op->code == IR_fbits ? op->type : op->attr) &&
               ir_type_size(op->attr) == ir_type_size(op->type);
    }
}

static bool field_fits(const struct ir_op *op)
{
    uint64_t position = op->imm & 0xff, length = (uint64_t)op->imm >> 8;

    return length >= 1 && position + length <= 8ULL * ir_type_size(op->type) && op->attr2 <= 1;
}

/* A value of type `t` in registers holds what memory of type `m` holds. */
static bool memory_fits(enum ir_type t, enum ir_type m)
{
    return t == m ? t != IR_FLAGS : narrower(m, t);
}

/* With others' rights: plain accesses of integers. */
static bool user_fits(const struct ir_op *op)
{
    return (op->code == IR_load || op->code == IR_store) && ir_is_int(op->type) &&
           !(op->attr2 & ~(IR_USER | IR_SIGNED));
}

static bool access_fits(const struct ir_op *op)
{
    return (!(op->attr2 & IR_USER) || user_fits(op)) && memory_fits(op->type, ir_memory_type(op)) &&
           !(op->attr2 & ~IR_MEMORY_ATTR2) && IR_ORDER_OF(op) < IR_ORDER_COUNT &&
           op->imm == (int32_t)op->imm;
}

static bool link_fits(const struct ir_op *op)
{
    return op->imm == (int32_t)op->imm;
}

static bool slot_fits(const struct verifier *v, const struct ir_op *op)
{
    return (uint64_t)op->imm < v->u->dialect->slot_count &&
           v->u->dialect->slots[op->imm].type == op->type;
}

/* ---- Vector operations ---- */

#define OF(type) (1u << (type))
#define OF_8_16  (OF(IR_I8) | OF(IR_I16))
#define OF_INT   (OF_8_16 | OF(IR_I32) | OF(IR_I64))
#define OF_FLOAT (OF(IR_F32) | OF(IR_F64))

/* Which numbers `imm` may be. */
enum imm_kind {
    IMM_ZERO,
    IMM_LANE,   /* an element of the type, or of v128 */
    IMM_COPY,   /* two of them */
    IMM_LEFT,   /* below the element's width */
    IMM_RIGHT,  /* from 1 to that width */
    IMM_CC,     /* integer conditions */
    IMM_BITS,   /* of one for each element, of 64 */
    IMM_BYTES,  /* below the vector's size */
    IMM_WITHIN, /* bytes of 2, 4 or 8, more than an element */
    IMM_AES,
    IMM_SHA,
    IMM_FMA,
    IMM_FMIN,
    IMM_FCMP,
    IMM_FRACTION, /* up to the element's width */
    IMM_FITS,     /* 0, 32 or 64 */
};

/* Elements, attr2 and imm of a vector operation. */
static const struct vector_rule {
    uint32_t elements;
    uint8_t attr2, imm;
} vector_rules[IR_CODE_COUNT] = {
    [IR_vhalf] = {OF(IR_I64), IR_V_HIGH, IMM_ZERO},
    [IR_vlane] = {OF_INT, IR_V_SIGNED, IMM_LANE},
    [IR_vinsert] = {OF_INT, 0, IMM_LANE},
    [IR_vcopy] = {OF_INT, 0, IMM_COPY},
    [IR_vsplat] = {OF_INT, 0, IMM_ZERO},
    [IR_vsplatl] = {OF_INT, 0, IMM_LANE},
    [IR_vmask] = {OF_INT, 0, IMM_ZERO},
    [IR_vexpand] = {OF_INT, 0, IMM_BITS},
    [IR_vadd] = {OF_INT, IR_V_LANE0, IMM_ZERO},
    [IR_vsub] = {OF_INT, IR_V_LANE0, IMM_ZERO},
    [IR_vmul] = {OF_INT, 0, IMM_ZERO},
    [IR_vneg] = {OF_INT, IR_V_LANE0, IMM_ZERO},
    [IR_vabs] = {OF_INT, IR_V_LANE0, IMM_ZERO},
    [IR_vmin] = {OF_INT, IR_V_SIGNED, IMM_ZERO},
    [IR_vmax] = {OF_INT, IR_V_SIGNED, IMM_ZERO},
    [IR_vcmp] = {OF_INT, IR_V_LANE0, IMM_CC},
    [IR_vavg] = {OF_INT, IR_V_SIGNED | IR_V_ROUND, IMM_ZERO},
    [IR_vshl] = {OF_INT, IR_V_LANE0, IMM_LEFT},
    [IR_vshr] = {OF_INT, IR_V_SIGNED | IR_V_ROUND | IR_V_LANE0, IMM_RIGHT},
    [IR_vsli] = {OF_INT, IR_V_LANE0, IMM_LEFT},
    [IR_vsri] = {OF_INT, IR_V_LANE0, IMM_RIGHT},
    [IR_vshift] = {OF_INT, IR_V_SIGNED | IR_V_ROUND | IR_V_SATURATE | IR_V_LANE0, IMM_ZERO},
    [IR_vqshl] = {OF_INT, IR_V_SIGNED | IR_V_TO_UNSIGNED | IR_V_LANE0, IMM_LEFT},
    [IR_vqadd] = {OF_INT, IR_V_SIGNED | IR_V_TO_UNSIGNED | IR_V_LANE0, IMM_ZERO},
    [IR_vqsub] = {OF_INT, IR_V_SIGNED | IR_V_LANE0, IMM_ZERO},
    [IR_vqabs] = {OF_INT, IR_V_LANE0, IMM_ZERO},
    [IR_vqneg] = {OF_INT, IR_V_LANE0, IMM_ZERO},
    [IR_vqdmulh] = {OF(IR_I16) | OF(IR_I32), IR_V_ROUND | IR_V_LANE0, IMM_ZERO},
    [IR_vqrdmla] = {OF(IR_I16) | OF(IR_I32), IR_V_SUBTRACT | IR_V_LANE0, IMM_ZERO},
    [IR_vqdmull] = {OF(IR_I16) | OF(IR_I32), IR_V_LANE0, IMM_ZERO},
    [IR_vqnarrow] = {OF_INT & ~OF(IR_I64), IR_V_SIGNED | IR_V_TO_UNSIGNED | IR_V_LANE0, IMM_ZERO},
    [IR_vnarrow] = {OF_INT & ~OF(IR_I64), 0, IMM_ZERO},
    [IR_vwiden] = {OF_INT & ~OF(IR_I64), IR_V_SIGNED, IMM_ZERO},
    [IR_vmull] = {OF_INT & ~OF(IR_I64), IR_V_SIGNED, IMM_ZERO},
    [IR_vpmull] = {OF(IR_I8) | OF(IR_I64), 0, IMM_ZERO},
    [IR_vpmul] = {OF(IR_I8), 0, IMM_ZERO},
    [IR_vdot] = {OF(IR_I32), IR_V_SIGNED, IMM_ZERO},
    [IR_vpopcount] = {OF(IR_I8), 0, IMM_ZERO},
    [IR_vclz] = {OF_INT & ~OF(IR_I64), 0, IMM_ZERO},
    [IR_vbitrev] = {OF(IR_I8), 0, IMM_ZERO},
    [IR_vreverse] = {OF_INT & ~OF(IR_I64), 0, IMM_WITHIN},
    [IR_vext] = {OF(IR_I8), 0, IMM_BYTES},
    [IR_vzip] = {OF_INT, IR_V_HIGH, IMM_ZERO},
    [IR_vunzip] = {OF_INT, IR_V_HIGH, IMM_ZERO},
    [IR_vtrn] = {OF_INT, IR_V_HIGH, IMM_ZERO},
    [IR_vtable] = {OF(IR_I8), 0, IMM_ZERO},
    [IR_vrecipe] = {OF(IR_I32), 0, IMM_ZERO},
    [IR_vrsqrte] = {OF(IR_I32), 0, IMM_ZERO},
    [IR_vaes] = {OF(IR_I8), 0, IMM_AES},
    [IR_vsha] = {OF(IR_I32), 0, IMM_SHA},
    [IR_vfma] = {OF_FLOAT, 0, IMM_FMA},
    [IR_vfmin] = {OF_FLOAT, 0, IMM_FMIN},
    [IR_vfmax] = {OF_FLOAT, 0, IMM_FMIN},
    [IR_vfcmp] = {OF_FLOAT, 0, IMM_FCMP},
    [IR_vfrint] = {OF_FLOAT, IR_FP_EXACT, IMM_FITS},
    [IR_vftoi] = {OF_FLOAT, IR_FP_UNSIGNED, IMM_FRACTION},
    [IR_vitof] = {OF_FLOAT, IR_FP_UNSIGNED, IMM_FRACTION},
    [IR_vfwiden] = {OF(IR_F16) | OF(IR_F32), IR_FP_ALTERNATIVE | IR_FP_RAW, IMM_ZERO},
    [IR_vfnarrow] = {OF(IR_F16) | OF(IR_F32), IR_FP_ALTERNATIVE | IR_FP_ODD, IMM_ZERO},
};

static bool vector_imm_fits(const struct ir_op *op, enum imm_kind kind)
{
    uint64_t imm = (uint64_t)op->imm, size = ir_type_size(op->attr), bits = 8 * size;
    uint64_t whole = op->code == IR_vlane || op->code == IR_vsplatl ? ir_type_size(IR_V128)
                                                                    : ir_type_size(op->type);

    switch (kind) {
    case IMM_ZERO:
        return imm == 0;
    case IMM_LANE:
        return imm < whole / size;
    case IMM_BITS:
        return imm <= 64 - whole / size;
    case IMM_COPY:
        return (imm & 255) < whole / size && imm >> 8 < whole / size;
    case IMM_LEFT:
        return imm < bits;
    case IMM_RIGHT:
        return imm >= 1 && imm <= bits;
    case IMM_CC:
        return imm < IR_CC_INTEGERS;
    case IMM_BYTES:
        return imm < whole;
    case IMM_WITHIN:
        return (imm == 2 || imm == 4 || imm == 8) && imm > size;
    case IMM_AES:
        return imm < IR_AES_COUNT && op->type == IR_V128;
    case IMM_SHA:
        return imm < IR_SHA_COUNT && op->type == IR_V128;
    case IMM_FMA:
        return imm <= (IR_FMA_NEGATE_PRODUCT | IR_FMA_NEGATE_ADDEND);
    case IMM_FMIN:
        return imm < IR_FMIN_COUNT;
    case IMM_FCMP:
        return (imm & 255) < IR_FCC_COUNT && imm < 1024;
    case IMM_FRACTION:
        return imm <= bits;
    case IMM_FITS:
        return imm == 0 || imm == 32 || imm == 64;
    }
    return false;
}

static bool vector_fits(const struct ir_op *op)
{
    const struct vector_rule *rule = &vector_rules[op->code];
    bool fp = ir_info[op->code].attribute == IR_ATTR_VFP;
    uint32_t elements = rule->elements ? rule->elements : OF_FLOAT;
    uint8_t attr2 = rule->attr2 | (fp ? IR_FP_ROUND | IR_FP_MODES | IR_V_LANE0 : 0);

    if (op->attr >= IR_TYPE_COUNT || !(elements & OF(op->attr)) || op->attr2 & ~attr2)
        return false;
    if (fp && (op->attr2 & IR_FP_ROUND) >= IR_ROUND_COUNT)
        return false;
    if ((op->code == IR_vzip || op->code == IR_vunzip || op->code == IR_vtrn) &&
        2 * ir_type_size(op->attr) > ir_type_size(op->type))
        return false;
    return vector_imm_fits(op, rule->imm);
}

/* A rounding with the guest's modes. */
static bool rounding_fits(uint8_t attr)
{
    return (attr & IR_FP_ROUND) < IR_ROUND_COUNT && !(attr & ~(IR_FP_ROUND | IR_FP_MODES));
}

static bool attributes_fit(const struct verifier *v, const struct ir_op *op)
{
    const struct ir_unit *u = v->u;
    uint64_t imm = (uint64_t)op->imm;

    switch ((enum ir_attribute)ir_info[op->code].attribute) {
    case IR_ATTR_NONE:
        return op->attr == 0 && op->attr2 == 0 && op->imm == 0;
    case IR_ATTR_IMM:
        return op->code == IR_const || imm < IR_PARAMS_MAX;
    case IR_ATTR_SLOT:
        return slot_fits(v, op);
    case IR_ATTR_DIV:
        return op->attr < IR_DIV_COUNT;
    case IR_ATTR_CC:
        return op->attr < (op->code == IR_cmp ? IR_CC_INTEGERS : IR_CC_COUNT);
    case IR_ATTR_LINKCC:
        return op->attr < (op->code == IR_exit_if ? IR_CC_INTEGERS : IR_CC_COUNT) && link_fits(op);
    case IR_ATTR_FROM:
        return from_fits(op);
    case IR_ATTR_FIELD:
        return field_fits(op);
    case IR_ATTR_CARRY:
        return op->attr < IR_CARRY_COUNT;
    case IR_ATTR_MEMORY:
    case IR_ATTR_RMW:
        return access_fits(op) && (op->code != IR_rmw || IR_RMW_OF(op) < IR_RMW_COUNT);
    case IR_ATTR_PROBE:
        return op->attr >= 1 && op->attr <= 64 && op->attr2 <= 1 && op->imm == (int32_t)op->imm;
    case IR_ATTR_FENCE:
        return op->attr <= IR_FENCE_ALL;
    case IR_ATTR_ROUND:
        return rounding_fits(op->attr) && op->attr2 <= (op->code == IR_frint);
    case IR_ATTR_FMA:
        return rounding_fits(op->attr) && op->attr2 <= 3;
    case IR_ATTR_FMIN:
        return (op->attr & ~IR_FP_MODES) < IR_FMIN_COUNT;
    case IR_ATTR_FCMP:
        return (op->attr & ~IR_FP_MODES) < IR_FCC_COUNT && ir_is_float(op->attr2) && imm <= 1;
    case IR_ATTR_FROUND:
        return rounding_fits(op->attr) && ir_is_float(op->attr2) && op->attr2 != op->type;
    case IR_ATTR_FTOI:
        return rounding_fits(op->attr) && imm <= 1 &&
               (op->code == IR_ftoi ? ir_is_float(op->attr2) : ir_is_int(op->attr2));
    case IR_ATTR_HELPER:
        return imm < u->dialect->helper_count;
    case IR_ATTR_INSN:
        return imm < IR_PAGE_SIZE && op->attr >= 1 && op->attr <= 16;
    case IR_ATTR_LINK:
        return op->attr < IR_HINT_RETURN && link_fits(op);
    case IR_ATTR_BLOCK:
        return imm < u->block_count;
    case IR_ATTR_BLOCK2:
        return (imm & UINT32_MAX) < u->block_count && imm >> 32 < u->block_count;
    case IR_ATTR_HINT:
        return op->attr < IR_HINT_COUNT;
    case IR_ATTR_LEAVE:
        return op->attr < IR_LEAVE_COUNT;
    case IR_ATTR_VECTOR:
    case IR_ATTR_VFP:
        return vector_fits(op);
    }
    return false;
}

static bool reserved_is_clear(const struct ir_op *op)
{
    for (unsigned i = ir_info[op->code].operand_count; i < ARRAY_SIZE(op->arg); i++)
        if (op->arg[i])
            return false;
    return op->reserved == 0;
}

/* ---- Blocks ---- */

/* The blocks that block `b` goes to, as bits. */
static uint64_t successors(const struct ir_unit *u, unsigned b)
{
    const struct ir_op *last = &u->ops[u->blocks[b].first + u->blocks[b].count - 1];

    if (last->code == IR_goto)
        return BIT(last->imm);
    if (last->code == IR_branch)
        return BIT(last->imm & UINT32_MAX) | BIT((uint64_t)last->imm >> 32);
    return 0;
}

static void find_dominators(struct verifier *v)
{
    bool changed = true;

    for (unsigned b = 0; b < v->u->block_count; b++)
        v->dominators[b] = b ? UINT64_MAX : 1;
    while (changed) {
        changed = false;
        for (unsigned b = 0; b < v->u->block_count; b++) {
            uint64_t next = successors(v->u, b);

            for (; next; next &= next - 1) {
                unsigned to = (unsigned)__builtin_ctzll(next);
                uint64_t now = to ? v->dominators[to] & (v->dominators[b] | BIT(to)) : 1;

                changed |= now != v->dominators[to];
                v->dominators[to] = now;
            }
        }
    }
}

static bool block_shape(struct verifier *v, unsigned b)
{
    const struct ir_block *block = &v->u->blocks[b];
    unsigned expected = b ? v->u->blocks[b - 1].first + v->u->blocks[b - 1].count : 1;

    if (block->first != expected || block->count == 0 ||
        block->first + block->count > v->u->op_count)
        return bad(v, block->first, "its block is empty or does not follow the one before it");
    if (b == 0 && block->param_count)
        return bad(v, block->first, "the first block has no parameters");
    for (unsigned i = block->first; i < block->first + block->count; i++) {
        const struct ir_op *op = &v->u->ops[i];
        bool last = i + 1 == block->first + block->count;

        if (op->code >= IR_CODE_COUNT)
            return bad(v, i, "no such operation");
        v->block_of[i] = (uint8_t)b;
        if (last != !!(ir_info[op->code].effects & IR_END))
            return bad(v, i, "a block ends with its only jump");
        if ((op->code == IR_param) != (i - block->first < block->param_count) ||
            (op->code == IR_param && op->imm != (int64_t)(i - block->first)))
            return bad(v, i, "parameters come first, in order");
    }
    return true;
}

static bool check_types(struct verifier *v, unsigned i)
{
    const struct ir_op *op = &v->u->ops[i];
    const struct ir_info *info = &ir_info[op->code];

    if (!type_fits(info, op->type))
        return bad(v, i, "it is not made for that type");
    if (!attributes_fit(v, op))
        return bad(v, i, "an attribute is out of range");
    if (!reserved_is_clear(op))
        return bad(v, i, "a field that it does not use is not zero");
    return true;
}

static bool check_operands(struct verifier *v, unsigned i)
{
    const struct ir_op *op = &v->u->ops[i];

    for (unsigned a = 0; a < ir_info[op->code].operand_count; a++) {
        unsigned from = op->arg[a];

        if (from == 0 || from >= v->u->op_count)
            return bad(v, i, "an operand is missing");
        if (ir_result_type(&v->u->ops[from]) != ir_operand_type(op, a))
            return bad(v, i, "an operand has the wrong type");
        if (v->block_of[from] == v->block_of[i]
                ? from >= i
                : !(v->dominators[v->block_of[i]] & BIT(v->block_of[from])))
            return bad(v, i, "an operand is used before it is made");
    }
    return true;
}

/* The arguments of goto, right before it. */
static bool check_passes(struct verifier *v, unsigned i)
{
    const struct ir_op *op = &v->u->ops[i];
    const struct ir_block *to;

    if (op->code == IR_pass) {
        v->passes++;
        return true;
    }
    if (op->code != IR_goto && v->passes)
        return bad(v, i, "only goto takes arguments");
    if (op->code == IR_branch &&
        (v->u->blocks[op->imm & UINT32_MAX].param_count || v->u->blocks[op->imm >> 32].param_count))
        return bad(v, i, "its target has parameters");
    if (op->code != IR_goto)
        return true;
    to = &v->u->blocks[op->imm];
    if (to->param_count != v->passes)
        return bad(v, i, "the number of arguments is not that of the parameters");
    for (unsigned a = 0; a < v->passes; a++)
        if (v->u->ops[i - v->passes + a].type != v->u->ops[to->first + a].type)
            return bad(v, i, "an argument has the wrong type");
    v->passes = 0;
    return true;
}

/* The commit rule: within a guest instruction nothing changes before its last operation that may
 * fault or that is a safe point. The sticky floating-point flags are not a slot: a faulting
 * instruction has none. */
static bool check_commit(struct verifier *v, unsigned i)
{
    const struct ir_op *op = &v->u->ops[i];
    uint8_t effects = ir_info[op->code].effects;

    if (op->code == IR_insn) {
        v->insn_seen = true;
        v->changed = false;
        return true;
    }
    if (!v->insn_seen && (effects & (IR_FAULT | IR_SIDE | IR_STATE | IR_END)) &&
        op->code != IR_goto && op->code != IR_branch)
        return bad(v, i, "no guest instruction has begun");
    if (v->changed && (ir_may_fault(op) || op->code == IR_poll || op->code == IR_leave_if))
        return bad(v, i, "something was changed before it, and it may fault or stop here");
    if (effects & (IR_WRITE | IR_STATE))
        v->changed = true;
    return true;
}

enum err ir_verify(const struct ir_unit *u, struct out *why)
{
    struct verifier v = {.u = u, .why = why};

    if (u->full || u->block_count == 0) {
        out_printf(why, "the unit is %s", u->full ? "too large" : "empty");
        return ERR_INVALID;
    }
    for (unsigned b = 0; b < u->block_count; b++)
        if (!block_shape(&v, b))
            return ERR_INVALID;
    for (unsigned i = 1; i < u->op_count; i++)
        if (!check_types(&v, i))
            return ERR_INVALID;
    find_dominators(&v);
    for (unsigned i = 1; i < u->op_count; i++)
        if (!check_operands(&v, i) || !check_passes(&v, i) || !check_commit(&v, i))
            return ERR_INVALID;
    return ERR_OK;
}
