/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Page tables of the host for emitted code's accesses (docs/translator.md, "Page tables"): what the
 * software TLB found is mapped at `virtual address + word`, and stays there until the TLB would
 * have to forget it. Each table of the TLB, an address space's view, has a window: ranges of the
 * host's address space (kernel/window.h). The frame's words are those of the current one.
 *
 * All of it on the vCPU's own thread.
 */
#ifndef DBT_WINDOW_H
#define DBT_WINDOW_H

#include "dbt/guest.h"

struct dbt_window;

/* Do emitted code's accesses of the VM go by windows? *possible: false when it wants them and there
 * are none, for the reason that is logged. */
bool dbt_windows_wanted(const struct vm *vm, bool *possible);

/* Sets d->windows; the frame has its words. */
enum err dbt_windows_create(struct dbt_vcpu *d) MUST_CHECK;
void dbt_windows_destroy(struct dbt_vcpu *d);

/* NULL: no memory; then nothing is mapped for that table. The following take NULL. */
struct dbt_window *dbt_window_create(struct dbt_vcpu *d);
void dbt_window_destroy(struct dbt_window *w);
/* Accesses of code by words go by it from here on; true: the table's code is to be such. `user`: of
 * the guest's programs. No code of the vCPU runs. */
bool dbt_window_select(struct dbt_vcpu *d, struct dbt_window *w, bool user);
/* Its table is for another address space. */
void dbt_window_renew(struct dbt_window *w);
/* Nothing is mapped in it; in `size` bytes from `va` on. */
void dbt_window_empty(struct dbt_window *w);
void dbt_window_drop(struct dbt_window *w, uint64_t va, uint64_t size);

/* An access of emitted code by the current window faulted at the host's address `at`. False: it has
 * to be done in C. */
bool dbt_window_fault(struct dbt_vcpu *d, uint64_t at, bool write);

/* All windows of the vCPU. */
void dbt_windows_empty(struct dbt_vcpu *d);
/* The page at `gpa` is not mapped anywhere. */
void dbt_windows_drop_gpa(struct dbt_vcpu *d, uint64_t gpa);
/* Nor is any that holds code. */
void dbt_windows_drop_code(struct dbt_vcpu *d);

/* The vCPU is at a safe point: what had to wait for one is done. Code runs from here to
 * dbt_windows_ran(). */
void dbt_windows_safe_point(struct dbt_vcpu *d);
void dbt_windows_ran(struct dbt_vcpu *d);
/* Code by words cost as much to make, in ticks of host_counter(). */
void dbt_windows_made(struct dbt_vcpu *d, uint64_t ticks);

#endif
