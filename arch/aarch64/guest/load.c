/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Puts a Linux `Image` (plain, packed by gzip, or inside an EFI application that unpacks itself),
 * its initrd and the device tree into guest memory (Linux, Documentation/arch/arm64/booting.rst).
 */
#include <string.h>

#include "arch/aarch64/guest/machine.h"
#include "kernel/inflate.h"
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

/* What Linux's EFI zboot puts before its packed kernel
 * (drivers/firmware/efi/libstub/zboot-header.S).
 */
struct zboot_header {
    uint8_t mz[2];
    uint16_t reserved;
    uint8_t magic[4]; /* "zimg" */
    uint32_t payload_offset, payload_size;
    uint32_t reserved2[2];
    char compression[32];
};

/* The kernel's file: where the Image begins, or its packed form. */
struct image {
    const uint8_t *data;
    size_t size;
    bool packed;
    struct image_header header;
};

#define FDT_SIZE KIB(64)

struct layout {
    uint64_t kernel, fdt, initrd, end;
};

/* ---- Packed kernels ---- */

/* Looks through zboot's header. False: one of a form that is not known here; vm_fail() said so. */
static bool open_zboot(struct vm *vm, struct image *k)
{
    struct zboot_header z;

    if (k->size < sizeof(z))
        return true;
    memcpy(&z, k->data, sizeof(z));
    if (memcmp(z.mz, "MZ", 2) != 0 || memcmp(z.magic, "zimg", 4) != 0)
        return true;
    if (z.payload_offset > k->size || z.payload_size > k->size - z.payload_offset ||
        strncmp(z.compression, "gzip", sizeof(z.compression)) != 0) {
        vm_fail(vm,
                "%s: an EFI zboot kernel, of which only those packed by gzip can be read (this one "
                "says \"%.8s\"): unpack it first",
                vm->config->kernel, z.compression);
        return false;
    }
    k->data += z.payload_offset;
    k->size = z.payload_size;
    return true;
}

struct head {
    uint8_t *to;
    size_t room;
};

static bool take_head(void *arg, const uint8_t *data, size_t size)
{
    struct head *h = arg;
    size_t part = MIN(size, h->room);

    memcpy(h->to, data, part);
    h->to += part;
    h->room -= part;
    return h->room;
}

static enum err read_header(struct image *k)
{
    struct head head = {(uint8_t *)&k->header, sizeof(k->header)};
    enum err e;

    k->packed = gzip_check(k->data, k->size);
    if (!k->packed) {
        take_head(&head, k->data, k->size);
        return head.room ? ERR_CORRUPT : ERR_OK;
    }
    e = gzip_unpack(k->data, k->size, take_head, &head);
    return e == ERR_RANGE ? ERR_OK : e == ERR_OK ? ERR_CORRUPT : e;
}

struct unpack {
    struct vm *vm;
    uint64_t at, end;
    enum err error;
};

static bool take_kernel(void *arg, const uint8_t *data, size_t size)
{
    struct unpack *u = arg;

    u->error =
        size <= u->end - u->at ? guest_copy_to(u->vm->memory, GPA(u->at), data, size) : ERR_CORRUPT;
    u->at += size;
    return u->error == ERR_OK;
}

/* To guest-physical `to`, where there is room for header.image_size bytes. */
static enum err put_kernel(struct vm *vm, const struct image *k, uint64_t to)
{
    struct unpack u = {vm, to, to + k->header.image_size, ERR_OK};
    enum err e;

    if (!k->packed)
        return guest_copy_to(vm->memory, GPA(to), k->data, k->size);
    e = gzip_unpack(k->data, k->size, take_kernel, &u);
    if (u.error != ERR_OK)
        e = u.error;
    if (e == ERR_CORRUPT)
        vm_fail(vm, "%s: its packed part is damaged: copy the file again", vm->config->kernel);
    return e;
}

/* ---- Layout ---- */

static enum err check_image(struct vm *vm, struct image *k)
{
    const struct image_header *h = &k->header;

    if (!open_zboot(vm, k))
        return ERR_UNSUPPORTED;
    if (read_header(k) != ERR_OK || h->magic != IMAGE_MAGIC) {
        vm_fail(vm,
                "%s: not a Linux arm64 Image, plain or packed by gzip (the file of that name in "
                "arch/arm64/boot, or Debian's vmlinuz)",
                vm->config->kernel);
        return ERR_CORRUPT;
    }
    if (h->flags & IMAGE_BIG_ENDIAN) {
        vm_fail(vm, "%s: big-endian kernels are not supported", vm->config->kernel);
        return ERR_UNSUPPORTED;
    }
    return ERR_OK;
}

/* Kernel at the bottom, then the tree in 2 MiB of its own, then the initrd. */
static enum err choose_layout(struct vm *vm, const struct image *k, size_t initrd_size,
                              struct layout *l)
{
    const struct image_header *h = &k->header;
    uint64_t memory = vm->config->memory, image = h->image_size;

    if (!k->packed)
        image = MAX(image, (uint64_t)k->size);

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
    size_t initrd_size = 0;
    struct image k;
    struct layout l;
    enum err err;

    if (!vm_file(vm, "kernel", vm->config->kernel, &kernel, &k.size))
        return ERR_NOT_FOUND;
    if (vm->config->initrd && !vm_file(vm, "initrd", vm->config->initrd, &initrd, &initrd_size))
        return ERR_NOT_FOUND;
    k.data = kernel;
    err = vgic_map(vm);
    if (err == ERR_OK)
        err = check_image(vm, &k);
    if (err == ERR_OK)
        err = choose_layout(vm, &k, initrd_size, &l);
    if (err == ERR_OK)
        err = put_kernel(vm, &k, l.kernel);
    if (err == ERR_OK && initrd_size)
        err = guest_copy_to(vm->memory, GPA(l.initrd), initrd, initrd_size);
    if (err == ERR_OK)
        err = put_fdt(vm, &l, initrd_size);
    if (err == ERR_OK)
        arm_reset(vm->vcpus[0], l.kernel, l.fdt);
    return err;
}
