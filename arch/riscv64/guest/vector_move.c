/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Vector instructions in C that move elements, and those on masks (30.11.15, 30.11.16, 30.15,
 * 30.16). */
#include "arch/riscv64/guest/vector.h"

static void set_x(struct rv_vector *v, uint64_t e)
{
    if (v->vd)
        v->r->x[v->vd] = e;
}

/* ---- Masks ---- */

static bool combine(unsigned op, bool a, bool b)
{
    switch (op) {
    case RVO_MAND:
        return a && b;
    case RVO_MANDN:
        return a && !b;
    case RVO_MOR:
        return a || b;
    case RVO_MORN:
        return a || !b;
    case RVO_MXOR:
        return a != b;
    case RVO_MXNOR:
        return a == b;
    case RVO_MNAND:
        return !(a && b);
    default:
        return !(a || b);
    }
}

static void masks(struct rv_vector *v)
{
    for (uint64_t i = v->start; i < v->vl; i++)
        rv_v_put_bit(v, v->vd, i,
                     combine(v->op & RVO_CODE, rv_v_bit(v, v->vs2, i), rv_v_bit(v, v->vs1, i)));
}

static void count_or_find(struct rv_vector *v)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < v->vl; i++) {
        if (!rv_v_active(v, i) || !rv_v_bit(v, v->vs2, i))
            continue;
        if ((v->op & RVO_CODE) == RVO_FIRST) {
            set_x(v, i);
            return;
        }
        count++;
    }
    set_x(v, (v->op & RVO_CODE) == RVO_FIRST ? UINT64_MAX : count);
}

static void set_around_first(struct rv_vector *v)
{
    unsigned op = v->op & RVO_CODE;
    bool found = false;

    for (uint64_t i = 0; i < v->vl; i++) {
        bool first;

        if (!rv_v_active(v, i))
            continue;
        first = !found && rv_v_bit(v, v->vs2, i);
        found |= first;
        rv_v_put_bit(v, v->vd, i,
                     op == RVO_ONLY     ? first
                     : op == RVO_BEFORE ? !found
                                        : !found || first);
    }
}

static void iota(struct rv_vector *v)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < v->vl; i++) {
        if (!rv_v_active(v, i))
            continue;
        rv_v_put(v, v->vd, v->sew, i, count);
        count += rv_v_bit(v, v->vs2, i);
    }
}

static void identity(struct rv_vector *v)
{
    for (uint64_t i = v->start; i < v->vl; i++)
        if (rv_v_active(v, i))
            rv_v_put(v, v->vd, v->sew, i, i);
}

/* ---- Scalars ---- */

static void to_f(struct rv_vector *v)
{
    uint64_t e = rv_v_get(v, v->vs2, v->sew, 0);

    v->r->f[v->vd] = v->sew == 3 ? e : e | UINT64_MAX << (8u << v->sew);
}

static void from_scalar(struct rv_vector *v)
{
    if (v->start < v->vl)
        rv_v_put(v, v->vd, v->sew, 0, rv_v_scalar(v, v->sew));
}

/* ---- Whole elements ---- */

/* vmv.v and vmerge: the latter takes vs2 where the mask has no bit. */
static void merge(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v), move = v->shape == RV_SHAPE_MOVE;
    uint64_t scalar = has_vs1 ? 0 : rv_v_scalar(v, v->sew);

    for (uint64_t i = v->start; i < v->vl; i++) {
        uint64_t e = has_vs1 ? rv_v_get(v, v->vs1, v->sew, i) : scalar;

        if (!move && !rv_v_bit(v, 0, i))
            e = rv_v_get(v, v->vs2, v->sew, i);
        rv_v_put(v, v->vd, v->sew, i, e);
    }
}

static void whole(struct rv_vector *v)
{
    uint64_t size = (uint64_t)(rv_rs1(v->word) + 1) * RV_VLENB, from = v->start << v->sew;

    if (from < size)
        memmove(rv_v(v, v->vd) + from, rv_v(v, v->vs2) + from, size - from);
}

/* The immediate, or all of x[rs1]. */
static uint64_t offset_of(struct rv_vector *v)
{
    return rv_v_scalar(v, 3);
}

static unsigned vlmax(const struct rv_vector *v)
{
    return rv_vlmax(v->r->vtype);
}

static void slide_up(struct rv_vector *v)
{
    uint64_t offset = offset_of(v);

    for (uint64_t i = MAX(v->start, offset); i < v->vl; i++)
        if (rv_v_active(v, i))
            rv_v_put(v, v->vd, v->sew, i, rv_v_get(v, v->vs2, v->sew, i - offset));
}

static void slide_down(struct rv_vector *v)
{
    uint64_t offset = offset_of(v), limit = vlmax(v);

    for (uint64_t i = v->start; i < v->vl; i++) {
        bool inside = offset < limit && i < limit - offset;

        if (rv_v_active(v, i))
            rv_v_put(v, v->vd, v->sew, i, inside ? rv_v_get(v, v->vs2, v->sew, i + offset) : 0);
    }
}

static void slide_one(struct rv_vector *v)
{
    bool up = v->shape == RV_SHAPE_SLIDE1_UP;
    uint64_t scalar = rv_v_scalar(v, v->sew);

    for (uint64_t i = v->start; i < v->vl; i++) {
        bool outside = up ? i == 0 : i == v->vl - 1;

        if (rv_v_active(v, i))
            rv_v_put(v, v->vd, v->sew, i,
                     outside ? scalar : rv_v_get(v, v->vs2, v->sew, up ? i - 1 : i + 1));
    }
}

static void gather(struct rv_vector *v)
{
    bool has_vs1 = rv_v_has_vs1(v);
    unsigned size = v->shape == RV_SHAPE_GATHER16 ? 1 : v->sew;
    uint64_t scalar = has_vs1 ? 0 : offset_of(v), limit = vlmax(v);

    for (uint64_t i = v->start; i < v->vl; i++) {
        uint64_t from;

        if (!rv_v_active(v, i))
            continue;
        from = has_vs1 ? rv_v_get(v, v->vs1, size, i) : scalar;
        rv_v_put(v, v->vd, v->sew, i, from < limit ? rv_v_get(v, v->vs2, v->sew, from) : 0);
    }
}

static void compress(struct rv_vector *v)
{
    uint64_t to = 0;

    for (uint64_t i = 0; i < v->vl; i++)
        if (rv_v_bit(v, v->vs1, i))
            rv_v_put(v, v->vd, v->sew, to++, rv_v_get(v, v->vs2, v->sew, i));
}

void rv_vector_move(struct rv_vector *v)
{
    static void (*const ways[])(struct rv_vector * v) = {
        [RV_SHAPE_MERGE] = merge,
        [RV_SHAPE_MOVE] = merge,
        [RV_SHAPE_MASKS] = masks,
        [RV_SHAPE_MASK_TO_X] = count_or_find,
        [RV_SHAPE_MASK_SET] = set_around_first,
        [RV_SHAPE_IOTA] = iota,
        [RV_SHAPE_IDENTITY] = identity,
        [RV_SHAPE_TO_F] = to_f,
        [RV_SHAPE_FROM_SCALAR] = from_scalar,
        [RV_SHAPE_SLIDE_UP] = slide_up,
        [RV_SHAPE_SLIDE_DOWN] = slide_down,
        [RV_SHAPE_SLIDE1_UP] = slide_one,
        [RV_SHAPE_SLIDE1_DOWN] = slide_one,
        [RV_SHAPE_GATHER] = gather,
        [RV_SHAPE_GATHER16] = gather,
        [RV_SHAPE_COMPRESS] = compress,
        [RV_SHAPE_WHOLE] = whole,
    };

    if (v->shape == RV_SHAPE_TO_X)
        set_x(v, (uint64_t)rv_v_signed(v->sew, rv_v_get(v, v->vs2, v->sew, 0)));
    else
        ways[v->shape](v);
}
