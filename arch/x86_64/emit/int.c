/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Integer operations. What is above a value narrower than 64 bits is undefined in its register, but
 * where regs.c says that it is 0 (is_clean()); operations that would see it extend first. i8 and
 * i16 mostly go to dbt_slow(): no guest that has many of them is translated here yet.
 */
#include "arch/x86_64/emit/emit.h"

#define VEX_SHLX (0x0f38f7u | P66)
#define VEX_SARX (0x0f38f7u | PF3)
#define VEX_SHRX (0x0f38f7u | PF2)
#define VEX_ANDN 0x0f38f2u

#define OP_TO_MEMORY 2 /* from an ALU opcode to its form that changes memory */

static bool is_small(enum ir_type t)
{
    return t == IR_I8 || t == IR_I16;
}

static bool is_reg(struct operand o, unsigned reg)
{
    return o.kind == IN_REG && o.reg == reg;
}

/* reg = reg op o */
static void alu(struct emitter *e, unsigned op, bool w, unsigned reg, struct operand o)
{
    if (o.kind == IS_CONST)
        as_alu_imm(&e->as, op, w, reg, o.disp);
    else if (o.kind == IN_MEMORY)
        as_rm(&e->as, op, w, reg, FRAME_BASE, o.disp);
    else
        as_rr(&e->as, op, w, reg, o.reg);
}

/* d = a + b without touching either. */
static bool add_apart(struct emitter *e, bool w, unsigned d, struct operand a, struct operand b)
{
    if (a.kind != IN_REG || a.reg == d || is_reg(b, d))
        return false;
    if (b.kind == IS_CONST)
        as_rm(&e->as, OP_LEA, w, d, a.reg, b.disp);
    else if (b.kind == IN_REG)
        as_rmx(&e->as, OP_LEA, w, d, a.reg, b.reg, 0);
    else
        return false;
    return true;
}

/* The cell of a slot changes in place. */
static bool binary_in_cell(struct emitter *e, unsigned i, unsigned opcode, ir_value changes,
                           ir_value by)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct operand b;
    int64_t c = 0;
    int32_t disp;

    if (op->type != IR_I64 || value_of(e, changes) == value_of(e, by) ||
        (value_const(e, by, &c) && c != (int32_t)c) || !result_in_cell(e, i, changes, &disp))
        return false;
    b = use(e, by);
    if (b.kind == IN_MEMORY)
        b = (struct operand){.kind = IN_REG, .reg = (uint8_t)use_reg(e, by)};
    if (b.kind == IS_CONST)
        as_alu_mem_imm(&e->as, opcode, true, FRAME_BASE, disp, b.disp);
    else
        as_rm(&e->as, opcode - OP_TO_MEMORY, true, b.reg, FRAME_BASE, disp);
    return true;
}

/* d = base + (what was to be shifted << count) */
static bool add_shifted(struct emitter *e, unsigned i, ir_value shifted, ir_value base)
{
    const struct ir_op *op = op_of(e, value_of(e, shifted));
    unsigned index, other, d;
    int64_t count = 0;

    if (!value_fused(e, shifted))
        return false;
    (void)value_const(e, op->arg[1], &count);
    index = use_reg(e, op->arg[0]);
    other = use_reg(e, base);
    d = result_reg_of(e, i, value_spare(e, op->arg[0], i) ? op->arg[0] : base);
    as_lea_shifted(&e->as, is_64(op->type), d, other, index, (unsigned)count);
    return true;
}

/* Zeros above what an `and` keeps: that is a move. */
static bool and_moves(struct emitter *e, unsigned d, struct operand a, struct operand b)
{
    if (a.kind != IN_REG || a.reg == d || b.kind != IS_CONST)
        return false;
    if (b.disp != UINT8_MAX && b.disp != UINT16_MAX)
        return false;
    as_rr(&e->as, b.disp == UINT8_MAX ? OP_MOVZX8 : OP_MOVZX16, false, d, a.reg);
    return true;
}

static bool binary(struct emitter *e, unsigned i, unsigned opcode, bool commutative)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type);
    struct operand a, b;
    unsigned d;

    if (opcode == OP_ADD &&
        (add_shifted(e, i, op->arg[0], op->arg[1]) || add_shifted(e, i, op->arg[1], op->arg[0])))
        return true;
    if (binary_in_cell(e, i, opcode, op->arg[0], op->arg[1]) ||
        (commutative && binary_in_cell(e, i, opcode, op->arg[1], op->arg[0])))
        return true;
    a = use(e, op->arg[0]);
    b = use(e, op->arg[1]);
    d = commutative && !value_spare(e, op->arg[0], i) && value_spare(e, op->arg[1], i)
            ? result_reg_of(e, i, op->arg[1])
            : result_reg(e, i);
    if (is_reg(b, d) && !is_reg(a, d)) {
        struct operand t = a;

        if (!commutative) { /* a - d */
            as_rr(&e->as, OP_GROUP3, w, DIGIT_NEG, d);
            alu(e, OP_ADD, w, d, a);
            return true;
        }
        a = b;
        b = t;
    }
    if (opcode == OP_ADD && add_apart(e, w, d, a, b))
        return true;
    if (opcode == OP_AND && and_moves(e, d, a, b))
        return true;
    load_operand(e, CLASS_INT, d, a);
    alu(e, opcode, w, d, b);
    return true;
}

static bool multiply(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type);
    struct operand a = use(e, op->arg[0]), b = use(e, op->arg[1]);
    unsigned d;

    if (is_small(op->type))
        return false;
    if (b.kind == IS_CONST && a.kind == IN_REG) {
        d = result_reg(e, i);
        as_rr(&e->as, OP_IMUL_IMM32, w, d, a.reg);
        as_32(&e->as, (uint32_t)b.disp);
        return true;
    }
    if (b.kind == IS_CONST)
        b = (struct operand){.kind = IN_REG, .reg = (uint8_t)use_reg(e, op->arg[1])};
    d = result_reg(e, i);
    if (is_reg(b, d)) {
        struct operand t = a;

        a = b;
        b = t;
    }
    if (b.kind == IS_CONST) { /* a was one */
        as_rr(&e->as, OP_IMUL_IMM32, w, d, a.reg);
        as_32(&e->as, (uint32_t)b.disp);
        return true;
    }
    load_operand(e, CLASS_INT, d, a);
    alu(e, OP_IMUL, w, d, b);
    return true;
}

/* rax and rdx are taken; the first operand comes into rax, the second is returned. */
static struct operand wide_operands(struct emitter *e, const struct ir_op *op)
{
    struct operand a, b;

    reg_take_this(e, CLASS_INT, RAX);
    reg_take_this(e, CLASS_INT, RDX);
    a = use(e, op->arg[0]);
    load_operand(e, CLASS_INT, RAX, a);
    if (a.kind == IN_REG)
        reg_release(e, CLASS_INT, a.reg);
    b = use(e, op->arg[1]);
    if (b.kind == IS_CONST)
        b = (struct operand){.kind = IN_REG, .reg = (uint8_t)use_reg(e, op->arg[1])};
    return b;
}

static void group3(struct emitter *e, enum digit3 digit, bool w, struct operand o)
{
    if (o.kind == IN_MEMORY)
        as_rm(&e->as, OP_GROUP3, w, digit, FRAME_BASE, o.disp);
    else
        as_rr(&e->as, OP_GROUP3, w, digit, o.reg);
}

static bool multiply_high(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct operand b;

    if (op->type != IR_I64)
        return false;
    b = wide_operands(e, op);
    group3(e, op->code == IR_mulhu ? DIGIT_MUL : DIGIT_IMUL, true, b);
    result_in(e, i, RDX);
    return true;
}

static void divide_apart(struct emitter *e, unsigned i, enum cold_kind kind, unsigned result,
                         uint8_t *jump, uint8_t *back)
{
    struct cold *cold = cold_new(e, kind, jump);

    cold->op = (uint16_t)i;
    cold->dst = (uint8_t)result;
    cold->back = back;
}

static bool divide(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type), is_signed = op->code == IR_divs || op->code == IR_rems;
    unsigned result = op->code == IR_divs || op->code == IR_divu ? RAX : RDX;
    uint8_t *zero, *minus = NULL;
    struct operand b;

    if (is_small(op->type))
        return false;
    b = wide_operands(e, op);
    if (b.kind != IN_REG)
        b = (struct operand){.kind = IN_REG, .reg = (uint8_t)use_reg(e, op->arg[1])};
    as_rr(&e->as, OP_TEST, w, b.reg, b.reg);
    zero = as_jcc(&e->as, CC_E);
    if (is_signed) {
        as_alu_imm(&e->as, OP_CMP, w, b.reg, -1);
        minus = as_jcc(&e->as, CC_E);
        as_opcode(&e->as, 0x99, w, 0, 0, 0); /* cdq, cqo */
    } else {
        as_rr(&e->as, OP_XOR, false, RDX, RDX);
    }
    group3(e, is_signed ? DIGIT_IDIV : DIGIT_DIV, w, b);
    divide_apart(e, i, COLD_DIVIDE_0, result, zero, e->as.p);
    if (is_signed)
        divide_apart(e, i, COLD_DIVIDE_MINUS_1, result, minus, e->as.p);
    result_in(e, i, result);
    return true;
}

static enum shift_digit shift_digit(unsigned code)
{
    return code == IR_shl   ? DIGIT_SHL
           : code == IR_shr ? DIGIT_SHR
           : code == IR_sar ? DIGIT_SAR
                            : DIGIT_ROR;
}

/* The lower half of what was to be shifted by 32, as far up as it comes back. */
static bool shift_back(struct emitter *e, unsigned i, int64_t count)
{
    ir_value from = op_of(e, value_of(e, op_of(e, (ir_value)i)->arg[0]))->arg[0];
    struct operand a = use(e, from);
    unsigned d;

    if (a.kind == IS_CONST)
        a = (struct operand){.kind = IN_REG, .reg = (uint8_t)use_reg(e, from)};
    d = result_reg_of(e, i, from);
    if (a.kind == IN_REG)
        as_rr(&e->as, OP_MOV, false, d, a.reg);
    else
        as_rm(&e->as, OP_MOV, false, d, FRAME_BASE, a.disp);
    if (count < 32)
        as_shift_imm(&e->as, DIGIT_SHL, true, d, (unsigned)(32 - count));
    return true;
}

static bool shift_const(struct emitter *e, unsigned i, int64_t count)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type);
    struct operand a;
    unsigned d;

    if (value_fused(e, op->arg[0]))
        return shift_back(e, i, count);
    a = use(e, op->arg[0]);
    d = result_reg(e, i);
    count &= w ? 63 : 31;
    if (op->code == IR_shl && count > 0 && count <= SHIFT_OF_LEA && a.kind == IN_REG &&
        a.reg != d) {
        as_lea_shifted(&e->as, w, d, count == 1 ? a.reg : REG_NONE, a.reg,
                       count == 1 ? 0 : (unsigned)count);
        return true;
    }
    load_operand(e, CLASS_INT, d, a);
    if (count)
        as_shift_imm(&e->as, shift_digit(op->code), w, d, (unsigned)count);
    return true;
}

static bool shift(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type);
    struct operand a;
    int64_t count;
    unsigned c, d;

    if (is_small(op->type))
        return false;
    if (value_const(e, op->arg[1], &count))
        return shift_const(e, i, count);
    if (e->level >= DBT_LEVEL_V3 && op->code != IR_rotr) {
        unsigned vex = op->code == IR_shl ? VEX_SHLX : op->code == IR_shr ? VEX_SHRX : VEX_SARX;

        a = use(e, op->arg[0]);
        if (a.kind == IS_CONST)
            a = (struct operand){.kind = IN_REG, .reg = (uint8_t)use_reg(e, op->arg[0])};
        c = use_reg(e, op->arg[1]);
        d = result_reg(e, i);
        if (a.kind == IN_REG)
            as_vex_rr(&e->as, vex, w, d, c, a.reg);
        else
            as_vex_rm(&e->as, vex, w, d, c, FRAME_BASE, a.disp);
        return true;
    }
    reg_take_this(e, CLASS_INT, RCX);
    a = use(e, op->arg[1]);
    load_operand(e, CLASS_INT, RCX, a);
    if (a.kind == IN_REG)
        reg_release(e, CLASS_INT, a.reg);
    a = use(e, op->arg[0]);
    d = reg_take(e, CLASS_INT);
    load_operand(e, CLASS_INT, d, a);
    as_rr(&e->as, OP_SHIFT_CL, w, shift_digit(op->code), d);
    result_in(e, i, d);
    return true;
}

enum cc cc_of(enum ir_cc cc)
{
    static const uint8_t of[IR_CC_INTEGERS] = {
        [IR_EQ] = CC_E,  [IR_NE] = CC_NE, [IR_LTU] = CC_B,  [IR_GEU] = CC_AE, [IR_LEU] = CC_BE,
        [IR_GTU] = CC_A, [IR_LTS] = CC_L, [IR_GES] = CC_GE, [IR_LES] = CC_LE, [IR_GTS] = CC_G};

    return of[cc];
}

/* Both extended to 32 bits in scratch registers. */
static void compare_small(struct emitter *e, const struct ir_op *op)
{
    bool is_signed = op->attr >= IR_LTS;
    unsigned byte = is_signed ? OP_MOVSX8 : OP_MOVZX8, half = is_signed ? OP_MOVSX16 : OP_MOVZX16;
    unsigned a = use_reg(e, op->arg[0]), t, b;

    t = reg_take(e, CLASS_INT);
    as_rr(&e->as, op->type == IR_I8 ? byte : half, false, t, a);
    reg_release(e, CLASS_INT, a);
    b = use_reg(e, op->arg[1]);
    a = reg_take(e, CLASS_INT);
    as_rr(&e->as, op->type == IR_I8 ? byte : half, false, a, b);
    as_rr(&e->as, OP_CMP, false, t, a);
}

/* The condition when the operands change places. */
static enum cc cc_swapped(enum cc cc)
{
    switch (cc) {
    case CC_B:
        return CC_A;
    case CC_A:
        return CC_B;
    case CC_AE:
        return CC_BE;
    case CC_BE:
        return CC_AE;
    case CC_L:
        return CC_G;
    case CC_G:
        return CC_L;
    case CC_GE:
        return CC_LE;
    case CC_LE:
        return CC_GE;
    default:
        return cc;
    }
}

enum cc emit_compare(struct emitter *e, const struct ir_op *op)
{
    enum cc cc = cc_of(op->attr);
    bool w = is_64(op->type);
    struct operand a, b;

    if (is_small(op->type)) {
        compare_small(e, op);
        return cc;
    }
    a = use(e, op->arg[0]);
    b = use(e, op->arg[1]);
    if (a.kind == IS_CONST && b.kind != IS_CONST) {
        struct operand t = a;

        a = b;
        b = t;
        cc = cc_swapped(cc);
    }
    if (a.kind == IS_CONST || (a.kind == IN_MEMORY && b.kind == IN_MEMORY))
        a = (struct operand){
            .kind = IN_REG,
            .reg = (uint8_t)use_reg(e, cc == cc_of(op->attr) ? op->arg[0] : op->arg[1])};
    if (a.kind == IN_MEMORY && b.kind == IS_CONST)
        as_alu_mem_imm(&e->as, OP_CMP, w, FRAME_BASE, a.disp, b.disp);
    else if (a.kind == IN_MEMORY)
        as_rm(&e->as, OP_CMP_STORE, w, b.reg, FRAME_BASE, a.disp);
    else if (b.kind == IS_CONST && b.disp == 0)
        as_rr(&e->as, OP_TEST, w, a.reg, a.reg);
    else
        alu(e, OP_CMP, w, a.reg, b);
    return cc;
}

static bool compare(struct emitter *e, unsigned i)
{
    enum cc cc;
    unsigned d;

    cc = emit_compare(e, op_of(e, (ir_value)i));
    d = result_reg(e, i);
    as_rr(&e->as, OP_SETCC | cc, false, 0, d);
    as_rr(&e->as, OP_MOVZX8, false, d, d);
    return true;
}

/* d = cc ? d : o, or the other way round. */
static void move_if(struct emitter *e, enum cc cc, bool w, unsigned d, struct operand o)
{
    if (o.kind == IN_MEMORY)
        as_rm(&e->as, OP_CMOV | cc, w, d, FRAME_BASE, o.disp);
    else
        as_rr(&e->as, OP_CMOV | cc, w, d, o.reg);
}

static struct operand not_const(struct emitter *e, ir_value v)
{
    struct operand o = use(e, v);

    if (o.kind == IS_CONST)
        o = (struct operand){.kind = IN_REG, .reg = (uint8_t)use_reg(e, v)};
    return o;
}

static bool minmax(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type);
    enum cc cc = op->code == IR_minu   ? CC_A
                 : op->code == IR_maxu ? CC_B
                 : op->code == IR_mins ? CC_G
                                       : CC_L; /* then the second is the result */
    unsigned a, d;
    struct operand b;

    if (is_small(op->type))
        return false;
    a = use_reg(e, op->arg[0]);
    b = not_const(e, op->arg[1]);
    alu(e, OP_CMP, w, a, b);
    d = result_reg(e, i);
    if (is_reg(b, d) && a != d) {
        move_if(e, cc ^ 1, w, d, (struct operand){.kind = IN_REG, .reg = (uint8_t)a});
        return true;
    }
    as_mov(&e->as, d, a);
    move_if(e, cc, w, d, b);
    return true;
}

/* Sets the host's flags by the condition of a `select`; none of its registers is needed then. */
static enum cc choose(struct emitter *e, ir_value condition)
{
    struct operand c;
    enum cc cc = CC_NE;

    if (value_fused(e, condition)) {
        cc = emit_compare(e, op_of(e, value_of(e, condition)));
    } else {
        c = not_const(e, condition);
        if (c.kind == IN_MEMORY)
            as_alu_mem_imm(&e->as, OP_CMP, true, FRAME_BASE, c.disp, 0);
        else
            as_rr(&e->as, OP_TEST, true, c.reg, c.reg);
    }
    e->locked[CLASS_INT] = 0;
    return cc;
}

static bool select_int(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type);
    struct operand a, b;
    enum cc cc;
    unsigned d;

    if (class_of(op->type) != CLASS_INT)
        return false;
    cc = choose(e, op->arg[0]);
    a = not_const(e, op->arg[1]);
    b = use(e, op->arg[2]);
    d = result_reg_apart(e, i, a.kind == IN_REG ? 1u << a.reg : 0);
    load_operand(e, CLASS_INT, d, b);
    move_if(e, cc, w, d, a);
    return true;
}

static bool extend(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct operand a = not_const(e, op->arg[0]);
    bool is_signed = op->code == IR_sext;
    unsigned d = result_reg(e, i), opcode;

    if (op->attr == IR_I32)
        opcode = is_signed ? OP_MOVSXD : OP_MOV;
    else if (op->attr == IR_I16)
        opcode = is_signed ? OP_MOVSX16 : OP_MOVZX16;
    else
        opcode = is_signed ? OP_MOVSX8 : OP_MOVZX8;
    if (a.kind == IN_REG)
        as_rr(&e->as, opcode, is_signed && is_64(op->type), d, a.reg);
    else
        as_rm(&e->as, opcode, is_signed && is_64(op->type), d, FRAME_BASE, a.disp);
    return true;
}

static bool extract(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    unsigned position = op->imm & 0xff, length = (unsigned)op->imm >> 8;
    unsigned width = is_64(op->type) ? 64 : 32, left = width - position - length;
    bool w = width == 64;
    struct operand a;
    unsigned d;

    if (is_small(op->type))
        return false;
    a = use(e, op->arg[0]);
    d = result_reg(e, i);
    load_operand(e, CLASS_INT, d, a);
    if (left)
        as_shift_imm(&e->as, DIGIT_SHL, w, d, left);
    if (width - length)
        as_shift_imm(&e->as, op->attr2 ? DIGIT_SAR : DIGIT_SHR, w, d, width - length);
    return true;
}

static bool and_not(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type);
    struct operand a = not_const(e, op->arg[0]), b;
    unsigned t;

    if (e->level >= DBT_LEVEL_V3) {
        unsigned inverted = use_reg(e, op->arg[1]), d = result_reg(e, i);

        if (a.kind == IN_REG)
            as_vex_rr(&e->as, VEX_ANDN, w, d, inverted, a.reg);
        else
            as_vex_rm(&e->as, VEX_ANDN, w, d, inverted, FRAME_BASE, a.disp);
        return true;
    }
    b = use(e, op->arg[1]);
    t = reg_take(e, CLASS_INT);
    load_operand(e, CLASS_INT, t, b);
    as_rr(&e->as, OP_GROUP3, w, DIGIT_NOT, t);
    alu(e, OP_AND, w, t, a);
    result_in(e, i, t);
    return true;
}

static bool unary(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    bool w = is_64(op->type);
    struct operand a = use(e, op->arg[0]);
    unsigned d = result_reg(e, i);

    load_operand(e, CLASS_INT, d, a);
    if (op->code == IR_bswap)
        as_opcode(&e->as, OP_BSWAP | (d & 7), w, 0, 0, d);
    else
        as_rr(&e->as, OP_GROUP3, w, op->code == IR_neg ? DIGIT_NEG : DIGIT_NOT, d);
    return true;
}

static bool count_bits(struct emitter *e, unsigned i, unsigned opcode)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct operand a;
    unsigned d;

    if (is_small(op->type) || e->level < DBT_LEVEL_V3)
        return false;
    a = not_const(e, op->arg[0]);
    d = result_reg(e, i);
    if (a.kind == IN_REG)
        as_rr(&e->as, opcode, is_64(op->type), d, a.reg);
    else
        as_rm(&e->as, opcode, is_64(op->type), d, FRAME_BASE, a.disp);
    return true;
}

bool emit_int(struct emitter *e, unsigned i)
{
    switch (op_of(e, (ir_value)i)->code) {
    case IR_add:
        return binary(e, i, OP_ADD, true);
    case IR_sub:
        return binary(e, i, OP_SUB, false);
    case IR_and:
        return binary(e, i, OP_AND, true);
    case IR_or:
        return binary(e, i, OP_OR, true);
    case IR_xor:
        return binary(e, i, OP_XOR, true);
    case IR_andn:
        return and_not(e, i);
    case IR_mul:
        return multiply(e, i);
    case IR_mulhu:
    case IR_mulhs:
        return multiply_high(e, i);
    case IR_divu:
    case IR_divs:
    case IR_remu:
    case IR_rems:
        return divide(e, i);
    case IR_shl:
    case IR_shr:
    case IR_sar:
    case IR_rotr:
        return shift(e, i);
    case IR_minu:
    case IR_mins:
    case IR_maxu:
    case IR_maxs:
        return minmax(e, i);
    case IR_cmp:
        return compare(e, i);
    case IR_select:
        return select_int(e, i);
    case IR_sext:
    case IR_zext:
        return extend(e, i);
    case IR_extract:
        return extract(e, i);
    case IR_not:
    case IR_neg:
        return unary(e, i);
    case IR_bswap:
        return !is_small(op_of(e, (ir_value)i)->type) && unary(e, i);
    case IR_clz:
        return count_bits(e, i, OP_LZCNT);
    case IR_ctz:
        return count_bits(e, i, OP_TZCNT);
    case IR_popcount:
        return count_bits(e, i, OP_POPCNT);
    default:
        return false;
    }
}
