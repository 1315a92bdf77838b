/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Memory type range registers: all CPUs must have the same (SDM 3, 12.11.8). Firmware sees to that;
 * where it did not, we do. */
#include <string.h>
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"

#define VARIABLE_MAX 32

static const uint32_t fixed_msrs[] = {
    MSR_MTRR_FIX64K,          MSR_MTRR_FIX16K_80000,    MSR_MTRR_FIX16K_A0000,
    MSR_MTRR_FIX4K_C0000,     MSR_MTRR_FIX4K_C0000 + 1, MSR_MTRR_FIX4K_C0000 + 2,
    MSR_MTRR_FIX4K_C0000 + 3, MSR_MTRR_FIX4K_C0000 + 4, MSR_MTRR_FIX4K_C0000 + 5,
    MSR_MTRR_FIX4K_C0000 + 6, MSR_MTRR_FIX4K_C0000 + 7,
};

struct mtrrs {
    uint64_t def_type;
    uint64_t fixed[ARRAY_SIZE(fixed_msrs)];
    uint64_t variable[2 * VARIABLE_MAX]; /* base and mask in turn, as the MSRs lie */
};

static struct mtrrs boot_mtrrs;

static unsigned variable_count(void)
{
    return 2 * MIN(MTRR_CAP_COUNT(msr_read(MSR_MTRR_CAP)), (uint64_t)VARIABLE_MAX);
}

static void read_all(struct mtrrs *m)
{
    memset(m, 0, sizeof(*m));
    m->def_type = msr_read(MSR_MTRR_DEF_TYPE);
    for (unsigned i = 0; i < ARRAY_SIZE(fixed_msrs) && (msr_read(MSR_MTRR_CAP) & MTRR_CAP_FIXED);
         i++)
        m->fixed[i] = msr_read(fixed_msrs[i]);
    for (unsigned i = 0; i < variable_count(); i++)
        m->variable[i] = msr_read(MSR_MTRR_PHYS_BASE0 + i);
}

/* The sequence of SDM 3, 12.11.8, interrupts masked. */
static void write_all(const struct mtrrs *m)
{
    uint64_t cr0 = cr0_read();
    uint64_t cr4 = cr4_read();

    cr0_write((cr0 | CR0_CD) & ~(uint64_t)CR0_NW);
    __asm__ volatile("wbinvd" ::: "memory");
    cr4_write(cr4 & ~(uint64_t)CR4_PGE);
    cr3_write(cr3_read());
    msr_write(MSR_MTRR_DEF_TYPE, m->def_type & ~(uint64_t)MTRR_DEF_TYPE_ENABLE);
    for (unsigned i = 0; i < ARRAY_SIZE(fixed_msrs) && (msr_read(MSR_MTRR_CAP) & MTRR_CAP_FIXED);
         i++)
        msr_write(fixed_msrs[i], m->fixed[i]);
    for (unsigned i = 0; i < variable_count(); i++)
        msr_write(MSR_MTRR_PHYS_BASE0 + i, m->variable[i]);
    msr_write(MSR_MTRR_DEF_TYPE, m->def_type);
    __asm__ volatile("wbinvd" ::: "memory");
    cr3_write(cr3_read());
    cr0_write(cr0);
    cr4_write(cr4);
}

void mtrr_save(void)
{
    if (cpu_features()->mtrr)
        read_all(&boot_mtrrs);
}

void mtrr_sync(void)
{
    struct mtrrs own;

    if (!cpu_features()->mtrr)
        return;
    read_all(&own);
    if (memcmp(&own, &boot_mtrrs, sizeof(own)) != 0)
        write_all(&boot_mtrrs);
}
