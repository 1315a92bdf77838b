/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the firmware's SBI offers. */
#include "sbi.h"

/* SBI 2.0, table 4: implementation ids. */
static const char *const implementations[] = {
    "BBL",    "OpenSBI", "Xvisor",        "KVM",      "RustSBI", "Diosix",
    "Coffer", "Xen",     "PolarFire HSS", "coreboot", "oreboot", "bhyve",
};

bool sbi_has(unsigned long id)
{
    struct sbi_result r = sbi_call(SBI_EXT_BASE, SBI_BASE_PROBE, id, 0, 0, 0);

    return r.error == 0 && r.value != 0;
}

void sbi_describe(struct out *out)
{
    unsigned long spec = sbi_call(SBI_EXT_BASE, SBI_BASE_SPEC_VERSION, 0, 0, 0, 0).value;
    unsigned long id = sbi_call(SBI_EXT_BASE, SBI_BASE_IMPL_ID, 0, 0, 0, 0).value;
    unsigned long version = sbi_call(SBI_EXT_BASE, SBI_BASE_IMPL_VERSION, 0, 0, 0, 0).value;

    if (id < ARRAY_SIZE(implementations))
        out_printf(out, "%s ", implementations[id]);
    else
        out_printf(out, "implementation %lu ", id);
    out_printf(out, "%lu.%lu, SBI %lu.%lu", version >> 16, version & 0xffff, spec >> 24 & 0x7f,
               spec & 0xffffff);
}
