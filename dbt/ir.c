/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Units of the IR: the table of operations, storage, the builder's base. */
#include "dbt/ir.h"

#include <string.h>
#include "mm/heap.h"

#define PURE  IR_PURE
#define FAULT IR_FAULT
#define WRITE IR_WRITE
#define STATE IR_STATE
#define READ  IR_READ
#define SIDE  IR_SIDE
#define END   IR_END

/* A signature is "r=abcd". */
#define SIGNATURE_OPERANDS 2

const struct ir_info ir_info[IR_CODE_COUNT] = {
#define IR_OP(name_, signature, attribute_, effects_)                                       \
    [IR_##name_] = {                                                                        \
        .name = #name_,                                                                     \
        .result = (signature)[0],                                                           \
        .operand_count = sizeof(signature) - 1 - SIGNATURE_OPERANDS,                        \
        .operands = {(signature)[MIN_AT(signature, 2)], (signature)[MIN_AT(signature, 3)],  \
                     (signature)[MIN_AT(signature, 4)], (signature)[MIN_AT(signature, 5)]}, \
        .attribute = IR_ATTR_##attribute_,                                                  \
        .effects = effects_},
/* Position `n`, or the terminating NUL. */
#define MIN_AT(signature, n) ((n) < sizeof(signature) ? (n) : sizeof(signature) - 1)
#include "dbt/ops.def"
#undef IR_OP
};
#undef PURE
#undef FAULT
#undef WRITE
#undef STATE
#undef READ
#undef SIDE
#undef END

enum err ir_unit_create(struct ir_unit *u, unsigned ops)
{
    memset(u, 0, sizeof(*u));
    if (ops < 2 || ops > IR_OPS_MAX)
        return ERR_RANGE;
    u->ops = heap_zalloc_array(ops, sizeof(*u->ops));
    if (!u->ops)
        return ERR_NO_MEMORY;
    u->op_capacity = ops;
    return ERR_OK;
}

void ir_unit_destroy(struct ir_unit *u)
{
    heap_free(u->ops);
    u->ops = NULL;
}

void ir_unit_reset(struct ir_unit *u, const struct dbt_dialect *dialect, uint32_t mode)
{
    u->dialect = dialect;
    u->mode = mode;
    u->full = false;
    u->looks_up = 0;
    u->op_count = 1; /* operation 0 is nop: calloc made it so, and nobody writes it */
    u->block_count = 0;
}

unsigned ir_block_begin(struct ir_unit *u)
{
    if (u->block_count == IR_BLOCKS_MAX) {
        u->full = true;
        return IR_BLOCKS_MAX - 1;
    }
    u->blocks[u->block_count] = (struct ir_block){.first = (ir_value)u->op_count};
    return u->block_count++;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are put together so");

ir_value ir_append_words(struct ir_unit *u, uint64_t head, uint32_t rest, int64_t imm)
{
    const uint64_t words[] = {head, rest, (uint64_t)imm};
    struct ir_block *b;

    _Static_assert(sizeof(words) == sizeof(struct ir_op), "an operation is three words");
    if (unlikely(u->op_count == u->op_capacity || u->block_count == 0)) {
        u->full = true;
        return 0;
    }
    b = &u->blocks[u->block_count - 1];
    b->count++;
    if ((uint8_t)head == IR_param)
        b->param_count++;
    memcpy(&u->ops[u->op_count], words, sizeof(words));
    return (ir_value)u->op_count++;
}

unsigned ir_type_size(enum ir_type t)
{
    static const uint8_t size[IR_TYPE_COUNT] = {
        [IR_I8] = 1,  [IR_I16] = 2,   [IR_I32] = 4,   [IR_I64] = 8,   [IR_F32] = 4, [IR_F64] = 8,
        [IR_V64] = 8, [IR_V128] = 16, [IR_V256] = 32, [IR_V512] = 64, [IR_F16] = 2,
    };

    return t < IR_TYPE_COUNT ? size[t] : 0;
}

const char *ir_type_name(enum ir_type t)
{
    static const char *const name[IR_TYPE_COUNT] = {
        [IR_VOID] = "void", [IR_I8] = "i8",     [IR_I16] = "i16",   [IR_I32] = "i32",
        [IR_I64] = "i64",   [IR_F32] = "f32",   [IR_F64] = "f64",   [IR_FLAGS] = "flags",
        [IR_V64] = "v64",   [IR_V128] = "v128", [IR_V256] = "v256", [IR_V512] = "v512",
        [IR_F16] = "f16",
    };

    return t < IR_TYPE_COUNT ? name[t] : "?";
}

/* The type behind an 'X' operand: an attribute says it. */
static enum ir_type named_type(const struct ir_op *op)
{
    switch (ir_info[op->code].attribute) {
    case IR_ATTR_FROM:
        return op->attr;
    case IR_ATTR_FCMP:
    case IR_ATTR_FROUND:
    case IR_ATTR_FTOI:
        return op->attr2;
    default:
        return IR_VOID;
    }
}

static enum ir_type signature_type(const struct ir_op *op, char c)
{
    switch (c) {
    case 'T':
    case 'F':
    case 'V':
    case 'W':
        return op->type;
    case 'H':
        return ir_half_vector(op->type);
    case 'D':
        return ir_double_vector(op->type);
    case 'Q':
        return IR_V128;
    case 'L':
        return IR_I64;
    case 'C':
        return IR_FLAGS;
    case 'X':
        return named_type(op);
    default:
        return IR_VOID;
    }
}

enum ir_type ir_operand_type(const struct ir_op *op, unsigned i)
{
    return signature_type(op, ir_info[op->code].operands[i]);
}

enum ir_type ir_memory_type(const struct ir_op *op)
{
    return op->code == IR_rmw ? op->attr >> 4 : op->attr;
}

bool ir_may_fault(const struct ir_op *op)
{
    if (!(ir_info[op->code].effects & IR_FAULT))
        return false;
    return op->code == IR_probe || !(op->attr2 & IR_PROBED);
}
