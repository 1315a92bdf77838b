/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The software TLB of a translated vCPU. There is a table for each address space and view that it
 * used lately (view: privilege and what changes permissions), so that neither a switch of process
 * nor a system call empties anything; the frame names the current one. Tables grow under pressure.
 *
 * Host addresses in it stay good because what they lead to is mapped in the VM's second stage, too:
 * what takes guest memory away unmaps it there, and dbt_stage_format's flush makes every vCPU
 * forget (dbt/stage.c).
 */
#ifndef DBT_TLB_H
#define DBT_TLB_H

#include "dbt/guest.h"

#define DBT_VIEWS     8  /* of one address space; */
#define DBT_VIEW_USER 1U /* a bit of those of the least privileged level */
#define DBT_ASID_ALL  UINT32_MAX

enum err dbt_tlb_create(struct dbt_vcpu *d) MUST_CHECK;
void dbt_tlb_destroy(struct dbt_vcpu *d);

/* The address space and view of what runs next. `space` names it (a page-table register); `asid` is
 * what flushes call it by. */
void dbt_tlb_select(struct dbt_vcpu *d, uint64_t space, uint32_t asid, unsigned view);

/* Flushes, by what they drop at least. */
void dbt_tlb_flush_all(struct dbt_vcpu *d);
void dbt_tlb_flush_asid(struct dbt_vcpu *d, uint32_t asid);
void dbt_tlb_flush_page(struct dbt_vcpu *d, uint64_t va, uint32_t asid);
/* As flush_all, and what is known of guest-physical memory. */
void dbt_tlb_forget(struct dbt_vcpu *d);

/* Writes to the page at `gpa` go the slow way from here on. */
void dbt_tlb_protect(struct dbt_vcpu *d, uint64_t gpa);
/* The same for all pages that hold code. */
void dbt_tlb_protect_code(struct dbt_vcpu *d);

/* Something leads to code at `va` while the context lasts that the frame has now. */
void dbt_tlb_note_code(struct dbt_vcpu *d, uint64_t va);

/* The host address of `gpa`, good until the next safe point; NULL: it is no RAM (or the host has
 * none left: then the VM is stopping). */
void *dbt_tlb_ram(struct dbt_vcpu *d, uint64_t gpa);

/* Where code at `va` lies, guest-physical. False: frame->fault is filled, or (with *device) it is
 * no RAM. */
bool dbt_tlb_fetch(struct dbt_vcpu *d, uint64_t va, uint64_t *gpa, bool *device);

/* Where an access goes that stays within a page. */
struct dbt_place {
    uint64_t gpa;
    char *host; /* NULL: it is no RAM */
    bool code;  /* a page with code: who writes there tells the table */
};

/* False: frame->fault is filled. */
bool dbt_tlb_resolve(struct dbt_vcpu *d, uint64_t va, enum dbt_access access, struct dbt_place *p);

/* The 2 MiB around a place that the TLB knows. */
struct dbt_piece {
    uint64_t gpa;
    const char *host;
    bool write;
};
/* True: the guest maps them alike, one piece of the host's memory is behind them, and they hold no
 * code. `gpa`: of the place. *lost: what was known of guest memory is not good any more, nor is the
 * place. */
bool dbt_tlb_piece(struct dbt_vcpu *d, uint64_t va, uint64_t gpa, enum dbt_access access,
                   struct dbt_piece *out, bool *lost);

/* d->check was set or cleared: the frame's TLB follows. */
void dbt_tlb_publish(struct dbt_vcpu *d);

#endif
