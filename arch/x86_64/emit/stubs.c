/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The code that all units share: in, out, and to C and back. */
#include "arch/x86_64/emit/emit.h"
#include "arch/x86_64/emit/gate.h"
#include "dbt/knobs.h"

#define MXCSR_DEFAULT 0x1f80u /* all masked, to nearest, no flag set (SDM volume 1, 10.2.3) */
#define MXCSR_FLAGS   0x3fu
#define OP_TEST_AL    (0x84 | OP_BYTE)
#define STUB_BYTES    8192
#define SAVE_FP       4 /* two cells each */
#define OP_INT        0xcd

static const uint8_t callee_saved[] = {RBX, RBP, R12, R13, R14, R15};

static void pins_move(struct emitter *e, bool load)
{
    for (unsigned s = 0; s < e->dialect->slot_count; s++) {
        int32_t disp = slot_disp(e, s);

        if (e->pin[s] == REG_NONE)
            continue;
        if (ir_is_vector(e->dialect->slots[s].type))
            as_rm(&e->as, load ? OP_MOVUPS_LOAD : OP_MOVUPS_STORE, false, e->pin[s], FRAME_BASE,
                  disp);
        else if (class_of(e->dialect->slots[s].type) == CLASS_FP)
            as_rm(&e->as, load ? OP_MOVQ_LOAD : OP_MOVQ_STORE, false, e->pin[s], FRAME_BASE, disp);
        else
            as_rm(&e->as, load ? OP_MOV : OP_MOV_STORE, true, e->pin[s], FRAME_BASE, disp);
    }
}

static void scratch_move(struct emitter *e, bool load)
{
    for (unsigned r = 0; r < SCRATCH_COUNT; r++) {
        as_rm(&e->as, load ? OP_MOV : OP_MOV_STORE, true, r, FRAME_BASE, CELL_SAVE(e, (int)r));
        as_rm(&e->as, load ? OP_MOVUPS_LOAD : OP_MOVUPS_STORE, false, r, FRAME_BASE,
              CELL_SAVE(e, SAVE_FP + 2 * (int)r));
    }
}

/* Caged code has no other stack. */
static void to_host_stack(struct emitter *e)
{
    as_rm(&e->as, OP_MOV_STORE, true, RSP, FRAME_BASE, FRAME(return_sp));
    if (!e->caged)
        as_rm(&e->as, OP_MOV, true, RSP, FRAME_BASE, FRAME(host_sp));
}

static void emit_gate(struct emitter *e)
{
    as_8(&e->as, OP_INT);
    as_8(&e->as, X86_GATE_VECTOR);
}

static const uint8_t *here(const struct emitter *e)
{
    return as_exec(&e->as, e->as.p);
}

/* The lasting pair of the return stack has an odd address, which a register may hold that was not
 * made even yet: then its other half is returned to. Returns where that goes on. */
static uint8_t *emit_lasting(struct emitter *e)
{
    as_alu_imm(&e->as, OP_SUB, true, RSP, 8);
    as_const(&e->as, RAX, DBT_RETURN_NONE & -2U);
    return as_jmp(&e->as);
}

/* enter(rdi: frame, rsi: code) */
static void emit_enter(struct emitter *e, const uint8_t *mxcsr, const uint8_t *lasting)
{
    for (unsigned i = 0; i < ARRAY_SIZE(callee_saved) && !e->caged; i++)
        as_opcode(&e->as, OP_PUSH | (callee_saved[i] & 7), false, 0, 0, callee_saved[i]);
    if (!e->caged)
        as_alu_imm(&e->as, OP_SUB, true, RSP, 8); /* calls find it aligned */
    as_rm(&e->as, OP_LEA, true, FRAME_BASE, RDI, DBT_FRAME_GUEST);
    if (!e->caged)
        as_rm(&e->as, OP_MOV_STORE, true, RSP, FRAME_BASE, FRAME(host_sp));
    as_rip(&e->as, OP_LDMXCSR, false, DIGIT_LDMXCSR, mxcsr, 0);
    as_mov(&e->as, RAX, RSI);
    pins_move(e, true);
    as_rm(&e->as, OP_MOV, true, RSP, FRAME_BASE, FRAME(return_sp));
    as_mov(&e->as, RCX, RSP);
    as_alu_imm(&e->as, OP_OR, true, RCX, (int32_t)dbt_knobs.return_stack - 16);
    as_rip(&e->as, OP_LEA, true, RDX, lasting, 0);
    as_rm(&e->as, OP_MOV_STORE, true, RDX, RCX, 0);
    as_rr(&e->as, OP_GROUP5, false, DIGIT_JMP, RAX);
}

/* eax: enum dbt_exit. The guest's state goes to the frame, its floating-point flags too. Returns
 * where those come in whose state is there already. */
static const uint8_t *emit_exit(struct emitter *e, const uint8_t *flags)
{
    const uint8_t *saved;

    pins_move(e, false);
    to_host_stack(e);
    saved = here(e);
    as_rm(&e->as, OP_LDMXCSR, false, DIGIT_STMXCSR, FRAME_BASE, FRAME(mxcsr));
    as_rm(&e->as, OP_MOV, false, RCX, FRAME_BASE, FRAME(mxcsr));
    as_alu_imm(&e->as, OP_AND, false, RCX, MXCSR_FLAGS);
    as_rip(&e->as, OP_LEA, true, RDX, flags, 0);
    as_rmx(&e->as, OP_MOVZX8, false, RCX, RDX, RCX, 0);
    as_rm(&e->as, OP_OR - 2, false, RCX, FRAME_BASE, FRAME(fp_flags));
    if (e->caged) {
        emit_gate(e);
        return saved;
    }
    as_alu_imm(&e->as, OP_ADD, true, RSP, 8);
    for (unsigned i = ARRAY_SIZE(callee_saved); i-- > 0;)
        as_opcode(&e->as, OP_POP | (callee_saved[i] & 7), false, 0, 0, callee_saved[i]);
    as_8(&e->as, OP_RET);
    return saved;
}

/* dbt_slow() in C, with its operation in rsi; whether it went well, in al. */
static void call_slow(struct emitter *e)
{
    if (e->caged) {
        as_const(&e->as, RAX, DBT_GATE_SLOW);
        emit_gate(e);
        return;
    }
    as_rm(&e->as, OP_LEA, true, RDI, FRAME_BASE, -DBT_FRAME_GUEST);
    as_rm(&e->as, OP_LEA, true, RDX, FRAME_BASE, e->cells);
    as_const(&e->as, RCX, (uintptr_t)e->guest);
    as_const(&e->as, RAX, (uintptr_t)dbt_slow);
    as_rr(&e->as, OP_GROUP5, false, DIGIT_CALL, RAX);
}

/* Called by cold fragments: behind the call lies `test eax, distance to struct dbt_slow_op`. */
static void emit_slow_stub(struct emitter *e, const uint8_t *saved)
{
    uint8_t *faulted;

    scratch_move(e, false);
    pins_move(e, false);
    as_rm(&e->as, OP_LDMXCSR, false, DIGIT_STMXCSR, FRAME_BASE, FRAME(mxcsr));
    as_rm(&e->as, OP_MOV, true, RCX, RSP, 0);
    as_rm(&e->as, OP_MOVSXD, true, RSI, RCX, 1);
    as_rr(&e->as, OP_ADD, true, RSI, RCX);
    to_host_stack(e);
    call_slow(e);
    as_rm(&e->as, OP_LDMXCSR, false, DIGIT_LDMXCSR, FRAME_BASE, FRAME(mxcsr));
    as_rr(&e->as, OP_TEST_AL, false, RAX, RAX);
    faulted = as_jcc(&e->as, CC_E);
    as_rm(&e->as, OP_MOV, true, RSP, FRAME_BASE, FRAME(return_sp));
    pins_move(e, true);
    scratch_move(e, true);
    as_8(&e->as, OP_RET);
    as_patch(faulted, e->as.p);
    /* The fragment's return address does not stay on the return stack. */
    as_alu_mem_imm(&e->as, OP_ADD, true, FRAME_BASE, FRAME(return_sp), 8);
    as_const(&e->as, RAX, DBT_EXIT_FAULT);
    as_jmp_exec(&e->as, saved);
}

/* pc = pc_base + rcx */
static void set_pc(struct emitter *e)
{
    as_rm(&e->as, OP_ADD, true, RCX, FRAME_BASE, FRAME(pc_base));
    as_rm(&e->as, OP_MOV_STORE, true, RCX, FRAME_BASE, FRAME(pc));
}

/* The jump hash may know where a link that does not hold leads. rcx: relative to the page base, and
 * so it is afterwards. */
static void emit_probe_link(struct emitter *e)
{
    const int32_t mask = (DBT_JUMPS - 1) * (int32_t)sizeof(struct dbt_jump);
    uint8_t *miss;

    as_rm(&e->as, OP_ADD, true, RCX, FRAME_BASE, FRAME(pc_base));
    as_mov(&e->as, RDX, RCX);
    as_rr(&e->as, OP_MOV, false, RAX, RCX);
    as_shift_imm(&e->as, DIGIT_SHL, false, RAX, 3);
    as_rm(&e->as, OP_XOR, true, RDX, FRAME_BASE, FRAME(context) + 8 * DBT_CONTEXT_SPACE);
    as_alu_imm(&e->as, OP_AND, false, RAX, mask);
    as_rm(&e->as, OP_ADD, true, RAX, FRAME_BASE, FRAME(jumps));
    as_rm(&e->as, OP_CMP, true, RDX, RAX, offsetof(struct dbt_jump, key));
    miss = as_jcc(&e->as, CC_NE);
    as_alu_imm(&e->as, OP_AND, true, RCX, -IR_PAGE_SIZE);
    as_rm(&e->as, OP_MOV_STORE, true, RCX, FRAME_BASE, FRAME(pc_base));
    as_rm(&e->as, OP_GROUP5, false, DIGIT_JMP, RAX, offsetof(struct dbt_jump, code));
    as_patch(miss, e->as.p);
    as_rm(&e->as, OP_SUB, true, RCX, FRAME_BASE, FRAME(pc_base));
}

/* `lasting`: a jump to `miss`. */
static void emit_ways_out(struct emitter *e, uint8_t *lasting)
{
    e->stub.probe = here(e); /* rax: the link */
    as_rm(&e->as, OP_MOV_STORE, true, RAX, FRAME_BASE, FRAME(detail));
    as_rm(&e->as, OP_MOVSXD, true, RCX, RAX, offsetof(struct dbt_link, target));
    emit_probe_link(e);
    set_pc(e);
    as_const(&e->as, RAX, DBT_EXIT_LINK);
    as_jmp_exec(&e->as, e->stub.exit);
    e->stub.link = here(e); /* likewise */
    as_rm(&e->as, OP_MOVSXD, true, RCX, RAX, offsetof(struct dbt_link, target));
    set_pc(e);
    as_rm(&e->as, OP_MOV_STORE, true, RAX, FRAME_BASE, FRAME(detail));
    as_const(&e->as, RAX, DBT_EXIT_LINK);
    as_jmp_exec(&e->as, e->stub.exit);
    e->stub.poll = here(e); /* rcx: the instruction's place in the page */
    set_pc(e);
    as_const(&e->as, RAX, DBT_EXIT_POLL);
    as_jmp_exec(&e->as, e->stub.exit);
    e->stub.poll_at = here(e); /* rax: the address */
    as_rm(&e->as, OP_MOV_STORE, true, RAX, FRAME_BASE, FRAME(pc));
    as_const(&e->as, RAX, DBT_EXIT_POLL);
    as_jmp_exec(&e->as, e->stub.exit);
    e->stub.leave = here(e); /* rcx: likewise; rax: detail */
    set_pc(e);
    as_rm(&e->as, OP_MOV_STORE, true, RAX, FRAME_BASE, FRAME(detail));
    as_const(&e->as, RAX, DBT_EXIT_LEAVE);
    as_jmp_exec(&e->as, e->stub.exit);
    e->stub.miss = here(e); /* rax: the address */
    as_patch(lasting, e->as.p);
    as_rm(&e->as, OP_MOV_STORE, true, RAX, FRAME_BASE, FRAME(pc));
    as_const(&e->as, RAX, DBT_EXIT_INDIRECT);
    as_jmp_exec(&e->as, e->stub.exit);
}

/* MXCSR's flags as enum sf_flag: the other way round, and denormal operands count for no guest. */
static uint8_t sticky_flags(unsigned mxcsr)
{
    return (uint8_t)((mxcsr & 1 ? SF_INVALID : 0) | (mxcsr & 4 ? SF_DIVIDE : 0) |
                     (mxcsr & 8 ? SF_OVERFLOW : 0) | (mxcsr & 16 ? SF_UNDERFLOW : 0) |
                     (mxcsr & 32 ? SF_INEXACT : 0));
}

#define BOTH(v) \
    {           \
        v, v    \
    }

/* 16 bytes of the same. */
static void as_fill(struct emitter *e, unsigned byte)
{
    for (unsigned i = 0; i < MASK_BYTES; i++)
        as_8(&e->as, byte & 0xff);
}

/* From MASK_REVERSE8 to MASK_UNZIP16: elements of `size` bytes the other way round in each
 * `within`, and even elements below odd ones. */
static void emit_shuffles(struct emitter *e)
{
    for (unsigned size = 1; size <= 2; size++)
        for (unsigned within = 2 * size; within <= 8; within *= 2)
            for (unsigned i = 0; i < MASK_BYTES; i++)
                as_8(&e->as, (i ^ (within - 1)) ^ (size - 1));
    for (unsigned size = 1; size <= 2; size++)
        for (unsigned i = 0; i < MASK_BYTES; i++) {
            unsigned place = i / size, half = MASK_BYTES / size / 2;
            unsigned from = place < half ? 2 * place : 2 * (place - half) + 1;

            as_8(&e->as, from * size + i % size);
        }
}

static void emit_masks(struct emitter *e)
{
    static const uint64_t mask[MASK_REVERSE8][2] = {
        [MASK_SIGN64] = {BIT(63), 0},
        [MASK_REST64] = {BITS(62, 0), 0},
        [MASK_SIGN32] = {BIT(31), 0},
        [MASK_REST32] = {BITS(30, 0), 0},
        [MASK_BOX] = {BITS(63, 32), 0},
        [MASK_EACH_SIGN32] = BOTH(0x8000000080000000),
        [MASK_EACH_REST32] = BOTH(0x7fffffff7fffffff),
        [MASK_EACH_SIGN64] = BOTH(0x8000000000000000),
        [MASK_EACH_REST64] = BOTH(0x7fffffffffffffff),
        [MASK_EACH_LEAST32] = BOTH(0x0080000000800000),
        [MASK_EACH_LEAST64] = BOTH(0x0010000000000000),
        [MASK_MINUS_LEAST32] = BOTH(0x8080000080800000),
        [MASK_MINUS_LEAST64] = BOTH(0x8010000000000000),
        [MASK_NAN32] = BOTH(0x7fc000007fc00000),
        [MASK_NAN64] = BOTH(0x7ff8000000000000),
        [MASK_UPPER_ONES] = {0, 0x3f8000003f800000},
        [MASK_EACH_65536] = BOTH(0x4780000047800000),
        [MASK_EACH_LEAST16] = BOTH(0x0400040004000400),
        [MASK_EACH_REST16] = BOTH(0x7fff7fff7fff7fff),
        [MASK_EACH_SIGN16] = BOTH(0x8000800080008000),
        [MASK_EACH_DENORMAL32] = BOTH(0x007fffff007fffff),
        [MASK_EACH_DENORMAL64] = BOTH(0x000fffffffffffff),
        [MASK_EACH_MAX32] = BOTH(0x7f7fffff7f7fffff),
        [MASK_EACH_MAX64] = BOTH(0x7fefffffffffffff),
        [MASK_RECIP_MAX32] = BOTH(0x7e7fffff7e7fffff),
        [MASK_RECIP_MAX64] = BOTH(0x7fcfffffffffffff),
        [MASK_EACH_FRACTION32] = BOTH(0x4affffff4affffff),
        [MASK_EACH_FRACTION64] = BOTH(0x432fffffffffffff),
        [MASK_EACH_2_31] = BOTH(0x4f0000004f000000),
        [MASK_EACH_2_32] = BOTH(0x4f8000004f800000),
        [MASK_EACH_2_63] = BOTH(0x43e0000000000000),
        [MASK_HALF64] = BOTH(BIT(31)),
        [MASK_EACH_8] = BOTH(0x0808080808080808),
        [MASK_EACH_16] = BOTH(0x0010001000100010),
        [MASK_ZEROS_LOW] = {0x0505050506060708, 0x0404040404040404},
        [MASK_ZEROS_HIGH] = {0x0101010102020308, 0},
        [MASK_LOW16] = BOTH(0x0000ffff0000ffff),
        [MASK_LOW8] = BOTH(0x00ff00ff00ff00ff),
        [MASK_COUNT64] = BOTH(0x00000000ffffffff),
        [MASK_NIBBLE] = BOTH(0x0f0f0f0f0f0f0f0f),
        [MASK_POPCOUNT] = {0x0302020102010100, 0x0403030203020201},
        [MASK_BITREV_LOW] = {0xe060a020c0408000, 0xf070b030d0509010},
        [MASK_BITREV_HIGH] = {0x0e060a020c040800, 0x0f070b030d050901},
        [MASK_NARROW8] = {0x0e0c0a0806040200, 0x8080808080808080},
        [MASK_NARROW16] = {0x0d0c090805040100, 0x8080808080808080},
    };

    static const uint32_t sha1[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc};

    for (unsigned i = 0; i < MASK_REVERSE8; i++) {
        as_64(&e->as, mask[i][0]);
        as_64(&e->as, mask[i][1]);
    }
    emit_shuffles(e);
    as_fill(e, 0x70);
    for (unsigned i = 0; i < 16 + 8; i++) /* MASK_SPLAT8, MASK_SPLAT16 */
        for (unsigned k = 0; k < MASK_BYTES; k++)
            as_8(&e->as, i < 16 ? i : 2 * (i - 16) + (k & 1));
    for (unsigned i = 0; i < 8; i++)
        as_fill(e, 0xffu << i);
    for (unsigned i = 0; i <= 8; i++)
        as_fill(e, 0xffu >> i);
    for (unsigned size = 1; size <= 8; size *= 2) /* MASK_EXPAND8 */
        for (unsigned i = 0; i < MASK_BYTES; i++)
            as_8(&e->as, i % size ? 0 : 1u << i / size % 8);
    for (unsigned i = 0; i < MASK_BYTES; i++)
        as_8(&e->as, i / 8);
    for (unsigned i = 0; i < ARRAY_SIZE(sha1); i++)
        for (unsigned k = 0; k < MASK_BYTES / 4; k++)
            as_32(&e->as, sha1[i]);
}

enum err emit_stubs(struct emitter *e, struct dbt_room room, bool caged, struct dbt_stubs *out)
{
    const uint8_t *mxcsr, *flags, *saved, *enter, *lasting;
    uint8_t *miss;

    if (room.size < STUB_BYTES)
        return ERR_RANGE;
    e->as = (struct as){.p = room.write,
                        .limit = room.write + room.size,
                        .to_exec = (intptr_t)room.exec - (intptr_t)room.write};
    e->caged = caged;
    e->stub.masks = here(e); /* aligned: the room's beginning is */
    emit_masks(e);
    emit_estimates(e);
    mxcsr = here(e);
    as_32(&e->as, MXCSR_DEFAULT);
    flags = here(e);
    for (unsigned i = 0; i <= MXCSR_FLAGS; i++)
        as_8(&e->as, sticky_flags(i));
    lasting = here(e);
    miss = emit_lasting(e);
    enter = here(e);
    emit_enter(e, mxcsr, lasting);
    e->stub.exit = here(e);
    saved = emit_exit(e, flags);
    e->stub.slow = here(e);
    emit_slow_stub(e, saved);
    emit_ways_out(e, miss);
    emit_again_stubs(e);
    out->size = (size_t)(e->as.p - room.write);
    out->enter = (enum dbt_exit(*)(struct dbt_frame *, const void *))(uintptr_t)enter;
    return out->size <= STUB_BYTES ? ERR_OK : ERR_RANGE;
}
