/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * EFI runtime services: addresses stay physical (no SetVirtualAddressMap), so a call switches to
 * page tables that map the runtime regions one to one, with the permissions of the memory
 * attributes table where the firmware gives one. The kernel's half of the address space is in them
 * too, so that interrupts and exceptions would still be reported.
 */
#include <string.h>
#include "arch/x86_64/host/efi_runtime.h"
#include "arch/x86_64/host/msr.h"
#include "boot/boot_info.h"
#include "kernel/config.h"
#include "kernel/cpu.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

#define EFI_RUNTIME_CODE   5 /* EFI_MEMORY_TYPE: UEFI 2.10, 7.2.1 */
#define EFI_RUNTIME_DATA   6
#define EFI_MMIO           11
#define EFI_MEMORY_XP      BIT(14)
#define EFI_MEMORY_RO      BIT(17)
#define EFI_MEMORY_RUNTIME BIT(63)
#define EFI_MEMORY_UC      BIT(0)

#define EFI_TABLE_SIGNATURE   0x5453595320494249ULL /* "IBI SYST" */
#define EFI_RUNTIME_SIGNATURE 0x56524553544e5552ULL /* "RUNTSERV" */
#define SYSTEM_TABLE_RUNTIME  0x58 /* offset of RuntimeServices: UEFI 2.10, 4.3.1 */
#define RUNTIME_RESET_SYSTEM  0x68 /* offset of ResetSystem: 4.5.1 */

#define EFI_STACK_ORDER   5 /* 128 KiB: UEFI 2.10, 2.3.4 asks for that much */
#define DESCRIPTORS_MAX   4096
#define KERNEL_ROOT_FIRST 256

/* UEFI 2.10, 7.2.3. */
struct efi_descriptor {
    uint32_t type, pad;
    uint64_t physical, virtual, pages, attribute;
};

/* UEFI 2.10, 4.6.4. */
struct efi_attributes_table {
    uint32_t version, count, descriptor_size, reserved;
};

uint64_t x86_efi_call(uint64_t function, uint64_t tables, uint64_t stack, uint64_t a, uint64_t b,
                      uint64_t c, uint64_t d);

static struct page_table tables;
static uint64_t reset_function;
static uint64_t stack_top;
static uint32_t busy;
static const char *state = "the loader handed over no EFI system table";

static void *direct(uint64_t pa)
{
    return phys_to_virt(HPA(pa));
}

static bool map_region(const struct efi_descriptor *d, unsigned attrs)
{
    uint64_t size = d->pages << PAGE_SHIFT;
    enum err e;

    if (!size || (d->physical & PAGE_MASK) || d->physical + size < d->physical ||
        d->physical + size > BIT(47))
        return false;
    e = page_table_map(&tables, d->physical, HPA(d->physical), size, attrs);
    if (e == ERR_EXISTS)
        e = page_table_protect(&tables, d->physical, size, attrs);
    return e == ERR_OK;
}

static bool map_runtime_regions(const struct boot_info *info)
{
    uint64_t step = info->efi_descriptor_size;
    bool exact = info->efi_memory_attributes != 0;

    if (step < sizeof(struct efi_descriptor) || info->efi_memory_map_size / step > DESCRIPTORS_MAX)
        return false;
    for (uint64_t at = 0; at + step <= info->efi_memory_map_size; at += step) {
        const struct efi_descriptor *d = direct(info->efi_memory_map + at);
        unsigned attrs = PT_READ | PT_WRITE;

        if (!(d->attribute & EFI_MEMORY_RUNTIME))
            continue;
        /* Code regions hold their drivers' data as well; only the attributes table tells them
         * apart. */
        if (d->type == EFI_RUNTIME_CODE && !exact)
            attrs |= PT_EXEC;
        if (d->type == EFI_MMIO)
            attrs |= PT_DEVICE;
        if (!map_region(d, attrs))
            return false;
    }
    return true;
}

static bool apply_attributes(const struct boot_info *info)
{
    const struct efi_attributes_table *t;

    if (!info->efi_memory_attributes)
        return true;
    t = direct(info->efi_memory_attributes);
    if (t->descriptor_size < sizeof(struct efi_descriptor) || t->count > DESCRIPTORS_MAX)
        return false;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct efi_descriptor *d =
            direct(info->efi_memory_attributes + sizeof(*t) + (uint64_t)i * t->descriptor_size);
        unsigned attrs = PT_READ;

        if (!(d->attribute & EFI_MEMORY_RO))
            attrs |= PT_WRITE;
        if (!(d->attribute & EFI_MEMORY_XP))
            attrs |= PT_EXEC;
        if (!map_region(d, attrs))
            return false;
    }
    return true;
}

/* Physical addresses inside RAM that the loader's map has: read through the direct map. */
static bool find_reset(const struct boot_info *info)
{
    uint64_t *system = direct(info->efi_system_table);
    uint64_t *runtime;

    if (system[0] != EFI_TABLE_SIGNATURE)
        return false;
    runtime = direct(system[SYSTEM_TABLE_RUNTIME / 8]);
    if (runtime[0] != EFI_RUNTIME_SIGNATURE)
        return false;
    reset_function = runtime[RUNTIME_RESET_SYSTEM / 8];
    return true;
}

void efi_runtime_init(const struct boot_info *info)
{
    hpa_t stack;

    if (!info->efi_system_table || !info->efi_memory_map)
        return;
    state = "the firmware's memory map or tables are not usable";
    stack = page_alloc(EFI_STACK_ORDER, 0);
    if (!stack.v || page_table_init(&tables, host_pt_format(), NULL) != ERR_OK)
        return;
    stack_top = (uint64_t)(uintptr_t)phys_to_virt(stack) + (PAGE_SIZE << EFI_STACK_ORDER);
    if (!map_runtime_regions(info) || !apply_attributes(info) || !find_reset(info)) {
        reset_function = 0;
        return;
    }
    state =
        info->efi_memory_attributes
            ? "available, with the memory attributes table"
            : "available, without a memory attributes table (its code is writable during calls)";
}

const char *efi_runtime_state(void)
{
    return config_get()->runtime_services ? state : "switched off by configuration";
}

void efi_runtime_reset(enum efi_reset type)
{
    uint64_t flags;
    uint64_t *root;

    if (!reset_function || !config_get()->runtime_services ||
        __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
        return;
    host_fpu_begin();
    flags = host_irq_save();
    root = phys_to_virt(tables.root);
    memcpy(root + KERNEL_ROOT_FIRST,
           (uint64_t *)phys_to_virt(kernel_map_root()) + KERNEL_ROOT_FIRST, PAGE_SIZE / 2);
    x86_efi_call(reset_function, tables.root.v, stack_top, type, 0, 0, 0);
    host_irq_restore(flags);
    host_fpu_end();
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}
