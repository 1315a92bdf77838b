/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Advanced SIMD on integers (Arm ARM C4.1.96): elementwise, shifts, saturating, longer and
 * narrower. Vectors of both widths and scalars share their functions; U (bit 29) tells unsigned
 * from signed where nothing else is said. */
#include "arch/aarch64/guest/lift_vector.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)

#define SIZE_8   1u
#define SIZE_16  2u
#define SIZE_32  4u
#define SIZE_64  8u
#define UP_TO_32 (SIZE_8 | SIZE_16 | SIZE_32)
#define ALL      (UP_TO_32 | SIZE_64)

bool a64_shape_allowed(struct a64_lift *t, const struct a64_shape *s, unsigned sizes)
{
    if (sizes & 1u << s->size && (s->size != 3 || s->scalar || s->q))
        return true;
    a64_undefined(t);
    return false;
}

/* The shape, and whether there is such an instruction and it may run: false: the unit has ended.
 */
static bool begin(struct a64_lift *t, struct a64_shape *s, unsigned sizes)
{
    *s = a64_shape(t);
    return a64_fp_access(t) && a64_shape_allowed(t, s, sizes);
}

static bool is_u(const struct a64_lift *t)
{
    return a64_field(t->word, 29, 1);
}

static uint8_t sign_of(const struct a64_lift *t)
{
    return is_u(t) ? 0 : IR_V_SIGNED;
}

static ir_value rn(struct a64_lift *t, const struct a64_shape *s)
{
    return a64_get_v(t, s->type, a64_rn(t->word));
}

static ir_value rm(struct a64_lift *t, const struct a64_shape *s)
{
    return a64_get_v(t, s->type, a64_rm(t->word));
}

static ir_value rd(struct a64_lift *t, const struct a64_shape *s)
{
    return a64_get_v(t, s->type, a64_rd(t->word));
}

static void set_rd(struct a64_lift *t, const struct a64_shape *s, ir_value v)
{
    a64_set_v(t, s->type, a64_rd(t->word), v);
}

/* ---- Three registers of one shape ---- */

static void same(struct a64_lift *t, enum ir_code code, uint8_t flags, unsigned sizes)
{
    struct a64_shape s;

    if (begin(t, &s, sizes))
        set_rd(t, &s, a64_v2(t, &s, code, flags, rn(t, &s), rm(t, &s)));
}

LIFT(simd_add)
{
    same(t, is_u(t) ? IR_vsub : IR_vadd, 0, a64_field(t->word, 28, 1) ? SIZE_64 : ALL);
}

/* MUL and PMUL. */
LIFT(simd_mul)
{
    same(t, is_u(t) ? IR_vpmul : IR_vmul, 0, is_u(t) ? SIZE_8 : UP_TO_32);
}

/* MAX, and MIN (bit 11). */
LIFT(simd_max)
{
    same(t, a64_field(t->word, 11, 1) ? IR_vmin : IR_vmax, sign_of(t), UP_TO_32);
}

LIFT(simd_qadd)
{
    same(t, a64_field(t->word, 13, 1) ? IR_vqsub : IR_vqadd, sign_of(t), ALL);
}

/* SQDMULH, SQRDMULH (U). */
LIFT(simd_qdmulh)
{
    same(t, IR_vqdmulh, is_u(t) ? IR_V_ROUND : 0, SIZE_16 | SIZE_32);
}

/* By a register: saturating by bit 11, rounding by bit 12. */
LIFT(simd_shift)
{
    bool saturates = a64_field(t->word, 11, 1);

    same(t, IR_vshift,
         sign_of(t) | (a64_field(t->word, 12, 1) ? IR_V_ROUND : 0) |
             (saturates ? IR_V_SATURATE : 0),
         a64_field(t->word, 28, 1) && !saturates ? SIZE_64 : ALL);
}

/* CMGT, CMHI; CMGE, CMHS (bit 11). */
LIFT(simd_cm)
{
    static const uint8_t conditions[2][2] = {{IR_GTS, IR_GES}, {IR_GTU, IR_GEU}};
    struct a64_shape s;

    if (begin(t, &s, a64_field(t->word, 28, 1) ? SIZE_64 : ALL))
        set_rd(t, &s,
               a64_v3(t, &s, IR_vcmp, 0, conditions[is_u(t)][a64_field(t->word, 11, 1)], rn(t, &s),
                      rm(t, &s), 0));
}

/* CMTST, CMEQ (U). */
LIFT(simd_cmtst)
{
    struct a64_shape s;
    ir_value v;

    if (!begin(t, &s, a64_field(t->word, 28, 1) ? SIZE_64 : ALL))
        return;
    if (is_u(t)) {
        v = a64_v3(t, &s, IR_vcmp, 0, IR_EQ, rn(t, &s), rm(t, &s), 0);
    } else {
        v = a64_bits(t, &s, IR_vand, rn(t, &s), rm(t, &s));
        v = a64_v3(t, &s, IR_vcmp, 0, IR_NE, v, a64_splat(t, &s, 0), 0);
    }
    set_rd(t, &s, v);
}

/* AND, BIC, ORR, ORN by the size field. */
LIFT(simd_logic)
{
    struct a64_shape s = a64_shape(t);
    ir_value a, b;

    if (!a64_fp_access(t))
        return;
    a = rn(t, &s);
    b = rm(t, &s);
    switch (s.size) {
    case 0:
        a = a64_bits(t, &s, IR_vand, a, b);
        break;
    case 1:
        a = a64_bits(t, &s, IR_vandn, a, b);
        break;
    case 2:
        a = a64_rn(t->word) == a64_rm(t->word) ? a : a64_bits(t, &s, IR_vor, a, b);
        break;
    default:
        a = a64_bits(t, &s, IR_vor, a, ir_op1(t->u, IR_vnot, s.type, b));
        break;
    }
    set_rd(t, &s, a);
}

/* EOR, BSL, BIT, BIF. */
LIFT(simd_select)
{
    struct a64_shape s = a64_shape(t);
    ir_value a, b, d;

    if (!a64_fp_access(t))
        return;
    a = rn(t, &s);
    b = rm(t, &s);
    d = rd(t, &s);
    switch (s.size) {
    case 0:
        a = a64_bits(t, &s, IR_vxor, a, b);
        break;
    case 1:
        a = ir_op3(t->u, IR_vselect, s.type, d, a, b);
        break;
    case 2:
        a = ir_op3(t->u, IR_vselect, s.type, b, a, d);
        break;
    default:
        a = ir_op3(t->u, IR_vselect, s.type, b, d, a);
        break;
    }
    set_rd(t, &s, a);
}

/* Half of a + b or a - b, of which all bits count:
 * a + b = 2 (a & b) + (a ^ b) = 2 (a | b) - (a ^ b); a - b = (a ^ b) - 2 (~a & b). */
LIFT(simd_halve)
{
    bool subtracts = a64_field(t->word, 13, 1), rounds = a64_field(t->word, 12, 1);
    struct a64_shape s;
    ir_value a, b, x;

    if (!begin(t, &s, UP_TO_32))
        return;
    a = rn(t, &s);
    b = rm(t, &s);
    if (rounds && is_u(t) && s.size < 2) {
        set_rd(t, &s, a64_v2(t, &s, IR_vavg, IR_V_ROUND, a, b));
        return;
    }
    x = a64_v1(t, &s, IR_vshr, sign_of(t), 1, a64_bits(t, &s, IR_vxor, a, b));
    if (subtracts)
        x = a64_v2(t, &s, IR_vsub, 0, x, a64_bits(t, &s, IR_vandn, b, a));
    else if (rounds)
        x = a64_v2(t, &s, IR_vsub, 0, a64_bits(t, &s, IR_vor, a, b), x);
    else
        x = a64_v2(t, &s, IR_vadd, 0, x, a64_bits(t, &s, IR_vand, a, b));
    set_rd(t, &s, x);
}

static ir_value difference(struct a64_lift *t, const struct a64_shape *s, ir_value a, ir_value b)
{
    return a64_v2(t, s, IR_vsub, 0, a64_v2(t, s, IR_vmax, sign_of(t), a, b),
                  a64_v2(t, s, IR_vmin, sign_of(t), a, b));
}

/* ABD, ABA (bit 11). */
LIFT(simd_abd)
{
    struct a64_shape s;
    ir_value v;

    if (!begin(t, &s, UP_TO_32))
        return;
    v = difference(t, &s, rn(t, &s), rm(t, &s));
    if (a64_field(t->word, 11, 1))
        v = a64_v2(t, &s, IR_vadd, 0, rd(t, &s), v);
    set_rd(t, &s, v);
}

/* MLA, MLS (U). */
LIFT(simd_mla)
{
    struct a64_shape s;

    if (begin(t, &s, UP_TO_32))
        set_rd(t, &s,
               a64_v2(t, &s, is_u(t) ? IR_vsub : IR_vadd, 0, rd(t, &s),
                      a64_v2(t, &s, IR_vmul, 0, rn(t, &s), rm(t, &s))));
}

/* Even and odd elements of both registers, one below the other. */
static void pairs(struct a64_lift *t, const struct a64_shape *s, ir_value *even, ir_value *odd)
{
    ir_value a = rn(t, s), b = rm(t, s);

    *even = ir_vector(t->u, IR_vunzip, s->type, s->element, 0, 0, a, b, 0);
    *odd = ir_vector(t->u, IR_vunzip, s->type, s->element, IR_V_HIGH, 0, a, b, 0);
}

LIFT(simd_addp)
{
    struct a64_shape s;
    ir_value even, odd;

    if (!begin(t, &s, ALL))
        return;
    pairs(t, &s, &even, &odd);
    set_rd(t, &s, a64_v2(t, &s, IR_vadd, 0, even, odd));
}

LIFT(simd_maxp)
{
    struct a64_shape s;
    ir_value even, odd;

    if (!begin(t, &s, UP_TO_32))
        return;
    pairs(t, &s, &even, &odd);
    set_rd(t, &s,
           a64_v2(t, &s, a64_field(t->word, 11, 1) ? IR_vmin : IR_vmax, sign_of(t), even, odd));
}

/* ADDP of the two halves of one register. */
LIFT(simd_addp_scalar)
{
    struct a64_shape s = a64_shape(t);
    ir_value a;

    if (!a64_fp_access(t))
        return;
    a = rn(t, &s);
    a = a64_v2(t, &s, IR_vadd, 0, a, ir_vector(t->u, IR_vsplatl, IR_V128, IR_I64, 0, 1, a, 0, 0));
    set_rd(t, &s, a);
}

/* SQRDMLAH, SQRDMLSH (bit 11). */
LIFT(simd_qrdmla)
{
    struct a64_shape s;

    if (begin(t, &s, SIZE_16 | SIZE_32))
        set_rd(t, &s,
               a64_v3(t, &s, IR_vqrdmla, a64_field(t->word, 11, 1) ? IR_V_SUBTRACT : 0, 0,
                      rd(t, &s), rn(t, &s), rm(t, &s)));
}

LIFT(simd_dot)
{
    struct a64_shape s;

    if (begin(t, &s, SIZE_32))
        set_rd(t, &s, a64_v3(t, &s, IR_vdot, sign_of(t), 0, rd(t, &s), rn(t, &s), rm(t, &s)));
}

/* ---- Two registers ---- */

static void unary(struct a64_lift *t, enum ir_code code, uint8_t flags, unsigned sizes)
{
    struct a64_shape s;

    if (begin(t, &s, sizes))
        set_rd(t, &s, a64_v1(t, &s, code, flags, 0, rn(t, &s)));
}

/* ABS, NEG (U). */
LIFT(simd_abs)
{
    unary(t, is_u(t) ? IR_vneg : IR_vabs, 0, a64_field(t->word, 28, 1) ? SIZE_64 : ALL);
}

LIFT(simd_qabs)
{
    unary(t, is_u(t) ? IR_vqneg : IR_vqabs, 0, ALL);
}

LIFT(simd_cnt)
{
    unary(t, IR_vpopcount, 0, SIZE_8);
}

/* NOT, RBIT by size. */
LIFT(simd_not)
{
    struct a64_shape s;

    if (!begin(t, &s, SIZE_8 | SIZE_16))
        return;
    if (s.size)
        set_rd(t, &s, ir_vector(t->u, IR_vbitrev, s.type, IR_I8, 0, 0, rn(t, &s), 0, 0));
    else
        set_rd(t, &s, ir_op1(t->u, IR_vnot, s.type, rn(t, &s)));
}

/* CLS, CLZ (U): bits that repeat the sign are zeros of the exclusive or with the value moved by
 * one. */
LIFT(simd_clz)
{
    struct a64_shape s;
    ir_value a;

    if (!begin(t, &s, UP_TO_32))
        return;
    a = rn(t, &s);
    if (!is_u(t))
        a = a64_bits(t, &s, IR_vxor, a, a64_v1(t, &s, IR_vshr, IR_V_SIGNED, 1, a));
    a = a64_v1(t, &s, IR_vclz, 0, 0, a);
    if (!is_u(t))
        a = a64_v2(t, &s, IR_vsub, 0, a, a64_splat(t, &s, 1));
    set_rd(t, &s, a);
}

/* REV64, REV32 (U), REV16 (bit 12). */
LIFT(simd_rev)
{
    unsigned within = a64_field(t->word, 12, 1) ? 2 : is_u(t) ? 4 : 8;
    struct a64_shape s;

    if (begin(t, &s, within == 2 ? SIZE_8 : within == 4 ? SIZE_8 | SIZE_16 : UP_TO_32))
        set_rd(t, &s, a64_v1(t, &s, IR_vreverse, 0, within, rn(t, &s)));
}

/* Against zero: CMGT, CMEQ, CMLT by bits 13 and 12; with U CMGE, CMLE. */
LIFT(simd_cm_zero)
{
    static const uint8_t conditions[2][3] = {{IR_GTS, IR_EQ, IR_LTS}, {IR_GES, IR_LES, IR_LTS}};
    struct a64_shape s;

    if (begin(t, &s, a64_field(t->word, 28, 1) ? SIZE_64 : ALL))
        set_rd(t, &s,
               a64_v3(t, &s, IR_vcmp, 0, conditions[is_u(t)][a64_field(t->word, 12, 2)], rn(t, &s),
                      a64_splat(t, &s, 0), 0));
}

/* SUQADD, USQADD (U): to the destination, which is of the kind of the result. */
LIFT(simd_suqadd)
{
    struct a64_shape s;

    if (begin(t, &s, ALL))
        set_rd(t, &s, a64_v2(t, &s, IR_vqadd, sign_of(t) | IR_V_TO_UNSIGNED, rd(t, &s), rn(t, &s)));
}

/* ADDLP, ADALP (bit 14): both elements of each wider one. */
LIFT(simd_addlp)
{
    struct a64_shape s;
    unsigned bits;
    ir_value a, even, odd;

    if (!begin(t, &s, UP_TO_32))
        return;
    bits = 8u << s.size++;
    s.element = a64_int(s.size);
    a = rn(t, &s);
    odd = a64_v1(t, &s, IR_vshr, sign_of(t), bits, a);
    even = a64_v1(t, &s, IR_vshr, sign_of(t), bits, a64_v1(t, &s, IR_vshl, 0, bits, a));
    a = a64_v2(t, &s, IR_vadd, 0, even, odd);
    if (a64_field(t->word, 14, 1))
        a = a64_v2(t, &s, IR_vadd, 0, rd(t, &s), a);
    set_rd(t, &s, a);
}

/* URECPE, URSQRTE (U). */
LIFT(simd_urecpe)
{
    struct a64_shape s = a64_shape(t);

    s.element = IR_I32;
    if (a64_fp_access(t))
        set_rd(t, &s, a64_v1(t, &s, is_u(t) ? IR_vrsqrte : IR_vrecipe, 0, 0, rn(t, &s)));
}

/* ---- Narrower: into the lower half, or the upper one of the destination (Q) ---- */

static void set_narrow(struct a64_lift *t, const struct a64_shape *s, ir_value v)
{
    unsigned n = a64_rd(t->word);

    if (!s->q || s->scalar)
        a64_set_v(t, IR_V64, n, v);
    else
        a64_set_q(t, n, ir_op2(t->u, IR_vjoin, IR_V128, a64_get_v(t, IR_V64, n), v));
}

static ir_value narrow(struct a64_lift *t, const struct a64_shape *s, enum ir_code code,
                       uint8_t flags, ir_value v)
{
    return ir_vector(t->u, code, IR_V64, s->element, flags | (code == IR_vnarrow ? 0 : s->lane0), 0,
                     v, 0, 0);
}

LIFT(simd_xtn)
{
    struct a64_shape s;

    if (begin(t, &s, UP_TO_32))
        set_narrow(t, &s, narrow(t, &s, IR_vnarrow, 0, a64_get_q(t, a64_rn(t->word))));
}

/* SQXTN, UQXTN (U); SQXTUN. */
LIFT(simd_qxtn)
{
    struct a64_shape s;

    if (begin(t, &s, UP_TO_32))
        set_narrow(t, &s, narrow(t, &s, IR_vqnarrow, sign_of(t), a64_get_q(t, a64_rn(t->word))));
}

LIFT(simd_sqxtun)
{
    struct a64_shape s;

    if (begin(t, &s, UP_TO_32))
        set_narrow(t, &s,
                   narrow(t, &s, IR_vqnarrow, IR_V_SIGNED | IR_V_TO_UNSIGNED,
                          a64_get_q(t, a64_rn(t->word))));
}

/* The upper halves of sums or differences (bit 13): ADDHN, RADDHN (U). */
LIFT(simd_addhn)
{
    struct a64_shape s, wide;
    ir_value v;

    if (!begin(t, &s, UP_TO_32))
        return;
    wide = s;
    wide.type = IR_V128;
    wide.size++;
    wide.element = a64_int(wide.size);
    v = a64_v2(t, &wide, a64_field(t->word, 13, 1) ? IR_vsub : IR_vadd, 0,
               a64_get_q(t, a64_rn(t->word)), a64_get_q(t, a64_rm(t->word)));
    if (is_u(t))
        v = a64_v2(t, &wide, IR_vadd, 0, v, a64_splat(t, &wide, BIT((8u << s.size) - 1)));
    v = a64_v1(t, &wide, IR_vshr, 0, 8u << s.size, v);
    set_narrow(t, &s, narrow(t, &s, IR_vnarrow, 0, v));
}

/* ---- Wider: of the lower halves, or the upper ones (Q) ---- */

/* The half of register n that is made wider, as a v64. */
static ir_value long_half(struct a64_lift *t, const struct a64_shape *s, unsigned n)
{
    return a64_half(t, a64_get_q(t, n), s->q && !s->scalar);
}

static ir_value widen(struct a64_lift *t, const struct a64_shape *s, uint8_t flags, ir_value half)
{
    return ir_vector(t->u, IR_vwiden, IR_V128, s->element, flags, 0, half, 0, 0);
}

/* Of the result. */
static struct a64_shape wider(const struct a64_shape *s)
{
    struct a64_shape wide = *s;

    wide.type = IR_V128;
    wide.size++;
    wide.element = a64_int(wide.size);
    return wide;
}

/* ADDL, SUBL (bit 13), and with a wide first operand (bit 12) ADDW, SUBW. */
LIFT(simd_addl)
{
    struct a64_shape s, wide;
    ir_value a, b;

    if (!begin(t, &s, UP_TO_32))
        return;
    wide = wider(&s);
    a = a64_field(t->word, 12, 1) ? a64_get_q(t, a64_rn(t->word))
                                  : widen(t, &s, sign_of(t), long_half(t, &s, a64_rn(t->word)));
    b = widen(t, &s, sign_of(t), long_half(t, &s, a64_rm(t->word)));
    set_rd(t, &wide, a64_v2(t, &wide, a64_field(t->word, 13, 1) ? IR_vsub : IR_vadd, 0, a, b));
}

/* ABDL (bit 13), ABAL. */
LIFT(simd_abdl)
{
    struct a64_shape s, wide;
    ir_value v;

    if (!begin(t, &s, UP_TO_32))
        return;
    wide = wider(&s);
    s.type = IR_V64;
    v = difference(t, &s, long_half(t, &s, a64_rn(t->word)), long_half(t, &s, a64_rm(t->word)));
    v = widen(t, &s, 0, v);
    if (!a64_field(t->word, 13, 1))
        v = a64_v2(t, &wide, IR_vadd, 0, rd(t, &wide), v);
    set_rd(t, &wide, v);
}

/* The second operand: the half of a register, or an element of one everywhere. */
static ir_value second_half(struct a64_lift *t, const struct a64_shape *s, bool by_element)
{
    unsigned n = a64_rm(t->word), index;

    if (!by_element)
        return long_half(t, s, n);
    index = a64_field(t->word, 11, 1) << 1 | a64_field(t->word, 21, 1);
    if (s->size == 1) {
        index = index << 1 | a64_field(t->word, 20, 1);
        n &= 15;
    }
    return ir_vector(t->u, IR_vsplatl, IR_V64, s->element, 0, index, a64_get_q(t, n), 0, 0);
}

static void multiply_long(struct a64_lift *t, bool by_element)
{
    unsigned opcode = a64_field(t->word, 12, 4); /* by elements: 2, 6, 10 */
    struct a64_shape s, wide;
    ir_value v;

    if (!begin(t, &s, by_element ? SIZE_16 | SIZE_32 : UP_TO_32))
        return;
    wide = wider(&s);
    v = long_half(t, &s, a64_rn(t->word));
    v = ir_vector(t->u, IR_vmull, IR_V128, s.element, sign_of(t), 0, v,
                  second_half(t, &s, by_element), 0);
    if (opcode == 8 || opcode == 2)
        v = a64_v2(t, &wide, IR_vadd, 0, rd(t, &wide), v);
    else if ((opcode == 10 && !by_element) || opcode == 6)
        v = a64_v2(t, &wide, IR_vsub, 0, rd(t, &wide), v);
    set_rd(t, &wide, v);
}

/* MLAL (8), MLSL (10), MULL (12). */
LIFT(simd_mull)
{
    multiply_long(t, false);
}

LIFT(simd_mull_element)
{
    multiply_long(t, true);
}

static void saturating_long(struct a64_lift *t, bool by_element)
{
    unsigned opcode = a64_field(t->word, 12, 4);
    bool adds = by_element ? opcode == 3 : opcode == 9,
         takes = by_element ? opcode == 7 : opcode == 11;
    struct a64_shape s, wide;
    ir_value v;

    if (!begin(t, &s, SIZE_16 | SIZE_32))
        return;
    wide = wider(&s);
    v = long_half(t, &s, a64_rn(t->word));
    v = ir_vector(t->u, IR_vqdmull, IR_V128, s.element, s.lane0, 0, v,
                  second_half(t, &s, by_element), 0);
    if (adds || takes)
        v = a64_v2(t, &wide, takes ? IR_vqsub : IR_vqadd, IR_V_SIGNED, rd(t, &wide), v);
    set_rd(t, &wide, v);
}

/* SQDMLAL (9), SQDMLSL (11), SQDMULL (13). */
LIFT(simd_qdmull)
{
    saturating_long(t, false);
}

LIFT(simd_qdmull_element)
{
    saturating_long(t, true);
}

/* Of bytes, and with its feature of 64 bits. */
LIFT(simd_pmull)
{
    struct a64_shape s = a64_shape(t);
    ir_value a;

    if (!a64_fp_access(t))
        return;
    if (s.size != 0 && !(s.size == 3 && t->features & BIT(A64_FEAT_PMULL))) {
        a64_undefined(t);
        return;
    }
    a = long_half(t, &s, a64_rn(t->word));
    a64_set_q(t, a64_rd(t->word),
              ir_vector(t->u, IR_vpmull, IR_V128, s.element, 0, 0, a,
                        long_half(t, &s, a64_rm(t->word)), 0));
}

/* SHLL: by the element's width. */
LIFT(simd_shll)
{
    struct a64_shape s, wide;

    if (!begin(t, &s, UP_TO_32))
        return;
    wide = wider(&s);
    set_rd(t, &wide,
           a64_v1(t, &wide, IR_vshl, 0, 8u << s.size,
                  widen(t, &s, 0, long_half(t, &s, a64_rn(t->word)))));
}

/* ---- By an element ---- */

/* Rm's element everywhere; of 16 bits there are 16 registers. */
static ir_value element(struct a64_lift *t, const struct a64_shape *s)
{
    unsigned n = a64_rm(t->word), index;

    index = a64_field(t->word, 11, 1) << 1 | a64_field(t->word, 21, 1);
    if (s->size == 1) {
        index = index << 1 | a64_field(t->word, 20, 1);
        n &= 15;
    }
    return ir_vector(t->u, IR_vsplatl, s->type, s->element, 0, index, a64_get_q(t, n), 0, 0);
}

/* MUL (8), MLA (0), MLS (4). */
LIFT(simd_mul_element)
{
    unsigned opcode = a64_field(t->word, 12, 4);
    struct a64_shape s;
    ir_value v;

    if (!begin(t, &s, SIZE_16 | SIZE_32))
        return;
    v = a64_v2(t, &s, IR_vmul, 0, rn(t, &s), element(t, &s));
    if (opcode != 8)
        v = a64_v2(t, &s, opcode ? IR_vsub : IR_vadd, 0, rd(t, &s), v);
    set_rd(t, &s, v);
}

/* SQDMULH, SQRDMULH (bit 12). */
LIFT(simd_qdmulh_element)
{
    struct a64_shape s;

    if (begin(t, &s, SIZE_16 | SIZE_32))
        set_rd(t, &s,
               a64_v2(t, &s, IR_vqdmulh, a64_field(t->word, 12, 1) ? IR_V_ROUND : 0, rn(t, &s),
                      element(t, &s)));
}

/* SQRDMLAH, SQRDMLSH (bit 13). */
LIFT(simd_qrdmla_element)
{
    struct a64_shape s;

    if (begin(t, &s, SIZE_16 | SIZE_32))
        set_rd(t, &s,
               a64_v3(t, &s, IR_vqrdmla, a64_field(t->word, 13, 1) ? IR_V_SUBTRACT : 0, 0,
                      rd(t, &s), rn(t, &s), element(t, &s)));
}

/* The element is four bytes. */
LIFT(simd_dot_element)
{
    struct a64_shape s;

    if (begin(t, &s, SIZE_32))
        set_rd(t, &s, a64_v3(t, &s, IR_vdot, sign_of(t), 0, rd(t, &s), rn(t, &s), element(t, &s)));
}

/* ---- Shifts by immediate: immh:immb in bits 22 to 16 ---- */

/* The element's size by immh's highest bit, and the shift to the left and to the right. False: the
 * unit has ended. */
static bool begin_shift(struct a64_lift *t, struct a64_shape *s, unsigned sizes, unsigned *left,
                        unsigned *right)
{
    unsigned imm = a64_field(t->word, 16, 7), bits;

    *s = a64_shape(t);
    s->size = 28 - (unsigned)__builtin_clz(imm | 1);
    if (imm < 8) {
        a64_undefined(t);
        return false;
    }
    s->element = a64_int(s->size);
    bits = 8u << s->size;
    *left = imm - bits;
    *right = 2 * bits - imm;
    return a64_fp_access(t) && a64_shape_allowed(t, s, sizes);
}

/* SHR, RSHR (bit 13), SRA, RSRA (bit 12). */
LIFT(simd_shr)
{
    unsigned left, right;
    struct a64_shape s;
    ir_value v;

    if (!begin_shift(t, &s, a64_field(t->word, 28, 1) ? SIZE_64 : ALL, &left, &right))
        return;
    v = a64_v1(t, &s, IR_vshr, sign_of(t) | (a64_field(t->word, 13, 1) ? IR_V_ROUND : 0), right,
               rn(t, &s));
    if (a64_field(t->word, 12, 1))
        v = a64_v2(t, &s, IR_vadd, 0, rd(t, &s), v);
    set_rd(t, &s, v);
}

/* SHL, SLI (U). */
LIFT(simd_shl)
{
    unsigned left, right;
    struct a64_shape s;

    if (!begin_shift(t, &s, a64_field(t->word, 28, 1) ? SIZE_64 : ALL, &left, &right))
        return;
    if (is_u(t))
        set_rd(t, &s, a64_v3(t, &s, IR_vsli, 0, left, rd(t, &s), rn(t, &s), 0));
    else
        set_rd(t, &s, a64_v1(t, &s, IR_vshl, 0, left, rn(t, &s)));
}

LIFT(simd_sri)
{
    unsigned left, right;
    struct a64_shape s;

    if (begin_shift(t, &s, a64_field(t->word, 28, 1) ? SIZE_64 : ALL, &left, &right))
        set_rd(t, &s, a64_v3(t, &s, IR_vsri, 0, right, rd(t, &s), rn(t, &s), 0));
}

/* SQSHL, UQSHL (bit 12); SQSHLU. */
LIFT(simd_qshl)
{
    bool to_unsigned = !a64_field(t->word, 12, 1);
    unsigned left, right;
    struct a64_shape s;

    if (begin_shift(t, &s, ALL, &left, &right))
        set_rd(t, &s,
               a64_v1(t, &s, IR_vqshl, to_unsigned ? IR_V_SIGNED | IR_V_TO_UNSIGNED : sign_of(t),
                      left, rn(t, &s)));
}

LIFT(simd_shll_imm)
{
    unsigned left, right;
    struct a64_shape s, wide;
    ir_value v;

    if (!begin_shift(t, &s, UP_TO_32, &left, &right))
        return;
    wide = wider(&s);
    v = widen(t, &s, sign_of(t), long_half(t, &s, a64_rn(t->word)));
    set_rd(t, &wide, left ? a64_v1(t, &wide, IR_vshl, 0, left, v) : v);
}

/* To the right and narrower: SHRN, RSHRN (bit 11); saturating: from signed to unsigned (U, bit 12
 * clear), or by U (bit 12). */
LIFT(simd_shrn)
{
    bool saturates = is_u(t) || a64_field(t->word, 12, 1), plain = a64_field(t->word, 12, 1);
    uint8_t sign = plain ? sign_of(t) : saturates ? IR_V_SIGNED : 0;
    unsigned left, right;
    struct a64_shape s, wide;
    ir_value v;

    if (!begin_shift(t, &s, UP_TO_32, &left, &right))
        return;
    wide = wider(&s);
    v = a64_v1(t, &wide, IR_vshr, sign | (a64_field(t->word, 11, 1) ? IR_V_ROUND : 0), right,
               a64_get_q(t, a64_rn(t->word)));
    set_narrow(t, &s,
               narrow(t, &s, saturates ? IR_vqnarrow : IR_vnarrow,
                      saturates ? sign | (plain ? 0 : IR_V_TO_UNSIGNED) : 0, v));
}

/* ---- Across lanes ---- */

/* The elements of `v` by halves: with those that lie half of the rest further up. */
static ir_value across(struct a64_lift *t, const struct a64_shape *s, enum ir_code code,
                       uint8_t flags, ir_value v)
{
    for (unsigned bytes = ir_type_size(s->type) / 2; bytes >= 1u << s->size; bytes /= 2) {
        ir_value moved = ir_vector(t->u, IR_vext, s->type, IR_I8, 0, bytes, v, v, 0);

        v = ir_vector(t->u, code, s->type, s->element, flags, 0, v, moved, 0);
    }
    return v;
}

/* The lowest element alone. */
static void set_lowest(struct a64_lift *t, const struct a64_shape *s, ir_value v)
{
    if (s->type == IR_V64)
        v = ir_op1(t->u, IR_vzext, IR_V128, v);
    v = ir_append(t->u, &(struct ir_op){.code = IR_vlane, .attr = (uint8_t)s->element, .arg = {v}});
    a64_set_q(t, a64_rd(t->word), ir_convert(t->u, IR_vfrom, IR_V128, IR_I64, v));
}

static bool begin_across(struct a64_lift *t, struct a64_shape *s)
{
    if (!begin(t, s, UP_TO_32))
        return false;
    if (s->size == 2 && !s->q) {
        a64_undefined(t);
        return false;
    }
    s->lane0 = 0;
    return true;
}

/* MAXV, MINV (bit 16). */
LIFT(simd_maxv)
{
    struct a64_shape s;

    if (begin_across(t, &s))
        set_lowest(
            t, &s,
            across(t, &s, a64_field(t->word, 16, 1) ? IR_vmin : IR_vmax, sign_of(t), rn(t, &s)));
}

LIFT(simd_addv)
{
    struct a64_shape s;

    if (begin_across(t, &s))
        set_lowest(t, &s, across(t, &s, IR_vadd, 0, rn(t, &s)));
}

/* ADDLV: both halves wider, then as ADDV. */
LIFT(simd_addlv)
{
    struct a64_shape s, wide;
    ir_value v, high;

    if (!begin_across(t, &s))
        return;
    wide = wider(&s);
    v = widen(t, &s, sign_of(t), a64_half(t, a64_get_q(t, a64_rn(t->word)), false));
    if (s.q) {
        high = widen(t, &s, sign_of(t), a64_half(t, a64_get_q(t, a64_rn(t->word)), true));
        v = a64_v2(t, &wide, IR_vadd, 0, v, high);
    }
    set_lowest(t, &wide, across(t, &wide, IR_vadd, 0, v));
}
