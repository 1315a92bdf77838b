/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes the decoder of aarch64 guests' MMIO: any syndrome of a data or instruction abort, and
 * where it does not describe the access, any instruction. What a syndrome that does describe it
 * must do is computed here anew; every other access changes nothing but its own registers, moves on
 * by one instruction, or is an abort for the guest that changes no register at all.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/aarch64/guest/machine.h"
#include "arch/aarch64/guest/syndrome.h"
#include "hosted.h"
#include "vm.h"

#define CODE_AT   (GIB(1) + 0x1000)
#define VECTORS   (GIB(1) + 0x2000)
#define DEVICE_AT 0x0c000000ULL
#define BYTES     64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint32_t syndrome, instruction;
    uint64_t x[31];
    uint8_t offset, fetch;
};

static uint8_t bytes[BYTES];

static uint64_t device_load(struct device *d, struct vcpu *v, unsigned region, uint64_t offset,
                            unsigned size)
{
    uint64_t value = 0;

    (void)d, (void)v, (void)region;
    memcpy(&value, bytes + offset, size);
    return value;
}

static void device_store(struct device *d, struct vcpu *v, unsigned region, uint64_t offset,
                         unsigned size, uint64_t value)
{
    (void)d, (void)v, (void)region;
    memcpy(bytes + offset, &value, size);
}

static void device_destroy(struct device *d)
{
    (void)d;
}

static struct vm *start(void)
{
    static const struct device_ops ops = {.name = "memory",
                                          .read = device_load,
                                          .write = device_store,
                                          .destroy = device_destroy,
                                          .state = &state_none};
    static const struct config_vm config = {.memory = MIB(4), .cpus = 1};
    static struct device device;
    struct bus_region region = {
        .base = DEVICE_AT, .size = BYTES, .device = &device, .min_size = 1, .max_size = 8};
    struct vm *vm;

    hosted_start_core(MIB(128));
    vm = hosted_vm_create("aarch64", &config);
    device_init(&device, &ops, vm);
    if (bus_add(&vm->mmio, &region) != ERR_OK)
        abort();
    arm_reset(vm->vcpus[0], CODE_AT, 0);
    return vm;
}

/* What the Arm ARM says of a load with this syndrome (D19.2.37: SAS, SSE, SF). */
static uint64_t loaded(uint32_t iss, const uint8_t *from)
{
    switch ((iss >> 22 & 3) | (iss >> 21 & 1) << 2 | (iss >> 15 & 1) << 3) {
    case 0:
    case 8:
        return from[0];
    case 1:
    case 9:
        return *(const uint16_t *)memcpy(&(uint16_t){0}, from, 2);
    case 2:
    case 10:
        return *(const uint32_t *)memcpy(&(uint32_t){0}, from, 4);
    case 4:
        return (uint32_t)(int8_t)from[0];
    case 5:
        return (uint32_t) * (const int16_t *)memcpy(&(int16_t){0}, from, 2);
    case 6:
        return *(const uint32_t *)memcpy(&(uint32_t){0}, from, 4);
    case 12:
        return (uint64_t)(int8_t)from[0];
    case 13:
        return (uint64_t) * (const int16_t *)memcpy(&(int16_t){0}, from, 2);
    case 14:
        return (uint64_t) * (const int32_t *)memcpy(&(int32_t){0}, from, 4);
    default: /* 64 bits into a register of 32 bits cannot be, and is left out below */
        return *(const uint64_t *)memcpy(&(uint64_t){0}, from, 8);
    }
}

/* The whole effect of an access that the syndrome describes and that lies in the device. */
static void check_described(const struct input *in, const struct arm_state *s,
                            const uint8_t before[BYTES])
{
    unsigned size = 1u << (in->syndrome >> 22 & 3), reg = in->syndrome >> 16 & 31;
    bool store = in->syndrome & 0x40;
    uint8_t expected[BYTES];
    uint64_t value;

    if (in->offset % BYTES + size > BYTES || (size == 8 && !(in->syndrome & 0x8000)))
        return;
    memcpy(expected, before, BYTES);
    value = reg == 31 ? 0 : in->x[reg];
    if (store)
        memcpy(expected + in->offset % BYTES, &value, size);
    if (memcmp(bytes, expected, BYTES) != 0)
        abort();
    for (unsigned i = 0; i < 31; i++) {
        value = i == reg && !store ? loaded(in->syndrome, before + in->offset % BYTES) : in->x[i];
        if (s->x[i] != value)
            abort();
    }
}

/* At most the two registers of a pair and the base may be other ones; stores reach 16 bytes. */
static void check_guessed(const struct input *in, const struct arm_state *s,
                          const uint8_t before[BYTES])
{
    uint32_t insn = in->instruction;

    for (unsigned i = 0; i < 31; i++)
        if (s->x[i] != in->x[i] && i != (insn & 31) && i != (insn >> 10 & 31) &&
            i != (insn >> 5 & 31))
            abort();
    for (unsigned i = 0; i < BYTES; i++)
        if (bytes[i] != before[i] && (i < in->offset % BYTES || i >= in->offset % BYTES + 16))
            abort();
}

static void check(const struct input *in, const struct arm_state *s, const uint8_t before[BYTES])
{
    bool walk = in->syndrome & 0x80, fetch = in->fetch & 1;
    bool described = (in->syndrome & 1u << 24) && !walk && !fetch;

    if (s->pc != CODE_AT + 4) { /* the guest's abort */
        if (described || s->pc != VECTORS + 0x200 || memcmp(s->x, in->x, sizeof(in->x)) != 0 ||
            memcmp(bytes, before, BYTES) != 0)
            abort();
        return;
    }
    if (fetch)
        abort();
    if (described)
        check_described(in, s, before);
    else
        check_guessed(in, s, before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vm *vm;
    struct vm_exit exit = {.kind = EXIT_MEMORY};
    uint8_t before[BYTES];
    struct input in = {0};
    struct arm_state *s;

    if (!vm)
        vm = start();
    memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
    s = arm_state(vm->vcpus[0]);
    memcpy(s->x, in.x, sizeof(in.x));
    s->pc = CODE_AT;
    s->pstate = ARM_PSTATE_EL1H | ARM_PSTATE_DAIF;
    s->sys.vbar = VECTORS;
    for (unsigned i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(0x80 + 37 * i);
    memcpy(before, bytes, BYTES);
    if (guest_copy_to(vm->memory, GPA(CODE_AT), &in.instruction, 4) != ERR_OK)
        abort();
    arm_abort_decode(&exit, in.syndrome, in.fetch & 1);
    exit.memory.gpa = GPA(DEVICE_AT + in.offset % BYTES);
    exit.memory.gva = exit.memory.gpa.v;
    if (arm_mmio(vm->vcpus[0], &exit) != ACTION_RESUME || vm->failed)
        abort();
    check(&in, s, before);
    return 0;
}
