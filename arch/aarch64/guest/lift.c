/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The aarch64 front end's walk over the code: fetches, decodes, lifts until something ends the
 * unit. */
#include "arch/aarch64/guest/lift.h"

#define AT(member) (DBT_FRAME_GUEST + offsetof(struct a64_frame, member))
#define X(n)                            \
    {                                   \
        "x" #n, IR_I64, AT(x) + 8 * (n) \
    }
#define V(n)                              \
    {                                     \
        "v" #n, IR_V128, AT(v) + 16 * (n) \
    }
#define WORD(member)                \
    {                               \
#member, IR_I64, AT(member) \
    }

static const struct dbt_slot slots[A64_SLOT_COUNT] = {
    {"pc_base", IR_I64, offsetof(struct dbt_frame, pc_base)},
    X(0),
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
    WORD(sp),
    WORD(flag_a),
    WORD(flag_b),
    WORD(flag_op),
    WORD(reserved_address),
    WORD(reserved_value),
    WORD(sp_other),
    WORD(tpidr_el0),
    WORD(tpidrro_el0),
    WORD(tpidr_el1),
    WORD(daif),
    WORD(elr),
    WORD(spsr),
    WORD(esr),
    WORD(far),
    WORD(pending),
    WORD(fpcr),
    WORD(fpsr),
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
    WORD(dit),
};

static const struct dbt_dialect dialect = {.name = "aarch64",
                                           .slots = slots,
                                           .slot_count = A64_SLOT_COUNT,
                                           .helper_count = A64_HELPER_COUNT,
                                           .fp = DBT_FP_ARM};

static const a64_lift_fn lift[A64_INSN_COUNT] = {
#define A64(name, format, mask, match, feature, lift_) [A64_INSN_##name] = a64_lift_##lift_,
#include "arch/aarch64/guest/insns.def"
#include "arch/aarch64/guest/insns_simd.def"
#undef A64
};

void a64_undefined(struct a64_lift *t)
{
    ir_leave(t->u, IR_LEAVE_ILLEGAL, t->word);
    t->ended = true;
}

void a64_lift_interpret(struct a64_lift *t)
{
    ir_leave(t->u, IR_LEAVE_INTERPRET, t->word);
    t->ended = true;
}

bool a64_fp_access(struct a64_lift *t)
{
    if (t->u->mode & A64_MODE_FP)
        return true;
    a64_lift_interpret(t);
    return false;
}

static void lift_one(struct a64_lift *t, const struct dbt_source *s)
{
    t->word = READ_ONCE(*(const uint32_t *)(s->page + t->offset));
    t->id = a64_decode(t->word, t->features);
    ir_insn(t->u, t->offset, sizeof(t->word));
    if (t->id == A64_INSN_ILLEGAL)
        a64_undefined(t);
    else
        lift[t->id](t);
}

static unsigned translate(struct ir_unit *u, const struct dbt_source *s)
{
    struct a64_lift t = {.u = u, .features = s->features, .offset = s->offset};
    unsigned count = 0;

    ir_block_begin(u);
    if (s->offset & 3) { /* the C code sees that PC is not aligned */
        ir_insn(u, s->offset, 1);
        ir_leave(u, IR_LEAVE_INTERPRET, 0);
        return 0;
    }
    do {
        lift_one(&t, s);
        t.offset += sizeof(t.word);
        count++;
    } while (!t.ended && count < s->max_insns && t.offset < IR_PAGE_SIZE);
    if (!t.ended)
        ir_jump(u, IR_HINT_NONE, t.offset);
    return count;
}

const struct dbt_frontend a64_frontend = {
    .dialect = &dialect, .insn_max = sizeof(uint32_t), .translate = translate};
