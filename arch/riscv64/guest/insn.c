/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The decoder of riscv64 instructions: the table, looked up by major opcode and function. */
#include "arch/riscv64/guest/insn.h"

const struct rv_insn rv_insns[RV_INSN_COUNT] = {
#define RV(name_, format_, mask_, match_, extension_)   \
    [RV_INSN_##name_] = {.name = #name_,                \
                         .mask = (mask_),               \
                         .match = (match_),             \
                         .format = RV_FORMAT_##format_, \
                         .extension = RV_EXT_##extension_},
#include "arch/riscv64/guest/insns.def"
};

#define BUCKETS 256 /* major opcode (bits 6 to 2) and funct3 */

/* What decoding looks at, side by side. */
struct candidate {
    uint32_t mask, match;
    uint16_t id;
    uint8_t extension;
};

static struct candidate candidates[3 * RV_INSN_COUNT + 8 * 96];
static uint16_t bucket_start[BUCKETS + 1];
static uint32_t buckets_built;

static unsigned bucket_of(uint32_t word)
{
    return (word >> 2 & 31) | (word >> 12 & 7) << 5;
}

/* Could a word of bucket `b` be `insn`? */
static bool belongs(const struct rv_insn *insn, unsigned b)
{
    uint32_t word = (b & 31) << 2 | 3 | (b >> 5) << 12;

    return ((word ^ insn->match) & insn->mask & 0x707f) == 0;
}

/* Several may do it at once: all write the same. */
static void build_buckets(void)
{
    unsigned used = 0;

    for (unsigned b = 0; b < BUCKETS; b++) {
        bucket_start[b] = (uint16_t)used;
        for (unsigned i = 0; i < RV_INSN_COUNT && used < ARRAY_SIZE(candidates); i++)
            if (belongs(&rv_insns[i], b))
                candidates[used++] = (struct candidate){rv_insns[i].mask, rv_insns[i].match,
                                                        (uint16_t)i, rv_insns[i].extension};
    }
    bucket_start[BUCKETS] = (uint16_t)used;
    __atomic_store_n(&buckets_built, 1, __ATOMIC_RELEASE);
}

enum rv_insn_id rv_decode(uint32_t word, uint64_t extensions)
{
    unsigned b = bucket_of(word);

    if ((word & 3) != 3)
        return RV_INSN_ILLEGAL;
    if (unlikely(!__atomic_load_n(&buckets_built, __ATOMIC_ACQUIRE)))
        build_buckets();
    for (unsigned i = bucket_start[b]; i < bucket_start[b + 1]; i++) {
        const struct candidate *insn = &candidates[i];

        if ((word & insn->mask) == insn->match)
            return extensions & BIT(insn->extension) ? insn->id : RV_INSN_ILLEGAL;
    }
    return RV_INSN_ILLEGAL;
}

/* ---- Compressed instructions ---- */

#define X_RA 1
#define X_SP 2

/* Bits hi to lo of the instruction, moved to `to`. */
#define C_BITS(hi, lo, to) (((c >> (lo)) & ((1u << ((hi) - (lo) + 1)) - 1)) << (to))
#define C_SIGNED(v, bits)  ((int32_t)((uint32_t)(v) << (32 - (bits))) >> (32 - (bits)))
#define C_RD               C_BITS(11, 7, 0)
#define C_RS2              C_BITS(6, 2, 0)
#define C_RS1P             (8 + C_BITS(9, 7, 0))
#define C_RDP              (8 + C_BITS(4, 2, 0)) /* rs2' too */
#define C_IMM6             C_SIGNED(C_BITS(12, 12, 5) | C_BITS(6, 2, 0), 6)
#define C_SHAMT            (C_BITS(12, 12, 5) | C_BITS(6, 2, 0))
#define C_UIMM_W           (C_BITS(12, 10, 3) | C_BITS(6, 6, 2) | C_BITS(5, 5, 6))
#define C_UIMM_D           (C_BITS(12, 10, 3) | C_BITS(6, 5, 6))
#define C_UIMM_DSP         (C_BITS(12, 12, 5) | C_BITS(6, 5, 3) | C_BITS(4, 2, 6))
#define C_BRANCH                                                                         \
    C_SIGNED(C_BITS(12, 12, 8) | C_BITS(11, 10, 3) | C_BITS(6, 5, 6) | C_BITS(4, 3, 1) | \
                 C_BITS(2, 2, 5),                                                        \
             9)

static uint32_t encode_i(uint32_t op, uint32_t f3, uint32_t rd, uint32_t rs1, int32_t imm)
{
    return op | rd << 7 | f3 << 12 | rs1 << 15 | (uint32_t)imm << 20;
}

static uint32_t encode_s(uint32_t op, uint32_t f3, uint32_t rs1, uint32_t rs2, uint32_t imm)
{
    return op | (imm & 31) << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 | (imm >> 5) << 25;
}

static uint32_t encode_b(uint32_t f3, uint32_t rs1, int32_t imm)
{
    uint32_t u = (uint32_t)imm;

    return 0x63 | (u >> 11 & 1) << 7 | (u >> 1 & 15) << 8 | f3 << 12 | rs1 << 15 |
           (u >> 5 & 63) << 25 | (u >> 12 & 1) << 31;
}

static uint32_t encode_j(uint32_t rd, int32_t imm)
{
    uint32_t u = (uint32_t)imm;

    return 0x6f | rd << 7 | (u & 0xff000) | (u >> 11 & 1) << 20 | (u >> 1 & 0x3ff) << 21 |
           (u >> 20 & 1) << 31;
}

#define ENC_R(op, f3, f7, rd, rs1, rs2) \
    ((uint32_t)(op) | (rd) << 7 | (f3) << 12 | (rs1) << 15 | (rs2) << 20 | (uint32_t)(f7) << 25)
#define ENC_I(op, f3, rd, rs1, imm)  encode_i(op, f3, rd, rs1, (int32_t)(imm))
#define ENC_S(op, f3, rs1, rs2, imm) encode_s(op, f3, rs1, rs2, imm)
#define ENC_B(f3, rs1, imm)          encode_b(f3, rs1, imm)
#define ENC_J(rd, imm)               encode_j(rd, imm)

/* Quadrant and funct3: every line of the table knows them. */
#define C_KEY_MASK 0xe003u

/* The lines of one key, which is constant: of the table no others are left. */
static inline __attribute__((always_inline)) uint32_t expand(uint32_t c, uint32_t key)
{
#define RC(name, mask, match, expansion)                                           \
    if (((match)&C_KEY_MASK) == key && (c & (mask)) == (match)) {                  \
        _Static_assert(((mask)&C_KEY_MASK) == C_KEY_MASK, "it has a key: " #name); \
        return expansion;                                                          \
    }
#define RC_RESERVED(mask, match)                                  \
    if (((match)&C_KEY_MASK) == key && (c & (mask)) == (match)) { \
        return 0;                                                 \
    }
#include "arch/riscv64/guest/rvc.def"
    return 0;
}

uint32_t rv_expand(uint16_t compressed)
{
    uint32_t c = compressed;

#define KEY(n) \
    case (n):  \
        return expand(c, (uint32_t)(((n)&7) << 13 | ((n) >> 3 & 3)));
    switch ((c & 3) << 3 | c >> 13) {
        KEY(0)
        KEY(1)
        KEY(2)
        KEY(3)
        KEY(4)
        KEY(5)
        KEY(6)
        KEY(7)
        KEY(8)
        KEY(9)
        KEY(10)
        KEY(11)
        KEY(12)
        KEY(13)
        KEY(14)
        KEY(15)
        KEY(16)
        KEY(17)
        KEY(18)
        KEY(19)
        KEY(20)
        KEY(21)
        KEY(22)
        KEY(23)
    default:
        return 0;
    }
#undef KEY
}
