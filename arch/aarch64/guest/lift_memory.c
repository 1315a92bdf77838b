/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Addresses, and loads and stores of general registers (Arm ARM C3.2.1 to C3.2.14). */
#include "arch/aarch64/guest/lift.h"

#define LIFT(name) void a64_lift_##name(struct a64_lift *t)

static const uint8_t memory_types[4] = {IR_I8, IR_I16, IR_I32, IR_I64};

/* ---- Addresses ---- */

/* Of the register form: option in bits 15 to 13, scaled by bit 12. */
static ir_value index_of(struct a64_lift *t, unsigned log2_size)
{
    unsigned option = a64_field(t->word, 13, 3);
    ir_value v = a64_get_x(t, a64_rm(t->word));

    if (!(option & 1))
        v = ir_convert(t->u, option & 4 ? IR_sext : IR_zext, IR_I64, IR_I32, a64_low(t, v));
    if (a64_field(t->word, 12, 1) && log2_size)
        v = a64_op2(t, IR_shl, v, a64_imm(t, log2_size));
    return v;
}

struct a64_address a64_address(struct a64_lift *t, unsigned log2_size)
{
    struct a64_address a = {.base = a64_get_xsp(t, a64_rn(t->word))};
    int64_t pair = a64_signed_field(t->word, 15, 7) * (int64_t)BIT(log2_size);
    int64_t near = a64_signed_field(t->word, 12, 9);

    switch ((enum a64_format)a64_insns[t->id].format) {
    case A64_FORMAT_PAIR_PRE:
    case A64_FORMAT_PAIR_POST:
        a.writes_back = true;
        a.step = pair;
        a.disp = a64_insns[t->id].format == A64_FORMAT_PAIR_PRE ? pair : 0;
        break;
    case A64_FORMAT_PAIR:
        a.disp = pair;
        break;
    case A64_FORMAT_PRE:
    case A64_FORMAT_POST:
        a.writes_back = true;
        a.step = near;
        a.disp = a64_insns[t->id].format == A64_FORMAT_PRE ? near : 0;
        break;
    case A64_FORMAT_UNSCALED:
    case A64_FORMAT_UNPRIVILEGED:
        a.disp = near;
        break;
    case A64_FORMAT_UIMM:
        a.disp = (int64_t)a64_field(t->word, 10, 12) << log2_size;
        break;
    case A64_FORMAT_REG:
        a.base = a64_op2(t, IR_add, a.base, index_of(t, log2_size));
        break;
    case A64_FORMAT_LITERAL:
        a.base = ir_get(t->u, A64_SLOT_PC_BASE);
        a.disp = (int64_t)t->offset + a64_signed_field(t->word, 5, 19) * 4;
        break;
    default: /* the base alone */
        break;
    }
    return a;
}

void a64_address_done(struct a64_lift *t, const struct a64_address *a)
{
    if (a->writes_back)
        a64_set_xsp(t, a64_rn(t->word), a64_op2(t, IR_add, a->base, a64_imm(t, (uint64_t)a->step)));
}

static void leave_if(struct a64_lift *t, ir_value v)
{
    ir_append(t->u,
              &(struct ir_op){
                  .code = IR_leave_if, .attr = IR_LEAVE_INTERPRET, .imm = t->word, .arg = {v}});
}

/* ---- Single registers and pairs ---- */

/* LDTR and STTR of EL1 access as EL0 does, unless PSTATE.UAO is set (C6.2.205). */
static uint8_t rights(const struct a64_lift *t)
{
    bool user = a64_insns[t->id].format == A64_FORMAT_UNPRIVILEGED && t->u->mode & A64_MODE_EL1 &&
                !(t->u->mode & A64_MODE_UAO);

    return user ? IR_USER : 0;
}

/* Store, load, load with sign to 64 and to 32 bits by bits 23 and 22. */
LIFT(single)
{
    unsigned size = a64_field(t->word, 30, 2), opc = a64_field(t->word, 22, 2);
    enum ir_type memory = memory_types[size];
    struct a64_address a = a64_address(t, size);
    uint8_t user = rights(t);
    ir_value v;

    if (opc == 0) {
        ir_store(t->u, IR_I64, memory, user, a.base, a.disp, a64_get_x(t, a64_rd(t->word)));
        a64_address_done(t, &a);
        return;
    }
    if (opc == 3)
        v = a64_extend(t, ir_load(t->u, IR_I32, memory, IR_SIGNED | user, a.base, a.disp));
    else
        v = ir_load(t->u, IR_I64, memory, (opc == 2 ? IR_SIGNED : 0) | user, a.base, a.disp);
    a64_set_x(t, a64_rd(t->word), v);
    a64_address_done(t, &a); /* last, as QEMU has it where both are one register */
}

LIFT(literal)
{
    unsigned opc = a64_field(t->word, 30, 2);
    struct a64_address a = a64_address(t, 0);

    a64_set_x(t, a64_rd(t->word),
              ir_load(t->u, IR_I64, opc == 1 ? IR_I64 : IR_I32, opc == 2 ? IR_SIGNED : 0, a.base,
                      a.disp));
}

static void probe(struct a64_lift *t, ir_value base, int64_t disp, unsigned bytes)
{
    ir_append(
        t->u,
        &(struct ir_op){
            .code = IR_probe, .attr = (uint8_t)bytes, .attr2 = 1, .imm = disp, .arg = {base}});
}

/* 32 bits, 32 with sign, 64 by bits 31 and 30; loads by bit 22. */
LIFT(pair)
{
    unsigned opc = a64_field(t->word, 30, 2), log2_size = opc == 2 ? 3 : 2;
    int64_t size = (int64_t)BIT(log2_size);
    enum ir_type memory = memory_types[log2_size];
    struct a64_address a = a64_address(t, log2_size);
    uint8_t sign = opc == 1 ? IR_SIGNED : 0;
    ir_value first, second;

    if (a64_field(t->word, 22, 1)) {
        first = ir_load(t->u, IR_I64, memory, sign, a.base, a.disp);
        second = ir_load(t->u, IR_I64, memory, sign, a.base, a.disp + size);
        a64_set_x(t, a64_rd(t->word), first);
        a64_set_x(t, a64_ra(t->word), second);
        a64_address_done(t, &a);
        return;
    }
    first = a64_get_x(t, a64_rd(t->word));
    second = a64_get_x(t, a64_ra(t->word));
    probe(t, a.base, a.disp, (unsigned)(2 * size));
    ir_store(t->u, IR_I64, memory, IR_PROBED, a.base, a.disp, first);
    ir_store(t->u, IR_I64, memory, IR_PROBED, a.base, a.disp + size, second);
    a64_address_done(t, &a);
}

/* ---- Ordered and exclusive accesses: size in bits 31 and 30 ---- */

static enum ir_type memory_of(const struct a64_lift *t)
{
    return memory_types[a64_field(t->word, 30, 2)];
}

static enum ir_type register_of(const struct a64_lift *t)
{
    return a64_field(t->word, 30, 2) == 3 ? IR_I64 : IR_I32;
}

LIFT(ldar)
{
    uint8_t order = t->id == A64_INSN_ldapr ? IR_ACQUIRE_PC : IR_SEQ_CST;
    ir_value base = a64_get_xsp(t, a64_rn(t->word));

    a64_set_x(t, a64_rd(t->word),
              ir_load(t->u, IR_I64, memory_of(t), IR_ALIGNED | IR_ORDER(order), base, 0));
}

/* It is LDAR that waits for earlier ones of these (B2.3.11). */
LIFT(stlr)
{
    ir_value base = a64_get_xsp(t, a64_rn(t->word));

    ir_store(t->u, IR_I64, memory_of(t), IR_ALIGNED | IR_ORDER(IR_RELEASE), base, 0,
             a64_get_x(t, a64_rd(t->word)));
}

LIFT(ldxr)
{
    uint8_t order = a64_field(t->word, 15, 1) ? IR_ACQUIRE : IR_RELAXED;
    ir_value base = a64_get_xsp(t, a64_rn(t->word));
    ir_value v = ir_load(t->u, IR_I64, memory_of(t), IR_ALIGNED | IR_ORDER(order), base, 0);

    ir_set(t->u, A64_SLOT_RESERVED_ADDRESS, base);
    ir_set(t->u, A64_SLOT_RESERVED_VALUE, v);
    a64_set_x(t, a64_rd(t->word), v);
}

/* By value: it succeeds when memory holds what LDXR read there. Without a reservation of this
 * address the guest's C code lets it fail. */
LIFT(stxr)
{
    uint8_t order = a64_field(t->word, 15, 1) ? IR_RELEASE : IR_RELAXED;
    ir_value base = a64_get_xsp(t, a64_rn(t->word)), expected, old;

    leave_if(t, ir_cmp(t->u, IR_I64, IR_NE, base, ir_get(t->u, A64_SLOT_RESERVED_ADDRESS)));
    expected = ir_get(t->u, A64_SLOT_RESERVED_VALUE);
    old = ir_append(t->u, &(struct ir_op){.code = IR_cas,
                                          .type = IR_I64,
                                          .attr = (uint8_t)memory_of(t),
                                          .attr2 = IR_ORDER(order),
                                          .arg = {base, expected, a64_get_x(t, a64_rd(t->word))}});
    ir_set(t->u, A64_SLOT_RESERVED_ADDRESS, a64_imm(t, A64_NO_RESERVATION));
    a64_set_x(t, a64_rm(t->word), ir_cmp(t->u, IR_I64, IR_NE, old, expected));
}

/* Two registers at once are the C code's. */
LIFT(ldxp)
{
    a64_lift_interpret(t);
}

LIFT(stxp)
{
    a64_lift_interpret(t);
}

LIFT(casp)
{
    a64_lift_interpret(t);
}

LIFT(clrex)
{
    ir_set(t->u, A64_SLOT_RESERVED_ADDRESS, a64_imm(t, A64_NO_RESERVATION));
}

/* ---- LSE ---- */

static uint8_t order_of(bool acquires, bool releases)
{
    return IR_ORDER(acquires ? (releases ? IR_SEQ_CST : IR_ACQUIRE)
                             : (releases ? IR_RELEASE : IR_RELAXED));
}

/* The part of a register that memory holds. */
static ir_value narrowed(struct a64_lift *t, unsigned n)
{
    enum ir_type memory = memory_of(t), type = register_of(t);
    ir_value v = a64_get(t, type, n);

    return memory == type ? v
                          : ir_convert(t->u, IR_zext, type, memory,
                                       ir_convert(t->u, IR_trunc, memory, type, v));
}

LIFT(cas)
{
    enum ir_type type = register_of(t);
    ir_value base = a64_get_xsp(t, a64_rn(t->word)), expected = narrowed(t, a64_rm(t->word));
    ir_value old = ir_append(
        t->u,
        &(struct ir_op){.code = IR_cas,
                        .type = (uint8_t)type,
                        .attr = (uint8_t)memory_of(t),
                        .attr2 = order_of(a64_field(t->word, 22, 1), a64_field(t->word, 15, 1)),
                        .arg = {base, expected, narrowed(t, a64_rd(t->word))}});

    a64_set(t, type, a64_rm(t->word), old);
}

/* LDADD, LDCLR, LDEOR, LDSET, minima and maxima, SWP by bits 15 to 12. */
LIFT(rmw)
{
    static const uint8_t kinds[9] = {IR_RMW_ADD,  IR_RMW_AND,  IR_RMW_XOR,  IR_RMW_OR,  IR_RMW_MAXS,
                                     IR_RMW_MINS, IR_RMW_MAXU, IR_RMW_MINU, IR_RMW_SWAP};
    enum ir_type type = register_of(t);
    unsigned kind = a64_field(t->word, 12, 4);
    ir_value base = a64_get_xsp(t, a64_rn(t->word)), v = a64_get(t, type, a64_rm(t->word));

    if (kinds[kind] == IR_RMW_AND)
        v = ir_op1(t->u, IR_not, type, v);
    v = ir_append(t->u, &(struct ir_op){
                            .code = IR_rmw,
                            .type = (uint8_t)type,
                            .attr = (uint8_t)(kinds[kind] | IR_RMW_TYPE(memory_of(t))),
                            .attr2 = order_of(a64_field(t->word, 23, 1), a64_field(t->word, 22, 1)),
                            .arg = {base, v}});
    a64_set(t, type, a64_rd(t->word), v);
}

/* ---- DC ZVA: a block of zeros ---- */

#define ZVA_BYTES 64

void a64_zero_block(struct a64_lift *t)
{
    ir_value base =
        a64_op2(t, IR_and, a64_get_x(t, a64_rd(t->word)), a64_imm(t, ~(uint64_t)(ZVA_BYTES - 1)));

    probe(t, base, 0, ZVA_BYTES);
    for (unsigned i = 0; i < ZVA_BYTES; i += 8)
        ir_store(t->u, IR_I64, IR_I64, IR_PROBED, base, i, a64_imm(t, 0));
}
