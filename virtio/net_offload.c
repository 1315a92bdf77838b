/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Checksums and TCP segmentation in software. */
#include "virtio/net_offload.h"

#include <string.h>

#define ETHER_HEADER    14u
#define ETHER_TYPE      12u
#define ETHER_TYPE_IPV4 0x0800u
#define ETHER_TYPE_IPV6 0x86ddu
#define IP_TCP          6u

/* Offsets in the headers (RFC 791, 8200, 9293). */
#define IPV4_MIN       20u
#define IPV4_LENGTH    2u
#define IPV4_ID        4u
#define IPV4_PROTOCOL  9u
#define IPV4_CHECKSUM  10u
#define IPV4_ADDRESSES 12u
#define IPV6_SIZE      40u
#define IPV6_LENGTH    4u
#define IPV6_NEXT      6u
#define IPV6_ADDRESSES 8u
#define TCP_MIN        20u
#define TCP_SEQUENCE   4u
#define TCP_OFFSET     12u
#define TCP_FLAGS      13u
#define TCP_CHECKSUM   16u

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

/* The sum of big-endian 16-bit words, an odd byte padded with zero; not yet folded. */
static uint64_t sum(uint64_t so_far, const uint8_t *p, uint32_t length)
{
    for (; length >= 2; p += 2, length -= 2)
        so_far += get16(p);
    return length ? so_far + ((uint64_t)*p << 8) : so_far;
}

static uint16_t fold(uint64_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

static unsigned gso_kind(const struct net_header *h)
{
    return h->gso_type & ~NET_GSO_ECN;
}

bool net_header_valid(const struct net_header *h, uint32_t length, uint64_t allowed)
{
    unsigned kind = gso_kind(h);

    if ((h->flags & NET_HDR_NEEDS_CSUM) && (uint32_t)h->csum_start + h->csum_offset + 2 > length)
        return false;
    if (h->gso_type == NET_GSO_NONE)
        return true;
    if (kind > 63 || !(allowed & BIT(kind)) || kind == NET_GSO_NONE)
        return false;
    if ((h->gso_type & NET_GSO_ECN) && !(allowed & BIT(7)))
        return false;
    return h->gso_size && (h->flags & NET_HDR_NEEDS_CSUM);
}

void net_checksum_fill(uint8_t *frame, uint32_t length, const struct net_header *h)
{
    uint16_t value = fold(sum(0, frame + h->csum_start, length - h->csum_start));

    put16(frame + h->csum_start + h->csum_offset, value);
}

/* ---- Segmentation ---- */

/* The IP header at s->network: it ends where the transport header begins. */
static bool ip_matches(const struct net_segments *s)
{
    const uint8_t *ip = s->frame + s->network;
    uint32_t room = s->transport - s->network;

    if (s->ipv6)
        return room >= IPV6_SIZE && ip[0] >> 4 == 6 &&
               (room > IPV6_SIZE || ip[IPV6_NEXT] == IP_TCP);
    return room >= IPV4_MIN && ip[0] >> 4 == 4 && (ip[0] & 15u) * 4u == room &&
           ip[IPV4_PROTOCOL] == IP_TCP;
}

bool net_segments_begin(struct net_segments *s, const uint8_t *frame, uint32_t length,
                        const struct net_header *h)
{
    bool ipv6 = gso_kind(h) == NET_GSO_TCPV6;
    uint32_t tcp;

    *s = (struct net_segments){.frame = frame,
                               .length = length,
                               .network = ETHER_HEADER,
                               .transport = h->csum_start,
                               .size = h->gso_size,
                               .ipv6 = ipv6};
    if (s->transport <= s->network || s->transport + TCP_MIN > length ||
        get16(frame + ETHER_TYPE) != (ipv6 ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4) || !ip_matches(s))
        return false;
    tcp = (frame[s->transport + TCP_OFFSET] >> 4) * 4u;
    s->headers = s->transport + tcp;
    return tcp >= TCP_MIN && s->headers < length && s->size;
}

static void write_ip(const struct net_segments *s, uint8_t *out, uint32_t length)
{
    uint8_t *ip = out + s->network;

    if (s->ipv6) {
        put16(ip + IPV6_LENGTH, length - s->network - IPV6_SIZE);
        return;
    }
    put16(ip + IPV4_LENGTH, length - s->network);
    put16(ip + IPV4_ID, get16(ip + IPV4_ID) + s->index);
    put16(ip + IPV4_CHECKSUM, 0);
    put16(ip + IPV4_CHECKSUM, fold(sum(0, ip, s->transport - s->network)));
}

static void write_tcp(const struct net_segments *s, uint8_t *out, uint32_t length, bool last)
{
    uint8_t *ip = out + s->network, *tcp = out + s->transport;
    uint32_t bytes = length - s->transport;
    uint64_t total = IP_TCP + (uint64_t)bytes;

    put32(tcp + TCP_SEQUENCE, get32(tcp + TCP_SEQUENCE) + s->done);
    if (!last)
        tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (s->index)
        tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
    put16(tcp + TCP_CHECKSUM, 0);
    /* The pseudo header: both addresses, protocol and length. */
    total = s->ipv6 ? sum(total, ip + IPV6_ADDRESSES, 32) : sum(total, ip + IPV4_ADDRESSES, 8);
    put16(tcp + TCP_CHECKSUM, fold(sum(total, tcp, bytes)));
}

uint32_t net_segments_next(struct net_segments *s, uint8_t *out)
{
    uint32_t left = s->length - s->headers - s->done;
    uint32_t data = MIN(left, (uint32_t)s->size);

    if (!data)
        return 0;
    memcpy(out, s->frame, s->headers);
    memcpy(out + s->headers, s->frame + s->headers + s->done, data);
    write_ip(s, out, s->headers + data);
    write_tcp(s, out, s->headers + data, data == left);
    s->done += data;
    s->index++;
    return s->headers + data;
}
