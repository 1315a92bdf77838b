/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * System instructions (Arm ARM C3.2.8, C5). Registers that are nothing but storage are slots, and
 * units mask interrupts, and unmask them while none is pending. All else is the C code's.
 */
#include "arch/aarch64/guest/lift.h"
#include "arch/aarch64/guest/sysregs.h"
#include "dbt/emitter.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)

static bool is_el1(const struct a64_lift *t)
{
    return t->u->mode & A64_MODE_EL1;
}

static void leave_if(struct a64_lift *t, ir_value v)
{
    ir_append(t->u,
              &(struct ir_op){
                  .code = IR_leave_if, .attr = IR_LEAVE_INTERPRET, .imm = t->word, .arg = {v}});
}

LIFT(nop)
{
    (void)t;
}

/* CRm: 1 loads before loads and stores, 2 stores before stores, 3 (and 0) all. */
LIFT(barrier)
{
    static const uint8_t masks[4] = {
        IR_FENCE_ALL, IR_FENCE_BEFORE_READ | IR_FENCE_AFTER_READ | IR_FENCE_AFTER_WRITE,
        IR_FENCE_BEFORE_WRITE | IR_FENCE_AFTER_WRITE, IR_FENCE_ALL};

    if (t->id == A64_INSN_dsb && !(t->u->mode & DBT_MODE_ONE_VCPU)) {
        a64_lift_interpret(t); /* other vCPUs may have TLB maintenance to do for this one */
        return;
    }
    ir_op0(t->u, IR_fence, IR_VOID, masks[a64_field(t->word, 8, 2)], 0);
}

/* What comes after it is fetched anew. */
LIFT(isb)
{
    ir_jump(t->u, IR_HINT_NONE, (int64_t)t->offset + 4);
    t->ended = true;
}

/* The slot of a register that is storage, for this exception level; A64_SLOT_COUNT: it has none. */
static unsigned slot_of(const struct a64_lift *t, unsigned reg, bool writes)
{
    if (reg == A64_SYS_TPIDR_EL0 || (reg == A64_SYS_TPIDRRO_EL0 && (!writes || is_el1(t))))
        return reg == A64_SYS_TPIDR_EL0 ? A64_SLOT_TPIDR_EL0 : A64_SLOT_TPIDRRO_EL0;
    if (!is_el1(t))
        return A64_SLOT_COUNT;
    switch (reg) {
    case A64_SYS_SP_EL0:
        return t->u->mode & A64_MODE_SP ? A64_SLOT_SP_OTHER : A64_SLOT_COUNT;
    case A64_SYS_TPIDR_EL1:
        return A64_SLOT_TPIDR_EL1;
    case A64_SYS_ELR_EL1:
        return A64_SLOT_ELR;
    case A64_SYS_SPSR_EL1:
        return A64_SLOT_SPSR;
    case A64_SYS_ESR_EL1:
        return A64_SLOT_ESR;
    case A64_SYS_FAR_EL1:
        return A64_SLOT_FAR;
    default:
        return A64_SLOT_COUNT;
    }
}

#define NZCV_SHIFT 28

/* What a register always reads as, where the mode says that it may be read. */
static bool is_constant(const struct a64_lift *t, unsigned reg, uint64_t *value)
{
    bool zva = is_el1(t) || t->u->mode & A64_MODE_DZE;

    switch (reg) {
    case A64_SYS_CURRENT_EL:
        *value = 1 << 2;
        return is_el1(t);
    case A64_SYS_CTR:
        *value = A64_CTR;
        return is_el1(t);
    case A64_SYS_DCZID:
        *value = A64_DCZID | (zva ? 0 : A64_DCZID_PROHIBITED);
        return true;
    default:
        return false;
    }
}

LIFT(mrs)
{
    unsigned reg = A64_SYS_OF(t->word), slot = slot_of(t, reg, false);
    uint64_t value;

    if (slot != A64_SLOT_COUNT)
        a64_set_x(t, a64_rd(t->word), ir_get(t->u, slot));
    else if (reg == A64_SYS_NZCV)
        a64_set_x(t, a64_rd(t->word), a64_op2(t, IR_shl, a64_flags_get(t), a64_imm(t, NZCV_SHIFT)));
    else if (reg == A64_SYS_DAIF && is_el1(t))
        a64_set_x(t, a64_rd(t->word), ir_get(t->u, A64_SLOT_DAIF));
    else if (reg == A64_SYS_DIT)
        a64_set_x(t, a64_rd(t->word), ir_get(t->u, A64_SLOT_DIT));
    else if (is_constant(t, reg, &value))
        a64_set_x(t, a64_rd(t->word), a64_imm(t, value));
    else
        a64_lift_interpret(t);
}

/* PSTATE.DAIF becomes `v`; `pending` has the bit that masks what waits. */
static void set_daif(struct a64_lift *t, ir_value v)
{
    leave_if(t, a64_op2(t, IR_andn, ir_get(t->u, A64_SLOT_PENDING), v));
    ir_set(t->u, A64_SLOT_DAIF, v);
}

LIFT(msr)
{
    unsigned reg = A64_SYS_OF(t->word), slot = slot_of(t, reg, true);
    ir_value v;

    if (slot == A64_SLOT_COUNT && reg != A64_SYS_NZCV && reg != A64_SYS_DIT &&
        (reg != A64_SYS_DAIF || !is_el1(t))) {
        a64_lift_interpret(t);
        return;
    }
    v = a64_get_x(t, a64_rd(t->word));
    if (slot != A64_SLOT_COUNT)
        ir_set(t->u, slot, v);
    else if (reg == A64_SYS_DIT)
        ir_set(t->u, A64_SLOT_DIT, a64_op2(t, IR_and, v, a64_imm(t, A64_DIT)));
    else if (reg == A64_SYS_DAIF)
        set_daif(t, a64_op2(t, IR_and, v, a64_imm(t, A64_DAIF)));
    else
        a64_flags_packed(
            t, a64_op2(t, IR_and, a64_op2(t, IR_shr, v, a64_imm(t, NZCV_SHIFT)), a64_imm(t, 15)));
}

/* DIT; DAIFSet and DAIFClr at EL1: op1 3, op2 2, 6 and 7. */
LIFT(msr_imm)
{
    unsigned op1 = a64_field(t->word, 16, 3), op2 = a64_field(t->word, 5, 3);
    uint64_t bits = (uint64_t)a64_field(t->word, 8, 4) << 6;
    ir_value old;

    if (op1 == 3 && op2 == 2) {
        ir_set(t->u, A64_SLOT_DIT, a64_imm(t, bits & BIT(6) ? A64_DIT : 0));
        return;
    }
    if (op1 != 3 || op2 < 6 || !is_el1(t)) {
        a64_lift_interpret(t);
        return;
    }
    old = ir_get(t->u, A64_SLOT_DAIF);
    if (op2 == 6)
        ir_set(t->u, A64_SLOT_DAIF, a64_op2(t, IR_or, old, a64_imm(t, bits)));
    else
        set_daif(t, a64_op2(t, IR_and, old, a64_imm(t, ~bits)));
}

LIFT(sys)
{
    if (A64_SYS_OF(t->word) == A64_SYS_DC_ZVA && (is_el1(t) || t->u->mode & A64_MODE_DZE))
        a64_zero_block(t);
    else
        a64_lift_interpret(t);
}
