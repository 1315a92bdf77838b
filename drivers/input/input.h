/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Where keys go: to what the screen shows, the monitor or a guest's console; some keys switch
 * between these. */
#ifndef DRIVERS_INPUT_INPUT_H
#define DRIVERS_INPUT_INPUT_H

#include "kernel/types.h"

/* A key went down or repeats: `usage` by drivers/input/usage.h, modifiers and lights by
 * drivers/usb/hid.h. Thread context. */
void input_key(uint8_t usage, uint8_t modifiers, uint8_t leds);
/* "de"; never NULL. */
const char *input_layout_name(void);

#endif
