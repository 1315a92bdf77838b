/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * virtio-balloon against a driver that was written from the specification (VirtIO 1.2, 5.5): pages
 * that are put into it leave the guest and read as zero afterwards, nothing else changes, and what
 * the guest says of its memory is shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "test_vm.h"
#include "virtio/balloon.c"

#define RING     KIB(64)
#define RING_GAP KIB(16)
#define PFNS     KIB(512)
#define WORK     MIB(4) /* 2 MiB blocks from here on hold nothing but test data */

struct bench {
    struct test_vm t;
    struct driver d;
    struct driver_queue q[QUEUE_COUNT];
    char text[2048];
};

static void start(struct bench *b, bool reclaim, unsigned queues)
{
    memset(b, 0, sizeof(*b));
    test_vm_machine();
    test_vm_start(&b->t, "guest", false, false);
    b->t.config.memory = TEST_RAM_SIZE;
    b->t.config.reclaim = reclaim;
    assert_int_equal(
        second_stage_create(&b->t.vm.stage2, &hosted_format_stage2, b->t.vm.memory, &b->t.vm),
        ERR_OK);
    assert_int_equal(virtio_balloon_create(&b->t.vm), ERR_OK);
    driver_find(&b->d, &b->t, VIRTIO_SLOT_BALLOON, false);
    assert_true(driver_negotiate(&b->d, ~0ul & ~BIT(34)));
    for (unsigned i = 0; i < queues; i++)
        driver_queue_set_up(&b->d, &b->q[i], i, 16, RING + i * RING_GAP);
    driver_ok(&b->d);
}

static void stop(struct bench *b)
{
    struct second_stage *s = b->t.vm.stage2;

    test_vm_stop(&b->t);
    second_stage_destroy(s);
}

static void fill(struct bench *b, uint64_t gpa, uint64_t size)
{
    static unsigned char page[PAGE_SIZE];

    memset(page, 0x5a, sizeof(page));
    for (; size; gpa += PAGE_SIZE, size -= PAGE_SIZE)
        assert_int_equal(guest_copy_to(b->t.vm.memory, GPA(gpa), page, PAGE_SIZE), ERR_OK);
}

static unsigned char byte_at(struct bench *b, uint64_t gpa)
{
    unsigned char value = 1;

    assert_int_equal(guest_copy_from(b->t.vm.memory, GPA(gpa), &value, 1), ERR_OK);
    return value;
}

/* Sends page numbers; did they come back? */
static bool send(struct bench *b, unsigned queue, const uint32_t *pfns, unsigned count)
{
    struct driver_buffer buffer = {PFNS, count * 4, false};
    uint32_t written;
    int id;

    assert_int_equal(guest_copy_to(b->t.vm.memory, GPA(PFNS), pfns, count * 4), ERR_OK);
    id = driver_add(&b->q[queue], &buffer, 1, false);
    driver_kick(&b->q[queue]);
    return driver_take(&b->q[queue], &written) == id;
}

static uint32_t config_word(struct bench *b, unsigned at)
{
    return (uint32_t)test_read(&b->t, b->d.device + at, 4);
}

static void pages_leave_and_come_back_as_zeroes(void)
{
    static struct bench b;
    uint32_t pfns[512];
    uint64_t before;

    start(&b, false, 2);
    fill(&b, WORK, MIB(4));
    before = guest_memory_resident(b.t.vm.memory);
    for (unsigned i = 0; i < 100; i++) /* downwards, as Linux does, with a gap */
        pfns[i] = (WORK >> 12) + 300 - i - (i > 50);
    assert_true(send(&b, QUEUE_INFLATE, pfns, 100));
    assert_int_equal(before - guest_memory_resident(b.t.vm.memory), 100 * PAGE_SIZE);
    for (unsigned i = 0; i < 512; i++) {
        bool gone = i <= 300 && i >= 200 && i != 249;

        assert_int_equal(byte_at(&b, WORK + i * PAGE_SIZE), gone ? 0 : 0x5a);
    }
    assert_true(send(&b, QUEUE_DEFLATE, pfns, 100));
    fill(&b, WORK, MIB(2));
    assert_int_equal(guest_memory_resident(b.t.vm.memory), before);
    stop(&b);
}

static void a_block_that_left_page_by_page_is_whole_again(void)
{
    static struct bench b;
    uint32_t pfns[512];
    struct guest_block block;

    start(&b, false, 2);
    fill(&b, WORK, MIB(2));
    for (unsigned i = 0; i < 512; i++)
        pfns[i] = (WORK >> 12) + (i * 77) % 512;
    assert_true(send(&b, QUEUE_INFLATE, pfns, 512));
    assert_int_equal(guest_memory_block(b.t.vm.memory, GPA(WORK), &block), ERR_OK);
    assert_int_equal(block.size, MIB(2));
    stop(&b);
}

/* Rings, what is no RAM, the same page twice, the last number that there is. */
static void what_is_not_to_go_stays(void)
{
    static struct bench b;
    uint32_t pfns[] = {RING >> 12, (RING >> 12) + 1, TEST_RAM_SIZE >> 12, UINT32_MAX,
                       0,          UINT32_MAX - 1};
    uint64_t before;

    start(&b, false, 2);
    fill(&b, MIB(1), MIB(1));
    before = guest_memory_resident(b.t.vm.memory);
    assert_true(send(&b, QUEUE_INFLATE, pfns, ARRAY_SIZE(pfns)));
    assert_int_equal(guest_memory_resident(b.t.vm.memory), before);
    assert_true(send(&b, QUEUE_INFLATE, pfns, 1));
    stop(&b);
}

static void too_many_pages_at_once_break_it(void)
{
    static struct bench b;
    struct driver_buffer buffer = {WORK, (PFNS_MAX + 1) * 4, false};

    start(&b, false, 2);
    driver_add(&b.q[QUEUE_INFLATE], &buffer, 1, false);
    driver_kick(&b.q[QUEUE_INFLATE]);
    assert_int_not_equal(driver_status(&b.d) & VIRTIO_STATUS_NEEDS_RESET, 0);
    stop(&b);
}

static void the_monitor_asks_and_the_driver_answers(void)
{
    static struct bench b;

    start(&b, false, 2);
    assert_int_equal(config_word(&b, 0), 0);
    assert_int_equal(virtio_balloon_set(&b.t.vm, TEST_RAM_SIZE + 1), ERR_RANGE);
    assert_int_equal(virtio_balloon_set(&b.t.vm, TEST_RAM_SIZE - MIB(3)), ERR_OK);
    assert_int_equal(config_word(&b, 0), MIB(3) / 4096);
    test_write(&b.t, b.d.device, 4, 77); /* the device's */
    test_write(&b.t, b.d.device + 4, 4, 100);
    assert_int_equal(config_word(&b, 0), MIB(3) / 4096);
    assert_int_equal(config_word(&b, 4), 100);
    driver_set_status(&b.d, 0);
    assert_int_equal(virtio_balloon_set(&b.t.vm, MIB(1)), ERR_NOT_FOUND);
    stop(&b);
}

static const char *shown(struct bench *b)
{
    struct out_buffer out;

    out_buffer_init(&out, b->text, sizeof(b->text));
    virtio_balloon_print(&b->t.vm, &out.out);
    return b->text;
}

static void put_stat(struct bench *b, uint64_t gpa, uint16_t tag, uint64_t value)
{
    assert_int_equal(guest_copy_to(b->t.vm.memory, GPA(gpa), &tag, 2), ERR_OK);
    assert_int_equal(guest_copy_to(b->t.vm.memory, GPA(gpa + 2), &value, 8), ERR_OK);
}

static void statistics_are_held_and_asked_for(void)
{
    static struct bench b;
    struct driver_buffer buffer = {WORK, 20, false};
    uint32_t written;

    start(&b, false, 3);
    put_stat(&b, WORK, 4, MIB(5));
    put_stat(&b, WORK + 10, 999, 1); /* not known: ignored */
    int id = driver_add(&b.q[QUEUE_STATS], &buffer, 1, false);
    driver_kick(&b.q[QUEUE_STATS]);
    assert_int_equal(driver_take(&b.q[QUEUE_STATS], &written), -1);
    assert_non_null(strstr(shown(&b), "free                 5120 KiB"));
    /* Being shown, it wants news: the buffer is back. */
    assert_int_equal(driver_take(&b.q[QUEUE_STATS], &written), id);
    put_stat(&b, WORK, 4, MIB(6));
    driver_add(&b.q[QUEUE_STATS], &buffer, 1, false);
    driver_kick(&b.q[QUEUE_STATS]);
    assert_non_null(strstr(shown(&b), "free                 6144 KiB"));
    stop(&b);
}

static void report_to(unsigned index)
{
    static struct bench b;
    struct driver_buffer buffers[] = {{WORK, MIB(4), true}, {MIB(14), MIB(1), true}};
    uint64_t before;
    uint32_t written;

    start(&b, true, QUEUE_COUNT);
    fill(&b, WORK, MIB(12));
    before = guest_memory_resident(b.t.vm.memory);
    int id = driver_add(&b.q[index], buffers, 2, false);
    driver_kick(&b.q[index]);
    assert_int_equal(driver_take(&b.q[index], &written), id);
    assert_int_equal(before - guest_memory_resident(b.t.vm.memory), MIB(5));
    assert_int_equal(byte_at(&b, WORK + MIB(3)), 0);
    assert_int_equal(byte_at(&b, WORK + MIB(4)), 0x5a);
    stop(&b);
}

static void reported_pages_leave(void)
{
    report_to(4);
}

static void linux_reports_to_the_queue_after_its_statistics(void)
{
    report_to(3);
}

/* Each in a process of its own: the heap of one test means nothing to the next. */
#define TEST(name)                       \
    static void run_##name(void **state) \
    {                                    \
        (void)state;                     \
        hosted_child_test(name());       \
    }
TEST(pages_leave_and_come_back_as_zeroes)
TEST(a_block_that_left_page_by_page_is_whole_again)
TEST(what_is_not_to_go_stays)
TEST(too_many_pages_at_once_break_it)
TEST(the_monitor_asks_and_the_driver_answers)
TEST(statistics_are_held_and_asked_for)
TEST(reported_pages_leave)
TEST(linux_reports_to_the_queue_after_its_statistics)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_pages_leave_and_come_back_as_zeroes),
        cmocka_unit_test(run_a_block_that_left_page_by_page_is_whole_again),
        cmocka_unit_test(run_what_is_not_to_go_stays),
        cmocka_unit_test(run_too_many_pages_at_once_break_it),
        cmocka_unit_test(run_the_monitor_asks_and_the_driver_answers),
        cmocka_unit_test(run_statistics_are_held_and_asked_for),
        cmocka_unit_test(run_reported_pages_leave),
        cmocka_unit_test(run_linux_reports_to_the_queue_after_its_statistics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
