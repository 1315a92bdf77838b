/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Loads, stores and atomics through the software TLB: hits inline, the rest in C. */
#include "arch/x86_64/emit/emit.h"

#define TLB_SHIFT        (PAGE_SHIFT - 5) /* an entry is 32 bytes */
#define LOCK             0xf0u
#define OP_LOCK_OR_STACK 0x83
#define GATHER_BYTES     256 /* of accesses that share a look-up */
#define ROOT_REACH       (INT32_MAX / 16)
#define ORIGIN_STEPS     8

_Static_assert(sizeof(struct dbt_tlb_entry) == 1u << 5, "the index is scaled by this");

static bool one_vcpu(const struct emitter *e)
{
    return e->u->mode & DBT_MODE_ONE_VCPU;
}

/* The host's memory is as ordered as guests ask for, but for stores before loads. */
static void full_barrier(struct emitter *e)
{
    if (one_vcpu(e))
        return;
    as_8(&e->as, LOCK);
    as_rm(&e->as, OP_LOCK_OR_STACK, false, ALU_DIGIT(OP_OR), RSP, -8);
    as_8(&e->as, 0);
}

/* Does it, of instruction `insn` (from 1), go by the frame's words? */
static bool by_word_of(const struct emitter *e, const struct ir_op *op, unsigned insn)
{
    bool plain = op->code == IR_probe || ((op->code == IR_load || op->code == IR_store) &&
                                          !(op->attr2 & (IR_ALIGNED | IR_USER)));

    return e->words && plain && !(e->u->looks_up >> ((insn - 1) & 63) & 1);
}

static bool by_word(const struct emitter *e, const struct ir_op *op)
{
    return by_word_of(e, op, e->insn_index);
}

struct access {
    unsigned base, addend; /* host address = base + addend + disp */
    int32_t disp;
    uint8_t *miss; /* the jump that is taken where the TLB does not help; NULL: the access faults */
    bool shared;   /* with other accesses: by itself it may be known */
    uint8_t page;  /* a register that is free at that jump */
    uint8_t *done; /* where it is known */
    uint8_t *at;   /* the instruction that does it */
};

static unsigned access_size(const struct ir_op *op)
{
    return op->code == IR_probe ? op->attr : ir_type_size(op->attr);
}

static bool writes(const struct ir_op *op)
{
    return op->code == IR_store || (op->code == IR_probe && op->attr2);
}

/* With the rights of the least privileged level? */
static bool as_user(const struct ir_op *op)
{
    return op->code != IR_probe && op->attr2 & IR_USER;
}

/* The value that `v` is a constant more than, which is returned. */
static int32_t root_of(const struct emitter *e, ir_value v, ir_value *root)
{
    int64_t offset = 0, c;

    *root = value_of(e, v);
    for (unsigned step = 0; step < ORIGIN_STEPS; step++) {
        const struct ir_op *op = op_of(e, *root);

        if (op->code != IR_add || op->type != IR_I64 || !value_const(e, op->arg[1], &c) ||
            c > ROOT_REACH || c < -ROOT_REACH)
            break;
        offset += c;
        *root = value_of(e, op->arg[0]);
    }
    return (int32_t)offset;
}

/* What the loop's body adds to the value, which is that of a slot at its beginning. False:
 * anything.
 */
static bool stride_of(const struct emitter *e, ir_value root, int32_t *stride)
{
    const struct ir_op *get = op_of(e, root);
    ir_value last;

    *stride = 0;
    if (get->code != IR_get || !is_first_of_slot(e, root))
        return false;
    last = last_of_slot(e, get->imm);
    if (last)
        *stride = root_of(e, last, &last);
    return !last || last == root;
}

/* Takes more into the range, unless it becomes too large. */
static bool widen(struct kept *k, int64_t from, int64_t to)
{
    from = MIN(k->from, from);
    to = MAX(k->to, to);
    if (to - from > GATHER_BYTES)
        return false;
    k->from = (int32_t)from;
    k->to = (int32_t)to;
    return true;
}

/* The range around that of operation `i` that later accesses of the same kind near the same address
 * have, as far as it is small; those of a loop's repetitions, too. */
static void gather(struct emitter *e, unsigned i, enum dbt_access access, struct kept *k)
{
    bool user = as_user(op_of(e, (ir_value)i));
    unsigned end = e->u->op_count;
    struct kept body;
    int32_t stride;

    if (e->words) /* those of other instructions go by words */
        for (end = i; end < e->u->op_count && op_of(e, (ir_value)end)->code != IR_insn;)
            end++;

    for (ir_value j = e->value[i].next_access; j && j < end; j = e->value[j].next_access) {
        const struct ir_op *op = op_of(e, j);
        ir_value root;
        int64_t from = (int64_t)root_of(e, op->arg[0], &root) + op->imm;

        if (root == k->root && !(writes(op) && access == DBT_READ) &&
            !(op->code != IR_probe && op->attr2 & IR_ALIGNED) && as_user(op) == user)
            (void)widen(k, from, from + access_size(op));
    }
    body = *k;
    if (!e->again || e->words || !stride_of(e, k->root, &stride) || !stride)
        return;
    for (unsigned n = 1; n <= e->again; n++)
        if (!widen(k, body.from + (int64_t)stride * n, body.to + (int64_t)stride * n))
            break;
}

void kept_again(struct emitter *e)
{
    for (unsigned n = 0; n < KEPT_COUNT; n++) {
        struct kept *k = &e->kept[n];
        int32_t stride;

        if (k->reg == REG_NONE)
            continue;
        if (!stride_of(e, k->root, &stride))
            k->reg = REG_NONE;
        k->from -= stride;
        k->to -= stride;
    }
}

/* What was found by an access before, in this unit, and is good for this one; or NULL. */
static struct kept *find_kept(struct emitter *e, const struct ir_op *op, unsigned size,
                              enum dbt_access access)
{
    ir_value root;
    int64_t from = (int64_t)root_of(e, op->arg[0], &root) + op->imm;

    for (unsigned n = 0; n < KEPT_COUNT; n++) {
        struct kept *k = &e->kept[n];

        if (k->reg != REG_NONE && k->root == root && k->user == as_user(op) &&
            (k->write || access == DBT_READ) && from >= k->from && from + size <= k->to)
            return k;
    }
    return NULL;
}

/* to = from >> shift, but for the uppermost bits, which are any. */
static void shift_right(struct emitter *e, unsigned to, unsigned from, unsigned shift)
{
    if (e->level >= DBT_LEVEL_V3) {
        as_vex_rr(&e->as, OP_RORX, true, to, 0, from);
        as_8(&e->as, shift);
    } else {
        as_mov(&e->as, to, from);
        as_shift_imm(&e->as, DIGIT_SHR, true, to, shift);
    }
}

/* address: of a byte in the page, entry: its TLB entry then, which may be the same register; page:
 * an address that is its tag when it is the one. */
static void probe_tlb(struct emitter *e, unsigned entry, unsigned address, unsigned page,
                      enum dbt_access access)
{
    int32_t tag = (int32_t)(offsetof(struct dbt_tlb_entry, tag) + 8 * (unsigned)access);

    shift_right(e, entry, address, TLB_SHIFT);
    as_rm(&e->as, OP_AND, true, entry, FRAME_BASE, FRAME(tlb_mask));
    as_rm(&e->as, OP_ADD, true, entry, FRAME_BASE, FRAME(tlb));
    as_rm(&e->as, OP_CMP, true, page, entry, tag);
}

/* Of the page of the last byte, its tag. */
static void tag_of(struct emitter *e, unsigned page, bool user)
{
    as_alu_imm(&e->as, OP_AND, true, page, -IR_PAGE_SIZE);
    if (user)
        as_alu_imm(&e->as, OP_OR, true, page, DBT_TLB_USER);
}

/* reg = base + disp */
static void address(struct emitter *e, unsigned reg, unsigned base, int32_t disp)
{
    if (disp)
        as_rm(&e->as, OP_LEA, true, reg, base, disp);
    else
        as_mov(&e->as, reg, base);
}

/* For accesses that must be aligned: the low bits stay in `page`, and disagree with the tag's. */
static struct access look_up_aligned(struct emitter *e, const struct ir_op *op, unsigned size,
                                     enum dbt_access access)
{
    struct access x = {.base = use_reg(e, op->arg[0]), .disp = (int32_t)op->imm};
    unsigned page = reg_take(e, CLASS_INT);

    x.addend = reg_take(e, CLASS_INT);
    address(e, x.addend, x.base, x.disp);
    as_mov(&e->as, page, x.addend);
    as_alu_imm(&e->as, OP_AND, true, page, -(int32_t)(IR_PAGE_SIZE - (size - 1)));
    probe_tlb(e, x.addend, x.addend, page, access);
    x.miss = as_jcc(&e->as, CC_NE);
    as_rm(&e->as, OP_MOV, true, x.addend, x.addend, offsetof(struct dbt_tlb_entry, addend));
    reg_release(e, CLASS_INT, page);
    return x;
}

/* Looks `size` bytes at base + disp up, and what else is wanted there. */
static struct access look_up(struct emitter *e, unsigned i, unsigned size, enum dbt_access access)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct access x = {.base = use_reg(e, op->arg[0]), .disp = (int32_t)op->imm};
    struct kept *kept = find_kept(e, op, size, access),
                k = {.write = access == DBT_WRITE, .user = as_user(op)};
    int32_t offset;
    unsigned page;

    if (kept) {
        x.addend = kept->reg;
        e->locked[CLASS_INT] |= (uint8_t)(1u << x.addend);
        page = reg_take(e, CLASS_INT); /* as elsewhere, one is free afterwards */
        x.page = (uint8_t)page;
        as_rr(&e->as, OP_TEST, true, x.addend, x.addend);
        x.miss = as_jcc(&e->as, CC_E);
        x.shared = true;
        x.done = e->as.p;
        reg_release(e, CLASS_INT, page);
        return x;
    }
    page = reg_take(e, CLASS_INT);
    x.addend = reg_take(e, CLASS_INT);
    offset = root_of(e, op->arg[0], &k.root);
    k.from = offset + x.disp;
    k.to = k.from + (int32_t)size;
    gather(e, i, access, &k);
    x.shared = op->code == IR_probe || k.to - k.from > (int32_t)size;
    x.page = (uint8_t)page;
    if (k.from != offset)
        address(e, x.addend, x.base, k.from - offset);
    address(e, page, x.base, k.to - 1 - offset);
    tag_of(e, page, as_user(op));
    probe_tlb(e, x.addend, k.from != offset ? x.addend : x.base, page, access);
    x.miss = as_jcc(&e->as, CC_NE);
    as_rm(&e->as, OP_MOV, true, x.addend, x.addend, offsetof(struct dbt_tlb_entry, addend));
    x.done = e->as.p;
    reg_release(e, CLASS_INT, page);
    if (x.shared) {
        k.reg = (uint8_t)x.addend;
        e->kept_next = e->kept[0].reg == REG_NONE   ? 0
                       : e->kept[1].reg == REG_NONE ? 1
                                                    : (e->kept_next + 1) % KEPT_COUNT;
        e->kept[e->kept_next] = k;
    }
    return x;
}

/* ---- By words ---- */

#define UNBOUNDED   64
#define BOUND_DEPTH 4

/* Of an i64: the absolute value is less than 2 to this. */
static unsigned bound_of(const struct emitter *e, ir_value v, unsigned depth)
{
    const struct ir_op *op = op_of(e, value_of(e, v));
    int64_t c;

    if (ir_result_type(op) != IR_I64)
        return 32; /* zero-extended */
    switch (op->code) {
    case IR_const:
        c = op->imm < 0 ? -op->imm : op->imm;
        return op->imm == (int32_t)op->imm ? 64 - (unsigned)__builtin_clzll((uint64_t)c | 1)
                                           : UNBOUNDED;
    case IR_cmp:
        return 1;
    case IR_zext:
    case IR_sext:
    case IR_load:
        return 8 * ir_type_size(op->attr);
    case IR_and:
        return value_const(e, op->arg[1], &c) && c > 0 ? 64 - (unsigned)__builtin_clzll((uint64_t)c)
                                                       : UNBOUNDED;
    case IR_shr:
        return value_const(e, op->arg[1], &c) ? 64 - (unsigned)(c & 63) : UNBOUNDED;
    case IR_shl:
        return depth && value_const(e, op->arg[1], &c)
                   ? bound_of(e, op->arg[0], depth - 1) + (unsigned)(c & 63)
                   : UNBOUNDED;
    default:
        return UNBOUNDED;
    }
}

ir_value origin_of(const struct emitter *e, ir_value v, uint64_t most)
{
    uint64_t reach = 0;

    v = value_of(e, v);
    for (unsigned step = 0; step < ORIGIN_STEPS; step++) {
        const struct ir_op *op = op_of(e, v);
        unsigned a, b, least;

        if (op->code != IR_add || op->type != IR_I64)
            return v;
        a = bound_of(e, op->arg[0], BOUND_DEPTH);
        b = bound_of(e, op->arg[1], BOUND_DEPTH);
        least = MIN(a, b);
        if (MAX(a, b) < UNBOUNDED || least >= UNBOUNDED)
            return v; /* either may be the address */
        reach += BIT(least);
        if (reach > most)
            return v;
        v = value_of(e, op->arg[a < b ? 1 : 0]);
    }
    return v;
}

void emit_word(struct emitter *e, unsigned reg, unsigned from)
{
    const unsigned scale = 3, field = (DBT_WORDS - 1) << scale;

    shift_right(e, reg, from, DBT_WORD_SHIFT - scale);
    as_alu_imm(&e->as, OP_AND, false, reg, field);
    as_rmx(&e->as, OP_MOV, true, reg, FRAME_BASE, reg, DBT_FRAME_WORDS - DBT_FRAME_GUEST);
}

/* With page tables: the word for the address, which is kept for others that are near. What it and
 * the address lead to faults unless the guest has it there. */
static struct access take_word(struct emitter *e, const struct ir_op *op)
{
    struct access x = {.base = use_reg(e, op->arg[0]), .disp = (int32_t)op->imm};
    ir_value origin = origin_of(e, op->arg[0], WINDOW_REACH);
    unsigned from;

    for (unsigned r = 0; r < SCRATCH_COUNT; r++)
        if (e->word[r] == origin) {
            x.addend = r;
            e->locked[CLASS_INT] |= (uint8_t)(1u << r);
            return x;
        }
    x.addend = reg_take(e, CLASS_INT);
    from = value_in_reg(e, origin); /* it is there before the sum */
    e->exact[x.addend] = from != REG_NONE || origin == value_of(e, op->arg[0]);
    emit_word(e, x.addend, from != REG_NONE ? from : x.base);
    e->word[x.addend] = origin;
    return x;
}

/* Is `v` the origin of an access by words from operation `i` on? */
static bool is_origin_from(const struct emitter *e, ir_value v, unsigned i)
{
    for (unsigned insns = e->insn_index; i < e->u->op_count; i++) {
        const struct ir_op *op = op_of(e, (ir_value)i);

        insns += op->code == IR_insn;
        if (op->code != IR_probe && by_word_of(e, op, insns) &&
            origin_of(e, op->arg[0], WINDOW_REACH) == v)
            return true;
    }
    return false;
}

/* Does the loop's repetition begin with the value in a slot, as an origin of accesses? */
static bool is_origin_again(const struct emitter *e, ir_value v, unsigned i)
{
    int64_t slot = NO_SLOT;

    if (!e->again)
        return false;
    for (; i < e->u->op_count; i++) {
        const struct ir_op *op = op_of(e, (ir_value)i);

        if (op->code == IR_set && value_of(e, op->arg[0]) == v)
            slot = op->imm;
        else if (op->code == IR_set && op->imm == slot)
            slot = NO_SLOT;
    }
    for (i = 1; i < e->u->op_count && slot != NO_SLOT; i++) {
        const struct ir_op *op = op_of(e, (ir_value)i);

        if ((op->code == IR_get || op->code == IR_set) && op->imm == slot)
            return op->code == IR_get && is_origin_from(e, (ir_value)i, i + 1);
    }
    return false;
}

/*
 * Pointers lead to pointers of the same range mostly. Where what is loaded will be an address, its
 * word is taken to be that of the address that it was loaded from, and this is checked beside the
 * accesses that follow, instead of before them. The register with what is compared, or REG_NONE.
 */
static unsigned chase_begin(struct emitter *e, unsigned i, const struct access *x)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    ir_value base = value_of(e, op->arg[0]);
    unsigned reg;

    if (x->miss || ir_type_size(op->attr) != 8 || e->word[x->addend] != base ||
        !e->exact[x->addend] || e->locked[CLASS_INT] == (1u << SCRATCH_COUNT) - 1 ||
        is_origin_from(e, base, i + 1) ||
        !(is_origin_from(e, (ir_value)i, i + 1) || is_origin_again(e, (ir_value)i, i + 1)))
        return REG_NONE;
    reg = reg_take(e, CLASS_INT);
    as_mov(&e->as, reg, x->base);
    return reg;
}

static void chase_end(struct emitter *e, unsigned i, const struct access *x, unsigned reg,
                      unsigned loaded)
{
    struct cold *cold;

    as_rr(&e->as, OP_XOR, true, reg, loaded);
    as_shift_imm(&e->as, DIGIT_SHR, true, reg, DBT_WORD_SHIFT);
    cold = cold_new(e, COLD_WORD, as_jcc(&e->as, CC_NE));
    cold->operand[0] = (struct operand){.kind = IN_REG, .reg = (uint8_t)loaded};
    cold->addend = (uint8_t)x->addend;
    cold->back = e->as.p;
    e->word[x->addend] = (ir_value)i;
}

static struct access find_access(struct emitter *e, unsigned i, enum dbt_access access)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    unsigned size = access_size(op);

    if (by_word(e, op))
        return take_word(e, op);
    return op->attr2 & IR_ALIGNED ? look_up_aligned(e, op, size, access)
                                  : look_up(e, i, size, access);
}

/* The next instruction to be emitted is the access. */
static void at_site(struct emitter *e, struct access *x)
{
    x->at = e->as.p;
}

/* Where the look-up leads to when it fails, once the access is emitted. */
static void missed(struct emitter *e, struct cold *cold, const struct access *x)
{
    cold->back = e->as.p;
    if (!x->miss) {
        cold->jump_count = 0;
        if (e->site_count == e->room.site_count) {
            e->full = true;
            return;
        }
        cold->site = (uint16_t)e->site_count;
        e->room.sites[e->site_count++].at = (uint32_t)(as_exec(&e->as, x->at) - e->room.base);
        return;
    }
    if (!x->shared)
        return;
    cold->again = x->done;
    cold->page = x->page;
    cold->addend = (uint8_t)x->addend;
    for (unsigned n = 0; n < KEPT_COUNT; n++)
        if (e->kept[n].reg == x->addend)
            cold->clear = (uint8_t)x->addend;
}

/* Called to look an access up by itself: `addend` holds its address, `page` that of its last byte.
 * Equal: it is known, and `addend` is one. */
void emit_again_stubs(struct emitter *e)
{
    for (unsigned n = 0; n < ARRAY_SIZE(e->stub.again); n++)
        for (unsigned page = 0; page < SCRATCH_COUNT; page++)
            for (unsigned addend = 0; addend < SCRATCH_COUNT; addend++) {
                uint8_t *miss;

                if (page == addend)
                    continue;
                e->stub.again[n][page][addend] = as_exec(&e->as, e->as.p);
                tag_of(e, page, n & AGAIN_USER);
                probe_tlb(e, addend, addend, page, n & AGAIN_WRITE ? DBT_WRITE : DBT_READ);
                miss = as_jcc(&e->as, CC_NE);
                as_rm(&e->as, OP_MOV, true, addend, addend, offsetof(struct dbt_tlb_entry, addend));
                as_patch(miss, e->as.p);
                as_8(&e->as, OP_RET);
            }
}

/* By itself: begins a cold fragment. Where that fails too, what follows does it. */
void emit_look_up_again(struct emitter *e, const struct cold *c)
{
    const struct ir_op *op = op_of(e, c->op);
    unsigned again = (writes(op) ? AGAIN_WRITE : 0) | (as_user(op) ? AGAIN_USER : 0);
    unsigned base = c->operand[0].reg;
    size_t size = (size_t)(c->back - c->again);
    uint8_t *miss;

    address(e, c->addend, base, (int32_t)op->imm);
    address(e, c->page, base, (int32_t)op->imm + (int32_t)access_size(op) - 1);
    as_call_exec(&e->as, e->stub.again[again][c->page][c->addend]);
    miss = as_jcc(&e->as, CC_NE);
    memcpy(e->as.p, c->again, size); /* it jumps nowhere */
    e->as.p += size;
    if (c->clear != REG_NONE)
        as_rr(&e->as, OP_XOR, false, c->clear, c->clear);
    as_jmp_to(&e->as, c->back);
    as_patch(miss, e->as.p);
}

static struct operand in_reg(unsigned reg)
{
    return (struct operand){.kind = IN_REG, .reg = (uint8_t)reg};
}

static unsigned load_opcode(const struct ir_op *op, bool *w)
{
    bool is_signed = op->attr2 & IR_SIGNED;

    *w = is_signed && is_64(op->type);
    switch (ir_type_size(op->attr)) {
    case 1:
        return is_signed ? OP_MOVSX8 : OP_MOVZX8;
    case 2:
        return is_signed ? OP_MOVSX16 : OP_MOVZX16;
    case 4:
        return *w ? OP_MOVSXD : OP_MOV;
    default:
        *w = true;
        return OP_MOV;
    }
}

static bool load(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    enum class class = class_of(op->type);
    bool w = false;
    unsigned size = ir_type_size(op->attr), d, chase = REG_NONE;
    struct operand operand[3] = {{0}};
    struct cold *cold;
    struct access x;

    if (IR_ORDER_OF(op) == IR_SEQ_CST)
        full_barrier(e);
    d = class == CLASS_FP ? result_reg(e, i) : REG_NONE;
    x = find_access(e, i, DBT_READ);
    operand[0] = in_reg(x.base);
    if (class == CLASS_INT) /* what looking up had is free again */
        d = result_reg(e, i);
    if (class == CLASS_INT)
        chase = chase_begin(e, i, &x);
    at_site(e, &x);
    if (class == CLASS_FP) {
        as_rmx(&e->as,
               size == VECTOR_SIZE ? OP_MOVUPS_LOAD
               : size == 4         ? OP_MOVSS_LOAD
                                   : OP_MOVQ_LOAD,
               false, d, x.base, x.addend, x.disp);
    } else {
        unsigned opcode = load_opcode(op, &w);

        as_rmx(&e->as, opcode, w, d, x.base, x.addend, x.disp);
    }
    cold = cold_slow(e, i, x.miss, d, operand);
    missed(e, cold, &x);
    if (chase != REG_NONE)
        chase_end(e, i, &x, chase, d);
    return true;
}

static void store_const(struct emitter *e, unsigned size, const struct access *x, int32_t v)
{
    unsigned opcode = size == 1 ? OP_MOV_IMM8 : size == 2 ? OP_MOV_IMM16 : OP_MOV_IMM32;

    as_rmx(&e->as, opcode, size == 8, 0, x->base, x->addend, x->disp);
    if (size == 1)
        as_8(&e->as, (unsigned)v);
    else if (size == 2) {
        as_8(&e->as, (unsigned)v);
        as_8(&e->as, (unsigned)v >> 8);
    } else {
        as_32(&e->as, (uint32_t)v);
    }
}

static bool store(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    enum class class = class_of(op->type);
    unsigned size = ir_type_size(op->attr), reg;
    struct operand v = {.kind = IS_CONST}, operand[3];
    struct cold *cold;
    struct access x;
    int64_t c = 0;
    bool constant = value_const(e, op->arg[1], &c);

    if (constant && class == CLASS_FP)
        return false;
    if (!constant && class == CLASS_INT && !is_pinned(e, op->arg[0]))
        (void)use_home(e, op->arg[1], &v); /* the address needs three registers */
    else if (!constant)
        v = size == VECTOR_SIZE ? in_reg(use_reg(e, op->arg[1])) : use(e, op->arg[1]);
    x = find_access(e, i, DBT_WRITE);
    operand[0] = in_reg(x.base);
    operand[1] = v;
    if (constant && (size < 8 || c == (int32_t)c)) {
        at_site(e, &x);
        store_const(e, size, &x, (int32_t)c);
    } else {
        reg = v.reg;
        if (constant || v.kind == IN_MEMORY) { /* bits are bits */
            class = CLASS_INT;
            reg = reg_take(e, class);
        }
        if (constant)
            as_const(&e->as, reg, (uint64_t)c);
        else
            load_value(e, class == CLASS_FP ? op->type : IR_I64, reg, v);
        at_site(e, &x);
        if (class == CLASS_FP)
            as_rmx(&e->as,
                   size == VECTOR_SIZE ? OP_MOVUPS_STORE
                   : size == 4         ? OP_MOVSS_STORE
                                       : OP_MOVQ_STORE,
                   false, reg, x.base, x.addend, x.disp);
        else
            as_rmx(&e->as,
                   size == 1   ? OP_MOV_STORE8
                   : size == 2 ? OP_MOV_STORE16
                               : OP_MOV_STORE,
                   size == 8, reg, x.base, x.addend, x.disp);
    }
    if (IR_ORDER_OF(op) == IR_SEQ_CST)
        full_barrier(e);
    cold = cold_slow(e, i, x.miss, REG_NONE, operand);
    missed(e, cold, &x);
    return true;
}

/* By words the first access faults itself, with nothing done; only where they lie on two pages C
 * looks at both. */
static void probe_end(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    unsigned base = use_reg(e, op->arg[0]), offset = reg_take(e, CLASS_INT);
    struct operand operand[3] = {{0}};
    uint8_t *across;

    address(e, offset, base, (int32_t)op->imm);
    as_alu_imm(&e->as, OP_AND, false, offset, IR_PAGE_SIZE - 1);
    as_alu_imm(&e->as, OP_CMP, false, offset, IR_PAGE_SIZE - (int32_t)op->attr);
    across = as_jcc(&e->as, CC_A);
    operand[0] = in_reg(base);
    cold_slow(e, i, across, REG_NONE, operand)->back = e->as.p;
    reg_release(e, CLASS_INT, offset);
}

/* What the accesses that it speaks for look up. */
static bool probe(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    struct operand operand[3] = {{0}};
    struct access x;

    if (by_word(e, op)) {
        probe_end(e, i);
        return true;
    }
    x = look_up(e, i, op->attr, op->attr2 ? DBT_WRITE : DBT_READ);

    operand[0] = in_reg(x.base);
    missed(e, cold_slow(e, i, x.miss, REG_NONE, operand), &x);
    return true;
}

/* The old value, in `d`, as the operation gives it. */
static void finish_old(struct emitter *e, const struct ir_op *op, unsigned size, unsigned d)
{
    if (size == 4 && is_64(op->type))
        as_rr(&e->as, op->attr2 & IR_SIGNED ? OP_MOVSXD : OP_MOV, op->attr2 & IR_SIGNED, d, d);
}

/* Atomics need rax and two more: the host address comes into a register of its own, which is
 * returned, and rax and `other` are free. */
static unsigned atomic_look_up(struct emitter *e, const struct ir_op *op, unsigned size,
                               struct access *x, unsigned *other)
{
    unsigned base, host;

    for (unsigned r = 0; r < SCRATCH_COUNT; r++)
        let_go(e, CLASS_INT, r);
    *x = look_up_aligned(e, op, size, DBT_WRITE);
    base = x->base;
    host = x->addend;
    if (host == RAX)
        host = base == RCX ? RDX : RCX;
    as_rmx(&e->as, OP_LEA, true, host, x->addend, base, x->disp);
    *other = host == RCX ? RDX : RCX;
    for (unsigned r = 0; r < SCRATCH_COUNT; r++) /* all have homes */
        let_go(e, CLASS_INT, r);
    e->locked[CLASS_INT] = (1u << SCRATCH_COUNT) - 1;
    return host;
}

static void atomic_done(struct emitter *e, unsigned i, struct cold *cold)
{
    cold->back = e->as.p;
    e->locked[CLASS_INT] = 0;
    result_in(e, i, RAX);
}

static void put_lock(struct emitter *e)
{
    if (!one_vcpu(e))
        as_8(&e->as, LOCK);
}

/* n = n kind v, by comparison. */
static void keep_either(struct emitter *e, enum ir_rmw kind, bool w, unsigned n, struct operand v)
{
    enum cc cc = kind == IR_RMW_MINU   ? CC_A
                 : kind == IR_RMW_MAXU ? CC_B
                 : kind == IR_RMW_MINS ? CC_G
                                       : CC_L;

    if (v.kind == IN_MEMORY) {
        as_rm(&e->as, OP_CMP, w, n, FRAME_BASE, v.disp);
        as_rm(&e->as, OP_CMOV | cc, w, n, FRAME_BASE, v.disp);
    } else {
        as_rr(&e->as, OP_CMP, w, n, v.reg);
        as_rr(&e->as, OP_CMOV | cc, w, n, v.reg);
    }
}

static void combine(struct emitter *e, enum ir_rmw kind, bool w, unsigned n, struct operand v)
{
    unsigned opcode = kind == IR_RMW_AND ? OP_AND : kind == IR_RMW_OR ? OP_OR : OP_XOR;

    if (kind >= IR_RMW_MINS)
        keep_either(e, kind, w, n, v);
    else if (v.kind == IS_CONST)
        as_alu_imm(&e->as, opcode, w, n, v.disp);
    else if (v.kind == IN_MEMORY)
        as_rm(&e->as, opcode, w, n, FRAME_BASE, v.disp);
    else
        as_rr(&e->as, opcode, w, n, v.reg);
}

static bool rmw(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    unsigned size = ir_type_size(ir_memory_type(op)), host, n;
    enum ir_rmw kind = IR_RMW_OF(op);
    struct operand v, operand[3] = {{0}};
    struct access x;
    uint8_t *again;

    if (size < 4 || !use_home(e, op->arg[1], &v) || (v.kind == IS_CONST && kind >= IR_RMW_MINS))
        return false;
    host = atomic_look_up(e, op, size, &x, &n);
    operand[0] = in_reg(x.base);
    operand[1] = v;
    if (kind == IR_RMW_SWAP || kind == IR_RMW_ADD) { /* xchg locks by itself */
        load_operand(e, CLASS_INT, RAX, v);
        if (kind == IR_RMW_ADD)
            put_lock(e);
        as_rm(&e->as, kind == IR_RMW_ADD ? OP_XADD : OP_XCHG, size == 8, RAX, host, 0);
    } else {
        as_rm(&e->as, OP_MOV, size == 8, RAX, host, 0);
        again = e->as.p;
        as_mov(&e->as, n, RAX);
        combine(e, kind, size == 8, n, v);
        put_lock(e);
        as_rm(&e->as, OP_CMPXCHG, size == 8, n, host, 0);
        as_patch(as_jcc(&e->as, CC_NE), again);
    }
    finish_old(e, op, size, RAX);
    atomic_done(e, i, cold_slow(e, i, x.miss, RAX, operand));
    return true;
}

/* cmpxchg: the expected value and the old one are in rax. */
static bool compare_and_swap(struct emitter *e, unsigned i)
{
    const struct ir_op *op = op_of(e, (ir_value)i);
    unsigned size = ir_type_size(op->attr), host, n;
    struct operand expected, desired, operand[3] = {{0}};
    struct access x;

    if (size < 4 || !use_home(e, op->arg[1], &expected) || !use_home(e, op->arg[2], &desired))
        return false;
    host = atomic_look_up(e, op, size, &x, &n);
    operand[0] = in_reg(x.base);
    operand[1] = expected;
    operand[2] = desired;
    load_operand(e, CLASS_INT, RAX, expected);
    if (desired.kind != IN_REG) {
        load_operand(e, CLASS_INT, n, desired);
        desired = in_reg(n);
    }
    put_lock(e);
    as_rm(&e->as, OP_CMPXCHG, size == 8, desired.reg, host, 0);
    finish_old(e, op, size, RAX);
    atomic_done(e, i, cold_slow(e, i, x.miss, RAX, operand));
    return true;
}

static bool fence(struct emitter *e, unsigned i)
{
    unsigned attr = op_of(e, (ir_value)i)->attr;

    if (attr & IR_FENCE_BEFORE_WRITE && attr & IR_FENCE_AFTER_READ)
        full_barrier(e);
    return true;
}

bool emit_memory(struct emitter *e, unsigned i)
{
    switch (op_of(e, (ir_value)i)->code) {
    case IR_load:
        return load(e, i);
    case IR_store:
        return store(e, i);
    case IR_probe:
        return probe(e, i);
    case IR_rmw:
        return rmw(e, i);
    case IR_cas:
        return compare_and_swap(e, i);
    case IR_fence:
        return fence(e, i);
    default:
        return false;
    }
}
