/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Between the files that lift FP and Advanced SIMD: registers, shapes, rounding. */
#ifndef ARCH_AARCH64_GUEST_LIFT_VECTOR_H
#define ARCH_AARCH64_GUEST_LIFT_VECTOR_H

#include "arch/aarch64/guest/lift.h"

/* How an instruction looks at its registers: as vectors of 64 or 128 bits, or at their lowest
 * element alone, which makes zeros of the others. */
struct a64_shape {
    bool scalar, q;
    enum ir_type type;    /* of the vectors */
    enum ir_type element; /* as an integer; f32 or f64 after a64_shape_fp() */
    unsigned size;        /* log2 of its bytes */
    uint8_t lane0;        /* IR_V_LANE0 or 0 */
};

static inline enum ir_type a64_int(unsigned size)
{
    return IR_I8 + size;
}

/* Bit 28 tells scalars, bit 30 Q, bits 23 and 22 the size. */
static inline struct a64_shape a64_shape(const struct a64_lift *t)
{
    bool scalar = a64_field(t->word, 28, 1), q = a64_field(t->word, 30, 1);
    unsigned size = a64_field(t->word, 22, 2);

    return (struct a64_shape){.scalar = scalar,
                              .q = q,
                              .type = scalar || q ? IR_V128 : IR_V64,
                              .element = a64_int(size),
                              .size = size,
                              .lane0 = scalar ? IR_V_LANE0 : 0};
}

/* ... of f32 or f64 by bit 22. */
static inline struct a64_shape a64_shape_fp(const struct a64_lift *t)
{
    struct a64_shape s = a64_shape(t);

    s.size = 2 + a64_field(t->word, 22, 1);
    s.element = s.size == 3 ? IR_F64 : IR_F32;
    return s;
}

/* False: the unit has ended. Elements of 64 bits need Q; `sizes`: what else is allowed, as bits. */
bool a64_shape_allowed(struct a64_lift *t, const struct a64_shape *s, unsigned sizes);

static inline ir_value a64_get_q(struct a64_lift *t, unsigned n)
{
    return ir_get(t->u, A64_SLOT_V0 + n);
}

static inline void a64_set_q(struct a64_lift *t, unsigned n, ir_value v)
{
    ir_set(t->u, A64_SLOT_V0 + n, v);
}

/* The lower or upper half. */
static inline ir_value a64_half(struct a64_lift *t, ir_value v, bool high)
{
    return ir_vector(t->u, IR_vhalf, IR_V64, IR_I64, high ? IR_V_HIGH : 0, 0, v, 0, 0);
}

/* Register n as a vector of that type. */
static inline ir_value a64_get_v(struct a64_lift *t, enum ir_type type, unsigned n)
{
    ir_value v = a64_get_q(t, n);

    return type == IR_V64 ? a64_half(t, v, false) : v;
}

/* The upper half of a register becomes zeros when the vector has 64 bits. */
static inline void a64_set_v(struct a64_lift *t, enum ir_type type, unsigned n, ir_value v)
{
    a64_set_q(t, n, type == IR_V64 ? ir_op1(t->u, IR_vzext, IR_V128, v) : v);
}

/* Scalars of f32 and f64. */
static inline ir_value a64_get_f(struct a64_lift *t, enum ir_type type, unsigned n)
{
    return ir_op1(t->u, IR_vscalar, type, a64_get_q(t, n));
}

static inline void a64_set_f(struct a64_lift *t, enum ir_type type, unsigned n, ir_value v)
{
    a64_set_q(t, n, ir_convert(t->u, IR_vfrom, IR_V128, type, v));
}

/* FPCR's rounding, and its modes as IR_FP_ bits. */
enum ir_round a64_rounding(const struct a64_lift *t);
static inline uint8_t a64_fp_modes(const struct a64_lift *t)
{
    return (t->u->mode & A64_MODE_FZ ? IR_FP_FLUSH : 0) |
           (t->u->mode & A64_MODE_DN ? IR_FP_DEFAULT_NAN : 0);
}

static inline uint8_t a64_fp_attr(const struct a64_lift *t)
{
    return (uint8_t)a64_rounding(t) | a64_fp_modes(t);
}

/* Operations of the shape: on elements (integer ones with flags, floating-point ones with the
 * modes); of whole vectors; both kinds of constants. */
static inline ir_value a64_v3(struct a64_lift *t, const struct a64_shape *s, enum ir_code code,
                              uint8_t flags, int64_t imm, ir_value a, ir_value b, ir_value c)
{
    return ir_vector(t->u, code, s->type, s->element, flags | s->lane0, imm, a, b, c);
}

static inline ir_value a64_v2(struct a64_lift *t, const struct a64_shape *s, enum ir_code code,
                              uint8_t flags, ir_value a, ir_value b)
{
    return a64_v3(t, s, code, flags, 0, a, b, 0);
}

static inline ir_value a64_v1(struct a64_lift *t, const struct a64_shape *s, enum ir_code code,
                              uint8_t flags, int64_t imm, ir_value a)
{
    return a64_v3(t, s, code, flags, imm, a, 0, 0);
}

static inline ir_value a64_bits(struct a64_lift *t, const struct a64_shape *s, enum ir_code code,
                                ir_value a, ir_value b)
{
    return ir_op2(t->u, code, s->type, a, b);
}

static inline ir_value a64_splat(struct a64_lift *t, const struct a64_shape *s, uint64_t v)
{
    return ir_vector(t->u, IR_vsplat, s->type, a64_int(s->size), 0, 0, a64_imm(t, v), 0, 0);
}

#endif
