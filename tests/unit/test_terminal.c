/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The screen's text model against what ECMA-48 and a VT100 show. Stands alone: includes what it
 * tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/display/terminal.c"
#include "drivers/display/terminal_rendition.c"

#define COLUMNS 10
#define ROWS    4

static struct terminal t;

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static int setup(void **state)
{
    (void)state;
    return terminal_init(&t, COLUMNS, ROWS);
}

static int teardown(void **state)
{
    (void)state;
    terminal_destroy(&t);
    return 0;
}

static void show(const char *text)
{
    terminal_write(&t, text, strlen(text));
}

/* Row `row` without its trailing blanks; characters above U+007E as '?'. */
static void expect_row(unsigned row, const char *text)
{
    char line[COLUMNS + 1];
    size_t end = 0;
    for (unsigned i = 0; i < COLUMNS; i++) {
        uint16_t code = terminal_row(&t, row)[i].code;
        line[i] = code <= 0x7e ? (char)code : '?';
        if (code != ' ')
            end = i + 1;
    }
    line[end] = 0;
    assert_string_equal(line, text);
}

static void expect_cursor(unsigned row, unsigned column)
{
    assert_int_equal(t.row, row);
    assert_int_equal(t.column, column);
}

static void lines_and_scrolling(void **state)
{
    (void)state;
    show("one\ntwo\nthree\nfour");
    expect_row(0, "one");
    expect_row(3, "four");
    expect_cursor(3, 4);
    show("\nfive\n");
    expect_row(0, "three");
    expect_row(2, "five");
    expect_row(3, "");
    assert_true(t.scrolled);
}

static void long_lines_wrap_when_the_next_character_comes(void **state)
{
    (void)state;
    show("0123456789");
    expect_cursor(0, 9);
    show("a");
    expect_row(1, "a");
    show("\r\n0123456789\nb");
    expect_row(2, "0123456789");
    expect_row(3, "b");
}

static void cursor_movement(void **state)
{
    (void)state;
    show("\033[3;5Hx\033[Hy\033[2Cz\033[Bw\033[99;99H\033[2A\033[3Dq\033[1Gs\033[4du");
    expect_row(0, "y  z");
    expect_row(1, "s   w q");
    expect_row(2, "    x");
    expect_row(3, " u");
}

static void erasing(void **state)
{
    (void)state;
    show("aaaaaaaaa\nbbbbbbbbb\nccccccccc\nddddddddd\033[2;4H\033[K");
    expect_row(1, "bbb");
    show("\033[3;4H\033[1K");
    expect_row(2, "    ccccc");
    show("\033[J");
    expect_row(2, "");
    expect_row(3, "");
    expect_row(0, "aaaaaaaaa");
    show("\033[2J");
    expect_row(0, "");
}

static void inserting_and_deleting(void **state)
{
    (void)state;
    show("abcdef\033[3G\033[2P");
    expect_row(0, "abef");
    show("\033[2@");
    expect_row(0, "ab  ef");
    show("\033[3X\033[1;5Hx");
    expect_row(0, "ab  xf");
    show("\n2\n3\n4\033[2;1H\033[L");
    expect_row(1, "");
    expect_row(2, "2");
    show("\033[2M");
    expect_row(1, "3");
    expect_row(2, "");
}

static void scrolling_region(void **state)
{
    (void)state;
    show("1\n2\n3\n4\033[2;3r\033[3;1H\n");
    expect_row(0, "1");
    expect_row(1, "3");
    expect_row(2, "");
    expect_row(3, "4");
    show("\033[2;1H\033M");
    expect_row(1, "");
    expect_row(2, "3");
    expect_row(3, "4");
    show("\033[r");
    expect_cursor(0, 0);
}

static void colours_of_characters(void **state)
{
    (void)state;
    show("\033[31mr\033[1mR\033[7mI\033[0mn\033[48;5;4mb\033[m\033[38;2;255;255;255mw");
    const struct cell *c = terminal_row(&t, 0);
    assert_int_equal(c[0].colours, 0x01);
    assert_int_equal(c[1].colours, 0x09);
    assert_int_equal(c[2].colours, 0x90);
    assert_int_equal(c[3].colours, 0x07);
    assert_int_equal(c[4].colours, 0x47);
    assert_int_equal(c[5].colours, 0x0f);
}

static void unicode(void **state)
{
    (void)state;
    show("\xc3\xa9\xe2\x94\x80\xf0\x9f\x98\x80");
    const struct cell *c = terminal_row(&t, 0);
    assert_int_equal(c[0].code, 0xe9);
    assert_int_equal(c[1].code, 0x2500);
    assert_int_equal(c[2].code, 0xfffd); /* outside of the first plane */
    show("\r\xc3x\xff");
    assert_int_equal(c[0].code, 0xfffd);
    assert_int_equal(c[1].code, 'x');
    assert_int_equal(c[2].code, 0xfffd);
}

static void strings_and_unknown_sequences_show_nothing(void **state)
{
    (void)state;
    show("a\033]0;title\007b\033(Bc\033[?2004hd\033P1$r\033\\e\033[5;6;7;8;9;1;2;3;4;5zf\033[6n");
    expect_row(0, "abcdef");
}

static void saved_cursor_and_reset(void **state)
{
    (void)state;
    show("\033[2;3H\033[32m\0337\033[H\033[m\0338x");
    assert_int_equal(terminal_row(&t, 1)[2].colours, 0x02);
    show("\033[?25l");
    assert_true(t.cursor_hidden);
    show("\033c");
    assert_false(t.cursor_hidden);
    expect_row(1, "");
    expect_cursor(0, 0);
}

static void any_bytes_stay_inside(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (int i = 0; i < 200000; i++) { /* xorshift; the sanitizers watch */
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        static const char often[] = "\033[;?0123456789ABCDHJKLMPSTXmrsu@\n\r\t\b";
        char c = random & 1 ? often[random / 2 % (sizeof(often) - 1)] : (char)(random >> 8);
        terminal_write(&t, &c, 1);
        assert_true(t.row < ROWS && t.column < COLUMNS && t.top < t.bottom && t.bottom < ROWS);
    }
    bool seen[ROWS] = {false};
    for (unsigned i = 0; i < ROWS; i++)
        seen[t.order[i]] = true;
    for (unsigned i = 0; i < ROWS; i++)
        assert_true(seen[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_and_scrolling),
        TEST(long_lines_wrap_when_the_next_character_comes),
        TEST(cursor_movement),
        TEST(erasing),
        TEST(inserting_and_deleting),
        TEST(scrolling_region),
        TEST(colours_of_characters),
        TEST(unicode),
        TEST(strings_and_unknown_sequences_show_nothing),
        TEST(saved_cursor_and_reset),
        TEST(any_bytes_stay_inside),
    };
    return cmocka_run_group_tests_name("terminal", tests, NULL, NULL);
}
