/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Disks of guests, which lie in memory: the bytes of [disk NAME], as the device models see them.
 *
 * A disk is its base, the file that the loader read, and pieces of 64 KiB over it, allocated at the
 * first write. A read-write disk with a file is written in place. Pieces may be read, written and
 * given back by several CPUs at once: each counts its users in the word that points to it.
 */
#ifndef KERNEL_DISK_H
#define KERNEL_DISK_H

#include "kernel/config.h"
#include "kernel/err.h"

#define DISK_SECTOR      512u
#define DISK_PIECE_SIZE  0x10000u
#define DISK_PIECE_ORDER 4u

struct disk;
struct vm;

/*
 * The disk `config` of `vm`, which may not be open yet. One that was closed to be kept is as it was
 * left, otherwise it is as its file. ERR_NOT_FOUND, ERR_INVALID (vm_fail() said what is wrong),
 * ERR_NO_MEMORY. Thread context.
 */
enum err disk_open(struct disk **out, const struct config_disk *config, struct vm *vm) MUST_CHECK;
/* Nobody uses it any more. What was written to a read-write disk is always kept, what was written
 * to another one when `keep` says so; the rest is scrubbed and freed. NULL is allowed. */
void disk_close(struct disk *d, bool keep);

uint64_t disk_size(const struct disk *d); /* bytes, whole sectors */
bool disk_is_read_only(const struct disk *d);
/* Bytes of memory taken for what was written. */
uint64_t disk_written(const struct disk *d);

/* Some bytes of a disk that lie together. */
struct disk_span {
    char *data; /* NULL: they read as zero */
    uint64_t length;
    uint64_t *word; /* the disk's own */
};
/*
 * As many bytes from `offset` on as lie together, at most `size`; both inside the disk. Ended by
 * disk_span_end(). Reading never fails; writing may with ERR_NO_MEMORY.
 */
void disk_read_begin(struct disk *d, uint64_t offset, uint64_t size, struct disk_span *s);
enum err disk_write_begin(struct disk *d, uint64_t offset, uint64_t size,
                          struct disk_span *s) MUST_CHECK;
void disk_span_end(struct disk_span *s);

/* Makes the range, inside the disk, read as zeroes; gives memory back where whole pieces become
 * zero. ERR_NO_MEMORY. */
enum err disk_zero(struct disk *d, uint64_t offset, uint64_t size) MUST_CHECK;

#endif
