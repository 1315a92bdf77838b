/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Network cards and switches: frames between guests arrive whole, large ones too, with or without
 * the receiver's help; addresses are learned, bounded and guarded; full receivers lose frames and
 * nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "test_vm.h"
#include "virtio/device.h"
#include "virtio/net_offload.h"
#include "virtio/switch.h"

#define F_MODERN   BIT(32)
#define F_EVENT    BIT(29)
#define F_PACKED   BIT(34)
#define F_CSUM     BIT(0)
#define F_GCSUM    BIT(1)
#define F_GTSO4    BIT(7)
#define F_TSO4     BIT(11)
#define F_MRG      BIT(15)
#define F_CTRL     BIT(17)
#define F_RX       BIT(18)
#define F_RX_EXTRA BIT(20)
#define F_MAC_SET  BIT(23)
#define F_MQ       BIT(22)
#define F_SENDER   (F_MODERN | F_EVENT | F_CSUM | F_TSO4)

#define HDR       12u
#define RX_RING   KIB(64)
#define RX1_RING  KIB(160)
#define TX_RING   KIB(256)
#define TX1_RING  KIB(400)
#define CTRL_RING KIB(512)
#define RX_DATA   MIB(1)
#define TX_DATA   MIB(8)
#define FRAME_MAX 65549u

/* A guest with its card and its driver. */
struct station {
    struct test_vm t;
    struct driver d;
    struct driver_queue rx, tx;
    uint32_t rx_size;        /* of a receive buffer */
    uint64_t rx_buffer[256]; /* by chain id */
    uint8_t mac[6];
};

static uint8_t frame[HDR + FRAME_MAX], got[HDR + FRAME_MAX];

static void add_buffers(struct station *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct driver_buffer b = {RX_DATA + (uint64_t)i * s->rx_size, s->rx_size, true};
        int id = driver_add(&s->rx, &b, 1, false);

        assert_int_not_equal(id, -1);
        s->rx_buffer[id] = b.gpa;
    }
}

static void station_start(struct station *s, const char *name, uint64_t features, unsigned buffers,
                          uint32_t size)
{
    test_vm_start(&s->t, name, false, false);
    assert_int_equal(virtio_net_create(&s->t.vm), ERR_OK);
    driver_find(&s->d, &s->t, VIRTIO_SLOT_NET, false);
    assert_true(driver_negotiate(&s->d, features));
    driver_queue_set_up(&s->d, &s->rx, 0, 128, RX_RING);
    driver_queue_set_up(&s->d, &s->tx, 1, 64, TX_RING);
    driver_use_msix(&s->d, VIRTIO_SLOT_NET, 3);
    driver_set_vector(&s->d, 0, 1);
    driver_ok(&s->d);
    s->rx_size = size;
    add_buffers(s, buffers);
    for (unsigned i = 0; i < 6; i++)
        s->mac[i] = (uint8_t)test_read(&s->t, s->d.device + i, 1);
    assert_int_equal(s->mac[0] & 3, 2); /* one station, locally administered */
}

/* Sends header and frame, in pieces. */
static void send_frame(struct station *s, uint32_t length)
{
    struct driver_buffer b[3] = {{TX_DATA, 7, false},
                                 {TX_DATA + 100000, HDR + 20 - 7, false},
                                 {TX_DATA + 200000, length - 20, false}};
    uint32_t written;

    assert_int_equal(guest_copy_to(s->t.vm.memory, GPA(b[0].gpa), frame, 7), ERR_OK);
    assert_int_equal(guest_copy_to(s->t.vm.memory, GPA(b[1].gpa), frame + 7, b[1].length), ERR_OK);
    assert_int_equal(guest_copy_to(s->t.vm.memory, GPA(b[2].gpa), frame + HDR + 20, length - 20),
                     ERR_OK);
    assert_int_not_equal(driver_add(&s->tx, b, 3, false), -1);
    driver_kick(&s->tx);
    assert_int_not_equal(driver_take(&s->tx, &written), -1);
}

/* The next frame that came, with its header, into `got`; 0: none. Its buffers are given back. */
static uint32_t receive_frame(struct station *s)
{
    uint32_t length = 0, written;
    unsigned buffers = 1;

    for (unsigned i = 0; i < buffers; i++) {
        int id = driver_take(&s->rx, &written);
        struct driver_buffer b;

        if (id < 0) {
            assert_int_equal(i, 0);
            return 0;
        }
        b = (struct driver_buffer){s->rx_buffer[id], s->rx_size, true};
        assert_in_range(length + written, 1, sizeof(got));
        assert_int_equal(guest_copy_from(s->t.vm.memory, GPA(b.gpa), got + length, written),
                         ERR_OK);
        if (i == 0)
            buffers = (unsigned)(got[10] | got[11] << 8);
        length += written;
        id = driver_add(&s->rx, &b, 1, false);
        s->rx_buffer[id] = b.gpa;
    }
    return length - HDR;
}

static void ether(const uint8_t *to, const uint8_t *from, unsigned type)
{
    memset(frame, 0, HDR);
    memcpy(frame + HDR, to, 6);
    memcpy(frame + HDR + 6, from, 6);
    frame[HDR + 12] = (uint8_t)(type >> 8);
    frame[HDR + 13] = (uint8_t)type;
}

static void fill(uint32_t from, uint32_t length)
{
    for (uint32_t i = from; i < length; i++)
        frame[HDR + i] = (uint8_t)(i * 7 + (i >> 8));
}

static struct station a, b, c;
static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

static void start_two(uint64_t receiver, unsigned buffers, uint32_t size)
{
    test_vm_machine();
    station_start(&a, "a", F_SENDER, 4, 2048);
    station_start(&b, "b", F_MODERN | F_EVENT | receiver, buffers, size);
}

static void stop_two(void)
{
    assert_int_equal(driver_status(&a.d), 15);
    assert_int_equal(driver_status(&b.d), 15);
    test_vm_stop(&a.t);
    test_vm_stop(&b.t);
}

/* ---- Frames ---- */

static void small_frames(uint64_t receiver)
{
    start_two(receiver, 64, 2048);
    assert_memory_not_equal(a.mac, b.mac, 6);
    for (uint32_t length = 60; length <= 1514; length += 97) {
        unsigned before = b.t.messages[1];

        ether(b.mac, a.mac, 0x88b5);
        fill(14, length);
        driver_interrupts(&b.rx, true);
        send_frame(&a, length);
        assert_int_equal(b.t.messages[1], before + 1);
        assert_int_equal(receive_frame(&b), length);
        assert_memory_equal(got + HDR, frame + HDR, length);
        assert_int_equal(receive_frame(&b), 0);
    }
    assert_int_equal(receive_frame(&a), 0); /* nothing comes back */
    /* Too short, too long for the network. */
    ether(b.mac, a.mac, 0x88b5);
    send_frame(&a, 1519);
    assert_int_equal(receive_frame(&b), 0);
    stop_two();
}

/* A TCP frame over IPv4 that its sender left to be completed: gso_size 0: only the checksum. */
static uint32_t tcp_frame(uint32_t data, uint16_t gso_size)
{
    uint32_t length = 14 + 20 + 20 + data;
    uint8_t *ip = frame + HDR + 14, *tcp = ip + 20;
    uint32_t sum = 6 + 20 + data;

    ether(b.mac, a.mac, 0x0800);
    fill(54, length);
    memset(ip, 0, 40);
    ip[0] = 0x45;
    ip[2] = (uint8_t)((40 + data) >> 8);
    ip[3] = (uint8_t)(40 + data);
    ip[4] = 0xab;
    ip[5] = 0xff;
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
    memcpy(tcp, "\x12\x34\x14\x51\xff\xff\xf0\x00", 8);
    tcp[12] = 0x50;
    tcp[13] = 0x19; /* ACK PSH FIN */
    for (unsigned i = 12; i < 20; i += 2)
        sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    tcp[16] = (uint8_t)(sum >> 8); /* of the pseudo header, as 5.1.6.2 wants it */
    tcp[17] = (uint8_t)sum;
    frame[0] = 1;
    frame[1] = gso_size ? 1 : 0;
    frame[2] = 54;
    frame[4] = (uint8_t)gso_size;
    frame[5] = (uint8_t)(gso_size >> 8);
    frame[6] = 34;
    frame[8] = 16;
    return length;
}

/* The ones' complement sum that a receiver checks: 0xffff when all is right. */
static uint32_t ones(uint32_t sum, const uint8_t *p, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void check_tcp(uint32_t length, uint32_t *sequence, bool last)
{
    const uint8_t *ip = got + HDR + 14, *tcp = ip + 20;
    uint32_t bytes = length - 34;

    assert_int_equal(ip[2] << 8 | ip[3], length - 14);
    assert_int_equal(ones(0, ip, 20), 0xffff);
    assert_int_equal(ones(ones(6 + bytes, ip + 12, 8), tcp, bytes), 0xffff);
    assert_int_equal((uint32_t)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7], *sequence);
    assert_int_equal(tcp[13], last ? 0x19 : 0x10);
    *sequence += bytes - 20;
}

/* A receiver that takes nothing gets complete segments. */
static void segments_in_software(void)
{
    uint32_t data = 40000, mss = 1448, sequence = 0xfffff000, at = 0, length;

    start_two(0, 64, 2048);
    tcp_frame(data, (uint16_t)mss);
    send_frame(&a, 54 + data);
    for (unsigned id = 0; at < data; id++) {
        uint32_t part = data - at < mss ? data - at : mss;

        length = receive_frame(&b);
        assert_int_equal(length, 54 + part);
        assert_int_equal(got[0], 0);
        assert_int_equal(got[1], 0);
        assert_int_equal(got[HDR + 18] << 8 | got[HDR + 19], (0xabff + id) & 0xffff);
        check_tcp(length, &sequence, at + part == data);
        assert_memory_equal(got + HDR + 54, frame + HDR + 54 + at, part);
        at += part;
    }
    assert_int_equal(receive_frame(&b), 0);
    stop_two();
}

static void checksum_in_software(void)
{
    uint32_t sequence = 0xfffff000, length;

    start_two(0, 64, 2048);
    tcp_frame(1001, 0);
    frame[HDR + 24] = 0; /* its IP header was the sender's business, but for the checksum: */
    send_frame(&a, 1055);
    length = receive_frame(&b);
    assert_int_equal(length, 1055);
    got[HDR + 24] = 0;
    got[HDR + 24] = (uint8_t)(~ones(0, got + HDR + 14, 20) >> 8);
    got[HDR + 25] = (uint8_t)~ones(0, frame + HDR + 14, 20);
    check_tcp(length, &sequence, true);
    stop_two();
}

/* A receiver that takes large frames gets one, unchanged, over as many buffers as it needs. */
static void passes_unsegmented(uint32_t size, unsigned buffers, uint64_t features, uint32_t data)
{
    start_two(F_GCSUM | F_GTSO4 | features, buffers, size);
    for (unsigned round = 0; round < 5; round++) {
        tcp_frame(data, 1448);
        send_frame(&a, 54 + data);
        assert_int_equal(receive_frame(&b), 54 + data);
        assert_memory_equal(got + HDR, frame + HDR, 54 + data);
        assert_memory_equal(got, frame, 10);
    }
    stop_two();
}

/* The receiver has room for less than the frame: nothing of it arrives, and the next one does. */
static void full_receiver(uint64_t features)
{
    start_two(F_GCSUM | F_GTSO4 | F_MRG | features, 8, 2048);
    for (unsigned round = 0; round < 3; round++) {
        tcp_frame(30000, 1448);
        send_frame(&a, 30054);
        assert_int_equal(receive_frame(&b), 0);
        ether(b.mac, a.mac, 0x88b5);
        fill(14, 300);
        send_frame(&a, 300);
        assert_int_equal(receive_frame(&b), 300);
        assert_memory_equal(got + HDR, frame + HDR, 300);
    }
    stop_two();
}

static void test_frames(void **state)
{
    (void)state;
    hosted_child_test(small_frames(0));
    hosted_child_test(small_frames(F_MRG));
    hosted_child_test(small_frames(F_PACKED | F_MRG));
    hosted_child_test(segments_in_software());
    hosted_child_test(checksum_in_software());
    hosted_child_test(passes_unsegmented(1526, 64, F_MRG, 65000));
    hosted_child_test(passes_unsegmented(1526, 64, F_MRG | F_PACKED, 65000));
    hosted_child_test(passes_unsegmented(66000, 4, 0, 65000));
    hosted_child_test(full_receiver(0));
    hosted_child_test(full_receiver(F_PACKED));
}

/* ---- Switching ---- */

static void three(void)
{
    test_vm_machine();
    station_start(&a, "a", F_SENDER, 16, 2048);
    station_start(&b, "b", F_SENDER, 16, 2048);
    station_start(&c, "c", F_SENDER, 16, 2048);
}

static void stop_three(void)
{
    stop_two();
    test_vm_stop(&c.t);
}

static void send_small(struct station *from, const uint8_t *to, const uint8_t *source)
{
    ether(to, source, 0x88b5);
    fill(14, 64);
    send_frame(from, 64);
}

static void addresses(void)
{
    static const uint8_t behind_b[6] = {2, 0, 0, 0, 0, 0xbb};

    three();
    send_small(&a, everybody, a.mac);
    assert_int_equal(receive_frame(&b), 64);
    assert_int_equal(receive_frame(&c), 64);
    assert_int_equal(receive_frame(&a), 0);
    send_small(&a, b.mac, a.mac); /* known from the configuration */
    assert_int_equal(receive_frame(&b), 64);
    assert_int_equal(receive_frame(&c), 0);
    send_small(&a, behind_b, a.mac); /* unknown: to all */
    assert_int_equal(receive_frame(&b), 64);
    assert_int_equal(receive_frame(&c), 64);
    send_small(&b, a.mac, behind_b); /* now it is known */
    assert_int_equal(receive_frame(&a), 64);
    send_small(&a, behind_b, a.mac);
    assert_int_equal(receive_frame(&b), 64);
    assert_int_equal(receive_frame(&c), 0);
    send_small(&c, a.mac, behind_b); /* it has moved */
    assert_int_equal(receive_frame(&a), 64);
    send_small(&a, behind_b, a.mac);
    assert_int_equal(receive_frame(&b), 0);
    assert_int_equal(receive_frame(&c), 64);
    stop_three();
}

/* Nobody can take another card's address, or use one of many stations as its own. */
static void forgeries(void)
{
    three();
    send_small(&c, a.mac, b.mac);
    assert_int_equal(receive_frame(&a), 0);
    send_small(&a, b.mac, a.mac);
    assert_int_equal(receive_frame(&b), 64);
    assert_int_equal(receive_frame(&c), 0);
    send_small(&c, a.mac, everybody);
    assert_int_equal(receive_frame(&a), 0);
    stop_three();
}

/* One guest with a million addresses does not push out those of others. */
static void floods_of_addresses(void)
{
    uint8_t behind_b[6] = {2, 0, 0, 0, 0, 0xbb}, forged[6] = {6};
    uint64_t seed = 1;

    three();
    send_small(&b, a.mac, behind_b);
    assert_int_equal(receive_frame(&a), 64);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t r = hosted_random(&seed);

        memcpy(forged + 1, &r, 5);
        send_small(&c, c.mac, forged);
    }
    send_small(&a, behind_b, a.mac);
    assert_int_equal(receive_frame(&b), 64);
    assert_int_equal(receive_frame(&c), 0);
    stop_three();
}

/* A card that is gone gets nothing; its port serves the next one. */
static void departure(void)
{
    three();
    test_vm_stop(&b.t);
    send_small(&a, b.mac, a.mac);
    assert_int_equal(receive_frame(&c), 64); /* unknown again: to all */
    station_start(&b, "b", F_SENDER, 16, 2048);
    send_small(&a, b.mac, a.mac);
    assert_int_equal(receive_frame(&b), 64);
    assert_int_equal(receive_frame(&c), 0);
    stop_three();
}

static void test_switch(void **state)
{
    (void)state;
    hosted_child_test(addresses());
    hosted_child_test(forgeries());
    hosted_child_test(floods_of_addresses());
    hosted_child_test(departure());
}

/* ---- Headers and control ---- */

/* Headers that do not fit their frames: the frame is lost, the card goes on. */
static void bad_headers(void)
{
    start_two(F_GCSUM | F_GTSO4 | F_MRG, 64, 2048);
    tcp_frame(500, 0);
    frame[6] = 0xff; /* the checksum beyond the end */
    frame[7] = 0xff;
    send_frame(&a, 554);
    assert_int_equal(receive_frame(&b), 0);
    tcp_frame(5000, 1448);
    frame[1] = 4; /* TSO6, which was not negotiated */
    send_frame(&a, 5054);
    assert_int_equal(receive_frame(&b), 0);
    tcp_frame(5000, 0);
    frame[1] = 1; /* segments of no size */
    send_frame(&a, 5054);
    assert_int_equal(receive_frame(&b), 0);
    tcp_frame(500, 0);
    send_frame(&a, 554);
    assert_int_equal(receive_frame(&b), 554);
    stop_two();
}

/* A segment order for something that is no TCP frame, to a receiver without segmentation. */
static void bad_segments(void)
{
    start_two(0, 64, 2048);
    for (unsigned i = 0; i < 60; i++) {
        tcp_frame(5000, 1448);
        frame[HDR + 12 + i % 42] ^= (uint8_t)(1u << i % 8);
        send_frame(&a, 5054);
        while (receive_frame(&b))
            ;
    }
    tcp_frame(5000, 1448);
    send_frame(&a, 5054);
    assert_int_not_equal(receive_frame(&b), 0);
    stop_two();
}

static uint8_t command(struct station *s, struct driver_queue *q, const char *bytes, uint32_t size)
{
    struct driver_buffer chain[2] = {{TX_DATA, size, false}, {TX_DATA + 1024, 1, true}};
    uint8_t answer = 0xaa;
    uint32_t written;

    assert_int_equal(guest_copy_to(s->t.vm.memory, GPA(TX_DATA), bytes, size), ERR_OK);
    driver_add(q, chain, 2, false);
    driver_kick(q);
    assert_int_not_equal(driver_take(q, &written), -1);
    assert_int_equal(written, 1);
    assert_int_equal(guest_copy_from(s->t.vm.memory, GPA(TX_DATA + 1024), &answer, 1), ERR_OK);
    return answer;
}

/* Two pairs of queues: where the control queue is depends on what was negotiated (5.1.2). */
static void control(uint64_t features, unsigned index)
{
    struct driver_queue q;

    test_vm_machine();
    test_vm_start(&a.t, "a", false, false);
    assert_int_equal(virtio_net_create(&a.t.vm), ERR_OK);
    driver_find(&a.d, &a.t, VIRTIO_SLOT_NET, false);
    assert_true(driver_negotiate(&a.d, F_MODERN | F_CTRL | features));
    assert_int_equal(test_read(&a.t, a.d.device + 8, 2), 2);
    driver_queue_set_up(&a.d, &q, index, 16, CTRL_RING);
    driver_ok(&a.d);
    /* What was not negotiated is no command. */
    assert_int_equal(command(&a, &q, "\4\0\2\0", 4), features & F_MQ ? 0 : 1);
    assert_int_equal(command(&a, &q, "\4\0\3\0", 4), 1);
    assert_int_equal(command(&a, &q, "\4\0\0\0", 4), 1);
    assert_int_equal(command(&a, &q, "\4\0", 2), 1);
    assert_int_equal(command(&a, &q, "\1\1\2\3\4\5\6\7", 8), features & F_MAC_SET ? 0 : 1);
    if (features & F_MAC_SET)
        assert_int_equal(test_read(&a.t, a.d.device + 5, 1), 7);
    assert_int_equal(command(&a, &q, "\1\1\3\3\4\5\6\7", 8), 1); /* a group */
    assert_int_equal(command(&a, &q, "\0\0\0", 3), features & F_RX ? 0 : 1);
    assert_int_equal(command(&a, &q, "\x77\x77", 2), 1);
    test_vm_stop(&a.t);
}

static void test_control(void **state)
{
    (void)state;
    hosted_child_test(bad_headers());
    hosted_child_test(bad_segments());
    hosted_child_test(control(F_MQ | F_MAC_SET | F_RX, 4));
    hosted_child_test(control(0, 2));
}

/* ---- Two pairs of queues (5.1.6.5.5) ---- */

#define FLOWS 24

static struct driver_queue rx1, tx1;

/* Frames that came by `rx`. */
static unsigned came(struct driver_queue *rx)
{
    unsigned count = 0;
    uint32_t written;

    while (driver_take(rx, &written) >= 0)
        count++;
    return count;
}

/* One frame of each flow; returns how many came by the second pair, by *which bit by flow. */
static unsigned send_flows(uint32_t *which)
{
    unsigned second = 0;

    *which = 0;
    for (unsigned flow = 0; flow < FLOWS; flow++) {
        unsigned by_first, by_second;

        tcp_frame(100, 0);
        memcpy(frame + HDR, b.mac, 6);
        frame[HDR + 35] = (uint8_t)flow; /* source port */
        send_frame(&a, 154);
        by_first = came(&b.rx);
        by_second = came(&rx1);
        assert_int_equal(by_first + by_second, 1);
        second += by_second;
        *which |= by_second << flow;
    }
    return second;
}

static void start_pairs(struct driver_queue *q, uint64_t features)
{
    driver_set_status(&b.d, 0);
    assert_true(driver_negotiate(&b.d, F_MODERN | F_CTRL | F_MQ | features));
    driver_queue_set_up(&b.d, &b.rx, 0, 128, RX_RING);
    driver_queue_set_up(&b.d, &b.tx, 1, 64, TX_RING);
    driver_queue_set_up(&b.d, &rx1, 2, 128, RX1_RING);
    driver_queue_set_up(&b.d, &tx1, 3, 64, TX1_RING);
    driver_queue_set_up(&b.d, q, 4, 16, CTRL_RING);
    driver_ok(&b.d);
    for (unsigned i = 0; i < 128; i++) {
        struct driver_buffer first = {RX_DATA + i * 2048UL, 2048, true};
        struct driver_buffer second = {RX_DATA + MIB(1) + i * 2048UL, 2048, true};

        assert_int_not_equal(driver_add(&b.rx, &first, 1, false), -1);
        assert_int_not_equal(driver_add(&rx1, &second, 1, false), -1);
    }
}

/* Flows are spread over the pairs that the driver asks for, each flow by one of them. */
static void pairs(uint64_t features)
{
    uint32_t first_time, again;
    struct driver_queue q, tx;
    unsigned second;

    test_vm_machine();
    station_start(&a, "a", F_SENDER, 16, 2048);
    station_start(&b, "b", F_MODERN, 4, 2048);
    start_pairs(&q, features);
    assert_int_equal(send_flows(&first_time), 0); /* until the driver asks for more */
    assert_int_equal(command(&b, &q, "\4\0\2\0", 4), 0);
    second = send_flows(&first_time);
    assert_in_range(second, 1, FLOWS - 1);
    assert_int_equal(send_flows(&again), second);
    assert_int_equal(again, first_time);
    /* The second pair sends, too. */
    tx = b.tx;
    b.tx = tx1;
    send_small(&b, a.mac, b.mac);
    b.tx = tx;
    assert_int_equal(receive_frame(&a), 64);
    assert_memory_equal(got + HDR, frame + HDR, 64);
    assert_int_equal(command(&b, &q, "\4\0\1\0", 4), 0);
    assert_int_equal(send_flows(&again), 0);
    /* A reset goes back to one. */
    assert_int_equal(command(&b, &q, "\4\0\2\0", 4), 0);
    start_pairs(&q, features);
    assert_int_equal(send_flows(&again), 0);
    stop_two();
}

static void test_pairs(void **state)
{
    (void)state;
    hosted_child_test(pairs(0));
    hosted_child_test(pairs(F_PACKED));
    hosted_child_test(pairs(F_EVENT));
}

/* ---- What a card receives (5.1.6.5.1 and .2) ---- */

static const uint8_t group[6] = {1, 0, 0x5e, 1, 2, 3}, stranger[6] = {2, 9, 9, 9, 9, 9};

/* Does the second station get what the first one sends there? */
static bool arrives(const uint8_t *to)
{
    ether(to, a.mac, 0x88b5);
    fill(14, 100);
    send_frame(&a, 100);
    return receive_frame(&b) != 0;
}

static void say(struct driver_queue *q, const char *bytes, uint32_t size, uint8_t answer)
{
    assert_int_equal(command(&b, q, bytes, size), answer);
}

static void filters(void)
{
    static char many[2 + 4 + 70 * 6 + 4];
    struct driver_queue q;

    test_vm_machine();
    station_start(&a, "a", F_SENDER, 4, 2048);
    station_start(&b, "b", F_MODERN | F_EVENT | F_CTRL | F_RX | F_RX_EXTRA, 64, 2048);
    driver_set_status(&b.d, 0);
    assert_true(driver_negotiate(&b.d, F_MODERN | F_CTRL | F_RX | F_RX_EXTRA));
    driver_queue_set_up(&b.d, &b.rx, 0, 128, RX_RING);
    driver_queue_set_up(&b.d, &q, 2, 16, CTRL_RING);
    driver_ok(&b.d);
    b.rx_size = 2048;
    add_buffers(&b, 64);

    /* Until somebody says something: all. */
    assert_true(arrives(b.mac) && arrives(group) && arrives(everybody) && arrives(stranger));
    say(&q, "\0\0\0", 3, 0);
    assert_true(arrives(b.mac) && arrives(everybody));
    assert_false(arrives(group) || arrives(stranger));
    say(&q, "\0\1\1", 3, 0);
    assert_true(arrives(group) && !arrives(stranger));
    say(&q, "\0\1\0", 3, 0);
    /* Lists of one station and one group. */
    say(&q, "\1\0\1\0\0\0\2\11\11\11\11\11\1\0\0\0\1\0\136\1\2\3", 22, 0);
    assert_true(arrives(group) && arrives(stranger));
    say(&q, "\0\5\1", 3, 0);
    say(&q, "\0\3\1", 3, 0);
    say(&q, "\0\4\1", 3, 0);
    assert_false(arrives(group) || arrives(stranger) || arrives(everybody) || arrives(b.mac));
    say(&q, "\0\3\0", 3, 0);
    say(&q, "\0\4\0", 3, 0);
    assert_true(arrives(group) && arrives(b.mac));
    /* Not whole, and no such thing: nothing changes. */
    say(&q, "\1\0\2\0\0\0\2\11\11\11\11\11", 12, 1);
    say(&q, "\1\0\0\0\0\0", 6, 1);
    say(&q, "\0\6\1", 3, 1);
    say(&q, "\0\0\2", 3, 1);
    assert_true(arrives(group));
    /* More stations than are kept: every station, and no group. */
    many[0] = 1;
    many[2] = 70;
    say(&q, many, sizeof(many), 0);
    assert_true(arrives(stranger) && !arrives(group));
    driver_set_status(&b.d, 0);
    test_vm_stop(&a.t);
    test_vm_stop(&b.t);
}

static void test_filters(void **state)
{
    (void)state;
    hosted_child_test(filters());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),  cmocka_unit_test(test_switch),
        cmocka_unit_test(test_control), cmocka_unit_test(test_filters),
        cmocka_unit_test(test_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
