/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What the integer and flags operations compute: the one definition, used by the interpreter (with
 * constant code and type, so that each compiles to a few instructions) and by constant folding.
 *
 * Values of i8 to i32 are held zero-extended in 64 bits.
 */
#ifndef DBT_EVAL_H
#define DBT_EVAL_H

#include "dbt/ir.h"

#define IR_INLINE static inline __attribute__((always_inline))

IR_INLINE unsigned ir_bits(enum ir_type t)
{
    return t == IR_I8 ? 8 : t == IR_I16 ? 16 : t == IR_I32 || t == IR_F32 ? 32 : 64;
}

IR_INLINE uint64_t ir_zero_extend(enum ir_type t, uint64_t v)
{
    return v & (UINT64_MAX >> (64 - ir_bits(t)));
}

IR_INLINE int64_t ir_sign_extend(enum ir_type t, uint64_t v)
{
    unsigned unused = 64 - ir_bits(t);

    return (int64_t)(v << unused) >> unused;
}

IR_INLINE bool ir_compare(enum ir_type t, enum ir_cc cc, uint64_t a, uint64_t b)
{
    int64_t sa = ir_sign_extend(t, a), sb = ir_sign_extend(t, b);

    switch (cc) {
    case IR_EQ:
        return a == b;
    case IR_NE:
        return a != b;
    case IR_LTU:
        return a < b;
    case IR_GEU:
        return a >= b;
    case IR_LEU:
        return a <= b;
    case IR_GTU:
        return a > b;
    case IR_LTS:
        return sa < sb;
    case IR_GES:
        return sa >= sb;
    case IR_LES:
        return sa <= sb;
    case IR_GTS:
        return sa > sb;
    default:
        return false;
    }
}

IR_INLINE uint64_t ir_mulh(enum ir_code code, enum ir_type t, uint64_t a, uint64_t b)
{
    __int128 sa = ir_sign_extend(t, a), sb = ir_sign_extend(t, b);

    if (code == IR_mulhu)
        return (uint64_t)(((unsigned __int128)a * b) >> ir_bits(t));
    return (uint64_t)((sa * (code == IR_mulhs ? sb : (__int128)b)) >> ir_bits(t));
}

IR_INLINE uint64_t ir_divide(enum ir_code code, enum ir_type t, enum ir_div policy, uint64_t a,
                             uint64_t b)
{
    int64_t sa = ir_sign_extend(t, a), sb = ir_sign_extend(t, b);
    bool quotient = code == IR_divu || code == IR_divs;

    if (b == 0)
        return !quotient ? a : policy == IR_DIV_ONES ? UINT64_MAX : 0;
    if (code == IR_divu)
        return a / b;
    if (code == IR_remu)
        return a % b;
    if (sb == -1) /* the only quotient that overflows, and it wraps */
        return quotient ? 0 - a : 0;
    return (uint64_t)(quotient ? sa / sb : sa % sb);
}

IR_INLINE uint64_t ir_bit_reverse(uint64_t v)
{
    v = (v & 0x5555555555555555) << 1 | (v >> 1 & 0x5555555555555555);
    v = (v & 0x3333333333333333) << 2 | (v >> 2 & 0x3333333333333333);
    v = (v & 0x0f0f0f0f0f0f0f0f) << 4 | (v >> 4 & 0x0f0f0f0f0f0f0f0f);
    return __builtin_bswap64(v);
}

/* Low (`high` false) or high half of the carry-less product of two values of `bits` bits. */
IR_INLINE uint64_t ir_carryless(unsigned bits, uint64_t a, uint64_t b, bool high)
{
    unsigned __int128 product = 0;

    for (unsigned i = 0; i < bits; i++)
        if (b >> i & 1)
            product ^= (unsigned __int128)a << i;
    return (uint64_t)(high ? product >> bits : product);
}

/* Operations of one operand. `a` is zero-extended from `t`; so is the result. */
IR_INLINE uint64_t ir_eval1(enum ir_code code, enum ir_type t, uint64_t a)
{
    unsigned spare = 64 - ir_bits(t);

    switch (code) {
    case IR_not:
        return ir_zero_extend(t, ~a);
    case IR_neg:
        return ir_zero_extend(t, 0 - a);
    case IR_clz:
        return a ? (uint64_t)__builtin_clzll(a) - spare : ir_bits(t);
    case IR_ctz:
        return a ? (uint64_t)__builtin_ctzll(a) : ir_bits(t);
    case IR_popcount:
        a -= a >> 1 & 0x5555555555555555;
        a = (a & 0x3333333333333333) + (a >> 2 & 0x3333333333333333);
        return ((a + (a >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101 >> 56;
    case IR_bswap:
        return __builtin_bswap64(a) >> spare;
    case IR_bitrev:
        return ir_bit_reverse(a) >> spare;
    default:
        return 0;
    }
}

/* Operations of two operands; `attr` as in the operation. */
IR_INLINE uint64_t ir_eval2(enum ir_code code, enum ir_type t, unsigned attr, uint64_t a,
                            uint64_t b)
{
    unsigned bits = ir_bits(t), count = (unsigned)b & (bits - 1);
    int64_t sa = ir_sign_extend(t, a), sb = ir_sign_extend(t, b);

    switch (code) {
    case IR_add:
        return ir_zero_extend(t, a + b);
    case IR_sub:
        return ir_zero_extend(t, a - b);
    case IR_mul:
        return ir_zero_extend(t, a * b);
    case IR_mulhu:
    case IR_mulhs:
    case IR_mulhsu:
        return ir_zero_extend(t, ir_mulh(code, t, a, b));
    case IR_divu:
    case IR_divs:
    case IR_remu:
    case IR_rems:
        return ir_zero_extend(t, ir_divide(code, t, (enum ir_div)attr, a, b));
    case IR_and:
        return a & b;
    case IR_or:
        return a | b;
    case IR_xor:
        return a ^ b;
    case IR_andn:
        return a & ~b;
    case IR_shl:
        return ir_zero_extend(t, a << count);
    case IR_shr:
        return a >> count;
    case IR_sar:
        return ir_zero_extend(t, (uint64_t)(sa >> count));
    case IR_rotr:
        return count ? ir_zero_extend(t, a >> count | a << (bits - count)) : a;
    case IR_minu:
        return a < b ? a : b;
    case IR_maxu:
        return a > b ? a : b;
    case IR_mins:
        return sa < sb ? a : b;
    case IR_maxs:
        return sa > sb ? a : b;
    case IR_clmul:
    case IR_clmulh:
        return ir_zero_extend(t, ir_carryless(bits, a, b, code == IR_clmulh));
    case IR_cmp:
        return ir_compare(t, (enum ir_cc)attr, a, b);
    default:
        return 0;
    }
}

/* sext, zext, trunc, extract, insert. */
IR_INLINE uint64_t ir_eval_field(enum ir_type t, int64_t field, bool is_signed, uint64_t a)
{
    unsigned position = field & 0xff, length = (unsigned)field >> 8;
    uint64_t v = a << (64 - position - length);

    return ir_zero_extend(t,
                          is_signed ? (uint64_t)((int64_t)v >> (64 - length)) : v >> (64 - length));
}

IR_INLINE uint64_t ir_eval_insert(int64_t field, uint64_t a, uint64_t b)
{
    unsigned position = field & 0xff, length = (unsigned)field >> 8;
    uint64_t mask = UINT64_MAX >> (64 - length) << position;

    return (a & ~mask) | (b << position & mask);
}

/* ---- Flags, held as their packed bits (enum ir_flag_bit) and A, P computed with them ---- */

IR_INLINE uint64_t ir_flags_of(enum ir_type t, uint64_t result)
{
    uint64_t r = ir_zero_extend(t, result);

    return (r == 0 ? IR_FLAG_Z : 0) | (r >> (ir_bits(t) - 1) ? IR_FLAG_N : 0) |
           (__builtin_parityll(r & 0xff) ? 0 : IR_FLAG_P);
}

/* a + b + carry. */
IR_INLINE uint64_t ir_flags_sum(enum ir_type t, uint64_t a, uint64_t b, bool carry)
{
    uint64_t r = ir_zero_extend(t, a + b + carry);
    uint64_t out = (a & b) | ((a | b) & ~r); /* carries out of each bit */
    unsigned top = ir_bits(t) - 1;

    return ir_flags_of(t, r) | (out >> top & 1 ? IR_FLAG_C : 0) | (out >> 3 & 1 ? IR_FLAG_A : 0) |
           ((a ^ r) & (b ^ r) & BIT(top) ? IR_FLAG_V : 0);
}

/* a - b - borrow. */
IR_INLINE uint64_t ir_flags_difference(enum ir_type t, enum ir_carry convention, uint64_t a,
                                       uint64_t b, bool borrow)
{
    uint64_t r = ir_zero_extend(t, a - b - borrow);
    uint64_t out = (~a & b) | ((~a | b) & r); /* borrows out of each bit */
    unsigned top = ir_bits(t) - 1;
    bool borrowed = out >> top & 1;

    return ir_flags_of(t, r) | (borrowed != (convention == IR_NOT_BORROW) ? IR_FLAG_C : 0) |
           (out >> 3 & 1 ? IR_FLAG_A : 0) | ((a ^ b) & (a ^ r) & BIT(top) ? IR_FLAG_V : 0);
}

/* The conditions of A64 and x86 by the flags; LTU and its like read carry as IR_BORROW: a front end
 * whose carry is IR_NOT_BORROW names IR_CARRY_SET and IR_CARRY_CLEAR. */
IR_INLINE bool ir_condition(enum ir_cc cc, uint64_t f)
{
    bool c = f & IR_FLAG_C, z = f & IR_FLAG_Z, n = f & IR_FLAG_N, v = f & IR_FLAG_V;

    switch (cc) {
    case IR_EQ:
        return z;
    case IR_NE:
        return !z;
    case IR_LTU:
    case IR_CARRY_SET:
        return c;
    case IR_GEU:
    case IR_CARRY_CLEAR:
        return !c;
    case IR_LEU:
        return c || z;
    case IR_GTU:
        return !c && !z;
    case IR_LTS:
        return n != v;
    case IR_GES:
        return n == v;
    case IR_LES:
        return z || n != v;
    case IR_GTS:
        return !z && n == v;
    case IR_NEGATIVE:
        return n;
    case IR_POSITIVE:
        return !n;
    case IR_OVERFLOW:
        return v;
    case IR_NO_OVERFLOW:
        return !v;
    case IR_PARITY_EVEN:
        return f & IR_FLAG_P;
    case IR_PARITY_ODD:
        return !(f & IR_FLAG_P);
    case IR_AUXILIARY_SET:
        return f & IR_FLAG_A;
    case IR_AUXILIARY_CLEAR:
        return !(f & IR_FLAG_A);
    default:
        return false;
    }
}

#endif
