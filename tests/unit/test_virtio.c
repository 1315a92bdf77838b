/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Virtqueues and transports against a driver that was written from the specification: chains of
 * every shape come back right over split and packed rings, PCI and MMIO; rings that break the rules
 * break their device until it is reset, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/vcpu.h"
#include "mm/heap.h"
#include "test_vm.h"
#include "virtio/device.h"

#define ECHO_SLOT 5
#define ECHO_ID   42
#define RING      KIB(64)
#define DATA      MIB(1)
#define DATA_SIZE MIB(4) /* over blocks of 2 MiB */
#define F_PACKED  BIT(34)
#define F_EVENT   BIT(29)
#define F_TABLES  BIT(28)
#define F_MODERN  BIT(32)

/* A device that writes back what it reads, each byte complemented. */
struct echo {
    struct virtio_device virtio;
    uint32_t config;
    bool stall;
};

static struct echo *echo;

static bool echo_request(struct virtio_device *d, struct virtq *q, struct virtq_chain *c)
{
    static uint8_t bytes[20000];
    static unsigned turn;
    size_t n, most = ++turn % 2 ? 100 : sizeof(bytes); /* parts of buffers, or several at once */

    if (container_of(d, struct echo, virtio)->stall)
        return false;
    while ((n = virtq_read(q, c, bytes, most)) > 0) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)~bytes[i];
        if (virtq_write(q, c, bytes, n) < n)
            break;
    }
    return true;
}

static void echo_destroy(struct virtio_device *d)
{
    virtio_device_destroy(d);
    heap_free(container_of(d, struct echo, virtio));
}

static const struct virtio_device_ops echo_ops = {.name = "echo",
                                                  .id = ECHO_ID,
                                                  .batches = true,
                                                  .request = echo_request,
                                                  .destroy = echo_destroy,
                                                  .state = &state_none};

static void start(struct test_vm *t, bool pins_only, bool mmio)
{
    test_vm_machine();
    test_vm_start(t, "guest", pins_only, mmio);
    echo = heap_zalloc(sizeof(*echo));
    assert_int_equal(virtio_device_init(&echo->virtio, &echo_ops, &t->vm, 2, 256), ERR_OK);
    echo->config = 0x12345678;
    echo->virtio.config = &echo->config;
    echo->virtio.config_size = sizeof(echo->config);
    assert_int_equal(virtio_attach(&echo->virtio, ECHO_SLOT), ERR_OK);
}

static void start_driver(struct test_vm *t, struct driver *d, struct driver_queue *q,
                         uint64_t features, bool mmio, unsigned size)
{
    start(t, false, mmio);
    driver_find(d, t, mmio ? 0 : ECHO_SLOT, mmio);
    assert_true(driver_negotiate(d, features | F_MODERN));
    driver_queue_set_up(d, q, 0, size, RING);
    if (!mmio) {
        driver_use_msix(d, ECHO_SLOT, 2);
        driver_set_vector(d, 0, 1);
    }
    driver_ok(d);
    assert_int_equal(driver_status(d), 15);
}

/* ---- Chains ---- */

#define CHAIN_MAX 12

struct expected {
    struct driver_buffer buffers[CHAIN_MAX];
    unsigned count;
    uint32_t out, in;
};

static uint8_t memory[DATA_SIZE]; /* the guest's data as the test knows it */

static void random_chain(struct expected *e, uint64_t *seed)
{
    unsigned out = (unsigned)(hosted_random(seed) % 5), in = (unsigned)(hosted_random(seed) % 5);

    *e = (struct expected){.count = out + in ? out + in : 1};
    for (unsigned i = 0; i < e->count; i++) {
        struct driver_buffer *b = &e->buffers[i];

        b->write = i >= out;
        b->length = (uint32_t)(hosted_random(seed) % (hosted_random(seed) % 4 ? 200 : 9000));
        b->gpa = DATA + hosted_random(seed) % (DATA_SIZE - b->length);
        if (hosted_random(seed) % 4 == 0) /* over the end of a block */
            b->gpa = MIB(2) - hosted_random(seed) % (b->length + 1);
        *(b->write ? &e->in : &e->out) += b->length;
    }
}

/* What the device should do to the memory, byte by byte. */
static uint32_t apply(const struct expected *e)
{
    uint32_t done = 0, most = e->in < e->out ? e->in : e->out;
    static uint8_t stream[CHAIN_MAX * 9000];
    uint32_t at = 0;

    for (unsigned i = 0; i < e->count; i++)
        for (uint32_t j = 0; !e->buffers[i].write && j < e->buffers[i].length; j++)
            stream[at++] = (uint8_t)~memory[e->buffers[i].gpa - DATA + j];
    for (unsigned i = 0; i < e->count; i++)
        for (uint32_t j = 0; e->buffers[i].write && j < e->buffers[i].length && done < most; j++)
            memory[e->buffers[i].gpa - DATA + j] = stream[done++];
    return done;
}

static void check_memory(struct test_vm *t)
{
    static uint8_t now[DATA_SIZE];

    assert_int_equal(guest_copy_from(t->vm.memory, GPA(DATA), now, sizeof(now)), ERR_OK);
    assert_memory_equal(now, memory, sizeof(now));
}

/* Batches of random chains. Overlapping buffers of one chain are no trouble for an echo that reads
 * a piece before it writes it only if they do not overlap: pieces are drawn apart then. */
static bool overlap(const struct expected *e)
{
    for (unsigned i = 0; i < e->count; i++)
        for (unsigned j = 0; j < e->count; j++)
            if (e->buffers[j].write && i != j &&
                e->buffers[i].gpa < e->buffers[j].gpa + e->buffers[j].length &&
                e->buffers[j].gpa < e->buffers[i].gpa + e->buffers[i].length)
                return true;
    return false;
}

static void run_chains(uint64_t features, bool mmio, unsigned size, unsigned rounds)
{
    uint64_t seed = features + size + mmio;
    struct driver_queue q;
    struct test_vm t;
    struct driver d;

    start_driver(&t, &d, &q, features, mmio, size);
    for (size_t i = 0; i < sizeof(memory); i++)
        memory[i] = (uint8_t)hosted_random(&seed);
    assert_int_equal(guest_copy_to(t.vm.memory, GPA(DATA), memory, sizeof(memory)), ERR_OK);
    for (unsigned round = 0; round < rounds; round++) {
        uint32_t written[8], got;
        int ids[8];
        unsigned n = 0, batch = (unsigned)(hosted_random(&seed) % 7) + 1;

        while (n < batch) {
            struct expected e;

            do
                random_chain(&e, &seed);
            while (overlap(&e));
            ids[n] = driver_add(&q, e.buffers, e.count,
                                (features & F_TABLES) && hosted_random(&seed) % 2);
            if (ids[n] < 0)
                break;
            written[n++] = apply(&e);
        }
        driver_kick(&q);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(driver_take(&q, &got), ids[i]);
            assert_int_equal(got, written[i]);
        }
        assert_int_equal(driver_take(&q, &got), -1);
        if (round % 64 == 0)
            check_memory(&t);
    }
    check_memory(&t);
    assert_int_equal(driver_status(&d), 15);
    test_vm_stop(&t);
}

static void chains_split(void)
{
    run_chains(0, false, 256, 300);
}
static void chains_split_event(void)
{
    run_chains(F_EVENT | F_TABLES, false, 64, 300);
}
static void chains_packed(void)
{
    run_chains(F_PACKED, false, 100, 300);
}
static void chains_packed_event(void)
{
    run_chains(F_PACKED | F_EVENT | F_TABLES, false, 24, 300);
}
static void chains_mmio(void)
{
    run_chains(F_EVENT | F_TABLES, true, 16, 300);
}
/* More than 65536 chains: every index wraps. */
static void chains_wrap(void)
{
    run_chains(F_EVENT, false, 16, 20000);
}

static void test_chains(void **state)
{
    (void)state;
    hosted_child_test(chains_split());
    hosted_child_test(chains_split_event());
    hosted_child_test(chains_packed());
    hosted_child_test(chains_packed_event());
    hosted_child_test(chains_mmio());
    hosted_child_test(chains_wrap());
}

/* ---- Notifications that are put off ---- */

/* The vCPU sends `n` requests, then sleeps, which serves them. Returns how long they would have
 * waited if it went on, in microseconds; 0: they were served at once. */
static uint64_t requests_wait(struct driver_queue *q, struct vcpu *v, unsigned n)
{
    struct driver_buffer b = {DATA, 16, false};
    void (*serve)(void *arg);
    uint64_t wait = 0;
    uint32_t got;

    for (unsigned i = 0; i < n; i++) {
        assert_int_not_equal(driver_add(q, &b, 1, false), -1);
        driver_kick(q);
    }
    serve = v->later.run;
    if (serve) {
        assert_int_equal(driver_take(q, &got), -1);
        wait = (v->later.timer.deadline - clock_ns()) / NS_PER_US;
        timer_cancel(&v->later.timer);
        v->later.run = NULL;
        serve(v->later.arg);
    }
    for (unsigned i = 0; i < n; i++)
        assert_int_not_equal(driver_take(q, &got), -1);
    return wait;
}

static void put_off(uint64_t features)
{
    static struct vcpu v;
    struct driver_queue q;
    struct test_vm t;
    struct driver d;

    start_driver(&t, &d, &q, features, false, 128);
    clock_init(hosted_counter, NS_PER_SEC);
    if (!this_cpu()->timers)
        timer_cpu_init(this_cpu());
    v.vm = &t.vm;
    timer_setup(&v.later.timer, NULL);
    thread_current()->vcpu = &v;

    /* The more come at once, the longer the next ones may wait, up to a limit. */
    assert_int_equal(requests_wait(&q, &v, 8), 100);
    assert_int_equal(requests_wait(&q, &v, 8), 200);
    assert_int_equal(requests_wait(&q, &v, 32), 400);
    assert_int_equal(requests_wait(&q, &v, 100), 400);
    /* With fewer it is as it was. */
    assert_int_equal(requests_wait(&q, &v, 2), 400);
    assert_int_equal(requests_wait(&q, &v, 2), 200);
    assert_int_equal(requests_wait(&q, &v, 2), 100);
    /* One alone has none to wait for: the next ones do not, twice as many each time. */
    assert_int_equal(requests_wait(&q, &v, 1), 100);
    for (unsigned round = 1; round < 5; round++) {
        for (unsigned i = 1; i < 1u << round; i++)
            assert_int_equal(requests_wait(&q, &v, 1), 0);
        assert_int_equal(requests_wait(&q, &v, 1), 100);
    }
    thread_current()->vcpu = NULL;
    test_vm_stop(&t);
}

static void test_put_off(void **state)
{
    (void)state;
    hosted_child_test(put_off(0));
    hosted_child_test(put_off(F_EVENT));
    hosted_child_test(put_off(F_PACKED));
}

/* ---- Interrupts ---- */

/* `n` chains in one batch. */
static void batch(struct driver_queue *q, unsigned n)
{
    struct driver_buffer b = {DATA, 16, false};
    uint32_t got;

    for (unsigned i = 0; i < n; i++)
        assert_int_not_equal(driver_add(q, &b, 1, false), -1);
    driver_kick(q);
    for (unsigned i = 0; i < n; i++)
        assert_int_not_equal(driver_take(q, &got), -1);
}

/* One interrupt for each batch when the driver wants one, none when it does not. */
static void interrupts(uint64_t features)
{
    struct driver_queue q;
    struct test_vm t;
    struct driver d;

    start_driver(&t, &d, &q, features, false, 32);
    for (unsigned round = 0; round < 40; round++) {
        unsigned before = t.messages[1];

        driver_interrupts(&q, round % 3 != 0);
        batch(&q, round % 7 + 1);
        assert_int_equal(t.messages[1] - before, round % 3 != 0);
    }
    test_vm_stop(&t);
}

/* Without messages the pin goes up, and down when the driver reads the cause. */
static void pin(void)
{
    unsigned line = TEST_PIN_FIRST + ECHO_SLOT % 4;
    struct driver_queue q;
    struct test_vm t;
    struct driver d;

    start(&t, true, false);
    driver_find(&d, &t, ECHO_SLOT, false);
    assert_true(driver_negotiate(&d, F_MODERN));
    driver_queue_set_up(&d, &q, 0, 8, RING);
    driver_ok(&d);
    batch(&q, 1);
    assert_true(t.pin[line]);
    assert_true(test_config_read(&t, ECHO_SLOT, 6, 2) & 8);
    test_config_write(&t, ECHO_SLOT, 4, 2, 0x406); /* INTx off */
    assert_false(t.pin[line]);
    test_config_write(&t, ECHO_SLOT, 4, 2, 6);
    assert_true(t.pin[line]);
    assert_int_equal(test_read(&t, d.isr, 1), 1);
    assert_false(t.pin[line]);
    assert_int_equal(test_read(&t, d.isr, 1), 0);
    test_vm_stop(&t);
}

static void test_interrupts(void **state)
{
    (void)state;
    hosted_child_test(interrupts(0));
    hosted_child_test(interrupts(F_EVENT));
    hosted_child_test(interrupts(F_PACKED));
    hosted_child_test(interrupts(F_PACKED | F_EVENT));
    hosted_child_test(pin());
}

/* ---- Negotiation and registers ---- */

static void negotiation(void)
{
    struct test_vm t;
    struct driver d;

    start(&t, false, false);
    driver_find(&d, &t, ECHO_SLOT, false);
    assert_false(driver_negotiate(&d, 0)); /* modern only */
    driver_set_status(&d, 0);
    assert_int_equal(driver_status(&d), 0);
    assert_true(driver_negotiate(&d, F_MODERN));
    /* A feature that was not offered. */
    driver_set_status(&d, 0);
    driver_set_status(&d, 3);
    test_write(&t, d.common + 8, 4, 0);
    test_write(&t, d.common + 12, 4, 1);
    test_write(&t, d.common + 8, 4, 1);
    test_write(&t, d.common + 12, 4, 1);
    driver_set_status(&d, 11);
    assert_int_equal(driver_status(&d), 3);
    /* DRIVER_OK before FEATURES_OK. */
    driver_set_status(&d, 7);
    assert_int_equal(driver_status(&d), 3);
    assert_int_equal(test_read(&t, d.device, 4), 0x12345678);
    assert_int_equal(test_read(&t, d.device + 2, 2), 0x1234);
    assert_int_equal(test_read(&t, d.device + 2, 4), UINT32_MAX); /* not aligned */
    assert_int_equal(test_read(&t, d.device + 4, 4), 0);
    assert_int_equal(test_read(&t, d.common + 0x12, 2), 2);
    test_vm_stop(&t);
}

/* The registers can be reached through configuration space, too (4.1.4.9). */
static void configuration_access(void)
{
    unsigned at;
    struct test_vm t;

    start(&t, false, false);
    at = test_config_read(&t, ECHO_SLOT, 0x34, 1);
    while (at && !(test_config_read(&t, ECHO_SLOT, at, 1) == 9 &&
                   test_config_read(&t, ECHO_SLOT, at + 3, 1) == 5))
        at = test_config_read(&t, ECHO_SLOT, at + 1, 1);
    assert_int_not_equal(at, 0);
    test_config_write(&t, ECHO_SLOT, at + 4, 1, 4);
    test_config_write(&t, ECHO_SLOT, at + 8, 4, 0x2000); /* device configuration */
    test_config_write(&t, ECHO_SLOT, at + 12, 4, 4);
    assert_int_equal(test_config_read(&t, ECHO_SLOT, at + 16, 4), 0x12345678);
    test_config_write(&t, ECHO_SLOT, at + 8, 4, 0x14); /* device status */
    test_config_write(&t, ECHO_SLOT, at + 12, 4, 1);
    test_config_write(&t, ECHO_SLOT, at + 16, 4, 3);
    assert_int_equal(test_config_read(&t, ECHO_SLOT, at + 16, 1), 3);
    assert_int_equal(echo->virtio.status, 3);
    test_config_write(&t, ECHO_SLOT, at + 8, 4, 0xfffffffe); /* nowhere */
    test_config_write(&t, ECHO_SLOT, at + 16, 4, 0);
    assert_int_equal(echo->virtio.status, 3);
    test_vm_stop(&t);
}

/* A device that cannot go on keeps the chain; it comes back whole. */
static void stalling(void)
{
    struct driver_buffer b[2] = {{DATA, 4, false}, {DATA + 64, 4, true}};
    uint32_t written, value = 0x01020304;
    struct driver_queue q;
    struct test_vm t;
    struct driver d;

    start_driver(&t, &d, &q, F_EVENT, false, 8);
    assert_int_equal(guest_copy_to(t.vm.memory, GPA(DATA), &value, 4), ERR_OK);
    echo->stall = true;
    driver_add(&q, b, 2, false);
    driver_kick(&q);
    assert_int_equal(driver_take(&q, &written), -1);
    echo->stall = false;
    virtio_queue_kick(&echo->virtio, 0);
    assert_int_not_equal(driver_take(&q, &written), -1);
    assert_int_equal(written, 4);
    assert_int_equal(guest_copy_from(t.vm.memory, GPA(DATA + 64), &value, 4), ERR_OK);
    assert_int_equal(value, 0xfefdfcfb);
    test_vm_stop(&t);
}

static void test_registers(void **state)
{
    (void)state;
    hosted_child_test(negotiation());
    hosted_child_test(configuration_access());
    hosted_child_test(stalling());
}

/* ---- Hostile rings ---- */

static void put(struct test_vm *t, uint64_t gpa, unsigned size, uint64_t value)
{
    assert_int_equal(guest_copy_to(t->vm.memory, GPA(gpa), &value, size), ERR_OK);
}

static void descriptor(struct driver_queue *q, unsigned i, uint64_t gpa, uint32_t length,
                       unsigned flags, unsigned next)
{
    put(q->t, q->desc + 16 * i, 8, gpa);
    put(q->t, q->desc + 16 * i + 8, 4, length);
    put(q->t, q->desc + 16 * i + 12, 2, flags);
    put(q->t, q->desc + 16 * i + 14, 2, next);
}

/* Descriptor `head` is offered. */
static void offer(struct driver_queue *q, unsigned head)
{
    put(q->t, q->avail + 4, 2, head);
    put(q->t, q->avail + 2, 2, 1);
    driver_kick(q);
}

static void break_loop(struct driver_queue *q)
{
    descriptor(q, 0, DATA, 1, 1, 1);
    descriptor(q, 1, DATA, 1, 1, 0);
    offer(q, 0);
}
static void break_index(struct driver_queue *q)
{
    put(q->t, q->avail + 2, 2, q->size + 1);
    driver_kick(q);
}
static void break_head(struct driver_queue *q)
{
    offer(q, q->size);
}
static void break_next(struct driver_queue *q)
{
    descriptor(q, 0, DATA, 1, 1, 0xffff);
    offer(q, 0);
}
static void break_address(struct driver_queue *q)
{
    descriptor(q, 0, TEST_RAM_SIZE - 1, 2, 0, 0);
    offer(q, 0);
}
static void break_wrapping_address(struct driver_queue *q)
{
    descriptor(q, 0, DATA, 64, 1, 1);
    descriptor(q, 1, UINT64_MAX - 3, 16, 2, 0);
    offer(q, 0);
}
static void break_order(struct driver_queue *q)
{
    descriptor(q, 0, DATA, 1, 3, 1);
    descriptor(q, 1, DATA, 1, 0, 0);
    offer(q, 0);
}
static void break_sum(struct driver_queue *q)
{
    descriptor(q, 0, DATA, UINT32_MAX, 1, 1);
    descriptor(q, 1, DATA, 1, 0, 0);
    offer(q, 0);
}
static void break_table_size(struct driver_queue *q)
{
    descriptor(q, 0, DATA, 17, 4, 0);
    offer(q, 0);
}
static void break_table_place(struct driver_queue *q)
{
    descriptor(q, 0, UINT64_MAX - 15, 32, 4, 0);
    offer(q, 0);
}
static void break_table_nested(struct driver_queue *q)
{
    descriptor(q, 0, DATA, 16, 4, 0);
    put(q->t, DATA + 12, 2, 4);
    put(q->t, DATA + 8, 4, 16);
    offer(q, 0);
}
static void break_table_loop(struct driver_queue *q)
{
    descriptor(q, 0, DATA, 16, 4, 0);
    put(q->t, DATA + 8, 4, 1);
    put(q->t, DATA + 12, 4, 1); /* next is itself */
    offer(q, 0);
}

static void broken(void (*break_ring)(struct driver_queue *q))
{
    struct driver_queue q;
    uint32_t written;
    struct test_vm t;
    struct driver d;

    start_driver(&t, &d, &q, F_TABLES | F_EVENT, false, 8);
    break_ring(&q);
    assert_int_equal(driver_status(&d), 15 | 0x40);
    assert_int_equal(t.messages[0], 0); /* its configuration vector was not set */
    driver_kick(&q);
    /* After a reset it works again. */
    driver_set_status(&d, 0);
    assert_int_equal(driver_status(&d), 0);
    assert_true(driver_negotiate(&d, F_MODERN));
    driver_queue_set_up(&d, &q, 0, 8, RING);
    driver_ok(&d);
    batch(&q, 3);
    assert_int_equal(driver_take(&q, &written), -1);
    test_vm_stop(&t);
}

/* Packed: a chain whose descriptors all go on. */
static void broken_packed(void)
{
    struct driver_queue q;
    struct test_vm t;
    struct driver d;

    start_driver(&t, &d, &q, F_PACKED, false, 8);
    for (unsigned i = 0; i < 8; i++)
        descriptor(&q, i, DATA, 1, 0, 0x81);
    driver_kick(&q);
    assert_int_equal(driver_status(&d), 15 | 0x40);
    test_vm_stop(&t);
}

/* Queues that lie outside memory, at odd addresses, or have odd sizes. */
static void broken_place(uint64_t desc, unsigned size)
{
    struct driver_queue q;
    struct test_vm t;
    struct driver d;

    start(&t, false, false);
    driver_find(&d, &t, ECHO_SLOT, false);
    assert_true(driver_negotiate(&d, F_MODERN));
    driver_queue_set_up(&d, &q, 0, 8, RING);
    driver_ok(&d);
    test_write(&t, d.common + 0x16, 2, 1);
    test_write(&t, d.common + 0x18, 2, size);
    test_write(&t, d.common + 0x20, 8, desc);
    test_write(&t, d.common + 0x1c, 2, 1);
    assert_true(driver_status(&d) & 0x40);
    assert_int_equal(test_read(&t, d.common + 0x1c, 2), 0);
    test_vm_stop(&t);
}

static void test_hostile_rings(void **state)
{
    (void)state;
    hosted_child_test(broken(break_loop));
    hosted_child_test(broken(break_index));
    hosted_child_test(broken(break_head));
    hosted_child_test(broken(break_next));
    hosted_child_test(broken(break_address));
    hosted_child_test(broken(break_wrapping_address));
    hosted_child_test(broken(break_order));
    hosted_child_test(broken(break_sum));
    hosted_child_test(broken(break_table_size));
    hosted_child_test(broken(break_table_place));
    hosted_child_test(broken(break_table_nested));
    hosted_child_test(broken(break_table_loop));
    hosted_child_test(broken_packed());
    hosted_child_test(broken_place(TEST_RAM_SIZE, 8));
    hosted_child_test(broken_place(TEST_RAM_SIZE - 16, 8));
    hosted_child_test(broken_place(RING + 8, 8));
    hosted_child_test(broken_place(UINT64_MAX - 15, 8));
    hosted_child_test(broken_place(RING, 7));
    hosted_child_test(broken_place(RING, 0));
    hosted_child_test(broken_place(RING, 512));
}

/* ---- Saved state ---- */

static uint8_t saved[2][64 * 1024];

static void save_one(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    state_save(arg, table, instance, object);
}

static void load_one(const struct state_table *table, unsigned instance, void *object, void *arg)
{
    assert_int_equal(state_load(arg, table, instance, object), ERR_OK);
}

static void each_object(struct test_vm *t, state_visit visit, void *arg)
{
    for (struct device *dev = t->vm.devices; dev; dev = dev->next)
        if (dev->ops->state_each)
            dev->ops->state_each(dev, visit, arg);
}

/* Save, wipe, load, save: the same bytes, and the queue goes on where it stood. */
static void save_and_load(uint64_t features, bool mmio)
{
    struct state_writer w[2] = {{saved[0], sizeof(saved[0]), 0}, {saved[1], sizeof(saved[1]), 0}};
    struct state_reader r = {.data = saved[0]};
    struct driver_queue q;
    struct test_vm t;
    struct driver d;

    start_driver(&t, &d, &q, features, mmio, 32);
    batch(&q, 5);
    each_object(&t, save_one, &w[0]);
    for (struct device *dev = t.vm.devices; dev; dev = dev->next)
        if (dev->ops->reset)
            dev->ops->reset(dev);
    assert_false(echo->virtio.queues[0].enabled);
    r.size = w[0].used;
    assert_int_equal(state_check(&r), ERR_OK);
    each_object(&t, load_one, &r);
    each_object(&t, save_one, &w[1]);
    assert_int_equal(w[0].used, w[1].used);
    assert_memory_equal(saved[0], saved[1], w[0].used);
    batch(&q, 7);
    test_vm_stop(&t);
}

static void test_state(void **state)
{
    (void)state;
    hosted_child_test(save_and_load(F_EVENT, false));
    hosted_child_test(save_and_load(F_PACKED, false));
    hosted_child_test(save_and_load(0, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),        cmocka_unit_test(test_put_off),
        cmocka_unit_test(test_interrupts),    cmocka_unit_test(test_registers),
        cmocka_unit_test(test_hostile_rings), cmocka_unit_test(test_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
