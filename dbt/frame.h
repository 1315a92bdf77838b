/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The frame: all that running units reach of their vCPU. One page-aligned piece of memory a vCPU:
 * what the translator needs first, then the guest's slots, then cells for values.
 *
 * A slot is an 8-byte cell (vectors: several), aligned to its size; what is narrower lies in it
 * zero-extended. Units address cells by their offset from the frame's start, so that slots and
 * values are the same thing to the interpreter, and one base register serves emitted code. On bare
 * metal what lies behind its locked part, and the return stack, is all of the vCPU that caged code
 * can write: everything in it is hostile when read back.
 */
#ifndef DBT_FRAME_H
#define DBT_FRAME_H

#include "dbt/ir.h"
#include "kernel/cage.h"

/* What a guest does to memory; DBT_KIND() is an index into dbt_tlb_entry.tag. The last two: with
 * the rights of its least privileged level, whatever runs (IR_USER). */
enum dbt_access { DBT_READ, DBT_WRITE, DBT_FETCH, DBT_USER_READ = 4, DBT_USER_WRITE };
#define DBT_KIND(access) ((access)&3u)
#define DBT_USER         4u

/*
 * Software TLB: direct-mapped by virtual page. `tag` is the address of the virtual page for each
 * kind of access that needs no help, else DBT_TLB_NONE. Host address, as cages have it = virtual
 * address + addend. An entry is for ordinary accesses, or for those by IR_USER: then its tags have
 * a bit more, which no other access compares with.
 */
struct dbt_tlb_entry {
    uint64_t tag[3];
    uint64_t addend;
};
#define DBT_TLB_USER 0x800ULL
#define DBT_TLB_NONE 0x801ULL /* nor has a misaligned address, its page's bits and its lowest */

/* How a unit was left. */
enum dbt_exit {
    DBT_EXIT_LINK,     /* by a link: go on at frame->pc */
    DBT_EXIT_INDIRECT, /* by jump_reg: the same, hint in `detail` */
    DBT_EXIT_POLL,     /* at a safe point: frame->pc is the instruction that is to run next */
    DBT_EXIT_FAULT,    /* the instruction at frame->pc faulted: frame->fault says how */
    DBT_EXIT_LEAVE,    /* by `leave`: reason and imm in `reason` and `detail` */
    DBT_EXIT_BROKEN,   /* caged code did what it may not: dbt_vcpu.broke */
};

struct dbt_fault {
    uint64_t address; /* virtual */
    uint8_t access;   /* enum dbt_access */
    bool misaligned;  /* an access that must be aligned was not; nobody looked at memory */
    bool absent;      /* there is no memory: code cannot run from devices */
    bool watched;     /* a watchpoint of the guest's own debugger */
    uint32_t cause;   /* the guest's own */
};

/*
 * Contexts differ in bits 63:59 and 11:1 and nowhere else. So a page's address, exclusive or with
 * its context, names both in one word; so does any address of code together with its place in the
 * jump hash, which tells bits 12:1. Addresses have up to 57 bits. When all are used up the engine
 * forgets what was linked and looked up with them and begins again.
 */
#define DBT_CONTEXT_COUNT  65536
#define DBT_CONTEXT_SPACE  0
#define DBT_CONTEXT_GLOBAL 1
static inline uint64_t dbt_context(uint16_t number)
{
    return (uint64_t)number >> 11 << 59 | ((uint64_t)number & BITS(10, 0)) << 1;
}

/* The emitted code of a virtual address: entry (va >> 1) % DBT_JUMPS of the vCPU's own table. */
struct dbt_jump {
    uint64_t key; /* va ^ context; DBT_JUMP_NONE: none */
    const void *code;
};
#define DBT_JUMPS     4096
#define DBT_JUMP_NONE 1ULL /* odd: no instruction lies there */

struct dbt_vcpu;

/* What emitted code may read only comes first: on bare metal a page of its own ends with it.
 * Pointers for emitted code are as cages have them. */
struct dbt_frame {
    struct dbt_fault fault;
    uint64_t limit; /* with DBT_MODE_COUNT: `count` does not go beyond it */
    uint64_t unused[5];
    struct dbt_vcpu *vcpu;
    /* One comparison for calls: the return stack's pointer is below this word when it is used up,
     * and always when the poll word is set, which is its highest byte. */
    union {
        uint64_t return_limit;
        struct {
            uint8_t return_limit_bytes[7];
            uint8_t poll; /* not zero: leave at the next safe point. Set by anybody. */
        };
    };
    uint64_t tlb_mask; /* (entries - 1) * sizeof(struct dbt_tlb_entry) */
    struct dbt_tlb_entry *tlb;
    struct dbt_jump *jumps; /* DBT_JUMPS entries: where indirect jumps look first */
    uint64_t context[2];    /* the address space with its mode; the same for global pages */
    uint64_t host_sp;       /* of C code, while emitted code runs with its rights */

    uint64_t pc_base;             /* virtual address of the page on which the running unit lies */
    uint64_t pc;                  /* valid when no unit runs */
    uint32_t fp_flags;            /* sticky, enum sf_flag */
    uint32_t mxcsr;               /* of emitted code, between two places */
    uint32_t reason, insn_length; /* of `leave`; of the instruction at pc */
    uint64_t detail;
    uint64_t count;     /* guest instructions done */
    uint64_t return_sp; /* of emitted code, while none runs */
    uint64_t spare;
    _Alignas(64) uint64_t cells[]; /* the guest's slots, then values */
};
#define DBT_FRAME_LOCKED offsetof(struct dbt_frame, pc_base) /* bytes that it may only read */
#define DBT_FRAME_GUEST  192 /* offset of cells[]: slot offsets begin here */
/* With page tables (window.h) these words, which it may only read, lie before the page that ends
 * with the locked part: host address, as emitted code has it = virtual address + word. */
#define DBT_WORDS       1024
#define DBT_WORDS_SIZE  (DBT_WORDS * sizeof(uint64_t))
#define DBT_FRAME_WORDS ((int32_t)DBT_FRAME_LOCKED - (int32_t)(PAGE_SIZE + DBT_WORDS_SIZE))
#define DBT_WORD_SHIFT  39 /* a word is for so many bits of address */
#define DBT_WORD_OF(va) ((va) >> DBT_WORD_SHIFT & (DBT_WORDS - 1))
_Static_assert(offsetof(struct dbt_frame, cells) == DBT_FRAME_GUEST, "slots are addressed by this");

/* The slow ways to memory, on the vCPU's own thread; tlb.c. `size` is 1, 2, 4 or 8 bytes. False:
 * frame->fault is filled. */
bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value);
bool dbt_memory_write(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t value);
/* The same with the rights of the guest's least privileged level. */
bool dbt_memory_user(struct dbt_frame *f, uint64_t va, unsigned size, bool write, uint64_t *value);
/* A host address at which `size` bytes (aligned to it) can be read and written atomically, or NULL:
 * then *mmio tells whether frame->fault is filled (false) or it is no RAM (true). */
void *dbt_memory_atomic(struct dbt_frame *f, uint64_t va, unsigned size, bool *mmio);
/* Would an access fault? */
bool dbt_memory_probe(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access);

/* The tag that an access to `page` looks for. */
static inline uint64_t dbt_tlb_tag(uint64_t page, enum dbt_access access)
{
    return page | (access & DBT_USER ? DBT_TLB_USER : 0);
}

/* The host address of an access that the TLB knows and that stays in its page, or NULL. */
static inline void *dbt_tlb_lookup(const struct dbt_frame *f, uint64_t va, unsigned size,
                                   enum dbt_access access)
{
    uint64_t index = va >> (PAGE_SHIFT - 5) & f->tlb_mask;
    const struct dbt_tlb_entry *e = cage_kernel_address((uintptr_t)f->tlb + index);

    uint64_t page = (va + size - 1) & ~(uint64_t)(IR_PAGE_SIZE - 1);

    if (unlikely(e->tag[DBT_KIND(access)] != dbt_tlb_tag(page, access)))
        return NULL;
    return cage_kernel_address(va + e->addend);
}

#endif
