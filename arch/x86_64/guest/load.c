/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Loads a Linux bzImage by the 64-bit boot protocol (Linux: Documentation/arch/x86/boot.rst): boot
 * parameters, command line and page tables in low memory, kernel at its preferred place, initrd at
 * the end of low memory.
 */
#include <string.h>

#include "arch/x86_64/guest/machine.h"
#include "arch/x86_64/guest/lapic.h"
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
#define PARAMS_SIZE       4096

#define BOOT_FLAG_VALUE  0xaa55
#define MAGIC_VALUE      0x53726448 /* "HdrS" */
#define PROTOCOL_LEAST   0x020c
#define XLF_KERNEL_64    BIT(0)
#define LOADER_UNDEFINED 0xff
#define LOADED_HIGH      BIT(0)
#define ENTRY_64         0x200 /* from the start of the protected-mode code */
#define SECTOR           512

#define GDT_AT      0x1000ULL
#define PARAMS_AT   0x7000ULL
#define CMDLINE_AT  0x20000ULL
#define CMDLINE_MAX 4096
#define TABLES_AT   0x9000ULL /* PML4, PDPT, four page directories: identity map of 4 GiB */
#define STACK_AT    0x8ff0ULL
#define EBDA        0x9fc00ULL
#define ROM_AREA    X86_ACPI_TABLES

#define PTE_PRESENT_WRITE 3ULL
#define PTE_LARGE         BIT(7)

#define E820_RAM      1
#define E820_RESERVED 2

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

static uint64_t get(const uint8_t *bytes, size_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)bytes[offset + i] << (8 * i);
    return value;
}

static void put(uint8_t *bytes, size_t offset, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[offset + i] = (uint8_t)(value >> (8 * i));
}

static enum err bad_image(struct vm *vm, const char *why)
{
    vm_fail(vm, "%s is not a kernel that can be started: %s", vm->config->kernel, why);
    return ERR_CORRUPT;
}

static enum err parse_image(struct vm *vm, struct image *i)
{
    const uint8_t *b = i->bytes;
    unsigned sectors;

    if (i->size < HEADER_END || get(b, BOOT_FLAG, 2) != BOOT_FLAG_VALUE ||
        get(b, HEADER_MAGIC, 4) != MAGIC_VALUE)
        return bad_image(
            vm,
            "it has no Linux x86 boot header; give a bzImage, such as a distribution's vmlinuz");
    if (get(b, PROTOCOL_VERSION, 2) < PROTOCOL_LEAST || !(get(b, XLOADFLAGS, 2) & XLF_KERNEL_64))
        return bad_image(vm, "it is older than boot protocol 2.12 or not a 64-bit kernel");
    sectors = b[SETUP_SECTS] ? b[SETUP_SECTS] : 4;
    i->setup_size = (sectors + 1) * SECTOR;
    if (i->setup_size + ENTRY_64 >= i->size)
        return bad_image(vm, "the file ends before its code");
    i->load_at = get(b, PREF_ADDRESS, 8);
    i->init_size = get(b, INIT_SIZE, 4);
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

static enum err load_initrd(struct vm *vm, const struct image *image, uint8_t *params)
{
    uint64_t limit = MIN(x86_machine(vm)->low_ram, get(image->bytes, INITRD_ADDR_MAX, 4) + 1);
    const void *data;
    uint64_t at;
    size_t size;

    if (!vm->config->initrd)
        return ERR_OK;
    if (!vm_file(vm, "initrd", vm->config->initrd, &data, &size))
        return ERR_NOT_FOUND;
    if (size > limit || limit - size < image->load_at + image->init_size) {
        vm_fail(vm, "initrd %s does not fit: raise memory in [vm %s]", vm->config->initrd,
                vm->name);
        return ERR_RANGE;
    }
    at = ALIGN_DOWN(limit - size, PAGE_SIZE);
    if (at < image->load_at + image->init_size)
        return ERR_RANGE;
    put(params, RAMDISK_IMAGE, at, 4);
    put(params, RAMDISK_SIZE, size, 4);
    return guest_copy_to(vm->memory, GPA(at), data, size);
}

static void add_e820(uint8_t *params, uint64_t base, uint64_t size, uint32_t type)
{
    unsigned n = params[PARAMS_E820_COUNT];
    size_t at = PARAMS_E820 + 20u * n;

    put(params, at, base, 8);
    put(params, at + 8, size, 8);
    put(params, at + 16, type, 4);
    params[PARAMS_E820_COUNT] = (uint8_t)(n + 1);
}

static void fill_memory_map(struct vm *vm, uint8_t *params)
{
    const struct x86_machine *m = x86_machine(vm);

    add_e820(params, 0, EBDA, E820_RAM);
    add_e820(params, EBDA, MIB(1) - EBDA, E820_RESERVED);
    add_e820(params, MIB(1), m->low_ram - MIB(1), E820_RAM);
    add_e820(params, IOAPIC_BASE, PAGE_SIZE, E820_RESERVED);
    add_e820(params, LAPIC_BASE, PAGE_SIZE, E820_RESERVED);
    if (m->high_ram)
        add_e820(params, X86_HIGH_RAM, m->high_ram, E820_RAM);
}

static enum err load_params(struct vm *vm, const struct image *image)
{
    uint8_t *params = heap_zalloc(PARAMS_SIZE);
    size_t cmdline = strlen(vm->config->cmdline);
    gpa_t rsdp;
    enum err e;

    if (!params)
        return ERR_NO_MEMORY;
    memcpy(params + HEADER_START, image->bytes + HEADER_START, HEADER_END - HEADER_START);
    put(params, TYPE_OF_LOADER, LOADER_UNDEFINED, 1);
    params[LOADFLAGS] |= LOADED_HIGH;
    put(params, CMDLINE_POINTER, CMDLINE_AT, 4);
    fill_memory_map(vm, params);
    e = x86_acpi_write(vm, &rsdp);
    put(params, PARAMS_ACPI_RSDP, rsdp.v, 8);
    if (e == ERR_OK)
        e = load_initrd(vm, image, params);
    if (e == ERR_OK && (cmdline >= CMDLINE_MAX || cmdline > get(image->bytes, CMDLINE_SIZE, 4))) {
        vm_fail(vm, "its command line is longer than the kernel takes");
        e = ERR_RANGE;
    }
    if (e == ERR_OK)
        e = guest_copy_to(vm->memory, GPA(CMDLINE_AT), vm->config->cmdline, cmdline + 1);
    if (e == ERR_OK)
        e = guest_copy_to(vm->memory, GPA(PARAMS_AT), params, PARAMS_SIZE);
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
    table[0] = (TABLES_AT + PAGE_SIZE) | PTE_PRESENT_WRITE;
    for (unsigned i = 0; i < 4; i++)
        table[512 + i] = (TABLES_AT + (2 + i) * PAGE_SIZE) | PTE_PRESENT_WRITE;
    for (unsigned i = 0; i < 4 * 512; i++)
        table[1024 + i] = MIB(2) * i | PTE_LARGE | PTE_PRESENT_WRITE;
    e = guest_copy_to(vm->memory, GPA(TABLES_AT), table, 6 * PAGE_SIZE);
    heap_free(table);
    return e;
}

static enum err load_gdt(struct vm *vm)
{
    static const uint64_t gdt[4] = {0, 0, GDT_CODE, GDT_DATA};

    return guest_copy_to(vm->memory, GPA(GDT_AT), gdt, sizeof(gdt));
}

static void set_boot_state(struct vcpu *v, uint64_t entry)
{
    struct x86_state *s = x86_state(v);

    x86_reset_state(v);
    for (unsigned i = X86_ES; i <= X86_GS; i++)
        s->segments[i] = (struct x86_segment){0, UINT32_MAX, BOOT_DS, ATTR_DATA};
    s->segments[X86_CS] = (struct x86_segment){0, UINT32_MAX, BOOT_CS, ATTR_CODE};
    s->gdtr.base = GDT_AT;
    s->gdtr.limit = 31;
    s->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG;
    s->cr3 = TABLES_AT;
    s->cr4 = X86_CR4_PAE;
    s->efer = X86_EFER_LME | X86_EFER_LMA;
    s->rip = entry;
    s->gpr[X86_RSI] = PARAMS_AT;
    s->gpr[X86_RSP] = STACK_AT;
}

enum err x86_load(struct vm *vm)
{
    struct image image = {0};
    const void *data;
    enum err e;

    if (!vm_file(vm, "kernel", vm->config->kernel, &data, &image.size))
        return ERR_NOT_FOUND;
    image.bytes = data;
    e = parse_image(vm, &image);
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
