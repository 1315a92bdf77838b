/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The virtual CPU interface of a GICv2 (IHI 0048B, 5.3): the canonical state is in the form of the
 * GICv3's registers, whose control words have their fields at the same places. */
#include "arch/aarch64/host/el2/el2.h"
#include "arch/aarch64/host/gic.h"

/* GICH_LR<n>, 5.3.7 */
#define LR_ID             0x3ffu
#define LR_PHYSICAL_SHIFT 10
#define LR_PHYSICAL       0x3ffu
#define LR_CPU            (7u << 10) /* of a software interrupt */
#define LR_EOI            (1u << 19)
#define LR_PRIORITY_SHIFT 23 /* its five bits are the upper ones of eight */
#define LR_PENDING        (1u << 28)
#define LR_ACTIVE         (1u << 29)
#define LR_GROUP1         (1u << 30)
#define LR_HW             (1u << 31)
#define VTR_COUNT         0x3fu

static uint32_t to_v2(uint64_t lr)
{
    uint32_t value = (lr & (LR_ID | LR_CPU)) | (uint32_t)(lr >> (ARM_LR_PRIORITY + 3) & 0x1f)
                                                   << LR_PRIORITY_SHIFT;

    if (lr & ARM_LR_HW)
        value = (value & ~LR_CPU) | LR_HW |
                (uint32_t)(lr >> ARM_LR_PINTID & LR_PHYSICAL) << LR_PHYSICAL_SHIFT;
    else if (lr & ARM_LR_EOI)
        value |= LR_EOI;
    return value | (lr & ARM_LR_PENDING ? LR_PENDING : 0) | (lr & ARM_LR_ACTIVE ? LR_ACTIVE : 0) |
           (lr & ARM_LR_GROUP1 ? LR_GROUP1 : 0);
}

static uint64_t from_v2(uint32_t value)
{
    uint64_t lr = (value & LR_ID) | (uint64_t)(value >> LR_PRIORITY_SHIFT & 0x1f)
                                        << (ARM_LR_PRIORITY + 3);

    if (value & LR_HW)
        lr |= ARM_LR_HW | (uint64_t)(value >> LR_PHYSICAL_SHIFT & LR_PHYSICAL) << ARM_LR_PINTID;
    else
        lr |= (value & LR_CPU) | (value & LR_EOI ? ARM_LR_EOI : 0);
    return lr | (value & LR_PENDING ? ARM_LR_PENDING : 0) |
           (value & LR_ACTIVE ? ARM_LR_ACTIVE : 0) | (value & LR_GROUP1 ? ARM_LR_GROUP1 : 0);
}

unsigned gich_count(void)
{
    return (mmio_read32(gic.virtual_control + GICH_VTR) & VTR_COUNT) + 1;
}

/* Both groups have one register of active priorities. */
void gich_save(struct arm_gic *g)
{
    g->vmcr = mmio_read32(gic.virtual_control + GICH_VMCR);
    g->ap0r[0] = mmio_read32(gic.virtual_control + GICH_APR);
}

void gich_load(const struct arm_gic *g)
{
    mmio_write32(gic.virtual_control + GICH_VMCR, (uint32_t)g->vmcr);
    mmio_write32(gic.virtual_control + GICH_APR, (uint32_t)g->ap0r[0]);
}

uint64_t gich_list_read(unsigned i)
{
    return from_v2(mmio_read32(gic.virtual_control + GICH_LR + 4UL * i));
}

void gich_list_write(unsigned i, uint64_t value)
{
    mmio_write32(gic.virtual_control + GICH_LR + 4UL * i, to_v2(value));
}

uint64_t gich_hcr_read(void)
{
    return mmio_read32(gic.virtual_control + GICH_HCR);
}

void gich_hcr_write(uint64_t value)
{
    mmio_write32(gic.virtual_control + GICH_HCR, (uint32_t)value);
}
