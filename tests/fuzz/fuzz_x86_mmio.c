/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the decoding and carrying out of a guest's MMIO and port instructions: any bytes as code,
 * any registers, in all four modes. */
#include <stdint.h>
#include <string.h>

#include "arch/x86_64/guest/decode.h"
#include "hosted.h"
#include "kernel/timer.h"
#include "x86_guest.h"

#define CODE_AT 0x5000ULL

struct input {
    uint8_t mode, access, string_port, pad[5];
    uint64_t gpa, registers[4];
    uint8_t code[X86_INSN_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_mode(struct x86_state *s, unsigned mode)
{
    s->efer = mode == X86_CODE_64 ? X86_EFER_LMA | X86_EFER_LME : 0;
    s->cr0 = mode == X86_CODE_16_REAL ? 0 : X86_CR0_PE;
    s->segments[X86_CS] =
        (struct x86_segment){.attributes = (uint16_t)(mode == X86_CODE_64   ? X86_ATTR_LONG
                                                      : mode == X86_CODE_32 ? X86_ATTR_DEFAULT32
                                                                            : 0)};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vm *vm;
    struct vm_exit exit = {.kind = EXIT_MEMORY};
    struct input in = {0};
    struct x86_state *s;

    if (!vm) {
        hosted_start_size(MIB(128));
        clock_init(0, 1000000000);
        vm = x86_guest_create(1, MIB(4));
    }
    memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
    s = x86_state(vm->vcpus[0]);
    set_mode(s, in.mode % 4);
    s->rip = CODE_AT;
    s->event.valid = false;
    memcpy(s->gpr, in.registers, sizeof(in.registers));
    memcpy(&s->gpr[X86_RSI], in.registers, 2 * sizeof(in.registers[0]));
    if (guest_copy_to(vm->memory, GPA(CODE_AT), in.code, sizeof(in.code)) != ERR_OK)
        return 0;
    if (in.string_port & 1) {
        exit = (struct vm_exit){.kind = EXIT_PORT,
                                .port = {.port = 0x80,
                                         .size = (uint8_t)(1u << in.access % 3),
                                         .in = in.string_port & 2,
                                         .string = in.string_port & 4}};
        x86_port(vm->vcpus[0], &exit);
        return 0;
    }
    exit.memory.gpa = GPA(in.gpa);
    exit.memory.access = in.access & 1 ? PT_WRITE : PT_READ;
    x86_mmio(vm->vcpus[0], &exit);
    vm->failed = 0;
    return 0;
}
