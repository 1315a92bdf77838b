/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the data processing instructions on general registers do (Arm ARM C3.3 to C3.5, C6.2). */
#include "arch/aarch64/guest/lift.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)

static unsigned bits_of(enum ir_type type)
{
    return type == IR_I64 ? 64 : 32;
}

static ir_value op2(struct a64_lift *t, enum ir_code code, ir_value a, ir_value b)
{
    return ir_op2(t->u, code, a64_width(t), a, b);
}

static ir_value op1(struct a64_lift *t, enum ir_code code, ir_value a)
{
    return ir_op1(t->u, code, a64_width(t), a);
}

/* A constant of the instruction's width. */
static ir_value imm(struct a64_lift *t, uint64_t v)
{
    return ir_const(t->u, a64_width(t), (int64_t)v);
}

static ir_value rn(struct a64_lift *t)
{
    return a64_get(t, a64_width(t), a64_rn(t->word));
}

static ir_value rm(struct a64_lift *t)
{
    return a64_get(t, a64_width(t), a64_rm(t->word));
}

static void rd(struct a64_lift *t, ir_value v)
{
    a64_set(t, a64_width(t), a64_rd(t->word), v);
}

/* Register 31 is the stack pointer. */
static ir_value rn_sp(struct a64_lift *t)
{
    ir_value v = a64_get_xsp(t, a64_rn(t->word));

    return a64_sf(t->word) ? v : a64_low(t, v);
}

static void rd_sp(struct a64_lift *t, ir_value v)
{
    a64_set_xsp(t, a64_rd(t->word), a64_sf(t->word) ? v : a64_extend(t, v));
}

static bool bit(const struct a64_lift *t, unsigned n)
{
    return t->word >> n & 1;
}

/* ---- Addition and subtraction: bit 30 subtracts, bit 29 sets flags ---- */

static ir_value sum(struct a64_lift *t, ir_value a, ir_value b)
{
    bool subtracts = bit(t, 30);
    ir_value r = op2(t, subtracts ? IR_sub : IR_add, a, b);

    if (bit(t, 29))
        a64_flags_sum(t, subtracts ? A64_FLAG_SUB : A64_FLAG_ADD, a64_width(t), a, b, 0, r);
    return r;
}

LIFT(add_imm)
{
    uint64_t v = (uint64_t)a64_field(t->word, 10, 12) << (bit(t, 22) ? 12 : 0);
    ir_value a = rn_sp(t), r = v == 0 && !bit(t, 29) ? a : sum(t, a, imm(t, v));

    if (bit(t, 29))
        rd(t, r);
    else
        rd_sp(t, r);
}

/* LSL, LSR, ASR, ROR by bits 23 and 22, count in bits 15 to 10. */
static ir_value shifted(struct a64_lift *t)
{
    static const uint8_t codes[4] = {IR_shl, IR_shr, IR_sar, IR_rotr};
    unsigned count = a64_field(t->word, 10, 6);
    ir_value v = rm(t);

    return count ? op2(t, codes[a64_field(t->word, 22, 2)], v, imm(t, count)) : v;
}

LIFT(add)
{
    ir_value a = rn(t), b = shifted(t);

    rd(t, sum(t, a, b));
}

/* ExtendReg (shared/functions): option in bits 15 to 13. */
static ir_value extended(struct a64_lift *t, ir_value v, unsigned option)
{
    static const uint8_t from[4] = {IR_I8, IR_I16, IR_I32, IR_I64};
    enum ir_type narrow = from[option & 3], type = a64_width(t);

    if (narrow >= type)
        return type == IR_I64 ? v : a64_low(t, v);
    return ir_convert(t->u, option & 4 ? IR_sext : IR_zext, type, narrow,
                      ir_convert(t->u, IR_trunc, narrow, IR_I64, v));
}

LIFT(add_ext)
{
    unsigned shift = a64_field(t->word, 10, 3);
    ir_value a = rn_sp(t), b, r;

    b = extended(t, a64_get_x(t, a64_rm(t->word)), a64_field(t->word, 13, 3));
    if (shift)
        b = op2(t, IR_shl, b, imm(t, shift));
    r = sum(t, a, b);
    if (bit(t, 29))
        rd(t, r);
    else
        rd_sp(t, r);
}

LIFT(adc)
{
    bool subtracts = bit(t, 30);
    enum ir_code code = subtracts ? IR_sub : IR_add;
    ir_value a = rn(t), b = rm(t), extra = a64_flags_carry(t), r;

    if (subtracts)
        extra = a64_op2(t, IR_xor, extra, a64_imm(t, 1));
    r = op2(t, code, op2(t, code, a, b), a64_sf(t->word) ? extra : a64_low(t, extra));
    if (bit(t, 29))
        a64_flags_sum(t, subtracts ? A64_FLAG_SUB : A64_FLAG_ADD, a64_width(t), a, b, extra, r);
    rd(t, r);
}

/* ---- Logic: AND, ORR, EOR, ANDS by bits 30 and 29 ---- */

enum { LOGIC_AND, LOGIC_ORR, LOGIC_EOR, LOGIC_ANDS };

static ir_value logic(struct a64_lift *t, ir_value a, ir_value b, bool inverts)
{
    unsigned kind = a64_field(t->word, 29, 2);
    ir_value r;

    switch (kind) {
    case LOGIC_ORR:
        return op2(t, IR_or, a, inverts ? op1(t, IR_not, b) : b);
    case LOGIC_EOR:
        r = op2(t, IR_xor, a, b);
        return inverts ? op1(t, IR_not, r) : r;
    default:
        r = op2(t, inverts ? IR_andn : IR_and, a, b);
    }
    if (kind == LOGIC_ANDS)
        a64_flags_logic(t, a64_width(t), r);
    return r;
}

LIFT(logic_imm)
{
    uint64_t mask = 0;
    ir_value r;

    (void)a64_bitmask(bit(t, 22), a64_field(t->word, 10, 6), a64_field(t->word, 16, 6),
                      bits_of(a64_width(t)), &mask); /* it decoded: it is one */
    if (a64_rn(t->word) == 31 && a64_field(t->word, 29, 2) == LOGIC_ORR)
        r = imm(t, mask);
    else
        r = logic(t, rn(t), imm(t, mask), false);
    if (a64_field(t->word, 29, 2) == LOGIC_ANDS)
        rd(t, r);
    else
        rd_sp(t, r);
}

LIFT(logic)
{
    bool inverts = bit(t, 21);
    ir_value a, b;

    if (a64_rn(t->word) == 31 && a64_field(t->word, 29, 2) == LOGIC_ORR) { /* MOV, MVN */
        b = shifted(t);
        rd(t, inverts ? op1(t, IR_not, b) : b);
        return;
    }
    a = rn(t);
    b = shifted(t);
    rd(t, logic(t, a, b, inverts));
}

/* ---- Moves, fields ---- */

#define FIELD(position, length) ((int64_t)((position) | (length) << 8))

static ir_value insert(struct a64_lift *t, ir_value into, ir_value v, unsigned position,
                       unsigned length)
{
    return ir_append(t->u, &(struct ir_op){.code = IR_insert,
                                           .type = a64_width(t),
                                           .imm = FIELD(position, length),
                                           .arg = {into, v}});
}

LIFT(mov_wide)
{
    unsigned shift = 16 * a64_field(t->word, 21, 2);
    uint64_t v = (uint64_t)a64_field(t->word, 5, 16);

    if (bit(t, 30) && bit(t, 29)) /* MOVK */
        rd(t, insert(t, a64_get(t, a64_width(t), a64_rd(t->word)), imm(t, v), shift, 16));
    else
        rd(t, imm(t, bit(t, 30) ? v << shift : ~(v << shift)));
}

/* `length` bits from `position`, which are extended as those of a narrower type. */
static ir_value field(struct a64_lift *t, ir_value v, unsigned position, unsigned length,
                      bool is_signed)
{
    enum ir_type type = a64_width(t), narrow;

    if (position + length == bits_of(type))
        return op2(t, is_signed ? IR_sar : IR_shr, v, imm(t, position));
    narrow = length == 8 ? IR_I8 : length == 16 ? IR_I16 : length == 32 ? IR_I32 : type;
    if (position == 0 && narrow < type)
        return ir_convert(t->u, is_signed ? IR_sext : IR_zext, type, narrow,
                          ir_convert(t->u, IR_trunc, narrow, type, v));
    return ir_append(t->u, &(struct ir_op){.code = IR_extract,
                                           .type = (uint8_t)type,
                                           .attr2 = is_signed,
                                           .imm = FIELD(position, length),
                                           .arg = {v}});
}

/* SBFM, BFM, UBFM by bits 30 and 29: from bit immr when imms is not below it, else to bit
 * width - immr (C6.2.37). */
LIFT(bitfield)
{
    unsigned immr = a64_field(t->word, 16, 6), imms = a64_field(t->word, 10, 6);
    unsigned width = bits_of(a64_width(t)), to = width - immr, length = imms + 1;
    bool down = imms >= immr, is_signed = a64_field(t->word, 29, 2) == 0;
    ir_value v = rn(t), old;

    if (bit(t, 29)) { /* BFM */
        old = a64_get(t, a64_width(t), a64_rd(t->word));
        if (down && immr)
            v = op2(t, IR_shr, v, imm(t, immr));
        rd(t, down ? insert(t, old, v, 0, imms - immr + 1) : insert(t, old, v, to, length));
    } else if (down) {
        rd(t, length - immr == width ? v : field(t, v, immr, imms - immr + 1, is_signed));
    } else if (to + length == width) {
        rd(t, op2(t, IR_shl, v, imm(t, to)));
    } else {
        v = op2(t, IR_shl, v, imm(t, width - length));
        rd(t, op2(t, is_signed ? IR_sar : IR_shr, v, imm(t, width - length - to)));
    }
}

LIFT(extr)
{
    unsigned lsb = a64_field(t->word, 10, 6), width = bits_of(a64_width(t));
    ir_value high = rn(t), low = rm(t);

    if (lsb == 0)
        rd(t, low);
    else if (a64_rn(t->word) == a64_rm(t->word))
        rd(t, op2(t, IR_rotr, low, imm(t, lsb)));
    else
        rd(t, op2(t, IR_or, op2(t, IR_shl, high, imm(t, width - lsb)),
                  op2(t, IR_shr, low, imm(t, lsb))));
}

/* ---- Addresses ---- */

LIFT(adr)
{
    int64_t v = a64_signed_field(t->word, 5, 19) * 4 | a64_field(t->word, 29, 2);

    if (bit(t, 31)) /* ADRP: pages, from that of the instruction */
        v = v * 4096;
    else
        v += t->offset;
    a64_set_x(t, a64_rd(t->word),
              a64_op2(t, IR_add, ir_get(t->u, A64_SLOT_PC_BASE), a64_imm(t, (uint64_t)v)));
}

/* ---- Conditions ---- */

LIFT(ccmp)
{
    enum a64_flag_kind kind = bit(t, 30) ? A64_FLAG_SUB : A64_FLAG_ADD;
    ir_value a = rn(t), b = bit(t, 11) ? imm(t, a64_rm(t->word)) : rm(t);
    ir_value chosen = a64_condition_value(t, a64_field(t->word, 12, 4));

    a64_flags_chosen(t, kind, a64_width(t), a, b, chosen, t->word & 15);
}

/* CSEL, CSINC, CSINV, CSNEG by bits 30 and 10. */
static ir_value otherwise(struct a64_lift *t, ir_value v)
{
    if (bit(t, 30))
        return op1(t, bit(t, 10) ? IR_neg : IR_not, v);
    return bit(t, 10) ? op2(t, IR_add, v, imm(t, 1)) : v;
}

LIFT(csel)
{
    unsigned condition = a64_field(t->word, 12, 4), n = a64_rn(t->word), m = a64_rm(t->word);
    bool sets = n == 31 && m == 31 && bit(t, 30) != bit(t, 10) && condition < 14;
    ir_value c, a, b;

    if (sets) { /* CSET, CSETM */
        c = a64_condition_value(t, condition ^ 1);
        a64_set_x(t, a64_rd(t->word), c);
        if (bit(t, 30))
            rd(t, op1(t, IR_neg, a64_sf(t->word) ? c : a64_low(t, c)));
        return;
    }
    c = a64_condition_value(t, condition);
    a = rn(t);
    b = otherwise(t, rm(t));
    rd(t, ir_op3(t->u, IR_select, a64_width(t), c, a, b));
}

LIFT(rmif)
{
    unsigned shift = a64_field(t->word, 15, 6), mask = t->word & 15;
    ir_value v = a64_op2(t, IR_rotr, a64_get_x(t, a64_rn(t->word)), a64_imm(t, shift));
    ir_value old = a64_op2(t, IR_and, a64_flags_get(t), a64_imm(t, ~(uint64_t)mask));

    a64_flags_packed(t, a64_op2(t, IR_or, old, a64_op2(t, IR_and, v, a64_imm(t, mask))));
}

/* N and Z of the low 8 or 16 bits, V when the bit above differs from their top one. */
LIFT(setf)
{
    unsigned top = bit(t, 14) ? 15 : 7;
    ir_value v = a64_get_x(t, a64_rn(t->word));
    ir_value n = a64_op2(t, IR_and, a64_op2(t, IR_shr, v, a64_imm(t, top)), a64_imm(t, 1));
    ir_value above = a64_op2(t, IR_and, a64_op2(t, IR_shr, v, a64_imm(t, top + 1)), a64_imm(t, 1));
    ir_value z = ir_cmp(t->u, IR_I64, IR_EQ, a64_op2(t, IR_and, v, a64_imm(t, 2 * BIT(top) - 1)),
                        a64_imm(t, 0));
    ir_value c = a64_op2(t, IR_and, a64_flags_get(t), a64_imm(t, A64_C));
    ir_value r = a64_op2(t, IR_or, a64_op2(t, IR_shl, n, a64_imm(t, 3)),
                         a64_op2(t, IR_shl, z, a64_imm(t, 2)));

    r = a64_op2(t, IR_or, r, a64_op2(t, IR_xor, n, above));
    a64_flags_packed(t, a64_op2(t, IR_or, r, c));
}

LIFT(cfinv)
{
    a64_flags_packed(t, a64_op2(t, IR_xor, a64_flags_get(t), a64_imm(t, A64_C)));
}

/* ---- Multiplication and division ---- */

LIFT(madd)
{
    ir_value product = op2(t, IR_mul, rn(t), rm(t));
    unsigned ra = a64_ra(t->word);

    if (ra == 31)
        rd(t, bit(t, 15) ? op1(t, IR_neg, product) : product);
    else
        rd(t, op2(t, bit(t, 15) ? IR_sub : IR_add, a64_get(t, a64_width(t), ra), product));
}

static ir_value widened(struct a64_lift *t, unsigned n)
{
    return ir_convert(t->u, bit(t, 23) ? IR_zext : IR_sext, IR_I64, IR_I32, a64_get(t, IR_I32, n));
}

LIFT(maddl)
{
    ir_value a = widened(t, a64_rn(t->word));
    ir_value product = a64_op2(t, IR_mul, a, widened(t, a64_rm(t->word)));
    unsigned ra = a64_ra(t->word);

    if (ra == 31)
        rd(t, bit(t, 15) ? op1(t, IR_neg, product) : product);
    else
        rd(t, a64_op2(t, bit(t, 15) ? IR_sub : IR_add, a64_get_x(t, ra), product));
}

LIFT(mulh)
{
    ir_value a = rn(t);

    rd(t, op2(t, bit(t, 23) ? IR_mulhu : IR_mulhs, a, rm(t)));
}

LIFT(div)
{
    ir_value a = rn(t), b = rm(t);

    rd(t, ir_append(t->u, &(struct ir_op){.code = bit(t, 10) ? IR_divs : IR_divu,
                                          .type = a64_width(t),
                                          .attr = IR_DIV_ZERO,
                                          .arg = {a, b}}));
}

/* ---- Shifts, bits ---- */

LIFT(shiftv)
{
    static const uint8_t codes[4] = {IR_shl, IR_shr, IR_sar, IR_rotr};
    ir_value a = rn(t);

    rd(t, op2(t, codes[a64_field(t->word, 10, 2)], a, rm(t)));
}

LIFT(crc32)
{
    unsigned bytes = 1u << a64_field(t->word, 10, 2);
    ir_value a = a64_extend(t, a64_get(t, IR_I32, a64_rn(t->word)));
    ir_value b = a64_get_x(t, a64_rm(t->word));

    a64_set_x(
        t, a64_rd(t->word),
        ir_append(t->u, &(struct ir_op){.code = IR_helper,
                                        .imm = bit(t, 12) ? A64_HELPER_CRC32C : A64_HELPER_CRC32,
                                        .arg = {a, b, a64_imm(t, bytes)}}));
}

LIFT(rbit)
{
    rd(t, op1(t, IR_bitrev, rn(t)));
}

LIFT(rev)
{
    rd(t, op1(t, IR_bswap, rn(t)));
}

LIFT(rev32)
{
    rd(t, op2(t, IR_rotr, op1(t, IR_bswap, rn(t)), imm(t, 32)));
}

LIFT(rev16)
{
    const uint64_t low = 0x00ff00ff00ff00ff;
    ir_value v = rn(t), mask = imm(t, low);

    rd(t, op2(t, IR_or, op2(t, IR_shl, op2(t, IR_and, v, mask), imm(t, 8)),
              op2(t, IR_and, op2(t, IR_shr, v, imm(t, 8)), mask)));
}

LIFT(clz)
{
    rd(t, op1(t, IR_clz, rn(t)));
}

/* Bits that equal the top one, itself not counted. */
LIFT(cls)
{
    ir_value v = rn(t), changes = op2(t, IR_xor, v, op2(t, IR_sar, v, imm(t, 1)));

    rd(t, op2(t, IR_sub, op1(t, IR_clz, changes), imm(t, 1)));
}
