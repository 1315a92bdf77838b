/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Two guests on a virtual network, by VirtIO network cards (VirtIO 1.2, 5.1) that interrupt by
 * their PCI pins: pong   answers what it is asked, and idles otherwise ping   asks count= times, 10
 * ms apart, and says how long answers took: the worst of 99 in 100 Frames go to all stations and
 * have a type that is free for experiments (IEEE 802.3, clause 9.2.4).
 */
#include "tests/guests/virtio_pci.h"

#define RECEIVE    0u
#define TRANSMIT   1u
#define GAP_NS     10000000ULL
#define COUNT_MAX  1000u
#define ETHER_TYPE 0xb588 /* 88b5h, as it lies in memory */

enum { REQUEST = 1, ANSWER };

struct frame {
    uint8_t header[12]; /* struct virtio_net_hdr: nothing to offload */
    uint8_t to[6], from[6];
    uint16_t type;
    uint8_t what, padding[3];
    uint32_t number;
    uint8_t rest[40]; /* to the least that a frame has */
} __attribute__((packed));

static struct virtio_pci card;
static struct virtq queues[2];
static struct frame received[VIRTQ_SIZE], sent;
static uint16_t taken;

static void card_hook(enum irq_kind kind, unsigned number)
{
    (void)number;
    if (kind == IRQ_DEVICE)
        mmio_read8(card.isr);
}

static bool card_start(uint8_t station)
{
    if (!check(virtio_pci_begin(VIRTIO_NET, &card), "there is a network card"))
        return false;
    queues[TRANSMIT].avail_flags = AVAIL_NO_INTERRUPT;
    for (unsigned q = 0; q < ARRAY_SIZE(queues); q++)
        virtio_pci_queue(&card, q, &queues[q]);
    sent = (struct frame){.to = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                          .from = {2, 0, 0, 0, 0, station},
                          .type = ETHER_TYPE};
    virtio_pci_work(&card);
    for (uint16_t i = 0; i < VIRTQ_SIZE; i++) {
        queues[RECEIVE].desc[i].address = (uint64_t)&received[i];
        queues[RECEIVE].desc[i].length = sizeof(received[i]);
        queues[RECEIVE].desc[i].flags = DESC_WRITE;
        virtq_offer(&queues[RECEIVE], i);
    }
    virtio_pci_notify(&card, RECEIVE);
    irq_hook = card_hook;
    pci_irq_setup(card.slot, 0);
    return true;
}

static void send(uint8_t what, uint32_t number)
{
    struct virtq *q = &queues[TRANSMIT];
    uint16_t before = virtq_used(q);

    sent.what = what;
    sent.number = number;
    q->desc[0].address = (uint64_t)&sent;
    q->desc[0].length = sizeof(sent);
    virtq_offer(q, 0);
    virtio_pci_notify(&card, TRANSMIT);
    while (virtq_used(q) == before)
        cpu_relax();
}

/* The next frame of this kind, which the CPU sleeps for; gives its number. */
static uint32_t receive(uint8_t what)
{
    struct virtq *q = &queues[RECEIVE];

    for (;;) {
        uint16_t head;
        struct frame f;

        while (virtq_used(q) == taken)
            irq_wait();
        head = (uint16_t)q->used[taken++ % VIRTQ_SIZE].head;
        f = received[head];
        virtq_offer(q, head);
        virtio_pci_notify(&card, RECEIVE);
        if (f.type == ETHER_TYPE && f.what == what)
            return f.number;
    }
}

static void run_pong(void)
{
    if (!card_start(2))
        return;
    for (;;)
        send(ANSWER, receive(REQUEST));
}
PROGRAM(pong);

static void run_ping(void)
{
    static uint64_t times[COUNT_MAX];
    uint32_t count = (uint32_t)option_number("count", 100), right = 0;

    if (count > COUNT_MAX || !card_start(1))
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t began;

        sleep_until(ticks() + ns_to_ticks(GAP_NS));
        irq_hook = card_hook;
        began = ticks();
        send(REQUEST, i);
        right += receive(ANSWER) == i;
        sorted_insert(times, i, ticks_to_ns(ticks() - began) / 1000);
    }
    print("ping: %u of %u came back, %llu us for 99 in 100, %llu us at most\n", right, count,
          (unsigned long long)times[(count - 1) * 99 / 100], (unsigned long long)times[count - 1]);
}
PROGRAM(ping);
