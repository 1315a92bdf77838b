/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Whether the machine has an IOMMU, by what the firmware tells. None is driven: devices stay with
 * the hypervisor and none is passed to a guest. */
#ifndef DRIVERS_IOMMU_H
#define DRIVERS_IOMMU_H

#include "kernel/log.h"

/* What there is and what follows, in plain words, a line each. Needs acpi_init() and fdt_init(). */
void iommu_report(struct out *out);

#endif
