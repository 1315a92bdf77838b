/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The intermediate representation: units, blocks, operations, and the builder that front ends
 * write them with (docs/translator.md).
 *
 * A value is the index of the operation that makes it; operation 0 is always `nop`, so 0 means no
 * value. A unit owns two arrays that grow up to IR_OPS_MAX and IR_BLOCKS_MAX; it is reset and
 * filled again for every translation. Running out of room sets `full`, once: what is built
 * afterwards is dropped, and the translator starts again with fewer guest instructions.
 */
#ifndef DBT_IR_H
#define DBT_IR_H

#include "kernel/log.h"

#define IR_OPS_MAX    4096
#define IR_BLOCKS_MAX 64
#define IR_PARAMS_MAX 16
#define IR_PAGE_SIZE  4096 /* links and instructions are relative to a page of this size */

typedef uint16_t ir_value;

enum ir_type {
    IR_VOID,
    IR_I8,
    IR_I16,
    IR_I32,
    IR_I64,
    IR_F32,
    IR_F64,
    IR_FLAGS,
    IR_V64,
    IR_V128,
    IR_V256,
    IR_V512,
    IR_F16, /* elements of vectors only */
    IR_TYPE_COUNT
};

enum ir_attribute {
    IR_ATTR_NONE,
    IR_ATTR_IMM,    /* imm */
    IR_ATTR_SLOT,   /* imm: number in the guest's table */
    IR_ATTR_DIV,    /* attr: enum ir_div */
    IR_ATTR_CC,     /* attr: enum ir_cc */
    IR_ATTR_FROM,   /* attr: enum ir_type of the operand */
    IR_ATTR_FIELD,  /* imm: position | length << 8; attr2: sign-extends (extract) */
    IR_ATTR_CARRY,  /* attr: enum ir_carry */
    IR_ATTR_MEMORY, /* attr: enum ir_type in memory; attr2: IR_SIGNED and others, order; imm: disp
                     */
    IR_ATTR_PROBE,  /* attr: bytes; attr2: for writing; imm: displacement */
    IR_ATTR_RMW,    /* attr: enum ir_rmw and IR_RMW_TYPE(); attr2 and imm as MEMORY */
    IR_ATTR_FENCE,  /* attr: enum ir_fence */
    IR_ATTR_ROUND,  /* attr: enum ir_round; attr2: raises Inexact (frint) */
    IR_ATTR_FMA,    /* attr: enum ir_round; attr2: IR_FMA_ bits */
    IR_ATTR_FMIN,   /* attr: enum ir_fmin */
    IR_ATTR_FCMP,   /* attr: enum ir_fcc; attr2: f32 or f64; imm: quiet NaNs raise Invalid too */
    IR_ATTR_FROUND, /* attr: enum ir_round; attr2: enum ir_type of the operand */
    IR_ATTR_FTOI,   /* the same; imm: the integer is unsigned */
    IR_ATTR_HELPER, /* imm: number */
    IR_ATTR_INSN,   /* imm: offset in the page; attr: bytes */
    IR_ATTR_LINK,   /* attr: enum ir_hint; imm: target */
    IR_ATTR_LINKCC, /* attr: enum ir_cc; imm: target */
    IR_ATTR_BLOCK,  /* imm: block */
    IR_ATTR_BLOCK2, /* imm: block | block << 32 */
    IR_ATTR_HINT,   /* attr: enum ir_hint */
    IR_ATTR_LEAVE,  /* attr: enum ir_leave; imm: detail */
    IR_ATTR_VECTOR, /* attr: enum ir_type of the elements; attr2: IR_V_ bits; imm: as the line says
                     */
    IR_ATTR_VFP,    /* attr: the same, f16, f32, f64; attr2: enum ir_round, IR_FP_ and IR_V_ bits */
};

enum ir_effect {
    IR_PURE = 0,
    IR_FAULT = 1u << 0,
    IR_WRITE = 1u << 1,
    IR_STATE = 1u << 2,
    IR_READ = 1u << 3,
    IR_SIDE = 1u << 4,
    IR_END = 1u << 5,
};

/* Division by zero; the overflow of the most negative number by -1 wraps in every policy. */
enum ir_div {
    IR_DIV_ZERO, /* quotient 0, remainder the dividend (Arm) */
    IR_DIV_ONES, /* quotient all ones, remainder the dividend (RISC-V) */
    IR_DIV_COUNT
};

/* Of integers and of flags. The flag conditions below IR_CC_INTEGERS are for `cond` and
 * `exit_cond` only. */
enum ir_cc {
    IR_EQ,
    IR_NE,
    IR_LTU,
    IR_GEU,
    IR_LEU,
    IR_GTU,
    IR_LTS,
    IR_GES,
    IR_LES,
    IR_GTS,
    IR_CC_INTEGERS,
    IR_NEGATIVE = IR_CC_INTEGERS,
    IR_POSITIVE,
    IR_OVERFLOW,
    IR_NO_OVERFLOW,
    IR_CARRY_SET,
    IR_CARRY_CLEAR,
    IR_PARITY_EVEN,
    IR_PARITY_ODD,
    IR_AUXILIARY_SET,
    IR_AUXILIARY_CLEAR,
    IR_CC_COUNT
};

/* What carry says after a subtraction. */
enum ir_carry {
    IR_BORROW,     /* set when it borrowed (x86) */
    IR_NOT_BORROW, /* set when it did not (Arm) */
    IR_CARRY_COUNT
};

/* The bits of flags_pack and flags_unpack. */
enum ir_flag_bit {
    IR_FLAG_C = 1u << 0,
    IR_FLAG_P = 1u << 2,
    IR_FLAG_A = 1u << 4,
    IR_FLAG_Z = 1u << 6,
    IR_FLAG_N = 1u << 7,
    IR_FLAG_V = 1u << 11,
};

/* attr2 of memory operations. */
#define IR_SIGNED       0x01
#define IR_ALIGNED      0x04 /* faults unless it is aligned to its size; atomics always do */
#define IR_PROBED       0x02 /* a probe before it covers it: it cannot fault */
#define IR_USER         0x08 /* with the rights of the guest's least privileged level */
#define IR_ORDER(order) ((uint8_t)((order) << 4))
#define IR_ORDER_OF(op) ((enum ir_order)((op)->attr2 >> 4))
#define IR_MEMORY_ATTR2 0x7f
enum ir_order { IR_RELAXED, IR_ACQUIRE, IR_ACQUIRE_PC, IR_RELEASE, IR_SEQ_CST, IR_ORDER_COUNT };

enum ir_rmw {
    IR_RMW_SWAP,
    IR_RMW_ADD,
    IR_RMW_AND,
    IR_RMW_OR,
    IR_RMW_XOR,
    IR_RMW_MINS,
    IR_RMW_MAXS,
    IR_RMW_MINU,
    IR_RMW_MAXU,
    IR_RMW_COUNT
};
#define IR_RMW_TYPE(type) ((uint8_t)((type) << 4))
#define IR_RMW_OF(op)     ((enum ir_rmw)((op)->attr & 15))

enum ir_fence {
    IR_FENCE_BEFORE_READ = 1u << 0,
    IR_FENCE_BEFORE_WRITE = 1u << 1,
    IR_FENCE_AFTER_READ = 1u << 2,
    IR_FENCE_AFTER_WRITE = 1u << 3,
    IR_FENCE_ALL = 15,
};

enum ir_round {
    IR_ROUND_NEAREST, /* ties to even */
    IR_ROUND_ZERO,
    IR_ROUND_DOWN,
    IR_ROUND_UP,
    IR_ROUND_AWAY, /* to nearest, ties away from zero */
    IR_ROUND_COUNT
};

/* Beside the rounding in attr (scalars) and attr2 (vectors): modes of the guest. */
#define IR_FP_FLUSH       0x08 /* denormal operands and results are zeros */
#define IR_FP_DEFAULT_NAN 0x10 /* every NaN is the default one */
#define IR_FP_MODES       (IR_FP_FLUSH | IR_FP_DEFAULT_NAN)
#define IR_FP_ROUND       0x07
#define IR_FP_EXACT       0x20 /* vfrint raises Inexact; vftoi, vitof: the integer is unsigned */
#define IR_FP_UNSIGNED    0x20
#define IR_FP_ALTERNATIVE 0x20 /* vfwiden, vfnarrow: f16 has no NaNs nor infinities (Arm's AHP) */
#define IR_FP_ODD         0x40 /* vfnarrow: rounds to odd */
#define IR_FP_RAW         0x40 /* vfwiden of f16: NaNs stay as they are, denormals are flushed too */

/* attr2 of integer vector operations. */
#define IR_V_SIGNED      0x01
#define IR_V_ROUND       0x02 /* half is added before the lower bits go */
#define IR_V_SATURATE    0x04 /* raises SF_SATURATED */
#define IR_V_TO_UNSIGNED 0x08 /* signed operand, unsigned result; vqadd: the other way round */
#define IR_V_HIGH        0x10 /* the upper half or the odd elements */
#define IR_V_SUBTRACT    0x20
#define IR_V_LANE0       0x80 /* element 0 only, the others become 0 */

/* imm of vfcmp. */
#define IR_VFCMP(cc, signaling, magnitude) ((cc) | (signaling) << 8 | (magnitude) << 9)

/* imm of vaes and vsha. */
enum ir_aes { IR_AES_E, IR_AES_D, IR_AES_MC, IR_AES_IMC, IR_AES_COUNT };
enum ir_sha {
    IR_SHA1_C,
    IR_SHA1_P,
    IR_SHA1_M,
    IR_SHA1_H,
    IR_SHA1_SU0,
    IR_SHA1_SU1,
    IR_SHA256_H,
    IR_SHA256_H2,
    IR_SHA256_SU0,
    IR_SHA256_SU1,
    IR_SHA_COUNT
};

#define IR_FMA_NEGATE_PRODUCT 1
#define IR_FMA_NEGATE_ADDEND  2

enum ir_fmin {
    IR_FMIN_NUMBER, /* a quiet NaN loses against a number; -0 < +0 (IEEE 754-2019 minimumNumber) */
    IR_FMIN_NAN,    /* a NaN wins (minimum) */
    IR_FMIN_SECOND, /* first < second ? first : second (x86) */
    IR_FMIN_COUNT
};

enum ir_fcc { IR_FCC_EQ, IR_FCC_LT, IR_FCC_LE, IR_FCC_UNORDERED, IR_FCC_COUNT };

enum ir_hint { IR_HINT_NONE, IR_HINT_CALL, IR_HINT_RETURN, IR_HINT_COUNT };

/* Why translated code gives control to the engine; the guest PC is that of the
 * instruction. */
enum ir_leave {
    IR_LEAVE_INTERPRET, /* the guest's C code does this instruction; imm: its bits */
    IR_LEAVE_ILLEGAL,   /* it is not an instruction; imm: its bits */
    IR_LEAVE_FETCH,     /* fetching it faults: do it again through the MMU */
    IR_LEAVE_COUNT
};

struct ir_op {
    uint8_t code; /* enum ir_code */
    uint8_t type; /* enum ir_type */
    uint8_t attr, attr2;
    ir_value arg[4];
    uint32_t reserved; /* of passes, 0 between them */
    int64_t imm;
};
_Static_assert(sizeof(struct ir_op) == 24, "an operation is 24 bytes");

enum ir_code {
#define IR_OP(name, signature, attribute, effects) IR_##name,
#include "dbt/ops.def"
#undef IR_OP
    IR_CODE_COUNT
};

/* One line of ops.def. */
struct ir_info {
    const char *name;
    char result; /* of the signature; '-': none */
    uint8_t operand_count;
    char operands[5];
    uint8_t attribute; /* enum ir_attribute */
    uint8_t effects;   /* enum ir_effect */
};
extern const struct ir_info ir_info[IR_CODE_COUNT];

/* Guest state as the IR numbers it; a constant table per guest. */
struct dbt_slot {
    const char *name;
    uint8_t type;    /* enum ir_type */
    uint32_t offset; /* in the guest part of the frame, bytes */
};

/* How a guest's floating point departs from IEEE 754's freedom (which NaN, tininess). */
enum dbt_fp_policy { DBT_FP_RISCV, DBT_FP_ARM, DBT_FP_X86, DBT_FP_COUNT };

/* What units of one guest have in common. */
struct dbt_dialect {
    const char *name; /* "riscv64" */
    const struct dbt_slot *slots;
    unsigned slot_count;
    unsigned helper_count; /* numbers below it are valid */
    enum dbt_fp_policy fp;
};

struct ir_block {
    ir_value first; /* its operations: [first, first + count) */
    uint16_t count;
    uint8_t param_count;
};

struct ir_unit {
    const struct dbt_dialect *dialect;
    uint32_t mode; /* block mode word */
    bool full;
    uint64_t looks_up; /* with page tables: bit n: instruction n looks its accesses up in the TLB */
    unsigned op_count, op_capacity;
    unsigned block_count;
    struct ir_op *ops;
    struct ir_block blocks[IR_BLOCKS_MAX];
};

/* Room for `ops` operations (at most IR_OPS_MAX). The unit embeds nothing else to free. */
enum err ir_unit_create(struct ir_unit *u, unsigned ops) MUST_CHECK;
void ir_unit_destroy(struct ir_unit *u);
/* Empties it. */
void ir_unit_reset(struct ir_unit *u, const struct dbt_dialect *dialect, uint32_t mode);

/* ---- The builder: appends to the last block ---- */

/* Begins a block; returns its number. */
unsigned ir_block_begin(struct ir_unit *u);
/* As ir_append(): the operation as it lies in memory, its first twelve bytes in `head`, `rest`. */
ir_value ir_append_words(struct ir_unit *u, uint64_t head, uint32_t rest, int64_t imm);
/* Appends a copy of `op`; 0 when the unit is full. Words, as a copy would have to wait for the
 * bytes that were stored a moment ago. */
static inline ir_value ir_append(struct ir_unit *u, const struct ir_op *op)
{
    uint32_t codes =
        op->code | (uint32_t)op->type << 8 | (uint32_t)op->attr << 16 | (uint32_t)op->attr2 << 24;

    return ir_append_words(u, codes | (uint64_t)op->arg[0] << 32 | (uint64_t)op->arg[1] << 48,
                           op->arg[2] | (uint32_t)op->arg[3] << 16, op->imm);
}

static inline ir_value ir_op0(struct ir_unit *u, enum ir_code code, enum ir_type type, uint8_t attr,
                              int64_t imm)
{
    return ir_append(u, &(struct ir_op){.code = code, .type = type, .attr = attr, .imm = imm});
}

static inline ir_value ir_op1(struct ir_unit *u, enum ir_code code, enum ir_type type, ir_value a)
{
    return ir_append(u, &(struct ir_op){.code = code, .type = type, .arg = {a}});
}

static inline ir_value ir_op2(struct ir_unit *u, enum ir_code code, enum ir_type type, ir_value a,
                              ir_value b)
{
    return ir_append(u, &(struct ir_op){.code = code, .type = type, .arg = {a, b}});
}

static inline ir_value ir_op3(struct ir_unit *u, enum ir_code code, enum ir_type type, ir_value a,
                              ir_value b, ir_value c)
{
    return ir_append(u, &(struct ir_op){.code = code, .type = type, .arg = {a, b, c}});
}

static inline ir_value ir_const(struct ir_unit *u, enum ir_type type, int64_t value)
{
    return ir_op0(u, IR_const, type, 0, value);
}

static inline ir_value ir_get(struct ir_unit *u, unsigned slot)
{
    return ir_op0(u, IR_get, u->dialect->slots[slot].type, 0, slot);
}

static inline void ir_set(struct ir_unit *u, unsigned slot, ir_value value)
{
    ir_append(
        u, &(struct ir_op){
               .code = IR_set, .type = u->dialect->slots[slot].type, .arg = {value}, .imm = slot});
}

static inline ir_value ir_cmp(struct ir_unit *u, enum ir_type type, enum ir_cc cc, ir_value a,
                              ir_value b)
{
    return ir_append(u, &(struct ir_op){.code = IR_cmp, .type = type, .attr = cc, .arg = {a, b}});
}

/* sext, zext, trunc, fbits, bitsf, unbox, box, fclass. */
static inline ir_value ir_convert(struct ir_unit *u, enum ir_code code, enum ir_type to,
                                  enum ir_type from, ir_value a)
{
    return ir_append(u, &(struct ir_op){.code = code, .type = to, .attr = from, .arg = {a}});
}

/* Reads `memory` bytes' worth at address + disp into `type`. */
static inline ir_value ir_load(struct ir_unit *u, enum ir_type type, enum ir_type memory,
                               uint8_t attr2, ir_value address, int64_t disp)
{
    return ir_append(u, &(struct ir_op){.code = IR_load,
                                        .type = type,
                                        .attr = memory,
                                        .attr2 = attr2,
                                        .arg = {address},
                                        .imm = disp});
}

static inline void ir_store(struct ir_unit *u, enum ir_type type, enum ir_type memory,
                            uint8_t attr2, ir_value address, int64_t disp, ir_value value)
{
    ir_append(u, &(struct ir_op){.code = IR_store,
                                 .type = type,
                                 .attr = memory,
                                 .attr2 = attr2,
                                 .arg = {address, value},
                                 .imm = disp});
}

/* An instruction of `length` bytes begins at `offset` in the page. */
static inline void ir_insn(struct ir_unit *u, unsigned offset, unsigned length)
{
    ir_op0(u, IR_insn, IR_VOID, (uint8_t)length, offset);
}

/* Leaves to `target` when `a cc b`. */
static inline void ir_exit_if(struct ir_unit *u, enum ir_type type, enum ir_cc cc, ir_value a,
                              ir_value b, int64_t target)
{
    ir_append(u, &(struct ir_op){
                     .code = IR_exit_if, .type = type, .attr = cc, .arg = {a, b}, .imm = target});
}

static inline void ir_jump(struct ir_unit *u, enum ir_hint hint, int64_t target)
{
    ir_op0(u, IR_jump, IR_VOID, hint, target);
}

static inline void ir_leave(struct ir_unit *u, enum ir_leave why, int64_t detail)
{
    ir_op0(u, IR_leave, IR_VOID, why, detail);
}

/* ---- Facts about types and operations ---- */

static inline bool ir_is_int(enum ir_type t)
{
    return t >= IR_I8 && t <= IR_I64;
}

static inline bool ir_is_float(enum ir_type t)
{
    return t == IR_F32 || t == IR_F64;
}

static inline bool ir_is_vector(enum ir_type t)
{
    return t >= IR_V64 && t <= IR_V512;
}

/* The vector type of half, and of double the width; IR_VOID: there is none. */
static inline enum ir_type ir_half_vector(enum ir_type t)
{
    return t > IR_V64 && t <= IR_V512 ? t - 1 : IR_VOID;
}

static inline enum ir_type ir_double_vector(enum ir_type t)
{
    return t >= IR_V64 && t < IR_V512 ? t + 1 : IR_VOID;
}

/* A vector operation: element type, attr2 and imm as its line in ops.def says. */
static inline ir_value ir_vector(struct ir_unit *u, enum ir_code code, enum ir_type type,
                                 enum ir_type element, uint8_t attr2, int64_t imm, ir_value a,
                                 ir_value b, ir_value c)
{
    return ir_append(u, &(struct ir_op){.code = (uint8_t)code,
                                        .type = (uint8_t)type,
                                        .attr = (uint8_t)element,
                                        .attr2 = attr2,
                                        .imm = imm,
                                        .arg = {a, b, c}});
}

/* Bytes of a value of that type in memory; flags have none. */
unsigned ir_type_size(enum ir_type t);
const char *ir_type_name(enum ir_type t);
/* The type of operand `i` of `op`, as its signature and attributes say; and of its result. */
enum ir_type ir_operand_type(const struct ir_op *op, unsigned i);
static inline enum ir_type ir_result_type(const struct ir_op *op)
{
    char result = ir_info[op->code].result;

    return result == '-'   ? IR_VOID
           : result == 'L' ? IR_I64
           : result == 'C' ? IR_FLAGS
                           : (enum ir_type)op->type;
}
/* The type in memory of a load, store, cas or rmw. */
enum ir_type ir_memory_type(const struct ir_op *op);
/* May it fault? (Probed accesses do not.) */
bool ir_may_fault(const struct ir_op *op);

/* ---- Well-formed units (verify.c) ---- */

/* ERR_INVALID with the rule and the operation in `why`. */
enum err ir_verify(const struct ir_unit *u, struct out *why) MUST_CHECK;

/* ---- Text form (text.c) ---- */

void ir_print(const struct ir_unit *u, struct out *out);
/* Fills `u` (created, of `dialect`) from `size` bytes of text. ERR_INVALID with the line in `why`;
 * ERR_RANGE when it does not fit. The result is not verified. Text is hostile. */
enum err ir_parse(struct ir_unit *u, const struct dbt_dialect *dialect, const char *text,
                  size_t size, struct out *why) MUST_CHECK;

#endif
