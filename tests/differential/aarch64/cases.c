/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Random aarch64 cases for compare.c. Set "early" is what a Neoverse N1 has; "late" what came after
 * it, without atomic operations, which may be misaligned there; "simd" of the first what works on
 * vector registers alone.
 */
#include <string.h>

#include "arch/aarch64/guest/lift.h"
#include "arch/aarch64/guest/sysregs.h"
#include "tests/differential/compare.h"

#define INSNS_PER_CASE 60
#define BRK            0xd4200000u
#define DC_ZVA         (0xd5000000u | A64_SYS_DC_ZVA << 5)
#define NZCV           (A64_SYS_NZCV << 5)
#define LATE                                                                             \
    (BIT(A64_FEAT_FLAGM) | BIT(A64_FEAT_SB) | BIT(A64_FEAT_FCMA) | BIT(A64_FEAT_JSCVT) | \
     BIT(A64_FEAT_FRINTTS) | BIT(A64_FEAT_FHM))
#define RMODE_SHIFT 22
#define FPCR_RMODE  (3ull << RMODE_SHIFT)
#define FPCR_FZ     BIT(24)
#define FPCR_DN     BIT(25)
#define FPCR_AHP    BIT(26)
#define FPSR_QC     BIT(27)

/* Registers that hold addresses in the data; others take values. */
static const uint8_t bases[] = {9, 20, 31};

static bool is_base(unsigned r)
{
    return r == bases[0] || r == bases[1] || r == bases[2];
}

static bool is_memory(enum a64_format f)
{
    return (f > A64_FORMAT_LITERAL && f <= A64_FORMAT_REG) || f == A64_FORMAT_V_STRUCT ||
           f == A64_FORMAT_V_STRUCT_POST;
}

static enum set { SET_EARLY, SET_LATE, SET_SIMD } chosen; /* of the last case */

static bool wanted(enum a64_insn_id id, enum set set)
{
    const struct a64_insn *i = &a64_insns[id];
    bool late = set == SET_LATE;

    if (set == SET_SIMD && i->format != A64_FORMAT_V)
        return false;
    if (!late && LATE >> i->feature & 1)
        return false;
    if (late && (i->format == A64_FORMAT_EXCLUSIVE || i->format == A64_FORMAT_ORDERED ||
                 i->format == A64_FORMAT_LSE || i->format == A64_FORMAT_CASP))
        return !departs(QEMU_LATE_ATOMICS);
    switch (id) {
    case A64_INSN_ldxp:
    case A64_INSN_ldaxp:
    case A64_INSN_stxp:
    case A64_INSN_stlxp:
    case A64_INSN_casp: /* are C code under a VM's lock, which is not here */
    case A64_INSN_eret:
    case A64_INSN_wfe:
    case A64_INSN_wfi:
    case A64_INSN_msr_imm:
    case A64_INSN_hint:
        return false;
    case A64_INSN_sys: /* DC ZVA */
        return !(late && departs(QEMU_ZVA_SIZE));
    default:
        return i->format != A64_FORMAT_EXCEPTION && i->format != A64_FORMAT_BRANCH_REG;
    }
}

static uint32_t put(uint32_t w, unsigned position, unsigned length, uint32_t v)
{
    uint32_t mask = (uint32_t)((BIT(length) - 1) << position);

    return (w & ~mask) | (v << position & mask);
}

/* Is there such an instruction with these fields, too? */
static bool is_defined(uint32_t w)
{
    static uint32_t page[IR_PAGE_SIZE / sizeof(uint32_t)];
    static struct ir_unit unit;
    struct dbt_source source = {
        .page = (const uint8_t *)page, .features = guest_cases.features, .max_insns = 1};

    if (!unit.ops && ir_unit_create(&unit, IR_OPS_MAX) != ERR_OK)
        return true;
    page[0] = w;
    ir_unit_reset(&unit, a64_frontend.dialect, A64_MODE_FP);
    a64_frontend.translate(&unit, &source);
    return unit.ops[unit.op_count - 1].code != IR_leave;
}

static bool near_ends; /* offsets are small, so that accesses meet the ends of pages */

/* Near the base, most of the time. */
static uint32_t near_base(uint32_t w, enum a64_format format)
{
    if (below(400))
        w = put(w, 5, 5, bases[below(ARRAY_SIZE(bases))]);
    if (format == A64_FORMAT_UIMM && below(100))
        w = put(w, 10, 12, below(128));
    if (format == A64_FORMAT_REG && below(8)) /* a register with little in it */
        w = put(w, 16, 5, 8);
    if (format >= A64_FORMAT_PAIR_POST && format <= A64_FORMAT_PAIR_PRE && below(4))
        w = put(w, 15, 7, below(32) - 16);
    if (!near_ends || below(4) == 0)
        return w;
    if (format == A64_FORMAT_UIMM)
        return put(w, 10, 12, below(8));
    if (format >= A64_FORMAT_UNSCALED && format <= A64_FORMAT_PRE)
        return put(w, 12, 9, below(48) - 24);
    if (format >= A64_FORMAT_PAIR_POST && format <= A64_FORMAT_PAIR_PRE)
        return put(w, 15, 7, below(8) - 4);
    return w;
}

/* Addresses stay: destinations are other registers. */
static uint32_t spare_bases(uint32_t w, enum a64_format format)
{
    if (is_base(a64_rd(w)) && below(300))
        w ^= 2;
    if (format >= A64_FORMAT_PAIR_POST && format <= A64_FORMAT_PAIR_PRE && is_base(a64_ra(w)))
        w ^= 2u << 10;
    if ((format == A64_FORMAT_EXCLUSIVE || format == A64_FORMAT_LSE) && is_base(a64_rm(w)))
        w ^= 2u << 16;
    return w;
}

/* A random instruction `id` with operands and addresses that mostly make sense. */
static uint32_t random_insn(enum a64_insn_id id)
{
    const struct a64_insn *insn = &a64_insns[id];
    enum a64_format format = insn->format;
    uint32_t w;

    do {
        w = insn->match | ((uint32_t)random64() & ~insn->mask);
        if (is_memory(format))
            w = near_base(w, format);
        if (format == A64_FORMAT_LITERAL)
            w = put(w, 5, 19, below(64) + 1);
        if (id == A64_INSN_sys)
            w = DC_ZVA | bases[below(2)];
        else if (format == A64_FORMAT_SYSTEM)
            w = (w & 0xfff0001f) | NZCV;
        w = spare_bases(w, format);
    } while (a64_decode(w, guest_cases.features) != id);
    return w;
}

/* Sends the branch at `i` of `count` to one of the eight instructions behind it. */
static uint32_t aim(uint32_t w, unsigned i, unsigned count)
{
    uint32_t ahead = 1 + below(MIN(8u, count - i));

    switch ((enum a64_format)a64_insns[a64_decode(w, guest_cases.features)].format) {
    case A64_FORMAT_BRANCH:
        return put(w, 0, 26, ahead);
    case A64_FORMAT_BRANCH_COND:
    case A64_FORMAT_BRANCH_CMP:
        return put(w, 5, 19, ahead);
    case A64_FORMAT_BRANCH_BIT:
        return put(w, 5, 14, ahead);
    default:
        return w;
    }
}

/* What the case begins with: every line of the table has its turn, of the late ones those alone. */
static enum a64_insn_id first_insn(unsigned number, bool late)
{
    enum a64_insn_id id = number % A64_INSN_COUNT;

    while (late && !(LATE >> a64_insns[id].feature & 1))
        id = (id + number / A64_INSN_COUNT + 1) % A64_INSN_COUNT;
    return id;
}

static void make_code(struct case_in *in, unsigned number, enum set set)
{
    for (unsigned i = 0; i < CASE_CODE_SIZE / 4; i++) {
        uint32_t w = BRK;

        if (i < INSNS_PER_CASE) {
            enum a64_insn_id id =
                i == 0 ? first_insn(number, set == SET_LATE) : below(A64_INSN_COUNT);

            while (!wanted(id, set))
                id = below(A64_INSN_COUNT);
            do
                w = aim(random_insn(id), i, INSNS_PER_CASE);
            while (set == SET_SIMD && !is_defined(w) && below(50));
        }
        memcpy(in->code + 4 * (size_t)i, &w, 4);
    }
}

static void make_case(struct case_in *in, unsigned number, const char *set)
{
    enum set which = !set                       ? SET_EARLY
                     : strcmp(set, "late") == 0 ? SET_LATE
                     : strcmp(set, "simd") == 0 ? SET_SIMD
                                                : SET_EARLY;

    near_ends = has_bad_pages(in);
    in->state.pc = CASE_CODE;
    for (unsigned r = 0; r < 32; r++)
        in->state.x[r] = is_base(r) ? random_base(in, 16) : random_value();
    in->state.x[8] = below(64);
    for (unsigned r = 0; r < 64; r++)
        in->state.v[r] = random_float();
    in->state.control[0] = below(16);
    in->state.control[1] = below(4) ? 0 : random64() & (FPCR_RMODE | FPCR_DN | FPCR_FZ | FPCR_AHP);
    in->state.control[2] = below(4) ? 0 : random64() & (0x9f | FPSR_QC);
    for (unsigned i = 0; i < CASE_DATA_SIZE; i += 8) {
        uint64_t v = random_float();

        memcpy(in->data + i, &v, sizeof(v));
    }
    make_code(in, number, which);
    chosen = which;
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
#include "tests/differential/aarch64/traps.def"
};

static void make_named(struct case_in *in, const struct named_case *n)
{
    memcpy(in->code, &n->word, sizeof(n->word));
    for (unsigned i = 0; i < ARRAY_SIZE(n->operands); i++)
        in->state.v[2 * (i + 1)] = n->operands[i];
    in->state.control[1] = n->control;
}

/* A scalar, with zeros above. */
static void result(const struct case_out *out, uint64_t *value, uint64_t *flags)
{
    *value = out->state.v[0] | out->state.v[1];
    *flags = out->state.control[2];
}

/* ---- The frame ---- */

static uint32_t mode(const struct case_in *in)
{
    uint64_t fpcr = in->state.control[1];

    return (uint32_t)(A64_MODE_FP | A64_MODE_DZE | (fpcr & FPCR_FZ ? A64_MODE_FZ : 0) |
                      (fpcr & FPCR_DN ? A64_MODE_DN : 0) | (fpcr & FPCR_AHP ? A64_MODE_AHP : 0) |
                      (fpcr >> RMODE_SHIFT & 3) << A64_MODE_RMODE_SHIFT);
}

static void enter(const struct case_in *in, struct dbt_frame *frame)
{
    struct a64_frame *a = (struct a64_frame *)frame->cells;

    memcpy(a->x, in->state.x, sizeof(a->x));
    a->sp = in->state.x[31];
    memcpy(a->v, in->state.v, sizeof(a->v));
    a->flag_op = A64_FLAG_OP(A64_FLAG_NZCV, in->state.control[0]);
    a->fpcr = in->state.control[1];
    a->fpsr = in->state.control[2] & FPSR_QC;
    a->reserved_address = A64_NO_RESERVATION;
}

static void leave(const struct case_in *in, const struct dbt_frame *frame, struct case_out *out)
{
    const struct a64_frame *a = (const struct a64_frame *)frame->cells;

    memcpy(out->state.x, a->x, sizeof(a->x));
    out->state.x[31] = a->sp;
    memcpy(out->state.v, a->v, sizeof(a->v));
    out->state.control[0] = a64_nzcv(a->flag_op, a->flag_a, a->flag_b);
    out->state.control[1] = a->fpcr;
    out->state.control[2] =
        a->fpsr | a64_fpsr_flags(frame->fp_flags) | (in->state.control[2] & 0x9f);
}

/* DSB: there is nobody to wait for. A store-exclusive without a reservation: it fails. False:
 * another instruction, which traps. */
static enum case_next interpret(struct dbt_frame *frame, uint32_t word)
{
    struct a64_frame *a = (struct a64_frame *)frame->cells;
    enum a64_insn_id id = a64_decode(word, guest_cases.features);

    if (id != A64_INSN_stxr && id != A64_INSN_stlxr && id != A64_INSN_dsb)
        return CASE_TRAPS;
    frame->pc += 4;
    frame->count++;
    if (id == A64_INSN_dsb)
        return CASE_GOES_ON;
    a->reserved_address = A64_NO_RESERVATION;
    if (a64_rm(word) != 31)
        a->x[a64_rm(word)] = 1;
    return CASE_GOES_ON;
}

static uint64_t fault_bits(uint32_t word)
{
    (void)word;
    return UINT64_MAX;
}

/* Pairs, structures, and vector registers. */
static bool stores_in_parts(uint32_t word)
{
    enum a64_insn_id id = a64_decode(word, guest_cases.features);
    enum a64_format f =
        id == A64_INSN_COUNT ? A64_FORMAT_NONE : (enum a64_format)a64_insns[id].format;

    return (f >= A64_FORMAT_PAIR_POST && f <= A64_FORMAT_PAIR_PRE) || f == A64_FORMAT_V_STRUCT ||
           f == A64_FORMAT_V_STRUCT_POST || (is_memory(f) && word >> 26 & 1);
}

/* The registers of LD1 to LD4, four at most, and of LDP. */
static void forget_loaded(uint32_t word, struct case_state *a, const struct case_state *b)
{
    enum a64_insn_id id = a64_decode(word, guest_cases.features);
    enum a64_format f =
        id == A64_INSN_COUNT ? A64_FORMAT_NONE : (enum a64_format)a64_insns[id].format;
    bool pair = f >= A64_FORMAT_PAIR_POST && f <= A64_FORMAT_PAIR_PRE && word >> 26 & 1;

    if (!pair && f != A64_FORMAT_V_STRUCT && f != A64_FORMAT_V_STRUCT_POST)
        return;
    for (unsigned i = 0; i < 4; i++) {
        size_t r = pair ? i % 2 ? a64_ra(word) : a64_rd(word) : (a64_rd(word) + i) % 32;

        memcpy(&a->v[2 * r], &b->v[2 * r], 16);
    }
}

static unsigned length(const unsigned char *insn)
{
    (void)insn;
    return 4;
}

static unsigned line(uint32_t word)
{
    return a64_decode(word, guest_cases.features);
}

static const char *line_name(unsigned n)
{
    return a64_insns[n].name;
}

static bool line_wanted(unsigned n)
{
    return wanted((enum a64_insn_id)n, chosen) &&
           (chosen != SET_LATE || (LATE >> a64_insns[n].feature & 1));
}

const struct guest_cases guest_cases = {
    .frontend = &a64_frontend,
    .features = A64_FEAT_ALL,
    .fault_bits = fault_bits,
    .stores_in_parts = stores_in_parts,
    .forget_loaded = forget_loaded,
    .breakpoint = BRK,
    .length = length,
    .line_count = A64_INSN_COUNT,
    .line = line,
    .line_name = line_name,
    .line_wanted = line_wanted,
    .address_bits = UINT64_MAX >> 8, /* programs under Linux have TBI */
    .interp = {.fp = DBT_FP_ARM, .helpers = a64_helpers},
    .disassemble = "aarch64-linux-gnu-objdump -b binary -m aarch64 -D case.bin",
    .make = make_case,
    .named = named,
    .named_count = ARRAY_SIZE(named),
    .make_named = make_named,
    .result = result,
    .mode = mode,
    .enter = enter,
    .leave = leave,
    .interpret = interpret,
};
