/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What this CPU and this machine can do, from the ID registers, in plain words. */
#include "arch/aarch64/host/host.h"
#include "arch/aarch64/host/speculation.h"

#define ID_AA64ISAR1_EL1 S3_0_C0_C6_1
#define ID_AA64ISAR2_EL1 S3_0_C0_C6_2
#define ID_AA64MMFR1_EL1 S3_0_C0_C7_1
#define ID_AA64MMFR2_EL1 S3_0_C0_C7_2

/* MIDR_EL1, D19.2.102 */
static const char *implementer(unsigned code)
{
    static const struct {
        unsigned char code;
        const char *name;
    } names[] = {{0x41, "Arm"},       {0x42, "Broadcom"},  {0x43, "Cavium"}, {0x46, "Fujitsu"},
                 {0x48, "HiSilicon"}, {0x4e, "NVIDIA"},    {0x50, "APM"},    {0x51, "Qualcomm"},
                 {0x61, "Apple"},     {0x6d, "Microsoft"}, {0xc0, "Ampere"}, {0x00, "generic"}};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].code == code)
            return names[i].name;
    return "unknown maker";
}

/* PARange, D19.2.64 */
static unsigned address_bits(void)
{
    static const uint8_t bits[] = {32, 36, 40, 42, 44, 48, 52, 56};
    unsigned range = id_field(sysreg_read(id_aa64mmfr0_el1), 0);

    return range < ARRAY_SIZE(bits) ? bits[range] : 48;
}

struct feature {
    const char *name;
    bool present;
};

static void list(struct out *out, const char *title, const struct feature *f, unsigned count)
{
    out_printf(out, "%s:", title);
    for (unsigned i = 0; i < count; i++)
        if (f[i].present)
            out_printf(out, " %s", f[i].name);
    out_printf(out, "; lacks:");
    for (unsigned i = 0; i < count; i++)
        if (!f[i].present)
            out_printf(out, " %s", f[i].name);
    out_printf(out, "\n");
}

static void report_features(struct out *out)
{
    uint64_t pfr0 = sysreg_read(id_aa64pfr0_el1), isar0 = sysreg_read(id_aa64isar0_el1);
    uint64_t isar1 = sysreg_read(ID_AA64ISAR1_EL1), isar2 = sysreg_read(ID_AA64ISAR2_EL1);
    uint64_t pfr1 = sysreg_read(id_aa64pfr1_el1);
    const struct feature features[] = {
        {"floating point", id_field(pfr0, 16) != 0xf},
        {"LSE atomics", id_field(isar0, 20) >= 2},
        {"CRC32", id_field(isar0, 16) != 0},
        {"AES", id_field(isar0, 4) != 0},
        {"SHA2", id_field(isar0, 12) != 0},
        {"random numbers", id_field(isar0, 60) != 0},
        {"SVE", id_field(pfr0, 32) != 0},
        {"SME", id_field(pfr1, 24) != 0},
        {"pointer authentication", (isar1 & 0xff000ff0) || (isar2 & 0xff00)},
        {"BTI", id_field(pfr1, 0) != 0},
        {"MTE", id_field(pfr1, 8) >= 2},
        {"LRCPC", id_field(isar1, 20) != 0},
    };

    list(out, "features", features, ARRAY_SIZE(features));
}

static void report_virtualization(struct out *out)
{
    uint64_t mmfr1 = sysreg_read(ID_AA64MMFR1_EL1), pfr0 = sysreg_read(id_aa64pfr0_el1);
    unsigned bits = address_bits();

    if (arm_mode == MODE_EL1) {
        out_printf(out,
                   "virtualization: none: the firmware started Ennead at EL1, so guests of this "
                   "machine's own "
                   "kind cannot run on the hardware; %s\n",
                   id_field(pfr0, 8)
                       ? "the firmware or a hypervisor below keeps EL2 for itself"
                       : "this CPU offers no EL2 (under QEMU: -M virt,virtualization=on)");
        return;
    }
    out_printf(out, "virtualization: %s, %u-bit VMIDs, guest addresses up to %u bits%s\n",
               mode_text(), id_field(mmfr1, 4) == 2 ? 16 : 8, bits,
               id_field(sysreg_read(ID_AA64MMFR2_EL1), 24)
                   ? ", nested virtualization in hardware (unused)"
                   : "");
}

void host_cpu_report(struct out *out)
{
    uint64_t midr = sysreg_read(midr_el1);

    out_printf(out, "CPU: %s, part 0x%03x, revision r%up%u, %u physical address bits\n",
               implementer(midr >> 24 & 0xff), (unsigned)(midr >> 4 & 0xfff),
               (unsigned)(midr >> 20 & 0xf), (unsigned)(midr & 0xf), address_bits());
    report_features(out);
    report_virtualization(out);
}

void host_report(struct out *out)
{
    out_printf(out, "runs at %s\n", mode_text());
    gic_report(out);
    out_printf(out, "timer: %s\n", host_clock_name());
    psci_report(out);
    speculation_report(out);
}
