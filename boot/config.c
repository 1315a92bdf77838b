/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Which files ennead.ini names. Only keys of type FILE matter here; the kernel reads the same text
 * with the same parser and reports every mistake, so that this file is silent about them.
 */
#include <ini.h>

#include "boot/config.h"

struct file_key {
    const char *section; /* first word of the section's name */
    const char *key;
};

/* Only the keys that name files become entries. */
#define KEY_NUMBER(section, key)
#define KEY_SIZE(section, key)
#define KEY_BOOL(section, key)
#define KEY_CHOICE(section, key)
#define KEY_TEXT(section, key)
#define KEY_FILE(section, key)                             {#section, #key},
#define CONFIG_KEY(section, key, type, value, limit, help) KEY_##type(section, key)
static const struct file_key file_keys[] = {
#include "kernel/config_keys.def"
};

/* Whether a section's name is `word`, alone or with a name after it. */
static bool section_is(const char *section, const char *word)
{
    while (*word && *section == *word) {
        section++;
        word++;
    }
    return !*word && (*section == '\0' || *section == ' ' || *section == '\t');
}

static int handle(void *user, const char *section, const char *key, const char *value, int line)
{
    config_found_fn *found = *(config_found_fn **)user;

    (void)line;
    if (!key || !value || !*value)
        return 1; /* a section's header */
    for (size_t i = 0; i < sizeof(file_keys) / sizeof(file_keys[0]); i++) {
        if (text_equal(file_keys[i].key, key) && section_is(section, file_keys[i].section))
            found(section, key, value);
    }
    return 1;
}

struct text {
    const char *at, *end;
};

/* inih's reader, as fgets: at most a line into `line`, NULL at the end. inih itself drops the rest
 * of an overlong one. */
static char *read_line(char *line, int room, void *stream)
{
    struct text *text = stream;
    int used = 0;

    if (text->at == text->end)
        return NULL;
    while (text->at < text->end && used + 1 < room) {
        line[used++] = *text->at++;
        if (line[used - 1] == '\n')
            break;
    }
    line[used] = '\0';
    return line;
}

void config_find_files(const char *text, size_t size, config_found_fn *found)
{
    struct text stream = {text, text + size};

    ini_parse_stream(read_line, &stream, handle, &found);
}
