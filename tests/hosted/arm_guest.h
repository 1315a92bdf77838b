/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* An aarch64 guest without an engine: its interrupt controller and vCPUs stand, nothing runs. Tests
 * and fuzzers are its software and its list registers. */
#ifndef TESTS_HOSTED_ARM_GUEST_H
#define TESTS_HOSTED_ARM_GUEST_H

#include "arch/aarch64/guest/vgic.h"

#define ARM_GUEST_LIST_REGISTERS 4

/* After hosted_start_size() and clock_init(). `v2`: with a GICv2. */
struct vm *arm_guest_create(unsigned cpus, bool v2);
void arm_guest_destroy(struct vm *vm);

/* Accesses of vCPU `cpu`. */
uint64_t arm_guest_read(struct vm *vm, unsigned cpu, uint64_t gpa, unsigned size);
void arm_guest_write(struct vm *vm, unsigned cpu, uint64_t gpa, unsigned size, uint64_t value);
/* A trapped MRS or MSR with x0. */
void arm_guest_register(struct vm *vm, unsigned cpu, uint64_t number, bool write, uint64_t value);

/* What an entry and the next exit do to the list registers of `cpu`. */
void arm_guest_enter(struct vm *vm, unsigned cpu);
/* The interrupt that `cpu` acknowledges now (the most urgent pending one becomes active), or 1023;
 * and its end. */
unsigned arm_guest_acknowledge(struct vm *vm, unsigned cpu);
void arm_guest_end(struct vm *vm, unsigned cpu, unsigned irq);

#endif
