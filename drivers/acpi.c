/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* ACPI's static tables: see drivers/acpi.h. */
#include "drivers/acpi.h"

#include <string.h>

#include "mm/kernel_map.h"

static struct {
    const struct acpi_header *tables[ACPI_TABLES_MAX];
    unsigned count;
    char oem[7]; /* of the RSDP */
} acpi;

static uint8_t checksum(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    return sum;
}

/* Four characters for messages: firmware may put anything there. */
struct signature_text {
    char text[5];
};
static struct signature_text signature_text(const char signature[4])
{
    struct signature_text t = {{0}};
    for (int i = 0; i < 4; i++)
        t.text[i] = signature[i] >= ' ' && signature[i] < 0x7f ? signature[i] : '?';
    return t;
}

/* Tables that nothing here reads, some of them large: AML, pictures, the firmware's performance
 * records. */
static bool is_unused(const char signature[4])
{
    static const char list[][5] = {"SSDT", "PSDT", "DSDT", "BGRT", "FPDT", "UEFI"};
    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        if (memcmp(signature, list[i], 4) == 0)
            return true;
    return false;
}

static const struct acpi_header *map_whole(hpa_t pa, const struct acpi_header *seen)
{
    struct signature_text name = signature_text(seen->signature);
    uint32_t length = seen->length;
    if (length < sizeof(*seen) || length > ACPI_TABLE_SIZE_MAX) {
        log_warn("ACPI: table %s says to be %u bytes long: left out", name.text, length);
        return NULL;
    }
    struct acpi_header *table = kernel_map_device(pa, length, PT_READ);
    if (!table) {
        log_warn("ACPI: table %s at 0x%llx cannot be mapped: left out", name.text,
                 (unsigned long long)pa.v);
        return NULL;
    }
    /* The length is read again: it must not have changed between the two mappings. */
    if (table->length == length && checksum(table, length) == 0)
        return table;
    log_warn("ACPI: table %s has a wrong checksum: left out", name.text);
    kernel_unmap_device(table, length);
    return NULL;
}

/* Maps the table at `pa`: the header first, since only it tells the length. NULL when it is bad or
 * of no use. */
static const struct acpi_header *map_table(hpa_t pa)
{
    struct acpi_header *header = kernel_map_device(pa, sizeof(*header), PT_READ);
    if (!header)
        return NULL;
    const struct acpi_header *table = NULL;
    if (!is_unused(header->signature))
        table = map_whole(pa, header);
    kernel_unmap_device(header, sizeof(*header));
    return table;
}

static uint64_t read_entry(const uint8_t *entry, size_t width)
{
    uint64_t address = 0;
    memcpy(&address, entry, width); /* little endian, as all hosts are */
    return address;
}

/* Maps the tables that the entries of `root`, `width` bytes each, lead to. */
static void read_entries(const struct acpi_header *root, size_t width)
{
    size_t entries = (root->length - sizeof(*root)) / width;
    if (entries > ACPI_TABLES_MAX) {
        log_warn("ACPI: %zu tables, only the first %d are read", entries, ACPI_TABLES_MAX);
        entries = ACPI_TABLES_MAX;
    }
    const uint8_t *entry = (const uint8_t *)(root + 1);
    for (size_t i = 0; i < entries; i++, entry += width) {
        hpa_t address = HPA(read_entry(entry, width));
        const struct acpi_header *table = address.v ? map_table(address) : NULL;
        if (table)
            acpi.tables[acpi.count++] = table;
    }
}

/* Reads the RSDT or XSDT at `pa`. */
static void read_root(hpa_t pa, const char *signature, size_t width)
{
    const struct acpi_header *root = map_table(pa);
    if (root && memcmp(root->signature, signature, 4) == 0)
        read_entries(root, width);
    else
        log_warn("ACPI: no valid %s at 0x%llx: no ACPI table is used", signature,
                 (unsigned long long)pa.v);
    if (root)
        kernel_unmap_device((void *)(uintptr_t)root, root->length);
}

static bool rsdp_valid(const struct acpi_rsdp *rsdp)
{
    const size_t first = offsetof(struct acpi_rsdp, length);
    if (memcmp(rsdp->signature, "RSD PTR ", 8) != 0 || checksum(rsdp, first) != 0)
        return false;
    /* The extended checksum of a longer one would cover what is not read here. */
    return rsdp->revision < 2 || rsdp->length != sizeof(*rsdp) ||
           checksum(rsdp, sizeof(*rsdp)) == 0;
}

void acpi_init(hpa_t pa)
{
    if (!pa.v)
        return;
    struct acpi_rsdp *rsdp = kernel_map_device(pa, sizeof(*rsdp), PT_READ);
    if (!rsdp)
        return;
    if (!rsdp_valid(rsdp)) {
        log_warn("ACPI: the RSDP at 0x%llx is malformed: no ACPI table is used",
                 (unsigned long long)pa.v);
    } else {
        for (int i = 0; i < 6; i++)
            acpi.oem[i] = rsdp->oem_id[i] >= ' ' && rsdp->oem_id[i] < 0x7f ? rsdp->oem_id[i] : 0;
        if (rsdp->revision >= 2 && rsdp->xsdt)
            read_root(HPA(rsdp->xsdt), "XSDT", sizeof(uint64_t));
        else
            read_root(HPA(rsdp->rsdt), "RSDT", sizeof(uint32_t));
    }
    kernel_unmap_device(rsdp, sizeof(*rsdp));
}

bool acpi_present(void)
{
    return acpi.count > 0;
}

const struct acpi_header *acpi_find(const char signature[4], unsigned index)
{
    for (unsigned i = 0; i < acpi.count; i++)
        if (memcmp(acpi.tables[i]->signature, signature, 4) == 0 && index-- == 0)
            return acpi.tables[i];
    return NULL;
}

const void *acpi_find_sized(const char signature[4], size_t size)
{
    const struct acpi_header *table = acpi_find(signature, 0);
    if (!table || table->length >= size)
        return table;
    log_warn("ACPI: table %s is only %u bytes long, at least %zu are needed: not used",
             signature_text(signature).text, table->length, size);
    return NULL;
}

/* Offset of what follows `previous`, whose length is `length`; SIZE_MAX when that leads nowhere. */
static size_t next_offset(const struct acpi_header *table, size_t offset, const void *previous,
                          size_t length)
{
    if (!previous)
        return offset;
    return (size_t)((const uint8_t *)previous - (const uint8_t *)table) + length;
}

const struct acpi_subtable *acpi_subtable_next(const struct acpi_header *table, size_t offset,
                                               const struct acpi_subtable *previous)
{
    if (!table)
        return NULL;
    offset = next_offset(table, offset, previous, previous ? previous->length : 0);
    if (offset > table->length || table->length - offset < sizeof(struct acpi_subtable))
        return NULL;
    const struct acpi_subtable *s = (const void *)((const uint8_t *)table + offset);
    return s->length >= sizeof(*s) && s->length <= table->length - offset ? s : NULL;
}

const struct acpi_node *acpi_node_at(const struct acpi_header *table, size_t offset)
{
    if (!table || offset > table->length || table->length - offset < sizeof(struct acpi_node))
        return NULL;
    const struct acpi_node *n = (const void *)((const uint8_t *)table + offset);
    return n->length >= sizeof(*n) && n->length <= table->length - offset ? n : NULL;
}

const struct acpi_node *acpi_node_next(const struct acpi_header *table, size_t offset,
                                       const struct acpi_node *previous)
{
    return acpi_node_at(table,
                        next_offset(table, offset, previous, previous ? previous->length : 0));
}

void acpi_report(struct out *out)
{
    if (!acpi.count) {
        out_printf(out, "ACPI: none\n");
        return;
    }
    out_printf(out, "ACPI: %u tables by %s:", acpi.count, acpi.oem[0] ? acpi.oem : "unnamed");
    for (unsigned i = 0; i < acpi.count; i++)
        out_printf(out, " %s", signature_text(acpi.tables[i]->signature).text);
    out_printf(out, "\n");
}
