/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes whole machines, each with every device that there is: the input chooses the machine and is
 * a program of accesses to all registers, of drivers, interrupts and time. Whatever it did:
 *   - what is saved, wiped and loaded again saves the same;
 *   - a reset brings every device back to what it is in a machine that was never used, all pins
 * low;
 *   - records that somebody has changed are refused or make a machine that saves what it loaded;
 *   - and the machine is still able to load the good ones after that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "hosted.h"
#include "kernel/thread.h"
#include "machines.h"
#include "vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct PACKED head {
    uint8_t kind, cut, change_count;
    struct {
        uint32_t at;
        uint8_t value;
    } PACKED changes[4];
};

static struct vm *never_used[MACHINE_KINDS];
static uint8_t good[MACHINE_STATE_MAX], changed[MACHINE_STATE_MAX];

/* Devices wake threads, so the inputs are a thread's work and the fuzzer stands beside. */
static ucontext_t fuzzer, kernel;
static char kernel_stack[KIB(256)];
static const char *failure;

/* The fuzzer ends on its own stack, as the sanitizers' reports need it. */
static void right(const char *problem)
{
    if (!problem)
        return;
    failure = problem;
    swapcontext(&kernel, &fuzzer);
}

static bool load(struct vm *vm, const uint8_t *records, size_t size)
{
    struct state_reader r = {.data = records, .size = size};

    return vm_state_load(vm, &r) == ERR_OK;
}

static void load_good(struct vm *vm, size_t size)
{
    right(load(vm, good, size) ? NULL : "what was saved is not loaded");
    right(machine_differs(vm, good, size));
}

static void check(struct vm *vm, const struct head *h)
{
    size_t size;

    machine_pause(vm);
    size = machine_save(vm, good);
    right(machine_round_trip(vm));
    right(machine_reset(vm, never_used[h->kind % MACHINE_KINDS]));
    load_good(vm, size);

    memcpy(changed, good, size);
    for (unsigned i = 0; i < h->change_count % 5; i++)
        changed[h->changes[i].at % size] = h->changes[i].value;
    if (load(vm, changed, h->cut ? size - 1 - h->cut % size : size))
        right(machine_round_trip(vm));
    load_good(vm, size);
}

static const uint8_t *input;
static size_t input_size;

static void one_input(void)
{
    struct machine_step step;
    struct head head;
    struct vm *vm;

    if (input_size < sizeof(head))
        return;
    memcpy(&head, input, sizeof(head));
    vm = machine_create(&machine_kinds[head.kind % MACHINE_KINDS]);
    for (size_t at = sizeof(head); at + sizeof(step) <= input_size; at += sizeof(step)) {
        memcpy(&step, input + at, sizeof(step));
        machine_step(vm, &step);
    }
    check(vm, &head);
    hosted_vm_destroy(vm);
}

static void main_thread(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < MACHINE_KINDS; i++) {
        never_used[i] = machine_create(&machine_kinds[i]);
        machine_pause(never_used[i]);
    }
    for (;;) {
        one_input();
        swapcontext(&kernel, &fuzzer);
    }
}

static void kernel_main(void)
{
    scheduler_start(main_thread);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;

    input = data;
    input_size = size;
    if (!started) {
        hosted_start_core(GIB(1));
        getcontext(&kernel);
        kernel.uc_stack.ss_sp = kernel_stack;
        kernel.uc_stack.ss_size = sizeof(kernel_stack);
        makecontext(&kernel, kernel_main, 0);
    }
    started = true;
    swapcontext(&fuzzer, &kernel);
    if (failure) {
        fprintf(stderr, "%s\n", failure);
        abort();
    }
    return 0;
}
