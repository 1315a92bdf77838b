/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the loading of x86_64 guests' kernels: the input is the file, as a bzImage, a Multiboot
 * kernel or an ELF file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/guest/load.h"
#include "hosted.h"
#include "kernel/start.h"
#include "x86_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No files but the input. */
const struct boot_info *boot_info_get(void)
{
    static const struct boot_info none;

    return &none;
}

/* Whoever loads must say what to run: an address below 4 GiB, or the 64-bit entry. */
static void check_started(struct vm *vm, enum err e)
{
    const struct x86_state *s = x86_state(vm->vcpus[0]);

    if (e == ERR_OK && (!(s->cr0 & X86_CR0_PE) || s->rip > UINT32_MAX))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool once;
    struct load_kernel kernel = {NULL, size};
    struct vm *vm;
    uint8_t *copy;

    if (!once) {
        hosted_start_size(MIB(128));
        clock_init(hosted_counter, NS_PER_SEC);
        timer_cpu_init(cpu_boot());
    }
    once = true;
    vm = x86_guest_create(1, MIB(16));
    copy = malloc(size ? size : 1); /* of exactly this size: what lies behind is found */
    memcpy(copy, data, size);
    kernel.bytes = copy;
    if (load_is_linux(&kernel))
        check_started(vm, load_linux(vm, &kernel));
    else if (load_is_multiboot(&kernel))
        check_started(vm, load_multiboot(vm, &kernel));
    else
        check_started(vm, load_pvh(vm, &kernel));
    free(copy);
    x86_guest_destroy(vm);
    return 0;
}
