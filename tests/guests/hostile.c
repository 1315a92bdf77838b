/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * "hostile": what a guest may do to harm its host or another guest: accesses of all widths to all
 * addresses, with the weight on devices and on the BARs of its PCI functions, queues that lie
 * anywhere, storms of interrupts, calls with random arguments. It must end by itself, and others
 * must notice nothing. rounds=N, seed=N.
 */
#include "tests/guests/suite.h"

#define TARGETS_MAX    32
#define CONFIG(slot)   (ECAM_BASE + ((uint64_t)(slot) << 15))
#define CONFIG_COMMAND 0x04
#define COMMAND_ALL    0x0006 /* memory, bus master */
#define CONFIG_BAR0    0x10
#define BAR_64BIT      0x4u
#define BAR_MASK       (~0xfULL)
#define BAR_REACH      0x4000 /* bytes of a BAR that are aimed at */
#define STORM          5000

static struct target {
    uint64_t base, size;
} targets[TARGETS_MAX];
static unsigned target_count;
static uint64_t state, traps;

static void add_target(uint64_t base, uint64_t size)
{
    if (target_count < TARGETS_MAX)
        targets[target_count++] = (struct target){base, size};
}

/* BARs as the hypervisor placed them; the functions are switched on. */
static void find_bars(void)
{
    for (unsigned slot = 1; slot < 32; slot++) {
        if (mmio_read32(CONFIG(slot)) == ~0u)
            continue;
        mmio_write16(CONFIG(slot) + CONFIG_COMMAND, COMMAND_ALL);
        for (unsigned bar = 0; bar < 6; bar++) {
            uint64_t low = mmio_read32(CONFIG(slot) + CONFIG_BAR0 + 4 * bar), base = low & BAR_MASK;

            if (low & BAR_64BIT)
                base |= (uint64_t)mmio_read32(CONFIG(slot) + CONFIG_BAR0 + 4 * ++bar) << 32;
            if (base)
                add_target(base, BAR_REACH);
        }
    }
}

/* Values that mean something to a device: small ones, addresses in memory and just outside. */
static uint64_t hostile_value(void)
{
    uint64_t r = random_next(&state);

    switch (r % 6) {
    case 0:
        return r >> 60;
    case 1:
        return RAM_BASE + (48UL << 20) + (r >> 32 & 0xfff0);
    case 2:
        return ~0ULL << (r >> 58);
    case 3:
        return 1ULL << (r >> 58);
    case 4:
        return RAM_BASE + (64UL << 20) - 16 + (r >> 59);
    default:
        return r;
    }
}

static void access(void *arg)
{
    uint64_t address = (uint64_t)arg, r = random_next(&state), value = hostile_value();

    switch (r % 16) {
    case 0:
        mmio_read8(address);
        break;
    case 1:
        mmio_read16(address);
        break;
    case 2:
    case 3:
    case 4:
        mmio_read32(address);
        break;
    case 5:
        mmio_read64(address);
        break;
    case 6:
    case 7:
        mmio_write8(address, (uint8_t)value);
        break;
    case 8:
    case 9:
        mmio_write16(address, (uint16_t)value);
        break;
    case 10:
    case 11:
        mmio_write64(address, value);
        break;
    default:
        mmio_write32(address, (uint32_t)value);
    }
}

/* An address of a target, mostly aligned; sometimes any that is not this guest's own memory. */
static uint64_t hostile_address(void)
{
    uint64_t r = random_next(&state), address;
    const struct target *t = &targets[r % target_count];

    if (r >> 60) {
        address = t->base + (r >> 8) % t->size;
        return r >> 57 & 7 ? address & ~7ULL : address;
    }
    address = r >> 8 & 0x3fffffffffULL; /* what all ISAs' tables map */
    return address - RAM_BASE < 1UL << 30 ? MMIO_HOLE : address;
}

static void random_accesses(uint64_t rounds)
{
    struct trap t;

    for (uint64_t i = 0; i < rounds; i++)
        traps += !trap_try(access, (void *)hostile_address(), &t);
}

/* Descriptors, avail and used entries that point everywhere: what devices find when they look. */
static void fill_rings(void)
{
    for (uint64_t at = RAM_BASE + (48UL << 20); at < RAM_BASE + (48UL << 20) + 0x20000; at += 8)
        *(volatile uint64_t *)at = hostile_value();
}

static volatile unsigned storm;

static void storm_hook(enum irq_kind kind, unsigned number)
{
    (void)number;
    if (++storm >= STORM && kind == IRQ_DEVICE)
        serial_irq_quiet();
    if (storm < STORM && kind == IRQ_IPI)
        ipi_send((unsigned)this_cpu()->id);
    if (storm < STORM && kind == IRQ_TIMER)
        timer_set(ticks());
}

static bool storm_over(void *arg)
{
    (void)arg;
    return storm >= STORM;
}

static void storms(void)
{
    irq_hook = storm_hook;
    storm = 0;
    timer_set(ticks());
    check(wait_until(storm_over, NULL, 20 * NS_PER_SEC), "a storm of timer interrupts ends");
    timer_stop();
    storm = 0;
    ipi_send(0);
    check(wait_until(storm_over, NULL, 20 * NS_PER_SEC), "a storm of IPIs ends");
}

static void run_hostile(void)
{
    uint64_t rounds = option_number("rounds", 20000);

    state = option_number("seed", 1);
    storms();
    isa_hostile_targets(add_target);
    find_bars();
    print("# %u targets\n", target_count);
    for (unsigned i = 0; i < 8; i++) {
        fill_rings();
        random_accesses(rounds / 8);
    }
    isa_console_restore();
    print("\n"); /* after what went to the serial port */
    check(true, "%llu random accesses are survived", (unsigned long long)rounds);
    print("# %llu of them trapped\n", (unsigned long long)traps);
}
PROGRAM(hostile);
