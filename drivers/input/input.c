/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Where keys go: see drivers/input/input.h. */
#include "drivers/input/input.h"

#include "drivers/input/keymap.h"
#include "kernel/config.h"
#include "kernel/console.h"

void input_key(uint8_t usage, uint8_t modifiers, uint8_t leds)
{
    static uint16_t dead; /* two keyboards at once are one typist's */
    const struct keymap_key key = {.usage = usage, .modifiers = modifiers, .leds = leds};
    char text[KEYMAP_TEXT_MAX];
    size_t n = keymap_text((unsigned)config_get()->keyboard, &key, &dead, text);

    if (n)
        console_input(text, n);
}

const char *input_layout_name(void)
{
    return keymap_name((unsigned)config_get()->keyboard);
}
