/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The guest's fixed ACPI tables (ACPI 6.5, chapter 5): RSDP, XSDT, FADT, MADT, MCFG, HPET, and the
 * DSDT, which is written in dsdt.asl. */
#include <string.h>

#include "arch/x86_64/guest/dsdt.h"
#include "arch/x86_64/guest/lapic.h"
#include "arch/x86_64/guest/machine.h"
#include "drivers/acpi_tables.h"
#include "mm/heap.h"

#define TABLES_SIZE X86_ACPI_SIZE /* checked */

#define FADT_LENGTH          276 /* revision 6 */
#define FADT_DSDT            40  /* offsets of the fields that are set (table 5.9) */
#define FADT_SCI             46
#define FADT_PM1A_EVENT      56
#define FADT_PM1A_CONTROL    64
#define FADT_PM_TIMER        76
#define FADT_PM1_EVENT_LEN   88
#define FADT_PM1_CONTROL_LEN 89
#define FADT_PM_TIMER_LEN    91
#define FADT_C2_LATENCY      96
#define FADT_C3_LATENCY      98
#define FADT_CENTURY         108
#define FADT_BOOT_ARCH       109
#define FADT_FLAGS           112
#define FADT_RESET_REG       116
#define FADT_RESET_VALUE     128
#define FADT_X_DSDT          140
#define FADT_X_PM1A_EVENT    148
#define FADT_X_PM1A_CONTROL  172
#define FADT_X_PM_TIMER      208

#define BOOT_ARCH_LEGACY    0x0001
#define BOOT_ARCH_NO_VGA    0x0004
#define FLAG_WBINVD         BIT(0)
#define FLAG_PROC_C1        BIT(2)
#define FLAG_SLEEP_BUTTON   BIT(5) /* no fixed sleep button */
#define FLAG_RTC            BIT(6) /* no fixed RTC wake status */
#define FLAG_TIMER_32BIT    BIT(8)
#define FLAG_RESET          BIT(10)
#define LATENCY_UNSUPPORTED 0xffff

#define MCFG_BASE     44
#define MCFG_LAST_BUS 55

#define HPET_BLOCK_ID     36
#define HPET_ADDRESS_BITS 41
#define HPET_ADDRESS      44

#define MADT_PCAT_COMPAT    1
#define MADT_LAPIC          0
#define MADT_IOAPIC         1
#define MADT_OVERRIDE       2
#define MADT_LAPIC_NMI      4
#define MADT_X2APIC         9
#define MADT_ENABLED        1
#define OVERRIDE_LEVEL_HIGH 0x000d

#define SPACE_IO 1

/* What the DSDT reads: OperationRegion VARS. */
struct acpi_variables {
    uint64_t window64, window64_size;
};

struct builder {
    uint8_t *bytes;
    size_t used;
    bool overflow;
};

static void *append(struct builder *b, size_t size)
{
    void *at = b->bytes + b->used;

    if (size > TABLES_SIZE - b->used) {
        b->overflow = true;
        return NULL;
    }
    b->used += size;
    return at;
}

static void append_bytes(struct builder *b, const void *data, size_t size)
{
    void *at = append(b, size);

    if (at)
        memcpy(at, data, size);
}

static void put(struct builder *b, size_t offset, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size && offset + i < b->used; i++)
        b->bytes[offset + i] = (uint8_t)(value >> (8 * i));
}

static uint8_t checksum(const uint8_t *bytes, size_t size)
{
    uint8_t sum = 0;

    while (size--)
        sum = (uint8_t)(sum + *bytes++);
    return (uint8_t)-sum;
}

static size_t table_begin(struct builder *b, const char *signature, uint8_t revision)
{
    size_t at;

    b->used = ALIGN_UP(b->used, (size_t)16);
    at = b->used;
    if (!append(b, sizeof(struct acpi_header)))
        return at;
    memcpy(b->bytes + at, signature, 4);
    b->bytes[at + 8] = revision;
    memcpy(b->bytes + at + 10, "ENNEADENNEADVM", 14);
    put(b, at + 24, 1, 4);
    memcpy(b->bytes + at + 28, "ENND", 4);
    put(b, at + 32, 1, 4);
    return at;
}

static gpa_t table_end(struct builder *b, size_t at)
{
    if (!b->overflow) {
        put(b, at + 4, b->used - at, 4);
        b->bytes[at + 9] = checksum(b->bytes + at, b->used - at);
    }
    return GPA(X86_ACPI_TABLES + at);
}

static void put_io_register(struct builder *b, size_t offset, uint16_t port, uint8_t bytes)
{
    put(b, offset, SPACE_IO, 1);
    put(b, offset + 1, 8u * bytes, 1);
    put(b, offset + 3, bytes == 4 ? 3 : bytes, 1);
    put(b, offset + 4, port, 8);
}

/* As iasl wrote it, but for the compiler's name and version. */
static gpa_t build_dsdt(struct builder *b)
{
    size_t at = table_begin(b, "DSDT", 2);

    append_bytes(b, x86_dsdt + sizeof(struct acpi_header),
                 x86_dsdt_size - sizeof(struct acpi_header));
    return table_end(b, at);
}

static gpa_t build_fadt(struct builder *b, gpa_t dsdt)
{
    size_t at = table_begin(b, "FACP", 6);

    if (!append(b, FADT_LENGTH - sizeof(struct acpi_header)))
        return GPA(0);
    put(b, at + FADT_DSDT, dsdt.v, 4);
    put(b, at + FADT_SCI, PIN_SCI, 2);
    put(b, at + FADT_PM1A_EVENT, PORT_PM1_EVENT, 4);
    put(b, at + FADT_PM1A_CONTROL, PORT_PM1_CONTROL, 4);
    put(b, at + FADT_PM_TIMER, PORT_PM_TIMER, 4);
    put(b, at + FADT_PM1_EVENT_LEN, 4, 1);
    put(b, at + FADT_PM1_CONTROL_LEN, 2, 1);
    put(b, at + FADT_PM_TIMER_LEN, 4, 1);
    put(b, at + FADT_C2_LATENCY, LATENCY_UNSUPPORTED, 2);
    put(b, at + FADT_C3_LATENCY, LATENCY_UNSUPPORTED, 2);
    put(b, at + FADT_CENTURY, X86_RTC_CENTURY, 1);
    put(b, at + FADT_BOOT_ARCH, BOOT_ARCH_LEGACY | BOOT_ARCH_NO_VGA, 2);
    put(b, at + FADT_FLAGS,
        FLAG_WBINVD | FLAG_PROC_C1 | FLAG_SLEEP_BUTTON | FLAG_RTC | FLAG_TIMER_32BIT | FLAG_RESET,
        4);
    put_io_register(b, at + FADT_RESET_REG, PORT_RESET, 1);
    put(b, at + FADT_RESET_VALUE, RESET_VALUE, 1);
    put(b, at + FADT_X_DSDT, dsdt.v, 8);
    put_io_register(b, at + FADT_X_PM1A_EVENT, PORT_PM1_EVENT, 4);
    put_io_register(b, at + FADT_X_PM1A_CONTROL, PORT_PM1_CONTROL, 2);
    put_io_register(b, at + FADT_X_PM_TIMER, PORT_PM_TIMER, 4);
    return table_end(b, at);
}

static void madt_cpu(struct builder *b, unsigned id)
{
    uint8_t small[8] = {MADT_LAPIC, 8, (uint8_t)id, (uint8_t)id, MADT_ENABLED, 0, 0, 0};
    uint8_t large[16] = {MADT_X2APIC,  16, 0, 0, (uint8_t)id, (uint8_t)(id >> 8), 0, 0,
                         MADT_ENABLED, 0,  0, 0, (uint8_t)id, (uint8_t)(id >> 8), 0, 0};

    if (id < 255)
        append_bytes(b, small, sizeof(small));
    else
        append_bytes(b, large, sizeof(large));
}

static gpa_t build_madt(struct builder *b, unsigned cpus)
{
    /* IRQ 0 is pin 2, where the HPET takes the old timer's place. */
    static const uint8_t timer[10] = {MADT_OVERRIDE, 10, 0, 0, 2, 0, 0, 0, 0, 0};
    static const uint8_t sci[10] = {MADT_OVERRIDE,       10, 0, PIN_SCI, PIN_SCI, 0, 0, 0,
                                    OVERRIDE_LEVEL_HIGH, 0};
    static const uint8_t nmi[6] = {MADT_LAPIC_NMI, 6, 0xff, 0, 0, 1};
    size_t at = table_begin(b, "APIC", 5);
    size_t io;

    if (!append(b, 8))
        return GPA(0);
    put(b, at + 36, LAPIC_BASE, 4);
    put(b, at + 40, MADT_PCAT_COMPAT, 4);
    for (unsigned id = 0; id < cpus; id++)
        madt_cpu(b, id);
    io = b->used;
    if (!append(b, 12))
        return GPA(0);
    put(b, io, MADT_IOAPIC, 1);
    put(b, io + 1, 12, 1);
    put(b, io + 2, IOAPIC_ID, 1);
    put(b, io + 4, IOAPIC_BASE, 4);
    append_bytes(b, timer, sizeof(timer));
    append_bytes(b, sci, sizeof(sci));
    append_bytes(b, nmi, sizeof(nmi));
    return table_end(b, at);
}

/* PCI Firmware Specification 3.3, 4.1.2: one segment. */
static gpa_t build_mcfg(struct builder *b)
{
    size_t at = table_begin(b, "MCFG", 1);

    if (!append(b, 24))
        return GPA(0);
    put(b, at + MCFG_BASE, X86_ECAM, 8);
    put(b, at + MCFG_LAST_BUS, X86_ECAM_BUSES - 1, 1);
    return table_end(b, at);
}

/* IA-PC HPET Specification 1.0a, 3.2.4. */
static gpa_t build_hpet(struct builder *b)
{
    size_t at = table_begin(b, "HPET", 1);

    if (!append(b, 20))
        return GPA(0);
    put(b, at + HPET_BLOCK_ID, X86_HPET_ID, 4);
    put(b, at + HPET_ADDRESS_BITS, 64, 1);
    put(b, at + HPET_ADDRESS, HPET_BASE, 8);
    return table_end(b, at);
}

/* The root pointer comes first; it is filled last. */
static void build_rsdp(struct builder *b, gpa_t xsdt)
{
    memcpy(b->bytes, "RSD PTR ", 8);
    memcpy(b->bytes + 9, "ENNEAD", 6);
    b->bytes[15] = 2;
    put(b, 20, 36, 4);
    put(b, 24, xsdt.v, 8);
    b->bytes[8] = checksum(b->bytes, 20);
    b->bytes[32] = checksum(b->bytes, 36);
}

enum err x86_acpi_write(struct vm *vm, gpa_t *rsdp)
{
    struct builder b = {.bytes = heap_zalloc(TABLES_SIZE)};
    const struct acpi_variables variables = {x86_machine(vm)->window64,
                                             x86_machine(vm)->window64_size};
    gpa_t tables[4];
    enum err e = ERR_RANGE;
    size_t xsdt;

    if (!b.bytes)
        return ERR_NO_MEMORY;
    append(&b, X86_ACPI_VARIABLES - X86_ACPI_TABLES);
    append_bytes(&b, &variables, sizeof(variables));
    tables[0] = build_fadt(&b, build_dsdt(&b));
    tables[1] = build_madt(&b, (unsigned)vm->config->cpus);
    tables[2] = build_mcfg(&b);
    tables[3] = build_hpet(&b);
    xsdt = table_begin(&b, "XSDT", 1);
    append_bytes(&b, tables, sizeof(tables));
    build_rsdp(&b, table_end(&b, xsdt));
    *rsdp = GPA(X86_ACPI_TABLES);
    if (!b.overflow)
        e = guest_copy_to(vm->memory, *rsdp, b.bytes, b.used);
    heap_free(b.bytes);
    return e;
}
