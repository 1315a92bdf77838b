/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * EFI runtime services for power off and reset: called on page tables of their own, which map the
 * firmware's runtime memory one to one and the kernel as always, on a large stack, by one CPU at a
 * time. A fault inside comes back as a failure, not as a panic.
 */
#include "boot/boot_info.h"
#include "host_internal.h"
#include "kernel/config.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "mm/kernel_map.h"
#include "mm/page.h"
#include "sbi.h"

#include <string.h>

/* UEFI 2.10, 4.3.1, 4.5.1 and 7.2.3. */
#define EFI_TABLE_RUNTIME  88  /* offset of RuntimeServices in the system table */
#define EFI_RUNTIME_RESET  104 /* offset of ResetSystem in the runtime services table */
#define EFI_RESET_COLD     0
#define EFI_RESET_SHUTDOWN 2
#define EFI_RUNTIME_CODE   5
#define EFI_MMIO           11
#define EFI_MEMORY_RO      0x20000UL
#define EFI_MEMORY_XP      0x4000UL
#define EFI_MEMORY_RUNTIME BIT(63)

#define FIRMWARE_STACK_ORDER 4
#define FIRMWARE_STACK_SIZE  (PAGE_SIZE << FIRMWARE_STACK_ORDER)
#define PTE_SIZE             8

struct efi_memory {
    uint32_t type;
    uint32_t pad;
    uint64_t base, virt, pages, attribute;
};

struct efi_attributes_table {
    uint32_t version, count, descriptor_size, flags;
};

static struct {
    uint64_t system_table, map, map_size, attributes;
    uint32_t descriptor_size;
    bool usable;
    struct page_table tables;
    void *stack;
} fw;

void firmware_services_init(const struct boot_info *info)
{
    fw.system_table = info->efi_system_table;
    fw.map = info->efi_memory_map;
    fw.map_size = info->efi_memory_map_size;
    fw.descriptor_size = info->efi_descriptor_size;
    fw.attributes = info->efi_memory_attributes;
}

static unsigned attrs_of(const struct efi_memory *m, bool by_attributes_table)
{
    unsigned attrs = PT_READ;

    if (m->type == EFI_MMIO)
        return PT_READ | PT_WRITE | PT_DEVICE;
    if (!by_attributes_table)
        return m->type == EFI_RUNTIME_CODE ? PT_READ | PT_WRITE | PT_EXEC : PT_READ | PT_WRITE;
    attrs |= m->attribute & EFI_MEMORY_XP ? 0 : PT_EXEC;
    attrs |= m->attribute & EFI_MEMORY_RO ? 0 : PT_WRITE;
    return attrs;
}

/* Maps every runtime descriptor of an array; those that another one has mapped already are left as
 * they are. */
static enum err map_descriptors(const char *at, uint64_t size, uint32_t stride,
                                bool by_attributes_table)
{
    const uint64_t half =
        BIT(host_pt_format()->address_bits - 1); /* the lower half of the address space */

    if (stride < sizeof(struct efi_memory))
        return ERR_CORRUPT;
    for (; size >= stride; at += stride, size -= stride) {
        struct efi_memory m;
        enum err e;

        memcpy(&m, at, sizeof(m));
        if (!(m.attribute & EFI_MEMORY_RUNTIME))
            continue;
        if (m.base >= half || m.pages > (half - m.base) >> PAGE_SHIFT || m.base & PAGE_MASK)
            return ERR_RANGE;
        e = page_table_map(&fw.tables, m.base, HPA(m.base), m.pages << PAGE_SHIFT,
                           attrs_of(&m, by_attributes_table));
        if (e != ERR_OK && e != ERR_EXISTS)
            return e;
    }
    return ERR_OK;
}

static enum err map_attributes_table(void)
{
    const struct efi_attributes_table *t = phys_to_virt(HPA(fw.attributes));

    if (!fw.attributes)
        return ERR_OK;
    return map_descriptors((const char *)(t + 1), (uint64_t)t->count * t->descriptor_size,
                           t->descriptor_size, true);
}

/* The kernel's half of the root is shared: its tables below the root never go away. */
static void share_kernel_half(void)
{
    char *mine = phys_to_virt(fw.tables.root);
    const char *kernel = phys_to_virt(kernel_map_root());

    memcpy(mine + PAGE_SIZE / 2, kernel + PAGE_SIZE / 2, PAGE_SIZE / 2);
}

/* The raw map lies in memory that the loader leaves behind: before that is freed. */
static enum err build_tables(void)
{
    hpa_t stack = page_alloc(FIRMWARE_STACK_ORDER, 0);
    enum err e;

    if (!stack.v)
        return ERR_NO_MEMORY;
    fw.stack = phys_to_virt(stack);
    e = page_table_init(&fw.tables, host_pt_format(), &fw);
    if (e == ERR_OK)
        e = map_attributes_table();
    if (e == ERR_OK)
        e = map_descriptors(phys_to_virt(HPA(fw.map)), fw.map_size, fw.descriptor_size, false);
    return e;
}

void firmware_tables_init(void)
{
    if (!fw.system_table)
        return;
    fw.usable = build_tables() == ERR_OK;
    if (!fw.usable)
        log_warn(
            "the firmware's runtime services cannot be mapped: power off and reset use SBI only");
}

static void tables_switch(uint64_t root)
{
    csr_write(satp, (paging_satp() & ~ATP_PPN_MASK) | root >> PAGE_SHIFT);
    __asm__ volatile("sfence.vma" ::: "memory");
}

void firmware_fault(const struct host_trap_frame *frame)
{
    struct host_context *to = this_cpu()->host.firmware_abort;

    if (!to)
        return;
    this_cpu()->host.firmware_abort = NULL;
    fw.usable = false;
    tables_switch(kernel_map_root().v);
    log_warn("the firmware's runtime service faulted at 0x%lx (cause %lu, value 0x%lx): not used "
             "any more",
             frame->sepc, frame->scause, frame->stval);
    host_context_resume(NULL, to);
}

/* Runs on the CPU's own stack; `abort` is saved by host_context_switch() to itself, so that a fault
 * continues behind it. */
static void firmware_call(uint64_t fn, const uint64_t args[4])
{
    static struct host_context abort_context;
    volatile bool called = false;

    host_fpu_begin();
    host_context_switch(&abort_context, &abort_context);
    if (!called) {
        called = true;
        this_cpu()->host.firmware_abort = &abort_context;
        share_kernel_half();
        tables_switch(fw.tables.root.v);
        host_call_on_stack(fn, args, (char *)fw.stack + FIRMWARE_STACK_SIZE);
        tables_switch(kernel_map_root().v);
        this_cpu()->host.firmware_abort = NULL;
    }
    host_fpu_end();
}

/* Returns when there is no such service, or when it came back. */
static void firmware_reset(uint64_t kind)
{
    const char *table;
    uint64_t services, reset, args[4] = {kind, 0, 0, 0};
    uint64_t flags;

    if (!fw.usable || !config_get()->runtime_services)
        return;
    flags = host_irq_save();
    table = phys_to_virt(HPA(fw.system_table));
    memcpy(&services, table + EFI_TABLE_RUNTIME, sizeof(services));
    memcpy(&reset, (const char *)phys_to_virt(HPA(services)) + EFI_RUNTIME_RESET, sizeof(reset));
    firmware_call(reset, args);
    host_irq_restore(flags);
}

void host_poweroff(void)
{
    firmware_reset(EFI_RESET_SHUTDOWN);
    sbi_call(SBI_EXT_SRST, SBI_SRST_RESET, SBI_SRST_SHUTDOWN, 0, 0, 0);
}

void host_reset(void)
{
    firmware_reset(EFI_RESET_COLD);
    sbi_call(SBI_EXT_SRST, SBI_SRST_RESET, SBI_SRST_COLD_REBOOT, 0, 0, 0);
}
