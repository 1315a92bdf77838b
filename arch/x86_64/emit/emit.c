/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The x86-64 emitter (dbt/emitter.h): the pass over a unit. */
#include "arch/x86_64/emit/emit.h"

#include <cpuid.h>
#include "dbt/knobs.h"
#include "mm/heap.h"

/* CPUID (SDM volume 2, CPUID): what level v3 adds, as far as it is used. */
#define CPUID_1_ECX_V3  (1u << 12 | 1u << 22 | 1u << 23 | 7u << 27) /* FMA .. F16C */
#define CPUID_7_EBX_V3  (1u << 3 | 1u << 5 | 1u << 8)               /* BMI1 AVX2 BMI2 */
#define CPUID_EXT_LZCNT (1u << 5)
#define CPUID_EXTENDED  0x80000001u

#define LOOP_INSNS  32U /* that a loop is repeated to, at most, */
#define LONG_INSNS  64U /* and where that saves moves between registers */
#define REPETITIONS 4U

_Static_assert(INTERP_CELLS_ALIGN % VECTOR_SIZE == 0, "cells are moved as vectors");

enum dbt_level host_level(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & CPUID_1_ECX_V3) != CPUID_1_ECX_V3)
        return DBT_LEVEL_BASE;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & CPUID_7_EBX_V3) != CPUID_7_EBX_V3)
        return DBT_LEVEL_BASE;
    if (!__get_cpuid(CPUID_EXTENDED, &a, &b, &c, &d) || !(c & CPUID_EXT_LZCNT))
        return DBT_LEVEL_BASE;
    return DBT_LEVEL_V3;
}

static struct emitter *create(const struct dbt_dialect *dialect, const struct interp_guest *guest,
                              enum dbt_level level)
{
    struct emitter *e;

    if (dialect->slot_count > SLOTS_MAX)
        return NULL;
    e = heap_zalloc(sizeof(*e));
    if (!e)
        return NULL;
    e->dialect = dialect;
    e->guest = guest;
    e->level = level;
    e->cells = (int32_t)dbt_slow_call_at(dialect) - DBT_FRAME_GUEST;
    pins_choose(e);
    return e;
}

static void destroy(struct emitter *e)
{
    heap_free(e);
}

static void share(struct emitter *e, const struct emitter *with)
{
    e->stub = with->stub;
}

/* All of it in C. */
static void slow_op(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct operand operand[3] = {{0}};
    unsigned d = REG_NONE;
    struct cold *cold;

    calls_c(e);
    for (unsigned a = 0; a < ir_info[op->code].operand_count; a++)
        operand[a] = where(e, op->arg[a]);
    if (ir_info[op->code].result != '-')
        d = result_reg(e, i);
    cold = cold_slow(e, i, as_jmp(&e->as), d, operand);
    cold->back = e->as.p;
}

/* Operations that no code is for. */
static bool is_silent(struct emitter *e, const struct ir_op *op)
{
    if (op->code == IR_insn) {
        e->insn_at = (unsigned)op->imm;
        e->insn_length = op->attr;
        e->insn_index++;
        return true;
    }
    return op->code == IR_nop || op->code == IR_const;
}

/* Who sees bits sees the NaN that the guest knows. */
static void tighten_operands(struct emitter *e, const struct ir_op *op)
{
    if (likely(!e->made_loose) || is_blind(e, op))
        return;
    for (unsigned a = 0; a < ARRAY_SIZE(op->arg); a++)
        tighten(e, op->arg[a]);
}

static void emit_op(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    uint8_t effects = ir_info[op->code].effects;
    bool done;

    switch (op->code) {
    case IR_get:
        emit_get(e, i);
        return;
    case IR_set:
        tighten_operands(e, op);
        emit_set(e, i);
        return;
    default:
        break;
    }
    if (e->value[i].same != i || e->value[i].fused)
        return;
    if (op->code == IR_bitsf && (e->value[i].home != HOME_NONE || e->value[i].reg != REG_NONE))
        return; /* forwarded */
    tighten_operands(e, op);
    if (effects & (IR_SIDE | IR_END))
        done = emit_control(e, i);
    else if (effects & IR_FAULT || op->code == IR_fence)
        done = emit_memory(e, i);
    else
        done = emit_int(e, i) || emit_fp(e, i) || emit_vector(e, i);
    if (!done)
        slow_op(e, i);
}

static void find_first_insn(struct emitter *e)
{
    unsigned i = 1;

    while (i < e->u->op_count && e->u->ops[i].code != IR_insn)
        i++;
    e->first_insn = i < e->u->op_count ? (unsigned)e->u->ops[i].imm : IR_PAGE_SIZE;
}

static bool unit_begin(struct emitter *e, const struct ir_unit *u, struct dbt_room room)
{
    e->u = u;
    e->room = room;
    e->as = (struct as){.p = room.write,
                        .limit = room.write + room.size - OP_BYTES_MAX,
                        .to_exec = (intptr_t)room.exec - (intptr_t)room.write};
    e->body = room.write;
    e->link_count = e->cold_count = e->site_count = 0;
    e->insn_at = e->insn_length = e->insn_index = 0;
    e->calls = 0;
    e->loose = 0;
    e->made_loose = false;
    e->forward_count = 0;
    e->full = room.size < OP_BYTES_MAX;
    e->unsupported = false;
    e->words = u->mode & DBT_MODE_WORDS;
    find_first_insn(e);
    return values_begin(e);
}

/* Does all of the unit lie before the limit? */
static void emit_budget(struct emitter *e)
{
    int32_t insns = 0;

    for (unsigned i = 1; i < e->u->op_count; i++)
        insns += e->u->ops[i].code == IR_insn;
    as_rm(&e->as, OP_MOV, true, RAX, FRAME_BASE, FRAME(count));
    as_alu_imm(&e->as, OP_ADD, true, RAX, insns);
    as_rm(&e->as, OP_CMP, true, RAX, FRAME_BASE, FRAME(limit));
    struct cold *cold = cold_new(e, COLD_POLL, as_jcc(&e->as, CC_A));
    cold->insn_at = (uint16_t)e->first_insn;
    cold->insn_index = 1; /* none of them is done */
}

/* From instruction `from` (from 0) to the next such place all are executed alike. Caged code cannot
 * write it. */
static void emit_profile(struct emitter *e, unsigned from)
{
    struct dbt_link *l;

    if (e->caged)
        return;
    if (e->link_count == e->room.link_count) {
        e->full = true;
        return;
    }
    l = &e->room.links[e->link_count++];
    *l = (struct dbt_link){.linked = DBT_LINK_COUNT, .target = (int32_t)from};
    as_rip(&e->as, OP_GROUP5, true, DIGIT_INC, &l->code, 0);
}

/* Who leaves at a poll has not done its instruction. */
static void emit_profile_behind(struct emitter *e, unsigned i)
{
    unsigned code = op_of(e, (ir_value)i)->code;

    if (e->full || (code != IR_exit_if && code != IR_poll))
        return;
    emit_profile(e, code == IR_poll ? e->insn_index - 1 : e->insn_index);
}

/* How often the body of a small loop is emitted, with one poll at the end: what it knows of memory
 * it still knows in its repetition. */
static unsigned repetitions(struct emitter *e, const struct ir_unit *u)
{
    const struct ir_op *last = &u->ops[u->op_count - 1];
    unsigned insns = 0, exits = 0;

    if (last->code != IR_jump || last->attr != IR_HINT_NONE || u->op_count < 3 ||
        last[-1].code != IR_exit_if || last[-1].imm != (int64_t)e->first_insn ||
        u->mode & (DBT_MODE_COUNT | DBT_MODE_SINGLE) || dbt_knobs.profile)
        return 1;
    for (unsigned i = 1; i < u->op_count; i++) {
        const struct ir_op *op = &u->ops[i];

        insns += op->code == IR_insn;
        if (!(ir_info[op->code].effects & (IR_SIDE | IR_END)) || op->code == IR_poll)
            continue;
        if (op->code == IR_exit_if && op->imm != (int64_t)e->first_insn)
            return 1;
        exits++;
    }
    if (exits != 2 || insns == 0 || insns > LOOP_INSNS / 2) /* that, and the jump behind it */
        return 1;
    forwards_find(e);
    return MIN((e->forward_count ? LONG_INSNS : LOOP_INSNS) / insns, REPETITIONS);
}

static void emit_ops(struct emitter *e, const struct ir_unit *u)
{
    for (unsigned i = 1; i < u->op_count && !e->full && !e->unsupported; i++) {
        if (is_silent(e, op_of(e, (ir_value)i)))
            continue;
        if (e->as.p > e->as.limit) {
            e->full = true;
            break;
        }
        if (e->again && ir_info[u->ops[i].code].effects & IR_END)
            break; /* its exit led out */
        emit_op(e, i);
        values_after(e, i);
        if (unlikely(dbt_knobs.profile))
            emit_profile_behind(e, i);
    }
}

static enum err emit(struct emitter *e, const struct ir_unit *u, struct dbt_room room,
                     struct dbt_emitted *out)
{
    size_t hot;

    if (u->block_count != 1 || !unit_begin(e, u, room))
        return ERR_UNSUPPORTED;
    if (u->mode & DBT_MODE_COUNT && !e->full)
        emit_budget(e);
    if (unlikely(dbt_knobs.profile) && !e->full)
        emit_profile(e, 0);
    for (e->again = repetitions(e, u); e->again--;) {
        if (e->again)
            forwards_keep(e);
        emit_ops(e, u);
        if (!e->again)
            break;
        e->insn_at = e->insn_length = e->insn_index = 0;
        values_again(e);
    }
    hot = (size_t)(e->as.p - room.write);
    if (!e->full && !e->unsupported)
        cold_emit(e);
    if (e->unsupported)
        return ERR_UNSUPPORTED;
    if (e->full)
        return ERR_RANGE;
    *out = (struct dbt_emitted){.size = (size_t)(e->as.p - room.write),
                                .hot = hot,
                                .link_count = e->link_count,
                                .insn_count = e->insn_index,
                                .site_count = e->site_count,
                                .calls = e->calls};
    return ERR_OK;
}

TABLE_ENTRY(dbt_emitters, struct dbt_emitter, x86_64_emitter) = {
    .name = "x86_64",
    .host_level = host_level,
    .create = create,
    .destroy = destroy,
    .stubs = emit_stubs,
    .share = share,
    .emit = emit,
};
