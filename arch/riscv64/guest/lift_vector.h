/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Between the files that lift vector instructions. What is inline holds for vl = VLMAX, vstart = 0
 * and a vtype that is known when the unit is made: by a vset{i}vl{i} above it in the unit, or as a
 * guess by the state at the unit's beginning. A comparison of the slot `vconfig` with the constant
 * proves it, once for all instructions that follow; where it fails the instruction is done in C.
 */
#ifndef ARCH_RISCV64_GUEST_LIFT_VECTOR_H
#define ARCH_RISCV64_GUEST_LIFT_VECTOR_H

#include "arch/riscv64/guest/vector.h"

#define RVL_REGISTERS 8

/* A vector instruction being lifted. */
struct rvl {
    struct rv_lift *t;
    struct ir_unit *u;
    enum rv_insn_id id;
    enum rv_vector_shape shape;
    unsigned op; /* enum rv_vector_op */
    bool is_signed_a, is_signed_b;
    unsigned vd, vs1, vs2;
    bool vm;
    unsigned sew; /* log2 of bytes */
    int lmul;     /* log2 */
    unsigned vlmax;
    ir_value mask[2];                  /* v0, 64 bits each, when there is one */
    ir_value result[2][RVL_REGISTERS]; /* what goes to vd when all are done */
};

static inline enum ir_type rvl_int(unsigned size)
{
    return (enum ir_type)(IR_I8 + size);
}

static inline unsigned rvl_registers(int lmul)
{
    return lmul > 0 ? 1u << lmul : 1;
}

static inline ir_value rvl_get(struct rvl *v, unsigned n)
{
    return ir_get(v->u, RV_SLOT_V0 + n);
}

static inline ir_value rvl_imm(struct rvl *v, uint64_t c)
{
    return ir_const(v->u, IR_I64, (int64_t)c);
}

/* Operations on vectors of 128 bits with elements of 1 << size bytes. */
static inline ir_value rvl_v2(struct rvl *v, enum ir_code code, unsigned size, uint8_t flags,
                              ir_value a, ir_value b)
{
    return ir_vector(v->u, code, IR_V128, rvl_int(size), flags, 0, a, b, 0);
}

static inline ir_value rvl_bits(struct rvl *v, enum ir_code code, ir_value a, ir_value b)
{
    return ir_op2(v->u, code, IR_V128, a, b);
}

static inline ir_value rvl_int2(struct rvl *v, enum ir_code code, ir_value a, ir_value b)
{
    return ir_op2(v->u, code, IR_I64, a, b);
}

static inline ir_value rvl_half(struct rvl *v, ir_value a, bool high)
{
    return ir_vector(v->u, IR_vhalf, IR_V64, IR_I64, high ? IR_V_HIGH : 0, 0, a, 0, 0);
}

static inline ir_value rvl_lane(struct rvl *v, ir_value a, unsigned size, unsigned lane)
{
    return ir_vector(v->u, IR_vlane, IR_VOID, rvl_int(size), 0, lane, a, 0, 0);
}

/* The source that is no register of vectors in each element. */
ir_value rvl_scalar(struct rvl *v, unsigned size);
/* All ones where elements of register k are active. */
ir_value rvl_active(struct rvl *v, unsigned k, unsigned size);
/* What a comparison found, all ones or 0 in each element, as bits of a mask from `first` on. */
void rvl_collect(struct rvl *v, ir_value bits[2], unsigned first, unsigned size, ir_value found);
/* Sets register k of vd's group, whose elements have 1 << size bytes, where mask and VLMAX let it;
 * the group has LMUL 2^lmul. */
void rvl_put(struct rvl *v, unsigned k, unsigned size, int lmul, ir_value value);
/* Bits of a mask, 64 in each, to vd. */
void rvl_put_mask(struct rvl *v, const ir_value bits[2]);

/* False: nothing was appended, and C does it. */
bool rvl_integer(struct rvl *v);
bool rvl_float(struct rvl *v);
bool rvl_move(struct rvl *v);

#endif
