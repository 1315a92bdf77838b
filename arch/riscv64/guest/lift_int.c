/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the integer instructions of RV64 do (RISC-V Unprivileged ISA 20240411, chapters 2, 4, 5, 7,
 * 13 to 15 and 30). Everything that needs the supervisor's state is left to the guest's C code.
 */
#include "arch/riscv64/guest/lift.h"

#define LIFT(name) void rv_lift_##name(struct rv_lift *t)

static ir_value rs1(struct rv_lift *t)
{
    return rv_get_x(t, rv_rs1(t->word));
}

static ir_value rs2(struct rv_lift *t)
{
    return rv_get_x(t, rv_rs2(t->word));
}

static void rd(struct rv_lift *t, ir_value v)
{
    rv_set_x(t, rv_rd(t->word), v);
}

static ir_value imm(struct rv_lift *t, int64_t v)
{
    return ir_const(t->u, IR_I64, v);
}

static ir_value op2(struct rv_lift *t, enum ir_code code, ir_value a, ir_value b)
{
    return ir_op2(t->u, code, IR_I64, a, b);
}

static ir_value op1(struct rv_lift *t, enum ir_code code, ir_value a)
{
    return ir_op1(t->u, code, IR_I64, a);
}

/* The low 32 bits, and a 32-bit result in a register. */
static ir_value low(struct rv_lift *t, ir_value v)
{
    return ir_convert(t->u, IR_trunc, IR_I32, IR_I64, v);
}

static ir_value sign_extend(struct rv_lift *t, ir_value v)
{
    return ir_convert(t->u, IR_sext, IR_I64, IR_I32, v);
}

static ir_value zero_extend(struct rv_lift *t, ir_value v)
{
    return ir_convert(t->u, IR_zext, IR_I64, IR_I32, low(t, v));
}

static ir_value word_op(struct rv_lift *t, enum ir_code code, ir_value a, ir_value b)
{
    return sign_extend(t, ir_op2(t->u, code, IR_I32, low(t, a), low(t, b)));
}

static ir_value compare(struct rv_lift *t, enum ir_cc cc, ir_value a, ir_value b)
{
    return ir_cmp(t->u, IR_I64, cc, a, b);
}

static int64_t shamt(const struct rv_lift *t)
{
    return t->word >> 20 & 63;
}

/* ---- Registers and immediates ---- */

#define ALU(name, code)                           \
    LIFT(name)                                    \
    {                                             \
        rd(t, op2(t, IR_##code, rs1(t), rs2(t))); \
    }
#define ALU_IMM(name, code)                                          \
    LIFT(name)                                                       \
    {                                                                \
        rd(t, op2(t, IR_##code, rs1(t), imm(t, rv_imm_i(t->word)))); \
    }
#define SHIFT_IMM(name, code)                               \
    LIFT(name)                                              \
    {                                                       \
        rd(t, op2(t, IR_##code, rs1(t), imm(t, shamt(t)))); \
    }
#define ALU_WORD(name, code)                          \
    LIFT(name)                                        \
    {                                                 \
        rd(t, word_op(t, IR_##code, rs1(t), rs2(t))); \
    }
#define SHIFT_WORD_IMM(name, code)                              \
    LIFT(name)                                                  \
    {                                                           \
        rd(t, word_op(t, IR_##code, rs1(t), imm(t, shamt(t)))); \
    }
ALU(add, add)
ALU(sub, sub)
ALU(sll, shl)
ALU(srl, shr)
ALU(sra, sar)
ALU(xor, xor)
ALU(or, or)
ALU(and, and)
ALU_IMM(addi, add)
ALU_IMM(xori, xor)
ALU_IMM(ori, or)
ALU_IMM(andi, and)
SHIFT_IMM(slli, shl)
SHIFT_IMM(srli, shr)
SHIFT_IMM(srai, sar)
ALU_WORD(addw, add)
ALU_WORD(subw, sub)
ALU_WORD(sllw, shl)
ALU_WORD(srlw, shr)
ALU_WORD(sraw, sar)
SHIFT_WORD_IMM(slliw, shl)
SHIFT_WORD_IMM(srliw, shr)
SHIFT_WORD_IMM(sraiw, sar)

LIFT(addiw)
{
    rd(t, word_op(t, IR_add, rs1(t), imm(t, rv_imm_i(t->word))));
}

LIFT(slt)
{
    rd(t, compare(t, IR_LTS, rs1(t), rs2(t)));
}

LIFT(sltu)
{
    rd(t, compare(t, IR_LTU, rs1(t), rs2(t)));
}

LIFT(slti)
{
    rd(t, compare(t, IR_LTS, rs1(t), imm(t, rv_imm_i(t->word))));
}

LIFT(sltiu)
{
    rd(t, compare(t, IR_LTU, rs1(t), imm(t, rv_imm_i(t->word))));
}

LIFT(lui)
{
    rd(t, imm(t, rv_imm_u(t->word)));
}

/* The address `offset` bytes from the page's beginning. */
static ir_value address(struct rv_lift *t, int64_t offset)
{
    return op2(t, IR_add, ir_get(t->u, RV_SLOT_PC_BASE), imm(t, offset));
}

LIFT(auipc)
{
    rd(t, address(t, (int64_t)t->offset + rv_imm_u(t->word)));
}

/* ---- M ---- */

ALU(mul, mul)
ALU(mulh, mulhs)
ALU(mulhsu, mulhsu)
ALU(mulhu, mulhu)
ALU_WORD(mulw, mul)

static ir_value divide(struct rv_lift *t, enum ir_code code, enum ir_type type, ir_value a,
                       ir_value b)
{
    return ir_append(t->u, &(struct ir_op){.code = (uint8_t)code,
                                           .type = (uint8_t)type,
                                           .attr = IR_DIV_ONES,
                                           .arg = {a, b}});
}

#define DIVIDE(name, code)                                                                   \
    LIFT(name)                                                                               \
    {                                                                                        \
        rd(t, divide(t, IR_##code, IR_I64, rs1(t), rs2(t)));                                 \
    }                                                                                        \
    LIFT(name##w)                                                                            \
    {                                                                                        \
        rd(t, sign_extend(t, divide(t, IR_##code, IR_I32, low(t, rs1(t)), low(t, rs2(t))))); \
    }
DIVIDE(div, divs)
DIVIDE(divu, divu)
DIVIDE(rem, rems)
DIVIDE(remu, remu)

/* ---- Memory ---- */

#define LOAD(name, type, sign)                                                    \
    LIFT(name)                                                                    \
    {                                                                             \
        rd(t, ir_load(t->u, IR_I64, IR_##type, sign, rs1(t), rv_imm_i(t->word))); \
    }
#define STORE(name, type)                                                      \
    LIFT(name)                                                                 \
    {                                                                          \
        ir_value base = rs1(t);                                                \
                                                                               \
        ir_store(t->u, IR_I64, IR_##type, 0, base, rv_imm_s(t->word), rs2(t)); \
    }
LOAD(lb, I8, IR_SIGNED)
LOAD(lh, I16, IR_SIGNED)
LOAD(lw, I32, IR_SIGNED)
LOAD(ld, I64, 0)
LOAD(lbu, I8, 0)
LOAD(lhu, I16, 0)
LOAD(lwu, I32, 0)
STORE(sb, I8)
STORE(sh, I16)
STORE(sw, I32)
STORE(sd, I64)

/* Predecessor and successor sets, input and output counted as reads and writes (2.7). */
LIFT(fence)
{
    unsigned before = t->word >> 24 & 15, after = t->word >> 20 & 15;
    uint8_t mask =
        (uint8_t)((before & 10 ? IR_FENCE_BEFORE_READ : 0) |
                  (before & 5 ? IR_FENCE_BEFORE_WRITE : 0) |
                  (after & 10 ? IR_FENCE_AFTER_READ : 0) | (after & 5 ? IR_FENCE_AFTER_WRITE : 0));

    if (before && after)
        ir_op0(t->u, IR_fence, IR_VOID, mask, 0);
}

/* ---- A: both orders at once mean sequential consistency ---- */

static uint8_t memory_order(const struct rv_lift *t)
{
    static const uint8_t order[4] = {IR_RELAXED, IR_RELEASE, IR_ACQUIRE, IR_SEQ_CST};

    return IR_ORDER(order[t->word >> 25 & 3]);
}

static void atomic(struct rv_lift *t, enum ir_rmw kind, enum ir_type memory)
{
    ir_value base = rs1(t);

    rd(t, ir_append(t->u, &(struct ir_op){.code = IR_rmw,
                                          .type = IR_I64,
                                          .attr = (uint8_t)(kind | IR_RMW_TYPE(memory)),
                                          .attr2 = IR_SIGNED | memory_order(t),
                                          .arg = {base, rs2(t)}}));
}

#define ATOMIC(name, kind)                \
    LIFT(name##_w)                        \
    {                                     \
        atomic(t, IR_RMW_##kind, IR_I32); \
    }                                     \
    LIFT(name##_d)                        \
    {                                     \
        atomic(t, IR_RMW_##kind, IR_I64); \
    }
ATOMIC(amoswap, SWAP)
ATOMIC(amoadd, ADD)
ATOMIC(amoxor, XOR)
ATOMIC(amoand, AND)
ATOMIC(amoor, OR)
ATOMIC(amomin, MINS)
ATOMIC(amomax, MAXS)
ATOMIC(amominu, MINU)
ATOMIC(amomaxu, MAXU)

static void load_reserved(struct rv_lift *t, enum ir_type memory)
{
    ir_value base = rs1(t);
    ir_value v = ir_load(t->u, IR_I64, memory, IR_SIGNED | IR_ALIGNED | memory_order(t), base, 0);

    ir_set(t->u, RV_SLOT_RESERVED_ADDRESS, base);
    ir_set(t->u, RV_SLOT_RESERVED_VALUE, v);
    rd(t, v);
}

/* By value: it succeeds when memory holds what LR read there. Without a reservation of this address
 * the guest's C code lets it fail. */
static void store_conditional(struct rv_lift *t, enum ir_type memory)
{
    ir_value base = rs1(t), expected, old;

    ir_append(t->u, &(struct ir_op){
                        .code = IR_leave_if,
                        .attr = IR_LEAVE_INTERPRET,
                        .imm = t->word,
                        .arg = {compare(t, IR_NE, base, ir_get(t->u, RV_SLOT_RESERVED_ADDRESS))}});
    expected = ir_get(t->u, RV_SLOT_RESERVED_VALUE);
    old = ir_append(t->u, &(struct ir_op){.code = IR_cas,
                                          .type = IR_I64,
                                          .attr = (uint8_t)memory,
                                          .attr2 = IR_SIGNED | memory_order(t),
                                          .arg = {base, expected, rs2(t)}});
    ir_set(t->u, RV_SLOT_RESERVED_ADDRESS, imm(t, (int64_t)RV_NO_RESERVATION));
    rd(t, compare(t, IR_NE, old, expected));
}

LIFT(lr_w)
{
    load_reserved(t, IR_I32);
}

LIFT(lr_d)
{
    load_reserved(t, IR_I64);
}

LIFT(sc_w)
{
    store_conditional(t, IR_I32);
}

LIFT(sc_d)
{
    store_conditional(t, IR_I64);
}

/* ---- Control flow: a poll where a loop may close ---- */

static bool is_forward(const struct rv_lift *t, int64_t target)
{
    return target > (int64_t)t->offset && target < IR_PAGE_SIZE;
}

static void poll(struct rv_lift *t)
{
    ir_op0(t->u, IR_poll, IR_VOID, 0, 0);
}

static void branch(struct rv_lift *t, enum ir_cc cc)
{
    int64_t target = (int64_t)t->offset + rv_imm_b(t->word);
    ir_value a;

    if (!is_forward(t, target))
        poll(t);
    a = rs1(t);
    ir_exit_if(t->u, IR_I64, cc, a, rs2(t), target);
    ir_jump(t->u, IR_HINT_NONE, (int64_t)t->offset + t->length);
    t->ended = true;
}

#define BRANCH(name, cc)    \
    LIFT(name)              \
    {                       \
        branch(t, IR_##cc); \
    }
BRANCH(beq, EQ)
BRANCH(bne, NE)
BRANCH(blt, LTS)
BRANCH(bge, GES)
BRANCH(bltu, LTU)
BRANCH(bgeu, GEU)

/* The link registers of the calling convention (2.5.1, table 3). */
static bool is_link(unsigned x)
{
    return x == 1 || x == 5;
}

LIFT(jal)
{
    int64_t target = (int64_t)t->offset + rv_imm_j(t->word);
    unsigned link = rv_rd(t->word);

    if (!is_forward(t, target))
        poll(t);
    if (link)
        rd(t, address(t, (int64_t)t->offset + t->length));
    ir_jump(t->u, is_link(link) ? IR_HINT_CALL : IR_HINT_NONE, target);
    t->ended = true;
}

LIFT(jalr)
{
    unsigned link = rv_rd(t->word), base = rv_rs1(t->word);
    enum ir_hint hint = is_link(link)   ? IR_HINT_CALL
                        : is_link(base) ? IR_HINT_RETURN
                                        : IR_HINT_NONE;
    ir_value target;

    poll(t);
    target = op2(t, IR_add, rs1(t), imm(t, rv_imm_i(t->word)));
    target = op2(t, IR_and, target, imm(t, -2));
    if (link)
        rd(t, address(t, (int64_t)t->offset + t->length));
    ir_append(t->u, &(struct ir_op){.code = IR_jump_reg, .attr = (uint8_t)hint, .arg = {target}});
    t->ended = true;
}

/* ---- Zba, Zbb, Zbs, Zbc, Zicond ---- */

#define SHIFT_ADD(name, count)                                                \
    LIFT(name)                                                                \
    {                                                                         \
        rd(t, op2(t, IR_add, op2(t, IR_shl, rs1(t), imm(t, count)), rs2(t))); \
    }                                                                         \
    LIFT(name##_uw)                                                           \
    {                                                                         \
        ir_value index = zero_extend(t, rs1(t));                              \
                                                                              \
        rd(t, op2(t, IR_add, op2(t, IR_shl, index, imm(t, count)), rs2(t)));  \
    }
SHIFT_ADD(sh1add, 1)
SHIFT_ADD(sh2add, 2)
SHIFT_ADD(sh3add, 3)

LIFT(add_uw)
{
    rd(t, op2(t, IR_add, zero_extend(t, rs1(t)), rs2(t)));
}

LIFT(slli_uw)
{
    rd(t, op2(t, IR_shl, zero_extend(t, rs1(t)), imm(t, shamt(t))));
}

ALU(andn, andn)
ALU(max, maxs)
ALU(maxu, maxu)
ALU(min, mins)
ALU(minu, minu)
ALU(ror, rotr)
ALU_WORD(rorw, rotr)
SHIFT_IMM(rori, rotr)
SHIFT_WORD_IMM(roriw, rotr)
ALU(clmul, clmul)
ALU(clmulh, clmulh)

LIFT(orn)
{
    rd(t, op2(t, IR_or, rs1(t), op1(t, IR_not, rs2(t))));
}

LIFT(xnor)
{
    rd(t, op1(t, IR_not, op2(t, IR_xor, rs1(t), rs2(t))));
}

LIFT(rol)
{
    rd(t, op2(t, IR_rotr, rs1(t), op1(t, IR_neg, rs2(t))));
}

LIFT(rolw)
{
    rd(t, word_op(t, IR_rotr, rs1(t), op1(t, IR_neg, rs2(t))));
}

#define COUNT(name, code)                                                       \
    LIFT(name)                                                                  \
    {                                                                           \
        rd(t, op1(t, IR_##code, rs1(t)));                                       \
    }                                                                           \
    LIFT(name##w)                                                               \
    {                                                                           \
        rd(t, sign_extend(t, ir_op1(t->u, IR_##code, IR_I32, low(t, rs1(t))))); \
    }
COUNT(clz, clz)
COUNT(ctz, ctz)
COUNT(cpop, popcount)

#define EXTEND(name, code, from)                                                 \
    LIFT(name)                                                                   \
    {                                                                            \
        ir_value narrow = ir_convert(t->u, IR_trunc, IR_##from, IR_I64, rs1(t)); \
                                                                                 \
        rd(t, ir_convert(t->u, IR_##code, IR_I64, IR_##from, narrow));           \
    }
EXTEND(sext_b, sext, I8)
EXTEND(sext_h, sext, I16)
EXTEND(zext_h, zext, I16)

LIFT(rev8)
{
    rd(t, op1(t, IR_bswap, rs1(t)));
}

/* Each byte that is not zero becomes all ones: bit 7 of (b & 7f) + 7f, or of b itself, says so. */
LIFT(orc_b)
{
    const int64_t sevens = 0x7f7f7f7f7f7f7f7f, ones = 0x0101010101010101;
    ir_value v = rs1(t);
    ir_value sum = op2(t, IR_add, op2(t, IR_and, v, imm(t, sevens)), imm(t, sevens));
    ir_value set = op2(t, IR_shr, op2(t, IR_or, sum, v), imm(t, 7));

    rd(t, op2(t, IR_mul, op2(t, IR_and, set, imm(t, ones)), imm(t, 0xff)));
}

static ir_value bit(struct rv_lift *t, ir_value index)
{
    return op2(t, IR_shl, imm(t, 1), index);
}

#define SINGLE_BIT(name, code)                                      \
    LIFT(name)                                                      \
    {                                                               \
        rd(t, op2(t, IR_##code, rs1(t), bit(t, rs2(t))));           \
    }                                                               \
    LIFT(name##i)                                                   \
    {                                                               \
        rd(t, op2(t, IR_##code, rs1(t), bit(t, imm(t, shamt(t))))); \
    }
SINGLE_BIT(bclr, andn)
SINGLE_BIT(binv, xor)
SINGLE_BIT(bset, or)

static void extract_bit(struct rv_lift *t, ir_value index)
{
    rd(t, op2(t, IR_and, op2(t, IR_shr, rs1(t), index), imm(t, 1)));
}

LIFT(bext)
{
    extract_bit(t, rs2(t));
}

LIFT(bexti)
{
    extract_bit(t, imm(t, shamt(t)));
}

/* Bits 126 to 63 of the product. */
LIFT(clmulr)
{
    ir_value a = rs1(t), b = rs2(t);
    ir_value high = op2(t, IR_shl, op2(t, IR_clmulh, a, b), imm(t, 1));

    rd(t, op2(t, IR_or, high, op2(t, IR_shr, op2(t, IR_clmul, a, b), imm(t, 63))));
}

LIFT(czero_eqz)
{
    ir_value c = rs2(t), v = rs1(t);

    rd(t, ir_op3(t->u, IR_select, IR_I64, c, v, imm(t, 0)));
}

LIFT(czero_nez)
{
    ir_value c = rs2(t), v = rs1(t);

    rd(t, ir_op3(t->u, IR_select, IR_I64, c, imm(t, 0), v));
}

/* ---- Zacas ---- */

static void compare_and_swap(struct rv_lift *t, enum ir_type memory)
{
    ir_value base = rs1(t), expected = rv_get_x(t, rv_rd(t->word));

    rd(t, ir_append(t->u, &(struct ir_op){.code = IR_cas,
                                          .type = IR_I64,
                                          .attr = (uint8_t)memory,
                                          .attr2 = IR_SIGNED | memory_order(t),
                                          .arg = {base, expected, rs2(t)}}));
}

LIFT(amocas_w)
{
    compare_and_swap(t, IR_I32);
}

LIFT(amocas_d)
{
    compare_and_swap(t, IR_I64);
}

/* Registers of 128 bits are pairs, and the lower one's number is even. */
LIFT(amocas_q)
{
    if ((rv_rd(t->word) | rv_rs2(t->word)) & 1)
        rv_lift_illegal(t);
    else
        rv_lift_interpret(t);
}

/* ---- Zicboz, Zawrs, Zimop ---- */

LIFT(cbo_zero)
{
    ir_value base;

    if (!(t->u->mode & RV_MODE_CBZE)) {
        rv_lift_illegal(t);
        return;
    }
    base = op2(t, IR_and, rs1(t), imm(t, -RV_CBO_BYTES));
    ir_append(t->u, &(struct ir_op){
                        .code = IR_probe, .attr = RV_CBO_BYTES, .attr2 = true, .arg = {base}});
    for (unsigned i = 0; i < RV_CBO_BYTES; i += 8)
        ir_store(t->u, IR_I64, IR_I64, IR_PROBED, base, i, imm(t, 0));
}

/* The wait may end at any time, here at once; the reservation with it. */
static void wait_for_reservation(struct rv_lift *t)
{
    ir_set(t->u, RV_SLOT_RESERVED_ADDRESS, imm(t, (int64_t)RV_NO_RESERVATION));
}

LIFT(wrs_nto)
{
    wait_for_reservation(t);
}

LIFT(wrs_sto)
{
    wait_for_reservation(t);
}

LIFT(mop_r)
{
    rd(t, imm(t, 0));
}

LIFT(mop_rr)
{
    rd(t, imm(t, 0));
}

/* ---- What the guest's C code does ---- */

#define INTERPRET(name)       \
    LIFT(name)                \
    {                         \
        rv_lift_interpret(t); \
    }
INTERPRET(ecall)
INTERPRET(ebreak)
INTERPRET(fence_i)
INTERPRET(sret)
INTERPRET(wfi)
INTERPRET(sfence_vma)
INTERPRET(sinval_vma)
INTERPRET(sfence_w_inval)
INTERPRET(sfence_inval_ir)
INTERPRET(cbo_inval)
INTERPRET(cbo_clean)
INTERPRET(cbo_flush)
