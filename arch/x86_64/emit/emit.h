/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Inside the x86-64 emitter: one linear pass over a unit. Slots of the guest that a table names
 * are pinned to registers; three general and three vector registers are scratch. Each value knows
 * the register that holds it and its home, the place where it can be had again; what happens
 * seldom is put behind the unit as cold fragments.
 */
#ifndef ARCH_X86_64_EMIT_EMIT_H
#define ARCH_X86_64_EMIT_EMIT_H

#include "arch/x86_64/emit/asm.h"
#include "dbt/emitter.h"
#include "dbt/slow.h"
#include "kernel/window.h"

#define FRAME_BASE    RBP
#define FRAME(member) ((int32_t)offsetof(struct dbt_frame, member) - DBT_FRAME_GUEST)
/* Look-ups of their own in stubs. */
enum { AGAIN_WRITE = 1, AGAIN_USER = 2, AGAIN_COUNT = 4 };
#define SCRATCH_COUNT 3 /* of each class: rax, rcx, rdx; xmm0, xmm1, xmm2 */
#define SLOTS_MAX     256
#define COLD_MAX      512
#define VECTOR_SIZE   16   /* bytes of a vector in a register */
#define OP_BYTES_MAX  1200 /* that one operation, or one cold fragment, can take */
#define NO_SLOT       (-1)
#define SHIFT_OF_LEA  3 /* at most */
#define NO_SITE       UINT16_MAX
#define FORWARD_COUNT 4
#define KEPT_COUNT    2 /* of the scratch registers: a look-up needs another one */

/* Constants of 16 bytes among the stubs. */
enum emit_mask {
    MASK_SIGN64,
    MASK_REST64,
    MASK_SIGN32,
    MASK_REST32,
    MASK_BOX,         /* what an f32 has above it in a register of 64 bits */
    MASK_EACH_SIGN32, /* in each element */
    MASK_EACH_REST32,
    MASK_EACH_SIGN64,
    MASK_EACH_REST64,
    MASK_EACH_LEAST32, /* the smallest normal number */
    MASK_EACH_LEAST64,
    MASK_MINUS_LEAST32,
    MASK_MINUS_LEAST64,
    MASK_NAN32, /* RISC-V's only one */
    MASK_NAN64,
    MASK_UPPER_ONES,   /* 1.0f in both elements of the upper half, 0 below */
    MASK_EACH_65536,   /* as f32 */
    MASK_EACH_LEAST16, /* the smallest normal f16, in both signs' place */
    MASK_EACH_REST16,
    MASK_EACH_SIGN16,
    MASK_EACH_DENORMAL32, /* the largest denormal number, */
    MASK_EACH_DENORMAL64,
    MASK_EACH_MAX32, /* and normal one; */
    MASK_EACH_MAX64,
    MASK_RECIP_MAX32, /* of which Arm's estimate of the reciprocal is normal */
    MASK_RECIP_MAX64,
    MASK_EACH_FRACTION32, /* the largest f32 that may have a fraction */
    MASK_EACH_FRACTION64,
    MASK_EACH_2_31, /* as f32, */
    MASK_EACH_2_32,
    MASK_EACH_2_63,  /* as f64 */
    MASK_HALF64,     /* 2^31 in double words */
    MASK_EACH_8,     /* in bytes, */
    MASK_EACH_16,    /* in half words */
    MASK_ZEROS_LOW,  /* leading zeros of a byte by its lower half, */
    MASK_ZEROS_HIGH, /* and by its upper one: the lesser counts */
    MASK_LOW16,      /* the lower half of each word, */
    MASK_LOW8,       /* half word, */
    MASK_COUNT64,    /* double word */
    MASK_NIBBLE,
    MASK_POPCOUNT,
    MASK_BITREV_LOW, /* of a nibble: its bits the other way round, moved up or not */
    MASK_BITREV_HIGH,
    MASK_NARROW8, /* for pshufb */
    MASK_NARROW16,
    MASK_REVERSE8,                      /* within 2, 4, 8 bytes */
    MASK_REVERSE16 = MASK_REVERSE8 + 3, /* within 4, 8 */
    MASK_UNZIP8 = MASK_REVERSE16 + 2,
    MASK_UNZIP16,
    MASK_TABLE,
    MASK_SPLAT8, /* element n: 16 of these, then 8 of half words */
    MASK_SPLAT16 = MASK_SPLAT8 + 16,
    MASK_LEFT8 = MASK_SPLAT16 + 8,  /* bytes shifted by 0 to 7, */
    MASK_RIGHT8 = MASK_LEFT8 + 8,   /* and 0 to 8 */
    MASK_EXPAND8 = MASK_RIGHT8 + 9, /* a byte's bit, by place, in elements of 1, 2, 4, 8 bytes */
    MASK_EXPAND_BYTES = MASK_EXPAND8 + 4, /* for pshufb: the first byte below, the second above */
    MASK_SHA1, /* constants of the first three kinds of rounds (FIPS 180-4, 4.2.1) */
    MASK_SHA1_END = MASK_SHA1 + 2,
    MASK_COUNT
};
#define MASK_BYTES  16
#define TABLE_BYTES 768 /* of vector_estimate.c, behind them */

enum class { CLASS_INT, CLASS_FP, CLASS_COUNT };

/* Where a value can be had again. */
enum home {
    HOME_NONE,
    HOME_CONST,
    HOME_PIN,  /* in the register of a pinned slot: it needs no other */
    HOME_SLOT, /* in the cell of a slot */
    HOME_SPILL
};

struct value {
    uint8_t reg; /* scratch register, or REG_NONE */
    uint8_t home;
    int16_t slot;
    uint16_t last;  /* the operation that uses it last */
    bool fused : 1; /* the operation behind it that is its only user does it, too */
    bool loose : 1; /* an f64 of a RISC-V guest: when it is a NaN, it may be another one */
    uint8_t class;  /* enum class */
    uint16_t uses;
    ir_value same;        /* the value that this one is in other words, or itself */
    ir_value next_alias;  /* that has the same slot as its home */
    ir_value next_access; /* of a load, store or probe: the next one, or 0 */
};
_Static_assert(sizeof(struct value) == 16, "each operation's is set by one store");

struct operand {
    enum { IN_REG, IN_MEMORY, IS_CONST } kind;
    uint8_t reg;
    int32_t disp; /* from FRAME_BASE, or the constant */
};

enum cold_kind {
    COLD_SLOW,  /* dbt_slow() does operation `op` */
    COLD_LINK,  /* jumps by link `link` */
    COLD_STUB,  /* what link `link` leads to while unlinked */
    COLD_POLL,  /* leaves for the poll word */
    COLD_LEAVE, /* leaves as operation `op` says */
    COLD_MISS,  /* leaves: no code is known for the address in operand[0]; with `back` it is called
                 */
    COLD_FAR_CALL, /* calls by link `link`, which does not hold here */
    COLD_WRAP,     /* the return stack is used up, or a call to operand[0] polls */
    COLD_ASTRAY,   /* a return that the return stack does not know; address in operand[0] */
    COLD_PAGE,     /* pc_base becomes operand[0] */
    COLD_WORD,     /* the word for operand[0] comes into register `addend` */
    COLD_SELF,     /* counts, and begins this unit again */
    COLD_DIVIDE_0, /* division `op` by 0, and by -1: the dividend is in rax, the result in `dst` */
    COLD_DIVIDE_MINUS_1,
    COLD_NAN, /* register `dst` becomes RISC-V's NaN of type `type` */
};

struct cold {
    uint8_t kind;
    uint8_t dst;   /* register for the result, or REG_NONE; */
    uint8_t clear; /* register that becomes 0, or REG_NONE */
    uint8_t jump_count;
    uint8_t type;
    uint16_t op, link;
    uint16_t loose; /* emitter.loose at the jump */
    uint16_t site;  /* of room.sites, or NO_SITE */
    uint16_t insn_at, insn_index;
    uint8_t insn_length;
    struct operand operand[3];
    uint8_t *jump[3]; /* displacements that lead here */
    uint8_t *back;
    /* An access that shared its look-up with others: it is looked up alone, and done as from
     * `again` to `back`. NULL: it had its own. */
    const uint8_t *again;
    uint8_t addend, page; /* registers */
};

struct emitter {
    struct as as;
    const struct dbt_dialect *dialect;
    const struct interp_guest *guest;
    enum dbt_level level;
    bool caged;
    bool words;             /* plain loads and stores go by the frame's words */
    uint8_t pin[SLOTS_MAX]; /* register of each slot, or REG_NONE */
    int32_t cells;          /* displacement of the cells behind the slots */
    struct emit_stubs {
        const uint8_t *exit, *slow, *link, *probe, *poll, *poll_at, *leave, *miss, *masks;
        /* By AGAIN_ bits */
        const uint8_t *again[AGAIN_COUNT][SCRATCH_COUNT][SCRATCH_COUNT]; /* page, addend */
    } stub;

    /* The unit */
    const struct ir_unit *u;
    struct dbt_room room;
    unsigned link_count, site_count;
    unsigned insn_at, insn_length, insn_index, first_insn;
    uint8_t *body;
    bool full, unsupported;
    unsigned again; /* a loop's body: how often it is emitted behind this once more */
    uint64_t calls; /* bits of instructions that are left to C every time */
    struct value value[IR_OPS_MAX];
    ir_value alias[SLOTS_MAX]; /* of each slot: the first of the values whose home it is */
    ir_value owner[CLASS_COUNT][SCRATCH_COUNT];
    uint8_t locked[CLASS_COUNT]; /* bits of scratch registers that the operation uses */
    /* What the last look-ups in the TLB found: good for other accesses near the same address. `reg`
     * holds the addend, or 0 after the look-up missed. */
    struct kept {
        uint8_t reg; /* REG_NONE: nothing is kept */
        bool write, user;
        ir_value root;
        int32_t from, to; /* of the bytes that lie on the page, from `root` */
    } kept[KEPT_COUNT];
    unsigned kept_next;           /* the one that a look-up replaces */
    ir_value word[SCRATCH_COUNT]; /* the register holds the frame's word for this value, or 0; */
    bool exact[SCRATCH_COUNT];    /* and not that of an address near it */
    /* A loop ends with the bits of a float in a general register's slot, and begins by making it a
     * float again: in its repetition it still is. */
    struct forward {
        ir_value from, to;
    } forward[FORWARD_COUNT];
    unsigned forward_count;
    bool made_loose; /* the unit has made loose values */
    uint16_t loose;  /* bits of fp registers: their slots' values are */
    unsigned spills;
    uint16_t spill_of[IR_OPS_MAX];
    unsigned cold_count;
    struct cold cold[COLD_MAX];
};

/* Cells behind the slots: those of struct dbt_slow_call, a place for scratch registers, spills. */
#define CELL_CALL(e, member) ((e)->cells + (int32_t)offsetof(struct dbt_slow_call, member))
#define CELL_SAVE(e, n)      ((e)->cells + (int32_t)sizeof(struct dbt_slow_call) + 8 * (n))
#define SAVE_CELLS           12 /* an even number: vectors among the spills are aligned */
#define CELL_SPILL(e, n)     CELL_SAVE(e, SAVE_CELLS + (n))

/* The instruction that comes is left to C. */
static inline void calls_c(struct emitter *e)
{
    e->calls |= BIT((e->insn_index - 1) & 63);
}

/* ---- regs.c ---- */

static inline const struct ir_op *op_of(const struct emitter *e, ir_value v)
{
    return &e->u->ops[v];
}

static inline enum class class_of(enum ir_type t) {
    return ir_is_float(t) || ir_is_vector(t) ? CLASS_FP : CLASS_INT;
}

static inline bool is_64(enum ir_type t)
{
    return t == IR_I64 || t == IR_F64;
}

static inline int32_t slot_disp(const struct emitter *e, int64_t slot)
{
    return (int32_t)e->dialect->slots[slot].offset - DBT_FRAME_GUEST;
}

/* What the pass knows before it begins: last uses, and values that are others. False: there is a
 * type that no code is emitted for. */
bool values_begin(struct emitter *e);
/* The same between a loop's body and its repetition: what slots hold has new names there. */
void values_again(struct emitter *e);
/* Where it is, if it is in a register; else REG_NONE. */
unsigned value_in_reg(const struct emitter *e, ir_value v);
/* Is operation `i` the first that has to do with its slot? */
bool is_first_of_slot(const struct emitter *e, unsigned i);
/* The value that the unit leaves in the slot; 0: what was there. */
ir_value last_of_slot(const struct emitter *e, int64_t slot);
/* Finds what to forward in a loop. */
void forwards_find(struct emitter *e);
/* A body that is followed by another one begins. */
void forwards_keep(struct emitter *e);
/* Is `v` not needed after operation `i`? */
bool value_dies(const struct emitter *e, ir_value v, unsigned i);
/* Left to its only user: a comparison to the `select`, a shift to the sum or shift. */
bool value_fused(const struct emitter *e, ir_value v);
bool value_const(const struct emitter *e, ir_value v, int64_t *c);
/* A scratch register that nothing in this operation uses; it is locked. */
unsigned reg_take(struct emitter *e, enum class class);
/* A particular one, emptied. */
void reg_take_this(struct emitter *e, enum class class, unsigned reg);
void reg_release(struct emitter *e, enum class class, unsigned reg);
/* A scratch register in which nothing is, for a few instructions; or REG_NONE. */
unsigned reg_spare(const struct emitter *e, enum class class);
/* The value in a register: its pin, or a scratch one, locked. */
unsigned use_reg(struct emitter *e, ir_value v);
/* Where it is; constants of integers only when they fit into 32 bits, sign-extended. */
struct operand use(struct emitter *e, ir_value v);
/* Where it is without a scratch register; false: a constant that does not fit. */
bool use_home(struct emitter *e, ir_value v, struct operand *o);
bool is_pinned(const struct emitter *e, ir_value v);
/* Where it is at this moment, for a cold fragment (which knows constants itself). */
struct operand where(const struct emitter *e, ir_value v);
/* A scratch register is wanted empty, now: what it holds is kept. */
void let_go(struct emitter *e, enum class class, unsigned reg);
/*
 * Between a jump to a cold fragment and the place where that comes back, nothing may be spilled and
 * no value be given a register: the fragment's way would miss it. So operations take their
 * registers first.
 */
/* A register for the result of operation `i`: the pin of the slot that it will be set to, or a
 * scratch one. It may be that of an operand. */
unsigned result_reg(struct emitter *e, unsigned i);
/* ... that may be that of `operand`, not of the first. */
unsigned result_reg_of(struct emitter *e, unsigned i, ir_value operand);
/* Is the value's scratch register free after operation `i`? */
bool value_spare(const struct emitter *e, ir_value v, unsigned i);
/* `operand` lies in the cell of the slot that the result is set to, and nobody wants it otherwise:
 * the result is made there. */
bool result_in_cell(struct emitter *e, unsigned i, ir_value operand, int32_t *disp);
/* ... that is none of the registers (of its class) whose bits are in `reads`. */
unsigned result_reg_apart(struct emitter *e, unsigned i, uint32_t reads);
/* The result of operation `i` is in scratch register `reg`. */
void result_in(struct emitter *e, unsigned i, unsigned reg);
void emit_get(struct emitter *e, unsigned i);
void emit_set(struct emitter *e, unsigned i);
/* The value without its other names. */
ir_value value_of(const struct emitter *e, ir_value v);
/* The operation is done: frees what died. */
void values_after(struct emitter *e, unsigned i);
/* Loads `v`'s constant or cell into `reg` of its class. */
void load_operand(struct emitter *e, enum class class, unsigned reg, struct operand o);
/* The same for a value of type `t`, of vectors all bytes. */
void load_value(struct emitter *e, enum ir_type t, unsigned reg, struct operand o);
void move_reg(struct emitter *e, enum class class, unsigned to, unsigned from);

/*
 * RISC-V knows one NaN (Unprivileged ISA 20240411, 20.3). Where an operation makes another one,
 * nobody sees that as long as only arithmetic and comparisons look at it: such values are `loose`.
 * Who sees bits tightens them first; so do all ways out, cold ones by themselves (cold.loose).
 */
void tighten(struct emitter *e, ir_value v);
/* ... all that slots hold. */
void tighten_slots(struct emitter *e);

/* ---- cold.c ---- */

struct cold *cold_new(struct emitter *e, enum cold_kind kind, uint8_t *jump);
/* dbt_slow() for operation `i`, whose operands lie at `operand` then. The jump to it comes from
 * `jump`; the caller sets `back` to where it goes on. */
struct cold *cold_slow(struct emitter *e, unsigned i, uint8_t *jump, unsigned dst,
                       const struct operand operand[3]);
/* A NaN in `reg`, of type `t`, becomes RISC-V's. */
void cold_nan(struct emitter *e, enum ir_type t, unsigned reg);
void cold_emit(struct emitter *e);
unsigned link_new(struct emitter *e, int64_t target);
/* Jumps by a link, or to the beginning of this unit; the instruction is done. */
void emit_link(struct emitter *e, unsigned link, unsigned insn_index);
/* The same as a call; it returns behind this. */
void emit_link_call(struct emitter *e, unsigned link);
struct cold *emit_probe(struct emitter *e, unsigned target, bool call);
void emit_wrap(struct emitter *e);
/* Compares the poll word with 0. */
void emit_poll_test(struct emitter *e);
void emit_count(struct emitter *e, unsigned insns);

/* ---- Operations: false, it has no code for this one (dbt_slow() does it) ---- */

bool emit_int(struct emitter *e, unsigned i);
bool emit_memory(struct emitter *e, unsigned i);
/* A value that is near the address `v`: this one is a sum of it and of what is no more than `most`.
 */
ir_value origin_of(const struct emitter *e, ir_value v, uint64_t most);
/* What is kept for accesses of the next repetition. */
void kept_again(struct emitter *e);
/* reg = the frame's word for the address in `from` */
void emit_word(struct emitter *e, unsigned reg, unsigned from);
void emit_again_stubs(struct emitter *e);
void emit_look_up_again(struct emitter *e, const struct cold *c);
bool emit_fp(struct emitter *e, unsigned i);
/* Does it make the same of all quiet NaNs, in what a RISC-V guest can see? */
bool is_blind(const struct emitter *e, const struct ir_op *op);
bool emit_vector(struct emitter *e, unsigned i);
/* What lies behind the masks. */
void emit_estimates(struct emitter *e);
bool emit_control(struct emitter *e, unsigned i);

enum cc cc_of(enum ir_cc cc);
/* Compares the operands of `op` (cmp, exit_if); the condition to test then. */
enum cc emit_compare(struct emitter *e, const struct ir_op *op);

/* ---- stubs.c, pins.c ---- */

enum err emit_stubs(struct emitter *e, struct dbt_room room, bool caged, struct dbt_stubs *out);
void pins_choose(struct emitter *e);
enum dbt_level host_level(void);

#endif
