/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* 16550, local APIC (x2APIC where there is one), I/O APIC, PM timer, PVH and Multiboot for
 * micro-guests. */
#include "tests/guests/guest.h"

#define PVH_CMDLINE 24 /* struct hvm_start_info (Xen, public/arch-x86/hvm/start_info.h) */

#define COM1_IER         (PORT_COM1 + 1)
#define COM1_IER_THRE    2
#define COM1_MCR         (PORT_COM1 + 4)
#define COM1_MCR_OUT2    0x0b /* lets the interrupt out of the chip on a PC */
#define COM1_LSR         (PORT_COM1 + 5)
#define COM1_LSR_THRE    0x20
#define COM1_PIN         4
#define PCI_PIN          16 /* the first of four */
#define IOAPIC_LEVEL_LOW 0xa000u

#define PORT_PM1_CONTROL 0x604
#define PM1_SLEEP(type)  ((uint16_t)(0x2000 | (type) << 10))
#define PORT_PM_TIMER    0x608
#define PM_TIMER_HZ      3579545ULL
#define PM_TIMER_MASK    0xffffffu
#define PORT_PIC_MASTER  0x21
#define PORT_PIC_SLAVE   0xa1
#define PORT_DEBUG_EXIT  0xf4

/* Local APIC: offsets of the page; x2APIC's MSR is 800h + offset / 16 (SDM vol. 3, 11.12). */
#define LAPIC_ID             0x020
#define LAPIC_EOI            0x0b0
#define LAPIC_SVR            0x0f0
#define LAPIC_SVR_ON         0x1ff
#define LAPIC_ICR            0x300
#define LAPIC_ICR_HIGH       0x310
#define LAPIC_TIMER          0x320
#define LAPIC_INITIAL        0x380
#define LAPIC_DIVIDE         0x3e0
#define LAPIC_DIVIDE_1       0xb
#define LAPIC_DEADLINE       (1u << 18) /* of the timer's entry */
#define LAPIC_MASKED         (1u << 16)
#define ICR_INIT             0x4500
#define ICR_STARTUP          0x4600
#define MSR_APIC_BASE        0x1b
#define APIC_ENABLE          0x800
#define APIC_X2              0x400
#define MSR_TSC_DEADLINE     0x6e0
#define CPUID_1_ECX_X2APIC   (1u << 21)
#define CPUID_1_ECX_DEADLINE (1u << 24)

#define VECTOR_TIMER    0xe0
#define VECTOR_IPI      0xf0
#define VECTOR_SPURIOUS 0xff
#define VECTOR_DEVICE   0x30

#define TRAMPOLINE 0x8000UL

#define VECTOR_UD 6
#define VECTOR_GP 13
#define VECTOR_PF 14
#define VECTOR_AC 17

extern char trampoline_start[], trampoline_cpu[], trampoline_end[], vectors[];
extern struct {
    uint64_t low, high;
} idt[256];
uint64_t ticks_hz;
bool hypercall_is_vmcall;
static bool x2apic, deadline_timer;
static uint64_t apic_hz;
static const char *cmdline = "";

const uint8_t *boot_information;

void boot_save(const uint8_t *info);
void boot_save(const uint8_t *info)
{
    uint64_t at = 0;

    boot_information = info;
    if (boot_magic == MULTIBOOT_MAGIC)
        memcpy(&at, info + MULTIBOOT_CMDLINE, sizeof(uint32_t));
    else
        memcpy(&at, info + PVH_CMDLINE, sizeof(at));
    if (at)
        cmdline = (const char *)at;
}

const char *machine_cmdline(void)
{
    return cmdline;
}

/* ---- Serial port ---- */

void console_put(char c)
{
    while (!(in8(COM1_LSR) & COM1_LSR_THRE))
        cpu_relax();
    out8(PORT_COM1, (uint8_t)c);
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
    mmio_write32(IOAPIC_BASE, reg);
    mmio_write32(IOAPIC_BASE + 0x10, value);
}

/* Fixed, edge, active high but for `mode`. */
static void pin_setup(unsigned pin, unsigned cpu, uint32_t mode)
{
    ioapic_write(0x11 + 2 * pin, cpu << 24);
    ioapic_write(0x10 + 2 * pin, (VECTOR_DEVICE + pin) | mode);
}

void serial_irq_setup(unsigned cpu)
{
    out8(COM1_IER, 0);
    out8(COM1_MCR, COM1_MCR_OUT2);
    pin_setup(COM1_PIN, cpu, 0);
}

void pci_irq_setup(unsigned slot, unsigned cpu)
{
    pin_setup(PCI_PIN + slot % 4, cpu, IOAPIC_LEVEL_LOW);
}

void serial_irq_raise(void)
{
    out8(COM1_IER, COM1_IER_THRE);
}

void serial_irq_quiet(void)
{
    out8(COM1_IER, 0);
}

/* ---- Local APIC ---- */

static void apic_write(uint32_t offset, uint32_t value)
{
    if (x2apic)
        wrmsr(0x800 + offset / 16, value);
    else
        mmio_write32(LAPIC_BASE + offset, value);
}

static void apic_command(unsigned cpu, uint32_t command)
{
    if (x2apic) {
        wrmsr(0x800 + LAPIC_ICR / 16, (uint64_t)cpu << 32 | command);
        return;
    }
    mmio_write32(LAPIC_BASE + LAPIC_ICR_HIGH, cpu << 24);
    mmio_write32(LAPIC_BASE + LAPIC_ICR, command);
}

void machine_setup_secondary(void);
void machine_setup_secondary(void)
{
    if (x2apic)
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_ENABLE | APIC_X2);
    apic_write(LAPIC_SVR, LAPIC_SVR_ON);
    apic_write(LAPIC_DIVIDE, LAPIC_DIVIDE_1);
    apic_write(LAPIC_TIMER, VECTOR_TIMER | (deadline_timer ? LAPIC_DEADLINE : 0));
}

static void idt_setup(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t at = (uint64_t)vectors + 16 * i;

        idt[i].low = (at & 0xffff) | 8ULL << 16 | 0x8e00ULL << 32 | (at & 0xffff0000) << 32;
        idt[i].high = at >> 32;
    }
}

/* TSC and APIC timer against the PM timer, for some 10 ms. */
static void calibrate(void)
{
    uint32_t pm_start = in32(PORT_PM_TIMER), passed;
    uint64_t tsc = ticks(), apic = 0xffffffff;

    if (!deadline_timer)
        apic_write(LAPIC_INITIAL, 0xffffffff);
    do
        passed = (in32(PORT_PM_TIMER) - pm_start) & PM_TIMER_MASK;
    while (passed < PM_TIMER_HZ / 100);
    ticks_hz = (ticks() - tsc) * PM_TIMER_HZ / passed;
    if (!deadline_timer) {
        apic -= x2apic ? rdmsr(0x839) : mmio_read32(LAPIC_BASE + 0x390);
        apic_hz = apic * PM_TIMER_HZ / passed;
        apic_write(LAPIC_INITIAL, 0);
    }
}

void machine_setup(void)
{
    uint32_t r[4];

    idt_setup();
    out8(PORT_PIC_MASTER, 0xff);
    out8(PORT_PIC_SLAVE, 0xff);
    cpuid(0, 0, r);
    hypercall_is_vmcall = r[1] == 0x756e6547; /* "Genu" */
    cpuid(1, 0, r);
    x2apic = (r[2] & CPUID_1_ECX_X2APIC) && !option("xapic");
    deadline_timer = (r[2] & CPUID_1_ECX_DEADLINE) && !option("nodeadline");
    machine_setup_secondary();
    calibrate();
}

void machine_irq(uint64_t vector);
void machine_irq(uint64_t vector)
{
    enum irq_kind kind = vector == VECTOR_TIMER                                   ? IRQ_TIMER
                         : vector == VECTOR_IPI                                   ? IRQ_IPI
                         : vector >= VECTOR_DEVICE && vector < VECTOR_DEVICE + 24 ? IRQ_DEVICE
                                                                                  : IRQ_OTHER;

    if (vector == VECTOR_SPURIOUS)
        return;
    if (irq_hook)
        irq_hook(kind, (unsigned)vector);
    apic_write(LAPIC_EOI, 0);
}

void ipi_send(unsigned cpu)
{
    __asm__ volatile("mfence" : : : "memory"); /* x2APIC's ICR write orders nothing (11.12.3) */
    apic_command(cpu, 0x4000 | VECTOR_IPI);
}

/* ---- Timer ---- */

void timer_set(uint64_t deadline)
{
    uint64_t now;

    if (deadline_timer) {
        wrmsr(MSR_TSC_DEADLINE, deadline);
        return;
    }
    now = ticks();
    deadline = deadline > now ? (deadline - now) * apic_hz / ticks_hz : 0;
    apic_write(LAPIC_INITIAL, deadline ? (uint32_t)deadline : 1);
}

void timer_stop(void)
{
    if (deadline_timer)
        wrmsr(MSR_TSC_DEADLINE, 0);
    else
        apic_write(LAPIC_INITIAL, 0);
}

/* ---- CPUs ---- */

unsigned cpu_count(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    return (r[1] >> 16 & 0xff) ? (r[1] >> 16 & 0xff) : 1;
}

static void delay(uint64_t ns)
{
    uint64_t end = ticks() + ns_to_ticks(ns);

    while (ticks() < end)
        cpu_relax();
}

void cpu_start(unsigned cpu, void (*fn)(void *arg), void *arg)
{
    uint32_t number = cpu;

    guest_cpus[cpu].start = fn;
    guest_cpus[cpu].arg = arg;
    memcpy((void *)TRAMPOLINE, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    memcpy((char *)TRAMPOLINE + (trampoline_cpu - trampoline_start), &number, sizeof(number));
    apic_command(cpu, ICR_INIT);
    delay(10000000);
    apic_command(cpu, ICR_STARTUP | TRAMPOLINE >> 12);
    delay(200000);
}

/* The debug port first; then S5 by both values that it has: here and on QEMU's q35. */
void power_off(void)
{
    out8(PORT_DEBUG_EXIT, 0);
    out16(PORT_PM1_CONTROL, PM1_SLEEP(5));
    out16(PORT_PM1_CONTROL, PM1_SLEEP(0));
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

/* ---- Exceptions ---- */

static enum trap_kind trap_kind(uint64_t vector)
{
    switch (vector) {
    case VECTOR_UD:
        return TRAP_UNDEFINED;
    case VECTOR_GP:
        return TRAP_PROTECTION;
    case VECTOR_PF:
        return TRAP_PAGE;
    case VECTOR_AC:
        return TRAP_ALIGNMENT;
    default:
        return TRAP_OTHER;
    }
}

bool machine_trap(uint64_t vector, uint64_t error, struct trap_frame *f);
bool machine_trap(uint64_t vector, uint64_t error, struct trap_frame *f)
{
    struct trap t = {.kind = trap_kind(vector), .cause = error << 8 | vector, .pc = f->pc};

    __asm__ volatile("mov %%cr2, %0" : "=r"(t.address));
    if (trap_hook && trap_hook(&t, f))
        return true;
    if (!this_cpu()->recover_sp)
        trap_unexpected(&t);
    *this_cpu()->trap = t;
    return false;
}

bool trap_enter(void (*fn)(void *arg), void *arg);
bool trap_try(void (*fn)(void *arg), void *arg, struct trap *t)
{
    *t = (struct trap){.kind = TRAP_NONE};
    this_cpu()->trap = t;
    return trap_enter(fn, arg);
}
