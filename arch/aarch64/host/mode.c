/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Finds out at which exception level and with which register names the kernel runs, and rewrites it
 * accordingly. */
#include "arch/aarch64/host/mode.h"
#include "arch/aarch64/host/sysreg.h"
#include "boot/boot_info.h"
#include "kernel/table.h"
#include "kernel/types.h"

struct mode_patch {
    int32_t offset; /* from this field to the instruction */
    uint32_t nvhe, el1;
};
TABLE_DECLARE(mode_patches, struct mode_patch);

enum arm_mode arm_mode;

static enum arm_mode mode_find(void)
{
    if ((sysreg_read(CurrentEL) >> CURRENTEL_SHIFT & 3) == 1)
        return MODE_EL1;
    return sysreg_read(hcr_el2) & HCR_E2H ? MODE_VHE : MODE_NVHE;
}

/* The text is mapped without write permission: the direct map is the way in. Makes each word
 * visible to instruction fetch (Arm ARM B2.7.4.1). */
static void patch(const struct boot_info *info, uint64_t va, uint32_t insn)
{
    uint64_t alias = info->direct_map_base + info->kernel_phys + (va - info->kernel_virt);

    *(volatile uint32_t *)alias = insn;
    __asm__ volatile("dc cvau, %0\n dsb ish\n ic ivau, %1\n" ::"r"(alias), "r"(va) : "memory");
}

void mode_init(const struct boot_info *info)
{
    enum arm_mode mode = mode_find();

    if (mode != MODE_VHE)
        TABLE_FOR_EACH(mode_patches, struct mode_patch, p)
    patch(info, (uint64_t)&p->offset + (uint64_t)(int64_t)p->offset,
          mode == MODE_NVHE ? p->nvhe : p->el1);
    __asm__ volatile("ic iallu\n dsb ish\n isb" ::: "memory");
    arm_mode = mode;
}

const char *mode_text(void)
{
    static const char *const texts[] = {
        [MODE_VHE] = "EL2 with virtualization host extensions (VHE)",
        [MODE_NVHE] = "EL2 without virtualization host extensions",
        [MODE_EL1] = "EL1",
    };

    return texts[arm_mode];
}
