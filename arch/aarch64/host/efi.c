/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * EFI runtime services without SetVirtualAddressMap: called at their physical addresses, in tables
 * of their own that map the firmware's runtime memory one to one in the lower half (permissions by
 * the memory attributes table) and the kernel in the upper. One CPU at a time, masked, on a large
 * stack.
 */
#include "arch/aarch64/host/host.h"
#include "kernel/config.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

/* UEFI 2.10: 7.2.3 descriptors, 4.6.4 memory attributes table, 4.3 and 4.5 system table and runtime
 * services */
#define EFI_RUNTIME_CODE   5
#define EFI_MMIO           11
#define EFI_MMIO_PORTS     12
#define EFI_MEMORY_RUNTIME BIT(63)
#define EFI_MEMORY_XP      BIT(14)
#define EFI_MEMORY_RO      BIT(17)

struct efi_memory {
    uint32_t type;
    uint32_t pad;
    uint64_t physical, virtual, pages, attribute;
};
struct efi_attributes {
    uint32_t version, count, descriptor_size, flags;
};
#define EFI_ATTRIBUTES_MAX 4096

/* Offset of the pointer to the runtime services in EFI_SYSTEM_TABLE, and of ResetSystem in those.
 */
#define EFI_SYSTEM_RUNTIME_OFFSET 88
#define EFI_RUNTIME_RESET_OFFSET  104
#define EFI_HEADER_SIGNATURE      0x56524553544e5552ULL /* "RUNTSERV" */

#define EFI_STACK_ORDER 5 /* 128 KiB; the specification asks for 128 KiB at most (2.3.6) */

static struct page_table efi_tables;
static uint64_t reset_system; /* physical address of the service; 0: none */
static hpa_t efi_stack;

/* Maps one descriptor; twice the same is no error. */
static enum err map_descriptor(const struct efi_memory *m, unsigned attrs)
{
    uint64_t size = m->pages * PAGE_SIZE;
    enum err err;

    if (!(m->attribute & EFI_MEMORY_RUNTIME) || !IS_ALIGNED(m->physical, PAGE_SIZE) ||
        m->pages > BIT(35) || m->physical + size > BIT(47))
        return ERR_OK;
    if (m->type == EFI_MMIO || m->type == EFI_MMIO_PORTS)
        attrs = PT_READ | PT_WRITE | PT_DEVICE;
    err = page_table_map(&efi_tables, m->physical, HPA(m->physical), size, attrs);
    return err == ERR_EXISTS ? ERR_OK : err;
}

static unsigned attrs_by_table(const struct efi_memory *m)
{
    return PT_READ | (m->attribute & EFI_MEMORY_RO ? 0 : PT_WRITE) |
           (m->attribute & EFI_MEMORY_XP ? 0 : PT_EXEC);
}

/* First the finer table, then what it leaves out (devices, all when there is no such table). */
static enum err map_attributes_table(void)
{
    const struct efi_attributes *t = phys_to_virt(HPA(arm_boot.efi_memory_attributes));
    const char *entry = (const char *)(t + 1);
    enum err err = ERR_OK;

    if (!arm_boot.efi_memory_attributes || t->descriptor_size < sizeof(struct efi_memory))
        return ERR_OK;
    for (unsigned i = 0; i < MIN(t->count, (uint32_t)EFI_ATTRIBUTES_MAX) && err == ERR_OK; i++) {
        const struct efi_memory *m =
            (const struct efi_memory *)(entry + (size_t)i * t->descriptor_size);

        err = map_descriptor(m, attrs_by_table(m));
    }
    return err;
}

static enum err map_memory_map(void)
{
    const char *map = phys_to_virt(HPA(arm_boot.efi_memory_map));
    enum err err = ERR_OK;

    if (!arm_boot.efi_memory_map || arm_boot.efi_descriptor_size < sizeof(struct efi_memory))
        return ERR_OK;
    for (uint64_t at = 0;
         at + arm_boot.efi_descriptor_size <= arm_boot.efi_memory_map_size && err == ERR_OK;
         at += arm_boot.efi_descriptor_size) {
        const struct efi_memory *m = (const struct efi_memory *)(map + at);
        bool code = m->type == EFI_RUNTIME_CODE;

        err = map_descriptor(m, PT_READ | PT_WRITE | (code ? PT_EXEC : 0));
    }
    return err;
}

static uint64_t find_reset_system(void)
{
    const uint64_t *runtime;
    uint64_t services;

    if (!arm_boot.efi_system_table)
        return 0;
    services = *(const uint64_t *)((const char *)phys_to_virt(HPA(arm_boot.efi_system_table)) +
                                   EFI_SYSTEM_RUNTIME_OFFSET);
    if (!services || services >= host_layout()->direct_map_size)
        return 0;
    runtime = phys_to_virt(HPA(services));
    return runtime[0] == EFI_HEADER_SIGNATURE ? runtime[EFI_RUNTIME_RESET_OFFSET / 8] : 0;
}

void efi_init(void)
{
    struct pt_entry entry;
    enum err err = page_table_init(&efi_tables, host_pt_format(), NULL);

    if (err == ERR_OK)
        err = map_attributes_table();
    if (err == ERR_OK)
        err = map_memory_map();
    if (err == ERR_OK) {
        efi_stack = page_alloc(EFI_STACK_ORDER, 0);
        err = efi_stack.v ? ERR_OK : ERR_NO_MEMORY;
    }
    if (err != ERR_OK) {
        log_warn("firmware: runtime services are off: %s", err_text(err));
        return;
    }
    reset_system = find_reset_system();
    if (reset_system &&
        !(page_table_lookup(&efi_tables, reset_system, &entry) && entry.attrs & PT_EXEC)) {
        log_warn("firmware: runtime services are off: ResetSystem lies outside of runtime code");
        reset_system = 0;
    }
}

/* Calls fn(a, b, c, d) on the stack that ends at `stack_top`. */
static void call_on_stack(uint64_t fn, uint64_t stack_top, uint64_t a)
{
    register uint64_t x0 __asm__("x0") = a;
    register uint64_t x1 __asm__("x1") = 0;
    register uint64_t x2 __asm__("x2") = 0;
    register uint64_t x3 __asm__("x3") = 0;

    __asm__ volatile("mov x19, sp\n mov sp, %5\n blr %4\n mov sp, x19\n"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     : "r"(fn), "r"(stack_top)
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
                       "x16", "x17", "x18", "x19", "x30", "memory", "cc");
}

/* Puts the firmware's tables in place: beside the kernel's with two halves, instead of them (and
 * with them) without. */
static void tables_enter(void)
{
    paging_share_kernel(&efi_tables);
    kernel_reg_write(ttbr0, efi_tables.root.v);
    if (arm_mode != MODE_NVHE)
        sysreg_write(tcr_el1, paging_tcr());
    isb();
    kernel_tlbi_all_local();
    __asm__ volatile("dsb nsh\n isb" ::: "memory");
}

void efi_reset_system(enum efi_reset how)
{
    uint64_t flags;

    if (!reset_system || !config_get()->runtime_services)
        return;
    flags = host_irq_save();
    host_fpu_begin();
    cpu_guest_controls_off();
    tables_enter();
    call_on_stack(reset_system, (uint64_t)phys_to_virt(efi_stack) + (PAGE_SIZE << EFI_STACK_ORDER),
                  how);
    host_kernel_tables_load(kernel_map_root());
    host_fpu_end();
    host_irq_restore(flags);
}
