/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the aarch64 guest's interrupt controller (either one, by the input's length) and trapped
 * registers: accesses of two vCPUs, pins, messages and what the hardware does to list registers, in
 * any order. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arm_guest.h"
#include "hosted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct step {
    uint8_t what, size;
    uint32_t where;
    uint64_t value;
} PACKED;

/* No interrupt twice, no more registers than there are. */
static void check(struct vm *vm)
{
    for (unsigned cpu = 0; cpu < vm->vcpu_count; cpu++) {
        const struct arm_gic *g = &arm_state(vm->vcpus[cpu])->gic;

        if (g->lr_used > g->lr_count)
            abort();
        for (unsigned i = 0; i < g->lr_used; i++)
            for (unsigned j = 0; j < i; j++)
                if ((g->lr[i] & 0x3ff) == (g->lr[j] & 0x3ff))
                    abort();
    }
}

static void run(struct vm *vm, const struct step *s)
{
    unsigned cpu = s->what >> 7, bytes = 1u << (s->size & 3);
    uint64_t gpa = MACHINE_GICD_BASE + s->where % 0x100000;

    switch (s->what & 7) {
    case 0:
        arm_guest_write(vm, cpu, gpa, bytes, s->value);
        break;
    case 1:
        (void)arm_guest_read(vm, cpu, gpa, bytes);
        break;
    case 2:
        arm_guest_register(vm, cpu, s->where & 0x3ffffe, s->size & 1, s->value);
        break;
    case 3:
        vm->irqchip->set_pin(vm, s->where % VGIC_PINS, s->size & 1);
        break;
    case 4:
        vm->irqchip->msi(vm, gpa, (uint32_t)s->value);
        break;
    case 5:
        arm_guest_enter(vm, cpu);
        (void)arm_guest_acknowledge(vm, cpu);
        break;
    case 6:
        arm_guest_end(vm, cpu, s->where % VGIC_LINES);
        break;
    case 7:
        vgic_timer_fired(vm->vcpus[cpu]);
        (void)vgic_has_work(vm->vcpus[cpu]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct step step;
    struct vm *vm;

    if (!started) {
        hosted_start_size(MIB(64));
        clock_init(hosted_counter, NS_PER_SEC);
        if (!cpu_boot()->timers)
            timer_cpu_init(cpu_boot());
    }
    started = true;
    vm = arm_guest_create(2, size & 1);
    for (; size >= sizeof(step); size -= sizeof(step), data += sizeof(step)) {
        memcpy(&step, data, sizeof(step));
        run(vm, &step);
        check(vm);
    }
    arm_guest_destroy(vm);
    return 0;
}
