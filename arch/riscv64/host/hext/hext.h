/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The parts of the H-extension engine (RISC-V Privileged 1.13, chapter 21). */
#ifndef ARCH_RISCV64_HOST_HEXT_H
#define ARCH_RISCV64_HOST_HEXT_H

/* Offsets and values that assembly knows: struct vcpu, struct hext_vcpu, struct vm_exit. */
#define HEXT_VCPU_STATE       8
#define HEXT_VCPU_ENGINE_DATA 16
#define HEXT_VCPU_REG_VALID   32
#define HEXT_VCPU_REG_DIRTY   40
#define HEXT_HSTATUS          0
#define HEXT_SSTATUS          8
#define HEXT_EXIT_KIND        0
#define HEXT_EXIT_HYPERCALL   3
#define HEXT_ALWAYS_VALID     0xc1 /* RISCV_GPR, RISCV_LINES, RISCV_FENCES */

#ifndef __ASSEMBLER__
#include "arch/riscv64/guest/machine.h"
#include "arch/riscv64/host/fpu.h"
#include "arch/riscv64/host/isa.h"

/* world.S: the engine's run(), and what it calls: before an entry when something is dirty (false:
 * the guest cannot be entered, *exit says why), and after a trap other than an ecall. */
void hext_run(struct vcpu *v, struct vm_exit *exit);
bool hext_prepare(struct vcpu *v, struct vm_exit *exit);
void hext_trapped(struct vcpu *v, struct vm_exit *exit, uint64_t cause);

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
/* The instruction at pc, 0 when it cannot be read. Masked. */
uint32_t hext_fetch_instruction(uint64_t pc);

struct hext_vcpu;

/* files.c: guest interrupt files, of machines with AIA. */
void files_probe(void);
/* Of each CPU. */
unsigned files_count(void);
void files_cpu_enable(void);
/* For a guest of so many vCPUs, all or none; false: there are too few. */
bool files_reserve(unsigned vcpus);
void files_unreserve(unsigned vcpus);
/* Before an entry after a switch of CPU, masked: a file of this CPU, if there is one to be had. */
void files_settle(struct vcpu *v, struct hext_vcpu *h);
/* At the switches, masked. */
void files_load(const struct hext_vcpu *h);
void files_put(const struct hext_vcpu *h);
/* Has the file of a vCPU, loaded on this CPU, an interrupt for it? */
bool files_pending(const struct vcpu *v);
/* Of a vCPU that is on no CPU, in thread context: its file's contents go to the software file, or
 * nowhere. */
void files_release(struct vcpu *v);
void files_drop(struct vcpu *v);

/* triggers.c: hardware points of debuggers. */
void triggers_probe(void);
void triggers_cpu_enable(void);
/* On every CPU. */
unsigned triggers_count(void);
/* At the switches, masked. */
void triggers_load(const struct vcpu *v);
void triggers_put(void);
/* A breakpoint exception at an instruction: was it a trigger's? */
void triggers_decode(const struct vcpu *v, struct vm_exit *exit, uint32_t instruction);

struct hext_vm {
    uint64_t hgatp; /* without VMID */
    uint64_t hedeleg;
    unsigned files; /* guest interrupt files reserved on each CPU */
};

struct hext_vcpu {
    uint64_t hstatus; /* at each entry, SPVP excepted */
    uint64_t sstatus; /* as the last exit left it: FS and VS tell whether the registers are dirty */
    uint64_t lines;   /* the part of hvip that the machine drives, as the hardware has it */
    unsigned file;    /* guest interrupt file, 0: none */
    struct cpu *file_cpu; /* whose it is */
    struct gstage_vmid vmid;
    const char *refused; /* what did not take the value that it was given, NULL: nothing */
    uint64_t refused_value;
    unsigned broken; /* debug builds: enum hext_register + 1 that gets a value it cannot take */
    struct riscv_fp_state fp; /* for host_fpu_begin(): where the live state goes meanwhile */
};
/* Registers that keep what they had when they cannot take a value (WARL): each is read back. */
enum hext_register { HEXT_HGATP, HEXT_HEDELEG, HEXT_VSATP };

/* debug.c */
#if DEBUG
uint64_t hext_broken(const struct hext_vcpu *h, enum hext_register reg, uint64_t value);
const char *hext_break_entry(struct vcpu *v, unsigned kind);
#else
static inline uint64_t hext_broken(const struct hext_vcpu *h, enum hext_register reg,
                                   uint64_t value)
{
    (void)h;
    (void)reg;
    return value;
}
#define hext_break_entry NULL
#endif
#endif

#endif
