/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What this host is and what it cannot do, in plain words. */
#include "host_internal.h"
#include "isa.h"
#include "kernel/log.h"
#include "mm/page_table.h"
#include "sbi.h"

#include <string.h>

/* The widest hgatp mode and VMID that the hart keeps when they are written (21.2.10). Masked; no
 * guest is loaded. */
static uint64_t hgatp_try(uint64_t value)
{
    uint64_t old = csr_swap(CSR_HGATP, value), got = csr_read(CSR_HGATP);

    csr_write(CSR_HGATP, old);
    return got;
}

static unsigned hgeie_width(void)
{
    uint64_t old = csr_swap(CSR_HGEIE, ~0UL), got = csr_read(CSR_HGEIE);

    csr_write(CSR_HGEIE, old);
    return (unsigned)__builtin_popcountl(got);
}

static void report_gstage(struct out *out)
{
    static const struct {
        uint64_t mode;
        const char *name;
    } modes[] = {{ATP_MODE_SV39, "Sv39x4"}, {ATP_MODE_SV48, "Sv48x4"}, {ATP_MODE_SV57, "Sv57x4"}};
    uint64_t flags = host_irq_save();

    out_printf(out, "second stage");
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
        if (hgatp_try(modes[i].mode << ATP_MODE_SHIFT) >> ATP_MODE_SHIFT == modes[i].mode)
            out_printf(out, " %s", modes[i].name);
    out_printf(out, ", %d VMID bits, %u guest interrupt files\n",
               __builtin_popcountl(hgatp_try(ATP_MODE_SV39 << ATP_MODE_SHIFT |
                                             HGATP_VMID_MASK << HGATP_VMID_SHIFT) >>
                                       HGATP_VMID_SHIFT &
                                   HGATP_VMID_MASK),
               hgeie_width());
    host_irq_restore(flags);
}

static void report_features(struct out *out, uint64_t features)
{
    for (unsigned i = 0; i < ISA_COUNT; i++)
        if (features & BIT(i))
            out_printf(out, " %s", isa_name((enum isa_feature)i));
}

void host_cpu_report(struct out *out)
{
    const struct cpu *cpu = this_cpu();
    bool h = cpu->host.features & BIT(ISA_H);

    out_printf(out, "CPU %u: hart %lu, features", cpu->id, cpu->hw_id);
    report_features(out, cpu->host.features);
    out_printf(out, "\n");
    if (!h) {
        out_printf(out, "virtualization: none, the CPU lacks the H (hypervisor) extension: guests "
                        "cannot run on the hardware\n");
        return;
    }
    out_printf(out, "virtualization: H extension, ");
    report_gstage(out);
}

void host_report(struct out *out)
{
    const struct host_layout *l = host_layout();
    const char *isa = cpus_isa_string();
    uint64_t features = cpu_boot()->host.features;

    out_printf(out, "firmware: ");
    sbi_describe(out);
    out_printf(out, "\nISA: ");
    if (*isa)
        out_write(out, isa, strlen(isa)); /* longer than what out_printf() formats at once */
    else
        out_printf(out, "not given by the firmware");
    out_printf(out, "\n");
    out_printf(out, "page tables: %s, direct map of %lu GiB\n", host_pt_format()->name,
               l->direct_map_size >> 30);
    out_printf(out, "clock: %s, %lu kHz\n", host_clock_name(), host_counter_hz() / 1000);
    out_printf(out, "interrupt controller: %s, IPIs by %s\n", host_irq_name(), irq_ipi_name());
    out_printf(out, "copies: unaligned data %s\n",
               unaligned_reads() ? "read as it lies" : "put together from aligned words");
    if (!(features & BIT(ISA_SSTC)))
        out_printf(out,
                   "no Sstc: each timer of the host and of guests costs a call to the firmware\n");
    if (!(features & BIT(ISA_SVPBMT)))
        out_printf(out,
                   "no Svpbmt: memory types come from the machine's physical memory attributes\n");
    if (!(features & BIT(ISA_V)))
        out_printf(out, "no vector extension: guests get none\n");
    if (!sbi_has(SBI_EXT_SRST))
        out_printf(out, "no SBI system reset: power off and reset only by EFI\n");
}
