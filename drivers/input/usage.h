/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Keys by the numbers that HID Usage Tables 1.5, page 7, give them: places on a US keyboard. */
#ifndef DRIVERS_INPUT_USAGE_H
#define DRIVERS_INPUT_USAGE_H

enum {
    USAGE_A = 0x04, /* to Z */
    USAGE_Z = 0x1d,
    USAGE_1 = 0x1e, /* to 9 */
    USAGE_0 = 0x27,
    USAGE_ENTER = 0x28,
    USAGE_ESCAPE = 0x29,
    USAGE_BACKSPACE = 0x2a,
    USAGE_TAB = 0x2b,
    USAGE_SPACE = 0x2c,
    USAGE_MINUS = 0x2d,
    USAGE_EQUAL = 0x2e,
    USAGE_BRACKET_LEFT = 0x2f,
    USAGE_BRACKET_RIGHT = 0x30,
    USAGE_BACKSLASH = 0x31,
    USAGE_ISO_HASH = 0x32, /* the same key on keyboards with another one beside left Shift */
    USAGE_SEMICOLON = 0x33,
    USAGE_APOSTROPHE = 0x34,
    USAGE_GRAVE = 0x35,
    USAGE_COMMA = 0x36,
    USAGE_PERIOD = 0x37,
    USAGE_SLASH = 0x38,
    USAGE_CAPS_LOCK = 0x39,
    USAGE_F1 = 0x3a, /* to F12 */
    USAGE_F12 = 0x45,
    USAGE_SCROLL_LOCK = 0x47,
    USAGE_INSERT = 0x49,
    USAGE_HOME = 0x4a,
    USAGE_PAGE_UP = 0x4b,
    USAGE_DELETE = 0x4c,
    USAGE_END = 0x4d,
    USAGE_PAGE_DOWN = 0x4e,
    USAGE_RIGHT = 0x4f,
    USAGE_LEFT = 0x50,
    USAGE_DOWN = 0x51,
    USAGE_UP = 0x52,
    USAGE_NUM_LOCK = 0x53,
    USAGE_KP_SLASH = 0x54,
    USAGE_KP_STAR = 0x55,
    USAGE_KP_MINUS = 0x56,
    USAGE_KP_PLUS = 0x57,
    USAGE_KP_ENTER = 0x58,
    USAGE_KP_1 = 0x59, /* to 9 */
    USAGE_KP_0 = 0x62,
    USAGE_KP_PERIOD = 0x63,
    USAGE_ISO_EXTRA = 0x64, /* beside left Shift */
    USAGE_LAST = 0xa4,
};

#endif
