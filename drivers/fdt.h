/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The device tree that the firmware handed over: checked as a whole by libfdt, then kept as a copy
 * in kernel memory. It is not trusted: every reader below checks lengths. Nodes are libfdt's
 * offsets (< 0: none). Constant after fdt_init(); use libfdt with fdt_blob() for what is not here.
 * Sections are those of the Devicetree Specification 0.4.
 */
#ifndef DRIVERS_FDT_H
#define DRIVERS_FDT_H

#include "kernel/irq.h"

#define FDT_SIZE_MAX MIB(2)

/* Checks and copies the tree at `pa` (0: none). Needs the heap and the kernel map. */
void fdt_init(hpa_t pa);
/* The copy, or NULL when there is no (valid) device tree. */
const void *fdt_blob(void);

/* The next node after `previous` (-1: the first) that is compatible with `compatible` and enabled;
 * < 0: no more. */
int fdt_next_compatible(int previous, const char *compatible);
/* The same for any of the NULL-terminated `list`; the index of what matched goes to *which (NULL:
 * not wanted). */
int fdt_next_compatible_any(int previous, const char *const *list, unsigned *which);
bool fdt_is_compatible(int node, const char *compatible);
/* No `status` property, or "okay" (2.3.4). */
bool fdt_enabled(int node);

/* The node has the property, with whatever value. */
bool fdt_has(int node, const char *property);
/* Big-endian cells of a property. fdt_u32: `fallback` when it is missing or too short. */
uint32_t fdt_u32(int node, const char *property, uint32_t fallback);
/* Number `index` of a list of 32-bit cells; false when it is not there. */
bool fdt_cell(int node, const char *property, unsigned index, uint32_t *value);
/* A value of one or two cells (such as timebase-frequency). */
uint64_t fdt_u64(int node, const char *property, uint64_t fallback);
/* A string property, NUL-terminated inside its length; NULL when it is not. */
const char *fdt_text(int node, const char *property);
/* The node that cell `index` of `property` points to, < 0: none. */
int fdt_phandle(int node, const char *property, unsigned index);

/* Entry `index` of `reg` (2.3.6) as a CPU physical address, through the `ranges` of every parent
 * (2.3.8). ERR_NOT_FOUND: no such entry; ERR_RANGE: not reachable by the CPU; ERR_CORRUPT. */
enum err fdt_reg(int node, unsigned index, hpa_t *base, uint64_t *size) MUST_CHECK;
/* The raw first cells of reg, untranslated: a CPU's hart id or MPIDR (3.8). */
enum err fdt_reg_raw(int node, unsigned index, uint64_t *address, uint64_t *size) MUST_CHECK;

#define FDT_INTERRUPT_CELLS_MAX 4
struct fdt_interrupt {
    int controller; /* node */
    unsigned count; /* cells */
    uint32_t cells[FDT_INTERRUPT_CELLS_MAX];
};
/* Interrupt `index` of `interrupts-extended` or `interrupts` (2.4). The controller is not an
 * interrupt nexus. */
enum err fdt_interrupt(int node, unsigned index, struct fdt_interrupt *out) MUST_CHECK;
/* The same as a line for irq_register(): GIC bindings (3 cells: SPI + 32, PPI + 16), PLIC (1 cell),
 * APLIC and others (number, flags). */
enum err fdt_irq(int node, unsigned index, unsigned *irq, enum irq_trigger *trigger) MUST_CHECK;

/* The node of /chosen's stdout-path (3.6), aliases resolved; the text after ':' goes to `options`
 * ("115200n8"). < 0: none. */
int fdt_stdout(char *options, size_t size);

/* One line: size, the root's model and compatible. */
void fdt_report(struct out *out);

#endif
