/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Keys to text: see drivers/input/keymap.h. */
#include "drivers/input/keymap.h"

#include "drivers/input/layouts.h"
#include "drivers/input/usage.h"
#include "drivers/usb/hid.h"

#define ESC    "\033"
#define DELETE 0x7f

/* ---- Characters ---- */

static const struct layout_key *find(const struct layout *l, uint8_t usage)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->keys[i].usage == usage)
            return &l->keys[i];
    return NULL;
}

static bool is_letter(uint16_t code)
{
    return (code >= 'a' && code <= 'z') || (code >= 0xe0 && code <= 0xfe && code != 0xf7);
}

/* What stands on the key, by layout, Shift, AltGr and Caps Lock. */
static uint16_t character(unsigned layout, const struct keymap_key *key)
{
    struct layout_key letter = {key->usage, 0, 0, 0};
    const struct layout_key *k = find(&layouts[layout], key->usage);
    bool shift = key->modifiers & HID_SHIFT;

    if (!k)
        k = find(&layouts[KEYMAP_US], key->usage);
    if (!k && key->usage >= USAGE_A && key->usage <= USAGE_Z) {
        letter.plain = (uint16_t)('a' + key->usage - USAGE_A);
        letter.shift = (uint16_t)(letter.plain - 'a' + 'A');
        k = &letter;
    }
    if (!k)
        return 0;
    if (key->modifiers & HID_ALTGR)
        return k->altgr;
    if (key->leds & HID_LED_CAPS && is_letter(k->plain))
        return shift ? k->plain : (uint16_t)(k->plain - 'a' + 'A');
    return shift ? k->shift : k->plain;
}

/* 0 when the accent does not go with the letter. */
static uint16_t compose(uint16_t accent, uint16_t letter)
{
    for (unsigned i = 0; i < layout_accent_count; i++)
        if (layout_accents[i].accent == accent && layout_accents[i].letter == letter)
            return layout_accents[i].result;
    return 0;
}

static size_t encode(uint16_t code, char *text)
{
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        text[0] = (char)(0xc0 | code >> 6);
        text[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    text[0] = (char)(0xe0 | code >> 12);
    text[1] = (char)(0x80 | (code >> 6 & 0x3f));
    text[2] = (char)(0x80 | (code & 0x3f));
    return 3;
}

static uint16_t bare_accent(uint16_t accent)
{
    return accent == '\'' ? 0xb4 : accent == '"' ? 0xa8 : accent;
}

/* With an accent before it: the two together, or one after the other when they do not combine. */
static size_t accented(uint16_t code, uint16_t *dead, char *text)
{
    uint16_t accent = DEAD_CHAR(*dead), both = compose(accent, code);
    size_t n = 0;

    *dead = 0;
    if (both)
        return encode(both, text);
    n = encode(bare_accent(accent), text);
    if (code == ' ' || IS_DEAD(code))
        return n;
    return n + encode(code, text + n);
}

/* The control character that Ctrl makes of the key, -1: none. Digits as on a VT220. */
static int control(uint16_t code, uint8_t usage)
{
    static const uint8_t digits[] = {0, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, DELETE}; /* 2 to 8 */

    if (code >= '@' && code < DELETE)
        return code & 0x1f;
    if (code == ' ')
        return 0;
    if (usage > USAGE_1 && usage <= USAGE_1 + 7)
        return digits[usage - USAGE_1 - 1];
    return code == '-' || code == '/' ? 0x1f : -1;
}

static size_t character_text(unsigned layout, const struct keymap_key *key, uint16_t *dead,
                             char *text)
{
    uint16_t code = character(layout, key);

    if (key->modifiers & HID_CTRL) {
        int c = control(code, key->usage);
        text[0] = (char)c;
        return c >= 0;
    }
    if (!code)
        return 0;
    if (*dead)
        return accented(code, dead, text);
    if (IS_DEAD(code)) {
        *dead = code;
        return 0;
    }
    return encode(code, text);
}

/* ---- Keys without a character (VT100, VT220 and xterm) ---- */

struct special {
    uint8_t usage;
    const char *normal, *application;
};

static const struct special specials[] = {
    {USAGE_ENTER, "\r", "\r"},
    {USAGE_KP_ENTER, "\r", "\r"},
    {USAGE_ESCAPE, ESC, ESC},
    {USAGE_BACKSPACE, "\x7f", "\x7f"},
    {USAGE_TAB, "\t", "\t"},
    {USAGE_UP, ESC "[A", ESC "OA"},
    {USAGE_DOWN, ESC "[B", ESC "OB"},
    {USAGE_RIGHT, ESC "[C", ESC "OC"},
    {USAGE_LEFT, ESC "[D", ESC "OD"},
    {USAGE_HOME, ESC "[H", ESC "OH"},
    {USAGE_END, ESC "[F", ESC "OF"},
    {USAGE_INSERT, ESC "[2~", ESC "[2~"},
    {USAGE_DELETE, ESC "[3~", ESC "[3~"},
    {USAGE_PAGE_UP, ESC "[5~", ESC "[5~"},
    {USAGE_PAGE_DOWN, ESC "[6~", ESC "[6~"},
};

static const char *const function_keys[] = {
    ESC "OP",   ESC "OQ",   ESC "OR",   ESC "OS",   ESC "[15~", ESC "[17~",
    ESC "[18~", ESC "[19~", ESC "[20~", ESC "[21~", ESC "[23~", ESC "[24~",
};

/* Keys of the number pad: a character, or with Num Lock off the key printed below it. */
static const char pad_characters[] = "/*-+\r1234567890.";
static const uint8_t pad_keys[] = {0,
                                   0,
                                   0,
                                   0,
                                   USAGE_ENTER,
                                   USAGE_END,
                                   USAGE_DOWN,
                                   USAGE_PAGE_DOWN,
                                   USAGE_LEFT,
                                   0,
                                   USAGE_RIGHT,
                                   USAGE_HOME,
                                   USAGE_UP,
                                   USAGE_PAGE_UP,
                                   USAGE_INSERT,
                                   USAGE_DELETE};

static const char *special_text(const struct keymap_key *key)
{
    if (key->usage == USAGE_TAB && key->modifiers & HID_SHIFT)
        return ESC "[Z";
    if (key->usage >= USAGE_F1 && key->usage <= USAGE_F12)
        return function_keys[key->usage - USAGE_F1];
    for (size_t i = 0; i < ARRAY_SIZE(specials); i++)
        if (specials[i].usage == key->usage)
            return key->application ? specials[i].application : specials[i].normal;
    return NULL;
}

static size_t key_text(unsigned layout, const struct keymap_key *key, uint16_t *dead, char *text)
{
    const char *special = special_text(key);

    if (!special)
        return character_text(layout, key, dead, text);
    size_t n = 0;
    for (; special[n]; n++)
        text[n] = special[n];
    return n;
}

static size_t pad_text(unsigned layout, const struct keymap_key *key, uint16_t *dead, char *text)
{
    unsigned index = key->usage - USAGE_KP_SLASH;
    struct keymap_key other = *key;

    _Static_assert(ARRAY_SIZE(pad_keys) == USAGE_KP_PERIOD - USAGE_KP_SLASH + 1, "one each");
    if (key->leds & HID_LED_NUM || index < USAGE_KP_ENTER - USAGE_KP_SLASH) {
        text[0] = pad_characters[index];
        return 1;
    }
    other.usage = pad_keys[index];
    return other.usage ? key_text(layout, &other, dead, text) : 0;
}

size_t keymap_text(unsigned layout, const struct keymap_key *key, uint16_t *dead,
                   char text[KEYMAP_TEXT_MAX])
{
    bool pad = key->usage >= USAGE_KP_SLASH && key->usage <= USAGE_KP_PERIOD;
    size_t n;

    text[0] = ESC[0];
    n = key->modifiers & HID_ALT ? 1 : 0; /* Alt is ESC before the key, as terminals send it */
    size_t more =
        pad ? pad_text(layout, key, dead, text + n) : key_text(layout, key, dead, text + n);
    return more ? n + more : 0;
}

const char *keymap_name(unsigned layout)
{
    return layout < KEYMAP_LAYOUTS ? layouts[layout].name : NULL;
}
