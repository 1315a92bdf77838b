/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes frames between three network cards: headers and contents are the input's. One receiver
 * takes large frames in small buffers, the other nothing but plain ones. Nobody but the sender is
 * ever broken by it, and what arrives is never longer than its buffers.
 */
#include <stdlib.h>
#include <string.h>
#include "hosted.h"
#include "test_vm.h"
#include "virtio/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STATIONS 3
#define RX       KIB(64)
#define TX       KIB(256)
#define BUFFERS  MIB(1)
#define FRAMES   MIB(8)
#define BUFFER   1526u

static struct test_vm vms[STATIONS];
static struct driver drivers[STATIONS];
static struct driver_queue receive[STATIONS], transmit[STATIONS];

/* Model: the features of each station. */
static const uint64_t features[STATIONS] = {
    BIT(32) | BIT(29) | BIT(0) | BIT(11) | BIT(12) | BIT(13),
    BIT(32) | BIT(29) | BIT(34) | BIT(1) | BIT(7) | BIT(8) | BIT(9) | BIT(15),
    BIT(32),
};

static void start(unsigned i)
{
    static const char *const names[STATIONS] = {"a", "b", "c"};

    test_vm_start(&vms[i], names[i], false, false);
    if (virtio_net_create(&vms[i].vm) != ERR_OK)
        abort();
    driver_find(&drivers[i], &vms[i], VIRTIO_SLOT_NET, false);
    if (!driver_negotiate(&drivers[i], features[i]))
        abort();
    driver_queue_set_up(&drivers[i], &receive[i], 0, 128, RX);
    driver_queue_set_up(&drivers[i], &transmit[i], 1, 16, TX);
    driver_ok(&drivers[i]);
    for (unsigned n = 0; n < 100; n++) {
        struct driver_buffer b = {BUFFERS + n * 2048, BUFFER, true};

        driver_add(&receive[i], &b, 1, false);
    }
}

/* Takes what came and gives the buffer back: all are alike. */
static void drain(unsigned i)
{
    uint32_t written;
    int id;

    while ((id = driver_take(&receive[i], &written)) >= 0) {
        struct driver_buffer b = {BUFFERS + (unsigned)id % 100 * 2048, BUFFER, true};

        if (written > BUFFER)
            abort();
        driver_add(&receive[i], &b, 1, false);
    }
    if (driver_status(&drivers[i]) != 15)
        abort();
}

/* The addresses of the stations stand for some values of the first byte. */
static void address(struct test_vm *from, uint64_t at, uint8_t choice)
{
    uint8_t mac[6];

    for (unsigned i = 0; i < 6; i++)
        mac[i] =
            (uint8_t)test_read(&vms[choice % STATIONS], drivers[choice % STATIONS].device + i, 1);
    if (choice < 200 && guest_copy_to(from->vm.memory, GPA(at), mac, 6) != ERR_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct driver_buffer b = {FRAMES, 0, false};
    uint32_t written;

    if (!vms[0].vm.memory) {
        test_vm_machine();
        for (unsigned i = 0; i < STATIONS; i++)
            start(i);
    }
    if (size < 4 || size > KIB(64))
        return 0;
    /* Short inputs stand for long frames: the last byte is repeated. */
    b.length = (uint32_t)MIN((size - 4) + data[2] * 257UL, (size_t)KIB(65));
    if (!b.length || guest_zero(vms[0].vm.memory, GPA(FRAMES), KIB(66)) != ERR_OK ||
        guest_copy_to(vms[0].vm.memory, GPA(FRAMES), data + 4, size - 4) != ERR_OK)
        return 0;
    address(&vms[0], FRAMES + 12, data[0]);
    address(&vms[0], FRAMES + 18, data[1] < 200 ? 0 : data[1]);
    if (driver_add(&transmit[0], &b, 1, false) < 0)
        abort();
    driver_kick(&transmit[0]);
    if (driver_take(&transmit[0], &written) < 0)
        abort();
    for (unsigned i = 0; i < STATIONS; i++)
        drain(i);
    return 0;
}
