/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes ACPI's tables: the input is physical memory from address 0 on, with the RSDP at 16. Every
 * mapping is a block of its own, so that the sanitizer sees each byte read beside it. Checksums are
 * made right before the tables are read, else no input would get far.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include "drivers/acpi.c"

#define RSDP 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *memory;
static size_t memory_size;

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)fmt;
    if (level < LOG_WARN)
        abort();
}

void *kernel_map_device(hpa_t pa, uint64_t size, unsigned attrs)
{
    (void)attrs;
    if (pa.v > memory_size || size > memory_size - pa.v)
        return NULL;
    uint8_t *copy = malloc(size);
    memcpy(copy, memory + pa.v, size);
    /* A whole table: make its checksum right (the RSDP and headers alone are mapped with their
     * fixed sizes). */
    if (size > sizeof(struct acpi_header))
        copy[offsetof(struct acpi_header, checksum)] -= checksum(copy, size);
    if (pa.v == RSDP && size == sizeof(struct acpi_rsdp)) {
        struct acpi_rsdp *rsdp = (void *)copy;
        memcpy(rsdp->signature, "RSD PTR ", 8);
        rsdp->checksum -= checksum(copy, offsetof(struct acpi_rsdp, length));
        rsdp->extended_checksum -= checksum(copy, size);
    }
    return copy;
}

void kernel_unmap_device(void *va, uint64_t size)
{
    (void)size;
    free(va);
}

static void swallow(struct out *out, const char *text, size_t length)
{
    (void)out;
    for (size_t i = 0; i < length; i++)
        if (!text[i])
            abort();
}

/* Reads the whole of each entry, as its users may. */
static uint8_t read_all(const void *entry, size_t length)
{
    return checksum(entry, length);
}

static void walk(const struct acpi_header *table)
{
    static volatile uint8_t sink __attribute__((unused)); /* keeps the reads */
    for (size_t first = sizeof(*table); first < 64; first += 4) {
        ACPI_FOR_EACH_SUBTABLE(s, table, first)
        sink = read_all(s, s->length);
        ACPI_FOR_EACH_NODE(n, table, first)
        sink = read_all(n, n->length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct out out = {swallow};
    memory = data;
    memory_size = size;
    acpi_init(HPA(RSDP));
    acpi_report(&out);
    for (unsigned i = 0; i < acpi.count; i++)
        walk(acpi.tables[i]);
    (void)ACPI_FIND(struct acpi_madt, "APIC");
    for (unsigned i = 0; i < acpi.count; i++)
        free((void *)(uintptr_t)acpi.tables[i]);
    memset(&acpi, 0, sizeof(acpi));
    return 0;
}
