/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Loads and stores of vector registers (Arm ARM C3.2.9 to C3.2.12): single registers, pairs,
 * structures. Loads come before the first register changes; stores of more than one access probe.
 */
#include "arch/aarch64/guest/lift_vector.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)

/* What of a register's lowest 1 << log2 bytes is read, as v128. */
static ir_value load(struct a64_lift *t, unsigned log2, ir_value base, int64_t disp)
{
    enum ir_type type = log2 == 3 ? IR_F64 : IR_F32;
    ir_value v;

    if (log2 == 4)
        return ir_load(t->u, IR_V128, IR_V128, 0, base, disp);
    if (log2 < 2)
        type = IR_I64;
    v = ir_load(t->u, type, log2 < 2 ? a64_int(log2) : type, 0, base, disp);
    return ir_convert(t->u, IR_vfrom, IR_V128, type, v);
}

static void store(struct a64_lift *t, unsigned log2, uint8_t flags, ir_value base, int64_t disp,
                  ir_value v)
{
    enum ir_type type = log2 == 3 ? IR_F64 : IR_F32;

    if (log2 == 4) {
        ir_store(t->u, IR_V128, IR_V128, flags, base, disp, v);
    } else if (log2 >= 2) {
        ir_store(t->u, type, type, flags, base, disp, ir_op1(t->u, IR_vscalar, type, v));
    } else {
        v = ir_append(t->u, &(struct ir_op){.code = IR_vlane, .attr = IR_I64, .arg = {v}});
        ir_store(t->u, IR_I64, a64_int(log2), flags, base, disp, v);
    }
}

static void probe(struct a64_lift *t, ir_value base, int64_t disp, unsigned bytes)
{
    ir_append(
        t->u,
        &(struct ir_op){
            .code = IR_probe, .attr = (uint8_t)bytes, .attr2 = 1, .imm = disp, .arg = {base}});
}

/* ---- Single registers and pairs ---- */

/* Bits 31, 30 and 23 say the size; bit 22 loads. */
LIFT(simd_single)
{
    unsigned log2 = a64_field(t->word, 23, 1) << 2 | a64_field(t->word, 30, 2);
    struct a64_address a;
    ir_value v;

    if (!a64_fp_access(t))
        return;
    if (log2 > 4) {
        a64_undefined(t);
        return;
    }
    a = a64_address(t, log2);
    if (!a64_field(t->word, 22, 1)) {
        store(t, log2, 0, a.base, a.disp, a64_get_q(t, a64_rd(t->word)));
        a64_address_done(t, &a);
        return;
    }
    v = load(t, log2, a.base, a.disp);
    a64_address_done(t, &a);
    a64_set_q(t, a64_rd(t->word), v);
}

/* S, D, Q by bits 31 and 30. */
LIFT(simd_literal)
{
    unsigned opc = a64_field(t->word, 30, 2);
    struct a64_address a;

    if (!a64_fp_access(t))
        return;
    if (opc == 3) {
        a64_undefined(t);
        return;
    }
    a = a64_address(t, 0);
    a64_set_q(t, a64_rd(t->word), load(t, 2 + opc, a.base, a.disp));
}

LIFT(simd_pair)
{
    unsigned opc = a64_field(t->word, 30, 2), log2 = 2 + opc;
    int64_t size = (int64_t)BIT(log2);
    struct a64_address a;
    ir_value first, second;

    if (!a64_fp_access(t))
        return;
    if (opc == 3) {
        a64_undefined(t);
        return;
    }
    a = a64_address(t, log2);
    if (a64_field(t->word, 22, 1)) {
        first = load(t, log2, a.base, a.disp);
        second = load(t, log2, a.base, a.disp + size);
        a64_address_done(t, &a);
        a64_set_q(t, a64_rd(t->word), first);
        a64_set_q(t, a64_ra(t->word), second);
        return;
    }
    probe(t, a.base, a.disp, (unsigned)(2 * size));
    store(t, log2, IR_PROBED, a.base, a.disp, a64_get_q(t, a64_rd(t->word)));
    store(t, log2, IR_PROBED, a.base, a.disp + size, a64_get_q(t, a64_ra(t->word)));
    a64_address_done(t, &a);
}

/* ---- Structures ---- */

#define REGISTERS 4

struct structures {
    unsigned count; /* registers */
    bool q, loads;
    unsigned size; /* log2 of an element's bytes */
    ir_value v[REGISTERS];
};

static unsigned bytes_each(const struct structures *x)
{
    return x->q ? 16 : 8;
}

static enum ir_type vector_of(const struct structures *x)
{
    return x->q ? IR_V128 : IR_V64;
}

/* The base becomes base + bytes, or + Xm. */
static void write_back(struct a64_lift *t, ir_value base, unsigned bytes)
{
    unsigned m = a64_rm(t->word);

    if (a64_insns[t->id].format != A64_FORMAT_V_STRUCT_POST)
        return;
    a64_set_xsp(t, a64_rn(t->word),
                a64_op2(t, IR_add, base, m == 31 ? a64_imm(t, bytes) : a64_get_x(t, m)));
}

static ir_value pick(struct a64_lift *t, const struct structures *x, enum ir_code code, bool high,
                     ir_value a, ir_value b)
{
    return ir_vector(t->u, code, vector_of(x), a64_int(x->size), high ? IR_V_HIGH : 0, 0, a, b, 0);
}

/* Two registers, and four by two rounds: elements of memory to registers (unzip) or back (zip). */
static void interleave2(struct a64_lift *t, struct structures *x, enum ir_code code)
{
    ir_value a = x->v[0], b = x->v[1];

    x->v[0] = pick(t, x, code, false, a, b);
    x->v[1] = pick(t, x, code, true, a, b);
}

static void interleave4(struct a64_lift *t, struct structures *x, enum ir_code code)
{
    bool loads = code == IR_vunzip;
    ir_value first[REGISTERS], *v = x->v;

    for (unsigned i = 0; i < REGISTERS; i++) /* neighbours when loading, else 0 with 2, 1 with 3 */
        first[i] =
            pick(t, x, code, i & 1, v[loads ? i & 2 : i >> 1], v[loads ? i | 1 : 2 + (i >> 1)]);
    for (unsigned i = 0; i < REGISTERS; i++) {
        unsigned low = loads ? i & 1 : i >> 1;

        v[i] = pick(t, x, code, loads ? i >> 1 : i & 1, first[low], first[low + 2]);
    }
}

/* Three: byte `to` of register r comes from byte `from`, counted through all three. */
static unsigned from_byte(const struct structures *x, unsigned r, unsigned to)
{
    unsigned element = 1u << x->size, each = bytes_each(x), linear;

    if (x->loads)
        return (to / element * 3 + r) * element + to % element;
    linear = r * each + to;
    return linear / element % 3 * each + linear / element / 3 * element + linear % element;
}

static ir_value constant(struct a64_lift *t, uint64_t low, uint64_t high)
{
    ir_value v = ir_convert(t->u, IR_vfrom, IR_V128, IR_I64, a64_imm(t, low));

    return ir_vector(t->u, IR_vinsert, IR_V128, IR_I64, 0, 1, v, a64_imm(t, high), 0);
}

/* What comes from register `source` to register r. */
static ir_value part3(struct a64_lift *t, const struct structures *x, unsigned r, unsigned source,
                      ir_value v)
{
    uint64_t mask[2] = {UINT64_MAX, UINT64_MAX};
    unsigned each = bytes_each(x);

    for (unsigned to = 0; to < each; to++) {
        unsigned from = from_byte(x, r, to);

        if (from / each == source)
            mask[to / 8] ^= (0xffULL ^ from % each) << to % 8 * 8;
    }
    if (!x->q) /* v is a v128 whose upper half does not matter */
        return ir_vector(t->u, IR_vtable, IR_V64, IR_I8, 0, 0, v,
                         a64_half(t, constant(t, mask[0], mask[1]), false), 0);
    return ir_vector(t->u, IR_vtable, IR_V128, IR_I8, 0, 0, v, constant(t, mask[0], mask[1]), 0);
}

/* x->v are v128 here, whatever Q says, and vectors of its width afterwards. */
static void interleave3(struct a64_lift *t, struct structures *x)
{
    ir_value old[3] = {x->v[0], x->v[1], x->v[2]};

    for (unsigned r = 0; r < 3; r++) {
        x->v[r] = part3(t, x, r, 0, old[0]);
        for (unsigned source = 1; source < 3; source++)
            x->v[r] =
                ir_op2(t->u, IR_vor, vector_of(x), x->v[r], part3(t, x, r, source, old[source]));
    }
}

static void interleave(struct a64_lift *t, struct structures *x)
{
    enum ir_code code = x->loads ? IR_vunzip : IR_vzip;

    if (x->count == 3) {
        interleave3(t, x);
        return;
    }
    for (unsigned i = 0; i < x->count && !x->q; i++)
        x->v[i] = a64_half(t, x->v[i], false);
    if (x->count == 2)
        interleave2(t, x, code);
    else
        interleave4(t, x, code);
}

static ir_value as_q(struct a64_lift *t, const struct structures *x, ir_value v)
{
    return x->q ? v : ir_op1(t->u, IR_vzext, IR_V128, v);
}

static void load_all(struct a64_lift *t, struct structures *x, bool interleaved, ir_value base)
{
    unsigned each = bytes_each(x), log2 = x->q ? 4 : 3;

    for (unsigned i = 0; i < x->count; i++)
        x->v[i] = load(t, log2, base, i * each);
    if (interleaved)
        interleave(t, x);
    for (unsigned i = 0; i < x->count && interleaved; i++)
        x->v[i] = as_q(t, x, x->v[i]);
    write_back(t, base, x->count * each);
    for (unsigned i = 0; i < x->count; i++)
        a64_set_q(t, (a64_rd(t->word) + i) & 31, x->v[i]);
}

static void store_all(struct a64_lift *t, struct structures *x, bool interleaved, ir_value base)
{
    unsigned each = bytes_each(x), log2 = x->q ? 4 : 3;

    for (unsigned i = 0; i < x->count; i++)
        x->v[i] = a64_get_q(t, (a64_rd(t->word) + i) & 31);
    if (interleaved)
        interleave(t, x);
    probe(t, base, 0, x->count * each);
    for (unsigned i = 0; i < x->count; i++)
        store(t, log2, IR_PROBED, base, i * each, interleaved ? as_q(t, x, x->v[i]) : x->v[i]);
    write_back(t, base, x->count * each);
}

/* LD1 to LD4 and ST1 to ST4 of whole registers: the opcode in bits 15 to 12 says how many, and
 * whether they are interleaved. */
LIFT(simd_structures)
{
    static const uint8_t counts[16] = {
        [0] = 4, [2] = 4, [4] = 3, [6] = 3, [7] = 1, [8] = 2, [10] = 2};
    unsigned opcode = a64_field(t->word, 12, 4);
    bool interleaved = opcode == 0 || opcode == 4 || opcode == 8;
    struct structures x = {.count = counts[opcode],
                           .q = a64_field(t->word, 30, 1),
                           .loads = a64_field(t->word, 22, 1),
                           .size = a64_field(t->word, 10, 2)};
    ir_value base;

    if (!a64_fp_access(t))
        return;
    if (x.count == 0 || (interleaved && x.size == 3 && !x.q)) {
        a64_undefined(t);
        return;
    }
    base = a64_get_xsp(t, a64_rn(t->word));
    if (x.loads)
        load_all(t, &x, interleaved, base);
    else
        store_all(t, &x, interleaved, base);
}

/* ---- Single elements of each register ---- */

/* Which element: Q:S:size without the bits that the size takes. False: there is no such
 * instruction. */
static bool element_of(const struct a64_lift *t, unsigned *size, unsigned *index)
{
    unsigned scale = a64_field(t->word, 14, 2), low = a64_field(t->word, 10, 2);
    unsigned all = a64_field(t->word, 30, 1) << 3 | a64_field(t->word, 12, 1) << 2 | low;

    *size = scale;
    *index = all >> scale;
    if (scale == 1)
        return !(low & 1);
    if (scale == 2 && low == 1) {
        *size = 3;
        *index = all >> 3;
        return !a64_field(t->word, 12, 1);
    }
    return scale < 2 || low == 0;
}

/* LD1R to LD4R. */
static void load_replicated(struct a64_lift *t, unsigned count, ir_value base)
{
    enum ir_type type = a64_field(t->word, 30, 1) ? IR_V128 : IR_V64;
    unsigned size = a64_field(t->word, 10, 2);
    ir_value v[REGISTERS];

    for (unsigned i = 0; i < count; i++)
        v[i] = ir_load(t->u, IR_I64, a64_int(size), 0, base, (int64_t)i << size);
    write_back(t, base, count << size);
    for (unsigned i = 0; i < count; i++)
        a64_set_v(t, type, (a64_rd(t->word) + i) & 31,
                  ir_vector(t->u, IR_vsplat, type, a64_int(size), 0, 0, v[i], 0, 0));
}

static void load_elements(struct a64_lift *t, unsigned count, unsigned size, unsigned index,
                          ir_value base)
{
    ir_value v[REGISTERS];

    for (unsigned i = 0; i < count; i++)
        v[i] = ir_load(t->u, IR_I64, a64_int(size), 0, base, (int64_t)i << size);
    write_back(t, base, count << size);
    for (unsigned i = 0; i < count; i++) {
        unsigned n = (a64_rd(t->word) + i) & 31;

        a64_set_q(t, n,
                  ir_vector(t->u, IR_vinsert, IR_V128, a64_int(size), 0, index, a64_get_q(t, n),
                            v[i], 0));
    }
}

static void store_elements(struct a64_lift *t, unsigned count, unsigned size, unsigned index,
                           ir_value base)
{
    probe(t, base, 0, count << size);
    for (unsigned i = 0; i < count; i++) {
        ir_value v =
            ir_append(t->u, &(struct ir_op){.code = IR_vlane,
                                            .attr = (uint8_t)a64_int(size),
                                            .imm = index,
                                            .arg = {a64_get_q(t, (a64_rd(t->word) + i) & 31)}});

        ir_store(t->u, IR_I64, a64_int(size), IR_PROBED, base, (int64_t)i << size, v);
    }
    write_back(t, base, count << size);
}

LIFT(simd_elements)
{
    unsigned count = (a64_field(t->word, 13, 1) << 1 | a64_field(t->word, 21, 1)) + 1, size, index;
    bool loads = a64_field(t->word, 22, 1), replicates = a64_field(t->word, 14, 2) == 3;
    ir_value base;

    if (!a64_fp_access(t))
        return;
    if (replicates ? !loads || a64_field(t->word, 12, 1) : !element_of(t, &size, &index)) {
        a64_undefined(t);
        return;
    }
    base = a64_get_xsp(t, a64_rn(t->word));
    if (replicates)
        load_replicated(t, count, base);
    else if (loads)
        load_elements(t, count, size, index, base);
    else
        store_elements(t, count, size, index, base);
}
