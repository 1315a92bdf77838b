/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * A virtual switch for each [network NAME]: learning bridge between the network cards of guests
 * (IEEE 802.1Q, 8.7 and 8.8, without VLANs and spanning tree).
 *
 * Frames pass without a lock: the table of addresses is read by single atomic words, ports are held
 * by a count of users while something is delivered to them. Where a frame goes is decided here;
 * what a frame is and how it is copied is the devices' business.
 *
 * The addresses that the configuration gives to cards stay where they are: no other port can learn
 * them, and a frame that claims to come from one is dropped. Each port may have a bounded number of
 * further addresses (guests that bridge).
 */
#ifndef VIRTIO_SWITCH_H
#define VIRTIO_SWITCH_H

#include "kernel/config.h"
#include "kernel/lock.h"

#define VSWITCH_MAC_SIZE 6

struct vswitch;

struct vswitch_port {
    struct vswitch *vswitch;
    unsigned index;
    void *owner;    /* the device; NULL: nobody is attached */
    uint32_t users; /* atomic: deliveries in progress */
    uint32_t open;  /* atomic */
    /* Under the switch's lock: */
    uint32_t learned; /* addresses in the table, its own excepted */
    uint32_t expired; /* second of the clock when old ones were looked for last */
};

/* The switch of `network`, made at its first use. Thread context. */
enum err vswitch_attach(const struct config_network *network, const uint8_t *mac, void *owner,
                        struct vswitch_port **out) MUST_CHECK;
/* When it returns nothing is delivered to the port any more. Thread context; no lock that a
 * delivery takes may be held. */
void vswitch_detach(struct vswitch_port *port);

/* What to do with a destination. True: the reference to `to` is kept, for vswitch_put(). */
typedef bool (*vswitch_deliver)(struct vswitch_port *to, void *frame);
/* Learns where `source` is, and calls `deliver` for each port that the frame goes to. False: the
 * frame was dropped, because its source address is another card's or no address of one station. */
bool vswitch_forward(struct vswitch_port *from, const uint8_t *destination, const uint8_t *source,
                     vswitch_deliver deliver, void *frame);
void vswitch_put(struct vswitch_port *port);

/* For tests: forgets all switches; no port is attached. */
void vswitch_forget_all(void);

#endif
