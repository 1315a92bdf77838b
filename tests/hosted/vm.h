/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Guests of every ISA without an engine: memory, machine, devices and vCPUs are there and can be
 * reached through the buses and through canonical state; nothing runs. The vCPUs' thread is the
 * test's own.
 */
#ifndef TESTS_HOSTED_VM_H
#define TESTS_HOSTED_VM_H

#include "kernel/vcpu.h"

/* A guest of the ISA named `isa`, with `config` (memory and cpus must be set; cmdline may be NULL).
 * Fails the process when it cannot be built. After hosted_start_size() and clock_init(). */
struct vm *hosted_vm_create(const char *isa, const struct config_vm *config);
/* The same on an engine with `traits`. */
struct vm *hosted_vm_create_on(const char *isa, const struct config_vm *config,
                               const void *(*traits)(void));
void hosted_vm_destroy(struct vm *vm);

#endif
