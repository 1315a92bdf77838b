/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Where keys go: see drivers/input/input.h. */
#include "drivers/input/input.h"

#include "drivers/display/views.h"
#include "drivers/input/keymap.h"
#include "drivers/input/usage.h"
#include "drivers/usb/hid.h"
#include "kernel/config.h"
#include "kernel/console.h"

/* Alt with a function key or a sideways arrow; in the monitor, which uses none, function keys alone
 * do as well. */
static bool switch_view(uint8_t usage, uint8_t modifiers, bool guest)
{
    bool function = usage >= USAGE_F1 && usage <= USAGE_F12;

    if (!(modifiers & HID_ALT) && (guest || !function))
        return false;
    if (function)
        views_show(usage - USAGE_F1);
    else if (usage == USAGE_LEFT || usage == USAGE_RIGHT)
        views_step(usage == USAGE_RIGHT ? 1 : -1);
    else
        return false;
    return true;
}

void input_key(uint8_t usage, uint8_t modifiers, uint8_t leds)
{
    static uint16_t dead; /* two keyboards at once are one typist's */
    struct keymap_key key = {.usage = usage, .modifiers = modifiers, .leds = leds};
    bool guest = views_guest_shown(&key.application);
    char text[KEYMAP_TEXT_MAX];

    if (switch_view(usage, modifiers, guest))
        return;
    size_t n = keymap_text((unsigned)config_get()->keyboard, &key, &dead, text);
    if (n && guest)
        views_type(text, n);
    else if (n)
        console_input(text, n);
}

const char *input_layout_name(void)
{
    return keymap_name((unsigned)config_get()->keyboard);
}
