/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Vector loads and stores in C (30.7 to 30.9): element by element, so that a fault leaves vstart
 * where the instruction goes on.
 */
#include "arch/riscv64/guest/vector.h"

/* One load or store. */
struct access {
    bool load;
    unsigned kind;       /* enum rv_vector_op */
    unsigned size;       /* of an element in memory, log2 of bytes */
    unsigned index_size; /* of an index */
    unsigned fields;     /* 1 to 8 */
    int lmul;            /* of each field's group */
    uint64_t base, stride;
};

/* Bits 14:12. */
static unsigned width_of(uint32_t word)
{
    unsigned width = rv_rm(word);

    return width ? width - 4 : 0;
}

static struct access access_of(const struct rv_vector *v)
{
    struct access a = {.load = v->shape == RV_SHAPE_LOAD,
                       .kind = v->op & RVO_CODE,
                       .size = width_of(v->word),
                       .fields = (v->word >> 29) + 1};

    a.index_size = a.size;
    if (a.kind == RVO_INDEXED)
        a.size = v->sew;
    a.lmul = v->lmul + (int)a.size - (int)v->sew;
    a.stride = (uint64_t)a.fields << a.size;
    if (a.kind == RVO_MASK)
        a.lmul = 0;
    return a;
}

/* ---- What is legal ---- */

static unsigned registers(int lmul)
{
    return lmul > 0 ? 1u << lmul : 1;
}

static bool good_groups(const struct rv_vector *v, const struct access *a)
{
    unsigned count = a->fields * registers(a->lmul);

    return a->lmul >= -3 && a->lmul <= 3 && rv_v_aligned(v->vd, a->lmul) && count <= 8 &&
           v->vd + count <= 32 && (!a->load || v->vm || v->vd);
}

/* Loaded registers and indices of another size must not lie on one another, nor may segments. */
static bool good_indices(const struct rv_vector *v, const struct access *a)
{
    int lmul = v->lmul + (int)a->index_size - (int)v->sew;

    if (lmul < -3 || lmul > 3 || (!v->vm && (!v->vs2 || !v->vd)) || !rv_v_aligned(v->vs2, lmul))
        return false;
    for (unsigned i = 0; i < a->fields; i++) {
        unsigned vd = v->vd + i * registers(a->lmul);

        if (!a->load) {
            if (i == 0 && a->index_size != v->sew && rv_v_overlap(vd, a->lmul, v->vs2, lmul))
                return false;
            continue;
        }
        if (a->fields > 1 && rv_v_overlap(vd, a->lmul, v->vs2, lmul))
            return false;
        if (a->index_size > v->sew && vd != v->vs2 && !rv_v_apart(vd, a->lmul, v->vs2, lmul))
            return false;
        if (a->index_size < v->sew && !rv_v_apart(vd, a->lmul, v->vs2, lmul))
            return false;
    }
    return true;
}

static bool is_legal(const struct rv_vector *v, const struct access *a)
{
    switch (a->kind) {
    case RVO_WHOLE:
        return v->vd % a->fields == 0;
    case RVO_MASK:
        return true;
    case RVO_INDEXED:
        return good_groups(v, a) && good_indices(v, a);
    default:
        return good_groups(v, a);
    }
}

bool rv_vector_memory_is_legal(const struct rv_vector *v)
{
    struct access a = access_of(v);

    return is_legal(v, &a);
}

/* ---- Elements ---- */

static bool read(struct rv_vector *v, uint64_t va, unsigned size, uint64_t *e)
{
    const void *p = dbt_tlb_lookup(v->f, va, 1u << size, DBT_READ);

    if (unlikely(!p))
        return dbt_memory_read(v->f, va, 1u << size, e);
    *e = 0;
    memcpy(e, p, (size_t)1 << size);
    return true;
}

static bool write(struct rv_vector *v, uint64_t va, unsigned size, uint64_t e)
{
    void *p = dbt_tlb_lookup(v->f, va, 1u << size, DBT_WRITE);

    if (unlikely(!p))
        return dbt_memory_write(v->f, va, 1u << size, e);
    memcpy(p, &e, (size_t)1 << size);
    return true;
}

static uint64_t address_of(struct rv_vector *v, const struct access *a, uint64_t i)
{
    if (a->kind == RVO_INDEXED)
        return a->base + rv_v_get(v, v->vs2, a->index_size, i);
    return a->base + i * a->stride;
}

/* All fields of element i. False: frame->fault is filled. */
static bool transfer(struct rv_vector *v, const struct access *a, uint64_t i)
{
    uint64_t va = address_of(v, a, i), e;

    for (unsigned k = 0; k < a->fields; k++, va += 1u << a->size) {
        unsigned n = v->vd + k * registers(a->lmul);

        if (a->load) {
            if (!read(v, va, a->size, &e))
                return false;
            rv_v_put(v, n, a->size, i, e);
        } else if (!write(v, va, a->size, rv_v_get(v, n, a->size, i))) {
            return false;
        }
    }
    return true;
}

/* Elements, which vl does not count for whole registers and masks. */
static uint64_t length_of(const struct rv_vector *v, struct access *a)
{
    uint64_t fields = a->fields;

    if (a->kind == RVO_MASK)
        return (v->vl + 7) / 8;
    if (a->kind != RVO_WHOLE)
        return v->vl;
    a->fields = 1;
    a->stride = 1u << a->size;
    a->lmul = 0;
    return fields * (RV_VLENB >> a->size);
}

/* Consecutive bytes of a page that the TLB knows. False: nothing was done. */
static bool transfer_block(struct rv_vector *v, const struct access *a, uint64_t length)
{
    uint64_t from = v->start << a->size, bytes = (length - v->start) << a->size;
    uint8_t *memory;

    if (v->start >= length || !v->vm || a->stride != 1u << a->size || a->kind == RVO_INDEXED ||
        a->kind == RVO_STRIDED)
        return false;
    memory = dbt_tlb_lookup(v->f, a->base + from, (unsigned)bytes, a->load ? DBT_READ : DBT_WRITE);
    if (!memory)
        return false;
    if (a->load)
        memcpy(rv_v(v, v->vd) + from, memory, bytes);
    else
        memcpy(memory, rv_v(v, v->vd) + from, bytes);
    return true;
}

enum rv_vector_result rv_vector_memory(struct rv_vector *v)
{
    struct access a = access_of(v);
    unsigned base = rv_rs1(v->word), stride = rv_rs2(v->word);
    uint64_t length;

    a.base = base ? v->r->x[base] : 0;
    if (a.kind == RVO_STRIDED)
        a.stride = stride ? v->r->x[stride] : 0;
    length = length_of(v, &a);
    if (transfer_block(v, &a, length))
        return RV_VECTOR_DONE;
    for (uint64_t i = v->start; i < length; i++) {
        if (!rv_v_active(v, i) || transfer(v, &a, i))
            continue;
        if (a.kind == RVO_FAULT_FIRST && i) {
            v->r->vl = i;
            break;
        }
        v->r->vstart = i;
        return RV_VECTOR_FAULTED;
    }
    return RV_VECTOR_DONE;
}
