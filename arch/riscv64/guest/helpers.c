/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The helpers of class U of riscv64 units: pure functions of their operands, which raise sticky
 * flags. Operations on f16 take registers as they are, boxed or not (Unprivileged ISA, 20.1). */
#include "arch/riscv64/guest/lift.h"
#include "dbt/softfloat.h"

#define BOX16 0xffffffffffff0000ULL
#define BOX32 0xffffffff00000000ULL

static uint64_t unbox16(const struct sf_env *env, uint64_t v)
{
    return (v & BOX16) == BOX16 ? (uint16_t)v : sf_default_nan(env, IR_F16);
}

static uint64_t unbox32(const struct sf_env *env, uint64_t v)
{
    return (v & BOX32) == BOX32 ? (uint32_t)v : sf_default_nan(env, IR_F32);
}

/* What needs a second operand, `b`, or is a comparison. */
static uint64_t half_binary(struct sf_env *env, enum rv_half op, uint64_t a, uint64_t b)
{
    switch (op) {
    case RV_HALF_ADD:
        return sf_add(env, IR_F16, a, b) | BOX16;
    case RV_HALF_SUB:
        return sf_sub(env, IR_F16, a, b) | BOX16;
    case RV_HALF_MUL:
        return sf_mul(env, IR_F16, a, b) | BOX16;
    case RV_HALF_DIV:
        return sf_div(env, IR_F16, a, b) | BOX16;
    case RV_HALF_MIN:
        return sf_min(env, IR_F16, IR_FMIN_NUMBER, a, b) | BOX16;
    case RV_HALF_MAX:
        return sf_max(env, IR_F16, IR_FMIN_NUMBER, a, b) | BOX16;
    case RV_HALF_MINM:
        return sf_min(env, IR_F16, IR_FMIN_NAN, a, b) | BOX16;
    case RV_HALF_MAXM:
        return sf_max(env, IR_F16, IR_FMIN_NAN, a, b) | BOX16;
    case RV_HALF_EQ:
        return sf_compare(env, IR_F16, IR_FCC_EQ, false, a, b);
    case RV_HALF_LT:
    case RV_HALF_LTQ:
        return sf_compare(env, IR_F16, IR_FCC_LT, op == RV_HALF_LT, a, b);
    default:
        return sf_compare(env, IR_F16, IR_FCC_LE, op == RV_HALF_LE, a, b);
    }
}

static uint64_t half_to_int(struct sf_env *env, uint64_t a, uint64_t more)
{
    enum ir_type to = more & 2 ? IR_I64 : IR_I32;
    uint64_t v = sf_to_int(env, to, more & 1, IR_F16, a);

    return to == IR_I64 ? v : (uint64_t)(int64_t)(int32_t)v;
}

static uint64_t half_from_int(struct sf_env *env, uint64_t a, uint64_t more)
{
    enum ir_type from = more & 2 ? IR_I64 : IR_I32;

    return sf_from_int(env, IR_F16, from, more & 1, from == IR_I64 ? a : (uint32_t)a) | BOX16;
}

static uint64_t half(struct sf_env *env, uint64_t a, uint64_t b, uint64_t how)
{
    enum rv_half op = (enum rv_half)(how & 0xff);
    uint64_t more = how >> RV_HALF_MORE_SHIFT & 3, h = unbox16(env, a);

    switch (op) {
    case RV_HALF_SQRT:
        return sf_sqrt(env, IR_F16, h) | BOX16;
    case RV_HALF_FMA:
        return sf_fma(env, IR_F16, a & 0xffff, a >> 16, unbox16(env, b), (unsigned)more) | BOX16;
    case RV_HALF_TO_INT:
        return half_to_int(env, h, more);
    case RV_HALF_FROM_INT:
        return half_from_int(env, a, more);
    case RV_HALF_TO_S:
        return sf_convert(env, IR_F32, IR_F16, h) | BOX32;
    case RV_HALF_TO_D:
        return sf_convert(env, IR_F64, IR_F16, h);
    case RV_HALF_FROM_S:
        return sf_convert(env, IR_F16, IR_F32, unbox32(env, a)) | BOX16;
    case RV_HALF_FROM_D:
        return sf_convert(env, IR_F16, IR_F64, a) | BOX16;
    case RV_HALF_ROUND:
    case RV_HALF_ROUNDNX:
        return sf_round(env, IR_F16, op == RV_HALF_ROUNDNX, h) | BOX16;
    default:
        return half_binary(env, op, h, unbox16(env, b));
    }
}

static uint64_t help_half(struct dbt_frame *f, uint64_t a, uint64_t b, uint64_t how)
{
    struct sf_env env = {.policy = DBT_FP_RISCV, .round = how >> RV_HALF_ROUNDING_SHIFT & 7};
    uint64_t v = half(&env, a, b, how);

    f->fp_flags |= env.flags;
    return v;
}

static uint64_t help_half_sign(struct dbt_frame *f, uint64_t a, uint64_t b, uint64_t how)
{
    const struct sf_env env = {.policy = DBT_FP_RISCV};
    const uint64_t sign = BIT(15);

    (void)f;
    a = unbox16(&env, a);
    b = unbox16(&env, b) & sign;
    if (how == RV_HALF_CLASS)
        return sf_classify(IR_F16, a);
    if (how == RV_HALF_SGNJX)
        return (a ^ b) | BOX16;
    return (a & ~sign) | (how == RV_HALF_SGNJN ? b ^ sign : b) | BOX16;
}

static uint64_t help_half_pair(struct dbt_frame *f, uint64_t a, uint64_t b, uint64_t unused)
{
    const struct sf_env env = {.policy = DBT_FP_RISCV};

    (void)f;
    (void)unused;
    return unbox16(&env, a) | unbox16(&env, b) << 16;
}

/* Modulo 2^32, towards zero; the flags are FCVT.W.D's. */
static uint64_t help_fcvtmod(struct dbt_frame *f, uint64_t a, uint64_t unused, uint64_t unused2)
{
    struct sf_env env = {.policy = DBT_FP_RISCV, .round = IR_ROUND_ZERO}, modulo = env;
    bool exact;
    uint32_t v = sf_to_int_javascript(&modulo, a, &exact);

    (void)unused;
    (void)unused2;
    (void)sf_to_int(&env, IR_I32, false, IR_F64, a);
    f->fp_flags |= env.flags;
    return (uint64_t)(int64_t)(int32_t)v;
}

const struct dbt_helper rv_helpers[RV_HELPER_COUNT] = {
    [RV_HELPER_HALF] = {help_half, "half"},
    [RV_HELPER_HALF_SIGN] = {help_half_sign, "half sign"},
    [RV_HELPER_HALF_PAIR] = {help_half_pair, "half pair"},
    [RV_HELPER_FCVTMOD] = {help_fcvtmod, "fcvtmod"},
};

/* ---- AMOCAS.Q: of registers in pairs ---- */

static uint64_t read_x(const struct rv_frame *r, unsigned pair, unsigned half)
{
    return pair ? r->x[pair + half] : 0;
}

uint64_t *rv_amocas_q_memory(struct dbt_frame *f, uint32_t word)
{
    const struct rv_frame *r = (const struct rv_frame *)f->cells;
    uint64_t address = rv_rs1(word) ? r->x[rv_rs1(word)] : 0, *p;
    bool mmio;

    p = dbt_memory_atomic(f, address, 16, &mmio);
    if (!p && mmio)
        f->fault = (struct dbt_fault){.address = address, .access = DBT_WRITE, .absent = true};
    return p;
}

void rv_amocas_q(struct dbt_frame *f, uint32_t word, uint64_t *p)
{
    struct rv_frame *r = (struct rv_frame *)f->cells;
    unsigned rd = rv_rd(word), rs2 = rv_rs2(word);
    uint64_t low = __atomic_load_n(p, __ATOMIC_SEQ_CST);
    uint64_t high = __atomic_load_n(p + 1, __ATOMIC_SEQ_CST);

    if (low == read_x(r, rd, 0) && high == read_x(r, rd, 1)) {
        __atomic_store_n(p, read_x(r, rs2, 0), __ATOMIC_SEQ_CST);
        __atomic_store_n(p + 1, read_x(r, rs2, 1), __ATOMIC_SEQ_CST);
    }
    if (rd) {
        r->x[rd] = low;
        r->x[rd + 1] = high;
    }
}
