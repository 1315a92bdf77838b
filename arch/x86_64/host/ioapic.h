/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The I/O APICs: interrupt lines (GSIs) of devices to vectors of CPUs. */
#ifndef X86_HOST_IOAPIC_H
#define X86_HOST_IOAPIC_H

#include "kernel/host.h"

/* Silences the 8259s, finds and maps the I/O APICs, masks all their pins. */
void ioapic_init(void);
/* The line that was routed to `vector`. */
unsigned ioapic_vector_gsi(unsigned vector);
/* How many I/O APICs and lines there are. */
void ioapic_report(struct out *out);

#endif
