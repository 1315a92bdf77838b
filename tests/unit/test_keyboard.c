/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Keyboards: reports to presses (HID 1.11, appendix C), presses to text on four layouts. Stands
 * alone: includes what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/input/keymap.c"
#include "drivers/input/layouts.c"
#include "drivers/usb/hid.c"

static struct hid_keyboard keyboard;
static uint8_t presses[64];
static unsigned press_count;

static void note(struct hid_keyboard *k, uint8_t usage)
{
    (void)k;
    presses[press_count++ % sizeof(presses)] = usage;
}

static int setup(void **state)
{
    (void)state;
    press_count = 0;
    hid_keyboard_init(&keyboard, note);
    return 0;
}

static void report(uint64_t now, uint8_t modifiers, uint8_t first, uint8_t second)
{
    const uint8_t r[HID_REPORT_SIZE] = {modifiers, 0, first, second};

    hid_keyboard_report(&keyboard, r, sizeof(r), now);
}

static void expect_presses(const char *usages)
{
    assert_int_equal(press_count, strlen(usages));
    assert_memory_equal(presses, usages, press_count);
    press_count = 0;
}

static void a_key_is_pressed_once_while_it_is_held(void **state)
{
    (void)state;
    report(0, 0, 4, 0);
    report(1, 0, 4, 0);
    expect_presses("\x04");
    report(2, 0, 4, 5);
    expect_presses("\x05");
    report(3, 0, 5, 0); /* the first is let go: the other one moves, and is not new */
    report(4, 0, 0, 0);
    report(5, 0, 4, 0);
    expect_presses("\x04");
}

static void a_report_of_too_many_keys_changes_nothing(void **state)
{
    (void)state;
    report(0, 0, 4, 0);
    report(1, 0, ROLL_OVER, ROLL_OVER);
    report(2, 0, 4, 0);
    expect_presses("\x04");
}

static void the_same_key_twice_in_a_report_is_one_press(void **state)
{
    (void)state;
    report(0, 0, 4, 4);
    expect_presses("\x04");
}

static void short_reports_are_ignored(void **state)
{
    const uint8_t r[HID_REPORT_SIZE] = {0, 0, 4};

    (void)state;
    hid_keyboard_report(&keyboard, r, HID_REPORT_SIZE - 1, 0);
    assert_int_equal(press_count, 0);
}

static void the_key_that_was_pressed_last_repeats_until_it_is_let_go(void **state)
{
    (void)state;
    assert_true(hid_keyboard_repeat(&keyboard, 0) == UINT64_MAX);
    report(0, 0, 4, 0);
    report(0, 0, 4, 5);
    assert_int_equal(hid_keyboard_repeat(&keyboard, 0), REPEAT_DELAY_NS);
    expect_presses("\x04\x05");
    hid_keyboard_repeat(&keyboard, REPEAT_DELAY_NS);
    hid_keyboard_repeat(&keyboard, REPEAT_DELAY_NS + 1);
    expect_presses("\x05");
    hid_keyboard_repeat(&keyboard, REPEAT_DELAY_NS + REPEAT_PERIOD_NS);
    expect_presses("\x05");
    report(REPEAT_DELAY_NS * 2, 0, 4, 0);
    assert_true(hid_keyboard_repeat(&keyboard, REPEAT_DELAY_NS * 3) == UINT64_MAX);
    assert_int_equal(press_count, 0);
    report(REPEAT_DELAY_NS * 4, 0, 4, 6);
    hid_keyboard_release(&keyboard);
    assert_true(hid_keyboard_repeat(&keyboard, REPEAT_DELAY_NS * 9) == UINT64_MAX);
}

static void locks_switch_their_lights_and_are_no_presses(void **state)
{
    (void)state;
    assert_int_equal(keyboard.leds, HID_LED_NUM);
    report(0, 0, USAGE_CAPS_LOCK, 0);
    report(1, 0, 0, 0);
    assert_int_equal(keyboard.leds, HID_LED_NUM | HID_LED_CAPS);
    report(2, 0, USAGE_CAPS_LOCK, USAGE_NUM_LOCK);
    assert_int_equal(keyboard.leds, 0);
    assert_int_equal(press_count, 0);
}

/* ---- Text ---- */

static uint16_t dead;

static const char *typed(unsigned layout, uint8_t usage, uint8_t modifiers, uint8_t leds)
{
    static char text[KEYMAP_TEXT_MAX + 1];
    const struct keymap_key key = {.usage = usage, .modifiers = modifiers, .leds = leds};

    text[keymap_text(layout, &key, &dead, text)] = 0;
    return text;
}

/* The row of digits, then the rows of letters, without and with Shift: as printed on the keyboards
 * (ISO/IEC 9995 national layouts; Ubuntu and Windows agree). */
static const uint8_t places[] = {0x35, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26,
                                 0x27, 0x2d, 0x2e, 0x14, 0x1a, 0x08, 0x15, 0x17, 0x1c, 0x18,
                                 0x0c, 0x12, 0x13, 0x2f, 0x30, 0x04, 0x16, 0x07, 0x09, 0x0a,
                                 0x0b, 0x0d, 0x0e, 0x0f, 0x33, 0x34, 0x32, 0x64, 0x1d, 0x1b,
                                 0x06, 0x19, 0x05, 0x11, 0x10, 0x36, 0x37, 0x38, 0x2c};
static const struct {
    unsigned layout;
    const char *plain, *shift;
} keyboards[] = {
    {KEYMAP_US, "`1234567890-=qwertyuiop[]asdfghjkl;'\\\\zxcvbnm,./ ",
     "~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:\"||ZXCVBNM<>? "},
    {KEYMAP_UK, "`1234567890-=qwertyuiop[]asdfghjkl;'#\\zxcvbnm,./ ",
     "¬!\"£$%^&*()_+QWERTYUIOP{}ASDFGHJKL:@~|ZXCVBNM<>? "},
    {KEYMAP_DE, "1234567890ßqwertzuiopü+asdfghjklöä#<yxcvbnm,.- ",
     "°!\"§$%&/()=?QWERTZUIOPÜ*ASDFGHJKLÖÄ'>YXCVBNM;:_ "},
    {KEYMAP_FR, "²&é\"'(-è_çà)=azertyuiop$qsdfghjklmù*<wxcvbn,;:! ",
     "1234567890°+AZERTYUIOP£QSDFGHJKLM%µ>WXCVBN?./§ "},
};

static void every_key_types_what_is_printed_on_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keyboards); i++)
        for (unsigned shift = 0; shift < 2; shift++) {
            char text[256] = "";
            for (size_t k = 0; k < sizeof(places); k++) {
                dead = 0; /* dead keys type nothing here */
                strcat(text, typed(keyboards[i].layout, places[k], shift ? 1 << 5 : 0, 0));
            }
            assert_string_equal(text, shift ? keyboards[i].shift : keyboards[i].plain);
        }
    dead = 0;
}

static void altgr_types_the_third_character(void **state)
{
    (void)state;
    assert_string_equal(typed(KEYMAP_DE, 0x14, HID_ALTGR, 0), "@");
    assert_string_equal(typed(KEYMAP_DE, 0x08, HID_ALTGR, 0), "€");
    assert_string_equal(typed(KEYMAP_DE, 0x24, HID_ALTGR, 0), "{");
    assert_string_equal(typed(KEYMAP_DE, 0x64, HID_ALTGR, 0), "|");
    assert_string_equal(typed(KEYMAP_FR, 0x27, HID_ALTGR, 0), "@");
    assert_string_equal(typed(KEYMAP_FR, 0x25, HID_ALTGR, 0), "\\");
    assert_string_equal(typed(KEYMAP_UK, 0x21, HID_ALTGR, 0), "€");
    assert_string_equal(typed(KEYMAP_US, 0x14, HID_ALTGR, 0), "");
}

static void accents_wait_for_their_letter(void **state)
{
    (void)state;
    assert_string_equal(typed(KEYMAP_DE, 0x35, 0, 0), "");
    assert_string_equal(typed(KEYMAP_DE, 0x08, 0, 0), "ê");
    assert_string_equal(typed(KEYMAP_DE, 0x2e, 0, 0), "");
    assert_string_equal(typed(KEYMAP_DE, 0x08, 0, 0), "é");
    assert_string_equal(typed(KEYMAP_FR, 0x2f, 1 << 1, 0), "");
    assert_string_equal(typed(KEYMAP_FR, 0x0c, 0, 0), "ï");
    typed(KEYMAP_FR, 0x2f, 0, 0);
    assert_string_equal(typed(KEYMAP_FR, USAGE_SPACE, 0, 0), "^");
    typed(KEYMAP_FR, 0x2f, 0, 0);
    assert_string_equal(typed(KEYMAP_FR, 0x16, 0, 0), "^s");
    assert_string_equal(typed(KEYMAP_FR, 0x16, 0, 0), "s");
}

static void caps_lock_changes_letters_only(void **state)
{
    (void)state;
    assert_string_equal(typed(KEYMAP_US, 4, 0, HID_LED_CAPS), "A");
    assert_string_equal(typed(KEYMAP_US, 4, 1 << 1, HID_LED_CAPS), "a");
    assert_string_equal(typed(KEYMAP_US, 0x1e, 0, HID_LED_CAPS), "1");
    assert_string_equal(typed(KEYMAP_DE, 0x33, 0, HID_LED_CAPS), "Ö");
    assert_string_equal(typed(KEYMAP_FR, 0x1f, 0, HID_LED_CAPS), "É");
}

static void ctrl_and_alt(void **state)
{
    (void)state;
    assert_string_equal(typed(KEYMAP_US, 0x06, 1, 0), "\x03");
    assert_string_equal(typed(KEYMAP_DE, 0x1d, 1, 0), "\x19"); /* Ctrl-Y, where US has Z */
    assert_string_equal(typed(KEYMAP_US, 0x30, 1, 0), "\x1d");
    assert_string_equal(typed(KEYMAP_DE, 0x26, 1 | HID_ALTGR, 0), "\x1d");
    assert_string_equal(typed(KEYMAP_DE, 0x22, 1, 0), "\x1d"); /* Ctrl-5, on every layout */
    assert_string_equal(typed(KEYMAP_US, 0x05, HID_ALT, 0), "\033b");
}

static void keys_without_a_character_send_what_a_terminal_sends(void **state)
{
    const struct keymap_key up = {.usage = USAGE_UP, .application = true};
    char text[KEYMAP_TEXT_MAX];

    (void)state;
    assert_string_equal(typed(KEYMAP_US, USAGE_ENTER, 0, 0), "\r");
    assert_string_equal(typed(KEYMAP_US, USAGE_BACKSPACE, 0, 0), "\x7f");
    assert_string_equal(typed(KEYMAP_US, USAGE_TAB, 1 << 1, 0), "\033[Z");
    assert_string_equal(typed(KEYMAP_US, USAGE_UP, 0, 0), "\033[A");
    assert_int_equal(keymap_text(KEYMAP_US, &up, &dead, text), 3);
    assert_memory_equal(text, "\033OA", 3);
    assert_string_equal(typed(KEYMAP_US, USAGE_F1, 0, 0), "\033OP");
    assert_string_equal(typed(KEYMAP_US, USAGE_F12, 0, 0), "\033[24~");
    assert_string_equal(typed(KEYMAP_US, USAGE_KP_1 + 6, 0, HID_LED_NUM), "7");
    assert_string_equal(typed(KEYMAP_US, USAGE_KP_1 + 6, 0, 0), "\033[H");
    assert_string_equal(typed(KEYMAP_US, USAGE_KP_PERIOD, 0, 0), "\033[3~");
    assert_string_equal(typed(KEYMAP_US, USAGE_KP_PLUS, 0, 0), "+");
    assert_string_equal(typed(KEYMAP_US, USAGE_KP_1 + 4, 0, 0), "");
    assert_string_equal(typed(KEYMAP_US, 0x46, 0, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_key_is_pressed_once_while_it_is_held, setup),
        cmocka_unit_test_setup(a_report_of_too_many_keys_changes_nothing, setup),
        cmocka_unit_test_setup(the_same_key_twice_in_a_report_is_one_press, setup),
        cmocka_unit_test_setup(short_reports_are_ignored, setup),
        cmocka_unit_test_setup(the_key_that_was_pressed_last_repeats_until_it_is_let_go, setup),
        cmocka_unit_test_setup(locks_switch_their_lights_and_are_no_presses, setup),
        cmocka_unit_test(every_key_types_what_is_printed_on_it),
        cmocka_unit_test(altgr_types_the_third_character),
        cmocka_unit_test(accents_wait_for_their_letter),
        cmocka_unit_test(caps_lock_changes_letters_only),
        cmocka_unit_test(ctrl_and_alt),
        cmocka_unit_test(keys_without_a_character_send_what_a_terminal_sends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
