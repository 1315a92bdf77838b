/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The tables behind drivers/input/keymap.h. */
#ifndef DRIVERS_INPUT_LAYOUTS_H
#define DRIVERS_INPUT_LAYOUTS_H

#include "drivers/input/keymap.h"

/* An accent that waits for a letter, among code points of the private use area. */
#define DEAD_BASE    0xe000
#define DEAD(c)      (DEAD_BASE | (c))
#define IS_DEAD(c)   (((c)&0xff80) == DEAD_BASE)
#define DEAD_CHAR(c) ((c)&0x7f)

struct layout_key {
    uint8_t usage;
    uint16_t plain, shift, altgr; /* code points; 0: nothing */
};

struct layout {
    const char *name;
    const struct layout_key *keys;
    unsigned count;
};
extern const struct layout layouts[KEYMAP_LAYOUTS];

struct layout_accent {
    uint8_t accent, letter;
    uint16_t result;
};
extern const struct layout_accent layout_accents[];
extern const unsigned layout_accent_count;

#endif
