/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the files of the aarch64 host tell each other. */
#ifndef ARCH_AARCH64_HOST_HOST_H
#define ARCH_AARCH64_HOST_HOST_H

#include "boot/boot_info.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "mm/page_table.h"

/* What host_init() still needs of the hand-over: copied by host_early_init(). */
struct arm_boot {
    uint64_t kernel_phys, kernel_virt;
    uint64_t efi_system_table;
    uint64_t efi_memory_attributes, efi_memory_map, efi_memory_map_size;
    uint32_t efi_descriptor_size;
};
extern struct arm_boot arm_boot;

/* The physical address of something inside the kernel's image. */
static inline hpa_t image_to_phys(const void *p)
{
    return HPA((uint64_t)p - arm_boot.kernel_virt + arm_boot.kernel_phys);
}

/* paging.c */
void paging_init(const struct boot_info *info);
/* The translation control register for the kernel's tables on this CPU. */
uint64_t paging_tcr(void);
uint64_t paging_sctlr(void);
/* Adds the kernel to tables for TTBR0 that map one to one: without VHE its half is in the same
 * root, else in TTBR1 anyway. */
void paging_share_kernel(struct page_table *pt);
/* Puts what boot_info promised and what the kernel adds into SCTLR, CPTR, HCR and timer control of
 * this CPU. */
void cpu_controls_init(void);
uint64_t cpu_hcr(void);
/* The part that guests change, back to the kernel's. */
void cpu_guest_controls_off(void);
/* Cleans [va, va + size) to the point of coherency. */
void cache_clean(const void *va, size_t size);
/* The same, and nothing of it stays in the caches. */
void cache_clean_invalidate(const void *va, size_t size);
/* All CPUs fetch what was written there; `cleaned`: it was cleaned just before. */
void cache_sync_fetches(const void *va, size_t size, bool cleaned);

/* gic.c. ERR_UNSUPPORTED when this machine's controller cannot be used: said in the log. */
enum err gic_init(void) MUST_CHECK;
/* What this CPU has of it. */
enum err gic_cpu_init(struct cpu *cpu) MUST_CHECK;
/* Takes and handles everything that is pending. Masked. */
void gic_handle(void);
unsigned gic_maintenance_irq(void);
void gic_report(struct out *out);
/* From now on timer(vcpu) is called when the virtual timer's interrupt comes on this CPU, which
 * stays active until the guest's end of interrupt, and maintenance(vcpu) when its list registers
 * want to be looked at. NULL: nobody's from now on. Masked. */
void gic_guest_interrupts(void *vcpu, void (*timer)(void *vcpu), void (*maintenance)(void *vcpu));
/* Makes the virtual timer's interrupt active on this CPU, for a guest that has one that it has not
 * ended yet, or ends it in the guest's stead. */
void gic_guest_timer_hold(bool held);
/* Private interrupt `irq` of this CPU: unmask, level triggered. */
void gic_ppi_enable(unsigned irq);

/* timer.c */
enum err arm_timer_init(void) MUST_CHECK;
void arm_timer_cpu_init(void);
/* The PPI of the guests' virtual timer, and of this kernel's own. */
unsigned arm_timer_virtual_irq(void);
unsigned arm_timer_irq(void);

/* psci.c */
void psci_init(void);
bool psci_present(void);
enum err psci_cpu_on(uint64_t mpidr, hpa_t entry, uint64_t context) MUST_CHECK;
void psci_poweroff(void);
void psci_reset(void);
void psci_report(struct out *out);

struct smccc_result {
    uint64_t x0, x1, x2, x3;
};
/* Calls the firmware by the conduit that psci_init() found (SMCCC, DEN0028). */
struct smccc_result smccc_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

/* efi.c: ResetSystem in tables of its own; both return when the firmware has no such service or it
 * came back. */
enum efi_reset { EFI_RESET_COLD = 0, EFI_RESET_WARM = 1, EFI_RESET_SHUTDOWN = 2 };
void efi_init(void);
void efi_reset_system(enum efi_reset how);

extern char host_vectors[];
extern char el2_refused[]; /* el2/switch.S */
extern char boot_emergency_top[], boot_stack_top[];

#endif
