/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * From keys to text: layouts (us, uk, de, fr), dead keys, and what a VT100 sends for keys without a
 * character.
 */
#ifndef DRIVERS_INPUT_KEYMAP_H
#define DRIVERS_INPUT_KEYMAP_H

#include "kernel/types.h"

enum keymap_layout { KEYMAP_US, KEYMAP_UK, KEYMAP_DE, KEYMAP_FR, KEYMAP_LAYOUTS };
/* "us"; NULL: there is no such layout. In the order of `keyboard` in ennead.ini. */
const char *keymap_name(unsigned layout);

#define KEYMAP_TEXT_MAX 8

struct keymap_key {
    uint8_t usage;     /* drivers/input/usage.h */
    uint8_t modifiers; /* HID_CTRL, ... of drivers/usb/hid.h */
    uint8_t leds;      /* HID_LED_NUM and HID_LED_CAPS count */
    bool application;  /* the terminal is in application cursor key mode (DECCKM) */
};

/* UTF-8 of the key to `text`; returns its length, 0: it has none. *dead holds an accent that waits
 * for its letter, 0: none. */
size_t keymap_text(unsigned layout, const struct keymap_key *key, uint16_t *dead,
                   char text[KEYMAP_TEXT_MAX]);

#endif
