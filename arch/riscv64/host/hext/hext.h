/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The parts of the H-extension engine (RISC-V Privileged 1.13, chapter 21). */
#ifndef ARCH_RISCV64_HOST_HEXT_H
#define ARCH_RISCV64_HOST_HEXT_H

#include "arch/riscv64/guest/machine.h"
#include "arch/riscv64/host/fpu.h"
#include "arch/riscv64/host/isa.h"

/* world.S */
void hext_enter(struct riscv_state *state);

/* gstage.c */
void gstage_probe(void);
const struct pt_format *gstage_format(uint64_t limit);
/* hgatp's mode field for a format of this file. */
uint64_t gstage_mode(const struct pt_format *format);
unsigned gstage_vmid_bits(void);
const char *gstage_names(void);
/* VMIDs are unique among the running VMs; 0 where the hart has none (then every load fences). */
enum err gstage_vmid_get(unsigned *vmid) MUST_CHECK;
void gstage_vmid_put(unsigned vmid);
/* On this CPU: all G-stage and VS-stage entries of the VMID in hgatp. */
void gstage_fence_vmid(unsigned vmid);
void gstage_fence_vs(void);
void gstage_fence_gpa(gpa_t gpa);

struct hext_vm {
    uint64_t hgatp;
    unsigned vmid;
};

struct hext_vcpu {
    struct riscv_fp_state fp; /* for host_fpu_begin(): where the live state goes meanwhile */
    struct cpu *last_cpu;     /* where it was loaded last */
    uint64_t hvip;            /* as the hardware has it */
    uint64_t memory_pc;       /* pc of the last guest page fault, ~0: the last exit was none */
    uint64_t memory_gpa;
    bool loaded;
};

#endif
