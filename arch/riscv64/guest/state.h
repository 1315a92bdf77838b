/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The canonical state of a riscv64 vCPU, whatever engine runs it (contract 3). Register layouts as
 * in the RISC-V Privileged Architecture 1.13, chapter 12 (supervisor level: guests see no machine
 * mode, the hypervisor is their SBI).
 */
#ifndef ARCH_RISCV64_GUEST_STATE_H
#define ARCH_RISCV64_GUEST_STATE_H

/* Offsets that assembly knows. */
#define RISCV_STATE_X(n) (8 * (n))
#define RISCV_STATE_PC   256
#define RISCV_STATE_PRV  264

#ifndef __ASSEMBLER__
#include "kernel/vcpu.h"

/* Groups for vcpu_need() and vcpu_dirty(). */
enum riscv_group {
    RISCV_GPR = 1u << 0,    /* x[], pc, prv, lines, raise: always valid outside of run() */
    RISCV_CSR = 1u << 1,    /* sstatus .. sip */
    RISCV_TIMER = 1u << 2,  /* stimecmp */
    RISCV_FP = 1u << 3,     /* f[], fcsr */
    RISCV_VECTOR = 1u << 4, /* v[] .. vlenb */
    RISCV_AIA = 1u << 5,    /* siselect */
    RISCV_LINES = 1u << 6,  /* dirty: lines and raise have news for the engine */
    RISCV_FENCES = 1u << 7, /* dirty: fences are asked for (riscv_fences_take()) */
};

enum riscv_prv { RISCV_PRV_U = 0, RISCV_PRV_S = 1 };

/* Numbers of general registers as the calling convention names them. */
enum riscv_gpr {
    RISCV_ZERO = 0,
    RISCV_RA = 1,
    RISCV_SP = 2,
    RISCV_GP = 3,
    RISCV_TP = 4,
    RISCV_A0 = 10,
    RISCV_A1,
    RISCV_A2,
    RISCV_A3,
    RISCV_A4,
    RISCV_A5,
    RISCV_A6,
    RISCV_A7,
};

/* sstatus (12.1.1), sip and sie (12.1.3), exception codes (12.1.8). */
#define RISCV_SSTATUS_SIE        0x2UL
#define RISCV_SSTATUS_SPIE       0x20UL
#define RISCV_SSTATUS_SPP        0x100UL
#define RISCV_SSTATUS_FS_INITIAL 0x2000UL
#define RISCV_SSTATUS_UXL_64     0x200000000UL
#define RISCV_SIP_SSIP           (1UL << 1)
#define RISCV_SIP_STIP           (1UL << 5)
#define RISCV_SIP_SEIP           (1UL << 9)
#define RISCV_IRQ_SOFT           1
#define RISCV_IRQ_TIMER          5
#define RISCV_IRQ_EXT            9
#define RISCV_CAUSE_FETCH_ACCESS 1
#define RISCV_CAUSE_ILLEGAL      2
#define RISCV_CAUSE_LOAD_ACCESS  5
#define RISCV_CAUSE_STORE_ACCESS 7
#define RISCV_CAUSE_FETCH_PAGE   12
#define RISCV_CAUSE_LOAD_PAGE    13
#define RISCV_CAUSE_STORE_PAGE   15

#define RISCV_VECTOR_BYTES_MAX 64 /* of one vector register: wider hosts offer no V to guests */

struct riscv_state {
    uint64_t x[32]; /* x[0] is 0 (while the guest runs an engine may use its place) */
    uint64_t pc;
    uint64_t prv;   /* enum riscv_prv */
    uint64_t lines; /* STIP and SEIP as the machine drives them: before_run() */
    uint64_t raise; /* SSIP when it came since the last entry: the engine adds it to sip */
    uint64_t sstatus, sie, stvec, sscratch, sepc, scause, stval, satp, senvcfg, scounteren;
    uint64_t sip; /* SSIP */
    uint64_t stimecmp;
    uint64_t f[32];
    uint64_t fcsr;
    uint64_t siselect;
    uint64_t vstart, vcsr, vl, vtype, vlenb; /* vlenb: 0: no vector registers */
    uint64_t
        v[32 * RISCV_VECTOR_BYTES_MAX / 8]; /* 32 registers of vlenb bytes, one after another */
};

_Static_assert(offsetof(struct riscv_state, pc) == RISCV_STATE_PC, "assembly knows this offset");
_Static_assert(offsetof(struct riscv_state, prv) == RISCV_STATE_PRV, "assembly knows this offset");
#endif

#endif
