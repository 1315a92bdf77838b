/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The layouts: what stands on the keys. Each but the first names only what differs from us. */
#include "drivers/input/layouts.h"

#include "drivers/input/usage.h"

/* ---- us ---- */

static const struct layout_key us_keys[] = {
    {USAGE_1, '1', '!', 0},
    {USAGE_1 + 1, '2', '@', 0},
    {USAGE_1 + 2, '3', '#', 0},
    {USAGE_1 + 3, '4', '$', 0},
    {USAGE_1 + 4, '5', '%', 0},
    {USAGE_1 + 5, '6', '^', 0},
    {USAGE_1 + 6, '7', '&', 0},
    {USAGE_1 + 7, '8', '*', 0},
    {USAGE_1 + 8, '9', '(', 0},
    {USAGE_0, '0', ')', 0},
    {USAGE_SPACE, ' ', ' ', 0},
    {USAGE_MINUS, '-', '_', 0},
    {USAGE_EQUAL, '=', '+', 0},
    {USAGE_BRACKET_LEFT, '[', '{', 0},
    {USAGE_BRACKET_RIGHT, ']', '}', 0},
    {USAGE_BACKSLASH, '\\', '|', 0},
    {USAGE_ISO_HASH, '\\', '|', 0},
    {USAGE_SEMICOLON, ';', ':', 0},
    {USAGE_APOSTROPHE, '\'', '"', 0},
    {USAGE_GRAVE, '`', '~', 0},
    {USAGE_COMMA, ',', '<', 0},
    {USAGE_PERIOD, '.', '>', 0},
    {USAGE_SLASH, '/', '?', 0},
    {USAGE_ISO_EXTRA, '\\', '|', 0},
};

/* ---- uk ---- */

static const struct layout_key uk_keys[] = {
    {USAGE_1 + 1, '2', '"', 0},
    {USAGE_1 + 2, '3', 0xa3, 0},
    {USAGE_1 + 3, '4', '$', 0x20ac},
    {USAGE_APOSTROPHE, '\'', '@', 0},
    {USAGE_GRAVE, '`', 0xac, 0xa6},
    {USAGE_BACKSLASH, '#', '~', '\\'},
    {USAGE_ISO_HASH, '#', '~', '\\'},
    {USAGE_A, 'a', 'A', 0xe1},
    {USAGE_A + 'e' - 'a', 'e', 'E', 0xe9},
    {USAGE_A + 'i' - 'a', 'i', 'I', 0xed},
    {USAGE_A + 'o' - 'a', 'o', 'O', 0xf3},
    {USAGE_A + 'u' - 'a', 'u', 'U', 0xfa},
};

/* ---- de ---- */

static const struct layout_key de_keys[] = {
    {USAGE_A + 'y' - 'a', 'z', 'Z', 0},    {USAGE_A + 'z' - 'a', 'y', 'Y', 0},
    {USAGE_A + 'q' - 'a', 'q', 'Q', '@'},  {USAGE_A + 'e' - 'a', 'e', 'E', 0x20ac},
    {USAGE_A + 'm' - 'a', 'm', 'M', 0xb5}, {USAGE_1 + 1, '2', '"', 0xb2},
    {USAGE_1 + 2, '3', 0xa7, 0xb3},        {USAGE_1 + 5, '6', '&', 0},
    {USAGE_1 + 6, '7', '/', '{'},          {USAGE_1 + 7, '8', '(', '['},
    {USAGE_1 + 8, '9', ')', ']'},          {USAGE_0, '0', '=', '}'},
    {USAGE_MINUS, 0xdf, '?', '\\'},        {USAGE_EQUAL, DEAD('\''), DEAD('`'), 0},
    {USAGE_BRACKET_LEFT, 0xfc, 0xdc, 0},   {USAGE_BRACKET_RIGHT, '+', '*', '~'},
    {USAGE_BACKSLASH, '#', '\'', 0},       {USAGE_ISO_HASH, '#', '\'', 0},
    {USAGE_SEMICOLON, 0xf6, 0xd6, 0},      {USAGE_APOSTROPHE, 0xe4, 0xc4, 0},
    {USAGE_GRAVE, DEAD('^'), 0xb0, 0},     {USAGE_COMMA, ',', ';', 0},
    {USAGE_PERIOD, '.', ':', 0},           {USAGE_SLASH, '-', '_', 0},
    {USAGE_ISO_EXTRA, '<', '>', '|'},
};

/* ---- fr ---- */

static const struct layout_key fr_keys[] = {
    {USAGE_A, 'q', 'Q', 0},
    {USAGE_A + 'q' - 'a', 'a', 'A', 0},
    {USAGE_A + 'w' - 'a', 'z', 'Z', 0},
    {USAGE_Z, 'w', 'W', 0},
    {USAGE_A + 'm' - 'a', ',', '?', 0},
    {USAGE_A + 'e' - 'a', 'e', 'E', 0x20ac},
    {USAGE_1, '&', '1', 0},
    {USAGE_1 + 1, 0xe9, '2', '~'},
    {USAGE_1 + 2, '"', '3', '#'},
    {USAGE_1 + 3, '\'', '4', '{'},
    {USAGE_1 + 4, '(', '5', '['},
    {USAGE_1 + 5, '-', '6', '|'},
    {USAGE_1 + 6, 0xe8, '7', '`'},
    {USAGE_1 + 7, '_', '8', '\\'},
    {USAGE_1 + 8, 0xe7, '9', '^'},
    {USAGE_0, 0xe0, '0', '@'},
    {USAGE_MINUS, ')', 0xb0, ']'},
    {USAGE_EQUAL, '=', '+', '}'},
    {USAGE_BRACKET_LEFT, DEAD('^'), DEAD('"'), 0},
    {USAGE_BRACKET_RIGHT, '$', 0xa3, 0xa4},
    {USAGE_BACKSLASH, '*', 0xb5, 0},
    {USAGE_ISO_HASH, '*', 0xb5, 0},
    {USAGE_SEMICOLON, 'm', 'M', 0},
    {USAGE_APOSTROPHE, 0xf9, '%', 0},
    {USAGE_GRAVE, 0xb2, 0, 0},
    {USAGE_COMMA, ';', '.', 0},
    {USAGE_PERIOD, ':', '/', 0},
    {USAGE_SLASH, '!', 0xa7, 0},
    {USAGE_ISO_EXTRA, '<', '>', 0},
};

const struct layout layouts[KEYMAP_LAYOUTS] = {
    [KEYMAP_US] = {"us", us_keys, ARRAY_SIZE(us_keys)},
    [KEYMAP_UK] = {"uk", uk_keys, ARRAY_SIZE(uk_keys)},
    [KEYMAP_DE] = {"de", de_keys, ARRAY_SIZE(de_keys)},
    [KEYMAP_FR] = {"fr", fr_keys, ARRAY_SIZE(fr_keys)},
};

/* What an accent makes of a letter; '"' is the diaeresis, '\'' the acute accent. */
const struct layout_accent layout_accents[] = {
    {'\'', 'a', 0xe1}, {'\'', 'e', 0xe9}, {'\'', 'i', 0xed}, {'\'', 'o', 0xf3}, {'\'', 'u', 0xfa},
    {'\'', 'y', 0xfd}, {'\'', 'A', 0xc1}, {'\'', 'E', 0xc9}, {'\'', 'I', 0xcd}, {'\'', 'O', 0xd3},
    {'\'', 'U', 0xda}, {'`', 'a', 0xe0},  {'`', 'e', 0xe8},  {'`', 'i', 0xec},  {'`', 'o', 0xf2},
    {'`', 'u', 0xf9},  {'`', 'A', 0xc0},  {'`', 'E', 0xc8},  {'`', 'I', 0xcc},  {'`', 'O', 0xd2},
    {'`', 'U', 0xd9},  {'^', 'a', 0xe2},  {'^', 'e', 0xea},  {'^', 'i', 0xee},  {'^', 'o', 0xf4},
    {'^', 'u', 0xfb},  {'^', 'A', 0xc2},  {'^', 'E', 0xca},  {'^', 'I', 0xce},  {'^', 'O', 0xd4},
    {'^', 'U', 0xdb},  {'"', 'a', 0xe4},  {'"', 'e', 0xeb},  {'"', 'i', 0xef},  {'"', 'o', 0xf6},
    {'"', 'u', 0xfc},  {'"', 'y', 0xff},  {'"', 'A', 0xc4},  {'"', 'E', 0xcb},  {'"', 'I', 0xcf},
    {'"', 'O', 0xd6},  {'"', 'U', 0xdc},
};
const unsigned layout_accent_count = ARRAY_SIZE(layout_accents);
