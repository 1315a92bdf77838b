/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the C code of translated riscv64 guests has in common: execute.c (instructions, traps) and
 * csr.c. Privileged Architecture 1.13. */
#ifndef ARCH_RISCV64_GUEST_EXECUTE_H
#define ARCH_RISCV64_GUEST_EXECUTE_H

#include "arch/riscv64/guest/lift.h"
#include "arch/riscv64/guest/machine.h"
#include "arch/riscv64/guest/walk.h"
#include "dbt/guest.h"
#include "kernel/config.h"

/* sstatus (12.1.1), beyond those of state.h. */
#define RV_SSTATUS_FS       BITS(14, 13)
#define RV_SSTATUS_FS_SHIFT 13
#define RV_SSTATUS_VS       BITS(10, 9)
#define RV_SSTATUS_VS_SHIFT 9
#define RV_SSTATUS_SUM      BIT(18)
#define RV_SSTATUS_MXR      BIT(19)
#define RV_SSTATUS_SD       BIT(63)
#define RV_SSTATUS_WRITABLE                                                                        \
    (RISCV_SSTATUS_SIE | RISCV_SSTATUS_SPIE | RISCV_SSTATUS_SPP | RV_SSTATUS_FS | RV_SSTATUS_SUM | \
     RV_SSTATUS_MXR)

#define RV_VCSR_VXSAT      BIT(0)
#define RV_VCSR_VXRM_SHIFT 1

static inline struct riscv_state *rv_state(const struct dbt_vcpu *d)
{
    return d->vcpu->state;
}

static inline struct rv_frame *rv_frame(const struct dbt_vcpu *d)
{
    return dbt_guest_part(d);
}

/* Of sstatus; VS where there are vector registers. */
static inline uint64_t rv_sstatus_writable(const struct riscv_state *state)
{
    return RV_SSTATUS_WRITABLE | (state->vlenb ? RV_SSTATUS_VS : 0);
}

/* sstatus as software reads it: SD says that FS or VS is Dirty (12.1.1). */
static inline uint64_t rv_sstatus(const struct riscv_state *state)
{
    uint64_t s = state->sstatus & (rv_sstatus_writable(state) | RISCV_SSTATUS_UXL_64);
    bool dirty = (s & RV_SSTATUS_FS) == RV_SSTATUS_FS || (s & RV_SSTATUS_VS) == RV_SSTATUS_VS;

    return s | (dirty ? RV_SSTATUS_SD : 0);
}

/* Sets the block mode word and the TLB's view by what the state says now. */
void rv_context(struct dbt_vcpu *d);
/* Floating-point registers or flags change: sstatus.FS becomes Dirty (3.1.6.6). */
void rv_fp_dirty(struct dbt_vcpu *d);
/* The same of vectors (3.1.6.6). */
void rv_vector_dirty(struct dbt_vcpu *d);

/* Windows on guest memory (page tables) share their ranges by bits 48:39 of addresses: kernels that
 * use Sv57 have most of theirs in one. */
static inline bool rv_has_sv57(const struct vm *vm)
{
    return vm->config->sv57 && vm->config->mmu != CONFIG_MMU_PAGE_TABLE;
}

/* csr.c. Carries out a Zicsr instruction but for the step to the next one. False: it is illegal. */
bool rv_csr_instruction(struct dbt_vcpu *d, uint32_t word);

#endif
