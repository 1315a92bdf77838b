/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Checksums and TCP segmentation in software, for receivers that cannot take what a sender left to
 * its device (VirtIO 1.2, 5.1.6.2 and 5.1.6.4; RFC 1071, 791, 8200, 9293). Frames and headers are
 * hostile.
 */
#ifndef VIRTIO_NET_OFFLOAD_H
#define VIRTIO_NET_OFFLOAD_H

#include "kernel/types.h"

#define NET_HDR_SIZE       12u
#define NET_HDR_NEEDS_CSUM 1u

#define NET_GSO_NONE  0u
#define NET_GSO_TCPV4 1u
#define NET_GSO_TCPV6 4u
#define NET_GSO_ECN   0x80u

/* struct virtio_net_hdr, little endian as every host (5.1.6). */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, csum_start, csum_offset, buffers;
};

/* Do the fields fit a frame of `length` bytes, and is the type one of `allowed` (bits by type, ECN
 * by BIT(7))? */
bool net_header_valid(const struct net_header *h, uint32_t length, uint64_t allowed);

/* Puts the checksum where the header asks for it; the header is valid for the frame. */
void net_checksum_fill(uint8_t *frame, uint32_t length, const struct net_header *h);

/* Cutting one large TCP frame into segments of gso_size bytes of data. */
struct net_segments {
    const uint8_t *frame;
    uint32_t length, network, transport, headers; /* offsets; bytes of all headers */
    uint32_t done, index;                         /* bytes of data, segments so far */
    uint16_t size;
    bool ipv6;
};
/* False: it is no TCP frame of the kind that the header says. */
bool net_segments_begin(struct net_segments *s, const uint8_t *frame, uint32_t length,
                        const struct net_header *h) MUST_CHECK;
/* Writes the next segment, checksums included, into `out`, which has room for headers + size bytes;
 * returns its length, 0 after the last. */
uint32_t net_segments_next(struct net_segments *s, uint8_t *out);

#endif
