/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Reads ennead.ini: see kernel/config.h. inih splits lines into sections, names and values; the
 * reader below hands it one line at a time and keeps from it what it would cut short or give up on
 * (overlong lines, lines that are no "name = value").
 */
#include "kernel/config.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/config_internal.h"
#include "kernel/config_keys.h"
#include "kernel/json.h"
#include "kernel/nearest.h"
#include "mm/heap.h"

#define LINE_MAX_LENGTH (INI_MAX_LINE - 2)
#define SECTION_MAX     48 /* inih cuts longer names */
#define KEYS_MAX        64
#define SHOWN_MAX       40 /* characters of a bad value in a message */
#define SECTIONS        "[host], [vm NAME], [disk NAME] or [network NAME]"
#define JSON_VALUE_MAX  768
#define BLANK_LINE      "\n"
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors put it first */

#define DEFAULTS                                                                             \
    {                                                                                        \
        .config = 1, .log = LOG_INFO, .runtime_services = true, .console = config_empty_text \
    }
static const struct config defaults = DEFAULTS;
static struct config current = DEFAULTS;

/* Sections that have names. */
static const struct {
    const char *word;
    size_t size;         /* of its structure */
    size_t array, count; /* in struct config */
} kinds[CONFIG_SECTIONS] = {
#define KIND(word, type, array, count)                                                     \
    {                                                                                      \
        word, sizeof(type), offsetof(struct config, array), offsetof(struct config, count) \
    }
    [CONFIG_vm] = KIND("vm", struct config_vm, vms, vm_count),
    [CONFIG_disk] = KIND("disk", struct config_disk, disks, disk_count),
    [CONFIG_network] = KIND("network", struct config_network, networks, network_count),
#undef KIND
};

struct parser {
    struct config *config;
    unsigned room[CONFIG_SECTIONS]; /* in the arrays of sections */
    const char *path;
    const char *at, *end; /* what was not read yet */
    unsigned line;        /* of the last line read */
    bool begun;           /* a section's header was read */
    bool reading;         /* its keys are wanted */
    enum config_section section;
    struct config_named *named; /* NULL: [host], or not reading */
    unsigned seen[KEYS_MAX];    /* line where each key of this section stood first */
};

const struct config *config_get(void)
{
    return &current;
}

/* ---- Mistakes ---- */

static void log_mistake(const char *path, unsigned line, const char *text)
{
    log_warn("%s, line %u: %s", path, line, text);
}

static void (*report)(const char *path, unsigned line, const char *text) = log_mistake;

void config_report_to(void (*to)(const char *path, unsigned line, const char *text))
{
    report = to;
}

#define MISTAKE_SIZE (CONFIG_REASON_SIZE - 16) /* less "line N: " */

static void note_mistake(struct config *c, struct config_named *section, unsigned line,
                         const char *text)
{
    report(c->path, line, text);
    c->error_count++;
    if (!section || section->disabled)
        return;
    section->disabled = true;
    snprintf(section->reason, sizeof(section->reason), "line %u: %s", line, text);
}

void config_mistake(struct config *c, struct config_named *section, unsigned line, const char *fmt,
                    ...)
{
    char text[MISTAKE_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    note_mistake(c, section, line, text);
}

static void mistake(struct parser *p, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void mistake(struct parser *p, unsigned line, const char *fmt, ...)
{
    char text[MISTAKE_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    note_mistake(p->config, p->named, line, text);
}

/* ---- Sections ---- */

bool config_name_valid(const char *name)
{
    static const char extra[] = "-_.";
    size_t length = strlen(name);
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr(extra, *c)))
            return false;
    return length > 0 && length < CONFIG_NAME_SIZE;
}

static unsigned *named_count(struct config *c, enum config_section section)
{
    return (unsigned *)(void *)((char *)c + kinds[section].count);
}

static char **named_array(struct config *c, enum config_section section)
{
    return (char **)(void *)((char *)c + kinds[section].array);
}

static struct config_named *named_at(struct config *c, enum config_section section, unsigned index)
{
    return (void *)(*named_array(c, section) + index * kinds[section].size);
}

static const struct config_named *find_named(struct config *c, enum config_section section,
                                             const char *name)
{
    for (unsigned i = 0; i < *named_count(c, section); i++)
        if (strcmp(named_at(c, section, i)->name, name) == 0)
            return named_at(c, section, i);
    return NULL;
}

static void set_defaults(enum config_section section, void *base)
{
    for (unsigned i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        if (k->section == section && (k->fallback[0] || k->type == CONFIG_TEXT) &&
            config_value_read(k, base, k->fallback))
            log_warn("configuration: no memory for the defaults");
    }
}

static void begin_named(struct parser *p, enum config_section section, const char *name,
                        unsigned line)
{
    const struct config_named *same = find_named(p->config, section, name);
    const char *word = kinds[section].word;
    unsigned *count = named_count(p->config, section);
    if (!config_name_valid(name)) {
        mistake(p, line, "[%s %.*s]: expected a name of 1 to %d letters, digits, '-', '_' or '.'",
                word, SHOWN_MAX, name, CONFIG_NAME_SIZE - 1);
    } else if (same) {
        mistake(p, line, "[%s %s]: there is one on line %u already: give this one another name",
                word, name, same->line);
    } else if (*count >= p->room[section]) {
        mistake(p, line, "[%s %s]: there can be only %d sections of this kind", word, name,
                CONFIG_NAMED_MAX);
    } else {
        p->section = section;
        p->named = named_at(p->config, section, (*count)++);
        p->reading = true;
        snprintf(p->named->name, sizeof(p->named->name), "%s", name);
        p->named->line = line;
        set_defaults(section, p->named);
    }
}

/* The kind of a section by its header, "vm NAME"; `name` is what follows the word. */
static enum config_section kind_of(const char *header, const char **name)
{
    size_t length = strcspn(header, " \t");
    for (enum config_section s = CONFIG_vm; s < CONFIG_SECTIONS; s++) {
        if (strlen(kinds[s].word) == length && memcmp(kinds[s].word, header, length) == 0) {
            *name = header + length + strspn(header + length, " \t");
            return s;
        }
    }
    return CONFIG_SECTIONS;
}

static void begin_section(struct parser *p, const char *header, unsigned line)
{
    const char *name = NULL;
    enum config_section section = kind_of(header, &name);
    memset(p->seen, 0, sizeof(p->seen));
    p->begun = true;
    p->named = NULL;
    p->section = CONFIG_host;
    p->reading = strcmp(header, "host") == 0;
    if (section != CONFIG_SECTIONS)
        begin_named(p, section, name, line);
    else if (!p->reading)
        mistake(p, line, "[%.*s]: expected " SECTIONS "; this section is ignored", SHOWN_MAX,
                header);
}

/* ---- Keys ---- */

static void unknown_key(struct parser *p, const char *name, unsigned line)
{
    struct nearest n;
    nearest_begin(&n, name);
    for (unsigned i = 0; i < config_key_count; i++)
        if (config_keys[i].section == p->section)
            nearest_offer(&n, config_keys[i].name);
    if (n.best)
        mistake(p, line, "%s: no such key here, the nearest is %s", name, n.best);
    else
        mistake(p, line, "%s: no such key in [%s%s]: docs/configuration.md lists them", name,
                p->named ? kinds[p->section].word : "host", p->named ? " NAME" : "");
}

static void bad_value(struct parser *p, const struct config_key *key, const char *value,
                      unsigned line)
{
    char expected[128];
    struct out_buffer b;
    out_buffer_init(&b, expected, sizeof(expected));
    config_value_expected(key, &b.out);
    mistake(p, line, "%s = %.*s%s: %s", key->name, SHOWN_MAX, value,
            strlen(value) > SHOWN_MAX ? "..." : "", expected);
}

static void *section_base(struct parser *p)
{
    return p->named ? (void *)p->named : (void *)p->config;
}

/* Where the value that was just added to a list stands, for messages of config_link(). */
static void note_line(struct parser *p, const struct config_key *key, unsigned line)
{
    if (key->type != CONFIG_LIST)
        return;
    struct config_list *list = (void *)((char *)section_base(p) + key->offset);
    list->line[list->count - 1] = line;
}

static void set_key(struct parser *p, unsigned index, const char *value, unsigned line)
{
    const struct config_key *key = &config_keys[index];
    if (p->seen[index] && key->type != CONFIG_LIST) {
        mistake(p, line, "%s: set on line %u already: remove one of them", key->name,
                p->seen[index]);
        return;
    }
    p->seen[index] = line;
    /* What it replaces is a default: nothing to free. */
    switch (config_value_read(key, section_base(p), value)) {
    case ERR_OK:
        note_line(p, key, line);
        return;
    case ERR_NO_MEMORY:
        mistake(p, line, "%s: no memory to keep its value", key->name);
        return;
    case ERR_RANGE:
        mistake(p, line, "%s: there can be only %d of them", key->name, CONFIG_LIST_MAX);
        return;
    default:
        bad_value(p, key, value, line);
    }
}

/* "on-crash" is on_crash: other programs' files write it so. */
static bool is_key(const char *key, const char *name)
{
    while (*key && (*name == *key || (*key == '_' && *name == '-')))
        key++, name++;
    return !*key && !*name;
}

static void read_key(struct parser *p, const char *name, const char *value, unsigned line)
{
    if (!p->begun)
        mistake(p, line, "%.*s: expected a section, " SECTIONS ", before it", SHOWN_MAX, name);
    if (!p->reading)
        return;
    for (unsigned i = 0; i < config_key_count; i++) {
        if (config_keys[i].section == p->section && is_key(config_keys[i].name, name)) {
            set_key(p, i, value, line);
            return;
        }
    }
    unknown_key(p, name, line);
}

/* inih's callback. Mistakes were said and noted: always "go on". */
static int on_entry(void *user, const char *section, const char *name, const char *value, int line)
{
    struct parser *p = user;
    if (!name)
        begin_section(p, section, (unsigned)line);
    else
        read_key(p, name, value ? value : "", (unsigned)line);
    return 1;
}

/* ---- Lines ---- */

/* What is wrong with the line [s, s + n) as such, or NULL. */
static const char *line_mistake(const char *s, size_t n)
{
    if (n > LINE_MAX_LENGTH)
        return "this line is longer than 4094 bytes";
    if (memchr(s, 0, n))
        return "this line holds a NUL byte: expected text";
    while (n && (*s == ' ' || *s == '\t' || *s == '\r')) {
        s++;
        n--;
    }
    if (!n || *s == ';' || *s == '#')
        return NULL;
    if (*s == '[') {
        const char *end = memchr(s, ']', n);
        if (!end)
            return "expected ] at the end of the section's name";
        return end - s > SECTION_MAX ? "the section's name is too long" : NULL;
    }
    if (!memchr(s, '=', n) && !memchr(s, ':', n))
        return "expected NAME = VALUE, [SECTION], or ; before a comment";
    return NULL;
}

static bool is_header(const char *s, size_t n)
{
    while (n && (*s == ' ' || *s == '\t')) {
        s++;
        n--;
    }
    return n && *s == '[';
}

/* inih's reader, as fgets(): one line a call. */
static char *next_line(char *buffer, int size, void *stream)
{
    struct parser *p = stream;
    if (p->at >= p->end)
        return NULL;
    const char *start = p->at;
    const char *newline = memchr(start, '\n', (size_t)(p->end - start));
    size_t length = (size_t)((newline ? newline : p->end) - start);
    p->at = newline ? newline + 1 : p->end;
    p->line++;
    const char *wrong = line_mistake(start, length);
    if (wrong && is_header(start, length)) { /* what follows belongs to no section */
        p->named = NULL;
        p->reading = false;
        p->begun = true;
    }
    if (wrong)
        mistake(p, p->line, "%s", wrong);
    if (wrong || (int)length + 2 > size) {
        memcpy(buffer, BLANK_LINE, sizeof(BLANK_LINE));
        return buffer;
    }
    memcpy(buffer, start, length);
    memcpy(buffer + length, BLANK_LINE, sizeof(BLANK_LINE));
    return buffer;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || (uint8_t)c >= 0x80; /* a byte-order mark */
}

/* At least as many of each kind as there are: lines whose first character is '[' and whose second
 * is the first of the kind's word. */
static void count_sections(struct parser *p)
{
    bool blank = true; /* nothing but blanks on this line so far */
    for (const char *at = p->at; at < p->end; at++) {
        for (enum config_section s = CONFIG_vm; s < CONFIG_SECTIONS; s++)
            p->room[s] += blank && *at == '[' && at + 1 < p->end && at[1] == kinds[s].word[0] &&
                          p->room[s] < CONFIG_NAMED_MAX;
        blank = *at == '\n' || (blank && is_blank(*at));
    }
}

static bool make_arrays(struct parser *p)
{
    count_sections(p);
    for (enum config_section s = CONFIG_vm; s < CONFIG_SECTIONS; s++) {
        char **array = named_array(p->config, s);
        *array = p->room[s] ? heap_zalloc_array(p->room[s], kinds[s].size) : NULL;
        if (p->room[s] && !*array)
            return false;
    }
    return true;
}

static void free_section(enum config_section section, void *base)
{
    for (unsigned i = 0; i < config_key_count; i++)
        if (config_keys[i].section == section)
            config_value_free(&config_keys[i], base);
}

void config_reset(void)
{
    free_section(CONFIG_host, &current);
    for (enum config_section s = CONFIG_vm; s < CONFIG_SECTIONS; s++) {
        for (unsigned i = 0; i < *named_count(&current, s); i++)
            free_section(s, named_at(&current, s, i));
        heap_free(*named_array(&current, s));
    }
    current = defaults;
}

enum err config_parse(const char *path, const char *text, size_t size)
{
    struct parser p = {.config = &current, .path = path, .at = text, .end = text + size};
    if (config_key_count > KEYS_MAX)
        return ERR_RANGE;
    config_reset();
    if (size >= strlen(BYTE_ORDER_MARK) &&
        memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        p.at += strlen(BYTE_ORDER_MARK);
    snprintf(current.path, sizeof(current.path), "%s", path);
    if (!make_arrays(&p) || ini_parse_stream(next_line, &p, on_entry, &p) < 0)
        return ERR_NO_MEMORY;
    config_link(&current);
    current.panic_reboot = current.panic == 1;
    return current.error_count ? ERR_INVALID : ERR_OK;
}

/* ---- Printing ---- */

static void print_section(enum config_section section, const void *base, struct out *out)
{
    for (unsigned i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        unsigned count = k->section == section ? config_value_count(k, base) : 0;
        for (unsigned v = 0; v < count; v++) {
            out_printf(out, "%s = ", k->name);
            config_value_print(k, base, v, out);
            out_printf(out, "\n");
        }
    }
}

void config_print(struct out *out)
{
    struct config *c = &current;
    if (c->path[0])
        out_printf(out, "; from %s", c->path);
    else
        out_printf(out, "; no ennead/ennead.ini was found on the boot volume: defaults");
    out_printf(out, "; mistakes: %u%s\n[host]\n", c->error_count,
               c->error_count ? " (`log` shows them)" : "");
    print_section(CONFIG_host, c, out);
    for (enum config_section s = CONFIG_vm; s < CONFIG_SECTIONS; s++) {
        for (unsigned i = 0; i < *named_count(c, s); i++) {
            const struct config_named *named = named_at(c, s, i);
            out_printf(out, "\n[%s %s]\n", kinds[s].word, named->name);
            if (named->disabled)
                out_printf(out, "; disabled: %s\n", named->reason);
            print_section(s, named, out);
        }
    }
}

static void json_section(enum config_section section, const void *base, const char *name,
                         struct json *j)
{
    char text[JSON_VALUE_MAX];

    for (unsigned i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        unsigned count = k->section == section ? config_value_count(k, base) : 0;

        for (unsigned v = 0; v < count; v++) {
            struct out_buffer value;

            out_buffer_init(&value, text, sizeof(text));
            config_value_print(k, base, v, &value.out);
            json_begin(j, "setting");
            json_string(j, "section", section == CONFIG_host ? "host" : kinds[section].word);
            json_string(j, "name", name);
            json_string(j, "key", k->name);
            json_string(j, "value", text);
            json_end(j);
        }
    }
}

static void json_named(enum config_section section, const struct config_named *named,
                       struct json *j)
{
    json_begin(j, "section");
    json_string(j, "section", kinds[section].word);
    json_string(j, "name", named->name);
    json_bool(j, "disabled", named->disabled);
    json_string(j, "reason", named->disabled ? named->reason : NULL);
    json_end(j);
    json_section(section, named, named->name, j);
}

void config_json(struct json *j)
{
    struct config *c = &current;

    json_begin(j, "config");
    json_string(j, "file", c->path[0] ? c->path : NULL);
    json_number(j, "mistakes", c->error_count);
    json_end(j);
    json_section(CONFIG_host, c, NULL, j);
    for (enum config_section s = CONFIG_vm; s < CONFIG_SECTIONS; s++)
        for (unsigned i = 0; i < *named_count(c, s); i++)
            json_named(s, named_at(c, s, i), j);
}
