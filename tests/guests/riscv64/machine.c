/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* 16550, PLIC, SBI timer, IPIs and hart states for micro-guests. CPU n is hart n, but that CPU 0 is
 * the hart that firmware started and that hart's number stands for 0. */
#include <libfdt.h>
#include <string.h>

#include "tests/guests/guest.h"

#define SBI_TIME 0x54494d45UL
#define SBI_IPI  0x735049UL
#define SBI_HSM  0x48534dUL
#define SBI_SRST 0x53525354UL

#define PCI_SOURCE    32u /* the first of four */
#define UART_THR      (UART_BASE + 0)
#define UART_IER      (UART_BASE + 1)
#define UART_IER_THRE 2u
#define UART_IIR      (UART_BASE + 2)
#define UART_LSR      (UART_BASE + 5)
#define UART_LSR_THRE 0x20u

/* PLIC 1.0.0 */
#define PLIC_PRIORITY(source)   (PLIC_BASE + 4UL * (source))
#define PLIC_ENABLE(context)    (PLIC_BASE + 0x2000 + 0x80UL * (context))
#define PLIC_THRESHOLD(context) (PLIC_BASE + 0x200000 + 0x1000UL * (context))
#define PLIC_CLAIM(context)     (PLIC_BASE + 0x200004 + 0x1000UL * (context))

/* Exception codes (Privileged 4.1.9) */
#define CAUSE_FETCH_MISALIGNED 0
#define CAUSE_FETCH_ACCESS     1
#define CAUSE_ILLEGAL          2
#define CAUSE_LOAD_MISALIGNED  4
#define CAUSE_LOAD_ACCESS      5
#define CAUSE_STORE_MISALIGNED 6
#define CAUSE_STORE_ACCESS     7
#define CAUSE_FETCH_PAGE       12
#define CAUSE_LOAD_PAGE        13
#define CAUSE_STORE_PAGE       15

extern char start_secondary[];
uint64_t ticks_hz;
static const void *fdt;
static uint64_t contexts[GUEST_MAX_CPUS]; /* of the PLIC */

/* The boot hart and hart 0 swap their numbers. */
static uint64_t hart_of(unsigned cpu)
{
    return cpu == 0 ? boot_hart : cpu == boot_hart ? 0 : cpu;
}

void boot_save(const void *tree);
void boot_save(const void *tree)
{
    fdt = tree;
}

static const void *property(const char *path, const char *name)
{
    int node = fdt_path_offset(fdt, path), length;

    return node < 0 ? NULL : fdt_getprop(fdt, node, name, &length);
}

const char *machine_cmdline(void)
{
    const char *text = property("/chosen", "bootargs");

    return text ? text : "";
}

const char *isa_string(void)
{
    const char *text = property("/cpus/cpu@0", "riscv,isa");

    return text ? text : "rv64";
}

/* Letters stand before the first '_'; longer names between them. */
bool isa_has(const char *name)
{
    const char *text = isa_string();
    size_t length = strlen(name);

    if (length == 1) {
        const char *letter = strchr(text + strlen("rv64"), *name);

        return letter && (size_t)(letter - text) < strcspn(text, "_");
    }
    for (text = strchr(text, '_'); text; text = strchr(text + 1, '_'))
        if (strncmp(text + 1, name, length) == 0 && (text[1 + length] == '_' || !text[1 + length]))
            return true;
    return false;
}

/* ---- Serial port ---- */

void console_put(char c)
{
    while (!(mmio_read8(UART_LSR) & UART_LSR_THRE))
        cpu_relax();
    mmio_write8(UART_THR, (uint8_t)c);
}

/* A hart's contexts follow each other in the tree: M-mode's and S-mode's, or S-mode's alone. */
static uint64_t plic_context(unsigned cpu)
{
    int plic = fdt_node_offset_by_compatible(fdt, -1, "sifive,plic-1.0.0"), length = 0;
    bool two;

    fdt_getprop(fdt, plic, "interrupts-extended", &length);
    two = (unsigned)length / 8 >= 2 * cpu_count();
    return two ? 2 * hart_of(cpu) + 1 : hart_of(cpu);
}

/* To this CPU alone. */
static void source_setup(unsigned source, unsigned cpu)
{
    uint64_t word = source / 32 * 4, context = plic_context(cpu);

    for (unsigned other = 0; other < cpu_count(); other++) {
        contexts[other] = plic_context(other);
        mmio_write32(PLIC_ENABLE(contexts[other]) + word, 0);
    }
    mmio_write32(PLIC_PRIORITY(source), 1);
    mmio_write32(PLIC_THRESHOLD(context), 0);
    mmio_write32(PLIC_ENABLE(context) + word, 1u << source % 32);
}

void serial_irq_setup(unsigned cpu)
{
    mmio_write8(UART_IER, 0);
    source_setup(UART_SOURCE, cpu);
}

void pci_irq_setup(unsigned slot, unsigned cpu)
{
    source_setup(PCI_SOURCE + slot % 4, cpu);
}

/* Enabling the transmitter's interrupt while it is empty raises it. */
void serial_irq_raise(void)
{
    mmio_write8(UART_IER, UART_IER_THRE);
}

void serial_irq_quiet(void)
{
    mmio_write8(UART_IER, 0);
}

/* ---- Interrupts ---- */

void machine_setup_secondary(void);
void machine_setup_secondary(void)
{
    WRITE_CSR("sie", 1u << SIE_SOFTWARE | 1u << SIE_TIMER | 1u << SIE_EXTERNAL);
}

void machine_setup(void)
{
    const fdt32_t *hz = property("/cpus", "timebase-frequency");

    ticks_hz = hz ? fdt32_to_cpu(*hz) : 10000000;
    machine_setup_secondary();
}

static void external(void)
{
    uint64_t claim = PLIC_CLAIM(contexts[this_cpu()->id]);
    uint32_t source = mmio_read32(claim);

    if (!source)
        return;
    if (irq_hook)
        irq_hook(IRQ_DEVICE, source);
    mmio_write32(claim, source);
}

void machine_irq(uint64_t cause);
void machine_irq(uint64_t cause)
{
    unsigned number = (unsigned)(cause & 0xff);

    switch (number) {
    case SIE_SOFTWARE:
        CLEAR_CSR("sip", 1u << SIE_SOFTWARE);
        if (irq_hook)
            irq_hook(IRQ_IPI, number);
        break;
    case SIE_TIMER:
        timer_stop();
        if (irq_hook)
            irq_hook(IRQ_TIMER, number);
        break;
    case SIE_EXTERNAL:
        external();
        break;
    default:
        if (irq_hook)
            irq_hook(IRQ_OTHER, number);
    }
}

void ipi_send(unsigned cpu)
{
    sbi_call(SBI_IPI, 0, 1, hart_of(cpu), 0);
}

/* ---- Timer ---- */

void timer_set(uint64_t deadline)
{
    sbi_call(SBI_TIME, 0, deadline, 0, 0);
}

void timer_stop(void)
{
    timer_set(UINT64_MAX);
}

/* ---- Harts ---- */

unsigned cpu_count(void)
{
    unsigned n = 1;

    while (n < GUEST_MAX_CPUS && sbi_call(SBI_HSM, 2, hart_of(n), 0, 0) == 0)
        n++;
    return n;
}

void cpu_start(unsigned cpu, void (*fn)(void *arg), void *arg)
{
    guest_cpus[cpu].start = fn;
    guest_cpus[cpu].arg = arg;
    __asm__ volatile("fence rw, rw" : : : "memory");
    check_equal((uint64_t)sbi_call(SBI_HSM, 0, hart_of(cpu), (uint64_t)start_secondary, cpu), 0,
                "CPU %u is started", cpu);
}

void power_off(void)
{
    sbi_call(SBI_SRST, 0, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}

/* ---- Exceptions ---- */

static enum trap_kind trap_kind(uint64_t cause)
{
    switch (cause) {
    case CAUSE_ILLEGAL:
        return TRAP_UNDEFINED;
    case CAUSE_FETCH_ACCESS:
    case CAUSE_LOAD_ACCESS:
    case CAUSE_STORE_ACCESS:
        return TRAP_BUS;
    case CAUSE_FETCH_PAGE:
    case CAUSE_LOAD_PAGE:
    case CAUSE_STORE_PAGE:
        return TRAP_PAGE;
    case CAUSE_FETCH_MISALIGNED:
    case CAUSE_LOAD_MISALIGNED:
    case CAUSE_STORE_MISALIGNED:
        return TRAP_ALIGNMENT;
    default:
        return TRAP_OTHER;
    }
}

bool machine_trap(uint64_t cause, struct trap_frame *f);
bool machine_trap(uint64_t cause, struct trap_frame *f)
{
    struct trap t = {.kind = trap_kind(cause),
                     .cause = cause,
                     .address = READ_CSR("stval"),
                     .pc = READ_CSR("sepc")};

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
