/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* x86_64 part of the loader: features, layout, page table entries. Section numbers: Intel SDM
 * volume 3A. */
#include <efi.h>
#include <efilib.h>

#include "arch/x86_64/boot/low_page.h"
#include "boot/arch.h"
#include "boot/bytes.h"

const struct elf_target arch_elf_target = {.machine = 62 /* EM_X86_64 */, .relative = 8};
const char arch_name[] = "x86_64";

/* CPUID leaf 80000001h, EDX */
#define CPUID_EXTENDED      0x80000001u
#define CPUID_EXTENDED_NX   (1u << 20)
#define CPUID_EXTENDED_1GB  (1u << 26)
#define CPUID_ADDRESS_SIZES 0x80000008u
#define CR4_LA57            (1ULL << 12) /* 2.5 */

/* Chosen in arch_choose_layout(): how the trampoline must leave the firmware's paging. */
#define MODE_FROM_LA57 1

void trampoline_enter(uint64_t root, uint64_t stack_top, uint64_t entry, uint64_t info);
void trampoline_enter_la57(uint64_t low_page, uint64_t top);
extern const char trampoline_low_start[], trampoline_low_64[], trampoline_low_end[];

static void cpuid(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(0));
}

static uint32_t extended_features(void)
{
    uint32_t out[4];

    cpuid(0x80000000u, out);
    if (out[0] < CPUID_EXTENDED)
        return 0;
    cpuid(CPUID_EXTENDED, out);
    return out[3];
}

static uint64_t read_cr4(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

uint64_t arch_counter(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* The pages of low_page.h: taken only when the firmware runs with five-level paging. */
static const char *take_low_pages(struct boot_layout *layout)
{
    EFI_PHYSICAL_ADDRESS base = 0xffffffff;

    if (EFI_ERROR(
            BS->AllocatePages(AllocateMaxAddress, EfiLoaderData, LOW_SIZE / BOOT_PAGE_SIZE, &base)))
        return "there is no memory below 4 GiB, which leaving five-level paging needs";
    bytes_zero((void *)base, LOW_SIZE);
    bytes_copy((void *)base, trampoline_low_start,
               (size_t)(trampoline_low_end - trampoline_low_start));
    layout->mode = MODE_FROM_LA57;
    layout->spare = base;
    return NULL;
}

const char *arch_choose_layout(struct boot_layout *layout)
{
    uint32_t features = extended_features();

    *layout = (struct boot_layout){
        .kernel_virt = 0xffffffff80000000,
        .direct_map_base = 0xffff800000000000,
        .direct_map_size = 64ULL << 40,
        .phys_limit = 64ULL << 40,
        .identity_limit = 64ULL << 40,
        .levels = 4,
        .gigabyte_leaves = features & CPUID_EXTENDED_1GB,
    };
    if (!(features & CPUID_EXTENDED_NX))
        return "this CPU has no no-execute bit, or the firmware's setup has switched it off";
    return read_cr4() & CR4_LA57 ? take_low_pages(layout) : NULL;
}

uint64_t arch_boot_cpu(void)
{
    return 0;
}

bool arch_map_own(struct page_tables *tables)
{
    uint64_t low = tables->layout->spare;

    if (tables->layout->mode != MODE_FROM_LA57)
        return true;
    if (!page_tables_map(tables, low, low, BOOT_PAGE_SIZE, PAGE_EXECUTE))
        return false;
    bytes_copy((void *)(low + LOW_ROOT), tables->root, BOOT_PAGE_SIZE);
    uint64_t *top = (uint64_t *)(low + LOW_TOP);
    top[0] = arch_entry_table(low + LOW_ROOT);
    top[511] = arch_entry_table(low + LOW_ROOT); /* the high half: five levels sign-extend bit 56 */
    return true;
}

void arch_publish(const void *start, size_t size)
{
    (void)start; /* caches are coherent with instruction fetch */
    (void)size;
}

static _Noreturn void leave_five_levels(const struct handover *handover)
{
    uint64_t low = handover->layout->spare;
    uint64_t gdt[] = {0, GDT_CODE64, GDT_DATA, GDT_CODE32};
    uint16_t gdt_limit = sizeof(gdt) - 1;
    uint64_t gdt_base = low + LOW_GDT;
    uint32_t far_offset = (uint32_t)(low + (uint64_t)(trampoline_low_64 - trampoline_low_start));
    uint16_t far_selector = SELECTOR_CODE64;
    uint64_t values[] = {handover->stack_top, handover->entry, handover->info, handover->root,
                         (uintptr_t)trampoline_enter};

    bytes_copy((void *)(low + LOW_GDT), gdt, sizeof(gdt));
    bytes_copy((void *)(low + LOW_GDTR), &gdt_limit, sizeof(gdt_limit));
    bytes_copy((void *)(low + LOW_GDTR + 2), &gdt_base, sizeof(gdt_base));
    bytes_copy((void *)(low + LOW_FAR), &far_offset, sizeof(far_offset));
    bytes_copy((void *)(low + LOW_FAR + 4), &far_selector, sizeof(far_selector));
    bytes_copy((void *)(low + LOW_STACK), values, sizeof(values));
    trampoline_enter_la57(low, low + LOW_TOP);
    __builtin_unreachable();
}

void arch_enter_kernel(const struct handover *handover)
{
    if (handover->layout->mode == MODE_FROM_LA57)
        leave_five_levels(handover);
    trampoline_enter(handover->root, handover->stack_top, handover->entry, handover->info);
    __builtin_unreachable();
}
