/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * MMIO and string port accesses: the one memory operand of the instruction at RIP carried out on
 * the bus. The forms that touch device memory in kernels: moves, extensions, arithmetic and logic
 * with memory, exchange, and the string instructions.
 */
#include "arch/x86_64/guest/decode.h"

#define RFLAGS_CF         BIT(0)
#define RFLAGS_PF         BIT(2)
#define RFLAGS_AF         BIT(4)
#define RFLAGS_ZF         BIT(6)
#define RFLAGS_SF         BIT(7)
#define RFLAGS_OF         BIT(11)
#define RFLAGS_DF         BIT(10)
#define RFLAGS_ARITHMETIC (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)
#define REPEAT_MAX \
    4096 /* elements a repeated string instruction does before the guest can be interrupted */

/* ---- Registers ---- */

static uint64_t size_mask(unsigned bytes)
{
    return bytes >= 8 ? UINT64_MAX : BIT(8 * bytes) - 1;
}

/* The register operand, or the constant. */
static uint64_t operand_read(struct vcpu *v, const struct x86_insn *i)
{
    uint64_t value = i->immediate;

    if (i->has_reg)
        value = x86_state(v)->gpr[i->reg] >> (i->high_byte ? 8 : 0);
    return value & size_mask(i->reg_size);
}

/* 32-bit writes clear the upper half, narrower ones keep the rest (SDM vol. 1, 3.4.1.1). */
static void gpr_write(struct vcpu *v, unsigned reg, unsigned shift, unsigned size, uint64_t value)
{
    uint64_t mask = size == 4 ? UINT64_MAX : size_mask(size) << shift;
    uint64_t *gpr = &x86_state(v)->gpr[reg];

    vcpu_dirty(v, X86_GPR);
    *gpr = (*gpr & ~mask) | (((value & size_mask(size)) << shift) & mask);
}

static void operand_write(struct vcpu *v, const struct x86_insn *i, uint64_t value)
{
    gpr_write(v, i->reg, i->high_byte ? 8 : 0, i->reg_size, value);
}

/* ---- Arithmetic with memory ---- */

static uint64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - 8 * size;

    return (uint64_t)((int64_t)(value << shift) >> shift);
}

static void set_flags(struct vcpu *v, uint64_t a, uint64_t b, uint64_t result, unsigned size,
                      int carry_kind)
{
    struct x86_state *s = x86_state(v);
    uint64_t sign = BIT(8 * size - 1);
    uint64_t flags = 0;

    result &= size_mask(size);
    if (!result)
        flags |= RFLAGS_ZF;
    if (result & sign)
        flags |= RFLAGS_SF;
    if (!(__builtin_popcount((uint8_t)result) & 1))
        flags |= RFLAGS_PF;
    if (carry_kind && ((a ^ b ^ result) & 0x10))
        flags |= RFLAGS_AF;
    if (carry_kind > 0) /* addition */
        flags |= (result < (a & size_mask(size)) ? RFLAGS_CF : 0) |
                 (~(a ^ b) & (a ^ result) & sign ? RFLAGS_OF : 0);
    if (carry_kind < 0) /* subtraction */
        flags |= ((a & size_mask(size)) < (b & size_mask(size)) ? RFLAGS_CF : 0) |
                 ((a ^ b) & (a ^ result) & sign ? RFLAGS_OF : 0);
    vcpu_dirty(v, X86_RIP);
    s->rflags = (s->rflags & ~RFLAGS_ARITHMETIC) | flags;
}

/* a OP b; *store says whether the destination is written. False: not an operation of this table. */
static bool alu(struct vcpu *v, enum x86_op op, uint64_t a, uint64_t b, unsigned size,
                uint64_t *result, bool *store)
{
    int carry_kind = 0;

    *store = op != X86_OP_CMP && op != X86_OP_TEST;
    switch (op) {
    case X86_OP_AND:
    case X86_OP_TEST:
        *result = a & b;
        break;
    case X86_OP_OR:
        *result = a | b;
        break;
    case X86_OP_XOR:
        *result = a ^ b;
        break;
    case X86_OP_ADD:
        *result = a + b;
        carry_kind = 1;
        break;
    case X86_OP_SUB:
    case X86_OP_CMP:
        *result = a - b;
        carry_kind = -1;
        break;
    default:
        return false;
    }
    set_flags(v, a, b, *result, size, carry_kind);
    return true;
}

/* ---- One access ---- */

/* A register or constant into memory: plain moves, or read-modify-write. */
static bool store_form(struct vcpu *v, const struct x86_insn *i, gpa_t gpa)
{
    unsigned size = i->memory_size;
    struct bus *bus = &v->vm->mmio;
    uint64_t value = operand_read(v, i), old, result;
    bool store;

    switch (i->op) {
    case X86_OP_MOV:
        bus_write(bus, v, gpa.v, size, value);
        return true;
    case X86_OP_XCHG:
        old = bus_read(bus, v, gpa.v, size);
        bus_write(bus, v, gpa.v, size, value);
        operand_write(v, i, old);
        return true;
    default:
        old = bus_read(bus, v, gpa.v, size);
        if (!alu(v, i->op, old, value, size, &result, &store))
            return false;
        if (store)
            bus_write(bus, v, gpa.v, size, result);
        return true;
    }
}

/* Memory into a register, or an operation of the two. */
static bool load_form(struct vcpu *v, const struct x86_insn *i, gpa_t gpa)
{
    uint64_t value, a, result;
    bool store;

    if (!i->has_reg)
        return false; /* IMUL reg, memory, constant and the like */
    value = bus_read(&v->vm->mmio, v, gpa.v, i->memory_size);
    switch (i->op) {
    case X86_OP_MOV:
        operand_write(v, i, value);
        return true;
    case X86_OP_MOVSX:
        operand_write(v, i, sign_extend(value, i->memory_size));
        return true;
    case X86_OP_XCHG:
        a = operand_read(v, i);
        bus_write(&v->vm->mmio, v, gpa.v, i->memory_size, a);
        operand_write(v, i, value);
        return true;
    default:
        a = operand_read(v, i);
        if (!alu(v, i->op, a, value, i->reg_size, &result, &store))
            return false;
        if (store)
            operand_write(v, i, result);
        return true;
    }
}

/* ---- Strings ---- */

static uint64_t address_mask(const struct x86_insn *i)
{
    return size_mask(i->address_size);
}

static void advance(struct vcpu *v, const struct x86_insn *i, enum x86_gpr reg, unsigned size)
{
    struct x86_state *s = x86_state(v);
    uint64_t step = s->rflags & RFLAGS_DF ? -(uint64_t)size : size;
    uint64_t mask = address_mask(i);

    vcpu_dirty(v, X86_GPR);
    if (mask == UINT32_MAX)
        s->gpr[reg] = (s->gpr[reg] + step) & mask;
    else
        s->gpr[reg] = (s->gpr[reg] & ~mask) | ((s->gpr[reg] + step) & mask);
}

static uint64_t segment_base(struct vcpu *v, unsigned segment)
{
    if (x86_code_mode(v) == X86_CODE_64 && segment != X86_FS && segment != X86_GS)
        return 0;
    vcpu_need(v, X86_SEGMENTS);
    return x86_state(v)->segments[segment].base;
}

static uint64_t linear(struct vcpu *v, const struct x86_insn *i, enum x86_gpr reg, unsigned segment)
{
    return segment_base(v, segment) + (x86_state(v)->gpr[reg] & address_mask(i));
}

/* Counts one element of a repeated instruction; true when it was the last. */
static bool repeat_done(struct vcpu *v, const struct x86_insn *i)
{
    struct x86_state *s = x86_state(v);
    uint64_t mask = address_mask(i);

    if (!i->repeat)
        return true;
    vcpu_dirty(v, X86_GPR);
    s->gpr[X86_RCX] = mask == UINT32_MAX
                          ? (s->gpr[X86_RCX] - 1) & mask
                          : (s->gpr[X86_RCX] & ~mask) | ((s->gpr[X86_RCX] - 1) & mask);
    return (s->gpr[X86_RCX] & mask) == 0;
}

/* MOVS and STOS: the device is at one side, found again for each element since the other side may
 * fault on its own. */
static bool string_form(struct vcpu *v, const struct x86_insn *i, gpa_t gpa, bool write, bool *done)
{
    bool movs = i->op == X86_OP_MOVS;
    unsigned size = i->memory_size;
    uint64_t value = x86_state(v)->gpr[X86_RAX];

    if (movs && write) {
        value = 0;
        if (x86_read_linear(v, GVA(linear(v, i, X86_RSI, i->source_segment)), &value, size) !=
            ERR_OK)
            return false;
    } else if (movs) {
        value = bus_read(&v->vm->mmio, v, gpa.v, size);
        if (x86_write_linear(v, GVA(linear(v, i, X86_RDI, X86_ES)), &value, size) != ERR_OK)
            return false;
    }
    if (write)
        bus_write(&v->vm->mmio, v, gpa.v, size, value & size_mask(size));
    if (movs)
        advance(v, i, X86_RSI, size);
    advance(v, i, X86_RDI, size);
    *done = repeat_done(v, i);
    return true;
}

enum exit_action x86_mmio(struct vcpu *v, const struct vm_exit *exit)
{
    gpa_t gpa = exit->memory.gpa;
    const struct x86_insn *i = exit->memory.access == PT_EXEC ? NULL : x86_decode(v);
    bool done = true, ok = false;

    if (!i) {
        vm_fail(v->vm, "it runs code at guest address 0x%llx, where there is no memory",
                (unsigned long long)gpa.v);
        return ACTION_FAIL;
    }
    if (i->op == X86_OP_MOVS || i->op == X86_OP_STOS)
        ok = string_form(v, i, gpa, exit->memory.access == PT_WRITE, &done);
    else if (i->has_memory && i->op < X86_OP_MOVS)
        ok = i->to_memory ? store_form(v, i, gpa) : load_form(v, i, gpa);
    if (!ok) {
        vm_fail(v->vm,
                "it reaches device address 0x%llx with an instruction that devices do not take (at "
                "0x%llx)",
                (unsigned long long)gpa.v, (unsigned long long)x86_state(v)->rip);
        return ACTION_FAIL;
    }
    if (done)
        x86_skip(v, i->length);
    else
        x86_single_step(v);
    return ACTION_RESUME;
}

/* ---- Ports ---- */

static enum exit_action port_string(struct vcpu *v, const struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    unsigned size = exit->port.size;
    const struct x86_insn *i = x86_decode(v);
    unsigned most = s->rflags & X86_RFLAGS_TF ? 1 : REPEAT_MAX;
    bool done = false;

    if (!i)
        return ACTION_RESUME; /* the code page went away: the guest will fault by itself */
    if (i->repeat && (s->gpr[X86_RCX] & address_mask(i)) == 0)
        done = true;
    for (unsigned n = 0; !done && n < most; n++) {
        enum x86_gpr reg = exit->port.in ? X86_RDI : X86_RSI;
        unsigned segment = exit->port.in ? X86_ES : i->source_segment;
        gva_t at = GVA(linear(v, i, reg, segment));
        uint64_t value = 0;
        enum err e;

        if (exit->port.in) {
            value = bus_read(&v->vm->ports, v, exit->port.port, size);
            e = x86_write_linear(v, at, &value, size);
        } else {
            e = x86_read_linear(v, at, &value, size);
            if (e == ERR_OK)
                bus_write(&v->vm->ports, v, exit->port.port, size, value);
        }
        if (e != ERR_OK) {
            x86_inject_page_fault(v, at.v, exit->port.in);
            return ACTION_RESUME;
        }
        advance(v, i, reg, size);
        done = repeat_done(v, i);
    }
    if (done)
        x86_skip(v, i->length);
    else
        x86_single_step(v);
    return ACTION_RESUME;
}

enum exit_action x86_port(struct vcpu *v, const struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    unsigned size = exit->port.size;

    if (exit->port.string)
        return port_string(v, exit);
    vcpu_need(v, X86_GPR);
    if (exit->port.in)
        gpr_write(v, X86_RAX, 0, size, bus_read(&v->vm->ports, v, exit->port.port, size));
    else
        bus_write(&v->vm->ports, v, exit->port.port, size, s->gpr[X86_RAX] & size_mask(size));
    x86_skip(v, exit->port.next_pc ? (unsigned)(exit->port.next_pc - s->rip) : 0);
    return ACTION_RESUME;
}
