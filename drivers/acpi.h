/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * ACPI's static tables: found from the RSDP, checked (signature, length, checksum) and mapped
 * read-only for good. Tables come from the firmware and are not trusted: every walk below is
 * bounded by the table's own length. Constant after acpi_init(); any context may read.
 *
 *     const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");
 *     ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt)) {
 *         const struct acpi_madt_io_apic *io = ACPI_SUBTABLE_AS(s, struct acpi_madt_io_apic);
 *         if (s->type == ACPI_MADT_IO_APIC && io)
 *             ...
 *     }
 */
#ifndef DRIVERS_ACPI_H
#define DRIVERS_ACPI_H

#include "drivers/acpi_tables.h"
#include "kernel/log.h"

#define ACPI_TABLES_MAX     128
#define ACPI_TABLE_SIZE_MAX MIB(4)

/* Maps and checks the tables that `rsdp` leads to (0: none). Tables with mistakes are left out with
 * a warning. Needs the kernel map. */
void acpi_init(hpa_t rsdp);
bool acpi_present(void);

/* Table `signature` number `index` (0: the first), or NULL. Mapped over header->length bytes. */
const struct acpi_header *acpi_find(const char signature[4], unsigned index);
/* The same, and at least `size` bytes long; warns when it is shorter. */
const void *acpi_find_sized(const char signature[4], size_t size);
#define ACPI_FIND(type, signature) ((const type *)acpi_find_sized(signature, sizeof(type)))

/* True when field `member` of the structure at `p`, which says to be `length` bytes long, is inside
 * it. */
#define ACPI_HAS(p, length, member) \
    ((length) >= offsetof(__typeof__(*(p)), member) + sizeof((p)->member))

/* The entry after `previous` (NULL: the first one, `offset` bytes from the table's start) of the
 * table `table`; NULL at the end or where an entry does not fit. A NULL table has no entries. */
const struct acpi_subtable *acpi_subtable_next(const struct acpi_header *table, size_t offset,
                                               const struct acpi_subtable *previous);
/* The same for entries with 16-bit type and length (RHCT). */
const struct acpi_node *acpi_node_next(const struct acpi_header *table, size_t offset,
                                       const struct acpi_node *previous);
/* The node at `offset` of the table when it fits, or NULL. */
const struct acpi_node *acpi_node_at(const struct acpi_header *table, size_t offset);

/* `table_`: NULL or a pointer to a structure that begins with `struct acpi_header header`. */
#define ACPI_FOR_EACH_SUBTABLE(it, table_, offset)                                     \
    for (const struct acpi_subtable *it =                                              \
             acpi_subtable_next((const struct acpi_header *)(table_), (offset), NULL); \
         it; it = acpi_subtable_next((const struct acpi_header *)(table_), (offset), it))
#define ACPI_FOR_EACH_NODE(it, table_, offset)                                     \
    for (const struct acpi_node *it =                                              \
             acpi_node_next((const struct acpi_header *)(table_), (offset), NULL); \
         it; it = acpi_node_next((const struct acpi_header *)(table_), (offset), it))

/* The entry as a longer structure, NULL when it is too short for one. */
#define ACPI_SUBTABLE_AS(s, type) ((s)->length >= sizeof(type) ? (const type *)(s) : NULL)
#define ACPI_NODE_AS(n, type)     ((n)->length >= sizeof(type) ? (const type *)(n) : NULL)

/* One line: how many tables, whose, which ones. */
void acpi_report(struct out *out);

#endif
