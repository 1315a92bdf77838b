/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Instructions of a guest: fetched through its page tables, decoded by Zydis or found decoded. */
#include "arch/x86_64/guest/decode.h"

#include <string.h>
#include <Zydis/Zydis.h>

#define VECTOR_DB 1
#define VECTOR_GP 13
#define DR6_BS    BIT(14) /* single step */

/* ---- Zydis to x86_insn ---- */

static const struct {
    ZydisMnemonic mnemonic;
    uint8_t op; /* enum x86_op */
} operations[] = {
    {ZYDIS_MNEMONIC_MOV, X86_OP_MOV},      {ZYDIS_MNEMONIC_MOVZX, X86_OP_MOV},
    {ZYDIS_MNEMONIC_MOVNTI, X86_OP_MOV},   {ZYDIS_MNEMONIC_MOVSX, X86_OP_MOVSX},
    {ZYDIS_MNEMONIC_MOVSXD, X86_OP_MOVSX}, {ZYDIS_MNEMONIC_XCHG, X86_OP_XCHG},
    {ZYDIS_MNEMONIC_AND, X86_OP_AND},      {ZYDIS_MNEMONIC_TEST, X86_OP_TEST},
    {ZYDIS_MNEMONIC_OR, X86_OP_OR},        {ZYDIS_MNEMONIC_XOR, X86_OP_XOR},
    {ZYDIS_MNEMONIC_ADD, X86_OP_ADD},      {ZYDIS_MNEMONIC_SUB, X86_OP_SUB},
    {ZYDIS_MNEMONIC_CMP, X86_OP_CMP},      {ZYDIS_MNEMONIC_MOVSB, X86_OP_MOVS},
    {ZYDIS_MNEMONIC_MOVSW, X86_OP_MOVS},   {ZYDIS_MNEMONIC_MOVSD, X86_OP_MOVS},
    {ZYDIS_MNEMONIC_MOVSQ, X86_OP_MOVS},   {ZYDIS_MNEMONIC_STOSB, X86_OP_STOS},
    {ZYDIS_MNEMONIC_STOSW, X86_OP_STOS},   {ZYDIS_MNEMONIC_STOSD, X86_OP_STOS},
    {ZYDIS_MNEMONIC_STOSQ, X86_OP_STOS},   {ZYDIS_MNEMONIC_INSB, X86_OP_INS},
    {ZYDIS_MNEMONIC_INSW, X86_OP_INS},     {ZYDIS_MNEMONIC_INSD, X86_OP_INS},
    {ZYDIS_MNEMONIC_OUTSB, X86_OP_OUTS},   {ZYDIS_MNEMONIC_OUTSW, X86_OP_OUTS},
    {ZYDIS_MNEMONIC_OUTSD, X86_OP_OUTS},
};

static uint8_t operation(ZydisMnemonic mnemonic)
{
    for (unsigned i = 0; i < ARRAY_SIZE(operations); i++)
        if (operations[i].mnemonic == mnemonic)
            return operations[i].op;
    return X86_OP_OTHER;
}

static bool is_string(uint8_t op)
{
    return op >= X86_OP_MOVS;
}

static uint8_t segment_index(ZydisRegister segment)
{
    return segment >= ZYDIS_REGISTER_ES && segment <= ZYDIS_REGISTER_GS
               ? (uint8_t)(segment - ZYDIS_REGISTER_ES)
               : X86_DS;
}

/* The operand that is not in memory. False: neither a general register nor a constant. */
static bool take_other(const ZydisDecodedOperand *o, struct x86_insn *insn)
{
    ZydisRegister whole;

    if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        insn->immediate = (uint64_t)o->imm.value.s;
        return true;
    }
    if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return false;
    whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o->reg.value);
    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
        return false;
    insn->has_reg = true;
    insn->reg = (uint8_t)(whole - ZYDIS_REGISTER_RAX);
    insn->reg_size = (uint8_t)(o->size / 8);
    insn->high_byte = o->reg.value >= ZYDIS_REGISTER_AH && o->reg.value <= ZYDIS_REGISTER_BH;
    return true;
}

/* The one memory operand of a two-operand form. */
static void take_operands(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o,
                          struct x86_insn *insn)
{
    unsigned memory = o[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? 0 : 1;

    if (z->operand_count_visible != 2 || o[memory].type != ZYDIS_OPERAND_TYPE_MEMORY ||
        o[memory].size > 64 || !take_other(&o[1 - memory], insn)) {
        insn->op = X86_OP_OTHER;
        return;
    }
    insn->has_memory = true;
    insn->to_memory = memory == 0;
    insn->memory_size = (uint8_t)(o[memory].size / 8);
    if (!insn->has_reg)
        insn->reg_size = insn->memory_size;
}

static void take_string(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o,
                        struct x86_insn *insn)
{
    bool reads = insn->op == X86_OP_MOVS || insn->op == X86_OP_OUTS;

    insn->has_memory = true;
    insn->memory_size = (uint8_t)(o[insn->op == X86_OP_OUTS ? 1 : 0].size / 8);
    insn->reg_size = insn->memory_size;
    insn->source_segment = reads ? segment_index(o[1].mem.segment) : X86_DS;
    insn->repeat =
        z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

static void decoder_init(ZydisDecoder *decoder, enum x86_code_mode mode)
{
    static const struct {
        ZydisMachineMode machine;
        ZydisStackWidth stack;
    } modes[] = {
        [X86_CODE_16_REAL] = {ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16},
        [X86_CODE_16] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
        [X86_CODE_32] = {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
        [X86_CODE_64] = {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64},
    };

    ZydisDecoderInit(decoder, modes[mode].machine, modes[mode].stack);
}

bool x86_decode_bytes(const uint8_t *bytes, size_t count, enum x86_code_mode mode,
                      struct x86_insn *insn)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction z;
    ZydisDecoder decoder;

    count = MIN(count, (size_t)X86_INSN_MAX);
    decoder_init(&decoder, mode);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, count, &z, operands)))
        return false;
    *insn = (struct x86_insn){
        .length = z.length,
        .mode = (uint8_t)mode,
        .op = operation(z.mnemonic),
        .address_size = (uint8_t)(z.address_width / 8),
    };
    memcpy(insn->code.bytes, bytes, z.length);
    if (is_string(insn->op))
        take_string(&z, operands, insn);
    else if (insn->op != X86_OP_OTHER)
        take_operands(&z, operands, insn);
    return true;
}

/* ---- The guest's code ---- */

enum x86_code_mode x86_code_mode(struct vcpu *v)
{
    const struct x86_state *s = x86_state(v);

    vcpu_need(v, X86_CODE | X86_CONTROL);
    if ((s->efer & X86_EFER_LMA) && (s->segments[X86_CS].attributes & X86_ATTR_LONG))
        return X86_CODE_64;
    if (!(s->cr0 & X86_CR0_PE))
        return X86_CODE_16_REAL;
    return s->segments[X86_CS].attributes & X86_ATTR_DEFAULT32 ? X86_CODE_32 : X86_CODE_16;
}

static uint64_t code_address(struct vcpu *v, enum x86_code_mode mode)
{
    const struct x86_state *s = x86_state(v);

    return mode == X86_CODE_64 ? s->rip : (uint32_t)(s->rip + s->segments[X86_CS].base);
}

/* Bytes that end before the page does, or that the page's end cuts. */
static NOINLINE unsigned fetch_slowly(struct vcpu *v, uint64_t pc, union x86_code *code)
{
    unsigned here = (unsigned)MIN((uint64_t)X86_INSN_MAX, PAGE_SIZE - (pc & PAGE_MASK));

    if (x86_read_linear(v, GVA(pc), code->bytes, here) != ERR_OK)
        return 0;
    if (here < X86_INSN_MAX &&
        x86_read_linear(v, GVA(pc + here), code->bytes + here, X86_INSN_MAX - here) == ERR_OK)
        here = X86_INSN_MAX;
    return here;
}

/* How many of X86_INSN_MAX bytes at RIP could be read: the instruction may end right before a page
 * that is not mapped. */
static unsigned fetch(struct vcpu *v, uint64_t pc, union x86_code *code)
{
    const struct x86_state *s = x86_state(v);
    gpa_t gpa;

    code->words[0] = code->words[1] = 0;
    if (s->fetched_count) { /* the CPU read them already */
        memcpy(code->bytes, s->fetched, sizeof(s->fetched));
        return s->fetched_count;
    }
    if (unlikely((pc & PAGE_MASK) > PAGE_SIZE - sizeof(*code)) ||
        !x86_translate(v, pc, false, &gpa) ||
        guest_read64(v->vm->memory, gpa, &code->words[0]) != ERR_OK ||
        guest_read64(v->vm->memory, GPA(gpa.v + 8), &code->words[1]) != ERR_OK)
        return fetch_slowly(v, pc, code);
    return X86_INSN_MAX;
}

/* Does `code` begin with the whole of `insn`? */
static bool same_code(const struct x86_insn *insn, const union x86_code *code)
{
    unsigned bits = 8u * insn->length;
    uint64_t low = code->words[0] ^ insn->code.words[0];
    uint64_t high = code->words[1] ^ insn->code.words[1];

    if (bits <= 64)
        return (low << (64 - bits)) == 0;
    return !low && (high << (128 - bits)) == 0;
}

static NOINLINE const struct x86_insn *decode_into(struct x86_insn *slot,
                                                   const union x86_code *code, unsigned count,
                                                   enum x86_code_mode mode)
{
    if (count && x86_decode_bytes(code->bytes, count, mode, slot))
        return slot;
    slot->length = 0;
    return NULL;
}

const struct x86_insn *x86_decode(struct vcpu *v)
{
    enum x86_code_mode mode = x86_code_mode(v);
    uint64_t pc = code_address(v, mode);
    struct x86_insn *slot =
        &x86_machine(v->vm)->code[v->id].insns[(pc ^ pc >> 5) % X86_CODE_CACHE_SIZE];
    union x86_code code;
    unsigned count = fetch(v, pc, &code);

    if (likely(slot->length && slot->length <= count && slot->mode == mode &&
               same_code(slot, &code)))
        return slot;
    return decode_into(slot, &code, count, mode);
}

/* ---- Past an instruction ---- */

static NOINLINE void wrap_rip(struct vcpu *v)
{
    if (x86_code_mode(v) != X86_CODE_64)
        x86_state(v)->rip = (uint32_t)x86_state(v)->rip;
}

void x86_single_step(struct vcpu *v)
{
    struct x86_state *s = x86_state(v);

    if (!(s->rflags & X86_RFLAGS_TF) || debug_stepping(v))
        return;
    vcpu_dirty(v, X86_DEBUG);
    s->dr6 |= DR6_BS;
    x86_inject_exception(v, VECTOR_DB, false, 0);
}

/* What the CPU does at an instruction's end (SDM vol. 3, 18.3.1.1 and 18.3.1.4). */
static NOINLINE void end_flags(struct vcpu *v)
{
    x86_state(v)->rflags &= ~X86_RFLAGS_RF;
    x86_single_step(v);
}

static inline void advance_rip(struct vcpu *v, unsigned length)
{
    struct x86_state *s = x86_state(v);
    uint64_t from, to;

    vcpu_dirty(v, X86_RIP);
    from = s->rip;
    to = from + length;
    s->interrupt_shadow = false;
    s->rip = to;
    if (unlikely((from ^ to) >> 32))
        wrap_rip(v);
    if (unlikely(s->rflags & (X86_RFLAGS_TF | X86_RFLAGS_RF)))
        end_flags(v);
}

void x86_skip(struct vcpu *v, unsigned length)
{
    advance_rip(v, length);
}

static inline struct x86_code_page *code_page(struct x86_state *s)
{
    return &s->code_pages[s->rip / PAGE_SIZE % X86_CODE_PAGES];
}

/* Remembers where RIP's page lies. */
static NOINLINE bool code_page_find(struct vcpu *v, struct x86_code_page *p)
{
    uint64_t pc = code_address(v, x86_code_mode(v));
    gpa_t gpa;

    if (!x86_translate(v, pc, false, &gpa))
        return false;
    p->gpa = GPA(ALIGN_DOWN(gpa.v, PAGE_SIZE));
    p->last = x86_state(v)->rip | PAGE_MASK;
    return true;
}

/*
 * Do the bytes at RIP begin with `opcode`? The page of the last time is asked first. Should the
 * guest have mapped another one there meanwhile, its bytes would have to be the same opcode where
 * the new page holds it with prefixes: then this guest would go on in the middle of its
 * instruction.
 */
static inline bool code_begins_with(struct vcpu *v, uint32_t opcode, unsigned size)
{
    struct x86_state *s = x86_state(v);
    struct x86_code_page *p = code_page(s);
    uint64_t offset = s->rip & PAGE_MASK, bytes;

    if (unlikely(p->last != (s->rip | PAGE_MASK)) && !code_page_find(v, p))
        return false;
    return guest_read64(v->vm->memory, GPA(p->gpa.v + offset), &bytes) == ERR_OK &&
           ((bytes ^ opcode) << (-8u * size & 63)) == 0;
}

static NOINLINE void skip_decoded(struct vcpu *v)
{
    const struct x86_insn *insn = x86_decode(v);

    code_page(x86_state(v))->last = 0;
    if (insn)
        x86_skip(v, insn->length);
    else
        x86_inject_exception(v, VECTOR_GP, true, 0);
}

void x86_skip_opcode(struct vcpu *v, uint32_t opcode, unsigned size)
{
    unsigned length = x86_state(v)->exit_length;

    if (length || likely(code_begins_with(v, opcode, size)))
        advance_rip(v, length ? length : size);
    else
        skip_decoded(v);
}
