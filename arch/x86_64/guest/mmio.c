/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * MMIO and string port accesses: the instruction at RIP is decoded by Zydis and its one memory
 * operand carried out on the bus. The forms that touch device memory in kernels: moves, extensions,
 * arithmetic and logic with memory, exchange, and the string instructions.
 */
#include <Zydis/Zydis.h>

#include "arch/x86_64/guest/machine.h"

#define INSTRUCTION_MAX   15
#define ATTR_LONG         BIT(9)  /* L of the code segment */
#define ATTR_DEFAULT32    BIT(10) /* D */
#define RFLAGS_CF         BIT(0)
#define RFLAGS_PF         BIT(2)
#define RFLAGS_AF         BIT(4)
#define RFLAGS_ZF         BIT(6)
#define RFLAGS_SF         BIT(7)
#define RFLAGS_OF         BIT(11)
#define RFLAGS_DF         BIT(10)
#define RFLAGS_ARITHMETIC (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)
#define VECTOR_GP         13
#define REPEAT_MAX \
    4096 /* elements a repeated string instruction does before the guest can be interrupted */

struct decoded {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static bool long_code(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);

    return (s->efer & X86_EFER_LMA) && (s->segments[X86_CS].attributes & ATTR_LONG);
}

static void decoder_init(struct vcpu *v, ZydisDecoder *decoder)
{
    struct x86_state *s = x86_state(v);

    if (long_code(v))
        ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else if (!(s->cr0 & X86_CR0_PE))
        ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
    else if (s->segments[X86_CS].attributes & ATTR_DEFAULT32)
        ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    else
        ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
}

/* Reads and decodes the instruction at RIP. False: it cannot be read or is none. */
static bool decode(struct vcpu *v, struct decoded *d)
{
    struct x86_state *s = x86_state(v);
    uint8_t bytes[INSTRUCTION_MAX];
    size_t length = sizeof(bytes);
    ZydisDecoder decoder;
    uint64_t pc;

    vcpu_need(v, X86_RIP | X86_SEGMENTS | X86_CONTROL | X86_GPR);
    pc = s->rip + (long_code(v) ? 0 : s->segments[X86_CS].base);
    /* The instruction may end right before a page that is not mapped. */
    if (x86_read_linear(v, GVA(pc), bytes, length) != ERR_OK) {
        length = PAGE_SIZE - (pc & PAGE_MASK);
        if (length >= sizeof(bytes) || x86_read_linear(v, GVA(pc), bytes, length) != ERR_OK)
            return false;
    }
    decoder_init(v, &decoder);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, length, &d->insn, d->operands));
}

void x86_skip(struct vcpu *v, unsigned length)
{
    struct x86_state *s = x86_state(v);
    uint64_t next;
    struct decoded d;

    if (!length) {
        if (!decode(v, &d)) {
            x86_inject_exception(v, VECTOR_GP, true, 0);
            return;
        }
        length = d.insn.length;
    }
    vcpu_dirty(v, X86_RIP);
    next = s->rip + length;
    s->interrupt_shadow = false;
    if (unlikely(next >> 32 != s->rip >> 32)) {
        vcpu_need(v, X86_SEGMENTS | X86_CONTROL);
        if (!long_code(v))
            next = (uint32_t)next;
    }
    s->rip = next;
}

/* ---- Registers ---- */

static uint64_t size_mask(unsigned bytes)
{
    return bytes >= 8 ? UINT64_MAX : BIT(8 * bytes) - 1;
}

static bool is_high_byte(ZydisRegister r)
{
    return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH;
}

/* Index into gpr[] of a general register of any width; -1 for others. */
static int register_index(ZydisRegister r)
{
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);

    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
        return -1;
    return whole - ZYDIS_REGISTER_RAX;
}

static bool register_read(struct vcpu *v, ZydisRegister r, unsigned size, uint64_t *value)
{
    int i = register_index(r);

    if (i < 0)
        return false;
    *value = (x86_state(v)->gpr[i] >> (is_high_byte(r) ? 8 : 0)) & size_mask(size);
    return true;
}

/* 32-bit writes clear the upper half, narrower ones keep the rest (SDM vol. 1, 3.4.1.1). */
static bool register_write(struct vcpu *v, ZydisRegister r, unsigned size, uint64_t value)
{
    int i = register_index(r);
    unsigned shift = is_high_byte(r) ? 8 : 0;
    uint64_t mask = size == 4 ? UINT64_MAX : size_mask(size) << shift;

    if (i < 0)
        return false;
    vcpu_dirty(v, X86_GPR);
    x86_state(v)->gpr[i] =
        (x86_state(v)->gpr[i] & ~mask) | (((value & size_mask(size)) << shift) & mask);
    return true;
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
static bool alu(struct vcpu *v, ZydisMnemonic op, uint64_t a, uint64_t b, unsigned size,
                uint64_t *result, bool *store)
{
    int carry_kind = 0;

    *store = op != ZYDIS_MNEMONIC_CMP && op != ZYDIS_MNEMONIC_TEST;
    switch (op) {
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_TEST:
        *result = a & b;
        break;
    case ZYDIS_MNEMONIC_OR:
        *result = a | b;
        break;
    case ZYDIS_MNEMONIC_XOR:
        *result = a ^ b;
        break;
    case ZYDIS_MNEMONIC_ADD:
        *result = a + b;
        carry_kind = 1;
        break;
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_CMP:
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

static bool operand_value(struct vcpu *v, const ZydisDecodedOperand *o, unsigned size,
                          uint64_t *value)
{
    if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        *value = (uint64_t)o->imm.value.s & size_mask(size);
        return true;
    }
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER && register_read(v, o->reg.value, size, value);
}

/* Register or immediate operand `source` into memory: plain moves, or read-modify-write. */
static bool store_form(struct vcpu *v, const struct decoded *d, gpa_t gpa)
{
    unsigned size = d->operands[0].size / 8;
    struct bus *bus = &v->vm->mmio;
    uint64_t value, old, result;
    bool store;

    if (!operand_value(v, &d->operands[1], size, &value))
        return false;
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVNTI:
        bus_write(bus, v, gpa.v, size, value);
        return true;
    case ZYDIS_MNEMONIC_XCHG:
        old = bus_read(bus, v, gpa.v, size);
        bus_write(bus, v, gpa.v, size, value);
        return register_write(v, d->operands[1].reg.value, size, old);
    default:
        old = bus_read(bus, v, gpa.v, size);
        if (!alu(v, d->insn.mnemonic, old, value, size, &result, &store))
            return false;
        if (store)
            bus_write(bus, v, gpa.v, size, result);
        return true;
    }
}

/* Memory into register operand 0, or an operation of the two. */
static bool load_form(struct vcpu *v, const struct decoded *d, gpa_t gpa)
{
    unsigned to = d->operands[0].size / 8, from = d->operands[1].size / 8;
    ZydisRegister r = d->operands[0].reg.value;
    uint64_t value, a, result;
    bool store;

    if (d->operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER || register_index(r) < 0)
        return false;
    value = bus_read(&v->vm->mmio, v, gpa.v, from);
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
        return register_write(v, r, to, value);
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
        return register_write(v, r, to, sign_extend(value, from));
    case ZYDIS_MNEMONIC_XCHG:
        if (!register_read(v, r, to, &a))
            return false;
        bus_write(&v->vm->mmio, v, gpa.v, from, a);
        return register_write(v, r, to, value);
    default:
        if (!register_read(v, r, to, &a) ||
            !alu(v, d->insn.mnemonic, a, value, to, &result, &store))
            return false;
        return !store || register_write(v, r, to, result);
    }
}

/* ---- Strings ---- */

static uint64_t address_mask(const struct decoded *d)
{
    return size_mask(d->insn.address_width / 8);
}

static void advance(struct vcpu *v, const struct decoded *d, enum x86_gpr reg, unsigned size)
{
    struct x86_state *s = x86_state(v);
    uint64_t step = s->rflags & RFLAGS_DF ? -(uint64_t)size : size;
    uint64_t mask = address_mask(d);

    vcpu_dirty(v, X86_GPR);
    if (mask == UINT32_MAX)
        s->gpr[reg] = (s->gpr[reg] + step) & mask;
    else
        s->gpr[reg] = (s->gpr[reg] & ~mask) | ((s->gpr[reg] + step) & mask);
}

static uint64_t segment_base(struct vcpu *v, ZydisRegister segment)
{
    struct x86_state *s = x86_state(v);
    unsigned i = (unsigned)(segment - ZYDIS_REGISTER_ES);

    if (i > X86_GS || (long_code(v) && i != X86_FS && i != X86_GS))
        return 0;
    return s->segments[i].base;
}

static uint64_t linear(struct vcpu *v, const struct decoded *d, enum x86_gpr reg,
                       ZydisRegister segment)
{
    return segment_base(v, segment) + (x86_state(v)->gpr[reg] & address_mask(d));
}

static bool is_repeated(const struct decoded *d)
{
    return d->insn.attributes &
           (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

/* Counts one element of a repeated instruction; true when it was the last. */
static bool repeat_done(struct vcpu *v, const struct decoded *d)
{
    struct x86_state *s = x86_state(v);
    uint64_t mask = address_mask(d);

    if (!is_repeated(d))
        return true;
    vcpu_dirty(v, X86_GPR);
    s->gpr[X86_RCX] = mask == UINT32_MAX
                          ? (s->gpr[X86_RCX] - 1) & mask
                          : (s->gpr[X86_RCX] & ~mask) | ((s->gpr[X86_RCX] - 1) & mask);
    return (s->gpr[X86_RCX] & mask) == 0;
}

/* MOVS and STOS: the device is at one side, found again for each element since the other side may
 * fault on its own. */
static bool string_form(struct vcpu *v, const struct decoded *d, gpa_t gpa, bool write, bool *done)
{
    bool movs =
        d->insn.mnemonic >= ZYDIS_MNEMONIC_MOVSB && d->insn.mnemonic <= ZYDIS_MNEMONIC_MOVSW;
    unsigned size = d->operands[0].size / 8;
    ZydisRegister source = movs ? d->operands[1].mem.segment : ZYDIS_REGISTER_NONE;
    uint64_t value = x86_state(v)->gpr[X86_RAX];

    if (movs && write) {
        value = 0;
        if (x86_read_linear(v, GVA(linear(v, d, X86_RSI, source)), &value, size) != ERR_OK)
            return false;
    } else if (movs) {
        value = bus_read(&v->vm->mmio, v, gpa.v, size);
        if (x86_write_linear(v, GVA(linear(v, d, X86_RDI, ZYDIS_REGISTER_ES)), &value, size) !=
            ERR_OK)
            return false;
    }
    if (write)
        bus_write(&v->vm->mmio, v, gpa.v, size, value & size_mask(size));
    if (movs)
        advance(v, d, X86_RSI, size);
    advance(v, d, X86_RDI, size);
    *done = repeat_done(v, d);
    return true;
}

static bool is_string_move(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_MOVSB || m == ZYDIS_MNEMONIC_MOVSD || m == ZYDIS_MNEMONIC_MOVSQ ||
           m == ZYDIS_MNEMONIC_MOVSW || m == ZYDIS_MNEMONIC_STOSB || m == ZYDIS_MNEMONIC_STOSD ||
           m == ZYDIS_MNEMONIC_STOSQ || m == ZYDIS_MNEMONIC_STOSW;
}

enum exit_action x86_mmio(struct vcpu *v, const struct vm_exit *exit)
{
    gpa_t gpa = exit->memory.gpa;
    struct decoded d;
    bool done = true, ok = false;

    if (exit->memory.access == PT_EXEC || !decode(v, &d)) {
        vm_fail(v->vm, "it runs code at guest address 0x%llx, where there is no memory",
                (unsigned long long)gpa.v);
        return ACTION_FAIL;
    }
    if (is_string_move(d.insn.mnemonic))
        ok = string_form(v, &d, gpa, exit->memory.access == PT_WRITE, &done);
    else if (d.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
        ok = store_form(v, &d, gpa);
    else if (d.insn.operand_count_visible > 1 && d.operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
        ok = load_form(v, &d, gpa);
    if (!ok) {
        vm_fail(v->vm,
                "it reaches device address 0x%llx with an instruction that devices do not take (at "
                "0x%llx)",
                (unsigned long long)gpa.v, (unsigned long long)x86_state(v)->rip);
        return ACTION_FAIL;
    }
    if (done)
        x86_skip(v, d.insn.length);
    return ACTION_RESUME;
}

/* ---- Ports ---- */

static enum exit_action port_string(struct vcpu *v, const struct vm_exit *exit)
{
    struct x86_state *s = x86_state(v);
    unsigned size = exit->port.size;
    struct decoded d;
    bool done = false;

    if (!decode(v, &d))
        return ACTION_RESUME; /* the code page went away: the guest will fault by itself */
    if (is_repeated(&d) && (s->gpr[X86_RCX] & address_mask(&d)) == 0)
        done = true;
    for (unsigned n = 0; !done && n < REPEAT_MAX; n++) {
        enum x86_gpr reg = exit->port.in ? X86_RDI : X86_RSI;
        ZydisRegister segment = exit->port.in ? ZYDIS_REGISTER_ES : d.operands[1].mem.segment;
        gva_t at = GVA(linear(v, &d, reg, segment));
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
        advance(v, &d, reg, size);
        done = repeat_done(v, &d);
    }
    if (done)
        x86_skip(v, d.insn.length);
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
        register_write(v,
                       size == 1   ? ZYDIS_REGISTER_AL
                       : size == 2 ? ZYDIS_REGISTER_AX
                                   : ZYDIS_REGISTER_EAX,
                       size, bus_read(&v->vm->ports, v, exit->port.port, size));
    else
        bus_write(&v->vm->ports, v, exit->port.port, size, s->gpr[X86_RAX] & size_mask(size));
    if (exit->port.next_pc) {
        vcpu_dirty(v, X86_RIP);
        s->rip = exit->port.next_pc;
        s->interrupt_shadow = false;
    } else {
        x86_skip(v, 0);
    }
    return ACTION_RESUME;
}
