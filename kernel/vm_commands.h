/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the monitor's commands about guests share. */
#ifndef KERNEL_VM_COMMANDS_H
#define KERNEL_VM_COMMANDS_H

#include "kernel/monitor.h"
#include "kernel/vcpu.h"

/* "running"; "failed" for a guest that stopped by a fault. */
const char *vm_state_name(const struct vm *vm);
/* "idle", "running", "paused", "waits for start-up". Under vm->lock. */
const char *vcpu_doing(const struct vm *vm, const struct vcpu *v);
/* Share of one CPU since the last question, in tenths of a percent. Under vm->lock. */
unsigned vm_cpu_share(struct vm *vm);
/* The guest that the command names, or NULL after saying what is wrong. */
struct vm *vm_argument(struct out *out, int argc, char **argv);
/* Completion of the first argument. */
void vm_complete(int index, void (*found)(const char *word, void *arg), void *arg);

/* kernel/vm_json.c: the commands' forms for programs. */
void vm_json_list(struct json *j, struct out *out, int argc, char **argv);
void vm_json_stats(struct json *j, struct out *out, int argc, char **argv);
void vm_json_info(struct json *j, struct out *out, int argc, char **argv);
/* The general registers of a vCPU whose state is canonical. */
void vm_registers_take(struct vm_registers *r, struct vcpu *v);
/* Member "registers": each as "0x..." by name. */
void vm_json_registers(struct json *j, const struct vm_registers *r);

#endif
