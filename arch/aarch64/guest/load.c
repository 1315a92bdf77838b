/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Puts a Linux `Image`, its initrd and the device tree into guest memory (Linux,
 * Documentation/arch/arm64/booting.rst). */
#include <string.h>

#include "arch/aarch64/guest/machine.h"
#include "kernel/log.h"
#include "mm/heap.h"

struct image_header {
    uint32_t code[2];
    uint64_t text_offset, image_size, flags;
    uint64_t reserved[3];
    uint32_t magic;
    uint32_t pe_offset;
};
#define IMAGE_MAGIC      0x644d5241u /* "ARM\x64" */
#define IMAGE_BIG_ENDIAN BIT(0)
#define IMAGE_ALIGN      MIB(2)
#define GZIP_MAGIC       0x8b1f

#define FDT_SIZE KIB(64)

struct layout {
    uint64_t kernel, fdt, initrd, end;
};

static enum err check_image(struct vm *vm, const struct image_header *h, size_t size)
{
    if (size < sizeof(*h) || h->magic != IMAGE_MAGIC) {
        vm_fail(vm, "%s: %s", vm->config->kernel,
                size > 2 && *(const uint16_t *)(const void *)h == GZIP_MAGIC
                    ? "this kernel is compressed: unpack it with gunzip"
                    : "not a Linux arm64 Image (the file of that name in arch/arm64/boot, or "
                      "Debian's vmlinuz)");
        return ERR_CORRUPT;
    }
    if (h->flags & IMAGE_BIG_ENDIAN) {
        vm_fail(vm, "%s: big-endian kernels are not supported", vm->config->kernel);
        return ERR_UNSUPPORTED;
    }
    return ERR_OK;
}

/* Kernel at the bottom, then the tree in 2 MiB of its own, then the initrd. */
static enum err choose_layout(struct vm *vm, const struct image_header *h, size_t size,
                              size_t initrd_size, struct layout *l)
{
    uint64_t memory = vm->config->memory, image = MAX(h->image_size, (uint64_t)size);

    if (h->text_offset > MIB(64) || image > memory || initrd_size > memory)
        goto too_small;
    l->kernel = MACHINE_RAM_BASE + h->text_offset;
    l->fdt = ALIGN_UP(l->kernel + image, IMAGE_ALIGN);
    l->initrd = l->fdt + IMAGE_ALIGN;
    l->end = l->initrd + ALIGN_UP(initrd_size, PAGE_SIZE);
    if (l->end <= MACHINE_RAM_BASE + memory)
        return ERR_OK;

too_small:
    vm_fail(vm, "kernel and initrd need %llu MiB: give the VM more memory",
            (unsigned long long)((image + initrd_size + h->text_offset) / MIB(1) + 8));
    return ERR_NO_MEMORY;
}

static enum err put_fdt(struct vm *vm, const struct layout *l, size_t initrd_size)
{
    void *buffer = heap_zalloc(FDT_SIZE);
    enum err err;

    if (!buffer)
        return ERR_NO_MEMORY;
    err = arm_fdt_build(vm, buffer, FDT_SIZE, l->initrd, initrd_size);
    if (err == ERR_OK)
        err = guest_copy_to(vm->memory, GPA(l->fdt), buffer, FDT_SIZE);
    heap_free(buffer);
    return err;
}

enum err arm_load(struct vm *vm)
{
    const void *kernel, *initrd = NULL;
    size_t kernel_size, initrd_size = 0;
    struct layout l;
    enum err err;

    if (!vm_file(vm, "kernel", vm->config->kernel, &kernel, &kernel_size))
        return ERR_NOT_FOUND;
    if (vm->config->initrd && !vm_file(vm, "initrd", vm->config->initrd, &initrd, &initrd_size))
        return ERR_NOT_FOUND;
    err = check_image(vm, kernel, kernel_size);
    if (err == ERR_OK)
        err = choose_layout(vm, kernel, kernel_size, initrd_size, &l);
    if (err == ERR_OK)
        err = guest_copy_to(vm->memory, GPA(l.kernel), kernel, kernel_size);
    if (err == ERR_OK && initrd_size)
        err = guest_copy_to(vm->memory, GPA(l.initrd), initrd, initrd_size);
    if (err == ERR_OK)
        err = put_fdt(vm, &l, initrd_size);
    if (err == ERR_OK)
        arm_reset(vm->vcpus[0], l.kernel, l.fdt);
    return err;
}
