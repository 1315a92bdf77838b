/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Names the machine's IOMMU for the boot report. */
#include "drivers/iommu.h"

#include "drivers/acpi.h"
#include "drivers/fdt.h"

/* Each kind by its ACPI table (the header is enough: whether units are in use is not asked) or by
 * its device tree bindings. */
static const struct iommu_kind {
    const char *name;
    char table[5];
    const char *compatible[3];
} kinds[] = {
    {"VT-d", "DMAR", {NULL}},   /* Intel VT-d 4.1, 8.1 */
    {"AMD-Vi", "IVRS", {NULL}}, /* AMD I/O Virtualization 3.08, 5.2 */
    {"SMMUv3", "", {"arm,smmu-v3", NULL}},
    {"SMMU", "", {"arm,mmu-500", "arm,smmu-v2", NULL}},
    {"RISC-V IOMMU", "RIMT", {"riscv,iommu", "riscv,pci-iommu", NULL}},
};

/* Arm's IO Remapping Table (DEN 0049E): nodes from `nodes_offset` on, each with type and length. */
#define IORT_NODE_SMMU   3
#define IORT_NODE_SMMUV3 4
struct iort {
    struct acpi_header header;
    uint32_t node_count, nodes_offset, reserved;
} PACKED;
struct iort_node {
    uint8_t type;
    uint16_t length;
} PACKED;

static const char *in_iort(void)
{
    const struct iort *iort = ACPI_FIND(struct iort, "IORT");
    size_t at = iort ? iort->nodes_offset : 0;

    for (uint32_t i = 0; iort && i < iort->node_count; i++) {
        const struct iort_node *node = (const void *)((const uint8_t *)iort + at);

        if (at < sizeof(*iort) || at > iort->header.length - sizeof(*node) ||
            node->length < sizeof(*node))
            return NULL;
        if (node->type == IORT_NODE_SMMU || node->type == IORT_NODE_SMMUV3)
            return node->type == IORT_NODE_SMMU ? "SMMU" : "SMMUv3";
        at += node->length;
    }
    return NULL;
}

static const char *iommu_name(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct iommu_kind *k = &kinds[i];

        if (k->table[0] && acpi_find(k->table, 0))
            return k->name;
        if (k->compatible[0] && fdt_next_compatible_any(-1, k->compatible, NULL) >= 0)
            return k->name;
    }
    return in_iort();
}

void iommu_report(struct out *out)
{
    const char *name = iommu_name();

    if (name)
        out_printf(out, "IOMMU: %s, not used: no device is passed to a guest yet\n", name);
    else
        out_printf(out, "IOMMU: none that the firmware tells of: no device of this machine could "
                        "be passed to a guest safely\n  where the machine has one (VT-d, AMD-Vi, "
                        "SMMU), switch it on in the firmware's set-up\n");
}
