/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Code that is changed by others than the guest's own stores. What runs afterwards is the new code.
 *   devicecode  by a VirtIO block device (VirtIO 1.2, 5.2): sectors are written with functions that
 *               return their number, and read over functions that ran many times; needs a disk of
 *               64 KiB. With 2 CPUs the other one reads what this one then runs.
 *   given       by a debugger: says the place of a function that it calls for ever, and what it
 *               returns whenever that is another value than before
 */
#include "tests/guests/suite.h"
#include "tests/guests/virtio_pci.h"

#define CODE   (RAM_BASE + (50UL << 20)) /* pages that are called */
#define BUFFER (RAM_BASE + (52UL << 20))
#define SECTOR 512u
#define PAGE   4096u
#define ROUNDS 40u
#define CALLS  300u /* until the code is hot */

enum { BLOCK_IN, BLOCK_OUT };
typedef uint64_t (*code_t)(void (*between)(void));

static struct virtio_pci disk;
static struct virtq ring;
static struct {
    uint32_t type, reserved;
    uint64_t sector;
} request;
static volatile uint8_t status;

/* ---- The driver: one request at a time, no interrupts ---- */

static bool disk_start(void)
{
    if (!check(virtio_pci_begin(VIRTIO_BLOCK, &disk), "there is a disk"))
        return false;
    virtio_pci_queue(&disk, 0, &ring);
    virtio_pci_work(&disk);
    return true;
}

static bool transfer(uint32_t type, uint64_t sector, void *data, uint32_t length)
{
    uint16_t before = virtq_used(&ring);

    request.type = type;
    request.sector = sector;
    status = 0xff;
    ring.desc[0].address = (uint64_t)&request;
    ring.desc[0].length = sizeof(request);
    ring.desc[0].flags = DESC_NEXT;
    ring.desc[0].next = 1;
    ring.desc[1].address = (uint64_t)data;
    ring.desc[1].length = length;
    ring.desc[1].flags = DESC_NEXT | (type == BLOCK_IN ? DESC_WRITE : 0);
    ring.desc[1].next = 2;
    ring.desc[2].address = (uint64_t)&status;
    ring.desc[2].length = 1;
    ring.desc[2].flags = DESC_WRITE;
    virtq_offer(&ring, 0);
    virtio_pci_notify(&disk, 0);
    while (virtq_used(&ring) == before)
        cpu_relax();
    return status == 0;
}

/* ---- What is on the disk: at `offset` of sector n a function that returns n ---- */

static bool fill_disk(unsigned offset, bool calls)
{
    uint8_t *buffer = (uint8_t *)BUFFER;
    bool ok = true;

    memset(buffer, 0, ROUNDS * SECTOR);
    for (unsigned n = 0; n < ROUNDS; n++)
        (calls ? isa_code_calls : isa_code_returns)(buffer + n * SECTOR + offset, n);
    for (unsigned n = 0; n < ROUNDS; n++)
        ok &= transfer(BLOCK_OUT, n, buffer + n * SECTOR, SECTOR);
    return ok;
}

static unsigned call_often(uint64_t at, uint64_t expected)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < CALLS; i++)
        wrong += ((code_t)at)(NULL) != expected;
    return wrong;
}

static void one_sector(unsigned offset, uint64_t page_offset)
{
    uint64_t at = CODE + page_offset;
    unsigned wrong = 0;
    bool ok = fill_disk(offset, false);

    for (unsigned n = 0; n < ROUNDS; n++) {
        ok &= transfer(BLOCK_IN, n, (void *)at, SECTOR);
        instructions_changed();
        wrong += call_often(at + offset, n);
    }
    check(ok, "sectors are written and read");
    check_equal(wrong, 0, "code at %u of a sector at %#llx is what was read last", offset,
                (unsigned long long)page_offset);
}

/* Several pages by one request, as a kernel reads a program. */
static void many_sectors(void)
{
    unsigned wrong = 0;
    bool ok = fill_disk(16, false);

    for (unsigned first = 0; first < 24; first++) {
        ok &= transfer(BLOCK_IN, first, (void *)CODE, 16 * SECTOR);
        instructions_changed();
        for (unsigned i = 0; i < 16; i++)
            wrong += call_often(CODE + i * SECTOR + 16, first + i);
    }
    check(ok && !wrong, "two pages of functions are what was read last");
}

static unsigned next_sector;

static void read_next(void)
{
    if (!transfer(BLOCK_IN, ++next_sector, (void *)CODE, SECTOR))
        next_sector = 0;
    instructions_changed();
}

/* What is returned to is no longer what called. */
static void under_a_call(void)
{
    unsigned wrong = 0;
    bool ok = fill_disk(0, true) && transfer(BLOCK_IN, 0, (void *)CODE, SECTOR);

    instructions_changed();
    for (next_sector = 0; next_sector + 1 < ROUNDS;) {
        unsigned expected = next_sector + 1;

        wrong += ((code_t)CODE)(read_next) != expected;
        ok &= next_sector == expected;
        next_sector = expected;
    }
    check(ok && !wrong, "code that a device reads over its caller's is returned to");
}

/* ---- By the other CPU ---- */

static unsigned turn, done;

static void other(void *arg)
{
    (void)arg;
    for (unsigned n = 1; n < ROUNDS; n++) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != n)
            cpu_relax();
        (void)!transfer(BLOCK_IN, n, (void *)CODE, SECTOR);
        instructions_changed();
        __atomic_store_n(&done, n, __ATOMIC_RELEASE);
    }
}

static void by_the_other_cpu(void)
{
    unsigned wrong = 0;

    if (cpu_count() < 2)
        return;
    (void)!fill_disk(0, false);
    cpu_start(1, other, NULL);
    for (unsigned n = 1; n < ROUNDS; n++) {
        __atomic_store_n(&turn, n, __ATOMIC_RELEASE);
        while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) != n)
            cpu_relax();
        instructions_changed();
        wrong += call_often(CODE, n);
    }
    check_equal(wrong, 0, "code that the other CPU reads is what runs");
}

static void run_devicecode(void)
{
    if (!disk_start())
        return;
    one_sector(0, 0);
    one_sector(100, 256);
    one_sector(SECTOR - 32, PAGE - SECTOR / 2); /* the sector goes over a page's end */
    many_sectors();
    under_a_call();
    by_the_other_cpu();
}
PROGRAM(devicecode);

static void run_given(void)
{
    uint64_t last = 0;

    isa_code_returns((uint8_t *)CODE, 1);
    instructions_changed();
    print("given at %#llx\n", (unsigned long long)CODE);
    for (;;) {
        uint64_t value = ((code_t)CODE)(NULL);

        if (value != last)
            print("value %llu\n", (unsigned long long)value);
        last = value;
        instructions_changed();
    }
}
PROGRAM(given);
