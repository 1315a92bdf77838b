/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Keyboards in the boot protocol (HID 1.11, appendix B): reports of what is held down become key
 * presses, and a held key repeats. Knows no bus and no layout; reports are hostile input.
 */
#ifndef DRIVERS_USB_HID_H
#define DRIVERS_USB_HID_H

#include "kernel/types.h"

#define HID_REPORT_SIZE 8 /* modifiers, reserved, six keys */
#define HID_REPORT_KEYS 6

/* Bits of the modifiers (B.1), and of the lights (B.1, output). */
enum {
    HID_CTRL = 1 << 0 | 1 << 4,
    HID_SHIFT = 1 << 1 | 1 << 5,
    HID_ALT = 1 << 2,
    HID_ALTGR = 1 << 6,
    HID_GUI = 1 << 3 | 1 << 7,
};
enum { HID_LED_NUM = 1 << 0, HID_LED_CAPS = 1 << 1, HID_LED_SCROLL = 1 << 2 };

struct hid_keyboard {
    /* A key (its usage on page 7) went down, or repeats. */
    void (*pressed)(struct hid_keyboard *k, uint8_t usage);
    uint8_t modifiers, leds, leds_shown;
    uint8_t held[HID_REPORT_KEYS];
    uint8_t repeating;  /* usage; 0: none */
    uint64_t repeat_ns; /* when next */
};

void hid_keyboard_init(struct hid_keyboard *k,
                       void (*pressed)(struct hid_keyboard *k, uint8_t usage));
/* A report of `size` bytes came at `now` (clock_ns()). Short ones are ignored. */
void hid_keyboard_report(struct hid_keyboard *k, const uint8_t *report, size_t size, uint64_t now);
/* Repeats what is due; returns when it wants to be called again, UINT64_MAX: not before a report.
 */
uint64_t hid_keyboard_repeat(struct hid_keyboard *k, uint64_t now);
/* It is gone: nothing is held any more. */
void hid_keyboard_release(struct hid_keyboard *k);

#endif
