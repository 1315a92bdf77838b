/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Boot-protocol reports to key presses: see drivers/usb/hid.h. */
#include "drivers/usb/hid.h"

#include <string.h>

#include "drivers/input/usage.h"

#define REPEAT_DELAY_NS  (400 * NS_PER_MS)
#define REPEAT_PERIOD_NS (33 * NS_PER_MS)
#define ROLL_OVER        1 /* HID Usage Tables, page 7: more keys are held than fit */
#define USAGE_FIRST      4

void hid_keyboard_init(struct hid_keyboard *k,
                       void (*pressed)(struct hid_keyboard *k, uint8_t usage))
{
    *k = (struct hid_keyboard){.pressed = pressed, .leds = HID_LED_NUM};
}

static bool is_held(const struct hid_keyboard *k, uint8_t usage)
{
    return memchr(k->held, usage, sizeof(k->held)) != NULL;
}

static void press(struct hid_keyboard *k, uint8_t usage, uint64_t now)
{
    switch (usage) {
    case USAGE_CAPS_LOCK:
        k->leds ^= HID_LED_CAPS;
        break;
    case USAGE_NUM_LOCK:
        k->leds ^= HID_LED_NUM;
        break;
    case USAGE_SCROLL_LOCK:
        k->leds ^= HID_LED_SCROLL;
        break;
    default:
        k->repeating = usage;
        k->repeat_ns = now + REPEAT_DELAY_NS;
        k->pressed(k, usage);
    }
}

void hid_keyboard_report(struct hid_keyboard *k, const uint8_t *report, size_t size, uint64_t now)
{
    uint8_t down[HID_REPORT_KEYS];
    unsigned count = 0;

    if (size < HID_REPORT_SIZE || report[2] == ROLL_OVER)
        return;
    k->modifiers = report[0];
    for (unsigned i = 0; i < HID_REPORT_KEYS; i++) {
        uint8_t usage = report[2 + i];
        if (usage >= USAGE_FIRST && usage <= USAGE_LAST && !is_held(k, usage) &&
            !memchr(down, usage, count))
            down[count++] = usage;
    }
    memcpy(k->held, report + 2, sizeof(k->held));
    if (k->repeating && !is_held(k, k->repeating))
        k->repeating = 0;
    for (unsigned i = 0; i < count; i++)
        press(k, down[i], now);
}

uint64_t hid_keyboard_repeat(struct hid_keyboard *k, uint64_t now)
{
    if (!k->repeating)
        return UINT64_MAX;
    if (now >= k->repeat_ns) {
        k->repeat_ns = now + REPEAT_PERIOD_NS;
        k->pressed(k, k->repeating);
    }
    return k->repeat_ns;
}

void hid_keyboard_release(struct hid_keyboard *k)
{
    memset(k->held, 0, sizeof(k->held));
    k->modifiers = 0;
    k->repeating = 0;
}
