/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Local APIC: SDM 3, chapter 11. */
#include "arch/x86_64/host/apic.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/msr.h"
#include "drivers/acpi.h"
#include "kernel/log.h"
#include "kernel/timer.h"
#include "mm/kernel_map.h"

/* Offsets of registers, 16 bytes apart; in x2APIC mode MSR 0x800 + offset / 16 (table 11-6). */
#define APIC_ID            0x020
#define APIC_VERSION       0x030
#define APIC_TPR           0x080
#define APIC_EOI           0x0b0
#define APIC_LDR           0x0d0
#define APIC_DFR           0x0e0
#define APIC_SPURIOUS      0x0f0
#define APIC_ESR           0x280
#define APIC_LVT_CMCI      0x2f0
#define APIC_ICR           0x300
#define APIC_ICR_HIGH      0x310
#define APIC_LVT_TIMER     0x320
#define APIC_LVT_LINT0     0x350
#define APIC_LVT_LINT1     0x360
#define APIC_LVT_ERROR     0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0
#define APIC_SIZE          0x1000

#define SPURIOUS_ENABLE  BIT(8)
#define LVT_MASKED       BIT(16)
#define LVT_NMI          (4u << 8)
#define LVT_PERIODIC     (1u << 17)
#define LVT_TSC_DEADLINE (2u << 17)
#define ICR_NMI          (4u << 8)
#define ICR_INIT         (5u << 8)
#define ICR_STARTUP      (6u << 8)
#define ICR_PENDING      BIT(12)
#define ICR_ASSERT       BIT(14)
#define TIMER_DIVIDE_1   0xbu
#define XAPIC_ID_SHIFT   24
#define RATIO_SHIFT      32
#define ALL_CPUS         0xff

static uint8_t *registers; /* NULL: x2APIC mode */
static bool x2apic;
static uint64_t timer_hz;
static uint64_t timer_ratio; /* ticks of the timer for one of the TSC, << RATIO_SHIFT */

static uint32_t apic_read(unsigned offset)
{
    if (x2apic)
        return (uint32_t)msr_read(MSR_X2APIC + offset / 16);
    return mmio_read32(registers + offset);
}

static void apic_write(unsigned offset, uint32_t value)
{
    if (x2apic)
        msr_write(MSR_X2APIC + offset / 16, value);
    else
        mmio_write32(registers + offset, value);
}

uint32_t apic_id_read(void)
{
    uint32_t id = apic_read(APIC_ID);

    return x2apic ? id : id >> XAPIC_ID_SHIFT;
}

const char *apic_mode_name(void)
{
    return x2apic ? "x2APIC" : "xAPIC";
}

/* x2APIC mode where the firmware turned it on or ids need it; otherwise what every machine and its
 * firmware are used to. */
static bool x2apic_wanted(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");

    if (!cpu_features()->x2apic)
        return false;
    if (msr_read(MSR_APIC_BASE) & APIC_BASE_X2APIC)
        return true;
    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_x2apic *x = ACPI_SUBTABLE_AS(s, struct acpi_madt_x2apic);

        if (s->type == ACPI_MADT_X2APIC && x && (x->flags & ACPI_CPU_ENABLED) &&
            x->x2apic_id > XAPIC_ID_MAX)
            return true;
    }
    return false;
}

enum err apic_init(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE);

    x2apic = x2apic_wanted();
    if (x2apic)
        return ERR_OK;
    registers = kernel_map_device(HPA(ALIGN_DOWN(base, PAGE_SIZE) & BITS(51, 12)), APIC_SIZE,
                                  PT_READ | PT_WRITE | PT_DEVICE);
    if (!registers) {
        log_error("the local APIC at 0x%llx cannot be mapped", (unsigned long long)base);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

/* LINT pins that the firmware says carry NMIs; the others stay masked: nothing here uses 8259s. */
static void lint_init(void)
{
    const struct acpi_madt *madt = ACPI_FIND(struct acpi_madt, "APIC");

    apic_write(APIC_LVT_LINT0, LVT_MASKED);
    apic_write(APIC_LVT_LINT1, LVT_MASKED);
    ACPI_FOR_EACH_SUBTABLE(s, madt, sizeof(*madt))
    {
        const struct acpi_madt_local_apic_nmi *n =
            ACPI_SUBTABLE_AS(s, struct acpi_madt_local_apic_nmi);

        if (s->type == ACPI_MADT_LOCAL_APIC_NMI && n && n->uid == ALL_CPUS && n->lint <= 1)
            apic_write(n->lint ? APIC_LVT_LINT1 : APIC_LVT_LINT0, LVT_NMI);
    }
}

void apic_cpu_init(struct cpu *cpu)
{
    uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    /* x2APIC is entered from enabled xAPIC mode only (SDM 3, 11.12.5). */
    msr_write(MSR_APIC_BASE, base);
    if (x2apic)
        msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    cpu->host.apic_id = apic_id_read();
    apic_write(APIC_TPR, 0);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    lint_init();
    apic_write(APIC_ESR, 0);
    apic_write(APIC_LVT_ERROR, VECTOR_ERROR);
    apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_1);
    apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    cpu->host.timer_deadline = UINT64_MAX;
    if (timer_hz || cpu_features()->tsc_deadline)
        apic_timer_set_hz(timer_hz);
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

static void icr_write(uint32_t apic_id, uint32_t command)
{
    uint64_t flags;

    if (x2apic) {
        host_barrier_full(); /* x2APIC writes do not order earlier stores (SDM 3, 11.12.3) */
        msr_write(MSR_X2APIC + APIC_ICR / 16, (uint64_t)apic_id << 32 | command);
        return;
    }
    flags = host_irq_save();
    while (mmio_read32(registers + APIC_ICR) & ICR_PENDING)
        __asm__ volatile("pause");
    mmio_write32(registers + APIC_ICR_HIGH, apic_id << XAPIC_ID_SHIFT);
    mmio_write32(registers + APIC_ICR, command);
    host_irq_restore(flags);
}

void apic_send(const struct cpu *cpu, unsigned vector)
{
    icr_write(cpu->host.apic_id, (uint32_t)ICR_ASSERT | vector);
}

void apic_send_nmi(const struct cpu *cpu)
{
    icr_write(cpu->host.apic_id, (uint32_t)ICR_ASSERT | ICR_NMI);
}

void apic_send_init(uint32_t apic_id)
{
    icr_write(apic_id, (uint32_t)ICR_ASSERT | ICR_INIT);
}

void apic_send_startup(uint32_t apic_id, unsigned page)
{
    icr_write(apic_id, (uint32_t)ICR_ASSERT | ICR_STARTUP | page);
}

void apic_error_interrupt(void)
{
    apic_write(APIC_ESR, 0);
    log_warn("local APIC of CPU %u reports error status 0x%x", this_cpu()->id,
             (unsigned)apic_read(APIC_ESR));
}

void host_ipi_send(struct cpu *cpu, enum host_ipi kind)
{
    if (kind == HOST_IPI_HALT) {
        __atomic_fetch_or(&cpu->ipi_pending, 1u << HOST_IPI_HALT, __ATOMIC_SEQ_CST);
        apic_send_nmi(cpu);
    } else {
        apic_send(cpu, kind == HOST_IPI_CALL ? VECTOR_CALL : VECTOR_RESCHEDULE);
    }
}

/*
 * ---- The timer: SDM 3, 11.5.4 ----
 *
 * A long count-down begins again by itself, so that after an interrupt a deadline beyond its period
 * need not be written: mostly somebody sets a nearer one before. Otherwise one interrupt comes too
 * early and writes it.
 */
#define PERIOD_LEAST_US 1000 /* shorter ones would interrupt before anybody can do that */

/* An exit is mostly handled sooner than that, and the guest's entry finds what is due. */
#define GRACE_US 20

void apic_timer_count_start(void)
{
    apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
}

uint32_t apic_timer_counted(void)
{
    return UINT32_MAX - apic_read(APIC_TIMER_CURRENT);
}

void apic_timer_set_hz(uint64_t hz)
{
    timer_hz = hz;
    if (hz) /* with TSC deadlines there is no count to convert, and no frequency known yet */
        timer_ratio = (uint64_t)(((unsigned __int128)hz << RATIO_SHIFT) / host_counter_hz());
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, hz ? VECTOR_TIMER : LVT_TSC_DEADLINE | VECTOR_TIMER);
    host_barrier_full(); /* between the memory-mapped mode switch and the first deadline (SDM
                            3, 11.5.4.1) */
}

/* Counter ticks of the APIC for `ticks` of the TSC, at least one, rounded up, at most what fits. */
static uint32_t timer_ticks(uint64_t ticks)
{
    unsigned __int128 scaled = ((unsigned __int128)ticks * timer_ratio >> RATIO_SHIFT) + 1;

    return scaled > UINT32_MAX ? UINT32_MAX : (uint32_t)scaled;
}

static void count_down(struct cpu *cpu, uint64_t ticks)
{
    bool again = ticks >= host_counter_hz() / 1000000 * PERIOD_LEAST_US;

    if (again != (cpu->host.timer_period != 0)) {
        apic_write(APIC_TIMER_INITIAL, 0); /* or a short count would begin again meanwhile */
        apic_write(APIC_LVT_TIMER, (again ? LVT_PERIODIC : 0) | VECTOR_TIMER);
    }
    cpu->host.timer_period = again ? ticks : 0;
    apic_write(APIC_TIMER_INITIAL, ticks ? timer_ticks(ticks) : 0);
}

/* 0 would disarm; a past deadline fires at once. */
static void tsc_deadline_write(struct cpu *cpu, uint64_t deadline)
{
    uint64_t grace = cpu->host.timer_grace, value = 0;

    if (deadline < UINT64_MAX - grace)
        value = MAX(deadline + grace, (uint64_t)1);
    cpu->host.timer_late = value && grace;
    msr_write(MSR_TSC_DEADLINE, value);
}

void apic_timer_lend(bool lent)
{
    struct host_cpu *host = &this_cpu()->host;

    host->timer_grace = lent ? host_counter_hz() / 1000000 * GRACE_US : 0;
    if (!lent && host->timer_late)
        host_timer_arm(host->timer_deadline);
}

void host_timer_arm(uint64_t deadline)
{
    struct cpu *cpu = this_cpu();
    uint64_t now;

    cpu->host.timer_deadline = deadline;
    if (!timer_hz) {
        tsc_deadline_write(cpu, deadline);
        return;
    }
    if (cpu->host.timer_again && deadline >= cpu->host.timer_again)
        return;
    if (deadline == UINT64_MAX) {
        count_down(cpu, 0);
        return;
    }
    now = host_counter();
    count_down(cpu, deadline > now ? deadline - now : 1);
}

/* A count-down that could not reach as far as the deadline, was a tick short, or began again before
 * anybody wanted it to, is written anew. */
void apic_timer_interrupt(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t deadline = cpu->host.timer_deadline, now;

    if (timer_hz) {
        now = host_counter();
        if (now < deadline) {
            host_timer_arm(deadline);
            return;
        }
        if (cpu->host.timer_period)
            cpu->host.timer_again = now + cpu->host.timer_period;
    }
    cpu->host.timer_deadline = UINT64_MAX;
    timer_interrupt();
    cpu->host.timer_again = 0;
}
