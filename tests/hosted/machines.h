/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Every machine that a guest can have, with every device that there is: used at random, saved,
 * wiped, loaded and compared. What is compared is what each machine registered, there is no list.
 */
#ifndef TESTS_HOSTED_MACHINES_H
#define TESTS_HOSTED_MACHINES_H

#include "kernel/vcpu.h"

struct machine_kind {
    const char *name, *isa;
    bool mmio, aia, gicv2;
};
#define MACHINE_KINDS 8
extern const struct machine_kind machine_kinds[MACHINE_KINDS];

/* After hosted_start_core(); the calling thread can wait. Its clock runs. */
struct vm *machine_create(const struct machine_kind *kind);

/* One thing that guest, time or driver does. */
struct machine_step {
    uint8_t what, cpu, place, size;
    uint32_t offset;
    uint64_t value;
} PACKED;
void machine_step(struct vm *vm, const struct machine_step *step);
/* Lets the guest's time pass. */
void machine_wait(uint64_t ns);

#define MACHINE_STATE_MAX KIB(512)
/* As a pause does it, and its end. */
void machine_pause(struct vm *vm);
void machine_resume(struct vm *vm);
/* The following of a machine that is paused. Writes its records; returns their size. */
size_t machine_save(struct vm *vm, uint8_t data[MACHINE_STATE_MAX]);
/* Does it save the `size` bytes at `data`? Otherwise the first object that differs, in plain words;
 * NULL: the same. */
const char *machine_differs(struct vm *vm, const uint8_t *data, size_t size);
/* Saves, wipes, loads, saves: NULL when the records are the same, otherwise what was wrong. */
const char *machine_round_trip(struct vm *vm);
/* Resets all devices. NULL when their records are those of `fresh` then, a machine of the same kind
 * that was never used, and no pin is raised; otherwise what was wrong. */
const char *machine_reset(struct vm *vm, struct vm *fresh);

#endif
