/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The riscv64 front end's walk over the code: fetches, decodes, lifts until something ends the
 * unit. */
#include "arch/riscv64/guest/lift.h"

#define X(n)                                      \
    {                                             \
        "x" #n, IR_I64, DBT_FRAME_GUEST + 8 * (n) \
    }
#define F(n)                                            \
    {                                                   \
        "f" #n, IR_F64, DBT_FRAME_GUEST + 256 + 8 * (n) \
    }

#define V(n)                                                                       \
    {                                                                              \
        "v" #n, IR_V128, DBT_FRAME_GUEST + offsetof(struct rv_frame, v) + 16 * (n) \
    }

static const struct dbt_slot slots[RV_SLOT_COUNT] = {
    {"pc_base", IR_I64, offsetof(struct dbt_frame, pc_base)},
    X(1),
    X(2),
    X(3),
    X(4),
    X(5),
    X(6),
    X(7),
    X(8),
    X(9),
    X(10),
    X(11),
    X(12),
    X(13),
    X(14),
    X(15),
    X(16),
    X(17),
    X(18),
    X(19),
    X(20),
    X(21),
    X(22),
    X(23),
    X(24),
    X(25),
    X(26),
    X(27),
    X(28),
    X(29),
    X(30),
    X(31),
    F(0),
    F(1),
    F(2),
    F(3),
    F(4),
    F(5),
    F(6),
    F(7),
    F(8),
    F(9),
    F(10),
    F(11),
    F(12),
    F(13),
    F(14),
    F(15),
    F(16),
    F(17),
    F(18),
    F(19),
    F(20),
    F(21),
    F(22),
    F(23),
    F(24),
    F(25),
    F(26),
    F(27),
    F(28),
    F(29),
    F(30),
    F(31),
    {"reserved_address", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, reserved_address)},
    {"reserved_value", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, reserved_value)},
    {"sstatus", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, sstatus)},
    {"sscratch", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, sscratch)},
    {"sepc", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, sepc)},
    {"scause", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, scause)},
    {"stval", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, stval)},
    {"pending", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, pending)},
    {"vl", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, vl)},
    {"vtype", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, vtype)},
    {"vstart", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, vstart)},
    {"vconfig", IR_I64, DBT_FRAME_GUEST + offsetof(struct rv_frame, vconfig)},
    V(0),
    V(1),
    V(2),
    V(3),
    V(4),
    V(5),
    V(6),
    V(7),
    V(8),
    V(9),
    V(10),
    V(11),
    V(12),
    V(13),
    V(14),
    V(15),
    V(16),
    V(17),
    V(18),
    V(19),
    V(20),
    V(21),
    V(22),
    V(23),
    V(24),
    V(25),
    V(26),
    V(27),
    V(28),
    V(29),
    V(30),
    V(31),
};

static const struct dbt_dialect dialect = {.name = "riscv64",
                                           .slots = slots,
                                           .slot_count = RV_SLOT_COUNT,
                                           .helper_count = RV_HELPER_COUNT,
                                           .fp = DBT_FP_RISCV};

static const rv_lift_fn lift[RV_INSN_COUNT] = {
#define RV(name, format, mask, match, extension) [RV_INSN_##name] = rv_lift_##name,
#include "arch/riscv64/guest/insns.def"
};

void rv_lift_illegal(struct rv_lift *t)
{
    ir_leave(t->u, IR_LEAVE_ILLEGAL, t->raw);
    t->ended = true;
}

void rv_lift_interpret(struct rv_lift *t)
{
    ir_leave(t->u, IR_LEAVE_INTERPRET, t->word);
    t->ended = true;
}

/* The 16 bits at `offset` of the page, which may lie on the next one. */
static uint16_t fetch16(const struct dbt_source *s, unsigned offset)
{
    const uint8_t *from =
        offset < IR_PAGE_SIZE ? s->page + offset : s->next + (offset - IR_PAGE_SIZE);

    return READ_ONCE(*(const uint16_t *)from);
}

/* False: its second half is out of reach. */
static bool fetch(struct rv_lift *t, const struct dbt_source *s, bool first)
{
    uint16_t low = fetch16(s, t->offset);

    t->length = rv_length(low);
    t->raw = t->word = low;
    if (t->length == 2) {
        t->word = s->features & BIT(RV_EXT_C) ? rv_expand(low) : 0;
        return true;
    }
    if (t->offset + 2 == IR_PAGE_SIZE && (!first || !s->next))
        return false;
    t->raw = t->word = low | (uint32_t)fetch16(s, t->offset + 2) << 16;
    return true;
}

static void lift_one(struct rv_lift *t, const struct dbt_source *s)
{
    enum rv_insn_id id = rv_decode(t->word, s->features);

    ir_insn(t->u, t->offset, t->length);
    if (id == RV_INSN_ILLEGAL)
        rv_lift_illegal(t);
    else
        lift[id](t);
}

static unsigned translate(struct ir_unit *u, const struct dbt_source *s)
{
    struct rv_lift t = {.u = u, .offset = s->offset};
    unsigned count = 0;

    ir_block_begin(u);
    rv_lift_vector_begin(&t, s->frame);
    do {
        if (!fetch(&t, s, count == 0)) {
            if (count)
                break;
            ir_insn(u, t.offset, 2);
            ir_leave(u, IR_LEAVE_FETCH, 0);
            return 0;
        }
        lift_one(&t, s);
        t.offset += t.length;
        count++;
    } while (!t.ended && count < s->max_insns && t.offset < IR_PAGE_SIZE);
    if (!t.ended)
        ir_jump(u, IR_HINT_NONE, t.offset);
    return count;
}

const struct dbt_frontend rv_frontend = {
    .dialect = &dialect, .insn_max = 4, .translate = translate};
