/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Network cards (VirtIO 1.2, 5.1) on virtual switches. A frame is copied once, by the vCPU that
 * sends it, from its buffers to the receiver's; checksums and large TCP frames pass as they are
 * when the receiver can take them, otherwise they are completed in software first. A receiver
 * without buffers loses the frame, which is counted.
 */
#include <string.h>
#include "kernel/json.h"
#include "kernel/log.h"
#include "kernel/vm.h"
#include "mm/heap.h"
#include "virtio/device.h"
#include "virtio/net_offload.h"
#include "virtio/switch.h"

/* Features (5.1.3). */
#define F_CSUM          BIT(0)
#define F_GUEST_CSUM    BIT(1)
#define F_MTU           BIT(3)
#define F_MAC           BIT(5)
#define F_GUEST_TSO4    BIT(7)
#define F_GUEST_TSO6    BIT(8)
#define F_GUEST_ECN     BIT(9)
#define F_HOST_TSO4     BIT(11)
#define F_HOST_TSO6     BIT(12)
#define F_HOST_ECN      BIT(13)
#define F_MRG_RXBUF     BIT(15)
#define F_STATUS        BIT(16)
#define F_CTRL_VQ       BIT(17)
#define F_CTRL_RX       BIT(18)
#define F_CTRL_RX_EXTRA BIT(20)
#define F_MQ            BIT(22)
#define F_CTRL_MAC_ADDR BIT(23)

#define STATUS_LINK_UP 1

/* The control queue (5.1.6.5). */
#define CTRL_RX       0 /* its commands are the bits of `modes` */
#define CTRL_RX_BASIC 2 /* how many come without F_CTRL_RX_EXTRA */
#define CTRL_MAC      1
#define CTRL_MAC_LIST 0
#define CTRL_MAC_SET  1
#define CTRL_MQ       4
#define CTRL_MQ_PAIRS 0
#define CTRL_OK       0
#define CTRL_ERR      1

#define QUEUE_SIZE   1024
#define PAIRS_MAX    8
#define PCI_CLASS    0x020000 /* Ethernet controller */
#define ETHER_HEADER 14u
#define VLAN_TAG     4u
#define HEAD_SIZE    54u /* what is looked at: Ethernet, IP and ports */
#define GSO_MAX      (65535u + ETHER_HEADER + VLAN_TAG)
#define TOUCHED_MAX  16
#define MAC_LOCAL    0x02 /* first byte: one station, locally administered */

#define FILTER_MAX 64u        /* addresses of each list; more: all of that kind are received */
#define LIST_MAX   (1u << 20) /* addresses of a list that are looked at */

/* 5.1.6.5.1, numbered as the commands. */
enum { PROMISCUOUS, ALL_GROUPS, ALL_STATIONS, NO_GROUPS, NO_STATIONS, NO_BROADCAST, MODES };

/* What a card receives beside its own address. */
struct filter {
    uint8_t modes; /* bit by mode */
    bool many[2];  /* the list was too long */
    uint16_t count[2];
    uint8_t list[2][FILTER_MAX * VSWITCH_MAC_SIZE]; /* stations, groups */
};

/* 5.1.4 */
struct net_config {
    uint8_t mac[VSWITCH_MAC_SIZE];
    uint16_t status, max_pairs, mtu;
};

/* A receive queue that got frames in the current batch of a sender. */
struct touched {
    struct vswitch_port *port;
    struct virtq *queue;
};

/* What the sender of a transmit queue needs; its owner is who holds that queue's lock. */
struct sender {
    struct touched touched[TOUCHED_MAX];
    unsigned touched_count;
    uint8_t *frame, *segment; /* for work in software, made when it is needed first */
};

struct virtio_net {
    struct virtio_device virtio;
    struct net_config config;
    struct vswitch_port *port;
    uint32_t max_frame; /* without segmentation, headers included */
    unsigned pairs_max; /* offered */
    uint32_t pairs;     /* in use; atomic */
    uint32_t filters;   /* atomic, 0 or 1: not everything is received */
    struct spinlock filter_lock;
    struct filter filter;
    struct virtq_chain more[PAIRS_MAX]; /* of receive queues: the chains after a frame's first */
    struct sender senders[PAIRS_MAX];
    uint64_t sent, sent_bytes, send_errors, received, received_bytes, dropped; /* atomic */
};

LOCK_CLASS(receive_class, "receive queue", RANK_QUEUE_RX);
LOCK_CLASS(filter_class, "receive filter", RANK_NET_FILTER);

/* A frame on its way, between sender and receivers. */
struct frame {
    struct virtq *queue;
    struct virtq_chain *chain;
    struct sender *sender;
    struct net_header header;
    uint32_t length;
    uint8_t head[HEAD_SIZE];
    const uint8_t *flat; /* all of it as the sender left it, when somebody needed that; NULL */
};

static struct virtio_net *of(struct virtio_device *d)
{
    return container_of(d, struct virtio_net, virtio);
}

static void count(uint64_t *counter, uint64_t by)
{
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

/* ---- Receiving: what a sender does to a receive queue; its lock is held ---- */

/* Where the bytes come from: the sender's chain, or a buffer. */
struct source {
    struct frame *frame;
    const uint8_t *bytes; /* NULL: the chain, whose stream stands at the frame's beginning */
    uint32_t length;
};

static uint32_t put_piece(struct virtq *q, struct virtq_chain *c, struct source *s, uint32_t left)
{
    size_t put = s->bytes ? virtq_write(q, c, s->bytes + (s->length - left), left)
                          : virtq_copy(q, c, s->frame->queue, s->frame->chain, left);

    return (uint32_t)put;
}

/* Spreads the frame over further chains. Returns how many bytes did not fit; *buffers counts. */
static uint32_t put_more(struct virtio_net *net, struct virtq *q, struct source *s, uint32_t left,
                         uint16_t *buffers)
{
    struct virtq_chain *c = &net->more[q->index / 2];

    while (left && virtq_pop(q, c)) {
        uint32_t put = put_piece(q, c, s, left);

        virtq_push(q, c);
        ++*buffers;
        left -= put;
        if (!put)
            break;
    }
    return left;
}

/* The count of buffers is known last and stands in the first one. */
static void patch_buffers(struct virtq *q, uint16_t buffers)
{
    virtq_seek_in(&q->chain, offsetof(struct net_header, buffers));
    virtq_write(q, &q->chain, &buffers, sizeof(buffers));
}

/* Puts one frame into the queue, or nothing. */
static bool put_frame(struct virtio_net *net, struct virtq *q, const struct net_header *header,
                      struct source *s)
{
    struct virtq_position before = q->at;
    struct net_header h = *header;
    uint32_t left = s->length;

    h.buffers = 1;
    if (!virtq_pop(q, &q->chain))
        return false;
    if (virtq_write(q, &q->chain, &h, NET_HDR_SIZE) == NET_HDR_SIZE)
        left -= put_piece(q, &q->chain, s, left);
    virtq_push(q, &q->chain);
    if (left && virtio_has(&net->virtio, F_MRG_RXBUF)) {
        left = put_more(net, q, s, left, &h.buffers);
        if (!left)
            patch_buffers(q, h.buffers);
    }
    if (left)
        virtq_rewind(q, &before);
    return left == 0;
}

/* What the receiver takes, as bits for net_header_valid(). */
static uint64_t gso_accepted(const struct virtio_device *d, uint64_t tso4, uint64_t tso6,
                             uint64_t ecn)
{
    return (virtio_has(d, tso4) ? BIT(NET_GSO_TCPV4) : 0) |
           (virtio_has(d, tso6) ? BIT(NET_GSO_TCPV6) : 0) | (virtio_has(d, ecn) ? BIT(7) : 0);
}

static bool takes_as_is(const struct virtio_net *net, const struct frame *f)
{
    if (!(f->header.flags & NET_HDR_NEEDS_CSUM))
        return true;
    return virtio_has(&net->virtio, F_GUEST_CSUM) &&
           net_header_valid(&f->header, f->length,
                            gso_accepted(&net->virtio, F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_ECN));
}

/* The whole frame in the sender's buffer. False: no memory, or a bad buffer of the sender. */
static bool flatten(struct frame *f)
{
    struct sender *s = f->sender;

    if (f->flat)
        return true;
    if (!s->frame)
        s->frame = heap_alloc(GSO_MAX);
    if (!s->segment)
        s->segment = heap_alloc(GSO_MAX);
    if (!s->frame || !s->segment)
        return false;
    virtq_seek_out(f->chain, NET_HDR_SIZE);
    if (virtq_read(f->queue, f->chain, s->frame, f->length) != f->length)
        return false;
    f->flat = s->frame;
    return true;
}

/* For a receiver that lacks what the frame asks for: checksum filled in, cut into segments. */
static bool put_in_software(struct virtio_net *net, struct virtq *q, struct frame *f)
{
    static const struct net_header plain;
    struct source s = {.frame = f, .length = f->length};
    struct net_segments segments;
    bool all = true;

    if (!flatten(f))
        return false;
    s.bytes = f->sender->segment;
    if (f->header.gso_type == NET_GSO_NONE) {
        memcpy(f->sender->segment, f->flat, f->length);
        net_checksum_fill(f->sender->segment, f->length, &f->header);
        return put_frame(net, q, &plain, &s);
    }
    if (!net_segments_begin(&segments, f->flat, f->length, &f->header))
        return false;
    while (all && (s.length = net_segments_next(&segments, f->sender->segment)) > 0)
        all = put_frame(net, q, &plain, &s);
    return all;
}

/* Frames of one flow go to one queue: addresses and ports decide. */
static struct virtq *receive_queue(struct virtio_net *net, const struct frame *f)
{
    uint32_t pairs = __atomic_load_n(&net->pairs, __ATOMIC_RELAXED), hash = 0;

    for (unsigned i = HEAD_SIZE - 28; pairs > 1 && i < HEAD_SIZE - 16; i++)
        hash = hash * 31 + f->head[i];
    return &net->virtio.queues[2 * (hash % pairs)];
}

static bool receive(struct virtio_net *net, struct virtq *q, struct frame *f)
{
    struct source s = {.frame = f, .length = f->length};
    bool done;

    if (!virtio_queue_begin(q))
        return false;
    if (takes_as_is(net, f)) {
        virtq_seek_out(f->chain, NET_HDR_SIZE);
        done = put_frame(net, q, &f->header, &s);
    } else {
        done = put_in_software(net, q, f);
    }
    virtio_queue_end(q);
    return done;
}

/* ---- What is received ---- */

static bool listed(const struct filter *f, unsigned which, const uint8_t *mac)
{
    if (f->many[which])
        return true;
    for (unsigned i = 0; i < f->count[which]; i++)
        if (memcmp(f->list[which] + i * VSWITCH_MAC_SIZE, mac, VSWITCH_MAC_SIZE) == 0)
            return true;
    return false;
}

static bool filter_takes(const struct filter *f, const uint8_t *own, const uint8_t *mac)
{
    static const uint8_t broadcast[VSWITCH_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (f->modes & BIT(PROMISCUOUS))
        return true;
    if (memcmp(mac, broadcast, sizeof(broadcast)) == 0)
        return !(f->modes & BIT(NO_BROADCAST));
    if (mac[0] & 1)
        return !(f->modes & BIT(NO_GROUPS)) && ((f->modes & BIT(ALL_GROUPS)) || listed(f, 1, mac));
    return !(f->modes & BIT(NO_STATIONS)) &&
           ((f->modes & BIT(ALL_STATIONS)) || memcmp(mac, own, VSWITCH_MAC_SIZE) == 0 ||
            listed(f, 0, mac));
}

static bool wanted(struct virtio_net *net, const uint8_t *mac)
{
    uint64_t flags;
    bool takes;

    if (!__atomic_load_n(&net->filters, __ATOMIC_ACQUIRE))
        return true;
    flags = spin_lock_irq(&net->filter_lock);
    takes = filter_takes(&net->filter, net->config.mac, mac);
    spin_unlock_irq(&net->filter_lock, flags);
    return takes;
}

/* Until a driver says something else everything is received. */
static void filter_reset(struct virtio_net *net)
{
    net->filter = (struct filter){.modes = BIT(PROMISCUOUS)};
    __atomic_store_n(&net->filters, 0, __ATOMIC_RELEASE);
}

/* ---- Sending ---- */

static void signal_receiver(struct touched *t)
{
    if (virtio_queue_begin(t->queue)) {
        virtq_flush(t->queue);
        virtio_queue_end(t->queue);
    }
    vswitch_put(t->port);
}

/* Remembers to signal the queue at the end of the batch. True: the reference to the port is kept.
 */
static bool touch(struct sender *s, struct vswitch_port *port, struct virtq *q)
{
    for (unsigned i = 0; i < s->touched_count; i++)
        if (s->touched[i].queue == q)
            return false;
    if (s->touched_count == TOUCHED_MAX)
        signal_receiver(&s->touched[--s->touched_count]);
    s->touched[s->touched_count++] = (struct touched){port, q};
    return true;
}

static bool deliver(struct vswitch_port *to, void *frame)
{
    struct frame *f = frame;
    struct virtio_net *net = to->owner;
    struct virtq *q = receive_queue(net, f);

    if (!wanted(net, f->head))
        return false;
    if (receive(net, q, f)) {
        count(&net->received, 1);
        count(&net->received_bytes, f->length);
    } else {
        count(&net->dropped, 1);
    }
    return touch(f->sender, to, q);
}

/* Reads header and beginning of the frame; false: it is none that may be sent. */
static bool frame_read(struct virtio_net *net, struct frame *f)
{
    uint64_t allowed = gso_accepted(&net->virtio, F_HOST_TSO4, F_HOST_TSO6, F_HOST_ECN);
    uint32_t most;

    if (virtq_read(f->queue, f->chain, &f->header, NET_HDR_SIZE) != NET_HDR_SIZE)
        return false;
    f->length = virtq_readable(f->chain);
    f->header.flags &= virtio_has(&net->virtio, F_CSUM) ? NET_HDR_NEEDS_CSUM : 0;
    most = f->header.gso_type == NET_GSO_NONE ? net->max_frame : GSO_MAX;
    if (f->length < ETHER_HEADER || f->length > most ||
        !net_header_valid(&f->header, f->length, allowed))
        return false;
    if (f->length < HEAD_SIZE)
        memset(f->head, 0, HEAD_SIZE);
    return virtq_read(f->queue, f->chain, f->head, MIN(f->length, HEAD_SIZE)) ==
           MIN(f->length, HEAD_SIZE);
}

static void transmit(struct virtio_net *net, struct virtq *q, struct virtq_chain *c)
{
    struct frame f;

    f.queue = q;
    f.chain = c;
    f.sender = &net->senders[q->index / 2 % PAIRS_MAX];
    f.flat = NULL;
    if (!frame_read(net, &f) ||
        !vswitch_forward(net->port, f.head, f.head + VSWITCH_MAC_SIZE, deliver, &f)) {
        count(&net->send_errors, 1);
        return;
    }
    count(&net->sent, 1);
    count(&net->sent_bytes, f.length);
}

static void batch_end(struct virtio_device *d, struct virtq *q)
{
    struct sender *s = &of(d)->senders[q->index / 2 % PAIRS_MAX];

    while (q->index % 2 && s->touched_count)
        signal_receiver(&s->touched[--s->touched_count]);
}

/* ---- The control queue ---- */

static uint8_t control_mac(struct virtio_net *net, struct virtq *q, struct virtq_chain *c)
{
    uint8_t mac[VSWITCH_MAC_SIZE];
    uint64_t flags;

    if (virtq_read(q, c, mac, sizeof(mac)) != sizeof(mac) || (mac[0] & 1))
        return CTRL_ERR;
    flags = spin_lock_irq(&net->filter_lock);
    memcpy(net->config.mac, mac, sizeof(mac));
    spin_unlock_irq(&net->filter_lock, flags);
    return CTRL_OK;
}

static uint8_t control_mode(struct virtio_net *net, struct virtq *q, struct virtq_chain *c,
                            unsigned mode)
{
    unsigned modes = virtio_has(&net->virtio, F_CTRL_RX_EXTRA) ? MODES : CTRL_RX_BASIC;
    uint64_t flags;
    uint8_t on;

    if (mode >= modes || virtq_read(q, c, &on, sizeof(on)) != sizeof(on) || on > 1)
        return CTRL_ERR;
    flags = spin_lock_irq(&net->filter_lock);
    net->filter.modes = (uint8_t)((net->filter.modes & ~BIT(mode)) | (on ? BIT(mode) : 0));
    __atomic_store_n(&net->filters, !(net->filter.modes & BIT(PROMISCUOUS)), __ATOMIC_RELEASE);
    spin_unlock_irq(&net->filter_lock, flags);
    return CTRL_OK;
}

/* One list of addresses with its length; false: it is not whole. */
static bool read_list(struct virtq *q, struct virtq_chain *c, struct filter *f, unsigned which)
{
    uint8_t mac[VSWITCH_MAC_SIZE];
    uint32_t count;

    if (virtq_read(q, c, &count, sizeof(count)) != sizeof(count) ||
        count > virtq_readable(c) / sizeof(mac) || count > LIST_MAX)
        return false;
    f->many[which] = count > FILTER_MAX;
    f->count[which] = (uint16_t)(f->many[which] ? 0 : count);
    if (f->many[which])
        return virtq_read(q, c, NULL, count * sizeof(mac)) == count * sizeof(mac);
    return virtq_read(q, c, f->list[which], count * sizeof(mac)) == count * sizeof(mac);
}

static uint8_t control_list(struct virtio_net *net, struct virtq *q, struct virtq_chain *c)
{
    struct filter *f = heap_zalloc(sizeof(*f));
    uint8_t answer = CTRL_ERR;
    uint64_t flags;

    if (f && read_list(q, c, f, 0) && read_list(q, c, f, 1)) {
        flags = spin_lock_irq(&net->filter_lock);
        f->modes = net->filter.modes;
        net->filter = *f;
        spin_unlock_irq(&net->filter_lock, flags);
        answer = CTRL_OK;
    }
    heap_free(f);
    return answer;
}

static uint8_t control_pairs(struct virtio_net *net, struct virtq *q, struct virtq_chain *c)
{
    uint16_t pairs;

    if (virtq_read(q, c, &pairs, sizeof(pairs)) != sizeof(pairs) || !pairs ||
        pairs > net->pairs_max)
        return CTRL_ERR;
    __atomic_store_n(&net->pairs, pairs, __ATOMIC_RELAXED);
    return CTRL_OK;
}

static void control(struct virtio_net *net, struct virtq *q, struct virtq_chain *c)
{
    uint8_t command[2] = {0}, answer = CTRL_ERR;

    virtq_read(q, c, command, sizeof(command));
    if (command[0] == CTRL_RX && virtio_has(&net->virtio, F_CTRL_RX))
        answer = control_mode(net, q, c, command[1]);
    else if (command[0] == CTRL_MAC && command[1] == CTRL_MAC_LIST &&
             virtio_has(&net->virtio, F_CTRL_RX))
        answer = control_list(net, q, c);
    else if (command[0] == CTRL_MAC && command[1] == CTRL_MAC_SET &&
             virtio_has(&net->virtio, F_CTRL_MAC_ADDR))
        answer = control_mac(net, q, c);
    else if (command[0] == CTRL_MQ && command[1] == CTRL_MQ_PAIRS && virtio_has(&net->virtio, F_MQ))
        answer = control_pairs(net, q, c);
    virtq_write(q, c, &answer, sizeof(answer));
}

static bool request(struct virtio_device *d, struct virtq *q, struct virtq_chain *c)
{
    if (q->index % 2)
        transmit(of(d), q, c);
    else
        control(of(d), q, c);
    return true;
}

/* ---- Life ---- */

/* Where MQ was not negotiated, the control queue comes right after the first pair (5.1.2). */
static bool features_ok(struct virtio_device *d)
{
    unsigned pairs = virtio_has(d, F_MQ) ? of(d)->pairs_max : 1;

    for (unsigned i = 0; i < d->queue_count; i += 2)
        d->queues[i].passive = i < 2 * pairs;
    return true;
}

static void reset(struct virtio_device *d)
{
    __atomic_store_n(&of(d)->pairs, 1, __ATOMIC_RELAXED);
    filter_reset(of(d));
}

static void destroy(struct virtio_device *d)
{
    struct virtio_net *net = of(d);

    if (net->port)
        vswitch_detach(net->port);
    virtio_device_destroy(d);
    for (unsigned i = 0; i < PAIRS_MAX; i++) {
        virtq_chain_destroy(&net->more[i]);
        heap_free(net->senders[i].frame);
        heap_free(net->senders[i].segment);
    }
    heap_free(net);
}

static enum err net_loaded(void *object)
{
    struct virtio_net *net = object;

    if (!net->pairs || net->pairs > net->pairs_max) {
        net->pairs = 1;
        return ERR_INVALID;
    }
    if (net->filter.count[0] > FILTER_MAX || net->filter.count[1] > FILTER_MAX ||
        net->filter.modes >> MODES) {
        filter_reset(net);
        return ERR_INVALID;
    }
    net->filters = !(net->filter.modes & BIT(PROMISCUOUS));
    return features_ok(&net->virtio) ? ERR_OK : ERR_INVALID;
}

STATE_TABLE_HOOKS(net_state, "virtio-net", 2, NULL, net_loaded,
                  STATE_ARRAY(struct virtio_net, config.mac, 1),
                  STATE_FIELD(struct virtio_net, pairs, 1),
                  STATE_FIELD(struct virtio_net, filter.modes, 2),
                  STATE_ARRAY(struct virtio_net, filter.many, 2),
                  STATE_ARRAY(struct virtio_net, filter.count, 2),
                  STATE_ARRAY2(struct virtio_net, filter.list, 2));

static void print(const struct virtio_device *d, struct out *out)
{
    const struct virtio_net *net = container_of(d, struct virtio_net, virtio);

    out_printf(out,
               "  %llu frames (%llu KiB) sent, %llu not valid; %llu (%llu KiB) received, %llu "
               "dropped for want of buffers\n",
               (unsigned long long)net->sent, (unsigned long long)(net->sent_bytes >> 10),
               (unsigned long long)net->send_errors, (unsigned long long)net->received,
               (unsigned long long)(net->received_bytes >> 10), (unsigned long long)net->dropped);
}

static void json(const struct virtio_device *d, struct json *j)
{
    const struct virtio_net *net = container_of(d, struct virtio_net, virtio);

    json_number(j, "sent_frames", net->sent);
    json_number(j, "sent_bytes", net->sent_bytes);
    json_number(j, "send_errors", net->send_errors);
    json_number(j, "received_frames", net->received);
    json_number(j, "received_bytes", net->received_bytes);
    json_number(j, "dropped_frames", net->dropped);
}

static const struct virtio_device_ops net_ops = {
    .name = "virtio-net",
    .id = VIRTIO_ID_NET,
    .pci_class = PCI_CLASS,
    .batches = true,
    .request = request,
    .batch_end = batch_end,
    .features_ok = features_ok,
    .reset = reset,
    .destroy = destroy,
    .print = print,
    .json = json,
    .state = &net_state,
};

/* The configuration's address, or one that stays the same as long as guest and order of cards do:
 * locally administered, from the guest's name (FNV-1a). */
static void choose_mac(struct virtio_net *net, const struct config_net *config, const char *name,
                       unsigned index)
{
    uint64_t hash = 0xcbf29ce484222325ULL;

    if (config->has_mac) {
        memcpy(net->config.mac, config->mac, VSWITCH_MAC_SIZE);
        return;
    }
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3ULL;
    hash = (hash ^ index) * 0x100000001b3ULL;
    net->config.mac[0] = MAC_LOCAL;
    for (unsigned i = 1; i < VSWITCH_MAC_SIZE; i++)
        net->config.mac[i] = (uint8_t)(hash >> (8 * i));
}

static void choose_features(struct virtio_net *net)
{
    net->virtio.features |= F_CSUM | F_GUEST_CSUM | F_MTU | F_MAC | F_GUEST_TSO4 | F_GUEST_TSO6 |
                            F_GUEST_ECN | F_HOST_TSO4 | F_HOST_TSO6 | F_HOST_ECN | F_MRG_RXBUF |
                            F_STATUS | F_CTRL_VQ | F_CTRL_RX | F_CTRL_RX_EXTRA | F_CTRL_MAC_ADDR;
    if (net->pairs_max > 1)
        net->virtio.features |= F_MQ;
}

/* Receive queues are locked by those that send, who hold their own queue's lock. */
static enum err init_queues(struct virtio_net *net, struct vm *vm)
{
    enum err e = virtio_device_init(&net->virtio, &net_ops, vm, 2 * net->pairs_max + 1, QUEUE_SIZE);

    for (unsigned i = 0; e == ERR_OK && i < net->virtio.queue_count; i += 2)
        mutex_init(&net->virtio.queues[i].lock, &receive_class);
    for (unsigned i = 0; e == ERR_OK && i < net->pairs_max; i++)
        e = virtq_chain_init(&net->more[i], &net->virtio.queues[2 * i]);
    return e;
}

static enum err create_one(struct vm *vm, const struct config_net *config, unsigned index)
{
    struct virtio_net *net = heap_zalloc(sizeof(*net));
    enum err e;

    if (!net)
        return ERR_NO_MEMORY;
    net->virtio.vm = vm;
    net->pairs = 1;
    spin_init(&net->filter_lock, &filter_class);
    filter_reset(net);
    net->pairs_max = (unsigned)MIN(vm->config->cpus, (uint64_t)PAIRS_MAX);
    net->max_frame = (uint32_t)config->network->mtu + ETHER_HEADER + VLAN_TAG;
    choose_mac(net, config, vm->name, index);
    net->config.status = STATUS_LINK_UP;
    net->config.max_pairs = (uint16_t)net->pairs_max;
    net->config.mtu = (uint16_t)config->network->mtu;
    e = init_queues(net, vm);
    if (e == ERR_OK)
        e = vswitch_attach(config->network, net->config.mac, net, &net->port);
    if (e != ERR_OK) {
        destroy(&net->virtio);
        return e;
    }
    choose_features(net);
    net->virtio.config = &net->config;
    net->virtio.config_size = sizeof(net->config);
    return virtio_attach(&net->virtio, VIRTIO_SLOT_NET + (int)index);
}

enum err virtio_net_create(struct vm *vm)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; e == ERR_OK && i < vm->config->net_count; i++)
        e = create_one(vm, &vm->config->nets[i], i);
    return e;
}
VIRTIO_MAKER("network cards", virtio_net_create);
