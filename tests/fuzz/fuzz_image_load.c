/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the loading of aarch64 and riscv64 guests: the first byte chooses one, the rest is its
 * kernel file: an Image, plain, packed by gzip, or with the header of an EFI application that
 * unpacks itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arch/aarch64/guest/machine.h"
#include "arch/riscv64/guest/machine.h"
#include "hosted.h"
#include "kernel/start.h"
#include "mm/page.h"
#include "vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY MIB(16)

static struct boot_file file = {.path = "kernel"};

/* No files but the input. */
const struct boot_info *boot_info_get(void)
{
    static struct boot_info info = {.file_count = 1};

    info.files = virt_to_phys(&file).v;
    return &info;
}

/* What was loaded begins inside RAM; what was not says why. */
static void check(struct vm *vm, bool arm, enum err e)
{
    uint64_t base = arm ? MACHINE_RAM_BASE : RISCV_RAM_BASE, pc;

    if (e != ERR_OK) {
        if (!vm->reason[0] && e != ERR_RANGE && e != ERR_CORRUPT)
            abort();
        return;
    }
    pc = arm ? arm_state(vm->vcpus[0])->pc : riscv_state(vm->vcpus[0])->pc;
    if (pc - base >= MEMORY)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct config_vm config = {.memory = MEMORY, .cpus = 1, .kernel = "kernel"};
    static bool once;
    bool arm = size && data[0] & 1;
    struct vm *vm;
    uint8_t *copy;

    if (!size)
        return 0;
    if (!once) {
        hosted_start_size(MIB(256));
        clock_init(hosted_counter, NS_PER_SEC);
        timer_cpu_init(cpu_boot());
    }
    once = true;
    data++;
    size--;
    copy = malloc(size ? size : 1); /* of exactly this size: what lies behind is found */
    memcpy(copy, data, size);
    file.base = virt_to_phys(copy).v;
    file.size = size;
    vm = hosted_vm_create(arm ? "aarch64" : "riscv64", &config);
    if (!arm) /* which the engine says */
        riscv_machine(vm)->isa = "rv64imafdc", riscv_machine(vm)->mmu = "riscv,sv48";
    check(vm, arm, vm->isa->load(vm));
    hosted_vm_destroy(vm);
    free(copy);
    return 0;
}
