/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Scalar floating point (Arm ARM C3.4, C4.1.96): f32 and f64 in the lowest element of a register,
 * whose other elements become zeros. */
#include "arch/aarch64/guest/lift_vector.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)

enum ir_round a64_rounding(const struct a64_lift *t)
{
    static const uint8_t modes[] = {IR_ROUND_NEAREST, IR_ROUND_UP, IR_ROUND_DOWN, IR_ROUND_ZERO};

    return modes[(t->u->mode & A64_MODE_RMODE) >> A64_MODE_RMODE_SHIFT];
}

/* f32 or f64 by bit 22. */
static enum ir_type type_of(const struct a64_lift *t)
{
    return a64_field(t->word, 22, 1) ? IR_F64 : IR_F32;
}

static void set_rd(struct a64_lift *t, enum ir_type type, ir_value v)
{
    a64_set_f(t, type, a64_rd(t->word), v);
}

/* ---- Arithmetic ---- */

static ir_value arithmetic(struct a64_lift *t, enum ir_code code, uint8_t attr)
{
    enum ir_type type = type_of(t);
    ir_value a = a64_get_f(t, type, a64_rn(t->word));

    return ir_append(t->u, &(struct ir_op){.code = (uint8_t)code,
                                           .type = (uint8_t)type,
                                           .attr = attr,
                                           .arg = {a, a64_get_f(t, type, a64_rm(t->word))}});
}

/* FMUL, FDIV, FADD, FSUB, FMAX, FMIN, FMAXNM, FMINNM, FNMUL by bits 15 to 12. */
LIFT(fp_binary)
{
    static const uint8_t codes[] = {IR_fmul, IR_fdiv, IR_fadd, IR_fsub, IR_fmax,
                                    IR_fmin, IR_fmax, IR_fmin, IR_fmul};
    unsigned opcode = a64_field(t->word, 12, 4);
    uint8_t attr = a64_fp_attr(t);
    ir_value v;

    if (!a64_fp_access(t))
        return;
    if (opcode >= 4 && opcode < 8)
        attr = a64_fp_modes(t) | (opcode < 6 ? IR_FMIN_NAN : IR_FMIN_NUMBER);
    v = arithmetic(t, codes[opcode], attr);
    if (opcode == 8)
        v = ir_op1(t->u, IR_fneg, type_of(t), v);
    set_rd(t, type_of(t), v);
}

/* FMADD, FMSUB, FNMADD, FNMSUB by bits 21 and 15: the sum may be negated with its product. */
LIFT(fp_multiply_add)
{
    bool negates = a64_field(t->word, 21, 1), subtracts = a64_field(t->word, 15, 1);
    enum ir_type type = type_of(t);
    ir_value a, b;

    if (!a64_fp_access(t))
        return;
    a = a64_get_f(t, type, a64_rn(t->word));
    b = a64_get_f(t, type, a64_rm(t->word));
    set_rd(t, type,
           ir_append(t->u,
                     &(struct ir_op){.code = IR_fma,
                                     .type = (uint8_t)type,
                                     .attr = a64_fp_attr(t),
                                     .attr2 = (subtracts != negates ? IR_FMA_NEGATE_PRODUCT : 0) |
                                              (negates ? IR_FMA_NEGATE_ADDEND : 0),
                                     .arg = {a, b, a64_get_f(t, type, a64_ra(t->word) & 31)}}));
}

/* FMOV, FABS, FNEG, FSQRT by bits 16 and 15. */
LIFT(fp_unary)
{
    static const uint8_t codes[] = {IR_nop, IR_fabs, IR_fneg, IR_fsqrt};
    unsigned opcode = a64_field(t->word, 15, 2);
    enum ir_type type = type_of(t);
    ir_value v;

    if (!a64_fp_access(t))
        return;
    v = a64_get_f(t, type, a64_rn(t->word));
    if (opcode)
        v = ir_append(t->u, &(struct ir_op){.code = codes[opcode],
                                            .type = (uint8_t)type,
                                            .attr = opcode == 3 ? a64_fp_attr(t) : 0,
                                            .arg = {v}});
    set_rd(t, type, v);
}

/* N, P, M, Z, A, - , X, I by bits 17 to 15. */
LIFT(fp_round)
{
    unsigned opcode = a64_field(t->word, 15, 3);
    const uint8_t rounds[] = {IR_ROUND_NEAREST,
                              IR_ROUND_UP,
                              IR_ROUND_DOWN,
                              IR_ROUND_ZERO,
                              IR_ROUND_AWAY,
                              IR_ROUND_NEAREST,
                              (uint8_t)a64_rounding(t),
                              (uint8_t)a64_rounding(t)};
    enum ir_type type = type_of(t);

    if (!a64_fp_access(t))
        return;
    set_rd(t, type,
           ir_append(t->u, &(struct ir_op){.code = IR_frint,
                                           .type = (uint8_t)type,
                                           .attr = rounds[opcode] | a64_fp_modes(t),
                                           .attr2 = opcode == 6,
                                           .arg = {a64_get_f(t, type, a64_rn(t->word))}}));
}

/* FRINT32Z, FRINT32X, FRINT64Z, FRINT64X by bits 16 and 15. */
LIFT(fp_round_fit)
{
    unsigned opcode = a64_field(t->word, 15, 2);
    enum ir_round round = opcode & 1 ? a64_rounding(t) : IR_ROUND_ZERO;

    if (!a64_fp_access(t))
        return;
    a64_set_q(t, a64_rd(t->word),
              ir_vector(t->u, IR_vfrint, IR_V128, type_of(t),
                        (uint8_t)round | a64_fp_modes(t) | IR_V_LANE0, opcode & 2 ? 64 : 32,
                        a64_get_q(t, a64_rn(t->word)), 0, 0));
}

/* ---- Between formats ---- */

/* Of halves: by the lowest element of vectors. */
static ir_value by_vector(struct a64_lift *t, enum ir_code code, enum ir_type element, ir_value v)
{
    enum ir_type to = code == IR_vfwiden ? IR_V128 : IR_V64;
    uint8_t alternative = element == IR_F16 && t->u->mode & A64_MODE_AHP ? IR_FP_ALTERNATIVE : 0;

    if (code == IR_vfwiden)
        v = a64_half(t, v, false);
    v = ir_vector(t->u, code, to, element, a64_fp_attr(t) | alternative | IR_V_LANE0, 0, v, 0, 0);
    return to == IR_V64 ? ir_op1(t->u, IR_vzext, IR_V128, v) : v;
}

LIFT(fp_convert)
{
    enum ir_type from = type_of(t), to = from == IR_F64 ? IR_F32 : IR_F64;

    if (!a64_fp_access(t))
        return;
    set_rd(t, to,
           ir_append(t->u, &(struct ir_op){.code = IR_fconv,
                                           .type = (uint8_t)to,
                                           .attr = a64_fp_attr(t),
                                           .attr2 = (uint8_t)from,
                                           .arg = {a64_get_f(t, from, a64_rn(t->word))}}));
}

/* f64 has its own way to f16: it rounds once. */
LIFT(fp_to_half)
{
    enum ir_type from = type_of(t);
    ir_value v;

    if (!a64_fp_access(t))
        return;
    v = a64_get_q(t, a64_rn(t->word));
    if (from == IR_F32)
        v = by_vector(t, IR_vfnarrow, IR_F16, v);
    else
        v = ir_convert(t->u, IR_vfrom, IR_V128, IR_I64,
                       ir_append(t->u, &(struct ir_op){
                                           .code = IR_helper_fp,
                                           .imm = A64_HELPER_F64_TO_F16,
                                           .arg = {ir_append(t->u, &(struct ir_op){.code = IR_vlane,
                                                                                   .attr = IR_I64,
                                                                                   .arg = {v}}),
                                                   a64_imm(t, a64_fp_attr(t)),
                                                   a64_imm(t, t->u->mode & A64_MODE_AHP)}}));
    a64_set_q(t, a64_rd(t->word), v);
}

LIFT(fp_from_half)
{
    bool to_f64 = a64_field(t->word, 15, 1);
    ir_value v;

    if (!a64_fp_access(t))
        return;
    v = by_vector(t, IR_vfwiden, IR_F16, a64_get_q(t, a64_rn(t->word)));
    if (to_f64) /* exact; a NaN is quiet by now */
        v = by_vector(t, IR_vfwiden, IR_F32, v);
    a64_set_q(t, a64_rd(t->word), v);
}

/* ---- Comparisons ---- */

static ir_value compare(struct a64_lift *t, enum ir_type type, enum ir_fcc cc, bool signaling,
                        ir_value a, ir_value b)
{
    return ir_append(t->u, &(struct ir_op){.code = IR_fcmp,
                                           .attr = (uint8_t)cc | a64_fp_modes(t),
                                           .attr2 = (uint8_t)type,
                                           .imm = signaling,
                                           .arg = {a, b}});
}

/* The four bits of a comparison whose operands may be flushed. */
static ir_value compare_bits(struct a64_lift *t, enum ir_type type, bool signaling, ir_value a,
                             ir_value b)
{
    ir_value less = compare(t, type, IR_FCC_LT, signaling, a, b);
    ir_value equal = compare(t, type, IR_FCC_EQ, signaling, a, b);
    ir_value unordered = compare(t, type, IR_FCC_UNORDERED, signaling, a, b);
    ir_value v = ir_op3(t->u, IR_select, IR_I64, less, a64_imm(t, A64_N), a64_imm(t, A64_C));

    v = ir_op3(t->u, IR_select, IR_I64, equal, a64_imm(t, A64_Z | A64_C), v);
    return ir_op3(t->u, IR_select, IR_I64, unordered, a64_imm(t, A64_C | A64_V), v);
}

static ir_value fp_zero(struct a64_lift *t, enum ir_type type)
{
    return ir_convert(t->u, IR_bitsf, type, type == IR_F64 ? IR_I64 : IR_I32,
                      ir_const(t->u, type == IR_F64 ? IR_I64 : IR_I32, 0));
}

/* FCMP, FCMPE (bit 4), against zero (bit 3). The flags say what was compared; the comparison is
 * there for what it raises. */
LIFT(fcmp)
{
    enum ir_type type = type_of(t);
    bool signaling = a64_field(t->word, 4, 1);
    ir_value a, b;

    if (!a64_fp_access(t))
        return;
    a = a64_get_f(t, type, a64_rn(t->word));
    b = a64_field(t->word, 3, 1) ? fp_zero(t, type) : a64_get_f(t, type, a64_rm(t->word));
    if (t->u->mode & A64_MODE_FZ) {
        a64_flags_packed(t, compare_bits(t, type, signaling, a, b));
        return;
    }
    (void)compare(t, type, IR_FCC_UNORDERED, signaling, a, b);
    a64_flags_fcmp(t, type, a, b);
}

/* Where the condition does not hold nothing is compared: then the operands are zeros. */
LIFT(fccmp)
{
    enum ir_type type = type_of(t), bits = type == IR_F64 ? IR_I64 : IR_I32;
    bool signaling = a64_field(t->word, 4, 1);
    ir_value chosen, operand[2], compared;
    unsigned nzcv = a64_rd(t->word) & 15;

    if (!a64_fp_access(t))
        return;
    chosen = a64_condition_value(t, a64_field(t->word, 12, 4));
    for (unsigned i = 0; i < 2; i++) {
        ir_value v = a64_get_f(t, type, i ? a64_rm(t->word) : a64_rn(t->word));

        v = ir_convert(t->u, IR_fbits, bits, type, v);
        v = ir_op3(t->u, IR_select, bits, chosen, v, ir_const(t->u, bits, 0));
        operand[i] = ir_convert(t->u, IR_bitsf, type, bits, v);
    }
    compared = compare_bits(t, type, signaling, operand[0], operand[1]);
    a64_flags_packed(t, ir_op3(t->u, IR_select, IR_I64, chosen, compared, a64_imm(t, nzcv)));
}

LIFT(fcsel)
{
    enum ir_type type = type_of(t);
    ir_value chosen, a;

    if (!a64_fp_access(t))
        return;
    chosen = a64_condition_value(t, a64_field(t->word, 12, 4));
    a = a64_get_f(t, type, a64_rn(t->word));
    set_rd(t, type, ir_op3(t->u, IR_select, type, chosen, a, a64_get_f(t, type, a64_rm(t->word))));
}

/* ---- Constants, and general registers ---- */

/* VFPExpandImm(): a sign, three bits of exponent, four of fraction. */
static uint64_t expand(unsigned imm8, bool wide)
{
    uint64_t sign = imm8 >> 7, low = imm8 & 0x3f;

    if (wide)
        return sign << 63 | (imm8 & 0x40 ? 0x3fcULL : 0x400ULL) << 52 | low << 48;
    return sign << 31 | (imm8 & 0x40 ? 0x7cULL : 0x80ULL) << 23 | low << 19;
}

LIFT(fmov_imm)
{
    if (!a64_fp_access(t))
        return;
    a64_set_q(t, a64_rd(t->word),
              ir_convert(t->u, IR_vfrom, IR_V128, IR_I64,
                         a64_imm(t, expand(a64_field(t->word, 13, 8), type_of(t) == IR_F64))));
}

static ir_value lane(struct a64_lift *t, enum ir_type element, unsigned n, unsigned i)
{
    return ir_append(
        t->u, &(struct ir_op){
                  .code = IR_vlane, .attr = (uint8_t)element, .imm = i, .arg = {a64_get_q(t, n)}});
}

/* To a general register: 32 bits, 64, or the upper half of 128 (bit 19). */
LIFT(fmov_to_x)
{
    enum ir_type element = a64_sf(t->word) ? IR_I64 : IR_I32;

    if (a64_fp_access(t))
        a64_set_x(t, a64_rd(t->word), lane(t, element, a64_rn(t->word), a64_field(t->word, 19, 1)));
}

LIFT(fmov_from_x)
{
    unsigned rd = a64_rd(t->word);
    ir_value v;

    if (!a64_fp_access(t))
        return;
    v = a64_get_x(t, a64_rn(t->word));
    if (a64_field(t->word, 19, 1)) {
        a64_set_q(t, rd,
                  ir_vector(t->u, IR_vinsert, IR_V128, IR_I64, 0, 1, a64_get_q(t, rd), v, 0));
        return;
    }
    if (!a64_sf(t->word))
        v = a64_extend(t, a64_low(t, v));
    a64_set_q(t, rd, ir_convert(t->u, IR_vfrom, IR_V128, IR_I64, v));
}

/* ---- Integers ---- */

/* Through the lowest element of a vector: it knows fractions. The general register has to be as
 * wide as the number. */
static ir_value fixed(struct a64_lift *t, enum ir_code code, uint8_t how, unsigned fraction,
                      ir_value v)
{
    return ir_vector(t->u, code, IR_V128, type_of(t), how | IR_V_LANE0, fraction, v, 0, 0);
}

static ir_value to_int(struct a64_lift *t, enum ir_round round, bool is_unsigned)
{
    enum ir_type type = type_of(t), to = a64_width(t);

    return ir_append(t->u, &(struct ir_op){.code = IR_ftoi,
                                           .type = (uint8_t)to,
                                           .attr = (uint8_t)round | a64_fp_modes(t),
                                           .attr2 = (uint8_t)type,
                                           .imm = is_unsigned,
                                           .arg = {a64_get_f(t, type, a64_rn(t->word))}});
}

/* N, P, M, Z by bits 20 and 19; A (bit 18); unsigned by bit 16. */
LIFT(fp_to_int)
{
    static const uint8_t rounds[] = {IR_ROUND_NEAREST, IR_ROUND_UP, IR_ROUND_DOWN, IR_ROUND_ZERO};
    enum ir_round round =
        a64_field(t->word, 18, 1) ? IR_ROUND_AWAY : rounds[a64_field(t->word, 19, 2)];

    if (a64_fp_access(t))
        a64_set(t, a64_width(t), a64_rd(t->word), to_int(t, round, a64_field(t->word, 16, 1)));
}

LIFT(fp_from_int)
{
    enum ir_type type = type_of(t), from = a64_width(t);

    if (!a64_fp_access(t))
        return;
    set_rd(t, type,
           ir_append(t->u, &(struct ir_op){.code = IR_itof,
                                           .type = (uint8_t)type,
                                           .attr = a64_fp_attr(t),
                                           .attr2 = (uint8_t)from,
                                           .imm = a64_field(t->word, 16, 1),
                                           .arg = {a64_get(t, from, a64_rn(t->word))}}));
}

/* Bits of the fraction; 0: the instruction is none, and the unit has ended. */
static unsigned fraction_of(struct a64_lift *t)
{
    unsigned scale = a64_field(t->word, 10, 6);

    if (!a64_sf(t->word) && scale < 32) {
        a64_undefined(t);
        return 0;
    }
    return 64 - scale;
}

static enum ir_type fixed_width(const struct a64_lift *t)
{
    return type_of(t) == IR_F64 ? IR_I64 : IR_I32;
}

/* Where number and register are not of one width, a helper does it. */
static ir_value by_helper(struct a64_lift *t, enum a64_helper helper, ir_value v, unsigned fraction)
{
    uint64_t how = a64_fp_attr(t) | (type_of(t) == IR_F64 ? A64_FIXED_F64 : 0) |
                   (a64_sf(t->word) ? A64_FIXED_I64 : 0) |
                   (a64_field(t->word, 16, 1) ? A64_FIXED_UNSIGNED : 0);

    return ir_append(t->u, &(struct ir_op){.code = IR_helper_fp,
                                           .imm = helper,
                                           .arg = {v, a64_imm(t, how), a64_imm(t, fraction)}});
}

LIFT(fp_to_fixed)
{
    uint8_t how = IR_ROUND_ZERO | a64_fp_modes(t);
    unsigned fraction;
    ir_value v;

    if (!a64_fp_access(t))
        return;
    fraction = fraction_of(t);
    if (!fraction)
        return;
    if (fixed_width(t) != a64_width(t)) {
        v = by_helper(t, A64_HELPER_TO_FIXED, lane(t, fixed_width(t), a64_rn(t->word), 0),
                      fraction);
    } else {
        v = fixed(t, IR_vftoi, how | (a64_field(t->word, 16, 1) ? IR_FP_UNSIGNED : 0), fraction,
                  a64_get_q(t, a64_rn(t->word)));
        v = ir_append(
            t->u, &(struct ir_op){.code = IR_vlane, .attr = (uint8_t)fixed_width(t), .arg = {v}});
    }
    a64_set_x(t, a64_rd(t->word), v);
}

LIFT(fp_from_fixed)
{
    uint8_t how = a64_fp_attr(t);
    unsigned fraction;
    ir_value v;

    if (!a64_fp_access(t))
        return;
    fraction = fraction_of(t);
    if (!fraction)
        return;
    v = a64_get_x(t, a64_rn(t->word));
    if (fixed_width(t) != a64_width(t))
        v = ir_convert(t->u, IR_vfrom, IR_V128, IR_I64,
                       by_helper(t, A64_HELPER_FROM_FIXED, v, fraction));
    else
        v = fixed(t, IR_vitof, how | (a64_field(t->word, 16, 1) ? IR_FP_UNSIGNED : 0), fraction,
                  ir_convert(t->u, IR_vfrom, IR_V128, IR_I64, v));
    a64_set_q(t, a64_rd(t->word), v);
}

/* FJCVTZS: the helper's upper half says whether it was exact: Z. */
LIFT(fjcvtzs)
{
    ir_value v;

    if (!a64_fp_access(t))
        return;
    v = ir_append(t->u, &(struct ir_op){.code = IR_helper_fp,
                                        .imm = A64_HELPER_TO_JAVASCRIPT,
                                        .arg = {lane(t, IR_I64, a64_rn(t->word), 0),
                                                a64_imm(t, a64_fp_attr(t)), a64_imm(t, 0)}});
    a64_set(t, IR_I32, a64_rd(t->word), a64_low(t, v));
    a64_flags_packed(t,
                     a64_op2(t, IR_mul, a64_op2(t, IR_shr, v, a64_imm(t, 32)), a64_imm(t, A64_Z)));
}
