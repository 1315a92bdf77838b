/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Unpacking gzip, against members that GNU gzip and Python's zlib wrote. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/inflate.h"

#define SIZE_MAX_TEST (3u << 20)

static uint8_t plain[SIZE_MAX_TEST], packed[SIZE_MAX_TEST + 4096], result[SIZE_MAX_TEST];
static size_t plain_size, packed_size, result_size;

static bool collect(void *arg, const uint8_t *data, size_t size)
{
    (void)arg;
    if (size > sizeof(result) - result_size)
        return false;
    memcpy(result + result_size, data, size);
    result_size += size;
    return true;
}

static bool refuse(void *arg, const uint8_t *data, size_t size)
{
    (void)arg, (void)data, (void)size;
    return false;
}

static enum err unpack(void)
{
    result_size = 0;
    return gzip_unpack(packed, packed_size, collect, NULL);
}

/* gzip of the build machine packs `plain`. */
static void pack(const char *options)
{
    char name[] = "/tmp/ennead-inflate-XXXXXX", command[200];
    int file = mkstemp(name);
    FILE *f;

    assert_true(file >= 0);
    f = fdopen(file, "wb");
    assert_int_equal(fwrite(plain, 1, plain_size, f), plain_size);
    fclose(f);
    snprintf(command, sizeof(command), "gzip %s -c %s", options, name);
    f = popen(command, "r");
    packed_size = fread(packed, 1, sizeof(packed), f);
    assert_int_equal(pclose(f), 0);
    remove(name);
}

static int start(void **state)
{
    (void)state;
    hosted_start_size(MIB(32));
    return 0;
}

/* Noise, few symbols, long runs. */
static uint8_t sample(unsigned kind, size_t at)
{
    if (kind == 0)
        return (uint8_t)rand();
    if (kind == 1)
        return (uint8_t) "ennead"[rand() % 6];
    return (uint8_t)(at >> 10 | (rand() % 50 == 0));
}

static void test_round_trips(void **state)
{
    static const char *const options[] = {"-1", "-6n", "-9"};
    static const size_t sizes[] = {0,     1,     3,     257,     32767,
                                   32768, 32769, 65536, 1 << 20, SIZE_MAX_TEST};

    (void)state;
    srand(1);
    for (unsigned kind = 0; kind < 3; kind++)
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
            plain_size = sizes[i];
            for (size_t at = 0; at < plain_size; at++)
                plain[at] = sample(kind, at);
            pack(options[(i + kind) % 3]);
            assert_int_equal(unpack(), ERR_OK);
            assert_int_equal(result_size, plain_size);
            assert_memory_equal(result, plain, plain_size);
        }
}

static void test_fixed_codes(void **state)
{
    /* zlib, strategy Z_FIXED, of "hello hello hello hello" */
    static const uint8_t member[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
                                     0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0x01,
                                     0xe3, 0x51, 0x3d, 0x8d, 0x17, 0x00, 0x00, 0x00};

    (void)state;
    memcpy(packed, member, sizeof(member));
    packed_size = sizeof(member);
    assert_int_equal(unpack(), ERR_OK);
    assert_int_equal(result_size, 23);
    assert_memory_equal(result, "hello hello hello hello", 23);
}

static void test_damage_is_found(void **state)
{
    (void)state;
    plain_size = 100000;
    for (size_t at = 0; at < plain_size; at++)
        plain[at] = (uint8_t)("ennead "[at % 7] + at / 5000);
    pack("-9");
    packed[packed_size - 8] ^= 1; /* CRC */
    assert_int_equal(unpack(), ERR_CORRUPT);
    packed[packed_size - 8] ^= 1;
    packed[packed_size - 1] ^= 1; /* length */
    assert_int_equal(unpack(), ERR_CORRUPT);
    packed[packed_size - 1] ^= 1;
    for (size_t size = 0; size < packed_size; size++) {
        size_t whole = packed_size;

        packed_size = size;
        assert_int_equal(unpack(), ERR_CORRUPT);
        packed_size = whole;
    }
    assert_int_equal(unpack(), ERR_OK);
    assert_int_equal(gzip_unpack(packed, packed_size, refuse, NULL), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_fixed_codes),
        cmocka_unit_test(test_damage_is_found),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
