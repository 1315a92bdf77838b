/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A riscv64 guest's own address translation, for translated guests (hardware guests have the
 * hardware's). Privileged Architecture 1.13, 12.3 to 12.6 (Sv39, Sv48, Sv57, Svnapot,
 * Svpbmt), with
 * accessed and dirty bits set as Svadu does.
 */
#ifndef ARCH_RISCV64_GUEST_WALK_H
#define ARCH_RISCV64_GUEST_WALK_H

#include "arch/riscv64/guest/state.h"
#include "dbt/frame.h"

/* satp (12.1.11). */
#define RV_SATP_MODE(satp) ((satp) >> 60)
#define RV_SATP_ASID(satp) ((satp) >> 44 & 0xffff)
#define RV_SATP_PPN(satp)  ((satp)&BITS(43, 0))
#define RV_SATP_BARE       0
#define RV_SATP_SV39       8
#define RV_SATP_SV48       9
#define RV_SATP_SV57       10

/* Who looks, and how. */
struct rv_view {
    uint64_t satp;
    bool user; /* U-mode; else S-mode */
    bool sum, mxr;
};

struct rv_translation {
    uint64_t gpa;  /* of the address asked for */
    uint64_t size; /* bytes of the naturally aligned piece around it that translates alike */
    bool readable, writable, executable; /* without another walk: writable only once it is dirty */
    bool global;
};

/* Where page tables lie. */
struct rv_table_access {
    /* A page-table entry of the guest's memory, 8-byte aligned: its host address while the walk
     * lasts, or NULL when there is no RAM. `write` says that it is about to change. */
    uint64_t *(*entry)(void *arg, uint64_t gpa, bool write);
    void *arg;
};

#define RV_NO_FAULT (-1)

/* RV_NO_FAULT, or the code of the exception that the access takes (RISCV_CAUSE_). */
int rv_walk(const struct rv_view *view, const struct rv_table_access *tables, uint64_t va,
            enum dbt_access access, struct rv_translation *out);

#endif
