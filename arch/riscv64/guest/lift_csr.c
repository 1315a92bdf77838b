/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Zicsr (Unprivileged ISA, chapter 6): CSRs that are nothing but storage are slots of the
 * supervisor's units, as kernels touch them at each trap. So is sstatus, of which units change SIE
 * alone: masking interrupts and unmasking them while none is pending. All else is the C code's.
 */
#include "arch/riscv64/guest/lift.h"
#include "arch/riscv64/guest/state.h"

#define CSR_SSTATUS 0x100

enum operation { SWAP, SET, CLEAR };

static ir_value constant(struct rv_lift *t, uint64_t value)
{
    return ir_const(t->u, IR_I64, (int64_t)value);
}

static ir_value binary(struct rv_lift *t, enum ir_code code, ir_value a, ir_value b)
{
    return ir_op2(t->u, code, IR_I64, a, b);
}

/* The slot of a CSR of the supervisor and the bits that it holds; RV_SLOT_COUNT: it has none. */
static unsigned slot_of(unsigned number, uint64_t *mask)
{
    *mask = UINT64_MAX;
    switch (number) {
    case CSR_SSTATUS:
        return RV_SLOT_SSTATUS;
    case 0x140:
        return RV_SLOT_SSCRATCH;
    case 0x141:
        *mask = ~1ULL;
        return RV_SLOT_SEPC;
    case 0x142:
        return RV_SLOT_SCAUSE;
    case 0x143:
        return RV_SLOT_STVAL;
    default:
        return RV_SLOT_COUNT;
    }
}

static void leave_if(struct rv_lift *t, ir_value v)
{
    ir_append(t->u, &(struct ir_op){.code = IR_leave_if,
                                    .type = IR_VOID,
                                    .attr = IR_LEAVE_INTERPRET,
                                    .arg = {v},
                                    .imm = t->word});
}

/* Leaves unless the operand is SIE or nothing, and when an interrupt would be taken. */
static ir_value sstatus_change(struct rv_lift *t, enum operation operation, ir_value operand)
{
    ir_value other = binary(t, IR_and, operand, constant(t, ~RISCV_SSTATUS_SIE));

    if (operation == SET)
        other = binary(t, IR_or, other, ir_get(t->u, RV_SLOT_PENDING));
    leave_if(t, other);
    return binary(t, IR_and, operand, constant(t, RISCV_SSTATUS_SIE));
}

static void csr(struct rv_lift *t, enum operation operation, bool immediate)
{
    uint64_t mask;
    unsigned rs1 = rv_rs1(t->word), slot = slot_of(t->word >> 20, &mask);
    bool writes = operation == SWAP || rs1;
    ir_value operand, old, value;

    if (slot == RV_SLOT_COUNT || !(t->u->mode & RV_MODE_S) ||
        (slot == RV_SLOT_SSTATUS && operation == SWAP)) {
        rv_lift_interpret(t);
        return;
    }
    operand = immediate ? constant(t, rs1) : rv_get_x(t, rs1);
    if (slot == RV_SLOT_SSTATUS && writes)
        operand = sstatus_change(t, operation, operand);
    old = ir_get(t->u, slot);
    if (writes) {
        value = operation == SWAP ? operand
                                  : binary(t, operation == SET ? IR_or : IR_andn, old, operand);
        ir_set(t->u, slot,
               mask == UINT64_MAX ? value : binary(t, IR_and, value, constant(t, mask)));
    }
    rv_set_x(t, rv_rd(t->word), old);
}

#define CSR(name, operation, immediate)    \
    void rv_lift_##name(struct rv_lift *t) \
    {                                      \
        csr(t, operation, immediate);      \
    }
CSR(csrrw, SWAP, false)
CSR(csrrs, SET, false)
CSR(csrrc, CLEAR, false)
CSR(csrrwi, SWAP, true)
CSR(csrrsi, SET, true)
CSR(csrrci, CLEAR, true)
