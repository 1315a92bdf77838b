/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Virtual switches: the table of addresses and the ports. */
#include "virtio/switch.h"

#include <string.h>
#include "kernel/init.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/heap.h"

#define PORTS_MAX   256
#define BUCKETS     256 /* a power of two */
#define WAYS        4   /* addresses in a bucket */
#define LEARNED_MAX 64  /* addresses that one port may have learned */
#define AGE_SECONDS 300 /* 802.1Q, table 8-6 */
#define AGE_STATIC  UINT32_MAX

/* One address: its 48 bits and the port's index plus one, in one word that is read and written at
 * once. 0: free. */
#define ENTRY_PORT_BITS  16
#define ENTRY(mac, port) ((mac) << ENTRY_PORT_BITS | ((port) + 1))

struct bucket {
    uint64_t entry[WAYS]; /* atomic */
    uint32_t seen[WAYS];  /* atomic: seconds of the clock, or AGE_STATIC */
};

struct vswitch {
    struct vswitch *next;
    const struct config_network *network;
    struct spinlock lock; /* of writers of the table, and of the ports' life */
    struct wait_queue drained;
    unsigned port_count;                   /* ever attached; atomic */
    struct vswitch_port *ports[PORTS_MAX]; /* never freed, used again */
    struct bucket buckets[BUCKETS];
};

LOCK_CLASS(list_class, "list of switches", RANK_SWITCH_LIST);
LOCK_CLASS(switch_class, "virtual switch", RANK_SWITCH);

static struct vswitch *switches;
static struct mutex switches_lock;

static void vswitch_init(void)
{
    mutex_init(&switches_lock, &list_class);
}
INIT(INIT_LEVEL_DEVICES, vswitch_init);

/* ---- Addresses ---- */

static uint64_t mac_value(const uint8_t *mac)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < VSWITCH_MAC_SIZE; i++)
        value = value << 8 | mac[i];
    return value;
}

static bool mac_is_group(const uint8_t *mac)
{
    return mac[0] & 1;
}

static struct bucket *bucket_of(struct vswitch *s, uint64_t mac)
{
    uint64_t hash = mac * 0x9e3779b97f4a7c15ULL; /* Fibonacci hashing */

    return &s->buckets[hash >> 56 & (BUCKETS - 1)];
}

static uint64_t entry_mac(uint64_t entry)
{
    return entry >> ENTRY_PORT_BITS;
}

static unsigned entry_port(uint64_t entry)
{
    return (unsigned)(entry & (BIT(ENTRY_PORT_BITS) - 1)) - 1;
}

static uint32_t seconds(void)
{
    return (uint32_t)(clock_ns() / NS_PER_SEC);
}

static bool entry_alive(const struct bucket *b, unsigned way, uint32_t now)
{
    uint32_t seen = __atomic_load_n(&b->seen[way], __ATOMIC_RELAXED);

    return seen == AGE_STATIC || now - seen < AGE_SECONDS;
}

/* The way that holds `mac`, or WAYS. */
static unsigned bucket_find(const struct bucket *b, uint64_t mac)
{
    unsigned way = 0;

    while (way < WAYS) {
        uint64_t entry = __atomic_load_n(&b->entry[way], __ATOMIC_ACQUIRE);

        if (entry && entry_mac(entry) == mac)
            break;
        way++;
    }
    return way;
}

static void bucket_clear(struct vswitch *s, struct bucket *b, unsigned way)
{
    uint64_t entry = b->entry[way];

    if (entry && b->seen[way] != AGE_STATIC)
        s->ports[entry_port(entry)]->learned--;
    __atomic_store_n(&b->entry[way], 0, __ATOMIC_RELEASE);
}

/* A free place, or the learned one that was seen longest ago; WAYS: all are static. */
static unsigned bucket_victim(const struct bucket *b, uint32_t now)
{
    unsigned victim = WAYS;

    for (unsigned way = 0; way < WAYS; way++) {
        if (!b->entry[way])
            return way;
        if (b->seen[way] != AGE_STATIC &&
            (victim == WAYS || now - b->seen[way] > now - b->seen[victim]))
            victim = way;
    }
    return victim;
}

/* Puts `mac` to `port`, unless it is another card's own. Under the lock. */
static void table_set(struct vswitch *s, struct vswitch_port *port, uint64_t mac, uint32_t seen)
{
    struct bucket *b = bucket_of(s, mac);
    unsigned way = bucket_find(b, mac);

    if (way == WAYS)
        way = bucket_victim(b, seconds());
    if (way == WAYS || (b->entry[way] && b->seen[way] == AGE_STATIC))
        return;
    if (seen != AGE_STATIC && port->learned >= LEARNED_MAX &&
        entry_port(b->entry[way]) != port->index)
        return;
    bucket_clear(s, b, way);
    port->learned += seen != AGE_STATIC;
    __atomic_store_n(&b->seen[way], seen, __ATOMIC_RELAXED);
    __atomic_store_n(&b->entry[way], ENTRY(mac, port->index), __ATOMIC_RELEASE);
}

/* Forgets the port's addresses that are too old, at most once a second. Under the lock. */
static void expire(struct vswitch *s, struct vswitch_port *port, uint32_t now)
{
    if (port->expired == now)
        return;
    port->expired = now;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (unsigned way = 0; way < WAYS; way++) {
            struct bucket *b = &s->buckets[i];

            if (b->entry[way] && entry_port(b->entry[way]) == port->index &&
                !entry_alive(b, way, now))
                bucket_clear(s, b, way);
        }
}

/* The common case is an address that is known already: no lock. False: it is another card's. */
static bool learn(struct vswitch_port *from, uint64_t mac)
{
    struct vswitch *s = from->vswitch;
    struct bucket *b = bucket_of(s, mac);
    unsigned way = bucket_find(b, mac);
    uint32_t now = seconds();
    uint64_t flags;

    if (way < WAYS) {
        bool here = __atomic_load_n(&b->entry[way], __ATOMIC_RELAXED) == ENTRY(mac, from->index);
        uint32_t seen = __atomic_load_n(&b->seen[way], __ATOMIC_RELAXED);

        if (seen == AGE_STATIC)
            return here;
        if (here && seen == now)
            return true;
    } else if (READ_ONCE(from->learned) >= LEARNED_MAX && READ_ONCE(from->expired) == now) {
        return true;
    }
    flags = spin_lock_irq(&s->lock);
    if (from->learned >= LEARNED_MAX)
        expire(s, from, now);
    table_set(s, from, mac, now);
    spin_unlock_irq(&s->lock, flags);
    return true;
}

/* The port behind which `mac` is; NULL: unknown, or not heard of for long. */
static struct vswitch_port *lookup(struct vswitch *s, uint64_t mac)
{
    struct bucket *b = bucket_of(s, mac);
    unsigned way = bucket_find(b, mac);
    uint64_t entry = way < WAYS ? __atomic_load_n(&b->entry[way], __ATOMIC_ACQUIRE) : 0;

    if (!entry || entry_mac(entry) != mac || !entry_alive(b, way, seconds()))
        return NULL;
    return s->ports[entry_port(entry)];
}

/* ---- Forwarding ---- */

/* The user counts itself, then looks whether the port is open; who closes it does so first, then
 * looks for users. */
static bool port_get(struct vswitch_port *p)
{
    __atomic_fetch_add(&p->users, 1, __ATOMIC_SEQ_CST);
    if (likely(__atomic_load_n(&p->open, __ATOMIC_SEQ_CST)))
        return true;
    vswitch_put(p);
    return false;
}

void vswitch_put(struct vswitch_port *port)
{
    struct vswitch *s = port->vswitch;

    if (__atomic_sub_fetch(&port->users, 1, __ATOMIC_SEQ_CST) == 0 &&
        unlikely(!__atomic_load_n(&port->open, __ATOMIC_SEQ_CST)))
        wake_all(&s->drained);
}

static void deliver_to(struct vswitch_port *to, vswitch_deliver deliver, void *frame)
{
    if (port_get(to) && !deliver(to, frame))
        vswitch_put(to);
}

bool vswitch_forward(struct vswitch_port *from, const uint8_t *destination, const uint8_t *source,
                     vswitch_deliver deliver, void *frame)
{
    struct vswitch *s = from->vswitch;
    struct vswitch_port *to;
    unsigned count;

    if (mac_is_group(source) || !learn(from, mac_value(source)))
        return false;
    to = mac_is_group(destination) ? NULL : lookup(s, mac_value(destination));
    if (to) {
        if (to != from)
            deliver_to(to, deliver, frame);
        return true;
    }
    count = __atomic_load_n(&s->port_count, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < count; i++)
        if (s->ports[i] != from && __atomic_load_n(&s->ports[i]->open, __ATOMIC_RELAXED))
            deliver_to(s->ports[i], deliver, frame);
    return true;
}

/* ---- Ports ---- */

static struct vswitch *vswitch_find(const struct config_network *network)
{
    struct vswitch *s = switches;

    while (s && s->network != network)
        s = s->next;
    if (s)
        return s;
    s = heap_zalloc(sizeof(*s));
    if (!s)
        return NULL;
    s->network = network;
    spin_init(&s->lock, &switch_class);
    wait_queue_init(&s->drained);
    s->next = switches;
    switches = s;
    return s;
}

/* A port that nobody has, or a new one. Under the list's lock. */
static struct vswitch_port *port_find(struct vswitch *s)
{
    struct vswitch_port *p;

    for (unsigned i = 0; i < s->port_count; i++)
        if (!s->ports[i]->owner)
            return s->ports[i];
    p = s->port_count < PORTS_MAX ? heap_zalloc(sizeof(*p)) : NULL;
    if (!p)
        return NULL;
    p->vswitch = s;
    p->index = s->port_count;
    s->ports[p->index] = p;
    __atomic_store_n(&s->port_count, p->index + 1, __ATOMIC_RELEASE);
    return p;
}

static enum err attach(struct vswitch *s, const uint8_t *mac, void *owner,
                       struct vswitch_port **out)
{
    struct vswitch_port *p = s ? port_find(s) : NULL;
    uint64_t flags;

    if (!p)
        return ERR_NO_MEMORY;
    p->owner = owner;
    flags = spin_lock_irq(&s->lock);
    table_set(s, p, mac_value(mac), AGE_STATIC);
    spin_unlock_irq(&s->lock, flags);
    __atomic_store_n(&p->open, 1, __ATOMIC_SEQ_CST);
    *out = p;
    return ERR_OK;
}

enum err vswitch_attach(const struct config_network *network, const uint8_t *mac, void *owner,
                        struct vswitch_port **out)
{
    enum err e;

    mutex_lock(&switches_lock);
    e = attach(vswitch_find(network), mac, owner, out);
    mutex_unlock(&switches_lock);
    return e;
}

/* Forgets all addresses behind the port. */
static void table_forget(struct vswitch *s, unsigned port)
{
    uint64_t flags = spin_lock_irq(&s->lock);

    for (unsigned i = 0; i < BUCKETS; i++)
        for (unsigned way = 0; way < WAYS; way++)
            if (s->buckets[i].entry[way] && entry_port(s->buckets[i].entry[way]) == port)
                bucket_clear(s, &s->buckets[i], way);
    spin_unlock_irq(&s->lock, flags);
}

void vswitch_detach(struct vswitch_port *port)
{
    struct vswitch *s = port->vswitch;

    __atomic_store_n(&port->open, 0, __ATOMIC_SEQ_CST);
    wait_event(&s->drained, __atomic_load_n(&port->users, __ATOMIC_SEQ_CST) == 0);
    table_forget(s, port->index);
    mutex_lock(&switches_lock);
    port->owner = NULL;
    mutex_unlock(&switches_lock);
}

void vswitch_forget_all(void)
{
    while (switches) {
        struct vswitch *s = switches;

        switches = s->next;
        for (unsigned i = 0; i < s->port_count; i++)
            heap_free(s->ports[i]);
        heap_free(s);
    }
    vswitch_init();
}
