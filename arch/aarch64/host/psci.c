/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The firmware's power interface: PSCI (DEN0022F) over SMCCC (DEN0028), its conduit as ACPI or the
 * device tree says. */
#include "arch/aarch64/host/host.h"
#include "drivers/acpi.h"
#include "drivers/fdt.h"

#define PSCI_VERSION      0x84000000u
#define PSCI_CPU_ON       0xc4000003u
#define PSCI_SYSTEM_OFF   0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u

/* Return error codes, 5.2.2 */
#define PSCI_SUCCESS    0
#define PSCI_ALREADY_ON (-4)
#define PSCI_ON_PENDING (-5)

enum conduit { CONDUIT_NONE, CONDUIT_HVC, CONDUIT_SMC };
static enum conduit conduit;
static unsigned version_major, version_minor;
static uint64_t cpu_on_id = PSCI_CPU_ON;

#define SMCCC_CALL(insn)                                                                      \
    __asm__ volatile(insn " #0"                                                               \
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                                 \
                     :                                                                        \
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", \
                       "x15", "x16", "x17", "memory")

struct smccc_result smccc_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    if (conduit == CONDUIT_HVC)
        SMCCC_CALL("hvc");
    else if (conduit == CONDUIT_SMC)
        SMCCC_CALL("smc");
    else
        x0 = ~0ULL;
    return (struct smccc_result){x0, x1, x2, x3};
}

static enum conduit conduit_from_acpi(void)
{
    const struct acpi_fadt *fadt = (const struct acpi_fadt *)acpi_find_sized(
        "FACP", offsetof(struct acpi_fadt, minor_version));

    if (!fadt || !(fadt->arm_boot_arch & ACPI_FADT_ARM_PSCI))
        return CONDUIT_NONE;
    return fadt->arm_boot_arch & ACPI_FADT_ARM_PSCI_HVC ? CONDUIT_HVC : CONDUIT_SMC;
}

static enum conduit conduit_from_fdt(void)
{
    static const char *const names[] = {"arm,psci-1.0", "arm,psci-0.2", "arm,psci", NULL};
    int node = fdt_next_compatible_any(-1, names, NULL);
    const char *method = node < 0 ? NULL : fdt_text(node, "method");

    if (!method)
        return CONDUIT_NONE;
    /* PSCI 0.1 has no fixed function numbers. */
    cpu_on_id = fdt_u32(node, "cpu_on", PSCI_CPU_ON);
    return method[0] == 'h' ? CONDUIT_HVC : CONDUIT_SMC;
}

void psci_init(void)
{
    uint32_t version;

    conduit = acpi_present() ? conduit_from_acpi() : conduit_from_fdt();
    /* HVC from EL2 would come back to ourselves. */
    if (conduit == CONDUIT_HVC && arm_mode != MODE_EL1)
        conduit = CONDUIT_SMC;
    if (conduit == CONDUIT_NONE) {
        log_warn("firmware: no PSCI: only the boot CPU runs, and power off depends on the "
                 "firmware's runtime services");
        return;
    }
    version = (uint32_t)smccc_call(PSCI_VERSION, 0, 0, 0).x0;
    version_major = version >> 16;
    version_minor = version & 0xffff;
}

bool psci_present(void)
{
    return conduit != CONDUIT_NONE;
}

enum err psci_cpu_on(uint64_t mpidr, hpa_t entry, uint64_t context)
{
    int32_t status;

    if (conduit == CONDUIT_NONE)
        return ERR_UNSUPPORTED;
    status = (int32_t)smccc_call(cpu_on_id, mpidr, entry.v, context).x0;
    if (status == PSCI_SUCCESS || status == PSCI_ON_PENDING)
        return ERR_OK;
    log_warn("CPU 0x%llx: the firmware refuses to start it (PSCI status %d)",
             (unsigned long long)mpidr, (int)status);
    return status == PSCI_ALREADY_ON ? ERR_EXISTS : ERR_IO;
}

void psci_poweroff(void)
{
    smccc_call(PSCI_SYSTEM_OFF, 0, 0, 0);
}

void psci_reset(void)
{
    smccc_call(PSCI_SYSTEM_RESET, 0, 0, 0);
}

void psci_report(struct out *out)
{
    if (conduit == CONDUIT_NONE)
        out_printf(out, "firmware: no PSCI\n");
    else
        out_printf(out, "firmware: PSCI %u.%u by %s\n", version_major, version_minor,
                   conduit == CONDUIT_HVC ? "HVC" : "SMC");
}
