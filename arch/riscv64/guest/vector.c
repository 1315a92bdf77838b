/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Vector instructions in C: configuration, what is legal, and where each is done (vector.h). */
#include "arch/riscv64/guest/vector.h"

const struct rv_vector_insn rv_vector_insns[RV_INSN_COUNT] = {
#define RV(name, format, mask, match, extension)
#define RVV(name, format, mask, match, extension, shape, operation) \
    [RV_INSN_##name] = {RV_SHAPE_##shape, RVO_##operation},
#include "arch/riscv64/guest/insns.def"
};

#define ELEN_LOG2  3 /* bytes */
#define VTYPE_BITS BITS(7, 0)

/* ---- Configuration (30.6) ---- */

unsigned rv_vlmax(uint64_t vtype)
{
    unsigned sew = RV_VTYPE_SEW(vtype);
    int lmul = RV_VTYPE_LMUL(vtype), log2 = 4 + lmul - (int)sew;

    if (vtype & ~VTYPE_BITS || sew > ELEN_LOG2 || lmul == -4 || log2 < 0)
        return 0;
    return 1u << log2;
}

uint64_t rv_vconfig(uint64_t vtype, uint64_t vl, uint64_t vstart)
{
    unsigned vlmax = rv_vlmax(vtype);

    if (!vlmax)
        return RV_VCONFIG_ILL;
    return (vtype & RV_VCONFIG_TYPE) | (vl == vlmax && !vstart ? RV_VCONFIG_FULL : 0);
}

static uint64_t requested(struct rv_vector *v, uint64_t *vtype)
{
    unsigned rs1 = rv_rs1(v->word);

    if (v->id == RV_INSN_vsetvl)
        *vtype = rv_rs2(v->word) ? v->r->x[rv_rs2(v->word)] : 0;
    else
        *vtype = v->word >> 20 & (v->id == RV_INSN_vsetivli ? 0x3ff : 0x7ff);
    if (v->id == RV_INSN_vsetivli)
        return rs1;
    if (rs1)
        return v->r->x[rs1];
    return rv_rd(v->word) ? UINT64_MAX : v->r->vl;
}

static void configure(struct rv_vector *v)
{
    uint64_t vtype, length = requested(v, &vtype);
    unsigned vlmax = rv_vlmax(vtype);

    v->r->vtype = vlmax ? vtype : RV_VTYPE_ILL;
    v->r->vl = MIN(length, (uint64_t)vlmax);
    if (rv_rd(v->word))
        v->r->x[rv_rd(v->word)] = v->r->vl;
}

/* ---- Register groups (30.3.4.2, 30.5.2) ---- */

static unsigned registers(int lmul)
{
    return lmul > 0 ? 1u << (lmul & 3) : 1;
}

void rv_vector_enter(struct rv_frame *r, const struct rv_vector_state *s)
{
    unsigned vlmax = rv_vlmax(s->vtype);

    r->vtype = vlmax ? s->vtype : RV_VTYPE_ILL;
    r->vl = MIN(s->vl, (uint64_t)vlmax);
    r->vstart = s->vstart & RV_VSTART_MASK;
    r->vxrm = s->vxrm & 3;
    r->vconfig = rv_vconfig(r->vtype, r->vl, r->vstart);
}

bool rv_v_aligned(unsigned n, int lmul)
{
    return n % registers(lmul) == 0;
}

bool rv_v_overlap(unsigned a, int a_lmul, unsigned b, int b_lmul)
{
    return a < b + registers(b_lmul) && b < a + registers(a_lmul);
}

bool rv_v_apart(unsigned dst, int dst_lmul, unsigned src, int src_lmul)
{
    unsigned end = src + registers(src_lmul);

    if (registers(dst_lmul) > registers(src_lmul) && dst < src && src_lmul >= 0 &&
        end == dst + registers(dst_lmul))
        return true;
    return !rv_v_overlap(dst, dst_lmul, src, src_lmul);
}

/* ---- What is legal ---- */

bool rv_v_has_vs1(const struct rv_vector *v)
{
    switch (rv_insns[v->id].format) {
    case RV_FORMAT_VVV:
    case RV_FORMAT_VVVM:
    case RV_FORMAT_MVV:
    case RV_FORMAT_VMVV:
        return true;
    default:
        return false;
    }
}

static bool source_is_float(const struct rv_vector *v)
{
    switch (rv_insns[v->id].format) {
    case RV_FORMAT_VVF:
    case RV_FORMAT_VVFM:
    case RV_FORMAT_MVF:
    case RV_FORMAT_VMVF:
        return true;
    default:
        return false;
    }
}

uint64_t rv_v_scalar(struct rv_vector *v, unsigned size)
{
    unsigned n = rv_rs1(v->word), format = rv_insns[v->id].format;
    uint64_t e = n ? v->r->x[n] : 0;

    if (source_is_float(v))
        e = size == 3                        ? v->r->f[n]
            : size == 2 && ~v->r->f[n] >> 32 ? sf_default_nan(&v->env, IR_F32)
                                             : v->r->f[n];
    else if (format == RV_FORMAT_VVU)
        e = n;
    else if (format == RV_FORMAT_VVS)
        e = rv_imm_v6(v->word);
    else if (format == RV_FORMAT_VVI || format == RV_FORMAT_VVIM || format == RV_FORMAT_VMVI)
        e = (uint64_t)((int64_t)(n ^ 16) - 16);
    return size == 3 ? e : e & (BIT(8u << size) - 1);
}

/* vd, of that LMUL, and the mask; then the sources. */
static bool good_destination(const struct rv_vector *v, int lmul)
{
    return rv_v_aligned(v->vd, lmul) && (v->vm || v->vd);
}

static bool good_source(const struct rv_vector *v, int lmul)
{
    return !rv_v_has_vs1(v) || rv_v_aligned(v->vs1, lmul);
}

static bool has_one_operand(const struct rv_vector *v)
{
    unsigned format = rv_insns[v->id].format;

    return format == RV_FORMAT_VMVV || format == RV_FORMAT_VMVX || format == RV_FORMAT_VMVI ||
           format == RV_FORMAT_VMVF;
}

static bool good_equal(const struct rv_vector *v)
{
    return good_destination(v, v->lmul) && (has_one_operand(v) || rv_v_aligned(v->vs2, v->lmul)) &&
           good_source(v, v->lmul);
}

/* Twice SEW and LMUL exist. */
static bool can_widen(const struct rv_vector *v)
{
    return v->sew < ELEN_LOG2 && v->lmul <= 2;
}

static bool good_wide(const struct rv_vector *v, bool first_is_wide)
{
    int wide = v->lmul + 1;

    if (!can_widen(v) || !good_destination(v, wide) || !good_source(v, v->lmul))
        return false;
    if (rv_v_has_vs1(v) && !rv_v_apart(v->vd, wide, v->vs1, v->lmul))
        return false;
    if (rv_insns[v->id].format == RV_FORMAT_MVV || rv_insns[v->id].format == RV_FORMAT_MVX ||
        rv_insns[v->id].format == RV_FORMAT_MVF) { /* vd is a wide source, too */
        if (rv_v_overlap(v->vd, wide, v->vs2, v->lmul) ||
            (rv_v_has_vs1(v) && rv_v_overlap(v->vd, wide, v->vs1, v->lmul)))
            return false;
    }
    if (first_is_wide)
        return rv_v_aligned(v->vs2, wide);
    return rv_v_aligned(v->vs2, v->lmul) && rv_v_apart(v->vd, wide, v->vs2, v->lmul);
}

static bool good_narrow(const struct rv_vector *v)
{
    return can_widen(v) && good_destination(v, v->lmul) && rv_v_aligned(v->vs2, v->lmul + 1) &&
           good_source(v, v->lmul) &&
           (v->vd == v->vs2 || rv_v_apart(v->vd, v->lmul, v->vs2, v->lmul + 1));
}

/* vd is a mask: one register, which may be a source's first. */
static bool good_mask(const struct rv_vector *v)
{
    return rv_v_aligned(v->vs2, v->lmul) && good_source(v, v->lmul) &&
           (v->vd == v->vs2 || rv_v_apart(v->vd, 0, v->vs2, v->lmul)) &&
           (!rv_v_has_vs1(v) || v->vd == v->vs1 || rv_v_apart(v->vd, 0, v->vs1, v->lmul));
}

/* Bits 17:15 of the word: 1 for 8, 2 for 4, 3 for 2. */
static unsigned extension_log2(const struct rv_vector *v)
{
    return 4 - (rv_rs1(v->word) >> 1);
}

static bool good_extension(const struct rv_vector *v)
{
    unsigned less = extension_log2(v);

    return v->sew >= less && v->vd != v->vs2 && good_destination(v, v->lmul) &&
           rv_v_aligned(v->vs2, v->lmul - (int)less) &&
           rv_v_apart(v->vd, v->lmul, v->vs2, v->lmul - (int)less);
}

static bool good_gather16(const struct rv_vector *v)
{
    int lmul = 1 - (int)v->sew + v->lmul;

    return lmul >= -3 && lmul <= 3 && good_destination(v, v->lmul) &&
           rv_v_aligned(v->vs2, v->lmul) && rv_v_aligned(v->vs1, lmul) &&
           !rv_v_overlap(v->vd, v->lmul, v->vs1, lmul) &&
           !rv_v_overlap(v->vd, v->lmul, v->vs2, v->lmul);
}

static bool good_whole(const struct rv_vector *v)
{
    unsigned count = rv_rs1(v->word) + 1;

    return v->vd % count == 0 && v->vs2 % count == 0;
}

static bool is_float_size(unsigned size)
{
    return size == 2 || size == 3;
}

/* Zvfhmin: between half and single precision, and nothing else. */
static bool is_half_conversion(const struct rv_vector *v)
{
    return v->sew == 1 && v->op == RVO_FTOF &&
           (v->shape == RV_SHAPE_FCONVERT_WIDE || v->shape == RV_SHAPE_FCONVERT_NARROW);
}

static bool good_float(const struct rv_vector *v)
{
    switch (v->shape) {
    case RV_SHAPE_FCONVERT_WIDE:
    case RV_SHAPE_FCONVERT_NARROW: {
        bool wide = v->shape == RV_SHAPE_FCONVERT_WIDE;
        unsigned op = v->op & RVO_CODE, from = wide ? v->sew : v->sew + 1,
                 to = wide ? v->sew + 1 : v->sew;

        return is_half_conversion(v) ||
               ((op == RVO_UTOF || op == RVO_ITOF || is_float_size(from)) &&
                (op == RVO_FTOU || op == RVO_FTOI || is_float_size(to)));
    }
    case RV_SHAPE_FWIDE:
    case RV_SHAPE_FWIDE_FIRST:
    case RV_SHAPE_FREDUCE_WIDE:
        return is_float_size(v->sew) && is_float_size(v->sew + 1);
    default:
        return is_float_size(v->sew);
    }
}

/* Sources that are no masks must not be v0 where that is one; nor may two of different EEW lie on
 * one another (30.5.2). */
static bool good_sources(const struct rv_vector *v)
{
    unsigned wide = v->shape == RV_SHAPE_WIDE_FIRST || v->shape == RV_SHAPE_FWIDE_FIRST ||
                    v->shape == RV_SHAPE_NARROW;
    bool half = v->shape == RV_SHAPE_GATHER16 && v->sew != 1;
    int lmul1 = v->shape == RV_SHAPE_GATHER16 ? 1 - (int)v->sew + v->lmul : v->lmul;

    if (v->shape >= RV_SHAPE_MASKS && v->shape <= RV_SHAPE_FROM_SCALAR)
        return true;
    if (v->shape == RV_SHAPE_CARRY || v->shape == RV_SHAPE_CARRY_OUT ||
        v->shape == RV_SHAPE_COMPARE || v->shape == RV_SHAPE_FCOMPARE ||
        (v->shape >= RV_SHAPE_REDUCE && v->shape <= RV_SHAPE_FREDUCE_WIDE))
        return true; /* reserved too, and done by those that there are */
    if (!v->vm && ((rv_v_has_vs1(v) && !v->vs1) || (!has_one_operand(v) && !v->vs2)))
        return false;
    return !((wide || half) && rv_v_has_vs1(v) &&
             rv_v_overlap(v->vs1, lmul1, v->vs2, v->lmul + (int)wide));
}

/* The operands of all but loads and stores. */
static bool is_legal(const struct rv_vector *v)
{
    if (!good_sources(v))
        return false;
    switch (v->shape) {
    case RV_SHAPE_INT:
    case RV_SHAPE_FLOAT:
    case RV_SHAPE_MOVE:
    case RV_SHAPE_SLIDE_DOWN:
    case RV_SHAPE_SLIDE1_DOWN:
        return good_equal(v);
    case RV_SHAPE_MERGE:
    case RV_SHAPE_CARRY:
        return v->vd && good_equal(v);
    case RV_SHAPE_SLIDE_UP:
    case RV_SHAPE_SLIDE1_UP:
        return good_equal(v) && v->vd != v->vs2;
    case RV_SHAPE_GATHER:
        return good_equal(v) && v->vd != v->vs2 && !(rv_v_has_vs1(v) && v->vd == v->vs1);
    case RV_SHAPE_GATHER16:
        return good_gather16(v);
    case RV_SHAPE_WIDE:
    case RV_SHAPE_FWIDE:
    case RV_SHAPE_FCONVERT_WIDE:
        return good_wide(v, false);
    case RV_SHAPE_WIDE_FIRST:
    case RV_SHAPE_FWIDE_FIRST:
        return good_wide(v, true);
    case RV_SHAPE_NARROW:
    case RV_SHAPE_FCONVERT_NARROW:
        return good_narrow(v);
    case RV_SHAPE_EXTEND:
        return good_extension(v);
    case RV_SHAPE_CARRY_OUT:
    case RV_SHAPE_COMPARE:
    case RV_SHAPE_FCOMPARE:
        return good_mask(v);
    case RV_SHAPE_REDUCE_WIDE:
    case RV_SHAPE_FREDUCE_WIDE:
        return v->sew < ELEN_LOG2 && !v->start && rv_v_aligned(v->vs2, v->lmul);
    case RV_SHAPE_REDUCE:
    case RV_SHAPE_FREDUCE:
        return !v->start && rv_v_aligned(v->vs2, v->lmul);
    case RV_SHAPE_MASK_TO_X:
        return !v->start;
    case RV_SHAPE_MASK_SET:
        return !v->start && (v->vm || v->vd) && v->vd != v->vs2;
    case RV_SHAPE_IOTA:
        return !v->start && good_destination(v, v->lmul) &&
               !rv_v_overlap(v->vd, v->lmul, v->vs2, 0);
    case RV_SHAPE_IDENTITY:
        return good_destination(v, v->lmul);
    case RV_SHAPE_COMPRESS:
        return !v->start && good_destination(v, v->lmul) && rv_v_aligned(v->vs2, v->lmul) &&
               v->vd != v->vs2 && !rv_v_overlap(v->vd, v->lmul, v->vs1, 0);
    case RV_SHAPE_WHOLE:
        return good_whole(v);
    default:
        return true;
    }
}

static bool is_float_shape(enum rv_vector_shape shape)
{
    switch (shape) {
    case RV_SHAPE_FLOAT:
    case RV_SHAPE_FWIDE:
    case RV_SHAPE_FWIDE_FIRST:
    case RV_SHAPE_FCOMPARE:
    case RV_SHAPE_FCONVERT_WIDE:
    case RV_SHAPE_FCONVERT_NARROW:
    case RV_SHAPE_FREDUCE:
    case RV_SHAPE_FREDUCE_WIDE:
        return true;
    default:
        return false;
    }
}

static bool is_float(const struct rv_vector *v)
{
    return is_float_shape(v->shape) || source_is_float(v) || v->shape == RV_SHAPE_TO_F;
}

bool rv_is_vector(uint32_t word)
{
    enum rv_insn_id id = rv_decode(word, RV_EXT_ALL);

    return id != RV_INSN_ILLEGAL && rv_vector_insns[id].shape != RV_SHAPE_NONE;
}

bool rv_vector_is_float(uint32_t word)
{
    struct rv_vector v = {.word = word, .id = rv_decode(word, RV_EXT_ALL)};

    v.shape = rv_vector_insns[v.id].shape;
    return is_float(&v);
}

/* Sets the rounding mode; a reserved one makes all of these illegal (30.13). */
static bool float_ready(struct rv_vector *v)
{
    static const uint8_t modes[] = {IR_ROUND_NEAREST, IR_ROUND_ZERO, IR_ROUND_DOWN, IR_ROUND_UP,
                                    IR_ROUND_AWAY};
    unsigned frm = (v->mode & RV_MODE_FRM) >> RV_MODE_FRM_SHIFT;

    if (!(v->mode & RV_MODE_FS) || !good_float(v))
        return false;
    if (frm >= ARRAY_SIZE(modes))
        return false;
    v->env.round = v->op & RVO_ZERO ? IR_ROUND_ZERO : v->op & RVO_ODD ? SF_ROUND_ODD : modes[frm];
    return true;
}

/* ---- Where it is done ---- */

static void carry_out(struct rv_vector *v)
{
    if (is_float_shape(v->shape)) {
        rv_vector_float(v);
        v->f->fp_flags |= v->env.flags;
        return;
    }
    switch (v->shape) {
    case RV_SHAPE_INT:
    case RV_SHAPE_WIDE:
    case RV_SHAPE_WIDE_FIRST:
    case RV_SHAPE_NARROW:
    case RV_SHAPE_EXTEND:
    case RV_SHAPE_CARRY:
    case RV_SHAPE_CARRY_OUT:
    case RV_SHAPE_COMPARE:
    case RV_SHAPE_REDUCE:
    case RV_SHAPE_REDUCE_WIDE:
        rv_vector_int(v);
        break;
    default:
        rv_vector_move(v);
    }
}

static bool needs_vtype(const struct rv_vector *v)
{
    bool memory = v->shape == RV_SHAPE_LOAD || v->shape == RV_SHAPE_STORE;

    return v->shape != RV_SHAPE_CONFIG && !(memory && (v->op & RVO_CODE) == RVO_WHOLE);
}

static bool is_all_legal(struct rv_vector *v)
{
    if (v->shape == RV_SHAPE_LOAD || v->shape == RV_SHAPE_STORE)
        return rv_vector_memory_is_legal(v);
    return is_legal(v) && (!is_float(v) || float_ready(v));
}

bool rv_vector_is_legal(uint32_t word, uint32_t mode, uint64_t vtype)
{
    struct rv_vector v = {.word = word,
                          .mode = mode,
                          .id = rv_decode(word, RV_EXT_ALL),
                          .vd = rv_rd(word),
                          .vs1 = rv_rs1(word),
                          .vs2 = rv_rs2(word),
                          .vm = word >> 25 & 1,
                          .sew = RV_VTYPE_SEW(vtype),
                          .lmul = RV_VTYPE_LMUL(vtype)};

    v.shape = rv_vector_insns[v.id].shape;
    v.op = rv_vector_insns[v.id].op;
    return is_all_legal(&v);
}

enum rv_vector_result rv_vector_execute(struct dbt_frame *f, uint32_t word, uint32_t mode)
{
    struct rv_frame *r = (struct rv_frame *)f->cells;
    struct rv_vector v = {.f = f,
                          .r = r,
                          .word = word,
                          .mode = mode,
                          .id = rv_decode(word, RV_EXT_ALL),
                          .vd = rv_rd(word),
                          .vs1 = rv_rs1(word),
                          .vs2 = rv_rs2(word),
                          .vm = word >> 25 & 1,
                          .sew = RV_VTYPE_SEW(r->vtype),
                          .lmul = RV_VTYPE_LMUL(r->vtype),
                          .vl = r->vl,
                          .start = r->vstart,
                          .env = {.policy = DBT_FP_RISCV}};
    enum rv_vector_result result = RV_VECTOR_DONE;
    unsigned vlmax = rv_vlmax(r->vtype);

    /* What caged code left in the frame is not to be believed. */
    v.vl = MIN(v.vl, (uint64_t)vlmax);
    v.start &= RV_VSTART_MASK;
    v.shape = rv_vector_insns[v.id].shape;
    v.op = rv_vector_insns[v.id].op;
    if (!(mode & RV_MODE_VS) || (needs_vtype(&v) && !vlmax))
        return RV_VECTOR_ILLEGAL;
    if (v.shape == RV_SHAPE_CONFIG)
        configure(&v);
    else if (!is_all_legal(&v))
        result = RV_VECTOR_ILLEGAL;
    else if (v.shape == RV_SHAPE_LOAD || v.shape == RV_SHAPE_STORE)
        result = rv_vector_memory(&v);
    else
        carry_out(&v);
    if (result == RV_VECTOR_DONE)
        r->vstart = 0;
    r->vconfig = rv_vconfig(r->vtype, r->vl, r->vstart);
    return result;
}
