/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * virtio-blk against a driver that was written from the specification (VirtIO 1.2, 5.2): what is
 * written is read back, requests that break the rules fail alone, and nothing outside the disk or
 * the request's own buffers changes. Stands on the real queues, transport and disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "test_vm.h"
#include "virtio/block.c"

#define RING       KIB(64)
#define HEADER     KIB(512)
#define STATUS     (HEADER + 16)
#define DATA       MIB(1)
#define DATA_SIZE  KIB(256)
#define DISK_BYTES KIB(512)
#define F_MODERN   BIT(32)
#define UNTOUCHED  0x77

struct bench {
    struct test_vm t;
    struct config_disk disk;
    struct driver d;
    struct driver_queue q;
};

static unsigned char model[DISK_BYTES];

static void start(struct bench *b, uint64_t mode)
{
    memset(b, 0, sizeof(*b));
    test_vm_machine();
    test_vm_start(&b->t, "guest", false, false);
    b->disk = (struct config_disk){.name = "data", .mode = mode, .size = DISK_BYTES};
    b->t.config.cpus = 1;
    b->t.config.disk_count = 1;
    b->t.config.disks[0] = &b->disk;
    assert_int_equal(virtio_block_create(&b->t.vm), ERR_OK);
    driver_find(&b->d, &b->t, VIRTIO_SLOT_DISK, false);
    assert_true(driver_negotiate(&b->d, ~0ul & ~BIT(34)));
    driver_queue_set_up(&b->d, &b->q, 0, 64, RING);
    driver_ok(&b->d);
}

static void put(struct bench *b, uint64_t gpa, const void *from, size_t size)
{
    assert_int_equal(guest_copy_to(b->t.vm.memory, GPA(gpa), from, size), ERR_OK);
}

static void get(struct bench *b, uint64_t gpa, void *to, size_t size)
{
    assert_int_equal(guest_copy_from(b->t.vm.memory, GPA(gpa), to, size), ERR_OK);
}

/* One request; its status, or UNTOUCHED when the device did not answer. */
static uint8_t ask(struct bench *b, uint32_t type, uint64_t sector, uint32_t length)
{
    struct request_header h = {.type = type, .sector = sector};
    struct driver_buffer buffers[3] = {{HEADER, sizeof(h), false},
                                       {DATA, length, type == T_IN || type == T_GET_ID},
                                       {STATUS, 1, true}};
    uint8_t status = UNTOUCHED;
    uint32_t written;

    if (!length)
        buffers[1] = buffers[2];
    put(b, HEADER, &h, sizeof(h));
    put(b, STATUS, &status, 1);
    int id = driver_add(&b->q, buffers, length ? 3 : 2, false);
    driver_kick(&b->q);
    if (driver_take(&b->q, &written) != id)
        return UNTOUCHED;
    get(b, STATUS, &status, 1);
    return status;
}

static void tells_its_shape(void **state)
{
    struct bench b;
    struct block_config c;
    (void)state;
    start(&b, CONFIG_DISK_READ_WRITE);
    for (unsigned i = 0; i < sizeof(c); i += 4) {
        uint32_t word = (uint32_t)test_read(&b.t, b.d.device + i, 4);
        memcpy((char *)&c + i, &word, 4);
    }
    assert_int_equal(c.capacity, DISK_BYTES / 512);
    assert_int_equal(c.blk_size, 512);
    assert_int_equal(c.num_queues, 1);
    assert_true(b.d.features & F_FLUSH);
    assert_true(b.d.features & F_DISCARD);
    assert_false(b.d.features & F_RO);
    char id[ID_SIZE];
    assert_int_equal(ask(&b, T_GET_ID, 0, ID_SIZE), S_OK);
    get(&b, DATA, id, sizeof(id));
    assert_string_equal(id, "data");
    test_vm_stop(&b.t);
}

static void random_request(struct bench *b, uint64_t *seed)
{
    static unsigned char bytes[DATA_SIZE];
    uint64_t r = hosted_random(seed), sectors = 1 + (r >> 8) % (DATA_SIZE / 512 - 1);
    uint64_t sector = (r >> 24) % (DISK_BYTES / 512 + 2);
    uint32_t length = (uint32_t)(sectors * 512);
    bool fits = sector + sectors <= DISK_BYTES / 512;
    struct request_range range = {sector, (uint32_t)sectors, r >> 60 & 1};

    switch (r % 4) {
    case 0:
        memset(bytes, (int)(r >> 40), length);
        put(b, DATA, bytes, length);
        assert_int_equal(ask(b, T_OUT, sector, length), fits ? S_OK : S_IOERR);
        if (fits)
            memcpy(model + sector * 512, bytes, length);
        return;
    case 1:
        put(b, DATA, &range, sizeof(range));
        assert_int_equal(ask(b, T_WRITE_ZEROES, 0, sizeof(range)), fits ? S_OK : S_IOERR);
        if (fits)
            memset(model + sector * 512, 0, length);
        return;
    default:
        assert_int_equal(ask(b, T_IN, sector, length), fits ? S_OK : S_IOERR);
        get(b, DATA, bytes, length);
        for (uint64_t i = 0; !fits && i < length; i++)
            assert_int_equal(bytes[i], 0);
        if (fits)
            assert_memory_equal(bytes, model + sector * 512, length);
    }
}

static void reads_what_was_written(void **state)
{
    struct bench b;
    uint64_t seed = 3;
    (void)state;
    start(&b, CONFIG_DISK_READ_WRITE);
    for (unsigned i = 0; i < 2000; i++)
        random_request(&b, &seed);
    assert_int_equal(ask(&b, T_FLUSH, 0, 0), S_OK);
    test_vm_stop(&b.t);
}

static void mistakes_fail_the_request_alone(void **state)
{
    struct bench b;
    struct request_range range = {0, 8, 0};
    (void)state;
    start(&b, CONFIG_DISK_READ_WRITE);
    assert_int_equal(ask(&b, 99, 0, 512), S_UNSUPP);
    assert_int_equal(ask(&b, T_IN, DISK_BYTES / 512, 512), S_IOERR);
    assert_int_equal(ask(&b, T_IN, UINT64_MAX, 512), S_IOERR);
    assert_int_equal(ask(&b, T_OUT, UINT64_MAX / 512, 1024), S_IOERR);
    assert_int_equal(ask(&b, T_IN, 0, 511), S_IOERR);
    assert_int_equal(ask(&b, T_OUT, 0, 513), S_IOERR);
    assert_int_equal(ask(&b, T_GET_ID, 0, ID_SIZE - 1), S_IOERR);
    assert_int_equal(ask(&b, T_DISCARD, 0, 15), S_IOERR);
    put(&b, DATA, &range, sizeof(range));
    assert_int_equal(ask(&b, T_DISCARD, 0, sizeof(range)), S_OK);
    range.flags = RANGE_UNMAP;
    put(&b, DATA, &range, sizeof(range));
    assert_int_equal(ask(&b, T_DISCARD, 0, sizeof(range)), S_UNSUPP);
    assert_int_equal(ask(&b, T_WRITE_ZEROES, 0, sizeof(range)), S_OK);
    range.flags = 2;
    put(&b, DATA, &range, sizeof(range));
    assert_int_equal(ask(&b, T_WRITE_ZEROES, 0, sizeof(range)), S_UNSUPP);
    range = (struct request_range){UINT64_MAX, UINT32_MAX, 0};
    put(&b, DATA, &range, sizeof(range));
    assert_int_equal(ask(&b, T_WRITE_ZEROES, 0, sizeof(range)), S_IOERR);
    assert_int_equal(ask(&b, T_IN, 0, 512), S_OK);
    test_vm_stop(&b.t);
}

/* A request that cannot be answered: nothing is served any more. */
static void broken_by(const struct driver_buffer *buffers, unsigned count)
{
    struct bench b;
    start(&b, CONFIG_DISK_READ_WRITE);
    driver_add(&b.q, buffers, count, false);
    driver_kick(&b.q);
    assert_true(driver_status(&b.d) & VIRTIO_STATUS_NEEDS_RESET);
    assert_int_equal(ask(&b, T_IN, 0, 512), UNTOUCHED);
    test_vm_stop(&b.t);
}

static void a_request_without_status_breaks_the_device(void **state)
{
    struct driver_buffer header = {HEADER, 16, false};
    (void)state;
    broken_by(&header, 1);
}

static void a_request_without_header_breaks_the_device(void **state)
{
    struct driver_buffer buffers[2] = {{HEADER, 15, false}, {STATUS, 1, true}};
    (void)state;
    broken_by(buffers, 2);
}

static void a_read_only_disk_is_not_written(void **state)
{
    struct bench b;
    struct request_range range = {0, 8, 0};
    (void)state;
    start(&b, CONFIG_DISK_READ_ONLY);
    assert_true(b.d.features & F_RO);
    assert_false(b.d.features & (F_DISCARD | F_WRITE_ZEROES));
    assert_int_equal(ask(&b, T_OUT, 0, 512), S_IOERR);
    put(&b, DATA, &range, sizeof(range));
    assert_int_equal(ask(&b, T_WRITE_ZEROES, 0, sizeof(range)), S_IOERR);
    assert_int_equal(ask(&b, T_IN, 0, 512), S_OK);
    test_vm_stop(&b.t);
}

#define CHILD(test)                        \
    static void test##_child(void **state) \
    {                                      \
        hosted_child_test(test(state));    \
    }
CHILD(tells_its_shape)
CHILD(reads_what_was_written)
CHILD(mistakes_fail_the_request_alone)
CHILD(a_request_without_status_breaks_the_device)
CHILD(a_request_without_header_breaks_the_device)
CHILD(a_read_only_disk_is_not_written)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_its_shape_child),
        cmocka_unit_test(reads_what_was_written_child),
        cmocka_unit_test(mistakes_fail_the_request_alone_child),
        cmocka_unit_test(a_request_without_status_breaks_the_device_child),
        cmocka_unit_test(a_request_without_header_breaks_the_device_child),
        cmocka_unit_test(a_read_only_disk_is_not_written_child),
    };
    return cmocka_run_group_tests_name("virtio-blk", tests, NULL, NULL);
}
