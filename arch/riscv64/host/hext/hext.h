/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The parts of the H-extension engine (RISC-V Privileged 1.13, chapter 21). */
#ifndef ARCH_RISCV64_HOST_HEXT_H
#define ARCH_RISCV64_HOST_HEXT_H

#include "arch/riscv64/guest/machine.h"
#include "arch/riscv64/host/fpu.h"
#include "arch/riscv64/host/isa.h"

/* world.S */
struct hext_pair {
    struct vcpu *v;
    struct vm_exit *exit;
};
/* Returns its last two arguments after the guest's trap. */
struct hext_pair hext_enter(struct riscv_state *state, struct vcpu *v, struct vm_exit *exit);

/* vector.S: 32 registers of vlenb bytes; sstatus.VS must be on. */
void vector_save(void *to, uint64_t vlenb);
void vector_restore(const void *from, uint64_t vlenb);
/* vsetvl: vl and vtype can be written by it alone. */
void vector_configure(uint64_t vl, uint64_t vtype);

/* gstage.c */
void gstage_probe(void);
const struct pt_format *gstage_format(uint64_t limit);
/* hgatp's mode field for a format of this file. */
uint64_t gstage_mode(const struct pt_format *format);
unsigned gstage_vmid_bits(void);
const char *gstage_names(void);

/* A vCPU's VMID and where it holds; all zero at first. */
struct gstage_vmid {
    uint64_t vmid, generation;
    const struct cpu *cpu;
};
/* The VMID of vCPU `owner` on this CPU, in its place in hgatp. Masked. */
uint64_t gstage_vmid_assign(struct gstage_vmid *v, const void *owner);
/* On this CPU. */
void gstage_fence_all(void);
void gstage_fence_vs(void);
void gstage_fence_vs_page(uint64_t va, uint64_t asid);
void gstage_fence_gpa(gpa_t gpa);

/* exit.c: from the trap's registers to an exit. */
void hext_exit_synchronous(struct vm_exit *exit, const struct riscv_state *s, uint64_t cause);

struct hext_vm {
    uint64_t hgatp; /* without VMID */
    uint64_t hedeleg;
};

struct hext_vcpu {
    uint64_t hstatus; /* at each entry, SPVP excepted */
    uint64_t sstatus; /* as the last exit left it: FS and VS tell whether the registers are dirty */
    uint64_t lines;   /* the part of hvip that the machine drives, as the hardware has it */
    struct gstage_vmid vmid;
    bool refused;             /* hgatp did not take what it was given */
    bool break_hgatp;         /* debug builds: give it a mode that does not exist */
    struct riscv_fp_state fp; /* for host_fpu_begin(): where the live state goes meanwhile */
};

#endif
