/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the files of the EL2 engine tell each other. */
#ifndef ARCH_AARCH64_HOST_EL2_EL2_H
#define ARCH_AARCH64_HOST_EL2_EL2_H

#include "arch/aarch64/guest/state.h"
#include "arch/aarch64/host/host.h"
#include "kernel/vcpu.h"

/* Per VM. */
struct el2_vm {
    uint64_t vttbr; /* root and VMID */
    uint64_t vtcr;
    unsigned cpu_count;
    uint16_t last_vcpu[]; /* per CPU: number of the vCPU that ran there last, plus 1; 0: none */
};

/* Per vCPU: what this CPU's list registers hold while it is loaded. */
struct el2_vcpu {
    uint64_t hcr;
    uint64_t lr[ARM_LR_MAX];
    uint32_t lr_live;      /* those beyond are 0 */
    unsigned broken;       /* el2_break_entry(): its kind, plus 1 */
    const struct cpu *cpu; /* where it was loaded last */
};

/* Why el2_enter() returned: the vector, or that the hardware refused the entry. switch.S knows the
 * numbers. */
enum el2_vector { EL2_SYNC, EL2_IRQ, EL2_FIQ, EL2_SERROR, EL2_REFUSED };

/* switch.S: runs the guest with the general registers of `state` until a trap; masked. */
enum el2_vector el2_enter(struct arm_state *state);

/* speculation.c: the barrier between guests, and what a guest is told. */
void speculation_other_guest(void);
struct arm_firmware speculation_guest(void);

/* check.c: what is illegal in what an entry is made of, by name; NULL: nothing. The vCPU is loaded.
 */
const char *el2_invalid_field(const struct arm_state *s);
#if DEBUG
const char *el2_break_entry(struct vcpu *v, unsigned kind);
/* Around an entry of a vCPU that is `broken`; true: it is for the CPU to refuse. */
bool el2_break_apply(const struct el2_vcpu *e, struct arm_state *s);
void el2_break_undo(const struct el2_vcpu *e);
#endif

/* VTCR_EL2, D19.2.162 */
#define VTCR_T0SZ      0x3fULL
#define VTCR_SL0_SHIFT 6

/* stage2.c */
void stage2_probe(void);
const struct pt_format *stage2_format(uint64_t limit);
/* VTCR_EL2 for tables of `format`. */
uint64_t stage2_vtcr(const struct pt_format *format);
enum err stage2_vmid_get(uint64_t *vmid) MUST_CHECK;
void stage2_vmid_put(uint64_t vmid);
/* What HCR_EL2 needs for these tables, beside VM. */
uint64_t stage2_hcr(void);
unsigned stage2_vmid_bits(void);
unsigned stage2_address_bits(void);
/* Drops everything of a VM on all CPUs. */
void stage2_flush_all(const struct el2_vm *e);
/* Drops everything of the loaded VM on this CPU. */
void stage2_flush_local(void);

/* registers.c: groups between the canonical state and the hardware. */
void registers_load(struct vcpu *v, uint64_t groups);
/* How many breakpoints or watchpoints the CPU has. */
unsigned debug_register_count(bool watch);
void registers_save(struct arm_state *s, uint64_t groups);
/* List registers. */
void list_registers_load(struct el2_vcpu *e, const struct arm_gic *g);
void list_registers_save(struct el2_vcpu *e, struct arm_gic *g);
/* Nothing is delivered any more; what they hold was saved. */
void list_registers_off(struct el2_vcpu *e);
unsigned list_register_count(void);
/* Writes their control register (ICH_HCR_EL2 or its like); what it was. */
uint64_t list_registers_enable(uint64_t hcr);
void timer_stop(void);
void id_registers_read(struct arm_state *s);

/* gich.c: the same, of a GICv2, in the canonical form */
unsigned gich_count(void);
void gich_save(struct arm_gic *g);
void gich_load(const struct arm_gic *g);
uint64_t gich_list_read(unsigned i);
void gich_list_write(unsigned i, uint64_t value);
uint64_t gich_hcr_read(void);
void gich_hcr_write(uint64_t value);

/* Bytes of this machine's scalable vectors, 0: it has none. After features_init(): once, on the
 * boot CPU. */
unsigned sve_bytes(void);
void features_init(void);
/* On each CPU. */
void features_cpu_init(void);

/* switch.S */
void fpu_save(struct arm_fp *fp);
void fpu_load(const struct arm_fp *fp);
void sve_save(uint8_t *z, uint8_t *p);
void sve_load(const uint8_t *z, const uint8_t *p);
unsigned sve_vector_bytes(void);

#endif
