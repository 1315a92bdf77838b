/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The vector instructions of riscv64 guests in C: what units do not do inline, and the meaning of
 * what they do (RISC-V Unprivileged ISA 20240411, chapter 30). vector.c says what is legal and
 * where to go, vector_int.c, vector_fp.c, vector_memory.c and vector_move.c do it.
 *
 * VLEN is 128. What the tail and mask policies leave open stays undisturbed.
 */
#ifndef ARCH_RISCV64_GUEST_VECTOR_H
#define ARCH_RISCV64_GUEST_VECTOR_H

#include "arch/riscv64/guest/lift.h"
#include "dbt/softfloat.h"

#include <string.h>

/* Which operands an instruction has, and how wide (EEW) they are. SEW unless said. */
enum rv_vector_shape {
    RV_SHAPE_NONE, /* no vector instruction */
    RV_SHAPE_CONFIG,
    RV_SHAPE_LOAD,
    RV_SHAPE_STORE,
    RV_SHAPE_INT,        /* vd, vs2, source */
    RV_SHAPE_WIDE,       /* vd of 2 SEW */
    RV_SHAPE_WIDE_FIRST, /* vd and vs2 of 2 SEW */
    RV_SHAPE_NARROW,     /* vs2 of 2 SEW */
    RV_SHAPE_EXTEND,     /* vs2 of SEW / 2, 4 or 8 */
    RV_SHAPE_CARRY,      /* v0 is one more operand */
    RV_SHAPE_CARRY_OUT,  /* the same, and vd a mask */
    RV_SHAPE_MERGE,
    RV_SHAPE_MOVE,
    RV_SHAPE_COMPARE, /* vd a mask */
    RV_SHAPE_FLOAT,
    RV_SHAPE_FWIDE,
    RV_SHAPE_FWIDE_FIRST,
    RV_SHAPE_FCOMPARE,
    RV_SHAPE_FCONVERT_WIDE,
    RV_SHAPE_FCONVERT_NARROW,
    RV_SHAPE_REDUCE,      /* vd and vs1 one element */
    RV_SHAPE_REDUCE_WIDE, /* of 2 SEW */
    RV_SHAPE_FREDUCE,
    RV_SHAPE_FREDUCE_WIDE,
    RV_SHAPE_MASKS, /* all masks */
    RV_SHAPE_MASK_TO_X,
    RV_SHAPE_MASK_SET,
    RV_SHAPE_IOTA,
    RV_SHAPE_IDENTITY,
    RV_SHAPE_TO_X,
    RV_SHAPE_TO_F,
    RV_SHAPE_FROM_SCALAR,
    RV_SHAPE_SLIDE_UP,
    RV_SHAPE_SLIDE_DOWN,
    RV_SHAPE_SLIDE1_UP,
    RV_SHAPE_SLIDE1_DOWN,
    RV_SHAPE_GATHER,
    RV_SHAPE_GATHER16,
    RV_SHAPE_COMPRESS,
    RV_SHAPE_WHOLE, /* registers, whatever vl */
};

enum rv_vector_op {
    RVO_NONE,
    /* memory */
    RVO_UNIT,
    RVO_FAULT_FIRST,
    RVO_STRIDED,
    RVO_INDEXED,
    RVO_MASK,
    RVO_WHOLE,
    /* integers */
    RVO_ADD,
    RVO_SUB,
    RVO_RSUB,
    RVO_MINU,
    RVO_MIN,
    RVO_MAXU,
    RVO_MAX,
    RVO_AND,
    RVO_OR,
    RVO_XOR,
    RVO_SLL,
    RVO_SRL,
    RVO_SRA,
    RVO_MUL,
    RVO_MULH,
    RVO_MULHU,
    RVO_MULHSU,
    RVO_DIV,
    RVO_DIVU,
    RVO_REM,
    RVO_REMU,
    RVO_MADD,
    RVO_NMSUB,
    RVO_MACC,
    RVO_NMSAC,
    RVO_ANDN,
    RVO_ROL,
    RVO_ROR,
    RVO_BREV, /* of one operand, to RVO_POPCOUNT */
    RVO_BREV8,
    RVO_REV8,
    RVO_CLZ,
    RVO_CTZ,
    RVO_POPCOUNT,
    /* fixed point */
    RVO_SADDU,
    RVO_SADD,
    RVO_SSUBU,
    RVO_SSUB,
    RVO_SMUL,
    RVO_SSRL,
    RVO_SSRA,
    RVO_CLIPU,
    RVO_CLIP,
    RVO_AADDU,
    RVO_AADD,
    RVO_ASUBU,
    RVO_ASUB,
    /* comparisons */
    RVO_EQ,
    RVO_NE,
    RVO_LTU,
    RVO_LT,
    RVO_LEU,
    RVO_LE,
    RVO_GTU,
    RVO_GT,
    RVO_GE,
    /* floating point */
    RVO_FADD,
    RVO_FSUB,
    RVO_FRSUB,
    RVO_FMUL,
    RVO_FDIV,
    RVO_FRDIV,
    RVO_FMIN,
    RVO_FMAX,
    RVO_FSGNJ,
    RVO_FSGNJN,
    RVO_FSGNJX,
    RVO_FMADD,
    RVO_FNMADD,
    RVO_FMSUB,
    RVO_FNMSUB,
    RVO_FMACC,
    RVO_FNMACC,
    RVO_FMSAC,
    RVO_FNMSAC,
    RVO_FSQRT,
    RVO_FRSQRT7,
    RVO_FREC7,
    RVO_FCLASS,
    RVO_FTOU,
    RVO_FTOI,
    RVO_UTOF,
    RVO_ITOF,
    RVO_FTOF,
    /* masks */
    RVO_MAND,
    RVO_MANDN,
    RVO_MOR,
    RVO_MORN,
    RVO_MXOR,
    RVO_MXNOR,
    RVO_MNAND,
    RVO_MNOR,
    RVO_CPOP,
    RVO_FIRST,
    RVO_BEFORE,
    RVO_ONLY,
    RVO_INCLUDING,
};
#define RVO_CODE     0xff
#define RVO_SIGNED_A 0x100 /* vs2 is signed, when it is widened */
#define RVO_SIGNED_B 0x200 /* so is the source */
#define RVO_SIGNED   (RVO_SIGNED_A | RVO_SIGNED_B)
#define RVO_ZERO     0x400 /* rounds towards zero */
#define RVO_ODD      0x800 /* to odd */

struct rv_vector_insn {
    uint8_t shape;
    uint16_t op;
};
extern const struct rv_vector_insn rv_vector_insns[RV_INSN_COUNT];

/* vtype (30.3.4). */
#define RV_VTYPE_LMUL(vtype) ((int)((vtype & 7) ^ 4) - 4) /* log2 */
#define RV_VTYPE_SEW(vtype)  ((unsigned)(vtype) >> 3 & 7) /* log2 of bytes */
#define RV_VTYPE_ILL         BIT(63)
#define RV_VLENB             16u
#define RV_VSTART_MASK       127ULL /* VLEN - 1 */
/* Elements of a register group; 0: the type is not supported. */
unsigned rv_vlmax(uint64_t vtype);
/* rv_frame.vconfig of that state. */
uint64_t rv_vconfig(uint64_t vtype, uint64_t vl, uint64_t vstart);

/* Sets what the frame holds of vectors but the registers; whatever `s` says, it is well-formed. */
struct rv_vector_state {
    uint64_t vtype, vl, vstart, vxrm;
};
void rv_vector_enter(struct rv_frame *r, const struct rv_vector_state *s);

/* An instruction at work. */
struct rv_vector {
    struct dbt_frame *f;
    struct rv_frame *r;
    uint32_t word, mode;
    enum rv_insn_id id;
    enum rv_vector_shape shape;
    unsigned op; /* enum rv_vector_op and bits */
    unsigned vd, vs1, vs2;
    bool vm;            /* not masked */
    unsigned sew;       /* log2 of bytes */
    int lmul;           /* log2 */
    uint64_t vl, start; /* elements: start to vl - 1 are done */
    struct sf_env env;
};

/* What became of it. When it faulted frame->fault is filled and vstart set. */
enum rv_vector_result { RV_VECTOR_DONE, RV_VECTOR_ILLEGAL, RV_VECTOR_FAULTED };

/* Carries out the vector instruction `word` in the state of the frame, but for the step to the
 * next one. `mode`: block mode word, with sstatus.VS and FS and the rounding mode. */
enum rv_vector_result rv_vector_execute(struct dbt_frame *f, uint32_t word, uint32_t mode);

/* Is it one of these? One that uses floating-point registers or flags? */
bool rv_is_vector(uint32_t word);
bool rv_vector_is_float(uint32_t word);

/* Is it legal, with that type, vstart 0 and the block mode word? */
bool rv_vector_is_legal(uint32_t word, uint32_t mode, uint64_t vtype);

/* ---- For the files that do it ---- */

static inline uint8_t *rv_v(struct rv_vector *v, unsigned n)
{
    return (uint8_t *)v->r->v + (size_t)n * RV_VLENB;
}

/* Element i of the group at register n, of 1 << size bytes. */
static inline uint64_t rv_v_get(struct rv_vector *v, unsigned n, unsigned size, uint64_t i)
{
    const uint8_t *from = rv_v(v, n) + (i << (size & 3));
    uint64_t e = 0;

    switch (size & 3) {
    case 0:
        return *from;
    case 1:
        memcpy(&e, from, 2);
        return e;
    case 2:
        memcpy(&e, from, 4);
        return e;
    default:
        memcpy(&e, from, 8);
        return e;
    }
}

static inline void rv_v_put(struct rv_vector *v, unsigned n, unsigned size, uint64_t i, uint64_t e)
{
    size &= 3;
    memcpy(rv_v(v, n) + (i << size), &e, (size_t)1 << size);
}

static inline bool rv_v_bit(struct rv_vector *v, unsigned n, uint64_t i)
{
    return rv_v(v, n)[i / 8] >> (i % 8) & 1;
}

static inline void rv_v_put_bit(struct rv_vector *v, unsigned n, uint64_t i, bool bit)
{
    uint8_t *p = rv_v(v, n) + i / 8;

    *p = (uint8_t)((*p & ~(1u << (i % 8))) | (unsigned)bit << (i % 8));
}

static inline bool rv_v_active(struct rv_vector *v, uint64_t i)
{
    return v->vm || rv_v_bit(v, 0, i);
}

static inline int64_t rv_v_signed(unsigned size, uint64_t e)
{
    unsigned shift = 64 - (8u << (size & 3));

    return (int64_t)(e << shift) >> shift;
}

/* IR_FMA_ bits of RVO_FMADD to RVO_FNMSAC. */
unsigned rv_v_negations(unsigned op);

/* Is the source a vector, vs1? */
bool rv_v_has_vs1(const struct rv_vector *v);
/* Else it is this: x[rs1] or the immediate cut to `size`, or f[rs1] unboxed. */
uint64_t rv_v_scalar(struct rv_vector *v, unsigned size);

void rv_vector_int(struct rv_vector *v);
void rv_vector_float(struct rv_vector *v);
void rv_vector_move(struct rv_vector *v);
enum rv_vector_result rv_vector_memory(struct rv_vector *v);
bool rv_vector_memory_is_legal(const struct rv_vector *v);

/* What operands must fulfil (vector.c). `lmul` may be fractional. */
bool rv_v_aligned(unsigned n, int lmul);
bool rv_v_overlap(unsigned a, int a_lmul, unsigned b, int b_lmul);
/* A destination that may overlap a narrower source at its end (30.5.2). */
bool rv_v_apart(unsigned dst, int dst_lmul, unsigned src, int src_lmul);

#endif
