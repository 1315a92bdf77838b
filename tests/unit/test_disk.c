/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Disks in memory against a flat copy: every mode, with and without a file, and what is left of
 * them when they are closed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/disk.h"
#include "kernel/vm.h"
#include "mm/page.h"

#define FILE_SIZE (3 * DISK_PIECE_SIZE + 5 * DISK_SECTOR + 100)
#define DISK_SIZE (9 * DISK_PIECE_SIZE + 7 * DISK_SECTOR)

static char *file; /* what the loader read, whole pages */
static unsigned char model[DISK_SIZE];
static char failure[256];
static struct vm vms[2];

bool vm_file(struct vm *vm, const char *what, const char *path, const void **data, size_t *size)
{
    (void)vm;
    (void)what;
    *data = file;
    *size = FILE_SIZE;
    return strcmp(path, "image") == 0;
}

void vm_fail(struct vm *vm, const char *fmt, ...)
{
    va_list args;
    (void)vm;
    va_start(args, fmt);
    vsnprintf(failure, sizeof(failure), fmt, args);
    va_end(args);
}

static uint64_t free_memory(void)
{
    struct page_stats s;
    page_stats_get(&s);
    return s.free;
}

/* A machine, and the file's bytes in it and in the model. */
static void start(bool with_file)
{
    uint64_t seed = 5;

    hosted_start_size(MIB(64));
    memset(model, 0, sizeof(model));
    if (!with_file)
        return;
    file = phys_to_virt(page_alloc(PAGE_ORDER_2M, PAGE_ZERO));
    for (unsigned i = 0; i < FILE_SIZE; i++)
        model[i] = (unsigned char)(file[i] = (char)hosted_random(&seed));
}

static struct disk *open_disk(const struct config_disk *config, struct vm *vm)
{
    struct disk *d;
    assert_int_equal(disk_open(&d, config, vm), ERR_OK);
    return d;
}

static void read_range(struct disk *d, uint64_t offset, uint64_t size, unsigned char *to)
{
    struct disk_span s;

    for (; size; offset += s.length, size -= s.length, to += s.length) {
        disk_read_begin(d, offset, size, &s);
        assert_in_range(s.length, 1, size);
        if (s.data)
            memcpy(to, s.data, s.length);
        else
            memset(to, 0, s.length);
        disk_span_end(&s);
    }
}

static void expect_model(struct disk *d)
{
    static unsigned char all[DISK_SIZE];
    read_range(d, 0, disk_size(d), all);
    assert_memory_equal(all, model, disk_size(d));
}

static void write_range(struct disk *d, uint64_t offset, uint64_t size, unsigned char value)
{
    struct disk_span s;

    memset(model + offset, value, size);
    for (; size; offset += s.length, size -= s.length) {
        assert_int_equal(disk_write_begin(d, offset, size, &s), ERR_OK);
        assert_in_range(s.length, 1, size);
        memset(s.data, value, s.length);
        disk_span_end(&s);
    }
}

static void random_operations(struct disk *d, unsigned count, uint64_t seed)
{
    uint64_t sectors = disk_size(d) / DISK_SECTOR;

    for (unsigned i = 0; i < count; i++) {
        uint64_t from = hosted_random(&seed) % sectors, r = hosted_random(&seed);
        uint64_t n = 1 + (r >> 8) % MIN(sectors - from, r % 3 ? 9ul : 300ul);
        unsigned char some[300 * DISK_SECTOR];

        if (r % 4 == 0) {
            assert_int_equal(disk_zero(d, from * DISK_SECTOR, n * DISK_SECTOR), ERR_OK);
            memset(model + from * DISK_SECTOR, 0, n * DISK_SECTOR);
        } else if (r % 4 == 1) {
            write_range(d, from * DISK_SECTOR, n * DISK_SECTOR, (unsigned char)(r >> 32));
        } else {
            read_range(d, from * DISK_SECTOR, n * DISK_SECTOR, some);
            assert_memory_equal(some, model + from * DISK_SECTOR, n * DISK_SECTOR);
        }
    }
    expect_model(d);
}

static void in_all_modes(void)
{
    for (unsigned mode = CONFIG_DISK_READ_WRITE; mode <= CONFIG_DISK_COPY_ON_WRITE; mode += 2) {
        for (unsigned kind = 0; kind < 3; kind++) {
            struct config_disk config = {.name = "d",
                                         .mode = mode,
                                         .file = kind ? "image" : NULL,
                                         .size = kind == 1 ? 0 : DISK_SIZE};
            hosted_child_test({
                start(kind);
                struct disk *d = open_disk(&config, &vms[0]);
                random_operations(d, 3000, mode + kind);
                disk_close(d, false);
            });
        }
    }
}

static void reads_and_writes_as_a_flat_copy(void **state)
{
    (void)state;
    in_all_modes();
}

static void sizes(void **state)
{
    struct config_disk config = {.name = "d", .file = "image", .mode = CONFIG_DISK_READ_ONLY};
    (void)state;
    start(true);
    struct disk *d = open_disk(&config, &vms[0]);
    assert_int_equal(disk_size(d), FILE_SIZE + DISK_SECTOR - 100);
    disk_close(d, false);
    config.size = DISK_SECTOR;
    config.mode = CONFIG_DISK_COPY_ON_WRITE;
    assert_int_equal(disk_open(&d, &config, &vms[0]), ERR_INVALID);
    assert_non_null(strstr(failure, "its disk d is smaller than the file image"));
    config.file = "other";
    assert_int_equal(disk_open(&d, &config, &vms[0]), ERR_NOT_FOUND);
}

static void changes_of_copies_are_each_guests_own(void **state)
{
    struct config_disk config = {.name = "d", .file = "image", .mode = CONFIG_DISK_COPY_ON_WRITE};
    unsigned char byte;
    (void)state;
    start(true);
    uint64_t before = free_memory();
    struct disk *a = open_disk(&config, &vms[0]), *b = open_disk(&config, &vms[1]);
    write_range(a, 0, DISK_SECTOR, 0xaa);
    write_range(b, 0, DISK_SECTOR, 0xbb);
    read_range(a, 1, 1, &byte);
    assert_int_equal(byte, 0xaa);
    read_range(b, 1, 1, &byte);
    assert_int_equal(byte, 0xbb);
    assert_int_equal(disk_written(a), DISK_PIECE_SIZE);
    /* Kept over a reset, gone after a stop; the file is as it was. */
    disk_close(a, true);
    a = open_disk(&config, &vms[0]);
    read_range(a, 1, 1, &byte);
    assert_int_equal(byte, 0xaa);
    disk_close(a, false);
    a = open_disk(&config, &vms[0]);
    read_range(a, 1, 1, &byte);
    assert_int_equal(byte, (unsigned char)file[1]);
    disk_close(a, false);
    disk_close(b, false);
    assert_in_range(before - free_memory(), 0, DISK_PIECE_SIZE - 1); /* the heap's own pages */
}

static void a_read_write_disk_is_kept(void **state)
{
    struct config_disk config = {.name = "d", .size = DISK_SIZE};
    (void)state;
    start(false);
    struct disk *d = open_disk(&config, &vms[0]);
    random_operations(d, 100, 9);
    disk_close(d, false);
    d = open_disk(&config, &vms[0]);
    expect_model(d);
    disk_close(d, false);
}

static void zeroed_pieces_give_memory_back_unless_in_use(void **state)
{
    struct config_disk config = {.name = "d", .file = "image", .mode = CONFIG_DISK_COPY_ON_WRITE};
    struct disk_span held;
    (void)state;
    start(true);
    struct disk *d = open_disk(&config, &vms[0]);
    write_range(d, 0, 2 * DISK_PIECE_SIZE, 1);
    assert_int_equal(disk_written(d), 2 * DISK_PIECE_SIZE);
    disk_read_begin(d, 0, 1, &held);
    assert_int_equal(disk_zero(d, 0, 2 * DISK_PIECE_SIZE), ERR_OK);
    assert_int_equal(disk_written(d), DISK_PIECE_SIZE);
    assert_int_equal(*held.data, 0);
    disk_span_end(&held);
    memset(model, 0, 2 * DISK_PIECE_SIZE);
    expect_model(d);
    disk_close(d, false);
}

static void full_memory_fails_the_write_alone(void **state)
{
    struct config_disk config = {.name = "d", .size = GIB(1)};
    struct disk_span s;
    uint64_t offset = 0;
    (void)state;
    start(false);
    struct disk *d = open_disk(&config, &vms[0]);
    while (disk_write_begin(d, offset, 1, &s) == ERR_OK) {
        disk_span_end(&s);
        offset += DISK_PIECE_SIZE;
    }
    assert_in_range(offset, MIB(32), MIB(64));
    disk_read_begin(d, offset, 1, &s);
    assert_null(s.data);
    disk_span_end(&s);
    assert_int_equal(disk_zero(d, 0, DISK_PIECE_SIZE), ERR_OK);
    assert_int_equal(disk_write_begin(d, offset, 1, &s), ERR_OK);
    disk_span_end(&s);
    disk_close(d, false);
}

#define CHILD(test)                        \
    static void test##_child(void **state) \
    {                                      \
        hosted_child_test(test(state));    \
    }
CHILD(sizes)
CHILD(changes_of_copies_are_each_guests_own)
CHILD(a_read_write_disk_is_kept)
CHILD(zeroed_pieces_give_memory_back_unless_in_use)
CHILD(full_memory_fails_the_write_alone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_as_a_flat_copy),
        cmocka_unit_test(sizes_child),
        cmocka_unit_test(changes_of_copies_are_each_guests_own_child),
        cmocka_unit_test(a_read_write_disk_is_kept_child),
        cmocka_unit_test(zeroed_pieces_give_memory_back_unless_in_use_child),
        cmocka_unit_test(full_memory_fails_the_write_alone_child),
    };
    return cmocka_run_group_tests_name("disks", tests, NULL, NULL);
}
