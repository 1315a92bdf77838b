/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Branches (Arm ARM C3.2): those that go forward within the page leave the unit at their side, the
 * others end it; a poll stands where a loop may close. */
#include "arch/aarch64/guest/lift.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)
#define LINK       30

static bool is_forward(const struct a64_lift *t, int64_t target)
{
    return target > (int64_t)t->offset && target < IR_PAGE_SIZE;
}

static void poll(struct a64_lift *t)
{
    ir_op0(t->u, IR_poll, IR_VOID, 0, 0);
}

static void poll_before(struct a64_lift *t, int64_t target)
{
    if (!is_forward(t, target))
        poll(t);
}

static void branch_if(struct a64_lift *t, struct a64_condition c, int64_t target)
{
    ir_exit_if(t->u, c.type, c.cc, c.a, c.b, target);
    if (is_forward(t, target))
        return;
    ir_jump(t->u, IR_HINT_NONE, (int64_t)t->offset + 4);
    t->ended = true;
}

LIFT(b_cond)
{
    int64_t target = (int64_t)t->offset + a64_signed_field(t->word, 5, 19) * 4;

    poll_before(t, target);
    branch_if(t, a64_condition(t, t->word & 15), target);
}

LIFT(cbz)
{
    int64_t target = (int64_t)t->offset + a64_signed_field(t->word, 5, 19) * 4;
    enum ir_type type = a64_width(t);
    struct a64_condition c = {.cc = t->word >> 24 & 1 ? IR_NE : IR_EQ, .type = type};

    poll_before(t, target);
    c.a = a64_get(t, type, a64_rd(t->word));
    c.b = ir_const(t->u, type, 0);
    branch_if(t, c, target);
}

/* The bit as the sign, where no mask of 32 bits has it. */
LIFT(tbz)
{
    int64_t target = (int64_t)t->offset + a64_signed_field(t->word, 5, 14) * 4;
    unsigned bit = a64_field(t->word, 19, 5) | a64_field(t->word, 31, 1) << 5;
    bool set = t->word >> 24 & 1;
    struct a64_condition c = {.type = IR_I64};
    ir_value v;

    poll_before(t, target);
    v = a64_get_x(t, a64_rd(t->word));
    if (bit < 31) {
        c.cc = set ? IR_NE : IR_EQ;
        c.a = a64_op2(t, IR_and, v, a64_imm(t, BIT(bit)));
    } else {
        c.cc = set ? IR_LTS : IR_GES;
        c.a = bit == 63 ? v : a64_op2(t, IR_shl, v, a64_imm(t, 63 - bit));
    }
    c.b = a64_imm(t, 0);
    branch_if(t, c, target);
}

static void link(struct a64_lift *t)
{
    a64_set_x(t, LINK,
              a64_op2(t, IR_add, ir_get(t->u, A64_SLOT_PC_BASE), a64_imm(t, t->offset + 4)));
}

LIFT(b)
{
    int64_t target = (int64_t)t->offset + a64_signed_field(t->word, 0, 26) * 4;
    bool calls = t->word >> 31;

    poll_before(t, target);
    if (calls)
        link(t);
    ir_jump(t->u, calls ? IR_HINT_CALL : IR_HINT_NONE, target);
    t->ended = true;
}

/* BR, BLR, RET by bits 22 and 21. Engines keep odd addresses for themselves: the lowest bit goes,
 * the other one of a misaligned target faults there. */
LIFT(br)
{
    static const uint8_t hints[4] = {IR_HINT_NONE, IR_HINT_CALL, IR_HINT_RETURN, IR_HINT_NONE};
    enum ir_hint hint = hints[a64_field(t->word, 21, 2)];
    ir_value target;

    poll(t);
    target = a64_op2(t, IR_and, a64_get_x(t, a64_rn(t->word)), a64_imm(t, ~1ULL));
    if (hint == IR_HINT_CALL)
        link(t);
    ir_append(t->u, &(struct ir_op){.code = IR_jump_reg, .attr = (uint8_t)hint, .arg = {target}});
    t->ended = true;
}
