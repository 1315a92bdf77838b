/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Runs threaded code: one handler after the other by computed goto, values in cells of the frame.
 */
#include "dbt/interp.h"

#include <string.h>
#include "dbt/eval.h"
#include "dbt/handlers.h"
#include "dbt/vector.h"

/* ---- Memory ---- */

static void note_insn(struct dbt_frame *f, const struct interp_op *o)
{
    f->pc = f->pc_base + (o->imm & 0xffff);
    f->insn_length = (uint32_t)(o->imm >> 16 & 0xffff);
    f->count += (uint64_t)o->imm >> 32;
}

static NOINLINE enum dbt_exit fault(struct dbt_frame *f, const struct interp_op *o)
{
    note_insn(f, o);
    return DBT_EXIT_FAULT;
}

static bool is_ordered(const struct interp_op *o)
{
    return unlikely(o->attr2 >> 4);
}

/* Aligned accesses are single-copy atomic, as guests expect of theirs. */
#define READ_AS(type, p) \
    (likely(IS_ALIGNED((uintptr_t)(p), sizeof(type))) ? READ_ONCE(*(type *)(p)) : read_##type(p))
#define WRITE_AS(type, p, v)                                  \
    do {                                                      \
        if (likely(IS_ALIGNED((uintptr_t)(p), sizeof(type)))) \
            WRITE_ONCE(*(type *)(p), (type)(v));              \
        else                                                  \
            write_##type(p, (type)(v));                       \
    } while (0)
/* The type that a sign-extending load makes. */
static enum ir_type load_type(const struct interp_op *o)
{
    return (enum ir_type)o->b;
}

#define UNALIGNED(type)                                \
    static NOINLINE type read_##type(const void *p)    \
    {                                                  \
        type v;                                        \
                                                       \
        memcpy(&v, p, sizeof(v));                      \
        return v;                                      \
    }                                                  \
    static NOINLINE void write_##type(void *p, type v) \
    {                                                  \
        memcpy(p, &v, sizeof(v));                      \
    }
UNALIGNED(uint8_t)
UNALIGNED(uint16_t)
UNALIGNED(uint32_t)
UNALIGNED(uint64_t)

/* With the least privileged level's rights. */
static bool load_as_user(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *v)
{
    const void *p = dbt_tlb_lookup(f, va, size, DBT_USER_READ);

    if (unlikely(!p))
        return dbt_memory_user(f, va, size, false, v);
    switch (size) {
    case 1:
        *v = READ_AS(uint8_t, p);
        break;
    case 2:
        *v = READ_AS(uint16_t, p);
        break;
    case 4:
        *v = READ_AS(uint32_t, p);
        break;
    default:
        *v = READ_AS(uint64_t, p);
    }
    return true;
}

static bool store_as_user(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t v)
{
    void *p = dbt_tlb_lookup(f, va, size, DBT_USER_WRITE);

    if (unlikely(!p))
        return dbt_memory_user(f, va, size, true, &v);
    switch (size) {
    case 1:
        WRITE_AS(uint8_t, p, v);
        break;
    case 2:
        WRITE_AS(uint16_t, p, v);
        break;
    case 4:
        WRITE_AS(uint32_t, p, v);
        break;
    default:
        WRITE_AS(uint64_t, p, v);
    }
    return true;
}

/* Ordered, aligned by decree, or with others' rights. */
static bool load_special(struct dbt_frame *f, const struct interp_op *o, uint64_t va,
                         uint64_t *result)
{
    enum ir_type t = o->attr;
    unsigned size = ir_type_size(t);
    uint64_t v = 0;

    if (o->attr2 & IR_ALIGNED && !IS_ALIGNED(va, size)) {
        f->fault = (struct dbt_fault){.address = va, .access = DBT_READ, .misaligned = true};
        return false;
    }
    if (o->attr2 & IR_USER) {
        if (!load_as_user(f, va, size, &v))
            return false;
    } else {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (!dbt_memory_read(f, va, size, &v))
            return false;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    *result =
        o->attr2 & IR_SIGNED ? ir_zero_extend(load_type(o), (uint64_t)ir_sign_extend(t, v)) : v;
    return true;
}

static bool store_special(struct dbt_frame *f, const struct interp_op *o, uint64_t va, uint64_t v)
{
    unsigned size = ir_type_size(o->attr), order = o->attr2 >> 4;

    if (o->attr2 & IR_ALIGNED && !IS_ALIGNED(va, size)) {
        f->fault = (struct dbt_fault){.address = va, .access = DBT_WRITE, .misaligned = true};
        return false;
    }
    v = ir_zero_extend(o->attr, v);
    if (o->attr2 & IR_USER)
        return store_as_user(f, va, size, v);
    if (order >= IR_RELEASE)
        __atomic_thread_fence(__ATOMIC_RELEASE);
    if (!dbt_memory_write(f, va, size, v))
        return false;
    if (order == IR_SEQ_CST)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return true;
}

static uint64_t combine(enum ir_rmw kind, enum ir_type t, uint64_t old, uint64_t v)
{
    switch (kind) {
    case IR_RMW_ADD:
        return old + v;
    case IR_RMW_AND:
        return old & v;
    case IR_RMW_OR:
        return old | v;
    case IR_RMW_XOR:
        return old ^ v;
    case IR_RMW_MINS:
        return ir_compare(t, IR_LTS, old, v) ? old : v;
    case IR_RMW_MAXS:
        return ir_compare(t, IR_GTS, old, v) ? old : v;
    case IR_RMW_MINU:
        return old < v ? old : v;
    case IR_RMW_MAXU:
        return old > v ? old : v;
    default:
        return v;
    }
}

/* Bytes and half words by the aligned word that holds them: not every host exchanges less. */
static bool exchange_narrow(void *p, unsigned size, uint64_t *expected, uint64_t desired)
{
    uint32_t *word = (uint32_t *)ALIGN_DOWN((uintptr_t)p, sizeof(uint32_t));
    unsigned shift = 8 * (unsigned)((uintptr_t)p % sizeof(uint32_t));
    uint32_t mask = (size == 1 ? UINT8_MAX : UINT16_MAX) << shift;
    uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED), found, wanted;

    do {
        found = (old & mask) >> shift;
        if (found != (uint32_t)*expected) {
            *expected = found;
            return false;
        }
        wanted = (old & ~mask) | ((uint32_t)desired << shift & mask);
    } while (!__atomic_compare_exchange_n(word, &old, wanted, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return true;
}

/* One try: *expected becomes what was found. */
static bool exchange(void *p, unsigned size, uint64_t *expected, uint64_t desired)
{
#define EXCHANGE(type)                                                               \
    {                                                                                \
        type e = (type)*expected;                                                    \
        bool done = __atomic_compare_exchange_n((type *)p, &e, (type)desired, false, \
                                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        *expected = e;                                                               \
        return done;                                                                 \
    }
    switch (size) {
    case 4:
        EXCHANGE(uint32_t)
    case 8:
        EXCHANGE(uint64_t)
    default:
        return exchange_narrow(p, size, expected, desired);
    }
#undef EXCHANGE
}

/* rmw and cas where there is no RAM: a read and a write of a device. */
static bool device_update(struct dbt_frame *f, uint64_t va, const struct interp_op *o, bool cas,
                          enum ir_type t, const uint64_t *v, uint64_t *old)
{
    unsigned size = ir_type_size(t);

    if (!dbt_memory_read(f, va, size, old))
        return false;
    if (cas && *old != ir_zero_extend(t, v[0]))
        return true;
    return dbt_memory_write(
        f, va, size,
        cas ? v[1] : combine((enum ir_rmw)(o->attr & 15), t, *old, ir_zero_extend(t, v[0])));
}

/* False: it faulted. v[0]: the operand, or what cas expects; v[1]: its new value. */
static bool update(struct dbt_frame *f, const struct interp_op *o, uint64_t va, bool cas,
                   const uint64_t *v, uint64_t *result)
{
    enum ir_type t = cas ? o->attr : o->attr >> 4;
    unsigned size = ir_type_size(t);
    bool mmio;
    void *p = dbt_memory_atomic(f, va, size, &mmio);
    uint64_t old = 0;

    if (!p) {
        if (!mmio || !device_update(f, va, o, cas, t, v, &old))
            return false;
    } else if (cas) {
        old = ir_zero_extend(t, v[0]);
        (void)exchange(p, size, &old, v[1]);
    } else {
        while (!exchange(p, size, &old,
                         combine((enum ir_rmw)(o->attr & 15), t, old, ir_zero_extend(t, v[0]))))
            continue;
    }
    *result = o->attr2 & IR_SIGNED ? (uint64_t)ir_sign_extend(t, old) : old;
    return true;
}

/* ---- Floating point ---- */

static struct sf_env fp_env(const struct interp_guest *g, unsigned round)
{
    return (struct sf_env){.policy = g->fp,
                           .round = round & IR_FP_ROUND,
                           .flush_inputs = round & IR_FP_FLUSH,
                           .flush_results = round & IR_FP_FLUSH,
                           .default_nan = round & IR_FP_DEFAULT_NAN};
}

static uint64_t run_fp(struct dbt_frame *f, const struct interp_guest *g, const struct interp_op *o,
                       uint64_t a, uint64_t b, uint64_t c)
{
    struct sf_env env = fp_env(g, o->attr);
    enum ir_type t = (enum ir_type)o->disp, from = o->attr2;
    uint64_t r = 0;

    switch (o->handler) {
    case H_fadd:
        r = sf_add(&env, t, a, b);
        break;
    case H_fsub:
        r = sf_sub(&env, t, a, b);
        break;
    case H_fmul:
        r = sf_mul(&env, t, a, b);
        break;
    case H_fdiv:
        r = sf_div(&env, t, a, b);
        break;
    case H_fsqrt:
        r = sf_sqrt(&env, t, a);
        break;
    case H_fma:
        r = sf_fma(&env, t, a, b, c, o->attr2);
        break;
    case H_fmin:
        r = sf_min(&env, t, o->attr & IR_FP_ROUND, a, b);
        break;
    case H_fmax:
        r = sf_max(&env, t, o->attr & IR_FP_ROUND, a, b);
        break;
    case H_fcmp:
        r = sf_compare(&env, from, o->attr & IR_FP_ROUND, o->imm, a, b);
        break;
    case H_fconv:
        r = sf_convert(&env, t, from, a);
        break;
    case H_ftoi:
        r = sf_to_int(&env, t, o->imm, from, a);
        break;
    case H_itof:
        r = sf_from_int(&env, t, from, o->imm, a);
        break;
    case H_frint:
        r = sf_round(&env, t, o->attr2, a);
        break;
    default:
        break;
    }
    f->fp_flags |= env.flags;
    return r;
}

static void run_vector(struct dbt_frame *f, const struct interp_guest *g, const struct interp_op *o)
{
    struct sf_env env = {.policy = g->fp};
    uint64_t *cells = (uint64_t *)f;
    struct ir_op op = {.code = o->disp & 0xff,
                       .type = (uint8_t)(o->disp >> 8),
                       .attr = o->attr,
                       .attr2 = o->attr2,
                       .imm = o->imm};

    ir_vector_eval(&env, &op, &cells[o->dst], &cells[o->a], &cells[o->b], &cells[o->c]);
    f->fp_flags |= env.flags;
}

/* Loads and stores of vectors: by the TLB or in pieces of 8 bytes, of which only a store's may
 * fault after others are done, so it probes. */
static bool load_vector(struct dbt_frame *f, const struct interp_op *o, uint64_t va, uint64_t *dst)
{
    unsigned size = ir_type_size(o->attr);
    const void *p = dbt_tlb_lookup(f, va, size, DBT_READ);
    uint64_t v[8];

    if (likely(p)) {
        memcpy(dst, p, size);
        return true;
    }
    for (unsigned i = 0; i < size / 8; i++)
        if (!dbt_memory_read(f, va + 8 * i, 8, &v[i]))
            return false;
    memcpy(dst, v, size);
    return true;
}

static bool store_vector(struct dbt_frame *f, const struct interp_op *o, uint64_t va,
                         const uint64_t *from)
{
    unsigned size = ir_type_size(o->attr);
    void *p = dbt_tlb_lookup(f, va, size, DBT_WRITE);

    if (likely(p)) {
        memcpy(p, from, size);
        return true;
    }
    if (!dbt_memory_probe(f, va, size, DBT_WRITE))
        return false;
    for (unsigned i = 0; i < size / 8; i++)
        if (!dbt_memory_write(f, va + 8 * i, 8, from[i]))
            return false;
    return true;
}

#define BOX        0xffffffff00000000ULL
#define NAN_F32    0x7fc00000u
#define SIGN(type) BIT(ir_bits(type) - 1)

static uint64_t flags_three(unsigned handler, const struct interp_op *o, uint64_t a, uint64_t b,
                            bool c)
{
    enum ir_type t = (enum ir_type)o->disp;

    return handler == H_flags_add ? ir_flags_sum(t, a, b, c)
                                  : ir_flags_difference(t, o->attr, a, b, c);
}

enum dbt_exit interp_run(struct dbt_frame *f, const struct interp_unit *u,
                         const struct interp_guest *guest)
{
    static const void *const labels[H_COUNT] = {
#define BINARY(name) &&L_##name##32, &&L_##name##32i, &&L_##name##64, &&L_##name##64i,
#define UNARY(name)  &&L_##name##32, &&L_##name##64,
#define COMPARE(cc)                                                                              \
    &&L_cmp_##cc##32, &&L_cmp_##cc##32i, &&L_cmp_##cc##64, &&L_cmp_##cc##64i, &&L_exit_##cc##32, \
        &&L_exit_##cc##32i, &&L_exit_##cc##64, &&L_exit_##cc##64i,
#define PLAIN(name) &&L_##name,
        &&L_none,
#include "dbt/handlers.def"
    };
    uint64_t *const cells = (uint64_t *)f;
    const struct interp_op *o = u->ops - 1;
    uint64_t va, value[2], old;
    void *p;

#define A   cells[o->a]
#define B   cells[o->b]
#define C   cells[o->c]
#define DST cells[o->dst]
#define NEXT                      \
    do {                          \
        o++;                      \
        goto *labels[o->handler]; \
    } while (0)
#define LINK                                    \
    do {                                        \
        f->pc = f->pc_base + (uint64_t)o->disp; \
        f->count += o->c;                       \
        return DBT_EXIT_LINK;                   \
    } while (0)

    NEXT;

#define BINARY(name)                                                                 \
    L_##name##32 : DST = ir_eval2(IR_##name, IR_I32, o->attr, A, B);                 \
    NEXT;                                                                            \
    L_##name##32i : DST = ir_eval2(IR_##name, IR_I32, o->attr, A, (uint64_t)o->imm); \
    NEXT;                                                                            \
    L_##name##64 : DST = ir_eval2(IR_##name, IR_I64, o->attr, A, B);                 \
    NEXT;                                                                            \
    L_##name##64i : DST = ir_eval2(IR_##name, IR_I64, o->attr, A, (uint64_t)o->imm); \
    NEXT;
#define UNARY(name)                                      \
    L_##name##32 : DST = ir_eval1(IR_##name, IR_I32, A); \
    NEXT;                                                \
    L_##name##64 : DST = ir_eval1(IR_##name, IR_I64, A); \
    NEXT;
#define EXIT_WHEN(condition) \
    if (condition)           \
        LINK;                \
    NEXT;
#define COMPARE(cc)                                                                   \
    L_cmp_##cc##32 : DST = ir_compare(IR_I32, IR_##cc, A, B);                         \
    NEXT;                                                                             \
    L_cmp_##cc##32i : DST = ir_compare(IR_I32, IR_##cc, A, (uint64_t)o->imm);         \
    NEXT;                                                                             \
    L_cmp_##cc##64 : DST = ir_compare(IR_I64, IR_##cc, A, B);                         \
    NEXT;                                                                             \
    L_cmp_##cc##64i : DST = ir_compare(IR_I64, IR_##cc, A, (uint64_t)o->imm);         \
    NEXT;                                                                             \
    L_exit_##cc##32 : EXIT_WHEN(ir_compare(IR_I32, IR_##cc, A, B)) L_exit_##cc##32i   \
        : EXIT_WHEN(ir_compare(IR_I32, IR_##cc, A, (uint64_t)o->imm)) L_exit_##cc##64 \
        : EXIT_WHEN(ir_compare(IR_I64, IR_##cc, A, B)) L_exit_##cc##64i               \
        : EXIT_WHEN(ir_compare(IR_I64, IR_##cc, A, (uint64_t)o->imm))
#define PLAIN(name)
#include "dbt/handlers.def"

L_small1:
    DST = ir_eval1(o->attr2, (enum ir_type)o->disp, A);
    NEXT;
L_small2:
    DST = ir_eval2(o->attr2, (enum ir_type)o->disp, o->attr, A, B);
    NEXT;
L_cmp_small:
    DST = ir_compare(o->attr2, o->attr, A, B);
    NEXT;
L_exit_small:
    EXIT_WHEN(ir_compare(o->attr2, o->attr, A, B))
L_constant:
    DST = (uint64_t)o->imm;
    NEXT;
L_move:
    DST = A;
    NEXT;
L_adc:
    DST = ir_zero_extend((enum ir_type)o->disp, A + B + (C != 0));
    NEXT;
L_sbc:
    DST = ir_zero_extend((enum ir_type)o->disp, A - B - (C != 0));
    NEXT;
L_select:
    DST = A ? B : C;
    NEXT;
L_sext8:
    DST = (uint64_t)(int64_t)(int8_t)A;
    NEXT;
L_sext16:
    DST = (uint64_t)(int64_t)(int16_t)A;
    NEXT;
L_sext32:
    DST = (uint64_t)(int64_t)(int32_t)A;
    NEXT;
L_sext:
    DST = ir_zero_extend((enum ir_type)o->disp, (uint64_t)ir_sign_extend(o->attr, A));
    NEXT;
L_zext8:
    DST = (uint8_t)A;
    NEXT;
L_zext16:
    DST = (uint16_t)A;
    NEXT;
L_zext32:
    DST = (uint32_t)A;
    NEXT;
L_extract:
    DST = ir_eval_field((enum ir_type)o->disp, o->imm, o->attr2, A);
    NEXT;
L_insert:
    DST = ir_eval_insert(o->imm, A, B);
    NEXT;
L_flags_add:
    DST = flags_three(H_flags_add, o, A, B, false);
    NEXT;
L_flags_adc:
    DST = flags_three(H_flags_add, o, A, B, C != 0);
    NEXT;
L_flags_sub:
    DST = flags_three(H_flags_sub, o, A, B, false);
    NEXT;
L_flags_sbc:
    DST = flags_three(H_flags_sub, o, A, B, C != 0);
    NEXT;
L_flags_logic:
    DST = ir_flags_of((enum ir_type)o->disp, A);
    NEXT;
L_cond:
    DST = ir_condition(o->attr, A);
    NEXT;

#define LOAD(name, type, extended)                        \
    L_##name : va = A + (uint64_t)o->disp;                \
    p = dbt_tlb_lookup(f, va, sizeof(type), DBT_READ);    \
    if (likely(p))                                        \
        old = READ_AS(type, p);                           \
    else if (!dbt_memory_read(f, va, sizeof(type), &old)) \
        return fault(f, o);                               \
    DST = extended;                                       \
    NEXT;
    LOAD(load8, uint8_t, old)
    LOAD(load16, uint16_t, old)
    LOAD(load32, uint32_t, old)
    LOAD(load64, uint64_t, old)
    /* Into i16 or i32 too: what is above the type is cut off. */
    LOAD(load8s, uint8_t, ir_zero_extend(load_type(o), (uint64_t)(int64_t)(int8_t)old))
    LOAD(load16s, uint16_t, ir_zero_extend(load_type(o), (uint64_t)(int64_t)(int16_t)old))
    LOAD(load32s, uint32_t, ir_zero_extend(load_type(o), (uint64_t)(int64_t)(int32_t)old))

#define STORE(name, type)                                         \
    L_##name : va = A + (uint64_t)o->disp;                        \
    if (is_ordered(o))                                            \
        __atomic_thread_fence(__ATOMIC_SEQ_CST);                  \
    p = dbt_tlb_lookup(f, va, sizeof(type), DBT_WRITE);           \
    if (likely(p)) {                                              \
        WRITE_AS(type, p, B);                                     \
    } else if (!dbt_memory_write(f, va, sizeof(type), (type)B)) { \
        return fault(f, o);                                       \
    }                                                             \
    if (is_ordered(o))                                            \
        __atomic_thread_fence(__ATOMIC_SEQ_CST);                  \
    NEXT;
    STORE(store8, uint8_t)
    STORE(store16, uint16_t)
    STORE(store32, uint32_t)
    STORE(store64, uint64_t)

L_load_vector:
    if (!load_vector(f, o, A + (uint64_t)o->disp, &DST))
        return fault(f, o);
    NEXT;
L_store_vector:
    if (!store_vector(f, o, A + (uint64_t)o->disp, &B))
        return fault(f, o);
    NEXT;
L_vector:
    run_vector(f, guest, o);
    NEXT;
L_move_vector:
    memmove(&DST, &A, (size_t)o->imm);
    NEXT;
L_select_vector:
    memmove(&DST, A ? &B : &C, (size_t)o->imm);
    NEXT;
L_load_special:
    if (!load_special(f, o, A + (uint64_t)o->disp, &DST))
        return fault(f, o);
    NEXT;
L_store_special:
    if (!store_special(f, o, A + (uint64_t)o->disp, B))
        return fault(f, o);
    NEXT;
L_probe:
    if (!dbt_memory_probe(f, A + (uint64_t)o->disp, o->attr, o->attr2 ? DBT_WRITE : DBT_READ))
        return fault(f, o);
    NEXT;
L_rmw:
    value[0] = B;
    if (!update(f, o, A + (uint64_t)o->disp, false, value, &DST))
        return fault(f, o);
    NEXT;
L_cas:
    value[0] = B;
    value[1] = C;
    if (!update(f, o, A + (uint64_t)o->disp, true, value, &DST))
        return fault(f, o);
    NEXT;
L_fence:
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    NEXT;
L_fadd:
L_fsub:
L_fmul:
L_fdiv:
L_fsqrt:
L_fma:
L_fmin:
L_fmax:
L_fcmp:
L_fconv:
L_ftoi:
L_itof:
L_frint:
    DST = run_fp(f, guest, o, A, B, C);
    NEXT;
L_fabs:
    DST = A & ~SIGN((enum ir_type)o->disp);
    NEXT;
L_fneg:
    DST = A ^ SIGN((enum ir_type)o->disp);
    NEXT;
L_fsgnj:
    DST = (A & ~SIGN((enum ir_type)o->disp)) | (B & SIGN((enum ir_type)o->disp));
    NEXT;
L_fclass:
    DST = sf_classify(o->attr, A);
    NEXT;
L_unbox:
    DST = A >> 32 == BOX >> 32 ? (uint32_t)A : NAN_F32;
    NEXT;
L_box:
    DST = A | BOX;
    NEXT;
L_helper:
    DST = guest->helpers[o->imm].call(f, A, B, C);
    NEXT;
L_poll:
    if (likely(!__atomic_load_n(&f->poll, __ATOMIC_RELAXED)))
        NEXT;
    f->pc = f->pc_base + ((uint32_t)o->disp & 0xffff);
    f->count += o->c;
    return DBT_EXIT_POLL;
L_budget:
    if (likely(f->count + o->c <= f->limit))
        NEXT;
    f->pc = f->pc_base + (uint64_t)o->disp;
    return DBT_EXIT_POLL;
L_leave_if:
    if (likely(!A))
        NEXT;
    goto L_leave;
L_exit_cond:
    EXIT_WHEN(ir_condition(o->attr, A))
L_jump:
    f->detail = o->attr;
    LINK;
L_jump_reg:
    f->pc = A;
    f->detail = o->attr;
    f->count += o->c;
    return DBT_EXIT_INDIRECT;
L_leave:
    f->pc = f->pc_base + ((uint32_t)o->disp & 0xffff);
    f->insn_length = (uint32_t)o->disp >> 16;
    f->reason = o->attr;
    f->detail = (uint64_t)o->imm;
    f->count += o->c;
    return DBT_EXIT_LEAVE;
L_goto:
    o = u->ops + o->imm - 1;
    NEXT;
L_branch:
    o = u->ops + (A ? o->imm & UINT32_MAX : (int64_t)((uint64_t)o->imm >> 32)) - 1;
    NEXT;
L_none:
    __builtin_unreachable();
}
