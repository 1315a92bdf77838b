/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Between the files that emit vector operations: their registers, and SSE and AVX encodings (Intel
 * SDM volume 2). */
#ifndef ARCH_X86_64_EMIT_VECTOR_H
#define ARCH_X86_64_EMIT_VECTOR_H

#include "arch/x86_64/emit/emit.h"

#define SSE2(op)  (0x0f00u | (op) | P66)
#define SSE38(op) (0x0f3800u | (op) | P66)
#define SSE3A(op) (0x0f3a00u | (op) | P66)
#define PLAIN(op) (0x0f00u | (op))
#define SHA38(op) (0x0f3800u | (op))

enum vector_opcode {
    OP_PUNPCKLBW = SSE2(0x60),
    OP_PUNPCKLWD = SSE2(0x61),
    OP_PUNPCKLDQ = SSE2(0x62),
    OP_PACKSSWB = SSE2(0x63),
    OP_PCMPGTB = SSE2(0x64),
    OP_PCMPGTW = SSE2(0x65),
    OP_PCMPGTD = SSE2(0x66),
    OP_PACKUSWB = SSE2(0x67),
    OP_PUNPCKHBW = SSE2(0x68),
    OP_PUNPCKHWD = SSE2(0x69),
    OP_PUNPCKHDQ = SSE2(0x6a),
    OP_PACKSSDW = SSE2(0x6b),
    OP_PUNPCKLQDQ = SSE2(0x6c),
    OP_PUNPCKHQDQ = SSE2(0x6d),
    OP_PSHUFD = SSE2(0x70),
    OP_PSHUFLW = PLAIN(0x70) | PF2,
    OP_PSHUFHW = PLAIN(0x70) | PF3,
    OP_PSHIFT_W = SSE2(0x71),
    OP_PSHIFT_D = SSE2(0x72),
    OP_PSHIFT_Q = SSE2(0x73),
    OP_PCMPEQB = SSE2(0x74),
    OP_PCMPEQW = SSE2(0x75),
    OP_PCMPEQD = SSE2(0x76),
    OP_PINSRW = SSE2(0xc4),
    OP_PEXTRW = SSE2(0xc5),
    OP_SHUFPS = PLAIN(0xc6),
    OP_SHUFPD = SSE2(0xc6),
    OP_PADDQ = SSE2(0xd4),
    OP_PMULLW = SSE2(0xd5),
    OP_PMOVMSKB = SSE2(0xd7),
    OP_PSUBUSB = SSE2(0xd8),
    OP_PSUBUSW = SSE2(0xd9),
    OP_PMINUB = SSE2(0xda),
    OP_PAND = SSE2(0xdb),
    OP_PADDUSB = SSE2(0xdc),
    OP_PADDUSW = SSE2(0xdd),
    OP_PMAXUB = SSE2(0xde),
    OP_PANDN = SSE2(0xdf),
    OP_PAVGB = SSE2(0xe0),
    OP_PAVGW = SSE2(0xe3),
    OP_PMULHW = SSE2(0xe5),
    OP_PSUBSB = SSE2(0xe8),
    OP_PSUBSW = SSE2(0xe9),
    OP_PMINSW = SSE2(0xea),
    OP_POR = SSE2(0xeb),
    OP_PADDSB = SSE2(0xec),
    OP_PADDSW = SSE2(0xed),
    OP_PMAXSW = SSE2(0xee),
    OP_PXOR = SSE2(0xef),
    OP_PMULUDQ = SSE2(0xf4),
    OP_PMADDWD = SSE2(0xf5),
    OP_PSUBB = SSE2(0xf8),
    OP_PSUBW = SSE2(0xf9),
    OP_PSUBD = SSE2(0xfa),
    OP_PSUBQ = SSE2(0xfb),
    OP_PADDB = SSE2(0xfc),
    OP_PADDW = SSE2(0xfd),
    OP_PADDD = SSE2(0xfe),
    OP_PSHUFB = SSE38(0x00),
    OP_PMULHRSW = SSE38(0x0b),
    OP_VCVTPH2PS = SSE38(0x13),
    OP_PABSB = SSE38(0x1c),
    OP_PABSW = SSE38(0x1d),
    OP_PABSD = SSE38(0x1e),
    OP_PMOVSXBW = SSE38(0x20),
    OP_PMOVSXBD = SSE38(0x21),
    OP_PMOVSXWD = SSE38(0x23),
    OP_PMOVSXDQ = SSE38(0x25),
    OP_PMULDQ = SSE38(0x28),
    OP_PCMPEQQ = SSE38(0x29),
    OP_PACKUSDW = SSE38(0x2b),
    OP_PMOVZXBW = SSE38(0x30),
    OP_PMOVZXBD = SSE38(0x31),
    OP_PMOVZXWD = SSE38(0x33),
    OP_PMOVZXDQ = SSE38(0x35),
    OP_PCMPGTQ = SSE38(0x37),
    OP_PMINSB = SSE38(0x38),
    OP_PMINSD = SSE38(0x39),
    OP_PMINUW = SSE38(0x3a),
    OP_PMINUD = SSE38(0x3b),
    OP_PMAXSB = SSE38(0x3c),
    OP_PMAXSD = SSE38(0x3d),
    OP_PMAXUW = SSE38(0x3e),
    OP_PMAXUD = SSE38(0x3f),
    OP_PMULLD = SSE38(0x40),
    OP_VPSRLVD = SSE38(0x45), /* W: of 64 bits */
    OP_VPSRAVD = SSE38(0x46),
    OP_VPSLLVD = SSE38(0x47),
    OP_VPBROADCASTB = SSE38(0x78),
    OP_VPBROADCASTW = SSE38(0x79),
    OP_AESIMC = SSE38(0xdb),
    OP_AESENC = SSE38(0xdc),
    OP_AESENCLAST = SSE38(0xdd),
    OP_AESDEC = SSE38(0xde),
    OP_AESDECLAST = SSE38(0xdf),
    OP_ROUNDPS = SSE3A(0x08),
    OP_ROUNDPD = SSE3A(0x09),
    OP_PALIGNR = SSE3A(0x0f),
    OP_PEXTRB = SSE3A(0x14),
    OP_PEXTRD = SSE3A(0x16), /* W: of 64 bits */
    OP_PINSRB = SSE3A(0x20),
    OP_INSERTPS = SSE3A(0x21),
    OP_PINSRD = SSE3A(0x22),
    OP_VCVTPS2PH = SSE3A(0x1d), /* to its second operand */
    OP_PCLMULQDQ = SSE3A(0x44),
    OP_MOVMSKPS = PLAIN(0x50), /* P66: of f64, as all below */
    OP_SQRTPS = PLAIN(0x51),
    OP_ANDPS_ = PLAIN(0x54),
    OP_ADDPS = PLAIN(0x58),
    OP_MULPS = PLAIN(0x59),
    OP_CVTPS2PD = PLAIN(0x5a),
    OP_CVTPD2PS = SSE2(0x5a),
    OP_CVTDQ2PS = PLAIN(0x5b),
    OP_CVTPS2DQ = SSE2(0x5b),
    OP_CVTTPS2DQ = PLAIN(0x5b) | PF3,
    OP_SUBPS = PLAIN(0x5c),
    OP_MINPS = PLAIN(0x5d),
    OP_DIVPS = PLAIN(0x5e),
    OP_MAXPS = PLAIN(0x5f),
    OP_CMPPS = PLAIN(0xc2),
    OP_SHA1RNDS4 = 0x0f3accu,
    OP_SHA256RNDS2 = SHA38(0xcb), /* its third operand is xmm0 */
    OP_SHA256MSG1 = SHA38(0xcc),
    OP_SHA256MSG2 = SHA38(0xcd),
};

/* /digit of OP_PSHIFT_*. */
enum v_shift_digit { V_SRL = 2, V_SRL_BYTES = 3, V_SRA = 4, V_SLL = 6, V_SLL_BYTES = 7 };

/* What an operation works with: the result's register is none of the operands'. */
struct v_work {
    struct operand in[3];
    unsigned d, t[2];
};

/* Takes the registers of operation `i`, with up to two more as temporaries. */
void v_begin(struct emitter *e, unsigned i, unsigned temporaries, struct v_work *w);
/* With two, of which the first is xmm0. */
void v_begin_xmm0(struct emitter *e, unsigned i, struct v_work *w);
struct operand v_reg(unsigned reg);
/* d = a op b; d is not b */
void v_op(struct emitter *e, unsigned op, unsigned d, unsigned a, struct operand b);
void v_binary(struct emitter *e, unsigned op, unsigned d, struct operand a, struct operand b);
/* d = op a, or d = d op a */
void v_unary(struct emitter *e, unsigned op, unsigned d, struct operand a);
void v_mask(struct emitter *e, unsigned op, unsigned d, enum emit_mask mask);
/* All 16 bytes. */
void v_load(struct emitter *e, unsigned reg, struct operand o);
/* `size`: log2 of an element's bytes, from 1 on */
void v_shift(struct emitter *e, unsigned size, enum v_shift_digit digit, unsigned d,
             unsigned count);

/* The instruction for elements of 1, 2, 4 and 8 bytes; 0: there is none. */
struct v_by_size {
    uint32_t op[4];
};
extern const struct v_by_size v_sum, v_difference, v_equal, v_greater;

static inline unsigned v_log2(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes);
}

/* log2 of the bytes of an element */
static inline unsigned v_element(const struct ir_op *o)
{
    return v_log2(ir_type_size(o->attr));
}

/* d = a shifted */
void v_copy_shift(struct emitter *e, unsigned size, enum v_shift_digit digit, unsigned d,
                  struct operand a, unsigned count);
void v_zeros(struct emitter *e, unsigned reg);
void v_ones(struct emitter *e, unsigned reg);
/* Of an operation on the lowest element: what is above it becomes 0. */
void v_lane0(struct emitter *e, const struct ir_op *o, unsigned d);
void v_keep_bytes(struct emitter *e, unsigned d, unsigned bytes);
/* Bytes of the result that mean something. */
unsigned v_bytes_of(const struct ir_op *o);
/* Elements of 4 and 8 bytes become their sign everywhere. */
void v_spread_sign(struct emitter *e, unsigned size, unsigned d);
/* d = t where the mask has ones; t changes. */
void v_choose(struct emitter *e, unsigned d, unsigned mask, unsigned t);
/* Notes saturation where the mask's first `bytes` bytes have ones. Uses general register r. */
void v_note_mask(struct emitter *e, unsigned mask, unsigned bytes, unsigned r);

bool emit_vector_saturating(struct emitter *e, unsigned i);
bool emit_vector_shift(struct emitter *e, unsigned i);
bool emit_vector_integer(struct emitter *e, unsigned i);
bool emit_vector_place(struct emitter *e, unsigned i);
bool emit_vector_fp(struct emitter *e, unsigned i);
bool emit_vector_estimate(struct emitter *e, unsigned i);
bool emit_vector_crypto(struct emitter *e, unsigned i);

#endif
