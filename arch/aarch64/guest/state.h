/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The canonical state of an aarch64 vCPU, whatever engine runs it. `vcpu->reg_valid` and
 * `reg_dirty` (kernel/vcpu.h) speak of the groups below; the general group is valid after every
 * exit and written at every entry.
 */
#ifndef ARCH_AARCH64_GUEST_STATE_H
#define ARCH_AARCH64_GUEST_STATE_H

#include "kernel/types.h"

struct vcpu;

enum arm_group {
    ARM_GENERAL = 1u << 0, /* x, pc, pstate */
    ARM_SYSTEM = 1u << 1,  /* sys */
    ARM_FP = 1u << 2,      /* fp, sve */
    ARM_TIMER = 1u << 3,   /* timer */
    ARM_GIC = 1u << 4,     /* gic, list registers excepted */
    ARM_LIST = 1u << 5,    /* gic: the first lr_used list registers, hcr */
    ARM_DEBUG = 1u << 6,   /* debug: always valid, as the guest's accesses trap */
};

/* EL1 and EL0 registers: field, name in the Arm ARM. */
struct arm_system {
    uint64_t sctlr, cpacr, ttbr0, ttbr1, tcr, afsr0, afsr1, esr, far, mair, amair, vbar, contextidr,
        cntkctl;
    uint64_t spsr, elr, par, csselr;
    uint64_t sp_el0, sp_el1, tpidr_el0, tpidrro_el0, tpidr_el1;
    uint64_t scxtnum_el0, scxtnum_el1;
    uint64_t disr;           /* not offered, but it answers where the CPU has RAS */
    uint64_t pauth_keys[10]; /* IA, IB, DA, DB, GA: low and high each */
};

#define ARM_DEBUG_MAX 16

/* Breakpoints and watchpoints: value and control registers (D2). */
struct arm_debug {
    uint64_t bvr[ARM_DEBUG_MAX], bcr[ARM_DEBUG_MAX], wvr[ARM_DEBUG_MAX], wcr[ARM_DEBUG_MAX];
    uint64_t mdscr, mdccint;
    bool os_lock; /* nothing is taken while it is set */
};

struct arm_fp {
    uint64_t v[64]; /* 32 registers of 128 bits */
    uint64_t fpcr, fpsr;
};

#define ARM_SVE_BYTES_MAX 256

/* Scalable vectors: registers of `bytes` each (predicates of an eighth), without gaps; the low 128
 * bits are those of arm_fp. */
struct arm_sve {
    uint8_t z[32 * ARM_SVE_BYTES_MAX] __attribute__((aligned(16)));
    uint8_t p[17 * ARM_SVE_BYTES_MAX / 8] __attribute__((aligned(16))); /* the last one: FFR */
    uint64_t zcr;
    uint32_t bytes;       /* the longest vector that the engine has; 0: no SVE */
    uint32_t saved_bytes; /* of saved state */
};

struct arm_timer {
    uint64_t cntv_ctl, cntv_cval;
    uint64_t cntp_ctl, cntp_cval; /* always valid: emulated */
};

#define ARM_LR_MAX 16

/* The CPU interface (IHI 0069H, 12.4): what ICH_* registers hold. That of a GICv2 has the same
 * fields; the CPU that sent a software interrupt is in bits 12 to 10 of its list register then. */
struct arm_gic {
    uint64_t vmcr;
    uint64_t ap0r[4], ap1r[4];
    uint64_t hcr;            /* ICH_HCR_EL2; fetched: with the count of ends without a register */
    uint64_t lr[ARM_LR_MAX]; /* the first lr_used ones */
    uint32_t lr_used;
    uint32_t lr_count; /* that the engine has */
    /* The virtual timer's interrupt is pending or active in a list register: the hardware's, tied
     * to it, is active. */
    bool timer_held;
    bool timer_drop; /* the virtual timer's line went down before the guest took its interrupt: end
                        the hardware's */
    void (*timer_fired)(struct vcpu *v); /* the machine's: the virtual timer's interrupt came */
    void (*maintenance)(struct vcpu *v); /* the machine's: list registers want to be looked at */
};

/* What the firmware below does about speculation, for the guest to know and to call. */
struct arm_firmware {
    int32_t workaround[3];           /* SMCCC_ARCH_WORKAROUND_1 to 3, as ARCH_FEATURES answers */
    void (*call)(uint32_t function); /* one that is there (0) */
};

struct arm_state {
    uint64_t x[31]; /* offsets of these are known to the engine's assembly */
    uint64_t pc;
    uint64_t pstate;
    struct arm_system sys;
    struct arm_fp fp __attribute__((aligned(16)));
    struct arm_sve sve;
    struct arm_timer timer;
    struct arm_gic gic;
    struct arm_debug debug;
    struct arm_firmware firmware;
    uint64_t mpidr;
    uint64_t physical_bits; /* of guest-physical addresses that ID_AA64MMFR0_EL1 shows */
    /* ID registers of the CPU that the engine offers, raw: op0 = 3, op1 = 0, CRn = 0, CRm = 1 to 7,
     * op2. */
    uint64_t id[8][8];
};

/* What an engine says of itself to the machine (engine->traits). */
struct arm_traits {
    /* The hardware's virtual CPU interface is that of a GICv2, these registers for the guest to
     * map; 0: that of a GICv3, by system registers. */
    uint64_t gicv, gicv_size;
};

/* PSTATE, C5.2.19 */
#define ARM_PSTATE_EL0     0x0
#define ARM_PSTATE_EL1T    0x4
#define ARM_PSTATE_EL1H    0x5
#define ARM_PSTATE_MODE    0x1f
#define ARM_PSTATE_DAIF    0x3c0
#define ARM_PSTATE_SS      BIT(21)
#define ARM_PSTATE_BTYPE   (3ULL << 10)
#define ARM_PSTATE_AARCH32 BIT(4)
#define ARM_PSTATE_PAN     BIT(22)
#define ARM_PSTATE_DIT     BIT(24)
#define ARM_PSTATE_NZCV    (0xfULL << 28)

/* CNTV_CTL_EL0, D19.12.18 */
#define ARM_TIMER_ENABLE BIT(0)
#define ARM_TIMER_IMASK  BIT(1)
#define ARM_TIMER_STATUS BIT(2)

/* MDSCR_EL1, D19.3.20: what debuggers inside use */
#define ARM_MDSCR_SS   BIT(0)
#define ARM_MDSCR_TDCC BIT(12)
#define ARM_MDSCR_KDE  BIT(13)
#define ARM_MDSCR_MDE  BIT(15)

/* ICH_LR<n>_EL2, 12.4.9 */
#define ARM_LR_PENDING  BIT(62)
#define ARM_LR_ACTIVE   BIT(63)
#define ARM_LR_HW       BIT(61)
#define ARM_LR_GROUP1   BIT(60)
#define ARM_LR_EOI      BIT(41)
#define ARM_LR_PRIORITY 48
#define ARM_LR_PINTID   32
/* ICH_HCR_EL2, 12.4.8 */
#define ARM_ICH_EN        BIT(0)
#define ARM_ICH_UIE       BIT(1)
#define ARM_ICH_LRENPIE   BIT(2)
#define ARM_ICH_EOI_COUNT 27 /* to bit 31 */
/* ICH_VMCR_EL2 at reset: nothing enabled, all priorities masked */
#define ARM_VMCR_RESET 0

#endif
