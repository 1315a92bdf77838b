/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * I/O APICs: 82093AA data sheet and the MADT. One vector a line for the whole machine; a line goes
 * to one CPU. Without ACPI the default address is probed, and lines are ISA interrupts of the same
 * number.
 */
#include "arch/x86_64/host/ioapic.h"
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/registers.h"
#include "drivers/acpi.h"
#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "mm/kernel_map.h"

#define IOAPIC_DEFAULT     0xfec00000
#define IOAPIC_WINDOW_SIZE 0x20
#define IOAPIC_SELECT      0x00
#define IOAPIC_DATA        0x10
#define IOAPIC_REG_VERSION 0x01
#define IOAPIC_REG_ENTRY   0x10 /* two registers a pin */
#define VERSION_PINS(v)    (((v) >> 16 & 0xff) + 1)
#define IOAPIC_MAX         16

#define ENTRY_LOW        BIT(13) /* active low */
#define ENTRY_LEVEL      BIT(15)
#define ENTRY_MASKED     BIT(16)
#define ENTRY_DEST_SHIFT 24 /* of the high register */

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1
#define ICW1_INIT    0x11
#define ICW3_MASTER  0x04
#define ICW3_SLAVE   0x02
#define ICW4_8086    0x01

struct ioapic {
    uint8_t *registers;
    unsigned gsi_base, pins;
};

LOCK_CLASS(ioapic_class, "I/O APIC", RANK_IRQ_CHIP);
static struct spinlock lock = SPINLOCK_INIT(&ioapic_class);
static struct ioapic ioapics[IOAPIC_MAX];
static unsigned ioapic_count;
static uint32_t vector_gsi[256];
static unsigned next_vector = VECTOR_IRQ_FIRST;

static uint32_t ioapic_read(const struct ioapic *io, unsigned reg)
{
    mmio_write32(io->registers + IOAPIC_SELECT, reg);
    return mmio_read32(io->registers + IOAPIC_DATA);
}

static void ioapic_write(const struct ioapic *io, unsigned reg, uint32_t value)
{
    mmio_write32(io->registers + IOAPIC_SELECT, reg);
    mmio_write32(io->registers + IOAPIC_DATA, value);
}

/* Their vectors are moved out of the way of exceptions first: a masked 8259 can still raise a
 * spurious interrupt. */
static void pic_silence(void)
{
    host_port_write8(PIC1_COMMAND, ICW1_INIT);
    host_port_write8(PIC2_COMMAND, ICW1_INIT);
    host_port_write8(PIC1_DATA, VECTOR_PIC);
    host_port_write8(PIC2_DATA, VECTOR_PIC + 8);
    host_port_write8(PIC1_DATA, ICW3_MASTER);
    host_port_write8(PIC2_DATA, ICW3_SLAVE);
    host_port_write8(PIC1_DATA, ICW4_8086);
    host_port_write8(PIC2_DATA, ICW4_8086);
    host_port_write8(PIC1_DATA, 0xff);
    host_port_write8(PIC2_DATA, 0xff);
}

static void ioapic_add(uint64_t address, unsigned gsi_base)
{
    struct ioapic *io = &ioapics[ioapic_count];
    uint32_t version;

    if (ioapic_count == IOAPIC_MAX) {
        log_warn("more than %u I/O APICs: the lines of the others are not used", IOAPIC_MAX);
        return;
    }
    io->registers =
        kernel_map_device(HPA(address), IOAPIC_WINDOW_SIZE, PT_READ | PT_WRITE | PT_DEVICE);
    if (!io->registers)
        return;
    version = ioapic_read(io, IOAPIC_REG_VERSION);
    if (version == UINT32_MAX || !(version & 0xff)) {
        log_warn("no I/O APIC answers at 0x%llx", (unsigned long long)address);
        kernel_unmap_device(io->registers, IOAPIC_WINDOW_SIZE);
        return;
    }
    io->gsi_base = gsi_base;
    io->pins = VERSION_PINS(version);
    for (unsigned pin = 0; pin < io->pins; pin++)
        ioapic_write(io, IOAPIC_REG_ENTRY + 2 * pin, ENTRY_MASKED);
    ioapic_count++;
}

void ioapic_init(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");

    if (!madt || (madt->flags & ACPI_MADT_PCAT))
        pic_silence();
    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_io_apic *io = ACPI_SUBTABLE_AS(s, struct acpi_madt_io_apic);

        if (s->type == ACPI_MADT_IO_APIC && io)
            ioapic_add(io->address, io->gsi_base);
    }
    if (!madt)
        ioapic_add(IOAPIC_DEFAULT, 0);
}

void ioapic_report(struct out *out)
{
    unsigned pins = 0;

    for (unsigned i = 0; i < ioapic_count; i++)
        pins += ioapics[i].pins;
    if (ioapic_count)
        out_printf(out, "interrupts: %u I/O APIC%s with %u lines%s\n", ioapic_count,
                   ioapic_count == 1 ? "" : "s", pins,
                   acpi_present() ? "" : " (found without ACPI, at the usual address)");
    else
        out_printf(out, "interrupts: no I/O APIC found: devices are polled\n");
}

const char *host_irq_name(void)
{
    return ioapic_count ? "I/O APIC" : "none";
}

unsigned ioapic_vector_gsi(unsigned vector)
{
    return vector_gsi[vector];
}

static const struct ioapic *ioapic_of(unsigned gsi)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        if (gsi - ioapics[i].gsi_base < ioapics[i].pins)
            return &ioapics[i];
    }
    return NULL;
}

/* What an interrupt source override says about the line wins over what the driver assumes. */
static uint32_t line_mode(unsigned gsi, enum irq_trigger trigger)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");
    uint32_t mode = 0;

    if (trigger != IRQ_EDGE)
        mode |= ENTRY_LEVEL;
    if (trigger == IRQ_LEVEL_LOW)
        mode |= ENTRY_LOW;
    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_override *o = ACPI_SUBTABLE_AS(s, struct acpi_madt_override);

        if (s->type != ACPI_MADT_OVERRIDE || !o || o->gsi != gsi)
            continue;
        if (ACPI_INTI_TRIGGER(o->flags))
            mode = (mode & ~(uint32_t)ENTRY_LEVEL) |
                   (ACPI_INTI_TRIGGER(o->flags) == 3 ? (uint32_t)ENTRY_LEVEL : 0);
        if (ACPI_INTI_POLARITY(o->flags))
            mode = (mode & ~(uint32_t)ENTRY_LOW) |
                   (ACPI_INTI_POLARITY(o->flags) == 3 ? (uint32_t)ENTRY_LOW : 0);
    }
    return mode;
}

static unsigned vector_for(unsigned gsi)
{
    for (unsigned v = VECTOR_IRQ_FIRST; v < next_vector; v++) {
        if (vector_gsi[v] == gsi)
            return v;
    }
    if (next_vector == VECTOR_IRQ_END)
        return 0;
    vector_gsi[next_vector] = gsi;
    return next_vector++;
}

enum err host_irq_route(unsigned irq, enum irq_trigger trigger, struct cpu *cpu)
{
    const struct ioapic *io = ioapic_of(irq);
    unsigned reg, vector;
    uint64_t flags;

    if (!io || cpu->host.apic_id > 0xff)
        return ERR_UNSUPPORTED;
    reg = IOAPIC_REG_ENTRY + 2 * (irq - io->gsi_base);
    flags = spin_lock_irq(&lock);
    vector = vector_for(irq);
    if (vector) {
        ioapic_write(io, reg, ENTRY_MASKED);
        ioapic_write(io, reg + 1, cpu->host.apic_id << ENTRY_DEST_SHIFT);
        ioapic_write(io, reg, vector | line_mode(irq, trigger));
    }
    spin_unlock_irq(&lock, flags);
    return vector ? ERR_OK : ERR_NO_MEMORY;
}

/* Messages: Intel SDM volume 3, 11.11; AMD APM volume 2, 16.13. Lines of messages are numbered
 * behind all that an I/O APIC can have. */
#define MESSAGE_ADDRESS    0xfee00000u
#define MESSAGE_DEST_SHIFT 12
#define MESSAGE_LINE       0x10000u

enum err host_message_route(struct cpu *cpu, unsigned *irq, struct host_message *m)
{
    unsigned vector;
    uint64_t flags;

    if (cpu->host.apic_id > XAPIC_ID_MAX)
        return ERR_UNSUPPORTED;
    flags = spin_lock_irq(&lock);
    vector = next_vector == VECTOR_IRQ_END ? 0 : vector_for(MESSAGE_LINE + next_vector);
    spin_unlock_irq(&lock, flags);
    *irq = MESSAGE_LINE + vector;
    *m = (struct host_message){MESSAGE_ADDRESS | cpu->host.apic_id << MESSAGE_DEST_SHIFT, vector};
    return vector ? ERR_OK : ERR_NO_MEMORY;
}

static void entry_change(unsigned irq, uint32_t clear, uint32_t set)
{
    const struct ioapic *io = ioapic_of(irq);
    uint64_t flags;
    unsigned reg;

    if (!io)
        return;
    reg = IOAPIC_REG_ENTRY + 2 * (irq - io->gsi_base);
    flags = spin_lock_irq(&lock);
    ioapic_write(io, reg, (ioapic_read(io, reg) & ~clear) | set);
    spin_unlock_irq(&lock, flags);
}

void host_irq_mask(unsigned irq)
{
    entry_change(irq, 0, ENTRY_MASKED);
}

void host_irq_unmask(unsigned irq)
{
    entry_change(irq, ENTRY_MASKED, 0);
}
