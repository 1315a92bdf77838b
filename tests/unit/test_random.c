/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The cipher by the vectors of RFC 8439; the generator by what it must not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/random.h"

/* RFC 8439, 2.3.2 */
static void block_function(void **state)
{
    static const uint8_t expected[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
    };
    uint32_t key[CHACHA20_KEY_WORDS], nonce[3] = {0x09000000, 0x4a000000, 0};
    uint8_t block[64];
    (void)state;
    for (unsigned i = 0; i < 32; i++)
        ((uint8_t *)key)[i] = (uint8_t)i;
    chacha20_block(key, 1, nonce, block);
    assert_memory_equal(block, expected, sizeof(block));
}

/* RFC 8439, A.1, test vector 1: all zeroes. */
static void block_of_zeroes(void **state)
{
    static const uint8_t expected[16] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
                                         0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28};
    uint32_t key[CHACHA20_KEY_WORDS] = {0}, nonce[3] = {0};
    uint8_t block[64];
    (void)state;
    chacha20_block(key, 0, nonce, block);
    assert_memory_equal(block, expected, sizeof(expected));
}

static void output_never_repeats_and_fills_exactly(void **state)
{
    static uint8_t seen[1000][32], long_one[1000];
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        random_bytes(seen[i], 32);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(seen[i], seen[j], 32);
    }
    unsigned bits = 0;
    long_one[999] = 0x5a;
    random_bytes(long_one, 999);
    assert_int_equal(long_one[999], 0x5a);
    for (unsigned i = 0; i < 999; i++)
        bits += (unsigned)__builtin_popcount(long_one[i]);
    assert_in_range(bits, 999 * 4 - 300, 999 * 4 + 300); /* over six standard deviations */
}

static void only_secrets_make_it_secret(void **state)
{
    (void)state;
    assert_false(random_is_secret());
    random_add("time", 4, false);
    assert_false(random_is_secret());
    random_add("0123456789abcdef0123456789abcdef", 32, true);
    assert_true(random_is_secret());
}

static int start(void **state)
{
    (void)state;
    hosted_start_size(MIB(16));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_function),
        cmocka_unit_test(block_of_zeroes),
        cmocka_unit_test(output_never_repeats_and_fills_exactly),
        cmocka_unit_test(only_secrets_make_it_secret),
    };
    return cmocka_run_group_tests_name("random numbers", tests, start, NULL);
}
