/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Paths on the ESP: the form that loader and kernel share. Stands alone: includes what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/path.c"

#define ROOM 32

static void expect_path(const char *path, const char *normal)
{
    char out[ROOM];

    assert_null(boot_path_normalise(path, out, sizeof(out)));
    assert_string_equal(out, normal);
}

static void expect_refused(const char *path)
{
    char out[ROOM];

    assert_non_null(boot_path_normalise(path, out, sizeof(out)));
}

static void one_form_for_all_spellings(void **state)
{
    (void)state;
    expect_path("guests/vmlinuz", "guests/vmlinuz");
    expect_path("\\guests\\vmlinuz", "guests/vmlinuz");
    expect_path("//guests/.\\./vmlinuz/", "guests/vmlinuz");
    expect_path("...", "...");
    expect_path("a b;c", "a b;c");
    expect_path("gr\xc3\xbc\xc3\x9f"
                "e",
                "gr\xc3\xbc\xc3\x9f"
                "e");
}

static void refuses_what_leaves_the_disk_or_cannot_be_there(void **state)
{
    (void)state;
    expect_refused("");
    expect_refused("/");
    expect_refused("./.");
    expect_refused("../secret");
    expect_refused("guests/../../secret");
    expect_refused("guests\\..");
    expect_refused("C:\\guests");
    expect_refused("a*b");
    expect_refused("a\x01"
                   "b");
}

static void refuses_bad_utf8(void **state)
{
    (void)state;
    expect_refused("\x80");
    expect_refused("\xc3");             /* cut off */
    expect_refused("\xc0\xaf");         /* overlong '/' */
    expect_refused("\xed\xa0\x80");     /* a surrogate */
    expect_refused("\xf4\x90\x80\x80"); /* beyond U+10FFFF */
    expect_refused("\xff");
}

static void length_is_bounded_to_the_byte(void **state)
{
    char path[ROOM + 1];

    (void)state;
    memset(path, 'x', sizeof(path));
    path[ROOM - 2] = '\0'; /* a separator's byte is kept free */
    expect_path(path, path);
    memset(path, 'x', sizeof(path));
    path[ROOM] = '\0';
    expect_refused(path);
}

static void becomes_utf16_with_backslashes(void **state)
{
    uint16_t out[8];

    (void)state;
    assert_int_equal(boot_path_to_utf16("a/\xf0\x9f\x98\x80", out, 8), 4);
    assert_int_equal(out[0], 'a');
    assert_int_equal(out[1], '\\');
    assert_int_equal(out[2], 0xd83d);
    assert_int_equal(out[3], 0xde00);
    assert_int_equal(out[4], 0);
    assert_int_equal(boot_path_to_utf16("12345678", out, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_form_for_all_spellings),
        cmocka_unit_test(refuses_what_leaves_the_disk_or_cannot_be_there),
        cmocka_unit_test(refuses_bad_utf8),
        cmocka_unit_test(length_is_bounded_to_the_byte),
        cmocka_unit_test(becomes_utf16_with_backslashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
