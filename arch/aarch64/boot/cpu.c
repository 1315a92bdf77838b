/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* aarch64 part of the loader: features, layout, caches. Register names: Arm ARM, D24. */
#include <efi.h>
#include <efilib.h>

#include "arch/aarch64/boot/regime.h"
#include "boot/arch.h"
#include "boot/bytes.h"

const struct elf_target arch_elf_target = {.machine = 183 /* EM_AARCH64 */, .relative = 1027};
const char arch_name[] = "aarch64";

#define CURRENT_EL_SHIFT 2
#define MMFR1_VH_SHIFT   8
#define MMFR0_PARANGE    0xf
#define PARANGE_48BIT    5
#define MPIDR_AFFINITY   0xff00ffffffULL
#define CTR_DLINE_SHIFT  16 /* CTR_EL0.DminLine: log2 of words */

/* TCR_EL1, TCR_EL2: 48-bit addresses, 4 KiB granule, write-back inner shareable walks */
#define TCR_T0SZ      16ULL
#define TCR_WALK0     (0x35ULL << 8) /* IRGN0 = ORGN0 = 1, SH0 = 3 */
#define TCR_T1SZ      (16ULL << 16)
#define TCR_WALK1     (0x35ULL << 24)
#define TCR_TG1_4K    (2ULL << 30)
#define TCR_IPS_SHIFT 32 /* EL1 and VHE */
#define TCR_PS_SHIFT  16 /* EL2 without VHE */
#define TCR_EL2_RES1  (1ULL << 31 | 1ULL << 23)

#define read_register(name)                               \
    ({                                                    \
        uint64_t value_;                                  \
        __asm__ volatile("mrs %0, " name : "=r"(value_)); \
        value_;                                           \
    })

_Noreturn void trampoline_enter(uint64_t low_root, uint64_t root, uint64_t stack_top,
                                uint64_t entry, uint64_t info, uint64_t tcr, uint64_t regime);

uint64_t arch_counter(void)
{
    __asm__ volatile("isb");
    return read_register("cntpct_el0");
}

static uint64_t find_regime(void)
{
    if (read_register("CurrentEL") >> CURRENT_EL_SHIFT != 2)
        return REGIME_EL1;
    return (read_register("id_aa64mmfr1_el1") >> MMFR1_VH_SHIFT) & 0xf ? REGIME_VHE : REGIME_EL2;
}

const char *arch_choose_layout(struct boot_layout *layout)
{
    uint64_t regime = find_regime();
    bool split = regime != REGIME_EL2;

    *layout = (struct boot_layout){
        .kernel_virt = split ? 0xffffffff80000000 : 0x0000ffff80000000,
        .direct_map_base = split ? 0xffff800000000000 : 0x0000800000000000,
        .direct_map_size = 64ULL << 40,
        .phys_limit = 64ULL << 40,
        .identity_limit = 64ULL << 40,
        .levels = 4,
        .gigabyte_leaves = true,
        .split = split,
        .mode = regime,
    };
    return NULL;
}

uint64_t arch_boot_cpu(void)
{
    return read_register("mpidr_el1") & MPIDR_AFFINITY;
}

bool arch_map_own(struct page_tables *tables)
{
    (void)tables;
    return true;
}

/* Arm ARM, B2.7.4.2: clean data to the point of coherency, then invalidate instructions. */
void arch_publish(const void *start, size_t size)
{
    uint64_t ctr = read_register("ctr_el0");
    uint64_t data_line = 4ULL << ((ctr >> CTR_DLINE_SHIFT) & 0xf);
    uintptr_t from = (uintptr_t)start, end = from + size;

    for (uintptr_t at = align_down(from, data_line); at < end; at += data_line)
        __asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" : : : "memory");
}

static uint64_t translation_control(uint64_t regime)
{
    uint64_t range = read_register("id_aa64mmfr0_el1") & MMFR0_PARANGE;

    if (range > PARANGE_48BIT)
        range = PARANGE_48BIT; /* wider needs another granule or FEAT_LPA2 */
    if (regime == REGIME_EL2)
        return TCR_EL2_RES1 | TCR_T0SZ | TCR_WALK0 | range << TCR_PS_SHIFT;
    return TCR_T0SZ | TCR_WALK0 | TCR_T1SZ | TCR_WALK1 | TCR_TG1_4K | range << TCR_IPS_SHIFT;
}

void arch_enter_kernel(const struct handover *handover)
{
    uint64_t regime = handover->layout->mode;

    trampoline_enter(handover->low_root, handover->root, handover->stack_top, handover->entry,
                     handover->info, translation_control(regime), regime);
}
