/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Advanced SIMD that moves elements: copies, permutations, tables, constants; and AES and SHA (Arm
 * ARM C4.1.96). */
#include "arch/aarch64/guest/lift_vector.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)

/* ---- Copies: imm5 names size and element by its lowest set bit ---- */

static bool begin_copy(struct a64_lift *t, unsigned *size, unsigned *index)
{
    unsigned imm5 = a64_field(t->word, 16, 5);

    if (!a64_fp_access(t))
        return false;
    *size = (unsigned)__builtin_ctz(imm5 | 32);
    *index = imm5 >> (*size + 1);
    if (*size <= 3)
        return true;
    a64_undefined(t);
    return false;
}

static enum ir_type width(const struct a64_lift *t)
{
    return a64_field(t->word, 30, 1) ? IR_V128 : IR_V64;
}

LIFT(simd_dup_element)
{
    unsigned size, index;
    ir_value v;

    if (!begin_copy(t, &size, &index))
        return;
    if (size == 3 && width(t) == IR_V64) {
        a64_undefined(t);
        return;
    }
    v = ir_vector(t->u, IR_vsplatl, width(t), a64_int(size), 0, index,
                  a64_get_q(t, a64_rn(t->word)), 0, 0);
    a64_set_v(t, width(t), a64_rd(t->word), v);
}

static ir_value get_lane(struct a64_lift *t, unsigned size, unsigned index, uint8_t sign)
{
    return ir_append(t->u, &(struct ir_op){.code = IR_vlane,
                                           .attr = (uint8_t)a64_int(size),
                                           .attr2 = sign,
                                           .imm = index,
                                           .arg = {a64_get_q(t, a64_rn(t->word))}});
}

LIFT(simd_dup_scalar)
{
    unsigned size, index;

    if (begin_copy(t, &size, &index))
        a64_set_q(t, a64_rd(t->word),
                  ir_convert(t->u, IR_vfrom, IR_V128, IR_I64, get_lane(t, size, index, 0)));
}

LIFT(simd_dup)
{
    unsigned size, index;

    if (!begin_copy(t, &size, &index))
        return;
    if (size == 3 && width(t) == IR_V64) {
        a64_undefined(t);
        return;
    }
    a64_set_v(t, width(t), a64_rd(t->word),
              ir_vector(t->u, IR_vsplat, width(t), a64_int(size), 0, 0,
                        a64_get_x(t, a64_rn(t->word)), 0, 0));
}

/* To 32 or 64 bits (Q): SMOV of what is narrower, UMOV of what is not. */
LIFT(simd_smov)
{
    bool wide = a64_field(t->word, 30, 1);
    unsigned size, index;
    ir_value v;

    if (!begin_copy(t, &size, &index))
        return;
    if (size >= (wide ? 3 : 2)) {
        a64_undefined(t);
        return;
    }
    v = get_lane(t, size, index, IR_V_SIGNED);
    a64_set_x(t, a64_rd(t->word), wide ? v : a64_extend(t, a64_low(t, v)));
}

LIFT(simd_umov)
{
    bool wide = a64_field(t->word, 30, 1);
    unsigned size, index;

    if (!begin_copy(t, &size, &index))
        return;
    if (wide != (size == 3)) {
        a64_undefined(t);
        return;
    }
    a64_set_x(t, a64_rd(t->word), get_lane(t, size, index, 0));
}

LIFT(simd_ins)
{
    unsigned size, index, rd = a64_rd(t->word);

    if (begin_copy(t, &size, &index))
        a64_set_q(t, rd,
                  ir_vector(t->u, IR_vinsert, IR_V128, a64_int(size), 0, index, a64_get_q(t, rd),
                            a64_get_x(t, a64_rn(t->word)), 0));
}

LIFT(simd_ins_element)
{
    unsigned size, index, rd = a64_rd(t->word), from;

    if (!begin_copy(t, &size, &index))
        return;
    from = a64_field(t->word, 11, 4) >> size;
    a64_set_q(t, rd,
              ir_vector(t->u, IR_vcopy, IR_V128, a64_int(size), 0, index | from << 8,
                        a64_get_q(t, rd), a64_get_q(t, a64_rn(t->word)), 0));
}

/* ---- Permutations ---- */

/* UZP, TRN, ZIP by bits 13 and 12; the second of each by bit 14. */
LIFT(simd_permute)
{
    static const uint8_t codes[] = {IR_nop, IR_vunzip, IR_vtrn, IR_vzip};
    struct a64_shape s = a64_shape(t);
    ir_value a;

    if (!a64_fp_access(t) || !a64_shape_allowed(t, &s, 15))
        return;
    a = a64_get_v(t, s.type, a64_rn(t->word));
    a = a64_v2(t, &s, codes[a64_field(t->word, 12, 2)], a64_field(t->word, 14, 1) ? IR_V_HIGH : 0,
               a, a64_get_v(t, s.type, a64_rm(t->word)));
    a64_set_v(t, s.type, a64_rd(t->word), a);
}

LIFT(simd_ext)
{
    unsigned index = a64_field(t->word, 11, 4);
    enum ir_type type = width(t);
    ir_value a;

    if (!a64_fp_access(t))
        return;
    if (type == IR_V64 && index >= 8) {
        a64_undefined(t);
        return;
    }
    a = a64_get_v(t, type, a64_rn(t->word));
    a64_set_v(
        t, type, a64_rd(t->word),
        ir_vector(t->u, IR_vext, type, IR_I8, 0, index, a, a64_get_v(t, type, a64_rm(t->word)), 0));
}

/* TBL, TBX (bit 12): tables of up to four registers, each looked up with its indices. */
LIFT(simd_tbl)
{
    unsigned count = a64_field(t->word, 13, 2) + 1;
    struct a64_shape s = {.type = width(t), .element = IR_I8, .q = width(t) == IR_V128};
    ir_value indices, v = 0, part, inside;

    if (!a64_fp_access(t))
        return;
    indices = a64_get_v(t, s.type, a64_rm(t->word));
    for (unsigned i = 0; i < count; i++) {
        part = i ? a64_v2(t, &s, IR_vsub, 0, indices, a64_splat(t, &s, 16 * i)) : indices;
        part = a64_v2(t, &s, IR_vtable, 0, a64_get_q(t, (a64_rn(t->word) + i) & 31), part);
        v = i ? a64_bits(t, &s, IR_vor, v, part) : part;
    }
    if (a64_field(t->word, 12, 1)) {
        inside = a64_v3(t, &s, IR_vcmp, 0, IR_LTU, indices, a64_splat(t, &s, 16 * count), 0);
        v = ir_op3(t->u, IR_vselect, s.type, inside, v, a64_get_v(t, s.type, a64_rd(t->word)));
    }
    a64_set_v(t, s.type, a64_rd(t->word), v);
}

/* ---- Constants ---- */

static uint64_t repeat(uint64_t v, unsigned bits)
{
    for (; bits < 64; bits *= 2)
        v |= v << bits;
    return v;
}

/* AdvSIMDExpandImm(). */
static uint64_t expand(unsigned cmode, bool op, uint64_t imm8)
{
    uint64_t v = 0;

    if (cmode < 8)
        return repeat(imm8 << 8 * (cmode >> 1), 32);
    if (cmode < 12)
        return repeat(imm8 << 8 * (cmode >> 1 & 1), 16);
    if (cmode == 12)
        return repeat(imm8 << 8 | 0xff, 32);
    if (cmode == 13)
        return repeat(imm8 << 16 | 0xffff, 32);
    if (cmode == 14 && !op)
        return repeat(imm8, 8);
    if (cmode == 14) {
        for (unsigned i = 0; i < 8; i++)
            v |= imm8 >> i & 1 ? 0xffULL << 8 * i : 0;
        return v;
    }
    if (op)
        return imm8 >> 7 << 63 | (imm8 & 0x40 ? 0x3fcULL : 0x400ULL) << 52 | (imm8 & 0x3f) << 48;
    return repeat(imm8 >> 7 << 31 | (imm8 & 0x40 ? 0x7cULL : 0x80ULL) << 23 | (imm8 & 0x3f) << 19,
                  32);
}

/* MOVI, MVNI (bit 29); with an odd cmode below 12 ORR, BIC; FMOV. */
LIFT(simd_imm)
{
    unsigned cmode = a64_field(t->word, 12, 4);
    bool op = a64_field(t->word, 29, 1), combines = cmode < 12 && cmode & 1;
    uint64_t imm = expand(cmode, op, a64_field(t->word, 16, 3) << 5 | a64_field(t->word, 5, 5));
    struct a64_shape s = {.type = width(t), .element = IR_I64, .size = 3};
    ir_value v;

    if (!a64_fp_access(t))
        return;
    if (cmode == 15 && op && s.type == IR_V64) {
        a64_undefined(t);
        return;
    }
    if (op && !combines && cmode < 14)
        imm = ~imm;
    v = a64_splat(t, &s, imm);
    if (combines)
        v = a64_bits(t, &s, op ? IR_vandn : IR_vor, a64_get_v(t, s.type, a64_rd(t->word)), v);
    a64_set_v(t, s.type, a64_rd(t->word), v);
}

/* ---- AES and SHA ---- */

/* AESE, AESD, AESMC, AESIMC by bits 13 and 12. */
LIFT(aes)
{
    enum ir_aes kind = (enum ir_aes)a64_field(t->word, 12, 2);
    ir_value a, b;

    if (!a64_fp_access(t))
        return;
    a = a64_get_q(t, a64_rn(t->word));
    b = kind == IR_AES_E || kind == IR_AES_D
            ? a64_get_q(t, a64_rd(t->word))
            : ir_vector(t->u, IR_vsplat, IR_V128, IR_I64, 0, 0, a64_imm(t, 0), 0, 0);
    a64_set_q(t, a64_rd(t->word), ir_vector(t->u, IR_vaes, IR_V128, IR_I8, 0, kind, a, b, 0));
}

static void sha(struct a64_lift *t, enum ir_sha kind, ir_value a, ir_value b, ir_value c)
{
    a64_set_q(t, a64_rd(t->word), ir_vector(t->u, IR_vsha, IR_V128, IR_I32, 0, kind, a, b, c));
}

/* By bits 14 to 12. */
LIFT(sha3)
{
    static const uint8_t kinds[] = {IR_SHA1_C,   IR_SHA1_P,    IR_SHA1_M,     IR_SHA1_SU0,
                                    IR_SHA256_H, IR_SHA256_H2, IR_SHA256_SU1, IR_SHA_COUNT};
    ir_value a, b;

    if (!a64_fp_access(t))
        return;
    a = a64_get_q(t, a64_rd(t->word));
    b = a64_get_q(t, a64_rn(t->word));
    sha(t, (enum ir_sha)kinds[a64_field(t->word, 12, 3)], a, b, a64_get_q(t, a64_rm(t->word)));
}

/* SHA1H, SHA1SU1, SHA256SU0 by bits 13 and 12. */
LIFT(sha2)
{
    static const uint8_t kinds[] = {IR_SHA1_H, IR_SHA1_SU1, IR_SHA256_SU0, IR_SHA_COUNT};
    enum ir_sha kind = (enum ir_sha)kinds[a64_field(t->word, 12, 2)];
    ir_value b;

    if (!a64_fp_access(t))
        return;
    b = a64_get_q(t, a64_rn(t->word));
    sha(t, kind, kind == IR_SHA1_H ? b : a64_get_q(t, a64_rd(t->word)), b, b);
}
