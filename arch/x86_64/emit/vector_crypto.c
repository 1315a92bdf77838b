/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Carry-less products, AES and SHA, where the host has instructions for them. */
#include "arch/x86_64/emit/vector.h"

#include <cpuid.h>

#define CPUID_1_ECX_PCLMULQDQ (1u << 1) /* SDM volume 2, CPUID */
#define CPUID_1_ECX_AES       (1u << 25)
#define CPUID_7_EBX_SHA       (1u << 29)

#define SHUFFLE(a, b, c, d) ((a) | (b) << 2 | (c) << 4 | (d) << 6) /* the lowest first */

static bool host_has(unsigned bit)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && c & bit;
}

static bool host_has_sha(void)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & CPUID_7_EBX_SHA;
}

static void with_imm(struct emitter *e, unsigned op, unsigned d, struct operand a, unsigned imm)
{
    v_unary(e, op, d, a);
    as_8(&e->as, imm);
}

static bool multiply_carryless(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    if (o->attr != IR_I64 || e->level < DBT_LEVEL_V3 || !host_has(CPUID_1_ECX_PCLMULQDQ))
        return false;
    v_begin(e, i, 0, &w);
    v_load(e, w.d, w.in[0]);
    with_imm(e, OP_PCLMULQDQ, w.d, w.in[1], 0);
    return true;
}

/* x86's rounds add the key last: with a key of zeros that is Arm's order. MixColumns alone is a
 * round after the inverse of its other half. */
static bool aes(struct emitter *e, unsigned i)
{
    const struct ir_op *o = op_of(e, (ir_value)i);
    struct v_work w;

    if (e->level < DBT_LEVEL_V3 || !host_has(CPUID_1_ECX_AES))
        return false;
    v_begin(e, i, 1, &w);
    as_rr(&e->as, OP_PXOR, false, w.t[0], w.t[0]);
    v_binary(e, OP_PXOR, w.d, w.in[0], w.in[1]);
    switch ((enum ir_aes)o->imm) {
    case IR_AES_E:
        as_rr(&e->as, OP_AESENCLAST, false, w.d, w.t[0]);
        break;
    case IR_AES_D:
        as_rr(&e->as, OP_AESDECLAST, false, w.d, w.t[0]);
        break;
    case IR_AES_MC:
        as_rr(&e->as, OP_AESDECLAST, false, w.d, w.t[0]);
        as_rr(&e->as, OP_AESENC, false, w.d, w.t[0]);
        break;
    default:
        as_rr(&e->as, OP_AESIMC, false, w.d, w.d);
        break;
    }
    return true;
}

/* ---- SHA (FIPS 180-4): Arm's instructions by Intel's ---- */

/*
 * Four rounds. Arm has the state as a to d and e to h, Intel (from the top down) as a b e f and c d
 * g h, does two rounds at once, and takes w from xmm0, which is t[0]. What was a b e f before two
 * rounds is c d g h after them.
 */
static bool sha256_rounds(struct emitter *e, unsigned i)
{
    bool second = op_of(e, (ir_value)i)->imm == IR_SHA256_H2;
    struct operand x, y;
    struct v_work w;

    v_begin_xmm0(e, i, &w);
    x = w.in[second];
    y = w.in[!second];
    v_load(e, w.d, y);
    with_imm(e, OP_SHUFPS, w.d, x, SHUFFLE(1, 0, 1, 0));
    v_load(e, w.t[1], y);
    with_imm(e, OP_SHUFPS, w.t[1], x, SHUFFLE(3, 2, 3, 2));
    v_load(e, w.t[0], w.in[2]);
    as_rr(&e->as, OP_SHA256RNDS2, false, w.t[1], w.d);
    with_imm(e, OP_PSHUFD, w.t[0], v_reg(w.t[0]), SHUFFLE(2, 3, 0, 0));
    as_rr(&e->as, OP_SHA256RNDS2, false, w.d, w.t[1]);
    with_imm(e, OP_SHUFPS, w.d, v_reg(w.t[1]), second ? SHUFFLE(1, 0, 1, 0) : SHUFFLE(3, 2, 3, 2));
    return true;
}

static bool sha256_update0(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 0, &w);
    v_load(e, w.d, w.in[0]);
    v_unary(e, OP_SHA256MSG1, w.d, w.in[1]);
    return true;
}

/* Words 9 to 12 lie in the second and third operand. */
static bool sha256_update1(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 1, &w);
    v_load(e, w.t[0], w.in[2]);
    with_imm(e, OP_PALIGNR, w.t[0], w.in[1], 4);
    v_binary(e, OP_PADDD, w.d, w.in[0], v_reg(w.t[0]));
    v_unary(e, OP_SHA256MSG2, w.d, w.in[2]);
    return true;
}

/* Intel has the state the other way round, e added to the first word, and adds the constants. */
static bool sha1_rounds(struct emitter *e, unsigned i, unsigned kind)
{
    struct v_work w;

    v_begin(e, i, 2, &w);
    v_load(e, w.t[0], w.in[2]);
    v_mask(e, OP_PSUBD, w.t[0], MASK_SHA1 + kind);
    with_imm(e, OP_INSERTPS, w.t[1], w.in[1], 0x0e); /* zeros above */
    v_unary(e, OP_PADDD, w.t[0], v_reg(w.t[1]));
    with_imm(e, OP_PSHUFD, w.t[0], v_reg(w.t[0]), SHUFFLE(3, 2, 1, 0));
    with_imm(e, OP_PSHUFD, w.d, w.in[0], SHUFFLE(3, 2, 1, 0));
    with_imm(e, OP_SHA1RNDS4, w.d, v_reg(w.t[0]), kind);
    with_imm(e, OP_PSHUFD, w.d, v_reg(w.d), SHUFFLE(3, 2, 1, 0));
    return true;
}

/* d <<<= count, by t. */
static void rotate(struct emitter *e, unsigned d, unsigned t, unsigned count)
{
    v_load(e, t, v_reg(d));
    v_shift(e, 2, V_SLL, d, count);
    v_shift(e, 2, V_SRL, t, 32 - count);
    v_unary(e, OP_POR, d, v_reg(t));
}

static bool sha1_rotate(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 1, &w);
    with_imm(e, OP_INSERTPS, w.d, w.in[0], 0x0e);
    rotate(e, w.d, w.t[0], 30);
    return true;
}

/* Words 2 to 5 lie in the first and second operand. */
static bool sha1_update0(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 1, &w);
    v_load(e, w.t[0], w.in[0]);
    with_imm(e, OP_SHUFPD, w.t[0], w.in[1], 1);
    v_binary(e, OP_PXOR, w.d, w.in[0], w.in[2]);
    v_unary(e, OP_PXOR, w.d, v_reg(w.t[0]));
    return true;
}

static void shift_bytes(struct emitter *e, enum v_shift_digit digit, unsigned d, unsigned count)
{
    as_rr(&e->as, OP_PSHIFT_Q, false, digit, d);
    as_8(&e->as, count);
}

/* The last word needs the first one of the result, once more rotated. */
static bool sha1_update1(struct emitter *e, unsigned i)
{
    struct v_work w;

    v_begin(e, i, 2, &w);
    v_load(e, w.d, w.in[1]);
    shift_bytes(e, V_SRL_BYTES, w.d, 4);
    v_unary(e, OP_PXOR, w.d, w.in[0]);
    rotate(e, w.d, w.t[0], 1);
    v_load(e, w.t[1], v_reg(w.d));
    shift_bytes(e, V_SLL_BYTES, w.t[1], 12);
    rotate(e, w.t[1], w.t[0], 1);
    v_unary(e, OP_PXOR, w.d, v_reg(w.t[1]));
    return true;
}

static bool sha(struct emitter *e, unsigned i)
{
    unsigned kind = (unsigned)op_of(e, (ir_value)i)->imm;

    switch ((enum ir_sha)kind) {
    case IR_SHA1_H:
        return sha1_rotate(e, i);
    case IR_SHA1_SU0:
        return sha1_update0(e, i);
    case IR_SHA1_SU1:
        return sha1_update1(e, i);
    default:
        break;
    }
    if (e->level < DBT_LEVEL_V3 || !host_has_sha())
        return false;
    switch ((enum ir_sha)kind) {
    case IR_SHA1_C:
        return sha1_rounds(e, i, 0);
    case IR_SHA1_P:
        return sha1_rounds(e, i, 1);
    case IR_SHA1_M:
        return sha1_rounds(e, i, 2);
    case IR_SHA256_SU0:
        return sha256_update0(e, i);
    case IR_SHA256_SU1:
        return sha256_update1(e, i);
    default:
        return sha256_rounds(e, i);
    }
}

bool emit_vector_crypto(struct emitter *e, unsigned i)
{
    switch (op_of(e, (ir_value)i)->code) {
    case IR_vpmull:
        return multiply_carryless(e, i);
    case IR_vaes:
        return aes(e, i);
    case IR_vsha:
        return sha(e, i);
    default:
        return false;
    }
}
