/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The memory of one guest: which guest-physical addresses are RAM and which host memory stands
 * behind them. Host memory comes in blocks of 2 MiB (4 KiB where a region's end is not aligned, or
 * when no larger block is free), zeroed, at the first touch by guest or hypervisor; or all of it
 * before the guest runs, then in blocks of 1 GiB where there are any.
 *
 * Everybody else reaches it through the copy functions or a pinned span, never by a kept pointer.
 * Any CPU, no locks: regions are fixed before the first vCPU runs, blocks appear by atomic exchange
 * and stay until the end or until guest_memory_release() (mm/second_stage.h) finds nothing pinned
 * in their 2 MiB; copies pin what they touch.
 */
#ifndef MM_GUEST_MEMORY_H
#define MM_GUEST_MEMORY_H

#include "kernel/types.h"

#define GUEST_REGIONS_MAX 8

struct guest_memory;

/* Who wants to know what the hypervisor writes to a guest. */
struct guest_watch {
    /* [gpa, gpa + size) is about to be written, or was: any context, any CPU. */
    void (*written)(struct guest_watch *w, uint64_t gpa, uint64_t size);
};

enum err guest_memory_create(struct guest_memory **out) MUST_CHECK;
/* Scrubs and frees everything; nothing is pinned, and no second stage maps it any more. */
void guest_memory_destroy(struct guest_memory *m);

/* Makes [gpa, gpa + size) RAM that reads as zero. Whole pages; while the machine is built, one
 * thread. ERR_INVALID when not whole pages or out of range, ERR_EXISTS on overlap, ERR_NO_MEMORY.
 */
enum err guest_memory_add_ram(struct guest_memory *m, gpa_t gpa, uint64_t size) MUST_CHECK;
/* Takes host memory for all RAM at once. After the last guest_memory_add_ram(), before anything
 * touches it. ERR_NO_MEMORY: some of it is missing. */
enum err guest_memory_take_all(struct guest_memory *m) MUST_CHECK;
/* One for each guest; NULL: nobody. Before the first vCPU runs, and after the last. */
void guest_memory_watch(struct guest_memory *m, struct guest_watch *w);
/* First address above all RAM. */
uint64_t guest_memory_limit(const struct guest_memory *m);
/* Bytes of host memory behind the guest. */
uint64_t guest_memory_resident(const struct guest_memory *m);
/* host_counter() ticks that copying and zeroing whole pages of it took so far. */
uint64_t guest_memory_bulk_ticks(const struct guest_memory *m);

/* Copies between guest and hypervisor; the range may cross blocks and adjacent regions. ERR_RANGE,
 * and nothing copied, when it is not all RAM. Reading does not allocate; writing may fail with
 * ERR_NO_MEMORY. A vCPU may see parts of it first. */
enum err guest_copy_from(struct guest_memory *m, gpa_t gpa, void *to, size_t size) MUST_CHECK;
/* Eight bytes of the host's byte order at any `gpa`: guest_copy_from() in a few instructions, for
 * page tables and code. */
enum err guest_read64(struct guest_memory *m, gpa_t gpa, uint64_t *value) MUST_CHECK;
enum err guest_copy_to(struct guest_memory *m, gpa_t gpa, const void *from, size_t size) MUST_CHECK;
enum err guest_zero(struct guest_memory *m, gpa_t gpa, uint64_t size) MUST_CHECK;

/* A host pointer to [gpa, gpa + size), valid until guest_unpin() with the same range. The range
 * lies within one block: ERR_RANGE otherwise, or when it is not RAM; ERR_NO_MEMORY. */
enum err guest_pin(struct guest_memory *m, gpa_t gpa, uint64_t size, void **span) MUST_CHECK;
void guest_unpin(struct guest_memory *m, gpa_t gpa, uint64_t size);
/* The same when nothing was written: the watch is not told. */
void guest_unpin_unwritten(struct guest_memory *m, gpa_t gpa, uint64_t size);

/* A host pointer to all of the GUEST_BLOCK_SIZE bytes around `gpa`, to write some of them, until
 * guest_unpin_unwritten() with the whole block. NULL: there is no such block yet, or somebody wants
 * to know of each write. */
#define GUEST_BLOCK_SIZE MIB(2)
void *guest_pin_block(struct guest_memory *m, gpa_t gpa);

/* The host memory behind one naturally aligned piece of RAM. */
struct guest_block {
    gpa_t gpa;
    hpa_t hpa;
    uint64_t size; /* 4 KiB or 2 MiB; gpa and hpa are aligned to it */
};
/* The block that holds `gpa`, allocated now if need be; it stays while a pin holds it. ERR_RANGE
 * when it is not RAM, ERR_NO_MEMORY. */
enum err guest_memory_block(struct guest_memory *m, gpa_t gpa,
                            struct guest_block *block) MUST_CHECK;

/* For second_stage.c: the aligned GiB around `gpa`, where one aligned GiB of host memory is behind
 * it. Nobody drops memory meanwhile. */
bool guest_memory_gigabyte(struct guest_memory *m, gpa_t gpa, struct guest_block *block);

/* For second_stage.c: takes the host memory behind the piece away, as far as it has some and
 * nothing is pinned in its 2 MiB; it was unmapped, with its TLB entries, and the caller keeps it so
 * until this returns. The piece is an aligned 2 MiB, or at most GUEST_DROP_PAGES pages in one.
 * Returns the bytes freed. */
#define GUEST_DROP_PAGES 64
uint64_t guest_memory_drop(struct guest_memory *m, gpa_t gpa, uint64_t size);
/* For second_stage.c: what was dropped in the range reads as zero now; tells the watch. */
void guest_memory_dropped(struct guest_memory *m, gpa_t gpa, uint64_t size);

#endif
