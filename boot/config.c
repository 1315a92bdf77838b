/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Which files ennead.ini names. Only keys of type FILE matter here; the kernel reads the same text
 * with the same parser and reports every mistake, so that this file is silent about them.
 */
#include <ini.h>

#include "boot/config.h"
#include "kernel/config.h"

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
#define KEY_CPUS(section, key)
#define KEY_LIST(section, key)
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

static const char *section_name(const char *section, const char *word)
{
    while (*word && *section == *word) {
        section++;
        word++;
    }
    while (*section == ' ' || *section == '\t')
        section++;
    return section;
}

/* ---- Files of guests of other architectures, which stay on the disk ---- */

struct search {
    struct text text;
    config_found_fn *found;
    const char *host;
};

/* Looks through the sections of guests for one that this host can run and that is called `vm`, or
 * that names the disk `disk`. */
struct look {
    const char *vm, *disk, *host;
    bool hit, named;    /* so far; by some guest at all */
    bool here, foreign; /* of the section being read */
};

static void end_look(struct look *look)
{
    look->hit |= look->here && !look->foreign;
    look->named |= look->here;
    look->here = look->foreign = false;
}

static int look_at(void *user, const char *section, const char *key, const char *value, int line)
{
    struct look *look = user;

    (void)line;
    if (!key)
        end_look(look);
    if (!section_is(section, "vm"))
        return 1;
    if (look->vm && text_equal(section_name(section, "vm"), look->vm))
        look->here = true;
    if (!key || !value)
        return 1;
    if (look->disk && text_equal(key, "disk") && text_equal(value, look->disk))
        look->here = true;
    if (text_equal(key, "arch"))
        look->foreign = !text_equal(value, "host") && !text_equal(value, look->host) &&
                        text_equal(value, CONFIG_HARDWARE_ISA);
    return 1;
}

/* Is there a guest for this host that wants the files of `section`? A disk that no guest names is
 * read too: the kernel says what is wrong. */
static bool wanted(const struct search *search, const char *section)
{
    struct text stream = search->text;
    struct look look = {.host = search->host};

    if (section_is(section, "vm"))
        look.vm = section_name(section, "vm");
    else if (section_is(section, "disk"))
        look.disk = section_name(section, "disk");
    else
        return true;
    ini_parse_stream(read_line, &stream, look_at, &look);
    end_look(&look);
    return look.hit || !look.named;
}

static int handle(void *user, const char *section, const char *key, const char *value, int line)
{
    const struct search *search = user;

    (void)line;
    if (!key || !value || !*value)
        return 1; /* a section's header */
    for (size_t i = 0; i < sizeof(file_keys) / sizeof(file_keys[0]); i++) {
        if (text_equal(file_keys[i].key, key) && section_is(section, file_keys[i].section) &&
            wanted(search, section))
            search->found(section, key, value);
    }
    return 1;
}

void config_find_files(const char *text, size_t size, const char *host, config_found_fn *found)
{
    struct search search = {.text = {text, text + size}, .found = found, .host = host};
    struct text stream = search.text;

    ini_parse_stream(read_line, &stream, handle, &search);
}
