/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Random riscv64 cases for compare.c. */
#include <string.h>

#include "arch/riscv64/guest/vector.h"
#include "tests/differential/compare.h"

#define INSNS_PER_CASE 60
#define EBREAK         0x00100073u
#define FSD_SP         0x00013027u /* fsd ft0, 0(sp) */
#define FRM_SHIFT      5

static struct rv_frame *guest(struct dbt_frame *frame)
{
    return (struct rv_frame *)frame->cells;
}

static uint32_t case_mode; /* of the case at work */
static bool near_ends;     /* offsets are small, so that accesses meet the ends of pages */

static enum case_next interpret_vector(struct dbt_frame *frame, uint32_t word)
{
    switch (rv_vector_execute(frame, word, case_mode)) {
    case RV_VECTOR_DONE:
        frame->pc += 4;
        frame->count++;
        return CASE_GOES_ON;
    case RV_VECTOR_FAULTED:
        return CASE_FAULTS;
    default:
        return CASE_ILLEGAL;
    }
}

/* Loads and stores of vectors are done again, element by element. */
static enum case_next faulted(struct dbt_frame *frame, uint32_t word)
{
    return rv_is_vector(word) ? interpret_vector(frame, word) : CASE_FAULTS;
}

/* A store-conditional without a reservation: it fails. Others trap. */
static enum case_next interpret(struct dbt_frame *frame, uint32_t word)
{
    enum rv_insn_id id = rv_decode(word, RV_EXT_ALL);

    if (rv_is_vector(word))
        return interpret_vector(frame, word);

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
        return false;
    case RV_EXT_ZICBOM:
    case RV_EXT_ZICBOZ:
        return !departs(QEMU_CACHE_BLOCKS);
    default:
        return id != RV_INSN_ecall && id != RV_INSN_ebreak && id != RV_INSN_jalr;
    }
}

/* ---- Vectors: vtype as the instructions so far left it ---- */

#define STRIDE      5  /* the register that holds a stride */
#define INDICES     24 /* the first vector register with small numbers */
#define VL_IS_VLMAX 3

static unsigned current_vtype;

static bool is_vector(enum rv_insn_id id)
{
    return rv_vector_insns[id].shape != RV_SHAPE_NONE;
}

static unsigned random_vtype(void)
{
    unsigned vtype;

    do
        vtype = below(256) & (below(3) ? 0xdf : 0xf9); /* half of the time small groups */
    while (!rv_vlmax(vtype));
    return below(100) ? vtype : below(2048);
}

/* A register where most groups may begin. */
static uint32_t random_group(bool wide)
{
    int lmul = RV_VTYPE_LMUL(current_vtype) + wide;
    uint32_t n = below(32);

    return below(40) && lmul > 0 ? n & ~((1u << lmul) - 1) : n;
}

static uint32_t random_memory(uint32_t w, const struct rv_vector_insn *insn)
{
    w = (w & ~(31u << 15)) |
        (below(400) || insn->op == RVO_FAULT_FIRST ? (uint32_t)bases[below(ARRAY_SIZE(bases))]
                                                   : below(32))
            << 15;
    if (insn->op == RVO_STRIDED && below(40))
        w = (w & ~(31u << 20)) | STRIDE << 20;
    if (insn->op == RVO_INDEXED && below(40))
        w = (w & ~(31u << 20)) | INDICES << 20;
    if (insn->op != RVO_WHOLE && insn->op != RVO_MASK && below(4))
        w &= 0x1fffffff;
    return w;
}

/* Of the two sorts of operands some are wide or narrow, and most overlaps of these are illegal: not
 * too many of them. */
static uint32_t random_vector(enum rv_insn_id id)
{
    const struct rv_insn *insn = &rv_insns[id];
    const struct rv_vector_insn *vector = &rv_vector_insns[id];
    uint32_t w = insn->match | ((uint32_t)random64() & ~insn->mask);
    bool wide = vector->shape == RV_SHAPE_WIDE || vector->shape == RV_SHAPE_WIDE_FIRST ||
                vector->shape == RV_SHAPE_FWIDE || vector->shape == RV_SHAPE_FWIDE_FIRST ||
                vector->shape == RV_SHAPE_FCONVERT_WIDE;
    bool narrow = vector->shape == RV_SHAPE_NARROW || vector->shape == RV_SHAPE_FCONVERT_NARROW;
    uint32_t groups[3] = {random_group(wide), random_group(false),
                          random_group(narrow || vector->shape == RV_SHAPE_WIDE_FIRST ||
                                       vector->shape == RV_SHAPE_FWIDE_FIRST)};

    if (vector->shape == RV_SHAPE_CONFIG) {
        current_vtype = random_vtype();
        if (id == RV_INSN_vsetvl)
            return below(40) ? insn->match | 0x7000 | STRIDE << 7 : w;
        w = (w & ~(0xffu << 20)) | (current_vtype & 0xff) << 20;
        return below(40) ? w & ~(id == RV_INSN_vsetvli ? 7u << 28 : 3u << 28) : w;
    }
    w |= below(3) && !(insn->mask >> 25 & 1) ? 1u << 25 : 0;
    for (unsigned i = 0; i < ARRAY_SIZE(groups); i++) {
        static const uint8_t at[] = {7, 15, 20};

        if (!(insn->mask >> at[i] & 31) &&
            !(i == 1 && insn->format != RV_FORMAT_VVV && insn->format != RV_FORMAT_MVV))
            w = (w & ~(31u << at[i])) | groups[i] << at[i];
    }
    if (vector->shape == RV_SHAPE_LOAD || vector->shape == RV_SHAPE_STORE)
        w = random_memory(w, vector);
    if (!(w >> 25 & 1) && rv_rd(w) == 0 && below(40)) /* v0 is the mask */
        w |= 8u << 7;
    if (rv_rd(w) >= INDICES && vector->shape != RV_SHAPE_STORE && below(10))
        w ^= 16u << 7;
    return w;
}

/* Small offsets for loads, and for stores, whose offset is in two parts. */
static uint32_t small_offset(uint32_t w, enum rv_format format)
{
    uint32_t offset = (below(48) - 24u) & 0xfff;

    if (!near_ends || below(4) == 0)
        return w;
    if (format == RV_FORMAT_L || format == RV_FORMAT_FL)
        return (w & 0xfffff) | offset << 20;
    if (format == RV_FORMAT_S || format == RV_FORMAT_FS)
        return (w & ~(0xfe000f80u)) | offset >> 5 << 25 | (offset & 31) << 7;
    return w;
}

/* A random instruction `id`: random operands, addresses and targets that mostly make sense. */
static uint32_t random_insn(enum rv_insn_id id)
{
    const struct rv_insn *insn = &rv_insns[id];
    uint32_t w =
        is_vector(id) ? random_vector(id) : insn->match | ((uint32_t)random64() & ~insn->mask);
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
        w = small_offset(w, insn->format);
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
    if (insn->extension == RV_EXT_ZACAS && rv_rd(w) == 0 && departs(QEMU_AMOCAS_X0))
        w |= 16u << 7;
    if (is_vector(id) && insn->format != RV_FORMAT_XV2 && insn->format != RV_FORMAT_VSETI &&
        insn->format != RV_FORMAT_VSETII)
        return w;
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

static void random_vectors(struct case_in *in)
{
    unsigned vlmax, vtype = random_vtype();

    for (unsigned i = 0; i < ARRAY_SIZE(in->state.w); i++)
        in->state.w[i] = i / 2 >= INDICES ? below(200) : below(3) ? random_float() : random_value();
    vlmax = rv_vlmax(vtype);
    in->state.control[1] = vlmax ? vtype : RV_VTYPE_ILL;
    in->state.control[2] = !vlmax ? 0 : below(VL_IS_VLMAX) ? vlmax : below(vlmax + 1);
    in->state.control[3] = below(20) ? 0 : below(MAX(vlmax, 1u) + 3);
    in->state.control[4] = below(8);
    in->state.x[STRIDE] = below(2) ? below(64) : (uint64_t)0 - below(64);
    current_vtype = vtype;
}

/* What the case begins with: every line of the table has its turn; fault-only-first loads, which
 * are nowhere else, one after the other in each 32nd case. */
static enum rv_insn_id first_insn(unsigned number)
{
    enum rv_insn_id id = number % RV_INSN_COUNT;

    if (number % 32)
        return id;
    for (unsigned skip = number / 32 % 4 + 1; skip; id = (id + 1) % RV_INSN_COUNT)
        if (rv_vector_insns[id].op == RVO_FAULT_FIRST && --skip == 0)
            break;
    return id;
}

/* What QEMU needs behind instruction `w`; 0: nothing. */
static uint32_t what_follows(enum rv_insn_id id, uint32_t w)
{
    if (rv_insns[id].extension == RV_EXT_ZFA && rv_insns[id].format == RV_FORMAT_F1 &&
        departs(QEMU_ROUNDING_DROPPED))
        return FSD_SP | rv_rd(w) << 20;
    return 0;
}

static void make_case(struct case_in *in, unsigned number, const char *set)
{
    enum rv_insn_id first = first_insn(number);
    bool vectors = is_vector(first) && !(set && strcmp(set, "scalar") == 0);
    uint16_t starts[2 * INSNS_PER_CASE + 2];
    unsigned at = 0, count = 0;

    near_ends = has_bad_pages(in);
    if (set && strcmp(set, "vector") == 0) {
        first = RV_INSN_vsetvli + number % (RV_INSN_COUNT - RV_INSN_vsetvli);
        vectors = true;
    }
    if (!vectors)
        in->state.control[1] = RV_VTYPE_ILL;
    in->state.pc = CASE_CODE;
    for (unsigned r = 1; r < 32; r++)
        in->state.x[r] = is_base(r) ? random_base(in, 8) : random_value();
    if (near_ends && rv_vector_insns[first].op == RVO_FAULT_FIRST &&
        departs(QEMU_FAULT_FIRST_CROSSES))
        for (unsigned i = 0; i < ARRAY_SIZE(bases); i++)
            in->state.x[bases[i]] = CASE_DATA + CASE_PAGE_SIZE / 2;
    for (unsigned r = 0; r < 32; r++)
        in->state.v[r] = random_float();
    in->state.control[0] =
        (below(30) ? below(5) : below(8)) << FRM_SHIFT | (below(4) ? 0 : below(32));
    for (unsigned i = 0; i < CASE_DATA_SIZE; i += 8) {
        uint64_t v = random_float();

        memcpy(in->data + i, &v, sizeof(v));
    }
    if (vectors)
        random_vectors(in);
    if ((rv_vector_insns[first].op == RVO_MASK || rv_vector_insns[first].op == RVO_WHOLE) &&
        in->state.control[3] && departs(QEMU_WHOLE_VSTART))
        in->state.control[3] = 0;
    while (at < 4 * INSNS_PER_CASE) {
        uint16_t c;
        /* Every line of the table has its turn; the rest by chance. */
        enum rv_insn_id id = at == 0 ? first : below(RV_INSN_COUNT);

        if (at && is_vector(id) &&
            (!vectors || below(3) == 0 ||
             (rv_vector_insns[id].op == RVO_FAULT_FIRST && departs(QEMU_FAULT_FIRST_CROSSES))))
            continue;
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
            w = what_follows(id, w);
            if (w) {
                memcpy(in->code + at, &w, 4);
                starts[count++] = (uint16_t)at;
                at += 4;
            }
        } else if (at == 0) {
            first = (first + 1) % RV_INSN_COUNT;
        }
    }
    aim(in, starts, count);
    for (; at + 4 <= CASE_CODE_SIZE; at += 4) {
        uint32_t w = EBREAK;

        memcpy(in->code + at, &w, 4);
    }
}

/* ---- Named cases ---- */

static const struct named_case named[] = {
#define TRAP(name_, word_, control_, a, b, c, result_, flags_) \
    {.name = name_,                                            \
     .word = word_,                                            \
     .control = control_,                                      \
     .operands = {a, b, c},                                    \
     .result = result_,                                        \
     .flags = flags_},
#include "tests/differential/riscv64/traps.def"
};

static void make_named(struct case_in *in, const struct named_case *n)
{
    memcpy(in->code, &n->word, sizeof(n->word));
    memcpy(&in->state.v[1], n->operands, sizeof(n->operands));
    in->state.control[0] = n->control << FRM_SHIFT;
}

static void result(const struct case_out *out, uint64_t *value, uint64_t *flags)
{
    *value = out->state.v[0];
    *flags = out->state.control[0] & 31;
}

/* ---- The frame ---- */

static uint32_t mode(const struct case_in *in)
{
    case_mode = (uint32_t)((in->state.control[0] >> FRM_SHIFT & 7) << RV_MODE_FRM_SHIFT |
                           RV_FS_DIRTY << RV_MODE_FS_SHIFT | RV_FS_DIRTY << RV_MODE_VS_SHIFT);
    return case_mode;
}

static void enter(const struct case_in *in, struct dbt_frame *frame)
{
    const struct rv_vector_state v = {.vtype = in->state.control[1],
                                      .vl = in->state.control[2],
                                      .vstart = in->state.control[3],
                                      .vxrm = in->state.control[4] >> 1};

    memcpy(guest(frame)->x, in->state.x, sizeof(guest(frame)->x));
    memcpy(guest(frame)->f, in->state.v, sizeof(guest(frame)->f));
    guest(frame)->reserved_address = RV_NO_RESERVATION;
    memcpy(guest(frame)->v, in->state.w, sizeof(guest(frame)->v));
    rv_vector_enter(guest(frame), &v);
    frame->fp_flags = in->state.control[4] & 1 ? SF_SATURATED : 0;
}

static void leave(const struct case_in *in, const struct dbt_frame *frame, struct case_out *out)
{
    const struct rv_frame *r = (const struct rv_frame *)frame->cells;

    memcpy(out->state.x, r->x, sizeof(r->x));
    memcpy(out->state.v, r->f, sizeof(r->f));
    out->state.x[0] = 0;
    out->state.control[0] = in->state.control[0] | (frame->fp_flags & 31);
    memcpy(out->state.w, r->v, sizeof(r->v));
    out->state.control[1] = r->vtype;
    out->state.control[2] = r->vl;
    out->state.control[3] = r->vstart;
    out->state.control[4] = r->vxrm << 1 | !!(frame->fp_flags & SF_SATURATED);
}

static uint64_t fault_bits(uint32_t word)
{
    return rv_length((uint16_t)word) == 4 && rv_is_vector(word) && departs(QEMU_VECTOR_FAULT)
               ? ~7ULL
               : UINT64_MAX;
}

static unsigned length(const unsigned char *insn)
{
    return rv_length((uint16_t)(insn[0] | insn[1] << 8));
}

static unsigned line(uint32_t word)
{
    return rv_decode(word, RV_EXT_ALL);
}

static const char *line_name(unsigned n)
{
    return rv_insns[n].name;
}

static bool line_wanted(unsigned n)
{
    return wanted((enum rv_insn_id)n);
}

const struct guest_cases guest_cases = {
    .frontend = &rv_frontend,
    .features = RV_EXT_ALL,
    .address_bits = UINT64_MAX,
    .fault_bits = fault_bits,
    .breakpoint = EBREAK,
    .length = length,
    .line_count = RV_INSN_COUNT,
    .line = line,
    .line_name = line_name,
    .line_wanted = line_wanted,
    .interp = {.helpers = rv_helpers, .fp = DBT_FP_RISCV},
    .disassemble = "objdump -b binary -m riscv:rv64 -D case.bin",
    .make = make_case,
    .named = named,
    .named_count = ARRAY_SIZE(named),
    .make_named = make_named,
    .result = result,
    .mode = mode,
    .enter = enter,
    .leave = leave,
    .interpret = interpret,
    .faulted = faulted,
};
