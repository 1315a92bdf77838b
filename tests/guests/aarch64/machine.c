/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* PL011, GICv3 or GICv2, generic timer and PSCI for micro-guests. */
#include <libfdt.h>

#include "tests/guests/guest.h"

#define PSCI_CPU_ON        0xc4000003ULL
#define PSCI_AFFINITY_INFO 0xc4000004ULL
#define PSCI_SYSTEM_OFF    0x84000008ULL

/* PL011 (DDI 0183) */
#define UARTDR        (UART_BASE + 0x00)
#define UARTFR        (UART_BASE + 0x18)
#define UARTFR_TXFF   (1u << 5)
#define UARTCR        (UART_BASE + 0x30)
#define UARTCR_ENABLE 0x301 /* UART, transmitter, receiver */
#define UARTIFLS      (UART_BASE + 0x34)
#define UARTIMSC      (UART_BASE + 0x38)
#define UARTICR       (UART_BASE + 0x44)
#define UART_TX       (1u << 5)

/* GICv3 (IHI 0069H): distributor, and the redistributor's SGI frame. */
#define GICD_CTLR        (GICD_BASE + 0x0000)
#define GICD_CTLR_ENABLE 0x12 /* ARE_NS, EnableGrp1 */
#define GICD_IGROUPR     (GICD_BASE + 0x0080)
#define GICD_ISENABLER   (GICD_BASE + 0x0100)
#define GICD_ICENABLER   (GICD_BASE + 0x0180)
#define GICD_IPRIORITYR  (GICD_BASE + 0x0400)
#define GICD_IROUTER     (GICD_BASE + 0x6000)
#define GICR_WAKER       0x14
#define GICR_SLEEP       2u
#define GICR_ASLEEP      4u
#define GICR_SGI         0x10000UL
/* GICv2 (IHI 0048B): every CPU's own in the distributor and at the same CPU interface. */
#define GICD_ITARGETSR     (GICD_BASE + 0x0800)
#define GICD_SGIR          (GICD_BASE + 0x0f00)
#define GICD_CTLR_ENABLE_0 1
#define GICC_CTLR          (GICC_BASE + 0x00)
#define GICC_IAR           (GICC_BASE + 0x0c)
#define GICC_EOIR          (GICC_BASE + 0x10)
#define GICC_IAR_ID        0x3ffu
#define SGI_IPI            1u
#define PCI_SPI            3u /* the first of four */
#define PPI_TIMERS         (1u << 27 | 1u << PPI_PHYSICAL_TIMER)
#define PPI_VIRTUAL_TIMER  27u
#define PRIORITY           0xa0a0a0a0u
#define INTID_NONE         1020u

/* Exception classes (D19.2.37) */
#define EC(esr)      ((esr) >> 26)
#define EC_UNKNOWN   0x00
#define EC_SYSREG    0x18
#define EC_FETCH     0x21
#define EC_ALIGN_PC  0x22
#define EC_DATA      0x25
#define FSC(esr)     ((esr)&0x3f)
#define FSC_EXTERNAL 0x10
#define FSC_ALIGN    0x21

extern char start_secondary[];
uint64_t ticks_hz;
bool machine_gic_v2;
static const void *fdt;

static int64_t psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    return (int64_t)x0;
}

void boot_save(const void *tree);
void boot_save(const void *tree)
{
    fdt = tree;
}

const char *machine_cmdline(void)
{
    int chosen = fdt_path_offset(fdt, "/chosen"), length;
    const char *text = chosen < 0 ? NULL : fdt_getprop(fdt, chosen, "bootargs", &length);

    return text ? text : "";
}

/* ---- Serial port ---- */

void console_put(char c)
{
    while (mmio_read32(UARTFR) & UARTFR_TXFF)
        cpu_relax();
    mmio_write32(UARTDR, (uint8_t)c);
}

static void spi_setup(unsigned spi, unsigned cpu)
{
    unsigned intid = 32 + spi;

    if (gic_v2())
        mmio_write8(GICD_ITARGETSR + intid, (uint8_t)(1u << cpu));
    else
        mmio_write64(GICD_IROUTER + 8ULL * intid, cpu);
    mmio_write8(GICD_IPRIORITYR + intid, (uint8_t)PRIORITY);
    mmio_write32(GICD_ISENABLER + intid / 32 * 4, 1u << intid % 32);
}

void serial_irq_setup(unsigned cpu)
{
    mmio_write32(UARTIMSC, 0);
    spi_setup(UART_SPI, cpu);
}

void pci_irq_setup(unsigned slot, unsigned cpu)
{
    spi_setup(PCI_SPI + slot % 4, cpu);
}

/* The transmitter's interrupt comes when something was sent. */
void serial_irq_raise(void)
{
    mmio_write32(UARTICR, UART_TX);
    mmio_write32(UARTIMSC, UART_TX);
    console_put(' ');
}

void serial_irq_quiet(void)
{
    mmio_write32(UARTIMSC, 0);
    mmio_write32(UARTICR, UART_TX);
}

/* ---- Interrupt controller ---- */

static void redistributor_setup(uint64_t cpu)
{
    uint64_t base = GICR_BASE + cpu * GICR_SIZE, sgi = base + GICR_SGI;

    mmio_write32(base + GICR_WAKER, mmio_read32(base + GICR_WAKER) & ~GICR_SLEEP);
    while (mmio_read32(base + GICR_WAKER) & GICR_ASLEEP)
        cpu_relax();
    mmio_write32(sgi + 0x80, ~0u);
    for (unsigned i = 0; i < 8; i++)
        mmio_write32(sgi + 0x400 + 4 * i, PRIORITY);
    mmio_write32(sgi + 0x100, 0xffffu | PPI_TIMERS);
    WRITE_SYSREG("S3_0_C12_C12_5", 7); /* ICC_SRE_EL1 */
    __asm__ volatile("isb");
    WRITE_SYSREG("S3_0_C4_C6_0", 0xff); /* ICC_PMR_EL1 */
    WRITE_SYSREG("S3_0_C12_C12_7", 1);  /* ICC_IGRPEN1_EL1 */
    __asm__ volatile("isb");
}

static void v2_cpu_setup(void)
{
    for (unsigned i = 0; i < 8; i++)
        mmio_write32(GICD_IPRIORITYR + 4 * i, PRIORITY);
    mmio_write32(GICD_ISENABLER, 0xffffu | PPI_TIMERS);
    mmio_write32(GICC_PMR, 0xff);
    mmio_write32(GICC_CTLR, 1);
}

static void cpu_setup(uint64_t cpu)
{
    if (gic_v2())
        v2_cpu_setup();
    else
        redistributor_setup(cpu);
}

void machine_setup(void)
{
    ticks_hz = READ_SYSREG("cntfrq_el0");
    machine_gic_v2 = !(READ_SYSREG("S3_0_C0_C4_0") >> 24 & 0xf);
    mmio_write32(UARTCR, UARTCR_ENABLE);
    mmio_write32(GICD_CTLR, gic_v2() ? GICD_CTLR_ENABLE_0 : GICD_CTLR_ENABLE);
    for (unsigned i = 1; i < 4 && !gic_v2(); i++)
        mmio_write32(GICD_IGROUPR + 4 * i, ~0u);
    cpu_setup(0);
}

void machine_setup_secondary(void);
void machine_setup_secondary(void)
{
    cpu_setup(this_cpu()->id);
}

void machine_irq(void);
void machine_irq(void)
{
    unsigned ack = gic_v2() ? mmio_read32(GICC_IAR)
                            : (unsigned)READ_SYSREG("S3_0_C12_C12_0"); /* ICC_IAR1_EL1 */
    unsigned intid = gic_v2() ? ack & GICC_IAR_ID : ack;
    enum irq_kind kind = intid < 16 ? IRQ_IPI : intid >= 32 ? IRQ_DEVICE : IRQ_OTHER;

    if (intid >= INTID_NONE)
        return;
    if (intid == PPI_VIRTUAL_TIMER) {
        kind = IRQ_TIMER;
        timer_stop();
    }
    if (irq_hook)
        irq_hook(kind, intid);
    if (gic_v2())
        mmio_write32(GICC_EOIR, ack); /* with the CPU that sent it */
    else
        WRITE_SYSREG("S3_0_C12_C12_1", intid); /* ICC_EOIR1_EL1 */
}

void ipi_send(unsigned cpu)
{
    __asm__ volatile("dsb ishst" : : : "memory");
    if (gic_v2()) {
        mmio_write32(GICD_SGIR, 1u << (16 + cpu) | SGI_IPI);
        return;
    }
    WRITE_SYSREG("S3_0_C12_C11_5", (uint64_t)SGI_IPI << 24 | 1u << cpu); /* ICC_SGI1R_EL1 */
    __asm__ volatile("isb");
}

/* ---- Timer ---- */

void timer_set(uint64_t deadline)
{
    WRITE_SYSREG("cntv_cval_el0", deadline);
    WRITE_SYSREG("cntv_ctl_el0", 1);
    __asm__ volatile("isb");
}

void timer_stop(void)
{
    WRITE_SYSREG("cntv_ctl_el0", 0);
    __asm__ volatile("isb");
}

/* ---- CPUs ---- */

unsigned cpu_count(void)
{
    unsigned n = 1;

    while (n < GUEST_MAX_CPUS && psci(PSCI_AFFINITY_INFO, n, 0, 0) >= 0)
        n++;
    return n;
}

void cpu_start(unsigned cpu, void (*fn)(void *arg), void *arg)
{
    guest_cpus[cpu].start = fn;
    guest_cpus[cpu].arg = arg;
    __asm__ volatile("dsb ish" : : : "memory");
    check_equal((uint64_t)psci(PSCI_CPU_ON, cpu, (uint64_t)start_secondary, cpu), 0,
                "CPU %u is started", cpu);
}

void power_off(void)
{
    psci(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}

/* ---- Exceptions ---- */

static enum trap_kind trap_kind(uint64_t esr, bool serror)
{
    if (serror)
        return TRAP_BUS;
    switch (EC(esr)) {
    case EC_UNKNOWN:
    case EC_SYSREG:
        return TRAP_UNDEFINED;
    case EC_FETCH:
    case EC_DATA:
        return FSC(esr) == FSC_EXTERNAL || (FSC(esr) & 0x3c) == 0x14 ? TRAP_BUS
               : FSC(esr) == FSC_ALIGN                               ? TRAP_ALIGNMENT
                                                                     : TRAP_PAGE;
    case EC_ALIGN_PC:
        return TRAP_ALIGNMENT;
    default:
        return TRAP_OTHER;
    }
}

bool machine_trap(uint64_t serror, struct trap_frame *f);
bool machine_trap(uint64_t serror, struct trap_frame *f)
{
    uint64_t esr = READ_SYSREG("esr_el1");
    struct trap t = {.kind = trap_kind(esr, serror),
                     .cause = esr,
                     .address = READ_SYSREG("far_el1"),
                     .pc = READ_SYSREG("elr_el1")};

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

/* ---- A guest that cannot go on ---- */

#define SPSR_AARCH32_USER 0x1d0UL /* A, I and F masked */

static void mmu_off(void)
{
    __asm__ volatile("mrs x1, sctlr_el1\n bic x1, x1, #1\n msr sctlr_el1, x1\n isb"
                     :
                     :
                     : "x1", "memory");
}

static void aarch32(void)
{
    uint64_t untouched = RAM_BASE + (100 << 20);

    __asm__ volatile("msr elr_el1, %0\n msr spsr_el1, %1\n eret"
                     :
                     : "r"(untouched), "r"(SPSR_AARCH32_USER)
                     : "memory");
}

void machine_crash(void)
{
    bool to_aarch32 = option("aarch32");

    mmu_off(); /* its own tables would forbid the fetch */
    if (to_aarch32)
        aarch32();
    __asm__ volatile("mov x19, %0\n msr vbar_el1, %1\n isb\n udf #0"
                     :
                     : "r"(CRASH_MARK), "r"(CRASH_VECTORS)
                     : "x19", "memory");
}
