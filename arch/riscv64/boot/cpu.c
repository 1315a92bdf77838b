/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* riscv64 part of the loader: paging modes, layout, hart. Sections: RISC-V privileged architecture.
 */
#include <efi.h>
#include <efilib.h>

#include "boot/arch.h"
#include "boot/bytes.h"

const struct elf_target arch_elf_target = {.machine = 243 /* EM_RISCV */, .relative = 3};
const char arch_name[] = "riscv64";

/* satp (12.1.11) */
#define SATP_MODE_SHIFT 60
#define SATP_BARE       0ULL
#define SATP_SV39       8ULL
#define SATP_SV48       9ULL
#define SATP_SV57       10ULL
#define PAGE_BITS       12

#define SSTATUS_SIE 2ULL

/* UEFI's RISC-V boot protocol specification */
#define RISCV_BOOT_PROTOCOL_GUID                           \
    {                                                      \
        0xccd15fec, 0x6f73, 0x4eec,                        \
        {                                                  \
            0x83, 0x95, 0x3e, 0x69, 0xe4, 0xb9, 0x40, 0xbf \
        }                                                  \
    }

struct riscv_boot_protocol {
    uint64_t revision;
    EFI_STATUS(EFIAPI *get_boot_hart)(struct riscv_boot_protocol *self, UINTN *hart);
};

_Noreturn void trampoline_enter(uint64_t satp, uint64_t stack_top, uint64_t entry, uint64_t info);

uint64_t arch_counter(void)
{
    uint64_t value;

    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

static uint64_t read_satp(void)
{
    uint64_t value;

    __asm__ volatile("csrr %0, satp" : "=r"(value));
    return value;
}

/*
 * Whether the hart takes a paging mode: a write of one that it does not have leaves satp alone.
 * `root` maps all low memory to itself in that mode. Interrupts are off meanwhile; the firmware's
 * own mode is back afterwards.
 */
static bool try_mode(uint64_t mode, const uint64_t *root)
{
    uint64_t satp = mode << SATP_MODE_SHIFT | (uintptr_t)root >> PAGE_BITS;
    uint64_t before, seen, status;

    __asm__ volatile("csrrci %[status], sstatus, 2\n\t"
                     "csrr %[before], satp\n\t"
                     "sfence.vma\n\t"
                     "csrw satp, %[satp]\n\t"
                     "sfence.vma\n\t"
                     "csrr %[seen], satp\n\t"
                     "csrw satp, %[before]\n\t"
                     "sfence.vma"
                     : [status] "=&r"(status), [before] "=&r"(before), [seen] "=&r"(seen)
                     : [satp] "r"(satp)
                     : "memory");
    if (status & SSTATUS_SIE)
        __asm__ volatile("csrsi sstatus, 2" : : : "memory");
    return seen == satp;
}

/* The best mode that the hart has and the kernel uses, or SATP_BARE. */
static uint64_t find_mode(void)
{
    uint64_t mode = read_satp() >> SATP_MODE_SHIFT, found = SATP_BARE;
    EFI_PHYSICAL_ADDRESS page;

    if (mode == SATP_SV48 || mode == SATP_SV57)
        return SATP_SV48; /* a hart with Sv57 has Sv48 (12.6) */
    if (EFI_ERROR(BS->AllocatePages(AllocateAnyPages, EfiLoaderData, 1, &page)))
        return mode;
    uint64_t *root = (uint64_t *)page;
    struct boot_layout all = {.levels = 4};
    for (uint64_t i = 0; i < 256; i++) /* leaves of 512 GiB, then of 1 GiB: the lower half */
        root[i] = arch_entry_leaf(&all, i << 39, 3, PAGE_WRITE) |
                  arch_entry_leaf(&all, i << 39, 3, PAGE_EXECUTE);
    if (try_mode(SATP_SV48, root))
        found = SATP_SV48;
    for (uint64_t i = 0; i < 256; i++)
        root[i] = arch_entry_leaf(&all, i << 30, 2, PAGE_WRITE) |
                  arch_entry_leaf(&all, i << 30, 2, PAGE_EXECUTE);
    if (!found && (mode == SATP_SV39 || try_mode(SATP_SV39, root)))
        found = SATP_SV39;
    BS->FreePages(page, 1);
    return found;
}

const char *arch_choose_layout(struct boot_layout *layout)
{
    uint64_t mode = find_mode();

    *layout = (struct boot_layout){
        .kernel_virt = 0xffffffff80000000,
        .direct_map_base = mode == SATP_SV48 ? 0xffff800000000000 : 0xffffffc000000000,
        .direct_map_size = mode == SATP_SV48 ? 64ULL << 40 : 128ULL << 30,
        .phys_limit = mode == SATP_SV48 ? 64ULL << 40 : 128ULL << 30,
        .identity_limit = mode == SATP_SV48 ? 64ULL << 40 : 256ULL << 30,
        .levels = mode == SATP_SV48 ? 4 : 3,
        .gigabyte_leaves = true,
        .mode = mode,
    };
    return mode == SATP_BARE ? "this hart has neither Sv48 nor Sv39 paging" : NULL;
}

uint64_t arch_boot_cpu(void)
{
    EFI_GUID guid = RISCV_BOOT_PROTOCOL_GUID;
    struct riscv_boot_protocol *protocol;
    UINTN hart;

    if (!EFI_ERROR(BS->LocateProtocol(&guid, NULL, (void **)&protocol)) &&
        !EFI_ERROR(protocol->get_boot_hart(protocol, &hart)))
        return hart;
    Print(L"The firmware does not say which hart this is: taken for hart 0.\r\n");
    return 0;
}

bool arch_map_own(struct page_tables *tables)
{
    (void)tables;
    return true;
}

void arch_publish(const void *start, size_t size)
{
    (void)start;
    (void)size;
    __asm__ volatile("fence rw, rw\n\tfence.i" : : : "memory");
}

void arch_enter_kernel(const struct handover *handover)
{
    trampoline_enter(handover->layout->mode << SATP_MODE_SHIFT | handover->root >> PAGE_BITS,
                     handover->stack_top, handover->entry, handover->info);
}
