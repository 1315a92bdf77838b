/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * "rings": a VirtIO driver (VirtIO 1.2, chapters 2 and 4.1) that means harm. On every device of its
 * PCI bus it sets up queues, split and packed, and fills them with what a driver must not write:
 * chains that loop, indices that jump or wrap, descriptors outside memory or of any length,
 * indirect tables in indirect tables; and it resets devices and queues while they work. With a
 * second CPU all of that changes while the device reads it: that one rewrites rings and tables,
 * resets the device, moves its BARs, rewrites its MSI-X table and sends IPIs. After each round the
 * device must still come up. rounds=N, seed=N.
 */
#include "tests/guests/suite.h"
#include "tests/guests/virtio_pci.h"

#define F_VERSION_1 (1ULL << 32)
#define F_PACKED    (1ULL << 34)

#define DESC_INDIRECT 4u
#define DESC_AVAIL    (1u << 7) /* packed */

#define RING_SIZE  16u
#define RING_SPACE 0x2000UL
#define RINGS      (RAM_BASE + (48UL << 20))
#define TABLES     (RAM_BASE + (50UL << 20))
#define DATA       (RAM_BASE + (52UL << 20))
#define RAM_END    (RAM_BASE + (64UL << 20))
#define QUEUES_MAX 5u

struct desc {
    uint64_t address;
    uint32_t length;
    uint16_t a, b; /* flags and next; packed: id and flags */
};

static struct virtio_pci found[32];
static unsigned found_count;
static uint64_t state;
static bool packed;

static uint64_t pick(uint64_t below)
{
    return random_next(&state) % below;
}

/* ---- The driver ---- */

static bool negotiate(const struct virtio_pci *d)
{
    uint64_t features, drop = random_next(&state) & random_next(&state);

    mmio_write8(d->common + COMMON_STATUS, 0);
    if (mmio_read8(d->common + COMMON_STATUS))
        return false;
    mmio_write8(d->common + COMMON_STATUS, STATUS_START);
    mmio_write32(d->common + COMMON_FEATURE_SELECT, 1);
    features = (uint64_t)mmio_read32(d->common + COMMON_FEATURES) << 32;
    mmio_write32(d->common + COMMON_FEATURE_SELECT, 0);
    features |= mmio_read32(d->common + COMMON_FEATURES);
    features = (features & ~drop & ~F_PACKED) | F_VERSION_1 | (packed ? features & F_PACKED : 0);
    mmio_write32(d->common + COMMON_DRIVER_SELECT, 0);
    mmio_write32(d->common + COMMON_DRIVER_FEATURES, (uint32_t)features);
    mmio_write32(d->common + COMMON_DRIVER_SELECT, 1);
    mmio_write32(d->common + COMMON_DRIVER_FEATURES, (uint32_t)(features >> 32));
    mmio_write8(d->common + COMMON_STATUS, STATUS_START | STATUS_FEATURES);
    return mmio_read8(d->common + COMMON_STATUS) & STATUS_FEATURES;
}

static uint64_t ring_of(unsigned queue)
{
    return RINGS + queue * RING_SPACE;
}

static void enable(const struct virtio_pci *d, unsigned queue)
{
    uint64_t ring = ring_of(queue);

    mmio_write16(d->common + COMMON_QUEUE_SELECT, (uint16_t)queue);
    mmio_write16(d->common + COMMON_QUEUE_SIZE, RING_SIZE);
    virtio_pci_write_address(d->common + COMMON_DESC, ring);
    virtio_pci_write_address(d->common + COMMON_DRIVER, ring + 0x800);
    virtio_pci_write_address(d->common + COMMON_DEVICE, pick(64) ? ring + 0x1000 : RAM_END - 8);
    mmio_write16(d->common + COMMON_QUEUE_ENABLE, 1);
}

/* ---- What it writes ---- */

/* In memory mostly; across its end, in the ring itself, nowhere. */
static uint64_t hostile_buffer(void)
{
    switch (pick(8)) {
    case 0:
        return RAM_END - pick(4096);
    case 1:
        return random_next(&state);
    case 2:
        return ring_of((unsigned)pick(QUEUES_MAX)) + pick(RING_SPACE);
    case 3:
        return MMIO_HOLE;
    default:
        return DATA + pick(1 << 20);
    }
}

static uint32_t hostile_length(void)
{
    switch (pick(6)) {
    case 0:
        return 0;
    case 1:
        return UINT32_MAX - (uint32_t)pick(16);
    case 2:
        return (uint32_t)pick(1 << 24);
    default:
        return (uint32_t)pick(8192);
    }
}

static uint16_t hostile_flags(void)
{
    uint16_t flags = (uint16_t)pick(4); /* next and write */

    if (!pick(4))
        flags |= DESC_INDIRECT;
    return pick(64) ? flags : (uint16_t)random_next(&state);
}

static void fill_descs(struct desc *table, unsigned count, unsigned loops_at)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t flags = hostile_flags();

        table[i] = (struct desc){hostile_buffer(), hostile_length(), flags,
                                 (uint16_t)(pick(16) ? pick(loops_at) : random_next(&state))};
        if (flags & DESC_INDIRECT) {
            table[i].address = pick(8) ? TABLES + pick(4096) * 16 : hostile_buffer();
            table[i].length = (uint32_t)(pick(8) ? 16 * pick(64) : pick(5000));
        }
        if (packed) { /* the id comes first; a turn's first half of the flags */
            uint16_t id = table[i].b;

            table[i].b = (uint16_t)(flags | (pick(8) ? DESC_AVAIL : 0));
            table[i].a = id;
        }
    }
}

static void fill_ring(unsigned queue)
{
    volatile uint16_t *avail = (volatile uint16_t *)(ring_of(queue) + 0x800);

    fill_descs((struct desc *)ring_of(queue), RING_SIZE, RING_SIZE);
    fill_descs((struct desc *)TABLES, 4096, 64);
    /* Split: the index goes on by what fits, or jumps, or runs backwards. */
    if (packed)
        return;
    for (unsigned i = 0; i < RING_SIZE; i++)
        avail[2 + i] = (uint16_t)(pick(16) ? pick(RING_SIZE) : random_next(&state));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    avail[0] = (uint16_t)pick(2);
    avail[1] = (uint16_t)(pick(8) ? avail[1] + pick(RING_SIZE + 1) : random_next(&state));
}

/* ---- The second CPU ---- */

#define CONFIG(slot)   (ECAM_BASE + ((uint64_t)(slot) << 15))
#define CONFIG_BAR0    0x10
#define CONFIG_CAPS    0x34
#define BARS           6
#define CAP_MSIX       0x11
#define MSIX_ENABLE    0x8000
#define MSIX_VECTORS   4
#define MSI_DATA_LEAST 0x20

/* Set while the second CPU may do harm to `victim`; `harming` while it does. */
static const struct virtio_pci *volatile victim;
static volatile bool harming;
static uint64_t harms;

/* Away and back: what the first CPU does meanwhile goes nowhere, or to another function. */
static void move_bars(const struct virtio_pci *d)
{
    for (unsigned bar = 0; bar < BARS; bar++) {
        uint64_t at = CONFIG(d->slot) + CONFIG_BAR0 + 4 * bar;
        uint32_t is = mmio_read32(at);

        if (!(is & ~15u))
            continue;
        mmio_write32(at, is + ((uint32_t)pick(64) << 12));
        mmio_write32(at, is);
    }
}

/* Vectors for a CPU that never takes them: where each machine takes messages, and where none does.
 */
static void rewrite_vectors(const struct virtio_pci *d)
{
    static const uint32_t doorbells[] = {0xfee00000, 0x08020040, 0x24000000, 0x24001000, 0};
    uint64_t at = CONFIG(d->slot), table;
    unsigned cap = mmio_read8(at + CONFIG_CAPS);

    while (cap && mmio_read8(at + cap) != CAP_MSIX)
        cap = mmio_read8(at + cap + 1);
    if (!cap)
        return;
    table = mmio_read32(at + cap + 4);
    table = (mmio_read32(at + CONFIG_BAR0 + 4 * (table & 7)) & ~15u) + (table & ~7ULL);
    for (unsigned i = 0; i < MSIX_VECTORS; i++) {
        mmio_write32(table + 16 * i, doorbells[pick(ARRAY_SIZE(doorbells))]);
        mmio_write32(table + 16 * i + 8, MSI_DATA_LEAST + (uint32_t)pick(200));
        mmio_write32(table + 16 * i + 12, (uint32_t)pick(2));
    }
    mmio_write16(at + cap + 2, pick(4) ? MSIX_ENABLE : 0);
    mmio_write16(d->common + COMMON_QUEUE_SELECT, (uint16_t)pick(QUEUES_MAX));
    mmio_write16(d->common + COMMON_QUEUE_VECTOR, (uint16_t)pick(MSIX_VECTORS));
}

static void harm(const struct virtio_pci *d)
{
    switch (pick(32)) {
    case 0:
        mmio_write8(d->common + COMMON_STATUS, 0);
        break;
    case 1:
        mmio_write16(d->common + COMMON_QUEUE_SELECT, (uint16_t)pick(QUEUES_MAX));
        mmio_write16(d->common + COMMON_QUEUE_RESET, 1);
        break;
    case 2:
        move_bars(d);
        break;
    case 3:
        rewrite_vectors(d);
        break;
    case 4:
        for (unsigned i = 0; i < 16; i++)
            ipi_send((unsigned)pick(2));
        break;
    case 5:
        virtio_pci_notify(d, (unsigned)pick(QUEUES_MAX));
        break;
    default:
        fill_ring((unsigned)pick(QUEUES_MAX));
    }
}

static void second_cpu(void *arg)
{
    (void)arg;
    for (;;) {
        const struct virtio_pci *d;

        harming = true;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        d = victim;
        if (d) {
            harm(d);
            harms++;
        }
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        harming = false;
        cpu_relax();
    }
}

/* NULL: nobody, from the return on. */
static void let_harm(const struct virtio_pci *d)
{
    victim = d;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    while (!d && harming)
        cpu_relax();
}

static void one_round(const struct virtio_pci *d)
{
    unsigned queues = mmio_read16(d->common + COMMON_QUEUES);

    if (queues > QUEUES_MAX)
        queues = QUEUES_MAX;
    memset((void *)RINGS, 0, QUEUES_MAX * RING_SPACE);
    for (unsigned q = 0; q < queues; q++)
        enable(d, q);
    mmio_write8(d->common + COMMON_STATUS, STATUS_START | STATUS_FEATURES | STATUS_OK);
    for (unsigned i = 0; i < 4 * queues; i++) {
        unsigned q = (unsigned)pick(queues);

        fill_ring(q);
        virtio_pci_notify(d, q);
        if (!pick(16)) {
            mmio_write16(d->common + COMMON_QUEUE_SELECT, (uint16_t)q);
            mmio_write16(d->common + COMMON_QUEUE_RESET, 1);
            enable(d, q);
        }
    }
    /* Half of them are left as they are: the next round's reset finds them at work. */
    if (pick(2))
        mmio_write8(d->common + COMMON_STATUS, 0);
}

static void run_rings(void)
{
    uint64_t rounds = option_number("rounds", 100);

    state = option_number("seed", 1);
    if (cpu_count() > 1)
        cpu_start(1, second_cpu, NULL);
    for (unsigned slot = 1; slot < 32; slot++)
        found_count += virtio_pci_find(slot, &found[found_count]);
    check(found_count > 1, "there are devices");
    for (unsigned i = 0; i < found_count; i++) {
        const struct virtio_pci *d = &found[i];
        bool ok = true;

        for (uint64_t round = 0; ok && round < rounds; round++) {
            packed = round & 1;
            ok = negotiate(d);
            if (!ok)
                break;
            let_harm(d);
            one_round(d);
            let_harm(NULL);
        }
        mmio_write8(d->common + COMMON_STATUS, 0);
        check(ok && !mmio_read8(d->common + COMMON_STATUS),
              "the device in slot %u comes up after each of %llu rounds", d->slot,
              (unsigned long long)rounds);
    }
    if (cpu_count() > 1)
        check(harms > rounds, "a second CPU did harm meanwhile");
}
PROGRAM(rings);
