/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The decoder of aarch64 instructions: the table, looked up by the bits that most lines fix, and
 * what a line's mask cannot say. */
#include "arch/aarch64/guest/insn.h"

const struct a64_insn a64_insns[A64_INSN_COUNT] = {
#define A64(name_, format_, mask_, match_, feature_, lift_) \
    [A64_INSN_##name_] = {.name = #name_,                   \
                          .mask = (mask_),                  \
                          .match = (match_),                \
                          .format = A64_FORMAT_##format_,   \
                          .feature = A64_FEAT_##feature_},
#include "arch/aarch64/guest/insns.def"
#include "arch/aarch64/guest/insns_simd.def"
#undef A64
};

/* ---- Buckets: by bits 31 to 21 ---- */

#define BUCKET_SHIFT   21
#define BUCKETS        (1u << (32 - BUCKET_SHIFT))
#define BUCKET_ENTRIES 32768

static uint16_t bucket_insns[BUCKET_ENTRIES];
static uint16_t bucket_start[BUCKETS + 1];
static uint32_t buckets_built;

/* Could a word of bucket `b` be `insn`? */
static bool belongs(const struct a64_insn *insn, uint32_t b)
{
    return ((b << BUCKET_SHIFT ^ insn->match) & insn->mask) >> BUCKET_SHIFT == 0;
}

/* Several may do it at once: all write the same. */
static void build_buckets(void)
{
    unsigned used = 0;

    for (unsigned b = 0; b < BUCKETS; b++) {
        bucket_start[b] = (uint16_t)used;
        for (unsigned i = 0; i < A64_INSN_COUNT && used < BUCKET_ENTRIES; i++)
            if (belongs(&a64_insns[i], b))
                bucket_insns[used++] = (uint16_t)i;
    }
    bucket_start[BUCKETS] = (uint16_t)used;
    __atomic_store_n(&buckets_built, 1, __ATOMIC_RELEASE);
}

/* ---- What masks do not say ---- */

/* The highest bit of N:NOT(imms) is the size of the element; its bits are imms' low ones, not all
 * set. */
bool a64_bitmask(unsigned n, unsigned imms, unsigned immr, unsigned bits, uint64_t *mask)
{
    unsigned combined = n << 6 | (~imms & 63), length, size, ones, rotation;
    uint64_t element;

    if (combined < 2 || (n && bits == 32))
        return false;
    length = 31 - (unsigned)__builtin_clz(combined);
    size = 1u << length;
    ones = (imms & (size - 1)) + 1;
    rotation = immr & (size - 1);
    if (ones == size)
        return false;
    element = UINT64_MAX >> (64 - ones);
    if (rotation)
        element =
            (element >> rotation | element << (size - rotation)) & (UINT64_MAX >> (64 - size));
    for (; size < bits; size *= 2)
        element |= element << size;
    *mask = element;
    return true;
}

static bool is_legal(const struct a64_insn *insn, uint32_t w)
{
    uint64_t mask;
    unsigned imms = a64_field(w, 10, 6), immr = a64_field(w, 16, 6), n = a64_field(w, 22, 1);

    switch ((enum a64_format)insn->format) {
    case A64_FORMAT_LOGIC_IMM:
        return a64_bitmask(n, imms, immr, a64_sf(w) ? 64 : 32, &mask);
    case A64_FORMAT_MOV_WIDE:
        return a64_sf(w) || a64_field(w, 22, 1) == 0;
    case A64_FORMAT_BITFIELD:
        return n == a64_sf(w) && (a64_sf(w) || (imms < 32 && immr < 32));
    case A64_FORMAT_EXTRACT:
        return n == a64_sf(w) && (a64_sf(w) || imms < 32);
    case A64_FORMAT_ADD:
        return a64_field(w, 22, 2) != 3 && (a64_sf(w) || imms < 32);
    case A64_FORMAT_LOGIC:
        return a64_sf(w) || imms < 32;
    case A64_FORMAT_ADD_EXT:
        return a64_field(w, 10, 3) <= 4;
    case A64_FORMAT_CASP: /* pairs begin at even registers */
        return !(a64_rd(w) & 1) && !(a64_rm(w) & 1);
    case A64_FORMAT_REG: /* option: 32 or 64 bits of index */
        return a64_field(w, 14, 1);
    default:
        return true;
    }
}

enum a64_insn_id a64_decode(uint32_t word, uint64_t features)
{
    unsigned b = word >> BUCKET_SHIFT;

    if (unlikely(!__atomic_load_n(&buckets_built, __ATOMIC_ACQUIRE)))
        build_buckets();
    for (unsigned i = bucket_start[b]; i < bucket_start[b + 1]; i++) {
        const struct a64_insn *insn = &a64_insns[bucket_insns[i]];

        if ((word & insn->mask) == insn->match && features & BIT(insn->feature))
            return is_legal(insn, word) ? bucket_insns[i] : A64_INSN_ILLEGAL;
    }
    return A64_INSN_ILLEGAL;
}
