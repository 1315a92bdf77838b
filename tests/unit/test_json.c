/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The JSON writer: what it writes, byte by byte. Python's reader checks the monitor's in the boot
 * tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/json.h"

static char output[8192];
static struct out_buffer buffer;
static struct json j;

static int setup(void **state)
{
    (void)state;
    out_buffer_init(&buffer, output, sizeof(output));
    json_init(&j, &buffer.out);
    return 0;
}

static void test_members_of_all_kinds(void **state)
{
    (void)state;
    json_begin(&j, "vm");
    json_string(&j, "name", "web");
    json_string(&j, "engine", NULL);
    json_number(&j, "most", UINT64_MAX);
    json_tenths(&j, "cpu", 1005);
    json_hex(&j, "at", 0xfeed0000u);
    json_bool(&j, "on", true);
    json_bool(&j, "off", false);
    json_printf(&j, "text", "%d of %d", 1, 2);
    json_end(&j);
    assert_string_equal(output, "{\"record\":\"vm\",\"name\":\"web\",\"engine\":null,"
                                "\"most\":18446744073709551615,\"cpu\":100.5,"
                                "\"at\":\"0xfeed0000\",\"on\":true,\"off\":false,"
                                "\"text\":\"1 of 2\"}\n");
}

static void test_levels_inside(void **state)
{
    (void)state;
    json_begin(&j, "a");
    json_array(&j, "list");
    json_number(&j, NULL, 1);
    json_object(&j, NULL);
    json_close(&j);
    json_string(&j, NULL, "x");
    json_close(&j);
    json_object(&j, "o");
    json_number(&j, "n", 2);
    json_end(&j); /* closes what is open */
    json_begin(&j, "b");
    json_end(&j);
    assert_string_equal(output, "{\"record\":\"a\",\"list\":[1,{},\"x\"],\"o\":{\"n\":2}}\n"
                                "{\"record\":\"b\"}\n");
}

static void expect_text(const char *text, size_t length, const char *want)
{
    char whole[256];

    out_buffer_init(&buffer, output, sizeof(output));
    json_init(&j, &buffer.out);
    json_begin(&j, "t");
    json_text(&j, "s", text, length);
    json_end(&j);
    snprintf(whole, sizeof(whole), "{\"record\":\"t\",\"s\":\"%s\"}\n", want);
    assert_string_equal(output, whole);
}

#define EXPECT(text, want) expect_text(text, sizeof(text) - 1, want)

static void test_strings_are_escaped(void **state)
{
    (void)state;
    EXPECT("say \"hi\" \\o/", "say \\\"hi\\\" \\\\o/");
    EXPECT("a\nb\tc\r\033[0m\0z", "a\\nb\\u0009c\\u000d\\u001b[0m\\u0000z");
    EXPECT("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac "
                                                               "\xf0\x9f\x98\x80");
}

static void test_bytes_that_are_no_text_are_replaced(void **state)
{
    (void)state;
    EXPECT("\x80", "\\ufffd");
    EXPECT("a\xc3", "a\\ufffd");          /* cut off */
    EXPECT("\xc0\xaf", "\\ufffd\\ufffd"); /* overlong */
    EXPECT("\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd");
    EXPECT("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"); /* a surrogate */
    EXPECT("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    EXPECT("\xff\xc3\xbc", "\\ufffd\xc3\xbc");
    EXPECT("\xe2\x82x", "\\ufffd\\ufffdx");
}

static unsigned writes;

static void count_writes(struct out *out, const char *text, size_t length)
{
    (void)out, (void)text, (void)length;
    writes++;
}

static void test_a_line_is_one_write_unless_it_is_long(void **state)
{
    struct out out = {count_writes};
    char text[3 * JSON_LINE_SIZE];

    (void)state;
    memset(text, 'x', sizeof(text));
    json_init(&j, &out);
    json_begin(&j, "t");
    json_text(&j, "s", text, JSON_LINE_SIZE / 2);
    json_end(&j);
    assert_int_equal(writes, 1);
    json_init(&j, &buffer.out);
    json_begin(&j, "t");
    json_text(&j, "s", text, sizeof(text));
    json_end(&j);
    assert_int_equal(buffer.used, sizeof(text) + strlen("{'record':'t','s':''}\n"));
}

static void test_lines_of_text(void **state)
{
    struct json_lines lines;

    (void)state;
    json_lines_init(&lines, &j, "report", "vm", "w\"b");
    out_printf(&lines.out, "one\nt");
    out_printf(&lines.out, "wo\n\nrest");
    json_lines_finish(&lines);
    json_lines_finish(&lines);
    json_lines_init(&lines, &j, "message", NULL, NULL);
    out_printf(&lines.out, "x\n");
    json_lines_finish(&lines);
    assert_string_equal(output, "{\"record\":\"report\",\"vm\":\"w\\\"b\",\"text\":\"one\"}\n"
                                "{\"record\":\"report\",\"vm\":\"w\\\"b\",\"text\":\"two\"}\n"
                                "{\"record\":\"report\",\"vm\":\"w\\\"b\",\"text\":\"\"}\n"
                                "{\"record\":\"report\",\"vm\":\"w\\\"b\",\"text\":\"rest\"}\n"
                                "{\"record\":\"message\",\"text\":\"x\"}\n");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_members_of_all_kinds),
        TEST(test_levels_inside),
        TEST(test_strings_are_escaped),
        TEST(test_bytes_that_are_no_text_are_replaced),
        TEST(test_a_line_is_one_write_unless_it_is_long),
        TEST(test_lines_of_text),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
