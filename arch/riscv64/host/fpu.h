/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Floating-point registers of a guest: where they are kept while something else uses the
 * hardware's. */
#ifndef ARCH_RISCV64_HOST_FPU_H
#define ARCH_RISCV64_HOST_FPU_H

#include "kernel/types.h"

struct riscv_fp_state {
    uint64_t f[32];
    uint64_t fcsr;
};

/* sstatus.FS must be on. */
void fp_save(struct riscv_fp_state *to);
void fp_restore(const struct riscv_fp_state *from);

#endif
