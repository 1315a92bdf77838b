/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Loads a Linux kernel by the riscv64 boot protocol (Linux Documentation/arch/riscv/boot.rst and
 * boot-image-header.rst): the Image at its offset in RAM, the initial RAM disk and the device tree
 * at RAM's end, a0 = hart id, a1 = device tree, satp = 0.
 */
#include "arch/riscv64/guest/machine.h"
#include "kernel/log.h"
#include "mm/heap.h"

#include <string.h>

struct image_header {
    uint32_t code0, code1;
    uint64_t text_offset; /* from the start of RAM */
    uint64_t image_size;  /* bytes in memory, bss included */
    uint64_t flags;       /* bit 0: big endian */
    uint32_t version, reserved0;
    uint64_t reserved1, magic1;
    uint32_t magic2; /* "RSC\5" */
    uint32_t reserved2;
};
_Static_assert(sizeof(struct image_header) == 64, "layout of the header");

#define IMAGE_MAGIC2     0x05435352u
#define IMAGE_BIG_ENDIAN 1u
#define IMAGE_ALIGNMENT  MIB(2)
#define FDT_ROOM         KIB(64)

static enum err refuse(struct vm *vm, const char *text, const char *path)
{
    vm_fail(vm, "%s: %s", path, text);
    return ERR_INVALID;
}

/* Checks the kernel and says where it goes and where it ends. */
static enum err check_kernel(struct vm *vm, const void *data, size_t size, uint64_t *start,
                             uint64_t *end)
{
    struct image_header h;
    uint64_t room = vm->config->memory;

    if (size < sizeof(h))
        return refuse(vm, "is too short for a kernel", vm->config->kernel);
    memcpy(&h, data, sizeof(h));
    if (h.magic2 != IMAGE_MAGIC2)
        return refuse(
            vm,
            "is no riscv64 Linux Image (a plain, uncompressed arch/riscv/boot/Image is expected)",
            vm->config->kernel);
    if (h.flags & IMAGE_BIG_ENDIAN)
        return refuse(vm, "is a big-endian kernel, which this machine cannot run",
                      vm->config->kernel);
    if (h.text_offset % IMAGE_ALIGNMENT || h.text_offset >= room ||
        MAX(h.image_size, (uint64_t)size) > room - h.text_offset)
        return refuse(vm, "does not fit into the guest's memory: give it more", vm->config->kernel);
    *start = RISCV_RAM_BASE + h.text_offset;
    *end = *start + MAX(h.image_size, (uint64_t)size);
    return ERR_OK;
}

static enum err load_kernel(struct vm *vm, uint64_t *start, uint64_t *end)
{
    const void *data;
    size_t size;
    enum err e;

    if (!vm_file(vm, "kernel", vm->config->kernel, &data, &size))
        return ERR_NOT_FOUND;
    e = check_kernel(vm, data, size, start, end);
    if (e == ERR_OK)
        e = guest_copy_to(vm->memory, GPA(*start), data, size);
    return e;
}

/* Below `top`, page aligned. */
static enum err load_initrd(struct vm *vm, uint64_t kernel_end, uint64_t top,
                            struct riscv_boot *boot)
{
    const void *data;
    size_t size;

    if (!vm->config->initrd)
        return ERR_OK;
    if (!vm_file(vm, "initrd", vm->config->initrd, &data, &size))
        return ERR_NOT_FOUND;
    if (top < kernel_end || size > top - kernel_end ||
        ALIGN_DOWN(top - size, PAGE_SIZE) < kernel_end)
        return refuse(vm, "does not fit into the guest's memory behind the kernel: give it more",
                      vm->config->initrd);
    boot->initrd_start = ALIGN_DOWN(top - size, PAGE_SIZE);
    boot->initrd_end = boot->initrd_start + size;
    return guest_copy_to(vm->memory, GPA(boot->initrd_start), data, size);
}

static enum err load_fdt(struct vm *vm, const struct riscv_boot *boot, uint64_t address)
{
    void *buffer = heap_zalloc(FDT_ROOM);
    size_t size;
    enum err e;

    if (!buffer)
        return ERR_NO_MEMORY;
    e = riscv_fdt_build(vm, boot, buffer, FDT_ROOM, &size);
    if (e == ERR_OK)
        e = guest_copy_to(vm->memory, GPA(address), buffer, size);
    heap_free(buffer);
    return e;
}

enum err riscv_load(struct vm *vm)
{
    uint64_t start, end,
        fdt = ALIGN_DOWN(RISCV_RAM_BASE + vm->config->memory - FDT_ROOM, PAGE_SIZE);
    struct riscv_boot boot = {0};
    struct vcpu *v = vm->vcpus[0];
    struct riscv_state *s = riscv_state(v);
    enum err e = load_kernel(vm, &start, &end);

    if (e == ERR_OK)
        e = load_initrd(vm, end, fdt, &boot);
    if (e == ERR_OK && end > fdt)
        e = refuse(vm, "leaves no room for the device tree: give the guest more memory",
                   vm->config->kernel);
    if (e == ERR_OK)
        e = load_fdt(vm, &boot, fdt);
    if (e != ERR_OK)
        return e;
    s->pc = start;
    s->x[RISCV_A0] = 0;
    s->x[RISCV_A1] = fdt;
    riscv_hart(v)->hart_state = RISCV_HART_STARTED;
    return ERR_OK;
}
