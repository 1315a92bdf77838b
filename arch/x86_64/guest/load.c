/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Loading a guest's kernel: finds out what the file is; what all ways of starting share. */
#include "arch/x86_64/guest/load.h"

#include <string.h>

#include "arch/x86_64/guest/lapic.h"
#include "kernel/vcpu.h"

#define EBDA 0x9fc00ULL /* conventional memory ends here */

/* Flat segments of 32 bits: G D, present, accessed. */
#define GDT_CODE      0x00cf9b000000ffffULL
#define GDT_DATA      0x00cf93000000ffffULL
#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define ATTR_CODE     0xc9b
#define ATTR_DATA     0xc93
#define ATTR_TSS      0x08b
#define TSS_LIMIT     0x67 /* the least: SDM vol. 3, 8.2.1 */

enum err load_bad_kernel(struct vm *vm, const char *why)
{
    vm_fail(vm, "%s is not a kernel that can be started: %s", vm->config->kernel, why);
    return ERR_CORRUPT;
}

unsigned load_memory_map(struct vm *vm, struct load_range ranges[LOAD_RANGES_MAX])
{
    const struct x86_machine *m = x86_machine(vm);
    unsigned n = 0;

    ranges[n++] = (struct load_range){0, EBDA, LOAD_RAM};
    ranges[n++] = (struct load_range){EBDA, MIB(1) - EBDA, LOAD_RESERVED};
    ranges[n++] = (struct load_range){MIB(1), m->low_ram - MIB(1), LOAD_RAM};
    ranges[n++] = (struct load_range){X86_ECAM, MIB(X86_ECAM_BUSES), LOAD_RESERVED};
    ranges[n++] = (struct load_range){IOAPIC_BASE, PAGE_SIZE, LOAD_RESERVED};
    ranges[n++] = (struct load_range){HPET_BASE, PAGE_SIZE, LOAD_RESERVED};
    ranges[n++] = (struct load_range){LAPIC_BASE, PAGE_SIZE, LOAD_RESERVED};
    if (m->high_ram)
        ranges[n++] = (struct load_range){X86_HIGH_RAM, m->high_ram, LOAD_RAM};
    return n;
}

enum err load_initrd(struct vm *vm, uint64_t floor, uint64_t limit, struct load_module *module)
{
    const void *data;
    size_t size;

    *module = (struct load_module){0};
    if (!vm->config->initrd)
        return ERR_OK;
    if (!vm_file(vm, "initrd", vm->config->initrd, &data, &size))
        return ERR_NOT_FOUND;
    limit = MIN(limit, x86_machine(vm)->low_ram);
    if (size > limit || ALIGN_DOWN(limit - size, PAGE_SIZE) < floor) {
        vm_fail(vm, "initrd %s does not fit: raise memory in [vm %s]", vm->config->initrd,
                vm->name);
        return ERR_RANGE;
    }
    module->at = ALIGN_DOWN(limit - size, PAGE_SIZE);
    module->size = size;
    return guest_copy_to(vm->memory, GPA(module->at), data, size);
}

enum err load_cmdline(struct vm *vm, uint64_t limit)
{
    size_t length = strlen(vm->config->cmdline);

    if (length >= LOAD_CMDLINE_MAX || length > limit) {
        vm_fail(vm, "its command line is longer than the kernel takes");
        return ERR_RANGE;
    }
    return guest_copy_to(vm->memory, GPA(LOAD_CMDLINE), vm->config->cmdline, length + 1);
}

/* What a segment has beyond the file is zero already: RAM of a new guest is. */
enum err load_segments(struct vm *vm, const struct load_kernel *kernel, const struct elf_image *elf)
{
    if (elf->low < LOAD_KERNEL_LOW)
        return load_bad_kernel(vm, "it is linked below 132 KiB, where the boot information lies");
    if (elf->high > x86_machine(vm)->low_ram) {
        vm_fail(vm, "%s needs memory up to %llu MiB: raise memory in [vm %s]", vm->config->kernel,
                (unsigned long long)((elf->high >> 20) + 1), vm->name);
        return ERR_RANGE;
    }
    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct elf_segment *s = &elf->segments[i];
        enum err e;

        if (s->address < X86_ACPI_TABLES + X86_ACPI_SIZE && s->address + s->size > X86_ACPI_TABLES)
            return load_bad_kernel(vm, "it is linked at 896 KiB, where the ACPI tables lie");
        e = guest_copy_to(vm->memory, GPA(s->address), kernel->bytes + s->offset, s->file_size);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err load_protected_mode(struct vm *vm, uint32_t entry)
{
    static const uint64_t gdt[3] = {0, GDT_CODE, GDT_DATA};
    struct x86_state *s = x86_state(vm->vcpus[0]);

    x86_reset_state(vm->vcpus[0]);
    for (unsigned i = X86_ES; i <= X86_GS; i++)
        s->segments[i] = (struct x86_segment){0, UINT32_MAX, SELECTOR_DATA, ATTR_DATA};
    s->segments[X86_CS] = (struct x86_segment){0, UINT32_MAX, SELECTOR_CODE, ATTR_CODE};
    s->segments[X86_TR] = (struct x86_segment){0, TSS_LIMIT, 0, ATTR_TSS};
    s->gdtr.base = LOAD_GDT;
    s->gdtr.limit = sizeof(gdt) - 1;
    s->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
    s->rip = entry;
    return guest_copy_to(vm->memory, GPA(LOAD_GDT), gdt, sizeof(gdt));
}

enum err x86_load(struct vm *vm)
{
    struct load_kernel kernel;
    const void *data;

    if (!vm_file(vm, "kernel", vm->config->kernel, &data, &kernel.size))
        return ERR_NOT_FOUND;
    kernel.bytes = data;
    if (load_is_linux(&kernel))
        return load_linux(vm, &kernel);
    if (load_is_multiboot(&kernel))
        return load_multiboot(vm, &kernel);
    if (elf_is(kernel.bytes, kernel.size))
        return load_pvh(vm, &kernel);
    return load_bad_kernel(vm, "it has no Linux x86 boot header, no Multiboot header and is no ELF "
                               "file; give a bzImage, such as a distribution's vmlinuz");
}
