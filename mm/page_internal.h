/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * What mm/page.c (allocation) and mm/page_init.c (the boot memory map) share. Nobody else includes
 * this.
 *
 * Memory is a table of gigabytes (struct chunk, unit 2 MiB) from physical 0 on. A gigabyte that is
 * not one block has a word for each of its superframes in `frames`. A superframe that is not one
 * block has a chunk (unit 4 KiB) and belongs to the CPU that split it: only that CPU takes from it
 * and puts back, under its own lock, which others take only when memory runs out. Freed blocks
 * first go to a magazine of the freeing CPU, which serves the next requests of that order; from a
 * full magazine, blocks of another CPU's superframes go to the owner's `remote` list without a
 * lock. The shared lock covers gigabytes and spare chunks; CPUs move superframes through it by
 * batches.
 *
 * Locks: page_cpu.lock, then page_shared.lock; both with interrupts masked. No CPU holds two
 * page_cpu locks.
 */
#ifndef MM_PAGE_INTERNAL_H
#define MM_PAGE_INTERNAL_H

#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "mm/chunk.h"
#include "mm/page.h"

#define FRAME_SHIFT 21
#define FRAME_SIZE  (1UL << FRAME_SHIFT)
#define GIG_SHIFT   30
#define GIG_SIZE    (1UL << GIG_SHIFT)

/* The word of a superframe: a kind, and a pointer (chunks are aligned to 64 bytes) or an order
 * above it. */
enum frame_kind {
    FRAME_NONE,  /* never given to the allocator */
    FRAME_FREE,  /* free in its gigabyte */
    FRAME_CHUNK, /* with a CPU, word & ~FRAME_KIND is its chunk */
    FRAME_BLOCK, /* the first of a block in use, order in word >> FRAME_ORDER_SHIFT */
    FRAME_TAIL,  /* a further one of a block in use */
};
#define FRAME_KIND        7ULL
#define FRAME_ORDER_SHIFT 8

#define MAGAZINE_SIZE   16u /* blocks up to 128 KiB; */
#define MAGAZINE_LARGE  4u  /* larger ones */
#define MAGAZINE_ORDERS CHUNK_ORDER

/* Free blocks of one order, marked as in use in their chunks. */
struct magazine {
    uint32_t count;
    uint64_t block[MAGAZINE_SIZE];
};

struct page_cpu {
    struct page_cpu *self; /* set once it is ready: areas of secondary CPUs may start as copies */
    struct spinlock lock;
    struct chunk_set set; /* superframes of this CPU, whole free ones included */
    struct chunk *spare;  /* chunk records without a superframe */
    unsigned spare_count;
    unsigned whole_count; /* superframes in the set that are entirely free */
    uint64_t remote; /* atomic: blocks freed by others, address | order, each one's first word links
                        to the next */
    uint64_t taken, given; /* 4 KiB pages that callers on this CPU got and freed, ever */
    struct page_cpu *next; /* of all CPUs, in page_shared.cpus */
    struct magazine magazine[MAGAZINE_ORDERS];
};

struct page_shared {
    struct spinlock lock;
    struct chunk *gigs; /* by physical address >> GIG_SHIFT */
    uint64_t gig_count;
    struct chunk_set set; /* of gigabytes */
    struct chunk *spare;
    char *records, *records_end;         /* chunk records never used so far */
    char *frame_words, *frame_words_end; /* room for `frames` never used so far */
    unsigned batch;                      /* superframes that a CPU fetches or returns at once */
    struct page_cpu *cpus;               /* atomic list */
    uint64_t total_pages;                /* ever given */
    uint64_t metadata, left_out;         /* bytes */
    uint64_t lock_count;
};
extern struct page_shared page_shared;

/* Superframe 0: for requests below 1 MiB, for others when nothing else is left. Belongs to no CPU.
 */
extern struct page_cpu page_low;

void page_cpu_init(struct page_cpu *c);
struct page_cpu *page_cpu_this(void);
void page_shared_lock(void);
void page_shared_unlock(void);

/* A spare chunk record, NULL when there is none. Under the shared lock. */
struct chunk *page_record_get(void);
/* The frame word of `pa`; NULL when its gigabyte has none. */
uint64_t *page_frame_word(uint64_t pa);
/* Gives `gig` its frame words, all of `kind`, if it has none. Under the shared lock. */
void page_gig_split(struct chunk *gig, enum frame_kind kind);
/* Makes `record` the chunk of the superframe at `base`, with no free page, in the set of `owner`.
 * Under its lock. */
void page_frame_adopt(struct page_cpu *owner, struct chunk *record, uint64_t base);

/* Puts pages that are marked as in use back where they belong, past the magazines. Interrupts
 * masked, no page_cpu lock held. */
void page_put_direct(uint64_t pa, unsigned order);

#endif
