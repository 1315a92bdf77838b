/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Loads a Linux bzImage by the 64-bit boot protocol (Linux: Documentation/arch/x86/boot.rst): boot
 * parameters, command line and page tables in low memory, kernel at its preferred place, initrd at
 * the end of low memory.
 */
#include <string.h>

#include "arch/x86_64/guest/load.h"
#include "kernel/vcpu.h"
#include "mm/heap.h"

/* Offsets in the file's setup header; the same in struct boot_params. */
#define SETUP_SECTS       0x1f1
#define BOOT_FLAG         0x1fe
#define HEADER_MAGIC      0x202
#define PROTOCOL_VERSION  0x206
#define TYPE_OF_LOADER    0x210
#define LOADFLAGS         0x211
#define RAMDISK_IMAGE     0x218
#define RAMDISK_SIZE      0x21c
#define HEAP_END          0x224
#define CMDLINE_POINTER   0x228
#define INITRD_ADDR_MAX   0x22c
#define KERNEL_ALIGNMENT  0x230
#define XLOADFLAGS        0x236
#define CMDLINE_SIZE      0x238
#define PREF_ADDRESS      0x258
#define INIT_SIZE         0x260
#define HEADER_START      0x1f1
#define HEADER_END        0x268
#define PARAMS_ACPI_RSDP  0x070
#define PARAMS_E820_COUNT 0x1e8
#define PARAMS_E820       0x2d0
#define E820_ENTRY        20u
#define PARAMS_SIZE       4096

#define BOOT_FLAG_VALUE  0xaa55
#define MAGIC_VALUE      0x53726448 /* "HdrS" */
#define PROTOCOL_LEAST   0x020c
#define XLF_KERNEL_64    BIT(0)
#define LOADER_UNDEFINED 0xff
#define LOADED_HIGH      BIT(0)
#define ENTRY_64         0x200 /* from the start of the protected-mode code */
#define SECTOR           512

#define PTE_PRESENT_WRITE 3ULL
#define PTE_LARGE         BIT(7)

/* Flat code and data segments at the selectors that the protocol fixes: __BOOT_CS 10h, __BOOT_DS
 * 18h. */
#define BOOT_CS   0x10
#define BOOT_DS   0x18
#define GDT_CODE  0x00af9b000000ffffULL
#define GDT_DATA  0x00cf93000000ffffULL
#define ATTR_CODE 0xa9b
#define ATTR_DATA 0xc93
#define ATTR_LDT  0x082
#define ATTR_TSS  0x08b

struct image {
    const uint8_t *bytes;
    size_t size, setup_size;
    uint64_t load_at, init_size;
};

static enum err parse_image(struct vm *vm, struct image *i)
{
    const uint8_t *b = i->bytes;
    unsigned sectors;

    if (load_get(b, PROTOCOL_VERSION, 2) < PROTOCOL_LEAST ||
        !(load_get(b, XLOADFLAGS, 2) & XLF_KERNEL_64))
        return load_bad_kernel(vm, "it is older than boot protocol 2.12 or not a 64-bit kernel");
    sectors = b[SETUP_SECTS] ? b[SETUP_SECTS] : 4;
    i->setup_size = (sectors + 1) * SECTOR;
    if (i->setup_size + ENTRY_64 >= i->size)
        return load_bad_kernel(vm, "the file ends before its code");
    i->load_at = load_get(b, PREF_ADDRESS, 8);
    i->init_size = load_get(b, INIT_SIZE, 4);
    if (i->init_size < i->size - i->setup_size)
        i->init_size = i->size - i->setup_size;
    if (i->load_at < MIB(1) || i->load_at > x86_machine(vm)->low_ram ||
        i->init_size > x86_machine(vm)->low_ram - i->load_at) {
        vm_fail(vm, "%s needs %llu MiB of memory from %llu MiB on: raise memory in [vm %s]",
                vm->config->kernel, (unsigned long long)(i->init_size >> 20),
                (unsigned long long)(i->load_at >> 20), vm->name);
        return ERR_RANGE;
    }
    return ERR_OK;
}

static void fill_memory_map(struct vm *vm, uint8_t *params)
{
    struct load_range ranges[LOAD_RANGES_MAX];
    unsigned count = load_memory_map(vm, ranges);

    for (unsigned i = 0; i < count; i++) {
        size_t at = PARAMS_E820 + E820_ENTRY * i;

        load_put(params, at, ranges[i].base, 8);
        load_put(params, at + 8, ranges[i].size, 8);
        load_put(params, at + 16, ranges[i].type, 4);
    }
    params[PARAMS_E820_COUNT] = (uint8_t)count;
}

static enum err load_params(struct vm *vm, const struct image *image)
{
    uint8_t *params = heap_zalloc(PARAMS_SIZE);
    struct load_module initrd;
    gpa_t rsdp;
    enum err e;

    if (!params)
        return ERR_NO_MEMORY;
    memcpy(params + HEADER_START, image->bytes + HEADER_START, HEADER_END - HEADER_START);
    load_put(params, TYPE_OF_LOADER, LOADER_UNDEFINED, 1);
    params[LOADFLAGS] |= LOADED_HIGH;
    load_put(params, CMDLINE_POINTER, LOAD_CMDLINE, 4);
    fill_memory_map(vm, params);
    e = x86_acpi_write(vm, &rsdp);
    if (e == ERR_OK)
        e = load_initrd(vm, image->load_at + image->init_size,
                        load_get(image->bytes, INITRD_ADDR_MAX, 4) + 1, &initrd);
    if (e == ERR_OK)
        e = load_cmdline(vm, load_get(image->bytes, CMDLINE_SIZE, 4));
    if (e == ERR_OK) {
        load_put(params, PARAMS_ACPI_RSDP, rsdp.v, 8);
        load_put(params, RAMDISK_IMAGE, initrd.at, 4);
        load_put(params, RAMDISK_SIZE, initrd.size, 4);
        e = guest_copy_to(vm->memory, GPA(LOAD_STRUCTURES), params, PARAMS_SIZE);
    }
    heap_free(params);
    return e;
}

/* Identity map of the first 4 GiB with 2 MiB pages. */
static enum err load_page_tables(struct vm *vm)
{
    uint64_t *table = heap_zalloc(6 * PAGE_SIZE);
    enum err e;

    if (!table)
        return ERR_NO_MEMORY;
    table[0] = (LOAD_TABLES + PAGE_SIZE) | PTE_PRESENT_WRITE;
    for (unsigned i = 0; i < 4; i++)
        table[512 + i] = (LOAD_TABLES + (2 + i) * PAGE_SIZE) | PTE_PRESENT_WRITE;
    for (unsigned i = 0; i < 4 * 512; i++)
        table[1024 + i] = MIB(2) * i | PTE_LARGE | PTE_PRESENT_WRITE;
    e = guest_copy_to(vm->memory, GPA(LOAD_TABLES), table, 6 * PAGE_SIZE);
    heap_free(table);
    return e;
}

static enum err load_gdt(struct vm *vm)
{
    static const uint64_t gdt[4] = {0, 0, GDT_CODE, GDT_DATA};

    return guest_copy_to(vm->memory, GPA(LOAD_GDT), gdt, sizeof(gdt));
}

static void set_boot_state(struct vcpu *v, uint64_t entry)
{
    struct x86_state *s = x86_state(v);

    x86_reset_state(v);
    for (unsigned i = X86_ES; i <= X86_GS; i++)
        s->segments[i] = (struct x86_segment){0, UINT32_MAX, BOOT_DS, ATTR_DATA};
    s->segments[X86_CS] = (struct x86_segment){0, UINT32_MAX, BOOT_CS, ATTR_CODE};
    s->gdtr.base = LOAD_GDT;
    s->gdtr.limit = 31;
    s->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG;
    s->cr3 = LOAD_TABLES;
    s->cr4 = X86_CR4_PAE;
    s->efer = X86_EFER_LME | X86_EFER_LMA;
    s->rip = entry;
    s->gpr[X86_RSI] = LOAD_STRUCTURES;
    s->gpr[X86_RSP] = LOAD_STACK;
}

bool load_is_linux(const struct load_kernel *kernel)
{
    return kernel->size >= HEADER_END && load_get(kernel->bytes, BOOT_FLAG, 2) == BOOT_FLAG_VALUE &&
           load_get(kernel->bytes, HEADER_MAGIC, 4) == MAGIC_VALUE;
}

enum err load_linux(struct vm *vm, const struct load_kernel *kernel)
{
    struct image image = {.bytes = kernel->bytes, .size = kernel->size};
    enum err e = parse_image(vm, &image);

    if (e == ERR_OK)
        e = guest_copy_to(vm->memory, GPA(image.load_at), image.bytes + image.setup_size,
                          image.size - image.setup_size);
    if (e == ERR_OK)
        e = load_params(vm, &image);
    if (e == ERR_OK)
        e = load_page_tables(vm);
    if (e == ERR_OK)
        e = load_gdt(vm);
    if (e == ERR_OK)
        set_boot_state(vm->vcpus[0], image.load_at + ENTRY_64);
    return e;
}
