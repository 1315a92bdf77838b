/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A guest's second stage (EPT, NPT, stage 2, G-stage): derived from its guest memory, block by
 * block as the guest touches it. The engine brings the format; its flush() finds the VM in
 * page_table.owner.
 */
#ifndef MM_SECOND_STAGE_H
#define MM_SECOND_STAGE_H

#include "mm/guest_memory.h"
#include "mm/page_table.h"

struct second_stage;

/* `memory` outlives it; `owner` goes to the format's hooks. */
enum err second_stage_create(struct second_stage **out, const struct pt_format *format,
                             struct guest_memory *memory, void *owner) MUST_CHECK;
/* No CPU may use it any more. */
void second_stage_destroy(struct second_stage *s);
hpa_t second_stage_root(const struct second_stage *s);
/* How often 1 GiB was mapped as a whole. */
uint64_t second_stage_gigabytes(const struct second_stage *s);
/* Bytes of its tables. */
uint64_t second_stage_table_bytes(const struct second_stage *s);

/* The guest's access (PT_READ, PT_WRITE or PT_EXEC) to `gpa` faulted: maps the largest leaf that
 * fits. ERR_OK: try again; ERR_RANGE: this is not RAM; ERR_NO_MEMORY. Thread context. */
enum err second_stage_fault(struct second_stage *s, gpa_t gpa, unsigned access) MUST_CHECK;

/* How `gpa` is mapped; false: it is not. */
bool second_stage_lookup(struct second_stage *s, gpa_t gpa, struct pt_entry *entry);

/* Maps registers of a host's device at `hpa` for the guest, whole pages, where it has no RAM.
 * ERR_EXISTS, ERR_NO_MEMORY. */
enum err second_stage_map_device(struct second_stage *s, gpa_t gpa, hpa_t hpa,
                                 uint64_t size) MUST_CHECK;

/* Takes writing away from what is mapped in [gpa, gpa + size), whole pages: the next write faults,
 * and writing is given back. */
enum err second_stage_write_protect(struct second_stage *s, gpa_t gpa, uint64_t size) MUST_CHECK;
/* What is mapped in the range faults again. */
enum err second_stage_unmap(struct second_stage *s, gpa_t gpa, uint64_t size) MUST_CHECK;

/* Gives the host memory behind the whole pages of [gpa, gpa + size) back: what the guest touches
 * there later reads as zero. Whole 2 MiB are quickest. What is not RAM, has none, or lies in the
 * same 2 MiB as a pinned span stays as it is. Returns the bytes given back. Thread context. */
uint64_t guest_memory_release(struct guest_memory *m, struct second_stage *s, gpa_t gpa,
                              uint64_t size);

#endif
