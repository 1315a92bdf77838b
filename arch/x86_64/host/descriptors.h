/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Segment descriptors, task state and interrupt vectors of each CPU. */
#ifndef X86_HOST_DESCRIPTORS_H
#define X86_HOST_DESCRIPTORS_H

#include "kernel/cpu.h"

/* The boot CPU's descriptors, with static emergency stacks. Also makes the interrupt table that all
 * CPUs share. */
void descriptors_boot_init(struct cpu *cpu);
/* Allocates emergency stacks for `cpu` and fills its tables. On another CPU, before `cpu` starts.
 */
enum err descriptors_prepare(struct cpu *cpu) MUST_CHECK;
/* Loads them on the running CPU, whose area `cpu` becomes. */
void descriptors_load(struct cpu *cpu);
/* Loads GDT, TSS and IDT again after code that may have changed them (a VM exit does not keep the
 * limits). */
void descriptors_reload_tss(struct cpu *cpu);
/* The limits of GDT and IDT, where an exit of a guest has put others. */
void descriptors_reload_limits(const struct cpu *cpu);
/* Interrupts that come on emergency stacks of `cpu` find the kernel's tables from here on. */
void descriptors_set_tables(struct cpu *cpu, uint64_t tables);
/* The pages of `cpu` that interrupts need before the kernel's tables are in force. */
void descriptors_pages(const struct cpu *cpu, void (*page)(void *arg, const void *at, size_t size),
                       void *arg);
/* Address of the interrupt table, a page. */
uint64_t descriptors_idt(void);

#endif
