/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* An x86_64 guest without an engine: its machine and vCPUs stand, nothing runs. Tests and fuzzers
 * reach its devices as the guest would and look at what its local APICs have. */
#ifndef TESTS_HOSTED_X86_GUEST_H
#define TESTS_HOSTED_X86_GUEST_H

#include "arch/x86_64/guest/lapic.h"
#include "arch/x86_64/guest/machine.h"
#include "kernel/vcpu.h"

/* `memory` in bytes. After hosted_start() and clock_init(). */
struct vm *x86_guest_create(unsigned cpus, uint64_t memory);
void x86_guest_destroy(struct vm *vm);
struct lapic *x86_guest_lapic(struct vm *vm, unsigned cpu);
/* Lets the guest's time pass; timers that are due fire. */
void x86_guest_wait(uint64_t ns);

/* Accesses of vCPU `cpu`. */
uint64_t x86_guest_read(struct vm *vm, unsigned cpu, uint64_t gpa, unsigned size);
void x86_guest_write(struct vm *vm, unsigned cpu, uint64_t gpa, unsigned size, uint64_t value);
uint64_t x86_guest_in(struct vm *vm, uint16_t port, unsigned size);
void x86_guest_out(struct vm *vm, uint16_t port, unsigned size, uint64_t value);

#endif
