/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Integer and fixed-point vector instructions in C (30.11, 30.12, 30.14.1). Elements are held
 * zero-extended. */
#include "arch/riscv64/guest/vector.h"

/* ---- Fixed point ---- */

enum rounding { UP, EVEN, DOWN, ODD }; /* vxrm (30.3.8) */

static uint64_t ones(unsigned size)
{
    return size == 3 ? UINT64_MAX : BIT(8u << size) - 1;
}

/* What is added to v >> count (30.12). */
static unsigned increment(const struct rv_vector *v, uint64_t low, bool above, unsigned count)
{
    bool half = count && low >> (count - 1) & 1;
    bool rest = count && low & (BIT(count) - 1), below = count && low & (BIT(count - 1) - 1);

    switch ((enum rounding)v->r->vxrm) {
    case UP:
        return half;
    case EVEN:
        return half && (below || above);
    case DOWN:
        return 0;
    default:
        return rest && !above;
    }
}

/* e >> count, count below 64. */
static uint64_t shift_right(const struct rv_vector *v, bool is_signed, unsigned size, uint64_t e,
                            unsigned count)
{
    uint64_t wide = is_signed ? (uint64_t)rv_v_signed(size, e) : e;
    uint64_t shifted = is_signed ? (uint64_t)((int64_t)wide >> count) : wide >> count;

    return shifted + increment(v, wide, shifted & 1, count);
}

static uint64_t saturated(struct rv_vector *v, uint64_t e)
{
    v->f->fp_flags |= SF_SATURATED;
    return e;
}

static uint64_t clip_signed(struct rv_vector *v, unsigned size, int64_t e)
{
    int64_t most = (int64_t)(ones(size) >> 1);

    if (e > most)
        return saturated(v, (uint64_t)most);
    if (e < -most - 1)
        return saturated(v, (uint64_t)(-most - 1));
    return (uint64_t)e;
}

static uint64_t saturating_add(struct rv_vector *v, unsigned size, bool subtract, uint64_t a,
                               uint64_t b)
{
    int64_t x = rv_v_signed(size, a), y = rv_v_signed(size, b), sum;
    bool over = subtract ? __builtin_sub_overflow(x, y, &sum) : __builtin_add_overflow(x, y, &sum);

    if (over) /* of 64 bits */
        return saturated(v, x < 0 ? BIT(63) : BIT(63) - 1);
    return clip_signed(v, size, sum);
}

static uint64_t saturating_unsigned(struct rv_vector *v, unsigned size, bool subtract, uint64_t a,
                                    uint64_t b)
{
    uint64_t sum = (subtract ? a - b : a + b) & ones(size);

    if (subtract)
        return a < b ? saturated(v, 0) : sum;
    return sum < a ? saturated(v, ones(size)) : sum;
}

/* Half of the sum or difference. */
static uint64_t average(const struct rv_vector *v, unsigned size, unsigned op, uint64_t a,
                        uint64_t b)
{
    bool is_signed = op == RVO_AADD || op == RVO_ASUB;
    bool subtract = op == RVO_ASUB || op == RVO_ASUBU;
    __int128 x = is_signed ? (__int128)rv_v_signed(size, a) : (__int128)a;
    __int128 y = is_signed ? (__int128)rv_v_signed(size, b) : (__int128)b;
    __int128 sum = subtract ? x - y : x + y;

    return (uint64_t)(sum >> 1) + increment(v, (uint64_t)sum, (uint64_t)sum >> 1 & 1, 1);
}

static uint64_t fixed_multiply(struct rv_vector *v, unsigned size, uint64_t a, uint64_t b)
{
    int64_t x = rv_v_signed(size, a), y = rv_v_signed(size, b);
    unsigned count = (8u << size) - 1;
    __int128 product = (__int128)x * y;
    uint64_t shifted = (uint64_t)((unsigned __int128)product >> 64) << 1 | (uint64_t)product >> 63;

    if (count < 63)
        shifted = (uint64_t)((int64_t)product >> count);
    if (x == y && x == -(int64_t)(ones(size) >> 1) - 1)
        return saturated(v, ones(size) >> 1);
    return shifted + increment(v, (uint64_t)product, shifted & 1, count);
}

static uint64_t clip(struct rv_vector *v, unsigned size, bool is_signed, uint64_t a, uint64_t b)
{
    unsigned count = (unsigned)b & ((16u << size) - 1);
    uint64_t e = shift_right(v, is_signed, size + 1, a, count);

    if (is_signed)
        return clip_signed(v, size, (int64_t)e);
    return e > ones(size) ? saturated(v, ones(size)) : e;
}

static uint64_t fixed_point(struct rv_vector *v, unsigned size, unsigned op, uint64_t a, uint64_t b)
{
    unsigned count = (unsigned)b & ((8u << size) - 1);

    switch (op) {
    case RVO_SADDU:
    case RVO_SSUBU:
        return saturating_unsigned(v, size, op == RVO_SSUBU, a, b);
    case RVO_SADD:
    case RVO_SSUB:
        return saturating_add(v, size, op == RVO_SSUB, a, b);
    case RVO_SMUL:
        return fixed_multiply(v, size, a, b);
    case RVO_SSRL:
    case RVO_SSRA:
        return shift_right(v, op == RVO_SSRA, size, a, count);
    case RVO_CLIPU:
    case RVO_CLIP:
        return clip(v, size, op == RVO_CLIP, a, b);
    default:
        return average(v, size, op, a, b);
    }
}

/* ---- Integers ---- */

static uint64_t divide(unsigned size, unsigned op, uint64_t a, uint64_t b)
{
    int64_t x = rv_v_signed(size, a), y = rv_v_signed(size, b);

    if (b == 0)
        return op == RVO_DIV || op == RVO_DIVU ? UINT64_MAX : a;
    switch (op) {
    case RVO_DIVU:
        return a / b;
    case RVO_REMU:
        return a % b;
    case RVO_DIV:
        return y == -1 ? -(uint64_t)x : (uint64_t)(x / y);
    default:
        return y == -1 ? 0 : (uint64_t)(x % y);
    }
}

static uint64_t multiply_high(unsigned size, unsigned op, uint64_t a, uint64_t b)
{
    __int128 x = op == RVO_MULHU ? (__int128)a : (__int128)rv_v_signed(size, a);
    __int128 y = op == RVO_MULH ? (__int128)rv_v_signed(size, b) : (__int128)b;
    unsigned __int128 product = (unsigned __int128)x * (unsigned __int128)y;

    return size == 3 ? (uint64_t)(product >> 64) : (uint64_t)product >> (8u << size);
}

/* ---- Bits (Zvbb) ---- */

static uint64_t rotate_left(unsigned size, uint64_t a, unsigned count)
{
    unsigned width = 8u << size;

    count &= width - 1;
    return count ? a << count | a >> (width - count) : a;
}

static uint64_t reverse_bits_of_bytes(uint64_t a)
{
    a = (a & 0x5555555555555555) << 1 | (a >> 1 & 0x5555555555555555);
    a = (a & 0x3333333333333333) << 2 | (a >> 2 & 0x3333333333333333);
    return (a & 0x0f0f0f0f0f0f0f0f) << 4 | (a >> 4 & 0x0f0f0f0f0f0f0f0f);
}

static uint64_t reverse_bytes(unsigned size, uint64_t a)
{
    return __builtin_bswap64(a) >> (64 - (8u << size));
}

static uint64_t of_bits(unsigned size, unsigned op, uint64_t a)
{
    unsigned width = 8u << size;

    switch (op) {
    case RVO_BREV:
        return reverse_bytes(size, reverse_bits_of_bytes(a));
    case RVO_BREV8:
        return reverse_bits_of_bytes(a);
    case RVO_REV8:
        return reverse_bytes(size, a);
    case RVO_CLZ:
        return a ? (uint64_t)__builtin_clzll(a) - (64 - width) : width;
    case RVO_CTZ:
        return a ? (uint64_t)__builtin_ctzll(a) : width;
    default:
        return (uint64_t)__builtin_popcountll(a);
    }
}

static uint64_t smaller(unsigned size, bool is_signed, bool largest, uint64_t a, uint64_t b)
{
    bool less = is_signed ? rv_v_signed(size, a) < rv_v_signed(size, b) : a < b;

    return less != largest ? a : b;
}

/* a: vs2, b: the source, d: what vd held; the result's upper bits are any. */
static uint64_t element(struct rv_vector *v, unsigned size, unsigned op, uint64_t a, uint64_t b,
                        uint64_t d)
{
    unsigned count = (unsigned)b & ((8u << size) - 1);

    switch (op) {
    case RVO_ADD:
        return a + b;
    case RVO_SUB:
        return a - b;
    case RVO_RSUB:
        return b - a;
    case RVO_AND:
        return a & b;
    case RVO_OR:
        return a | b;
    case RVO_XOR:
        return a ^ b;
    case RVO_SLL:
        return a << count;
    case RVO_SRL:
        return a >> count;
    case RVO_SRA:
        return (uint64_t)(rv_v_signed(size, a) >> count);
    case RVO_MINU:
    case RVO_MIN:
        return smaller(size, op == RVO_MIN, false, a, b);
    case RVO_MAXU:
    case RVO_MAX:
        return smaller(size, op == RVO_MAX, true, a, b);
    case RVO_MUL:
        return a * b;
    case RVO_MACC:
        return a * b + d;
    case RVO_NMSAC:
        return d - a * b;
    case RVO_MADD:
        return b * d + a;
    case RVO_NMSUB:
        return a - b * d;
    case RVO_MULH:
    case RVO_MULHU:
    case RVO_MULHSU:
        return multiply_high(size, op, a, b);
    case RVO_DIV:
    case RVO_DIVU:
    case RVO_REM:
    case RVO_REMU:
        return divide(size, op, a, b);
    case RVO_ANDN:
        return a & ~b;
    case RVO_ROL:
        return rotate_left(size, a, count);
    case RVO_ROR:
        return rotate_left(size, a, 0 - count);
    case RVO_BREV:
    case RVO_BREV8:
    case RVO_REV8:
    case RVO_CLZ:
    case RVO_CTZ:
    case RVO_POPCOUNT:
        return of_bits(size, op, a);
    default:
        return fixed_point(v, size, op, a, b);
    }
}

static uint64_t widened(unsigned size, bool is_signed, uint64_t e)
{
    return is_signed ? (uint64_t)rv_v_signed(size, e) : e;
}

static void each_element(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v);
    unsigned op = v->op & RVO_CODE, sew = v->sew;
    uint64_t scalar = has_vs1 ? 0 : rv_v_scalar(v, sew);

    for (uint64_t i = v->start; i < v->vl; i++) {
        uint64_t b;

        if (!rv_v_active(v, i))
            continue;
        b = has_vs1 ? rv_v_get(v, v->vs1, sew, i) : scalar;
        rv_v_put(v, v->vd, sew, i,
                 element(v, sew, op, rv_v_get(v, v->vs2, sew, i), b, rv_v_get(v, v->vd, sew, i)));
    }
}

static void each_wide(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v), first = v->shape == RV_SHAPE_WIDE_FIRST;
    unsigned op = v->op & RVO_CODE, sew = v->sew;
    uint64_t scalar = has_vs1 ? 0 : rv_v_scalar(v, sew);

    for (uint64_t i = v->start; i < v->vl; i++) {
        uint64_t a, b;

        if (!rv_v_active(v, i))
            continue;
        a = first ? rv_v_get(v, v->vs2, sew + 1, i)
                  : widened(sew, v->op & RVO_SIGNED_A, rv_v_get(v, v->vs2, sew, i));
        b = widened(sew, v->op & RVO_SIGNED_B, has_vs1 ? rv_v_get(v, v->vs1, sew, i) : scalar);
        rv_v_put(v, v->vd, sew + 1, i,
                 element(v, sew + 1, op, a, b, rv_v_get(v, v->vd, sew + 1, i)));
    }
}

/* Shifts: their counts have one bit more than SEW's. */
static void each_narrow(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v);
    unsigned op = v->op & RVO_CODE, sew = v->sew;
    bool clips = op == RVO_CLIP || op == RVO_CLIPU;
    uint64_t scalar = has_vs1 ? 0 : rv_v_scalar(v, sew);

    for (uint64_t i = v->start; i < v->vl; i++) {
        uint64_t a, b;

        if (!rv_v_active(v, i))
            continue;
        a = rv_v_get(v, v->vs2, sew + 1, i);
        b = has_vs1 ? rv_v_get(v, v->vs1, sew, i) : scalar;
        rv_v_put(v, v->vd, sew, i, element(v, clips ? sew : sew + 1, op, a, b, 0));
    }
}

static void each_extended(struct rv_vector *v)
{
    unsigned from = v->sew - (4 - (rv_rs1(v->word) >> 1));

    for (uint64_t i = v->start; i < v->vl; i++)
        if (rv_v_active(v, i))
            rv_v_put(v, v->vd, v->sew, i,
                     widened(from, v->op & RVO_SIGNED_A, rv_v_get(v, v->vs2, from, i)));
}

/* ---- Masks as operands and results ---- */

/* Carry or borrow come from v0 unless the form says that there is none. */
static void each_carry(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v), subtract = (v->op & RVO_CODE) == RVO_SUB;
    unsigned sew = v->sew;
    uint64_t scalar = has_vs1 ? 0 : rv_v_scalar(v, sew);

    for (uint64_t i = v->start; i < v->vl; i++) {
        uint64_t a = rv_v_get(v, v->vs2, sew, i);
        uint64_t b = has_vs1 ? rv_v_get(v, v->vs1, sew, i) : scalar;
        uint64_t carry = !v->vm && rv_v_bit(v, 0, i);
        uint64_t sum = (subtract ? a - b - carry : a + b + carry) & ones(sew);

        if (v->shape == RV_SHAPE_CARRY)
            rv_v_put(v, v->vd, sew, i, sum);
        else if (subtract)
            rv_v_put_bit(v, v->vd, i, carry ? a <= b : a < b);
        else
            rv_v_put_bit(v, v->vd, i, carry ? sum <= a : sum < a);
    }
}

static bool compare(unsigned size, unsigned op, uint64_t a, uint64_t b)
{
    int64_t x = rv_v_signed(size, a), y = rv_v_signed(size, b);

    switch (op) {
    case RVO_EQ:
        return a == b;
    case RVO_NE:
        return a != b;
    case RVO_LTU:
        return a < b;
    case RVO_LT:
        return x < y;
    case RVO_LEU:
        return a <= b;
    case RVO_LE:
        return x <= y;
    case RVO_GTU:
        return a > b;
    default:
        return x > y;
    }
}

static void each_comparison(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v);
    unsigned sew = v->sew;
    uint64_t scalar = has_vs1 ? 0 : rv_v_scalar(v, sew);

    for (uint64_t i = v->start; i < v->vl; i++)
        if (rv_v_active(v, i))
            rv_v_put_bit(v, v->vd, i,
                         compare(sew, v->op & RVO_CODE, rv_v_get(v, v->vs2, sew, i),
                                 has_vs1 ? rv_v_get(v, v->vs1, sew, i) : scalar));
}

static void reduce(struct rv_vector *v)
{
    unsigned size = v->shape == RV_SHAPE_REDUCE_WIDE ? v->sew + 1 : v->sew;
    uint64_t sum = rv_v_get(v, v->vs1, size, 0);

    if (!v->vl)
        return;
    for (uint64_t i = 0; i < v->vl; i++)
        if (rv_v_active(v, i))
            sum =
                element(v, size, v->op & RVO_CODE, sum,
                        widened(v->sew, v->op & RVO_SIGNED_A, rv_v_get(v, v->vs2, v->sew, i)), 0) &
                ones(size);
    rv_v_put(v, v->vd, size, 0, sum);
}

void rv_vector_int(struct rv_vector *v)
{
    switch (v->shape) {
    case RV_SHAPE_WIDE:
    case RV_SHAPE_WIDE_FIRST:
        each_wide(v);
        break;
    case RV_SHAPE_NARROW:
        each_narrow(v);
        break;
    case RV_SHAPE_EXTEND:
        each_extended(v);
        break;
    case RV_SHAPE_CARRY:
    case RV_SHAPE_CARRY_OUT:
        each_carry(v);
        break;
    case RV_SHAPE_COMPARE:
        each_comparison(v);
        break;
    case RV_SHAPE_REDUCE:
    case RV_SHAPE_REDUCE_WIDE:
        reduce(v);
        break;
    default:
        each_element(v);
    }
}
