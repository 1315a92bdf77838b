/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Random riscv64 cases for compare.c. */
#include <string.h>

#include "arch/riscv64/guest/lift.h"
#include "tests/differential/compare.h"

#define INSNS_PER_CASE 60
#define EBREAK         0x00100073u
#define FSD_SP         0x00013027u /* fsd ft0, 0(sp) */
#define FRM_SHIFT      5

static struct rv_frame *guest(struct dbt_frame *frame)
{
    return (struct rv_frame *)frame->cells;
}

/* A store-conditional without a reservation: it fails. Others trap. */
static enum case_next interpret(struct dbt_frame *frame, uint32_t word)
{
    enum rv_insn_id id = rv_decode(word, RV_EXT_ALL);

    if (id == RV_INSN_amocas_q) {
        uint64_t *memory = rv_amocas_q_memory(frame, word);

        if (!memory)
            return CASE_FAULTS;
        rv_amocas_q(frame, word, memory);
        frame->pc += 4;
        frame->count++;
        return CASE_GOES_ON;
    }
    if (id != RV_INSN_sc_w && id != RV_INSN_sc_d)
        return CASE_TRAPS;
    guest(frame)->reserved_address = RV_NO_RESERVATION;
    if (rv_rd(word))
        guest(frame)->x[rv_rd(word)] = 1;
    frame->pc += 4;
    frame->count++;
    return CASE_GOES_ON;
}

/* Registers that hold addresses in the data; others take values. */
static const uint8_t bases[] = {2, 8, 9}; /* compressed instructions reach these */

static bool is_base(unsigned r)
{
    return r == bases[0] || r == bases[1] || r == bases[2];
}

static bool wanted(enum rv_insn_id id)
{
    switch (rv_insns[id].extension) {
    case RV_EXT_S:
    case RV_EXT_SVINVAL:
    case RV_EXT_ZICSR:
    case RV_EXT_ZIFENCEI:
    case RV_EXT_ZICBOM: /* qemu-user lets no program do these */
    case RV_EXT_ZICBOZ:
        return false;
    default:
        return id != RV_INSN_ecall && id != RV_INSN_ebreak && id != RV_INSN_jalr;
    }
}

/* A random instruction `id`: random operands, addresses and targets that mostly make sense. */
static uint32_t random_insn(enum rv_insn_id id)
{
    const struct rv_insn *insn = &rv_insns[id];
    uint32_t w = insn->match | ((uint32_t)random64() & ~insn->mask);
    uint32_t base = bases[below(ARRAY_SIZE(bases))];

    switch (insn->format) {
    case RV_FORMAT_L:
    case RV_FORMAT_S:
    case RV_FORMAT_FL:
    case RV_FORMAT_FS:
    case RV_FORMAT_AMO:
    case RV_FORMAT_LR:
        if (below(400))
            w = (w & ~(31u << 15)) | base << 15;
        break;
    case RV_FORMAT_B: /* aim() fills the target in */
        w &= 0x01fff07f;
        break;
    case RV_FORMAT_J:
        w &= 0xfff;
        break;
    case RV_FORMAT_F4:
    case RV_FORMAT_F:
    case RV_FORMAT_F1:
    case RV_FORMAT_FXI:
    case RV_FORMAT_FIX:
        if (below(200) && (rv_rm(w) == 5 || rv_rm(w) == 6))
            w |= 7u << 12;
        break;
    default:
        break;
    }
    /* What qemu 10.0 makes of a compare and swap with x0 changes x0 for what follows. */
    if (insn->extension == RV_EXT_ZACAS && rv_rd(w) == 0)
        w |= 16u << 7;
    /* Addresses stay most of the time. */
    if (insn->format != RV_FORMAT_S && insn->format != RV_FORMAT_B &&
        insn->format != RV_FORMAT_FS && is_base(rv_rd(w)) && below(300))
        w ^= 16u << 7;
    return w;
}

/* A compressed one that neither jumps nor changes the addresses nor needs the stack. */
static bool random_compressed(uint16_t *c)
{
    uint32_t w;
    enum rv_insn_id id;

    *c = (uint16_t)random64();
    if (rv_length(*c) != 2)
        return false;
    w = rv_expand(*c);
    id = rv_decode(w, RV_EXT_ALL);
    if (id == RV_INSN_ILLEGAL || !wanted(id) || rv_insns[id].format == RV_FORMAT_J ||
        rv_insns[id].format == RV_FORMAT_B)
        return false;
    switch (rv_insns[id].format) {
    case RV_FORMAT_S:
    case RV_FORMAT_FS:
    case RV_FORMAT_FL:
        return is_base(rv_rs1(w));
    case RV_FORMAT_L:
        return is_base(rv_rs1(w)) && !is_base(rv_rd(w));
    default:
        return !is_base(rv_rd(w));
    }
}

/* Sends the branches at the places `starts` to later instructions, at most 30 bytes ahead. */
static void aim(struct case_in *in, const uint16_t *starts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned near = 0, ahead;
        enum rv_insn_id id;
        uint32_t w;

        memcpy(&w, in->code + starts[i], sizeof(w));
        id = rv_length((uint16_t)w) == 4 ? rv_decode(w, RV_EXT_ALL) : RV_INSN_ILLEGAL;
        if (id == RV_INSN_ILLEGAL ||
            (rv_insns[id].format != RV_FORMAT_B && rv_insns[id].format != RV_FORMAT_J))
            continue;
        while (i + near + 1 < count && starts[i + near + 1] - starts[i] <= 30)
            near++;
        ahead = near ? (unsigned)(starts[i + 1 + below(near)] - starts[i]) : 4u;
        w |= rv_insns[id].format == RV_FORMAT_B ? (ahead & 30) << 7 : ahead >> 1 << 21;
        memcpy(in->code + starts[i], &w, sizeof(w));
    }
}

static void make_case(struct case_in *in, unsigned number, const char *set)
{
    uint16_t starts[2 * INSNS_PER_CASE + 2];
    unsigned at = 0, count = 0;

    (void)set;
    in->state.pc = CASE_CODE;
    for (unsigned r = 1; r < 32; r++)
        in->state.x[r] = is_base(r) ? CASE_DATA + 2048 + 8 * below(64) : random_value();
    for (unsigned r = 0; r < 32; r++)
        in->state.v[r] = random_float();
    in->state.control[0] =
        (below(30) ? below(5) : below(8)) << FRM_SHIFT | (below(4) ? 0 : below(32));
    for (unsigned i = 0; i < CASE_DATA_SIZE; i += 8) {
        uint64_t v = random_float();

        memcpy(in->data + i, &v, sizeof(v));
    }
    while (at < 4 * INSNS_PER_CASE) {
        uint16_t c;
        /* Every line of the table has its turn; the rest by chance. */
        enum rv_insn_id id = at == 0 ? number % RV_INSN_COUNT : below(RV_INSN_COUNT);

        if (at && below(4) == 0) {
            if (!random_compressed(&c))
                continue;
            memcpy(in->code + at, &c, 2);
            starts[count++] = (uint16_t)at;
            at += 2;
        } else if (wanted(id)) {
            uint32_t w = random_insn(id);

            memcpy(in->code + at, &w, 4);
            starts[count++] = (uint16_t)at;
            at += 4;
            if (rv_insns[id].extension == RV_EXT_ZFA && rv_insns[id].format == RV_FORMAT_F1) {
                /* qemu 10.0 drops a rounding with its flags when nothing comes of its result. */
                w = FSD_SP | rv_rd(w) << 20;
                memcpy(in->code + at, &w, 4);
                starts[count++] = (uint16_t)at;
                at += 4;
            }
        } else if (at == 0) {
            number++;
        }
    }
    aim(in, starts, count);
    for (; at + 4 <= CASE_CODE_SIZE; at += 4) {
        uint32_t w = EBREAK;

        memcpy(in->code + at, &w, 4);
    }
}

static uint32_t mode(const struct case_in *in)
{
    return (uint32_t)((in->state.control[0] >> FRM_SHIFT & 7) << RV_MODE_FRM_SHIFT |
                      RV_FS_DIRTY << RV_MODE_FS_SHIFT);
}

static void enter(const struct case_in *in, struct dbt_frame *frame)
{
    memcpy(guest(frame)->x, in->state.x, sizeof(guest(frame)->x));
    memcpy(guest(frame)->f, in->state.v, sizeof(guest(frame)->f));
    guest(frame)->reserved_address = RV_NO_RESERVATION;
}

static void leave(const struct case_in *in, const struct dbt_frame *frame, struct case_out *out)
{
    const struct rv_frame *r = (const struct rv_frame *)frame->cells;

    memcpy(out->state.x, r->x, sizeof(r->x));
    memcpy(out->state.v, r->f, sizeof(r->f));
    out->state.x[0] = 0;
    out->state.control[0] = in->state.control[0] | (frame->fp_flags & 31);
}

static unsigned length(const unsigned char *insn)
{
    return rv_length((uint16_t)(insn[0] | insn[1] << 8));
}

const struct guest_cases guest_cases = {
    .frontend = &rv_frontend,
    .features = RV_EXT_ALL,
    .address_bits = UINT64_MAX,
    .breakpoint = EBREAK,
    .length = length,
    .interp = {.helpers = rv_helpers, .fp = DBT_FP_RISCV},
    .disassemble = "objdump -b binary -m riscv:rv64 -D case.bin",
    .make = make_case,
    .mode = mode,
    .enter = enter,
    .leave = leave,
    .interpret = interpret,
};
