/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The vector operations in C (vector.h). Elements are held zero-extended in 64 bits. */
#include "dbt/vector.h"

#include <string.h>
#include "dbt/eval.h"

/* One operation at work. */
struct work {
    const struct ir_op *op;
    struct sf_env *env;
    unsigned size;  /* bytes of an element */
    unsigned total; /* of the result */
    uint8_t a[VECTOR_BYTES_MAX], b[VECTOR_BYTES_MAX], c[VECTOR_BYTES_MAX];
    uint8_t result[VECTOR_BYTES_MAX];
};

static uint64_t lane(const uint8_t *v, unsigned size, unsigned i)
{
    uint64_t e = 0;

    memcpy(&e, v + (size_t)i * size, size); /* the host is little-endian, as is the guest */
    return e;
}

static void put(uint8_t *v, unsigned size, unsigned i, uint64_t e)
{
    memcpy(v + (size_t)i * size, &e, size);
}

static enum ir_type int_of(unsigned size)
{
    return size == 1 ? IR_I8 : size == 2 ? IR_I16 : size == 4 ? IR_I32 : IR_I64;
}

static bool has(const struct work *w, uint8_t bit)
{
    return w->op->attr2 & bit;
}

/* ---- Saturation ---- */

/* Shifts of 128 bits by pieces: kernels have no library for them. 2^n, n below 127; */
static __int128 power(unsigned n)
{
    return (__int128)((unsigned __int128)(n >= 64 ? BIT(n & 63) : 0) << 64) | (n < 64 ? BIT(n) : 0);
}

/* v / 2^count, rounded down. */
static __int128 halved(__int128 v, unsigned count)
{
    int64_t high = (int64_t)(v >> 64);
    uint64_t low = (uint64_t)v;

    if (count == 0)
        return v;
    if (count >= 64)
        return high >> MIN(count - 64, 63u);
    low = low >> count | (uint64_t)high << (64 - count);
    return (__int128)((unsigned __int128)(uint64_t)(high >> count) << 64) | low;
}

/* v as a number of `bits` bits, signed or not, or the nearest there is. */
static uint64_t clamp(struct work *w, unsigned bits, bool is_signed, __int128 v)
{
    __int128 least = is_signed ? -power(bits - 1) : 0;
    __int128 most = power(bits - is_signed) - 1;
    __int128 kept = v < least ? least : v > most ? most : v;

    if (kept != v)
        w->env->flags |= SF_SATURATED;
    return (uint64_t)kept & (UINT64_MAX >> (64 - bits));
}

static __int128 number(unsigned bits, bool is_signed, uint64_t e)
{
    return is_signed ? (__int128)((int64_t)(e << (64 - bits)) >> (64 - bits)) : (__int128)e;
}

/* v >> count, rounded to nearest with ties up when asked for. */
static __int128 shift_right(__int128 v, unsigned count, bool round)
{
    __int128 half;

    if (count == 0)
        return v;
    half = round ? halved(v, count - 1) & 1 : 0;
    return halved(v, count) + half;
}

/* By a register: left, or right when negative (Arm ARM, SQRSHL and its like). */
static uint64_t shift_by(struct work *w, unsigned bits, uint64_t a, uint64_t b)
{
    bool is_signed = has(w, IR_V_SIGNED), saturate = has(w, IR_V_SATURATE);
    __int128 v = number(bits, is_signed, a);
    int count = (int)((b & 0xff) ^ 0x80) - 0x80; /* the byte's sign */

    if (count < 0) {
        v = shift_right(v, (unsigned)MIN(-count, 100), has(w, IR_V_ROUND));
        return (uint64_t)v & (UINT64_MAX >> (64 - bits));
    }
    if (!saturate)
        return count < (int)bits ? ir_zero_extend(int_of(w->size), a << count) : 0;
    if (count >= (int)bits && v != 0) /* as good as any: nothing but zero stays */
        v = v < 0 ? -1 : 1;
    count = MIN(count, (int)bits);
    return clamp(w, bits, is_signed, v * power((unsigned)count));
}

/* The upper half of twice the product, on top of `addend`. */
static uint64_t doubled_high(struct work *w, unsigned bits, uint64_t addend, uint64_t a, uint64_t b,
                             bool round)
{
    __int128 v = number(bits, true, a) * number(bits, true, b) * 2;

    if (has(w, IR_V_SUBTRACT))
        v = -v;
    v += number(bits, true, addend) * power(bits);
    return clamp(w, bits, true, halved(v + (round ? power(bits - 1) : 0), bits));
}

static uint64_t saturating(struct work *w, unsigned i)
{
    unsigned bits = 8 * w->size;
    bool is_signed = has(w, IR_V_SIGNED);
    uint64_t a = lane(w->a, w->size, i), b = lane(w->b, w->size, i);
    __int128 x = number(bits, is_signed, a);

    switch (w->op->code) {
    case IR_vqadd:
        return clamp(w, bits, is_signed,
                     x + number(bits, is_signed != has(w, IR_V_TO_UNSIGNED), b));
    case IR_vqsub:
        return clamp(w, bits, is_signed, x - number(bits, is_signed, b));
    case IR_vqabs:
        x = number(bits, true, a);
        return clamp(w, bits, true, x < 0 ? -x : x);
    case IR_vqneg:
        return clamp(w, bits, true, -number(bits, true, a));
    case IR_vqshl:
        return clamp(w, bits, is_signed && !has(w, IR_V_TO_UNSIGNED),
                     x * power((unsigned)w->op->imm));
    case IR_vqdmulh:
        return doubled_high(w, bits, 0, a, b, has(w, IR_V_ROUND));
    case IR_vqrdmla:
        return doubled_high(w, bits, a, b, lane(w->c, w->size, i), true);
    default: /* vshift */
        return shift_by(w, bits, a, b);
    }
}

/* ---- Integers ---- */

static uint64_t average(const struct work *w, unsigned bits, uint64_t a, uint64_t b)
{
    __int128 sum = number(bits, has(w, IR_V_SIGNED), a) + number(bits, has(w, IR_V_SIGNED), b);

    return (uint64_t)halved(sum + has(w, IR_V_ROUND), 1);
}

/* The carry-less product's lower 64 bits. */
static uint64_t polynomial(uint64_t a, uint64_t b)
{
    return ir_carryless(64, a, b, false);
}

static uint64_t dot(const struct work *w, unsigned i)
{
    uint64_t sum = lane(w->a, 4, i);

    for (unsigned k = 0; k < 4; k++)
        sum += (uint64_t)(int64_t)(number(8, has(w, IR_V_SIGNED), w->b[4 * i + k]) *
                                   number(8, has(w, IR_V_SIGNED), w->c[4 * i + k]));
    return sum;
}

static uint64_t insert_shifted(const struct work *w, unsigned bits, uint64_t a, uint64_t b)
{
    unsigned count = (unsigned)w->op->imm;
    uint64_t all = UINT64_MAX >> (64 - bits);
    uint64_t mask = w->op->code == IR_vsli ? all << count : count < 64 ? all >> count : 0;
    uint64_t moved = w->op->code == IR_vsli ? b << count : count < 64 ? b >> count : 0;

    return (a & ~mask) | (moved & mask);
}

/* One element by one or two of its place. What is above its width does not matter. */
static uint64_t integer(struct work *w, unsigned i)
{
    enum ir_type t = int_of(w->size);
    unsigned bits = 8 * w->size, count = (unsigned)w->op->imm;
    uint64_t a = lane(w->a, w->size, i), b = lane(w->b, w->size, i);
    bool is_signed = has(w, IR_V_SIGNED);

    switch (w->op->code) {
    case IR_vadd:
        return a + b;
    case IR_vsub:
        return a - b;
    case IR_vmul:
        return a * b;
    case IR_vneg:
        return 0 - a;
    case IR_vabs:
        return a >> (bits - 1) ? 0 - a : a;
    case IR_vmin:
        return ir_compare(t, is_signed ? IR_LTS : IR_LTU, a, b) ? a : b;
    case IR_vmax:
        return ir_compare(t, is_signed ? IR_LTS : IR_LTU, a, b) ? b : a;
    case IR_vcmp:
        return ir_compare(t, w->op->imm, a, b) ? UINT64_MAX : 0;
    case IR_vavg:
        return average(w, bits, a, b);
    case IR_vshl:
        return a << count;
    case IR_vshr:
        return (uint64_t)shift_right(number(bits, is_signed, a), count, has(w, IR_V_ROUND));
    case IR_vsli:
    case IR_vsri:
        return insert_shifted(w, bits, a, b);
    case IR_vpmul:
        return polynomial(a, b);
    case IR_vdot:
        return dot(w, i);
    case IR_vpopcount:
        return ir_eval1(IR_popcount, t, a);
    case IR_vclz:
        return ir_eval1(IR_clz, t, a);
    case IR_vbitrev:
        return ir_eval1(IR_bitrev, t, a);
    case IR_vrecipe:
        return sf_recip_estimate_u32((uint32_t)a);
    case IR_vrsqrte:
        return sf_rsqrt_estimate_u32((uint32_t)a);
    default:
        return saturating(w, i);
    }
}

/* ---- Floating point ---- */

static uint64_t fp_convert(struct work *w, uint64_t a)
{
    enum ir_type t = w->op->attr, n = int_of(w->size);
    unsigned imm = (unsigned)w->op->imm;
    bool other = has(w, IR_FP_UNSIGNED);

    switch (w->op->code) {
    case IR_vfrint:
        return imm ? sf_round_fit(w->env, t, imm, a) : sf_round(w->env, t, other, a);
    case IR_vftoi:
        return sf_to_fixed(w->env, n, other, t, a, imm);
    case IR_vitof:
        return sf_from_fixed(w->env, t, n, other, a, imm);
    case IR_vfrecipe:
        return sf_recip_estimate(w->env, t, a);
    case IR_vfrsqrte:
        return sf_rsqrt_estimate(w->env, t, a);
    case IR_vfrecipx:
        return sf_recip_exponent(w->env, t, a);
    default:
        return sf_sqrt(w->env, t, a);
    }
}

static uint64_t fp_compare(struct work *w, uint64_t a, uint64_t b)
{
    enum ir_type t = w->op->attr;
    uint64_t sign = BIT(8 * w->size - 1);
    bool signaling = w->op->imm >> 8 & 1, magnitude = w->op->imm >> 9 & 1;

    if (magnitude) {
        a &= ~sign;
        b &= ~sign;
    }
    return sf_compare(w->env, t, w->op->imm & 255, signaling, a, b) ? UINT64_MAX : 0;
}

static uint64_t floating(struct work *w, unsigned i)
{
    enum ir_type t = w->op->attr;
    uint64_t a = lane(w->a, w->size, i), b = lane(w->b, w->size, i), c = lane(w->c, w->size, i);
    uint64_t sign = BIT(8 * w->size - 1);

    switch (w->op->code) {
    case IR_vfadd:
        return sf_add(w->env, t, a, b);
    case IR_vfsub:
        return sf_sub(w->env, t, a, b);
    case IR_vfmul:
        return sf_mul(w->env, t, a, b);
    case IR_vfmulx:
        return sf_mulx(w->env, t, a, b);
    case IR_vfdiv:
        return sf_div(w->env, t, a, b);
    case IR_vfma:
        return sf_fma(w->env, t, a, b, c, (unsigned)w->op->imm);
    case IR_vfmin:
        return sf_min(w->env, t, w->op->imm, a, b);
    case IR_vfmax:
        return sf_max(w->env, t, w->op->imm, a, b);
    case IR_vfcmp:
        return fp_compare(w, a, b);
    case IR_vfneg:
        return a ^ sign;
    case IR_vfabs:
        return a & ~sign;
    case IR_vfrecips:
        return sf_recip_step(w->env, t, a, b);
    case IR_vfrsqrts:
        return sf_rsqrt_step(w->env, t, a, b);
    default:
        return fp_convert(w, a);
    }
}

/* ---- Elements that become wider or narrower ---- */

static uint64_t resized(struct work *w, unsigned i)
{
    unsigned small = w->size, bits = 8 * small;
    bool is_signed = has(w, IR_V_SIGNED);
    enum ir_type t = w->op->attr;

    switch (w->op->code) {
    case IR_vwiden:
        return (uint64_t)number(bits, is_signed, lane(w->a, small, i));
    case IR_vmull:
        return (uint64_t)(number(bits, is_signed, lane(w->a, small, i)) *
                          number(bits, is_signed, lane(w->b, small, i)));
    case IR_vqdmull:
        return clamp(w, 2 * bits, true,
                     number(bits, true, lane(w->a, small, i)) *
                         number(bits, true, lane(w->b, small, i)) * 2);
    case IR_vpmull:
        return polynomial(lane(w->a, small, i), lane(w->b, small, i));
    case IR_vfwiden:
        if (w->op->attr2 & IR_FP_RAW)
            return sf_widen_half(lane(w->a, small, i), w->op->attr2 & IR_FP_FLUSH);
        return sf_convert(w->env, t == IR_F16 ? IR_F32 : IR_F64, t, lane(w->a, small, i));
    case IR_vfnarrow:
        return sf_convert(w->env, t, t == IR_F16 ? IR_F32 : IR_F64, lane(w->a, 2 * small, i));
    case IR_vqnarrow:
        return clamp(w, bits, is_signed && !has(w, IR_V_TO_UNSIGNED),
                     number(2 * bits, is_signed, lane(w->a, 2 * small, i)));
    default: /* vnarrow */
        return lane(w->a, 2 * small, i);
    }
}

static void carryless_wide(struct work *w)
{
    for (unsigned i = 0; i < w->total / 16; i++) {
        uint64_t a = lane(w->a, 8, i), b = lane(w->b, 8, i);

        put(w->result, 8, 2 * i, ir_carryless(64, a, b, false));
        put(w->result, 8, 2 * i + 1, ir_carryless(64, a, b, true));
    }
}

/* ---- Places ---- */

/* Byte `i` of the first with the second above it. */
static uint8_t of_both(const struct work *w, unsigned i)
{
    return i < w->total ? w->a[i] : w->b[i - w->total];
}

/* Which element of both (counted through) comes to place `i`. */
static unsigned from_where(const struct work *w, unsigned i)
{
    unsigned count = w->total / w->size, high = has(w, IR_V_HIGH);

    switch (w->op->code) {
    case IR_vzip:
        return i / 2 + (high ? count / 2 : 0) + (i & 1 ? count : 0);
    case IR_vunzip:
        return 2 * i + high;
    case IR_vtrn:
        return (i & ~1u) + high + (i & 1 ? count : 0);
    default: { /* vreverse */
        unsigned group = (unsigned)w->op->imm / w->size;

        return i - i % group + (group - 1 - i % group);
    }
    }
}

static void permute(struct work *w)
{
    for (unsigned i = 0; i < w->total / w->size; i++)
        for (unsigned k = 0; k < w->size; k++)
            w->result[i * w->size + k] = of_both(w, from_where(w, i) * w->size + k);
}

static void whole(struct work *w)
{
    for (unsigned i = 0; i < w->total; i++)
        switch (w->op->code) {
        case IR_vand:
            w->result[i] = w->a[i] & w->b[i];
            break;
        case IR_vor:
            w->result[i] = w->a[i] | w->b[i];
            break;
        case IR_vxor:
            w->result[i] = w->a[i] ^ w->b[i];
            break;
        case IR_vandn:
            w->result[i] = w->a[i] & ~w->b[i];
            break;
        case IR_vnot:
            w->result[i] = (uint8_t)~w->a[i];
            break;
        case IR_vselect:
            w->result[i] = (w->a[i] & w->b[i]) | (~w->a[i] & w->c[i]);
            break;
        case IR_vext:
            w->result[i] = of_both(w, i + (unsigned)w->op->imm);
            break;
        default: /* vtable */
            w->result[i] = w->b[i] < 16 ? w->a[w->b[i]] : 0;
            break;
        }
}

/* Scalars to vectors and back, halves, single elements. */
static void place(struct work *w)
{
    unsigned imm = (unsigned)w->op->imm, half = w->total / 2;
    uint64_t e;

    switch (w->op->code) {
    case IR_vfrom:
    case IR_vscalar:
        memcpy(w->result, w->a, ir_type_size(w->op->code == IR_vfrom ? w->op->attr : w->op->type));
        break;
    case IR_vzext:
        memcpy(w->result, w->a, half);
        break;
    case IR_vhalf:
        memcpy(w->result, w->a + (has(w, IR_V_HIGH) ? w->total : 0), w->total);
        break;
    case IR_vjoin:
        memcpy(w->result, w->a, half);
        memcpy(w->result + half, w->b, half);
        break;
    case IR_vlane:
        e = lane(w->a, w->size, imm);
        put(w->result, 8, 0, (uint64_t)number(8 * w->size, has(w, IR_V_SIGNED), e));
        break;
    case IR_vinsert:
        memcpy(w->result, w->a, w->total);
        put(w->result, w->size, imm, lane(w->b, 8, 0));
        break;
    case IR_vcopy:
        memcpy(w->result, w->a, w->total);
        put(w->result, w->size, imm & 255, lane(w->b, w->size, imm >> 8));
        break;
    case IR_vmask:
        e = 0;
        for (unsigned i = 0; i < 16 / w->size; i++)
            e |= (lane(w->a, w->size, i) >> (8 * w->size - 1)) << i;
        put(w->result, 8, 0, e);
        break;
    case IR_vexpand:
        e = lane(w->a, 8, 0);
        for (unsigned i = 0; i < w->total / w->size; i++)
            put(w->result, w->size, i, e >> (imm + i) & 1 ? UINT64_MAX : 0);
        break;
    default: /* vsplat, vsplatl */
        for (unsigned i = 0; i < w->total / w->size; i++)
            put(w->result, w->size, i, lane(w->a, w->size, imm));
        break;
    }
}

/* ---- One operation ---- */

static void each(struct work *w, uint64_t (*of)(struct work *, unsigned), unsigned size)
{
    unsigned count = has(w, IR_V_LANE0) ? 1 : w->total / size;

    for (unsigned i = 0; i < count; i++)
        put(w->result, size, i, of(w, i));
}

static void crypto(struct work *w)
{
    if (w->op->code == IR_vaes) {
        for (unsigned i = 0; i < 16; i++)
            w->result[i] = w->a[i] ^ w->b[i];
        ir_vector_aes(w->op->imm, w->result);
    } else {
        uint32_t v[4][4];

        memcpy(v[0], w->a, 16);
        memcpy(v[1], w->b, 16);
        memcpy(v[2], w->c, 16);
        ir_vector_sha(w->op->imm, v[3], v[0], v[1], v[2]);
        memcpy(w->result, v[3], 16);
    }
}

static void run(struct work *w)
{
    switch (w->op->code) {
    case IR_vand ... IR_vselect:
    case IR_vext:
    case IR_vtable:
        whole(w);
        break;
    case IR_vfrom ... IR_vexpand:
        place(w);
        break;
    case IR_vreverse:
    case IR_vzip ... IR_vtrn:
        permute(w);
        break;
    case IR_vaes:
    case IR_vsha:
        crypto(w);
        break;
    case IR_vpmull:
        if (w->size == 8)
            carryless_wide(w);
        else
            each(w, resized, 2 * w->size);
        break;
    case IR_vqdmull:
    case IR_vwiden:
    case IR_vmull:
    case IR_vfwiden:
        each(w, resized, 2 * w->size);
        break;
    case IR_vqnarrow:
    case IR_vnarrow:
    case IR_vfnarrow:
        each(w, resized, w->size);
        break;
    case IR_vfadd ... IR_vitof:
    case IR_vfrecipe ... IR_vfrecipx:
        each(w, floating, w->size);
        break;
    default:
        each(w, integer, w->size);
        break;
    }
}

void ir_vector_eval(struct sf_env *env, const struct ir_op *op, void *dst, const void *a,
                    const void *b, const void *c)
{
    const void *const from[] = {a, b, c};
    struct work w = {.op = op,
                     .env = env,
                     .size = ir_type_size(op->attr),
                     .total = ir_type_size(ir_result_type(op))};
    uint8_t *const to[] = {w.a, w.b, w.c};

    for (unsigned i = 0; i < ir_info[op->code].operand_count && i < ARRAY_SIZE(to); i++)
        memcpy(to[i], from[i], ir_type_size(ir_operand_type(op, i)));
    if (ir_info[op->code].attribute == IR_ATTR_VFP) {
        env->round = op->attr2 & IR_FP_ROUND;
        env->flush_inputs = env->flush_results = op->attr2 & IR_FP_FLUSH;
        env->default_nan = op->attr2 & IR_FP_DEFAULT_NAN;
        if (op->code == IR_vfwiden || op->code == IR_vfnarrow)
            env->alternative = op->attr2 & IR_FP_ALTERNATIVE;
        if (op->code == IR_vfnarrow && op->attr2 & IR_FP_ODD)
            env->round = SF_ROUND_ODD;
    }
    run(&w);
    memset(dst, 0, MAX(w.total, 8u));
    memcpy(dst, w.result, w.total);
}
